/* serve.h - the server's end of one HTTP connection. Pure.
 *
 * Bytes in, requests out; replies in, bytes out. One request at a time: the next one on the
 * connection (pipelined or not) is looked at when the reply to the first is finished.
 *
 * The driver's side of it:
 *
 *	readable:	if (http_serve_wants(s)) read at most HTTP_SERVE_READ_MAX bytes,
 *			http_serve_feed(s, bytes, now), then the events
 *	events:		while ((kind = http_serve_next(s, now, &ev)) != HTTP_SERVE_NONE)
 *				HEAD:    http_serve_hijack(s, ...) or nothing
 *				REQUEST: http_serve_reply(s, ...) now or later
 *				ERROR:   nothing (the answer is in the output already)
 *	after a later reply or its last chunk: the events again (a pipelined request)
 *	end of input:	http_serve_eof(s), then the events
 *	writable:	write http_serve_out(s), http_serve_sent(s, n, now)
 *	then:		if (http_serve_finished(s)) close (shut the writing side down first, so
 *			that bytes not read yet do not destroy the answer)
 *	time:		http_serve_deadline(s); when it has passed http_serve_expire(s, now)
 *
 * An idle connection holds this struct and no buffer.
 */
#ifndef SB_HTTP_SERVE_H
#define SB_HTTP_SERVE_H
#include <stddef.h>
#include <stdint.h>
#include "base/buf.h"
#include "base/slice.h"
#include "http/chunk.h"
#include "http/parse.h"
#include "http/write.h"

enum {
	HTTP_SERVE_READ_MAX = 65536,	/* one feed: one read of the loop */
	/* What http_serve_hijack may append: a head with a blank added to each header and a
	 * Connection line, and the rest of one feed. */
	HTTP_SERVE_HIJACK_MAX = HTTP_HEAD_MAX + HTTP_SERVE_READ_MAX + 256,
	HTTP_SERVE_HEAD_MS = 10000,	/* first byte of a head to its last: a human with telnet
					 * is not served, a drip feed is cut off */
	HTTP_SERVE_BODY_MS = 60000,	/* head to the end of the body: 2 MiB at 35 KB/s */
	HTTP_SERVE_IDLE_MS = 300000,	/* between requests; clients keep 90 s or less */
	HTTP_SERVE_WRITE_MS = 60000,	/* output that nobody takes */
};

/* The same for all connections of a listener; borrowed for their life. */
struct http_serve_config {
	struct slice headers;	/* lines for every reply, each "Name: value\r\n"; may be empty */
	size_t body_max;	/* a longer request body gets 413 */
	size_t out_max;		/* bytes of replies that wait to be sent */
	int closing;		/* 1: each connection ends after its next reply, which says so */
};

struct http_serve {
	const struct http_serve_config *config;	/* private, as all of it */
	struct buf in;		/* head, decoded body, bytes not looked at yet */
	struct buf out;
	size_t out_sent;
	size_t seen;		/* of the head */
	size_t head_len;
	size_t body_len;
	struct http_body body;
	uint64_t since_ms;	/* when the present state began */
	uint64_t write_ms;	/* when output last moved */
	uint8_t state;
	uint8_t keep_alive;
	uint8_t is_head;	/* the request's method is HEAD */
	uint8_t is_old;		/* the request's version is 1.0 */
	uint8_t expects;	/* Expect: 100-continue */
	uint8_t eof;
	uint8_t chunked;	/* the reply is */
	uint8_t no_body;	/* the reply has none on the wire: HEAD, 204, 304 */
};

enum http_serve_kind {
	HTTP_SERVE_NONE,	/* nothing now */
	HTTP_SERVE_HEAD,	/* a head is complete: ev.head */
	HTTP_SERVE_REQUEST,	/* its body too: ev.head, ev.body; a reply is owed */
	HTTP_SERVE_ERROR,	/* ev.status, ev.why: a bad request; answered, will be finished */
};

/* head and body: borrowed until the next call but http_serve_out, _sent and _deadline. */
struct http_serve_event {
	enum http_serve_kind kind;
	struct http_head head;
	struct slice body;
	int status;
	const char *why;
};

void http_serve_init(struct http_serve *s, const struct http_serve_config *config, uint64_t now_ms);
void http_serve_done(struct http_serve *s);

/* 1 if bytes may be fed. 0 while a request is being answered: do not read then. */
int http_serve_wants(const struct http_serve *s);
/* 1 between two requests, with nothing of the next one received and no output waiting: the
 * connection may be closed at any time (RFC 9112 9.5). */
int http_serve_idle(const struct http_serve *s);
/* At most HTTP_SERVE_READ_MAX bytes, only if it wants them, after all events were taken. */
void http_serve_feed(struct http_serve *s, struct slice bytes, uint64_t now_ms);
/* The client will send no more. Take the events after it: complete requests are still
 * answered, then the machine is finished. */
void http_serve_eof(struct http_serve *s);
/* The next event; returns ev->kind. Other fields of ev are written as the kind says. The call
 * after HTTP_SERVE_HEAD is given the same ev, which still has the head. */
enum http_serve_kind http_serve_next(struct http_serve *s, uint64_t now_ms,
				     struct http_serve_event *ev);

/*
 * Only right after HTTP_SERVE_HEAD: takes the connection over. Appends to `out` what another
 * server is to be sent: the head (http_write_forward) and all bytes that followed it, as they
 * are (HTTP_SERVE_HIJACK_MAX). From then on the machine is at its end: send what is left in
 * http_serve_out (replies to requests before this one) ahead of anything that is relayed; do
 * not feed; free with http_serve_done. head: ev.head.
 */
void http_serve_hijack(struct http_serve *s, const struct http_head *head, struct buf *out);

/*
 * Answers the request (after HTTP_SERVE_REQUEST; or after HTTP_SERVE_HEAD, to refuse it
 * without reading its body: the connection is then closed after the reply). The reply's
 * slices are copied. With more = 1, http_serve_chunk follows.
 * 0, or ERR_LIMIT: out_max is passed; the connection is finished, close it.
 */
int http_serve_reply(struct http_serve *s, const struct http_reply *reply, uint64_t now_ms);
/* A piece of a reply that was begun with more = 1; more = 0 ends it. Errors as above. */
int http_serve_chunk(struct http_serve *s, struct slice piece, int more, uint64_t now_ms);

/* What is to be written, borrowed until the next call; empty: nothing. */
struct slice http_serve_out(const struct http_serve *s);
/* n bytes of it were. */
void http_serve_sent(struct http_serve *s, size_t n, uint64_t now_ms);
/* 1 if the connection is to be closed: all is sent and nothing more can come of it. */
int http_serve_finished(const struct http_serve *s);

/* When http_serve_expire is due, in the caller's milliseconds; 0 = never. */
uint64_t http_serve_deadline(const struct http_serve *s);
/* Does nothing before the deadline. After it: a half-sent request is answered with 408, an
 * idle connection or one that takes no output becomes finished. */
void http_serve_expire(struct http_serve *s, uint64_t now_ms);
#endif
