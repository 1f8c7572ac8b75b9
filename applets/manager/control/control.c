/* Which services to look at, and the order of things in one turn. Contracts are in control.h. */
#include "applets/manager/control/loop.h"
#include <stdio.h>
#include <string.h>
#include "base/mem.h"

/* Tasks looked at in one turn, some 10 ms of them; but one service is looked at as a whole. */
enum { TASKS_PER_TURN = 4000 };

void control_init(struct control *c)
{
	*c = (struct control){ 0 };
	map_init(&c->services);
	map_init(&c->waiting);
}

void control_done(struct control *c)
{
	for (struct map_entry *e = map_first(&c->services); e; e = map_next(e))
		mem_free(e->value);
	map_done(&c->services);
	map_done(&c->waiting);
}

/* Looks at this service at that time, or before. */
static void due_at(struct control *c, const char *service_id, int64_t at_ns)
{
	int64_t *at;

	if (!service_id)
		return;
	at = map_get(&c->services, slice_of(service_id));
	if (!at) {
		at = mem_new(sizeof(*at));
		map_set(&c->services, slice_of(service_id), at);
		*at = at_ns;
	} else if (at_ns < *at) {
		*at = at_ns;
	}
}

static void all_services(struct control *c, const struct state *s)
{
	for (struct map_entry *e = state_first(s, OBJECT_SERVICE); e; e = map_next(e))
		due_at(c, e->key.data, 0);
}

void control_all(struct control *c, const struct state *s)
{
	all_services(c, s);
	for (struct map_entry *e = state_first(s, OBJECT_TASK); e; e = map_next(e)) {
		const struct task *t = state_entry(e);

		due_at(c, t->service_id, 0);	/* also one that is gone */
		if (t->status.state <= TASK_PENDING)
			map_set(&c->waiting, e->key, NULL);
	}
	c->placeable = 1;
	c->networks_due = 1;
}

void control_refused(struct control *c, const struct state *s)
{
	control_all(c, s);
}

void control_note(struct control *c, const struct change *change)
{
	switch (change->kind) {
	case OBJECT_SERVICE:
		due_at(c, change->id, 0);
		break;
	case OBJECT_TASK:
		due_at(c, change->service_id, 0);
		if (change->action != CHANGE_REMOVE)
			map_set(&c->waiting, slice_of(change->id), NULL);
		c->placeable = 1;
		c->networks_due = 1;
		break;
	case OBJECT_NETWORK:
		c->placeable = 1;
		c->networks_due = 1;
		break;
	case OBJECT_CLUSTER:
	case OBJECT_NODE:
		c->placeable = 1;
		c->nodes_changed = 1;
		break;
	case OBJECT_KINDS:
		break;
	}
}

/* How many tasks it looked at. */
static uint32_t run_service(struct scene *sc, const char *id)
{
	uint32_t tasks = 0;

	sc->service = state_service(sc->turn->state, id);
	if (!sc->service) {
		scene_drop_all(sc, id);
		return 0;
	}
	scene_collect(sc);
	for (uint32_t i = 0; i < sc->slot_count; i++)
		tasks += sc->slots[i].count;
	for (uint32_t i = 0; i < sc->slot_count; i++)
		restart_slot(sc, &sc->slots[i]);
	if (sc->service->spec.mode.replicated)
		replicated_scale(sc);
	else if (sc->service->spec.mode.global)
		global_scale(sc);
	update_run(sc);
	for (uint32_t i = 0; i < sc->slot_count; i++)
		reap_slot(sc, &sc->slots[i]);
	return tasks;
}

/* Those that are due, from where the last turn stopped; what is left is due in the next. */
static void run_services(struct control *c, struct control_turn *turn)
{
	struct map_entry *e = map_from(&c->services, slice_of(c->next_service)), *next;
	uint32_t tasks = 0;

	for (size_t n = c->services.count; n > 0; n--, e = next) {
		struct scene sc = { .turn = turn };
		int64_t *at;

		e = e ? e : map_first(&c->services);
		next = map_next(e);
		at = e->value;
		if (*at <= turn->wall_ns && tasks >= TASKS_PER_TURN) {
			snprintf(c->next_service, sizeof(c->next_service), "%.*s",
				 SLICE_ARGS(e->key));
			turn->next_ns = turn->wall_ns;
			return;
		}
		if (*at <= turn->wall_ns) {
			tasks += run_service(&sc, e->key.data);
			*at = sc.cut ? turn->wall_ns : sc.wake_ns;
		}
		if (*at == 0) {
			mem_free(map_remove(&c->services, e->key));
			continue;
		}
		if (turn->next_ns == 0 || *at < turn->next_ns)
			turn->next_ns = *at;
	}
	c->next_service[0] = '\0';
}

static int task_needs_network(const struct task *t, const char *id)
{
	const struct list *wants = &t->spec.networks, *has = &t->networks_attachments;

	if (task_is_dead(t))
		return 0;
	for (uint32_t i = 0; i < wants->count; i++) {
		const char *target = LIST_AT(wants, struct network_target, i)->target;

		if (target && strcmp(target, id) == 0)
			return 1;
	}
	for (uint32_t i = 0; i < has->count; i++) {
		const char *attached = LIST_AT(has, struct network_attachment, i)->network.id;

		if (attached && strcmp(attached, id) == 0)
			return 1;
	}
	return 0;
}

static int network_is_needed(const struct state *s, const char *id)
{
	for (struct map_entry *e = state_first(s, OBJECT_TASK); e; e = map_next(e)) {
		if (task_needs_network(state_entry(e), id))
			return 1;
	}
	return 0;
}

/* Networks that users have removed go with their last task. */
static void run_networks(struct control *c, struct control_turn *turn)
{
	if (!c->networks_due)
		return;
	c->networks_due = 0;
	for (struct map_entry *e = state_first(turn->state, OBJECT_NETWORK); e; e = map_next(e)) {
		const struct network *n = state_entry(e);

		if (!n->pending_delete || txn_touches(turn->txn, OBJECT_NETWORK, n->meta.id) ||
		    network_is_needed(turn->state, n->meta.id))
			continue;
		if (!txn_has_room(turn->txn, 1)) {
			c->networks_due = 1;
			return;
		}
		txn_remove(turn->txn, OBJECT_NETWORK, n->meta.id, n->meta.version);
	}
}

void control_run(struct control *c, struct control_turn *turn)
{
	turn->next_ns = 0;
	if (c->nodes_changed)
		all_services(c, turn->state);
	c->nodes_changed = 0;
	run_services(c, turn);
	if (c->placeable)
		c->placeable = schedule_run(c, turn);
	run_networks(c, turn);
	if (c->placeable || c->networks_due)
		turn->next_ns = turn->wall_ns;
}
