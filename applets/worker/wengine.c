/* Is there an engine, and what does it have. Contracts are in state.h.
 *
 * Start, and return after a loss, are one thing: ask who it is, open the stream of events,
 * list the networks and containers of this node, and let every task go on from what was
 * found. Nothing that runs is touched by it. */
#include "applets/worker/state.h"
#include "docker/bridge.h"
#include <string.h>

enum { EVENTS_OVERLAP_S = 2 };	/* events of the time just before are harmless: we only look */

static void ask(struct worker *w, enum engine_state state, struct docker_request request)
{
	w->engine = state;
	wcall_start(w, CALL_ENGINE, NULL, &request, 0);
}

void wengine_probe(struct worker *w)
{
	w->engine_retry_ms = 0;
	ask(w, ENGINE_INFO, docker_info_request(&w->fx->arena));
}

static void forget_calls(struct worker *w)
{
	wcall_cancel_all(w);
	w->quick_run = w->slow_run = (struct run_queue){ 0 };
	w->net_busy = NULL;
	for (struct map_entry *e = map_first(&w->tasks); e; e = map_next(e)) {
		struct wtask *t = e->value;

		t->queued = 0;
		wtask_hold(w, t);
	}
	for (struct map_entry *e = map_first(&w->networks); e; e = map_next(e)) {
		struct wnet *n = e->value;

		n->checking = 0;
		n->retry_ms = 0;
	}
}

/* What the engine's state does to the status of each live task, and to the node's. */
static void set_why(struct worker *w, const struct errmsg *why)
{
	if (strcmp(why->text, w->engine_why.text) == 0)
		return;
	w->engine_why = *why;
	w->news = 1;
	if (why->text[0])
		effects_log(w->fx, LOG_WARNING, "the engine does not answer: %s", why->text);
	else
		effects_log(w->fx, LOG_INFO, "the engine answers again");
	for (struct map_entry *e = map_first(&w->tasks); e; e = map_next(e)) {
		struct wtask *t = e->value;

		if (t->state < TASK_COMPLETE)
			wtask_changed(w, t);
	}
}

void wengine_lost(struct worker *w, struct slice why)
{
	struct errmsg text = { { 0 } };

	errmsg_set(&text, 0, "%.*s", SLICE_ARGS(why));
	set_why(w, &text);
	if (w->engine == ENGINE_UP && w->now_ms - w->engine_up_ms >= ENGINE_SETTLED_MS)
		w->engine_tries = 0;
	w->engine = ENGINE_DOWN;
	wlog_end_all(w, "the engine does not answer");
	forget_calls(w);
	lines_done(&w->events);
	w->engine_retry_ms = w->now_ms + worker_backoff(w, w->engine_tries++,
		ENGINE_RETRY_MIN_MS, ENGINE_RETRY_MAX_MS);
}

static void got_info(struct worker *w, const struct event *ev)
{
	struct node_description d;
	struct docker_request events;
	struct errmsg msg = { { 0 } };

	if (docker_info_parse(&w->fx->arena, ev->body, w->config.hostname, &d, &msg) < 0) {
		wengine_lost(w, slice_of(msg.text));
		return;
	}
	wreport_describe(w, &d);
	/* The stream is opened before the list is asked for, and starts before it was opened:
	 * whatever happens from here on is in one of the two. */
	events = docker_events_request(&w->fx->arena, w->config.node_id,
				       w->wall_ns / 1000000000 - EVENTS_OVERLAP_S);
	wcall_start(w, CALL_EVENTS, NULL, &events, 1);
	ask(w, ENGINE_NETWORKS, bridge_list_request(&w->fx->arena, w->config.node_id));
}

static void got_networks(struct worker *w, const struct event *ev)
{
	struct list found;
	struct errmsg msg = { { 0 } };

	if (bridge_list_parse(&w->fx->arena, ev->body, &found, &msg) < 0) {
		wengine_lost(w, slice_of(msg.text));
		return;
	}
	for (struct map_entry *e = map_first(&w->networks); e; e = map_next(e))
		((struct wnet *)e->value)->presence = NET_ABSENT;
	for (uint32_t i = 0; i < found.count; i++) {
		const struct bridge *b = LIST_AT(&found, struct bridge, i);
		struct wnet *n = b->network_id
			? wnet_add(w, slice_of(b->network_id), slice_of(b->name)) : NULL;

		if (!n)
			continue;
		n->presence = NET_PRESENT;
		if (w->settled && n->generation != w->generation)
			n->removed = 1;
	}
	w->net_check = 1;
	ask(w, ENGINE_CONTAINERS, container_list_request(&w->fx->arena, w->config.node_id));
}

static void adopt(struct worker *w, const struct container *c)
{
	struct slice id = slice_of(c->task_id ? c->task_id : c->id);
	struct wtask *t = wtask_get(w, id);

	/* Two containers that claim one task: names forbid it, so this one was renamed by hand. */
	if (t && t->listed)
		t = NULL;
	else if (!t)
		t = wtask_add(w, id);
	if (!t || strlen(c->id) > WORKER_ID_MAX) {
		effects_log(w->fx, LOG_WARNING, "container %.12s is left alone: %.*s has another",
			    c->id, SLICE_ARGS(id));
		return;
	}
	memcpy(t->container, c->id, strlen(c->id) + 1);
	t->listed = 1;
	t->running = c->state == CONTAINER_RUNNING;
	t->ran = c->state != CONTAINER_CREATED;
	if (w->settled && t->generation != w->generation)
		t->removed = 1;
}

static void up(struct worker *w)
{
	w->engine = ENGINE_UP;
	w->engine_up_ms = w->now_ms;
	set_why(w, &(struct errmsg){ { 0 } });
	for (struct map_entry *e = map_first(&w->tasks); e; e = map_next(e)) {
		struct wtask *t = e->value;

		if (!t->listed) {
			t->container[0] = '\0';
			t->running = 0;
		}
		wtask_hold(w, t);
	}
}

static void got_containers(struct worker *w, const struct event *ev)
{
	struct list found;
	struct errmsg msg = { { 0 } };

	if (container_list_parse(&w->fx->arena, ev->body, &found, &msg) < 0) {
		wengine_lost(w, slice_of(msg.text));
		return;
	}
	for (struct map_entry *e = map_first(&w->tasks); e; e = map_next(e))
		((struct wtask *)e->value)->listed = 0;
	for (uint32_t i = 0; i < found.count; i++)
		adopt(w, LIST_AT(&found, struct container, i));
	up(w);
}

void wengine_reply(struct worker *w, const struct event *ev)
{
	if (ev->status != 200) {
		wengine_lost(w, slice_of(docker_error(&w->fx->arena, ev->status, ev->body)));
		return;
	}
	switch (w->engine) {
	case ENGINE_INFO:
		got_info(w, ev);
		break;
	case ENGINE_NETWORKS:
		got_networks(w, ev);
		break;
	case ENGINE_CONTAINERS:
		got_containers(w, ev);
		break;
	case ENGINE_DOWN:
	case ENGINE_UP:
		break;
	}
}

void wengine_events(struct worker *w, struct slice piece)
{
	struct docker_event event;
	struct slice line;

	lines_feed(&w->events, piece);
	while (lines_next(&w->events, &line)) {
		if (docker_event_parse(&w->fx->arena, line, &event) == 0)
			wtask_event(w, &event);
	}
}
