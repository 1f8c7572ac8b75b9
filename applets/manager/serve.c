/*
 * API requests of several managers. Contracts are in private.h and request.h.
 *
 * A request that needs the leader is kept, with a number that is the same in every try, until it
 * is answered: by ourself if we lead, else by the leader, and if that one is lost by the next.
 * A change that was in the log of a lost leader is not made twice: its number is in the state.
 *
 * What a reader would get wrong: a request that has been proposed here may be committed after we
 * lost the leadership. Asking the next leader again is right in both cases.
 */
#include <assert.h>
#include <stdio.h>
#include <string.h>
#include "applets/manager/private.h"
#include "base/bytes.h"

enum {
	/* Without a leader for so long: refused. Elections take well under a second. */
	LEADERLESS_MS = 10000,
	FORWARD_AGAIN_MS = 20,	/* the one we asked does not lead yet */
	/* Each is answered by the step in which it is committed, and that may be one for all. */
	PROPOSED_MAX = EFFECTS_MAX / 2,
	READS_BYTES_MAX = 8 << 20,	/* of answers in one step; what more there is comes next */
};

static int is_remote(uint64_t id)
{
	return id >= REMOTE_BIT;
}

/* ---- answering ------------------------------------------------------------------- */

/* A read with a long answer: the other manager makes it, from a state that holds all that it must.
 * Nothing but a read has so much to tell. */
static struct peer_message read_yourself(const struct step *s, const struct request *r,
					 uint8_t index[8])
{
	bytes_put(index, 8, r->floor == UINT64_MAX ? s->m->state.applied : r->floor);
	return (struct peer_message){ .kind = PEER_READ, .id = r->peer_id,
				      .body = { (char *)index, 8 } };
}

/* The effect becomes a message: a step has room for as many answers as effects. */
static void send_reply(struct step *s, const struct request *r, struct effect *x)
{
	struct peer_message message = { .id = r->peer_id, .status = x->status, .more = x->more,
					.type = x->text, .headers = x->target, .body = x->body };
	uint8_t index[8];

	message.kind = x->kind == EFFECT_REPLY ? PEER_REPLY : PEER_CHUNK;
	if (r->floor && !x->more && x->body.len > PEER_ANSWER_MAX && message.kind == PEER_REPLY)
		message = read_yourself(s, r, index);
	step_send_as(s, r->peer, &message, x);
}

void serve_outgoing(struct step *s)
{
	struct manager *m = s->m;

	for (uint32_t i = 0; i < s->fx->count; i++) {
		struct effect *x = &s->fx->items[i];
		struct request *r;
		int more = x->more;

		if (!is_remote(x->id))
			continue;
		if (x->kind == EFFECT_SESSION_SEND || x->kind == EFFECT_SESSION_DROP)
			relay_outgoing(s, x);
		if (x->kind != EFFECT_REPLY && x->kind != EFFECT_REPLY_CHUNK)
			continue;
		r = request_find(&m->requests, REQUEST_STREAMING, x->id);
		/* The driver has nobody of that number: what is left there does nothing. */
		if (!r)
			continue;
		send_reply(s, r, x);
		r->place = 1;
		if (!more)
			request_end(&m->requests, r);
	}
}

/* Its answer is among the effects. */
static void answered(struct step *s, struct request *r)
{
	if (r->peer) {
		request_move(&s->m->requests, r, REQUEST_STREAMING);
		r->place = 0;
	} else {
		request_end(&s->m->requests, r);
	}
}

static void refuse(struct step *s, struct request *r, const char *why)
{
	api_error(s->fx, r->ev.id, 503, "%s", why);
	answered(s, r);
}

/* ---- as leader ------------------------------------------------------------------- */

static void proposed(struct step *s, struct request *r, struct api_turn *turn, int is_txn)
{
	struct manager *m = s->m;
	struct slice entry = turn->entry;
	uint64_t index = 0;
	int err = 0;

	if (is_txn) {
		err = txn_reply(turn->txn, r->uid, &(struct outcome){ turn->reply_status,
								      turn->reply_body });
		if (err == 0)
			err = txn_finish(turn->txn, &entry);
	}
	if (err == 0)
		err = step_propose(s, entry, &index);
	if (err < 0) {
		api_error(s->fx, r->ev.id, 503, "the change cannot be written to the log: %s",
			  m->disk_error ? m->disk_error : err_text(err));
		answered(s, r);
		return;
	}
	/* Alone it may be committed already, never applied: the disk comes between. */
	r->place = index;
	if (is_txn)
		m->txn_index = index;
}

/* Has the API look at it; it is in the list of its next stage, or gone, after. */
static void run(struct step *s, struct request *r)
{
	int is_txn = r->kind == API_CHANGE;
	struct step one = *s;
	struct api_turn turn;
	struct txn txn;

	r->ev.now_ms = s->ev->now_ms;
	r->ev.wall_ns = s->ev->wall_ns;
	one.ev = &r->ev;
	if (is_txn)
		txn_init(&txn, s->ev->wall_ns);
	step_api_turn(&one, &turn, is_txn ? &txn : NULL);
	turn.request_id = r->uid;
	turn.no_wait = r->stage == REQUEST_LOCAL;
	switch (api_request(&s->m->api, &turn, &r->ev)) {
	case API_WAITS:
		r->floor = UINT64_MAX;
		answered(&one, r);
		break;
	case API_REPLIED:
		answered(&one, r);
		break;
	case API_PROPOSED:
	case API_KV:
		request_move(&s->m->requests, r, REQUEST_PROPOSED);
		proposed(&one, r, &turn, is_txn);
		break;
	case API_LEAVE:
	case API_UNLOCK:
		assert(0);	/* served where it comes */
		break;
	}
	if (is_txn)
		txn_done(&txn);
}

static void read_later(struct step *s, struct request *r)
{
	if (raft_read(&s->m->raft, &r->place, step_update(s)) < 0) {
		refuse(s, r, "this manager does not lead any more: try again");
		return;
	}
	/* What is committed now: the heartbeat that confirms the read tells it to followers. */
	r->floor = s->m->raft.commit;
	request_move(&s->m->requests, r, REQUEST_READING);
	step_take(s);
}

/* Changes go one at a time: what one holds is checked against a state in which all before it are
 * applied, so that two users never get the same port, name or subnet. */
static int may_go(const struct manager *m, const struct request *r)
{
	switch ((enum api_place)r->kind) {
	case API_CHANGE:
		return !step_txn_under_way(m) && m->requests.stages[REQUEST_HELD].first == r;
	case API_COMMAND:
		return m->requests.stages[REQUEST_PROPOSED].count < PROPOSED_MAX;
	case API_READ:
	case API_HERE:
		break;
	}
	return 1;
}

/* It is in the list HELD, and stays there if it may not go. */
static void lead(struct step *s, struct request *r)
{
	struct manager *m = s->m;
	const struct outcome *outcome = state_recent(&m->state, r->uid);

	if (outcome) {
		api_applied(s->fx, r->ev.id, outcome);
		answered(s, r);
		return;
	}
	if (!may_go(m, r))
		return;
	if (r->kind == API_READ)
		read_later(s, r);
	else
		run(s, r);
}

int serve_may_read(const struct manager *m)
{
	const struct request *r = m->requests.stages[REQUEST_READING].first;

	return m->leading && r && r->place <= m->raft.read_confirmed;
}

void serve_reads(struct step *s)
{
	struct request_list *l = &s->m->requests.stages[REQUEST_READING];

	while (serve_may_read(s->m) && effects_room(s->fx) > EFFECTS_MAX / 4 &&
	       s->fx->arena.used < READS_BYTES_MAX)
		run(s, l->first);
}

void serve_local(struct step *s)
{
	struct request *next;

	for (struct request *r = s->m->requests.stages[REQUEST_LOCAL].first; r; r = next) {
		next = r->next;
		if (r->place > s->m->state.applied)
			continue;
		if (s->fx->arena.used >= READS_BYTES_MAX ||
		    effects_room(s->fx) < EFFECTS_MAX / 4) {
			s->m->forward_ms = s->ev->now_ms;
			return;
		}
		run(s, r);
	}
}

int serve_may_go(const struct step *s)
{
	const struct request *r = s->m->requests.stages[REQUEST_HELD].first;

	return r && step_is_leader(s) && may_go(s->m, r);
}

void serve_held(struct step *s)
{
	while (serve_may_go(s) && effects_room(s->fx) > EFFECTS_MAX / 2)
		lead(s, s->m->requests.stages[REQUEST_HELD].first);
}

void serve_applied(struct step *s, uint64_t index, int err, const struct errmsg *msg)
{
	struct manager *m = s->m;
	struct request *r = m->requests.stages[REQUEST_PROPOSED].first;

	if (m->txn_index == index) {
		m->txn_index = 0;
		m->users_first = 0;
	}
	if (!r || r->place != index)
		return;
	if (err < 0)
		api_refused(s->fx, r->ev.id, err, msg);
	else
		api_applied(s->fx, r->ev.id, &m->state.outcome);
	answered(s, r);
}

/* ---- to the leader --------------------------------------------------------------- */

/* The leader that a request can be sent to, or 0. */
static uint64_t target(const struct manager *m)
{
	if (m->leader == 0 || m->leader == m->raft.id || !members_is_up(m, m->leader))
		return 0;
	return m->leader;
}

static void forward(struct step *s, struct request *r)
{
	struct peer_message message = {
		.kind = PEER_REQUEST, .id = r->ev.id, .uid = r->uid, .method = r->ev.method,
		.target = r->ev.target, .type = r->ev.text, .body = r->ev.body,
	};

	r->place = target(s->m);
	if (r->place)
		step_send(s, r->place, &message);
}

/* Another manager's client is not waited for any longer than that manager does: it asks the next
 * leader by itself. */
static void send_back(struct step *s, struct request *r)
{
	struct peer_message message = { .kind = PEER_REPLY, .id = r->peer_id };

	step_send(s, r->peer, &message);
	request_end(&s->m->requests, r);
}

/* From now on: it may have waited for long where it was, as watches do. */
static void wait_for_leader(struct step *s, struct request *r)
{
	if (r->stage != REQUEST_FORWARDED)
		request_move(&s->m->requests, r, REQUEST_FORWARDED);
	r->place = 0;
	r->ev.now_ms = s->ev->now_ms;
}

static void to_leader(struct step *s, struct request *r)
{
	if (r->peer) {
		send_back(s, r);
		return;
	}
	wait_for_leader(s, r);
	forward(s, r);
	if (!r->place)
		s->m->forward_ms = step_sooner(s->m->forward_ms, s->ev->now_ms);
}

static void api_forget(struct step *s, uint64_t id)
{
	struct api_turn turn;

	step_api_turn(s, &turn, NULL);
	api_gone(&s->m->api, &turn, id);
}

/* The only one that may lead, and its disk fails: nobody knows more than we do. But of what is in
 * the log only one that led knows how much is committed. */
static int is_last_to_know(const struct manager *m)
{
	const struct raft_config *c = &m->raft.config;
	int others = 0;

	for (uint32_t i = 0; i < c->count; i++)
		others |= c->members[i].votes && c->members[i].id != m->raft.id;
	return m->disk_error && !others;
}

/* A request that comes in, or that waited for a leader. */
static void route(struct step *s, struct request *r)
{
	char why[ERRMSG_MAX];

	if (s->m->leave_deadline_ms) {
		refuse(s, r, "this node is leaving the swarm");
	} else if (is_last_to_know(s->m) && s->m->knew_all && r->kind == API_READ) {
		run(s, r);
	} else if (is_last_to_know(s->m)) {
		snprintf(why, sizeof(why), "the log cannot be written: %s",
			 s->m->disk_error);
		refuse(s, r, why);
	} else if (step_is_leader(s)) {
		if (r->stage != REQUEST_HELD)
			request_move(&s->m->requests, r, REQUEST_HELD);
		lead(s, r);
	} else {
		to_leader(s, r);
	}
}

/* Of other managers' clients: they watch on with the next leader. A stream that has begun ends. */
static void give_back_watches(struct step *s)
{
	struct request *next;

	for (struct request *r = s->m->requests.stages[REQUEST_STREAMING].first; r; r = next) {
		next = r->next;
		if (r->place)
			continue;
		api_forget(s, r->ev.id);
		wait_for_leader(s, r);
	}
}

/* All in one list, from which they go on as a step has room for it. */
void serve_lost(struct step *s)
{
	static const enum request_stage stages[] = { REQUEST_PROPOSED, REQUEST_READING,
						     REQUEST_HELD };
	struct manager *m = s->m;
	struct api_turn turn;

	for (size_t i = 0; i < sizeof(stages) / sizeof(stages[0]); i++) {
		while (m->requests.stages[stages[i]].first)
			wait_for_leader(s, m->requests.stages[stages[i]].first);
	}
	give_back_watches(s);
	m->txn_index = 0;
	m->forward_ms = s->ev->now_ms;
	step_api_turn(s, &turn, NULL);
	api_lost(&m->api, &turn);
}

/* One that waits for a leader: sent, refused, or when to look at it again (0: when it is answered,
 * or another leads). */
static uint64_t forward_one(struct step *s, struct request *r)
{
	struct manager *m = s->m;
	uint64_t to = target(m);

	if (step_is_leader(s) || is_last_to_know(m)) {
		route(s, r);
		return 0;
	}
	if (r->peer) {
		send_back(s, r);
		return 0;
	}
	if (to && r->place == to)
		return 0;
	if (r->place)
		wait_for_leader(s, r);
	if (s->ev->now_ms >= r->ev.now_ms + LEADERLESS_MS) {
		refuse(s, r, "The swarm does not have a leader. It's possible that too few "
		       "managers are online. Make sure more than half of the managers are "
		       "online.");
		return 0;
	}
	if (to) {
		forward(s, r);
		return 0;
	}
	/* While we give leadership away nobody tells that it came to nothing. */
	return m->leading ? s->ev->now_ms + FORWARD_AGAIN_MS : r->ev.now_ms + LEADERLESS_MS;
}

/* One that waits until we have applied what the leader had: refused, or when to look again. */
static uint64_t local_one(struct step *s, struct request *r)
{
	if (s->ev->now_ms < r->ev.now_ms + LEADERLESS_MS)
		return r->ev.now_ms + LEADERLESS_MS;
	refuse(s, r, "this manager does not catch up with the leader: try again");
	return 0;
}

void serve_forward(struct step *s)
{
	struct manager *m = s->m;
	struct request *next;

	m->forward_ms = 0;
	for (struct request *r = m->requests.stages[REQUEST_FORWARDED].first; r; r = next) {
		next = r->next;
		if (effects_room(s->fx) < EFFECTS_MAX / 4) {
			m->forward_ms = s->ev->now_ms;
			return;
		}
		m->forward_ms = step_sooner(m->forward_ms, forward_one(s, r));
	}
	for (struct request *r = m->requests.stages[REQUEST_LOCAL].first; r; r = next) {
		next = r->next;
		m->forward_ms = step_sooner(m->forward_ms, local_one(s, r));
	}
}

/* ---- what comes in ---------------------------------------------------------------- */

/* Without a leader: what any manager answers by itself. */
static void run_here(struct step *s)
{
	struct api_turn turn;
	struct txn txn;

	txn_init(&txn, s->ev->wall_ns);
	step_api_turn(s, &turn, &txn);
	if (api_request(&s->m->api, &turn, s->ev) == API_LEAVE)
		step_leave(s);
	txn_done(&txn);
}

/* What the API answers later, it bounds by itself: watches may last for hours. */
static int is_full(const struct requests *q)
{
	return q->count - q->stages[REQUEST_STREAMING].count >= MANAGER_REQUESTS_MAX;
}

void serve_request(struct step *s)
{
	struct manager *m = s->m;
	enum api_place place = api_place(s->ev);
	struct request *r;

	if (place == API_HERE || m->config->worker) {
		run_here(s);
		return;
	}
	if (is_full(&m->requests)) {
		api_error(s->fx, s->ev->id, 503, "too many requests wait for the log: try again");
		return;
	}
	r = request_add(&m->requests, s->ev, place);
	bytes_put(r->uid.bytes, 8, rng_next(&m->rng));
	bytes_put(r->uid.bytes + 8, 8, rng_next(&m->rng));
	route(s, r);
}

void serve_gone(struct step *s, uint64_t id)
{
	struct manager *m = s->m;
	struct peer_message message = { .kind = PEER_GONE, .id = id };

	for (int stage = 0; stage < REQUEST_STAGES; stage++) {
		struct request *r = request_find(&m->requests, (enum request_stage)stage, id);

		if (!r)
			continue;
		if (stage == REQUEST_FORWARDED || stage == REQUEST_RECEIVING)
			step_send(s, r->place, &message);
		request_end(&m->requests, r);
		return;
	}
	api_forget(s, id);
}

static void peer_request(struct step *s, uint64_t peer, const struct peer_message *message)
{
	struct manager *m = s->m;
	struct peer_message back = { .kind = PEER_REPLY, .id = message->id };
	struct event ev = {
		.kind = EVENT_REQUEST, .now_ms = s->ev->now_ms, .wall_ns = s->ev->wall_ns,
		.id = REMOTE_BIT | ++m->last_remote, .method = message->method,
		.target = message->target, .body = message->body, .text = message->type,
	};
	enum api_place place = api_place(&ev);
	struct request *r;

	/* What the API does not serve has that place, too. */
	if (!step_is_leader(s) || is_full(&m->requests) || place == API_HERE) {
		step_send(s, peer, &back);
		return;
	}
	r = request_add(&m->requests, &ev, place);
	r->uid = message->uid;
	r->peer = peer;
	r->peer_id = message->id;
	lead(s, r);
}

static struct request *find_remote(struct manager *m, uint64_t peer, uint64_t id)
{
	for (int stage = 0; stage < REQUEST_STAGES; stage++) {
		for (struct request *r = m->requests.stages[stage].first; r; r = r->next) {
			if (r->peer == peer && r->peer_id == id)
				return r;
		}
	}
	return NULL;
}

static void forget_remote(struct step *s, struct request *r)
{
	uint64_t id = r->ev.id;
	int streams = r->stage == REQUEST_STREAMING;

	request_end(&s->m->requests, r);
	if (streams)
		api_forget(s, id);
}

static void peer_reply(struct step *s, uint64_t peer, const struct peer_message *message)
{
	struct manager *m = s->m;
	struct request *r = request_find(&m->requests, REQUEST_FORWARDED, message->id);
	struct effect *x;

	if (!r || r->place != peer)
		return;		/* it was asked before and answers late */
	if (message->status == 0) {
		r->place = 0;	/* it does not lead yet, or not any more */
		s->m->forward_ms = step_sooner(s->m->forward_ms, s->ev->now_ms + FORWARD_AGAIN_MS);
		return;
	}
	x = effects_add(s->fx, EFFECT_REPLY, r->ev.id);
	x->status = message->status;
	x->more = message->more;
	x->text = arena_copy(&s->fx->arena, message->type);
	x->target = arena_copy(&s->fx->arena, message->headers);
	x->body = arena_copy(&s->fx->arena, message->body);
	if (message->more)
		request_move(&m->requests, r, REQUEST_RECEIVING);
	else
		request_end(&m->requests, r);
}

/* The leader has confirmed the read, and the answer is ours to make. */
static void peer_read(struct step *s, uint64_t peer, const struct peer_message *message)
{
	struct manager *m = s->m;
	struct request *r = request_find(&m->requests, REQUEST_FORWARDED, message->id);

	if (!r || r->place != peer || message->body.len != 8 || r->kind != API_READ)
		return;
	request_move(&m->requests, r, REQUEST_LOCAL);
	r->place = bytes_get_u64(message->body.data);
	r->ev.now_ms = s->ev->now_ms;
	m->forward_ms = step_sooner(m->forward_ms, s->ev->now_ms + LEADERLESS_MS);
}

static void peer_chunk(struct step *s, uint64_t peer, const struct peer_message *message)
{
	struct request *r = request_find(&s->m->requests, REQUEST_RECEIVING, message->id);
	struct effect *x;

	if (!r || r->place != peer)
		return;
	x = effects_add(s->fx, EFFECT_REPLY_CHUNK, r->ev.id);
	x->more = message->more;
	x->body = arena_copy(&s->fx->arena, message->body);
	if (!message->more)
		request_end(&s->m->requests, r);
}

void serve_peer(struct step *s, uint64_t peer, const struct peer_message *message)
{
	struct request *r;

	switch ((int)message->kind) {
	case PEER_REQUEST:
		peer_request(s, peer, message);
		break;
	case PEER_REPLY:
		peer_reply(s, peer, message);
		break;
	case PEER_CHUNK:
		peer_chunk(s, peer, message);
		break;
	case PEER_READ:
		peer_read(s, peer, message);
		break;
	case PEER_GONE:
		r = find_remote(s->m, peer, message->id);
		if (r)
			forget_remote(s, r);
		break;
	}
}

void serve_peer_down(struct step *s, uint64_t peer)
{
	struct manager *m = s->m;
	struct request *next;

	for (int stage = 0; stage < REQUEST_STAGES; stage++) {
		for (struct request *r = m->requests.stages[stage].first; r; r = next) {
			next = r->next;
			if (r->peer == peer) {
				forget_remote(s, r);
			} else if (stage == REQUEST_FORWARDED && r->place == peer) {
				wait_for_leader(s, r);
				m->forward_ms = s->ev->now_ms;
			} else if (stage == REQUEST_RECEIVING && r->place == peer) {
				effects_add(s->fx, EFFECT_REPLY_CHUNK, r->ev.id);
				request_end(&m->requests, r);
			}
		}
	}
}
