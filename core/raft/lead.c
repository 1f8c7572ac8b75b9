/*
 * The leader's side (thesis 3.5, 3.6, 6.2, 6.4, 10.2.1). A follower is probed with one message at a
 * time until it is known where the logs part, then entries are sent without waiting for answers.
 * next is moved when a message leaves, so a lost one is noticed by the next heartbeat: it names the
 * entry before next, and the follower, which has it not, refuses.
 */
#include <assert.h>
#include "base/err.h"
#include "private.h"

/* ---- deadlines ------------------------------------------------------------------- */

static int has_others(const struct raft *r)
{
	return r->config.count > 1 || (r->config.count == 1 && !raft_member(r, r->id));
}

void raft_lead_deadline(struct raft *r, uint64_t now_ms)
{
	r->deadline_ms = 0;
	if (!has_others(r)) {
		r->heartbeat_ms = r->quorum_ms = 0;
		return;
	}
	if (r->heartbeat_ms == 0) {
		r->heartbeat_ms = now_ms + RAFT_HEARTBEAT_MS;
		r->quorum_ms = now_ms + RAFT_ELECTION_MS;
	}
	r->deadline_ms = r->heartbeat_ms < r->quorum_ms ? r->heartbeat_ms : r->quorum_ms;
	if (r->transfer_to && r->transfer_ms < r->deadline_ms)
		r->deadline_ms = r->transfer_ms;
}

/* A new leader's no-op commits what earlier terms left behind (thesis 3.6.2) and shows that
 * nobody has a higher term (6.4). */
void raft_lead(struct raft *r, struct raft_update *u)
{
	assert(r->role == RAFT_CANDIDATE && r->hard.vote == r->id && raft_hard_is_durable(r));
	r->role = RAFT_LEADER;
	r->leader = r->id;
	r->hurry = 0;
	r->transfer_to = 0;
	r->read_sent = r->read_last;
	raft_install_drop(r, u);
	for (uint32_t i = 0; i < r->config.count; i++) {
		struct raft_peer *p = &r->peers[i];

		p->active = 1;
		p->progress = RAFT_PROBE;
		p->match = p->flight_bytes = p->round = 0;
		p->next = raft_last_index(r) + 1;
		p->probing = p->install_wanted = p->install_failed = 0;
		p->install_offset = 0;
		p->install_index = 0;
	}
	r->leader_first = raft_entry_new(r, RAFT_NOOP, (struct slice){ 0 }, u);
	assert(r->leader_first > r->commit);
	r->heartbeat_ms = 0;
	raft_lead_deadline(r, u->now_ms);
	r->flush_due = has_others(r);
}

/* ---- entries out ------------------------------------------------------------------- */

void raft_append_send(struct raft *r, uint64_t id, struct raft_peer *peer,
		      struct raft_update *u)
{
	struct raft_message *m = raft_send_new(r, RAFT_APPEND, id, u);
	uint64_t last = raft_last_index(r), bytes = 0;

	assert(peer->next > r->base_index);
	m->index = peer->next - 1;
	m->log_term = raft_log_term(r, m->index);
	m->commit = r->commit;
	m->round = r->read_last;
	while (peer->next <= last) {
		const struct raft_entry *e = raft_log_at(r, peer->next);
		uint64_t more = raft_entry_bytes(e);

		if (m->entry_count > 0 && bytes + more > RAFT_APPEND_BYTES_MAX)
			break;
		if (m->entry_count == RAFT_APPEND_ENTRIES_MAX)
			break;
		if (m->entry_count == 0)
			m->entries = e;
		m->entry_count++;
		bytes += more;
		peer->next++;
	}
	peer->flight_bytes += bytes;
	if (peer->progress == RAFT_PROBE)
		peer->probing = 1;
}

/* Says that we lead, and tests that nothing was lost. One that gets a snapshot has nothing that
 * could be tested. */
static void heartbeat(struct raft *r, uint64_t id, const struct raft_peer *peer,
		      struct raft_update *u)
{
	struct raft_message *m = raft_send_new(r, RAFT_APPEND, id, u);

	if (peer->progress != RAFT_INSTALL && peer->next > r->base_index) {
		m->index = peer->next - 1;
		m->log_term = raft_log_term(r, m->index);
	}
	m->commit = r->commit;
	m->round = r->read_last;
}

static int may_send(const struct raft *r, const struct raft_peer *peer)
{
	if (!peer->up || peer->next > raft_last_index(r))
		return 0;
	switch (peer->progress) {
	case RAFT_PROBE:
		return !peer->probing;
	case RAFT_REPLICATE:
		return peer->flight_bytes < RAFT_FLIGHT_BYTES_MAX;
	case RAFT_INSTALL:
		break;
	}
	return 0;
}

void raft_lead_hello(struct raft *r, uint64_t id, struct raft_peer *peer, struct raft_update *u)
{
	if (!may_send(r, peer))
		heartbeat(r, id, peer, u);
}

void raft_lead_flush(struct raft *r, struct raft_update *u)
{
	int round = r->read_last > r->read_sent;

	r->flush_due = 0;
	r->read_sent = r->read_last;
	for (uint32_t i = 0; i < r->config.count; i++) {
		uint64_t id = r->config.members[i].id;
		struct raft_peer *peer = &r->peers[i];
		int sent = 0;

		if (id == r->id || !peer->up)
			continue;
		if (peer->progress != RAFT_INSTALL && peer->next <= r->base_index)
			raft_install_begin(r, id, peer, u);
		while (may_send(r, peer)) {
			raft_append_send(r, id, peer, u);
			sent = 1;
		}
		if (round && !sent && r->config.members[i].votes)
			heartbeat(r, id, peer, u);
	}
}

/* ---- acknowledgements in ------------------------------------------------------------- */

static uint64_t match_of(const struct raft_peer *p)
{
	return p->match;
}

static uint64_t round_of(const struct raft_peer *p)
{
	return p->round;
}

/* Thesis 4.2.2: one that is not in the new configuration leads until that is committed. Then the
 * best of the others is told to go on, so that nobody waits for a timeout. */
static void step_down_removed(struct raft *r, struct raft_update *u)
{
	uint64_t to = raft_successor(r);

	if (to)
		(void)raft_send_new(r, RAFT_LEAD_NOW, to, u);
	raft_follow(r, r->hard.term, 0, u);
}

/* Only entries of the leader's own term are committed by counting; those before them come along
 * (thesis 3.6.2, figure 3.7). Our own disk is one of many (10.2.1). A read is good when a majority
 * took us for the leader after it was asked (6.4). */
void raft_lead_count(struct raft *r, struct raft_update *u)
{
	uint64_t match = raft_quorum(r, r->durable_index, match_of);
	uint64_t round = raft_quorum(r, r->read_last, round_of);

	if (match > r->commit && raft_log_term(r, match) == r->hard.term)
		raft_commit_to(r, match, u);
	if (round > r->read_confirmed)
		r->read_confirmed = round;
	if (r->config_index <= r->commit && !raft_is_voter(r))
		step_down_removed(r, u);
}

void raft_peer_matches(struct raft *r, struct raft_peer *peer, uint64_t index)
{
	uint64_t first = peer->match > r->base_index ? peer->match : r->base_index;

	if (index > peer->match)
		peer->match = index;
	for (uint64_t i = first + 1; i <= index && peer->flight_bytes > 0; i++) {
		uint64_t bytes = raft_entry_bytes(raft_log_at(r, i));

		peer->flight_bytes -= bytes < peer->flight_bytes ? bytes : peer->flight_bytes;
	}
	if (peer->next <= peer->match + 1) {
		peer->next = peer->match + 1;
		peer->flight_bytes = 0;
	}
}

static void acknowledged(struct raft *r, struct raft_peer *peer, const struct raft_message *m)
{
	if (m->index > raft_last_index(r) ||
	    (m->index >= r->base_index && raft_log_term(r, m->index) != m->log_term))
		return;
	if (m->index > peer->match)
		raft_peer_matches(r, peer, m->index);
	if (peer->progress == RAFT_INSTALL && peer->match < r->base_index)
		return;
	if (peer->progress == RAFT_INSTALL)
		peer->next = peer->match + 1;	/* it needs no snapshot any more */
	peer->progress = RAFT_REPLICATE;
	peer->probing = 0;
}

/* Thesis 3.5: all that the follower has after the entry it names is in doubt, and of ours all that
 * is of later terms than that entry's. A hint that does not lead back is an old one. */
static void refused(struct raft *r, struct raft_peer *peer, const struct raft_message *m)
{
	uint64_t back = m->index;

	if (peer->progress == RAFT_INSTALL)
		return;
	if (m->index < peer->match || m->index + 1 >= peer->next)
		return;
	if (back > r->base_index)
		back = raft_log_back(r, back, m->log_term);
	peer->progress = RAFT_PROBE;
	peer->probing = 0;
	peer->flight_bytes = 0;
	peer->next = (back > peer->match ? back : peer->match) + 1;
}

void raft_append_answered(struct raft *r, uint64_t from, const struct raft_message *m,
			  struct raft_update *u)
{
	struct raft_peer *peer = raft_peer_find(r, from);

	if (r->role != RAFT_LEADER || !peer || m->term != r->hard.term)
		return;
	if (m->round > peer->round && m->round <= r->read_last)
		peer->round = m->round;
	if (m->granted)
		acknowledged(r, peer, m);
	else
		refused(r, peer, m);
	if (r->transfer_to == from && peer->match == raft_last_index(r))
		(void)raft_send_new(r, RAFT_LEAD_NOW, from, u);
	if (may_send(r, peer) || (peer->up && peer->progress != RAFT_INSTALL &&
				  peer->next <= r->base_index))
		r->flush_due = 1;
	raft_lead_count(r, u);
}

/* ---- time -------------------------------------------------------------------------- */

/* Thesis 6.2: one that hears no majority leads nobody, and its clients should look elsewhere. */
static void quorum_check(struct raft *r, struct raft_update *u)
{
	uint32_t voters = 0, active = 0;

	for (uint32_t i = 0; i < r->config.count; i++) {
		const struct raft_member *m = &r->config.members[i];

		voters += m->votes != 0;
		active += m->votes && (m->id == r->id || r->peers[i].active);
		r->peers[i].active = 0;
	}
	r->quorum_ms = u->now_ms + RAFT_ELECTION_MS;
	if (active <= voters / 2)
		raft_follow(r, r->hard.term, 0, u);
}

void raft_lead_tick(struct raft *r, struct raft_update *u)
{
	if (r->transfer_to && u->now_ms >= r->transfer_ms)
		r->transfer_to = 0;
	if (u->now_ms >= r->quorum_ms)
		quorum_check(r, u);
	if (r->role != RAFT_LEADER)
		return;
	if (u->now_ms >= r->heartbeat_ms) {
		r->heartbeat_ms = u->now_ms + RAFT_HEARTBEAT_MS;
		r->read_sent = r->read_last;
		for (uint32_t i = 0; i < r->config.count; i++) {
			uint64_t id = r->config.members[i].id;
			struct raft_peer *peer = &r->peers[i];

			if (id == r->id || !peer->up)
				continue;
			heartbeat(r, id, peer, u);
			if (peer->progress == RAFT_INSTALL)
				raft_install_tick(r, id, peer, u);
			if (id == r->transfer_to && peer->match == raft_last_index(r))
				(void)raft_send_new(r, RAFT_LEAD_NOW, id, u);
		}
	}
	raft_lead_deadline(r, u->now_ms);
}

/* ---- reads and transfer ---------------------------------------------------------------- */

/* Thesis 6.4. The ticket is the round's number too: a heartbeat carries the newest ticket there is,
 * and who answers it confirms all up to that one. */
int raft_read(struct raft *r, uint64_t *ticket, struct raft_update *u)
{
	struct raft_standing before = raft_begin(r, u);

	if (!raft_is_ready(r))
		return ERR_UNAVAILABLE;
	*ticket = ++r->read_last;
	if (raft_is_quorum_alone(r)) {
		r->read_confirmed = r->read_sent = r->read_last;
	} else {
		r->flush_due = 1;
	}
	raft_end(r, &before, u);
	return 0;
}

uint64_t raft_successor(const struct raft *r)
{
	uint64_t best = 0, best_match = 0;

	for (uint32_t i = 0; i < r->config.count; i++) {
		const struct raft_member *m = &r->config.members[i];
		const struct raft_peer *p = &r->peers[i];

		if (m->id == r->id || !m->votes || !p->up)
			continue;
		if (best == 0 || p->match > best_match) {
			best = m->id;
			best_match = p->match;
		}
	}
	return best;
}

/* Thesis 3.10. */
int raft_transfer(struct raft *r, uint64_t to, struct raft_update *u)
{
	struct raft_standing before = raft_begin(r, u);
	const struct raft_member *member;
	const struct raft_peer *peer;

	if (r->role != RAFT_LEADER)
		return ERR_UNAVAILABLE;
	if (to == 0)
		to = raft_successor(r);
	if (to == 0)
		return ERR_UNAVAILABLE;
	member = raft_member(r, to);
	if (!member || !member->votes)
		return ERR_NOT_FOUND;
	if (to == r->id)
		return 0;
	peer = raft_peer(r, to);
	if (!peer->up)
		return ERR_UNAVAILABLE;
	r->transfer_to = to;
	r->transfer_ms = u->now_ms + RAFT_ELECTION_MS;
	if (peer->match == raft_last_index(r))
		(void)raft_send_new(r, RAFT_LEAD_NOW, to, u);
	raft_lead_deadline(r, u->now_ms);
	raft_end(r, &before, u);
	return 0;
}
