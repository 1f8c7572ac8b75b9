/* Contracts are in step.h. */
#include "base/step.h"
#include <assert.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include "base/mem.h"

size_t event_bytes(const struct event *ev)
{
	return ev->method.len + ev->target.len + ev->body.len + ev->text.len;
}

void event_copy(struct event *copy, const struct event *ev, void *to)
{
	char *at = to;
	struct slice *const slices[] = { &copy->method, &copy->target, &copy->body, &copy->text };

	*copy = *ev;
	for (size_t i = 0; i < sizeof(slices) / sizeof(slices[0]); i++) {
		struct slice *s = slices[i];

		if (s->len)
			memcpy(at, s->data, s->len);
		s->data = at;
		at += s->len;
	}
}

void effects_init(struct effects *e)
{
	*e = (struct effects){ 0 };
	arena_init(&e->arena);
}

void effects_done(struct effects *e)
{
	arena_done(&e->arena);
	mem_free(e->items);
	*e = (struct effects){ 0 };
}

void effects_reset(struct effects *e)
{
	arena_reset(&e->arena);
	e->count = 0;
}

struct effect *effects_add(struct effects *e, enum effect_kind kind, uint64_t id)
{
	struct effect *x;

	assert(e->count < EFFECTS_MAX);
	if (e->count == e->capacity) {
		e->capacity = e->capacity ? e->capacity * 2 : 16;
		e->items = mem_resize(e->items, e->capacity * sizeof(*e->items));
	}
	x = &e->items[e->count++];
	memset(x, 0, sizeof(*x));
	x->kind = kind;
	x->id = id;
	return x;
}

uint32_t effects_room(const struct effects *e)
{
	return EFFECTS_MAX - e->count;
}

void effects_log(struct effects *e, enum log_level level, const char *format, ...)
{
	char text[1024];
	struct effect *x;
	va_list args;

	va_start(args, format);
	vsnprintf(text, sizeof(text), format, args);
	va_end(args);
	x = effects_add(e, EFFECT_LOG, 0);
	x->level = level;
	x->text = arena_copy(&e->arena, slice_of(text));
}
