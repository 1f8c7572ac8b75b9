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
	int state;		/* of the chunk line reader */
	int digits;
	uint32_t skipped;	/* bytes of this line, or of all trailers */
	uint64_t left;		/* of the body or the chunk */
};

/* length is read for HTTP_BODY_LENGTH only. */
void http_body_init(struct http_body *b, enum http_body_kind kind, uint64_t length);

/*
 * Reads on in `in`. *used: how many bytes were taken. *piece: a run of body bytes within
 * `in`, may be empty. Call again with what follows *used:
 *	1		a piece, more may follow in the rest
 *	0		the body is complete; what follows *used is the next message's
 *	ERR_MORE	all of `in` is used (*piece may still hold its last run)
 *	ERR_INVALID	a bad chunk size, a missing CRLF, a forbidden byte
 *	ERR_LIMIT	HTTP_CHUNK_LINE_MAX, HTTP_TRAILER_MAX or a size over 2^60
 * After an error the connection must be closed. HTTP_BODY_CLOSE never gives 0.
 */
int http_body_read(struct http_body *b, struct slice in, size_t *used, struct slice *piece);

/* 1 if the end of the connection is a proper end of the body here. */
int http_body_may_end(const struct http_body *b);

/* Appends one chunk. Nothing for an empty piece: that would end the body. */
void http_chunk_add(struct buf *out, struct slice piece);
/* Appends the last chunk, without trailers. */
void http_chunk_end(struct buf *out);
#endif
