/* /services. Contracts are in private.h. */
#include <string.h>
#include "applets/manager/api/private.h"

/* ---- reading ---- */

static const char *mode_of(const struct service *s)
{
	return s->spec.mode.global ? "global" : "replicated";
}

static uint64_t tasks_wanted(const struct state *state, const struct service *s)
{
	struct state_tasks it;
	uint64_t n = 0;

	if (s->spec.mode.replicated)
		return *s->spec.mode.replicated->replicas;
	for (const struct task *t = state_service_tasks(state, s->meta.id, &it); t;
	     t = state_tasks_next(&it))
		n += t->desired_state == TASK_RUNNING;
	return n;
}

static struct slice status_member(struct call *c, const struct service *s)
{
	const struct state *state = c->turn->state;
	unsigned long long running = 0;
	struct state_tasks it;

	for (const struct task *t = state_service_tasks(state, s->meta.id, &it); t;
	     t = state_tasks_next(&it))
		running += t->status.state == TASK_RUNNING && t->desired_state == TASK_RUNNING;
	return slice_of(arena_printf(c->turn->arena, "\"ServiceStatus\":{\"RunningTasks\":%llu,"
				     "\"DesiredTasks\":%llu,\"CompletedTasks\":0}", running,
				     (unsigned long long)tasks_wanted(state, s)));
}

static int is_listed(const struct service *s, const struct filters *f)
{
	return filters_prefix(f, "id", s->meta.id) && filters_prefix(f, "name", s->spec.name) &&
	       filters_labels(f, "label", &s->spec.labels) &&
	       filters_exact(f, "mode", mode_of(s)) && filters_exact(f, "runtime", "container");
}

enum api_outcome service_list(struct call *c)
{
	static const char *const keys[] = { "name", "id", "label", "mode", "runtime", NULL };
	int with_status = http_query_bool(c->query, "status");
	struct filters f;
	struct body b;

	if (filters_read(c, keys, &f) < 0)
		return API_REPLIED;
	body_begin(&b);
	json_open_array(&b.w);
	for (struct map_entry *e = state_first(c->turn->state, OBJECT_SERVICE); e;
	     e = map_next(e)) {
		const struct service *s = state_entry(e);

		if (is_listed(s, &f))
			body_object(&b, &service_table, s, with_status ? status_member(c, s) :
				    (struct slice){ NULL, 0 });
	}
	json_close_array(&b.w);
	return body_send(c, 200, &b);
}

enum api_outcome service_inspect(struct call *c)
{
	const struct service *s = find_object(c, OBJECT_SERVICE);
	struct service *shown;
	struct body b;

	if (!s)
		return API_REPLIED;
	shown = model_copy(c->turn->arena, &service_table, s);
	if (http_query_bool(c->query, "insertDefaults"))
		service_spec_show_defaults(c->turn->arena, &shown->spec);
	body_begin(&b);
	body_object(&b, &service_table, shown, (struct slice){ NULL, 0 });
	return body_send(c, 200, &b);
}

/* ---- changing ---- */

enum api_outcome service_create(struct call *c)
{
	struct service service = { 0 };
	char id[ID_LEN + 1];

	if (service_spec_read(c, &service.spec) < 0)
		return API_REPLIED;
	if (state_find_name(c->turn->state, OBJECT_SERVICE, service.spec.name))
		return fail(c, 409, ALREADY_EXISTS "name conflicts with an existing object: "
			    "service %s already exists", service.spec.name);
	id_new(c->turn->rng, id);
	service.meta.id = id;
	if (service_endpoint(c, NULL, &service.spec, &service.endpoint) < 0)
		return API_REPLIED;
	txn_put(c->turn->txn, OBJECT_SERVICE, &service);
	return reply_later(c, 201, arena_printf(c->turn->arena, "{\"ID\":\"%s\"}\n", id));
}

static int same_mode(const struct service_mode *a, const struct service_mode *b)
{
	return (a->global != NULL) == (b->global != NULL);
}

/* The spec to put. 0, or -1: the error is replied. */
static int wanted_spec(struct call *c, const struct service *stored, struct service_spec *spec,
		       int rollback)
{
	if (!rollback)
		return service_spec_read(c, spec);
	if (!stored->previous_spec) {
		fail(c, 400, FAILED_PRECONDITION "service %s does not have a previous spec",
		     stored->meta.id);
		return -1;
	}
	*spec = *stored->previous_spec;
	return 0;
}

static int check_options(struct call *c, int *rollback)
{
	const char *how = query_text(c, "rollback"), *from = query_text(c, "registryAuthFrom");

	*rollback = strcmp(how, "previous") == 0;
	if (*how && !*rollback) {
		fail(c, 500, "unrecognized rollback option %s", how);
		return -1;
	}
	if (*from && strcmp(from, "spec") != 0 && strcmp(from, "previous-spec") != 0) {
		fail(c, 500, "unsupported registryAuthFrom value");
		return -1;
	}
	return 0;
}

static int check_unchangeable(struct call *c, const struct service_spec *old,
			      const struct service_spec *new)
{
	if (strcmp(old->name, new->name) != 0) {
		fail(c, 501, UNIMPLEMENTED "renaming services is not supported");
		return -1;
	}
	if (!same_mode(&old->mode, &new->mode)) {
		fail(c, 501, UNIMPLEMENTED "service mode change is not allowed");
		return -1;
	}
	return 0;
}

static void put_update(struct call *c, const struct service *stored,
		       const struct service_spec *spec, const struct endpoint *endpoint,
		       int rollback)
{
	struct service_spec previous = stored->spec;
	struct service service = *stored;
	struct update_status manual = {
		.state = UPDATE_ROLLBACK_STARTED, .started_at = c->turn->wall_ns,
		.message = "manually requested rollback",
	};

	if (!model_equal(&service_spec_table, spec, &stored->spec))
		service.spec_version = 0;
	service.spec = *spec;
	service.previous_spec = &previous;
	service.endpoint = *endpoint;
	service.update_status = rollback ? &manual : NULL;
	txn_put(c->turn->txn, OBJECT_SERVICE, &service);
}

enum api_outcome service_update(struct call *c)
{
	const struct service *stored = find_object(c, OBJECT_SERVICE);
	struct service_spec spec;
	struct endpoint endpoint;
	int rollback;

	if (!stored || check_version(c, "service", stored->meta.version) < 0 ||
	    check_options(c, &rollback) < 0 || wanted_spec(c, stored, &spec, rollback) < 0 ||
	    check_unchangeable(c, &stored->spec, &spec) < 0 ||
	    service_endpoint(c, stored, &spec, &endpoint) < 0)
		return API_REPLIED;
	put_update(c, stored, &spec, &endpoint, rollback);
	return reply_later(c, 200, "{\"Warnings\":null}\n");
}

enum api_outcome service_remove(struct call *c)
{
	const struct service *s = find_object(c, OBJECT_SERVICE);

	if (!s)
		return API_REPLIED;
	txn_remove(c->turn->txn, OBJECT_SERVICE, s->meta.id, s->meta.version);
	return reply_later(c, 200, NULL);
}
