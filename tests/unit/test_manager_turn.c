/* What nodes report, and what their sessions' ends make of them. */
#include <stdlib.h>
#include <string.h>
#include "applets/manager/turn.h"
#include "base/mem.h"
#include "manager_root.h"
#include "unit.h"

struct bench {
	struct turn turn;
	struct state state;
	struct rng rng;
	struct arena arena;
	struct effects fx;
	uint64_t now_ms;
	struct api_manager managers[3];
	uint32_t manager_count;
	uint32_t changes;	/* of the last transaction */
};

static const struct manager_config config = {
	.node_id = "n1", .hostname = "host1", .advertise_addr = "192.0.2.1:2377",
	.default_addr_pool = "10.0.0.0/8",
};

static void watch(void *context, const struct change *change)
{
	(void)change;
	((struct bench *)context)->changes++;
}

/* One transaction. Returns how many changes it made. */
static uint32_t write_one(struct bench *b)
{
	struct api_turn view = {
		.state = &b->state, .rng = &b->rng, .arena = &b->arena, .fx = &b->fx,
		.managers = b->managers, .manager_count = b->manager_count,
	};
	struct slice entry;
	struct txn txn;

	b->changes = 0;
	turn_settle(&b->turn, &view, &config, &b->state);
	txn_init(&txn, 1000);
	view.txn = &txn;
	turn_write(&b->turn, &view, &config, b->now_ms);
	if (txn.count && (txn_finish(&txn, &entry) < 0 ||
			  state_apply(&b->state, b->state.applied + 1, entry, watch, b, NULL) < 0))
		abort();
	txn_done(&txn);
	return b->changes;
}

static void settle(struct bench *b)
{
	for (int i = 0; write_one(b); i++)
		CHECK(i < 10);
}

static struct bench *open_bench(void)
{
	struct bench *b = mem_new(sizeof(*b));

	turn_init(&b->turn);
	state_init(&b->state);
	rng_init(&b->rng, 1);
	arena_init(&b->arena);
	effects_init(&b->fx);
	b->managers[0] = (struct api_manager){ "n1", "192.0.2.1:2377", 1, 1, 1 };
	b->managers[1] = (struct api_manager){ "n2", "192.0.2.2:2377", 0, 1, 1 };
	b->managers[2] = (struct api_manager){ "n3", "192.0.2.3:99", 0, 1, 1 };
	b->manager_count = 3;
	b->now_ms = 1000;
	turn_lead(&b->turn, &b->state, b->now_ms);
	settle(b);
	return b;
}

static void close_bench(struct bench *b)
{
	turn_done(&b->turn);
	state_done(&b->state);
	arena_done(&b->arena);
	effects_done(&b->fx);
	mem_free(b);
}

static void report(struct bench *b, const char *node_id, const char *hostname, const char *message)
{
	struct node_description d = { .hostname = hostname };
	struct session_report r = { .description = hostname ? &d : NULL, .node_message = message };

	(void)turn_report(&b->turn, &b->state, node_id, &r);
}

static void up(struct bench *b, const char *node_id)
{
	turn_session(&b->turn, node_id, 1, b->now_ms);
	report(b, node_id, node_id, "");
	settle(b);
}

static void down(struct bench *b, const char *node_id)
{
	turn_session(&b->turn, node_id, 0, b->now_ms);
	settle(b);
}

/* "ready", "down: why", or "none". */
static const char *node(struct bench *b, const char *id)
{
	static const char *const names[] = { "unknown", "down", "ready", "disconnected" };
	const struct node *n = state_node(&b->state, id);

	if (!n)
		return "none";
	return arena_printf(&b->arena, "%s%s%s", names[n->status.state],
			    n->status.message ? ": " : "",
			    n->status.message ? n->status.message : "");
}

TEST(a_new_swarm_gets_its_first_objects)
{
	struct bench *b = open_bench();

	CHECK_INT(state_cluster(&b->state)->spec.orchestration.task_history_retention_limit, 5);
	CHECK(state_find_name(&b->state, OBJECT_NETWORK, "ingress") != NULL);
	CHECK_STR(node(b, "n1"), "none");
	close_bench(b);
}

TEST(our_own_node_is_there_with_its_session_others_with_their_first_report)
{
	struct bench *b = open_bench();
	const struct node *n;

	turn_session(&b->turn, "n1", 1, b->now_ms);
	turn_session(&b->turn, "n2", 1, b->now_ms);
	turn_session(&b->turn, "n9", 1, b->now_ms);
	settle(b);
	CHECK_STR(node(b, "n1"), "ready");
	CHECK_STR(state_node(&b->state, "n1")->description.hostname, "host1");
	CHECK_STR(node(b, "n2"), "none");
	report(b, "n2", "host2", "no engine");
	report(b, "n9", "host9", "");
	settle(b);
	CHECK_STR(node(b, "n2"), "ready: no engine");
	n = state_node(&b->state, "n2");
	CHECK_STR(n->description.hostname, "host2");
	CHECK_STR(n->status.addr, "192.0.2.2");
	CHECK_INT(n->spec.role, ROLE_MANAGER);
	CHECK(n->manager_status == NULL);
	/* No manager, no node: but when it becomes one its report is not lost. */
	CHECK_STR(node(b, "n9"), "none");
	b->managers[2].node_id = "n9";
	settle(b);
	CHECK_STR(node(b, "n9"), "ready");
	CHECK_STR(state_node(&b->state, "n9")->description.hostname, "host9");
	close_bench(b);
}

TEST(a_node_is_down_only_when_its_grace_is_over)
{
	struct bench *b = open_bench();

	up(b, "n1");
	up(b, "n2");
	CHECK_INT(turn_deadline_ms(&b->turn), 0);
	down(b, "n2");
	CHECK_INT(turn_deadline_ms(&b->turn), b->now_ms + NODE_GRACE_MS);
	b->now_ms += NODE_GRACE_MS - 1;
	CHECK_INT(write_one(b), 0);
	CHECK_STR(node(b, "n2"), "ready");
	b->now_ms++;
	settle(b);
	CHECK_STR(node(b, "n2"), "down: heartbeat failure");
	CHECK_INT(turn_deadline_ms(&b->turn), 0);
	up(b, "n2");
	CHECK_STR(node(b, "n2"), "ready");
	close_bench(b);
}

TEST(a_node_that_comes_back_in_time_is_not_touched)
{
	struct bench *b = open_bench();
	uint64_t version;

	up(b, "n1");
	up(b, "n2");
	report(b, "n2", "n2", "the engine is slow");
	settle(b);
	version = state_node(&b->state, "n2")->meta.version;
	down(b, "n2");
	b->now_ms += NODE_GRACE_MS - 1;
	turn_session(&b->turn, "n2", 1, b->now_ms);
	report(b, "n2", "n2", "the engine is slow");
	b->now_ms += 2 * NODE_GRACE_MS;
	settle(b);
	CHECK_INT(turn_deadline_ms(&b->turn), 0);
	CHECK_INT(state_node(&b->state, "n2")->meta.version, version);
	close_bench(b);
}

TEST(the_first_of_several_deadlines_counts)
{
	struct bench *b = open_bench();
	uint64_t first;

	up(b, "n1");
	up(b, "n2");
	up(b, "n3");
	down(b, "n3");
	first = b->now_ms + NODE_GRACE_MS;
	b->now_ms += 5000;
	down(b, "n2");
	CHECK_INT(turn_deadline_ms(&b->turn), first);
	up(b, "n3");
	CHECK_INT(turn_deadline_ms(&b->turn), first + 5000);
	close_bench(b);
}

TEST(a_new_leader_waits_for_nodes_without_a_session)
{
	struct bench *b = open_bench();
	uint64_t begun;

	up(b, "n1");
	up(b, "n2");
	up(b, "n3");
	down(b, "n3");
	b->now_ms += NODE_GRACE_MS;
	settle(b);
	/* Another manager's memory: only the state is there. */
	turn_done(&b->turn);
	turn_init(&b->turn);
	b->now_ms += 100000;
	begun = b->now_ms;
	turn_session(&b->turn, "n1", 1, b->now_ms);
	turn_lead(&b->turn, &b->state, b->now_ms);
	CHECK_INT(turn_deadline_ms(&b->turn), begun + NODE_GRACE_MS);
	b->now_ms += 1000;
	settle(b);
	CHECK_STR(node(b, "n2"), "ready");
	b->now_ms = begun + NODE_GRACE_MS;
	settle(b);
	CHECK_STR(node(b, "n1"), "ready");
	CHECK_STR(node(b, "n2"), "down: heartbeat failure");
	CHECK_STR(node(b, "n3"), "down: heartbeat failure");
	CHECK_INT(turn_deadline_ms(&b->turn), 0);
	close_bench(b);
}

TEST(news_of_an_earlier_leadership_are_forgotten)
{
	struct bench *b = open_bench();

	up(b, "n1");
	up(b, "n2");
	report(b, "n1", "new1", "");
	report(b, "n2", "new2", "");
	turn_session(&b->turn, "n2", 0, b->now_ms);
	turn_lead(&b->turn, &b->state, b->now_ms);
	settle(b);
	CHECK_STR(state_node(&b->state, "n1")->description.hostname, "new1");
	CHECK_STR(state_node(&b->state, "n2")->description.hostname, "n2");
	close_bench(b);
}

TEST(a_node_that_has_left_is_down_at_once)
{
	struct session_report left = { .left = 1 };
	struct bench *b = open_bench();

	up(b, "n1");
	up(b, "n2");
	up(b, "n3");
	CHECK_INT(turn_report(&b->turn, &b->state, "n2", &left), 0);
	down(b, "n2");
	CHECK_STR(node(b, "n2"), "down: heartbeat failure");
	/* A manager that is being taken out, too. */
	turn_left(&b->turn, "n3", b->now_ms);
	settle(b);
	CHECK_STR(node(b, "n3"), "ready");
	down(b, "n3");
	CHECK_STR(node(b, "n3"), "down: heartbeat failure");
	close_bench(b);
}

/* ---- a new root ------------------------------------------------------------------------ */

static void put_cluster(struct bench *b, const struct cluster *c)
{
	struct slice entry;
	struct txn txn;

	txn_init(&txn, 1000);
	txn_put(&txn, OBJECT_CLUSTER, c);
	if (txn_finish(&txn, &entry) < 0 ||
	    state_apply(&b->state, b->state.applied + 1, entry, watch, b, NULL) < 0)
		abort();
	txn_done(&txn);
}

/* A root is on its way; *wanted is what nodes are to tell. */
static void rotate(struct bench *b, struct tls_info *wanted)
{
	struct cluster c = *state_cluster(&b->state);

	if (!c.root_cert)
		manager_root(&c, &config, &b->rng, &b->arena);
	if (ca_rotate(&c, &config, &b->rng, 1800000000, &b->arena) < 0 ||
	    ca_wanted(&c, &b->arena, wanted) < 0)
		abort();
	put_cluster(b, &c);
}

static void tell(struct bench *b, const char *node_id, const struct tls_info *info)
{
	struct node_description d = { .hostname = node_id };
	struct session_report r = { .description = &d };

	if (info)
		d.tls_info = *info;
	(void)turn_report(&b->turn, &b->state, node_id, &r);
	settle(b);
}

static int is_rotating(struct bench *b)
{
	return state_cluster(&b->state)->rotation != NULL;
}

TEST(a_new_root_counts_when_every_node_tells_of_it)
{
	struct bench *b = open_bench();
	const char *next, *key, *token;
	struct tls_info wanted, other;

	up(b, "n1");
	up(b, "n2");
	up(b, "n3");
	rotate(b, &wanted);
	next = arena_str(&b->arena, slice_of(state_cluster(&b->state)->rotation->next_cert));
	key = arena_str(&b->arena, slice_of(state_cluster(&b->state)->rotation->next_key));
	token = arena_str(&b->arena, slice_of(state_cluster(&b->state)->worker_token));
	settle(b);
	CHECK(is_rotating(b));
	tell(b, "n1", &wanted);
	tell(b, "n3", &wanted);
	CHECK(is_rotating(b));
	/* One that is down is waited for, too, and so is one of another certificate. */
	down(b, "n2");
	b->now_ms += NODE_GRACE_MS;
	settle(b);
	CHECK_STR(node(b, "n2"), "down: heartbeat failure");
	CHECK(is_rotating(b));
	up(b, "n2");
	other = wanted;
	other.cert_issuer_public_key = "b3RoZXI=";
	tell(b, "n2", &other);
	CHECK(is_rotating(b));
	other = wanted;
	other.trust_root = next;
	tell(b, "n2", &other);
	CHECK(is_rotating(b));
	tell(b, "n2", &wanted);
	CHECK(!is_rotating(b));
	CHECK_STR(state_cluster(&b->state)->root_cert, next);
	CHECK_STR(state_cluster(&b->state)->root_key, key);
	CHECK(strcmp(state_cluster(&b->state)->worker_token, token) != 0);
	CHECK(ca_token_fits(state_cluster(&b->state)->worker_token,
			    slice_of(state_cluster(&b->state)->worker_token)));
	/* Once. */
	CHECK_INT(write_one(b), 0);
	close_bench(b);
}

TEST(a_new_root_waits_for_a_node_no_more_that_was_removed)
{
	struct bench *b = open_bench();
	struct tls_info wanted;
	struct slice entry;
	struct txn txn;

	up(b, "n1");
	up(b, "n2");
	rotate(b, &wanted);
	tell(b, "n1", &wanted);
	CHECK(is_rotating(b));
	turn_session(&b->turn, "n2", 0, b->now_ms);
	txn_init(&txn, 1000);
	txn_remove(&txn, OBJECT_NODE, "n2", state_node(&b->state, "n2")->meta.version);
	if (txn_finish(&txn, &entry) < 0 ||
	    state_apply(&b->state, b->state.applied + 1, entry, watch, b, NULL) < 0)
		abort();
	txn_done(&txn);
	settle(b);
	CHECK(!is_rotating(b));
	close_bench(b);
}

TEST(another_new_root_is_waited_for_anew)
{
	struct bench *b = open_bench();
	struct tls_info first, second;

	up(b, "n1");
	up(b, "n2");
	rotate(b, &first);
	tell(b, "n1", &first);
	rotate(b, &second);
	tell(b, "n2", &first);
	CHECK(is_rotating(b));
	tell(b, "n1", &second);
	CHECK(is_rotating(b));
	tell(b, "n2", &second);
	CHECK(!is_rotating(b));
	close_bench(b);
}

/* ---- addresses and statuses ------------------------------------------------------------ */

/* Of a node that is no manager it is what it says of itself. */
TEST(a_workers_address_is_its_own)
{
	struct session_report r = { .addr = "192.0.2.4:2377" };
	struct node_description description = { .hostname = "host2" };
	struct bench *b = open_bench();

	up(b, "n2");
	CHECK_STR(state_node(&b->state, "n2")->status.addr, "192.0.2.2");
	b->manager_count = 1;
	r.description = &description;
	(void)turn_report(&b->turn, &b->state, "n2", &r);
	settle(b);
	CHECK_STR(state_node(&b->state, "n2")->status.addr, "192.0.2.4");
	close_bench(b);
}

static int role(struct bench *b, const char *id)
{
	return state_node(&b->state, id)->spec.role;
}

/* A host that was set up anew joins with its name and address: what it was is no manager then. */
TEST(a_replaced_manager_is_none_any_more)
{
	struct bench *b = open_bench();

	up(b, "n1");
	up(b, "n2");
	report(b, "n2", "host", "");
	up(b, "n3");
	down(b, "n2");
	b->managers[1].reachable = 0;
	b->now_ms += NODE_GRACE_MS;
	settle(b);
	CHECK_STR(node(b, "n2"), "down: heartbeat failure");
	/* Another host of that name; that address, but not voting yet; then it is the same. */
	report(b, "n3", "host", "");
	settle(b);
	CHECK_INT(role(b, "n2"), ROLE_MANAGER);
	b->managers[2].addr = "192.0.2.2:2377";
	b->managers[2].votes = 0;
	settle(b);
	CHECK_INT(role(b, "n2"), ROLE_MANAGER);
	b->managers[2].votes = 1;
	settle(b);
	CHECK_INT(role(b, "n2"), ROLE_WORKER);
	CHECK_INT(role(b, "n3"), ROLE_MANAGER);
	close_bench(b);
}

/* Two that are there, whatever they are called; and one that is down for a while by itself. */
TEST(a_manager_that_is_away_stays_one)
{
	struct bench *b = open_bench();

	up(b, "n1");
	up(b, "n2");
	up(b, "n3");
	report(b, "n2", "host", "");
	report(b, "n3", "host", "");
	b->managers[2].addr = b->managers[1].addr;
	settle(b);
	CHECK_INT(role(b, "n2"), ROLE_MANAGER);
	b->managers[2].addr = "192.0.2.3:2377";
	down(b, "n2");
	b->managers[1].reachable = 0;
	b->now_ms += NODE_GRACE_MS;
	settle(b);
	CHECK_INT(role(b, "n2"), ROLE_MANAGER);
	close_bench(b);
}

TEST(the_address_is_that_of_the_manager_that_votes)
{
	struct bench *b = open_bench();

	b->managers[1] = (struct api_manager){ "n3", "192.0.2.77:1", 0, 1, 0 };
	up(b, "n3");
	CHECK_STR(state_node(&b->state, "n3")->status.addr, "192.0.2.3");
	b->manager_count = 2;	/* the old one was taken out */
	up(b, "n3");
	CHECK_STR(state_node(&b->state, "n3")->status.addr, "192.0.2.77");
	close_bench(b);
}

static void put_task(struct bench *b, const char *id)
{
	struct task t = { .meta.id = id, .node_id = "n2", .service_id = "s",
			  .desired_state = TASK_RUNNING };
	struct slice entry;
	struct txn txn;

	t.status.state = TASK_ASSIGNED;
	txn_init(&txn, 1000);
	txn_put(&txn, OBJECT_TASK, &t);
	if (txn_finish(&txn, &entry) < 0 ||
	    state_apply(&b->state, b->state.applied + 1, entry, watch, b, NULL) < 0)
		abort();
	txn_done(&txn);
}

static int report_task_as(struct bench *b, const char *node_id, const char *id, int state)
{
	struct session_status s = { .task_id = id, .status.state = state };
	struct session_report r = { .statuses = { &s, 1 } };

	return turn_report(&b->turn, &b->state, node_id, &r);
}

static void report_task(struct bench *b, const char *id, int state)
{
	CHECK_INT(report_task_as(b, "n2", id, state), 0);
}

TEST(a_status_moves_its_task_forward_only)
{
	struct bench *b = open_bench();

	up(b, "n2");
	put_task(b, "t1");
	report_task(b, "t1", TASK_RUNNING);
	report_task(b, "t1", TASK_STARTING);
	report_task(b, "gone", TASK_RUNNING);
	settle(b);
	CHECK_INT(state_task(&b->state, "t1")->status.state, TASK_RUNNING);
	report_task(b, "t1", TASK_PREPARING);
	CHECK_INT(write_one(b), 0);
	CHECK_INT(b->turn.statuses.count, 0);
	/* What its node said to another leader is not written by this one. */
	report_task(b, "t1", TASK_FAILED);
	turn_session(&b->turn, "n2", 0, b->now_ms);
	turn_lead(&b->turn, &b->state, b->now_ms);
	settle(b);
	CHECK_INT(state_task(&b->state, "t1")->status.state, TASK_RUNNING);
	close_bench(b);
}

TEST(a_node_speaks_of_no_task_but_its_own)
{
	struct bench *b = open_bench();

	up(b, "n1");
	up(b, "n2");
	put_task(b, "t1");
	CHECK_INT(report_task_as(b, "n1", "t1", TASK_FAILED), ERR_DENIED);
	CHECK_INT(b->turn.statuses.count, 0);
	CHECK_INT(write_one(b), 0);
	CHECK_INT(state_task(&b->state, "t1")->status.state, TASK_ASSIGNED);
	/* Nor does it stand in the way of what the task's node says. */
	report_task(b, "t1", TASK_RUNNING);
	settle(b);
	CHECK_INT(state_task(&b->state, "t1")->status.state, TASK_RUNNING);
	close_bench(b);
}

/* A node may say anything; what goes into the log with the others' news must fit there. */
TEST(what_is_too_long_is_not_taken)
{
	struct bench *b = open_bench();
	char *text = mem_new(TXN_TEXT_MAX + 1);
	struct node_description d = { .hostname = text };
	struct session_status s = { .task_id = "t1", .status = { .state = TASK_FAILED,
								  .message = text } };
	const struct session_report reports[] = {
		{ .description = &d }, { .node_message = text }, { .statuses = { &s, 1 } },
	};

	memset(text, 'a', TXN_TEXT_MAX);
	up(b, "n1");
	up(b, "n2");
	put_task(b, "t1");
	for (size_t i = 0; i < sizeof(reports) / sizeof(reports[0]); i++) {
		CHECK_INT(turn_report(&b->turn, &b->state, "n2", &reports[i]), ERR_LIMIT);
		CHECK_INT(write_one(b), 0);
	}
	CHECK_STR(state_node(&b->state, "n2")->description.hostname, "n2");
	/* The longest that is taken. */
	text[TURN_NEWS_MAX - 200] = '\0';
	CHECK_INT(turn_report(&b->turn, &b->state, "n2", &reports[0]), 0);
	settle(b);
	CHECK_STR(state_node(&b->state, "n2")->description.hostname, text);
	mem_free(text);
	close_bench(b);
}
