/* file.h - whole files: read, replaced atomically, followed. I/O.
 *
 * msg names the path. Every function may give ERR_NOT_FOUND, ERR_DENIED, ERR_FULL (no space,
 * quota) and ERR_IO.
 */
#ifndef SB_IO_FILE_H
#define SB_IO_FILE_H
#include <sys/types.h>
#include "base/buf.h"
#include "base/err.h"
#include "base/slice.h"
#include "io/loop.h"

enum { FILE_PATH_MAX = 4096 };	/* with its NUL; PATH_MAX of Linux */

/* The code for an errno of a call on a file: those above, ERR_LIMIT for a name too long. */
int file_code(int error);
/* Adds the file's content to out. ERR_LIMIT when it is over max bytes or over out's maximum. */
int file_read(const char *path, size_t max, struct buf *out, struct errmsg *msg);

enum file_durable { FILE_VOLATILE, FILE_DURABLE };
/*
 * Replaces path by a file of that content and mode: a reader sees the old or the new one
 * whole. FILE_DURABLE: it is on the disk, name and all, when this returns; FILE_VOLATILE is
 * for run files. Goes through path.tmp, so only one process may write a path.
 */
int file_write(const char *path, struct slice content, mode_t mode, enum file_durable durable,
	struct errmsg *msg);

/* Makes the folder and those above it that are missing; mode holds for the new ones. An
 * existing folder stays as it is; ERR_EXISTS when something else stands there. */
int file_mkdirs(const char *path, mode_t mode, struct errmsg *msg);

/* Follows one path: call after each time a file there was replaced, written and closed, or
 * removed. Caller's memory. The folder must be there, and stay. */
struct file_watch {
	void (*call)(struct file_watch *w);
	void *context;		/* the caller's */
	struct loop *loop;		/* private */
	struct loop_watch watch;	/* private */
	char name[256];			/* private: the last part of the path */
};

/* call and context are set before. 0 or an error. A change after this is not missed; the
 * content now is for the caller to read. */
int file_watch_start(struct file_watch *w, struct loop *l, const char *path, struct errmsg *msg);
void file_watch_stop(struct file_watch *w);
#endif
