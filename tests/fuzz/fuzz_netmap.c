/* What netmap_parse accepts is written and read again as the same text. */
#include <stdint.h>
#include <stdlib.h>
#include "codec/netmap.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void require(int ok)
{
	if (!ok)
		abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct slice text = { (const char *)data, size };
	struct errmsg msg = { { 0 } };
	struct buf first, second;
	struct netmap map;
	struct arena a;

	arena_init(&a);
	buf_init(&first, 1 << 24);
	buf_init(&second, 1 << 24);
	if (netmap_parse(&a, text, &map, &msg) == 0) {
		netmap_build(&map, &first);
		require(first.failed == 0);
		require(netmap_parse(&a, buf_slice(&first), &map, &msg) == 0);
		netmap_build(&map, &second);
		require(slice_equal(buf_slice(&first), buf_slice(&second)));
	} else {
		require(slice_has_prefix(slice_of(msg.text), "netmap: "));
	}
	buf_done(&first);
	buf_done(&second);
	arena_done(&a);
	return 0;
}
