/* Services: each becomes the spec that Docker's `stack deploy` makes of it (docker/cli
 * cli/compose/convert/service.go). */
#include <stdlib.h>
#include <string.h>

#include "applets/stack/private.h"
#include "base/id.h"
#include "docker/reference.h"

struct health_draft {
	struct health_config config;
	int disable;
};

struct draft {
	struct container_spec c;
	struct deploy deploy;
	struct list ports;
	struct health_draft *health;
	struct log_driver *logging;
	struct dns_config dns;
	const struct yaml *networks, *environment, *env_file, *restart, *extra_hosts;
};

/* ---- parts --------------------------------------------------------------------- */

/* A text alone is for the image's shell. */
static int load_test(struct loader *l, const struct yaml *value, void *to)
{
	struct strings *test = to;
	const char *text = NULL;
	int err;

	if (value->type == YAML_LIST)
		return value_strings(l, value, to);
	err = value_text(l, value, (void *)&text);
	if (err < 0)
		return err;
	*test = (struct strings){ NULL, 0 };
	load_string(l, test, "CMD-SHELL");
	load_string(l, test, text);
	return 0;
}

#define HEALTH(name_, load_, member) \
	{ name_, load_, offsetof(struct health_draft, member), KEY_LOAD, NULL }

static const struct key health_keys[] = {
	HEALTH("test", load_test, config.test),
	HEALTH("interval", value_duration, config.interval),
	HEALTH("timeout", value_duration, config.timeout),
	HEALTH("start_period", value_duration, config.start_period),
	HEALTH("start_interval", value_duration, config.start_interval),
	HEALTH("retries", value_count, config.retries),
	HEALTH("disable", value_bool, disable),
	{ NULL, NULL, 0, KEY_LOAD, NULL },
};

static int load_health(struct loader *l, const struct yaml *value, void *to)
{
	struct health_draft *d = arena_new(l->arena, sizeof(*d));
	int err = load_map(l, value, health_keys, 0, d);

	*(struct health_draft **)to = d;
	if (err < 0 || !d->disable)
		return err;
	if (d->config.test.count)
		return load_fail(l, value, "test and disable can't be set at the same time");
	d->config = (struct health_config){ .retries = 0 };
	load_string(l, &d->config.test, "NONE");
	return 0;
}

static const struct key logging_keys[] = {
	{ "driver", value_text, offsetof(struct log_driver, name), KEY_LOAD, NULL },
	{ "options", value_options, offsetof(struct log_driver, options), KEY_LOAD, NULL },
	{ NULL, NULL, 0, KEY_LOAD, NULL },
};

static int load_logging(struct loader *l, const struct yaml *value, void *to)
{
	struct log_driver *driver = arena_new(l->arena, sizeof(*driver));

	*(struct log_driver **)to = driver;
	return load_map(l, value, logging_keys, 0, driver);
}

static const struct key ulimit_keys[] = {
	{ "soft", value_integer, offsetof(struct ulimit, soft), KEY_LOAD, NULL },
	{ "hard", value_integer, offsetof(struct ulimit, hard), KEY_LOAD, NULL },
	{ NULL, NULL, 0, KEY_LOAD, NULL },
};

static int load_ulimit(struct loader *l, const struct yaml *child, struct ulimit *u)
{
	int err;

	u->name = load_copy(l, child, child->key);
	if (!u->name)
		return ERR_LIMIT;
	if (child->type != YAML_MAP) {
		err = value_integer(l, child, &u->soft);
		u->hard = u->soft;
		return err;
	}
	if (!yaml_get(child, "soft") || !yaml_get(child, "hard"))
		return load_fail(l, child, "needs \"soft\" and \"hard\"");
	return load_map(l, child, ulimit_keys, 0, u);
}

static int by_name(const void *a, const void *b)
{
	const struct ulimit *x = a, *y = b;

	return strcmp(x->name, y->name);
}

static int load_ulimits(struct loader *l, const struct yaml *value, void *to)
{
	struct list *ulimits = to;
	int err = 0;

	if (value->type != YAML_MAP)
		return load_fail(l, value, "must be a mapping");
	if (value->count > MODEL_LIST_MAX)
		return load_error(l, ERR_LIMIT, value, "has more than %d elements", MODEL_LIST_MAX);
	for (const struct yaml *child = value->first; child && err == 0; child = child->next) {
		load_enter(l, child->key);
		err = load_ulimit(l, child, load_item(l, to, sizeof(struct ulimit)));
		load_leave(l);
	}
	if (err == 0)
		qsort(ulimits->items, ulimits->count, sizeof(struct ulimit), by_name);
	return err;
}

/* "NET_ADMIN" and "cap_net_admin" are CAP_NET_ADMIN; sorted, each once. */
static int load_capabilities(struct loader *l, const struct yaml *value, void *to)
{
	struct strings list = { NULL, 0 }, *out = to;
	int err = value_strings(l, value, &list);
	struct map m;

	map_init(&m);
	for (uint32_t i = 0; i < list.count && err == 0; i++) {
		char *name = arena_str(l->arena, slice_of(list.items[i]));

		for (char *c = name; *c; c++)
			if (*c >= 'a' && *c <= 'z')
				*c = (char)(*c - 'a' + 'A');
		if (strlen(name) > LOAD_NAME_MAX)
			err = load_fail(l, value, "\"%.*s\" is not a capability",
				SHOWN(slice_of(name)));
		else if (strncmp(name, "CAP_", 4) != 0 && strcmp(name, "ALL") != 0)
			name = arena_printf(l->arena, "CAP_%s", name);
		map_set(&m, slice_of(name), name);
	}
	*out = (struct strings){ NULL, 0 };
	for (struct map_entry *e = map_first(&m); e; e = map_next(e))
		load_string(l, out, e->value);
	map_done(&m);
	return err;
}

/* ---- the table ----------------------------------------------------------------- */

#define KEY(name_, load_, member) \
	{ name_, load_, offsetof(struct draft, member), KEY_LOAD, NULL }
#define IGNORED(name_) { name_, NULL, 0, KEY_IGNORED, NULL }
#define REFUSED(name_, advice_) { name_, NULL, 0, KEY_REFUSED, advice_ }

static const struct key service_keys[] = {
	KEY("image", value_text, c.image),
	KEY("command", value_command, c.args),
	KEY("entrypoint", value_command, c.command),
	KEY("environment", value_node, environment),
	KEY("env_file", value_node, env_file),
	KEY("ports", ports_load, ports),
	KEY("networks", value_node, networks),
	KEY("volumes", mounts_load, c.mounts),
	KEY("labels", value_labels, c.labels),
	KEY("deploy", deploy_load, deploy),
	KEY("healthcheck", load_health, health),
	KEY("restart", value_node, restart),
	KEY("hostname", value_text, c.hostname),
	KEY("user", value_text, c.user),
	KEY("working_dir", value_text, c.dir),
	KEY("stop_grace_period", value_duration_opt, c.stop_grace_period),
	KEY("stop_signal", value_text, c.stop_signal),
	KEY("tty", value_bool, c.tty),
	KEY("stdin_open", value_bool, c.open_stdin),
	KEY("read_only", value_bool, c.read_only),
	KEY("init", value_bool_opt, c.init),
	KEY("isolation", value_text, c.isolation),
	KEY("cap_add", load_capabilities, c.capability_add),
	KEY("cap_drop", load_capabilities, c.capability_drop),
	KEY("dns", value_string_or_list, dns.nameservers),
	KEY("dns_search", value_string_or_list, dns.search),
	KEY("extra_hosts", value_node, extra_hosts),
	KEY("logging", load_logging, logging),
	KEY("sysctls", value_labels, c.sysctls),
	KEY("ulimits", load_ulimits, c.ulimits),
	KEY("oom_score_adj", value_integer, c.oom_score_adj),
	{ "credential_spec", NULL, 0, KEY_NOT_YET, NULL },
	{ "container_name", NULL, 0, KEY_DEPRECATED, NULL },
	{ "expose", NULL, 0, KEY_DEPRECATED, NULL },
	IGNORED("build"), IGNORED("cgroup_parent"), IGNORED("cgroupns_mode"), IGNORED("depends_on"),
	IGNORED("devices"), IGNORED("domainname"), IGNORED("external_links"), IGNORED("ipc"),
	IGNORED("links"), IGNORED("mac_address"), IGNORED("network_mode"), IGNORED("pid"),
	IGNORED("privileged"), IGNORED("security_opt"), IGNORED("shm_size"), IGNORED("tmpfs"),
	IGNORED("userns_mode"),
	REFUSED("secrets", "are not supported yet"),
	REFUSED("configs", "are not supported yet"),
	REFUSED("extends", "is not allowed in format 3: repeat what it would bring"),
	REFUSED("volume_driver", "is not allowed: give the volume a driver"),
	REFUSED("volumes_from", "is not allowed: name the volume in both services"),
	REFUSED("cpu_quota", "is not allowed: use deploy.resources.limits.cpus"),
	REFUSED("cpu_shares", "is not allowed: use deploy.resources.reservations.cpus"),
	REFUSED("cpuset", "is not allowed: use deploy.resources.limits.cpus"),
	REFUSED("mem_limit", "is not allowed: use deploy.resources.limits.memory"),
	REFUSED("memswap_limit", "is not allowed: use deploy.resources.limits.memory"),
	{ NULL, NULL, 0, KEY_LOAD, NULL },
};

/* ---- environment --------------------------------------------------------------- */

static int bad_line(struct loader *l, const struct yaml *at, const char *path, unsigned n,
		    const char *why)
{
	return load_fail(l, at, "%s: line %u %s", path, n, why);
}

/* Docker's form: no quotes and no variables; # begins a comment only at a line's start. */
static int add_env_line(struct loader *l, const struct yaml *at, struct slice line, struct map *m)
{
	struct slice value = line, key;
	const char *copy;

	key = slice_cut(&value, '=');
	if (!value.data) {
		copy = l->source->env(l->source->context, arena_str(l->arena, key));
		if (!copy)
			return 0;
		value = slice_of(copy);
	}
	copy = load_copy(l, at, value);
	if (!copy)
		return ERR_LIMIT;
	map_set(m, key, (void *)(uintptr_t)copy);
	return 0;
}

static int add_env_text(struct loader *l, const struct yaml *at, const char *path,
			struct slice text, struct map *m)
{
	unsigned n = 0;
	int err = 0;

	while (text.data && err == 0) {
		struct slice line = slice_cut(&text, '\n'), key;

		n++;
		if (memchr(line.len ? line.data : "x", '\0', line.len))
			return bad_line(l, at, path, n, "holds a NUL");
		if (line.len && line.data[line.len - 1] == '\r')
			line.len--;
		while (line.len && (line.data[0] == ' ' || line.data[0] == '\t')) {
			line.data++;
			line.len--;
		}
		if (line.len == 0 || line.data[0] == '#')
			continue;
		key = (struct slice){ line.data, slice_find(line, '=') };
		if (key.len == 0)
			return bad_line(l, at, path, n, "has no name");
		if (slice_find(key, ' ') < key.len || slice_find(key, '\t') < key.len)
			return bad_line(l, at, path, n, "has a blank in its name");
		err = add_env_line(l, at, line, m);
	}
	return err;
}

static int add_env_file(struct loader *l, const struct yaml *at, const char *path, struct map *m)
{
	const char *whole = path;
	struct buf text;
	int err;

	if (strlen(path) > LOAD_NAME_MAX)
		return load_fail(l, at, "the path is longer than %d bytes", LOAD_NAME_MAX);
	if (path[0] != '/')
		whole = arena_printf(l->arena, "%s/%s", l->source->dir, path);
	buf_init(&text, STACK_ENV_FILE_MAX);
	err = l->source->read(l->source->context, whole, &text, l->msg);
	if (err < 0)
		err = load_placed(l, err, at);
	else
		err = add_env_text(l, at, path, buf_slice(&text), m);
	buf_done(&text);
	return err;
}

static int add_env_files(struct loader *l, const struct yaml *node, struct map *m)
{
	struct strings paths = { NULL, 0 };
	int err;

	if (!node)
		return 0;
	load_enter(l, node->key);
	err = value_string_or_list(l, node, &paths);
	for (uint32_t i = 0; i < paths.count && err == 0; i++)
		err = add_env_file(l, node, paths.items[i], m);
	load_leave(l);
	return err;
}

/* A name without a value takes the caller's; without one there either it stands alone. */
static void put_env(struct loader *l, struct map *m, struct strings *out)
{
	for (struct map_entry *e = map_first(m); e; e = map_next(e)) {
		char *name = arena_str(l->arena, e->key);
		const char *value = e->value;
		size_t n = e->key.len, len;
		char *line;

		if (!value)
			value = l->source->env(l->source->context, name);
		if (!value) {
			load_string(l, out, name);
			continue;
		}
		len = strlen(value);
		line = arena_new(l->arena, n + len + 2);
		memcpy(line, name, n);
		line[n] = '=';
		memcpy(line + n + 1, value, len);
		load_string(l, out, line);
	}
}

static int load_environment(struct loader *l, const struct draft *d, struct strings *out)
{
	struct map m;
	int err;

	map_init(&m);
	err = add_env_files(l, d->env_file, &m);
	if (err == 0 && d->environment && !yaml_is_null(d->environment)) {
		load_enter(l, d->environment->key);
		err = value_pairs(l, d->environment, &m);
		load_leave(l);
	}
	if (err == 0)
		put_env(l, &m, out);
	map_done(&m);
	return err;
}

/* ---- extra_hosts --------------------------------------------------------------- */

/* "name:address" as "address name"; a list keeps its order, a mapping is sorted by name. */
static int add_host(struct loader *l, const struct yaml *at, struct slice name,
		    struct slice address, struct strings *out)
{
	char *line;

	if (name.len == 0 || address.len == 0)
		return load_fail(l, at, "must be NAME:ADDRESS");
	line = arena_new(l->arena, address.len + name.len + 2);
	memcpy(line, address.data, address.len);
	line[address.len] = ' ';
	memcpy(line + address.len + 1, name.data, name.len);
	if (!load_copy(l, at, slice_of(line)))
		return ERR_LIMIT;
	load_string(l, out, line);
	return 0;
}

static int load_hosts(struct loader *l, const struct yaml *node, struct strings *out)
{
	struct labels pairs = { NULL, 0 };
	int err = 0;

	if (!node)
		return 0;
	if (node->type == YAML_MAP) {
		err = value_labels(l, node, &pairs);
		for (uint32_t i = 0; i < pairs.count && err == 0; i++)
			err = add_host(l, node, slice_of(pairs.items[i].key),
				slice_of(pairs.items[i].value), out);
		return err;
	}
	err = load_check_list(l, node);
	for (const struct yaml *item = node->first; item && err == 0; item = item->next) {
		struct slice address = item->text, name;

		if (item->type != YAML_SCALAR)
			return load_fail(l, item, "must be NAME:ADDRESS");
		name = slice_cut(&address, ':');
		err = add_host(l, item, name, address, out);
	}
	return err;
}

/* ---- a service ----------------------------------------------------------------- */

/* What Docker's client always sends: a stack that either of the two deployed is the same. */
#define PRIVILEGES "{\"CredentialSpec\":null,\"SELinuxContext\":null,\"NoNewPrivileges\":false}"

static void finish_capabilities(struct loader *l, struct container_spec *c)
{
	struct strings drop = { NULL, 0 };

	for (uint32_t i = 0; i < c->capability_drop.count; i++)
		if (!strings_have(&c->capability_add, c->capability_drop.items[i]))
			load_string(l, &drop, c->capability_drop.items[i]);
	c->capability_drop = drop;
}

static int finish_container(struct loader *l, const struct yaml *node, struct draft *d)
{
	int err;

	if (!d->c.image || !*d->c.image)
		return load_fail(l, node, "no image is given (stacks build none)");
	if (!reference_is_valid(slice_of(d->c.image)))
		return load_fail(l, yaml_get(node, "image"), "image \"%s\" is not a valid name",
				 d->c.image);
	err = load_environment(l, d, &d->c.env);
	if (err == 0 && d->extra_hosts) {
		load_enter(l, SLICE("extra_hosts"));
		err = load_hosts(l, d->extra_hosts, &d->c.hosts);
		load_leave(l);
	}
	d->c.labels = load_stack_labels(l, &d->c.labels);
	d->c.privileges = SLICE(PRIVILEGES);
	d->c.healthcheck = d->health ? &d->health->config : NULL;
	if (d->dns.nameservers.count || d->dns.search.count)
		d->c.dns_config = &d->dns;
	finish_capabilities(l, &d->c);
	return err;
}

static void finish_spec(struct loader *l, struct draft *d, struct service_spec *spec)
{
	struct task_spec *task = &spec->task_template;
	struct labels labels = load_stack_labels(l, &d->deploy.labels);

	/* The label has the image as it is written, the container as docker's client sends it. */
	spec->labels = labels_with(l->arena, &labels, STACK_IMAGE_LABEL, d->c.image);
	d->c.image = reference_tagged(l->arena, d->c.image);
	task->container_spec = &d->c;
	task->resources = &d->deploy.resources;
	task->placement = &d->deploy.placement;
	task->log_driver = d->logging;
	if (d->deploy.restart_policy)
		task->restart_policy = d->deploy.restart_policy;
	spec->update_config = d->deploy.update_config;
	spec->rollback_config = d->deploy.rollback_config;
	spec->endpoint_spec = arena_new(l->arena, sizeof(*spec->endpoint_spec));
	spec->endpoint_spec->mode = d->deploy.endpoint_mode;
	spec->endpoint_spec->ports = d->ports;
	if (d->deploy.global) {
		spec->mode.global = arena_new(l->arena, sizeof(*spec->mode.global));
	} else {
		spec->mode.replicated = arena_new(l->arena, sizeof(*spec->mode.replicated));
		spec->mode.replicated->replicas = d->deploy.replicas;
	}
}

/* Names of single tasks have no address of their own for the mesh to serve. */
static int check_mode(struct loader *l, const struct yaml *node, const struct draft *d)
{
	for (uint32_t i = 0; i < d->ports.count && d->deploy.endpoint_mode == ENDPOINT_DNSRR; i++)
		if (LIST_AT(&d->ports, struct port_config, i)->publish_mode == PUBLISH_INGRESS)
			return load_fail(l, node, "port published with ingress mode can't be used "
				"with dnsrr mode");
	return 0;
}

static int check_name(struct loader *l, const struct yaml *node, const char *scoped)
{
	if (name_is_valid(slice_of(scoped)))
		return 0;
	if (strlen(scoped) > NAME_MAX_LEN && name_is_valid((struct slice){ scoped, NAME_MAX_LEN }))
		return load_fail(l, node, "the service would be called \"%s\": names have at "
			"most %d characters", scoped, NAME_MAX_LEN);
	return load_fail(l, node, "\"%.*s\" is not a service name: letters and digits, with - "
		"and _ between them", SHOWN(node->key));
}

static int load_service(struct loader *l, const struct yaml *node)
{
	struct draft *d = arena_new(l->arena, sizeof(*d));
	struct service_spec *spec = load_item(l, &l->stack->services, sizeof(*spec));
	int err = load_check_key(l, node);

	if (err < 0)
		return err;
	spec->name = load_scoped(l, node->key);
	err = check_name(l, node, spec->name);
	if (err == 0 && yaml_is_null(node))
		err = load_fail(l, node, "must be a mapping");
	if (err == 0)
		err = load_map(l, node, service_keys, KEYS_EXTENSIONS, d);
	if (err == 0)
		err = finish_container(l, node, d);
	if (err == 0 && d->restart) {
		load_enter(l, SLICE("restart"));
		err = deploy_restart(l, d->restart, &spec->task_template.restart_policy);
		load_leave(l);
	}
	if (err == 0)
		err = check_mode(l, node, d);
	if (err < 0)
		return err;
	finish_spec(l, d, spec);
	load_enter(l, SLICE("networks"));
	err = networks_attach(l, d->networks, node->key, &spec->task_template.networks);
	load_leave(l);
	return err;
}

int services_load(struct loader *l, const struct yaml *node)
{
	int err = 0;

	if (node->type != YAML_MAP)
		return load_fail(l, node, "must be a mapping");
	if (node->count == 0)
		return load_fail(l, node, "there are no services");
	if (node->count > MODEL_LIST_MAX)
		return load_error(l, ERR_LIMIT, node, "has more than %d services", MODEL_LIST_MAX);
	for (const struct yaml *child = node->first; child && err == 0; child = child->next) {
		load_enter(l, child->key);
		err = load_service(l, child);
		load_leave(l);
	}
	return err;
}
