/* words.h - texts that hold several: command lines, and "a=1,b=2". Pure. */
#ifndef SB_WORDS_H
#define SB_WORDS_H
#include "base/arena.h"
#include "base/err.h"
#include "model/table.h"

/*
 * Splits as Docker does (google/shlex): blanks and line breaks separate; '...' keeps all; "..."
 * keeps all but \, which takes the next character as it is, as it does outside quotes; a word
 * that begins with # hides the rest of its line. 0, ERR_INVALID (a quote or a \ at the end that is
 * not finished) or ERR_LIMIT (more than MODEL_LIST_MAX words), with msg. The words live in a.
 */
int words_split(struct arena *a, struct slice text, struct strings *out, struct errmsg *msg);

/* One line of CSV (RFC 4180): fields may stand in quotes, a quote in them is doubled. 0;
 * ERR_INVALID (a quote that is not closed, text behind one) or ERR_LIMIT, with msg. */
int words_csv(struct arena *a, const char *text, struct strings *out, struct errmsg *msg);

/* "key=value" (or "key": an empty value) apart; key is in a, value within text. */
const char *words_key(struct arena *a, const char *text, const char **value);
#endif
