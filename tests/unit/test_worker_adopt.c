/* Starts, crashes and losses: nothing that runs is touched, nothing is doubled. */
#include <stdio.h>
#include <string.h>
#include "unit.h"
#include "worker_fake.h"

static struct fake f;

static void kill_worker(void)
{
	worker_free(f.worker);
	f.worker = NULL;
	f.call_count = 0;
	f.events_call = f.timer_ms = 0;
}

TEST(restart_touches_nothing)
{
	struct fake_status *t;

	fake_init(&f);
	t = fake_task(&f, "t1", TASK_RUNNING);
	t->network = "n1";
	fake_start(&f);
	fake_complete(&f);
	fake_run(&f, 500);
	kill_worker();
	f.log[0] = '\0';
	fake_start(&f);
	fake_run(&f, 500);
	fake_complete(&f);
	fake_run(&f, 500);
	CHECK_INT(t->state, TASK_RUNNING);
	CHECK_INT(fake_container(&f, "t1")->starts, 1);
	CHECK_INT(fake_container(&f, "t1")->stops, 0);
	CHECK_INT(fake_logged(&f, "POST"), 0);
	CHECK_INT(fake_logged(&f, "DELETE"), 0);
	CHECK_INT(f.went_back, 0);
	fake_done(&f);
}

TEST(strays_go_only_after_a_complete_assignment)
{
	fake_init(&f);
	f.containers[0] = (struct fake_container){ .id = "c1", .name = "web.1.old", .task = "old",
						   .state = "running" };
	f.containers[1] = (struct fake_container){ .id = "c2", .name = "x", .state = "exited" };
	f.networks[0] = (struct fake_network){ "name-n9", "n9", 1 };
	fake_start(&f);
	fake_run(&f, 5000);
	CHECK_INT(fake_count(&f, "running"), 1);
	CHECK_INT(fake_network_count(&f), 1);
	fake_complete(&f);
	fake_run(&f, 500);
	CHECK_INT(fake_count(&f, NULL), 0);
	CHECK_INT(f.containers[0].stops, 1);
	CHECK_INT(fake_network_count(&f), 0);
	fake_done(&f);
}

TEST(ended_while_the_worker_was_away)
{
	struct fake_status *t, *u;

	fake_init(&f);
	t = fake_task(&f, "t1", TASK_RUNNING);
	u = fake_task(&f, "t2", TASK_RUNNING);
	fake_start(&f);
	fake_complete(&f);
	fake_run(&f, 500);
	kill_worker();
	fake_container(&f, "t1")->exit_code = 9;
	fake_container(&f, "t1")->state = "exited";
	fake_container(&f, "t2")->state = NULL;
	fake_start(&f);
	fake_complete(&f);
	fake_run(&f, 500);
	CHECK_INT(t->state, TASK_FAILED);
	CHECK_STR(t->err, "task: non-zero exit (9)");
	CHECK_INT(u->state, TASK_FAILED);
	CHECK_STR(u->err, "No such container: web.2.t2");
	fake_done(&f);
}

TEST(engine_lost_with_live_restore)
{
	struct fake_status *t;
	int before;

	fake_init(&f);
	f.live_restore = 1;
	t = fake_task(&f, "t1", TASK_RUNNING);
	fake_start(&f);
	fake_complete(&f);
	fake_run(&f, 500);
	fake_engine_down(&f);
	fake_run(&f, 1000);
	before = f.reports;
	fake_run(&f, 60000);
	CHECK_INT(f.reports, before);	/* said once, not at every try */
	CHECK_INT(t->state, TASK_RUNNING);
	CHECK_STR(t->message, "started");
	CHECK_STR(t->err, "engine does not answer: connection refused");
	CHECK_STR(f.node_message, "connection refused");
	CHECK(fake_logged(&f, "GET /info") < 60);
	fake_engine_up(&f);
	fake_run(&f, 3000);
	CHECK_INT(t->state, TASK_RUNNING);
	CHECK_STR(t->err, "");
	CHECK_STR(f.node_message, "");
	CHECK_INT(fake_container(&f, "t1")->starts, 1);
	fake_done(&f);
}

TEST(engine_lost_without_live_restore)
{
	struct fake_status *t;

	fake_init(&f);
	t = fake_task(&f, "t1", TASK_RUNNING);
	fake_start(&f);
	fake_complete(&f);
	fake_run(&f, 500);
	fake_engine_down(&f);
	fake_run(&f, 2000);
	fake_engine_up(&f);
	fake_run(&f, 3000);
	CHECK_INT(t->state, TASK_FAILED);
	CHECK_STR(t->err, "task: non-zero exit (137)");
	fake_done(&f);
}

TEST(no_engine_at_start)
{
	struct fake_status *t;

	fake_init(&f);
	f.down = 1;
	t = fake_task(&f, "t1", TASK_RUNNING);
	fake_start(&f);
	fake_complete(&f);
	fake_run(&f, 10000);
	CHECK_INT(t->state, TASK_ACCEPTED);
	CHECK_STR(t->err, "engine does not answer: connection refused");
	fake_engine_up(&f);
	fake_run(&f, 3000);
	CHECK_INT(t->state, TASK_RUNNING);
	CHECK_STR(t->err, "");
	fake_done(&f);
}

/* Two tasks start; one of them is shut down and removed. With a crash at call `at`. */
static void life(int at, int after, int engine_dies, int live_restore)
{
	struct fake_status *t, *u;

	fake_init(&f);
	f.crash_at = at;
	f.crash_after = after;
	f.engine_dies = engine_dies;
	f.live_restore = live_restore;
	f.have_image = 0;
	t = fake_task(&f, "t1", TASK_RUNNING);
	u = fake_task(&f, "t2", TASK_RUNNING);
	t->network = u->network = "n1";
	u->network2 = "n2";
	fake_start(&f);
	fake_complete(&f);
	fake_run(&f, 5000);
	if (live_restore) {
		CHECK_INT(t->state, TASK_RUNNING);
		CHECK_INT(u->state, TASK_RUNNING);
		CHECK_INT(fake_count(&f, "running"), 2);
		CHECK_INT(fake_container(&f, "t1")->starts, 1);
		CHECK_INT(fake_container(&f, "t2")->starts, 1);
	}
	t->desired = TASK_SHUTDOWN;
	fake_tell(&f, t);
	fake_run(&f, 5000);
	CHECK(t->state >= TASK_COMPLETE);
	if (live_restore)
		CHECK_INT(fake_count(&f, "exited"), 1);
	fake_forget(&f, t);
	fake_run(&f, 5000);
	CHECK(!fake_container(&f, "t1"));
	CHECK_INT(fake_count(&f, NULL), 1);
	CHECK(fake_container(&f, "t2")->starts <= 1);
	if (live_restore) {
		CHECK_INT(u->state, TASK_RUNNING);
		CHECK_INT(fake_container(&f, "t2")->stops, 0);
	}
	CHECK_INT(f.went_back, 0);
	CHECK_INT(fake_network_count(&f), 2);
}

TEST(crash_at_any_call)
{
	int calls;

	life(0, 0, 0, 1);
	CHECK(!unit_failed());
	fake_done(&f);
	calls = 40;
	for (int at = 1; at < calls; at++) {
		for (int kind = 0; kind < 6; kind++) {
			life(at, kind & 1, kind >= 2, kind < 4);
			if (unit_failed()) {
				printf("crash at call %d, kind %d:\n%s", at, kind, f.log);
				return;
			}
			fake_done(&f);
		}
	}
}

TEST(leave)
{
	struct session_order order = { .leave = 1 };

	fake_init(&f);
	fake_task(&f, "t1", TASK_RUNNING)->network = "n1";
	fake_task(&f, "t2", TASK_READY)->network = "n2";
	f.containers[9] = (struct fake_container){ .id = "c9", .name = "y", .task = "old",
						   .state = "running" };
	fake_start(&f);
	fake_complete(&f);
	fake_turns(&f, 7);
	fake_message(&f, &order);
	fake_run(&f, 5000);
	CHECK_INT(fake_count(&f, NULL), 0);
	CHECK_INT(fake_network_count(&f), 0);
	CHECK_INT(f.left, 1);
	fake_done(&f);
}

TEST(stop_leaves_containers_running)
{
	fake_init(&f);
	fake_task(&f, "t1", TASK_RUNNING);
	fake_start(&f);
	fake_complete(&f);
	fake_run(&f, 500);
	fake_stop(&f);
	CHECK_INT(f.exited, 1);
	CHECK_INT(fake_count(&f, "running"), 1);
	CHECK_INT(f.call_count, 0);
	fake_done(&f);
}

TEST(session_down_keeps_working_and_catches_up)
{
	struct fake_status *t;

	fake_init(&f);
	t = fake_task(&f, "t1", TASK_RUNNING);
	fake_start(&f);
	fake_complete(&f);
	fake_session_down(&f);
	fake_run(&f, 500);
	CHECK_INT(fake_count(&f, "running"), 1);
	CHECK(t->state < TASK_RUNNING);
	fake_session_up(&f);
	fake_run(&f, 500);
	CHECK_INT(t->state, TASK_RUNNING);
	CHECK_INT(f.described, 1);
	fake_complete(&f);
	fake_run(&f, 500);
	CHECK_INT(fake_container(&f, "t1")->starts, 1);
	fake_done(&f);
}

TEST(a_certificate_that_changed_is_told_with_the_next_step)
{
	const struct session_order nothing = { .leave = 0 };
	char issuer[] = "b2xk";

	fake_init(&f);
	f.tls_info = (struct tls_info){ "PEM", issuer, "a2V5" };
	fake_start(&f);
	fake_run(&f, 500);
	CHECK_STR(f.issuer, "b2xk");
	CHECK_INT(f.described, 1);
	fake_message(&f, &nothing);
	fake_run(&f, 500);
	CHECK_INT(f.described, 1);
	/* The old one's text is gone by then. */
	memset(issuer, 'x', 4);
	f.tls_info.cert_issuer_subject = "bmV3";
	fake_message(&f, &nothing);
	fake_run(&f, 500);
	CHECK_STR(f.issuer, "bmV3");
	CHECK_INT(f.described, 2);
	fake_done(&f);
}

TEST(a_gap_asks_for_everything)
{
	struct fake_status *t;

	fake_init(&f);
	fake_start(&f);
	fake_complete(&f);
	t = fake_task(&f, "t1", TASK_RUNNING);
	f.version += 3;
	fake_tell(&f, t);
	fake_run(&f, 500);
	CHECK_INT(f.resyncs, 1);
	CHECK_INT(t->state, TASK_ASSIGNED);
	fake_complete(&f);
	fake_run(&f, 500);
	CHECK_INT(t->state, TASK_RUNNING);
	fake_done(&f);
}

TEST(logs_in_whole_lines)
{
	struct session_logs logs = { .id = 5, .task_id = "t1", .stdout_too = 1, .follow = 1 };
	struct session_order order = { .logs = &logs };
	static const char frames[] = "\1\0\0\0\0\0\0\4T a\n"
		"\2\0\0\0\0\0\0\6T err\n\1\0\0\0\0\0\0\3T b";

	fake_init(&f);
	fake_task(&f, "t1", TASK_RUNNING);
	fake_start(&f);
	fake_complete(&f);
	fake_run(&f, 500);
	fake_message(&f, &order);
	CHECK_INT(f.call_count, 1);
	CHECK(strstr(f.calls[0].target, "/logs?stdout=1&stderr=0&follow=1&timestamps=1&tail=all"));
	for (size_t i = 0; i + 1 < sizeof(frames); i++)
		fake_data(&f, f.calls[0].id, frames + i, 1);
	CHECK_STR(f.logged, "T a\nT err\n");
	fake_run(&f, 10);
	CHECK_STR(f.logged, "T a\nT err\nT b");
	CHECK_INT(f.log_ended, 1);
	CHECK_STR(f.log_err, "");
	logs.task_id = "none";
	fake_message(&f, &order);
	CHECK_STR(f.log_err, "the task has no container");
	fake_done(&f);
}

/* The last task on a network goes, and a new one comes while the engine removes the network. */
static void network_again(int turns)
{
	const char *gone[] = { "n1" };
	struct session_assign assign = { .networks_removed = { gone, 1 } };
	struct fake_status *t;

	fake_init(&f);
	f.have_image = 1;
	t = fake_task(&f, "t1", TASK_RUNNING);
	t->network = "n1";
	fake_start(&f);
	fake_complete(&f);
	fake_run(&f, 5000);
	fake_forget(&f, t);
	assign.applies_to = f.version;
	assign.results_in = ++f.version;
	fake_message(&f, &(struct session_order){ .assign = &assign });
	fake_turns(&f, turns);
	t = fake_task(&f, "t2", TASK_RUNNING);
	t->network = "n1";
	fake_tell(&f, t);
	fake_run(&f, 5000);
	CHECK_INT(t->state, TASK_RUNNING);
	CHECK_INT(fake_network_count(&f), 1);
}

TEST(a_network_that_is_wanted_again_while_it_is_being_removed)
{
	for (int turns = 0; turns < 12; turns++) {
		network_again(turns);
		if (unit_failed()) {
			printf("after %d calls:\n%s", turns, f.log);
			return;
		}
		fake_done(&f);
	}
}

/* The engine carries out what a daemon asked for that has died since. */
TEST(a_create_that_comes_late_is_undone)
{
	fake_init(&f);
	fake_start(&f);
	fake_complete(&f);
	fake_run(&f, 5000);
	f.containers[3] = (struct fake_container){ .id = "c9", .name = "y", .task = "old",
						   .state = "created" };
	fake_event(&f, "create", &f.containers[3]);
	fake_run(&f, 5000);
	CHECK_INT(fake_count(&f, NULL), 0);
	fake_done(&f);
}

TEST(a_start_that_comes_late_is_undone)
{
	struct fake_container *c;
	struct fake_status *t;

	fake_init(&f);
	f.have_image = 1;
	t = fake_task(&f, "t1", TASK_RUNNING);
	fake_start(&f);
	fake_complete(&f);
	fake_run(&f, 5000);
	c = fake_container(&f, "t1");
	fake_exit(&f, c, 3);
	fake_run(&f, 5000);
	CHECK_INT(t->state, TASK_FAILED);
	c->state = "running";
	fake_event(&f, "start", c);
	fake_run(&f, 20000);
	CHECK_INT(fake_count(&f, "running"), 0);
	CHECK_INT(t->state, TASK_FAILED);
	fake_done(&f);
}
