/*
 * Transactions: written by the leader, applied by every manager. Contracts are in state.h.
 *
 *	{"Time":<wall ns>,"Changes":[{"Kind":"task","Put":{...}},
 *				     {"Kind":"task","Remove":"<id>","Version":7}]}
 *
 * An object carries in its own Version.Index the version it was made from. Apply checks all
 * changes before it makes any, so an entry takes effect whole or not at all.
 */
#include "applets/manager/state/object.h"
#include <assert.h>
#include <stdio.h>
#include <string.h>
#include "base/mem.h"

void txn_init(struct txn *t, int64_t wall_ns)
{
	*t = (struct txn){ 0 };
	buf_init(&t->text, TXN_TEXT_MAX);
	map_init(&t->touched);
	arena_init(&t->arena);
	t->entry.type = ENTRY_TXN;
	json_begin(&t->writer, &t->text);
	json_open_object(&t->writer);
	json_put_i64(&t->writer, "Time", wall_ns);
	json_write_key(&t->writer, "Changes");
	json_open_array(&t->writer);
}

void txn_done(struct txn *t)
{
	buf_done(&t->text);
	map_done(&t->touched);
	arena_done(&t->arena);
}

static struct slice touch_key(enum object_kind kind, const char *id, char text[ID_LEN + 4])
{
	int n = snprintf(text, ID_LEN + 4, "%d %s", (int)kind, id);

	assert(n > 0 && n < ID_LEN + 4);
	return (struct slice){ text, (size_t)n };
}

int txn_touches(const struct txn *t, enum object_kind kind, const char *id)
{
	char text[ID_LEN + 4];

	return map_find(&t->touched, touch_key(kind, id, text)) != NULL;
}

int txn_has_room(const struct txn *t, uint32_t n)
{
	return t->count + n <= TXN_CHANGES_MAX && t->text.len < TXN_TEXT_MAX / 2;
}

static void open_change(struct txn *t, enum object_kind kind, const char *id)
{
	char text[ID_LEN + 4];

	assert(!txn_touches(t, kind, id));
	map_set(&t->touched, touch_key(kind, id, text), NULL);
	t->count++;
	json_open_object(&t->writer);
	json_put_str(&t->writer, "Kind", object_kind_names[kind]);
}

void txn_put(struct txn *t, enum object_kind kind, const void *object)
{
	open_change(t, kind, ((const struct meta *)object)->id);
	json_write_key(&t->writer, "Put");
	model_encode(&t->writer, object_table(kind), MODEL_STORE, object);
	json_close_object(&t->writer);
}

void txn_remove(struct txn *t, enum object_kind kind, const char *id, uint64_t version)
{
	open_change(t, kind, id);
	json_put_str(&t->writer, "Remove", id);
	json_put_u64(&t->writer, "Version", version);
	json_close_object(&t->writer);
}

int txn_reply(struct txn *t, struct request_id id, const struct outcome *outcome)
{
	if (outcome->body.len > ENTRY_BODY_MAX)
		return ERR_LIMIT;
	t->entry.id = id;
	t->entry.outcome.status = outcome->status;
	t->entry.outcome.body = arena_copy(&t->arena, outcome->body);
	return 0;
}

int txn_finish(struct txn *t, struct slice *entry)
{
	json_close_array(&t->writer);
	json_close_object(&t->writer);
	if (t->text.failed)
		return t->text.failed;
	t->entry.payload = buf_slice(&t->text);
	*entry = entry_build(&t->arena, &t->entry);
	return 0;
}

/* One change of an entry under way: what goes in, and what came out. */
struct step {
	enum object_kind kind;
	const char *id;
	struct object *put;	/* NULL for a removal */
	struct object *old;
};

static int check_version(const struct step *c, const struct object *stored, uint64_t version,
			 struct errmsg *msg)
{
	uint64_t have = stored ? ((const struct meta *)stored->data)->version : 0;

	if (version == have)
		return 0;
	if (version == 0)
		return errmsg_set(msg, ERR_EXISTS, "%s %s already exists",
				  object_kind_names[c->kind], c->id);
	return errmsg_set(msg, ERR_STALE, "update out of sequence");
}

static int parse_put(const struct state *s, struct step *c, const struct json *node,
		     struct errmsg *msg)
{
	const char *holder;
	int err;

	c->put = object_parse(c->kind, node, &err, msg);
	if (!c->put)
		return err;
	c->id = object_meta(c->put)->id;
	holder = state_name_holder(s, c->put);
	if (holder && strcmp(holder, c->id) != 0)
		return errmsg_set(msg, ERR_EXISTS, "name conflicts with an existing object");
	return check_version(c, map_get(&s->objects[c->kind], slice_of(c->id)),
			     object_meta(c->put)->version, msg);
}

static int parse_step(const struct state *s, struct arena *a, struct step *c,
		      const struct json *node, struct errmsg *msg)
{
	const struct json *put = json_get(node, "Put");
	int kind = object_kind_find(json_string(json_get(node, "Kind")));
	uint64_t version;

	if (kind < 0)
		return errmsg_set(msg, ERR_INVALID, "change of an unknown kind");
	c->kind = (enum object_kind)kind;
	if (put)
		return parse_put(s, c, put, msg);
	c->id = arena_str(a, json_string(json_get(node, "Remove")));
	if (json_to_u64(json_get(node, "Version"), &version) < 0 || version == 0)
		return errmsg_set(msg, ERR_INVALID, "removal without a version");
	return check_version(c, map_get(&s->objects[kind], slice_of(c->id)), version, msg);
}

/* The stamps that only the log can give. A spec version of 0 means: this entry changed it. */
static void stamp(struct object *o, uint64_t index, int64_t time_ns)
{
	struct meta *meta = object_meta(o);

	if (meta->version == 0)
		meta->created_at = time_ns;
	meta->version = index;
	meta->updated_at = time_ns;
	if (o->kind == OBJECT_SERVICE && ((struct service *)o->data)->spec_version == 0)
		((struct service *)o->data)->spec_version = index;
}

static void carry_out(struct state *s, struct step *c, uint64_t index, int64_t time_ns)
{
	if (!c->put) {
		c->old = state_take(s, c->kind, c->id);
		return;
	}
	stamp(c->put, index, time_ns);
	c->old = state_install(s, c->put);
}

static void tell(const struct step *c, state_watch *watch, void *context)
{
	struct change change = { .kind = c->kind, .id = c->id };
	const struct object *o = c->put ? c->put : c->old;

	change.action = !c->put ? CHANGE_REMOVE : c->old ? CHANGE_UPDATE : CHANGE_CREATE;
	if (c->kind == OBJECT_TASK) {
		change.service_id = ((const struct task *)o->data)->service_id;
		change.node_id = ((const struct task *)o->data)->node_id;
	}
	watch(context, &change);
}

int txn_apply(struct state *s, uint64_t index, struct slice payload, state_watch *watch,
	      void *context, struct errmsg *msg)
{
	const struct json *root = NULL, *changes;
	struct arena scratch;
	struct step *steps = NULL;
	int64_t time_ns = 0;
	size_t n = 0, count;
	int err;

	arena_init(&scratch);
	err = json_parse(&scratch, payload, &root, msg);
	changes = json_get(root, "Changes");
	count = json_count(changes);
	if (err == 0 && json_to_i64(json_get(root, "Time"), &time_ns) < 0)
		err = errmsg_set(msg, ERR_INVALID, "entry without a time");
	if (err == 0 && count > TXN_CHANGES_MAX)
		err = errmsg_set(msg, ERR_INVALID, "entry with %zu changes", count);
	if (err == 0)
		steps = arena_array(&scratch, count, sizeof(*steps));
	for (const struct json *c = json_first(changes); c && err == 0; c = json_next(c))
		err = parse_step(s, &scratch, &steps[n++], c, msg);
	for (size_t i = 0; i < n && err == 0; i++)
		carry_out(s, &steps[i], index, time_ns);
	for (size_t i = 0; i < n && err == 0; i++)
		tell(&steps[i], watch, context);
	for (size_t i = 0; i < n; i++)
		object_free(err == 0 ? steps[i].old : steps[i].put);
	arena_done(&scratch);
	return err;
}
