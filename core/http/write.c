/* Contracts are in write.h. */
#include "http/write.h"
#include <assert.h>

/* RFC 9110 15, those that we send or pass on. */
static const struct {
	int status;
	const char *reason;
} reasons[] = {
	{ 100, "Continue" },
	{ 101, "Switching Protocols" },
	{ 200, "OK" },
	{ 201, "Created" },
	{ 202, "Accepted" },
	{ 204, "No Content" },
	{ 206, "Partial Content" },
	{ 301, "Moved Permanently" },
	{ 302, "Found" },
	{ 304, "Not Modified" },
	{ 307, "Temporary Redirect" },
	{ 308, "Permanent Redirect" },
	{ 400, "Bad Request" },
	{ 401, "Unauthorized" },
	{ 403, "Forbidden" },
	{ 404, "Not Found" },
	{ 405, "Method Not Allowed" },
	{ 406, "Not Acceptable" },
	{ 408, "Request Timeout" },
	{ 409, "Conflict" },
	{ 410, "Gone" },
	{ 411, "Length Required" },
	{ 413, "Content Too Large" },
	{ 414, "URI Too Long" },
	{ 415, "Unsupported Media Type" },
	{ 417, "Expectation Failed" },
	{ 422, "Unprocessable Content" },
	{ 426, "Upgrade Required" },
	{ 429, "Too Many Requests" },
	{ 431, "Request Header Fields Too Large" },
	{ 500, "Internal Server Error" },
	{ 501, "Not Implemented" },
	{ 502, "Bad Gateway" },
	{ 503, "Service Unavailable" },
	{ 504, "Gateway Timeout" },
	{ 505, "HTTP Version Not Supported" },
	{ 507, "Insufficient Storage" },
};

const char *http_reason(int status)
{
	for (size_t i = 0; i < sizeof(reasons) / sizeof(reasons[0]); i++) {
		if (reasons[i].status == status)
			return reasons[i].reason;
	}
	return "Unknown";
}

static void assert_one_line(struct slice s)
{
	assert(slice_find(s, '\r') == s.len && slice_find(s, '\n') == s.len);
	(void)s;
}

void http_write_header(struct buf *out, const char *name, struct slice value)
{
	assert_one_line(value);
	buf_add_str(out, name);
	buf_add_str(out, ": ");
	buf_add_slice(out, value);
	buf_add_str(out, "\r\n");
}

static void write_length(struct buf *out, size_t length)
{
	buf_add_str(out, "Content-Length: ");
	buf_add_u64(out, length);
	buf_add_str(out, "\r\n");
}

static void write_request_line(struct buf *out, struct slice method, struct slice target,
			       const char *version)
{
	assert(http_is_token(method) && target.len > 0);
	assert_one_line(target);
	assert(slice_find(target, ' ') == target.len);
	buf_add_slice(out, method);
	buf_add_char(out, ' ');
	buf_add_slice(out, target);
	buf_add_char(out, ' ');
	buf_add_str(out, version);
	buf_add_str(out, "\r\n");
}

static void write_upgrade(struct buf *out, struct slice protocol)
{
	buf_add_str(out, "Connection: Upgrade\r\n");
	http_write_header(out, "Upgrade", protocol);
}

/* RFC 9110 8.6: a method that expects content says so even if there is none. */
static int method_has_content(struct slice method)
{
	return slice_is(method, "POST") || slice_is(method, "PUT") || slice_is(method, "PATCH");
}

void http_write_request(struct buf *out, const struct http_request *request)
{
	struct slice host = request->host.len ? request->host : SLICE("docker");

	write_request_line(out, request->method, request->target, "HTTP/1.1");
	http_write_header(out, "Host", host);
	if (request->content_type.len)
		http_write_header(out, "Content-Type", request->content_type);
	buf_add_slice(out, request->headers);
	if (request->upgrade.len)
		write_upgrade(out, request->upgrade);
	if (request->body.len || method_has_content(request->method))
		write_length(out, request->body.len);
	buf_add_str(out, "\r\n");
	buf_add_slice(out, request->body);
}

static int is_among(struct slice name, const char *const *names, size_t count)
{
	for (size_t i = 0; i < count; i++) {
		if (slice_is_nocase(name, names[i]))
			return 1;
	}
	return 0;
}

static char lower(char c)
{
	return c >= 'A' && c <= 'Z' ? (char)(c - 'A' + 'a') : c;
}

static int same_name(struct slice a, struct slice b)
{
	size_t i = 0;

	if (a.len != b.len)
		return 0;
	while (i < a.len && lower(a.data[i]) == lower(b.data[i]))
		i++;
	return i == a.len;
}

/* 1 if a Connection header names it. */
static int is_named_by_connection(const struct http_head *head, struct slice name)
{
	for (unsigned i = 0; i < head->header_count; i++) {
		struct slice list = head->headers[i].value;

		if (!slice_is_nocase(head->headers[i].name, "connection"))
			continue;
		while (list.len) {
			if (same_name(slice_trim(slice_cut(&list, ',')), name))
				return 1;
		}
	}
	return 0;
}

/* 1 if the header speaks of this hop only (RFC 9110 7.6.1), by its kind or because Connection
 * names it. What frames the message stays, whatever Connection says. */
static int is_hop_header(const struct http_head *head, struct slice name)
{
	static const char *const hop[] = { "connection", "keep-alive", "proxy-connection", "te",
					   "upgrade" };
	static const char *const frame[] = { "host", "content-length", "transfer-encoding",
					     "trailer", "expect" };

	if (is_among(name, hop, sizeof(hop) / sizeof(hop[0])))
		return 1;
	if (is_among(name, frame, sizeof(frame) / sizeof(frame[0])))
		return 0;
	return is_named_by_connection(head, name);
}

void http_write_forward(struct buf *out, const struct http_head *head)
{
	write_request_line(out, head->method, head->target, head->minor ? "HTTP/1.1" : "HTTP/1.0");
	for (unsigned i = 0; i < head->header_count; i++) {
		const struct http_header *h = &head->headers[i];

		if (is_hop_header(head, h->name))
			continue;
		buf_add_slice(out, h->name);
		buf_add_str(out, ": ");
		buf_add_slice(out, h->value);
		buf_add_str(out, "\r\n");
	}
	if (head->upgrade.len)
		write_upgrade(out, head->upgrade);
	else
		buf_add_str(out, "Connection: close\r\n");
	buf_add_str(out, "\r\n");
}

static void write_framing(struct buf *out, const struct http_reply *reply, int chunked)
{
	/* RFC 9110 8.6: neither header with 204; with 304 it would speak of another body. */
	if (reply->status == 204 || reply->status == 304)
		return;
	if (chunked)
		buf_add_str(out, "Transfer-Encoding: chunked\r\n");
	else if (!reply->more)
		write_length(out, reply->body.len);
}

void http_write_reply_head(struct buf *out, const struct http_reply *reply, struct slice common,
			   const char *connection, int chunked)
{
	assert(reply->status >= 200 && reply->status <= 599);
	buf_add_str(out, "HTTP/1.1 ");
	buf_add_u64(out, (uint64_t)reply->status);
	buf_add_char(out, ' ');
	buf_add_str(out, http_reason(reply->status));
	buf_add_str(out, "\r\n");
	buf_add_slice(out, common);
	if (reply->content_type.len)
		http_write_header(out, "Content-Type", reply->content_type);
	buf_add_slice(out, reply->headers);
	write_framing(out, reply, chunked);
	if (connection)
		http_write_header(out, "Connection", slice_of(connection));
	buf_add_str(out, "\r\n");
}
