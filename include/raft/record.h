/* record.h - what Raft writes to the log on disk, as bytes. Pure.
 *
 * Little endian, no padding, every length checked. The WAL carries these bytes without
 * looking into them; the first byte tells the type.
 *
 *	hard state	1, term u64, vote u64
 *	entry		2, kind u8, term, index (varints, base/bytes.h), data (the rest)
 *	snapshot	3, index u64, term u64, hard term u64, hard vote u64, wal_keep u64,
 *			configuration; the state follows it
 *	configuration	count u32, count times (id u64, votes u8, length of about u8, about),
 *			ids ascending
 */
#ifndef SB_RAFT_RECORD_H
#define SB_RAFT_RECORD_H
#include <stdint.h>
#include "base/buf.h"
#include "base/slice.h"

enum {
	/* Swarms of 3, 5 or 7 managers; more only slow each write down. */
	RAFT_MEMBERS_MAX = 16,
	RAFT_ABOUT_MAX = 96,		/* a node id, an address and a zero */
	/* A secret of 500 KB (Docker's limit) is 667 KB in base64; a batch of 1,000 task
	 * updates of 1 KB fits as well. */
	RAFT_DATA_MAX = 2 << 20,
	RAFT_ENTRY_HEADER_MAX = 2 + 9 + 9,
	RAFT_RECORD_MAX = RAFT_ENTRY_HEADER_MAX + RAFT_DATA_MAX,
};

/* Raft's persistent state beside the log (thesis figure 3.1); vote 0 = none. */
struct raft_hard {
	uint64_t term;
	uint64_t vote;
};

/* One manager. One that does not vote is a learner: it only gets the log (thesis 4.2.1). */
struct raft_member {
	uint64_t id;			/* not 0 */
	int votes;
	char about[RAFT_ABOUT_MAX];	/* the caller's text: who it is and where it is reached */
};

/* Ids ascending; at least one votes. */
struct raft_config {
	uint32_t count;
	struct raft_member members[RAFT_MEMBERS_MAX];
};

enum raft_kind {
	RAFT_NOOP = 1,		/* a new leader's first entry (thesis 6.4); no data */
	RAFT_COMMAND = 2,	/* the caller's bytes */
	RAFT_CONFIG = 3,	/* data = a configuration (thesis 4.1) */
};

struct raft_entry {
	uint64_t index;
	uint64_t term;
	uint64_t record;	/* number of the WAL record that holds it; not in the bytes */
	enum raft_kind kind;
	struct slice data;
};

/* What stands before the state in a snapshot. */
struct raft_snapshot {
	uint64_t index, term;	/* of the last entry it covers */
	struct raft_hard hard;	/* as of the snapshot: older hard state records may be dropped */
	uint64_t wal_keep;	/* first WAL record that is still needed beside it */
	struct raft_config config;
};

enum raft_record_type { RAFT_RECORD_HARD = 1, RAFT_RECORD_ENTRY = 2 };

struct raft_record {
	enum raft_record_type type;
	struct raft_hard hard;		/* RAFT_RECORD_HARD */
	struct raft_entry entry;	/* RAFT_RECORD_ENTRY; data borrowed from the bytes */
};

/* These append to out; they assert what the parser would refuse. */
void raft_hard_build(struct buf *out, struct raft_hard hard);
void raft_entry_build(struct buf *out, const struct raft_entry *e);
void raft_config_build(struct buf *out, const struct raft_config *c);
void raft_snapshot_build(struct buf *out, const struct raft_snapshot *s);

/* 0, or ERR_CORRUPT: unknown type or kind, a length that does not fit, a term or index that is
 * 0 or above INT64_MAX, a broken configuration. The output is untouched then. */
int raft_record_parse(struct slice bytes, struct raft_record *r);
/* All of bytes is one configuration. As above. */
int raft_config_parse(struct slice bytes, struct raft_config *c);
/* Takes the meta off the front of *bytes, which is then the state. As above. */
int raft_snapshot_parse(struct slice *bytes, struct raft_snapshot *s);
#endif
