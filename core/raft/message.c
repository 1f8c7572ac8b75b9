/* Contracts and layouts are in message.h. What is refused here need not be feared elsewhere:
 * numbers far from overflow, terms of entries in order, configurations that are whole. */
#include "raft/message.h"
#include <assert.h>
#include "base/bytes.h"
#include "base/err.h"
#include "private.h"

enum {
	ENTRY_FIXED = 13,	/* kind u8, term u64, length u32 */
};

/* A log that lives counts for ever from here without coming near to an overflow. */
#define NUMBER_MAX ((uint64_t)INT64_MAX / 2)

static void put(struct buf *out, unsigned n, uint64_t value)
{
	uint8_t bytes[8];

	bytes_put(bytes, n, value);
	buf_add(out, bytes, n);
}

static void entries_build(struct buf *out, const struct raft_message *m)
{
	put(out, 4, m->entry_count);
	for (uint32_t i = 0; i < m->entry_count; i++) {
		const struct raft_entry *e = &m->entries[i];
		uint8_t bytes[ENTRY_FIXED];

		assert(e->index == m->index + 1 + i && e->data.len <= RAFT_DATA_MAX);
		bytes[0] = (uint8_t)e->kind;
		bytes_put(bytes + 1, 8, e->term);
		bytes_put(bytes + 9, 4, e->data.len);
		buf_add(out, bytes, sizeof(bytes));
		buf_add_slice(out, e->data);
	}
}

void raft_message_build(struct buf *out, const struct raft_message *m)
{
	put(out, 1, m->type);
	put(out, 8, m->term);
	switch (m->type) {
	case RAFT_VOTE:
		put(out, 8, m->index);
		put(out, 8, m->log_term);
		put(out, 1, m->pre != 0);
		put(out, 1, m->transfer != 0);
		break;
	case RAFT_VOTE_REPLY:
		put(out, 1, m->pre != 0);
		put(out, 1, m->granted != 0);
		break;
	case RAFT_APPEND:
		put(out, 8, m->index);
		put(out, 8, m->log_term);
		put(out, 8, m->commit);
		put(out, 8, m->round);
		entries_build(out, m);
		break;
	case RAFT_APPEND_REPLY:
		put(out, 8, m->index);
		put(out, 8, m->log_term);
		put(out, 8, m->round);
		put(out, 1, m->granted != 0);
		break;
	case RAFT_SNAPSHOT:
		put(out, 8, m->index);
		put(out, 8, m->log_term);
		put(out, 8, m->offset);
		put(out, 1, m->more != 0);
		raft_config_build(out, &m->config);
		buf_add_slice(out, m->data);
		break;
	case RAFT_SNAPSHOT_REPLY:
		put(out, 8, m->index);
		put(out, 8, m->offset);
		put(out, 1, m->granted != 0);
		break;
	case RAFT_LEAD_NOW:
		break;
	}
}

/* What is not yet read; a read beyond the end or a value out of range fails it for good. */
struct reader {
	struct slice rest;
	int failed;
};

static uint64_t take(struct reader *in, unsigned n, uint64_t max)
{
	uint64_t value;

	if (in->failed || in->rest.len < n) {
		in->failed = 1;
		return 0;
	}
	value = bytes_get(in->rest.data, n);
	in->rest = (struct slice){ in->rest.data + n, in->rest.len - n };
	if (value > max)
		in->failed = 1;
	return value;
}

static uint64_t number(struct reader *in)
{
	return take(in, 8, NUMBER_MAX);
}

static int flag(struct reader *in)
{
	return (int)take(in, 1, 1);
}

static void entry_parse(struct reader *in, struct raft_entry *e)
{
	struct raft_config config;
	uint64_t len;

	e->kind = (enum raft_kind)take(in, 1, RAFT_CONFIG);
	e->term = number(in);
	len = take(in, 4, RAFT_DATA_MAX);
	if (in->failed || in->rest.len < len) {
		in->failed = 1;
		return;
	}
	e->data = (struct slice){ in->rest.data, (size_t)len };
	in->rest = (struct slice){ in->rest.data + len, in->rest.len - (size_t)len };
	if (e->kind < RAFT_NOOP || (e->kind == RAFT_NOOP && len > 0))
		in->failed = 1;
	if (e->kind == RAFT_CONFIG && raft_config_parse(e->data, &config) < 0)
		in->failed = 1;
}

static void entries_parse(struct arena *a, struct reader *in, struct raft_message *m)
{
	uint64_t count = take(in, 4, in->rest.len / ENTRY_FIXED);
	uint64_t term = m->log_term;
	struct raft_entry *entries;

	if (in->failed || count == 0)
		return;
	entries = arena_array(a, (size_t)count, sizeof(*entries));
	for (uint64_t i = 0; i < count && !in->failed; i++) {
		entries[i].index = m->index + 1 + i;
		entry_parse(in, &entries[i]);
		/* Terms in a log never go back, and a leader's are not above its own. */
		if (entries[i].term < term || entries[i].term > m->term || entries[i].term == 0)
			in->failed = 1;
		term = entries[i].term;
	}
	m->entries = entries;
	m->entry_count = (uint32_t)count;
}

/* An entry's place: index 0 is the beginning of the log, in term 0. */
static void place_parse(struct reader *in, struct raft_message *m)
{
	m->index = number(in);
	m->log_term = number(in);
	if (m->log_term > m->term || (m->index == 0) != (m->log_term == 0))
		in->failed = 1;
}

static void snapshot_parse(struct reader *in, struct raft_message *m)
{
	int len;

	place_parse(in, m);
	m->offset = number(in);
	m->more = flag(in);
	if (in->failed || m->index == 0) {
		in->failed = 1;
		return;
	}
	len = raft_config_take(in->rest, &m->config);
	if (len < 0 || in->rest.len - (size_t)len > RAFT_PIECE_MAX) {
		in->failed = 1;
		return;
	}
	m->data = (struct slice){ in->rest.data + len, in->rest.len - (size_t)len };
	in->rest = (struct slice){ 0 };
}

static void fields_parse(struct arena *a, struct reader *in, struct raft_message *m)
{
	switch (m->type) {
	case RAFT_VOTE:
		place_parse(in, m);
		m->pre = flag(in);
		m->transfer = flag(in);
		break;
	case RAFT_VOTE_REPLY:
		m->pre = flag(in);
		m->granted = flag(in);
		break;
	case RAFT_APPEND:
		place_parse(in, m);
		m->commit = number(in);
		m->round = number(in);
		entries_parse(a, in, m);
		break;
	case RAFT_APPEND_REPLY:
		place_parse(in, m);
		m->round = number(in);
		m->granted = flag(in);
		break;
	case RAFT_SNAPSHOT:
		snapshot_parse(in, m);
		break;
	case RAFT_SNAPSHOT_REPLY:
		m->index = number(in);
		m->offset = number(in);
		m->granted = flag(in);
		break;
	case RAFT_LEAD_NOW:
		break;
	}
}

int raft_message_parse(struct arena *a, struct slice bytes, struct raft_message *m)
{
	struct reader in = { .rest = bytes };
	struct raft_message message = { 0 };
	uint64_t type = take(&in, 1, RAFT_LEAD_NOW);

	message.term = number(&in);
	if (in.failed || type < RAFT_VOTE || message.term == 0 || bytes.len > RAFT_MESSAGE_MAX)
		return ERR_CORRUPT;
	message.type = (enum raft_message_type)type;
	fields_parse(a, &in, &message);
	if (in.failed || in.rest.len > 0)
		return ERR_CORRUPT;
	*m = message;
	return 0;
}
