/* turn.h - what the manager writes into the log by itself, one transaction at a time. Pure.
 *
 * What agents report and what the control loops decide goes into one transaction, so that they
 * never race each other. No user's change comes between (manager.c); if the transaction is
 * refused all the same, it is made anew from the newer state.
 */
#ifndef SB_APPLETS_MANAGER_TURN_H
#define SB_APPLETS_MANAGER_TURN_H
#include "applets/manager/api/api.h"
#include "applets/manager/manager.h"
#include "model/session.h"

enum {
	/* Tasks whose status waits for its transaction: every task of the largest swarm. */
	TURN_STATUSES_MAX = 100000,
	/* Of a description, a message, or a status, as JSON: a host with a hundred plug-ins has a
	 * tenth of it, and a transaction has room for what its last change brings. */
	TURN_NEWS_MAX = 64 << 10,
	/* From the end of a node's session until it counts as down and its tasks go elsewhere:
	 * docker's three heartbeats of 5 s. An agent that was restarted, or whose manager was, is
	 * back long before, and none of its tasks is touched. */
	NODE_GRACE_MS = 15000,
};

struct turn {
	struct map statuses;	/* private: task id -> newest reported status, not yet in the log */
	struct map nodes;	/* private: node id -> its session, and news not yet in the log */
	struct map news;	/* private: node ids of which there are such */
	struct map deadlines;	/* private: when nodes without a session are down -> the node */
	char waits_for[ID_LEN + 1];	/* private: a node that the root's rotation waited for */
};

void turn_init(struct turn *t);
void turn_done(struct turn *t);
/*
 * Leadership starts: news of earlier ones is forgotten, but for that of nodes that have a session
 * now. Nodes that count as ready and have none get NODE_GRACE_MS to come.
 */
void turn_lead(struct turn *t, const struct state *s, uint64_t now_ms);
/* News from the session of a node. Copied. ERR_DENIED: some of it is of
 * another node's tasks; ERR_LIMIT: over TURN_NEWS_MAX. That is not taken. */
int turn_report(struct turn *t, const struct state *s, const char *node_id,
		const struct session_report *report);
/* A node's session begins (up) or ends. A node has at most one. */
void turn_session(struct turn *t, const char *node_id, int up, uint64_t now_ms);
/* The node leaves the swarm: it counts as down when its session ends. */
void turn_left(struct turn *t, const char *node_id, uint64_t now_ms);
/* When a node without a session will count as down if turn_write is called then; 0 = none. */
uint64_t turn_deadline_ms(const struct turn *t);
/*
 * Writes the next changes into view->txn: the swarm's first objects, the end of a root's rotation
 * that every node has followed, nodes, statuses. A node's object is made when our own node's
 * session begins, and with the first report of any other of view->managers. A manager that is down
 * loses its role when another one, which votes, has its hostname and address: that is its host, set
 * up anew. What was written stays noted until turn_settle: a status that is in the state is not
 * written again.
 */
void turn_write(struct turn *t, const struct api_turn *view, const struct manager_config *config,
		uint64_t now_ms);
/* Forgets what the state s has taken up (or what concerns nothing in it). */
void turn_settle(struct turn *t, const struct api_turn *view, const struct manager_config *config,
		 const struct state *s);
#endif
