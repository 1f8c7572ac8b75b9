/* See load.h: walking by tables, messages, and the top level of a file. */
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "applets/stack/interpolate.h"
#include "applets/stack/private.h"
#include "base/id.h"

/* ---- messages ------------------------------------------------------------------ */

static void put_path(const struct loader *l, struct buf *out)
{
	const char *dot = "";

	for (unsigned i = 0; i < l->depth; i++) {
		if (l->path[i].len == 0)
			continue;
		buf_printf(out, "%s%.*s", dot, SHOWN(l->path[i]));
		dot = ".";
	}
	if (*dot)
		buf_add_str(out, ": ");
}

static const char *placed(struct loader *l, const struct yaml *at, const char *text)
{
	struct buf out;
	char *line;

	buf_init(&out, (size_t)ERRMSG_MAX * 4);
	buf_printf(&out, "%s:%u:%u: ", l->source->file, at ? at->line : 1, at ? at->column : 1);
	put_path(l, &out);
	buf_add_str(&out, text);
	line = arena_str(l->arena, buf_slice(&out));
	buf_done(&out);
	return line;
}

int load_placed(struct loader *l, int err, const struct yaml *at)
{
	const char *line;

	if (!l->msg)
		return err;
	line = placed(l, at, l->msg->text);
	return errmsg_set(l->msg, err, "%s", line);
}

int load_error(struct loader *l, int err, const struct yaml *at, const char *format, ...)
{
	char text[ERRMSG_MAX];
	va_list args;

	va_start(args, format);
	vsnprintf(text, sizeof(text), format, args);
	va_end(args);
	return errmsg_set(l->msg, err, "%s", placed(l, at, text));
}

void load_warn(struct loader *l, const struct yaml *at, const char *format, ...)
{
	struct errmsg line;
	char text[ERRMSG_MAX];
	va_list args;

	if (l->stack->warnings.count > STACK_WARNINGS_MAX)
		return;
	if (l->stack->warnings.count == STACK_WARNINGS_MAX) {
		load_string(l, &l->stack->warnings, "more warnings than can be shown");
		return;
	}
	va_start(args, format);
	vsnprintf(text, sizeof(text), format, args);
	va_end(args);
	errmsg_set(&line, 0, "%s", placed(l, at, text));
	load_string(l, &l->stack->warnings, arena_str(l->arena, slice_of(line.text)));
}

void load_enter(struct loader *l, struct slice key)
{
	if (l->depth < YAML_DEPTH_MAX)
		l->path[l->depth] = key;
	l->depth++;
}

void load_leave(struct loader *l)
{
	l->depth--;
}

/* ---- memory -------------------------------------------------------------------- */

static int spend(struct loader *l, const struct yaml *at, size_t n)
{
	if (n > l->text_left)
		return load_error(l, ERR_LIMIT, at, "the texts add up to more than %d bytes",
			STACK_TEXT_MAX);
	l->text_left -= n;
	return 0;
}

const char *load_copy(struct loader *l, const struct yaml *at, struct slice text)
{
	return spend(l, at, text.len + 1) < 0 ? NULL : arena_str(l->arena, text);
}

void *load_item(struct loader *l, struct list *list, size_t size)
{
	uint32_t n = list->count;

	/* Full at 0 and at each power of two: it doubles. */
	if ((n & (n - 1)) == 0) {
		void *items = arena_array(l->arena, n ? (size_t)n * 2 : 1, size);

		if (n)
			memcpy(items, list->items, n * size);
		list->items = items;
	}
	return (char *)list->items + list->count++ * size;
}

void load_string(struct loader *l, struct strings *strings, const char *text)
{
	struct list list = { strings->items, strings->count };
	const char **item = load_item(l, &list, sizeof(*item));

	*item = text;
	*strings = (struct strings){ list.items, list.count };
}

const char *load_scoped(struct loader *l, struct slice name)
{
	return arena_printf(l->arena, "%s_%.*s", l->stack->name, SLICE_ARGS(name));
}

struct labels load_labels_of(struct loader *l, struct map *m)
{
	struct labels out = { NULL, 0 };

	if (m->count)
		out.items = arena_array(l->arena, m->count, sizeof(*out.items));
	for (struct map_entry *e = map_first(m); e; e = map_next(e))
		out.items[out.count++] = (struct label){
			arena_str(l->arena, e->key), e->value ? e->value : "",
		};
	map_done(m);
	return out;
}

struct labels load_stack_labels(struct loader *l, const struct labels *labels)
{
	return labels_with(l->arena, labels, STACK_LABEL, l->stack->name);
}

/* ---- tables -------------------------------------------------------------------- */

static int use_key(struct loader *l, const struct key *key, const struct yaml *child, void *out)
{
	int err;

	switch (key->support) {
	case KEY_IGNORED:
		load_warn(l, child, "\"%s\" is ignored: stacks do not have it", key->name);
		return 0;
	case KEY_DEPRECATED:
		load_warn(l, child, "\"%s\" is deprecated and ignored", key->name);
		return 0;
	case KEY_NOT_YET:
		load_warn(l, child, "\"%s\" is not supported yet and ignored", key->name);
		return 0;
	case KEY_REFUSED:
		return load_error(l, ERR_UNSUPPORTED, child, "\"%s\" %s", key->name, key->advice);
	case KEY_LOAD:
		break;
	}
	load_enter(l, child->key);
	err = key->load(l, child, (char *)out + key->offset);
	load_leave(l);
	return err;
}

int load_map(struct loader *l, const struct yaml *node, const struct key *keys, unsigned flags,
	     void *out)
{
	if (yaml_is_null(node))
		return 0;
	if (node->type != YAML_MAP)
		return load_fail(l, node, "must be a mapping");
	for (const struct yaml *child = node->first; child; child = child->next) {
		const struct key *key = keys;
		int err;

		while (key->name && !slice_is(child->key, key->name))
			key++;
		if (!key->name && flags & KEYS_EXTENSIONS && slice_has_prefix(child->key, "x-"))
			continue;
		if (!key->name)
			return load_fail(l, child, "unknown key \"%.*s\"", SHOWN(child->key));
		err = use_key(l, key, child, out);
		if (err < 0)
			return err;
	}
	return 0;
}

int load_check_key(struct loader *l, const struct yaml *node)
{
	static const char allowed[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
		"0123456789._-";

	if (node->key.len == 0 || node->key.len > LOAD_NAME_MAX)
		return load_fail(l, node, "a name has 1 to %d characters", LOAD_NAME_MAX);
	for (size_t i = 0; i < node->key.len; i++)
		if (!memchr(allowed, node->key.data[i], sizeof(allowed) - 1))
			return load_fail(l, node, "\"%.*s\" is not a name: letters, digits, "
				"'.', '_' and '-'", SHOWN(node->key));
	return 0;
}

int load_check_list(struct loader *l, const struct yaml *node)
{
	if (node->type != YAML_LIST)
		return load_fail(l, node, "must be a list");
	if (node->count > MODEL_LIST_MAX)
		return load_error(l, ERR_LIMIT, node, "has more than %d elements", MODEL_LIST_MAX);
	return 0;
}

/* ---- variables ----------------------------------------------------------------- */

static int interpolate_text(struct loader *l, struct yaml *node)
{
	struct variables vars = { l->source->context, l->source->env };
	struct slice unset;
	struct buf out;
	int err;

	if (slice_find(node->text, '$') == node->text.len)
		return 0;
	buf_init(&out, l->text_left);
	err = interpolate(&vars, node->text, &out, &unset, l->msg);
	if (err < 0)
		err = load_placed(l, err, node);
	else if (out.failed)
		err = load_error(l, ERR_LIMIT, node, "the texts add up to more than %d bytes",
			STACK_TEXT_MAX);
	else
		err = spend(l, node, out.len);
	if (err == 0) {
		node->text = arena_copy(l->arena, buf_slice(&out));
		/* What came out of a variable is a text, never null or a truth value. */
		node->plain = 0;
		if (unset.len)
			load_warn(l, node, "variable %.*s is not set: taken as empty",
				SHOWN(unset));
	}
	buf_done(&out);
	return err;
}

/* All scalars below a section of the file, in its order. */
static int interpolate_section(struct loader *l, struct yaml *section)
{
	struct yaml *parents[YAML_DEPTH_MAX + 1], *node = section;
	unsigned depth = 0;
	int err;

	for (;;) {
		load_enter(l, node->key);
		err = node->type == YAML_SCALAR ? interpolate_text(l, node) : 0;
		if (err < 0)
			return err;
		if (node->first) {
			parents[depth++] = node;
			node = node->first;
			continue;
		}
		load_leave(l);
		while (depth && !node->next) {
			node = parents[--depth];
			load_leave(l);
		}
		if (depth == 0)
			return 0;
		node = node->next;
	}
}

/* ---- the top level ------------------------------------------------------------- */

struct top {
	const struct yaml *version_at, *services, *networks, *volumes;
};

static const struct key top_keys[] = {
	{ "version", value_node, offsetof(struct top, version_at), KEY_LOAD, NULL },
	{ "services", value_node, offsetof(struct top, services), KEY_LOAD, NULL },
	{ "networks", value_node, offsetof(struct top, networks), KEY_LOAD, NULL },
	{ "volumes", value_node, offsetof(struct top, volumes), KEY_LOAD, NULL },
	{ "secrets", NULL, 0, KEY_REFUSED, "are not supported yet" },
	{ "configs", NULL, 0, KEY_REFUSED, "are not supported yet" },
	{ NULL, NULL, 0, KEY_LOAD, NULL },
};

/* 3 and 3.0 to 3.13, as docker-cli's schemas. */
static int check_version(struct loader *l, const struct yaml *at)
{
	struct slice minor;
	uint64_t n;

	if (!at)
		return 0;
	minor = at->text;
	if (at->type == YAML_SCALAR && slice_is(slice_cut(&minor, '.'), "3") &&
	    (!minor.data || slice_to_u64(minor, 13, &n) == 0))
		return 0;
	return load_fail(l, at, "unsupported Compose file version \"%.*s\": 3 to 3.13 are "
		"supported", SHOWN(at->text));
}

static int load_section(struct loader *l, const struct yaml *node, const char *name,
			int (*load)(struct loader *l, const struct yaml *node))
{
	int err;

	if (!node)
		return 0;
	load_enter(l, slice_of(name));
	err = load(l, node);
	load_leave(l);
	return err;
}

static int load_top(struct loader *l, struct yaml *root)
{
	struct top top = { .version_at = NULL };
	int err;

	if (!root || root->type != YAML_MAP)
		return load_fail(l, root, "a compose file is a mapping with \"services\"");
	err = load_map(l, root, top_keys, KEYS_EXTENSIONS, &top);
	if (err == 0)
		err = check_version(l, top.version_at);
	for (struct yaml *child = root->first; child && err == 0; child = child->next)
		if (child != top.version_at && !slice_has_prefix(child->key, "x-"))
			err = interpolate_section(l, child);
	if (err == 0 && (!top.services || yaml_is_null(top.services)))
		err = load_fail(l, root, "there are no services");
	if (err == 0)
		err = load_section(l, top.networks, "networks", networks_load);
	if (err == 0)
		err = load_section(l, top.volumes, "volumes", volumes_load);
	if (err == 0)
		err = load_section(l, top.services, "services", services_load);
	return err == 0 ? networks_finish(l) : err;
}

int stack_check_name(const char *name, struct errmsg *msg)
{
	if (name_is_valid(slice_of(name)))
		return 0;
	return errmsg_set(msg, ERR_INVALID, "invalid stack name \"%.*s\": letters and digits, with "
		"- and _ between them, at most %d", SHOWN(slice_of(name)), NAME_MAX_LEN);
}

int stack_load(struct arena *a, const char *name, const struct stack_source *source,
	       struct stack *out, struct errmsg *msg)
{
	struct loader l = {
		.arena = a, .source = source, .msg = msg, .stack = out, .text_left = STACK_TEXT_MAX,
	};
	struct yaml *root = NULL;
	int err;

	*out = (struct stack){ .name = name };
	err = yaml_parse(a, source->file, source->text, &root, msg);
	if (err < 0)
		return err;
	map_init(&l.network_specs);
	map_init(&l.volume_specs);
	map_init(&l.published);
	err = load_top(&l, root);
	map_done(&l.network_specs);
	map_done(&l.volume_specs);
	map_done(&l.published);
	return err;
}
