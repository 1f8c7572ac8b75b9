/*
 * What must hold for every table and every value: random objects come back from text, copies
 * stand alone, each field's wrong value is refused with its path, and the tables themselves
 * are well formed.
 */
#include <string.h>
#include "base/rng.h"
#include "base/timefmt.h"
#include "model/session.h"
#include "unit.h"

enum { TEXT_MAX = 1 << 20, ROUNDS = 100, TABLES_DEEP_MAX = 10, AROUND_MAX = 8 };

static const struct table *const roots[] = {
	&cluster_table, &node_table, &service_table, &task_table, &network_table,
	&session_order_table, &session_report_table,
};
enum { ROOTS = sizeof(roots) / sizeof(roots[0]) };

/* ---- random objects ---- */

struct maker {
	struct rng rng;
	struct arena *arena;
};

static void make_struct(struct maker *m, const struct table *table, void *out);

static uint64_t below(struct maker *m, uint64_t n)
{
	return rng_below(&m->rng, n);
}

/* Any bits, with the ends of the range and small ones more often than by chance. */
static uint64_t make_number(struct maker *m)
{
	static const uint64_t ends[] = {
		0, 1, UINT64_MAX, INT64_MAX, (uint64_t)INT64_MAX + 1, UINT64_C(1) << 53 | 1,
	};

	return rng_chance(&m->rng, 1, 2) ? ends[below(m, sizeof(ends) / sizeof(ends[0]))]
					 : rng_next(&m->rng) >> below(m, 64);
}

/* Any time of which the whole year is in range (base/timefmt.h). */
static int64_t make_time(struct maker *m)
{
	const int64_t year_ns = INT64_C(365) * 86400 * SECOND_NS, years = 291;
	int64_t t = (int64_t)make_number(m);

	return t < -years * year_ns || t > years * year_ns ? t / 2 : t;
}

static const char *make_text(struct maker *m)
{
	static const char *const parts[] = {
		"", "a", "/run", "\"", "\\", "\n", "\x01", "<&>", "\xc3\xa9", "\xf0\x9f\x90\xb3",
		"{", "]", ",", "=", "null",
	};
	const char *text = "";

	for (uint64_t i = below(m, 4); i > 0; i--)
		text = arena_printf(m->arena, "%s%s", text,
				    parts[below(m, sizeof(parts) / sizeof(parts[0]))]);
	return text;
}

static struct slice make_raw(struct maker *m)
{
	static const char *const raws[] = {
		"{}", "[]", "0", "-1.5e+300", "\"\"", "\"a\\\"b\"", "true",
		"{\"a\":[{\"b\":{}},18446744073709551616]}", "[[[[[[[[[[[[[[[[]]]]]]]]]]]]]]]]",
	};

	return slice_of(raws[below(m, sizeof(raws) / sizeof(raws[0]))]);
}

static struct strings make_strings(struct maker *m)
{
	struct strings s = { 0 };

	for (uint64_t i = below(m, 4); i > 0; i--)
		s = strings_with(m->arena, &s, make_text(m));
	return s;
}

static struct labels make_labels(struct maker *m)
{
	struct labels l = { 0 };

	for (uint64_t i = below(m, 4); i > 0; i--)
		l = labels_with(m->arena, &l, make_text(m), make_text(m));
	return l;
}

static struct list make_list(struct maker *m, const struct table *table)
{
	struct list l = { .count = (uint32_t)below(m, 3) };

	l.items = arena_array(m->arena, l.count, table->size);
	for (uint32_t i = 0; i < l.count; i++)
		make_struct(m, table, (char *)l.items + i * table->size);
	return l;
}

static int make_enum(struct maker *m, const char *const *names)
{
	uint64_t count = 0;

	while (names[count])
		count++;
	return (int)below(m, count);
}

static void make_pointer(struct maker *m, const struct field *f, void **out)
{
	if (f->kind == FIELD_POINTER) {
		*out = arena_new(m->arena, f->table->size);
		make_struct(m, f->table, *out);
	} else if (f->kind == FIELD_BOOL_OPT) {
		*out = arena_new(m->arena, sizeof(int));
		*(int *)*out = (int)below(m, 2);
	} else {
		*out = arena_new(m->arena, sizeof(uint64_t));
		*(uint64_t *)*out = make_number(m);
	}
}

static void make_field(struct maker *m, const struct field *f, void *at)
{
	switch (f->kind) {
	case FIELD_STRING: *(const char **)at = make_text(m); break;
	case FIELD_BOOL: *(int *)at = (int)below(m, 2); break;
	case FIELD_I64:
	case FIELD_U64:
	case FIELD_NANO: *(uint64_t *)at = make_number(m); break;
	case FIELD_TIME: *(int64_t *)at = make_time(m); break;
	case FIELD_ENUM: *(int *)at = make_enum(m, f->names); break;
	case FIELD_STRINGS: *(struct strings *)at = make_strings(m); break;
	case FIELD_LABELS: *(struct labels *)at = make_labels(m); break;
	case FIELD_LIST: *(struct list *)at = make_list(m, f->table); break;
	case FIELD_RAW: *(struct slice *)at = make_raw(m); break;
	case FIELD_STRUCT:
	case FIELD_FLAT: make_struct(m, f->table, at); break;
	case FIELD_BOOL_OPT:
	case FIELD_I64_OPT:
	case FIELD_U64_OPT:
	case FIELD_POINTER: make_pointer(m, f, at); break;
	}
}

static void make_struct(struct maker *m, const struct table *table, void *out)
{
	for (const struct field *f = table->fields; f->name || f->table; f++) {
		if (f->kind == FIELD_STRUCT || f->kind == FIELD_FLAT || rng_chance(&m->rng, 2, 3))
			make_field(m, f, (char *)out + f->offset);
	}
	if (table->extra != TABLE_NO_EXTRA && rng_chance(&m->rng, 1, 3))
		*(struct slice *)(void *)((char *)out + table->extra) =
			SLICE("\"New\":{\"x\":[1,null]},\"\\\"\":\"\"");
}

static void encode(struct buf *out, const struct table *table, enum model_form form,
		   const void *object)
{
	struct json_writer w;

	buf_reset(out);
	json_begin(&w, out);
	model_encode(&w, table, form, object);
}

static void check_round_trip(const struct table *table, uint64_t seed)
{
	struct errmsg msg = { { 0 } };
	struct arena a, other;
	struct maker m = { .arena = &a };
	void *object, *copy, *again;
	struct buf text, after;

	arena_init(&a);
	arena_init(&other);
	buf_init(&text, TEXT_MAX);
	buf_init(&after, TEXT_MAX);
	rng_init(&m.rng, seed);
	object = arena_new(&a, table->size);
	make_struct(&m, table, object);
	copy = model_copy(&other, table, object);
	CHECK(model_equal(table, object, copy));
	encode(&text, table, MODEL_STORE, object);
	CHECK_INT(text.failed, 0);
	again = arena_new(&other, table->size);
	CHECK_INT(model_parse(&other, table, MODEL_STORE, buf_slice(&text), again, &msg), 0);
	CHECK(model_equal(table, object, again));
	/* The original's memory goes; what was copied from it must not notice. */
	arena_done(&a);
	encode(&after, table, MODEL_STORE, copy);
	CHECK(slice_equal(buf_slice(&text), buf_slice(&after)));
	encode(&after, table, MODEL_STORE, again);
	CHECK(slice_equal(buf_slice(&text), buf_slice(&after)));
	buf_done(&text);
	buf_done(&after);
	arena_done(&other);
}

TEST(random_objects_come_back_equal_and_copies_stand_alone)
{
	for (uint64_t seed = 1; seed <= ROUNDS && !unit_failed(); seed++)
		check_round_trip(roots[seed % ROOTS], seed);
}

/* Two objects of one seed are equal; then one field of one of them changes. */
static void check_each_field_counts(const struct table *table)
{
	for (const struct field *f = table->fields; f->name || f->table; f++) {
		struct arena a;
		struct maker m = { .arena = &a };
		void *left, *right;

		arena_init(&a);
		left = arena_new(&a, table->size);
		right = arena_new(&a, table->size);
		rng_init(&m.rng, 7);
		for (int i = 0; i < ROUNDS && model_equal(table, left, right); i++)
			make_field(&m, f, (char *)left + f->offset);
		CHECK(!model_equal(table, left, right));
		CHECK(model_equal(table, left, model_copy(&a, table, left)));
		arena_done(&a);
		if (f->table && f->kind != FIELD_FLAT && !unit_failed())
			check_each_field_counts(f->table);
	}
}

TEST(every_field_counts_in_a_comparison)
{
	for (unsigned i = 0; i < ROOTS && !unit_failed(); i++)
		check_each_field_counts(roots[i]);
}

/* ---- wrong values ---- */

/* A place in an object: what stands before and after it in the text, and its path. */
struct place {
	const char *before, *after, *path;
	struct arena *arena;
};

static void check_refused(const struct table *root, const struct place *p, const char *value,
			  const char *element)
{
	struct slice text = slice_of(arena_printf(p->arena, "%s%s%s", p->before, value, p->after));
	const char *expected = arena_printf(p->arena, "%s%s: ", p->path, element);
	struct errmsg msg = { { 0 } };
	void *out = arena_new(p->arena, root->size);

	CHECK_INT(model_parse(p->arena, root, MODEL_STORE, text, out, &msg), ERR_INVALID);
	if (!slice_has_prefix(slice_of(msg.text), expected))
		CHECK_STR(msg.text, expected);
}

static void check_wrong_values(const struct table *root, const struct field *f,
			       const struct place *p)
{
	switch (f->kind) {
	case FIELD_U64:
	case FIELD_U64_OPT:
		check_refused(root, p, "-1", "");
		break;
	case FIELD_I64:
	case FIELD_I64_OPT:
		check_refused(root, p, "1.5", "");
		check_refused(root, p, "9223372036854775808", "");
		break;
	case FIELD_ENUM:
		check_refused(root, p, "\"no such\"", "");
		break;
	case FIELD_TIME:
		check_refused(root, p, "\"yesterday\"", "");
		break;
	case FIELD_STRINGS:
		check_refused(root, p, "[\"a\",7]", "[1]");
		break;
	case FIELD_LABELS:
		check_refused(root, p, "{\"a\":\"b\",\"k\":7}", ".k");
		break;
	case FIELD_LIST:
		check_refused(root, p, "[{},7]", "[1]");
		break;
	default:
		break;
	}
	check_refused(root, p, f->kind == FIELD_STRING ? "[]" : "\"x y\"", "");
}

static void check_fields(const struct table *root, const struct table *table,
			 const struct place *up)
{
	for (const struct field *f = table->fields; f->name || f->table; f++) {
		struct place p = *up;

		if (f->kind == FIELD_FLAT) {
			check_fields(root, f->table, up);
			continue;
		}
		p.before = arena_printf(p.arena, "%s{\"%s\":", up->before, f->name);
		p.after = arena_printf(p.arena, "}%s", up->after);
		p.path = arena_printf(p.arena, "%s%s%s", up->path, *up->path ? "." : "", f->name);
		if (f->kind != FIELD_RAW)
			check_wrong_values(root, f, &p);
		if (f->kind == FIELD_LIST) {
			p.before = arena_printf(p.arena, "%s[", p.before);
			p.after = arena_printf(p.arena, "]%s", p.after);
			p.path = arena_printf(p.arena, "%s[0]", p.path);
		}
		if (f->table)
			check_fields(root, f->table, &p);
	}
}

TEST(every_wrong_value_is_refused_with_its_path)
{
	for (unsigned i = 0; i < ROOTS && !unit_failed(); i++) {
		struct arena a;
		struct place top = { "", "", "", &a };

		arena_init(&a);
		check_fields(roots[i], roots[i], &top);
		arena_done(&a);
	}
}

/* ---- the tables ---- */

static size_t kind_size(const struct field *f)
{
	switch (f->kind) {
	case FIELD_BOOL:
	case FIELD_ENUM: return sizeof(int);
	case FIELD_I64:
	case FIELD_U64:
	case FIELD_NANO:
	case FIELD_TIME: return sizeof(int64_t);
	case FIELD_STRINGS: return sizeof(struct strings);
	case FIELD_LABELS: return sizeof(struct labels);
	case FIELD_LIST: return sizeof(struct list);
	case FIELD_RAW: return sizeof(struct slice);
	case FIELD_STRUCT:
	case FIELD_FLAT: return f->table->size;
	case FIELD_STRING:
	case FIELD_BOOL_OPT:
	case FIELD_I64_OPT:
	case FIELD_U64_OPT:
	case FIELD_POINTER: break;
	}
	return sizeof(void *);
}

/* Checks the table and those below it; returns how many levels of brackets it can write. */
static int check_table(const struct table *table, int level)
{
	int deepest = 0;

	if (!unit_check(level < TABLES_DEEP_MAX, table->name, __FILE__, __LINE__))
		return 0;
	for (const struct field *f = table->fields; f->name || f->table; f++) {
		int list = f->kind == FIELD_LIST || f->kind == FIELD_STRINGS ||
			   f->kind == FIELD_LABELS;
		int below_it = list;

		unit_check(f->offset + kind_size(f) <= table->size, table->name, __FILE__,
			   __LINE__);
		unit_check((f->kind == FIELD_ENUM) == (f->names != NULL), table->name, __FILE__,
			   __LINE__);
		for (const struct field *g = table->fields; g->name && f->name && g < f; g++)
			unit_check(!slice_is_nocase(slice_of(f->name), g->name), f->name,
				   __FILE__, __LINE__);
		if (f->table)
			below_it += check_table(f->table, level + 1);
		deepest = below_it > deepest ? below_it : deepest;
	}
	return deepest + 1;
}

TEST(the_tables_are_well_formed_and_what_they_write_can_be_read)
{
	for (unsigned i = 0; i < ROOTS; i++)
		CHECK(check_table(roots[i], 0) + AROUND_MAX + MODEL_RAW_DEPTH_MAX <=
		      JSON_DEPTH_MAX);
}
