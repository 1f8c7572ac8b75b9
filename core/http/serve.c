/* Contracts are in serve.h. `in` holds, in this order: the head of the request that is being
 * read or answered, its decoded body, bytes not looked at yet. Nothing points into it between
 * two calls, but for the event with the head while the caller decides. A head whose body comes
 * later is parsed again, which is cheaper than 2 KiB of slices for each connection. */
#include "http/serve.h"
#include <assert.h>
#include "base/err.h"

enum state {
	IDLE,		/* between requests, nothing received */
	HEAD,		/* part of a head is there */
	DECIDE,		/* the head was handed out; hijack, reply, or go on */
	BODY,
	ANSWER,		/* the request was handed out; a reply is owed */
	STREAM,		/* a reply was begun and has more to come */
	LAST,		/* what is in `out` goes out, then the connection closes */
	HIJACKED,
};

void http_serve_init(struct http_serve *s, const struct http_serve_config *config, uint64_t now_ms)
{
	*s = (struct http_serve){ .config = config, .since_ms = now_ms, .write_ms = now_ms };
	/* Up to a head and a body, and the last read may bring more than was missing. */
	buf_init(&s->in, HTTP_HEAD_MAX + config->body_max + HTTP_SERVE_READ_MAX);
	/* Sent bytes are dropped when they are half of it: see add_out. The answer to a bad
	 * request must fit even where out_max is tiny. */
	buf_init(&s->out, 2 * config->out_max + HTTP_HEAD_MAX);
}

void http_serve_done(struct http_serve *s)
{
	buf_done(&s->in);
	buf_done(&s->out);
}

static void enter(struct http_serve *s, enum state state, uint64_t now_ms)
{
	s->state = (uint8_t)state;
	s->since_ms = now_ms;
}

static size_t waiting(const struct http_serve *s)
{
	assert(s->out_sent <= s->out.len);
	return s->out.len - s->out_sent;
}

/* Before bytes are added to `out`. */
static void begin_out(struct http_serve *s, uint64_t now_ms)
{
	if (waiting(s) == 0)
		s->write_ms = now_ms;
	if (s->out_sent > 0 && s->out_sent >= waiting(s)) {
		buf_consume(&s->out, s->out_sent);
		s->out_sent = 0;
	}
}

/* Drops everything: the connection is of no more use. */
static void give_up(struct http_serve *s)
{
	buf_done(&s->in);
	buf_done(&s->out);
	s->out_sent = 0;
	s->state = LAST;
}

/* No more requests; what is in `out` still goes. */
static void close_after_out(struct http_serve *s)
{
	buf_done(&s->in);
	s->state = LAST;
}

/* After bytes were added to `out`: 0, or ERR_LIMIT and the end. */
static int end_out(struct http_serve *s)
{
	if (s->out.failed || waiting(s) > s->config->out_max) {
		give_up(s);
		return ERR_LIMIT;
	}
	return 0;
}

/* ---- bytes in ------------------------------------------------------------------ */

int http_serve_wants(const struct http_serve *s)
{
	return !s->eof && (s->state == IDLE || s->state == HEAD || s->state == BODY);
}

int http_serve_idle(const struct http_serve *s)
{
	return s->state == IDLE && s->in.len == 0 && waiting(s) == 0;
}

void http_serve_feed(struct http_serve *s, struct slice bytes, uint64_t now_ms)
{
	assert(bytes.len <= HTTP_SERVE_READ_MAX);
	assert(http_serve_wants(s));
	if (s->state == IDLE && bytes.len)
		enter(s, HEAD, now_ms);
	buf_add_slice(&s->in, bytes);
	assert(!s->in.failed);
}

void http_serve_eof(struct http_serve *s)
{
	s->eof = 1;
}

/* Answers a bad request with Docker's form of an error, and ends the connection. */
static enum http_serve_kind refuse(struct http_serve *s, int status, uint64_t now_ms,
				   struct http_serve_event *ev)
{
	struct http_reply reply = { .status = status, .content_type = SLICE("application/json") };
	struct buf body;

	buf_init(&body, 256);
	buf_printf(&body, "{\"message\":\"%s\"}\n", http_reason(status));
	reply.body = buf_slice(&body);
	begin_out(s, now_ms);
	http_write_reply_head(&s->out, &reply, s->config->headers, "close", 0);
	if (!s->is_head)
		buf_add_slice(&s->out, reply.body);
	buf_done(&body);
	close_after_out(s);
	if (s->out.failed)
		give_up(s);
	ev->kind = HTTP_SERVE_ERROR;
	ev->status = status;
	ev->why = http_reason(status);
	return ev->kind;
}

/* The status that tells a client why its head was refused. */
static int head_status(const struct http_serve *s, int err)
{
	struct slice rest = buf_slice(&s->in);
	struct slice line;
	size_t end;

	if (slice_has_prefix(rest, "\r\n"))
		(void)slice_cut(&rest, '\n');	/* the empty line that may stand first */
	end = slice_find(rest, '\r');
	line = (struct slice){ rest.data, end };
	if (err == ERR_LIMIT)
		return end == rest.len ? 414 : 431;
	if (err != ERR_UNSUPPORTED)
		return 400;
	/* It is the version, or else the transfer coding. */
	if (line.len < 8)
		return 505;
	line = (struct slice){ line.data + line.len - 8, 8 };
	return slice_has_prefix(line, "HTTP/1.") ? 501 : 505;
}

static enum http_serve_kind none(struct http_serve *s, struct http_serve_event *ev)
{
	/* What was to come will not. */
	if (s->eof && (s->state == IDLE || s->state == HEAD || s->state == BODY))
		close_after_out(s);
	ev->kind = HTTP_SERVE_NONE;
	return ev->kind;
}

static enum http_serve_kind next_head(struct http_serve *s, uint64_t now_ms,
				      struct http_serve_event *ev)
{
	int n = http_parse_request(buf_slice(&s->in), s->seen, &ev->head);

	if (n == ERR_MORE) {
		s->seen = s->in.len;
		return none(s, ev);
	}
	s->seen = 0;
	s->is_head = 0;
	if (n < 0)
		return refuse(s, head_status(s, n), now_ms, ev);
	s->head_len = (size_t)n;
	s->body_len = 0;
	s->keep_alive = (uint8_t)ev->head.keep_alive;
	s->is_old = ev->head.minor == 0;
	s->is_head = (uint8_t)slice_is(ev->head.method, "HEAD");
	s->expects = (uint8_t)ev->head.expect_continue;
	http_body_init(&s->body, http_request_body(&ev->head), ev->head.content_length);
	enter(s, DECIDE, now_ms);
	ev->kind = HTTP_SERVE_HEAD;
	return ev->kind;
}

/* has_head: ev still has it. */
static enum http_serve_kind next_body(struct http_serve *s, uint64_t now_ms, int has_head,
				      struct http_serve_event *ev)
{
	int got = http_body_collect(&s->body, &s->in, s->head_len, &s->body_len,
				    s->config->body_max);

	if (got == ERR_MORE)
		return none(s, ev);
	if (got < 0)
		return refuse(s, got == ERR_FULL ? 413 : 400, now_ms, ev);
	enter(s, ANSWER, now_ms);
	if (!has_head) {
		struct slice head = { s->in.data, s->head_len };
		int n = http_parse_request(head, 0, &ev->head);

		assert(n == (int)s->head_len);
	}
	ev->body = (struct slice){ s->in.data + s->head_len, s->body_len };
	ev->kind = HTTP_SERVE_REQUEST;
	return ev->kind;
}

/* The caller wants the body. RFC 9110 10.1.1: who has sent some of it already needs no call. */
static enum http_serve_kind begin_body(struct http_serve *s, uint64_t now_ms,
				       struct http_serve_event *ev)
{
	if (s->body.kind == HTTP_BODY_LENGTH && s->body.left > s->config->body_max)
		return refuse(s, 413, now_ms, ev);
	if (s->expects && s->body.kind != HTTP_BODY_NONE && s->in.len == s->head_len) {
		begin_out(s, now_ms);
		buf_add_str(&s->out, "HTTP/1.1 100 Continue\r\n\r\n");
		if (end_out(s) < 0)
			return none(s, ev);
	}
	enter(s, BODY, now_ms);
	assert(ev->kind == HTTP_SERVE_HEAD);
	return next_body(s, now_ms, 1, ev);
}

enum http_serve_kind http_serve_next(struct http_serve *s, uint64_t now_ms,
				     struct http_serve_event *ev)
{
	if (s->state == IDLE && s->in.len)
		enter(s, HEAD, now_ms);
	switch ((enum state)s->state) {
	case HEAD:
		return next_head(s, now_ms, ev);
	case DECIDE:
		return begin_body(s, now_ms, ev);
	case BODY:
		return next_body(s, now_ms, 0, ev);
	case IDLE:
	case ANSWER:
	case STREAM:
	case LAST:
	case HIJACKED:
		break;
	}
	return none(s, ev);
}

void http_serve_hijack(struct http_serve *s, const struct http_head *head, struct buf *out)
{
	assert(s->state == DECIDE);
	http_write_forward(out, head);
	buf_add(out, s->in.data + s->head_len, s->in.len - s->head_len);
	buf_done(&s->in);
	s->state = HIJACKED;
}

/* ---- replies ------------------------------------------------------------------- */

/* The request is behind us. */
static void drop_request(struct http_serve *s)
{
	buf_consume(&s->in, s->head_len + s->body_len);
	s->head_len = 0;
	s->body_len = 0;
	if (s->in.len == 0)
		buf_done(&s->in);
}

static void end_reply(struct http_serve *s, uint64_t now_ms)
{
	if (!s->keep_alive)
		close_after_out(s);
	else
		enter(s, IDLE, now_ms);
}

/* The Connection header of the reply (RFC 9112 9.3): said where it is not the default. */
static const char *connection_value(const struct http_serve *s)
{
	if (!s->keep_alive)
		return "close";
	return s->is_old ? "keep-alive" : NULL;
}

/* A piece of the reply's body as it goes over the wire. */
static void add_piece(struct http_serve *s, struct slice piece)
{
	if (s->no_body)
		return;
	if (s->chunked)
		http_chunk_add(&s->out, piece);
	else
		buf_add_slice(&s->out, piece);
}

int http_serve_reply(struct http_serve *s, const struct http_reply *reply, uint64_t now_ms)
{
	assert(s->state == ANSWER || s->state == DECIDE);
	if (s->config->closing)
		s->keep_alive = 0;
	/* A body that was not read stands where the next request would. */
	if (s->state == DECIDE && s->body.kind != HTTP_BODY_NONE)
		s->keep_alive = 0;
	/* 1.0 has no chunks: there the end of the connection ends the body. */
	if (reply->more && s->is_old)
		s->keep_alive = 0;
	s->chunked = reply->more && !s->is_old;
	s->no_body = s->is_head || reply->status == 204 || reply->status == 304;
	begin_out(s, now_ms);
	http_write_reply_head(&s->out, reply, s->config->headers, connection_value(s), s->chunked);
	add_piece(s, reply->body);
	/* Only now: the reply may borrow from the request. */
	drop_request(s);
	if (end_out(s) < 0)
		return ERR_LIMIT;
	if (reply->more)
		enter(s, STREAM, now_ms);
	else
		end_reply(s, now_ms);
	return 0;
}

int http_serve_chunk(struct http_serve *s, struct slice piece, int more, uint64_t now_ms)
{
	assert(s->state == STREAM);
	begin_out(s, now_ms);
	add_piece(s, piece);
	if (!more && s->chunked && !s->no_body)
		http_chunk_end(&s->out);
	if (end_out(s) < 0)
		return ERR_LIMIT;
	if (!more)
		end_reply(s, now_ms);
	return 0;
}

/* ---- bytes out, time ------------------------------------------------------------ */

struct slice http_serve_out(const struct http_serve *s)
{
	if (waiting(s) == 0)
		return (struct slice){ NULL, 0 };
	return (struct slice){ s->out.data + s->out_sent, waiting(s) };
}

void http_serve_sent(struct http_serve *s, size_t n, uint64_t now_ms)
{
	assert(n <= waiting(s));
	s->out_sent += n;
	if (n)
		s->write_ms = now_ms;
	if (waiting(s) == 0) {
		buf_done(&s->out);
		s->out_sent = 0;
	}
}

int http_serve_finished(const struct http_serve *s)
{
	return s->state == LAST && waiting(s) == 0;
}

static uint64_t state_deadline(const struct http_serve *s)
{
	switch ((enum state)s->state) {
	case IDLE:
		return s->since_ms + HTTP_SERVE_IDLE_MS;
	case HEAD:
		return s->since_ms + HTTP_SERVE_HEAD_MS;
	case DECIDE:
	case BODY:
		return s->since_ms + HTTP_SERVE_BODY_MS;
	case ANSWER:
	case STREAM:
	case LAST:
	case HIJACKED:
		break;
	}
	return 0;
}

static uint64_t write_deadline(const struct http_serve *s)
{
	return waiting(s) ? s->write_ms + HTTP_SERVE_WRITE_MS : 0;
}

uint64_t http_serve_deadline(const struct http_serve *s)
{
	uint64_t state = state_deadline(s);
	uint64_t write = write_deadline(s);

	if (state == 0 || write == 0)
		return state + write;
	return state < write ? state : write;
}

void http_serve_expire(struct http_serve *s, uint64_t now_ms)
{
	uint64_t state = state_deadline(s);
	uint64_t write = write_deadline(s);
	struct http_serve_event ev;

	if (write && now_ms >= write) {
		give_up(s);
		return;
	}
	if (state == 0 || now_ms < state)
		return;
	if (s->state == IDLE)
		close_after_out(s);
	else
		(void)refuse(s, 408, now_ms, &ev);
}
