/* write.h - the bytes of requests and replies. Pure.
 *
 * Slices that come from the caller are written as they are: what a user can choose (a
 * target, a host) must have been encoded or checked before (http/url.h, http_is_token).
 * A CR or LF in a one-line part asserts.
 */
#ifndef SB_HTTP_WRITE_H
#define SB_HTTP_WRITE_H
#include "base/buf.h"
#include "base/slice.h"
#include "http/parse.h"

struct http_reply {
	int status;			/* 200 .. 599 */
	struct slice content_type;	/* empty: no Content-Type */
	struct slice headers;		/* further lines, each "Name: value\r\n"; may be empty */
	struct slice body;		/* whole, or with more = 1 the first piece (may be empty) */
	int more;			/* 1: pieces follow; their number and size are not known */
};

struct http_request {
	struct slice method;		/* "GET" */
	struct slice target;		/* "/services?filters=..." encoded */
	struct slice host;		/* empty: "docker", as for a unix socket */
	struct slice content_type;	/* empty: none */
	struct slice headers;		/* further lines, each "Name: value\r\n"; may be empty */
	struct slice upgrade;		/* a protocol to change to ("tcp"), or empty */
	struct slice body;		/* its length is written unless it is empty and the
					 * method is none of POST, PUT, PATCH */
};

/* The reason phrase (RFC 9110 15), "Unknown" for others. */
const char *http_reason(int status);

/* The whole request: line, Host, the headers above, Content-Length, body. */
void http_write_request(struct buf *out, const struct http_request *request);

/*
 * A request head to be sent on to another server: the line and headers as received,
 * but the hop's own headers are replaced (RFC 9110 7.6.1): "Connection: close", so that the
 * next request on this connection comes back to us, or, if the request asks for an
 * upgrade, "Connection: Upgrade" and its protocol. Expect stays: its answer is the server's.
 */
void http_write_forward(struct buf *out, const struct http_head *head);

/*
 * The status line and headers of a reply, without its body. common: lines that all replies
 * carry. connection: the Connection header's value, or NULL for none. chunked: 1 to write
 * Transfer-Encoding; else Content-Length, unless reply->more: then the end of the connection
 * ends the body. 204 and 304 carry neither.
 */
void http_write_reply_head(struct buf *out, const struct http_reply *reply, struct slice common,
			   const char *connection, int chunked);

/* "Name: value\r\n". */
void http_write_header(struct buf *out, const char *name, struct slice value);
#endif
