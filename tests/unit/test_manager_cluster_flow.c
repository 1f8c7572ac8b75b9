/* Several managers: agents, streams and snapshots pass between them, and no number is too many. */
#include <stdio.h>
#include <string.h>
#include "base/mem.h"
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

/* ---- agents ---- */

TEST(agents_begin_anew_with_a_new_leader)
{
	struct swarm *w = swarm_ready(3);
	uint32_t leader = swarm_leader(w), a = swarm_follower(w, 0), b = swarm_follower(w, 1);
	uint32_t sessions_a = w->nodes[a].sessions, sessions_b = w->nodes[b].sessions;

	swarm_kill(w, leader);
	swarm_run(w, 2000);
	CHECK(w->nodes[a].sessions > sessions_a);
	CHECK(w->nodes[b].sessions > sessions_b);
	/* Each got its complete set. */
	CHECK_INT(count(buf_str(&w->nodes[a].orders), "\"Complete\":true"), 1);
	CHECK_INT(count(buf_str(&w->nodes[b].orders), "\"Complete\":true"), 1);
	/* And not again and again. */
	CHECK(w->nodes[a].sessions <= sessions_a + 3);
	swarm_free(w);
}

static const char *status_text(const char *task, const char *state)
{
	static char text[512];

	snprintf(text, sizeof(text), "{\"Statuses\":[{\"TaskID\":\"%s\",\"Status\":{\"Timestamp\":"
		 "\"2026-01-01T00:00:00Z\",\"State\":\"%s\",\"ContainerStatus\":{\"ContainerID\":"
		 "\"c\",\"PID\":1,\"ExitCode\":0}}}],\"NodeMessage\":\"\"}", task, state);
	return text;
}

/* A service with a task on node: the task's id. */
static void task_on(struct swarm *w, uint32_t node, const char *name, char id[64])
{
	char text[512];
	const char *at;

	snprintf(text, sizeof(text), "{\"Name\":\"%s\",\"TaskTemplate\":{\"ContainerSpec\":"
		 "{\"Image\":\"web:1\"},\"Placement\":{\"Constraints\":[\"node.id==%s\"]}},"
		 "\"Mode\":{\"Replicated\":{\"Replicas\":1}}}", name, w->nodes[node].node_id);
	(void)swarm_wait(w, swarm_ask(w, node, "POST", "/services/create", text));
	swarm_run(w, 200);
	at = strstr(buf_str(&w->nodes[node].orders), "\"Tasks\":[{");
	value(at ? at : "", "ID", id);
}

TEST(orders_and_reports_pass_through_a_follower)
{
	struct swarm *w = swarm_ready(3);
	uint32_t node = swarm_follower(w, 0);
	char id[64];

	task_on(w, node, "web", id);
	CHECK_INT(strlen(id), 25);
	swarm_report(w, node, status_text(id, "running"));
	swarm_run(w, 100);
	CHECK_INT(count(swarm_wait(w, swarm_ask(w, swarm_leader(w), "GET", "/tasks", NULL)),
			"\"State\":\"running\""), 1);
	swarm_free(w);
}

TEST(a_follower_that_reconnects_has_a_session_again)
{
	struct swarm *w = swarm_ready(3);
	uint32_t node = swarm_follower(w, 0);
	char id[64];

	for (int i = 0; i < 5; i++) {
		swarm_close(w, node, swarm_leader(w));
		swarm_run(w, 200);
	}
	task_on(w, node, "web", id);
	CHECK_INT(strlen(id), 25);
	CHECK_INT(count(swarm_wait(w, swarm_ask(w, node, "GET", "/nodes", NULL)),
			"\"State\":\"ready\""), 3);
	swarm_free(w);
}

/* The leader may hear of the newer one first, and of the older one's end last. */
TEST(of_two_sessions_of_a_node_the_newer_counts)
{
	struct swarm *w = swarm_ready(3);
	uint32_t leader = swarm_leader(w), node = swarm_follower(w, 0);
	struct peer_message m = { .kind = PEER_SESSION_UP, .id = 900,
				  .body = slice_of(w->nodes[node].node_id) };
	char id[64];

	swarm_say(w, node, leader, &m);
	swarm_run(w, 50);
	m.kind = PEER_SESSION_DOWN;
	m.id = w->nodes[node].session;
	swarm_say(w, node, leader, &m);
	m.id = 900;
	swarm_say(w, node, leader, &m);
	swarm_run(w, 50);
	swarm_report(w, node, "{\"NodeMessage\":\"\"}");	/* it begins anew */
	swarm_run(w, 200);
	task_on(w, node, "web", id);
	CHECK_INT(strlen(id), 25);
	swarm_free(w);
}

/* With a copy of its identity. */
TEST(who_comes_in_a_nodes_name_does_not_keep_it_out)
{
	struct swarm *w = swarm_ready(3);
	uint32_t leader = swarm_leader(w), nodes[] = { leader, swarm_follower(w, 0) };
	struct peer_message m = { .kind = PEER_SESSION_UP, .id = 900 };

	for (int i = 0; i < 2; i++) {
		struct swarm_node *n = &w->nodes[nodes[i]];
		uint32_t sessions = n->sessions;
		char id[64];

		m.id++;
		m.body = slice_of(n->node_id);
		swarm_say(w, swarm_follower(w, 1), leader, &m);
		swarm_run(w, 200);
		CHECK_INT(n->sessions, sessions + 1);
		task_on(w, nodes[i], i ? "web1" : "web0", id);
		CHECK_INT(strlen(id), 25);
	}
	swarm_free(w);
}

/* ---- streams ---- */

/* A client at `at` follows the log of a task on `node`: the request; *log is the order's number. */
static uint64_t follow_log(struct swarm *w, uint32_t at, uint32_t node, unsigned *log)
{
	const char *order;
	uint64_t stream;
	char id[64];

	task_on(w, node, "web", id);
	swarm_report(w, node, status_text(id, "running"));
	swarm_run(w, 100);
	stream = swarm_ask(w, at, "GET", "/services/web/logs?stdout=1&follow=1", NULL);
	swarm_run(w, 100);
	order = strstr(buf_str(&w->nodes[node].orders), "\"Logs\":{\"ID\":");
	*log = 0;
	for (order = order ? order + 13 : ""; *order >= '0' && *order <= '9'; order++)
		*log = *log * 10 + (unsigned)(*order - '0');
	return stream;
}

static void log_line(struct swarm *w, uint32_t node, unsigned log, const char *base64)
{
	char text[256];

	snprintf(text, sizeof(text), "{\"Log\":{\"ID\":%u,\"Stream\":\"stdout\",\"Data\":\"%s\"},"
		 "\"NodeMessage\":\"\"}", log, base64);
	swarm_report(w, node, text);
	swarm_run(w, 50);
}

static int holds(const struct buf *b, const char *word)
{
	size_t n = strlen(word);

	for (size_t i = 0; i + n <= b->len; i++) {
		if (memcmp(b->data + i, word, n) == 0)
			return 1;
	}
	return 0;
}

TEST(a_stream_passes_through_a_follower)
{
	struct swarm *w = swarm_ready(3);
	uint32_t at = swarm_follower(w, 0), node = swarm_follower(w, 1);
	unsigned log;
	uint64_t stream = follow_log(w, at, node, &log);
	struct swarm_answer *a = &w->answers[stream];

	CHECK(log > 0);
	CHECK_INT(a->status, 200);
	log_line(w, node, log, "aGVsbG8K");
	CHECK(holds(&a->body, "hello\n"));
	log_line(w, node, log, "d29ybGQK");
	CHECK(holds(&a->body, "world\n"));
	CHECK(!a->ended);
	/* The client goes: the agent hears of it. */
	CHECK_INT(count(buf_str(&w->nodes[node].orders), "\"Cancel\":true"), 0);
	swarm_event(w, at, (struct event){ .kind = EVENT_REQUEST_GONE, .id = stream });
	swarm_run(w, 50);
	CHECK_INT(count(buf_str(&w->nodes[node].orders), "\"Cancel\":true"), 1);
	swarm_free(w);
}

TEST(a_stream_ends_with_its_leader)
{
	struct swarm *w = swarm_ready(3);
	uint32_t at = swarm_follower(w, 0), node = swarm_follower(w, 1);
	unsigned log;
	uint64_t stream = follow_log(w, at, node, &log);

	CHECK_INT(swarm_status(w, stream), 200);
	CHECK(!w->answers[stream].ended);
	swarm_kill(w, swarm_leader(w));
	swarm_run(w, 100);
	CHECK(w->answers[stream].ended);
	swarm_free(w);
}

/* The leader lives on and leads no more. */
TEST(a_stream_ends_with_the_leadership)
{
	struct swarm *w = swarm_ready(3);
	uint32_t leader = swarm_leader(w), at = swarm_follower(w, 0), node = swarm_follower(w, 1);
	unsigned log;
	uint64_t own, stream = follow_log(w, at, node, &log);

	own = swarm_ask(w, leader, "GET", "/services/web/logs?stdout=1&follow=1", NULL);
	swarm_run(w, 100);
	CHECK_INT(swarm_status(w, own), 200);
	CHECK(!w->answers[stream].ended && !w->answers[own].ended);
	w->nodes[leader].disk_stuck = 1;
	swarm_event(w, leader, (struct event){ .kind = EVENT_WAL_FAILED, .text = SLICE("full") });
	swarm_run(w, 1000);
	CHECK(swarm_leader(w) != leader);
	CHECK(w->answers[stream].ended);
	CHECK(w->answers[own].ended);
	swarm_free(w);
}

/* More than a connection takes as one message. */
TEST(a_large_answer_passes_through_a_follower)
{
	struct swarm *w = swarm_ready(2);
	uint32_t leader = swarm_leader(w), at = swarm_follower(w, 0);
	static char label[60000], text[61000], name[16];
	uint64_t own, far;

	memset(label, 'x', sizeof(label) - 1);
	for (int i = 0; i < 200; i++) {
		snprintf(name, sizeof(name), "s%d", i);
		snprintf(text, sizeof(text), "{\"Name\":\"%s\",\"Labels\":{\"a\":\"%s\"},"
			 "\"TaskTemplate\":{\"ContainerSpec\":{\"Image\":\"web:1\"}},"
			 "\"Mode\":{\"Replicated\":{\"Replicas\":0}}}", name, label);
		far = swarm_ask(w, leader, "POST", "/services/create", text);
		(void)swarm_wait(w, far);
		CHECK_INT(swarm_status(w, far), 201);
	}
	own = swarm_ask(w, leader, "GET", "/services", NULL);
	far = swarm_ask(w, at, "GET", "/services", NULL);
	(void)swarm_wait(w, own);
	(void)swarm_wait(w, far);
	CHECK_INT(swarm_status(w, far), 200);
	CHECK(w->answers[own].body.len > 8 << 20);
	CHECK(slice_equal(buf_slice(&w->answers[own].body), buf_slice(&w->answers[far].body)));
	swarm_free(w);
}

/* ---- snapshots ---- */

static void fill(struct swarm *w, uint32_t at, const char *prefix, int n)
{
	char name[32];

	for (int i = 0; i < n; i++) {
		snprintf(name, sizeof(name), "%s%d", prefix, i);
		(void)swarm_wait(w, swarm_create(w, at, name));
	}
}

/* Two managers that have forgotten the beginning of their log, and a third that is new. */
static struct swarm *forgetful(void)
{
	struct swarm *w = swarm_new(3);

	for (uint32_t i = 0; i < 3; i++)
		w->nodes[i].config.snapshot_entries = 20;
	swarm_start(w, 0);
	swarm_run(w, 500);
	swarm_start(w, 1);
	swarm_run(w, 1000);
	fill(w, 1, "s", 40);
	/* Of what is forgotten some may be kept in memory: not after a start. */
	swarm_kill(w, 0);
	swarm_kill(w, 1);
	swarm_start(w, 0);
	swarm_start(w, 1);
	swarm_run(w, 3000);
	return w;
}

TEST(a_new_manager_gets_the_snapshot_in_pieces)
{
	struct swarm *w = forgetful();
	uint32_t members;

	CHECK(w->nodes[0].snapshots > 0);
	swarm_start(w, 2);
	swarm_run(w, 5000);
	CHECK(w->nodes[2].stores > 3);
	CHECK_INT(swarm_voters(w, &members), 3);
	CHECK_INT(swarm_services(w, 2, "s39"), 1);
	swarm_run(w, 500);
	CHECK(swarm_agrees(w));
	/* And it is on its disk. */
	swarm_kill(w, 2);
	swarm_start(w, 2);
	swarm_run(w, 2000);
	CHECK(swarm_agrees(w));
	swarm_free(w);
}

/* The file that is being sent is replaced by a newer one. */
TEST(the_leaders_own_newer_snapshot_in_between_does_no_harm)
{
	struct swarm *w = forgetful();
	uint32_t leader = swarm_leader(w), members, snapshots;

	swarm_start(w, 2);
	for (int i = 0; i < 5000 && w->nodes[2].stores < 3; i++)
		swarm_run(w, 1);
	CHECK_INT(w->nodes[2].stores, 3);
	snapshots = w->nodes[leader].snapshots;
	for (int i = 0; i < 30; i++) {
		char name[16];

		snprintf(name, sizeof(name), "t%d", i);
		swarm_create(w, leader, name);
	}
	for (int i = 0; i < 100 && w->nodes[leader].snapshots == snapshots; i++)
		swarm_run(w, 1);
	CHECK(w->nodes[leader].snapshots > snapshots);
	swarm_run(w, 8000);
	CHECK_INT(swarm_voters(w, &members), 3);
	CHECK_INT(swarm_services(w, 2, "t29"), 1);
	swarm_run(w, 500);
	CHECK(swarm_agrees(w));
	swarm_free(w);
}

TEST(a_manager_that_restarts_amid_a_snapshot_gets_it_anew)
{
	struct swarm *w = forgetful();
	uint32_t members;

	swarm_start(w, 2);
	for (int i = 0; i < 5000 && w->nodes[2].stores < 3; i++)
		swarm_run(w, 1);
	swarm_kill(w, 2);
	swarm_run(w, 50);
	swarm_start(w, 2);
	swarm_run(w, 8000);
	CHECK_INT(swarm_voters(w, &members), 3);
	CHECK(swarm_agrees(w));
	swarm_free(w);
}

/* A client at follower waits for a key to change. */
static uint64_t watch(struct swarm *w, uint32_t at)
{
	return swarm_ask(w, at, "GET", "/v1/kv/a?index=999999&wait=60s", NULL);
}

/* However long it has waited: without a leader it has as much time as any other. */
TEST(a_watch_through_a_follower_outlives_the_leader)
{
	struct swarm *w = swarm_ready(3);
	uint32_t at = swarm_follower(w, 0);
	uint64_t waits = watch(w, at);

	swarm_run(w, 20000);
	CHECK_INT(swarm_status(w, waits), 0);
	swarm_kill(w, swarm_leader(w));
	swarm_run(w, 5000);
	CHECK_INT(swarm_status(w, waits), 0);
	CHECK(strstr(swarm_wait(w, swarm_ask(w, at, "PUT", "/v1/kv/b", "x")), "true") != NULL);
	swarm_run(w, 60000);
	CHECK_INT(swarm_status(w, waits), 404);
	swarm_free(w);
}

/* It is made by the follower, which waits no second time. */
TEST(a_long_answer_to_a_watch_through_a_follower_comes_when_it_is_due)
{
	struct swarm *w = swarm_ready(3);
	uint32_t at = swarm_follower(w, 0);
	static char text[20000];
	uint64_t waits, put, begun;

	memset(text, 'x', sizeof(text) - 1);
	(void)swarm_wait(w, swarm_ask(w, at, "PUT", "/v1/kv/a", text));
	begun = w->now_ms;
	waits = watch(w, at);
	(void)swarm_wait(w, waits);
	swarm_run(w, 50000);
	CHECK_INT(swarm_status(w, waits), 200);
	CHECK(w->answers[waits].at_ms - begun >= 60000);
	CHECK(w->answers[waits].at_ms - begun < 70000);
	CHECK(w->answers[waits].body.len > 20000);
	waits = swarm_ask(w, at, "GET", "/v1/kv/a?index=999999&wait=60s", NULL);
	swarm_run(w, 100);
	CHECK_INT(swarm_status(w, waits), 0);
	put = swarm_ask(w, at, "PUT", "/v1/kv/a", text);
	(void)swarm_wait(w, put);
	swarm_run(w, 200);
	CHECK_INT(swarm_status(w, waits), 0);	/* its index is not reached */
	swarm_free(w);
}

TEST(a_watch_through_a_follower_goes_on_when_leadership_is_given_away)
{
	struct swarm *w = swarm_ready(3);
	uint32_t leader = swarm_leader(w), at = swarm_follower(w, 0);
	uint64_t waits = watch(w, at);

	swarm_run(w, 100);
	swarm_event(w, leader, (struct event){ .kind = EVENT_STOP });
	swarm_run(w, 1000);
	CHECK(swarm_leader(w) != leader);
	CHECK_INT(swarm_status(w, waits), 0);
	swarm_event(w, at, (struct event){ .kind = EVENT_REQUEST_GONE, .id = waits });
	swarm_run(w, 100);
	CHECK_INT(swarm_status(w, waits), 0);
	swarm_free(w);
}

/* They wait for hours, maybe: that keeps nobody else out. */
TEST(watches_of_other_managers_leave_room_for_requests)
{
	struct swarm *w = swarm_ready(3);
	uint32_t a = swarm_follower(w, 0), b = swarm_follower(w, 1);
	uint64_t asked;

	for (int i = 0; i < 2100; i++) {
		watch(w, a);
		watch(w, b);
	}
	swarm_run(w, 100);
	asked = swarm_create(w, swarm_leader(w), "web");
	(void)swarm_wait(w, asked);
	CHECK_INT(swarm_status(w, asked), 201);
	CHECK_INT(swarm_services(w, a, "web"), 1);
	swarm_free(w);
}

/* ---- what one step takes ---- */

/* All are in the log before the disk is done with the first. */
TEST(as_many_puts_as_there_may_be_are_answered)
{
	struct swarm *w = swarm_ready(1);
	uint64_t first = w->requests + 1;

	w->nodes[0].disk_stuck = 1;
	for (int i = 0; i < MANAGER_REQUESTS_MAX; i++)
		swarm_ask(w, 0, "PUT", "/v1/kv/a", "x");
	swarm_run(w, 10);
	w->nodes[0].disk_stuck = 0;
	swarm_create(w, 0, "refused");	/* it makes a step, which begins the sync */
	swarm_run(w, 100);
	for (uint64_t i = first; i < w->requests; i++)
		CHECK_INT(swarm_status(w, i), 200);
	swarm_free(w);
}

TEST(as_many_requests_as_there_may_be_survive_a_failed_disk)
{
	struct swarm *w = swarm_ready(1);
	uint64_t first = w->requests + 1;

	w->nodes[0].disk_stuck = 1;
	for (int i = 0; i < MANAGER_REQUESTS_MAX; i++)
		swarm_create(w, 0, "web");
	swarm_run(w, 10);
	swarm_event(w, 0, (struct event){ .kind = EVENT_WAL_FAILED, .text = SLICE("full") });
	swarm_run(w, 10);
	for (uint64_t i = first; i <= w->requests; i++)
		CHECK_INT(swarm_status(w, i), 503);
	swarm_free(w);
}
