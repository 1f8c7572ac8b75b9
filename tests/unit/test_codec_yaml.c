/* The YAML reader: trees, places, limits. */
#include <string.h>
#include "base/buf.h"
#include "base/mem.h"
#include "codec/yaml.h"
#include "unit.h"

#define COUNT(list) (sizeof(list) / sizeof((list)[0]))

struct pair {
	const char *text;
	const char *wanted;
};

static struct slice guarded(const char *text)
{
	return (struct slice){ unit_guard(text, strlen(text)), strlen(text) };
}

/* The tree as one line: plain scalars bare, others in quotes, @line:column if asked for. */
static void dump(struct buf *out, const struct yaml *root, int places)
{
	const struct yaml *parents[YAML_DEPTH_MAX], *node = root;
	unsigned depth = 0;

	for (;;) {
		if (node->key.data && depth && parents[depth - 1]->type == YAML_MAP)
			buf_printf(out, "%.*s:", SLICE_ARGS(node->key));
		if (places)
			buf_printf(out, "@%u:%u ", node->line, node->column);
		if (node->type == YAML_SCALAR)
			buf_printf(out, node->plain ? "%.*s" : "\"%.*s\"", SLICE_ARGS(node->text));
		else
			buf_add_char(out, node->type == YAML_MAP ? '{' : '[');
		if (node->first) {
			parents[depth++] = node;
			node = node->first;
			continue;
		}
		if (node->type != YAML_SCALAR)
			buf_add_char(out, node->type == YAML_MAP ? '}' : ']');
		while (depth && !node->next) {
			node = parents[--depth];
			buf_add_char(out, node->type == YAML_MAP ? '}' : ']');
		}
		if (depth == 0)
			return;
		buf_add_char(out, ' ');
		node = node->next;
	}
}

static void check_tree(const char *text, const char *wanted, int places)
{
	struct errmsg msg = { { 0 } };
	struct yaml *root = NULL;
	struct arena a;
	struct buf out;
	int err;

	arena_init(&a);
	buf_init(&out, 1 << 20);
	err = yaml_parse(&a, "f.yml", guarded(text), &root, &msg);
	if (err == 0 && root)
		dump(&out, root, places);
	unit_check_str(err ? msg.text : buf_str(&out), wanted, text, __FILE__, __LINE__);
	buf_done(&out);
	arena_done(&a);
}

static const struct pair trees[] = {
	{ "", "" }, { "# nothing\n", "" }, { "---\n", "" }, { "~", "" }, { "''", "\"\"" },
	{ "\xef\xbb\xbf" "a: 1", "{a:1}" },
	{ "a: 1\nb: [x, 'y', \"z\"]\n", "{a:1 b:[x \"y\" \"z\"]}" },
	{ "a:\n- 1\n-\n- b: 2\n  c:\n", "{a:[1  {b:2 c:}]}" },
	{ "a: |\n  x\n  y\nb: >-\n  x\n  y\n", "{a:\"x\ny\n\" b:\"x y\"}" },
	{ "{}", "{}" }, { "[]", "[]" }, { "{a: [], b: {}}", "{a:[] b:{}}" },
	{ "a: !!str 5\nb: ! 6\nc: !!int 7\nd: !!map {}", "{a:\"5\" b:\"6\" c:7 d:{}}" },
	{ "a: &x {k: [1, 2]}\nb: *x\nc: [*x]", "{a:{k:[1 2]} b:{k:[1 2]} c:[{k:[1 2]}]}" },
	{ "a: &x 1\nb: &x 2\nc: *x", "{a:1 b:2 c:2}" },
	{ "&k a: 1\nb: *k\n*k : 2", "f.yml:3:1: the key \"a\" twice in one map" },
	{ "b: &k a\nc:\n  *k : 2", "{b:a c:{a:2}}" },
	{ "a: &a {x: 1, y: 2}\nb:\n  <<: *a\n  y: 3\n  z: 4", "{a:{x:1 y:2} b:{y:3 z:4 x:1}}" },
	{ "a: &a {x: 1}\nb: &b {x: 2, y: 2}\nc: {<<: [*a, *b], z: 3}",
	  "{a:{x:1} b:{x:2 y:2} c:{z:3 x:1 y:2}}" },
	{ "a: {<<: {x: 1}, x: 2}", "{a:{x:2}}" },
	{ "a: {\"<<\": 1}", "{a:{<<:1}}" },
	{ "a: &a {x: &x [1]}\nb: &b {<<: *a}\nc: {<<: *b, y: *x}",
	  "{a:{x:[1]} b:{x:[1]} c:{y:[1] x:[1]}}" },
	{ "a: {<<: []}", "{a:{}}" },
	{ "a: 1\n...\n", "{a:1}" },
	{ "\"a b\": 1\n? c\n: 2\n", "{a b:1 c:2}" },
	{ "x: '100%TAG'", "{x:\"100%TAG\"}" },
};

TEST(trees_as_written)
{
	for (size_t i = 0; i < COUNT(trees); i++)
		check_tree(trees[i].text, trees[i].wanted, 0);
}

TEST(places)
{
	check_tree("a: 1\nb:\n  - x\n  -   y\nc: {d: e}\n",
		   "@1:1 {a:@1:1 1 b:@2:1 [@3:5 x @4:7 y] c:@5:1 {d:@5:5 e}}", 1);
	/* A merged child keeps the place where it is written, an aliased one gets its key's. */
	check_tree("a: &a\n  x: 1\nb: *a\nc:\n  <<: *a\n",
		   "@1:1 {a:@1:1 {x:@2:3 1} b:@3:1 {x:@2:3 1} c:@4:1 {x:@2:3 1}}", 1);
}

static const struct pair refused[] = {
	{ "a: 1\na: 2\n", "f.yml:2:1: the key \"a\" twice in one map" },
	{ "{a: 1, 'a': 2}", "f.yml:1:8: the key \"a\" twice in one map" },
	{ "a: [1\nb: 2\n", "f.yml:2:2: did not find expected ',' or ']' "
	  "(while parsing a flow sequence)" },
	{ "a:\n\t- 1\n", "f.yml:2:1: found character that cannot start any token "
	  "(while scanning for the next token)" },
	{ "a: b: c\n", "f.yml:1:5: mapping values are not allowed in this context" },
	{ "a: 'x\n", "f.yml:2:1: found unexpected end of stream "
	  "(while scanning a quoted scalar)" },
	{ "[a]: 1\n", "f.yml:1:1: a key that is a list or a map" },
	{ "? {a: 1}\n: 1\n", "f.yml:1:3: a key that is a list or a map" },
	{ "a: *b\n", "f.yml:1:4: an alias to an anchor that is not above it" },
	{ "a: &a [*a]\n", "f.yml:1:8: an alias inside of what it names" },
	{ "&a {<<: *a}\n", "f.yml:1:9: an alias inside of what it names" },
	{ "a: {<<: 1}\n", "f.yml:1:9: << takes a map or a list of maps" },
	{ "a: {<<: [{}, x]}\n", "f.yml:1:9: << takes a map or a list of maps" },
	{ "a: {<<: {}, <<: {}}\n", "f.yml:1:13: the key << twice" },
	{ "a: 1\n---\nb: 2\n", "f.yml:2:1: a second document" },
	{ "---\n---\n", "f.yml:2:1: a second document" },
	{ "a: !reset 1\n", "f.yml:1:4: the tag !reset is not supported" },
	{ "a: !!binary aGk=\n", "f.yml:1:4: the tag tag:yaml.org,2002:binary is not supported" },
	{ "a: \"\\0\"\n", "f.yml:1:4: a NUL in a text" },
	{ "a: 1\nb: \xff\n", "f.yml:2:4: invalid leading UTF-8 octet" },
	{ "a: \x01\n", "f.yml:1:4: control characters are not allowed" },
	{ "\xff\xfe" "a\0", "f.yml:1:1: invalid leading UTF-8 octet" },
	{ "%TAG ! x:\n---\na: !b c\n", "f.yml:3:4: the tag x:b is not supported" },
	{ "a: @b\n", "f.yml:1:4: found character that cannot start any token "
	  "(while scanning for the next token)" },
};

TEST(what_is_refused_is_named_with_its_place)
{
	for (size_t i = 0; i < COUNT(refused); i++)
		check_tree(refused[i].text, refused[i].wanted, 0);
	check_tree("a: 1", "{a:1}", 0);
}

static void check_err(struct slice text, int wanted)
{
	struct errmsg msg = { { 0 } };
	struct yaml *root;
	struct arena a;

	arena_init(&a);
	CHECK_INT(yaml_parse(&a, "f", text, &root, &msg), wanted);
	CHECK(wanted == 0 || slice_has_prefix(slice_of(msg.text), "f:"));
	arena_done(&a);
}

/* No prefix of a text may read behind its end, whatever it means. */
TEST(every_prefix)
{
	static const char text[] = "a: &x {k: \"\\u20ac \xe2\x82\xac\", l: [1, 'b']}\n"
				   "b: |+2\n   text\n\nc:\n  <<: *x\n  k: !!str 5 # end\n...\n";

	for (size_t n = 0; n < sizeof(text); n++) {
		struct slice part = { unit_guard(text, n), n };
		struct yaml *root;
		struct arena a;
		int err;

		arena_init(&a);
		err = yaml_parse(&a, "f", part, &root, NULL);
		CHECK(err == 0 || err == ERR_INVALID);
		arena_done(&a);
	}
	check_err((struct slice){ NULL, 0 }, 0);
}

static void check_repeated(const char *part, size_t n, int wanted)
{
	struct buf text;

	buf_init(&text, YAML_TEXT_MAX + 1);
	while (n--)
		buf_add_str(&text, part);
	check_err(buf_slice(&text), wanted);
	buf_done(&text);
}

TEST(depth_is_bounded)
{
	struct buf text;

	check_repeated("[", 10000, ERR_LIMIT);
	check_repeated("- ", 10000, ERR_LIMIT);
	check_repeated("? ", 10000, ERR_INVALID);
	check_repeated("{a: ", 10000, ERR_LIMIT);
	buf_init(&text, YAML_TEXT_MAX);
	for (int i = 0; i < 2000; i++)
		buf_printf(&text, "%*sa:\n", i, "");
	check_err(buf_slice(&text), ERR_LIMIT);
	buf_reset(&text);
	for (int i = 0; i < YAML_DEPTH_MAX; i++)
		buf_printf(&text, "%*sa:\n", i, "");
	check_err(buf_slice(&text), 0);
	buf_printf(&text, "%*sa:\n", YAML_DEPTH_MAX, "");
	check_err(buf_slice(&text), ERR_LIMIT);
	/* Aliases cannot go around it. */
	buf_reset(&text);
	buf_add_str(&text, "a0: &a0 [1]\n");
	for (int i = 1; i <= YAML_DEPTH_MAX; i++)
		buf_printf(&text, "a%d: &a%d [*a%d]\n", i, i, i - 1);
	check_err(buf_slice(&text), ERR_LIMIT);
	buf_done(&text);
}

TEST(an_alias_bomb_is_a_limit)
{

	for (size_t f = 0; f < 3; f++) {
		struct buf text;

		buf_init(&text, YAML_TEXT_MAX);
		buf_add_str(&text, "a0: &a0 {x: 1}\n");
		for (int i = 1; i < 40; i++) {
			buf_printf(&text, "a%d: &a%d ", i, i);
			if (f < 2)
				buf_printf(&text, f ? "{k: *a%d, l: *a%d}" : "[*a%d, *a%d]", i - 1,
					   i - 1);
			else
				buf_printf(&text, "{<<: [*a%d], k%d: *a%d}", i - 1, i, i - 1);
			buf_add_char(&text, '\n');
		}
		check_err(buf_slice(&text), ERR_LIMIT);
		buf_done(&text);
	}
}

TEST(size_and_count_are_bounded)
{
	check_repeated("a", YAML_TEXT_MAX, 0);
	check_repeated("a", YAML_TEXT_MAX + 1, ERR_LIMIT);
	check_repeated("- a\n", YAML_NODES_MAX - 1, 0);
	check_repeated("- a\n", YAML_NODES_MAX, ERR_LIMIT);
	check_repeated("%TAG !a! b:\n", 300000, ERR_LIMIT);
	check_repeated("%TAG !a! b:\r", 300000, ERR_LIMIT);
	check_repeated("#\n", 2000000, 0);
	check_repeated("\"\\\n\n", 1000000, ERR_INVALID);
}

TEST(finding_and_reading)
{
	static const char text[] = "yes: yes\nNo: No\nq: 'true'\nnull: null\ntilde: ~\nempty:\n"
				   "word: nullx\nquoted: ''\nlist: [on]\nOFF: OFF\nlower: tRUE\n";
	struct yaml *root;
	struct arena a;
	int value = -1;

	arena_init(&a);
	CHECK_INT(yaml_parse(&a, "f", guarded(text), &root, NULL), 0);
	CHECK_INT(root->count, 11);
	CHECK_INT(yaml_to_bool(yaml_get(root, "yes"), &value), 0);
	CHECK_INT(value, 1);
	CHECK_INT(yaml_to_bool(yaml_get(root, "No"), &value), 0);
	CHECK_INT(value, 0);
	CHECK_INT(yaml_to_bool(yaml_get(root, "list")->first, &value), 0);
	CHECK_INT(value, 1);
	CHECK_INT(yaml_to_bool(yaml_get(root, "OFF"), &value), 0);
	CHECK_INT(yaml_to_bool(yaml_get(root, "q"), &value), ERR_INVALID);
	CHECK_INT(yaml_to_bool(yaml_get(root, "lower"), &value), ERR_INVALID);
	CHECK_INT(yaml_to_bool(yaml_get(root, "list"), &value), ERR_INVALID);
	CHECK_INT(yaml_to_bool(NULL, &value), ERR_INVALID);
	CHECK(yaml_is_null(yaml_get(root, "null")));
	CHECK(yaml_is_null(yaml_get(root, "tilde")));
	CHECK(yaml_is_null(yaml_get(root, "empty")));
	CHECK(yaml_is_null(yaml_get(root, "absent")));
	CHECK(!yaml_is_null(yaml_get(root, "word")));
	CHECK(!yaml_is_null(yaml_get(root, "quoted")));
	CHECK(!yaml_is_null(yaml_get(root, "list")));
	CHECK(!yaml_get(yaml_get(root, "list"), "on"));
	CHECK(!yaml_get(NULL, "x"));
	arena_done(&a);
}
