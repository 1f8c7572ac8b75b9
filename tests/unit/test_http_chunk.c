#include "http/chunk.h"
#include <stdio.h>
#include <string.h>
#include "base/err.h"
#include "unit.h"

/* want: 0 (complete), or the error at the end of text. rest: bytes of the next message. */
struct chunk_case {
	const char *text;
	int want;
	const char *body;
	size_t rest;
};

static const struct chunk_case cases[] = {
	{ "0\r\n\r\n", 0, "", 0 },
	{ "5\r\nhello\r\n0\r\n\r\n", 0, "hello", 0 },
	{ "5\r\nhello\r\n0\r\n\r\nGET ", 0, "hello", 4 },
	{ "05\r\nhello\r\n1\r\n!\r\n000\r\n\r\n", 0, "hello!", 0 },
	{ "A\r\n0123456789\r\nb\r\n0123456789a\r\n0\r\n\r\n", 0, "01234567890123456789a", 0 },
	{ "2;a=b;c=\"d\"\r\nhi\r\n0;x\r\n\r\n", 0, "hi", 0 },
	{ "2 \t;a\r\nhi\r\n0\r\n\r\n", 0, "hi", 0 },
	{ "2\r\nhi\r\n0\r\nA: b\r\nC: d\r\n\r\nX", 0, "hi", 1 },
	{ "2\r\n\r\n\r\n0\r\n\r\n", 0, "\r\n", 0 },
	{ "", ERR_MORE, "", 0 },
	{ "5\r\nhel", ERR_MORE, "hel", 0 },
	{ "5\r\nhello\r\n0\r\n", ERR_MORE, "hello", 0 },
	{ "5\r\nhello\r\n0\r\nA: b\r\n", ERR_MORE, "hello", 0 },
	{ "\r\n", ERR_INVALID, "", 0 },
	{ "g\r\n", ERR_INVALID, "", 0 },
	{ "-1\r\n", ERR_INVALID, "", 0 },
	{ "+1\r\n", ERR_INVALID, "", 0 },
	{ "0x1\r\n", ERR_INVALID, "", 0 },
	{ " 1\r\n", ERR_INVALID, "", 0 },
	{ "1 \r\n", ERR_INVALID, "", 0 },
	{ "1 1\r\n", ERR_INVALID, "", 0 },
	{ "1\n", ERR_INVALID, "", 0 },
	{ "1\rx", ERR_INVALID, "", 0 },
	{ "1;a\nb\r\n", ERR_INVALID, "", 0 },
	{ "1;\x01\r\n", ERR_INVALID, "", 0 },
	{ "2\r\nhix\r\n", ERR_INVALID, "hi", 0 },
	{ "2\r\nhi\n", ERR_INVALID, "hi", 0 },
	{ "2\r\nhi\rx", ERR_INVALID, "hi", 0 },
	{ "2\r\nhi\r\n\r\n", ERR_INVALID, "hi", 0 },
	{ "0\r\n\n", ERR_INVALID, "", 0 },
	{ "0\r\nA: b\n", ERR_INVALID, "", 0 },
	{ "0\r\nA: b\rx", ERR_INVALID, "", 0 },
	{ "0\r\n\rx", ERR_INVALID, "", 0 },
	{ "1000000000000000\r\n", ERR_LIMIT, "", 0 },
	{ "ffffffffffffffff\r\n", ERR_LIMIT, "", 0 },
	{ "10000000000000000000001\r\n", ERR_LIMIT, "", 0 },
	{ "fffffffffffffff\r\nabc", ERR_MORE, "abc", 0 },
};

/* Reads in (against a guard page) to the end of it or of the body. */
static int read_all(struct http_body *b, const char *in, size_t n, struct buf *out, size_t *rest)
{
	const char *data = unit_guard(in, n);
	struct slice left = { data, n };
	struct slice piece;
	size_t used;
	int got;

	do {
		got = http_body_read(b, left, &used, &piece);
		left.data += used;
		left.len -= used;
		buf_add_slice(out, piece);
	} while (got == 1);
	*rest = left.len;
	return got;
}

static void check_case(const struct chunk_case *c, size_t split)
{
	size_t len = strlen(c->text);
	size_t rest;
	struct http_body b;
	struct buf out;
	int got;

	buf_init(&out, 1024);
	http_body_init(&b, HTTP_BODY_CHUNKED, 0);
	got = read_all(&b, c->text, split, &out, &rest);
	if (got == ERR_MORE)
		got = read_all(&b, c->text + split, len - split, &out, &rest);
	else if (got == 0)
		rest += len - split;
	unit_check_int(got, c->want, c->text, __FILE__, __LINE__);
	unit_check_mem(out.data, out.len, c->body, c->text, __FILE__, __LINE__);
	if (got == 0)
		unit_check_int((long long)rest, (long long)c->rest, c->text, __FILE__, __LINE__);
	unit_check_int(http_body_may_end(&b), got == 0, c->text, __FILE__, __LINE__);
	buf_done(&out);
}

TEST(chunked_bodies_at_every_split)
{
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		for (size_t k = 0; k <= strlen(cases[i].text); k++) {
			check_case(&cases[i], k);
			if (unit_failed())
				return;
		}
	}
}

TEST(chunked_bodies_byte_by_byte_in_place)
{
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		const char *text = cases[i].text;
		struct http_body b;
		size_t body_len = 0;
		struct buf in;
		int got = ERR_MORE;

		buf_init(&in, 1024);
		buf_add_str(&in, "HEAD");
		http_body_init(&b, HTTP_BODY_CHUNKED, 0);
		for (size_t k = 0; text[k] && got == ERR_MORE; k++) {
			buf_add_char(&in, text[k]);
			got = http_body_collect(&b, &in, 4, &body_len, 1000);
		}
		unit_check_int(got, cases[i].want, text, __FILE__, __LINE__);
		if (got == 0 || got == ERR_MORE)
			unit_check_int((long long)in.len, (long long)body_len + 4, text, __FILE__,
				       __LINE__);
		unit_check_mem(in.data + 4, body_len, cases[i].body, text, __FILE__, __LINE__);
		buf_done(&in);
	}
}

TEST(collect_leaves_the_next_message_behind_the_body)
{
	struct http_body b;
	size_t body_len = 0;
	struct buf in;

	buf_init(&in, 1024);
	buf_add_str(&in, "H5\r\nhello\r\n1\r\n!\r\n0\r\n\r\nNEXT");
	http_body_init(&b, HTTP_BODY_CHUNKED, 0);
	CHECK_INT(http_body_collect(&b, &in, 1, &body_len, 6), 0);
	CHECK_STR(buf_str(&in), "Hhello!NEXT");
	buf_reset(&in);
	buf_add_str(&in, "H5\r\nhello\r\n1\r\n!\r\n0\r\n\r\nNEXT");
	http_body_init(&b, HTTP_BODY_CHUNKED, 0);
	body_len = 0;
	CHECK_INT(http_body_collect(&b, &in, 1, &body_len, 5), ERR_FULL);
	buf_done(&in);
}

static int skip_bytes(const char *start, size_t n)
{
	struct http_body b;
	struct slice piece;
	size_t used;
	int got;

	http_body_init(&b, HTTP_BODY_CHUNKED, 0);
	got = http_body_read(&b, slice_of(start), &used, &piece);
	for (size_t i = 0; i < n && got == ERR_MORE; i++)
		got = http_body_read(&b, SLICE("x"), &used, &piece);
	return got;
}

TEST(extensions_and_trailers_are_limited)
{
	CHECK_INT(skip_bytes("1;", HTTP_CHUNK_LINE_MAX - 2), ERR_MORE);
	CHECK_INT(skip_bytes("1;", HTTP_CHUNK_LINE_MAX - 1), ERR_LIMIT);
	CHECK_INT(skip_bytes("0\r\n", HTTP_TRAILER_MAX), ERR_MORE);
	CHECK_INT(skip_bytes("0\r\n", HTTP_TRAILER_MAX + 1), ERR_LIMIT);
}

TEST(bodies_of_a_length)
{
	struct http_body b;
	struct slice piece;
	size_t used;

	http_body_init(&b, HTTP_BODY_LENGTH, 5);
	CHECK(!http_body_may_end(&b));
	CHECK_INT(http_body_read(&b, SLICE("hel"), &used, &piece), 1);
	CHECK_INT(used, 3);
	CHECK_INT(http_body_read(&b, (struct slice){ NULL, 0 }, &used, &piece), ERR_MORE);
	CHECK_INT(http_body_read(&b, SLICE("loNEXT"), &used, &piece), 1);
	CHECK_MEM(piece.data, piece.len, "lo");
	CHECK_INT(used, 2);
	CHECK_INT(http_body_read(&b, SLICE("NEXT"), &used, &piece), 0);
	CHECK_INT(used, 0);
	CHECK(http_body_may_end(&b));
	http_body_init(&b, HTTP_BODY_NONE, 5);
	CHECK_INT(http_body_read(&b, SLICE("NEXT"), &used, &piece), 0);
	http_body_init(&b, HTTP_BODY_CLOSE, 0);
	CHECK_INT(http_body_read(&b, SLICE("abc"), &used, &piece), 1);
	CHECK_INT(http_body_read(&b, (struct slice){ NULL, 0 }, &used, &piece), ERR_MORE);
	CHECK(http_body_may_end(&b));
}

TEST(chunks_are_written)
{
	struct buf out;

	buf_init(&out, 1024);
	http_chunk_add(&out, SLICE("0123456789abcdefg"));
	http_chunk_add(&out, SLICE(""));
	http_chunk_end(&out);
	CHECK_STR(buf_str(&out), "11\r\n0123456789abcdefg\r\n0\r\n\r\n");
	buf_done(&out);
}
