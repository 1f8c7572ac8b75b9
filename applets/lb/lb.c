#include <assert.h>
#include <stdio.h>
#include <string.h>

#include "applets/lb/lb.h"
#include "base/mem.h"
#include "codec/json.h"

void lb_init(struct lb *lb)
{
	lb->ports = NULL;
}

static void leave(struct lb_backend *b)
{
	b->gone = 1;
	if (b->open == 0)
		mem_free(b);
}

static void drop_backends(struct lb_port *p)
{
	for (uint32_t i = 0; i < p->backend_count; i++)
		leave(p->backends[i]);
	mem_free(p->backends);
	p->backends = NULL;
	p->backend_count = 0;
}

static void free_port(struct lb_port *p)
{
	drop_backends(p);
	mem_free(p);
}

void lb_done(struct lb *lb)
{
	while (lb->ports) {
		struct lb_port *p = lb->ports;

		lb->ports = p->next;
		free_port(p);
	}
}

static struct lb_backend *new_backend(const struct netmap_backend *from)
{
	struct lb_backend *b = mem_new(sizeof(*b));

	snprintf(b->task, sizeof(b->task), "%s", from->task);
	b->address = from->address;
	b->port = from->port;
	return b;
}

static int is_same(const struct lb_backend *b, const struct netmap_backend *from)
{
	return b->address == from->address && b->port == from->port &&
		strncmp(b->task, from->task, sizeof(b->task) - 1) == 0;
}

/* Takes the backend out of the old list, or makes it. Maps come in the same order mostly, so
 * the search begins where the last one ended. */
static struct lb_backend *keep_backend(struct lb_port *p, const struct netmap_backend *from,
	uint32_t *at)
{
	for (uint32_t i = 0; i < p->backend_count; i++) {
		uint32_t place = (*at + i) % p->backend_count;
		struct lb_backend *b = p->backends[place];

		if (b && is_same(b, from)) {
			p->backends[place] = NULL;
			*at = place + 1;
			return b;
		}
	}
	return new_backend(from);
}

static void update_backends(struct lb_port *p, const struct netmap_port *from)
{
	struct lb_backend **list = mem_new((from->backend_count + 1) * sizeof(*list));
	uint32_t at = 0;

	for (uint32_t i = 0; i < from->backend_count; i++)
		list[i] = keep_backend(p, &from->backends[i], &at);
	for (uint32_t i = 0; i < p->backend_count; i++)
		if (p->backends[i])
			leave(p->backends[i]);
	mem_free(p->backends);
	p->backends = list;
	p->backend_count = from->backend_count;
}

static int compare(const struct lb_port *p, const struct netmap_port *from)
{
	if (p->protocol != from->protocol)
		return p->protocol < from->protocol ? -1 : 1;
	return (int)p->published - (int)from->published;
}

/* Both lists are in order: one walk along the two. */
void lb_update(struct lb *lb, const struct netmap *map)
{
	struct lb_port **at = &lb->ports;

	for (struct lb_port *p = lb->ports; p; p = p->next)
		p->wanted = 0;
	for (uint32_t i = 0; i < map->port_count; i++) {
		const struct netmap_port *from = &map->ports[i];

		while (*at && compare(*at, from) < 0)
			at = &(*at)->next;
		if (!*at || compare(*at, from) != 0) {
			struct lb_port *p = mem_new(sizeof(*p));

			p->protocol = from->protocol;
			p->published = from->published;
			p->next = *at;
			*at = p;
		}
		(*at)->wanted = 1;
		snprintf((*at)->service, sizeof((*at)->service), "%s", from->service);
		update_backends(*at, from);
	}
	for (struct lb_port *p = lb->ports; p; p = p->next)
		if (!p->wanted)
			drop_backends(p);
}

void lb_sweep(struct lb *lb)
{
	struct lb_port **at = &lb->ports;

	while (*at) {
		struct lb_port *p = *at;

		if (p->wanted || p->listener || p->users > 0) {
			at = &p->next;
			continue;
		}
		*at = p->next;
		free_port(p);
	}
}

/* a is asked rather than b, which has the earlier turn. */
static int is_better(const struct lb_backend *a, const struct lb_backend *b, uint64_t now_ms)
{
	int a_aside = a->aside_until_ms > now_ms;
	int b_aside = b->aside_until_ms > now_ms;

	if (a_aside != b_aside)
		return b_aside;
	if (a_aside)
		return a->aside_until_ms < b->aside_until_ms;
	return a->open < b->open;
}

struct lb_backend *lb_pick(struct lb_port *port, uint64_t now_ms, uint64_t since)
{
	struct lb_backend *best = NULL;
	uint32_t best_place = 0;

	for (uint32_t i = 0; i < port->backend_count; i++) {
		uint32_t place = port->turn + i;
		struct lb_backend *b;

		if (place >= port->backend_count)
			place %= port->backend_count;
		b = port->backends[place];
		if (b->failed_at > since)
			continue;
		if (!best || is_better(b, best, now_ms)) {
			best = b;
			best_place = place;
		}
	}
	if (!best)
		return NULL;
	port->turn = best_place + 1;
	if (best->failures > 0 && best->aside_until_ms <= now_ms) {
		best->trial = 1;
		best->aside_until_ms = now_ms + LB_TRIAL_MS;
	}
	best->open++;
	return best;
}

void lb_connected(struct lb_backend *b)
{
	b->failures = 0;
	b->trial = 0;
	b->aside_until_ms = 0;
}

void lb_failed(struct lb_port *port, struct lb_backend *b, uint64_t now_ms)
{
	/* Many that came while it was well find out together: that is one failure. */
	if (b->failures == 0 || b->trial) {
		uint64_t aside_ms = (uint64_t)LB_ASIDE_MS << b->failures;

		if (aside_ms > LB_ASIDE_MAX_MS)
			aside_ms = LB_ASIDE_MAX_MS;
		b->aside_until_ms = now_ms + aside_ms;
		b->trial = 0;
		if (b->failures < LB_DOUBLINGS)
			b->failures++;
	}
	b->failed_at = ++port->failures;
	lb_close(b);
}

void lb_close(struct lb_backend *b)
{
	assert(b->open > 0);
	b->open--;
	if (b->gone && b->open == 0)
		mem_free(b);
}

void lb_status(const struct lb *lb, struct buf *out)
{
	struct json_writer w;

	json_begin(&w, out);
	json_open_object(&w);
	json_write_key(&w, "ports");
	json_open_array(&w);
	for (const struct lb_port *p = lb->ports; p; p = p->next) {
		if (!p->wanted)
			continue;
		json_open_object(&w);
		json_put_str(&w, "protocol", p->protocol == NETMAP_TCP ? "tcp" : "udp");
		json_put_u64(&w, "published", p->published);
		json_put_str(&w, "service", p->service);
		if (p->error[0])
			json_put_str(&w, "error", p->error);
		json_close_object(&w);
	}
	json_close_array(&w);
	json_close_object(&w);
}
