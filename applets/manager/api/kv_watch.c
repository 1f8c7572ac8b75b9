/* Contracts are in kv_watch.h. A change looks up its own key and those prefixes of it that have a
 * length which somebody waits for: most often there are one or two. */
#include "applets/manager/api/kv_watch.h"
#include <assert.h>
#include <string.h>
#include "base/mem.h"

enum { NAME_LEN = KV_KEY_MAX + 1, ORDER_LEN = 16 };

void kv_watch_init(struct kv_watch *w)
{
	*w = (struct kv_watch){ 0 };
	map_init(&w->keys);
	map_init(&w->requests);
	map_init(&w->order);
}

void kv_watch_done(struct kv_watch *w)
{
	for (struct map_entry *e = map_first(&w->requests); e; e = map_next(e))
		kv_wait_free(e->value);
	map_done(&w->keys);
	map_done(&w->requests);
	map_done(&w->order);
	kv_watch_init(w);
}

void kv_wait_free(struct kv_wait *wait)
{
	mem_free(wait);
}

/* ---- the three maps ---- */

/* Numbers with the highest byte first, so that keys are in their order. */
static void put_number(char *p, uint64_t n)
{
	for (int i = 7; i >= 0; i--, n >>= 8)
		p[i] = (char)n;
}

static struct slice request_key(uint64_t request, char key[8])
{
	put_number(key, request);
	return (struct slice){ key, 8 };
}

static struct slice order_key(const struct kv_wait *wait, char key[ORDER_LEN])
{
	put_number(key, wait->due ? 0 : wait->deadline_ms);
	put_number(key + 8, wait->request);
	return (struct slice){ key, ORDER_LEN };
}

static struct slice name_of(struct slice key, int below, char name[NAME_LEN])
{
	assert(key.len <= KV_KEY_MAX);
	if (key.len)
		memcpy(name, key.data, key.len);
	name[key.len] = below ? 'b' : 'k';
	return (struct slice){ name, key.len + 1 };
}

static void link_key(struct kv_watch *w, struct kv_wait *wait)
{
	char text[NAME_LEN];
	struct slice name = name_of(wait->key, wait->below, text);

	wait->next = map_set(&w->keys, name, wait);
	if (wait->next) {
		wait->next->previous = wait;
	} else if (wait->below) {
		w->lengths[wait->key.len]++;
		w->prefixes++;
	}
}

static void unlink_key(struct kv_watch *w, struct kv_wait *wait)
{
	char text[NAME_LEN];
	struct slice name = name_of(wait->key, wait->below, text);

	if (wait->next)
		wait->next->previous = wait->previous;
	if (wait->previous) {
		wait->previous->next = wait->next;
	} else if (wait->next) {
		map_set(&w->keys, name, wait->next);
	} else {
		map_remove(&w->keys, name);
		if (wait->below) {
			w->lengths[wait->key.len]--;
			w->prefixes--;
		}
	}
}

static void make_due(struct kv_watch *w, struct kv_wait *wait)
{
	char key[ORDER_LEN];

	unlink_key(w, wait);
	map_remove(&w->order, order_key(wait, key));
	wait->due = 1;
	map_set(&w->order, order_key(wait, key), wait);
}

static void take_out(struct kv_watch *w, struct kv_wait *wait)
{
	char key[ORDER_LEN];

	if (!wait->due)
		unlink_key(w, wait);
	map_remove(&w->order, order_key(wait, key));
	map_remove(&w->requests, request_key(wait->request, key));
}

/* ---- waits ---- */

int kv_watch_add(struct kv_watch *w, const struct kv_wait *wait)
{
	struct kv_wait *made;
	char key[ORDER_LEN], *text;

	if (w->requests.count >= KV_WATCH_MAX || wait->target.len > KV_WATCH_TARGET_MAX)
		return ERR_LIMIT;
	made = mem_new(sizeof(*made) + wait->key.len + wait->target.len);
	*made = *wait;
	text = (char *)(made + 1);
	if (wait->key.len)
		memcpy(text, wait->key.data, wait->key.len);
	memcpy(text + wait->key.len, wait->target.data, wait->target.len);
	made->key.data = text;
	made->target.data = text + wait->key.len;
	made->lost = made->due = 0;
	made->next = made->previous = NULL;
	link_key(w, made);
	map_set(&w->order, order_key(made, key), made);
	map_set(&w->requests, request_key(made->request, key), made);
	return 0;
}

void kv_watch_drop(struct kv_watch *w, uint64_t request)
{
	char key[8];
	struct kv_wait *wait = map_get(&w->requests, request_key(request, key));

	if (!wait)
		return;
	take_out(w, wait);
	kv_wait_free(wait);
}

static void wake(struct kv_watch *w, struct slice key, int below, uint64_t index)
{
	char text[NAME_LEN];
	struct kv_wait *next, *wait = map_get(&w->keys, name_of(key, below, text));

	for (; wait; wait = next) {
		next = wait->next;
		if (index > wait->index)
			make_due(w, wait);
	}
}

void kv_watch_note(void *context, struct slice key, uint64_t index)
{
	struct kv_watch *w = context;

	if (w->keys.count == 0)
		return;
	wake(w, key, 0, index);
	for (size_t n = 0; n <= key.len && w->prefixes; n++) {
		if (w->lengths[n])
			wake(w, (struct slice){ key.data, n }, 1, index);
	}
}

void kv_watch_all(struct kv_watch *w)
{
	for (struct map_entry *e = map_first(&w->requests); e; e = map_next(e)) {
		struct kv_wait *wait = e->value;

		if (!wait->due)
			make_due(w, wait);
	}
}

void kv_watch_lost(struct kv_watch *w)
{
	for (struct map_entry *e = map_first(&w->requests); e; e = map_next(e)) {
		struct kv_wait *wait = e->value;

		if (wait->local)
			continue;
		if (!wait->due)
			make_due(w, wait);
		wait->lost = 1;
	}
}

uint64_t kv_watch_deadline(const struct kv_watch *w)
{
	struct map_entry *first = map_first(&w->order);
	const struct kv_wait *wait = first ? first->value : NULL;

	if (!wait)
		return 0;
	return wait->due || wait->deadline_ms == 0 ? 1 : wait->deadline_ms;
}

struct kv_wait *kv_watch_take(struct kv_watch *w, uint64_t now_ms)
{
	struct map_entry *first = map_first(&w->order);
	struct kv_wait *wait = first ? first->value : NULL;

	if (!wait || (!wait->due && now_ms < wait->deadline_ms))
		return NULL;
	take_out(w, wait);
	return wait;
}
