/* datadir.h - the data folder: ours, locked, with its key. I/O.
 *
 *	swarmbox.json	the marker: {"DataFormat":1}
 *	lock		held by the daemon that runs here (its pid as text)
 *	key		32 random bytes, mode 0600: the master key of what lies sealed here; or
 *			itself sealed with an unlock key (crypt/token.h)
 *	raft/		log segments (io/wal.h) and snapshots (io/snapshot.h)
 *	node.json	what the node is; written by the daemon with file_write
 *	identity	its certificate and key, sealed; likewise
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
	struct seal_key key;		/* read; zeros while it is locked */
	int locked;			/* read */
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
/*
 * Opens and locks a folder that is missing or empty, to be filled with another one's files: there
 * is a lock and raft/, but no key and no marker, so that nothing in it counts before
 * datadir_finish. ERR_EXISTS: it is a data folder already. Else as datadir_open.
 */
int datadir_begin(struct datadir *d, const char *path, struct errmsg *msg);
/* Writes the marker: all else is there, and durable. An error of file_write. */
int datadir_finish(const struct datadir *d, struct errmsg *msg);
/* What a key file holds: 0 and the key; 1: it is locked; or ERR_CORRUPT. */
int datadir_key_parse(struct slice bytes, struct seal_key *key);
/* The key of a folder that is locked. ERR_DENIED: not with this unlock key. Else as folder_read. */
int datadir_unlock(struct datadir *d, const struct seal_key *unlock, struct errmsg *msg);
/* From now on, and after each start, the key can only be had with unlock; NULL: by everybody who
 * reads the file. What the file held is written over. An error of file_write: it is as it was. */
int datadir_lock(const struct datadir *d, const struct seal_key *unlock, struct errmsg *msg);
/* Wipes the key from memory and gives up the lock. */
void datadir_close(struct datadir *d);
/* Removes the log and the snapshots: of a manager that is none any more. */
int datadir_wipe_log(struct datadir *d, struct errmsg *msg);
/* Removes our own files by name, the key first, and the lock last; what is not ours stays.
 * The folder itself stays, it may be a mount. Then only datadir_close may follow. */
int datadir_wipe(struct datadir *d, struct errmsg *msg);
#endif
