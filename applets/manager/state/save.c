/*
 * The state as text: one line per object, {"Kind":"task","Object":{...}}, after a first line
 * {"Format":1,"Applied":n,"Objects":m}. Contracts are in state.h.
 */
#include "applets/manager/state/object.h"
#include <assert.h>

enum { SAVE_FORMAT = 1 };

static void save_object(struct buf *out, enum object_kind kind, const void *object)
{
	struct json_writer w;

	json_begin(&w, out);
	json_open_object(&w);
	json_put_str(&w, "Kind", object_kind_names[kind]);
	json_write_key(&w, "Object");
	model_encode(&w, object_table(kind), MODEL_STORE, object);
	json_close_object(&w);
	buf_add_char(out, '\n');
}

void state_save(const struct state *s, struct buf *out)
{
	struct json_writer w;
	uint64_t count = 0;

	for (int k = 0; k < OBJECT_KINDS; k++)
		count += s->objects[k].count;
	json_begin(&w, out);
	json_open_object(&w);
	json_put_u64(&w, "Format", SAVE_FORMAT);
	json_put_u64(&w, "Applied", s->applied);
	json_put_u64(&w, "Objects", count);
	json_close_object(&w);
	buf_add_char(out, '\n');
	for (int k = 0; k < OBJECT_KINDS; k++) {
		enum object_kind kind = (enum object_kind)k;

		for (struct map_entry *e = state_first(s, kind); e; e = map_next(e))
			save_object(out, kind, state_entry(e));
	}
}

static int load_head(struct slice line, uint64_t *applied, uint64_t *count, struct errmsg *msg)
{
	const struct json *root;
	struct arena a;
	uint64_t format;
	int err;

	arena_init(&a);
	err = json_parse(&a, line, &root, msg);
	if (err == 0 && (json_to_u64(json_get(root, "Format"), &format) < 0 ||
			 format != SAVE_FORMAT))
		err = errmsg_set(msg, ERR_INVALID, "a state of an unknown format");
	if (err == 0 && (json_to_u64(json_get(root, "Applied"), applied) < 0 ||
			 json_to_u64(json_get(root, "Objects"), count) < 0))
		err = errmsg_set(msg, ERR_CORRUPT, "a state without its head");
	arena_done(&a);
	return err;
}

static int load_object(struct state *s, struct slice line, struct errmsg *msg)
{
	const struct json *root;
	struct object *o = NULL;
	struct arena a;
	int err, kind;

	arena_init(&a);
	err = json_parse(&a, line, &root, msg);
	if (err == 0) {
		kind = object_kind_find(json_string(json_get(root, "Kind")));
		if (kind < 0)
			err = errmsg_set(msg, ERR_INVALID, "an object of an unknown kind");
		else
			o = object_parse((enum object_kind)kind, json_get(root, "Object"), &err,
					 msg);
	}
	if (o && state_find(s, o->kind, object_meta(o)->id)) {
		err = errmsg_set(msg, ERR_CORRUPT, "an object twice");
		object_free(o);
	} else if (o) {
		(void)state_install(s, o);	/* it was not there: nothing comes out */
	}
	arena_done(&a);
	return err;
}

int state_load(struct state *s, struct slice text, struct errmsg *msg)
{
	uint64_t count = 0, loaded = 0, applied = 0;
	int err = load_head(slice_cut(&text, '\n'), &applied, &count, msg);

	while (err == 0 && text.len) {
		err = load_object(s, slice_cut(&text, '\n'), msg);
		loaded++;
	}
	if (err == 0 && loaded != count)
		err = errmsg_set(msg, ERR_CORRUPT, "a state with %llu of %llu objects",
				 (unsigned long long)loaded, (unsigned long long)count);
	if (err == 0)
		s->applied = applied;
	return err;
}
