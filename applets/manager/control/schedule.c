/*
 * Waiting tasks: addresses, then a node (docker-swarm.md 5.1). Contracts are in loop.h.
 *
 * Both in one put where possible. Tasks of one service come one after the other, so that what
 * is known of the service on each node is counted once and kept up with each choice.
 */
#include "applets/manager/control/loop.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum {
	/* Nodes on which this many tasks of a service failed of late are chosen last. */
	FAILURES_MAX = 5,
	/* Nodes looked at for all tasks of one run, some 10 ms; the rest is placed by the next. */
	LOOKS_MAX = 500000,
};
#define FAILURES_WINDOW_NS (300 * SECOND_NS)

enum filter {
	FILTER_READY, FILTER_RESOURCES, FILTER_CONSTRAINT, FILTER_PLATFORM, FILTER_HOST_PORT,
	FILTER_MAX_REPLICAS, FILTERS,
};

struct candidate {
	const struct node *node;
	int64_t nano_cpus, memory_bytes;	/* not reserved */
	uint32_t tasks;			/* active ones */
	uint32_t of_service;		/* active ones of the service under way */
	uint32_t failures;		/* of this service and version, of late */
	int ready, meets_constraints, has_platform;	/* for the service under way */
	uint32_t *branch[SPREAD_LEVELS_MAX];	/* active ones of the service in its branch */
};

struct placing {
	struct control_turn *turn;
	struct candidate *nodes;	/* in order of ids */
	uint32_t node_count;
	struct map host_ports;		/* "node id/protocol/port": published there */
	struct pools *pools;
	const struct task *group;	/* a task of the service and version under way */
	struct spread spread;		/* its placement preferences */
	const char *hopeless;		/* why no node would do for this group, or NULL */
};

static const struct resource_limits *reservations(const struct task *t)
{
	static const struct resource_limits none;

	return t->spec.resources && t->spec.resources->reservations ?
		t->spec.resources->reservations : &none;
}

static struct slice port_key(const char *node_id, const struct port_config *p, char text[64])
{
	int n = snprintf(text, 64, "%s/%d/%llu", node_id, p->protocol,
			 (unsigned long long)p->published_port);

	return (struct slice){ text, n < 64 ? (size_t)n : 63 };
}

/* Counts t, which is or will be on this node and is not dead. */
static void occupy(struct placing *p, struct candidate *c, const struct task *t)
{
	char text[64];

	c->nano_cpus -= reservations(t)->nano_cpus;
	c->memory_bytes -= reservations(t)->memory_bytes;
	if (task_is_active(t))
		c->tasks++;
	for (uint32_t i = 0; i < t->ports.count; i++) {
		const struct port_config *port = LIST_AT(&t->ports, struct port_config, i);

		if (port->published_port)
			map_set(&p->host_ports, port_key(c->node->meta.id, port, text), c);
	}
}

static void open_nodes(struct placing *p)
{
	const struct state *s = p->turn->state;
	struct state_tasks it;

	p->nodes = arena_array(p->turn->arena, s->objects[OBJECT_NODE].count, sizeof(*p->nodes));
	for (struct map_entry *e = state_first(s, OBJECT_NODE); e; e = map_next(e)) {
		struct candidate *c = &p->nodes[p->node_count++];

		c->node = state_entry(e);
		c->nano_cpus = c->node->description.resources.nano_cpus;
		c->memory_bytes = c->node->description.resources.memory_bytes;
		for (const struct task *t = state_node_tasks(s, c->node->meta.id, &it); t;
		     t = state_tasks_next(&it)) {
			if (t->status.state >= TASK_ASSIGNED && !task_is_dead(t))
				occupy(p, c, t);
		}
	}
}

static struct candidate *find_node(struct placing *p, const char *id)
{
	uint32_t low = 0, high = p->node_count;

	while (low < high) {
		uint32_t middle = low + (high - low) / 2;
		int order = strcmp(p->nodes[middle].node->meta.id, id);

		if (order == 0)
			return &p->nodes[middle];
		if (order < 0)
			low = middle + 1;
		else
			high = middle;
	}
	return NULL;
}

static int same_group(const struct task *a, const struct task *b)
{
	return a && slice_equal(slice_of(a->service_id), slice_of(b->service_id)) &&
	       a->spec_version == b->spec_version;
}

/* One more active task of the service on this node. */
static void count_task(const struct placing *p, struct candidate *c)
{
	c->of_service++;
	for (uint32_t i = 0; i < p->spread.levels; i++)
		++*c->branch[i];
}

/* A counter for each branch, shared by its nodes. */
static void open_branches(struct placing *p, const struct task *t)
{
	struct arena *a = p->turn->arena;
	struct map counters;

	spread_read(a, t->spec.placement, &p->spread);
	for (uint32_t level = 0; level < p->spread.levels; level++) {
		map_init(&counters);
		for (uint32_t i = 0; i < p->node_count; i++) {
			struct candidate *c = &p->nodes[i];
			struct slice key = spread_branch(&p->spread, level, c->node, a);

			c->branch[level] = map_get(&counters, key);
			if (!c->branch[level]) {
				c->branch[level] = arena_new(a, sizeof(*c->branch[level]));
				map_set(&counters, key, c->branch[level]);
			}
		}
		map_done(&counters);
	}
}

/* What is known of the service of t on each node. */
static void open_group(struct placing *p, const struct task *t)
{
	struct state_tasks it;

	p->group = t;
	p->hopeless = NULL;
	for (uint32_t i = 0; i < p->node_count; i++) {
		struct candidate *c = &p->nodes[i];

		c->of_service = c->failures = 0;
		c->ready = c->node->status.state == NODE_READY &&
			   c->node->spec.availability == AVAILABILITY_ACTIVE;
		c->meets_constraints = constraints_match(t->spec.placement, c->node);
		c->has_platform = platforms_match(t->spec.placement, c->node);
	}
	open_branches(p, t);
	for (const struct task *o = state_service_tasks(p->turn->state, t->service_id, &it); o;
	     o = state_tasks_next(&it)) {
		struct candidate *c = o->node_id ? find_node(p, o->node_id) : NULL;

		if (!c || o->status.state < TASK_ASSIGNED)
			continue;
		if (task_is_active(o) && !task_is_dead(o))
			count_task(p, c);
		if ((o->status.state == TASK_FAILED || o->status.state == TASK_REJECTED) &&
		    o->spec_version == t->spec_version &&
		    o->status.timestamp > p->turn->wall_ns - FAILURES_WINDOW_NS)
			c->failures++;
	}
}

static int port_is_taken(struct placing *p, const struct candidate *c, const struct task *t)
{
	char text[64];

	for (uint32_t i = 0; i < t->ports.count; i++) {
		const struct port_config *port = LIST_AT(&t->ports, struct port_config, i);

		if (port->published_port &&
		    map_find(&p->host_ports, port_key(c->node->meta.id, port, text)))
			return 1;
	}
	return 0;
}

/* The filter that keeps t from this node, or FILTERS. */
static enum filter run_filters(struct placing *p, const struct candidate *c, const struct task *t)
{
	const struct placement *placement = t->spec.placement;
	const struct resource_limits *r = reservations(t);

	if (!c->ready)
		return FILTER_READY;
	if ((r->nano_cpus && r->nano_cpus > c->nano_cpus) ||
	    (r->memory_bytes && r->memory_bytes > c->memory_bytes))
		return FILTER_RESOURCES;
	if (!c->meets_constraints)
		return FILTER_CONSTRAINT;
	if (!c->has_platform)
		return FILTER_PLATFORM;
	if (port_is_taken(p, c, t))
		return FILTER_HOST_PORT;
	if (placement && placement->max_replicas && c->of_service >= placement->max_replicas)
		return FILTER_MAX_REPLICAS;
	return FILTERS;
}

static int is_better(const struct placing *p, const struct candidate *a, const struct candidate *b)
{
	for (uint32_t i = 0; i < p->spread.levels; i++) {
		if (*a->branch[i] != *b->branch[i])
			return *a->branch[i] < *b->branch[i];
	}
	if ((a->failures >= FAILURES_MAX || b->failures >= FAILURES_MAX) &&
	    a->failures != b->failures)
		return a->failures < b->failures;
	if (a->of_service != b->of_service)
		return a->of_service < b->of_service;
	return a->tasks < b->tasks;
}

static const char *explain_one(struct arena *a, enum filter filter, uint32_t n)
{
	const char *on = n == 1 ? "node" : "nodes";

	switch (filter) {
	case FILTER_READY:
		return arena_printf(a, "%u %s not available for new tasks", n, on);
	case FILTER_RESOURCES:
		return arena_printf(a, "insufficient resources on %u %s", n, on);
	case FILTER_CONSTRAINT:
		return arena_printf(a, "scheduling constraints not satisfied on %u %s", n, on);
	case FILTER_PLATFORM:
		return arena_printf(a, "unsupported platform on %u %s", n, on);
	case FILTER_HOST_PORT:
		return arena_printf(a, "host-mode port already in use on %u %s", n, on);
	case FILTER_MAX_REPLICAS:
		return "max replicas per node limit exceed";
	case FILTERS:
		break;
	}
	return "";
}

/* "no suitable node (...; ...)": the most frequent reason first. */
static const char *explain(struct arena *a, const uint32_t counts[FILTERS])
{
	uint32_t left[FILTERS];
	const char *text = NULL;

	memcpy(left, counts, sizeof(left));
	for (;;) {
		int most = 0;
		const char *one;

		for (int i = 1; i < FILTERS; i++) {
			if (left[i] > left[most])
				most = i;
		}
		if (left[most] == 0)
			break;
		one = explain_one(a, (enum filter)most, left[most]);
		text = text ? arena_printf(a, "%s; %s", text, one) : one;
		left[most] = 0;
	}
	return text ? arena_printf(a, "no suitable node (%s)", text) : "no suitable node";
}

/* The best node for t; NULL with *why when none will do. */
static struct candidate *choose(struct placing *p, const struct task *t, const char **why)
{
	struct candidate *best = NULL;
	uint32_t counts[FILTERS] = { 0 };

	if (!t->node_id && p->hopeless) {
		*why = p->hopeless;
		return NULL;
	}
	for (uint32_t i = 0; i < p->node_count; i++) {
		struct candidate *c = &p->nodes[i];
		enum filter filter;

		if (t->node_id && strcmp(t->node_id, c->node->meta.id) != 0)
			continue;
		filter = run_filters(p, c, t);
		if (filter < FILTERS)
			counts[filter]++;
		else if (!best || is_better(p, c, best))
			best = c;
	}
	if (best)
		return best;
	*why = explain(p->turn->arena, counts);
	if (!t->node_id)
		p->hopeless = *why;
	return NULL;
}

/* The task with its addresses, as far as there are any. Returns what is in the way, or NULL. */
static const char *give_addresses(struct placing *p, struct task *t)
{
	struct errmsg msg = { { 0 } };

	if (t->status.state != TASK_NEW)
		return NULL;
	if (pools_attach(p->pools, state_service(p->turn->state, t->service_id), t, &msg) < 0)
		return arena_str(p->turn->arena, slice_of(msg.text));
	t->status.state = TASK_PENDING;
	t->status.message = "pending task scheduling";
	return NULL;
}

static void place(struct placing *p, const struct task *stored)
{
	struct task t = *stored;
	const char *why = give_addresses(p, &t);
	struct candidate *c = why ? NULL : choose(p, &t, &why);

	if (c) {
		t.status.state = TASK_ASSIGNED;
		t.status.message = t.node_id ?
			"scheduler confirmed task can run on preassigned node" :
			"scheduler assigned task to node";
		t.node_id = c->node->meta.id;
		occupy(p, c, &t);
		count_task(p, c);
	}
	if (t.status.state == stored->status.state &&
	    slice_equal(slice_of(why), slice_of(stored->status.err)))
		return;
	t.status.err = why;
	t.status.timestamp = p->turn->wall_ns;
	txn_put(p->turn->txn, OBJECT_TASK, &t);
}

static int compare_waiting(const void *left, const void *right)
{
	const struct task *a = *(const struct task *const *)left;
	const struct task *b = *(const struct task *const *)right;
	int order = slice_compare(slice_of(a->service_id), slice_of(b->service_id));

	if (order)
		return order;
	if (a->spec_version != b->spec_version)
		return a->spec_version < b->spec_version ? -1 : 1;
	if (a->slot != b->slot)
		return a->slot < b->slot ? -1 : 1;
	return strcmp(a->meta.id, b->meta.id);
}

/* Those that still wait, sorted; the others are forgotten. */
static const struct task **waiting_tasks(struct control *c, struct control_turn *turn,
					 uint32_t *count)
{
	const struct task **list = arena_array(turn->arena, c->waiting.count, sizeof(*list));
	struct map_entry *next;

	*count = 0;
	for (struct map_entry *e = map_first(&c->waiting); e; e = next) {
		const struct task *t = state_task(turn->state, e->key.data);

		next = map_next(e);
		if (!t || t->status.state > TASK_PENDING || !task_is_active(t))
			map_remove(&c->waiting, e->key);
		else if (!txn_touches(turn->txn, OBJECT_TASK, t->meta.id))
			list[(*count)++] = t;
	}
	if (*count)
		qsort(list, *count, sizeof(*list), compare_waiting);
	return list;
}

int schedule_run(struct control *c, struct control_turn *turn)
{
	struct placing p = { .turn = turn };
	uint32_t count, i;
	const struct task **list = waiting_tasks(c, turn, &count);

	if (count == 0)
		return 0;
	map_init(&p.host_ports);
	p.pools = pools_new(turn->state, turn->arena);
	open_nodes(&p);
	/* At least one, or it would never end. */
	for (i = 0; i < count && txn_has_room(turn->txn, 1) &&
		    (i == 0 || (uint64_t)i * p.node_count < LOOKS_MAX); i++) {
		if (!same_group(p.group, list[i]))
			open_group(&p, list[i]);
		place(&p, list[i]);
	}
	pools_free(p.pools);
	map_done(&p.host_ports);
	return i < count;
}
