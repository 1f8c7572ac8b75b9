/* The commands of `swarmbox stack` against an API that a test wrote down. */
#include <string.h>

#include "applets/stack/stack.h"
#include "cli_fake.h"
#include "unit.h"

#define LABELS "\"Labels\":{\"com.docker.stack.namespace\":\"s\"," \
	"\"com.docker.stack.image\":\"i\"}"
#define WEB "{\"ID\":\"id1\",\"Version\":{\"Index\":3},\"Spec\":{\"Name\":\"s_web\"," LABELS "," \
	"\"TaskTemplate\":{\"ContainerSpec\":{\"Image\":\"i\"},\"ForceUpdate\":2}," \
	"\"Mode\":{\"Replicated\":{\"Replicas\":1}}}," \
	"\"ServiceStatus\":{\"RunningTasks\":1,\"DesiredTasks\":1}}"
#define NETWORK "{\"Name\":\"s_default\",\"Id\":\"n1\",\"Scope\":\"swarm\"," LABELS "}"

static const char file[] = "services:\n  web:\n    image: i\n    volumes: [\"./a:/a\"]\n";

static struct cli_fake fake;

static void run(const struct fake_answer *answers, const char *content, const char *words)
{
	cli_fake_init(&fake, answers);
	fake.file = content;
	cli_fake_run(&fake, stack_commands, words);
}

/* Ends what run began; returns a copy of one of its texts. */
static const char *text_of(struct buf *b)
{
	static char text[8192];
	size_t n = b->len < sizeof(text) ? b->len : sizeof(text) - 1;

	memcpy(text, buf_str(b), n);
	text[n] = '\0';
	return text;
}

TEST(deploy_creates)
{
	static const struct fake_answer answers[] = {
		{ .request = "GET /services", .status = 200, .body = "[]" },
		{ .request = "GET /networks", .status = 200, .body = "[]" },
		{ .request = "POST /networks/create", .status = 201, .body = "{\"Id\":\"n1\"}" },
		{ .request = "POST /services/create", .status = 201, .body = "{\"ID\":\"id1\"}" },
		{ .request = NULL },
	};

	run(answers, file, "deploy -d -c sub/x.yml s");
	CHECK_INT(fake.status, 0);
	CHECK_STR(text_of(&fake.out), "Creating network s_default\nCreating service s_web\n");
	CHECK_STR(text_of(&fake.err), "");
	CHECK(strstr(text_of(&fake.log), "\"Source\":\"/here/sub/a\"") != NULL);
	cli_fake_done(&fake);
}

TEST(deploy_updates_and_tries_again)
{
	static const struct fake_answer answers[] = {
		{ .request = "GET /services/id1", .status = 200, .body =
		  "{\"ID\":\"id1\",\"Version\":{\"Index\":9},\"Spec\":{\"Name\":\"s_web\"}}" },
		{ .request = "GET /services", .status = 200, .body = "[" WEB "]" },
		{ .request = "GET /networks", .status = 200, .body = "[" NETWORK "]" },
		{ .request = "POST /services/id1/update?version=3", .status = 500, .body =
		  "{\"message\":\"rpc error: code = Unknown desc = update out of sequence\"}" },
		{ .request = "POST /services/id1/update?version=9", .status = 200, .body = "{}" },
		{ .request = NULL },
	};

	run(answers, file, "up -d -c - s");
	CHECK_INT(fake.status, 0);
	CHECK_STR(text_of(&fake.out), "Updating service s_web (id: id1)\n");
	CHECK(strstr(text_of(&fake.log), "\"Source\":\"/here/a\"") != NULL);
	CHECK(strstr(text_of(&fake.log), "\"ForceUpdate\":2") != NULL);
	cli_fake_done(&fake);
}

TEST(deploy_says_what_is_wrong)
{
	static const struct fake_answer none[] = { { .request = NULL } };
	static const struct fake_answer away[] = {
		{ .request = "GET", .status = ERR_UNAVAILABLE, .body = "nobody listens" },
		{ .request = NULL },
	};

	run(none, "services:\n  web:\n    imag: i\n", "deploy -c a.yml s");
	CHECK_INT(fake.status, CLI_FAILED);
	CHECK_STR(text_of(&fake.err), "swarmbox: test deploy: a.yml:3:5: services.web: unknown key "
		"\"imag\"\n");
	CHECK_STR(text_of(&fake.log), "");
	cli_fake_done(&fake);
	run(none, NULL, "deploy -c a.yml s");
	CHECK_STR(text_of(&fake.err), "swarmbox: test deploy: a.yml: no such file\n");
	cli_fake_done(&fake);
	run(none, file, "deploy s");
	CHECK_INT(fake.status, CLI_USAGE);
	cli_fake_done(&fake);
	run(none, file, "deploy -c a -c b s");
	CHECK_INT(fake.status, CLI_USAGE);
	cli_fake_done(&fake);
	run(none, file, "deploy -c a a/b");
	CHECK_INT(fake.status, CLI_FAILED);
	cli_fake_done(&fake);
	run(away, file, "deploy -c a s");
	CHECK_INT(fake.status, CLI_FAILED);
	CHECK(strstr(text_of(&fake.err), "cannot reach the manager at") != NULL);
	cli_fake_done(&fake);
}

TEST(deploy_warns_and_stops_at_a_refusal)
{
	static const struct fake_answer answers[] = {
		{ .request = "GET /services", .status = 200, .body = "[]" },
		{ .request = "GET /networks", .status = 200, .body = "[" NETWORK "]" },
		{ .request = "POST /services/create", .status = 400, .body =
		  "{\"message\":\"rpc error: code = InvalidArgument desc = no\"}" },
		{ .request = NULL },
	};

	run(answers, "services:\n  web:\n    image: i\n    build: .\n", "deploy -d -c a.yml s");
	CHECK_INT(fake.status, CLI_FAILED);
	CHECK_STR(text_of(&fake.err), "warning: a.yml:4:5: services.web: \"build\" is ignored: "
		"stacks do not have it\nswarmbox: test deploy: no\n");
	cli_fake_done(&fake);
}

TEST(deploy_removes_again_what_it_created_before_a_refusal)
{
	static const struct fake_answer answers[] = {
		{ .request = "GET /services", .status = 200, .body = "[]" },
		{ .request = "GET /networks", .status = 200, .body = "[]" },
		{ .request = "POST /networks/create", .status = 201, .body = "{\"Id\":\"n1\"}" },
		{ .request = "POST /services/create", .status = 201, .body = "{\"ID\":\"s1\"}",
		  .once = 1 },
		{ .request = "POST /services/create", .status = 400, .body =
		  "{\"message\":\"rpc error: code = InvalidArgument desc = no\"}" },
		{ .request = "DELETE /services/s1", .status = 200, .body = "" },
		{ .request = "DELETE /networks/n1", .status = 204, .body = "" },
		{ .request = NULL },
	};

	run(answers, "services:\n  a:\n    image: i\n  b:\n    image: i\n", "deploy -d -c a.yml s");
	CHECK_INT(fake.status, CLI_FAILED);
	CHECK(strstr(text_of(&fake.log), "DELETE /services/s1\nDELETE /networks/n1\n") != NULL);
	CHECK_STR(text_of(&fake.err),
		  "swarmbox: test deploy: no (what was created is removed again)\n");
	cli_fake_done(&fake);
}

TEST(remove_waits_until_all_is_gone)
{
	static const struct fake_answer answers[] = {
		{ .request = "GET /services", .status = 200, .body = "[" WEB "]" },
		{ .request = "GET /networks", .status = 200, .body = "[" NETWORK "]" },
		{ .request = "DELETE /services/id1", .status = 200, .body = "" },
		{ .request = "DELETE /networks/n1", .status = 404,
		  .body = "{\"message\":\"gone\"}" },
		{ .request = "GET /tasks", .status = 200, .once = 1,
		  .body = "[{\"ID\":\"t\",\"ServiceID\":\"id1\"}]" },
		{ .request = "GET /tasks", .status = 200, .body =
		  "[{\"ID\":\"u\",\"ServiceID\":\"another\"}]" },
		{ .request = "GET /containers/json", .status = 200, .once = 1, .body = "[{}]" },
		{ .request = "GET /containers/json", .status = 200, .body = "[]" },
		{ .request = NULL },
	};

	run(answers, NULL, "rm s");
	CHECK_INT(fake.status, 0);
	CHECK_STR(text_of(&fake.out), "Removing service s_web\nRemoving network s_default\n");
	CHECK_INT(fake.waits, 2);
	cli_fake_done(&fake);
	run(answers, NULL, "down --detach s");
	CHECK_INT(fake.status, 0);
	CHECK_INT(fake.waits, 0);
	cli_fake_done(&fake);
}

TEST(remove_does_not_wait_for_ever)
{
	static const struct fake_answer answers[] = {
		{ .request = "GET /services", .status = 200, .body = "[" WEB "]" },
		{ .request = "GET /networks", .status = 200, .body = "[]" },
		{ .request = "DELETE /services/id1", .status = 200, .body = "" },
		{ .request = "GET /tasks", .status = 200,
		  .body = "[{\"ID\":\"t\",\"ServiceID\":\"id1\"}]" },
		{ .request = NULL },
	};

	run(answers, NULL, "rm s");
	CHECK_INT(fake.status, CLI_FAILED);
	CHECK_INT(fake.now_ms, STACK_GONE_MS);
	CHECK(strstr(text_of(&fake.err), "s: 1 of its tasks have not ended after 60 s") != NULL);
	cli_fake_done(&fake);
	cli_fake_init(&fake, answers);
	fake.interrupt_at = 3;
	cli_fake_run(&fake, stack_commands, "rm s");
	CHECK_INT(fake.status, 0);
	CHECK_INT(fake.waits, 3);
	cli_fake_done(&fake);
}

TEST(remove_of_nothing)
{
	static const struct fake_answer answers[] = {
		{ .request = "GET /services", .status = 200, .body = "[" WEB "]" },
		{ .request = "GET /networks", .status = 200, .body = "[]" },
		{ .request = NULL },
	};

	run(answers, NULL, "rm other");
	CHECK_INT(fake.status, 0);
	CHECK_STR(text_of(&fake.err), "Nothing found in stack: other\n");
	cli_fake_done(&fake);
}

TEST(lists)
{
	static const struct fake_answer answers[] = {
		{ .request = "GET /services", .status = 200, .body = "[" WEB "," WEB "]" },
		{ .request = "GET /tasks", .status = 200, .body = "[]" },
		{ .request = "GET /nodes", .status = 200, .body = "[]" },
		{ .request = NULL },
	};

	run(answers, NULL, "ls");
	CHECK_STR(text_of(&fake.out), "NAME      SERVICES\ns         2\n");
	cli_fake_done(&fake);
	run(answers, NULL, "ls --format json");
	CHECK_STR(text_of(&fake.out), "{\"Name\":\"s\",\"Services\":\"2\"}\n");
	CHECK_STR(text_of(&fake.log), "GET /services?filters=%7B%22label%22%3A%7B%22com.docker."
		"stack.namespace%22%3Atrue%7D%7D\n");
	cli_fake_done(&fake);
	run(answers, NULL, "services -f name=s_web s");
	CHECK_INT(fake.status, 0);
	CHECK(strstr(text_of(&fake.out), "s_web") != NULL);
	CHECK(strstr(text_of(&fake.log), "com.docker.stack.namespace%3Ds") != NULL);
	cli_fake_done(&fake);
	run(answers, NULL, "ps s");
	CHECK_INT(fake.status, 0);
	CHECK_STR(text_of(&fake.err), "Nothing found in stack: s\n");
	cli_fake_done(&fake);
	run(answers, NULL, "ps -f color=red s");
	CHECK_INT(fake.status, CLI_USAGE);
	cli_fake_done(&fake);
}
