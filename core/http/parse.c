/* Contracts are in parse.h. The head is looked at in two passes: every byte once as it comes,
 * for the end and for bytes that may never be there, and then the whole of it line by line. So
 * the outcome does not depend on how the bytes were cut. */
#include "http/parse.h"
#include <assert.h>
#include <string.h>
#include "base/err.h"

/* RFC 9112 6.2 sets no limit; a body of 2^60 bytes has none that is real. */
#define LENGTH_MAX (UINT64_C(1) << 60)

static int is_token_char(char c)
{
	if ((c >= '0' && c <= '9') || (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') || c == '-')
		return 1;
	return c != '\0' && strchr("!#$%&'*+.^_`|~", c) != NULL;
}

int http_is_token(struct slice s)
{
	for (size_t i = 0; i < s.len; i++) {
		if (!is_token_char(s.data[i]))
			return 0;
	}
	return s.len > 0;
}

static int is_digit(char c)
{
	return c >= '0' && c <= '9';
}

/* Of in[at]: 0, or ERR_INVALID for a control character, a bare CR or a bare LF. */
static int check_byte(const char *in, size_t at)
{
	unsigned char c = (unsigned char)in[at];
	int after_cr = at > 0 && in[at - 1] == '\r';

	if (after_cr != (c == '\n'))
		return ERR_INVALID;
	if ((c < ' ' && c != '\t' && c != '\r' && c != '\n') || c == 0x7f)
		return ERR_INVALID;
	return 0;
}

/* The number of bytes up to and with the empty line, or ERR_MORE, ERR_LIMIT, ERR_INVALID. */
static int find_end(struct slice in, size_t seen)
{
	size_t n = in.len < HTTP_HEAD_MAX ? in.len : HTTP_HEAD_MAX;

	for (size_t i = seen; i < n; i++) {
		int err;

		if (in.data[i] >= ' ' && in.data[i] < 0x7f && i > 0 && in.data[i - 1] >= ' ')
			continue;	/* of most bytes that is all */
		err = check_byte(in.data, i);
		if (err < 0)
			return err;
		if (in.data[i] == '\n' && i >= 3 && in.data[i - 2] == '\n')
			return (int)i + 1;
	}
	return n == HTTP_HEAD_MAX ? ERR_LIMIT : ERR_MORE;
}

/* The next line without its CRLF; every CR is known to stand before an LF. */
static struct slice next_line(struct slice *rest)
{
	struct slice line = slice_cut(rest, '\r');

	assert(rest->len > 0 && rest->data[0] == '\n');
	rest->data++;
	rest->len--;
	return line;
}

/* RFC 9112 2.3. A higher minor version is read as the highest we know (9110 2.5). */
static int parse_version(struct slice text, int *minor)
{
	if (text.len != 8 || !slice_has_prefix(text, "HTTP/") || !is_digit(text.data[5]) ||
	    text.data[6] != '.' || !is_digit(text.data[7]))
		return ERR_INVALID;
	if (text.data[5] != '1')
		return ERR_UNSUPPORTED;
	*minor = text.data[7] > '0';
	return 0;
}

/* RFC 9112 3. */
static int parse_request_line(struct slice line, struct http_head *head)
{
	head->method = slice_cut(&line, ' ');
	head->target = slice_cut(&line, ' ');
	if (!http_is_token(head->method) || head->target.len == 0)
		return ERR_INVALID;
	for (size_t i = 0; i < head->target.len; i++) {
		if (head->target.data[i] <= ' ' || head->target.data[i] > '~')
			return ERR_INVALID;
	}
	return parse_version(line, &head->minor);
}

/* RFC 9112 4; the blank before an empty reason may be missing, as many servers leave it. */
static int parse_status_line(struct slice line, struct http_head *head)
{
	struct slice version = slice_cut(&line, ' ');
	struct slice digits = slice_cut(&line, ' ');
	uint64_t status;
	int err = parse_version(version, &head->minor);

	if (err < 0)
		return err;
	if (digits.len != 3 || slice_to_u64(digits, 599, &status) < 0 || status < 100)
		return ERR_INVALID;
	head->status = (int)status;
	head->reason = line;
	return 0;
}

/* RFC 9112 5. A folded line starts with a blank and so has no token for a name. */
static int parse_header(struct slice line, struct http_head *head)
{
	struct http_header *h;
	size_t colon = slice_find(line, ':');

	if (colon == line.len)
		return ERR_INVALID;
	if (head->header_count == HTTP_HEADERS_MAX)
		return ERR_LIMIT;
	h = &head->headers[head->header_count];
	h->name = slice_cut(&line, ':');
	h->value = slice_trim(line);
	if (!http_is_token(h->name))
		return ERR_INVALID;
	head->header_count++;
	return 0;
}

int http_list_has(struct slice list, const char *token)
{
	while (list.len) {
		if (slice_is_nocase(slice_trim(slice_cut(&list, ',')), token))
			return 1;
	}
	return 0;
}

struct slice http_head_find(const struct http_head *head, const char *name)
{
	for (unsigned i = 0; i < head->header_count; i++) {
		if (slice_is_nocase(head->headers[i].name, name))
			return head->headers[i].value;
	}
	return (struct slice){ NULL, 0 };
}

/* The same length twice is one length (RFC 9112 6.3 rule 5); a list of them is refused. */
static int read_length(struct slice value, struct http_head *head)
{
	uint64_t length;

	if (slice_to_u64(value, LENGTH_MAX, &length) < 0)
		return ERR_INVALID;
	if (head->has_length && head->content_length != length)
		return ERR_INVALID;
	head->has_length = 1;
	head->content_length = length;
	return 0;
}

/* RFC 9112 6.1: chunked once, and in 1.1 only; a 1.0 sender that claims it is faulty. */
static int read_coding(struct slice value, struct http_head *head)
{
	if (head->chunked || head->minor == 0 || value.len == 0)
		return ERR_INVALID;
	if (!slice_is_nocase(value, "chunked"))
		return ERR_UNSUPPORTED;
	head->chunked = 1;
	return 0;
}

struct connection {
	int close;
	int keep_alive;
	int upgrade;
};

static void read_connection(struct slice value, struct connection *c)
{
	c->close |= http_list_has(value, "close");
	c->keep_alive |= http_list_has(value, "keep-alive");
	c->upgrade |= http_list_has(value, "upgrade");
}

/* What the headers say about the message's end and the connection. */
static int read_headers(struct http_head *head, struct connection *c, int *hosts)
{
	for (unsigned i = 0; i < head->header_count; i++) {
		const struct http_header *h = &head->headers[i];
		int err = 0;

		if (slice_is_nocase(h->name, "content-length"))
			err = read_length(h->value, head);
		else if (slice_is_nocase(h->name, "transfer-encoding"))
			err = read_coding(h->value, head);
		else if (slice_is_nocase(h->name, "connection"))
			read_connection(h->value, c);
		else if (slice_is_nocase(h->name, "host"))
			++*hosts;
		if (err < 0)
			return err;
	}
	/* Whoever sends both may be smuggling (RFC 9112 6.3 rule 3 lets us refuse). */
	if (head->chunked && head->has_length)
		return ERR_INVALID;
	return 0;
}

static int interpret(struct http_head *head, int is_request)
{
	struct connection c = { 0, 0, 0 };
	int hosts = 0;
	int err = read_headers(head, &c, &hosts);

	if (err < 0)
		return err;
	/* RFC 9112 3.2. */
	if (is_request && (hosts > 1 || (hosts == 0 && head->minor > 0)))
		return ERR_INVALID;
	head->keep_alive = !c.close && (head->minor > 0 || c.keep_alive);
	/* A 1.0 request can ask for neither of these (RFC 9110 7.8, 10.1.1). */
	if (head->minor == 0)
		return 0;
	if (c.upgrade)
		head->upgrade = http_head_find(head, "upgrade");
	head->expect_continue = http_list_has(http_head_find(head, "expect"), "100-continue");
	return 0;
}

typedef int start_line(struct slice line, struct http_head *head);

/* skip: bytes before the start line. */
static int parse(struct slice in, size_t seen, size_t skip, start_line *first,
		 struct http_head *head)
{
	int end = find_end(in, seen);
	struct slice rest;
	int err;

	if (end < 0)
		return end;
	if ((size_t)end <= skip + 2)
		return ERR_INVALID;
	rest = (struct slice){ in.data + skip, (size_t)end - skip - 2 };
	/* All but the headers themselves, which are 2 KiB. */
	memset(head, 0, offsetof(struct http_head, headers));
	err = first(next_line(&rest), head);
	while (err == 0 && rest.len)
		err = parse_header(next_line(&rest), head);
	if (err == 0)
		err = interpret(head, first == parse_request_line);
	return err < 0 ? err : end;
}

int http_parse_request(struct slice in, size_t seen, struct http_head *head)
{
	int skip = in.len >= 2 && in.data[0] == '\r' && in.data[1] == '\n';

	assert(seen <= in.len);
	return parse(in, seen, skip ? 2 : 0, parse_request_line, head);
}

int http_parse_response(struct slice in, size_t seen, struct http_head *head)
{
	assert(seen <= in.len);
	return parse(in, seen, 0, parse_status_line, head);
}

static enum http_body_kind sized_body(const struct http_head *head, enum http_body_kind other)
{
	if (head->chunked)
		return HTTP_BODY_CHUNKED;
	if (!head->has_length)
		return other;
	return head->content_length > 0 ? HTTP_BODY_LENGTH : HTTP_BODY_NONE;
}

enum http_body_kind http_request_body(const struct http_head *head)
{
	return sized_body(head, HTTP_BODY_NONE);
}

enum http_body_kind http_response_body(const struct http_head *head, struct slice method)
{
	if (slice_is(method, "HEAD") || head->status < 200 || head->status == 204 ||
	    head->status == 304)
		return HTTP_BODY_NONE;
	return sized_body(head, HTTP_BODY_CLOSE);
}
