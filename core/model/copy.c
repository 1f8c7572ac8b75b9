/*
 * Deep copies and comparison by table. Contracts are in table.h.
 */
#include <string.h>
#include "model/table.h"

static void copy_pointers(struct arena *a, const struct table *table, void *at);

static void *copy_bytes(struct arena *a, const void *from, size_t n)
{
	void *to;

	if (!from)
		return NULL;
	to = arena_new(a, n);
	memcpy(to, from, n);
	return to;
}

/* Most are empty, and an empty one costs nothing. */
static void copy_slice(struct arena *a, struct slice *s)
{
	*s = s->len ? arena_copy(a, *s) : (struct slice){ NULL, 0 };
}

static void copy_strings(struct arena *a, struct strings *s)
{
	if (s->count)
		s->items = copy_bytes(a, s->items, s->count * sizeof(*s->items));
	for (uint32_t i = 0; i < s->count; i++)
		s->items[i] = arena_str(a, slice_of(s->items[i]));
}

static void copy_labels(struct arena *a, struct labels *l)
{
	if (l->count)
		l->items = copy_bytes(a, l->items, l->count * sizeof(*l->items));
	for (uint32_t i = 0; i < l->count; i++) {
		l->items[i].key = arena_str(a, slice_of(l->items[i].key));
		l->items[i].value = arena_str(a, slice_of(l->items[i].value));
	}
}

static void copy_list(struct arena *a, const struct table *table, struct list *l)
{
	if (l->count)
		l->items = copy_bytes(a, l->items, l->count * table->size);
	for (uint32_t i = 0; i < l->count; i++)
		copy_pointers(a, table, (char *)l->items + i * table->size);
}

static void copy_field(struct arena *a, const struct field *f, void *at)
{
	void **pointer = at;

	switch (f->kind) {
	case FIELD_STRING:
		if (*pointer)
			*pointer = arena_str(a, slice_of(*pointer));
		break;
	case FIELD_BOOL_OPT:
		*pointer = copy_bytes(a, *pointer, sizeof(int));
		break;
	case FIELD_I64_OPT:
	case FIELD_U64_OPT:
		*pointer = copy_bytes(a, *pointer, sizeof(int64_t));
		break;
	case FIELD_STRINGS: copy_strings(a, at); break;
	case FIELD_LABELS: copy_labels(a, at); break;
	case FIELD_LIST: copy_list(a, f->table, at); break;
	case FIELD_RAW: copy_slice(a, at); break;
	case FIELD_POINTER:
		*pointer = copy_bytes(a, *pointer, f->table->size);
		if (*pointer)
			copy_pointers(a, f->table, *pointer);
		break;
	case FIELD_STRUCT:
	case FIELD_FLAT:
		copy_pointers(a, f->table, at);
		break;
	case FIELD_BOOL:
	case FIELD_I64:
	case FIELD_U64:
	case FIELD_NANO:
	case FIELD_TIME:
	case FIELD_ENUM:
		break;
	}
}

/* at is a bytewise copy already: what it points to becomes the copy's own. */
static void copy_pointers(struct arena *a, const struct table *table, void *at)
{
	for (const struct field *f = table->fields; f->name || f->table; f++)
		copy_field(a, f, (char *)at + f->offset);
	if (table->extra != TABLE_NO_EXTRA)
		copy_slice(a, (void *)((char *)at + table->extra));
}

void *model_copy(struct arena *a, const struct table *table, const void *in)
{
	void *out = copy_bytes(a, in, table->size);

	copy_pointers(a, table, out);
	return out;
}

/* NULL and "" are equal: the API does not tell them apart. */
static int equal_text(const char *a, const char *b)
{
	return strcmp(a ? a : "", b ? b : "") == 0;
}

static int equal_strings(const struct strings *a, const struct strings *b)
{
	if (a->count != b->count)
		return 0;
	for (uint32_t i = 0; i < a->count; i++) {
		if (!equal_text(a->items[i], b->items[i]))
			return 0;
	}
	return 1;
}

static int equal_labels(const struct labels *a, const struct labels *b)
{
	if (a->count != b->count)
		return 0;
	for (uint32_t i = 0; i < a->count; i++) {
		if (!equal_text(a->items[i].key, b->items[i].key) ||
		    !equal_text(a->items[i].value, b->items[i].value))
			return 0;
	}
	return 1;
}

static int equal_list(const struct table *table, const struct list *a, const struct list *b)
{
	if (a->count != b->count)
		return 0;
	for (uint32_t i = 0; i < a->count; i++) {
		if (!model_equal(table, (const char *)a->items + i * table->size,
				 (const char *)b->items + i * table->size))
			return 0;
	}
	return 1;
}

static int equal_optional(const void *a, const void *b, size_t n)
{
	const void *x = *(void *const *)a, *y = *(void *const *)b;

	return x && y ? memcmp(x, y, n) == 0 : x == y;
}

static int equal_field(const struct field *f, const void *a, const void *b)
{
	switch (f->kind) {
	case FIELD_STRING:
		return equal_text(*(const char *const *)a, *(const char *const *)b);
	case FIELD_BOOL:
	case FIELD_ENUM:
		return *(const int *)a == *(const int *)b;
	case FIELD_I64:
	case FIELD_U64:
	case FIELD_NANO:
	case FIELD_TIME:
		return *(const int64_t *)a == *(const int64_t *)b;
	case FIELD_BOOL_OPT: return equal_optional(a, b, sizeof(int));
	case FIELD_I64_OPT:
	case FIELD_U64_OPT: return equal_optional(a, b, sizeof(int64_t));
	case FIELD_STRINGS: return equal_strings(a, b);
	case FIELD_LABELS: return equal_labels(a, b);
	case FIELD_LIST: return equal_list(f->table, a, b);
	case FIELD_RAW:
		return slice_equal(*(const struct slice *)a, *(const struct slice *)b);
	case FIELD_POINTER: {
		const void *x = *(void *const *)a, *y = *(void *const *)b;

		return x && y ? model_equal(f->table, x, y) : x == y;
	}
	case FIELD_STRUCT:
	case FIELD_FLAT: return model_equal(f->table, a, b);
	}
	return 0;
}

int model_equal(const struct table *table, const void *a, const void *b)
{
	const char *x = a, *y = b;

	for (const struct field *f = table->fields; f->name || f->table; f++) {
		if (!equal_field(f, x + f->offset, y + f->offset))
			return 0;
	}
	return table->extra == TABLE_NO_EXTRA ||
	       slice_equal(*(const struct slice *)(const void *)(x + table->extra),
			   *(const struct slice *)(const void *)(y + table->extra));
}
