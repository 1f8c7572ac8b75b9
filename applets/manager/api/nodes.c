/* /nodes. Contracts are in private.h. */
#include <string.h>
#include "applets/manager/api/private.h"
#include "applets/manager/ca.h"

const struct api_manager *api_manager_find(const struct api_turn *turn, const char *node_id)
{
	const struct api_manager *found = NULL;

	for (uint32_t i = 0; i < turn->manager_count; i++) {
		const struct api_manager *m = &turn->managers[i];

		if (strcmp(m->node_id, node_id) == 0 && (!found || m->votes))
			found = m;
	}
	return found;
}

void count_managers(const struct api_turn *turn, int *all, int *reachable)
{
	*all = *reachable = 0;
	for (uint32_t i = 0; i < turn->manager_count; i++) {
		const struct api_manager *m = &turn->managers[i];

		if (api_manager_find(turn, m->node_id) != m)
			continue;
		++*all;
		*reachable += m->reachable;
	}
}

/* With what Raft knows of it, which is not in the state. */
static void write_node(struct call *c, struct body *b, const struct node *stored)
{
	const struct api_manager *m = api_manager_find(c->turn, stored->meta.id);
	struct manager_status status;
	struct node node = *stored;

	node.manager_status = NULL;
	if (m) {
		status = (struct manager_status){ m->leader,
			m->reachable ? "reachable" : "unreachable", m->addr };
		node.manager_status = &status;
	}
	body_object(b, &node_table, &node, (struct slice){ NULL, 0 });
}

static const char *role_of(const struct node *n)
{
	return n->spec.role == ROLE_MANAGER ? "manager" : "worker";
}

static int check_roles(struct call *c, const struct filters *f)
{
	for (uint32_t i = 0; i < f->count; i++) {
		const char *value = f->items[i].value;

		if (strcmp(f->items[i].key, "role") == 0 && strcmp(value, "manager") != 0 &&
		    strcmp(value, "worker") != 0) {
			fail(c, 500, "Invalid role filter: '%s'", value);
			return -1;
		}
	}
	return 0;
}

static int is_listed(const struct node *n, const struct filters *f)
{
	return filters_prefix(f, "id", n->meta.id) &&
	       filters_prefix(f, "name", n->description.hostname) &&
	       filters_exact(f, "role", role_of(n)) &&
	       filters_exact(f, "membership", "accepted") &&
	       filters_labels(f, "node.label", &n->spec.labels) &&
	       filters_labels(f, "label", &n->description.engine.labels);
}

enum api_outcome node_list(struct call *c)
{
	static const char *const keys[] = {
		"id", "name", "label", "node.label", "role", "membership", NULL,
	};
	struct filters f;
	struct body b;

	if (filters_read(c, keys, &f) < 0 || check_roles(c, &f) < 0)
		return API_REPLIED;
	body_begin(&b);
	json_open_array(&b.w);
	for (struct map_entry *e = state_first(c->turn->state, OBJECT_NODE); e; e = map_next(e)) {
		const struct node *n = state_entry(e);

		if (is_listed(n, &f))
			write_node(c, &b, n);
	}
	json_close_array(&b.w);
	return body_send(c, 200, &b);
}

enum api_outcome node_inspect(struct call *c)
{
	const struct node *n = find_object(c, OBJECT_NODE);
	struct body b;

	if (!n)
		return API_REPLIED;
	body_begin(&b);
	write_node(c, &b, n);
	return body_send(c, 200, &b);
}

/* Unlike other choices these two have no default: a spec without them is a mistake. */
static int check_choice(struct call *c, const struct json *root, const char *key,
			const char *const *allowed)
{
	struct slice text = json_string(json_get(root, key));

	for (; *allowed; allowed++) {
		if (slice_is(text, *allowed))
			return 0;
	}
	fail(c, 400, "invalid %s: \"%.*s\"", key, SLICE_ARGS(text));
	return -1;
}

static int read_spec(struct call *c, struct node_spec *spec)
{
	static const char *const roles[] = { "worker", "manager", NULL };
	static const char *const availabilities[] = { "active", "pause", "drain", NULL };
	struct errmsg msg = { { 0 } };
	const struct json *root;

	if (read_body(c, &root) < 0 || check_choice(c, root, "Role", roles) < 0 ||
	    check_choice(c, root, "Availability", availabilities) < 0)
		return -1;
	if (model_decode(c->turn->arena, &node_spec_table, MODEL_API, root, spec, &msg) == 0)
		return 0;
	fail_text(c, 400, INVALID_ARGUMENT, &msg);
	return -1;
}

/* Taken out, must the others still be a majority that answers? */
static int check_role_change(struct call *c, const struct node *stored,
			     const struct node_spec *spec)
{
	const struct api_manager *m = api_manager_find(c->turn, stored->meta.id);
	int all, reachable;

	if (spec->role == stored->spec.role || spec->role == ROLE_MANAGER || !m)
		return 0;
	count_managers(c->turn, &all, &reachable);
	if (all == 1)
		fail(c, 400, FAILED_PRECONDITION "attempting to demote the last manager of the "
		     "swarm");
	else if (reachable - m->reachable <= (all - 1) / 2)
		fail(c, 400, FAILED_PRECONDITION "can't remove member from the raft: this would "
		     "result in a loss of quorum");
	else
		return 0;
	return -1;
}

enum api_outcome node_update(struct call *c)
{
	const struct node *stored = find_object(c, OBJECT_NODE);
	struct node_spec spec;
	struct node node;

	if (!stored || check_version(c, "node", stored->meta.version) < 0 ||
	    read_spec(c, &spec) < 0 || check_role_change(c, stored, &spec) < 0)
		return API_REPLIED;
	node = *stored;
	node.spec = spec;
	node.manager_status = NULL;	/* older versions stored it */
	txn_put(c->turn->txn, OBJECT_NODE, &node);
	return reply_later(c, 200, NULL);
}

enum api_outcome node_remove(struct call *c)
{
	const struct node *n = find_object(c, OBJECT_NODE);
	struct cluster cluster;

	if (!n)
		return API_REPLIED;
	if (api_manager_find(c->turn, n->meta.id))
		return fail(c, 400, FAILED_PRECONDITION "node %s is a cluster manager and is a "
			    "member of the raft cluster. It must be demoted to worker before "
			    "removal", n->meta.id);
	if (n->status.state != NODE_DOWN && !http_query_bool(c->query, "force"))
		return fail(c, 400, FAILED_PRECONDITION "node %s is not down and can't be removed",
			    n->meta.id);
	cluster = *state_cluster(c->turn->state);
	ca_remove(&cluster, c->turn->arena, n->meta.id, c->turn->wall_ns);
	txn_put(c->turn->txn, OBJECT_CLUSTER, &cluster);
	txn_remove(c->turn->txn, OBJECT_NODE, n->meta.id, n->meta.version);
	return reply_later(c, 200, NULL);
}
