/* stack_load ends in time; what it makes can be encoded and read back; errors are one line. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "applets/stack/load.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void require(int ok)
{
	if (!ok)
		abort();
}

static const char *get(void *context, const char *name)
{
	(void)context;
	return *name == 'A' ? "a:1\n$ {}" : *name == 'H' ? "/home" : *name == 'E' ? "" : NULL;
}

static int read_file(void *context, const char *path, struct buf *out, struct errmsg *msg)
{
	(void)context;
	if (strchr(path, '-'))
		return errmsg_set(msg, ERR_NOT_FOUND, "%s: no such file", path);
	buf_add_str(out, path);
	buf_add_str(out, "\nA=b\n#\n =\n");
	return 0;
}

static void check_object(struct arena *a, const struct table *table, const void *object)
{
	void *again = arena_new(a, table->size);
	struct errmsg msg = { { 0 } };
	struct json_writer w;
	struct buf out;

	buf_init(&out, (size_t)64 << 20);
	json_begin(&w, &out);
	model_encode(&w, table, MODEL_API, object);
	require(!out.failed);
	/* Escapes can make it longer than what is read. */
	if (out.len < JSON_TEXT_MAX)
		require(model_parse(a, table, MODEL_API, buf_slice(&out), again, &msg) == 0);
	buf_done(&out);
}

static void check_stack(struct arena *a, const struct stack *stack)
{
	for (uint32_t i = 0; i < stack->services.count; i++)
		check_object(a, &service_spec_table,
			LIST_AT(&stack->services, struct service_spec, i));
	for (uint32_t i = 0; i < stack->networks.count; i++)
		check_object(a, &network_spec_table,
			LIST_AT(&stack->networks, struct network_spec, i));
	for (uint32_t i = 0; i < stack->warnings.count; i++)
		require(!strchr(stack->warnings.items[i], '\n'));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct stack_source source = {
		.file = "f", .text = { (const char *)data, size }, .dir = "/d", .env = get,
		.read = read_file,
	};
	struct errmsg msg = { { 0 } };
	struct stack stack;
	struct arena a;

	arena_init(&a);
	if (stack_load(&a, "s", &source, &stack, &msg) < 0)
		require(slice_has_prefix(slice_of(msg.text), "f:") && !strchr(msg.text, '\n'));
	else
		check_stack(&a, &stack);
	arena_done(&a);
	return 0;
}
