/* Frames: any cut of the stream gives the same frames and the same end, and what was read is
 * written back byte for byte; each body is also tried as each kind of first frame, of which it is
 * one at most. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include "codec/frames.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void must(int ok)
{
	if (!ok)
		abort();
}

static void try_first(struct slice body)
{
	uint8_t bytes[HELLO_LEN];
	struct slice text;
	uint32_t version;
	struct hello h;
	int status;
	int is_hello = hello_parse(body, &h) == 0;
	int is_agent = agent_hello_parse(body, &version) == 0;
	int is_enrol = enrol_parse(body, &text);

	must(is_hello + is_agent + is_enrol <= 1);
	must(!is_enrol || text.data + text.len == body.data + body.len);
	if (enrol_answer_parse(body, &status, &text) == 0)
		must(text.data + text.len == body.data + body.len && status >= 0);
	if (is_agent) {
		agent_hello_build(bytes);
		must(memcmp(bytes, body.data, AGENT_LEN) == 0);
	}
	if (is_hello) {
		hello_build(bytes, &h);
		must(memcmp(bytes, body.data, HELLO_LEN) == 0);
	}
}

static int read_all(struct slice in, size_t step, uint32_t max, struct buf *back)
{
	struct frames f;
	int got = 0;

	frames_init(&f, max);
	while (got == 0 && in.len) {
		struct slice part = { in.data, in.len < step ? in.len : step };
		struct slice body;

		in.data += part.len;
		in.len -= part.len;
		while ((got = frames_next(&f, &part, &body)) == 1) {
			must(body.len <= max);
			frames_add(back, body);
			try_first(body);
		}
		must(got < 0 || part.len == 0);
	}
	frames_done(&f);
	return got;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct slice in;
	struct buf whole, cut;
	uint32_t max;

	if (size < 2)
		return 0;
	in = (struct slice){ (const char *)data + 2, size - 2 };
	max = 4 * (uint32_t)data[1];
	buf_init(&whole, size);
	buf_init(&cut, size);
	must(read_all(in, in.len, max, &whole) == read_all(in, 1 + data[0] % 16, max, &cut));
	must(slice_equal(buf_slice(&whole), buf_slice(&cut)));
	must(whole.len <= in.len && memcmp(whole.data ? whole.data : "", in.data, whole.len) == 0);
	buf_done(&whole);
	buf_done(&cut);
	return 0;
}
