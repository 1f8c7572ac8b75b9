/* datadir.h - the data folder: ours, locked, with its key. I/O.
 *
 *	swarmbox.json	the marker: {"DataFormat":1}
 *	lock		held by the daemon that runs here (its pid as text)
 *	key		32 random bytes, mode 0600: the master key of what lies sealed here
 *	raft/		log segments (io/wal.h) and snapshots (io/snapshot.h)
 *	node.json	what the node is; written by the daemon with file_write
 */
#ifndef SB_IO_DATADIR_H
#define SB_IO_DATADIR_H
#include "base/err.h"
#include "crypt/seal.h"
#include "io/folder.h"

enum { DATADIR_FORMAT = 1 };

struct datadir {
	struct folder folder;		/* read */
	struct folder raft;		/* read */
	struct seal_key key;		/* read */
	int lock;			/* private */
};

/*
 * Opens and locks the folder, making it (0700), its marker and its key if it is missing or
 * empty. ERR_LOCKED: another daemon runs on it; the message tells its pid. ERR_INVALID: not
 * a folder, or one with other people's files in it. ERR_UNSUPPORTED: made by a newer
 * version. ERR_CORRUPT: marker or key damaged. Else as io/folder.h. On failure nothing
 * stays open.
 */
int datadir_open(struct datadir *d, const char *path, struct errmsg *msg);
/* Wipes the key from memory and gives up the lock. */
void datadir_close(struct datadir *d);
/* Removes our own files by name, the key first, and the lock last; what is not ours stays.
 * The folder itself stays, it may be a mount. Then only datadir_close may follow. */
int datadir_wipe(struct datadir *d, struct errmsg *msg);
#endif
