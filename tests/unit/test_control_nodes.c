/* Several nodes: spread, nodes that fail and come back, constraints, global services. */
#include "control_fixture.h"
#include "control_specs.h"
#include "unit.h"

#define GLOBAL(image, task) \
	"{\"TaskTemplate\":{\"ContainerSpec\":{\"Image\":\"" image "\"}" task "}," \
	"\"Mode\":{\"Global\":{}}}"
#define HOUR 3600

static struct world *three_nodes(void)
{
	struct world *w = world_new(1);

	world_node(w, "n1");
	world_node(w, "n2");
	world_node(w, "n3");
	return w;
}

static void node_down(struct world *w, const char *name)
{
	world_node_state(w, name, NODE_DOWN, AVAILABILITY_ACTIVE);
}

static void node_up(struct world *w, const char *name)
{
	world_node_state(w, name, NODE_READY, AVAILABILITY_ACTIVE);
}

TEST(tasks_of_a_node_that_is_down_go_elsewhere_and_stay_there)
{
	struct world *w = three_nodes();

	world_create(w, "web", SERVICE(3, "a", "", ""), NULL);
	node_down(w, "n2");
	world_pass(w, 20);
	node_up(w, "n2");
	world_pass(w, 20);
	CHECK_STR(world_trace(w),
		"0 t1 web.1 n1 running want running\n"
		"0 t2 web.2 n2 running want running\n"
		"0 t3 web.3 n3 running want running\n"
		"0 t2 web.2 n2 running want shutdown\n"
		"0 t4 web.2 n1 ready want ready\n"
		"5 t4 web.2 n1 running want running\n"
		"20 t2 web.2 n2 shutdown want shutdown\n");
	world_free(w);
}

TEST(a_node_that_is_back_before_the_delay_is_over_stops_its_old_task)
{
	struct world *w = three_nodes();

	world_create(w, "web", SERVICE(3, "a", "", ""), NULL);
	node_down(w, "n3");
	world_pass(w, 2);
	w->agents_stop = 1;
	node_up(w, "n3");
	world_pass(w, 10);
	w->agents_stop = 0;
	world_pass(w, 10);
	CHECK_STR(world_trace(w),
		"0 t1 web.1 n1 running want running\n"
		"0 t2 web.2 n2 running want running\n"
		"0 t3 web.3 n3 running want running\n"
		"0 t3 web.3 n3 running want shutdown\n"
		"0 t4 web.3 n1 ready want ready\n"
		"22 t3 web.3 n3 shutdown want shutdown\n"
		"22 t4 web.3 n1 running want running\n");
	world_free(w);
}

TEST(a_leader_change_in_the_middle_of_it_changes_nothing)
{
	struct world *w = three_nodes();

	world_create(w, "web", SERVICE(3, "a", "", ""), NULL);
	world_new_leader(w);
	node_down(w, "n2");
	world_new_leader(w);
	world_pass(w, 3);
	world_new_leader(w);
	world_pass(w, 3);
	world_new_leader(w);
	node_up(w, "n2");
	world_new_leader(w);
	CHECK_STR(world_trace(w),
		"0 t1 web.1 n1 running want running\n"
		"0 t2 web.2 n2 running want running\n"
		"0 t3 web.3 n3 running want running\n"
		"0 t2 web.2 n2 running want shutdown\n"
		"0 t4 web.2 n1 ready want ready\n"
		"5 t4 web.2 n1 running want running\n"
		"6 t2 web.2 n2 shutdown want shutdown\n");
	world_free(w);
}

TEST(a_restart_policy_of_none_holds_for_lost_nodes_too)
{
	struct world *w = three_nodes();

	world_create(w, "job", SERVICE(1, "a", RESTART("\"Condition\":\"none\""), ""), NULL);
	node_down(w, "n1");
	world_pass(w, 60);
	CHECK_STR(world_trace(w),
		"0 t1 job.1 n1 running want running\n"
		"0 t1 job.1 n1 running want shutdown\n");
	world_free(w);
}

TEST(with_nowhere_to_go_a_task_waits_for_a_node)
{
	struct world *w = three_nodes();

	world_create(w, "web", SERVICE(1, "a",
		PLACEMENT("\"Constraints\":[\"node.hostname==n2\"]"), ""), NULL);
	node_down(w, "n2");
	world_pass(w, 20);
	node_up(w, "n2");
	CHECK_STR(world_trace(w),
		"0 t1 web.1 n2 running want running\n"
		"0 t1 web.1 n2 running want shutdown\n"
		"0 t2 web.1 - pending want ready: no suitable node (scheduling constraints not "
		"satisfied on 2 nodes; 1 node not available for new tasks)\n"
		"5 t2 web.1 - pending want running: no suitable node (scheduling constraints not "
		"satisfied on 2 nodes; 1 node not available for new tasks)\n"
		"20 t1 web.1 n2 shutdown want shutdown\n"
		"20 t2 web.1 n2 running want running\n");
	world_free(w);
}

TEST(all_down_and_all_back)
{
	struct world *w = three_nodes();

	world_create(w, "web", SERVICE(2, "a", "", ""), NULL);
	(void)world_trace(w);
	node_down(w, "n3");
	node_down(w, "n2");
	node_down(w, "n1");
	world_pass(w, 20);
	node_up(w, "n1");
	world_pass(w, 20);
	node_up(w, "n2");
	node_up(w, "n3");
	CHECK_STR(world_trace(w),
		"0 t2 web.2 n2 running want shutdown\n"
		"0 t3 web.2 n1 ready want ready\n"
		"0 t1 web.1 n1 running want shutdown\n"
		"0 t3 web.2 n1 ready want shutdown\n"
		"0 t4 web.1 - pending want ready: no suitable node (3 nodes not available for new "
		"tasks)\n"
		"0 t5 web.2 - pending want ready: no suitable node (3 nodes not available for new "
		"tasks)\n"
		"5 t4 web.1 - pending want running: no suitable node (3 nodes not available for "
		"new tasks)\n"
		"5 t5 web.2 - pending want running: no suitable node (3 nodes not available for "
		"new tasks)\n"
		"20 t1 web.1 n1 shutdown want shutdown\n"
		"20 t3 web.2 n1 shutdown want shutdown\n"
		"20 t4 web.1 n1 running want running\n"
		"20 t5 web.2 n1 running want running\n"
		"40 t2 web.2 n2 shutdown want shutdown\n");
	world_free(w);
}

TEST(drained_and_back)
{
	struct world *w = three_nodes();

	world_create(w, "web", SERVICE(3, "a", "", ""), NULL);
	world_node_state(w, "n1", NODE_READY, AVAILABILITY_DRAIN);
	world_node_state(w, "n1", NODE_READY, AVAILABILITY_ACTIVE);
	world_scale(w, "web", 4);
	CHECK_STR(world_trace(w),
		"0 t1 web.1 n1 running want running\n"
		"0 t2 web.2 n2 running want running\n"
		"0 t3 web.3 n3 running want running\n"
		"0 t1 web.1 n1 shutdown want shutdown\n"
		"0 t4 web.1 n2 running want running\n"
		"0 t5 web.4 n1 running want running\n");
	world_free(w);
}

TEST(a_global_service_follows_its_nodes)
{
	struct world *w = three_nodes();

	world_create(w, "agent", GLOBAL("a", ""), NULL);
	node_down(w, "n2");
	world_pass(w, 10);
	world_new_leader(w);
	node_up(w, "n2");
	world_node_state(w, "n3", NODE_READY, AVAILABILITY_PAUSE);
	world_end(w, 3, TASK_FAILED);
	world_pass(w, 10);
	CHECK_STR(world_trace(w),
		"0 t1 agent.0 n1 running want running\n"
		"0 t2 agent.0 n2 running want running\n"
		"0 t3 agent.0 n3 running want running\n"
		"0 t2 agent.0 n2 running want shutdown\n"
		"10 t2 agent.0 n2 shutdown want shutdown\n"
		"10 t4 agent.0 n2 running want running\n"
		"10 t3 agent.0 n3 failed want shutdown\n"
		"10 t5 agent.0 n3 pending want ready: no suitable node (1 node not available for "
		"new tasks)\n"
		"15 t5 agent.0 n3 pending want running: no suitable node (1 node not available for "
		"new tasks)\n");
	world_free(w);
}

/* Only what ended by itself is an attempt. */
TEST(drains_are_no_attempts_of_a_global_service)
{
	struct world *w = world_new(1);

	world_node(w, "n1");
	world_create(w, "agent", GLOBAL("a", RESTART("\"MaxAttempts\":1")), NULL);
	for (int i = 0; i < 4; i++) {
		world_node_state(w, "n1", NODE_READY, AVAILABILITY_DRAIN);
		world_pass(w, 1);
		node_up(w, "n1");
	}
	world_pass(w, 1);
	(void)world_trace(w);
	CHECK_INT(world_task(w, 5)->status.state, TASK_RUNNING);
	world_end(w, 5, TASK_FAILED);
	world_pass(w, 10);
	CHECK_INT(world_task(w, 6)->status.state, TASK_RUNNING);
	world_end(w, 6, TASK_FAILED);
	world_pass(w, 10);
	CHECK_INT(w->task_count, 6);
	world_free(w);
}

static void set_label(struct world *w, const char *name, const char *value)
{
	struct node n = *state_node(&w->state, name);
	struct label label = { "disk", value };

	n.spec.labels = (struct labels){ &label, 1 };
	world_put_node(w, &n);
}

TEST(a_task_leaves_a_node_that_meets_its_constraints_no_more)
{
	struct world *w = three_nodes();

	set_label(w, "n1", "ssd");
	world_create(w, "db", SERVICE(1, "a",
		PLACEMENT("\"Constraints\":[\"node.labels.disk==ssd\"]"), ""), NULL);
	set_label(w, "n3", "ssd");
	set_label(w, "n1", "hdd");
	world_pass(w, 10);
	CHECK_STR(world_trace(w),
		"0 t1 db.1 n1 running want running\n"
		"0 t1 db.1 n1 shutdown want shutdown\n"
		"0 t2 db.1 n3 ready want ready\n"
		"5 t2 db.1 n3 running want running\n");
	world_free(w);
}

/* An update of the constraints goes one task after the other all the same. */
TEST(new_constraints_are_rolled_out)
{
	struct world *w = three_nodes();

	world_create(w, "web", SERVICE(3, "a", "", ""), NULL);
	(void)world_trace(w);
	world_update(w, "web", SERVICE(3, "a",
		PLACEMENT("\"Constraints\":[\"node.hostname==n3\"]"), UPDATE("\"Parallelism\":1,"
		"\"Delay\":" SECONDS(10))), NULL);
	world_new_leader(w);
	world_pass(w, 15);
	CHECK_STR(world_trace(w),
		"0 t1 web.1 n1 shutdown want shutdown\n"
		"0 t4 web.1 n3 running want running\n"
		"0 web updating: update in progress\n"
		"10 t2 web.2 n2 shutdown want shutdown\n"
		"10 t5 web.2 n3 running want running\n");
	world_free(w);
}

TEST(a_day_after_a_node_was_lost_its_tasks_are_given_up)
{
	struct world *w = world_new(1);

	world_node(w, "n1");
	world_network(w, "net", "10.9.0.0/29", 0);
	world_create(w, "web", SERVICE(2, "a", ",\"Networks\":[{\"Target\":\"net\"}]", ""), NULL);
	world_node(w, "n2");
	node_down(w, "n1");
	world_scale(w, "web", 1);
	world_pass(w, 23 * HOUR);
	world_new_leader(w);
	CHECK_STR(world_trace(w),
		"0 t1 web.1 n1 running want running\n"
		"0 t2 web.2 n1 running want running\n"
		"0 t1 web.1 n1 running want shutdown\n"
		"0 t2 web.2 n1 running want shutdown\n"
		"0 t3 web.1 n2 ready want ready\n"
		"0 t4 web.2 n2 ready want ready\n"
		"0 t2 web.2 n1 running want remove\n"
		"0 t4 gone\n"
		"5 t3 web.1 n2 running want running\n");
	world_pass(w, 2 * HOUR);
	CHECK_STR(world_trace(w),
		"86400 t1 web.1 n1 orphaned want shutdown\n"
		"86400 t2 gone\n");
	world_free(w);
}

static void racked_node(struct world *w, const char *name, const char *room, const char *rack)
{
	struct label labels[] = { { "rack", rack }, { "room", room } };
	struct node n;

	world_node(w, name);
	n = *state_node(&w->state, name);
	n.spec.labels = (struct labels){ labels, 2 };
	world_put_node(w, &n);
}

static int running_on(struct world *w, const char *name)
{
	struct state_tasks it;
	int n = 0;

	for (const struct task *t = state_node_tasks(&w->state, name, &it); t;
	     t = state_tasks_next(&it))
		n += t->status.state == TASK_RUNNING;
	return n;
}

#define SPREAD(label) "{\"Spread\":{\"SpreadDescriptor\":\"" label "\"}}"

TEST(preferences_spread_over_rooms_then_racks)
{
	struct world *w = world_new(1);

	racked_node(w, "n1", "east", "a");
	racked_node(w, "n2", "east", "a");
	racked_node(w, "n3", "east", "b");
	racked_node(w, "n4", "west", "a");
	w->quiet = 1;
	world_create(w, "web", SERVICE(8, "a", PLACEMENT("\"Preferences\":["
		SPREAD("node.labels.room") "," SPREAD("other") "," SPREAD("node.labels.rack")
		"]"), ""), NULL);
	CHECK_INT(running_on(w, "n4"), 4);
	CHECK_INT(running_on(w, "n3"), 2);
	CHECK_INT(running_on(w, "n1"), 1);
	CHECK_INT(running_on(w, "n2"), 1);
	/* A room that is away gets nothing, and its share when it is back. */
	node_down(w, "n4");
	world_pass(w, 10);
	CHECK_INT(running_on(w, "n3"), 4);
	node_up(w, "n4");
	world_scale(w, "web", 12);
	CHECK_INT(running_on(w, "n4"), 4);
	world_free(w);
}

TEST(nodes_on_which_a_service_fails_are_chosen_last)
{
	struct world *w = world_new(1);

	world_node(w, "n1");
	world_create(w, "web", SERVICE(1, "crash", RESTART("\"Delay\":" SECONDS(1)), ""), NULL);
	world_pass(w, 10);
	world_node(w, "n2");
	world_pass(w, 1);
	(void)world_trace(w);
	world_create(w, "db", SERVICE(1, "a", "", ""), NULL);
	CHECK_STR(world_trace(w), "11 t14 db.1 n1 running want running\n");
	CHECK_STR(world_task(w, 13)->node_id, "n2");
	/* After five there, both are the same again. */
	world_pass(w, 5);
	CHECK_STR(world_task(w, 18)->node_id, "n2");
	world_free(w);
}
