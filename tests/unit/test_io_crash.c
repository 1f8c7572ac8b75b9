/*
 * Log and snapshots on a disk that stops, tears and fails at every single operation: what was
 * reported durable is there again, in order, as it was written, and nothing else.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include "disk_fake.h"
#include "io/snapshot.h"
#include "io/wal.h"
#include "unit.h"

static const struct seal_key key = { { 8, 6, 4 } };

enum { RECORDS_MAX = 400, SEGMENT = 2048, TURNS = 12, KEPT = 3, BODY_MAX = 700 };

/* A manager's log and snapshots over several lives. */
struct lives {
	struct disk disk;
	struct wal wal;
	struct snapshot_writer writer;
	struct snapshot_reader reader;
	struct errmsg msg;
	int life;
	uint8_t written_in[RECORDS_MAX];	/* the life in which record n was last written */
	uint64_t reported;	/* the last record that was reported durable */
	uint64_t saved;		/* the last snapshot that was */
	uint64_t loaded;	/* this life's snapshot; 0 = none */
	uint64_t next;		/* number of the next record to be delivered */
	int cut_damage;
	int wrong;		/* line that found something wrong */
};

static void wrong_at(struct lives *l, int line)
{
	if (!l->wrong)
		l->wrong = line;
}

static uint64_t keep_of(uint64_t snapshot)
{
	return snapshot > KEPT ? snapshot + 1 - KEPT : 1;
}

/* What record n, written in that life, holds. */
static struct slice body(uint64_t n, int life)
{
	static char text[BODY_MAX];
	size_t len = 16 + (size_t)(n * n * 37 % (BODY_MAX - 16));

	memset(text, (int)n, len);
	memcpy(text, &n, sizeof(n));
	text[8] = (char)life;
	return (struct slice){ text, len };
}

static int note(void *arg, uint64_t number, struct slice bytes, struct errmsg *msg)
{
	struct lives *l = arg;

	(void)msg;
	if (number >= RECORDS_MAX || (l->next && number != l->next))
		wrong_at(l, __LINE__);
	else if (!slice_equal(bytes, body(number, l->written_in[number])))
		wrong_at(l, __LINE__);
	/* The first may lie below what the snapshot needs, and not above. */
	if (!l->next && number > keep_of(l->loaded))
		wrong_at(l, __LINE__);
	l->next = number + 1;
	return 0;
}

static int load(struct lives *l)
{
	struct slice piece, expected;
	int err = snapshot_open(&l->reader, &l->disk.folder, &key, 0, &l->msg);

	l->loaded = 0;
	if (err == ERR_NOT_FOUND)
		return 0;
	if (err < 0)
		return err;
	l->loaded = l->reader.index;
	err = snapshot_next(&l->reader, &piece, &l->msg);
	expected = body(l->loaded, 0);
	if (err == 0 && !slice_equal(piece, expected))
		wrong_at(l, __LINE__);
	snapshot_close(&l->reader);
	return err;
}

static int recover(struct lives *l)
{
	struct wal_config c = {
		.folder = &l->disk.folder, .key = &key, .on_record = note, .arg = l,
		.segment_bytes = SEGMENT, .cut_damage = l->cut_damage,
	};
	int err;

	l->life++;
	l->next = 0;
	err = load(l);
	if (err < 0)
		return err;
	if (l->loaded < l->saved)
		wrong_at(l, __LINE__);
	c.keep = keep_of(l->loaded);
	err = wal_open(&l->wal, &c, &l->msg);
	if (err < 0)
		return err;
	if (l->wal.last < l->reported && !l->wal.cut_record)
		wrong_at(l, __LINE__);
	l->reported = l->wal.last;
	l->saved = l->loaded;
	return 0;
}

static int save(struct lives *l, uint64_t index)
{
	int err = snapshot_begin(&l->writer, &l->disk.folder, &key, index, &l->msg);

	if (err < 0)
		return err;
	for (struct slice rest = body(index, 0); rest.len > 0;) {
		struct slice part = { rest.data, rest.len < 100 ? rest.len : 100 };

		/* finish tells */
		(void)l->writer.file.sink.put(l->writer.file.sink.context, part);
		rest.data += part.len;
		rest.len -= part.len;
	}
	err = snapshot_finish(&l->writer, &l->msg);
	if (err == 0)
		l->saved = index;
	return err;
}

static int turn(struct lives *l, int i)
{
	int err = 0;

	for (int k = 0; k <= i % 3 && err == 0; k++) {
		uint64_t n = l->wal.last + 1;

		l->written_in[n] = (uint8_t)l->life;
		err = wal_append(&l->wal, n, body(n, l->life));
	}
	if (err == 0)
		err = wal_sync(&l->wal, &l->msg);
	if (err == 0)
		l->reported = l->wal.durable;
	if (err == 0 && i % 4 == 3) {
		err = save(l, l->reported);
		if (err == 0)
			err = wal_drop_before(&l->wal, keep_of(l->reported), &l->msg);
	}
	return err;
}

/* Starts, works, and stops. 0, or what it failed with. */
static int live(struct lives *l)
{
	int err = recover(l);

	if (err < 0)
		return err;
	for (int i = 0; i < TURNS && err == 0; i++)
		err = turn(l, i);
	wal_close(&l->wal);
	return err;
}

static struct lives *lives_new(void)
{
	static struct lives l;

	disk_done(&l.disk);
	memset(&l, 0, sizeof(l));
	disk_init(&l.disk);
	return &l;
}

static void check_recovers(struct lives *l)
{
	int err = live(l);

	if (err < 0 || l->wrong)
		unit_check_str(l->msg.text, "", "the message", __FILE__, l->wrong);
	CHECK_INT(err, 0);
	CHECK_INT(l->wrong, 0);
}

/* Two lives run through: the log has rotated, was dropped, and has a former segment's bytes. */
TEST(the_disk_that_does_nothing_evil_is_used_as_meant)
{
	struct lives *l = lives_new();

	check_recovers(l);
	CHECK(l->wal.last >= TURNS * 2 - 1);
	disk_crash(&l->disk, DISK_LOSE, 1);
	check_recovers(l);
	CHECK_INT(l->wal.torn_offset, 0);
	disk_crash(&l->disk, DISK_LOSE, 1);
	check_recovers(l);
	CHECK_INT(l->wal.torn_offset, 0);
	CHECK(disk_count(&l->disk, "snapshot-", NULL) == 1);
	CHECK_INT(disk_count(&l->disk, "wal-spare", NULL), 1);
	disk_done(&l->disk);
}

static void check_crash_at(int first, int second, enum disk_crash how, uint32_t seed)
{
	struct lives *l = lives_new();

	l->disk.dead = 1;
	l->disk.fail_errno = EIO;
	l->disk.fail_at = first;
	CHECK(live(l) < 0 || l->disk.calls <= first + 1);
	disk_crash(&l->disk, how, seed);
	if (second >= 0) {
		l->disk.fail_at = second;
		(void)live(l);
		disk_crash(&l->disk, how == DISK_KILL ? DISK_LOSE : how, seed + 1);
	}
	if (!l->wrong)
		check_recovers(l);
	CHECK_INT(l->wrong, 0);
	disk_done(&l->disk);
}

/* How many operations a first life has. */
static int calls_of_a_life(void)
{
	struct lives *l = lives_new();
	int calls;

	(void)live(l);
	calls = l->disk.calls;
	disk_done(&l->disk);
	return calls;
}

TEST(a_power_cut_at_any_operation_loses_nothing_that_was_reported)
{
	int calls = calls_of_a_life();

	CHECK(calls > 100);
	for (int at = 0; at < calls && !unit_failed(); at++) {
		check_crash_at(at, -1, DISK_LOSE, 1);
		check_crash_at(at, -1, DISK_KEEP, 1);
		for (uint32_t seed = 0; seed < 8 && !unit_failed(); seed++)
			check_crash_at(at, -1, DISK_MIX, seed * 1000003);
	}
}

TEST(a_second_power_cut_at_any_operation_of_the_restart_loses_nothing)
{
	int calls = calls_of_a_life();

	for (int at = 0; at < calls && !unit_failed(); at++) {
		for (int again = 0; again < 32 && !unit_failed(); again++) {
			check_crash_at(at, again, again % 2 ? DISK_MIX : DISK_KILL,
				       (uint32_t)(at * 31 + again));
		}
	}
}

/* One operation fails: the process is started again, with or without the power. */
TEST(a_failed_operation_anywhere_loses_nothing_that_was_reported)
{
	static const int errors[] = { EIO, ENOSPC };
	int calls = calls_of_a_life();

	for (int at = 0; at < calls && !unit_failed(); at++) {
		for (int e = 0; e < 2 && !unit_failed(); e++) {
			struct lives *l = lives_new();
			int err;

			l->disk.fail_errno = errors[e];
			l->disk.fail_at = at;
			err = live(l);
			if (err < 0)
				CHECK_INT(err, errors[e] == EIO ? ERR_IO : ERR_FULL);
			disk_crash(&l->disk, (enum disk_crash)(at % 3), (uint32_t)at);
			check_recovers(l);
			disk_done(&l->disk);
		}
	}
}

/* ---- rot ------------------------------------------------------------------------------- */

/* A life that has ended, with every name and byte durable. */
static struct lives *lived(int turns)
{
	struct lives *l = lives_new();

	(void)recover(l);
	for (int i = 0; i < turns; i++)
		(void)turn(l, i % 4 == 3 ? i + 1 : i);	/* no snapshot: every record is needed */
	wal_close(&l->wal);
	disk_crash(&l->disk, DISK_KEEP, 1);
	return l;
}

/* Opens what is on the disk, which rotted. */
static int open_rotten(struct lives *l, int cut)
{
	int err;

	l->cut_damage = cut;
	err = recover(l);
	if (err == 0)
		wal_close(&l->wal);
	return err;
}

/* *l becomes what it was when *whole was made. */
static void put_back(struct lives *l, const struct lives *whole)
{
	struct disk disk = l->disk;

	*l = *whole;
	l->disk = disk;
	disk_copy(&l->disk, &whole->disk);
}

/* A log of several files. Its memory is the caller's. */
static struct lives *whole_new(struct lives *whole)
{
	struct lives *l = lived(9);

	*whole = *l;
	memset(&l->disk, 0, sizeof(l->disk));
	whole->disk.folder.context = &whole->disk;
	return whole;
}

/* The log as it was, for each step-th byte of one file. */
static void check_rot_of(const struct lives *whole, const char *name, size_t step)
{
	static struct lives l;
	static struct disk_names before;
	struct disk disk = whole->disk;	/* only to look the file up */
	size_t size = disk_file(&disk, name)->size;

	for (size_t at = 0; at < size && !unit_failed(); at += step) {
		for (int cut = 0; cut < 2; cut++) {
			int err;

			put_back(&l, whole);
			disk_file(&l.disk, name)->bytes[at] ^= (char)(1 << at % 8);
			before = l.disk.now;
			err = open_rotten(&l, cut);
			CHECK_INT(l.wrong, 0);
			if (!cut && err < 0) {
				CHECK_INT(err, ERR_CORRUPT);
				CHECK(memcmp(&before, &l.disk.now, sizeof(before)) == 0);
				continue;
			}
			CHECK_INT(err, 0);
			CHECK(cut || !l.wal.cut_record);
			/* A damaged header at the end may have had records behind it, or not. */
			if (l.wal.last < whole->reported || l.wal.cut_record)
				CHECK_INT(l.wal.cut_record, l.wal.last + 1);
			/* What was cut is gone for good, and the log goes on. */
			if (at / step % 8 == 0)
				check_recovers(&l);
		}
	}
	disk_done(&l.disk);
}

TEST(a_flipped_bit_anywhere_is_refused_or_cut_and_never_delivered)
{
	static struct lives whole;
	const struct disk_names *names = &whole_new(&whole)->disk.now;

	CHECK_INT(whole.wrong, 0);
	CHECK(names->count >= 3);
	for (int i = 0; i < names->count && !unit_failed(); i++)
		check_rot_of(&whole, names->name[i], 1);
	disk_done(&whole.disk);
}

/* The same with a snapshot, and a file that held another segment before. */
TEST(a_flipped_bit_in_a_used_file_is_refused_or_cut_and_never_delivered)
{
	static struct lives whole;
	struct lives *l = lives_new();
	const struct disk_names *names = &whole.disk.now;

	check_recovers(l);
	check_recovers(l);
	disk_crash(&l->disk, DISK_KEEP, 1);
	whole = *l;
	memset(&l->disk, 0, sizeof(l->disk));
	whole.disk.folder.context = &whole.disk;
	for (int i = 0; i < names->count && !unit_failed(); i++) {
		if (strncmp(names->name[i], "wal-", 4) == 0)
			check_rot_of(&whole, names->name[i], 2);
	}
	disk_done(&whole.disk);
}

/* Cuts, is stopped at any operation of it, and cuts again: no more is lost. */
static void check_cut_crashes(const struct lives *whole, const char *name, size_t at)
{
	static struct lives l;
	uint64_t last;
	int calls;

	put_back(&l, whole);
	disk_file(&l.disk, name)->bytes[at] ^= 1;
	disk_crash(&l.disk, DISK_KEEP, 0);
	CHECK_INT(open_rotten(&l, 1), 0);
	last = l.wal.last;
	calls = l.disk.calls;
	for (int stop = 0; stop < calls && !unit_failed(); stop++) {
		put_back(&l, whole);
		disk_file(&l.disk, name)->bytes[at] ^= 1;
		disk_crash(&l.disk, DISK_KEEP, 0);
		l.disk.dead = 1;
		l.disk.fail_errno = EIO;
		l.disk.fail_at = stop;
		CHECK(open_rotten(&l, 1) < 0 || stop + 1 == calls);
		disk_crash(&l.disk, DISK_MIX, (uint32_t)stop);
		l.reported = last;
		CHECK_INT(open_rotten(&l, 1), 0);
		CHECK_INT(l.wrong, 0);
		CHECK_INT(l.wal.last, last);
		check_recovers(&l);
	}
	disk_done(&l.disk);
}

TEST(a_power_cut_at_any_operation_of_a_cut_changes_nothing)
{
	static struct lives whole;
	const struct disk_names *names = &whole_new(&whole)->disk.now;

	for (int i = 0; i < names->count && !unit_failed(); i++) {
		size_t size = disk_file(&whole.disk, names->name[i])->size;

		for (size_t at = 9; at < size && !unit_failed(); at += 211)
			check_cut_crashes(&whole, names->name[i], at);
	}
	disk_done(&whole.disk);
}

TEST(a_sector_that_cannot_be_read_is_refused_or_cut)
{
	static struct lives whole, l;
	const struct disk_names *names = &whole_new(&whole)->disk.now;

	for (int i = 0; i < names->count && !unit_failed(); i++) {
		size_t size = disk_file(&whole.disk, names->name[i])->size;

		for (size_t at = 0; at < size && !unit_failed(); at += DISK_SECTOR) {
			put_back(&l, &whole);
			l.disk.bad = disk_file(&l.disk, names->name[i]);
			l.disk.bad_offset = at;
			CHECK_INT(open_rotten(&l, 0), ERR_IO);
			CHECK_INT(open_rotten(&l, 1), 0);
			CHECK(!l.wrong && l.wal.cut_record == l.wal.last + 1);
			CHECK(at == 0 || l.wal.last > 0);
			check_recovers(&l);
		}
	}
	disk_done(&l.disk);
	disk_done(&whole.disk);
}

/* ---- what the snapshot says of the log ---------------------------------------------- */

static int open_keeping(struct lives *l, uint64_t keep)
{
	struct wal_config c = {
		.folder = &l->disk.folder, .key = &key, .on_record = note, .arg = l,
		.segment_bytes = SEGMENT, .cut_damage = l->cut_damage, .keep = keep,
	};
	int err;

	l->next = 0;
	l->loaded = RECORDS_MAX;
	err = wal_open(&l->wal, &c, &l->msg);
	if (err == 0)
		wal_close(&l->wal);
	return err;
}

TEST(a_log_is_held_against_what_the_snapshot_needs)
{
	static struct lives whole, l;
	char first[DISK_NAME];

	whole_new(&whole);
	/* A damaged segment of which nothing is needed does not matter. */
	put_back(&l, &whole);
	disk_count(&l.disk, "wal-", first);
	disk_file(&l.disk, first)->bytes[50] ^= 1;
	CHECK_INT(open_keeping(&l, 2), ERR_CORRUPT);
	CHECK_INT(open_keeping(&l, whole.reported), 0);
	CHECK_INT(l.wal.last, whole.reported);
	CHECK(!disk_file(&l.disk, first));
	/* The log has lost its beginning. */
	CHECK_INT(open_keeping(&l, 2), ERR_CORRUPT);
	CHECK(strstr(l.msg.text, "missing") != NULL);
	l.cut_damage = 1;
	CHECK_INT(open_keeping(&l, 2), 0);
	CHECK_INT(l.wal.last, 1);
	CHECK_INT(l.wal.cut_record, 2);
	/* The snapshot tells of more than became durable here. */
	put_back(&l, &whole);
	CHECK_INT(open_keeping(&l, whole.reported + 10), 0);
	CHECK_INT(l.wal.last, whole.reported + 9);
	CHECK_INT(l.wal.cut_record, 0);
	/* There is no log at all. */
	CHECK_INT(wal_remove_all(&l.disk.folder, &l.msg), 0);
	CHECK_INT(open_keeping(&l, 5), ERR_CORRUPT);
	CHECK_INT(open_keeping(&l, 1), 0);
	CHECK_INT(l.wal.last, 0);
	CHECK_INT(wal_remove_all(&l.disk.folder, &l.msg), 0);
	l.cut_damage = 1;
	CHECK_INT(open_keeping(&l, 5), 0);
	CHECK_INT(l.wal.last, 4);
	CHECK_INT(l.wal.cut_record, 5);
	disk_done(&l.disk);
	disk_done(&whole.disk);
}

TEST(a_busy_log_opens_and_goes_on_though_the_disk_is_full)
{
	struct lives *l = lives_new();
	struct errmsg msg;
	int err = 0;

	check_recovers(l);
	CHECK_INT(disk_count(&l->disk, "wal-spare", NULL), 1);
	l->disk.full = 1;
	CHECK_INT(folder_probe(&l->disk.folder, &msg), ERR_FULL);
	CHECK_INT(recover(l), 0);
	CHECK_INT(turn(l, 0), 0);
	for (int i = 0; i < 20 && err == 0; i++)
		err = turn(l, 2);
	CHECK_INT(err, ERR_FULL);
	wal_close(&l->wal);
	l->disk.full = 0;
	disk_crash(&l->disk, DISK_LOSE, 0);
	check_recovers(l);
	disk_done(&l->disk);
}

/* ---- probing ---------------------------------------------------------------------------- */

TEST(a_disk_that_fails_is_probed_until_it_is_well)
{
	struct lives *l = lives_new();
	struct errmsg msg;
	int calls;

	CHECK_INT(folder_probe(&l->disk.folder, &msg), 0);
	CHECK_INT(l->disk.now.count, 0);
	calls = l->disk.calls;
	l->disk.dead = 1;
	for (int at = 0; at < calls && !unit_failed(); at += at < calls - 4 && at > 3 ? 67 : 1) {
		disk_crash(&l->disk, DISK_LOSE, 0);
		l->disk.fail_at = at;
		l->disk.fail_errno = at % 2 ? ENOSPC : EIO;
		/* That it cannot be removed again does no harm. */
		if (at != calls - 2)
			CHECK_INT(folder_probe(&l->disk.folder, &msg), at % 2 ? ERR_FULL : ERR_IO);
	}
	disk_crash(&l->disk, DISK_KILL, 0);
	CHECK_INT(folder_probe(&l->disk.folder, &msg), 0);
	CHECK_INT(l->disk.now.count, 0);
	disk_done(&l->disk);
}
