/* RFC 4648 section 10's vectors, and what a strict decoder refuses. */
#include <string.h>
#include "base/err.h"
#include "codec/base64.h"
#include "unit.h"

static const struct {
	const char *bytes, *text;
} vectors[] = {
	{ "", "" }, { "f", "Zg==" }, { "fo", "Zm8=" }, { "foo", "Zm9v" }, { "foob", "Zm9vYg==" },
	{ "fooba", "Zm9vYmE=" }, { "foobar", "Zm9vYmFy" }, { "\xff\xfe\xfd", "//79" },
	{ "\xfb\xf0", "+/A=" },
};

TEST(vectors)
{
	for (size_t i = 0; i < sizeof(vectors) / sizeof(*vectors); i++) {
		size_t n = strlen(vectors[i].bytes), t = strlen(vectors[i].text);
		struct slice bytes = { unit_guard(vectors[i].bytes, n), n };
		struct slice text = { unit_guard(vectors[i].text, t), t };
		struct buf out;

		buf_init(&out, 64);
		base64_encode(bytes, &out);
		CHECK_STR(buf_str(&out), vectors[i].text);
		buf_reset(&out);
		CHECK_INT(base64_decode(text, &out), 0);
		CHECK_INT(out.len, n);
		CHECK_MEM(out.data ? out.data : "", out.len, vectors[i].bytes);
		buf_done(&out);
	}
}

TEST(refusals)
{
	static const char *const bad[] = {
		"Z", "Zg", "Zg=", "=", "====", "Z===", "Zg==Zg==", "Zm9v\n", "Zm 9v", "Zh==",
		"Zm9=", "Zm-v", "Zm_v", "Zg=g", "=g==",
	};
	struct buf out;

	buf_init(&out, 64);
	for (size_t i = 0; i < sizeof(bad) / sizeof(*bad); i++) {
		buf_reset(&out);
		CHECK_INT(base64_decode(slice_of(bad[i]), &out), ERR_INVALID);
	}
	buf_done(&out);
	buf_init(&out, 4);
	CHECK_INT(base64_decode(SLICE("Zm9vYmFy"), &out), ERR_LIMIT);
	buf_done(&out);
}

TEST(nul_bytes_travel)
{
	static const char bytes[] = { 0, 1, 0, 0 };
	struct buf text, back;

	buf_init(&text, 64);
	buf_init(&back, 64);
	base64_encode((struct slice){ bytes, sizeof(bytes) }, &text);
	CHECK_STR(buf_str(&text), "AAEAAA==");
	CHECK_INT(base64_decode(buf_slice(&text), &back), 0);
	CHECK_INT(back.len, sizeof(bytes));
	CHECK(memcmp(back.data, bytes, sizeof(bytes)) == 0);
	buf_done(&text);
	buf_done(&back);
}
