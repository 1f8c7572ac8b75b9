/*
 * Rolling updates, from the state alone (docker-swarm.md 5.4, 5.6). Contracts are in loop.h.
 *
 * A slot is dirty when its task is not what the service now asks for, and in flight when its
 * task was made by this update (the service's spec version, after the update's start) and has
 * not run for the delay yet. As many dirty slots are replaced at a time as are not in flight.
 */
#include "applets/manager/control/loop.h"
#include <string.h>

struct update {
	struct scene *scene;
	struct update_config config;
	int rollback;		/* this is a rollback under way */
	int64_t started_at;	/* now, when it only begins */
	uint32_t dirty, in_flight;
	uint32_t failed;	/* slots in which a task of this update failed */
	uint32_t total;		/* slots that are or were to be replaced */
	const char *failed_task;	/* id of the first of them */
	int64_t last_running;	/* when the last one of this update began to run */
};

static int lists_equal(const struct table *table, const struct list *a, const struct list *b)
{
	if (a->count != b->count)
		return 0;
	for (uint32_t i = 0; i < a->count; i++) {
		if (!model_equal(table, (const char *)a->items + i * table->size,
				 (const char *)b->items + i * table->size))
			return 0;
	}
	return 1;
}

static int is_attached(const struct task *t, const char *network_id)
{
	const struct list *has = &t->networks_attachments;

	for (uint32_t i = 0; i < has->count; i++) {
		if (strcmp(LIST_AT(has, struct network_attachment, i)->network.id, network_id) == 0)
			return 1;
	}
	return 0;
}

/* Its ports are published as the service wants it, or can be without a new task. */
static int ports_fit(const struct scene *sc, const struct task *t)
{
	const struct network *ingress = ingress_network(sc->turn->state);
	struct list ports = service_host_ports(sc->turn->arena, sc->service);

	if (!lists_equal(&port_config_table, &ports, &t->ports))
		return 0;
	return t->status.state == TASK_NEW || !ingress || !service_has_ingress(sc->service) ||
	       is_attached(t, ingress->meta.id);
}

int task_is_dirty(const struct scene *sc, const struct task *t)
{
	struct task_spec wanted = sc->service->spec.task_template;
	const struct node *n;

	if (t->spec_version == sc->service->spec_version)
		return 0;
	wanted.placement = t->spec.placement;
	if (!model_equal(&task_spec_table, &wanted, &t->spec) || !ports_fit(sc, t))
		return 1;
	if (model_equal(&task_spec_table, &sc->service->spec.task_template, &t->spec))
		return 0;
	/* Only the placement differs: a task whose node would do stays. */
	n = state_node(sc->turn->state, t->node_id);
	return !n || t->status.state < TASK_ASSIGNED ||
	       !constraints_match(sc->service->spec.task_template.placement, n);
}

/* The one that runs or shall run, else the one that ended for good: also the new one that was
 * started first and did, and so leaves the old one running. */
static const struct task *current_task(const struct scene *sc, const struct slot *slot)
{
	const struct task *active = slot_active(slot), *newest = slot->tasks[0];
	uint64_t version = sc->service->spec_version;

	if (active && (active->spec_version == version || newest->spec_version != version))
		return active;
	return newest;
}

/* Ended when nobody asked it to: before it ran, or soon after. */
static int is_failure(const struct update *u, const struct task *t)
{
	if (t->status.state != TASK_COMPLETE && t->status.state != TASK_FAILED &&
	    t->status.state != TASK_REJECTED)
		return 0;
	return t->running_at == 0 ||
	       t->status.timestamp < time_after(t->running_at, u->config.monitor);
}

static int is_of_update(const struct update *u, const struct task *t)
{
	return t->spec_version == u->scene->service->spec_version &&
	       t->meta.created_at >= u->started_at;
}

static void count_failures(struct update *u, const struct slot *slot)
{
	for (uint32_t i = slot->count; i-- > 0;) {
		const struct task *t = slot->tasks[i];

		if (!is_of_update(u, t) || !is_failure(u, t))
			continue;
		if (u->failed++ == 0)
			u->failed_task = t->meta.id;
		return;
	}
}

/* On a node that is drained or down a global service has nothing to replace. */
static int slot_is_dirty(const struct scene *sc, const struct slot *slot)
{
	if (slot->node_id && node_fitness(sc->turn, slot->node_id) != NODE_FITS)
		return 0;
	return task_is_dirty(sc, current_task(sc, slot));
}

static void count_slot(struct update *u, const struct slot *slot)
{
	const struct task *t = current_task(u->scene, slot);
	int64_t settled_at = time_after(t->running_at, u->config.delay);

	count_failures(u, slot);
	if (slot->busy) {
		u->in_flight++;
		u->total++;
	} else if (slot_is_dirty(u->scene, slot)) {
		u->dirty++;
		u->total++;
	} else if (is_of_update(u, t)) {
		u->total++;
		if (t->running_at > u->last_running)
			u->last_running = t->running_at;
		if (t->desired_state > TASK_RUNNING)
			return;		/* ended for good */
		if (t->status.state != TASK_RUNNING || t->desired_state != TASK_RUNNING) {
			u->in_flight++;
		} else if (u->scene->turn->wall_ns < settled_at) {
			u->in_flight++;
			scene_wake(u->scene, settled_at);
		}
	}
}

static struct update_config config_of(const struct service *service, int rollback)
{
	const struct update_config *given = rollback ? service->spec.rollback_config
						     : service->spec.update_config;
	struct update_config config = { .parallelism = 1 };

	if (given)
		config = *given;
	if (config.monitor == 0)
		config.monitor = UPDATE_MONITOR_DEFAULT;
	if (config.max_failure_ratio > SECOND_NS)
		config.max_failure_ratio = SECOND_NS;	/* 1, in units of 10^-9 */
	return config;
}

static void put_status(struct update *u, struct service *changed, int state, const char *message)
{
	struct update_status status = { .started_at = u->started_at };
	struct txn *txn = u->scene->turn->txn;

	status.state = state;
	status.message = message;
	if (state == UPDATE_COMPLETED || state == UPDATE_ROLLBACK_COMPLETED)
		status.completed_at = u->scene->turn->wall_ns;
	changed->update_status = &status;
	txn_put(txn, OBJECT_SERVICE, changed);
}

static void put_pause(struct update *u)
{
	struct service changed = *u->scene->service;

	put_status(u, &changed, u->rollback ? UPDATE_ROLLBACK_PAUSED : UPDATE_PAUSED,
		   arena_printf(u->scene->turn->arena,
				"%s paused due to failure or early termination of task %s",
				u->rollback ? "rollback" : "update", u->failed_task));
}

/* Back to the spec before. When its ports have been taken since, all that is left is a pause. */
static void put_rollback(struct update *u)
{
	const struct service *service = u->scene->service;
	struct control_turn *turn = u->scene->turn;
	struct service changed = *service;

	if (!service->previous_spec ||
	    allocate_ports(turn->state, turn->arena, service, service->previous_spec,
			   &changed.endpoint, NULL) < 0) {
		put_pause(u);
		return;
	}
	changed.spec = *service->previous_spec;
	changed.previous_spec = NULL;
	changed.spec_version = 0;
	u->started_at = turn->wall_ns;
	put_status(u, &changed, UPDATE_ROLLBACK_STARTED,
		   arena_printf(turn->arena,
				"update rolled back due to failure or early termination of task %s",
				u->failed_task));
}

/* Too many failures? Then no more is replaced. */
static int stop_on_failure(struct update *u)
{
	/* Both sides stay below 2^63: a ratio is at most 10^9, a count below 2^32. */
	if (u->failed == 0 || u->config.failure_action == FAILURE_CONTINUE ||
	    (int64_t)u->failed * SECOND_NS <= u->config.max_failure_ratio * (int64_t)u->total)
		return 0;
	if (!u->rollback && u->config.failure_action == FAILURE_ROLLBACK)
		put_rollback(u);
	else
		put_pause(u);
	return 1;
}

static void replace_slot(struct update *u, struct slot *slot)
{
	struct scene *sc = u->scene;
	int start_first = u->config.order == ORDER_START_FIRST && slot_active(slot);

	slot->busy = 1;
	for (uint32_t i = 0; i < slot->count && !start_first; i++) {
		if (slot->tasks[i]->desired_state <= TASK_RUNNING)
			slot_desire(sc, slot, slot->tasks[i], TASK_SHUTDOWN);
	}
	slot_add(sc, slot, start_first ? TASK_RUNNING : TASK_READY, sc->turn->wall_ns);
}

static void replace_dirty(struct update *u)
{
	struct scene *sc = u->scene;

	for (uint32_t i = 0; i < sc->slot_count; i++) {
		struct slot *slot = &sc->slots[i];

		if (slot->busy || !slot_is_dirty(sc, slot))
			continue;
		if (u->config.parallelism && u->in_flight >= u->config.parallelism)
			return;
		if (!scene_room(sc, slot->count + 1))
			return;
		replace_slot(u, slot);
		u->in_flight++;
	}
}

static void put_begin(struct update *u)
{
	struct service changed = *u->scene->service;

	put_status(u, &changed, UPDATE_UPDATING, "update in progress");
}

/* The last ones are watched for one more monitor period. */
static void end_when_due(struct update *u)
{
	const struct update_config *config = &u->config;
	struct service changed = *u->scene->service;
	int64_t watch = config->delay >= config->monitor ? time_after(config->delay, SECOND_NS)
							 : config->monitor;
	int64_t end = time_after(time_after(u->last_running, config->delay), watch);

	if (config->failure_action != FAILURE_CONTINUE && u->last_running &&
	    u->scene->turn->wall_ns < end) {
		scene_wake(u->scene, end);
		return;
	}
	put_status(u, &changed, u->rollback ? UPDATE_ROLLBACK_COMPLETED : UPDATE_COMPLETED,
		   u->rollback ? "rollback completed" : "update completed");
}

void update_run(struct scene *sc)
{
	const struct service *service = sc->service;
	const struct update_status *status = service->update_status;
	int state = status ? status->state : UPDATE_NONE;
	int under_way = state == UPDATE_UPDATING || state == UPDATE_ROLLBACK_STARTED;
	struct update u = { .scene = sc, .rollback = state == UPDATE_ROLLBACK_STARTED };

	if (state == UPDATE_PAUSED || state == UPDATE_ROLLBACK_PAUSED ||
	    txn_touches(sc->turn->txn, OBJECT_SERVICE, service->meta.id) || !scene_room(sc, 1))
		return;
	u.config = config_of(service, u.rollback);
	u.started_at = under_way ? status->started_at : sc->turn->wall_ns;
	for (uint32_t i = 0; i < sc->slot_count; i++)
		count_slot(&u, &sc->slots[i]);
	if (under_way && stop_on_failure(&u))
		return;
	if (u.dirty == 0 && u.in_flight == 0 && under_way)
		end_when_due(&u);
	if (u.dirty == 0)
		return;
	if (!under_way)
		put_begin(&u);
	replace_dirty(&u);
}
