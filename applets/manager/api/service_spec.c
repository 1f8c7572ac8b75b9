/* The spec of a service as a client sends it: read, filled in, checked. Contracts are in
 * private.h. */
#include <string.h>
#include "applets/manager/api/private.h"

/* ---- a name for a service that was given none ---- */

static const char *const adjectives[] = {
	"able", "amber", "bold", "brave", "bright", "calm", "clever", "crisp", "eager", "fair",
	"fast", "gentle", "glad", "happy", "keen", "kind", "lively", "lucid", "merry", "neat",
	"proud", "quick", "quiet", "ready", "sharp", "steady", "sunny", "swift", "vivid", "warm",
	"wise", "witty",
};

static const char *const surnames[] = {
	"abel", "babbage", "bohr", "boole", "cantor", "curie", "darwin", "dijkstra", "euclid",
	"euler", "faraday", "fermat", "galois", "gauss", "goedel", "hopper", "kepler", "knuth",
	"lamport", "liskov", "lovelace", "maxwell", "meitner", "mendel", "newton", "noether",
	"pascal", "perlman", "ritchie", "shannon", "tesla", "turing",
};

#define PICK(rng, list) (list)[rng_below(rng, sizeof(list) / sizeof((list)[0]))]

static const char *free_name(struct call *c)
{
	enum { TRIES = 32 };
	struct rng *rng = c->turn->rng;
	const char *name = NULL;
	char id[ID_LEN + 1];

	for (int i = 0; i < TRIES; i++) {
		const char *first = PICK(rng, adjectives);

		name = arena_printf(c->turn->arena, "%s_%s", first, PICK(rng, surnames));
		if (!state_find_name(c->turn->state, OBJECT_SERVICE, name))
			return name;
	}
	id_new(rng, id);
	return arena_printf(c->turn->arena, "%s_%s", name, id);
}

/* ---- filling in ---- */

static void fill_mode(struct arena *a, struct service_mode *mode)
{
	if (mode->global || mode->extra.len)
		return;
	if (!mode->replicated)
		mode->replicated = arena_new(a, sizeof(*mode->replicated));
	if (mode->replicated->replicas)
		return;
	mode->replicated->replicas = arena_new(a, sizeof(uint64_t));
	*mode->replicated->replicas = 1;
}

static void fill_in(struct call *c, struct service_spec *spec)
{
	struct task_spec *t = &spec->task_template;

	fill_mode(c->turn->arena, &spec->mode);
	if (spec->networks.count && t->networks.count == 0)
		t->networks = spec->networks;
	spec->networks = (struct list){ 0 };
	if (!t->runtime || !*t->runtime)
		t->runtime = "container";
	if (t->container_spec && (!t->container_spec->isolation || !*t->container_spec->isolation))
		t->container_spec->isolation = "default";
}

/* Names of networks become ids. */
static int fill_networks(struct call *c, struct list *targets)
{
	struct errmsg msg = { { 0 } };
	int status;

	for (uint32_t i = 0; i < targets->count; i++) {
		struct network_target *t = LIST_AT(targets, struct network_target, i);
		const struct network *n = resolve(c, OBJECT_NETWORK, t->target ? t->target : "",
						  &status, &msg);

		if (!n) {
			fail_text(c, status == 404 ? 500 : status, "", &msg);
			return -1;
		}
		if (n->spec.ingress) {
			fail(c, 400, INVALID_ARGUMENT "Service cannot be explicitly attached to "
			     "the ingress network \"%s\"", n->spec.name);
			return -1;
		}
		t->target = arena_str(c->turn->arena, slice_of(n->meta.id));
	}
	return 0;
}

int service_spec_read(struct call *c, struct service_spec *spec)
{
	struct errmsg msg = { { 0 } };
	const struct json *root;
	int status;

	if (read_body(c, &root) < 0)
		return -1;
	if (model_decode(c->turn->arena, &service_spec_table, MODEL_API, root, spec, &msg) < 0) {
		fail_text(c, 400, INVALID_ARGUMENT, &msg);
		return -1;
	}
	fill_in(c, spec);
	if (!c->ref && (!spec->name || !*spec->name))
		spec->name = free_name(c);
	status = validate_service(c, spec, &msg);
	if (status) {
		fail_text(c, status, "", &msg);
		return -1;
	}
	return fill_networks(c, &spec->task_template.networks);
}

int service_endpoint(struct call *c, const struct service *old,
		     const struct service_spec *spec, struct endpoint *endpoint)
{
	struct errmsg msg = { { 0 } };
	int err;

	*endpoint = (struct endpoint){ 0 };
	if (spec->endpoint_spec)
		endpoint->spec = *spec->endpoint_spec;
	err = allocate_ports(c->turn->state, c->turn->arena, old, spec, endpoint, &msg);
	if (err == 0)
		return 0;
	if (err == ERR_LIMIT)
		fail_text(c, 500, "rpc error: code = ResourceExhausted desc = ", &msg);
	else
		fail_text(c, 400, INVALID_ARGUMENT, &msg);
	return -1;
}

/* ---- insertDefaults ---- */

static struct update_config *shown_update(struct arena *a, struct update_config *given)
{
	struct update_config *u = given ? given : arena_new(a, sizeof(*u));

	if (given)
		return given;
	u->parallelism = 1;
	u->monitor = UPDATE_MONITOR_DEFAULT;
	return u;
}

static void show_container(struct arena *a, struct container_spec *spec)
{
	if (!spec->stop_grace_period) {
		spec->stop_grace_period = arena_new(a, sizeof(int64_t));
		*spec->stop_grace_period = STOP_GRACE_DEFAULT;
	}
	if (!spec->dns_config)
		spec->dns_config = arena_new(a, sizeof(*spec->dns_config));
}

static void show_restart(struct arena *a, struct task_spec *t)
{
	if (!t->restart_policy)
		t->restart_policy = arena_new(a, sizeof(*t->restart_policy));
	if (t->restart_policy->delay)
		return;
	t->restart_policy->delay = arena_new(a, sizeof(int64_t));
	*t->restart_policy->delay = RESTART_DELAY_DEFAULT;
}

void service_spec_show_defaults(struct arena *a, struct service_spec *spec)
{
	struct task_spec *t = &spec->task_template;

	if (t->container_spec)
		show_container(a, t->container_spec);
	if (!t->resources)
		t->resources = arena_new(a, sizeof(*t->resources));
	show_restart(a, t);
	if (!t->placement)
		t->placement = arena_new(a, sizeof(*t->placement));
	spec->update_config = shown_update(a, spec->update_config);
	spec->rollback_config = shown_update(a, spec->rollback_config);
}
