/* The key-value store in the state: commands, indexes, limits, and a random run beside a model. */
#include <stdio.h>
#include <string.h>
#include "applets/manager/state/state.h"
#include "base/bytes.h"
#include "base/rng.h"
#include "unit.h"

static const struct {
	struct kv_command command;
	const char *hex;
} golden[] = {
	{ { .verb = KV_PUT, .flags = 0x1122334455667788, .key = SLICE("ab"),
	    .value = SLICE("xyz") },
	  "01" "88ef99abc5e88c9111" "00" "02" "6162" "78797a" },
	{ { .verb = KV_PUT_CAS, .index = 9, .key = SLICE("k") },
	  "02" "00" "09" "01" "6b" },
	{ { .verb = KV_DELETE_TREE }, "05" "00" "00" "00" },
};

static const char *hex(struct arena *a, struct slice bytes)
{
	char *text = arena_new(a, 2 * bytes.len + 1);

	for (size_t i = 0; i < bytes.len; i++)
		snprintf(text + 2 * i, 3, "%02x", (unsigned char)bytes.data[i]);
	return text;
}

TEST(commands_are_these_bytes)
{
	struct arena a;

	arena_init(&a);
	for (size_t i = 0; i < sizeof(golden) / sizeof(golden[0]); i++) {
		const struct kv_command *c = &golden[i].command;
		struct slice bytes = kv_command_build(&a, c);
		struct kv_command back;

		CHECK_STR(hex(&a, bytes), golden[i].hex);
		bytes.data = unit_guard(bytes.data, bytes.len);
		CHECK_INT(kv_command_parse(bytes, &back), 0);
		CHECK_INT(back.verb, c->verb);
		CHECK(back.flags == c->flags && back.index == c->index);
		CHECK(slice_equal(back.key, c->key) && slice_equal(back.value, c->value));
	}
	arena_done(&a);
}

TEST(a_broken_command_is_refused)
{
	struct kv_command c = { .verb = KV_PUT, .key = SLICE("abc") };
	struct slice good;
	struct arena a;
	char *bad;

	arena_init(&a);
	good = kv_command_build(&a, &c);
	for (size_t n = 0; n < good.len; n++)
		CHECK_INT(kv_command_parse((struct slice){ unit_guard(good.data, n), n }, &c),
			  ERR_INVALID);
	bad = unit_guard(good.data, good.len);
	for (int verb = -128; verb < 128; verb++) {
		bad[0] = (char)verb;
		CHECK_INT(kv_command_parse((struct slice){ bad, good.len }, &c),
			  verb >= KV_PUT && verb <= KV_DELETE_TREE ? 0 : ERR_INVALID);
	}
	c = (struct kv_command){ .verb = KV_DELETE_TREE };
	good = kv_command_build(&a, &c);
	((char *)(uintptr_t)good.data)[0] = KV_PUT;	/* without a key */
	CHECK_INT(kv_command_parse(good, &c), ERR_INVALID);
	arena_done(&a);
}

TEST(keys_and_values_have_longest_lengths)
{
	static char text[5 + KV_KEY_MAX + KV_VALUE_MAX + 2] = { KV_PUT };
	struct kv_command c;

	bytes_put_varint(text + 3, KV_KEY_MAX);
	CHECK_INT(kv_command_parse((struct slice){ text, sizeof(text) - 2 }, &c), 0);
	CHECK_INT(c.key.len, KV_KEY_MAX);
	CHECK_INT(c.value.len, KV_VALUE_MAX);
	CHECK_INT(kv_command_parse((struct slice){ text, sizeof(text) - 1 }, &c), ERR_INVALID);
	text[3]++;
	CHECK_INT(kv_command_parse((struct slice){ text, sizeof(text) - 1 }, &c), ERR_INVALID);
}

/* ---- what commands do ---- */

/* 1 or 0 as answered, or the error. */
static int run(struct kv *kv, uint64_t index, struct kv_command c)
{
	struct outcome o = { 0 };
	struct errmsg msg;
	struct arena a;
	int err;

	arena_init(&a);
	err = kv_apply(kv, index, kv_command_build(&a, &c), &o, &msg);
	arena_done(&a);
	if (err < 0)
		return err;
	return o.status == 200 && slice_is(o.body, "true");
}

static const struct {
	enum kv_verb verb;
	const char *key;
	uint64_t index;		/* of a _CAS */
	int result;
	/* after it: all pairs as "key create modify;" */
	const char *after;
} script[] = {
	{ KV_PUT, "b", 0, 1, "b 1 1;" },
	{ KV_PUT, "b", 0, 1, "b 1 2;" },
	{ KV_PUT_CAS, "b", 0, 0, "b 1 2;" },
	{ KV_PUT_CAS, "b", 1, 0, "b 1 2;" },
	{ KV_PUT_CAS, "b", 2, 1, "b 1 5;" },
	{ KV_PUT_CAS, "a", 1, 0, "b 1 5;" },
	{ KV_PUT_CAS, "a", 0, 1, "a 7 7;b 1 5;" },
	{ KV_DELETE_CAS, "a", 0, 0, "a 7 7;b 1 5;" },
	{ KV_DELETE_CAS, "a", 6, 0, "a 7 7;b 1 5;" },
	{ KV_DELETE_CAS, "a", 7, 1, "b 1 5;" },
	{ KV_DELETE_CAS, "a", 7, 1, "b 1 5;" },
	{ KV_DELETE, "a", 0, 1, "b 1 5;" },
	{ KV_DELETE, "b", 0, 1, "" },
	{ KV_PUT, "b", 0, 1, "b 14 14;" },
	{ KV_PUT, "c/1", 0, 1, "b 14 14;c/1 15 15;" },
	{ KV_PUT, "c/2", 0, 1, "b 14 14;c/1 15 15;c/2 16 16;" },
	{ KV_PUT, "d", 0, 1, "b 14 14;c/1 15 15;c/2 16 16;d 17 17;" },
	{ KV_DELETE_TREE, "x", 0, 1, "b 14 14;c/1 15 15;c/2 16 16;d 17 17;" },
	{ KV_DELETE_TREE, "c", 0, 1, "b 14 14;d 17 17;" },
	{ KV_DELETE_TREE, "", 0, 1, "" },
};

static void list(const struct kv *kv, struct buf *out)
{
	const struct pair *p = pairs_from(&kv->pairs, (struct slice){ NULL, 0 });

	for (; p; p = pair_next(p))
		buf_printf(out, "%.*s %d %d;", SLICE_ARGS(pair_key(p)), (int)p->create,
			   (int)p->modify);
}

TEST(commands_do_what_consul_says)
{
	struct buf text;
	struct kv kv;

	kv_init(&kv);
	buf_init(&text, 4096);
	for (size_t i = 0; i < sizeof(script) / sizeof(script[0]); i++) {
		CHECK_INT(run(&kv, i + 1, (struct kv_command){
			.verb = script[i].verb, .key = slice_of(script[i].key),
			.index = script[i].index }), script[i].result);
		buf_reset(&text);
		list(&kv, &text);
		CHECK_STR(buf_str(&text), script[i].after);
	}
	CHECK_INT(kv.bytes, 0);
	buf_done(&text);
	kv_done(&kv);
}

TEST(values_and_flags_are_kept)
{
	static char big[KV_VALUE_MAX];
	const struct pair *p;
	struct kv kv;

	kv_init(&kv);
	memset(big, 'v', sizeof(big));
	CHECK_INT(run(&kv, 1, (struct kv_command){ .verb = KV_PUT, .key = SLICE("\0k"),
						   .value = { big, sizeof(big) },
						   .flags = UINT64_MAX }), 1);
	p = pairs_find(&kv.pairs, SLICE("\0k"));
	CHECK(p && p->flags == UINT64_MAX);
	CHECK(slice_equal(pair_value(p), (struct slice){ big, sizeof(big) }));
	CHECK_INT(run(&kv, 2, (struct kv_command){ .verb = KV_PUT, .key = SLICE("\0k") }), 1);
	p = pairs_find(&kv.pairs, SLICE("\0k"));
	CHECK(p && p->flags == 0 && pair_value(p).len == 0 && p->create == 1);
	CHECK_INT(kv.bytes, KV_PAIR_COST + 2);
	kv_done(&kv);
}

TEST(a_full_store_refuses_what_makes_it_larger)
{
	struct kv_command c = { .verb = KV_PUT, .key = SLICE("k"), .value = SLICE("1234") };
	struct kv kv;

	kv_init(&kv);
	CHECK_INT(run(&kv, 1, c), 1);
	kv.bytes = KV_BYTES_MAX;	/* as if there were more */
	c.value = SLICE("12345");
	CHECK_INT(run(&kv, 2, c), ERR_LIMIT);
	CHECK_INT(kv_index(&kv, c.key), 1);
	c.value = SLICE("4321");
	CHECK_INT(run(&kv, 3, c), 1);
	c.key = SLICE("other");
	CHECK_INT(run(&kv, 4, c), ERR_LIMIT);
	c.key = SLICE("k");
	c.verb = KV_DELETE;
	CHECK_INT(run(&kv, 5, c), 1);
	CHECK_INT(kv.bytes, KV_BYTES_MAX - KV_PAIR_COST - 5);
	kv_done(&kv);
}

TEST(indexes_move_with_what_is_below_and_nothing_else)
{
	struct kv kv;

	kv_init(&kv);
	CHECK_INT(kv_index(&kv, SLICE("a/1")), 1);
	CHECK_INT(kv_index_below(&kv, SLICE("")), 1);
	run(&kv, 10, (struct kv_command){ .verb = KV_PUT, .key = SLICE("a/1") });
	run(&kv, 11, (struct kv_command){ .verb = KV_PUT, .key = SLICE("b/1") });
	CHECK_INT(kv_index(&kv, SLICE("a/1")), 10);
	CHECK_INT(kv_index(&kv, SLICE("a/2")), 1);
	CHECK_INT(kv_index_below(&kv, SLICE("a/")), 10);
	CHECK_INT(kv_index_below(&kv, SLICE("")), 11);
	run(&kv, 12, (struct kv_command){ .verb = KV_DELETE, .key = SLICE("a/1") });
	CHECK_INT(kv_index(&kv, SLICE("a/1")), 12);
	CHECK_INT(kv_index_below(&kv, SLICE("a/")), 12);
	CHECK_INT(kv_index_below(&kv, SLICE("b/")), 11);
	run(&kv, 13, (struct kv_command){ .verb = KV_DELETE, .key = SLICE("a/1") });
	CHECK_INT(kv_index(&kv, SLICE("a/1")), 12);
	run(&kv, 14, (struct kv_command){ .verb = KV_PUT, .key = SLICE("a/1") });
	CHECK_INT(kv_index(&kv, SLICE("a/1")), 14);
	kv_done(&kv);
}

TEST(forgotten_graves_wake_too_often_and_never_too_rarely)
{
	uint64_t index = 1;
	char key[32];
	struct kv kv;

	kv_init(&kv);
	run(&kv, index++, (struct kv_command){ .verb = KV_PUT, .key = SLICE("first") });
	run(&kv, index++, (struct kv_command){ .verb = KV_DELETE, .key = SLICE("first") });
	for (int i = 0; i < KV_GRAVES_MAX - 1; i++) {
		struct slice k = { key, (size_t)snprintf(key, sizeof(key), "k%d", i) };

		CHECK_INT(kv_index(&kv, SLICE("first")), 2);
		run(&kv, index++, (struct kv_command){ .verb = KV_PUT, .key = k });
		run(&kv, index++, (struct kv_command){ .verb = KV_DELETE, .key = k });
	}
	CHECK_INT(kv.graves.count, 0);
	CHECK_INT(kv.forgotten, index - 1);
	CHECK_INT(kv_index(&kv, SLICE("first")), index - 1);
	CHECK_INT(kv_index_below(&kv, SLICE("f")), index - 1);
	kv_done(&kv);
}

/* ---- a random run beside a model ---- */

enum { KEYS = 3 + 9 + 27, ROUNDS = 6000 };

struct model {
	struct row {
		char key[8];
		int there;
		uint64_t create, modify, flags;
		uint64_t changed;	/* also by a removal; 0 = never */
		char value[64];
		size_t value_len;
	} rows[KEYS];
};

struct run {
	struct rng rng;
	struct arena arena;
	struct model model;
	struct state state;
	char noted[KEYS * 8 * 2];
};

/* Keys of few letters, so that many are prefixes of others; in order. */
static void make_keys(struct model *m)
{
	static const char letters[] = "/ab";
	int n = 0;

	*m = (struct model){ 0 };
	for (int i = 0; i < 3; i++) {
		snprintf(m->rows[n++].key, 8, "%c", letters[i]);
		for (int j = 0; j < 3; j++) {
			snprintf(m->rows[n++].key, 8, "%c%c", letters[i], letters[j]);
			for (int k = 0; k < 3; k++)
				snprintf(m->rows[n++].key, 8, "%c%c%c", letters[i], letters[j],
					 letters[k]);
		}
	}
}

static void model_remove(struct run *r, struct row *row, uint64_t index)
{
	row->there = 0;
	row->changed = index;
	snprintf(r->noted + strlen(r->noted), 10, "%s,", row->key);
}

static int model_apply(struct run *r, const struct kv_command *c, struct row *row, uint64_t index)
{
	uint64_t have = row->there ? row->modify : 0;

	if (c->verb == KV_DELETE_TREE) {
		for (int i = 0; i < KEYS; i++) {
			struct row *one = &r->model.rows[i];

			if (one->there && strncmp(one->key, row->key, c->key.len) == 0)
				model_remove(r, one, index);
		}
		return 1;
	}
	if (c->verb == KV_PUT_CAS && c->index != have)
		return 0;
	if (c->verb == KV_DELETE_CAS && row->there && c->index != have)
		return 0;
	if (c->verb == KV_DELETE || c->verb == KV_DELETE_CAS) {
		if (row->there)
			model_remove(r, row, index);
		return 1;
	}
	row->create = row->there ? row->create : index;
	row->there = 1;
	row->modify = row->changed = index;
	row->flags = c->flags;
	row->value_len = c->value.len;
	memcpy(row->value, c->value.data, c->value.len);
	snprintf(r->noted + strlen(r->noted), 10, "%s,", row->key);
	return 1;
}

static void note_key(void *context, struct slice key, uint64_t index)
{
	char *text = context;

	(void)index;
	snprintf(text + strlen(text), 10, "%.*s,", SLICE_ARGS(key));
}

static void nothing(void *context, const struct change *c)
{
	(void)context;
	(void)c;
}

static void random_command(struct run *r, uint64_t index)
{
	static const char text[] = "abcdefghijklmnopqrstuvwxyzabcdefghijklmnopqrstuvwxyz"
				   "abcdefghijkl";
	struct row *row = &r->model.rows[rng_below(&r->rng, KEYS)];
	struct kv_command c = {
		.verb = (enum kv_verb)(1 + rng_below(&r->rng, 5)), .flags = rng_next(&r->rng),
		.index = rng_chance(&r->rng, 1, 2) ? row->modify : 0, .key = slice_of(row->key),
		.value = { text, rng_below(&r->rng, 64) },
	};
	struct entry e = { .type = ENTRY_KV };
	char noted[sizeof(r->noted)] = "";
	struct errmsg msg;
	struct slice bytes;
	int done;

	if (c.verb == KV_DELETE_TREE && rng_chance(&r->rng, 1, 2))
		c.verb = KV_PUT;	/* else there is never much */
	if (c.verb == KV_DELETE_TREE && rng_chance(&r->rng, 1, 50))
		c.key.len = 0;
	e.id.bytes[0] = (uint8_t)rng_below(&r->rng, 3);
	memcpy(e.id.bytes + 8, &index, e.id.bytes[0] ? 8 : 0);
	e.payload = kv_command_build(&r->arena, &c);
	bytes = entry_build(&r->arena, &e);
	r->state.kv.note = note_key;
	r->state.kv.note_context = noted;
	r->noted[0] = '\0';
	CHECK_INT(state_apply(&r->state, index, bytes, nothing, NULL, &msg), 0);
	done = model_apply(r, &c, row, index);
	CHECK(slice_is(r->state.outcome.body, done ? "true" : "false"));
	CHECK_STR(noted, r->noted);
	/* The same request again changes nothing. */
	if (request_id_is_none(e.id))
		return;
	CHECK_INT(state_apply(&r->state, index + 1, bytes, nothing, NULL, &msg), 0);
	CHECK_INT(r->state.repeated, 1);
	CHECK(slice_is(r->state.outcome.body, done ? "true" : "false"));
	CHECK_STR(noted, r->noted);
}

static void compare_rows(const struct run *r)
{
	const struct pair *p = pairs_from(&r->state.kv.pairs, (struct slice){ NULL, 0 });
	uint64_t bytes = 0;

	for (int i = 0; i < KEYS; i++) {
		const struct row *row = &r->model.rows[i];

		CHECK_INT(kv_index(&r->state.kv, slice_of(row->key)),
			  row->changed ? row->changed : 1);
		if (!row->there) {
			CHECK(!pairs_find(&r->state.kv.pairs, slice_of(row->key)));
			continue;
		}
		CHECK(p && slice_is(pair_key(p), row->key));
		CHECK(p->create == row->create && p->modify == row->modify);
		CHECK(p->flags == row->flags);
		CHECK(slice_equal(pair_value(p), (struct slice){ row->value, row->value_len }));
		bytes += KV_PAIR_COST + strlen(row->key) + row->value_len;
		p = pair_next(p);
	}
	CHECK(!p);
	CHECK_INT(r->state.kv.bytes, bytes);
}

static void compare_prefix(const struct run *r, struct slice prefix)
{
	uint64_t changed = 1;

	for (int i = 0; i < KEYS; i++) {
		const struct row *row = &r->model.rows[i];

		if (strncmp(row->key, prefix.data, prefix.len) == 0 && row->changed > changed)
			changed = row->changed;
	}
	CHECK_INT(kv_index_below(&r->state.kv, prefix), changed);
}

/* The state goes through its saved form, in pieces of any size. */
static void save_and_load(struct run *r)
{
	struct errmsg msg = { { 0 } };
	struct state_loader l;
	struct sink sink;
	struct buf text;

	buf_init(&text, 16 << 20);
	sink = sink_to_buf(&text);
	CHECK_INT(state_save(&r->state, &sink), 0);
	state_done(&r->state);
	state_init(&r->state);
	state_load_begin(&l, &r->state);
	for (size_t at = 0, n; at < text.len; at += n) {
		n = 1 + rng_below(&r->rng, rng_chance(&r->rng, 1, 2) ? 40 : 70000);
		n = n < text.len - at ? n : text.len - at;
		CHECK_INT(state_load_feed(&l, (struct slice){ text.data + at, n }, &msg), 0);
	}
	CHECK_INT(state_load_end(&l, &msg), 0);
	buf_done(&text);
}

TEST(a_random_run_is_as_the_model_has_it)
{
	static struct run r;

	r = (struct run){ 0 };
	rng_init(&r.rng, 20261125);
	arena_init(&r.arena);
	make_keys(&r.model);
	state_init(&r.state);
	for (uint64_t i = 1; i <= ROUNDS && !unit_failed(); i++) {
		const struct row *row = &r.model.rows[rng_below(&r.rng, KEYS)];

		arena_reset(&r.arena);
		random_command(&r, 2 * i);
		if (rng_chance(&r.rng, 1, 100))
			save_and_load(&r);
		compare_rows(&r);
		compare_prefix(&r, (struct slice){ row->key,
						   rng_below(&r.rng, strlen(row->key) + 1) });
	}
	CHECK_INT(r.state.kv.forgotten, 0);
	state_done(&r.state);
	arena_done(&r.arena);
}
