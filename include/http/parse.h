/* parse.h - the head of an HTTP/1.1 message as slices into the caller's bytes. Pure.
 *
 * RFC 9112 read strictly, because two readers who differ on where a message ends is how
 * requests are smuggled (RFC 9112 11.2): lines end in CRLF only, no folded lines (5.2), no
 * blank before the colon (5.1), no control characters, one framing only. Where a request
 * is refused the connection must be closed; nothing after it can be trusted.
 */
#ifndef SB_HTTP_PARSE_H
#define SB_HTTP_PARSE_H
#include <stddef.h>
#include <stdint.h>
#include "base/slice.h"

enum {
	HTTP_HEAD_MAX = 16384,	/* start line and headers: as nginx's and Go's usual proxies */
	HTTP_HEADERS_MAX = 64,	/* 2 KiB of struct http_head; docker and browsers send < 30 */
};

struct http_header {
	struct slice name;
	struct slice value;	/* without the blanks around it */
};

/* How the end of the body is found (RFC 9112 6.3). */
enum http_body_kind {
	HTTP_BODY_NONE,
	HTTP_BODY_LENGTH,	/* content_length bytes, at least one */
	HTTP_BODY_CHUNKED,
	HTTP_BODY_CLOSE,	/* responses only: until the connection ends */
};

/*
 * All fields are to be read. The slices point into the bytes that were parsed and live as
 * long as those do: when the bytes move, parse again.
 */
struct http_head {
	struct slice method;	/* requests: a token, upper and lower case as sent */
	struct slice target;	/* requests: as sent, visible ASCII; see http/url.h */
	struct slice reason;	/* responses: may be empty */
	int status;		/* responses: 100 .. 599 */
	int minor;		/* HTTP/1.minor: 0 or 1 */
	int keep_alive;		/* 1 if the sender lets the connection live on (RFC 9112 9.3) */
	int chunked;		/* 1 if Transfer-Encoding: chunked */
	int has_length;		/* 1 if Content-Length is there */
	uint64_t content_length;
	int expect_continue;	/* requests 1.1: 1 if Expect: 100-continue (RFC 9110 10.1.1) */
	struct slice upgrade;	/* Upgrade's value if Connection names it, else empty (9110 7.8) */
	unsigned header_count;
	struct http_header headers[HTTP_HEADERS_MAX];
};

/*
 * Parses the head at the start of `in`. seen: how many of these bytes were there at the
 * last call that gave ERR_MORE (0 at first), so that a head that drips in byte by byte is
 * looked at once. head: written on success only. Requests: one empty line before the
 * request line is skipped (RFC 9112 2.2).
 *
 * Returns the bytes consumed (> 0, the empty line included; what follows is the body), or
 *	ERR_MORE	the head is not complete (a forbidden byte is found at once, anything
 *			else when the head is complete, so the result depends on the bytes alone)
 *	ERR_LIMIT	HTTP_HEAD_MAX or HTTP_HEADERS_MAX is passed
 *	ERR_UNSUPPORTED	a version other than 1.x, or a transfer coding other than chunked
 *	ERR_INVALID	anything else, among it: Host missing (1.1) or doubled;
 *			Content-Length with Transfer-Encoding; Content-Length doubled with
 *			another value, signed, blank or too large; Transfer-Encoding in 1.0
 */
int http_parse_request(struct slice in, size_t seen, struct http_head *head);
int http_parse_response(struct slice in, size_t seen, struct http_head *head);

/* How a request's body ends: NONE, LENGTH or CHUNKED. */
enum http_body_kind http_request_body(const struct http_head *head);

/*
 * How a response's body ends. method: of the request that it answers: HEAD has no body,
 * nor have 1xx, 204 and 304, whatever their headers say.
 */
enum http_body_kind http_response_body(const struct http_head *head, struct slice method);

/* The value of the first header of that name (any case), or the empty slice. */
struct slice http_head_find(const struct http_head *head, const char *name);

/* 1 if a comma-separated list holds the token (any case), as in Connection: a, b. */
int http_list_has(struct slice list, const char *token);

/* 1 if all characters are those of a token (RFC 9110 5.6.2) and there is at least one. */
int http_is_token(struct slice s);
#endif
