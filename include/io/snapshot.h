/* snapshot.h - the state at one index, as a sealed file. I/O.
 *
 * snapshot-<index>: io/sealed.h with the index as number and magic "SWBXSNP\n". Term and
 * configuration stand at the head of the body (raft/record.h), which is opaque here.
 */
#ifndef SB_IO_SNAPSHOT_H
#define SB_IO_SNAPSHOT_H
#include <stdint.h>
#include "io/sealed.h"

enum {
	SNAPSHOT_VERSION = 1,
	SNAPSHOT_BODY_MAX = 1 << 30,	/* ten times 100,000 objects of 1 KB */
};

/* A snapshot that is being written, piece by piece. Caller's memory, not to be moved. */
struct snapshot_writer {
	struct sealed_writer file;	/* read: sink (what is put there is snapshot_put), length */
	/* the rest is private */
	const struct folder *folder;
	uint64_t index;
	int fd;				/* -1 when not open */
};

/*
 * Begins the snapshot at that index; folder and key are borrowed until finish or abandon,
 * one of which must follow when this returned 0. Two writers at one index disturb each other.
 * Nothing is seen of it before it is finished: a writer that is killed leaves a file
 * snapshot-<index>.new.
 */
int snapshot_begin(struct snapshot_writer *w, const struct folder *folder,
		   const struct seal_key *key, uint64_t index, struct errmsg *msg);
/* Adds to the body. 0, or the code that snapshot_finish will return, with its reason.
 * ERR_LIMIT: more than SNAPSHOT_BODY_MAX. */
int snapshot_put(struct snapshot_writer *w, struct slice bytes);
/* Syncs and publishes it, then removes older ones. When this returns 0 the log that it covers
 * may go. On failure it is abandoned; the snapshot before then still stands. */
int snapshot_finish(struct snapshot_writer *w, struct errmsg *msg);
/* Removes what was written. Does nothing after finish. */
void snapshot_abandon(struct snapshot_writer *w);

/* A snapshot that is being read. It stays readable when a newer one takes its place. */
struct snapshot_reader {
	uint64_t index;			/* read */
	struct sealed_reader file;	/* read: length of the body */
	/* the rest is private */
	const struct folder *folder;
	int fd;				/* -1 when not open */
};

/*
 * Opens the snapshot at that index, 0: the newest. (What a process that was killed had given
 * its name last may not be durable: it is once wal_open on this folder returned.) folder is
 * borrowed until snapshot_close, key is not. ERR_NOT_FOUND: there is none. ERR_CORRUPT:
 * damaged; the message names file, offset and remedy. ERR_UNSUPPORTED: made by a newer
 * version. On failure nothing stays open.
 */
int snapshot_open(struct snapshot_reader *r, const struct folder *folder,
		  const struct seal_key *key, uint64_t index, struct errmsg *msg);
/* The next piece of the body, valid until the next call; empty at the end. Every byte of it
 * has been checked. ERR_CORRUPT as above. */
int snapshot_next(struct snapshot_reader *r, struct slice *piece, struct errmsg *msg);
/* Appends up to n bytes of the body from offset to out: fewer only at its end. For pieces of
 * any size in any order; snapshot_next goes on where it was. ERR_LIMIT: out's maximum. */
int snapshot_read_at(struct snapshot_reader *r, uint64_t offset, size_t n, struct buf *out,
		     struct errmsg *msg);
/* Does nothing to one that is not open. */
void snapshot_close(struct snapshot_reader *r);

/* Removes what killed writers left; there must be no writer. */
int snapshot_clean(const struct folder *folder, struct errmsg *msg);
/* Removes every snapshot, durably. */
int snapshot_remove_all(const struct folder *folder, struct errmsg *msg);
#endif
