/* The JSON reader and writer. */
#include <stdlib.h>
#include <string.h>
#include "base/mem.h"
#include "codec/json.h"
#include "unit.h"

#define COUNT(list) (sizeof(list) / sizeof((list)[0]))

struct pair {
	const char *text;
	const char *wanted;
};

static struct slice guarded(const char *text)
{
	return (struct slice){ unit_guard(text, strlen(text)), strlen(text) };
}

/* Parses text and writes it again: wanted, or wanted = NULL and the error. */
static void check_round(struct slice text, const char *wanted, int wanted_err)
{
	const struct json *root = NULL;
	struct errmsg msg = { { 0 } };
	struct json_writer w;
	struct arena a;
	struct buf out;
	int err;

	arena_init(&a);
	buf_init(&out, 1 << 20);
	err = json_parse(&a, text, &root, &msg);
	if (err == 0) {
		json_begin(&w, &out);
		json_write_node(&w, root);
	}
	if (err != wanted_err)
		unit_check_mem(text.data, text.len, wanted ? wanted : "an error", "input",
			       __FILE__, __LINE__);
	else if (wanted)
		unit_check_str(buf_str(&out), wanted, "output", __FILE__, __LINE__);
	else
		unit_check(msg.text[0] != '\0', "a message", __FILE__, __LINE__);
	buf_done(&out);
	arena_done(&a);
}

static const struct pair good[] = {
	{ "null", "null" }, { " true ", "true" }, { "\t\r\nfalse\n", "false" }, { "0", "0" },
	{ "-0", "-0" }, { "1.5e+10", "1.5e+10" }, { "1E-2", "1E-2" }, { "\"\"", "\"\"" },
	{ "[]", "[]" }, { "{}", "{}" }, { "[ ]", "[]" }, { "{ }", "{}" }, { "[[],{}]", "[[],{}]" },
	{ "18446744073709551615", "18446744073709551615" },
	{ "123456789012345678901234567890.5e999", "123456789012345678901234567890.5e999" },
	{ "{\"a\" : [1, 2 ,3], \"b\":{\"c\":null}}", "{\"a\":[1,2,3],\"b\":{\"c\":null}}" },
	{ "\"\\\"\\\\\\/\\b\\f\\n\\r\\t\"", "\"\\\"\\\\/\\b\\f\\n\\r\\t\"" },
	{ "\"\\u0041\\u00e9\\u20AC\\ud83d\\uDE00\"", "\"A\xc3\xa9\xe2\x82\xac\xf0\x9f\x98\x80\"" },
	{ "\"\\u0001\\u001f\x7f\"", "\"\\u0001\\u001f\x7f\"" },
	{ "\"<>&'\"", "\"<>&'\"" },
	{ "\"n1\"", "\"n1\"" }, { "\"s\"", "\"s\"" }, { "{\"\":1}", "{\"\":1}" },
	{ "{\"a\":1,\"A\":2}", "{\"a\":1,\"A\":2}" },
	{ "{\"a\\nb\":1}", "{\"a\\nb\":1}" },
	{ "[{\"a\":1},{\"a\":1}]", "[{\"a\":1},{\"a\":1}]" },
	{ "\"\xf4\x8f\xbf\xbf\xed\x9f\xbf\xef\xbf\xbd\"",
	"\"\xf4\x8f\xbf\xbf\xed\x9f\xbf\xef\xbf\xbd\"" },
};

static const char *const bad[] = {
	"", " ", "nul", "nulll", "True", "tru", "01", "-", "+1", "1.", ".5", "1e", "1e+", "-01",
	"0x10", "NaN", "Infinity", "1 2", "\"", "\"a", "'a'", "\"\\x\"", "\"\\u12g4\"", "\"\\u12\"",
	"\"\\ud800\"", "\"\\udc00\"", "\"\\ud800\\u0041\"", "\"\\ud800\\", "\"\\u0000\"", "\"\t\"",
	"\"\n\"", "\"\\", "[", "[1", "[1,", "[1,]", "[,1]", "[1 2]", "]", "{", "{\"a\"", "{\"a\":",
	"{\"a\":1", "{\"a\":1,", "{\"a\":1,}", "{,}", "{1:2}", "{a:1}", "{\"a\" 1}", "{\"a\":1]",
	"[1}", "{\"a\":1 \"b\":2}", "{\"a\":1}}", "[]]", "\xef\xbb\xbf{}", "\"\x80\"",
	"\"\xc0\x80\"",
	"\"\xc1\xbf\"", "\"\xe0\x80\x80\"", "\"\xed\xa0\x80\"", "\"\xf0\x80\x80\x80\"",
	"\"\xf4\x90\x80\x80\"", "\"\xf5\x80\x80\x80\"", "\"\xe2\x82\"", "\"\xe2\x82", "\"\xff\"",
	"//c\n1", "/**/1", "[1]//", "{\"a\":1,\"a\":2}", "{\"a\":1,\"\\u0061\":2}",
	"[{\"x\":{\"b\":1,\"c\":2,\"b\":3}}]", "1\f", "\v1",
	"{\"a\":1,\"b\":2,\"c\":3,\"d\":4,\"e\":5,\"f\":6,\"g\":7,\"h\":8,\"i\":9,\"b\":0}",
};

TEST(values_both_ways)
{
	for (size_t i = 0; i < COUNT(good); i++)
		check_round(guarded(good[i].text), good[i].wanted, 0);
}

TEST(what_is_not_json_is_refused)
{
	for (size_t i = 0; i < COUNT(bad); i++)
		check_round(guarded(bad[i]), NULL, ERR_INVALID);
	check_round((struct slice){ NULL, 0 }, NULL, ERR_INVALID);
	check_round((struct slice){ unit_guard("1\0", 2), 2 }, NULL, ERR_INVALID);
	check_round((struct slice){ unit_guard("\"\0\"", 3), 3 }, NULL, ERR_INVALID);
}

/* Each prefix of a container or string is incomplete. */
TEST(every_prefix_is_refused)
{
	static const char text[] = "{\"a\":[1,-2.5e+3,true,null,\"\\ud83d\\ude00 \xe2\x82\xac\"],"
				   "\"b\":{\"c\":{}}}";

	for (size_t n = 0; n + 1 < sizeof(text); n++)
		check_round((struct slice){ unit_guard(text, n), n }, NULL, ERR_INVALID);
	check_round(guarded(text), "{\"a\":[1,-2.5e+3,true,null,\"\xf0\x9f\x98\x80 \xe2\x82\xac\"],"
				   "\"b\":{\"c\":{}}}", 0);
}

TEST(messages_name_the_byte)
{
	const struct json *root;
	struct errmsg msg;
	struct arena a;

	arena_init(&a);
	CHECK_INT(json_parse(&a, guarded("[1,2,]"), &root, &msg), ERR_INVALID);
	CHECK_STR(msg.text, "invalid JSON at byte 5: a value is missing");
	CHECK_INT(json_parse(&a, guarded("{\"k\":1,\"k\":2}"), &root, &msg), ERR_INVALID);
	CHECK_STR(msg.text, "invalid JSON: the key \"k\" twice in one object");
	CHECK_INT(json_parse(&a, guarded("[1"), &root, NULL), ERR_INVALID);
	arena_done(&a);
}

/* n times open, then middle, then n times close. */
static char *nest(const char *open, size_t n, const char *middle, const char *close)
{
	size_t step = strlen(open);
	char *text = mem_new(n * (step + strlen(close)) + strlen(middle) + 1), *p = text;

	for (size_t i = 0; i < n; i++, p += step)
		memcpy(p, open, step);
	memcpy(p, middle, strlen(middle));
	p += strlen(middle);
	for (size_t i = 0; i < n; i++, p += strlen(close))
		memcpy(p, close, strlen(close));
	return text;
}

static void check_nested(const char *open, size_t n, const char *close, int wanted)
{
	char *text = nest(open, n, wanted ? "1" : "[]", close);

	if (wanted == 0) {
		char *out = nest(open, n, "[]", close);

		check_round(guarded(text), out, 0);
		mem_free(out);
	} else {
		check_round(guarded(text), NULL, wanted);
	}
	mem_free(text);
}

TEST(depth_is_bounded)
{
	check_nested("[", JSON_DEPTH_MAX - 1, "]", 0);
	check_nested("{\"a\":", JSON_DEPTH_MAX - 1, "}", 0);
	check_nested("[", JSON_DEPTH_MAX + 1, "]", ERR_LIMIT);
	check_nested("{\"a\":", JSON_DEPTH_MAX + 1, "}", ERR_LIMIT);
	check_nested("[", 1000000, "", ERR_LIMIT);
	check_nested("{\"a\":", 1000000, "", ERR_LIMIT);
}

TEST(size_and_nodes_are_bounded)
{
	size_t n = JSON_TEXT_MAX + 1;
	char *text = mem_new(n);

	memset(text, ' ', n);
	text[0] = '1';
	check_round((struct slice){ text, n }, NULL, ERR_LIMIT);
	check_round((struct slice){ text, n - 1 }, "1", 0);
	text[0] = '[';
	for (size_t i = 1; i + 1 < n; i += 2) {
		text[i] = '1';
		text[i + 1] = ',';
	}
	check_round((struct slice){ text, n - 1 }, NULL, ERR_LIMIT);
	mem_free(text);
}

/* Big objects are checked for duplicates by sorting: this takes no noticeable time. */
TEST(many_keys)
{
	const struct json *root;
	struct json_writer w;
	struct arena a;
	struct buf out;

	arena_init(&a);
	buf_init(&out, JSON_TEXT_MAX);
	json_begin(&w, &out);
	json_open_object(&w);
	for (int i = 0; i < 200000; i++) {
		json_write_key(&w, arena_printf(&a, "key%d", i));
		json_write_i64(&w, i);
	}
	json_close_object(&w);
	CHECK_INT(json_parse(&a, buf_slice(&out), &root, NULL), 0);
	CHECK_INT(json_count(root), 200000);
	out.len--;
	buf_add_str(&out, ",\"key77777\":1}");
	CHECK_INT(json_parse(&a, buf_slice(&out), &root, NULL), ERR_INVALID);
	buf_done(&out);
	arena_done(&a);
}

TEST(reading_a_tree)
{
	static const char text[] = "{\"s\":\"a\\nb\",\"n\":7,\"t\":true,\"f\":false,\"z\":null,"
				   "\"l\":[1,\"x\",[]],\"o\":{\"k\":\"v\"}}";
	const struct json *root, *list;
	struct arena a;

	arena_init(&a);
	CHECK_INT(json_parse(&a, guarded(text), &root, NULL), 0);
	CHECK_INT(json_type(root), JSON_OBJECT);
	CHECK_INT(json_count(root), 7);
	CHECK(slice_is(json_string(json_get(root, "s")), "a\nb"));
	CHECK_INT(json_type(json_get(root, "s")), JSON_STRING);
	CHECK_INT(json_type(json_get(root, "n")), JSON_NUMBER);
	CHECK_INT(json_string(json_get(root, "n")).len, 0);
	CHECK_INT(json_type(json_get(root, "z")), JSON_NULL);
	CHECK_INT(json_type(json_get(root, "f")), JSON_BOOL);
	CHECK(json_is_true(json_get(root, "t")));
	CHECK(!json_is_true(json_get(root, "f")));
	CHECK(!json_is_true(json_get(root, "n")));
	CHECK(!json_is_true(NULL));
	CHECK(!json_get(root, "S"));
	CHECK(!json_get(root, ""));
	CHECK(!json_get(NULL, "s"));
	CHECK(!json_get(json_get(root, "s"), "s"));
	list = json_get(root, "l");
	CHECK_INT(json_type(list), JSON_ARRAY);
	CHECK(!json_get(list, "l"));
	CHECK_INT(json_count(list), 3);
	CHECK_INT(json_key(json_first(list)).len, 0);
	CHECK(slice_is(json_string(json_next(json_first(list))), "x"));
	CHECK(!json_first(json_next(json_next(json_first(list)))));
	CHECK(slice_is(json_key(json_next(root ? json_first(root) : NULL)), "n"));
	CHECK(!json_first(NULL));
	CHECK(!json_first(json_get(root, "s")));
	CHECK_INT(json_count(NULL), 0);
	CHECK_INT(json_string(NULL).len, 0);
	arena_done(&a);
}

struct number {
	const char *text;
	int i64_err;
	int64_t i64;
	int u64_err;
	uint64_t u64;
	int nano_err;
	int64_t nano;
};

#define NO ERR_INVALID

static const struct number numbers[] = {
	{ "0", 0, 0, 0, 0, 0, 0 },
	{ "-0", 0, 0, NO, 0, 0, 0 },
	{ "42", 0, 42, 0, 42, 0, INT64_C(42000000000) },
	{ "-42", 0, -42, NO, 0, 0, INT64_C(-42000000000) },
	{ "9007199254740993", 0, INT64_C(9007199254740993), 0, UINT64_C(9007199254740993), NO, 0 },
	{ "9223372036854775807", 0, INT64_MAX, 0, INT64_MAX, NO, 0 },
	{ "-9223372036854775808", 0, INT64_MIN, NO, 0, NO, 0 },
	{ "9223372036854775808", NO, 0, 0, UINT64_C(9223372036854775808), NO, 0 },
	{ "18446744073709551615", NO, 0, 0, UINT64_MAX, NO, 0 },
	{ "18446744073709551616", NO, 0, NO, 0, NO, 0 },
	{ "0.5", NO, 0, NO, 0, 0, 500000000 },
	{ "1.0", NO, 0, NO, 0, 0, 1000000000 },
	{ "-0.25", NO, 0, NO, 0, 0, -250000000 },
	{ "1e3", NO, 0, NO, 0, 0, INT64_C(1000000000000) },
	{ "1.5E1", NO, 0, NO, 0, 0, INT64_C(15000000000) },
	{ "125e-3", NO, 0, NO, 0, 0, 125000000 },
	{ "1e-9", NO, 0, NO, 0, 0, 1 },
	{ "1e-10", NO, 0, NO, 0, 0, 0 },
	{ "1e-999999999999999999999", NO, 0, NO, 0, 0, 0 },
	{ "0e999999999999999999999", NO, 0, NO, 0, 0, 0 },
	{ "1e+99999999999999999999", NO, 0, NO, 0, NO, 0 },
	{ "0.30000000000000004", NO, 0, NO, 0, 0, 300000000 },
	{ "9223372036.854775807", NO, 0, NO, 0, 0, INT64_MAX },
	{ "9223372036.854775808", NO, 0, NO, 0, NO, 0 },
	{ "-9223372036.854775808", NO, 0, NO, 0, 0, INT64_MIN },
	{ "\"5\"", NO, 0, NO, 0, NO, 0 },
	{ "true", NO, 0, NO, 0, NO, 0 },
	{ "[1]", NO, 0, NO, 0, NO, 0 },
};

static void check_number(const struct json *node, const struct number *n)
{
	uint64_t u64 = 0;
	int64_t value = 0;

	CHECK_INT(json_to_i64(node, &value), n->i64_err);
	CHECK_INT(value, n->i64);
	CHECK_INT(json_to_u64(node, &u64), n->u64_err);
	CHECK_INT(u64, n->u64);
	value = 0;
	CHECK_INT(json_to_nano(node, &value), n->nano_err);
	CHECK_INT(value, n->nano);
}

TEST(numbers_arrive_exactly)
{
	const struct json *root = NULL;
	struct arena a;

	arena_init(&a);
	for (size_t i = 0; i < COUNT(numbers); i++) {
		CHECK_INT(json_parse(&a, guarded(numbers[i].text), &root, NULL), 0);
		check_number(root, &numbers[i]);
		CHECK(!unit_failed());
	}
	check_number(NULL, &(struct number){ "", NO, 0, NO, 0, NO, 0 });
	arena_done(&a);
}

TEST(golden_output)
{
	static const char bytes[] = { 'a', 0, '\x01', '"', '\\', '/', '\n', '\x80', 'b', '\xe2',
		'\x82' };
	struct json_writer w;
	struct buf out;

	buf_init(&out, 4096);
	json_begin(&w, &out);
	json_open_object(&w);
	json_put_str(&w, "Name", "web");
	json_put_str(&w, "None", NULL);
	json_put_slice(&w, "Bytes", (struct slice){ bytes, sizeof(bytes) });
	json_put_i64(&w, "Low", INT64_MIN);
	json_put_u64(&w, "High", UINT64_MAX);
	json_put_bool(&w, "Yes", 2);
	json_write_key_slice(&w, SLICE("Nanos"));
	json_open_array(&w);
	json_write_nano(&w, 0);
	json_write_nano(&w, 500000000);
	json_write_nano(&w, -1);
	json_write_nano(&w, 12000000034);
	json_write_nano(&w, INT64_MIN);
	json_close_array(&w);
	json_write_key(&w, "Empty");
	json_open_object(&w);
	json_close_object(&w);
	json_write_key(&w, "List");
	json_open_array(&w);
	json_open_array(&w);
	json_close_array(&w);
	json_write_null(&w);
	json_write_raw(&w, SLICE("{\"raw\":1}"));
	json_write_str(&w, "x");
	json_close_array(&w);
	json_close_object(&w);
	CHECK_INT(out.failed, 0);
	CHECK_STR(buf_str(&out),
		  "{\"Name\":\"web\",\"None\":\"\",\"Bytes\":\"a\\u0000\\u0001\\\"\\\\/\\n"
		  "\xef\xbf\xbd" "b\xef\xbf\xbd\xef\xbf\xbd\",\"Low\":-9223372036854775808,"
		  "\"High\":18446744073709551615,\"Yes\":true,\"Nanos\":[0,0.5,-0.000000001,"
		  "12.000000034,-9223372036.854775808],\"Empty\":{},\"List\":[[],null,{\"raw\":1},"
		  "\"x\"]}");
	buf_done(&out);
}

/* A deep value from outside inside another: an error of the buf, not an assertion. */
TEST(a_node_written_too_deep)
{
	char *text = nest("[", JSON_DEPTH_MAX, "", "]");
	const struct json *root;
	struct json_writer w;
	struct arena a;
	struct buf out;

	arena_init(&a);
	buf_init(&out, 4096);
	CHECK_INT(json_parse(&a, guarded(text), &root, NULL), 0);
	json_begin(&w, &out);
	json_write_node(&w, root);
	CHECK_INT(out.failed, 0);
	CHECK_STR(buf_str(&out), text);
	buf_reset(&out);
	json_begin(&w, &out);
	json_open_object(&w);
	json_write_key(&w, "deep");
	json_write_node(&w, root);
	json_put_i64(&w, "after", 1);
	json_close_object(&w);
	CHECK_INT(out.failed, ERR_LIMIT);
	mem_free(text);
	buf_done(&out);
	arena_done(&a);
}

TEST(a_full_buf_is_an_error)
{
	struct json_writer w;
	struct buf out;

	buf_init(&out, 8);
	json_begin(&w, &out);
	json_open_array(&w);
	for (int i = 0; i < 10; i++)
		json_write_i64(&w, i);
	json_close_array(&w);
	CHECK_INT(out.failed, ERR_LIMIT);
	CHECK_INT(out.len, 8);
	buf_done(&out);
}
