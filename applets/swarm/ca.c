/*
 * The swarm's root certificate, and a new one. A rotation ends when every node has a certificate
 * of the new root, which takes as long as the slowest node that is away; so it can be left alone.
 */
#include "applets/swarm/private.h"

enum { POLL_MS = 200 };	/* as docker */

static struct slice tls(const struct json *object, const char *key)
{
	return json_string(json_get(json_get(object, "TLSInfo"), key));
}

/* How many of the nodes have a certificate of the swarm's issuer. */
static size_t count_rotated(const struct json *swarm, const struct json *nodes)
{
	size_t n = 0;

	for (const struct json *e = json_first(nodes); e; e = json_next(e)) {
		const struct json *d = json_get(e, "Description");

		n += slice_equal(tls(d, "CertIssuerPublicKey"),
				tls(swarm, "CertIssuerPublicKey")) &&
			slice_equal(tls(d, "CertIssuerSubject"), tls(swarm, "CertIssuerSubject"));
	}
	return n;
}

static int print_root(struct cli *cli, const struct json *swarm)
{
	struct slice root = slice_trim(tls(swarm, "TrustRoot"));

	if (!root.len)
		return cli_fail(cli, "the manager tells of no root certificate");
	cli_printf(cli, CLI_OUT, "%.*s\n", SLICE_ARGS(root));
	return 0;
}

/* One look. *busy: the rotation goes on. shown: what the last line said, or SIZE_MAX. */
static int look(struct cli *cli, struct arena *a, int *busy, size_t *shown, struct errmsg *msg)
{
	const struct ca_options *o = cli->options;
	const struct json *swarm, *nodes;
	size_t done;
	int err = cli_get(cli, a, "/swarm", &swarm, msg);

	if (err == 0)
		err = cli_get(cli, a, "/nodes", &nodes, msg);
	if (err < 0)
		return err;
	done = count_rotated(swarm, nodes);
	*busy = json_is_true(json_get(swarm, "RootRotationInProgress"));
	if (o->quiet != OPTION_YES && done != *shown)
		cli_printf(cli, CLI_ERR, "rotated TLS certificates: %zu of %zu nodes\n", done,
			json_count(nodes));
	*shown = done;
	return 0;
}

/* 1 when Ctrl-C ended it; 0; or as cli_call. */
static int wait_for_rotation(struct cli *cli, struct errmsg *msg)
{
	size_t shown = SIZE_MAX;
	int busy = 1, err;

	for (;;) {
		struct arena arena;

		arena_init(&arena);
		err = look(cli, &arena, &busy, &shown, msg);
		arena_done(&arena);
		/* The certificates of the managers change as well: one may not answer meanwhile. */
		if (err < 0 && err != ERR_UNAVAILABLE)
			return err;
		if (err == 0 && !busy)
			return 0;
		if (cli->wait(cli, POLL_MS))
			return 1;
	}
}

static int rotate(struct cli *cli)
{
	const struct ca_options *o = cli->options;
	const struct swarm_edit edits[] = {
		{ "CAConfig", "ForceRotate", EDIT_ADD, 1 },
		{ o->cert_expiry.given ? "CAConfig" : NULL, "NodeCertExpiry", EDIT_SET,
		  o->cert_expiry.value },
		{ .section = NULL },
	};
	struct errmsg msg = { { 0 } };
	const struct json *swarm;
	int err = swarm_change(cli, edits, ROTATE_NONE, NULL, &msg);

	if (err == 0 && o->detach == OPTION_YES)
		return 0;
	if (err == 0)
		err = wait_for_rotation(cli, &msg);
	if (err > 0) {
		cli_printf(cli, CLI_ERR, "The rotation goes on in the background.\n");
		return 0;
	}
	if (err == 0)
		err = cli_get(cli, cli->arena, "/swarm", &swarm, &msg);
	return err < 0 ? cli_failed(cli, &msg) : print_root(cli, swarm);
}

int swarm_run_ca(struct cli *cli)
{
	const struct ca_options *o = cli->options;
	struct errmsg msg = { { 0 } };
	const struct json *swarm;

	if (o->rotate == OPTION_YES)
		return rotate(cli);
	if (o->cert_expiry.given)
		return cli_usage(cli, "--cert-expiry needs --rotate here; alone it is an option of "
			"'swarmbox swarm update'");
	if (cli_get(cli, cli->arena, "/swarm", &swarm, &msg) < 0)
		return cli_failed(cli, &msg);
	return print_root(cli, swarm);
}

const struct option swarm_ca_options[] = {
	{ "cert-expiry", 0, OPTION_DURATION, NULL, NULL, "How long a node's certificate holds",
	  offsetof(struct ca_options, cert_expiry), NULL },
	{ "detach", 'd', OPTION_FLAG, NULL, NULL, "Do not wait for the rotation's end",
	  offsetof(struct ca_options, detach), NULL },
	{ "quiet", 'q', OPTION_FLAG, NULL, NULL, "Do not print how far the rotation is",
	  offsetof(struct ca_options, quiet), NULL },
	{ "rotate", 0, OPTION_FLAG, NULL, NULL, "Make a new root and new certificates of all nodes",
	  offsetof(struct ca_options, rotate), NULL },
	{ .name = NULL },
};
