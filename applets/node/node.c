#include <stdlib.h>
#include <string.h>

#include "applets/inspect.h"
#include "applets/node/node.h"
#include "applets/rows.h"
#include "applets/tasklist.h"
#include "model/node.h"

static const struct column columns[] = {
	{ "ID", "ID" }, { "HOSTNAME", "Hostname" }, { "STATUS", "Status" },
	{ "AVAILABILITY", "Availability" }, { "MANAGER STATUS", "ManagerStatus" },
	{ "ENGINE VERSION", "EngineVersion" },
};
enum { COLUMNS = sizeof(columns) / sizeof(*columns) };

static const char *const availabilities[] = { "active", "pause", "drain", NULL };
static const char *const roles[] = { "worker", "manager", NULL };

static const char *manager_status(const struct manager_status *m)
{
	if (!m)
		return "";
	if (m->leader)
		return "Leader";
	return m->reachability && strcmp(m->reachability, "reachable") == 0 ? "Reachable" :
		"Unreachable";
}

static void fill(struct arena *a, const struct node *n, const char *self, const char **row)
{
	static const char *const states[] = { "Unknown", "Down", "Ready", "Disconnected" };
	static const char *const shown[] = { "Active", "Pause", "Drain" };

	row[0] = n->meta.id ? n->meta.id : "";
	/* Only in the table: a star marks the node that answers. */
	if (self)
		row[0] = arena_printf(a, "%s %s", row[0], strcmp(row[0], self) == 0 ? "*" : " ");
	row[1] = n->description.hostname ? n->description.hostname : "";
	row[2] = states[n->status.state];
	row[3] = shown[n->spec.availability];
	row[4] = manager_status(n->manager_status);
	row[5] = n->description.engine.engine_version ? n->description.engine.engine_version : "";
}

static int compare_nodes(const void *a, const void *b)
{
	const struct node *x = a, *y = b;
	const char *left = x->description.hostname, *right = y->description.hostname;
	int order = rows_compare_names(left ? left : "", right ? right : "");

	return order ? order : slice_compare(slice_of(x->meta.id), slice_of(y->meta.id));
}

static int write_list(struct cli *cli, const struct json *array, enum rows_form form,
		      struct buf *out, struct errmsg *msg)
{
	struct node *all = arena_array(cli->arena, json_count(array) + 1, sizeof(*all));
	const char *self = NULL;
	struct rows rows;
	size_t n = 0;
	int err = 0;

	for (const struct json *e = json_first(array); err == 0 && e; e = json_next(e))
		err = model_decode(cli->arena, &node_table, MODEL_API, e, &all[n++], msg);
	if (err == 0 && form == ROWS_TABLE)
		err = cli_self(cli, &self, msg);
	if (err < 0)
		return err;
	qsort(all, n, sizeof(*all), compare_nodes);
	rows_init(&rows, cli->arena, columns, COLUMNS);
	for (size_t i = 0; i < n; i++)
		fill(cli->arena, &all[i], self, rows_add(&rows));
	rows_write(&rows, form, out);
	return 0;
}

static int list(struct cli *cli)
{
	static const char *const keys[] = {
		"id", "label", "membership", "name", "node.label", "role", NULL,
	};

	return cli_list(cli, "/nodes", keys, write_list);
}

/* ---- ps ------------------------------------------------------------------------ */

static int get_node(struct cli *cli, const char *name, struct node *out, struct errmsg *msg)
{
	const struct json *object;
	int err = 0;

	if (strcmp(name, "self") == 0)
		err = cli_self(cli, &name, msg);
	if (err == 0)
		err = cli_get(cli, cli->arena, cli_path(cli->arena, "/nodes/%s", name), &object,
			msg);
	return err < 0 ? err :
		model_decode(cli->arena, &node_table, MODEL_API, object, out, msg);
}

static int tasks(struct cli *cli)
{
	static const char *const keys[] = { "id", "name", "label", "desired-state", "node", NULL };
	char *const here[] = { (char[]){ "self" } };
	const struct rows_options *o = cli->options;
	char *const *names = cli->arg_count ? cli->args : here;
	int count = cli->arg_count ? cli->arg_count : 1, err = 0;
	struct strings filter = { arena_array(cli->arena, (size_t)o->filter.count + (size_t)count,
		sizeof(*filter.items)), 0 };
	struct errmsg msg = { { 0 } };
	const char *target;
	struct buf path;

	for (uint32_t i = 0; i < o->filter.count; i++)
		filter.items[filter.count++] = o->filter.items[i];
	for (int i = 0; i < count; i++) {
		struct node n;

		if (get_node(cli, names[i], &n, &msg) < 0)
			return cli_failed(cli, &msg);
		filter.items[filter.count++] = arena_printf(cli->arena, "node=%s", n.meta.id);
	}
	buf_init(&path, CLI_TEXT_MAX);
	buf_add_str(&path, "/tasks");
	err = cli_filters(&path, &filter, keys, &msg);
	target = arena_str(cli->arena, buf_slice(&path));
	buf_done(&path);
	return err < 0 ? cli_usage(cli, "%s", msg.text) : tasklist_print(cli, target, o, NULL);
}

/* ---- rm ------------------------------------------------------------------------ */

struct remove_options {
	int force;
};

static int remove_nodes(struct cli *cli)
{
	const struct remove_options *o = cli->options;

	return cli_delete(cli, o->force > 0 ? "/nodes/%s?force=1" : "/nodes/%s");
}

/* ---- update ---------------------------------------------------------------------- */

struct update_options {
	struct option_number availability, role;
	struct strings label_add, label_rm;
};

static void apply(struct arena *a, const struct update_options *o, struct node_spec *spec)
{
	if (o->availability.given)
		spec->availability = (int)o->availability.value;
	if (o->role.given)
		spec->role = (int)o->role.value;
	for (uint32_t i = 0; i < o->label_rm.count; i++)
		spec->labels = labels_without(a, &spec->labels, o->label_rm.items[i]);
	for (uint32_t i = 0; i < o->label_add.count; i++) {
		struct slice value = slice_of(o->label_add.items[i]);
		const char *key = arena_str(a, slice_cut(&value, '='));

		spec->labels = labels_with(a, &spec->labels, key, arena_str(a, value));
	}
}

static int send_spec(struct cli *cli, const struct node *n, struct errmsg *msg)
{
	struct json_writer w;
	struct buf body;
	int err;

	buf_init(&body, CLI_TEXT_MAX);
	json_begin(&w, &body);
	model_encode(&w, &node_spec_table, MODEL_API, &n->spec);
	err = cli_send(cli, "POST", arena_printf(cli->arena, "/nodes/%s/update?version=%llu",
		n->meta.id, (unsigned long long)n->meta.version), buf_slice(&body), msg);
	buf_done(&body);
	return err;
}

/* 1 when it is a role alone that is asked for, and the node has it. */
static int has_role(const struct update_options *o, const struct node *n)
{
	return o->role.given && n->spec.role == o->role.value && !o->availability.given &&
		!o->label_add.count && !o->label_rm.count;
}

/* 1 when there was nothing to change; 0; or as cli_call. */
static int change(struct cli *cli, const char *name, const struct update_options *o,
		  struct errmsg *msg)
{
	int err = ERR_STALE;

	for (int i = 0; err == ERR_STALE && i < CLI_STALE_TRIES; i++) {
		struct node n;

		err = get_node(cli, name, &n, msg);
		if (err < 0)
			break;
		if (has_role(o, &n))
			return 1;
		apply(cli->arena, o, &n.spec);
		err = send_spec(cli, &n, msg);
	}
	return err;
}

static int update(struct cli *cli)
{
	const struct update_options *o = cli->options;
	struct errmsg msg = { { 0 } };

	if (!o->availability.given && !o->role.given && !o->label_add.count && !o->label_rm.count)
		return cli_usage(cli, "an option is needed that says what to change");
	if (change(cli, cli->args[0], o, &msg) < 0)
		return cli_failed(cli, &msg);
	cli_printf(cli, CLI_OUT, "%s\n", cli->args[0]);
	return 0;
}

/* ---- promote, demote --------------------------------------------------------------- */

/* before, after: the words around the name of a node that has changed, as docker has them. */
static int give_role(struct cli *cli, enum node_role role, const char *before, const char *after)
{
	const struct update_options o = { .role = { .value = role, .given = 1 } };
	int status = 0;

	for (int i = 0; i < cli->arg_count; i++) {
		const char *name = cli->args[i];
		struct errmsg msg = { { 0 } };
		int err = change(cli, name, &o, &msg);

		if (err < 0)
			status = cli_failed(cli, &msg);
		else if (err > 0)
			cli_printf(cli, CLI_OUT, "Node %s is already a %s.\n", name, roles[role]);
		else
			cli_printf(cli, CLI_OUT, "%s %s %s in the swarm.\n", before, name, after);
	}
	return status;
}

static int promote(struct cli *cli)
{
	return give_role(cli, ROLE_MANAGER, "Node", "promoted to a manager");
}

static int demote(struct cli *cli)
{
	return give_role(cli, ROLE_WORKER, "Manager", "demoted");
}

/* ---- the table ------------------------------------------------------------------- */

static const struct option list_options[] = {
	ROWS_FILTER, ROWS_FORMAT, ROWS_QUIET_FLAG, { .name = NULL },
};

static const struct option task_options[] = {
	ROWS_FILTER, ROWS_FORMAT, ROWS_NO_RESOLVE, ROWS_NO_TRUNC, ROWS_QUIET_FLAG,
	{ .name = NULL },
};

static const struct option remove_options[] = {
	{ "force", 'f', OPTION_FLAG, NULL, NULL, "Even one that is not down",
	  offsetof(struct remove_options, force), NULL },
	{ .name = NULL },
};

#define ROW(name_, kind_, member, help_, choices_) \
	{ name_, 0, kind_, NULL, NULL, help_, offsetof(struct update_options, member), choices_ }

static const struct option update_options[] = {
	ROW("availability", OPTION_CHOICE, availability, "Whether it gets tasks", availabilities),
	ROW("label-add", OPTION_LIST, label_add, "Add a label (key=value)", NULL),
	ROW("label-rm", OPTION_LIST, label_rm, "Remove a label by its key", NULL),
	ROW("role", OPTION_CHOICE, role, "What it is in the swarm", roles),
	{ .name = NULL },
};

#define PROMOTE(name_) \
	{ .name = name_, .summary = "Make nodes managers of the swarm", \
	  .arguments = "NODE [NODE...]", .run = promote, .args_min = 1, .args_max = -1 }
#define DEMOTE(name_) \
	{ .name = name_, .summary = "Make managers plain workers", \
	  .arguments = "NODE [NODE...]", .run = demote, .args_min = 1, .args_max = -1 }

const struct command node_promote_commands[] = { PROMOTE(""), { .name = NULL } };
const struct command node_demote_commands[] = { DEMOTE(""), { .name = NULL } };

const struct command node_commands[] = {
	DEMOTE("demote"),
	{ .name = "inspect", .summary = "Show all about one or more nodes",
	  .arguments = "NODE [NODE...]", .options = node_inspect_options,
	  .size = sizeof(struct inspect_options), .run = node_inspect_run, .args_min = 1,
	  .args_max = -1 },
	{ .name = "ls", .summary = "List the nodes of the swarm", .arguments = "",
	  .options = list_options, .size = sizeof(struct rows_options), .run = list },
	PROMOTE("promote"),
	{ .name = "ps", .summary = "List the tasks on one or more nodes, or on this one",
	  .arguments = "[NODE...]", .options = task_options, .size = sizeof(struct rows_options),
	  .run = tasks, .args_max = -1 },
	{ .name = "rm", .summary = "Remove nodes that have left the swarm",
	  .arguments = "NODE [NODE...]", .options = remove_options,
	  .size = sizeof(struct remove_options), .run = remove_nodes, .args_min = 1,
	  .args_max = -1 },
	{ .name = "update", .summary = "Change a node", .arguments = "NODE",
	  .options = update_options, .size = sizeof(struct update_options), .run = update,
	  .args_min = 1, .args_max = 1 },
	{ .name = NULL },
};
