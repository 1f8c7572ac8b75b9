/* service inspect: --pretty in docker's words. */
#include <string.h>

#include "applets/inspect.h"
#include "applets/service/service.h"
#include "base/timefmt.h"
#include "model/service.h"

const struct option service_inspect_options[] = {
	INSPECT_FORMAT, INSPECT_PRETTY, { .name = NULL },
};

static void put_labels(struct buf *out, const char *title, const char *indent,
		       const struct labels *l)
{
	if (!l->count)
		return;
	buf_printf(out, "%s\n", title);
	for (uint32_t i = 0; i < l->count; i++)
		buf_printf(out, "%s%s=%s\n", indent, l->items[i].key, l->items[i].value);
}

static void put_strings(struct buf *out, const char *title, const struct strings *s)
{
	if (!s->count)
		return;
	buf_add_str(out, title);
	for (uint32_t i = 0; i < s->count; i++)
		buf_printf(out, "%s%s", i ? " " : "", s->items[i]);
	buf_add_char(out, '\n');
}

static void put_duration(struct buf *out, const char *title, int64_t ns)
{
	char text[TIME_TEXT_MAX];

	duration_format(ns, text);
	buf_printf(out, "%s%s\n", title, text);
}

/* A fraction of 10^9 without its trailing zeros: "0.1", "2". */
static void put_nano(struct buf *out, const char *title, int64_t value)
{
	unsigned long long rest = (unsigned long long)(value % 1000000000);
	int digits = 9;

	buf_printf(out, "%s%llu", title, (unsigned long long)(value / 1000000000));
	while (rest && rest % 10 == 0) {
		rest /= 10;
		digits--;
	}
	if (rest)
		buf_printf(out, ".%0*llu", digits, rest);
	buf_add_char(out, '\n');
}

/* "50MiB", or in the next smaller unit when that one is not exact. */
static void put_bytes(struct buf *out, const char *title, int64_t bytes)
{
	static const char *const units[] = { "B", "KiB", "MiB", "GiB", "TiB" };
	unsigned unit = 0;

	while (bytes && unit < 4 && bytes % 1024 == 0) {
		bytes /= 1024;
		unit++;
	}
	buf_printf(out, "%s%lld%s\n", title, (long long)bytes, units[unit]);
}

static void put_mode(struct buf *out, const struct service_mode *m)
{
	if (m->global) {
		buf_add_str(out, "Service Mode:\tGlobal\n");
		return;
	}
	buf_add_str(out, "Service Mode:\tReplicated\n");
	if (m->replicated && m->replicated->replicas)
		buf_printf(out, " Replicas:\t%llu\n",
			(unsigned long long)*m->replicated->replicas);
}

static void put_update_status(struct buf *out, const struct update_status *u)
{
	static const char *const names[] = { "", "updating", "paused", "completed",
		"rollback_started", "rollback_paused", "rollback_completed" };
	char when[TIME_TEXT_MAX];

	if (!u || u->state == UPDATE_NONE)
		return;
	buf_printf(out, "UpdateStatus:\n State:\t\t%s\n", names[u->state]);
	time_format(u->started_at, when);
	buf_printf(out, " Started:\t%s\n", when);
	if (u->completed_at) {
		time_format(u->completed_at, when);
		buf_printf(out, " Completed:\t%s\n", when);
	}
	buf_printf(out, " Message:\t%s\n", u->message ? u->message : "");
}

static void put_update_config(struct buf *out, const char *title, const struct update_config *u)
{
	static const char *const actions[] = { "pause", "continue", "rollback" };

	if (!u)
		return;
	buf_printf(out, "%s:\n Parallelism:\t%llu\n", title, (unsigned long long)u->parallelism);
	if (u->delay)
		put_duration(out, " Delay:\t\t", u->delay);
	buf_printf(out, " On failure:\t%s\n", actions[u->failure_action]);
	put_duration(out, " Monitoring Period: ", u->monitor ? u->monitor :
		UPDATE_MONITOR_DEFAULT);
	put_nano(out, " Max failure ratio: ", u->max_failure_ratio);
	buf_printf(out, " Order:\t\t%s\n", u->order == ORDER_START_FIRST ? "start-first" :
		"stop-first");
}

static void put_container(struct buf *out, const struct container_spec *c)
{
	const struct mount *m = c->mounts.items;

	buf_printf(out, "ContainerSpec:\n Image:\t\t%s\n", c->image ? c->image : "");
	put_strings(out, " Command:\t", &c->command);
	put_strings(out, " Args:\t\t", &c->args);
	put_strings(out, " Env:\t\t", &c->env);
	if (c->dir)
		buf_printf(out, " Dir:\t\t%s\n", c->dir);
	if (c->user)
		buf_printf(out, " User:\t\t%s\n", c->user);
	if (c->mounts.count)
		buf_add_str(out, "Mounts:\n");
	for (uint32_t i = 0; i < c->mounts.count; i++)
		buf_printf(out, " Target:\t%s\n  Source:\t%s\n  ReadOnly:\t%s\n  Type:\t\t%s\n",
			m[i].target ? m[i].target : "", m[i].source ? m[i].source : "",
			m[i].read_only ? "true" : "false", m[i].type ? m[i].type : "");
}

static void put_limits(struct buf *out, const char *title, const struct resource_limits *l)
{
	if (!l || (!l->nano_cpus && !l->memory_bytes && !l->pids))
		return;
	buf_printf(out, " %s:\n", title);
	if (l->nano_cpus)
		put_nano(out, "  CPU:\t\t", l->nano_cpus);
	if (l->memory_bytes)
		put_bytes(out, "  Memory:\t", l->memory_bytes);
	if (l->pids)
		buf_printf(out, "  PIDs:\t\t%lld\n", (long long)l->pids);
}

static void put_ports(struct buf *out, const struct service *s)
{
	static const char *const protocols[] = { "tcp", "udp", "sctp" };
	const struct port_config *p = s->endpoint.ports.items;

	buf_printf(out, "Endpoint Mode:\t%s\n",
		s->endpoint.spec.mode == ENDPOINT_DNSRR ? "dnsrr" : "vip");
	if (s->endpoint.ports.count)
		buf_add_str(out, "Ports:\n");
	for (uint32_t i = 0; i < s->endpoint.ports.count; i++)
		buf_printf(out, " PublishedPort = %llu\n  Protocol = %s\n  TargetPort = %llu\n"
			"  PublishMode = %s\n", (unsigned long long)p[i].published_port,
			protocols[p[i].protocol], (unsigned long long)p[i].target_port,
			p[i].publish_mode == PUBLISH_HOST ? "host" : "ingress");
}

static int pretty(struct cli *cli, const struct json *object, struct buf *out,
		  struct errmsg *msg)
{
	const struct network_target *n;
	const struct task_spec *t;
	struct service s;
	int err = model_decode(cli->arena, &service_table, MODEL_API, object, &s, msg);

	if (err < 0)
		return err;
	t = &s.spec.task_template;
	buf_printf(out, "ID:\t\t%s\nName:\t\t%s\n", s.meta.id ? s.meta.id : "",
		s.spec.name ? s.spec.name : "");
	put_labels(out, "Labels:", " ", &s.spec.labels);
	put_mode(out, &s.spec.mode);
	put_update_status(out, s.update_status);
	buf_add_str(out, "Placement:\n");
	if (t->placement)
		put_strings(out, " Constraints:\t", &t->placement->constraints);
	put_update_config(out, "UpdateConfig", s.spec.update_config);
	put_update_config(out, "RollbackConfig", s.spec.rollback_config);
	if (t->container_spec)
		put_container(out, t->container_spec);
	buf_add_str(out, "Resources:\n");
	if (t->resources) {
		put_limits(out, "Reservations", t->resources->reservations);
		put_limits(out, "Limits", t->resources->limits);
	}
	n = t->networks.items;
	for (uint32_t i = 0; i < t->networks.count; i++)
		buf_printf(out, "%s%s%s", i ? " " : "Networks: ", n[i].target,
			i + 1 == t->networks.count ? "\n" : "");
	put_ports(out, &s);
	return 0;
}

static const char *path(struct cli *cli, const char *name)
{
	return cli_path(cli->arena, "/services/%s?insertDefaults=true", name);
}

int service_inspect_run(struct cli *cli)
{
	return inspect_run(cli, path, pretty);
}
