/* PEM texts (RFC 7468). Contracts are in x509.h. */
#include <bearssl.h>
#include <string.h>
#include "base/mem.h"
#include "codec/base64.h"
#include "crypt/x509.h"
#include "der.h"

#define BEGIN "-----BEGIN "
#define END "-----END "
#define DASHES "-----"

enum {
	LINE_BYTES = 48,	/* 64 characters (RFC 7468, 2) */
	TEXT_MAX = 4 * X509_PEM_MAX,	/* of a block's base64 */
	KEY_DER_MAX = 192,
};

void pem_write(struct buf *out, const char *label, struct slice der)
{
	buf_printf(out, BEGIN "%s" DASHES "\n", label);
	for (size_t at = 0; at < der.len; at += LINE_BYTES) {
		size_t n = der.len - at < LINE_BYTES ? der.len - at : LINE_BYTES;

		base64_encode((struct slice){ der.data + at, n }, out);
		buf_add_char(out, '\n');
	}
	buf_printf(out, END "%s" DASHES "\n", label);
}

/* A line that is mark, label and dashes. */
static int is_line(struct slice line, const char *mark, const char *label)
{
	size_t m = strlen(mark), l = strlen(label), d = strlen(DASHES);

	return line.len == m + l + d && memcmp(line.data, mark, m) == 0 &&
	       memcmp(line.data + m, label, l) == 0 && memcmp(line.data + m + l, DASHES, d) == 0;
}

/* The block's lines up to its end. */
static int read_block(struct slice *text, const char *label, struct buf *out)
{
	struct buf base64;
	int err = ERR_INVALID;

	buf_init(&base64, TEXT_MAX);
	while (text->len) {
		struct slice line = slice_trim(slice_cut(text, '\n'));

		if (is_line(line, END, label)) {
			err = base64.failed ? ERR_INVALID : base64_decode(buf_slice(&base64), out);
			break;
		}
		buf_add_slice(&base64, line);
	}
	if (base64.data)
		mem_wipe(base64.data, base64.len);
	buf_done(&base64);
	return err < 0 ? ERR_INVALID : 0;
}

int pem_next(struct slice *text, const char *label, struct buf *out)
{
	while (text->len) {
		struct slice line = slice_trim(slice_cut(text, '\n'));

		if (is_line(line, BEGIN, label))
			return read_block(text, label, out);
	}
	return ERR_NOT_FOUND;
}

/* RFC 5915, 3: version 1, the key, the curve, the public point. */
void pem_write_key(struct buf *out, const uint8_t key[X509_KEY_LEN])
{
	static const uint8_t p256[] = { 0x2a, 0x86, 0x48, 0xce, 0x3d, 0x03, 0x01, 0x07 };
	static const uint8_t version = 1;
	uint8_t memory[KEY_DER_MAX], point[1 + X509_POINT_LEN] = { 0 };
	struct der d;
	size_t inside;

	der_init(&d, memory, sizeof(memory));
	if (x509_point(key, point + 1) == 0) {
		der_put(&d, DER_BIT_STRING, point, sizeof(point));
		der_wrap(&d, DER_CONTEXT | 1, 0);
	}
	inside = der_out(&d).len;
	der_put(&d, DER_OID, p256, sizeof(p256));
	der_wrap(&d, DER_CONTEXT, inside);
	der_put(&d, DER_OCTET_STRING, key, X509_KEY_LEN);
	der_put(&d, DER_INTEGER, &version, 1);
	der_wrap(&d, DER_SEQUENCE, 0);
	pem_write(out, "EC PRIVATE KEY", der_out(&d));
	mem_wipe(memory, sizeof(memory));
}

static int read_key(struct slice der, uint8_t key[X509_KEY_LEN])
{
	struct slice sequence, version, octets;
	uint8_t point[X509_POINT_LEN];

	if (der_next(&der, DER_SEQUENCE, &sequence) < 0 || der.len ||
	    der_next(&sequence, DER_INTEGER, &version) < 0 || version.len != 1 ||
	    version.data[0] != 1 || der_next(&sequence, DER_OCTET_STRING, &octets) < 0 ||
	    octets.len != X509_KEY_LEN)
		return ERR_INVALID;
	memcpy(key, octets.data, X509_KEY_LEN);
	return x509_point(key, point);
}

int pem_read_key(struct slice text, uint8_t key[X509_KEY_LEN])
{
	struct buf der;
	int err;

	buf_init(&der, KEY_DER_MAX);
	err = pem_next(&text, "EC PRIVATE KEY", &der);
	if (err == 0)
		err = read_key(buf_slice(&der), key);
	if (der.data)
		mem_wipe(der.data, der.len);
	buf_done(&der);
	return err < 0 ? ERR_INVALID : 0;
}
