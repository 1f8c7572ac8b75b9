/* node inspect: --pretty in docker's words. */
#include <string.h>

#include "applets/inspect.h"
#include "applets/node/node.h"
#include "model/node.h"

const struct option node_inspect_options[] = { INSPECT_FORMAT, INSPECT_PRETTY, { .name = NULL } };

static const char *or_empty(const char *text)
{
	return text ? text : "";
}

static const char *const availabilities[] = { "Active", "Pause", "Drain" };
static const char *const states[] = { "Unknown", "Down", "Ready", "Disconnected" };

static void put_labels(struct buf *out, const struct labels *l)
{
	if (l->count)
		buf_add_str(out, "Labels:\n");
	for (uint32_t i = 0; i < l->count; i++)
		buf_printf(out, " - %s=%s\n", l->items[i].key, l->items[i].value);
}

static void put_tls(struct buf *out, const struct json *tls)
{
	struct slice root = json_string(json_get(tls, "TrustRoot"));
	struct slice subject = json_string(json_get(tls, "CertIssuerSubject"));
	struct slice key = json_string(json_get(tls, "CertIssuerPublicKey"));

	if (!root.len && !subject.len && !key.len)
		return;
	buf_printf(out, "TLS Info:\n TrustRoot:\n%.*s\n", SLICE_ARGS(slice_trim(root)));
	buf_printf(out, " Issuer Subject:\t%.*s\n Issuer Public Key:\t%.*s\n",
		SLICE_ARGS(subject), SLICE_ARGS(key));
}

static int pretty(struct cli *cli, const struct json *object, struct buf *out,
		  struct errmsg *msg)
{
	const struct node_description *d;
	struct node n;
	int err = model_decode(cli->arena, &node_table, MODEL_API, object, &n, msg);

	if (err < 0)
		return err;
	d = &n.description;
	buf_printf(out, "ID:\t\t\t%s\n", or_empty(n.meta.id));
	put_labels(out, &n.spec.labels);
	buf_printf(out, "Hostname:\t\t%s\nStatus:\n State:\t\t\t%s\n", or_empty(d->hostname),
		states[n.status.state]);
	if (n.status.message && *n.status.message)
		buf_printf(out, " Message:\t\t%s\n", n.status.message);
	buf_printf(out, " Availability:\t\t%s\n Address:\t\t%s\n",
		availabilities[n.spec.availability], or_empty(n.status.addr));
	if (n.manager_status)
		buf_printf(out, "Manager Status:\n Address:\t\t%s\n Raft Status:\t\t%s\n"
			" Leader:\t\t%s\n", or_empty(n.manager_status->addr),
			or_empty(n.manager_status->reachability),
			n.manager_status->leader ? "Yes" : "No");
	buf_printf(out, "Platform:\n Operating System:\t%s\n Architecture:\t\t%s\n",
		or_empty(d->platform.os), or_empty(d->platform.architecture));
	buf_printf(out, "Resources:\n CPUs:\t\t\t%lld\n Memory:\t\t%lldMiB\n",
		(long long)(d->resources.nano_cpus / 1000000000),
		(long long)(d->resources.memory_bytes >> 20));
	buf_printf(out, "Engine Version:\t\t%s\n", or_empty(d->engine.engine_version));
	put_tls(out, json_get(json_get(object, "Description"), "TLSInfo"));
	return 0;
}

static const char *path(struct cli *cli, const char *name)
{
	struct errmsg ignored = { { 0 } };

	/* When that fails, asking for "self" fails too, and says why. */
	if (strcmp(name, "self") == 0)
		cli_self(cli, &name, &ignored);
	return cli_path(cli->arena, "/nodes/%s", name);
}

int node_inspect_run(struct cli *cli)
{
	return inspect_run(cli, path, pretty);
}
