/* Contracts and layouts are in record.h. */
#include "raft/record.h"
#include <assert.h>
#include <string.h>
#include "base/bytes.h"
#include "base/err.h"
#include "private.h"

enum {
	SNAPSHOT_FIXED = 41,	/* before the configuration */
	SNAPSHOT_TYPE = 3,
	CONFIG_FIXED = 4,
	MEMBER_FIXED = 10,	/* before the about */
};

/* Terms, indexes and record numbers of a log that lives: one more never overflows. */
static int is_number(uint64_t value)
{
	return value > 0 && value <= INT64_MAX;
}

static void put(struct buf *out, unsigned n, uint64_t value)
{
	uint8_t bytes[8];

	bytes_put(bytes, n, value);
	buf_add(out, bytes, n);
}

int raft_config_is_valid(const struct raft_config *c)
{
	uint64_t before = 0;
	int votes = 0;

	if (c->count == 0 || c->count > RAFT_MEMBERS_MAX)
		return 0;
	for (uint32_t i = 0; i < c->count; i++) {
		const struct raft_member *m = &c->members[i];

		if (m->id <= before || (m->votes != 0 && m->votes != 1))
			return 0;
		if (!memchr(m->about, 0, sizeof(m->about)))
			return 0;
		before = m->id;
		votes |= m->votes;
	}
	return votes;
}

void raft_hard_put(uint8_t bytes[RAFT_HARD_LEN], struct raft_hard hard)
{
	assert(hard.term > 0);
	bytes[0] = RAFT_RECORD_HARD;
	bytes_put(bytes + 1, 8, hard.term);
	bytes_put(bytes + 9, 8, hard.vote);
}

size_t raft_entry_put(uint8_t bytes[RAFT_ENTRY_HEADER_MAX], const struct raft_entry *e)
{
	size_t n = 2;

	assert(is_number(e->term) && is_number(e->index));
	assert(e->data.len <= RAFT_DATA_MAX);
	bytes[0] = RAFT_RECORD_ENTRY;
	bytes[1] = (uint8_t)e->kind;
	n += bytes_put_varint(bytes + n, e->term);
	return n + bytes_put_varint(bytes + n, e->index);
}

void raft_hard_build(struct buf *out, struct raft_hard hard)
{
	uint8_t bytes[RAFT_HARD_LEN];

	raft_hard_put(bytes, hard);
	buf_add(out, bytes, sizeof(bytes));
}

void raft_entry_build(struct buf *out, const struct raft_entry *e)
{
	uint8_t bytes[RAFT_ENTRY_HEADER_MAX];

	buf_add(out, bytes, raft_entry_put(bytes, e));
	buf_add_slice(out, e->data);
}

void raft_config_build(struct buf *out, const struct raft_config *c)
{
	assert(raft_config_is_valid(c));
	put(out, 4, c->count);
	for (uint32_t i = 0; i < c->count; i++) {
		const struct raft_member *m = &c->members[i];

		put(out, 8, m->id);
		put(out, 1, (uint64_t)m->votes);
		put(out, 1, strlen(m->about));
		buf_add_str(out, m->about);
	}
}

void raft_snapshot_build(struct buf *out, const struct raft_snapshot *s)
{
	assert(s->index > 0 && s->term > 0);
	assert(s->hard.term >= s->term && s->wal_keep > 0);
	put(out, 1, SNAPSHOT_TYPE);
	put(out, 8, s->index);
	put(out, 8, s->term);
	put(out, 8, s->hard.term);
	put(out, 8, s->hard.vote);
	put(out, 8, s->wal_keep);
	raft_config_build(out, &s->config);
}

static int entry_parse(const char *p, size_t len, struct raft_entry *entry)
{
	struct raft_entry e = { 0 };
	size_t at = 2, n;

	if (len < at)
		return ERR_CORRUPT;
	if (p[1] < RAFT_NOOP || p[1] > RAFT_CONFIG)
		return ERR_CORRUPT;
	e.kind = (enum raft_kind)p[1];
	n = bytes_get_varint(p + at, len - at, &e.term);
	if (n == 0 || !is_number(e.term))
		return ERR_CORRUPT;
	at += n;
	n = bytes_get_varint(p + at, len - at, &e.index);
	if (n == 0 || !is_number(e.index))
		return ERR_CORRUPT;
	at += n;
	e.data = (struct slice){ p + at, len - at };
	if (e.data.len > RAFT_DATA_MAX)
		return ERR_CORRUPT;
	if (e.kind == RAFT_NOOP && e.data.len > 0)
		return ERR_CORRUPT;
	*entry = e;
	return 0;
}

int raft_record_parse(struct slice bytes, struct raft_record *r)
{
	struct raft_record record = { 0 };

	if (bytes.len == 0)
		return ERR_CORRUPT;
	if (bytes.data[0] == RAFT_RECORD_ENTRY) {
		if (entry_parse(bytes.data, bytes.len, &record.entry) < 0)
			return ERR_CORRUPT;
		record.type = RAFT_RECORD_ENTRY;
	} else if (bytes.data[0] == RAFT_RECORD_HARD && bytes.len == RAFT_HARD_LEN) {
		record.type = RAFT_RECORD_HARD;
		record.hard.term = bytes_get_u64(bytes.data + 1);
		record.hard.vote = bytes_get_u64(bytes.data + 9);
		if (!is_number(record.hard.term))
			return ERR_CORRUPT;
	} else {
		return ERR_CORRUPT;
	}
	*r = record;
	return 0;
}

/* The member at p[0..len): its length, or ERR_CORRUPT. */
static int member_take(const char *p, size_t len, struct raft_member *m)
{
	size_t about;

	if (len < MEMBER_FIXED || (uint8_t)p[8] > 1)
		return ERR_CORRUPT;
	about = (uint8_t)p[9];
	if (about >= RAFT_ABOUT_MAX || len < MEMBER_FIXED + about)
		return ERR_CORRUPT;
	if (about > 0 && memchr(p + MEMBER_FIXED, 0, about))
		return ERR_CORRUPT;
	m->id = bytes_get_u64(p);
	m->votes = p[8];
	memcpy(m->about, p + MEMBER_FIXED, about);
	return (int)(MEMBER_FIXED + about);
}

int raft_config_take(struct slice bytes, struct raft_config *config)
{
	struct raft_config c = { 0 };
	size_t at = CONFIG_FIXED;

	if (bytes.len < CONFIG_FIXED)
		return ERR_CORRUPT;
	c.count = bytes_get_u32(bytes.data);
	if (c.count == 0 || c.count > RAFT_MEMBERS_MAX)
		return ERR_CORRUPT;
	for (uint32_t i = 0; i < c.count; i++) {
		int len = member_take(bytes.data + at, bytes.len - at, &c.members[i]);

		if (len < 0)
			return ERR_CORRUPT;
		at += (size_t)len;
	}
	if (!raft_config_is_valid(&c))
		return ERR_CORRUPT;
	*config = c;
	return (int)at;
}

int raft_config_parse(struct slice bytes, struct raft_config *c)
{
	struct raft_config config;
	int len = raft_config_take(bytes, &config);

	if (len < 0 || (size_t)len != bytes.len)
		return ERR_CORRUPT;
	*c = config;
	return 0;
}

int raft_snapshot_parse(struct slice *bytes, struct raft_snapshot *s)
{
	struct raft_snapshot snapshot = { 0 };
	const char *p = bytes->data;
	struct slice rest;
	int len;

	if (bytes->len < SNAPSHOT_FIXED || p[0] != SNAPSHOT_TYPE)
		return ERR_CORRUPT;
	snapshot.index = bytes_get_u64(p + 1);
	snapshot.term = bytes_get_u64(p + 9);
	snapshot.hard.term = bytes_get_u64(p + 17);
	snapshot.hard.vote = bytes_get_u64(p + 25);
	snapshot.wal_keep = bytes_get_u64(p + 33);
	rest = (struct slice){ p + SNAPSHOT_FIXED, bytes->len - SNAPSHOT_FIXED };
	len = raft_config_take(rest, &snapshot.config);
	if (len < 0 || !is_number(snapshot.index) || !is_number(snapshot.term))
		return ERR_CORRUPT;
	if (!is_number(snapshot.hard.term) || !is_number(snapshot.wal_keep))
		return ERR_CORRUPT;
	if (snapshot.hard.term < snapshot.term)
		return ERR_CORRUPT;
	*bytes = (struct slice){ rest.data + len, rest.len - (size_t)len };
	*s = snapshot;
	return 0;
}
