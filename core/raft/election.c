/*
 * Terms, votes and timeouts (thesis 3.4, 4.2.3, 9.6). Two things a reader would get wrong:
 * - a vote, our own too, is a promise: it is told, counted and asked for only when its record is
 *   durable (3.8), so much here happens in raft_election_persisted;
 * - a pre-vote promises nothing and changes no term.
 */
#include <assert.h>
#include "private.h"

void raft_term_begin(struct raft *r, struct raft_hard hard, struct raft_update *u)
{
	assert(hard.term > r->hard.term);
	r->hard = hard;
	raft_hard_write(r, u);
	r->leader = 0;
	r->verified = r->leader_commit = r->commit;
	r->round_seen = 0;
	r->reply_due = r->refuse_due = r->vote_due = r->asked = 0;
}

/* Between [MIN, 2 MIN) (thesis 3.4, 9.3). */
static void deadline_draw(struct raft *r, uint64_t now_ms)
{
	r->deadline_ms = now_ms + RAFT_ELECTION_MS + rng_below(&r->rng, RAFT_ELECTION_MS);
}

/* When to try again if this attempt comes to nothing. After a leader's connection closed the
 * others may see it some ms later than we did, so that the first attempts follow quickly. */
static void attempt_deadline(struct raft *r, uint64_t now_ms)
{
	uint64_t window = (uint64_t)RAFT_HURRY_MS << r->hurry;

	if (r->hurry == 0 || window >= RAFT_ELECTION_MS) {
		r->hurry = 0;
		deadline_draw(r, now_ms);
		return;
	}
	r->hurry++;
	r->deadline_ms = now_ms + window / 2 + rng_below(&r->rng, window / 2);
}

/* One that cannot be elected only notices that its leader is silent. */
void raft_wait(struct raft *r, uint64_t now_ms)
{
	r->deadline_ms = 0;
	if (r->leader || raft_may_campaign(r))
		deadline_draw(r, now_ms);
}

void raft_follow(struct raft *r, uint64_t term, uint64_t leader, struct raft_update *u)
{
	int led = r->role == RAFT_LEADER;

	if (term > r->hard.term)
		raft_term_begin(r, (struct raft_hard){ .term = term }, u);
	assert(term == r->hard.term);
	r->role = RAFT_FOLLOWER;
	r->leader = leader;
	r->transfer_to = 0;
	r->flush_due = 0;
	if (leader) {
		r->hurry = 0;
		r->heard_ms = u->now_ms;
	}
	/* A newer term alone is no reason to wait longer (thesis 3.4). */
	if (leader || led || r->deadline_ms == 0)
		raft_wait(r, u->now_ms);
}

/* ---- candidates ------------------------------------------------------------------ */

static int is_up_to_date(const struct raft *r, const struct raft_message *m)
{
	uint64_t last = raft_last_index(r), term = raft_log_term(r, last);

	return m->log_term > term || (m->log_term == term && m->index >= last);
}

void raft_vote_ask(struct raft *r, uint64_t peer, struct raft_update *u)
{
	const struct raft_member *member = raft_member(r, peer);
	struct raft_message *m;

	if (!member || !member->votes || peer == r->id)
		return;
	if (r->role == RAFT_CANDIDATE ? !r->asked : r->role != RAFT_PRE_CANDIDATE)
		return;
	m = raft_send_new(r, RAFT_VOTE, peer, u);
	m->index = raft_last_index(r);
	m->log_term = raft_log_term(r, m->index);
	if (r->role == RAFT_PRE_CANDIDATE) {
		m->pre = 1;
		m->term = r->hard.term + 1;
	}
	m->transfer = r->role == RAFT_CANDIDATE && r->transferred;
}

static void ask_all(struct raft *r, struct raft_update *u)
{
	for (uint32_t i = 0; i < r->config.count; i++)
		raft_vote_ask(r, r->config.members[i].id, u);
}

static void votes_forget(struct raft *r)
{
	for (uint32_t i = 0; i < r->config.count; i++)
		r->peers[i].voted = 0;
}

/* Thesis 3.4. The requests wait for the record: a candidate that lost it in a crash could ask
 * twice in one term, with different logs. */
void raft_campaign(struct raft *r, int transferred, struct raft_update *u)
{
	assert(r->role != RAFT_LEADER && r->hard.term < INT64_MAX);
	r->role = RAFT_CANDIDATE;
	raft_term_begin(r, (struct raft_hard){ .term = r->hard.term + 1, .vote = r->id }, u);
	r->transferred = transferred;
	votes_forget(r);
	if (raft_is_quorum_alone(r))
		r->deadline_ms = 0;	/* nobody can vote against us: only the disk is awaited */
	else
		attempt_deadline(r, u->now_ms);
}

/* Thesis 9.6: a term is begun only by one that a majority would vote for. */
static void pre_campaign(struct raft *r, struct raft_update *u)
{
	r->leader = 0;
	if (raft_is_quorum_alone(r)) {
		raft_campaign(r, 0, u);
		return;
	}
	r->role = RAFT_PRE_CANDIDATE;
	votes_forget(r);
	ask_all(r, u);
	attempt_deadline(r, u->now_ms);
}

void raft_election_tick(struct raft *r, struct raft_update *u)
{
	if (!raft_may_campaign(r)) {
		r->leader = 0;
		r->role = RAFT_FOLLOWER;
		r->deadline_ms = 0;
	} else if (r->role == RAFT_CANDIDATE && !raft_hard_is_durable(r)) {
		deadline_draw(r, u->now_ms);	/* the disk is slow: nobody was asked yet */
	} else {
		pre_campaign(r, u);
	}
}

/* Nobody is asked before our own vote is durable, so it counts whenever another one does. */
static void votes_count(struct raft *r, struct raft_update *u)
{
	uint32_t voters = 0, yes = 0, no = 0;

	for (uint32_t i = 0; i < r->config.count; i++) {
		const struct raft_member *m = &r->config.members[i];
		int voted = m->id == r->id ? 1 : r->peers[i].voted;

		if (!m->votes)
			continue;
		voters++;
		yes += voted > 0;
		no += voted < 0;
	}
	if (yes > voters / 2) {
		if (r->role == RAFT_PRE_CANDIDATE)
			raft_campaign(r, 0, u);
		else
			raft_lead(r, u);
	} else if (voters - no <= voters / 2 && r->hurry) {
		/* Refused, maybe as two asked at once: there is no need to wait for more. */
		uint64_t soon = u->now_ms + RAFT_HURRY_MS / 2 + rng_below(&r->rng, RAFT_HURRY_MS);

		if (soon < r->deadline_ms)
			r->deadline_ms = soon;
	}
}

void raft_vote_answered(struct raft *r, uint64_t from, const struct raft_message *m,
			struct raft_update *u)
{
	struct raft_peer *peer = raft_peer_find(r, from);
	uint64_t asked = r->hard.term + (m->pre && m->granted ? 1 : 0);

	/* A refusal tells a newer term; that of a pre-vote that was granted is none yet. */
	if (!m->granted && m->term > r->hard.term) {
		raft_follow(r, m->term, 0, u);
		return;
	}
	if (!peer || m->term != asked)
		return;
	if (r->role != (m->pre ? RAFT_PRE_CANDIDATE : RAFT_CANDIDATE) || (!m->pre && !r->asked))
		return;
	peer->voted = m->granted ? 1 : -1;
	votes_count(r, u);
}

/* ---- voters ------------------------------------------------------------------------ */

/* In a term that is not durable here nothing is answered; the one that asked asks again. */
static void vote_reply(struct raft *r, uint64_t to, const struct raft_message *asked,
		       int granted, struct raft_update *u)
{
	struct raft_message *m;

	if (!raft_hard_is_durable(r))
		return;
	m = raft_send_new(r, RAFT_VOTE_REPLY, to, u);
	m->pre = asked->pre;
	m->granted = granted;
	if (granted)
		m->term = asked->term;
}

/* Who leads, or heard a leader just now, helps nobody to disturb it (thesis 4.2.3, 6.2), unless
 * the leader itself wants it (3.10) or is known to be gone. */
static int has_leader(const struct raft *r, uint64_t from, uint64_t now_ms)
{
	if (r->role == RAFT_LEADER)
		return 1;
	return r->leader && r->leader != from && now_ms - r->heard_ms < RAFT_ELECTION_MS;
}

/* Thesis 3.4, 3.6.1, 9.6. Whether the one that asks is a member here does not matter (4.2.2): the
 * configuration that says so may not have come yet. */
void raft_vote_asked(struct raft *r, uint64_t from, const struct raft_message *m,
		     struct raft_update *u)
{
	int newer = m->term > r->hard.term;
	int grant = is_up_to_date(r, m);

	if (!m->transfer && newer && has_leader(r, from, u->now_ms)) {
		vote_reply(r, from, m, 0, u);
		return;
	}
	if (m->pre) {
		vote_reply(r, from, m, newer && grant, u);
		return;
	}
	if (newer) {	/* one record for the term and the vote in it */
		raft_term_begin(r, (struct raft_hard){ m->term, grant ? from : 0 }, u);
		raft_follow(r, m->term, 0, u);
	}
	if (m->term < r->hard.term || r->role == RAFT_LEADER)
		grant = 0;
	if (r->hard.vote != 0 && r->hard.vote != from)
		grant = 0;
	if (!grant) {
		vote_reply(r, from, m, 0, u);
		return;
	}
	if (r->hard.vote == 0) {
		r->hard.vote = from;
		raft_hard_write(r, u);
	}
	raft_wait(r, u->now_ms);
	if (raft_hard_is_durable(r))
		vote_reply(r, from, m, 1, u);
	else
		r->vote_due = 1;
}

void raft_election_persisted(struct raft *r, struct raft_update *u)
{
	if (!raft_hard_is_durable(r))
		return;
	if (r->vote_due) {
		struct raft_message *m = raft_send_new(r, RAFT_VOTE_REPLY, r->hard.vote, u);

		m->granted = 1;
		r->vote_due = 0;
	}
	if (r->role == RAFT_CANDIDATE && !r->asked) {
		r->asked = 1;
		ask_all(r, u);
		votes_count(r, u);
	}
}
