/*
 * The state as bytes. Contracts are in state.h; load.c reads them. First lines of JSON:
 *
 *	{"Format":2,"Applied":n,"Objects":m,"Pairs":p,"Graves":g,"Recent":r,"Forgotten":index}
 *	{"Kind":"task","Object":{...}}			m of these
 *
 * then, little endian and without anything between them:
 *
 *	length of key u16, length of value u32, create u64, modify u64, flags u64, key, value
 *							p of these, in order of keys
 *	length of key u16, index u64, key		g of these, in order of keys
 *	request id 16 bytes, status u16, length u16, body		r of these, oldest first
 */
#include <assert.h>
#include "applets/manager/state/object.h"
#include "applets/manager/state/saved.h"
#include "base/bytes.h"

struct writer {
	struct sink *sink;
	struct buf out;		/* what waits to be a piece */
	int err;
};

/* Gives a piece away when it is large enough, or the last one. */
static void give(struct writer *w, size_t enough)
{
	assert(!w->out.failed);
	if (w->err == 0 && w->out.len >= enough && w->out.len > 0)
		w->err = w->sink->put(w->sink->context, buf_slice(&w->out));
	if (w->err || w->out.len >= enough)
		buf_reset(&w->out);
}

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

static void save_objects(struct writer *w, const struct state *s)
{
	for (int k = 0; k < OBJECT_KINDS; k++) {
		enum object_kind kind = (enum object_kind)k;

		for (struct map_entry *e = state_first(s, kind); e && !w->err; e = map_next(e)) {
			save_object(&w->out, kind, state_entry(e));
			give(w, SINK_PIECE);
		}
	}
}

/* A long value goes as its own piece, not through the buffer. */
static void save_value(struct writer *w, struct slice value)
{
	if (value.len < SINK_PIECE) {
		buf_add_slice(&w->out, value);
		give(w, SINK_PIECE);
		return;
	}
	give(w, 0);
	if (w->err == 0)
		w->err = w->sink->put(w->sink->context, value);
}

static void save_pairs(struct writer *w, const struct pairs *m)
{
	const struct pair *p = pairs_from(m, (struct slice){ NULL, 0 });

	for (; p && !w->err; p = pair_next(p)) {
		char head[SAVED_PAIR];

		bytes_put(head, 2, pair_key(p).len);
		bytes_put(head + 2, 4, pair_value(p).len);
		bytes_put(head + 6, 8, p->create);
		bytes_put(head + 14, 8, p->modify);
		bytes_put(head + 22, 8, p->flags);
		buf_add(&w->out, head, SAVED_PAIR);
		buf_add_slice(&w->out, pair_key(p));
		save_value(w, pair_value(p));
	}
}

static void save_graves(struct writer *w, const struct pairs *m)
{
	const struct pair *p = pairs_from(m, (struct slice){ NULL, 0 });

	for (; p && !w->err; p = pair_next(p)) {
		char head[SAVED_GRAVE];

		bytes_put(head, 2, pair_key(p).len);
		bytes_put(head + 2, 8, p->modify);
		buf_add(&w->out, head, SAVED_GRAVE);
		buf_add_slice(&w->out, pair_key(p));
		give(w, SINK_PIECE);
	}
}

static void save_recent(struct writer *w, const struct recent *r)
{
	for (uint32_t i = 0; i < r->count && !w->err; i++) {
		struct request_id id;
		const struct outcome *o = recent_at(r, i, &id);
		char head[SAVED_RECENT];

		bytes_put(head + REQUEST_ID_LEN, 2, (uint64_t)o->status);
		bytes_put(head + REQUEST_ID_LEN + 2, 2, o->body.len);
		buf_add(&w->out, id.bytes, REQUEST_ID_LEN);
		buf_add(&w->out, head + REQUEST_ID_LEN, SAVED_RECENT - REQUEST_ID_LEN);
		buf_add_slice(&w->out, o->body);
		give(w, SINK_PIECE);
	}
}

static void save_head(struct buf *out, const struct state *s)
{
	struct json_writer w;
	uint64_t count = 0;

	for (int k = 0; k < OBJECT_KINDS; k++)
		count += s->objects[k].count;
	json_begin(&w, out);
	json_open_object(&w);
	json_put_u64(&w, "Format", SAVED_FORMAT);
	json_put_u64(&w, "Applied", s->applied);
	json_put_u64(&w, "Objects", count);
	json_put_u64(&w, "Pairs", s->kv.pairs.count);
	json_put_u64(&w, "Graves", s->kv.graves.count);
	json_put_u64(&w, "Recent", s->recent.count);
	json_put_u64(&w, "Forgotten", s->kv.forgotten);
	json_close_object(&w);
	buf_add_char(out, '\n');
}

int state_save(const struct state *s, struct sink *out)
{
	struct writer w = { .sink = out };

	buf_init(&w.out, SINK_PIECE + SAVED_LINE_MAX);
	save_head(&w.out, s);
	save_objects(&w, s);
	save_pairs(&w, &s->kv.pairs);
	save_graves(&w, &s->kv.graves);
	save_recent(&w, &s->recent);
	give(&w, 0);
	buf_done(&w.out);
	return w.err;
}
