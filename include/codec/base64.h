/* base64.h - bytes as text (RFC 4648 section 4, with padding). Pure. */
#ifndef SB_CODEC_BASE64_H
#define SB_CODEC_BASE64_H
#include "base/buf.h"
#include "base/slice.h"

/* Appends the text of bytes to out: 4 characters for each 3 bytes begun. */
void base64_encode(struct slice bytes, struct buf *out);
/*
 * Appends the bytes of text to out. 0, or ERR_INVALID: a character outside the alphabet
 * (blanks too), wrong padding, or bits set that no encoder sets; ERR_LIMIT: out is full.
 * out may hold a part of the bytes after an error.
 */
int base64_decode(struct slice text, struct buf *out);
#endif
