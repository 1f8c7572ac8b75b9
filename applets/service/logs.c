/*
 * service logs. The API sends lines of all tasks on one stream; which task a line is of stands
 * in its details ("com.docker.swarm.task.id=..."), which are asked for and cut off here.
 */
#include <string.h>

#include "applets/rows.h"
#include "applets/service/service.h"
#include "base/map.h"
#include "base/timefmt.h"
#include "docker/logmux.h"
#include "model/task.h"

enum { LINE_BYTES_MAX = 1 << 20 };	/* longer lines come in parts */

#define FLAG(letter_, name_, member, help_) \
	{ name_, letter_, OPTION_FLAG, NULL, NULL, help_, \
	  offsetof(struct service_logs_flags, member), NULL }

const struct option service_logs_options[] = {
	FLAG('f', "follow", follow, "Go on as lines come"),
	FLAG(0, "no-resolve", no_resolve, "Print IDs instead of names"),
	FLAG(0, "no-task-ids", no_task_ids, "Do not print task IDs"),
	FLAG(0, "no-trunc", no_trunc, "Do not cut what is long"),
	FLAG(0, "raw", raw, "Print the lines alone"),
	{ "since", 0, OPTION_STRING, "time", NULL,
	  "Lines since then (2026-01-02T13:23:37Z), or that long ago (42m)",
	  offsetof(struct service_logs_flags, since), NULL },
	{ "tail", 'n', OPTION_STRING, "number", "all", "That many lines from the end, of each task",
	  offsetof(struct service_logs_flags, tail), NULL },
	FLAG('t', "timestamps", timestamps, "Print when each line was written"),
	{ .name = NULL },
};

struct logs {
	struct cli *cli;
	const struct service_logs_flags *flags;
	const char *service;		/* its name */
	struct logmux mux;
	struct buf lines[LOGMUX_STREAMS];	/* what has come of a line */
	struct map heads;		/* task id -> "web.1.x@node    | " */
	const char *error;
};

/* "web.1.k2j...@node". Asked for once a task. */
static const char *head_of(struct logs *l, const char *task_id, const char *node_id)
{
	struct arena *a = l->cli->arena;
	char *known = map_get(&l->heads, slice_of(task_id));
	const struct json *object, *node;
	struct errmsg ignored = { { 0 } };
	const char *where = rows_id(a, node_id, l->flags->no_trunc), *id = "", *dot = "";
	uint64_t slot = 0;

	if (known)
		return known;
	if (cli_get(l->cli, a, cli_path(a, "/tasks/%s", task_id), &object, &ignored) == 0 &&
	    json_to_u64(json_get(object, "Slot"), &slot) < 0)
		slot = 0;
	if (l->flags->no_resolve <= 0 &&
	    cli_get(l->cli, a, cli_path(a, "/nodes/%s", node_id), &node, &ignored) == 0)
		where = arena_str(a, json_string(json_get(json_get(node, "Description"),
			"Hostname")));
	if (l->flags->no_task_ids <= 0) {
		id = rows_id(a, task_id, l->flags->no_trunc);
		dot = ".";
	}
	if (slot)
		known = arena_printf(a, "%s.%llu%s%s@%s    | ", l->service,
			(unsigned long long)slot, dot, id, where);
	else
		known = arena_printf(a, "%s.%s%s%s@%s    | ", l->service, node_id, dot, id,
			where);
	map_set(&l->heads, slice_of(task_id), known);
	return known;
}

/* The value of a key in "k=v,k=v", or "". */
static const char *detail(struct arena *a, struct slice details, const char *key)
{
	while (details.len) {
		struct slice value = slice_cut(&details, ',');

		if (slice_is(slice_cut(&value, '='), key))
			return arena_str(a, value);
	}
	return "";
}

static void print_line(struct logs *l, int to, struct slice line)
{
	struct arena scratch;
	struct slice stamp = { NULL, 0 }, details;
	const char *head;
	struct buf out;

	if (l->flags->raw > 0) {
		l->cli->write(l->cli, to, line);
		return;
	}
	arena_init(&scratch);
	if (l->flags->timestamps > 0)
		stamp = slice_cut(&line, ' ');
	details = slice_cut(&line, ' ');
	head = head_of(l, detail(&scratch, details, "com.docker.swarm.task.id"),
		detail(&scratch, details, "com.docker.swarm.node.id"));
	buf_init(&out, LINE_BYTES_MAX * 2);
	if (stamp.len)
		buf_printf(&out, "%.*s ", SLICE_ARGS(stamp));
	buf_add_str(&out, head);
	buf_add_slice(&out, line);
	cli_write(l->cli, to, &out);
	buf_done(&out);
	arena_done(&scratch);
}

/* All whole lines of what has come; the rest waits, unless it is too long. */
static void print_lines(struct logs *l, enum logmux_stream stream)
{
	struct buf *b = &l->lines[stream];
	int to = stream == LOGMUX_STDERR ? CLI_ERR : CLI_OUT;
	size_t done = 0;

	for (size_t i = 0; i < b->len; i++)
		if (b->data[i] == '\n') {
			print_line(l, to, (struct slice){ b->data + done, i + 1 - done });
			done = i + 1;
		}
	buf_consume(b, done);
}

static void take_bytes(struct logs *l, enum logmux_stream stream, struct slice bytes)
{
	struct buf *b = &l->lines[stream];

	while (bytes.len) {
		size_t room = LINE_BYTES_MAX - 1 - b->len;
		size_t n = bytes.len < room ? bytes.len : room;

		buf_add(b, bytes.data, n);
		bytes.data += n;
		bytes.len -= n;
		if (b->len == LINE_BYTES_MAX - 1)
			buf_add_char(b, '\n');
		print_lines(l, stream);
	}
}

static int piece(void *context, struct slice bytes)
{
	struct logs *l = context;
	enum logmux_stream stream;
	struct slice part;
	int r;

	while ((r = logmux_next(&l->mux, &bytes, &stream, &part)) > 0)
		take_bytes(l, stream, part);
	if (r < 0)
		l->error = "the API's answer is no log stream";
	return r < 0;
}

/* "42m" or a time, as the seconds that the API takes. */
static int since_seconds(struct cli *cli, const char *text, const char **out, struct errmsg *msg)
{
	struct slice s = slice_of(text), rest = s;
	uint64_t seconds;
	int64_t ns;

	*out = text;
	if (slice_to_u64(slice_cut(&rest, '.'), INT64_MAX, &seconds) == 0)
		return 0;
	if (duration_parse(s, &ns) == 0)
		ns = cli->wall_ns(cli) - ns;
	else if (time_parse(s, &ns) < 0)
		return errmsg_set(msg, ERR_INVALID, "--since: \"%s\" is not a time such as "
			"2026-01-02T13:23:37Z or 42m", text);
	*out = arena_printf(cli->arena, "%lld.%09lld", (long long)(ns / SECOND_NS),
		(long long)(ns % SECOND_NS));
	return 0;
}

static int check(struct cli *cli, const struct service_logs_flags *f, const char **since,
		 struct errmsg *msg)
{
	uint64_t lines;

	if (f->tail && strcmp(f->tail, "all") != 0 &&
	    slice_to_u64(slice_of(f->tail), INT64_MAX, &lines) < 0)
		return errmsg_set(msg, ERR_INVALID, "--tail: \"%s\" is not a number or all",
			f->tail);
	return f->since ? since_seconds(cli, f->since, since, msg) : 0;
}

/* What the argument names: a service, or else a task. */
struct source {
	const char *path;	/* "/services/ID" */
	const char *name;
	int tty;
};

static int is_tty(const struct json *task_spec)
{
	return json_is_true(json_get(json_get(task_spec, "ContainerSpec"), "TTY"));
}

static int find_source(struct cli *cli, struct source *from, struct errmsg *msg)
{
	struct arena *a = cli->arena;
	const struct json *object, *spec;
	struct errmsg ignored = { { 0 } };
	const char *service_id;
	int err = cli_get(cli, a, cli_path(a, "/services/%s", cli->args[0]), &object, msg);

	if (err == 0) {
		spec = json_get(object, "Spec");
		from->path = arena_printf(a, "/services/%.*s",
			SLICE_ARGS(json_string(json_get(object, "ID"))));
		from->name = arena_str(a, json_string(json_get(spec, "Name")));
		from->tty = is_tty(json_get(spec, "TaskTemplate"));
		return 0;
	}
	/* When it is no task either, the message about the service stands. */
	if (err != ERR_NOT_FOUND || cli_get(cli, a, cli_path(a, "/tasks/%s", cli->args[0]),
			&object, &ignored) < 0)
		return err;
	from->path = arena_printf(a, "/tasks/%.*s",
		SLICE_ARGS(json_string(json_get(object, "ID"))));
	from->tty = is_tty(json_get(object, "Spec"));
	service_id = arena_str(a, json_string(json_get(object, "ServiceID")));
	from->name = service_id;
	if (cli_get(cli, a, cli_path(a, "/services/%s", service_id), &object, &ignored) == 0)
		from->name = arena_str(a, json_string(json_get(json_get(object, "Spec"), "Name")));
	return 0;
}

static int stream(struct cli *cli, struct logs *l, const char *path, struct errmsg *msg)
{
	struct cli_request r = { .path = path, .piece = piece, .context = l };
	struct cli_answer answer;
	int err;

	map_init(&l->heads);
	for (int i = 0; i < LOGMUX_STREAMS; i++)
		buf_init(&l->lines[i], LINE_BYTES_MAX);
	err = cli_call(cli, &r, cli->arena, &answer, msg);
	for (int i = 0; i < LOGMUX_STREAMS; i++) {
		/* A last line without a line break. */
		if (l->lines[i].len)
			take_bytes(l, (enum logmux_stream)i, SLICE("\n"));
		buf_done(&l->lines[i]);
	}
	map_done(&l->heads);
	return err;
}

int service_logs_run(struct cli *cli)
{
	const struct service_logs_flags *f = cli->options;
	struct logs l = { .cli = cli, .flags = f };
	struct source from = { NULL, NULL, 0 };
	struct errmsg msg = { { 0 } };
	const char *since = NULL, *path;

	if (check(cli, f, &since, &msg) < 0)
		return cli_usage(cli, "%s", msg.text);
	if (find_source(cli, &from, &msg) < 0)
		return cli_failed(cli, &msg);
	if (from.tty && f->raw <= 0)
		return cli_fail(cli, "the service has a terminal: its lines can only be had with "
			"--raw");
	l.service = from.name;
	logmux_init(&l.mux, from.tty);
	path = arena_printf(cli->arena, "%s/logs?stdout=1&stderr=1%s%s%s%s%s%s%s", from.path,
		f->follow > 0 ? "&follow=1" : "", f->timestamps > 0 ? "&timestamps=1" : "",
		f->raw > 0 ? "" : "&details=1", since ? "&since=" : "",
		since ? cli_path(cli->arena, "%s", since) : "", f->tail ? "&tail=" : "",
		f->tail ? f->tail : "");
	if (stream(cli, &l, path, &msg) < 0)
		return cli_failed(cli, &msg);
	return l.error ? cli_fail(cli, "%s", l.error) : 0;
}
