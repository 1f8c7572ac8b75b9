/* Contracts are in kv.h. */
#include "applets/manager/state/kv.h"
#include <assert.h>
#include <string.h>
#include "base/bytes.h"

void kv_init(struct kv *kv)
{
	*kv = (struct kv){ 0 };
	pairs_init(&kv->pairs);
	pairs_init(&kv->graves);
}

void kv_done(struct kv *kv)
{
	pairs_done(&kv->pairs);
	pairs_done(&kv->graves);
	kv_init(kv);
}

/* ---- commands as bytes ---- */

enum { HEAD_MAX = 1 + 3 * BYTES_VARINT_MAX };

struct slice kv_command_build(struct arena *a, const struct kv_command *c)
{
	char *p = arena_new(a, HEAD_MAX + c->key.len + c->value.len);
	size_t n = 1;

	assert(c->key.len <= KV_KEY_MAX && c->value.len <= KV_VALUE_MAX);
	p[0] = (char)c->verb;
	n += bytes_put_varint(p + n, c->flags);
	n += bytes_put_varint(p + n, c->index);
	n += bytes_put_varint(p + n, c->key.len);
	if (c->key.len)
		memcpy(p + n, c->key.data, c->key.len);
	if (c->value.len)
		memcpy(p + n + c->key.len, c->value.data, c->value.len);
	return (struct slice){ p, n + c->key.len + c->value.len };
}

int kv_command_parse(struct slice bytes, struct kv_command *c)
{
	uint64_t head[3];	/* flags, index, length of key */
	size_t at = 1, key_len, value_len;
	int verb;

	if (bytes.len == 0)
		return ERR_INVALID;
	verb = bytes.data[0];
	for (int i = 0; i < 3; i++) {
		size_t n = bytes_get_varint(bytes.data + at, bytes.len - at, &head[i]);

		if (n == 0)
			return ERR_INVALID;
		at += n;
	}
	if (verb < KV_PUT || verb > KV_DELETE_TREE)
		return ERR_INVALID;
	if (head[2] > KV_KEY_MAX || head[2] > bytes.len - at)
		return ERR_INVALID;
	key_len = (size_t)head[2];
	value_len = bytes.len - at - key_len;
	if (value_len > KV_VALUE_MAX || (key_len == 0 && verb != KV_DELETE_TREE))
		return ERR_INVALID;
	c->verb = (enum kv_verb)verb;
	c->flags = head[0];
	c->index = head[1];
	c->key = (struct slice){ bytes.data + at, key_len };
	c->value = (struct slice){ c->key.data + key_len, value_len };
	return 0;
}

/* ---- apply ---- */

/* One command under way. */
struct step {
	struct kv *kv;
	uint64_t index;
	const struct kv_command *command;
	const struct pair *stored;	/* of its key, or NULL */
};

static uint64_t cost(const struct pair *p)
{
	return p ? KV_PAIR_COST + pair_key(p).len + pair_value(p).len : 0;
}

static void note(const struct step *s, struct slice key)
{
	if (s->kv->note)
		s->kv->note(s->kv->note_context, key, s->index);
}

static int put(struct step *s, struct errmsg *msg)
{
	const struct kv_command *c = s->command;
	uint64_t bytes = s->kv->bytes - cost(s->stored) + KV_PAIR_COST + c->key.len + c->value.len;
	struct pair_content content = {
		.key = c->key, .value = c->value, .flags = c->flags,
		.create = s->stored ? s->stored->create : s->index, .modify = s->index,
	};

	if (bytes > KV_BYTES_MAX)
		return errmsg_set(msg, ERR_LIMIT, "the key-value store is full: it holds %d MiB",
				  KV_BYTES_MAX >> 20);
	s->kv->bytes = bytes;
	if (!s->stored || !pair_overwrite(s->stored, &content))
		pairs_put(&s->kv->pairs, &content);
	note(s, c->key);
	return 0;
}

static void bury(struct kv *kv, uint64_t index, struct slice key)
{
	struct pair_content grave = { .key = key, .modify = index };

	pairs_put(&kv->graves, &grave);
	if (kv->graves.count < KV_GRAVES_MAX)
		return;
	pairs_done(&kv->graves);
	kv->forgotten = index;
}

static void gone(void *context, const struct pair *p)
{
	struct step *s = context;

	s->kv->bytes -= cost(p);
	bury(s->kv, s->index, pair_key(p));
	note(s, pair_key(p));
}

static void delete(struct step *s)
{
	if (!s->stored)
		return;
	gone(s, s->stored);
	(void)pairs_remove(&s->kv->pairs, s->command->key);	/* it is there: stored */
}

static int carry_out(struct step *s, int *done, struct errmsg *msg)
{
	uint64_t have = s->stored ? s->stored->modify : 0;

	*done = 1;
	switch (s->command->verb) {
	case KV_PUT:
		return put(s, msg);
	case KV_PUT_CAS:
		*done = s->command->index == have;
		return *done ? put(s, msg) : 0;
	case KV_DELETE:
		delete(s);
		break;
	case KV_DELETE_CAS:
		*done = !s->stored || s->command->index == have;
		if (*done)
			delete(s);
		break;
	case KV_DELETE_TREE:
		pairs_remove_below(&s->kv->pairs, s->command->key, gone, s);
		break;
	}
	return 0;
}

int kv_apply(struct kv *kv, uint64_t index, struct slice payload, struct outcome *outcome,
	     struct errmsg *msg)
{
	struct kv_command c;
	struct step s = { .kv = kv, .index = index, .command = &c };
	int err, done;

	if (kv_command_parse(payload, &c) < 0)
		return errmsg_set(msg, ERR_INVALID, "a key-value command of an unknown form");
	s.stored = pairs_find(&kv->pairs, c.key);
	err = carry_out(&s, &done, msg);
	if (err < 0)
		return err;
	*outcome = (struct outcome){ 200, done ? SLICE("true") : SLICE("false") };
	return 0;
}

/* ---- indexes ---- */

static uint64_t later(uint64_t a, uint64_t b)
{
	return a > b ? a : b;
}

uint64_t kv_index(const struct kv *kv, struct slice key)
{
	const struct pair *p = pairs_find(&kv->pairs, key);

	if (!p)
		p = pairs_find(&kv->graves, key);
	return p ? p->modify : later(kv->forgotten, 1);
}

static uint64_t newest_below(const struct pairs *m, struct slice prefix)
{
	const struct pair *p = pairs_from(m, prefix);
	uint64_t index = 1;

	for (; pair_is_below(p, prefix); p = pair_next(p))
		index = later(index, p->modify);
	return index;
}

uint64_t kv_index_below(const struct kv *kv, struct slice prefix)
{
	return later(kv->forgotten, later(newest_below(&kv->pairs, prefix),
					  newest_below(&kv->graves, prefix)));
}
