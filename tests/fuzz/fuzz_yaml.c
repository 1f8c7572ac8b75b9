/* yaml_parse ends in time, and its tree is sound: counts, texts, places, depth. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include "codec/yaml.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void require(int ok)
{
	if (!ok)
		abort();
}

static void check_node(const struct yaml *node, const struct yaml *parent)
{
	size_t count = 0;

	for (const struct yaml *child = node->first; child; child = child->next)
		count++;
	require(count == node->count && node->line > 0 && node->column > 0);
	require(node->type == YAML_SCALAR ? !node->first : !node->text.data);
	require(!memchr(node->text.len ? node->text.data : "x", 0, node->text.len));
	if (parent && parent->type == YAML_MAP)
		require(node->key.data && node->key.data[node->key.len] == '\0');
}

static void check_tree(const struct yaml *root)
{
	const struct yaml *parents[YAML_DEPTH_MAX], *node = root;
	unsigned depth = 0;
	size_t nodes = 0;

	for (;;) {
		check_node(node, depth ? parents[depth - 1] : NULL);
		require(++nodes <= YAML_NODES_MAX);
		if (node->first) {
			require(depth < YAML_DEPTH_MAX);
			parents[depth++] = node;
			node = node->first;
			continue;
		}
		while (depth && !node->next)
			node = parents[--depth];
		if (depth == 0)
			return;
		node = node->next;
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct slice text = { (const char *)data, size };
	struct errmsg msg = { { 0 } };
	struct yaml *root = NULL;
	struct arena a;

	arena_init(&a);
	if (yaml_parse(&a, "f", text, &root, &msg) < 0)
		require(slice_has_prefix(slice_of(msg.text), "f:") && !root);
	else if (root)
		check_tree(root);
	arena_done(&a);
	return 0;
}
