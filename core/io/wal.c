/*
 * Contracts are in wal.h; recovery is in wal_open.c. What a reader would get wrong: the
 * segment's offset runs ahead over what is gathered, `synced` is where the next write goes;
 * and the mark that is written there after each sync is overwritten by the next one.
 */
#include "io/wal.h"
#include <assert.h>
#include <stdio.h>
#include <string.h>
#include "io/entropy.h"
#include "wal_private.h"

/* A buffer that had to hold more than this is given back after the sync. */
enum { PENDING_KEEP = 256 << 10 };

void wal_name(char out[WAL_NAME_MAX], uint64_t sequence)
{
	snprintf(out, WAL_NAME_MAX, "wal-%016llx", (unsigned long long)sequence);
}

static uint32_t grown(const struct wal *w, uint32_t bytes)
{
	uint32_t step = w->segment_bytes / WAL_GROW_PART;

	return (bytes + step - 1) / step * step;
}

/* Zeros from `at` on, so that the syncs to come need not change the file's size. */
static int grow(struct wal *w, int fd, uint32_t at)
{
	static const char zeros[64 << 10];
	uint32_t size = grown(w, at + WALRECORD_OVERHEAD);

	while (at < size) {
		uint32_t n = size - at < sizeof(zeros) ? size - at : (uint32_t)sizeof(zeros);

		if (folder_write_at(w->folder, fd, zeros, n, at) < 0)
			return -1;
		at += n;
	}
	w->size = size;
	return 0;
}

/* The file of a new segment: the spare one, or an empty one. */
static int segment_file(struct wal *w, const char *name, struct errmsg *msg)
{
	int fd = w->spare ? folder_recycle(w->folder, WAL_SPARE, name, NULL) : -1;

	w->size = fd >= 0 ? w->spare : 0;
	w->spare = 0;
	return fd >= 0 ? fd : folder_create(w->folder, name, msg);
}

static int segment_write(struct wal *w, int fd, const struct buf *content)
{
	uint32_t end = (uint32_t)content->len;

	if (folder_write_at(w->folder, fd, content->data, content->len, 0) < 0)
		return -1;
	return end > w->size ? grow(w, fd, end) : 0;
}

int wal_segment_new(struct wal *w, uint64_t sequence, struct buf *content, struct errmsg *msg)
{
	char name[WAL_NAME_MAX];
	int fd, err = 0;

	if (w->file_count == WAL_SEGMENTS_MAX)
		return errmsg_set(msg, ERR_LIMIT, "%s: %d log segments and no snapshot that covers "
				  "them", w->folder->path, WAL_SEGMENTS_MAX);
	wal_name(name, sequence);
	fd = segment_file(w, name, msg);
	if (fd < 0)
		return fd;
	walrecord_mark(&w->segment, content);
	assert(!content->failed);
	if (segment_write(w, fd, content) < 0) {
		err = folder_error(w->folder, name, msg);
		folder_abandon(w->folder, name);
	}
	if (err == 0)
		err = folder_publish(w->folder, fd, name, msg);
	if (err < 0) {
		folder_file_close(w->folder, fd);
		return err;
	}
	if (w->fd >= 0)
		folder_file_close(w->folder, w->fd);
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

	w->files[w->file_count - 1].size = w->size;
	memcpy(w->segment.previous, w->segment.chain, WALRECORD_CHAIN_LEN);
	w->segment.first = w->last + 1;
	w->segment.sequence = (uint32_t)sequence;
	entropy_fill(salt, sizeof(salt));
	buf_init(&content, WALSEGMENT_HEADER + WALRECORD_OVERHEAD);
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
	if (folder_write_at(w->folder, w->fd, w->pending.data, w->pending.len, w->synced) < 0)
		return -1;
	buf_reset(&w->pending);
	return 0;
}

static int write_out(struct wal *w)
{
	uint32_t need = w->segment.offset + WALRECORD_OVERHEAD;

	if (folder_write_at(w->folder, w->fd, w->pending.data, w->pending.len, w->synced) < 0)
		return -1;
	if (need > w->size && grow(w, w->fd, w->segment.offset) < 0)
		return -1;
	return folder_file_sync(w->folder, w->fd);
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
	else if (w->synced >= w->segment_bytes)
		err = rotate(w, &w->why);
	if (err < 0)
		fail(w, err);
	return 0;
}

/* A full one is kept for its space. */
static int segment_drop(struct wal *w, const struct wal_file *file, struct errmsg *msg)
{
	char name[WAL_NAME_MAX];
	int err;

	wal_name(name, file->sequence);
	if (w->spare || file->size < w->segment_bytes)
		return folder_remove(w->folder, name, msg);
	err = folder_rename(w->folder, name, WAL_SPARE, msg);
	if (err == 0)
		w->spare = file->size;
	return err;
}

int wal_drop_before(struct wal *w, uint64_t number, struct errmsg *msg)
{
	uint32_t n = 0;
	int err = 0, sync;

	/* Oldest first, though a crash may undo any of it (wal_config.keep). */
	while (err == 0 && n + 1 < w->file_count && w->files[n + 1].first <= number) {
		err = segment_drop(w, &w->files[n], msg);
		if (err == 0)
			n++;
	}
	w->file_count -= n;
	memmove(w->files, w->files + n, w->file_count * sizeof(w->files[0]));
	sync = n > 0 ? folder_sync(w->folder, err < 0 ? NULL : msg) : 0;
	return err < 0 ? err : sync;
}

void wal_close(struct wal *w)
{
	if (w->fd >= 0)
		folder_file_close(w->folder, w->fd);
	w->fd = -1;
	buf_done(&w->pending);
	walsegment_done(&w->segment);
}

/* ---- removal ------------------------------------------------------------------------ */

int wal_sequence(const char *name, uint64_t *sequence)
{
	uint64_t value = 0;

	if (strncmp(name, "wal-", 4) != 0 || strlen(name) != 20)
		return 0;
	for (const char *p = name + 4; *p; p++) {
		const char *digits = "0123456789abcdef", *at = strchr(digits, *p);

		if (!at)
			return 0;
		value = value << 4 | (uint64_t)(at - digits);
	}
	*sequence = value;
	return 1;
}

/* The file that goes next: any that is no segment, then the newest segment. */
struct goner {
	char name[256];
	uint64_t sequence;
	int segment;
};

static int goner_note(void *arg, const char *name)
{
	struct goner *g = arg;
	uint64_t sequence = 0;
	int segment = wal_sequence(name, &sequence);

	if (strncmp(name, "wal-", 4) != 0)
		return 0;
	if (g->name[0] && segment && (!g->segment || sequence < g->sequence))
		return 0;
	snprintf(g->name, sizeof(g->name), "%s", name);
	g->sequence = sequence;
	g->segment = segment;
	return 0;
}

int wal_remove_all(const struct folder *f, struct errmsg *msg)
{
	int err = 0;

	/* Whatever a crash leaves is then the beginning of the log, not one with a hole. */
	for (;;) {
		struct goner g = { .segment = 0 };

		err = folder_each(f, goner_note, &g, msg);
		if (err < 0 || !g.name[0])
			break;
		err = folder_remove(f, g.name, msg);
		if (err < 0)
			break;
	}
	return err < 0 ? err : folder_sync(f, msg);
}
