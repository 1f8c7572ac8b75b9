/*
 * Placement constraints, "node.role==manager" (docker-swarm.md 5.1). Contracts are in control.h
 * and loop.h.
 */
#include "applets/manager/control/loop.h"
#include <string.h>
#include "codec/netmap.h"

struct constraint {
	struct slice key, value;
	int negated;
};

static int is_letter(char c)
{
	return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
}

static int is_of(char c, const char *set)
{
	return is_letter(c) || (c >= '0' && c <= '9') || (c && strchr(set, c));
}

static int key_is_valid(struct slice s)
{
	if (s.len < 2 || !(is_letter(s.data[0]) || s.data[0] == '_'))
		return 0;
	for (size_t i = 0; i < s.len; i++) {
		if (!is_of(s.data[i], "_-."))
			return 0;
	}
	return 1;
}

static int value_is_valid(struct slice s)
{
	for (size_t i = 0; i < s.len; i++) {
		if (!is_of(s.data[i], ":-_ \t.*()?+[]\\^$|/"))
			return 0;
	}
	return s.len > 0;
}

/* What stands before and after the first "==" or, lacking one, "!=". */
static int split(struct slice text, const char *operator, struct constraint *c)
{
	for (size_t i = 0; i + 1 < text.len; i++) {
		if (text.data[i] != operator[0] || text.data[i + 1] != '=')
			continue;
		c->key = slice_trim((struct slice){ text.data, i });
		c->value = slice_trim((struct slice){ text.data + i + 2, text.len - i - 2 });
		c->negated = operator[0] == '!';
		return 1;
	}
	return 0;
}

static int parse(const char *text, struct constraint *c, struct errmsg *msg)
{
	struct slice s = slice_of(text);

	if (!split(s, "==", c) && !split(s, "!=", c))
		return errmsg_set(msg, ERR_INVALID,
				  "constraint expected one operator from ==, !=");
	if (!key_is_valid(c->key))
		return errmsg_set(msg, ERR_INVALID, "key '%.*s' is invalid", SLICE_ARGS(c->key));
	if (!value_is_valid(c->value))
		return errmsg_set(msg, ERR_INVALID, "value '%.*s' is invalid",
				  SLICE_ARGS(c->value));
	return 0;
}

int constraint_check(const char *text, struct errmsg *msg)
{
	struct constraint c;

	return parse(text, &c, msg);
}

/* Engines and people name the same processor differently. */
static const char *arch_name(const char *name)
{
	struct slice s = slice_of(name);

	if (slice_is_nocase(s, "x86_64"))
		return "amd64";
	return slice_is_nocase(s, "aarch64") ? "arm64" : name ? name : "";
}

/* An address, or a prefix: "10.0.0.0/8". */
static int ip_matches(const char *addr, struct slice value)
{
	struct slice rest = value, base = slice_cut(&rest, '/');
	uint64_t bits = 32;
	uint32_t wanted, have, mask;

	if (rest.data && slice_to_u64(rest, 32, &bits) < 0)
		return 0;
	if (ipv4_parse(base, &wanted) < 0 || ipv4_parse(slice_of(addr), &have) < 0)
		return 0;
	mask = bits == 0 ? 0 : UINT32_MAX << (32 - bits);
	return (wanted & mask) == (have & mask);
}

static const char *text_of(const char *text)
{
	return text ? text : "";
}

/* The value of a key whose rest names a label, or NULL. */
static const char *label_value(struct slice key, const char *prefix, const struct labels *labels)
{
	size_t n = strlen(prefix);

	if (key.len <= n || !slice_is_nocase((struct slice){ key.data, n }, prefix))
		return NULL;
	for (uint32_t i = 0; i < labels->count; i++) {
		if (slice_is((struct slice){ key.data + n, key.len - n }, labels->items[i].key))
			return text_of(labels->items[i].value);
	}
	return "";
}

/* What the node has for a key; NULL when there is no such key. */
static const char *node_value(const struct node *n, struct slice key)
{
	const char *label;

	if (slice_is_nocase(key, "node.id"))
		return n->meta.id;
	if (slice_is_nocase(key, "node.hostname"))
		return text_of(n->description.hostname);
	if (slice_is_nocase(key, "node.role"))
		return n->spec.role == ROLE_MANAGER ? "manager" : "worker";
	if (slice_is_nocase(key, "node.platform.os"))
		return text_of(n->description.platform.os);
	if (slice_is_nocase(key, "node.platform.arch"))
		return arch_name(n->description.platform.architecture);
	label = label_value(key, "node.labels.", &n->spec.labels);
	return label ? label : label_value(key, "engine.labels.", &n->description.engine.labels);
}

static int matches(const struct constraint *c, const struct node *n)
{
	const char *have = node_value(n, c->key);
	char wanted[64];

	if (slice_is_nocase(c->key, "node.ip"))
		return ip_matches(n->status.addr, c->value) != c->negated;
	if (!have)
		return 0;
	if (slice_is_nocase(c->key, "node.platform.arch") && c->value.len < sizeof(wanted)) {
		memcpy(wanted, c->value.data, c->value.len);
		wanted[c->value.len] = '\0';
		return slice_is_nocase(slice_of(arch_name(wanted)), have) != c->negated;
	}
	return slice_is_nocase(c->value, have) != c->negated;
}

int constraints_match(const struct placement *placement, const struct node *node)
{
	struct constraint c;

	for (uint32_t i = 0; placement && i < placement->constraints.count; i++) {
		if (parse(placement->constraints.items[i], &c, NULL) < 0 || !matches(&c, node))
			return 0;
	}
	return 1;
}

int platforms_match(const struct placement *placement, const struct node *node)
{
	const struct platform *have = &node->description.platform;

	if (!placement || placement->platforms.count == 0)
		return 1;
	for (uint32_t i = 0; i < placement->platforms.count; i++) {
		const struct platform *p = LIST_AT(&placement->platforms, struct platform, i);
		const char *os = text_of(p->os), *arch = arch_name(p->architecture);

		if ((!*os || slice_is_nocase(slice_of(os), text_of(have->os))) &&
		    (!*arch || slice_is_nocase(slice_of(arch), arch_name(have->architecture))))
			return 1;
	}
	return 0;
}
