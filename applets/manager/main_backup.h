/* main_backup.h - a backup file: opened and looked at, for backup and restore. I/O. */
#ifndef SB_APPLETS_MANAGER_MAIN_BACKUP_H
#define SB_APPLETS_MANAGER_MAIN_BACKUP_H
#include "applets/cli.h"
#include "applets/manager/backup.h"
#include "applets/manager/main_trust.h"
#include "io/sealed.h"

enum { BACKUP_SMALL_MAX = TRUST_TEXT_MAX + 4096 };	/* node.json, identity, key */

extern const struct sealed_kind backup_kind;
extern const struct command backup_commands[], restore_commands[];

/*
 * Copies the node in a data folder and the raft/ in it to the file at place, whatever that held,
 * and syncs it; it stays the caller's. The daemon may run, or not. ERR_NOT_FOUND: no manager is
 * there. ERR_STALE: it writes too fast. Else as io/folder.h; the file is of no use then.
 */
int backup_copy(const struct folder *dir, const struct folder *raft,
		const struct sealed_place *place, const struct seal_key *key, struct errmsg *msg);

/* Caller's memory; large. */
struct backup {
	struct backup_table table;	/* read, when open */
	struct sealed_reader file;	/* read: number */
	struct sealed_place place;	/* read */
};

/*
 * Reads all of it: after this every byte has been checked. place: an open file, which stays the
 * caller's. ERR_CORRUPT: it is no backup, damaged, cut, or made with another key.
 * ERR_UNSUPPORTED: made by a newer version. On failure nothing is left of the key.
 */
int backup_open(struct backup *b, const struct sealed_place *place, const struct seal_key *key,
		struct errmsg *msg);
/*
 * What is in it, in a. Unless it is locked a manager is made of it, in memory, as
 * --force-new-cluster makes one: what is looked at can be restored. ERR_CORRUPT: it cannot.
 */
int backup_look(struct backup *b, struct arena *a, struct backup_seen *seen, struct errmsg *msg);
/* The whole file number part, which is small, added to out; the caller wipes it. ERR_CORRUPT: it
 * is not small, or as backup_open. */
int backup_small(struct backup *b, enum backup_part part, struct buf *out, struct errmsg *msg);
/* Its raft/ as a folder, borrowed from b: what is written there is dropped. */
void backup_folder(struct backup *b, struct folder *folder);
void backup_close(struct backup *b);

/*
 * The folder and the last part of a path, as place->name and the folder's path for messages.
 * ERR_INVALID: there is no such part, or it is too long. ERR_NOT_FOUND: no such folder. On success
 * folder is open, the caller's to close.
 */
int backup_place(const char *path, struct folder *folder, struct sealed_place *place,
		 struct errmsg *msg);
/* Opens the backup at path and checks it. When this returned 0, backup_close_path must follow. */
int backup_open_path(struct backup *b, const char *path, const struct seal_key *key,
		     struct folder *folder, struct errmsg *msg);
void backup_close_path(struct backup *b, struct folder *folder);
/* The key of a backup, from key_file, or (NULL) typed or from standard input. 0, or a code with
 * msg. */
int backup_read_key(struct cli *cli, const char *key_file, struct seal_key *key,
		    struct errmsg *msg);
#endif
