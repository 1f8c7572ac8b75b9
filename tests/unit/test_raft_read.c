/* Reads without the log (thesis 6.4), and leadership that is given away (3.10). */
#include "base/err.h"
#include "raft_cluster.h"
#include "raft_solo.h"
#include "unit.h"

#define MESSAGE(...) ((struct raft_message){ __VA_ARGS__ })
#define HAS(t, i, l, ...) \
	MESSAGE(.type = RAFT_APPEND_REPLY, .term = (t), .index = (i), .log_term = (l), \
		.granted = 1, __VA_ARGS__)

static uint64_t ask(struct solo *s)
{
	uint64_t ticket = 0;

	s->u.now_ms = s->now;
	if (raft_read(&s->raft, &ticket, &s->u) < 0)
		return 0;
	return ticket;
}

TEST(many_reads_share_a_round_of_heartbeats)
{
	struct solo s;
	uint64_t a, b, c;

	solo_init(&s, "1 2 3 4-", "1 1", 1, 0);
	CHECK_INT(ask(&s), 0);		/* not a leader */
	solo_lead(&s);
	a = ask(&s);
	b = ask(&s);
	CHECK(a > 0 && b > a && s.raft.flush_due);
	CHECK(s.raft.read_confirmed < a);
	CHECK_STR(solo_flush(&s), "2: append 2 3/2 +0 commit 3 round 2; "
		  "3: append 2 3/2 +0 commit 3 round 2");	/* a learner does not count */
	c = ask(&s);
	(void)solo_receive(&s, 4, HAS(2, 2, 1, .round = 2));
	(void)solo_receive(&s, 2, HAS(1, 3, 2, .round = 2));	/* of an older term */
	(void)solo_receive(&s, 2, HAS(2, 3, 2, .round = 1));
	CHECK_INT(s.raft.read_confirmed, a);
	(void)solo_receive(&s, 3, HAS(2, 3, 2, .round = 99));	/* nobody asked so far */
	CHECK_INT(s.raft.read_confirmed, a);
	(void)solo_receive(&s, 2, HAS(2, 3, 2, .round = 2));
	CHECK_INT(s.raft.read_confirmed, b);		/* not c: its round is not out */
	(void)solo_flush(&s);
	(void)solo_receive(&s, 3, HAS(2, 3, 2, .round = 3));
	CHECK_INT(s.raft.read_confirmed, c);
	solo_done(&s);
}

TEST(entries_carry_a_round_and_a_refusal_confirms_it_too)
{
	struct solo s;
	uint64_t index;

	solo_init(&s, "1 2 3", "1 1", 1, 0);
	solo_lead(&s);
	CHECK_INT(raft_propose(&s.raft, SLICE("a"), &index, &s.u), 0);
	CHECK_INT(ask(&s), 1);
	CHECK_STR(solo_flush(&s), "2: append 2 3/2 +1 commit 3 round 1; "
		  "3: append 2 3/2 +0 commit 3 round 1");
	(void)solo_receive(&s, 3, MESSAGE(.type = RAFT_APPEND_REPLY, .term = 2, .index = 2,
					  .log_term = 1, .round = 1));
	CHECK_INT(s.raft.read_confirmed, 1);	/* it took us for the leader */
	solo_done(&s);
}

TEST(a_new_leader_answers_no_read_before_its_first_entry_is_committed)
{
	struct solo s;

	solo_init(&s, "1", "1 1", 1, 0);
	CHECK_INT(s.raft.role, RAFT_CANDIDATE);
	(void)solo_persisted(&s);
	CHECK_INT(s.raft.role, RAFT_LEADER);
	CHECK_INT(ask(&s), 0);
	(void)solo_persisted(&s);
	CHECK(raft_is_ready(&s.raft));
	CHECK_INT(ask(&s), 1);
	CHECK_INT(s.raft.read_confirmed, 1);	/* alone: at once */
	CHECK(!s.raft.flush_due);
	solo_done(&s);
}

TEST(a_voter_alone_with_learners_needs_nobody_to_read)
{
	struct solo s;
	uint64_t ticket;

	solo_init(&s, "1 2-", "1", 1, 0);
	(void)solo_persisted(&s);
	(void)solo_persisted(&s);
	CHECK(raft_is_ready(&s.raft));
	ticket = ask(&s);
	CHECK(ticket > 0);
	CHECK_INT(s.raft.read_confirmed, ticket);
	CHECK(s.raft.deadline_ms != 0);		/* the learner is told who leads */
	(void)solo_tick(&s, 10 * RAFT_ELECTION_MS);
	CHECK_INT(s.raft.role, RAFT_LEADER);
	solo_done(&s);
}

TEST(reads_that_a_lost_leadership_voids_are_never_confirmed)
{
	struct solo s;
	uint64_t void_ticket, ticket;

	solo_init(&s, "1 2 3", "1 1", 1, 0);
	solo_lead(&s);
	void_ticket = ask(&s);
	(void)solo_flush(&s);
	(void)solo_receive(&s, 3, solo_append(&s, 3, 3, 2, "3"));
	CHECK_INT(s.raft.leader, 3);
	(void)solo_receive(&s, 2, HAS(2, 3, 2, .round = void_ticket));
	CHECK(s.raft.read_confirmed < void_ticket);
	(void)solo_persisted(&s);
	solo_lead(&s);
	ticket = ask(&s);
	CHECK(ticket > void_ticket);
	solo_done(&s);
}

/* ---- transfer -------------------------------------------------------------------------- */

TEST(leadership_goes_when_the_other_has_all)
{
	struct solo s;
	uint64_t index;

	solo_init(&s, "1 2 3 4-", "1 1", 1, 0);
	CHECK_INT(raft_transfer(&s.raft, 2, &s.u), ERR_UNAVAILABLE);
	solo_lead(&s);
	CHECK_INT(raft_propose(&s.raft, SLICE("a"), &index, &s.u), 0);
	CHECK_INT(raft_transfer(&s.raft, 4, &s.u), ERR_NOT_FOUND);
	CHECK_INT(raft_transfer(&s.raft, 9, &s.u), ERR_NOT_FOUND);
	CHECK_INT(raft_transfer(&s.raft, 0, &s.u), 0);
	CHECK_INT(s.raft.transfer_to, 2);	/* 3 has not answered yet */
	CHECK_STR(solo_said(&s), "");
	CHECK_INT(raft_propose(&s.raft, SLICE("b"), &index, &s.u), ERR_UNAVAILABLE);
	CHECK_INT(raft_propose_config(&s.raft, &s.raft.config, &index, &s.u), ERR_UNAVAILABLE);
	CHECK_STR(solo_flush(&s), "2: append 2 3/2 +1 commit 3");
	CHECK_STR(solo_receive(&s, 2, HAS(2, 3, 2)), "");
	CHECK_STR(solo_receive(&s, 2, HAS(2, 4, 2)), "2: lead 2");
	CHECK_STR(solo_receive(&s, 2, MESSAGE(.type = RAFT_VOTE, .term = 3, .index = 4,
					      .log_term = 2, .transfer = 1)), "hard 3/2; role");
	CHECK_INT(s.raft.transfer_to, 0);
	CHECK_STR(solo_persisted(&s), "2: yes 3");
	solo_done(&s);
}

TEST(a_transfer_that_comes_to_nothing_ends)
{
	struct solo s;
	uint64_t index;

	solo_init(&s, "1 2 3", "1 1", 1, 0);
	solo_lead(&s);
	(void)solo_receive(&s, 3, HAS(2, 3, 2));
	(void)solo_receive(&s, 2, HAS(2, 3, 2));
	s.u.now_ms = s.now;
	CHECK_INT(raft_transfer(&s.raft, 3, &s.u), 0);
	CHECK_STR(solo_said(&s), "3: lead 2");
	for (uint64_t t = 0; t < RAFT_ELECTION_MS; t += 50) {
		CHECK_INT(raft_propose(&s.raft, SLICE("b"), &index, &s.u), ERR_UNAVAILABLE);
		(void)solo_tick(&s, 50);
		(void)solo_receive(&s, 2, HAS(2, 3, 2));
	}
	CHECK_INT(s.raft.transfer_to, 0);
	CHECK_INT(s.raft.role, RAFT_LEADER);
	CHECK_INT(raft_propose(&s.raft, SLICE("b"), &index, &s.u), 0);
	s.u.now_ms = s.now;
	CHECK_INT(raft_transfer(&s.raft, 3, &s.u), 0);
	CHECK_STR(solo_down(&s, 3), "");	/* it is gone: no need to wait */
	CHECK_INT(s.raft.transfer_to, 0);
	CHECK_INT(raft_transfer(&s.raft, 3, &s.u), ERR_UNAVAILABLE);
	CHECK_STR(solo_down(&s, 2), "");
	CHECK_INT(raft_transfer(&s.raft, 0, &s.u), ERR_UNAVAILABLE);
	CHECK_INT(raft_transfer(&s.raft, 1, &s.u), 0);		/* it leads */
	CHECK_INT(s.raft.transfer_to, 0);
	solo_done(&s);
}

TEST(who_is_told_to_lead_asks_for_votes_at_once)
{
	struct raft_message now = { .type = RAFT_LEAD_NOW, .term = 3 };
	struct solo s;

	solo_init(&s, "1 2 3", "1 1 2", 3, 0);
	(void)solo_receive(&s, 3, solo_append(&s, 3, 3, 2, ""));
	CHECK_STR(solo_receive(&s, 2, now), "");	/* not the leader's word */
	now.term = 2;
	CHECK_STR(solo_receive(&s, 3, now), "");
	now.term = 4;
	CHECK_STR(solo_receive(&s, 3, now), "");
	now.term = 3;
	CHECK_STR(solo_receive(&s, 3, now), "hard 4/1; role");
	CHECK_STR(solo_receive(&s, 3, now), "");
	CHECK_STR(solo_persisted(&s), "2: vote 4 3/2 transfer; 3: vote 4 3/2 transfer");
	solo_done(&s);
	solo_init(&s, "1- 2 3", "1 1 2", 3, 0);
	CHECK_STR(solo_receive(&s, 3, now), "");	/* a learner cannot */
	solo_done(&s);
}

TEST(a_leader_whose_disk_fails_gives_leadership_away)
{
	struct solo s;
	uint64_t index;

	solo_init(&s, "1 2 3", "1 1", 1, 0);
	solo_lead(&s);
	(void)solo_receive(&s, 3, HAS(2, 3, 2));
	CHECK_INT(raft_propose(&s.raft, SLICE("a"), &index, &s.u), 0);
	(void)solo_flush(&s);
	(void)solo_receive(&s, 3, HAS(2, 4, 2));
	raft_disk_failed(&s.raft, &s.u);
	CHECK_STR(solo_said(&s), "3: lead 2; role");
	CHECK_INT(s.raft.role, RAFT_FOLLOWER);
	CHECK_INT(s.raft.deadline_ms, 0);
	/* Nothing is written or promised any more, but who leads is known. */
	CHECK_STR(solo_receive(&s, 3, MESSAGE(.type = RAFT_VOTE, .term = 3, .index = 4,
					      .log_term = 2, .transfer = 1)), "");
	CHECK_STR(solo_receive(&s, 3, solo_append(&s, 3, 4, 2, "3")), "role");
	CHECK_INT(s.raft.leader, 3);
	CHECK_STR(solo_persisted(&s), "");
	CHECK_STR(solo_tick(&s, 10 * RAFT_ELECTION_MS), "");
	CHECK_STR(solo_down(&s, 3), "role");
	CHECK_INT(s.raft.deadline_ms, 0);
	CHECK_STR(solo_up(&s, 3), "");
	CHECK_STR(solo_flush(&s), "");
	solo_done(&s);
}

/* ---- clusters ----------------------------------------------------------------------------- */

static struct cluster c;

/* The leader that was cut off has not noticed yet, and the others have a new one that took a write:
 * it answers no read. */
TEST(a_stale_leader_answers_no_read)
{
	struct cluster_node *old, *leader;
	uint64_t ticket = 0;

	cluster_init(&c, 7, 3, 0);
	cluster_start_all(&c);
	old = cluster_lead(&c);
	cluster_run(&c, 300);
	for (uint64_t id = 1; id <= 3; id++) {
		if (id != old->id)
			cluster_cut(&c, old->id, id, 1);
	}
	/* It is paused: its clock stands still. */
	old->running = 0;
	cluster_run(&c, 4 * RAFT_ELECTION_MS);
	leader = cluster_leader(&c);
	CHECK(leader && leader != old);
	CHECK_INT(cluster_propose(&c, "new"), 0);
	cluster_run(&c, 100);
	old->running = 1;
	CHECK(raft_is_ready(&old->raft));
	CHECK_INT(raft_read(&old->raft, &ticket, &old->u), 0);
	cluster_take(&c, old);
	for (uint64_t id = 1; id <= 3; id++) {
		if (id != old->id)
			cluster_cut(&c, old->id, id, 0);
	}
	cluster_run(&c, 4 * RAFT_ELECTION_MS);
	CHECK(old->raft.read_confirmed < ticket);
	CHECK_INT(old->raft.leader, leader->id);
	cluster_check_equal(&c);
	cluster_done(&c);
}

TEST(a_read_takes_one_way_there_and_back)
{
	struct cluster_node *leader;

	cluster_init(&c, 7, 5, 0);
	c.disk_ms = 50;
	cluster_start_all(&c);
	leader = cluster_lead(&c);
	cluster_run(&c, 1000);
	CHECK_INT(cluster_propose(&c, "w"), 0);		/* a write does not slow it down */
	CHECK_INT(raft_read(&leader->raft, &leader->ticket, &leader->u), 0);
	cluster_take(&c, leader);
	cluster_run(&c, 4);
	CHECK_INT(leader->reads, 1);
	cluster_done(&c);
}

TEST(a_transfer_takes_some_ms_and_loses_nothing)
{
	for (uint64_t seed = 1; seed <= 20 && !unit_failed(); seed++) {
		struct cluster_node *leader;
		uint64_t to, begin;

		cluster_init(&c, seed, 3, 0);
		cluster_start_all(&c);
		leader = cluster_lead(&c);
		cluster_run(&c, 300);
		CHECK_INT(cluster_propose(&c, "a"), 0);
		to = leader->id % 3 + 1;
		begin = c.now;
		CHECK_INT(raft_transfer(&leader->raft, to, &leader->u), 0);
		cluster_take(&c, leader);
		while (cluster_leader(&c) != cluster_node(&c, to) && c.now < begin + 1000)
			cluster_run(&c, 1);
		CHECK(c.now - begin <= 20);
		cluster_run(&c, 300);
		cluster_check_equal(&c);
		CHECK_INT(cluster_leader(&c)->id, to);
		cluster_done(&c);
	}
}
