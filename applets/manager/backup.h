/* backup.h - what is in a backup: the table of its files, and what is told of it. Pure.
 *
 * A backup is a sealed text (io/sealed.h, the number is the time in seconds): files of a node's
 * data folder one after the other, as they lie there, then their table.
 *
 *	table	count times (length of name u8, name, size u64), count u32, length of those u32
 *
 * in this order: node.json, identity, key; the log's segments, oldest first; the newest snapshot,
 * if there is one.
 */
#ifndef SB_APPLETS_MANAGER_BACKUP_H
#define SB_APPLETS_MANAGER_BACKUP_H
#include "applets/manager/state/state.h"
#include "applets/rows.h"
#include "base/buf.h"
#include "base/err.h"

enum backup_part { BACKUP_NODE, BACKUP_IDENTITY, BACKUP_KEY, BACKUP_FIXED };

enum {
	BACKUP_NAME_MAX = 32,			/* with its NUL; "snapshot-" and 16 digits */
	BACKUP_FILES_MAX = BACKUP_FIXED + 1024 + 1,	/* segments: WAL_SEGMENTS_MAX */
	BACKUP_TABLE_MAX = BACKUP_FILES_MAX * (1 + BACKUP_NAME_MAX + 8) + 4 + 4,
};
/* Above the longest snapshot, and any of the others. */
#define BACKUP_FILE_MAX (INT64_C(2) << 30)

struct backup_file {
	char name[BACKUP_NAME_MAX];
	uint64_t size;
	uint64_t offset;	/* in the text */
};

struct backup_table {
	struct backup_file files[BACKUP_FILES_MAX];
	uint32_t count;
};

enum backup_raft { BACKUP_OTHER, BACKUP_SEGMENT, BACKUP_SNAPSHOT };

/* By its name, what a file in raft/ is. */
enum backup_raft backup_raft_of(const char *name);
/* Appends the table to out. The files are in order, with sizes up to BACKUP_FILE_MAX (asserted);
 * their offsets are not looked at. */
void backup_table_build(const struct backup_table *t, struct buf *out);
/* From the end of a text of so many bytes (BACKUP_TABLE_MAX, or all of it). ERR_CORRUPT: it is
 * none, or the files are not these, not in this order, or not just as long as what stands before
 * it; t is not to be used then. */
int backup_table_parse(struct slice end, uint64_t length, struct backup_table *t);

/* What is told of a backup. */
struct backup_seen {
	const char *node_id, *swarm_id;	/* swarm_id "" while it is locked */
	int64_t time_ns;		/* when it was made */
	int is_locked;			/* what follows was not looked at */
	uint64_t index;			/* of the last entry of the log */
	size_t counts[OBJECT_KINDS];
	size_t pairs;			/* of the key-value store */
};

/* One row, for people or programs. */
void backup_seen_write(const struct backup_seen *seen, enum rows_form form, struct arena *a,
		       struct buf *out);
/* "node N of swarm S at index I (2 nodes, 1 service, ...)", without what is not known. */
const char *backup_seen_text(const struct backup_seen *seen, struct arena *a);
#endif
