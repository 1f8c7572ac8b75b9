/* control.h - the control loops of the leader: from what is wanted to what to change. Pure.
 *
 * Each loop is a function of the state and the time: it looks at what changed (all of it when
 * leadership starts) and writes the next changes into one transaction. Nothing is remembered
 * that is not in the state, but which objects to look at again and when. One transaction is
 * under way at a time: control_run is called again when it was applied (or refused).
 *
 *	replicated.c  services with slots: create, replace, remove; restart.c: when and whether
 *	global.c      one task a node
 *	update.c      rolling updates; reap.c: history
 *	allocate.c    subnets and addresses; ports.c: published ports
 *	schedule.c    a node for each task; constraint.c: which may do; spread.c: which first
 *	dispatch.c    what each node's session is told; netmap.c: who answers published ports
 */
#ifndef SB_APPLETS_MANAGER_CONTROL_H
#define SB_APPLETS_MANAGER_CONTROL_H
#include "applets/manager/state/state.h"
#include "base/rng.h"

struct control {
	struct map services;	/* private: ids to look at -> when (wall ns; 0 = at once) */
	char next_service[ID_LEN + 1];	/* private: the one to begin with; "" = the first */
	struct map waiting;	/* private: ids of tasks that may want an address or a node */
	int placeable;		/* private: something changed that may help those */
	int nodes_changed;	/* private: look at every service */
	int networks_due;	/* private: a network may have lost its last task */
};

void control_init(struct control *c);
void control_done(struct control *c);
/* Leadership starts: look at everything. */
void control_all(struct control *c, const struct state *s);
/* Something changed: look at what it concerns. */
void control_note(struct control *c, const struct change *change);

struct control_turn {
	const struct state *state;
	struct rng *rng;
	struct arena *arena;	/* scratch, reset by the caller after the turn */
	int64_t wall_ns;
	struct txn *txn;	/* changes go in here; empty when there is nothing to do */
	int64_t next_ns;	/* out: wall time to run again even if nothing changes; 0 = none */
};

/* One turn of all loops. At most TXN_CHANGES_MAX changes; what did not fit stays noted. */
void control_run(struct control *c, struct control_turn *turn);
/* The transaction of the last turn was refused: look again at all it touched. */
void control_refused(struct control *c, const struct state *s);

/*
 * For the API: does this service's spec hold together with the rest of the swarm? Checks that
 * published ports are free, and fills endpoint->ports (choosing dynamic ones, 30000-32767,
 * sticky to what old had). old: the stored service, NULL for a new one. Lists in a.
 * 0; ERR_IN_USE with Docker's text ("port '8080' is already in use by service 'p' (ID) as an
 * ingress port"); ERR_LIMIT when no dynamic port is left.
 */
int allocate_ports(const struct state *s, struct arena *a, const struct service *old,
		   const struct service_spec *spec, struct endpoint *endpoint,
		   struct errmsg *msg);
/*
 * For the API: gives a network without a subnet one of the cluster's pool, and a gateway; checks
 * a given one (form, size /16 to /29, overlap with another network). Changes spec->ipam; in a.
 * 0, ERR_INVALID, ERR_IN_USE or ERR_LIMIT (pool exhausted) with msg.
 */
int allocate_subnet(const struct state *s, struct arena *a, struct network_spec *spec,
		    struct errmsg *msg);
enum { SPREAD_LEVELS_MAX = 8 };	/* placement preferences: a room, a rack, a host are three */
/* 0, or ERR_INVALID with Docker's text for a constraint that does not parse. */
int constraint_check(const char *text, struct errmsg *msg);

/*
 * The nodes' sessions. Orders are struct session_order (model/session.h).
 */
struct dispatch {
	struct map sessions;	/* private: session id -> its node, version, what it was told */
	struct map nodes;	/* private: node id -> its session */
	struct session *first_due, *last_due;	/* private: those to be told something */
	struct strings manager_ids, managers;	/* private, in managers_arena */
	struct arena managers_arena;
	struct buf netmap;	/* private: the last text */
	uint64_t netmap_version;	/* private: counts its changes */
	int netmap_stale;	/* private: it may differ by now */
};

void dispatch_init(struct dispatch *d);
void dispatch_done(struct dispatch *d);
/* A node's agent is there: it is told everything by the next dispatch_run. Replaces an older
 * session of the same node, which is then ignored. */
void dispatch_up(struct dispatch *d, uint64_t session, const char *node_id);
void dispatch_down(struct dispatch *d, uint64_t session);
/* The node id of a session, or NULL. */
const char *dispatch_node(const struct dispatch *d, uint64_t session);
/* The session of a node, or 0. */
uint64_t dispatch_session(const struct dispatch *d, const char *node_id);
/* The agent lost count: complete assignments again. */
void dispatch_resync(struct dispatch *d, uint64_t session);
void dispatch_note(struct dispatch *d, const struct change *change);
/* The managers from now on, which every node is told of: their nodes' ids, and their addresses in
 * the same order. Copied. */
void dispatch_managers(struct dispatch *d, const struct strings *ids,
		       const struct strings *addresses);
/* Has dispatch_run something to do? */
int dispatch_is_due(const struct dispatch *d);
/* Sends what changed since the last call, to some hundred sessions at most: EFFECT_SESSION_SEND.
 * A session of a node that is in neither the state nor the managers ends: EFFECT_SESSION_DROP. */
void dispatch_run(struct dispatch *d, const struct state *s, struct effects *fx);

/* The netmap as of now: ingress ports of services -> RUNNING tasks that are meant to run. */
void netmap_derive(const struct state *s, struct arena *a, struct buf *out);
#endif
