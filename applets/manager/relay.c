/*
 * Agents' sessions. Contracts are in private.h and model/session.h. An agent is connected to any
 * manager; that one passes its session on to the leader. What a reader would get wrong: a session
 * belongs to one leadership. When there is another, every agent is told to begin a new session,
 * because the new leader knows nothing of what the old one was told. They are told some at a time:
 * each of them costs the leader a message with all of its node's tasks.
 */
#include <string.h>
#include <stdio.h>
#include "applets/manager/private.h"
#include "base/bytes.h"
#include "base/mem.h"

enum {
	RESTARTS_AT_ONCE = 128,
	RESTARTS_EVERY_MS = 10,	/* what they have to say goes through between */
	DROP_OTHER = 2,		/* EFFECT_SESSION_DROP's status */
};

/* A key of one or two numbers. */
struct relay_key {
	uint8_t bytes[16];
};

static struct slice key_of(struct relay_key *key, uint64_t a, uint64_t b)
{
	bytes_put(key->bytes, 8, a);
	bytes_put(key->bytes + 8, 8, b);
	return (struct slice){ (char *)key->bytes, sizeof(key->bytes) };
}

static struct relayed *find(const struct manager *m, uint64_t id)
{
	struct relay_key key;

	return map_get(&m->relay.by_id, key_of(&key, id, 0));
}

static struct relayed *find_peer(const struct manager *m, uint64_t peer, uint64_t peer_id)
{
	struct relay_key key;

	return map_get(&m->relay.by_peer, key_of(&key, peer, peer_id));
}

/* At the end of the local ones: of this leadership. */
static void link_local(struct manager *m, struct relayed *r)
{
	struct relay *relay = &m->relay;

	r->leadership = relay->leadership;
	r->next = NULL;
	r->previous = relay->last;
	if (r->previous)
		r->previous->next = r;
	else
		relay->first = r;
	relay->last = r;
}

static void unlink_local(struct manager *m, struct relayed *r)
{
	struct relay *relay = &m->relay;

	if (r->previous)
		r->previous->next = r->next;
	else
		relay->first = r->next;
	if (r->next)
		r->next->previous = r->previous;
	else
		relay->last = r->previous;
}

static struct relayed *add(struct manager *m, uint64_t id, struct slice node_id)
{
	struct relayed *r = mem_new(sizeof(*r));
	struct relay_key key;

	r->id = id;
	snprintf(r->node_id, sizeof(r->node_id), "%.*s", SLICE_ARGS(node_id));
	(void)map_set(&m->relay.by_id, key_of(&key, id, 0), r);
	return r;
}

static void forget(struct manager *m, struct relayed *r)
{
	struct relay_key key;

	(void)map_remove(&m->relay.by_id, key_of(&key, r->id, 0));
	if (r->peer)
		(void)map_remove(&m->relay.by_peer, key_of(&key, r->peer, r->peer_id));
	else
		unlink_local(m, r);
	mem_free(r);
}

void relay_begin(struct manager *m)
{
	map_init(&m->relay.by_id);
	map_init(&m->relay.by_peer);
}

void relay_done(struct manager *m)
{
	struct map_entry *e;

	while ((e = map_first(&m->relay.by_id)))
		forget(m, e->value);
}

int relay_is_own(const struct manager *m, uint64_t session)
{
	const struct relayed *r = find(m, session);

	return r && !r->peer && strcmp(r->node_id, m->config->node_id) == 0;
}

/* The leader of now knows of it. */
static int is_announced(const struct manager *m, const struct relayed *r)
{
	return r->announced && r->leadership == m->relay.leadership;
}

static void drop(struct step *s, struct relayed *r, int status)
{
	r->announced = 0;
	effects_add(s->fx, EFFECT_SESSION_DROP, r->id)->status = status;
}

static void peer_session_down(struct step *s, struct relayed *r)
{
	step_session_down(s, r->id);
	forget(s->m, r);
}

/*
 * At the leader, before a session of that node begins: a node has one. Of the one before only the
 * end may be late; but if somebody else has come with the node's identity, the node must find its
 * way back when that one has gone, and somebody must hear of it.
 */
static void end_other(struct step *s, const char *node_id)
{
	struct manager *m = s->m;
	struct relayed *old = find(m, dispatch_session(&m->dispatch, node_id));
	struct peer_message message = { .kind = PEER_SESSION_DROP, .status = DROP_OTHER };

	if (!old)
		return;
	effects_log(s->fx, LOG_WARNING, "node %s begins another session: the one before is ended",
		    node_id);
	if (old->peer) {
		message.id = old->peer_id;
		step_send(s, old->peer, &message);
		peer_session_down(s, old);
	} else {
		step_session_down(s, old->id);
		drop(s, old, DROP_OTHER);
	}
}

/* Tells whoever leads now of the session of an agent that is connected to us. */
static void announce(struct step *s, struct relayed *r)
{
	struct manager *m = s->m;
	struct peer_message message = { .kind = PEER_SESSION_UP, .id = r->id,
					.body = slice_of(r->node_id) };

	if (m->leading) {
		end_other(s, r->node_id);
		step_session_up(s, r->id, r->node_id);
	} else if (m->leader && m->leader != m->raft.id && members_is_up(m, m->leader)) {
		step_send(s, m->leader, &message);
	} else {
		return;
	}
	r->announced = 1;
}

void relay_up(struct step *s)
{
	struct relayed *r;

	if (s->ev->text.len > ID_LEN || find(s->m, s->ev->id))
		return;
	r = add(s->m, s->ev->id, s->ev->text);
	link_local(s->m, r);
	announce(s, r);
}

void relay_down(struct step *s)
{
	struct manager *m = s->m;
	struct peer_message message = { .kind = PEER_SESSION_DOWN, .id = s->ev->id };
	struct relayed *r = find(m, s->ev->id);

	if (!r)
		return;
	if (is_announced(m, r) && m->leading)
		step_session_down(s, r->id);
	else if (is_announced(m, r))
		step_send(s, m->leader, &message);
	forget(m, r);
}

void relay_message(struct step *s)
{
	struct manager *m = s->m;
	struct peer_message message = { .kind = PEER_REPORT, .id = s->ev->id,
					.body = s->ev->body };
	struct relayed *r = find(m, s->ev->id);

	if (!r || !is_announced(m, r))
		return;		/* it begins anew when there is a leader */
	if (m->leading)
		step_session_message(s, r->id, s->ev->body);
	else
		step_send(s, m->leader, &message);
}

static void peer_up(struct step *s, uint64_t peer, const struct peer_message *message)
{
	struct manager *m = s->m;
	struct relayed *r = find_peer(m, peer, message->id);
	char node_id[ID_LEN + 1];
	struct relay_key key;

	if (r || !message->id || message->body.len > ID_LEN)
		return;
	snprintf(node_id, sizeof(node_id), "%.*s", SLICE_ARGS(message->body));
	end_other(s, node_id);
	r = add(m, REMOTE_BIT | ++m->last_remote, message->body);
	r->peer = peer;
	r->peer_id = message->id;
	(void)map_set(&m->relay.by_peer, key_of(&key, peer, r->peer_id), r);
	step_session_up(s, r->id, r->node_id);
}

/* From the leader, for an agent that is connected to us. */
static void from_leader(struct step *s, const struct peer_message *message)
{
	struct relayed *r = find(s->m, message->id);

	if (!r || r->peer)
		return;
	if (message->kind == PEER_SESSION_DROP)
		drop(s, r, message->status);
	else
		effects_add(s->fx, EFFECT_SESSION_SEND, r->id)->body =
			arena_copy(&s->fx->arena, message->body);
}

void relay_peer(struct step *s, uint64_t peer, const struct peer_message *message)
{
	struct manager *m = s->m;
	struct peer_message unknown = { .kind = PEER_SESSION_DROP, .id = message->id };
	struct relayed *r;

	if (message->kind == PEER_ORDER || message->kind == PEER_SESSION_DROP) {
		if (peer == m->leader && !m->leading)
			from_leader(s, message);
		return;
	}
	if (!m->leading)
		return;		/* it hears of the leader, and its agent begins anew */
	if (message->kind == PEER_SESSION_DOWN && message->id == 0) {
		relay_peer_down(s, peer);
		return;
	}
	r = find_peer(m, peer, message->id);
	if (message->kind == PEER_SESSION_UP)
		peer_up(s, peer, message);
	else if (!r)
		step_send(s, peer, &unknown);
	else if (message->kind == PEER_SESSION_DOWN)
		peer_session_down(s, r);
	else
		step_session_message(s, r->id, message->body);
}

void relay_peer_down(struct step *s, uint64_t peer)
{
	struct relay_key key;
	struct map_entry *e = map_from(&s->m->relay.by_peer, key_of(&key, peer, 0)), *next;

	for (; e; e = next) {
		struct relayed *r = e->value;

		next = map_next(e);
		if (r->peer != peer)
			break;
		peer_session_down(s, r);
	}
}

void relay_leader(struct step *s)
{
	struct manager *m = s->m;
	const struct peer_message all = { .kind = PEER_SESSION_DOWN };

	m->relay.leadership++;
	/* It may be the one of before, and not know that it was lost here, nor what has ended
	 * meanwhile. */
	if (m->leader != m->raft.id && members_is_up(m, m->leader))
		step_send(s, m->leader, &all);
}

static int is_stale(const struct manager *m)
{
	return m->relay.first && m->relay.first->leadership != m->relay.leadership;
}

uint64_t relay_deadline_ms(const struct manager *m)
{
	return is_stale(m) ? m->relay.next_ms : 0;
}

void relay_run(struct step *s)
{
	struct relay *relay = &s->m->relay;

	if (!is_stale(s->m) || s->ev->now_ms < relay->next_ms)
		return;
	for (int i = 0; i < RESTARTS_AT_ONCE && is_stale(s->m); i++) {
		struct relayed *r = relay->first;

		unlink_local(s->m, r);
		link_local(s->m, r);
		drop(s, r, 0);
	}
	relay->next_ms = s->ev->now_ms + RESTARTS_EVERY_MS;
}

/* The leadership's own books of them are thrown away as a whole. */
void relay_lost(struct step *s)
{
	struct manager *m = s->m;
	struct map_entry *e;

	while ((e = map_first(&m->relay.by_peer)))
		forget(m, e->value);
	for (struct relayed *r = m->relay.first; r; r = r->next)
		r->announced = 0;
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
	if (x->kind == EFFECT_SESSION_DROP) {
		message.kind = PEER_SESSION_DROP;
		message.status = x->status;
	}
	message.id = r->peer_id;
	step_send_as(s, r->peer, &message, x);
}
