/* Times, durations and sizes as text. */
#include <string.h>
#include "base/err.h"
#include "base/rng.h"
#include "base/timefmt.h"
#include "unit.h"

struct pair {
	const char *text;
	int64_t value;
};

#define COUNT(list) (sizeof(list) / sizeof((list)[0]))

static struct slice guarded(const char *text)
{
	return (struct slice){ unit_guard(text, strlen(text)), strlen(text) };
}

static const struct pair times[] = {
	{ "1970-01-01T00:00:01Z", SECOND_NS },
	{ "1969-12-31T23:59:59.999999999Z", -1 },
	{ "2000-02-29T12:00:00Z", INT64_C(951825600) * SECOND_NS },
	{ "2026-11-24T00:22:22.123456789Z", INT64_C(1795479742123456789) },
	{ "2026-11-24T00:22:22.5Z", INT64_C(1795479742500000000) },
	{ "1677-09-21T00:12:45Z", INT64_C(-9223372035) * SECOND_NS },
	{ "2262-04-11T23:47:15.999999999Z", INT64_C(9223372035999999999) },
	{ "1900-03-01T00:00:00Z", INT64_C(-2203891200) * SECOND_NS },
	{ "0001-01-01T00:00:00Z", 0 },
};

TEST(times_both_ways)
{
	char text[TIME_TEXT_MAX];

	for (size_t i = 0; i < COUNT(times); i++) {
		int64_t ns = 12345;

		time_format(times[i].value, text);
		CHECK_STR(text, times[i].text);
		CHECK_INT(time_parse(guarded(times[i].text), &ns), 0);
		CHECK_INT(ns, times[i].value);
	}
}

TEST(time_ends_of_the_range)
{
	char text[TIME_TEXT_MAX];
	int64_t ns;

	time_format(INT64_MIN, text);
	CHECK_STR(text, "1677-09-21T00:12:43.145224192Z");
	time_format(INT64_MAX, text);
	CHECK_STR(text, "2262-04-11T23:47:16.854775807Z");
	CHECK_INT(time_parse(guarded("1677-01-01T00:00:00Z"), &ns), ERR_INVALID);
	CHECK_INT(time_parse(guarded("2262-04-12T00:00:00Z"), &ns), ERR_INVALID);
	CHECK_INT(time_parse(guarded("9999-12-31T23:59:59Z"), &ns), ERR_INVALID);
}

TEST(time_offsets_and_forms)
{
	static const struct pair good[] = {
		{ "1970-01-01T02:00:00+02:00", 0 },
		{ "1969-12-31T18:30:00-05:30", 0 },
		{ "1970-01-01t00:00:02z", 2 * SECOND_NS },
		{ "1970-01-01T00:00:00.12345678901234567890123Z", 123456789 },
		{ "1970-01-01T00:00:00+00:00", 0 },
		{ "0001-01-01T00:00:00+01:00", 0 },
	};
	static const char *const bad[] = {
		"", "Z", "1970", "1970-01-01", "1970-01-01T00:00:00", "1970-01-01 00:00:00Z",
		"1970-13-01T00:00:00Z", "1970-00-01T00:00:00Z", "1970-01-32T00:00:00Z",
		"1970-01-00T00:00:00Z", "1970-02-29T00:00:00Z", "1900-02-29T00:00:00Z",
		"1970-01-01T24:00:00Z", "1970-01-01T00:60:00Z", "1970-01-01T00:00:60Z",
		"1970-01-01T00:00:00.Z", "1970-01-01T00:00:00.5", "1970-01-01T00:00:00Z ",
		"1970-01-01T00:00:00+24:00", "1970-01-01T00:00:00+0000", "+970-01-01T00:00:00Z",
		"1970-01-01T00:00:00+00:60", "0000-01-01T00:00:00Z", "1970-1-01T00:00:00Z",
		"1970-01-01T00:00:00,5Z", "1970-01-01T00:00:00+00:00x", " 1970-01-01T00:00:00Z",
	};
	int64_t ns;

	for (size_t i = 0; i < COUNT(good); i++) {
		CHECK_INT(time_parse(guarded(good[i].text), &ns), 0);
		CHECK_INT(ns, good[i].value);
	}
	for (size_t i = 0; i < COUNT(bad); i++)
		CHECK_INT(time_parse(guarded(bad[i]), &ns), ERR_INVALID);
}

TEST(times_at_random_come_back)
{
	char text[TIME_TEXT_MAX];
	struct rng r;

	rng_init(&r, 1);
	for (int i = 0; i < 20000; i++) {
		int64_t value = (int64_t)rng_next(&r) / 2, ns;

		time_format(value, text);
		CHECK_INT(time_parse(slice_of(text), &ns), 0);
		CHECK_INT(ns, value);
	}
}

TEST(durations_parse)
{
	static const struct pair good[] = {
		{ "0", 0 }, { "0s", 0 }, { "10s", 10 * SECOND_NS }, { "1h30m", 5400 * SECOND_NS },
		{ "1.5s", 1500 * MS_NS }, { "300ms", 300 * MS_NS }, { "5us", 5000 },
		{ "5\xc2\xb5s", 5000 }, { "5\xce\xbcs", 5000 }, { "7ns", 7 },
		{ ".5s", 500 * MS_NS },
		{ "5.s", 5 * SECOND_NS }, { "1m1.5s", 61500 * MS_NS }, { "1.5h", 5400 * SECOND_NS },
		{ "1.123456789s", 1123456789 }, { "0.1ns", 0 },
		{ "2562047h", SECOND_NS * 3600 * 2562047 },
		{ "9223372036854775807ns", INT64_MAX },
		{ "0.3333333333333333333h", INT64_C(1199998800000) },
	};
	static const char *const bad[] = {
		"", "5", "s", ".s", "-5s", "+5s", "5 s", "5s ", "5x", "5S", "1h-5m", "2562048h",
		"9223372036854775808ns", "9223372036854775807ns1ns", "99999999999999999999s",
		"1..5s",
		"5m5", "\xc2s",
	};
	int64_t ns;

	for (size_t i = 0; i < COUNT(good); i++) {
		CHECK_INT(duration_parse(guarded(good[i].text), &ns), 0);
		CHECK_INT(ns, good[i].value);
	}
	for (size_t i = 0; i < COUNT(bad); i++)
		CHECK_INT(duration_parse(guarded(bad[i]), &ns), ERR_INVALID);
}

TEST(durations_format)
{
	static const struct pair list[] = {
		{ "0s", 0 }, { "7ns", 7 }, { "1\xc2\xb5s", 1000 }, { "1.5\xc2\xb5s", 1500 },
		{ "300ms", 300 * MS_NS }, { "1.000001ms", 1000001 }, { "10s", 10 * SECOND_NS },
		{ "1.5s", 1500 * MS_NS }, { "1m0s", 60 * SECOND_NS },
		{ "1h30m0s", 5400 * SECOND_NS },
		{ "1m0.5s", 60500 * MS_NS }, { "-1.5s", -1500 * MS_NS },
		{ "2562047h47m16.854775807s", INT64_MAX },
		{ "-2562047h47m16.854775808s", INT64_MIN },
	};
	char text[TIME_TEXT_MAX];
	struct rng r;
	int64_t ns;

	for (size_t i = 0; i < COUNT(list); i++) {
		duration_format(list[i].value, text);
		CHECK_STR(text, list[i].text);
	}
	rng_init(&r, 2);
	for (int i = 0; i < 20000; i++) {
		int64_t value = (int64_t)(rng_next(&r) >> (1 + rng_below(&r, 60)));

		duration_format(value, text);
		CHECK_INT(duration_parse(slice_of(text), &ns), 0);
		CHECK_INT(ns, value);
	}
}

TEST(durations_in_words)
{
	static const struct pair list[] = {
		{ "Less than a second", -5 }, { "Less than a second", 0 },
		{ "Less than a second", 999999999 }, { "1 second", 1 * SECOND_NS },
		{ "5 seconds", 5 * SECOND_NS }, { "59 seconds", 59 * SECOND_NS },
		{ "About a minute", 60 * SECOND_NS }, { "About a minute", 119 * SECOND_NS },
		{ "3 minutes", 180 * SECOND_NS }, { "59 minutes", 3599 * SECOND_NS },
		{ "About an hour", 3600 * SECOND_NS }, { "About an hour", 5399 * SECOND_NS },
		{ "2 hours", 5400 * SECOND_NS }, { "47 hours", 47 * 3600 * SECOND_NS },
		{ "2 days", 48 * 3600 * SECOND_NS }, { "13 days", 13 * 86400 * SECOND_NS },
		{ "2 weeks", 14 * 86400 * SECOND_NS }, { "8 weeks", 59 * 86400 * SECOND_NS },
		{ "2 months", 60 * 86400 * SECOND_NS }, { "24 months", 729 * 86400 * SECOND_NS },
		{ "2 years", 730 * 86400 * SECOND_NS }, { "292 years", INT64_MAX },
	};
	char text[TIME_TEXT_MAX];

	for (size_t i = 0; i < COUNT(list); i++) {
		duration_words(list[i].value, text);
		CHECK_STR(text, list[i].text);
	}
}

TEST(sizes)
{
	static const struct pair good[] = {
		{ "1024", 1024 }, { "64m", 64 << 20 }, { "50M", 50 << 20 }, { "1.5g", 3 << 29 },
		{ "512k", 512 << 10 }, { "10b", 10 }, { "10B", 10 }, { "1kb", 1024 },
		{ "1KiB", 1024 },
		{ "1 GB", 1 << 30 }, { "0", 0 }, { "2t", INT64_C(2) << 40 },
		{ "1p", INT64_C(1) << 50 },
		{ "0.5p", INT64_C(1) << 49 }, { ".5k", 512 }, { "8191p", INT64_C(8191) << 50 },
		{ "5.k", 5120 },
		{ "9223372036854775807", INT64_MAX }, { "1.9", 1 },
	};
	static const char *const bad[] = {
		"", " ", "m", ".m", "-1", "+1", "1x", "1mm", "1bk", "1kbb", "1kib2", "1  k",
		"8192p",
		"9223372036854775808", "1e3", "0x10", "1ib", "1 k ", " 1k", "99999999999999999999",
	};
	int64_t bytes;

	for (size_t i = 0; i < COUNT(good); i++) {
		CHECK_INT(size_parse(guarded(good[i].text), &bytes), 0);
		CHECK_INT(bytes, good[i].value);
	}
	for (size_t i = 0; i < COUNT(bad); i++)
		CHECK_INT(size_parse(guarded(bad[i]), &bytes), ERR_INVALID);
}
