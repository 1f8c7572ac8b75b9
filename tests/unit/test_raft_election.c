/* Terms and votes: exact answers of one node, then clusters that lose their leader. */
#include "raft_cluster.h"
#include "raft_solo.h"
#include "unit.h"

#define MESSAGE(...) ((struct raft_message){ __VA_ARGS__ })
#define VOTE(t, i, l, ...) \
	MESSAGE(.type = RAFT_VOTE, .term = (t), .index = (i), .log_term = (l), __VA_ARGS__)

/* One question to node 1 of 1, 2, 3, whose log is 1/1 2/1 3/2, by node 2. */
static const struct {
	uint64_t term, vote;		/* of node 1 */
	struct raft_message asked;
	const char *said, *durable;	/* at once, and when the disk is done */
} votes[] = {
	{ 3, 0, { .type = RAFT_VOTE, .term = 3, .index = 3, .log_term = 2 },
	  "hard 3/2", "2: yes 3" },
	{ 3, 2, { .type = RAFT_VOTE, .term = 3, .index = 3, .log_term = 2 }, "2: yes 3", "" },
	{ 3, 3, { .type = RAFT_VOTE, .term = 3, .index = 3, .log_term = 2 }, "2: no 3", "" },
	{ 3, 1, { .type = RAFT_VOTE, .term = 3, .index = 9, .log_term = 2 }, "2: no 3", "" },
	{ 3, 0, { .type = RAFT_VOTE, .term = 2, .index = 3, .log_term = 2 }, "2: no 3", "" },
	/* One record for the new term and the vote in it. */
	{ 3, 3, { .type = RAFT_VOTE, .term = 4, .index = 3, .log_term = 2 },
	  "hard 4/2", "2: yes 4" },
	/* Our log is newer: by its last term, then by its length. */
	{ 3, 0, { .type = RAFT_VOTE, .term = 4, .index = 9, .log_term = 1 }, "hard 4/0", "" },
	{ 3, 0, { .type = RAFT_VOTE, .term = 4, .index = 2, .log_term = 2 }, "hard 4/0", "" },
	{ 3, 0, { .type = RAFT_VOTE, .term = 4, .index = 1, .log_term = 3 },
	  "hard 4/2", "2: yes 4" },
	{ 3, 0, { .type = RAFT_VOTE, .term = 3, .index = 2, .log_term = 2 }, "2: no 3", "" },
	/* A pre-vote writes nothing, and one vote does not hinder another. */
	{ 3, 3, { .type = RAFT_VOTE, .term = 4, .index = 3, .log_term = 2, .pre = 1 },
	  "2: yes 4 pre", "" },
	{ 3, 0, { .type = RAFT_VOTE, .term = 4, .index = 2, .log_term = 2, .pre = 1 },
	  "2: no 3 pre", "" },
	{ 3, 0, { .type = RAFT_VOTE, .term = 3, .index = 3, .log_term = 2, .pre = 1 },
	  "2: no 3 pre", "" },
	{ 3, 0, { .type = RAFT_VOTE, .term = 9, .index = 0, .log_term = 0, .pre = 1 },
	  "2: no 3 pre", "" },
};

TEST(a_vote_is_given_once_a_term_to_a_log_that_is_whole)
{
	for (size_t i = 0; i < sizeof(votes) / sizeof(*votes); i++) {
		struct solo s;

		solo_init(&s, "1 2 3", "1 1 2", votes[i].term, votes[i].vote);
		CHECK_STR(solo_receive(&s, 2, votes[i].asked), votes[i].said);
		CHECK_STR(solo_persisted(&s), votes[i].durable);
		solo_done(&s);
	}
}

TEST(a_vote_is_told_only_when_it_is_durable)
{
	struct solo s;

	solo_init(&s, "1 2 3", "1", 1, 0);
	CHECK_STR(solo_receive(&s, 2, VOTE(2, 1, 1)), "hard 2/2");
	CHECK_STR(solo_receive(&s, 2, VOTE(2, 1, 1)), "");	/* again: the first is on its way */
	CHECK_STR(solo_receive(&s, 3, VOTE(2, 1, 1)), "");
	CHECK_STR(solo_receive(&s, 3, VOTE(3, 1, 1, .pre = 1)), "");
	CHECK_STR(solo_persisted(&s), "2: yes 2");
	CHECK_STR(solo_receive(&s, 3, VOTE(2, 1, 1)), "3: no 2");
	/* A newer term comes before the disk is done: the old vote is of no use. */
	CHECK_STR(solo_receive(&s, 3, VOTE(3, 1, 1)), "hard 3/3");
	CHECK_STR(solo_receive(&s, 2, VOTE(4, 1, 1)), "hard 4/2");
	CHECK_STR(solo_persisted(&s), "2: yes 4");
	solo_done(&s);
}

TEST(who_hears_a_leader_helps_nobody_against_it)
{
	struct solo s;

	solo_init(&s, "1 2 3", "1 1 2", 3, 0);
	CHECK_STR(solo_receive(&s, 3, solo_append(&s, 3, 3, 2, "")), "3: has 3 3/2; role");
	CHECK_STR(solo_receive(&s, 2, VOTE(4, 3, 2, .pre = 1)), "2: no 3 pre");
	CHECK_STR(solo_receive(&s, 2, VOTE(9, 9, 3)), "2: no 3");
	s.now += RAFT_ELECTION_MS - 1;
	CHECK_STR(solo_receive(&s, 2, VOTE(4, 3, 2, .pre = 1)), "2: no 3 pre");
	s.now += 1;	/* it has been silent */
	CHECK_STR(solo_receive(&s, 2, VOTE(4, 3, 2, .pre = 1)), "2: yes 4 pre");
	CHECK_STR(solo_receive(&s, 2, VOTE(4, 3, 2)), "hard 4/2; role");
	solo_done(&s);
}

TEST(a_vote_that_the_leader_wants_or_whose_leader_is_gone_is_given_at_once)
{
	struct solo s;

	solo_init(&s, "1 2 3", "1 1 2", 3, 0);
	(void)solo_receive(&s, 3, solo_append(&s, 3, 3, 2, ""));
	CHECK_STR(solo_receive(&s, 2, VOTE(4, 3, 2, .transfer = 1)), "hard 4/2; role");
	CHECK_STR(solo_persisted(&s), "2: yes 4");
	solo_done(&s);
	solo_init(&s, "1 2 3", "1 1 2", 3, 0);
	(void)solo_receive(&s, 3, solo_append(&s, 3, 3, 2, ""));
	CHECK_STR(solo_down(&s, 2), "");
	CHECK_STR(solo_receive(&s, 2, VOTE(4, 3, 2, .pre = 1)), "2: no 3 pre");
	CHECK_STR(solo_down(&s, 3), "role");
	CHECK(s.raft.deadline_ms > s.now && s.raft.deadline_ms <= s.now + RAFT_HURRY_MS);
	CHECK_STR(solo_receive(&s, 2, VOTE(4, 3, 2, .pre = 1)), "2: yes 4 pre");
	CHECK_STR(solo_receive(&s, 2, VOTE(4, 3, 2)), "hard 4/2");
	solo_done(&s);
}

TEST(the_leader_itself_may_ask)
{
	struct solo s;

	solo_init(&s, "1 2 3", "1 1 2", 3, 0);
	(void)solo_receive(&s, 3, solo_append(&s, 3, 3, 2, ""));
	CHECK_STR(solo_receive(&s, 3, VOTE(4, 3, 2, .pre = 1)), "3: yes 4 pre");
	solo_done(&s);
}

/* A candidate that cannot win must not keep those waiting that can (thesis 3.4). */
TEST(only_a_vote_or_a_leader_moves_the_deadline)
{
	struct solo s;
	uint64_t deadline;

	solo_init(&s, "1 2 3", "1 1 2", 3, 0);
	deadline = s.raft.deadline_ms;
	s.now += 300;
	CHECK_STR(solo_receive(&s, 2, VOTE(4, 2, 1)), "hard 4/0");
	CHECK_INT(s.raft.deadline_ms, deadline);
	CHECK_STR(solo_receive(&s, 2, VOTE(5, 3, 2, .pre = 1)), "");
	CHECK_INT(s.raft.deadline_ms, deadline);
	CHECK_STR(solo_receive(&s, 3, VOTE(4, 3, 2)), "hard 4/3");
	CHECK(s.raft.deadline_ms >= s.now + RAFT_ELECTION_MS);
	deadline = s.raft.deadline_ms;
	s.now += 300;
	(void)solo_receive(&s, 3, solo_append(&s, 4, 3, 2, ""));
	CHECK(s.raft.deadline_ms >= s.now + RAFT_ELECTION_MS);
	solo_done(&s);
}

TEST(quick_attempts_become_slow_ones_if_nobody_answers)
{
	struct solo s;
	uint64_t begin, last = 0;
	int attempts = 0;

	solo_init(&s, "1 2 3", "1 1 2", 3, 0);
	(void)solo_receive(&s, 3, solo_append(&s, 3, 3, 2, ""));
	(void)solo_down(&s, 3);
	begin = s.now;
	while (s.now - begin < 10000) {
		uint64_t wait = s.raft.deadline_ms - s.now;

		(void)solo_tick(&s, wait);
		attempts++;
		last = s.raft.deadline_ms - s.now;
		CHECK(attempts > 1 || last <= 2 * RAFT_HURRY_MS);
	}
	CHECK(attempts > 10 && attempts < 30);
	CHECK(last >= RAFT_ELECTION_MS);
	solo_done(&s);
}

TEST(a_leader_comes_to_be_by_pre_votes_then_by_votes)
{
	struct solo s;

	solo_init(&s, "1 2 3", "1 1 2", 3, 0);
	CHECK(s.raft.deadline_ms >= s.now + RAFT_ELECTION_MS);
	CHECK(s.raft.deadline_ms < s.now + 2 * RAFT_ELECTION_MS);
	CHECK_STR(solo_tick(&s, RAFT_ELECTION_MS - 1), "");
	CHECK_STR(solo_tick(&s, RAFT_ELECTION_MS),
		  "2: vote 4 3/2 pre; 3: vote 4 3/2 pre; role");
	CHECK_INT(s.raft.role, RAFT_PRE_CANDIDATE);
	/* An answer to something else does not count. */
	CHECK_STR(solo_receive(&s, 2, MESSAGE(.type = RAFT_VOTE_REPLY, .term = 5, .pre = 1,
					      .granted = 1)), "");
	CHECK_STR(solo_receive(&s, 2, MESSAGE(.type = RAFT_VOTE_REPLY, .term = 4,
					      .granted = 1)), "");
	CHECK_STR(solo_receive(&s, 9, MESSAGE(.type = RAFT_VOTE_REPLY, .term = 4, .pre = 1,
					      .granted = 1)), "");
	CHECK_STR(solo_receive(&s, 2, MESSAGE(.type = RAFT_VOTE_REPLY, .term = 4, .pre = 1,
					      .granted = 1)), "hard 4/1; role");
	CHECK_INT(s.raft.role, RAFT_CANDIDATE);
	CHECK_STR(solo_up(&s, 2), "");		/* nothing is asked before it is durable */
	CHECK_STR(solo_receive(&s, 2, MESSAGE(.type = RAFT_VOTE_REPLY, .term = 4,
					      .granted = 1)), "");	/* nor heard */
	CHECK_STR(solo_persisted(&s), "2: vote 4 3/2; 3: vote 4 3/2");
	CHECK_STR(solo_up(&s, 3), "3: vote 4 3/2");
	CHECK_STR(solo_receive(&s, 2, MESSAGE(.type = RAFT_VOTE_REPLY, .term = 4, .pre = 1,
					      .granted = 1)), "");
	CHECK_STR(solo_receive(&s, 3, MESSAGE(.type = RAFT_VOTE_REPLY, .term = 4)), "");
	CHECK_STR(solo_receive(&s, 2, MESSAGE(.type = RAFT_VOTE_REPLY, .term = 4,
					      .granted = 1)), "entry 4/4; role");
	CHECK_INT(s.raft.role, RAFT_LEADER);
	CHECK(!raft_is_ready(&s.raft));
	CHECK_STR(solo_flush(&s), "2: append 4 3/2 +1 commit 0; 3: append 4 3/2 +1 commit 0");
	CHECK_STR(solo_receive(&s, 2, MESSAGE(.type = RAFT_APPEND_REPLY, .term = 4, .index = 4,
					      .log_term = 4, .granted = 1)), "");
	CHECK_STR(solo_persisted(&s), "commit 4; role");
	CHECK(raft_is_ready(&s.raft));
	solo_done(&s);
}

TEST(a_refusal_in_a_newer_term_is_followed)
{
	struct solo s;

	solo_init(&s, "1 2 3", "1 1 2", 3, 0);
	(void)solo_tick(&s, 2 * RAFT_ELECTION_MS);
	CHECK_STR(solo_receive(&s, 2, MESSAGE(.type = RAFT_VOTE_REPLY, .term = 7, .pre = 1)),
		  "hard 7/0; role");
	CHECK_INT(s.raft.role, RAFT_FOLLOWER);
	solo_done(&s);
	solo_init(&s, "1 2 3", "1 1 2", 3, 0);
	solo_lead(&s);
	CHECK_STR(solo_receive(&s, 2, MESSAGE(.type = RAFT_APPEND_REPLY, .term = 9, .index = 1,
					      .log_term = 1)), "hard 9/0; role");
	CHECK_INT(s.raft.role, RAFT_FOLLOWER);
	CHECK_INT(s.raft.leader, 0);
	solo_done(&s);
}

TEST(a_candidate_follows_a_leader_of_its_term)
{
	struct solo s;

	solo_init(&s, "1 2 3", "1 1 2", 3, 0);
	(void)solo_tick(&s, 2 * RAFT_ELECTION_MS);
	(void)solo_receive(&s, 2, MESSAGE(.type = RAFT_VOTE_REPLY, .term = 4, .pre = 1,
					  .granted = 1));
	(void)solo_persisted(&s);
	CHECK_STR(solo_receive(&s, 3, solo_append(&s, 4, 3, 2, "4")), "entry 4/4; role");
	CHECK_INT(s.raft.leader, 3);
	CHECK_STR(solo_persisted(&s), "3: has 4 4/4");
	/* A second leader of one term cannot be. */
	CHECK_STR(solo_receive(&s, 2, solo_append(&s, 4, 4, 4, "4")), "");
	/* One of an older term learns of ours. */
	CHECK_STR(solo_receive(&s, 2, solo_append(&s, 3, 3, 2, "3")), "2: refuses 4 0/0");
	solo_done(&s);
}

TEST(a_learner_votes_if_it_is_asked_but_never_asks)
{
	struct solo s;

	solo_init(&s, "1- 2 3", "1 1 2", 3, 0);
	CHECK_INT(s.raft.deadline_ms, 0);
	CHECK_STR(solo_receive(&s, 2, VOTE(4, 3, 2)), "hard 4/2");
	CHECK_STR(solo_persisted(&s), "2: yes 4");
	(void)solo_receive(&s, 2, solo_append(&s, 4, 3, 2, ""));
	CHECK_INT(s.raft.leader, 2);
	CHECK_STR(solo_tick(&s, 2 * RAFT_ELECTION_MS), "role");	/* it only knows no leader */
	CHECK_INT(s.raft.leader, 0);
	CHECK_INT(s.raft.deadline_ms, 0);
	(void)solo_receive(&s, 2, solo_append(&s, 4, 3, 2, ""));
	CHECK_STR(solo_down(&s, 2), "role");
	CHECK_INT(s.raft.deadline_ms, 0);
	solo_done(&s);
}

TEST(a_node_with_nothing_waits_and_votes)
{
	struct solo s;

	solo_init(&s, "", "", 0, 0);
	CHECK_INT(s.raft.deadline_ms, 0);
	CHECK_STR(solo_receive(&s, 2, VOTE(4, 3, 2)), "hard 4/2");
	CHECK_STR(solo_persisted(&s), "2: yes 4");
	solo_done(&s);
}

TEST(one_left_out_leads_once_more_if_only_it_knows)
{
	struct raft_config two = { .count = 2, .members = { { .id = 2, .votes = 1 },
							    { .id = 3, .votes = 1 } } };
	struct solo s;
	uint64_t index;

	solo_init(&s, "1 2 3", "1", 1, 0);
	solo_lead(&s);
	CHECK_INT(raft_propose_config(&s.raft, &two, &index, &s.u), 0);
	(void)solo_persisted(&s);
	(void)solo_tick(&s, RAFT_ELECTION_MS);		/* nobody answers */
	(void)solo_tick(&s, RAFT_ELECTION_MS);
	CHECK_INT(s.raft.role, RAFT_FOLLOWER);
	CHECK(s.raft.deadline_ms != 0);
	CHECK_STR(solo_tick(&s, 2 * RAFT_ELECTION_MS),
		  "2: vote 3 3/2 pre; 3: vote 3 3/2 pre; role");
	/* Its own vote does not count: two others are needed. */
	CHECK_STR(solo_receive(&s, 2, MESSAGE(.type = RAFT_VOTE_REPLY, .term = 3, .pre = 1,
					      .granted = 1)), "");
	CHECK_STR(solo_receive(&s, 3, MESSAGE(.type = RAFT_VOTE_REPLY, .term = 3, .pre = 1,
					      .granted = 1)), "hard 3/1; role");
	solo_done(&s);
}

TEST(a_leader_that_hears_no_majority_steps_down)
{
	struct solo s;
	uint64_t begin;

	solo_init(&s, "1 2 3", "1", 1, 0);
	solo_lead(&s);
	begin = s.now;
	while (s.raft.role == RAFT_LEADER && s.now < begin + 5000) {
		(void)solo_tick(&s, s.raft.deadline_ms - s.now);
		/* What a learner or a stranger says does not matter; an old term's word neither. */
		(void)solo_receive(&s, 2, MESSAGE(.type = RAFT_APPEND_REPLY, .term = 1,
						  .index = 1, .log_term = 1, .granted = 1));
	}
	CHECK(s.now - begin >= RAFT_ELECTION_MS && s.now - begin <= 2 * RAFT_ELECTION_MS);
	CHECK_INT(s.raft.leader, 0);
	CHECK_INT(s.raft.hard.term, 2);
	solo_done(&s);
}

TEST(a_leader_that_hears_one_of_two_others_stays)
{
	struct solo s;

	solo_init(&s, "1 2 3", "1", 1, 0);
	solo_lead(&s);
	for (int i = 0; i < 50; i++) {
		(void)solo_tick(&s, s.raft.deadline_ms - s.now);
		(void)solo_receive(&s, 2, MESSAGE(.type = RAFT_APPEND_REPLY, .term = 2,
						  .index = 2, .log_term = 2, .granted = 1));
		CHECK_INT(s.raft.role, RAFT_LEADER);
	}
	solo_done(&s);
}

/* ---- clusters ---------------------------------------------------------------------- */

static struct cluster c;

TEST(a_leader_whose_process_ends_is_replaced_within_40_ms)
{
	uint64_t slow = 0, total = 0;

	for (uint64_t seed = 1; seed <= 100 && !unit_failed(); seed++) {
		struct cluster_node *leader;
		uint64_t begin, term;

		cluster_init(&c, seed, seed % 2 ? 3 : 5, 0);
		cluster_start_all(&c);
		leader = cluster_lead(&c);
		cluster_run(&c, 300);
		term = leader->raft.hard.term;
		begin = c.now;
		cluster_crash(&c, leader->id, 0, 1);
		leader = cluster_lead(&c);
		CHECK(leader->raft.hard.term > term);
		slow += c.now - begin >= 40;
		total += c.now - begin;
		CHECK(c.now - begin < 150);
		cluster_done(&c);
	}
	CHECK(slow <= 5);	/* two asked at once, and each had its own vote */
	CHECK(total / 100 < 30);
}

/* The first to see it is refused by those that still believe in the leader, and asks again soon. */
TEST(others_may_see_the_end_of_a_leader_some_ms_later)
{
	uint64_t total = 0;

	for (uint64_t seed = 1; seed <= 50 && !unit_failed(); seed++) {
		struct cluster_node *leader;
		uint64_t begin, old, late = 1;

		cluster_init(&c, seed, 5, 0);
		cluster_start_all(&c);
		old = cluster_lead(&c)->id;
		cluster_run(&c, 300);
		begin = c.now;
		cluster_crash(&c, old, 0, 0);
		for (uint64_t id = 1; id <= 5; id++) {
			struct cluster_node *n = cluster_node(&c, id);

			if (id == old)
				continue;
			raft_peer_down(&n->raft, old, &n->u);
			cluster_take(&c, n);
			cluster_run(&c, late);
			late += 5;
		}
		leader = cluster_lead(&c);
		CHECK(leader->id != old);
		total += c.now - begin;
		CHECK(c.now - begin < 200);
		cluster_done(&c);
	}
	CHECK(total / 50 < 60);
}

TEST(a_leader_that_is_silent_is_replaced_within_two_timeouts)
{
	for (uint64_t seed = 1; seed <= 30 && !unit_failed(); seed++) {
		struct cluster_node *leader;
		uint64_t begin, old;

		cluster_init(&c, seed, 3, 0);
		cluster_start_all(&c);
		leader = cluster_lead(&c);
		cluster_run(&c, 300);
		old = leader->id;
		begin = c.now;
		cluster_crash(&c, old, 0, 0);
		leader = cluster_lead(&c);
		CHECK(c.now - begin >= RAFT_ELECTION_MS - RAFT_HEARTBEAT_MS);
		CHECK(c.now - begin < 4 * RAFT_ELECTION_MS);
		cluster_done(&c);
	}
}

/* One that was cut off comes back: by the pre-vote its term is still the others', and the leader
 * stays. */
TEST(a_node_that_was_cut_off_disturbs_nobody)
{
	struct cluster_node *leader;
	uint64_t term, other;

	cluster_init(&c, 3, 3, 0);
	cluster_start_all(&c);
	leader = cluster_lead(&c);
	term = leader->raft.hard.term;
	other = leader->id % 3 + 1;
	cluster_cut(&c, other, leader->id, 1);	/* but it reaches the third */
	cluster_run(&c, 10 * RAFT_ELECTION_MS);
	CHECK_INT(cluster_propose(&c, "a"), 0);
	cluster_run(&c, 100);
	CHECK_INT(leader->raft.hard.term, term);
	cluster_cut(&c, other, leader->id, 0);
	cluster_run(&c, 2 * RAFT_ELECTION_MS);
	CHECK(raft_is_ready(&leader->raft));
	CHECK_INT(leader->raft.hard.term, term);
	cluster_check_equal(&c);
	cluster_done(&c);
}

TEST(nothing_moves_on_an_idle_node_alone)
{
	uint64_t sent, written;

	cluster_init(&c, 3, 1, 0);
	cluster_start_all(&c);
	(void)cluster_lead(&c);
	sent = c.nodes[0].sent;
	written = c.nodes[0].written;
	cluster_run(&c, 10000);
	CHECK_INT(c.nodes[0].raft.deadline_ms, 0);
	CHECK_INT(c.nodes[0].sent, sent);
	CHECK_INT(c.nodes[0].written, written);
	cluster_done(&c);
}
