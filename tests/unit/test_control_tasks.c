#include "control_fixture.h"
#include "control_specs.h"
#include "unit.h"

static struct world *world_with_node(void)
{
	struct world *w = world_new(1);

	world_node(w, "n1");
	return w;
}

TEST(create_three)
{
	struct world *w = world_with_node();

	world_create(w, "web", SERVICE(3, "a", "", ""), NULL);
	CHECK_STR(world_trace(w),
		"0 t1 web.1 n1 running want running\n"
		"0 t2 web.2 n1 running want running\n"
		"0 t3 web.3 n1 running want running\n");
	world_free(w);
}

TEST(exit_is_replaced_after_the_delay)
{
	struct world *w = world_with_node();

	world_create(w, "web", SERVICE(2, "a", "", ""), NULL);
	world_end(w, 1, TASK_FAILED);
	world_pass(w, 10);
	CHECK_STR(world_trace(w),
		"0 t1 web.1 n1 running want running\n"
		"0 t2 web.2 n1 running want running\n"
		"0 t1 web.1 n1 failed want shutdown\n"
		"0 t3 web.1 n1 ready want ready\n"
		"5 t3 web.1 n1 running want running\n");
	world_free(w);
}

TEST(max_attempts)
{
	struct world *w = world_with_node();

	world_create(w, "web", SERVICE(1, "crash",
		RESTART("\"MaxAttempts\":2,\"Delay\":" SECONDS(1)), ""), NULL);
	world_pass(w, 60);
	world_new_leader(w);
	CHECK_STR(world_trace(w),
		"0 t1 web.1 n1 failed want shutdown\n"
		"0 t2 web.1 n1 ready want ready\n"
		"1 t2 web.1 n1 failed want shutdown\n"
		"1 t3 web.1 n1 ready want ready\n"
		"2 t3 web.1 n1 failed want shutdown\n");
	world_free(w);
}

TEST(max_attempts_within_a_window)
{
	struct world *w = world_with_node();

	world_create(w, "web", SERVICE(1, "a",
		RESTART("\"MaxAttempts\":2,\"Delay\":0,\"Window\":" SECONDS(60)), ""), NULL);
	world_pass(w, 100);
	world_end(w, 1, TASK_FAILED);
	world_pass(w, 40);
	world_end(w, 2, TASK_FAILED);
	world_pass(w, 50);
	world_end(w, 3, TASK_FAILED);
	world_pass(w, 5);
	world_end(w, 4, TASK_FAILED);
	world_pass(w, 200);
	world_new_leader(w);
	CHECK_STR(world_trace(w),
		"0 t1 web.1 n1 running want running\n"
		"100 t1 web.1 n1 failed want shutdown\n"
		"100 t2 web.1 n1 running want running\n"
		"140 t2 web.1 n1 failed want shutdown\n"
		"140 t3 web.1 n1 running want running\n"
		"190 t1 gone\n"
		"190 t3 web.1 n1 failed want shutdown\n"
		"190 t4 web.1 n1 running want running\n"
		"195 t4 web.1 n1 failed want shutdown\n");
	world_free(w);
}

TEST(on_failure_leaves_a_good_end)
{
	struct world *w = world_with_node();

	world_create(w, "job", SERVICE(1, "once",
		RESTART("\"Condition\":\"on-failure\""), ""), NULL);
	world_pass(w, 60);
	world_scale(w, "job", 2);
	CHECK_STR(world_trace(w),
		"0 t1 job.1 n1 complete want shutdown\n"
		"60 t2 job.2 n1 complete want shutdown\n");
	world_free(w);
}

TEST(rejected_image_keeps_the_delay)
{
	struct world *w = world_with_node();

	world_create(w, "web", SERVICE(1, "bad", "", ""), NULL);
	world_pass(w, 31);
	CHECK_STR(world_trace(w),
		"0 t1 web.1 n1 rejected want shutdown\n"
		"0 t2 web.1 n1 rejected want ready\n"
		"5 t2 web.1 n1 rejected want shutdown\n"
		"5 t3 web.1 n1 rejected want ready\n"
		"10 t3 web.1 n1 rejected want shutdown\n"
		"10 t4 web.1 n1 rejected want ready\n"
		"15 t4 web.1 n1 rejected want shutdown\n"
		"15 t5 web.1 n1 rejected want ready\n"
		"20 t2 gone\n"
		"20 t5 web.1 n1 rejected want shutdown\n"
		"20 t6 web.1 n1 rejected want ready\n"
		"25 t1 gone\n"
		"25 t6 web.1 n1 rejected want shutdown\n"
		"25 t7 web.1 n1 rejected want ready\n"
		"30 t3 gone\n"
		"30 t7 web.1 n1 rejected want shutdown\n"
		"30 t8 web.1 n1 rejected want ready\n");
	world_free(w);
}

TEST(scale)
{
	struct world *w = world_new(1);

	world_node(w, "n1");
	world_node(w, "n2");
	world_create(w, "web", SERVICE(4, "a", "", ""), NULL);
	world_scale(w, "web", 2);
	world_scale(w, "web", 3);
	world_scale(w, "web", 0);
	CHECK_STR(world_trace(w),
		"0 t1 web.1 n1 running want running\n"
		"0 t2 web.2 n2 running want running\n"
		"0 t3 web.3 n1 running want running\n"
		"0 t4 web.4 n2 running want running\n"
		"0 t3 gone\n"
		"0 t4 gone\n"
		"0 t5 web.3 n1 running want running\n"
		"0 t1 gone\n"
		"0 t2 gone\n"
		"0 t5 gone\n");
	world_free(w);
}

TEST(removed)
{
	struct world *w = world_with_node();

	world_create(w, "web", SERVICE(2, "a", "", ""), NULL);
	w->agents_stop = 1;
	world_remove(w, "web");
	world_pass(w, 5);
	w->agents_stop = 0;
	world_pass(w, 5);
	CHECK_STR(world_trace(w),
		"0 t1 web.1 n1 running want running\n"
		"0 t2 web.2 n1 running want running\n"
		"0 t1 web.1 n1 running want remove\n"
		"0 t2 web.2 n1 running want remove\n"
		"10 t1 gone\n"
		"10 t2 gone\n");
	world_free(w);
}

TEST(replacement_waits_for_the_stop_a_minute_at_most)
{
	struct world *w = world_new(1);

	world_node(w, "n1");
	world_create(w, "web", SERVICE(1, "a", "", ""), NULL);
	world_node(w, "n2");
	w->agents_stop = 1;
	world_node_state(w, "n1", NODE_READY, AVAILABILITY_DRAIN);
	world_pass(w, 70);
	CHECK_STR(world_trace(w),
		"0 t1 web.1 n1 running want running\n"
		"0 t1 web.1 n1 running want shutdown\n"
		"0 t2 web.1 n2 ready want ready\n"
		"60 t2 web.1 n2 running want running\n");
	world_free(w);
}

TEST(node_down_and_removed)
{
	struct world *w = world_new(1);

	world_node(w, "n1");
	world_create(w, "web", SERVICE(1, "a", "", ""), NULL);
	world_node_state(w, "n1", NODE_DOWN, AVAILABILITY_ACTIVE);
	world_node(w, "n2");
	world_pass(w, 10);
	world_node_remove(w, "n1");
	world_node_remove(w, "n2");
	world_pass(w, 10);
	CHECK_STR(world_trace(w),
		"0 t1 web.1 n1 running want running\n"
		"0 t1 web.1 n1 running want shutdown\n"
		"0 t2 web.1 - pending want ready: no suitable node (1 node not available for "
		"new tasks)\n"
		"0 t2 web.1 n2 ready want ready\n"
		"5 t2 web.1 n2 running want running\n"
		"10 t1 web.1 n1 orphaned want shutdown\n"
		"10 t2 web.1 n2 orphaned want shutdown\n"
		"10 t3 web.1 - pending want ready: no suitable node\n"
		"15 t3 web.1 - pending want running: no suitable node\n");
	world_free(w);
}

TEST(global)
{
	struct world *w = world_new(1);

	world_node(w, "n1");
	world_node(w, "n2");
	world_create(w, "agent", "{\"TaskTemplate\":{\"ContainerSpec\":{\"Image\":\"a\"},"
		"\"Placement\":{\"Constraints\":[\"node.hostname!=n3\"]}},"
		"\"Mode\":{\"Global\":{}}}", NULL);
	world_node(w, "n3");
	world_node(w, "n4");
	world_node_state(w, "n1", NODE_READY, AVAILABILITY_DRAIN);
	world_node_state(w, "n1", NODE_READY, AVAILABILITY_ACTIVE);
	world_end(w, 2, TASK_FAILED);
	world_pass(w, 6);
	world_remove(w, "agent");
	CHECK_STR(world_trace(w),
		"0 t1 agent.0 n1 running want running\n"
		"0 t2 agent.0 n2 running want running\n"
		"0 t3 agent.0 n4 running want running\n"
		"0 t1 agent.0 n1 shutdown want shutdown\n"
		"0 t4 agent.0 n1 running want running\n"
		"0 t2 agent.0 n2 failed want shutdown\n"
		"0 t5 agent.0 n2 ready want ready\n"
		"5 t5 agent.0 n2 running want running\n"
		"6 t1 gone\n"
		"6 t2 gone\n"
		"6 t3 gone\n"
		"6 t4 gone\n"
		"6 t5 gone\n");
	world_free(w);
}

TEST(history)
{
	struct world *w = world_with_node();

	world_create(w, "web", SERVICE(1, "crash",
		RESTART("\"Delay\":" SECONDS(1)), ""), NULL);
	w->quiet = 1;
	world_pass(w, 100);
	CHECK_INT(w->state.objects[OBJECT_TASK].count, 5);
	world_free(w);
}

TEST(a_delay_beyond_the_end_of_time)
{
	struct world *w = world_with_node();

	world_create(w, "web", SERVICE(1, "a",
		RESTART("\"Delay\":9223372036854775807"), ""), NULL);
	world_end(w, 1, TASK_FAILED);
	world_pass(w, 100000);
	CHECK_STR(world_trace(w),
		"0 t1 web.1 n1 running want running\n"
		"0 t1 web.1 n1 failed want shutdown\n"
		"0 t2 web.1 n1 ready want ready\n");
	world_free(w);
}

TEST(drained_node_needs_no_delay)
{
	struct world *w = world_with_node();

	world_create(w, "web", SERVICE(1, "a", "", ""), NULL);
	world_node(w, "n2");
	world_node_state(w, "n1", NODE_READY, AVAILABILITY_DRAIN);
	CHECK_STR(world_trace(w),
		"0 t1 web.1 n1 running want running\n"
		"0 t1 web.1 n1 shutdown want shutdown\n"
		"0 t2 web.1 n2 running want running\n");
	world_free(w);
}

TEST(scale_down_keeps_what_runs)
{
	struct world *w = world_with_node();

	world_create(w, "web", SERVICE(3, "a", "", ""), NULL);
	world_end(w, 1, TASK_FAILED);
	(void)world_trace(w);
	world_scale(w, "web", 2);
	world_pass(w, 10);
	CHECK_STR(world_trace(w),
		"0 t1 gone\n"
		"0 t4 gone\n");
	world_free(w);
}
