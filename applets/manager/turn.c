/*
 * Contracts are in turn.h. An entry of `nodes` lives as long as the node has a session, or a time
 * by which it must have one, or there is news of it that the log does not hold yet; `news` has the
 * last, so that a turn costs what there is to write, however many nodes there are.
 */
#include "applets/manager/turn.h"
#include <stdio.h>
#include <string.h>
#include "applets/manager/ca.h"
#include "base/mem.h"
#include "base/timefmt.h"

enum { UP_UNKNOWN, UP_YES, UP_NO };

#define DOWN_MESSAGE "heartbeat failure"	/* docker's */

struct status_news {
	struct arena arena;
	const char *node_id;	/* that reported it */
	struct task_status *status;
};

struct node_news {
	struct arena arena;
	struct node_description *description;	/* NULL: none */
	const char *message;			/* NULL: none */
	const char *addr;			/* NULL: none */
	int reported;				/* there was a report */
	int up;					/* news: what the state is to say */
	int session;				/* it has one now */
	int left;				/* it said so: no grace when its session ends */
	uint64_t deadline_ms;			/* down then, if it has none; 0 = not */
};

static void status_free(struct status_news *n)
{
	if (n)
		arena_done(&n->arena);
	mem_free(n);
}

static void node_free(struct node_news *n)
{
	if (n)
		arena_done(&n->arena);
	mem_free(n);
}

void turn_init(struct turn *t)
{
	*t = (struct turn){ 0 };
	map_init(&t->statuses);
	map_init(&t->nodes);
	map_init(&t->news);
	map_init(&t->deadlines);
}

void turn_done(struct turn *t)
{
	for (struct map_entry *e = map_first(&t->statuses); e; e = map_next(e))
		status_free(e->value);
	for (struct map_entry *e = map_first(&t->nodes); e; e = map_next(e))
		node_free(e->value);
	map_done(&t->statuses);
	map_done(&t->nodes);
	map_done(&t->news);
	map_done(&t->deadlines);
}

/* In order of time, then of nodes. */
struct deadline_key {
	char bytes[8 + ID_LEN];
};

static struct slice deadline_key(struct deadline_key *key, uint64_t deadline_ms,
				 struct slice node_id)
{
	size_t n = node_id.len < ID_LEN ? node_id.len : ID_LEN;

	for (int i = 7; i >= 0; i--, deadline_ms >>= 8)
		key->bytes[i] = (char)(deadline_ms & 0xff);
	memcpy(key->bytes + 8, node_id.data, n);
	return (struct slice){ key->bytes, 8 + n };
}

/* 0: none. */
static void set_deadline(struct turn *t, struct slice node_id, struct node_news *n,
			 uint64_t deadline_ms)
{
	struct deadline_key key;

	if (n->deadline_ms)
		(void)map_remove(&t->deadlines, deadline_key(&key, n->deadline_ms, node_id));
	n->deadline_ms = deadline_ms;
	if (deadline_ms)
		(void)map_set(&t->deadlines, deadline_key(&key, deadline_ms, node_id), n);
}

uint64_t turn_deadline_ms(const struct turn *t)
{
	const struct map_entry *e = map_first(&t->deadlines);

	return e ? ((const struct node_news *)e->value)->deadline_ms : 0;
}

static int has_session(const struct turn *t, const char *node_id)
{
	const struct node_news *n = map_get(&t->nodes, slice_of(node_id));

	return n && n->session;
}

static void forget_sessionless(struct turn *t)
{
	struct map_entry *next;

	for (struct map_entry *e = map_first(&t->statuses); e; e = next) {
		struct status_news *n = e->value;

		next = map_next(e);
		if (has_session(t, n->node_id))
			continue;
		(void)map_remove(&t->statuses, e->key);
		status_free(n);
	}
	for (struct map_entry *e = map_first(&t->nodes); e; e = next) {
		struct node_news *n = e->value;

		next = map_next(e);
		if (n->session)
			continue;
		set_deadline(t, e->key, n, 0);
		(void)map_remove(&t->news, e->key);
		(void)map_remove(&t->nodes, e->key);
		node_free(n);
	}
}

/* One change that is too long for any transaction would be in the way of all others. */
static int is_too_long(const struct table *table, const void *news)
{
	struct json_writer w;
	struct buf text;
	int failed;

	buf_init(&text, TURN_NEWS_MAX);
	json_begin(&w, &text);
	model_encode(&w, table, MODEL_STORE, news);
	failed = text.failed;
	buf_done(&text);
	return failed;
}

static void note_status(struct turn *t, const char *node_id, const struct session_status *in)
{
	struct status_news *n;

	n = map_get(&t->statuses, slice_of(in->task_id));
	if (n ? in->status.state < n->status->state : t->statuses.count >= TURN_STATUSES_MAX)
		return;		/* observed state never goes back */
	n = mem_new(sizeof(*n));
	arena_init(&n->arena);
	n->node_id = arena_str(&n->arena, slice_of(node_id));
	n->status = model_copy(&n->arena, &task_status_table, &in->status);
	status_free(map_set(&t->statuses, slice_of(in->task_id), n));
}

/* What is known of the node; it will be looked at in the next turn. */
static struct node_news *node_news(struct turn *t, const char *node_id)
{
	struct node_news *n = map_get(&t->nodes, slice_of(node_id));

	(void)map_set(&t->news, slice_of(node_id), NULL);
	if (n)
		return n;
	n = mem_new(sizeof(*n));
	arena_init(&n->arena);
	map_set(&t->nodes, slice_of(node_id), n);
	return n;
}

void turn_lead(struct turn *t, const struct state *s, uint64_t now_ms)
{
	forget_sessionless(t);
	for (struct map_entry *e = state_first(s, OBJECT_NODE); e; e = map_next(e)) {
		const struct node *stored = state_entry(e);

		if (stored->status.state != NODE_DOWN && !has_session(t, stored->meta.id))
			set_deadline(t, slice_of(stored->meta.id), node_news(t, stored->meta.id),
				     now_ms + NODE_GRACE_MS);
	}
}

/* 0, or ERR_DENIED or ERR_LIMIT: some are not taken. */
static int note_statuses(struct turn *t, const struct state *s, const char *node_id,
			 const struct list *statuses)
{
	int err = 0;

	for (uint32_t i = 0; i < statuses->count; i++) {
		const struct session_status *in = LIST_AT(statuses, struct session_status, i);
		const struct task *task = in->task_id ? state_task(s, in->task_id) : NULL;

		if (!task)
			continue;	/* it was removed meanwhile */
		if (!task->node_id || strcmp(task->node_id, node_id) != 0)
			err = ERR_DENIED;
		else if (is_too_long(&task_status_table, &in->status))
			err = ERR_LIMIT;
		else
			note_status(t, node_id, in);
	}
	return err;
}

static int note_node(struct turn *t, const char *node_id, const struct session_report *report)
{
	const struct node_description *description = report->description;
	const char *message = report->node_message, *addr = report->addr;
	struct node_news *n;

	if ((description && is_too_long(&node_description_table, description)) ||
	    (message && strlen(message) > TURN_NEWS_MAX) ||
	    (addr && strlen(addr) > TURN_NEWS_MAX))
		return ERR_LIMIT;
	if (!description && !message && !report->left)
		return 0;
	n = node_news(t, node_id);
	n->reported = 1;
	n->left |= report->left;
	if (description &&
	    !(n->description && model_equal(&node_description_table, description, n->description)))
		n->description = model_copy(&n->arena, &node_description_table, description);
	if (addr && !(n->addr && strcmp(n->addr, addr) == 0))
		n->addr = arena_str(&n->arena, slice_of(addr));
	if (message && !(n->message && strcmp(n->message, message) == 0))
		n->message = arena_str(&n->arena, slice_of(message));
	return 0;
}

int turn_report(struct turn *t, const struct state *s, const char *node_id,
		const struct session_report *report)
{
	int err = note_statuses(t, s, node_id, &report->statuses);
	int node_err = note_node(t, node_id, report);

	return err < 0 ? err : node_err;
}

void turn_session(struct turn *t, const char *node_id, int up, uint64_t now_ms)
{
	struct node_news *n = node_news(t, node_id);

	n->session = up;
	if (up) {
		n->up = UP_YES;
		n->left = 0;
		set_deadline(t, slice_of(node_id), n, 0);
	} else {
		n->up = UP_UNKNOWN;
		set_deadline(t, slice_of(node_id), n, n->left ? now_ms : now_ms + NODE_GRACE_MS);
	}
}

void turn_left(struct turn *t, const char *node_id, uint64_t now_ms)
{
	struct node_news *n = node_news(t, node_id);

	n->left = 1;
	if (!n->session)
		set_deadline(t, slice_of(node_id), n, now_ms);
}

/* The first objects of a new swarm: the cluster, then (its pool is known) the ingress network. */
static void write_cluster(const struct manager_config *config, struct rng *rng,
			  struct arena *arena, struct txn *txn)
{
	uint64_t no_old_snapshots = 0;
	struct cluster c = { .subnet_size = 24, .spec = {	/* docker's defaults */
		.name = "default",
		.orchestration.task_history_retention_limit = 5,
		.raft = { 10000, &no_old_snapshots, 500, 10, 1 },
		.dispatcher.heartbeat_period = 5 * SECOND_NS,
		.ca.node_cert_expiry = CA_NODE_S * SECOND_NS,
		.encryption.auto_lock_managers = config->unlock_key != NULL,
	} };
	struct strings pool = { 0 };
	char id[ID_LEN + 1], worker[TOKEN_TEXT_LEN + 1], manager[TOKEN_TEXT_LEN + 1];

	id_new(rng, id);
	c.meta.id = config->swarm_id ? config->swarm_id : id;
	c.default_addr_pool = strings_with(arena, &pool, config->default_addr_pool);
	if (config->root_cert && ca_token(config, rng, config->root_cert, worker) == 0 &&
	    ca_token(config, rng, config->root_cert, manager) == 0) {
		c.root_cert = config->root_cert;
		c.root_key = config->root_key;
		c.worker_token = worker;
		c.manager_token = manager;
	}
	c.unlock_key = config->unlock_key;
	txn_put(txn, OBJECT_CLUSTER, &c);
}

static void write_ingress(const struct state *s, struct rng *rng, struct arena *arena,
			  struct txn *txn)
{
	struct network n = { .spec = { .name = "ingress", .driver = "overlay", .ingress = 1 } };
	struct errmsg msg;
	char id[ID_LEN + 1];

	if (allocate_subnet(s, arena, &n.spec, &msg) < 0)
		return;		/* the pool is used up: a user must free some, then it goes on */
	id_new(rng, id);
	n.meta.id = id;
	txn_put(txn, OBJECT_NETWORK, &n);
}

static void write_basics(const struct manager_config *config, const struct state *s,
			 struct rng *rng, struct arena *arena, struct txn *txn)
{
	const struct cluster *c = state_cluster(s);

	if (!c)
		write_cluster(config, rng, arena, txn);
	else if (!state_find_name(s, OBJECT_NETWORK, "ingress"))
		write_ingress(s, rng, arena, txn);
}

/* The node that it waited for last is looked at first: a rotation may wait for days, and the nodes
 * are many. */
static int rotation_waits(struct turn *t, const struct api_turn *view, const struct cluster *c)
{
	const struct node *n = state_node(view->state, t->waits_for);
	struct tls_info wanted;

	if (ca_wanted(c, view->arena, &wanted) < 0)
		return 1;
	if (!n || ca_has_changed(&wanted, n))
		n = ca_waits_for(&wanted, view->state);
	snprintf(t->waits_for, sizeof(t->waits_for), "%s", n ? n->meta.id : "");
	return n != NULL;
}

static void end_rotation(struct turn *t, const struct api_turn *view,
			 const struct manager_config *config)
{
	const struct cluster *stored = state_cluster(view->state);
	struct cluster c;

	if (!stored || !stored->rotation || rotation_waits(t, view, stored))
		return;
	c = *stored;
	if (ca_rotation_end(&c, config, view->rng, view->arena) < 0)
		return;
	txn_put(view->txn, OBJECT_CLUSTER, &c);
	effects_log(view->fx, LOG_INFO, "every node has a certificate of the new root: the old "
		    "root and the old join tokens are good for nothing any more");
}

/* Nodes that had their time. */
static void expire(struct turn *t, uint64_t now_ms)
{
	struct map_entry *e;

	while ((e = map_first(&t->deadlines))) {
		struct node_news *n = e->value;
		struct slice node_id = { e->key.data + 8, e->key.len - 8 };

		if (n->deadline_ms > now_ms)
			break;
		n->up = UP_NO;
		n->message = DOWN_MESSAGE;
		(void)map_set(&t->news, node_id, NULL);
		n->deadline_ms = 0;
		(void)map_remove(&t->deadlines, e->key);
	}
}

/* The host of "HOST:PORT". */
static const char *host_of(struct arena *a, const char *address)
{
	struct slice host = slice_of(address);

	while (host.len && host.data[host.len - 1] != ':')
		host.len--;
	return host.len > 1 ? arena_str(a, (struct slice){ host.data, host.len - 1 }) : NULL;
}

static void merge(const struct node_news *news, struct node *node)
{
	if (news->description)
		node->description = *news->description;
	if (news->up == UP_YES && node->status.state != NODE_READY) {
		node->status.state = NODE_READY;
		node->status.message = NULL;
	}
	if (news->up == UP_NO)
		node->status.state = NODE_DOWN;
	if (news->message)
		node->status.message = *news->message ? news->message : NULL;
}

/* The node as the news make it; 0 when there is nothing to write. */
static int node_wanted(const struct api_turn *view, const struct manager_config *config,
		       const char *node_id, const struct node_news *news, struct node *node)
{
	const struct node *stored = state_node(view->state, node_id);
	const struct api_manager *manager = api_manager_find(view, node_id);
	const struct cluster *cluster = state_cluster(view->state);
	int own = strcmp(node_id, config->node_id) == 0;
	const char *addr;

	if (!stored && !(own && news->session) && !(manager && news->session && news->reported))
		return 0;
	if (!stored && cluster && ca_is_removed(cluster, node_id))
		return 0;	/* Raft's configuration names it still */
	*node = stored ? *stored : (struct node){ .meta.id = node_id };
	if (!stored && own)
		node->description.hostname = config->hostname;
	if (!stored)
		node->spec.role = ROLE_MANAGER;
	if (!stored && own)
		node->spec.availability = config->availability;
	merge(news, node);
	addr = manager ? manager->addr : news->addr;
	addr = addr ? host_of(view->arena, addr) : NULL;
	if (addr)
		node->status.addr = addr;
	node->manager_status = NULL;	/* older versions stored it */
	return !stored || !model_equal(&node_table, stored, node);
}

static void write_nodes(struct turn *t, const struct api_turn *view,
			const struct manager_config *config)
{
	struct node node;

	for (struct map_entry *e = map_first(&t->news); e; e = map_next(e)) {
		const struct node_news *n = map_get(&t->nodes, e->key);

		if (!txn_has_room(view->txn, TXN_CHANGES_MAX / 2))
			return;
		if (node_wanted(view, config, e->key.data, n, &node))
			txn_put(view->txn, OBJECT_NODE, &node);
	}
}

/* The managers' addresses are told by Raft's configuration, and may be others by now. */
static void look_at_managers(struct turn *t, const struct api_turn *view)
{
	for (uint32_t i = 0; i < view->manager_count; i++) {
		struct slice id = slice_of(view->managers[i].node_id);

		if (map_find(&t->nodes, id))
			(void)map_set(&t->news, id, NULL);
	}
}

/* Would this report move the task? Observed state never goes back. */
static int status_is_news(const struct task *task, const struct task_status *status)
{
	if (!task || status->state < task->status.state)
		return 0;
	return !model_equal(&task_status_table, &task->status, status);
}

static void write_statuses(struct turn *t, const struct state *s, struct txn *txn)
{
	for (struct map_entry *e = map_first(&t->statuses); e; e = map_next(e)) {
		const struct status_news *n = e->value;
		const struct task *stored = state_task(s, e->key.data);
		struct task task;

		if (!status_is_news(stored, n->status))
			continue;
		if (!txn_has_room(txn, TXN_CHANGES_MAX / 2))
			return;
		task = *stored;
		task.status = *n->status;
		if (task.status.state == TASK_RUNNING && task.running_at == 0)
			task.running_at = task.status.timestamp;
		txn_put(txn, OBJECT_TASK, &task);
	}
}

/* A manager that votes and answers where the other one, which is down, was. */
static const struct api_manager *successor(const struct api_turn *view,
					   const struct api_manager *old, const struct node *dead)
{
	for (uint32_t i = 0; i < view->manager_count; i++) {
		const struct api_manager *m = &view->managers[i];
		const struct node *node = state_node(view->state, m->node_id);

		if (m != old && node && m->votes && m->reachable &&
		    strcmp(m->node_id, old->node_id) != 0 && strcmp(m->addr, old->addr) == 0 &&
		    node->description.hostname && dead->description.hostname &&
		    strcmp(node->description.hostname, dead->description.hostname) == 0)
			return m;
	}
	return NULL;
}

/* A host that was set up anew has joined with the name and the address that it had: the manager
 * that it was will not come back, and must not count in a majority for ever. */
static void retire_replaced(const struct api_turn *view)
{
	for (uint32_t i = 0; i < view->manager_count; i++) {
		const struct api_manager *m = &view->managers[i];
		const struct node *stored = state_node(view->state, m->node_id), *by;
		struct node node;

		if (m->reachable || !stored || stored->status.state != NODE_DOWN ||
		    stored->spec.role != ROLE_MANAGER || !successor(view, m, stored) ||
		    txn_touches(view->txn, OBJECT_NODE, m->node_id) ||
		    !txn_has_room(view->txn, 1))
			continue;
		by = state_node(view->state, successor(view, m, stored)->node_id);
		node = *stored;
		node.spec.role = ROLE_WORKER;
		txn_put(view->txn, OBJECT_NODE, &node);
		effects_log(view->fx, LOG_INFO, "node %s is down, and %s has its name and its "
			    "address: it is no manager any more", m->node_id, by->meta.id);
	}
}

void turn_write(struct turn *t, const struct api_turn *view, const struct manager_config *config,
		uint64_t now_ms)
{
	expire(t, now_ms);
	look_at_managers(t, view);
	write_basics(config, view->state, view->rng, view->arena, view->txn);
	end_rotation(t, view, config);
	write_nodes(t, view, config);
	retire_replaced(view);
	write_statuses(t, view->state, view->txn);
}

/* Keeps the session of the node, and with it the entry. */
static void drop_news(struct node_news *n)
{
	arena_reset(&n->arena);
	n->description = NULL;
	n->message = NULL;
	n->addr = NULL;
	n->up = UP_UNKNOWN;
}

static void settle_nodes(struct turn *t, const struct api_turn *view,
			 const struct manager_config *config)
{
	struct map_entry *next;
	struct node node;

	for (struct map_entry *e = map_first(&t->news); e; e = next) {
		struct node_news *n = map_get(&t->nodes, e->key);

		next = map_next(e);
		/* One of a manager that the configuration does not name yet waits for that. */
		if (node_wanted(view, config, e->key.data, n, &node) ||
		    (n->session && !state_node(view->state, e->key.data)))
			continue;
		if (n->session || n->deadline_ms) {
			drop_news(n);
		} else {
			(void)map_remove(&t->nodes, e->key);
			node_free(n);
		}
		(void)map_remove(&t->news, e->key);
	}
}

void turn_settle(struct turn *t, const struct api_turn *view, const struct manager_config *config,
		 const struct state *s)
{
	struct map_entry *next;

	settle_nodes(t, view, config);
	for (struct map_entry *e = map_first(&t->statuses); e; e = next) {
		struct status_news *n = e->value;

		next = map_next(e);
		if (status_is_news(state_task(s, e->key.data), n->status))
			continue;
		(void)map_remove(&t->statuses, e->key);
		status_free(n);
	}
}
