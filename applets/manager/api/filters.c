/* ?filters=: {"label":{"k=v":true}} as the docker command writes it, or {"name":["x"]} as
 * docker-py does. Contracts are in private.h. */
#include <string.h>
#include "applets/manager/api/private.h"

static int is_allowed(const char *const *allowed, struct slice key)
{
	for (; *allowed; allowed++) {
		if (slice_is(key, *allowed))
			return 1;
	}
	return 0;
}

static int take_key(struct call *c, const struct json *member, struct filters *f)
{
	int is_list = json_type(member) == JSON_ARRAY;
	struct arena *a = c->turn->arena;

	if (!is_list && json_type(member) != JSON_OBJECT)
		return -1;
	for (const struct json *v = json_first(member); v; v = json_next(v)) {
		struct filter *item = &f->items[f->count++];

		if (is_list && json_type(v) != JSON_STRING)
			return -1;
		item->key = arena_str(a, json_key(member));
		item->value = arena_str(a, is_list ? json_string(v) : json_key(v));
	}
	return 0;
}

static int refuse(struct call *c, const char *why)
{
	fail(c, 400, "invalid filters: %s", why);
	return -1;
}

int filters_read(struct call *c, const char *const *allowed, struct filters *f)
{
	const char *text = query_text(c, "filters");
	struct errmsg msg = { { 0 } };
	const struct json *root;
	size_t total = 0;

	*f = (struct filters){ 0 };
	if (!*text)
		return 0;
	if (json_parse(c->turn->arena, slice_of(text), &root, &msg) < 0)
		return refuse(c, msg.text);
	if (json_type(root) != JSON_OBJECT)
		return refuse(c, "must be a JSON object");
	for (const struct json *m = json_first(root); m; m = json_next(m)) {
		if (!is_allowed(allowed, json_key(m))) {
			fail(c, 400, "invalid filter '%.*s'", SLICE_ARGS(json_key(m)));
			return -1;
		}
		total += json_count(m);
	}
	f->items = arena_array(c->turn->arena, total, sizeof(*f->items));
	for (const struct json *m = json_first(root); m; m = json_next(m)) {
		if (take_key(c, m, f) < 0)
			return refuse(c, "each must be a list of strings or an object of them");
	}
	return 0;
}

int filters_have(const struct filters *f, const char *key)
{
	for (uint32_t i = 0; i < f->count; i++) {
		if (strcmp(f->items[i].key, key) == 0)
			return 1;
	}
	return 0;
}

enum match { MATCH_EXACT, MATCH_PREFIX, MATCH_WITHIN };

static int match(const struct filters *f, const char *key, const char *text, enum match how)
{
	int found = 0;

	for (uint32_t i = 0; i < f->count; i++) {
		const char *value = f->items[i].value;

		if (strcmp(f->items[i].key, key) != 0)
			continue;
		found = 1;
		if (!text)
			continue;
		if ((how == MATCH_EXACT && strcmp(text, value) == 0) ||
		    (how == MATCH_PREFIX && strncmp(text, value, strlen(value)) == 0) ||
		    (how == MATCH_WITHIN && strstr(text, value)))
			return 1;
	}
	return !found;
}

int filters_exact(const struct filters *f, const char *key, const char *text)
{
	return match(f, key, text, MATCH_EXACT);
}

int filters_prefix(const struct filters *f, const char *key, const char *text)
{
	return match(f, key, text, MATCH_PREFIX);
}

int filters_within(const struct filters *f, const char *key, const char *text)
{
	return match(f, key, text, MATCH_WITHIN);
}

static int has_label(const struct labels *labels, const char *wanted)
{
	struct slice rest = slice_of(wanted), name = slice_cut(&rest, '=');

	for (uint32_t i = 0; i < labels->count; i++) {
		if (slice_is(name, labels->items[i].key))
			return !rest.data || slice_is(rest, labels->items[i].value);
	}
	return 0;
}

int filters_labels(const struct filters *f, const char *key, const struct labels *labels)
{
	for (uint32_t i = 0; i < f->count; i++) {
		if (strcmp(f->items[i].key, key) == 0 && !has_label(labels, f->items[i].value))
			return 0;
	}
	return 1;
}
