/* seal.h - sealing of bytes that lie on disk. Pure.
 *
 * ChaCha20-Poly1305 (RFC 8439) with keys derived by HKDF-SHA256 (RFC 5869). A pair of key
 * and nonce must never seal two different texts: derive a fresh key from a random salt per
 * file, and count.
 */
#ifndef SB_CRYPT_SEAL_H
#define SB_CRYPT_SEAL_H
#include <stdint.h>
#include "base/slice.h"

enum { SEAL_KEY_LEN = 32, SEAL_NONCE_LEN = 12, SEAL_TAG_LEN = 16, SEAL_SALT_LEN = 32 };

struct seal_key {
	uint8_t bytes[SEAL_KEY_LEN];
};

/* The key for one purpose (a short text naming it) and one salt. Wipe it with mem_wipe. */
void seal_derive(const struct seal_key *master, const uint8_t salt[SEAL_SALT_LEN],
		 const char *purpose, struct seal_key *key);

/* Nonce of item number counter in one of the sequences (domain) that share a key. */
void seal_nonce(uint32_t domain, uint64_t counter, uint8_t nonce[SEAL_NONCE_LEN]);

/* Writes plain.len + SEAL_TAG_LEN bytes to out: ciphertext, then tag. aad is authenticated
 * and not stored. out may be where plain is, but not overlap it otherwise. */
void seal_close(const struct seal_key *key, const uint8_t nonce[SEAL_NONCE_LEN],
		struct slice aad, struct slice plain, uint8_t *out);

/* Writes sealed.len - SEAL_TAG_LEN bytes to out, which may be where sealed is. ERR_CORRUPT:
 * too short, or not what was sealed with this key, nonce and aad; out is not touched then. The
 * tag is compared in constant time. */
int seal_open(const struct seal_key *key, const uint8_t nonce[SEAL_NONCE_LEN],
	      struct slice aad, struct slice sealed, uint8_t *out);
#endif
