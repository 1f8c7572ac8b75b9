/* Networks: those of the top level, and a service's own list. */
#include <stdlib.h>
#include <string.h>

#include "applets/stack/private.h"

#define KEY(name_, load_, member) \
	{ name_, load_, offsetof(struct draft, member), KEY_LOAD, NULL }

/* ---- external ------------------------------------------------------------------ */

static const struct key external_keys[] = {
	{ "name", value_text, offsetof(struct external, name), KEY_LOAD, NULL },
	{ NULL, NULL, 0, KEY_LOAD, NULL },
};

int external_load(struct loader *l, const struct yaml *value, void *to)
{
	struct external *e = to;

	if (value->type != YAML_MAP)
		return value_bool(l, value, &e->set);
	e->set = 1;
	return load_map(l, value, external_keys, 0, e);
}

const char *external_name(struct loader *l, const struct yaml *node, const struct external *e,
			  const char *name)
{
	if (!e->set)
		return name ? name : load_scoped(l, node->key);
	if (e->name && name) {
		load_fail(l, node, "\"external.name\" and \"name\" are both given");
		return NULL;
	}
	for (const struct yaml *child = node->first; child; child = child->next) {
		if (slice_is(child->key, "external") || slice_is(child->key, "name") ||
		    slice_has_prefix(child->key, "x-"))
			continue;
		load_fail(l, child, "conflicting parameters \"external\" and \"%.*s\"",
			SHOWN(child->key));
		return NULL;
	}
	if (e->name || name)
		return e->name ? e->name : name;
	return arena_str(l->arena, node->key);
}

/* ---- the top level ------------------------------------------------------------- */

struct draft {
	const char *name, *driver;
	struct labels labels, options;
	int internal, attachable;
	struct ipam ipam;
	struct external external;
};

static const struct key subnet_keys[] = {
	{ "subnet", value_text, offsetof(struct ipam_config, subnet), KEY_LOAD, NULL },
	{ NULL, NULL, 0, KEY_LOAD, NULL },
};

static int load_subnets(struct loader *l, const struct yaml *value, void *to)
{
	int err = load_check_list(l, value);

	for (const struct yaml *item = value->first; item && err == 0; item = item->next)
		err = load_map(l, item, subnet_keys, 0,
			load_item(l, to, sizeof(struct ipam_config)));
	return err;
}

static const struct key ipam_keys[] = {
	{ "driver", value_text, offsetof(struct ipam, driver), KEY_LOAD, NULL },
	{ "config", load_subnets, offsetof(struct ipam, config), KEY_LOAD, NULL },
	{ NULL, NULL, 0, KEY_LOAD, NULL },
};

static int load_ipam(struct loader *l, const struct yaml *value, void *to)
{
	return load_map(l, value, ipam_keys, 0, to);
}

/* Other drivers make networks of one host. */
static int load_driver(struct loader *l, const struct yaml *value, void *to)
{
	const char **driver = to;
	int err = value_text(l, value, to);

	if (err == 0 && **driver && strcmp(*driver, "overlay") != 0)
		return load_error(l, ERR_UNSUPPORTED, value, "\"%.*s\" is not supported: a stack's "
			"networks are overlay networks", SHOWN(slice_of(*driver)));
	return err;
}

static const struct key network_keys[] = {
	KEY("name", value_text, name),
	KEY("driver", load_driver, driver),
	KEY("driver_opts", value_options, options),
	KEY("ipam", load_ipam, ipam),
	KEY("external", external_load, external),
	KEY("internal", value_bool, internal),
	KEY("attachable", value_bool, attachable),
	KEY("labels", value_labels, labels),
	{ NULL, NULL, 0, KEY_LOAD, NULL },
};

/* The engine's own networks, which every host has. */
static int is_engines(const char *name)
{
	return strcmp(name, "bridge") == 0 || strcmp(name, "host") == 0 ||
		strcmp(name, "none") == 0 || strcmp(name, "default") == 0;
}

static int load_network(struct loader *l, const struct yaml *node)
{
	struct network_entry *entry = arena_new(l->arena, sizeof(*entry));
	struct draft d = { .name = NULL };
	int err = load_map(l, node, network_keys, KEYS_EXTENSIONS, &d);

	if (err < 0)
		return err;
	entry->external = d.external.set;
	entry->spec = (struct network_spec){
		.name = external_name(l, node, &d.external, d.name),
		.driver = "overlay",
		.labels = load_stack_labels(l, &d.labels), .options = d.options,
		.internal = d.internal, .attachable = d.attachable, .ipam = d.ipam,
	};
	if (!entry->spec.name)
		return ERR_INVALID;
	if (d.external.set && is_engines(entry->spec.name))
		return load_error(l, ERR_UNSUPPORTED, node, "the engine's network \"%s\" is not "
			"supported yet", entry->spec.name);
	map_set(&l->network_specs, node->key, entry);
	return 0;
}

int networks_load(struct loader *l, const struct yaml *node)
{
	int err = 0;

	if (yaml_is_null(node))
		return 0;
	if (node->type != YAML_MAP)
		return load_fail(l, node, "must be a mapping");
	for (const struct yaml *child = node->first; child && err == 0; child = child->next) {
		err = load_check_key(l, child);
		load_enter(l, child->key);
		if (err == 0)
			err = load_network(l, child);
		load_leave(l);
	}
	return err;
}

/* The network that services are in which name none. */
static struct network_entry *default_network(struct loader *l)
{
	struct network_entry *entry = map_get(&l->network_specs, SLICE("default"));
	struct labels none = { NULL, 0 };

	if (entry)
		return entry;
	entry = arena_new(l->arena, sizeof(*entry));
	entry->spec = (struct network_spec){
		.name = load_scoped(l, SLICE("default")), .driver = "overlay",
		.labels = load_stack_labels(l, &none),
	};
	map_set(&l->network_specs, SLICE("default"), entry);
	return entry;
}

int networks_finish(struct loader *l)
{
	for (struct map_entry *e = map_first(&l->network_specs); e; e = map_next(e)) {
		struct network_entry *entry = e->value;
		struct network_spec *spec;

		if (!entry->used)
			continue;
		if (entry->external) {
			load_string(l, &l->stack->externals, entry->spec.name);
			continue;
		}
		spec = load_item(l, &l->stack->networks, sizeof(*spec));
		*spec = entry->spec;
	}
	return 0;
}

/* ---- a service's --------------------------------------------------------------- */

static const struct key target_keys[] = {
	{ "aliases", value_strings, offsetof(struct network_target, aliases), KEY_LOAD, NULL },
	{ "driver_opts", value_options, offsetof(struct network_target, driver_opts), KEY_LOAD,
	  NULL },
	{ "ipv4_address", NULL, 0, KEY_IGNORED, NULL },
	{ "ipv6_address", NULL, 0, KEY_IGNORED, NULL },
	{ NULL, NULL, 0, KEY_LOAD, NULL },
};

static int attach(struct loader *l, const struct yaml *at, struct slice key, struct slice service,
		  struct list *targets)
{
	struct network_target *target = load_item(l, targets, sizeof(*target));
	struct network_entry *entry = map_get(&l->network_specs, key);
	int err = 0;

	if (slice_is(key, "default"))
		entry = default_network(l);
	if (!entry)
		return load_fail(l, at, "undefined network \"%.*s\"", SHOWN(key));
	entry->used = 1;
	if (at && at->type == YAML_MAP) {
		load_enter(l, key);
		err = load_map(l, at, target_keys, 0, target);
		load_leave(l);
	}
	target->target = entry->spec.name;
	target->aliases = strings_with(l->arena, &target->aliases, arena_str(l->arena, service));
	return err;
}

static int attach_child(struct loader *l, const struct yaml *node, const struct yaml *child,
			struct slice service, struct list *targets)
{
	if (node->type == YAML_LIST && child->type != YAML_SCALAR)
		return load_fail(l, child, "must be a network's name");
	if (node->type == YAML_MAP && child->type != YAML_MAP && !yaml_is_null(child))
		return load_fail(l, child, "must be a mapping");
	return attach(l, child, node->type == YAML_LIST ? child->text : child->key, service,
		targets);
}

static int by_target(const void *a, const void *b)
{
	const struct network_target *x = a, *y = b;

	return strcmp(x->target, y->target);
}

int networks_attach(struct loader *l, const struct yaml *node, struct slice service,
		    struct list *targets)
{
	struct network_target *items;
	int err = 0;

	if (!node || yaml_is_null(node) || (node->type != YAML_SCALAR && node->count == 0))
		return attach(l, NULL, SLICE("default"), service, targets);
	if (node->type == YAML_SCALAR)
		return load_fail(l, node, "must be a list or a mapping of networks");
	if (node->count > MODEL_LIST_MAX)
		return load_error(l, ERR_LIMIT, node, "has more than %d elements", MODEL_LIST_MAX);
	for (const struct yaml *child = node->first; child && err == 0; child = child->next)
		err = attach_child(l, node, child, service, targets);
	if (err < 0)
		return err;
	items = targets->items;
	qsort(items, targets->count, sizeof(*items), by_target);
	for (uint32_t i = 1; i < targets->count; i++)
		if (strcmp(items[i - 1].target, items[i].target) == 0)
			return load_fail(l, node, "network \"%s\" is named twice", items[i].target);
	return 0;
}
