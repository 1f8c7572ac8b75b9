/* /tasks. Contracts are in private.h. */
#include <string.h>
#include "applets/manager/api/private.h"

/* What the service and node filters name, as ids. 0, or -1: the error is replied. */
static int resolve_filter(struct call *c, struct filters *f, const char *key,
			  enum object_kind kind)
{
	struct errmsg msg = { { 0 } };
	const struct meta *found;
	int status;

	for (uint32_t i = 0; i < f->count; i++) {
		if (strcmp(f->items[i].key, key) != 0)
			continue;
		found = resolve(c, kind, f->items[i].value, &status, &msg);
		if (!found) {
			fail_text(c, status, "", &msg);
			return -1;
		}
		f->items[i].value = found->id;
	}
	return 0;
}

static int check_states(struct call *c, const struct filters *f)
{
	for (uint32_t i = 0; i < f->count; i++) {
		const char *const *name = task_state_names;

		if (strcmp(f->items[i].key, "desired-state") != 0)
			continue;
		while (*name && strcmp(*name, f->items[i].value) != 0)
			name++;
		if (!*name) {
			fail(c, 500, "Invalid desired-state filter: '%s'", f->items[i].value);
			return -1;
		}
	}
	return 0;
}

/* A scaled or otherwise placed service has a new spec, but its tasks are not out of date. */
static int is_up_to_date(const struct service *s, const struct task *t)
{
	struct task_spec wanted;

	if (!s)
		return 0;
	wanted = s->spec.task_template;
	wanted.placement = t->spec.placement;
	return s->spec_version == t->spec_version ||
	       model_equal(&task_spec_table, &wanted, &t->spec);
}

static int is_listed(struct call *c, const struct task *t, const struct filters *f)
{
	const struct service *s = state_service(c->turn->state, t->service_id);

	return filters_exact(f, "service", t->service_id) &&
	       filters_exact(f, "node", t->node_id) &&
	       filters_exact(f, "desired-state", task_state_names[t->desired_state]) &&
	       filters_prefix(f, "id", t->meta.id) &&
	       filters_exact(f, "runtime", "container") &&
	       (!filters_have(f, "name") ||
		filters_prefix(f, "name", task_name(c->turn->arena, t))) &&
	       (!filters_have(f, "label") ||
		(s && filters_labels(f, "label", &s->spec.labels))) &&
	       (!filters_have(f, "_up-to-date") || is_up_to_date(s, t));
}

enum api_outcome task_list(struct call *c)
{
	static const char *const keys[] = {
		"id", "name", "label", "service", "node", "desired-state", "runtime",
		"_up-to-date", NULL,
	};
	struct filters f;
	struct body b;

	if (filters_read(c, keys, &f) < 0 || check_states(c, &f) < 0 ||
	    resolve_filter(c, &f, "service", OBJECT_SERVICE) < 0 ||
	    resolve_filter(c, &f, "node", OBJECT_NODE) < 0)
		return API_REPLIED;
	body_begin(&b);
	json_open_array(&b.w);
	for (struct map_entry *e = state_first(c->turn->state, OBJECT_TASK); e; e = map_next(e)) {
		const struct task *t = state_entry(e);

		if (is_listed(c, t, &f))
			body_object(&b, &task_table, t, (struct slice){ NULL, 0 });
	}
	json_close_array(&b.w);
	return body_send(c, 200, &b);
}

enum api_outcome task_inspect(struct call *c)
{
	const struct task *t = find_object(c, OBJECT_TASK);
	struct body b;

	if (!t)
		return API_REPLIED;
	body_begin(&b);
	body_object(&b, &task_table, t, (struct slice){ NULL, 0 });
	return body_send(c, 200, &b);
}
