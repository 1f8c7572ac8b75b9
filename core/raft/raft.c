/*
 * Contracts are in raft.h. Two things a reader would get wrong:
 * - what is written here is not durable yet: votes and matches move in raft_persisted only;
 * - indexes count entries, numbers count WAL records; hard states have only a number.
 */
#include "raft/raft.h"
#include <assert.h>
#include <string.h>
#include "base/buf.h"
#include "base/err.h"
#include "base/mem.h"

enum { ENTRIES_FIRST = 64 };

/* ---- the log in memory ---------------------------------------------------------- */

static uint64_t last_index(const struct raft *r)
{
	return r->snapshot_index + r->count;
}

static struct raft_entry *entry_at(const struct raft *r, uint64_t index)
{
	assert(index > r->snapshot_index && index <= last_index(r));
	return &r->entries[index - r->snapshot_index - 1];
}

static uint64_t term_at(const struct raft *r, uint64_t index)
{
	return index == r->snapshot_index ? r->snapshot_term : entry_at(r, index)->term;
}

static uint64_t entry_bytes(const struct raft_entry *e)
{
	return RAFT_ENTRY_HEADER + e->data.len;
}

/* The newest configuration at or below index: it counts from when it is in the log, not
 * from when it is committed (thesis 4.1). */
static struct raft_config config_at(const struct raft *r, uint64_t index)
{
	struct raft_config c = r->snapshot_config;

	for (uint64_t i = index; i > r->snapshot_index; i--) {
		const struct raft_entry *e = entry_at(r, i);

		if (e->kind != RAFT_CONFIG)
			continue;
		int err = raft_config_parse(e->data, &c);

		assert(err == 0);
		break;
	}
	return c;
}

/* Takes a copy of e to the end of the log. */
static void log_add(struct raft *r, const struct raft_entry *e)
{
	struct raft_entry copy = *e;

	assert(e->index == last_index(r) + 1 && e->term >= term_at(r, last_index(r)));
	if (r->count == r->capacity) {
		r->capacity = r->capacity ? r->capacity * 2 : ENTRIES_FIRST;
		r->entries = mem_resize(r->entries, r->capacity * sizeof(*r->entries));
	}
	if (e->data.len > 0) {
		char *data = mem_new(e->data.len);

		memcpy(data, e->data.data, e->data.len);
		copy.data.data = data;
	} else {
		copy.data = (struct slice){ 0 };
	}
	r->entries[r->count++] = copy;
	r->tail_bytes += entry_bytes(&copy);
	if (e->kind == RAFT_CONFIG)
		r->config = config_at(r, e->index);
}

static void entry_free(struct raft *r, struct raft_entry *e)
{
	assert(r->tail_bytes >= entry_bytes(e));
	r->tail_bytes -= entry_bytes(e);
	mem_free((void *)(uintptr_t)e->data.data);
}

/* Drops the entries from index on (thesis 3.5: a leader's entries replace others). */
static void log_cut(struct raft *r, uint64_t index)
{
	assert(index > r->commit);
	while (last_index(r) >= index)
		entry_free(r, &r->entries[--r->count]);
	r->config = config_at(r, last_index(r));
}

/* ---- what a call writes ----------------------------------------------------------- */

/* Role and readiness in one number, to see whether a call changed them. */
static int standing(const struct raft *r)
{
	return (int)r->role * 2 + raft_is_ready(r);
}

static int update_begin(const struct raft *r, struct raft_update *u)
{
	*u = (struct raft_update){ .arena = u->arena };
	return standing(r);
}

static void update_end(const struct raft *r, int before, struct raft_update *u)
{
	u->role_changed = standing(r) != before;
}

/* Gives the bytes in b the next number. */
static uint64_t record_add(struct raft *r, struct buf *b, struct raft_update *u)
{
	struct raft_append *a = arena_new(u->arena, sizeof(*a));
	struct raft_append **end = &u->append;

	assert(!b->failed && !r->failed);
	a->number = ++r->record_last;
	a->body = arena_copy(u->arena, buf_slice(b));
	while (*end)
		end = &(*end)->next;
	*end = a;
	buf_done(b);
	return a->number;
}

static uint64_t hard_write(struct raft *r, struct raft_update *u)
{
	struct buf b;

	buf_init(&b, RAFT_RECORD_MAX);
	raft_hard_build(&b, r->hard);
	return record_add(r, &b, u);
}

/* A new entry of our own at the end of the log. Returns its index. */
static uint64_t entry_write(struct raft *r, enum raft_kind kind, struct slice data,
			    struct raft_update *u)
{
	struct raft_entry e = { .index = last_index(r) + 1, .term = r->hard.term,
				.kind = kind, .data = data };
	struct buf b;

	buf_init(&b, RAFT_RECORD_MAX);
	raft_entry_build(&b, &e);
	e.record = record_add(r, &b, u);
	log_add(r, &e);
	r->pending_bytes += entry_bytes(&e);
	return e.index;
}

/* ---- elections and commits -------------------------------------------------------- */

static struct raft_peer *self(struct raft *r)
{
	for (uint32_t i = 0; i < r->config.count; i++) {
		if (r->config.voters[i] == r->id)
			return &r->peers[i];
	}
	return NULL;
}

static int is_alone(struct raft *r)
{
	return r->config.count == 1 && self(r);
}

static void deadline_draw(struct raft *r, uint64_t now_ms)
{
	r->deadline_ms = now_ms + RAFT_ELECTION_MS + rng_below(&r->rng, RAFT_ELECTION_MS);
}

/* Thesis 3.4. The vote for ourself is a promise like any other: it counts when its record
 * is durable (3.8), see raft_persisted. */
static void campaign(struct raft *r, uint64_t now_ms, struct raft_update *u)
{
	assert(self(r) && r->role != RAFT_LEADER);
	r->role = RAFT_CANDIDATE;
	r->hard = (struct raft_hard){ .term = r->hard.term + 1, .vote = r->id };
	r->vote_record = hard_write(r, u);
	memset(r->peers, 0, sizeof(r->peers));
	if (is_alone(r))
		r->deadline_ms = 0;	/* nobody can vote against us: only the disk is awaited */
	else
		deadline_draw(r, now_ms);
}

/* A new leader's no-op commits what earlier terms left behind (thesis 3.6.2) and shows that
 * nobody has a higher term (6.4). */
static void lead(struct raft *r, struct raft_update *u)
{
	assert(r->role == RAFT_CANDIDATE && r->hard.vote == r->id);
	r->role = RAFT_LEADER;
	r->deadline_ms = 0;
	r->leader_first = entry_write(r, RAFT_NOOP, (struct slice){ 0 }, u);
	assert(r->leader_first > r->commit);
}

static void votes_count(struct raft *r, struct raft_update *u)
{
	uint32_t votes = 0;

	for (uint32_t i = 0; i < r->config.count; i++)
		votes += r->peers[i].voted ? 1 : 0;
	if (votes > r->config.count / 2)
		lead(r, u);
}

/* The highest index that a majority of the voters has on disk. */
static uint64_t quorum_match(const struct raft *r)
{
	uint64_t best = 0;

	for (uint32_t i = 0; i < r->config.count; i++) {
		uint64_t match = r->peers[i].match;
		uint32_t have = 0;

		for (uint32_t j = 0; j < r->config.count; j++)
			have += r->peers[j].match >= match ? 1 : 0;
		if (have > r->config.count / 2 && match > best)
			best = match;
	}
	return best;
}

/* Only entries of the leader's own term are committed by counting; those before them come
 * along (thesis 3.6.2, figure 3.7). */
static void commit_advance(struct raft *r, struct raft_update *u)
{
	uint64_t to = quorum_match(r);

	if (to <= r->commit || term_at(r, to) != r->hard.term)
		return;
	u->committed = entry_at(r, r->commit + 1);
	u->committed_count = (uint32_t)(to - r->commit);
	for (uint32_t i = 0; i < u->committed_count; i++)
		r->pending_bytes -= entry_bytes(&u->committed[i]);
	r->commit = to;
}

/* ---- the face ---------------------------------------------------------------------- */

void raft_init(struct raft *r, uint64_t id, uint64_t seed)
{
	assert(id != 0);
	*r = (struct raft){ .id = id, .wal_keep = 1 };
	rng_init(&r->rng, seed);
}

void raft_done(struct raft *r)
{
	while (r->count > 0)
		entry_free(r, &r->entries[--r->count]);
	assert(r->tail_bytes == 0);
	mem_free(r->entries);
	*r = (struct raft){ 0 };
}

void raft_load_snapshot(struct raft *r, const struct raft_snapshot *s)
{
	assert(r->count == 0 && r->record_first == 0);
	r->snapshot_index = r->commit = s->index;
	r->snapshot_term = s->term;
	r->snapshot_config = r->config = s->config;
	r->hard = s->hard;
	r->wal_keep = s->wal_keep;
}

/* The snapshot may carry a newer hard state than the records after wal_keep tell. */
static void hard_load(struct raft *r, struct raft_hard hard)
{
	if (hard.term > r->hard.term)
		r->hard = hard;
	else if (hard.term == r->hard.term && r->hard.vote == 0)
		r->hard.vote = hard.vote;
}

static int entry_load(struct raft *r, const struct raft_entry *e)
{
	struct raft_config config;

	if (e->kind == RAFT_CONFIG && raft_config_parse(e->data, &config) < 0)
		return ERR_CORRUPT;
	hard_load(r, (struct raft_hard){ .term = e->term });
	if (e->index <= r->snapshot_index)
		return 0;
	if (e->index > last_index(r) + 1 || e->term < term_at(r, e->index - 1))
		return ERR_CORRUPT;
	if (e->index <= last_index(r))
		log_cut(r, e->index);
	log_add(r, e);
	return 0;
}

int raft_load_record(struct raft *r, uint64_t number, struct slice body)
{
	struct raft_record record;
	int err;

	if (number == 0 || (r->record_first != 0 && number != r->record_last + 1))
		return ERR_CORRUPT;
	err = raft_record_parse(body, &record);
	if (err < 0)
		return err;
	record.entry.record = number;
	if (record.type == RAFT_RECORD_HARD)
		hard_load(r, record.hard);
	else
		err = entry_load(r, &record.entry);
	if (err < 0)
		return err;
	if (r->record_first == 0)
		r->record_first = number;
	r->record_last = number;
	return 0;
}

/* The first entry of a new swarm makes its founder the only voter (thesis 4.4). */
static void found(struct raft *r, struct raft_update *u)
{
	struct raft_config c = { .count = 1, .voters = { r->id } };
	struct buf b;

	r->hard.term = 1;
	buf_init(&b, RAFT_RECORD_MAX);
	raft_config_build(&b, &c);
	entry_write(r, RAFT_CONFIG, buf_slice(&b), u);
	buf_done(&b);
}

int raft_start(struct raft *r, uint64_t record_last, uint64_t now_ms, struct raft_update *u)
{
	int before = update_begin(r, u);

	if (r->record_first == 0)
		r->record_last = record_last;
	assert(r->record_last == record_last && r->role == RAFT_FOLLOWER);
	/* Every number from wal_keep to the last must have been there. */
	if (r->wal_keep > record_last + 1)
		return ERR_CORRUPT;
	if (r->wal_keep < (r->record_first ? r->record_first : record_last + 1))
		return ERR_CORRUPT;
	r->durable = record_last;
	r->pending_bytes = r->tail_bytes;
	if (r->snapshot_index == 0 && r->hard.term == 0)
		found(r, u);
	if (is_alone(r))
		campaign(r, now_ms, u);
	else if (self(r))
		deadline_draw(r, now_ms);
	update_end(r, before, u);
	return 0;
}

void raft_tick(struct raft *r, uint64_t now_ms, struct raft_update *u)
{
	int before = update_begin(r, u);

	if (r->deadline_ms != 0 && now_ms >= r->deadline_ms)
		campaign(r, now_ms, u);
	update_end(r, before, u);
}

void raft_persisted(struct raft *r, uint64_t upto, struct raft_update *u)
{
	int before = update_begin(r, u);

	assert(upto >= r->durable && upto <= r->record_last);
	if (r->failed)
		return;
	r->durable = upto;
	if (r->role == RAFT_CANDIDATE && upto >= r->vote_record) {
		self(r)->voted = 1;
		votes_count(r, u);
	}
	if (r->role == RAFT_LEADER) {
		struct raft_peer *own = self(r);

		/* Records are in the order of indexes, so what is durable is a prefix. */
		if (own->match < r->snapshot_index)
			own->match = r->snapshot_index;
		while (own->match < last_index(r) && entry_at(r, own->match + 1)->record <= upto)
			own->match++;
		commit_advance(r, u);
	}
	update_end(r, before, u);
}

void raft_disk_failed(struct raft *r, struct raft_update *u)
{
	int before = update_begin(r, u);

	r->failed = 1;
	r->role = RAFT_FOLLOWER;
	r->deadline_ms = 0;
	update_end(r, before, u);
}

int raft_propose(struct raft *r, struct slice data, uint64_t *index, struct raft_update *u)
{
	int before = update_begin(r, u);
	uint64_t bytes = RAFT_ENTRY_HEADER + (uint64_t)data.len;

	if (!raft_is_ready(r))
		return ERR_UNAVAILABLE;
	if (data.len > RAFT_DATA_MAX || r->pending_bytes + bytes > RAFT_PENDING_BYTES_MAX)
		return ERR_LIMIT;
	if (r->tail_bytes + bytes > RAFT_TAIL_BYTES_MAX)
		return ERR_LIMIT;
	*index = entry_write(r, RAFT_COMMAND, data, u);
	assert(*index > r->commit);
	update_end(r, before, u);
	return 0;
}

int raft_is_ready(const struct raft *r)
{
	return r->role == RAFT_LEADER && r->commit >= r->leader_first;
}

uint32_t raft_tail_count(const struct raft *r)
{
	return r->count;
}

void raft_snapshot_meta(const struct raft *r, struct raft_snapshot *s)
{
	uint64_t next = r->record_last + 1;

	if (last_index(r) > r->commit)
		next = entry_at(r, r->commit + 1)->record;
	/* A record that is not durable may never come to be: its number may then not be asked
	 * for. The hard state is carried here, so its records below wal_keep may go. */
	if (next > r->durable + 1)
		next = r->durable + 1;
	*s = (struct raft_snapshot){
		.index = r->commit,
		.term = term_at(r, r->commit),
		.hard = r->hard,
		.wal_keep = next,
		.config = config_at(r, r->commit),
	};
}

void raft_compact(struct raft *r, uint64_t index)
{
	uint32_t n;

	assert(index <= r->commit);
	if (index <= r->snapshot_index)
		return;
	r->snapshot_config = config_at(r, index);
	r->snapshot_term = term_at(r, index);
	n = (uint32_t)(index - r->snapshot_index);
	for (uint32_t i = 0; i < n; i++)
		entry_free(r, &r->entries[i]);
	r->count -= n;
	memmove(r->entries, r->entries + n, r->count * sizeof(*r->entries));
	r->snapshot_index = index;
	assert(last_index(r) >= r->commit);
}
