/* Contracts are in url.h. */
#include "http/url.h"
#include <stddef.h>

/* What follows scheme and authority in an absolute-form target; an empty path is "/". */
static struct slice after_authority(struct slice target)
{
	size_t i = target.data[4] == ':' ? sizeof("http://") - 1 : sizeof("https://") - 1;

	while (i < target.len && target.data[i] != '/' && target.data[i] != '?')
		i++;
	return (struct slice){ target.data + i, target.len - i };
}

int http_url_split(struct slice target, struct http_url *url)
{
	struct slice rest = target;
	int absolute = slice_has_prefix(target, "http://") || slice_has_prefix(target, "https://");

	if (absolute)
		rest = after_authority(target);
	else if (!slice_has_prefix(rest, "/") && !slice_is(rest, "*"))
		return ERR_INVALID;
	url->path = slice_cut(&rest, '?');
	url->query = rest;
	if (url->path.len == 0)
		url->path = SLICE("/");
	return 0;
}

int http_hex_value(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	if (c >= 'a' && c <= 'f')
		return c - 'a' + 10;
	if (c >= 'A' && c <= 'F')
		return c - 'A' + 10;
	return -1;
}

/* The byte that the %XX at the front of text stands for, or ERR_INVALID. */
static int decode_escape(struct slice text)
{
	int high = text.len > 2 ? http_hex_value(text.data[1]) : -1;
	int low = text.len > 2 ? http_hex_value(text.data[2]) : -1;

	if (high < 0 || low < 0 || (high == 0 && low == 0))
		return ERR_INVALID;
	return high * 16 + low;
}

/* plus: what a '+' stands for. */
static int decode(struct arena *a, struct slice text, char plus, struct slice *out)
{
	char *data = arena_new(a, text.len + 1);
	size_t n = 0;

	while (text.len) {
		size_t step = 1;
		int c = text.data[0] == '+' ? plus : text.data[0];

		if (c == '%') {
			c = decode_escape(text);
			if (c < 0)
				return c;
			step = 3;
		}
		data[n++] = (char)c;
		text.data += step;
		text.len -= step;
	}
	*out = (struct slice){ data, n };
	return 0;
}

int http_url_decode(struct arena *a, struct slice text, struct slice *out)
{
	return decode(a, text, '+', out);
}

int http_query_decode(struct arena *a, struct slice text, struct slice *out)
{
	return decode(a, text, ' ', out);
}

static int is_unreserved(char c)
{
	return (c >= '0' && c <= '9') || (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') ||
	       c == '-' || c == '.' || c == '_' || c == '~';
}

void http_url_encode(struct buf *out, struct slice text)
{
	static const char hex[] = "0123456789ABCDEF";

	for (size_t i = 0; i < text.len; i++) {
		unsigned char c = (unsigned char)text.data[i];

		if (is_unreserved(text.data[i])) {
			buf_add_char(out, text.data[i]);
			continue;
		}
		buf_add_char(out, '%');
		buf_add_char(out, hex[c >> 4]);
		buf_add_char(out, hex[c & 15]);
	}
}

int http_query_next(struct slice *rest, struct arena *a, struct slice *name, struct slice *value)
{
	while (rest->len) {
		struct slice raw_value = slice_cut(rest, '&');
		struct slice raw_name = raw_value;
		struct slice decoded_name, decoded_value;

		if (raw_value.len == 0)
			continue;
		raw_name = slice_cut(&raw_value, '=');
		if (http_query_decode(a, raw_name, &decoded_name) < 0 ||
		    http_query_decode(a, raw_value, &decoded_value) < 0)
			return ERR_INVALID;
		*name = decoded_name;
		*value = decoded_value;
		return 1;
	}
	return 0;
}

int http_query_find(struct slice query, const char *name, struct arena *a, struct slice *value)
{
	struct slice found_name, found_value;
	int got;

	while ((got = http_query_next(&query, a, &found_name, &found_value)) == 1) {
		if (slice_is(found_name, name)) {
			*value = found_value;
			return 0;
		}
	}
	return got < 0 ? got : ERR_NOT_FOUND;
}

int http_query_bool(struct slice query, const char *name)
{
	static const char *const no[] = { "", "0", "no", "false", "none" };
	struct slice value;
	struct arena a;
	int is_true;

	arena_init(&a);
	is_true = http_query_find(query, name, &a, &value) == 0;
	for (size_t i = 0; is_true && i < sizeof(no) / sizeof(no[0]); i++)
		is_true = !slice_is_nocase(slice_trim(value), no[i]);
	arena_done(&a);
	return is_true;
}

int http_path_version(struct slice *path)
{
	struct slice rest = *path;
	struct slice minor;
	uint64_t a, b;

	if (!slice_has_prefix(rest, "/v"))
		return 0;
	rest.data += 2;
	rest.len -= 2;
	minor = (struct slice){ rest.data, slice_find(rest, '/') };
	if (minor.len == rest.len)
		return 0;
	rest.data += minor.len;
	rest.len -= minor.len;
	if (slice_find(minor, '.') == minor.len ||
	    slice_to_u64(slice_cut(&minor, '.'), 99, &a) < 0 || slice_to_u64(minor, 99, &b) < 0 ||
	    a == 0)
		return 0;
	*path = rest;
	return (int)(a * 100 + b);
}

/* Walks pattern and path together; parts may be NULL. */
static int match(struct slice path, struct slice pattern, struct slice *parts)
{
	for (;;) {
		struct slice want, have;

		if (path.len == 0 || pattern.len == 0)
			return path.len == pattern.len;
		if (path.data[0] != '/')
			return 0;
		path.data++;
		path.len--;
		pattern.data++;
		pattern.len--;
		if (slice_is(pattern, "...")) {
			if (parts)
				*parts = path;
			return path.len > 0;
		}
		want = (struct slice){ pattern.data, slice_find(pattern, '/') };
		have = (struct slice){ path.data, slice_find(path, '/') };
		if (slice_is(want, "{}")) {
			if (have.len == 0)
				return 0;
			if (parts)
				*parts++ = have;
		} else if (!slice_equal(want, have)) {
			return 0;
		}
		pattern = (struct slice){ pattern.data + want.len, pattern.len - want.len };
		path = (struct slice){ path.data + have.len, path.len - have.len };
	}
}

int http_path_match(struct slice path, const char *pattern, struct slice *parts)
{
	if (!match(path, slice_of(pattern), NULL))
		return 0;
	return parts ? match(path, slice_of(pattern), parts) : 1;
}

static struct slice after(struct slice text, const char *prefix)
{
	size_t n = slice_of(prefix).len;

	return (struct slice){ text.data + n, text.len - n };
}

static int parse_unix(struct slice path, struct http_address *address, struct errmsg *msg)
{
	if (path.len == 0 || path.data[0] != '/')
		return errmsg_set(msg, ERR_INVALID, "unix:// needs an absolute path, as in "
				  "unix:///run/swarmbox/docker.sock");
	*address = (struct http_address){ .kind = HTTP_ADDRESS_UNIX, .path = path };
	return 0;
}

/* rest: "host:port", "[v6]:port", either without the port, an ending '/' allowed. */
static int parse_tcp(struct slice rest, struct http_address *address, struct errmsg *msg)
{
	enum { DOCKER_PORT = 2375 };
	struct slice host;
	uint64_t port = DOCKER_PORT;

	if (rest.len && rest.data[rest.len - 1] == '/')
		rest.len--;
	if (slice_has_prefix(rest, "[")) {
		rest = after(rest, "[");
		if (slice_find(rest, ']') == rest.len)
			return errmsg_set(msg, ERR_INVALID, "a ']' is missing");
		host = slice_cut(&rest, ']');
		if (rest.len && rest.data[0] != ':')
			return errmsg_set(msg, ERR_INVALID, "':' and a port must follow the ']'");
	} else {
		host = (struct slice){ rest.data, slice_find(rest, ':') };
		rest = (struct slice){ rest.data + host.len, rest.len - host.len };
	}
	if (host.len == 0 || slice_find(host, '/') < host.len || slice_find(host, ' ') < host.len)
		return errmsg_set(msg, ERR_INVALID, "the host name is missing or is none");
	if (rest.len && (slice_to_u64(after(rest, ":"), 65535, &port) < 0 || port == 0))
		return errmsg_set(msg, ERR_INVALID, "the port must be a number from 1 to 65535");
	*address = (struct http_address){ .kind = HTTP_ADDRESS_TCP, .host = host,
					  .port = (uint16_t)port };
	return 0;
}

int http_address_parse(struct slice text, struct http_address *address, struct errmsg *msg)
{
	if (slice_has_prefix(text, "unix://"))
		return parse_unix(after(text, "unix://"), address, msg);
	if (slice_has_prefix(text, "tcp://"))
		return parse_tcp(after(text, "tcp://"), address, msg);
	if (slice_has_prefix(text, "http://"))
		return parse_tcp(after(text, "http://"), address, msg);
	return errmsg_set(msg, ERR_UNSUPPORTED, "\"%.*s\" is not an address that starts with "
			  "unix:// or tcp://", SLICE_ARGS(text));
}
