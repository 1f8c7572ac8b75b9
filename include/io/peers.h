/* peers.h - the connections between managers: one with each, kept up. I/O.
 *
 * Those that other managers dial come from io/port.h; this module dials its own.
 *
 * Every manager dials every one of the set with which it has no connection, again and again:
 * after 25 to 50 ms at first, at last every 0.5 to 1 s. A connection is a channel
 * (io/channel.h) on which both ends have said hello (codec/frames.h): the end that was dialed
 * first, then the one that dialed, if it still has no other, then the first again. Of two at
 * once the one that the higher raft id dialed stays, and neither end sees the other.
 *
 * A dead one never keeps a live one out: hellos carry the number that their process drew when
 * it started and count its decisions, so that the end that still believes in an older
 * connection knows better.
 *
 * Callbacks come only from the loop, or from inside peers_take, never from inside another function
 * of this module; inside one every function but peers_done may be used.
 */
#ifndef SB_IO_PEERS_H
#define SB_IO_PEERS_H
#include "base/err.h"
#include "base/rng.h"
#include "base/slice.h"
#include "io/channel.h"
#include "io/loop.h"

enum {
	PEERS_MESSAGE_MAX = 8 << 20,	/* twice RAFT_MESSAGE_MAX: what wraps it fits, too */
	PEERS_SET_MAX = 32,		/* twice RAFT_MEMBERS_MAX */
	PEERS_MAX = 64,			/* ids known at once: the set, and those who join */
	PEERS_DIALS_MAX = 16,		/* peers_dial under way; more are not begun */
	PEERS_RETRY_MIN_MS = 50,	/* a manager that starts anew is back in that time */
	PEERS_RETRY_MAX_MS = 1000,	/* one packet a second to a host that is away */
};

struct peers_handler {
	void *context;
	/* May there be one with id, whose certificate has that common name? NULL: always. It must
	 * call nothing here. */
	int (*welcome)(void *context, uint64_t id, const char *name);
	/* There is a connection with id, of the set or not; name as above, borrowed. */
	void (*up)(void *context, uint64_t id, const char *name);
	/* It is closed: what was sent last may be lost. Or: one of the set cannot be reached,
	 * told once until it is up again. */
	void (*down)(void *context, uint64_t id);
	/* body is borrowed for the call. */
	void (*message)(void *context, uint64_t id, struct slice body);
};

/* One manager of the set. */
struct peers_member {
	uint64_t id;
	struct slice address;	/* "192.0.2.1:2377" */
};

struct peer;
struct peer_link;

struct peers {		/* all private */
	struct loop *loop;
	const struct peers_handler *handler;
	const struct channel_config *channels;
	const char *unit;
	uint64_t id;
	uint64_t boot;
	uint64_t turn;
	struct rng rng;
	struct peer *peers;
	struct peer_link *links, *last_link;	/* oldest first */
	uint32_t peer_count, dial_count;
};

/* id: one's own raft id, not 0. unit: what the certificate of one that is dialed must name as its
 * unit; NULL: anything. All is borrowed. */
void peers_init(struct peers *p, struct loop *l, const struct peers_handler *handler,
		const struct channel_config *channels, const char *unit, uint64_t id);
/* Sends what has gathered as far as it goes at once, closes everything; no callback. */
void peers_done(struct peers *p);
/* The hello for one who came, who has not said who it is (port_handler.hello). */
void peers_hello(struct peers *p, struct hello *h);
/*
 * One came and said that it is the manager of that hello (port_handler.manager). 0: c is p's.
 * Else it is not wanted, and c the caller's: ERR_EXISTS (there is a better connection), ERR_LIMIT
 * (PEERS_MAX), ERR_INVALID (one's own id), ERR_DENIED (not welcome), with c->why.
 */
int peers_take(struct peers *p, struct channel *c, const struct hello *h);
/*
 * Whom to be connected with from now on; one's own id is skipped. A connection with an id that
 * is not in it any more stays until either end closes it, but is not made again. A new address
 * counts from the next dial on. At most PEERS_SET_MAX; the rest, and an address that is none,
 * is left out with a line in the log.
 */
void peers_set(struct peers *p, const struct peers_member *members, uint32_t count);
/* Connects once with whoever is at the address: `up` tells who. A failure is only logged; call
 * it again then. Nothing happens while the same address is being dialed. */
void peers_dial(struct peers *p, struct slice address);
/* Gathers a message of at most PEERS_MESSAGE_MAX; dropped when there is no connection. When
 * CHANNEL_OUT_MAX is passed, the connection is closed: `down` follows. */
void peers_send(struct peers *p, uint64_t id, struct slice body);
/* Closes the connection with id, if there is one: `down` follows. */
void peers_drop(struct peers *p, uint64_t id);
/* Sends what has gathered: call it at the end of each turn of the loop. */
void peers_flush(struct peers *p);
/* Is there a connection with id? */
int peers_is_up(const struct peers *p, uint64_t id);
#endif
