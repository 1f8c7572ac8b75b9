/* What managers say to each other: golden bytes, every cut, and every length that lies. */
#include <string.h>
#include "applets/manager/peer.h"
#include "base/err.h"
#include "raft/message.h"
#include "unit.h"

static const struct peer_message request = {
	.kind = PEER_REQUEST, .id = 0x0102030405060708, .status = 0x1234, .more = 1,
	.uid = { "0123456789abcdef" }, .method = { "GET", 3 }, .target = { "/x", 2 },
	.type = { "t", 1 }, .headers = { "h: 1", 4 }, .body = { "body", 4 },
};

#define REQUEST_BYTES							\
	"\4" "\10\7\6\5\4\3\2\1" "\x34\x12" "\1" "0123456789abcdef"	\
	"\3\0\0\0GET" "\2\0\0\0/x" "\1\0\0\0t" "\4\0\0\0h: 1" "\4\0\0\0body"

enum { REQUEST_LEN = sizeof(REQUEST_BYTES) - 1, METHOD_AT = 28 };

static void same(const struct peer_message *a, const struct peer_message *b)
{
	CHECK_INT(a->kind, b->kind);
	CHECK_INT(a->id, b->id);
	CHECK_INT(a->status, b->status);
	CHECK_INT(a->more, b->more);
	CHECK(memcmp(&a->uid, &b->uid, sizeof(a->uid)) == 0);
	CHECK(slice_equal(a->method, b->method));
	CHECK(slice_equal(a->target, b->target));
	CHECK(slice_equal(a->type, b->type));
	CHECK(slice_equal(a->headers, b->headers));
	CHECK(slice_equal(a->body, b->body));
}

static int parse(const char *bytes, size_t n, struct peer_message *m)
{
	return peer_parse((struct slice){ unit_guard(bytes, n), n }, m);
}

TEST(a_message_has_these_bytes)
{
	struct buf b;

	buf_init(&b, 1000);
	peer_build(&b, &request);
	CHECK_INT(b.len, REQUEST_LEN);
	CHECK(memcmp(b.data, REQUEST_BYTES, REQUEST_LEN) == 0);
	buf_reset(&b);
	peer_build(&b, &(struct peer_message){ .kind = PEER_RAFT, .body = { "raft", 4 } });
	CHECK_INT(b.len, 5);
	CHECK(memcmp(b.data, "\1raft", 5) == 0);
	buf_done(&b);
}

TEST(what_was_built_is_read_back)
{
	struct peer_message m;
	struct buf b;

	buf_init(&b, 1000);
	CHECK_INT(parse(REQUEST_BYTES, REQUEST_LEN, &m), 0);
	same(&m, &request);
	for (int kind = PEER_RAFT + 1; kind <= PEER_KIND_LAST; kind++) {
		struct peer_message bare = { .kind = (enum peer_kind)kind, .id = UINT64_MAX };

		buf_reset(&b);
		peer_build(&b, &bare);
		CHECK_INT(parse(b.data, b.len, &m), 0);
		same(&m, &bare);
	}
	buf_done(&b);
}

/* At every cut; what was there before is not touched. */
TEST(a_message_that_is_cut_is_refused)
{
	struct peer_message m = { .id = 7 };

	for (size_t n = 0; n < REQUEST_LEN; n++) {
		CHECK_INT(parse(REQUEST_BYTES, n, &m), ERR_CORRUPT);
		CHECK_INT(m.id, 7);
	}
	CHECK_INT(parse(REQUEST_BYTES "x", REQUEST_LEN + 1, &m), ERR_CORRUPT);
	CHECK_INT(m.id, 7);
}

/* Each of the five, in all four bytes. */
TEST(a_length_that_lies_is_refused)
{
	struct peer_message m;
	char bytes[REQUEST_LEN];
	size_t at = METHOD_AT;

	memcpy(bytes, REQUEST_BYTES, REQUEST_LEN);
	for (int part = 0; part < 5; part++) {
		size_t len = (unsigned char)bytes[at];

		for (int i = 0; i < 4; i++) {
			for (int bit = 0; bit < 8; bit++) {
				bytes[at + (size_t)i] ^= (char)(1 << bit);
				CHECK_INT(parse(bytes, REQUEST_LEN, &m), ERR_CORRUPT);
				bytes[at + (size_t)i] ^= (char)(1 << bit);
			}
		}
		at += 4 + len;
	}
	CHECK_INT(at, REQUEST_LEN);
}

TEST(a_kind_or_flag_that_is_none_is_refused)
{
	struct peer_message m;
	char bytes[REQUEST_LEN];

	memcpy(bytes, REQUEST_BYTES, REQUEST_LEN);
	for (int kind = 0; kind < 256; kind++) {
		int err;

		bytes[0] = (char)kind;
		err = parse(bytes, REQUEST_LEN, &m);
		CHECK_INT(err, kind >= PEER_RAFT && kind <= PEER_KIND_LAST ? 0 : ERR_CORRUPT);
	}
	bytes[0] = PEER_REQUEST;
	bytes[11] = 2;
	CHECK_INT(parse(bytes, REQUEST_LEN, &m), ERR_CORRUPT);
}

/* Around Raft's own there is a byte and nothing else. */
TEST(rafts_message_is_what_follows_the_kind)
{
	struct raft_message vote = { .type = RAFT_VOTE, .term = 3, .index = 4, .log_term = 2 };
	struct raft_message back;
	struct peer_message m;
	struct arena a;
	struct buf b;

	arena_init(&a);
	buf_init(&b, 1000);
	peer_build(&b, &(struct peer_message){ .kind = PEER_RAFT });
	raft_message_build(&b, &vote);
	CHECK_INT(parse(b.data, b.len, &m), 0);
	CHECK_INT(m.kind, PEER_RAFT);
	CHECK_INT(raft_message_parse(&a, m.body, &back), 0);
	CHECK_INT(back.type, RAFT_VOTE);
	CHECK(back.term == 3 && back.index == 4 && back.log_term == 2);
	buf_done(&b);
	arena_done(&a);
}
