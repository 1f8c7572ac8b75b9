/* Contracts are in turn.h. */
#include "applets/manager/turn.h"
#include <string.h>
#include "base/mem.h"

enum { UP_UNKNOWN, UP_YES, UP_NO };

struct status_news {
	struct arena arena;
	struct task_status *status;
};

struct node_news {
	struct arena arena;
	struct node_description *description;	/* NULL: none */
	const char *message;			/* NULL: none */
	int up;
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

static void note_status(struct turn *t, const struct session_status *in)
{
	struct status_news *n;

	if (!in->task_id)
		return;
	n = map_get(&t->statuses, slice_of(in->task_id));
	if (n ? in->status.state < n->status->state : t->statuses.count >= TURN_STATUSES_MAX)
		return;		/* observed state never goes back */
	n = mem_new(sizeof(*n));
	arena_init(&n->arena);
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

void turn_report(struct turn *t, const char *node_id, const struct session_report *report)
{
	struct node_news *n;

	for (uint32_t i = 0; i < report->statuses.count; i++)
		note_status(t, LIST_AT(&report->statuses, struct session_status, i));
	if (!report->description && !report->node_message)
		return;
	n = node_news(t, node_id);
	if (report->description)
		n->description = model_copy(&n->arena, &node_description_table,
					    report->description);
	if (report->node_message)
		n->message = arena_str(&n->arena, slice_of(report->node_message));
}

void turn_session(struct turn *t, const char *node_id, int up)
{
	struct node_news *n = node_news(t, node_id);

	n->up = up ? UP_YES : UP_NO;
	if (!up)
		n->message = arena_str(&n->arena, SLICE("session ended"));
}

/* The first objects of a new swarm: the cluster, then (its pool is known) the ingress network. */
static void write_cluster(const struct manager_config *config, struct rng *rng,
			  struct arena *arena, struct txn *txn)
{
	struct cluster c = { .subnet_size = 24 };
	struct strings pool = { 0 };
	char id[ID_LEN + 1];

	id_new(rng, id);
	c.meta.id = id;
	c.spec.name = "default";
	c.spec.orchestration.task_history_retention_limit = 5;
	c.default_addr_pool = strings_with(arena, &pool, config->default_addr_pool);
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

/* What the node object is to become; 0 if it is that already. */
static int merge_node(const struct manager_config *config, const struct node *stored,
		      const struct node_news *news, struct node *out,
		      struct manager_status *manager_status)
{
	*out = stored ? *stored : (struct node){ 0 };
	if (news->description)
		out->description = *news->description;
	if (news->up == UP_YES)
		out->status.state = NODE_READY;
	if (news->up == UP_NO)
		out->status.state = NODE_DOWN;
	if (news->up == UP_YES && !news->message)
		out->status.message = NULL;
	if (news->message)
		out->status.message = *news->message ? news->message : NULL;
	if (strcmp(out->meta.id, config->node_id) == 0) {
		out->spec.role = ROLE_MANAGER;
		manager_status->leader = 1;
		manager_status->reachability = "reachable";
		manager_status->addr = config->advertise_addr;
		out->manager_status = manager_status;
	}
	return !stored || !model_equal(&node_table, stored, out);
}

/* The node as the news make it; 0 when there is nothing to write. */
static int node_wanted(const struct manager_config *config, const struct state *s,
		       const struct map_entry *e, struct node *node,
		       struct manager_status *manager_status)
{
	const struct node *stored = state_node(s, e->key.data);
	struct node base = { .meta.id = e->key.data };

	/* Only this node may appear unasked: it is the one that was set up by init. */
	if (!stored && strcmp(e->key.data, config->node_id) != 0)
		return 0;
	base.description.hostname = config->hostname;
	return merge_node(config, stored ? stored : &base, e->value, node, manager_status) ||
	       !stored;
}

static void write_nodes(struct turn *t, const struct manager_config *config,
			const struct state *s, struct arena *arena, struct txn *txn)
{
	struct manager_status manager_status = { 0 };
	struct node node;

	for (struct map_entry *e = map_first(&t->nodes); e; e = map_next(e)) {
		struct slice host = slice_of(config->advertise_addr);

		if (!node_wanted(config, s, e, &node, &manager_status))
			continue;
		if (!node.status.addr)
			node.status.addr = arena_str(arena, slice_cut(&host, ':'));
		txn_put(txn, OBJECT_NODE, &node);
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

void turn_write(struct turn *t, const struct manager_config *config, const struct state *s,
		struct rng *rng, struct arena *arena, struct txn *txn)
{
	write_basics(config, s, rng, arena, txn);
	write_nodes(t, config, s, arena, txn);
	write_statuses(t, s, txn);
}

static void settle_nodes(struct turn *t, const struct manager_config *config,
			 const struct state *s)
{
	struct manager_status manager_status = { 0 };
	struct map_entry *next;
	struct node node;

	for (struct map_entry *e = map_first(&t->nodes); e; e = next) {
		struct node_news *n = e->value;

		next = map_next(e);
		if (node_wanted(config, s, e, &node, &manager_status))
			continue;
		(void)map_remove(&t->nodes, e->key);
		node_free(n);
	}
}

void turn_settle(struct turn *t, const struct manager_config *config, const struct state *s)
{
	struct map_entry *next;

	settle_nodes(t, config, s);
	for (struct map_entry *e = map_first(&t->statuses); e; e = next) {
		struct status_news *n = e->value;

		next = map_next(e);
		if (status_is_news(state_task(s, e->key.data), n->status))
			continue;
		(void)map_remove(&t->statuses, e->key);
		status_free(n);
	}
}
