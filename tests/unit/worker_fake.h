/* worker_fake.h - an engine and a manager in memory, and one worker between them. Pure.
 *
 * Calls are answered in the order they came, one per fake_turn; the clock moves only when
 * there is nothing else to do. The manager's half keeps what was reported last of each task
 * and says it again when a session comes up, as a real one does.
 */
#ifndef SB_UNIT_WORKER_FAKE_H
#define SB_UNIT_WORKER_FAKE_H
#include "applets/worker/worker.h"
#include "model/session.h"

enum { FAKE_MAX = 64, FAKE_TEXT = 4096 };

struct fake_container {
	char id[65], name[128], task[32];
	const char *state;	/* "created", "running", "exited"; NULL: the place is free */
	const char *health;	/* NULL: no healthcheck */
	int exit_code, starts, stops;
	int networks;
};

struct fake_network {
	char name[64], id[32];
	int used;
};

struct fake_call {
	uint64_t id;
	int more;
	char method[8], target[1024];
	char *body;
};

struct fake_status {	/* what the manager knows of a task */
	char id[32], message[64], err[512], container[65];
	int state, removed, desired, slot;
	const char *network;	/* ids, or NULL */
	const char *network2;
	int64_t exit_code;
};

/* The next call whose "METHOD target" begins with match is answered so instead. */
struct fake_rule {
	const char *match;
	int status;		/* 0: the engine breaks down over it */
	const char *body;	/* ' stands for " */
};

struct fake {
	struct worker *worker;
	uint64_t now_ms, timer_ms;
	uint64_t seed;
	/* engine */
	int down;		/* does not answer */
	int live_restore;
	struct fake_container containers[FAKE_MAX];
	struct fake_network networks[FAKE_MAX];
	struct fake_call calls[FAKE_MAX];
	int call_count, calls_made, created;
	uint64_t events_call;
	struct fake_rule rule;
	int have_image;
	const char *health;	/* of what is created: "starting" or NULL */
	char log[16 * FAKE_TEXT];	/* "METHOD target" of every call, by line */
	/* crash: when this many calls have been made (0 = never) */
	int crash_at, crash_after;	/* after it was carried out; else before */
	int engine_dies;	/* the engine, not the worker */
	/* manager */
	struct fake_status tasks[FAKE_MAX];
	int task_count;
	uint64_t session, version;
	int went_back;		/* a status went backwards */
	int reports, left, resyncs, described, exited;
	struct tls_info tls_info;	/* of the node, as long as it has one */
	char issuer[64];		/* as it was told last */
	char node_message[512], netmap[FAKE_TEXT], logged[FAKE_TEXT], log_err[128];
	int log_ended;
	char node[FAKE_TEXT];	/* of the last EFFECT_NODE */
};

void fake_init(struct fake *f);
void fake_done(struct fake *f);
/* A worker without memory starts, and a session comes up. */
void fake_start(struct fake *f);
void fake_stop(struct fake *f);
void fake_session_up(struct fake *f);
void fake_session_down(struct fake *f);
/* The manager's set; desired is an enum task_state. */
struct fake_status *fake_task(struct fake *f, const char *id, int desired);
/* Says what the manager has now: all, or what concerns one task. */
void fake_complete(struct fake *f);
void fake_tell(struct fake *f, const struct fake_status *t);
void fake_forget(struct fake *f, struct fake_status *t);
void fake_message(struct fake *f, const struct session_order *order);
/* Until nothing is under way, and no timer is due within ms. */
void fake_run(struct fake *f, uint64_t ms);
/* Answers the next n calls, if there are so many. */
void fake_turns(struct fake *f, int n);
/* A piece of a call's body. */
void fake_data(struct fake *f, uint64_t call, const char *bytes, size_t n);
void fake_event(struct fake *f, const char *action, const struct fake_container *c);
/* A container's process ends. */
void fake_exit(struct fake *f, struct fake_container *c, int code);
void fake_engine_down(struct fake *f);
void fake_engine_up(struct fake *f);
struct fake_container *fake_container(struct fake *f, const char *task);
int fake_count(const struct fake *f, const char *state);
int fake_network_count(const struct fake *f);
/* How many calls in the log begin with this. */
int fake_logged(const struct fake *f, const char *begin);
#endif
