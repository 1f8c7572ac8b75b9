/*
 * What a spec may hold. Contracts are in private.h. The texts are swarmkit's
 * (controlapi/service.go, common.go) and, where it leaves a check to the agent, those that
 * the engine would answer with much later.
 */
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include "applets/manager/api/private.h"
#include "base/timefmt.h"
#include "docker/reference.h"

enum {
	NANO_CPUS_MIN = 1000000,		/* 0.001 CPU */
	MEMORY_BYTES_MIN = 4 * 1024 * 1024,
	NANO = 1000000000,
};

#define INVALID(msg, ...) bad(msg, 400, INVALID_ARGUMENT __VA_ARGS__)

/* Sets the text and returns the status to answer with. */
static int bad(struct errmsg *msg, int status, const char *format, ...)
	__attribute__((format(printf, 3, 4)));

static int bad(struct errmsg *msg, int status, const char *format, ...)
{
	char text[ERRMSG_MAX];
	va_list args;

	va_start(args, format);
	vsnprintf(text, sizeof(text), format, args);
	va_end(args);
	errmsg_set(msg, ERR_INVALID, "%s", text);
	return status;
}

int validate_name(const char *name, struct errmsg *msg)
{
	if (!name || !*name)
		return INVALID(msg, "meta: name must be provided");
	if (strlen(name) > NAME_MAX_LEN)
		return INVALID(msg, "name must be 63 characters or fewer");
	if (!name_is_valid(slice_of(name)))
		return INVALID(msg, "name must be valid as a DNS name component");
	return 0;
}

static int check_labels(const struct labels *labels, struct errmsg *msg)
{
	for (uint32_t i = 0; i < labels->count; i++) {
		if (!*labels->items[i].key)
			return INVALID(msg, "a label's name must not be empty");
	}
	return 0;
}

static int check_env(const struct strings *env, struct errmsg *msg)
{
	for (uint32_t i = 0; i < env->count; i++) {
		if (!*env->items[i] || env->items[i][0] == '=')
			return INVALID(msg, "ContainerSpec: invalid environment variable: %s",
					   env->items[i]);
	}
	return 0;
}

/* A path with a template in it is only known on the node. */
static int is_absolute(const char *path)
{
	return path[0] == '/' || strstr(path, "{{") != NULL;
}

static int check_mount(const struct mount *m, struct errmsg *msg)
{
	const char *type = m->type && *m->type ? m->type : "volume";
	const char *target = m->target ? m->target : "", *source = m->source ? m->source : "";
	int is_bind = strcmp(type, "bind") == 0, is_tmpfs = strcmp(type, "tmpfs") == 0;

	if (!is_bind && !is_tmpfs && strcmp(type, "volume") != 0)
		return INVALID(msg, "ContainerSpec: mount type \"%s\" is unknown or not "
				   "supported: must be bind, volume or tmpfs", type);
	if (!is_absolute(target))
		return INVALID(msg, "ContainerSpec: invalid mount target, must be an absolute "
				   "path: %s", target);
	if (is_bind && !is_absolute(source))
		return INVALID(msg, "ContainerSpec: invalid bind mount source, must be an "
				   "absolute path: %s", source);
	if (is_tmpfs && *source)
		return INVALID(msg, "ContainerSpec: invalid tmpfs source, source must be empty");
	return 0;
}

static int check_mounts(const struct list *mounts, struct errmsg *msg)
{
	int status;

	for (uint32_t i = 0; i < mounts->count; i++) {
		const struct mount *m = LIST_AT(mounts, struct mount, i);

		if ((status = check_mount(m, msg)))
			return status;
		for (uint32_t j = 0; j < i; j++) {
			if (strcmp(LIST_AT(mounts, struct mount, j)->target, m->target) == 0)
				return INVALID(msg, "ContainerSpec: duplicate mount point: %s",
						   m->target);
		}
	}
	return 0;
}

static int check_health(const struct health_config *h, struct errmsg *msg)
{
	const struct {
		const char *name;
		int64_t ns;
	} times[] = {
		{ "Interval", h->interval }, { "Timeout", h->timeout },
		{ "StartPeriod", h->start_period }, { "StartInterval", h->start_interval },
	};

	for (size_t i = 0; i < sizeof(times) / sizeof(times[0]); i++) {
		if (times[i].ns != 0 && times[i].ns < MS_NS)
			return INVALID(msg, "ContainerSpec: %s in HealthConfig cannot be less "
					   "than 1ms", times[i].name);
	}
	if (h->retries < 0)
		return INVALID(msg, "ContainerSpec: Retries in HealthConfig cannot be negative");
	if (h->test.count && strcmp(h->test.items[0], "NONE") != 0 &&
	    strcmp(h->test.items[0], "CMD") != 0 && strcmp(h->test.items[0], "CMD-SHELL") != 0)
		return INVALID(msg, "ContainerSpec: unknown type of health check \"%s\": must "
				   "be NONE, CMD or CMD-SHELL", h->test.items[0]);
	return 0;
}

/* What would be left out of the containers if it were taken now. */
static int check_container_extra(struct call *c, const struct container_spec *spec,
				 struct errmsg *msg)
{
	if (extra_member(c, spec->extra, "Secrets"))
		return bad(msg, 501, UNIMPLEMENTED "ContainerSpec: secrets are not supported yet");
	if (extra_member(c, spec->extra, "Configs"))
		return bad(msg, 501, UNIMPLEMENTED "ContainerSpec: configs are not supported yet");
	return 0;
}

static int check_container(struct call *c, const struct container_spec *spec, struct errmsg *msg)
{
	int status;

	if (!spec->image || !*spec->image)
		return INVALID(msg, "ContainerSpec: image reference must be provided");
	if (!reference_is_valid(slice_of(spec->image)))
		return INVALID(msg, "ContainerSpec: \"%s\" is not a valid repository/tag",
				   spec->image);
	if ((status = check_mounts(&spec->mounts, msg)) || (status = check_env(&spec->env, msg)) ||
	    (status = check_labels(&spec->labels, msg)))
		return status;
	if (spec->healthcheck && (status = check_health(spec->healthcheck, msg)))
		return status;
	if (spec->stop_grace_period && *spec->stop_grace_period < 0)
		return INVALID(msg, "ContainerSpec: stop-grace-period cannot be negative");
	return check_container_extra(c, spec, msg);
}

static int check_limits(const struct resource_limits *r, struct errmsg *msg)
{
	if (!r)
		return 0;
	if (r->nano_cpus != 0 && r->nano_cpus < NANO_CPUS_MIN)
		return INVALID(msg, "invalid cpu value %g: Must be at least 0.001",
				   (double)r->nano_cpus / NANO);
	if (r->memory_bytes != 0 && r->memory_bytes < MEMORY_BYTES_MIN)
		return INVALID(msg, "invalid memory value %lld: Must be at least 4MiB",
				   (long long)r->memory_bytes);
	if (r->pids < -1)
		return INVALID(msg, "invalid pids limit %lld", (long long)r->pids);
	return 0;
}

static int check_resources(const struct resources *r, struct errmsg *msg)
{
	int status = r ? check_limits(r->limits, msg) : 0;

	return status || !r ? status : check_limits(r->reservations, msg);
}

static int check_restart(const struct restart_policy *p, struct errmsg *msg)
{
	if (p && p->delay && *p->delay < 0)
		return INVALID(msg, "TaskSpec: restart-delay cannot be negative");
	if (p && p->window < 0)
		return INVALID(msg, "TaskSpec: restart-window cannot be negative");
	return 0;
}

/* Docker answers a constraint it cannot read with 500 and code Unknown. */
static int check_placement(struct call *c, const struct placement *p, struct errmsg *msg)
{
	const struct json *root;
	struct errmsg why = { { 0 } };

	for (uint32_t i = 0; p && i < p->constraints.count; i++) {
		if (constraint_check(p->constraints.items[i], &why) < 0)
			return bad(msg, 500, UNKNOWN "%s", why.text);
	}
	if (p && p->preferences.len && json_parse(c->turn->arena, p->preferences, &root, NULL) == 0
	    && json_count(root) > SPREAD_LEVELS_MAX)
		return INVALID(msg, "Placement: more than %d preferences", SPREAD_LEVELS_MAX);
	return 0;
}

static int check_task(struct call *c, const struct task_spec *t, struct errmsg *msg)
{
	int status;

	if (t->runtime && *t->runtime && strcmp(t->runtime, "container") != 0)
		return bad(msg, 501, UNIMPLEMENTED "TaskSpec: runtime \"%s\" is not supported: "
			   "must be container", t->runtime);
	if (extra_member(c, t->extra, "PluginSpec") ||
	    extra_member(c, t->extra, "NetworkAttachmentSpec"))
		return bad(msg, 501, UNIMPLEMENTED "TaskSpec: only containers are supported");
	if (!t->container_spec)
		return bad(msg, 400, "mismatched Runtime and *Spec fields");
	if ((status = check_container(c, t->container_spec, msg)) ||
	    (status = check_resources(t->resources, msg)) ||
	    (status = check_restart(t->restart_policy, msg)))
		return status;
	return check_placement(c, t->placement, msg);
}

static int check_mode(const struct service_mode *m, struct errmsg *msg)
{
	if (m->replicated && m->global)
		return bad(msg, 400, "must specify only one service mode");
	if (m->extra.len)
		return bad(msg, 501, UNIMPLEMENTED "only replicated and global services are "
			   "supported yet");
	if (m->replicated && m->replicated->replicas &&
	    *m->replicated->replicas > API_REPLICAS_MAX)
		return INVALID(msg, "Number of replicas must not be larger than %d",
				   API_REPLICAS_MAX);
	return 0;
}

static int check_update(const struct update_config *u, struct errmsg *msg)
{
	if (!u)
		return 0;
	if (u->delay < 0)
		return INVALID(msg, "TaskSpec: update-delay cannot be negative");
	if (u->monitor < 0)
		return INVALID(msg, "TaskSpec: update-monitor cannot be negative");
	if (u->max_failure_ratio < 0 || u->max_failure_ratio > NANO)
		return INVALID(msg, "TaskSpec: update-maxfailureratio cannot be less than 0 or "
				   "bigger than 1");
	return 0;
}

static int check_port(const struct endpoint_spec *e, const struct port_config *p,
		      struct errmsg *msg)
{
	if (p->target_port < 1 || p->target_port > 65535)
		return INVALID(msg, "EndpointSpec: invalid target port %llu: must be 1 to 65535",
				   (unsigned long long)p->target_port);
	if (p->published_port > 65535)
		return INVALID(msg, "EndpointSpec: invalid published port %llu: must be 1 to "
				   "65535, or 0 for any", (unsigned long long)p->published_port);
	if (p->publish_mode != PUBLISH_INGRESS)
		return 0;
	if (e->mode == ENDPOINT_DNSRR)
		return INVALID(msg, "EndpointSpec: port published with ingress mode can't be "
				   "used with dnsrr mode");
	if (p->protocol == PROTOCOL_SCTP)
		return bad(msg, 501, UNIMPLEMENTED "EndpointSpec: sctp ports can only be published "
			   "in host mode");
	return 0;
}

static int check_endpoint(const struct endpoint_spec *e, struct errmsg *msg)
{
	int status;

	for (uint32_t i = 0; e && i < e->ports.count; i++) {
		const struct port_config *p = LIST_AT(&e->ports, struct port_config, i);

		if ((status = check_port(e, p, msg)))
			return status;
		for (uint32_t j = 0; j < i && p->published_port; j++) {
			const struct port_config *q = LIST_AT(&e->ports, struct port_config, j);

			if (q->published_port == p->published_port && q->protocol == p->protocol)
				return INVALID(msg, "EndpointSpec: duplicate published ports "
						   "provided");
		}
	}
	return 0;
}

int validate_service(struct call *c, const struct service_spec *spec, struct errmsg *msg)
{
	int status;

	if ((status = check_mode(&spec->mode, msg)) ||
	    (status = validate_name(spec->name, msg)) ||
	    (status = check_labels(&spec->labels, msg)) ||
	    (status = check_task(c, &spec->task_template, msg)) ||
	    (status = check_update(spec->update_config, msg)) ||
	    (status = check_update(spec->rollback_config, msg)))
		return status;
	return check_endpoint(spec->endpoint_spec, msg);
}
