/* private.h - what the files of Raft share. Pure.
 *
 *	record.c, message.c	bytes
 *	log.c		entries in memory, records given out, compaction
 *	config.c	who is a member, and what a majority has
 *	election.c	terms, votes, timeouts
 *	lead.c		the leader's side: entries out, acknowledgements in, reads, transfer
 *	follow.c	the follower's side
 *	install.c	snapshots, both sides
 *	raft.c		the face: each call, from its update's begin to its end
 */
#ifndef SB_RAFT_PRIVATE_H
#define SB_RAFT_PRIVATE_H
#include "raft/raft.h"

enum { RAFT_HARD_LEN = 17 };

/* ---- record.c */
void raft_hard_put(uint8_t bytes[RAFT_HARD_LEN], struct raft_hard hard);
/* What stands before the data; how many bytes. */
size_t raft_entry_put(uint8_t bytes[RAFT_ENTRY_HEADER_MAX], const struct raft_entry *e);
int raft_config_is_valid(const struct raft_config *c);
/* A configuration at the front of bytes: its length, or ERR_CORRUPT. */
int raft_config_take(struct slice bytes, struct raft_config *config);

/* ---- log.c */
/* What it is counted as, wherever there are limits: its record is at most as long. */
static inline uint64_t raft_entry_bytes(const struct raft_entry *e)
{
	return RAFT_ENTRY_HEADER_MAX + e->data.len;
}

static inline uint64_t raft_last_index(const struct raft *r)
{
	return r->base_index + r->count;
}

/* In memory, or the one before: its term is known. */
static inline int raft_log_has(const struct raft *r, uint64_t index)
{
	return index >= r->base_index && index <= raft_last_index(r);
}

struct raft_entry *raft_log_at(const struct raft *r, uint64_t index);
uint64_t raft_log_term(const struct raft *r, uint64_t index);
/* The newest index at or below `from` (which the log has) whose term is not above, or the base. */
uint64_t raft_log_back(const struct raft *r, uint64_t from, uint64_t term);
/* Takes a copy of e to the end of the log. */
void raft_log_add(struct raft *r, const struct raft_entry *e);
/* Drops the entries from index on (thesis 3.5: a leader's entries replace others). */
void raft_log_cut(struct raft *r, uint64_t index);
/* Drops all: the log goes on after that entry. */
void raft_log_reset(struct raft *r, uint64_t index, uint64_t term);
/* Writes r->hard. */
void raft_hard_write(struct raft *r, struct raft_update *u);
/* Adds e and writes its record. */
void raft_entry_write(struct raft *r, struct raft_entry *e, struct raft_update *u);
/* A new entry of our own term at the end of the log. Returns its index. */
uint64_t raft_entry_new(struct raft *r, enum raft_kind kind, struct slice data,
			struct raft_update *u);
/* Entries up to index are committed: they are handed out. */
void raft_commit_to(struct raft *r, uint64_t index, struct raft_update *u);

static inline int raft_hard_is_durable(const struct raft *r)
{
	return r->hard_record <= r->durable;
}

/* ---- config.c */
struct raft_peer *raft_peer_find(struct raft *r, uint64_t id);
/* Our own vote counts in the configuration in force. */
int raft_is_voter(const struct raft *r);
/* May be elected: one that the newest configuration leaves out may be needed until that is
 * committed (4.2.2). */
int raft_may_campaign(const struct raft *r);
/* No other vote is needed. */
int raft_is_quorum_alone(const struct raft *r);
int raft_is_connected(const struct raft *r, uint64_t id);
/* The newest configuration at or below index: it counts from when it is in the log, not from
 * when it is committed (thesis 4.1). Returns its entry's index. */
uint64_t raft_config_at(const struct raft *r, uint64_t index, struct raft_config *c);
/* The configuration in force becomes c; progress of those that stay is kept. */
void raft_config_set(struct raft *r, const struct raft_config *c, uint64_t index);
/* What of one number a majority of the voters has reached; own: ours. of: the peer's. */
uint64_t raft_quorum(const struct raft *r, uint64_t own,
		     uint64_t (*of)(const struct raft_peer *));

/* ---- election.c */
/* The term becomes that of hard, which is written. */
void raft_term_begin(struct raft *r, struct raft_hard hard, struct raft_update *u);
/* Follower in that term (>= ours); leader 0 = not known. */
void raft_follow(struct raft *r, uint64_t term, uint64_t leader, struct raft_update *u);
/* Sets the deadline of one that does not lead. */
void raft_wait(struct raft *r, uint64_t now_ms);
void raft_campaign(struct raft *r, int transferred, struct raft_update *u);
/* The deadline of one that does not lead has come. */
void raft_election_tick(struct raft *r, struct raft_update *u);
void raft_election_persisted(struct raft *r, struct raft_update *u);
void raft_vote_asked(struct raft *r, uint64_t from, const struct raft_message *m,
		     struct raft_update *u);
void raft_vote_answered(struct raft *r, uint64_t from, const struct raft_message *m,
			struct raft_update *u);
/* Asks one voter again, whose connection has come up. */
void raft_vote_ask(struct raft *r, uint64_t peer, struct raft_update *u);

/* ---- lead.c */
void raft_lead(struct raft *r, struct raft_update *u);
/* Deadlines of a leader, after one of them or the configuration changed. */
void raft_lead_deadline(struct raft *r, uint64_t now_ms);
void raft_lead_tick(struct raft *r, struct raft_update *u);
void raft_lead_flush(struct raft *r, struct raft_update *u);
/* To one whose connection came up: a heartbeat, if nothing else is for it. */
void raft_lead_hello(struct raft *r, uint64_t id, struct raft_peer *peer, struct raft_update *u);
void raft_append_answered(struct raft *r, uint64_t from, const struct raft_message *m,
			  struct raft_update *u);
/* The peer has all up to index: whatever was sent to it before, it can go on from there. */
void raft_peer_matches(struct raft *r, struct raft_peer *peer, uint64_t index);
/* Counts again what a majority has: commit and reads move. */
void raft_lead_count(struct raft *r, struct raft_update *u);
/* Entries from peer->next on, within one message. */
void raft_append_send(struct raft *r, uint64_t id, struct raft_peer *peer,
		      struct raft_update *u);
/* The voter that is furthest, of those that are up; 0 = none. */
uint64_t raft_successor(const struct raft *r);

/* ---- follow.c */
void raft_append_asked(struct raft *r, uint64_t from, const struct raft_message *m,
		       struct raft_update *u);
/* An APPEND_REPLY with what is durable and the leader's, now or as soon as the term is. */
void raft_append_reply(struct raft *r, struct raft_update *u);
void raft_follow_persisted(struct raft *r, struct raft_update *u);

/* ---- install.c */
void raft_install_begin(struct raft *r, uint64_t id, struct raft_peer *peer,
			struct raft_update *u);
/* A heartbeat's time: asks again for what did not come. */
void raft_install_tick(struct raft *r, uint64_t id, struct raft_peer *peer,
		       struct raft_update *u);
void raft_snapshot_asked(struct raft *r, uint64_t from, const struct raft_message *m,
			 struct raft_update *u);
void raft_snapshot_answered(struct raft *r, uint64_t from, const struct raft_message *m,
			    struct raft_update *u);
/* What was received so far is of no use. */
void raft_install_drop(struct raft *r, struct raft_update *u);

/* ---- raft.c */
/* What a call may change and the caller is told of. */
struct raft_standing {
	enum raft_role role;
	int ready;
	uint64_t leader, config_changes;
};

struct raft_standing raft_begin(const struct raft *r, struct raft_update *u);
void raft_end(const struct raft *r, const struct raft_standing *before, struct raft_update *u);
/* A message to be filled in; type, to and our term are. */
struct raft_message *raft_send_new(struct raft *r, enum raft_message_type type, uint64_t to,
				   struct raft_update *u);
#endif
