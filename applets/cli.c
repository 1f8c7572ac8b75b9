/* Requests to the API, and what its refusals say to a person. */
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "applets/cli.h"
#include "http/url.h"
#include "http/write.h"

enum { LINE_MAX_BYTES = 4096 };

void cli_printf(struct cli *cli, int to, const char *format, ...)
{
	char text[LINE_MAX_BYTES];
	va_list args;
	int n;

	va_start(args, format);
	n = vsnprintf(text, sizeof(text), format, args);
	va_end(args);
	if (n < 0)
		return;
	cli->write(cli, to, (struct slice){ text,
		(size_t)n < sizeof(text) ? (size_t)n : sizeof(text) - 1 });
}

void cli_write(struct cli *cli, int to, struct buf *text)
{
	cli->write(cli, to, buf_slice(text));
	buf_reset(text);
}

/* "service create" of "swarmbox service create". */
static const char *what(const struct cli *cli)
{
	const char *blank = strchr(cli->path, ' ');

	return blank ? blank + 1 : cli->path;
}

int cli_fail(struct cli *cli, const char *format, ...)
{
	char text[LINE_MAX_BYTES - 128];
	va_list args;

	va_start(args, format);
	vsnprintf(text, sizeof(text), format, args);
	va_end(args);
	cli_printf(cli, CLI_ERR, "swarmbox: %s: %s\n", what(cli), text);
	return CLI_FAILED;
}

int cli_usage(struct cli *cli, const char *format, ...)
{
	char text[LINE_MAX_BYTES - 128];
	va_list args;

	va_start(args, format);
	vsnprintf(text, sizeof(text), format, args);
	va_end(args);
	cli_printf(cli, CLI_ERR, "swarmbox: %s: %s: see '%s --help'\n", what(cli), text, cli->path);
	return CLI_USAGE;
}

int cli_failed(struct cli *cli, const struct errmsg *msg)
{
	cli_printf(cli, CLI_ERR, "swarmbox: %s\n", msg->text);
	return CLI_FAILED;
}

const char *cli_path(struct arena *a, const char *format, ...)
{
	struct buf out;
	va_list args;
	char *path;

	buf_init(&out, LINE_MAX_BYTES * 4);
	va_start(args, format);
	for (const char *c = format; *c; c++) {
		if (c[0] == '%' && c[1] == 's') {
			http_url_encode(&out, slice_of(va_arg(args, const char *)));
			c++;
		} else {
			buf_add_char(&out, *c);
		}
	}
	va_end(args);
	path = arena_str(a, buf_slice(&out));
	buf_done(&out);
	return path;
}

static int known_key(const char *const *known, struct slice key)
{
	for (; known && *known; known++)
		if (slice_is(key, *known))
			return 1;
	return !known;
}

static int same_key(const char *a, const char *b)
{
	size_t n = strcspn(a, "=");

	return n == strcspn(b, "=") && memcmp(a, b, n) == 0;
}

/* All values of the key of filter i, if no earlier one has that key. */
static void write_key(struct json_writer *w, const struct strings *filters, uint32_t i)
{
	struct slice rest = slice_of(filters->items[i]);

	for (uint32_t k = 0; k < i; k++)
		if (same_key(filters->items[k], filters->items[i]))
			return;
	json_write_key_slice(w, slice_cut(&rest, '='));
	json_open_object(w);
	for (uint32_t k = i; k < filters->count; k++) {
		struct slice value = slice_of(filters->items[k]);
		int seen = 0;

		if (!same_key(filters->items[k], filters->items[i]))
			continue;
		for (uint32_t m = i; m < k; m++)
			seen |= strcmp(filters->items[m], filters->items[k]) == 0;
		if (seen)
			continue;
		slice_cut(&value, '=');
		json_write_key_slice(w, value);
		json_write_bool(w, 1);
	}
	json_close_object(w);
}

int cli_filters(struct buf *out, const struct strings *filters, const char *const *known,
		struct errmsg *msg)
{
	struct json_writer w;
	struct buf text;

	for (uint32_t i = 0; i < filters->count; i++) {
		struct slice rest = slice_of(filters->items[i]);
		struct slice key = slice_cut(&rest, '=');

		if (!rest.data || key.len == 0)
			return errmsg_set(msg, ERR_INVALID, "--filter: \"%s\" is not key=value",
				filters->items[i]);
		if (!known_key(known, key))
			return errmsg_set(msg, ERR_INVALID, "--filter: there is no filter \"%.*s\"",
				SLICE_ARGS(key));
	}
	if (filters->count == 0)
		return 0;
	buf_init(&text, CLI_TEXT_MAX);
	json_begin(&w, &text);
	json_open_object(&w);
	for (uint32_t i = 0; i < filters->count; i++)
		write_key(&w, filters, i);
	json_close_object(&w);
	buf_add_char(out, memchr(out->data, '?', out->len) ? '&' : '?');
	buf_add_str(out, "filters=");
	http_url_encode(out, buf_slice(&text));
	buf_done(&text);
	return 0;
}

static struct slice after(struct slice s, const char *mark)
{
	size_t n = strlen(mark);

	for (size_t i = 0; i + n <= s.len; i++)
		if (memcmp(s.data + i, mark, n) == 0)
			return (struct slice){ s.data + i + n, s.len - i - n };
	return s;
}

const char *cli_error_text(struct arena *a, int status, struct slice body)
{
	struct errmsg ignored = { { 0 } };
	const struct json *root = NULL;
	struct slice text = body;

	if (json_parse(a, body, &root, &ignored) == 0)
		text = json_string(json_get(root, "message"));
	if (slice_has_prefix(text, "rpc error: "))
		text = after(text, " desc = ");
	text = slice_trim(text);
	text.len = slice_find(text, '\n');
	if (text.len == 0)
		return arena_printf(a, "the API answered %d (%s)", status, http_reason(status));
	return arena_str(a, text);
}

static int code_of(int status, const char *text)
{
	if (strstr(text, "update out of sequence"))
		return ERR_STALE;
	switch (status) {
	case 404:
		return ERR_NOT_FOUND;
	case 409:
		return ERR_EXISTS;
	case 503:
		return ERR_UNAVAILABLE;
	default:
		return status / 100 == 4 ? ERR_INVALID : ERR_IO;
	}
}

static int unreachable(int err, struct errmsg *msg)
{
	struct errmsg why = *msg;
	const char *advice = "";

	if (err == ERR_INVALID || err == ERR_UNSUPPORTED)
		return errmsg_prefix(msg, err, "the manager's address");
	if (err == ERR_NOT_FOUND || err == ERR_UNAVAILABLE)
		advice = ": start it with 'swarmbox init' or 'swarmbox manager'";
	else if (err == ERR_DENIED)
		advice = ": this needs root";
	return errmsg_set(msg, ERR_UNAVAILABLE, "cannot reach the manager at %s%s", why.text,
		advice);
}

int cli_call(struct cli *cli, const struct cli_request *r, struct arena *a,
	     struct cli_answer *answer, struct errmsg *msg)
{
	const char *text;
	int err = cli->exchange(cli, r, a, answer, msg);

	if (err < 0)
		return unreachable(err, msg);
	if (answer->status / 100 == 2)
		return 0;
	text = cli_error_text(a, answer->status, answer->body);
	return errmsg_set(msg, code_of(answer->status, text), "%s: %s", what(cli), text);
}

int cli_get(struct cli *cli, struct arena *a, const char *path, const struct json **root,
	    struct errmsg *msg)
{
	struct cli_request r = { .path = path };
	struct cli_answer answer;
	int err = cli_call(cli, &r, a, &answer, msg);

	if (err < 0)
		return err;
	err = json_parse(a, answer.body, root, msg);
	return err < 0 ? errmsg_prefix(msg, ERR_IO, "%s: the API's answer", what(cli)) : 0;
}

int cli_self(struct cli *cli, const char **id, struct errmsg *msg)
{
	const struct json *info;
	int err = cli_get(cli, cli->arena, "/info", &info, msg);

	if (err == 0)
		*id = arena_str(cli->arena, json_string(json_get(json_get(info, "Swarm"),
			"NodeID")));
	return err;
}

int cli_send(struct cli *cli, const char *method, const char *path, struct slice body,
	     struct errmsg *msg)
{
	struct cli_request r = { .method = method, .path = path, .body = body };
	struct cli_answer answer;

	return cli_call(cli, &r, cli->arena, &answer, msg);
}

int cli_delete(struct cli *cli, const char *path_format)
{
	int status = 0;

	for (int i = 0; i < cli->arg_count; i++) {
		const char *path = cli_path(cli->arena, path_format, cli->args[i]);
		struct errmsg msg = { { 0 } };

		if (cli_send(cli, "DELETE", path, (struct slice){ NULL, 0 }, &msg) < 0)
			status = cli_failed(cli, &msg);
		else
			cli_printf(cli, CLI_OUT, "%s\n", cli->args[i]);
	}
	return status;
}

int cli_list(struct cli *cli, const char *path, const char *const *keys,
	     int (*write)(struct cli *cli, const struct json *array, enum rows_form form,
			  struct buf *out, struct errmsg *msg))
{
	const struct rows_options *o = cli->options;
	struct errmsg msg = { { 0 } };
	const struct json *array;
	enum rows_form form;
	struct buf out;
	int err;

	buf_init(&out, CLI_TEXT_MAX);
	buf_add_str(&out, path);
	if (cli_filters(&out, &o->filter, keys, &msg) < 0 || rows_form(o, &form, &msg) < 0) {
		buf_done(&out);
		return cli_usage(cli, "%s", msg.text);
	}
	err = cli_get(cli, cli->arena, buf_str(&out), &array, &msg);
	buf_reset(&out);
	if (err == 0)
		err = write(cli, array, form, &out, &msg);
	cli_write(cli, CLI_OUT, &out);
	buf_done(&out);
	return err < 0 ? cli_failed(cli, &msg) : 0;
}
