/*
 * Contracts are in turn.h. An entry of `nodes` lives as long as the node has a session, or a time
 * by which it must have one, or there is news of it that the log does not hold yet.
 */
#include "applets/manager/turn.h"
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
}

void turn_done(struct turn *t)
{
	for (struct map_entry *e = map_first(&t->statuses); e; e = map_next(e))
		status_free(e->value);
	for (struct map_entry *e = map_first(&t->nodes); e; e = map_next(e))
		node_free(e->value);
	map_done(&t->statuses);
	map_done(&t->nodes);
}

uint64_t turn_deadline_ms(const struct turn *t)
{
	return t->deadline_ms;
}

static void find_deadline(struct turn *t)
{
	t->deadline_ms = 0;
	for (struct map_entry *e = map_first(&t->nodes); e; e = map_next(e)) {
		const struct node_news *n = e->value;

		if (n->deadline_ms && (t->deadline_ms == 0 || n->deadline_ms < t->deadline_ms))
			t->deadline_ms = n->deadline_ms;
	}
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

static struct node_news *node_news(struct turn *t, const char *node_id)
{
	struct node_news *n = map_get(&t->nodes, slice_of(node_id));

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
			node_news(t, stored->meta.id)->deadline_ms = now_ms + NODE_GRACE_MS;
	}
	find_deadline(t);
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
	const char *message = report->node_message;
	struct node_news *n;

	if ((description && is_too_long(&node_description_table, description)) ||
	    (message && strlen(message) > TURN_NEWS_MAX))
		return ERR_LIMIT;
	if (!description && !message && !report->left)
		return 0;
	n = node_news(t, node_id);
	n->reported = 1;
	n->left |= report->left;
	if (description &&
	    !(n->description && model_equal(&node_description_table, description, n->description)))
		n->description = model_copy(&n->arena, &node_description_table, description);
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
		n->deadline_ms = 0;
	} else {
		n->up = UP_UNKNOWN;
		n->deadline_ms = n->left ? now_ms : now_ms + NODE_GRACE_MS;
	}
	find_deadline(t);
}

void turn_left(struct turn *t, const char *node_id, uint64_t now_ms)
{
	struct node_news *n = node_news(t, node_id);

	n->left = 1;
	if (!n->session)
		n->deadline_ms = now_ms;
	find_deadline(t);
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

/* Nodes that had their time. */
static void expire(struct turn *t, uint64_t now_ms)
{
	for (struct map_entry *e = map_first(&t->nodes); e; e = map_next(e)) {
		struct node_news *n = e->value;

		if (n->deadline_ms == 0 || now_ms < n->deadline_ms)
			continue;
		n->deadline_ms = 0;
		n->up = UP_NO;
		n->message = DOWN_MESSAGE;
	}
	find_deadline(t);
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
		       const struct map_entry *e, struct node *node)
{
	const struct node *stored = state_node(view->state, e->key.data);
	const struct api_manager *manager = api_manager_find(view, e->key.data);
	const struct node_news *news = e->value;
	int own = strcmp(e->key.data, config->node_id) == 0;
	const char *addr;

	if (!stored && !(own && news->session) && !(manager && news->session && news->reported))
		return 0;
	*node = stored ? *stored : (struct node){ .meta.id = e->key.data };
	if (!stored && own)
		node->description.hostname = config->hostname;
	if (!stored)
		node->spec.role = ROLE_MANAGER;
	if (!stored && own)
		node->spec.availability = config->availability;
	merge(news, node);
	addr = manager ? host_of(view->arena, manager->addr) : NULL;
	if (addr)
		node->status.addr = addr;
	node->manager_status = NULL;	/* older versions stored it */
	return !stored || !model_equal(&node_table, stored, node);
}

static void write_nodes(struct turn *t, const struct api_turn *view,
			const struct manager_config *config)
{
	struct node node;

	for (struct map_entry *e = map_first(&t->nodes); e; e = map_next(e)) {
		if (node_wanted(view, config, e, &node) &&
		    txn_has_room(view->txn, TXN_CHANGES_MAX / 2))
			txn_put(view->txn, OBJECT_NODE, &node);
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

void turn_write(struct turn *t, const struct api_turn *view, const struct manager_config *config,
		uint64_t now_ms)
{
	expire(t, now_ms);
	write_basics(config, view->state, view->rng, view->arena, view->txn);
	write_nodes(t, view, config);
	write_statuses(t, view->state, view->txn);
}

/* Keeps the session of the node, and with it the entry. */
static void drop_news(struct node_news *n)
{
	arena_reset(&n->arena);
	n->description = NULL;
	n->message = NULL;
	n->up = UP_UNKNOWN;
}

static void settle_nodes(struct turn *t, const struct api_turn *view,
			 const struct manager_config *config)
{
	struct map_entry *next;
	struct node node;

	for (struct map_entry *e = map_first(&t->nodes); e; e = next) {
		struct node_news *n = e->value;

		next = map_next(e);
		/* One of a manager that the configuration does not name yet waits for that. */
		if (node_wanted(view, config, e, &node) ||
		    (n->session && !state_node(view->state, e->key.data)))
			continue;
		if (n->session || n->deadline_ms) {
			drop_news(n);
			continue;
		}
		(void)map_remove(&t->nodes, e->key);
		node_free(n);
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
