/* Answers to a request: the first bytes of the input say which request, which mode, and how
 * the rest is cut; head, body and outcome must be those of the uncut rest. */
#include <stdint.h>
#include <stdlib.h>
#include "base/err.h"
#include "http/fetch.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { BODY_MAX = 64 };

static void must(int ok)
{
	if (!ok)
		abort();
}

static void start(struct http_fetch *f, int choice)
{
	static const char *const methods[] = { "GET", "HEAD", "POST", "POST" };
	struct http_request request = { .target = SLICE("/x") };

	request.method = slice_of(methods[choice & 3]);
	request.upgrade = slice_of((choice & 3) == 3 ? "tcp" : NULL);
	http_fetch_start(f, &request, choice & 4 ? HTTP_FETCH_PIECES : HTTP_FETCH_WHOLE);
	http_fetch_sent(f, http_fetch_out(f).len);
}

static void take_events(struct http_fetch *f, struct buf *log, int whole)
{
	struct http_fetch_event ev;

	while (http_fetch_next(f, &ev) != HTTP_FETCH_NONE) {
		switch (ev.kind) {
		case HTTP_FETCH_HEAD:
			buf_printf(log, "H%d,%u|", ev.head.status, ev.head.header_count);
			break;
		case HTTP_FETCH_PIECE:
			must(ev.body.len > 0);
			buf_add_slice(log, ev.body);
			break;
		case HTTP_FETCH_DONE:
			must(!whole || ev.body.len <= BODY_MAX);
			if (whole)
				buf_add_slice(log, ev.body);
			buf_add_str(log, "|D");
			break;
		case HTTP_FETCH_RAW:
			buf_add_str(log, "R");
			break;
		case HTTP_FETCH_ERROR:
			must(ev.err < 0 && ev.why);
			buf_printf(log, "E%d", ev.err);
			break;
		case HTTP_FETCH_NONE:
			break;
		}
	}
}

static void run(struct slice in, size_t step, int choice, struct buf *log)
{
	struct http_fetch f;

	http_fetch_init(&f, BODY_MAX);
	start(&f, choice);
	while (in.len) {
		size_t n = in.len < step ? in.len : step;

		http_fetch_feed(&f, (struct slice){ in.data, n });
		take_events(&f, log, !(choice & 4));
		in.data += n;
		in.len -= n;
	}
	buf_printf(log, "|%d|", http_fetch_reusable(&f));
	http_fetch_eof(&f);
	take_events(&f, log, !(choice & 4));
	must(!http_fetch_reusable(&f));
	http_fetch_done(&f);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct buf whole, cut;
	struct slice in;

	if (size < 2 || size - 2 > HTTP_FETCH_READ_MAX)
		return 0;
	in = (struct slice){ (const char *)data + 2, size - 2 };
	buf_init(&whole, 1 << 20);
	buf_init(&cut, 1 << 20);
	run(in, in.len, data[0] & 7, &whole);
	run(in, 1 + (size_t)data[1], data[0] & 7, &cut);
	must(slice_equal(buf_slice(&whole), buf_slice(&cut)));
	buf_done(&whole);
	buf_done(&cut);
	return 0;
}
