/* What must always hold, and what must hold in the end. Contracts are in sim.h. */
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include "base/mem.h"
#include "codec/netmap.h"
#include "raft/raft.h"
#include "sim.h"

enum { HASH_EVERY = 40 };	/* entries */
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
	map_init(&sim->checks.hashes);
}

void check_done(struct sim *sim)
{
	state_done(&sim->checks.shadow);
	for (struct map_entry *e = map_first(&sim->checks.tasks); e; e = map_next(e))
		mem_free(e->value);
	map_done(&sim->checks.tasks);
	map_done(&sim->checks.services);
	for (struct map_entry *e = map_first(&sim->checks.hashes); e; e = map_next(e))
		mem_free(e->value);
	map_done(&sim->checks.hashes);
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
		if (o != t && o->slot == t->slot && runs(o) &&
		    (t->slot || strcmp(o->node_id, t->node_id) == 0))
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
	const struct node *n = before && before->node_id ?
		state_node(&sim->checks.shadow, before->node_id) : NULL;

	/* With a clock that is set the delay is kept roughly only. */
	if (!before || sim->options[OPT_CLOCK] || sim->plan.hosts > 1 ||
	    before->spec_version != t->spec_version ||
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

void check_commit(struct sim *sim, const struct entry_seen *e)
{
	struct state *shadow = &sim->checks.shadow;
	struct errmsg msg = { { 0 } };

	if (e->kind == RAFT_COMMAND)
		(void)state_apply(shadow, e->index, e->data, note, sim, &msg);
	else
		shadow->applied = e->index;
	kv_users_applied(sim, e);
}

static int add_hash(void *context, struct slice piece)
{
	uint64_t *hash = context, word;

	for (; piece.len >= 8; piece.data += 8, piece.len -= 8) {
		memcpy(&word, piece.data, 8);
		*hash = (*hash ^ word) * UINT64_C(0x9e3779b97f4a7c15);
		*hash ^= *hash >> 29;
	}
	for (; piece.len; piece.data++, piece.len--)
		*hash = (*hash ^ (uint8_t)*piece.data) * UINT64_C(0x100000001b3);
	return 0;
}

static uint64_t hash_of(const struct state *state)
{
	uint64_t hash = 1;
	struct sink sink = { add_hash, &hash };

	(void)state_save(state, &sink);		/* ours takes all */
	return hash;
}

/* The state at an index is the same on all managers, and is what the entries up to it make. */
static void check_hash(struct host *host, int surely)
{
	const struct state *state = manager_state(host->manager);
	struct checks *c = &host->sim->checks;
	char key[8];
	uint64_t *hash = map_get(&c->hashes, sim_key(state->applied, key));

	if (!hash && state->applied == c->shadow.applied &&
	    (surely || state->applied >= c->hashed + HASH_EVERY)) {
		hash = mem_new(sizeof(*hash));
		*hash = hash_of(&c->shadow);
		map_set(&c->hashes, sim_key(state->applied, key), hash);
		c->hashed = state->applied;
	} else if (!hash || host->compared == state->applied) {
		return;
	}
	host->compared = state->applied;
	if (*hash != hash_of(state))
		sim_fail(host->sim, "%s: the state at entry %llu is not what was applied up to it",
			 host->name, (unsigned long long)state->applied);
}

/* What was acknowledged is there until its removal was asked for. */
static void check_services(struct sim *sim, const struct state *state)
{
	for (int i = 0; i < SERVICES; i++) {
		const struct client_service *c = &sim->clients.services[i];
		const struct service *s;

		if (!*c->id || c->removing || sim->now_us < c->unsure_us)
			continue;
		s = state_service(state, c->id);
		if (!s)
			sim_fail(sim, "acknowledged service svc%d (%s) is lost", i, c->id);
		else if (check_mark(&s->spec.task_template) < c->acked && !c->rolls_back)
			sim_fail(sim, "acknowledged update %llu of svc%d is lost",
				 (unsigned long long)c->acked, i);
	}
}

void check_step(struct host *host)
{
	uint64_t before = host->sim->checks.committed_count;
	int surely = host->sim->checks.committed_count < 4;

	seen_check(host);
	if (host->sim->failed)
		return;
	check_hash(host, surely);
	if (host->sim->checks.committed_count > before && host->sim->plan.services)
		check_services(host->sim, &host->sim->checks.shadow);
}

void check_acked(struct sim *sim, const struct client_request *r, const char *id)
{
	const struct service *s = state_service(&sim->checks.shadow, id);

	if (r->kind == REQUEST_REMOVE) {
		if (s)
			sim_fail(sim, "the removal of svc%d is acknowledged and not done", r->slot);
	} else if (!s || check_mark(&s->spec.task_template) != r->mark) {
		sim_fail(sim, "request %llu for svc%d is acknowledged and not done",
			 (unsigned long long)r->id, r->slot);
	}
}

/* ---- the engine ---------------------------------------------------------------- */

void check_create(struct host *host, const struct container *c)
{
	for (const struct container *o = host->engine.containers; o; o = o->next) {
		if (strcmp(o->task, c->task) == 0)
			sim_fail(host->sim, "a second container for task %s", c->task);
	}
}

/* One that waits for its start waits for the one before it to end, up to a minute. */
static void check_order(struct host *host, const struct task *t)
{
	const struct state *state = &host->sim->checks.shadow;

	if (!t->start_after || host->sim->options[OPT_CLOCK] ||
	    host_wall_ns(host) > t->start_after + STOP_WAIT_NS ||
	    map_get(&host->sim->checks.services, slice_of(t->service_id)))
		return;
	for (const struct container *o = host->engine.containers; o; o = o->next) {
		const struct task *before = state_task(state, o->task);

		if (before && before != t && o->state == RUNNING && !task_is_dead(before) &&
		    before->slot == t->slot && before->desired_state == TASK_SHUTDOWN &&
		    strcmp(before->service_id, t->service_id) == 0)
			sim_fail(host->sim, "container of task %s is started before %s has ended",
				 t->meta.id, o->name);
	}
}

void check_start(struct host *host, const struct container *c)
{
	const struct task *t = state_task(&host->sim->checks.shadow, c->task);

	/* Nobody can take back what an engine was asked for. In the end it must be gone. */
	if (host->engine.alone)
		return;
	if (c->starts && !c->unasked)
		sim_fail(host->sim, "container %s is started a second time", c->name);
	/* With several managers a report of the life before may still be on its way. */
	if (t && task_is_dead(t) && host->sim->plan.hosts == 1)
		sim_fail(host->sim, "container %s is started and its task is dead", c->name);
	if (t)
		check_order(host, t);
}

void check_address(struct host *host, const struct container *c, const struct container *other)
{
	const struct task *t = state_task(&host->sim->checks.shadow, other->task);

	if (t && !task_is_dead(t))
		sim_fail(host->sim, "%s is started with the address of %s", c->name, other->name);
}

void check_stop(struct host *host, const struct container *c)
{
	const struct task *t = state_task(&host->sim->checks.shadow, c->task);
	struct slice map = buf_slice(&host->netmap);

	if (c->health == UNHEALTHY || c->disowned || host->sim->clients.leaving || host->to_leave)
		return;
	if (t && !task_is_dead(t) && t->desired_state <= TASK_RUNNING)
		sim_fail(host->sim, "container %s is stopped and its task is to run", c->name);
	for (; map.len >= strlen(c->task); map.data++, map.len--) {
		if (slice_has_prefix(map, c->task)) {
			sim_fail(host->sim, "container %s is stopped while it is in the netmap",
				 c->name);
			return;
		}
	}
}

void check_explain(char why[256], const char *format, ...)
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

/* The next container of any host; *host and the answer begin as NULL. */
static const struct container *next_container(struct sim *sim, struct host **host,
					      const struct container *c)
{
	if (c)
		c = c->next;
	while (!c) {
		*host = *host ? *host + 1 : sim->hosts;
		if (*host == sim->hosts + HOSTS)
			return NULL;
		if (!(*host)->exited)
			c = (*host)->engine.containers;
	}
	return c;
}

/* A global service runs once on every node that takes tasks. */
static uint64_t nodes_fit(struct sim *sim, const struct service *s)
{
	uint64_t fit = 0;

	(void)s;
	for (struct map_entry *e = state_first(&sim->checks.shadow, OBJECT_NODE); e;
	     e = map_next(e)) {
		const struct node *n = state_entry(e);

		fit += n->spec.availability == AVAILABILITY_ACTIVE && n->status.state == NODE_READY;
	}
	return fit;
}

int check_service(struct sim *sim, const struct service *s, char why[256])
{
	uint64_t mark = check_mark(&s->spec.task_template), right = 0, all = 0;
	uint64_t wanted = s->spec.mode.replicated ? *s->spec.mode.replicated->replicas : 1;

	struct host *host = NULL;

	if (!s->spec.mode.replicated)
		wanted = nodes_fit(sim, s);
	for (const struct container *c = NULL; (c = next_container(sim, &host, c)) != NULL;) {
		if (strcmp(c->service, s->meta.id) != 0)
			continue;
		all += c->state == RUNNING;
		right += is_up(c) && c->mark == mark;
	}
	check_explain(why, "%s runs %llu containers, %llu as it should be, and wants %llu",
		 s->spec.name, (unsigned long long)all, (unsigned long long)right,
		 (unsigned long long)wanted);
	return all == right && right == wanted;
}

/* The node has left the swarm. */
static int has_gone(const struct sim *sim, const char *node_id)
{
	for (int i = 0; i < HOSTS && node_id; i++) {
		if (strcmp(sim->hosts[i].node_id, node_id) == 0)
			return sim->hosts[i].exited;
	}
	return 0;
}

static int check_containers(struct sim *sim, char why[256])
{
	const struct state *state = &sim->checks.shadow;
	struct host *host = NULL;

	for (const struct container *c = NULL; (c = next_container(sim, &host, c)) != NULL;) {
		const struct task *t = state_task(state, c->task);

		if (!t || (c->state == RUNNING) != (t->status.state == TASK_RUNNING)) {
			check_explain(why, "container %s is %s, its task %s", c->name,
				 c->state == RUNNING ? "running" : "not running",
				 t ? task_state_names[t->status.state] : "gone");
			return 0;
		}
	}
	for (struct map_entry *e = state_first(state, OBJECT_TASK); e; e = map_next(e)) {
		const struct task *t = state_entry(e);
		const struct container *c = NULL;

		if (has_gone(sim, t->node_id))
			continue;	/* nobody is left to report of it */
		host = NULL;
		do {
			c = next_container(sim, &host, c);
		} while (c && strcmp(c->task, t->meta.id) != 0);
		if (t->status.state == TASK_RUNNING && (!c || c->state != RUNNING)) {
			check_explain(why, "task %s is running without a container", t->meta.id);
			return 0;
		}
	}
	return 1;
}

/* One that is removed stays as long as a task uses it: in a service that rests, for good. */
static int check_networks(struct sim *sim, int pushed, char why[256])
{
	const struct state *state = &sim->checks.shadow;

	for (int i = 0; i < HOSTS; i++) {
		const struct bridge_net *n = sim->hosts[i].engine.networks;

		while (n && (state_network(state, n->id) || sim->hosts[i].exited))
			n = n->next;
		if (n) {
			check_explain(why, "network %s is left in the engine", n->name);
			return 0;
		}
	}
	for (struct map_entry *e = state_first(state, OBJECT_NETWORK); e; e = map_next(e)) {
		const struct network *n = state_entry(e);

		if (n->pending_delete && pushed) {
			check_explain(why, "network %s is not removed", n->spec.name);
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
	struct host *host = NULL;
	uint32_t count = 0;

	for (const struct container *c = NULL; s && (c = next_container(sim, &host, c)) != NULL;) {
		if (c->state != RUNNING || strcmp(c->service, s->meta.id) != 0 ||
		    c->network_count == 0)
			continue;
		count++;
		if (!is_backend(port, c)) {
			check_explain(why, "the netmap lacks %s", c->name);
			return 0;
		}
	}
	check_explain(why, "the netmap has %u tasks of %s at port %u, not %u", port->backend_count,
		 port->service, port->published, count);
	return s && count == port->backend_count;
}

static int check_netmap(struct host *host, char why[256])
{
	struct sim *sim = host->sim;
	struct errmsg msg = { { 0 } };
	struct netmap map = { 0 };
	uint32_t ports = 0;
	struct arena a;
	int ok;

	for (struct map_entry *e = state_first(&sim->checks.shadow, OBJECT_SERVICE); e;
	     e = map_next(e))
		ports += ((const struct service *)state_entry(e))->endpoint.ports.count;
	arena_init(&a);
	ok = netmap_parse(&a, buf_slice(&host->netmap), &map, &msg) == 0 && map.port_count == ports;
	check_explain(why, "the netmap of %s has %u ports, not %u %s", host->name, map.port_count,
		      ports, msg.text);
	for (uint32_t i = 0; i < map.port_count && ok; i++)
		ok = check_port(sim, &map.ports[i], why);
	arena_done(&a);
	return ok;
}

static int is_member(const struct host *host)
{
	return host->used && !host->exited;
}

/* Its folder can be opened with the swarm's key, if there is one, and with no other. */
static int is_sealed(const struct host *host)
{
	const struct cluster *c = state_cluster(manager_state(host->manager));

	return c && strcmp(host->store.lock, c->unlock_key ? c->unlock_key : "") == 0;
}

/* One manager: it is a voter, knows the leader and has all there is. */
static int check_manager(const struct host *host, const struct raft *leader, char why[256])
{
	const struct raft *r = host->manager ? manager_raft(host->manager) : NULL;
	const struct raft_member *member = raft_member(leader, host->store.raft_id);

	check_explain(why, "%s is not up", host->name);
	if (!r || !host_runs(host))
		return 0;
	check_explain(why, "%s is not ready", host->name);
	if (!manager_is_ready(host->manager))
		return 0;
	check_explain(why, "%s does not vote", host->name);
	if (!member || !member->votes)
		return 0;
	check_explain(why, "%s knows another leader", host->name);
	if (r->leader != leader->id || r->hard.term != leader->hard.term)
		return 0;
	check_explain(why, "%s has %llu of %llu entries", host->name,
		      (unsigned long long)host->applied,
		      (unsigned long long)host->sim->checks.committed_count);
	if (host->applied != host->sim->checks.committed_count)
		return 0;
	check_explain(why, "%s is not sealed with the swarm's key", host->name);
	return is_sealed(host);
}

int check_agreed(struct sim *sim, char why[256])
{
	const struct host *leader = seen_leader(sim);
	const struct raft *r = leader ? manager_raft(leader->manager) : NULL;
	uint32_t members = 0;

	faults_look(sim);
	check_explain(why, "nobody leads");
	if (!r || !raft_is_ready(r))
		return 0;
	for (int i = 0; i < HOSTS; i++) {
		if (!is_member(&sim->hosts[i]))
			continue;
		members++;
		if (!check_manager(&sim->hosts[i], r, why))
			return 0;
	}
	check_explain(why, "there are %u members, not %u", r->config.count, members);
	if (r->config.count != members)
		return 0;
	for (int i = 0; i < HOSTS && !sim->failed; i++) {
		if (is_member(&sim->hosts[i]))
			check_hash(&sim->hosts[i], 1);
	}
	return 1;
}

static int all_up(struct sim *sim, char why[256])
{
	for (int i = 0; i < HOSTS; i++) {
		const struct host *host = &sim->hosts[i];

		check_explain(why, "%s is not ready", host->name);
		if (is_member(host) && (!host_runs(host) || !manager_is_ready(host->manager) ||
					host->engine.away))
			return 0;
	}
	return 1;
}

int check_converged(struct sim *sim, int pushed, char why[256])
{
	if (!all_up(sim, why))
		return 0;
	check_explain(why, "a request waits for its answer");
	if (!clients_quiet(sim))
		return 0;
	for (struct map_entry *e = state_first(&sim->checks.shadow, OBJECT_SERVICE); e;
	     e = map_next(e)) {
		const struct service *s = state_entry(e);

		if (!check_service(sim, s, why) && (pushed || !check_may_rest(sim, s)))
			return 0;
	}
	for (int i = 0; i < HOSTS && pushed; i++) {
		check_explain(why, "an engine call is under way");
		if (is_member(&sim->hosts[i]) && !engine_quiet(&sim->hosts[i]))
			return 0;
	}
	if (!check_containers(sim, why) || !check_networks(sim, pushed, why))
		return 0;
	for (int i = 0; i < HOSTS; i++) {
		if (is_member(&sim->hosts[i]) && !check_netmap(&sim->hosts[i], why))
			return 0;
	}
	return 1;
}

int check_left(struct sim *sim, char why[256])
{
	const struct host *host = &sim->hosts[0];

	check_explain(why, "the node has not left: a container %s, a network %s",
		      host->engine.containers ? host->engine.containers->name : "-",
		      host->engine.networks ? host->engine.networks->name : "-");
	return host->exited && sim->clients.left && !host->engine.containers &&
	       !host->engine.networks;
}
