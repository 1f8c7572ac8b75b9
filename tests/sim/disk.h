/* disk.h - a folder on a disk that keeps no more promises than it must. Pure.
 *
 * What the log and the snapshots write goes into a cache first: it is durable after a sync, and
 * what was not synced is lost in a power cut, or kept, sector by sector, in no order. Names are
 * durable after a sync of the folder, in their order. The death of the process alone loses
 * nothing. A failed sync leaves the cache clean and the disk as it was: what was written is read
 * back until the power is cut.
 */
#ifndef SB_SIM_DISK_H
#define SB_SIM_DISK_H
#include "base/rng.h"
#include "io/folder.h"

enum {
	DISK_SECTOR = 512, DISK_PAGE = 4096, DISK_NAMES = 128, DISK_HANDLES = 8,
	DISK_NAME_MAX = 48, DISK_CHANGES = 32,
};

struct disk_inode;

struct disk_entry {
	char name[DISK_NAME_MAX];
	struct disk_inode *inode;	/* NULL: no such name */
};

struct disk_names {
	struct disk_entry entries[DISK_NAMES];
	int count;
};

/* A sector as it was on the disk before a sync that is not over yet; or in the cache before a write
 * that came after it, and so has not happened yet either. */
struct disk_undo {
	struct disk_undo *next;
	struct disk_inode *inode;
	int cached;
	uint64_t offset;		/* UINT64_MAX: of no sector, of the size */
	uint64_t size;			/* of the file */
	uint8_t bytes[DISK_SECTOR];
};

enum disk_fault { DISK_OK, DISK_IO_ERROR, DISK_NO_SPACE, DISK_DIES };

/* A place of a file that is not as it was written, and what stood there. */
struct disk_scar {
	struct disk_inode *inode;
	uint64_t offset;
	size_t len;
	uint8_t bytes[DISK_SECTOR];
};

enum { DISK_SCARS = 2 };	/* a sector that is elsewhere is missed at one place, too */

struct disk {
	struct rng rng;			/* of what a power cut leaves */
	struct disk_names now, durable;
	struct disk_entry changes[DISK_CHANGES];	/* of names, not durable yet, in order */
	int change_count;
	struct disk_inode *inodes;	/* all there are */
	struct disk_inode *handles[DISK_HANDLES];
	struct disk_undo *undo;
	/* What is synced now counts only after disk_settle; 2: it was, and what comes now comes
	 * after it. */
	int syncing;
	/* Asked before each operation that changes something: what happens to it. From DISK_DIES
	 * on all fail, until disk_restart. */
	enum disk_fault (*fault)(void *arg, int sync);
	void *arg;
	int dead;
	struct disk_scar scars[DISK_SCARS];	/* of the last damage */
	int scar_count;
	int rot_last;			/* it was in the end of what is written there */
	/* No file grows; or, where what is written over takes room, too, nothing is written. */
	enum disk_room { DISK_ROOM, DISK_FULL, DISK_FULLER } full;
	/* Counted: files that lost a part of what was not synced; sectors. */
	uint64_t torn, lost, kept, reordered;
};

extern const struct folder_ops disk_ops;	/* context: struct disk */

void disk_init(struct disk *d, uint64_t seed);
void disk_done(struct disk *d);
/* The syncs since `syncing` was set are over. */
void disk_settle(struct disk *d);
/* The process is gone, its handles with it. power: so is what was not durable. */
void disk_restart(struct disk *d, int power);
/* All of it is gone. */
void disk_wipe(struct disk *d);
/* Flips one bit of what is durable, in some file that is not empty. The name of the file, or NULL
 * when there is none or a sync is not over. */
const char *disk_rot(struct disk *d, uint64_t *offset);
/* A sector of some file was written to the place of another, maybe of another file: that one holds
 * its bytes, and its own place is as if nothing had been written. Not in the last bytes of a file:
 * a last write that never came, and what tells of it with it, leaves no trace. The name of the file
 * whose sector it was, or NULL as above. */
const char *disk_misdirect(struct disk *d, uint64_t *offset);
/* Takes the last damage back, as a copy of the folder that was made before does. */
void disk_heal(struct disk *d);
#endif
