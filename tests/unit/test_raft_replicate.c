/* Entries from leader to follower: exact answers of either side, then what clusters make of it. */
#include <string.h>
#include "base/err.h"
#include "raft_cluster.h"
#include "raft_solo.h"
#include "unit.h"

#define MESSAGE(...) ((struct raft_message){ __VA_ARGS__ })
#define HAS(t, i, l, ...) \
	MESSAGE(.type = RAFT_APPEND_REPLY, .term = (t), .index = (i), .log_term = (l), \
		.granted = 1, __VA_ARGS__)
#define REFUSES(t, i, l) \
	MESSAGE(.type = RAFT_APPEND_REPLY, .term = (t), .index = (i), .log_term = (l))

/* One message of the leader of term 5 to a follower in term 5 (thesis figure 3.6 and 3.5). */
static const struct {
	const char *log;		/* the follower's */
	uint64_t index, log_term;
	const char *entries;
	uint64_t commit;
	const char *said, *durable;
} appends[] = {
	/* It fits: written, then acknowledged; a commit that comes along waits for the disk. */
	{ "1 1 2", 3, 2, "5", 0, "entry 4/5; role", "2: has 5 4/5" },
	{ "1 1 2", 3, 2, "5 5", 3, "entry 4/5; entry 5/5; commit 3; role", "2: has 5 5/5" },
	{ "1 1 2", 3, 2, "5 5", 5, "entry 4/5; entry 5/5; commit 3; role",
	  "2: has 5 5/5; commit 5" },
	{ "1 1 2", 3, 2, "5", 9, "entry 4/5; commit 3; role", "2: has 5 4/5; commit 4" },
	/* A heartbeat. What lies after its entry may be another's and is not committed by it. */
	{ "1 1 2", 3, 2, "", 0, "2: has 5 3/2; role", "" },
	{ "1 1 2", 3, 2, "", 2, "2: has 5 3/2; commit 2; role", "" },
	{ "1 1 2", 2, 1, "", 3, "2: has 5 2/1; commit 2; role", "" },
	{ "1 1 2", 0, 0, "", 3, "2: has 5 0/0; role", "" },
	/* Known already. */
	{ "1 1 2", 1, 1, "1 2", 0, "2: has 5 3/2; role", "" },
	{ "1 1 2", 1, 1, "1", 0, "2: has 5 2/1; role", "" },
	{ "1 1 2", 0, 0, "1 1 2 5", 0, "entry 4/5; role", "2: has 5 4/5" },
	/* Others are replaced, with all after them. */
	{ "1 1 2 2", 2, 1, "3", 0, "entry 3/3; role", "2: has 5 3/3" },
	{ "1 1 2 2", 1, 1, "1 3 3", 0, "entry 3/3; entry 4/3; role", "2: has 5 4/3" },
	{ "1 1 2 2", 1, 1, "3", 2, "entry 2/3; commit 1; role", "2: has 5 2/3; commit 2" },
	/* Something is missing: the end of the log is named. */
	{ "1 1 2", 5, 5, "5", 0, "2: refuses 5 3/2; role", "" },
	{ "1 1 2", 5, 5, "", 3, "2: refuses 5 3/2; role", "" },
	{ "", 1, 1, "2", 0, "2: refuses 5 0/0; role", "" },
	{ "", 0, 0, "2", 0, "entry 1/2; role", "2: has 5 1/2" },
	/* Another entry is there: whatever is of later terms cannot be the leader's. */
	{ "1 1 2 4 4", 5, 3, "5", 0, "2: refuses 5 3/2; role", "" },
	{ "1 1 2 4 4", 9, 2, "5", 0, "2: refuses 5 3/2; role", "" },
	{ "1 1 2 4 4", 5, 5, "5", 0, "2: refuses 5 4/4; role", "" },
	{ "1 4 4 4 4", 3, 2, "5", 0, "2: refuses 5 1/1; role", "" },
	{ "4 4 4 4 4", 3, 2, "5", 0, "2: refuses 5 0/0; role", "" },
};

TEST(a_follower_takes_what_fits_and_tells_what_it_has_on_disk)
{
	for (size_t i = 0; i < sizeof(appends) / sizeof(*appends); i++) {
		struct raft_message m;
		struct solo s;

		solo_init(&s, *appends[i].log ? "1 2 3" : "", appends[i].log, 5, 3);
		m = solo_append(&s, 5, appends[i].index, appends[i].log_term, appends[i].entries);
		m.commit = appends[i].commit;
		CHECK_STR(solo_receive(&s, 2, m), appends[i].said);
		CHECK_STR(solo_persisted(&s), appends[i].durable);
		solo_done(&s);
	}
}

TEST(no_acknowledgement_leaves_before_the_term_is_durable)
{
	struct solo s;

	solo_init(&s, "1 2 3", "1 1 2", 3, 0);
	CHECK_STR(solo_receive(&s, 2, solo_append(&s, 5, 3, 2, "")), "hard 5/0; role");
	CHECK_STR(solo_receive(&s, 2, solo_append(&s, 5, 4, 5, "5")), "");	/* nor a refusal */
	CHECK_STR(solo_persisted(&s), "2: refuses 5 3/2");
	CHECK_STR(solo_persisted(&s), "2: has 5 3/2");
	CHECK_STR(solo_persisted(&s), "");
	solo_done(&s);
	solo_init(&s, "1 2 3", "1 1 2", 3, 0);
	CHECK_STR(solo_receive(&s, 2, solo_append(&s, 5, 4, 5, "5")), "hard 5/0; role");
	CHECK_STR(solo_receive(&s, 2, solo_append(&s, 5, 3, 2, "")), "");
	CHECK_STR(solo_persisted(&s), "2: has 5 3/2");
	solo_done(&s);
}

TEST(many_entries_have_one_acknowledgement_and_heartbeats_do_not_wait)
{
	struct raft_message beat;
	struct solo s;

	solo_init(&s, "1 2 3", "1", 5, 0);
	CHECK_STR(solo_receive(&s, 2, solo_append(&s, 5, 1, 1, "5")), "entry 2/5; role");
	CHECK_STR(solo_receive(&s, 2, solo_append(&s, 5, 2, 5, "5 5")), "entry 3/5; entry 4/5");
	beat = solo_append(&s, 5, 4, 5, "");
	beat.round = 7;
	CHECK_STR(solo_receive(&s, 2, beat), "2: has 5 1/1 round 7");
	s.u.now_ms = s.now;
	raft_persisted(&s.raft, s.raft.record_last - 1, &s.u);	/* the disk has a part */
	CHECK_STR(solo_said(&s), "2: has 5 3/5 round 7");
	CHECK_STR(solo_receive(&s, 2, solo_append(&s, 5, 4, 5, "5")), "entry 5/5");
	CHECK_STR(solo_persisted(&s), "2: has 5 5/5 round 7");
	CHECK_STR(solo_persisted(&s), "");
	/* A read's round with entries is answered at once, the entries when they are durable. */
	beat = solo_append(&s, 5, 5, 5, "5");
	beat.round = 8;
	CHECK_STR(solo_receive(&s, 2, beat), "entry 6/5; 2: has 5 5/5 round 8");
	CHECK_STR(solo_persisted(&s), "2: has 5 6/5 round 8");
	solo_done(&s);
}

/* Whoever says otherwise lies, or the log is not what it was: nothing that was handed out may
 * change, and nothing stops. */
TEST(a_committed_entry_is_never_cut_off)
{
	struct raft_message m;
	struct solo s;

	solo_init(&s, "1 2 3", "1 1 2", 5, 0);
	m = solo_append(&s, 5, 3, 2, "");
	m.commit = 3;
	CHECK_STR(solo_receive(&s, 2, m), "2: has 5 3/2; commit 3; role");
	CHECK_STR(solo_receive(&s, 2, solo_append(&s, 5, 2, 1, "4")), "2: has 5 3/2");
	CHECK_STR(solo_receive(&s, 2, solo_append(&s, 5, 1, 1, "4 4 4")), "");
	CHECK_STR(solo_receive(&s, 2, solo_append(&s, 5, 3, 4, "4")), "2: refuses 5 3/2");
	CHECK_STR(solo_receive(&s, 2, solo_append(&s, 5, 1, 1, "1 2 5")), "entry 4/5");
	CHECK_INT(s.raft.commit, 3);
	CHECK_INT(s.raft.entries[2].term, 2);
	solo_done(&s);
}

/* What an older leader left may look like ours, but has not been compared in this term. */
TEST(a_commit_reaches_only_what_was_compared_in_this_term)
{
	struct raft_message m;
	struct solo s;

	solo_init(&s, "1 2 3", "1", 4, 0);
	(void)solo_receive(&s, 3, solo_append(&s, 4, 1, 1, "4 4 4"));
	CHECK_STR(solo_persisted(&s), "3: has 4 4/4");
	m = solo_append(&s, 5, 2, 4, "");
	m.commit = 4;
	CHECK_STR(solo_receive(&s, 2, m), "hard 5/0; commit 2; role");
	CHECK_STR(solo_persisted(&s), "2: has 5 2/4");
	m = solo_append(&s, 5, 2, 4, "5 5");
	m.commit = 4;
	CHECK_STR(solo_receive(&s, 2, m), "entry 3/5; entry 4/5");
	CHECK_STR(solo_persisted(&s), "2: has 5 4/5; commit 4");
	solo_done(&s);
}

/* ---- the leader --------------------------------------------------------------------------- */

static void propose(struct solo *s, size_t bytes)
{
	static char data[RAFT_DATA_MAX];
	uint64_t index;

	s->u.now_ms = s->now;
	CHECK_INT(raft_propose(&s->raft, (struct slice){ data, bytes }, &index, &s->u), 0);
	CHECK(s->raft.flush_due);
}

TEST(a_follower_is_probed_with_one_message_then_sent_all)
{
	struct solo s;

	solo_init(&s, "1 2 3", "1 1", 1, 0);
	solo_lead(&s);		/* 2 has the no-op, 3; 3 has not answered */
	CHECK_INT(raft_peer(&s.raft, 2)->progress, RAFT_REPLICATE);
	CHECK_INT(raft_peer(&s.raft, 3)->progress, RAFT_PROBE);
	propose(&s, 1);
	propose(&s, 1);
	CHECK_STR(solo_flush(&s), "2: append 2 3/2 +2 commit 3");
	propose(&s, 1);
	CHECK_STR(solo_flush(&s), "2: append 2 5/2 +1 commit 3");
	CHECK_STR(solo_flush(&s), "");
	CHECK_STR(solo_receive(&s, 3, HAS(2, 3, 2)), "");
	CHECK_STR(solo_flush(&s), "3: append 2 3/2 +3 commit 3");
	CHECK_STR(solo_persisted(&s), "");
	CHECK_STR(solo_receive(&s, 3, HAS(2, 5, 2)), "commit 5");
	CHECK_STR(solo_receive(&s, 3, HAS(2, 5, 2)), "");
	CHECK_STR(solo_receive(&s, 2, HAS(2, 6, 2)), "commit 6");
	CHECK_STR(solo_flush(&s), "");		/* a commit alone is no reason to speak */
	CHECK_STR(solo_tick(&s, RAFT_HEARTBEAT_MS),
		  "2: append 2 6/2 +0 commit 6; 3: append 2 6/2 +0 commit 6");
	solo_done(&s);
}

TEST(a_lost_message_is_noticed_by_the_next_heartbeat)
{
	struct solo s;

	solo_init(&s, "1 2 3", "1 1", 1, 0);
	solo_lead(&s);
	propose(&s, 1);
	CHECK_STR(solo_flush(&s), "2: append 2 3/2 +1 commit 3");
	CHECK_STR(solo_tick(&s, RAFT_HEARTBEAT_MS),
		  "2: append 2 4/2 +0 commit 3; 3: append 2 3/2 +0 commit 3");
	CHECK_STR(solo_receive(&s, 2, REFUSES(2, 3, 2)), "");
	CHECK_INT(raft_peer(&s.raft, 2)->progress, RAFT_PROBE);
	CHECK_STR(solo_flush(&s), "2: append 2 3/2 +1 commit 3");
	CHECK_STR(solo_receive(&s, 2, REFUSES(2, 2, 1)), "");	/* an old one */
	CHECK_STR(solo_flush(&s), "");
	solo_done(&s);
}

/* The hint of a follower against the leader's log, whose no-op is the last entry, of term 9. */
static const struct {
	const char *log;
	uint64_t index, log_term;	/* the hint */
	const char *said;
} hints[] = {
	{ "1 1 1 1", 2, 1, "3: append 9 2/1 +3 commit 5" },
	{ "1 1 1 1", 0, 0, "3: append 9 0/0 +5 commit 5" },
	{ "1 1 5 5", 3, 4, "3: append 9 2/1 +3 commit 5" },	/* ours are newer than its */
	{ "1 1 5 5", 3, 7, "3: append 9 3/5 +2 commit 5" },
	{ "4 4 4 4", 3, 2, "3: append 9 0/0 +5 commit 5" },
	{ "1 2 3 4", 3, 2, "3: append 9 2/2 +3 commit 5" },
	{ "1 1 1 1", 5, 1, "" },	/* leads nowhere: an old one */
	{ "1 1 1 1", 99, 1, "" },
};

TEST(a_hint_leads_back_to_where_the_logs_part)
{
	for (size_t i = 0; i < sizeof(hints) / sizeof(*hints); i++) {
		struct solo s;

		solo_init(&s, "1 2 3", hints[i].log, 8, 0);
		solo_lead(&s);
		(void)solo_receive(&s, 3, REFUSES(9, hints[i].index, hints[i].log_term));
		CHECK_STR(solo_flush(&s), hints[i].said);
		solo_done(&s);
	}
}

TEST(messages_and_what_is_in_flight_have_limits)
{
	const size_t size = 200 << 10;
	struct solo s;
	int sent = 0;

	solo_init(&s, "1 2 3", "1 1", 1, 0);
	solo_lead(&s);
	propose(&s, RAFT_DATA_MAX);
	CHECK_STR(solo_flush(&s), "2: append 2 3/2 +1 commit 3");	/* alone it may be larger */
	(void)solo_persisted(&s);
	CHECK_STR(solo_receive(&s, 2, HAS(2, 4, 2)), "commit 4");
	for (int i = 0; i < 5; i++)
		propose(&s, size);
	CHECK_STR(solo_flush(&s), "2: append 2 4/2 +2 commit 4; 2: append 2 6/2 +2 commit 4; "
		  "2: append 2 8/2 +1 commit 4");
	(void)solo_persisted(&s);
	CHECK_STR(solo_receive(&s, 3, HAS(2, 3, 2)), "");
	CHECK_INT(raft_peer(&s.raft, 3)->progress, RAFT_REPLICATE);
	(void)solo_receive(&s, 2, HAS(2, 9, 2));
	(void)solo_flush(&s);		/* to 3 as well */
	(void)solo_receive(&s, 3, HAS(2, 9, 2));
	CHECK_INT(raft_peer(&s.raft, 3)->flight_bytes, 0);
	/* 3 is silent from here on. */
	for (int i = 0; i < 40; i++) {
		uint64_t next = raft_peer(&s.raft, 3)->next;

		propose(&s, size);
		(void)solo_flush(&s);
		(void)solo_persisted(&s);
		(void)solo_receive(&s, 2, HAS(2, s.raft.base_index + s.raft.count, 2));
		sent += raft_peer(&s.raft, 3)->next > next;
	}
	CHECK_INT(sent, RAFT_FLIGHT_BYTES_MAX / (int)size + 1);
	CHECK_STR(solo_receive(&s, 3, HAS(2, 12, 2)), "");
	CHECK(s.raft.flush_due);
	CHECK_STR(solo_flush(&s), "3: append 2 30/2 +2 commit 49; 3: append 2 32/2 +2 commit 49");
	solo_done(&s);
}

TEST(a_new_connection_begins_with_a_probe)
{
	struct solo s;

	solo_init(&s, "1 2 3", "1 1", 1, 0);
	solo_lead(&s);
	propose(&s, 1);
	CHECK_STR(solo_flush(&s), "2: append 2 3/2 +1 commit 3");
	CHECK_STR(solo_down(&s, 2), "");
	CHECK_INT(raft_peer(&s.raft, 2)->progress, RAFT_PROBE);
	CHECK_INT(raft_peer(&s.raft, 2)->flight_bytes, 0);
	CHECK_INT(raft_peer(&s.raft, 2)->up, 0);
	propose(&s, 1);
	CHECK_STR(solo_flush(&s), "");
	CHECK_STR(solo_tick(&s, RAFT_HEARTBEAT_MS), "3: append 2 3/2 +0 commit 3");
	CHECK_STR(solo_up(&s, 2), "");
	CHECK_STR(solo_flush(&s), "2: append 2 3/2 +2 commit 3");
	CHECK_STR(solo_down(&s, 3), "");
	CHECK_STR(solo_up(&s, 3), "");
	CHECK_STR(solo_flush(&s), "3: append 2 3/2 +2 commit 3");
	CHECK_STR(solo_down(&s, 3), "");	/* without an answer, it is not tried again */
	CHECK_STR(solo_up(&s, 3), "3: append 2 5/2 +0 commit 3");	/* but asked at once */
	CHECK_STR(solo_receive(&s, 3, REFUSES(2, 3, 2)), "");
	CHECK_STR(solo_flush(&s), "3: append 2 3/2 +2 commit 3");
	solo_done(&s);
}

/* Thesis 3.6.2, figure 3.7: (c) entry 2 of term 2 is on a majority, but is not committed until an
 * entry of term 4 is, as in (d1) a leader of term 3 could still replace it. */
TEST(an_older_terms_entry_is_not_committed_by_counting)
{
	struct solo s;

	solo_init(&s, "1 2 3 4 5", "1 2", 3, 0);
	for (uint64_t peer = 2; peer <= 5; peer++)
		(void)solo_up(&s, peer);
	(void)solo_tick(&s, 2 * RAFT_ELECTION_MS);
	for (uint64_t peer = 2; peer <= 3; peer++)
		(void)solo_receive(&s, peer, MESSAGE(.type = RAFT_VOTE_REPLY, .term = 4,
						     .pre = 1, .granted = 1));
	(void)solo_persisted(&s);
	for (uint64_t peer = 2; peer <= 3; peer++)
		(void)solo_receive(&s, peer, MESSAGE(.type = RAFT_VOTE_REPLY, .term = 4,
						     .granted = 1));
	CHECK_INT(s.raft.role, RAFT_LEADER);
	(void)solo_flush(&s);
	(void)solo_persisted(&s);
	for (uint64_t peer = 2; peer <= 5; peer++)
		CHECK_STR(solo_receive(&s, peer, HAS(4, 2, 2)), "");
	CHECK_INT(s.raft.commit, 0);
	CHECK_STR(solo_receive(&s, 2, HAS(4, 3, 4)), "");
	CHECK_STR(solo_receive(&s, 3, HAS(4, 3, 4)), "commit 3; role");
	solo_done(&s);
}

TEST(a_leader_counts_its_own_disk_as_one_of_many)
{
	struct solo s;

	solo_init(&s, "1 2 3", "1 1", 1, 0);
	solo_lead(&s);
	propose(&s, 1);
	(void)solo_flush(&s);
	CHECK_STR(solo_receive(&s, 2, HAS(2, 4, 2)), "");
	(void)solo_receive(&s, 3, HAS(2, 3, 2));
	(void)solo_flush(&s);
	CHECK_STR(solo_receive(&s, 3, HAS(2, 4, 2)), "commit 4");	/* before our own */
	CHECK_STR(solo_persisted(&s), "");
	solo_done(&s);
}

TEST(an_acknowledgement_of_what_is_not_there_is_nothing)
{
	struct solo s;

	solo_init(&s, "1 2 3", "1 1", 1, 0);
	solo_lead(&s);
	propose(&s, 1);
	(void)solo_flush(&s);
	(void)solo_persisted(&s);
	CHECK_STR(solo_receive(&s, 2, HAS(2, 5, 2)), "");
	CHECK_STR(solo_receive(&s, 2, HAS(2, 4, 1)), "");
	CHECK_STR(solo_receive(&s, 2, HAS(1, 4, 2)), "");
	CHECK_STR(solo_receive(&s, 9, HAS(2, 4, 2)), "");
	CHECK_STR(solo_receive(&s, 1, HAS(2, 4, 2)), "");
	CHECK_STR(solo_receive(&s, 0, HAS(2, 4, 2)), "");
	CHECK_INT(s.raft.commit, 3);
	CHECK_STR(solo_receive(&s, 2, HAS(2, 4, 2)), "commit 4");
	solo_done(&s);
}

TEST(a_follower_takes_no_more_than_it_can_hold)
{
	static char data[RAFT_DATA_MAX];
	struct raft_message m;
	struct raft_entry e = { .index = 2, .term = 5, .kind = RAFT_COMMAND,
				.data = { data, RAFT_DATA_MAX } };
	struct solo s;
	uint64_t last = 1;

	solo_init(&s, "1 2 3", "1", 5, 0);
	m = MESSAGE(.type = RAFT_APPEND, .term = 5, .log_term = 1, .entries = &e,
		    .entry_count = 1);
	for (int i = 0; i < 50; i++) {
		m.index = last;
		e.index = last + 1;
		(void)solo_receive(&s, 2, m);
		m.log_term = 5;
		last = s.raft.base_index + s.raft.count;
		(void)solo_persisted(&s);
		arena_reset(&s.arena);
	}
	CHECK(s.raft.tail_bytes <= RAFT_TAIL_BYTES_MAX + RAFT_PENDING_BYTES_MAX);
	CHECK(s.raft.tail_bytes > RAFT_TAIL_BYTES_MAX);
	m = MESSAGE(.type = RAFT_APPEND, .term = 5, .index = last, .log_term = 5,
		    .commit = last);
	(void)solo_receive(&s, 2, m);
	CHECK_INT(s.raft.commit, last);
	raft_compact(&s.raft, last);	/* a snapshot makes room again */
	e.index = last + 1;
	m.entries = &e;
	m.entry_count = 1;
	(void)solo_receive(&s, 2, m);
	CHECK_INT(s.raft.base_index + s.raft.count, last + 1);
	solo_done(&s);
}

/* ---- clusters ------------------------------------------------------------------------------- */

static struct cluster c;

TEST(a_proposal_is_everywhere_after_two_ways_and_a_sync)
{
	struct cluster_node *leader;
	uint64_t commit;

	cluster_init(&c, 1, 3, 1);
	cluster_start_all(&c);
	leader = cluster_lead(&c);
	cluster_run(&c, 500);
	commit = leader->raft.commit;
	CHECK_INT(cluster_propose(&c, "a"), 0);
	cluster_run(&c, 5);
	CHECK_INT(leader->raft.commit, commit + 1);
	cluster_run(&c, 2 * RAFT_HEARTBEAT_MS);
	cluster_check_equal(&c);
	cluster_done(&c);
}

/* A leader that was cut off goes on taking entries that nobody has; they are replaced. */
TEST(what_only_an_old_leader_has_is_replaced)
{
	struct cluster_node *old, *leader;

	cluster_init(&c, 5, 3, 0);
	cluster_start_all(&c);
	old = cluster_lead(&c);
	cluster_run(&c, 300);
	for (uint64_t id = 1; id <= 3; id++) {
		if (id != old->id)
			cluster_cut(&c, old->id, id, 1);
	}
	for (int i = 0; i < 20; i++)
		CHECK_INT(cluster_propose(&c, "lost"), 0);
	cluster_run(&c, 4 * RAFT_ELECTION_MS);
	CHECK(old->raft.role != RAFT_LEADER);
	leader = cluster_leader(&c);
	CHECK(leader && leader != old);
	for (int i = 0; i < 5; i++)
		CHECK_INT(cluster_propose(&c, "kept"), 0);
	cluster_run(&c, 100);
	for (uint64_t id = 1; id <= 3; id++) {
		if (id != old->id)
			cluster_cut(&c, old->id, id, 0);
	}
	cluster_run(&c, 2 * RAFT_ELECTION_MS);
	cluster_check_equal(&c);
	CHECK_INT(old->raft.leader, leader->id);
	cluster_done(&c);
}
