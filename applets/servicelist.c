#include <stdlib.h>
#include <string.h>

#include "applets/servicelist.h"
#include "applets/tasklist.h"
#include "model/service.h"

static const struct column columns[] = {
	{ "ID", "ID" }, { "NAME", "Name" }, { "MODE", "Mode" }, { "REPLICAS", "Replicas" },
	{ "IMAGE", "Image" }, { "PORTS", "Ports" },
};
enum { COLUMNS = sizeof(columns) / sizeof(*columns) };

struct line {
	struct service service;
	uint64_t running, desired;
};

static int compare_lines(const void *a, const void *b)
{
	const struct line *x = a, *y = b;
	const char *left = x->service.spec.name, *right = y->service.spec.name;

	return rows_compare_names(left ? left : "", right ? right : "");
}

static const char *replicas(struct arena *a, const struct line *l)
{
	const struct placement *p = l->service.spec.task_template.placement;
	const char *text = arena_printf(a, "%llu/%llu", (unsigned long long)l->running,
		(unsigned long long)l->desired);

	if (!p || !p->max_replicas)
		return text;
	return arena_printf(a, "%s (max %llu per node)", text,
		(unsigned long long)p->max_replicas);
}

static void fill(struct arena *a, const struct line *l, const struct rows_options *o,
		 const char **row)
{
	const struct service *s = &l->service;
	const struct container_spec *c = s->spec.task_template.container_spec;

	row[0] = rows_id(a, s->meta.id, o->no_trunc);
	row[1] = s->spec.name ? s->spec.name : "";
	row[2] = s->spec.mode.global ? "global" : "replicated";
	row[3] = replicas(a, l);
	row[4] = tasklist_image(a, c ? c->image : NULL, o->no_trunc);
	row[5] = tasklist_ports(a, &s->endpoint.ports, 0);
}

static int decode(struct arena *a, const struct json *from, struct line *l, struct errmsg *msg)
{
	const struct json *status = json_get(from, "ServiceStatus");
	int err = model_decode(a, &service_table, MODEL_API, from, &l->service, msg);

	if (err < 0)
		return err;
	if (json_to_u64(json_get(status, "RunningTasks"), &l->running) < 0)
		l->running = 0;
	if (json_to_u64(json_get(status, "DesiredTasks"), &l->desired) < 0)
		l->desired = 0;
	return 0;
}

int servicelist_write(struct arena *a, const struct json *services, const struct rows_options *o,
		      struct buf *out, struct errmsg *msg)
{
	struct line *lines = arena_array(a, json_count(services) + 1, sizeof(*lines));
	enum rows_form form;
	struct rows rows;
	size_t n = 0;
	int err = rows_form(o, &form, msg);

	if (err < 0)
		return err;
	for (const struct json *e = json_first(services); e; e = json_next(e), n++) {
		err = decode(a, e, &lines[n], msg);
		if (err < 0)
			return err;
	}
	qsort(lines, n, sizeof(*lines), compare_lines);
	rows_init(&rows, a, columns, COLUMNS);
	for (size_t i = 0; i < n; i++)
		fill(a, &lines[i], o, rows_add(&rows));
	rows_write(&rows, form, out);
	return 0;
}

int servicelist_print(struct cli *cli, const char *path, const struct rows_options *o,
		      const char *empty)
{
	const struct json *services;
	struct errmsg msg = { { 0 } };
	enum rows_form form;
	struct buf out;
	int err;

	if (rows_form(o, &form, &msg) < 0)
		return cli_usage(cli, "%s", msg.text);
	if (cli_get(cli, cli->arena, path, &services, &msg) < 0)
		return cli_failed(cli, &msg);
	if (empty && form == ROWS_TABLE && json_count(services) == 0) {
		cli_printf(cli, CLI_ERR, "%s", empty);
		return 0;
	}
	buf_init(&out, CLI_TEXT_MAX);
	err = servicelist_write(cli->arena, services, o, &out, &msg);
	cli_write(cli, CLI_OUT, &out);
	buf_done(&out);
	return err < 0 ? cli_fail(cli, "%s", msg.text) : 0;
}
