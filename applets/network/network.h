/* network.h - the commands of `swarmbox network`. Pure. */
#ifndef SB_APPLETS_NETWORK_NETWORK_H
#define SB_APPLETS_NETWORK_NETWORK_H
#include "applets/cli.h"

extern const struct command network_commands[];
#endif
