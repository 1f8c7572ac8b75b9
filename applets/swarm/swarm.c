#include <string.h>

#include "applets/swarm/private.h"
#include "applets/swarm/swarm.h"

struct leave_options {
	int force;
};

static int leave(struct cli *cli)
{
	const struct leave_options *o = cli->options;
	struct errmsg msg = { { 0 } };

	if (cli_send(cli, "POST", o->force > 0 ? "/swarm/leave?force=1" : "/swarm/leave",
		     (struct slice){ NULL, 0 }, &msg) < 0)
		return cli_failed(cli, &msg);
	cli_printf(cli, CLI_OUT, "Node left the swarm.\n");
	return 0;
}

struct info_options {
	const char *format;
};

static struct slice text(const struct json *object, const char *key)
{
	return json_string(json_get(object, key));
}

static long long number(const struct json *object, const char *key)
{
	int64_t value = 0;

	return json_to_i64(json_get(object, key), &value) < 0 ? 0 : (long long)value;
}

static void put_managers(struct buf *out, const struct json *list)
{
	if (json_count(list))
		buf_add_str(out, "  Manager Addresses:\n");
	for (const struct json *e = json_first(list); e; e = json_next(e))
		buf_printf(out, "   %.*s\n", SLICE_ARGS(text(e, "Addr")));
}

static void put_swarm(struct buf *out, const struct json *swarm)
{
	int is_manager = json_is_true(json_get(swarm, "ControlAvailable"));

	buf_printf(out, "Swarm: %.*s\n", SLICE_ARGS(text(swarm, "LocalNodeState")));
	if (text(swarm, "Error").len)
		buf_printf(out, "  Error: %.*s\n", SLICE_ARGS(text(swarm, "Error")));
	if (!text(swarm, "NodeID").len)
		return;
	buf_printf(out, "  NodeID: %.*s\n  Is Manager: %s\n", SLICE_ARGS(text(swarm, "NodeID")),
		is_manager ? "true" : "false");
	if (is_manager)
		buf_printf(out, "  ClusterID: %.*s\n  Managers: %lld\n  Nodes: %lld\n",
			SLICE_ARGS(text(json_get(swarm, "Cluster"), "ID")),
			number(swarm, "Managers"), number(swarm, "Nodes"));
	buf_printf(out, "  Node Address: %.*s\n", SLICE_ARGS(text(swarm, "NodeAddr")));
	put_managers(out, json_get(swarm, "RemoteManagers"));
}

static void put_info(struct buf *out, const struct json *info)
{
	const struct json *ours = json_get(info, "Swarmbox");

	buf_printf(out, "Name: %.*s\nVersion: %.*s\nData Folder: %.*s\n",
		SLICE_ARGS(text(info, "Name")), SLICE_ARGS(text(ours, "Version")),
		SLICE_ARGS(text(ours, "DataDir")));
	buf_printf(out, "Engine: %.*s at %.*s\n", SLICE_ARGS(text(info, "ServerVersion")),
		SLICE_ARGS(text(ours, "Engine")));
	buf_printf(out, "Host: %lld CPUs, %lld MiB, %.*s\n", number(info, "NCPU"),
		number(info, "MemTotal") >> 20, SLICE_ARGS(text(info, "Architecture")));
	put_swarm(out, json_get(info, "Swarm"));
	for (const struct json *e = json_first(json_get(info, "Warnings")); e; e = json_next(e))
		buf_printf(out, "%.*s\n", SLICE_ARGS(json_string(e)));
}

static int info(struct cli *cli)
{
	const struct info_options *o = cli->options;
	struct errmsg msg = { { 0 } };
	const struct json *root;
	struct json_writer w;
	struct buf out;

	if (o->format && strcmp(o->format, "json") != 0)
		return cli_usage(cli, "--format: \"%s\" is not json", o->format);
	if (cli_get(cli, cli->arena, "/info", &root, &msg) < 0)
		return cli_failed(cli, &msg);
	buf_init(&out, CLI_TEXT_MAX);
	if (o->format) {
		json_begin(&w, &out);
		json_write_node(&w, root);
		buf_add_char(&out, '\n');
	} else {
		put_info(&out, root);
	}
	cli_write(cli, CLI_OUT, &out);
	buf_done(&out);
	return 0;
}

static const struct option leave_options[] = {
	{ "force", 'f', OPTION_FLAG, NULL, NULL, "Leave even if the swarm is lost by it",
	  offsetof(struct leave_options, force), NULL },
	{ .name = NULL },
};

static const struct option info_options[] = {
	{ "format", 'f', OPTION_STRING, NULL, NULL, "How to print: json",
	  offsetof(struct info_options, format), NULL },
	{ .name = NULL },
};

#define LEAVE(name_) \
	{ .name = name_, .summary = "Leave the swarm", .arguments = "", .options = leave_options, \
	  .size = sizeof(struct leave_options), .run = leave }

#define TOKEN(name_, summary_, arguments_, run_, args_) \
	{ .name = name_, .summary = summary_, .arguments = arguments_, \
	  .options = swarm_token_options, .size = sizeof(struct join_token_options), \
	  .run = run_, .args_min = args_, .args_max = args_ }

const struct command swarm_commands[] = {
	{ .name = "ca", .summary = "Print the swarm's root certificate, or make a new one",
	  .arguments = "", .options = swarm_ca_options, .size = sizeof(struct ca_options),
	  .run = swarm_run_ca },
	TOKEN("join-token", "Print how a node joins the swarm", "worker|manager",
	      swarm_run_join_token, 1),
	LEAVE("leave"),
	{ .name = "unlock", .summary = "Give a locked manager the unlock key, from standard input",
	  .arguments = "", .run = swarm_run_unlock },
	TOKEN("unlock-key", "Print the key that unlocks a manager", "", swarm_run_unlock_key, 0),
	{ .name = "update", .summary = "Change the swarm's settings", .arguments = "",
	  .options = swarm_update_options, .size = sizeof(struct update_options),
	  .run = swarm_run_update },
	{ .name = NULL },
};
const struct command swarm_leave_commands[] = { LEAVE(""), { .name = NULL } };

const struct command swarm_info_commands[] = {
	{ .name = "", .summary = "Show what this node is and what it runs", .arguments = "",
	  .options = info_options, .size = sizeof(struct info_options), .run = info },
	{ .name = NULL },
};
