/* Contracts are in container.h. The create request; the other ones and the answers are in
 * container_calls.c and container_answers.c. */
#include "docker/container.h"
#include <string.h>
#include "codec/json.h"

enum { CREATE_TIMEOUT_MS = 120000 };

/* What every part of the request needs; err is the first thing that went wrong. */
struct create {
	struct arena *a;
	struct json_writer *w;
	const struct task *task;
	const struct container_spec *spec;
	struct template_values values;
	struct errmsg *msg;
	int err;
};

static const char *fill(struct create *c, const char *text, int json)
{
	struct template_values values = c->values;
	const char *out;

	values.json = json;
	out = template_expand(c->a, &values, text, c->err ? NULL : c->msg);
	if (out)
		return out;
	c->err = ERR_INVALID;
	return "";
}

static void put_text(struct create *c, const char *key, const char *value)
{
	if (value && *value)
		json_put_str(c->w, key, value);
}

static void put_number(struct create *c, const char *key, int64_t value)
{
	if (value)
		json_put_i64(c->w, key, value);
}

static void put_strings(struct create *c, const char *key, const struct strings *s)
{
	if (s->count == 0)
		return;
	json_write_key(c->w, key);
	json_open_array(c->w);
	for (uint32_t i = 0; i < s->count; i++)
		json_write_str(c->w, s->items[i]);
	json_close_array(c->w);
}

static void put_labels(struct create *c, const char *key, const struct labels *labels)
{
	json_write_key(c->w, key);
	json_open_object(c->w);
	for (uint32_t i = 0; i < labels->count; i++)
		json_put_str(c->w, labels->items[i].key, labels->items[i].value);
	json_close_object(c->w);
}

static void put_env(struct create *c)
{
	if (c->spec->env.count == 0)
		return;
	json_write_key(c->w, "Env");
	json_open_array(c->w);
	for (uint32_t i = 0; i < c->spec->env.count; i++)
		json_write_str(c->w, fill(c, c->spec->env.items[i], 0));
	json_close_array(c->w);
}

static void put_task_labels(struct create *c)
{
	const struct task *t = c->task;
	struct labels l = labels_with(c->a, &c->spec->labels, LABEL_TASK, "");

	l = labels_with(c->a, &l, LABEL_TASK_ID, t->meta.id);
	l = labels_with(c->a, &l, LABEL_TASK_NAME, c->values.task_name);
	l = labels_with(c->a, &l, LABEL_NODE_ID, c->values.node->id);
	l = labels_with(c->a, &l, LABEL_SERVICE_ID, t->service_id ? t->service_id : "");
	l = labels_with(c->a, &l, LABEL_SERVICE_NAME, t->service_name ? t->service_name : "");
	put_labels(c, "Labels", &l);
}

static void put_health(struct create *c)
{
	const struct health_config *h = c->spec->healthcheck;

	if (!h)
		return;
	json_write_key(c->w, "Healthcheck");
	json_open_object(c->w);
	put_strings(c, "Test", &h->test);
	put_number(c, "Interval", h->interval);
	put_number(c, "Timeout", h->timeout);
	put_number(c, "StartPeriod", h->start_period);
	put_number(c, "StartInterval", h->start_interval);
	put_number(c, "Retries", h->retries);
	json_close_object(c->w);
}

static const char *port_key(struct create *c, const struct port_config *p)
{
	static const char *const names[] = { "tcp", "udp", "sctp" };

	return arena_printf(c->a, "%u/%s", (unsigned)p->target_port, names[p->protocol]);
}

static int same_target(const struct port_config *x, const struct port_config *y)
{
	return x->target_port == y->target_port && x->protocol == y->protocol;
}

/* One member for each different target; with bind, the list of host ports it gets. */
static void put_ports(struct create *c, const char *key, int bind)
{
	const struct list *ports = &c->task->ports;

	json_write_key(c->w, key);
	json_open_object(c->w);
	for (uint32_t i = 0; i < ports->count; i++) {
		const struct port_config *p = LIST_AT(ports, struct port_config, i);
		uint32_t before = 0;

		while (before < i && !same_target(LIST_AT(ports, struct port_config, before), p))
			before++;
		if (before < i)
			continue;
		json_write_key(c->w, port_key(c, p));
		if (!bind) {
			json_open_object(c->w);
			json_close_object(c->w);
			continue;
		}
		json_open_array(c->w);
		for (uint32_t k = i; k < ports->count; k++) {
			const struct port_config *q = LIST_AT(ports, struct port_config, k);

			if (!same_target(p, q))
				continue;
			json_open_object(c->w);
			json_put_str(c->w, "HostPort", q->published_port
				? arena_printf(c->a, "%u", (unsigned)q->published_port) : "");
			json_close_object(c->w);
		}
		json_close_array(c->w);
	}
	json_close_object(c->w);
}

static void put_raw(struct create *c, const char *key, struct slice json)
{
	if (json.len == 0)
		return;
	json_write_key(c->w, key);
	json_write_raw(c->w, slice_of(fill(c, arena_str(c->a, json), 1)));
}

static void put_mounts(struct create *c)
{
	if (c->spec->mounts.count == 0)
		return;
	json_write_key(c->w, "Mounts");
	json_open_array(c->w);
	for (uint32_t i = 0; i < c->spec->mounts.count; i++) {
		const struct mount *m = LIST_AT(&c->spec->mounts, struct mount, i);

		json_open_object(c->w);
		put_text(c, "Type", m->type);
		put_text(c, "Source", m->source ? fill(c, m->source, 0) : NULL);
		put_text(c, "Target", m->target ? fill(c, m->target, 0) : NULL);
		json_put_bool(c->w, "ReadOnly", m->read_only);
		put_raw(c, "BindOptions", m->bind_options);
		put_raw(c, "VolumeOptions", m->volume_options);
		put_raw(c, "TmpfsOptions", m->tmpfs_options);
		json_close_object(c->w);
	}
	json_close_array(c->w);
}

/* "IP name alias ..." is the API's form here, "name:IP" the engine's. */
static void put_hosts(struct create *c)
{
	if (c->spec->hosts.count == 0)
		return;
	json_write_key(c->w, "ExtraHosts");
	json_open_array(c->w);
	for (uint32_t i = 0; i < c->spec->hosts.count; i++) {
		struct slice names = slice_of(c->spec->hosts.items[i]);
		struct slice ip = slice_cut(&names, ' ');

		while (names.len) {
			struct slice name = slice_cut(&names, ' ');

			if (name.len == 0)
				continue;
			json_write_str(c->w, arena_printf(c->a, "%.*s:%.*s", SLICE_ARGS(name),
							  SLICE_ARGS(ip)));
		}
	}
	json_close_array(c->w);
}

static void put_ulimits(struct create *c)
{
	if (c->spec->ulimits.count == 0)
		return;
	json_write_key(c->w, "Ulimits");
	json_open_array(c->w);
	for (uint32_t i = 0; i < c->spec->ulimits.count; i++) {
		const struct ulimit *u = LIST_AT(&c->spec->ulimits, struct ulimit, i);

		json_open_object(c->w);
		put_text(c, "Name", u->name);
		json_put_i64(c->w, "Hard", u->hard);
		json_put_i64(c->w, "Soft", u->soft);
		json_close_object(c->w);
	}
	json_close_array(c->w);
}

static void put_resources(struct create *c)
{
	const struct resources *r = c->task->spec.resources;

	if (r && r->limits) {
		put_number(c, "NanoCpus", r->limits->nano_cpus);
		put_number(c, "Memory", r->limits->memory_bytes);
		put_number(c, "PidsLimit", r->limits->pids);
	}
	if (r && r->reservations)
		put_number(c, "MemoryReservation", r->reservations->memory_bytes);
}

/* Privileges are kept as they came; the engine takes them as options of one list. */
static void put_security(struct create *c)
{
	static const char *const parts[] = { "User", "Role", "Type", "Level" };
	static const char *const names[] = { "user", "role", "type", "level" };
	const struct json *p, *se;

	if (!c->spec->privileges.len || json_parse(c->a, c->spec->privileges, &p, NULL) < 0)
		return;
	se = json_get(p, "SELinuxContext");
	json_write_key(c->w, "SecurityOpt");
	json_open_array(c->w);
	if (json_is_true(json_get(se, "Disable")))
		json_write_str(c->w, "label=disable");
	for (size_t i = 0; i < 4; i++) {
		struct slice value = json_string(json_get(se, parts[i]));

		if (value.len)
			json_write_str(c->w, arena_printf(c->a, "label=%s:%.*s", names[i],
							  SLICE_ARGS(value)));
	}
	if (slice_is(json_string(json_get(json_get(p, "Seccomp"), "Mode")), "unconfined"))
		json_write_str(c->w, "seccomp=unconfined");
	if (slice_is(json_string(json_get(json_get(p, "AppArmor"), "Mode")), "disabled"))
		json_write_str(c->w, "apparmor=unconfined");
	if (json_is_true(json_get(p, "NoNewPrivileges")))
		json_write_str(c->w, "no-new-privileges=true");
	json_close_array(c->w);
}

static void put_log_driver(struct create *c)
{
	const struct log_driver *d = c->task->spec.log_driver;

	if (!d || !d->name || !*d->name)
		return;
	json_write_key(c->w, "LogConfig");
	json_open_object(c->w);
	json_put_str(c->w, "Type", d->name);
	put_labels(c, "Config", &d->options);
	json_close_object(c->w);
}

static void put_host_config(struct create *c)
{
	const struct container_spec *s = c->spec;
	const struct list *nets = &c->task->networks_attachments;

	json_write_key(c->w, "HostConfig");
	json_open_object(c->w);
	json_write_key(c->w, "RestartPolicy");
	json_write_raw(c->w, SLICE("{\"Name\":\"no\"}"));
	if (nets->count)
		json_put_str(c->w, "NetworkMode",
			     LIST_AT(nets, struct network_attachment, 0)->network.spec.name);
	put_resources(c);
	put_mounts(c);
	put_hosts(c);
	put_ulimits(c);
	put_security(c);
	put_log_driver(c);
	if (c->task->ports.count)
		put_ports(c, "PortBindings", 1);
	if (s->init)
		json_put_bool(c->w, "Init", *s->init);
	json_put_bool(c->w, "ReadonlyRootfs", s->read_only);
	put_strings(c, "CapAdd", &s->capability_add);
	put_strings(c, "CapDrop", &s->capability_drop);
	put_strings(c, "GroupAdd", &s->groups);
	put_number(c, "OomScoreAdj", s->oom_score_adj);
	if (s->sysctls.count)
		put_labels(c, "Sysctls", &s->sysctls);
	if (s->dns_config) {
		put_strings(c, "Dns", &s->dns_config->nameservers);
		put_strings(c, "DnsSearch", &s->dns_config->search);
		put_strings(c, "DnsOptions", &s->dns_config->options);
	}
	json_close_object(c->w);
}

/* The manager's address without its prefix length, and the names it answers to. */
static void put_endpoint(struct create *c, const struct network_attachment *n)
{
	json_open_object(c->w);
	if (n->addresses.count) {
		struct slice rest = slice_of(n->addresses.items[0]);

		json_write_key(c->w, "IPAMConfig");
		json_open_object(c->w);
		json_put_slice(c->w, "IPv4Address", slice_cut(&rest, '/'));
		json_close_object(c->w);
	}
	put_strings(c, "Aliases", &n->aliases);
	json_close_object(c->w);
}

static void put_networking(struct create *c)
{
	const struct network_attachment *n = c->task->networks_attachments.items;

	if (c->task->networks_attachments.count == 0)
		return;
	json_write_key(c->w, "NetworkingConfig");
	json_open_object(c->w);
	json_write_key(c->w, "EndpointsConfig");
	json_open_object(c->w);
	json_write_key(c->w, n->network.spec.name);
	put_endpoint(c, n);
	json_close_object(c->w);
	json_close_object(c->w);
}

static void put_container(struct create *c)
{
	const struct container_spec *s = c->spec;

	json_open_object(c->w);
	json_put_str(c->w, "Image", s->image);
	if (s->hostname && *s->hostname)
		put_text(c, "Hostname", fill(c, s->hostname, 0));
	put_text(c, "User", s->user);
	put_text(c, "WorkingDir", s->dir);
	json_put_bool(c->w, "Tty", s->tty);
	json_put_bool(c->w, "OpenStdin", s->open_stdin);
	put_strings(c, "Entrypoint", &s->command);
	put_strings(c, "Cmd", &s->args);
	put_env(c);
	put_task_labels(c);
	put_text(c, "StopSignal", s->stop_signal);
	if (s->stop_grace_period)
		json_put_i64(c->w, "StopTimeout", container_grace_s(*s->stop_grace_period));
	put_health(c);
	if (c->task->ports.count)
		put_ports(c, "ExposedPorts", 0);
	put_host_config(c);
	put_networking(c);
	json_close_object(c->w);
}

int container_create_request(struct arena *a, const struct task *t,
			     const struct template_node *node, struct docker_request *out,
			     struct errmsg *msg)
{
	struct json_writer w;
	struct buf b;
	struct create c = {
		.a = a, .w = &w, .task = t, .spec = t->spec.container_spec, .msg = msg,
		.values = { .task = t, .task_name = task_name(a, t), .node = node },
	};

	buf_init(&b, DOCKER_BODY_MAX);
	json_begin(&w, &b);
	put_container(&c);
	if (!c.err && b.failed)
		c.err = errmsg_set(msg, ERR_LIMIT, "the container's settings pass %d bytes",
				   DOCKER_BODY_MAX);
	*out = docker_request(a, "POST", CREATE_TIMEOUT_MS, "/containers/create?name=%s",
			      docker_escape(a, c.values.task_name));
	out->body = arena_copy(a, buf_slice(&b));
	buf_done(&b);
	return c.err;
}

struct docker_request container_connect_request(struct arena *a, const char *container,
						const struct network_attachment *attachment)
{
	struct docker_request r = docker_request(a, "POST", CREATE_TIMEOUT_MS,
		"/networks/%s/connect", docker_escape(a, attachment->network.spec.name));
	struct json_writer w;
	struct buf b;
	struct create c = { .a = a, .w = &w };

	buf_init(&b, DOCKER_BODY_MAX);
	json_begin(&w, &b);
	json_open_object(&w);
	json_put_str(&w, "Container", container);
	json_write_key(&w, "EndpointConfig");
	put_endpoint(&c, attachment);
	json_close_object(&w);
	r.body = arena_copy(a, buf_slice(&b));
	buf_done(&b);
	return r;
}
