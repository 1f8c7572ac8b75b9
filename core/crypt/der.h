/* der.h - DER (X.690) as far as certificates need it: written backwards, read forwards. Pure. Only
 * for core/crypt. */
#ifndef SB_CRYPT_DER_H
#define SB_CRYPT_DER_H
#include <stddef.h>
#include <stdint.h>
#include "base/slice.h"

enum {
	DER_BOOLEAN = 0x01, DER_INTEGER = 0x02, DER_BIT_STRING = 0x03, DER_OCTET_STRING = 0x04,
	DER_OID = 0x06, DER_UTF8 = 0x0c, DER_PRINTABLE = 0x13, DER_UTC_TIME = 0x17,
	DER_TIME = 0x18, DER_SEQUENCE = 0x30, DER_SET = 0x31, DER_KEY_ID = 0x80, DER_CONTEXT = 0xa0,
};

/* Writes from the end of the caller's memory to its beginning: what is inside comes first, so that
 * its length is known. */
struct der {
	uint8_t *begin, *at, *end;	/* at: the first byte written */
	int failed;			/* there was no room */
};

void der_init(struct der *d, void *memory, size_t size);
struct slice der_out(const struct der *d);
void der_bytes(struct der *d, const void *bytes, size_t n);
/* Puts a head before what was written since `inside` (an earlier der_out().len). */
void der_wrap(struct der *d, uint8_t tag, size_t inside);
/* A whole element. */
void der_put(struct der *d, uint8_t tag, const void *bytes, size_t n);
/* An unsigned number, big endian. */
void der_integer(struct der *d, const uint8_t *bytes, size_t n);

/* Reading: the element at the beginning of *in, which must have that tag: its content, and *in is
 * what follows. 0, or ERR_INVALID: it is none, or not in DER's shortest form. */
int der_next(struct slice *in, uint8_t tag, struct slice *content);
/* The same with its head. */
int der_next_whole(struct slice *in, uint8_t tag, struct slice *whole);
/* 1 if an element with that tag comes next. */
int der_is(struct slice in, uint8_t tag);
#endif
