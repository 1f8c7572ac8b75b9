#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/inotify.h>
#include <sys/stat.h>
#include <unistd.h>

#include "io/file.h"

int file_code(int error)
{
	switch (error) {
	case ENOENT:
	case ENOTDIR:
		return ERR_NOT_FOUND;
	case EACCES:
	case EPERM:
	case EROFS:
		return ERR_DENIED;
	case ENOSPC:
	case EDQUOT:
	case EFBIG:
		return ERR_FULL;
	case ENAMETOOLONG:
		return ERR_LIMIT;
	default:
		return ERR_IO;
	}
}

static int refuse(struct errmsg *msg, const char *path)
{
	return errmsg_set(msg, file_code(errno), "%s: %s", path, strerror(errno));
}

int file_read(const char *path, size_t max, struct buf *out, struct errmsg *msg)
{
	char piece[8192];
	size_t begin = out->len;
	int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY);
	ssize_t n;
	int err = 0;

	if (fd < 0)
		return refuse(msg, path);
	do {
		n = read(fd, piece, sizeof(piece));
		if (n > 0)
			buf_add(out, piece, (size_t)n);
	} while ((n > 0 || (n < 0 && errno == EINTR)) && !out->failed && out->len - begin <= max);
	if (n < 0)
		err = refuse(msg, path);
	else if (out->failed || out->len - begin > max)
		err = errmsg_set(msg, ERR_LIMIT, "%s: over %zu bytes", path, max);
	close(fd);
	return err;
}

static int write_all(int fd, struct slice content)
{
	while (content.len > 0) {
		ssize_t n = write(fd, content.data, content.len);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return -1;
		content.data += n;
		content.len -= (size_t)n;
	}
	return 0;
}

/* A name is durable when its folder is. */
static int sync_folder(const char *path)
{
	char folder[FILE_PATH_MAX];
	const char *slash = strrchr(path, '/');
	size_t n = slash ? (size_t)(slash - path) : 0;
	int fd, r;

	memcpy(folder, path, n);
	folder[n] = '\0';
	fd = open(n ? folder : slash ? "/" : ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (fd < 0)
		return -1;
	r = fsync(fd);
	close(fd);
	return r;
}

/* Makes the file at path whole, or leaves none. 0, or -1 with errno. */
static int write_new(const char *path, struct slice content, mode_t mode, enum file_durable durable)
{
	int fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, mode);
	int error;

	if (fd < 0)
		return -1;
	if (fchmod(fd, mode) == 0 && write_all(fd, content) == 0 &&
	    (durable == FILE_VOLATILE || fsync(fd) == 0)) {
		if (close(fd) == 0)
			return 0;
		fd = -1;
	}
	error = errno;
	if (fd >= 0)
		close(fd);
	unlink(path);
	errno = error;
	return -1;
}

int file_write(const char *path, struct slice content, mode_t mode, enum file_durable durable,
	struct errmsg *msg)
{
	char temporary[FILE_PATH_MAX];
	int n = snprintf(temporary, sizeof(temporary), "%s.tmp", path);

	if (n < 0 || (size_t)n >= sizeof(temporary))
		return errmsg_set(msg, ERR_LIMIT, "%.64s...: the path is too long", path);
	/* A fresh one: what lies there from a crash may have another mode or owner. */
	unlink(temporary);
	if (write_new(temporary, content, mode, durable) < 0)
		return refuse(msg, temporary);
	if (rename(temporary, path) < 0) {
		n = refuse(msg, path);
		unlink(temporary);
		return n;
	}
	if (durable == FILE_DURABLE && sync_folder(path) < 0)
		return refuse(msg, path);
	return 0;
}

static int make_folder(const char *path, mode_t mode, struct errmsg *msg)
{
	struct stat st;
	int error;

	if (mkdir(path, mode) == 0)
		return 0;
	/* A read-only file system may say so before it says that the folder is there. */
	error = errno;
	if (stat(path, &st) == 0)
		return S_ISDIR(st.st_mode) ? 0 :
			errmsg_set(msg, ERR_EXISTS, "%s: not a folder", path);
	errno = error;
	return refuse(msg, path);
}

int file_mkdirs(const char *path, mode_t mode, struct errmsg *msg)
{
	char part[FILE_PATH_MAX];
	size_t n = strlen(path);
	int err;

	if (n == 0 || n >= sizeof(part))
		return errmsg_set(msg, ERR_INVALID, "%.64s: not a folder's path", path);
	memcpy(part, path, n + 1);
	for (size_t i = 1; i <= n; i++) {
		if (part[i] != '/' && part[i] != '\0')
			continue;
		part[i] = '\0';
		err = make_folder(part, mode, msg);
		if (err < 0)
			return err;
		if (i < n)
			part[i] = '/';
	}
	return 0;
}

static void folder_changed(struct loop_watch *lw, uint32_t events)
{
	struct file_watch *w = lw->context;
	char data[4096] __attribute__((aligned(__alignof__(struct inotify_event))));
	ssize_t n;
	int ours = 0;

	(void)events;
	while ((n = read(lw->fd, data, sizeof(data))) > 0) {
		for (char *at = data; at < data + n;) {
			const struct inotify_event *e = (const void *)at;

			if ((e->mask & IN_Q_OVERFLOW) || (e->len && strcmp(e->name, w->name) == 0))
				ours = 1;
			at += sizeof(*e) + e->len;
		}
	}
	if (ours)
		w->call(w);
}

int file_watch_start(struct file_watch *w, struct loop *l, const char *path, struct errmsg *msg)
{
	char folder[FILE_PATH_MAX] = ".";
	const char *slash = strrchr(path, '/');
	const char *name = slash ? slash + 1 : path;
	size_t n = slash ? (size_t)(slash - path) : 0;
	int fd, err;

	if (!name[0] || strlen(name) >= sizeof(w->name) || n >= sizeof(folder))
		return errmsg_set(msg, ERR_INVALID, "%.64s: not a file's path", path);
	memcpy(w->name, name, strlen(name) + 1);
	if (slash) {
		memcpy(folder, path, n ? n : 1);
		folder[n ? n : 1] = '\0';
	}
	fd = inotify_init1(IN_NONBLOCK | IN_CLOEXEC);
	if (fd < 0)
		return refuse(msg, path);
	w->loop = l;
	w->watch.call = folder_changed;
	w->watch.context = w;
	if (inotify_add_watch(fd, folder, IN_MOVED_TO | IN_CLOSE_WRITE | IN_DELETE | IN_MOVED_FROM |
			IN_ONLYDIR) < 0)
		err = refuse(msg, folder);
	else if (loop_watch(l, &w->watch, fd, EPOLLIN) < 0)
		err = errmsg_set(msg, ERR_IO, "%s: epoll refused it", folder);
	else
		return 0;
	close(fd);
	return err;
}

void file_watch_stop(struct file_watch *w)
{
	if (w->loop)
		loop_close(w->loop, &w->watch);
}
