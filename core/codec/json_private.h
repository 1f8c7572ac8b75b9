/* json_private.h - what the three files of json.h share. Pure. */
#ifndef SB_CODEC_JSON_PRIVATE_H
#define SB_CODEC_JSON_PRIVATE_H
#include <stddef.h>
#include "base/buf.h"
#include "base/err.h"
#include "base/slice.h"
#include "codec/json.h"

/*
 * cJSON turns numbers into doubles and accepts more than RFC 8259 allows. So the text is
 * scanned strictly first and handed on with every number as a string of its digits; the
 * first byte of each string value then tells what it was.
 */
enum { JSON_MARK_NUMBER = 'n', JSON_MARK_STRING = 's' };

/* A string value of three bytes grows by one, a number of one digit by three. */
enum { JSON_MARKED_MAX = 4 * JSON_TEXT_MAX };

/*
 * Checks text against RFC 8259 and the limits of json.h, and appends it to out without
 * blanks and with marked values. 0, ERR_INVALID or ERR_LIMIT with msg.
 */
int json_scan(struct slice text, struct buf *out, struct errmsg *msg);

/* The digits of a number as they stood in the text; the empty slice for other nodes. */
struct slice json_number(const struct json *node);

/* Length of the valid UTF-8 sequence at the start of s (RFC 3629), or 0; s is not empty. */
size_t json_utf8_length(struct slice s);
#endif
