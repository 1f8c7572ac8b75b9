/* swarm.h - the swarm and this node in it: `swarmbox info`, `leave`, `swarm ...`. Pure. */
#ifndef SB_APPLETS_SWARM_SWARM_H
#define SB_APPLETS_SWARM_SWARM_H
#include "applets/cli.h"

extern const struct command swarm_commands[], swarm_leave_commands[], swarm_info_commands[];
#endif
