/* Numbers as short as they are: golden bytes, and one form for each alone. */
#include "base/bytes.h"
#include "base/slice.h"
#include "unit.h"

static const struct {
	uint64_t value;
	struct slice bytes;
} golden[] = {
	{ 0, SLICE("\0") },
	{ 1, SLICE("\1") },
	{ 127, SLICE("\177") },
	{ 128, SLICE("\200\1") },
	{ 624485, SLICE("\345\216\46") },
	{ UINT64_MAX >> 1, SLICE("\377\377\377\377\377\377\377\377\177") },
	{ UINT64_MAX, SLICE("\377\377\377\377\377\377\377\377\377\1") },
};

TEST(varints_are_these_bytes)
{
	for (size_t i = 0; i < sizeof(golden) / sizeof(golden[0]); i++) {
		struct slice want = golden[i].bytes;
		uint8_t bytes[BYTES_VARINT_MAX];
		uint64_t v = 7;

		CHECK_INT(bytes_put_varint(bytes, golden[i].value), want.len);
		CHECK(memcmp(bytes, want.data, want.len) == 0);
		for (size_t n = 0; n < want.len; n++) {
			CHECK_INT(bytes_get_varint(unit_guard(want.data, n), n, &v), 0);
			CHECK(v == 7);
		}
		CHECK_INT(bytes_get_varint(unit_guard(want.data, want.len), want.len, &v),
			  want.len);
		CHECK(v == golden[i].value);
	}
}

static void refused(struct slice bytes)
{
	uint64_t v = 7;

	CHECK_INT(bytes_get_varint(bytes.data, bytes.len, &v), 0);
	CHECK(v == 7);
}

TEST(varints_have_one_form_and_64_bits)
{
	uint64_t v;

	refused(SLICE("\200\0"));
	refused(SLICE("\201\200\0"));
	refused(SLICE("\377\377\377\377\377\377\377\377\377\2"));
	refused(SLICE("\377\377\377\377\377\377\377\377\377\201\0"));
	CHECK_INT(bytes_get_varint("\1\2", 2, &v), 1);	/* what follows is not its own */
	CHECK(v == 1);
}
