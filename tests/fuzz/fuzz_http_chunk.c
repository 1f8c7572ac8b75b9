/* Chunked bodies: any cut of the input gives the same body, whether read in pieces or
 * gathered in place; what the encoder writes is read back. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include "base/err.h"
#include "http/chunk.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { BODY_MAX = 1 << 20 };

static void must(int ok)
{
	if (!ok)
		abort();
}

/* Cuts in into pieces of `step` bytes. Returns the last result; *rest = bytes not taken. */
static int read_pieces(struct slice in, size_t step, struct buf *body, size_t *rest)
{
	struct http_body b;
	int got = ERR_MORE;

	http_body_init(&b, HTTP_BODY_CHUNKED, 0);
	while (got == ERR_MORE && in.len) {
		struct slice part = { in.data, in.len < step ? in.len : step };
		struct slice piece;
		size_t used;

		do {
			got = http_body_read(&b, part, &used, &piece);
			must(used <= part.len && (got == 1) == (piece.len > 0));
			buf_add_slice(body, piece);
			part.data += used;
			part.len -= used;
			in.data += used;
			in.len -= used;
		} while (got == 1);
	}
	*rest = in.len;
	return got;
}

static int collect(struct slice in, size_t step, struct buf *body, size_t *rest)
{
	struct http_body b;
	size_t body_len = 0;
	int got = ERR_MORE;

	http_body_init(&b, HTTP_BODY_CHUNKED, 0);
	while (got == ERR_MORE && in.len) {
		size_t n = in.len < step ? in.len : step;

		buf_add(body, in.data, n);
		in.data += n;
		in.len -= n;
		got = http_body_collect(&b, body, 0, &body_len, BODY_MAX);
	}
	*rest = in.len + body->len - body_len;
	body->len = body_len;
	return got;
}

static void round_trip(struct slice in, size_t step)
{
	struct buf wire, back;
	size_t rest;

	buf_init(&wire, 8 * BODY_MAX);
	buf_init(&back, BODY_MAX);
	for (size_t at = 0; at < in.len; at += step)
		http_chunk_add(&wire, (struct slice){ in.data + at,
						      in.len - at < step ? in.len - at : step });
	http_chunk_end(&wire);
	must(read_pieces(buf_slice(&wire), wire.len, &back, &rest) == 0);
	must(rest == 0 && slice_equal(buf_slice(&back), in));
	buf_done(&wire);
	buf_done(&back);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct slice in = { (const char *)data + 1, size - 1 };
	size_t step, rest[3];
	struct buf bodies[3];
	int got[3];

	if (size < 2 || size > BODY_MAX / 4)
		return 0;
	step = 1 + data[0] % 64;
	for (int i = 0; i < 3; i++)
		buf_init(&bodies[i], 2 * BODY_MAX);
	got[0] = read_pieces(in, in.len, &bodies[0], &rest[0]);
	got[1] = read_pieces(in, step, &bodies[1], &rest[1]);
	got[2] = collect(in, step, &bodies[2], &rest[2]);
	must(got[0] == got[1] && got[1] == got[2]);
	must(slice_equal(buf_slice(&bodies[0]), buf_slice(&bodies[1])));
	must(rest[0] == rest[1] && (got[0] < 0 || rest[0] == rest[2]));
	must(slice_equal(buf_slice(&bodies[0]), buf_slice(&bodies[2])));
	for (int i = 0; i < 3; i++)
		buf_done(&bodies[i]);
	round_trip(in, step);
	return 0;
}
