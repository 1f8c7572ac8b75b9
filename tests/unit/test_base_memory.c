/* mem, arena, buf. */
#include <stdalign.h>
#include <string.h>
#include "base/arena.h"
#include "base/buf.h"
#include "base/bytes.h"
#include "base/err.h"
#include "base/mem.h"
#include "base/rng.h"
#include "unit.h"

TEST(heap)
{
	char *p = mem_new(0);

	CHECK(p && *p == 0);
	p = mem_resize(p, 100);
	memset(p, 1, 100);
	p = mem_resize(p, 1);
	CHECK_INT(*p, 1);
	mem_free(p);
	mem_free(NULL);
}

TEST(secrets)
{
	char a[] = "secret", b[] = "secret";

	CHECK(mem_equal_secret(a, b, sizeof(a)));
	b[5] = 'T';
	CHECK(!mem_equal_secret(a, b, sizeof(a)));
	CHECK(mem_equal_secret(a, b, 5));
	CHECK(mem_equal_secret(a, b, 0));
	mem_wipe(a, sizeof(a));
	for (size_t i = 0; i < sizeof(a); i++)
		CHECK_INT(a[i], 0);
}

/* Pieces of random size never overlap, are zeroed and aligned; also after a reset. */
TEST(arena_pieces)
{
	enum { PIECES = 300 };
	unsigned char *piece[PIECES];
	size_t size[PIECES];
	struct arena a;
	struct rng r;

	arena_init(&a);
	rng_init(&r, 3);
	for (int round = 0; round < 20; round++) {
		size_t sum = 0;

		for (int i = 0; i < PIECES; i++) {
			size[i] = (size_t)rng_below(&r, rng_chance(&r, 1, 20) ? 200000 : 300);
			piece[i] = arena_new(&a, size[i]);
			CHECK((uintptr_t)piece[i] % alignof(max_align_t) == 0);
			for (size_t k = 0; k < size[i]; k++)
				CHECK(piece[i][k] == 0);
			memset(piece[i], i & 0xff, size[i]);
			sum += size[i];
		}
		CHECK(a.used >= sum);
		for (int i = 0; i < PIECES; i++) {
			for (size_t k = 0; k < size[i]; k++)
				CHECK(piece[i][k] == (i & 0xff));
		}
		arena_reset(&a);
		CHECK_INT(a.used, 0);
	}
	arena_done(&a);
	arena_done(&a);
}

TEST(arena_texts)
{
	struct arena a;
	char *text;

	arena_init(&a);
	CHECK_STR(arena_str(&a, SLICE("abc")), "abc");
	CHECK_STR(arena_str(&a, (struct slice){ NULL, 0 }), "");
	CHECK_STR(arena_printf(&a, "%s-%d", "x", 7), "x-7");
	text = arena_printf(&a, "%*s", 5000, "x");
	CHECK_INT(strlen(text), 4095);
	CHECK(slice_is(arena_copy(&a, SLICE("a\0b")), "a") == 0);
	CHECK_INT(arena_copy(&a, SLICE("a\0b")).len, 3);
	CHECK(arena_array(&a, 0, 8) != NULL);
	arena_reset(&a);
	arena_done(&a);
}

TEST(buf_writes)
{
	struct buf b;

	buf_init(&b, 1000);
	CHECK_STR(buf_str(&b), "");
	CHECK_INT(buf_slice(&b).len, 0);
	buf_add(&b, "ab", 2);
	buf_add(&b, NULL, 0);
	buf_add_slice(&b, SLICE("cd"));
	buf_add_str(&b, "ef");
	buf_add_char(&b, '-');
	buf_add_u64(&b, 0);
	buf_add_char(&b, ' ');
	buf_add_u64(&b, UINT64_MAX);
	buf_add_char(&b, ' ');
	buf_add_i64(&b, INT64_MIN);
	buf_printf(&b, " %s", "x");
	CHECK_STR(buf_str(&b), "abcdef-0 18446744073709551615 -9223372036854775808 x");
	buf_consume(&b, 7);
	buf_consume(&b, 0);
	CHECK_MEM(b.data, 1, "0");
	buf_consume(&b, b.len);
	CHECK_STR(buf_str(&b), "");
	memcpy(buf_reserve(&b, 3), "xyz", 3);
	b.len += 3;
	CHECK_STR(buf_str(&b), "xyz");
	buf_done(&b);
	CHECK_INT(b.len, 0);
	buf_add_str(&b, "again");
	CHECK_STR(buf_str(&b), "again");
	buf_done(&b);
}

TEST(buf_fails_once_and_keeps_its_content)
{
	struct buf b;

	buf_init(&b, 4);
	buf_add_str(&b, "abcd");
	CHECK_INT(b.failed, 0);
	buf_add_str(&b, "e");
	CHECK_INT(b.failed, ERR_LIMIT);
	buf_consume(&b, 2);
	buf_add_str(&b, "x");
	CHECK_STR(buf_str(&b), "cd");
	CHECK(!buf_reserve(&b, 1));
	buf_reset(&b);
	CHECK_INT(b.failed, 0);
	buf_add_str(&b, "wxyz");
	CHECK_STR(buf_str(&b), "wxyz");
	CHECK(!buf_reserve(&b, SIZE_MAX));
	CHECK_INT(b.failed, ERR_LIMIT);
	buf_done(&b);
	buf_init(&b, 10000);
	buf_printf(&b, "%*s", 5000, "x");
	CHECK_INT(b.len, 4095);
	buf_done(&b);
}

/* Random appends and consumes against a plain array. */
TEST(buf_against_a_model)
{
	static char model[70000];
	size_t len = 0;
	struct buf b;
	struct rng r;

	rng_init(&r, 4);
	buf_init(&b, sizeof(model) - 1);
	for (int i = 0; i < 20000; i++) {
		size_t n = (size_t)rng_below(&r, rng_chance(&r, 1, 50) ? 9000 : 40);

		if (rng_chance(&r, 1, 2)) {
			char piece[9000];

			if (len + n > sizeof(model) - 1)
				continue;
			memset(piece, 'a' + i % 26, n);
			buf_add(&b, piece, n);
			memset(model + len, 'a' + i % 26, n);
			len += n;
		} else {
			n = n < len ? n : len;
			buf_consume(&b, n);
			memmove(model, model + n, len - n);
			len -= n;
		}
		CHECK(b.failed == 0 && b.len == len);
		CHECK(len == 0 || memcmp(b.data, model, len) == 0);
	}
	buf_done(&b);
}

TEST(numbers_in_bytes)
{
	unsigned char b[8];

	bytes_put(b, 8, UINT64_C(0x0102030405060708));
	CHECK_INT(b[0], 8);
	CHECK_INT(b[7], 1);
	CHECK(bytes_get_u64(b) == UINT64_C(0x0102030405060708));
	CHECK(bytes_get_u32(b) == 0x05060708);
	CHECK_INT(bytes_get(b, 3), 0x060708);
	bytes_put(b, 2, 0xffffaabb);
	CHECK_INT(b[0], 0xbb);
	CHECK_INT(b[1], 0xaa);
	CHECK_INT(b[2], 6);
}
