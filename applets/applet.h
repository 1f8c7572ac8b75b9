/* applet.h - what an applet is, and the one table of all of them. Pure.
 *
 * To add an applet: write applets/NAME/, and give it a row in applets/applets.c.
 */
#ifndef SB_APPLET_H
#define SB_APPLET_H
#include "applets/option.h"
#include "base/slice.h"

/*
 * commands, ended by name = NULL, are run by the frame: parsing, --help, the API's address
 * and errors are its work. An applet without subcommands has one, named "".
 * main, if set, gets argv as it is instead (daemons); argv[0] is the applet's name. It may
 * still have one command named "", without run: --help and completion come from it, and
 * main can parse with it (option_parse).
 */
struct applet {
	const char *name;
	const char *summary;	/* one line, no full stop */
	int (*main)(int argc, char **argv);
	const struct command *commands;
};

/* Sorted by name, ended by name = NULL. */
extern const struct applet applets[];

/* Or NULL. */
const struct applet *applet_find(const struct applet *table, struct slice name);
/* The command of that name; for an applet without subcommands its only one. Or NULL. */
const struct command *applet_command(const struct applet *applet, const char *name);
/* 1 if all of it is one command: what follows its name are options and arguments. */
int applet_is_single(const struct applet *applet);

/*
 * The applet's name in the name a program was called by (a path or not): "swarmbox-service",
 * "docker-service" and "service" give "service". *is_link: 1 for the first two, which can
 * mean nothing else; another name may be that of the box itself.
 */
struct slice applet_called(const char *argv0, int *is_link);

/* Help of the whole box, and of an applet with subcommands. */
void applet_help_all(const struct applet *table, struct buf *out);
void applet_help(const struct applet *applet, const char *path, struct buf *out);
/* A bash completion script of all applets, commands and options. */
void applet_completion(const struct applet *table, struct buf *out);
#endif
