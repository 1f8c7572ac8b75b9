/* Contracts are in arena.h. */
#include "base/arena.h"
#include <assert.h>
#include <stdalign.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include "base/mem.h"

/* Objects of the model are mostly under 1 KiB: the first block holds one, later blocks
 * grow with what was needed, so that big parses take few of them. */
enum { ARENA_FIRST = 1024, ARENA_BLOCK_MAX = 64 * 1024, ARENA_PRINTF_MAX = 4096 };

struct arena_block {
	struct arena_block *next;
	size_t size, used;
	alignas(max_align_t) char data[];
};

void arena_init(struct arena *a)
{
	*a = (struct arena){ 0 };
}

void arena_done(struct arena *a)
{
	while (a->blocks) {
		struct arena_block *next = a->blocks->next;

		mem_free(a->blocks);
		a->blocks = next;
	}
	a->used = 0;
}

void arena_reset(struct arena *a)
{
	struct arena_block *keep = NULL;

	while (a->blocks) {
		struct arena_block *b = a->blocks;

		a->blocks = b->next;
		if (!keep && b->size <= ARENA_BLOCK_MAX)
			keep = b;
		else
			mem_free(b);
	}
	if (keep) {
		memset(keep->data, 0, keep->used);
		keep->used = 0;
		keep->next = NULL;
	}
	a->blocks = keep;
	a->used = 0;
}

void *arena_new(struct arena *a, size_t n)
{
	struct arena_block *b = a->blocks;
	size_t align = alignof(max_align_t);
	void *p;

	assert(n <= SIZE_MAX / 2);
	n = (n + align - 1) / align * align;
	if (!b || b->size - b->used < n) {
		size_t size = b ? b->size * 2 : ARENA_FIRST;

		if (size > ARENA_BLOCK_MAX)
			size = ARENA_BLOCK_MAX;
		if (size < n)
			size = n;
		b = mem_new(sizeof(*b) + size);
		b->size = size;
		b->next = a->blocks;
		a->blocks = b;
	}
	p = b->data + b->used;
	b->used += n;
	a->used += n;
	return p;
}

void *arena_array(struct arena *a, size_t count, size_t size)
{
	assert(size == 0 || count <= SIZE_MAX / 2 / size);
	return arena_new(a, count * size);
}

char *arena_str(struct arena *a, struct slice s)
{
	char *p = arena_new(a, s.len + 1);

	if (s.len)
		memcpy(p, s.data, s.len);
	return p;
}

struct slice arena_copy(struct arena *a, struct slice s)
{
	return (struct slice){ arena_str(a, s), s.len };
}

char *arena_printf(struct arena *a, const char *format, ...)
{
	char text[ARENA_PRINTF_MAX];
	va_list args;

	va_start(args, format);
	vsnprintf(text, sizeof(text), format, args);
	va_end(args);
	return arena_str(a, slice_of(text));
}
