#include <stdlib.h>
#include <string.h>

#include "applets/inspect.h"
#include "applets/network/network.h"
#include "applets/rows.h"

static const struct column columns[] = {
	{ "NETWORK ID", "ID" }, { "NAME", "Name" }, { "DRIVER", "Driver" }, { "SCOPE", "Scope" },
};
enum { COLUMNS = sizeof(columns) / sizeof(*columns) };

/* ---- ls -------------------------------------------------------------------------- */

static int compare_rows(const void *a, const void *b)
{
	const char *const *x = a, *const *y = b;

	return rows_compare_names(x[1], y[1]);
}

static const char *text_of(struct arena *a, const struct json *object, const char *key)
{
	return arena_str(a, json_string(json_get(object, key)));
}

static int write_list(struct cli *cli, const struct json *array, enum rows_form form,
		      struct buf *out, struct errmsg *msg)
{
	const struct rows_options *o = cli->options;
	struct arena *a = cli->arena;
	struct rows rows;

	rows_init(&rows, a, columns, COLUMNS);
	for (const struct json *e = json_first(array); e; e = json_next(e)) {
		const char **row = rows_add(&rows);

		row[0] = rows_id(a, text_of(a, e, "Id"), o->no_trunc);
		row[1] = text_of(a, e, "Name");
		row[2] = text_of(a, e, "Driver");
		row[3] = text_of(a, e, "Scope");
	}
	if (rows.count)
		qsort(rows.cells, rows.count, COLUMNS * sizeof(*rows.cells), compare_rows);
	rows_write(&rows, form, out);
	(void)msg;	/* nothing here can fail */
	return 0;
}

static int list(struct cli *cli)
{
	static const char *const keys[] = {
		"dangling", "driver", "id", "label", "name", "scope", "type", NULL,
	};

	return cli_list(cli, "/networks", keys, write_list);
}

/* ---- create, rm, inspect ------------------------------------------------------------ */

struct create_options {
	const char *driver, *subnet, *gateway, *ip_range;
	int attachable, internal;
	struct strings label, opt;
};

static void put_pairs(struct json_writer *w, const char *key, const struct strings *pairs)
{
	json_write_key(w, key);
	json_open_object(w);
	for (uint32_t i = 0; i < pairs->count; i++) {
		struct slice value = slice_of(pairs->items[i]);

		/* What is given twice stays in the last form: one key, one value. */
		struct slice name = slice_cut(&value, '=');
		int again = 0;

		for (uint32_t k = i + 1; k < pairs->count; k++) {
			struct slice other = slice_of(pairs->items[k]);

			again |= slice_equal(slice_cut(&other, '='), name);
		}
		if (again)
			continue;
		json_write_key_slice(w, name);
		json_write_string(w, value);
	}
	json_close_object(w);
}

static void put_optional(struct json_writer *w, const char *key, const char *value)
{
	if (value)
		json_put_str(w, key, value);
}

static void write_request(struct buf *out, const char *name, const struct create_options *o)
{
	struct json_writer w;

	json_begin(&w, out);
	json_open_object(&w);
	json_put_str(&w, "Name", name);
	json_put_str(&w, "Driver", o->driver ? o->driver : "overlay");
	json_put_str(&w, "Scope", "swarm");
	json_put_bool(&w, "Internal", o->internal > 0);
	json_put_bool(&w, "Attachable", o->attachable > 0);
	json_write_key(&w, "IPAM");
	json_open_object(&w);
	json_put_str(&w, "Driver", "default");
	if (o->subnet) {
		json_write_key(&w, "Config");
		json_open_array(&w);
		json_open_object(&w);
		json_put_str(&w, "Subnet", o->subnet);
		put_optional(&w, "IPRange", o->ip_range);
		put_optional(&w, "Gateway", o->gateway);
		json_close_object(&w);
		json_close_array(&w);
	}
	json_close_object(&w);
	put_pairs(&w, "Options", &o->opt);
	put_pairs(&w, "Labels", &o->label);
	json_close_object(&w);
}

static int create(struct cli *cli)
{
	const struct create_options *o = cli->options;
	struct cli_request r = { .method = "POST", .path = "/networks/create" };
	struct errmsg msg = { { 0 } };
	const struct json *root = NULL;
	struct cli_answer answer;
	struct buf body;
	int err;

	if (!o->subnet && (o->gateway || o->ip_range))
		return cli_usage(cli, "--gateway and --ip-range need --subnet");
	buf_init(&body, CLI_TEXT_MAX);
	write_request(&body, cli->args[0], o);
	r.body = buf_slice(&body);
	err = cli_call(cli, &r, cli->arena, &answer, &msg);
	buf_done(&body);
	if (err == 0)
		err = json_parse(cli->arena, answer.body, &root, &msg);
	if (err < 0)
		return cli_failed(cli, &msg);
	cli_printf(cli, CLI_OUT, "%s\n", text_of(cli->arena, root, "Id"));
	return 0;
}

static int remove_networks(struct cli *cli)
{
	return cli_delete(cli, "/networks/%s");
}

static const char *path_of(struct cli *cli, const char *name)
{
	return cli_path(cli->arena, "/networks/%s", name);
}

static int inspect(struct cli *cli)
{
	return inspect_run(cli, path_of, NULL);
}

/* ---- the table ------------------------------------------------------------------- */

static const struct option list_options[] = {
	ROWS_FILTER, ROWS_FORMAT, ROWS_NO_TRUNC, ROWS_QUIET_FLAG, { .name = NULL },
};

static const struct option inspect_options[] = { INSPECT_FORMAT, { .name = NULL } };

#define ROW(letter_, name_, kind_, member, default_, help_) \
	{ name_, letter_, kind_, NULL, default_, help_, \
	  offsetof(struct create_options, member), NULL }

static const struct option create_options[] = {
	ROW(0, "attachable", OPTION_FLAG, attachable, NULL, "Let single containers join it"),
	ROW('d', "driver", OPTION_STRING, driver, "overlay", "Its driver"),
	ROW(0, "gateway", OPTION_STRING, gateway, NULL, "Gateway of the subnet"),
	ROW(0, "internal", OPTION_FLAG, internal, NULL, "No way out of it"),
	ROW(0, "ip-range", OPTION_STRING, ip_range, NULL, "Part of the subnet to take from"),
	ROW(0, "label", OPTION_LIST, label, NULL, "A label (key=value)"),
	ROW('o', "opt", OPTION_LIST, opt, NULL, "An option of the driver (key=value)"),
	ROW(0, "subnet", OPTION_STRING, subnet, NULL, "Its addresses (10.1.0.0/24)"),
	{ .name = NULL },
};

const struct command network_commands[] = {
	{ .name = "create", .summary = "Create a network", .arguments = "NETWORK",
	  .options = create_options, .size = sizeof(struct create_options), .run = create,
	  .args_min = 1, .args_max = 1 },
	{ .name = "inspect", .summary = "Show all about one or more networks",
	  .arguments = "NETWORK [NETWORK...]", .options = inspect_options,
	  .size = sizeof(struct inspect_options), .run = inspect, .args_min = 1,
	  .args_max = -1 },
	{ .name = "ls", .summary = "List networks", .arguments = "", .options = list_options,
	  .size = sizeof(struct rows_options), .run = list },
	{ .name = "rm", .summary = "Remove one or more networks",
	  .arguments = "NETWORK [NETWORK...]", .run = remove_networks, .args_min = 1,
	  .args_max = -1 },
	{ .name = NULL },
};
