/* The writer. Contracts are in json.h. */
#include <assert.h>
#include <string.h>
#include "codec/json.h"
#include "json_private.h"

_Static_assert(JSON_DEPTH_MAX <= 64, "one bit of `filled` and `objects` per level");

void json_begin(struct json_writer *w, struct buf *out)
{
	*w = (struct json_writer){ .out = out };
}

static uint64_t level_bit(const struct json_writer *w)
{
	return UINT64_C(1) << (w->depth - 1);
}

static int in_object(const struct json_writer *w)
{
	return w->depth && (w->objects & level_bit(w));
}

static void separate(struct json_writer *w)
{
	if (w->depth == 0)
		return;
	if (w->filled & level_bit(w))
		buf_add_char(w->out, ',');
	w->filled |= level_bit(w);
}

/* Before each value: its comma, unless its key has written it. */
static void begin_value(struct json_writer *w)
{
	assert(in_object(w) == w->have_key);
	if (!w->have_key)
		separate(w);
	w->have_key = 0;
}

static void open_level(struct json_writer *w, int object)
{
	begin_value(w);
	assert(w->depth < JSON_DEPTH_MAX);
	w->depth++;
	w->filled &= ~level_bit(w);
	if (object)
		w->objects |= level_bit(w);
	else
		w->objects &= ~level_bit(w);
	buf_add_char(w->out, object ? '{' : '[');
}

static void close_level(struct json_writer *w, int object)
{
	assert(w->depth > 0 && in_object(w) == object && !w->have_key);
	w->depth--;
	buf_add_char(w->out, object ? '}' : ']');
}

void json_open_object(struct json_writer *w)
{
	open_level(w, 1);
}

void json_close_object(struct json_writer *w)
{
	close_level(w, 1);
}

void json_open_array(struct json_writer *w)
{
	open_level(w, 0);
}

void json_close_array(struct json_writer *w)
{
	close_level(w, 0);
}

/* A byte that cannot stand in a string as it is. */
static void add_escape(struct buf *out, unsigned char c)
{
	static const char hex[] = "0123456789abcdef";
	static const char short_forms[] = "\b\f\n\r\t\"\\";
	static const char letters[] = "bfnrt\"\\";
	const char *found = c ? strchr(short_forms, c) : NULL;

	buf_add_char(out, '\\');
	if (found) {
		buf_add_char(out, letters[found - short_forms]);
		return;
	}
	buf_add_str(out, "u00");
	buf_add_char(out, hex[c >> 4]);
	buf_add_char(out, hex[c & 15]);
}

static void add_string(struct buf *out, struct slice s)
{
	size_t at = 0, plain = 0;	/* s[plain..at) is still to be copied as it is */

	buf_add_char(out, '"');
	while (at < s.len) {
		unsigned char c = (unsigned char)s.data[at];
		size_t n = json_utf8_length((struct slice){ s.data + at, s.len - at });

		if (n && c >= 0x20 && c != '"' && c != '\\') {
			at += n;
			continue;
		}
		buf_add(out, s.data + plain, at - plain);
		if (n)
			add_escape(out, c);
		else
			buf_add_str(out, "\xef\xbf\xbd");
		plain = ++at;
	}
	if (at > plain)
		buf_add(out, s.data + plain, at - plain);
	buf_add_char(out, '"');
}

void json_write_key_slice(struct json_writer *w, struct slice key)
{
	assert(in_object(w) && !w->have_key);
	separate(w);
	add_string(w->out, key);
	buf_add_char(w->out, ':');
	w->have_key = 1;
}

void json_write_key(struct json_writer *w, const char *key)
{
	json_write_key_slice(w, slice_of(key));
}

void json_write_string(struct json_writer *w, struct slice s)
{
	begin_value(w);
	add_string(w->out, s);
}

void json_write_str(struct json_writer *w, const char *s)
{
	json_write_string(w, slice_of(s));
}

void json_write_i64(struct json_writer *w, int64_t value)
{
	begin_value(w);
	buf_add_i64(w->out, value);
}

void json_write_u64(struct json_writer *w, uint64_t value)
{
	begin_value(w);
	buf_add_u64(w->out, value);
}

void json_write_nano(struct json_writer *w, int64_t value)
{
	uint64_t n = value < 0 ? 0 - (uint64_t)value : (uint64_t)value;
	uint64_t part = n % 1000000000, place = 100000000;

	begin_value(w);
	if (value < 0)
		buf_add_char(w->out, '-');
	buf_add_u64(w->out, n / 1000000000);
	if (part)
		buf_add_char(w->out, '.');
	for (; part; place /= 10) {
		buf_add_char(w->out, (char)('0' + part / place));
		part %= place;
	}
}

void json_write_bool(struct json_writer *w, int value)
{
	json_write_raw(w, value ? SLICE("true") : SLICE("false"));
}

void json_write_null(struct json_writer *w)
{
	json_write_raw(w, SLICE("null"));
}

void json_write_raw(struct json_writer *w, struct slice text)
{
	begin_value(w);
	buf_add_slice(w->out, text);
}

void json_write_members(struct json_writer *w, struct slice members)
{
	assert(in_object(w) && !w->have_key);
	if (members.len == 0)
		return;
	separate(w);
	buf_add_slice(w->out, members);
}

static void write_scalar(struct json_writer *w, const struct json *node)
{
	switch (json_type(node)) {
	case JSON_NUMBER:
		json_write_raw(w, json_number(node));
		break;
	case JSON_STRING:
		json_write_string(w, json_string(node));
		break;
	case JSON_BOOL:
		json_write_bool(w, json_is_true(node));
		break;
	default:
		json_write_null(w);
	}
}

/* Walks the tree with an own stack; json_parse has bounded its depth. */
void json_write_node(struct json_writer *w, const struct json *node)
{
	const struct json *parents[JSON_DEPTH_MAX];
	unsigned depth = 0;

	for (;;) {
		enum json_type type = json_type(node);

		int container = type == JSON_OBJECT || type == JSON_ARRAY;

		if (container && w->depth == JSON_DEPTH_MAX) {
			/* The value came from outside and json_parse would not read it here. */
			buf_reserve(w->out, SIZE_MAX);
			container = 0;
		}
		if (container) {
			open_level(w, type == JSON_OBJECT);
			parents[depth++] = node;
			node = json_first(node);
		} else {
			write_scalar(w, node);
			node = depth ? json_next(node) : NULL;
		}
		while (depth && !node) {
			node = parents[--depth];
			close_level(w, json_type(node) == JSON_OBJECT);
			node = depth ? json_next(node) : NULL;
		}
		if (depth == 0)
			return;
		if (in_object(w))
			json_write_key_slice(w, json_key(node));
	}
}

void json_put_str(struct json_writer *w, const char *key, const char *s)
{
	json_put_slice(w, key, slice_of(s));
}

void json_put_slice(struct json_writer *w, const char *key, struct slice s)
{
	json_write_key(w, key);
	json_write_string(w, s);
}

void json_put_i64(struct json_writer *w, const char *key, int64_t value)
{
	json_write_key(w, key);
	json_write_i64(w, value);
}

void json_put_u64(struct json_writer *w, const char *key, uint64_t value)
{
	json_write_key(w, key);
	json_write_u64(w, value);
}

void json_put_bool(struct json_writer *w, const char *key, int value)
{
	json_write_key(w, key);
	json_write_bool(w, value);
}
