/* Contracts are in request.h. Lists are searched from both ends: answers come in about the order
 * of the requests, but for those of the oldest, which are watches. */
#include "applets/manager/request.h"
#include <string.h>
#include "base/mem.h"

static void unlink_request(struct requests *q, struct request *r)
{
	struct request_list *l = &q->stages[r->stage];

	if (r->previous)
		r->previous->next = r->next;
	else
		l->first = r->next;
	if (r->next)
		r->next->previous = r->previous;
	else
		l->last = r->previous;
	l->count--;
}

static void link_request(struct requests *q, struct request *r, enum request_stage stage)
{
	struct request_list *l = &q->stages[stage];

	r->stage = stage;
	r->next = NULL;
	r->previous = l->last;
	if (l->last)
		l->last->next = r;
	else
		l->first = r;
	l->last = r;
	l->count++;
}

void requests_done(struct requests *q)
{
	for (int i = 0; i < REQUEST_STAGES; i++) {
		while (q->stages[i].first)
			request_end(q, q->stages[i].first);
	}
	while (q->spare) {
		struct request *next = q->spare->next;

		mem_free(q->spare);
		q->spare = next;
	}
	q->spare_count = 0;
}

/* With room for n bytes behind it. */
static struct request *new_request(struct requests *q, size_t n)
{
	struct request *r = q->spare;
	int is_small = n <= REQUEST_SMALL;

	if (is_small && r) {
		q->spare = r->next;
		q->spare_count--;
	} else {
		r = mem_resize(NULL, sizeof(*r) + (is_small ? REQUEST_SMALL : n));
	}
	*r = (struct request){ .is_small = is_small };
	return r;
}

struct request *request_add(struct requests *q, const struct event *ev, int kind)
{
	struct request *r = new_request(q, event_bytes(ev));

	event_copy(&r->ev, ev, r + 1);
	r->kind = kind;
	link_request(q, r, REQUEST_HELD);
	q->count++;
	return r;
}

void request_move(struct requests *q, struct request *r, enum request_stage stage)
{
	unlink_request(q, r);
	link_request(q, r, stage);
}

void request_end(struct requests *q, struct request *r)
{
	unlink_request(q, r);
	q->count--;
	if (!r->is_small || q->spare_count == REQUEST_SPARES) {
		mem_free(r);
		return;
	}
	r->next = q->spare;
	q->spare = r;
	q->spare_count++;
}

struct request *request_find(const struct requests *q, enum request_stage stage, uint64_t id)
{
	const struct request_list *l = &q->stages[stage];
	struct request *a = l->first, *b = l->last;

	for (uint32_t i = 0; i <= l->count / 2 && a; i++) {
		if (a->ev.id == id)
			return a;
		if (b->ev.id == id)
			return b;
		a = a->next;
		b = b->previous;
	}
	return NULL;
}
