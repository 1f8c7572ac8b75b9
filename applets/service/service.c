#include <string.h>

#include "applets/inspect.h"
#include "applets/progress.h"
#include "applets/service/service.h"
#include "applets/service/spec.h"
#include "applets/servicelist.h"
#include "applets/tasklist.h"

/* ---- environment ------------------------------------------------------------- */

struct variables {
	struct cli *cli;
	const char **items;
	uint32_t count, capacity;
};

static void add_variable(struct variables *v, const char *text)
{
	struct arena *a = v->cli->arena;

	if (!strchr(text, '=')) {
		/* Only a name: the value is that of our own environment, if there is one. */
		const char *value = v->cli->env(v->cli, text);

		if (!value)
			return;
		text = arena_printf(a, "%s=%s", text, value);
	}
	if (v->count == v->capacity) {
		uint32_t capacity = v->capacity ? v->capacity * 2 : 16;
		const char **items = arena_array(a, capacity, sizeof(*items));

		if (v->count)
			memcpy(items, v->items, v->count * sizeof(*items));
		v->items = items;
		v->capacity = capacity;
	}
	v->items[v->count++] = text;
}

static int add_file(struct variables *v, const char *path, struct errmsg *msg)
{
	struct buf text;
	struct slice rest;
	int err;

	buf_init(&text, CLI_FILE_MAX);
	err = v->cli->read_file(v->cli, path, CLI_FILE_MAX, &text, msg);
	rest = buf_slice(&text);
	while (err == 0 && rest.len) {
		struct slice line = slice_trim(slice_cut(&rest, '\n'));

		if (line.len && line.data[0] != '#')
			add_variable(v, arena_str(v->cli->arena, line));
	}
	buf_done(&text);
	return err < 0 ? errmsg_prefix(msg, err, "--env-file") : 0;
}

/* Files first: what stands on the command line wins. */
static int read_environment(struct cli *cli, struct service_flags *f, struct errmsg *msg)
{
	struct variables v = { .cli = cli };
	int err = 0;

	for (uint32_t i = 0; err == 0 && i < f->env_file.count; i++)
		err = add_file(&v, f->env_file.items[i], msg);
	for (uint32_t i = 0; i < f->env.count; i++)
		add_variable(&v, f->env.items[i]);
	f->env = (struct strings){ v.items, v.count };
	return err;
}

/* ---- create ------------------------------------------------------------------ */

static struct slice encode(struct arena *a, const struct service_spec *spec)
{
	struct json_writer w;
	struct slice done;
	struct buf out;

	buf_init(&out, CLI_TEXT_MAX);
	json_begin(&w, &out);
	model_encode(&w, &service_spec_table, MODEL_API, spec);
	done = arena_copy(a, buf_slice(&out));
	buf_done(&out);
	return done;
}

static void print_warnings(struct cli *cli, const struct json *answer)
{
	for (const struct json *w = json_first(json_get(answer, "Warnings")); w; w = json_next(w))
		cli_printf(cli, CLI_ERR, "swarmbox: warning: %.*s\n",
			SLICE_ARGS(json_string(w)));
}

/* POST with an answer to read. */
static int post(struct cli *cli, const char *path, struct slice body, const struct json **answer,
		struct errmsg *msg)
{
	struct cli_request r = { .method = "POST", .path = path, .body = body };
	struct cli_answer got;
	int err = cli_call(cli, &r, cli->arena, &got, msg);

	*answer = NULL;
	if (err < 0)
		return err;
	/* An answer without a body has nothing to tell. */
	if (got.body.len && json_parse(cli->arena, got.body, answer, msg) < 0)
		return ERR_IO;
	print_warnings(cli, *answer);
	return 0;
}

static int create(struct cli *cli)
{
	struct service_flags f = *(const struct service_flags *)cli->options;
	struct strings args = { (const char **)(void *)(cli->args + 1),
		(uint32_t)cli->arg_count - 1 };
	struct service_spec spec = { .name = NULL };
	const struct json *answer;
	struct errmsg msg = { { 0 } };
	const char *id;

	f.image = cli->args[0];
	if (read_environment(cli, &f, &msg) < 0)
		return cli_fail(cli, "%s", msg.text);
	if (service_spec_apply(cli->arena, &f, &spec, &msg) < 0)
		return cli_usage(cli, "%s", msg.text);
	spec.task_template.container_spec->args = args;
	if (post(cli, "/services/create", encode(cli->arena, &spec), &answer, &msg) < 0)
		return cli_failed(cli, &msg);
	id = arena_str(cli->arena, json_string(json_get(answer, "ID")));
	cli_printf(cli, CLI_OUT, "%s\n", id);
	return f.detach == OPTION_YES ? 0 : progress_wait(cli, id, f.quiet == OPTION_YES);
}

/* ---- changes ----------------------------------------------------------------- */

static int get_service(struct cli *cli, const char *name, struct service *out, struct errmsg *msg)
{
	const struct json *object;
	int err = cli_get(cli, cli->arena, cli_path(cli->arena, "/services/%s", name), &object,
		msg);

	return err < 0 ? err :
		model_decode(cli->arena, &service_table, MODEL_API, object, out, msg);
}

/* Changes a spec; 0 or a negative code with msg. CLI_USAGE: what the user wrote is wrong. */
typedef int change_fn(struct cli *cli, void *context, struct service_spec *spec,
		      struct errmsg *msg);

struct change {
	change_fn *apply;	/* NULL: the spec is sent as it is */
	void *context;
	const char *query;	/* "&rollback=previous", or "" */
};

/* Reads, changes, writes; again if somebody else wrote in between. 0, CLI_USAGE or an error. */
static int change_service(struct cli *cli, const char *name, const struct change *change,
			  const char **id, struct errmsg *msg)
{
	int err = ERR_STALE;

	for (int i = 0; err == ERR_STALE && i < CLI_STALE_TRIES; i++) {
		const struct json *answer;
		struct service s;

		err = get_service(cli, name, &s, msg);
		if (err == 0 && change->apply)
			err = change->apply(cli, change->context, &s.spec, msg);
		if (err != 0)
			return err;
		*id = s.meta.id;
		err = post(cli, arena_printf(cli->arena, "/services/%s/update?version=%llu%s",
			s.meta.id, (unsigned long long)s.meta.version, change->query),
			encode(cli->arena, &s.spec), &answer, msg);
	}
	return err;
}

/* An attached network is stored by its id: what is to be removed may be a name. */
static int resolve_networks(struct cli *cli, struct strings *names, struct errmsg *msg)
{
	struct strings all = { arena_array(cli->arena, (size_t)names->count * 2 + 1,
		sizeof(*all.items)), 0 };

	for (uint32_t i = 0; i < names->count; i++) {
		const struct json *network;
		int err = cli_get(cli, cli->arena, cli_path(cli->arena, "/networks/%s",
			names->items[i]), &network, msg);

		if (err < 0)
			return err;
		all.items[all.count++] = names->items[i];
		all.items[all.count++] = arena_str(cli->arena,
			json_string(json_get(network, "Id")));
	}
	*names = all;
	return 0;
}

static int apply_flags(struct cli *cli, void *context, struct service_spec *spec,
		       struct errmsg *msg)
{
	return service_spec_apply(cli->arena, context, spec, msg) < 0 ? CLI_USAGE : 0;
}

static int finish(struct cli *cli, int err, const struct errmsg *msg)
{
	if (err == CLI_USAGE)
		return cli_usage(cli, "%s", msg->text);
	return err < 0 ? cli_failed(cli, msg) : 0;
}

/* Whether --rollback stands with an option that changes the spec. */
static int is_mixed(const struct service_flags *f)
{
	struct service_flags alone;

	memset(&alone, 0, sizeof(alone));
	alone.rollback = f->rollback;
	alone.detach = f->detach;
	alone.quiet = f->quiet;
	return f->rollback && memcmp(&alone, f, sizeof(alone)) != 0;
}

static int update(struct cli *cli)
{
	struct service_flags f = *(const struct service_flags *)cli->options;
	struct change change = { apply_flags, &f, "" };
	struct errmsg msg = { { 0 } };
	const char *id = NULL;
	int err;

	if (is_mixed(cli->options))
		return cli_usage(cli, "--rollback cannot stand with other changes");
	if (f.rollback == OPTION_YES)
		change = (struct change){ NULL, NULL, "&rollback=previous" };
	err = read_environment(cli, &f, &msg);
	if (err == 0)
		err = resolve_networks(cli, &f.network_rm, &msg);
	if (err == 0)
		err = change_service(cli, cli->args[0], &change, &id, &msg);
	if (err != 0)
		return finish(cli, err, &msg);
	cli_printf(cli, CLI_OUT, "%s\n", cli->args[0]);
	return f.detach == OPTION_YES ? 0 : progress_wait(cli, id, f.quiet == OPTION_YES);
}

struct wait_options {
	int detach, quiet;
};

static int rollback(struct cli *cli)
{
	const struct wait_options *o = cli->options;
	struct change change = { NULL, NULL, "&rollback=previous" };
	struct errmsg msg = { { 0 } };
	const char *id = NULL;
	int err = change_service(cli, cli->args[0], &change, &id, &msg);

	if (err != 0)
		return finish(cli, err, &msg);
	cli_printf(cli, CLI_OUT, "%s\n", cli->args[0]);
	return o->detach == OPTION_YES ? 0 : progress_wait(cli, id, o->quiet == OPTION_YES);
}

static int apply_scale(struct cli *cli, void *context, struct service_spec *spec,
		       struct errmsg *msg)
{
	struct replicated_mode *r = arena_new(cli->arena, sizeof(*r));

	if (!spec->mode.replicated)
		return errmsg_set(msg, ERR_INVALID,
			"service scale: %s: only a replicated service can be scaled", spec->name);
	r->replicas = context;
	spec->mode.replicated = r;
	return 0;
}

/* "web=3" apart. */
static int parse_scale(struct cli *cli, const char *text, const char **name, uint64_t *replicas)
{
	struct slice count = slice_of(text);
	struct slice front = slice_cut(&count, '=');

	*name = arena_str(cli->arena, front);
	return front.len ? slice_to_u64(count, INT64_MAX, replicas) : ERR_INVALID;
}

static int scale(struct cli *cli)
{
	const struct wait_options *o = cli->options;
	const char **ids = arena_array(cli->arena, (size_t)cli->arg_count, sizeof(*ids));
	int status = 0;

	for (int i = 0; i < cli->arg_count; i++) {
		const char *name;
		uint64_t n;

		if (parse_scale(cli, cli->args[i], &name, &n) < 0)
			return cli_usage(cli, "\"%s\" is not SERVICE=REPLICAS", cli->args[i]);
	}
	for (int i = 0; i < cli->arg_count; i++) {
		uint64_t *n = arena_new(cli->arena, sizeof(*n));
		struct change change = { apply_scale, n, "" };
		struct errmsg msg = { { 0 } };
		const char *name;

		parse_scale(cli, cli->args[i], &name, n);
		if (change_service(cli, name, &change, &ids[i], &msg) != 0) {
			status = cli_failed(cli, &msg);
			ids[i] = NULL;
			continue;
		}
		cli_printf(cli, CLI_OUT, "%s scaled to %llu\n", name, (unsigned long long)*n);
	}
	for (int i = 0; i < cli->arg_count && o->detach != OPTION_YES; i++)
		if (ids[i] && progress_wait(cli, ids[i], o->quiet == OPTION_YES) != 0)
			status = CLI_FAILED;
	return status;
}

static int remove_services(struct cli *cli)
{
	return cli_delete(cli, "/services/%s");
}

/* ---- lists ------------------------------------------------------------------- */

static int list(struct cli *cli)
{
	static const char *const keys[] = { "id", "label", "mode", "name", NULL };
	const struct rows_options *o = cli->options;
	struct errmsg msg = { { 0 } };
	struct buf path;
	const char *target;
	int err;

	buf_init(&path, CLI_TEXT_MAX);
	buf_add_str(&path, "/services?status=true");
	err = cli_filters(&path, &o->filter, keys, &msg);
	target = arena_str(cli->arena, buf_slice(&path));
	buf_done(&path);
	return err < 0 ? cli_usage(cli, "%s", msg.text) : servicelist_print(cli, target, o, NULL);
}

static int tasks(struct cli *cli)
{
	static const char *const keys[] = {
		"id", "name", "node", "desired-state", "service", NULL,
	};
	const struct rows_options *o = cli->options;
	struct strings filter = { arena_array(cli->arena,
		(size_t)o->filter.count + (size_t)cli->arg_count, sizeof(*filter.items)), 0 };
	struct errmsg msg = { { 0 } };
	const char *target;
	struct buf path;
	int err = 0, status = 0, found = 0;

	for (uint32_t i = 0; i < o->filter.count; i++)
		filter.items[filter.count++] = o->filter.items[i];
	for (int i = 0; i < cli->arg_count; i++) {
		struct service s;

		if (get_service(cli, cli->args[i], &s, &msg) < 0) {
			status = cli_failed(cli, &msg);
			continue;
		}
		filter.items[filter.count++] = arena_printf(cli->arena, "service=%s", s.meta.id);
		found = 1;
	}
	if (!found)
		return status;
	buf_init(&path, CLI_TEXT_MAX);
	buf_add_str(&path, "/tasks");
	err = cli_filters(&path, &filter, keys, &msg);
	target = arena_str(cli->arena, buf_slice(&path));
	buf_done(&path);
	if (err < 0)
		return cli_usage(cli, "%s", msg.text);
	err = tasklist_print(cli, target, o, NULL);
	return err ? err : status;
}

/* ---- the table --------------------------------------------------------------- */

static const struct option list_options[] = {
	ROWS_FILTER, ROWS_FORMAT, ROWS_NO_TRUNC, ROWS_QUIET_FLAG, { .name = NULL },
};

static const struct option task_options[] = {
	ROWS_FILTER, ROWS_FORMAT, ROWS_NO_RESOLVE, ROWS_NO_TRUNC, ROWS_QUIET_FLAG,
	{ .name = NULL },
};

static const struct option wait_options[] = {
	{ "detach", 'd', OPTION_FLAG, NULL, NULL, "Do not wait until the service runs",
	  offsetof(struct wait_options, detach), NULL },
	{ "quiet", 'q', OPTION_FLAG, NULL, NULL, "Do not show progress",
	  offsetof(struct wait_options, quiet), NULL },
	{ .name = NULL },
};

const struct command service_commands[] = {
	{ .name = "create", .summary = "Create a new service",
	  .arguments = "IMAGE [COMMAND] [ARG...]", .options = service_create_options,
	  .size = sizeof(struct service_flags), .run = create, .args_min = 1, .args_max = -1,
	  .options_first = 1 },
	{ .name = "inspect", .summary = "Show all about one or more services",
	  .arguments = "SERVICE [SERVICE...]", .options = service_inspect_options,
	  .size = sizeof(struct inspect_options), .run = service_inspect_run, .args_min = 1,
	  .args_max = -1 },
	{ .name = "logs", .summary = "Show the logs of a service or task",
	  .arguments = "SERVICE|TASK", .options = service_logs_options,
	  .size = sizeof(struct service_logs_flags), .run = service_logs_run, .args_min = 1,
	  .args_max = 1 },
	{ .name = "ls", .summary = "List services", .arguments = "", .options = list_options,
	  .size = sizeof(struct rows_options), .run = list },
	{ .name = "ps", .summary = "List the tasks of one or more services",
	  .arguments = "SERVICE [SERVICE...]", .options = task_options,
	  .size = sizeof(struct rows_options), .run = tasks, .args_min = 1, .args_max = -1 },
	{ .name = "rm", .summary = "Remove one or more services",
	  .arguments = "SERVICE [SERVICE...]", .run = remove_services, .args_min = 1,
	  .args_max = -1 },
	{ .name = "rollback", .summary = "Go back to a service's former specification",
	  .arguments = "SERVICE", .options = wait_options, .size = sizeof(struct wait_options),
	  .run = rollback, .args_min = 1, .args_max = 1 },
	{ .name = "scale", .summary = "Set the number of tasks of one or more services",
	  .arguments = "SERVICE=REPLICAS [SERVICE=REPLICAS...]", .options = wait_options,
	  .size = sizeof(struct wait_options), .run = scale, .args_min = 1, .args_max = -1 },
	{ .name = "update", .summary = "Change a service", .arguments = "SERVICE",
	  .options = service_update_options, .size = sizeof(struct service_flags), .run = update,
	  .args_min = 1, .args_max = 1 },
	{ .name = NULL },
};
