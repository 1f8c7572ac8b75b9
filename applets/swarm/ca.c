/*
 * The swarm's root certificate, and a new one. A rotation ends when every node has a certificate
 * of the new root, which takes as long as the slowest node that is away; so it can be left alone.
 * It is waited for as docker does: until all nodes believe the new root and no other.
 */
#include <stdio.h>
#include <string.h>

#include "applets/swarm/private.h"
#include "crypt/token.h"
#include "crypt/x509.h"

enum {
	POLL_FIRST_MS = 10,	/* a swarm of a few nodes is done within some of these */
	POLL_MAX_MS = 200,	/* as docker's */
	SILENCE_MS = 60000,	/* without an answer: no more waiting */
	NAMES_MAX = 3,		/* of the nodes that are waited for */
};

struct rotation {
	int busy;
	size_t nodes, certs, roots;	/* all; those with the right certificate, the right root */
	size_t away;			/* those that lack one of them */
	char names[ERRMSG_MAX];		/* of some of these */
};

struct wait {
	struct cli *cli;
	struct arena look;		/* of one look: emptied before the next */
	struct rotation last;
	uint64_t answered_ms;
	int shown;			/* a line stands on the terminal */
	int told;			/* which root is to be */
};

static int is_quiet(const struct cli *cli)
{
	return ((const struct ca_options *)cli->options)->quiet == OPTION_YES;
}

static struct slice tls(const struct json *object, const char *key)
{
	return json_string(json_get(json_get(object, "TLSInfo"), key));
}

static int is_same(const struct json *swarm, const struct json *node, const char *key)
{
	return slice_equal(tls(swarm, key), tls(json_get(node, "Description"), key));
}

static void add_name(struct rotation *r, const struct json *node)
{
	struct slice host = json_string(json_get(json_get(node, "Description"), "Hostname"));
	struct slice state = json_string(json_get(json_get(node, "Status"), "State"));
	size_t len = strlen(r->names);
	int ready = slice_is(state, "ready");

	if (r->away < NAMES_MAX)
		snprintf(r->names + len, sizeof(r->names) - len, "%s%.*s%s%.*s%s",
			 r->away ? ", " : "", SLICE_ARGS(host), ready ? "" : " (",
			 ready ? 0 : (int)state.len, state.data, ready ? "" : ")");
	r->away++;
}

static void count(const struct json *swarm, const struct json *nodes, struct rotation *r)
{
	*r = (struct rotation){ .nodes = json_count(nodes) };
	r->busy = json_is_true(json_get(swarm, "RootRotationInProgress"));
	for (const struct json *n = json_first(nodes); n; n = json_next(n)) {
		int cert = is_same(swarm, n, "CertIssuerPublicKey") &&
			   is_same(swarm, n, "CertIssuerSubject");
		/* Until the end the swarm's is the old one. */
		int root = !r->busy && is_same(swarm, n, "TrustRoot");

		r->certs += (size_t)cert;
		r->roots += (size_t)root;
		if (!cert || (!r->busy && !root))
			add_name(r, n);
	}
}

static int print_root(struct cli *cli, const struct json *swarm)
{
	struct slice root = slice_trim(tls(swarm, "TrustRoot"));

	if (!root.len)
		return cli_fail(cli, "the manager tells of no root certificate");
	cli_printf(cli, CLI_OUT, "%.*s\n", SLICE_ARGS(root));
	return 0;
}

static void end_line(struct wait *w)
{
	if (w->shown && w->cli->err_is_tty)
		cli_printf(w->cli, CLI_ERR, "\n");
	w->shown = 0;
}

/* Of the root's text, as docker has it. */
static void tell_digest(struct wait *w, const struct json *swarm)
{
	uint8_t digest[TOKEN_DIGEST_LEN];
	char text[2 * TOKEN_DIGEST_LEN + 1];
	struct slice pem = tls(swarm, "TrustRoot");
	struct buf der;

	w->told = 1;
	buf_init(&der, X509_DER_MAX);
	if (pem_next(&pem, "CERTIFICATE", &der) == 0) {
		token_digest(buf_slice(&der), digest);
		for (int i = 0; i < TOKEN_DIGEST_LEN; i++)
			snprintf(text + 2 * i, 3, "%02x", digest[i]);
		end_line(w);
		cli_printf(w->cli, CLI_ERR, "desired root digest: sha256:%s\n", text);
	}
	buf_done(&der);
}

static void show(struct wait *w, const struct rotation *r)
{
	const struct rotation *l = &w->last;

	if (w->shown && r->nodes == l->nodes && r->certs == l->certs && r->roots == l->roots)
		return;
	cli_printf(w->cli, CLI_ERR, "%srotated TLS certificates: %zu/%zu nodes, rotated CA "
		   "certificates: %zu/%zu nodes%s", w->cli->err_is_tty && w->shown ? "\r" : "",
		   r->certs, r->nodes, r->roots, r->nodes, w->cli->err_is_tty ? "\033[K" : "\n");
	w->shown = 1;
}

/* 1: the rotation is over. 0: it goes on. Or as cli_call. */
static int look(struct wait *w, struct errmsg *msg)
{
	const struct json *swarm, *nodes;
	struct rotation now;
	int err;

	arena_reset(&w->look);
	err = cli_get(w->cli, &w->look, "/swarm", &swarm, msg);
	if (err == 0)
		err = cli_get(w->cli, &w->look, "/nodes", &nodes, msg);
	if (err < 0)
		return err;
	w->answered_ms = w->cli->now_ms(w->cli);
	count(swarm, nodes, &now);
	if (!is_quiet(w->cli)) {
		if (!now.busy && !w->told)
			tell_digest(w, swarm);
		show(w, &now);
	}
	w->last = now;
	return !now.busy && now.away == 0;
}

/* 1 when Ctrl-C ended it; 0; or as cli_call. */
static int follow(struct wait *w, struct errmsg *msg)
{
	for (uint64_t pause_ms = POLL_FIRST_MS;; pause_ms = 2 * pause_ms) {
		int err = look(w, msg);

		if (err > 0)
			return 0;
		/* The certificates of the managers change as well: one may not answer meanwhile. */
		if (err < 0 && (err != ERR_UNAVAILABLE ||
				w->cli->now_ms(w->cli) - w->answered_ms >= SILENCE_MS))
			return err;
		if (pause_ms > POLL_MAX_MS)
			pause_ms = POLL_MAX_MS;
		if (w->cli->wait(w->cli, pause_ms))
			return 1;
	}
}

static int wait_for_rotation(struct cli *cli, struct errmsg *msg)
{
	struct wait w = { .cli = cli, .answered_ms = cli->now_ms(cli) };
	int err;

	arena_init(&w.look);
	err = follow(&w, msg);
	end_line(&w);
	if (err == 1)
		cli_printf(cli, CLI_ERR, "The rotation goes on in the background%s%s%s.\n",
			   w.last.away ? ": it waits for " : "", w.last.names,
			   w.last.away > NAMES_MAX ? " and others" : "");
	arena_done(&w.look);
	return err;
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
	if (err > 0)
		return 0;
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
