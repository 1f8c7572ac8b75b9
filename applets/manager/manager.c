/*
 * The manager's step. Contracts are in manager.h.
 *
 * A reader may get wrong: a user's request is answered when its entry is applied, and an entry
 * is only applied when Raft says it is committed, which it is only when it is durable. So no
 * reply here needs to be held back for the disk by itself.
 */
#include "applets/manager/manager.h"
#include <assert.h>
#include <string.h>
#include "applets/manager/api/api.h"
#include "applets/manager/held.h"
#include "applets/manager/turn.h"
#include "base/mem.h"
#include "base/timefmt.h"
#include "raft/raft.h"

enum {
	/* The engine stops containers one grace period long (10 s by default); after this a
	 * leaving node goes without the engine's word. */
	LEAVE_MS = 60000,
	SNAPSHOT_TEXT_MAX = 1 << 30,
	SNAPSHOT_RETRY_MS = 60000,	/* one takes the whole state to the disk, and failed */
	RAFT_ID = 1,	/* of the first manager; joins give the others theirs */
};

/* The request whose entry is under way. */
struct waiting {
	uint64_t index;		/* of the entry; 0 = none is under way */
	uint64_t request;
	int status;
	struct slice body;	/* heap */
};

struct manager {
	const struct manager_config *config;
	struct rng rng;
	struct raft raft;
	struct state state;
	struct control control;
	struct dispatch dispatch;
	struct api api;
	struct turn turn;
	struct waiting waiting;
	struct held_queue held;		/* requests for changes that wait for the entry under way */
	int users_first;		/* the last entry was our own: now it is a request's turn */
	struct arena scratch;		/* of one step */
	uint64_t turn_index;		/* entry of the turn under way; 0 = none */
	int turn_due;			/* something changed since the last turn */
	uint64_t turn_deadline_ms;	/* the control loops asked for it; 0 = none */
	uint64_t snapshot_index;	/* being saved; 0 = none */
	uint64_t snapshot_after_ms;	/* the last one failed: not before then */
	int was_ready;
	int64_t time_ns;		/* the swarm's, in the last step */
	int64_t ahead_ns;		/* of this host's clock */
	char *disk_error;		/* heap: why nothing can be written any more */
	uint64_t leave_request;
	uint64_t leave_deadline_ms;	/* 0 = not leaving */
	int left;
};

/* What one step works with. */
struct step {
	struct manager *m;
	const struct event *ev;
	struct effects *fx;
	struct raft_update update;
};

struct manager *manager_new(const struct manager_config *config, uint64_t seed)
{
	struct manager *m = mem_new(sizeof(*m));

	m->config = config;
	rng_init(&m->rng, seed);
	raft_init(&m->raft, RAFT_ID, rng_next(&m->rng));
	state_init(&m->state);
	control_init(&m->control);
	dispatch_init(&m->dispatch);
	api_init(&m->api, config);
	turn_init(&m->turn);
	held_init(&m->held);
	arena_init(&m->scratch);
	return m;
}

static void waiting_done(struct waiting *w)
{
	mem_free((void *)(uintptr_t)w->body.data);
	*w = (struct waiting){ 0 };
}

void manager_free(struct manager *m)
{
	waiting_done(&m->waiting);
	held_done(&m->held);
	turn_done(&m->turn);
	api_done(&m->api);
	dispatch_done(&m->dispatch);
	control_done(&m->control);
	state_done(&m->state);
	raft_done(&m->raft);
	arena_done(&m->scratch);
	mem_free(m->disk_error);
	mem_free(m);
}

int manager_recover_snapshot(struct manager *m, struct slice snapshot, struct errmsg *msg)
{
	struct raft_snapshot meta;

	if (raft_snapshot_parse(&snapshot, &meta) < 0)
		return errmsg_set(msg, ERR_CORRUPT, "snapshot: not in a form this version knows");
	raft_load_snapshot(&m->raft, &meta);
	if (state_load(&m->state, snapshot, msg) < 0)
		return errmsg_prefix(msg, ERR_CORRUPT, "snapshot");
	m->state.applied = meta.index;
	return 0;
}

int manager_recover_record(struct manager *m, uint64_t number, struct slice record,
			   struct errmsg *msg)
{
	if (raft_load_record(&m->raft, number, record) < 0)
		return errmsg_set(msg, ERR_CORRUPT, "log record %llu does not follow the one "
				  "before", (unsigned long long)number);
	return 0;
}

int manager_is_ready(const struct manager *m)
{
	return raft_is_ready(&m->raft) && state_cluster(&m->state) &&
	       state_node(&m->state, m->config->node_id) && !m->disk_error;
}

const struct state *manager_state(const struct manager *m)
{
	return &m->state;
}

int manager_serves(struct slice method, struct slice target)
{
	return api_serves(method, target);
}

static void reply_json(struct effects *fx, uint64_t request, int status, struct slice body)
{
	struct effect *x = effects_add(fx, EFFECT_REPLY, request);

	x->status = status;
	x->body = arena_copy(&fx->arena, body);
	if (body.len)
		x->text = SLICE("application/json");
}

static void note_change(void *context, const struct change *change)
{
	struct manager *m = context;

	control_note(&m->control, change);
	dispatch_note(&m->dispatch, change);
	m->turn_due = 1;
}

static void answer_waiting(struct manager *m, struct effects *fx, uint64_t index, int err,
			   const struct errmsg *msg)
{
	struct waiting *w = &m->waiting;

	if (w->index != index)
		return;
	if (err < 0)
		api_refused(fx, w->request, err, msg);
	else
		reply_json(fx, w->request, w->status, w->body);
	waiting_done(w);
	m->users_first = 0;
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
	answer_waiting(m, s->fx, e->index, err, &msg);
}

/* Carries out what the last raft call decided. */
static void take_update(struct step *s)
{
	for (struct raft_append *a = s->update.append; a; a = a->next)
		effects_add(s->fx, EFFECT_WAL_APPEND, a->number)->body = a->body;
	for (uint32_t i = 0; i < s->update.committed_count; i++)
		apply_entry(s, &s->update.committed[i]);
	if (raft_is_ready(&s->m->raft) && !s->m->was_ready) {
		s->m->was_ready = 1;
		control_all(&s->m->control, &s->m->state);
		s->m->turn_due = 1;
	}
}

static int propose(struct step *s, struct txn *txn, uint64_t *index)
{
	struct slice entry;
	int err = txn_finish(txn, &entry);

	if (err < 0)
		return err;
	err = raft_propose(&s->m->raft, entry, index, &s->update);
	if (err == 0)
		take_update(s);
	return err;
}

static void propose_request(struct step *s, struct api_turn *turn)
{
	struct manager *m = s->m;
	struct waiting *w = &m->waiting;
	uint64_t index;
	int err = propose(s, turn->txn, &index);

	if (err < 0) {
		api_error(s->fx, s->ev->id, 503, "the change cannot be written to the log: %s",
			  m->disk_error ? m->disk_error : err_text(err));
		return;
	}
	w->index = index;
	w->request = s->ev->id;
	w->status = turn->reply_status;
	w->body.len = turn->reply_body.len;
	w->body.data = mem_new(w->body.len);
	if (w->body.len)
		memcpy((void *)(uintptr_t)w->body.data, turn->reply_body.data, w->body.len);
}

static void api_turn_init(struct step *s, struct api_turn *turn, struct txn *txn)
{
	struct manager *m = s->m;

	*turn = (struct api_turn){
		.state = &m->state, .dispatch = &m->dispatch, .rng = &m->rng,
		.arena = &m->scratch, .fx = s->fx, .wall_ns = s->ev->wall_ns,
		.ready = m->was_ready && m->leave_deadline_ms == 0 && state_cluster(&m->state) &&
			 state_node(&m->state, m->config->node_id),
		.txn = txn,
	};
}

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

static void begin_leave(struct step *s)
{
	struct session_order order = { .leave = 1 };
	struct manager *m = s->m;
	uint64_t session = dispatch_session(&m->dispatch, m->config->node_id);

	if (m->leave_deadline_ms) {
		api_error(s->fx, s->ev->id, 503, "this node is leaving the swarm already");
		return;
	}
	m->leave_request = s->ev->id;
	m->leave_deadline_ms = s->ev->now_ms + LEAVE_MS;
	if (session)
		send_order(s, session, &order);
}

static void end_leave(struct step *s)
{
	struct manager *m = s->m;

	if (m->left)
		return;
	m->left = 1;
	reply_json(s->fx, m->leave_request, 200, (struct slice){ NULL, 0 });
	effects_add(s->fx, EFFECT_WIPE, 0);
	effects_add(s->fx, EFFECT_EXIT, 0);
}

static void run_request(struct step *s)
{
	struct api_turn turn;
	struct txn txn;

	txn_init(&txn, s->ev->wall_ns);
	api_turn_init(s, &turn, &txn);
	switch (api_request(&s->m->api, &turn, s->ev)) {
	case API_REPLIED:
		break;
	case API_PROPOSED:
		propose_request(s, &turn);
		break;
	case API_LEAVE:
		begin_leave(s);
		break;
	}
	txn_done(&txn);
}

/* One entry at a time, a user's or our own: what it holds was checked against a state in which
 * all before it are applied, so that two users never get the same port, name or subnet. */
static int entry_under_way(const struct manager *m)
{
	return m->turn_index || m->waiting.index;
}

static int is_read(const struct event *ev)
{
	return slice_is(ev->method, "GET") || slice_is(ev->method, "HEAD");
}

static void on_request(struct step *s)
{
	struct manager *m = s->m;

	if (is_read(s->ev) || (!entry_under_way(m) && !m->held.first))
		run_request(s);
	else if (m->held.count < MANAGER_REQUESTS_MAX)
		held_add(&m->held, s->ev);
	else
		api_error(s->fx, s->ev->id, 503, "too many requests wait for the log: try again");
}

/* Looks at those that waited, until one of them has made an entry. */
static void run_held(struct step *s)
{
	struct manager *m = s->m;

	while (m->held.first && !entry_under_way(m) && effects_room(s->fx) > EFFECTS_MAX / 2) {
		struct held *h = held_take(&m->held);
		struct step one = *s;

		h->ev.now_ms = s->ev->now_ms;
		h->ev.wall_ns = s->ev->wall_ns;
		one.ev = &h->ev;
		run_request(&one);
		mem_free(h);
	}
}

static void on_session_message(struct step *s)
{
	struct manager *m = s->m;
	const char *node_id = dispatch_node(&m->dispatch, s->ev->id);
	struct session_report report;
	struct api_turn turn;
	struct errmsg msg = { { 0 } };
	struct txn txn;

	if (!node_id)
		return;
	if (model_parse(&m->scratch, &session_report_table, MODEL_STORE, s->ev->body, &report,
			&msg) < 0) {
		effects_log(s->fx, LOG_ERROR, "node %s: its report does not parse: %s", node_id,
			    msg.text);
		return;
	}
	if (!m->disk_error)	/* else it would wait for ever */
		turn_report(&m->turn, node_id, &report);
	if (report.log) {
		txn_init(&txn, s->ev->wall_ns);
		api_turn_init(s, &turn, &txn);
		api_log(&m->api, &turn, report.log);
		txn_done(&txn);
	}
	if (report.resync)
		dispatch_resync(&m->dispatch, s->ev->id);
	if (report.left && m->leave_deadline_ms)
		end_leave(s);
	m->turn_due = 1;
}

static void on_session(struct step *s, int up)
{
	struct manager *m = s->m;
	struct api_turn turn;
	struct txn txn;

	if (up) {
		const char *node_id = arena_str(&m->scratch, s->ev->text);

		dispatch_up(&m->dispatch, s->ev->id, node_id);
		turn_session(&m->turn, node_id, 1);
	} else {
		const char *node_id = dispatch_node(&m->dispatch, s->ev->id);

		if (node_id)
			turn_session(&m->turn, node_id, 0);
		txn_init(&txn, s->ev->wall_ns);
		api_turn_init(s, &turn, &txn);
		api_session_down(&m->api, &turn, s->ev->id);
		txn_done(&txn);
		dispatch_down(&m->dispatch, s->ev->id);
	}
	m->turn_due = 1;
}

/* A failed write is never tried again as if nothing had happened: what the disk holds after it
 * is not known. The node goes on serving what runs, and refuses changes until it is restarted. */
static void on_disk_failed(struct step *s)
{
	struct manager *m = s->m;

	raft_disk_failed(&m->raft, &s->update);
	take_update(s);
	mem_free(m->disk_error);
	m->disk_error = mem_new(s->ev->text.len + 1);
	memcpy(m->disk_error, s->ev->text.data, s->ev->text.len);
	m->turn_index = 0;
	if (m->waiting.index)
		api_error(s->fx, m->waiting.request, 503, "the change cannot be written to the "
			  "log: %s", m->disk_error);
	waiting_done(&m->waiting);
	effects_log(s->fx, LOG_ERROR, "the log cannot be written: %s; changes are refused until "
		    "the cause is gone and this node is restarted", m->disk_error);
}

static void on_gone(struct step *s)
{
	struct api_turn turn;
	struct txn txn;

	if (held_drop(&s->m->held, s->ev->id))
		return;
	txn_init(&txn, s->ev->wall_ns);
	api_turn_init(s, &turn, &txn);
	api_gone(&s->m->api, &turn, s->ev->id);
	txn_done(&txn);
}

static void take_event(struct step *s)
{
	struct raft *r = &s->m->raft;

	switch (s->ev->kind) {
	case EVENT_START:
		if (raft_start(r, s->ev->id, s->ev->now_ms, &s->update) < 0) {
			effects_log(s->fx, LOG_ERROR, "records are missing between the snapshot "
				    "and the log: restore the data folder from a backup");
			effects_add(s->fx, EFFECT_EXIT, 0)->status = 1;
			return;
		}
		take_update(s);
		break;
	case EVENT_TIMER:
		raft_tick(r, s->ev->now_ms, &s->update);
		take_update(s);
		break;
	case EVENT_WAL_DONE:
		raft_persisted(r, s->ev->id, &s->update);
		take_update(s);
		break;
	case EVENT_WAL_FAILED:
		on_disk_failed(s);
		break;
	case EVENT_SNAPSHOT_SAVED:
		raft_compact(r, s->m->snapshot_index);
		s->m->snapshot_index = 0;
		break;
	case EVENT_SNAPSHOT_FAILED:
		s->m->snapshot_index = 0;
		s->m->snapshot_after_ms = s->ev->now_ms + SNAPSHOT_RETRY_MS;
		effects_log(s->fx, LOG_ERROR, "no snapshot could be saved: %.*s",
			    SLICE_ARGS(s->ev->text));
		break;
	case EVENT_REQUEST:
		on_request(s);
		break;
	case EVENT_REQUEST_GONE:
		on_gone(s);
		break;
	case EVENT_SESSION_UP:
		on_session(s, 1);
		break;
	case EVENT_SESSION_DOWN:
		on_session(s, 0);
		break;
	case EVENT_SESSION_MESSAGE:
		on_session_message(s);
		break;
	case EVENT_STOP:
		effects_add(s->fx, EFFECT_EXIT, 0);
		break;
	case EVENT_ENGINE_REPLY:
	case EVENT_ENGINE_DATA:
	case EVENT_PORTS_STATUS:
		break;		/* the worker's */
	}
}

static int may_turn(const struct manager *m)
{
	return raft_is_ready(&m->raft) && !entry_under_way(m) && !m->leave_deadline_ms;
}

static void take_turn(struct step *s)
{
	struct manager *m = s->m;
	struct control_turn turn;
	struct txn txn;
	uint64_t index;

	if (!may_turn(m))
		return;
	if (!m->turn_due && !(m->turn_deadline_ms && s->ev->now_ms >= m->turn_deadline_ms))
		return;
	m->turn_due = 0;
	m->turn_deadline_ms = 0;
	turn_settle(&m->turn, m->config, &m->state);
	txn_init(&txn, s->ev->wall_ns);
	turn_write(&m->turn, m->config, &m->state, &m->rng, &m->scratch, &txn);
	turn = (struct control_turn){
		.state = &m->state, .rng = &m->rng, .arena = &m->scratch,
		.wall_ns = s->ev->wall_ns, .txn = &txn,
	};
	if (state_cluster(&m->state))
		control_run(&m->control, &turn);
	if (turn.next_ns)
		m->turn_deadline_ms = s->ev->now_ms + 1 + (turn.next_ns <= s->ev->wall_ns ? 0 :
			(uint64_t)((turn.next_ns - s->ev->wall_ns) / MS_NS));
	if (txn.count && propose(s, &txn, &index) == 0)
		m->turn_index = index;
	else if (txn.count)
		control_refused(&m->control, &m->state);
	txn_done(&txn);
}

static void follow_logs(struct step *s)
{
	struct api_turn turn;

	api_turn_init(s, &turn, NULL);
	api_follow(&s->m->api, &turn);
}

static void take_snapshot(struct step *s)
{
	struct manager *m = s->m;
	uint32_t entries = m->config->snapshot_entries ? m->config->snapshot_entries
						       : MANAGER_LOG_ENTRIES_MAX;
	struct raft_snapshot meta;
	struct effect *x;
	struct buf text;

	if (s->ev->now_ms < m->snapshot_after_ms)
		return;
	if (m->snapshot_index || m->disk_error || m->raft.commit == m->raft.snapshot_index)
		return;
	if (m->raft.tail_bytes < MANAGER_LOG_BYTES_MAX &&
	    raft_tail_count(&m->raft) < entries)
		return;
	assert(m->state.applied == m->raft.commit);
	raft_snapshot_meta(&m->raft, &meta);
	buf_init(&text, SNAPSHOT_TEXT_MAX);
	raft_snapshot_build(&text, &meta);
	state_save(&m->state, &text);
	m->snapshot_index = meta.index;
	x = effects_add(s->fx, EFFECT_SNAPSHOT_SAVE, meta.index);
	x->wal_keep = meta.wal_keep;
	x->body = arena_copy(&s->fx->arena, buf_slice(&text));
	buf_done(&text);
}

static void set_timer(struct step *s)
{
	const uint64_t deadlines[] = {
		s->m->raft.deadline_ms, may_turn(s->m) ? s->m->turn_deadline_ms : 0,
		s->m->leave_deadline_ms,
		!entry_under_way(s->m) && s->m->held.first ? s->ev->now_ms : 0,
	};
	uint64_t next = 0;

	for (size_t i = 0; i < sizeof(deadlines) / sizeof(deadlines[0]); i++) {
		if (deadlines[i] && (next == 0 || deadlines[i] < next))
			next = deadlines[i];
	}
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

void manager_step(struct manager *m, const struct event *event, struct effects *fx)
{
	struct event own = *event;
	const struct event *ev = &own;
	struct step s = { .m = m, .ev = ev, .fx = fx, .update.arena = &fx->arena };

	own.wall_ns = swarm_time(m, event->wall_ns);
	arena_reset(&m->scratch);
	take_event(&s);
	if (m->left)
		return;
	if (m->leave_deadline_ms && ev->now_ms >= m->leave_deadline_ms) {
		effects_log(fx, LOG_WARNING, "the engine did not answer: containers of the swarm "
			    "may be left on this node");
		end_leave(&s);
		return;
	}
	if (m->users_first)
		run_held(&s);
	take_turn(&s);
	run_held(&s);
	/* Before that the state may lack what is committed: agents would remove what it lacks. */
	if (m->was_ready && m->leave_deadline_ms == 0)
		dispatch_run(&m->dispatch, &m->state, fx);
	follow_logs(&s);
	take_snapshot(&s);
	set_timer(&s);
}
