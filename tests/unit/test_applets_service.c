/* Flags to specs, by the commands themselves: what stands in the request is what counts. */
#include <stdio.h>
#include <string.h>

#include "applets/service/service.h"
#include "applets/service/values.h"
#include "applets/words.h"
#include "cli_fake.h"
#include "quotes.h"
#include "docker/reference.h"
#include "unit.h"

static const struct fake_answer created[] = {
	{ "POST /services/create", 201, "{\"ID\":\"abc\",\"Warnings\":[\"look out\"]}", 0, 0 },
	{ NULL, 0, NULL, 0, 0 },
};

/* CHECKs that a create with those words asks for that spec. */
static void check_create(const char *words, const char *spec)
{
	char command[512], expected[2048];
	struct cli_fake f;

	cli_fake_init(&f, created);
	snprintf(command, sizeof(command), "create -d %s", words);
	snprintf(expected, sizeof(expected), "POST /services/create\n%s\n", spec);
	cli_fake_run(&f, service_commands, command);
	CHECK_STR(buf_str(&f.log), expected);
	CHECK_STR(buf_str(&f.out), "abc\n");
	CHECK_STR(buf_str(&f.err), "swarmbox: warning: look out\n");
	CHECK_INT(f.status, 0);
	cli_fake_done(&f);
}

/* The spec as an update sends it, from one that stands. */
static const char standing[] =
	"{'ID':'s1','Version':{'Index':7},'UpdatedAt':'2026-11-24T00:00:00Z','Spec':{'Name':'web',"
	"'Labels':{'a':'1'},'TaskTemplate':{'ContainerSpec':{'Image':'nginx:1',"
	"'Env':['A=1','B=2'],'Hosts':['10.0.0.1 db'],'Mounts':[{'Type':'volume','Source':'v',"
	"'Target':'/data'}]},'Networks':[{'Target':'n1'}],'ForceUpdate':0,'Runtime':'container'},"
	"'Mode':{'Replicated':{'Replicas':2}},'EndpointSpec':{'Mode':'vip','Ports':[{"
	"'Protocol':'tcp','TargetPort':80,'PublishedPort':8080,'PublishMode':'ingress'}]}}}";

static void run_update(struct cli_fake *f, const char *words)
{
	static struct fake_answer answers[4];
	static char text[2048];

	cli_fake_init(f, answers);
	snprintf(text, sizeof(text), "%s", quotes(&f->arena, standing));
	answers[0] = (struct fake_answer){ "GET /services/web", 200, text, 0, 0 };
	answers[1] = (struct fake_answer){ "POST /services/s1/update", 200, "{}", 0, 0 };
	answers[2] = (struct fake_answer){ "GET /networks/", 200, "{\"Id\":\"n1\"}", 0, 0 };
	cli_fake_run(f, service_commands, words);
}

/* CHECKs that the update's body holds that part (with ' for "). */
static void check_update(const char *words, const char *part)
{
	char command[512];
	struct cli_fake f;

	snprintf(command, sizeof(command), "update -d %s web", words);
	run_update(&f, command);
	CHECK_STR(buf_str(&f.err), "");
	CHECK(strstr(buf_str(&f.log), "POST /services/s1/update?version=7\n"));
	if (!strstr(buf_str(&f.log), quotes(&f.arena, part)))
		CHECK_STR(buf_str(&f.log), part);
	cli_fake_done(&f);
}

static const char *create_body(struct cli_fake *f, const char *words)
{
	char command[1024];

	cli_fake_init(f, created);
	snprintf(command, sizeof(command), "create -d %s", words);
	cli_fake_run(f, service_commands, command);
	return buf_str(&f->log);
}

/* CHECKs that the request holds that part (with ' for "). */
static void check_part(const char *words, const char *part)
{
	struct cli_fake f;
	const char *body = create_body(&f, words);

	if (!strstr(body, quotes(&f.arena, part))) {
		CHECK_STR(buf_str(&f.err), "");
		CHECK_STR(body, part);
	}
	cli_fake_done(&f);
}

TEST(create_sends_what_was_given_and_no_more)
{
	struct arena a;

	arena_init(&a);
	check_create("--name web nginx echo -n hi", quotes(&a,
		"{'Name':'web','Labels':{},'TaskTemplate':{'ContainerSpec':{'Image':'nginx:latest',"
		"'Args':['echo','-n','hi']},'ForceUpdate':0},'Mode':{'Replicated':{}}}"));
	arena_done(&a);
}

TEST(options_become_fields)
{
	check_part("--limit-memory 50M --limit-cpu 0.1 --reserve-cpu 1 x",
		"'Resources':{'Limits':{'NanoCPUs':100000000,'MemoryBytes':52428800},"
		"'Reservations':{'NanoCPUs':1000000000}}");
	check_part("--restart-condition on-failure --restart-delay 2s --restart-max-attempts 3 x",
		"'RestartPolicy':{'Condition':'on-failure','Delay':2000000000,'MaxAttempts':3}");
	check_part("--replicas 0 x", "'Mode':{'Replicated':{'Replicas':0}}");
	check_part("--mode global x", "'Mode':{'Global':{}}");
	check_part("--update-delay 5s x", "'UpdateConfig':{'Parallelism':1,'Delay':5000000000,"
		"'FailureAction':'pause','MaxFailureRatio':0,'Order':'stop-first'}");
	check_part("--rollback-parallelism 0 --rollback-order start-first x",
		"'RollbackConfig':{'Parallelism':0,'FailureAction':'pause','MaxFailureRatio':0,"
		"'Order':'start-first'}");
	check_part("--health-cmd true --health-interval 1s --health-retries 2 x",
		"'Healthcheck':{'Test':['CMD-SHELL','true'],'Interval':1000000000,'Retries':2}");
	check_part("--no-healthcheck x", "'Healthcheck':{'Test':['NONE']}");
	check_part("--endpoint-mode dnsrr x", "'EndpointSpec':{'Mode':'dnsrr'");
	check_part("--constraint node.role==manager --placement-pref spread=node.labels.r x",
		"'Placement':{'Constraints':['node.role==manager'],"
		"'Preferences':[{'Spread':{'SpreadDescriptor':'node.labels.r'}}]}");
	check_part("--network name=n,alias=a,alias=b x",
		"'Networks':[{'Target':'n','Aliases':['a','b']}]");
	check_part("--cap-add net_admin --cap-drop CAP_CHOWN x",
		"'CapabilityAdd':['CAP_NET_ADMIN'],'CapabilityDrop':['CAP_CHOWN']");
	check_part("--dns 1.1.1.1 --host db:10.0.0.9 --init x", "'Hosts':['10.0.0.9 db']");
	check_part("--ulimit nofile=10:20 --sysctl net.a=1 x",
		"'Ulimits':[{'Name':'nofile','Hard':20,'Soft':10}]");
	check_part("--log-driver none --log-opt a=b x",
		"'LogDriver':{'Name':'none','Options':{'a':'b'}}");
	check_part("--stop-grace-period 0s --user 1:2 -w /tmp --hostname h x",
		"'StopGracePeriod':0");
}

TEST(published_ports_have_a_short_and_a_long_form)
{
	check_part("-p 80 x", "'Ports':[{'Protocol':'tcp','TargetPort':80,"
		"'PublishMode':'ingress'}]");
	check_part("-p 53:5353/udp x", "'Ports':[{'Protocol':'udp','TargetPort':5353,"
		"'PublishedPort':53,'PublishMode':'ingress'}]");
	check_part("-p published=1,target=2,mode=host,protocol=sctp x", "'Ports':[{"
		"'Protocol':'sctp','TargetPort':2,'PublishedPort':1,'PublishMode':'host'}]");
	check_part("-p 8000-8001:80-81 x", "{'Protocol':'tcp','TargetPort':81,"
		"'PublishedPort':8001,'PublishMode':'ingress'}]");
}

TEST(mounts_are_comma_separated)
{
	check_part("--mount type=bind,src=/a,dst=/b,ro,bind-propagation=rslave x",
		"'Mounts':[{'Type':'bind','Source':'/a','Target':'/b','ReadOnly':true,"
		"'BindOptions':{'Propagation':'rslave'}}]");
	check_part("--mount source=v,target=/d,volume-driver=local,\"volume-opt=o=a,b\" x",
		"'VolumeOptions':{'DriverConfig':{'Name':'local','Options':{'o':'a,b'}}}");
	check_part("--mount type=tmpfs,target=/t,tmpfs-size=1m,tmpfs-mode=1777 x",
		"'TmpfsOptions':{'SizeBytes':1048576,'Mode':1023}");
}

TEST(the_last_value_of_a_variable_wins)
{
	struct cli_fake f;

	cli_fake_init(&f, created);
	f.file = "# comment\n\nA=file\r\nF=1\n";
	cli_fake_run(&f, service_commands,
		"create -d --env-file e -e A=1 -e B=2 -e HOME -e MISSING -e B=3 x");
	CHECK(strstr(buf_str(&f.log), "\"Env\":[\"F=1\",\"A=1\",\"HOME=/root\",\"B=3\"]"));
	cli_fake_done(&f);
}

TEST(a_bad_value_is_one_line_and_changes_nothing)
{
	static const char *const pairs[][2] = {
		{ "-p 70000 x", "--publish: \"70000\": the target is not a port from 1 to 65535" },
		{ "-p 0:80 x",
		  "--publish: \"0:80\": the published port is not one from 1 to 65535" },
		{ "-p 1.2.3.4:80:80 x", "--publish: \"1.2.3.4:80:80\": a service publishes on all "
		  "addresses of a node: no address" },
		{ "-p 80/xyz x", "--publish: \"80/xyz\": the protocol is not tcp, udp or sctp" },
		{ "-p 1-3:80 x", "--publish: \"1-3:80\": the ranges are not equally long" },
		{ "-p target=80,colour=red x",
		  "--publish: \"target=80,colour=red\": there is no field \"colour\"" },
		{ "--mount src=a x", "--mount: \"src=a\": target= is missing" },
		{ "--mount type=bind,target=/a x", "--mount: \"type=bind,target=/a\": a bind mount "
		  "needs source=, an absolute path" },
		{ "--mode global --replicas 2 x",
		  "--replicas can only be used with replicated mode" },
		{ "--mode some x", "--mode: \"some\" is not replicated or global" },
		{ "--no-healthcheck --health-cmd a x",
		  "--no-healthcheck cannot stand with --health-..." },
		{ "--network alias=a x", "--network: \"alias=a\": name= is missing" },
		{ "--ulimit nofile x", "--ulimit: \"nofile\" is not name=soft[:hard]" },
		{ "--host a x", "--host: \"a\" is not name:ip" },
		{ "--entrypoint 'a x", "--entrypoint: a ' is not closed" },
		{ "--log-opt a=b x", "--log-opt needs --log-driver" },
	};

	for (size_t i = 0; i < sizeof(pairs) / sizeof(*pairs); i++) {
		char line[256];
		struct cli_fake f;

		CHECK_STR(create_body(&f, pairs[i][0]), "");
		snprintf(line, sizeof(line), "swarmbox: test create: %s: "
			"see 'swarmbox test create --help'\n", pairs[i][1]);
		CHECK_STR(buf_str(&f.err), line);
		CHECK_INT(f.status, CLI_USAGE);
		cli_fake_done(&f);
	}
}

TEST(an_update_changes_its_part_alone)
{
	check_update("--image redis", "'Image':'redis:latest','Env':['A=1','B=2']");
	check_update("--env-rm A --env-add C=3", "'Env':['B=2','C=3']");
	check_update("--env-add B=9", "'Env':['A=1','B=9']");
	check_update("--label-add b=2 --label-rm a", "'Labels':{'b':'2'}");
	check_update("--host-rm db", "'ContainerSpec':{'Image':'nginx:1','Env':['A=1','B=2'],"
		"'Mounts'");
	check_update("--mount-rm /data", "'Hosts':['10.0.0.1 db']}");
	check_update("--publish-rm 80 --publish-add 9090:90", "'Ports':[{'Protocol':'tcp',"
		"'TargetPort':90,'PublishedPort':9090,'PublishMode':'ingress'}]");
	check_update("--network-rm net --network-add other", "'Networks':[{'Target':'other'}]");
	check_update("--replicas 5", "'Mode':{'Replicated':{'Replicas':5}}");
	check_update("--force", "'ForceUpdate':1");
	check_update("--args=a\tb", "'Args':['a','b']");
}

TEST(a_stale_update_is_made_again)
{
	static struct fake_answer answers[4];
	struct cli_fake f;

	cli_fake_init(&f, answers);
	answers[0] = (struct fake_answer){ "GET /services/web", 200,
		quotes(&f.arena, standing), 0, 0 };
	answers[1] = (struct fake_answer){ "POST /services/s1/update", 500, "{\"message\":\"rpc "
		"error: code = Unknown desc = update out of sequence\"}", 1, 0 };
	answers[2] = (struct fake_answer){ "POST /services/s1/update", 200, "", 0, 0 };
	cli_fake_run(&f, service_commands, "scale -d web=4");
	CHECK_STR(buf_str(&f.out), "web scaled to 4\n");
	CHECK_INT(f.status, 0);
	cli_fake_done(&f);
}

TEST(rollback_asks_for_the_former_spec)
{
	struct cli_fake f;

	run_update(&f, "rollback -d web");
	CHECK(strstr(buf_str(&f.log), "POST /services/s1/update?version=7&rollback=previous\n"));
	CHECK_STR(buf_str(&f.out), "web\n");
	cli_fake_done(&f);
	run_update(&f, "update -d --rollback web");
	CHECK(strstr(buf_str(&f.log), "&rollback=previous\n"));
	cli_fake_done(&f);
	run_update(&f, "update -d --rollback --replicas 2 web");
	CHECK_STR(buf_str(&f.log), "");
	CHECK(strstr(buf_str(&f.err), "--rollback cannot stand with other changes"));
	cli_fake_done(&f);
	run_update(&f, "scale -d web");
	CHECK_STR(buf_str(&f.err), "swarmbox: test scale: \"web\" is not SERVICE=REPLICAS: "
		"see 'swarmbox test scale --help'\n");
	cli_fake_done(&f);
}

TEST(rm_goes_on_after_one_that_is_not_there)
{
	static const struct fake_answer answers[] = {
		{ "DELETE /services/b", 200, "", 0, 0 },
		{ "DELETE /services/", 404, "{\"message\":\"service a not found\"}", 0, 0 },
		{ NULL, 0, NULL, 0, 0 },
	};
	struct cli_fake f;

	cli_fake_init(&f, answers);
	cli_fake_run(&f, service_commands, "rm a b");
	CHECK_STR(buf_str(&f.err), "swarmbox: test rm: service a not found\n");
	CHECK_STR(buf_str(&f.out), "b\n");
	CHECK_INT(f.status, CLI_FAILED);
	cli_fake_done(&f);
}

TEST(inspect_prints_an_indented_array)
{
	static const struct fake_answer answers[] = {
		{ "GET /services/a?insertDefaults=true", 200,
		  "{\"ID\":\"a\",\"L\":{},\"P\":[1,{\"x\":\"{,\\\"}\"}]}\n", 0, 0 },
		{ NULL, 0, NULL, 0, 0 },
	};
	struct cli_fake f;

	cli_fake_init(&f, answers);
	cli_fake_run(&f, service_commands, "inspect a b");
	CHECK_STR(buf_str(&f.out), "[\n    {\n        \"ID\": \"a\",\n        \"L\": {},\n"
		"        \"P\": [\n            1,\n            {\n"
		"                \"x\": \"{,\\\"}\"\n            }\n        ]\n    }\n]\n");
	CHECK_STR(buf_str(&f.err), "swarmbox: test inspect: page not found\n");
	CHECK_INT(f.status, CLI_FAILED);
	cli_fake_done(&f);
}

TEST(inspect_pretty_says_what_matters)
{
	struct cli_fake f;

	run_update(&f, "inspect --pretty web");
	CHECK_STR(buf_str(&f.out),
		"ID:\t\ts1\nName:\t\tweb\nLabels:\n a=1\nService Mode:\tReplicated\n Replicas:\t2\n"
		"Placement:\nContainerSpec:\n Image:\t\tnginx:1\n Env:\t\tA=1 B=2\nMounts:\n"
		" Target:\t/data\n  Source:\tv\n  ReadOnly:\tfalse\n  Type:\t\tvolume\nResources:\n"
		"Networks: n1\nEndpoint Mode:\tvip\n");
	cli_fake_done(&f);
}

TEST(log_lines_carry_their_task)
{
	/* Two frames: a line in two parts. */
	static const char frames[] =
		"\1\0\0\0\0\0\0\x3b" "com.docker.swarm.node.id=n1,com.docker.swarm.service.id=s1,"
		"\1\0\0\0\0\0\0\x1f" "com.docker.swarm.task.id=t1 hi\n";
	static struct fake_answer answers[5];
	struct cli_fake f;

	cli_fake_init(&f, answers);
	answers[0] = (struct fake_answer){ "GET /services/s1/logs", 200, frames, 0,
		sizeof(frames) - 1 };
	answers[1] = (struct fake_answer){ "GET /services/web", 200,
		quotes(&f.arena, standing), 0, 0 };
	answers[2] = (struct fake_answer){ "GET /tasks/t1", 200, "{\"Slot\":3}", 0, 0 };
	answers[3] = (struct fake_answer){ "GET /nodes/n1", 200,
		"{\"Description\":{\"Hostname\":\"box\"}}", 0, 0 };
	cli_fake_run(&f, service_commands, "logs --tail 5 --since 10s web");
	CHECK(strstr(buf_str(&f.log), "GET /services/s1/logs?stdout=1&stderr=1&details=1&"
		"since=1795478400.000000000&tail=5\n"));
	CHECK_STR(buf_str(&f.out), "web.3.t1@box    | hi\n");
	cli_fake_done(&f);
}

TEST(fields_between_commas)
{
	struct errmsg msg = { { 0 } };
	struct strings s;
	struct arena a;

	arena_init(&a);
	CHECK_INT(words_csv(&a, "a,,\"b,\"\"c\"", &s, &msg), 0);
	CHECK_INT(s.count, 3);
	CHECK_STR(s.items[1], "");
	CHECK_STR(s.items[2], "b,\"c");
	CHECK_INT(words_csv(&a, ",,,", &s, &msg), 0);
	CHECK_INT(s.count, 4);
	CHECK_INT(words_csv(&a, "\"a\"b", &s, &msg), ERR_INVALID);
	CHECK_INT(words_csv(&a, "\"a", &s, &msg), ERR_INVALID);
	CHECK_STR(reference_tagged(&a, "r.io:5000/x"), "r.io:5000/x:latest");
	CHECK_STR(reference_tagged(&a, "x@sha256:1"), "x@sha256:1");
	CHECK_STR(reference_tagged(&a, "x:2"), "x:2");
	arena_done(&a);
}

/* Every value, and every beginning of it, flush against a page that cannot be read. */
TEST(values_are_not_read_beyond_their_end)
{
	static const char *const texts[] = {
		"8000-8001:80-81/udp", "published=1,target=2,mode=host,protocol=tcp",
		"type=volume,src=a,target=/b,\"volume-opt=o=a,\"\"b\"\"\",volume-label=x=y,ro",
		"type=tmpfs,target=/t,tmpfs-size=1m,tmpfs-mode=1777",
		"name=n,alias=a,driver-opt=a=b",
		"nofile=10:20", "db:10.0.0.9", "reg.io:5000/a/b@sha256:12",
	};

	for (size_t i = 0; i < sizeof(texts) / sizeof(*texts); i++)
		for (size_t n = 0; n <= strlen(texts[i]); n++) {
			char part[128];
			struct network_target network;
			struct ulimit limit;
			struct mount mount;
			struct list ports;
			const char *text, *host;
			struct arena a;

			snprintf(part, sizeof(part), "%.*s", (int)n, texts[i]);
			text = unit_guard(part, n + 1);
			arena_init(&a);
			(void)values_ports(&a, text, &ports, NULL);
			(void)values_mount(&a, text, &mount, NULL);
			(void)values_network(&a, text, &network, NULL);
			(void)values_ulimit(&a, text, &limit, NULL);
			(void)values_host(&a, text, &host, NULL);
			(void)reference_tagged(&a, text);
			(void)values_capability(&a, text);
			arena_done(&a);
		}
}
