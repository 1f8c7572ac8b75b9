/* Messages between managers: golden bytes of each type, and that nothing malformed is taken. */
#include <string.h>
#include "base/err.h"
#include "raft/message.h"
#include "unit.h"

#define Z7 "\0\0\0\0\0\0\0"

static const struct raft_entry entries[] = {
	{ .index = 6, .term = 2, .kind = RAFT_NOOP },
	{ .index = 7, .term = 3, .kind = RAFT_COMMAND, .data = { "hi", 2 } },
};

static const struct {
	struct raft_message m;
	struct slice bytes;
} golden[] = {
	{ { .type = RAFT_VOTE, .term = 3, .index = 5, .log_term = 2, .pre = 1, .transfer = 1 },
	  SLICE("\1\3" Z7 "\5" Z7 "\2" Z7 "\1\1") },
	{ { .type = RAFT_VOTE, .term = 1 }, SLICE("\1\1" Z7 "\0" Z7 "\0" Z7 "\0\0") },
	{ { .type = RAFT_VOTE_REPLY, .term = 0x0403, .pre = 1 }, SLICE("\2\3\4\0\0\0\0\0\0\1\0") },
	{ { .type = RAFT_VOTE_REPLY, .term = 3, .granted = 1 }, SLICE("\2\3" Z7 "\0\1") },
	{ { .type = RAFT_APPEND, .term = 3, .index = 5, .log_term = 2, .commit = 4, .round = 9,
	    .entries = entries, .entry_count = 2 },
	  SLICE("\3\3" Z7 "\5" Z7 "\2" Z7 "\4" Z7 "\11" Z7 "\2\0\0\0"
		"\1\2" Z7 "\0\0\0\0" "\2\3" Z7 "\2\0\0\0hi") },
	{ { .type = RAFT_APPEND, .term = 3 },
	  SLICE("\3\3" Z7 "\0" Z7 "\0" Z7 "\0" Z7 "\0" Z7 "\0\0\0\0") },
	{ { .type = RAFT_APPEND_REPLY, .term = 3, .index = 5, .log_term = 2, .round = 9,
	    .granted = 1 }, SLICE("\4\3" Z7 "\5" Z7 "\2" Z7 "\11" Z7 "\1") },
	{ { .type = RAFT_SNAPSHOT, .term = 3, .index = 5, .log_term = 2, .offset = 0x0100,
	    .more = 1, .config = { .count = 1, .members = { { 7, 1, "a" } } },
	    .data = { "xyz", 3 } },
	  SLICE("\5\3" Z7 "\5" Z7 "\2" Z7 "\0\1\0\0\0\0\0\0\1" "\1\0\0\0\7" Z7 "\1\1a" "xyz") },
	{ { .type = RAFT_SNAPSHOT_REPLY, .term = 3, .index = 5, .offset = 6, .granted = 1 },
	  SLICE("\6\3" Z7 "\5" Z7 "\6" Z7 "\1") },
	{ { .type = RAFT_LEAD_NOW, .term = 3 }, SLICE("\7\3" Z7) },
};

enum { GOLDEN = sizeof(golden) / sizeof(*golden) };

static int parse(struct slice bytes, struct raft_message *m)
{
	struct arena a;
	int err;

	arena_init(&a);
	err = raft_message_parse(&a, bytes, m);
	arena_done(&a);		/* the entries with it */
	return err;
}

TEST(messages_have_these_bytes)
{
	for (size_t i = 0; i < GOLDEN; i++) {
		struct buf b;

		buf_init(&b, 1000);
		raft_message_build(&b, &golden[i].m);
		CHECK(slice_equal(buf_slice(&b), golden[i].bytes));
		buf_done(&b);
	}
}

static void check_same(const struct raft_message *m, const struct raft_message *want)
{
	CHECK(m->type == want->type && m->to == 0 && m->term == want->term);
	CHECK(m->index == want->index && m->log_term == want->log_term);
	CHECK(m->commit == want->commit && m->round == want->round);
	CHECK(m->offset == want->offset && m->more == want->more);
	CHECK(m->pre == want->pre && m->transfer == want->transfer);
	CHECK(m->granted == want->granted && slice_equal(m->data, want->data));
	CHECK(memcmp(&m->config, &want->config, sizeof(m->config)) == 0);
	CHECK_INT(m->entry_count, want->entry_count);
	for (uint32_t i = 0; i < m->entry_count; i++) {
		const struct raft_entry *x = &m->entries[i], *y = &want->entries[i];

		CHECK(x->index == y->index && x->term == y->term && x->kind == y->kind);
		CHECK(slice_equal(x->data, y->data));
	}
}

TEST(what_was_said_is_heard)
{
	for (size_t i = 0; i < GOLDEN; i++) {
		size_t n = golden[i].bytes.len;
		struct slice bytes = { unit_guard(golden[i].bytes.data, n), n };
		struct raft_message m;
		struct arena a;

		arena_init(&a);
		CHECK_INT(raft_message_parse(&a, bytes, &m), 0);
		check_same(&m, &golden[i].m);
		arena_done(&a);
	}
}

/* A snapshot's data is the rest: any length of it is a message. */
TEST(a_part_of_a_message_is_refused)
{
	for (size_t i = 0; i < GOLDEN; i++) {
		int open = golden[i].m.type == RAFT_SNAPSHOT;
		size_t whole = golden[i].bytes.len - golden[i].m.data.len;

		for (size_t n = 0; n < golden[i].bytes.len; n++) {
			struct slice part = { unit_guard(golden[i].bytes.data, n), n };
			struct raft_message m = { .term = 77 };

			CHECK_INT(parse(part, &m), open && n >= whole ? 0 : ERR_CORRUPT);
			CHECK(m.term == 77 || (open && n >= whole));
		}
	}
}

TEST(a_message_with_more_behind_it_is_refused)
{
	for (size_t i = 0; i < GOLDEN; i++) {
		struct raft_message m;
		struct buf b;

		buf_init(&b, 1000);
		buf_add_slice(&b, golden[i].bytes);
		buf_add_char(&b, 0);
		CHECK_INT(parse(buf_slice(&b), &m), golden[i].m.type == RAFT_SNAPSHOT ? 0 :
			  ERR_CORRUPT);
		buf_done(&b);
	}
}

static void refuse_changed(size_t which, size_t at, char value)
{
	struct raft_message m;
	struct buf b;

	buf_init(&b, 1000);
	buf_add_slice(&b, golden[which].bytes);
	CHECK(at < b.len && b.data[at] != value);
	b.data[at] = value;
	CHECK_INT(parse(buf_slice(&b), &m), ERR_CORRUPT);
	buf_done(&b);
}

TEST(impossible_messages_are_refused)
{
	for (size_t i = 0; i < GOLDEN; i++) {
		refuse_changed(i, 0, 0);		/* no such type */
		refuse_changed(i, 0, 8);
		refuse_changed(i, 8, 0x40);		/* a term that nobody reaches */
	}
	refuse_changed(1, 1, 0);		/* term 0 */
	refuse_changed(9, 1, 0);
	refuse_changed(0, 25, 2);		/* a flag */
	refuse_changed(0, 26, 2);
	refuse_changed(0, 17, 4);		/* the last entry's term above the sender's */
	refuse_changed(0, 17, 0);		/* an index without a term */
	refuse_changed(1, 17, 1);		/* a term without an index */
	refuse_changed(4, 17, 3);		/* entry 6 of an older term than entry 5 */
	refuse_changed(4, 46, 4);		/* entry 6 of a newer term than the sender's */
	refuse_changed(4, 46, 0);
	refuse_changed(4, 41, 3);		/* more entries than there are */
	refuse_changed(4, 41, 1);
	refuse_changed(4, 44, 127);
	refuse_changed(4, 45, 0);		/* kinds */
	refuse_changed(4, 45, 4);
	refuse_changed(4, 58, RAFT_NOOP);	/* with data */
	refuse_changed(4, 58, RAFT_CONFIG);	/* "hi" is none */
	refuse_changed(7, 9, 0);		/* a snapshot of nothing */
	refuse_changed(7, 34, 0);		/* nobody in it */
	refuse_changed(7, 46, 0);		/* nobody votes */
}

TEST(a_piece_has_a_maximum)
{
	static char big[RAFT_PIECE_MAX + 1];
	struct raft_message m = golden[7].m;
	struct buf b;

	buf_init(&b, RAFT_MESSAGE_MAX);
	m.data = (struct slice){ big, RAFT_PIECE_MAX };
	raft_message_build(&b, &m);
	CHECK_INT(parse(buf_slice(&b), &m), 0);
	buf_add_char(&b, 'x');
	CHECK_INT(parse(buf_slice(&b), &m), ERR_CORRUPT);
	buf_done(&b);
}

TEST(an_entry_of_the_largest_size_fits)
{
	static char big[RAFT_DATA_MAX];
	struct raft_entry e = { .index = 6, .term = 2, .kind = RAFT_COMMAND,
				.data = { big, RAFT_DATA_MAX } };
	struct raft_message m = golden[4].m;
	struct buf b;

	buf_init(&b, RAFT_MESSAGE_MAX);
	m.entries = &e;
	m.entry_count = 1;
	raft_message_build(&b, &m);
	CHECK_INT(b.failed, 0);
	CHECK_INT(parse(buf_slice(&b), &m), 0);
	buf_done(&b);
}
