/* token.h - the two texts that let somebody in: a join token, an unlock key. Pure.
 *
 *	SWMTKN-1-DIGEST-SECRET	DIGEST: SHA-256 of the root certificate's PEM text, as 50 digits of
 *				base 36; SECRET: 16 random bytes, as 25 (docker-swarm.md 5.11)
 *	SWMKEY-1-KEY		32 random bytes in base64 without padding
 */
#ifndef SB_CRYPT_TOKEN_H
#define SB_CRYPT_TOKEN_H
#include <stdint.h>
#include "base/err.h"
#include "base/slice.h"
#include "crypt/seal.h"

enum {
	TOKEN_DIGEST_LEN = 32,
	TOKEN_SECRET_LEN = 16,
	TOKEN_TEXT_LEN = 9 + 50 + 1 + 25,	/* without the ending NUL */
	UNLOCK_TEXT_LEN = 9 + 43,
};

struct token {
	uint8_t digest[TOKEN_DIGEST_LEN];
	uint8_t secret[TOKEN_SECRET_LEN];
};

/* Of the root certificate in DER: what a token pins. */
void token_digest(struct slice root_der, uint8_t digest[TOKEN_DIGEST_LEN]);
void token_build(const struct token *t, char text[TOKEN_TEXT_LEN + 1]);
/* ERR_INVALID: it is no token of version 1, or a number is too large. */
int token_parse(struct slice text, struct token *t);
/* 1 if both are the same, in constant time. */
int token_equal(const struct token *a, const struct token *b);

void unlock_build(const struct seal_key *key, char text[UNLOCK_TEXT_LEN + 1]);
/* ERR_INVALID: it is no unlock key. */
int unlock_parse(struct slice text, struct seal_key *key);
#endif
