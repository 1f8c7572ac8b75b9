/* Tasks to create requests, and the engine's answers about containers. */
#include <string.h>
#include "docker/container.h"
#include "quotes.h"
#include "unit.h"

static struct arena a;

static const char *request_body(const struct task *t, struct errmsg *msg, int *err)
{
	static const struct template_node node = { "n1", "host", "linux", "x86_64" };
	struct docker_request r;

	*err = container_create_request(&a, t, &node, &r, msg);
	return *err < 0 ? NULL : arena_str(&a, r.body);
}

#define LABELS "'com.docker.swarm.node.id':'n1','com.docker.swarm.service.id':'s1'," \
	"'com.docker.swarm.service.name':'web','com.docker.swarm.task':''," \
	"'com.docker.swarm.task.id':'t1','com.docker.swarm.task.name':'web.2.t1'"

TEST(smallest_create)
{
	struct container_spec spec = { .image = "app:1" };
	struct task t = { .meta.id = "t1", .service_id = "s1", .service_name = "web", .slot = 2,
			  .spec.container_spec = &spec };
	static const struct template_node node = { "n1", "host", "linux", "x86_64" };
	struct docker_request r;
	struct errmsg msg = { { 0 } };

	arena_init(&a);
	CHECK_INT(container_create_request(&a, &t, &node, &r, &msg), 0);
	CHECK_STR(r.method, "POST");
	CHECK_STR(r.target, "/containers/create?name=web.2.t1");
	CHECK_STR(arena_str(&a, r.body), quotes(&a,
		  "{'Image':'app:1','Tty':false,'OpenStdin':false,'Labels':{" LABELS "},"
		  "'HostConfig':{'RestartPolicy':{'Name':'no'},"
		  "'ReadonlyRootfs':false}}"));
	arena_done(&a);
}

/* The task's JSON, as the manager sends it, and the request that comes of it. */
static void check_create(const char *task, const char *part)
{
	struct task t;
	struct errmsg msg = { { 0 } };
	const char *body;
	int err;

	arena_init(&a);
	part = quotes(&a, part);
	task = quotes(&a, task);
	CHECK_INT(model_parse(&a, &task_table, MODEL_STORE, slice_of(task), &t, &msg), 0);
	body = request_body(&t, &msg, &err);
	CHECK_STR(msg.text, "");
	CHECK(body);
	if (!strstr(body, part))
		CHECK_STR(body, part);
	arena_done(&a);
}

#define TASK(container, rest) "{'ID':'t1','ServiceID':'s1','ServiceName':'web','Slot':2," \
	"'Spec':{'ContainerSpec':{'Image':'i'" container "}" rest "}"

TEST(create_parts)
{
	static const struct {
		const char *task, *part;
	} cases[] = {
		{ TASK(",'Command':['/a'],'Args':['b']", "") "}",
		  "'Entrypoint':['/a'],'Cmd':['b']" },
		{ TASK(",'Env':['A={{.Task.Slot}}','B={{ .Node.Hostname }}']", "") "}",
		  "'Env':['A=2','B=host']" },
		{ TASK(",'Hostname':'{{.Service.Name}}-{{.Task.Slot}}'", "") "}",
		  "'Hostname':'web-2'" },
		{ TASK(",'Labels':{'x':'y'}", "") "}", "'Labels':{" LABELS ",'x':'y'}" },
		{ TASK(",'StopGracePeriod':1500000000,'StopSignal':'SIGINT'", "") "}",
		  "'StopSignal':'SIGINT','StopTimeout':2" },
		{ TASK(",'Healthcheck':{'Test':['CMD','x'],'Interval':5,'Retries':3}", "") "}",
		  "'Healthcheck':{'Test':['CMD','x'],'Interval':5,'Retries':3}" },
		{ TASK(",'Hosts':['10.0.0.1 a b']", "") "}",
		  "'ExtraHosts':['a:10.0.0.1','b:10.0.0.1']" },
		{ TASK(",'Init':true,'ReadOnly':true", "") "}",
		  "'Init':true,'ReadonlyRootfs':true" },
		{ TASK(",'Mounts':[{'Type':'volume','Source':'{{.Task.Name}}','Target':'/d',"
		       "'VolumeOptions':{'Labels':{'s':'{{.Service.Name}}'}}}]", "") "}",
		  "'Mounts':[{'Type':'volume','Source':'web.2.t1','Target':'/d','ReadOnly':"
		  "false,'VolumeOptions':{'Labels':{'s':'web'}}}]" },
		{ TASK(",'Ulimits':[{'Name':'nofile','Hard':2,'Soft':1}]", "") "}",
		  "'Ulimits':[{'Name':'nofile','Hard':2,'Soft':1}]" },
		{ TASK(",'Privileges':{'NoNewPrivileges':true,'Seccomp':{'Mode':'unconfined'},"
		       "'SELinuxContext':{'Type':'x'}}", "") "}",
		  "'SecurityOpt':['label=type:x','seccomp=unconfined','no-new-privileges=true']" },
		{ TASK("", ",'Resources':{'Limits':{'NanoCPUs':100000000,'MemoryBytes':52428800,"
		       "'Pids':9},'Reservations':{'MemoryBytes':1024}}") "}",
		  "'NanoCpus':100000000,'Memory':52428800,'PidsLimit':9,'MemoryReservation':1024" },
		{ TASK("", ",'LogDriver':{'Name':'local','Options':{'max-size':'1m'}}") "}",
		  "'LogConfig':{'Type':'local','Config':{'max-size':'1m'}}" },
		{ TASK("", "") ",'Ports':[{'Protocol':'tcp','TargetPort':80,'PublishedPort':8080,"
		  "'PublishMode':'host'},{'Protocol':'udp','TargetPort':53,'PublishMode':'host'},"
		  "{'Protocol':'tcp','TargetPort':80,'PublishedPort':8081,'PublishMode':'host'}]}",
		  "'PortBindings':{'80/tcp':[{'HostPort':'8080'},{'HostPort':'8081'}],"
		  "'53/udp':[{'HostPort':''}]}" },
		{ TASK("", "") ",'NetworksAttachments':[{'Network':{'ID':'x','Spec':{'Name':'nn'}},"
		  "'Addresses':['10.0.1.3/24'],'Aliases':['web']},{'Network':{'ID':'y','Spec':"
		  "{'Name':'second'}}}]}",
		  "'NetworkingConfig':{'EndpointsConfig':{'nn':{'IPAMConfig':{'IPv4Address':"
		  "'10.0.1.3'},'Aliases':['web']}}}" },
	};

	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++)
		check_create(cases[i].task, cases[i].part);
}

TEST(unknown_template_is_refused)
{
	struct task t;
	struct errmsg msg = { { 0 } };
	int err;

	arena_init(&a);
	CHECK_INT(model_parse(&a, &task_table, MODEL_STORE,
			      slice_of(quotes(&a, TASK(",'Env':['A={{.Foo}}']", "") "}")),
			      &t, &msg), 0);
	request_body(&t, &msg, &err);
	CHECK(err < 0);
	CHECK_STR(msg.text, "unknown template {{.Foo}}");
	arena_done(&a);
}

TEST(connect)
{
	struct network_attachment n = { .network = { "id", { .name = "a net" } } };
	const char *address = "10.0.2.9/24";
	struct docker_request r;

	n.addresses = (struct strings){ &address, 1 };
	arena_init(&a);
	r = container_connect_request(&a, "c1", &n);
	CHECK_STR(r.target, "/networks/a%20net/connect");
	CHECK_STR(arena_str(&a, r.body), quotes(&a,
		  "{'Container':'c1','EndpointConfig':{'IPAMConfig':{'IPv4Address':'10.0.2.9'}}}"));
	arena_done(&a);
}

TEST(targets)
{
	struct session_logs logs = { .stdout_too = 1, .follow = 1, .since = "10 s", .tail = "5" };

	arena_init(&a);
	CHECK_STR(container_stop_request(&a, "c", 1).target, "/containers/c/stop?t=1");
	CHECK_STR(container_stop_request(&a, "c", 0).target, "/containers/c/stop?t=0");
	CHECK_STR(container_stop_request(&a, "c", -1).target, "/containers/c/stop");
	CHECK_INT(container_stop_request(&a, "c", 10000000000).timeout_ms, 40000);
	CHECK_STR(container_remove_request(&a, "c").target, "/containers/c?v=1&force=1");
	CHECK_STR(container_list_request(&a, "n1").target, "/containers/json?all=1&filters="
		  "%7B%22label%22%3A%5B%22com.docker.swarm.node.id%3Dn1%22%5D%7D");
	CHECK_STR(container_logs_request(&a, "c", &logs).target,
		  "/containers/c/logs?stdout=1&stderr=0&follow=1&timestamps=1&tail=5&since=10%20s");
	arena_done(&a);
}

static const char inspected[] =
	"{'Id':'c1','State':{'Status':'running','OOMKilled':true,'Pid':42,'ExitCode':3,"
	"'Error':'e','Health':{'Status':'unhealthy'}},'Config':{'Labels':{"
	"'com.docker.swarm.task.id':'t1'}},'NetworkSettings':{'Ports':{'80/tcp':[{'HostIp':"
	"'0.0.0.0','HostPort':'8080'},{'HostIp':'::','HostPort':'8080'}],'53/udp':null},"
	"'Networks':{'n1':{},'n2':{}}}}";

TEST(inspect_answer)
{
	struct container c;
	size_t len = sizeof(inspected) - 1;
	struct slice text = { NULL, len };

	arena_init(&a);
	text.data = unit_guard(quotes(&a, inspected), len);
	CHECK_INT(container_parse(&a, text, &c, NULL), 0);
	CHECK_STR(c.id, "c1");
	CHECK_STR(c.task_id, "t1");
	CHECK(!c.node_id);
	CHECK_INT(c.state, CONTAINER_RUNNING);
	CHECK_INT(c.health, HEALTH_UNHEALTHY);
	CHECK_INT(c.pid, 42);
	CHECK_INT(c.exit_code, 3);
	CHECK(c.out_of_memory);
	CHECK_STR(c.error, "e");
	CHECK_INT(c.ports.count, 1);
	CHECK_INT(LIST_AT(&c.ports, struct port_config, 0)->published_port, 8080);
	CHECK_INT(c.networks.count, 2);
	for (size_t n = 0; n < len; n++)
		CHECK(container_parse(&a, (struct slice){ text.data, n }, &c, NULL) < 0);
	arena_done(&a);
}

TEST(states)
{
	static const struct {
		const char *text;
		enum container_state state;
	} cases[] = {
		{ "created", CONTAINER_CREATED }, { "configured", CONTAINER_CREATED },
		{ "running", CONTAINER_RUNNING }, { "paused", CONTAINER_RUNNING },
		{ "exited", CONTAINER_EXITED }, { "dead", CONTAINER_EXITED },
		{ "stopped", CONTAINER_EXITED }, { "removing", CONTAINER_REMOVING },
	};
	struct list list;

	arena_init(&a);
	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		const char *text = arena_printf(&a, "[{'Id':'x','State':'%s'}]", cases[i].text);
		struct slice body = slice_of(quotes(&a, text));

		CHECK_INT(container_list_parse(&a, body, &list, NULL), 0);
		CHECK_INT(list.count, 1);
		CHECK_INT(LIST_AT(&list, struct container, 0)->state, cases[i].state);
	}
	CHECK(container_list_parse(&a, SLICE("{}"), &list, NULL) < 0);
	CHECK(container_list_parse(&a, SLICE("[{}]"), &list, NULL) < 0);
	CHECK_INT(container_list_parse(&a, SLICE("[]"), &list, NULL), 0);
	CHECK_INT(list.count, 0);
	CHECK_STR(container_created_id(&a, slice_of(quotes(&a, "{'Id':'z'}"))), "z");
	CHECK(!container_created_id(&a, SLICE("nothing")));
	arena_done(&a);
}
