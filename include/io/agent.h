/* agent.h - a node's connection with one of the managers, kept up; and how it asks for a
 * certificate. I/O.
 *
 * The other side is io/agents.h, which tells the frames. Of the managers one is drawn, then
 * always another than the last one, if there are more. A dial that fails is followed by the next
 * after 50 to 100 ms, then twice as long, up to 4 to 8 s; a connection that was up, after a
 * random part of the window that its manager named.
 *
 * Callbacks come only from the loop; inside one every function but agent_done and enrol_done
 * may be used.
 */
#ifndef SB_IO_AGENT_H
#define SB_IO_AGENT_H
#include "base/buf.h"
#include "base/err.h"
#include "base/rng.h"
#include "base/slice.h"
#include "io/channel.h"
#include "io/loop.h"

enum {
	AGENT_MANAGERS_MAX = 32,	/* PEERS_SET_MAX */
	AGENT_RETRY_MIN_MS = 100,
	AGENT_RETRY_MAX_MS = 8000,
	AGENT_PERIOD_MIN_MS = 10,	/* what a manager names is taken into these bounds */
	AGENT_PERIOD_MAX_MS = 60000,
	AGENT_WINDOW_MAX_MS = 60000,
	ENROL_ANSWER_MAX = 64 << 10,	/* some certificates, and the managers' addresses */
	ENROL_WAIT_MS = 12000,		/* for an answer: PORT_ENROL_MS and the way */
};

struct agent_handler {
	void *context;
	/* A session may begin. */
	void (*up)(void *context);
	/* It has ended: what was sent last may be lost. */
	void (*down)(void *context);
	/* body is borrowed for the call. */
	void (*message)(void *context, struct slice body);
	/* The node is not of the swarm any more; `down` came before. No manager is dialed any
	 * more. */
	void (*removed)(void *context);
};

struct agent_manager {
	uint32_t address;
	uint16_t port;
};

struct agent_link;

struct agent {		/* all private */
	struct loop *loop;
	const struct agent_handler *handler;
	const struct channel_config *channels;
	const char *manager_unit;
	struct rng rng;
	struct agent_manager managers[AGENT_MANAGERS_MAX];
	uint32_t manager_count;
	struct agent_manager last;	/* dialed last */
	struct channel *channel;	/* dialed or up; NULL: none */
	int is_up, removed, logged;
	uint32_t frames;		/* that have come on it: the first two are special */
	uint32_t wait_ms, period_ms, window_ms;
	struct loop_timer timer;	/* the next dial, or, when it is up, the next beat */
};

/* All is borrowed. channels: `small` is wanted. manager_unit: what a manager's certificate names
 * as its unit; NULL: anything. */
void agent_init(struct agent *a, struct loop *l, const struct agent_handler *handler,
		const struct channel_config *channels, const char *manager_unit);
/* Sends what has gathered as far as it goes at once, and closes; no callback. */
void agent_done(struct agent *a);
/* The managers from now on: "192.0.2.1:2377 192.0.2.2:2377". A connection stays, whoever it is
 * with. What is no address, or over AGENT_MANAGERS_MAX, is left out with a line in the log. */
void agent_managers(struct agent *a, struct slice addresses);
/* Gathers a message of at most AGENTS_MESSAGE_MAX - 1; dropped when there is no session. */
void agent_send(struct agent *a, struct slice body);
/* Sends what has gathered: call it at the end of each turn of the loop. */
void agent_flush(struct agent *a);

/* One request for a certificate: the managers are asked one after the other, in their order, until
 * one answers with a status under 500. */
struct enrol {
	/* These: set by the caller; all is borrowed until `done` or enrol_done. */
	void *context;
	struct loop *loop;
	const struct channel_config *channels;	/* a pin, or anchors; `small` is wanted */
	const char *manager_unit;		/* as in agent_init */
	struct slice request;			/* at most GREETING_MAX - ENROL_HEAD */
	/*
	 * The end. status: an HTTP status, and body what was said, borrowed for the call. < 0: no
	 * manager has answered; it is the code of the last one (channel.h, `ended`), and body the
	 * reason, for a person. The struct may be freed in it.
	 */
	void (*done)(void *context, int status, struct slice body);
	struct agent_manager managers[AGENT_MANAGERS_MAX];	/* private, as all below */
	uint32_t manager_count, next;
	struct channel *channel;
	int greeted, status;
	struct buf answer;
	struct loop_timer timer;
};

/* addresses as in agent_managers, but all must be good: else ERR_INVALID, or ERR_LIMIT (too
 * many, or the request too long), with msg, and `done` is not called. */
int enrol_start(struct enrol *e, struct slice addresses, struct errmsg *msg);
/* Gives up; nothing happens after `done`. */
void enrol_done(struct enrol *e);
#endif
