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
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include "applets/manager/main_backup.h"
#include "base/mem.h"
#include "base/timefmt.h"
#include "io/clock.h"
#include "io/wal.h"

enum {
	PIECE = 64 << 10,
	TRIES_MAX = 100,	/* a log moves on by a snapshot some times a second at most */
	/* Zeros that are left at the end of a segment: more than any record ends with. */
	ZEROS_LEFT = 256,
};

/* What is copied, in one attempt. */
struct attempt {
	const struct folder *dir, *raft;
	struct sealed_writer *to;
	struct errmsg *msg;
	struct backup_table table;
	char snapshot[BACKUP_NAME_MAX];	/* the newest; "" = none */
	int snapshot_fd;		/* -1 = not open */
};

/* ---- what there is ------------------------------------------------------------------ */

static struct backup_file *add_file(struct attempt *a, const char *name)
{
	struct backup_file *f = &a->table.files[a->table.count++];

	*f = (struct backup_file){ .size = 0 };
	snprintf(f->name, sizeof(f->name), "%s", name);
	return f;
}

static int note(void *arg, const char *name)
{
	struct attempt *a = arg;

	switch (backup_raft_of(name)) {
	case BACKUP_OTHER:
		break;
	case BACKUP_SEGMENT:
		if (a->table.count + 1 >= BACKUP_FILES_MAX)
			return errmsg_set(a->msg, ERR_LIMIT, "%.300s: too many log segments",
					  a->raft->path);
		add_file(a, name);
		break;
	case BACKUP_SNAPSHOT:	/* 16 digits are in the order of numbers */
		if (strcmp(name, a->snapshot) > 0)
			snprintf(a->snapshot, sizeof(a->snapshot), "%s", name);
		break;
	}
	return 0;
}

static int by_name(const void *a, const void *b)
{
	return strcmp(((const struct backup_file *)a)->name, ((const struct backup_file *)b)->name);
}

/* A file of the list. ERR_STALE: it is gone. */
static int open_listed(const struct attempt *a, const char *name)
{
	int fd = folder_file_open(a->raft, name);

	if (fd >= 0)
		return fd;
	return errno == ENOENT ? ERR_STALE : folder_error(a->raft, name, a->msg);
}

static int list_raft(struct attempt *a)
{
	struct backup_table *t = &a->table;
	int err = folder_each(a->raft, note, a, a->msg);

	if (err < 0)
		return err;
	if (t->count == BACKUP_FIXED)
		return errmsg_set(a->msg, ERR_NOT_FOUND, "%.300s: there is no log, so this node is "
				  "no manager: run it on one that is", a->raft->path);
	qsort(t->files + BACKUP_FIXED, t->count - BACKUP_FIXED, sizeof(t->files[0]), by_name);
	if (!a->snapshot[0])
		return 0;
	a->snapshot_fd = open_listed(a, a->snapshot);
	return a->snapshot_fd < 0 ? a->snapshot_fd : 0;
}

/* ---- the copy. What sealed_put answers, sealed_finish tells. ------------------------- */

static int copy_small(struct attempt *a)
{
	static const char *const names[BACKUP_FIXED] = { "node.json", "identity", "key" };
	int err = 0;

	for (int i = 0; err == 0 && i < BACKUP_FIXED; i++) {
		struct backup_file *f = add_file(a, names[i]);
		struct buf bytes;

		buf_init(&bytes, BACKUP_SMALL_MAX);
		err = folder_read(a->dir, names[i], &bytes, a->msg);
		(void)sealed_put(a->to, buf_slice(&bytes));
		f->size = bytes.len;
		if (bytes.data)
			mem_wipe(bytes.data, bytes.len);
		buf_done(&bytes);
	}
	return err;
}

static int copy_whole(struct attempt *a, int fd, struct backup_file *f)
{
	static char bytes[PIECE];
	ssize_t n;

	do {
		n = folder_read_at(a->raft, fd, bytes, PIECE, f->size);
		if (n < 0)
			return folder_error(a->raft, f->name, a->msg);
		f->size += (uint64_t)n;
		(void)sealed_put(a->to, (struct slice){ bytes, (size_t)n });
	} while (n == PIECE && f->size <= BACKUP_FILE_MAX);
	return f->size <= BACKUP_FILE_MAX ? 0 :
		errmsg_set(a->msg, ERR_LIMIT, "%.300s/%s: too large", a->raft->path, f->name);
}

/* As many bytes as a second reading finds again. */
static ssize_t common_bytes(const struct attempt *a, int fd, struct slice first)
{
	static char bytes[PIECE];
	size_t at = 0;
	ssize_t n = PIECE;

	while (n == PIECE && at < first.len) {
		n = folder_read_at(a->raft, fd, bytes, PIECE, at);
		for (ssize_t i = 0; i < n; i++) {
			if (at == first.len || first.data[at] != bytes[i])
				return (ssize_t)at;
			at++;
		}
	}
	return n < 0 ? n : (ssize_t)at;
}

static int read_growing(const struct attempt *a, int fd, const char *name, struct buf *first)
{
	char *room = buf_reserve(first, WAL_FILE_MAX);
	ssize_t n = folder_read_at(a->raft, fd, room, WAL_FILE_MAX, 0);

	if (n >= 0)
		n = common_bytes(a, fd, (struct slice){ room, (size_t)n });
	if (n < 0)
		return folder_error(a->raft, name, a->msg);
	first->len = (size_t)n;
	return 0;
}

static int copy_growing(struct attempt *a, int fd, struct backup_file *f)
{
	struct buf first;
	size_t end;
	int err;

	buf_init(&first, WAL_FILE_MAX);
	err = read_growing(a, fd, f->name, &first);
	end = first.len;
	while (end > 0 && first.data[end - 1] == 0)
		end--;
	f->size = first.len - end < ZEROS_LEFT ? first.len : end + ZEROS_LEFT;
	(void)sealed_put(a->to, (struct slice){ first.data, (size_t)f->size });
	buf_done(&first);
	return err;
}

static int copy_segments(struct attempt *a)
{
	uint32_t end = a->table.count;
	int err = 0;

	for (uint32_t i = BACKUP_FIXED; err == 0 && i < end; i++) {
		struct backup_file *f = &a->table.files[i];
		int fd = open_listed(a, f->name);

		if (fd < 0)
			return fd;
		err = i + 1 < end ? copy_whole(a, fd, f) : copy_growing(a, fd, f);
		folder_file_close(a->raft, fd);
	}
	return err;
}

/* Has each its name still? */
static int check_segments(const struct attempt *a)
{
	for (uint32_t i = BACKUP_FIXED; i < a->table.count; i++) {
		int fd = open_listed(a, a->table.files[i].name);

		if (fd < 0)
			return fd;
		folder_file_close(a->raft, fd);
	}
	return 0;
}

static int copy_all(struct attempt *a)
{
	struct buf table;
	int err = copy_small(a);

	if (err == 0)
		err = list_raft(a);
	if (err == 0)
		err = copy_segments(a);
	if (err == 0)
		err = check_segments(a);
	if (err == 0 && a->snapshot[0])
		err = copy_whole(a, a->snapshot_fd, add_file(a, a->snapshot));
	if (err < 0)
		return err;
	buf_init(&table, BACKUP_TABLE_MAX);
	backup_table_build(&a->table, &table);
	(void)sealed_put(a->to, buf_slice(&table));
	buf_done(&table);
	return sealed_finish(a->to, a->msg);
}

static int copy_once(const struct folder *dir, const struct folder *raft,
		     struct sealed_writer *to, struct errmsg *msg)
{
	static struct attempt a;
	int err;

	a = (struct attempt){ .dir = dir, .raft = raft, .to = to, .msg = msg, .snapshot_fd = -1 };
	err = copy_all(&a);
	if (err < 0)
		sealed_abandon(to);
	if (a.snapshot_fd >= 0)
		folder_file_close(raft, a.snapshot_fd);
	return err;
}

int backup_copy(const struct folder *dir, const struct folder *raft,
		const struct sealed_place *place, const struct seal_key *key, struct errmsg *msg)
{
	static struct sealed_writer to;
	int err = ERR_STALE;

	for (int i = 0; err == ERR_STALE && i < TRIES_MAX; i++) {
		if (ftruncate(place->fd, 0) < 0)
			return folder_error(place->folder, place->name, msg);
		sealed_begin(&to, &backup_kind, place, key,
			     (uint64_t)(clock_wall_ns() / SECOND_NS));
		err = copy_once(dir, raft, &to, msg);
	}
	if (err == ERR_STALE)
		return errmsg_set(msg, err, "%.300s: the log moves on faster than it can be "
				  "copied; try again when there is less to do", raft->path);
	if (err == 0 && fsync(place->fd) < 0)
		err = folder_error(place->folder, place->name, msg);
	return err;
}
