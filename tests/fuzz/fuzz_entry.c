/* Log entries: the input is a list of them (length u16, bytes). Each is parsed, and what is
 * accepted is written back byte for byte; then it is applied to a state. At the end the state is
 * saved, loaded from pieces, and must come out as it went in. The whole input is loaded as a
 * saved state, too. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include "applets/manager/state/state.h"
#include "base/bytes.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void must(int ok)
{
	if (!ok)
		abort();
}

static void nothing(void *context, const struct change *change)
{
	(void)context;
	(void)change;
}

static void entry_again(struct arena *a, struct slice in)
{
	struct kv_command c;
	struct entry e;

	if (entry_parse(in, &e) < 0)
		return;
	must(slice_equal(entry_build(a, &e), in));
	if (e.type == ENTRY_KV && kv_command_parse(e.payload, &c) == 0)
		must(slice_equal(kv_command_build(a, &c), e.payload));
}

static void apply(struct arena *a, struct state *s, struct slice in)
{
	struct errmsg msg;

	while (in.len >= 2) {
		size_t n = bytes_get(in.data, 2);
		struct slice one;

		n = n < in.len - 2 ? n : in.len - 2;
		one = (struct slice){ in.data + 2, n };
		in = (struct slice){ one.data + n, in.len - 2 - n };
		entry_again(a, one);
		(void)state_apply(s, s->applied + 1, one, nothing, NULL, &msg);
	}
}

static void save(const struct state *s, struct buf *out)
{
	struct sink sink = sink_to_buf(out);

	must(state_save(s, &sink) == 0);
}

static int load(struct state *s, struct slice text, size_t piece)
{
	struct state_loader l;
	struct errmsg msg;
	int err = 0;

	state_load_begin(&l, s);
	for (size_t at = 0; at < text.len && err == 0; at += piece) {
		size_t n = text.len - at < piece ? text.len - at : piece;

		err = state_load_feed(&l, (struct slice){ text.data + at, n }, &msg);
	}
	return state_load_end(&l, &msg);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct slice in = { (const char *)data, size };
	size_t piece = size ? 1 + data[size - 1] : 1;
	struct state s, other;
	struct buf one, two;
	struct arena a;

	arena_init(&a);
	state_init(&s);
	state_init(&other);
	buf_init(&one, 64 << 20);
	buf_init(&two, 64 << 20);
	apply(&a, &s, in);
	save(&s, &one);
	must(load(&other, buf_slice(&one), piece) == 0);
	save(&other, &two);
	must(slice_equal(buf_slice(&one), buf_slice(&two)));
	state_done(&other);
	state_init(&other);
	if (load(&other, in, piece) == 0) {
		buf_reset(&two);
		save(&other, &two);
		state_done(&s);
		state_init(&s);
		must(load(&s, buf_slice(&two), piece) == 0);
	}
	state_done(&s);
	state_done(&other);
	buf_done(&one);
	buf_done(&two);
	arena_done(&a);
	return 0;
}
