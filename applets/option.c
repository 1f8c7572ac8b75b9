/*
 * Options in the form of docker's CLI: --name value, --name=value, -n value, -nvalue, -abc for
 * flags, "--" before arguments that begin with a dash. Flags take a value only after '='.
 */
#include <assert.h>
#include <string.h>

#include "applets/option.h"
#include "base/timefmt.h"

static const struct option common[] = {
	{ "host", 'H', OPTION_STRING, "address", NULL,
	  "Where the manager's API is (default: $SWARMBOX_HOST, or this host's socket)",
	  offsetof(struct option_result, host), NULL },
	{ "help", 0, OPTION_FLAG, NULL, NULL, "Print this", offsetof(struct option_result, help),
	  NULL },
	{ NULL, 0, OPTION_FLAG, NULL, NULL, NULL, 0, NULL },
};

struct parse {
	const struct command *command;
	struct arena *arena;
	struct option_result *out;
	int argc;
	char **argv;
	int at;
	struct errmsg *msg;
};

/* An option, and the struct its value goes into. */
struct place {
	const struct option *option;
	char *base;
};

static int matches(const struct option *o, struct slice name, char letter)
{
	return letter ? o->letter == letter : slice_is(name, o->name);
}

static const struct option *find_in(const struct option *table, struct slice name, char letter)
{
	for (; table && table->name; table++)
		if (matches(table, name, letter))
			return table;
	return NULL;
}

static struct place find(struct parse *p, struct slice name, char letter)
{
	const struct option *o = find_in(p->command->options, name, letter);

	if (o)
		return (struct place){ o, p->out->values };
	return (struct place){ find_in(common, name, letter), (char *)p->out };
}

static int bad(struct parse *p, const struct option *o, struct slice value, const char *want)
{
	return errmsg_set(p->msg, ERR_INVALID, "--%s: \"%.*s\" is not %s", o->name,
		SLICE_ARGS(value), want);
}

static int store_flag(struct parse *p, struct place to, struct slice value)
{
	int *flag = (int *)(void *)(to.base + to.option->offset);

	if (slice_is_nocase(value, "true") || slice_is(value, "1"))
		*flag = OPTION_YES;
	else if (slice_is_nocase(value, "false") || slice_is(value, "0"))
		*flag = OPTION_NO;
	else
		return bad(p, to.option, value, "true or false");
	return 0;
}

static int store_choice(struct parse *p, const struct option *o, struct slice value, int64_t *index)
{
	struct buf all;

	for (int64_t i = 0; o->choices[i]; i++)
		if (slice_is(value, o->choices[i])) {
			*index = i;
			return 0;
		}
	buf_init(&all, ERRMSG_MAX);
	for (int i = 0; o->choices[i]; i++)
		buf_printf(&all, "%s%s", i == 0 ? "" : o->choices[i + 1] ? ", " : " or ",
			o->choices[i]);
	bad(p, o, value, buf_str(&all));
	buf_done(&all);
	return ERR_INVALID;
}

static int store_number(struct parse *p, struct place to, struct slice value)
{
	struct option_number *n = (void *)(to.base + to.option->offset);
	const struct option *o = to.option;
	uint64_t count = 0;

	n->given = 1;
	switch (o->kind) {
	case OPTION_COUNT:
		if (slice_to_u64(value, INT64_MAX, &count) < 0)
			return bad(p, o, value, "a number, 0 or more");
		n->value = (int64_t)count;
		return 0;
	case OPTION_INT:
		return slice_to_i64(value, &n->value) < 0 ? bad(p, o, value, "a number") : 0;
	case OPTION_DURATION:
		return duration_parse(value, &n->value) < 0 ?
			bad(p, o, value, "a duration such as 1m30s") : 0;
	case OPTION_SIZE:
		return size_parse(value, &n->value) < 0 ?
			bad(p, o, value, "a size such as 64m or 2g") : 0;
	case OPTION_NANO:
		if (slice_to_fixed(value, 9, &n->value) < 0 || n->value < 0)
			return bad(p, o, value, "a number such as 0.5");
		return 0;
	case OPTION_CHOICE:
		return store_choice(p, o, value, &n->value);
	case OPTION_FLAG:
	case OPTION_STRING:
	case OPTION_LIST:
		break;
	}
	assert(!"a kind that is a number");
	return ERR_INVALID;
}

static void store_item(struct parse *p, struct strings *list, const char *value)
{
	/* There cannot be more items than words on the command line. */
	if (!list->items)
		list->items = arena_array(p->arena, (size_t)p->argc, sizeof(*list->items));
	assert(list->count < (uint32_t)p->argc);
	list->items[list->count++] = value;
}

static int store(struct parse *p, struct place to, const char *value)
{
	switch (to.option->kind) {
	case OPTION_FLAG:
		return store_flag(p, to, slice_of(value));
	case OPTION_STRING:
		*(const char **)(void *)(to.base + to.option->offset) = value;
		return 0;
	case OPTION_LIST:
		store_item(p, (void *)(to.base + to.option->offset), value);
		return 0;
	default:
		return store_number(p, to, slice_of(value));
	}
}

/* The value of an option that needs one: the rest of its word, or the next word. */
static int take(struct parse *p, struct place to, const char *rest)
{
	if (!rest) {
		if (p->at + 1 >= p->argc)
			return errmsg_set(p->msg, ERR_INVALID, "--%s needs a value",
				to.option->name);
		rest = p->argv[++p->at];
	}
	return store(p, to, rest);
}

static int parse_long(struct parse *p, const char *word)
{
	struct slice rest = slice_of(word + 2);
	int has_value = strchr(word, '=') != NULL;
	struct slice name = slice_cut(&rest, '=');
	struct place to = find(p, name, 0);

	if (!to.option)
		return errmsg_set(p->msg, ERR_INVALID, "unknown option --%.*s", SLICE_ARGS(name));
	/* With a '=' the value may be empty, and still is one. */
	if (has_value)
		return store(p, to, strchr(word, '=') + 1);
	return to.option->kind == OPTION_FLAG ? store(p, to, "true") : take(p, to, NULL);
}

static int parse_short(struct parse *p, const char *word)
{
	for (const char *c = word + 1; *c; c++) {
		struct place to = find(p, (struct slice){ NULL, 0 }, *c);
		int err;

		if (!to.option)
			return errmsg_set(p->msg, ERR_INVALID, "unknown option -%c", *c);
		if (to.option->kind != OPTION_FLAG) {
			const char *rest = c[1] == '=' ? c + 2 : c + 1;

			return take(p, to, c[1] ? rest : NULL);
		}
		if (c[1] == '=')
			return store(p, to, c + 2);
		err = store(p, to, "true");
		if (err < 0)
			return err;
	}
	return 0;
}

static int check_count(struct parse *p)
{
	const struct command *c = p->command;
	int n = p->out->arg_count;

	if (n < c->args_min)
		return errmsg_set(p->msg, ERR_INVALID, "%s%d argument%s needed (%s)",
			c->args_max == c->args_min ? "" : "at least ", c->args_min,
			c->args_min == 1 ? " is" : "s are", c->arguments);
	if (c->args_max >= 0 && n > c->args_max)
		return errmsg_set(p->msg, ERR_INVALID, "\"%s\" is one argument too many",
			p->out->args[c->args_max]);
	return 0;
}

int option_parse(const struct command *c, struct arena *a, int argc, char **argv,
		 struct option_result *out, struct errmsg *msg)
{
	struct parse p = { c, a, out, argc, argv, 1, msg };
	int only_arguments = 0;

	memset(out, 0, sizeof(*out));
	out->values = arena_new(a, c->size ? c->size : 1);
	out->args = arena_array(a, (size_t)argc + 1, sizeof(*out->args));
	for (; p.at < argc; p.at++) {
		char *word = argv[p.at];
		int err = 0;

		if (only_arguments || word[0] != '-' || word[1] == '\0') {
			out->args[out->arg_count++] = word;
			only_arguments |= c->options_first;
		} else if (strcmp(word, "--") == 0) {
			only_arguments = 1;
		} else {
			err = word[1] == '-' ? parse_long(&p, word) : parse_short(&p, word);
		}
		if (err < 0)
			return err;
		if (out->help == OPTION_YES)
			return 0;
	}
	return check_count(&p);
}

static const char *placeholder(const struct option *o)
{
	static const char *const by_kind[] = {
		[OPTION_FLAG] = "", [OPTION_STRING] = "string", [OPTION_LIST] = "list",
		[OPTION_COUNT] = "number", [OPTION_INT] = "number",
		[OPTION_DURATION] = "duration", [OPTION_SIZE] = "bytes",
		[OPTION_NANO] = "decimal", [OPTION_CHOICE] = "string",
	};

	return o->placeholder ? o->placeholder : by_kind[o->kind];
}

static size_t head_width(const struct option *o)
{
	const char *value = placeholder(o);

	return strlen("  -x, --") + strlen(o->name) + (*value ? 1 + strlen(value) : 0);
}

static void help_row(const struct option *o, size_t width, struct buf *out)
{
	const char *value = placeholder(o);

	if (o->letter)
		buf_printf(out, "  -%c, --%s", o->letter, o->name);
	else
		buf_printf(out, "      --%s", o->name);
	if (*value)
		buf_printf(out, " %s", value);
	buf_printf(out, "%*s   %s", (int)(width - head_width(o)), "", o->help);
	for (int i = 0; o->choices && o->choices[i]; i++)
		buf_printf(out, "%s%s", i ? ", " : ": ", o->choices[i]);
	if (o->default_text)
		buf_printf(out, " (default %s)", o->default_text);
	buf_add_char(out, '\n');
}

/* The option of both tables whose name comes next after `last`, or NULL. */
static const struct option *next_option(const struct command *c, const char *last)
{
	const struct option *const tables[] = { c->options, common };
	const struct option *best = NULL;

	for (int i = 0; i < 2; i++)
		for (const struct option *o = tables[i]; o && o->name; o++)
			if ((!last || strcmp(o->name, last) > 0) &&
			    (!best || strcmp(o->name, best->name) < 0))
				best = o;
	return best;
}

void option_help(const struct command *c, const char *path, struct buf *out)
{
	const struct option *o;
	size_t width = 0;

	buf_printf(out, "Usage:  %s [OPTIONS]%s%s\n\n%s\n\nOptions:\n", path,
		*c->arguments ? " " : "", c->arguments, c->summary);
	for (o = next_option(c, NULL); o; o = next_option(c, o->name))
		if (head_width(o) > width)
			width = head_width(o);
	for (o = next_option(c, NULL); o; o = next_option(c, o->name))
		help_row(o, width, out);
}

void option_words(const struct command *c, struct buf *out)
{
	const struct option *const tables[] = { c->options, common };

	for (int i = 0; i < 2; i++)
		for (const struct option *o = tables[i]; o && o->name; o++) {
			buf_printf(out, " --%s", o->name);
			if (o->letter)
				buf_printf(out, " -%c", o->letter);
		}
}
