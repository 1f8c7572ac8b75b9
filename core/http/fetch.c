/* Contracts are in fetch.h. WHOLE: `in` holds the head, then the decoded body, then bytes not
 * looked at yet. PIECES: `in` holds bytes as received, of which `taken` were handed out; they
 * are dropped when no more events can be made of them, so that pieces stay where they are
 * while the caller looks at them. */
#include "http/fetch.h"
#include <assert.h>
#include "base/err.h"

enum state {
	FREE,		/* no exchange yet, or one that ended well */
	HEAD,
	BODY,
	UPGRADED,	/* the 101 was handed out */
	ENDED,		/* after an error, an upgrade, or a body that the close ended */
};

void http_fetch_init(struct http_fetch *f, size_t body_max)
{
	*f = (struct http_fetch){ .body_max = body_max, .keep_alive = 1 };
	/* The last read may bring more than was missing. */
	buf_init(&f->in, HTTP_HEAD_MAX + body_max + HTTP_FETCH_READ_MAX);
	buf_init(&f->out, 0);
}

void http_fetch_done(struct http_fetch *f)
{
	buf_done(&f->in);
	buf_done(&f->out);
}

void http_fetch_start(struct http_fetch *f, const struct http_request *request,
		      enum http_fetch_mode mode)
{
	assert(http_fetch_reusable(f));
	buf_done(&f->in);
	/* The last term is for the lines that http_write_request writes itself. */
	buf_init(&f->out, request->method.len + request->target.len + request->host.len +
				  request->content_type.len + request->headers.len +
				  request->upgrade.len + request->body.len + 256);
	http_write_request(&f->out, request);
	assert(!f->out.failed);
	f->out_sent = 0;
	f->mode = mode;
	f->state = HEAD;
	f->seen = 0;
	f->head_len = 0;
	f->body_len = 0;
	f->taken = 0;
	f->interim = 0;
	f->is_head = (uint8_t)slice_is(request->method, "HEAD");
	f->wants_upgrade = request->upgrade.len > 0;
}

struct slice http_fetch_out(const struct http_fetch *f)
{
	if (f->out.len == f->out_sent)
		return (struct slice){ NULL, 0 };
	return (struct slice){ f->out.data + f->out_sent, f->out.len - f->out_sent };
}

void http_fetch_sent(struct http_fetch *f, size_t n)
{
	assert(n <= f->out.len - f->out_sent);
	f->out_sent += n;
	if (f->out_sent == f->out.len) {
		buf_done(&f->out);
		f->out_sent = 0;
	}
}

void http_fetch_feed(struct http_fetch *f, struct slice bytes)
{
	assert(bytes.len <= HTTP_FETCH_READ_MAX);
	/* Nobody asked for these: whatever they are, the next answer would be mistaken. */
	if (f->state == FREE || f->state == ENDED) {
		f->keep_alive = f->keep_alive && bytes.len == 0;
		return;
	}
	buf_add_slice(&f->in, bytes);
	assert(!f->in.failed);
}

void http_fetch_eof(struct http_fetch *f)
{
	f->eof = 1;
}

static enum http_fetch_kind say(struct http_fetch_event *ev, enum http_fetch_kind kind)
{
	ev->kind = kind;
	return kind;
}

static enum http_fetch_kind fail(struct http_fetch *f, int err, const char *why,
				 struct http_fetch_event *ev)
{
	f->state = ENDED;
	ev->err = err;
	ev->why = why;
	return say(ev, HTTP_FETCH_ERROR);
}

/* More bytes are needed. */
static enum http_fetch_kind none(struct http_fetch *f, struct http_fetch_event *ev)
{
	if (f->eof)
		return fail(f, ERR_IO, "the server closed the connection before its answer was "
			    "complete", ev);
	return say(ev, HTTP_FETCH_NONE);
}

static const char *head_error(int err)
{
	if (err == ERR_LIMIT)
		return "the head of the answer is too large";
	if (err == ERR_UNSUPPORTED)
		return "the answer is of a version or transfer coding that is not known";
	return "the answer is not HTTP";
}

/* The final response's head is at the front of `in`, n bytes. */
static enum http_fetch_kind take_head(struct http_fetch *f, size_t n, struct http_fetch_event *ev)
{
	struct slice method = f->is_head ? SLICE("HEAD") : SLICE("GET");
	enum http_body_kind kind = http_response_body(&ev->head, method);

	f->head_len = n;
	if (ev->head.status == 101) {
		f->state = UPGRADED;
		return say(ev, HTTP_FETCH_HEAD);
	}
	http_body_init(&f->body, kind, ev->head.content_length);
	f->keep_alive = (uint8_t)ev->head.keep_alive;
	if (f->mode == HTTP_FETCH_PIECES)
		f->taken = n;
	else if (kind == HTTP_BODY_LENGTH && ev->head.content_length > f->body_max)
		return fail(f, ERR_LIMIT, "the answer is too large", ev);
	f->state = BODY;
	return say(ev, HTTP_FETCH_HEAD);
}

static enum http_fetch_kind next_head(struct http_fetch *f, struct http_fetch_event *ev)
{
	for (;;) {
		int n = http_parse_response(buf_slice(&f->in), f->seen, &ev->head);

		if (n == ERR_MORE) {
			f->seen = f->in.len;
			return none(f, ev);
		}
		f->seen = 0;
		if (n < 0)
			return fail(f, n, head_error(n), ev);
		if (ev->head.status == 101 && !f->wants_upgrade)
			return fail(f, ERR_INVALID, "the server changed the protocol unasked", ev);
		if (ev->head.status >= 200 || ev->head.status == 101)
			return take_head(f, (size_t)n, ev);
		/* RFC 9110 15.2: interim responses that nobody waits for are passed over. */
		if (++f->interim > HTTP_FETCH_INTERIM_MAX)
			return fail(f, ERR_LIMIT, "too many interim answers", ev);
		buf_consume(&f->in, (size_t)n);
	}
}

/* The body is complete; `used` bytes of `in` belong to this exchange. */
static enum http_fetch_kind finish(struct http_fetch *f, size_t used, struct http_fetch_event *ev)
{
	if (used < f->in.len || f->eof)
		f->keep_alive = 0;
	f->state = f->keep_alive ? FREE : ENDED;
	return say(ev, HTTP_FETCH_DONE);
}

static enum http_fetch_kind next_whole(struct http_fetch *f, struct http_fetch_event *ev)
{
	int got = http_body_collect(&f->body, &f->in, f->head_len, &f->body_len, f->body_max);
	int n;

	if (got == ERR_FULL)
		return fail(f, ERR_LIMIT, "the answer is too large", ev);
	if (got < 0 && got != ERR_MORE)
		return fail(f, got, "the answer's chunks are damaged", ev);
	if (got == ERR_MORE && !(f->eof && http_body_may_end(&f->body)))
		return none(f, ev);
	n = http_parse_response((struct slice){ f->in.data, f->head_len }, 0, &ev->head);
	assert(n == (int)f->head_len);
	ev->body = (struct slice){ f->in.data + f->head_len, f->body_len };
	return finish(f, f->head_len + f->body_len, ev);
}

static enum http_fetch_kind next_piece(struct http_fetch *f, struct http_fetch_event *ev)
{
	struct slice rest = { f->in.data + f->taken, f->in.len - f->taken };
	size_t used;
	int got = http_body_read(&f->body, rest, &used, &ev->body);

	f->taken += used;
	if (got == 1)
		return say(ev, HTTP_FETCH_PIECE);
	if (got == ERR_MORE) {
		assert(f->taken == f->in.len);
		buf_reset(&f->in);
		f->taken = 0;
		if (!(f->eof && http_body_may_end(&f->body)))
			return none(f, ev);
	} else if (got < 0) {
		return fail(f, got, "the answer's chunks are damaged", ev);
	}
	return finish(f, f->taken, ev);
}

enum http_fetch_kind http_fetch_next(struct http_fetch *f, struct http_fetch_event *ev)
{
	switch ((enum state)f->state) {
	case HEAD:
		return next_head(f, ev);
	case BODY:
		return f->mode == HTTP_FETCH_WHOLE ? next_whole(f, ev) : next_piece(f, ev);
	case UPGRADED:
		f->state = ENDED;
		ev->body = (struct slice){ f->in.data + f->head_len, f->in.len - f->head_len };
		return say(ev, HTTP_FETCH_RAW);
	case FREE:
	case ENDED:
		buf_done(&f->in);
		break;
	}
	return say(ev, HTTP_FETCH_NONE);
}

int http_fetch_reusable(const struct http_fetch *f)
{
	return f->state == FREE && f->keep_alive && !f->eof && f->out.len == f->out_sent;
}
