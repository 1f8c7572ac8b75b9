/*
 * Contracts are in seal.h. BearSSL's AEAD decrypts whatever the tag says; here nothing is decrypted
 * before it is known to be what was sealed, which also makes refusing cheap.
 */
#include "crypt/seal.h"
#include <bearssl.h>
#include <string.h>
#include "base/bytes.h"
#include "base/err.h"
#include "base/mem.h"

void seal_derive(const struct seal_key *master, const uint8_t salt[SEAL_SALT_LEN],
		 const char *purpose, struct seal_key *key)
{
	br_hkdf_context hkdf;

	br_hkdf_init(&hkdf, &br_sha256_vtable, salt, SEAL_SALT_LEN);
	br_hkdf_inject(&hkdf, master->bytes, SEAL_KEY_LEN);
	br_hkdf_flip(&hkdf);
	br_hkdf_produce(&hkdf, purpose, strlen(purpose), key->bytes, SEAL_KEY_LEN);
	mem_wipe(&hkdf, sizeof(hkdf));
}

void seal_nonce(uint32_t domain, uint64_t counter, uint8_t nonce[SEAL_NONCE_LEN])
{
	bytes_put(nonce, 4, domain);
	bytes_put(nonce + 4, 8, counter);
}

struct tag {
	uint8_t bytes[SEAL_TAG_LEN];
};

/* The fastest of this machine, both in constant time: SSE2 tells at run time if it is there (it
 * always is on 64 bits), the other multiplication needs 64 x 64 -> 128 bits. */
static uint32_t chacha(const void *key, const void *nonce, uint32_t counter, void *data, size_t n)
{
	br_chacha20_run sse2 = br_chacha20_sse2_get();

	return (sse2 ? sse2 : br_chacha20_ct_run)(key, nonce, counter, data, n);
}

/* For the tag alone: block 0 makes its key, the text from block 1 on stays as it is. */
static uint32_t chacha_for_tag(const void *key, const void *nonce, uint32_t counter, void *data,
			       size_t n)
{
	return counter == 0 ? chacha(key, nonce, counter, data, n) : counter;
}

/* The tag of a ciphertext. */
static struct tag tag_of(const struct seal_key *key, const uint8_t *nonce, struct slice aad,
			 struct slice text)
{
	br_poly1305_run poly = br_poly1305_ctmulq_get();
	struct tag tag;

	/* The text is not const there as it might be decrypted. */
	(poly ? poly : br_poly1305_ctmul_run)(key->bytes, nonce, (void *)text.data, text.len,
					      aad.data, aad.len, tag.bytes, chacha_for_tag, 0);
	return tag;
}

void seal_close(const struct seal_key *key, const uint8_t nonce[SEAL_NONCE_LEN],
		struct slice aad, struct slice plain, uint8_t *out)
{
	struct tag tag;

	if (plain.len)
		memmove(out, plain.data, plain.len);
	(void)chacha(key->bytes, nonce, 1, out, plain.len);
	tag = tag_of(key, nonce, aad, (struct slice){ (char *)out, plain.len });
	memcpy(out + plain.len, tag.bytes, SEAL_TAG_LEN);
}

int seal_open(const struct seal_key *key, const uint8_t nonce[SEAL_NONCE_LEN],
	      struct slice aad, struct slice sealed, uint8_t *out)
{
	struct tag expected;
	struct slice text;
	int same;

	if (sealed.len < SEAL_TAG_LEN)
		return ERR_CORRUPT;
	text = (struct slice){ sealed.data, sealed.len - SEAL_TAG_LEN };
	expected = tag_of(key, nonce, aad, text);
	same = mem_equal_secret(expected.bytes, text.data + text.len, SEAL_TAG_LEN);
	mem_wipe(&expected, sizeof(expected));
	if (!same)
		return ERR_CORRUPT;
	memmove(out, text.data, text.len);
	(void)chacha(key->bytes, nonce, 1, out, text.len);
	return 0;
}
