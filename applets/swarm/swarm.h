/* swarm.h - the swarm and this node in it: `swarmbox info`, `leave`, `swarm ...`. Pure. */
#ifndef SB_APPLETS_SWARM_SWARM_H
#define SB_APPLETS_SWARM_SWARM_H
#include "applets/cli.h"

/* What is printed with an unlock key, given as its length and text: a printf format. */
#define SWARM_UNLOCK_HELP "To unlock a swarm manager after it restarts, run the `swarmbox swarm " \
	"unlock`\ncommand and provide the following key:\n\n    %.*s\n\nRemember to store this " \
	"key in a password manager, since without it you\nwill not be able to restart the " \
	"manager.\n"

extern const struct command swarm_commands[], swarm_leave_commands[], swarm_info_commands[];
#endif
