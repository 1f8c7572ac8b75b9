/* Raft's records and a raft that loads them. The input is taken as one record, one
 * configuration and one snapshot: what is accepted is written back byte for byte. Then as a
 * list of records (length u8, bytes) after an optional snapshot: a raft loads them, starts,
 * and, alone in its swarm, must come to lead. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include "raft/raft.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void must(int ok)
{
	if (!ok)
		abort();
}

static void record_again(struct slice in)
{
	struct raft_record r;
	struct buf b;

	if (raft_record_parse(in, &r) < 0)
		return;
	buf_init(&b, RAFT_RECORD_MAX);
	if (r.type == RAFT_RECORD_HARD)
		raft_hard_build(&b, r.hard);
	else
		raft_entry_build(&b, &r.entry);
	must(slice_equal(buf_slice(&b), in));
	buf_done(&b);
}

static void config_again(struct slice in)
{
	struct raft_config c;
	struct buf b;

	if (raft_config_parse(in, &c) < 0)
		return;
	buf_init(&b, RAFT_RECORD_MAX);
	raft_config_build(&b, &c);
	must(slice_equal(buf_slice(&b), in));
	buf_done(&b);
}

static void snapshot_again(struct slice in)
{
	struct raft_snapshot s;
	struct slice rest = in;
	struct buf b;

	if (raft_snapshot_parse(&rest, &s) < 0)
		return;
	buf_init(&b, RAFT_RECORD_MAX);
	raft_snapshot_build(&b, &s);
	buf_add_slice(&b, rest);
	must(slice_equal(buf_slice(&b), in));
	buf_done(&b);
}

static int votes_alone(const struct raft *r)
{
	const struct raft_member *self = raft_member(r, r->id);
	uint32_t voters = 0;

	for (uint32_t i = 0; i < r->config.count; i++)
		voters += r->config.members[i].votes != 0;
	return voters == 1 && self && self->votes;
}

/* Syncs until nothing is to be written. */
static void run(struct raft *r, struct raft_update *u)
{
	for (int i = 0; i < 4; i++)
		raft_persisted(r, r->record_last, u);
	if (!votes_alone(r)) {
		must(r->role != RAFT_LEADER);
		return;
	}
	must(raft_is_ready(r) && r->commit == r->snapshot_index + raft_tail_count(r));

	struct raft_snapshot s;

	raft_snapshot_meta(r, &s);
	must(s.wal_keep == r->record_last + 1);
	raft_compact(r, s.index);
	must(raft_tail_count(r) == 0 && r->tail_bytes == 0);
	must(r->count == 0 || r->config.count > 1);
}

static void load(struct slice in, enum raft_begin begin)
{
	struct raft_update u = { 0 };
	struct raft_snapshot s;
	struct arena arena;
	struct raft r;
	uint64_t number = 0;

	arena_init(&arena);
	u.arena = &arena;
	raft_init(&r, 1, 1);
	if (raft_snapshot_parse(&in, &s) == 0) {
		raft_load_snapshot(&r, &s);
		number = s.wal_keep - 1;
	}
	while (in.len > 0) {
		size_t n = (uint8_t)in.data[0];

		if (n > in.len - 1)
			break;
		if (raft_load_record(&r, number + 1, (struct slice){ in.data + 1, n }) == 0)
			number++;
		in.data += n + 1;
		in.len -= n + 1;
	}
	u.now_ms = 5;
	if (begin == RAFT_JOIN && r.hard.term == 0)
		begin = RAFT_FOUND;
	if (raft_start(&r, number, begin, "me", &u) == 0)
		run(&r, &u);
	raft_done(&r);
	arena_done(&arena);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct slice in = { (const char *)data, size };

	record_again(in);
	config_again(in);
	snapshot_again(in);
	load(in, RAFT_JOIN);
	load(in, RAFT_FORCE);
	return 0;
}
