/* option.h - one table per command: its options are parsed, explained and completed from it. Pure.
 *
 * A command's values are a plain struct, zeroed before parsing; a row says where its value
 * goes. What was not given stays zero, so "given" and the value are one thing:
 *
 *	OPTION_FLAG	int: 0 not given, OPTION_YES, OPTION_NO (--flag=false)
 *	OPTION_STRING	const char *: NULL not given
 *	OPTION_LIST	struct strings, one item each time it is given
 *	others		struct option_number
 */
#ifndef SB_OPTION_H
#define SB_OPTION_H
#include <stddef.h>
#include <stdint.h>
#include "base/arena.h"
#include "base/buf.h"
#include "base/err.h"
#include "model/table.h"

enum option_kind {
	OPTION_FLAG,
	OPTION_STRING,
	OPTION_LIST,
	OPTION_COUNT,		/* a decimal number >= 0 */
	OPTION_INT,		/* a decimal number */
	OPTION_DURATION,	/* "1m30s": nanoseconds */
	OPTION_SIZE,		/* "64m": bytes */
	OPTION_NANO,		/* "0.5": in units of 10^-9 */
	OPTION_CHOICE,		/* one of choices: its index */
};

enum { OPTION_YES = 1, OPTION_NO = -1 };

struct option_number {
	int64_t value;
	int given;
};

struct option {
	const char *name;		/* "limit-memory", without dashes */
	char letter;			/* 'e' for -e, or 0 */
	enum option_kind kind;
	const char *placeholder;	/* of the value in the help; NULL: the kind's own */
	const char *default_text;	/* what holds when it is not given; NULL: nothing to say */
	const char *help;
	size_t offset;			/* in the command's struct */
	const char *const *choices;	/* OPTION_CHOICE: ended by NULL */
};

struct cli;

struct command {
	const char *name;		/* "create"; "" for an applet without subcommands */
	const char *summary;		/* one line, no full stop */
	const char *arguments;		/* "IMAGE [COMMAND] [ARG...]", or "" */
	const struct option *options;	/* ended by name = NULL; NULL: none */
	size_t size;			/* of the struct that they fill */
	int (*run)(struct cli *cli);	/* the exit status; see applets/cli.h */
	int args_min, args_max;		/* number of arguments; args_max < 0: any */
	int options_first;		/* 1: all after the first argument are arguments */
};

/* What parsing gives; all of it lives in the arena or is argv's. */
struct option_result {
	void *values;		/* command->size bytes */
	char **args;		/* arg_count of them, then NULL */
	int arg_count;
	int help;		/* --help was given: the rest was not checked */
	const char *host;	/* --host, -H; NULL when not given */
};

/*
 * Parses argv[1..argc). 0, or ERR_INVALID with msg naming the option and what is wrong with
 * it, or the number of arguments.
 */
int option_parse(const struct command *c, struct arena *a, int argc, char **argv,
		 struct option_result *out, struct errmsg *msg);

/* The help text. path: how it is called, "swarmbox service create". */
void option_help(const struct command *c, const char *path, struct buf *out);

/* Every option of c as a shell word, "--name" and "-n", a blank before each. */
void option_words(const struct command *c, struct buf *out);
#endif
