/* raft.h - consensus as a step function. Pure.
 *
 * "Thesis" is D. Ongaro, Consensus: Bridging Theory and Practice, 2014. The log holds
 * opaque bytes. Time, disk and network are the caller's: each call fills a struct
 * raft_update with what is to be written and what is committed, and a finished disk write
 * comes back as a call (raft_persisted).
 *
 *	raft_init
 *	raft_load_snapshot	if there is one
 *	raft_load_record	every WAL record, in order
 *	raft_start		then, as things happen:
 *	raft_tick, raft_propose, raft_persisted, raft_compact, raft_disk_failed
 *
 * Every WAL record is Raft's, so Raft gives out their numbers: 1, 2, 3, ... for ever.
 * Term, vote and entries are records of the one log; a vote counts and an entry is
 * counted only when its record is durable.
 *
 * Here it runs a swarm of one manager: the elections, quorums and commits below count
 * over the list of voters, which is {self}; no messages are exchanged yet. A log whose
 * configuration has more voters is loaded and never elects a leader.
 */
#ifndef SB_RAFT_RAFT_H
#define SB_RAFT_RAFT_H
#include <stdint.h>
#include "base/arena.h"
#include "base/rng.h"
#include "base/slice.h"
#include "raft/record.h"

enum raft_role { RAFT_FOLLOWER, RAFT_CANDIDATE, RAFT_LEADER };

enum {
	/* Election timeout, drawn anew each time from [MIN, 2 MIN) (thesis 3.4). */
	RAFT_ELECTION_MS = 1000,
	/* Entries proposed but not yet committed: what a leader may lose in one crash, and
	 * its memory beyond the state. 4 records of the largest size. */
	RAFT_PENDING_BYTES_MAX = 4 * RAFT_DATA_MAX,
	/* Entries since the last snapshot, in memory and to be replayed at a start. A snapshot
	 * is due long before; without one no more is taken in. */
	RAFT_TAIL_BYTES_MAX = 64 << 20,
};

/* A record to append to the WAL. */
struct raft_append {
	struct raft_append *next;
	uint64_t number;
	struct slice body;		/* in the update's arena */
};

/*
 * What one call decided. Set the arena (the step's effects arena does), the call fills the
 * rest anew: nothing is left over from the call before.
 */
struct raft_update {
	struct arena *arena;
	struct raft_append *append;	/* in order; NULL = none */
	/* Newly committed, to be applied now and in order. All kinds: skip what is not
	 * RAFT_COMMAND, but note every index. Owned by the raft, valid until its next call. */
	const struct raft_entry *committed;
	uint32_t committed_count;
	int role_changed;		/* role or readiness is not what it was before */
};

/* One voter as the leader sees it. */
struct raft_peer {
	int voted;		/* granted its vote in this term */
	uint64_t match;		/* highest index known durable there (thesis figure 3.1) */
};

struct raft {
	uint64_t id;			/* read: our own, not 0 */
	enum raft_role role;		/* read */
	struct raft_hard hard;		/* read: as written, maybe not yet durable */
	uint64_t commit;		/* read: highest committed index = highest handed out */
	uint64_t deadline_ms;		/* read: call raft_tick then; 0 = no need */
	uint64_t snapshot_index;	/* read: entries up to here are in the snapshot */
	uint64_t snapshot_term;		/* read */
	uint64_t record_last;		/* read: number of the last WAL record given out */
	uint64_t tail_bytes;		/* read: record bytes of the entries after snapshot_index */
	struct raft_config config;	/* read: the newest in the log, committed or not (4.1) */
	/* the rest is private */
	struct raft_config snapshot_config;
	struct raft_peer peers[RAFT_VOTERS_MAX];	/* as config.voters */
	struct raft_entry *entries;	/* snapshot_index + 1 and on */
	uint32_t count, capacity;
	uint64_t record_first;		/* number of the first one loaded, 0 = none */
	uint64_t wal_keep;		/* the first one that must be there */
	uint64_t vote_record;		/* record of our vote for ourself */
	uint64_t durable;		/* last durable record */
	uint64_t leader_first;		/* index of our own no-op while leader */
	uint64_t pending_bytes;		/* record bytes above commit */
	int failed;
	struct rng rng;
};

/* id: not 0. seed: for election timeouts. */
void raft_init(struct raft *r, uint64_t id, uint64_t seed);
void raft_done(struct raft *r);

/* Before raft_load_record. Takes the fields over; s stays the caller's. */
void raft_load_snapshot(struct raft *r, const struct raft_snapshot *s);
/*
 * One recovered WAL record. An entry that the snapshot covers is passed over; an entry at
 * an index that is taken replaces it and all after it (thesis 3.5). The bytes are copied.
 * ERR_CORRUPT: not a record, or a gap in record numbers or indexes.
 */
int raft_load_record(struct raft *r, uint64_t number, struct slice body);
/*
 * record_last: the WAL's last number, 0 for a new log. A raft with nothing loaded makes a
 * swarm of itself alone: entry 1 is that configuration (thesis 4.4). A voter alone becomes
 * candidate at once, as no one can be leader but it.
 * ERR_CORRUPT: records between the snapshot and the log are missing.
 */
int raft_start(struct raft *r, uint64_t record_last, uint64_t now_ms, struct raft_update *u);

/* To be called at deadline_ms or later; earlier calls do nothing. */
void raft_tick(struct raft *r, uint64_t now_ms, struct raft_update *u);
/* All records up to number upto are durable. */
void raft_persisted(struct raft *r, uint64_t upto, struct raft_update *u);
/* Writes after the last raft_persisted failed: steps down and stays down. */
void raft_disk_failed(struct raft *r, struct raft_update *u);
/*
 * Appends a command; its index is set on success, and it is done when committed reaches
 * that index. ERR_UNAVAILABLE: not a ready leader. ERR_LIMIT: longer than RAFT_DATA_MAX, or
 * RAFT_PENDING_BYTES_MAX wait for the disk, or RAFT_TAIL_BYTES_MAX for a snapshot.
 */
int raft_propose(struct raft *r, struct slice data, uint64_t *index, struct raft_update *u);

/* Leads, and has committed an entry of its own term: may answer reads and take writes
 * (thesis 6.4). */
int raft_is_ready(const struct raft *r);
/* Entries after the snapshot. With tail_bytes: when to take the next one. */
uint32_t raft_tail_count(const struct raft *r);

/* Fills in what a snapshot of the state at index commit (not 0) must carry. */
void raft_snapshot_meta(const struct raft *r, struct raft_snapshot *s);
/* A snapshot at index (<= commit, as raft_snapshot_meta gave it) is durable: drops the
 * entries it covers. An index that is covered already does nothing. */
void raft_compact(struct raft *r, uint64_t index);
#endif
