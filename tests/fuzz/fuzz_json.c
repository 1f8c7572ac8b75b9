/* What json_parse accepts can be written, and what was written reads back as the same text. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include "codec/json.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void require(int ok)
{
	if (!ok)
		abort();
}

static const struct json *write_again(struct arena *a, const struct json *root, struct buf *out)
{
	const struct json *again = NULL;
	struct json_writer w;

	json_begin(&w, out);
	json_write_node(&w, root);
	require(out->failed == 0);
	require(json_parse(a, buf_slice(out), &again, NULL) == 0);
	return again;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct slice text = { (const char *)data, size };
	const struct json *root = NULL;
	struct errmsg msg = { { 0 } };
	struct buf first, second;
	struct arena a;
	int64_t i64;
	uint64_t u64;

	arena_init(&a);
	buf_init(&first, 4 * JSON_TEXT_MAX);
	buf_init(&second, 4 * JSON_TEXT_MAX);
	if (json_parse(&a, text, &root, &msg) == 0) {
		json_to_i64(root, &i64);
		json_to_u64(root, &u64);
		json_to_nano(root, &i64);
		write_again(&a, write_again(&a, root, &first), &second);
		require(slice_equal(buf_slice(&first), buf_slice(&second)));
	} else {
		require(msg.text[0] != '\0' && !root);
	}
	buf_done(&first);
	buf_done(&second);
	arena_done(&a);
	return 0;
}
