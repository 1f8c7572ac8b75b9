/*
 * --mount. What only the engine reads (BindOptions, VolumeOptions, TmpfsOptions) is JSON in
 * the model, so it is written here as JSON.
 */
#include <string.h>

#include "applets/service/values.h"
#include "applets/words.h"
#include "base/timefmt.h"

enum { OPTIONS_MAX = 65536 };	/* bytes of one kind of options */

struct builder {
	struct arena *arena;
	const char *text;
	struct mount *mount;
	struct labels labels, driver_options;
	const char *propagation, *driver, *subpath;
	int non_recursive, no_copy, is_volume, is_tmpfs;
	int64_t tmpfs_size;
	uint64_t tmpfs_mode;
	struct errmsg *msg;
};

static int bad(struct builder *b, const char *what)
{
	return errmsg_set(b->msg, ERR_INVALID, "\"%s\": %s", b->text, what);
}

/* A field without a value is a yes. */
static int truth(struct builder *b, const char *value, int *out)
{
	if (!*value || strcmp(value, "true") == 0 || strcmp(value, "1") == 0)
		*out = 1;
	else if (strcmp(value, "false") == 0 || strcmp(value, "0") == 0)
		*out = 0;
	else
		return bad(b, "a truth value is not true or false");
	return 0;
}

static int octal(const char *text, uint64_t *out)
{
	*out = 0;
	if (!*text || strlen(text) > 5)
		return ERR_INVALID;
	for (; *text; text++) {
		if (*text < '0' || *text > '7')
			return ERR_INVALID;
		*out = *out * 8 + (uint64_t)(*text - '0');
	}
	return 0;
}

static int is(const char *key, const char *a, const char *other)
{
	return strcmp(key, a) == 0 || (other && strcmp(key, other) == 0);
}

static int volume_field(struct builder *b, const char *key, const char *value)
{
	const char *inner;

	b->is_volume = 1;
	if (is(key, "volume-nocopy", NULL))
		return truth(b, value, &b->no_copy);
	if (is(key, "volume-subpath", NULL)) {
		b->subpath = value;
	} else if (is(key, "volume-driver", NULL)) {
		b->driver = value;
	} else if (is(key, "volume-label", NULL)) {
		const char *name = words_key(b->arena, value, &inner);

		b->labels = labels_with(b->arena, &b->labels, name, inner);
	} else if (is(key, "volume-opt", NULL)) {
		const char *name = words_key(b->arena, value, &inner);

		b->driver_options = labels_with(b->arena, &b->driver_options, name, inner);
	} else {
		return errmsg_set(b->msg, ERR_INVALID, "\"%s\": there is no field \"%s\"",
			b->text, key);
	}
	return 0;
}

static int field(struct builder *b, const char *key, const char *value)
{
	struct mount *m = b->mount;

	if (is(key, "readonly", "ro"))
		return truth(b, value, &m->read_only);
	if (is(key, "bind-nonrecursive", NULL))
		return truth(b, value, &b->non_recursive);
	if (is(key, "type", NULL)) {
		m->type = value;
	} else if (is(key, "source", "src")) {
		m->source = value;
	} else if (is(key, "target", "destination") || is(key, "dst", NULL)) {
		m->target = value;
	} else if (is(key, "bind-propagation", NULL)) {
		b->propagation = value;
	} else if (is(key, "tmpfs-size", NULL)) {
		b->is_tmpfs = 1;
		if (size_parse(slice_of(value), &b->tmpfs_size) < 0)
			return bad(b, "tmpfs-size is not a size such as 64m");
	} else if (is(key, "tmpfs-mode", NULL)) {
		b->is_tmpfs = 1;
		if (octal(value, &b->tmpfs_mode) < 0)
			return bad(b, "tmpfs-mode is not an octal number");
	} else {
		return volume_field(b, key, value);
	}
	return 0;
}

static void write_labels(struct json_writer *w, const char *key, const struct labels *l)
{
	if (!l->count)
		return;
	json_write_key(w, key);
	json_open_object(w);
	for (uint32_t i = 0; i < l->count; i++)
		json_put_str(w, l->items[i].key, l->items[i].value);
	json_close_object(w);
}

static void write_volume(struct builder *b, struct json_writer *w)
{
	if (b->no_copy)
		json_put_bool(w, "NoCopy", 1);
	write_labels(w, "Labels", &b->labels);
	if (b->subpath)
		json_put_str(w, "Subpath", b->subpath);
	if (!b->driver && !b->driver_options.count)
		return;
	json_write_key(w, "DriverConfig");
	json_open_object(w);
	if (b->driver)
		json_put_str(w, "Name", b->driver);
	write_labels(w, "Options", &b->driver_options);
	json_close_object(w);
}

static void write_bind(struct builder *b, struct json_writer *w)
{
	if (b->propagation)
		json_put_str(w, "Propagation", b->propagation);
	if (b->non_recursive)
		json_put_bool(w, "NonRecursive", 1);
}

static void write_tmpfs(struct builder *b, struct json_writer *w)
{
	if (b->tmpfs_size)
		json_put_i64(w, "SizeBytes", b->tmpfs_size);
	if (b->tmpfs_mode)
		json_put_u64(w, "Mode", b->tmpfs_mode);
}

static struct slice options(struct builder *b,
			    void (*write)(struct builder *b, struct json_writer *w))
{
	struct json_writer w;
	struct slice done;
	struct buf out;

	buf_init(&out, OPTIONS_MAX);
	json_begin(&w, &out);
	json_open_object(&w);
	write(b, &w);
	json_close_object(&w);
	done = arena_copy(b->arena, buf_slice(&out));
	buf_done(&out);
	return done;
}

static int check(struct builder *b)
{
	const struct mount *m = b->mount;

	if (!m->target || !*m->target)
		return bad(b, "target= is missing");
	if (strcmp(m->type, "volume") && strcmp(m->type, "bind") && strcmp(m->type, "tmpfs"))
		return bad(b, "the type is not volume, bind or tmpfs");
	if (strcmp(m->type, "bind") == 0 && (!m->source || m->source[0] != '/'))
		return bad(b, "a bind mount needs source=, an absolute path");
	if (strcmp(m->type, "tmpfs") == 0 && m->source)
		return bad(b, "a tmpfs has no source");
	if (b->is_volume && strcmp(m->type, "volume"))
		return bad(b, "volume-... is for type=volume");
	if (b->is_tmpfs && strcmp(m->type, "tmpfs"))
		return bad(b, "tmpfs-... is for type=tmpfs");
	if ((b->propagation || b->non_recursive) && strcmp(m->type, "bind"))
		return bad(b, "bind-... is for type=bind");
	return 0;
}

int values_mount(struct arena *a, const char *text, struct mount *out, struct errmsg *msg)
{
	struct builder b = { .arena = a, .text = text, .mount = out, .msg = msg };
	struct strings fields;
	int err = words_csv(a, text, &fields, msg);

	*out = (struct mount){ .type = "volume" };
	for (uint32_t i = 0; err == 0 && i < fields.count; i++) {
		const char *value, *key = words_key(a, fields.items[i], &value);

		err = field(&b, key, value);
	}
	if (err == 0)
		err = check(&b);
	if (err < 0)
		return err;
	if (b.is_volume)
		out->volume_options = options(&b, write_volume);
	if (b.is_tmpfs)
		out->tmpfs_options = options(&b, write_tmpfs);
	if (b.propagation || b.non_recursive)
		out->bind_options = options(&b, write_bind);
	return 0;
}
