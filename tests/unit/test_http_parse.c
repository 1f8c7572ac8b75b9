/* Each case: whole, at every split point, byte by byte, each time flush against a guard page. */
#include "http/parse.h"
#include <stdio.h>
#include <string.h>
#include "base/buf.h"
#include "base/err.h"
#include "unit.h"

typedef int parser(struct slice in, size_t seen, struct http_head *head);

/* want: an error, or 0 for "the whole text is the head". */
struct parse_case {
	const char *text;
	int want;
};

static const struct parse_case request_cases[] = {
	{ "GET / HTTP/1.1\r\nHost: a\r\n\r\n", 0 },
	{ "GET / HTTP/1.1\r\nHost:\r\n\r\n", 0 },
	{ "GET / HTTP/1.1\r\nHost: \t a:80 \t\r\n\r\n", 0 },
	{ "\r\nGET / HTTP/1.1\r\nHost: a\r\n\r\n", 0 },
	{ "OPTIONS * HTTP/1.1\r\nhost: docker\r\n\r\n", 0 },
	{ "GET http://a/b?c HTTP/1.1\r\nHost: a\r\n\r\n", 0 },
	{ "GET / HTTP/1.0\r\n\r\n", 0 },
	{ "GET / HTTP/1.7\r\nHost: a\r\n\r\n", 0 },
	{ "P!#$%&'*+-.^_`|~ST / HTTP/1.1\r\nHost: a\r\n\r\n", 0 },
	{ "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\nContent-Length: 5\r\n\r\n", 0 },
	{ "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: Chunked\r\n\r\n", 0 },
	{ "GET / HTTP/1.1\r\nHost: a\r\nX: caf\xc3\xa9\r\nY:\r\n\r\n", 0 },
	/* Not the whole of it yet. */
	{ "", ERR_MORE },
	{ "\r\n", ERR_MORE },
	{ "GET / HTTP/1.1\r\n", ERR_MORE },
	{ "GET / HTTP/1.1\r\nHost: a\r\n\r", ERR_MORE },
	/* The start line. */
	{ "\r\n\r\n", ERR_INVALID },
	{ "\r\n\r\nGET / HTTP/1.1\r\nHost: a\r\n\r\n", ERR_INVALID },
	{ "GET / HTTP/1.1\nHost: a\r\n\r\n", ERR_INVALID },
	{ "GET / HTTP/1.1\r\nHost: a\n\n", ERR_INVALID },
	{ "GET  / HTTP/1.1\r\nHost: a\r\n\r\n", ERR_INVALID },
	{ "GET /  HTTP/1.1\r\nHost: a\r\n\r\n", ERR_INVALID },
	{ "GET / HTTP/1.1 \r\nHost: a\r\n\r\n", ERR_INVALID },
	{ " GET / HTTP/1.1\r\nHost: a\r\n\r\n", ERR_INVALID },
	{ "GET\t/ HTTP/1.1\r\nHost: a\r\n\r\n", ERR_INVALID },
	{ "G(T / HTTP/1.1\r\nHost: a\r\n\r\n", ERR_INVALID },
	{ "GET /\x80 HTTP/1.1\r\nHost: a\r\n\r\n", ERR_INVALID },
	{ "GET /\x01 HTTP/1.1\r\nHost: a\r\n\r\n", ERR_INVALID },
	{ "GET /\x7f HTTP/1.1\r\nHost: a\r\n\r\n", ERR_INVALID },
	{ "GET /\r\n\r\n", ERR_INVALID },
	{ "GET / http/1.1\r\nHost: a\r\n\r\n", ERR_INVALID },
	{ "GET / HTTP/1.\r\nHost: a\r\n\r\n", ERR_INVALID },
	{ "GET / HTTP/1.10\r\nHost: a\r\n\r\n", ERR_INVALID },
	{ "GET / HTTP/2.0\r\nHost: a\r\n\r\n", ERR_UNSUPPORTED },
	{ "GET / HTTP/0.9\r\nHost: a\r\n\r\n", ERR_UNSUPPORTED },
	{ "PRI * HTTP/2.0\r\n\r\n", ERR_UNSUPPORTED },
	{ "\x16\x03\x01", ERR_INVALID },
	/* Header lines. */
	{ "GET / HTTP/1.1\r\nHost: a\r\nX\r\n\r\n", ERR_INVALID },
	{ "GET / HTTP/1.1\r\nHost: a\r\n: x\r\n\r\n", ERR_INVALID },
	{ "GET / HTTP/1.1\r\nHost : a\r\n\r\n", ERR_INVALID },
	{ "GET / HTTP/1.1\r\nHost: a\r\nX: b\r\n c\r\n\r\n", ERR_INVALID },
	{ "GET / HTTP/1.1\r\nHost: a\r\nX: b\r\n\tc: d\r\n\r\n", ERR_INVALID },
	{ "GET / HTTP/1.1\r\n Host: a\r\n\r\n", ERR_INVALID },
	{ "GET / HTTP/1.1\r\nHost: a\r\nX: b\rc\r\n\r\n", ERR_INVALID },
	{ "GET / HTTP/1.1\r\nHost: a\r\nX: b\r\r\n\r\n", ERR_INVALID },
	{ "GET / HTTP/1.1\r\nHost: a\r\nX: \x08\r\n\r\n", ERR_INVALID },
	{ "GET / HTTP/1.1\r\nHost: a\r\nX: \x7f\r\n\r\n", ERR_INVALID },
	{ "GET / HTTP/1.1\r\nHost: a\r\nX\x80: b\r\n\r\n", ERR_INVALID },
	/* Host. */
	{ "GET / HTTP/1.1\r\n\r\n", ERR_INVALID },
	{ "GET / HTTP/1.1\r\nHost: a\r\nHost: a\r\n\r\n", ERR_INVALID },
	{ "GET / HTTP/1.0\r\nHost: a\r\nHost: b\r\n\r\n", ERR_INVALID },
	/* Where the body ends: two answers are none. */
	{ "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n",
	  ERR_INVALID },
	{ "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\nContent-Length: 0\r\n\r\n",
	  ERR_INVALID },
	{ "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\nContent-Length: 6\r\n\r\n",
	  ERR_INVALID },
	{ "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 5, 5\r\n\r\n", ERR_INVALID },
	{ "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: +5\r\n\r\n", ERR_INVALID },
	{ "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: -5\r\n\r\n", ERR_INVALID },
	{ "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 0x5\r\n\r\n", ERR_INVALID },
	{ "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 5 5\r\n\r\n", ERR_INVALID },
	{ "POST / HTTP/1.1\r\nHost: a\r\nContent-Length:\r\n\r\n", ERR_INVALID },
	{ "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 18446744073709551616\r\n\r\n",
	  ERR_INVALID },
	{ "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 18446744073709551615\r\n\r\n",
	  ERR_INVALID },
	{ "POST / HTTP/1.1\r\nHost: a\r\nContent-Length : 5\r\n\r\n", ERR_INVALID },
	{ "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: gzip\r\n\r\n", ERR_UNSUPPORTED },
	{ "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: gzip, chunked\r\n\r\n",
	  ERR_UNSUPPORTED },
	{ "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: xchunked\r\n\r\n", ERR_UNSUPPORTED },
	{ "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding:\r\n\r\n", ERR_INVALID },
	{ "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n"
	  "Transfer-Encoding: chunked\r\n\r\n", ERR_INVALID },
	{ "POST / HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n", ERR_INVALID },
};

static const struct parse_case response_cases[] = {
	{ "HTTP/1.1 200 OK\r\n\r\n", 0 },
	{ "HTTP/1.1 200 \r\n\r\n", 0 },
	{ "HTTP/1.1 200\r\n\r\n", 0 },
	{ "HTTP/1.0 404 Not  Found\r\nContent-Length: 0\r\n\r\n", 0 },
	{ "HTTP/1.1 101 UPGRADED\r\nConnection: Upgrade\r\nUpgrade: tcp\r\n\r\n", 0 },
	{ "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n", 0 },
	{ "HTTP/1.1 200 OK\r\n", ERR_MORE },
	{ "\r\nHTTP/1.1 200 OK\r\n\r\n", ERR_INVALID },
	{ "HTTP/1.1 99 X\r\n\r\n", ERR_INVALID },
	{ "HTTP/1.1 099 X\r\n\r\n", ERR_INVALID },
	{ "HTTP/1.1 600 X\r\n\r\n", ERR_INVALID },
	{ "HTTP/1.1 2000 X\r\n\r\n", ERR_INVALID },
	{ "HTTP/1.1 +20 X\r\n\r\n", ERR_INVALID },
	{ "HTTP/1.1  200 X\r\n\r\n", ERR_INVALID },
	{ "HTTP/2 200 X\r\n\r\n", ERR_INVALID },
	{ "HTTP/2.0 200 X\r\n\r\n", ERR_UNSUPPORTED },
	{ "ICY 200 OK\r\n\r\n", ERR_INVALID },
	{ "HTTP/1.1 200 OK\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n",
	  ERR_INVALID },
};

/* A prefix gives ERR_MORE or the final error; after it the whole gives the final result. */
static void check_splits(parser *parse, const char *text, int want)
{
	struct http_head head;
	size_t len = strlen(text);
	size_t seen = 0;

	for (size_t k = 0; k <= len; k++) {
		const char *part = unit_guard(text, k);
		const char *whole = unit_guard(text, len);
		int got = parse((struct slice){ part, k }, 0, &head);
		int trickle = parse((struct slice){ part, k }, seen, &head);

		CHECK_INT(trickle, got);
		if (k < len)
			CHECK(got == ERR_MORE || (want < 0 && got == want));
		else
			CHECK_INT(got, want);
		if (got != ERR_MORE)
			break;
		seen = k;
		CHECK_INT(parse((struct slice){ whole, len }, k, &head), want);
	}
}

static void check_cases(parser *parse, const struct parse_case *cases, size_t count)
{
	for (size_t i = 0; i < count; i++) {
		int want = cases[i].want ? cases[i].want : (int)strlen(cases[i].text);

		check_splits(parse, cases[i].text, want);
		if (unit_failed()) {
			printf("in case: %s\n", cases[i].text);
			return;
		}
	}
}

TEST(requests)
{
	check_cases(http_parse_request, request_cases,
		    sizeof(request_cases) / sizeof(request_cases[0]));
}

TEST(responses)
{
	check_cases(http_parse_response, response_cases,
		    sizeof(response_cases) / sizeof(response_cases[0]));
}

static int parse_text(const char *text, struct http_head *head)
{
	return http_parse_request(slice_of(text), 0, head);
}

TEST(request_fields)
{
	struct http_head head;
	const char *text = "POST /v1.41/services/create?x=1 HTTP/1.1\r\nHost: docker\r\n"
			   "User-Agent:  Docker-Client/24 \r\nContent-Length: 12\r\n"
			   "EXPECT: 100-continue\r\n\r\nbody";

	CHECK_INT(parse_text(text, &head), strlen(text) - 4);
	CHECK(slice_is(head.method, "POST"));
	CHECK(slice_is(head.target, "/v1.41/services/create?x=1"));
	CHECK_INT(head.minor, 1);
	CHECK_INT(head.header_count, 4);
	CHECK(slice_is(http_head_find(&head, "user-agent"), "Docker-Client/24"));
	CHECK_INT(http_head_find(&head, "nothing").len, 0);
	CHECK_INT(http_request_body(&head), HTTP_BODY_LENGTH);
	CHECK_INT(head.content_length, 12);
	CHECK(head.expect_continue && head.keep_alive);
}

TEST(no_nul_in_a_head)
{
	static const char text[] = "GET / HTTP/1.1\r\nHost: a\0b\r\n\r\n";
	struct http_head head;
	struct slice in = { text, sizeof(text) - 1 };

	CHECK_INT(http_parse_request(in, 0, &head), ERR_INVALID);
}

TEST(keep_alive_is_the_default_of_1_1_only)
{
	struct http_head head;

	CHECK(parse_text("GET / HTTP/1.1\r\nHost: a\r\n\r\n", &head) > 0 && head.keep_alive);
	CHECK(parse_text("GET / HTTP/1.1\r\nHost: a\r\nConnection: x, Close\r\n\r\n", &head) > 0);
	CHECK(!head.keep_alive);
	CHECK(parse_text("GET / HTTP/1.0\r\n\r\n", &head) > 0 && !head.keep_alive);
	CHECK(parse_text("GET / HTTP/1.0\r\nConnection: Keep-Alive\r\n\r\n", &head) > 0);
	CHECK(head.keep_alive);
	CHECK(parse_text("GET / HTTP/1.0\r\nConnection: keep-alive\r\nConnection: close\r\n\r\n",
			 &head) > 0);
	CHECK(!head.keep_alive);
}

TEST(upgrade_needs_connection_to_name_it)
{
	struct http_head head;

	CHECK(parse_text("POST / HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\n"
			 "Upgrade: tcp\r\n\r\n", &head) > 0);
	CHECK(slice_is(head.upgrade, "tcp"));
	CHECK(parse_text("POST / HTTP/1.1\r\nHost: a\r\nUpgrade: tcp\r\n\r\n", &head) > 0);
	CHECK_INT(head.upgrade.len, 0);
	CHECK(parse_text("POST / HTTP/1.0\r\nConnection: Upgrade\r\nUpgrade: tcp\r\n\r\n",
			 &head) > 0);
	CHECK_INT(head.upgrade.len, 0);
}

TEST(response_bodies)
{
	static const struct {
		const char *text;
		const char *method;
		enum http_body_kind want;
	} cases[] = {
		{ "HTTP/1.1 200 OK\r\n\r\n", "GET", HTTP_BODY_CLOSE },
		{ "HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\n", "GET", HTTP_BODY_LENGTH },
		{ "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n", "GET", HTTP_BODY_NONE },
		{ "HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\n", "HEAD", HTTP_BODY_NONE },
		{ "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n", "GET",
		  HTTP_BODY_CHUNKED },
		{ "HTTP/1.1 204 X\r\nTransfer-Encoding: chunked\r\n\r\n", "GET", HTTP_BODY_NONE },
		{ "HTTP/1.1 304 X\r\nContent-Length: 3\r\n\r\n", "GET", HTTP_BODY_NONE },
		{ "HTTP/1.1 100 X\r\n\r\n", "GET", HTTP_BODY_NONE },
	};
	struct http_head head;

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		CHECK(http_parse_response(slice_of(cases[i].text), 0, &head) > 0);
		CHECK_INT(http_response_body(&head, slice_of(cases[i].method)), cases[i].want);
	}
}

static int parse_many_headers(int count)
{
	struct http_head head;
	struct buf b;
	int got;

	buf_init(&b, HTTP_HEAD_MAX);
	buf_add_str(&b, "GET / HTTP/1.1\r\nHost: a\r\n");
	for (int i = 1; i < count; i++)
		buf_add_str(&b, "X: y\r\n");
	buf_add_str(&b, "\r\n");
	got = http_parse_request(buf_slice(&b), 0, &head);
	if (got > 0)
		got = (int)head.header_count;
	buf_done(&b);
	return got;
}

TEST(the_number_of_headers_is_limited)
{
	CHECK_INT(parse_many_headers(HTTP_HEADERS_MAX), HTTP_HEADERS_MAX);
	CHECK_INT(parse_many_headers(HTTP_HEADERS_MAX + 1), ERR_LIMIT);
}

/* A head of exactly n bytes. */
static int parse_long_head(size_t n, size_t cut)
{
	static const char start[] = "GET / HTTP/1.1\r\nHost: a\r\nX: ";
	struct http_head head;
	struct buf b;
	int got;

	buf_init(&b, 2 * HTTP_HEAD_MAX);
	buf_add_str(&b, start);
	while (b.len < n - 4)
		buf_add_char(&b, 'x');
	buf_add_str(&b, "\r\n\r\n");
	got = http_parse_request((struct slice){ b.data, b.len - cut }, 0, &head);
	buf_done(&b);
	return got;
}

TEST(the_size_of_a_head_is_limited)
{
	CHECK_INT(parse_long_head(HTTP_HEAD_MAX, 0), HTTP_HEAD_MAX);
	CHECK_INT(parse_long_head(HTTP_HEAD_MAX, 1), ERR_MORE);
	CHECK_INT(parse_long_head(HTTP_HEAD_MAX + 1, 1), ERR_LIMIT);
	CHECK_INT(parse_long_head(HTTP_HEAD_MAX + 1, 0), ERR_LIMIT);
}

TEST(a_result_of_success_needs_no_byte_beyond_the_head)
{
	const char *text = "GET / HTTP/1.1\r\nHost: a\r\n\r\n\x01\x02";
	struct http_head head;

	CHECK_INT(parse_text(text, &head), strlen(text) - 2);
}

TEST(lists)
{
	CHECK(http_list_has(SLICE("a, B ,c"), "b"));
	CHECK(!http_list_has(SLICE("a, bb"), "b"));
	CHECK(!http_list_has(SLICE(""), "b"));
	CHECK(http_is_token(SLICE("a-b")));
	CHECK(!http_is_token(SLICE("")) && !http_is_token(SLICE("a b")));
}
