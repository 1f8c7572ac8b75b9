/* sim.h - a node in simulated time: the shipped manager and worker steps, driven from one seed,
 * with a disk, an engine and clients that misbehave. Pure.
 *
 *	main.c     seeds, options, counts, what is printed
 *	sim.c      time: the heap of happenings; the process: steps, effects, crash, restart
 *	disk.c     the log and the snapshot
 *	engine.c   containers and networks, and what goes wrong with them; engine_calls.c the API
 *	clients.c  users of the HTTP API
 *	check.c    what must always hold, and what must hold in the end
 */
#ifndef SB_SIM_H
#define SB_SIM_H
#include <stdint.h>
#include "applets/manager/manager.h"
#include "applets/manager/state/state.h"
#include "applets/worker/worker.h"
#include "base/map.h"
#include "base/rng.h"
#include "base/step.h"
#include "codec/json.h"

/* What is counted over all seeds: each class must have come up, or the run proves little. */
#define SIM_MARKS(X) \
	X(MARK_CRASH, "crash") \
	X(MARK_MID_STEP, "crash between two effects") \
	X(MARK_REBOOT, "reboot") \
	X(MARK_STOP, "stop in good order") \
	X(MARK_LOST_TAIL, "unsynced records lost") \
	X(MARK_KEPT_TAIL, "unsynced records found") \
	X(MARK_SYNC_FAILED, "sync failed") \
	X(MARK_DISK_FULL, "disk full") \
	X(MARK_SNAPSHOT, "snapshot saved") \
	X(MARK_SNAPSHOT_FAILED, "snapshot failed") \
	X(MARK_SNAPSHOT_LOST, "crash while a snapshot is saved") \
	X(MARK_SNAPSHOT_LOADED, "snapshot recovered") \
	X(MARK_ERROR, "engine error") \
	X(MARK_ERROR_DONE, "engine error for what was done") \
	X(MARK_HANG, "engine call without an answer") \
	X(MARK_LATE, "call carried out after a crash") \
	X(MARK_AWAY, "engine absent") \
	X(MARK_LIVE, "engine restart, containers live") \
	X(MARK_COLD, "engine restart, containers end") \
	X(MARK_PULL_FAILED, "pull failed") \
	X(MARK_DEATH, "container died") \
	X(MARK_UNHEALTHY, "container unhealthy") \
	X(MARK_BY_HAND, "container removed by hand") \
	X(MARK_ADOPTED, "container adopted") \
	X(MARK_SESSION, "session cut") \
	X(MARK_CLOCK_BACK, "clock set back") \
	X(MARK_CLOCK_ON, "clock set forward") \
	X(MARK_DRAIN, "node drained") \
	X(MARK_CREATED, "service created") \
	X(MARK_UPDATED, "service updated") \
	X(MARK_REMOVED, "service removed") \
	X(MARK_NETWORK, "network removed") \
	X(MARK_REFUSED, "request refused") \
	X(MARK_UNKNOWN, "request lost in a crash") \
	X(MARK_PAUSED, "update paused") \
	X(MARK_ROLLED_BACK, "update rolled back") \
	X(MARK_LOGS, "log read") \
	X(MARK_LEFT, "swarm left")

enum mark {
#define X(name, text) name,
	SIM_MARKS(X)
#undef X
	MARKS
};

/* What may go wrong in one run: each is off for a third of the seeds. */
#define SIM_OPTIONS(X) \
	X(OPT_CRASH, "crash", 40)		/* per effect, in 10000 */ \
	X(OPT_SYNC_FAIL, "sync-fail", 40)	/* per sync, in 10000 */ \
	X(OPT_DISK_FULL, "disk-full", 15)	/* per record, in 10000 */ \
	X(OPT_SNAPSHOT_FAIL, "snapshot-fail", 4000) /* per snapshot, in 10000 */ \
	X(OPT_ERROR, "engine-error", 500)	/* per call, in 10000 */ \
	X(OPT_HANG, "engine-hang", 200)		/* per call, in 10000 */ \
	X(OPT_AWAY, "engine-away", 6)		/* per simulated minute, in 10 */ \
	X(OPT_COLD, "engine-cold", 10)		/* of those restarts that end containers, in 10 */ \
	X(OPT_PULL, "pull-fail", 4000)		/* per pull, in 10000 */ \
	X(OPT_DEATH, "death", 5000)		/* per container, in 10000 */ \
	X(OPT_UNHEALTHY, "unhealthy", 5000)	/* per container with a check, in 10000 */ \
	X(OPT_BY_HAND, "by-hand", 6)		/* per simulated minute, in 10 */ \
	X(OPT_SESSION, "session-cut", 10)	/* per simulated minute, in 10 */ \
	X(OPT_STOP, "stop", 6)			/* per simulated minute, in 10 */ \
	X(OPT_CLOCK, "clock-step", 6)		/* per simulated minute, in 10 */ \
	X(OPT_DELAY, "session-delay", 50)	/* of a session's message: up to so many ms */ \
	X(OPT_DISK_MS, "sync-ms", 60)		/* of a sync: up to so many ms */

enum option {
#define X(name, text, max) name,
	SIM_OPTIONS(X)
#undef X
	OPTIONS
};

enum who { MANAGER, WORKER };

enum {
	SIM_TRACE_LINES = 60, SIM_TRACE_WIDTH = 240,
	US = 1, MS = 1000 * US, SECOND = 1000 * MS, MINUTE = 60 * SECOND,
};

struct sim;

/* Something that will happen. */
struct happening {
	uint64_t at_us, sequence;
	void (*run)(struct sim *sim, struct happening *h);
	unsigned life;		/* only in this life of the process; 0 = in any */
	enum who who;
	uint64_t id, more;	/* what run makes of them */
	struct event ev;	/* its bytes stand behind the happening */
};

struct record {
	uint64_t number, index;	/* index: of its entry, 0 if it is none */
	struct slice body;	/* heap */
};

struct disk {
	struct record *records;		/* those that were not dropped, in order */
	size_t count, capacity;
	uint64_t last, durable;		/* record numbers */
	int syncing, failed, full;
	struct slice snapshot;		/* heap; empty: none */
	uint64_t snapshot_index;
	struct slice saving;		/* heap: on its way to the disk */
	uint64_t saving_index, saving_keep;
};

enum life { CREATED, RUNNING, EXITED };
enum health { NO_CHECK, STARTING, HEALTHY, UNHEALTHY };

enum { CONTAINER_NETWORKS = 4, TEXT = 64 };

struct attachment {
	char network[TEXT];	/* name */
	char address[24];
};

struct container {
	struct container *next;
	char id[65], name[160], task[32], service[32];
	char image[TEXT];
	uint64_t mark;		/* the client's, of the spec it was made from */
	enum life state;
	enum health health;
	int exit_code;
	unsigned starts;
	unsigned life;		/* of the process in which it was started */
	int disowned;		/* its start was carried out, and the answer was an error */
	uint64_t serial;
	struct attachment networks[CONTAINER_NETWORKS];
	int network_count;
};

struct bridge_net {
	struct bridge_net *next;
	char name[TEXT], id[32];	/* id: the swarm's */
};

/* What the engine remembers for those who ask for events since a time. */
struct past_event {
	int64_t wall_ns;
	struct slice text;	/* heap */
};

struct engine {
	struct container *containers;
	struct bridge_net *networks;
	struct map calls;	/* life and id of the call, as a number -> struct ecall */
	int away;
	int alone;		/* what is carried out now has nobody that waits for it */
	uint64_t serial;
	int images[8];		/* which are there */
	uint64_t events_call;	/* 0 = none */
	struct past_event *past;	/* since the engine started */
	size_t past_count, past_capacity;
};

enum { SERVICES = 6, NETWORKS = 3, REQUESTS = 64 };

/* A service as its user knows it. */
struct client_service {
	char id[32];		/* "" = none that is acknowledged */
	uint64_t acked;		/* mark of the last spec that was acknowledged */
	int removing;		/* its removal was asked for */
	int busy;		/* a request is under way */
	int rolls_back;		/* so that an older spec is no loss */
};

struct client_network {
	char id[32];
	int removing, busy;
};

enum request_kind {
	REQUEST_NONE, REQUEST_CREATE, REQUEST_UPDATE, REQUEST_REMOVE, REQUEST_NET_CREATE,
	REQUEST_NET_REMOVE, REQUEST_NODE, REQUEST_READ, REQUEST_LOGS, REQUEST_LEAVE,
};

struct client_request {
	uint64_t id;
	enum request_kind kind;
	int slot;		/* of the service or network */
	uint64_t mark;
	uint64_t sent_us;
};

struct clients {
	struct client_service services[SERVICES];
	struct client_network networks[NETWORKS];
	struct client_request requests[REQUESTS];
	uint64_t last_request, last_mark;
	int node_busy;
	int leaving, left;
};

struct checks {
	struct state shadow;	/* every applied entry, applied once, through all crashes */
	struct map tasks;	/* id -> struct seen_task */
	struct map services;	/* ids of those that ever started first and stopped then */
	int recovering;		/* compare when the manager is ready */
	uint64_t compared;	/* last index */
};

struct sim {
	uint64_t seed;
	struct rng rng;
	uint64_t options[OPTIONS];
	int trace;		/* print every line at once */
	/* time */
	uint64_t now_us;
	int64_t clock_ns;	/* what the wall clock was set forward by, all in all */
	uint64_t sequence;
	struct happening **heap;
	size_t heap_count, heap_capacity;
	uint64_t steps, steps_now;	/* steps_now: at this very time */
	/* the process */
	unsigned life;		/* counts from 1 */
	int up;
	int stopping;		/* was told to stop */
	int exited;		/* left the swarm */
	struct manager *manager;
	struct worker *worker;
	struct effects fx[2];
	uint64_t timer[2];	/* token of the timer that counts */
	uint64_t session;
	uint64_t channel_us[2];	/* to each machine: messages keep their order */
	struct buf netmap;	/* as published */
	int faults;		/* phase 1 */
	/* the world */
	struct disk disk;
	struct engine engine;
	struct clients clients;
	struct checks checks;
	/* the outcome */
	int failed;
	char why[1024];
	uint64_t marks[MARKS];
	char lines[SIM_TRACE_LINES][SIM_TRACE_WIDTH];
	uint64_t line_count;
};

extern const struct manager_config sim_config;
#define SIM_NODE "node000000000000000000000"

/* ---- main.c ---- */

void sim_trace(struct sim *sim, const char *format, ...) __attribute__((format(printf, 2, 3)));
/* The first one counts. */
void sim_fail(struct sim *sim, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* ---- sim.c ---- */

/* One run: phase 1, phase 2. sim->failed says how it went. */
void sim_run(struct sim *sim);
void sim_done(struct sim *sim);
/* Something to happen delay_us from now; ev (NULL allowed) is copied. */
struct happening *sim_at(struct sim *sim, uint64_t delay_us,
			 void (*run)(struct sim *, struct happening *), const struct event *ev);
/* An event for a machine of this life of the process. */
void sim_deliver(struct sim *sim, uint64_t delay_us, enum who who, const struct event *ev);
/* With a chance of an option's value in `of`; never when faults are over. */
int sim_fault(struct sim *sim, enum option option, uint64_t of);
/* Even in low .. high. */
uint64_t sim_between(struct sim *sim, uint64_t low, uint64_t high);
int64_t sim_wall_ns(const struct sim *sim);
void sim_crash(struct sim *sim, const char *why);
struct slice sim_key(uint64_t id, char key[8]);

/* ---- disk.c ---- */

void disk_done(struct disk *d);
void disk_append(struct sim *sim, const struct effect *x);
void disk_snapshot(struct sim *sim, const struct effect *x);
/* The process is gone: what was not synced may be. */
void disk_crash(struct sim *sim);
/* Fills a new manager. 0, or the run has failed. */
int disk_recover(struct sim *sim);
/* The newest record with the entry of that index, or NULL. */
const struct record *disk_find(const struct disk *d, uint64_t index);

/* ---- engine.c ---- */

void engine_init_sim(struct sim *sim);
void engine_done_sim(struct sim *sim);
void engine_call_sim(struct sim *sim, const struct effect *x);
void engine_cancel_sim(struct sim *sim, uint64_t id);
/* The process is gone: what was under way is carried out, or late, or not at all. */
void engine_crash(struct sim *sim);
/* It goes away for a time; cold: its containers end. */
void engine_leave(struct sim *sim, uint64_t for_us, int cold);
void engine_return(struct sim *sim);
void engine_remove_by_hand(struct sim *sim);
/* Nothing is under way but streams. */
int engine_quiet(const struct sim *sim);

/* For engine_calls.c. */
void engine_event(struct sim *sim, const struct container *c, const char *action);
void engine_started(struct sim *sim, struct container *c);
void engine_ended(struct sim *sim, struct container *c, int code);
void engine_free(struct sim *sim, struct container *c);
struct container *engine_find(struct sim *sim, struct slice key);
struct bridge_net *engine_network(struct sim *sim, const char *name);

/* ---- engine_calls.c ---- */

struct request {
	struct slice method, target, body;
};
/* Carries a call out. Returns the status; the answer is added to out. */
int engine_carry_out(struct sim *sim, const struct request *r, struct buf *out);

/* ---- clients.c ---- */

void clients_start(struct sim *sim);
/* Phase 2: sends an update to every service that is not as it should be because its
 * update stopped or its tasks are used up. In phase 2 clients do nothing else by themselves but
 * end a drain. */
void clients_push(struct sim *sim);
void clients_leave(struct sim *sim);
void clients_reply(struct sim *sim, const struct effect *x);
/* The process is gone: no answer will come. */
void clients_crash(struct sim *sim);
/* Nothing is under way. */
int clients_quiet(const struct sim *sim);

/* ---- check.c ---- */

void check_init(struct sim *sim);
void check_done(struct sim *sim);
void check_crashed(struct sim *sim);
void check_step(struct sim *sim, enum who who);
/* A client got its acknowledgement. */
void check_acked(struct sim *sim, const struct client_request *r, const char *id);
/* Before the engine does it. */
void check_create(struct sim *sim, const struct container *c);
void check_start(struct sim *sim, const struct container *c);
void check_stop(struct sim *sim, const struct container *c);
/* c is to start with an address that the other, which runs, has. */
void check_address(struct sim *sim, const struct container *c, const struct container *other);
/* 1 when all is as it was asked for. why: what is not, of 256 bytes. pushed: also services
 * that may stand still for good. */
int check_converged(struct sim *sim, int pushed, char why[256]);
int check_left(struct sim *sim, char why[256]);
/* 1 when a service runs as its spec says. */
int check_service(struct sim *sim, const struct service *s, char why[256]);
/* The service may rightly not be as it was asked for: its update stopped, its tasks ended, or
 * a network of another service that rests has the name of its own. */
int check_may_rest(const struct sim *sim, const struct service *s);
/* The mark of a spec, from its environment; 0 if it has none. */
uint64_t check_mark(const struct task_spec *t);
#endif
