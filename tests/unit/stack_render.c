/* See stack_render.h. */
#include <string.h>

#include "applets/stack/load.h"
#include "stack_render.h"

static const char *get_env(void *context, const char *name)
{
	static const char *const all[][2] = {
		{ "HOME", "/home/me" }, { "TAG", "1.2" }, { "EMPTY", "" }, { "PORT", "8080" },
		{ "N", "3" }, { "YES", "true" }, { "SECRET", "a$b" },
	};

	(void)context;
	for (size_t i = 0; i < sizeof(all) / sizeof(*all); i++)
		if (strcmp(all[i][0], name) == 0)
			return all[i][1];
	return NULL;
}

static int read_env(void *context, const char *path, struct buf *out, struct errmsg *msg)
{
	(void)context;
	if (strcmp(path, "/dir/web.env") != 0)
		return errmsg_set(msg, ERR_NOT_FOUND, "%s: no such file", path);
	buf_add_str(out, "# a comment\n\nFROM_FILE=one two # not a comment\r\n"
		"  BOTH=file\nTAG\nNOWHERE\nQUOTED=\"as it is\"");
	return 0;
}

static int load(struct arena *a, struct slice text, struct stack *stack, struct errmsg *msg)
{
	struct stack_source source = {
		.file = "F", .text = text, .dir = "/dir", .env = get_env, .read = read_env,
	};

	return stack_load(a, "S", &source, stack, msg);
}

static void put_object(struct buf *out, const char *what, const struct table *table,
		       const void *object)
{
	struct json_writer w;

	buf_printf(out, "%s ", what);
	json_begin(&w, out);
	model_encode(&w, table, MODEL_API, object);
	buf_add_char(out, '\n');
}

void stack_render(struct slice text, struct buf *out)
{
	struct errmsg msg = { { 0 } };
	struct stack stack;
	struct arena a;

	arena_init(&a);
	if (load(&a, text, &stack, &msg) < 0) {
		buf_printf(out, "error %s\n", msg.text);
		arena_done(&a);
		return;
	}
	for (uint32_t i = 0; i < stack.warnings.count; i++)
		buf_printf(out, "warning %s\n", stack.warnings.items[i]);
	for (uint32_t i = 0; i < stack.externals.count; i++)
		buf_printf(out, "external %s\n", stack.externals.items[i]);
	for (uint32_t i = 0; i < stack.networks.count; i++)
		put_object(out, "network", &network_spec_table,
			LIST_AT(&stack.networks, struct network_spec, i));
	for (uint32_t i = 0; i < stack.services.count; i++)
		put_object(out, "service", &service_spec_table,
			LIST_AT(&stack.services, struct service_spec, i));
	arena_done(&a);
}

const char *stack_error(const char *text)
{
	static struct errmsg msg;
	struct stack stack;
	struct arena a;

	msg.text[0] = '\0';
	arena_init(&a);
	if (load(&a, slice_of(text), &stack, &msg) == 0)
		msg.text[0] = '\0';
	arena_done(&a);
	return msg.text;
}
