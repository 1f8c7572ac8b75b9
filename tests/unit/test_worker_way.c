/* A task's way through the worker, with everything that can go wrong on it. */
#include <string.h>
#include "unit.h"
#include "worker_fake.h"

static struct fake f;

/* One task, assigned and run until nothing moves. */
static struct fake_status *one(int desired)
{
	struct fake_status *t = fake_task(&f, "t1", desired);

	fake_start(&f);
	fake_complete(&f);
	fake_run(&f, 500);
	return t;
}

TEST(runs_and_is_removed)
{
	struct fake_status *t;

	fake_init(&f);
	t = fake_task(&f, "t1", TASK_READY);
	t->network = "n1";
	t->network2 = "n2";
	fake_start(&f);
	fake_complete(&f);
	fake_run(&f, 500);
	CHECK_INT(t->state, TASK_READY);
	CHECK_STR(t->message, "prepared");
	CHECK_STR(fake_container(&f, "t1")->state, "created");
	CHECK_STR(fake_container(&f, "t1")->name, "web.1.t1");
	CHECK_INT(fake_network_count(&f), 2);
	CHECK_INT(fake_logged(&f, "POST /networks/name-n2/connect"), 1);
	CHECK_STR(f.netmap, "{\"ports\":[]}");
	CHECK(f.described);

	t->desired = TASK_RUNNING;
	fake_tell(&f, t);
	fake_run(&f, 500);
	CHECK_INT(t->state, TASK_RUNNING);
	CHECK_STR(t->message, "started");
	CHECK_STR(t->container, fake_container(&f, "t1")->id);

	t->desired = TASK_SHUTDOWN;
	fake_tell(&f, t);
	fake_run(&f, 500);
	CHECK_INT(t->state, TASK_SHUTDOWN);
	CHECK_INT(fake_logged(&f, "POST /containers/c000000000000000000000000000000000000000000000"
			      "000000000000000001/stop?t=10"), 1);
	CHECK_STR(fake_container(&f, "t1")->state, "exited");

	fake_forget(&f, t);
	fake_run(&f, 500);
	CHECK_INT(fake_count(&f, NULL), 0);
	fake_complete(&f);
	fake_run(&f, 500);
	CHECK_INT(fake_network_count(&f), 0);
	CHECK_INT(f.went_back, 0);
	fake_done(&f);
}

TEST(image_is_pulled_only_when_missing)
{
	fake_init(&f);
	f.have_image = 0;
	CHECK_INT(one(TASK_RUNNING)->state, TASK_RUNNING);
	CHECK_INT(fake_logged(&f, "POST /images/create?fromImage=app&tag=1"), 1);
	fake_done(&f);
	fake_init(&f);
	CHECK_INT(one(TASK_RUNNING)->state, TASK_RUNNING);
	CHECK_INT(fake_logged(&f, "POST /images/create"), 0);
	fake_done(&f);
}

TEST(pull_errors_say_why)
{
	static const struct fake_rule rules[] = {
		{ "POST /images/create", 200, "{'status':'x'}\n{'error':'denied'}\n" },
		{ "POST /images/create", 404, "{'message':'denied'}\n" },
		{ "POST /images/create", 500, "{'message':'denied'}" },
	};

	for (size_t i = 0; i < 3; i++) {
		struct fake_status *t;

		fake_init(&f);
		f.have_image = 0;
		f.rule = rules[i];
		t = one(TASK_RUNNING);
		CHECK_INT(t->state, TASK_REJECTED);
		CHECK_STR(t->message, "preparing");
		CHECK_STR(t->err, "No such image: app:1 (denied)");
		CHECK_INT(fake_count(&f, NULL), 0);
		fake_done(&f);
	}
}

TEST(create_conflict_of_ours_is_adopted)
{
	struct fake_status *t;

	fake_init(&f);
	f.containers[0] = (struct fake_container){
		.id = "cold", .name = "web.1.t1", .task = "t1", .state = "created",
	};
	f.rule = (struct fake_rule){ "GET /containers/json", 200, "[]" };
	t = one(TASK_RUNNING);
	CHECK_INT(t->state, TASK_RUNNING);
	CHECK_STR(t->container, "cold");
	CHECK_INT(fake_count(&f, NULL), 1);
	fake_done(&f);
}

TEST(create_conflict_of_a_stranger_is_refused)
{
	struct fake_status *t;

	fake_init(&f);
	f.containers[0] = (struct fake_container){
		.id = "cold", .name = "web.1.t1", .task = "other", .state = "running",
	};
	f.rule = (struct fake_rule){ "GET /containers/json", 200, "[]" };
	t = one(TASK_RUNNING);
	CHECK_INT(t->state, TASK_REJECTED);
	CHECK_STR(t->err, "the container name web.1.t1 is in use");
	CHECK_STR(f.containers[0].state, "running");
	fake_done(&f);
}

TEST(create_error_rejects_the_task)
{
	struct fake_status *t;

	fake_init(&f);
	f.rule = (struct fake_rule){ "POST /containers/create", 400, "{'message':'bad mount'}" };
	t = one(TASK_RUNNING);
	CHECK_INT(t->state, TASK_REJECTED);
	CHECK_STR(t->err, "bad mount");
	fake_done(&f);
}

TEST(start_error_fails_the_task)
{
	struct fake_status *t;

	fake_init(&f);
	t = one(TASK_READY);
	CHECK_INT(t->state, TASK_READY);
	f.rule = (struct fake_rule){ "POST /containers/c", 400, "{'message':'no such file'}" };
	t->desired = TASK_RUNNING;
	fake_tell(&f, t);
	fake_run(&f, 500);
	CHECK_INT(t->state, TASK_FAILED);
	CHECK_STR(t->message, "starting");
	CHECK_STR(t->err, "starting container failed: no such file");
	fake_done(&f);
}

TEST(network_errors_reject_and_are_tried_again)
{
	struct fake_status *t, *u;

	fake_init(&f);
	t = fake_task(&f, "t1", TASK_RUNNING);
	t->network = "n1";
	f.rule = (struct fake_rule){ "POST /networks/create", 403, "{'message':'overlaps'}" };
	fake_start(&f);
	fake_complete(&f);
	fake_run(&f, 500);
	CHECK_INT(t->state, TASK_REJECTED);
	CHECK_STR(t->err, "network name-n1: overlaps");
	u = fake_task(&f, "t2", TASK_RUNNING);
	u->network = "n1";
	fake_tell(&f, u);
	fake_run(&f, 500);
	CHECK_INT(u->state, TASK_RUNNING);
	fake_done(&f);
}

TEST(a_network_in_doubt_is_still_removed)
{
	struct fake_status *t;

	fake_init(&f);
	t = fake_task(&f, "t1", TASK_RUNNING);
	t->network = "n1";
	f.rule = (struct fake_rule){ "POST /containers/create", 500, "{'message':'x'}" };
	fake_start(&f);
	fake_complete(&f);
	fake_run(&f, 500);
	CHECK_INT(t->state, TASK_REJECTED);
	CHECK_INT(fake_network_count(&f), 1);
	t->removed = 1;
	fake_complete(&f);
	fake_run(&f, 500);
	CHECK_INT(fake_network_count(&f), 0);
	fake_done(&f);
}

TEST(network_of_a_stranger_is_refused)
{
	struct fake_status *t;

	fake_init(&f);
	f.networks[0] = (struct fake_network){ "name-n1", "", 1 };
	t = fake_task(&f, "t1", TASK_RUNNING);
	t->network = "n1";
	f.rule = (struct fake_rule){ "GET /networks?", 200, "[]" };
	fake_start(&f);
	fake_complete(&f);
	fake_run(&f, 500);
	CHECK_INT(t->state, TASK_REJECTED);
	CHECK_STR(t->err, "network name-n1: a network of this name exists on the node and is not "
		  "the swarm's");
	t->removed = 1;
	fake_complete(&f);
	fake_run(&f, 500);
	CHECK_INT(fake_network_count(&f), 1);
	fake_done(&f);
}

TEST(a_network_is_made_once_for_many_tasks)
{
	static const char *const ids[] = { "a", "b", "c", "d", "e", "f" };

	fake_init(&f);
	for (size_t i = 0; i < 6; i++)
		fake_task(&f, ids[i], TASK_RUNNING)->network = "n1";
	fake_start(&f);
	fake_complete(&f);
	fake_run(&f, 500);
	CHECK_INT(fake_count(&f, "running"), 6);
	CHECK_INT(fake_logged(&f, "POST /networks/create"), 1);
	fake_done(&f);
}

TEST(exit_codes)
{
	static const struct {
		int code, state;
		const char *err;
	} cases[] = {
		{ 0, TASK_COMPLETE, "" }, { 3, TASK_FAILED, "task: non-zero exit (3)" },
	};

	for (size_t i = 0; i < 2; i++) {
		struct fake_status *t;

		fake_init(&f);
		t = one(TASK_RUNNING);
		fake_exit(&f, fake_container(&f, "t1"), cases[i].code);
		fake_run(&f, 500);
		CHECK_INT(t->state, cases[i].state);
		CHECK_STR(t->err, cases[i].err);
		CHECK_INT(t->exit_code, cases[i].code);
		CHECK_INT(fake_count(&f, "exited"), 1);
		/* What is asked for afterwards changes nothing of how it ended. */
		t->desired = TASK_SHUTDOWN;
		fake_tell(&f, t);
		fake_run(&f, 500);
		CHECK_INT(t->state, cases[i].state);
		t->desired = TASK_REMOVE;
		fake_tell(&f, t);
		fake_run(&f, 500);
		CHECK_INT(fake_count(&f, NULL), 0);
		fake_done(&f);
	}
}

TEST(health_decides_when_it_runs)
{
	struct fake_status *t;
	struct fake_container *c;

	fake_init(&f);
	f.health = "starting";
	t = one(TASK_RUNNING);
	c = fake_container(&f, "t1");
	CHECK_INT(t->state, TASK_STARTING);
	c->health = "healthy";
	fake_event(&f, "health_status: healthy", c);
	fake_run(&f, 500);
	CHECK_INT(t->state, TASK_RUNNING);
	c->health = "unhealthy";
	fake_event(&f, "health_status: unhealthy", c);
	fake_run(&f, 500);
	CHECK_INT(t->state, TASK_FAILED);
	CHECK_STR(t->err, "task: non-zero exit (137): dockerexec: unhealthy container");
	CHECK_INT(c->stops, 1);
	CHECK_STR(c->state, "exited");
	fake_done(&f);
}

TEST(vanished_container)
{
	struct fake_status *t;

	fake_init(&f);
	t = one(TASK_RUNNING);
	fake_container(&f, "t1")->state = NULL;
	fake_event(&f, "destroy", &f.containers[0]);
	fake_run(&f, 500);
	CHECK_INT(t->state, TASK_FAILED);
	CHECK_STR(t->err, "No such container: web.1.t1");
	fake_done(&f);
}

TEST(shutdown_at_any_moment)
{
	/* One call more is answered each round before the manager changes its mind. */
	for (int n = 0; n < 14; n++) {
		struct fake_status *t;

		fake_init(&f);
		f.have_image = 0;
		t = fake_task(&f, "t1", TASK_RUNNING);
		t->network = "n1";
		fake_start(&f);
		fake_complete(&f);
		fake_turns(&f, n);
		t->desired = TASK_SHUTDOWN;
		fake_tell(&f, t);
		fake_run(&f, 1000);
		CHECK_INT(t->state, TASK_SHUTDOWN);
		CHECK_INT(fake_count(&f, "running"), 0);
		fake_forget(&f, t);
		fake_run(&f, 1000);
		CHECK_INT(fake_count(&f, NULL), 0);
		CHECK_INT(f.went_back, 0);
		fake_done(&f);
	}
}

TEST(removed_at_any_moment)
{
	for (int n = 0; n < 14; n++) {
		struct fake_status *t;

		fake_init(&f);
		f.have_image = 0;
		t = fake_task(&f, "t1", TASK_RUNNING);
		t->network = "n1";
		fake_start(&f);
		fake_complete(&f);
		fake_turns(&f, n);
		fake_forget(&f, t);
		fake_run(&f, 1000);
		CHECK_INT(fake_count(&f, NULL), 0);
		fake_done(&f);
	}
}

TEST(reports_are_gathered)
{
	static const char *const ids[] = { "a", "b", "c", "d", "e", "f", "g", "h", "i", "j" };
	int before;

	fake_init(&f);
	for (size_t i = 0; i < 10; i++)
		fake_task(&f, ids[i], TASK_RUNNING);
	fake_start(&f);
	fake_complete(&f);
	fake_run(&f, 500);
	/* Ten tasks with five states each, in about 60 ms. */
	CHECK(f.reports < 12);
	before = f.reports;
	fake_exit(&f, fake_container(&f, "c"), 1);
	fake_run(&f, 5);
	CHECK_INT(f.reports, before + 1);	/* after a quiet time, at once */
	fake_done(&f);
}

TEST(nothing_at_rest)
{
	int before;

	fake_init(&f);
	one(TASK_RUNNING);
	before = f.reports;
	CHECK_INT(f.timer_ms, 0);
	CHECK_INT(f.call_count, 0);
	fake_run(&f, 100000);
	CHECK_INT(f.reports, before);
	fake_done(&f);
}

TEST(what_the_node_is_to_be_goes_to_the_driver)
{
	const char *managers[] = { "192.0.2.1:2377" };
	struct session_node node = { .role = ROLE_MANAGER, .managers = { managers, 1 },
				     .trust = "PEM", .renew = 1 };

	fake_init(&f);
	fake_start(&f);
	fake_message(&f, &(struct session_order){ .node = &node });
	CHECK_STR(f.node, "{\"Role\":\"manager\",\"Managers\":[\"192.0.2.1:2377\"],"
		  "\"Trust\":\"PEM\",\"Renew\":true}");
	fake_done(&f);
}
