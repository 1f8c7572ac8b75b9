/* err.h - the one list of error codes, and one line of text for a person. Pure. */
#ifndef SB_BASE_ERR_H
#define SB_BASE_ERR_H
#include <stdarg.h>
#include <stddef.h>

/* Functions return 0 (or a count >= 0), or one of these. */
#define ERR_LIST(X) \
	X(ERR_MORE, -1, "more input is needed") \
	X(ERR_INVALID, -2, "invalid input") \
	X(ERR_LIMIT, -3, "a limit is reached") \
	X(ERR_NOT_FOUND, -4, "not found") \
	X(ERR_EXISTS, -5, "already exists") \
	X(ERR_STALE, -6, "update out of sequence") \
	X(ERR_IO, -7, "input/output error") \
	X(ERR_FULL, -8, "no space left") \
	X(ERR_CORRUPT, -9, "damaged data") \
	X(ERR_TORN, -10, "torn record at the end") \
	X(ERR_LOCKED, -11, "locked by another process") \
	X(ERR_DENIED, -12, "not permitted") \
	X(ERR_UNAVAILABLE, -13, "not available") \
	X(ERR_TIMEOUT, -14, "timed out") \
	X(ERR_UNSUPPORTED, -15, "not supported") \
	X(ERR_AMBIGUOUS, -16, "ambiguous") \
	X(ERR_IN_USE, -17, "in use")

enum err {
#define X(name, value, text) name = (value),
	ERR_LIST(X)
#undef X
};

/* The text of a code; "ok" for 0 and counts; "unknown error" for anything else. */
const char *err_text(int err);

enum { ERRMSG_MAX = 512 };	/* one terminal line with a path and a name in it */

/* One line for a person: what and why. Caller's memory; start it with {{0}}. */
struct errmsg {
	char text[ERRMSG_MAX];
};

/*
 * Sets the text (printf rules, cut at ERRMSG_MAX - 1 bytes) and returns err, so that a
 * failing function can end with `return errmsg_set(msg, ERR_INVALID, "...")`.
 * msg may be NULL: nothing is written. Control characters become '?'.
 */
int errmsg_set(struct errmsg *msg, int err, const char *format, ...)
	__attribute__((format(printf, 3, 4)));

/* Puts "prefix: " in front of the text on its way up. Returns err. msg may be NULL. */
int errmsg_prefix(struct errmsg *msg, int err, const char *format, ...)
	__attribute__((format(printf, 3, 4)));
#endif
