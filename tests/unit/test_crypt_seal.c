/* Sealing: published vectors, and that nothing altered opens. */
#include <string.h>
#include "base/err.h"
#include "crypt/seal.h"
#include "unit.h"

static uint8_t hex_digit(char c)
{
	return (uint8_t)(c <= '9' ? c - '0' : c - 'a' + 10);
}

static size_t unhex(const char *text, uint8_t *out)
{
	size_t n = strlen(text) / 2;

	for (size_t i = 0; i < n; i++)
		out[i] = (uint8_t)(hex_digit(text[2 * i]) << 4 | hex_digit(text[2 * i + 1]));
	return n;
}

/* RFC 8439 2.8.2. */
TEST(rfc8439_vector_comes_out)
{
	static const char plain[] =
		"Ladies and Gentlemen of the class of '99: If I could offer you only one tip for "
		"the future, sunscreen would be it.";
	struct seal_key key;
	uint8_t nonce[SEAL_NONCE_LEN], aad[12], expected[130], out[130];

	unhex("808182838485868788898a8b8c8d8e8f909192939495969798999a9b9c9d9e9f", key.bytes);
	unhex("070000004041424344454647", nonce);
	unhex("50515253c0c1c2c3c4c5c6c7", aad);
	CHECK_INT(unhex("d31a8d34648e60db7b86afbc53ef7ec2a4aded51296e08fea9e2b5a736ee62d6"
			"3dbea45e8ca9671282fafb69da92728b1a71de0a9e060b2905d6a5b67ecd3b36"
			"92ddbd7f2d778b8c9803aee328091b58fab324e4fad675945585808b4831d7bc"
			"3ff4def08e4b7a9de576d26586cec64b61161ae10b594f09e26a7e902ecbd060"
			"0691", expected), sizeof(expected));
	seal_close(&key, nonce, (struct slice){ (char *)aad, sizeof(aad) }, SLICE(plain), out);
	CHECK(memcmp(out, expected, sizeof(out)) == 0);
}

/* HKDF-SHA256 with a 32-byte key, salt and output, computed with another implementation. */
TEST(derived_keys_are_hkdf_sha256)
{
	struct seal_key master, key, other;
	uint8_t salt[SEAL_SALT_LEN], expected[SEAL_KEY_LEN];

	for (unsigned i = 0; i < 32; i++) {
		master.bytes[i] = (uint8_t)i;
		salt[i] = (uint8_t)(255 - i);
	}
	unhex("58a65b8c937751e7f27cbdfed902fccac457a86985ccd47bf9f729877ee7986e", expected);
	seal_derive(&master, salt, "purpose", &key);
	CHECK(memcmp(key.bytes, expected, sizeof(expected)) == 0);
	seal_derive(&master, salt, "purposf", &other);
	CHECK(memcmp(key.bytes, other.bytes, SEAL_KEY_LEN) != 0);
	salt[31] ^= 1;
	seal_derive(&master, salt, "purpose", &other);
	CHECK(memcmp(key.bytes, other.bytes, SEAL_KEY_LEN) != 0);
}

TEST(any_flipped_bit_is_refused_and_nothing_is_put_out)
{
	struct seal_key key = { { 1, 2, 3 } };
	uint8_t nonce[SEAL_NONCE_LEN], sealed[5 + SEAL_TAG_LEN];
	char aad[] = "head";

	seal_nonce(1, 77, nonce);
	seal_close(&key, nonce, SLICE("head"), SLICE("hello"), sealed);
	for (unsigned bit = 0; bit < (sizeof(sealed) + 4 + SEAL_NONCE_LEN) * 8; bit++) {
		unsigned byte = bit / 8;
		uint8_t *at = byte < sizeof(sealed) ? sealed + byte :
			byte < sizeof(sealed) + 4 ? (uint8_t *)aad + byte - sizeof(sealed) :
			nonce + byte - sizeof(sealed) - 4;
		uint8_t out[5] = { 9, 9, 9, 9, 9 };

		*at ^= (uint8_t)(1 << bit % 8);
		CHECK_INT(seal_open(&key, nonce, (struct slice){ aad, 4 },
				    (struct slice){ (char *)sealed, sizeof(sealed) }, out),
			  ERR_CORRUPT);
		CHECK(memcmp(out, "\x9\x9\x9\x9\x9", 5) == 0);
		*at ^= (uint8_t)(1 << bit % 8);
	}
}

TEST(every_length_comes_back_in_place_and_apart)
{
	struct seal_key key = { { 7 } };
	uint8_t nonce[SEAL_NONCE_LEN], plain[200], out[200], *sealed;
	uint8_t room[sizeof(plain) + SEAL_TAG_LEN] = { 0 };

	for (size_t n = 0; n < sizeof(plain); n++) {
		struct slice all;

		for (size_t i = 0; i < n; i++)
			plain[i] = (uint8_t)(i * 7 + n);
		sealed = unit_guard(room, n + SEAL_TAG_LEN);
		memcpy(sealed, plain, n);
		seal_nonce(2, n, nonce);
		seal_close(&key, nonce, (struct slice){ 0 }, (struct slice){ (char *)sealed, n },
			   sealed);
		all = (struct slice){ (char *)sealed, n + SEAL_TAG_LEN };
		CHECK_INT(seal_open(&key, nonce, (struct slice){ 0 }, all, out), 0);
		CHECK(memcmp(out, plain, n) == 0);
		CHECK_INT(seal_open(&key, nonce, (struct slice){ 0 }, all, sealed), 0);
		CHECK(memcmp(sealed, plain, n) == 0);
	}
}

TEST(shorter_than_a_tag_is_refused)
{
	struct seal_key key = { { 7 } };
	uint8_t nonce[SEAL_TAG_LEN] = { 0 }, out[16];

	for (size_t n = 0; n < SEAL_TAG_LEN; n++)
		CHECK_INT(seal_open(&key, nonce, (struct slice){ 0 },
				    (struct slice){ unit_guard(nonce, n), n }, out), ERR_CORRUPT);
}
