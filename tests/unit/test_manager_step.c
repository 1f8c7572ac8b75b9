/* The manager's step, driven by hand: what is answered when, and what a restart brings back. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "applets/manager/manager.h"
#include "applets/manager/state/state.h"
#include "base/buf.h"
#include "base/mem.h"
#include "manager_root.h"
#include "model/session.h"
#include "unit.h"

enum { RECORDS_MAX = 20000, ANSWERS_MAX = 8192 };

#define NODE "aaaaaaaaaaaaaaaaaaaaaaaa1"

struct record {
	char *data;
	size_t len;
};

struct answer {
	int status;	/* 0: none yet */
	char *body;
};

struct bench {
	struct manager_config config;
	struct manager *manager;
	struct effects fx;
	uint64_t now_ms;
	/* disk */
	struct record records[RECORDS_MAX + 1];
	uint64_t last, durable, first;	/* numbers of records */
	struct buf snapshot;
	uint64_t snapshot_id, snapshot_keep;	/* not 0: waits to be told of */
	int snapshots;
	/* clients */
	struct answer answers[ANSWERS_MAX];
	uint64_t requests;
	/* the rest */
	uint64_t timer_ms;
	int exited, exit_status, wiped, log_lines, restarts;
	uint64_t session, dropped;	/* the newest; one that must begin anew */
	struct buf sent;	/* session messages, by line */
};

static void open_bench(struct bench *b)
{
	memset(b, 0, sizeof(*b));
	b->config = (struct manager_config){
		.node_id = NODE, .raft_id = 5, .begin = RAFT_FOUND, .contacts = "",
		.hostname = "host1", .listen_addr = "0.0.0.0:2377",
		.advertise_addr = "192.0.2.1:2377", .default_addr_pool = "10.0.0.0/8",
		.engine_socket = "/run/engine", .data_dir = "/data",
	};
	b->now_ms = 1000;
	b->first = 1;
	effects_init(&b->fx);
	buf_init(&b->sent, 64 << 20);
	buf_init(&b->snapshot, 64 << 20);
	b->manager = manager_new(&b->config, 1);
}

static void forget_answers(struct bench *b)
{
	for (uint64_t i = 0; i <= b->requests; i++)
		mem_free(b->answers[i].body);
	memset(b->answers, 0, sizeof(b->answers));
	b->requests = 0;
}

static void close_bench(struct bench *b)
{
	manager_free(b->manager);
	effects_done(&b->fx);
	buf_done(&b->sent);
	for (uint64_t i = 0; i <= b->last; i++)
		mem_free(b->records[i].data);
	buf_done(&b->snapshot);
	forget_answers(b);
	mem_free(b);
}

static char *copy(struct slice s)
{
	char *text = mem_new(s.len + 1);

	if (s.len)
		memcpy(text, s.data, s.len);
	return text;
}

static void take_append(struct bench *b, const struct effect *x)
{
	if (x->id != b->last + 1 || x->id > RECORDS_MAX)
		abort();
	b->last = x->id;
	b->records[x->id] = (struct record){ copy(x->body), x->body.len };
}

static void take_reply(struct bench *b, const struct effect *x)
{
	struct answer *a = &b->answers[x->id];

	if (x->id == 0 || x->id > b->requests || a->status)	/* one answer to one request */
		abort();
	a->status = x->status;
	a->body = copy(x->body);
}

static int add_piece(void *context, struct slice piece)
{
	struct bench *b = context;

	buf_add_slice(&b->snapshot, piece);
	return b->snapshot.failed;
}

static void take_snapshot(struct bench *b, const struct effect *x)
{
	struct sink sink = { add_piece, b };

	b->snapshots++;
	b->snapshot_id = x->id;
	b->snapshot_keep = x->wal_keep;
	buf_reset(&b->snapshot);
	if (manager_snapshot(b->manager, &sink) < 0)
		abort();
}

static void carry_out(struct bench *b, const struct effect *x)
{
	switch (x->kind) {
	case EFFECT_WAL_APPEND: take_append(b, x); break;
	case EFFECT_REPLY: take_reply(b, x); break;
	case EFFECT_SNAPSHOT_SAVE: take_snapshot(b, x); break;
	case EFFECT_TIMER: b->timer_ms = x->deadline_ms; break;
	case EFFECT_WIPE: b->wiped++; break;
	case EFFECT_LOG: b->log_lines++; break;
	case EFFECT_EXIT:
		b->exited++;
		b->exit_status = x->status;
		break;
	case EFFECT_SESSION_SEND:
		buf_add_slice(&b->sent, x->body);
		buf_add_char(&b->sent, '\n');
		break;
	case EFFECT_PEERS:
		if (x->body.len)
			abort();
		break;
	case EFFECT_SESSION_DROP: b->dropped = x->id; break;
	case EFFECT_RESTART: b->restarts++; break;
	default:
		abort();
	}
}

static void step(struct bench *b, struct event ev)
{
	ev.now_ms = b->now_ms;
	ev.wall_ns = 1700000000000000000 + (int64_t)b->now_ms * 1000000;
	effects_reset(&b->fx);
	manager_step(b->manager, &ev, &b->fx);
	for (uint32_t i = 0; i < b->fx.count; i++)
		carry_out(b, &b->fx.items[i]);
}

/* One write of all that was appended. */
static void sync_once(struct bench *b)
{
	b->durable = b->last;
	step(b, (struct event){ .kind = EVENT_WAL_DONE, .id = b->durable });
}

static void run(struct bench *b)
{
	while (b->durable < b->last)
		sync_once(b);
}

static void start(struct bench *b)
{
	step(b, (struct event){ .kind = EVENT_START, .id = b->last, .text = SLICE(NODE) });
	run(b);
}

static void session(struct bench *b)
{
	step(b, (struct event){ .kind = EVENT_SESSION_UP, .id = ++b->session,
				.text = SLICE(NODE) });
	run(b);
}

static void report(struct bench *b, const char *json)
{
	step(b, (struct event){ .kind = EVENT_SESSION_MESSAGE, .id = b->session,
				.body = slice_of(json) });
}

static uint64_t request(struct bench *b, const char *method, const char *target, const char *body)
{
	step(b, (struct event){
		.kind = EVENT_REQUEST, .id = ++b->requests, .method = slice_of(method),
		.target = slice_of(target), .body = slice_of(body),
		.text = slice_of(body ? "application/json" : ""),
	});
	return b->requests;
}

/* The answer to a request, after all that it leads to. */
static const char *call(struct bench *b, const char *method, const char *target, const char *body)
{
	uint64_t id = request(b, method, target, body);

	run(b);
	return b->answers[id].body ? b->answers[id].body : "no answer";
}

#define GET(b, target) call(b, "GET", target, NULL)

static struct bench *ready(void)
{
	struct bench *b = mem_new(sizeof(*b));

	open_bench(b);
	start(b);
	session(b);
	report(b, "{\"Description\":{\"Hostname\":\"host1\",\"Resources\":{\"NanoCPUs\":1000000000,"
	       "\"MemoryBytes\":1000000000}},\"NodeMessage\":\"\"}");
	run(b);
	return b;
}

/* The same disk, another process. */
static int restart(struct bench *b)
{
	struct errmsg msg = { { 0 } };
	int err = 0;

	manager_free(b->manager);
	forget_answers(b);
	buf_reset(&b->sent);
	b->config.begin = RAFT_JOIN;
	b->manager = manager_new(&b->config, 2);
	if (b->snapshot.len && !b->snapshot_id)
		err = manager_recover_snapshot(b->manager, buf_slice(&b->snapshot), &msg);
	if (err == 0)
		err = manager_recovered(b->manager, &msg);
	for (uint64_t i = b->first; i <= b->last && err == 0; i++)
		err = manager_recover_record(b->manager, i, (struct slice){
			b->records[i].data, b->records[i].len }, &msg);
	b->durable = b->last;
	start(b);
	return err;
}

static void snapshot_saved(struct bench *b)
{
	b->first = b->snapshot_keep;
	step(b, (struct event){ .kind = EVENT_SNAPSHOT_SAVED, .id = b->snapshot_id });
	b->snapshot_id = 0;
	run(b);
}

static int has(const char *text, const char *word)
{
	return strstr(text, word) != NULL;
}

static int count(const char *text, const char *word)
{
	int n = 0;

	for (; (text = strstr(text, word)) != NULL; text += strlen(word))
		n++;
	return n;
}

/* The value of the first "key":"..." in text; "" if there is none. */
static const char *value(const char *text, const char *key, char out[64])
{
	char pattern[64];
	size_t n;

	out[0] = '\0';
	snprintf(pattern, sizeof(pattern), "\"%s\":\"", key);
	text = strstr(text, pattern);
	if (!text)
		return out;
	text += strlen(pattern);
	n = strcspn(text, "\"");
	if (n < 64)
		snprintf(out, 64, "%.*s", (int)n, text);
	return out;
}

static const char *service(const char *name, int replicas)
{
	static char text[512];

	snprintf(text, sizeof(text), "{\"Name\":\"%s\",\"TaskTemplate\":{\"ContainerSpec\":"
		 "{\"Image\":\"web:1\"}},\"Mode\":{\"Replicated\":{\"Replicas\":%d}}}", name,
		 replicas);
	return text;
}

static const char *status(const char *task, const char *state)
{
	static char text[512];

	snprintf(text, sizeof(text), "{\"Statuses\":[{\"TaskID\":\"%s\",\"Status\":{\"Timestamp\":"
		 "\"2026-01-01T00:00:00Z\",\"State\":\"%s\"}}],\"NodeMessage\":\"\"}", task, state);
	return text;
}

TEST(a_first_start_makes_the_swarm)
{
	struct bench *b = mem_new(sizeof(*b));
	uint64_t early;

	open_bench(b);
	CHECK(!manager_is_ready(b->manager));
	early = request(b, "GET", "/services", NULL);	/* waits for a leader */
	CHECK_INT(b->answers[early].status, 0);
	start(b);
	CHECK(!manager_is_ready(b->manager));
	session(b);
	CHECK(manager_is_ready(b->manager));
	CHECK(has(GET(b, "/swarm"), "\"Name\":\"default\""));
	CHECK_INT(count(GET(b, "/nodes"), "\"Hostname\":\"host1\""), 1);
	CHECK(has(GET(b, "/nodes"), "\"State\":\"ready\""));
	CHECK_INT(count(GET(b, "/networks"), "\"Name\":\"ingress\""), 1);
	CHECK_INT(b->exited, 0);
	/* And once only. */
	CHECK_INT(restart(b), 0);
	session(b);
	CHECK_INT(count(GET(b, "/networks"), "\"Name\":\"ingress\""), 1);
	CHECK_INT(count(GET(b, "/nodes"), "\"Hostname\":\"host1\""), 1);
	close_bench(b);
}

TEST(a_change_is_answered_when_it_is_durable)
{
	struct bench *b = ready();
	uint64_t one = request(b, "POST", "/services/create", service("one", 1));
	uint64_t two = request(b, "POST", "/services/create", service("two", 1));

	CHECK_INT(b->answers[one].status, 0);
	CHECK(b->last > b->durable);
	run(b);
	CHECK_INT(b->answers[one].status, 201);
	CHECK_INT(b->answers[two].status, 201);
	/* Of what is not durable nobody hears. */
	request(b, "POST", "/services/create", service("three", 1));
	request(b, "GET", "/services", NULL);
	CHECK_INT(b->answers[b->requests].status, 200);
	CHECK(!has(b->answers[b->requests].body, "three"));
	/* Nor when only what came before it is. */
	run(b);
	one = request(b, "POST", "/services/create", service("four", 1));
	CHECK(b->last > b->durable);
	step(b, (struct event){ .kind = EVENT_WAL_DONE, .id = b->last - 1 });
	CHECK_INT(b->answers[one].status, 0);
	run(b);
	CHECK_INT(b->answers[one].status, 201);
	close_bench(b);
}

TEST(a_stale_update_is_refused)
{
	struct bench *b = ready();
	char id[64], target[256];
	const char *index;
	uint64_t one, two;

	value(call(b, "POST", "/services/create", service("web", 1)), "ID", id);
	run(b);
	snprintf(target, sizeof(target), "/services/%s/update?version=1", id);
	CHECK(has(call(b, "POST", target, service("web", 2)), "update out of sequence"));
	CHECK_INT(b->answers[b->requests].status, 500);
	/* Both made from the same version: the log decides. */
	index = strstr(GET(b, "/services"), "\"Index\":");
	CHECK(index != NULL);
	snprintf(target, sizeof(target), "/services/%s/update?version=%.*s", id,
		 (int)strspn(index + 8, "0123456789"), index + 8);
	one = request(b, "POST", target, service("web", 2));
	two = request(b, "POST", target, service("web", 3));
	run(b);
	CHECK_INT(b->answers[one].status, 200);
	CHECK_INT(b->answers[two].status, 500);
	CHECK(has(b->answers[two].body, "update out of sequence"));
	CHECK(has(GET(b, "/services"), "\"Replicas\":2"));
	close_bench(b);
}

TEST(two_of_one_name_are_one)
{
	struct bench *b = ready();
	uint64_t one = request(b, "POST", "/services/create", service("web", 1));
	uint64_t two = request(b, "POST", "/services/create", service("web", 1));

	run(b);
	CHECK_INT(b->answers[one].status, 201);
	CHECK_INT(b->answers[two].status, 409);
	CHECK_INT(count(GET(b, "/services"), "\"Name\":\"web\""), 1);
	close_bench(b);
}

static void fail_disk(struct bench *b)
{
	step(b, (struct event){ .kind = EVENT_WAL_FAILED, .text = SLICE("no space left") });
}

TEST(after_a_failed_write_nothing_is_written)
{
	struct bench *b = ready();
	uint64_t waits, last;

	call(b, "POST", "/services/create", service("old", 1));
	waits = request(b, "POST", "/services/create", service("new", 1));
	CHECK_INT(b->answers[waits].status, 0);
	fail_disk(b);
	CHECK_INT(b->answers[waits].status, 503);
	CHECK(has(b->answers[waits].body, "no space left"));
	last = b->last;
	CHECK(!manager_is_ready(b->manager));
	waits = request(b, "POST", "/services/create", service("newer", 1));
	CHECK_INT(b->answers[waits].status, 503);
	CHECK(has(b->answers[waits].body, "no space left"));
	/* What is known is told. */
	request(b, "GET", "/services", NULL);
	CHECK_INT(b->answers[b->requests].status, 200);
	CHECK_INT(count(b->answers[b->requests].body, "\"Name\":\"old\""), 1);
	CHECK(!has(b->answers[b->requests].body, "\"Name\":\"new"));
	for (int i = 0; i < 10; i++) {
		b->now_ms += 1000;
		report(b, status("x", "running"));
		step(b, (struct event){ .kind = EVENT_TIMER });
	}
	CHECK(b->last == last);
	CHECK_INT(b->exited, 0);
	close_bench(b);
}

/* As many as there may be: each is answered, however many a step has room for. */
TEST(every_waiting_request_is_answered)
{
	struct bench *b = ready();
	uint64_t first = b->requests + 1;
	int refused = 0, waiting = 0;

	for (int i = 0; i < MANAGER_REQUESTS_MAX + 100; i++) {
		char name[32];

		snprintf(name, sizeof(name), "s%d", i);
		request(b, "POST", "/services/create", service(name, 0));
	}
	for (uint64_t i = first; i <= b->requests; i++) {
		refused += b->answers[i].status == 503;
		waiting += b->answers[i].status == 0;
	}
	CHECK_INT(waiting, MANAGER_REQUESTS_MAX);
	CHECK_INT(refused, 100);
	for (int i = 0; i < 50; i++)
		sync_once(b);
	fail_disk(b);
	for (int i = 0; i < 10 && b->timer_ms == b->now_ms; i++)
		step(b, (struct event){ .kind = EVENT_TIMER });
	CHECK(b->timer_ms != b->now_ms);
	for (uint64_t i = first; i <= b->requests; i++)
		CHECK(b->answers[i].status == 503 || b->answers[i].status == 201);
	close_bench(b);
}

/* A client that gives up while its request waits has changed nothing. */
TEST(a_request_whose_client_left_while_it_waited_is_not_run)
{
	struct bench *b = ready();
	uint64_t one, two, three;

	one = request(b, "POST", "/services/create", service("one", 0));
	two = request(b, "POST", "/services/create", service("two", 0));
	three = request(b, "POST", "/services/create", service("three", 0));
	step(b, (struct event){ .kind = EVENT_REQUEST_GONE, .id = two });
	step(b, (struct event){ .kind = EVENT_REQUEST_GONE, .id = 99 });
	run(b);
	CHECK_INT(b->answers[one].status, 201);
	CHECK_INT(b->answers[two].status, 0);
	CHECK_INT(b->answers[three].status, 201);
	CHECK(!has(GET(b, "/services"), "\"two\""));
	close_bench(b);
}

/* What clients see, as one text. */
static char *all(struct bench *b)
{
	static const char *const targets[] = {
		"/swarm", "/nodes", "/services", "/tasks", "/networks",
	};
	struct buf text;
	char *out;

	buf_init(&text, 64 << 20);
	for (size_t i = 0; i < sizeof(targets) / sizeof(targets[0]); i++)
		buf_add_str(&text, GET(b, targets[i]));
	out = copy(buf_slice(&text));
	buf_done(&text);
	return out;
}

TEST(a_restart_from_the_log_brings_the_same_state)
{
	struct bench *b = ready();
	char *before, *after;

	call(b, "POST", "/services/create", service("web", 3));
	call(b, "POST", "/services/create", service("db", 1));
	before = all(b);
	CHECK_INT(count(before, "\"DesiredState\""), 4);
	CHECK_INT(restart(b), 0);
	after = all(b);
	CHECK_STR(after, before);
	mem_free(before);
	mem_free(after);
	close_bench(b);
}

TEST(a_restart_from_a_snapshot_brings_the_same_state)
{
	struct bench *b = ready();
	char *before, *after, name[32];

	b->config.snapshot_entries = 20;
	for (int i = 0; i < 40 && !b->snapshots; i++) {
		snprintf(name, sizeof(name), "s%d", i);
		call(b, "POST", "/services/create", service(name, 1));
	}
	CHECK_INT(b->snapshots, 1);
	/* One at a time, however long it takes. */
	for (int i = 0; i < 30; i++) {
		snprintf(name, sizeof(name), "t%d", i);
		call(b, "POST", "/services/create", service(name, 0));
	}
	CHECK_INT(b->snapshots, 1);
	b->config.snapshot_entries = 10000;
	snapshot_saved(b);
	CHECK(b->first > 1);
	call(b, "POST", "/services/create", service("last", 2));
	before = all(b);
	CHECK_INT(restart(b), 0);
	after = all(b);
	CHECK_STR(after, before);
	CHECK(has(after, "\"Name\":\"last\""));
	mem_free(before);
	mem_free(after);
	close_bench(b);
}

TEST(a_gap_between_snapshot_and_log_is_refused)
{
	struct bench *b = ready();
	char name[32];
	int err;

	b->config.snapshot_entries = 20;
	for (int i = 0; i < 40 && !b->snapshots; i++) {
		snprintf(name, sizeof(name), "s%d", i);
		call(b, "POST", "/services/create", service(name, 1));
	}
	b->config.snapshot_entries = 10000;
	snapshot_saved(b);
	call(b, "POST", "/services/create", service("last", 2));
	b->first += 1;
	err = restart(b);
	CHECK(err < 0 || (b->exited == 1 && b->exit_status == 1));
	CHECK(!manager_is_ready(b->manager));
	close_bench(b);
}

/* A snapshot that cannot be saved is not tried again at every step. */
TEST(a_failed_snapshot_is_tried_again_later)
{
	struct bench *b = ready();
	char name[32];

	b->config.snapshot_entries = 20;
	for (int i = 0; i < 60; i++) {
		snprintf(name, sizeof(name), "s%d", i);
		call(b, "POST", "/services/create", service(name, 0));
		if (b->snapshot_id)
			step(b, (struct event){ .kind = EVENT_SNAPSHOT_FAILED,
						.id = b->snapshot_id, .text = SLICE("full") });
		b->snapshot_id = 0;
	}
	CHECK_INT(b->snapshots, 1);
	b->now_ms += 3600000;
	call(b, "POST", "/services/create", service("late", 0));
	CHECK_INT(b->snapshots, 2);
	close_bench(b);
}

TEST(leaving_waits_for_the_worker)
{
	struct bench *b = ready();
	uint64_t leave, other;

	call(b, "POST", "/services/create", service("web", 1));
	leave = request(b, "POST", "/swarm/leave", NULL);
	run(b);
	CHECK_INT(b->answers[leave].status, 503);	/* the last manager: only by force */
	buf_reset(&b->sent);
	leave = request(b, "POST", "/swarm/leave?force=1", NULL);
	run(b);
	CHECK_INT(b->answers[leave].status, 0);
	CHECK_INT(count(buf_str(&b->sent), "\"Leave\":true"), 1);
	other = request(b, "POST", "/services/create", service("x", 1));
	CHECK_INT(b->answers[other].status, 503);
	other = request(b, "POST", "/swarm/leave?force=1", NULL);
	CHECK_INT(b->answers[other].status, 503);
	report(b, "{\"NodeMessage\":\"\"}");
	CHECK_INT(b->wiped + b->exited, 0);
	report(b, "{\"Left\":true,\"NodeMessage\":\"\"}");
	CHECK_INT(b->answers[leave].status, 200);
	CHECK_INT(b->wiped, 1);
	CHECK_INT(b->exited, 1);
	CHECK_INT(b->exit_status, 0);
	report(b, "{\"Left\":true,\"NodeMessage\":\"\"}");
	CHECK_INT(b->wiped, 1);
	close_bench(b);
}

TEST(leaving_does_not_wait_for_ever)
{
	struct bench *b = ready();
	uint64_t leave = request(b, "POST", "/swarm/leave?force=1", NULL);

	CHECK(b->timer_ms > b->now_ms);
	b->now_ms += 60000;
	CHECK(b->timer_ms <= b->now_ms);
	step(b, (struct event){ .kind = EVENT_TIMER });
	CHECK_INT(b->answers[leave].status, 200);
	CHECK_INT(b->wiped, 1);
	CHECK_INT(b->exited, 1);
	close_bench(b);
}

static const char *task_state(struct bench *b, char out[64])
{
	const char *at = strstr(GET(b, "/tasks"), "\"Status\"");

	return value(at ? at : "", "State", out);
}

TEST(statuses_go_forward_only)
{
	struct bench *b = ready();
	char id[64], state[64];

	call(b, "POST", "/services/create", service("web", 1));
	CHECK(strlen(value(GET(b, "/tasks"), "ID", id)) == 25);
	report(b, status(id, "running"));
	run(b);
	CHECK_STR(task_state(b, state), "running");
	report(b, status(id, "starting"));
	run(b);
	CHECK_STR(task_state(b, state), "running");
	/* Nor among those that are not in the log yet. */
	request(b, "POST", "/services/create", service("other", 0));
	report(b, status(id, "complete"));
	report(b, status(id, "running"));
	run(b);
	report(b, status("nosuchtask", "running"));
	run(b);
	CHECK(has(GET(b, "/tasks"), "\"State\":\"complete\""));
	close_bench(b);
}

/* While the entry with the status before it is under way, or a user's. */
TEST(a_status_that_comes_meanwhile_is_not_lost)
{
	struct bench *b = ready();
	char id[64], state[64];

	call(b, "POST", "/services/create", service("web", 1));
	value(GET(b, "/tasks"), "ID", id);
	report(b, status(id, "preparing"));
	CHECK(b->last > b->durable);
	report(b, status(id, "running"));
	run(b);
	CHECK_STR(task_state(b, state), "running");
	request(b, "POST", "/services/create", service("other", 0));
	CHECK(b->last > b->durable);
	report(b, status(id, "complete"));
	run(b);
	CHECK(has(GET(b, "/tasks"), "\"State\":\"complete\""));
	close_bench(b);
}

TEST(a_status_that_comes_while_its_service_is_removed_is_taken)
{
	struct bench *b = ready();
	char id[64], service_id[64], target[256];
	uint64_t removed;

	value(call(b, "POST", "/services/create", service("web", 1)), "ID", service_id);
	value(GET(b, "/tasks"), "ID", id);
	report(b, status(id, "running"));
	run(b);
	snprintf(target, sizeof(target), "/services/%s", service_id);
	removed = request(b, "DELETE", target, NULL);
	report(b, status(id, "complete"));
	run(b);
	CHECK_INT(b->answers[removed].status, 200);
	CHECK_STR(GET(b, "/tasks"), "[]\n");
	close_bench(b);
}

/* The node reports this of its certificate. */
static void tell(struct bench *b, const struct tls_info *info)
{
	struct node_description d = { .hostname = "host1", .tls_info = *info };
	struct session_report r = { .description = &d };
	struct json_writer w;
	struct buf text;

	buf_init(&text, 1 << 16);
	json_begin(&w, &text);
	model_encode(&w, &session_report_table, MODEL_STORE, &r);
	report(b, buf_str(&text));
	run(b);
	buf_done(&text);
}

static const struct cluster *cluster(struct bench *b)
{
	return state_cluster(manager_state(b->manager));
}

TEST(a_new_root_outlives_a_restart_and_counts_when_its_node_tells_of_it)
{
	static const char busy[] = "\"RootRotationInProgress\":true";
	struct bench *b = mem_new(sizeof(*b));
	struct cluster root = { .root_cert = NULL };
	struct tls_info wanted;
	struct arena arena;
	struct rng rng;
	char *next;

	arena_init(&arena);
	rng_init(&rng, 1);
	open_bench(b);
	manager_root(&root, &b->config, &rng, &arena);
	b->config.root_cert = root.root_cert;
	b->config.root_key = root.root_key;
	start(b);
	session(b);
	CHECK_INT(ca_wanted(cluster(b), &arena, &wanted), 0);
	tell(b, &wanted);
	CHECK(has(buf_str(&b->sent), "\"Trust\"") && !has(buf_str(&b->sent), "\"Renew\""));
	call(b, "POST", arena_printf(&arena, "/swarm/update?version=%llu",
				     (unsigned long long)cluster(b)->meta.version),
	     "{\"Name\":\"default\",\"CAConfig\":{\"ForceRotate\":1}}");
	CHECK(has(GET(b, "/swarm"), busy));
	CHECK(has(buf_str(&b->sent), "\"Renew\":true"));
	CHECK_INT(restart(b), 0);
	session(b);
	CHECK(has(GET(b, "/swarm"), busy));
	CHECK_STR(cluster(b)->root_cert, root.root_cert);
	next = arena_str(&arena, slice_of(cluster(b)->rotation->next_cert));
	CHECK_INT(ca_wanted(cluster(b), &arena, &wanted), 0);
	tell(b, &wanted);
	CHECK(!has(GET(b, "/swarm"), busy));
	CHECK_STR(cluster(b)->root_cert, next);
	CHECK_INT(restart(b), 0);
	CHECK_STR(cluster(b)->root_cert, next);
	CHECK(!cluster(b)->rotation);
	arena_done(&arena);
	close_bench(b);
}

TEST(a_stop_ends_it_in_good_order)
{
	struct bench *b = ready();

	step(b, (struct event){ .kind = EVENT_STOP });
	CHECK_INT(b->exited, 1);
	CHECK_INT(b->exit_status, 0);
	CHECK_INT(b->wiped, 0);
	close_bench(b);
}
