/*
 * The manager's step. Contracts are in manager.h and private.h.
 *
 * A reader may get wrong: a user's request is answered when its entry is applied, and an entry
 * is only applied when Raft says it is committed, which it is only when it is durable on most
 * managers. So no reply here needs to be held back for the disk by itself; and no message of
 * Raft's, because Raft itself waits for the records that its promises rest on.
 */
#include "applets/manager/private.h"
#include <assert.h>
#include <stdio.h>
#include <string.h>
#include "base/mem.h"
#include "base/timefmt.h"

enum {
	STOP_MS = 2000,		/* to give leadership away and to answer what is under way */
	STOP_LEAST_MS = 100,	/* requests on idle connections may be on their way */
	OUT_KEEP = 256 << 10,	/* a buffer that had to hold more is given back */
	OUT_MAX = 80 << 20,	/* the largest answer (SERVER_OUT_MAX) and what is around it */
	OUT_MS = 10000,		/* a leaving manager waits so long to be taken out of the log */
};

struct manager *manager_new(const struct manager_config *config, uint64_t seed)
{
	struct manager *m = mem_new(sizeof(*m));

	m->config = config;
	rng_init(&m->rng, seed);
	raft_init(&m->raft, config->raft_id, rng_next(&m->rng));
	state_init(&m->state);
	control_init(&m->control);
	dispatch_init(&m->dispatch);
	api_init(&m->api, config);
	api_watch(&m->api, &m->state);
	turn_init(&m->turn);
	install_init(m);
	members_init(m);
	autolock_init(m);
	relay_begin(m);
	arena_init(&m->scratch);
	buf_init(&m->out, OUT_MAX);
	return m;
}

void manager_free(struct manager *m)
{
	requests_done(&m->requests);
	relay_done(m);
	install_done(m);
	autolock_done(m);
	turn_done(&m->turn);
	api_done(&m->api);
	dispatch_done(&m->dispatch);
	control_done(&m->control);
	state_done(&m->state);
	raft_done(&m->raft);
	arena_done(&m->scratch);
	buf_done(&m->out);
	mem_free(m->disk_error);
	mem_free(m);
}

int manager_recover_record(struct manager *m, uint64_t number, struct slice record,
			   struct errmsg *msg)
{
	if (raft_load_record(&m->raft, number, record) < 0)
		return errmsg_set(msg, ERR_CORRUPT, "log record %llu does not follow the one "
				  "before", (unsigned long long)number);
	return 0;
}

/* What the API must know before it answers for the swarm. */
static int is_set_up(const struct manager *m)
{
	return state_cluster(&m->state) && state_node(&m->state, m->config->node_id);
}

int manager_is_ready(const struct manager *m)
{
	if (m->disk_error || !is_set_up(m))
		return 0;
	return m->leading || (m->leader && m->leader != m->raft.id &&
			      raft_member(&m->raft, m->raft.id));
}

const struct state *manager_state(const struct manager *m)
{
	return &m->state;
}

const struct raft *manager_raft(const struct manager *m)
{
	return &m->raft;
}

int manager_serves(struct slice method, struct slice target)
{
	return api_serves(method, target);
}

/* ---- what the other files call --------------------------------------------------- */

struct raft_update *step_update(struct step *s)
{
	s->update = (struct raft_update){ .arena = &s->fx->arena, .now_ms = s->ev->now_ms };
	return &s->update;
}

int step_is_leader(const struct step *s)
{
	const struct manager *m = s->m;

	return m->leading && m->raft.transfer_to == 0 && m->leave_deadline_ms == 0;
}

int step_txn_under_way(const struct manager *m)
{
	return m->turn_index || m->txn_index;
}

int step_propose(struct step *s, struct slice entry, uint64_t *index)
{
	int err = raft_propose(&s->m->raft, entry, index, step_update(s));

	if (err == 0)
		step_take(s);
	return err;
}

void step_api_turn(struct step *s, struct api_turn *turn, struct txn *txn)
{
	struct manager *m = s->m;

	*turn = (struct api_turn){
		.state = &m->state, .dispatch = &m->dispatch, .rng = &m->rng,
		.arena = &m->scratch, .fx = s->fx, .wall_ns = s->ev->wall_ns,
		.clock_ns = s->ev->wall_ns - m->ahead_ns,
		.managers = m->members.list, .manager_count = m->members.count,
		.ready = m->leave_deadline_ms == 0 && is_set_up(m), .txn = txn,
	};
}

uint64_t step_sooner(uint64_t a, uint64_t b)
{
	return a == 0 || (b != 0 && b < a) ? b : a;
}

/* x becomes the message that was built into m->out. */
static void send_out(struct step *s, uint64_t peer, struct effect *x)
{
	struct buf *out = &s->m->out;

	*x = (struct effect){ .kind = EFFECT_PEER_SEND, .id = peer };
	if (!out->failed && out->len <= PEER_MESSAGE_MAX)
		x->body = arena_copy(&s->fx->arena, buf_slice(out));
	else	/* nothing is so long, unless an agent reports it */
		x->id = 0;
	if (out->len > OUT_KEEP)
		buf_done(out);
}

void step_send_as(struct step *s, uint64_t peer, const struct peer_message *message,
		  struct effect *x)
{
	buf_reset(&s->m->out);
	peer_build(&s->m->out, message);
	send_out(s, peer, x);
}

void step_send(struct step *s, uint64_t peer, const struct peer_message *message)
{
	step_send_as(s, peer, message, effects_add(s->fx, EFFECT_PEER_SEND, peer));
}

/* ---- log and state ---------------------------------------------------------------- */

static void note_change(void *context, const struct change *change)
{
	struct manager *m = context;

	if (!m->leading)
		return;		/* who begins to lead looks at all there is */
	control_note(&m->control, change);
	dispatch_note(&m->dispatch, change);
	m->turn_due = 1;
}

static void apply_entry(struct step *s, const struct raft_entry *e)
{
	struct manager *m = s->m;
	struct errmsg msg = { { 0 } };
	int err = 0;

	if (e->index <= m->state.applied)
		return;
	if (e->kind == RAFT_COMMAND)
		err = state_apply(&m->state, e->index, e->data, note_change, m, &msg);
	else
		m->state.applied = e->index;
	if (e->index == m->turn_index) {
		m->turn_index = 0;
		m->turn_due = 1;
		m->users_first = 1;
		if (err < 0)
			control_refused(&m->control, &m->state);
	}
	autolock_run(s);	/* who is told that managers lock now can count on this one */
	if (e->kind == RAFT_COMMAND)
		serve_applied(s, e->index, err, &msg);
}

static void lead_begin(struct step *s)
{
	struct manager *m = s->m;
	const struct peer_message leading = { .kind = PEER_LEADING };

	m->leading = 1;
	m->turn_due = 1;
	control_all(&m->control, &m->state);
	turn_lead(&m->turn, &m->state, s->ev->now_ms);
	for (uint32_t i = 0; i < m->members.up_count; i++)
		step_send(s, m->members.up[i].id, &leading);
	effects_log(s->fx, LOG_INFO, "leading the swarm in term %llu",
		    (unsigned long long)m->raft.hard.term);
}

/* What belongs to a leadership goes with it. */
static void lead_end(struct step *s)
{
	struct manager *m = s->m;

	relay_lost(s);
	m->leading = 0;
	m->members.wish_count = 0;	/* whoever still has one asks the next leader */
	m->turn_index = 0;
	m->turn_deadline_ms = 0;
	serve_lost(s);
	control_done(&m->control);
	control_init(&m->control);
	dispatch_done(&m->dispatch);
	dispatch_init(&m->dispatch);
	turn_done(&m->turn);
	turn_init(&m->turn);
	effects_log(s->fx, LOG_INFO, "not leading the swarm any more");
}

/* Somebody leads from now on: agents begin anew with it, and what waits is sent to it. */
static void new_leader(struct step *s)
{
	relay_leader(s);
	s->m->forward_ms = s->ev->now_ms;
}

static void role_changed(struct step *s)
{
	struct manager *m = s->m;
	int ready = raft_is_ready(&m->raft);
	uint64_t leader = m->raft.leader;

	if (m->leading && !ready)
		lead_end(s);
	else if (!m->leading && ready)
		lead_begin(s);
	if (leader == m->raft.id && !ready)
		leader = 0;
	if (leader == m->leader && m->raft.hard.term == m->leader_term)
		return;
	m->leader = leader;
	m->leader_term = m->raft.hard.term;
	m->forward_ms = s->ev->now_ms;
	if (leader)
		new_leader(s);
}

static void take_sends(struct step *s, const struct raft_send *send)
{
	const struct peer_message head = { .kind = PEER_RAFT };

	for (; send; send = send->next) {
		if (!members_is_up(s->m, send->message.to))
			continue;
		buf_reset(&s->m->out);
		peer_build(&s->m->out, &head);
		raft_message_build(&s->m->out, &send->message);
		send_out(s, send->message.to, effects_add(s->fx, EFFECT_PEER_SEND, 0));
	}
}

void step_take(struct step *s)
{
	struct manager *m = s->m;
	/* Applying may call Raft again; what this call decided is then taken first. */
	const struct raft_update u = s->update;

	s->update = (struct raft_update){ 0 };
	for (struct raft_append *a = u.append; a; a = a->next)
		effects_add(s->fx, EFFECT_WAL_APPEND, a->number)->body = a->body;
	take_sends(s, u.send);
	if (m->raft.flush_due && !m->flushing) {
		m->flushing = 1;
		effects_add(s->fx, EFFECT_FLUSH, 0);
	}
	for (uint32_t i = 0; i < u.committed_count; i++)
		apply_entry(s, &u.committed[i]);
	if (u.piece_drop)
		install_drop(s);
	if (u.piece)
		install_piece(s, u.piece);
	for (const struct raft_want *w = u.want; w; w = w->next)
		install_want(s, w);
	if (u.config_changed)
		members_connect(s);
	if (u.role_changed)
		role_changed(s);
	if (u.config_changed || u.role_changed || members_is_settled(m))
		members_view(s);
}

/* A failed write is never tried again as if nothing had happened: what the disk holds after it
 * is not known. Leadership goes to another manager, what runs is served on, and the driver starts
 * the node anew from its disk when that can be written again. */
static void on_disk_failed(struct step *s)
{
	struct manager *m = s->m;
	struct effect *x;

	mem_free(m->disk_error);
	m->disk_error = mem_new(s->ev->text.len + 1);
	memcpy(m->disk_error, s->ev->text.data, s->ev->text.len);
	m->knew_all |= m->leading;
	raft_disk_failed(&m->raft, step_update(s));
	step_take(s);
	effects_log(s->fx, LOG_ERROR, "the log cannot be written: %s; this node changes nothing "
		    "until it can", m->disk_error);
	x = effects_add(s->fx, EFFECT_RESTART, 0);
	x->text = arena_copy(&s->fx->arena, s->ev->text);
}

static void on_start(struct step *s)
{
	struct manager *m = s->m;

	if (m->config->worker)
		return;
	autolock_start(m);
	if (raft_start(&m->raft, s->ev->id, m->config->begin, m->members.about,
		       step_update(s)) < 0) {
		effects_log(s->fx, LOG_ERROR, "records are missing between the snapshot and the "
			    "log: restore the data folder from a backup");
		effects_add(s->fx, EFFECT_EXIT, 0)->status = 1;
		return;
	}
	step_take(s);
	members_connect(s);
	members_view(s);
}

static void on_peer_message(struct step *s)
{
	struct manager *m = s->m;
	struct raft_message message;
	struct peer_message p;

	if (peer_parse(s->ev->body, &p) < 0)
		return;
	switch (p.kind) {
	case PEER_RAFT:
		if (raft_message_parse(&s->fx->arena, p.body, &message) < 0)
			return;
		raft_receive(&m->raft, s->ev->id, &message, step_update(s));
		step_take(s);
		break;
	case PEER_JOIN:
	case PEER_LEAVE:
		members_wish(s, &p);
		break;
	case PEER_LEFT:
		members_left(s, p.id);
		break;
	case PEER_LEADING:
		if (s->ev->id == m->leader)
			new_leader(s);
		break;
	case PEER_REQUEST:
	case PEER_GONE:
	case PEER_REPLY:
	case PEER_CHUNK:
	case PEER_READ:
		serve_peer(s, s->ev->id, &p);
		break;
	case PEER_SESSION_UP:
	case PEER_SESSION_DOWN:
	case PEER_REPORT:
	case PEER_ORDER:
	case PEER_SESSION_DROP:
		relay_peer(s, s->ev->id, &p);
		break;
	}
}

static void on_peer(struct step *s, int up)
{
	struct manager *m = s->m;
	uint64_t peer = s->ev->id;

	if (up) {
		members_up(s, peer);
		raft_peer_up(&m->raft, peer, step_update(s));
		step_take(s);
		if (peer == m->leader)
			new_leader(s);
	} else {
		members_down(s, peer);
		relay_peer_down(s, peer);
		serve_peer_down(s, peer);
		raft_peer_down(&m->raft, peer, step_update(s));
		step_take(s);
	}
	members_view(s);
}

/* ---- agents' sessions at the leader ------------------------------------------------- */

static void send_order(struct step *s, uint64_t session, const struct session_order *order)
{
	struct json_writer w;
	struct buf text;

	buf_init(&text, JSON_TEXT_MAX);
	json_begin(&w, &text);
	model_encode(&w, &session_order_table, MODEL_STORE, order);
	effects_add(s->fx, EFFECT_SESSION_SEND, session)->body =
		arena_copy(&s->fx->arena, buf_slice(&text));
	buf_done(&text);
}

void step_session_up(struct step *s, uint64_t session, const char *node_id)
{
	dispatch_up(&s->m->dispatch, session, node_id);
	turn_session(&s->m->turn, node_id, 1, s->ev->now_ms);
	s->m->turn_due = 1;
}

void step_session_down(struct step *s, uint64_t session)
{
	struct manager *m = s->m;
	const char *node_id = dispatch_node(&m->dispatch, session);
	struct api_turn turn;

	if (node_id)
		turn_session(&m->turn, node_id, 0, s->ev->now_ms);
	step_api_turn(s, &turn, NULL);
	api_session_down(&m->api, &turn, session);
	dispatch_down(&m->dispatch, session);
	m->turn_due = 1;
}

/* A node's clock may be hours ahead of the swarm's time, and an update waits for a while after a
 * task began to run. */
static void no_future(struct session_report *report, int64_t now_ns)
{
	for (uint32_t i = 0; i < report->statuses.count; i++) {
		struct session_status *status = (struct session_status *)(uintptr_t)
			LIST_AT(&report->statuses, struct session_status, i);

		if (status->status.timestamp > now_ns)
			status->status.timestamp = now_ns;
	}
}

void step_session_message(struct step *s, uint64_t session, struct slice body)
{
	struct manager *m = s->m;
	const char *node_id = dispatch_node(&m->dispatch, session);
	struct session_report report;
	struct api_turn turn;
	struct errmsg msg = { { 0 } };
	int err;

	if (!node_id)
		return;
	if (model_parse(&m->scratch, &session_report_table, MODEL_STORE, body, &report,
			&msg) < 0) {
		effects_log(s->fx, LOG_ERROR, "node %s: its report does not parse: %s", node_id,
			    msg.text);
		return;
	}
	no_future(&report, s->ev->wall_ns);
	err = turn_report(&m->turn, &m->state, node_id, &report);
	if (err < 0)
		effects_log(s->fx, LOG_WARNING, "node %s: what it reports is %s, and is not taken",
			    node_id, err == ERR_DENIED ? "not its to say" : "too long");
	if (report.log) {
		step_api_turn(s, &turn, NULL);
		api_log(&m->api, &turn, session, report.log);
	}
	if (report.resync)
		dispatch_resync(&m->dispatch, session);
	m->turn_due = 1;
}

/* ---- leaving -------------------------------------------------------------------------- */

void step_leave(struct step *s)
{
	struct manager *m = s->m;

	if (m->leave_deadline_ms) {
		api_error(s->fx, s->ev->id, 503, "this node is leaving the swarm already");
		return;
	}
	m->leave_request = s->ev->id;
	m->leave_deadline_ms = s->ev->now_ms + OUT_MS + LEAVE_MS;
	m->members.ask_ms = 0;
}

static void end_leave(struct step *s)
{
	struct manager *m = s->m;
	struct effect *x;

	if (m->left)
		return;
	m->left = 1;
	x = effects_add(s->fx, EFFECT_REPLY, m->leave_request);
	x->status = 200;
	effects_add(s->fx, EFFECT_WIPE, 0);
	effects_add(s->fx, EFFECT_EXIT, 0);
}

/* First out of the log, or nobody answers; then our agent removes what it runs. */
static void run_leave(struct step *s)
{
	struct manager *m = s->m;
	struct session_order order = { .leave = 1 };
	int out;

	if (!m->leave_deadline_ms || m->left)
		return;
	if (s->ev->now_ms >= m->leave_deadline_ms) {
		effects_log(s->fx, LOG_WARNING, "the engine did not answer: containers of the "
			    "swarm may be left on this node");
		end_leave(s);
		return;
	}
	if (!m->leave_asked) {
		out = members_leave(s);
		if (!out && s->ev->now_ms + LEAVE_MS < m->leave_deadline_ms)
			return;
		m->leave_asked = 1;
		m->leave_deadline_ms = s->ev->now_ms + LEAVE_MS;
		m->members.ask_ms = 0;
	}
	/* Also one that has begun a new session since. */
	for (struct relayed *r = m->relay.first; r; r = r->next) {
		if (!relay_is_own(m, r->id) || r->told_leave)
			continue;
		send_order(s, r->id, &order);
		r->told_leave = 1;
	}
}

/* What our own agent says is passed on, but that it has left: that is what we wait for. On a worker
 * it is also all there is to tell of this node. */
static void on_session_message(struct step *s)
{
	struct manager *m = s->m;
	struct session_report report;

	if (relay_is_own(m, s->ev->id) && (m->leave_asked || m->config->worker) &&
	    model_parse(&m->scratch, &session_report_table, MODEL_STORE, s->ev->body, &report,
			NULL) == 0) {
		if (m->config->worker)
			api_self(&m->api, &report);
		if (m->leave_asked && report.left) {
			end_leave(s);
			return;
		}
	}
	relay_message(s);
}

/* ---- the step --------------------------------------------------------------------------- */

static void on_stop(struct step *s)
{
	struct manager *m = s->m;

	if (m->stop_ms)
		return;
	m->stop_ms = s->ev->now_ms + STOP_MS;
	m->stop_after_ms = m->raft.config.count > 1 ? s->ev->now_ms + STOP_LEAST_MS : 0;
	m->stop_led = m->leading && m->raft.config.count > 1;
	/* Alone there is nobody to give it to. */
	(void)raft_transfer(&m->raft, 0, step_update(s));
	step_take(s);
}

/* Leadership is given away, the next leader has our vote, and who waited for an answer has it. */
static void run_stop(struct step *s)
{
	struct manager *m = s->m;
	int busy = m->requests.count > 0 || s->ev->now_ms < m->stop_after_ms ||
		   (m->stop_led && (!m->leader || m->leader == m->raft.id));

	if (m->stop_ms && (!busy || s->ev->now_ms >= m->stop_ms || m->disk_error))
		effects_add(s->fx, EFFECT_EXIT, 0);
}

static void take_raft_event(struct step *s)
{
	struct raft *r = &s->m->raft;

	switch ((int)s->ev->kind) {
	case EVENT_TIMER:
		raft_tick(r, step_update(s));
		break;
	case EVENT_FLUSH:
		s->m->flushing = 0;
		raft_flush(r, step_update(s));
		break;
	case EVENT_WAL_DONE:
		raft_persisted(r, s->ev->id, step_update(s));
		break;
	}
	step_take(s);
}

static void take_event(struct step *s)
{
	switch (s->ev->kind) {
	case EVENT_START: on_start(s); break;
	case EVENT_TIMER:
	case EVENT_FLUSH:
	case EVENT_WAL_DONE: take_raft_event(s); break;
	case EVENT_WAL_FAILED: on_disk_failed(s); break;
	case EVENT_SNAPSHOT_SAVED: install_saved(s); break;
	case EVENT_SNAPSHOT_FAILED: install_failed(s); break;
	case EVENT_SNAPSHOT_PIECE: install_read(s); break;
	case EVENT_SNAPSHOT_STORED: install_stored(s); break;
	case EVENT_PEER_UP: on_peer(s, 1); break;
	case EVENT_PEER_DOWN: on_peer(s, 0); break;
	case EVENT_PEER_MESSAGE: on_peer_message(s); break;
	case EVENT_REQUEST: serve_request(s); break;
	case EVENT_REQUEST_GONE: serve_gone(s, s->ev->id); break;
	case EVENT_SESSION_UP: relay_up(s); break;
	case EVENT_SESSION_DOWN: relay_down(s); break;
	case EVENT_SESSION_MESSAGE: on_session_message(s); break;
	case EVENT_STOP: on_stop(s); break;
	case EVENT_ENGINE_REPLY:
	case EVENT_ENGINE_DATA:
	case EVENT_PORTS_STATUS:
		break;		/* the worker's */
	}
}

static int may_turn(const struct step *s)
{
	return step_is_leader(s) && !step_txn_under_way(s->m);
}

static void take_turn(struct step *s)
{
	struct manager *m = s->m;
	struct control_turn turn;
	struct api_turn view;
	struct slice entry;
	struct txn txn;
	uint64_t index;

	if (!may_turn(s))
		return;
	if (!m->turn_due && !(m->turn_deadline_ms && s->ev->now_ms >= m->turn_deadline_ms))
		return;
	m->turn_due = 0;
	m->turn_deadline_ms = 0;
	step_api_turn(s, &view, NULL);
	turn_settle(&m->turn, &view, m->config, &m->state);
	txn_init(&txn, s->ev->wall_ns);
	view.txn = &txn;
	turn_write(&m->turn, &view, m->config, s->ev->now_ms);
	turn = (struct control_turn){
		.state = &m->state, .rng = &m->rng, .arena = &m->scratch,
		.wall_ns = s->ev->wall_ns, .txn = &txn,
	};
	if (state_cluster(&m->state))
		control_run(&m->control, &turn);
	if (turn.next_ns)
		m->turn_deadline_ms = s->ev->now_ms + 1 + (turn.next_ns <= s->ev->wall_ns ? 0 :
			(uint64_t)((turn.next_ns - s->ev->wall_ns) / MS_NS));
	m->turn_deadline_ms = step_sooner(m->turn_deadline_ms, turn_deadline_ms(&m->turn));
	if (txn.count && txn_finish(&txn, &entry) == 0 && step_propose(s, entry, &index) == 0)
		m->turn_index = index;
	else if (txn.count)
		control_refused(&m->control, &m->state);
	txn_done(&txn);
}

static void run_api(struct step *s)
{
	struct api_turn turn;

	if (!api_is_due(&s->m->api, s->ev->now_ms))
		return;
	step_api_turn(s, &turn, NULL);
	api_due(&s->m->api, &turn, s->ev->now_ms);
	api_follow(&s->m->api, &turn);
}

static void set_timer(struct step *s)
{
	struct manager *m = s->m;
	uint64_t next = m->raft.deadline_ms;

	if (may_turn(s))
		next = step_sooner(next, m->turn_due ? s->ev->now_ms : m->turn_deadline_ms);
	if (serve_may_go(s) || serve_may_read(m))
		next = s->ev->now_ms;
	next = step_sooner(next, m->leave_deadline_ms);
	next = step_sooner(next, m->stop_ms && s->ev->now_ms < m->stop_after_ms ?
				 m->stop_after_ms : m->stop_ms);
	next = step_sooner(next, m->forward_ms);
	next = step_sooner(next, m->members.ask_ms);
	next = step_sooner(next, relay_deadline_ms(m));
	if (m->leading && m->leave_deadline_ms == 0 && dispatch_is_due(&m->dispatch))
		next = s->ev->now_ms;
	next = step_sooner(next, api_deadline(&m->api));	/* 1: at once */
	effects_add(s->fx, EFFECT_TIMER, 0)->deadline_ms = next;
}

/* This host's time, but it never goes back: when the clock was set back it goes on from where it
 * was, as the order of tasks and updates in time must stay what it is. */
static int64_t swarm_time(struct manager *m, int64_t wall_ns)
{
	int64_t newest = m->time_ns > m->state.time_ns ? m->time_ns : m->state.time_ns;

	if (wall_ns >= newest)
		m->ahead_ns = 0;
	else if (wall_ns + m->ahead_ns < newest)
		m->ahead_ns = newest - wall_ns;
	m->time_ns = wall_ns + m->ahead_ns;
	return m->time_ns;
}

static void run_leader(struct step *s)
{
	struct manager *m = s->m;

	serve_reads(s);
	if (m->users_first)
		serve_held(s);
	take_turn(s);
	serve_held(s);
	/* Before that the state may lack what is committed: agents would remove what it lacks. */
	if (m->leave_deadline_ms == 0)
		dispatch_run(&m->dispatch, &m->state, s->fx);
	members_run(s);
}

void manager_step(struct manager *m, const struct event *event, struct effects *fx)
{
	struct event own = *event;
	struct step s = { .m = m, .ev = &own, .fx = fx };

	own.wall_ns = swarm_time(m, event->wall_ns);
	arena_reset(&m->scratch);
	take_event(&s);
	if (m->left)
		return;
	run_leave(&s);
	if (m->left)
		return;
	if (m->leading)
		run_leader(&s);
	else
		members_run(&s);
	if (m->forward_ms && own.now_ms >= m->forward_ms)
		serve_forward(&s);
	serve_local(&s);
	members_purge(&s);
	relay_run(&s);
	run_api(&s);
	autolock_run(&s);
	install_save(&s);
	serve_outgoing(&s);
	run_stop(&s);
	set_timer(&s);
}
