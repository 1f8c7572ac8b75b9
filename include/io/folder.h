/* folder.h - one open folder, and new files in it that appear whole or not at all. I/O.
 *
 * Errors of the system come as ERR_FULL (no space, quota, file size limit), ERR_DENIED,
 * ERR_NOT_FOUND, or ERR_IO for the rest, with a message that names the file.
 */
#ifndef SB_IO_FOLDER_H
#define SB_IO_FOLDER_H
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>
#include "base/buf.h"
#include "base/err.h"
#include "io/file.h"

/*
 * What the log and the snapshots need of a file system. They know no other, so that the simulator
 * can put a disk that tears and rots below them. Negative answers set errno.
 */
struct folder_ops {
	/* A new empty file for reading and writing (an old one is emptied): its handle. */
	int (*create)(void *context, const char *name);
	/* An existing file, for reading and writing. */
	int (*open)(void *context, const char *name);
	/* As pread and pwrite: short counts are possible. */
	ssize_t (*read)(void *context, int fd, void *bytes, size_t n, uint64_t offset);
	ssize_t (*write)(void *context, int fd, const void *bytes, size_t n, uint64_t offset);
	/* The file's bytes and size are durable (fdatasync). */
	int (*sync)(void *context, int fd);
	void (*close)(void *context, int fd);
	int (*rename)(void *context, const char *from, const char *to);
	int (*remove)(void *context, const char *name);
	/* Names and removals are durable (fsync of the folder). */
	int (*sync_names)(void *context);
	/* Calls each for every name, in any order; stops at a negative answer and returns it. */
	int (*each)(void *context, int (*each)(void *arg, const char *name), void *arg);
};

enum { FOLDER_PROBE_BYTES = 2 << 20 };	/* what opening a short log may need (io/wal.h) */

struct folder {
	int fd;				/* read; -1 when not open */
	const struct folder_ops *ops;	/* private: the system's after folder_open */
	void *context;			/* private: of ops */
	char path[FILE_PATH_MAX];	/* read */
};

/* Opens the folder; a missing one is made (mode 0700), with those above it, and synced.
 * ERR_INVALID: not a folder, or the path is too long. */
int folder_open(struct folder *f, const char *path, struct errmsg *msg);
/* A folder of someone else's making; path is for messages (cut to fit). ops and context are
 * borrowed until folder_close. */
void folder_open_with(struct folder *f, const struct folder_ops *ops, void *context,
		      const char *path);
/* Does nothing to one that is not open. */
void folder_close(struct folder *f);
/* Makes new names and removals in it durable. */
int folder_sync(const struct folder *f, struct errmsg *msg);
/* Removes a file; one that is not there is as good. */
int folder_remove(const struct folder *f, const char *name, struct errmsg *msg);
/* Calls each with the name of every file; stops at a negative answer and returns it. */
int folder_each(const struct folder *f, int (*each)(void *arg, const char *name), void *arg,
		struct errmsg *msg);
/* Adds the file's content to out. ERR_LIMIT: out's maximum leaves no room for it. What was
 * read before an error is in out. */
int folder_read(const struct folder *f, const char *name, struct buf *out, struct errmsg *msg);

/* A new file name.new (mode 0600), to be written and then published, or abandoned. Returns
 * the handle. What lay there from a crash is replaced. */
int folder_create(const struct folder *f, const char *name, struct errmsg *msg);
/* As folder_create, of the file `old`: it becomes name.new and keeps its content. */
int folder_recycle(const struct folder *f, const char *old, const char *name, struct errmsg *msg);
/* Syncs fd, gives it the name in place of what stood there, and syncs the folder. On failure
 * name.new is gone; what stood there stands, unless the sync of the folder failed. fd stays
 * open. */
int folder_publish(const struct folder *f, int fd, const char *name, struct errmsg *msg);
/* Gives a file another name, in place of what stands there; durable with folder_sync. */
int folder_rename(const struct folder *f, const char *from, const char *to, struct errmsg *msg);
/* Removes name.new; its handle is the caller's to close. */
void folder_abandon(const struct folder *f, const char *name);

/* Handles of its files. Negative answers set errno (folder_error). */
int folder_file_open(const struct folder *f, const char *name);
void folder_file_close(const struct folder *f, int fd);
int folder_file_sync(const struct folder *f, int fd);
/* Writes all n bytes at offset. 0, or -1. */
int folder_write_at(const struct folder *f, int fd, const void *bytes, size_t n, uint64_t offset);
/* Up to n bytes from offset: their count, less than n only at the end of the file; or -1. */
ssize_t folder_read_at(const struct folder *f, int fd, void *bytes, size_t n, uint64_t offset);

/*
 * Can it be written again? Writes, syncs and removes a file of FOLDER_PROBE_BYTES, wal-probe.new.
 * 0, ERR_FULL, or another as above. For a driver whose disk has failed, now and then.
 */
int folder_probe(const struct folder *f, struct errmsg *msg);

/* The code for errno, with the message "path/name: reason". */
int folder_error(const struct folder *f, const char *name, struct errmsg *msg);
#endif
