/* Contracts are in codec/netmap.h. */
#include "codec/netmap.h"
#include <stdio.h>
#include "codec/json.h"

static const char *const protocol_names[] = { [NETMAP_TCP] = "tcp", [NETMAP_UDP] = "udp" };

int ipv4_parse(struct slice text, uint32_t *address)
{
	uint32_t sum = 0;

	for (int i = 0; i < 4; i++) {
		struct slice part = slice_cut(&text, '.');
		uint64_t byte;

		/* A leading zero means octal to some: refused, as inet_pton does. */
		if (part.len > 1 && part.data[0] == '0')
			return ERR_INVALID;
		/* slice_cut leaves a pointer only behind a dot. */
		if (slice_to_u64(part, 255, &byte) < 0 || (text.data != NULL) != (i < 3))
			return ERR_INVALID;
		sum = sum << 8 | (uint32_t)byte;
	}
	*address = sum;
	return 0;
}

void ipv4_format(uint32_t address, char out[16])
{
	snprintf(out, 16, "%u.%u.%u.%u", address >> 24, address >> 16 & 255, address >> 8 & 255,
		 address & 255);
}

static void build_port(const struct netmap_port *port, struct json_writer *w)
{
	json_open_object(w);
	json_put_str(w, "protocol", protocol_names[port->protocol]);
	json_put_u64(w, "published", port->published);
	json_put_str(w, "service", port->service);
	json_write_key(w, "backends");
	json_open_array(w);
	for (uint32_t i = 0; i < port->backend_count; i++) {
		const struct netmap_backend *backend = &port->backends[i];
		char address[16];

		ipv4_format(backend->address, address);
		json_open_object(w);
		json_put_str(w, "task", backend->task);
		json_put_str(w, "address", address);
		json_put_u64(w, "port", backend->port);
		json_close_object(w);
	}
	json_close_array(w);
	json_close_object(w);
}

void netmap_build(const struct netmap *map, struct buf *out)
{
	struct json_writer w;

	json_begin(&w, out);
	json_open_object(&w);
	json_write_key(&w, "ports");
	json_open_array(&w);
	for (uint32_t i = 0; i < map->port_count; i++)
		build_port(&map->ports[i], &w);
	json_close_array(&w);
	json_close_object(&w);
}

/* The parse of one netmap: where it is, for the message. */
struct parse {
	struct arena *arena;
	struct errmsg *msg;
	uint32_t port;		/* index of the port under way */
};

static int fail(const struct parse *p, int err, const char *what)
{
	return errmsg_set(p->msg, err, "netmap: ports[%u]: %s", p->port, what);
}

static int parse_port_number(const struct json *node, uint16_t *port)
{
	uint64_t value;

	if (json_to_u64(node, &value) < 0 || value < 1 || value > UINT16_MAX)
		return ERR_INVALID;
	*port = (uint16_t)value;
	return 0;
}

/* A text that is not empty. */
static int parse_text(struct parse *p, const struct json *node, const char **text)
{
	struct slice s = json_string(node);

	if (s.len == 0)
		return ERR_INVALID;
	*text = arena_str(p->arena, s);
	return 0;
}

static int parse_backend(struct parse *p, const struct json *node, struct netmap_backend *backend)
{
	if (parse_text(p, json_get(node, "task"), &backend->task) < 0)
		return fail(p, ERR_INVALID, "a backend without task");
	if (ipv4_parse(json_string(json_get(node, "address")), &backend->address) < 0)
		return fail(p, ERR_INVALID, "a backend's address is no IPv4 address");
	if (parse_port_number(json_get(node, "port"), &backend->port) < 0)
		return fail(p, ERR_INVALID, "a backend's port is not in 1-65535");
	return 0;
}

static int parse_backends(struct parse *p, const struct json *list, struct netmap_port *port)
{
	size_t count = json_count(list);
	const struct json *node = json_first(list);

	if (!list || json_type(list) != JSON_ARRAY)
		return fail(p, ERR_INVALID, "no list of backends");
	if (count > NETMAP_BACKENDS_MAX)
		return fail(p, ERR_LIMIT, "too many backends");
	port->backends = arena_array(p->arena, count, sizeof(*port->backends));
	for (; node; node = json_next(node)) {
		int err = parse_backend(p, node, &port->backends[port->backend_count]);

		if (err < 0)
			return err;
		port->backend_count++;
	}
	return 0;
}

static int parse_port(struct parse *p, const struct json *node, struct netmap_port *port)
{
	struct slice protocol = json_string(json_get(node, "protocol"));

	if (slice_is(protocol, protocol_names[NETMAP_TCP]))
		port->protocol = NETMAP_TCP;
	else if (slice_is(protocol, protocol_names[NETMAP_UDP]))
		port->protocol = NETMAP_UDP;
	else
		return fail(p, ERR_INVALID, "the protocol is neither tcp nor udp");
	if (parse_port_number(json_get(node, "published"), &port->published) < 0)
		return fail(p, ERR_INVALID, "the published port is not in 1-65535");
	if (parse_text(p, json_get(node, "service"), &port->service) < 0)
		return fail(p, ERR_INVALID, "no service");
	return parse_backends(p, json_get(node, "backends"), port);
}

/* Less than 0 when a stands before b in a netmap. */
static int compare_ports(const struct netmap_port *a, const struct netmap_port *b)
{
	if (a->protocol != b->protocol)
		return a->protocol < b->protocol ? -1 : 1;
	return (int)a->published - (int)b->published;
}

int netmap_parse(struct arena *a, struct slice text, struct netmap *map, struct errmsg *msg)
{
	struct parse p = { .arena = a, .msg = msg };
	struct netmap result = { 0 };
	const struct json *root, *list, *node;
	int err = json_parse(a, text, &root, msg);

	if (err < 0)
		return errmsg_prefix(msg, err, "netmap");
	list = json_get(root, "ports");
	if (!list || json_type(list) != JSON_ARRAY)
		return errmsg_set(msg, ERR_INVALID, "netmap: no list of ports");
	if (json_count(list) > NETMAP_PORTS_MAX)
		return errmsg_set(msg, ERR_LIMIT, "netmap: too many ports");
	result.ports = arena_array(a, json_count(list), sizeof(*result.ports));
	for (node = json_first(list); node; node = json_next(node)) {
		struct netmap_port *port = &result.ports[p.port];

		err = parse_port(&p, node, port);
		if (err < 0)
			return err;
		if (p.port > 0 && compare_ports(port - 1, port) >= 0)
			return fail(&p, ERR_INVALID, "not in order of protocol and port, or twice");
		p.port++;
	}
	result.port_count = p.port;
	*map = result;
	return 0;
}
