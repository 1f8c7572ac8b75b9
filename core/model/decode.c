/*
 * JSON into structs. Contracts are in table.h.
 *
 * The functions here call each other along the static tables, which form no cycle, so the depth
 * is that of the types and never that of the input. Member names match in any case, exact ones
 * first, because Docker's own decoder (Go) does so; the texts of enums too, as its daemon does
 * for most of them.
 */
#include "model/table.h"
#include <assert.h>
#include <stdlib.h>
#include <string.h>
#include "base/timefmt.h"

/* Bytes of a wrong value in a message: more would push out what is allowed. */
enum { SHOWN_MAX = 64 };

struct decoder {
	struct arena *arena;
	enum model_form form;
	struct errmsg *msg;
	struct errmsg path;	/* of what is wrong; grows at its front on the way up */
};

static int decode_struct(struct decoder *d, const struct table *table, const struct json *node,
			 void *out);

static int bad(struct decoder *d, const char *what)
{
	return errmsg_set(d->msg, ERR_INVALID, "must be %s", what);
}

/* Puts a member's name in front of the path of an error, on its way up. Returns err. */
static int at_member(struct decoder *d, int err, const char *name)
{
	struct errmsg rest = d->path;

	return errmsg_set(&d->path, err, "%s%s%s", name,
			  *rest.text && *rest.text != '[' ? "." : "", rest.text);
}

static int at_element(struct decoder *d, int err, uint32_t i)
{
	struct errmsg rest = d->path;

	return errmsg_set(&d->path, err, "[%u]%s%s", (unsigned)i,
			  *rest.text && *rest.text != '[' ? "." : "", rest.text);
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
	*out = json_is_true(node) != 0;
	return 0;
}

static int decode_string(struct decoder *d, const struct json *node, const char **out)
{
	if (json_type(node) != JSON_STRING)
		return bad(d, "a string");
	*out = arena_str(d->arena, json_string(node));
	return 0;
}

static int unknown_text(struct decoder *d, const struct field *f, struct slice text)
{
	struct errmsg allowed = { { 0 } };

	for (int i = 0; f->names[i]; i++) {
		struct errmsg before = allowed;

		errmsg_set(&allowed, 0, "%s%s%s", before.text, *before.text ? ", " : "",
			   f->names[i]);
	}
	if (text.len > SHOWN_MAX)
		text.len = SHOWN_MAX;
	return errmsg_set(d->msg, ERR_INVALID, "invalid value \"%.*s\": must be one of %s",
			  SLICE_ARGS(text), allowed.text);
}

static int decode_enum(struct decoder *d, const struct field *f, const struct json *node, int *out)
{
	struct slice text = json_string(node);

	if (json_type(node) != JSON_STRING)
		return bad(d, "a string");
	*out = 0;
	if (text.len == 0)
		return 0;
	for (int i = 0; f->names[i]; i++) {
		if (slice_is_nocase(text, f->names[i])) {
			*out = i;
			return 0;
		}
	}
	return unknown_text(d, f, text);
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
	err = list_size(d, node, &out->count);
	if (err < 0)
		return err;
	out->items = arena_array(d->arena, out->count, sizeof(*out->items));
	for (const struct json *c = json_first(node); c; c = json_next(c), i++) {
		err = decode_string(d, c, &out->items[i]);
		if (err < 0)
			return at_element(d, err, i);
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
	err = list_size(d, node, &out->count);
	if (err < 0)
		return err;
	out->items = arena_array(d->arena, out->count, sizeof(*out->items));
	for (const struct json *c = json_first(node); c; c = json_next(c), i++) {
		out->items[i].key = arena_str(d->arena, json_key(c));
		out->items[i].value = "";
		if (json_type(c) == JSON_NULL)
			continue;
		err = decode_string(d, c, &out->items[i].value);
		if (err < 0)
			return at_member(d, err, out->items[i].key);
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
	err = list_size(d, node, &out->count);
	if (err < 0)
		return err;
	out->items = arena_array(d->arena, out->count, f->table->size);
	for (const struct json *c = json_first(node); c; c = json_next(c), i++) {
		err = decode_struct(d, f->table, c, (char *)out->items + i * f->table->size);
		if (err < 0)
			return at_element(d, err, i);
	}
	return 0;
}

/* How deep the brackets of a JSON text nest. */
static unsigned text_depth(struct slice text)
{
	unsigned depth = 0, deepest = 0;
	int quoted = 0;

	for (size_t i = 0; i < text.len; i++) {
		char c = text.data[i];

		if (c == '"')
			quoted = !quoted;
		else if (quoted)
			i += c == '\\';
		else if (c == '{' || c == '[')
			deepest = ++depth > deepest ? depth : deepest;
		else if (c == '}' || c == ']')
			depth--;
	}
	return deepest;
}

/* Keeps what was written, without its first and last `cut` bytes. */
static int keep_text(struct decoder *d, const struct buf *written, size_t cut, struct slice *out)
{
	struct slice text = buf_slice(written);

	if (written->failed)
		return errmsg_set(d->msg, ERR_LIMIT, "must not be longer than %d bytes",
				  JSON_TEXT_MAX);
	text.data += cut;
	text.len -= 2 * cut;
	if (text_depth(text) > MODEL_RAW_DEPTH_MAX)
		return errmsg_set(d->msg, ERR_LIMIT, "must not nest deeper than %d levels",
				  MODEL_RAW_DEPTH_MAX);
	if (text.len)
		*out = arena_copy(d->arena, text);
	return 0;
}

static int decode_raw(struct decoder *d, const struct json *node, struct slice *out)
{
	struct json_writer w;
	struct buf b;
	int err;

	buf_init(&b, JSON_TEXT_MAX);
	json_begin(&w, &b);
	json_write_node(&w, node);
	err = keep_text(d, &b, 0, out);
	buf_done(&b);
	return err;
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
	case FIELD_RAW: return decode_raw(d, node, at);
	case FIELD_FLAT:
		break;
	}
	assert(0);	/* the members of a flat struct are found by find_field */
	return ERR_INVALID;
}

/* The field that answers to name, also inside flat ones; *offset: where it lies in the struct. */
static const struct field *find_in(const struct table *table, struct slice name, int exact,
				   size_t *offset)
{
	for (const struct field *f = table->fields; f->name || f->table; f++) {
		const struct field *found;
		size_t inner;

		if (f->kind == FIELD_FLAT) {
			found = find_in(f->table, name, exact, &inner);
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

static const struct field *find_field(const struct table *table, const struct json *member,
				      size_t *offset)
{
	const struct field *f = find_in(table, json_key(member), 1, offset);

	return f ? f : find_in(table, json_key(member), 0, offset);
}

/* The members that the table does not know, as JSON text without the object's braces. */
static int decode_extra(struct decoder *d, const struct table *table, const struct json *node,
			struct slice *out)
{
	struct json_writer w;
	struct buf b;
	size_t offset;
	int err;

	buf_init(&b, JSON_TEXT_MAX);
	json_begin(&w, &b);
	json_open_object(&w);
	for (const struct json *c = json_first(node); c; c = json_next(c)) {
		if (json_type(c) == JSON_NULL || find_field(table, c, &offset))
			continue;
		json_write_key_slice(&w, json_key(c));
		json_write_node(&w, c);
	}
	json_close_object(&w);
	err = keep_text(d, &b, 1, out);
	buf_done(&b);
	return err;
}

static int decode_struct(struct decoder *d, const struct table *table, const struct json *node,
			 void *out)
{
	int unknown = 0;

	if (json_type(node) != JSON_OBJECT)
		return bad(d, "an object");
	for (const struct json *c = json_first(node); c; c = json_next(c)) {
		size_t offset = 0;
		const struct field *f = find_field(table, c, &offset);
		int err;

		if (!f)
			unknown = 1;
		if (!f || json_type(c) == JSON_NULL ||
		    (d->form == MODEL_API && (f->flags & FIELD_INTERNAL)))
			continue;
		err = decode_field(d, f, c, (char *)out + offset);
		if (err < 0)
			return at_member(d, err, f->name);
	}
	if (!unknown || table->extra == TABLE_NO_EXTRA)
		return 0;
	return decode_extra(d, table, node, (void *)((char *)out + table->extra));
}

int model_decode(struct arena *a, const struct table *table, enum model_form form,
		 const struct json *node, void *out, struct errmsg *msg)
{
	struct decoder d = { .arena = a, .form = form, .msg = msg };
	int err;

	memset(out, 0, table->size);
	if (!node)
		return errmsg_set(msg, ERR_INVALID, "%s: missing", table->name);
	err = decode_struct(&d, table, node, out);
	if (err < 0)
		errmsg_prefix(msg, err, "%s", *d.path.text ? d.path.text : table->name);
	return err;
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
