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
	struct state s;

	state_init(&s);
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		CHECK_INT(state_apply(&s, i + 1, slice_of(bad[i]), note, &seen, &msg),
			  ERR_INVALID);
	CHECK_STR(seen.text, "");
	CHECK_INT(s.applied, sizeof(bad) / sizeof(bad[0]));
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

TEST(a_saved_state_loads_as_it_was)
{
	struct errmsg msg = { { 0 } };
	struct state s, other;
	struct buf a, b;
	struct seen seen;
	struct txn t;

	state_init(&s);
	state_init(&other);
	buf_init(&a, 1 << 20);
	buf_init(&b, 1 << 20);
	txn_init(&t, 99);
	put_service(&t, "a1", "web", 0);
	put_task(&t, "t1", "a1", "n1");
	CHECK_INT(apply(&s, 7, &t, &seen), 0);
	state_save(&s, &a);
	CHECK_INT(state_load(&other, buf_slice(&a), &msg), 0);
	CHECK_INT(other.applied, 7);
	state_save(&other, &b);
	CHECK_STR(buf_str(&b), buf_str(&a));
	state_done(&other);
	/* A line less is noticed, and so is a cut one. */
	for (size_t n = 1; n < a.len - 1; n += 13) {
		state_init(&other);
		CHECK_INT(state_load(&other, (struct slice){ a.data, n }, &msg) < 0, 1);
		state_done(&other);
	}
	buf_done(&a);
	buf_done(&b);
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
