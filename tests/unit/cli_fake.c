#include <string.h>

#include "applets/applet.h"
#include "cli_fake.h"

static int exchange(struct cli *cli, const struct cli_request *r, struct arena *a,
		    struct cli_answer *answer, struct errmsg *msg)
{
	struct cli_fake *f = cli->world;
	const char *request = arena_printf(a, "%s %s", r->method ? r->method : "GET", r->path);

	buf_printf(&f->log, "%s\n", request);
	if (r->body.len)
		buf_printf(&f->log, "%.*s\n", SLICE_ARGS(r->body));
	for (size_t i = 0; f->answers[i].request; i++) {
		const struct fake_answer *row = &f->answers[i];

		if (strncmp(request, row->request, strlen(row->request)) != 0 || f->used[i])
			continue;
		f->used[i] = (unsigned char)row->once;
		if (row->status < 0)
			return errmsg_set(msg, row->status, "%s: %s", cli->host, row->body);
		answer->status = row->status;
		answer->body = row->size ? (struct slice){ row->body, row->size } :
			slice_of(row->body);
		if (r->piece && row->status / 100 == 2)
			r->piece(r->context, answer->body);
		return 0;
	}
	answer->status = 404;
	answer->body = slice_of("{\"message\":\"page not found\"}\n");
	return 0;
}

static void put(struct cli *cli, int to, struct slice text)
{
	struct cli_fake *f = cli->world;

	buf_add_slice(to == CLI_OUT ? &f->out : &f->err, text);
}

static uint64_t now_ms(struct cli *cli)
{
	return ((struct cli_fake *)cli->world)->now_ms;
}

/* 2026-11-24T00:00:10Z */
static int64_t wall_ns(struct cli *cli)
{
	(void)cli;
	return INT64_C(1795478410) * 1000000000;
}

static int wait_ms(struct cli *cli, uint64_t ms)
{
	struct cli_fake *f = cli->world;

	f->now_ms += ms;
	return ++f->waits == f->interrupt_at;
}

static int read_file(struct cli *cli, const char *path, size_t max, struct buf *out,
		     struct errmsg *msg)
{
	struct cli_fake *f = cli->world;

	(void)max;
	if (!f->file)
		return errmsg_set(msg, ERR_NOT_FOUND, "%s: no such file", path);
	buf_add_str(out, f->file);
	return 0;
}

static int read_secret(struct cli *cli, const char *prompt, struct buf *out, struct errmsg *msg)
{
	struct cli_fake *f = cli->world;

	if (!f->secret)
		return errmsg_set(msg, ERR_UNAVAILABLE, "interrupted");
	buf_add_str(&f->err, prompt);
	buf_add_str(out, f->secret);
	return 0;
}

static const char *env(struct cli *cli, const char *name)
{
	(void)cli;
	return strcmp(name, "HOME") == 0 ? "/root" : NULL;
}

static const char *folder(struct cli *cli)
{
	(void)cli;
	return "/here";
}

void cli_fake_init(struct cli_fake *f, const struct fake_answer *answers)
{
	memset(f, 0, sizeof(*f));
	arena_init(&f->arena);
	buf_init(&f->out, 1 << 20);
	buf_init(&f->err, 1 << 20);
	buf_init(&f->log, 1 << 20);
	f->answers = answers;
	f->cli = (struct cli){ .arena = &f->arena, .host = "unix:///x.sock", .world = f,
		.exchange = exchange, .write = put, .now_ms = now_ms, .wall_ns = wall_ns,
		.wait = wait_ms, .read_file = read_file,
		.read_secret = read_secret, .env = env, .folder = folder };
}

void cli_fake_done(struct cli_fake *f)
{
	buf_done(&f->out);
	buf_done(&f->err);
	buf_done(&f->log);
	arena_done(&f->arena);
}

void cli_fake_run(struct cli_fake *f, const struct command *commands, const char *words)
{
	char **argv = arena_array(&f->arena, strlen(words) + 2, sizeof(*argv));
	struct applet applet = { .name = "test", .commands = commands };
	struct slice rest = slice_of(words);
	struct option_result result;
	struct errmsg msg = { { 0 } };
	int argc = 0;

	while (rest.len)
		argv[argc++] = arena_str(&f->arena, slice_cut(&rest, ' '));
	f->cli.command = applet_command(&applet, argv[0]);
	f->cli.path = arena_printf(&f->arena, "swarmbox test %s", argv[0]);
	if (option_parse(f->cli.command, &f->arena, argc, argv, &result, &msg) < 0) {
		f->status = cli_usage(&f->cli, "%s", msg.text);
		return;
	}
	f->cli.options = result.values;
	f->cli.args = result.args;
	f->cli.arg_count = result.arg_count;
	f->status = f->cli.command->run(&f->cli);
}
