/* manager_cluster.h - several managers, their agents, disks and network, in one process. Pure.
 *
 * Time is simulated: a message takes 1 ms, a disk's sync too, and all events happen in order of
 * time and cause. Everything that managers say to each other goes through its bytes. It aborts
 * when a driver would: a request answered twice, a record out of order, a timer that never rests.
 */
#ifndef SB_UNIT_MANAGER_CLUSTER_H
#define SB_UNIT_MANAGER_CLUSTER_H
#include "applets/manager/manager.h"
#include "applets/manager/peer.h"
#include "base/buf.h"

enum {
	SWARM_NODES = 5,
	SWARM_ANSWERS = 20000,
	SWARM_RECORDS = 20000,
	SWARM_PIECE = 400,		/* of a snapshot */
};

struct swarm_snapshot {
	uint64_t index, keep;
	struct buf bytes;
};

struct swarm_node {
	char node_id[64], address[64], contacts[256];
	struct manager_config config;
	struct manager *manager;	/* NULL: not running */
	struct effects fx;
	uint64_t timer_ms;
	uint32_t timer_again;		/* timers in this ms */
	uint32_t starts;
	int flush_due;
	/* disk */
	struct slice *records;		/* record number n is records[n]; heap */
	uint64_t first, last, durable;
	int syncing;
	int disk_stuck;			/* no sync ends */
	struct swarm_snapshot snapshot, saving, storing;	/* index 0 = none */
	uint32_t snapshots, stores;	/* so many saved; pieces taken from the leader */
	/* others */
	struct buf wanted;		/* of the last EFFECT_PEERS */
	/* the agent */
	uint64_t session;
	int agent_stuck;		/* it does not do what it is told */
	struct buf orders;		/* of this session, by line */
	uint32_t sessions;		/* so many began */
	int exited, wiped, restarts;
	char lock[64];			/* what the folder is sealed with */
	int locks;			/* so often it was sealed anew */
	int unanswered;			/* when it was last, the newest request was that */
	int told_role;			/* so often: EFFECT_NODE */
	int dropped;			/* connections: EFFECT_PEER_DROP */
};

struct swarm_answer {
	int status;		/* 0: none yet */
	int replies, ended;
	uint64_t at_ms;
	struct buf body;
};

struct swarm_event;

struct swarm {
	struct swarm_node nodes[SWARM_NODES];
	uint32_t count;
	uint64_t now_ms, order;
	struct swarm_event *queue;	/* by time */
	int up[SWARM_NODES][SWARM_NODES];	/* there is a connection */
	int cut[SWARM_NODES][SWARM_NODES];	/* from, to: nothing passes; nobody is told */
	uint32_t link[SWARM_NODES][SWARM_NODES];	/* counts connections */
	uint64_t connect_ms;
	struct swarm_answer answers[SWARM_ANSWERS];
	uint64_t requests;
	/* Lost on its way? NULL: nothing is. */
	int (*loses)(struct swarm *w, uint32_t from, uint32_t to, const struct peer_message *m);
	uint64_t sent[PEER_KIND_LAST + 1];	/* messages of each kind */
	uint64_t lost;
};

/* The first founds a swarm, the others (stopped as yet) know its address. */
struct swarm *swarm_new(uint32_t count);
/* All of them are voters, and rest. */
struct swarm *swarm_ready(uint32_t nodes);
void swarm_free(struct swarm *w);
/* With what its disk holds. */
void swarm_start(struct swarm *w, uint32_t node);
/* Power is off: what is not synced is lost, connections close. */
void swarm_kill(struct swarm *w, uint32_t node);
/* It has lost its disk and comes back with another raft id. */
void swarm_fresh(struct swarm *w, uint32_t node);
void swarm_event(struct swarm *w, uint32_t node, struct event ev);
/* Nothing passes between it and the others, and nobody notices; or again. */
void swarm_cut(struct swarm *w, uint32_t node, int cut);
/* The connection of two closes; it comes again. */
void swarm_close(struct swarm *w, uint32_t a, uint32_t b);
void swarm_run(struct swarm *w, uint64_t ms);
/* A message of the test's own, in the name of node from. */
void swarm_say(struct swarm *w, uint32_t from, uint32_t to, const struct peer_message *m);

/* A request of a client at node: its number. body NULL = none. */
uint64_t swarm_ask(struct swarm *w, uint32_t node, const char *method, const char *target,
		   const char *body);
/* Runs until it is answered, for at most 20 s: its body, "" if it has none. */
const char *swarm_wait(struct swarm *w, uint64_t request);
int swarm_status(const struct swarm *w, uint64_t request);
/* Asks node to create a service with a task. */
uint64_t swarm_create(struct swarm *w, uint32_t node, const char *name);
/* How many services of that name a read at node shows. */
int swarm_services(struct swarm *w, uint32_t node, const char *name);
/* What node's agent reports. */
void swarm_report(struct swarm *w, uint32_t node, const char *json);

/* Who leads and is ready, of the newest term; SWARM_NODES when nobody does. */
uint32_t swarm_leader(const struct swarm *w);
/* Another one that runs, the n-th. */
uint32_t swarm_follower(const struct swarm *w, uint32_t n);
/* All that run have the same state, byte for byte. */
int swarm_agrees(const struct swarm *w);
/* In how many of its members' configuration the leader counts votes, all members in. */
uint32_t swarm_voters(const struct swarm *w, uint32_t *members);
#endif
