/* turn.h - what the manager writes into the log by itself, one transaction at a time. Pure.
 *
 * What agents report and what the control loops decide goes into one transaction, so that they
 * never race each other. No user's change comes between (manager.c); if the transaction is
 * refused all the same, it is made anew from the newer state.
 */
#ifndef SB_APPLETS_MANAGER_TURN_H
#define SB_APPLETS_MANAGER_TURN_H
#include "applets/manager/control/control.h"
#include "applets/manager/manager.h"
#include "model/session.h"

enum {
	/* Tasks whose status waits for its transaction: every task of the largest swarm. */
	TURN_STATUSES_MAX = 100000,
};

struct turn {
	struct map statuses;	/* private: task id -> newest reported status, not yet in the log */
	struct map nodes;	/* private: node id -> news of it, not yet in the log */
};

void turn_init(struct turn *t);
void turn_done(struct turn *t);
/* News from the session of a node. Copied. */
void turn_report(struct turn *t, const char *node_id, const struct session_report *report);
void turn_session(struct turn *t, const char *node_id, int up);
/*
 * Writes the next changes into txn: the swarm's first objects, nodes, statuses. What was
 * written stays noted until turn_settle: a status that is in the state is not written again.
 */
void turn_write(struct turn *t, const struct manager_config *config, const struct state *s,
		struct rng *rng, struct arena *arena, struct txn *txn);
/* Forgets what the state has taken up (or what concerns nothing in it). */
void turn_settle(struct turn *t, const struct manager_config *config, const struct state *s);
#endif
