/* What the API refuses in specs, and with which words. */
#include "api_fake.h"
#include "unit.h"

#define INVALID "rpc error: code = InvalidArgument desc = "
#define UNIMPLEMENTED "rpc error: code = Unimplemented desc = "

static struct api_fake fake;

/* A spec of a service "web" with one more member of it, of its task or its container. */
#define SPEC(more) "{\"Name\":\"web\"," more \
	"\"TaskTemplate\":{\"ContainerSpec\":{\"Image\":\"busybox\"}}}"
#define TASK(more) "{\"Name\":\"web\",\"TaskTemplate\":{" more \
	"\"ContainerSpec\":{\"Image\":\"busybox\"}}}"
#define CONTAINER(more) "{\"Name\":\"web\",\"TaskTemplate\":{\"ContainerSpec\":{" more \
	"\"Image\":\"busybox\"}}}"
#define NAMED(name) "{\"Name\":\"" name "\"," \
	"\"TaskTemplate\":{\"ContainerSpec\":{\"Image\":\"busybox\"}}}"
#define IMAGE(name) "{\"Name\":\"web\",\"TaskTemplate\":{" \
	"\"ContainerSpec\":{\"Image\":\"" name "\"}}}"
#define PORTS(ports) SPEC("\"EndpointSpec\":{\"Ports\":[" ports "]},")

#define TEN "abcdefghij"
#define SIXTY TEN TEN TEN TEN TEN TEN

static const struct {
	const char *body;
	int status;
	const char *message;
} refused[] = {
	/* names */
	{ NAMED("a b"), 400, INVALID "name must be valid as a DNS name component" },
	{ NAMED("-a"), 400, INVALID "name must be valid as a DNS name component" },
	{ NAMED("a_"), 400, INVALID "name must be valid as a DNS name component" },
	{ NAMED("a.b"), 400, INVALID "name must be valid as a DNS name component" },
	{ NAMED(SIXTY "abcd"), 400, INVALID "name must be 63 characters or fewer" },
	{ SPEC("\"Labels\":{\"\":\"x\"},"), 400,
	  INVALID "a label's name must not be empty" },
	/* image */
	{ IMAGE(""), 400, INVALID "ContainerSpec: image reference must be provided" },
	{ IMAGE("a/Upper"), 400,
	  INVALID "ContainerSpec: \"a/Upper\" is not a valid repository/tag" },
	{ "{\"Name\":\"web\",\"TaskTemplate\":{}}", 400,
	  "mismatched Runtime and *Spec fields" },
	/* container */
	{ CONTAINER("\"Mounts\":[{\"Type\":\"npipe\",\"Target\":\"/a\"}],"), 400,
	  INVALID "ContainerSpec: mount type \"npipe\" is unknown or not supported: must be bind, "
	  "volume or tmpfs" },
	{ CONTAINER("\"Mounts\":[{\"Type\":\"volume\",\"Source\":\"v\",\"Target\":\"a\"}],"), 400,
	  INVALID "ContainerSpec: invalid mount target, must be an absolute path: a" },
	{ CONTAINER("\"Mounts\":[{\"Type\":\"bind\",\"Source\":\"v\",\"Target\":\"/a\"}],"), 400,
	  INVALID "ContainerSpec: invalid bind mount source, must be an absolute path: v" },
	{ CONTAINER("\"Mounts\":[{\"Type\":\"tmpfs\",\"Source\":\"/v\",\"Target\":\"/a\"}],"), 400,
	  INVALID "ContainerSpec: invalid tmpfs source, source must be empty" },
	{ CONTAINER("\"Mounts\":[{\"Type\":\"tmpfs\",\"Target\":\"/a\"},"
		    "{\"Type\":\"volume\",\"Target\":\"/a\"}],"), 400,
	  INVALID "ContainerSpec: duplicate mount point: /a" },
	{ CONTAINER("\"Env\":[\"A=1\",\"=2\"],"), 400,
	  INVALID "ContainerSpec: invalid environment variable: =2" },
	{ CONTAINER("\"Env\":[\"\"],"), 400,
	  INVALID "ContainerSpec: invalid environment variable: " },
	{ CONTAINER("\"StopGracePeriod\":-1,"), 400,
	  INVALID "ContainerSpec: stop-grace-period cannot be negative" },
	{ CONTAINER("\"Healthcheck\":{\"Interval\":-5},"), 400,
	  INVALID "ContainerSpec: Interval in HealthConfig cannot be less than 1ms" },
	{ CONTAINER("\"Healthcheck\":{\"Timeout\":999999},"), 400,
	  INVALID "ContainerSpec: Timeout in HealthConfig cannot be less than 1ms" },
	{ CONTAINER("\"Healthcheck\":{\"Retries\":-1},"), 400,
	  INVALID "ContainerSpec: Retries in HealthConfig cannot be negative" },
	{ CONTAINER("\"Healthcheck\":{\"Test\":[\"true\"]},"), 400,
	  INVALID "ContainerSpec: unknown type of health check \"true\": must be NONE, CMD or "
	  "CMD-SHELL" },
	{ CONTAINER("\"Secrets\":[{\"SecretID\":\"x\"}],"), 501,
	  UNIMPLEMENTED "ContainerSpec: secrets are not supported yet" },
	{ CONTAINER("\"Configs\":[{\"ConfigID\":\"x\"}],"), 501,
	  UNIMPLEMENTED "ContainerSpec: configs are not supported yet" },
	/* task */
	{ TASK("\"Runtime\":\"plugin\","), 501,
	  UNIMPLEMENTED "TaskSpec: runtime \"plugin\" is not supported: must be container" },
	{ TASK("\"NetworkAttachmentSpec\":{\"ContainerID\":\"x\"},"), 501,
	  UNIMPLEMENTED "TaskSpec: only containers are supported" },
	{ TASK("\"Resources\":{\"Limits\":{\"NanoCPUs\":10}},"), 400,
	  INVALID "invalid cpu value 1e-08: Must be at least 0.001" },
	{ TASK("\"Resources\":{\"Limits\":{\"MemoryBytes\":10}},"), 400,
	  INVALID "invalid memory value 10: Must be at least 4MiB" },
	{ TASK("\"Resources\":{\"Reservations\":{\"MemoryBytes\":-1}},"), 400,
	  INVALID "invalid memory value -1: Must be at least 4MiB" },
	{ TASK("\"Resources\":{\"Limits\":{\"Pids\":-2}},"), 400, INVALID "invalid pids limit -2" },
	{ TASK("\"RestartPolicy\":{\"Delay\":-1},"), 400,
	  INVALID "TaskSpec: restart-delay cannot be negative" },
	{ TASK("\"RestartPolicy\":{\"Window\":-1},"), 400,
	  INVALID "TaskSpec: restart-window cannot be negative" },
	{ TASK("\"Placement\":{\"Constraints\":[\"node.role\"]},"), 500,
	  "rpc error: code = Unknown desc = constraint expected one operator from ==, !=" },
	{ TASK("\"Placement\":{\"Preferences\":[{},{},{},{},{},{},{},{},{}]},"), 400,
	  INVALID "Placement: more than 8 preferences" },
	{ TASK("\"Networks\":[{\"Target\":\"nope\"}],"), 500, "network nope not found" },
	{ TASK("\"Networks\":[{\"Target\":\"ingress\"}],"), 400,
	  INVALID "Service cannot be explicitly attached to the ingress network \"ingress\"" },
	/* mode */
	{ SPEC("\"Mode\":{\"Replicated\":{},\"Global\":{}},"), 400,
	  "must specify only one service mode" },
	{ SPEC("\"Mode\":{\"ReplicatedJob\":{}},"), 501,
	  UNIMPLEMENTED "only replicated and global services are supported yet" },
	{ SPEC("\"Mode\":{\"Replicated\":{\"Replicas\":10001}},"), 400,
	  INVALID "Number of replicas must not be larger than 10000" },
	/* updates */
	{ SPEC("\"UpdateConfig\":{\"Delay\":-1},"), 400,
	  INVALID "TaskSpec: update-delay cannot be negative" },
	{ SPEC("\"RollbackConfig\":{\"Monitor\":-1},"), 400,
	  INVALID "TaskSpec: update-monitor cannot be negative" },
	{ SPEC("\"UpdateConfig\":{\"MaxFailureRatio\":1.5},"), 400,
	  INVALID "TaskSpec: update-maxfailureratio cannot be less than 0 or bigger than 1" },
	/* ports */
	{ PORTS("{\"PublishedPort\":80}"), 400,
	  INVALID "EndpointSpec: invalid target port 0: must be 1 to 65535" },
	{ PORTS("{\"TargetPort\":65536}"), 400,
	  INVALID "EndpointSpec: invalid target port 65536: must be 1 to 65535" },
	{ PORTS("{\"TargetPort\":80,\"PublishedPort\":65536}"), 400,
	  INVALID "EndpointSpec: invalid published port 65536: must be 1 to 65535, or 0 for any" },
	{ PORTS("{\"TargetPort\":80,\"PublishedPort\":80},{\"TargetPort\":81,\"PublishedPort"
	  "\":80}"),
	  400, INVALID "EndpointSpec: duplicate published ports provided" },
	{ PORTS("{\"TargetPort\":80,\"Protocol\":\"sctp\"}"), 501,
	  UNIMPLEMENTED "EndpointSpec: sctp ports can only be published in host mode" },
	{ SPEC("\"EndpointSpec\":{\"Mode\":\"dnsrr\",\"Ports\":[{\"TargetPort\":80}]},"), 400,
	  INVALID "EndpointSpec: port published with ingress mode can't be used with dnsrr mode" },
	/* not the form at all */
	{ TASK("\"Resources\":{\"Limits\":{\"NanoCPUs\":\"x\"}},"), 400,
	  INVALID "TaskTemplate.Resources.Limits.NanoCPUs: must be an integer" },
	{ PORTS("{\"TargetPort\":80,\"Protocol\":\"icmp\"}"), 400,
	  INVALID "EndpointSpec.Ports[0].Protocol: invalid value \"icmp\": must be one of tcp, "
	  "udp, sctp" },
	{ "[]", 400, "invalid JSON: the body must be an object" },
};

TEST(refused)
{
	for (size_t i = 0; i < sizeof(refused) / sizeof(refused[0]); i++) {
		const char *message;
		uint64_t applied;

		api_fake_init(&fake);
		applied = fake.state.applied;
		message = api_fake_error(&fake, "POST", "/v1.41/services/create", refused[i].body);
		CHECK_STR(message, refused[i].message);
		CHECK_INT(fake.status, refused[i].status);
		CHECK_STR(fake.type, "application/json");
		CHECK_INT(fake.state.applied, applied);
		api_fake_done(&fake);
	}
}

static const struct {
	const char *name;
	int valid;
} images[] = {
	{ "busybox", 1 }, { "busybox:1.36", 1 }, { "username/repo", 1 }, { "a/b/c:T_1.0-x", 1 },
	{ "localhost:5000/app", 1 }, { "REG.example.com:443/team/app:1", 1 },
	{ "[::1]:5000/app", 1 }, { "foo__bar", 1 }, { "foo---bar", 1 }, { "foo.bar", 1 },
	{ "a@sha256:0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef", 1 },
	{ "a:1@sha256:0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef", 1 },
	{ "localhost/app", 1 }, { "app:latest", 1 },
	{ "", 0 }, { "Upper", 0 }, { "a/Upper", 0 }, { ":tag", 0 }, { "a:", 0 }, { "a:-x", 0 },
	{ "a b", 0 }, { "/a", 0 }, { "a/", 0 }, { "a//b", 0 }, { "_a", 0 }, { "a_", 0 },
	{ "foo___bar", 0 }, { "foo..bar", 0 }, { "foo_-bar", 0 }, { "a@sha256:12", 0 },
	{ "a@", 0 }, { "a@:0123456789abcdef0123456789abcdef", 0 }, { "-x.com/a", 0 },
	{ "x.com:99999/a", 0 }, { "x.com:/a", 0 }, { "[::1/a", 0 }, { "http://x.com/a", 0 },
	{ "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef", 0 },
	{ "a:" TEN TEN TEN TEN TEN TEN TEN TEN TEN TEN TEN TEN "12345678", 1 },
	{ "a:" TEN TEN TEN TEN TEN TEN TEN TEN TEN TEN TEN TEN "123456789", 0 },
	{ "{{.Node.Hostname}}", 0 }, { "$(x)", 0 },
};

TEST(images)
{
	for (size_t i = 0; i < sizeof(images) / sizeof(images[0]); i++) {
		const char *text;

		api_fake_init(&fake);
		text = arena_printf(&fake.arena, "{\"Name\":\"web\",\"TaskTemplate\":{"
				    "\"ContainerSpec\":{\"Image\":\"%s\"}}}", images[i].name);
		api_fake_call(&fake, "POST", "/services/create", text);
		CHECK_STR(fake.status == 201 ? "" : images[i].name,
			  images[i].valid ? "" : images[i].name);
		api_fake_done(&fake);
	}
}

TEST(broken_json)
{
	static const char *const bodies[] = { "", "{", "{\"Name\":}", "{}x", "{\"a\":1,\"a\":1}" };

	api_fake_init(&fake);
	for (size_t i = 0; i < sizeof(bodies) / sizeof(bodies[0]); i++) {
		const char *message = api_fake_error(&fake, "POST", "/services/create", bodies[i]);

		CHECK_INT(fake.status, 400);
		CHECK(slice_has_prefix(slice_of(message), "invalid JSON: "));
	}
	api_fake_done(&fake);
}

TEST(what_is_empty_is_not_asked_for)
{
	api_fake_init(&fake);
	CHECK_INT(api_fake_call(&fake, "POST", "/services/create",
				CONTAINER("\"Secrets\":[],\"Configs\":null,\"New\":7,")), 201);
	api_fake_done(&fake);
}

TEST(other_content_type)
{
	struct event ev = {
		.kind = EVENT_REQUEST, .id = 1, .method = SLICE("POST"),
		.target = SLICE("/services/create"), .body = SLICE("a=b"),
		.text = SLICE("text/plain"),
	};
	struct api_turn turn;

	api_fake_init(&fake);
	turn = api_fake_turn(&fake);
	CHECK_INT(api_request(&fake.api, &turn, &ev), API_REPLIED);
	CHECK_INT(fake.fx.items[0].status, 400);
	CHECK_MEM(fake.fx.items[0].body.data, fake.fx.items[0].body.len,
		  "{\"message\":\"unsupported Content-Type header (text/plain): must be "
		  "'application/json'\"}\n");
	api_fake_done(&fake);
}
