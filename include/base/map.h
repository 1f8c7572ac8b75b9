/* map.h - an ordered map from byte strings to pointers. Pure.
 *
 * A skip list: O(log n) find, set, remove; iteration in key order (slice_compare), which
 * is what determinism needs. Levels come from a generator inside the map, so neither the
 * keys' contents nor addresses decide anything that can be seen.
 *
 *	for (struct map_entry *e = map_first(m); e; e = map_next(e))
 */
#ifndef SB_BASE_MAP_H
#define SB_BASE_MAP_H
#include <stddef.h>
#include <stdint.h>
#include "base/slice.h"

enum { MAP_LEVELS = 16 };	/* 4^16 entries before a level is missed */

struct map_entry {
	void *value;			/* read and write */
	struct slice key;		/* read; owned by the map; a NUL follows it */
	struct map_entry *next[];	/* private */
};

struct map {
	struct map_entry *head[MAP_LEVELS];	/* private */
	uint64_t random;			/* private */
	size_t count;				/* read */
};

void map_init(struct map *m);
/* Frees the entries, not the values. */
void map_done(struct map *m);
/* The value, or NULL. */
void *map_get(const struct map *m, struct slice key);
struct map_entry *map_find(const struct map *m, struct slice key);
/* Sets key (copied) to value; returns the value that stood there, or NULL. */
void *map_set(struct map *m, struct slice key, void *value);
/* Removes key; returns its value, or NULL if it was not there. */
void *map_remove(struct map *m, struct slice key);
struct map_entry *map_first(const struct map *m);
struct map_entry *map_next(const struct map_entry *e);
/* The first entry whose key is >= key, or NULL: prefix scans start here. */
struct map_entry *map_from(const struct map *m, struct slice key);
#endif
