/* control_fixture.h - a swarm without a manager: state, control loops, and agents of glass. Pure.
 *
 * Time stands still but for world_pass. After every act the loops and the agents run until
 * nothing changes any more, and the trace gets one line for each task that is not as it was
 * in the line before (tasks are called t1, t2, ... in order of making):
 *
 *	<seconds> t1 web.1 n1 running want running[: err]
 *	<seconds> t1 gone
 *	<seconds> web completed: update completed
 */
#ifndef SB_UNIT_CONTROL_FIXTURE_H
#define SB_UNIT_CONTROL_FIXTURE_H
#include "applets/manager/control/control.h"

enum { WORLD_TASKS_MAX = 4000 };

struct world_task {
	char id[ID_LEN + 1];
	char line[256];		/* as traced last */
	int gone;
};

struct world {
	struct state state;
	struct control control;
	struct dispatch dispatch;
	struct rng rng;
	struct arena arena;	/* of one turn */
	struct effects fx;	/* of the last dispatch_run */
	struct buf trace;
	int64_t start_ns, now_ns, next_ns;
	uint64_t index;
	int quiet;		/* no trace */
	unsigned refuse;	/* one in so many transactions is refused; 0 = none */
	int agents_stop;	/* agents do what they are told, but for stops */
	struct map lines;	/* service id -> last line of its update (char *) */
	struct world_task tasks[WORLD_TASKS_MAX];
	uint32_t task_count;
};

struct world *world_new(uint64_t seed);
void world_free(struct world *w);
/* The trace since the last call. */
const char *world_trace(struct world *w);

/* A ready node with 4 CPUs and 8 GiB; id and hostname are the name. */
void world_node(struct world *w, const char *name);
void world_node_state(struct world *w, const char *name, int state, int availability);
void world_put_node(struct world *w, const struct node *n);
void world_node_remove(struct world *w, const char *name);
/* id is the name. subnet NULL: of the pool. */
void world_network(struct world *w, const char *name, const char *subnet, int ingress);
void world_network_delete(struct world *w, const char *name);
/* Specs are ServiceSpec JSON without Name; id is the name. 0 or the code of allocate_ports. */
int world_create(struct world *w, const char *name, const char *spec, struct errmsg *msg);
int world_update(struct world *w, const char *name, const char *spec, struct errmsg *msg);
void world_scale(struct world *w, const char *name, uint64_t replicas);
void world_remove(struct world *w, const char *name);

/*
 * Agents run each task of theirs at once as far as it is desired. The image says how it goes:
 * "bad" is rejected, "crash" fails before it runs, "once" ends with 0 as soon as it ran.
 */
void world_end(struct world *w, uint32_t task, int state);
const struct task *world_task(struct world *w, uint32_t task);
const struct service *world_service(struct world *w, const char *name);
/* Lets time pass; what wakes on the way does so at its time. */
void world_pass(struct world *w, int64_t seconds);
/* Runs until nothing changes. All of the above do it. */
void world_settle(struct world *w);
/* A new leader: all that is not in the state is forgotten. */
void world_new_leader(struct world *w);
#endif
