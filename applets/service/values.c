#include <string.h>

#include "applets/service/values.h"
#include "applets/words.h"

static const char *const protocols[] = { "tcp", "udp", "sctp" };

static int bad(struct errmsg *msg, const char *text, const char *what)
{
	return errmsg_set(msg, ERR_INVALID, "\"%s\": %s", text, what);
}

static int protocol_parse(struct slice text, int *protocol)
{
	for (int i = 0; i < 3; i++)
		if (slice_is_nocase(text, protocols[i])) {
			*protocol = i;
			return 0;
		}
	return ERR_INVALID;
}

struct range {
	uint64_t first, last;
};

/* "80" or "8000-8010"; 1 to 65535. */
static int range_parse(struct slice text, struct range *r)
{
	struct slice rest = text;
	struct slice first = slice_cut(&rest, '-');

	if (slice_to_u64(first, 65535, &r->first) < 0 || r->first == 0)
		return ERR_INVALID;
	r->last = r->first;
	if (!rest.data)
		return 0;
	if (slice_to_u64(rest, 65535, &r->last) < 0 || r->last < r->first)
		return ERR_INVALID;
	return 0;
}

/* One target takes a whole range of published ports only if they are as many. */
static int ports_of(struct arena *a, const char *text, struct range published,
		    struct range target, struct list *out, struct errmsg *msg)
{
	uint64_t count = target.last - target.first + 1;
	struct port_config *p;

	if (published.first && published.last - published.first + 1 != count)
		return bad(msg, text, "the ranges are not equally long");
	if (count > VALUES_PORTS_MAX)
		return errmsg_set(msg, ERR_LIMIT, "\"%s\": more than %d ports", text,
			VALUES_PORTS_MAX);
	p = arena_array(a, (size_t)count, sizeof(*p));
	for (uint64_t i = 0; i < count; i++) {
		p[i].target_port = target.first + i;
		p[i].published_port = published.first ? published.first + i : 0;
	}
	out->items = p;
	out->count = (uint32_t)count;
	return 0;
}

static int ports_short(struct arena *a, const char *text, struct list *out, struct errmsg *msg)
{
	struct slice protocol_text = slice_of(text), rest;
	struct slice numbers = slice_cut(&protocol_text, '/');
	struct range published = { 0, 0 }, target;
	int protocol = PROTOCOL_TCP;
	struct slice first = numbers;
	int err;

	if (protocol_text.data && protocol_parse(protocol_text, &protocol) < 0)
		return bad(msg, text, "the protocol is not tcp, udp or sctp");
	rest = numbers;
	first = slice_cut(&rest, ':');
	if (rest.data && slice_find(rest, ':') < rest.len)
		return bad(msg, text, "a service publishes on all addresses of a node: no address");
	if (range_parse(rest.data ? rest : first, &target) < 0)
		return bad(msg, text, "the target is not a port from 1 to 65535");
	if (rest.data && range_parse(first, &published) < 0)
		return bad(msg, text, "the published port is not one from 1 to 65535");
	err = ports_of(a, text, published, target, out, msg);
	for (uint32_t i = 0; err == 0 && i < out->count; i++)
		((struct port_config *)out->items)[i].protocol = protocol;
	return err;
}

static int port_field(const char *text, const char *field, struct port_config *p,
		      struct errmsg *msg)
{
	struct slice value = slice_of(field);
	struct slice key = slice_cut(&value, '=');

	if (slice_is(key, "target")) {
		if (slice_to_u64(value, 65535, &p->target_port) < 0 || p->target_port == 0)
			return bad(msg, text, "the target is not a port from 1 to 65535");
	} else if (slice_is(key, "published")) {
		if (slice_to_u64(value, 65535, &p->published_port) < 0)
			return bad(msg, text, "the published port is not one from 1 to 65535");
	} else if (slice_is(key, "protocol")) {
		if (protocol_parse(value, &p->protocol) < 0)
			return bad(msg, text, "the protocol is not tcp, udp or sctp");
	} else if (slice_is(key, "mode")) {
		if (!slice_is(value, "ingress") && !slice_is(value, "host"))
			return bad(msg, text, "the mode is not ingress or host");
		p->publish_mode = slice_is(value, "host") ? PUBLISH_HOST : PUBLISH_INGRESS;
	} else {
		return errmsg_set(msg, ERR_INVALID, "\"%s\": there is no field \"%.*s\"", text,
			SLICE_ARGS(key));
	}
	return 0;
}

int values_ports(struct arena *a, const char *text, struct list *out, struct errmsg *msg)
{
	struct port_config *p;
	struct strings fields;
	int err;

	if (!strchr(text, '='))
		return ports_short(a, text, out, msg);
	err = words_csv(a, text, &fields, msg);
	p = arena_new(a, sizeof(*p));
	for (uint32_t i = 0; err == 0 && i < fields.count; i++)
		err = port_field(text, fields.items[i], p, msg);
	if (err < 0)
		return err;
	if (p->target_port == 0)
		return bad(msg, text, "target= is missing");
	out->items = p;
	out->count = 1;
	return 0;
}

int values_network(struct arena *a, const char *text, struct network_target *out,
		   struct errmsg *msg)
{
	struct strings fields;
	const char **aliases;
	int err;

	*out = (struct network_target){ .target = text };
	if (!strchr(text, '='))
		return *text ? 0 : bad(msg, text, "a name is missing");
	err = words_csv(a, text, &fields, msg);
	if (err < 0)
		return err;
	out->target = NULL;
	aliases = arena_array(a, fields.count, sizeof(*aliases));
	out->aliases.items = aliases;
	for (uint32_t i = 0; i < fields.count; i++) {
		const char *value, *key = words_key(a, fields.items[i], &value);

		if (strcmp(key, "name") == 0) {
			out->target = value;
		} else if (strcmp(key, "alias") == 0) {
			aliases[out->aliases.count++] = value;
		} else if (strcmp(key, "driver-opt") == 0) {
			const char *option = words_key(a, value, &value);

			out->driver_opts = labels_with(a, &out->driver_opts, option, value);
		} else {
			return errmsg_set(msg, ERR_INVALID, "\"%s\": there is no field \"%s\"",
				text, key);
		}
	}
	return out->target && *out->target ? 0 : bad(msg, text, "name= is missing");
}

int values_ulimit(struct arena *a, const char *text, struct ulimit *out, struct errmsg *msg)
{
	const char *value;
	struct slice hard, soft;

	out->name = words_key(a, text, &value);
	hard = slice_of(value);
	soft = slice_cut(&hard, ':');
	if (!*out->name || slice_to_i64(soft, &out->soft) < 0)
		return errmsg_set(msg, ERR_INVALID, "\"%s\" is not name=soft[:hard]", text);
	out->hard = out->soft;
	if (hard.data && slice_to_i64(hard, &out->hard) < 0)
		return errmsg_set(msg, ERR_INVALID, "\"%s\" is not name=soft[:hard]", text);
	return 0;
}

int values_host(struct arena *a, const char *text, const char **out, struct errmsg *msg)
{
	struct slice address = slice_of(text);
	struct slice name = slice_cut(&address, ':');

	if (name.len == 0 || address.len == 0)
		return errmsg_set(msg, ERR_INVALID, "\"%s\" is not name:ip", text);
	*out = arena_printf(a, "%.*s %.*s", SLICE_ARGS(address), SLICE_ARGS(name));
	return 0;
}

const char *values_capability(struct arena *a, const char *text)
{
	char *name = arena_str(a, slice_of(text));

	for (char *c = name; *c; c++)
		if (*c >= 'a' && *c <= 'z')
			*c = (char)(*c - 'a' + 'A');
	if (strcmp(name, "ALL") == 0 || strncmp(name, "CAP_", 4) == 0)
		return name;
	return arena_printf(a, "CAP_%s", name);
}
