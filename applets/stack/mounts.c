/* Volumes: those of the top level, and what a service mounts.
 *
 * Source of the short form: docker/cli cli/compose/loader/volume.go; of what becomes of it:
 * cli/compose/convert/volume.go.
 */
#include <string.h>

#include "applets/stack/private.h"

/* ---- the top level ------------------------------------------------------------- */

struct draft {
	const char *name, *driver;
	struct labels labels, options;
	struct external external;
};

#define KEY(name_, load_, member) \
	{ name_, load_, offsetof(struct draft, member), KEY_LOAD, NULL }

static const struct key volume_keys[] = {
	KEY("name", value_text, name),
	KEY("driver", value_text, driver),
	KEY("driver_opts", value_options, options),
	KEY("external", external_load, external),
	KEY("labels", value_labels, labels),
	{ "x-cluster-spec", NULL, 0, KEY_NOT_YET, NULL },
	{ NULL, NULL, 0, KEY_LOAD, NULL },
};

static int load_volume(struct loader *l, const struct yaml *node)
{
	struct volume_entry *entry = arena_new(l->arena, sizeof(*entry));
	struct draft d = { .name = NULL };
	int err = load_map(l, node, volume_keys, KEYS_EXTENSIONS, &d);

	if (err < 0)
		return err;
	*entry = (struct volume_entry){
		.name = external_name(l, node, &d.external, d.name),
		.external = d.external.set, .driver = d.driver,
		.labels = load_stack_labels(l, &d.labels), .options = d.options,
	};
	if (!entry->name)
		return ERR_INVALID;
	map_set(&l->volume_specs, node->key, entry);
	return 0;
}

int volumes_load(struct loader *l, const struct yaml *node)
{
	int err = 0;

	if (yaml_is_null(node))
		return 0;
	if (node->type != YAML_MAP)
		return load_fail(l, node, "must be a mapping");
	for (const struct yaml *child = node->first; child && err == 0; child = child->next) {
		err = load_check_key(l, child);
		load_enter(l, child->key);
		if (err == 0)
			err = load_volume(l, child);
		load_leave(l);
	}
	return err;
}

/* ---- a service's --------------------------------------------------------------- */

static const char *const types[] = { "volume", "bind", "tmpfs", NULL };
enum { TYPE_VOLUME, TYPE_BIND, TYPE_TMPFS };

struct mount_draft {
	int type, read_only;
	const char *source, *target;
	const struct yaml *bind_at, *volume_at, *tmpfs_at;
	const char *propagation, *subpath;
	int no_copy;
	int64_t tmpfs_size;
};

static const struct key bind_keys[] = {
	{ "propagation", value_text, offsetof(struct mount_draft, propagation), KEY_LOAD, NULL },
	{ NULL, NULL, 0, KEY_LOAD, NULL },
};

static const struct key volume_option_keys[] = {
	{ "nocopy", value_bool, offsetof(struct mount_draft, no_copy), KEY_LOAD, NULL },
	{ "subpath", value_text, offsetof(struct mount_draft, subpath), KEY_LOAD, NULL },
	{ NULL, NULL, 0, KEY_LOAD, NULL },
};

static const struct key tmpfs_keys[] = {
	{ "size", value_size, offsetof(struct mount_draft, tmpfs_size), KEY_LOAD, NULL },
	{ NULL, NULL, 0, KEY_LOAD, NULL },
};

static int load_type(struct loader *l, const struct yaml *value, void *to)
{
	return value_choice(l, value, types, to);
}

#define MOUNT(name_, load_, member) \
	{ name_, load_, offsetof(struct mount_draft, member), KEY_LOAD, NULL }

static const struct key mount_keys[] = {
	MOUNT("type", load_type, type),
	MOUNT("source", value_text, source),
	MOUNT("target", value_text, target),
	MOUNT("read_only", value_bool, read_only),
	MOUNT("bind", value_node, bind_at),
	MOUNT("volume", value_node, volume_at),
	MOUNT("tmpfs", value_node, tmpfs_at),
	{ "consistency", NULL, 0, KEY_IGNORED, NULL },
	{ NULL, NULL, 0, KEY_LOAD, NULL },
};

static int load_options(struct loader *l, const struct yaml *at, const struct key *keys,
			struct mount_draft *d, int type)
{
	int err;

	if (!at)
		return 0;
	if (d->type != type)
		return load_fail(l, at, "%s options are incompatible with type %s", types[type],
			types[d->type]);
	load_enter(l, at->key);
	err = load_map(l, at, keys, 0, d);
	load_leave(l);
	return err;
}

static int load_long(struct loader *l, const struct yaml *item, struct mount_draft *d)
{
	int err = load_map(l, item, mount_keys, 0, d);

	if (err == 0 && !yaml_get(item, "type"))
		err = load_fail(l, item, "a volume needs \"type\"");
	if (err == 0)
		err = load_options(l, d->bind_at, bind_keys, d, TYPE_BIND);
	if (err == 0)
		err = load_options(l, d->volume_at, volume_option_keys, d, TYPE_VOLUME);
	if (err == 0)
		err = load_options(l, d->tmpfs_at, tmpfs_keys, d, TYPE_TMPFS);
	return err;
}

static int is_propagation(struct slice s)
{
	static const char *const all[] = {
		"private", "rprivate", "shared", "rshared", "slave", "rslave",
	};

	for (size_t i = 0; i < sizeof(all) / sizeof(*all); i++)
		if (slice_is(s, all[i]))
			return 1;
	return 0;
}

/* "ro,nocopy": what it does not know means nothing to Docker either. */
static int load_short_options(struct loader *l, const struct yaml *item, struct slice rest,
			      struct mount_draft *d)
{
	while (rest.data) {
		struct slice option = slice_cut(&rest, ',');

		if (slice_is(option, "ro"))
			d->read_only = 1;
		else if (slice_is(option, "rw"))
			d->read_only = 0;
		else if (slice_is(option, "nocopy"))
			d->no_copy = 1;
		else if (is_propagation(option))
			d->propagation = load_copy(l, item, option);
		else
			load_warn(l, item, "the option \"%.*s\" is ignored", SHOWN(option));
	}
	return 0;
}

static int load_short(struct loader *l, const struct yaml *item, struct mount_draft *d)
{
	struct slice rest = item->text, first = slice_cut(&rest, ':');
	struct slice second = slice_cut(&rest, ':');
	char c = first.len ? first.data[0] : 0;

	if (first.len == 0 || (second.data && second.len == 0) || (rest.data && rest.len == 0))
		return load_fail(l, item, "invalid volume \"%.*s\": empty section between colons",
			SHOWN(item->text));
	if (rest.data && slice_find(rest, ':') < rest.len)
		return load_fail(l, item, "invalid volume \"%.*s\": too many colons",
			SHOWN(item->text));
	if (second.data) {
		d->source = load_copy(l, item, first);
		d->target = load_copy(l, item, second);
		d->type = c == '.' || c == '/' || c == '~' ? TYPE_BIND : TYPE_VOLUME;
	} else {
		d->target = load_copy(l, item, first);
	}
	if (!d->target || (second.data && !d->source))
		return ERR_LIMIT;
	return load_short_options(l, item, rest, d);
}

/* ---- paths --------------------------------------------------------------------- */

/* dir and path as one, without ".", ".." and doubled slashes, as Go's filepath.Join. */
static const char *join(struct loader *l, const char *dir, const char *path)
{
	struct slice rest = slice_of(arena_printf(l->arena, "%s/%s", dir, path));
	char *out = arena_new(l->arena, rest.len + 2);
	size_t n = 0;

	while (rest.data) {
		struct slice part = slice_cut(&rest, '/');

		if (part.len == 0 || slice_is(part, "."))
			continue;
		if (slice_is(part, "..")) {
			while (n > 0 && out[--n] != '/')
				;
			continue;
		}
		out[n++] = '/';
		memcpy(out + n, part.data, part.len);
		n += part.len;
	}
	if (n == 0)
		out[n++] = '/';
	out[n] = '\0';
	return out;
}

enum { PATH_MAX_LEN = 4000 };	/* Linux' PATH_MAX, less what arena_printf writes at once */

static const char *bind_source(struct loader *l, const struct yaml *item, const char *source)
{
	const char *home;

	if (strlen(source) > PATH_MAX_LEN / 2) {
		load_fail(l, item, "the path of the source is too long");
		return NULL;
	}
	if (source[0] == '/')
		return source;
	if (source[0] != '~')
		return join(l, l->source->dir, source);
	home = l->source->env(l->source->context, "HOME");
	if (!home || home[0] != '/' || strlen(home) > PATH_MAX_LEN / 2 ||
	    (source[1] && source[1] != '/')) {
		load_fail(l, item, "\"%.*s\": whose home that is is not known",
			SHOWN(slice_of(source)));
		return NULL;
	}
	return join(l, home, source + 1);
}

/* ---- what the API gets --------------------------------------------------------- */

static struct slice json_of(struct loader *l, struct buf *out)
{
	struct slice text = arena_copy(l->arena, buf_slice(out));

	buf_done(out);
	return text;
}

static void put_labels(struct json_writer *w, const char *key, const struct labels *labels)
{
	json_write_key(w, key);
	json_open_object(w);
	for (uint32_t i = 0; i < labels->count; i++)
		json_put_str(w, labels->items[i].key, labels->items[i].value);
	json_close_object(w);
}

static void put_driver(struct json_writer *w, const struct volume_entry *entry)
{
	json_write_key(w, "DriverConfig");
	json_open_object(w);
	if (entry->driver)
		json_put_str(w, "Name", entry->driver);
	if (entry->options.count)
		put_labels(w, "Options", &entry->options);
	json_close_object(w);
}

/* entry: NULL for a volume without a name. */
static struct slice volume_options(struct loader *l, const struct mount_draft *d,
				   const struct volume_entry *entry)
{
	struct json_writer w;
	struct buf out;

	buf_init(&out, STACK_TEXT_MAX);
	json_begin(&w, &out);
	json_open_object(&w);
	if (d->no_copy)
		json_put_bool(&w, "NoCopy", 1);
	if (entry && !entry->external)
		put_labels(&w, "Labels", &entry->labels);
	if (d->subpath)
		json_put_str(&w, "Subpath", d->subpath);
	if (entry && !entry->external && (entry->driver || entry->options.count))
		put_driver(&w, entry);
	json_close_object(&w);
	return json_of(l, &out);
}

static int finish_volume(struct loader *l, const struct yaml *item, const struct mount_draft *d,
			 struct mount *m)
{
	const struct volume_entry *entry = NULL;

	if (d->source) {
		entry = map_get(&l->volume_specs, slice_of(d->source));
		if (!entry)
			return load_fail(l, item, "undefined volume \"%.*s\"",
				SHOWN(slice_of(d->source)));
		m->source = entry->name;
	}
	if (!entry && !d->no_copy && !d->subpath)
		return 0;
	m->volume_options = volume_options(l, d, entry);
	/* Its labels come again with each mount. */
	l->text_left -= m->volume_options.len < l->text_left ? m->volume_options.len : l->text_left;
	return 0;
}

static int finish_bind(struct loader *l, const struct yaml *item, const struct mount_draft *d,
		       struct mount *m)
{
	struct json_writer w;
	struct buf out;

	if (!d->source || !*d->source)
		return load_fail(l, item, "a bind mount needs a source");
	m->source = bind_source(l, item, d->source);
	if (!m->source)
		return ERR_INVALID;
	if (!d->propagation)
		return 0;
	if (!is_propagation(slice_of(d->propagation)))
		return load_fail(l, item, "\"%.*s\" is not a propagation: private, rprivate, "
			"shared, rshared, slave or rslave", SHOWN(slice_of(d->propagation)));
	buf_init(&out, ERRMSG_MAX);
	json_begin(&w, &out);
	json_open_object(&w);
	json_put_str(&w, "Propagation", d->propagation);
	json_close_object(&w);
	m->bind_options = json_of(l, &out);
	return 0;
}

static int finish_tmpfs(struct loader *l, const struct yaml *item, const struct mount_draft *d,
			struct mount *m)
{
	if (d->source)
		return load_fail(l, item, "invalid tmpfs source: it must be empty");
	if (d->tmpfs_size)
		m->tmpfs_options = slice_of(arena_printf(l->arena, "{\"SizeBytes\":%lld}",
			(long long)d->tmpfs_size));
	return 0;
}

static int finish(struct loader *l, const struct yaml *item, const struct mount_draft *d,
		  struct mount *m)
{
	m->type = types[d->type];
	m->target = d->target;
	m->read_only = d->read_only;
	if (!d->target || !*d->target)
		return load_fail(l, item, "a volume needs \"target\"");
	if (d->type == TYPE_VOLUME)
		return finish_volume(l, item, d, m);
	return d->type == TYPE_BIND ? finish_bind(l, item, d, m) : finish_tmpfs(l, item, d, m);
}

int mounts_load(struct loader *l, const struct yaml *value, void *to)
{
	int err = load_check_list(l, value);

	for (const struct yaml *item = value->first; item && err == 0; item = item->next) {
		struct mount_draft d = { .type = TYPE_VOLUME };

		if (item->type == YAML_MAP)
			err = load_long(l, item, &d);
		else if (item->type == YAML_SCALAR && !yaml_is_null(item))
			err = load_short(l, item, &d);
		else
			err = load_fail(l, item,
				"must be a text such as \"data:/data\", or a mapping");
		if (err == 0)
			err = finish(l, item, &d, load_item(l, to, sizeof(struct mount)));
	}
	return err;
}
