/* chunk.h - the chunked transfer coding and the reader of any body. Pure.
 *
 * RFC 9112 7.1. Chunk extensions and trailers are read over, within bounds; nothing of
 * them is kept (7.1.1, 7.1.2 allow that).
 */
#ifndef SB_HTTP_CHUNK_H
#define SB_HTTP_CHUNK_H
#include <stddef.h>
#include <stdint.h>
#include "base/buf.h"
#include "base/slice.h"
#include "http/parse.h"

enum {
	HTTP_CHUNK_LINE_MAX = 256,	/* one size line with its extensions */
	HTTP_TRAILER_MAX = 8192,	/* all trailers: half a head */
};

/* Private. Holds no pointers. */
struct http_body {
	enum http_body_kind kind;
	int state;		/* of the chunk reader */
	uint32_t line_len;	/* bytes of this size line, or of all trailers */
	uint64_t left;		/* of the body or the chunk */
};

/* length is read for HTTP_BODY_LENGTH only. */
void http_body_init(struct http_body *b, enum http_body_kind kind, uint64_t length);

/*
 * Reads on in `in`. *used: how many bytes were taken. *piece: a run of body bytes within
 * `in`, not empty exactly when 1 is returned. Call again with what follows *used:
 *	1		a piece
 *	0		the body is complete; what follows *used is the next message's
 *	ERR_MORE	all of `in` is used
 *	ERR_INVALID	a bad chunk size, a missing CRLF, a forbidden byte
 *	ERR_LIMIT	HTTP_CHUNK_LINE_MAX, HTTP_TRAILER_MAX, or a size of 2^60 or more
 * After an error the connection must be closed. HTTP_BODY_CLOSE never gives 0.
 */
int http_body_read(struct http_body *b, struct slice in, size_t *used, struct slice *piece);

/*
 * Gathers a body in place: `in` holds start bytes of head, *body_len bytes of decoded body,
 * then bytes as received. Decodes those, adds to *body_len. After 0 what follows the body in
 * `in` is the next message's; after ERR_MORE nothing follows it.
 * 0, ERR_MORE, ERR_INVALID, ERR_LIMIT as above; ERR_FULL if the body passes max.
 */
int http_body_collect(struct http_body *b, struct buf *in, size_t start, size_t *body_len,
		      size_t max);

/* 1 if the end of the connection is a proper end of the body here. */
int http_body_may_end(const struct http_body *b);

/* Appends one chunk. Nothing for an empty piece: that would end the body. */
void http_chunk_add(struct buf *out, struct slice piece);
/* Appends the last chunk, without trailers. */
void http_chunk_end(struct buf *out);
#endif
