/* See interpolate.h. */
#include <string.h>

#include "applets/stack/interpolate.h"

struct reference {
	struct slice name;
	int colon;	/* empty counts as not set */
	char kind;	/* '-', '?', or 0 */
	struct slice text;
};

static int is_name(char c, int first)
{
	return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_' ||
		(!first && c >= '0' && c <= '9');
}

static struct slice skip(struct slice s, size_t n)
{
	return (struct slice){ s.data + n, s.len - n };
}

static struct slice take_name(struct slice *rest)
{
	size_t n = 0;
	struct slice name;

	while (n < rest->len && is_name(rest->data[n], n == 0))
		n++;
	name = (struct slice){ rest->data, n };
	*rest = skip(*rest, n);
	return name;
}

static int take_char(struct slice *rest, char c)
{
	if (rest->len == 0 || rest->data[0] != c)
		return 0;
	*rest = skip(*rest, 1);
	return 1;
}

static int malformed(struct slice from, struct errmsg *msg)
{
	size_t end = slice_find(from, '}');
	int shown = (int)(end < 80 ? end + (end < from.len) : from.len < 80 ? from.len : 80);

	return errmsg_set(msg, ERR_INVALID, "invalid variable at \"$%.*s\": a plain $ is "
		"written $$", shown, from.data ? from.data : "");
}

/* What follows "${"; *rest is then what follows "}". */
static int take_braces(struct slice *rest, struct reference *ref, struct errmsg *msg)
{
	struct slice from = { rest->data - 1, rest->len + 1 };
	size_t end;

	ref->name = take_name(rest);
	if (ref->name.len == 0)
		return malformed(from, msg);
	if (take_char(rest, '}'))
		return 0;
	ref->colon = take_char(rest, ':');
	ref->kind = rest->len ? rest->data[0] : 0;
	end = slice_find(*rest, '}');
	if ((ref->kind != '-' && ref->kind != '?') || end == rest->len)
		return malformed(from, msg);
	ref->text = (struct slice){ rest->data + 1, end - 1 };
	if (memmem(ref->text.data, ref->text.len, "${", 2))
		return errmsg_set(msg, ERR_INVALID, "variable %.*s: another one inside its braces "
			"is not supported", (int)(ref->name.len < 80 ? ref->name.len : 80),
			ref->name.data);
	*rest = skip(*rest, end + 1);
	return 0;
}

static int put_value(const struct variables *vars, const struct reference *ref, struct buf *out,
		     struct slice *unset, struct errmsg *msg)
{
	char name[INTERPOLATE_NAME_MAX + 1];
	const char *value;

	if (ref->name.len > INTERPOLATE_NAME_MAX)
		return errmsg_set(msg, ERR_INVALID, "a variable's name has more than %d characters",
			INTERPOLATE_NAME_MAX);
	memcpy(name, ref->name.data, ref->name.len);
	name[ref->name.len] = '\0';
	value = vars->get(vars->context, name);
	if (value && (*value || !ref->colon)) {
		buf_add_str(out, value);
		return 0;
	}
	if (ref->kind == '?')
		return errmsg_set(msg, ERR_INVALID, "required variable %s is missing a value: %.*s",
			name, SLICE_ARGS(ref->text));
	if (ref->kind == '-')
		buf_add_slice(out, ref->text);
	else if (!value && unset->len == 0)
		*unset = ref->name;
	return 0;
}

int interpolate(const struct variables *vars, struct slice text, struct buf *out,
		struct slice *unset, struct errmsg *msg)
{
	*unset = (struct slice){ NULL, 0 };
	while (text.len) {
		struct reference ref = { .kind = 0 };
		size_t plain = slice_find(text, '$');
		int err = 0;

		buf_add(out, text.data, plain);
		if (plain == text.len)
			return 0;
		text = skip(text, plain + 1);
		if (take_char(&text, '$')) {
			buf_add_char(out, '$');
			continue;
		}
		if (take_char(&text, '{'))
			err = take_braces(&text, &ref, msg);
		else if ((ref.name = take_name(&text)).len == 0)
			err = malformed(text, msg);
		if (err == 0)
			err = put_value(vars, &ref, out, unset, msg);
		if (err < 0)
			return err;
	}
	return 0;
}
