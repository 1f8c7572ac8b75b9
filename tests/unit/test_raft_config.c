/* Changes of the members (thesis 4). */
#include <string.h>
#include "base/err.h"
#include "raft_cluster.h"
#include "raft_solo.h"
#include "unit.h"

#define MESSAGE(...) ((struct raft_message){ __VA_ARGS__ })
#define HAS(t, i, l, ...) \
	MESSAGE(.type = RAFT_APPEND_REPLY, .term = (t), .index = (i), .log_term = (l), \
		.granted = 1, __VA_ARGS__)
#define VOTER(n) { .id = (n), .votes = 1 }

static const struct raft_config
	of_12 = { .count = 2, .members = { VOTER(1), VOTER(2) } },
	of_23 = { .count = 2, .members = { VOTER(2), VOTER(3) } },
	of_123 = { .count = 3, .members = { VOTER(1), VOTER(2), VOTER(3) } },
	of_1234 = { .count = 4, .members = { VOTER(1), VOTER(2), VOTER(3), VOTER(4) } },
	of_123_4 = { .count = 4, .members = { VOTER(1), VOTER(2), VOTER(3), { .id = 4 } } },
	of_1 = { .count = 1, .members = { VOTER(1) } };

static int change(struct solo *s, const struct raft_config *config)
{
	uint64_t index;

	s->u.now_ms = s->now;
	return raft_propose_config(&s->raft, config, &index, &s->u);
}

/* The last one in the list; the ids before it vote as well, as far as they are needed. */
static uint64_t last_voter(const char *members)
{
	return (uint64_t)(members[strlen(members) - 1] - '0');
}

TEST(one_vote_changes_at_a_time)
{
	struct raft_config bad = of_123;
	struct solo s;

	solo_init(&s, "1 2 3", "1", 1, 0);
	CHECK_INT(change(&s, &of_1234), ERR_UNAVAILABLE);
	solo_lead(&s);
	CHECK_INT(change(&s, &of_1), ERR_INVALID);
	bad.members[0].id = 4;		/* 1 goes, 4 comes */
	CHECK_INT(change(&s, &bad), ERR_INVALID);	/* and it is not in order */
	bad = of_123;
	bad.members[2].id = 4;
	CHECK_INT(change(&s, &bad), ERR_INVALID);
	bad = of_123;
	for (int i = 0; i < 3; i++)
		bad.members[i].votes = 0;
	CHECK_INT(change(&s, &bad), ERR_INVALID);
	bad = of_123_4;
	memset(bad.members[3].about, 'x', RAFT_ABOUT_MAX);
	CHECK_INT(change(&s, &bad), ERR_INVALID);
	bad = (struct raft_config){ 0 };
	CHECK_INT(change(&s, &bad), ERR_INVALID);
	CHECK_INT(s.raft.config.count, 3);
	CHECK_INT(change(&s, &of_1234), 0);
	CHECK_STR(solo_said(&s), "entry 3/2; config");
	CHECK_INT(s.raft.config.count, 4);	/* in force at once */
	CHECK_INT(change(&s, &of_123), ERR_UNAVAILABLE);	/* the last is not committed */
	solo_done(&s);
}

TEST(a_new_leader_changes_nothing_before_it_has_committed)
{
	struct solo s;

	solo_init(&s, "1", "1", 1, 0);
	(void)solo_persisted(&s);
	CHECK_INT(s.raft.role, RAFT_LEADER);
	CHECK_INT(change(&s, &of_12), ERR_UNAVAILABLE);
	(void)solo_persisted(&s);
	CHECK_INT(change(&s, &of_12), 0);
	CHECK(s.raft.deadline_ms != 0);
	/* From here on two are needed, and the second has nothing yet. */
	CHECK_STR(solo_persisted(&s), "");
	CHECK_STR(solo_up(&s, 2), "");
	CHECK_STR(solo_flush(&s), "2: append 2 2/2 +1 commit 2");
	CHECK_STR(solo_receive(&s, 2, MESSAGE(.type = RAFT_APPEND_REPLY, .term = 2)), "");
	CHECK_STR(solo_flush(&s), "2: append 2 0/0 +3 commit 2");
	CHECK_STR(solo_receive(&s, 2, HAS(2, 3, 2)), "commit 3");
	/* And back: what one disk has is enough. */
	CHECK_INT(change(&s, &of_1), 0);
	CHECK_STR(solo_persisted(&s), "commit 4");
	CHECK_INT(s.raft.deadline_ms, 0);
	solo_done(&s);
}

static const struct {
	const char *members;
	uint32_t others;	/* that are needed beside the leader */
} majorities[] = {
	{ "1 2", 1 }, { "1 2 3", 1 }, { "1 2 3 4", 2 }, { "1 2 3 4 5", 2 }, { "1 2 3 4 5 6", 3 },
	{ "1 2 3 4 5 6 7", 3 }, { "1 2- 3- 4", 1 }, { "1 2- 3 4", 1 },
};

TEST(a_majority_of_the_voters_is_needed)
{
	for (size_t i = 0; i < sizeof(majorities) / sizeof(*majorities); i++) {
		uint64_t index, ticket, id = last_voter(majorities[i].members);
		uint32_t need = majorities[i].others;
		struct raft_message m = HAS(2, 2, 2);
		struct solo s;

		solo_init(&s, majorities[i].members, "1", 1, 0);
		(void)solo_tick(&s, 2 * RAFT_ELECTION_MS);
		for (int pre = 1; pre >= 0; pre--) {
			for (uint32_t k = 0; k < need; k++) {
				CHECK(s.raft.role != RAFT_LEADER);
				CHECK_INT(s.raft.role, pre ? RAFT_PRE_CANDIDATE : RAFT_CANDIDATE);
				(void)solo_receive(&s, id - k, MESSAGE(.type = RAFT_VOTE_REPLY,
					.term = 2, .pre = pre, .granted = 1));
			}
			(void)solo_persisted(&s);
		}
		CHECK_INT(s.raft.role, RAFT_LEADER);
		(void)solo_persisted(&s);
		for (uint32_t k = 0; k < need; k++) {
			CHECK_INT(s.raft.commit, 0);
			(void)solo_receive(&s, id - k, m);
		}
		CHECK_INT(s.raft.commit, 2);
		CHECK_INT(raft_propose(&s.raft, SLICE("x"), &index, &s.u), 0);
		CHECK_INT(raft_read(&s.raft, &ticket, &s.u), 0);
		m.round = ticket;
		for (uint32_t k = 0; k < need; k++) {
			CHECK(s.raft.read_confirmed < ticket);
			(void)solo_receive(&s, id - k, m);
		}
		CHECK_INT(s.raft.read_confirmed, ticket);
		solo_done(&s);
	}
}

TEST(progress_of_those_that_stay_is_kept)
{
	struct solo s;

	solo_init(&s, "1 2 3 5-", "1", 1, 0);
	solo_lead(&s);
	(void)solo_receive(&s, 3, HAS(2, 2, 2));
	(void)solo_receive(&s, 5, HAS(2, 1, 1));
	CHECK(raft_is_ready(&s.raft));
	CHECK_INT(raft_peer(&s.raft, 5)->match, 1);
	(void)solo_up(&s, 4);
	{
		struct raft_config five = { .count = 5, .members = {
			VOTER(1), VOTER(2), VOTER(3), { .id = 4 }, { .id = 5 } } };

		CHECK_INT(change(&s, &five), 0);
	}
	CHECK_INT(raft_peer(&s.raft, 3)->match, 2);
	CHECK_INT(raft_peer(&s.raft, 5)->match, 1);
	CHECK_INT(raft_peer(&s.raft, 4)->match, 0);
	CHECK_INT(raft_peer(&s.raft, 4)->up, 1);	/* connected before it was a member */
	CHECK(raft_peer(&s.raft, 7) == NULL);
	CHECK_STR(raft_member(&s.raft, 4)->about, "");
	solo_done(&s);
}

TEST(a_learner_gets_the_log_but_is_not_counted)
{
	struct solo s;

	solo_init(&s, "1 2 3 4-", "1", 1, 0);
	solo_lead(&s);
	(void)solo_receive(&s, 4, HAS(2, 2, 2));
	CHECK_INT(change(&s, &of_123), 0);
	CHECK_INT(s.raft.config.count, 3);
	(void)solo_persisted(&s);
	(void)solo_receive(&s, 4, HAS(2, 3, 2));
	CHECK_INT(s.raft.commit, 2);
	CHECK_STR(solo_receive(&s, 2, HAS(2, 3, 2)), "commit 3");
	solo_done(&s);
	solo_init(&s, "1 2 3 4-", "1", 1, 0);
	solo_lead(&s);
	(void)solo_receive(&s, 4, HAS(2, 2, 2));
	{
		uint64_t index;

		CHECK_INT(raft_propose(&s.raft, SLICE("a"), &index, &s.u), 0);
	}
	CHECK_STR(solo_flush(&s), "2: append 2 2/2 +1 commit 2; 4: append 2 2/2 +1 commit 2");
	(void)solo_persisted(&s);
	CHECK_STR(solo_receive(&s, 4, HAS(2, 3, 2)), "");
	CHECK_STR(solo_receive(&s, 2, HAS(2, 3, 2)), "commit 3");
	/* Its word keeps no leader either. */
	for (int i = 0; i < 20 && s.raft.role == RAFT_LEADER; i++) {
		(void)solo_tick(&s, s.raft.deadline_ms - s.now);
		(void)solo_receive(&s, 4, HAS(2, 3, 2));
	}
	CHECK_INT(s.raft.role, RAFT_FOLLOWER);
	solo_done(&s);
}

TEST(a_leader_that_is_left_out_goes_when_that_is_committed)
{
	struct solo s;

	solo_init(&s, "1 2 3", "1", 1, 0);
	solo_lead(&s);
	(void)solo_receive(&s, 3, HAS(2, 2, 2));
	CHECK_INT(change(&s, &of_23), 0);
	CHECK_INT(s.raft.role, RAFT_LEADER);
	CHECK_STR(solo_flush(&s), "2: append 2 2/2 +1 commit 2; 3: append 2 2/2 +1 commit 2");
	CHECK_STR(solo_persisted(&s), "");	/* its own disk counts no more */
	CHECK_STR(solo_receive(&s, 3, HAS(2, 3, 2)), "");
	CHECK_STR(solo_receive(&s, 2, HAS(2, 3, 2)), "2: lead 2; commit 3; role");
	CHECK_INT(s.raft.role, RAFT_FOLLOWER);
	CHECK_INT(s.raft.deadline_ms, 0);	/* it never campaigns again */
	solo_done(&s);
}

TEST(one_that_is_left_out_is_told_so)
{
	struct solo s;

	solo_init(&s, "1 2 3", "1", 1, 0);
	solo_lead(&s);
	(void)solo_receive(&s, 3, HAS(2, 2, 2));
	CHECK_INT(change(&s, &of_12), 0);
	CHECK_STR(solo_said(&s), "entry 3/2; 3: append 2 2/2 +1 commit 2; config");
	CHECK_STR(solo_flush(&s), "2: append 2 2/2 +1 commit 2");
	solo_done(&s);
}

TEST(a_configuration_that_is_cut_off_counts_no_more)
{
	struct raft_message m;
	struct raft_entry e = { .index = 2, .term = 5, .kind = RAFT_CONFIG };
	struct buf b;
	struct solo s;

	solo_init(&s, "1 2 3", "1", 5, 0);
	buf_init(&b, 1000);
	raft_config_build(&b, &of_1234);
	e.data = buf_slice(&b);
	m = MESSAGE(.type = RAFT_APPEND, .term = 5, .index = 1, .log_term = 1, .entries = &e,
		    .entry_count = 1);
	CHECK_STR(solo_receive(&s, 2, m), "entry 2/5; role; config");
	CHECK_INT(s.raft.config.count, 4);
	CHECK_STR(solo_receive(&s, 3, solo_append(&s, 6, 1, 1, "6")),
		  "hard 6/0; entry 2/6; role; config");
	CHECK_INT(s.raft.config.count, 3);
	buf_done(&b);
	solo_done(&s);
}

/* ---- clusters -------------------------------------------------------------------------- */

static struct cluster c;

/* As a manager is added: it joins as learner, gets all, then votes. */
TEST(a_learner_catches_up_and_is_promoted)
{
	struct raft_config config;
	struct cluster_node *leader, *n;

	cluster_init(&c, 4, 1, 0);
	cluster_start_all(&c);
	leader = cluster_lead(&c);
	for (int i = 0; i < 100; i++)
		CHECK_INT(cluster_propose(&c, "before"), 0);
	n = cluster_add(&c, 7);
	cluster_start(&c, 7);
	config = leader->raft.config;
	config.members[config.count++] = (struct raft_member){ .id = 7, .about = "seven" };
	CHECK_INT(cluster_reconfigure(&c, &config), 0);
	cluster_run(&c, 50);
	CHECK_INT(raft_peer(&leader->raft, 7)->match, leader->raft.base_index +
		  leader->raft.count);
	CHECK_STR(raft_member(&n->raft, 7)->about, "seven");
	config.members[1].votes = 1;
	CHECK_INT(cluster_reconfigure(&c, &config), 0);
	cluster_run(&c, 250);
	cluster_check_equal(&c);
	/* Both are needed now. */
	cluster_crash(&c, 7, 0, 1);
	CHECK_INT(cluster_propose(&c, "waits"), 0);
	cluster_run(&c, 3 * RAFT_ELECTION_MS);
	CHECK(!cluster_leader(&c));
	cluster_start(&c, 7);
	(void)cluster_lead(&c);
	cluster_run(&c, 300);
	cluster_check_equal(&c);
	cluster_done(&c);
}

TEST(the_others_have_a_leader_soon_after_it_was_left_out)
{
	for (uint64_t seed = 1; seed <= 20 && !unit_failed(); seed++) {
		struct raft_config config;
		struct cluster_node *leader;
		uint64_t begin;

		cluster_init(&c, seed, 3, 0);
		cluster_start_all(&c);
		leader = cluster_lead(&c);
		cluster_run(&c, 300);
		config = leader->raft.config;
		for (uint32_t i = (uint32_t)leader->id - 1; i < 2; i++)
			config.members[i] = config.members[i + 1];
		config.count = 2;
		CHECK_INT(cluster_reconfigure(&c, &config), 0);
		begin = c.now;
		while ((!cluster_leader(&c) || cluster_leader(&c) == leader) &&
		       c.now < begin + 1000)
			cluster_run(&c, 1);
		CHECK(c.now - begin < 30);
		CHECK_INT(cluster_propose(&c, "a"), 0);
		cluster_run(&c, 3 * RAFT_ELECTION_MS);
		cluster_check_equal(&c);
		CHECK_INT(leader->raft.role, RAFT_FOLLOWER);
		cluster_done(&c);
	}
}
