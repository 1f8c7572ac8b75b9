/* The step: hands each event to its part, then runs what there is room for and reports.
 * Contracts are in worker.h and state.h. */
#include "applets/worker/state.h"
#include "base/mem.h"

struct worker *worker_new(const struct worker_config *config, uint64_t seed)
{
	struct worker *w = mem_new(sizeof(*w));

	w->config = *config;
	rng_init(&w->rng, seed);
	lines_init(&w->events);
	arena_init(&w->description_arena);
	arena_init(&w->ports_arena);
	map_init(&w->ports_errors);
	map_init(&w->tasks);
	map_init(&w->networks);
	map_init(&w->logs);
	return w;
}

void worker_free(struct worker *w)
{
	if (!w)
		return;
	for (struct map_entry *e = map_first(&w->tasks); e; e = map_next(e))
		wtask_free(e->value);
	for (struct map_entry *e = map_first(&w->networks); e; e = map_next(e))
		wnet_free(e->value);
	for (struct map_entry *e = map_first(&w->logs); e; e = map_next(e))
		wlog_free(e->value);
	map_done(&w->tasks);
	map_done(&w->networks);
	map_done(&w->logs);
	arena_done(&w->description_arena);
	map_done(&w->ports_errors);
	arena_done(&w->ports_arena);
	lines_done(&w->events);
	mem_free(w);
}

void worker_retry_at(struct worker *w, uint64_t when_ms)
{
	if (!when_ms)
		when_ms = 1;
	if (!w->retry_ms || when_ms < w->retry_ms)
		w->retry_ms = when_ms;
}

uint64_t worker_backoff(struct worker *w, unsigned tries, uint64_t first_ms, uint64_t max_ms)
{
	uint64_t ms = tries < 16 ? first_ms << tries : max_ms;

	if (ms > max_ms)
		ms = max_ms;
	return ms - rng_below(&w->rng, ms / 4 + 1);
}

static void session_up(struct worker *w, const struct event *ev)
{
	w->session_up = 1;
	w->session = ev->id;
	w->synced = 0;
	w->news = 1;
	w->description_due = w->described;
	w->report_ms = w->sent_ms = 0;
	w->left = 0;
	for (struct map_entry *e = map_first(&w->tasks); e; e = map_next(e))
		wtask_changed(w, e->value);
}

static void session_down(struct worker *w, const struct event *ev)
{
	if (!w->session_up || ev->id != w->session)
		return;
	w->session_up = 0;
	w->synced = 0;
	wlog_end_all(w, NULL);
}

/* Every task and network of this node that the manager did not name is not its own any more. */
static void settle(struct worker *w)
{
	w->settled = 1;
	for (struct map_entry *e = map_first(&w->tasks); e; e = map_next(e)) {
		struct wtask *t = e->value;

		if (t->generation != w->generation)
			wtask_remove(w, t);
	}
	for (struct map_entry *e = map_first(&w->networks); e; e = map_next(e)) {
		struct wnet *n = e->value;

		if (n->generation != w->generation)
			wnet_remove(w, n);
	}
}

static void assign_tasks(struct worker *w, const struct list *tasks)
{
	for (uint32_t i = 0; i < tasks->count; i++) {
		const struct task *spec = LIST_AT(tasks, struct task, i);
		struct wtask *t = wtask_add(w, slice_of(spec->meta.id));

		if (t)
			wtask_assign(w, t, spec);
		else if (effects_room(w->fx) > EFFECTS_MAX / 2)
			effects_log(w->fx, LOG_ERROR, "task %s: more than %d tasks on this node",
				    spec->meta.id, WORKER_TASKS_MAX);
	}
}

static void publish(struct worker *w, struct slice netmap)
{
	struct effect *x = effects_add(w->fx, EFFECT_PUBLISH, 0);

	x->target = SLICE("netmap.json");
	x->body = netmap;
}

static void assign(struct worker *w, const struct session_assign *m)
{
	if (!m->complete && (!w->synced || m->applies_to != w->version)) {
		if (w->synced)
			wreport_resync(w);
		return;
	}
	if (m->complete) {
		w->generation++;
		w->settled = 0;
		w->synced = 1;
	}
	w->version = m->results_in;
	/* Before any stop of the same message: no new connection is led to what goes. */
	if (m->netmap.len)
		publish(w, m->netmap);
	for (uint32_t i = 0; i < m->networks.count; i++)
		wnet_assign(w, LIST_AT(&m->networks, struct network, i));
	assign_tasks(w, &m->tasks);
	for (uint32_t i = 0; i < m->removed.count; i++) {
		struct wtask *t = wtask_get(w, slice_of(m->removed.items[i]));

		if (t)
			wtask_remove(w, t);
	}
	for (uint32_t i = 0; i < m->networks_removed.count; i++) {
		struct wnet *n = wnet_get(w, slice_of(m->networks_removed.items[i]));

		if (n)
			wnet_remove(w, n);
	}
	/* A full message may be followed by the rest of a large complete set. */
	if (!w->settled && m->tasks.count < SESSION_TASKS_MAX)
		settle(w);
}

static void leave(struct worker *w)
{
	w->leaving = 1;
	effects_log(w->fx, LOG_INFO, "leaving: all of the swarm's containers and networks go");
	for (struct map_entry *e = map_first(&w->tasks); e; e = map_next(e))
		wtask_remove(w, e->value);
	for (struct map_entry *e = map_first(&w->networks); e; e = map_next(e))
		wnet_remove(w, e->value);
}

static void tell_node(struct worker *w, const struct session_node *node)
{
	struct json_writer writer;
	struct buf text;

	buf_init(&text, JSON_TEXT_MAX);
	json_begin(&writer, &text);
	model_encode(&writer, &session_node_table, MODEL_STORE, node);
	effects_add(w->fx, EFFECT_NODE, 0)->body = arena_copy(&w->fx->arena, buf_slice(&text));
	buf_done(&text);
}

static void session_message(struct worker *w, const struct event *ev)
{
	struct arena *a = &w->fx->arena;
	struct session_order order;
	struct errmsg msg = { { 0 } };

	if (!w->session_up || ev->id != w->session)
		return;
	if (model_parse(a, &session_order_table, MODEL_STORE, ev->body, &order, &msg) < 0) {
		effects_log(w->fx, LOG_ERROR, "a message of the manager: %s", msg.text);
		wreport_resync(w);
		return;
	}
	if (order.leave && !w->leaving)
		leave(w);
	if (order.node)
		tell_node(w, order.node);
	if (order.assign)
		assign(w, order.assign);
	if (order.logs)
		wlog_order(w, order.logs);
}

static void engine_reply(struct worker *w, const struct event *ev)
{
	struct call *found = wcall_find(w, ev->id), c;

	if (!found)
		return;		/* cancelled while the answer was on its way */
	c = wcall_end(w, found);
	if (ev->status == 0) {
		if (c.kind == CALL_LOG)
			wlog_end(w, c.owner, "the engine does not answer");
		wengine_lost(w, ev->text.len ? ev->text : SLICE("no answer"));
		return;
	}
	switch (c.kind) {
	case CALL_ENGINE:
		wengine_reply(w, ev);
		break;
	case CALL_EVENTS:
		wengine_lost(w, SLICE("its stream of events has ended"));
		break;
	case CALL_TASK:
		wtask_reply(w, c.owner, ev);
		break;
	case CALL_NETWORK:
		wnet_reply(w, c.owner, ev);
		break;
	case CALL_LOG:
		wlog_end(w, c.owner, ev->status == 200 ? NULL : "the engine has no log of it");
		break;
	case CALL_NONE:
		break;
	}
}

static void engine_data(struct worker *w, const struct event *ev)
{
	const struct call *c = wcall_find(w, ev->id);

	if (c && c->kind == CALL_EVENTS)
		wengine_events(w, ev->body);
	else if (c && c->kind == CALL_TASK)
		wtask_data(w, c->owner, ev->body);
	else if (c && c->kind == CALL_LOG)
		wlog_data(w, c->owner, ev->body);
}

static void timer(struct worker *w)
{
	w->timer_ms = 0;
	if (w->engine == ENGINE_DOWN && w->engine_retry_ms && w->now_ms >= w->engine_retry_ms)
		wengine_probe(w);
	if (w->retry_ms && w->now_ms >= w->retry_ms) {
		w->retry_ms = 0;
		w->net_check = 1;
		wtask_retry(w);
	}
}

static uint64_t sooner(uint64_t a, uint64_t b)
{
	return !a || (b && b < a) ? b : a;
}

static void set_timer(struct worker *w)
{
	uint64_t due = sooner(w->retry_ms, w->report_ms);

	if (w->engine == ENGINE_DOWN)
		due = sooner(due, w->engine_retry_ms);
	if (due == w->timer_ms)
		return;
	w->timer_ms = due;
	effects_add(w->fx, EFFECT_TIMER, 0)->deadline_ms = due;
}

static void stop(struct worker *w)
{
	wreport_all(w);
	effects_add(w->fx, EFFECT_EXIT, 0);
}

void worker_step(struct worker *w, const struct event *ev, struct effects *fx)
{
	w->fx = fx;
	w->now_ms = ev->now_ms;
	w->wall_ns = ev->wall_ns;
	switch (ev->kind) {
	case EVENT_START:
		wengine_probe(w);
		break;
	case EVENT_TIMER:
		timer(w);
		break;
	case EVENT_STOP:
		stop(w);
		return;		/* the containers keep running */
	case EVENT_SESSION_UP:
		session_up(w, ev);
		break;
	case EVENT_SESSION_DOWN:
		session_down(w, ev);
		break;
	case EVENT_SESSION_MESSAGE:
		session_message(w, ev);
		break;
	case EVENT_ENGINE_REPLY:
		engine_reply(w, ev);
		break;
	case EVENT_ENGINE_DATA:
		engine_data(w, ev);
		break;
	case EVENT_PORTS_STATUS:
		wports_status(w, ev->body);
		break;
	default:		/* the manager's */
		return;
	}
	wnet_pump(w);
	wtask_pump(w);
	wnet_pump(w);
	wreport_flush(w);
	set_timer(w);
}
