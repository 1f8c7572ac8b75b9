/* node.h - the commands of `swarmbox node`, `promote`, `demote`. Pure. */
#ifndef SB_APPLETS_NODE_NODE_H
#define SB_APPLETS_NODE_NODE_H
#include "applets/cli.h"

extern const struct command node_commands[], node_promote_commands[], node_demote_commands[];

/* inspect.c */
int node_inspect_run(struct cli *cli);
extern const struct option node_inspect_options[];
#endif
