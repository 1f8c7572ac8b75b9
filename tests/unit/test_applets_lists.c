/* Lists and the waiting for a service, against written answers. */
#include <string.h>

#include "applets/network/network.h"
#include "applets/node/node.h"
#include "applets/progress.h"
#include "applets/rows.h"
#include "applets/service/service.h"
#include "applets/swarm/swarm.h"
#include "cli_fake.h"
#include "quotes.h"
#include "unit.h"

enum { ROWS = 8 };

/* Runs words against the answers, whose bodies have ' for ". */
static void run(struct cli_fake *f, const struct command *commands, const char *words,
		const struct fake_answer *answers)
{
	static struct fake_answer rows[ROWS];

	cli_fake_init(f, rows);
	memset(rows, 0, sizeof(rows));
	for (size_t i = 0; i + 1 < ROWS && answers[i].request; i++) {
		rows[i] = answers[i];
		rows[i].body = quotes(&f->arena, answers[i].body);
	}
	cli_fake_run(f, commands, words);
}

#define SERVICE_OF(id, name, rest) "{'ID':'" id "','Version':{'Index':1}," \
	"'UpdatedAt':'2026-11-24T00:00:00Z','Spec':{'Name':'" name "','TaskTemplate':{" \
	"'ContainerSpec':{'Image':'busybox:1@sha256:1'}}," rest
#define TASK_OF(id, created, state, rest) "{'ID':'" id "','CreatedAt':'2026-11-24T00:00:0" created \
	"Z','ServiceID':'s1','Slot':1,'NodeID':'n1','DesiredState':'running','Spec':{" \
	"'ContainerSpec':{'Image':'busybox:1@sha256:1'}},'Status':{'State':'" state "'," \
	"'Timestamp':'2026-11-24T00:00:05Z'" rest "}}"

static const struct fake_answer services[] = {
	{ "GET /services?status=true", 200,
	  "[" SERVICE_OF("s10", "web10", "'Mode':{'Global':{}}},'ServiceStatus':{"
		"'RunningTasks':1,'DesiredTasks':3}},")
	  SERVICE_OF("abcdefghijklmnop", "web9", "'Mode':{'Replicated':{'Replicas':2}}},"
		"'ServiceStatus':{'RunningTasks':2,'DesiredTasks':2},'Endpoint':{'Ports':["
		"{'Protocol':'tcp','TargetPort':80,'PublishedPort':8080,'PublishMode':'ingress'},"
		"{'Protocol':'udp','TargetPort':53,'PublishedPort':53,'PublishMode':'host'}]}}]"),
	  0, 0 },
	{ NULL, 0, NULL, 0, 0 },
};

TEST(services_are_listed_as_docker_lists_them)
{
	struct cli_fake f;

	run(&f, service_commands, "ls", services);
	CHECK_STR(buf_str(&f.out),
		"ID             NAME      MODE         REPLICAS   IMAGE       PORTS\n"
		"abcdefghijkl   web9      replicated   2/2        busybox:1   *:8080->80/tcp\n"
		"s10            web10     global       1/3        busybox:1   \n");
	cli_fake_done(&f);
	run(&f, service_commands, "ls -q", services);
	CHECK_STR(buf_str(&f.out), "abcdefghijkl\ns10\n");
	cli_fake_done(&f);
	run(&f, service_commands, "ls --no-trunc --format json", services);
	CHECK(strstr(buf_str(&f.out), "{\"ID\":\"abcdefghijklmnop\","
		"\"Image\":\"busybox:1@sha256:1\","
		"\"Mode\":\"replicated\",\"Name\":\"web9\",\"Ports\":\"*:8080->80/tcp\","
		"\"Replicas\":\"2/2\"}\n"));
	cli_fake_done(&f);
	run(&f, service_commands, "ls --format yaml", services);
	CHECK_INT(f.status, CLI_USAGE);
	cli_fake_done(&f);
}

TEST(filters_go_to_the_api_in_dockers_form)
{
	struct cli_fake f;

	run(&f, service_commands, "ls -f name=a -f label=x=1 --filter name=b -f name=a", services);
	CHECK_STR(buf_str(&f.log), "GET /services?status=true&filters=%7B%22name%22%3A%7B%22a%22%3A"
		"true%2C%22b%22%3Atrue%7D%2C%22label%22%3A%7B%22x%3D1%22%3Atrue%7D%7D\n");
	cli_fake_done(&f);
	run(&f, service_commands, "ls -f colour=red", services);
	CHECK_STR(buf_str(&f.log), "");
	CHECK(strstr(buf_str(&f.err), "--filter: there is no filter \"colour\""));
	cli_fake_done(&f);
	run(&f, service_commands, "ls -f name", services);
	CHECK(strstr(buf_str(&f.err), "--filter: \"name\" is not key=value"));
	cli_fake_done(&f);
}

static const struct fake_answer tasks[] = {
	{ "GET /services/web", 200, SERVICE_OF("s1", "web", "'Mode':{}}}"), 0, 0 },
	{ "GET /tasks?filters=%7B%22service%22%3A%7B%22s1%22%3Atrue%7D%7D", 200,
	  "[" TASK_OF("old", "1", "failed", ",'Err':'task: non-zero exit (1) and a long story'") ","
	  TASK_OF("new", "2", "running", ",'PortStatus':{'Ports':[{'Protocol':'tcp',"
		"'TargetPort':80,'PublishedPort':32768,'PublishMode':'host'}]}") "]", 0, 0 },
	{ "GET /services", 200, "[{'ID':'s1','Spec':{'Name':'web'}}]", 0, 0 },
	{ "GET /nodes", 200, "[{'ID':'n1','Description':{'Hostname':'box'}}]", 0, 0 },
	{ NULL, 0, NULL, 0, 0 },
};

TEST(nodes_are_removed_one_by_one)
{
	static const struct fake_answer answers[] = {
		{ "DELETE /nodes/b?force=1", 200, "", 0, 0 },
		{ "DELETE /nodes/b", 400, "{'message':'rpc error: code = FailedPrecondition "
		  "desc = node b is not down and can\\u0027t be removed'}", 0, 0 },
		{ "DELETE /nodes/a", 200, "", 0, 0 }, { NULL, 0, NULL, 0, 0 },
	};
	struct cli_fake f;

	run(&f, node_commands, "rm b a", answers);
	CHECK_STR(buf_str(&f.out), "a\n");
	CHECK_STR(buf_str(&f.err), "swarmbox: test rm: node b is not down and can't be removed\n");
	CHECK_INT(f.status, 1);
	cli_fake_done(&f);
	run(&f, node_commands, "rm --force b", answers);
	CHECK_STR(buf_str(&f.out), "b\n");
	CHECK_INT(f.status, 0);
	cli_fake_done(&f);
}

TEST(tasks_are_listed_newest_first_with_their_past_below)
{
	struct cli_fake f;

	run(&f, service_commands, "ps web", tasks);
	CHECK_STR(buf_str(&f.out),
		"ID        NAME        IMAGE       NODE      DESIRED STATE   "
		"CURRENT STATE           ERROR                              PORTS\n"
		"new       web.1       busybox:1   box       Running         "
		"Running 5 seconds ago                                      *:32768->80/tcp\n"
		"old        \\_ web.1   busybox:1   box       Running         "
		"Failed 5 seconds ago    \"task: non-zero exit (1) and a…\"   \n");
	cli_fake_done(&f);
	run(&f, service_commands, "ps --format json --no-trunc web", tasks);
	CHECK(strstr(buf_str(&f.out), "{\"CurrentState\":\"Running 5 seconds ago\","
		"\"DesiredState\":\"Running\",\"Error\":\"\",\"ID\":\"new\","
		"\"Image\":\"busybox:1@sha256:1\",\"Name\":\"web.1\",\"Node\":\"box\","
		"\"Ports\":\"*:32768->80/tcp\"}\n"));
	cli_fake_done(&f);
	run(&f, service_commands, "ps -q web", tasks);
	CHECK_STR(buf_str(&f.out), "new\nold\n");
	cli_fake_done(&f);
}

static const struct fake_answer nodes[] = {
	{ "GET /nodes/n1", 200, "{'ID':'n1','Version':{'Index':4},'Spec':{'Labels':{'a':'1'},"
	  "'Role':'manager','Availability':'active'}}", 0, 0 },
	{ "POST /nodes/n1/update?version=4", 200, "", 0, 0 },
	{ "GET /nodes", 200, "[{'ID':'n2','Spec':{'Role':'worker','Availability':'drain'},"
	  "'Description':{'Hostname':'b'},'Status':{'State':'down'}},{'ID':'n1','Spec':{"
	  "'Role':'manager','Availability':'active'},'Description':{'Hostname':'a','Engine':{"
	  "'EngineVersion':'28.2.2'}},'Status':{'State':'ready'},'ManagerStatus':{'Leader':true,"
	  "'Reachability':'reachable'}}]", 0, 0 },
	{ "GET /info", 200, "{'Name':'a','Swarm':{'NodeID':'n1','LocalNodeState':'active',"
	  "'ControlAvailable':true,'Managers':1,'Nodes':2}}", 0, 0 },
	{ NULL, 0, NULL, 0, 0 },
};

TEST(nodes_are_listed_with_a_star_at_the_one_that_answers)
{
	struct cli_fake f;

	run(&f, node_commands, "ls", nodes);
	CHECK_STR(buf_str(&f.out),
		"ID        HOSTNAME   STATUS    AVAILABILITY   MANAGER STATUS   ENGINE VERSION\n"
		"n1 *      a          Ready     Active         Leader           28.2.2\n"
		"n2        b          Down      Drain                           \n");
	cli_fake_done(&f);
	run(&f, node_commands, "ls --format json", nodes);
	CHECK(strstr(buf_str(&f.out), "{\"Availability\":\"Active\",\"EngineVersion\":\"28.2.2\","
		"\"Hostname\":\"a\",\"ID\":\"n1\",\"ManagerStatus\":\"Leader\","
		"\"Status\":\"Ready\"}\n"));
	cli_fake_done(&f);
	run(&f, node_commands, "update --availability drain --label-add b=2 --label-rm a self",
		nodes);
	CHECK(strstr(buf_str(&f.log), "POST /nodes/n1/update?version=4\n{\"Labels\":{\"b\":\"2\"},"
		"\"Role\":\"manager\",\"Availability\":\"drain\"}\n"));
	CHECK_STR(buf_str(&f.out), "self\n");
	cli_fake_done(&f);
	run(&f, node_commands, "inspect --pretty self", nodes);
	CHECK(strstr(buf_str(&f.out), "ID:\t\t\tn1\nLabels:\n - a=1\n"));
	cli_fake_done(&f);
}

static const struct fake_answer networks[] = {
	{ "POST /networks/create", 201, "{'Id':'net1','Warning':''}", 0, 0 },
	{ "GET /networks", 200, "[{'Id':'x2','Name':'b','Driver':'overlay','Scope':'swarm'},"
	  "{'Id':'x1','Name':'a','Driver':'bridge','Scope':'local'}]", 0, 0 },
	{ "POST /swarm/leave", 503, "{'message':'last manager. Use `--force`'}", 1, 0 },
	{ "POST /swarm/leave?force=1", 200, "", 0, 0 },
	{ NULL, 0, NULL, 0, 0 },
};

TEST(networks_are_made_and_listed)
{
	struct cli_fake f;

	run(&f, network_commands, "create --subnet 10.5.0.0/24 --label a=1 -o k=v -o k=w n",
		networks);
	CHECK_STR(buf_str(&f.log), quotes(&f.arena, "POST /networks/create\n{'Name':'n',"
		"'Driver':'overlay','Scope':'swarm','Internal':false,'Attachable':false,"
		"'IPAM':{'Driver':'default','Config':[{'Subnet':'10.5.0.0/24'}]},"
		"'Options':{'k':'w'},'Labels':{'a':'1'}}\n"));
	CHECK_STR(buf_str(&f.out), "net1\n");
	cli_fake_done(&f);
	run(&f, network_commands, "ls", networks);
	CHECK_STR(buf_str(&f.out), "NETWORK ID   NAME      DRIVER    SCOPE\n"
		"x1           a         bridge    local\nx2           b         overlay   swarm\n");
	cli_fake_done(&f);
}

TEST(leave_passes_the_refusal_on)
{
	struct cli_fake f;

	run(&f, swarm_commands, "leave", networks);
	CHECK_STR(buf_str(&f.err), "swarmbox: test leave: last manager. Use `--force`\n");
	CHECK_INT(f.status, CLI_FAILED);
	cli_fake_done(&f);
}

static const struct fake_answer nobody[] = {
	{ "GET ", ERR_NOT_FOUND, "no such file", 0, 0 }, { NULL, 0, NULL, 0, 0 },
};

TEST(no_manager_is_said_with_what_to_do)
{
	struct cli_fake f;

	run(&f, service_commands, "ls", nobody);
	CHECK_STR(buf_str(&f.err), "swarmbox: cannot reach the manager at unix:///x.sock: no such "
		"file: start it with 'swarmbox init' or 'swarmbox manager'\n");
	CHECK_INT(f.status, CLI_FAILED);
	cli_fake_done(&f);
}

TEST(error_bodies_lose_their_wrapping)
{
	struct arena a;

	arena_init(&a);
	CHECK_STR(cli_error_text(&a, 400, slice_of("{\"message\":\"rpc error: code = "
		"InvalidArgument desc = no \\nmore\"}")), "no ");
	CHECK_STR(cli_error_text(&a, 500, slice_of("{\"message\":\"\"}")),
		"the API answered 500 (Internal Server Error)");
	CHECK_STR(cli_error_text(&a, 400, slice_of("plain text\n")), "plain text");
	CHECK_STR(cli_path(&a, "/x/%s?y=%s", "a/b c", "1&2"), "/x/a%2Fb%20c?y=1%262");
	arena_done(&a);
}

/* ---- progress -------------------------------------------------------------------- */

#define CREATED { "POST /services/create", 201, "{'ID':'s1'}", 0, 0 }
#define WEB(rest) SERVICE_OF("s1", "web", "'Mode':{'Replicated':{'Replicas':1}}}" rest "}")

static void wait_for(struct cli_fake *f, const char *words, const struct fake_answer *answers)
{
	run(f, service_commands, words, answers);
}

TEST(create_ends_as_soon_as_all_tasks_run)
{
	static const struct fake_answer answers[] = {
		CREATED, { "GET /services/s1", 200, WEB(""), 0, 0 },
		{ "GET /tasks", 200, "[]", 1, 0 },
		{ "GET /tasks", 200, "[" TASK_OF("a", "1", "preparing", "") "]", 1, 0 },
		{ "GET /tasks", 200, "[" TASK_OF("a", "1", "running", "") "]", 0, 0 },
		{ NULL, 0, NULL, 0, 0 },
	};
	struct cli_fake f;

	wait_for(&f, "create x", answers);
	CHECK_STR(buf_str(&f.out), "s1\n");
	CHECK_STR(buf_str(&f.err), "overall progress: 0 out of 1 tasks\n"
		"overall progress: 1 out of 1 tasks\n");
	CHECK_INT(f.status, 0);
	CHECK_INT(f.waits, 2);
	CHECK_INT(f.now_ms, 30);
	CHECK(strstr(buf_str(&f.log), "_up-to-date"));
	cli_fake_done(&f);
	wait_for(&f, "create -q x", answers);
	CHECK_STR(buf_str(&f.err), "");
	cli_fake_done(&f);
}

TEST(the_same_error_three_times_ends_the_waiting)
{
	static const struct fake_answer answers[] = {
		CREATED, { "GET /services/s1", 200, WEB(""), 0, 0 },
		{ "GET /tasks", 200, "[" TASK_OF("a", "1", "failed", ",'Err':'boom'") ","
		  TASK_OF("b", "2", "failed", ",'Err':'boom'") "]", 1, 0 },
		{ "GET /tasks", 200, "[" TASK_OF("a", "1", "failed", ",'Err':'boom 1'") ","
		  TASK_OF("b", "2", "failed", ",'Err':'boom 234'") ","
		  TASK_OF("c", "3", "rejected", ",'Err':'boom 5'") "]", 0, 0 },
		{ NULL, 0, NULL, 0, 0 },
	};
	struct cli_fake f;

	wait_for(&f, "create x", answers);
	CHECK(strstr(buf_str(&f.err), "swarmbox: test create: tasks fail again and again: boom 1 "
		"(the service stays, and the manager goes on trying)\n"));
	CHECK_INT(f.status, CLI_FAILED);
	cli_fake_done(&f);
}

TEST(a_service_that_stands_still_is_waited_for_a_minute)
{
	static const struct fake_answer answers[] = {
		CREATED, { "GET /services/s1", 200, WEB(""), 0, 0 },
		{ "GET /tasks", 200, "[" TASK_OF("a", "1", "pending",
			",'Err':'no suitable node'") "]", 0, 0 },
		{ NULL, 0, NULL, 0, 0 },
	};
	struct cli_fake f;

	wait_for(&f, "create x", answers);
	CHECK(strstr(buf_str(&f.err), "nothing has changed for a minute: no suitable node (the "));
	CHECK_INT(f.status, CLI_FAILED);
	CHECK(f.now_ms >= PROGRESS_STALL_MS && f.now_ms < PROGRESS_STALL_MS + 1000);
	cli_fake_done(&f);
}

TEST(a_paused_update_is_an_error)
{
	static const struct fake_answer answers[] = {
		CREATED, { "GET /services/s1", 200, WEB(",'UpdateStatus':{'State':'paused',"
			"'Message':'update paused due to failure'}"), 0, 0 },
		{ "GET /tasks", 200, "[]", 0, 0 },
		{ NULL, 0, NULL, 0, 0 },
	};
	struct cli_fake f;

	wait_for(&f, "create x", answers);
	CHECK(strstr(buf_str(&f.err), "the update is paused: update paused due to failure (the "));
	CHECK_INT(f.status, CLI_FAILED);
	cli_fake_done(&f);
}

TEST(a_running_update_is_waited_for)
{
	static const struct fake_answer answers[] = {
		CREATED,
		{ "GET /services/s1", 200, WEB(",'UpdateStatus':{'State':'updating'}"), 1, 0 },
		{ "GET /services/s1", 200, WEB(",'UpdateStatus':{'State':'completed'}"), 0, 0 },
		{ "GET /tasks", 200, "[" TASK_OF("a", "1", "running", "") "]", 0, 0 },
		{ NULL, 0, NULL, 0, 0 },
	};
	struct cli_fake f;

	wait_for(&f, "create x", answers);
	CHECK_INT(f.waits, 1);
	CHECK_INT(f.status, 0);
	cli_fake_done(&f);
}

TEST(a_global_service_waits_for_its_first_tasks)
{
	struct progress p = { .running = 0 };
	const struct json *service, *none;
	struct errmsg msg = { { 0 } };
	struct arena a;

	arena_init(&a);
	CHECK_INT(json_parse(&a, slice_of(quotes(&a,
		SERVICE_OF("s", "g", "'Mode':{'Global':{}}}}"))), &service, &msg), 0);
	CHECK_INT(json_parse(&a, SLICE("[]"), &none, &msg), 0);
	CHECK_INT(progress_read(&a, service, none, 0, &p, &msg), 0);
	CHECK_INT(p.desired, 1);
	CHECK(!progress_is_done(&p));
	arena_done(&a);
}

TEST(ctrl_c_leaves_the_service_running)
{
	static const struct fake_answer answers[] = {
		CREATED, { "GET /services/s1", 200, WEB(""), 0, 0 },
		{ "GET /tasks", 200, "[]", 0, 0 }, { NULL, 0, NULL, 0, 0 },
	};
	static struct fake_answer rows[ROWS];
	struct cli_fake f;

	cli_fake_init(&f, rows);
	f.interrupt_at = 3;
	f.cli.err_is_tty = 1;
	for (size_t i = 0; answers[i].request; i++) {
		rows[i] = answers[i];
		rows[i].body = quotes(&f.arena, answers[i].body);
	}
	cli_fake_run(&f, service_commands, "create x");
	CHECK_STR(buf_str(&f.err), "overall progress: 0 out of 1 tasks\033[K\n"
		"The service goes on in the background: see 'swarmbox service ps s1'\n");
	CHECK_INT(f.status, 0);
	cli_fake_done(&f);
}

TEST(a_cell_moves_no_cursor)
{
	static const struct column columns[] = { { "A", "A" }, { "B", "B" } };
	struct arena a;
	struct rows r;
	struct buf out;

	arena_init(&a);
	buf_init(&out, 1000);
	rows_init(&r, &a, columns, 2);
	rows_add(&r)[0] = "\33[2Jx\n\302\233y\302\240\177";
	rows_write(&r, ROWS_TABLE, &out);
	CHECK_STR(buf_str(&out), "A            B\n?[2Jx??y\302\240?   \n");
	buf_done(&out);
	arena_done(&a);
}

TEST(names_are_sorted_as_people_count)
{
	CHECK(rows_compare_names("web9", "web10") < 0);
	CHECK(rows_compare_names("web010", "web10") != 0);
	CHECK(rows_compare_names("a", "ab") < 0);
	CHECK(rows_compare_names("b1", "a2") > 0);
	CHECK_INT(rows_compare_names("x", "x"), 0);
}
