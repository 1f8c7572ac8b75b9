/* Contracts are in token.h. */
#include "crypt/token.h"
#include <bearssl.h>
#include <string.h>
#include "base/mem.h"
#include "codec/base64.h"
#include "crypt/x509.h"

#define JOIN "SWMTKN-1-"
#define UNLOCK "SWMKEY-1-"

enum { PREFIX_LEN = 9, DIGEST_DIGITS = 50, SECRET_DIGITS = 25, BASE64_LEN = 44 };

void token_digest(struct slice root_der, uint8_t digest[TOKEN_DIGEST_LEN])
{
	br_sha256_context hash;
	struct buf pem;

	buf_init(&pem, 2 * X509_PEM_MAX);
	pem_write(&pem, "CERTIFICATE", root_der);
	br_sha256_init(&hash);
	br_sha256_update(&hash, pem.data, pem.len);
	br_sha256_out(&hash, digest);
	buf_done(&pem);
}

/* The number in big-endian bytes as so many digits; it fits. The number is used up. */
static void to_digits(uint8_t *bytes, size_t n, char *out, size_t digits)
{
	while (digits-- > 0) {
		uint32_t rest = 0;

		for (size_t i = 0; i < n; i++) {
			rest = rest << 8 | bytes[i];
			bytes[i] = (uint8_t)(rest / 36);
			rest %= 36;
		}
		out[digits] = (char)(rest < 10 ? '0' + rest : 'a' + rest - 10);
	}
}

/* Back; ERR_INVALID: another character, or it does not fit into n bytes. */
static int from_digits(const char *text, size_t digits, uint8_t *bytes, size_t n)
{
	memset(bytes, 0, n);
	for (size_t k = 0; k < digits; k++) {
		char c = text[k];
		uint32_t carry;

		if (c >= '0' && c <= '9')
			carry = (uint32_t)(c - '0');
		else if (c >= 'a' && c <= 'z')
			carry = (uint32_t)(c - 'a') + 10;
		else
			return ERR_INVALID;
		for (size_t i = n; i-- > 0;) {
			carry += 36u * bytes[i];
			bytes[i] = (uint8_t)carry;
			carry >>= 8;
		}
		if (carry)
			return ERR_INVALID;
	}
	return 0;
}

void token_build(const struct token *t, char text[TOKEN_TEXT_LEN + 1])
{
	struct token used = *t;

	memcpy(text, JOIN, PREFIX_LEN);
	to_digits(used.digest, sizeof(used.digest), text + PREFIX_LEN, DIGEST_DIGITS);
	text[PREFIX_LEN + DIGEST_DIGITS] = '-';
	to_digits(used.secret, sizeof(used.secret), text + PREFIX_LEN + DIGEST_DIGITS + 1,
		  SECRET_DIGITS);
	text[TOKEN_TEXT_LEN] = '\0';
	mem_wipe(&used, sizeof(used));
}

int token_parse(struct slice text, struct token *t)
{
	const char *digits = text.data + PREFIX_LEN;

	if (text.len != TOKEN_TEXT_LEN || memcmp(text.data, JOIN, PREFIX_LEN) != 0 ||
	    digits[DIGEST_DIGITS] != '-' ||
	    from_digits(digits, DIGEST_DIGITS, t->digest, sizeof(t->digest)) < 0)
		return ERR_INVALID;
	return from_digits(digits + DIGEST_DIGITS + 1, SECRET_DIGITS, t->secret,
			   sizeof(t->secret));
}

int token_equal(const struct token *a, const struct token *b)
{
	return mem_equal_secret(a, b, sizeof(*a));
}

void unlock_build(const struct seal_key *key, char text[UNLOCK_TEXT_LEN + 1])
{
	struct buf b;

	buf_init(&b, BASE64_LEN);
	base64_encode((struct slice){ (const char *)key->bytes, SEAL_KEY_LEN }, &b);
	memcpy(text, UNLOCK, PREFIX_LEN);
	memcpy(text + PREFIX_LEN, b.data, BASE64_LEN - 1);	/* without the padding */
	text[UNLOCK_TEXT_LEN] = '\0';
	mem_wipe(b.data, b.len);
	buf_done(&b);
}

int unlock_parse(struct slice text, struct seal_key *key)
{
	char padded[BASE64_LEN] = { 0 };
	struct buf b;
	int err;

	if (text.len != UNLOCK_TEXT_LEN || memcmp(text.data, UNLOCK, PREFIX_LEN) != 0)
		return ERR_INVALID;
	memcpy(padded, text.data + PREFIX_LEN, BASE64_LEN - 1);
	padded[BASE64_LEN - 1] = '=';
	buf_init(&b, BASE64_LEN);
	err = base64_decode((struct slice){ padded, BASE64_LEN }, &b);
	if (err == 0)
		memcpy(key->bytes, b.data, SEAL_KEY_LEN);
	if (b.data)
		mem_wipe(b.data, b.len);
	mem_wipe(padded, sizeof(padded));
	buf_done(&b);
	return err < 0 ? ERR_INVALID : 0;
}
