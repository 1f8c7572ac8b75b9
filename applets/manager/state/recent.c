/* Contracts are in recent.h. A ring in order of age, and chains by hash through it. Ids are
 * random bits, so any of them make a hash; who sends colliding ones slows itself down. */
#include "applets/manager/state/recent.h"
#include <assert.h>
#include <string.h>
#include "base/bytes.h"
#include "base/mem.h"

struct recent_slot {
	struct request_id id;
	struct outcome outcome;		/* body: heap */
	uint16_t next;			/* of the same hash: 1 + slot, 0 = none */
};

_Static_assert(RECENT_MAX < UINT16_MAX && (RECENT_MAX & (RECENT_MAX - 1)) == 0,
	       "slots are numbered in 16 bits and hashed by a mask");

void recent_init(struct recent *r)
{
	*r = (struct recent){ 0 };
}

static struct recent_slot *slot_at(const struct recent *r, uint32_t i)
{
	return &r->slots[(r->first + i) % RECENT_MAX];
}

static void free_body(struct outcome *o)
{
	mem_free((void *)(uintptr_t)o->body.data);
	o->body = (struct slice){ NULL, 0 };
}

void recent_done(struct recent *r)
{
	for (uint32_t i = 0; i < r->count; i++)
		free_body(&slot_at(r, i)->outcome);
	mem_free(r->slots);
	mem_free(r->heads);
	recent_init(r);
}

static uint16_t *chain_of(const struct recent *r, struct request_id id)
{
	uint64_t hash = (bytes_get_u64(id.bytes) ^ bytes_get_u64(id.bytes + 8)) *
			UINT64_C(0x9e3779b97f4a7c15);

	return &r->heads[(hash >> 32) % RECENT_MAX];
}

const struct outcome *recent_find(const struct recent *r, struct request_id id)
{
	if (r->count == 0)
		return NULL;
	for (uint16_t i = *chain_of(r, id); i; i = r->slots[i - 1].next) {
		if (memcmp(&r->slots[i - 1].id, &id, sizeof(id)) == 0)
			return &r->slots[i - 1].outcome;
	}
	return NULL;
}

static void drop_oldest(struct recent *r)
{
	struct recent_slot *oldest = slot_at(r, 0);
	uint16_t *link = chain_of(r, oldest->id);

	assert(r->count > 0);
	while (&r->slots[*link - 1] != oldest)
		link = &r->slots[*link - 1].next;
	*link = oldest->next;
	r->bytes -= oldest->outcome.body.len;
	free_body(&oldest->outcome);
	r->first = (r->first + 1) % RECENT_MAX;
	r->count--;
}

void recent_add(struct recent *r, struct request_id id, const struct outcome *outcome)
{
	struct recent_slot *slot;
	uint16_t *link;
	char *body = NULL;

	assert(!request_id_is_none(id) && outcome->body.len <= ENTRY_BODY_MAX);
	assert(!recent_find(r, id));
	if (!r->slots) {
		r->slots = mem_new(RECENT_MAX * sizeof(*r->slots));
		r->heads = mem_new(RECENT_MAX * sizeof(*r->heads));
	}
	if (outcome->body.len) {
		body = mem_new(outcome->body.len);
		memcpy(body, outcome->body.data, outcome->body.len);
	}
	while (r->count == RECENT_MAX ||
	       (r->count && r->bytes + outcome->body.len > RECENT_BYTES_MAX))
		drop_oldest(r);
	slot = slot_at(r, r->count++);
	link = chain_of(r, id);
	slot->id = id;
	slot->outcome = (struct outcome){ outcome->status, { body, outcome->body.len } };
	slot->next = *link;
	*link = (uint16_t)(slot - r->slots + 1);
	r->bytes += outcome->body.len;
}

const struct outcome *recent_at(const struct recent *r, uint32_t i, struct request_id *id)
{
	const struct recent_slot *slot = slot_at(r, i);

	assert(i < r->count);
	*id = slot->id;
	return &slot->outcome;
}
