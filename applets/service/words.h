/* words.h - values that hold several: "a=1,b=2" and command lines. Pure. */
#ifndef SB_APPLETS_SERVICE_WORDS_H
#define SB_APPLETS_SERVICE_WORDS_H
#include "base/arena.h"
#include "base/err.h"
#include "base/slice.h"
#include "model/table.h"

enum { WORDS_MAX = 1000 };	/* in one value */

/* One line of CSV (RFC 4180): fields may stand in quotes, a quote in them is doubled. 0;
 * ERR_INVALID (a quote that does not end) or ERR_LIMIT with msg. */
int words_csv(struct arena *a, const char *text, struct strings *out, struct errmsg *msg);
/* A command line: blanks divide, '...' and "..." and backslash hold together, nothing is
 * expanded. Same errors. */
int words_shell(struct arena *a, const char *text, struct strings *out, struct errmsg *msg);

/* "key=value" (or "key": an empty value) apart; key is in the arena, value within text. */
const char *words_key(struct arena *a, const char *text, const char **value);
#endif
