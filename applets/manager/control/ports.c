/* Published ports: no two services share one. Contracts are in control.h. */
#include "applets/manager/control/control.h"
#include <string.h>

enum { PORT_FIRST = 30000, PORT_LAST = 32767, PORTS_ALL = 65536, PROTOCOLS = 3 };

/* Who holds which port, by protocol and number. */
struct holders {
	const struct service **of;	/* [PROTOCOLS * PORTS_ALL] */
	char *ingress;
	const struct service *self;	/* stands for ports of the new spec itself */
};

static size_t place(const struct port_config *p)
{
	return (size_t)p->protocol * PORTS_ALL + (size_t)p->published_port;
}

static int is_published(const struct port_config *p)
{
	return p->published_port > 0 && p->published_port < PORTS_ALL && p->protocol >= 0 &&
	       p->protocol < PROTOCOLS;
}

static void hold_service(struct holders *h, const struct service *service)
{
	const struct list *ports = &service->endpoint.ports;

	for (uint32_t i = 0; i < ports->count; i++) {
		const struct port_config *p = LIST_AT(ports, struct port_config, i);

		if (!is_published(p) || h->ingress[place(p)])
			continue;
		h->of[place(p)] = service;
		h->ingress[place(p)] = p->publish_mode == PUBLISH_INGRESS;
	}
}

/* Two host ports may be equal: the scheduler keeps their tasks apart. */
static int check_free(const struct holders *h, const struct port_config *p, struct errmsg *msg)
{
	const struct service *holder = h->of[place(p)];
	int ingress = h->ingress[place(p)];

	if (!holder || holder == h->self || (!ingress && p->publish_mode == PUBLISH_HOST))
		return 0;
	return errmsg_set(msg, ERR_IN_USE,
			  "port '%llu' is already in use by service '%s' (%s) as %s port",
			  (unsigned long long)p->published_port, holder->spec.name,
			  holder->meta.id, ingress ? "an ingress" : "a host-published");
}

/* The port that the service had for the same target, if that one was an ingress port. */
static uint64_t sticky_port(const struct service *old, const struct port_config *p)
{
	const struct list *ports = old ? &old->endpoint.ports : NULL;

	for (uint32_t i = 0; ports && i < ports->count; i++) {
		const struct port_config *had = LIST_AT(ports, struct port_config, i);

		if (had->protocol == p->protocol && had->target_port == p->target_port &&
		    had->publish_mode == PUBLISH_INGRESS)
			return had->published_port;
	}
	return 0;
}

static int choose(const struct holders *h, const struct service *old, struct port_config *p,
		  struct errmsg *msg)
{
	p->published_port = sticky_port(old, p);
	if (is_published(p) && !h->of[place(p)])
		return 0;
	for (p->published_port = PORT_FIRST; p->published_port <= PORT_LAST; p->published_port++) {
		if (!h->of[place(p)])
			return 0;
	}
	return errmsg_set(msg, ERR_LIMIT, "no dynamic port is left between %d and %d", PORT_FIRST,
			  PORT_LAST);
}

static int take_ports(struct holders *h, const struct service *old, struct list *ports,
		      struct errmsg *msg)
{
	int err = 0;

	for (uint32_t i = 0; i < ports->count && err == 0; i++) {
		const struct port_config *p = LIST_AT(ports, struct port_config, i);

		if (!is_published(p))
			continue;
		err = check_free(h, p, msg);
		h->of[place(p)] = h->self;
	}
	for (uint32_t i = 0; i < ports->count && err == 0; i++) {
		struct port_config *p = LIST_AT(ports, struct port_config, i);

		if (p->published_port || p->publish_mode != PUBLISH_INGRESS)
			continue;
		err = choose(h, old, p, msg);
		if (err == 0)
			h->of[place(p)] = h->self;
	}
	return err;
}

int allocate_ports(const struct state *s, struct arena *a, const struct service *old,
		   const struct service_spec *spec, struct endpoint *endpoint,
		   struct errmsg *msg)
{
	static const struct service self;
	struct holders h = { .self = &self };
	struct endpoint result = { 0 };
	int err;

	if (spec->endpoint_spec)
		result.spec = *spec->endpoint_spec;
	result.ports.count = result.spec.ports.count;
	if (result.ports.count == 0) {
		*endpoint = result;
		return 0;
	}
	result.ports.items = arena_array(a, result.ports.count, sizeof(struct port_config));
	memcpy(result.ports.items, result.spec.ports.items,
	       result.ports.count * sizeof(struct port_config));
	h.of = arena_array(a, PROTOCOLS * PORTS_ALL, sizeof(struct service *));
	h.ingress = arena_new(a, PROTOCOLS * PORTS_ALL);
	for (struct map_entry *e = state_first(s, OBJECT_SERVICE); e; e = map_next(e)) {
		const struct service *service = state_entry(e);

		if (!old || strcmp(service->meta.id, old->meta.id) != 0)
			hold_service(&h, service);
	}
	err = take_ports(&h, old, &result.ports, msg);
	if (err == 0)
		*endpoint = result;
	return err;
}
