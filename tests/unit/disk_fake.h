/* disk_fake.h - a folder in memory that forgets, tears and fails as disks do. Pure.
 *
 * What was not synced may be there after a crash or not: each sector of a file by itself, in any
 * order, its size, and each new, renamed or removed name by itself.
 */
#ifndef SB_UNIT_DISK_FAKE_H
#define SB_UNIT_DISK_FAKE_H
#include "io/folder.h"

enum { DISK_SECTOR = 512, DISK_INODES = 128, DISK_NAMES = 128, DISK_NAME = 64 };

/* What becomes of the unsynced: nothing, all, or as a random number says. DISK_KILL: only the
 * process ended, so it is all there and still not synced. */
enum disk_crash { DISK_LOSE, DISK_KEEP, DISK_MIX, DISK_KILL };

struct disk_content {
	char *bytes;
	size_t size;
};

struct disk_inode {
	int used;
	struct disk_content now, safe;	/* as the process sees it; what the disk holds for sure */
};

struct disk_names {
	char name[DISK_NAMES][DISK_NAME];
	int inode[DISK_NAMES];
	int count;
};

struct disk_change {
	char from[DISK_NAME], to[DISK_NAME];	/* from empty: created; to empty: removed */
	int inode;
};

struct disk {
	struct folder folder;		/* read */
	int calls;			/* read: operations so far, reads not counted */
	int fail_at;			/* the operation of this number fails; -1 = none */
	int fail_errno;			/* with this */
	int dead;			/* and all after it */
	int full;			/* no new file, and none that grows */
	struct disk_inode inodes[DISK_INODES];
	struct disk_names now, safe;
	struct disk_change changes[DISK_NAMES];	/* of names, unsynced */
	int change_count;
	uint32_t random;
	const struct disk_content *bad;	/* this file cannot be read from bad_offset on */
	uint64_t bad_offset;
};

void disk_init(struct disk *d);
void disk_done(struct disk *d);
/* Power off and on again. Handles are gone, nothing fails any more, calls count from 0. */
void disk_crash(struct disk *d, enum disk_crash how, uint32_t seed);
/* A file as the process sees it; NULL = there is none. */
struct disk_content *disk_file(struct disk *d, const char *name);
/* How many names begin with prefix; the first of them in order, if name is not NULL. */
int disk_count(const struct disk *d, const char *prefix, char name[DISK_NAME]);
/* A copy of all, and back again. to: zeroed, or initialised. */
void disk_copy(struct disk *to, const struct disk *from);
#endif
