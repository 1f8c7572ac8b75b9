/* One binary, many programs: which one is asked for is in argv[0] or argv[1]. */
#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "applets/applet.h"
#include "applets/cli/main.h"

enum { USAGE = 125, UNKNOWN = 127, HELP_MAX = 1 << 20 };

static int print(struct buf *text)
{
	int ok = fwrite(text->data, 1, text->len, stdout) == text->len && fflush(stdout) == 0;

	buf_done(text);
	return !ok;
}

static int run_applet(const struct applet *applet, int argc, char **argv)
{
	char path[128];
	struct buf help;

	if (!applet->main)
		return cli_main(applet, argc, argv);
	if (argc < 2 || strcmp(argv[1], "--help") != 0 || !applet->commands)
		return applet->main(argc, argv);
	snprintf(path, sizeof(path), "swarmbox %s", applet->name);
	buf_init(&help, HELP_MAX);
	applet_help(applet, path, &help);
	return print(&help);
}

static int list(void)
{
	for (const struct applet *a = applets; a->name; a++)
		puts(a->name);
	return fflush(stdout) != 0;
}

static int help(void)
{
	struct buf text;

	buf_init(&text, HELP_MAX);
	applet_help_all(applets, &text);
	return print(&text);
}

static int put_link(const char *self, const char *folder, const char *name, int symbolic)
{
	char path[PATH_MAX];
	int n = snprintf(path, sizeof(path), "%s/swarmbox-%s", folder, name);

	if (n < 0 || (size_t)n >= sizeof(path)) {
		errno = ENAMETOOLONG;
	} else {
		/* What stood there may be a link to an older binary. */
		unlink(path);
		if ((symbolic ? symlink(self, path) : link(self, path)) == 0)
			return 0;
	}
	fprintf(stderr, "swarmbox: --install: %s: %s\n", path, strerror(errno));
	return 1;
}

static int install(int argc, char **argv)
{
	char self[PATH_MAX];
	ssize_t n = readlink("/proc/self/exe", self, sizeof(self) - 1);
	int symbolic = argc > 0 && strcmp(argv[0], "-s") == 0;

	if (argc != 1 + symbolic || argv[symbolic][0] == '-') {
		fputs("swarmbox: --install: a folder is needed: see 'swarmbox --help'\n", stderr);
		return USAGE;
	}
	if (n < 0) {
		fprintf(stderr, "swarmbox: --install: /proc/self/exe: %s\n", strerror(errno));
		return 1;
	}
	self[n] = '\0';
	for (const struct applet *a = applets; a->name; a++)
		if (put_link(self, argv[symbolic], a->name, symbolic) != 0)
			return 1;
	return 0;
}

static int unknown(const char *name)
{
	fprintf(stderr, "swarmbox: \"%s\": there is no such command: see 'swarmbox --help'\n",
		name);
	return UNKNOWN;
}

static int run_box(int argc, char **argv)
{
	const struct applet *applet;

	while (argc > 2 && (strcmp(argv[1], "-H") == 0 || strcmp(argv[1], "--host") == 0)) {
		setenv("SWARMBOX_HOST", argv[2], 1);
		argc -= 2;
		argv += 2;
	}
	if (argc < 2) {
		help();
		return USAGE;
	}
	if (strcmp(argv[1], "--help") == 0 || strcmp(argv[1], "help") == 0)
		return help();
	if (strcmp(argv[1], "--list") == 0)
		return list();
	if (strcmp(argv[1], "--install") == 0)
		return install(argc - 2, argv + 2);
	if (strcmp(argv[1], "--version") == 0)
		return puts("swarmbox " SB_VERSION) < 0 || fflush(stdout) != 0;
	applet = applet_find(applets, slice_of(argv[1]));
	return applet ? run_applet(applet, argc - 1, argv + 1) : unknown(argv[1]);
}

int main(int argc, char **argv)
{
	int is_link;
	struct slice name = applet_called(argc > 0 ? argv[0] : NULL, &is_link);
	const struct applet *applet = applet_find(applets, name);

	if (applet)
		return run_applet(applet, argc, argv);
	return is_link ? unknown(argv[0]) : run_box(argc, argv);
}
