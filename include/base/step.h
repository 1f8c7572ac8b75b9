/* step.h - what a pure step is given (an event) and what it answers (effects). Pure.
 *
 * manager_step and worker_step decide; a driver (the daemon's or tests/sim) carries the effects
 * out, in order. Completion of a disk write is an event, never a return value: what must not be
 * seen before a record is durable is decided in the step that gets EVENT_WAL_DONE. All appends
 * of one loop turn share one write and one fdatasync.
 */
#ifndef SB_BASE_STEP_H
#define SB_BASE_STEP_H
#include <stdint.h>
#include "base/arena.h"
#include "base/slice.h"

/* Which fields of struct event a kind uses beside now_ms and wall_ns. */
enum event_kind {
	EVENT_START,		/* once, after recovery: -; a worker: text = node id */
	EVENT_TIMER,		/* -: the deadline set with EFFECT_TIMER has passed */
	EVENT_STOP,		/* -: end in good order, then EFFECT_EXIT */
	EVENT_FLUSH,		/* -: after EFFECT_FLUSH, at the end of the loop's turn */
	/* manager: log */
	EVENT_WAL_DONE,		/* id = last durable record number */
	EVENT_WAL_FAILED,	/* text = why; nothing after the last WAL_DONE is durable */
	EVENT_SNAPSHOT_SAVED,	/* id = as in the effect; offset = its length in bytes */
	EVENT_SNAPSHOT_FAILED,	/* id = as in the effect; text = why: the log is kept */
	EVENT_SNAPSHOT_PIECE,	/* id, index, offset = as in EFFECT_SNAPSHOT_READ; body; more = 1:
				 * not the last. status < 0: it cannot be read */
	EVENT_SNAPSHOT_STORED,	/* id, index, more = as in EFFECT_SNAPSHOT_STORE; of the last piece
				 * all is durable. status < 0: text = why */
	/* manager: other managers. id = raft id of the other end */
	EVENT_PEER_UP,		/* id: there is a connection; text = node id in its certificate */
	EVENT_PEER_DOWN,	/* id: it is closed, or nobody listens there */
	EVENT_PEER_MESSAGE,	/* id, body */
	/* manager: HTTP API */
	EVENT_REQUEST,		/* id = request; method, target, body; text = content type */
	EVENT_REQUEST_GONE,	/* id = request whose client left before the end */
	/* manager <-> agent sessions. In one daemon the driver joins the two ends. */
	EVENT_SESSION_UP,	/* id = session; text = node id */
	EVENT_SESSION_DOWN,	/* id = session */
	EVENT_SESSION_MESSAGE,	/* id = session; body = JSON text */
	/* worker: engine */
	EVENT_ENGINE_REPLY,	/* id = call; status (0: engine not reachable, text why); body */
	EVENT_ENGINE_DATA,	/* id = streaming call: a piece of its body; the end is
				 * EVENT_ENGINE_REPLY with an empty body */
	/* worker: lb */
	EVENT_PORTS_STATUS,	/* body = which published ports are served here (applets/lb/lb.h) */
};

struct event {
	enum event_kind kind;
	uint64_t now_ms;	/* monotonic */
	int64_t wall_ns;	/* Unix time; only for stamps that people read */
	uint64_t id;
	uint64_t index, offset;
	int status;
	int more;
	struct slice method;	/* these four: borrowed for the step */
	struct slice target;
	struct slice body;
	struct slice text;
};

/* For one that waits: how many bytes it borrows, and a copy of it with them in to, which has room
 * for so many. */
size_t event_bytes(const struct event *ev);
void event_copy(struct event *copy, const struct event *ev, void *to);

enum effect_kind {
	EFFECT_TIMER,		/* deadline_ms: one per step machine, replaces the last; 0 = none */
	EFFECT_LOG,		/* level, text */
	EFFECT_EXIT,		/* status: the process ends when all before is done */
	/* manager */
	EFFECT_WAL_APPEND,	/* id = record number (last + 1), body = record */
	EFFECT_SNAPSHOT_SAVE,	/* id = index it covers, wal_keep = first WAL record still needed
				 * beside it: those below may go once it is saved. The driver takes
				 * its bytes from manager_snapshot before the next step (or from
				 * a copy of the process) */
	EFFECT_SNAPSHOT_READ,	/* id = for whom, index = of our own snapshot, offset: a piece of
				 * its state, answered by EVENT_SNAPSHOT_PIECE */
	EFFECT_SNAPSHOT_STORE,	/* id = index it covers, offset, body, more: the next piece of one
				 * that comes from the leader; index: for the event. offset 0
				 * begins a new file; the last piece (more = 0) makes it ours,
				 * wal_keep as above */
	EFFECT_REPLY,		/* id = request, status, text = content type, body; target = more
				 * header lines, each "Name: value\r\n"; more = 1: chunks follow
				 * (EFFECT_REPLY_CHUNK), the last of them with more = 0 */
	EFFECT_REPLY_CHUNK,	/* id = request, body, more */
	EFFECT_SESSION_SEND,	/* id = session, body = JSON text (manager and worker) */
	EFFECT_SESSION_DROP,	/* id = session: end it; the agent comes again with a new one.
				 * status 1: its node is not of the swarm any more, and is told;
				 * 2: another speaks in its name, and its connection ends */
	EFFECT_FLUSH,		/* EVENT_FLUSH is wanted at the end of this turn of the loop */
	EFFECT_PEERS,		/* body = the other managers to be connected with, replaces the
				 * last: lines "RAFT-ID ADDRESS:PORT"; id = how many managers there
				 * are with us, 0: the log does not tell yet */
	EFFECT_PEER_DIAL,	/* target = ADDRESS:PORT: connect with whoever is there */
	EFFECT_PEER_DROP,	/* id = raft id: end the connection with it */
	EFFECT_PEER_SEND,	/* id = raft id, body; dropped when there is no connection */
	EFFECT_LOCK,		/* body = unlock key as text: seal the data folder's key with it;
				 * empty: with none. Only when it is another one */
	EFFECT_RESTART,		/* the disk failed: when it can be written again, EVENT_STOP-like
				 * end and a new start from what is on it; text = why */
	/* worker */
	EFFECT_ENGINE_CALL,	/* id = call, method, target, body (JSON or empty), timeout_ms;
				 * more = 1: deliver the body in pieces as it comes */
	EFFECT_ENGINE_CANCEL,	/* id = call: forget it, close its connection */
	EFFECT_PUBLISH,		/* target = file name in the run folder, body: the new content */
	EFFECT_NODE,		/* body = JSON of struct session_node: the driver keeps managers
				 * and trust; it renews the certificate, and begins anew in the
				 * other role, when these differ from what it has */
	EFFECT_WIPE,		/* the node has left: remove the data folder's content */
};

enum log_level { LOG_ERROR, LOG_WARNING, LOG_INFO, LOG_DEBUG };

struct effect {
	enum effect_kind kind;
	uint64_t id;
	uint64_t index, offset;
	uint64_t wal_keep;
	uint64_t deadline_ms;
	uint64_t timeout_ms;
	int status;
	int more;
	enum log_level level;
	struct slice method;	/* these four live in the effects' arena */
	struct slice target;
	struct slice body;
	struct slice text;
};

/* Enough for one step over EFFECTS_MAX / 4 tasks each with a call, a status and a log line;
 * a step that has more to do leaves the rest for a timer at once. */
enum { EFFECTS_MAX = 4096 };

/* The list is valid until effects_reset, which the driver calls before each step. */
struct effects {
	struct arena arena;
	struct effect *items;
	uint32_t count;
	uint32_t capacity;	/* private */
};

void effects_init(struct effects *e);
void effects_done(struct effects *e);
void effects_reset(struct effects *e);
/* A zeroed effect at the end of the list, to be filled at once. Asserts count < EFFECTS_MAX. */
struct effect *effects_add(struct effects *e, enum effect_kind kind, uint64_t id);
/* How many more fit. */
uint32_t effects_room(const struct effects *e);
/* Shorthand: a log line (printf rules). */
void effects_log(struct effects *e, enum log_level level, const char *format, ...)
	__attribute__((format(printf, 3, 4)));
#endif
