/* loop.h - what the control loops share: one service and its slots, in one turn. Pure.
 *
 * Only for applets/manager/control. A slot is what successive tasks fill: a number of a
 * replicated service, a node of a global one. All else is the same for both.
 */
#ifndef SB_APPLETS_MANAGER_CONTROL_LOOP_H
#define SB_APPLETS_MANAGER_CONTROL_LOOP_H
#include "applets/manager/control/control.h"
#include "base/timefmt.h"

struct slot {
	uint64_t number;	/* replicated: from 1; global: 0 */
	const char *node_id;	/* global: its node; replicated: NULL */
	const struct task **tasks;	/* newest first; none that is to be removed */
	uint32_t count;
	int busy;		/* this turn's transaction changes it: left alone until applied */
};

struct scene {
	struct control_turn *turn;
	const struct service *service;
	struct slot *slots;	/* in order of number, or node id */
	uint32_t slot_count;
	int64_t wake_ns;	/* look again then even if nothing changes; 0 = no need */
	int cut;		/* not all that is due had room in the transaction */
};

/* ---- slots.c ---- */

/* Finds the slots, and takes tasks that are to be removed and do not run out of the state. */
void scene_collect(struct scene *sc);
/* The service is gone: so are its tasks, those that run as soon as they have stopped. */
void scene_drop_all(struct scene *sc, const char *service_id);
/* Room for n more changes? If not, the service is looked at again. */
int scene_room(struct scene *sc, uint32_t n);
void scene_wake(struct scene *sc, int64_t at_ns);
/* A slot is written to under scene_room only, and when it is not busy but by these. A task that
 * no node knows and that is not wanted any more leaves the state at once. */
void slot_desire(struct scene *sc, struct slot *slot, const struct task *t, int desired);
/* Every task of it: out of the state, or desired REMOVE when it may still run. */
void slot_drop(struct scene *sc, struct slot *slot);
/* A new task in this slot (only number and node_id are used). */
void slot_add(struct scene *sc, const struct slot *slot, int desired, int64_t start_after);
/* The newest task that is meant to run, or NULL. */
const struct task *slot_active(const struct slot *slot);
/* Has a task that is meant to run, or one that ended for good by its restart policy. */
int slot_is_occupied(const struct slot *slot);
/* What the service's tasks are to publish on their nodes; in the turn's arena. */
struct list service_host_ports(struct arena *a, const struct service *service);
int service_has_ingress(const struct service *service);
/* The one ingress network, or NULL. */
const struct network *ingress_network(const struct state *s);

/* Users may ask for delays beyond the end of time, which is where the log's times end (2262). */
#define AFTER_MAX_NS (INT64_C(36500) * 86400 * SECOND_NS)
/* at_ns + ns, ns at most AFTER_MAX_NS; not negative. */
int64_t time_after(int64_t at_ns, int64_t ns);

enum node_fitness { NODE_FITS, NODE_DRAINED, NODE_LOST, NODE_GONE };
/* Can tasks stay on this node: drained, down, or no node at all (or down for a day, docker-swarm.md
 * 5.9: its tasks are given up, so that their addresses are free again)? */
enum node_fitness node_fitness(const struct control_turn *turn, const char *node_id);
/* Looks at the service again when the node, which is lost, is to be given up. */
void scene_wake_when_gone(struct scene *sc, const char *node_id);
/* Nothing of this task runs any more, as far as anybody can know. */
int task_has_ended(const struct control_turn *turn, const struct task *t);

/* ---- restart.c ---- */

/* Replaces what ended, starts what has waited long enough. */
void restart_slot(struct scene *sc, struct slot *slot);
/* Would t (of this slot), having ended, be followed by a new task? */
int restart_wanted(const struct slot *slot, const struct task *t);

/* ---- the orchestrators, updater, reaper: after restart_slot on every slot ---- */

void replicated_scale(struct scene *sc);
void global_scale(struct scene *sc);
void update_run(struct scene *sc);
/* Is the task other than the service wants it by now? */
int task_is_dirty(const struct scene *sc, const struct task *t);
void reap_slot(struct scene *sc, struct slot *slot);

/* ---- placing: schedule.c, allocate.c, constraint.c, spread.c ---- */

/* Gives the waiting tasks addresses and nodes. Returns 1 when not all had room. */
int schedule_run(struct control *c, struct control_turn *turn);

struct pools;
/* The addresses in use, read from the state network by network, as they are needed. In a. */
struct pools *pools_new(const struct state *s, struct arena *a);
void pools_free(struct pools *p);
/*
 * Fills t->networks_attachments for a task without. 0; ERR_NOT_FOUND (a network is missing)
 * or ERR_LIMIT (no free address) with msg; then nothing is taken.
 */
int pools_attach(struct pools *p, const struct service *service, struct task *t,
		 struct errmsg *msg);
/* 1 if the node meets all of them. */
int constraints_match(const struct placement *placement, const struct node *node);
enum {
	SPREAD_KEY_MAX = SPREAD_LEVELS_MAX * 65536,	/* labels come in messages of some KiB */
};
struct spread {
	uint32_t levels;
	const char *labels[SPREAD_LEVELS_MAX];
	int of_engine[SPREAD_LEVELS_MAX];	/* else the node's own */
};
/* placement may be NULL: no levels. Strings in a. */
void spread_read(struct arena *a, const struct placement *placement, struct spread *out);
/* Nodes with the same branch at a level have the same values of its label and those before it (a
 * missing label is ""). In a. */
struct slice spread_branch(const struct spread *s, uint32_t level, const struct node *n,
			   struct arena *a);
/* 1 if the node runs one of the placement's platforms. */
int platforms_match(const struct placement *placement, const struct node *node);
#endif
