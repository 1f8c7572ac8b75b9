/* yaml.h - reading YAML 1.1 into a tree with places, bounded. Pure.
 *
 * libyaml behind this header. Aliases and merge keys (<<) are expanded into the tree; what
 * they expand to counts against YAML_NODES_MAX, so an alias bomb is ERR_LIMIT. Scalars keep
 * their text and whether they were plain or quoted; what a plain scalar means (number, true,
 * null) is for the caller, by yaml_is_null and friends.
 */
#ifndef SB_CODEC_YAML_H
#define SB_CODEC_YAML_H
#include <stdint.h>
#include "base/arena.h"
#include "base/err.h"
#include "base/slice.h"

enum {
	YAML_DEPTH_MAX = 64,
	YAML_TEXT_MAX = 4 * 1024 * 1024,
	YAML_NODES_MAX = 100000,
};

enum yaml_type { YAML_SCALAR, YAML_LIST, YAML_MAP };

struct yaml {
	enum yaml_type type;
	int plain;		/* a scalar without quotes and not a block */
	struct slice text;	/* a scalar's text */
	struct slice key;	/* set on the children of a map */
	unsigned line, column;	/* of the key for a map's child, else of the value; from 1 */
	struct yaml *first;	/* children in the file's order */
	struct yaml *next;
	size_t count;		/* of children */
};

/*
 * Parses one document. file: a name for messages. All nodes live in the arena.
 * Returns 0 and *root (NULL for an empty document); ERR_INVALID (syntax, duplicate key, key
 * that is no scalar, second document, invalid UTF-8, a NUL, unknown or recursive alias, a tag
 * other than !!str, !!int, !!float, !!bool, !!null, !!map, !!seq and !) or ERR_LIMIT (depth, size,
 * nodes). msg is "FILE:LINE:COLUMN: what".
 * Merged children stand behind a map's own and keep the place where they are written.
 */
int yaml_parse(struct arena *a, const char *file, struct slice text, struct yaml **root,
	       struct errmsg *msg);

/* A map's child, or NULL (also for NULL or another type). */
struct yaml *yaml_get(const struct yaml *map, const char *key);
/* A plain empty, ~, null, Null or NULL scalar; or node is NULL. */
int yaml_is_null(const struct yaml *node);
/* Plain true/false/yes/no/on/off in the three cases of YAML 1.1: 0 and *value, or ERR_INVALID. */
int yaml_to_bool(const struct yaml *node, int *value);
#endif
