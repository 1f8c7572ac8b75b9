/* Who answers the published ports. Contracts are in control.h. */
#include "codec/netmap.h"
#include "applets/manager/control/loop.h"
#include <stdlib.h>
#include <string.h>

/* The task's address in the ingress network or, without one there, its first. */
static int task_address(const struct task *t, const char *ingress_id, uint32_t *address)
{
	const struct list *has = &t->networks_attachments;
	int err = ERR_NOT_FOUND;

	for (uint32_t i = 0; i < has->count; i++) {
		const struct network_attachment *n = LIST_AT(has, struct network_attachment, i);
		struct slice rest;

		if (n->addresses.count == 0)
			continue;
		rest = slice_of(n->addresses.items[0]);
		if (ingress_id && strcmp(n->network.id, ingress_id) == 0)
			return ipv4_parse(slice_cut(&rest, '/'), address);
		if (err < 0)
			err = ipv4_parse(slice_cut(&rest, '/'), address);
	}
	return err;
}

static void add_backends(struct netmap_port *port, const struct state *s, struct arena *a,
			 const struct service *service, const struct port_config *config)
{
	const struct network *ingress = ingress_network(s);
	struct state_tasks it;
	uint32_t count = 0;

	for (const struct task *t = state_service_tasks(s, service->meta.id, &it); t;
	     t = state_tasks_next(&it))
		count++;
	port->backends = arena_array(a, count, sizeof(*port->backends));
	for (const struct task *t = state_service_tasks(s, service->meta.id, &it); t;
	     t = state_tasks_next(&it)) {
		struct netmap_backend *b = &port->backends[port->backend_count];

		if (t->status.state != TASK_RUNNING || t->desired_state != TASK_RUNNING ||
		    port->backend_count == NETMAP_BACKENDS_MAX ||
		    task_address(t, ingress ? ingress->meta.id : NULL, &b->address) < 0)
			continue;
		b->task = t->meta.id;
		b->port = (uint16_t)config->target_port;
		port->backend_count++;
	}
}

static void add_service(struct netmap *map, const struct state *s, struct arena *a,
			const struct service *service)
{
	for (uint32_t i = 0; i < service->endpoint.ports.count; i++) {
		const struct port_config *p = LIST_AT(&service->endpoint.ports,
						      struct port_config, i);
		struct netmap_port *port = &map->ports[map->port_count];

		if (p->publish_mode != PUBLISH_INGRESS || p->published_port == 0 ||
		    p->protocol == PROTOCOL_SCTP || map->port_count == NETMAP_PORTS_MAX)
			continue;
		port->protocol = p->protocol == PROTOCOL_UDP ? NETMAP_UDP : NETMAP_TCP;
		port->published = (uint16_t)p->published_port;
		port->service = service->spec.name;
		add_backends(port, s, a, service, p);
		map->port_count++;
	}
}

static int compare_ports(const void *left, const void *right)
{
	const struct netmap_port *a = left, *b = right;

	if (a->protocol != b->protocol)
		return a->protocol < b->protocol ? -1 : 1;
	return (int)a->published - (int)b->published;
}

/* No two services share a port; a spec that lists one twice counts once. */
static void drop_doubles(struct netmap *map)
{
	uint32_t n = 0;

	for (uint32_t i = 0; i < map->port_count; i++) {
		if (n == 0 || compare_ports(&map->ports[n - 1], &map->ports[i]) != 0)
			map->ports[n++] = map->ports[i];
	}
	map->port_count = n;
}

void netmap_derive(const struct state *s, struct arena *a, struct buf *out)
{
	struct netmap map = { 0 };

	map.ports = arena_array(a, NETMAP_PORTS_MAX + 1, sizeof(*map.ports));
	for (struct map_entry *e = state_first(s, OBJECT_SERVICE); e; e = map_next(e))
		add_service(&map, s, a, state_entry(e));
	if (map.port_count)
		qsort(map.ports, map.port_count, sizeof(*map.ports), compare_ports);
	drop_doubles(&map);
	netmap_build(&map, out);
}
