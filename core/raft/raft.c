/*
 * Contracts are in raft.h; private.h tells which file does what. Two things a reader would get
 * wrong:
 * - what is written here is not durable yet: votes and matches move in raft_persisted only;
 * - what others say is looked at before it is believed: no message can reach an assertion.
 */
#include "raft/raft.h"
#include <assert.h>
#include <string.h>
#include "base/err.h"
#include "base/mem.h"
#include "private.h"

/* A log that lives counts for ever from here without coming near to an overflow. */
#define NUMBER_MAX ((uint64_t)INT64_MAX / 2)

/* ---- a call's begin and end ------------------------------------------------------------ */

struct raft_standing raft_begin(const struct raft *r, struct raft_update *u)
{
	*u = (struct raft_update){ .arena = u->arena, .now_ms = u->now_ms };
	u->append_end = &u->append;
	u->send_end = &u->send;
	u->want_end = &u->want;
	return (struct raft_standing){
		.role = r->role,
		.ready = raft_is_ready(r),
		.leader = r->leader,
		.config_changes = r->config_changes,
	};
}

void raft_end(const struct raft *r, const struct raft_standing *before, struct raft_update *u)
{
	u->role_changed = r->role != before->role || raft_is_ready(r) != before->ready ||
		r->leader != before->leader;
	u->config_changed = r->config_changes != before->config_changes;
	/* Only now: the entries may have moved in memory since they were committed. */
	if (u->committed_count > 0)
		u->committed = raft_log_at(r, r->commit - u->committed_count + 1);
}

struct raft_message *raft_send_new(struct raft *r, enum raft_message_type type, uint64_t to,
				   struct raft_update *u)
{
	struct raft_send *s = arena_new(u->arena, sizeof(*s));

	s->message.type = type;
	s->message.to = to;
	s->message.term = r->hard.term;
	*u->send_end = s;
	u->send_end = &s->next;
	return &s->message;
}

/* ---- begin and recovery ------------------------------------------------------------------ */

void raft_init(struct raft *r, uint64_t id, uint64_t seed)
{
	assert(id != 0);
	*r = (struct raft){ .id = id, .wal_keep = 1, .keep_bytes_max = RAFT_KEEP_BYTES_MAX };
	rng_init(&r->rng, seed);
}

void raft_done(struct raft *r)
{
	raft_log_reset(r, 0, 0);
	mem_free(r->entries);
	*r = (struct raft){ 0 };
}

void raft_load_snapshot(struct raft *r, const struct raft_snapshot *s)
{
	assert(r->count == 0 && r->record_first == 0);
	raft_log_reset(r, s->index, s->term);
	r->snapshot_config = s->config;
	raft_config_set(r, &s->config, s->index);
	r->hard = s->hard;
	r->wal_keep = s->wal_keep;
}

/* The snapshot may carry a newer hard state than the records after wal_keep tell. */
static void hard_load(struct raft *r, struct raft_hard hard)
{
	if (hard.term > r->hard.term)
		r->hard = hard;
	else if (hard.term == r->hard.term && r->hard.vote == 0)
		r->hard.vote = hard.vote;
}

static int entry_load(struct raft *r, const struct raft_entry *e)
{
	struct raft_config config;
	int stale;

	if (e->kind == RAFT_CONFIG && raft_config_parse(e->data, &config) < 0)
		return ERR_CORRUPT;
	/* Entries after the snapshot were replaced when it was taken, but the records of the new
	 * ones were not durable, so that wal_keep had to be in the midst of the old ones: those
	 * that are left of them follow nothing. */
	stale = r->snapshot_index > 0 && r->count == 0 && e->index > r->snapshot_index + 1;
	if (!stale && e->index > r->snapshot_index &&
	    (e->index > raft_last_index(r) + 1 || e->term < raft_log_term(r, e->index - 1)))
		return ERR_CORRUPT;
	hard_load(r, (struct raft_hard){ .term = e->term });
	if (stale || e->index <= r->snapshot_index)
		return 0;
	if (e->index <= raft_last_index(r))
		raft_log_cut(r, e->index);
	raft_log_add(r, e);
	return 0;
}

int raft_load_record(struct raft *r, uint64_t number, struct slice body)
{
	struct raft_record record;
	int err;

	if (number == 0 || (r->record_first != 0 && number != r->record_last + 1))
		return ERR_CORRUPT;
	err = raft_record_parse(body, &record);
	/* What is below wal_keep may be of a log that an installed snapshot has replaced, and of
	 * one that ends there the numbers go on at wal_keep all the same. */
	if (err < 0 || number < r->wal_keep)
		return err;
	record.entry.record = number;
	if (record.type == RAFT_RECORD_HARD)
		hard_load(r, record.hard);
	else
		err = entry_load(r, &record.entry);
	if (err < 0)
		return err;
	if (r->record_first == 0)
		r->record_first = number;
	r->record_last = number;
	return 0;
}

/* A configuration of ourself alone, in a term that nobody has used: the first entry of a new swarm
 * (thesis 4.4), or after all that is left of one. */
static void found(struct raft *r, const char *about, struct raft_update *u)
{
	struct raft_config c = { .count = 1, .members = { { .id = r->id, .votes = 1 } } };
	struct buf b;

	assert(strlen(about) < RAFT_ABOUT_MAX);
	memcpy(c.members[0].about, about, strlen(about));
	/* Those that are lost may have been some terms ahead of us. */
	r->hard = (struct raft_hard){ .term = r->hard.term + (r->count || r->snapshot_index ?
							      RAFT_FORCE_TERMS : 1) };
	buf_init(&b, RAFT_DATA_MAX);
	raft_config_build(&b, &c);
	(void)raft_entry_new(r, RAFT_CONFIG, buf_slice(&b), u);	/* its index is not asked for */
	buf_done(&b);
}

int raft_start(struct raft *r, uint64_t record_last, enum raft_begin begin, const char *about,
	       struct raft_update *u)
{
	struct raft_standing before = raft_begin(r, u);

	if (r->record_first == 0)
		r->record_last = record_last;
	assert(r->record_last == record_last && r->role == RAFT_FOLLOWER);
	/* Every number from wal_keep to the last must have been there. */
	if (r->wal_keep > record_last + 1)
		return ERR_CORRUPT;
	if (r->wal_keep < (r->record_first ? r->record_first : record_last + 1))
		return ERR_CORRUPT;
	if (r->hard.term > NUMBER_MAX || raft_last_index(r) > NUMBER_MAX)
		return ERR_CORRUPT;
	r->durable = record_last;
	r->durable_index = raft_last_index(r);
	r->verified = r->leader_commit = r->commit;
	assert(begin != RAFT_FOUND || (raft_last_index(r) == 0 && r->hard.term == 0));
	if (begin != RAFT_JOIN)
		found(r, about, u);
	if (raft_is_quorum_alone(r))
		raft_campaign(r, 0, u);
	else
		raft_wait(r, u->now_ms);
	raft_end(r, &before, u);
	return 0;
}

/* ---- what happens ------------------------------------------------------------------------ */

void raft_tick(struct raft *r, struct raft_update *u)
{
	struct raft_standing before = raft_begin(r, u);

	if (r->failed || r->deadline_ms == 0 || u->now_ms < r->deadline_ms)
		return;
	if (r->role == RAFT_LEADER)
		raft_lead_tick(r, u);
	else
		raft_election_tick(r, u);
	raft_end(r, &before, u);
}

/* Entries or a snapshot from a leader. One of an older term learns of the newer one; a second one
 * in our term cannot be (thesis 3.6.3), so it lies. */
static void leader_heard(struct raft *r, uint64_t from, const struct raft_message *m,
			 struct raft_update *u)
{
	if (m->term < r->hard.term) {
		struct raft_message *reply;

		if (!raft_hard_is_durable(r))
			return;
		reply = raft_send_new(r, RAFT_APPEND_REPLY, from, u);
		reply->index = r->commit;
		reply->log_term = raft_log_term(r, r->commit);
		return;
	}
	if (m->term == r->hard.term &&
	    (r->role == RAFT_LEADER || (r->leader && r->leader != from)))
		return;
	raft_follow(r, m->term, from, u);
	if (m->type == RAFT_APPEND)
		raft_append_asked(r, from, m, u);
	else
		raft_snapshot_asked(r, from, m, u);
}

/* Thesis 3.10: the leader knows that our log is whole, so no pre-vote is needed. */
static void lead_now(struct raft *r, uint64_t from, const struct raft_message *m,
		     struct raft_update *u)
{
	if (m->term != r->hard.term || (r->leader && r->leader != from) || !raft_is_voter(r))
		return;
	if (r->role == RAFT_FOLLOWER || r->role == RAFT_PRE_CANDIDATE)
		raft_campaign(r, 1, u);
}

static void receive(struct raft *r, uint64_t from, const struct raft_message *m,
		    struct raft_update *u)
{
	switch (m->type) {
	case RAFT_VOTE:
		raft_vote_asked(r, from, m, u);
		return;
	case RAFT_VOTE_REPLY:
		raft_vote_answered(r, from, m, u);
		return;
	case RAFT_APPEND:
	case RAFT_SNAPSHOT:
		leader_heard(r, from, m, u);
		return;
	case RAFT_LEAD_NOW:
		lead_now(r, from, m, u);
		return;
	case RAFT_APPEND_REPLY:
	case RAFT_SNAPSHOT_REPLY:
		break;
	}
	if (m->term > r->hard.term)
		raft_follow(r, m->term, 0, u);
	else if (m->type == RAFT_APPEND_REPLY)
		raft_append_answered(r, from, m, u);
	else
		raft_snapshot_answered(r, from, m, u);
}

void raft_receive(struct raft *r, uint64_t from, const struct raft_message *m,
		  struct raft_update *u)
{
	struct raft_standing before = raft_begin(r, u);
	struct raft_peer *peer = raft_peer_find(r, from);
	int leads = m->type == RAFT_APPEND || m->type == RAFT_SNAPSHOT;

	if (from == 0 || from == r->id)
		return;
	if (r->failed) {	/* nothing is promised any more, but who leads is good to know */
		if (leads && m->term >= r->hard.term)
			r->leader = from;
		raft_end(r, &before, u);
		return;
	}
	if (peer) {
		peer->heard_ms = u->now_ms;
		peer->active |= m->term == r->hard.term;
	}
	receive(r, from, m, u);
	raft_end(r, &before, u);
}

/* Whatever was on its way on an older connection may be lost. */
static void peer_again(const struct raft *r, struct raft_peer *p)
{
	p->progress = RAFT_PROBE;
	p->probing = 0;
	p->flight_bytes = 0;
	p->install_wanted = 0;
	if (p->match > 0 || p->next > raft_last_index(r) + 1)
		p->next = p->match + 1;
}

void raft_peer_up(struct raft *r, uint64_t peer, struct raft_update *u)
{
	struct raft_standing before = raft_begin(r, u);
	struct raft_peer *p = raft_peer_find(r, peer);

	if (!raft_is_connected(r, peer) && r->connected_count < 2 * RAFT_MEMBERS_MAX)
		r->connected[r->connected_count++] = peer;
	if (p)
		p->up = 1;
	if (p && !r->failed && peer != r->id) {
		if (r->role == RAFT_LEADER) {
			peer_again(r, p);
			raft_lead_hello(r, peer, p, u);
			r->flush_due = 1;
		}
		raft_vote_ask(r, peer, u);
	}
	raft_end(r, &before, u);
}

void raft_peer_down(struct raft *r, uint64_t peer, struct raft_update *u)
{
	struct raft_standing before = raft_begin(r, u);
	struct raft_peer *p = raft_peer_find(r, peer);

	for (uint32_t i = 0; i < r->connected_count; i++) {
		if (r->connected[i] == peer)
			r->connected[i--] = r->connected[--r->connected_count];
	}
	if (p) {
		p->up = 0;
		peer_again(r, p);
	}
	if (r->role == RAFT_LEADER && r->transfer_to == peer) {
		r->transfer_to = 0;
		raft_lead_deadline(r, u->now_ms);
	}
	if (r->leader == peer && peer != r->id) {
		r->leader = 0;
		r->deadline_ms = 0;
		if (!r->failed && raft_may_campaign(r)) {
			r->hurry = 1;
			r->deadline_ms = u->now_ms + 1 + rng_below(&r->rng, RAFT_HURRY_MS);
		}
	}
	raft_end(r, &before, u);
}

void raft_persisted(struct raft *r, uint64_t upto, struct raft_update *u)
{
	struct raft_standing before = raft_begin(r, u);
	uint64_t last = raft_last_index(r);

	assert(upto >= r->durable && upto <= r->record_last);
	if (r->failed)
		return;
	r->durable = upto;
	/* Records are in the order of indexes, so what is durable is a prefix. */
	while (r->durable_index < last && raft_log_at(r, r->durable_index + 1)->record <= upto)
		r->durable_index++;
	raft_election_persisted(r, u);
	if (r->role == RAFT_LEADER)
		raft_lead_count(r, u);
	else
		raft_follow_persisted(r, u);
	raft_end(r, &before, u);
}

void raft_disk_failed(struct raft *r, struct raft_update *u)
{
	struct raft_standing before = raft_begin(r, u);
	uint64_t to = r->role == RAFT_LEADER ? raft_successor(r) : 0;

	if (to)
		(void)raft_send_new(r, RAFT_LEAD_NOW, to, u);
	if (r->role == RAFT_LEADER)
		r->leader = 0;
	r->failed = 1;
	r->role = RAFT_FOLLOWER;
	r->deadline_ms = 0;
	r->flush_due = 0;
	r->transfer_to = 0;
	raft_end(r, &before, u);
}

int raft_propose(struct raft *r, struct slice data, uint64_t *index, struct raft_update *u)
{
	struct raft_standing before = raft_begin(r, u);
	uint64_t bytes = RAFT_ENTRY_HEADER_MAX + (uint64_t)data.len;

	if (!raft_is_ready(r) || r->transfer_to)
		return ERR_UNAVAILABLE;
	if (data.len > RAFT_DATA_MAX || r->pending_bytes + bytes > RAFT_PENDING_BYTES_MAX)
		return ERR_LIMIT;
	if (r->tail_bytes + bytes > RAFT_TAIL_BYTES_MAX)
		return ERR_LIMIT;
	*index = raft_entry_new(r, RAFT_COMMAND, data, u);
	assert(*index > r->commit);
	r->flush_due = r->config.count > 1;
	raft_end(r, &before, u);
	return 0;
}

void raft_flush(struct raft *r, struct raft_update *u)
{
	struct raft_standing before = raft_begin(r, u);

	if (r->role == RAFT_LEADER && r->flush_due) {
		raft_lead_flush(r, u);
		raft_lead_count(r, u);
	}
	r->flush_due = 0;
	raft_end(r, &before, u);
}

int raft_is_ready(const struct raft *r)
{
	return r->role == RAFT_LEADER && r->commit >= r->leader_first;
}

uint32_t raft_tail_count(const struct raft *r)
{
	return (uint32_t)(raft_last_index(r) - r->snapshot_index);
}
