/* fetch.h - the client's end of one HTTP connection. Pure.
 *
 *	http_fetch_init(f, body_max)
 *	http_fetch_start(f, &request, collect)
 *	writable:	write http_fetch_out(f), http_fetch_sent(f, n)
 *	readable:	http_fetch_feed(f, bytes), or http_fetch_eof(f) at the end, then
 *			while ((kind = http_fetch_next(f, &ev)) != HTTP_FETCH_NONE) ...
 *	after DONE:	http_fetch_start again if http_fetch_reusable(f), else close
 *
 * Time limits are the caller's.
 */
#ifndef SB_HTTP_FETCH_H
#define SB_HTTP_FETCH_H
#include <stddef.h>
#include <stdint.h>
#include "base/buf.h"
#include "base/slice.h"
#include "http/chunk.h"
#include "http/parse.h"
#include "http/write.h"

enum {
	HTTP_FETCH_READ_MAX = 65536,	/* one feed: one read of the loop */
	HTTP_FETCH_INTERIM_MAX = 16,	/* 1xx responses before the answer */
};

enum http_fetch_mode {
	HTTP_FETCH_WHOLE,	/* the body comes with DONE, at most body_max bytes */
	HTTP_FETCH_PIECES,	/* the body comes as it arrives; no maximum */
};

struct http_fetch {
	struct buf in;		/* private, as all of it */
	struct buf out;
	size_t out_sent;
	size_t body_max;
	size_t seen;
	size_t head_len;
	size_t body_len;	/* WHOLE: decoded bytes behind the head */
	size_t taken;		/* PIECES: bytes given out, dropped at the next call */
	struct http_body body;
	enum http_fetch_mode mode;
	uint8_t state;
	uint8_t eof;
	uint8_t is_head;	/* the request's method is HEAD */
	uint8_t wants_upgrade;
	uint8_t keep_alive;
	uint8_t interim;
};

enum http_fetch_kind {
	HTTP_FETCH_NONE,	/* feed more */
	HTTP_FETCH_HEAD,	/* ev.head: the final response (no 1xx, but 101 if asked for) */
	HTTP_FETCH_PIECE,	/* ev.body: part of the body (PIECES only), never empty */
	HTTP_FETCH_DONE,	/* WHOLE: ev.head, ev.body; PIECES: neither */
	HTTP_FETCH_RAW,		/* after a 101: ev.body = bytes that followed the head, may be
				 * empty; the connection is the new protocol's from here */
	HTTP_FETCH_ERROR,	/* ev.err, ev.why: close the connection */
};

/* head and body: borrowed until the next call but http_fetch_out and http_fetch_sent. */
struct http_fetch_event {
	enum http_fetch_kind kind;
	struct http_head head;
	struct slice body;
	int err;		/* ERR_INVALID, ERR_UNSUPPORTED, ERR_LIMIT, ERR_IO (ended early) */
	const char *why;
};

void http_fetch_init(struct http_fetch *f, size_t body_max);
void http_fetch_done(struct http_fetch *f);

/*
 * Begins an exchange; the request's slices are copied. Only on a fresh machine or one that
 * is reusable. The output's maximum is the request's own size.
 */
void http_fetch_start(struct http_fetch *f, const struct http_request *request,
		      enum http_fetch_mode mode);

/* What is to be written, borrowed until the next call; empty: nothing. */
struct slice http_fetch_out(const struct http_fetch *f);
void http_fetch_sent(struct http_fetch *f, size_t n);

/* At most HTTP_FETCH_READ_MAX bytes, after all events were taken (NONE). */
void http_fetch_feed(struct http_fetch *f, struct slice bytes);
/* The server has closed; the next events say whether that was a proper end. */
void http_fetch_eof(struct http_fetch *f);
/* The next event; returns ev->kind. After DONE, RAW or ERROR only NONE follows. */
enum http_fetch_kind http_fetch_next(struct http_fetch *f, struct http_fetch_event *ev);

/* 1 after DONE if another exchange may begin on this connection. */
int http_fetch_reusable(const struct http_fetch *f);
#endif
