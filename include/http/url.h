/* url.h - request targets, query parameters, paths, and the addresses of API hosts. Pure. */
#ifndef SB_HTTP_URL_H
#define SB_HTTP_URL_H
#include <stdint.h>
#include "base/arena.h"
#include "base/buf.h"
#include "base/err.h"
#include "base/slice.h"

/* Both as sent, still percent-encoded; borrowed from the target. */
struct http_url {
	struct slice path;	/* starts with '/', or is "*" */
	struct slice query;	/* what follows the first '?', may be empty */
};

/*
 * Splits a request target (RFC 9112 3.2): origin-form, asterisk-form, or absolute-form,
 * whose scheme and authority are dropped. 0, or ERR_INVALID.
 */
int http_url_split(struct slice target, struct http_url *url);

/*
 * Percent decoding (RFC 3986 2.1) into a. *out is NUL-terminated beyond its len.
 * 0, or ERR_INVALID: a '%' without two hex digits, or an encoded NUL.
 */
int http_url_decode(struct arena *a, struct slice text, struct slice *out);

/* As http_url_decode, and '+' is a space: the form of query names and values. */
int http_query_decode(struct arena *a, struct slice text, struct slice *out);

/* 0 .. 15, or -1 for a character that is no hex digit. */
int http_hex_value(char c);

/* Appends text so that it may stand as a query value or a path segment: all but RFC 3986's
 * unreserved characters become %XX. */
void http_url_encode(struct buf *out, struct slice text);

/*
 * Takes the next parameter off *rest (a query). name, value: decoded into a. An empty
 * parameter ("&&") is passed over; one without '=' has an empty value.
 * 1 with a parameter, 0 at the end, ERR_INVALID (bad encoding).
 */
int http_query_next(struct slice *rest, struct arena *a, struct slice *name, struct slice *value);

/* The first parameter of that name, decoded into a. 0, ERR_NOT_FOUND, ERR_INVALID. */
int http_query_find(struct slice query, const char *name, struct arena *a, struct slice *value);

/*
 * A truth value as Docker's daemon reads one: 0 if missing, empty, "0", "no", "false" or
 * "none" (any case), else 1. A parameter that cannot be decoded counts as missing.
 */
int http_query_bool(struct slice query, const char *name);

/*
 * Takes "/v1.41" off the front of *path if it is there. Returns 141, or 0 without one.
 * Version = major * 100 + minor, minor < 100.
 */
int http_path_version(struct slice *path);

/*
 * 1 if path has the pattern's segments: "/services/{}/update", where {} is one segment that
 * is not empty; a pattern that ends in "/..." takes any non-empty rest as its last part
 * ("/images/..."). parts: as sent (decode with http_url_decode), as many as the pattern has
 * variable parts; written only on a match. A path is matched as it is: "//" and a trailing
 * '/' do not match.
 */
int http_path_match(struct slice path, const char *pattern, struct slice *parts);

enum http_address_kind { HTTP_ADDRESS_UNIX, HTTP_ADDRESS_TCP };

struct http_address {
	enum http_address_kind kind;
	struct slice host;	/* TCP: name or address, without the [] of IPv6 */
	struct slice path;	/* UNIX: absolute */
	uint16_t port;		/* TCP: 1 .. 65535 */
};

/*
 * "unix:///run/x.sock", "tcp://host:port", "tcp://[::1]:port"; "tcp://host" has docker's
 * port 2375; http:// is read as tcp://. address borrows from text.
 * 0; ERR_UNSUPPORTED (npipe, ssh, fd, https ...) or ERR_INVALID, with msg saying why.
 */
int http_address_parse(struct slice text, struct http_address *address, struct errmsg *msg);
#endif
