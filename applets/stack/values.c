/* One value of a compose file each. YAML's own types do not matter where the text says it:
 * 5 and "5" are the same count, so that a variable can stand for either. */
#include <string.h>

#include "applets/stack/private.h"
#include "applets/words.h"
#include "base/timefmt.h"

int value_node(struct loader *l, const struct yaml *value, void *to)
{
	(void)l;
	*(const struct yaml **)to = value;
	return 0;
}

/* A scalar's text that is not null. */
static int scalar(struct loader *l, const struct yaml *value, const char *what, struct slice *text)
{
	if (value->type != YAML_SCALAR || yaml_is_null(value))
		return load_fail(l, value, "must be %s", what);
	*text = value->text;
	return 0;
}

static int wrong(struct loader *l, const struct yaml *value, const char *what)
{
	return load_fail(l, value, "\"%.*s\" is not %s", SHOWN(value->text), what);
}

int value_text(struct loader *l, const struct yaml *value, void *to)
{
	const char **text = to;
	struct slice s;

	if (scalar(l, value, "a text", &s) < 0)
		return ERR_INVALID;
	*text = load_copy(l, value, s);
	return *text ? 0 : ERR_LIMIT;
}

int value_bool(struct loader *l, const struct yaml *value, void *to)
{
	struct yaml plain = *value;
	struct slice s;

	if (scalar(l, value, "true or false", &s) < 0)
		return ERR_INVALID;
	plain.plain = 1;
	return yaml_to_bool(&plain, to) < 0 ? wrong(l, value, "true or false") : 0;
}

int value_bool_opt(struct loader *l, const struct yaml *value, void *to)
{
	int *flag = arena_new(l->arena, sizeof(*flag));

	*(int **)to = flag;
	return value_bool(l, value, flag);
}

int value_count(struct loader *l, const struct yaml *value, void *to)
{
	struct slice s;

	if (scalar(l, value, "a number", &s) < 0)
		return ERR_INVALID;
	return slice_to_u64(s, INT64_MAX, to) < 0 ? wrong(l, value, "a number, 0 or more") : 0;
}

int value_count_opt(struct loader *l, const struct yaml *value, void *to)
{
	uint64_t *n = arena_new(l->arena, sizeof(*n));

	*(uint64_t **)to = n;
	return value_count(l, value, n);
}

int value_integer(struct loader *l, const struct yaml *value, void *to)
{
	struct slice s;

	if (scalar(l, value, "a number", &s) < 0)
		return ERR_INVALID;
	return slice_to_i64(s, to) < 0 ? wrong(l, value, "a number") : 0;
}

int value_duration(struct loader *l, const struct yaml *value, void *to)
{
	struct slice s;

	if (scalar(l, value, "a duration such as 1m30s", &s) < 0)
		return ERR_INVALID;
	return duration_parse(s, to) < 0 ? wrong(l, value, "a duration such as 1m30s") : 0;
}

int value_duration_opt(struct loader *l, const struct yaml *value, void *to)
{
	int64_t *ns = arena_new(l->arena, sizeof(*ns));

	*(int64_t **)to = ns;
	return value_duration(l, value, ns);
}

int value_size(struct loader *l, const struct yaml *value, void *to)
{
	struct slice s;

	if (scalar(l, value, "a size such as 64M", &s) < 0)
		return ERR_INVALID;
	return size_parse(s, to) < 0 ? wrong(l, value, "a size such as 64M") : 0;
}

int value_nano(struct loader *l, const struct yaml *value, void *to)
{
	int64_t *nano = to;
	struct slice s;

	if (scalar(l, value, "a number such as 0.5", &s) < 0)
		return ERR_INVALID;
	if (slice_to_fixed(s, 9, nano) < 0 || *nano < 0)
		return wrong(l, value, "a number such as 0.5, with at most 9 digits after the "
			"point");
	return 0;
}

int value_choice(struct loader *l, const struct yaml *value, const char *const *names, int *to)
{
	struct slice s = { 0 };
	struct buf all;

	if (scalar(l, value, "a text", &s) < 0)
		return ERR_INVALID;
	for (*to = 0; names[*to]; ++*to)
		if (slice_is(s, names[*to]))
			return 0;
	buf_init(&all, ERRMSG_MAX);
	for (int i = 0; names[i]; i++)
		buf_printf(&all, "%s%s", i == 0 ? "" : names[i + 1] ? ", " : " or ", names[i]);
	wrong(l, value, buf_str(&all));
	buf_done(&all);
	return ERR_INVALID;
}

/* ---- lists --------------------------------------------------------------------- */

int value_strings(struct loader *l, const struct yaml *value, void *to)
{
	struct strings *list = to;
	int err = load_check_list(l, value);

	if (err < 0)
		return err;
	*list = (struct strings){ arena_array(l->arena, value->count + 1, sizeof(char *)), 0 };
	for (const struct yaml *item = value->first; item && err == 0; item = item->next)
		err = value_text(l, item, (void *)&list->items[list->count++]);
	return err;
}

int value_string_or_list(struct loader *l, const struct yaml *value, void *to)
{
	struct strings *list = to;
	const char *text = NULL;
	int err;

	if (value->type == YAML_LIST)
		return value_strings(l, value, to);
	err = value_text(l, value, (void *)&text);
	if (err == 0) {
		*list = (struct strings){ NULL, 0 };
		load_string(l, list, text);
	}
	return err;
}

int value_command(struct loader *l, const struct yaml *value, void *to)
{
	const char *text = NULL;
	int err;

	if (yaml_is_null(value))
		return 0;
	if (value->type == YAML_LIST)
		return value_strings(l, value, to);
	err = value_text(l, value, (void *)&text);
	if (err < 0)
		return err;
	err = words_split(l->arena, slice_of(text), to, l->msg);
	return err < 0 ? load_placed(l, err, value) : 0;
}

/* ---- key=value ----------------------------------------------------------------- */

static int put_pair(struct loader *l, const struct yaml *at, struct slice key, struct slice value,
		    struct map *m)
{
	const char *copy = value.data ? load_copy(l, at, value) : NULL;

	if (value.data && !copy)
		return ERR_LIMIT;
	if (key.len == 0)
		return load_fail(l, at, "has an empty name");
	/* The map copies its keys. */
	if (!load_copy(l, at, key))
		return ERR_LIMIT;
	map_set(m, key, (void *)(uintptr_t)copy);
	return 0;
}

static int put_member(struct loader *l, const struct yaml *child, struct map *m)
{
	struct slice value = child->text;

	if (child->type != YAML_SCALAR)
		return load_fail(l, child, "\"%.*s\" must be a text, a number or nothing",
			SHOWN(child->key));
	if (child->plain && (slice_is_nocase(value, "true") || slice_is_nocase(value, "false")))
		return load_fail(l, child, "\"%.*s\": %.*s is not a text: write it in quotes",
			SHOWN(child->key), SHOWN(value));
	if (yaml_is_null(child))
		value = (struct slice){ NULL, 0 };
	else if (!value.data)
		value = SLICE("");
	return put_pair(l, child, child->key, value, m);
}

static int put_line(struct loader *l, const struct yaml *item, struct map *m)
{
	struct slice rest;

	if (item->type != YAML_SCALAR || yaml_is_null(item))
		return load_fail(l, item, "must be a list of texts key=value, or a mapping");
	rest = item->text;
	return put_pair(l, item, slice_cut(&rest, '='), rest, m);
}

int value_pairs(struct loader *l, const struct yaml *value, struct map *m)
{
	int err;

	if (value->type == YAML_SCALAR)
		return load_fail(l, value, "must be a mapping, or a list of key=value");
	if (value->count > MODEL_LIST_MAX)
		return load_error(l, ERR_LIMIT, value, "has more than %d elements", MODEL_LIST_MAX);
	for (const struct yaml *child = value->first; child; child = child->next) {
		err = value->type == YAML_MAP ? put_member(l, child, m) : put_line(l, child, m);
		if (err < 0)
			return err;
	}
	return 0;
}

int value_labels(struct loader *l, const struct yaml *value, void *to)
{
	struct map m;
	int err;

	map_init(&m);
	err = value_pairs(l, value, &m);
	*(struct labels *)to = load_labels_of(l, &m);
	return err;
}

int value_options(struct loader *l, const struct yaml *value, void *to)
{
	if (value->type != YAML_MAP)
		return load_fail(l, value, "must be a mapping");
	return value_labels(l, value, to);
}
