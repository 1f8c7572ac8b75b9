/*
 * The follower's side (thesis 3.5, 3.6). An acknowledgement names what is on disk, so it leaves
 * when the disk is done, one for all that came meanwhile; heartbeats are answered at once, with
 * what is on disk by then. What comes from outside may be old, doubled, or wrong: it is taken only
 * where it fits, and nothing committed is ever changed by it.
 */
#include <assert.h>
#include "private.h"

enum {
	/* A leader stops at RAFT_TAIL_BYTES_MAX after its own snapshot; ours may be older. */
	FOLLOWER_BYTES_MAX = RAFT_TAIL_BYTES_MAX + RAFT_PENDING_BYTES_MAX,
};

/* On disk, and the leader's. */
static uint64_t acknowledged(const struct raft *r)
{
	return r->verified < r->durable_index ? r->verified : r->durable_index;
}

/* No answer leaves before the term's record is durable (thesis 3.8). */
void raft_append_reply(struct raft *r, struct raft_update *u)
{
	struct raft_message *m;

	r->reply_due = 1;
	if (!raft_hard_is_durable(r) || !r->leader)
		return;
	m = raft_send_new(r, RAFT_APPEND_REPLY, r->leader, u);
	m->granted = 1;
	m->index = acknowledged(r);
	m->log_term = raft_log_term(r, m->index);
	m->round = r->round_seen;
	r->reply_due = m->index < r->verified;
}

/* Thesis 3.5, with the term as a hint: of what we have, all that is of later terms than the entry
 * asked for cannot be the leader's. */
static void refuse(struct raft *r, struct raft_update *u)
{
	uint64_t last = raft_last_index(r);
	uint64_t from = r->refuse_index <= last ? r->refuse_index - 1 : last;
	struct raft_message *m;

	if (!raft_hard_is_durable(r) || !r->leader)
		return;
	r->refuse_due = 0;
	m = raft_send_new(r, RAFT_APPEND_REPLY, r->leader, u);
	m->index = from < r->commit ? r->commit : raft_log_back(r, from, r->refuse_term);
	if (m->index < r->commit)
		m->index = r->commit;
	m->log_term = raft_log_term(r, m->index);
	m->round = r->round_seen;
}

/* The entry before those we lack is ours too. Committed ones are every leader's (thesis 3.6.3),
 * so what is asked about them is true, if the one that asks tells the truth. */
static int fits(const struct raft *r, const struct raft_message *m)
{
	uint64_t term = m->log_term, at = m->index;

	if (m->index < r->commit) {
		if (m->entry_count <= r->commit - m->index)
			return 1;
		at = r->commit;
		term = m->entries[at - m->index - 1].term;
	}
	return at <= raft_last_index(r) && raft_log_term(r, at) == term;
}

/* Entries that are there already are passed over, ones that differ are replaced with all that
 * follows them (thesis 3.5). */
static void entries_take(struct raft *r, const struct raft_message *m, struct raft_update *u)
{
	uint32_t i = 0;

	if (m->index < r->commit)
		i = r->commit - m->index < m->entry_count ?
			(uint32_t)(r->commit - m->index) : m->entry_count;
	for (; i < m->entry_count; i++) {
		struct raft_entry e = m->entries[i];

		if (e.index <= raft_last_index(r)) {
			if (raft_log_term(r, e.index) == e.term)
				continue;
			raft_log_cut(r, e.index);
		}
		if (r->tail_bytes + raft_entry_bytes(&e) > FOLLOWER_BYTES_MAX)
			break;
		raft_install_drop(r, u);
		raft_entry_write(r, &e, u);
	}
}

/* Only what is known to be the leader's, and on our own disk: so a snapshot of ours never covers
 * what our log has not. */
static void commit_follow(struct raft *r, struct raft_update *u)
{
	uint64_t to = acknowledged(r);

	if (to > r->leader_commit)
		to = r->leader_commit;
	if (to > r->commit)
		raft_commit_to(r, to, u);
}

void raft_append_asked(struct raft *r, uint64_t from, const struct raft_message *m,
		       struct raft_update *u)
{
	uint64_t end = m->index + m->entry_count;
	int at_once = m->entry_count == 0 || m->round > r->round_seen;

	assert(r->leader == from && r->role == RAFT_FOLLOWER);
	if (m->round > r->round_seen)
		r->round_seen = m->round;
	if (m->commit > r->leader_commit)
		r->leader_commit = m->commit;
	if (!fits(r, m)) {
		if (m->index < r->commit)
			return;
		r->refuse_due = 1;
		r->refuse_index = m->index;
		r->refuse_term = m->log_term;
		refuse(r, u);
		return;
	}
	r->refuse_due = 0;
	entries_take(r, m, u);
	if (end > raft_last_index(r))
		end = raft_last_index(r);
	if (r->verified < end)
		r->verified = end;
	if (at_once || acknowledged(r) == r->verified)
		raft_append_reply(r, u);
	else
		r->reply_due = 1;
	commit_follow(r, u);
}

void raft_follow_persisted(struct raft *r, struct raft_update *u)
{
	if (r->refuse_due)
		refuse(r, u);
	else if (r->reply_due)
		raft_append_reply(r, u);
	commit_follow(r, u);
}
