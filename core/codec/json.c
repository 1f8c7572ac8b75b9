/* The tree and its readers. Contracts are in json.h. */
#include "codec/json.h"
#include <assert.h>
#include <cJSON.h>
#include <stdlib.h>
#include <string.h>
#include "base/mem.h"
#include "json_private.h"

/* Below this many members comparing all pairs is cheaper than sorting. */
enum { PAIRS_MAX = 8 };

/* cJSON's allocator is one for the process: this is the arena of the parse under way. */
static struct arena *parse_arena;

static void *parse_alloc(size_t n)
{
	assert(parse_arena);
	return arena_new(parse_arena, n);
}

static void parse_free(void *p)
{
	(void)p;
}

/* A struct json is a cJSON under a name that keeps cJSON.h out of the headers. */
static const cJSON *item_of(const struct json *node)
{
	return (const cJSON *)(const void *)node;
}

static const struct json *node_of(const cJSON *item)
{
	return (const struct json *)(const void *)item;
}

static int compare_keys(const void *a, const void *b)
{
	return strcmp(*(const char *const *)a, *(const char *const *)b);
}

/* A key that two members of the object have, or NULL. */
static const char *duplicate_among_few(const cJSON *object)
{
	for (const cJSON *a = object->child; a; a = a->next) {
		for (const cJSON *b = a->next; b; b = b->next) {
			if (strcmp(a->string, b->string) == 0)
				return a->string;
		}
	}
	return NULL;
}

static const char *duplicate_among_many(const cJSON *object, size_t count)
{
	const char **keys = mem_new(count * sizeof(*keys)), *found = NULL;
	size_t n = 0;

	for (const cJSON *m = object->child; m; m = m->next)
		keys[n++] = m->string;
	qsort(keys, n, sizeof(*keys), compare_keys);
	for (size_t i = 1; i < n && !found; i++) {
		if (strcmp(keys[i - 1], keys[i]) == 0)
			found = keys[i];
	}
	mem_free(keys);
	return found;
}

static const char *duplicate_key(const cJSON *object)
{
	size_t count = 0;

	for (const cJSON *m = object->child; m; m = m->next)
		count++;
	return count < PAIRS_MAX ? duplicate_among_few(object)
				 : duplicate_among_many(object, count);
}

/* Visits every node with an own stack; json_scan has bounded the depth. */
static int check_keys(const cJSON *root, struct errmsg *msg)
{
	const cJSON *parents[JSON_DEPTH_MAX], *item = root;
	unsigned depth = 0;

	for (;;) {
		const char *key = cJSON_IsObject(item) ? duplicate_key(item) : NULL;

		if (key)
			return errmsg_set(msg, ERR_INVALID, "invalid JSON: the key \"%s\" twice "
					  "in one object", key);
		if (item->child) {
			assert(depth < JSON_DEPTH_MAX);
			parents[depth++] = item;
			item = item->child;
			continue;
		}
		while (depth && !item->next)
			item = parents[--depth];
		if (depth == 0)
			return 0;
		item = item->next;
	}
}

int json_parse(struct arena *a, struct slice text, const struct json **root, struct errmsg *msg)
{
	cJSON_Hooks hooks = { .malloc_fn = parse_alloc, .free_fn = parse_free };
	struct buf marked;
	cJSON *item = NULL;
	int err;

	buf_init(&marked, JSON_MARKED_MAX);
	err = json_scan(text, &marked, msg);
	if (err == 0) {
		assert(!parse_arena);
		parse_arena = a;
		cJSON_InitHooks(&hooks);
		item = cJSON_ParseWithLength(marked.data, marked.len);
		cJSON_InitHooks(NULL);
		parse_arena = NULL;
		if (!item)
			err = errmsg_set(msg, ERR_INVALID, "invalid JSON");
	}
	buf_done(&marked);
	if (err == 0)
		err = check_keys(item, msg);
	if (err == 0)
		*root = node_of(item);
	return err;
}

/* The string values of the tree, marks and all. */
static struct slice marked_text(const struct json *node, char mark)
{
	const cJSON *item = item_of(node);

	if (!item || !cJSON_IsString(item) || item->valuestring[0] != mark)
		return (struct slice){ NULL, 0 };
	return slice_of(item->valuestring + 1);
}

struct slice json_number(const struct json *node)
{
	return marked_text(node, JSON_MARK_NUMBER);
}

struct slice json_string(const struct json *node)
{
	return marked_text(node, JSON_MARK_STRING);
}

enum json_type json_type(const struct json *node)
{
	const cJSON *item = item_of(node);

	if (cJSON_IsString(item))
		return item->valuestring[0] == JSON_MARK_NUMBER ? JSON_NUMBER : JSON_STRING;
	if (cJSON_IsObject(item))
		return JSON_OBJECT;
	if (cJSON_IsArray(item))
		return JSON_ARRAY;
	return cJSON_IsBool(item) ? JSON_BOOL : JSON_NULL;
}

const struct json *json_get(const struct json *node, const char *key)
{
	if (!node || !cJSON_IsObject(item_of(node)))
		return NULL;
	for (const cJSON *m = item_of(node)->child; m; m = m->next) {
		if (strcmp(m->string, key) == 0)
			return node_of(m);
	}
	return NULL;
}

const struct json *json_first(const struct json *node)
{
	return node ? node_of(item_of(node)->child) : NULL;
}

const struct json *json_next(const struct json *node)
{
	return node_of(item_of(node)->next);
}

struct slice json_key(const struct json *node)
{
	return slice_of(item_of(node)->string);
}

size_t json_count(const struct json *node)
{
	size_t n = 0;

	for (node = json_first(node); node; node = json_next(node))
		n++;
	return n;
}

int json_is_true(const struct json *node)
{
	return node && cJSON_IsTrue(item_of(node));
}

int json_to_i64(const struct json *node, int64_t *value)
{
	return slice_to_i64(json_number(node), value);
}

int json_to_u64(const struct json *node, uint64_t *value)
{
	return slice_to_u64(json_number(node), UINT64_MAX, value);
}

/* The exponent behind an 'e', cut to what can matter beside 16 MiB of digits. */
static int64_t exponent_of(struct slice s)
{
	const int64_t far = 4 * (int64_t)JSON_TEXT_MAX;
	int negative = s.len && s.data[0] == '-';
	int64_t n = 0;

	for (size_t i = 0; i < s.len && n < far; i++) {
		if (s.data[i] >= '0' && s.data[i] <= '9')
			n = n * 10 + (s.data[i] - '0');
	}
	return negative ? -n : n;
}

/* Digits smaller than 10^-9 are dropped: 0.30000000000000004 is what some clients send. */
int json_to_nano(const struct json *node, int64_t *value)
{
	struct slice number = json_number(node), rest, whole, digits;
	int negative = number.len && number.data[0] == '-';
	uint64_t n = 0, limit = (uint64_t)INT64_MAX + (uint64_t)negative;
	int64_t places;	/* digits still to come until 10^-9 */

	if (number.len == 0)
		return ERR_INVALID;
	rest = number;
	digits = slice_cut(&rest, slice_find(number, 'e') < number.len ? 'e' : 'E');
	places = 9 + exponent_of(rest);
	whole = (struct slice){ digits.data, slice_find(digits, '.') };
	places += (int64_t)whole.len - negative;
	for (size_t i = (size_t)negative; i < digits.len && places > 0; i++) {
		unsigned digit = (unsigned)(digits.data[i] - '0');

		if (digits.data[i] == '.')
			continue;
		if (n > (limit - digit) / 10)
			return ERR_INVALID;
		n = n * 10 + digit;
		places--;
	}
	for (; n && places > 0; places--) {
		if (n > limit / 10)
			return ERR_INVALID;
		n *= 10;
	}
	*value = negative ? (int64_t)(0 - n) : (int64_t)n;
	return 0;
}
