/* raft_cluster.h - several Rafts with simulated disks and a simulated network, and checks of what
 * must always hold. Pure.
 *
 * All messages go through their bytes. After every call it is checked that a term has one leader,
 * that a new leader has all that was committed before its term, that a committed entry is the same
 * everywhere and for ever, and that equal indexes have equal states.
 */
#ifndef SB_UNIT_RAFT_CLUSTER_H
#define SB_UNIT_RAFT_CLUSTER_H
#include "raft/raft.h"

enum {
	CLUSTER_NODES = 8,
	CLUSTER_INDEXES = 16384,
	CLUSTER_TERMS = 4096,
	CLUSTER_SNAPSHOT = 150,		/* bytes of a state: in 3 pieces */
	CLUSTER_PIECE = 64,
};

struct cluster_node {
	uint64_t id;
	int running;
	int disk_stuck;			/* no sync ends */
	uint64_t keep_bytes_max;	/* the raft's; 0 = as it is */
	int keeps_wal;			/* compaction leaves old records where they are */
	struct raft raft;
	struct raft_update u;
	struct arena arena;
	struct slice *records;		/* record number n is records[n - 1]; heap */
	uint64_t capacity, first, written, synced, syncing, sync_due;
	struct raft_snapshot meta, meta_before;		/* index 0 = none */
	uint64_t meta_hash, meta_before_hash;
	uint64_t applied, hash;
	/* a snapshot that comes in, and the store that is under way (due 0 = none) */
	struct raft_snapshot in;
	char in_data[CLUSTER_SNAPSHOT];
	size_t in_len;
	uint64_t store_due, store_next;
	int store_last;
	uint64_t sent;			/* messages */
	uint64_t ticket, ticket_floor;	/* a read that waits, and what it must see; 0 = none */
	uint64_t reads;			/* confirmed */
	uint64_t installs;
};

struct cluster_message {
	uint64_t from, to, due;
	struct slice bytes;		/* heap */
};

struct cluster_want {
	uint64_t node, due;
	struct raft_want want;
};

struct cluster {
	uint64_t now;
	struct rng rng;
	uint32_t node_count;
	struct cluster_node nodes[CLUSTER_NODES];
	struct cluster_message *messages;
	uint32_t message_count, message_capacity;
	struct cluster_want wants[64];
	uint32_t want_count;
	int cut[CLUSTER_NODES][CLUSTER_NODES];	/* [from][to]: nothing passes */
	/* knobs */
	uint32_t delay_min, delay_max;	/* ms; with max > min messages overtake each other */
	uint32_t lose, twice;		/* per mille */
	uint32_t disk_ms;		/* of a sync */
	int disk_parts;			/* a sync may end with a part of what was written */
	/* what was seen */
	uint64_t leader_of[CLUSTER_TERMS];
	uint64_t committed_term[CLUSTER_INDEXES];	/* of the entry; 0 = not committed */
	uint64_t committed_in[CLUSTER_INDEXES];		/* the leader's term by then */
	uint64_t state[CLUSTER_INDEXES];		/* hash of the state at that index */
	uint64_t committed;
};

/* voters nodes with ids 1, 2, ..., then learners; all loaded with that configuration as entry 1,
 * not yet started. */
void cluster_init(struct cluster *c, uint64_t seed, uint32_t voters, uint32_t learners);
void cluster_done(struct cluster *c);
/* A node with an empty disk. */
struct cluster_node *cluster_add(struct cluster *c, uint64_t id);
struct cluster_node *cluster_node(struct cluster *c, uint64_t id);
/* Starts it from its disk, and connects it with all that run. */
void cluster_start(struct cluster *c, uint64_t id);
void cluster_start_all(struct cluster *c);
/* Power off: of what was not synced, the last `lose` records are gone (all if there are fewer).
 * The others see the connection close if `seen`. */
void cluster_crash(struct cluster *c, uint64_t id, uint64_t lose, int seen);
/* Carries the update of the last call out, and checks. */
void cluster_take(struct cluster *c, struct cluster_node *n);
/* Lets time pass. */
void cluster_run(struct cluster *c, uint64_t ms);
/* Runs until there is a ready leader that all running voters know; fails after a minute. */
struct cluster_node *cluster_lead(struct cluster *c);
/* The ready leader of the highest term, or NULL. */
struct cluster_node *cluster_leader(struct cluster *c);
/* Proposes at the leader; 0 or the error. */
int cluster_propose(struct cluster *c, const char *text);
int cluster_reconfigure(struct cluster *c, const struct raft_config *config);
/* Takes a snapshot of the node's state, and compacts. */
void cluster_snapshot(struct cluster *c, struct cluster_node *n);
/* Nothing passes between the two, in both ways; connections stay. */
void cluster_cut(struct cluster *c, uint64_t a, uint64_t b, int on);
/* All running nodes have the same commit and state; and the leader's log is all committed. */
void cluster_check_equal(struct cluster *c);
#endif
