/* Labels and lists of strings. Contracts are in table.h. */
#include <string.h>
#include "model/table.h"

const char *labels_get(const struct labels *l, const char *key)
{
	for (uint32_t i = 0; i < l->count; i++) {
		if (strcmp(l->items[i].key, key) == 0)
			return l->items[i].value;
	}
	return NULL;
}

struct labels labels_without(struct arena *a, const struct labels *l, const char *key)
{
	struct labels out = { arena_array(a, l->count, sizeof(*l->items)), 0 };

	for (uint32_t i = 0; i < l->count; i++) {
		if (strcmp(l->items[i].key, key) != 0)
			out.items[out.count++] = l->items[i];
	}
	return out;
}

struct labels labels_with(struct arena *a, const struct labels *l, const char *key,
			  const char *value)
{
	struct labels out = { arena_array(a, (size_t)l->count + 1, sizeof(*l->items)), 0 };
	struct label new = { arena_str(a, slice_of(key)), arena_str(a, slice_of(value)) };
	int placed = 0;

	for (uint32_t i = 0; i < l->count; i++) {
		int order = strcmp(l->items[i].key, key);

		if (order >= 0 && !placed) {
			out.items[out.count++] = new;
			placed = 1;
		}
		if (order != 0)
			out.items[out.count++] = l->items[i];
	}
	if (!placed)
		out.items[out.count++] = new;
	return out;
}

int strings_have(const struct strings *s, const char *text)
{
	for (uint32_t i = 0; i < s->count; i++) {
		if (strcmp(s->items[i], text) == 0)
			return 1;
	}
	return 0;
}

struct strings strings_with(struct arena *a, const struct strings *s, const char *text)
{
	struct strings out = { arena_array(a, (size_t)s->count + 1, sizeof(*s->items)), s->count };

	if (s->count)
		memcpy(out.items, s->items, s->count * sizeof(*s->items));
	out.items[out.count++] = arena_str(a, slice_of(text));
	return out;
}
