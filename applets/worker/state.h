/* state.h - what the worker's files share: its tasks, networks, calls and log streams. Pure.
 *
 * Facts about a container come from one place, its inspect answer: an engine event only says
 * that it is time to look. What is to be done next for a task is decided when there is room
 * for a call, so that a change of mind never leaves a stale call in a queue.
 */
#ifndef SB_APPLETS_WORKER_STATE_H
#define SB_APPLETS_WORKER_STATE_H
#include "applets/worker/worker.h"
#include "base/map.h"
#include "docker/container.h"
#include "docker/logmux.h"

enum {
	/* Calls that work the engine: more at once only wait inside it (its locks, the disk). */
	WORKER_CALLS_MAX = 16,
	/* Calls that mostly wait: stops (a grace period each) and pulls. */
	WORKER_SLOW_MAX = 64,
	WORKER_LOGS_MAX = 64,		/* log streams at once: one connection each */
	WORKER_CALLS_ALL = WORKER_CALLS_MAX + WORKER_SLOW_MAX + WORKER_LOGS_MAX + 4,
	WORKER_TASKS_MAX = 20000,	/* of one node, with those being removed */
	WORKER_NETWORKS_MAX = 4096,
	WORKER_ID_MAX = 64,		/* a container's id in hex; a task's is 25 */
	WORKER_LOG_PIECE = 32 * 1024,	/* bytes of log in one message */
	REPORT_QUIET_MS = 20,		/* a status goes out at once after that much silence */
	REPORT_DELAY_MS = 100,		/* else it waits for others this long, */
	REPORT_BATCH = 100,		/* or for that many */
	ENGINE_RETRY_MIN_MS = 100,
	ENGINE_RETRY_MAX_MS = 2000,
	ENGINE_SETTLED_MS = 5000,	/* up for so long: the next loss is a new one */
};

/* Where a task's container stands, and so what may be done next (table in wtask.c). */
enum phase {
	PHASE_HELD,	/* the engine has not been asked what it has, or whose this is */
	PHASE_IMAGE,	/* is the image there */
	PHASE_PULL,
	PHASE_NETWORK,	/* waits for its networks */
	PHASE_CREATE,
	PHASE_INSPECT,	/* how is the container */
	PHASE_CONNECT,	/* the second network and those after it */
	PHASE_READY,	/* created; waits for desired RUNNING */
	PHASE_START,
	PHASE_RUNNING,	/* runs; healthy or waiting for it */
	PHASE_STOP,
	PHASE_DEAD,	/* nothing runs; the container, if any, is history */
	PHASE_REMOVE,
	PHASE_COUNT,
};

struct wtask {
	char id[WORKER_ID_MAX + 1];	/* the task's; the container's if it bears none */
	struct arena arena;		/* of spec */
	struct task *spec;		/* as the manager sent it last; NULL: not (yet) assigned */
	uint64_t generation;		/* of the complete assignment that named it last */
	int removed;			/* container and record are to go */
	enum phase phase;
	uint64_t call;			/* in flight, or 0 */
	int queued;			/* stands in a run queue */
	struct wtask *next_run;
	uint64_t retry_ms;		/* nothing is done before; 0 = now */
	unsigned tries;			/* of the call that failed last */
	/* the container */
	char container[WORKER_ID_MAX + 1];	/* engine's id, or "" */
	int running;			/* as last seen */
	int ran;			/* it did at some time: else it is no history to keep */
	int listed;			/* during adoption: the engine has it */
	int again;			/* an event came while it was being inspected */
	int unhealthy;			/* is being stopped for that */
	uint32_t attached;		/* networks it is connected to, in the order of the spec */
	struct lines *pull;		/* of a pull in flight */
	struct errmsg why;		/* what that pull said */
	/* what is reported */
	int state;			/* enum task_state; never goes back */
	int dirty;
	int end_known;			/* the manager has it as dead: nothing to report */
	const char *message;		/* a literal */
	struct errmsg err;
	int64_t timestamp;
	int64_t pid, exit_code;
	struct arena seen;		/* of ports */
	struct list ports;		/* struct port_config */
};

enum presence { NET_ABSENT, NET_UNKNOWN, NET_PRESENT };

enum net_call { NET_CREATE, NET_INSPECT, NET_REMOVE };

struct wnet {
	char id[WORKER_ID_MAX + 1];
	struct arena arena;	/* of spec and name */
	const struct network *spec;	/* NULL: found in the engine, not assigned */
	const char *name;
	uint64_t generation;
	enum presence presence;	/* in the engine */
	enum net_call asked;	/* of the call in flight */
	int wanted;		/* a task waits for it */
	int removed;
	int checking;		/* a network of that name exists: is it ours */
	uint64_t retry_ms;
	unsigned tries;
};

struct wlog {
	uint64_t id;			/* the manager's */
	uint64_t call;
	struct logmux mux;
	struct buf lines[LOGMUX_STREAMS];	/* what no line end followed yet */
};

enum call_kind { CALL_NONE, CALL_ENGINE, CALL_EVENTS, CALL_TASK, CALL_NETWORK, CALL_LOG };

struct call {
	uint64_t id;
	enum call_kind kind;
	int slow;
	void *owner;	/* struct wtask, wnet or wlog */
};

enum engine_state {
	ENGINE_DOWN,		/* waits for engine_retry_ms */
	ENGINE_INFO,		/* these three: one call in flight each */
	ENGINE_NETWORKS,
	ENGINE_CONTAINERS,
	ENGINE_UP,
};

struct run_queue {
	struct wtask *first, *last;
};

struct worker {
	struct worker_config config;
	struct rng rng;
	/* of the step in hand */
	struct effects *fx;
	uint64_t now_ms;
	int64_t wall_ns;
	/* the engine */
	enum engine_state engine;
	struct errmsg engine_why;	/* "" = it answers */
	unsigned engine_tries;
	uint64_t engine_retry_ms, engine_up_ms;
	struct lines events;
	struct arena description_arena;
	struct node_description description;
	int described;
	/* calls in flight */
	uint64_t last_call;
	struct call calls[WORKER_CALLS_ALL];
	unsigned quick, slow;		/* of tasks */
	struct run_queue quick_run, slow_run;
	struct wnet *net_busy;		/* network calls are made one after the other */
	int net_check;			/* there may be something to do for networks */
	/* the manager */
	int session_up, synced;
	uint64_t session, version, generation;
	int settled;			/* all that is assigned is known */
	int leaving, left;
	/* published ports that lb cannot serve on this node */
	struct map ports_errors;	/* service name -> why, in ports_arena */
	struct arena ports_arena;
	/* what there is */
	struct map tasks, networks;
	struct map logs;		/* by id, 8 bytes big-endian */
	/* reports and the timer */
	unsigned dirty;
	int news;			/* description or engine state to be sent */
	int description_due;
	uint64_t sent_ms, report_ms;
	uint64_t retry_ms;		/* earliest of the tasks' and networks'; 0 = none */
	uint64_t timer_ms;		/* as set */
};

/* ---- wcall.c: calls in flight ---- */

/* Sends it. more: the body comes in pieces. Returns the call's id. There must be room. */
uint64_t wcall_start(struct worker *w, enum call_kind kind, void *owner,
		     const struct docker_request *request, int more);
void wcall_cancel(struct worker *w, uint64_t id);
/* The call, or NULL if it was cancelled. */
struct call *wcall_find(struct worker *w, uint64_t id);
/* Takes it out of the table: it has been answered. */
struct call wcall_end(struct worker *w, struct call *c);
void wcall_cancel_all(struct worker *w);

/* ---- wengine.c: is there an engine, and what does it have ---- */

/* Asks the engine who it is; what follows ends in ENGINE_UP or wengine_lost. */
void wengine_probe(struct worker *w);
void wengine_reply(struct worker *w, const struct event *ev);
void wengine_events(struct worker *w, struct slice piece);
/* Forgets all calls; tries again soon. why: one line. */
void wengine_lost(struct worker *w, struct slice why);

/* ---- wtask.c: a task's way, one call at a time ---- */

struct wtask *wtask_get(struct worker *w, struct slice id);
/* The task of that id, made if there is none; NULL when there are too many. */
struct wtask *wtask_add(struct worker *w, struct slice id);
void wtask_free(struct wtask *t);
/* Takes over what the manager says. */
void wtask_assign(struct worker *w, struct wtask *t, const struct task *spec);
void wtask_remove(struct worker *w, struct wtask *t);
/* Its next call is one that mostly waits. */
int wtask_is_slow(const struct wtask *t);
/* Something changed: it is looked at when there is room. */
void wtask_run(struct worker *w, struct wtask *t);
/* Runs what waits, as far as there is room. */
void wtask_pump(struct worker *w);
void wtask_reply(struct worker *w, struct wtask *t, const struct event *ev);
void wtask_data(struct worker *w, struct wtask *t, struct slice piece);
void wtask_event(struct worker *w, const struct docker_event *event);
/* The engine is lost: nothing is known of the container but that there was one. */
void wtask_hold(struct worker *w, struct wtask *t);
/* Looks at those whose time has come. */
void wtask_retry(struct worker *w);
void wtask_fail(struct worker *w, struct wtask *t, const char *format, ...)
	__attribute__((format(printf, 3, 4)));
void wtask_changed(struct worker *w, struct wtask *t);

/* ---- wnet.c: networks ---- */

struct wnet *wnet_get(struct worker *w, struct slice id);
struct wnet *wnet_add(struct worker *w, struct slice id, struct slice name);
void wnet_free(struct wnet *n);
void wnet_assign(struct worker *w, const struct network *spec);
void wnet_remove(struct worker *w, struct wnet *n);
/* 1 when it is there, 0 when it will be tried, ERR_NOT_FOUND when nobody knows it. */
int wnet_need(struct worker *w, struct slice id);
/* A container could not be made with these: they are looked at again before the next. */
void wnet_doubt(struct worker *w, const struct task *t);
void wnet_pump(struct worker *w);
void wnet_reply(struct worker *w, struct wnet *n, const struct event *ev);

/* ---- wreport.c: what the manager is told ---- */

void wreport_resync(struct worker *w);
void wreport_log(struct worker *w, const struct session_log *log);
/* What the node is, but for its certificate, of which the worker is told otherwise. Copied. */
void wreport_describe(struct worker *w, const struct node_description *d);
/* Sends what is due, or sees to it that the timer does. */
void wreport_flush(struct worker *w);
/* Sends all, whatever the time. */
void wreport_all(struct worker *w);

/* ---- wports.c: published ports that lb cannot serve here ---- */

/* lb's status file (lb_status in applets/lb/lb.h); what does not parse counts as no error. */
void wports_status(struct worker *w, struct slice status);
/* Why a port of the task's service is not served, or NULL. */
const char *wports_error(const struct worker *w, const struct wtask *t);

/* ---- wlog.c: log streams ---- */

void wlog_free(struct wlog *l);
void wlog_order(struct worker *w, const struct session_logs *order);
void wlog_data(struct worker *w, struct wlog *l, struct slice piece);
/* err: why it ended early, or NULL. */
void wlog_end(struct worker *w, struct wlog *l, const char *err);
/* All of them; with a session each is told why. */
void wlog_end_all(struct worker *w, const char *err);

/* ---- worker.c ---- */

/* The timer will come at when_ms or before. */
void worker_retry_at(struct worker *w, uint64_t when_ms);
/* 2^tries x first_ms, at most max_ms, less up to a quarter. */
uint64_t worker_backoff(struct worker *w, unsigned tries, uint64_t first_ms, uint64_t max_ms);
#endif
