/* words.h - a command line in one text becomes its words. Pure. */
#ifndef SB_STACK_WORDS_H
#define SB_STACK_WORDS_H
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
#endif
