/* /networks: those of the swarm. Contracts are in private.h. */
#include <string.h>
#include "applets/manager/api/private.h"
#include "base/timefmt.h"

/* ---- reading ---- */

static void put_labels(struct json_writer *w, const char *key, const struct labels *labels)
{
	json_write_key(w, key);
	json_open_object(w);
	for (uint32_t i = 0; i < labels->count; i++)
		json_put_str(w, labels->items[i].key, labels->items[i].value);
	json_close_object(w);
}

static void put_optional(struct json_writer *w, const char *key, const char *text)
{
	if (text && *text)
		json_put_str(w, key, text);
}

static void write_ipam_config(struct json_writer *w, const struct ipam_config *config)
{
	json_open_object(w);
	put_optional(w, "Subnet", config->subnet);
	put_optional(w, "IPRange", config->ip_range);
	put_optional(w, "Gateway", config->gateway);
	if (config->auxiliary_addresses.count)
		put_labels(w, "AuxiliaryAddresses", &config->auxiliary_addresses);
	json_close_object(w);
}

static void write_ipam(struct json_writer *w, const struct ipam *ipam)
{
	json_write_key(w, "IPAM");
	json_open_object(w);
	json_put_str(w, "Driver", ipam->driver && *ipam->driver ? ipam->driver : "default");
	put_labels(w, "Options", &ipam->options);
	json_write_key(w, "Config");
	json_open_array(w);
	for (uint32_t i = 0; i < ipam->config.count; i++)
		write_ipam_config(w, LIST_AT(&ipam->config, struct ipam_config, i));
	json_close_array(w);
	json_close_object(w);
}

/* Networks have a form of their own in Docker's API: flat, and with "Id". */
static void write_network(struct body *b, const struct network *n)
{
	struct json_writer *w = &b->w;
	char created[TIME_TEXT_MAX];

	time_format(n->meta.created_at, created);
	json_open_object(w);
	json_put_str(w, "Name", n->spec.name);
	json_put_str(w, "Id", n->meta.id);
	json_put_str(w, "Created", created);
	json_put_str(w, "Scope", "swarm");
	json_put_str(w, "Driver", n->spec.driver);
	json_put_bool(w, "EnableIPv6", 0);
	write_ipam(w, &n->spec.ipam);
	json_put_bool(w, "Internal", n->spec.internal);
	json_put_bool(w, "Attachable", n->spec.attachable);
	json_put_bool(w, "Ingress", n->spec.ingress);
	json_write_key(w, "ConfigFrom");
	json_open_object(w);
	json_put_str(w, "Network", "");
	json_close_object(w);
	json_put_bool(w, "ConfigOnly", 0);
	json_write_key(w, "Containers");
	json_write_null(w);
	put_labels(w, "Options", &n->spec.options);
	put_labels(w, "Labels", &n->spec.labels);
	json_close_object(w);
}

static int is_used(const struct state *state, const struct network *n);

static int is_listed(struct call *c, const struct network *n, const struct filters *f)
{
	const char *dangling = is_used(c->turn->state, n) ? "false" : "true";

	return !n->pending_delete && filters_within(f, "name", n->spec.name) &&
	       filters_within(f, "id", n->meta.id) && filters_exact(f, "scope", "swarm") &&
	       filters_exact(f, "driver", n->spec.driver) && filters_exact(f, "type", "custom") &&
	       filters_exact(f, "dangling", dangling) &&
	       filters_labels(f, "label", &n->spec.labels);
}

enum api_outcome network_list(struct call *c)
{
	static const char *const keys[] = {
		"name", "id", "label", "driver", "scope", "type", "dangling", NULL,
	};
	struct filters f;
	struct body b;

	if (filters_read(c, keys, &f) < 0)
		return API_REPLIED;
	body_begin(&b);
	json_open_array(&b.w);
	for (struct map_entry *e = state_first(c->turn->state, OBJECT_NETWORK); e;
	     e = map_next(e)) {
		const struct network *n = state_entry(e);

		if (is_listed(c, n, &f))
			write_network(&b, n);
	}
	json_close_array(&b.w);
	return body_send(c, 200, &b);
}

enum api_outcome network_inspect(struct call *c)
{
	const char *scope = query_text(c, "scope");
	const struct network *n;
	struct body b;

	if (*scope && strcmp(scope, "swarm") != 0)
		return fail(c, 404, "network %s not found", c->ref);
	n = find_object(c, OBJECT_NETWORK);
	if (!n)
		return API_REPLIED;
	body_begin(&b);
	write_network(&b, n);
	return body_send(c, 200, &b);
}

/* ---- creating ---- */

static int refuse(struct call *c, const char *what)
{
	fail(c, 501, UNIMPLEMENTED "%s", what);
	return -1;
}

/* Nothing that was asked for is left out silently. */
static int check_options(struct call *c, const struct network_spec *spec)
{
	const struct json *scope = extra_member(c, spec->extra, "Scope");

	if (strcmp(spec->driver, "overlay") != 0) {
		fail(c, 501, UNIMPLEMENTED "network driver \"%s\" is not supported for networks "
		     "of the swarm: use overlay", spec->driver);
		return -1;
	}
	if (scope && !slice_is(json_string(scope), "swarm"))
		return refuse(c, "only networks of scope swarm can be created here");
	if (extra_member(c, spec->extra, "ConfigOnly") ||
	    (extra_member(c, spec->extra, "ConfigFrom") &&
	     json_string(json_get(extra_member(c, spec->extra, "ConfigFrom"), "Network")).len))
		return refuse(c, "configuration-only networks are not supported");
	if (extra_member(c, spec->extra, "EnableIPv6"))
		return refuse(c, "networks with IPv6 are not supported yet");
	if (labels_get(&spec->options, "encrypted"))
		return refuse(c, "encrypted networks are not supported yet");
	if (spec->ipam.driver && *spec->ipam.driver && strcmp(spec->ipam.driver, "default") != 0)
		return refuse(c, "IPAM drivers other than default are not supported");
	return 0;
}

static const struct network *find_ingress(const struct state *state)
{
	for (struct map_entry *e = state_first(state, OBJECT_NETWORK); e; e = map_next(e)) {
		const struct network *n = state_entry(e);

		if (n->spec.ingress && !n->pending_delete)
			return n;
	}
	return NULL;
}

static int check_free(struct call *c, const struct network_spec *spec)
{
	static const char *const engines[] = { "bridge", "host", "none" };
	int taken = state_find_name(c->turn->state, OBJECT_NETWORK, spec->name) != NULL;
	const struct network *ingress = find_ingress(c->turn->state);

	for (size_t i = 0; i < sizeof(engines) / sizeof(engines[0]); i++)
		taken |= strcmp(spec->name, engines[i]) == 0;
	if (taken) {
		fail(c, 409, "network with name %s already exists", spec->name);
		return -1;
	}
	if (spec->ingress && ingress) {
		fail(c, 409, ALREADY_EXISTS "ingress network (%s) is already present",
		     ingress->meta.id);
		return -1;
	}
	return 0;
}

static int read_spec(struct call *c, struct network_spec *spec)
{
	struct errmsg msg = { { 0 } };
	const struct json *root;
	int status;

	if (read_body(c, &root) < 0)
		return -1;
	if (model_decode(c->turn->arena, &network_spec_table, MODEL_API, root, spec, &msg) < 0) {
		fail_text(c, 400, INVALID_ARGUMENT, &msg);
		return -1;
	}
	if (!spec->driver || !*spec->driver)
		spec->driver = "overlay";
	status = validate_name(spec->name, &msg);
	if (status) {
		fail_text(c, status, "", &msg);
		return -1;
	}
	if (check_options(c, spec) < 0 || check_free(c, spec) < 0)
		return -1;
	spec->extra = (struct slice){ NULL, 0 };
	return 0;
}

static int give_subnet(struct call *c, struct network_spec *spec)
{
	struct errmsg msg = { { 0 } };
	int err = allocate_subnet(c->turn->state, c->turn->arena, spec, &msg);

	if (err == ERR_LIMIT)
		fail_text(c, 500, "rpc error: code = ResourceExhausted desc = ", &msg);
	else if (err < 0)
		fail_text(c, 400, INVALID_ARGUMENT, &msg);
	return err < 0 ? -1 : 0;
}

enum api_outcome network_create(struct call *c)
{
	struct network network = { 0 };
	char id[ID_LEN + 1];

	if (read_spec(c, &network.spec) < 0 || give_subnet(c, &network.spec) < 0)
		return API_REPLIED;
	id_new(c->turn->rng, id);
	network.meta.id = id;
	txn_put(c->turn->txn, OBJECT_NETWORK, &network);
	return reply_later(c, 201, arena_printf(c->turn->arena,
						"{\"Id\":\"%s\",\"Warning\":\"\"}\n", id));
}

/* ---- removing ---- */

static int needs_ingress(const struct service *s)
{
	for (uint32_t i = 0; i < s->endpoint.ports.count; i++) {
		if (LIST_AT(&s->endpoint.ports, struct port_config, i)->publish_mode ==
		    PUBLISH_INGRESS)
			return 1;
	}
	return 0;
}

static int names_network(const struct service_spec *spec, const struct network *n)
{
	const struct list *targets = &spec->task_template.networks;

	for (uint32_t i = 0; i < targets->count; i++) {
		if (strcmp(LIST_AT(targets, struct network_target, i)->target, n->meta.id) == 0)
			return 1;
	}
	return 0;
}

/* What an update may still be rolled back to counts as well. */
static int uses_network(const struct service *s, const struct network *n)
{
	int state = s->update_status ? s->update_status->state : UPDATE_NONE;

	if (n->spec.ingress)
		return needs_ingress(s);
	return names_network(&s->spec, n) ||
	       (state == UPDATE_UPDATING && s->previous_spec && names_network(s->previous_spec, n));
}

static const struct service *find_user(const struct state *state, const struct network *n)
{
	for (struct map_entry *e = state_first(state, OBJECT_SERVICE); e; e = map_next(e)) {
		const struct service *s = state_entry(e);

		if (uses_network(s, n))
			return s;
	}
	return NULL;
}

static int is_used(const struct state *state, const struct network *n)
{
	return find_user(state, n) != NULL;
}

enum api_outcome network_remove(struct call *c)
{
	const struct network *stored = find_object(c, OBJECT_NETWORK);
	const struct service *user;
	struct network network;

	if (!stored)
		return API_REPLIED;
	user = find_user(c->turn->state, stored);
	if (user && stored->spec.ingress)
		return fail(c, 400, FAILED_PRECONDITION "ingress network cannot be removed because "
			    "service %s depends on it", user->meta.id);
	if (user)
		return fail(c, 400, FAILED_PRECONDITION "network %s is in use by service %s",
			    stored->meta.id, user->meta.id);
	network = *stored;
	network.pending_delete = 1;
	txn_put(c->turn->txn, OBJECT_NETWORK, &network);
	return reply_later(c, 204, NULL);
}
