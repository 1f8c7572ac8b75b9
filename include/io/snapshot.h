/* snapshot.h - the state at one index, as a sealed file. I/O.
 *
 * snapshot-<index>: a header of 80 bytes (magic "SWBXSNP\n", version u32, zero u32, index
 * u64, length u64, salt 32, tag 16), then the body in pieces of SNAPSHOT_PIECE, each sealed
 * with the number of the piece as nonce. Term and configuration stand at the head of the
 * body (raft/record.h), which is opaque here.
 */
#ifndef SB_IO_SNAPSHOT_H
#define SB_IO_SNAPSHOT_H
#include <stdint.h>
#include "base/buf.h"
#include "base/err.h"
#include "base/slice.h"
#include "crypt/seal.h"
#include "io/folder.h"

enum {
	SNAPSHOT_VERSION = 1,
	SNAPSHOT_HEADER = 80,
	SNAPSHOT_PIECE = 64 << 10,
	SNAPSHOT_BODY_MAX = 1 << 30,	/* ten times 100,000 objects of 1 KB */
};

/* Writes, syncs and renames, then removes older snapshots. When this returns 0 the log that
 * it covers may go. Errors as io/folder.h; the snapshot before then still stands. */
int snapshot_save(const struct folder *f, const struct seal_key *key, uint64_t index,
		  struct slice body, struct errmsg *msg);
/*
 * Appends the newest snapshot's body to out (maximum SNAPSHOT_BODY_MAX or more); every byte
 * has been checked. ERR_NOT_FOUND: there is none. ERR_CORRUPT: damaged; the message names
 * file, offset and remedy. ERR_UNSUPPORTED: made by a newer version.
 */
int snapshot_load(const struct folder *f, const struct seal_key *key, struct buf *out,
		  uint64_t *index, struct errmsg *msg);
#endif
