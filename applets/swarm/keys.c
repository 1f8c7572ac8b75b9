/*
 * What opens the swarm: the join tokens and the unlock key. They are printed because that is what
 * is asked for; the unlock key that is typed is wiped after it was sent.
 */
#include <string.h>

#include "applets/swarm/private.h"
#include "applets/swarm/swarm.h"
#include "base/mem.h"

static const struct swarm_edit no_edits[] = { { .section = NULL } };

/* ---- join-token -------------------------------------------------------------------- */

/* HOST:PORT of the manager behind the API. */
static int own_address(struct cli *cli, struct slice *address, struct errmsg *msg)
{
	const struct json *node;
	const char *id;
	int err = cli_self(cli, &id, msg);

	if (err == 0)
		err = cli_get(cli, cli->arena, cli_path(cli->arena, "/nodes/%s", id), &node, msg);
	if (err < 0)
		return err;
	*address = json_string(json_get(json_get(node, "ManagerStatus"), "Addr"));
	return address->len ? 0 : errmsg_set(msg, ERR_UNAVAILABLE,
		"swarm join-token: the node behind the API has no manager's address: ask another");
}

static int print_token(struct cli *cli, int is_manager, int quiet, struct errmsg *msg)
{
	const struct json *swarm;
	struct slice token, address;
	int err = cli_get(cli, cli->arena, "/swarm", &swarm, msg);

	if (err < 0)
		return err;
	token = json_string(json_get(json_get(swarm, "JoinTokens"),
		is_manager ? "Manager" : "Worker"));
	if (quiet) {
		cli_printf(cli, CLI_OUT, "%.*s\n", SLICE_ARGS(token));
		return 0;
	}
	err = own_address(cli, &address, msg);
	if (err == 0)
		cli_printf(cli, CLI_OUT, "To add a %s to this swarm, run the following command:\n\n"
			"    swarmbox join --token %.*s %.*s\n", is_manager ? "manager" : "worker",
			SLICE_ARGS(token), SLICE_ARGS(address));
	return err;
}

int swarm_run_join_token(struct cli *cli)
{
	const struct join_token_options *o = cli->options;
	const char *role = cli->args[0];
	int is_manager = strcmp(role, "manager") == 0, quiet = o->quiet == OPTION_YES;
	struct errmsg msg = { { 0 } };

	if (!is_manager && strcmp(role, "worker") != 0)
		return cli_usage(cli, "\"%s\" is not worker or manager", role);
	if (o->rotate == OPTION_YES) {
		if (swarm_change(cli, no_edits, is_manager ? ROTATE_MANAGER : ROTATE_WORKER, NULL,
				 &msg) < 0)
			return cli_failed(cli, &msg);
		if (!quiet)
			cli_printf(cli, CLI_OUT, "Successfully rotated %s join token.\n\n", role);
	}
	return print_token(cli, is_manager, quiet, &msg) < 0 ? cli_failed(cli, &msg) : 0;
}

/* ---- unlock-key -------------------------------------------------------------------- */

int swarm_print_unlock_key(struct cli *cli, int quiet, struct errmsg *msg)
{
	const struct json *answer;
	struct slice key;
	int err = cli_get(cli, cli->arena, "/swarm/unlockkey", &answer, msg);

	if (err < 0)
		return err;
	key = json_string(json_get(answer, "UnlockKey"));
	if (!key.len)
		return errmsg_set(msg, ERR_UNAVAILABLE, "no unlock key is set: "
			"'swarmbox swarm update --autolock' makes one");
	if (quiet)
		cli_printf(cli, CLI_OUT, "%.*s\n", SLICE_ARGS(key));
	else
		cli_printf(cli, CLI_OUT, SWARM_UNLOCK_HELP, SLICE_ARGS(key));
	return 0;
}

int swarm_run_unlock_key(struct cli *cli)
{
	const struct join_token_options *o = cli->options;
	int quiet = o->quiet == OPTION_YES;
	struct errmsg msg = { { 0 } };

	if (o->rotate == OPTION_YES) {
		if (swarm_change(cli, no_edits, ROTATE_UNLOCK_KEY, NULL, &msg) < 0)
			return cli_failed(cli, &msg);
		if (!quiet)
			cli_printf(cli, CLI_OUT,
				"Successfully rotated manager unlock key.\n\n");
	}
	return swarm_print_unlock_key(cli, quiet, &msg) < 0 ? cli_failed(cli, &msg) : 0;
}

/* ---- unlock ------------------------------------------------------------------------ */

static int send_key(struct cli *cli, struct slice key, struct errmsg *msg)
{
	struct json_writer w;
	struct buf body;
	int err;

	buf_init(&body, CLI_SECRET_MAX * 6 + 64);	/* a byte may become \u00xx */
	json_begin(&w, &body);
	json_open_object(&w);
	json_put_slice(&w, "UnlockKey", key);
	json_close_object(&w);
	err = cli_send(cli, "POST", "/swarm/unlock", buf_slice(&body), msg);
	mem_wipe(body.data, body.len);
	buf_done(&body);
	return err;
}

int swarm_run_unlock(struct cli *cli)
{
	struct errmsg msg = { { 0 } };
	const struct json *info;
	struct slice state;
	struct buf key;
	int err;

	if (cli_get(cli, cli->arena, "/info", &info, &msg) < 0)
		return cli_failed(cli, &msg);
	state = json_string(json_get(json_get(info, "Swarm"), "LocalNodeState"));
	if (slice_is(state, "inactive"))
		return cli_fail(cli, "This node is not part of a swarm");
	if (!slice_is(state, "locked"))
		return cli_fail(cli, "swarm is not locked");
	buf_init(&key, CLI_SECRET_MAX);
	err = cli->read_secret(cli, "Please enter unlock key: ", &key, &msg);
	if (err < 0)
		errmsg_prefix(&msg, err, "swarm unlock");
	else
		err = send_key(cli, slice_trim(buf_slice(&key)), &msg);
	if (key.len)
		mem_wipe(key.data, key.len);
	buf_done(&key);
	return err < 0 ? cli_failed(cli, &msg) : 0;
}

/* ---- their options ----------------------------------------------------------------- */

const struct option swarm_token_options[] = {
	{ "quiet", 'q', OPTION_FLAG, NULL, NULL, "Only print the token or key",
	  offsetof(struct join_token_options, quiet), NULL },
	{ "rotate", 0, OPTION_FLAG, NULL, NULL, "Make a new one; the old one opens nothing more",
	  offsetof(struct join_token_options, rotate), NULL },
	{ .name = NULL },
};
