#include <stdlib.h>
#include <string.h>

#include "applets/tasklist.h"
#include "base/timefmt.h"
#include "model/node.h"
#include "model/task.h"

enum { ERROR_SHOWN = 30 };	/* characters of a task's error in a table, as docker's */

static const struct column columns[] = {
	{ "ID", "ID" }, { "NAME", "Name" }, { "IMAGE", "Image" }, { "NODE", "Node" },
	{ "DESIRED STATE", "DesiredState" }, { "CURRENT STATE", "CurrentState" },
	{ "ERROR", "Error" }, { "PORTS", "Ports" },
};
enum { COLUMNS = sizeof(columns) / sizeof(*columns) };

struct line {
	struct task task;
	const char *name;	/* "web.1" */
	const char *node;
};

/* The member at a path of keys in the element whose ID is id, or NULL. */
static const char *find_name(struct arena *a, const struct json *array, const char *id,
			     const char *outer, const char *inner)
{
	for (const struct json *e = json_first(array); e; e = json_next(e)) {
		struct slice name;

		if (!slice_is(json_string(json_get(e, "ID")), id))
			continue;
		name = json_string(json_get(json_get(e, outer), inner));
		return name.len ? arena_str(a, name) : NULL;
	}
	return NULL;
}

static const char *service_name(struct arena *a, const struct tasklist *list, const char *id)
{
	const char *name = id ? find_name(a, list->services, id, "Spec", "Name") : NULL;

	return name ? name : id ? id : "";
}

static const char *node_name(struct arena *a, const struct tasklist *list, const char *id)
{
	const char *name;

	if (!id)
		return "";
	name = find_name(a, list->nodes, id, "Spec", "Name");
	if (!name)
		name = find_name(a, list->nodes, id, "Description", "Hostname");
	return name ? name : id;
}

static const char *slot_name(struct arena *a, const struct tasklist *list, const struct task *t)
{
	const char *service = service_name(a, list, t->service_id);

	if (t->slot)
		return arena_printf(a, "%s.%llu", service, (unsigned long long)t->slot);
	return t->node_id ? arena_printf(a, "%s.%s", service, t->node_id) : service;
}

/* The newest first within a name. */
static int compare_lines(const void *a, const void *b)
{
	const struct line *x = a, *y = b;
	int order = rows_compare_names(x->name, y->name);

	if (order)
		return order;
	if (x->task.meta.created_at != y->task.meta.created_at)
		return x->task.meta.created_at > y->task.meta.created_at ? -1 : 1;
	return slice_compare(slice_of(x->task.meta.id), slice_of(y->task.meta.id));
}

const char *tasklist_ports(struct arena *a, const struct list *ports, int host)
{
	static const char *const protocols[] = { "tcp", "udp", "sctp" };
	const struct port_config *p = ports->items;
	const char *text = "";

	for (uint32_t i = 0; i < ports->count; i++) {
		if ((p[i].publish_mode == PUBLISH_HOST) != !!host)
			continue;
		text = arena_printf(a, "%s%s*:%llu->%llu/%s", text, *text ? ", " : "",
			(unsigned long long)p[i].published_port,
			(unsigned long long)p[i].target_port, protocols[p[i].protocol]);
	}
	return text;
}

const char *tasklist_image(struct arena *a, const char *image, int no_trunc)
{
	struct slice s = slice_of(image);
	size_t at = slice_find(s, '@');
	const char *slash = image ? strrchr(image, '/') : NULL;

	if (!image)
		return "";
	/* Without a tag the digest is all that says which image it is. */
	if (no_trunc > 0 || at == s.len || !memchr(slash ? slash : image, ':',
			(size_t)(image + at - (slash ? slash : image))))
		return image;
	return arena_str(a, (struct slice){ image, at });
}

static const char *capital(struct arena *a, const char *word)
{
	char *copy = arena_str(a, slice_of(word));

	if (*copy >= 'a' && *copy <= 'z')
		*copy = (char)(*copy - 'a' + 'A');
	return copy;
}

static const char *state_since(struct arena *a, const struct task *t, int64_t now_ns)
{
	int64_t ago = now_ns > t->status.timestamp ? now_ns - t->status.timestamp : 0;
	char words[TIME_TEXT_MAX];

	duration_words(ago, words);
	if (*words >= 'A' && *words <= 'Z')
		*words = (char)(*words - 'A' + 'a');
	return arena_printf(a, "%s %s ago", capital(a, task_state_names[t->status.state]), words);
}

static const char *error_text(struct arena *a, const char *text, int no_trunc)
{
	struct slice s = slice_of(text);
	char *line;

	if (s.len == 0)
		return "";
	line = arena_str(a, s);
	for (char *c = line; *c; c++)
		if (*c == '\n' || *c == '\r' || *c == '\t')
			*c = ' ';
	if (no_trunc > 0 || s.len <= ERROR_SHOWN)
		return arena_printf(a, "\"%s\"", line);
	/* Not in the middle of a character. */
	s.len = ERROR_SHOWN - 1;
	while (s.len > 0 && ((unsigned char)line[s.len] & 0xc0) == 0x80)
		s.len--;
	return arena_printf(a, "\"%.*s…\"", (int)s.len, line);
}

static void fill(struct arena *a, const struct line *l, const struct tasklist *list,
		 const struct rows_options *o, const char **row)
{
	const struct task *t = &l->task;

	row[0] = rows_id(a, t->meta.id, o->no_trunc);
	row[1] = l->name;
	row[2] = tasklist_image(a, t->spec.container_spec ? t->spec.container_spec->image : NULL,
		o->no_trunc);
	row[3] = l->node;
	row[4] = capital(a, task_state_names[t->desired_state]);
	row[5] = state_since(a, t, list->now_ns);
	row[6] = error_text(a, t->status.err, o->no_trunc);
	row[7] = tasklist_ports(a, &t->status.port_status.ports, 1);
}

int tasklist_write(struct arena *a, const struct tasklist *list, const struct rows_options *o,
		   struct buf *out, struct errmsg *msg)
{
	size_t count = json_count(list->tasks), n = 0;
	struct line *lines = arena_array(a, count + 1, sizeof(*lines));
	enum rows_form form;
	struct rows rows;
	int err = rows_form(o, &form, msg);

	if (err < 0)
		return err;
	for (const struct json *e = json_first(list->tasks); e; e = json_next(e), n++) {
		err = model_decode(a, &task_table, MODEL_API, e, &lines[n].task, msg);
		if (err < 0)
			return err;
		lines[n].name = slot_name(a, list, &lines[n].task);
		lines[n].node = node_name(a, list, lines[n].task.node_id);
	}
	qsort(lines, n, sizeof(*lines), compare_lines);
	rows_init(&rows, a, columns, COLUMNS);
	for (size_t i = 0; i < n; i++) {
		const char **row = rows_add(&rows);

		fill(a, &lines[i], list, o, row);
		/* Former tasks of the same slot. */
		if (form == ROWS_TABLE && i > 0 && strcmp(lines[i].name, lines[i - 1].name) == 0)
			row[1] = arena_printf(a, " \\_ %s", lines[i].name);
	}
	rows_write(&rows, form, out);
	return 0;
}

int tasklist_print(struct cli *cli, const char *path, const struct rows_options *o,
		   const char *empty)
{
	struct tasklist list = { .now_ns = cli->wall_ns(cli) };
	struct errmsg msg = { { 0 } };
	enum rows_form form;
	struct buf out;
	int err;

	if (rows_form(o, &form, &msg) < 0)
		return cli_usage(cli, "%s", msg.text);
	err = cli_get(cli, cli->arena, path, &list.tasks, &msg);
	if (err == 0 && o->no_resolve <= 0 && form != ROWS_QUIET && json_count(list.tasks)) {
		err = cli_get(cli, cli->arena, "/services", &list.services, &msg);
		if (err == 0)
			err = cli_get(cli, cli->arena, "/nodes", &list.nodes, &msg);
	}
	if (err < 0)
		return cli_failed(cli, &msg);
	if (empty && form == ROWS_TABLE && json_count(list.tasks) == 0) {
		cli_printf(cli, CLI_ERR, "%s", empty);
		return 0;
	}
	buf_init(&out, CLI_TEXT_MAX);
	err = tasklist_write(cli->arena, &list, o, &out, &msg);
	cli_write(cli, CLI_OUT, &out);
	buf_done(&out);
	return err < 0 ? cli_fail(cli, "%s", msg.text) : 0;
}
