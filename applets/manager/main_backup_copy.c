/*
 * The copying of a data folder into a backup. Contracts are in main_backup.h and backup.h.
 *
 * The files are read while a daemon may be writing them, without its help, so it works as well
 * with one that has stopped, hangs, or has no leader. What a write was acknowledged for is in the
 * log's files by then. The copy is what a crash at that moment could have left, for:
 *
 * - a snapshot is complete when it has its name, and stays readable when it loses it;
 * - the segments that a snapshot needs go only after it has gone: its name was there after the
 *   list was made, so the list has them all;
 * - a segment that has its name after it was copied was that segment all the time (a full one
 *   becomes the file of a later one);
 * - the last segment grows meanwhile: of what two readings have in common all was written before
 *   the first one ended. A record that is cut there is one that a crash has torn.
 *
 * If a segment went, all begins anew.
 */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include "applets/manager/main_backup.h"
#include "base/mem.h"
#include "base/timefmt.h"
#include "io/clock.h"
#include "io/wal.h"

enum {
	PIECE = 64 << 10,
	TRIES_MAX = 50,		/* a log moves on by a snapshot some times a second at most */
	AGAIN_MS = 20,
};

/* The node that is copied. */
struct source {
	struct folder folder, raft;
	struct backup_table table;
	ino_t inodes[BACKUP_FILES_MAX];
	int snapshot_fd;		/* -1 = none */
	struct buf small[BACKUP_FIXED];
};

/* ---- what there is ------------------------------------------------------------------ */

static int is_folder(const char *path)
{
	struct stat st;

	return stat(path, &st) == 0 && S_ISDIR(st.st_mode);
}

static int source_open(struct source *s, const char *data_dir, struct errmsg *msg)
{
	char path[FILE_PATH_MAX];
	int err;

	*s = (struct source){ .folder.fd = -1, .raft.fd = -1, .snapshot_fd = -1 };
	for (int i = 0; i < BACKUP_FIXED; i++)
		buf_init(&s->small[i], BACKUP_SMALL_MAX);
	if (snprintf(path, sizeof(path), "%s/raft", data_dir) >= (int)sizeof(path))
		return errmsg_set(msg, ERR_INVALID, "%.300s: the path is too long", data_dir);
	if (access(data_dir, X_OK) < 0 && errno == EACCES)
		return errmsg_set(msg, ERR_DENIED, "%.300s: %s", data_dir, strerror(errno));
	if (!is_folder(path))	/* folder_open would make it */
		return errmsg_set(msg, ERR_NOT_FOUND, "%.300s holds no manager of a swarm",
				  data_dir);
	err = folder_open(&s->folder, data_dir, msg);
	return err < 0 ? err : folder_open(&s->raft, path, msg);
}

static void source_close(struct source *s)
{
	for (int i = 0; i < BACKUP_FIXED; i++) {
		if (s->small[i].data)
			mem_wipe(s->small[i].data, s->small[i].len);
		buf_done(&s->small[i]);
	}
	if (s->snapshot_fd >= 0)
		close(s->snapshot_fd);
	folder_close(&s->raft);
	folder_close(&s->folder);
}

static int small_read(struct source *s, struct errmsg *msg)
{
	static const char *const names[BACKUP_FIXED] = { "node.json", "identity", "key" };

	for (int i = 0; i < BACKUP_FIXED; i++) {
		struct backup_file *f = &s->table.files[s->table.count++];
		struct buf *b = &s->small[i];
		int err;

		if (b->data)
			mem_wipe(b->data, b->len);
		buf_reset(b);
		err = folder_read(&s->folder, names[i], b, msg);
		if (err < 0)
			return err;
		*f = (struct backup_file){ .size = b->len };
		snprintf(f->name, sizeof(f->name), "%s", names[i]);
	}
	return 0;
}

struct listing {
	struct source *source;
	char snapshot[BACKUP_NAME_MAX];	/* the newest; "" = none */
};

static int note(void *arg, const char *name)
{
	struct listing *l = arg;
	struct backup_table *t = &l->source->table;

	switch (backup_is_raft(name)) {
	case 0:
		return 0;
	case 1:
		if (t->count + 1 >= BACKUP_FILES_MAX)
			return ERR_LIMIT;
		t->files[t->count] = (struct backup_file){ .size = 0 };
		snprintf(t->files[t->count++].name, BACKUP_NAME_MAX, "%s", name);
		return 0;
	default:	/* 16 digits are in the order of numbers */
		if (strcmp(name, l->snapshot) > 0)
			snprintf(l->snapshot, sizeof(l->snapshot), "%s", name);
		return 0;
	}
}

static int by_name(const void *a, const void *b)
{
	return strcmp(((const struct backup_file *)a)->name, ((const struct backup_file *)b)->name);
}

/* ERR_STALE: a file of the list is gone. */
static int gone(const struct source *s, const char *name, struct errmsg *msg)
{
	return errno == ENOENT ? ERR_STALE : folder_error(&s->raft, name, msg);
}

static int raft_list(struct source *s, struct errmsg *msg)
{
	struct listing l = { .source = s };
	struct backup_table *t = &s->table;
	struct stat st;
	int err = folder_each(&s->raft, note, &l, msg);

	if (err < 0)
		return err;
	if (t->count == BACKUP_FIXED)
		return errmsg_set(msg, ERR_NOT_FOUND, "%.300s: there is no log", s->raft.path);
	qsort(t->files + BACKUP_FIXED, t->count - BACKUP_FIXED, sizeof(t->files[0]), by_name);
	for (uint32_t i = BACKUP_FIXED; i < t->count; i++) {
		if (fstatat(s->raft.fd, t->files[i].name, &st, AT_SYMLINK_NOFOLLOW) < 0)
			return gone(s, t->files[i].name, msg);
		t->files[i].size = (uint64_t)st.st_size;
		s->inodes[i] = st.st_ino;
	}
	if (!l.snapshot[0])
		return 0;
	s->snapshot_fd = openat(s->raft.fd, l.snapshot, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
	if (s->snapshot_fd < 0)
		return gone(s, l.snapshot, msg);
	if (fstat(s->snapshot_fd, &st) < 0)
		return folder_error(&s->raft, l.snapshot, msg);
	t->files[t->count] = (struct backup_file){ .size = (uint64_t)st.st_size };
	memcpy(t->files[t->count++].name, l.snapshot, sizeof(l.snapshot));
	return 0;
}

/* What is to be copied, as it is now. ERR_STALE: it was changing. */
static int source_list(struct source *s, struct errmsg *msg)
{
	int err;

	if (s->snapshot_fd >= 0)
		close(s->snapshot_fd);
	s->snapshot_fd = -1;
	s->table.count = 0;
	err = small_read(s, msg);
	if (err == 0)
		err = raft_list(s, msg);
	for (uint32_t i = 0; err == 0 && i < s->table.count; i++) {
		if (s->table.files[i].size > BACKUP_FILE_MAX)
			err = errmsg_set(msg, ERR_LIMIT, "%.300s/%s: too large", s->raft.path,
					 s->table.files[i].name);
	}
	return err;
}

/* Has each segment its name still? */
static int source_check(const struct source *s, struct errmsg *msg)
{
	const struct backup_table *t = &s->table;
	struct stat st;

	for (uint32_t i = BACKUP_FIXED; i < t->count; i++) {
		if (backup_is_raft(t->files[i].name) != 1)
			continue;
		if (fstatat(s->raft.fd, t->files[i].name, &st, AT_SYMLINK_NOFOLLOW) < 0)
			return gone(s, t->files[i].name, msg);
		if (st.st_ino != s->inodes[i])
			return ERR_STALE;
	}
	return 0;
}

/* ---- the copy ----------------------------------------------------------------------- */

/* Fills `to` from offset on. ERR_STALE: the file is shorter now. */
static int read_exactly(const struct source *s, int fd, const char *name, struct slice to,
			uint64_t offset, struct errmsg *msg)
{
	ssize_t n = folder_read_at(&s->raft, fd, (void *)(uintptr_t)to.data, to.len, offset);

	if (n < 0)
		return folder_error(&s->raft, name, msg);
	return (size_t)n == to.len ? 0 : ERR_STALE;
}

static int copy_as_it_is(const struct source *s, int fd, const struct backup_file *f,
			 struct sealed_writer *w, struct errmsg *msg)
{
	static char bytes[PIECE];

	for (uint64_t at = 0; at < f->size; at += PIECE) {
		uint64_t left = f->size - at;
		struct slice piece = { bytes, left < PIECE ? (size_t)left : PIECE };
		int err = read_exactly(s, fd, f->name, piece, at, msg);

		if (err < 0)
			return err;
		(void)sealed_put(w, piece);	/* sealed_finish tells */
	}
	return 0;
}

/* Zeros from the first byte on in which a second reading differs. */
static int keep_common(const struct source *s, int fd, const struct backup_file *f,
		       struct buf *first, struct errmsg *msg)
{
	static char bytes[PIECE];

	for (uint64_t at = 0; at < f->size; at += PIECE) {
		uint64_t left = f->size - at;
		struct slice piece = { bytes, left < PIECE ? (size_t)left : PIECE };
		size_t same = 0;
		int err = read_exactly(s, fd, f->name, piece, at, msg);

		if (err < 0)
			return err;
		while (same < piece.len && first->data[at + same] == bytes[same])
			same++;
		if (same < piece.len) {
			memset(first->data + at + same, 0, first->len - (size_t)at - same);
			return 0;
		}
	}
	return 0;
}

static int copy_growing(const struct source *s, int fd, const struct backup_file *f,
			struct sealed_writer *w, struct errmsg *msg)
{
	struct buf first;
	int err;

	buf_init(&first, WAL_FILE_MAX);
	if (f->size > WAL_FILE_MAX || (f->size && !buf_reserve(&first, (size_t)f->size)))
		return errmsg_set(msg, ERR_LIMIT, "%.300s/%s: too large", s->raft.path, f->name);
	first.len = (size_t)f->size;
	err = read_exactly(s, fd, f->name, buf_slice(&first), 0, msg);
	if (err == 0)
		err = keep_common(s, fd, f, &first, msg);
	if (err == 0)
		(void)sealed_put(w, buf_slice(&first));		/* sealed_finish tells */
	buf_done(&first);
	return err;
}

static int copy_segments(const struct source *s, struct sealed_writer *w, struct errmsg *msg)
{
	const struct backup_table *t = &s->table;
	uint32_t end = t->count - (s->snapshot_fd >= 0);
	int err = 0;

	for (uint32_t i = BACKUP_FIXED; err == 0 && i < end; i++) {
		const struct backup_file *f = &t->files[i];
		int fd = openat(s->raft.fd, f->name, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);

		if (fd < 0)
			return gone(s, f->name, msg);
		err = i + 1 < end ? copy_as_it_is(s, fd, f, w, msg) :
				    copy_growing(s, fd, f, w, msg);
		close(fd);
	}
	return err < 0 ? err : source_check(s, msg);
}

static int copy_once(struct source *s, struct sealed_writer *w, struct errmsg *msg)
{
	struct buf table;
	int err;

	buf_init(&table, BACKUP_TABLE_MAX);
	backup_table_build(&s->table, &table);
	(void)sealed_put(w, buf_slice(&table));		/* sealed_finish tells, here and below */
	buf_done(&table);
	for (int i = 0; i < BACKUP_FIXED; i++)
		(void)sealed_put(w, buf_slice(&s->small[i]));
	err = copy_segments(s, w, msg);
	if (err == 0 && s->snapshot_fd >= 0)
		err = copy_as_it_is(s, s->snapshot_fd, &s->table.files[s->table.count - 1], w,
				    msg);
	return err;
}

static int copy(struct source *s, const struct sealed_place *place, const struct seal_key *key,
		struct errmsg *msg)
{
	static struct sealed_writer w;
	int err = ERR_STALE;

	for (int i = 0; err == ERR_STALE && i < TRIES_MAX; i++) {
		if (ftruncate(place->fd, 0) < 0)
			return folder_error(place->folder, place->name, msg);
		if (i)
			(void)poll(NULL, 0, AGAIN_MS);
		err = source_list(s, msg);
		if (err < 0)
			continue;
		sealed_begin(&w, &backup_kind, place, key,
			     (uint64_t)(clock_wall_ns() / SECOND_NS));
		err = copy_once(s, &w, msg);
		if (err < 0)
			sealed_abandon(&w);
	}
	if (err == ERR_STALE)
		return errmsg_set(msg, err, "%.300s: the log moves on faster than it can be "
				  "copied; try again when there is less to do", s->raft.path);
	if (err == 0)
		err = sealed_finish(&w, msg);
	if (err == 0 && fsync(place->fd) < 0)
		err = folder_error(place->folder, place->name, msg);
	return err;
}

int backup_copy(const char *data_dir, const struct sealed_place *place, const struct seal_key *key,
		struct errmsg *msg)
{
	static struct source source;
	int err = source_open(&source, data_dir, msg);

	if (err == 0)
		err = copy(&source, place, key, msg);
	source_close(&source);
	return err;
}
