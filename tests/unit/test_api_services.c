/* /services and /tasks: what is stored, what is shown, what is refused. */
#include <string.h>
#include "api_fake.h"
#include "unit.h"

static struct api_fake fake;

#define WEB "{\"Name\":\"web\",\"TaskTemplate\":{\"ContainerSpec\":{\"Image\":\"busybox\"}}}"

static const struct service *service(const char *name)
{
	return state_find_name(&fake.state, OBJECT_SERVICE, name);
}

static const char *text(const char *format, const char *a)
{
	char *out = arena_new(&fake.arena, strlen(format) + strlen(a) + 1);
	const char *at = strchr(format, '@');

	memcpy(out, format, (size_t)(at - format));
	memcpy(out + (at - format), a, strlen(a));
	memcpy(out + (at - format) + strlen(a), at + 1, strlen(at + 1));
	return out;
}

/* "/services/web/update?version=<the stored one>" and more. */
static const char *update_target(const char *name, const char *more)
{
	return arena_printf(&fake.arena, "/services/%s/update?version=%llu%s", name,
			    (unsigned long long)service(name)->meta.version, more);
}

static void create(const char *body)
{
	CHECK_INT(api_fake_call(&fake, "POST", "/v1.41/services/create", body), 201);
}

TEST(create_fills_in)
{
	const struct service *s;

	api_fake_init(&fake);
	create(WEB);
	s = service("web");
	CHECK(s);
	CHECK_STR(fake.body, arena_printf(&fake.arena, "{\"ID\":\"%s\"}\n", s->meta.id));
	CHECK_INT(strlen(s->meta.id), ID_LEN);
	CHECK_INT(*s->spec.mode.replicated->replicas, 1);
	CHECK_STR(s->spec.task_template.runtime, "container");
	CHECK_STR(s->spec.task_template.container_spec->isolation, "default");
	CHECK_INT(s->spec_version, s->meta.version);
	CHECK(!s->spec.endpoint_spec);
	CHECK(!s->update_status && !s->previous_spec);
	api_fake_done(&fake);
}

TEST(create_without_a_name)
{
	const struct service *s;

	api_fake_init(&fake);
	create("{\"TaskTemplate\":{\"ContainerSpec\":{\"Image\":\"busybox\"}}}");
	s = state_entry(state_first(&fake.state, OBJECT_SERVICE));
	CHECK(strchr(s->spec.name, '_') && name_is_valid(slice_of(s->spec.name)));
	api_fake_done(&fake);
}

TEST(create_ports)
{
	const struct service *s;
	const struct port_config *port;

	api_fake_init(&fake);
	create("{\"Name\":\"web\",\"TaskTemplate\":{\"ContainerSpec\":{\"Image\":\"b\"}},"
	       "\"EndpointSpec\":{\"Ports\":[{\"TargetPort\":80},"
	       "{\"TargetPort\":81,\"PublishedPort\":8081}]}}");
	s = service("web");
	CHECK_INT(s->endpoint.ports.count, 2);
	port = LIST_AT(&s->endpoint.ports, struct port_config, 0);
	CHECK_INT(port->published_port, 30000);
	CHECK_INT(LIST_AT(&s->endpoint.ports, struct port_config, 1)->published_port, 8081);
	CHECK_INT(LIST_AT(&s->spec.endpoint_spec->ports, struct port_config, 0)->published_port, 0);
	CHECK_INT(s->endpoint.spec.ports.count, 2);
	api_fake_done(&fake);
}

TEST(port_in_use)
{
	const char *body = "{\"Name\":\"@\",\"TaskTemplate\":{\"ContainerSpec\":{\"Image\":\"b\"}},"
		"\"EndpointSpec\":{\"Ports\":[{\"TargetPort\":80,\"PublishedPort\":8080}]}}";
	const char *message;

	api_fake_init(&fake);
	create(text(body, "p"));
	message = api_fake_error(&fake, "POST", "/services/create", text(body, "q"));
	CHECK_STR(message, arena_printf(&fake.arena, "rpc error: code = InvalidArgument desc = "
					"port '8080' is already in use by service 'p' (%s) as an "
					"ingress port", service("p")->meta.id));
	CHECK_INT(fake.status, 400);
	api_fake_done(&fake);
}

TEST(create_networks)
{
	const struct service *s;
	const struct network *n;
	const struct list *targets;

	api_fake_init(&fake);
	CHECK_INT(api_fake_call(&fake, "POST", "/networks/create", "{\"Name\":\"back\"}"), 201);
	n = state_find_name(&fake.state, OBJECT_NETWORK, "back");
	create("{\"Name\":\"web\",\"TaskTemplate\":{\"ContainerSpec\":{\"Image\":\"b\"}},"
	       "\"Networks\":[{\"Target\":\"back\",\"Aliases\":[\"w\"]}]}");
	s = service("web");
	targets = &s->spec.task_template.networks;
	CHECK_INT(s->spec.networks.count, 0);
	CHECK_INT(targets->count, 1);
	CHECK_STR(LIST_AT(targets, struct network_target, 0)->target, n->meta.id);
	CHECK_STR(LIST_AT(targets, struct network_target, 0)->aliases.items[0], "w");
	api_fake_done(&fake);
}

TEST(name_taken)
{
	api_fake_init(&fake);
	create(WEB);
	CHECK_STR(api_fake_error(&fake, "POST", "/services/create",
				 "{\"Name\":\"WEB\",\"TaskTemplate\":{\"ContainerSpec\":{"
				 "\"Image\":\"busybox\"}}}"),
		  "rpc error: code = AlreadyExists desc = name conflicts with an existing object: "
		  "service WEB already exists");
	CHECK_INT(fake.status, 409);
	api_fake_done(&fake);
}

TEST(inspect)
{
	const char *id;
	const struct json *spec;

	api_fake_init(&fake);
	create(WEB);
	id = arena_str(&fake.arena, slice_of(service("web")->meta.id));
	CHECK_INT(api_fake_call(&fake, "GET", "/v1.41/services/web", NULL), 200);
	spec = json_get(api_fake_json(&fake), "Spec");
	CHECK(slice_is(json_string(json_get(api_fake_json(&fake), "ID")), id));
	CHECK(slice_is(json_string(json_get(spec, "Name")), "web"));
	CHECK(json_get(spec, "Labels"));
	CHECK(!json_get(spec, "UpdateConfig"));
	CHECK(!strstr(fake.body, "SpecVersion"));
	CHECK_INT(fake.body[strlen(fake.body) - 1], '\n');
	CHECK_INT(api_fake_call(&fake, "GET", arena_printf(&fake.arena, "/services/%.5s", id),
				NULL), 200);
	api_fake_done(&fake);
}

TEST(inspect_with_defaults)
{
	const struct json *spec, *task;
	int64_t n;

	api_fake_init(&fake);
	create(WEB);
	api_fake_call(&fake, "GET", "/services/web?insertDefaults=true", NULL);
	spec = json_get(api_fake_json(&fake), "Spec");
	task = json_get(spec, "TaskTemplate");
	CHECK(json_to_i64(json_get(json_get(spec, "UpdateConfig"), "Parallelism"), &n) == 0);
	CHECK_INT(n, 1);
	CHECK(json_to_i64(json_get(json_get(spec, "RollbackConfig"), "Monitor"), &n) == 0);
	CHECK_INT(n, 5000000000);
	CHECK(json_to_i64(json_get(json_get(task, "RestartPolicy"), "Delay"), &n) == 0);
	CHECK_INT(n, 5000000000);
	CHECK(json_to_i64(json_get(json_get(task, "ContainerSpec"), "StopGracePeriod"), &n) == 0);
	CHECK_INT(n, 10000000000);
	CHECK(json_get(task, "Resources") && json_get(task, "Placement"));
	CHECK(!service("web")->spec.update_config);
	api_fake_done(&fake);
}

TEST(not_found_and_ambiguous)
{
	api_fake_init(&fake);
	CHECK_STR(api_fake_error(&fake, "GET", "/services/nope", NULL), "service nope not found");
	CHECK_INT(fake.status, 404);
	CHECK_STR(api_fake_error(&fake, "GET", "/tasks/nope", NULL), "task nope not found");
	api_fake_put(&fake, OBJECT_TASK, "{\"ID\":\"ta1\",\"ServiceID\":\"s\"}");
	api_fake_put(&fake, OBJECT_TASK, "{\"ID\":\"ta2\",\"ServiceID\":\"s\"}");
	CHECK_STR(api_fake_error(&fake, "GET", "/tasks/ta", NULL),
		  "task ta is ambiguous (2 matches found)");
	CHECK_INT(fake.status, 400);
	CHECK_INT(api_fake_call(&fake, "GET", "/tasks/ta2", NULL), 200);
	api_fake_done(&fake);
}

TEST(list_filters)
{
	static const struct {
		const char *query;
		int web, api;
	} cases[] = {
		{ "", 1, 1 },
		{ "?filters={%22name%22:{%22we%22:true}}", 1, 0 },
		{ "?filters={%22name%22:[%22api%22]}", 0, 1 },
		{ "?filters={%22label%22:{%22tier=front%22:true}}", 1, 0 },
		{ "?filters={%22label%22:{%22tier%22:true}}", 1, 1 },
		{ "?filters={%22label%22:{%22tier%22:true,%22tier=back%22:true}}", 0, 1 },
		{ "?filters={%22mode%22:{%22global%22:true}}", 0, 1 },
		{ "?filters={%22id%22:{%22zzzz%22:true}}", 0, 0 },
	};

	api_fake_init(&fake);
	create("{\"Name\":\"web\",\"Labels\":{\"tier\":\"front\"},"
	       "\"TaskTemplate\":{\"ContainerSpec\":{\"Image\":\"b\"}}}");
	create("{\"Name\":\"api\",\"Labels\":{\"tier\":\"back\"},\"Mode\":{\"Global\":{}},"
	       "\"TaskTemplate\":{\"ContainerSpec\":{\"Image\":\"b\"}}}");
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		CHECK_INT(api_fake_call(&fake, "GET", arena_printf(&fake.arena, "/services%s",
								   cases[i].query), NULL), 200);
		CHECK_INT(strstr(fake.body, "\"Name\":\"web\"") != NULL, cases[i].web);
		CHECK_INT(strstr(fake.body, "\"Name\":\"api\"") != NULL, cases[i].api);
	}
	CHECK_STR(api_fake_error(&fake, "GET", "/services?filters={%22foo%22:[%22x%22]}", NULL),
		  "invalid filter 'foo'");
	CHECK_INT(fake.status, 400);
	CHECK_INT(api_fake_call(&fake, "GET", "/services?filters=zzz", NULL), 400);
	CHECK_INT(api_fake_call(&fake, "GET", "/services?filters={%22name%22:3}", NULL), 400);
	CHECK_INT(api_fake_call(&fake, "GET", "/services?filters={%22name%22:[3]}", NULL), 400);
	CHECK_INT(api_fake_call(&fake, "GET", "/services?filters=[]", NULL), 400);
	api_fake_done(&fake);
}

static void put_task(const char *id, const char *desired, const char *state, const char *image)
{
	const struct service *s = service("web");

	api_fake_put(&fake, OBJECT_TASK, arena_printf(&fake.arena,
		"{\"ID\":\"%s\",\"ServiceID\":\"%s\",\"Slot\":1,\"NodeID\":\"node1\","
		"\"ServiceName\":\"web\",\"DesiredState\":\"%s\",\"Status\":{\"State\":\"%s\"},"
		"\"Spec\":{\"ContainerSpec\":{\"Image\":\"%s\",\"Isolation\":\"default\"},"
		"\"Runtime\":\"container\"}}", id, s->meta.id, desired, state, image));
}

TEST(service_status)
{
	api_fake_init(&fake);
	create("{\"Name\":\"web\",\"Mode\":{\"Replicated\":{\"Replicas\":3}},"
	       "\"TaskTemplate\":{\"ContainerSpec\":{\"Image\":\"busybox\"}}}");
	put_task("t1", "running", "running", "busybox");
	put_task("t2", "running", "starting", "busybox");
	put_task("t3", "shutdown", "running", "busybox");
	api_fake_call(&fake, "GET", "/services?status=true", NULL);
	CHECK(strstr(fake.body, "\"ServiceStatus\":{\"RunningTasks\":1,\"DesiredTasks\":3,"
				"\"CompletedTasks\":0}}]\n"));
	api_fake_call(&fake, "GET", "/services", NULL);
	CHECK(!strstr(fake.body, "ServiceStatus"));
	api_fake_done(&fake);
}

TEST(global_status)
{
	api_fake_init(&fake);
	create("{\"Name\":\"web\",\"Mode\":{\"Global\":{}},"
	       "\"TaskTemplate\":{\"ContainerSpec\":{\"Image\":\"busybox\"}}}");
	put_task("t1", "running", "running", "busybox");
	put_task("t2", "running", "starting", "busybox");
	put_task("t3", "shutdown", "shutdown", "busybox");
	api_fake_call(&fake, "GET", "/services?status=1", NULL);
	CHECK(strstr(fake.body, "{\"RunningTasks\":1,\"DesiredTasks\":2,"));
	api_fake_done(&fake);
}

TEST(task_filters)
{
	static const struct {
		const char *query;
		const char *ids;	/* of those listed, of t1 t2 t3 */
	} cases[] = {
		{ "", "123" },
		{ "?filters={%22service%22:[%22web%22]}", "123" },
		{ "?filters={%22node%22:[%22host1%22]}", "123" },
		{ "?filters={%22desired-state%22:[%22running%22]}", "12" },
		{ "?filters={%22id%22:[%22t2%22]}", "2" },
		{ "?filters={%22name%22:[%22web.1.t3%22]}", "3" },
		{ "?filters={%22label%22:[%22tier%22]}", "123" },
		{ "?filters={%22label%22:[%22none%22]}", "" },
		{ "?filters={%22_up-to-date%22:[%22true%22]}", "13" },
	};

	api_fake_init(&fake);
	create("{\"Name\":\"web\",\"Labels\":{\"tier\":\"x\"},"
	       "\"TaskTemplate\":{\"ContainerSpec\":{\"Image\":\"busybox\"}}}");
	put_task("t1", "running", "running", "busybox");
	put_task("t2", "running", "running", "busybox:old");
	put_task("t3", "shutdown", "running", "busybox");
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		CHECK_INT(api_fake_call(&fake, "GET", arena_printf(&fake.arena, "/tasks%s",
								   cases[i].query), NULL), 200);
		CHECK_INT(strstr(fake.body, "\"ID\":\"t1\"") != NULL,
			  strchr(cases[i].ids, '1') != NULL);
		CHECK_INT(strstr(fake.body, "\"ID\":\"t2\"") != NULL,
			  strchr(cases[i].ids, '2') != NULL);
		CHECK_INT(strstr(fake.body, "\"ID\":\"t3\"") != NULL,
			  strchr(cases[i].ids, '3') != NULL);
	}
	CHECK_STR(api_fake_error(&fake, "GET", "/tasks?filters={%22service%22:[%22x%22]}", NULL),
		  "service x not found");
	CHECK_INT(fake.status, 404);
	CHECK_STR(api_fake_error(&fake, "GET", "/tasks?filters={%22desired-state%22:[%22zzz%22]}",
				 NULL), "Invalid desired-state filter: 'zzz'");
	CHECK_INT(fake.status, 500);
	api_fake_done(&fake);
}

TEST(update)
{
	uint64_t spec_version, version;

	api_fake_init(&fake);
	create(WEB);
	spec_version = service("web")->spec_version;
	CHECK_INT(api_fake_call(&fake, "POST", update_target("web", ""), WEB), 200);
	CHECK_STR(fake.body, "{\"Warnings\":null}\n");
	CHECK_INT(service("web")->spec_version, spec_version);
	version = service("web")->meta.version;
	CHECK_INT(api_fake_call(&fake, "POST", update_target("web", "&registryAuthFrom=spec"),
				"{\"Name\":\"web\",\"TaskTemplate\":{\"ContainerSpec\":{"
				"\"Image\":\"busybox:2\"}}}"), 200);
	CHECK(service("web")->meta.version > version);
	CHECK_INT(service("web")->spec_version, service("web")->meta.version);
	CHECK_STR(service("web")->spec.task_template.container_spec->image, "busybox:2");
	CHECK_STR(service("web")->previous_spec->task_template.container_spec->image, "busybox");
	CHECK(!service("web")->update_status);
	api_fake_done(&fake);
}

TEST(rollback)
{
	const char *refused = NULL;

	api_fake_init(&fake);
	create(WEB);
	refused = api_fake_error(&fake, "POST", update_target("web", "&rollback=previous"), WEB);
	CHECK_STR(refused, arena_printf(&fake.arena, "rpc error: code = FailedPrecondition desc = "
					"service %s does not have a previous spec",
					service("web")->meta.id));
	CHECK_INT(fake.status, 400);
	api_fake_call(&fake, "POST", update_target("web", ""),
		      "{\"Name\":\"web\",\"TaskTemplate\":{\"ContainerSpec\":{\"Image\":\"b2\"}}}");
	CHECK_INT(api_fake_call(&fake, "POST", update_target("web", "&rollback=previous"), WEB),
		  200);
	CHECK_STR(service("web")->spec.task_template.container_spec->image, "busybox");
	CHECK_STR(service("web")->previous_spec->task_template.container_spec->image, "b2");
	CHECK_INT(service("web")->update_status->state, UPDATE_ROLLBACK_STARTED);
	CHECK_INT(service("web")->spec_version, service("web")->meta.version);
	api_fake_done(&fake);
}

TEST(update_refused)
{
	static const struct {
		const char *query, *body;
		int status;
		const char *message;
	} cases[] = {
		{ "", WEB, 400, "invalid service version '': strconv.ParseUint: parsing \"\": "
		  "invalid syntax" },
		{ "?version=x", WEB, 400, "invalid service version 'x': strconv.ParseUint: parsing "
		  "\"x\": invalid syntax" },
		{ "?version=1", WEB, 500, "rpc error: code = Unknown desc = update out of "
		  "sequence" },
		{ "?version=4&rollback=foo", WEB, 500, "unrecognized rollback option foo" },
		{ "?version=4&registryAuthFrom=foo", WEB, 500, "unsupported registryAuthFrom "
		  "value" },
		{ "?version=4", "{\"Name\":\"new\",\"TaskTemplate\":{\"ContainerSpec\":{"
		  "\"Image\":\"b\"}}}", 501,
		  "rpc error: code = Unimplemented desc = renaming services is not supported" },
		{ "?version=4", "{\"TaskTemplate\":{\"ContainerSpec\":{\"Image\":\"b\"}}}", 400,
		  "rpc error: code = InvalidArgument desc = meta: name must be provided" },
		{ "?version=4", "{\"Name\":\"web\",\"Mode\":{\"Global\":{}},\"TaskTemplate\":{"
		  "\"ContainerSpec\":{\"Image\":\"b\"}}}", 501,
		  "rpc error: code = Unimplemented desc = service mode change is not allowed" },
	};

	api_fake_init(&fake);
	create(WEB);
	CHECK_INT(service("web")->meta.version, 4);
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		const char *target = arena_printf(&fake.arena, "/services/web/update%s",
						  cases[i].query);

		CHECK_STR(api_fake_error(&fake, "POST", target, cases[i].body), cases[i].message);
		CHECK_INT(fake.status, cases[i].status);
	}
	CHECK_INT(service("web")->meta.version, 4);
	api_fake_done(&fake);
}

TEST(remove)
{
	api_fake_init(&fake);
	create(WEB);
	CHECK_INT(api_fake_call(&fake, "DELETE", "/v1.24/services/web", NULL), 200);
	CHECK_STR(fake.body, "");
	CHECK(!service("web"));
	CHECK_INT(api_fake_call(&fake, "DELETE", "/services/web", NULL), 404);
	api_fake_done(&fake);
}

TEST(refused_when_applied)
{
	struct errmsg msg = { "name conflicts with an existing object" };

	api_fake_init(&fake);
	api_refused(&fake.fx, 1, ERR_STALE, &msg);
	CHECK_INT(fake.fx.items[0].status, 500);
	CHECK_MEM(fake.fx.items[0].body.data, fake.fx.items[0].body.len,
		  "{\"message\":\"rpc error: code = Unknown desc = update out of sequence\"}\n");
	api_refused(&fake.fx, 1, ERR_EXISTS, &msg);
	CHECK_INT(fake.fx.items[1].status, 409);
	CHECK_MEM(fake.fx.items[1].body.data, fake.fx.items[1].body.len,
		  "{\"message\":\"rpc error: code = AlreadyExists desc = name conflicts with an "
		  "existing object\"}\n");
	api_refused(&fake.fx, 1, ERR_INVALID, &(struct errmsg){ "why" });
	CHECK_MEM(fake.fx.items[2].body.data, fake.fx.items[2].body.len,
		  "{\"message\":\"rpc error: code = Unknown desc = why\"}\n");
	api_fake_done(&fake);
}
