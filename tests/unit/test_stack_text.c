/* Variables and words: texts in, texts out. */
#include <string.h>

#include "applets/stack/interpolate.h"
#include "applets/words.h"
#include "unit.h"

static const char *get(void *context, const char *name)
{
	(void)context;
	if (strcmp(name, "A") == 0)
		return "1";
	if (strcmp(name, "_b2") == 0)
		return "two";
	return strcmp(name, "EMPTY") == 0 ? "" : NULL;
}

static const char *expand(const char *text, const char **unset)
{
	static char out[1024];
	static char name[256];
	struct variables vars = { NULL, get };
	struct errmsg msg = { { 0 } };
	struct slice first;
	struct buf b;
	size_t n = strlen(text);

	buf_init(&b, sizeof(out) - 1);
	if (interpolate(&vars, (struct slice){ unit_guard(text, n), n }, &b, &first, &msg) < 0) {
		buf_reset(&b);
		buf_printf(&b, "error: %s", msg.text);
	}
	memcpy(out, buf_str(&b), b.len + 1);
	buf_done(&b);
	memcpy(name, first.data ? first.data : "", first.len);
	name[first.len] = '\0';
	*unset = name;
	return out;
}

#define PLAIN ": a plain $ is written $$"

static const char *const table[][3] = {	/* text, result, unset */
	{ "", "", "" },
	{ "plain", "plain", "" },
	{ "$A", "1", "" },
	{ "${A}", "1", "" },
	{ "x$A.y", "x1.y", "" },
	{ "$A$A${A}", "111", "" },
	{ "$_b2-", "two-", "" },
	{ "$GONE-$ALSO", "-", "GONE" },
	{ "${GONE}", "", "GONE" },
	{ "${EMPTY}", "", "" },
	{ "${A:-d}", "1", "" },
	{ "${GONE:-d}", "d", "" },
	{ "${EMPTY:-d}", "d", "" },
	{ "${EMPTY-d}", "", "" },
	{ "${GONE-d}", "d", "" },
	{ "${GONE:-}", "", "" },
	{ "${GONE-}", "", "" },
	{ "${GONE:-a b:c-d?e$f}", "a b:c-d?e$f", "" },
	{ "${A:?e}", "1", "" },
	{ "${A?e}", "1", "" },
	{ "${EMPTY?e}", "", "" },
	{ "${EMPTY:?why not}", "error: required variable EMPTY is missing a value: why not", "" },
	{ "${GONE?}", "error: required variable GONE is missing a value: ", "" },
	{ "${GONE:?}", "error: required variable GONE is missing a value: ", "" },
	{ "$$", "$", "" },
	{ "$$A", "$A", "" },
	{ "$$$A", "$1", "" },
	{ "$${A}", "${A}", "" },
	{ "a$$$$b", "a$$b", "" },
	{ "$", "error: invalid variable at \"$\"" PLAIN, "" },
	{ "a$", "error: invalid variable at \"$\"" PLAIN, "" },
	{ "$1", "error: invalid variable at \"$1\"" PLAIN, "" },
	{ "$-", "error: invalid variable at \"$-\"" PLAIN, "" },
	{ "${", "error: invalid variable at \"${\"" PLAIN, "" },
	{ "${}", "error: invalid variable at \"${}\"" PLAIN, "" },
	{ "${A", "error: invalid variable at \"${A\"" PLAIN, "" },
	{ "${A:-", "error: invalid variable at \"${A:-\"" PLAIN, "" },
	{ "${A:}", "error: invalid variable at \"${A:}\"" PLAIN, "" },
	{ "${A:+r}", "error: invalid variable at \"${A:+r}\"" PLAIN, "" },
	{ "${A+r}", "error: invalid variable at \"${A+r}\"" PLAIN, "" },
	{ "${1A}", "error: invalid variable at \"${1A}\"" PLAIN, "" },
	{ "${A b} c", "error: invalid variable at \"${A b}\"" PLAIN, "" },
	{ "${GONE:-${A}}",
	  "error: variable GONE: another one inside its braces is not supported", "" },
};

TEST(interpolation)
{
	for (size_t i = 0; i < sizeof(table) / sizeof(*table); i++) {
		const char *unset;

		CHECK_STR(expand(table[i][0], &unset), table[i][1]);
		CHECK_STR(unset, table[i][2]);
	}
}

TEST(interpolation_of_a_long_name)
{
	struct variables vars = { NULL, get };
	struct errmsg msg = { { 0 } };
	char text[INTERPOLATE_NAME_MAX + 2];
	struct slice unset;
	struct buf out;

	memset(text, 'A', sizeof(text));
	text[0] = '$';
	buf_init(&out, 100);
	CHECK_INT(interpolate(&vars, (struct slice){ text, sizeof(text) - 1 }, &out, &unset, &msg),
		0);
	CHECK_INT(interpolate(&vars, (struct slice){ text, sizeof(text) }, &out, &unset, &msg),
		ERR_INVALID);
	buf_done(&out);
}

static const char *split(const char *text)
{
	static char out[256];
	struct errmsg msg = { { 0 } };
	struct strings words;
	struct arena a;
	struct buf b;
	size_t n = strlen(text);

	arena_init(&a);
	buf_init(&b, sizeof(out) - 1);
	if (words_split(&a, (struct slice){ unit_guard(text, n), n }, &words, &msg) < 0)
		buf_printf(&b, "error: %s", msg.text);
	for (uint32_t i = 0; i < words.count && !*msg.text; i++)
		buf_printf(&b, "[%s]", words.items[i]);
	memcpy(out, buf_str(&b), b.len + 1);
	buf_done(&b);
	arena_done(&a);
	return out;
}

static const char *const lines[][2] = {
	{ "", "" },
	{ "  \t\n", "" },
	{ "a", "[a]" },
	{ "a b\tc\nd", "[a][b][c][d]" },
	{ "'a b' \"c d\"", "[a b][c d]" },
	{ "a'b 'c", "[ab c]" },
	{ "\"\" ''", "[][]" },
	{ "\"a\\\"b\" 'a\\b'", "[a\"b][a\\b]" },
	{ "a\\ b", "[a b]" },
	{ "\"$A\" '$A'", "[$A][$A]" },
	{ "a #b c\nd", "[a][d]" },
	{ "a#b", "[a#b]" },
	{ "# all", "" },
	{ "'a", "error: a ' is not closed" },
	{ "a \"b", "error: a \" is not closed" },
	{ "a\\", "error: nothing follows the last \\" },
	{ "\"a\\", "error: nothing follows the last \\" },
};

TEST(words)
{
	for (size_t i = 0; i < sizeof(lines) / sizeof(*lines); i++)
		CHECK_STR(split(lines[i][0]), lines[i][1]);
}
