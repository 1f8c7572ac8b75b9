/*
 * JSON into structs. Contracts are in table.h.
 *
 * The functions here call each other along the static tables, which form no cycle, so the depth
 * is that of the types and never that of the input. Member names match in any case, exact ones
 * first, because Docker's own decoder (Go) does so.
 */
#include "model/table.h"
#include <assert.h>
#include <stdlib.h>
#include <string.h>
#include "base/timefmt.h"

struct decoder {
	struct arena *arena;
	enum model_form form;
	struct errmsg *msg;
};

static int decode_struct(struct decoder *d, const struct table *table, const struct json *node,
			 void *out);

static int bad(struct decoder *d, const char *what)
{
	return errmsg_set(d->msg, ERR_INVALID, "must be %s", what);
}

static int decode_i64(struct decoder *d, const struct json *node, int64_t *out)
{
	return json_to_i64(node, out) < 0 ? bad(d, "an integer") : 0;
}

static int decode_u64(struct decoder *d, const struct json *node, uint64_t *out)
{
	return json_to_u64(node, out) < 0 ? bad(d, "an integer, not negative") : 0;
}

static int decode_bool(struct decoder *d, const struct json *node, int *out)
{
	if (json_type(node) != JSON_BOOL)
		return bad(d, "true or false");
	*out = json_is_true(node);
	return 0;
}

static int decode_string(struct decoder *d, const struct json *node, const char **out)
{
	if (json_type(node) != JSON_STRING)
		return bad(d, "a string");
	*out = arena_str(d->arena, json_string(node));
	return 0;
}

static int decode_enum(struct decoder *d, const struct field *f, const struct json *node, int *out)
{
	char allowed[256] = "";
	size_t n = 0;

	if (json_type(node) != JSON_STRING)
		return bad(d, "a string");
	for (int i = 0; f->names[i]; i++) {
		if (slice_is(json_string(node), f->names[i])) {
			*out = i;
			return 0;
		}
		for (const char *p = f->names[i]; *p && n < sizeof(allowed) - 3; p++)
			allowed[n++] = *p;
		if (f->names[i + 1] && n < sizeof(allowed) - 3) {
			allowed[n++] = ',';
			allowed[n++] = ' ';
		}
	}
	if (json_string(node).len == 0) {
		*out = 0;
		return 0;
	}
	allowed[n] = '\0';
	return errmsg_set(d->msg, ERR_INVALID, "invalid value \"%.*s\": must be one of %s",
			  SLICE_ARGS(json_string(node)), allowed);
}

static int decode_time(struct decoder *d, const struct json *node, int64_t *out)
{
	if (json_type(node) != JSON_STRING || time_parse(json_string(node), out) < 0)
		return bad(d, "a time in RFC 3339 form");
	return 0;
}

static int list_size(struct decoder *d, const struct json *node, uint32_t *count)
{
	if (json_count(node) > MODEL_LIST_MAX)
		return errmsg_set(d->msg, ERR_LIMIT, "more than %d elements", MODEL_LIST_MAX);
	*count = (uint32_t)json_count(node);
	return 0;
}

static int decode_strings(struct decoder *d, const struct json *node, struct strings *out)
{
	uint32_t i = 0;
	int err;

	if (json_type(node) != JSON_ARRAY)
		return bad(d, "a list of strings");
	if ((err = list_size(d, node, &out->count)) < 0)
		return err;
	out->items = arena_array(d->arena, out->count, sizeof(*out->items));
	for (const struct json *c = json_first(node); c; c = json_next(c)) {
		if ((err = decode_string(d, c, &out->items[i])) < 0)
			return errmsg_prefix(d->msg, err, "%u", (unsigned)i);
		i++;
	}
	return 0;
}

static int label_order(const void *a, const void *b)
{
	return strcmp(((const struct label *)a)->key, ((const struct label *)b)->key);
}

static int decode_labels(struct decoder *d, const struct json *node, struct labels *out)
{
	uint32_t i = 0;
	int err;

	if (json_type(node) != JSON_OBJECT)
		return bad(d, "an object of strings");
	if ((err = list_size(d, node, &out->count)) < 0)
		return err;
	out->items = arena_array(d->arena, out->count, sizeof(*out->items));
	for (const struct json *c = json_first(node); c; c = json_next(c), i++) {
		out->items[i].key = arena_str(d->arena, json_key(c));
		out->items[i].value = "";
		if (json_type(c) == JSON_NULL)
			continue;
		if ((err = decode_string(d, c, &out->items[i].value)) < 0)
			return errmsg_prefix(d->msg, err, "%s", out->items[i].key);
	}
	if (out->count)
		qsort(out->items, out->count, sizeof(*out->items), label_order);
	return 0;
}

static int decode_list(struct decoder *d, const struct field *f, const struct json *node,
		       struct list *out)
{
	uint32_t i = 0;
	int err;

	if (json_type(node) != JSON_ARRAY)
		return bad(d, "a list");
	if ((err = list_size(d, node, &out->count)) < 0)
		return err;
	out->items = arena_array(d->arena, out->count, f->table->size);
	for (const struct json *c = json_first(node); c; c = json_next(c), i++) {
		err = decode_struct(d, f->table, c, (char *)out->items + i * f->table->size);
		if (err < 0)
			return errmsg_prefix(d->msg, err, "%u", (unsigned)i);
	}
	return 0;
}

static struct slice raw_text(struct decoder *d, const struct json *node)
{
	struct json_writer w;
	struct slice text;
	struct buf b;

	buf_init(&b, JSON_TEXT_MAX);
	json_begin(&w, &b);
	json_write_node(&w, node);
	text = b.failed ? (struct slice){ NULL, 0 } : arena_copy(d->arena, buf_slice(&b));
	buf_done(&b);
	return text;
}

static int decode_field(struct decoder *d, const struct field *f, const struct json *node,
			void *at)
{
	void **pointer = at;

	switch (f->kind) {
	case FIELD_STRING: return decode_string(d, node, at);
	case FIELD_BOOL: return decode_bool(d, node, at);
	case FIELD_I64: return decode_i64(d, node, at);
	case FIELD_U64: return decode_u64(d, node, at);
	case FIELD_TIME: return decode_time(d, node, at);
	case FIELD_ENUM: return decode_enum(d, f, node, at);
	case FIELD_STRINGS: return decode_strings(d, node, at);
	case FIELD_LABELS: return decode_labels(d, node, at);
	case FIELD_LIST: return decode_list(d, f, node, at);
	case FIELD_STRUCT: return decode_struct(d, f->table, node, at);
	case FIELD_NANO:
		return json_to_nano(node, at) < 0 ? bad(d, "a number") : 0;
	case FIELD_BOOL_OPT:
		*pointer = arena_new(d->arena, sizeof(int));
		return decode_bool(d, node, *pointer);
	case FIELD_I64_OPT:
		*pointer = arena_new(d->arena, sizeof(int64_t));
		return decode_i64(d, node, *pointer);
	case FIELD_U64_OPT:
		*pointer = arena_new(d->arena, sizeof(uint64_t));
		return decode_u64(d, node, *pointer);
	case FIELD_POINTER:
		*pointer = arena_new(d->arena, f->table->size);
		return decode_struct(d, f->table, node, *pointer);
	case FIELD_RAW:
		*(struct slice *)at = raw_text(d, node);
		return 0;
	case FIELD_FLAT:
		break;
	}
	assert(0);	/* the members of a flat struct are found by find_field */
	return ERR_INVALID;
}

/* The field of that name, also inside flat ones; *offset becomes where it lies in the struct. */
static const struct field *find_field(const struct table *table, struct slice name, int exact,
				      size_t *offset)
{
	for (const struct field *f = table->fields; f->name || f->table; f++) {
		const struct field *found;
		size_t inner;

		if (f->kind == FIELD_FLAT) {
			found = find_field(f->table, name, exact, &inner);
			if (found) {
				*offset = f->offset + inner;
				return found;
			}
		} else if (exact ? slice_is(name, f->name) : slice_is_nocase(name, f->name)) {
			*offset = f->offset;
			return f;
		}
	}
	return NULL;
}

/* Keeps what this version does not know, as JSON members. */
static void keep_extra(struct decoder *d, struct slice *extra, const struct json *member)
{
	struct json_writer w;
	struct buf b;

	buf_init(&b, JSON_TEXT_MAX);
	if (extra->len) {
		buf_add_slice(&b, *extra);
		buf_add_char(&b, ',');
	}
	json_begin(&w, &b);
	json_write_string(&w, json_key(member));
	buf_add_char(&b, ':');
	json_begin(&w, &b);
	json_write_node(&w, member);
	if (!b.failed)
		*extra = arena_copy(d->arena, buf_slice(&b));
	buf_done(&b);
}

static int decode_struct(struct decoder *d, const struct table *table, const struct json *node,
			 void *out)
{
	if (json_type(node) != JSON_OBJECT)
		return bad(d, "an object");
	for (const struct json *c = json_first(node); c; c = json_next(c)) {
		size_t offset = 0;
		const struct field *f = find_field(table, json_key(c), 1, &offset);
		int err;

		if (!f)
			f = find_field(table, json_key(c), 0, &offset);
		if (!f && table->extra != TABLE_NO_EXTRA && json_type(c) != JSON_NULL)
			keep_extra(d, (struct slice *)(void *)((char *)out + table->extra), c);
		if (!f || json_type(c) == JSON_NULL ||
		    (d->form == MODEL_API && (f->flags & FIELD_INTERNAL)))
			continue;
		err = decode_field(d, f, c, (char *)out + offset);
		if (err < 0)
			return errmsg_prefix(d->msg, err, "%s", f->name);
	}
	return 0;
}

int model_decode(struct arena *a, const struct table *table, enum model_form form,
		 const struct json *node, void *out, struct errmsg *msg)
{
	struct decoder d = { a, form, msg };

	memset(out, 0, table->size);
	if (!node)
		return errmsg_set(msg, ERR_INVALID, "%s: missing", table->name);
	return decode_struct(&d, table, node, out);
}

int model_parse(struct arena *a, const struct table *table, enum model_form form,
		struct slice text, void *out, struct errmsg *msg)
{
	const struct json *root;
	struct arena scratch;
	int err;

	memset(out, 0, table->size);
	arena_init(&scratch);
	err = json_parse(&scratch, text, &root, msg);
	if (err == 0)
		err = model_decode(a, table, form, root, out, msg);
	arena_done(&scratch);
	return err;
}
