/* Contracts are in template.h. */
#include "docker/template.h"
#include <string.h>
#include "base/buf.h"
#include "codec/json.h"

enum { TEMPLATE_MAX = 64 * 1024 };

/* The value of a placeholder, or NULL if there is none of that name. */
static const char *lookup(struct arena *a, const struct template_values *v, struct slice name)
{
	const struct template_node *n = v->node;
	const struct {
		const char *name, *value;
	} values[] = {
		{ ".Service.ID", v->task->service_id }, { ".Service.Name", v->task->service_name },
		{ ".Node.ID", n->id }, { ".Node.Hostname", n->hostname },
		{ ".Node.Platform.OS", n->os }, { ".Node.Platform.Architecture", n->architecture },
		{ ".Task.ID", v->task->meta.id }, { ".Task.Name", v->task_name },
	};

	/* A global service's tasks have no slot: Docker gives the node's id for it. */
	if (slice_is(name, ".Task.Slot") && v->task->slot == 0)
		return n->id ? n->id : "";
	if (slice_is(name, ".Task.Slot"))
		return arena_printf(a, "%llu", (unsigned long long)v->task->slot);
	for (size_t i = 0; i < sizeof(values) / sizeof(*values); i++) {
		if (slice_is(name, values[i].name))
			return values[i].value ? values[i].value : "";
	}
	return NULL;
}

static void add_value(struct buf *out, const char *value, int json)
{
	struct json_writer w;
	struct buf quoted;

	if (!json) {
		buf_add_str(out, value);
		return;
	}
	buf_init(&quoted, TEMPLATE_MAX);
	json_begin(&w, &quoted);
	json_write_str(&w, value);
	if (quoted.len > 2)
		buf_add(out, quoted.data + 1, quoted.len - 2);
	if (quoted.failed)
		out->failed = quoted.failed;
	buf_done(&quoted);
}

static int expand(struct arena *a, const struct template_values *v, const char *text,
		  struct buf *out, struct errmsg *msg)
{
	const char *open, *close;

	for (; (open = strstr(text, "{{")) != NULL; text = close + 2) {
		struct slice name;
		const char *value;

		buf_add(out, text, (size_t)(open - text));
		close = strstr(open, "}}");
		if (!close)
			return errmsg_set(msg, ERR_INVALID, "template without }}: %s", open);
		name = slice_trim((struct slice){ open + 2, (size_t)(close - open - 2) });
		value = lookup(a, v, name);
		if (!value)
			return errmsg_set(msg, ERR_INVALID, "unknown template {{%.*s}}",
					  SLICE_ARGS(name));
		add_value(out, value, v->json);
	}
	buf_add_str(out, text);
	if (out->failed)
		return errmsg_set(msg, ERR_LIMIT, "a template gives over %d bytes", TEMPLATE_MAX);
	return 0;
}

const char *template_expand(struct arena *a, const struct template_values *values,
			    const char *text, struct errmsg *msg)
{
	const char *result = NULL;
	struct buf out;

	if (!strstr(text, "{{"))
		return text;
	buf_init(&out, TEMPLATE_MAX);
	if (expand(a, values, text, &out, msg) == 0)
		result = arena_str(a, buf_slice(&out));
	buf_done(&out);
	return result;
}
