/* main.h - runs commands in a process: words, terminal, signals, the API's socket. I/O. */
#ifndef SB_APPLETS_CLI_MAIN_H
#define SB_APPLETS_CLI_MAIN_H
#include "applets/applet.h"

#define CLI_HOST_DEFAULT "unix:///run/swarmbox/docker.sock"

/*
 * Runs the command of the applet that argv[1] names (argv itself for an applet without
 * subcommands); -H ADDRESS may stand before it. Returns the exit status.
 */
int cli_main(const struct applet *applet, int argc, char **argv);
#endif
