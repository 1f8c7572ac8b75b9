/* Networks: made when a task first needs them, one engine call at a time, and removed when
 * the manager says so and nothing here is attached any more. Contracts are in state.h. */
#include "applets/worker/state.h"
#include <string.h>
#include "base/mem.h"
#include "docker/bridge.h"

enum { NET_RETRY_FIRST_MS = 250, NET_RETRY_MAX_MS = 10000 };

struct wnet *wnet_get(struct worker *w, struct slice id)
{
	return map_get(&w->networks, id);
}

struct wnet *wnet_add(struct worker *w, struct slice id, struct slice name)
{
	struct wnet *n = wnet_get(w, id);

	if (n)
		return n;
	if (w->networks.count >= WORKER_NETWORKS_MAX || id.len > WORKER_ID_MAX)
		return NULL;
	n = mem_new(sizeof(*n));
	memcpy(n->id, id.data, id.len);
	arena_init(&n->arena);
	n->name = arena_str(&n->arena, name);
	n->removed = w->leaving;
	map_set(&w->networks, id, n);
	return n;
}

void wnet_free(struct wnet *n)
{
	arena_done(&n->arena);
	mem_free(n);
}

void wnet_assign(struct worker *w, const struct network *spec)
{
	struct wnet *n = wnet_add(w, slice_of(spec->meta.id), slice_of(spec->spec.name));

	if (!n) {
		effects_log(w->fx, LOG_ERROR, "network %s: more than %d networks on this node",
			    spec->meta.id, WORKER_NETWORKS_MAX);
		return;
	}
	arena_reset(&n->arena);
	n->spec = model_copy(&n->arena, &network_table, spec);
	n->name = arena_str(&n->arena, slice_of(spec->spec.name));
	n->generation = w->generation;
	n->removed = w->leaving;
}

void wnet_remove(struct worker *w, struct wnet *n)
{
	n->removed = 1;
	w->net_check = 1;
}

int wnet_need(struct worker *w, struct slice id)
{
	struct wnet *n = wnet_get(w, id);

	if (!n || (!n->spec && n->presence != NET_PRESENT))
		return ERR_NOT_FOUND;
	if (n->presence == NET_PRESENT)
		return 1;
	n->wanted = 1;
	w->net_check = 1;
	return 0;
}

void wnet_doubt(struct worker *w, const struct task *t)
{
	const struct list *nets = t ? &t->networks_attachments : NULL;

	for (uint32_t i = 0; nets && i < nets->count; i++) {
		struct network_attachment *a = LIST_AT(nets, struct network_attachment, i);
		struct wnet *n = wnet_get(w, slice_of(a->network.id));

		if (n && n->spec)
			n->presence = NET_UNKNOWN;
	}
}

static int attaches(const struct task *t, const struct wnet *n)
{
	const struct list *nets = &t->networks_attachments;

	for (uint32_t i = 0; i < nets->count; i++) {
		if (strcmp(LIST_AT(nets, struct network_attachment, i)->network.id, n->id) == 0)
			return 1;
	}
	return 0;
}

/* The engine refuses while a container runs on it: it need not be asked. */
static int in_use(struct worker *w, const struct wnet *n)
{
	for (struct map_entry *e = map_first(&w->tasks); e; e = map_next(e)) {
		const struct wtask *t = e->value;

		if (t->running && t->spec && attaches(t->spec, n))
			return 1;
	}
	return 0;
}

/* The network is there (err NULL), or cannot be made: for all tasks that wait for it. */
static void tell_waiting(struct worker *w, const struct wnet *n, const char *err)
{
	for (struct map_entry *e = map_first(&w->tasks); e; e = map_next(e)) {
		struct wtask *t = e->value;

		if (t->phase != PHASE_NETWORK || !attaches(t->spec, n))
			continue;
		if (err)
			wtask_fail(w, t, "network %s: %s", n->name, err);
		else
			wtask_run(w, t);
	}
}

static void arrived(struct worker *w, struct wnet *n, const char *err)
{
	n->presence = err ? NET_UNKNOWN : NET_PRESENT;
	n->wanted = 0;
	n->tries = 0;
	tell_waiting(w, n, err);
}

static void gone(struct worker *w, struct wnet *n)
{
	map_remove(&w->networks, slice_of(n->id));
	wnet_free(n);
}

static int ask(struct worker *w, struct wnet *n, enum net_call call,
	       struct docker_request request)
{
	w->net_busy = n;
	n->asked = call;
	wcall_start(w, CALL_NETWORK, n, &request, 0);
	return 1;
}

/* 1 if a call was made for it. May free n. */
static int next(struct worker *w, struct wnet *n)
{
	struct arena *a = &w->fx->arena;

	if (n->retry_ms > w->now_ms) {
		worker_retry_at(w, n->retry_ms);
		return 0;
	}
	if (n->removed && n->presence == NET_ABSENT) {
		gone(w, n);
		return 0;
	}
	/* One of this name may be a stranger's: it is never removed unseen. */
	if (n->checking || (n->removed && n->presence == NET_UNKNOWN))
		return ask(w, n, NET_INSPECT, bridge_inspect_request(a, n->name));
	if (n->removed && in_use(w, n))
		return 0;
	if (n->removed) {
		n->presence = NET_UNKNOWN;	/* a task that comes now must wait for the end */
		return ask(w, n, NET_REMOVE, bridge_remove_request(a, n->name));
	}
	if (n->wanted && n->presence != NET_PRESENT)
		return ask(w, n, NET_CREATE, bridge_create_request(a, n->spec, w->config.node_id));
	return 0;
}

void wnet_pump(struct worker *w)
{
	struct map_entry *e, *after;

	if (!w->net_check || w->net_busy || w->engine != ENGINE_UP)
		return;
	for (e = map_first(&w->networks); e; e = after) {
		after = map_next(e);
		if (next(w, e->value))
			return;
	}
	w->net_check = 0;
}

static void try_later(struct worker *w, struct wnet *n)
{
	n->retry_ms = w->now_ms + worker_backoff(w, n->tries++, NET_RETRY_FIRST_MS,
						 NET_RETRY_MAX_MS);
}

static void checked(struct worker *w, struct wnet *n, const struct event *ev)
{
	struct bridge b;

	n->checking = 0;
	if (ev->status == 404) {	/* if a task waits for it, it is created once more */
		n->presence = NET_ABSENT;
	} else if (ev->status != 200 || bridge_parse(&w->fx->arena, ev->body, &b, NULL) < 0) {
		arrived(w, n, docker_error(&w->fx->arena, ev->status, ev->body));
		try_later(w, n);
	} else if (b.network_id && strcmp(b.network_id, n->id) != 0 &&
		   wnet_get(w, slice_of(b.network_id))) {
		n->presence = NET_ABSENT;	/* one that had its name is on its way out */
		try_later(w, n);
	} else if (!b.network_id || strcmp(b.network_id, n->id) != 0) {
		arrived(w, n, "a network of this name exists on the node and is not the swarm's");
		n->presence = NET_ABSENT;
	} else {
		arrived(w, n, NULL);
	}
}

static void removed(struct worker *w, struct wnet *n, const struct event *ev)
{
	int is_gone = ev->status == 200 || ev->status == 204 || ev->status == 404;

	n->presence = is_gone ? NET_ABSENT : NET_PRESENT;
	if (is_gone && n->removed)
		gone(w, n);
	else if (n->removed)
		try_later(w, n);
	else if (!is_gone)
		arrived(w, n, NULL);	/* assigned again meanwhile */
}

void wnet_reply(struct worker *w, struct wnet *n, const struct event *ev)
{
	w->net_busy = NULL;
	w->net_check = 1;
	if (n->asked == NET_INSPECT)
		checked(w, n, ev);
	else if (n->asked == NET_REMOVE)
		removed(w, n, ev);
	else if (ev->status == 201 || ev->status == 200)
		arrived(w, n, NULL);
	else if (ev->status == 409)
		n->checking = 1;
	else
		arrived(w, n, docker_error(&w->fx->arena, ev->status, ev->body));
}
