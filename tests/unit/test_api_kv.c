/* /v1/kv/: what is answered to what, and reads that wait. */
#include <stdio.h>
#include <string.h>
#include "api_fake.h"
#include "unit.h"

static struct api_fake fake;

/* One request after the other on one store. The index of the n-th change is 3 + n, as there are
 * three objects in the state already. body NULL: none is sent. */
static const struct {
	const char *method, *target, *body;
	int status;
	const char *answer;	/* NULL: not looked at */
	unsigned index;		/* X-Consul-Index, 0: no such header */
} cases[] = {
	{ "GET", "/v1/kv/a", NULL, 404, "", 1 },
	{ "GET", "/v1/kv/?recurse", NULL, 404, "", 1 },
	{ "GET", "/v1/kv/a?keys", NULL, 404, "", 1 },
	{ "PUT", "/v1/kv/a", "hello", 200, "true", 0 },
	{ "GET", "/v1/kv/a", NULL, 200, "[{\"LockIndex\":0,\"Key\":\"a\",\"Flags\":0,"
	  "\"Value\":\"aGVsbG8=\",\"CreateIndex\":4,\"ModifyIndex\":4}]", 4 },
	{ "GET", "/v1/kv/a?raw", NULL, 200, "hello", 4 },
	{ "PUT", "/v1/kv/a?flags=18446744073709551615", "", 200, "true", 0 },
	{ "GET", "/v1/kv/a", NULL, 200, "[{\"LockIndex\":0,\"Key\":\"a\","
	  "\"Flags\":18446744073709551615,\"Value\":null,\"CreateIndex\":4,\"ModifyIndex\":5}]",
	  5 },
	{ "GET", "/v1/kv/a?raw", NULL, 200, "", 5 },
	{ "PUT", "/v1/kv/a?cas=0", "x", 200, "false", 0 },
	{ "PUT", "/v1/kv/a?cas=5", "x", 200, "true", 0 },
	{ "PUT", "/v1/kv/b%2Fc/d%20e", "y", 200, "true", 0 },
	{ "PUT", "/v1/kv/b/c/", "z", 200, "true", 0 },
	{ "PUT", "/v1/kv/b//", "z", 200, "true", 0 },
	{ "GET", "/v1/kv/b?recurse", NULL, 200,
	  "[{\"LockIndex\":0,\"Key\":\"b//\",\"Flags\":0,\"Value\":\"eg==\",\"CreateIndex\":10,"
	  "\"ModifyIndex\":10},"
	  "{\"LockIndex\":0,\"Key\":\"b/c/\",\"Flags\":0,\"Value\":\"eg==\",\"CreateIndex\":9,"
	  "\"ModifyIndex\":9},"
	  "{\"LockIndex\":0,\"Key\":\"b/c/d e\",\"Flags\":0,\"Value\":\"eQ==\",\"CreateIndex\":8,"
	  "\"ModifyIndex\":8}]", 10 },
	{ "GET", "/v1/kv/?keys", NULL, 200, "[\"a\",\"b//\",\"b/c/\",\"b/c/d e\"]", 10 },
	{ "GET", "/v1/kv/?keys&separator=/", NULL, 200, "[\"a\",\"b/\"]", 10 },
	{ "GET", "/v1/kv/b/?keys&separator=/", NULL, 200, "[\"b//\",\"b/c/\"]", 10 },
	{ "GET", "/v1/kv/b/c/?keys&separator=%20", NULL, 200, "[\"b/c/\",\"b/c/d \"]", 9 },
	{ "GET", "/v1/kv/b", NULL, 404, "", 1 },
	{ "DELETE", "/v1/kv/a?cas=6", NULL, 200, "false", 0 },
	{ "DELETE", "/v1/kv/a?cas=7", NULL, 200, "true", 0 },
	{ "GET", "/v1/kv/a", NULL, 404, "", 12 },
	{ "DELETE", "/v1/kv/a", NULL, 200, "true", 0 },
	{ "DELETE", "/v1/kv/b/c?recurse", NULL, 200, "true", 0 },
	{ "GET", "/v1/kv/?recurse&keys", NULL, 200, "[\"b//\"]", 14 },
	{ "DELETE", "/v1/kv/?recurse", NULL, 200, "true", 0 },
	{ "GET", "/v1/kv/?recurse&stale", NULL, 404, "", 15 },
	{ "GET", "/v1/kv/a?consistent", NULL, 404, "", 12 },
	/* refused */
	{ "GET", "/v1/kv/", NULL, 400, "{\"message\":\"Missing key name\"}\n", 0 },
	{ "PUT", "/v1/kv/", "x", 400, "{\"message\":\"Missing key name\"}\n", 0 },
	{ "DELETE", "/v1/kv/", NULL, 400, "{\"message\":\"Missing key name\"}\n", 0 },
	{ "GET", "/v1/kv/a?index=x", NULL, 400, NULL, 0 },
	{ "GET", "/v1/kv/a?index=1&wait=5", NULL, 400, NULL, 0 },
	{ "GET", "/v1/kv/a?stale&consistent", NULL, 400, NULL, 0 },
	{ "GET", "/v1/kv/a?dc=east", NULL, 400, NULL, 0 },
	{ "GET", "/v1/kv/a%00", NULL, 400, NULL, 0 },
	{ "GET", "/v1/kv/a%zz", NULL, 400, NULL, 0 },
	{ "PUT", "/v1/kv/a?acquire=s", "x", 400, NULL, 0 },
	{ "PUT", "/v1/kv/a?release=s", "x", 400, NULL, 0 },
	{ "PUT", "/v1/kv/a?flags=-1", "x", 400, NULL, 0 },
	{ "PUT", "/v1/kv/a?cas=%zz", "x", 400, NULL, 0 },
	{ "DELETE", "/v1/kv/a?recurse&cas=1", NULL, 400, NULL, 0 },
	{ "POST", "/v1/kv/a", "x", 405, NULL, 0 },
	{ "GET", "/v1/kv", NULL, 404, NULL, 0 },
};

static unsigned consul_index(void)
{
	struct slice rest = slice_of(fake.headers);
	uint64_t index = 0;

	while (rest.len) {
		struct slice value = slice_cut(&rest, '\n');
		struct slice name = slice_cut(&value, ':');

		if (slice_is(name, "X-Consul-Index") &&
		    slice_to_u64(slice_trim(value), UINT32_MAX, &index) < 0)
			return UINT32_MAX;
	}
	return (unsigned)index;
}

TEST(answers_are_consuls)
{
	api_fake_init(&fake);
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		char where[256];

		snprintf(where, sizeof(where), "%s %s: %d", cases[i].method, cases[i].target,
			 api_fake_call(&fake, cases[i].method, cases[i].target, cases[i].body));
		CHECK_STR(where, arena_printf(&fake.arena, "%s %s: %d", cases[i].method,
					      cases[i].target, cases[i].status));
		if (cases[i].answer)
			CHECK_STR(fake.body, cases[i].answer);
		CHECK_INT(consul_index(), cases[i].index);
	}
	api_fake_done(&fake);
}

TEST(a_raw_value_runs_nothing_in_a_browser)
{
	api_fake_init(&fake);
	api_fake_call(&fake, "PUT", "/v1/kv/a", "<script>");
	api_fake_call(&fake, "GET", "/v1/kv/a?raw", NULL);
	CHECK_STR(fake.type, "text/plain");
	CHECK_STR(fake.headers, "X-Consul-Index: 4\r\nX-Consul-Knownleader: true\r\n"
		  "X-Consul-Lastcontact: 0\r\nX-Content-Type-Options: nosniff\r\n"
		  "Content-Security-Policy: sandbox\r\n");
	api_fake_done(&fake);
}

TEST(long_keys_and_values)
{
	static char target[2000], value[KV_VALUE_MAX + 2];

	api_fake_init(&fake);
	snprintf(target, sizeof(target), "/v1/kv/%0*d", KV_KEY_MAX, 7);
	CHECK_INT(api_fake_call(&fake, "PUT", target, "x"), 200);
	CHECK_INT(api_fake_call(&fake, "GET", target, NULL), 200);
	snprintf(target, sizeof(target), "/v1/kv/%0*d", KV_KEY_MAX + 1, 7);
	CHECK_INT(api_fake_call(&fake, "PUT", target, "x"), 400);
	CHECK_INT(api_fake_call(&fake, "GET", target, NULL), 400);
	memset(value, 'v', KV_VALUE_MAX);
	CHECK_INT(api_fake_call(&fake, "PUT", "/v1/kv/a", value), 200);
	value[KV_VALUE_MAX] = 'v';
	CHECK_INT(api_fake_call(&fake, "PUT", "/v1/kv/a", value), 413);
	fake.state.kv.bytes = KV_BYTES_MAX;
	CHECK_STR(api_fake_error(&fake, "PUT", "/v1/kv/b", "x"),
		  "the key-value store is full: it holds 256 MiB");
	CHECK_INT(fake.status, 507);
	api_fake_done(&fake);
}

TEST(only_stale_reads_are_answered_while_not_ready)
{
	api_fake_init(&fake);
	fake.ready = 0;
	CHECK_INT(api_fake_call(&fake, "GET", "/v1/kv/a", NULL), 503);
	CHECK_INT(api_fake_call(&fake, "GET", "/v1/kv/a?consistent", NULL), 503);
	CHECK_INT(api_fake_call(&fake, "PUT", "/v1/kv/a", "x"), 503);
	CHECK_INT(api_fake_call(&fake, "GET", "/v1/kv/a?stale", NULL), 404);
	CHECK_INT(consul_index(), 1);
	api_fake_done(&fake);
}

TEST(who_may_answer)
{
	static const struct {
		const char *method, *target;
		int serves;
		enum api_place place;
	} asked[] = {
		{ "PUT", "/v1/kv/a", 1, API_COMMAND },
		{ "DELETE", "/v1/kv/a/b?recurse", 1, API_COMMAND },
		{ "GET", "/v1/kv/a", 1, API_READ }, { "GET", "/v1/kv/a?stale", 1, API_HERE },
		{ "GET", "/v1/kv/?keys&stale=1&index=4", 1, API_HERE },
		{ "GET", "/v1/kv/a?stales", 1, API_READ },
		{ "GET", "/v1/kv/stale?x=stale", 1, API_READ },
		{ "PUT", "/v1/kv/a?stale", 1, API_COMMAND }, { "POST", "/v1/kv/a", 1, API_HERE },
		{ "PUT", "/services/create", 0, API_HERE },
		{ "POST", "/services/create", 1, API_CHANGE },
		{ "GET", "/tasks?stale", 1, API_READ }, { "GET", "", 0, API_HERE },
		{ "PUT", "http://x/v1/kv/a", 1, API_COMMAND },
	};

	for (size_t i = 0; i < sizeof(asked) / sizeof(asked[0]); i++) {
		struct event ev = { .method = slice_of(asked[i].method),
				    .target = slice_of(asked[i].target) };

		CHECK_INT(api_serves(ev.method, ev.target), asked[i].serves);
		CHECK_INT(api_place(&ev), asked[i].place);
	}
}

TEST(a_repeated_write_is_answered_as_the_first)
{
	struct event ev = { .kind = EVENT_REQUEST, .id = 1, .method = SLICE("PUT"),
			    .target = SLICE("/v1/kv/a?cas=0"), .body = SLICE("x") };
	struct errmsg msg;

	api_fake_init(&fake);
	for (uint64_t i = 0; i < 2; i++) {
		struct api_turn turn = api_fake_turn(&fake);

		turn.request_id = (struct request_id){ { 9 } };
		CHECK_INT(api_request(&fake.api, &turn, &ev), API_KV);
		CHECK_INT(state_apply(&fake.state, 4 + i, turn.entry, NULL, NULL, &msg), 0);
		CHECK_INT(fake.state.repeated, i);
		CHECK(slice_is(fake.state.outcome.body, "true"));
	}
	CHECK(state_recent(&fake.state, (struct request_id){ { 9 } }));
	CHECK_INT(kv_index(&fake.state.kv, SLICE("a")), 4);
	api_fake_done(&fake);
}

/* ---- reads that wait ---- */

/* The id of a read that waits; 0 if it does not. */
static uint64_t waits(const char *target)
{
	api_fake_call(&fake, "GET", target, NULL);
	return fake.outcome == API_WAITS && fake.status == 0 ? fake.request : 0;
}

TEST(a_read_waits_for_its_key_alone)
{
	uint64_t id;

	api_fake_init(&fake);
	CHECK_INT(api_deadline(&fake.api), 0);
	id = waits("/v1/kv/a/b?index=1&raw");
	CHECK(id);
	CHECK_INT(api_deadline(&fake.api), 300000);
	api_fake_call(&fake, "PUT", "/v1/kv/a", "x");
	api_fake_call(&fake, "PUT", "/v1/kv/a/b/c", "x");
	api_fake_call(&fake, "DELETE", "/v1/kv/a/b/?recurse", NULL);
	api_fake_call(&fake, "DELETE", "/v1/kv/a/b", NULL);
	CHECK_INT(api_fake_due(&fake, id), 0);
	api_fake_call(&fake, "PUT", "/v1/kv/a/b", "y");
	CHECK_INT(api_deadline(&fake.api), 1);
	CHECK_INT(api_fake_due(&fake, id), 200);
	CHECK_STR(fake.body, "y");
	CHECK_INT(consul_index(), fake.state.applied);
	CHECK_INT(api_deadline(&fake.api), 0);
	CHECK_INT(api_fake_due(&fake, id), 0);
	api_fake_done(&fake);
}

TEST(a_read_waits_for_all_below_its_prefix)
{
	uint64_t id;

	api_fake_init(&fake);
	for (int i = 0; i < 3; i++) {
		static const char *const changes[][2] = {
			{ "PUT", "/v1/kv/a/b" }, { "DELETE", "/v1/kv/a/b" },
			{ "PUT", "/v1/kv/a/c" },
		};

		id = waits(arena_printf(&fake.arena, "/v1/kv/a/?%s&index=%d",
					i % 2 ? "recurse" : "keys",
					i ? (int)fake.state.applied : 1));
		CHECK(id);
		api_fake_call(&fake, changes[i][0], changes[i][1], NULL);
		CHECK_INT(api_fake_due(&fake, id), i == 1 ? 404 : 200);
		CHECK_INT(consul_index(), fake.state.applied);
		CHECK(!waits(arena_printf(&fake.arena, "/v1/kv/a/?recurse&index=%d",
					  (int)fake.state.applied - 1)));
	}
	/* The whole store, and a tree that goes. */
	id = waits("/v1/kv/?recurse&index=6");
	api_fake_call(&fake, "DELETE", "/v1/kv/a?recurse", NULL);
	CHECK_INT(api_fake_due(&fake, id), 404);
	CHECK_INT(consul_index(), 7);
	api_fake_done(&fake);
}

TEST(a_wait_ends_with_its_time)
{
	static const struct {
		const char *wait;
		uint64_t ms;
	} times[] = {
		{ "", 300000 }, { "&wait=0", 300000 }, { "&wait=10s", 10000 },
		{ "&wait=1m30s", 90000 }, { "&wait=20ms", 20 }, { "&wait=24h", 600000 },
	};

	api_fake_init(&fake);
	api_fake_call(&fake, "PUT", "/v1/kv/a", "x");
	for (size_t i = 0; i < sizeof(times) / sizeof(times[0]); i++) {
		uint64_t id = waits(arena_printf(&fake.arena, "/v1/kv/a?index=4%s", times[i].wait));

		CHECK(id);
		CHECK_INT(api_deadline(&fake.api), fake.now_ms + times[i].ms);
		fake.now_ms += times[i].ms - 1;
		CHECK_INT(api_fake_due(&fake, id), 0);
		fake.now_ms++;
		CHECK_INT(api_fake_due(&fake, id), 200);
		CHECK_INT(consul_index(), 4);
	}
	api_fake_done(&fake);
}

TEST(a_client_that_left_waits_no_more)
{
	struct api_turn turn;
	uint64_t one, two, three;

	api_fake_init(&fake);
	one = waits("/v1/kv/a?index=1");
	two = waits("/v1/kv/a?index=1");
	three = waits("/v1/kv/a?index=1");
	turn = api_fake_turn(&fake);
	api_gone(&fake.api, &turn, two);
	api_gone(&fake.api, &turn, 777);
	api_fake_call(&fake, "PUT", "/v1/kv/a", "x");
	api_gone(&fake.api, &turn, one);	/* it is due already */
	CHECK_INT(api_fake_due(&fake, three), 200);
	CHECK_INT(fake.fx.count, 1);
	CHECK_INT(api_deadline(&fake.api), 0);
	api_fake_done(&fake);
}

TEST(a_lost_leader_answers_those_that_only_it_may_answer)
{
	struct api_turn turn;
	uint64_t strict, stale, due;

	api_fake_init(&fake);
	turn = api_fake_turn(&fake);
	strict = waits("/v1/kv/a?index=1");
	stale = waits("/v1/kv/a?index=1&stale");
	due = waits("/v1/kv/b?index=1");
	api_fake_call(&fake, "PUT", "/v1/kv/b", "x");
	api_lost(&fake.api, &turn);
	CHECK_INT(api_fake_due(&fake, strict), 503);
	CHECK_INT(fake.fx.count, 2);
	CHECK_INT(fake.fx.items[0].id + fake.fx.items[1].id, strict + due);
	CHECK_INT(fake.fx.items[0].status + fake.fx.items[1].status, 2 * 503);
	CHECK_INT(api_deadline(&fake.api), 300000);
	fake.ready = 0;
	api_fake_call(&fake, "PUT", "/v1/kv/a", "x");
	fake.now_ms = 300000;
	CHECK_INT(api_fake_due(&fake, stale), 404);
	api_fake_done(&fake);
}

TEST(another_state_is_looked_at_again)
{
	struct state other;
	uint64_t id;

	api_fake_init(&fake);
	id = waits("/v1/kv/a?index=1");
	state_init(&other);
	state_done(&fake.state);
	fake.state = other;
	api_watch(&fake.api, &fake.state);
	CHECK_INT(api_fake_due(&fake, id), 404);
	fake.state.applied = 9;
	id = waits("/v1/kv/a?index=1");
	api_fake_call(&fake, "PUT", "/v1/kv/a", "x");
	CHECK_INT(api_fake_due(&fake, id), 200);
	CHECK_INT(consul_index(), 10);
	api_fake_done(&fake);
}

TEST(so_many_may_wait)
{
	static char target[KV_WATCH_TARGET_MAX + 64];

	api_fake_init(&fake);
	for (int i = 0; i < KV_WATCH_MAX; i++)
		CHECK(waits(i % 2 ? "/v1/kv/a?index=1" : "/v1/kv/?recurse&index=1"));
	CHECK(!waits("/v1/kv/a?index=1"));
	CHECK_INT(fake.status, 503);
	/* All of them at once: as many as fit into a step, then the rest. */
	api_fake_call(&fake, "PUT", "/v1/kv/a", "x");
	api_fake_due(&fake, 0);
	CHECK(fake.fx.count >= KV_WATCH_MAX / 2 && fake.fx.count < KV_WATCH_MAX);
	CHECK_INT(api_deadline(&fake.api), 1);
	api_fake_due(&fake, 0);
	CHECK_INT(api_deadline(&fake.api), 0);
	snprintf(target, sizeof(target), "/v1/kv/a?index=99&x=%0*d", KV_WATCH_TARGET_MAX, 1);
	CHECK(!waits(target));
	CHECK_INT(fake.status, 414);
	api_fake_done(&fake);
}
