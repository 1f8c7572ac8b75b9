/* channel.h - messages over one TLS connection between nodes. I/O.
 *
 * Owns the socket from channel_dial or channel_take on: connects, shakes hands, cuts the
 * stream into frames (codec/frames.h), gathers what is to be sent and seals it in large
 * records when it is flushed. Who the other end is and what it says is the owner's business.
 *
 * Callbacks come only from the loop, never from inside a channel's function, in this order:
 * ready once, then any number of frames, and ended once as the last. After ended, or after
 * channel_close, nothing is called any more and the struct may be freed. Inside a callback
 * every function may be used, on this channel but channel_close.
 *
 * A forked child has the sockets, too, and would keep them open when this process is killed: it
 * closes them first of all, so that the other ends know at once.
 *
 * Memory: CHANNEL_MEMORY from the first byte of a handshake on (CHANNEL_MEMORY_SMALL at an end
 * that dials with `small`), the one frame that has come in part, and what waits to be sent (at
 * most CHANNEL_OUT_MAX). An end that is dialed has CHANNEL_MEMORY in any case: how large a buffer
 * the other end asks for is known only when its own is in use.
 */
#ifndef SB_IO_CHANNEL_H
#define SB_IO_CHANNEL_H
#include "base/buf.h"
#include "base/err.h"
#include "codec/frames.h"
#include "crypt/tls.h"
#include "io/loop.h"

enum {
	CHANNEL_MEMORY = sizeof(struct tls) + TLS_BUFFER_FULL,	/* 41 KB */
	CHANNEL_MEMORY_SMALL = sizeof(struct tls) + TLS_BUFFER_SMALL,	/* 17 KB */
	CHANNEL_OUT_MAX = 32 << 20,	/* gathered and not sent: some of the largest messages;
					 * up to half of it may be sent already */
	CHANNEL_OUT_KEEP = 1 << 20,	/* memory kept for what is gathered next */
	CHANNEL_CONNECT_MS = 1000,	/* to a TCP connection: one round trip, and a lost SYN */
	CHANNEL_SHAKE_MS = 5000,	/* from there to channel_keep: some round trips and, on
					 * a small processor, 200 ms of arithmetic */
	CHANNEL_SILENT_MS = 2000,	/* a host that answers nothing for so long is gone */
	CHANNEL_READ_BYTES = 64 << 10,	/* read at once, into one buffer for all */
	CHANNEL_READ_TURNS = 8,		/* reads of one channel in a turn of the loop */
	CHANNEL_SHAKE_BYTES = 512,	/* read in a turn during a handshake: what they lead to is
					 * under 2 ms of arithmetic, all of a server's flight over
					 * it (tests/bench/run tls) */
};

/* The two ends' certificates, as in struct tls_config; borrowed by each channel made with it. */
struct channel_config {
	const struct tls_identity *identity;
	const struct tls_anchor *anchors;
	uint32_t anchor_count;
	struct tls_pin *pin;	/* for one channel at a time */
	int strangers;
	int small;		/* an end that dials: TLS_BUFFER_SMALL */
};

enum channel_stage { CHANNEL_CONNECTING, CHANNEL_SILENT, CHANNEL_SHAKING, CHANNEL_OPEN };

struct channel_secret;

struct channel {
	void *context;		/* these four: set by the owner before anything else */
	/* The handshake is over: channel_peer_name, channel_send. */
	void (*ready)(struct channel *c);
	/* body is borrowed for the call. An error code ends the channel with it. */
	int (*frame)(struct channel *c, struct slice body);
	/* Everything is closed and freed. err: ERR_UNAVAILABLE (nobody listens, or the other end
	 * has gone), ERR_TIMEOUT, ERR_DENIED, ERR_CORRUPT, ERR_UNSUPPORTED (tls_error), ERR_LIMIT
	 * (CHANNEL_OUT_MAX, or a frame over the maximum), or what frame returned, then without
	 * text. */
	void (*ended)(struct channel *c, int err, const struct errmsg *why);
	enum channel_stage stage;	/* read */
	struct loop *loop;		/* private, as all below */
	const struct channel_config *config;
	struct loop_watch watch;
	struct loop_timer timer;
	struct channel_secret *secret;
	struct frames frames;
	struct buf out;
	size_t out_at;
	int kept;
	int failed;
	struct errmsg why;
};

/* Zeroes all but the owner's four. frame_max: until channel_keep. */
void channel_init(struct channel *c, struct loop *l, const struct channel_config *config,
		  uint32_t frame_max);
/* Connects with address:port as the TLS client. What fails at once is told by ended, too. */
void channel_dial(struct channel *c, uint32_t address, uint16_t port);
/* Takes an accepted socket over, as the TLS server. */
void channel_take(struct channel *c, int fd);
/* The other end is known and welcome: no time limit any more, frames up to frame_max. */
void channel_keep(struct channel *c, uint32_t frame_max);
/* From now on there is one: it ends with ERR_TIMEOUT in limit_ms, unless it is called again. 0:
 * at once, but from the loop. */
void channel_limit(struct channel *c, uint64_t limit_ms);
/* Of the other end's certificate, from ready on: common name and unit; "" if it shows none. */
const char *channel_peer_name(const struct channel *c);
const char *channel_peer_unit(const struct channel *c);

/* Gathers a message, from ready on. Over CHANNEL_OUT_MAX the channel fails: ended follows from
 * the loop, and what is sent until then is dropped. */
void channel_send(struct channel *c, struct slice body);
/* The same with one byte before the body, as part of the message: its kind. */
void channel_send_kind(struct channel *c, char kind, struct slice body);
/* Seals and writes what was gathered as far as the socket takes it; the rest follows when it
 * takes more. */
void channel_flush(struct channel *c);
/* Closes at once and frees, without ended. What was flushed may still arrive. */
void channel_close(struct channel *c);
#endif
