/* Streams of an engine: lines with events and pull progress, log frames; and its answers.
 * The first byte says where the input is cut in two. What comes out whole comes out cut. */
#include <stdint.h>
#include <stdlib.h>
#include "docker/bridge.h"
#include "docker/container.h"
#include "docker/image.h"
#include "docker/logmux.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { OUT_MAX = 1 << 20 };

static void read_lines(struct lines *l, struct slice piece, struct buf *out)
{
	struct slice line;

	lines_feed(l, piece);
	while (lines_next(l, &line)) {
		buf_add_slice(out, line);
		buf_add_char(out, '\n');
	}
}

static int read_logs(struct logmux *m, struct slice piece, struct buf *out)
{
	enum logmux_stream stream;
	struct slice run;
	int got;

	while ((got = logmux_next(m, &piece, &stream, &run)) > 0) {
		for (size_t i = 0; i < run.len; i++) {
			buf_add_char(out, stream == LOGMUX_STDERR ? '2' : '1');
			buf_add_char(out, run.data[i]);
		}
	}
	return got;
}

static void both(struct slice all, size_t cut, struct buf *out)
{
	struct slice first = { all.data, cut }, rest = { all.data + cut, all.len - cut };
	struct lines l;
	struct logmux m;

	lines_init(&l);
	read_lines(&l, first, out);
	read_lines(&l, rest, out);
	read_lines(&l, SLICE("\n"), out);
	lines_done(&l);
	logmux_init(&m, 0);
	if (read_logs(&m, first, out) == 0)
		read_logs(&m, rest, out);
}

static void answers(struct slice text)
{
	struct node_description description;
	struct docker_event event;
	struct container container;
	struct bridge bridge;
	struct list list;
	struct arena a;

	arena_init(&a);
	(void)docker_event_parse(&a, text, &event);
	(void)docker_info_parse(&a, text, NULL, &description, NULL);
	(void)container_parse(&a, text, &container, NULL);
	(void)container_list_parse(&a, text, &list, NULL);
	(void)container_created_id(&a, text);
	(void)bridge_parse(&a, text, &bridge, NULL);
	(void)bridge_list_parse(&a, text, &list, NULL);
	(void)image_pull_error(&a, text);
	(void)docker_error(&a, 500, text);
	arena_done(&a);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct slice all = { (const char *)data + 1, size - 1 };
	struct buf whole, cut;

	if (size < 2)
		return 0;
	buf_init(&whole, OUT_MAX);
	buf_init(&cut, OUT_MAX);
	both(all, 0, &whole);
	both(all, data[0] % all.len, &cut);
	if (!whole.failed && !slice_equal(buf_slice(&whole), buf_slice(&cut)))
		abort();
	answers(all);
	buf_done(&whole);
	buf_done(&cut);
	return 0;
}
