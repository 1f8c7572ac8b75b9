/*
 * Contracts are in wal.h; recovery is in wal_open.c. What a reader would get wrong: the
 * segment's offset runs ahead over what is gathered, `synced` is where the next write goes;
 * and the mark that is written there after each sync is overwritten by the next one.
 */
#include "io/wal.h"
#include <assert.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>
#include "io/entropy.h"
#include "wal_private.h"

/* A buffer that had to hold more than this is given back after the sync. */
enum { PENDING_KEEP = 256 << 10 };

void wal_name(char out[WAL_NAME_MAX], uint64_t sequence)
{
	snprintf(out, WAL_NAME_MAX, "wal-%016llx", (unsigned long long)sequence);
}

static uint32_t grown(uint32_t bytes)
{
	return (bytes + WAL_GROW_BYTES - 1) / WAL_GROW_BYTES * WAL_GROW_BYTES;
}

/* Zeros up to size, so that the syncs to come need not change the file's size. */
static int grow(struct wal *w, int fd, uint32_t size)
{
	static const char zeros[64 << 10];
	uint32_t at = w->size;

	while (at < size) {
		uint32_t n = size - at < sizeof(zeros) ? size - at : (uint32_t)sizeof(zeros);

		if (folder_pwrite(fd, zeros, n, at) < 0)
			return -1;
		at += n;
	}
	w->size = size;
	return 0;
}

int wal_segment_new(struct wal *w, uint64_t sequence, struct buf *content, struct errmsg *msg)
{
	char name[WAL_NAME_MAX];
	int fd, err = 0;

	if (w->file_count == WAL_SEGMENTS_MAX)
		return errmsg_set(msg, ERR_LIMIT, "%s: %d log segments and no snapshot that covers "
				  "them", w->folder->path, WAL_SEGMENTS_MAX);
	wal_name(name, sequence);
	fd = folder_create(w->folder, name, msg);
	if (fd < 0)
		return fd;
	walrecord_mark(&w->segment, content);
	assert(!content->failed);
	w->size = 0;
	if (grow(w, fd, grown((uint32_t)content->len)) < 0 ||
	    folder_pwrite(fd, content->data, content->len, 0) < 0) {
		err = folder_error(w->folder, name, msg);
		folder_abandon(w->folder, name);
	}
	if (err == 0)
		err = folder_publish(w->folder, fd, name, msg);
	if (err < 0) {
		close(fd);
		return err;
	}
	if (w->fd >= 0)
		close(w->fd);
	w->fd = fd;
	w->synced = w->segment.offset;
	w->files[w->file_count++] = (struct wal_file){ .sequence = sequence,
						       .first = w->segment.first };
	return 0;
}

/* The next segment begins with the record that comes next. */
static int rotate(struct wal *w, struct errmsg *msg)
{
	uint64_t sequence = w->files[w->file_count - 1].sequence + 1;
	uint8_t salt[SEAL_SALT_LEN];
	struct buf content;
	int err;

	memcpy(w->segment.previous, w->segment.chain, WALRECORD_CHAIN_LEN);
	w->segment.first = w->last + 1;
	entropy_fill(salt, sizeof(salt));
	buf_init(&content, WAL_GROW_BYTES);
	walsegment_begin(&w->segment, w->key, salt, &content);
	err = wal_segment_new(w, sequence, &content, msg);
	buf_done(&content);
	return err;
}

static int fail(struct wal *w, int err)
{
	assert(err < 0);
	w->failed = err;
	buf_done(&w->pending);
	return err;
}

int wal_append(struct wal *w, uint64_t number, struct slice body)
{
	if (w->failed)
		return w->failed;
	assert(number == w->last + 1);
	if (body.len > WAL_RECORD_MAX)
		return ERR_LIMIT;
	if (w->pending.len > 0 && w->pending.len + WALRECORD_OVERHEAD + body.len > WAL_PENDING_MAX)
		return ERR_LIMIT;
	walrecord_build(&w->segment, w->synced, body, &w->pending);
	assert(!w->pending.failed);
	w->last = number;
	return 0;
}

/* What was synced is told behind it, unsynced: should the last record rot while the log is
 * idle, it is not taken for one that was torn. */
static int mark(struct wal *w)
{
	walrecord_mark(&w->segment, &w->pending);
	if (folder_pwrite(w->fd, w->pending.data, w->pending.len, w->synced) < 0)
		return -1;
	buf_reset(&w->pending);
	return 0;
}

static int write_out(struct wal *w)
{
	uint32_t need = w->segment.offset + WALRECORD_OVERHEAD;

	if (need > w->size && grow(w, w->fd, grown(need)) < 0)
		return -1;
	if (folder_pwrite(w->fd, w->pending.data, w->pending.len, w->synced) < 0)
		return -1;
	return fdatasync(w->fd);
}

int wal_sync(struct wal *w, struct errmsg *msg)
{
	char name[WAL_NAME_MAX];
	int err = 0;

	if (w->failed)
		return errmsg_set(msg, w->failed, "%s", w->why.text);
	if (w->pending.len == 0)
		return 0;
	wal_name(name, w->files[w->file_count - 1].sequence);
	if (write_out(w) < 0) {
		fail(w, folder_error(w->folder, name, &w->why));
		return errmsg_set(msg, w->failed, "%s", w->why.text);
	}
	assert(w->segment.offset == w->synced + w->pending.len);
	w->synced = w->segment.offset;
	w->durable = w->last;
	if (w->pending.len > PENDING_KEEP)
		buf_done(&w->pending);
	buf_reset(&w->pending);
	/* What fails from here on concerns later records: these are durable. */
	if (mark(w) < 0)
		err = folder_error(w->folder, name, &w->why);
	else if (w->synced >= WAL_SEGMENT_BYTES)
		err = rotate(w, &w->why);
	if (err < 0)
		fail(w, err);
	return 0;
}

int wal_drop_before(struct wal *w, uint64_t number, struct errmsg *msg)
{
	uint32_t n = 0;
	int err = 0;

	/* Oldest first: a crash on the way leaves no hole. */
	while (err == 0 && n + 1 < w->file_count && w->files[n + 1].first <= number) {
		char name[WAL_NAME_MAX];

		wal_name(name, w->files[n].sequence);
		err = folder_remove(w->folder, name, msg);
		if (err == 0)
			n++;
	}
	w->file_count -= n;
	memmove(w->files, w->files + n, w->file_count * sizeof(w->files[0]));
	if (n > 0 && folder_sync(w->folder, err < 0 ? NULL : msg) < 0 && err == 0)
		err = ERR_IO;
	return err;
}

void wal_close(struct wal *w)
{
	if (w->fd >= 0)
		close(w->fd);
	w->fd = -1;
	buf_done(&w->pending);
	walsegment_done(&w->segment);
}
