/* swarm.h - this node in the swarm: `swarmbox info`, `leave`, `swarm leave`. Pure. */
#ifndef SB_APPLETS_SWARM_SWARM_H
#define SB_APPLETS_SWARM_SWARM_H
#include "applets/cli.h"

extern const struct command swarm_commands[], swarm_leave_commands[], swarm_info_commands[];
#endif
