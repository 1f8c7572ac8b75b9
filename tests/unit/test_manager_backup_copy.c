/*
 * A data folder is copied while its log and snapshots are written: between any two readings of a
 * few bytes the writer may go on, in segments so short that they come, go and are written over in
 * the midst of a copy. Whatever is copied is a log without a gap, with all that was durable before
 * the copy began.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>
#include "applets/manager/main_backup.h"
#include "base/rng.h"
#include "disk_fake.h"
#include "io/snapshot.h"
#include "io/wal.h"
#include "scratch.h"
#include "unit.h"

enum { SEGMENT = 8 << 10, RECORD_MAX = 1024, COPIES = 300, SYNCS_MAX = 150 };

static const struct seal_key key = { { 9, 9 } };

/* One who writes, and what a reader sees of the disk, who lets the writer go on. */
struct race {
	struct disk disk;
	struct wal wal;
	struct snapshot_writer snapshot;
	struct rng rng;
	uint64_t syncs, snapshot_every;
	uint64_t read_max;		/* bytes of one reading */
	/* Not 0: a reading ends so far behind the last record, and then the writer goes on. */
	uint64_t tear;
	int pace;			/* one of so many readings lets the writer go on */
	int vanish;			/* what was listed is gone when it is opened */
	int failed;
	struct folder raft;		/* the reader's */
};

/* Record n is n repeated, in a length of its own. */
static struct slice record(uint64_t n, char *bytes)
{
	size_t len = 8 + (size_t)(n * 7919 % 900) / 8 * 8;

	for (size_t at = 0; at < len; at += 8)
		memcpy(bytes + at, &n, 8);
	return (struct slice){ bytes, len };
}

static void write_snapshot(struct race *r)
{
	uint64_t n = r->wal.durable;

	r->failed |= snapshot_begin(&r->snapshot, &r->disk.folder, &key, n, NULL) < 0;
	if (r->failed)
		return;
	(void)snapshot_put(&r->snapshot, (struct slice){ (char *)&n, sizeof(n) });
	r->failed |= snapshot_finish(&r->snapshot, NULL) < 0 ||
		     wal_drop_before(&r->wal, n + 1, NULL) < 0;
}

static void write_some(struct race *r)
{
	char bytes[RECORD_MAX];

	if (r->failed || r->syncs == SYNCS_MAX)
		return;

	for (uint64_t i = rng_below(&r->rng, 4) + 1; i > 0; i--)
		r->failed |= wal_append(&r->wal, r->wal.last + 1,
					record(r->wal.last + 1, bytes)) < 0;
	r->failed |= wal_sync(&r->wal, NULL) < 0;
	if (++r->syncs % r->snapshot_every == 0)
		write_snapshot(r);
}

static void let_write(struct race *r)
{
	if (rng_below(&r->rng, (uint64_t)r->pace) != 0)
		return;
	for (uint64_t i = rng_below(&r->rng, 4); i > 0; i--)
		write_some(r);
}

/* ---- what the reader sees ----------------------------------------------------------- */

static int race_open(void *context, const char *name)
{
	struct race *r = context;

	let_write(r);
	errno = ENOENT;
	return r->vanish ? -1 : folder_file_open(&r->disk.folder, name);
}

static ssize_t race_read(void *context, int fd, void *bytes, size_t n, uint64_t offset)
{
	struct race *r = context;
	size_t some = (size_t)rng_below(&r->rng, r->read_max) + 1;
	uint64_t tear_at = r->wal.synced + r->tear;
	int tears = r->tear && offset < tear_at && offset + some > tear_at;
	ssize_t got;

	if (tears)
		some = (size_t)(tear_at - offset);
	else
		let_write(r);
	got = r->disk.folder.ops->read(r->disk.folder.context, fd, bytes, n < some ? n : some,
				       offset);
	for (int i = 0; tears && i < 3; i++)
		write_some(r);
	return got;
}

static void race_close(void *context, int fd)
{
	struct race *r = context;

	folder_file_close(&r->disk.folder, fd);
}

struct names {
	struct race *race;
	char name[DISK_NAMES][DISK_NAME];
	int count;
};

static int take_name(void *arg, const char *name)
{
	struct names *n = arg;

	strncpy(n->name[n->count++], name, DISK_NAME - 1);
	return 0;
}

static int race_each(void *context, int (*each)(void *arg, const char *name), void *arg)
{
	struct race *r = context;
	static struct names n;
	int err = 0;

	memset(&n, 0, sizeof(n));
	(void)folder_each(&r->disk.folder, take_name, &n, NULL);
	for (int i = 0; err >= 0 && i < n.count; i++)
		err = each(arg, n.name[i]);
	let_write(r);
	return err;
}

static const struct folder_ops race_ops = {
	.open = race_open, .read = race_read, .close = race_close, .each = race_each,
};

static void race_begin(struct race *r, uint64_t seed)
{
	struct wal_config c = { .folder = &r->disk.folder, .key = &key, .keep = 1,
				.segment_bytes = SEGMENT };

	memset(r, 0, sizeof(*r));
	disk_init(&r->disk);
	rng_init(&r->rng, seed);
	folder_open_with(&r->raft, &race_ops, r, "raft");
	CHECK_INT(wal_open(&r->wal, &c, NULL), 0);
	r->read_max = 200 + seed % 5 * 700;
	r->pace = 4 + (int)(seed % 7) * 4;
	r->snapshot_every = 5 + seed % 20;
	r->tear = seed % 2 ? 1 + seed % WALRECORD_OVERHEAD : 0;
	for (int i = 0; i < 40; i++)
		write_some(r);
}

static void race_end(struct race *r)
{
	wal_close(&r->wal);
	disk_done(&r->disk);
}

/* ---- what was copied ---------------------------------------------------------------- */

static int check_record(void *arg, uint64_t number, struct slice body, struct errmsg *msg)
{
	char bytes[RECORD_MAX];

	(void)arg;
	if (slice_equal(body, record(number, bytes)))
		return 0;
	return errmsg_set(msg, ERR_INVALID, "record %llu is another one",
			  (unsigned long long)number);
}

/* The last record in the copy. 0, or a code: it is no log, msg tells. */
static int read_log(struct backup *b, uint64_t *last, struct errmsg *msg)
{
	static struct snapshot_reader r;
	static struct wal wal;
	struct folder view;
	struct wal_config c = { .folder = &view, .key = &key, .on_record = check_record,
				.keep = 1, .segment_bytes = SEGMENT };
	struct slice body;
	int err;

	backup_folder(b, &view);
	err = snapshot_open(&r, &view, &key, 0, msg);
	if (err == 0)
		err = snapshot_next(&r, &body, msg);
	if (err == 0)
		memcpy(&c.keep, body.data, sizeof(c.keep));
	if (err < 0)
		return err;
	snapshot_close(&r);
	c.keep++;
	err = wal_open(&wal, &c, msg);
	if (err < 0)
		return err;
	*last = wal.last;
	wal_close(&wal);
	return 0;
}

struct data {
	char path[SCRATCH_PATH];
	struct folder dir;
	struct sealed_place place;
};

static void data_make(struct data *d)
{
	scratch_make(d->path);
	scratch_write(scratch_file(d->path, "node.json"), "{}", 2);
	scratch_write(scratch_file(d->path, "identity"), "x", 1);
	scratch_write(scratch_file(d->path, "key"), "y", 1);
	CHECK_INT(folder_open(&d->dir, d->path, NULL), 0);
	d->place = (struct sealed_place){ .folder = &d->dir, .name = "copy" };
	d->place.fd = memfd_create("copy", 0);
	CHECK(d->place.fd >= 0);
}

static void data_remove(struct data *d)
{
	close(d->place.fd);
	folder_close(&d->dir);
	scratch_remove(d->path);
}

static void copy_and_read(struct race *r, const struct data *d)
{
	static struct backup b;
	uint64_t before = r->wal.durable, last = 0;
	struct errmsg msg = { { 0 } };

	CHECK_STR(backup_copy(&d->dir, &r->raft, &d->place, &key, &msg) < 0 ? msg.text : "", "");
	CHECK_INT(backup_open(&b, &d->place, &key, &msg), 0);
	CHECK_STR(read_log(&b, &last, &msg) < 0 ? msg.text : "", "");
	backup_close(&b);
	CHECK(last >= before && !r->failed);
}

TEST(a_copy_of_a_log_that_is_being_written_has_all_that_was_durable_before)
{
	static struct race r;
	struct data d;

	data_make(&d);
	for (uint64_t seed = 1; seed <= COPIES && !unit_failed(); seed++) {
		race_begin(&r, seed);
		copy_and_read(&r, &d);
		race_end(&r);
	}
	data_remove(&d);
}

TEST(a_log_that_moves_on_faster_than_it_is_copied_is_told)
{
	static struct race r;
	struct errmsg msg = { { 0 } };
	struct data d;

	data_make(&d);
	race_begin(&r, 1);
	r.vanish = 1;
	CHECK_INT(backup_copy(&d.dir, &r.raft, &d.place, &key, &msg), ERR_STALE);
	CHECK(strstr(msg.text, "try again") != NULL);
	race_end(&r);
	data_remove(&d);
}

TEST(what_is_no_manager_is_told)
{
	static struct disk empty;
	struct errmsg msg = { { 0 } };
	struct data d;

	data_make(&d);
	disk_init(&empty);
	CHECK_INT(backup_copy(&d.dir, &empty.folder, &d.place, &key, &msg), ERR_NOT_FOUND);
	CHECK(strstr(msg.text, "no log") != NULL);
	unlink(scratch_file(d.path, "identity"));
	CHECK_INT(backup_copy(&d.dir, &empty.folder, &d.place, &key, &msg), ERR_NOT_FOUND);
	CHECK(strstr(msg.text, "identity") != NULL);
	disk_done(&empty);
	data_remove(&d);
}
