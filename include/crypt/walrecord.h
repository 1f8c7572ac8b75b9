/* walrecord.h - the bytes of a log segment: header and record frames. Pure.
 *
 * Segment header, 104 bytes, little endian:
 *	magic "SWBXWAL\n", version u32, sequence u32, first u64 (number of its first record),
 *	salt 32, previous 32 (chain of the record before, then zeros), tag 16
 * Record, WALRECORD_OVERHEAD + payload:
 *	length u24, type u8, number u32 (in this segment, from 1), durable u32, chain 8,
 *	sealed payload and tag; the frame before the payload is authenticated with it
 *
 * The segment's key comes from the master key and the segment's own random salt, so record
 * numbers are nonces that never repeat. chain is the start of the tag of the record before
 * (the header's for the first): records cannot be reordered, dropped or taken from another
 * file. durable is the offset below which the writer knew everything to be on disk: what is
 * broken below such an offset is rot, what is broken above may be a torn write.
 */
#ifndef SB_CRYPT_WALRECORD_H
#define SB_CRYPT_WALRECORD_H
#include <stdint.h>
#include "base/buf.h"
#include "base/slice.h"
#include "crypt/seal.h"

enum {
	WALSEGMENT_VERSION = 2,
	WALSEGMENT_HEADER = 104,
	WALRECORD_FRAME = 20,
	WALRECORD_OVERHEAD = WALRECORD_FRAME + SEAL_TAG_LEN,
	WALRECORD_CHAIN_LEN = 8,
	/* Above RAFT_RECORD_MAX, below the 24 bits of the length. */
	WALRECORD_PAYLOAD_MAX = 4 << 20,
};

enum walrecord_type {
	WALRECORD_DATA = 1,
	/* Says only "durable"; written after a sync, without one, and overwritten by the next
	 * record. It takes the number of the record before it. */
	WALRECORD_MARK = 2,
};

/* Where a writer or reader stands in a segment. */
struct walsegment {
	struct seal_key key;			/* private; wipe with walsegment_done */
	uint64_t first;				/* number of its first record */
	/* The low bits of its place among the segments, as its file's name has it: what a disk
	 * wrote to the place of another segment is not taken for that one. */
	uint32_t sequence;
	uint8_t previous[WALRECORD_CHAIN_LEN];	/* chain of the segment before */
	uint8_t chain[WALRECORD_CHAIN_LEN];	/* of the last record */
	uint32_t count;				/* records so far */
	uint32_t offset;			/* where the next record begins */
};

/* A new segment: appends its header to out. The caller has set s->first, s->sequence, and
 * s->previous (zeros for the first segment of all). salt: random. */
void walsegment_begin(struct walsegment *s, const struct seal_key *master,
		      const uint8_t salt[SEAL_SALT_LEN], struct buf *out);
/* Reads the header. ERR_UNSUPPORTED: another version. ERR_CORRUPT: not a segment, damaged,
 * or sealed with another key. */
int walsegment_parse(struct walsegment *s, const struct seal_key *master, struct slice file);
void walsegment_done(struct walsegment *s);

/* Appends the next record to out and moves on. durable: see above. payload.len at most
 * WALRECORD_PAYLOAD_MAX (asserted). */
void walrecord_build(struct walsegment *s, uint32_t durable, struct slice payload,
		     struct buf *out);
/* Appends a mark that tells durable = s->offset; s does not move. */
void walrecord_mark(const struct walsegment *s, struct buf *out);

/*
 * Reads the record at s->offset of file. On 0 its payload is all of *payload (which is
 * emptied first; its maximum must be WALRECORD_PAYLOAD_MAX or more) and s moves on. Marks
 * are taken in passing. ERR_NOT_FOUND: nothing of this segment follows, the log ends here (zeros
 * may follow, or what the file held before).
 * ERR_TORN: no valid record here, and no later record says that there must be one.
 * ERR_CORRUPT: no valid record here though one was durable.
 */
int walrecord_next(struct walsegment *s, struct slice file, struct buf *payload);
#endif
