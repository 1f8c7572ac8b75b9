/* The envelope of log entries, and the requests that are remembered. */
#include <stdio.h>
#include <string.h>
#include "applets/manager/state/recent.h"
#include "base/err.h"
#include "unit.h"

#define COUNTING { { 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15 } }
#define NO_ID "00000000000000000000000000000000"

static const struct {
	struct entry entry;
	const char *hex;
} golden[] = {
	{ { .type = ENTRY_TXN }, "01" NO_ID "00" "00" },
	{ { .type = ENTRY_TXN, .outcome = { 201, SLICE("{}") }, .payload = SLICE("[1]"),
	    .id = COUNTING }, "01"
	  "000102030405060708090a0b0c0d0e0f" "c901" "02" "7b7d" "5b315d" },
	{ { .type = ENTRY_KV, .payload = SLICE("k") }, "02" NO_ID "00" "00" "6b" },
};

static const char *hex(struct arena *a, struct slice bytes)
{
	char *text = arena_new(a, 2 * bytes.len + 1);

	for (size_t i = 0; i < bytes.len; i++)
		snprintf(text + 2 * i, 3, "%02x", (unsigned char)bytes.data[i]);
	return text;
}

TEST(entries_are_these_bytes)
{
	struct arena a;

	arena_init(&a);
	for (size_t i = 0; i < sizeof(golden) / sizeof(golden[0]); i++) {
		const struct entry *e = &golden[i].entry;
		struct slice bytes = entry_build(&a, e);
		struct entry back;

		CHECK_STR(hex(&a, bytes), golden[i].hex);
		bytes.data = unit_guard(bytes.data, bytes.len);
		CHECK_INT(entry_parse(bytes, &back), 0);
		CHECK_INT(back.type, e->type);
		CHECK(memcmp(&back.id, &e->id, sizeof(back.id)) == 0);
		CHECK_INT(back.outcome.status, e->outcome.status);
		CHECK(slice_equal(back.outcome.body, e->outcome.body));
		CHECK(slice_equal(back.payload, e->payload));
	}
	arena_done(&a);
}

TEST(a_broken_entry_is_refused)
{
	struct entry e = { .type = ENTRY_TXN, .id = COUNTING, .outcome = { 200, SLICE("body") } };
	struct arena a;
	struct slice good;
	char *bad;

	arena_init(&a);
	good = entry_build(&a, &e);
	for (size_t n = 0; n < good.len; n++)
		CHECK_INT(entry_parse((struct slice){ unit_guard(good.data, n), n }, &e),
			  ERR_INVALID);
	bad = unit_guard(good.data, good.len);
	bad[0] = 0;
	CHECK_INT(entry_parse((struct slice){ bad, good.len }, &e), ERR_INVALID);
	bad[0] = ENTRY_KV + 1;
	CHECK_INT(entry_parse((struct slice){ bad, good.len }, &e), ERR_INVALID);
	bad[0] = ENTRY_KV;
	CHECK_INT(entry_parse((struct slice){ bad, good.len }, &e), 0);
	bad[18] = 8;		/* status 1096 */
	CHECK_INT(entry_parse((struct slice){ bad, good.len }, &e), ERR_INVALID);
	bad[18] = 0;		/* 72, in more bytes than it needs */
	CHECK_INT(entry_parse((struct slice){ bad, good.len }, &e), ERR_INVALID);
	bad[18] = 1;
	bad[19] = 5;		/* a body longer than what is there */
	CHECK_INT(entry_parse((struct slice){ bad, good.len }, &e), ERR_INVALID);
	arena_done(&a);
}

static struct request_id numbered(uint32_t n)
{
	struct request_id id = { { 7 } };

	memcpy(id.bytes + 8, &n, sizeof(n));
	return id;
}

TEST(the_oldest_request_goes_first)
{
	struct outcome o = { 200, SLICE("true") };
	struct request_id id;
	struct recent r;

	recent_init(&r);
	CHECK(!recent_find(&r, numbered(0)));
	for (uint32_t i = 0; i < 3 * RECENT_MAX + 5; i++) {
		o.status = (int)(i % 900);
		recent_add(&r, numbered(i), &o);
		CHECK(recent_find(&r, numbered(i))->status == o.status);
		CHECK(i < RECENT_MAX || !recent_find(&r, numbered(i - RECENT_MAX)));
		CHECK(i < RECENT_MAX || recent_find(&r, numbered(i - RECENT_MAX + 1)));
	}
	CHECK_INT(r.count, RECENT_MAX);
	CHECK_INT(r.bytes, 4 * RECENT_MAX);
	CHECK(recent_at(&r, 0, &id)->body.len == 4);
	id.bytes[0] ^= 1;
	CHECK(!recent_find(&r, id));
	recent_done(&r);
	CHECK_INT(r.count, 0);
}

TEST(long_answers_push_the_oldest_out)
{
	static char text[ENTRY_BODY_MAX];
	struct outcome o = { 200, { text, sizeof(text) } };
	struct recent r;

	recent_init(&r);
	for (uint32_t i = 0; i < 2 * RECENT_BYTES_MAX / ENTRY_BODY_MAX; i++)
		recent_add(&r, numbered(i), &o);
	CHECK_INT(r.bytes, RECENT_BYTES_MAX);
	CHECK_INT(r.count, RECENT_BYTES_MAX / ENTRY_BODY_MAX);
	CHECK(!recent_find(&r, numbered(r.count - 1)) && recent_find(&r, numbered(r.count)));
	o.body.len = 1;
	recent_add(&r, numbered(1 << 20), &o);
	CHECK_INT(r.bytes, RECENT_BYTES_MAX - ENTRY_BODY_MAX + 1);
	recent_done(&r);
}
