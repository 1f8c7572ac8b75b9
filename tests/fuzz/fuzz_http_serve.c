/* A connection: the first bytes of the input say how the rest is cut; the events and the
 * output must be those of the uncut rest. Replies are of all kinds, by the target's length. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include "base/err.h"
#include "http/serve.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static const struct http_serve_config config = {
	.headers = { "Server: t\r\n", 11 },
	.body_max = 64,
	.out_max = 1 << 22,
};

struct run {
	struct http_serve serve;
	struct buf log;		/* what happened */
	struct buf sent;
	struct buf raw;		/* of a hijack: head, then all that followed */
	uint64_t now;
	int hijacked;
};

static void must(int ok)
{
	if (!ok)
		abort();
}

static void drain(struct run *r, size_t max)
{
	struct slice out = http_serve_out(&r->serve);
	size_t n = out.len < max ? out.len : max;

	buf_add(&r->sent, out.data, n);
	http_serve_sent(&r->serve, n, r->now);
}

static void answer(struct run *r, const struct http_serve_event *ev)
{
	struct http_reply reply = { .status = 200, .body = ev->body };

	reply.status = ev->head.target.len % 5 == 4 ? 204 : 200;
	reply.more = ev->head.target.len % 5 == 3;
	must(http_serve_reply(&r->serve, &reply, r->now) == 0);
	if (!reply.more)
		return;
	must(http_serve_chunk(&r->serve, SLICE("one"), 1, r->now) == 0);
	must(http_serve_chunk(&r->serve, SLICE("two"), 0, r->now) == 0);
}

/* "100 Continue" depends on what had come when the head was done, so it is kept out. */
static void on_head(struct run *r, struct http_serve_event *ev)
{
	static const struct http_reply refusal = { .status = 403 };

	buf_printf(&r->log, "H%.*s|", SLICE_ARGS(ev->head.target));
	if (ev->head.target.len % 7 == 6) {
		http_serve_hijack(&r->serve, &ev->head, &r->raw);
		r->hijacked = 1;
	} else if (ev->head.target.len % 7 == 5) {
		must(http_serve_reply(&r->serve, &refusal, r->now) == 0);
	}
	r->serve.expects = 0;
}

static void take_events(struct run *r)
{
	struct http_serve_event ev;

	while (http_serve_next(&r->serve, r->now, &ev) != HTTP_SERVE_NONE) {
		if (ev.kind == HTTP_SERVE_HEAD)
			on_head(r, &ev);
		if (ev.kind == HTTP_SERVE_ERROR)
			buf_printf(&r->log, "E%d|", ev.status);
		if (ev.kind != HTTP_SERVE_REQUEST)
			continue;
		must(ev.body.len <= config.body_max);
		buf_printf(&r->log, "R%.*s,", SLICE_ARGS(ev.head.method));
		buf_add_slice(&r->log, ev.body);
		answer(r, &ev);
		drain(r, 7);
	}
	drain(r, SIZE_MAX);
}

static void feed(struct run *r, struct slice bytes)
{
	if (r->hijacked)
		buf_add_slice(&r->raw, bytes);
	if (!http_serve_wants(&r->serve))
		return;
	http_serve_feed(&r->serve, bytes, r->now);
	take_events(r);
}

/* cuts: lengths of the parts, used in a circle; none: one part. */
static void run(struct run *r, struct slice cuts, struct slice in)
{
	*r = (struct run){ .now = 1 };
	http_serve_init(&r->serve, &config, r->now);
	buf_init(&r->log, 1 << 22);
	buf_init(&r->sent, 1 << 22);
	buf_init(&r->raw, 1 << 22);
	for (size_t i = 0; in.len; i++) {
		size_t n = cuts.len ? 1 + (size_t)(unsigned char)cuts.data[i % cuts.len] : in.len;

		n = n < in.len ? n : in.len;
		feed(r, (struct slice){ in.data, n });
		in.data += n;
		in.len -= n;
		(void)http_serve_deadline(&r->serve);
	}
	http_serve_eof(&r->serve);
	take_events(r);
	must(r->hijacked || http_serve_finished(&r->serve));
	must(r->hijacked || r->serve.in.data == NULL);
	http_serve_done(&r->serve);
}

static void end(struct run *r)
{
	buf_done(&r->log);
	buf_done(&r->sent);
	buf_done(&r->raw);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	enum { CUTS = 4 };
	struct slice cuts = { (const char *)data, CUTS };
	struct run cut, whole;
	struct slice in;

	if (size < CUTS || size - CUTS > HTTP_SERVE_READ_MAX)
		return 0;
	in = (struct slice){ (const char *)data + CUTS, size - CUTS };
	run(&whole, (struct slice){ NULL, 0 }, in);
	run(&cut, cuts, in);
	must(slice_equal(buf_slice(&whole.log), buf_slice(&cut.log)));
	must(slice_equal(buf_slice(&whole.sent), buf_slice(&cut.sent)));
	must(slice_equal(buf_slice(&whole.raw), buf_slice(&cut.raw)));
	end(&whole);
	end(&cut);
	return 0;
}
