/* Raft by direct steps, then by random runs against a disk that loses what was not synced. */
#include <string.h>
#include "base/err.h"
#include "base/mem.h"
#include "raft/raft.h"
#include "unit.h"

enum { DISK_MAX = 4096, STATE_MAX = 4096 };

/* A raft, its disk and what it has applied. */
struct node {
	struct raft raft;
	struct raft_update u;
	struct arena arena;
	struct slice disk[DISK_MAX];	/* heap; record number n is disk[n - 1] */
	uint64_t first, written, synced;
	struct raft_snapshot meta;	/* index 0 = none */
	uint64_t applied;
	uint64_t state[STATE_MAX];	/* of each index: its first data byte, or 256 + kind */
};

static void node_init(struct node *n)
{
	memset(n, 0, sizeof(*n));
	n->first = 1;
	arena_init(&n->arena);
	n->u.arena = &n->arena;
}

static void node_stop(struct node *n)
{
	raft_done(&n->raft);
	arena_reset(&n->arena);
}

static void node_done(struct node *n)
{
	node_stop(n);
	arena_done(&n->arena);
	for (size_t i = 0; i < DISK_MAX; i++)
		mem_free((void *)(uintptr_t)n->disk[i].data);
}

static uint64_t content(const struct raft_entry *e)
{
	return e->kind == RAFT_COMMAND && e->data.len ? (uint8_t)e->data.data[0] :
		256 + (uint64_t)e->kind;
}

/* Carries the update out: appends to the disk, applies, and checks on the way. */
static void take(struct node *n)
{
	for (struct raft_append *a = n->u.append; a; a = a->next) {
		char *copy = mem_new(a->body.len);

		CHECK(a->number == n->written + 1 && a->number <= DISK_MAX);
		memcpy(copy, a->body.data, a->body.len);
		mem_free((void *)(uintptr_t)n->disk[n->written].data);
		n->disk[n->written++] = (struct slice){ copy, a->body.len };
	}
	for (uint32_t i = 0; i < n->u.committed_count; i++) {
		const struct raft_entry *e = &n->u.committed[i];

		CHECK(e->index < STATE_MAX && e->record <= n->synced);
		CHECK(n->state[e->index] == 0 || n->state[e->index] == content(e));
		n->state[e->index] = content(e);
		n->applied = e->index;
	}
	CHECK_INT(n->raft.commit, n->applied);
}

static void node_sync(struct node *n)
{
	n->synced = n->written;
	raft_persisted(&n->raft, n->synced, &n->u);
	take(n);
}

static void node_load(struct node *n)
{
	raft_init(&n->raft, 7, n->written + 1);
	n->applied = n->meta.index;
	if (n->meta.index)
		raft_load_snapshot(&n->raft, &n->meta);
	for (uint64_t i = n->first; i <= n->written; i++)
		CHECK_INT(raft_load_record(&n->raft, i, n->disk[i - 1]), 0);
	n->synced = n->written;
}

static void node_start(struct node *n)
{
	node_load(n);
	CHECK_INT(raft_start(&n->raft, n->written, n->written ? RAFT_JOIN : RAFT_FOUND,
			     "me", &n->u), 0);
	take(n);
}

static void node_ready(struct node *n)
{
	node_start(n);
	node_sync(n);
	node_sync(n);
	CHECK(raft_is_ready(&n->raft));
}

TEST(a_new_swarm_of_one_is_ready_after_two_syncs)
{
	static struct node n;

	node_init(&n);
	node_start(&n);
	CHECK_INT(n.raft.role, RAFT_CANDIDATE);
	CHECK_INT(n.written, 2);	/* the configuration and the vote */
	CHECK_INT(n.raft.hard.term, 2);
	CHECK_INT(n.raft.hard.vote, 7);
	CHECK_INT(n.raft.deadline_ms, 0);
	node_sync(&n);
	CHECK_INT(n.raft.role, RAFT_LEADER);
	CHECK_INT(n.u.role_changed, 1);
	CHECK(!raft_is_ready(&n.raft));
	CHECK_INT(n.raft.commit, 0);	/* an older term's entry is not committed by count */
	node_sync(&n);
	CHECK(raft_is_ready(&n.raft));
	CHECK_INT(n.u.role_changed, 1);
	CHECK_INT(n.raft.commit, 2);
	CHECK_INT(n.u.committed_count, 2);
	CHECK_INT(n.u.committed[0].kind, RAFT_CONFIG);
	CHECK_INT(n.u.committed[1].kind, RAFT_NOOP);
	node_done(&n);
}

TEST(the_own_vote_does_not_count_before_it_is_durable)
{
	static struct node n;

	node_init(&n);
	node_start(&n);
	raft_persisted(&n.raft, 1, &n.u);	/* the configuration only */
	CHECK_INT(n.raft.role, RAFT_CANDIDATE);
	CHECK(!n.u.append);
	n.u.now_ms = 1 << 30;
	raft_tick(&n.raft, &n.u);
	CHECK_INT(n.raft.hard.term, 2);
	node_sync(&n);
	CHECK_INT(n.raft.role, RAFT_LEADER);
	node_done(&n);
}

TEST(a_command_is_committed_when_durable_and_not_before)
{
	static struct node n;
	uint64_t index = 0;

	node_init(&n);
	CHECK_INT(raft_is_ready(&n.raft), 0);
	node_ready(&n);
	CHECK_INT(raft_propose(&n.raft, SLICE("a"), &index, &n.u), 0);
	CHECK_INT(index, 3);
	CHECK_INT(n.u.committed_count, 0);
	take(&n);
	CHECK_INT(raft_propose(&n.raft, SLICE("b"), &index, &n.u), 0);
	take(&n);
	n.synced = n.written - 1;
	raft_persisted(&n.raft, n.synced, &n.u);
	CHECK_INT(n.u.committed_count, 1);
	CHECK(slice_is(n.u.committed[0].data, "a"));
	node_sync(&n);
	CHECK_INT(n.u.committed_count, 1);
	CHECK_INT(n.raft.commit, 4);
	CHECK_INT(n.raft.pending_bytes, 0);
	node_done(&n);
}

TEST(proposals_are_refused_until_ready_and_after_a_failed_write)
{
	static struct node n;
	uint64_t index = 77;

	node_init(&n);
	node_start(&n);
	CHECK_INT(raft_propose(&n.raft, SLICE("a"), &index, &n.u), ERR_UNAVAILABLE);
	node_sync(&n);
	CHECK_INT(raft_propose(&n.raft, SLICE("a"), &index, &n.u), ERR_UNAVAILABLE);
	node_sync(&n);
	CHECK_INT(raft_propose(&n.raft, SLICE("a"), &index, &n.u), 0);
	raft_disk_failed(&n.raft, &n.u);
	CHECK_INT(n.u.role_changed, 1);
	CHECK_INT(raft_propose(&n.raft, SLICE("b"), &index, &n.u), ERR_UNAVAILABLE);
	n.u.now_ms = 1 << 30;
	raft_tick(&n.raft, &n.u);
	CHECK_INT(n.raft.role, RAFT_FOLLOWER);
	CHECK(!n.u.append);
	node_done(&n);
}

TEST(limits_are_errors)
{
	static char big[RAFT_DATA_MAX + 1];
	static struct node n;
	uint64_t index;
	int err = 0, count = 0;

	node_init(&n);
	node_ready(&n);
	CHECK_INT(raft_propose(&n.raft, (struct slice){ big, sizeof(big) }, &index, &n.u),
		  ERR_LIMIT);
	while (err == 0 && count < 10) {
		err = raft_propose(&n.raft, (struct slice){ big, RAFT_DATA_MAX }, &index, &n.u);
		if (err == 0)
			take(&n);
		count += err == 0;
	}
	CHECK_INT(err, ERR_LIMIT);
	CHECK_INT(count, 3);
	for (int i = 0; i < 40; i++) {
		node_sync(&n);
		arena_reset(&n.arena);
		err = raft_propose(&n.raft, (struct slice){ big, RAFT_DATA_MAX }, &index, &n.u);
		if (err < 0)
			break;
		take(&n);
	}
	CHECK_INT(err, ERR_LIMIT);	/* no snapshot comes */
	CHECK(n.raft.tail_bytes <= RAFT_TAIL_BYTES_MAX);
	node_sync(&n);
	raft_compact(&n.raft, n.raft.commit);
	CHECK_INT(raft_propose(&n.raft, SLICE("x"), &index, &n.u), 0);
	take(&n);
	node_done(&n);
}

TEST(a_restart_keeps_what_was_committed_and_raises_the_term)
{
	static struct node n;
	uint64_t index;

	node_init(&n);
	node_ready(&n);
	CHECK_INT(raft_propose(&n.raft, SLICE("a"), &index, &n.u), 0);
	take(&n);
	node_sync(&n);
	node_stop(&n);
	node_start(&n);
	CHECK_INT(n.raft.hard.term, 3);
	CHECK_INT(n.raft.commit, 0);
	node_sync(&n);
	node_sync(&n);
	CHECK_INT(n.u.committed_count, 4);	/* with the new term's no-op, all before it */
	CHECK(slice_is(n.u.committed[2].data, "a"));
	CHECK_INT(n.raft.config.count, 1);
	CHECK_INT(n.raft.config.members[0].id, 7);
	node_done(&n);
}

static void node_snapshot(struct node *n)
{
	struct raft_snapshot meta;

	raft_snapshot_meta(&n->raft, &meta);
	CHECK(meta.wal_keep >= n->first && meta.wal_keep <= n->written + 1);
	n->meta = meta;
	n->first = meta.wal_keep;
	raft_compact(&n->raft, meta.index);
	CHECK_INT(n->raft.snapshot_index, meta.index);
}

TEST(compaction_keeps_what_is_needed_to_go_on)
{
	static struct node n;
	uint64_t index;

	node_init(&n);
	node_ready(&n);
	for (int i = 0; i < 10; i++) {
		CHECK_INT(raft_propose(&n.raft, SLICE("a"), &index, &n.u), 0);
		take(&n);
	}
	node_sync(&n);
	CHECK_INT(raft_propose(&n.raft, SLICE("tail"), &index, &n.u), 0);
	take(&n);
	CHECK_INT(raft_tail_count(&n.raft), 13);
	node_snapshot(&n);
	CHECK_INT(raft_tail_count(&n.raft), 1);
	CHECK_INT(n.meta.index, 12);
	CHECK_INT(n.meta.wal_keep, n.written);
	raft_compact(&n.raft, 5);
	CHECK_INT(n.raft.snapshot_index, 12);
	node_sync(&n);
	CHECK_INT(n.raft.commit, 13);
	node_stop(&n);
	node_start(&n);
	CHECK_INT(n.raft.hard.term, 3);		/* term and vote came from the snapshot */
	CHECK_INT(n.raft.commit, 12);
	node_sync(&n);
	node_sync(&n);
	CHECK_INT(n.u.committed_count, 2);
	CHECK(slice_is(n.u.committed[0].data, "tail"));
	node_done(&n);
}

TEST(a_whole_log_may_be_compacted_away)
{
	static struct node n;

	node_init(&n);
	node_ready(&n);
	node_snapshot(&n);
	CHECK_INT(n.meta.wal_keep, n.written + 1);
	node_stop(&n);
	node_ready(&n);
	CHECK_INT(n.raft.hard.term, 3);
	CHECK_INT(n.raft.commit, 3);
	CHECK_INT(n.u.committed_count, 1);
	node_done(&n);
}

TEST(missing_records_are_noticed)
{
	static struct node n;

	node_init(&n);
	node_ready(&n);
	node_stop(&n);
	raft_init(&n.raft, 7, 1);	/* no snapshot, and record 1 is not there */
	CHECK_INT(raft_load_record(&n.raft, 2, n.disk[1]), 0);
	CHECK_INT(raft_load_record(&n.raft, 3, n.disk[2]), ERR_CORRUPT);
	CHECK_INT(raft_start(&n.raft, 2, RAFT_JOIN, "", &n.u), ERR_CORRUPT);
	node_stop(&n);
	node_ready(&n);
	node_snapshot(&n);
	node_stop(&n);
	raft_init(&n.raft, 7, 1);	/* the snapshot, but the log begins anew */
	raft_load_snapshot(&n.raft, &n.meta);
	CHECK_INT(raft_start(&n.raft, 0, RAFT_JOIN, "", &n.u), ERR_CORRUPT);
	node_done(&n);
}

static int load_entry(struct raft *r, uint64_t number, struct raft_entry e)
{
	struct buf b;
	int err;

	buf_init(&b, RAFT_RECORD_MAX);
	raft_entry_build(&b, &e);
	err = raft_load_record(r, number, buf_slice(&b));
	buf_done(&b);
	return err;
}

static int load_noop(struct raft *r, uint64_t number, uint64_t index, uint64_t term)
{
	return load_entry(r, number, (struct raft_entry){ .index = index, .term = term,
							  .kind = RAFT_NOOP });
}

/* A term may be begun without a vote, and the vote be given later. */
TEST(the_last_vote_of_a_term_is_loaded)
{
	struct raft r;
	struct buf b;

	raft_init(&r, 7, 1);
	buf_init(&b, 100);
	for (uint64_t i = 1; i <= 3; i++) {
		buf_reset(&b);
		raft_hard_build(&b, (struct raft_hard){ i < 3 ? 5 : 4, i == 2 ? 9 : 0 });
		CHECK_INT(raft_load_record(&r, i, buf_slice(&b)), 0);
	}
	CHECK_INT(r.hard.term, 5);
	CHECK_INT(r.hard.vote, 9);
	buf_done(&b);
	raft_done(&r);
}

TEST(loading_replaces_overwritten_entries_and_refuses_gaps)
{
	struct raft r;

	raft_init(&r, 7, 1);
	CHECK_INT(load_noop(&r, 1, 1, 1), 0);
	CHECK_INT(load_noop(&r, 3, 2, 1), ERR_CORRUPT);
	CHECK_INT(load_noop(&r, 2, 3, 1), ERR_CORRUPT);
	CHECK_INT(load_noop(&r, 2, 2, 2), 0);
	CHECK_INT(load_noop(&r, 3, 3, 1), ERR_CORRUPT);
	CHECK_INT(load_noop(&r, 3, 3, 2), 0);
	CHECK_INT(load_noop(&r, 4, 2, 5), 0);
	CHECK_INT(raft_tail_count(&r), 2);
	CHECK_INT(r.hard.term, 5);
	CHECK_INT(raft_load_record(&r, 5, SLICE("?")), ERR_CORRUPT);
	raft_done(&r);
}

/* One random action. Whatever happens, take() has seen no committed entry change. */
static void act(struct node *n, struct rng *rng, uint64_t *acknowledged)
{
	char byte = (char)(rng_below(rng, 255) + 1);
	uint64_t index;

	switch (rng_below(rng, 8)) {
	case 0: case 1: case 2:
		if (raft_propose(&n->raft, (struct slice){ &byte, 1 }, &index, &n->u) == 0)
			take(n);
		break;
	case 3: case 4:
		node_sync(n);
		break;
	case 5:		/* the disk is slow: a part is durable */
		n->synced += rng_below(rng, n->written - n->synced + 1);
		raft_persisted(&n->raft, n->synced, &n->u);
		take(n);
		break;
	case 6:
		if (n->raft.commit > n->raft.snapshot_index && n->meta.index < n->raft.commit)
			node_snapshot(n);
		break;
	default:	/* power cut: what was not synced may be lost, from the end on */
		if (rng_chance(rng, 2, 3))
			break;
		n->written = n->synced + rng_below(rng, n->written - n->synced + 1);
		node_stop(n);
		node_start(n);
		break;
	}
	if (n->raft.commit > *acknowledged)
		*acknowledged = n->raft.commit;
}

TEST(nothing_committed_is_lost_or_changed_in_random_runs)
{
	static struct node n;

	for (uint64_t seed = 1; seed <= 200 && !unit_failed(); seed++) {
		uint64_t acknowledged = 0, term = 0;
		struct rng rng;

		rng_init(&rng, seed);
		node_init(&n);
		node_start(&n);
		for (int i = 0; i < 400 && !unit_failed(); i++) {
			act(&n, &rng, &acknowledged);
			CHECK(n.raft.hard.term >= term || n.raft.role != RAFT_LEADER);
			if (n.raft.role == RAFT_LEADER)
				term = n.raft.hard.term;
		}
		node_sync(&n);
		node_sync(&n);
		CHECK(raft_is_ready(&n.raft));
		CHECK(n.raft.commit >= acknowledged);
		CHECK_INT(n.raft.commit, n.applied);
		for (uint64_t i = 1; i <= n.raft.commit; i++)
			CHECK(n.state[i] != 0);
		node_done(&n);
	}
}
