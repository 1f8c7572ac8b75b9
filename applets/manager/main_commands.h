/* main_commands.h - the option tables of init, join, manager and worker, for the applet table.
 * Pure. */
#ifndef SB_APPLETS_MANAGER_MAIN_COMMANDS_H
#define SB_APPLETS_MANAGER_MAIN_COMMANDS_H
#include "applets/option.h"

extern const struct command init_commands[], join_commands[], manager_commands[],
	worker_commands[];
#endif
