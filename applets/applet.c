/* Finding an applet by the name it is called by, and explaining what there is. */
#include <string.h>

#include "applets/applet.h"

const struct applet *applet_find(const struct applet *table, struct slice name)
{
	for (; table->name; table++)
		if (slice_is(name, table->name))
			return table;
	return NULL;
}

int applet_is_single(const struct applet *applet)
{
	return !applet->commands || applet->commands[0].name[0] == '\0';
}

const struct command *applet_command(const struct applet *applet, const char *name)
{
	const struct command *c = applet->commands;

	if (!c || applet_is_single(applet))
		return c;
	for (; c->name; c++)
		if (strcmp(c->name, name) == 0)
			return c;
	return NULL;
}

struct slice applet_called(const char *argv0, int *is_link)
{
	static const char *const fronts[] = { "swarmbox-", "docker-" };
	const char *slash = argv0 ? strrchr(argv0, '/') : NULL;
	struct slice name = slice_of(slash ? slash + 1 : argv0);

	for (size_t i = 0; i < sizeof(fronts) / sizeof(*fronts); i++) {
		size_t n = strlen(fronts[i]);

		*is_link = slice_has_prefix(name, fronts[i]);
		if (*is_link)
			return (struct slice){ name.data + n, name.len - n };
	}
	return name;
}

void applet_help_all(const struct applet *table, struct buf *out)
{
	buf_add_str(out, "Usage:  swarmbox [-H ADDRESS] COMMAND\n\n"
		"A swarm of Docker-compatible hosts in one binary\n\n"
		"Commands:\n");
	for (; table->name; table++)
		buf_printf(out, "  %-12s %s\n", table->name, table->summary);
	buf_add_str(out, "\nOptions:\n"
		"  -H, --host address        Where the manager's API is\n"
		"      --install [-s] DIR    Make links swarmbox-COMMAND there (-s: symbolic)\n"
		"      --list                Print the commands, one a line\n"
		"      --version             Print the version\n"
		"\nRun 'swarmbox COMMAND --help' for more information on a command.\n");
}

void applet_help(const struct applet *applet, const char *path, struct buf *out)
{
	if (applet->commands && applet_is_single(applet)) {
		option_help(applet->commands, path, out);
		return;
	}
	buf_printf(out, "Usage:  %s COMMAND\n\n%s\n\nCommands:\n", path, applet->summary);
	for (const struct command *c = applet->commands; c && c->name; c++)
		buf_printf(out, "  %-12s %s\n", c->name, c->summary);
	buf_printf(out, "\nRun '%s COMMAND --help' for more information on a command.\n", path);
}

static void complete_applet(const struct applet *applet, struct buf *out)
{
	if (!applet->commands)
		return;
	if (applet_is_single(applet)) {
		buf_printf(out, "\t%s,*) words='", applet->name);
		option_words(applet->commands, out);
		buf_add_str(out, "' ;;\n");
		return;
	}
	for (const struct command *c = applet->commands; c->name; c++) {
		buf_printf(out, "\t%s,%s) words='", applet->name, c->name);
		option_words(c, out);
		buf_add_str(out, "' ;;\n");
	}
	buf_printf(out, "\t%s,*) words='", applet->name);
	for (const struct command *c = applet->commands; c->name; c++)
		buf_printf(out, "%s%s", c == applet->commands ? "" : " ",
			c->name);
	buf_add_str(out, "' ;;\n");
}

void applet_completion(const struct applet *table, struct buf *out)
{
	buf_add_str(out, "# swarmbox completion bash >/etc/bash_completion.d/swarmbox\n"
		"_swarmbox() {\n"
		"\tlocal words name=${1##*/} at=1\n"
		"\tcase $name in\n"
		"\tswarmbox-*|docker-*) name=${name#*-} at=0 ;;\n"
		"\t*) name=${COMP_WORDS[1]} ;;\n"
		"\tesac\n"
		"\tif [ \"$COMP_CWORD\" -le \"$at\" ]; then\n"
		"\t\tname=\n"
		"\tfi\n"
		"\tlocal sub=\n"
		"\tif [ \"$COMP_CWORD\" -gt $((at + 1)) ]; then\n"
		"\t\tsub=${COMP_WORDS[at + 1]}\n"
		"\tfi\n"
		"\tcase $name,$sub in\n"
		"\t,*) words='");
	for (const struct applet *applet = table; applet->name; applet++)
		buf_printf(out, "%s%s", applet == table ? "" : " ", applet->name);
	buf_add_str(out, "' ;;\n");
	for (const struct applet *applet = table; applet->name; applet++)
		complete_applet(applet, out);
	buf_add_str(out, "\t*) words= ;;\n\tesac\n"
		"\tCOMPREPLY=($(compgen -W \"$words\" -- \"${COMP_WORDS[COMP_CWORD]}\"))\n}\n"
		"complete -o default -F _swarmbox swarmbox");
	for (const struct applet *applet = table; applet->name; applet++)
		buf_printf(out, " swarmbox-%s", applet->name);
	buf_add_char(out, '\n');
}
