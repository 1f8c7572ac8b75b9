/* Snapshots on their way (thesis 5), compaction that thinks of followers, and what a start makes of
 * what is on disk. */
#include <string.h>
#include "base/buf.h"
#include "base/err.h"
#include "raft_cluster.h"
#include "raft_solo.h"
#include "unit.h"

#define MESSAGE(...) ((struct raft_message){ __VA_ARGS__ })
#define HAS(t, i, l) \
	MESSAGE(.type = RAFT_APPEND_REPLY, .term = (t), .index = (i), .log_term = (l), \
		.granted = 1)
#define REFUSES(t, i, l) \
	MESSAGE(.type = RAFT_APPEND_REPLY, .term = (t), .index = (i), .log_term = (l))
#define WANTS(t, i, o) \
	MESSAGE(.type = RAFT_SNAPSHOT_REPLY, .term = (t), .index = (i), .offset = (o))
#define PIECE(t, i, l, o, text, m) \
	MESSAGE(.type = RAFT_SNAPSHOT, .term = (t), .index = (i), .log_term = (l), .offset = (o), \
		.data = SLICE(text), .more = (m), \
		.config = { .count = 2, .members = { { 1, 1, "" }, { 2, 1, "" } } })

/* ---- the leader's side ------------------------------------------------------------------ */

static const char *piece(struct solo *s, uint64_t index, uint64_t offset, struct slice data,
			 int more)
{
	struct raft_want w = { .peer = 3, .index = index, .offset = offset };

	s->u.now_ms = s->now;
	raft_piece(&s->raft, &w, data, more, &s->u);
	return solo_said(s);
}

/* Leader of 1, 2, 3 in term 2 with 9 entries, all committed and in a snapshot; 3 has the first
 * only, and nothing is kept for it. */
static void lead_far_ahead(struct solo *s)
{
	struct raft_snapshot meta;

	solo_init(s, "1 2 3", "1 1 1 1 1 1 1 1", 1, 0);
	s->raft.keep_bytes_max = 0;
	solo_lead(s);
	raft_snapshot_meta(&s->raft, &meta);
	CHECK_INT(meta.index, 9);
	raft_compact(&s->raft, meta.index);
	CHECK_INT(s->raft.base_index, 9);
	(void)solo_receive(s, 3, REFUSES(2, 1, 1));
}

TEST(one_that_is_far_behind_gets_the_snapshot_piece_by_piece)
{
	struct solo s;
	uint64_t index;

	lead_far_ahead(&s);
	CHECK_STR(solo_flush(&s), "want 3 9 0");
	CHECK_INT(raft_peer(&s.raft, 3)->progress, RAFT_INSTALL);
	CHECK_STR(solo_flush(&s), "");
	CHECK_STR(piece(&s, 9, 5, SLICE("?"), 1), "");	/* not what was wanted */
	CHECK_STR(piece(&s, 8, 0, SLICE("?"), 1), "");
	CHECK_STR(piece(&s, 9, 0, SLICE("abc"), 1), "3: snapshot 2 9/2 0+3; want 3 9 3");
	CHECK_INT(s.u.send->message.config.count, 3);
	CHECK_STR(piece(&s, 9, 0, SLICE("abc"), 1), "");
	CHECK_INT(raft_propose(&s.raft, SLICE("x"), &index, &s.u), 0);
	CHECK_STR(solo_flush(&s), "2: append 2 9/2 +1 commit 9");
	CHECK_STR(solo_receive(&s, 3, WANTS(2, 9, 0)), "");
	CHECK_STR(solo_receive(&s, 3, WANTS(2, 7, 3)), "");
	CHECK_STR(solo_receive(&s, 3, WANTS(2, 9, 3)), "");
	CHECK_STR(piece(&s, 9, 3, SLICE("de"), 0), "3: snapshot 2 9/2 3+2 last");
	/* Meanwhile it is told who leads, and its word counts. */
	CHECK_STR(solo_tick(&s, RAFT_HEARTBEAT_MS),
		  "2: append 2 10/2 +0 commit 9; 3: append 2 0/0 +0 commit 9");
	CHECK_STR(solo_receive(&s, 3, HAS(2, 1, 1)), "");
	CHECK_INT(raft_peer(&s.raft, 3)->progress, RAFT_INSTALL);
	CHECK_STR(solo_receive(&s, 3, MESSAGE(.type = RAFT_SNAPSHOT_REPLY, .term = 2, .index = 9,
					      .granted = 1)), "");
	CHECK_INT(raft_peer(&s.raft, 3)->match, 9);
	CHECK_STR(solo_flush(&s), "3: append 2 9/2 +1 commit 9");
	solo_done(&s);
}

TEST(a_piece_that_is_lost_is_sent_again)
{
	struct solo s;

	lead_far_ahead(&s);
	CHECK_STR(solo_flush(&s), "want 3 9 0");
	(void)piece(&s, 9, 0, SLICE("abc"), 1);
	for (int i = 0; i < RAFT_ELECTION_MS / RAFT_HEARTBEAT_MS - 1; i++) {
		(void)solo_tick(&s, RAFT_HEARTBEAT_MS);
		CHECK(!s.u.want);
		(void)solo_receive(&s, 2, HAS(2, 9, 2));
	}
	(void)solo_tick(&s, RAFT_HEARTBEAT_MS);
	CHECK(s.u.want && s.u.want->offset == 0 && s.u.want->index == 9);
	CHECK_STR(piece(&s, 9, 0, SLICE("abc"), 1), "3: snapshot 2 9/2 0+3; want 3 9 3");
	CHECK_STR(piece(&s, 9, 3, SLICE("de"), 1), "3: snapshot 2 9/2 3+2; want 3 9 5");
	CHECK_STR(solo_receive(&s, 3, WANTS(2, 9, 3)), "");
	/* A new connection goes on with what is not known to be stored. */
	CHECK_STR(solo_down(&s, 3), "");
	CHECK_STR(piece(&s, 9, 5, SLICE("fg"), 1), "");
	CHECK_STR(solo_up(&s, 3), "");
	CHECK_STR(solo_flush(&s), "want 3 9 3");
	CHECK_STR(piece(&s, 9, 3, SLICE("de"), 1), "3: snapshot 2 9/2 3+2; want 3 9 5");
	/* The follower has lost what it had, or has more than we know. */
	CHECK_STR(solo_receive(&s, 3, WANTS(2, 9, 0)), "want 3 9 0");
	CHECK_STR(solo_receive(&s, 3, WANTS(2, 9, 7)), "want 3 9 7");
	solo_done(&s);
}

TEST(pieces_are_sent_ahead_of_what_is_stored_within_a_limit)
{
	static char data[RAFT_PIECE_MAX];
	uint64_t offset = 0;
	struct solo s;

	lead_far_ahead(&s);
	CHECK_STR(solo_flush(&s), "want 3 9 0");
	for (; offset < RAFT_INSTALL_BYTES_MAX; offset += RAFT_PIECE_MAX) {
		CHECK(s.u.want && s.u.want->offset == offset);
		(void)piece(&s, 9, offset, (struct slice){ data, RAFT_PIECE_MAX }, 1);
		CHECK(s.u.send != NULL);
	}
	CHECK(!s.u.want);
	CHECK_STR(solo_receive(&s, 3, WANTS(2, 9, RAFT_PIECE_MAX)), "want 3 9 2097152");
	(void)piece(&s, 9, offset, (struct slice){ data, 5 }, 0);
	CHECK(!s.u.want);
	CHECK_STR(solo_receive(&s, 3, WANTS(2, 9, 4 * RAFT_PIECE_MAX)), "");	/* all is sent */
	solo_done(&s);
}

TEST(an_old_snapshot_goes_on_until_it_cannot_be_read)
{
	struct solo s;
	uint64_t index;

	lead_far_ahead(&s);
	CHECK_STR(solo_flush(&s), "want 3 9 0");
	(void)piece(&s, 9, 0, SLICE("abc"), 1);
	CHECK_INT(raft_propose(&s.raft, SLICE("x"), &index, &s.u), 0);
	(void)solo_flush(&s);
	(void)solo_persisted(&s);
	(void)solo_receive(&s, 2, HAS(2, 10, 2));
	s.raft.keep_bytes_max = 1000;
	raft_compact(&s.raft, 10);
	CHECK_INT(s.raft.base_index, 9);	/* what comes after it is kept */
	CHECK_STR(piece(&s, 9, 3, SLICE("de"), 1), "3: snapshot 2 9/2 3+2; want 3 9 5");
	CHECK_STR(solo_receive(&s, 3, WANTS(2, 9, 5)), "");
	CHECK_STR(piece(&s, 9, 5, (struct slice){ 0 }, 1), "");
	CHECK_STR(solo_tick(&s, RAFT_HEARTBEAT_MS), "2: append 2 10/2 +0 commit 10; "
		  "3: append 2 0/0 +0 commit 10; want 3 10 0");
	CHECK_STR(piece(&s, 10, 0, (struct slice){ 0 }, 0), "3: snapshot 2 10/2 0+0 last");
	solo_done(&s);
}

TEST(entries_that_followers_lack_are_kept_within_a_limit)
{
	struct raft_snapshot meta;
	struct solo s;
	uint64_t index;

	solo_init(&s, "1 2 3", "1 1 1 1 1 1 1 1", 1, 0);
	s.raft.keep_bytes_max = 5 * (RAFT_ENTRY_HEADER_MAX + 1);
	solo_lead(&s);
	(void)solo_receive(&s, 3, HAS(2, 7, 1));
	raft_snapshot_meta(&s.raft, &meta);
	raft_compact(&s.raft, meta.index);
	CHECK_INT(s.raft.snapshot_index, 9);
	CHECK_INT(s.raft.base_index, 7);	/* 3 lacks 8 and 9 */
	CHECK_INT(raft_tail_count(&s.raft), 0);
	CHECK_INT(s.raft.tail_bytes, 0);
	for (int i = 0; i < 10; i++)
		CHECK_INT(raft_propose(&s.raft, SLICE("x"), &index, &s.u), 0);
	(void)solo_flush(&s);
	(void)solo_persisted(&s);
	(void)solo_receive(&s, 2, HAS(2, 19, 2));
	CHECK_INT(raft_tail_count(&s.raft), 10);
	raft_compact(&s.raft, 19);
	CHECK_INT(s.raft.base_index, 14);	/* 3 lacks more than that, but no more is kept */
	(void)solo_receive(&s, 3, HAS(2, 19, 2));
	CHECK_INT(raft_propose(&s.raft, SLICE("x"), &index, &s.u), 0);
	(void)solo_flush(&s);
	(void)solo_persisted(&s);
	(void)solo_receive(&s, 2, HAS(2, 20, 2));
	(void)solo_receive(&s, 3, HAS(2, 20, 2));
	raft_compact(&s.raft, 20);
	CHECK_INT(s.raft.base_index, 20);	/* nobody lacks anything */
	solo_done(&s);
}

/* ---- the follower's side ------------------------------------------------------------------- */

static const char *stored(struct solo *s, uint64_t index, uint64_t next)
{
	s->u.now_ms = s->now;
	raft_stored(&s->raft, index, next, &s->u);
	return solo_said(s);
}

TEST(pieces_are_taken_in_order_and_asked_for_by_offset)
{
	struct raft_snapshot meta;
	struct raft_message first = PIECE(5, 9, 4, 0, "abc", 1);
	struct solo s;

	solo_init(&s, "1 2 3", "1 1 2", 5, 0);
	CHECK_STR(solo_receive(&s, 2, PIECE(5, 9, 4, 3, "de", 1)), "2: wants 5 9 0; role");
	CHECK_STR(solo_receive(&s, 2, first), "piece 0");
	raft_install_meta(&s.raft, &first, &meta);
	CHECK_INT(meta.wal_keep, 5);
	CHECK_INT(meta.hard.term, 5);
	CHECK(meta.index == 9 && meta.term == 4 && meta.config.count == 2);
	CHECK_STR(solo_receive(&s, 2, first), "2: wants 5 9 0");	/* it is being stored */
	CHECK_STR(solo_receive(&s, 2, PIECE(5, 9, 4, 3, "de", 1)), "piece 3");
	CHECK_STR(stored(&s, 8, 3), "");
	CHECK_STR(stored(&s, 9, 7), "");
	CHECK_STR(stored(&s, 9, 3), "2: wants 5 9 3");
	CHECK_STR(stored(&s, 9, 3), "");
	CHECK_STR(solo_receive(&s, 2, first), "2: wants 5 9 3");
	CHECK_STR(solo_receive(&s, 2, PIECE(5, 9, 4, 7, "hi", 1)), "2: wants 5 9 3");
	CHECK_STR(solo_receive(&s, 2, PIECE(5, 9, 4, 5, "", 1)), "");	/* nothing in it */
	CHECK_STR(solo_receive(&s, 2, PIECE(5, 9, 4, 5, "f", 0)), "piece 5");
	CHECK_STR(solo_receive(&s, 2, PIECE(5, 9, 4, 6, "g", 0)), "2: wants 5 9 3");
	CHECK_STR(stored(&s, 9, 5), "2: wants 5 9 5");
	raft_installed(&s.raft, &meta, &s.u);
	CHECK_STR(solo_said(&s), "2: installed 5 9 0; config");
	CHECK_INT(s.raft.commit, 9);
	CHECK_INT(s.raft.snapshot_index, 9);
	CHECK_INT(raft_tail_count(&s.raft), 0);
	CHECK_INT(s.raft.config.count, 2);
	CHECK_STR(solo_receive(&s, 2, solo_append(&s, 5, 9, 4, "5")), "entry 10/5");
	CHECK_STR(solo_persisted(&s), "2: has 5 10/5");
	solo_done(&s);
}

TEST(a_snapshot_of_what_is_there_is_acknowledged_as_entries)
{
	struct solo s;

	solo_init(&s, "1 2 3", "1 1 2", 5, 0);
	CHECK_STR(solo_receive(&s, 2, PIECE(5, 2, 1, 0, "abc", 1)), "2: has 5 2/1; role");
	CHECK_STR(solo_receive(&s, 2, PIECE(5, 3, 2, 0, "abc", 1)), "2: has 5 3/2");
	CHECK_STR(solo_receive(&s, 2, PIECE(5, 3, 3, 0, "abc", 1)), "piece 0");	/* not ours */
	solo_done(&s);
}

TEST(entries_that_overtake_a_snapshot_end_it)
{
	struct solo s;

	solo_init(&s, "1 2 3", "1 1 2", 5, 0);
	(void)solo_receive(&s, 2, PIECE(5, 9, 4, 0, "abc", 1));
	CHECK_STR(solo_receive(&s, 2, solo_append(&s, 5, 3, 2, "")), "2: has 5 3/2");
	CHECK_STR(solo_receive(&s, 2, solo_append(&s, 5, 3, 2, "4 4")),
		  "entry 4/4; entry 5/4; drop");
	CHECK_STR(stored(&s, 9, 3), "");
	/* A newer one replaces it; the leader of another term begins anew. */
	CHECK_STR(solo_receive(&s, 2, PIECE(5, 9, 4, 0, "abc", 1)), "piece 0");
	CHECK_STR(stored(&s, 9, 3), "2: wants 5 9 3");
	CHECK_STR(solo_receive(&s, 2, PIECE(5, 12, 5, 0, "abc", 1)), "piece 0");
	CHECK_STR(stored(&s, 12, 3), "2: wants 5 12 3");
	CHECK_STR(solo_receive(&s, 3, PIECE(6, 12, 5, 3, "abc", 1)), "hard 6/0; role");
	CHECK_STR(solo_persisted(&s), "");
	CHECK_STR(solo_receive(&s, 3, PIECE(6, 12, 5, 3, "abc", 1)), "3: wants 6 12 0");
	CHECK_STR(solo_receive(&s, 3, PIECE(6, 12, 5, 0, "xyz", 1)), "piece 0");
	solo_done(&s);
}

/* With the last piece the file is ours, and says that the log begins at wal_keep: the log must
 * have come so far. */
TEST(the_last_piece_waits_for_the_log)
{
	struct solo s;

	solo_init(&s, "1 2 3", "1 1 2", 5, 0);
	CHECK_STR(solo_receive(&s, 2, solo_append(&s, 5, 3, 2, "4")), "entry 4/4; role");
	CHECK_STR(solo_receive(&s, 2, PIECE(5, 9, 4, 0, "abc", 0)), "");
	CHECK_STR(solo_persisted(&s), "2: has 5 4/4");
	CHECK_STR(solo_receive(&s, 2, PIECE(5, 9, 4, 0, "abc", 0)), "piece 0");
	solo_done(&s);
}

/* The term may go on while the last piece is being stored: what its meta says of it is old. */
TEST(an_installed_snapshot_takes_no_term_back)
{
	struct raft_message first = PIECE(5, 9, 4, 0, "abc", 0);
	struct raft_snapshot meta;
	struct solo s;

	solo_init(&s, "1 2 3", "1 1 2", 5, 0);
	CHECK_STR(solo_receive(&s, 2, first), "piece 0; role");
	raft_install_meta(&s.raft, &first, &meta);
	CHECK_STR(solo_receive(&s, 3, MESSAGE(.type = RAFT_VOTE, .term = 7, .index = 9,
					      .log_term = 4, .transfer = 1)), "hard 7/3; role");
	raft_installed(&s.raft, &meta, &s.u);
	CHECK_STR(solo_said(&s), "config");	/* there is no leader to be told */
	CHECK_INT(s.raft.hard.term, 7);
	CHECK_INT(s.raft.hard.vote, 3);
	CHECK_INT(s.raft.commit, 9);
	CHECK_STR(solo_persisted(&s), "3: yes 7");
	raft_installed(&s.raft, &meta, &s.u);	/* again: nothing */
	CHECK_STR(solo_said(&s), "");
	solo_done(&s);
}

TEST(a_new_leader_has_no_use_for_what_it_was_receiving)
{
	struct raft_message yes = { .type = RAFT_VOTE_REPLY, .term = 6, .granted = 1, .pre = 1 };
	struct solo s;

	solo_init(&s, "1 2 3", "1 1 2", 5, 0);
	(void)solo_receive(&s, 2, PIECE(5, 9, 4, 0, "abc", 1));
	(void)solo_tick(&s, 2 * RAFT_ELECTION_MS);
	(void)solo_receive(&s, 3, yes);
	(void)solo_persisted(&s);
	yes.pre = 0;
	CHECK_STR(solo_receive(&s, 3, yes), "entry 4/6; drop; role");
	solo_done(&s);
}

/* ---- starts ------------------------------------------------------------------- */

static void load(struct raft *r, uint64_t number, struct raft_entry e, int want)
{
	struct buf b;

	buf_init(&b, RAFT_RECORD_MAX);
	raft_entry_build(&b, &e);
	CHECK_INT(raft_load_record(r, number, buf_slice(&b)), want);
	buf_done(&b);
}

/* A snapshot was installed over a log with other entries. What is below wal_keep must not come
 * back, even where it seems to follow the snapshot. */
TEST(stale_records_below_an_installed_snapshot_stay_away)
{
	struct raft_snapshot meta = { .index = 5, .term = 3, .hard = { 4, 2 }, .wal_keep = 4,
				      .config = { .count = 1, .members = { { 2, 1, "" } } } };
	struct raft_update u = { 0 };
	struct arena arena;
	struct raft r;

	arena_init(&arena);
	u.arena = &arena;
	raft_init(&r, 1, 1);
	raft_load_snapshot(&r, &meta);
	load(&r, 1, (struct raft_entry){ .index = 5, .term = 2, .kind = RAFT_NOOP }, 0);
	load(&r, 2, (struct raft_entry){ .index = 6, .term = 9, .kind = RAFT_NOOP }, 0);
	load(&r, 3, (struct raft_entry){ .index = 99, .term = 9, .kind = RAFT_NOOP }, 0);
	CHECK_INT(raft_tail_count(&r), 0);
	CHECK_INT(r.hard.term, 4);
	load(&r, 4, (struct raft_entry){ .index = 6, .term = 4, .kind = RAFT_NOOP }, 0);
	CHECK_INT(raft_tail_count(&r), 1);
	CHECK_INT(raft_start(&r, 4, RAFT_JOIN, "", &u), 0);
	CHECK_INT(r.commit, 5);
	raft_done(&r);
	arena_done(&arena);
}

/* A follower's entries were replaced, and it took a snapshot before the new ones were durable: the
 * records that must be kept begin between the old ones. (Seed 5516 of the random test.) */
TEST(a_snapshot_between_an_entry_and_the_one_that_replaces_it_can_be_loaded)
{
	struct raft_snapshot meta;
	struct solo s;
	struct raft r;

	solo_init(&s, "1 2 3", "1", 5, 0);	/* records 1 and 2 */
	(void)solo_receive(&s, 2, solo_append(&s, 5, 1, 1, "5 5"));	/* 3 and 4 */
	raft_persisted(&s.raft, 3, &s.u);
	(void)solo_receive(&s, 3, solo_append(&s, 6, 1, 1, "6"));	/* 5: term, 6: entry 2 */
	CHECK_INT(s.raft.record_last, 6);
	{
		struct raft_message m = solo_append(&s, 6, 1, 1, "");

		m.commit = 1;
		CHECK_STR(solo_receive(&s, 3, m), "commit 1");
	}
	raft_snapshot_meta(&s.raft, &meta);
	CHECK_INT(meta.index, 1);
	CHECK_INT(meta.wal_keep, 4);
	CHECK_INT(meta.hard.term, 6);
	for (int lost = 0; lost < 2; lost++) {
		raft_init(&r, 1, 1);
		raft_load_snapshot(&r, &meta);
		load(&r, 4, (struct raft_entry){ .index = 3, .term = 5, .kind = RAFT_NOOP }, 0);
		CHECK_INT(raft_tail_count(&r), 0);
		if (!lost) {
			load(&r, 5, (struct raft_entry){ .index = 2, .term = 6,
							 .kind = RAFT_NOOP }, 0);
			load(&r, 6, (struct raft_entry){ .index = 4, .term = 6,
							 .kind = RAFT_NOOP }, ERR_CORRUPT);
		}
		CHECK_INT(raft_tail_count(&r), !lost);
		raft_done(&r);
	}
	solo_done(&s);
}

TEST(an_empty_node_waits_to_be_taken_in)
{
	struct raft_update u = { 0 };
	struct arena arena;
	struct raft r;

	arena_init(&arena);
	u.arena = &arena;
	raft_init(&r, 9, 1);
	CHECK_INT(raft_start(&r, 0, RAFT_JOIN, "", &u), 0);
	CHECK(!u.append && !u.send);
	CHECK_INT(r.deadline_ms, 0);
	CHECK_INT(r.role, RAFT_FOLLOWER);
	raft_done(&r);
	arena_done(&arena);
}

static void finish(struct solo *s)
{
	(void)solo_persisted(s);
	(void)solo_persisted(s);
	CHECK(raft_is_ready(&s->raft));
	CHECK_INT(s->raft.config.count, 1);
	CHECK_INT(s->raft.config.members[0].id, s->raft.id);
	CHECK_STR(s->raft.config.members[0].about, "alone");
}

TEST(a_founder_is_its_only_member)
{
	struct solo s;

	solo_init(&s, "", "", 0, 0);
	raft_done(&s.raft);
	raft_init(&s.raft, 5, 1);
	CHECK_INT(raft_start(&s.raft, 0, RAFT_FOUND, "alone", &s.u), 0);
	CHECK_STR(solo_said(&s), "entry 1/1; hard 2/5; role; config");
	finish(&s);
	solo_done(&s);
}

/* The quorum is lost for ever: every entry is kept, as it may have been acknowledged. */
TEST(force_makes_one_of_many_the_only_one_and_keeps_all)
{
	struct buf b;
	struct solo s;

	solo_init(&s, "", "", 0, 0);
	raft_done(&s.raft);
	raft_init(&s.raft, 7, 1);	/* of 1, 2, 3; its own id is a new one */
	buf_init(&b, 1000);
	raft_config_build(&b, &(struct raft_config){ .count = 3, .members = {
		{ 1, 1, "a" }, { 2, 1, "b" }, { 3, 1, "c" } } });
	load(&s.raft, 1, (struct raft_entry){ .index = 1, .term = 1, .kind = RAFT_CONFIG,
					      .data = buf_slice(&b) }, 0);
	load(&s.raft, 2, (struct raft_entry){ .index = 2, .term = 3, .kind = RAFT_COMMAND,
					      .data = SLICE("x") }, 0);
	buf_done(&b);
	CHECK_INT(raft_start(&s.raft, 2, RAFT_FORCE, "alone", &s.u), 0);
	CHECK_STR(solo_said(&s), "entry 3/1048579; hard 1048580/7; role; config");
	finish(&s);
	CHECK_INT(s.u.committed_count, 4);
	CHECK(slice_is(s.u.committed[1].data, "x"));
	solo_done(&s);
}

TEST(numbers_near_their_end_are_refused)
{
	struct raft_update u = { 0 };
	struct raft r;
	struct buf b;

	raft_init(&r, 1, 1);
	buf_init(&b, 100);
	raft_hard_build(&b, (struct raft_hard){ INT64_MAX, 0 });
	CHECK_INT(raft_load_record(&r, 1, buf_slice(&b)), 0);
	CHECK_INT(raft_start(&r, 1, RAFT_JOIN, "", &u), ERR_CORRUPT);
	buf_done(&b);
	raft_done(&r);
}

/* ---- clusters ----------------------------------------------------------------- */

static struct cluster c;

/* One that was away, with entries that nobody else has, comes back when what it lacks is forgotten:
 * it gets the snapshot, restarts, and goes on. */
TEST(one_with_a_stale_suffix_is_given_the_snapshot_and_starts_again)
{
	for (uint64_t seed = 1; seed <= 20 && !unit_failed(); seed++) {
		struct cluster_node *old, *leader;
		uint64_t id;

		cluster_init(&c, seed, 3, 0);
		for (int i = 0; i < 3; i++) {
			c.nodes[i].keep_bytes_max = 1;
			c.nodes[i].keeps_wal = seed % 2;
		}
		cluster_start_all(&c);
		old = cluster_lead(&c);
		id = old->id;
		cluster_run(&c, 300);
		for (uint64_t other = 1; other <= 3; other++) {
			if (other != id)
				cluster_cut(&c, id, other, 1);
		}
		for (int i = 0; i < 10; i++)
			CHECK_INT(cluster_propose(&c, "lost"), 0);
		cluster_run(&c, 20);
		cluster_crash(&c, id, 0, 1);
		leader = cluster_lead(&c);
		for (int i = 0; i < 5; i++)
			CHECK_INT(cluster_propose(&c, "kept"), 0);
		cluster_run(&c, 300);
		cluster_snapshot(&c, leader);
		for (uint64_t other = 1; other <= 3; other++) {
			if (other != id)
				cluster_cut(&c, id, other, 0);
		}
		cluster_start(&c, id);
		cluster_run(&c, seed % 3 ? 400 : 8);	/* or in the middle of it */
		cluster_crash(&c, id, 5, 1);
		cluster_start(&c, id);
		CHECK_INT(cluster_propose(&c, "more"), 0);
		cluster_run(&c, 2000);
		CHECK_INT(cluster_node(&c, id)->meta.index > 0, 1);
		cluster_check_equal(&c);
		cluster_done(&c);
	}
}
