/* Contracts are in pairs.h. */
#include "applets/manager/state/pairs.h"
#include <assert.h>
#include <string.h>
#include "base/mem.h"

void pairs_init(struct pairs *m)
{
	*m = (struct pairs){ .random = UINT64_C(0x9e3779b97f4a7c15) };
}

void pairs_done(struct pairs *m)
{
	struct pair *p = m->head[0];

	while (p) {
		struct pair *next = p->next[0];

		mem_free(p);
		p = next;
	}
	pairs_init(m);
}

/* ---- one pair ---- */

static char *text_of(const struct pair *p)
{
	return (char *)(uintptr_t)&p->next[p->levels];
}

struct slice pair_key(const struct pair *p)
{
	return (struct slice){ text_of(p), p->key_len };
}

struct slice pair_value(const struct pair *p)
{
	return (struct slice){ text_of(p) + p->key_len, p->value_len };
}

const struct pair *pair_next(const struct pair *p)
{
	return p->next[0];
}

int pair_is_below(const struct pair *p, struct slice prefix)
{
	if (!p || p->key_len < prefix.len)
		return 0;
	return prefix.len == 0 || memcmp(text_of(p), prefix.data, prefix.len) == 0;
}

int pair_overwrite(const struct pair *p, const struct pair_content *c)
{
	struct pair *own = (struct pair *)(uintptr_t)p;

	assert(slice_equal(pair_key(p), c->key));
	if (p->value_len != c->value.len)
		return 0;
	own->create = c->create;
	own->modify = c->modify;
	own->flags = c->flags;
	if (c->value.len)
		memmove(text_of(p) + p->key_len, c->value.data, c->value.len);
	return 1;
}

static struct pair *new_pair(const struct pair_content *c, unsigned levels)
{
	size_t head = sizeof(struct pair) + levels * sizeof(struct pair *);
	struct pair *p;

	assert(c->key.len <= UINT16_MAX && c->value.len <= UINT32_MAX);
	p = mem_resize(NULL, head + c->key.len + c->value.len);
	p->create = c->create;
	p->modify = c->modify;
	p->flags = c->flags;
	p->key_len = (uint16_t)c->key.len;
	p->value_len = (uint32_t)c->value.len;
	p->levels = (uint8_t)levels;
	if (c->key.len)
		memcpy(text_of(p), c->key.data, c->key.len);
	if (c->value.len)
		memcpy(text_of(p) + c->key.len, c->value.data, c->value.len);
	return p;
}

/* ---- the list ---- */

static unsigned next_levels(struct pairs *m)
{
	unsigned levels = 1;

	m->random ^= m->random << 13;
	m->random ^= m->random >> 7;
	m->random ^= m->random << 17;
	for (uint64_t r = m->random; levels < PAIRS_LEVELS && (r & 3) == 0; r >>= 2)
		levels++;
	return levels;
}

/* links[i]: the pointer on level i that leads to the first pair >= key. */
static void find_links(struct pairs *m, struct slice key, struct pair **links[PAIRS_LEVELS])
{
	struct pair **next = m->head;

	for (int i = PAIRS_LEVELS - 1; i >= 0; i--) {
		while (next[i] && slice_compare(pair_key(next[i]), key) < 0)
			next = next[i]->next;
		links[i] = &next[i];
	}
}

const struct pair *pairs_from(const struct pairs *m, struct slice key)
{
	struct pair *const *next = m->head;

	for (int i = PAIRS_LEVELS - 1; i >= 0; i--) {
		while (next[i] && slice_compare(pair_key(next[i]), key) < 0)
			next = next[i]->next;
	}
	return next[0];
}

static int has_key(const struct pair *p, struct slice key)
{
	return p && slice_equal(pair_key(p), key);
}

const struct pair *pairs_find(const struct pairs *m, struct slice key)
{
	const struct pair *p = pairs_from(m, key);

	return has_key(p, key) ? p : NULL;
}

static void link_in(struct pairs *m, struct pair **links[PAIRS_LEVELS], struct pair *p)
{
	for (unsigned i = 0; i < p->levels; i++) {
		p->next[i] = *links[i];
		*links[i] = p;
	}
	m->count++;
}

/* The pair that links lead to. The links stay good: they lead to the one after it. */
static struct pair *link_out(struct pairs *m, struct pair **links[PAIRS_LEVELS])
{
	struct pair *p = *links[0];

	for (unsigned i = 0; i < p->levels; i++) {
		assert(*links[i] == p);
		*links[i] = p->next[i];
	}
	assert(m->count > 0);
	m->count--;
	return p;
}

void pairs_put(struct pairs *m, const struct pair_content *c)
{
	struct pair **links[PAIRS_LEVELS], *made, *old = NULL;

	find_links(m, c->key, links);
	made = new_pair(c, has_key(*links[0], c->key) ? (*links[0])->levels : next_levels(m));
	if (has_key(*links[0], c->key))
		old = link_out(m, links);
	link_in(m, links, made);
	mem_free(old);
}

int pairs_remove(struct pairs *m, struct slice key)
{
	struct pair **links[PAIRS_LEVELS];

	find_links(m, key, links);
	if (!has_key(*links[0], key))
		return 0;
	mem_free(link_out(m, links));
	return 1;
}

void pairs_remove_below(struct pairs *m, struct slice prefix,
			void (*gone)(void *context, const struct pair *p), void *context)
{
	struct pair **links[PAIRS_LEVELS];

	find_links(m, prefix, links);
	while (pair_is_below(*links[0], prefix)) {
		struct pair *p = link_out(m, links);

		gone(context, p);
		mem_free(p);
	}
}

void pairs_begin(struct pairs *m, struct pairs_end *end)
{
	assert(m->count == 0);
	*end = (struct pairs_end){ 0 };
	for (unsigned i = 0; i < PAIRS_LEVELS; i++)
		end->links[i] = &m->head[i];
}

void pairs_append(struct pairs *m, struct pairs_end *end, const struct pair_content *c)
{
	struct pair *p = new_pair(c, next_levels(m));

	assert(!end->last || slice_compare(pair_key(end->last), c->key) < 0);
	link_in(m, end->links, p);
	for (unsigned i = 0; i < p->levels; i++)
		end->links[i] = &p->next[i];
	end->last = p;
}
