/* What must always hold, and what must hold in the end. Contracts are in sim.h. */
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include "base/mem.h"
#include "codec/netmap.h"
#include "raft/raft.h"
#include "sim.h"

enum { COMPARE_EVERY = 100, STATE_TEXT_MAX = 64 << 20 };
#define STOP_WAIT_NS (INT64_C(60) * 1000000000)

/* A task as it was seen last. */
struct seen_task {
	int state, desired;
	char node[32];
	int gone;
	int attached;
	int64_t not_before;	/* it follows one that ended by itself: when it may start */
};

uint64_t check_mark(const struct task_spec *t)
{
	uint64_t mark = 0;

	for (uint32_t i = 0; t->container_spec && i < t->container_spec->env.count; i++) {
		struct slice value = slice_of(t->container_spec->env.items[i]);

		if (slice_is(slice_cut(&value, '='), "SIM_MARK"))
			(void)slice_to_u64(value, UINT64_MAX, &mark);
	}
	return mark;
}

void check_init(struct sim *sim)
{
	state_init(&sim->checks.shadow);
	map_init(&sim->checks.tasks);
	map_init(&sim->checks.services);
	sim->checks.recovering = 1;
}

void check_done(struct sim *sim)
{
	state_done(&sim->checks.shadow);
	for (struct map_entry *e = map_first(&sim->checks.tasks); e; e = map_next(e))
		mem_free(e->value);
	map_done(&sim->checks.tasks);
	map_done(&sim->checks.services);
}

/* ---- tasks --------------------------------------------------------------------- */

/* Holds its addresses: it runs, or is meant to. */
static int is_live(const struct task *t)
{
	return !task_is_dead(t) && (t->status.state >= TASK_ASSIGNED ||
				    t->desired_state <= TASK_RUNNING);
}

static int share_address(const struct task *a, const struct task *b)
{
	for (uint32_t i = 0; i < a->networks_attachments.count; i++) {
		const struct network_attachment *x = LIST_AT(&a->networks_attachments,
							     struct network_attachment, i);

		for (uint32_t k = 0; k < b->networks_attachments.count; k++) {
			const struct network_attachment *y = LIST_AT(&b->networks_attachments,
				struct network_attachment, k);

			if (strcmp(x->network.id, y->network.id) == 0 &&
			    strcmp(x->addresses.items[0], y->addresses.items[0]) == 0)
				return 1;
		}
	}
	return 0;
}

static void check_addresses(struct sim *sim, const struct task *t)
{
	for (struct map_entry *e = state_first(&sim->checks.shadow, OBJECT_TASK); e;
	     e = map_next(e)) {
		const struct task *other = state_entry(e);

		if (other != t && is_live(other) && share_address(t, other))
			sim_fail(sim, "tasks %s and %s share an address", t->meta.id,
				 other->meta.id);
	}
}

static int runs(const struct task *t)
{
	return t->status.state == TASK_RUNNING && t->desired_state == TASK_RUNNING;
}

static void check_slot(struct sim *sim, const struct task *t)
{
	struct state_tasks it;

	if (!runs(t) || map_get(&sim->checks.services, slice_of(t->service_id)))
		return;
	for (const struct task *o = state_service_tasks(&sim->checks.shadow, t->service_id, &it); o;
	     o = state_tasks_next(&it)) {
		if (o != t && o->slot == t->slot && runs(o))
			sim_fail(sim, "slot %llu of %s runs twice: %s and %s",
				 (unsigned long long)t->slot, t->service_name, t->meta.id,
				 o->meta.id);
	}
}

/* The newest task of its slot before it. */
static const struct task *predecessor(struct sim *sim, const struct task *t)
{
	const struct task *found = NULL;
	struct state_tasks it;

	for (const struct task *o = state_service_tasks(&sim->checks.shadow, t->service_id, &it); o;
	     o = state_tasks_next(&it)) {
		if (o != t && o->slot == t->slot && o->meta.created_at < t->meta.created_at &&
		    (!found || o->meta.created_at > found->meta.created_at))
			found = o;
	}
	return found;
}

static void note_delay(struct sim *sim, const struct task *t, struct seen_task *seen)
{
	const struct task *before = predecessor(sim, t);
	const struct restart_policy *policy = t->spec.restart_policy;
	const struct node *n = state_node(&sim->checks.shadow, SIM_NODE);

	/* With a clock that is set the delay is kept roughly only. */
	if (!before || sim->options[OPT_CLOCK] || before->spec_version != t->spec_version ||
	    before->desired_state != TASK_SHUTDOWN || !n ||
	    n->spec.availability != AVAILABILITY_ACTIVE || n->meta.version + 5 > t->meta.version ||
	    (before->status.state != TASK_COMPLETE && before->status.state != TASK_FAILED &&
	     before->status.state != TASK_REJECTED))
		return;
	seen->not_before = before->status.timestamp +
			   (policy && policy->delay ? *policy->delay : RESTART_DELAY_DEFAULT);
}

static void check_task(struct sim *sim, const struct change *change)
{
	const struct task *t = state_task(&sim->checks.shadow, change->id);
	struct seen_task *seen = map_get(&sim->checks.tasks, slice_of(change->id));
	int first = !seen;

	if (!seen) {
		seen = mem_new(sizeof(*seen));
		map_set(&sim->checks.tasks, slice_of(change->id), seen);
	}
	if (!t) {
		seen->gone = 1;
		return;
	}
	if (seen->gone)
		sim_fail(sim, "task %s comes back", change->id);
	if (t->status.state < seen->state)
		sim_fail(sim, "task %s goes back from %s to %s", change->id,
			 task_state_names[seen->state], task_state_names[t->status.state]);
	if (t->desired_state < seen->desired)
		sim_fail(sim, "desired state of task %s goes back", change->id);
	if (*seen->node && (!t->node_id || strcmp(seen->node, t->node_id) != 0))
		sim_fail(sim, "task %s moves to another node", change->id);
	if (first)
		note_delay(sim, t, seen);
	if (t->desired_state == TASK_RUNNING && (first || seen->desired < TASK_RUNNING) &&
	    t->meta.updated_at < seen->not_before)
		sim_fail(sim, "task %s starts before its restart delay is over", change->id);
	if (!seen->attached && t->networks_attachments.count) {
		seen->attached = 1;
		check_addresses(sim, t);
	}
	if (t->node_id)
		snprintf(seen->node, sizeof(seen->node), "%s", t->node_id);
	seen->state = t->status.state;
	seen->desired = t->desired_state;
	check_slot(sim, t);
}

static int starts_first(const struct update_config *c)
{
	return c && c->order == ORDER_START_FIRST;
}

static void note_service(struct sim *sim, const struct change *change)
{
	const struct service *s = state_service(&sim->checks.shadow, change->id);
	int state = s && s->update_status ? s->update_status->state : UPDATE_NONE;

	if (!s)
		return;
	if (starts_first(s->spec.update_config) || starts_first(s->spec.rollback_config))
		map_set(&sim->checks.services, slice_of(change->id), sim);
	sim->marks[MARK_PAUSED] += state == UPDATE_PAUSED;
	sim->marks[MARK_ROLLED_BACK] += state == UPDATE_ROLLBACK_STARTED;
	for (int i = 0; i < SERVICES; i++) {
		struct client_service *c = &sim->clients.services[i];

		if (strcmp(c->id, change->id) == 0 && state >= UPDATE_ROLLBACK_STARTED)
			c->rolls_back = 1;
	}
}

static void note(void *context, const struct change *change)
{
	struct sim *sim = context;
	const struct node *n;

	if (change->kind == OBJECT_TASK)
		check_task(sim, change);
	if (change->kind == OBJECT_SERVICE)
		note_service(sim, change);
	if (change->kind == OBJECT_NODE) {
		n = state_node(&sim->checks.shadow, change->id);
		sim->marks[MARK_DRAIN] += n && n->spec.availability == AVAILABILITY_DRAIN;
	}
}

/* ---- the log and the state ----------------------------------------------------- */

/* Applies to the shadow what the manager has applied. */
static void advance(struct sim *sim, uint64_t to)
{
	struct state *shadow = &sim->checks.shadow;

	while (shadow->applied < to && !sim->failed) {
		const struct record *r = disk_find(&sim->disk, shadow->applied + 1);
		struct raft_record parsed;
		struct errmsg msg = { { 0 } };

		if (!r || raft_record_parse(r->body, &parsed) < 0) {
			sim_fail(sim, "entry %llu was applied and is not in the log",
				 (unsigned long long)shadow->applied + 1);
			return;
		}
		if (r->number > sim->disk.durable)
			sim_fail(sim, "entry %llu is applied before it is durable",
				 (unsigned long long)r->index);
		if (parsed.entry.kind == RAFT_COMMAND)
			(void)state_apply(shadow, r->index, parsed.entry.data, note, sim, &msg);
		else
			shadow->applied = r->index;
	}
}

static void compare(struct sim *sim, const struct state *state)
{
	struct buf a, b;

	buf_init(&a, STATE_TEXT_MAX);
	buf_init(&b, STATE_TEXT_MAX);
	state_save(state, &a);
	state_save(&sim->checks.shadow, &b);
	if (!slice_equal(buf_slice(&a), buf_slice(&b)))
		sim_fail(sim, "the state at index %llu is not what was applied up to it",
			 (unsigned long long)state->applied);
	sim->checks.compared = state->applied;
	buf_done(&a);
	buf_done(&b);
}

/* What was acknowledged is there until its removal was asked for. */
static void check_services(struct sim *sim, const struct state *state)
{
	for (int i = 0; i < SERVICES; i++) {
		const struct client_service *c = &sim->clients.services[i];
		const struct service *s;

		if (!*c->id || c->removing)
			continue;
		s = state_service(state, c->id);
		if (!s)
			sim_fail(sim, "acknowledged service svc%d (%s) is lost", i, c->id);
		else if (check_mark(&s->spec.task_template) < c->acked && !c->rolls_back)
			sim_fail(sim, "acknowledged update %llu of svc%d is lost",
				 (unsigned long long)c->acked, i);
	}
}

void check_crashed(struct sim *sim)
{
	sim->checks.recovering = 1;
}

void check_step(struct sim *sim, enum who who)
{
	const struct state *state = manager_state(sim->manager);
	uint64_t before = sim->checks.shadow.applied;

	if (who != MANAGER)
		return;
	if (state->applied > before)
		advance(sim, state->applied);
	if (sim->checks.recovering && manager_is_ready(sim->manager)) {
		sim->checks.recovering = 0;
		if (state->applied < before) {
			sim_fail(sim, "the manager is ready at index %llu, %llu was applied before",
				 (unsigned long long)state->applied, (unsigned long long)before);
			return;
		}
		compare(sim, state);
		check_services(sim, state);
	} else if (!sim->checks.recovering && state->applied > before) {
		check_services(sim, state);
		if (state->applied >= sim->checks.compared + COMPARE_EVERY)
			compare(sim, state);
	}
}

void check_acked(struct sim *sim, const struct client_request *r, const char *id)
{
	const struct service *s = state_service(manager_state(sim->manager), id);

	if (r->kind == REQUEST_REMOVE) {
		if (s)
			sim_fail(sim, "the removal of svc%d is acknowledged and not done", r->slot);
	} else if (!s || check_mark(&s->spec.task_template) != r->mark) {
		sim_fail(sim, "request %llu for svc%d is acknowledged and not done",
			 (unsigned long long)r->id, r->slot);
	}
}

/* ---- the engine ---------------------------------------------------------------- */

void check_create(struct sim *sim, const struct container *c)
{
	for (const struct container *o = sim->engine.containers; o; o = o->next) {
		if (strcmp(o->task, c->task) == 0)
			sim_fail(sim, "a second container for task %s", c->task);
	}
}

/* One that waits for its start waits for the one before it to end, up to a minute. */
static void check_order(struct sim *sim, const struct task *t)
{
	const struct state *state = &sim->checks.shadow;

	if (!t->start_after || sim->options[OPT_CLOCK] ||
	    sim_wall_ns(sim) > t->start_after + STOP_WAIT_NS ||
	    map_get(&sim->checks.services, slice_of(t->service_id)))
		return;
	for (const struct container *o = sim->engine.containers; o; o = o->next) {
		const struct task *before = state_task(state, o->task);

		if (before && before != t && o->state == RUNNING && !task_is_dead(before) &&
		    before->slot == t->slot && before->desired_state == TASK_SHUTDOWN &&
		    strcmp(before->service_id, t->service_id) == 0)
			sim_fail(sim, "container of task %s is started before %s has ended",
				 t->meta.id, o->name);
	}
}

void check_start(struct sim *sim, const struct container *c)
{
	const struct task *t = state_task(&sim->checks.shadow, c->task);

	/* Nobody can take back what an engine was asked for. In the end it must be gone. */
	if (sim->engine.alone)
		return;
	if (c->starts)
		sim_fail(sim, "container %s is started a second time", c->name);
	if (t && task_is_dead(t))
		sim_fail(sim, "container %s is started and its task is dead", c->name);
	if (t)
		check_order(sim, t);
}

void check_address(struct sim *sim, const struct container *c, const struct container *other)
{
	const struct task *t = state_task(&sim->checks.shadow, other->task);

	if (t && !task_is_dead(t))
		sim_fail(sim, "%s is started with the address of %s", c->name, other->name);
}

void check_stop(struct sim *sim, const struct container *c)
{
	const struct task *t = state_task(&sim->checks.shadow, c->task);
	struct slice map = buf_slice(&sim->netmap);

	if (c->health == UNHEALTHY || c->disowned || sim->clients.leaving)
		return;
	if (t && !task_is_dead(t) && t->desired_state <= TASK_RUNNING)
		sim_fail(sim, "container %s is stopped and its task is to run", c->name);
	for (; map.len >= strlen(c->task); map.data++, map.len--) {
		if (slice_has_prefix(map, c->task)) {
			sim_fail(sim, "container %s is stopped while it is in the netmap", c->name);
			return;
		}
	}
}

static void explain(char why[256], const char *format, ...)
	__attribute__((format(printf, 2, 3)));

static void explain(char why[256], const char *format, ...)
{
	va_list args;

	va_start(args, format);
	vsnprintf(why, 256, format, args);
	va_end(args);
}

/* ---- the end ------------------------------------------------------------------- */

/* A network of the name of one of its own is removed and still in use. */
static int waits_for_network(const struct state *state, const struct service *s)
{
	const struct list *targets = &s->spec.task_template.networks;

	for (uint32_t i = 0; i < targets->count; i++) {
		const struct network *own =
			state_network(state, LIST_AT(targets, struct network_target, i)->target);

		for (struct map_entry *e = state_first(state, OBJECT_NETWORK); own && e;
		     e = map_next(e)) {
			const struct network *n = state_entry(e);

			if (n->pending_delete && strcmp(n->spec.name, own->spec.name) == 0)
				return 1;
		}
	}
	return 0;
}

int check_may_rest(const struct sim *sim, const struct service *s)
{
	const struct restart_policy *p = s->spec.task_template.restart_policy;
	int state = s->update_status ? s->update_status->state : UPDATE_NONE;

	return (p && (p->condition != RESTART_ANY || p->max_attempts)) ||
	       state == UPDATE_PAUSED || state == UPDATE_ROLLBACK_PAUSED ||
	       waits_for_network(&sim->checks.shadow, s);
}

static int is_up(const struct container *c)
{
	return c->state == RUNNING && (c->health == NO_CHECK || c->health == HEALTHY);
}

int check_service(struct sim *sim, const struct service *s, char why[256])
{
	uint64_t mark = check_mark(&s->spec.task_template), right = 0, all = 0;
	uint64_t wanted = s->spec.mode.replicated ? *s->spec.mode.replicated->replicas : 1;

	for (const struct container *c = sim->engine.containers; c; c = c->next) {
		if (strcmp(c->service, s->meta.id) != 0)
			continue;
		all += c->state == RUNNING;
		right += is_up(c) && c->mark == mark;
	}
	explain(why, "%s runs %llu containers, %llu as it should be, and wants %llu",
		 s->spec.name, (unsigned long long)all, (unsigned long long)right,
		 (unsigned long long)wanted);
	return all == right && right == wanted;
}

static int check_containers(struct sim *sim, char why[256])
{
	const struct state *state = &sim->checks.shadow;

	for (const struct container *c = sim->engine.containers; c; c = c->next) {
		const struct task *t = state_task(state, c->task);

		if (!t || (c->state == RUNNING) != (t->status.state == TASK_RUNNING)) {
			explain(why, "container %s is %s, its task %s", c->name,
				 c->state == RUNNING ? "running" : "not running",
				 t ? task_state_names[t->status.state] : "gone");
			return 0;
		}
	}
	for (struct map_entry *e = state_first(state, OBJECT_TASK); e; e = map_next(e)) {
		const struct task *t = state_entry(e);
		const struct container *c = sim->engine.containers;

		while (c && strcmp(c->task, t->meta.id) != 0)
			c = c->next;
		if (t->status.state == TASK_RUNNING && (!c || c->state != RUNNING)) {
			explain(why, "task %s is running without a container", t->meta.id);
			return 0;
		}
	}
	return 1;
}

/* One that is removed stays as long as a task uses it: in a service that rests, for good. */
static int check_networks(struct sim *sim, int pushed, char why[256])
{
	const struct state *state = &sim->checks.shadow;

	for (const struct bridge_net *n = sim->engine.networks; n; n = n->next) {
		if (!state_network(state, n->id)) {
			explain(why, "network %s is left in the engine", n->name);
			return 0;
		}
	}
	for (struct map_entry *e = state_first(state, OBJECT_NETWORK); e; e = map_next(e)) {
		const struct network *n = state_entry(e);

		if (n->pending_delete && pushed) {
			explain(why, "network %s is not removed", n->spec.name);
			return 0;
		}
	}
	return 1;
}

/* One that was made before its service had ports is reached at another address. */
static int is_backend(const struct netmap_port *port, const struct container *c)
{
	int on_ingress = 0;

	for (int i = 0; i < c->network_count; i++)
		on_ingress |= strcmp(c->networks[i].network, "ingress") == 0;
	for (int i = 0; i < c->network_count; i++) {
		uint32_t address;

		if ((on_ingress && strcmp(c->networks[i].network, "ingress") != 0) ||
		    ipv4_parse(slice_of(c->networks[i].address), &address) < 0)
			continue;
		for (uint32_t k = 0; k < port->backend_count; k++) {
			if (port->backends[k].address == address &&
			    strcmp(port->backends[k].task, c->task) == 0)
				return 1;
		}
	}
	return 0;
}

/* Every port has the containers that run for it, and no other. */
static int check_port(struct sim *sim, const struct netmap_port *port, char why[256])
{
	const struct service *s = state_find_name(&sim->checks.shadow, OBJECT_SERVICE,
						  port->service);
	uint32_t count = 0;

	for (const struct container *c = sim->engine.containers; s && c; c = c->next) {
		if (c->state != RUNNING || strcmp(c->service, s->meta.id) != 0 ||
		    c->network_count == 0)
			continue;
		count++;
		if (!is_backend(port, c)) {
			explain(why, "the netmap lacks %s", c->name);
			return 0;
		}
	}
	explain(why, "the netmap has %u tasks of %s at port %u, not %u", port->backend_count,
		 port->service, port->published, count);
	return s && count == port->backend_count;
}

static int check_netmap(struct sim *sim, char why[256])
{
	struct errmsg msg = { { 0 } };
	struct netmap map = { 0 };
	uint32_t ports = 0;
	struct arena a;
	int ok;

	for (struct map_entry *e = state_first(&sim->checks.shadow, OBJECT_SERVICE); e;
	     e = map_next(e))
		ports += ((const struct service *)state_entry(e))->endpoint.ports.count;
	arena_init(&a);
	ok = netmap_parse(&a, buf_slice(&sim->netmap), &map, &msg) == 0 && map.port_count == ports;
	explain(why, "the netmap has %u ports, not %u %s", map.port_count, ports, msg.text);
	for (uint32_t i = 0; i < map.port_count && ok; i++)
		ok = check_port(sim, &map.ports[i], why);
	arena_done(&a);
	return ok;
}

int check_converged(struct sim *sim, int pushed, char why[256])
{
	explain(why, "the node is not ready");
	if (!sim->up || !manager_is_ready(sim->manager) || sim->engine.away)
		return 0;
	explain(why, "a request waits for its answer");
	if (!clients_quiet(sim))
		return 0;
	for (struct map_entry *e = state_first(&sim->checks.shadow, OBJECT_SERVICE); e;
	     e = map_next(e)) {
		const struct service *s = state_entry(e);

		if (!check_service(sim, s, why) && (pushed || !check_may_rest(sim, s)))
			return 0;
	}
	explain(why, "an engine call is under way");
	return (!pushed || engine_quiet(sim)) && check_containers(sim, why) &&
	       check_networks(sim, pushed, why) && check_netmap(sim, why);
}

int check_left(struct sim *sim, char why[256])
{
	explain(why, "the node has not left: a container %s, a network %s",
		 sim->engine.containers ? sim->engine.containers->name : "-",
		 sim->engine.networks ? sim->engine.networks->name : "-");
	return sim->exited && sim->clients.left && !sim->engine.containers && !sim->engine.networks;
}
