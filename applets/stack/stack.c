#include <string.h>

#include "applets/progress.h"
#include "applets/rows.h"
#include "applets/servicelist.h"
#include "applets/stack/plan.h"
#include "applets/stack/stack.h"
#include "applets/tasklist.h"
#include "base/map.h"
#include "codec/yaml.h"
#include "model/service.h"

/* ---- steps --------------------------------------------------------------------- */

static int get_state(struct cli *cli, struct plan_state *s, struct errmsg *msg)
{
	int err = cli_get(cli, cli->arena, "/services", &s->services, msg);

	return err < 0 ? err : cli_get(cli, cli->arena, "/networks", &s->networks, msg);
}

/* An update whose version is old by now: the service's own update goes on meanwhile. */
static int send_update(struct cli *cli, const struct plan_step *step, struct errmsg *msg)
{
	const char *path = step->path;
	int err = cli_send(cli, step->method, path, step->body, msg);

	for (int i = 1; err == ERR_STALE && i < STACK_STALE_TRIES; i++) {
		const struct json *object;
		struct service s;

		err = cli_get(cli, cli->arena, cli_path(cli->arena, "/services/%s", step->update),
			&object, msg);
		if (err == 0)
			err = model_decode(cli->arena, &service_table, MODEL_API, object, &s, msg);
		if (err < 0)
			return err;
		path = plan_update_path(cli->arena, step->update, s.meta.version);
		err = cli_send(cli, step->method, path, step->body, msg);
	}
	return err;
}

/* What running a plan has led to so far. */
struct done {
	struct strings services;	/* ids of those created or updated, in order */
	struct strings undo;		/* paths of what was created, in order */
};

static int run_step(struct cli *cli, const struct plan_step *step, struct done *done,
		    struct errmsg *msg)
{
	struct cli_request r = { .method = step->method, .path = step->path, .body = step->body };
	const struct json *root = NULL;
	struct cli_answer answer;
	const char *id = step->update;
	int err;

	cli_printf(cli, CLI_OUT, "%s\n", step->line);
	if (step->update)
		err = send_update(cli, step, msg);
	else
		err = cli_call(cli, &r, cli->arena, &answer, msg);
	if (err == 0 && !step->update && strcmp(step->method, "POST") == 0) {
		err = json_parse(cli->arena, answer.body, &root, msg);
		id = arena_str(cli->arena,
			       json_string(json_get(root, step->is_service ? "ID" : "Id")));
		done->undo.items[done->undo.count++] =
			cli_path(cli->arena, step->is_service ? "/services/%s" : "/networks/%s",
				 id);
	}
	if (err == 0 && step->is_service)
		done->services.items[done->services.count++] = id;
	return err;
}

/* A stack is not left half made: what this run created goes again. What it updated stays. */
static void undo(struct cli *cli, const struct done *done, struct errmsg *msg)
{
	struct errmsg why = *msg, ignored;

	for (uint32_t i = done->undo.count; i > 0; i--)
		(void)cli_send(cli, "DELETE", done->undo.items[i - 1], (struct slice){ NULL, 0 },
			       &ignored);	/* the first error is the one to tell */
	if (done->undo.count)
		errmsg_set(msg, 0, "%.400s (what was created is removed again)", why.text);
}

static int run_plan(struct cli *cli, const struct plan *plan, struct done *done)
{
	for (uint32_t i = 0; i < plan->steps.count; i++) {
		const struct plan_step *step = LIST_AT(&plan->steps, struct plan_step, i);
		struct errmsg msg = { { 0 } };
		int err = run_step(cli, step, done, &msg);

		/* What somebody else removed meanwhile is removed. */
		if (err == ERR_NOT_FOUND && strcmp(step->method, "DELETE") == 0)
			continue;
		if (err < 0) {
			undo(cli, done, &msg);
			return cli_failed(cli, &msg);
		}
	}
	return 0;
}

static void make_room(struct arena *a, const struct plan *plan, struct done *done)
{
	size_t n = plan->steps.count;

	done->services.items = arena_array(a, n, sizeof(char *));
	done->undo.items = arena_array(a, n, sizeof(char *));
}

/* ---- deploy -------------------------------------------------------------------- */

struct deploy_options {
	struct strings files;
	int prune, detach, quiet;
};

static const char *get_env(void *context, const char *name)
{
	struct cli *cli = context;

	return cli->env(cli, name);
}

static int read_env_file(void *context, const char *path, struct buf *out, struct errmsg *msg)
{
	struct cli *cli = context;

	return cli->read_file(cli, path, STACK_ENV_FILE_MAX, out, msg);
}

/* Where relative paths of the file start: its own folder; the working one for stdin. */
static const char *folder_of(struct cli *cli, const char *path)
{
	const char *slash = path ? strrchr(path, '/') : NULL;
	const char *here = cli->folder(cli);
	struct slice front = { path, slash ? (size_t)(slash - path) : 0 };

	if (!slash)
		return here;
	if (*path == '/')
		return arena_str(cli->arena, front);
	return arena_printf(cli->arena, "%s/%.*s", here, SLICE_ARGS(front));
}

static int load_file(struct cli *cli, const char *path, struct stack *stack, struct errmsg *msg)
{
	int is_stdin = strcmp(path, "-") == 0;
	struct stack_source source = {
		.file = is_stdin ? "stdin" : path, .dir = folder_of(cli, is_stdin ? NULL : path),
		.context = cli, .env = get_env, .read = read_env_file,
	};
	struct buf text;
	int err;

	buf_init(&text, YAML_TEXT_MAX);
	err = cli->read_file(cli, is_stdin ? "/dev/stdin" : path, YAML_TEXT_MAX, &text, msg);
	source.text = buf_slice(&text);
	if (err == 0)
		err = stack_load(cli->arena, cli->args[0], &source, stack, msg);
	buf_done(&text);
	return err;
}

static int wait_for_services(struct cli *cli, const struct strings *ids, int quiet)
{
	int status = 0;

	for (uint32_t i = 0; i < ids->count; i++)
		if (progress_wait(cli, ids->items[i], quiet) != 0)
			status = CLI_FAILED;
	return status;
}

static int deploy(struct cli *cli)
{
	const struct deploy_options *o = cli->options;
	struct errmsg msg = { { 0 } };
	struct done done = { 0 };
	struct stack stack;
	struct plan_state state;
	struct plan plan;
	int status;

	if (o->files.count != 1)
		return cli_usage(cli, o->files.count ?
			"more than one --compose-file is not supported yet" :
			"give a --compose-file");
	if (stack_check_name(cli->args[0], &msg) < 0 ||
	    load_file(cli, o->files.items[0], &stack, &msg) < 0)
		return cli_fail(cli, "%s", msg.text);
	for (uint32_t i = 0; i < stack.warnings.count; i++)
		cli_printf(cli, CLI_ERR, "warning: %s\n", stack.warnings.items[i]);
	if (get_state(cli, &state, &msg) < 0)
		return cli_failed(cli, &msg);
	if (plan_deploy(cli->arena, &stack, o->prune == OPTION_YES, &state, &plan, &msg) < 0)
		return cli_fail(cli, "%s", msg.text);
	make_room(cli->arena, &plan, &done);
	status = run_plan(cli, &plan, &done);
	if (status || o->detach == OPTION_YES)
		return status;
	return wait_for_services(cli, &done.services, o->quiet == OPTION_YES);
}

/* ---- rm ------------------------------------------------------------------------ */

struct remove_options {
	int detach;
};

static size_t count_tasks(const struct json *tasks, const struct strings *services)
{
	size_t n = 0;

	for (const struct json *e = json_first(tasks); e; e = json_next(e)) {
		struct slice id = json_string(json_get(e, "ServiceID"));

		for (uint32_t i = 0; i < services->count; i++)
			n += (size_t)slice_is(id, services->items[i]);
	}
	return n;
}

/* Containers of the stack on this host, ended ones too; 0 where the engine does not say. */
static size_t count_containers(struct cli *cli, struct arena *a, const char *stack)
{
	const char *filters = arena_printf(a, "{\"label\":[\"" STACK_LABEL "=%s\"]}", stack);
	const struct json *list = NULL;
	struct errmsg ignored = { { 0 } };

	if (cli_get(cli, a, cli_path(a, "/containers/json?all=1&filters=%s", filters), &list,
		    &ignored) < 0)
		return 0;
	return json_count(list);
}

/* How many tasks and containers are left, or an error. */
static int look(struct cli *cli, const char *stack, const struct strings *services, size_t *left,
		struct errmsg *msg)
{
	const struct json *tasks;
	struct arena a;
	int err;

	arena_init(&a);
	err = cli_get(cli, &a, "/tasks", &tasks, msg);
	if (err == 0)
		*left = count_tasks(tasks, services);
	if (err == 0 && *left == 0)
		*left = count_containers(cli, &a, stack);
	arena_done(&a);
	return err;
}

/* Ctrl-C ends the waiting, not the removal. */
static int wait_until_gone(struct cli *cli, const char *stack, const struct strings *services)
{
	uint64_t end = cli->now_ms(cli) + STACK_GONE_MS;
	struct errmsg msg = { { 0 } };
	size_t left = 0;

	for (;;) {
		if (look(cli, stack, services, &left, &msg) < 0)
			return cli_failed(cli, &msg);
		if (left == 0)
			return 0;
		if (cli->now_ms(cli) >= end)
			return cli_fail(cli, "%s: %zu of its tasks have not ended after %d s: see "
				"'swarmbox node ps'", stack, left, STACK_GONE_MS / 1000);
		if (cli->wait(cli, STACK_POLL_MS))
			return 0;
	}
}

static int remove_stack(struct cli *cli, const char *name, struct plan *plan, struct errmsg *msg)
{
	struct done done = { 0 };	/* removals leave nothing to undo */
	struct plan_state state;
	int err = get_state(cli, &state, msg);

	if (err < 0)
		return cli_failed(cli, msg);
	if (plan_remove(cli->arena, name, &state, plan, msg) < 0)
		return cli_fail(cli, "%s", msg->text);
	if (plan->steps.count == 0) {
		cli_printf(cli, CLI_ERR, "Nothing found in stack: %s\n", name);
		return 0;
	}
	return run_plan(cli, plan, &done);
}

static int remove_stacks(struct cli *cli)
{
	const struct remove_options *o = cli->options;
	struct plan *plans = arena_array(cli->arena, (size_t)cli->arg_count, sizeof(*plans));
	int status = 0;

	for (int i = 0; i < cli->arg_count; i++) {
		struct errmsg msg = { { 0 } };

		if (stack_check_name(cli->args[i], &msg) < 0)
			status = cli_fail(cli, "%s", msg.text);
		else if (remove_stack(cli, cli->args[i], &plans[i], &msg) != 0)
			status = CLI_FAILED;
	}
	for (int i = 0; i < cli->arg_count && o->detach != OPTION_YES; i++)
		if (plans[i].services.count &&
		    wait_until_gone(cli, cli->args[i], &plans[i].services) != 0)
			status = CLI_FAILED;
	return status;
}

/* ---- lists --------------------------------------------------------------------- */

/* Service counts by stack: map from name to uint64_t. */
static void count_stacks(struct cli *cli, const struct json *services, struct map *counts)
{
	for (const struct json *e = json_first(services); e; e = json_next(e)) {
		const struct json *labels = json_get(json_get(e, "Spec"), "Labels");
		struct slice stack = json_string(json_get(labels, STACK_LABEL));
		uint64_t *n = map_get(counts, stack);

		if (stack.len == 0)
			continue;
		if (!n) {
			n = arena_new(cli->arena, sizeof(*n));
			map_set(counts, stack, n);
		}
		++*n;
	}
}

static int list_stacks(struct cli *cli)
{
	static const struct column columns[] = { { "NAME", "Name" }, { "SERVICES", "Services" } };
	const struct rows_options *o = cli->options;
	const struct json *services;
	struct errmsg msg = { { 0 } };
	enum rows_form form;
	struct map counts;
	struct rows rows;
	struct buf out;

	if (rows_form(o, &form, &msg) < 0)
		return cli_usage(cli, "%s", msg.text);
	if (cli_get(cli, cli->arena, cli_path(cli->arena, "/services?filters=%s",
			"{\"label\":{\"" STACK_LABEL "\":true}}"), &services, &msg) < 0)
		return cli_failed(cli, &msg);
	map_init(&counts);
	count_stacks(cli, services, &counts);
	rows_init(&rows, cli->arena, columns, 2);
	for (struct map_entry *e = map_first(&counts); e; e = map_next(e)) {
		const char **row = rows_add(&rows);

		row[0] = arena_str(cli->arena, e->key);
		row[1] = arena_printf(cli->arena, "%llu",
			(unsigned long long)*(const uint64_t *)e->value);
	}
	map_done(&counts);
	buf_init(&out, CLI_TEXT_MAX);
	rows_write(&rows, form, &out);
	cli_write(cli, CLI_OUT, &out);
	buf_done(&out);
	return 0;
}

/* front with the user's filters and the stack's. NULL: the exit status is in *status. */
static const char *list_path(struct cli *cli, const char *front, const char *const *keys,
			     int *status)
{
	const struct rows_options *o = cli->options;
	struct strings filters = strings_with(cli->arena, &o->filter,
		arena_printf(cli->arena, "label=" STACK_LABEL "=%s", cli->args[0]));
	struct errmsg msg = { { 0 } };
	const char *path = NULL;
	struct buf out;

	if (stack_check_name(cli->args[0], &msg) < 0) {
		*status = cli_fail(cli, "%s", msg.text);
		return NULL;
	}
	buf_init(&out, CLI_TEXT_MAX);
	buf_add_str(&out, front);
	if (cli_filters(&out, &filters, keys, &msg) < 0)
		*status = cli_usage(cli, "%s", msg.text);
	else
		path = arena_str(cli->arena, buf_slice(&out));
	buf_done(&out);
	return path;
}

static const char *nothing_found(struct cli *cli)
{
	return arena_printf(cli->arena, "Nothing found in stack: %s\n", cli->args[0]);
}

static int list_services(struct cli *cli)
{
	static const char *const keys[] = { "id", "label", "mode", "name", NULL };
	int status = 0;
	const char *path = list_path(cli, "/services?status=true", keys, &status);

	return path ? servicelist_print(cli, path, cli->options, nothing_found(cli)) : status;
}

static int list_tasks(struct cli *cli)
{
	static const char *const keys[] = {
		"id", "label", "name", "node", "desired-state", NULL,
	};
	int status = 0;
	const char *path = list_path(cli, "/tasks", keys, &status);

	return path ? tasklist_print(cli, path, cli->options, nothing_found(cli)) : status;
}

/* ---- the table ----------------------------------------------------------------- */

static const struct option deploy_options[] = {
	{ "compose-file", 'c', OPTION_LIST, "file", NULL,
	  "The compose file, or - for standard input",
	  offsetof(struct deploy_options, files), NULL },
	{ "detach", 'd', OPTION_FLAG, NULL, NULL, "Do not wait until the services run",
	  offsetof(struct deploy_options, detach), NULL },
	{ "prune", 0, OPTION_FLAG, NULL, NULL, "Remove services that the file does not have",
	  offsetof(struct deploy_options, prune), NULL },
	{ "quiet", 'q', OPTION_FLAG, NULL, NULL, "Do not show progress",
	  offsetof(struct deploy_options, quiet), NULL },
	{ .name = NULL },
};

static const struct option remove_options[] = {
	{ "detach", 'd', OPTION_FLAG, NULL, NULL, "Do not wait until its tasks are gone",
	  offsetof(struct remove_options, detach), NULL },
	{ .name = NULL },
};

static const struct option stacks_options[] = { ROWS_FORMAT, { .name = NULL } };

static const struct option services_options[] = {
	ROWS_FILTER, ROWS_FORMAT, ROWS_NO_TRUNC, ROWS_QUIET_FLAG, { .name = NULL },
};

static const struct option tasks_options[] = {
	ROWS_FILTER, ROWS_FORMAT, ROWS_NO_RESOLVE, ROWS_NO_TRUNC, ROWS_QUIET_FLAG,
	{ .name = NULL },
};

#define DEPLOY(name_) { \
	.name = name_, .summary = "Deploy a stack, or update the one of that name", \
	.arguments = "STACK", .options = deploy_options, .size = sizeof(struct deploy_options), \
	.run = deploy, .args_min = 1, .args_max = 1 }
#define REMOVE(name_) { \
	.name = name_, .summary = "Remove one or more stacks", .arguments = "STACK [STACK...]", \
	.options = remove_options, .size = sizeof(struct remove_options), .run = remove_stacks, \
	.args_min = 1, .args_max = -1 }

const struct command stack_commands[] = {
	DEPLOY("deploy"),
	REMOVE("down"),
	{ .name = "ls", .summary = "List stacks", .arguments = "", .options = stacks_options,
	  .size = sizeof(struct rows_options), .run = list_stacks },
	{ .name = "ps", .summary = "List the tasks of a stack", .arguments = "STACK",
	  .options = tasks_options, .size = sizeof(struct rows_options), .run = list_tasks,
	  .args_min = 1, .args_max = 1 },
	REMOVE("rm"),
	{ .name = "services", .summary = "List the services of a stack", .arguments = "STACK",
	  .options = services_options, .size = sizeof(struct rows_options), .run = list_services,
	  .args_min = 1, .args_max = 1 },
	DEPLOY("up"),
	{ .name = NULL },
};
