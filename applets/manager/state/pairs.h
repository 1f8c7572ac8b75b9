/* pairs.h - keys and values in order of keys, one piece of memory for each pair. Pure.
 *
 * A skip list as base/map.h, which would need three pieces for a pair: the node, the key and the
 * value with its numbers. A pair costs 32 bytes beside key and value, and 11 for its links.
 *
 *	for (p = pairs_from(m, prefix); pair_is_below(p, prefix); p = pair_next(p))
 */
#ifndef SB_APPLETS_MANAGER_STATE_PAIRS_H
#define SB_APPLETS_MANAGER_STATE_PAIRS_H
#include <stddef.h>
#include <stdint.h>
#include "base/slice.h"

enum { PAIRS_LEVELS = 12 };	/* 4^12 pairs before a level is missed */

struct pair {
	uint64_t create, modify;	/* read: index of the entry that made it, that changed it */
	uint64_t flags;			/* read */
	uint32_t value_len;		/* private: see pair_value */
	uint16_t key_len;		/* private */
	uint8_t levels;			/* private */
	struct pair *next[];		/* private: then the key, then the value */
};

struct pairs {
	struct pair *head[PAIRS_LEVELS];	/* private */
	uint64_t random;			/* private */
	size_t count;				/* read */
};

/* What a pair is made from. */
struct pair_content {
	struct slice key;		/* at most UINT16_MAX bytes */
	struct slice value;		/* at most UINT32_MAX bytes */
	uint64_t create, modify, flags;
};

void pairs_init(struct pairs *m);
void pairs_done(struct pairs *m);

/* All borrowed until the pair is put or removed. */
struct slice pair_key(const struct pair *p);
struct slice pair_value(const struct pair *p);
const struct pair *pair_next(const struct pair *p);
/* 1 if p is not NULL and its key begins with prefix. */
int pair_is_below(const struct pair *p, struct slice prefix);
/* The pair of that key, or NULL. */
const struct pair *pairs_find(const struct pairs *m, struct slice key);
/* The first pair whose key is >= key, or NULL. */
const struct pair *pairs_from(const struct pairs *m, struct slice key);

/* Makes the pair, or another in its place. Key and value are copied; they may be those of a pair
 * in m. */
void pairs_put(struct pairs *m, const struct pair_content *c);
/* Writes the new content over that of the pair, which has the same key, if their values are of
 * one length: no search and no memory. 1 if it did. */
int pair_overwrite(const struct pair *p, const struct pair_content *c);
/* 1 if it was there. */
int pairs_remove(struct pairs *m, struct slice key);
/* Removes all whose key begins with prefix; gone is called with each before it is freed. */
void pairs_remove_below(struct pairs *m, struct slice prefix,
			void (*gone)(void *context, const struct pair *p), void *context);

/* For pairs that come in order: each costs the same, however many there are. */
struct pairs_end {
	struct pair **links[PAIRS_LEVELS];	/* private */
	const struct pair *last;		/* read: NULL = none */
};

/* m must be empty, and changed by pairs_append alone until the last. */
void pairs_begin(struct pairs *m, struct pairs_end *end);
/* Asserts that its key is above the last one's. */
void pairs_append(struct pairs *m, struct pairs_end *end, const struct pair_content *c);
#endif
