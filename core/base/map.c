/* Contracts are in map.h. A skip list (Pugh 1990) with four entries a level step. */
#include "base/map.h"
#include <assert.h>
#include <string.h>
#include "base/mem.h"

void map_init(struct map *m)
{
	*m = (struct map){ .random = UINT64_C(0x9e3779b97f4a7c15) };
}

void map_done(struct map *m)
{
	struct map_entry *e = m->head[0];

	while (e) {
		struct map_entry *next = e->next[0];

		mem_free(e);
		e = next;
	}
	map_init(m);
}

static unsigned level_next(struct map *m)
{
	unsigned level = 1;

	m->random ^= m->random << 13;
	m->random ^= m->random >> 7;
	m->random ^= m->random << 17;
	for (uint64_t r = m->random; level < MAP_LEVELS && (r & 3) == 0; r >>= 2)
		level++;
	return level;
}

/* links[i]: the pointer on level i that leads to the first entry >= key. */
static void find_links(struct map *m, struct slice key, struct map_entry **links[MAP_LEVELS])
{
	struct map_entry **next = m->head;

	for (int i = MAP_LEVELS - 1; i >= 0; i--) {
		while (next[i] && slice_compare(next[i]->key, key) < 0)
			next = next[i]->next;
		links[i] = &next[i];
	}
}

struct map_entry *map_from(const struct map *m, struct slice key)
{
	struct map_entry *const *next = m->head;

	for (int i = MAP_LEVELS - 1; i >= 0; i--) {
		while (next[i] && slice_compare(next[i]->key, key) < 0)
			next = next[i]->next;
	}
	return next[0];
}

struct map_entry *map_find(const struct map *m, struct slice key)
{
	struct map_entry *e = map_from(m, key);

	return e && slice_equal(e->key, key) ? e : NULL;
}

void *map_get(const struct map *m, struct slice key)
{
	struct map_entry *e = map_find(m, key);

	return e ? e->value : NULL;
}

void *map_set(struct map *m, struct slice key, void *value)
{
	struct map_entry **links[MAP_LEVELS], *e;
	unsigned level;
	char *copy;

	find_links(m, key, links);
	e = *links[0];
	if (e && slice_equal(e->key, key)) {
		void *old = e->value;

		e->value = value;
		return old;
	}
	level = level_next(m);
	e = mem_new(sizeof(*e) + level * sizeof(e->next[0]) + key.len + 1);
	copy = (char *)&e->next[level];
	if (key.len)
		memcpy(copy, key.data, key.len);
	e->key = (struct slice){ copy, key.len };
	e->value = value;
	for (unsigned i = 0; i < level; i++) {
		e->next[i] = *links[i];
		*links[i] = e;
	}
	m->count++;
	return NULL;
}

void *map_remove(struct map *m, struct slice key)
{
	struct map_entry **links[MAP_LEVELS], *e;
	void *value;

	find_links(m, key, links);
	e = *links[0];
	if (!e || !slice_equal(e->key, key))
		return NULL;
	for (unsigned i = 0; i < MAP_LEVELS && *links[i] == e; i++)
		*links[i] = e->next[i];
	value = e->value;
	mem_free(e);
	assert(m->count > 0);
	m->count--;
	return value;
}

struct map_entry *map_first(const struct map *m)
{
	return m->head[0];
}

struct map_entry *map_next(const struct map_entry *e)
{
	return e->next[0];
}
