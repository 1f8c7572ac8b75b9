#include "control_fixture.h"
#include "control_specs.h"
#include "unit.h"

static struct world *world_with(const char *spec)
{
	struct world *w = world_new(1);

	world_node(w, "n1");
	w->quiet = 1;
	world_create(w, "web", spec, NULL);
	world_pass(w, 10);
	w->quiet = 0;
	return w;
}

TEST(stop_first_one_by_one)
{
	struct world *w = world_with(SERVICE(3, "a", "", ""));

	world_update(w, "web", SERVICE(3, "b", "", ""), NULL);
	world_pass(w, 20);
	CHECK_STR(world_trace(w),
		"10 t1 web.1 n1 shutdown want shutdown\n"
		"10 t2 web.2 n1 shutdown want shutdown\n"
		"10 t3 web.3 n1 shutdown want shutdown\n"
		"10 t4 web.1 n1 running want running\n"
		"10 t5 web.2 n1 running want running\n"
		"10 t6 web.3 n1 running want running\n"
		"10 web updating: update in progress\n"
		"15 web completed: update completed\n");
	world_free(w);
}

TEST(start_first_two_at_a_time_with_a_delay)
{
	struct world *w = world_with(SERVICE(3, "a", "", ""));

	world_update(w, "web", SERVICE(3, "b", "", UPDATE("\"Parallelism\":2,\"Order\":"
		"\"start-first\",\"Delay\":" SECONDS(3))), NULL);
	world_pass(w, 30);
	CHECK_STR(world_trace(w),
		"10 t1 web.1 n1 shutdown want shutdown\n"
		"10 t2 web.2 n1 shutdown want shutdown\n"
		"10 t4 web.1 n1 running want running\n"
		"10 t5 web.2 n1 running want running\n"
		"10 web updating: update in progress\n"
		"13 t3 web.3 n1 shutdown want shutdown\n"
		"13 t6 web.3 n1 running want running\n"
		"21 web completed: update completed\n");
	world_free(w);
}

TEST(all_at_once)
{
	struct world *w = world_with(SERVICE(3, "a", "", ""));

	world_update(w, "web", SERVICE(3, "b", "", UPDATE("\"Parallelism\":0,\"FailureAction\":"
		"\"continue\"")), NULL);
	CHECK_STR(world_trace(w),
		"10 t1 web.1 n1 shutdown want shutdown\n"
		"10 t2 web.2 n1 shutdown want shutdown\n"
		"10 t3 web.3 n1 shutdown want shutdown\n"
		"10 t4 web.1 n1 running want running\n"
		"10 t5 web.2 n1 running want running\n"
		"10 t6 web.3 n1 running want running\n"
		"10 web completed: update completed\n");
	world_free(w);
}

TEST(failure_pauses)
{
	struct world *w = world_with(SERVICE(3, "a", "", ""));

	world_update(w, "web", SERVICE(3, "bad", "", UPDATE("\"Parallelism\":1")), NULL);
	world_pass(w, 6);
	world_update(w, "web", SERVICE(3, "c", "", UPDATE("\"Parallelism\":1")), NULL);
	world_pass(w, 20);
	CHECK_STR(world_trace(w),
		"10 t1 web.1 n1 shutdown want shutdown\n"
		"10 t4 web.1 n1 rejected want shutdown\n"
		"10 t5 web.1 n1 rejected want ready\n"
		"10 web paused: update paused due to failure or early termination of task "
		"t4\n"
		"15 t5 web.1 n1 rejected want shutdown\n"
		"15 t6 web.1 n1 rejected want ready\n"
		"16 t2 web.2 n1 shutdown want shutdown\n"
		"16 t3 web.3 n1 shutdown want shutdown\n"
		"16 t6 web.1 n1 rejected want shutdown\n"
		"16 t7 web.1 n1 running want running\n"
		"16 t8 web.2 n1 running want running\n"
		"16 t9 web.3 n1 running want running\n"
		"16 web updating: update in progress\n"
		"21 web completed: update completed\n");
	world_free(w);
}

TEST(failure_rolls_back)
{
	struct world *w = world_with(SERVICE(3, "a", "", ""));

	world_update(w, "web", SERVICE(3, "crash", "", UPDATE("\"Parallelism\":1,"
		"\"FailureAction\":\"rollback\"")),
		     NULL);
	world_pass(w, 30);
	CHECK_STR(world_trace(w),
		"10 t1 web.1 n1 shutdown want shutdown\n"
		"10 t4 web.1 n1 failed want shutdown\n"
		"10 t5 gone\n"
		"10 t6 web.1 n1 running want running\n"
		"10 web rolling back: update rolled back due to failure or early termination "
		"of task "
		"t4\n"
		"15 web rolled back: rollback completed\n");
	CHECK_STR(world_service(w, "web")->spec.task_template.container_spec->image, "a");
	CHECK(!world_service(w, "web")->previous_spec);
	world_free(w);
}

TEST(start_first_failure_keeps_the_old_one)
{
	struct world *w = world_with(SERVICE(2, "a", "", ""));

	world_update(w, "web", SERVICE(2, "crash", "", UPDATE("\"Parallelism\":1,"
		"\"FailureAction\":\"rollback\","
		"\"Order\":\"start-first\"")), NULL);
	world_pass(w, 30);
	CHECK_STR(world_trace(w),
		"10 t3 web.1 n1 failed want shutdown\n"
		"10 t4 gone\n"
		"10 web rolled back: rollback completed\n");
	world_free(w);
}

TEST(failures_within_the_ratio_do_not_stop_it)
{
	struct world *w = world_with(SERVICE(4, "a", "", ""));

	world_update(w, "web", SERVICE(4, "b", "", UPDATE("\"Parallelism\":4,"
		"\"MaxFailureRatio\":0.25")), NULL);
	world_end(w, 5, TASK_FAILED);
	world_pass(w, 30);
	CHECK_STR(world_trace(w),
		"10 t1 web.1 n1 shutdown want shutdown\n"
		"10 t2 web.2 n1 shutdown want shutdown\n"
		"10 t3 web.3 n1 shutdown want shutdown\n"
		"10 t4 web.4 n1 shutdown want shutdown\n"
		"10 t5 web.1 n1 running want running\n"
		"10 t6 web.2 n1 running want running\n"
		"10 t7 web.3 n1 running want running\n"
		"10 t8 web.4 n1 running want running\n"
		"10 web updating: update in progress\n"
		"10 t5 web.1 n1 failed want shutdown\n"
		"10 t9 web.1 n1 ready want ready\n"
		"15 t9 web.1 n1 running want running\n"
		"20 web completed: update completed\n");
	world_free(w);
}

TEST(a_late_failure_does_not_count)
{
	struct world *w = world_with(SERVICE(2, "a", "", ""));

	world_update(w, "web", SERVICE(2, "b", "", UPDATE("\"Parallelism\":1,\"Delay\":"
		SECONDS(10) ",\"Monitor\":" SECONDS(4))), NULL);
	world_pass(w, 5);
	world_end(w, 3, TASK_FAILED);
	world_pass(w, 60);
	CHECK_STR(world_trace(w),
		"10 t1 web.1 n1 shutdown want shutdown\n"
		"10 t3 web.1 n1 running want running\n"
		"10 web updating: update in progress\n"
		"15 t3 web.1 n1 failed want shutdown\n"
		"15 t4 web.1 n1 ready want ready\n"
		"20 t4 web.1 n1 running want running\n"
		"30 t2 web.2 n1 shutdown want shutdown\n"
		"30 t5 web.2 n1 running want running\n"
		"51 web completed: update completed\n");
	world_free(w);
}

TEST(a_new_spec_takes_over_an_update_under_way)
{
	struct world *w = world_with(SERVICE(2, "a", "", ""));

	world_update(w, "web", SERVICE(2, "b", "", UPDATE("\"Parallelism\":1,\"Delay\":"
		SECONDS(10))), NULL);
	world_pass(w, 3);
	world_update(w, "web", SERVICE(2, "c", "", UPDATE("\"Parallelism\":0")), NULL);
	world_pass(w, 10);
	CHECK_STR(world_trace(w),
		"10 t1 web.1 n1 shutdown want shutdown\n"
		"10 t3 web.1 n1 running want running\n"
		"10 web updating: update in progress\n"
		"13 t2 web.2 n1 shutdown want shutdown\n"
		"13 t3 web.1 n1 shutdown want shutdown\n"
		"13 t4 web.1 n1 running want running\n"
		"13 t5 web.2 n1 running want running\n"
		"18 web completed: update completed\n");
	world_free(w);
}

TEST(a_new_leader_goes_on_with_it)
{
	struct world *w = world_with(SERVICE(2, "a", "", ""));

	world_update(w, "web", SERVICE(2, "b", "", UPDATE("\"Parallelism\":1,\"Delay\":"
		SECONDS(10))), NULL);
	world_new_leader(w);
	world_pass(w, 9);
	world_new_leader(w);
	world_pass(w, 30);
	CHECK_STR(world_trace(w),
		"10 t1 web.1 n1 shutdown want shutdown\n"
		"10 t3 web.1 n1 running want running\n"
		"10 web updating: update in progress\n"
		"20 t2 web.2 n1 shutdown want shutdown\n"
		"20 t4 web.2 n1 running want running\n"
		"41 web completed: update completed\n");
	world_free(w);
}

TEST(labels_replicas_and_fitting_placement_restart_nothing)
{
	struct world *w = world_with(SERVICE(2, "a", "", ""));

	world_update(w, "web", SERVICE(3, "a", PLACEMENT("\"Constraints\":[\"node.hostname==n1\"]"),
		",\"Labels\":{\"x\":\"y\"}"), NULL);
	world_pass(w, 10);
	CHECK_STR(world_trace(w),
		"10 t3 web.3 n1 running want running\n");
	world_free(w);
}

TEST(force_update_and_host_ports_restart)
{
	struct world *w = world_with(SERVICE(1, "a", "", ""));

	world_update(w, "web", SERVICE(1, "a", ",\"ForceUpdate\":1", ""), NULL);
	world_pass(w, 10);
	world_update(w, "web", SERVICE(1, "a", ",\"ForceUpdate\":1",
		PORTS("{\"TargetPort\":80,\"PublishedPort\":80,\"PublishMode\":\"host\"}")), NULL);
	world_pass(w, 10);
	CHECK_STR(world_trace(w),
		"10 t1 web.1 n1 shutdown want shutdown\n"
		"10 t2 web.1 n1 running want running\n"
		"10 web updating: update in progress\n"
		"15 web completed: update completed\n"
		"20 t2 web.1 n1 shutdown want shutdown\n"
		"20 t3 web.1 n1 running want running\n"
		"20 web updating: update in progress\n"
		"25 web completed: update completed\n");
	world_free(w);
}

TEST(an_update_revives_what_had_ended_for_good)
{
	struct world *w = world_with(SERVICE(1, "once", RESTART("\"Condition\":\"none\""), ""));

	world_update(w, "web", SERVICE(1, "a", RESTART("\"Condition\":\"none\""), ""), NULL);
	world_pass(w, 10);
	CHECK_STR(world_trace(w),
		"10 t2 web.1 n1 running want running\n"
		"10 web updating: update in progress\n"
		"15 web completed: update completed\n");
	world_free(w);
}

TEST(a_rollback_that_fails_is_not_rolled_back_again)
{
	struct world *w = world_with(SERVICE(2, "a", "", ""));

	w->quiet = 1;
	world_update(w, "web", SERVICE(2, "crash", "", UPDATE("\"Parallelism\":1")), NULL);
	world_update(w, "web", SERVICE(2, "bad", "", UPDATE("\"Parallelism\":1,"
		"\"FailureAction\":\"rollback\"")), NULL);
	w->quiet = 0;
	CHECK_INT(world_service(w, "web")->update_status->state, UPDATE_ROLLBACK_PAUSED);
	CHECK(!world_service(w, "web")->previous_spec);
	world_free(w);
}

TEST(no_way_back_is_a_pause)
{
	struct world *w = world_with(SERVICE(1, "a", "",
		PORTS("{\"TargetPort\":80,\"PublishedPort\":8080}")));

	w->quiet = 1;
	world_update(w, "web", SERVICE(1, "b", "", UPDATE("\"Parallelism\":1,"
		"\"FailureAction\":\"rollback\"")), NULL);
	CHECK_INT(world_create(w, "other", SERVICE(0, "a", "",
		PORTS("{\"TargetPort\":80,\"PublishedPort\":8080}")), NULL), 0);
	world_end(w, 2, TASK_FAILED);
	CHECK_INT(world_service(w, "web")->update_status->state, UPDATE_PAUSED);
	CHECK(world_service(w, "web")->previous_spec);
	world_free(w);
}
