/*
 * Recovery of the log; contracts are in wal.h. In three passes: which segments count (their
 * headers), the records (checked, delivered), and the new segment, into which the newest
 * short ones are taken over. Nothing on disk is changed before the last. What is cut for
 * damage needs no care of its own there: the new segment begins below what was cut, and so
 * replaces it the moment it has its name.
 */
#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "io/entropy.h"
#include "io/wal.h"
#include "wal_private.h"

/* What one wal_open works with. */
struct recovery {
	struct wal *w;
	const struct wal_config *config;
	struct errmsg *msg;
	struct buf file;		/* the segment being read */
	int unread;			/* its end could not be read */
	struct buf payload;
	struct walsegment reader;	/* behind the last record read */
	int end;			/* 0, or why a segment's records ended early */
	struct buf taken;		/* the new segment's content */
	uint64_t stale[WAL_SEGMENTS_MAX];	/* sequences to be removed at the end */
	uint32_t stale_count;
	uint64_t broken[WAL_SEGMENTS_MAX];	/* sequences of those without a good header */
	uint32_t broken_count;
	uint64_t sequence_last;
	int spare;			/* there is a wal-spare */
};

/* Refuses, or notes that the log is cut here. */
static int damaged(struct recovery *r, uint64_t sequence, uint64_t offset, const char *what)
{
	struct wal *w = r->w;

	errmsg_set(&w->cut_why, ERR_CORRUPT, "%.200s/wal-%016llx: offset %llu: %s",
		   w->folder->path, (unsigned long long)sequence, (unsigned long long)offset, what);
	if (!r->config->cut_damage)
		return errmsg_set(r->msg, ERR_CORRUPT, "%s; put the data folder back from a copy, "
				  "or remove it and run 'swarmbox init' to begin anew",
				  w->cut_why.text);
	w->cut_record = w->last + 1;
	return 0;
}

/* ---- which segments count ---------------------------------------------------------- */

static int found(void *arg, const char *name)
{
	struct recovery *r = arg;
	struct wal *w = r->w;
	uint64_t sequence;

	if (strcmp(name, WAL_SPARE) == 0)
		r->spare = 1;
	if (!wal_sequence(name, &sequence))
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

/* 1 if a read that ended so is damage. */
static int is_damage(const struct recovery *r, int err)
{
	return err == ERR_CORRUPT || (r->config->cut_damage && (err == ERR_IO || err == ERR_LIMIT));
}

/* On failure r->reader stays where it was. */
static int header_parse(struct recovery *r, uint64_t sequence, struct slice bytes)
{
	struct walsegment s;
	int err = walsegment_parse(&s, r->w->key, bytes);

	if (err == 0 && s.sequence != (uint32_t)sequence)
		err = ERR_CORRUPT;	/* another segment's was written here */
	if (err == 0)
		r->reader = s;
	walsegment_done(&s);
	if (err == ERR_UNSUPPORTED)
		return errmsg_set(r->msg, err, "%s/wal-%016llx: made by another version of "
				  "swarmbox; use that one", r->w->folder->path,
				  (unsigned long long)sequence);
	return err;
}

/* Reads the header of a segment alone. ERR_CORRUPT: it is no good. */
static int header_read(struct recovery *r, const struct wal_file *file)
{
	const struct folder *f = r->w->folder;
	char name[WAL_NAME_MAX], header[WALSEGMENT_HEADER];
	int fd, err = 0;
	ssize_t n;

	wal_name(name, file->sequence);
	fd = folder_file_open(f, name);
	if (fd < 0)
		return folder_error(f, name, r->msg);
	n = folder_read_at(f, fd, header, sizeof(header), 0);
	if (n < 0)
		err = folder_error(f, name, r->msg);
	folder_file_close(f, fd);
	return err < 0 ? err : header_parse(r, file->sequence, (struct slice){ header,
								 (size_t)n });
}

/* Reads a whole segment; r->reader then stands before its first record. */
static int segment_read(struct recovery *r, const struct wal_file *file)
{
	char name[WAL_NAME_MAX];
	int err;

	wal_name(name, file->sequence);
	buf_reset(&r->file);
	err = folder_read(r->w->folder, name, &r->file, r->msg);
	r->unread = err < 0;
	if (err < 0 && (!is_damage(r, err) || r->file.len < WALSEGMENT_HEADER))
		return err;
	return header_parse(r, file->sequence, buf_slice(&r->file));
}

/* Drops the oldest of which every record is below config->keep. */
static void drop_below(struct recovery *r)
{
	struct wal *w = r->w;
	uint32_t n = 0;

	while (n + 1 < w->file_count && w->files[n + 1].first <= r->config->keep)
		r->stale[r->stale_count++] = w->files[n++].sequence;
	w->file_count -= n;
	memmove(w->files, w->files + n, w->file_count * sizeof(w->files[0]));
}

/*
 * A segment replaces all before it that do not begin below its first record: they were
 * taken over into it, and the process ended before it had removed them. One without a good
 * header may be one of those, so only what comes after it tells if it is missed.
 */
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

		err = header_read(r, &file);
		r->sequence_last = file.sequence;
		if (is_damage(r, err)) {
			r->broken[r->broken_count++] = file.sequence;
			continue;
		}
		if (err < 0)
			return err;
		file.first = r->reader.first;
		memcpy(file.previous, r->reader.previous, WALRECORD_CHAIN_LEN);
		while (kept > 0 && w->files[kept - 1].first >= file.first)
			r->stale[r->stale_count++] = w->files[--kept].sequence;
		w->files[kept++] = file;
	}
	w->file_count = kept;
	walsegment_done(&r->reader);	/* it stands nowhere */
	drop_below(r);
	return 0;
}

/* Drops all from file number i on: they are cut. */
static void drop_from(struct recovery *r, uint32_t i)
{
	while (r->w->file_count > i)
		r->stale[r->stale_count++] = r->w->files[--r->w->file_count].sequence;
}

static const char bad_header[] = "damaged, or not made with this key";

/* The first one without a good header that stands between two sequences; 0 = none. */
static uint64_t broken_between(const struct recovery *r, uint64_t above, uint64_t below)
{
	for (uint32_t i = 0; i < r->broken_count; i++) {
		if (r->broken[i] > above && r->broken[i] < below)
			return r->broken[i];
	}
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

/*
 * Passes the records of file number i to each, up to number `end` (0: as far as they go);
 * r->reader is then behind the last. r->end tells if they ended early.
 */
static int segment_walk(struct recovery *r, uint32_t i, uint64_t end,
			int (*each)(struct recovery *r, uint64_t number, struct slice body))
{
	int err = segment_read(r, &r->w->files[i]);

	r->end = is_damage(r, err) ? ERR_CORRUPT : 0;
	if (r->end)
		return 0;
	while (err == 0) {
		uint64_t number = r->reader.first + r->reader.count;

		if (end && number == end)
			break;
		r->end = walrecord_next(&r->reader, buf_slice(&r->file), &r->payload);
		if (r->end)
			break;
		err = each(r, number, buf_slice(&r->payload));
	}
	return err;
}

/* The records of file number i ended early: at the end of the log, or for damage. */
static int tail(struct recovery *r, uint32_t i)
{
	struct wal *w = r->w;
	const struct wal_file *file = &w->files[i];
	uint64_t offset = r->reader.first == file->first ? r->reader.offset : 0;
	uint64_t broken;

	if (r->unread)
		return damaged(r, file->sequence, offset, "cannot be read");
	if (i + 1 < w->file_count) {
		broken = broken_between(r, file->sequence, file[1].sequence);
		if (broken)
			return damaged(r, broken, 0, bad_header);
		return damaged(r, file->sequence, offset, "a record is damaged");
	}
	if (r->end == ERR_CORRUPT)
		return damaged(r, file->sequence, offset, "a record that was durable is damaged");
	if (r->end == ERR_TORN) {
		w->torn_offset = offset;
		wal_name(w->torn_name, file->sequence);
	}
	return 0;
}

/* Does file number i continue what was read? */
static int joint_check(struct recovery *r, uint32_t i)
{
	const struct wal_file *file = &r->w->files[i];
	uint64_t broken = broken_between(r, i ? file[-1].sequence : 0, file->sequence);

	if (i == 0 && r->config->keep && file->first > r->config->keep)
		return damaged(r, file->sequence, 0, "the records before it are missing");
	/* What the first one should continue is not known, unless it is not needed. */
	if (i == 0)
		return broken && !r->config->keep ? damaged(r, broken, 0, bad_header) : 0;
	if (memcmp(file->previous, r->reader.chain, WALRECORD_CHAIN_LEN) == 0)
		return 0;
	if (broken)
		return damaged(r, broken, 0, bad_header);
	return damaged(r, file->sequence, 0, "does not continue the segment before it");
}

static int segment_recover(struct recovery *r, uint32_t i)
{
	struct wal *w = r->w;
	struct wal_file *file = &w->files[i];
	int err = joint_check(r, i);

	if (err < 0)
		return err;
	if (w->cut_record) {
		drop_from(r, i);
		return 0;
	}
	err = segment_walk(r, i, i + 1 < w->file_count ? file[1].first : 0, deliver);
	if (err < 0)
		return err;
	if (r->reader.first == file->first) {
		file->bytes = r->reader.offset;
		file->size = (uint32_t)r->file.len;
		w->last = r->reader.first + r->reader.count - 1;
	}
	err = r->end ? tail(r, i) : 0;
	if (w->cut_record)
		drop_from(r, r->reader.first == file->first ? i + 1 : i);
	return err;
}

static int records_read(struct recovery *r)
{
	struct wal *w = r->w;
	uint64_t newest, broken;
	int err = 0;

	for (uint32_t i = 0; i < w->file_count && err == 0; i++)
		err = segment_recover(r, i);
	newest = w->file_count ? w->files[w->file_count - 1].sequence : 0;
	broken = broken_between(r, newest, UINT64_MAX);
	if (err == 0 && broken && !w->cut_record)
		err = damaged(r, broken, 0, bad_header);
	if (err == 0 && r->config->keep > 1 && !r->sequence_last)
		err = damaged(r, 1, 0, "the log is missing");
	/* The snapshot told of records that never became durable here: go on behind them. */
	if (err == 0 && w->last + 1 < r->config->keep) {
		drop_from(r, 0);
		w->last = r->config->keep - 1;
		if (w->cut_record)
			w->cut_record = r->config->keep;
	}
	for (uint32_t i = 0; i < r->broken_count; i++)
		r->stale[r->stale_count++] = r->broken[i];
	return err;
}

/* ---- the new segment --------------------------------------------------------------- */

/* Recovered records may have been in the kernel's memory only; and where a sync has failed, it
 * takes them for written and would not write them again. So they are given to it anew. */
static int newest_write(struct recovery *r)
{
	struct wal *w = r->w;
	const struct wal_file *file = &w->files[w->file_count - 1];
	char name[WAL_NAME_MAX];
	int fd, err;

	wal_name(name, file->sequence);
	buf_reset(&r->file);
	err = folder_read(w->folder, name, &r->file, r->msg);
	if (r->file.len < file->bytes)
		return err;	/* behind them nothing is read any more */
	err = 0;
	fd = folder_file_open(w->folder, name);
	if (fd < 0 || folder_write_at(w->folder, fd, r->file.data, file->bytes, 0) < 0 ||
	    folder_file_sync(w->folder, fd) < 0)
		err = folder_error(w->folder, name, r->msg);
	if (fd >= 0)
		folder_file_close(w->folder, fd);
	return err;
}

/* The first of the newest segments that are short together; file_count if there is none. */
static uint32_t takeover_from(const struct wal *w)
{
	uint32_t from = w->file_count;
	uint64_t bytes = 0;

	while (from > 0 && bytes + w->files[from - 1].bytes <= w->segment_bytes / WAL_TAKEOVER_PART)
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

	w->segment = (struct walsegment){ .first = w->last + 1,
					  .sequence = (uint32_t)(r->sequence_last + 1) };
	if (from < count) {
		w->segment.first = w->files[from].first;
		memcpy(w->segment.previous, w->files[from].previous, WALRECORD_CHAIN_LEN);
	} else if (count > 0) {
		memcpy(w->segment.previous, r->reader.chain, WALRECORD_CHAIN_LEN);
		err = newest_write(r);
	}
	entropy_fill(salt, sizeof(salt));
	walsegment_begin(&w->segment, w->key, salt, &r->taken);
	for (uint32_t i = from; i < count && err == 0; i++) {
		uint64_t end = i + 1 < count ? w->files[i + 1].first : w->last + 1;

		r->stale[r->stale_count++] = w->files[i].sequence;
		err = segment_walk(r, i, end, take_over);
		if (err == 0 && r->end)
			err = errmsg_set(r->msg, ERR_IO, "%s/wal-%016llx: cannot be read twice",
					 w->folder->path, (unsigned long long)w->files[i].sequence);
	}
	if (err < 0)
		return err;
	assert(w->segment.first + w->segment.count == w->last + 1);
	w->file_count = from;
	err = wal_segment_new(w, r->sequence_last + 1, &r->taken, r->msg);
	return err < 0 ? err : stale_remove(r);
}

/* One that a process before this left is taken if it is as long as a full segment. If not,
 * or if it cannot be read, the next one takes its name. */
static void spare_adopt(struct recovery *r)
{
	const struct folder *f = r->w->folder;
	int fd = r->spare ? folder_file_open(f, WAL_SPARE) : -1;
	char byte;

	if (fd < 0)
		return;
	if (folder_read_at(f, fd, &byte, 1, r->w->segment_bytes - 1) == 1)
		r->w->spare = r->w->segment_bytes;
	folder_file_close(f, fd);
}

int wal_open(struct wal *w, const struct wal_config *c, struct errmsg *msg)
{
	struct recovery r = { .w = w, .config = c, .msg = msg };
	int err;

	*w = (struct wal){ .folder = c->folder, .key = c->key, .fd = -1,
			   .last = c->keep ? c->keep - 1 : 0,
			   .segment_bytes = c->segment_bytes ? c->segment_bytes :
					    WAL_SEGMENT_BYTES };
	buf_init(&w->pending, WAL_PENDING_MAX + WALRECORD_OVERHEAD);
	buf_init(&r.file, WAL_FILE_MAX + 1);
	buf_init(&r.payload, WAL_RECORD_MAX + 1);
	buf_init(&r.taken, WAL_SEGMENT_BYTES);
	err = segments_choose(&r);
	if (err == 0)
		err = records_read(&r);
	if (err == 0)
		spare_adopt(&r);
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
