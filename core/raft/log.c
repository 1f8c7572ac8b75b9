/*
 * The log in memory and the records of it. Three numbers cut it: base_index (what is before is
 * forgotten), snapshot_index (what is up to here our snapshot has; the entries are kept for
 * followers that are behind) and commit. Indexes count entries, numbers count WAL records.
 */
#include <assert.h>
#include <string.h>
#include "base/mem.h"
#include "private.h"

enum {
	ENTRIES_FIRST = 64,
	/* The part of it that one that does not lead keeps: it may be the next leader, and then a
	 * follower that is only a little behind must not need a whole snapshot. */
	KEEP_FOLLOWER = 16,
};

struct raft_entry *raft_log_at(const struct raft *r, uint64_t index)
{
	assert(index > r->base_index && index <= raft_last_index(r));
	return &r->entries[index - r->base_index - 1];
}

uint64_t raft_log_term(const struct raft *r, uint64_t index)
{
	return index == r->base_index ? r->base_term : raft_log_at(r, index)->term;
}

uint64_t raft_log_back(const struct raft *r, uint64_t from, uint64_t term)
{
	while (from > r->base_index && raft_log_term(r, from) > term)
		from--;
	return from;
}

/* The bytes are copied: a record's body lives for the call only. */
void raft_log_add(struct raft *r, const struct raft_entry *e)
{
	struct raft_entry copy = *e;
	uint64_t bytes = raft_entry_bytes(e);

	assert(e->index == raft_last_index(r) + 1);
	assert(e->term >= raft_log_term(r, raft_last_index(r)));
	if (r->count == r->capacity) {
		r->capacity = r->capacity ? r->capacity * 2 : ENTRIES_FIRST;
		r->entries = mem_resize(r->entries, r->capacity * sizeof(*r->entries));
	}
	copy.data = (struct slice){ 0 };
	if (e->data.len > 0) {
		char *data = mem_resize(NULL, e->data.len);

		memcpy(data, e->data.data, e->data.len);
		copy.data = (struct slice){ data, e->data.len };
	}
	r->entries[r->count++] = copy;
	r->tail_bytes += bytes;
	r->pending_bytes += bytes;
	if (e->kind == RAFT_CONFIG) {
		struct raft_config config;
		int err = raft_config_parse(copy.data, &config);

		assert(err == 0);
		raft_config_set(r, &config, e->index);
	}
}

static void data_free(struct raft_entry *e)
{
	mem_free((void *)(uintptr_t)e->data.data);
}

void raft_log_cut(struct raft *r, uint64_t index)
{
	assert(index > r->commit && index <= raft_last_index(r));
	while (raft_last_index(r) >= index) {
		struct raft_entry *e = &r->entries[--r->count];

		r->tail_bytes -= raft_entry_bytes(e);
		r->pending_bytes -= raft_entry_bytes(e);
		data_free(e);
	}
	if (r->durable_index >= index)
		r->durable_index = index - 1;
	if (r->verified >= index)
		r->verified = index - 1;
	if (r->config_index >= index) {
		struct raft_config config;

		uint64_t at = raft_config_at(r, raft_last_index(r), &config);

		raft_config_set(r, &config, at);
	}
}

void raft_log_reset(struct raft *r, uint64_t index, uint64_t term)
{
	for (uint32_t i = 0; i < r->count; i++)
		data_free(&r->entries[i]);
	r->count = 0;
	r->base_index = r->snapshot_index = r->commit = index;
	r->base_term = r->snapshot_term = term;
	r->base_bytes = r->tail_bytes = r->pending_bytes = 0;
	r->durable_index = index;
}

/* ---- records ------------------------------------------------------------------- */

/* The next number, for len bytes that the caller fills in. */
static uint8_t *record_new(struct raft *r, size_t len, struct raft_update *u)
{
	struct raft_append *a = arena_new(u->arena, sizeof(*a));
	char *body = arena_new(u->arena, len);

	assert(!r->failed);
	a->number = ++r->record_last;
	a->body = (struct slice){ body, len };
	*u->append_end = a;
	u->append_end = &a->next;
	return (uint8_t *)body;
}

void raft_hard_write(struct raft *r, struct raft_update *u)
{
	raft_hard_put(record_new(r, RAFT_HARD_LEN, u), r->hard);
	r->hard_record = r->record_last;
}

void raft_entry_write(struct raft *r, struct raft_entry *e, struct raft_update *u)
{
	uint8_t header[RAFT_ENTRY_HEADER_MAX];
	size_t n = raft_entry_put(header, e);
	uint8_t *body = record_new(r, n + e->data.len, u);

	memcpy(body, header, n);
	if (e->data.len > 0)
		memcpy(body + n, e->data.data, e->data.len);
	e->record = r->record_last;
	raft_log_add(r, e);
}

uint64_t raft_entry_new(struct raft *r, enum raft_kind kind, struct slice data,
			struct raft_update *u)
{
	struct raft_entry e = { .index = raft_last_index(r) + 1, .term = r->hard.term,
				.kind = kind, .data = data };

	raft_entry_write(r, &e, u);
	return e.index;
}

void raft_commit_to(struct raft *r, uint64_t index, struct raft_update *u)
{
	assert(index >= r->commit && index <= raft_last_index(r));
	for (uint64_t i = r->commit + 1; i <= index; i++)
		r->pending_bytes -= raft_entry_bytes(raft_log_at(r, i));
	u->committed_count += (uint32_t)(index - r->commit);
	r->commit = index;
}

/* ---- compaction ----------------------------------------------------------------- */

void raft_snapshot_meta(const struct raft *r, struct raft_snapshot *s)
{
	uint64_t next = r->record_last + 1;

	assert(r->commit > 0);
	if (raft_last_index(r) > r->commit)
		next = raft_log_at(r, r->commit + 1)->record;
	/* A record that is not durable may never come to be: its number may then not be asked
	 * for. The hard state is carried here, so its records below wal_keep may go. */
	if (next > r->durable + 1)
		next = r->durable + 1;
	*s = (struct raft_snapshot){
		.index = r->commit,
		.term = raft_log_term(r, r->commit),
		.hard = r->hard,
		.wal_keep = next,
	};
	(void)raft_config_at(r, r->commit, &s->config);
}

/* What a follower has for certain: what comes after it should be kept. */
static uint64_t needed_after(const struct raft_peer *p)
{
	return p->progress == RAFT_INSTALL ? p->install_index : p->match;
}

/* Up to where entries may be forgotten: those that a follower lacks stay if they fit. */
static uint64_t base_wanted(const struct raft *r)
{
	uint64_t keep = r->keep_bytes_max / (r->role == RAFT_LEADER ? 1 : KEEP_FOLLOWER);
	uint64_t bytes = r->base_bytes, base = r->base_index;
	uint64_t need = r->role == RAFT_LEADER ? r->snapshot_index : r->base_index;

	for (uint32_t i = 0; i < r->config.count; i++) {
		uint64_t after = needed_after(&r->peers[i]);

		/* One that is behind the base gets a snapshot anyway. */
		if (r->role != RAFT_LEADER || r->config.members[i].id == r->id)
			continue;
		if (after >= r->base_index && after < need)
			need = after;
	}
	if (r->config.count <= 1)
		need = r->snapshot_index;
	while (base < r->snapshot_index && (base < need || bytes > keep))
		bytes -= raft_entry_bytes(raft_log_at(r, ++base));
	return base;
}

void raft_compact(struct raft *r, uint64_t index)
{
	uint64_t base, moved = 0;
	uint32_t n;

	assert(index <= r->commit);
	if (index <= r->snapshot_index)
		return;
	(void)raft_config_at(r, index, &r->snapshot_config);
	r->snapshot_term = raft_log_term(r, index);
	for (uint64_t i = r->snapshot_index + 1; i <= index; i++)
		moved += raft_entry_bytes(raft_log_at(r, i));
	r->tail_bytes -= moved;
	r->base_bytes += moved;
	r->snapshot_index = index;
	if (r->durable_index < index)
		r->durable_index = index;

	base = base_wanted(r);
	n = (uint32_t)(base - r->base_index);
	r->base_term = raft_log_term(r, base);
	for (uint32_t i = 0; i < n; i++) {
		r->base_bytes -= raft_entry_bytes(&r->entries[i]);
		data_free(&r->entries[i]);
	}
	r->count -= n;
	memmove(r->entries, r->entries + n, r->count * sizeof(*r->entries));
	r->base_index = base;
	if (r->capacity > ENTRIES_FIRST && r->count < r->capacity / 4) {
		r->capacity /= 2;
		r->entries = mem_resize(r->entries, r->capacity * sizeof(*r->entries));
	}
	assert(raft_last_index(r) >= r->commit && r->base_index <= r->snapshot_index);
}
