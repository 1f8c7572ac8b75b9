/*
 * Contracts are in seal.h. libtomcrypt's chacha20poly1305_memory only computes the tag when
 * it decrypts: the comparison is ours.
 */
#include "crypt/seal.h"
#include <assert.h>
#include <string.h>
#include <tomcrypt.h>
#include "base/bytes.h"
#include "base/err.h"
#include "base/mem.h"

void seal_derive(const struct seal_key *master, const uint8_t salt[SEAL_SALT_LEN],
		 const char *purpose, struct seal_key *key)
{
	/* The library's table of hashes: adding what is there already changes nothing. */
	int sha256 = register_hash(&sha256_desc);

	assert(sha256 >= 0);
	int err = hkdf(sha256, salt, SEAL_SALT_LEN, (const unsigned char *)purpose,
		       strlen(purpose), master->bytes, SEAL_KEY_LEN, key->bytes, SEAL_KEY_LEN);

	assert(err == CRYPT_OK);
}

void seal_nonce(uint32_t domain, uint64_t counter, uint8_t nonce[SEAL_NONCE_LEN])
{
	bytes_put(nonce, 4, domain);
	bytes_put(nonce + 4, 8, counter);
}

struct tag {
	uint8_t bytes[SEAL_TAG_LEN];
};

static struct tag run(const struct seal_key *key, const uint8_t *nonce, struct slice aad,
		      struct slice in, uint8_t *out, int direction)
{
	struct tag tag;
	unsigned long tag_len = SEAL_TAG_LEN;
	/* The library takes no NULL, not even for no bytes. */
	const char *bytes = in.len ? in.data : "";
	int err = chacha20poly1305_memory(key->bytes, SEAL_KEY_LEN, nonce, SEAL_NONCE_LEN,
					  (const unsigned char *)aad.data, aad.len,
					  (const unsigned char *)bytes, in.len, out, tag.bytes,
					  &tag_len, direction);

	assert(err == CRYPT_OK && tag_len == SEAL_TAG_LEN);
	return tag;
}

void seal_close(const struct seal_key *key, const uint8_t nonce[SEAL_NONCE_LEN],
		struct slice aad, struct slice plain, uint8_t *out)
{
	struct tag tag = run(key, nonce, aad, plain, out, CHACHA20POLY1305_ENCRYPT);

	memcpy(out + plain.len, tag.bytes, SEAL_TAG_LEN);
}

int seal_open(const struct seal_key *key, const uint8_t nonce[SEAL_NONCE_LEN],
	      struct slice aad, struct slice sealed, uint8_t *out)
{
	struct tag given, expected;
	struct slice text;
	int same;

	if (sealed.len < SEAL_TAG_LEN)
		return ERR_CORRUPT;
	text = (struct slice){ sealed.data, sealed.len - SEAL_TAG_LEN };
	/* Taken aside first: out may be where sealed is. */
	memcpy(given.bytes, text.data + text.len, SEAL_TAG_LEN);
	expected = run(key, nonce, aad, text, out, CHACHA20POLY1305_DECRYPT);
	same = mem_equal_secret(expected.bytes, given.bytes, SEAL_TAG_LEN);
	mem_wipe(&expected, sizeof(expected));
	if (same)
		return 0;
	mem_wipe(out, text.len);
	return ERR_CORRUPT;
}
