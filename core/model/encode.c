/*
 * Structs into JSON. Contracts are in table.h. The functions call each other along the static
 * tables, as in decode.c.
 */
#include <assert.h>
#include <string.h>
#include "base/timefmt.h"
#include "model/table.h"

static void encode_members(struct json_writer *w, const struct table *table, enum model_form form,
			   const void *in);

static int is_empty_struct(const struct table *table, const void *at);

static int is_empty(const struct field *f, const void *at)
{
	switch (f->kind) {
	case FIELD_STRING: {
		const char *s = *(const char *const *)at;

		return !s || !*s;
	}
	case FIELD_BOOL:
	case FIELD_ENUM:
		return *(const int *)at == 0;
	case FIELD_I64:
	case FIELD_U64:
	case FIELD_NANO:
	case FIELD_TIME:
		return *(const int64_t *)at == 0;
	case FIELD_BOOL_OPT:
	case FIELD_I64_OPT:
	case FIELD_U64_OPT:
	case FIELD_POINTER:
		return *(void *const *)at == NULL;
	case FIELD_STRINGS:
		return ((const struct strings *)at)->count == 0;
	case FIELD_LABELS:
		return ((const struct labels *)at)->count == 0;
	case FIELD_LIST:
		return ((const struct list *)at)->count == 0;
	case FIELD_RAW:
		return ((const struct slice *)at)->len == 0;
	case FIELD_STRUCT:
	case FIELD_FLAT:
		return is_empty_struct(f->table, at);
	}
	return 0;
}

static int is_empty_struct(const struct table *table, const void *at)
{
	for (const struct field *f = table->fields; f->name || f->table; f++) {
		if (!is_empty(f, (const char *)at + f->offset))
			return 0;
	}
	return table->extra == TABLE_NO_EXTRA ||
	       ((const struct slice *)(const void *)((const char *)at + table->extra))->len == 0;
}

/* What is not there has no text, so NULL is not written even without FIELD_OMIT_EMPTY. */
static int is_absent(const struct field *f, const void *at)
{
	switch (f->kind) {
	case FIELD_STRING:
	case FIELD_BOOL_OPT:
	case FIELD_I64_OPT:
	case FIELD_U64_OPT:
	case FIELD_POINTER:
		return *(void *const *)at == NULL;
	case FIELD_RAW:
		return ((const struct slice *)at)->len == 0;
	default:
		return 0;
	}
}

static int is_written(const struct field *f, enum model_form form, const void *at)
{
	if (form == MODEL_API && (f->flags & FIELD_INTERNAL))
		return 0;
	return !is_absent(f, at) && !((f->flags & FIELD_OMIT_EMPTY) && is_empty(f, at));
}

static void encode_labels(struct json_writer *w, const struct labels *l)
{
	json_open_object(w);
	for (uint32_t i = 0; i < l->count; i++)
		json_put_str(w, l->items[i].key, l->items[i].value);
	json_close_object(w);
}

static void encode_strings(struct json_writer *w, const struct strings *s)
{
	json_open_array(w);
	for (uint32_t i = 0; i < s->count; i++)
		json_write_str(w, s->items[i]);
	json_close_array(w);
}

static void encode_list(struct json_writer *w, const struct table *table, enum model_form form,
			const struct list *l)
{
	json_open_array(w);
	for (uint32_t i = 0; i < l->count; i++)
		model_encode(w, table, form, (const char *)l->items + i * table->size);
	json_close_array(w);
}

static void encode_enum(struct json_writer *w, const char *const *names, int value)
{
	int count = 0;

	while (names[count])
		count++;
	assert(value >= 0 && value < count);
	json_write_str(w, names[value]);
}

static void encode_field(struct json_writer *w, const struct field *f, enum model_form form,
			 const void *at)
{
	const void *pointer = f->kind == FIELD_POINTER ? *(void *const *)at : NULL;
	char text[TIME_TEXT_MAX];

	switch (f->kind) {
	case FIELD_STRING: json_write_str(w, *(const char *const *)at); break;
	case FIELD_BOOL: json_write_bool(w, *(const int *)at); break;
	case FIELD_BOOL_OPT: json_write_bool(w, **(int *const *)at); break;
	case FIELD_I64: json_write_i64(w, *(const int64_t *)at); break;
	case FIELD_I64_OPT: json_write_i64(w, **(int64_t *const *)at); break;
	case FIELD_U64: json_write_u64(w, *(const uint64_t *)at); break;
	case FIELD_U64_OPT: json_write_u64(w, **(uint64_t *const *)at); break;
	case FIELD_NANO: json_write_nano(w, *(const int64_t *)at); break;
	case FIELD_TIME:
		time_format(*(const int64_t *)at, text);
		json_write_str(w, text);
		break;
	case FIELD_ENUM: encode_enum(w, f->names, *(const int *)at); break;
	case FIELD_STRINGS: encode_strings(w, at); break;
	case FIELD_LABELS: encode_labels(w, at); break;
	case FIELD_LIST: encode_list(w, f->table, form, at); break;
	case FIELD_STRUCT: model_encode(w, f->table, form, at); break;
	case FIELD_POINTER: model_encode(w, f->table, form, pointer); break;
	case FIELD_RAW: json_write_raw(w, *(const struct slice *)at); break;
	case FIELD_FLAT: encode_members(w, f->table, form, at); break;
	}
}

static void encode_members(struct json_writer *w, const struct table *table, enum model_form form,
			   const void *in)
{
	for (const struct field *f = table->fields; f->name || f->table; f++) {
		const void *at = (const char *)in + f->offset;

		if (f->kind != FIELD_FLAT && !is_written(f, form, at))
			continue;
		if (f->kind != FIELD_FLAT)
			json_write_key(w, f->name);
		encode_field(w, f, form, at);
	}
}

void model_encode(struct json_writer *w, const struct table *table, enum model_form form,
		  const void *in)
{
	json_open_object(w);
	encode_members(w, table, form, in);
	if (table->extra != TABLE_NO_EXTRA)
		json_write_members(w, *(const struct slice *)(const void *)((const char *)in +
									    table->extra));
	json_close_object(w);
}
