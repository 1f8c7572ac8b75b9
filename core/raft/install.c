/*
 * Snapshots for one whose entries are forgotten here (thesis 5.1, 5.3). The leader's Raft asks its
 * caller for each piece and sends it, some ahead of what is stored; the follower's hands it to its
 * caller and tells when it is stored. A piece that was lost is sent again after a while, from where
 * the follower is; so both find back in after anything.
 */
#include <assert.h>
#include "private.h"

/* ---- the leader's side -------------------------------------------------------------- */

static void want(struct raft *r, uint64_t id, struct raft_peer *peer, struct raft_update *u)
{
	struct raft_want *w = arena_new(u->arena, sizeof(*w));

	assert(r->role == RAFT_LEADER && peer->install_index > 0);
	*w = (struct raft_want){ .peer = id, .index = peer->install_index,
				 .offset = peer->install_sent };
	*u->want_end = w;
	u->want_end = &w->next;
	peer->install_wanted = 1;
	peer->install_failed = 0;
	peer->install_ms = u->now_ms;
}

static void want_more(struct raft *r, uint64_t id, struct raft_peer *peer, struct raft_update *u)
{
	if (!peer->install_wanted && !peer->install_failed && !peer->install_whole &&
	    peer->install_sent - peer->install_offset < RAFT_INSTALL_BYTES_MAX)
		want(r, id, peer, u);
}

/* What was sent beyond offset may be lost. */
static void want_from(struct raft *r, uint64_t id, struct raft_peer *peer, uint64_t offset,
		      struct raft_update *u)
{
	peer->install_offset = peer->install_sent = offset;
	peer->install_whole = 0;
	want(r, id, peer, u);
}

static void newest(const struct raft *r, struct raft_peer *peer)
{
	peer->install_index = r->snapshot_index;
	peer->install_term = r->snapshot_term;
	peer->install_config = r->snapshot_config;
	peer->install_offset = 0;
}

/* One that was broken off goes on if what comes after it is still in memory. */
void raft_install_begin(struct raft *r, uint64_t id, struct raft_peer *peer,
			struct raft_update *u)
{
	peer->progress = RAFT_INSTALL;
	peer->probing = 0;
	peer->flight_bytes = 0;
	if (peer->install_index == 0 || peer->install_index < r->base_index ||
	    peer->install_failed)
		newest(r, peer);
	want_from(r, id, peer, peer->install_offset, u);
}

void raft_install_tick(struct raft *r, uint64_t id, struct raft_peer *peer,
		       struct raft_update *u)
{
	if (peer->install_failed)
		newest(r, peer);
	else if (u->now_ms - peer->install_ms < RAFT_ELECTION_MS)
		return;
	want_from(r, id, peer, peer->install_offset, u);
}

void raft_piece(struct raft *r, const struct raft_want *w, struct slice data, int more,
		struct raft_update *u)
{
	struct raft_standing before = raft_begin(r, u);
	struct raft_peer *p = raft_peer_find(r, w->peer);
	struct raft_message *m;

	assert(data.len <= RAFT_PIECE_MAX);
	if (r->role != RAFT_LEADER || !p || p->progress != RAFT_INSTALL || !p->install_wanted)
		return;
	if (w->index != p->install_index || w->offset != p->install_sent)
		return;
	p->install_wanted = 0;
	p->install_ms = u->now_ms;
	if (data.len == 0 && more) {
		p->install_failed = 1;
		return;
	}
	m = raft_send_new(r, RAFT_SNAPSHOT, w->peer, u);
	m->index = w->index;
	m->log_term = p->install_term;
	m->config = p->install_config;
	m->offset = w->offset;
	m->more = more;
	m->data = data;
	p->install_sent += data.len;
	p->install_whole = !more;
	want_more(r, w->peer, p, u);
	raft_end(r, &before, u);
}

static void installed_there(struct raft *r, struct raft_peer *peer, uint64_t index,
			    struct raft_update *u)
{
	peer->install_index = 0;
	peer->progress = RAFT_PROBE;
	if (index > peer->match)
		raft_peer_matches(r, peer, index);
	peer->next = peer->match + 1;
	r->flush_due = 1;
	raft_lead_count(r, u);
}

void raft_snapshot_answered(struct raft *r, uint64_t from, const struct raft_message *m,
			    struct raft_update *u)
{
	struct raft_peer *peer = raft_peer_find(r, from);

	if (r->role != RAFT_LEADER || !peer || m->term != r->hard.term)
		return;
	if (peer->progress != RAFT_INSTALL || m->index != peer->install_index)
		return;
	if (m->granted) {
		installed_there(r, peer, m->index, u);
	} else if (m->offset < peer->install_offset || m->offset > peer->install_sent) {
		want_from(r, from, peer, m->offset, u);
	} else if (m->offset > peer->install_offset) {
		peer->install_offset = m->offset;
		peer->install_ms = u->now_ms;
		want_more(r, from, peer, u);
	}
}

/* ---- the follower's side ------------------------------------------------------------- */

void raft_install_drop(struct raft *r, struct raft_update *u)
{
	if (r->in_index)
		u->piece_drop = 1;
	r->in_index = 0;
	r->in_whole = 0;
}

static void snapshot_reply(struct raft *r, uint64_t index, uint64_t offset, int granted,
			   struct raft_update *u)
{
	struct raft_message *m;

	if (!raft_hard_is_durable(r) || !r->leader)
		return;
	m = raft_send_new(r, RAFT_SNAPSHOT_REPLY, r->leader, u);
	m->index = index;
	m->offset = offset;
	m->granted = granted;
}

/* What the snapshot covers is committed: if its last entry is here, so is the rest. */
static int is_covered(const struct raft *r, const struct raft_message *m)
{
	return m->index <= r->commit ||
		(raft_log_has(r, m->index) && raft_log_term(r, m->index) == m->log_term);
}

static void piece_give(struct raft *r, const struct raft_message *m, struct raft_update *u)
{
	if (m->data.len == 0 && m->more)
		return;		/* would ask for the same piece for ever */
	/* With the last piece the file counts, and the log must have all up to its wal_keep. The
	 * leader comes again. */
	if (!m->more && r->durable + 1 < r->in_keep)
		return;
	u->piece = m;
	r->in_whole = !m->more;
	r->in_next = m->offset + m->data.len;
}

void raft_snapshot_asked(struct raft *r, uint64_t from, const struct raft_message *m,
			 struct raft_update *u)
{
	assert(r->leader == from && r->role == RAFT_FOLLOWER);
	if (is_covered(r, m)) {
		raft_install_drop(r, u);
		if (r->verified < m->index && m->index <= raft_last_index(r))
			r->verified = m->index;
		raft_append_reply(r, u);
		return;
	}
	if (r->in_index == m->index && r->in_term == m->log_term &&
	    r->in_leader_term == m->term) {
		if (m->offset == r->in_next && !r->in_whole)
			piece_give(r, m, u);
		else
			snapshot_reply(r, m->index, r->in_offset, 0, u);
		return;
	}
	if (m->offset != 0) {
		snapshot_reply(r, m->index, 0, 0, u);
		return;
	}
	r->in_index = m->index;
	r->in_term = m->log_term;
	r->in_leader_term = m->term;
	r->in_offset = r->in_next = 0;
	r->in_whole = 0;
	r->in_keep = r->record_last + 1;
	piece_give(r, m, u);
}

void raft_install_meta(const struct raft *r, const struct raft_message *piece,
		       struct raft_snapshot *s)
{
	assert(piece->type == RAFT_SNAPSHOT && piece->offset == 0);
	/* All of our own log before it is void: it may not come back with the next start. */
	*s = (struct raft_snapshot){
		.index = piece->index,
		.term = piece->log_term,
		.hard = r->hard,
		.wal_keep = r->record_last + 1,
		.config = piece->config,
	};
}

void raft_stored(struct raft *r, uint64_t index, uint64_t next, struct raft_update *u)
{
	struct raft_standing before = raft_begin(r, u);

	if (r->failed || r->in_index == 0 || index != r->in_index)
		return;
	if (next <= r->in_offset || next > r->in_next)
		return;		/* of one that was begun anew */
	r->in_offset = next;
	snapshot_reply(r, index, next, 0, u);
	raft_end(r, &before, u);
}

void raft_not_stored(struct raft *r)
{
	r->in_index = 0;
	r->in_whole = 0;
}

void raft_installed(struct raft *r, const struct raft_snapshot *s, struct raft_update *u)
{
	struct raft_standing before = raft_begin(r, u);

	if (r->failed || r->role == RAFT_LEADER || s->index <= r->commit)
		return;
	raft_log_reset(r, s->index, s->term);
	r->snapshot_config = s->config;
	raft_config_set(r, &s->config, s->index);
	r->wal_keep = s->wal_keep;
	r->verified = s->index;
	if (r->leader_commit < s->index)
		r->leader_commit = s->index;
	r->in_index = 0;
	r->in_whole = 0;
	snapshot_reply(r, s->index, 0, 1, u);
	raft_end(r, &before, u);
}
