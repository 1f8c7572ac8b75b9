/* err, slice, id: small things about text. */
#include <string.h>
#include "base/err.h"
#include "base/id.h"
#include "base/slice.h"
#include "unit.h"

#define COUNT(list) (sizeof(list) / sizeof((list)[0]))

static struct slice guarded(const char *text)
{
	return (struct slice){ unit_guard(text, strlen(text)), strlen(text) };
}

TEST(error_texts)
{
	CHECK_STR(err_text(0), "ok");
	CHECK_STR(err_text(7), "ok");
	CHECK_STR(err_text(ERR_STALE), "update out of sequence");
	CHECK_STR(err_text(ERR_IN_USE), "in use");
	CHECK_STR(err_text(-1000), "unknown error");
}

TEST(messages_are_one_bounded_line)
{
	char text[2 * ERRMSG_MAX];
	struct errmsg msg = { { 0 } };

	CHECK_INT(errmsg_set(NULL, ERR_IO, "x"), ERR_IO);
	CHECK_INT(errmsg_prefix(NULL, ERR_IO, "x"), ERR_IO);
	CHECK_INT(errmsg_set(&msg, ERR_INVALID, "a%sb%d", "\n\x1b\x7f\t", 5), ERR_INVALID);
	CHECK_STR(msg.text, "a????b5");
	CHECK_INT(errmsg_prefix(&msg, ERR_LIMIT, "at %s", "here\r"), ERR_LIMIT);
	CHECK_STR(msg.text, "at here?: a????b5");
	memset(text, 'x', sizeof(text));
	text[sizeof(text) - 1] = '\0';
	errmsg_set(&msg, ERR_IO, "%s", text);
	CHECK_INT(strlen(msg.text), ERRMSG_MAX - 1);
	errmsg_prefix(&msg, ERR_IO, "front");
	CHECK_INT(strlen(msg.text), ERRMSG_MAX - 1);
	CHECK(strncmp(msg.text, "front: xxx", 10) == 0);
	errmsg_prefix(&msg, ERR_IO, "%s", text);
	CHECK_INT(strlen(msg.text), ERRMSG_MAX - 1);
}

/* Prefixes of every length around the end of the room. */
TEST(message_prefixes_at_the_edge)
{
	for (int n = ERRMSG_MAX - 8; n < ERRMSG_MAX + 2; n++) {
		struct errmsg msg = { { 0 } };

		errmsg_set(&msg, ERR_IO, "rest");
		errmsg_prefix(&msg, ERR_IO, "%*s", n, "p");
		CHECK(strlen(msg.text) < ERRMSG_MAX);
		CHECK(strlen(msg.text) >= ERRMSG_MAX - 8);
	}
}

TEST(slices_compare)
{
	struct slice empty = { NULL, 0 };

	CHECK_INT(slice_of(NULL).len, 0);
	CHECK_INT(slice_of("abc").len, 3);
	CHECK(slice_equal(empty, slice_of("")));
	CHECK(slice_is(guarded("abc"), "abc"));
	CHECK(!slice_is(guarded("abc"), "ab"));
	CHECK(!slice_is(guarded("ab"), "abc"));
	CHECK(slice_is(empty, ""));
	CHECK(slice_is_nocase(guarded("aBc-1"), "AbC-1"));
	CHECK(!slice_is_nocase(guarded("ab["), "AB{"));
	CHECK(!slice_is_nocase(guarded("ab"), "abc"));
	CHECK(slice_compare(slice_of("a"), slice_of("b")) < 0);
	CHECK(slice_compare(slice_of("b"), slice_of("a")) > 0);
	CHECK(slice_compare(slice_of("a"), slice_of("aa")) < 0);
	CHECK(slice_compare(slice_of("a"), empty) > 0);
	CHECK(slice_compare(slice_of("\xff"), slice_of("a")) > 0);
	CHECK_INT(slice_compare(empty, slice_of("")), 0);
	CHECK(slice_has_prefix(guarded("abc"), "ab"));
	CHECK(slice_has_prefix(empty, ""));
	CHECK(!slice_has_prefix(guarded("a"), "ab"));
}

TEST(slices_are_cut)
{
	struct slice rest = guarded("a,,b"), empty = { NULL, 0 };

	CHECK_INT(slice_find(rest, 'b'), 3);
	CHECK_INT(slice_find(rest, 'x'), 4);
	CHECK_INT(slice_find(empty, 'x'), 0);
	CHECK(slice_is(slice_cut(&rest, ','), "a"));
	CHECK(slice_is(slice_cut(&rest, ','), ""));
	CHECK(slice_is(slice_cut(&rest, ','), "b"));
	CHECK(!rest.data && rest.len == 0);
	CHECK_INT(slice_cut(&rest, ',').len, 0);
	rest = guarded("a,");
	slice_cut(&rest, ',');
	CHECK(rest.data && rest.len == 0);
	CHECK(slice_is(slice_trim(guarded(" \t\r\na b\n ")), "a b"));
	CHECK_INT(slice_trim(guarded(" \n ")).len, 0);
	CHECK_INT(slice_trim(empty).len, 0);
}

TEST(slices_to_u64)
{
	static const char *const bad[] = { "", "-1", "+1", " 1", "1 ", "1x", "0x1",
					   "18446744073709551616", "99999999999999999999" };
	uint64_t value = 5;

	for (size_t i = 0; i < COUNT(bad); i++)
		CHECK_INT(slice_to_u64(guarded(bad[i]), UINT64_MAX, &value), ERR_INVALID);
	CHECK_INT(slice_to_u64((struct slice){ NULL, 0 }, 1, &value), ERR_INVALID);
	CHECK_INT(slice_to_u64(guarded("11"), 10, &value), ERR_INVALID);
	CHECK_INT(value, 5);
	CHECK_INT(slice_to_u64(guarded("10"), 10, &value), 0);
	CHECK_INT(value, 10);
	CHECK_INT(slice_to_u64(guarded("00018446744073709551615"), UINT64_MAX, &value), 0);
	CHECK(value == UINT64_MAX);
}

TEST(slices_to_i64)
{
	static const char *const bad[] = { "", "-", "--1", "+1", "9223372036854775808",
					   "-9223372036854775809", "1.0" };
	int64_t value;

	for (size_t i = 0; i < COUNT(bad); i++)
		CHECK_INT(slice_to_i64(guarded(bad[i]), &value), ERR_INVALID);
	CHECK_INT(slice_to_i64(guarded("-9223372036854775808"), &value), 0);
	CHECK(value == INT64_MIN);
	CHECK_INT(slice_to_i64(guarded("9223372036854775807"), &value), 0);
	CHECK(value == INT64_MAX);
	CHECK_INT(slice_to_i64(guarded("-0"), &value), 0);
	CHECK_INT(value, 0);
}

TEST(slices_to_fixed)
{
	static const char *const bad[] = { "", ".", "-1", "1.x", "x", "0.1234567891", "1.2.3",
					   "9223372037", "9223372036.854775808", "1e3", "1 " };
	static const struct {
		const char *text;
		int64_t value;
	} good[] = {
		{ "0", 0 }, { "2", 2000000000 }, { "0.1", 100000000 }, { ".5", 500000000 },
		{ "5.", 5000000000 }, { "0.123456789", 123456789 },
		{ "9223372036.854775807", INT64_MAX },
		{ "0.000000001", 1 },
	};
	int64_t value;

	for (size_t i = 0; i < COUNT(bad); i++)
		CHECK_INT(slice_to_fixed(guarded(bad[i]), 9, &value), ERR_INVALID);
	for (size_t i = 0; i < COUNT(good); i++) {
		CHECK_INT(slice_to_fixed(guarded(good[i].text), 9, &value), 0);
		CHECK_INT(value, good[i].value);
	}
	CHECK_INT(slice_to_fixed(guarded("7"), 0, &value), 0);
	CHECK_INT(value, 7);
	CHECK_INT(slice_to_fixed(guarded("7.1"), 0, &value), ERR_INVALID);
}

TEST(ids)
{
	char first[ID_LEN + 1], again[ID_LEN + 1], next[ID_LEN + 1];
	struct rng r;

	rng_init(&r, 9);
	id_new(&r, first);
	id_new(&r, next);
	CHECK_INT(strlen(first), ID_LEN);
	CHECK_INT(strspn(first, "0123456789abcdefghijklmnopqrstuvwxyz"), ID_LEN);
	CHECK(strcmp(first, next) != 0);
	rng_init(&r, 9);
	id_new(&r, again);
	CHECK_STR(again, first);
}

TEST(names)
{
	static const char *const good[] = { "a", "A1", "web-1", "a_b", "a--b", "a-_b", "9" };
	static const char *const bad[] = { "", "-a", "a-", "_a", "a_", "a.b", "a b", "a/b",
	"\xc3\xa9",
					   "a\n" };
	char longest[NAME_MAX_LEN + 1];

	for (size_t i = 0; i < COUNT(good); i++)
		CHECK(name_is_valid(guarded(good[i])));
	for (size_t i = 0; i < COUNT(bad); i++)
		CHECK(!name_is_valid(guarded(bad[i])));
	memset(longest, 'a', sizeof(longest));
	CHECK(name_is_valid((struct slice){ longest, NAME_MAX_LEN }));
	CHECK(!name_is_valid((struct slice){ longest, NAME_MAX_LEN + 1 }));
	CHECK(!name_is_valid((struct slice){ NULL, 0 }));
}
