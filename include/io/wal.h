/* wal.h - the log on disk: numbered records in sealed, chained segments. I/O.
 *
 * Appends are gathered in memory; wal_sync makes them durable with one write and one
 * fdatasync (crypt/walrecord.h has the bytes). Segment files are wal-<sequence>, and each
 * tells its first record number. Every open begins a new segment with a new salt. A short
 * log is taken over into it whole, so restarts leave no trail of small files: a segment
 * replaces all earlier ones that do not begin below its first record. A full segment that is
 * dropped becomes the file of a later one (wal-spare): a busy log soon writes over old bytes
 * alone, its syncs need not change the file's size, and it opens again on a disk that is full.
 * What is left of them cannot be taken for records, they were sealed with another key.
 *
 * A failed write or sync is never retried (the kernel may have dropped the pages and called
 * them clean): the wal then refuses everything until it is opened again.
 */
#ifndef SB_IO_WAL_H
#define SB_IO_WAL_H
#include <stdint.h>
#include "base/buf.h"
#include "base/err.h"
#include "base/slice.h"
#include "crypt/walrecord.h"
#include "io/folder.h"

enum {
	WAL_RECORD_MAX = WALRECORD_PAYLOAD_MAX,
	WAL_PENDING_MAX = 8 << 20,	/* two of the largest records between two syncs */
	WAL_SEGMENT_BYTES = 8 << 20,	/* a segment that has reached this is the last no more */
	WAL_FILE_MAX = WAL_SEGMENT_BYTES + WAL_PENDING_MAX + (1 << 20),
	/* Zeros are written ahead in steps of such a part of a segment (1 MiB): a sync inside one
	 * need not change the file's size, and an edge host with a small disk pays for no more. */
	WAL_GROW_PART = 8,
	/* Up to such a part of a segment (1 MiB) an old log is copied at open. */
	WAL_TAKEOVER_PART = 8,
	WAL_SEGMENTS_MAX = 1024,	/* 8 GiB of log that no snapshot covers */
};

/* Takes one recovered record. The body is valid for the call. A negative answer ends
 * wal_open with that error; msg is wal_open's. */
typedef int (*wal_record_fn)(void *arg, uint64_t number, struct slice body, struct errmsg *msg);

struct wal_config {
	const struct folder *folder;	/* datadir's raft/; borrowed until wal_close */
	const struct seal_key *key;	/* borrowed until wal_close */
	wal_record_fn on_record;	/* NULL: records are checked and not delivered */
	void *arg;
	/* What would be ERR_CORRUPT is cut like a torn tail: everything from the damage on is
	 * dropped, see cut_record. For a manager whose log others have (and who counts as a
	 * new one to them). */
	int cut_damage;
	/* Records below this are not needed (the snapshot's wal_keep; 1 without a snapshot, 0 =
	 * not known): segments of them alone are removed unread, and a log that ends below goes
	 * on here. One that begins above, or is not there though this is above 1, is damaged. */
	uint64_t keep;
	uint32_t segment_bytes;		/* 0: WAL_SEGMENT_BYTES; tests take less */
};

struct wal_file {
	uint64_t sequence;
	uint64_t first;			/* number of its first record */
	uint32_t bytes;			/* of header and records; only during wal_open */
	uint32_t size;			/* of the file, with what stands behind them */
	uint8_t previous[WALRECORD_CHAIN_LEN];	/* chain of the record before */
};

struct wal {
	uint64_t last;			/* read: number of the last record appended or recovered */
	uint64_t durable;		/* read: number of the last durable one */
	int failed;			/* read: 0, or why everything is refused */
	struct errmsg why;		/* read: the same for a person */
	uint64_t torn_offset;		/* read: a torn tail was cut here at open; 0 = none */
	char torn_name[32];		/* read: in this file */
	uint64_t cut_record;		/* read: first record lost to damage at open; 0 = none */
	struct errmsg cut_why;		/* read: what was found there, with file and offset */
	/* the rest is private */
	const struct seal_key *key;
	const struct folder *folder;
	int fd;
	struct walsegment segment;
	struct buf pending;
	uint32_t segment_bytes;
	uint32_t size;			/* of the file; its end is zeros, or a former segment's */
	uint32_t spare;			/* size of wal-spare; 0 = there is none */
	uint32_t synced;		/* offset below which all is durable */
	struct wal_file files[WAL_SEGMENTS_MAX];	/* oldest first; the last is written */
	uint32_t file_count;
};

/*
 * Recovers what is there, delivering every record in order, and makes ready to append.
 * A torn tail is cut: records that were never reported durable may be lost, or not.
 * ERR_CORRUPT (never with cut_damage): a record that was durable is damaged, or a segment is
 * missing: the message names file, offset and remedy, and nothing was changed.
 * ERR_UNSUPPORTED: made by a newer version. ERR_LIMIT: more than WAL_SEGMENTS_MAX. Otherwise
 * as io/folder.h; with cut_damage a segment that cannot be read (ERR_IO) is damaged. On
 * failure nothing stays open.
 */
int wal_open(struct wal *w, const struct wal_config *c, struct errmsg *msg);
/* Without a sync: what was not synced is lost. */
void wal_close(struct wal *w);

/*
 * Gathers one record; its number must be last + 1 (asserted). ERR_LIMIT: body longer than
 * WAL_RECORD_MAX, or WAL_PENDING_MAX are gathered already: wal_sync and try again.
 * Or w->failed.
 */
int wal_append(struct wal *w, uint64_t number, struct slice body);
/* Makes all that was appended durable; w->durable is then w->last. ERR_FULL, ERR_IO: see
 * above; msg says it for a person. */
int wal_sync(struct wal *w, struct errmsg *msg);
/* Removes segments of which every record is below number (an effect's wal_keep). */
int wal_drop_before(struct wal *w, uint64_t number, struct errmsg *msg);

/* Removes a log that is not open, newest segment first, durably. */
int wal_remove_all(const struct folder *f, struct errmsg *msg);
#endif
