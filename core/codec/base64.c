/* Contracts are in base64.h. */
#include "codec/base64.h"
#include <string.h>
#include "base/err.h"

static const char alphabet[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

void base64_encode(struct slice bytes, struct buf *out)
{
	const unsigned char *p = (const unsigned char *)bytes.data;

	for (size_t i = 0; i < bytes.len; i += 3) {
		size_t n = bytes.len - i < 3 ? bytes.len - i : 3;
		unsigned v = (unsigned)p[i] << 16;
		char text[4] = { '=', '=', '=', '=' };

		if (n > 1)
			v |= (unsigned)p[i + 1] << 8;
		if (n > 2)
			v |= p[i + 2];
		for (size_t k = 0; k <= n; k++)
			text[k] = alphabet[v >> (18 - 6 * k) & 63];
		buf_add(out, text, sizeof(text));
	}
}

static int digit(char c)
{
	const char *p = c ? strchr(alphabet, c) : NULL;

	return p ? (int)(p - alphabet) : ERR_INVALID;
}

/* One group of four characters, the last `pad` of them '='. */
static int decode_group(const char *text, size_t pad, struct buf *out)
{
	unsigned v = 0;
	char bytes[3];

	for (size_t k = 0; k < 4; k++) {
		int d = k < 4 - pad ? digit(text[k]) : 0;

		if (d < 0)
			return ERR_INVALID;
		v = v << 6 | (unsigned)d;
	}
	for (size_t k = 0; k < 3; k++)
		bytes[k] = (char)(unsigned char)(v >> (16 - 8 * k) & 255);
	for (size_t k = 3 - pad; k < 3; k++) {
		if (bytes[k])
			return ERR_INVALID;
	}
	buf_add(out, bytes, 3 - pad);
	return 0;
}

int base64_decode(struct slice text, struct buf *out)
{
	if (text.len % 4)
		return ERR_INVALID;
	for (size_t i = 0; i < text.len; i += 4) {
		size_t pad = 0;

		if (i + 4 == text.len && text.data[i + 3] == '=')
			pad = text.data[i + 2] == '=' ? 2 : 1;
		if (decode_group(text.data + i, pad, out) < 0)
			return ERR_INVALID;
	}
	return out->failed;
}
