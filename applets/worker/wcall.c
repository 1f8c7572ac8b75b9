/* Calls in flight. Contracts are in state.h. */
#include "applets/worker/state.h"
#include <assert.h>

uint64_t wcall_start(struct worker *w, enum call_kind kind, void *owner,
		     const struct docker_request *request, int more)
{
	struct call *c = w->calls;
	struct effect *x;

	while (c->id) {
		c++;
		assert(c < w->calls + WORKER_CALLS_ALL);
	}
	*c = (struct call){ .id = ++w->last_call, .kind = kind, .owner = owner };
	c->slow = kind == CALL_TASK && wtask_is_slow(owner);
	if (kind == CALL_TASK)
		c->slow ? w->slow++ : w->quick++;
	x = effects_add(w->fx, EFFECT_ENGINE_CALL, c->id);
	x->method = slice_of(request->method);
	x->target = slice_of(request->target);
	x->body = request->body;
	x->timeout_ms = request->timeout_ms;
	x->more = more;
	return c->id;
}

struct call *wcall_find(struct worker *w, uint64_t id)
{
	for (size_t i = 0; id && i < WORKER_CALLS_ALL; i++) {
		if (w->calls[i].id == id)
			return &w->calls[i];
	}
	return NULL;
}

struct call wcall_end(struct worker *w, struct call *c)
{
	struct call was = *c;

	if (was.kind == CALL_TASK)
		was.slow ? w->slow-- : w->quick--;
	*c = (struct call){ 0 };
	return was;
}

void wcall_cancel(struct worker *w, uint64_t id)
{
	struct call *c = wcall_find(w, id);

	if (!c)
		return;
	wcall_end(w, c);
	effects_add(w->fx, EFFECT_ENGINE_CANCEL, id);
}

void wcall_cancel_all(struct worker *w)
{
	for (size_t i = 0; i < WORKER_CALLS_ALL; i++) {
		if (w->calls[i].id)
			wcall_cancel(w, w->calls[i].id);
	}
}
