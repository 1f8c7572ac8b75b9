#include <string.h>

#include "applets/applet.h"
#include "unit.h"

struct values {
	int all, quiet;
	const char *name;
	struct strings env;
	struct option_number count, delta, wait, memory, cpus, mode;
};

static const char *const modes[] = { "one", "two", "three", NULL };

#define ROW(name_, letter_, kind_, member, choices_) \
	{ name_, letter_, kind_, NULL, NULL, "Help of " name_, offsetof(struct values, member), \
	  choices_ }

static const struct option rows[] = {
	ROW("name", 0, OPTION_STRING, name, NULL), ROW("all", 'a', OPTION_FLAG, all, NULL),
	ROW("quiet", 'q', OPTION_FLAG, quiet, NULL), ROW("env", 'e', OPTION_LIST, env, NULL),
	ROW("count", 0, OPTION_COUNT, count, NULL), ROW("delta", 0, OPTION_INT, delta, NULL),
	ROW("wait", 0, OPTION_DURATION, wait, NULL), ROW("memory", 0, OPTION_SIZE, memory, NULL),
	ROW("cpus", 0, OPTION_NANO, cpus, NULL), ROW("mode", 'm', OPTION_CHOICE, mode, modes),
	{ .name = NULL },
};

static const struct command command = {
	.name = "do", .summary = "Do it", .arguments = "A [B...]", .options = rows,
	.size = sizeof(struct values), .args_min = 1, .args_max = 2,
};

static struct arena arena;
static struct option_result result;
static struct errmsg msg;

/* words are parted by blanks; what they give stands in result and msg. */
static int parse(const struct command *c, const char *words)
{
	static char text[256], *argv[32];
	int argc = 0;

	arena_done(&arena);
	arena_init(&arena);
	memset(&msg, 0, sizeof(msg));
	strncpy(text, words, sizeof(text) - 1);
	for (char *at = text; *at;) {
		size_t n = strcspn(at, " ");
		char *next = at[n] ? at + n + 1 : at + n;

		at[n] = '\0';
		argv[argc++] = at;
		at = next;
	}
	return option_parse(c, &arena, argc, argv, &result, &msg);
}

static const struct values *values(void)
{
	return result.values;
}

TEST(what_is_not_given_is_zero)
{
	CHECK_INT(parse(&command, "do x"), 0);
	CHECK(!values()->name && !values()->all && !values()->count.given && !values()->env.count);
	CHECK_INT(result.arg_count, 1);
	CHECK(!result.host && !result.help);
	arena_done(&arena);
}

TEST(every_form_of_an_option_is_understood)
{
	CHECK_INT(parse(&command, "do --name=a=b x -e A=1 -eB=2 -e=C=3 --env D=4 y"), 0);
	CHECK_STR(values()->name, "a=b");
	CHECK_INT(values()->env.count, 4);
	CHECK_STR(values()->env.items[1], "B=2");
	CHECK_STR(values()->env.items[2], "C=3");
	CHECK_STR(result.args[1], "y");
	CHECK_INT(parse(&command, "do -aq --host tcp://h:1 x"), 0);
	CHECK_INT(values()->all, OPTION_YES);
	CHECK_INT(values()->quiet, OPTION_YES);
	CHECK_STR(result.host, "tcp://h:1");
	CHECK_INT(parse(&command, "do --all=false -qH unix:///x x"), 0);
	CHECK_INT(values()->all, OPTION_NO);
	CHECK_STR(result.host, "unix:///x");
	arena_done(&arena);
}

TEST(values_have_units)
{
	CHECK_INT(parse(&command, "do --count 7 --delta -3 --wait 1m30s --memory 64m --cpus 0.1 "
		"-m three x"), 0);
	CHECK_INT(values()->count.value, 7);
	CHECK_INT(values()->delta.value, -3);
	CHECK_INT(values()->wait.value, INT64_C(90000000000));
	CHECK_INT(values()->memory.value, 64 << 20);
	CHECK_INT(values()->cpus.value, 100000000);
	CHECK_INT(values()->mode.value, 2);
	CHECK(values()->mode.given);
	arena_done(&arena);
}

TEST(an_empty_value_is_a_value)
{
	CHECK_INT(parse(&command, "do --name= x"), 0);
	CHECK_STR(values()->name, "");
	CHECK_INT(parse(&command, "do --count= x"), ERR_INVALID);
	arena_done(&arena);
}

TEST(two_dashes_end_the_options)
{
	CHECK_INT(parse(&command, "do -- --name -"), 0);
	CHECK_INT(result.arg_count, 2);
	CHECK_STR(result.args[0], "--name");
	CHECK_STR(result.args[1], "-");
	arena_done(&arena);
}

TEST(options_first_leaves_the_rest_alone)
{
	struct command first = command;

	first.options_first = 1;
	first.args_max = -1;
	CHECK_INT(parse(&first, "do -a image ls --all -q -- x"), 0);
	CHECK_INT(result.arg_count, 6);
	CHECK_STR(result.args[2], "--all");
	CHECK_STR(result.args[4], "--");
	CHECK_INT(values()->quiet, 0);
	arena_done(&arena);
}

TEST(a_bad_value_names_its_option)
{
	static const char *const pairs[][2] = {
		{ "do --count -1 x", "--count: \"-1\" is not a number, 0 or more" },
		{ "do --delta x x", "--delta: \"x\" is not a number" },
		{ "do --wait 3 x", "--wait: \"3\" is not a duration such as 1m30s" },
		{ "do --memory 3q x", "--memory: \"3q\" is not a size such as 64m or 2g" },
		{ "do --cpus=-1 x", "--cpus: \"-1\" is not a number such as 0.5" },
		{ "do --mode four x", "--mode: \"four\" is not one, two or three" },
		{ "do --all=maybe x", "--all: \"maybe\" is not true or false" },
		{ "do --nope x", "unknown option --nope" },
		{ "do -x x", "unknown option -x" },
		{ "do --name", "--name needs a value" },
		{ "do -e", "--env needs a value" },
		{ "do", "at least 1 argument is needed (A [B...])" },
		{ "do a b c", "\"c\" is one argument too many" },
	};

	for (size_t i = 0; i < sizeof(pairs) / sizeof(*pairs); i++) {
		CHECK_INT(parse(&command, pairs[i][0]), ERR_INVALID);
		CHECK_STR(msg.text, pairs[i][1]);
	}
	arena_done(&arena);
}

TEST(help_comes_before_complaints)
{
	CHECK_INT(parse(&command, "do --help"), 0);
	CHECK_INT(result.help, OPTION_YES);
	arena_done(&arena);
}

TEST(help_is_sorted_and_aligned)
{
	static const struct option two[] = {
		ROW("quiet", 'q', OPTION_FLAG, quiet, NULL),
		{ "mode", 'm', OPTION_CHOICE, NULL, "one", "How", offsetof(struct values, mode),
		  modes },
		{ .name = NULL },
	};
	struct command c = command;
	struct buf out;

	c.options = two;
	buf_init(&out, 4096);
	option_help(&c, "swarmbox x do", &out);
	CHECK_STR(buf_str(&out),
		"Usage:  swarmbox x do [OPTIONS] A [B...]\n\nDo it\n\nOptions:\n"
		"      --help           Print this\n"
		"  -H, --host address   Where the manager's API is (default: $SWARMBOX_HOST, or "
		"this host's socket)\n"
		"  -m, --mode string    How: one, two, three (default one)\n"
		"  -q, --quiet          Help of quiet\n");
	buf_reset(&out);
	option_words(&c, &out);
	CHECK_STR(buf_str(&out), " --quiet -q --mode -m --host -H --help");
	buf_done(&out);
}

static const struct command subs[] = { { .name = "a", .summary = "A" },
	{ .name = "b", .summary = "B" }, { .name = NULL } };
static const struct command single[] = { { .name = "", .summary = "S", .arguments = "" },
	{ .name = NULL } };
static const struct applet table[] = {
	{ "one", "First", NULL, single }, { "two", "Second", NULL, subs },
	{ NULL, NULL, NULL, NULL },
};

TEST(the_name_of_the_program_names_the_applet)
{
	int is_link;

	CHECK(slice_is(applet_called("/usr/bin/swarmbox-two", &is_link), "two"));
	CHECK_INT(is_link, 1);
	CHECK(slice_is(applet_called("docker-one", &is_link), "one"));
	CHECK_INT(is_link, 1);
	CHECK(slice_is(applet_called("a/one", &is_link), "one"));
	CHECK_INT(is_link, 0);
	CHECK_INT(applet_called(NULL, &is_link).len, 0);
	CHECK(applet_find(table, SLICE("two")) == &table[1]);
	CHECK(!applet_find(table, SLICE("tw")));
	CHECK(applet_is_single(&table[0]) && !applet_is_single(&table[1]));
	CHECK(applet_command(&table[1], "b") == &subs[1]);
	CHECK(!applet_command(&table[1], "c"));
}

TEST(every_applet_and_command_can_be_completed)
{
	struct buf out;

	buf_init(&out, 65536);
	applet_completion(table, &out);
	CHECK(strstr(buf_str(&out), "\t,*) words='one two' ;;\n"));
	CHECK(strstr(buf_str(&out), "\tone,*) words=' --host -H --help' ;;\n"));
	CHECK(strstr(buf_str(&out), "\ttwo,b) words=' --host -H --help' ;;\n"));
	CHECK(strstr(buf_str(&out), "\ttwo,*) words='a b' ;;\n"));
	buf_reset(&out);
	applet_help(&table[1], "swarmbox two", &out);
	CHECK_STR(buf_str(&out), "Usage:  swarmbox two COMMAND\n\nSecond\n\nCommands:\n"
		"  a            A\n  b            B\n\n"
		"Run 'swarmbox two COMMAND --help' for more information on a command.\n");
	buf_done(&out);
}
