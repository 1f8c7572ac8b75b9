/* `deploy:` of a service, and the `restart:` that stands in for its restart_policy. */
#include <string.h>

#include "applets/stack/private.h"

/* ---- resources ----------------------------------------------------------------- */

/* The least that an engine takes. */
#define CPUS_MIN INT64_C(1000000)
#define MEMORY_MIN (INT64_C(4) << 20)

static int load_cpus(struct loader *l, const struct yaml *value, void *to)
{
	int64_t *cpus = to;
	int err = value_nano(l, value, to);

	if (err == 0 && *cpus && *cpus < CPUS_MIN)
		return load_fail(l, value, "%.*s is too little: at least 0.001",
			SHOWN(value->text));
	return err;
}

static int load_memory(struct loader *l, const struct yaml *value, void *to)
{
	int64_t *bytes = to;
	int err = value_size(l, value, to);

	if (err == 0 && *bytes && *bytes < MEMORY_MIN)
		return load_fail(l, value, "%.*s is too little: at least 4M", SHOWN(value->text));
	return err;
}

#define LIMIT(name_, load_, member) \
	{ name_, load_, offsetof(struct resource_limits, member), KEY_LOAD, NULL }

static const struct key limit_keys[] = {
	LIMIT("cpus", load_cpus, nano_cpus),
	LIMIT("memory", load_memory, memory_bytes),
	LIMIT("pids", value_integer, pids),
	{ NULL, NULL, 0, KEY_LOAD, NULL },
};

static const struct key reservation_keys[] = {
	LIMIT("cpus", load_cpus, nano_cpus),
	LIMIT("memory", load_memory, memory_bytes),
	{ "generic_resources", NULL, 0, KEY_NOT_YET, NULL },
	{ NULL, NULL, 0, KEY_LOAD, NULL },
};

static int load_amounts(struct loader *l, const struct yaml *value, const struct key *keys,
			struct resource_limits **to)
{
	*to = arena_new(l->arena, sizeof(**to));
	return load_map(l, value, keys, 0, *to);
}

static int load_limits(struct loader *l, const struct yaml *value, void *to)
{
	return load_amounts(l, value, limit_keys, to);
}

static int load_reservations(struct loader *l, const struct yaml *value, void *to)
{
	return load_amounts(l, value, reservation_keys, to);
}

static const struct key resource_keys[] = {
	{ "limits", load_limits, offsetof(struct resources, limits), KEY_LOAD, NULL },
	{ "reservations", load_reservations, offsetof(struct resources, reservations), KEY_LOAD,
	  NULL },
	{ NULL, NULL, 0, KEY_LOAD, NULL },
};

static int load_resources(struct loader *l, const struct yaml *value, void *to)
{
	return load_map(l, value, resource_keys, 0, to);
}

/* ---- restart ------------------------------------------------------------------- */

static int load_condition(struct loader *l, const struct yaml *value, void *to)
{
	static const char *const names[] = { "any", "on-failure", "none", NULL };

	return value_choice(l, value, names, to);
}

#define RESTART(name_, load_, member) \
	{ name_, load_, offsetof(struct restart_policy, member), KEY_LOAD, NULL }

static const struct key restart_keys[] = {
	RESTART("condition", load_condition, condition),
	RESTART("delay", value_duration_opt, delay),
	RESTART("max_attempts", value_count, max_attempts),
	RESTART("window", value_duration, window),
	{ NULL, NULL, 0, KEY_LOAD, NULL },
};

static int load_restart_policy(struct loader *l, const struct yaml *value, void *to)
{
	struct restart_policy *policy = arena_new(l->arena, sizeof(*policy));

	*(struct restart_policy **)to = policy;
	return load_map(l, value, restart_keys, 0, policy);
}

int deploy_restart(struct loader *l, const struct yaml *value, struct restart_policy **to)
{
	struct slice count = value->text, name = slice_cut(&count, ':');
	struct restart_policy *policy = arena_new(l->arena, sizeof(*policy));

	if (value->type != YAML_SCALAR)
		return load_fail(l, value, "must be a text");
	*to = NULL;
	if (value->text.len == 0 || slice_is(value->text, "no"))
		return 0;
	*to = policy;
	policy->condition = RESTART_ANY;
	if (slice_is(value->text, "always") || slice_is(value->text, "unless-stopped"))
		return 0;
	policy->condition = RESTART_ON_FAILURE;
	if (!slice_is(name, "on-failure"))
		return load_fail(l, value, "\"%.*s\" is not no, always, unless-stopped, on-failure "
			"or on-failure:N", SHOWN(value->text));
	if (count.data && slice_to_u64(count, INT32_MAX, &policy->max_attempts) < 0)
		return load_fail(l, value, "\"%.*s\" is not a number of attempts", SHOWN(count));
	return 0;
}

/* ---- update -------------------------------------------------------------------- */

static int load_failure(struct loader *l, const struct yaml *value, void *to)
{
	static const char *const names[] = { "pause", "continue", "rollback", NULL };

	return value_choice(l, value, names, to);
}

static int load_order(struct loader *l, const struct yaml *value, void *to)
{
	static const char *const names[] = { "stop-first", "start-first", NULL };

	return value_choice(l, value, names, to);
}

static int load_ratio(struct loader *l, const struct yaml *value, void *to)
{
	int64_t *ratio = to;
	int err = value_nano(l, value, ratio);

	if (err == 0 && *ratio > 1000000000)
		return load_fail(l, value, "\"%.*s\" is not between 0 and 1", SHOWN(value->text));
	return err;
}

#define UPDATE(name_, load_, member) \
	{ name_, load_, offsetof(struct update_config, member), KEY_LOAD, NULL }

static const struct key update_keys[] = {
	UPDATE("parallelism", value_count, parallelism),
	UPDATE("delay", value_duration, delay),
	UPDATE("failure_action", load_failure, failure_action),
	UPDATE("monitor", value_duration, monitor),
	UPDATE("max_failure_ratio", load_ratio, max_failure_ratio),
	UPDATE("order", load_order, order),
	{ NULL, NULL, 0, KEY_LOAD, NULL },
};

static int load_update(struct loader *l, const struct yaml *value, void *to)
{
	struct update_config *config = arena_new(l->arena, sizeof(*config));

	config->parallelism = 1;
	*(struct update_config **)to = config;
	return load_map(l, value, update_keys, 0, config);
}

/* ---- placement ----------------------------------------------------------------- */

struct preference {
	const char *spread;
};

static const struct key preference_keys[] = {
	{ "spread", value_text, offsetof(struct preference, spread), KEY_LOAD, NULL },
	{ NULL, NULL, 0, KEY_LOAD, NULL },
};

static int put_preference(struct loader *l, const struct yaml *item, struct json_writer *w)
{
	struct preference p = { NULL };
	int err = load_map(l, item, preference_keys, 0, &p);

	if (err < 0)
		return err;
	if (!p.spread)
		return load_fail(l, item, "a preference needs \"spread\"");
	json_open_object(w);
	json_write_key(w, "Spread");
	json_open_object(w);
	json_put_str(w, "SpreadDescriptor", p.spread);
	json_close_object(w);
	json_close_object(w);
	return 0;
}

static int load_preferences(struct loader *l, const struct yaml *value, void *to)
{
	struct json_writer w;
	struct buf out;
	int err = load_check_list(l, value);

	buf_init(&out, STACK_TEXT_MAX);
	json_begin(&w, &out);
	json_open_array(&w);
	for (const struct yaml *item = value->first; item && err == 0; item = item->next)
		err = put_preference(l, item, &w);
	json_close_array(&w);
	if (err == 0 && value->count)
		*(struct slice *)to = arena_copy(l->arena, buf_slice(&out));
	buf_done(&out);
	return err;
}

#define PLACEMENT(name_, load_, member) \
	{ name_, load_, offsetof(struct placement, member), KEY_LOAD, NULL }

static const struct key placement_keys[] = {
	PLACEMENT("constraints", value_strings, constraints),
	PLACEMENT("preferences", load_preferences, preferences),
	PLACEMENT("max_replicas_per_node", value_count, max_replicas),
	{ NULL, NULL, 0, KEY_LOAD, NULL },
};

static int load_placement(struct loader *l, const struct yaml *value, void *to)
{
	return load_map(l, value, placement_keys, 0, to);
}

/* ---- all of it ----------------------------------------------------------------- */

static int load_endpoint_mode(struct loader *l, const struct yaml *value, void *to)
{
	static const char *const names[] = { "vip", "dnsrr", NULL };

	return value_choice(l, value, names, to);
}

#define DEPLOY(name_, load_, member) \
	{ name_, load_, offsetof(struct deploy, member), KEY_LOAD, NULL }

static const struct key deploy_keys[] = {
	DEPLOY("mode", value_node, mode_at),
	DEPLOY("replicas", value_count_opt, replicas),
	DEPLOY("endpoint_mode", load_endpoint_mode, endpoint_mode),
	DEPLOY("labels", value_labels, labels),
	DEPLOY("resources", load_resources, resources),
	DEPLOY("restart_policy", load_restart_policy, restart_policy),
	DEPLOY("update_config", load_update, update_config),
	DEPLOY("rollback_config", load_update, rollback_config),
	DEPLOY("placement", load_placement, placement),
	{ NULL, NULL, 0, KEY_LOAD, NULL },
};

static int check_mode(struct loader *l, struct deploy *d)
{
	static const char *const names[] = {
		"replicated", "global", "replicated-job", "global-job", NULL,
	};
	int mode = 0, err;

	if (!d->mode_at)
		return 0;
	load_enter(l, SLICE("mode"));
	err = value_choice(l, d->mode_at, names, &mode);
	if (err == 0 && mode > 1)
		err = load_error(l, ERR_UNSUPPORTED, d->mode_at, "\"%s\" is not supported yet",
			names[mode]);
	if (err == 0 && mode == 1 && d->replicas)
		err = load_fail(l, d->mode_at, "replicas can only be used with replicated mode");
	load_leave(l);
	d->global = mode == 1;
	return err;
}

int deploy_load(struct loader *l, const struct yaml *value, void *to)
{
	int err = load_map(l, value, deploy_keys, 0, to);

	return err == 0 ? check_mode(l, to) : err;
}
