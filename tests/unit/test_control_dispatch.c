#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "control_fixture.h"
#include "control_specs.h"
#include "model/session.h"
#include "unit.h"

/* What an agent that believes every message knows. */
struct mirror {
	struct arena arena;
	struct map tasks;	/* id -> version */
	struct map networks;
	uint64_t version;
	uint32_t messages, full;
	struct session_assign last;
	int netmaps;
	int gap;
};

static void mirror_init(struct mirror *m)
{
	*m = (struct mirror){ 0 };
	arena_init(&m->arena);
	map_init(&m->tasks);
	map_init(&m->networks);
}

static void mirror_done(struct mirror *m)
{
	arena_done(&m->arena);
	map_done(&m->tasks);
	map_done(&m->networks);
}

static void mirror_take(struct mirror *m, const struct session_assign *a)
{
	if (a->complete) {
		map_done(&m->tasks);
		map_done(&m->networks);
	} else if (a->applies_to != m->version) {
		m->gap = 1;
	}
	m->version = a->results_in;
	m->messages++;
	m->full += a->tasks.count == SESSION_TASKS_MAX;
	m->netmaps += a->netmap.len > 0;
	for (uint32_t i = 0; i < a->tasks.count; i++) {
		const struct task *t = LIST_AT(&a->tasks, struct task, i);

		map_set(&m->tasks, slice_of(t->meta.id), (void *)(uintptr_t)t->meta.version);
	}
	for (uint32_t i = 0; i < a->removed.count; i++)
		map_remove(&m->tasks, slice_of(a->removed.items[i]));
	for (uint32_t i = 0; i < a->networks.count; i++)
		map_set(&m->networks,
			slice_of(LIST_AT(&a->networks, struct network, i)->meta.id), m);
	for (uint32_t i = 0; i < a->networks_removed.count; i++)
		map_remove(&m->networks, slice_of(a->networks_removed.items[i]));
	m->last = *a;
}

/* Runs the dispatcher; what it sends to sessions first, first + 1, ... goes into the mirrors. */
static void run_all(struct world *w, uint64_t first, struct mirror *mirrors, uint64_t count)
{
	effects_reset(&w->fx);
	dispatch_run(&w->dispatch, &w->state, &w->fx);
	for (uint32_t i = 0; i < w->fx.count; i++) {
		const struct effect *x = &w->fx.items[i];
		struct mirror *m = &mirrors[x->id - first];
		struct session_order order;
		struct errmsg msg = { { 0 } };

		CHECK_INT(x->kind, EFFECT_SESSION_SEND);
		CHECK(x->id >= first && x->id - first < count);
		CHECK_INT(model_parse(&m->arena, &session_order_table, MODEL_STORE, x->body,
				      &order, &msg), 0);
		CHECK(order.assign);
		mirror_take(m, order.assign);
	}
}

static void run(struct world *w, uint64_t session, struct mirror *m)
{
	run_all(w, session, m, 1);
}

/* The mirror is what the state has for this node. */
static void check_mirror(struct world *w, const char *node, const struct mirror *m)
{
	struct state_tasks it;
	size_t n = 0;

	CHECK(!m->gap);
	for (const struct task *t = state_node_tasks(&w->state, node, &it); t;
	     t = state_tasks_next(&it)) {
		if (t->status.state < TASK_ASSIGNED)
			continue;
		n++;
		CHECK_INT((uintptr_t)map_get(&m->tasks, slice_of(t->meta.id)), t->meta.version);
		for (uint32_t i = 0; i < t->networks_attachments.count; i++) {
			const struct network_attachment *a = LIST_AT(&t->networks_attachments,
				struct network_attachment, i);

			CHECK(!state_network(&w->state, a->network.id) ||
			      map_find(&m->networks, slice_of(a->network.id)));
		}
	}
	CHECK_INT(m->tasks.count, n);
	for (struct map_entry *e = map_first(&m->networks); e; e = map_next(e))
		CHECK(state_network(&w->state, e->key.data));
}

#define NET ",\"Networks\":[{\"Target\":\"net\"}]"
#define INGRESS PORTS("{\"TargetPort\":80,\"PublishedPort\":4000}")

TEST(complete_then_incremental)
{
	struct world *w = world_new(1);
	struct mirror m;

	mirror_init(&m);
	world_node(w, "n1");
	world_network(w, "net", NULL, 0);
	dispatch_up(&w->dispatch, 7, "n1");
	CHECK_STR(dispatch_node(&w->dispatch, 7), "n1");
	CHECK_INT(dispatch_session(&w->dispatch, "n1"), 7);
	CHECK_INT(dispatch_session(&w->dispatch, "n2"), 0);
	run(w, 7, &m);
	CHECK_INT(m.messages, 1);
	CHECK(m.last.complete);
	CHECK_INT(m.netmaps, 1);
	world_create(w, "web", SERVICE(2, "a", NET, INGRESS), NULL);
	world_network(w, "ingress", NULL, 1);
	run(w, 7, &m);
	CHECK_INT(m.messages, 2);
	CHECK(!m.last.complete);
	CHECK_INT(m.last.tasks.count, 2);
	CHECK_INT(m.last.networks.count, 2);
	CHECK_INT(m.netmaps, 2);
	check_mirror(w, "n1", &m);
	run(w, 7, &m);
	CHECK_INT(m.messages, 2);
	w->agents_stop = 1;
	world_scale(w, "web", 1);
	run(w, 7, &m);
	CHECK_INT(m.last.tasks.count, 1);
	CHECK_INT(m.netmaps, 3);	/* before the task has stopped */
	w->agents_stop = 0;
	world_settle(w);
	run(w, 7, &m);
	CHECK_INT(m.last.removed.count, 1);
	CHECK_INT(m.last.networks_removed.count, 0);
	world_remove(w, "web");
	run(w, 7, &m);
	CHECK_INT(m.last.networks_removed.count, 2);
	check_mirror(w, "n1", &m);
	mirror_done(&m);
	world_free(w);
}

TEST(resync_and_a_new_session)
{
	struct world *w = world_new(1);
	struct mirror m;

	mirror_init(&m);
	world_node(w, "n1");
	world_create(w, "web", SERVICE(2, "a", "", ""), NULL);
	dispatch_up(&w->dispatch, 7, "n1");
	run(w, 7, &m);
	dispatch_resync(&w->dispatch, 7);
	run(w, 7, &m);
	CHECK(m.last.complete);
	CHECK_INT(m.last.results_in, 2);
	CHECK(m.last.netmap.len > 0);
	check_mirror(w, "n1", &m);
	dispatch_up(&w->dispatch, 8, "n1");
	CHECK(!dispatch_node(&w->dispatch, 7));
	dispatch_down(&w->dispatch, 7);
	CHECK_INT(dispatch_session(&w->dispatch, "n1"), 8);
	run(w, 8, &m);
	CHECK(m.last.complete);
	dispatch_down(&w->dispatch, 8);
	CHECK_INT(dispatch_session(&w->dispatch, "n1"), 0);
	world_scale(w, "web", 3);
	run(w, 8, &m);
	CHECK_INT(m.messages, 3);
	mirror_done(&m);
	world_free(w);
}

TEST(many_tasks_come_in_pieces)
{
	struct world *w = world_new(1);
	struct mirror m;

	mirror_init(&m);
	world_node(w, "n1");
	w->quiet = 1;
	world_create(w, "web", SERVICE(1000, "a", "", ""), NULL);
	dispatch_up(&w->dispatch, 7, "n1");
	run(w, 7, &m);
	CHECK_INT(m.messages, 3);	/* the last, which is not full, says that this is all */
	CHECK_INT(m.full, 2);
	CHECK_INT(m.last.tasks.count, 0);
	CHECK_INT(m.netmaps, 1);
	check_mirror(w, "n1", &m);
	mirror_done(&m);
	world_free(w);
}

TEST(a_network_left_and_used_again_in_one_message)
{
	struct world *w = world_new(1);
	struct mirror m;

	mirror_init(&m);
	world_node(w, "n1");
	world_network(w, "net", NULL, 0);
	dispatch_up(&w->dispatch, 7, "n1");
	world_create(w, "s0", SERVICE(1, "a", NET, ""), NULL);
	run(w, 7, &m);
	for (int i = 0; i < 20; i++) {
		world_remove(w, i % 2 ? "s1" : "s0");
		world_create(w, i % 2 ? "s0" : "s1", SERVICE(1, "a", NET, ""), NULL);
		run(w, 7, &m);
		check_mirror(w, "n1", &m);
		CHECK_INT(m.last.networks.count, 0);
		CHECK_INT(m.last.networks_removed.count, 0);
	}
	mirror_done(&m);
	world_free(w);
}

/* ---- random events ---- */

enum { NODES = 3 };
static const char *const node_names[NODES] = { "n1", "n2", "n3" };

static void check_service(struct world *w, const char *name)
{
	const struct service *s = world_service(w, name);
	uint64_t wanted = *s->spec.mode.replicated->replicas, running = 0;
	struct state_tasks it;
	struct map seen;

	map_init(&seen);
	for (const struct task *t = state_service_tasks(&w->state, name, &it); t;
	     t = state_tasks_next(&it)) {
		const struct network_attachment *a = t->networks_attachments.items;
		char slot[32];

		if (t->desired_state > TASK_RUNNING)
			continue;
		CHECK_INT(t->desired_state, TASK_RUNNING);
		CHECK_INT(t->status.state, TASK_RUNNING);
		CHECK_STR(t->spec.container_spec->image,
			  s->spec.task_template.container_spec->image);
		CHECK_INT(t->networks_attachments.count, 1);
		running++;
		snprintf(slot, sizeof(slot), "%d", (int)t->slot);
		CHECK(!map_set(&seen, slice_of(slot), w));
		CHECK(!map_set(&seen, slice_of(a->addresses.items[0]), w));
	}
	map_done(&seen);
	CHECK_INT(running, wanted);
}

/* One task runs on each node, and no other. */
static void check_global(struct world *w)
{
	struct state_tasks it;
	struct map seen;

	map_init(&seen);
	for (const struct task *t = state_service_tasks(&w->state, "agent", &it); t;
	     t = state_tasks_next(&it)) {
		if (t->desired_state > TASK_RUNNING)
			continue;
		CHECK_INT(t->status.state, TASK_RUNNING);
		CHECK(!map_set(&seen, slice_of(t->node_id), w));
	}
	CHECK_INT(seen.count, NODES);
	map_done(&seen);
}

static void set_disk(struct world *w, const char *name, const char *disk)
{
	struct node n = *state_node(&w->state, name);
	struct label label = { "disk", disk };

	n.spec.labels = (struct labels){ &label, 1 };
	world_put_node(w, &n);
}

static void random_update(struct world *w, const char *name)
{
	static const char *const images[] = { "a", "b", "c" };
	char spec[1024];

	snprintf(spec, sizeof(spec), SERVICE(%d, "%s", NET RESTART("\"Delay\":%d000000000")
		 PLACEMENT("\"Constraints\":[\"node.labels.disk!=hdd\"]"),
		 UPDATE("\"Parallelism\":%d,\"Order\":\"%s\",\"FailureAction\":\"%s\",\"Delay\":"
			"%d000000000")), images[rng_below(&w->rng, 3)],
		 (int)rng_below(&w->rng, 4), (int)rng_below(&w->rng, 9),
		 (int)rng_below(&w->rng, 4),
		 rng_chance(&w->rng, 1, 2) ? "start-first" : "stop-first",
		 rng_chance(&w->rng, 1, 2) ? "continue" : "rollback",
		 (int)rng_below(&w->rng, 3));
	world_update(w, name, spec, NULL);
}

static void random_event(struct world *w)
{
	const char *name = rng_chance(&w->rng, 1, 2) ? "web" : "db";
	uint32_t task = (uint32_t)rng_below(&w->rng, w->task_count + 1);
	const char *node = node_names[rng_below(&w->rng, NODES)];
	const struct task *t = world_task(w, task);

	switch (rng_below(&w->rng, 8)) {
	case 0:
		random_update(w, name);
		break;
	case 1:
		world_scale(w, name, rng_below(&w->rng, 12));
		break;
	case 2:
		world_node_state(w, node, rng_chance(&w->rng, 1, 3) ? NODE_DOWN : NODE_READY,
				 rng_chance(&w->rng, 1, 3) ? AVAILABILITY_DRAIN
							   : AVAILABILITY_ACTIVE);
		break;
	case 3:
		w->agents_stop = !w->agents_stop;
		break;
	case 4:
		world_new_leader(w);
		break;
	case 5:
		set_disk(w, node, rng_chance(&w->rng, 1, 2) ? "hdd" : "ssd");
		break;
	default:
		if (t && t->status.state >= TASK_ASSIGNED && !task_is_dead(t))
			world_end(w, task, rng_chance(&w->rng, 1, 2) ? TASK_FAILED : TASK_COMPLETE);
	}
	world_pass(w, (int64_t)rng_below(&w->rng, 8));
}

static void random_run(uint64_t seed)
{
	struct world *w = world_new(seed);
	struct mirror m[NODES];

	w->quiet = 1;
	w->refuse = 5;
	for (uint64_t i = 0; i < NODES; i++) {
		mirror_init(&m[i]);
		world_node(w, node_names[i]);
		dispatch_up(&w->dispatch, i + 1, node_names[i]);
	}
	world_network(w, "net", NULL, 0);
	world_create(w, "agent", "{\"TaskTemplate\":{\"ContainerSpec\":{\"Image\":\"a\"}},"
		"\"Mode\":{\"Global\":{}}}", NULL);
	world_create(w, "web", SERVICE(3, "a", NET, ""), NULL);
	world_create(w, "db", SERVICE(2, "a", NET, ""), NULL);
	for (int i = 0; i < 40 && !unit_failed(); i++) {
		random_event(w);
		if (rng_chance(&w->rng, 1, 10))
			dispatch_resync(&w->dispatch, 1 + rng_below(&w->rng, NODES));
		run_all(w, 1, m, NODES);
		for (int k = 0; k < NODES; k++)
			check_mirror(w, node_names[k], &m[k]);
	}
	w->agents_stop = 0;
	for (int i = 0; i < NODES; i++) {
		set_disk(w, node_names[i], "ssd");
		world_node_state(w, node_names[i], NODE_READY, AVAILABILITY_ACTIVE);
	}
	world_pass(w, 600);
	check_service(w, "web");
	check_service(w, "db");
	check_global(w);
	CHECK_STR(world_trace(w), "");
	if (unit_failed())
		fprintf(stderr, "seed %llu\n", (unsigned long long)seed);
	for (int i = 0; i < NODES; i++)
		mirror_done(&m[i]);
	world_free(w);
}

TEST(random_events_end_well)
{
	for (uint64_t seed = 1; seed <= 60 && !unit_failed(); seed++)
		random_run(seed);
}
