/* buf.h - a growing byte buffer with a maximum. Pure. */
#ifndef SB_BASE_BUF_H
#define SB_BASE_BUF_H
#include <stddef.h>
#include <stdint.h>
#include "base/slice.h"

/*
 * data[0..len) is the content. After a write that would pass max the buffer is failed:
 * its content stays, later writes do nothing, so a chain of writes is checked once.
 */
struct buf {
	char *data;
	size_t len;
	size_t capacity;	/* private */
	size_t max;		/* private */
	int failed;		/* read: ERR_LIMIT once max was passed, else 0 */
};

void buf_init(struct buf *b, size_t max);
/* Frees the memory; the buffer is then as after buf_init with the same max. */
void buf_done(struct buf *b);
/* Empties it and clears `failed`; keeps the memory. */
void buf_reset(struct buf *b);
void buf_add(struct buf *b, const void *data, size_t n);
void buf_add_slice(struct buf *b, struct slice s);
void buf_add_str(struct buf *b, const char *text);
void buf_add_char(struct buf *b, char c);
void buf_add_u64(struct buf *b, uint64_t value);	/* decimal */
void buf_add_i64(struct buf *b, int64_t value);		/* decimal */
/* printf rules; one call writes at most 4096 bytes, more is cut. */
void buf_printf(struct buf *b, const char *format, ...)
	__attribute__((format(printf, 2, 3)));
/* Room for n more bytes at data + len, or NULL (failed). The caller then adds to len. */
char *buf_reserve(struct buf *b, size_t n);
/* Drops the first n bytes (n <= len). Costs a move of the rest. */
void buf_consume(struct buf *b, size_t n);
struct slice buf_slice(const struct buf *b);
/* The content as a C string, valid until the next write; the NUL is not counted in len. */
const char *buf_str(struct buf *b);
#endif
