/*
 * Agents' sessions. Contracts are in private.h and model/session.h. An agent is connected to the
 * manager on its own node; that one passes its session on to the leader. What a reader would get
 * wrong: a session belongs to one leadership. When there is another, every agent is told to begin
 * a new session, because the new leader knows nothing of what the old one was told.
 */
#include <string.h>
#include <stdio.h>
#include "applets/manager/private.h"
#include "base/mem.h"

static struct relayed *find(struct manager *m, uint64_t id)
{
	struct relayed *r = m->sessions;

	while (r && r->id != id)
		r = r->next;
	return r;
}

static struct relayed *find_peer(struct manager *m, uint64_t peer, uint64_t peer_id)
{
	struct relayed *r = m->sessions;

	while (r && (r->peer != peer || r->peer_id != peer_id))
		r = r->next;
	return r;
}

static struct relayed *add(struct manager *m, uint64_t id, struct slice node_id)
{
	struct relayed *r = mem_new(sizeof(*r));

	r->id = id;
	snprintf(r->node_id, sizeof(r->node_id), "%.*s", SLICE_ARGS(node_id));
	r->next = m->sessions;
	m->sessions = r;
	return r;
}

static void forget(struct manager *m, struct relayed *r)
{
	struct relayed **link = &m->sessions;

	while (*link != r)
		link = &(*link)->next;
	*link = r->next;
	mem_free(r);
}

void relay_done(struct manager *m)
{
	while (m->sessions)
		forget(m, m->sessions);
}

/* Tells whoever leads now of our own agent's session. */
static void announce(struct step *s, struct relayed *r)
{
	struct manager *m = s->m;
	struct peer_message message = { .kind = PEER_SESSION_UP, .id = r->id,
					.body = slice_of(r->node_id) };

	if (m->leading)
		step_session_up(s, r->id, r->node_id);
	else if (m->leader && m->leader != m->raft.id && members_is_up(m, m->leader))
		step_send(s, m->leader, &message);
	else
		return;
	r->announced = 1;
}

void relay_up(struct step *s)
{
	announce(s, add(s->m, s->ev->id, s->ev->text));
}

void relay_down(struct step *s)
{
	struct manager *m = s->m;
	struct peer_message message = { .kind = PEER_SESSION_DOWN, .id = s->ev->id };
	struct relayed *r = find(m, s->ev->id);

	if (!r)
		return;
	if (r->announced && m->leading)
		step_session_down(s, r->id);
	else if (r->announced)
		step_send(s, m->leader, &message);
	forget(m, r);
}

void relay_message(struct step *s)
{
	struct manager *m = s->m;
	struct peer_message message = { .kind = PEER_REPORT, .id = s->ev->id,
					.body = s->ev->body };
	struct relayed *r = find(m, s->ev->id);

	if (!r || !r->announced)
		return;		/* it begins anew when there is a leader */
	if (m->leading)
		step_session_message(s, r->id, s->ev->body);
	else
		step_send(s, m->leader, &message);
}

static void peer_session_down(struct step *s, struct relayed *r)
{
	step_session_down(s, r->id);
	forget(s->m, r);
}

static void peer_up(struct step *s, uint64_t peer, const struct peer_message *message)
{
	struct manager *m = s->m;
	struct relayed *r = find_peer(m, peer, message->id);

	if (r || !message->id || message->body.len > ID_LEN)
		return;
	/* A node has one: of the one before only the end is late. */
	for (struct relayed *old = m->sessions, *next; old; old = next) {
		next = old->next;
		if (old->peer && slice_is(message->body, old->node_id))
			peer_session_down(s, old);
	}
	r = add(m, REMOTE_BIT | ++m->last_remote, message->body);
	r->peer = peer;
	r->peer_id = message->id;
	step_session_up(s, r->id, r->node_id);
}

/* From the leader, for our own agent. */
static void from_leader(struct step *s, const struct peer_message *message)
{
	struct relayed *r = find(s->m, message->id);

	if (!r || r->peer)
		return;
	if (message->kind == PEER_SESSION_DROP) {
		r->announced = 0;
		effects_add(s->fx, EFFECT_SESSION_DROP, r->id);
		return;
	}
	effects_add(s->fx, EFFECT_SESSION_SEND, r->id)->body =
		arena_copy(&s->fx->arena, message->body);
}

void relay_peer(struct step *s, uint64_t peer, const struct peer_message *message)
{
	struct manager *m = s->m;
	struct peer_message drop = { .kind = PEER_SESSION_DROP, .id = message->id };
	struct relayed *r;

	if (message->kind == PEER_ORDER || message->kind == PEER_SESSION_DROP) {
		if (peer == m->leader && !m->leading)
			from_leader(s, message);
		return;
	}
	if (!m->leading)
		return;		/* it hears of the leader, and its agent begins anew */
	r = find_peer(m, peer, message->id);
	if (message->kind == PEER_SESSION_UP)
		peer_up(s, peer, message);
	else if (!r)
		step_send(s, peer, &drop);
	else if (message->kind == PEER_SESSION_DOWN)
		peer_session_down(s, r);
	else
		step_session_message(s, r->id, message->body);
}

void relay_peer_down(struct step *s, uint64_t peer)
{
	struct manager *m = s->m;
	struct relayed *next;

	for (struct relayed *r = m->sessions; r; r = next) {
		next = r->next;
		if (r->peer == peer)
			peer_session_down(s, r);
	}
}

void relay_leader(struct step *s)
{
	for (struct relayed *r = s->m->sessions; r; r = r->next) {
		if (r->peer)
			continue;
		r->announced = 0;
		effects_add(s->fx, EFFECT_SESSION_DROP, r->id);
	}
}

void relay_lost(struct step *s)
{
	struct relayed *next;

	for (struct relayed *r = s->m->sessions; r; r = next) {
		next = r->next;
		if (r->peer) {
			peer_session_down(s, r);	/* and r is gone */
			continue;
		}
		if (r->announced)
			step_session_down(s, r->id);
		r->announced = 0;
	}
}

void relay_outgoing(struct step *s, struct effect *x)
{
	const struct relayed *r = find(s->m, x->id);
	struct peer_message message = { .kind = PEER_ORDER, .body = x->body };

	if (!r) {
		x->kind = EFFECT_PEER_SEND;	/* nobody's: dropped by the driver */
		x->id = 0;
		return;
	}
	message.id = r->peer_id;
	step_send_as(s, r->peer, &message, x);
}
