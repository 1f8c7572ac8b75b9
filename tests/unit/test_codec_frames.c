/* Frames: whole at every cut, bounded; the hello as golden bytes. */
#include <string.h>
#include "codec/frames.h"
#include "unit.h"

TEST(frames_have_their_bytes)
{
	struct buf out;

	buf_init(&out, 100);
	frames_add(&out, SLICE("abc"));
	frames_add(&out, (struct slice){ NULL, 0 });
	frames_add(&out, SLICE("x"));
	CHECK_INT(out.len, 16);
	CHECK(memcmp(out.data, "\3\0\0\0abc\0\0\0\0\1\0\0\0x", 16) == 0);
	frames_add(&out, (struct slice){ out.data, 81 });
	CHECK_INT(out.failed, ERR_LIMIT);
	CHECK_INT(out.len, 16);
	buf_done(&out);
}

/* Bytes of each frame and a '|' after it. */
static int collect(struct frames *f, struct slice in, struct buf *text)
{
	struct slice body;
	int got;

	while ((got = frames_next(f, &in, &body)) == 1) {
		buf_add_slice(text, body);
		buf_add_char(text, '|');
	}
	return got;
}

TEST(frames_are_whole_at_every_cut)
{
	static const char bytes[] = "\5\0\0\0abcde\0\0\0\0\1\0\0\0x\3\0\0\0xyz";
	const size_t n = sizeof(bytes) - 1;

	for (size_t i = 0; i <= n; i++) {
		for (size_t j = i; j <= n; j++) {
			struct frames f;
			struct buf text;

			frames_init(&f, 5);
			buf_init(&text, 100);
			CHECK_INT(collect(&f, (struct slice){ unit_guard(bytes, i), i }, &text), 0);
			CHECK_INT(collect(&f, (struct slice){ unit_guard(bytes + i, j - i), j - i },
					  &text), 0);
			CHECK_INT(collect(&f, (struct slice){ unit_guard(bytes + j, n - j), n - j },
					  &text), 0);
			CHECK_STR(buf_str(&text), "abcde||x|xyz|");
			buf_done(&text);
			frames_done(&f);
		}
	}
}

TEST(a_frame_over_the_maximum_is_refused_and_a_claim_takes_no_memory)
{
	struct frames f;
	struct buf text;

	buf_init(&text, 100);
	frames_init(&f, 5);
	CHECK_INT(collect(&f, (struct slice){ "\6\0\0\0abcdef", 10 }, &text), ERR_LIMIT);
	CHECK_INT(collect(&f, (struct slice){ "\6\0", 2 }, &text), 0);
	CHECK_INT(collect(&f, (struct slice){ "\0\0", 2 }, &text), ERR_LIMIT);
	frames_done(&f);
	frames_init(&f, UINT32_MAX);
	CHECK_INT(collect(&f, (struct slice){ "\377\377\377\377abc", 7 }, &text), 0);
	CHECK(f.held.capacity <= 4096);
	frames_done(&f);
	frames_init(&f, 5);
	CHECK_INT(collect(&f, (struct slice){ "\2\0\0\0ab", 6 }, &text), 0);
	frames_set_max(&f, 1);
	CHECK_INT(collect(&f, (struct slice){ "\2\0\0\0ab", 6 }, &text), ERR_LIMIT);
	frames_done(&f);
	CHECK_STR(buf_str(&text), "ab|");
	buf_done(&text);
}

TEST(the_hello_has_its_bytes)
{
	const struct hello h = { 0, 0x0102030405060708, 9, 10 };
	uint8_t bytes[HELLO_LEN + 1] = { 0 };
	struct hello back = { 0 };

	hello_build(bytes, &h);
	CHECK(memcmp(bytes, "SWBX\2\0\0\0\10\7\6\5\4\3\2\1\11\0\0\0\0\0\0\0\12\0\0\0\0\0\0\0",
		     HELLO_LEN) == 0);
	CHECK_INT(hello_parse((struct slice){ (char *)bytes, HELLO_LEN + 1 }, &back), 0);
	CHECK_INT(back.version, HELLO_VERSION);
	CHECK_INT(back.id, 0x0102030405060708);
	CHECK_INT(back.boot, 9);
	CHECK_INT(back.turn, 10);
	for (size_t n = 0; n < HELLO_LEN; n++)
		CHECK_INT(hello_parse((struct slice){ unit_guard(bytes, n), n }, &back),
			  ERR_CORRUPT);
	bytes[4] = 7;
	CHECK_INT(hello_parse((struct slice){ (char *)bytes, 8 }, &back), ERR_UNSUPPORTED);
	CHECK_INT(back.version, 7);
	bytes[4] = HELLO_VERSION;
	memset(bytes + 8, 0, 8);
	CHECK_INT(hello_parse((struct slice){ (char *)bytes, HELLO_LEN }, &back), ERR_CORRUPT);
	bytes[0] = 's';
	CHECK_INT(hello_parse((struct slice){ (char *)bytes, HELLO_LEN }, &back), ERR_CORRUPT);
}

TEST(a_frame_of_two_parts_is_one_frame)
{
	struct buf out;

	buf_init(&out, 64);
	frames_add_two(&out, SLICE("ab"), SLICE("c"));
	frames_add_two(&out, (struct slice){ NULL, 0 }, (struct slice){ NULL, 0 });
	CHECK_INT(out.len, 11);
	CHECK(memcmp(out.data, "\3\0\0\0abc\0\0\0\0", 11) == 0);
	buf_done(&out);
}

TEST(an_agents_hello_has_its_bytes)
{
	uint8_t bytes[AGENT_LEN + 1] = { 0 };
	uint32_t version = 0;

	agent_hello_build(bytes);
	CHECK(memcmp(bytes, "SWAG\1\0\0\0", AGENT_LEN) == 0);
	CHECK_INT(agent_hello_parse((struct slice){ (char *)bytes, AGENT_LEN + 1 }, &version), 0);
	CHECK_INT(version, 1);
	for (size_t n = 0; n < AGENT_LEN; n++)
		CHECK_INT(agent_hello_parse((struct slice){ unit_guard(bytes, n), n }, &version),
			  ERR_CORRUPT);
	bytes[5] = 1;
	CHECK_INT(agent_hello_parse((struct slice){ (char *)bytes, AGENT_LEN }, &version),
		  ERR_UNSUPPORTED);
	CHECK_INT(version, 257);
}

TEST(a_request_for_a_certificate_and_its_answer_have_their_bytes)
{
	struct slice text = { NULL, 0 };
	struct buf out;
	int status = 0;

	buf_init(&out, 64);
	enrol_build(&out, SLICE("{}"));
	CHECK_STR(buf_str(&out), "SWCR{}");
	CHECK_INT(enrol_parse(buf_slice(&out), &text), 1);
	CHECK(slice_equal(text, SLICE("{}")));
	CHECK_INT(enrol_parse(SLICE("SWCR"), &text), 1);
	CHECK_INT(text.len, 0);
	for (size_t n = 0; n < ENROL_HEAD; n++)
		CHECK_INT(enrol_parse((struct slice){ unit_guard("SWCR", n), n }, &text), 0);
	buf_reset(&out);
	enrol_answer_build(&out, 403, SLICE("no"));
	CHECK_INT(out.len, 4);
	CHECK(memcmp(out.data, "\223\1no", 4) == 0);
	CHECK_INT(enrol_answer_parse(buf_slice(&out), &status, &text), 0);
	CHECK_INT(status, 403);
	CHECK(slice_equal(text, SLICE("no")));
	CHECK_INT(enrol_answer_parse((struct slice){ unit_guard("x", 1), 1 }, &status, &text),
		  ERR_CORRUPT);
	buf_done(&out);
}
