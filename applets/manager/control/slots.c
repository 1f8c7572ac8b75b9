/* A service's tasks, sorted into slots, and what may be done to them. Contracts are in loop.h. */
#include "applets/manager/control/loop.h"
#include <assert.h>
#include <stdlib.h>
#include <string.h>

#define NODE_LOST_MAX_NS (24 * 3600 * SECOND_NS)

int scene_room(struct scene *sc, uint32_t n)
{
	if (txn_has_room(sc->turn->txn, n))
		return 1;
	sc->cut = 1;
	return 0;
}

int64_t time_after(int64_t at_ns, int64_t ns)
{
	if (ns > AFTER_MAX_NS)
		ns = AFTER_MAX_NS;
	return at_ns > INT64_MAX - ns ? INT64_MAX : at_ns + ns;
}

void scene_wake(struct scene *sc, int64_t at_ns)
{
	if (sc->wake_ns == 0 || at_ns < sc->wake_ns)
		sc->wake_ns = at_ns;
}

/* When a node is down its object was changed last when it became so, or by a user since. */
static int64_t given_up_at(const struct node *n)
{
	return time_after(n->meta.updated_at, NODE_LOST_MAX_NS);
}

enum node_fitness node_fitness(const struct control_turn *turn, const char *node_id)
{
	const struct node *n = state_node(turn->state, node_id);

	if (!n)
		return NODE_GONE;
	if (n->status.state == NODE_DOWN)
		return turn->wall_ns < given_up_at(n) ? NODE_LOST : NODE_GONE;
	return n->spec.availability == AVAILABILITY_DRAIN ? NODE_DRAINED : NODE_FITS;
}

void scene_wake_when_gone(struct scene *sc, const char *node_id)
{
	if (node_fitness(sc->turn, node_id) == NODE_LOST)
		scene_wake(sc, given_up_at(state_node(sc->turn->state, node_id)));
}

int task_has_ended(const struct control_turn *turn, const struct task *t)
{
	enum node_fitness fitness;

	if (task_is_dead(t) || t->status.state < TASK_ASSIGNED)
		return 1;
	fitness = node_fitness(turn, t->node_id);
	return fitness == NODE_GONE || fitness == NODE_LOST;
}

/* Nothing has to be told to a node any more. */
static int may_go(const struct control_turn *turn, const struct task *t)
{
	return task_is_dead(t) || t->status.state < TASK_ASSIGNED ||
	       node_fitness(turn, t->node_id) == NODE_GONE;
}

static void drop_task(struct scene *sc, const struct task *t)
{
	struct txn *txn = sc->turn->txn;
	struct task changed = *t;

	if (txn_touches(txn, OBJECT_TASK, t->meta.id) || !scene_room(sc, 1))
		return;
	if (may_go(sc->turn, t)) {
		txn_remove(txn, OBJECT_TASK, t->meta.id, t->meta.version);
		return;
	}
	scene_wake_when_gone(sc, t->node_id);
	if (t->desired_state != TASK_REMOVE) {
		changed.desired_state = TASK_REMOVE;
		txn_put(txn, OBJECT_TASK, &changed);
	}
}

void scene_drop_all(struct scene *sc, const char *service_id)
{
	struct state_tasks it;

	for (const struct task *t = state_service_tasks(sc->turn->state, service_id, &it); t;
	     t = state_tasks_next(&it))
		drop_task(sc, t);
}

static int compare_places(const struct task *a, const struct task *b)
{
	if (a->slot != b->slot)
		return a->slot < b->slot ? -1 : 1;
	if (a->slot != 0)
		return 0;
	return slice_compare(slice_of(a->node_id), slice_of(b->node_id));
}

static int compare_tasks(const void *left, const void *right)
{
	const struct task *a = *(const struct task *const *)left;
	const struct task *b = *(const struct task *const *)right;
	int order = compare_places(a, b);

	if (order)
		return order;
	if (a->meta.created_at != b->meta.created_at)
		return a->meta.created_at > b->meta.created_at ? -1 : 1;
	return strcmp(b->meta.id, a->meta.id);
}

static void cut_into_slots(struct scene *sc, const struct task **tasks, uint32_t count)
{
	struct slot *slot = NULL;

	sc->slots = arena_array(sc->turn->arena, count, sizeof(*sc->slots));
	for (uint32_t i = 0; i < count; i++) {
		if (i == 0 || compare_places(tasks[i - 1], tasks[i]) != 0) {
			slot = &sc->slots[sc->slot_count++];
			slot->number = tasks[i]->slot;
			slot->node_id = tasks[i]->slot ? NULL : tasks[i]->node_id;
			slot->tasks = &tasks[i];
		}
		slot->count++;
		slot->busy |= txn_touches(sc->turn->txn, OBJECT_TASK, tasks[i]->meta.id);
	}
}

void scene_collect(struct scene *sc)
{
	const struct state *s = sc->turn->state;
	const char *id = sc->service->meta.id;
	const struct task **tasks;
	struct state_tasks it;
	uint32_t count = 0, n = 0;

	for (const struct task *t = state_service_tasks(s, id, &it); t; t = state_tasks_next(&it))
		count++;
	tasks = arena_array(sc->turn->arena, count, sizeof(struct task *));
	for (const struct task *t = state_service_tasks(s, id, &it); t; t = state_tasks_next(&it)) {
		if (t->desired_state == TASK_REMOVE)
			drop_task(sc, t);
		else
			tasks[n++] = t;
	}
	if (n)
		qsort(tasks, n, sizeof(struct task *), compare_tasks);
	cut_into_slots(sc, tasks, n);
}

void slot_desire(struct scene *sc, struct slot *slot, const struct task *t, int desired)
{
	struct task changed = *t;

	slot->busy = 1;
	if (desired > TASK_RUNNING && t->status.state < TASK_ASSIGNED) {
		txn_remove(sc->turn->txn, OBJECT_TASK, t->meta.id, t->meta.version);
		return;
	}
	changed.desired_state = desired;
	if (desired > TASK_RUNNING && t->node_id && !task_is_dead(t) &&
	    node_fitness(sc->turn, t->node_id) == NODE_GONE) {
		changed.status.timestamp = sc->turn->wall_ns;
		changed.status.state = TASK_ORPHANED;
		changed.status.message = "Task belonged to a node that has been deleted";
	}
	txn_put(sc->turn->txn, OBJECT_TASK, &changed);
}

void slot_drop(struct scene *sc, struct slot *slot)
{
	slot->busy = 1;
	for (uint32_t i = 0; i < slot->count; i++)
		drop_task(sc, slot->tasks[i]);
}

struct list service_host_ports(struct arena *a, const struct service *service)
{
	const struct list *all = &service->endpoint.ports;
	struct port_config *ports = arena_array(a, all->count, sizeof(*ports));
	struct list host = { .items = ports };

	for (uint32_t i = 0; i < all->count; i++) {
		const struct port_config *p = LIST_AT(all, struct port_config, i);

		if (p->publish_mode == PUBLISH_HOST)
			ports[host.count++] = *p;
	}
	return host;
}

int service_has_ingress(const struct service *service)
{
	const struct list *all = &service->endpoint.ports;

	for (uint32_t i = 0; i < all->count; i++) {
		if (LIST_AT(all, struct port_config, i)->publish_mode == PUBLISH_INGRESS)
			return 1;
	}
	return 0;
}

const struct network *ingress_network(const struct state *s)
{
	for (struct map_entry *e = state_first(s, OBJECT_NETWORK); e; e = map_next(e)) {
		const struct network *n = state_entry(e);

		if (n->spec.ingress && !n->pending_delete)
			return n;
	}
	return NULL;
}

void slot_add(struct scene *sc, const struct slot *slot, int desired, int64_t start_after)
{
	const struct service *service = sc->service;
	struct task t = {
		.spec = service->spec.task_template,
		.service_id = service->meta.id,
		.service_name = service->spec.name,
		.slot = slot->number,
		.node_id = slot->node_id,
		.status = { .timestamp = sc->turn->wall_ns, .message = "created" },
		.desired_state = desired,
		.spec_version = service->spec_version,
		.ports = service_host_ports(sc->turn->arena, service),
		.start_after = start_after,
	};
	char id[ID_LEN + 1];

	id_new(sc->turn->rng, id);
	t.meta.id = id;
	txn_put(sc->turn->txn, OBJECT_TASK, &t);
}

const struct task *slot_active(const struct slot *slot)
{
	for (uint32_t i = 0; i < slot->count; i++) {
		if (slot->tasks[i]->desired_state <= TASK_RUNNING)
			return slot->tasks[i];
	}
	return NULL;
}

int slot_is_occupied(const struct slot *slot)
{
	assert(slot->count > 0);
	return slot->busy || slot_active(slot) || !restart_wanted(slot, slot->tasks[0]);
}
