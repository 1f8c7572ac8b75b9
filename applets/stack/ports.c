/* A service's ports: "8080:80", "127.0.0.1:8000-8002:80-82/udp" and the long form.
 *
 * As Docker reads them (go-connections/nat, docker/cli opts/port.go): a range of published ports
 * before a single target publishes that target on each of them; a range of targets with none
 * before it leaves the published ports to be chosen; the host's address means nothing.
 */
#include <stdlib.h>
#include <string.h>

#include "applets/stack/private.h"

static const char *const protocols[] = { "tcp", "udp", "sctp", NULL };
static const char *const publish_modes[] = { "ingress", "host", NULL };

struct range {
	uint64_t first, count;
};

static int bad_port(struct loader *l, const struct yaml *at, struct slice text)
{
	return load_fail(l, at, "\"%.*s\" is not a port or a range of ports (1 to 65535)",
		SHOWN(text));
}

/* "80" or "80-90"; least: the lowest port that may stand there. */
static int take_range(struct loader *l, const struct yaml *at, struct slice text, uint64_t least,
		      struct range *r)
{
	struct slice rest = text, head = slice_cut(&rest, '-');
	uint64_t last;

	if (slice_to_u64(head, 65535, &r->first) < 0 || r->first < least)
		return bad_port(l, at, text);
	last = r->first;
	if (rest.data && (slice_to_u64(rest, 65535, &last) < 0 || last < r->first || !r->first))
		return bad_port(l, at, text);
	r->count = last - r->first + 1;
	return 0;
}

/* The service that publishes a port keeps it: a second one could never be created. */
static int claim(struct loader *l, const struct yaml *at, const struct port_config *p)
{
	const char *key, *service = arena_str(l->arena, l->path[1]), *other;

	if (l->port_count++ == STACK_PORTS_MAX)
		return load_error(l, ERR_LIMIT, at, "the file has more than %d ports",
			STACK_PORTS_MAX);
	if (p->publish_mode == PUBLISH_HOST)
		return 0;
	if (p->protocol == PROTOCOL_SCTP)
		return load_error(l, ERR_UNSUPPORTED, at, "sctp ports can only be published in "
			"host mode");
	if (p->published_port == 0)
		return 0;
	key = arena_printf(l->arena, "%u/%s", (unsigned)p->published_port, protocols[p->protocol]);
	other = map_set(&l->published, slice_of(key), (void *)(uintptr_t)service);
	if (other)
		return load_fail(l, at, "port %s is already published by service \"%.*s\"", key,
			SHOWN(slice_of(other)));
	return 0;
}

static int add_port(struct loader *l, const struct yaml *at, const struct port_config *p,
		    struct list *ports)
{
	struct port_config *item;

	if (ports->count == MODEL_LIST_MAX)
		return load_error(l, ERR_LIMIT, at, "more than %d ports", MODEL_LIST_MAX);
	item = load_item(l, ports, sizeof(*item));
	*item = *p;
	return claim(l, at, p);
}

static int add_ranges(struct loader *l, const struct yaml *at, const struct range *published,
		      const struct range *target, struct list *ports)
{
	uint64_t count = published->count > target->count ? published->count : target->count;
	struct port_config p = { .name = NULL };
	int err = 0;

	if (slice_find(at->text, '/') < at->text.len) {
		struct slice protocol = at->text;

		slice_cut(&protocol, '/');
		while (p.protocol < 3 && !slice_is_nocase(protocol, protocols[p.protocol]))
			p.protocol++;
		if (p.protocol == 3)
			return load_fail(l, at, "\"%.*s\" is not a protocol: tcp, udp or sctp",
				SHOWN(protocol));
	}
	if (published->count > 1 && target->count > 1 && published->count != target->count)
		return load_fail(l, at, "\"%.*s\": the two ranges differ in length",
			SHOWN(at->text));
	if (published->count == 1 && target->count > 1)
		return load_fail(l, at, "\"%.*s\": a range of targets needs as many "
			"published ports", SHOWN(at->text));
	for (uint64_t i = 0; i < count && err == 0; i++) {
		p.target_port = target->first + (target->count > 1 ? i : 0);
		p.published_port = published->first ? published->first + i : 0;
		err = add_port(l, at, &p, ports);
	}
	return err;
}

/* Digits and dots, or an IPv6 address in or out of brackets. */
static int is_address(struct slice s)
{
	for (size_t i = 0; i < s.len; i++)
		if (!memchr("0123456789abcdefABCDEF.:[]%", s.data[i], 27))
			return 0;
	return s.len >= 2;
}

static struct slice take_last(struct slice *rest, char c)
{
	const char *at = rest->len ? memrchr(rest->data, c, rest->len) : NULL;
	struct slice whole = *rest, last;

	if (!at) {
		*rest = (struct slice){ NULL, 0 };
		return whole;
	}
	last.data = at + 1;
	last.len = rest->len - (size_t)(last.data - rest->data);
	rest->len = (size_t)(at - rest->data);
	return last;
}

static int load_short(struct loader *l, const struct yaml *item, struct list *ports)
{
	struct slice rest = item->text, target_text, published_text;
	struct range target, published = { 0, 0 };

	rest.len = slice_find(rest, '/');
	target_text = take_last(&rest, ':');
	published_text = take_last(&rest, ':');
	if (rest.len && !is_address(rest))
		return load_fail(l, item, "\"%.*s\" is not an IP address", SHOWN(rest));
	if (take_range(l, item, target_text, 1, &target) < 0)
		return ERR_INVALID;
	if (published_text.len && take_range(l, item, published_text, 0, &published) < 0)
		return ERR_INVALID;
	if (rest.len && !slice_is(rest, "0.0.0.0") && !slice_is(rest, "[::]"))
		load_warn(l, item, "the address in \"%.*s\" is ignored: the service listens on all",
			SHOWN(item->text));
	return add_ranges(l, item, &published, &target, ports);
}

/* ---- the long form ------------------------------------------------------------- */

static int load_protocol(struct loader *l, const struct yaml *value, void *to)
{
	return value_choice(l, value, protocols, to);
}

static int load_mode(struct loader *l, const struct yaml *value, void *to)
{
	return value_choice(l, value, publish_modes, to);
}

static int load_port(struct loader *l, const struct yaml *value, void *to)
{
	uint64_t *port = to;
	int err = value_count(l, value, port);

	if (err == 0 && *port > 65535)
		return load_fail(l, value, "\"%.*s\" is not a port (1 to 65535)",
			SHOWN(value->text));
	return err;
}

static const struct key port_keys[] = {
	{ "target", load_port, offsetof(struct port_config, target_port), KEY_LOAD, NULL },
	{ "published", load_port, offsetof(struct port_config, published_port), KEY_LOAD, NULL },
	{ "protocol", load_protocol, offsetof(struct port_config, protocol), KEY_LOAD, NULL },
	{ "mode", load_mode, offsetof(struct port_config, publish_mode), KEY_LOAD, NULL },
	{ NULL, NULL, 0, KEY_LOAD, NULL },
};

static int load_long(struct loader *l, const struct yaml *item, struct list *ports)
{
	struct port_config p = { .name = NULL };
	int err = load_map(l, item, port_keys, 0, &p);

	if (err < 0)
		return err;
	if (p.target_port == 0)
		return load_fail(l, item, "a port needs \"target\"");
	return add_port(l, item, &p, ports);
}

/* In the order of published ports; the file's where they are equal. */
static void sort_ports(struct loader *l, struct list *ports)
{
	struct port_config *sorted = arena_array(l->arena, ports->count + 1u, sizeof(*sorted));
	struct map order;
	uint32_t n = 0;

	map_init(&order);
	for (uint32_t i = 0; i < ports->count; i++) {
		struct port_config *p = LIST_AT(ports, struct port_config, i);
		const char *key = arena_printf(l->arena, "%05u %05u", (unsigned)p->published_port,
			i);

		map_set(&order, slice_of(key), p);
	}
	for (struct map_entry *e = map_first(&order); e; e = map_next(e))
		sorted[n++] = *(struct port_config *)e->value;
	map_done(&order);
	ports->items = sorted;
}

int ports_load(struct loader *l, const struct yaml *value, void *to)
{
	int err = load_check_list(l, value);

	for (const struct yaml *item = value->first; item && err == 0; item = item->next) {
		if (item->type == YAML_MAP)
			err = load_long(l, item, to);
		else if (item->type == YAML_SCALAR && !yaml_is_null(item))
			err = load_short(l, item, to);
		else
			err = load_fail(l, item,
				"must be a text such as \"8080:80\", or a mapping");
	}
	if (err == 0)
		sort_ports(l, to);
	return err;
}
