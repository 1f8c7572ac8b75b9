/* plan_deploy and plan_remove: what is asked for, in which order, and what stops it before. */
#include <string.h>

#include "applets/stack/plan.h"
#include "unit.h"

static const char *no_env(void *context, const char *name)
{
	(void)context;
	(void)name;
	return NULL;
}

static const char file[] =
	"services:\n"
	"  web: {image: web:1, ports: [\"80:80\"]}\n"
	"  db: {image: db, networks: [back, theirs]}\n"
	"networks:\n"
	"  back:\n"
	"  theirs: {external: true}\n";

static void put_plan(struct buf *out, const struct plan *plan)
{
	for (uint32_t i = 0; i < plan->steps.count; i++) {
		const struct plan_step *s = LIST_AT(&plan->steps, struct plan_step, i);

		buf_printf(out, "%s | %s %s\n", s->line, s->method, s->path);
	}
	for (uint32_t i = 0; i < plan->services.count; i++)
		buf_printf(out, "gone: %s\n", plan->services.items[i]);
}

struct world {
	const char *services, *networks;	/* NULL: the empty list; a network "theirs" */
	int prune;
};

/* The lines of a plan, or "error: ..."; body: that of the last step. */
static const char *plan(const struct world *w, const char *remove, const char **body)
{
	static char text[4096], last[4096];
	struct stack_source source = {
		.file = "F", .text = slice_of(file), .dir = "/", .env = no_env,
	};
	struct errmsg msg = { { 0 } };
	struct plan_state state;
	struct stack stack;
	struct plan p = { .steps = { NULL, 0 } };
	struct arena a;
	struct buf out;
	int err;

	arena_init(&a);
	buf_init(&out, sizeof(text) - 1);
	err = stack_load(&a, "s", &source, &stack, &msg);
	if (err == 0)
		err = json_parse(&a, slice_of(w->services ? w->services : "[]"), &state.services,
			&msg);
	if (err == 0)
		err = json_parse(&a, slice_of(w->networks ? w->networks :
			"[{\"Name\":\"theirs\",\"Id\":\"t\",\"Scope\":\"swarm\"}]"),
			&state.networks, &msg);
	if (err == 0)
		err = remove ? plan_remove(&a, remove, &state, &p, &msg) :
			plan_deploy(&a, &stack, w->prune, &state, &p, &msg);
	if (err < 0)
		buf_printf(&out, "error: %s", msg.text);
	else
		put_plan(&out, &p);
	memcpy(text, buf_str(&out), out.len + 1);
	last[0] = '\0';
	if (err == 0 && p.steps.count) {
		struct slice b = LIST_AT(&p.steps, struct plan_step, p.steps.count - 1)->body;

		memcpy(last, b.data ? b.data : "", b.len < sizeof(last) ? b.len : 0);
		last[b.len < sizeof(last) ? b.len : 0] = '\0';
	}
	if (body)
		*body = last;
	buf_done(&out);
	arena_done(&a);
	return text;
}

#define SERVICE(id, version, name, stack, image, rest) \
	"{\"ID\":\"" id "\",\"Version\":{\"Index\":" version "},\"Spec\":{\"Name\":\"" name "\"," \
	"\"Labels\":{\"com.docker.stack.namespace\":\"" stack "\"," \
	"\"com.docker.stack.image\":\"" image "\"}," \
	"\"TaskTemplate\":{\"ContainerSpec\":{\"Image\":\"" image "@sha256:00\"}," \
	"\"ForceUpdate\":7}}" rest "}"
#define NETWORK(id, name, stack) \
	"{\"Name\":\"" name "\",\"Id\":\"" id "\",\"Scope\":\"swarm\"," \
	"\"Labels\":{\"com.docker.stack.namespace\":\"" stack "\"}}"
#define THEIRS "{\"Name\":\"theirs\",\"Id\":\"t\",\"Scope\":\"swarm\",\"Labels\":{}}"

TEST(first_deploy)
{
	CHECK_STR(plan(&(struct world){ .prune = 1 }, NULL, NULL),
		"Creating network s_back | POST /networks/create\n"
		"Creating network s_default | POST /networks/create\n"
		"Creating service s_web | POST /services/create\n"
		"Creating service s_db | POST /services/create\n");
}

TEST(second_deploy_prunes_first)
{
	struct world w = { .prune = 1,
		.services = "[" SERVICE("id1", "3", "s_web", "s", "web:1", "") ","
			SERVICE("id2", "4", "s_old", "s", "old", "") ","
			SERVICE("id3", "5", "o_old", "o", "old", "") "]",
		.networks = "[" NETWORK("n1", "s_back", "s") "," THEIRS "]" };

	CHECK_STR(plan(&w, NULL, NULL),
		"Removing service s_old | DELETE /services/id2\n"
		"Creating network s_default | POST /networks/create\n"
		"Updating service s_web (id: id1) | POST /services/id1/update?version=3\n"
		"Creating service s_db | POST /services/create\n"
		"gone: id2\n");
	w.prune = 0;
	CHECK_STR(plan(&w, NULL, NULL),
		"Creating network s_default | POST /networks/create\n"
		"Updating service s_web (id: id1) | POST /services/id1/update?version=3\n"
		"Creating service s_db | POST /services/create\n");
}

TEST(update_keeps_force_update_and_digest)
{
	struct world same = { .services = "[" SERVICE("id1", "3", "s_db", "s", "db", "") "]" };
	struct world other = { .services = "[" SERVICE("id1", "3", "s_db", "s", "db:old", "") "]" };
	const char *body;

	plan(&same, NULL, &body);
	CHECK(strstr(body, "\"Image\":\"db@sha256:00\"") != NULL);
	CHECK(strstr(body, "\"ForceUpdate\":7") != NULL);
	CHECK(strstr(body, "\"com.docker.stack.image\":\"db\"") != NULL);
	plan(&other, NULL, &body);
	CHECK(strstr(body, "\"Image\":\"db:latest\"") != NULL);
	CHECK(strstr(body, "\"ForceUpdate\":7") != NULL);
}

TEST(what_would_fail_halfway_fails_before)
{
	struct world none = { .networks = "[]" };
	struct world local = { .networks = "[{\"Name\":\"theirs\",\"Scope\":\"local\"}]" };
	struct world network = { .networks = "[" THEIRS "," NETWORK("x", "s_back", "o") "]" };
	struct world service = { .services = "[" SERVICE("id1", "3", "s_db", "o", "db", "") "]" };
	struct world port = { .services = "[" SERVICE("id1", "3", "o_web", "o", "w",
		",\"Endpoint\":{\"Ports\":[{\"TargetPort\":8,\"PublishedPort\":80}]}") "]" };
	struct world own = { .services = "[" SERVICE("id1", "3", "s_web", "s", "w",
		",\"Endpoint\":{\"Ports\":[{\"TargetPort\":8,\"PublishedPort\":80}]}") "]" };
	struct world host = { .services = "[" SERVICE("id1", "3", "o_web", "o", "w",
		",\"Endpoint\":{\"Ports\":[{\"TargetPort\":8,\"PublishedPort\":80,"
		"\"PublishMode\":\"host\"}]}") "]" };
	struct world bad = { .services = "[{}]" };

	CHECK_STR(plan(&none, NULL, NULL), "error: network \"theirs\" is declared as external, but "
		"could not be found. You need to create a swarm-scoped network before the stack is "
		"deployed");
	CHECK_STR(plan(&local, NULL, NULL), "error: network \"theirs\" is declared as external, "
		"but it is not in the right scope: \"local\" instead of \"swarm\"");
	CHECK_STR(plan(&network, NULL, NULL),
		"error: network s_back exists already and is no part of stack s");
	CHECK_STR(plan(&service, NULL, NULL),
		"error: service s_db exists already and is no part of stack s");
	CHECK_STR(plan(&port, NULL, NULL),
		"error: port 80/tcp of service s_web is already in use by service o_web");
	CHECK(strncmp(plan(&own, NULL, NULL), "error", 5) != 0);
	CHECK(strncmp(plan(&host, NULL, NULL), "error", 5) != 0);
	CHECK_STR(plan(&bad, NULL, NULL), "error: the API's answer: a service without ID or name");
}

TEST(remove_is_by_name_then_networks)
{
	struct world w = {
		.services = "[" SERVICE("id1", "3", "s_web", "s", "w", "") ","
			SERVICE("id2", "4", "s_db", "s", "d", "") ","
			SERVICE("id3", "5", "o_x", "o", "x", "") "]",
		.networks = "[" NETWORK("n1", "s_back", "s") "," NETWORK("n2", "o_back", "o") ","
			THEIRS "]" };

	CHECK_STR(plan(&w, "s", NULL),
		"Removing service s_db | DELETE /services/id2\n"
		"Removing service s_web | DELETE /services/id1\n"
		"Removing network s_back | DELETE /networks/n1\n"
		"gone: id2\n"
		"gone: id1\n");
	CHECK_STR(plan(&w, "nobody", NULL), "");
}
