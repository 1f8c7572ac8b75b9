/* arena.h - memory that is given back all at once. Pure.
 *
 * One arena per object, request, step or parse. Nothing in it is freed alone.
 */
#ifndef SB_BASE_ARENA_H
#define SB_BASE_ARENA_H
#include <stddef.h>
#include "base/slice.h"

struct arena_block;	/* private */

struct arena {
	struct arena_block *blocks;	/* private */
	size_t used;			/* read: bytes handed out since init or reset */
};

void arena_init(struct arena *a);
void arena_done(struct arena *a);
/* Gives all but one small block back. */
void arena_reset(struct arena *a);
/* n zeroed bytes, aligned for any type; never NULL (see mem.h). */
void *arena_new(struct arena *a, size_t n);
/* count zeroed elements of size bytes; the product is checked (assert). */
void *arena_array(struct arena *a, size_t count, size_t size);
/* A NUL-terminated copy. */
char *arena_str(struct arena *a, struct slice s);
char *arena_printf(struct arena *a, const char *format, ...)
	__attribute__((format(printf, 2, 3)));
struct slice arena_copy(struct arena *a, struct slice s);
#endif
