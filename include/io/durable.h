/* durable.h - files that are whole after a power cut. I/O.
 *
 * Paths are given twice where an error may be told: the folder as an open descriptor (what
 * is used) and as text (what is said). Errors of the system come as ERR_FULL (no space,
 * quota, file size limit), ERR_DENIED, ERR_NOT_FOUND, or ERR_IO for the rest, with a message
 * that names the file.
 */
#ifndef SB_IO_DURABLE_H
#define SB_IO_DURABLE_H
#include <stddef.h>
#include <stdint.h>
#include "base/buf.h"
#include "base/err.h"
#include "base/slice.h"

struct folder {
	int fd;			/* read; -1 when not open */
	char path[256];		/* read: for messages */
};

/* Opens the folder, making it (mode 0700, its parent synced) if it is missing. */
int folder_open(struct folder *f, const char *path, struct errmsg *msg);
void folder_close(struct folder *f);
/* Makes renames, new names and removals in it durable. */
int folder_sync(const struct folder *f, struct errmsg *msg);
/* Removes a name; one that is not there is as good. */
int folder_remove(const struct folder *f, const char *name, struct errmsg *msg);

/* Replaces name by these bytes: written to name.new (mode 0600), synced, renamed, folder
 * synced. After a failure the old file stands and name.new is gone. */
int durable_write(const struct folder *f, const char *name, struct slice bytes,
		  struct errmsg *msg);
/* Reads all of a file to the end of out. ERR_LIMIT: longer than out may become. */
int durable_read(const struct folder *f, const char *name, struct buf *out, struct errmsg *msg);

/* The code for errno, with a message "path/name: what: reason, and what to do". */
int durable_error(const struct folder *f, const char *name, const char *what,
		  struct errmsg *msg);
/* Writes all n bytes at offset. 0, or -1 with errno. */
int durable_pwrite(int fd, const void *bytes, size_t n, uint64_t offset);
#endif
