/* folder.h - one open folder, and new files in it that appear whole or not at all. I/O.
 *
 * Errors of the system come as ERR_FULL (no space, quota, file size limit), ERR_DENIED,
 * ERR_NOT_FOUND, or ERR_IO for the rest, with a message that names the file.
 */
#ifndef SB_IO_FOLDER_H
#define SB_IO_FOLDER_H
#include <stddef.h>
#include <stdint.h>
#include "base/buf.h"
#include "base/err.h"
#include "io/file.h"

struct folder {
	int fd;				/* read; -1 when not open */
	char path[FILE_PATH_MAX];	/* read */
};

/* Opens the folder; a missing one is made (mode 0700), with those above it, and synced.
 * ERR_INVALID: not a folder, or the path is too long. */
int folder_open(struct folder *f, const char *path, struct errmsg *msg);
/* Does nothing to one that is not open. */
void folder_close(struct folder *f);
/* Makes new names and removals in it durable. */
int folder_sync(const struct folder *f, struct errmsg *msg);
/* Removes a file; one that is not there is as good. */
int folder_remove(const struct folder *f, const char *name, struct errmsg *msg);
/* Calls each with the name of every file; stops at a negative answer and returns it. */
int folder_each(const struct folder *f, int (*each)(void *arg, const char *name), void *arg,
		struct errmsg *msg);
/* Adds the file's content to out. ERR_LIMIT: out's maximum leaves no room for it and one
 * byte more. */
int folder_read(const struct folder *f, const char *name, struct buf *out, struct errmsg *msg);

/* A new file name.new (mode 0600), to be written and then published, or abandoned. Returns
 * the descriptor. What lay there from a crash is replaced. */
int folder_create(const struct folder *f, const char *name, struct errmsg *msg);
/* Syncs fd, gives it the name in place of what stood there, and syncs the folder. On failure
 * name.new is gone and what stood there stands. fd stays open. */
int folder_publish(const struct folder *f, int fd, const char *name, struct errmsg *msg);
/* Removes name.new; its descriptor is the caller's to close. */
void folder_abandon(const struct folder *f, const char *name);

/* Writes all n bytes at offset. 0, or -1 with errno. */
int folder_pwrite(int fd, const void *bytes, size_t n, uint64_t offset);
/* The code for errno, with the message "path/name: reason". */
int folder_error(const struct folder *f, const char *name, struct errmsg *msg);
#endif
