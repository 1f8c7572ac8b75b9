/* Contracts are in folder.h. */
#include "io/folder.h"
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum { NEW_NAME_MAX = 64, READ_PIECE = 4096 };

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

	f->fd = -1;
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
	err = missing ? sync_above(f, msg) : 0;
	if (err < 0)
		folder_close(f);
	return err;
}

void folder_close(struct folder *f)
{
	if (f->fd >= 0)
		close(f->fd);
	f->fd = -1;
}

int folder_sync(const struct folder *f, struct errmsg *msg)
{
	return fsync(f->fd) < 0 ? folder_error(f, ".", msg) : 0;
}

int folder_remove(const struct folder *f, const char *name, struct errmsg *msg)
{
	if (unlinkat(f->fd, name, 0) < 0 && errno != ENOENT)
		return folder_error(f, name, msg);
	return 0;
}

int folder_each(const struct folder *f, int (*each)(void *arg, const char *name), void *arg,
		struct errmsg *msg)
{
	int fd = openat(f->fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	DIR *dir = fd < 0 ? NULL : fdopendir(fd);
	struct dirent *entry;
	int err = 0;

	if (!dir) {
		err = folder_error(f, ".", msg);
		if (fd >= 0)
			close(fd);
		return err;
	}
	errno = 0;
	while (err >= 0 && (entry = readdir(dir)) != NULL) {
		if (strcmp(entry->d_name, ".") != 0 && strcmp(entry->d_name, "..") != 0)
			err = each(arg, entry->d_name);
		errno = 0;
	}
	if (err >= 0 && errno != 0)
		err = folder_error(f, ".", msg);
	closedir(dir);
	return err;
}

int folder_read(const struct folder *f, const char *name, struct buf *out, struct errmsg *msg)
{
	int fd = openat(f->fd, name, O_RDONLY | O_CLOEXEC | O_NOCTTY);
	size_t begin = out->len, size;
	struct stat st;
	ssize_t n = 1;
	int err = 0;

	if (fd < 0)
		return folder_error(f, name, msg);
	if (fstat(fd, &st) < 0)
		err = folder_error(f, name, msg);
	size = err < 0 ? 0 : (size_t)st.st_size;
	while (err == 0 && n != 0) {
		size_t got = out->len - begin;
		/* One byte more than there should be shows the end. */
		size_t piece = got <= size ? size - got + 1 : READ_PIECE;
		char *to = buf_reserve(out, piece);

		if (!to) {
			err = errmsg_set(msg, ERR_LIMIT, "%s/%s: too large", f->path, name);
			break;
		}
		n = read(fd, to, piece);
		if (n > 0)
			out->len += (size_t)n;
		else if (n < 0 && errno != EINTR)
			err = folder_error(f, name, msg);
	}
	close(fd);
	return err;
}

static void new_name(char out[NEW_NAME_MAX], const char *name)
{
	snprintf(out, NEW_NAME_MAX, "%s.new", name);
}

int folder_create(const struct folder *f, const char *name, struct errmsg *msg)
{
	char fresh[NEW_NAME_MAX];
	int fd;

	new_name(fresh, name);
	(void)unlinkat(f->fd, fresh, 0);	/* O_EXCL tells if it is still there */
	fd = openat(f->fd, fresh, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
	return fd < 0 ? folder_error(f, fresh, msg) : fd;
}

int folder_publish(const struct folder *f, int fd, const char *name, struct errmsg *msg)
{
	char fresh[NEW_NAME_MAX];
	int err;

	new_name(fresh, name);
	if (fdatasync(fd) < 0 || renameat(f->fd, fresh, f->fd, name) < 0) {
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
	(void)unlinkat(f->fd, fresh, 0);	/* what stays is replaced by the next create */
}

int folder_pwrite(int fd, const void *bytes, size_t n, uint64_t offset)
{
	const char *p = bytes;

	while (n > 0) {
		ssize_t put = pwrite(fd, p, n, (off_t)offset);

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
