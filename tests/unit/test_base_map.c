/* map against a plain sorted array; rng; effects. */
#include <string.h>
#include "base/map.h"
#include "base/mem.h"
#include "base/rng.h"
#include "base/step.h"
#include "unit.h"

enum { KEYS = 500 };

/* The keys' order is that of their numbers. */
static struct slice key_of(unsigned i, char out[8])
{
	out[0] = (char)('a' + i / 100);
	out[1] = (char)('0' + i / 10 % 10);
	out[2] = (char)('0' + i % 10);
	return (struct slice){ out, 3 };
}

struct model {
	void *value[KEYS];
	size_t count;
};

static void check_order(const struct map *m, const struct model *model)
{
	struct map_entry *e = map_first(m);
	char text[8];

	for (unsigned i = 0; i < KEYS; i++) {
		if (!model->value[i])
			continue;
		CHECK(e && slice_equal(e->key, key_of(i, text)) && e->value == model->value[i]);
		CHECK(e->key.data[e->key.len] == '\0');
		e = map_next(e);
	}
	CHECK(!e);
	CHECK_INT(m->count, model->count);
}

static void check_from(const struct map *m, const struct model *model, unsigned i)
{
	struct map_entry *e;
	char text[8];

	e = map_from(m, key_of(i, text));
	while (i < KEYS && !model->value[i])
		i++;
	CHECK(i < KEYS ? e && e->value == model->value[i] : !e);
}

static void random_operation(struct map *m, struct model *model, struct rng *r)
{
	unsigned i = (unsigned)rng_below(r, KEYS);
	char text[8];
	struct slice key = key_of(i, text);

	if (rng_chance(r, 1, 2)) {
		void *value = &model->value[rng_below(r, KEYS)];

		CHECK(map_set(m, key, value) == model->value[i]);
		model->count += !model->value[i];
		model->value[i] = value;
	} else {
		CHECK(map_remove(m, key) == model->value[i]);
		model->count -= model->value[i] != NULL;
		model->value[i] = NULL;
	}
	/* The map has its own copy of the key. */
	memset(text, 'x', sizeof(text));
	key = key_of(i, text);
	CHECK(map_get(m, key) == model->value[i]);
	CHECK((map_find(m, key) != NULL) == (model->value[i] != NULL));
	check_from(m, model, (unsigned)rng_below(r, KEYS));
}

TEST(map_against_a_model)
{
	static struct model model;
	struct map m;
	struct rng r;

	memset(&model, 0, sizeof(model));
	rng_init(&r, 5);
	map_init(&m);
	for (int i = 0; i < 20000 && !unit_failed(); i++) {
		random_operation(&m, &model, &r);
		if (i % 100 == 0)
			check_order(&m, &model);
	}
	check_order(&m, &model);
	map_done(&m);
	CHECK_INT(m.count, 0);
	CHECK(!map_first(&m));
}

TEST(map_of_odd_keys)
{
	struct slice nul = { "a\0b", 3 }, empty = { NULL, 0 };
	int one, two, three;
	struct map m;

	map_init(&m);
	CHECK(!map_get(&m, empty));
	CHECK(!map_remove(&m, empty));
	CHECK(!map_from(&m, empty));
	map_set(&m, nul, &one);
	map_set(&m, SLICE("a"), &two);
	map_set(&m, empty, &three);
	CHECK(map_get(&m, nul) == &one);
	CHECK(map_get(&m, SLICE("a")) == &two);
	CHECK(map_get(&m, SLICE("")) == &three);
	CHECK(map_first(&m)->value == &three);
	CHECK(map_from(&m, SLICE("a"))->value == &two);
	CHECK(map_from(&m, SLICE("aa")) == NULL);
	map_done(&m);
}

/* Big maps stay quick in both orders of filling; the walk meets every key once. */
TEST(map_of_many)
{
	enum { MANY = 100000 };
	struct map m;
	size_t seen = 0;

	map_init(&m);
	for (uint32_t i = 0; i < MANY; i++) {
		uint32_t k = i % 2 ? i : 2 * MANY - i;
		char text[4] = { (char)(k >> 24), (char)(k >> 16), (char)(k >> 8), (char)k };

		CHECK(!map_set(&m, (struct slice){ text, 4 }, &m));
	}
	for (struct map_entry *e = map_first(&m), *last = NULL; e; last = e, e = map_next(e)) {
		CHECK(!last || slice_compare(last->key, e->key) < 0);
		seen++;
	}
	CHECK_INT(seen, MANY);
	map_done(&m);
}

TEST(random_numbers)
{
	unsigned hits[10] = { 0 }, yes = 0;
	struct rng a, b;

	rng_init(&a, 42);
	rng_init(&b, 42);
	for (int i = 0; i < 100; i++)
		CHECK(rng_next(&a) == rng_next(&b));
	rng_init(&b, 43);
	CHECK(rng_next(&a) != rng_next(&b));
	for (int i = 0; i < 100000; i++) {
		uint64_t n = rng_below(&a, 10);

		CHECK(n < 10);
		hits[n]++;
		yes += rng_chance(&a, 1, 4) != 0;
	}
	for (int i = 0; i < 10; i++)
		CHECK(hits[i] > 9500 && hits[i] < 10500);
	CHECK(yes > 24000 && yes < 26000);
	CHECK_INT(rng_below(&a, 1), 0);
	CHECK(!rng_chance(&a, 0, 5));
	CHECK(rng_chance(&a, 5, 5));
	CHECK(rng_below(&a, UINT64_MAX) < UINT64_MAX);
}

TEST(effects_up_to_their_maximum)
{
	struct effects e;

	effects_init(&e);
	for (int round = 0; round < 2; round++) {
		CHECK_INT(effects_room(&e), EFFECTS_MAX);
		for (uint32_t i = 0; i < EFFECTS_MAX - 1; i++) {
			struct effect *effect = effects_add(&e, EFFECT_REPLY, i);

			CHECK(effect->id == i && effect->status == 0 && !effect->body.data);
			effect->status = 200;
			effect->body = SLICE("x");
		}
		effects_log(&e, LOG_INFO, "%d %s", 7, "x");
		CHECK_INT(effects_room(&e), 0);
		CHECK_INT(e.count, EFFECTS_MAX);
		CHECK_INT(e.items[EFFECTS_MAX - 1].kind, EFFECT_LOG);
		CHECK_INT(e.items[EFFECTS_MAX - 1].level, LOG_INFO);
		CHECK(slice_is(e.items[EFFECTS_MAX - 1].text, "7 x"));
		CHECK_INT(e.items[EFFECTS_MAX - 2].status, 200);
		effects_reset(&e);
	}
	effects_done(&e);
}
