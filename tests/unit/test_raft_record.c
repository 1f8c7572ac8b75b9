/* Raft's records: golden bytes, and that nothing malformed is taken. */
#include <string.h>
#include "base/buf.h"
#include "base/err.h"
#include "raft/record.h"
#include "unit.h"

static const struct raft_entry entry = { .index = 0x0102, .term = 3, .kind = RAFT_COMMAND,
					 .data = { "hi", 2 } };
static const struct raft_snapshot snapshot = {
	.index = 9, .term = 2, .hard = { 4, 1 }, .wal_keep = 11,
	.config = { .count = 2, .members = {
		{ .id = 1, .votes = 1, .about = "ab" }, { .id = 0x50 } } },
};

TEST(records_have_these_bytes)
{
	struct buf b;

	buf_init(&b, 1000);
	raft_hard_build(&b, (struct raft_hard){ 0x0506, 7 });
	CHECK_INT(b.len, 17);
	CHECK(memcmp(b.data, "\1\6\5\0\0\0\0\0\0\7\0\0\0\0\0\0\0", 17) == 0);
	buf_reset(&b);
	raft_entry_build(&b, &entry);
	CHECK_INT(b.len, 7);
	CHECK(memcmp(b.data, "\2\2\3\202\2hi", 7) == 0);
	buf_reset(&b);
	raft_snapshot_build(&b, &snapshot);
	CHECK_INT(b.len, 67);
	CHECK(memcmp(b.data, "\3\11\0\0\0\0\0\0\0\2\0\0\0\0\0\0\0\4\0\0\0\0\0\0\0\1\0\0\0\0\0\0\0"
		     "\13\0\0\0\0\0\0\0\2\0\0\0\1\0\0\0\0\0\0\0\1\2ab"
		     "\x50\0\0\0\0\0\0\0\0\0", 67) == 0);
	buf_done(&b);
}

TEST(what_was_built_is_read_back)
{
	struct raft_record r;
	struct raft_snapshot s;
	struct slice rest;
	struct buf b;

	buf_init(&b, 1000);
	raft_entry_build(&b, &entry);
	CHECK_INT(raft_record_parse(buf_slice(&b), &r), 0);
	CHECK_INT(r.type, RAFT_RECORD_ENTRY);
	CHECK(r.entry.index == entry.index && r.entry.term == entry.term);
	CHECK(r.entry.kind == entry.kind && slice_equal(r.entry.data, entry.data));
	buf_reset(&b);
	raft_entry_build(&b, &(struct raft_entry){ .index = INT64_MAX, .term = INT64_MAX,
						   .kind = RAFT_NOOP });
	CHECK_INT(b.len, RAFT_ENTRY_HEADER_MAX);
	CHECK_INT(raft_record_parse(buf_slice(&b), &r), 0);
	CHECK(r.entry.index == INT64_MAX && r.entry.term == INT64_MAX);
	buf_reset(&b);
	raft_hard_build(&b, (struct raft_hard){ INT64_MAX, 0 });
	CHECK_INT(raft_record_parse(buf_slice(&b), &r), 0);
	CHECK_INT(r.type, RAFT_RECORD_HARD);
	CHECK(r.hard.term == INT64_MAX && r.hard.vote == 0);
	buf_reset(&b);
	raft_snapshot_build(&b, &snapshot);
	buf_add_str(&b, "state");
	rest = buf_slice(&b);
	CHECK_INT(raft_snapshot_parse(&rest, &s), 0);
	CHECK(slice_is(rest, "state"));
	CHECK(memcmp(&s, &snapshot, sizeof(s)) == 0);
	buf_done(&b);
}

/* Every prefix against a guard page: refused unless the form allows it. */
TEST(prefixes_are_refused)
{
	struct raft_record r;
	struct raft_config c;
	struct buf b;

	buf_init(&b, 1000);
	raft_entry_build(&b, &entry);
	for (size_t n = 0; n <= b.len; n++) {
		struct slice part = { unit_guard(b.data, n), n };

		CHECK_INT(raft_record_parse(part, &r), n < b.len - 2 ? ERR_CORRUPT : 0);
	}
	buf_reset(&b);
	raft_hard_build(&b, (struct raft_hard){ 1, 1 });
	for (size_t n = 0; n < b.len; n++) {
		struct slice part = { unit_guard(b.data, n), n };

		CHECK_INT(raft_record_parse(part, &r), ERR_CORRUPT);
	}
	buf_add_char(&b, 0);
	CHECK_INT(raft_record_parse(buf_slice(&b), &r), ERR_CORRUPT);
	buf_reset(&b);
	raft_config_build(&b, &snapshot.config);
	for (size_t n = 0; n < b.len; n++) {
		struct slice part = { unit_guard(b.data, n), n };

		CHECK_INT(raft_config_parse(part, &c), ERR_CORRUPT);
	}
	CHECK_INT(raft_config_parse(buf_slice(&b), &c), 0);
	buf_add_char(&b, 0);
	CHECK_INT(raft_config_parse(buf_slice(&b), &c), ERR_CORRUPT);
	buf_done(&b);
}

TEST(snapshot_prefixes_are_refused)
{
	struct raft_snapshot s;
	struct buf b;

	buf_init(&b, 1000);
	raft_snapshot_build(&b, &snapshot);
	for (size_t n = 0; n < b.len; n++) {
		struct slice part = { unit_guard(b.data, n), n };

		CHECK_INT(raft_snapshot_parse(&part, &s), ERR_CORRUPT);
		CHECK_INT(part.len, n);
	}
	buf_done(&b);
}

static void refuse_changed(size_t at, char value)
{
	struct raft_record r;
	struct buf b;

	buf_init(&b, 100);
	raft_entry_build(&b, &entry);
	b.data[at] = value;
	CHECK_INT(raft_record_parse(buf_slice(&b), &r), ERR_CORRUPT);
	buf_done(&b);
}

static void entry_refused(struct slice bytes)
{
	struct raft_record r;

	CHECK_INT(raft_record_parse(bytes, &r), ERR_CORRUPT);
}

static void config_refused(struct slice bytes)
{
	struct raft_config c;

	CHECK_INT(raft_config_parse(bytes, &c), ERR_CORRUPT);
}

TEST(impossible_values_are_refused)
{
	struct raft_config c;

	refuse_changed(0, 0);
	refuse_changed(0, 3);
	refuse_changed(1, 0);
	refuse_changed(1, 4);
	refuse_changed(1, (char)0x82);
	refuse_changed(1, RAFT_NOOP);	/* a no-op with data */
	refuse_changed(2, 0);		/* term 0 */
	refuse_changed(4, 0);		/* an index in more bytes than it needs */
	entry_refused(SLICE("\2\1\1\0"));	/* index 0 */
	/* More terms, or indexes, than there can be. */
	entry_refused(SLICE("\2\1\200\200\200\200\200\200\200\200\200\1\1"));
	entry_refused(SLICE("\2\1\1\200\200\200\200\200\200\200\200\200\1"));
	CHECK_INT(raft_config_parse(SLICE("\0\0\0\0"), &c), ERR_CORRUPT);
	config_refused(SLICE("\1\0\0\0\0\0\0\0\0\0\0\0\1\0"));	/* id 0 */
	config_refused(SLICE("\1\0\0\0\7\0\0\0\0\0\0\0\0\0"));	/* nobody votes */
	config_refused(SLICE("\1\0\0\0\7\0\0\0\0\0\0\0\2\0"));	/* votes twice */
	config_refused(SLICE("\1\0\0\0\7\0\0\0\0\0\0\0\1\1"));	/* no about */
	config_refused(SLICE("\1\0\0\0\7\0\0\0\0\0\0\0\1\2a\0"));	/* a zero in it */
	config_refused(SLICE("\2\0\0\0\5\0\0\0\0\0\0\0\1\0\5\0\0\0\0\0\0\0\1\0"));
	config_refused(SLICE("\377\377\377\377\1\0\0\0\0\0\0\0\1\0"));
	CHECK_INT(raft_config_parse(SLICE("\1\0\0\0\7\0\0\0\0\0\0\0\1\1a"), &c), 0);
	CHECK_STR(c.members[0].about, "a");
}

TEST(data_has_a_maximum)
{
	static char big[RAFT_DATA_MAX + 1];
	struct raft_entry e = entry;
	struct raft_record r;
	struct buf b;

	buf_init(&b, RAFT_RECORD_MAX + 1);
	e.data = (struct slice){ big, RAFT_DATA_MAX };
	raft_entry_build(&b, &e);
	CHECK_INT(b.failed, 0);
	CHECK_INT(raft_record_parse(buf_slice(&b), &r), 0);
	buf_add_char(&b, 'x');
	CHECK_INT(raft_record_parse(buf_slice(&b), &r), ERR_CORRUPT);
	buf_done(&b);
}
