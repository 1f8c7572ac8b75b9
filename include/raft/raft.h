/* raft.h - consensus as a step function. Pure.
 *
 * "Thesis" is D. Ongaro, Consensus: Bridging Theory and Practice, 2014. The log holds
 * opaque bytes. Time, disk and network are the caller's: each call fills a struct
 * raft_update with what is to be written, sent and applied, and a finished disk write
 * comes back as a call (raft_persisted).
 *
 *	raft_init
 *	raft_load_snapshot	if there is one
 *	raft_load_record	every WAL record, in order
 *	raft_start		then, as things happen:
 *	raft_tick, raft_receive, raft_peer_up, raft_peer_down, raft_propose,
 *	raft_propose_config, raft_read, raft_transfer, raft_flush, raft_persisted,
 *	raft_compact, raft_piece, raft_stored, raft_installed, raft_disk_failed
 *
 * Every WAL record is Raft's, so Raft gives out their numbers: 1, 2, 3, ... for ever.
 * Term, vote and entries are records of the one log; a vote counts, an entry is counted and
 * a promise is sent only when the record it rests on is durable: no message that answers in
 * a term leaves before that term's own record is durable (thesis 3.8).
 *
 * Beyond the thesis' chapter 3: pre-vote (9.6), check-quorum and the rule that who hears a
 * leader grants no vote (6.2, 4.2.3), learners (4.2.1), one change of the voters at a time
 * (4.1), leadership transfer (3.10), reads without the log (6.4), snapshots in pieces (5.1).
 */
#ifndef SB_RAFT_RAFT_H
#define SB_RAFT_RAFT_H
#include <stdint.h>
#include "base/arena.h"
#include "base/rng.h"
#include "base/slice.h"
#include "raft/message.h"

enum raft_role { RAFT_FOLLOWER, RAFT_PRE_CANDIDATE, RAFT_CANDIDATE, RAFT_LEADER };

enum {
	/* A leader that is silent for so long is given up; the timeout is drawn anew each time
	 * from [MIN, 2 MIN) (thesis 3.4). Half of it is what etcd takes: for pauses and cuts;
	 * a leader whose process ends closes its connections, and that is seen at once. */
	RAFT_ELECTION_MS = 500,
	RAFT_HEARTBEAT_MS = 100,
	/* RAFT_FORCE goes on so many terms later: more elections than nobody hears of. */
	RAFT_FORCE_TERMS = 1 << 20,
	/* After a leader's connection closed: pre-vote within so much. */
	RAFT_HURRY_MS = 20,
	/* Entries proposed but not yet committed: what a leader may lose in one crash, and
	 * its memory beyond the state. 4 records of the largest size. */
	RAFT_PENDING_BYTES_MAX = 4 * RAFT_DATA_MAX,
	/* Entries in memory, since the last snapshot and of it those that a follower lacks.
	 * A snapshot is due long before; without one no more is taken in. */
	RAFT_TAIL_BYTES_MAX = 64 << 20,
	/* Of those that a snapshot covers already: kept for followers that are behind. */
	RAFT_KEEP_BYTES_MAX = 16 << 20,
	/* Sent to one follower and not yet acknowledged: of entries, of a snapshot. One more
	 * message may be begun below it. */
	RAFT_FLIGHT_BYTES_MAX = 4 << 20,
	RAFT_INSTALL_BYTES_MAX = 2 << 20,
};

/* A record to append to the WAL. */
struct raft_append {
	struct raft_append *next;
	uint64_t number;
	struct slice body;		/* in the update's arena */
};

/* A message to send; to is set. What it points to is in the update's arena, or the raft's own
 * until its next call. */
struct raft_send {
	struct raft_send *next;
	struct raft_message message;
};

/* A piece of our newest snapshot that a follower needs: raft_piece is to bring it. */
struct raft_want {
	struct raft_want *next;
	uint64_t peer;
	uint64_t index;		/* of the snapshot */
	uint64_t offset;
};

/*
 * What one call decided. Set arena (the step's effects arena does) and now_ms, the call fills
 * the rest anew: nothing is left over from the call before.
 */
struct raft_update {
	struct arena *arena;
	uint64_t now_ms;		/* never goes back */
	struct raft_append *append;	/* in order; NULL = none */
	struct raft_send *send;		/* in order, after the appends were taken */
	struct raft_want *want;
	/* Newly committed, to be applied now and in order. All kinds: skip what is not
	 * RAFT_COMMAND, but note every index. Owned by the raft, valid until its next call. */
	const struct raft_entry *committed;
	uint32_t committed_count;
	/* RAFT_SNAPSHOT from the leader: offset 0 begins (and ends an older one). To be stored in
	 * order and answered with raft_stored, the last one (more = 0) with raft_installed, when
	 * all of it is durable; the next ones may come before that. NULL = none. Borrowed from
	 * the message given to raft_receive. */
	const struct raft_message *piece;
	int piece_drop;			/* what was received of a snapshot is of no use any more */
	int role_changed;		/* role, readiness or the known leader changed */
	int config_changed;		/* config is another */
	struct raft_append **append_end;	/* these three: private */
	struct raft_send **send_end;
	struct raft_want **want_end;
};

enum raft_progress { RAFT_PROBE, RAFT_REPLICATE, RAFT_INSTALL };

/* One other member as the leader sees it (etcd's tracker). */
struct raft_peer {
	int voted;		/* private: said to our (pre-)vote: 1 yes, -1 no, 0 nothing */
	int up;			/* read: a connection is there */
	int active;		/* private: heard since the last check of the quorum */
	enum raft_progress progress;	/* read */
	uint64_t match;		/* read: highest index known durable there (thesis figure 3.1) */
	uint64_t next;		/* private: of the entry to send next */
	uint64_t flight_bytes;	/* private: sent above match */
	int probing;		/* private: a probe is out: no other before an answer */
	uint64_t round;		/* private: newest heartbeat it answered */
	/* private: the snapshot that goes to it; stored there and sent up to; last moved */
	uint64_t install_index, install_term, install_offset, install_sent, install_ms;
	int install_whole;	/* private: all of it is sent */
	int install_wanted;	/* private: raft_piece is awaited */
	int install_failed;	/* private: it had nothing: the newest one at the next heartbeat */
	struct raft_config install_config;	/* private */
	uint64_t heard_ms;	/* read: when it last said anything; 0 = never */
};

struct raft {
	uint64_t id;			/* read: our own, not 0 */
	enum raft_role role;		/* read */
	uint64_t leader;		/* read: of this term, 0 = not known */
	struct raft_hard hard;		/* read: as written, maybe not yet durable */
	uint64_t commit;		/* read: highest committed index = highest handed out */
	uint64_t deadline_ms;		/* read: call raft_tick then; 0 = no need */
	uint64_t snapshot_index;	/* read: our newest snapshot covers up to here */
	uint64_t snapshot_term;		/* read */
	uint64_t record_last;		/* read: number of the last WAL record given out */
	uint64_t tail_bytes;		/* read: record bytes of the entries after snapshot_index */
	uint64_t read_confirmed;	/* read: tickets up to this one may be served */
	int flush_due;			/* read: raft_flush has something to send */
	uint64_t transfer_to;		/* read: leadership goes there; 0 = no transfer */
	struct raft_config config;	/* read: the newest in the log, committed or not (4.1) */
	struct raft_peer peers[RAFT_MEMBERS_MAX];	/* read: as config.members */
	/* RAFT_KEEP_BYTES_MAX from raft_init on; a test may lower it, so that small logs see
	 * snapshots on their way. */
	uint64_t keep_bytes_max;
	/* the rest is private; the implementation adds to it what it needs */
	struct raft_config snapshot_config;
	struct raft_entry *entries;	/* base_index + 1 and on */
	uint32_t count, capacity;
	uint64_t base_index, base_term;	/* of the entry before the first one in memory */
	uint64_t base_bytes;		/* of the entries up to snapshot_index that are kept */
	uint64_t record_first;		/* number of the first one loaded, 0 = none */
	uint64_t wal_keep;		/* the first one that must be there */
	uint64_t hard_record;		/* record of `hard` */
	uint64_t durable;		/* last durable record */
	uint64_t durable_index;		/* on disk, as are all entries before it */
	uint64_t config_index;		/* of `config`'s entry, or where a snapshot told it */
	uint64_t config_changes;	/* how often it was another one */
	uint64_t pending_bytes;		/* record bytes above commit */
	int failed;
	struct rng rng;
	/* connections, of members or not */
	uint64_t connected[2 * RAFT_MEMBERS_MAX];
	uint32_t connected_count;
	/* elections */
	uint32_t hurry;			/* quick attempts so far + 1; 0 = at normal pace */
	int asked;			/* the requests for the own vote's term are out */
	int transferred;		/* that election was wanted by the leader (3.10) */
	int vote_due;			/* hard.vote is to be told when it is durable */
	/* followers */
	uint64_t heard_ms;		/* when the leader was heard last */
	uint64_t verified;		/* highest index known to be the leader's in this term */
	uint64_t leader_commit;		/* what it said is committed */
	uint64_t round_seen;
	int reply_due;			/* entries came that are not acknowledged */
	int refuse_due;			/* ... or did not fit after this one */
	uint64_t refuse_index, refuse_term;
	/* leaders */
	uint64_t leader_first;		/* index of our own no-op while leader */
	uint64_t heartbeat_ms, quorum_ms, transfer_ms;	/* deadlines */
	uint64_t read_last, read_sent;	/* tickets given out, and sent as a round */
	/* a snapshot that comes in (0 = none): which, from the leader of which term; stored, and
	 * given to the caller, up to; its wal_keep; the last piece is with the caller */
	uint64_t in_index, in_term, in_leader_term, in_offset, in_next, in_keep;
	int in_whole;
};

/* id: not 0, never used by another member or by an earlier life that lost its log. seed: for
 * election timeouts. */
void raft_init(struct raft *r, uint64_t id, uint64_t seed);
void raft_done(struct raft *r);

/* Before raft_load_record. Takes the fields over; s stays the caller's. */
void raft_load_snapshot(struct raft *r, const struct raft_snapshot *s);
/*
 * One recovered WAL record. One below the snapshot's wal_keep is passed over, and so is an entry
 * that the snapshot covers, or that follows neither it nor another entry; an entry at an index
 * that is taken replaces it and all after it (thesis 3.5). The bytes are copied.
 * ERR_CORRUPT: not a record, or a gap in record numbers or indexes.
 */
int raft_load_record(struct raft *r, uint64_t number, struct slice body);

enum raft_begin {
	RAFT_JOIN,	/* go on with what was loaded; nothing at all: wait for a leader */
	RAFT_FOUND,	/* nothing may be loaded: a swarm of ourself alone, entry 1 is that
			 * configuration (thesis 4.4) */
	RAFT_FORCE,	/* make ourself the only member of what was loaded, and keep every entry:
			 * it may have been acknowledged. For a quorum that is lost for ever. */
};

/*
 * record_last: the WAL's last number, 0 for a new log. about: ours, for FOUND and FORCE. A voter
 * alone becomes candidate at once, as no one can be leader but it; others wait.
 * ERR_CORRUPT: records between the snapshot and the log are missing.
 */
int raft_start(struct raft *r, uint64_t record_last, enum raft_begin begin, const char *about,
	       struct raft_update *u);

/* To be called at deadline_ms or later; earlier calls do nothing. */
void raft_tick(struct raft *r, struct raft_update *u);
/* A message from member (or former, or coming member) `from`. Anything that parsed is taken:
 * what does not fit is ignored. */
void raft_receive(struct raft *r, uint64_t from, const struct raft_message *m,
		  struct raft_update *u);
/* A connection to a member (or coming member) is there: nothing is replicated without one, and
 * what was under way on an older one counts as lost. It is gone (closed or refused, not
 * merely silent). A leader that is gone is not waited for: pre-vote begins within RAFT_HURRY_MS. */
void raft_peer_up(struct raft *r, uint64_t peer, struct raft_update *u);
void raft_peer_down(struct raft *r, uint64_t peer, struct raft_update *u);
/* All records up to number upto are durable. */
void raft_persisted(struct raft *r, uint64_t upto, struct raft_update *u);
/* Writes after the last raft_persisted failed: a leader tells the best follower to lead, and
 * steps down; nothing is promised or written any more. */
void raft_disk_failed(struct raft *r, struct raft_update *u);
/*
 * Appends a command; its index is set on success, and it is done when committed reaches that
 * index with an entry of term r->hard.term as it is now. It is sent by raft_flush.
 * ERR_UNAVAILABLE: not a ready leader, or it is giving leadership away. ERR_LIMIT: longer than
 * RAFT_DATA_MAX, or RAFT_PENDING_BYTES_MAX wait to be committed, or RAFT_TAIL_BYTES_MAX for a
 * snapshot.
 */
int raft_propose(struct raft *r, struct slice data, uint64_t *index, struct raft_update *u);
/*
 * Appends a new configuration, in which at most one member's vote differs from the one in force
 * (4.1). It counts at once. A leader that is not in it steps down when it is committed (4.2.2).
 * ERR_UNAVAILABLE: as above, or the last change is not committed yet. ERR_INVALID: more than one
 * difference in who votes, or nobody would.
 */
int raft_propose_config(struct raft *r, const struct raft_config *config, uint64_t *index,
			struct raft_update *u);
/*
 * Asks to read (thesis 6.4): when read_confirmed reaches the ticket, the state applied up to
 * commit is newer than all that was acknowledged before this call. Many tickets share one round
 * of heartbeats, which raft_flush sends. A loss of leadership voids those not confirmed.
 * ERR_UNAVAILABLE: not a ready leader.
 */
int raft_read(struct raft *r, uint64_t *ticket, struct raft_update *u);
/* Gives leadership to a voter, 0 = the one that is furthest (thesis 3.10): no proposals are taken
 * until it leads, or an election timeout has passed. ERR_UNAVAILABLE: not leader, or no other
 * voter is there. ERR_NOT_FOUND: not a voter. */
int raft_transfer(struct raft *r, uint64_t to, struct raft_update *u);
/* Sends what has gathered since the last call: entries, reads' heartbeats. To be called once per
 * turn of the caller's loop, before it waits for the disk: disk and followers work at once
 * (10.2.1). */
void raft_flush(struct raft *r, struct raft_update *u);

/* Leads, and has committed an entry of its own term: may answer reads and take writes
 * (thesis 6.4). */
int raft_is_ready(const struct raft *r);
/* The member of that id in the newest configuration, or NULL. */
const struct raft_member *raft_member(const struct raft *r, uint64_t id);
/* As the leader sees it, or NULL: not a member. */
const struct raft_peer *raft_peer(const struct raft *r, uint64_t id);
/* Entries after the snapshot. With tail_bytes: when to take the next one. */
uint32_t raft_tail_count(const struct raft *r);

/* Fills in what a snapshot of the state at index commit (not 0) must carry. */
void raft_snapshot_meta(const struct raft *r, struct raft_snapshot *s);
/* A snapshot at index (<= commit, as raft_snapshot_meta gave it) is durable: drops the entries it
 * covers, but for those that followers still need within RAFT_KEEP_BYTES_MAX. An index that is
 * covered already does nothing. */
void raft_compact(struct raft *r, uint64_t index);

/* ---- snapshots on their way ---- */

/* The piece that was wanted (w->next does not count); more: it is not the last. data empty and
 * more set: it could not be read, it is wanted again at the next heartbeat, of the then newest
 * snapshot. The message borrows data (RAFT_PIECE_MAX at most). Late ones are ignored. */
void raft_piece(struct raft *r, const struct raft_want *w, struct slice data, int more,
		struct raft_update *u);
/* What our own file of the snapshot that piece (offset 0) begins must carry in front. */
void raft_install_meta(const struct raft *r, const struct raft_message *piece,
		       struct raft_snapshot *s);
/* Pieces up to offset next are stored. */
void raft_stored(struct raft *r, uint64_t index, uint64_t next, struct raft_update *u);
/* What came of a snapshot cannot be stored, or is not what it should be: the leader begins anew. */
void raft_not_stored(struct raft *r);
/* The snapshot is whole and durable with that meta, and the state is now what it holds: the log
 * begins after it. If it was overtaken (piece_drop was told) it must not be called. */
void raft_installed(struct raft *r, const struct raft_snapshot *s, struct raft_update *u);
#endif
