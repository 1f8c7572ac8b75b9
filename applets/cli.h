/* cli.h - what a command is run with: its words, and a few ways to the world. Pure.
 *
 * Commands decide; they reach the API, the terminal and the clock only through the functions
 * in struct cli, which applets/cli/main.c fills in for a process and a test with its own.
 * A command returns its exit status: 0, CLI_FAILED, or CLI_USAGE.
 */
#ifndef SB_CLI_H
#define SB_CLI_H
#include "applets/option.h"
#include "applets/rows.h"
#include "codec/json.h"

enum { CLI_FAILED = 1, CLI_USAGE = 125 };
enum { CLI_OUT = 1, CLI_ERR = 2 };
enum {
	CLI_TIMEOUT_MS = 60000,		/* of one exchange: a write waits for a quorum */
	CLI_TEXT_MAX = 16 << 20,	/* of one output */
	CLI_FILE_MAX = 1 << 20,		/* an --env-file */
	CLI_SECRET_MAX = 4096,		/* a line that is typed; an unlock key has 52 characters */
	CLI_STALE_TRIES = 5,	/* of an update: the manager's own may come after the reading */
};

struct cli_request {
	const char *method;	/* NULL: GET */
	const char *path;	/* with its query, encoded: cli_path */
	struct slice body;	/* JSON, or empty */
	/* A stream: see client_exchange; there is no time limit then. */
	int (*piece)(void *context, struct slice bytes);
	void *context;
};

struct cli_answer {
	int status;
	struct slice body;	/* in the arena of the call */
};

struct cli {
	const struct command *command;
	const char *path;	/* "swarmbox service create" */
	struct arena *arena;	/* lives as long as the command */
	const void *options;	/* the command's struct */
	char *const *args;
	int arg_count;
	const char *host;	/* the API's address */
	int out_is_tty, err_is_tty;
	void *world;		/* of the functions below */

	/* 0 with any status, or an error of client_exchange with msg. */
	int (*exchange)(struct cli *cli, const struct cli_request *r, struct arena *a,
			struct cli_answer *answer, struct errmsg *msg);
	void (*write)(struct cli *cli, int to, struct slice text);	/* CLI_OUT, CLI_ERR */
	uint64_t (*now_ms)(struct cli *cli);
	int64_t (*wall_ns)(struct cli *cli);
	/* 1 when Ctrl-C was pressed, now or before: then it does not wait. */
	int (*wait)(struct cli *cli, uint64_t ms);
	int (*read_file)(struct cli *cli, const char *path, size_t max, struct buf *out,
			 struct errmsg *msg);
	/*
	 * Adds a line of standard input to out, without its end: on a terminal after the prompt
	 * and without echo. ERR_IO, ERR_LIMIT (over out's maximum) or ERR_UNAVAILABLE (Ctrl-C),
	 * with msg. The caller wipes out.
	 */
	int (*read_secret)(struct cli *cli, const char *prompt, struct buf *out,
			   struct errmsg *msg);
	const char *(*env)(struct cli *cli, const char *name);	/* or NULL */
	const char *(*folder)(struct cli *cli);	/* the working folder, absolute */
};

/* printf rules; a call prints at most 4096 bytes. */
void cli_printf(struct cli *cli, int to, const char *format, ...)
	__attribute__((format(printf, 3, 4)));
void cli_write(struct cli *cli, int to, struct buf *text);
/* "swarmbox: service create: text" on stderr; returns CLI_FAILED. */
int cli_fail(struct cli *cli, const char *format, ...) __attribute__((format(printf, 2, 3)));
/* The same, and where the help is; returns CLI_USAGE. */
int cli_usage(struct cli *cli, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* format with each %s percent-encoded as a path segment or query value; nothing but %s. */
const char *cli_path(struct arena *a, const char *format, ...)
	__attribute__((format(printf, 2, 3)));
/*
 * Adds "filters=..." in Docker's form ({"key":{"value":true}}, encoded) to out, with '?' or
 * '&' before it; nothing without filters. Each is "key=value"; a key that is not in known
 * (ended by NULL; known = NULL takes all): ERR_INVALID with msg.
 */
int cli_filters(struct buf *out, const struct strings *filters, const char *const *known,
		struct errmsg *msg);

/*
 * One exchange. 0 when its status is 2xx. Otherwise a negative code (ERR_NOT_FOUND for 404,
 * ERR_EXISTS for 409, ERR_STALE for an update out of sequence, ERR_INVALID for other 4xx,
 * ERR_UNAVAILABLE for 503 and for no answer at all, ERR_IO for the rest) and msg is the
 * line to print after "swarmbox: ".
 */
int cli_call(struct cli *cli, const struct cli_request *r, struct arena *a,
	     struct cli_answer *answer, struct errmsg *msg);
/* GET path, parsed. As cli_call; a is where the answer lives. */
int cli_get(struct cli *cli, struct arena *a, const char *path, const struct json **root,
	    struct errmsg *msg);
/* The id of the node behind the API, in the command's arena. As cli_get. */
int cli_self(struct cli *cli, const char **id, struct errmsg *msg);
/*
 * An `ls`: GET path with the filters that were asked for (keys: the known ones, ended by NULL), and
 * what write makes of the array. The command's options are struct rows_options. The exit status.
 */
int cli_list(struct cli *cli, const char *path, const char *const *keys,
	     int (*write)(struct cli *cli, const struct json *array, enum rows_form form,
			  struct buf *out, struct errmsg *msg));
/* DELETE of path_format with each argument in its %s, printing each that went. The exit status. */
int cli_delete(struct cli *cli, const char *path_format);
/* method path with a body (may be empty). As cli_call; the answer is dropped. */
int cli_send(struct cli *cli, const char *method, const char *path, struct slice body,
	     struct errmsg *msg);
/* "swarmbox: msg" on stderr; returns CLI_FAILED. For what the calls above gave. */
int cli_failed(struct cli *cli, const struct errmsg *msg);

/* The message of an API's error body, without "rpc error: ... desc = "; its first line. */
const char *cli_error_text(struct arena *a, int status, struct slice body);
#endif
