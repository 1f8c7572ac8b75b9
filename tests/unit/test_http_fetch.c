/* One string tells what came out of an exchange; every answer is fed at every split. */
#include "http/fetch.h"
#include <stdio.h>
#include <string.h>
#include "base/err.h"
#include "unit.h"

enum { BODY_MAX = 16 };

struct fetch_case {
	const char *request;	/* "GET", "HEAD", or "UPGRADE" */
	const char *in;
	int eof;		/* the connection ends behind it */
	const char *whole;	/* events in WHOLE mode */
	const char *pieces;	/* events in PIECES mode, pieces run together */
	int reusable;
};

#define CHUNKED "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"

static const struct fetch_case cases[] = {
	{ "GET", "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello", 0,
	  "head 200|done 200 hello|", "head 200|hello|done|", 1 },
	{ "GET", "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n", 0, "head 200|done 200 |",
	  "head 200|done|", 1 },
	{ "GET", CHUNKED "3\r\nhel\r\n2\r\nlo\r\n0\r\n\r\n", 0, "head 200|done 200 hello|",
	  "head 200|hello|done|", 1 },
	{ "GET", "HTTP/1.1 200 OK\r\nContent-Length: 2\r\nConnection: close\r\n\r\nhi", 0,
	  "head 200|done 200 hi|", "head 200|hi|done|", 0 },
	{ "GET", "HTTP/1.0 200 OK\r\nContent-Length: 2\r\n\r\nhi", 0, "head 200|done 200 hi|",
	  "head 200|hi|done|", 0 },
	{ "GET", "HTTP/1.1 200 OK\r\n\r\nhello", 1, "head 200|done 200 hello|",
	  "head 200|hello|done|", 0 },
	{ "GET", "HTTP/1.1 200 OK\r\n\r\nhello", 0, "head 200|", "head 200|hello|", 0 },
	{ "HEAD", "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n", 0, "head 200|done 200 |",
	  "head 200|done|", 1 },
	{ "GET", "HTTP/1.1 204 No Content\r\n\r\n", 0, "head 204|done 204 |", "head 204|done|", 1 },
	{ "GET", "HTTP/1.1 304 X\r\nContent-Length: 5\r\n\r\n", 0, "head 304|done 304 |",
	  "head 304|done|", 1 },
	/* Interim answers. */
	{ "GET", "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 X\r\nA: b\r\n\r\n"
	  "HTTP/1.1 201 Created\r\nContent-Length: 2\r\n\r\n{}", 0,
	  "head 201|done 201 {}|", "head 201|{}|done|", 1 },
	/* Another protocol. */
	{ "UPGRADE", "HTTP/1.1 101 UPGRADED\r\nConnection: Upgrade\r\nUpgrade: tcp\r\n\r\n", 0,
	  "head 101|raw|", "head 101|raw|", 0 },
	{ "UPGRADE", "HTTP/1.1 404 X\r\nContent-Length: 2\r\n\r\nno", 0, "head 404|done 404 no|",
	  "head 404|no|done|", 1 },
	{ "GET", "HTTP/1.1 101 UPGRADED\r\n\r\n", 0, "error -2|", "error -2|", 0 },
	/* The maximum, and one byte more. */
	{ "GET", "HTTP/1.1 200 OK\r\nContent-Length: 16\r\n\r\n0123456789abcdef", 0,
	  "head 200|done 200 0123456789abcdef|", "head 200|0123456789abcdef|done|", 1 },
	{ "GET", CHUNKED "11\r\n0123456789abcdefg\r\n0\r\n\r\n", 0, NULL,
	  "head 200|0123456789abcdefg|done|", 1 },
	{ "GET", "HTTP/1.1 200 OK\r\nContent-Length: 17\r\n\r\n0123456789abcdefg", 0, "error -3|",
	  "head 200|0123456789abcdefg|done|", 1 },
	/* What is not an answer. */
	{ "GET", "", 1, "error -7|", "error -7|", 0 },
	{ "GET", "HTTP/1.1 200 O", 1, "error -7|", "error -7|", 0 },
	{ "GET", "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhell", 1, "head 200|error -7|",
	  "head 200|hell|error -7|", 0 },
	{ "GET", CHUNKED "3\r\nhel\r\n0\r\n", 1, "head 200|error -7|",
	  "head 200|hel|error -7|", 0 },
	{ "GET", CHUNKED "zz", 0, "head 200|error -2|", "head 200|error -2|", 0 },
	{ "GET", "SSH-2.0-x\r\n\r\n", 0, "error -2|", "error -2|", 0 },
	{ "GET", "HTTP/3.0 200 OK\r\n\r\n", 0, "error -15|", "error -15|", 0 },
	/* More than was asked for: the connection is not to be trusted further. */
	{ "GET", "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nhiHTTP/1.1 200 OK\r\n\r\n", 0,
	  "head 200|done 200 hi|", "head 200|hi|done|", 0 },
};

static void write_event(struct buf *events, const struct http_fetch_event *ev,
			enum http_fetch_mode mode, int *in_piece)
{
	if (*in_piece && ev->kind != HTTP_FETCH_PIECE)
		buf_add_char(events, '|');
	*in_piece = ev->kind == HTTP_FETCH_PIECE;
	switch (ev->kind) {
	case HTTP_FETCH_HEAD:
		buf_printf(events, "head %d|", ev->head.status);
		break;
	case HTTP_FETCH_PIECE:
		buf_add_slice(events, ev->body);
		break;
	case HTTP_FETCH_DONE:
		if (mode == HTTP_FETCH_WHOLE)
			buf_printf(events, "done %d %.*s|", ev->head.status, SLICE_ARGS(ev->body));
		else
			buf_add_str(events, "done|");
		break;
	case HTTP_FETCH_RAW:
		buf_add_str(events, "raw");
		buf_add_slice(events, ev->body);
		buf_add_char(events, '|');
		break;
	case HTTP_FETCH_ERROR:
		buf_printf(events, "error %d|", ev->err);
		break;
	case HTTP_FETCH_NONE:
		break;
	}
}

static void take_events(struct http_fetch *f, enum http_fetch_mode mode, struct buf *events,
			int *in_piece)
{
	struct http_fetch_event ev;

	while (http_fetch_next(f, &ev) != HTTP_FETCH_NONE)
		write_event(events, &ev, mode, in_piece);
}

static void feed(struct http_fetch *f, const char *data, size_t n, enum http_fetch_mode mode,
		 struct buf *events, int *in_piece)
{
	const char *guarded = unit_guard(data, n);

	http_fetch_feed(f, (struct slice){ guarded, n });
	take_events(f, mode, events, in_piece);
}

static void start(struct http_fetch *f, const char *method, enum http_fetch_mode mode)
{
	struct http_request request = { .method = slice_of(method), .target = SLICE("/x") };

	if (slice_is(request.method, "UPGRADE")) {
		request.method = SLICE("POST");
		request.upgrade = SLICE("tcp");
	}
	http_fetch_start(f, &request, mode);
	http_fetch_sent(f, http_fetch_out(f).len);
}

/* Feeds the answer in pieces of `step` bytes behind a first piece of `split`. */
static void run_case(const struct fetch_case *c, enum http_fetch_mode mode, size_t split,
		     size_t step)
{
	const char *want = mode == HTTP_FETCH_WHOLE ? c->whole : c->pieces;
	size_t len = strlen(c->in);
	struct http_fetch f;
	struct buf events;
	int in_piece = 0;

	if (!want)
		return;
	buf_init(&events, 4096);
	http_fetch_init(&f, BODY_MAX);
	start(&f, c->request, mode);
	for (size_t at = 0; at < len;) {
		size_t n = at == 0 && split ? split : step;

		if (n > len - at)
			n = len - at;
		feed(&f, c->in + at, n, mode, &events, &in_piece);
		at += n;
	}
	if (c->eof) {
		http_fetch_eof(&f);
		take_events(&f, mode, &events, &in_piece);
	}
	if (in_piece)
		buf_add_char(&events, '|');
	unit_check_str(buf_str(&events), want, c->in, __FILE__, __LINE__);
	if (mode == HTTP_FETCH_PIECES || slice_find(slice_of(want), 'e') != 0)
		unit_check_int(http_fetch_reusable(&f),
			       c->reusable && want[0] != 'e', c->in, __FILE__, __LINE__);
	buf_done(&events);
	http_fetch_done(&f);
}

TEST(answers_at_every_split)
{
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		size_t len = strlen(cases[i].in);

		for (size_t k = 0; k <= len && !unit_failed(); k++) {
			run_case(&cases[i], HTTP_FETCH_WHOLE, k, len);
			run_case(&cases[i], HTTP_FETCH_PIECES, k, len);
		}
		run_case(&cases[i], HTTP_FETCH_WHOLE, 0, 1);
		run_case(&cases[i], HTTP_FETCH_PIECES, 0, 1);
		if (unit_failed())
			return;
	}
}

TEST(a_chunked_answer_over_the_maximum)
{
	struct http_fetch f;
	struct buf events;
	int in_piece = 0;
	const char *in = CHUNKED "11\r\n0123456789abcdefg\r\n0\r\n\r\n";

	buf_init(&events, 4096);
	http_fetch_init(&f, BODY_MAX);
	start(&f, "GET", HTTP_FETCH_WHOLE);
	feed(&f, in, strlen(in), HTTP_FETCH_WHOLE, &events, &in_piece);
	CHECK_STR(buf_str(&events), "head 200|error -3|");
	CHECK(!http_fetch_reusable(&f));
	buf_done(&events);
	http_fetch_done(&f);
}

TEST(bytes_behind_a_101_are_raw)
{
	struct http_fetch f;
	struct buf events;
	int in_piece = 0;
	const char *in = "HTTP/1.1 101 UPGRADED\r\n\r\nRAW";

	buf_init(&events, 4096);
	http_fetch_init(&f, BODY_MAX);
	start(&f, "UPGRADE", HTTP_FETCH_WHOLE);
	feed(&f, in, strlen(in), HTTP_FETCH_WHOLE, &events, &in_piece);
	CHECK_STR(buf_str(&events), "head 101|rawRAW|");
	buf_done(&events);
	http_fetch_done(&f);
}

TEST(exchanges_one_after_another)
{
	struct http_fetch f;
	struct buf events;
	int in_piece = 0;

	buf_init(&events, 4096);
	http_fetch_init(&f, BODY_MAX);
	for (int i = 0; i < 3; i++) {
		const char *in = CHUNKED "1\r\nx\r\n0\r\n\r\n";

		CHECK(http_fetch_reusable(&f));
		start(&f, "GET", i == 1 ? HTTP_FETCH_PIECES : HTTP_FETCH_WHOLE);
		CHECK(!http_fetch_reusable(&f));
		feed(&f, in, strlen(in), i == 1 ? HTTP_FETCH_PIECES : HTTP_FETCH_WHOLE, &events,
		     &in_piece);
	}
	CHECK_STR(buf_str(&events), "head 200|done 200 x|head 200|x|done|head 200|done 200 x|");
	CHECK(f.in.data == NULL && f.out.data == NULL);
	http_fetch_feed(&f, SLICE("HTTP/1.1 408 Timeout\r\n"));
	CHECK(!http_fetch_reusable(&f));
	buf_done(&events);
	http_fetch_done(&f);
}

TEST(the_server_closes_an_idle_connection)
{
	struct http_fetch_event ev;
	struct http_fetch f;

	http_fetch_init(&f, BODY_MAX);
	http_fetch_eof(&f);
	CHECK_INT(http_fetch_next(&f, &ev), HTTP_FETCH_NONE);
	CHECK(!http_fetch_reusable(&f));
	http_fetch_done(&f);
}

TEST(interim_answers_are_limited)
{
	struct http_fetch f;
	struct buf events;
	int in_piece = 0;

	buf_init(&events, 4096);
	http_fetch_init(&f, BODY_MAX);
	start(&f, "GET", HTTP_FETCH_WHOLE);
	for (int i = 0; i < HTTP_FETCH_INTERIM_MAX; i++)
		feed(&f, "HTTP/1.1 102 X\r\n\r\n", 18, HTTP_FETCH_WHOLE, &events, &in_piece);
	CHECK_STR(buf_str(&events), "");
	feed(&f, "HTTP/1.1 102 X\r\n\r\n", 18, HTTP_FETCH_WHOLE, &events, &in_piece);
	CHECK_STR(buf_str(&events), "error -3|");
	buf_done(&events);
	http_fetch_done(&f);
}

TEST(requests_are_written)
{
	static const struct http_request get = { .method = { "GET", 3 }, .target = { "/a?b", 4 } };
	static const struct http_request post = {
		.method = { "POST", 4 },
		.target = { "/a", 2 },
		.host = { "h:1", 3 },
		.content_type = { "application/json", 16 },
		.headers = { "X-A: b\r\n", 8 },
		.upgrade = { "tcp", 3 },
		.body = { "{}", 2 },
	};
	static const struct http_request empty_post = {
		.method = { "POST", 4 },
		.target = { "/", 1 },
	};
	struct buf out;

	buf_init(&out, 4096);
	http_write_request(&out, &get);
	CHECK_STR(buf_str(&out), "GET /a?b HTTP/1.1\r\nHost: docker\r\n\r\n");
	buf_reset(&out);
	http_write_request(&out, &post);
	CHECK_STR(buf_str(&out), "POST /a HTTP/1.1\r\nHost: h:1\r\n"
				 "Content-Type: application/json\r\n"
				 "X-A: b\r\nConnection: Upgrade\r\nUpgrade: tcp\r\n"
				 "Content-Length: 2\r\n\r\n{}");
	buf_reset(&out);
	http_write_request(&out, &empty_post);
	CHECK_STR(buf_str(&out), "POST / HTTP/1.1\r\nHost: docker\r\nContent-Length: 0\r\n\r\n");
	buf_done(&out);
	CHECK_STR(http_reason(409), "Conflict");
	CHECK_STR(http_reason(299), "Unknown");
}

TEST(a_request_of_any_size_is_sent_in_parts)
{
	struct http_request request = { .method = SLICE("PUT"), .target = SLICE("/x") };
	struct http_fetch f;
	struct buf body, sent;

	buf_init(&body, 1 << 20);
	buf_init(&sent, 1 << 21);
	while (body.len < 100000)
		buf_add_char(&body, (char)('a' + body.len % 26));
	request.body = buf_slice(&body);
	http_fetch_init(&f, BODY_MAX);
	http_fetch_start(&f, &request, HTTP_FETCH_WHOLE);
	while (http_fetch_out(&f).len) {
		struct slice out = http_fetch_out(&f);
		size_t n = out.len < 777 ? out.len : 777;

		buf_add(&sent, out.data, n);
		http_fetch_sent(&f, n);
	}
	CHECK(sent.len > body.len);
	CHECK(memcmp(sent.data + sent.len - body.len, body.data, body.len) == 0);
	buf_done(&body);
	buf_done(&sent);
	http_fetch_done(&f);
}
