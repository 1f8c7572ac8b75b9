/* Contracts are in codec/yaml.h. */
#include "codec/yaml.h"
#include <assert.h>
#include <stdio.h>
#include <string.h>
#include <yaml.h>
#include "base/map.h"

/*
 * libyaml compares each %TAG line with all before it. Tags of one's own are refused anyway,
 * so a few such lines are let through only because they do no harm.
 */
enum { TAG_LINES_MAX = 16 };

/* A node that an alias may name. */
struct anchor {
	struct yaml *node;
	int open;	/* its end has not been read: an alias now would be recursive */
};

/* A list or map whose end has not been read. */
struct frame {
	struct yaml *node;
	struct yaml *last;	/* its last child */
	struct yaml *key;	/* of a map: the key whose value is due, or NULL */
	struct yaml *merge;	/* of a map: the value of its key <<, or NULL */
	struct anchor *anchor;	/* or NULL */
};

struct parse {
	struct arena *arena;
	const char *file;
	struct errmsg *msg;
	yaml_parser_t parser;
	yaml_mark_t mark;	/* where the event under way begins */
	struct frame frames[YAML_DEPTH_MAX];
	unsigned depth;
	size_t nodes;
	struct yaml *root;
	struct map anchors;	/* name -> struct anchor in the arena */
	struct map keys;	/* of the map that ends: key -> its child */
};

static int fail(struct parse *p, int err, unsigned line, unsigned column, const char *what)
{
	return errmsg_set(p->msg, err, "%s:%u:%u: %s", p->file, line, column, what);
}

static int fail_mark(struct parse *p, int err, yaml_mark_t mark, const char *what)
{
	return fail(p, err, (unsigned)mark.line + 1, (unsigned)mark.column + 1, what);
}

static int fail_here(struct parse *p, int err, const char *what)
{
	return fail_mark(p, err, p->mark, what);
}

static int check_nodes(struct parse *p)
{
	if (p->nodes <= YAML_NODES_MAX)
		return 0;
	return fail_here(p, ERR_LIMIT, "too many values, with all aliases expanded");
}

static int fail_depth(struct parse *p)
{
	return fail_here(p, ERR_LIMIT, "lists and maps nested too deep");
}

/* libyaml's reader gives a byte offset, its other parts a place. */
static int fail_syntax(struct parse *p, struct slice text)
{
	const yaml_parser_t *y = &p->parser;
	yaml_mark_t mark = y->problem_mark;
	char what[ERRMSG_MAX];

	if (y->error == YAML_MEMORY_ERROR)
		return errmsg_set(p->msg, ERR_LIMIT, "%s: out of memory", p->file);
	if (y->error == YAML_READER_ERROR) {
		mark = (yaml_mark_t){ 0 };
		for (size_t i = 0; i < y->problem_offset && i < text.len; i++) {
			mark.line += text.data[i] == '\n';
			mark.column = text.data[i] == '\n' ? 0 : mark.column + 1;
		}
	}
	snprintf(what, sizeof(what), "%s%s%s%s", y->problem ? y->problem : "cannot be read",
		 y->context ? " (" : "", y->context ? y->context : "", y->context ? ")" : "");
	return fail_mark(p, ERR_INVALID, mark, what);
}

static struct yaml *node_new(struct parse *p, enum yaml_type type)
{
	struct yaml *node = arena_new(p->arena, sizeof(*node));

	node->type = type;
	node->line = (unsigned)p->mark.line + 1;
	node->column = (unsigned)p->mark.column + 1;
	p->nodes++;
	return node;
}

/* One node without its children. The texts are shared: both nodes lie in the arena. */
static struct yaml *copy_node(struct parse *p, const struct yaml *from)
{
	struct yaml *node = arena_new(p->arena, sizeof(*node));

	*node = *from;
	node->first = NULL;
	node->next = NULL;
	p->nodes++;
	return node;
}

/* Copies a tree, with an own stack, so that it may stand in the innermost frame. */
static int copy_tree(struct parse *p, const struct yaml *from, struct yaml **copy)
{
	const struct yaml *sources[YAML_DEPTH_MAX];
	struct yaml *copies[YAML_DEPTH_MAX], *to = copy_node(p, from);
	unsigned depth = 0;

	*copy = to;
	for (;;) {
		if (check_nodes(p) < 0)
			return ERR_LIMIT;
		if (from->type != YAML_SCALAR && p->depth + depth >= YAML_DEPTH_MAX)
			return fail_depth(p);
		if (from->first) {
			sources[depth] = from;
			copies[depth++] = to;
			from = from->first;
			to->first = copy_node(p, from);
			to = to->first;
			continue;
		}
		while (depth && !from->next) {
			from = sources[--depth];
			to = copies[depth];
		}
		if (depth == 0)
			return 0;
		from = from->next;
		to->next = copy_node(p, from);
		to = to->next;
	}
}

static void append(struct frame *f, struct yaml *child)
{
	if (f->last)
		f->last->next = child;
	else
		f->node->first = child;
	f->last = child;
	f->node->count++;
}

/* A map's value: to its key, or to be merged when the map ends. */
static int place_value(struct parse *p, struct frame *f, struct yaml *node)
{
	struct yaml *key = f->key;

	f->key = NULL;
	if (key->plain && slice_is(key->text, "<<")) {
		if (f->merge)
			return fail(p, ERR_INVALID, key->line, key->column, "the key << twice");
		f->merge = node;
		return 0;
	}
	node->key = key->text;
	node->line = key->line;
	node->column = key->column;
	append(f, node);
	return 0;
}

/* Puts a whole scalar or copy, or a list or map at its start, where the text has it. */
static int place(struct parse *p, struct yaml *node)
{
	struct frame *f = p->depth ? &p->frames[p->depth - 1] : NULL;

	if (check_nodes(p) < 0)
		return ERR_LIMIT;
	if (!f) {
		p->root = node;
		return 0;
	}
	if (f->node->type == YAML_LIST) {
		append(f, node);
		return 0;
	}
	if (f->key)
		return place_value(p, f, node);
	if (node->type != YAML_SCALAR)
		return fail_here(p, ERR_INVALID, "a key that is a list or a map");
	f->key = node;
	return 0;
}

static struct anchor *anchor_new(struct parse *p, const yaml_char_t *name, struct yaml *node)
{
	struct anchor *anchor;

	if (!name)
		return NULL;
	anchor = arena_new(p->arena, sizeof(*anchor));
	anchor->node = node;
	map_set(&p->anchors, slice_of((const char *)name), anchor);
	return anchor;
}

/* The tags that say what the text says anyway. *is_text is set for !!str. */
static int check_tag(struct parse *p, const yaml_char_t *tag, int *is_text)
{
	static const char *const known[] = { "str", "int", "float", "bool", "null", "map", "seq" };
	static const char prefix[] = "tag:yaml.org,2002:";
	struct slice name = slice_of((const char *)tag);
	char what[ERRMSG_MAX];

	*is_text = slice_is(name, "!");
	if (!tag || *is_text)
		return 0;
	if (slice_has_prefix(name, prefix)) {
		name.data += sizeof(prefix) - 1;
		name.len -= sizeof(prefix) - 1;
		*is_text = slice_is(name, "str");
		for (size_t i = 0; i < sizeof(known) / sizeof(known[0]); i++) {
			if (slice_is(name, known[i]))
				return 0;
		}
	}
	snprintf(what, sizeof(what), "the tag %s is not supported", (const char *)tag);
	return fail_here(p, ERR_INVALID, what);
}

static int on_scalar(struct parse *p, const yaml_event_t *event)
{
	struct slice text = { (const char *)event->data.scalar.value, event->data.scalar.length };
	struct yaml *node;
	int is_text, err = check_tag(p, event->data.scalar.tag, &is_text);

	if (err < 0)
		return err;
	if (slice_find(text, '\0') < text.len)
		return fail_here(p, ERR_INVALID, "a NUL in a text");
	node = node_new(p, YAML_SCALAR);
	node->plain = event->data.scalar.style == YAML_PLAIN_SCALAR_STYLE && !is_text;
	node->text = arena_copy(p->arena, text);
	anchor_new(p, event->data.scalar.anchor, node);
	return place(p, node);
}

static int on_alias(struct parse *p, const yaml_event_t *event)
{
	struct anchor *anchor = map_get(&p->anchors,
					slice_of((const char *)event->data.alias.anchor));
	struct yaml *node;
	int err;

	if (!anchor)
		return fail_here(p, ERR_INVALID, "an alias to an anchor that is not above it");
	if (anchor->open)
		return fail_here(p, ERR_INVALID, "an alias inside of what it names");
	err = copy_tree(p, anchor->node, &node);
	if (err < 0)
		return err;
	node->key = (struct slice){ NULL, 0 };
	node->line = (unsigned)p->mark.line + 1;
	node->column = (unsigned)p->mark.column + 1;
	return place(p, node);
}

static int on_open(struct parse *p, enum yaml_type type, const yaml_char_t *name,
		   const yaml_char_t *tag)
{
	struct yaml *node;
	struct frame *f;
	int is_text, err = check_tag(p, tag, &is_text);

	if (err < 0)
		return err;
	if (p->depth == YAML_DEPTH_MAX)
		return fail_depth(p);
	node = node_new(p, type);
	err = place(p, node);
	if (err < 0)
		return err;
	f = &p->frames[p->depth++];
	*f = (struct frame){ .node = node, .anchor = anchor_new(p, name, node) };
	if (f->anchor)
		f->anchor->open = 1;
	return 0;
}

/* Fills p->keys with the map's own children. */
static int check_keys(struct parse *p, const struct frame *f)
{
	for (struct yaml *child = f->node->first; child; child = child->next) {
		char what[ERRMSG_MAX];

		if (!map_set(&p->keys, child->key, child))
			continue;
		snprintf(what, sizeof(what), "the key \"%.*s\" twice in one map",
			 SLICE_ARGS(child->key));
		return fail(p, ERR_INVALID, child->line, child->column, what);
	}
	return 0;
}

/* Copies those children of source whose keys the map has not got yet. */
static int merge_map(struct parse *p, struct frame *f, const struct yaml *source)
{
	if (source->type != YAML_MAP)
		return fail(p, ERR_INVALID, f->merge->line, f->merge->column,
			    "<< takes a map or a list of maps");
	for (const struct yaml *child = source->first; child; child = child->next) {
		struct yaml *copy;
		int err;

		if (map_find(&p->keys, child->key))
			continue;
		err = copy_tree(p, child, &copy);
		if (err < 0)
			return err;
		map_set(&p->keys, copy->key, copy);
		append(f, copy);
	}
	return 0;
}

static int merge(struct parse *p, struct frame *f)
{
	if (f->merge->type != YAML_LIST)
		return merge_map(p, f, f->merge);
	for (const struct yaml *source = f->merge->first; source; source = source->next) {
		int err = merge_map(p, f, source);

		if (err < 0)
			return err;
	}
	return 0;
}

static int on_close(struct parse *p)
{
	struct frame *f = &p->frames[p->depth - 1];
	int err = 0;

	assert(p->depth > 0 && !f->key);
	if (f->node->type == YAML_MAP) {
		err = check_keys(p, f);
		if (err == 0 && f->merge)
			err = merge(p, f);
		map_done(&p->keys);
	}
	if (f->anchor)
		f->anchor->open = 0;
	p->depth--;
	return err;
}

static int on_event(struct parse *p, const yaml_event_t *event)
{
	switch (event->type) {
	case YAML_SCALAR_EVENT:
		return on_scalar(p, event);
	case YAML_ALIAS_EVENT:
		return on_alias(p, event);
	case YAML_SEQUENCE_START_EVENT:
		return on_open(p, YAML_LIST, event->data.sequence_start.anchor,
			       event->data.sequence_start.tag);
	case YAML_MAPPING_START_EVENT:
		return on_open(p, YAML_MAP, event->data.mapping_start.anchor,
			       event->data.mapping_start.tag);
	case YAML_SEQUENCE_END_EVENT:
	case YAML_MAPPING_END_EVENT:
		return on_close(p);
	case YAML_DOCUMENT_START_EVENT:
		return p->root ? fail_here(p, ERR_INVALID, "a second document") : 0;
	case YAML_NO_EVENT:
	case YAML_STREAM_START_EVENT:
	case YAML_STREAM_END_EVENT:
	case YAML_DOCUMENT_END_EVENT:
		return 0;
	}
	return 0;
}

static int read_events(struct parse *p, struct slice text)
{
	for (int last = 0; !last;) {
		yaml_event_t event;
		int err;

		if (!yaml_parser_parse(&p->parser, &event))
			return fail_syntax(p, text);
		p->mark = event.start_mark;
		last = event.type == YAML_STREAM_END_EVENT;
		err = on_event(p, &event);
		yaml_event_delete(&event);
		if (err < 0)
			return err;
	}
	return 0;
}

/* Of all that YAML takes for a line break each last byte is below ' ' or above '~'. */
static int is_printable(char c)
{
	return c >= ' ' && c <= '~';
}

static int check_size(struct parse *p, struct slice text)
{
	unsigned tag_lines = 0;

	if (text.len > YAML_TEXT_MAX)
		return errmsg_set(p->msg, ERR_LIMIT, "%s: longer than %d bytes", p->file,
				  YAML_TEXT_MAX);
	for (size_t i = 0; i < text.len; i++) {
		struct slice rest = { text.data + i, text.len - i };

		if (i > 0 && is_printable(text.data[i - 1]))
			continue;
		tag_lines += slice_has_prefix(rest, "%TAG") != 0;
		if (tag_lines > TAG_LINES_MAX)
			return errmsg_set(p->msg, ERR_LIMIT, "%s: more than %d %%TAG lines",
					  p->file, TAG_LINES_MAX);
	}
	return 0;
}

int yaml_parse(struct arena *a, const char *file, struct slice text, struct yaml **root,
	       struct errmsg *msg)
{
	struct parse *p = arena_new(a, sizeof(*p));
	int err;

	p->arena = a;
	p->file = file;
	p->msg = msg;
	err = check_size(p, text);
	if (err < 0)
		return err;
	if (!yaml_parser_initialize(&p->parser))
		return errmsg_set(msg, ERR_LIMIT, "%s: out of memory", file);
	map_init(&p->anchors);
	map_init(&p->keys);
	yaml_parser_set_encoding(&p->parser, YAML_UTF8_ENCODING);
	yaml_parser_set_input_string(&p->parser,
				     (const yaml_char_t *)(text.data ? text.data : ""), text.len);
	err = read_events(p, text);
	yaml_parser_delete(&p->parser);
	map_done(&p->keys);
	map_done(&p->anchors);
	if (err == 0)
		*root = p->root && p->root->type == YAML_SCALAR && yaml_is_null(p->root)
			? NULL : p->root;
	return err;
}

struct yaml *yaml_get(const struct yaml *map, const char *key)
{
	if (!map || map->type != YAML_MAP)
		return NULL;
	for (struct yaml *child = map->first; child; child = child->next) {
		if (slice_is(child->key, key))
			return child;
	}
	return NULL;
}

static int is_word(struct slice text, const char *const *words, size_t count)
{
	for (size_t i = 0; i < count; i++) {
		if (slice_is(text, words[i]))
			return 1;
	}
	return 0;
}

int yaml_is_null(const struct yaml *node)
{
	static const char *const words[] = { "", "~", "null", "Null", "NULL" };

	if (!node)
		return 1;
	return node->type == YAML_SCALAR && node->plain &&
	       is_word(node->text, words, sizeof(words) / sizeof(words[0]));
}

int yaml_to_bool(const struct yaml *node, int *value)
{
	static const char *const yes[] = {
		"true", "True", "TRUE", "yes", "Yes", "YES", "on", "On", "ON",
	};
	static const char *const no[] = {
		"false", "False", "FALSE", "no", "No", "NO", "off", "Off", "OFF",
	};

	if (!node || node->type != YAML_SCALAR || !node->plain)
		return ERR_INVALID;
	if (is_word(node->text, yes, sizeof(yes) / sizeof(yes[0])))
		*value = 1;
	else if (is_word(node->text, no, sizeof(no) / sizeof(no[0])))
		*value = 0;
	else
		return ERR_INVALID;
	return 0;
}
