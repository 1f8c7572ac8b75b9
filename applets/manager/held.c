/* Contracts are in held.h. */
#include "applets/manager/held.h"
#include <string.h>
#include "base/mem.h"

void held_init(struct held_queue *q)
{
	*q = (struct held_queue){ .last = &q->first };
}

void held_done(struct held_queue *q)
{
	while (q->first)
		mem_free(held_take(q));
}

static struct slice put(char **at, struct slice s)
{
	struct slice copy = { *at, s.len };

	if (s.len)
		memcpy(*at, s.data, s.len);
	*at += s.len;
	return copy;
}

void held_add(struct held_queue *q, const struct event *ev)
{
	struct held *h = mem_new(sizeof(*h) + ev->method.len + ev->target.len + ev->body.len +
				 ev->text.len);
	char *at = (char *)(h + 1);

	h->ev = *ev;
	h->ev.method = put(&at, ev->method);
	h->ev.target = put(&at, ev->target);
	h->ev.body = put(&at, ev->body);
	h->ev.text = put(&at, ev->text);
	*q->last = h;
	q->last = &h->next;
	q->count++;
}

struct held *held_take(struct held_queue *q)
{
	struct held *h = q->first;

	if (!h)
		return NULL;
	q->first = h->next;
	if (!q->first)
		q->last = &q->first;
	q->count--;
	return h;
}

int held_drop(struct held_queue *q, uint64_t request)
{
	struct held **link = &q->first, *h;

	while (*link && (*link)->ev.id != request)
		link = &(*link)->next;
	h = *link;
	if (!h)
		return 0;
	*link = h->next;
	if (q->last == &h->next)
		q->last = link;
	q->count--;
	mem_free(h);
	return 1;
}
