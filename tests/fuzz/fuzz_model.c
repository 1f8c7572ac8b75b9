/* What a table takes is written as something that the table takes and that is equal. */
#include <stdint.h>
#include <stdlib.h>
#include "model/session.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void require(int ok)
{
	if (!ok)
		abort();
}

/* The stored form must be readable again inside what the log and the agents put around it. */
static void write_wrapped(struct buf *out, const struct table *table, const void *object)
{
	struct json_writer w;

	json_begin(&w, out);
	for (int i = 0; i < 8; i++)
		json_open_array(&w);
	model_encode(&w, table, MODEL_STORE, object);
	for (int i = 0; i < 8; i++)
		json_close_array(&w);
}

static void check(const struct table *table, enum model_form form, struct slice text)
{
	const struct json *node = NULL;
	struct errmsg msg = { { 0 } };
	void *first, *second;
	struct arena a;
	struct buf out;

	arena_init(&a);
	first = arena_new(&a, table->size);
	second = arena_new(&a, table->size);
	buf_init(&out, JSON_TEXT_MAX);
	if (model_parse(&a, table, form, text, first, &msg) < 0) {
		require(msg.text[0] != '\0');
	} else {
		write_wrapped(&out, table, first);
		require(out.failed || json_parse(&a, buf_slice(&out), &node, &msg) == 0);
		for (int i = 0; node && i < 8; i++)
			node = json_first(node);
		require(!node || model_decode(&a, table, MODEL_STORE, node, second, &msg) == 0);
		require(!node || model_equal(table, first, second));
		require(model_equal(table, first, model_copy(&a, table, first)));
	}
	buf_done(&out);
	arena_done(&a);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct slice text = { (const char *)data, size };

	check(&service_spec_table, MODEL_API, text);
	check(&service_table, MODEL_STORE, text);
	check(&task_table, MODEL_STORE, text);
	check(&node_table, MODEL_STORE, text);
	check(&network_spec_table, MODEL_API, text);
	check(&cluster_spec_table, MODEL_API, text);
	check(&cluster_table, MODEL_STORE, text);
	check(&session_order_table, MODEL_STORE, text);
	check(&session_report_table, MODEL_STORE, text);
	return 0;
}
