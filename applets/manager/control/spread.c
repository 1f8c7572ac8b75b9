/*
 * Placement preferences (docker-swarm.md 5.1): a service's tasks are spread evenly over the values
 * of a label, and within each value over those of the next. Contracts are in loop.h.
 *
 * One task at a time goes to the branch with the fewest tasks. Docker divides a whole group at
 * once; for tasks that are alike both end the same.
 */
#include "applets/manager/control/loop.h"
#include "codec/json.h"

static struct slice after(struct slice text, const char *prefix)
{
	size_t n = slice_of(prefix).len;

	return (struct slice){ text.data + n, text.len - n };
}

void spread_read(struct arena *a, const struct placement *placement, struct spread *out)
{
	static const char node[] = "node.labels.", engine[] = "engine.labels.";
	const struct json *root = NULL;

	*out = (struct spread){ 0 };
	if (!placement || !placement->preferences.len ||
	    json_parse(a, placement->preferences, &root, NULL) < 0)
		return;
	for (const struct json *e = json_first(root); e && out->levels < SPREAD_LEVELS_MAX;
	     e = json_next(e)) {
		struct slice key = json_string(json_get(json_get(e, "Spread"),
							"SpreadDescriptor"));
		int of_engine = slice_has_prefix(key, engine);

		if (!of_engine && !slice_has_prefix(key, node))
			continue;	/* docker passes over what it does not know, too */
		out->of_engine[out->levels] = of_engine;
		out->labels[out->levels++] = arena_str(a, after(key, of_engine ? engine : node));
	}
}

struct slice spread_branch(const struct spread *s, uint32_t level, const struct node *n,
			   struct arena *a)
{
	struct buf key;
	struct slice out;

	buf_init(&key, SPREAD_KEY_MAX);
	for (uint32_t i = 0; i <= level; i++) {
		const char *value = labels_get(s->of_engine[i] ? &n->description.engine.labels
							       : &n->spec.labels, s->labels[i]);

		buf_add_str(&key, value ? value : "");
		buf_add_char(&key, '\0');
	}
	out = arena_copy(a, buf_slice(&key));
	buf_done(&key);
	return out;
}
