/* agents.h - the manager's side of the connections with nodes' agents. I/O.
 *
 * They come from io/port.h; the other side is io/agent.h. Each frame is one byte that tells its
 * kind, and what follows:
 *
 *	'P'	beat period u32, window u32, in ms: the manager's first
 *	'B'	the agent's beat
 *	'M'	a message of the session, either way
 *	'R'	the session begins anew on this connection: manager to agent, who says it back
 *	'X'	this node is not of the swarm any more: manager to agent, its last
 *
 * An agent that says nothing for AGENTS_PERIODS periods is closed. After its connection has ended
 * an agent waits for a random part of the window, so that those of a manager that goes do not all
 * come to another at once: it grows with their number, as each costs a handshake.
 *
 * Memory of one: CHANNEL_MEMORY, 41 KB, 41 MB for a thousand; the agent's end has 17 KB. A turn
 * of the loop costs only what there is to send.
 *
 * Callbacks come only from the loop, or from inside agents_take; inside one every function but
 * agents_done may be used.
 */
#ifndef SB_IO_AGENTS_H
#define SB_IO_AGENTS_H
#include "base/err.h"
#include "base/map.h"
#include "base/slice.h"
#include "io/channel.h"
#include "io/loop.h"

enum {
	AGENTS_MAX = 16384,		/* 670 MB; descriptors end before, where a process has
					 * fewer */
	AGENTS_SHAKE_MS = 2,		/* of a manager, for one that comes */
	AGENTS_MESSAGE_MAX = 8 << 20,	/* as between managers, who pass it on */
	AGENTS_PERIODS = 3,		/* two beats may be late */
	AGENTS_LINGER_MS = 1000,	/* from 'X' on: the agent closes when it has it */
	AGENTS_PARAMETERS = 8,		/* bytes after a 'P' */
};

struct agents_handler {
	void *context;
	/* A number for a new connection, that no other has or had. */
	uint64_t (*draw)(void *context);
	/* There is a connection; node_id: its certificate's common name, borrowed for the call. */
	void (*up)(void *context, uint64_t id, const char *node_id);
	/* It is closed: what was sent last may be lost. */
	void (*down)(void *context, uint64_t id);
	/* body is borrowed for the call. */
	void (*message)(void *context, uint64_t id, struct slice body);
};

struct agent_end;

struct agents {		/* all private */
	struct loop *loop;
	const struct agents_handler *handler;
	uint32_t period_ms, window_ms;
	struct map ends;		/* by id */
	struct agent_end *full;		/* those with something to send */
};

/* handler is borrowed. period_ms, window_ms: told to each agent that comes. */
void agents_init(struct agents *a, struct loop *l, const struct agents_handler *handler,
		 uint32_t period_ms, uint32_t window_ms);
/* Sends what has gathered as far as it goes at once, closes all; no callback. */
void agents_done(struct agents *a);
/* One came (port_handler.agent). 0: c is a's. ERR_LIMIT with c->why: AGENTS_MAX; c is the
 * caller's. */
int agents_take(struct agents *a, struct channel *c);
/* Of these, one that knows no such id does nothing. */
/* Gathers a message of at most AGENTS_MESSAGE_MAX - 1. When CHANNEL_OUT_MAX is passed, the
 * connection is closed: `down` follows. */
void agents_send(struct agents *a, uint64_t id, struct slice body);
/* The agent's session begins anew; the connection stays. Once it has answered, `down` for id and
 * `up` for another follow; until then neither end of the session hears the other. */
void agents_restart(struct agents *a, uint64_t id);
/* The agent is told that its node is not of the swarm; nothing it says is heard any more, and
 * `down` follows. */
void agents_refuse(struct agents *a, uint64_t id);
/* Closes the connection without a word; `down` follows. */
void agents_close(struct agents *a, uint64_t id);
/* Sends what has gathered: call it at the end of each turn of the loop. */
void agents_flush(struct agents *a);
#endif
