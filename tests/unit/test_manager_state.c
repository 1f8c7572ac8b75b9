/* The replicated state: transactions whole or not at all, versions, names, snapshots. */
#include <stdio.h>
#include <string.h>
#include "applets/manager/state/state.h"
#include "unit.h"

/* What the watch was told, as text. */
struct seen {
	char text[512];
};

static void note(void *context, const struct change *c)
{
	static const char *const actions[] = { "create", "update", "remove" };
	struct seen *seen = context;
	size_t n = strlen(seen->text);

	snprintf(seen->text + n, sizeof(seen->text) - n, "%s %s %s%s%s;", actions[c->action],
		 object_kind_names[c->kind], c->id, c->service_id ? " of " : "",
		 c->service_id ? c->service_id : "");
}

static int apply(struct state *s, uint64_t index, struct txn *t, struct seen *seen)
{
	struct errmsg msg = { { 0 } };
	struct slice entry;
	int err;

	seen->text[0] = '\0';
	if (txn_finish(t, &entry) < 0)
		return ERR_LIMIT;
	err = state_apply(s, index, entry, note, seen, &msg);
	txn_done(t);
	return err;
}

static void put_service(struct txn *t, const char *id, const char *name, uint64_t version)
{
	struct service service = { .meta = { .id = id, .version = version },
				   .spec.name = name };

	txn_put(t, OBJECT_SERVICE, &service);
}

TEST(a_put_is_stamped_and_told)
{
	struct seen seen;
	struct state s;
	struct txn t;

	state_init(&s);
	txn_init(&t, 1234);
	put_service(&t, "a1", "Web", 0);
	CHECK_INT(apply(&s, 3, &t, &seen), 0);
	CHECK_STR(seen.text, "create service a1;");
	CHECK_INT(state_service(&s, "a1")->meta.version, 3);
	CHECK_INT(state_service(&s, "a1")->spec_version, 3);
	CHECK_INT(state_service(&s, "a1")->meta.created_at, 1234);
	CHECK_INT(s.applied, 3);
	CHECK_INT(state_find_name(&s, OBJECT_SERVICE, "wEB") == state_service(&s, "a1"), 1);
	state_done(&s);
}

TEST(a_stale_version_refuses_the_whole_entry)
{
	struct seen seen;
	struct state s;
	struct txn t;

	state_init(&s);
	txn_init(&t, 1);
	put_service(&t, "a1", "web", 0);
	CHECK_INT(apply(&s, 1, &t, &seen), 0);
	txn_init(&t, 2);
	put_service(&t, "b2", "other", 0);
	put_service(&t, "a1", "web", 7);
	CHECK_INT(apply(&s, 2, &t, &seen), ERR_STALE);
	CHECK_STR(seen.text, "");
	CHECK_INT(state_service(&s, "b2") == NULL, 1);
	CHECK_INT(s.applied, 2);
	txn_init(&t, 3);
	txn_remove(&t, OBJECT_SERVICE, "a1", 9);
	CHECK_INT(apply(&s, 3, &t, &seen), ERR_STALE);
	txn_init(&t, 4);
	txn_remove(&t, OBJECT_SERVICE, "a1", 1);
	CHECK_INT(apply(&s, 4, &t, &seen), 0);
	CHECK_STR(seen.text, "remove service a1;");
	CHECK_INT(state_find_name(&s, OBJECT_SERVICE, "web") == NULL, 1);
	state_done(&s);
}

TEST(ids_and_names_are_given_once)
{
	struct seen seen;
	struct state s;
	struct txn t;

	state_init(&s);
	txn_init(&t, 1);
	put_service(&t, "a1", "web", 0);
	CHECK_INT(apply(&s, 1, &t, &seen), 0);
	txn_init(&t, 1);
	put_service(&t, "a1", "x", 0);
	CHECK_INT(apply(&s, 2, &t, &seen), ERR_EXISTS);
	txn_init(&t, 1);
	put_service(&t, "b2", "WEB", 0);
	CHECK_INT(apply(&s, 3, &t, &seen), ERR_EXISTS);
	state_done(&s);
}

/* A payload as the entry of a request without a name. */
static struct slice wrapped(struct arena *a, const char *payload)
{
	struct entry e = { .type = ENTRY_TXN, .payload = slice_of(payload) };

	return entry_build(a, &e);
}

TEST(an_entry_that_does_not_parse_has_no_effect)
{
	static const char *const bad[] = {
		"", "[]", "{}", "{\"Time\":1,\"Changes\":[{\"Kind\":\"x\",\"Put\":{}}]}",
		"{\"Time\":1,\"Changes\":[{\"Kind\":\"task\",\"Put\":{}}]}",
		"{\"Time\":1,\"Changes\":[{\"Kind\":\"task\",\"Remove\":\"a\"}]}",
		"{\"Time\":1,\"Changes\":[{\"Kind\":\"task\",\"Put\":{\"ID\":"
		"\"aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa\"}}]}",
	};
	struct seen seen = { "" };
	struct errmsg msg;
	struct arena a;
	struct state s;

	arena_init(&a);
	state_init(&s);
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		CHECK_INT(state_apply(&s, i + 1, wrapped(&a, bad[i]), note, &seen, &msg),
			  ERR_INVALID);
	CHECK_STR(seen.text, "");
	CHECK_INT(s.applied, sizeof(bad) / sizeof(bad[0]));
	CHECK_INT(state_apply(&s, 99, slice_of("{\"Time\":1,\"Changes\":[]}"), note, &seen, &msg),
		  ERR_INVALID);
	arena_done(&a);
	state_done(&s);
}

static void put_task(struct txn *t, const char *id, const char *service, const char *node)
{
	struct task task = { .meta.id = id, .service_id = service, .node_id = node };

	txn_put(t, OBJECT_TASK, &task);
}

TEST(tasks_are_found_by_service_and_node)
{
	struct state_tasks it;
	struct seen seen;
	struct state s;
	struct txn t;
	struct buf ids;

	buf_init(&ids, 64);
	state_init(&s);
	txn_init(&t, 1);
	put_task(&t, "t3", "s1", "n1");
	put_task(&t, "t1", "s1", NULL);
	put_task(&t, "t2", "s10", "n1");
	CHECK_INT(apply(&s, 1, &t, &seen), 0);
	for (const struct task *x = state_service_tasks(&s, "s1", &it); x;
	     x = state_tasks_next(&it))
		buf_add_str(&ids, x->meta.id);
	CHECK_STR(buf_str(&ids), "t1t3");
	buf_reset(&ids);
	for (const struct task *x = state_node_tasks(&s, "n1", &it); x; x = state_tasks_next(&it))
		buf_add_str(&ids, x->meta.id);
	CHECK_STR(buf_str(&ids), "t2t3");
	buf_done(&ids);
	CHECK_INT(state_node_tasks(&s, "n2", &it) == NULL, 1);
	state_done(&s);
}

TEST(things_are_looked_up_by_id_name_and_prefix)
{
	const void *found = NULL;
	struct seen seen;
	struct state s;
	struct txn t;
	size_t n;

	state_init(&s);
	txn_init(&t, 1);
	put_service(&t, "abc1", "one", 0);
	put_service(&t, "abd2", "abc", 0);
	CHECK_INT(apply(&s, 1, &t, &seen), 0);
	CHECK_INT(state_lookup(&s, OBJECT_SERVICE, "abc1", &found, &n), 0);
	CHECK_STR(((const struct service *)found)->spec.name, "one");
	CHECK_INT(state_lookup(&s, OBJECT_SERVICE, "abc", &found, &n), 0);
	CHECK_STR(((const struct service *)found)->meta.id, "abd2");
	CHECK_INT(state_lookup(&s, OBJECT_SERVICE, "abd", &found, &n), 0);
	CHECK_INT(state_lookup(&s, OBJECT_SERVICE, "ab", &found, &n), ERR_AMBIGUOUS);
	CHECK_INT(n, 2);
	CHECK_INT(state_lookup(&s, OBJECT_SERVICE, "x", &found, &n), ERR_NOT_FOUND);
	CHECK_INT(state_lookup(&s, OBJECT_SERVICE, "", &found, &n), ERR_NOT_FOUND);
	state_done(&s);
}

static struct request_id request(uint8_t n)
{
	return (struct request_id){ { 1, n } };
}

TEST(a_request_is_carried_out_once_and_answered_alike)
{
	struct outcome answer = { 201, SLICE("{\"ID\":\"a1\"}") };
	const struct outcome *known;
	struct seen seen;
	struct state s;
	struct txn t;

	state_init(&s);
	CHECK(!state_recent(&s, request(1)));
	txn_init(&t, 1);
	put_service(&t, "a1", "web", 0);
	CHECK_INT(txn_reply(&t, request(1), &answer), 0);
	CHECK_INT(apply(&s, 1, &t, &seen), 0);
	CHECK_INT(s.repeated, 0);
	CHECK_INT(s.outcome.status, 201);

	/* The same again, made by another leader and worded otherwise. */
	txn_init(&t, 2);
	put_service(&t, "b2", "web2", 0);
	answer.status = 500;
	CHECK_INT(txn_reply(&t, request(1), &answer), 0);
	CHECK_INT(apply(&s, 2, &t, &seen), 0);
	CHECK_STR(seen.text, "");
	CHECK(!state_service(&s, "b2"));
	CHECK_INT(s.repeated, 1);
	CHECK_INT(s.outcome.status, 201);
	CHECK(slice_is(s.outcome.body, "{\"ID\":\"a1\"}"));
	known = state_recent(&s, request(1));
	CHECK(known && known->status == 201 && slice_is(known->body, "{\"ID\":\"a1\"}"));

	/* Without a name nothing is a repetition. */
	for (uint64_t i = 3; i < 5; i++) {
		txn_init(&t, 2);
		put_service(&t, i == 3 ? "c3" : "d4", i == 3 ? "x" : "y", 0);
		CHECK_INT(apply(&s, i, &t, &seen), 0);
		CHECK_INT(s.repeated, 0);
	}
	CHECK(!state_recent(&s, (struct request_id){ { 0 } }));
	CHECK_INT(s.recent.count, 1);
	state_done(&s);
}

TEST(a_refused_request_may_be_tried_again)
{
	struct outcome answer = { 200, { NULL, 0 } };
	struct seen seen;
	struct state s;
	struct txn t;

	state_init(&s);
	txn_init(&t, 1);
	txn_remove(&t, OBJECT_SERVICE, "a1", 1);
	CHECK_INT(txn_reply(&t, request(1), &answer), 0);
	CHECK_INT(apply(&s, 1, &t, &seen), ERR_STALE);
	CHECK(!state_recent(&s, request(1)));
	txn_init(&t, 1);
	put_service(&t, "a1", "web", 0);
	CHECK_INT(txn_reply(&t, request(1), &answer), 0);
	CHECK_INT(apply(&s, 2, &t, &seen), 0);
	CHECK(state_service(&s, "a1") && state_recent(&s, request(1)));
	state_done(&s);
}

TEST(an_answer_has_a_longest_length)
{
	static char text[ENTRY_BODY_MAX + 1];
	struct outcome answer = { 200, { text, ENTRY_BODY_MAX } };
	struct slice entry;
	struct txn t;

	txn_init(&t, 1);
	CHECK_INT(txn_reply(&t, request(1), &answer), 0);
	answer.body.len++;
	CHECK_INT(txn_reply(&t, request(1), &answer), ERR_LIMIT);
	CHECK_INT(txn_finish(&t, &entry), 0);
	txn_done(&t);
}

/* A state with something of every part. */
static void fill(struct state *s)
{
	struct outcome answer = { 201, SLICE("{}") };
	struct seen seen;
	struct txn t;

	txn_init(&t, 99);
	put_service(&t, "a1", "web", 0);
	put_task(&t, "t1", "a1", "n1");
	CHECK_INT(txn_reply(&t, request(1), &answer), 0);
	CHECK_INT(apply(s, 7, &t, &seen), 0);
	txn_init(&t, 99);
	put_task(&t, "t2", "a1", "n1");
	answer.body.len = 0;
	CHECK_INT(txn_reply(&t, request(2), &answer), 0);
	CHECK_INT(apply(s, 8, &t, &seen), 0);
}

static void save(const struct state *s, struct buf *out)
{
	struct sink sink = sink_to_buf(out);

	CHECK_INT(state_save(s, &sink), 0);
}

TEST(a_saved_state_loads_as_it_was)
{
	struct errmsg msg = { { 0 } };
	struct state s, other;
	struct buf a, b;

	state_init(&s);
	state_init(&other);
	buf_init(&a, 1 << 20);
	buf_init(&b, 1 << 20);
	fill(&s);
	save(&s, &a);
	CHECK_INT(state_load(&other, buf_slice(&a), &msg), 0);
	CHECK_INT(other.applied, 8);
	CHECK(state_recent(&other, request(1)) && state_recent(&other, request(2)));
	save(&other, &b);
	CHECK(slice_equal(buf_slice(&b), buf_slice(&a)));
	state_done(&other);
	/* Less is noticed wherever it ends, and so is more. */
	for (size_t n = 0; n < a.len; n++) {
		state_init(&other);
		CHECK(state_load(&other, (struct slice){ unit_guard(a.data, n), n }, &msg) < 0);
		state_done(&other);
	}
	buf_add_char(&a, 'x');
	state_init(&other);
	CHECK_INT(state_load(&other, buf_slice(&a), &msg), ERR_CORRUPT);
	state_done(&other);
	buf_done(&a);
	buf_done(&b);
	state_done(&s);
}

TEST(a_saved_state_loads_from_pieces_cut_anywhere)
{
	struct errmsg msg = { { 0 } };
	struct state s, other;
	struct buf a, b;

	state_init(&s);
	buf_init(&a, 1 << 20);
	buf_init(&b, 1 << 20);
	fill(&s);
	save(&s, &a);
	/* Two pieces cut at i; or, behind the end, pieces of 1, 2, 3 ... bytes. */
	for (size_t i = 1; i < a.len + 40; i++) {
		size_t size = i < a.len ? i : i - a.len + 1;
		struct state_loader l;

		state_init(&other);
		state_load_begin(&l, &other);
		for (size_t at = 0, n; at < a.len; at += n) {
			n = a.len - at < size || (i < a.len && at) ? a.len - at : size;
			CHECK_INT(state_load_feed(&l, (struct slice){ a.data + at, n }, &msg), 0);
		}
		CHECK_INT(state_load_end(&l, &msg), 0);
		buf_reset(&b);
		save(&other, &b);
		CHECK(slice_equal(buf_slice(&b), buf_slice(&a)));
		state_done(&other);
	}
	buf_done(&a);
	buf_done(&b);
	state_done(&s);
}

static int put_never(void *context, struct slice piece)
{
	(void)piece;
	++*(int *)context;
	return ERR_IO;
}

TEST(a_sink_that_fails_stops_the_writer)
{
	int calls = 0;
	struct sink sink = { put_never, &calls };
	struct state s;

	state_init(&s);
	fill(&s);
	CHECK_INT(state_save(&s, &sink), ERR_IO);
	CHECK_INT(calls, 1);
	state_done(&s);
}

TEST(a_transaction_knows_its_room)
{
	struct slice entry;
	struct txn t;
	char id[16];

	txn_init(&t, 1);
	CHECK_INT(txn_has_room(&t, TXN_CHANGES_MAX), 1);
	for (int i = 0; i < 10; i++) {
		snprintf(id, sizeof(id), "t%d", i);
		put_task(&t, id, "s", NULL);
	}
	CHECK_INT(txn_has_room(&t, TXN_CHANGES_MAX), 0);
	CHECK_INT(txn_has_room(&t, TXN_CHANGES_MAX - 10), 1);
	CHECK_INT(txn_touches(&t, OBJECT_TASK, "t3"), 1);
	CHECK_INT(txn_touches(&t, OBJECT_SERVICE, "t3"), 0);
	CHECK_INT(txn_finish(&t, &entry), 0);
	txn_done(&t);
}
