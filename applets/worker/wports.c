/* Published ports that lb cannot serve on this node: their tasks run and say so. Contracts are
 * in state.h. */
#include "applets/worker/state.h"

static void add_error(struct worker *w, const struct json *port)
{
	struct slice service = json_string(json_get(port, "service"));
	struct slice error = json_string(json_get(port, "error"));
	uint64_t published = 0;

	if (error.len == 0 || json_to_u64(json_get(port, "published"), &published) < 0)
		return;
	map_set(&w->ports_errors, service,
		arena_printf(&w->ports_arena, "port %llu/%.*s is not served on this node: %.*s",
			     (unsigned long long)published,
			     SLICE_ARGS(json_string(json_get(port, "protocol"))),
			     SLICE_ARGS(error)));
}

/* Those that have an error now, and those that had one before. */
static void report_tasks(struct worker *w)
{
	for (struct map_entry *e = map_first(&w->tasks); e; e = map_next(e)) {
		struct wtask *t = e->value;

		if (t->state == TASK_RUNNING && wports_error(w, t))
			wtask_changed(w, t);
	}
}

void wports_status(struct worker *w, struct slice status)
{
	const struct json *root;

	report_tasks(w);
	map_done(&w->ports_errors);
	arena_reset(&w->ports_arena);
	if (json_parse(&w->fx->arena, status, &root, NULL) < 0)
		return;		/* lb writes it whole: a later one is good */
	for (const struct json *p = json_first(json_get(root, "ports")); p; p = json_next(p))
		add_error(w, p);
	report_tasks(w);
}

const char *wports_error(const struct worker *w, const struct wtask *t)
{
	if (!t->spec || !t->spec->service_name)
		return NULL;
	return map_get(&w->ports_errors, slice_of(t->spec->service_name));
}
