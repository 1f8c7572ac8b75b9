/* A driver in a few lines: feeds bytes in pieces, writes down every event and answers each
 * request, so that one string tells what happened. */
#include "http/serve.h"
#include <stdio.h>
#include <string.h>
#include "base/err.h"
#include "unit.h"

static const struct http_serve_config config = {
	.headers = { "Server: t\r\n", 11 },
	.body_max = 16,
	.out_max = 4096,
};

struct driver {
	struct http_serve serve;
	struct buf events;
	struct buf sent;
	uint64_t now;
	size_t hijack;	/* take over the hijack-th head (1 = first); 0 = none */
	size_t heads;
	struct buf raw;
};

static void driver_init(struct driver *d)
{
	*d = (struct driver){ .now = 1000 };
	http_serve_init(&d->serve, &config, d->now);
	buf_init(&d->events, 1 << 20);
	buf_init(&d->sent, 1 << 20);
	buf_init(&d->raw, 1 << 20);
}

static void driver_done(struct driver *d)
{
	http_serve_done(&d->serve);
	buf_done(&d->events);
	buf_done(&d->sent);
	buf_done(&d->raw);
}

static void drain(struct driver *d)
{
	struct slice out = http_serve_out(&d->serve);

	buf_add_slice(&d->sent, out);
	http_serve_sent(&d->serve, out.len, d->now);
}

static void answer(struct driver *d, const struct http_serve_event *ev)
{
	struct http_reply reply = { .status = 200, .body = ev->body };

	if (slice_is(ev->head.target, "/stream"))
		reply.more = 1;
	if (slice_is(ev->head.target, "/empty"))
		reply.status = 204;
	CHECK_INT(http_serve_reply(&d->serve, &reply, d->now), 0);
	if (!reply.more)
		return;
	CHECK_INT(http_serve_chunk(&d->serve, SLICE("one"), 1, d->now), 0);
	CHECK_INT(http_serve_chunk(&d->serve, SLICE(""), 1, d->now), 0);
	CHECK_INT(http_serve_chunk(&d->serve, SLICE("two"), 0, d->now), 0);
}

static void take_events(struct driver *d)
{
	struct http_serve_event ev;

	while (http_serve_next(&d->serve, d->now, &ev) != HTTP_SERVE_NONE) {
		switch (ev.kind) {
		case HTTP_SERVE_HEAD:
			buf_printf(&d->events, "head %.*s|", SLICE_ARGS(ev.head.target));
			if (++d->heads == d->hijack)
				http_serve_hijack(&d->serve, &ev.head, &d->raw);
			break;
		case HTTP_SERVE_REQUEST:
			buf_printf(&d->events, "%.*s %.*s %.*s|", SLICE_ARGS(ev.head.method),
				   SLICE_ARGS(ev.head.target), SLICE_ARGS(ev.body));
			answer(d, &ev);
			break;
		case HTTP_SERVE_ERROR:
			buf_printf(&d->events, "error %d|", ev.status);
			break;
		case HTTP_SERVE_NONE:
			break;
		}
		drain(d);
	}
	drain(d);
}

static void feed(struct driver *d, const char *data, size_t n)
{
	const char *guarded = unit_guard(data, n);

	if (!http_serve_wants(&d->serve))
		return;
	http_serve_feed(&d->serve, (struct slice){ guarded, n }, d->now);
	take_events(d);
}

static void feed_text(struct driver *d, const char *text)
{
	feed(d, text, strlen(text));
}

struct serve_case {
	const char *in;
	const char *events;
	const char *out;	/* without the common header lines of OK replies: see OK() */
	int finished;
};

#define OK(length) "HTTP/1.1 200 OK\r\nServer: t\r\nContent-Length: " length "\r\n"
#define REFUSED(status, length, text)                                                      \
	"HTTP/1.1 " status "\r\nServer: t\r\nContent-Type: application/json\r\n"            \
	"Content-Length: " length "\r\nConnection: close\r\n\r\n{\"message\":\"" text "\"}\n"
#define H "Host: a\r\n"
#define CHUNKED "Transfer-Encoding: chunked\r\n"

static const struct serve_case cases[] = {
	{ "GET / HTTP/1.1\r\n" H "\r\n", "head /|GET / |", OK("0") "\r\n", 0 },
	{ "HEAD / HTTP/1.1\r\n" H "\r\n", "head /|HEAD / |", OK("0") "\r\n", 0 },
	{ "POST / HTTP/1.1\r\n" H "Content-Length: 5\r\n\r\nhello", "head /|POST / hello|",
	  OK("5") "\r\nhello", 0 },
	{ "HEAD / HTTP/1.1\r\n" H "Content-Length: 5\r\n\r\nhello", "head /|HEAD / hello|",
	  OK("5") "\r\n", 0 },
	{ "POST / HTTP/1.1\r\n" H CHUNKED "\r\n3\r\nhel\r\n2\r\nlo\r\n0\r\n\r\n",
	  "head /|POST / hello|", OK("5") "\r\nhello", 0 },
	/* Pipelined: in order, none lost. */
	{ "POST /1 HTTP/1.1\r\n" H "Content-Length: 1\r\n\r\nx"
	  "GET /2 HTTP/1.1\r\n" H "\r\n"
	  "POST /3 HTTP/1.1\r\n" H CHUNKED "\r\n1\r\ny\r\n0\r\n\r\n\r\n"
	  "GET /4 HTTP/1.1\r\n" H "Connection: close\r\n\r\nGET /5 HTTP/1.1\r\n" H "\r\n",
	  "head /1|POST /1 x|head /2|GET /2 |head /3|POST /3 y|head /4|GET /4 |",
	  OK("1") "\r\nx" OK("0") "\r\n" OK("1") "\r\ny" OK("0") "Connection: close\r\n\r\n", 1 },
	/* Streams. */
	{ "GET /stream HTTP/1.1\r\n" H "\r\nGET / HTTP/1.1\r\n" H "\r\n",
	  "head /stream|GET /stream |head /|GET / |",
	  "HTTP/1.1 200 OK\r\nServer: t\r\nTransfer-Encoding: chunked\r\n\r\n"
	  "3\r\none\r\n3\r\ntwo\r\n0\r\n\r\n" OK("0") "\r\n", 0 },
	{ "HEAD /stream HTTP/1.1\r\n" H "\r\n", "head /stream|HEAD /stream |",
	  "HTTP/1.1 200 OK\r\nServer: t\r\nTransfer-Encoding: chunked\r\n\r\n", 0 },
	{ "GET /stream HTTP/1.0\r\nConnection: keep-alive\r\n\r\n", "head /stream|GET /stream |",
	  "HTTP/1.1 200 OK\r\nServer: t\r\nConnection: close\r\n\r\nonetwo", 1 },
	{ "GET /empty HTTP/1.1\r\n" H "\r\n", "head /empty|GET /empty |",
	  "HTTP/1.1 204 No Content\r\nServer: t\r\n\r\n", 0 },
	/* 1.0. */
	{ "GET / HTTP/1.0\r\n\r\n", "head /|GET / |", OK("0") "Connection: close\r\n\r\n", 1 },
	{ "GET / HTTP/1.0\r\nConnection: keep-alive\r\n\r\n", "head /|GET / |",
	  OK("0") "Connection: keep-alive\r\n\r\n", 0 },
	/* The body's maximum, and one byte more. */
	{ "POST / HTTP/1.1\r\n" H "Content-Length: 16\r\n\r\n0123456789abcdef",
	  "head /|POST / 0123456789abcdef|", OK("16") "\r\n0123456789abcdef", 0 },
	{ "POST / HTTP/1.1\r\n" H "Content-Length: 17\r\n\r\n", "head /|error 413|",
	  REFUSED("413 Content Too Large", "32", "Content Too Large"), 1 },
	{ "POST / HTTP/1.1\r\n" H CHUNKED "\r\n10\r\n0123456789abcdef\r\n1\r\nx",
	  "head /|error 413|", REFUSED("413 Content Too Large", "32", "Content Too Large"), 1 },
	{ "HEAD / HTTP/1.1\r\n" H "Content-Length: 17\r\n\r\n", "head /|error 413|",
	  "HTTP/1.1 413 Content Too Large\r\nServer: t\r\nContent-Type: application/json\r\n"
	  "Content-Length: 32\r\nConnection: close\r\n\r\n", 1 },
	/* Refusals end the connection: the request smuggled behind is not looked at. */
	{ "POST / HTTP/1.1\r\n" H "Content-Length: 4\r\nTransfer-Encoding: chunked\r\n\r\n"
	  "0\r\n\r\nGET /evil HTTP/1.1\r\n" H "\r\n",
	  "error 400|", REFUSED("400 Bad Request", "26", "Bad Request"), 1 },
	{ "POST / HTTP/1.1\r\n" H CHUNKED "\r\nx\r\nGET /evil HTTP/1.1\r\n" H "\r\n",
	  "head /|error 400|", REFUSED("400 Bad Request", "26", "Bad Request"), 1 },
	{ "POST / HTTP/1.1\r\n" H "Content-Length: x\r\n\r\n", "error 400|",
	  REFUSED("400 Bad Request", "26", "Bad Request"), 1 },
	{ "GET / HTTP/2.0\r\n" H "\r\n", "error 505|",
	  REFUSED("505 HTTP Version Not Supported", "41", "HTTP Version Not Supported"), 1 },
	{ "POST / HTTP/1.1\r\n" H "Transfer-Encoding: gzip\r\n\r\n", "error 501|",
	  REFUSED("501 Not Implemented", "30", "Not Implemented"), 1 },
	{ "\r\nPOST / HTTP/1.1\r\n" H "Transfer-Encoding: gzip\r\n\r\n", "error 501|",
	  REFUSED("501 Not Implemented", "30", "Not Implemented"), 1 },
	{ "GET / HTTP/1.1\r\n" H "\r\n\x01", "head /|GET / |error 400|",
	  OK("0") "\r\n" REFUSED("400 Bad Request", "26", "Bad Request"), 1 },
	/* Unfinished. */
	{ "GET / HTTP/1.1\r\n" H, "", "", 0 },
	{ "POST / HTTP/1.1\r\n" H "Content-Length: 5\r\n\r\nhell", "head /|", "", 0 },
};

static void check_driver(struct driver *d, const struct serve_case *c)
{
	CHECK_STR(buf_str(&d->events), c->events);
	CHECK_STR(buf_str(&d->sent), c->out);
	CHECK_INT(http_serve_finished(&d->serve), c->finished);
}

TEST(cases_at_every_split)
{
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		size_t len = strlen(cases[i].in);

		for (size_t k = 0; k <= len && !unit_failed(); k++) {
			struct driver d;

			driver_init(&d);
			feed(&d, cases[i].in, k);
			feed(&d, cases[i].in + k, len - k);
			check_driver(&d, &cases[i]);
			driver_done(&d);
		}
		if (unit_failed()) {
			printf("in case: %s\n", cases[i].in);
			return;
		}
	}
}

TEST(cases_byte_by_byte)
{
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]) && !unit_failed(); i++) {
		struct driver d;

		driver_init(&d);
		for (const char *p = cases[i].in; *p; p++)
			feed(&d, p, 1);
		check_driver(&d, &cases[i]);
		driver_done(&d);
	}
}

TEST(a_reply_may_borrow_from_the_request_before_pipelined_bytes)
{
	struct driver d;

	driver_init(&d);
	feed_text(&d, "POST /1 HTTP/1.1\r\n" H "Content-Length: 3\r\n\r\nabcPOST /2 HTTP/1.1\r\n" H
		      "Content-Length: 3\r\n\r\ndef");
	CHECK_STR(buf_str(&d.sent), OK("3") "\r\nabc" OK("3") "\r\ndef");
	driver_done(&d);
}

TEST(continue_is_said_once_and_only_to_who_waits)
{
	static const char head[] = "POST / HTTP/1.1\r\n" H
				   "Content-Length: 2\r\nExpect: 100-continue\r\n\r\n";
	struct driver d;

	driver_init(&d);
	feed_text(&d, head);
	CHECK_STR(buf_str(&d.sent), "HTTP/1.1 100 Continue\r\n\r\n");
	feed_text(&d, "h");
	feed_text(&d, "i");
	CHECK_STR(buf_str(&d.sent), "HTTP/1.1 100 Continue\r\n\r\n" OK("2") "\r\nhi");
	driver_done(&d);
	driver_init(&d);
	feed_text(&d, "POST / HTTP/1.1\r\n" H "Content-Length: 2\r\nExpect: 100-continue\r\n\r\nh");
	CHECK_INT(d.sent.len, 0);
	driver_done(&d);
}

TEST(a_later_reply_holds_back_the_next_request)
{
	struct http_serve_event ev;
	struct http_serve s;
	struct http_reply reply = { .status = 200 };

	http_serve_init(&s, &config, 0);
	http_serve_feed(&s, SLICE("GET /1 HTTP/1.1\r\n" H "\r\nGET /2 HTTP/1.1\r\n" H "\r\n"), 0);
	CHECK_INT(http_serve_next(&s, 0, &ev), HTTP_SERVE_HEAD);
	CHECK_INT(http_serve_next(&s, 0, &ev), HTTP_SERVE_REQUEST);
	CHECK_INT(http_serve_next(&s, 0, &ev), HTTP_SERVE_NONE);
	CHECK(!http_serve_wants(&s));
	CHECK_INT(http_serve_deadline(&s), 0);
	http_serve_eof(&s);
	CHECK_INT(http_serve_next(&s, 0, &ev), HTTP_SERVE_NONE);
	CHECK_INT(http_serve_reply(&s, &reply, 0), 0);
	CHECK_INT(http_serve_next(&s, 0, &ev), HTTP_SERVE_HEAD);
	CHECK(slice_is(ev.head.target, "/2"));
	CHECK_INT(http_serve_next(&s, 0, &ev), HTTP_SERVE_REQUEST);
	CHECK_INT(http_serve_reply(&s, &reply, 0), 0);
	CHECK_INT(http_serve_next(&s, 0, &ev), HTTP_SERVE_NONE);
	CHECK(!http_serve_finished(&s));
	http_serve_sent(&s, http_serve_out(&s).len, 0);
	CHECK(http_serve_finished(&s));
	http_serve_done(&s);
}

TEST(a_head_may_be_refused_before_its_body)
{
	struct http_serve_event ev;
	struct http_serve s;
	struct http_reply reply = { .status = 404 };

	http_serve_init(&s, &config, 0);
	http_serve_feed(&s, SLICE("POST / HTTP/1.1\r\n" H "Content-Length: 9999999\r\n\r\nabc"), 0);
	CHECK_INT(http_serve_next(&s, 0, &ev), HTTP_SERVE_HEAD);
	CHECK_INT(http_serve_reply(&s, &reply, 0), 0);
	CHECK_STR(buf_str(&s.out), "HTTP/1.1 404 Not Found\r\nServer: t\r\nContent-Length: 0\r\n"
				   "Connection: close\r\n\r\n");
	http_serve_sent(&s, http_serve_out(&s).len, 0);
	CHECK(http_serve_finished(&s));
	http_serve_done(&s);
}

TEST(hijack_hands_over_all_bytes)
{
	struct driver d;

	driver_init(&d);
	d.hijack = 2;
	feed_text(&d, "GET /1 HTTP/1.1\r\n" H "\r\nPOST /x?y HTTP/1.1\r\nhost: a\r\n"
		      "Connection: keep-alive, X-Hop, Content-Length\r\nX-Hop: 1\r\n"
		      "Keep-Alive: 5\r\nX-Y:  z \r\nContent-Length: 3\r\n\r\nabcRAW");
	CHECK_STR(buf_str(&d.raw), "POST /x?y HTTP/1.1\r\nhost: a\r\nX-Y: z\r\n"
				   "Content-Length: 3\r\nConnection: close\r\n\r\nabcRAW");
	CHECK(!http_serve_wants(&d.serve));
	CHECK(!http_serve_finished(&d.serve));
	driver_done(&d);
}

TEST(hijack_keeps_an_upgrade)
{
	struct driver d;

	driver_init(&d);
	d.hijack = 1;
	feed_text(&d, "POST /exec/1/start HTTP/1.1\r\n" H "Connection: Upgrade\r\nUpgrade: tcp\r\n"
		      "Content-Length: 2\r\n\r\n{}");
	CHECK_STR(buf_str(&d.raw), "POST /exec/1/start HTTP/1.1\r\n" H "Content-Length: 2\r\n"
				   "Connection: Upgrade\r\nUpgrade: tcp\r\n\r\n{}");
	driver_done(&d);
}

static void feed_line(struct driver *d, const char *start, size_t n)
{
	struct buf b;

	buf_init(&b, 1 << 20);
	buf_add_str(&b, start);
	while (b.len < n)
		buf_add_char(&b, 'x');
	feed(d, b.data, b.len);
	buf_done(&b);
}

TEST(limits_of_the_head)
{
	struct driver d;

	driver_init(&d);
	feed_line(&d, "GET /", HTTP_HEAD_MAX);
	CHECK_STR(buf_str(&d.events), "error 414|");
	CHECK(http_serve_finished(&d.serve));
	driver_done(&d);
	driver_init(&d);
	feed_line(&d, "GET / HTTP/1.1\r\nX: ", HTTP_HEAD_MAX - 1);
	CHECK_STR(buf_str(&d.events), "");
	feed_text(&d, "y");
	CHECK_STR(buf_str(&d.events), "error 431|");
	driver_done(&d);
}

TEST(time_limits)
{
	struct driver d;

	driver_init(&d);
	CHECK_INT(http_serve_deadline(&d.serve), 1000 + HTTP_SERVE_IDLE_MS);
	d.now = 5000;
	feed_text(&d, "GET");
	CHECK_INT(http_serve_deadline(&d.serve), 5000 + HTTP_SERVE_HEAD_MS);
	d.now = 14000;	/* a byte now and then buys no time */
	feed_text(&d, " ");
	CHECK_INT(http_serve_deadline(&d.serve), 5000 + HTTP_SERVE_HEAD_MS);
	http_serve_expire(&d.serve, 14999);
	CHECK_INT(http_serve_out(&d.serve).len, 0);
	http_serve_expire(&d.serve, 15000);
	drain(&d);
	CHECK_STR(buf_str(&d.sent), REFUSED("408 Request Timeout", "30", "Request Timeout"));
	CHECK(http_serve_finished(&d.serve));
	CHECK_INT(http_serve_deadline(&d.serve), 0);
	driver_done(&d);
}

TEST(time_limits_of_body_and_idleness)
{
	struct driver d;

	driver_init(&d);
	feed_text(&d, "POST / HTTP/1.1\r\n" H "Content-Length: 5\r\n\r\nh");
	d.now = 30000;
	feed_text(&d, "e");
	CHECK_INT(http_serve_deadline(&d.serve), 1000 + HTTP_SERVE_BODY_MS);
	feed_text(&d, "llo");
	CHECK_INT(http_serve_deadline(&d.serve), 30000 + HTTP_SERVE_IDLE_MS);
	http_serve_expire(&d.serve, 30000 + HTTP_SERVE_IDLE_MS);
	CHECK_INT(http_serve_out(&d.serve).len, 0);
	CHECK(http_serve_finished(&d.serve));
	driver_done(&d);
}

TEST(output_that_nobody_takes)
{
	struct http_serve_event ev;
	struct http_serve s;
	struct http_reply reply = { .status = 200, .more = 1 };
	char piece[1000];
	int got = 0;
	int pieces = 0;

	memset(piece, 'x', sizeof(piece));
	http_serve_init(&s, &config, 0);
	http_serve_feed(&s, SLICE("GET / HTTP/1.1\r\n" H "\r\n"), 0);
	CHECK_INT(http_serve_next(&s, 0, &ev), HTTP_SERVE_HEAD);
	CHECK_INT(http_serve_next(&s, 0, &ev), HTTP_SERVE_REQUEST);
	CHECK_INT(http_serve_reply(&s, &reply, 7), 0);
	CHECK_INT(http_serve_deadline(&s), 7 + HTTP_SERVE_WRITE_MS);
	http_serve_sent(&s, 1, 9);
	CHECK_INT(http_serve_deadline(&s), 9 + HTTP_SERVE_WRITE_MS);
	/* Much may pass through, only what waits is limited. */
	for (int i = 0; i < 1000; i++) {
		CHECK_INT(http_serve_chunk(&s, (struct slice){ piece, sizeof(piece) }, 1, 10), 0);
		http_serve_sent(&s, http_serve_out(&s).len - (size_t)(i % 2), 10);
	}
	while (got == 0) {
		got = http_serve_chunk(&s, (struct slice){ piece, sizeof(piece) }, 1, 10);
		pieces++;
	}
	CHECK_INT(got, ERR_LIMIT);
	CHECK_INT(pieces, 5);
	CHECK(http_serve_finished(&s));
	http_serve_done(&s);
	http_serve_init(&s, &config, 0);
	http_serve_feed(&s, SLICE("GET / HTTP/1.1\r\n" H "\r\n"), 0);
	CHECK_INT(http_serve_next(&s, 0, &ev), HTTP_SERVE_HEAD);
	CHECK_INT(http_serve_next(&s, 0, &ev), HTTP_SERVE_REQUEST);
	CHECK_INT(http_serve_reply(&s, &reply, 7), 0);
	http_serve_expire(&s, 7 + HTTP_SERVE_WRITE_MS);
	CHECK(http_serve_finished(&s));
	http_serve_done(&s);
}

TEST(the_end_of_input_ends_what_is_not_complete)
{
	static const char *const parts[] = {
		"", "GE", "POST / HTTP/1.1\r\n" H "Content-Length: 5\r\n\r\nh",
	};

	for (size_t i = 0; i < sizeof(parts) / sizeof(parts[0]); i++) {
		struct driver d;

		driver_init(&d);
		feed_text(&d, parts[i]);
		http_serve_eof(&d.serve);
		take_events(&d);
		CHECK(http_serve_finished(&d.serve));
		CHECK(!http_serve_wants(&d.serve));
		driver_done(&d);
	}
}

TEST(an_idle_connection_holds_no_memory)
{
	struct driver d;

	driver_init(&d);
	feed_text(&d, "POST / HTTP/1.1\r\n" H "Content-Length: 1\r\n\r\nx");
	CHECK(d.serve.in.data == NULL && d.serve.out.data == NULL);
	CHECK(sizeof(struct http_serve) <= 256);
	driver_done(&d);
}
