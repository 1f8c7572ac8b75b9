/* Several managers: whatever happens to one of them, requests are answered and nothing is lost. */
#include <stdio.h>
#include <string.h>
#include "base/mem.h"
#include "applets/manager/state/state.h"
#include "manager_cluster.h"
#include "unit.h"

static int count(const char *text, const char *word)
{
	int n = 0;

	for (; (text = strstr(text, word)) != NULL; text += strlen(word))
		n++;
	return n;
}

/* The value of the first "key":"..." in text; "" if there is none. */
static const char *value(const char *text, const char *key, char out[64])
{
	char pattern[64];

	out[0] = '\0';
	snprintf(pattern, sizeof(pattern), "\"%s\":\"", key);
	text = strstr(text, pattern);
	if (text) {
		text += strlen(pattern);
		snprintf(out, 64, "%.*s", (int)strcspn(text, "\""), text);
	}
	return out;
}

/* ---- members ---- */

TEST(managers_join_as_learners_and_then_vote)
{
	struct swarm *w = swarm_new(3);
	uint32_t members = 0, voters = 0, learned = 0;
	const char *nodes;

	swarm_start(w, 0);
	swarm_run(w, 100);
	CHECK_INT(swarm_leader(w), 0);
	for (uint32_t i = 1; i < 3; i++) {
		swarm_start(w, i);
		for (int ms = 0; ms < 1000; ms++) {
			swarm_run(w, 1);
			voters = swarm_voters(w, &members);
			learned |= members == i + 1 && voters == i;
		}
		CHECK(learned);
		CHECK_INT(members, i + 1);
		CHECK_INT(voters, i + 1);
		learned = 0;
	}
	for (uint32_t i = 0; i < 3; i++) {
		CHECK(manager_is_ready(w->nodes[i].manager));
		nodes = swarm_wait(w, swarm_ask(w, i, "GET", "/nodes", NULL));
		CHECK_INT(count(nodes, "\"State\":\"ready\""), 3);
		CHECK_INT(count(nodes, "\"Reachability\":\"reachable\""), 3);
		CHECK_INT(count(nodes, "\"Leader\":true"), 1);
	}
	swarm_run(w, 100);
	CHECK(swarm_agrees(w));
	swarm_free(w);
}

/* A follower gives way at once: nobody waits for it, and it does not wait for long. */
TEST(a_follower_leaves)
{
	struct swarm *w = swarm_ready(3);
	uint32_t gone = swarm_follower(w, 0), members;
	uint64_t leave = swarm_ask(w, gone, "POST", "/swarm/leave?force=1", NULL);
	uint64_t begun = w->now_ms;

	swarm_create(w, gone, "late");
	swarm_create(w, swarm_leader(w), "meanwhile");
	(void)swarm_wait(w, leave);
	CHECK_INT(swarm_status(w, leave), 200);
	CHECK(w->now_ms - begun < 2000);
	CHECK_INT(w->nodes[gone].wiped, 1);
	CHECK_INT(w->nodes[gone].exited, 1);
	CHECK_INT(swarm_voters(w, &members), 2);
	CHECK_INT(members, 2);
	CHECK_INT(swarm_services(w, swarm_follower(w, 0), "meanwhile"), 1);
	swarm_run(w, 100);
	CHECK(swarm_agrees(w));
	swarm_free(w);
}

TEST(the_leader_leaves)
{
	struct swarm *w = swarm_ready(3);
	uint32_t gone = swarm_leader(w), other = swarm_follower(w, 0), members;
	uint64_t leave = swarm_ask(w, gone, "POST", "/swarm/leave?force=1", NULL);
	uint64_t begun = w->now_ms, asked = swarm_create(w, other, "meanwhile");

	(void)swarm_wait(w, leave);
	CHECK_INT(swarm_status(w, leave), 200);
	CHECK(w->now_ms - begun < 3000);
	CHECK_INT(w->nodes[gone].wiped, 1);
	(void)swarm_wait(w, asked);
	CHECK_INT(swarm_status(w, asked), 201);
	CHECK_INT(swarm_voters(w, &members), 2);
	CHECK_INT(members, 2);
	CHECK_INT(swarm_services(w, other, "meanwhile"), 1);
	swarm_free(w);
}

static void change_role(struct swarm *w, uint32_t node, const char *role)
{
	const struct manager *m = w->nodes[swarm_leader(w)].manager;
	const struct node *n = state_node(manager_state(m), w->nodes[node].node_id);
	char target[128], body[128];
	uint64_t asked;

	snprintf(target, sizeof(target), "/nodes/%s/update?version=%llu", n->meta.id,
		 (unsigned long long)n->meta.version);
	snprintf(body, sizeof(body), "{\"Role\":\"%s\",\"Availability\":\"active\"}", role);
	asked = swarm_ask(w, swarm_leader(w), "POST", target, body);
	(void)swarm_wait(w, asked);
	CHECK_INT(swarm_status(w, asked), 200);
}

static void demote(struct swarm *w, uint32_t node)
{
	change_role(w, node, "worker");
}

/* The leader, too: another one leads then, and takes it out. It is told, and told again. */
TEST(a_demoted_manager_is_taken_out_and_hears_of_it)
{
	for (int leads = 0; leads < 2; leads++) {
		struct swarm *w = swarm_ready(3);
		uint32_t node = leads ? swarm_leader(w) : swarm_follower(w, 0), members;

		demote(w, node);
		swarm_run(w, 5000);
		CHECK_INT(swarm_voters(w, &members), 2);
		CHECK_INT(members, 2);
		CHECK(w->nodes[node].told_role > 0);
		CHECK_INT(w->nodes[node].exited, 0);
		swarm_free(w);
	}
}

/* Its certificate may live for months: nobody listens to it, whichever raft id it takes. */
TEST(a_removed_node_is_not_listened_to)
{
	struct swarm *w = swarm_ready(3);
	uint32_t node = swarm_follower(w, 0), leader;
	const char *id = w->nodes[node].node_id;
	char target[128];
	uint64_t asked;
	int dropped;

	demote(w, node);
	swarm_run(w, 5000);
	leader = swarm_leader(w);
	CHECK(manager_welcomes(w->nodes[leader].manager, w->nodes[node].config.raft_id, id));
	snprintf(target, sizeof(target), "/nodes/%s?force=1", id);
	asked = swarm_ask(w, leader, "DELETE", target, NULL);
	(void)swarm_wait(w, asked);
	CHECK_INT(swarm_status(w, asked), 200);
	swarm_run(w, 1000);
	for (uint32_t i = 0; i < 3; i++) {
		const struct manager *m = w->nodes[i].manager;

		if (i == node)
			continue;
		CHECK(!manager_welcomes(m, w->nodes[node].config.raft_id, id));
		CHECK(!manager_welcomes(m, 12345, id));
		CHECK(w->nodes[i].dropped > 0);
	}
	/* It was welcome when the connection was made. */
	dropped = w->nodes[leader].dropped;
	swarm_event(w, leader, (struct event){ .kind = EVENT_PEER_UP, .id = 12345,
					       .text = slice_of(id) });
	swarm_run(w, 1);
	CHECK_INT(w->nodes[leader].dropped, dropped + 1);
	swarm_free(w);
}

/* Until then another leader may count on it: it must not give up its log, nor be removed. */
TEST(one_that_is_taken_out_counts_as_a_manager_until_that_is_committed)
{
	struct swarm *w = swarm_ready(3);
	uint32_t leader = swarm_leader(w), node = swarm_follower(w, 0);
	const struct raft *r = manager_raft(w->nodes[leader].manager);
	char target[128];
	uint64_t asked;

	snprintf(target, sizeof(target), "/nodes/%s?force=1", w->nodes[node].node_id);
	swarm_cut(w, swarm_follower(w, 1), 1);	/* whose answer is missing then */
	demote(w, node);
	swarm_run(w, 10);
	CHECK(!raft_member(r, w->nodes[node].config.raft_id));
	CHECK(r->config_index > r->commit);
	asked = swarm_ask(w, leader, "DELETE", target, NULL);
	swarm_run(w, 10);
	CHECK_INT(swarm_status(w, asked), 400);
	swarm_cut(w, 0, 0);
	swarm_cut(w, 1, 0);
	swarm_cut(w, 2, 0);
	swarm_run(w, 3000);
	asked = swarm_ask(w, swarm_leader(w), "DELETE", target, NULL);
	(void)swarm_wait(w, asked);
	CHECK_INT(swarm_status(w, asked), 200);
	swarm_free(w);
}

/* Its wish to be let in was heard when its removal was in the log, and not applied yet. */
TEST(a_node_that_is_removed_while_it_joins_does_not_come_back)
{
	struct swarm *w = swarm_ready(3);
	uint32_t node = swarm_follower(w, 0), other, members;
	const char *id = w->nodes[node].node_id;
	char target[128];
	uint64_t removal;

	change_role(w, node, "worker");
	swarm_run(w, 3000);
	change_role(w, node, "manager");
	swarm_kill(w, node);
	swarm_fresh(w, node);
	other = swarm_follower(w, 0);
	swarm_cut(w, other, 1);		/* whose answer is missing then */
	snprintf(target, sizeof(target), "/nodes/%s?force=1", id);
	removal = swarm_ask(w, swarm_leader(w), "DELETE", target, NULL);
	swarm_start(w, node);
	swarm_run(w, 100);
	CHECK_INT(manager_raft(w->nodes[swarm_leader(w)].manager)->config.count, 3);
	swarm_cut(w, other, 0);
	(void)swarm_wait(w, removal);
	CHECK_INT(swarm_status(w, removal), 200);
	swarm_run(w, 5000);
	CHECK(!state_node(manager_state(w->nodes[swarm_leader(w)].manager), id));
	(void)swarm_voters(w, &members);
	CHECK_INT(members, 2);
	swarm_free(w);
}

/* Demoted or removed before it was let in, it may have no connection with one that could say so. */
TEST(one_that_is_not_let_in_asks_what_it_is)
{
	struct swarm *w = swarm_ready(3);
	uint32_t node = swarm_follower(w, 0);

	swarm_kill(w, node);
	swarm_fresh(w, node);
	swarm_cut(w, node, 1);
	swarm_start(w, node);
	swarm_run(w, 4000);
	CHECK_INT(w->nodes[node].told_role, 0);
	swarm_run(w, 2000);
	CHECK(w->nodes[node].told_role > 0);
	swarm_free(w);
}

/* The follower that it is connected with has no leader just then, and has the same one again. */
TEST(a_session_that_ends_unseen_by_the_leader_is_no_session)
{
	struct swarm *w = swarm_ready(5);
	uint32_t leader = swarm_leader(w), by = swarm_follower(w, 0), gone = swarm_follower(w, 1);
	const struct manager *m = w->nodes[leader].manager;
	const char *id = w->nodes[gone].node_id;
	uint64_t term = manager_raft(m)->hard.term;

	swarm_kill(w, gone);
	swarm_event(w, by, (struct event){ .kind = EVENT_SESSION_UP, .id = 777,
					   .text = slice_of(id) });
	swarm_run(w, 1000);
	w->cut[leader][by] = 1;
	swarm_run(w, 1500);
	CHECK_INT(manager_raft(w->nodes[by].manager)->leader, 0);
	swarm_event(w, by, (struct event){ .kind = EVENT_SESSION_DOWN, .id = 777 });
	swarm_run(w, 10);
	w->cut[leader][by] = 0;
	swarm_run(w, 20000);
	CHECK_INT(manager_raft(m)->hard.term, term);
	CHECK_INT(manager_raft(m)->role, RAFT_LEADER);
	CHECK_INT(state_node(manager_state(m), id)->status.state, NODE_DOWN);
	swarm_free(w);
}

/* A raft id belongs to the node that the configuration says. */
TEST(a_manager_cannot_be_another_one)
{
	struct swarm *w = swarm_ready(3);
	const struct manager *m = w->nodes[0].manager;

	CHECK(manager_welcomes(m, w->nodes[1].config.raft_id, w->nodes[1].node_id));
	CHECK(!manager_welcomes(m, w->nodes[1].config.raft_id, w->nodes[2].node_id));
	CHECK(!manager_welcomes(m, w->nodes[1].config.raft_id, ""));
	CHECK(manager_welcomes(m, 12345, w->nodes[2].node_id));
	swarm_free(w);
}

/* What a leaving manager is still told by the leader goes into its log once. */
TEST(a_leaving_follower_takes_what_comes_meanwhile_once)
{
	struct swarm *w = swarm_ready(3);
	uint32_t leader = swarm_leader(w), gone = swarm_follower(w, 0);
	uint64_t leave, last = 0;

	leave = swarm_ask(w, gone, "POST", "/swarm/leave?force=1", NULL);
	for (int i = 0; i < 20; i++) {
		char name[16];

		snprintf(name, sizeof(name), "s%d", i);
		last = swarm_create(w, leader, name);
		swarm_run(w, 1);
	}
	(void)swarm_wait(w, leave);
	(void)swarm_wait(w, last);
	CHECK_INT(swarm_status(w, leave), 200);
	CHECK_INT(swarm_status(w, last), 201);
	swarm_free(w);
}

TEST(a_node_that_lost_its_disk_replaces_its_old_member)
{
	struct swarm *w = swarm_ready(3);
	uint32_t node = swarm_follower(w, 0), members;
	uint64_t old = w->nodes[node].config.raft_id;
	const struct raft *r;

	swarm_kill(w, node);
	swarm_run(w, 100);
	swarm_fresh(w, node);
	swarm_start(w, node);
	swarm_run(w, 3000);
	CHECK_INT(swarm_voters(w, &members), 3);
	CHECK_INT(members, 3);
	r = manager_raft(w->nodes[swarm_leader(w)].manager);
	CHECK(!raft_member(r, old));
	CHECK(raft_member(r, w->nodes[node].config.raft_id) != NULL);
	CHECK(swarm_agrees(w));
	swarm_free(w);
}

/* Lost again before it had a vote: the member in between goes, too. */
TEST(a_node_that_lost_its_disk_twice_leaves_no_member_behind)
{
	struct swarm *w = swarm_ready(3);
	uint32_t node = swarm_follower(w, 0), members = 3;

	swarm_kill(w, node);
	swarm_fresh(w, node);
	swarm_start(w, node);
	for (int i = 0; i < 2000 && members == 3; i++) {
		swarm_run(w, 1);
		(void)swarm_voters(w, &members);
	}
	CHECK_INT(members, 4);	/* a learner beside the old one */
	swarm_kill(w, node);
	swarm_fresh(w, node);
	swarm_start(w, node);
	swarm_run(w, 5000);
	CHECK_INT(swarm_voters(w, &members), 3);
	CHECK_INT(members, 3);
	swarm_free(w);
}

/* It would stand in every manager's list of addresses, a line of its own. */
TEST(a_wish_that_does_not_say_who_is_not_fulfilled)
{
	struct swarm *w = swarm_ready(2);
	static const struct slice texts[] = {
		{ "", 0 }, { "x", 1 }, { "a b c", 5 }, { "a b\n9", 5 }, { "a \0b", 4 },
		{ "a \xff", 3 },
	};
	uint32_t members;

	for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++)
		swarm_say(w, swarm_follower(w, 0), swarm_leader(w), &(struct peer_message){
			.kind = PEER_JOIN, .id = 1000 + i, .body = texts[i] });
	swarm_run(w, 100);
	(void)swarm_voters(w, &members);
	CHECK_INT(members, 2);
	swarm_say(w, swarm_follower(w, 0), swarm_leader(w), &(struct peer_message){
		.kind = PEER_JOIN, .id = 1000, .body = { "a b", 3 } });
	swarm_run(w, 100);
	(void)swarm_voters(w, &members);
	CHECK_INT(members, 3);
	swarm_free(w);
}

/* ---- changes ---- */

TEST(a_change_through_a_follower_is_applied_everywhere)
{
	struct swarm *w = swarm_ready(3);
	uint32_t follower = swarm_follower(w, 0);
	uint64_t asked = swarm_create(w, follower, "web");
	char id[64];

	CHECK_INT(strlen(value(swarm_wait(w, asked), "ID", id)), 25);
	CHECK_INT(swarm_status(w, asked), 201);
	for (uint32_t i = 0; i < 3; i++)
		CHECK_INT(swarm_services(w, i, "web"), 1);
	swarm_run(w, 200);
	CHECK(swarm_agrees(w));
	swarm_free(w);
}

static int loses_replies(struct swarm *w, uint32_t from, uint32_t to,
			 const struct peer_message *m)
{
	(void)w;
	(void)from;
	(void)to;
	return m->kind == PEER_REPLY;
}

/* The entry is committed, the answer is lost with the leader. */
TEST(a_request_whose_answer_died_with_the_leader_is_made_once)
{
	struct swarm *w = swarm_ready(3);
	uint32_t leader = swarm_leader(w), follower = swarm_follower(w, 0);
	uint64_t asked;
	char id[64];

	w->loses = loses_replies;
	asked = swarm_create(w, follower, "web");
	swarm_run(w, 50);
	CHECK_INT(swarm_status(w, asked), 0);
	CHECK(w->lost > 0);
	w->loses = NULL;
	swarm_kill(w, leader);
	value(swarm_wait(w, asked), "ID", id);
	CHECK_INT(swarm_status(w, asked), 201);
	CHECK(swarm_leader(w) != leader);
	CHECK_INT(swarm_services(w, follower, "web"), 1);
	CHECK(strstr(swarm_wait(w, swarm_ask(w, follower, "GET", "/services", NULL)), id) != NULL);
	swarm_free(w);
}

/* It was in the leader's log only. */
TEST(a_request_in_flight_when_the_leader_dies_is_answered)
{
	struct swarm *w = swarm_ready(3);
	uint32_t leader = swarm_leader(w), follower = swarm_follower(w, 0);
	uint64_t asked = swarm_create(w, follower, "web"), begun;

	swarm_run(w, 2);
	CHECK_INT(swarm_status(w, asked), 0);
	begun = w->now_ms;
	swarm_kill(w, leader);
	(void)swarm_wait(w, asked);
	CHECK_INT(swarm_status(w, asked), 201);
	CHECK(w->now_ms - begun < 500);
	CHECK_INT(swarm_services(w, follower, "web"), 1);
	swarm_free(w);
}

/* Asked at the leader itself, which is cut off and deposed. */
TEST(a_request_at_a_deposed_leader_is_answered_by_its_successor)
{
	struct swarm *w = swarm_ready(3);
	uint32_t leader = swarm_leader(w);
	uint64_t change, held, read;

	swarm_cut(w, leader, 1);
	change = swarm_create(w, leader, "web");
	held = swarm_create(w, leader, "db");
	swarm_run(w, 3000);
	CHECK_INT(swarm_status(w, change), 0);
	CHECK(swarm_leader(w) != leader);
	CHECK(swarm_leader(w) != SWARM_NODES);
	read = swarm_create(w, swarm_leader(w), "newer");
	(void)swarm_wait(w, read);
	swarm_cut(w, leader, 0);
	(void)swarm_wait(w, change);
	(void)swarm_wait(w, held);
	CHECK_INT(swarm_status(w, change), 201);
	CHECK_INT(swarm_status(w, held), 201);
	CHECK_INT(swarm_services(w, leader, "web"), 1);
	CHECK_INT(swarm_services(w, leader, "db"), 1);
	CHECK_INT(swarm_services(w, leader, "newer"), 1);
	swarm_run(w, 500);
	CHECK(swarm_agrees(w));
	swarm_free(w);
}

/* It does not know that it is deposed, and may not tell what it has. */
TEST(a_read_at_a_deposed_leader_is_not_stale)
{
	struct swarm *w = swarm_ready(3);
	uint32_t leader = swarm_leader(w), other;
	uint64_t read, change;

	other = swarm_follower(w, 0);
	swarm_cut(w, leader, 1);
	for (int i = 0; i < 3000 && (swarm_leader(w) == leader || swarm_leader(w) == SWARM_NODES);
	     i++)
		swarm_run(w, 1);
	change = swarm_create(w, other, "web");
	read = swarm_ask(w, leader, "GET", "/services", NULL);
	(void)swarm_wait(w, change);
	CHECK_INT(swarm_status(w, change), 201);
	CHECK_INT(swarm_status(w, read), 0);
	swarm_cut(w, leader, 0);
	CHECK_INT(count(swarm_wait(w, read), "\"Name\":\"web\""), 1);
	CHECK_INT(swarm_status(w, read), 200);
	swarm_free(w);
}

/* In both ways: it never had a leader to send it to, or its leader went. */
TEST(without_a_leader_a_request_is_refused_after_ten_seconds)
{
	struct swarm *w = swarm_ready(3);
	uint32_t last = swarm_leader(w), a = swarm_follower(w, 0), b = swarm_follower(w, 1);
	uint64_t sent = swarm_create(w, a, "web"), late, begun;

	swarm_run(w, 2);
	begun = w->now_ms;
	swarm_kill(w, last);
	swarm_kill(w, b);
	swarm_run(w, 1000);
	late = swarm_create(w, a, "db");
	CHECK(strstr(swarm_wait(w, sent), "The swarm does not have a leader") != NULL);
	CHECK_INT(swarm_status(w, sent), 503);
	CHECK(w->now_ms - begun > 9000 && w->now_ms - begun < 11000);
	CHECK_INT(swarm_status(w, late), 0);
	(void)swarm_wait(w, late);
	CHECK_INT(swarm_status(w, late), 503);
	swarm_free(w);
}

/* A connection that closes loses what was on it. */
TEST(a_request_is_asked_again_when_the_connection_comes_back)
{
	struct swarm *w = swarm_ready(3);
	uint32_t follower = swarm_follower(w, 0);
	uint64_t asked[10];

	for (int i = 0; i < 10; i++) {
		char name[16];

		snprintf(name, sizeof(name), "s%d", i);
		asked[i] = swarm_create(w, follower, name);
		swarm_run(w, (uint64_t)i % 4);
		swarm_close(w, follower, swarm_leader(w));
		(void)swarm_wait(w, asked[i]);
		CHECK_INT(swarm_status(w, asked[i]), 201);
		CHECK_INT(swarm_services(w, follower, name), 1);
	}
	swarm_free(w);
}

/* Many at once, at each manager. */
TEST(every_request_of_many_is_answered)
{
	struct swarm *w = swarm_ready(3);
	uint64_t first = w->requests + 1, refused = 0;

	for (int i = 0; i < MANAGER_REQUESTS_MAX; i++) {
		for (uint32_t node = 0; node < 3; node++)
			swarm_ask(w, node, "GET", "/nodes", NULL);
	}
	swarm_run(w, 5000);
	for (uint64_t i = first; i <= w->requests; i++) {
		CHECK(swarm_status(w, i) == 200 || swarm_status(w, i) == 503);
		refused += swarm_status(w, i) == 503;
	}
	CHECK(refused < w->requests / 2);
	swarm_free(w);
}

/* ---- stopping and failing ---- */

TEST(a_leader_that_stops_gives_leadership_away_first)
{
	struct swarm *w = swarm_ready(3);
	uint32_t leader = swarm_leader(w), other = swarm_follower(w, 0);
	uint64_t asked[12];

	for (int i = 0; i < 12; i++) {
		char name[16];

		snprintf(name, sizeof(name), "s%d", i);
		asked[i] = swarm_create(w, i % 2 ? leader : other, name);
		if (i == 6)
			swarm_event(w, leader, (struct event){ .kind = EVENT_STOP });
		if (i < 6)
			swarm_run(w, 1);
	}
	for (int i = 0; i < 12; i++) {
		(void)swarm_wait(w, asked[i]);
		CHECK_INT(swarm_status(w, asked[i]), 201);
	}
	swarm_run(w, 100);
	CHECK_INT(w->nodes[leader].exited, 1);
	CHECK(swarm_leader(w) != leader && swarm_leader(w) != SWARM_NODES);
	CHECK(w->nodes[leader].manager == NULL);
	swarm_free(w);
}

TEST(when_the_leaders_disk_fails_another_one_leads)
{
	struct swarm *w = swarm_ready(3);
	uint32_t leader = swarm_leader(w);
	uint64_t before, after, begun = w->now_ms;

	w->nodes[leader].disk_stuck = 1;
	before = swarm_create(w, leader, "web");
	swarm_run(w, 1);
	swarm_event(w, leader, (struct event){ .kind = EVENT_WAL_FAILED, .text = SLICE("full") });
	after = swarm_create(w, leader, "db");
	(void)swarm_wait(w, before);
	(void)swarm_wait(w, after);
	CHECK_INT(swarm_status(w, before), 201);
	CHECK_INT(swarm_status(w, after), 201);
	CHECK(w->now_ms - begun < 1000);
	CHECK_INT(w->nodes[leader].restarts, 1);
	CHECK(swarm_leader(w) != leader && swarm_leader(w) != SWARM_NODES);
	CHECK_INT(swarm_services(w, leader, "web"), 1);
	CHECK_INT(swarm_services(w, leader, "db"), 1);
	/* And it comes back with what its disk holds. */
	swarm_kill(w, leader);
	swarm_start(w, leader);
	swarm_run(w, 2000);
	CHECK(swarm_agrees(w));
	swarm_free(w);
}

TEST(a_follower_with_a_failed_disk_still_asks_the_leader)
{
	struct swarm *w = swarm_ready(3);
	uint32_t node = swarm_follower(w, 0), leader = swarm_leader(w);
	uint64_t asked;

	w->nodes[node].disk_stuck = 1;
	swarm_event(w, node, (struct event){ .kind = EVENT_WAL_FAILED, .text = SLICE("full") });
	asked = swarm_create(w, node, "web");
	(void)swarm_wait(w, asked);
	CHECK_INT(swarm_status(w, asked), 201);
	CHECK_INT(swarm_services(w, node, "web"), 1);
	CHECK_INT(swarm_leader(w), leader);
	swarm_free(w);
}

/* The log is there, but nothing says yet that what it holds is committed. */
TEST(alone_with_a_disk_that_fails_at_the_start_it_tells_nothing)
{
	struct swarm *w = swarm_ready(1);
	uint64_t asked = swarm_create(w, 0, "web");

	(void)swarm_wait(w, asked);
	swarm_kill(w, 0);
	swarm_start(w, 0);
	w->nodes[0].disk_stuck = 1;
	swarm_event(w, 0, (struct event){ .kind = EVENT_WAL_FAILED, .text = SLICE("full") });
	swarm_run(w, 100);
	asked = swarm_ask(w, 0, "GET", "/services", NULL);
	CHECK(strstr(swarm_wait(w, asked), "full") != NULL);
	CHECK_INT(swarm_status(w, asked), 503);
	swarm_free(w);
}

TEST(alone_with_a_failed_disk_it_tells_what_it_has)
{
	struct swarm *w = swarm_ready(1);
	uint64_t asked = swarm_create(w, 0, "web");

	(void)swarm_wait(w, asked);
	swarm_event(w, 0, (struct event){ .kind = EVENT_WAL_FAILED, .text = SLICE("full") });
	asked = swarm_create(w, 0, "db");
	CHECK(strstr(swarm_wait(w, asked), "full") != NULL);
	CHECK_INT(swarm_status(w, asked), 503);
	CHECK_INT(swarm_services(w, 0, "web"), 1);
	CHECK_INT(swarm_services(w, 0, "db"), 0);
	CHECK_INT(w->nodes[0].restarts, 1);
	swarm_free(w);
}
