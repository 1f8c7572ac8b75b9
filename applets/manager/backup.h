/* backup.h - what is in a backup: the table of its files, and what is told of it. Pure.
 *
 * A backup is a sealed text (io/sealed.h, the number is the time in seconds): a table, then the
 * files of a node's data folder one after the other, as they lie there.
 *
 *	table	count u32, count times (length of name u8, name, size u64)
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
	BACKUP_TABLE_MAX = 4 + BACKUP_FILES_MAX * (1 + BACKUP_NAME_MAX + 8),
};
/* Above the longest snapshot, and any of the others. */
#define BACKUP_FILE_MAX (INT64_C(2) << 30)

struct backup_file {
	char name[BACKUP_NAME_MAX];
	uint64_t size;
	uint64_t offset;	/* in the text; the table's functions set it */
};

struct backup_table {
	struct backup_file files[BACKUP_FILES_MAX];
	uint32_t count;
	uint64_t end;		/* the text's length */
};

/* 1 if it is a segment's name, 2 if a snapshot's, else 0. */
int backup_is_raft(const char *name);
/* Appends the table to out and sets offsets and end. The files are in order, with sizes up to
 * BACKUP_FILE_MAX (asserted). */
void backup_table_build(struct backup_table *t, struct buf *out);
/* From the first bytes of a text of so many: ERR_CORRUPT: it is none, or the files are not these,
 * not in this order, or not just as long as the text; t is not to be used then. */
int backup_table_parse(struct slice bytes, uint64_t length, struct backup_table *t);

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
