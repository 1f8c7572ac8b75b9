/* The one table of all applets. An applet that is not here does not exist. */
#include <string.h>

#include "applets/applet.h"
#include "applets/cli.h"
#include "applets/lb/main.h"
#include "applets/manager/main.h"
#include "applets/manager/main_backup.h"
#include "applets/manager/main_commands.h"
#include "applets/network/network.h"
#include "applets/node/node.h"
#include "applets/service/service.h"
#include "applets/stack/stack.h"
#include "applets/swarm/swarm.h"

static int completion_run(struct cli *cli)
{
	struct buf out;

	if (strcmp(cli->args[0], "bash") != 0)
		return cli_usage(cli, "\"%s\": bash is the only shell there is a script for",
			cli->args[0]);
	buf_init(&out, CLI_TEXT_MAX);
	applet_completion(applets, &out);
	cli_write(cli, CLI_OUT, &out);
	buf_done(&out);
	return 0;
}

static const struct command completion_commands[] = {
	{ .name = "", .summary = "Print a shell's completion script", .arguments = "bash",
	  .run = completion_run, .args_min = 1, .args_max = 1 },
	{ .name = NULL },
};

const struct applet applets[] = {
	{ "backup", "Save this manager's state into a sealed file", NULL, backup_commands },
	{ "completion", "Print a shell's completion script", NULL, completion_commands },
	{ "demote", "Make managers plain workers", NULL, node_demote_commands },
	{ "info", "Show what this node is and what it runs", NULL, swarm_info_commands },
	{ "init", "Make a swarm with this node as its manager", init_main, init_commands },
	{ "join", "Join a swarm as a worker or a manager", join_main, join_commands },
	{ "lb", "Serve the published ports (the daemon starts it)", lb_main, lb_commands },
	{ "leave", "Leave the swarm", NULL, swarm_leave_commands },
	{ "manager", "Run this node, which init or join has set up", manager_main,
	  manager_commands },
	{ "network", "Networks between services", NULL, network_commands },
	{ "node", "The hosts of the swarm", NULL, node_commands },
	{ "promote", "Make nodes managers of the swarm", NULL, node_promote_commands },
	{ "restore", "Make a data folder of a backup", NULL, restore_commands },
	{ "service", "Services and their tasks", NULL, service_commands },
	{ "stack", "Stacks: services and networks from a compose file", NULL, stack_commands },
	{ "swarm", "The swarm: tokens, keys, certificates, settings", NULL, swarm_commands },
	{ "worker", "Run this node: the same as manager", worker_main, worker_commands },
	{ NULL, NULL, NULL, NULL },
};
