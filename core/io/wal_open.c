/*
 * Recovery of the log; contracts are in wal.h. In three passes: which segments count (their
 * headers), the records (checked, delivered), and the new segment, into which the newest
 * short ones are taken over. Nothing on disk is changed before the last.
 */
#include <assert.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include "io/entropy.h"
#include "io/wal.h"
#include "wal_private.h"

/* What one wal_open works with. */
struct recovery {
	struct wal *w;
	const struct wal_config *config;
	struct errmsg *msg;
	struct buf file;		/* the segment being read */
	struct buf payload;
	struct walsegment reader;	/* behind the last record read */
	struct buf taken;		/* the new segment's content */
	uint64_t stale[WAL_SEGMENTS_MAX];	/* sequences to be removed at the end */
	uint32_t stale_count;
	uint64_t sequence_last;
};

static int damaged(struct recovery *r, uint64_t sequence, uint64_t offset, const char *what)
{
	return errmsg_set(r->msg, ERR_CORRUPT,
			  "%.200s/wal-%016llx: offset %llu: %s; put the data folder back from a "
			  "copy, or remove it and run 'swarmbox init' to begin anew",
			  r->w->folder->path, (unsigned long long)sequence,
			  (unsigned long long)offset, what);
}

/* ---- which segments count ---------------------------------------------------------- */

/* 1 and the sequence if name is one of ours. */
static int sequence_of(const char *name, uint64_t *sequence)
{
	char again[WAL_NAME_MAX];
	uint64_t value = 0;

	if (strncmp(name, "wal-", 4) != 0 || strlen(name) != 20)
		return 0;
	for (const char *p = name + 4; *p; p++) {
		const char *digits = "0123456789abcdef", *at = strchr(digits, *p);

		if (!at)
			return 0;
		value = value << 4 | (uint64_t)(at - digits);
	}
	wal_name(again, value);
	assert(strcmp(again, name) == 0);
	*sequence = value;
	return 1;
}

static int found(void *arg, const char *name)
{
	struct recovery *r = arg;
	struct wal *w = r->w;
	uint64_t sequence;

	if (!sequence_of(name, &sequence))
		return 0;
	/* One place is kept for the new segment. */
	if (w->file_count + 1 >= WAL_SEGMENTS_MAX)
		return errmsg_set(r->msg, ERR_LIMIT, "%s: more than %d log segments",
				  w->folder->path, WAL_SEGMENTS_MAX);
	w->files[w->file_count++].sequence = sequence;
	return 0;
}

static int by_sequence(const void *a, const void *b)
{
	uint64_t x = ((const struct wal_file *)a)->sequence;
	uint64_t y = ((const struct wal_file *)b)->sequence;

	return x < y ? -1 : x > y;
}

/* Reads a whole segment and its header; r->reader then stands before its first record. */
static int segment_read(struct recovery *r, const struct wal_file *file)
{
	char name[WAL_NAME_MAX];
	int err;

	wal_name(name, file->sequence);
	buf_reset(&r->file);
	err = folder_read(r->w->folder, name, &r->file, r->msg);
	if (err < 0)
		return err;
	err = walsegment_parse(&r->reader, r->w->key, buf_slice(&r->file));
	if (err == ERR_UNSUPPORTED)
		return errmsg_set(r->msg, err, "%s/%s: made by a newer swarmbox; use that one",
				  r->w->folder->path, name);
	if (err < 0)
		return damaged(r, file->sequence, 0, "damaged, or not made with this key");
	return 0;
}

/* A segment replaces all before it that do not begin below its first record: they were
 * taken over into it, and the process ended before it had removed them. */
static int segments_choose(struct recovery *r)
{
	struct wal *w = r->w;
	uint32_t kept = 0;
	int err = folder_each(w->folder, found, r, r->msg);

	if (err < 0)
		return err;
	qsort(w->files, w->file_count, sizeof(w->files[0]), by_sequence);
	for (uint32_t i = 0; i < w->file_count; i++) {
		struct wal_file file = w->files[i];

		err = segment_read(r, &file);
		if (err < 0)
			return err;
		file.first = r->reader.first;
		memcpy(file.previous, r->reader.previous, WALRECORD_CHAIN_LEN);
		while (kept > 0 && w->files[kept - 1].first >= file.first)
			r->stale[r->stale_count++] = w->files[--kept].sequence;
		w->files[kept++] = file;
		r->sequence_last = file.sequence;
	}
	w->file_count = kept;
	return 0;
}

/* ---- the records ------------------------------------------------------------------- */

static int deliver(struct recovery *r, uint64_t number, struct slice body)
{
	if (!r->config->on_record)
		return 0;
	return r->config->on_record(r->config->arg, number, body, r->msg);
}

static int take_over(struct recovery *r, uint64_t number, struct slice body)
{
	struct walsegment *s = &r->w->segment;

	assert(number == s->first + s->count);
	/* The file has no name before all of it is durable. */
	walrecord_build(s, s->offset, body, &r->taken);
	return 0;
}

/* The end of the newest segment: err says how it ends. */
static int tail(struct recovery *r, const struct wal_file *file, int err)
{
	struct wal *w = r->w;

	if (err == ERR_CORRUPT)
		return damaged(r, file->sequence, r->reader.offset, "a record that was durable is "
			       "damaged");
	if (err == ERR_TORN) {
		w->torn_offset = r->reader.offset;
		wal_name(w->torn_name, file->sequence);
	}
	return 0;
}

/* Passes every record of segment i to each; r->reader is then behind the last. */
static int segment_walk(struct recovery *r, uint32_t i,
			int (*each)(struct recovery *r, uint64_t number, struct slice body))
{
	struct wal *w = r->w;
	struct wal_file *file = &w->files[i];
	const struct wal_file *next = i + 1 < w->file_count ? file + 1 : NULL;
	int err = segment_read(r, file);

	while (err == 0) {
		uint64_t number = r->reader.first + r->reader.count;

		if (next && number == next->first)
			break;
		err = walrecord_next(&r->reader, buf_slice(&r->file), &r->payload);
		if (err < 0 && next)
			return damaged(r, file->sequence, r->reader.offset, "a record is damaged");
		if (err < 0)
			return tail(r, file, err);
		err = each(r, number, buf_slice(&r->payload));
	}
	if (err < 0)
		return err;
	if (next && memcmp(next->previous, r->reader.chain, WALRECORD_CHAIN_LEN) != 0)
		return damaged(r, next->sequence, 0, "does not continue the segment before it");
	return 0;
}

static int records_read(struct recovery *r)
{
	struct wal *w = r->w;

	for (uint32_t i = 0; i < w->file_count; i++) {
		int err = segment_walk(r, i, deliver);

		if (err < 0)
			return err;
		w->files[i].bytes = r->reader.offset;
		w->last = r->reader.first + r->reader.count - 1;
	}
	return 0;
}

/* ---- the new segment --------------------------------------------------------------- */

/* Recovered records may have been in the kernel's memory only. */
static int newest_sync(struct recovery *r)
{
	struct wal *w = r->w;
	char name[WAL_NAME_MAX];
	int fd, err = 0;

	wal_name(name, w->files[w->file_count - 1].sequence);
	fd = openat(w->folder->fd, name, O_RDONLY | O_CLOEXEC);
	if (fd < 0 || fdatasync(fd) < 0)
		err = folder_error(w->folder, name, r->msg);
	if (fd >= 0)
		close(fd);
	return err;
}

/* The first of the newest segments that are short together; file_count if there is none. */
static uint32_t takeover_from(const struct wal *w)
{
	uint32_t from = w->file_count;
	uint64_t bytes = 0;

	while (from > 0 && bytes + w->files[from - 1].bytes <= WAL_TAKEOVER_BYTES)
		bytes += w->files[--from].bytes;
	return from;
}

static int stale_remove(struct recovery *r)
{
	char name[WAL_NAME_MAX];
	int err = 0;

	for (uint32_t i = 0; i < r->stale_count && err == 0; i++) {
		wal_name(name, r->stale[i]);
		err = folder_remove(r->w->folder, name, r->msg);
	}
	if (r->stale_count > 0 && err == 0)
		err = folder_sync(r->w->folder, r->msg);
	return err;
}

static int segment_start(struct recovery *r)
{
	struct wal *w = r->w;
	uint32_t from = takeover_from(w), count = w->file_count;
	uint8_t salt[SEAL_SALT_LEN];
	int err = 0;

	w->segment = (struct walsegment){ .first = w->last + 1 };
	if (from < count) {
		w->segment.first = w->files[from].first;
		memcpy(w->segment.previous, w->files[from].previous, WALRECORD_CHAIN_LEN);
	} else if (count > 0) {
		memcpy(w->segment.previous, r->reader.chain, WALRECORD_CHAIN_LEN);
		err = newest_sync(r);
	}
	entropy_fill(salt, sizeof(salt));
	walsegment_begin(&w->segment, w->key, salt, &r->taken);
	for (uint32_t i = from; i < count && err == 0; i++) {
		r->stale[r->stale_count++] = w->files[i].sequence;
		err = segment_walk(r, i, take_over);
	}
	if (err < 0)
		return err;
	assert(w->segment.first + w->segment.count == w->last + 1);
	w->file_count = from;
	err = wal_segment_new(w, r->sequence_last + 1, &r->taken, r->msg);
	return err < 0 ? err : stale_remove(r);
}

int wal_open(struct wal *w, const struct wal_config *c, struct errmsg *msg)
{
	struct recovery r = { .w = w, .config = c, .msg = msg };
	int err;

	*w = (struct wal){ .folder = c->folder, .key = c->key, .fd = -1 };
	buf_init(&w->pending, WAL_PENDING_MAX + WALRECORD_OVERHEAD);
	buf_init(&r.file, WAL_FILE_MAX + 1);
	buf_init(&r.payload, WAL_RECORD_MAX + 1);
	buf_init(&r.taken, 2 * WAL_TAKEOVER_BYTES);
	err = segments_choose(&r);
	if (err == 0)
		err = records_read(&r);
	if (err == 0)
		err = segment_start(&r);
	w->durable = w->last;
	buf_done(&r.file);
	buf_done(&r.payload);
	buf_done(&r.taken);
	walsegment_done(&r.reader);
	if (err < 0)
		wal_close(w);
	return err;
}
