/* Log streams: orders to the nodes, frames to the client. */
#include <string.h>
#include "api_fake.h"
#include "codec/base64.h"
#include "unit.h"

static struct api_fake fake;

#define STAMP "2026-11-24T01:00:00.000000001Z"
#define DETAILS "com.docker.swarm.node.id=node1,com.docker.swarm.service.id=svc1," \
	"com.docker.swarm.task.id="

enum { SESSION = 5 };

static void put_task(const char *id, const char *state)
{
	api_fake_put(&fake, OBJECT_TASK, arena_printf(&fake.arena,
		"{\"ID\":\"%s\",\"ServiceID\":\"svc1\",\"Slot\":1,\"NodeID\":\"node1\","
		"\"DesiredState\":\"running\",\"Status\":{\"State\":\"%s\",\"ContainerStatus\":{"
		"\"ContainerID\":\"c\",\"PID\":1,\"ExitCode\":0}}}", id, state));
}

static void begin(void)
{
	api_fake_init(&fake);
	api_fake_put(&fake, OBJECT_SERVICE,
		     "{\"ID\":\"svc1\",\"Spec\":{\"Name\":\"web\",\"TaskTemplate\":{"
		     "\"ContainerSpec\":{\"Image\":\"b\"}},\"Mode\":{\"Replicated\":{"
		     "\"Replicas\":2}}}}");
	put_task("t1", "running");
	put_task("t2", "running");
	put_task("t3", "preparing");
	dispatch_up(&fake.dispatch, SESSION, "node1");
}

static void nobody(void *context, const struct change *change)
{
	(void)context;
	(void)change;
}

/* The nth order of the last step, parsed; .id = 0 if there is none. */
static struct session_logs order(uint32_t n)
{
	struct session_order parsed;

	for (uint32_t i = 0; i < fake.fx.count; i++) {
		const struct effect *x = &fake.fx.items[i];

		if (x->kind != EFFECT_SESSION_SEND || n-- > 0)
			continue;
		if (x->id == SESSION && model_parse(&fake.arena, &session_order_table, MODEL_STORE,
						    x->body, &parsed, NULL) == 0 && parsed.logs)
			return *parsed.logs;
	}
	return (struct session_logs){ 0 };
}

/* A report of these lines, or the end when text is NULL. Returns the chunk sent, or NULL. */
static const struct effect *report_as(uint64_t session, uint64_t id, const char *stream,
				      const char *text, const char *err)
{
	struct api_turn turn = api_fake_turn(&fake);
	struct session_log log = { .id = id, .stream = stream, .end = text == NULL, .err = err };
	struct buf data;

	buf_init(&data, 65536);
	base64_encode(slice_of(text), &data);
	log.data = text ? arena_str(&fake.arena, buf_slice(&data)) : NULL;
	buf_done(&data);
	api_log(&fake.api, &turn, session, &log);
	for (uint32_t i = 0; i < fake.fx.count; i++) {
		if (fake.fx.items[i].kind == EFFECT_REPLY_CHUNK)
			return &fake.fx.items[i];
	}
	return NULL;
}

static const struct effect *report(uint64_t id, const char *stream, const char *text,
				   const char *err)
{
	return report_as(SESSION, id, stream, text, err);
}

static void check_frame(struct slice *rest, char kind, const char *payload)
{
	size_t n = strlen(payload);

	CHECK(rest->len >= 8 + n);
	CHECK_INT(rest->data[0], kind);
	CHECK_INT((unsigned char)rest->data[6] * 256 + (unsigned char)rest->data[7], n);
	CHECK_MEM(rest->data + 8, n, payload);
	rest->data += 8 + n;
	rest->len -= 8 + n;
}

TEST(stream)
{
	const struct effect *chunk;
	struct slice rest;
	uint64_t one, two;

	begin();
	CHECK_INT(api_fake_call(&fake, "GET", "/v1.41/services/web/logs?stdout=1&stderr=1&details=1"
				"&tail=10&since=5", NULL), 200);
	CHECK_STR(fake.type, "application/vnd.docker.raw-stream");
	CHECK_INT(fake.fx.items[0].more, 1);
	CHECK_STR(order(0).task_id, "t1");
	CHECK_STR(order(1).task_id, "t2");
	CHECK_INT(order(2).id, 0);
	CHECK_STR(order(0).tail, "10");
	CHECK_STR(order(0).since, "5");
	CHECK(order(0).stdout_too && order(0).stderr_too && !order(0).follow);
	one = order(0).id;
	two = order(1).id;
	chunk = report(one, "stdout", STAMP " hello\n" STAMP " world\n", NULL);
	CHECK(chunk && chunk->more && chunk->id == fake.request);
	rest = chunk->body;
	check_frame(&rest, 1, DETAILS "t1 hello\n");
	check_frame(&rest, 1, DETAILS "t1 world\n");
	CHECK_INT(rest.len, 0);
	chunk = report(two, "stderr", STAMP " oh", NULL);
	rest = chunk->body;
	check_frame(&rest, 2, DETAILS "t2 oh");
	CHECK(!report(one, NULL, NULL, NULL));
	chunk = report(two, NULL, NULL, "gone");
	CHECK(chunk && !chunk->more && chunk->body.len == 0);
	CHECK(!report(two, NULL, NULL, NULL));
	api_fake_done(&fake);
}

/* The node goes on with what nobody reads: it is told once more. */
TEST(a_piece_for_nobody_is_answered_with_a_cancel)
{
	begin();
	CHECK(!report(77, "stdout", STAMP " hello\n", NULL));
	CHECK_INT(order(0).id, 77);
	CHECK(order(0).cancel);
	CHECK(!report(77, NULL, NULL, NULL));
	api_fake_done(&fake);
}

TEST(timestamps)
{
	const struct effect *chunk;
	struct slice rest;

	begin();
	api_fake_call(&fake, "GET", "/tasks/t1/logs?stdout=1&timestamps=1", NULL);
	CHECK(!order(0).stderr_too);
	CHECK(!order(0).tail);
	CHECK(!order(0).since);
	chunk = report(order(0).id, "stdout", STAMP " a b\nrest of a long line\n", NULL);
	rest = chunk->body;
	check_frame(&rest, 1, STAMP " a b\n");
	check_frame(&rest, 1, STAMP " rest of a long line\n");
	CHECK_INT(rest.len, 0);
	api_fake_done(&fake);
}

TEST(nothing_but_an_error)
{
	const struct effect *chunk;
	struct slice rest;

	begin();
	api_fake_call(&fake, "GET", "/tasks/t1/logs?stdout=1&follow=1", NULL);
	CHECK(order(0).follow);
	chunk = report(order(0).id, NULL, NULL, "the engine does not answer");
	CHECK(chunk && !chunk->more);
	rest = chunk->body;
	check_frame(&rest, 3, "Error grabbing logs: the engine does not answer\n");
	api_fake_done(&fake);
}

TEST(no_tasks)
{
	begin();
	dispatch_down(&fake.dispatch, SESSION);
	CHECK_INT(api_fake_call(&fake, "GET", "/services/web/logs?stdout=1", NULL), 200);
	CHECK_INT(fake.fx.count, 2);
	CHECK_INT(fake.fx.items[1].kind, EFFECT_REPLY_CHUNK);
	CHECK_INT(fake.fx.items[1].more, 0);
	CHECK_INT(fake.api.log_streams.count, 0);
	api_fake_done(&fake);
}

TEST(client_gone)
{
	struct api_turn turn;
	uint64_t one;

	begin();
	api_fake_call(&fake, "GET", "/services/web/logs?stdout=1&follow=1", NULL);
	one = order(0).id;
	turn = api_fake_turn(&fake);
	api_gone(&fake.api, &turn, fake.request);
	CHECK_INT(order(0).id, one);
	CHECK(order(0).cancel && order(1).cancel);
	CHECK(!report(one, "stdout", "late\n", NULL));
	CHECK_INT(fake.api.log_streams.count + fake.api.log_parts.count, 0);
	turn = api_fake_turn(&fake);
	api_gone(&fake.api, &turn, 999);
	CHECK_INT(fake.fx.count, 0);
	api_fake_done(&fake);
}

TEST(session_down)
{
	struct api_turn turn;

	begin();
	api_fake_call(&fake, "GET", "/services/web/logs?stdout=1", NULL);
	turn = api_fake_turn(&fake);
	api_session_down(&fake.api, &turn, SESSION + 1);
	CHECK_INT(fake.api.log_parts.count, 2);
	api_session_down(&fake.api, &turn, SESSION);
	CHECK_INT(fake.api.log_streams.count + fake.api.log_parts.count, 0);
	CHECK_INT(fake.fx.count, 1);
	CHECK_INT(fake.fx.items[0].more, 0);
	api_fake_done(&fake);
}

TEST(follow_stays_open)
{
	uint64_t one;

	begin();
	api_fake_call(&fake, "GET", "/tasks/t1/logs?stdout=1&follow=1", NULL);
	one = order(0).id;
	CHECK(report(one, "stdout", STAMP " x\n", NULL));
	CHECK(!report(one, NULL, NULL, NULL));
	CHECK_INT(fake.api.log_streams.count, 1);
	api_fake_done(&fake);
}

TEST(new_tasks_are_followed)
{
	struct api_turn turn;
	uint64_t new;

	begin();
	api_fake_call(&fake, "GET", "/services/web/logs?stdout=1&follow=1&tail=0&since=9", NULL);
	turn = api_fake_turn(&fake);
	api_follow(&fake.api, &turn);
	CHECK_INT(fake.fx.count, 0);
	put_task("t4", "starting");
	turn = api_fake_turn(&fake);
	api_follow(&fake.api, &turn);
	CHECK_INT(fake.fx.count, 1);
	CHECK_STR(order(0).task_id, "t4");
	CHECK(order(0).follow && order(0).stdout_too && !order(0).tail && !order(0).since);
	new = order(0).id;
	CHECK(report(new, "stdout", STAMP " x\n", NULL));
	CHECK(!report(new, NULL, NULL, NULL));
	turn = api_fake_turn(&fake);
	api_follow(&fake.api, &turn);
	CHECK_INT(fake.fx.count, 0);
	api_fake_done(&fake);
}

TEST(following_for_ever)
{
	struct api_turn turn;

	begin();
	api_fake_call(&fake, "GET", "/services/web/logs?stdout=1&follow=1", NULL);
	for (int i = 0; i < 600; i++) {
		struct errmsg msg = { { 0 } };
		const char *id = arena_printf(&fake.arena, "new%d", i);
		struct slice entry;
		struct txn txn;

		put_task(id, "running");
		turn = api_fake_turn(&fake);
		api_follow(&fake.api, &turn);
		CHECK_STR(order(0).task_id, id);
		report(order(0).id, NULL, NULL, NULL);
		txn_init(&txn, 1);
		txn_remove(&txn, OBJECT_TASK, id, state_task(&fake.state, id)->meta.version);
		CHECK_INT(txn_finish(&txn, &entry), 0);
		CHECK_INT(state_apply(&fake.state, fake.state.applied + 1, entry, nobody, NULL,
				      &msg), 0);
		txn_done(&txn);
	}
	CHECK_INT(fake.api.log_parts.count, 2);
	api_fake_done(&fake);
}

TEST(too_many_tasks)
{
	begin();
	for (int i = 0; i < 500; i++)
		put_task(arena_printf(&fake.arena, "more%d", i), "running");
	CHECK_STR(api_fake_error(&fake, "GET", "/services/web/logs?stdout=1", NULL),
		  "service web has more than 500 tasks with logs: ask for those of a task");
	CHECK_INT(fake.status, 503);
	api_fake_done(&fake);
}

TEST(another_node_adds_nothing)
{
	uint64_t one;

	begin();
	api_fake_call(&fake, "GET", "/tasks/t1/logs?stdout=1&follow=1", NULL);
	one = order(0).id;
	CHECK(report_as(SESSION + 1, one, "stdout", STAMP " not mine\n", NULL) == NULL);
	/* It is told that nobody asked it. */
	CHECK_INT(fake.fx.count, 1);
	CHECK_INT(fake.fx.items[0].id, SESSION + 1);
	CHECK(report_as(SESSION + 1, one, NULL, NULL, "the end") == NULL);
	CHECK_INT(fake.api.log_parts.count, 1);
	CHECK(report(one, "stdout", STAMP " mine\n", NULL) != NULL);
	api_fake_done(&fake);
}

TEST(not_base64)
{
	struct session_log log = { .stream = "stdout", .data = "*" };
	struct api_turn turn;

	begin();
	api_fake_call(&fake, "GET", "/tasks/t1/logs?stdout=1", NULL);
	log.id = order(0).id;
	turn = api_fake_turn(&fake);
	api_log(&fake.api, &turn, SESSION, &log);
	CHECK_INT(fake.fx.count, 1);
	CHECK_INT(fake.fx.items[0].kind, EFFECT_LOG);
	api_fake_done(&fake);
}

TEST(tty)
{
	const struct effect *chunk;

	begin();
	api_fake_put(&fake, OBJECT_TASK,
		     "{\"ID\":\"tty\",\"ServiceID\":\"svc1\",\"NodeID\":\"node1\",\"Spec\":{"
		     "\"ContainerSpec\":{\"Image\":\"b\",\"TTY\":true}},\"Status\":{\"State\":"
		     "\"running\",\"ContainerStatus\":{\"ContainerID\":\"c\"}}}");
	api_fake_call(&fake, "GET", "/tasks/tty/logs?stdout=1", NULL);
	chunk = report(order(0).id, "stdout", STAMP " raw\r\n", NULL);
	CHECK_MEM(chunk->body.data, chunk->body.len, "raw\r\n");
	api_fake_call(&fake, "GET", "/tasks/tty/logs?stdout=1", NULL);
	chunk = report(order(0).id, NULL, NULL, "lost");
	CHECK_MEM(chunk->body.data, chunk->body.len, "Error grabbing logs: lost\n");
	api_fake_done(&fake);
}

TEST(logs_refused)
{
	begin();
	CHECK_STR(api_fake_error(&fake, "GET", "/services/web/logs", NULL),
		  "Bad parameters: you must choose at least one stream");
	CHECK_INT(fake.status, 500);
	CHECK_STR(api_fake_error(&fake, "GET", "/services/x/logs?stdout=1", NULL),
		  "service x not found");
	for (int i = 0; i < 64; i++)
		api_fake_call(&fake, "GET", "/tasks/t1/logs?stdout=1", NULL);
	CHECK_STR(api_fake_error(&fake, "GET", "/tasks/t1/logs?stdout=1", NULL),
		  "64 log streams are open: end one first");
	CHECK_INT(fake.status, 503);
	api_fake_done(&fake);
}
