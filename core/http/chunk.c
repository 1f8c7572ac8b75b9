/* Contracts are in chunk.h. The chunk reader is a machine of one state per kind of byte that
 * may come next, so that any cut of the input resumes. */
#include "http/chunk.h"
#include <assert.h>
#include <string.h>
#include "base/err.h"
#include "http/url.h"

enum state {
	SIZE_FIRST,	/* the first digit of a size */
	SIZE,		/* another digit, or what ends the number */
	SIZE_BLANK,	/* blanks before an extension */
	EXTENSION,
	SIZE_LF,
	DATA,
	DATA_CR,
	DATA_LF,
	TRAILER_FIRST,	/* the start of a trailer line or of the empty line */
	TRAILER,
	TRAILER_LF,
	LAST_LF,
	COMPLETE,
	NEVER = -1,	/* no such byte may stand here */
};

enum { SIZE_BITS_MAX = 60 };

void http_body_init(struct http_body *b, enum http_body_kind kind, uint64_t length)
{
	*b = (struct http_body){ .kind = kind };
	if (kind == HTTP_BODY_LENGTH)
		b->left = length;
}

static int is_text(char c)
{
	unsigned char u = (unsigned char)c;

	return (u >= ' ' && u != 0x7f) || u == '\t';
}

/* The state after the digits or the blanks of a size line. */
static int after_size(int state, char c)
{
	if (c == ' ' || c == '\t')
		return SIZE_BLANK;
	if (c == ';')
		return EXTENSION;
	return c == '\r' && state == SIZE ? SIZE_LF : NEVER;
}

/* A byte of a size line. Returns the next state or NEVER. */
static int size_step(struct http_body *b, char c)
{
	int digit = http_hex_value(c);

	switch (b->state) {
	case SIZE_FIRST:
	case SIZE:
		if (digit < 0)
			return b->state == SIZE ? after_size(SIZE, c) : NEVER;
		b->left = b->left << 4 | (uint64_t)digit;
		return SIZE;
	case SIZE_BLANK:
		return after_size(SIZE_BLANK, c);
	case EXTENSION:
		if (c == '\r')
			return SIZE_LF;
		return is_text(c) ? EXTENSION : NEVER;
	default:
		assert(b->state == SIZE_LF);
		b->line_len = 0;
		if (c != '\n')
			return NEVER;
		return b->left ? DATA : TRAILER_FIRST;
	}
}

/* A byte behind a chunk's data, or of the trailers. */
static int end_step(struct http_body *b, char c)
{
	switch (b->state) {
	case DATA_CR:
		return c == '\r' ? DATA_LF : NEVER;
	case DATA_LF:
		b->line_len = 0;
		return c == '\n' ? SIZE_FIRST : NEVER;
	case TRAILER_FIRST:
		if (c == '\r')
			return LAST_LF;
		return is_text(c) ? TRAILER : NEVER;
	case TRAILER:
		if (c == '\r')
			return TRAILER_LF;
		return is_text(c) ? TRAILER : NEVER;
	case TRAILER_LF:
		return c == '\n' ? TRAILER_FIRST : NEVER;
	default:
		assert(b->state == LAST_LF);
		return c == '\n' ? COMPLETE : NEVER;
	}
}

/* One byte that is not data. 0, ERR_INVALID or ERR_LIMIT. */
static int step(struct http_body *b, char c)
{
	int in_size = b->state < DATA;
	int next;

	if (in_size && b->left >> (SIZE_BITS_MAX - 4) && http_hex_value(c) >= 0 && b->state == SIZE)
		return ERR_LIMIT;
	if (++b->line_len > (in_size ? HTTP_CHUNK_LINE_MAX : HTTP_TRAILER_MAX))
		return ERR_LIMIT;
	next = in_size ? size_step(b, c) : end_step(b, c);
	if (next == NEVER)
		return ERR_INVALID;
	b->state = next;
	return 0;
}

/* A run of at most b->left bytes off the front of in. */
static int take_piece(struct http_body *b, struct slice in, size_t *used, struct slice *piece)
{
	size_t n = b->left < in.len ? (size_t)b->left : in.len;

	if (n == 0)
		return ERR_MORE;
	*piece = (struct slice){ in.data, n };
	*used += n;
	b->left -= n;
	return 1;
}

static int read_chunked(struct http_body *b, struct slice in, size_t *used, struct slice *piece)
{
	while (b->state != COMPLETE) {
		struct slice rest;
		int err;

		if (*used == in.len)
			return ERR_MORE;
		rest = (struct slice){ in.data + *used, in.len - *used };
		if (b->state == DATA) {
			int got = take_piece(b, rest, used, piece);

			if (b->left == 0)
				b->state = DATA_CR;
			return got;
		}
		err = step(b, rest.data[0]);
		if (err < 0)
			return err;
		++*used;
	}
	return 0;
}

int http_body_read(struct http_body *b, struct slice in, size_t *used, struct slice *piece)
{
	*used = 0;
	*piece = (struct slice){ NULL, 0 };
	switch (b->kind) {
	case HTTP_BODY_NONE:
		return 0;
	case HTTP_BODY_LENGTH:
		return b->left == 0 ? 0 : take_piece(b, in, used, piece);
	case HTTP_BODY_CHUNKED:
		return read_chunked(b, in, used, piece);
	case HTTP_BODY_CLOSE:
		b->left = UINT64_MAX;
		return take_piece(b, in, used, piece);
	}
	assert(!"a body kind");
	return ERR_INVALID;
}

int http_body_collect(struct http_body *b, struct buf *in, size_t start, size_t *body_len,
		      size_t max)
{
	size_t raw = start + *body_len;

	assert(raw <= in->len && *body_len <= max);
	for (;;) {
		struct slice rest = { in->data + raw, in->len - raw };
		struct slice piece;
		size_t used;
		int got = http_body_read(b, rest, &used, &piece);

		if (got == 1 && piece.len > max - *body_len)
			return ERR_FULL;
		if (got == 1) {
			memmove(in->data + start + *body_len, piece.data, piece.len);
			*body_len += piece.len;
		}
		raw += used;
		if (got == 1)
			continue;
		if (got == 0 || got == ERR_MORE) {
			/* What is left moves up to the end of the body. */
			size_t end = start + *body_len;

			if (raw < in->len)
				memmove(in->data + end, in->data + raw, in->len - raw);
			in->len -= raw - end;
		}
		return got;
	}
}

int http_body_may_end(const struct http_body *b)
{
	switch (b->kind) {
	case HTTP_BODY_NONE:
	case HTTP_BODY_CLOSE:
		return 1;
	case HTTP_BODY_LENGTH:
		return b->left == 0;
	case HTTP_BODY_CHUNKED:
		return b->state == COMPLETE;
	}
	return 0;
}

void http_chunk_add(struct buf *out, struct slice piece)
{
	if (piece.len == 0)
		return;
	buf_printf(out, "%zx\r\n", piece.len);
	buf_add_slice(out, piece);
	buf_add_str(out, "\r\n");
}

void http_chunk_end(struct buf *out)
{
	buf_add_str(out, "0\r\n\r\n");
}
