/* node.h - the commands of `swarmbox node`. Pure. */
#ifndef SB_APPLETS_NODE_NODE_H
#define SB_APPLETS_NODE_NODE_H
#include "applets/cli.h"

extern const struct command node_commands[];

/* The id of the node behind the API. As cli_get. */
int node_self(struct cli *cli, const char **id, struct errmsg *msg);

/* inspect.c */
int node_inspect_run(struct cli *cli);
extern const struct option node_inspect_options[];
#endif
