/*
 * Loads what save.c writes, from pieces cut anywhere. Contracts are in state.h. An item is taken
 * straight from the piece; only one that two pieces share is put together in `held` first.
 */
#include <string.h>
#include "applets/manager/state/object.h"
#include "applets/manager/state/saved.h"
#include "base/bytes.h"

static int corrupt(struct errmsg *msg, const char *what)
{
	return errmsg_set(msg, ERR_CORRUPT, "%s", what);
}

/* A length that is stored in n bytes. One above max comes out as max + 1: it is refused when its
 * item is loaded, and until then it does no harm. */
static size_t get_len(const char *p, unsigned n, size_t max)
{
	uint64_t len = bytes_get(p, n);

	return len > max ? max + 1 : (size_t)len;
}

/* ---- one item ---- */

static int load_head(struct state_loader *l, struct slice line, struct errmsg *msg)
{
	uint64_t format = 0;
	const struct {
		const char *key;
		uint64_t *value;
	} numbers[] = {
		{ "Format", &format },
		{ "Applied", &l->applied },
		{ "Objects", &l->left[STATE_OBJECTS] },
		{ "Pairs", &l->left[STATE_PAIRS] },
		{ "Graves", &l->left[STATE_GRAVES] },
		{ "Recent", &l->left[STATE_RECENT] },
		{ "Forgotten", &l->state->kv.forgotten },
	};
	const struct json *root;
	struct arena a;
	int err;

	arena_init(&a);
	err = json_parse(&a, line, &root, msg);
	for (size_t i = 0; i < sizeof(numbers) / sizeof(numbers[0]) && err == 0; i++) {
		if (json_to_u64(json_get(root, numbers[i].key), numbers[i].value) < 0)
			err = corrupt(msg, "a state without its head");
		else if (i == 0 && format != SAVED_FORMAT)
			err = errmsg_set(msg, ERR_INVALID, "a state of an unknown format");
	}
	if (err == 0 && (l->left[STATE_RECENT] > RECENT_MAX ||
			 l->left[STATE_GRAVES] >= KV_GRAVES_MAX))
		err = corrupt(msg, "a state with more than it may hold");
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
		err = corrupt(msg, "an object twice");
		object_free(o);
	} else if (o) {
		(void)state_install(s, o);	/* it was not there: nothing comes out */
	}
	arena_done(&a);
	return err;
}

/* Checks what is common to pairs and graves, and that they are in order. */
static int append(struct pairs *m, struct state_loader *l, const struct pair_content *c,
		  struct errmsg *msg)
{
	if (m->count == 0)
		pairs_begin(m, &l->end);
	if (c->key.len == 0 || c->key.len > KV_KEY_MAX)
		return corrupt(msg, "a key of an impossible length");
	if (l->end.last && slice_compare(pair_key(l->end.last), c->key) >= 0)
		return corrupt(msg, "keys out of order");
	if (c->modify == 0 || c->modify > l->applied || c->create > c->modify)
		return corrupt(msg, "a key of an impossible index");
	pairs_append(m, &l->end, c);
	return 0;
}

static int load_pair(struct state_loader *l, struct slice item, struct errmsg *msg)
{
	size_t key_len = get_len(item.data, 2, KV_KEY_MAX);
	struct kv *kv = &l->state->kv;
	struct pair_content c = {
		.create = bytes_get_u64(item.data + 6), .modify = bytes_get_u64(item.data + 14),
		.flags = bytes_get_u64(item.data + 22),
		.key = { item.data + SAVED_PAIR, key_len },
		.value = { item.data + SAVED_PAIR + key_len, item.len - SAVED_PAIR - key_len },
	};
	uint64_t bytes = kv->bytes + KV_PAIR_COST + c.key.len + c.value.len;

	if (c.value.len > KV_VALUE_MAX || bytes > KV_BYTES_MAX)
		return corrupt(msg, "more values than fit");
	kv->bytes = bytes;
	return append(&kv->pairs, l, &c, msg);
}

static int load_grave(struct state_loader *l, struct slice item, struct errmsg *msg)
{
	struct pair_content c = {
		.modify = bytes_get_u64(item.data + 2),
		.key = { item.data + SAVED_GRAVE, item.len - SAVED_GRAVE },
	};

	return append(&l->state->kv.graves, l, &c, msg);
}

static int load_recent(struct state *s, struct slice item, struct errmsg *msg)
{
	struct request_id id;
	struct outcome o;

	memcpy(id.bytes, item.data, REQUEST_ID_LEN);
	o.status = (int)bytes_get(item.data + REQUEST_ID_LEN, 2);
	o.body = (struct slice){ item.data + SAVED_RECENT, item.len - SAVED_RECENT };
	if (o.body.len > ENTRY_BODY_MAX || s->recent.bytes + o.body.len > RECENT_BYTES_MAX)
		return corrupt(msg, "a request with too long an answer");
	if (request_id_is_none(id) || recent_find(&s->recent, id))
		return corrupt(msg, "a request twice");
	recent_add(&s->recent, id, &o);
	return 0;
}

static int load_item(struct state_loader *l, struct slice item, struct errmsg *msg)
{
	struct slice line = { item.data, item.len ? item.len - 1 : 0 };

	switch ((enum state_part)l->part) {
	case STATE_HEAD:
		return load_head(l, line, msg);
	case STATE_OBJECTS:
		return load_object(l->state, line, msg);
	case STATE_PAIRS:
		return load_pair(l, item, msg);
	case STATE_GRAVES:
		return load_grave(l, item, msg);
	case STATE_RECENT:
		return load_recent(l->state, item, msg);
	case STATE_PARTS:
		break;
	}
	return corrupt(msg, "a state with more behind its end");
}

/* ---- pieces ---- */

/* The length of the item that begins with `have`. If that cannot be said yet it is more than
 * have.len, and with so many bytes more can be said. */
static size_t item_len(const struct state_loader *l, struct slice have)
{
	switch ((enum state_part)l->part) {
	case STATE_HEAD:
	case STATE_OBJECTS:
		return slice_find(have, '\n') + 1;
	case STATE_PAIRS:
		if (have.len < SAVED_PAIR)
			return SAVED_PAIR;
		return SAVED_PAIR + get_len(have.data, 2, KV_KEY_MAX) +
		       get_len(have.data + 2, 4, KV_VALUE_MAX);
	case STATE_GRAVES:
		if (have.len < SAVED_GRAVE)
			return SAVED_GRAVE;
		return SAVED_GRAVE + get_len(have.data, 2, KV_KEY_MAX);
	case STATE_RECENT:
		if (have.len < SAVED_RECENT)
			return SAVED_RECENT;
		return SAVED_RECENT + get_len(have.data + REQUEST_ID_LEN + 2, 2, ENTRY_BODY_MAX);
	case STATE_PARTS:
		break;
	}
	return 1;
}

static int is_line_part(const struct state_loader *l)
{
	return l->part == STATE_HEAD || l->part == STATE_OBJECTS;
}

static struct slice take(struct slice *rest, size_t n)
{
	struct slice front = { rest->data, n };

	rest->data += n;
	rest->len -= n;
	return front;
}

/* How much of piece goes to what is held of an item. A line's end is looked for in what is new
 * alone. */
static size_t lacking(const struct state_loader *l, struct slice piece)
{
	size_t n;

	if (is_line_part(l))
		n = slice_find(piece, '\n') + 1;
	else
		n = item_len(l, buf_slice(&l->held)) - l->held.len;
	return n < piece.len ? n : piece.len;
}

static int held_is_whole(const struct state_loader *l)
{
	if (is_line_part(l))
		return l->held.data[l->held.len - 1] == '\n';
	return item_len(l, buf_slice(&l->held)) <= l->held.len;
}

static int item_done(struct state_loader *l, struct slice item, struct errmsg *msg)
{
	int err = load_item(l, item, msg);

	if (err < 0)
		return err;
	l->left[l->part]--;
	while (l->part < STATE_PARTS && l->left[l->part] == 0)
		l->part++;
	return 0;
}

static int feed(struct state_loader *l, struct slice piece, struct errmsg *msg)
{
	int err = 0;

	while (piece.len && err == 0) {
		size_t n = l->held.len ? 0 : item_len(l, piece);

		if (l->held.len == 0 && n <= piece.len) {
			err = item_done(l, take(&piece, n), msg);
			continue;
		}
		buf_add_slice(&l->held, take(&piece, lacking(l, piece)));
		if (l->held.failed)
			return corrupt(msg, "an item of a state that is too long");
		if (held_is_whole(l)) {
			err = item_done(l, buf_slice(&l->held), msg);
			buf_reset(&l->held);
		}
	}
	return err;
}

void state_load_begin(struct state_loader *l, struct state *s)
{
	*l = (struct state_loader){ .state = s };
	l->left[STATE_HEAD] = 1;
	buf_init(&l->held, SAVED_LINE_MAX);
}

int state_load_feed(struct state_loader *l, struct slice piece, struct errmsg *msg)
{
	if (l->failed)
		return l->failed;
	l->failed = feed(l, piece, msg);
	return l->failed;
}

int state_load_end(struct state_loader *l, struct errmsg *msg)
{
	if (l->failed == 0 && l->part != STATE_PARTS)
		l->failed = corrupt(msg, "a state that ends too early");
	if (l->failed == 0)
		l->state->applied = l->applied;
	buf_done(&l->held);
	return l->failed;
}

int state_load(struct state *s, struct slice text, struct errmsg *msg)
{
	struct state_loader l;
	int err;

	state_load_begin(&l, s);
	err = state_load_feed(&l, text, msg);
	if (err < 0)
		msg = NULL;	/* it is filled */
	return state_load_end(&l, msg);
}
