/* The edge of every command: the only place where the CLI touches the system. */
#include <errno.h>
#include <limits.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <termios.h>
#include <unistd.h>

#include "applets/cli.h"
#include "applets/cli/main.h"
#include "io/client.h"
#include "io/clock.h"
#include "io/file.h"

static volatile sig_atomic_t interrupted;

static void on_interrupt(int signal)
{
	(void)signal;
	interrupted = 1;
}

static void write_out(struct cli *cli, int to, struct slice text)
{
	(void)cli;
	while (text.len > 0) {
		ssize_t n = write(to, text.data, text.len);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return;
		text.data += n;
		text.len -= (size_t)n;
	}
}

struct world {
	struct client client;
	int busy;	/* a stream is running on it */
};

/* What a stream's reader asks in between goes over a connection of its own. */
static int send_request(struct world *w, const char *host, struct client_exchange *x,
			struct errmsg *msg)
{
	struct client other;
	int err;

	if (w->busy) {
		client_init(&other, host);
		err = client_exchange(&other, x, msg);
		client_done(&other);
		return err;
	}
	w->busy = 1;
	err = client_exchange(&w->client, x, msg);
	w->busy = 0;
	return err;
}

static int exchange(struct cli *cli, const struct cli_request *r, struct arena *a,
		    struct cli_answer *answer, struct errmsg *msg)
{
	struct http_request request = {
		.method = slice_of(r->method ? r->method : "GET"),
		.target = slice_of(r->path),
		.content_type = slice_of(r->body.len ? "application/json" : ""),
		.body = r->body,
	};
	struct buf body;
	struct client_exchange x = {
		.request = &request, .timeout_ms = r->piece ? 0 : CLI_TIMEOUT_MS,
		.piece = r->piece, .context = r->context, .body = &body,
	};
	int err;

	buf_init(&body, CLIENT_BODY_MAX);
	err = send_request(cli->world, cli->host, &x, msg);
	if (err == 0) {
		answer->status = x.status;
		answer->body = arena_copy(a, buf_slice(&body));
	}
	buf_done(&body);
	return err;
}

static uint64_t now_ms(struct cli *cli)
{
	(void)cli;
	return clock_now_ms();
}

static int64_t wall_ns(struct cli *cli)
{
	(void)cli;
	return clock_wall_ns();
}

/* From here on Ctrl-C ends the waiting, not the program: it has a word to say. */
static void catch_interrupts(void)
{
	struct sigaction how = { .sa_handler = on_interrupt };

	sigaction(SIGINT, &how, NULL);
}

static int wait_ms(struct cli *cli, uint64_t ms)
{
	(void)cli;
	catch_interrupts();
	if (!interrupted)
		poll(NULL, 0, (int)ms);
	return interrupted;
}

static int read_whole(struct cli *cli, const char *path, size_t max, struct buf *out,
		      struct errmsg *msg)
{
	(void)cli;
	return file_read(path, max, out, msg);
}

/* A byte at a time: what follows the line is not ours to take. */
static int read_line(struct buf *out, struct errmsg *msg)
{
	for (;;) {
		char byte;
		ssize_t n = read(STDIN_FILENO, &byte, 1);

		if (interrupted)
			return errmsg_set(msg, ERR_UNAVAILABLE, "interrupted");
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return errmsg_set(msg, ERR_IO, "standard input: %s", strerror(errno));
		if (n == 0 || byte == '\n')
			return 0;
		buf_add_char(out, byte);
		if (out->failed)
			return errmsg_set(msg, ERR_LIMIT, "standard input: the line is too long");
	}
}

static int read_secret(struct cli *cli, const char *prompt, struct buf *out, struct errmsg *msg)
{
	struct termios shown, hidden;
	int err;

	if (tcgetattr(STDIN_FILENO, &shown) < 0)
		return read_line(out, msg);
	catch_interrupts();
	hidden = shown;
	hidden.c_lflag &= ~(tcflag_t)ECHO;
	/* It forgets what was typed before, so it comes first. */
	tcsetattr(STDIN_FILENO, TCSAFLUSH, &hidden);
	write_out(cli, CLI_ERR, slice_of(prompt));
	err = read_line(out, msg);
	tcsetattr(STDIN_FILENO, TCSAFLUSH, &shown);
	write_out(cli, CLI_ERR, slice_of("\n"));
	return err;
}

static const char *environment(struct cli *cli, const char *name)
{
	(void)cli;
	return getenv(name);
}

static const char *folder(struct cli *cli)
{
	char path[PATH_MAX];

	return getcwd(path, sizeof(path)) ? arena_str(cli->arena, slice_of(path)) : "/";
}

static int print(struct buf *text)
{
	write_out(NULL, CLI_OUT, buf_slice(text));
	buf_done(text);
	return 0;
}

static int run(struct cli *cli, int argc, char **argv)
{
	struct option_result words;
	struct errmsg msg = { { 0 } };
	struct world world = { .busy = 0 };
	struct buf help;
	int status;

	if (option_parse(cli->command, cli->arena, argc, argv, &words, &msg) < 0)
		return cli_usage(cli, "%s", msg.text);
	if (words.help) {
		buf_init(&help, CLI_TEXT_MAX);
		option_help(cli->command, cli->path, &help);
		return print(&help);
	}
	cli->options = words.values;
	cli->args = words.args;
	cli->arg_count = words.arg_count;
	cli->host = words.host ? words.host : getenv("SWARMBOX_HOST");
	if (!cli->host || !*cli->host)
		cli->host = CLI_HOST_DEFAULT;
	client_init(&world.client, cli->host);
	cli->world = &world;
	status = cli->command->run(cli);
	client_done(&world.client);
	return status;
}

static int run_command(const struct applet *applet, const struct command *command, int argc,
		       char **argv)
{
	struct arena arena;
	struct cli cli = {
		.command = command, .arena = &arena,
		.out_is_tty = isatty(CLI_OUT), .err_is_tty = isatty(CLI_ERR),
		.exchange = exchange, .write = write_out, .now_ms = now_ms, .wall_ns = wall_ns,
		.wait = wait_ms, .read_file = read_whole, .read_secret = read_secret,
		.env = environment, .folder = folder,
	};
	int status;

	arena_init(&arena);
	cli.path = arena_printf(&arena, "swarmbox %s%s%s", applet->name, *command->name ? " " : "",
		command->name);
	status = run(&cli, argc, argv);
	arena_done(&arena);
	return status;
}

static int help_of(const struct applet *applet)
{
	char path[128];
	struct buf help;

	snprintf(path, sizeof(path), "swarmbox %s", applet->name);
	buf_init(&help, CLI_TEXT_MAX);
	applet_help(applet, path, &help);
	return print(&help);
}

int cli_main(const struct applet *applet, int argc, char **argv)
{
	const struct command *command;

	if (applet_is_single(applet))
		return run_command(applet, applet->commands, argc, argv);
	while (argc > 2 && (strcmp(argv[1], "-H") == 0 || strcmp(argv[1], "--host") == 0)) {
		setenv("SWARMBOX_HOST", argv[2], 1);
		argc -= 2;
		argv += 2;
	}
	if (argc < 2 || strcmp(argv[1], "--help") == 0) {
		help_of(applet);
		return argc < 2 ? CLI_USAGE : 0;
	}
	command = applet_command(applet, argv[1]);
	if (command)
		return run_command(applet, command, argc - 1, argv + 1);
	fprintf(stderr, "swarmbox: %s: there is no command \"%s\": see 'swarmbox %s --help'\n",
		applet->name, argv[1], applet->name);
	return CLI_USAGE;
}
