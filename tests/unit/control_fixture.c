/* Contracts are in control_fixture.h. */
#include "control_fixture.h"
#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "base/timefmt.h"

#define WORLD_START (INT64_C(1000000) * SECOND_NS)

static void watch(void *context, const struct change *change)
{
	struct world *w = context;
	struct world_task *t;

	control_note(&w->control, change);
	dispatch_note(&w->dispatch, change);
	if (change->kind != OBJECT_TASK || change->action != CHANGE_CREATE)
		return;
	assert(w->task_count < WORLD_TASKS_MAX);
	t = &w->tasks[w->task_count++];
	snprintf(t->id, sizeof(t->id), "%s", change->id);
}

struct world *world_new(uint64_t seed)
{
	struct world *w = calloc(1, sizeof(*w));
	struct cluster c = { .meta.id = "cluster", .subnet_size = 24 };
	const char *pool = "10.0.0.0/8";
	struct txn txn;
	struct slice entry;

	state_init(&w->state);
	control_init(&w->control);
	dispatch_init(&w->dispatch);
	rng_init(&w->rng, seed);
	arena_init(&w->arena);
	effects_init(&w->fx);
	buf_init(&w->trace, 16 * 1024 * 1024);
	map_init(&w->lines);
	w->start_ns = w->now_ns = WORLD_START;
	c.spec.name = "default";
	c.spec.orchestration.task_history_retention_limit = 5;
	c.default_addr_pool = (struct strings){ &pool, 1 };
	txn_init(&txn, w->now_ns);
	txn_put(&txn, OBJECT_CLUSTER, &c);
	if (txn_finish(&txn, &entry) < 0)
		abort();
	(void)state_apply(&w->state, ++w->index, entry, watch, w, NULL);
	txn_done(&txn);
	return w;
}

void world_free(struct world *w)
{
	for (struct map_entry *e = map_first(&w->lines); e; e = map_next(e))
		free(e->value);
	map_done(&w->lines);
	state_done(&w->state);
	control_done(&w->control);
	dispatch_done(&w->dispatch);
	arena_done(&w->arena);
	effects_done(&w->fx);
	buf_done(&w->trace);
	free(w);
}

const char *world_trace(struct world *w)
{
	static char text[256 * 1024];

	snprintf(text, sizeof(text), "%s", buf_str(&w->trace));
	buf_reset(&w->trace);
	return text;
}

static int apply(struct world *w, struct txn *txn)
{
	struct errmsg msg = { { 0 } };
	struct slice entry;
	int err = txn_finish(txn, &entry);

	if (err == 0)
		err = state_apply(&w->state, ++w->index, entry, watch, w, &msg);
	if (err < 0)
		buf_printf(&w->trace, "refused: %s\n", msg.text);
	return err;
}

static int64_t seconds_of(const struct world *w)
{
	return (w->now_ns - w->start_ns) / SECOND_NS;
}

static void trace_task(struct world *w, uint32_t i)
{
	struct world_task *wt = &w->tasks[i];
	const struct task *t = state_task(&w->state, wt->id);
	char line[256];

	if (wt->gone)
		return;
	if (!t) {
		wt->gone = 1;
		snprintf(line, sizeof(line), "gone");
	} else {
		snprintf(line, sizeof(line), "%s.%d %s %s want %s%s%s",
			 t->service_name, (int)t->slot, t->node_id ? t->node_id : "-",
			 task_state_names[t->status.state], task_state_names[t->desired_state],
			 t->status.err ? ": " : "", t->status.err ? t->status.err : "");
	}
	if (strcmp(line, wt->line) == 0)
		return;
	memcpy(wt->line, line, sizeof(line));
	if (!w->quiet)
		buf_printf(&w->trace, "%d t%u %s\n", (int)seconds_of(w), i + 1, line);
}

static const char *const update_names[] = {
	"none", "updating", "paused", "completed", "rolling back", "rollback paused",
	"rolled back",
};

/* Ids are random: the text names the label of a task instead. */
static void label_text(const struct world *w, const char *text, char *out, size_t size)
{
	for (uint32_t i = 0; i < w->task_count; i++) {
		const char *at = strstr(text, w->tasks[i].id);

		if (!at)
			continue;
		snprintf(out, size, "%.*st%u%s", (int)(at - text), text, i + 1, at + ID_LEN);
		return;
	}
	snprintf(out, size, "%s", text);
}

static void trace_updates(struct world *w)
{
	for (struct map_entry *e = state_first(&w->state, OBJECT_SERVICE); e; e = map_next(e)) {
		const struct service *s = state_entry(e);
		char line[512], text[256];
		char *old = map_get(&w->lines, slice_of(s->meta.id));

		if (!s->update_status)
			continue;
		label_text(w, s->update_status->message ? s->update_status->message : "", text,
			   sizeof(text));
		snprintf(line, sizeof(line), "%s %s: %s", s->spec.name,
			 update_names[s->update_status->state], text);
		if (old && strcmp(old, line) == 0)
			continue;
		if (!w->quiet)
			buf_printf(&w->trace, "%d %s\n", (int)seconds_of(w), line);
		free(map_set(&w->lines, slice_of(s->meta.id), strdup(line)));
	}
}

/* One turn of the loops; 1 when it changed something. */
static int turn(struct world *w)
{
	struct control_turn t = { .state = &w->state, .rng = &w->rng, .arena = &w->arena };
	struct txn txn;
	int changed;

	arena_reset(&w->arena);
	txn_init(&txn, w->now_ns);
	t.wall_ns = w->now_ns;
	t.txn = &txn;
	control_run(&w->control, &t);
	w->next_ns = t.next_ns;
	changed = txn.count > 0;
	if (changed && w->refuse && rng_chance(&w->rng, 1, w->refuse))
		control_refused(&w->control, &w->state);
	else if (changed && apply(w, &txn) < 0)
		control_refused(&w->control, &w->state);
	txn_done(&txn);
	return changed;
}

/* What the agent makes of a task next; its present state when there is nothing to do. */
static int agent_next(const struct world *w, const struct task *t)
{
	const char *image = t->spec.container_spec ? t->spec.container_spec->image : "";
	const struct node *n = state_node(&w->state, t->node_id);
	int state = t->status.state;

	if (state < TASK_ASSIGNED || task_is_dead(t) || !n || n->status.state != NODE_READY)
		return state;
	if (t->desired_state >= TASK_SHUTDOWN)
		return w->agents_stop ? state : TASK_SHUTDOWN;
	if (strcmp(image, "bad") == 0)
		return TASK_REJECTED;
	if (state < TASK_READY)
		return TASK_READY;
	if (t->desired_state < TASK_RUNNING)
		return state;
	if (strcmp(image, "crash") == 0)
		return TASK_FAILED;
	if (state == TASK_RUNNING && strcmp(image, "once") == 0)
		return TASK_COMPLETE;
	return TASK_RUNNING;
}

static void put_state(struct world *w, struct txn *txn, const struct task *t, int state)
{
	struct task changed = *t;

	changed.status = (struct task_status){ .timestamp = w->now_ns, .state = state };
	if (state == TASK_RUNNING && !changed.running_at)
		changed.running_at = w->now_ns;
	txn_put(txn, OBJECT_TASK, &changed);
}

static int agents(struct world *w)
{
	struct txn txn;
	int changed;

	txn_init(&txn, w->now_ns);
	for (struct map_entry *e = state_first(&w->state, OBJECT_TASK); e; e = map_next(e)) {
		const struct task *t = state_entry(e);
		int next = agent_next(w, t);

		if (next != t->status.state && txn_has_room(&txn, 1))
			put_state(w, &txn, t, next);
	}
	changed = txn.count > 0;
	if (changed)
		(void)apply(w, &txn);
	txn_done(&txn);
	return changed;
}

void world_settle(struct world *w)
{
	for (int i = 0; i < 1000; i++) {
		int changed = turn(w);

		changed |= agents(w);
		if (!changed) {
			for (uint32_t k = 0; k < w->task_count; k++)
				trace_task(w, k);
			trace_updates(w);
			return;
		}
	}
	buf_printf(&w->trace, "%d does not settle\n", (int)seconds_of(w));
}

void world_pass(struct world *w, int64_t seconds)
{
	int64_t end = w->now_ns + seconds * SECOND_NS;

	while (w->next_ns && w->next_ns <= end) {
		if (w->next_ns > w->now_ns)
			w->now_ns = w->next_ns;
		else
			w->now_ns += MS_NS;
		world_settle(w);
	}
	w->now_ns = end;
	world_settle(w);
}

static void put_one(struct world *w, enum object_kind kind, const void *object)
{
	struct txn txn;

	txn_init(&txn, w->now_ns);
	txn_put(&txn, kind, object);
	(void)apply(w, &txn);
	txn_done(&txn);
	world_settle(w);
}

static void remove_one(struct world *w, enum object_kind kind, const char *id)
{
	const struct meta *meta = state_find(&w->state, kind, id);
	struct txn txn;

	txn_init(&txn, w->now_ns);
	txn_remove(&txn, kind, id, meta->version);
	(void)apply(w, &txn);
	txn_done(&txn);
	world_settle(w);
}

void world_node(struct world *w, const char *name)
{
	struct node n = { .meta.id = name };

	n.description.hostname = name;
	n.description.resources.nano_cpus = 4 * SECOND_NS;
	n.description.resources.memory_bytes = INT64_C(8) << 30;
	n.status.state = NODE_READY;
	put_one(w, OBJECT_NODE, &n);
}

void world_node_state(struct world *w, const char *name, int state, int availability)
{
	struct node n = *state_node(&w->state, name);

	n.status.state = state;
	n.spec.availability = availability;
	put_one(w, OBJECT_NODE, &n);
}

void world_put_node(struct world *w, const struct node *n)
{
	put_one(w, OBJECT_NODE, n);
}

void world_node_remove(struct world *w, const char *name)
{
	remove_one(w, OBJECT_NODE, name);
}

void world_network(struct world *w, const char *name, const char *subnet, int ingress)
{
	struct network n = { .meta.id = name };
	struct ipam_config config = { .subnet = subnet };
	struct errmsg msg = { { 0 } };

	n.spec.name = name;
	n.spec.ingress = ingress;
	if (subnet)
		n.spec.ipam.config = (struct list){ &config, 1 };
	arena_reset(&w->arena);
	if (allocate_subnet(&w->state, &w->arena, &n.spec, &msg) < 0)
		buf_printf(&w->trace, "%s: %s\n", name, msg.text);
	else
		put_one(w, OBJECT_NETWORK, &n);
}

void world_network_delete(struct world *w, const char *name)
{
	struct network n = *state_network(&w->state, name);

	n.pending_delete = 1;
	put_one(w, OBJECT_NETWORK, &n);
}

static int put_service(struct world *w, const char *name, const char *text, struct errmsg *msg)
{
	const struct service *old = state_service(&w->state, name);
	struct service s = { .meta.id = name };
	struct service_spec previous;
	struct arena a;
	int err;

	arena_init(&a);
	if (old)
		s = *old;
	previous = s.spec;
	err = model_parse(&a, &service_spec_table, MODEL_API, slice_of(text), &s.spec, msg);
	s.spec.name = name;
	s.previous_spec = old ? &previous : NULL;
	s.update_status = NULL;
	s.spec_version = 0;
	if (err == 0)
		err = allocate_ports(&w->state, &a, old, &s.spec, &s.endpoint, msg);
	if (err == 0)
		put_one(w, OBJECT_SERVICE, &s);
	arena_done(&a);
	return err;
}

int world_create(struct world *w, const char *name, const char *spec, struct errmsg *msg)
{
	return put_service(w, name, spec, msg);
}

int world_update(struct world *w, const char *name, const char *spec, struct errmsg *msg)
{
	return put_service(w, name, spec, msg);
}

void world_scale(struct world *w, const char *name, uint64_t replicas)
{
	struct service s = *state_service(&w->state, name);
	struct replicated_mode mode = { &replicas };
	struct service_spec previous = s.spec;

	s.previous_spec = &previous;
	s.spec.mode.replicated = &mode;
	s.update_status = NULL;
	s.spec_version = 0;
	put_one(w, OBJECT_SERVICE, &s);
}

void world_remove(struct world *w, const char *name)
{
	remove_one(w, OBJECT_SERVICE, name);
}

const struct task *world_task(struct world *w, uint32_t task)
{
	return task >= 1 && task <= w->task_count ?
		state_task(&w->state, w->tasks[task - 1].id) : NULL;
}

const struct service *world_service(struct world *w, const char *name)
{
	return state_service(&w->state, name);
}

void world_end(struct world *w, uint32_t task, int state)
{
	const struct task *t = world_task(w, task);
	struct txn txn;

	if (!t)
		return;
	txn_init(&txn, w->now_ns);
	put_state(w, &txn, t, state);
	(void)apply(w, &txn);
	txn_done(&txn);
	world_settle(w);
}

void world_new_leader(struct world *w)
{
	control_done(&w->control);
	control_init(&w->control);
	control_all(&w->control, &w->state);
	world_settle(w);
}
