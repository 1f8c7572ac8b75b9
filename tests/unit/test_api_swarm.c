/* /_ping, /version, /info, /swarm, /nodes, /networks, and which requests are ours. */
#include <string.h>
#include "api_fake.h"
#include "crypt/token.h"
#include "unit.h"

#define FAILED "rpc error: code = FailedPrecondition desc = "

static struct api_fake fake;

TEST(serves)
{
	static const struct {
		const char *method, *target;
		int ours;
	} cases[] = {
		{ "GET", "/_ping", 1 }, { "HEAD", "/_ping", 1 }, { "GET", "/v1.41/info", 1 },
		{ "GET", "/services?filters=x", 1 }, { "POST", "/v1.24/services/create", 1 },
		{ "GET", "/v1.41/networks/abc", 1 }, { "DELETE", "/networks/abc", 1 },
		{ "GET", "/secrets", 1 }, { "GET", "/configs", 1 }, { "POST", "/swarm/init", 1 },
		{ "POST", "/networks/prune", 0 }, { "POST", "/networks/abc/connect", 0 },
		{ "GET", "/containers/json", 0 }, { "GET", "/images/json", 0 },
		{ "POST", "/build", 0 }, { "GET", "/events", 0 }, { "GET", "/volumes", 0 },
		{ "POST", "/secrets/create", 1 }, { "PUT", "/services", 0 },
		{ "GET", "/services/", 0 }, { "GET", "*", 0 }, { "GET", "/", 0 }, { "GET", "", 0 },
	};

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
		CHECK_INT(api_serves(slice_of(cases[i].method), slice_of(cases[i].target)),
			  cases[i].ours);
}

TEST(ping)
{
	api_fake_init(&fake);
	CHECK_INT(api_fake_call(&fake, "GET", "/_ping", NULL), 200);
	CHECK_STR(fake.body, "OK");
	CHECK_STR(fake.type, "text/plain; charset=utf-8");
	CHECK_INT(api_fake_call(&fake, "HEAD", "/_ping", NULL), 200);
	CHECK_STR(fake.body, "");
	api_fake_done(&fake);
}

TEST(versions)
{
	api_fake_init(&fake);
	CHECK_STR(api_fake_error(&fake, "GET", "/v1.23/info", NULL),
		  "client version 1.23 is too old. Minimum supported API version is 1.24, please "
		  "upgrade your client to a newer version");
	CHECK_INT(fake.status, 400);
	CHECK_STR(api_fake_error(&fake, "GET", "/v1.99/info", NULL),
		  "client version 1.99 is too new. Maximum supported API version is 1.41");
	CHECK_INT(fake.status, 400);
	CHECK_STR(api_fake_error(&fake, "GET", "/v2.30/info", NULL),
		  "client version 2.30 is too new. Maximum supported API version is 1.41");
	CHECK_STR(api_fake_error(&fake, "GET", "/v1.41/containers/json", NULL), "page not found");
	CHECK_INT(fake.status, 404);
	CHECK_INT(api_fake_call(&fake, "GET", "/version", NULL), 200);
	CHECK(slice_is(json_string(json_get(api_fake_json(&fake), "ApiVersion")), "1.41"));
	CHECK(slice_is(json_string(json_get(api_fake_json(&fake), "Arch")), "amd64"));
	api_fake_done(&fake);
}

TEST(not_ready)
{
	api_fake_init(&fake);
	fake.ready = 0;
	CHECK_STR(api_fake_error(&fake, "GET", "/services", NULL),
		  "This node is not a swarm manager. Manager is being prepared or has trouble "
		  "connecting to the cluster.");
	CHECK_INT(fake.status, 503);
	CHECK_INT(api_fake_call(&fake, "GET", "/_ping", NULL), 200);
	CHECK_INT(api_fake_call(&fake, "GET", "/info", NULL), 200);
	CHECK(strstr(fake.body, "\"LocalNodeState\":\"pending\",\"ControlAvailable\":false"));
	api_fake_done(&fake);
}

TEST(info_before_the_first_entry)
{
	static const struct manager_config config = {
		.node_id = "n", .hostname = "h", .advertise_addr = "", .engine_socket = "/e",
		.data_dir = "/d",
	};

	api_fake_init(&fake);
	state_done(&fake.state);
	state_init(&fake.state);
	fake.api.config = &config;
	fake.ready = 0;
	CHECK_INT(api_fake_call(&fake, "GET", "/info", NULL), 200);
	CHECK(json_type(api_fake_json(&fake)) == JSON_OBJECT);
	CHECK_INT(api_fake_call(&fake, "GET", "/version", NULL), 200);
	api_fake_done(&fake);
}

TEST(info_warns_of_two_managers)
{
	static const char text[] = "two managers are worse than one";

	api_fake_init(&fake);
	for (uint32_t i = 1; i <= 3; i++) {
		fake.manager_count = i;
		fake.managers[1] = (struct api_manager){ "node2", "192.0.2.2:2377", 0, 1, 1 };
		fake.managers[2] = (struct api_manager){ "node3", "192.0.2.3:2377", 0, 1, 1 };
		CHECK_INT(api_fake_call(&fake, "GET", "/info", NULL), 200);
		CHECK_INT(strstr(fake.body, text) != NULL, i == 2);
		CHECK_INT(json_get(api_fake_json(&fake), "Warnings") != NULL, i == 2);
	}
	api_fake_done(&fake);
}

TEST(info)
{
	const struct json *swarm;
	int64_t n;

	api_fake_init(&fake);
	CHECK_INT(api_fake_call(&fake, "GET", "/v1.41/info", NULL), 200);
	swarm = json_get(api_fake_json(&fake), "Swarm");
	CHECK(slice_is(json_string(json_get(swarm, "NodeID")), "node1"));
	CHECK(slice_is(json_string(json_get(swarm, "NodeAddr")), "192.0.2.1"));
	CHECK(slice_is(json_string(json_get(swarm, "LocalNodeState")), "active"));
	CHECK(json_is_true(json_get(swarm, "ControlAvailable")));
	CHECK(json_to_i64(json_get(swarm, "Managers"), &n) == 0 && n == 1);
	CHECK(json_to_i64(json_get(swarm, "Nodes"), &n) == 0 && n == 1);
	CHECK(slice_is(json_string(json_get(json_first(json_get(swarm, "RemoteManagers")), "Addr")),
		       "192.0.2.1:2377"));
	CHECK(slice_is(json_string(json_get(json_get(swarm, "Cluster"), "ID")), "cluster1"));
	CHECK(json_to_i64(json_get(api_fake_json(&fake), "NCPU"), &n) == 0 && n == 2);
	CHECK(json_to_i64(json_get(api_fake_json(&fake), "MemTotal"), &n) == 0 && n == 4096000000);
	api_fake_done(&fake);
}

TEST(swarm)
{
	api_fake_init(&fake);
	CHECK_INT(api_fake_call(&fake, "GET", "/swarm", NULL), 200);
	CHECK(strstr(fake.body, "\"TaskHistoryRetentionLimit\":5"));
	CHECK(strstr(fake.body, "\"SubnetSize\":24"));
	CHECK_STR(api_fake_error(&fake, "POST", "/swarm/init", "{}"),
		  "This node is already part of a swarm. Use \"docker swarm leave\" to leave this "
		  "swarm and join another one.");
	CHECK_INT(fake.status, 503);
	CHECK_INT(api_fake_call(&fake, "POST", "/swarm/join", "{}"), 503);
	CHECK_STR(api_fake_error(&fake, "POST", "/swarm/leave", NULL),
		  "You are attempting to leave the swarm on a node that is participating as a "
		  "manager. Removing the last manager erases all current state of the swarm. Use "
		  "`--force` to ignore this message. ");
	CHECK_INT(fake.status, 503);
	api_fake_call(&fake, "POST", "/swarm/leave?force=1", NULL);
	CHECK_INT(fake.outcome, API_LEAVE);
	CHECK_STR(api_fake_error(&fake, "POST", "/swarm/unlock", "{}"), "swarm is not locked");
	CHECK_INT(fake.status, 409);
	CHECK_INT(api_fake_call(&fake, "GET", "/swarm/unlockkey", NULL), 200);
	CHECK_STR(fake.body, "{\"UnlockKey\":\"\"}\n");
	CHECK_INT(api_fake_call(&fake, "GET", "/secrets", NULL), 200);
	CHECK_STR(fake.body, "[]\n");
	api_fake_done(&fake);
}

TEST(no_secrets_yet)
{
	api_fake_init(&fake);
	CHECK_STR(api_fake_error(&fake, "POST", "/secrets/create", "{}"),
		  "rpc error: code = Unimplemented desc = secrets are not supported yet");
	CHECK_INT(fake.status, 501);
	CHECK_STR(api_fake_error(&fake, "POST", "/configs/create", "{}"),
		  "rpc error: code = Unimplemented desc = configs are not supported yet");
	CHECK_STR(api_fake_error(&fake, "DELETE", "/configs/a", NULL), "config a not found");
	CHECK_STR(api_fake_error(&fake, "GET", "/secrets/a%20b", NULL), "secret a b not found");
	CHECK_INT(fake.status, 404);
	CHECK_STR(api_fake_error(&fake, "GET", "/secrets/a%0", NULL),
		  "the path is not well encoded");
	CHECK_INT(fake.status, 400);
	api_fake_done(&fake);
}

TEST(swarm_update)
{
	static const struct {
		const char *query, *body;
		int status;
		const char *message;
	} cases[] = {
		{ "", "{\"Name\":\"default\"}", 400, "invalid swarm version '': strconv.ParseUint: "
		  "parsing \"\": invalid syntax" },
		{ "?version=9", "{\"Name\":\"default\"}", 500,
		  "rpc error: code = Unknown desc = update out of sequence" },
		{ "?version=1", "{\"Name\":\"x\"}", 400, "swarm spec must be named \"default\"" },
		{ "?version=1&rotateWorkerToken=xx", "{\"Name\":\"default\"}", 400,
		  "invalid value for rotateWorkerToken: xx" },
		{ "?version=1&rotateManagerUnlockKey=2", "{\"Name\":\"default\"}", 400,
		  "invalid value for rotateManagerUnlockKey: 2" },
		{ "?version=1", "{\"Name\":\"default\",\"CAConfig\":{\"ForceRotate\":1}}", 500,
		  "rpc error: code = Unknown desc = the swarm's authority cannot be used" },
		{ "?version=1", "{\"Name\":\"default\",\"CAConfig\":{\"NodeCertExpiry\":"
		  "59999999999}}", 400, "rpc error: code = InvalidArgument desc = minimum "
		  "certificate expiry time is: 1m0s" },
		{ "?version=1", "{\"Name\":\"default\",\"CAConfig\":{\"NodeCertExpiry\":"
		  "630720000000000001}}", 400, "rpc error: code = InvalidArgument desc = maximum "
		  "certificate expiry time is: 175200h0m0s" },
		{ "?version=1", "{\"Name\":\"default\",\"CAConfig\":{"
		  "\"SigningCACert\":\"x\"}}", 501,
		  "rpc error: code = Unimplemented desc = roots and authorities that the swarm "
		  "did not make itself are not supported yet" },
		{ "?version=1", "{\"Name\":\"default\",\"CAConfig\":{\"ExternalCAs\":["
		  "{\"Protocol\":\"cfssl\"}],\"ForceRotate\":1}}", 501,
		  "rpc error: code = Unimplemented desc = roots and authorities that the swarm "
		  "did not make itself are not supported yet" },
	};

	api_fake_init(&fake);
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		CHECK_STR(api_fake_error(&fake, "POST", arena_printf(&fake.arena, "/swarm/update%s",
			  cases[i].query), cases[i].body), cases[i].message);
		CHECK_INT(fake.status, cases[i].status);
	}
	CHECK_INT(api_fake_call(&fake, "POST", "/swarm/update?version=1&rotateWorkerToken=false",
				"{\"Name\":\"default\",\"Orchestration\":{"
				"\"TaskHistoryRetentionLimit\":9},"
				"\"Raft\":{\"ElectionTick\":11},"
				"\"Dispatcher\":{\"HeartbeatPeriod\":7},"
				"\"CAConfig\":{\"NodeCertExpiry\":3600000000000},"
				"\"EncryptionConfig\":{\"AutoLockManagers\":false}}"), 200);
	CHECK_INT(state_cluster(&fake.state)->spec.orchestration.task_history_retention_limit, 9);
	CHECK_INT(api_fake_call(&fake, "POST", "/swarm/update?version=4",
				"{\"Name\":\"default\",\"Labels\":{\"a\":\"b\"}}"), 200);
	CHECK_INT(state_cluster(&fake.state)->spec.orchestration.task_history_retention_limit, 9);
	CHECK_INT(state_cluster(&fake.state)->spec.raft.election_tick, 11);
	CHECK_INT(state_cluster(&fake.state)->spec.dispatcher.heartbeat_period, 7);
	CHECK_INT(state_cluster(&fake.state)->spec.ca.node_cert_expiry, INT64_C(3600000000000));
	CHECK_STR(labels_get(&state_cluster(&fake.state)->spec.labels, "a"), "b");
	api_fake_done(&fake);
}

static const char *shown;	/* the unlock key after update_lock; "" if there is none */

static void update_lock(const char *query, const char *members)
{
	uint64_t version = state_cluster(&fake.state)->meta.version;
	const char *stored;

	CHECK_INT(api_fake_call(&fake, "POST", arena_printf(&fake.arena,
		  "/swarm/update?version=%llu%s", (unsigned long long)version, query),
		  arena_printf(&fake.arena, "{\"Name\":\"default\"%s}", members)), 200);
	CHECK_INT(api_fake_call(&fake, "GET", "/swarm/unlockkey", NULL), 200);
	shown = arena_str(&fake.arena, json_string(json_get(api_fake_json(&fake), "UnlockKey")));
	stored = state_cluster(&fake.state)->unlock_key;
	CHECK_STR(shown, stored ? stored : "");
	CHECK_INT(api_fake_call(&fake, "GET", "/swarm", NULL), 200);
	CHECK_INT(strstr(fake.body, "\"AutoLockManagers\":true") != NULL, *shown != '\0');
	CHECK(!strstr(fake.body, "SWMKEY") && !strstr(fake.body, "UnlockKey"));
	CHECK_INT(api_fake_call(&fake, "GET", "/info", NULL), 200);
	CHECK(!strstr(fake.body, "SWMKEY"));
}

TEST(an_unlock_key_is_drawn_kept_rotated_and_forgotten)
{
	static const char on[] = ",\"EncryptionConfig\":{\"AutoLockManagers\":true}";
	static const char off[] = ",\"EncryptionConfig\":{\"AutoLockManagers\":false}";
	static const char rotate[] = "&rotateManagerUnlockKey=true";
	static const struct {
		const char *query, *members;
		int locks, is_other;	/* than before */
	} cases[] = {
		{ "", "", 0, 0 }, { rotate, "", 0, 0 }, { "", off, 0, 0 }, { "", on, 1, 1 },
		{ "", on, 1, 0 }, { "&rotateManagerUnlockKey=false", "", 1, 0 },
		{ "&rotateManagerToken=false", ",\"Labels\":{}", 1, 0 }, { rotate, "", 1, 1 },
		{ rotate, on, 1, 1 }, { rotate, off, 0, 1 }, { "", on, 1, 1 },
	};
	const char *before = "";
	struct seal_key key;

	api_fake_init(&fake);
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		update_lock(cases[i].query, cases[i].members);
		CHECK_INT(unlock_parse(slice_of(shown), &key) == 0, cases[i].locks);
		CHECK_INT(strcmp(shown, before) != 0, cases[i].is_other);
		before = shown;
	}
	api_fake_done(&fake);
}

#define LOCKED "Swarm is encrypted and needs to be unlocked before it can be used. Please use " \
	"\"docker swarm unlock\" to unlock it."

static void start_locked(void)
{
	api_fake_init(&fake);
	state_done(&fake.state);
	state_init(&fake.state);
	fake.ready = 0;
	fake.locked = 1;
	fake.manager_count = 0;
}

TEST(a_locked_node_tells_what_it_is_and_no_more)
{
	static const char *const closed[][2] = {
		{ "GET", "/swarm" }, { "GET", "/swarm/unlockkey" }, { "GET", "/nodes" },
		{ "GET", "/services" }, { "POST", "/services/create" }, { "GET", "/secrets" },
		{ "POST", "/swarm/update?version=1" }, { "POST", "/swarm/init" },
		{ "POST", "/swarm/join" }, { "POST", "/swarm/enrol" },
		{ "POST", "/swarm/enrol/node1" }, { "GET", "/v1/kv/a?stale" },
		{ "PUT", "/v1/kv/a" }, { "GET", "/containers/json" }, { "GET", "/nothing" },
		{ "GET", "/v1.41/tasks" }, { "DELETE", "/networks/a" },
	};
	const struct json *swarm;

	start_locked();
	for (size_t i = 0; i < sizeof(closed) / sizeof(closed[0]); i++) {
		CHECK_STR(api_fake_error(&fake, closed[i][0], closed[i][1], "{}"), LOCKED);
		CHECK_INT(fake.status, 503);
	}
	CHECK_INT(api_fake_call(&fake, "GET", "/_ping", NULL), 200);
	CHECK_INT(api_fake_call(&fake, "HEAD", "/v1.41/_ping", NULL), 200);
	CHECK_INT(api_fake_call(&fake, "GET", "/version", NULL), 200);
	CHECK_INT(api_fake_call(&fake, "GET", "/v1.41/info", NULL), 200);
	swarm = json_get(api_fake_json(&fake), "Swarm");
	CHECK(slice_is(json_string(json_get(swarm, "LocalNodeState")), "locked"));
	CHECK(slice_is(json_string(json_get(swarm, "Error")), LOCKED));
	CHECK(!json_is_true(json_get(swarm, "ControlAvailable")));
	CHECK(!json_get(swarm, "Cluster"));
	api_fake_done(&fake);
}

TEST(a_locked_node_takes_a_key_or_leaves_by_force)
{
	static const char *const none[] = {
		"{}", "{\"UnlockKey\":\"\"}", "{\"UnlockKey\":7}",
		"{\"UnlockKey\":\"SWMTKN-1-AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA\"}",
		"{\"UnlockKey\":\"SWMKEY-1-AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA\"}",
		"{\"UnlockKey\":\"SWMKEY-1-AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA \"}",
	};
	struct seal_key key = { "one key" };
	char text[UNLOCK_TEXT_LEN + 1];

	start_locked();
	for (size_t i = 0; i < sizeof(none) / sizeof(none[0]); i++) {
		CHECK_STR(api_fake_error(&fake, "POST", "/swarm/unlock", none[i]),
			  "invalid key string");
		CHECK_INT(fake.status, 400);
	}
	CHECK_INT(api_fake_call(&fake, "POST", "/swarm/unlock", "["), 400);
	unlock_build(&key, text);
	CHECK_INT(api_fake_call(&fake, "POST", "/swarm/unlock", arena_printf(&fake.arena,
		  "{\"UnlockKey\":\"%s\"}", text)), 0);
	CHECK_INT(fake.outcome, API_UNLOCK);
	CHECK(memcmp(&fake.unlock_key, &key, sizeof(key)) == 0);
	CHECK_STR(api_fake_error(&fake, "POST", "/swarm/leave", NULL),
		  "Swarm is encrypted and locked. Please unlock it first or use `--force` to "
		  "ignore this message.");
	CHECK_INT(fake.status, 503);
	api_fake_call(&fake, "POST", "/swarm/leave?force=1", NULL);
	CHECK_INT(fake.outcome, API_LEAVE);
	api_fake_done(&fake);
}

static void add_worker(const char *state)
{
	api_fake_put(&fake, OBJECT_NODE, arena_printf(&fake.arena,
		"{\"ID\":\"node2\",\"Spec\":{\"Role\":\"worker\",\"Availability\":\"active\","
		"\"Labels\":{\"disk\":\"ssd\"}},\"Description\":{\"Hostname\":\"host2\"},"
		"\"Status\":{\"State\":\"%s\"}}", state));
}

TEST(node_list)
{
	static const struct {
		const char *filter;
		int one, two;
	} cases[] = {
		{ "{}", 1, 1 }, { "{%22role%22:[%22worker%22]}", 0, 1 },
		{ "{%22name%22:[%22host1%22]}", 1, 0 }, { "{%22id%22:[%22node%22]}", 1, 1 },
		{ "{%22node.label%22:[%22disk=ssd%22]}", 0, 1 },
		{ "{%22label%22:[%22disk%22]}", 0, 0 },
		{ "{%22membership%22:[%22accepted%22]}", 1, 1 },
		{ "{%22membership%22:[%22pending%22]}", 0, 0 },
	};

	api_fake_init(&fake);
	add_worker("ready");
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		CHECK_INT(api_fake_call(&fake, "GET", arena_printf(&fake.arena, "/nodes?filters=%s",
			  cases[i].filter), NULL), 200);
		CHECK_INT(strstr(fake.body, "\"ID\":\"node1\"") != NULL, cases[i].one);
		CHECK_INT(strstr(fake.body, "\"ID\":\"node2\"") != NULL, cases[i].two);
	}
	CHECK_STR(api_fake_error(&fake, "GET", "/nodes?filters={%22role%22:[%22x%22]}", NULL),
		  "Invalid role filter: 'x'");
	CHECK_INT(fake.status, 500);
	CHECK_INT(api_fake_call(&fake, "GET", "/nodes/host2", NULL), 200);
	CHECK_STR(api_fake_error(&fake, "GET", "/nodes/x", NULL), "node x not found");
	api_fake_done(&fake);
}

TEST(node_update)
{
	static const struct {
		const char *target, *body;
		int status;
		const char *message;
	} cases[] = {
		{ "/nodes/node1/update", "{}", 400, "invalid node version '': strconv.ParseUint: "
		  "parsing \"\": invalid syntax" },
		{ "/nodes/node1/update?version=2", "{\"Role\":\"boss\",\"Availability\":"
		  "\"active\"}",
		  400, "invalid Role: \"boss\"" },
		{ "/nodes/node1/update?version=2", "{\"Role\":\"manager\",\"Availability\":"
		  "\"active\",\"Labels\":7}", 400, "rpc error: code = InvalidArgument desc = "
		  "Labels: must be an object of strings" },
		{ "/nodes/node1/update?version=2", "{\"Availability\":\"drain\"}", 400,
		  "invalid Role: \"\"" },
		{ "/nodes/node1/update?version=2", "{\"Role\":\"manager\",\"Availability\":\"x\"}",
		  400, "invalid Availability: \"x\"" },
		{ "/nodes/node1/update?version=2", "{\"Role\":\"worker\",\"Availability\":"
		  "\"active\"}",
		  400, FAILED "attempting to demote the last manager of the swarm" },
	};

	api_fake_init(&fake);
	add_worker("ready");
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		CHECK_STR(api_fake_error(&fake, "POST", cases[i].target, cases[i].body),
			  cases[i].message);
		CHECK_INT(fake.status, cases[i].status);
	}
	CHECK_INT(api_fake_call(&fake, "POST", "/nodes/host1/update?version=2",
				"{\"Role\":\"manager\",\"Availability\":\"drain\",\"Labels\":{"
				"\"a\":\"b\"}}"), 200);
	CHECK_INT(state_node(&fake.state, "node1")->spec.availability, AVAILABILITY_DRAIN);
	CHECK_STR(labels_get(&state_node(&fake.state, "node1")->spec.labels, "a"), "b");
	CHECK_STR(state_node(&fake.state, "node1")->description.hostname, "host1");
	api_fake_done(&fake);
}

/* The swarm of three: node1 leads, node2 answers, node3 does not; node2 lost its log and is there
 * a second time, as one that catches up. */
static void three_managers(void)
{
	fake.managers[1] = (struct api_manager){ "node2", "192.0.2.20:1", 0, 0, 0 };
	fake.managers[2] = (struct api_manager){ "node2", "192.0.2.2:2377", 0, 1, 1 };
	fake.managers[3] = (struct api_manager){ "node3", "192.0.2.3:2377", 0, 0, 1 };
	fake.manager_count = 4;
}

TEST(roles_change_while_most_managers_answer)
{
	static const char promote[] = "{\"Role\":\"manager\",\"Availability\":\"active\"}";
	static const char demote[] = "{\"Role\":\"worker\",\"Availability\":\"active\"}";

	api_fake_init(&fake);
	add_worker("ready");
	CHECK_INT(api_fake_call(&fake, "POST", "/nodes/node2/update?version=4", promote), 200);
	CHECK_INT(state_node(&fake.state, "node2")->spec.role, ROLE_MANAGER);
	three_managers();
	CHECK_STR(api_fake_error(&fake, "POST", "/nodes/node2/update?version=5", demote),
		  FAILED "can't remove member from the raft: this would result in a loss of "
		  "quorum");
	CHECK_INT(fake.status, 400);
	fake.managers[3].reachable = 1;
	CHECK_INT(api_fake_call(&fake, "POST", "/nodes/node2/update?version=5", demote), 200);
	CHECK_INT(state_node(&fake.state, "node2")->spec.role, ROLE_WORKER);
	api_fake_done(&fake);
}

TEST(node_remove)
{
	api_fake_init(&fake);
	add_worker("ready");
	CHECK_STR(api_fake_error(&fake, "DELETE", "/nodes/node1?force=1", NULL),
		  FAILED "node node1 is a cluster manager and is a member of the raft cluster. It "
		  "must be demoted to worker before removal");
	CHECK_INT(fake.status, 400);
	CHECK_STR(api_fake_error(&fake, "DELETE", "/nodes/node2", NULL),
		  FAILED "node node2 is not down and can't be removed");
	CHECK_INT(fake.status, 400);
	CHECK_INT(api_fake_call(&fake, "DELETE", "/nodes/node2?force=1", NULL), 200);
	CHECK(!state_node(&fake.state, "node2"));
	add_worker("down");
	CHECK_INT(api_fake_call(&fake, "DELETE", "/nodes/node2", NULL), 200);
	api_fake_done(&fake);
}

TEST(manager_status_is_what_raft_knows)
{
	const struct json *swarm, *list;
	int64_t n;

	api_fake_init(&fake);
	add_worker("ready");
	CHECK_INT(api_fake_call(&fake, "GET", "/nodes/node2", NULL), 200);
	CHECK(!strstr(fake.body, "ManagerStatus"));
	three_managers();
	CHECK_INT(api_fake_call(&fake, "GET", "/nodes/node2", NULL), 200);
	CHECK(strstr(fake.body, "\"ManagerStatus\":{\"Reachability\":\"reachable\",\"Addr\":"
		     "\"192.0.2.2:2377\"}"));
	fake.managers[2].reachable = 0;
	CHECK_INT(api_fake_call(&fake, "GET", "/nodes", NULL), 200);
	CHECK(strstr(fake.body, "\"ManagerStatus\":{\"Leader\":true,\"Reachability\":"
		     "\"reachable\",\"Addr\":\"192.0.2.1:2377\"}"));
	CHECK(strstr(fake.body, "\"ManagerStatus\":{\"Reachability\":\"unreachable\",\"Addr\":"
		     "\"192.0.2.2:2377\"}"));
	CHECK_INT(api_fake_call(&fake, "GET", "/info", NULL), 200);
	swarm = json_get(api_fake_json(&fake), "Swarm");
	list = json_get(swarm, "RemoteManagers");
	CHECK_INT(json_count(list), 3);
	CHECK(slice_is(json_string(json_get(json_next(json_first(list)), "Addr")),
		       "192.0.2.2:2377"));
	CHECK(json_to_i64(json_get(swarm, "Managers"), &n) == 0 && n == 3);
	CHECK(json_to_i64(json_get(swarm, "Nodes"), &n) == 0 && n == 2);
	CHECK(json_is_true(json_get(swarm, "ControlAvailable")));
	fake.managers[0].node_id = "other";
	CHECK_INT(api_fake_call(&fake, "GET", "/info", NULL), 200);
	CHECK(!json_is_true(json_get(json_get(api_fake_json(&fake), "Swarm"), "ControlAvailable")));
	api_fake_done(&fake);
}

TEST(a_node_that_is_a_manager_no_more_can_be_removed)
{
	api_fake_init(&fake);
	three_managers();
	add_worker("down");
	CHECK_STR(api_fake_error(&fake, "DELETE", "/nodes/node2?force=1", NULL),
		  FAILED "node node2 is a cluster manager and is a member of the raft cluster. It "
		  "must be demoted to worker before removal");
	fake.manager_count = 1;
	CHECK_INT(api_fake_call(&fake, "DELETE", "/nodes/node2", NULL), 200);
	api_fake_done(&fake);
}

#define LEAVING "You are attempting to leave the swarm on a node that is participating as a " \
	"manager. "
#define WAY_BACK "The only way to restore a swarm that has lost consensus is to reinitialize " \
	"it with `--force-new-cluster`. Use `--force` to suppress this message."

TEST(leaving_needs_force_and_says_what_is_lost)
{
	api_fake_init(&fake);
	three_managers();
	CHECK_STR(api_fake_error(&fake, "POST", "/swarm/leave", NULL),
		  LEAVING "Removing this node leaves 1 managers out of 3. Without a Raft quorum "
		  "your swarm will be inaccessible. " WAY_BACK);
	CHECK_INT(fake.status, 503);
	fake.managers[3].reachable = 1;
	CHECK_STR(api_fake_error(&fake, "POST", "/swarm/leave", NULL), LEAVING WAY_BACK);
	fake.managers[0].leader = 0;
	CHECK_STR(api_fake_error(&fake, "POST", "/swarm/leave", NULL),
		  LEAVING "Doing so may lose the consensus of your cluster. " WAY_BACK);
	api_fake_call(&fake, "POST", "/swarm/leave?force=1", NULL);
	CHECK_INT(fake.outcome, API_LEAVE);
	/* Out already: nothing to ask for. */
	fake.managers[0].node_id = "other";
	api_fake_call(&fake, "POST", "/swarm/leave", NULL);
	CHECK_INT(fake.outcome, API_LEAVE);
	api_fake_done(&fake);
}

static const struct network *network(const char *name)
{
	return state_find_name(&fake.state, OBJECT_NETWORK, name);
}

TEST(network_create)
{
	const struct network *n;

	api_fake_init(&fake);
	CHECK_INT(api_fake_call(&fake, "POST", "/networks/create",
				"{\"Name\":\"back\",\"Driver\":\"overlay\",\"Attachable\":true,"
				"\"CheckDuplicate\":true,\"Labels\":{\"a\":\"b\"},\"IPAM\":{"
				"\"Driver\":\"default\"},\"ConfigFrom\":{\"Network\":\"\"}}"), 201);
	n = network("back");
	CHECK_STR(fake.body, arena_printf(&fake.arena, "{\"Id\":\"%s\",\"Warning\":\"\"}\n",
					  n->meta.id));
	CHECK_INT(n->spec.ipam.config.count, 1);
	CHECK_STR(LIST_AT(&n->spec.ipam.config, struct ipam_config, 0)->subnet, "10.0.1.0/24");
	CHECK_INT(n->spec.extra.len, 0);
	CHECK_INT(api_fake_call(&fake, "GET", "/v1.41/networks/back", NULL), 200);
	CHECK(strstr(fake.body, "\"Scope\":\"swarm\",\"Driver\":\"overlay\""));
	CHECK(strstr(fake.body, "\"Attachable\":true,\"Ingress\":false"));
	CHECK(strstr(fake.body, "\"Containers\":null,\"Options\":{},\"Labels\":{\"a\":\"b\"}}"));
	CHECK(strstr(fake.body, "\"Config\":[{\"Subnet\":\"10.0.1.0/24\",\"Gateway\":"
		"\"10.0.1.1\"}]"));
	CHECK(json_type(api_fake_json(&fake)) == JSON_OBJECT);
	api_fake_done(&fake);
}

TEST(network_refused)
{
	static const struct {
		const char *body;
		int status;
		const char *message;
	} cases[] = {
		{ "{\"Name\":\"a b\"}", 400, "rpc error: code = InvalidArgument desc = name "
		  "must be "
		  "valid as a DNS name component" },
		{ "{}", 400, "rpc error: code = InvalidArgument desc = meta: name must be "
		  "provided" },
		{ "{\"Name\":\"Ingress\"}", 409, "network with name Ingress already exists" },
		{ "{\"Name\":\"host\"}", 409, "network with name host already exists" },
		{ "{\"Name\":\"a\",\"Ingress\":true}", 409, "rpc error: code = AlreadyExists "
		  "desc = "
		  "ingress network (ingress1) is already present" },
		{ "{\"Name\":\"a\",\"Driver\":\"macvlan\"}", 501, "rpc error: code = Unimplemented "
		  "desc = network driver \"macvlan\" is not supported for networks of the swarm: "
		  "use overlay" },
		{ "{\"Name\":\"a\",\"Scope\":\"local\"}", 501, "rpc error: code = Unimplemented "
		  "desc = only networks of scope swarm can be created here" },
		{ "{\"Name\":\"a\",\"ConfigOnly\":true}", 501, "rpc error: code = Unimplemented "
		  "desc = configuration-only networks are not supported" },
		{ "{\"Name\":\"a\",\"ConfigFrom\":{\"Network\":\"c\"}}", 501, "rpc error: code = "
		  "Unimplemented desc = configuration-only networks are not supported" },
		{ "{\"Name\":\"a\",\"EnableIPv6\":true}", 501, "rpc error: code = Unimplemented "
		  "desc = networks with IPv6 are not supported yet" },
		{ "{\"Name\":\"a\",\"Options\":{\"encrypted\":\"\"}}", 501, "rpc error: code = "
		  "Unimplemented desc = encrypted networks are not supported yet" },
		{ "{\"Name\":\"a\",\"IPAM\":{\"Driver\":\"x\"}}", 501, "rpc error: code = "
		  "Unimplemented desc = IPAM drivers other than default are not supported" },
	};

	api_fake_init(&fake);
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		CHECK_STR(api_fake_error(&fake, "POST", "/networks/create", cases[i].body),
			  cases[i].message);
		CHECK_INT(fake.status, cases[i].status);
	}
	CHECK_INT(api_fake_call(&fake, "POST", "/networks/create",
				"{\"Name\":\"a\",\"IPAM\":{\"Config\":[{\"Subnet\":"
				"\"10.0.0.0/24\"}]}}"),
		  400);
	api_fake_done(&fake);
}

TEST(network_list)
{
	static const struct {
		const char *filter;
		int ingress, back;
	} cases[] = {
		{ "{}", 1, 1 }, { "{%22name%22:[%22ack%22]}", 0, 1 },
		{ "{%22driver%22:[%22bridge%22]}", 0, 0 }, { "{%22scope%22:[%22swarm%22]}", 1, 1 },
		{ "{%22type%22:[%22builtin%22]}", 0, 0 }, { "{%22label%22:[%22a=b%22]}", 0, 1 },
		{ "{%22dangling%22:[%22true%22]}", 1, 1 },
	};

	api_fake_init(&fake);
	api_fake_call(&fake, "POST", "/networks/create",
		      "{\"Name\":\"back\",\"Labels\":{\"a\":\"b\"}}");
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		CHECK_INT(api_fake_call(&fake, "GET", arena_printf(&fake.arena,
			  "/networks?filters=%s", cases[i].filter), NULL), 200);
		CHECK_INT(strstr(fake.body, "\"Name\":\"ingress\"") != NULL, cases[i].ingress);
		CHECK_INT(strstr(fake.body, "\"Name\":\"back\"") != NULL, cases[i].back);
	}
	CHECK_STR(api_fake_error(&fake, "GET", "/networks/nope", NULL), "network nope not found");
	CHECK_INT(fake.status, 404);
	CHECK_INT(api_fake_call(&fake, "GET", "/networks/back?scope=swarm", NULL), 200);
	CHECK_STR(api_fake_error(&fake, "GET", "/networks/back?scope=local", NULL),
		  "network back not found");
	api_fake_done(&fake);
}

TEST(network_remove)
{
	const char *id, *user, *refused;

	api_fake_init(&fake);
	api_fake_call(&fake, "POST", "/networks/create", "{\"Name\":\"back\"}");
	id = arena_str(&fake.arena, slice_of(network("back")->meta.id));
	api_fake_call(&fake, "POST", "/services/create",
		      "{\"Name\":\"web\",\"TaskTemplate\":{\"ContainerSpec\":{\"Image\":\"b\"},"
		      "\"Networks\":[{\"Target\":\"back\"}]},\"EndpointSpec\":{\"Ports\":[{"
		      "\"TargetPort\":80}]}}");
	CHECK_INT(fake.status, 201);
	user = ((const struct meta *)state_find_name(&fake.state, OBJECT_SERVICE, "web"))->id;
	refused = arena_printf(&fake.arena, FAILED "network %s is in use by service %s", id, user);
	CHECK_STR(api_fake_error(&fake, "DELETE", "/networks/back", NULL), refused);
	CHECK_INT(fake.status, 400);
	refused = arena_printf(&fake.arena, FAILED "ingress network cannot be removed because "
			       "service %s depends on it", user);
	CHECK_STR(api_fake_error(&fake, "DELETE", "/networks/ingress", NULL), refused);
	CHECK_INT(api_fake_call(&fake, "DELETE", "/services/web", NULL), 200);
	CHECK_INT(api_fake_call(&fake, "DELETE", "/networks/back", NULL), 204);
	CHECK_STR(fake.body, "");
	CHECK(state_network(&fake.state, id)->pending_delete);
	CHECK_INT(api_fake_call(&fake, "GET", arena_printf(&fake.arena, "/networks/%s", id), NULL),
		  404);
	CHECK_STR(api_fake_error(&fake, "DELETE", "/networks/back", NULL), "network back not "
		"found");
	CHECK_INT(api_fake_call(&fake, "POST", "/networks/create", "{\"Name\":\"back\"}"), 201);
	api_fake_done(&fake);
}
