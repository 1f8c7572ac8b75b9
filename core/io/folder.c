/* Contracts are in folder.h. First the operations of the system, then what uses them: nothing
 * below that line knows which file system it is. */
#include "io/folder.h"
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum { NEW_NAME_MAX = 64, READ_PIECE = 16 << 10 };

/* ---- the system's operations -------------------------------------------------------- */

static int folder_fd(void *context)
{
	return (int)(intptr_t)context;
}

static int system_create(void *context, const char *name)
{
	(void)unlinkat(folder_fd(context), name, 0);	/* O_EXCL tells if it is still there */
	return openat(folder_fd(context), name, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
}

static int system_open(void *context, const char *name)
{
	int flags = O_CLOEXEC | O_NOCTTY, fd = openat(folder_fd(context), name, O_RDWR | flags);

	/* What may not be written may still be read. */
	if (fd < 0 && (errno == EROFS || errno == EACCES))
		fd = openat(folder_fd(context), name, O_RDONLY | flags);
	return fd;
}

static ssize_t system_read(void *context, int fd, void *bytes, size_t n, uint64_t offset)
{
	(void)context;
	return pread(fd, bytes, n, (off_t)offset);
}

static ssize_t system_write(void *context, int fd, const void *bytes, size_t n, uint64_t offset)
{
	(void)context;
	return pwrite(fd, bytes, n, (off_t)offset);
}

static int system_sync(void *context, int fd)
{
	(void)context;
	return fdatasync(fd);
}

static void system_close(void *context, int fd)
{
	(void)context;
	close(fd);
}

static int system_rename(void *context, const char *from, const char *to)
{
	return renameat(folder_fd(context), from, folder_fd(context), to);
}

static int system_remove(void *context, const char *name)
{
	return unlinkat(folder_fd(context), name, 0);
}

static int system_sync_names(void *context)
{
	return fsync(folder_fd(context));
}

static int system_each(void *context, int (*each)(void *arg, const char *name), void *arg)
{
	int fd = openat(folder_fd(context), ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	DIR *dir = fd < 0 ? NULL : fdopendir(fd);
	struct dirent *entry;
	int err = 0;

	if (!dir) {
		if (fd >= 0)
			close(fd);
		return -1;
	}
	errno = 0;
	while (err >= 0 && (entry = readdir(dir)) != NULL) {
		if (strcmp(entry->d_name, ".") != 0 && strcmp(entry->d_name, "..") != 0)
			err = each(arg, entry->d_name);
		if (err >= 0)
			errno = 0;
	}
	if (err >= 0 && errno != 0)
		err = -1;
	closedir(dir);
	return err < 0 ? err : 0;
}

static const struct folder_ops system_ops = {
	.create = system_create, .open = system_open, .read = system_read, .write = system_write,
	.sync = system_sync, .close = system_close, .rename = system_rename,
	.remove = system_remove, .sync_names = system_sync_names, .each = system_each,
};

/* ---- a folder ----------------------------------------------------------------------- */

int folder_error(const struct folder *f, const char *name, struct errmsg *msg)
{
	int error = errno, code = file_code(error);

	return errmsg_set(msg, code, "%.300s/%s: %s%s", f->path, name, strerror(error),
			  code == ERR_FULL ? "; make room there and start again" : "");
}

/* A folder that was just made is not durable before the one it stands in is synced. */
static int sync_above(const struct folder *f, struct errmsg *msg)
{
	int fd = openat(f->fd, "..", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	int err = 0;

	if (fd < 0 || fsync(fd) < 0)
		err = folder_error(f, "..", msg);
	if (fd >= 0)
		close(fd);
	return err;
}

int folder_open(struct folder *f, const char *path, struct errmsg *msg)
{
	size_t n = strlen(path);
	int missing, err;
	struct stat st;

	*f = (struct folder){ .fd = -1 };
	if (n == 0 || n >= sizeof(f->path))
		return errmsg_set(msg, ERR_INVALID, "%.64s: not a folder's path", path);
	memcpy(f->path, path, n + 1);
	missing = stat(path, &st) < 0 && errno == ENOENT;
	if (missing) {
		err = file_mkdirs(path, 0700, msg);
		if (err < 0)
			return err;
	}
	f->fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (f->fd < 0 && errno == ENOTDIR)
		return errmsg_set(msg, ERR_INVALID, "%s: not a folder", path);
	if (f->fd < 0)
		return folder_error(f, ".", msg);
	f->ops = &system_ops;
	f->context = (void *)(intptr_t)f->fd;
	err = missing ? sync_above(f, msg) : 0;
	if (err < 0)
		folder_close(f);
	return err;
}

void folder_open_with(struct folder *f, const struct folder_ops *ops, void *context,
		      const char *path)
{
	*f = (struct folder){ .fd = -1, .ops = ops, .context = context };
	snprintf(f->path, sizeof(f->path), "%s", path);
}

void folder_close(struct folder *f)
{
	if (f->fd >= 0)
		close(f->fd);
	f->fd = -1;
}

int folder_sync(const struct folder *f, struct errmsg *msg)
{
	return f->ops->sync_names(f->context) < 0 ? folder_error(f, ".", msg) : 0;
}

int folder_remove(const struct folder *f, const char *name, struct errmsg *msg)
{
	if (f->ops->remove(f->context, name) < 0 && errno != ENOENT)
		return folder_error(f, name, msg);
	return 0;
}

/* Tells an answer of the caller's from a failure of the folder. */
struct each_call {
	int (*each)(void *arg, const char *name);
	void *arg;
	int answer;
};

static int each_name(void *arg, const char *name)
{
	struct each_call *c = arg;

	c->answer = c->each(c->arg, name);
	return c->answer;
}

int folder_each(const struct folder *f, int (*each)(void *arg, const char *name), void *arg,
		struct errmsg *msg)
{
	struct each_call c = { each, arg, 0 };
	int err = f->ops->each(f->context, each_name, &c);

	if (err >= 0)
		return 0;
	return c.answer < 0 ? c.answer : folder_error(f, ".", msg);
}

int folder_read(const struct folder *f, const char *name, struct buf *out, struct errmsg *msg)
{
	int fd = folder_file_open(f, name), err = 0;
	char piece[READ_PIECE];
	uint64_t at = 0;
	ssize_t n = 1;

	if (fd < 0)
		return folder_error(f, name, msg);
	while (err == 0 && n != 0) {
		n = f->ops->read(f->context, fd, piece, sizeof(piece), at);
		if (n > 0) {
			buf_add(out, piece, (size_t)n);
			at += (uint64_t)n;
		} else if (n < 0 && errno != EINTR) {
			err = folder_error(f, name, msg);
		}
		if (out->failed)
			err = errmsg_set(msg, ERR_LIMIT, "%s/%s: too large", f->path, name);
	}
	folder_file_close(f, fd);
	return err;
}

/* ---- new files ---------------------------------------------------------------------- */

static void new_name(char out[NEW_NAME_MAX], const char *name)
{
	snprintf(out, NEW_NAME_MAX, "%s.new", name);
}

int folder_create(const struct folder *f, const char *name, struct errmsg *msg)
{
	char fresh[NEW_NAME_MAX];
	int fd;

	new_name(fresh, name);
	fd = f->ops->create(f->context, fresh);
	return fd < 0 ? folder_error(f, fresh, msg) : fd;
}

int folder_rename(const struct folder *f, const char *from, const char *to, struct errmsg *msg)
{
	return f->ops->rename(f->context, from, to) < 0 ? folder_error(f, from, msg) : 0;
}

int folder_recycle(const struct folder *f, const char *old, const char *name, struct errmsg *msg)
{
	char fresh[NEW_NAME_MAX];
	int fd, err;

	new_name(fresh, name);
	err = folder_rename(f, old, fresh, msg);
	if (err < 0)
		return err;
	fd = folder_file_open(f, fresh);
	return fd < 0 ? folder_error(f, fresh, msg) : fd;
}

int folder_publish(const struct folder *f, int fd, const char *name, struct errmsg *msg)
{
	char fresh[NEW_NAME_MAX];
	int err;

	new_name(fresh, name);
	if (folder_file_sync(f, fd) < 0 || f->ops->rename(f->context, fresh, name) < 0) {
		err = folder_error(f, fresh, msg);
		folder_abandon(f, name);
		return err;
	}
	return folder_sync(f, msg);
}

void folder_abandon(const struct folder *f, const char *name)
{
	char fresh[NEW_NAME_MAX];

	new_name(fresh, name);
	/* What stays is replaced by the next create. */
	(void)f->ops->remove(f->context, fresh);
}

/* ---- handles ------------------------------------------------------------------------ */

int folder_file_open(const struct folder *f, const char *name)
{
	return f->ops->open(f->context, name);
}

void folder_file_close(const struct folder *f, int fd)
{
	f->ops->close(f->context, fd);
}

int folder_file_sync(const struct folder *f, int fd)
{
	return f->ops->sync(f->context, fd);
}

int folder_write_at(const struct folder *f, int fd, const void *bytes, size_t n, uint64_t offset)
{
	const char *p = bytes;

	while (n > 0) {
		ssize_t put = f->ops->write(f->context, fd, p, n, offset);

		if (put < 0 && errno == EINTR)
			continue;
		if (put < 0)
			return -1;
		if (put == 0) {
			errno = EIO;
			return -1;
		}
		p += put;
		n -= (size_t)put;
		offset += (uint64_t)put;
	}
	return 0;
}

ssize_t folder_read_at(const struct folder *f, int fd, void *bytes, size_t n, uint64_t offset)
{
	char *p = bytes;
	size_t got = 0;

	while (got < n) {
		ssize_t part = f->ops->read(f->context, fd, p + got, n - got, offset + got);

		if (part < 0 && errno == EINTR)
			continue;
		if (part < 0)
			return -1;
		if (part == 0)
			break;
		got += (size_t)part;
	}
	return (ssize_t)got;
}

/* ---- is it well? -------------------------------------------------------------------- */

#define PROBE "wal-probe"	/* where a log is removed, this goes too */

static int probe_write(const struct folder *f, int fd)
{
	char piece[READ_PIECE];

	/* Not zeros: there are file systems that store none. */
	for (size_t i = 0; i < sizeof(piece); i++)
		piece[i] = (char)(i * 2654435761u >> 13);
	for (uint64_t at = 0; at < FOLDER_PROBE_BYTES; at += sizeof(piece)) {
		if (folder_write_at(f, fd, piece, sizeof(piece), at) < 0)
			return -1;
	}
	return folder_file_sync(f, fd);
}

int folder_probe(const struct folder *f, struct errmsg *msg)
{
	int fd = folder_create(f, PROBE, msg), err = 0;

	if (fd < 0)
		return fd;
	if (probe_write(f, fd) < 0)
		err = folder_error(f, PROBE, msg);
	folder_abandon(f, PROBE);
	folder_file_close(f, fd);
	return err < 0 ? err : folder_sync(f, msg);
}
