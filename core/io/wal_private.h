/* wal_private.h - what wal.c and wal_open.c share. I/O. */
#ifndef SB_IO_WAL_PRIVATE_H
#define SB_IO_WAL_PRIVATE_H
#include "io/wal.h"

enum { WAL_NAME_MAX = 32 };

#define WAL_SPARE "wal-spare"	/* a file whose content does not matter */

void wal_name(char out[WAL_NAME_MAX], uint64_t sequence);
/* 1 and the sequence if name is a segment's. */
int wal_sequence(const char *name, uint64_t *sequence);
/* Writes content (what walsegment_begin and walrecord_build made with w->segment) as a new
 * file, durable before it has its name, and makes it the one that is written. */
int wal_segment_new(struct wal *w, uint64_t sequence, struct buf *content, struct errmsg *msg);
#endif
