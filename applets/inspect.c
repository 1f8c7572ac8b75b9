#include <string.h>

#include "applets/inspect.h"

static void new_line(struct buf *out, unsigned level)
{
	buf_add_char(out, '\n');
	for (unsigned i = 0; i < level; i++)
		buf_add_str(out, "    ");
}

static int is_blank(char c)
{
	return c == ' ' || c == '\n' || c == '\t' || c == '\r';
}

/* The first character behind i that is no blank, or 0. */
static char next_sign(struct slice s, size_t i)
{
	for (i++; i < s.len; i++)
		if (!is_blank(s.data[i]))
			return s.data[i];
	return 0;
}

static size_t string_end(struct slice s, size_t i)
{
	for (i++; i < s.len && s.data[i] != '"'; i++)
		if (s.data[i] == '\\')
			i++;
	return i < s.len ? i : s.len - 1;
}

void inspect_indent(struct buf *out, struct slice text, unsigned level)
{
	int is_empty = 0;

	for (size_t i = 0; i < text.len; i++) {
		char c = text.data[i];
		size_t end;

		switch (c) {
		case '"':
			end = string_end(text, i);
			buf_add(out, text.data + i, end - i + 1);
			i = end;
			break;
		case '{':
		case '[':
			buf_add_char(out, c);
			is_empty = next_sign(text, i) == '}' || next_sign(text, i) == ']';
			if (!is_empty)
				new_line(out, ++level);
			break;
		case '}':
		case ']':
			if (!is_empty)
				new_line(out, --level);
			is_empty = 0;
			buf_add_char(out, c);
			break;
		case ',':
			buf_add_char(out, c);
			new_line(out, level);
			break;
		case ':':
			buf_add_str(out, ": ");
			break;
		default:
			if (!is_blank(c))
				buf_add_char(out, c);
		}
	}
}

struct view {
	struct cli *cli;
	int lines, pretty;	/* --format json, --pretty */
	int (*write_pretty)(struct cli *cli, const struct json *object, struct buf *out,
			    struct errmsg *msg);
	struct buf out;
	unsigned count;
};

static int add(struct view *v, const char *path, struct errmsg *msg)
{
	struct cli_request r = { .path = path };
	struct cli_answer answer;
	const struct json *object;
	int err = cli_call(v->cli, &r, v->cli->arena, &answer, msg);

	if (err == 0)
		err = json_parse(v->cli->arena, answer.body, &object, msg);
	if (err < 0)
		return err;
	if (v->pretty) {
		if (v->count)
			buf_add_char(&v->out, '\n');
		err = v->write_pretty(v->cli, object, &v->out, msg);
	} else if (v->lines) {
		buf_add_slice(&v->out, slice_trim(answer.body));
		buf_add_char(&v->out, '\n');
	} else {
		buf_add_str(&v->out, v->count ? ",\n    " : "\n    ");
		inspect_indent(&v->out, answer.body, 1);
	}
	v->count++;
	return err;
}

int inspect_run(struct cli *cli, const char *(*path)(struct cli *cli, const char *name),
		int (*pretty)(struct cli *cli, const struct json *object, struct buf *out,
			      struct errmsg *msg))
{
	const struct inspect_options *o = cli->options;
	struct view v = { .cli = cli, .lines = o->format != NULL, .pretty = o->pretty > 0,
		.write_pretty = pretty };
	int is_array = !v.lines && !v.pretty, status = 0;
	struct errmsg msg = { { 0 } };

	if (o->format && strcmp(o->format, "json") != 0)
		return cli_usage(cli, "--format: \"%s\" is not json", o->format);
	if (v.lines && v.pretty)
		return cli_usage(cli, "--format cannot stand with --pretty");
	buf_init(&v.out, CLI_TEXT_MAX);
	if (is_array)
		buf_add_char(&v.out, '[');
	for (int i = 0; i < cli->arg_count && status == 0; i++)
		if (add(&v, path(cli, cli->args[i]), &msg) < 0)
			status = CLI_FAILED;
	if (is_array)
		buf_add_str(&v.out, v.count ? "\n]\n" : "]\n");
	cli_write(cli, CLI_OUT, &v.out);
	buf_done(&v.out);
	return status ? cli_failed(cli, &msg) : 0;
}
