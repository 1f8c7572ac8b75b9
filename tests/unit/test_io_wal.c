/* The log on disk: what was synced is there again, damage is told, failures stick. */
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>
#include "io/wal.h"
#include "scratch.h"
#include "unit.h"

static const struct seal_key key = { { 5, 6, 7 } };
static const struct seal_key other_key = { { 5, 6, 8 } };

enum { BODY = 50, BIG = 1 << 20 };

/* A log in a folder of its own; body(n) is what record n holds. */
struct log {
	char path[SCRATCH_PATH];
	struct folder folder;
	struct wal wal;
	struct errmsg msg;
	uint64_t expected;	/* next record to be delivered; 0 = any may be first */
	int wrong;
	int cut_damage;		/* how it is opened */
};

static struct slice body(uint64_t number, size_t len)
{
	static char text[BIG];

	memset(text, (int)(number % 251), len);
	if (len >= sizeof(number))
		memcpy(text, &number, sizeof(number));
	return (struct slice){ text, len };
}

static int note(void *arg, uint64_t number, struct slice bytes, struct errmsg *msg)
{
	struct log *l = arg;

	(void)msg;
	if (l->expected && number != l->expected)
		l->wrong = 1;
	if (!slice_equal(bytes, body(number, bytes.len)))
		l->wrong = 1;
	l->expected = number + 1;
	return 0;
}

static int log_open_as(struct log *l, uint64_t first, const struct seal_key *k)
{
	struct wal_config c = { .folder = &l->folder, .key = k, .on_record = note, .arg = l,
				.cut_damage = l->cut_damage };

	l->expected = first;
	l->wrong = 0;
	l->msg.text[0] = '\0';
	return wal_open(&l->wal, &c, &l->msg);
}

static int log_open(struct log *l, uint64_t first)
{
	return log_open_as(l, first, &key);
}

static void log_make(struct log *l)
{
	scratch_make(l->path);
	CHECK_INT(folder_open(&l->folder, l->path, &l->msg), 0);
	CHECK_INT(log_open(l, 1), 0);
}

static void log_done(struct log *l)
{
	wal_close(&l->wal);
	folder_close(&l->folder);
	scratch_remove(l->path);
}

static void log_add(struct log *l, int count, size_t len)
{
	for (int i = 0; i < count; i++)
		CHECK_INT(wal_append(&l->wal, l->wal.last + 1, body(l->wal.last + 1, len)), 0);
}

static void log_again(struct log *l, uint64_t first, uint64_t last)
{
	wal_close(&l->wal);
	CHECK_INT(log_open(l, first), 0);
	CHECK_INT(l->wrong, 0);
	CHECK_INT(l->wal.last, last);
	CHECK_INT(l->wal.durable, last);
}

static const char *log_file(struct log *l)
{
	char name[SCRATCH_PATH];

	snprintf(name, sizeof(name), "wal-%016llx",
		 (unsigned long long)l->wal.files[l->wal.file_count - 1].sequence);
	return scratch_file(l->path, name);
}

TEST(synced_records_are_there_again)
{
	static struct log l;

	log_make(&l);
	CHECK_INT(l.wal.last, 0);
	log_add(&l, 3, BODY);
	CHECK_INT(l.wal.durable, 0);
	CHECK_INT(wal_sync(&l.wal, &l.msg), 0);
	CHECK_INT(l.wal.durable, 3);
	CHECK_INT(wal_sync(&l.wal, &l.msg), 0);
	log_add(&l, 2, 0);
	CHECK_INT(wal_sync(&l.wal, &l.msg), 0);
	log_add(&l, 2, BODY);	/* not synced */
	log_again(&l, 1, 5);
	CHECK_INT(l.expected, 6);
	log_add(&l, 1, BODY);
	CHECK_INT(wal_sync(&l.wal, &l.msg), 0);
	log_again(&l, 1, 6);
	log_done(&l);
}

/* However often it is opened, a short log is one file. */
TEST(restarts_leave_no_trail_of_files)
{
	static struct log l;

	log_make(&l);
	for (int i = 1; i <= 20; i++) {
		log_add(&l, 1, BODY);
		CHECK_INT(wal_sync(&l.wal, &l.msg), 0);
		log_again(&l, 1, (uint64_t)i);
		CHECK_INT(scratch_count(l.path, "", NULL), 3);	/* with . and .. */
	}
	log_done(&l);
}

TEST(segments_rotate_and_are_dropped)
{
	static struct log l;
	int before;

	log_make(&l);
	for (int i = 0; i < 30; i++) {
		log_add(&l, 1, BIG);
		CHECK_INT(wal_sync(&l.wal, &l.msg), 0);
	}
	before = scratch_count(l.path, "wal-", NULL);
	CHECK(before >= 3);
	log_again(&l, 1, 30);
	CHECK_INT(wal_drop_before(&l.wal, 1, &l.msg), 0);
	CHECK(scratch_count(l.path, "wal-", NULL) >= before);
	CHECK_INT(wal_drop_before(&l.wal, 20, &l.msg), 0);
	log_again(&l, 0, 30);
	CHECK(l.wal.files[0].first > 1 && l.wal.files[0].first <= 20);
	CHECK_INT(wal_drop_before(&l.wal, 31, &l.msg), 0);
	CHECK_INT(l.wal.file_count, 1);
	log_again(&l, 0, 30);		/* numbers go on though no record is left */
	CHECK_INT(l.expected, 0);
	log_add(&l, 1, BODY);
	CHECK_INT(wal_sync(&l.wal, &l.msg), 0);
	log_again(&l, 31, 31);
	log_done(&l);
}

/* The write of the next batch ended somewhere: what was synced is all there. (Every byte is
 * tried in test_crypt_walrecord.c; here the files are real.) */
TEST(a_torn_write_loses_nothing_that_was_synced)
{
	static struct log l;
	char *bytes, path[2 * SCRATCH_PATH];
	uint32_t from, to;
	size_t n;

	log_make(&l);
	log_add(&l, 3, BODY);
	CHECK_INT(wal_sync(&l.wal, &l.msg), 0);
	from = l.wal.synced;
	log_add(&l, 2, BODY);
	CHECK_INT(wal_sync(&l.wal, &l.msg), 0);
	to = l.wal.synced;
	snprintf(path, sizeof(path), "%s", log_file(&l));
	bytes = scratch_read(path, &n);
	wal_close(&l.wal);
	for (uint32_t cut = from; cut <= to && !unit_failed(); cut += cut < from + 40 ? 1 : 3) {
		char *torn = calloc(1, n);
		char name[SCRATCH_PATH];

		memcpy(torn, bytes, cut);
		scratch_count(l.path, "wal-", name);
		unlink(scratch_file(l.path, name));
		scratch_write(path, torn, n);
		free(torn);
		CHECK_INT(log_open(&l, 1), 0);
		CHECK(!l.wrong && l.wal.last >= 3 && l.wal.last <= 5);
		CHECK(cut < to || l.wal.last == 5);
		if (l.wal.torn_offset)
			CHECK(l.wal.torn_offset >= from && !strncmp(l.wal.torn_name, "wal-", 4));
		/* The log goes on behind the cut, and is whole again. */
		log_add(&l, 1, BODY);
		CHECK_INT(wal_sync(&l.wal, &l.msg), 0);
		log_again(&l, 1, l.wal.last);
		CHECK_INT(l.wal.torn_offset, 0);
		wal_close(&l.wal);
	}
	free(bytes);
	log_done(&l);
}

/* A bit in anything that was synced: refused, with file, offset and remedy, and the file is
 * left as it is. */
TEST(rot_is_refused_with_file_offset_and_remedy)
{
	static struct log l;
	char *bytes, path[2 * SCRATCH_PATH];
	uint32_t synced;
	size_t n;

	log_make(&l);
	log_add(&l, 2, BODY);
	CHECK_INT(wal_sync(&l.wal, &l.msg), 0);
	log_add(&l, 1, BODY);
	CHECK_INT(wal_sync(&l.wal, &l.msg), 0);
	synced = l.wal.synced;
	snprintf(path, sizeof(path), "%s", log_file(&l));
	wal_close(&l.wal);
	bytes = scratch_read(path, &n);
	for (uint32_t at = 0; at < synced && !unit_failed(); at += 3) {
		int err;

		bytes[at] ^= 4;
		scratch_write(path, bytes, n);
		err = log_open(&l, 1);
		CHECK_INT(err, ERR_CORRUPT);	/* a rotten version too */
		CHECK(strstr(l.msg.text, path) != NULL);
		CHECK(strstr(l.msg.text, "offset") && strstr(l.msg.text, "swarmbox init"));
		CHECK_INT(scratch_count(l.path, "wal-", NULL), 1);
		bytes[at] ^= 4;
	}
	scratch_write(path, bytes, n);
	CHECK_INT(log_open(&l, 1), 0);
	CHECK_INT(l.wal.last, 3);
	free(bytes);
	log_done(&l);
}

/* The same damage, cut: what stands before it stays, and the log goes on from there. */
TEST(rot_is_cut_where_that_is_asked_for)
{
	static struct log l;
	char *bytes, path[2 * SCRATCH_PATH], name[SCRATCH_PATH];
	size_t n;

	log_make(&l);
	log_add(&l, 2, BODY);
	CHECK_INT(wal_sync(&l.wal, &l.msg), 0);
	log_add(&l, 1, BODY);
	CHECK_INT(wal_sync(&l.wal, &l.msg), 0);
	snprintf(path, sizeof(path), "%s", log_file(&l));
	bytes = scratch_read(path, &n);
	l.cut_damage = 1;
	for (uint32_t at = 12, synced = l.wal.synced; at < synced && !unit_failed(); at += 3) {
		wal_close(&l.wal);
		while (scratch_count(l.path, "wal-", name) > 0)
			unlink(scratch_file(l.path, name));
		bytes[at] ^= 4;
		scratch_write(path, bytes, n);
		bytes[at] ^= 4;
		CHECK_INT(log_open(&l, 1), 0);
		CHECK(!l.wrong && l.wal.last < 3);
		CHECK_INT(l.wal.cut_record, l.wal.last + 1);
		CHECK(strstr(l.wal.cut_why.text, path) && strstr(l.wal.cut_why.text, "offset"));
		log_add(&l, 1, BODY);
		CHECK_INT(wal_sync(&l.wal, &l.msg), 0);
		log_again(&l, 1, l.wal.last);
		CHECK_INT(l.wal.cut_record, 0);
		CHECK_INT(scratch_count(l.path, "wal-", NULL), 1);
	}
	free(bytes);
	log_done(&l);
	l.cut_damage = 0;
}

/* A segment in the middle that is not there or has no header: it and all after it go. */
TEST(a_log_with_a_hole_is_cut_before_it)
{
	static struct log l;
	const char *second = "wal-0000000000000002";

	for (int damage = 0; damage < 3 && !unit_failed(); damage++) {
		uint64_t hole;

		log_make(&l);
		for (int i = 0; i < 30; i++) {
			log_add(&l, 1, BIG);
			CHECK_INT(wal_sync(&l.wal, &l.msg), 0);
		}
		CHECK(l.wal.file_count > 3);
		hole = l.wal.files[1].first + (damage == 2 ? 2 : 0);
		wal_close(&l.wal);
		if (damage == 0) {
			unlink(scratch_file(l.path, second));
		} else {
			size_t n;
			char *bytes = scratch_read(scratch_file(l.path, second), &n);

			bytes[damage == 1 ? 40 : 5 * BIG / 2] ^= 1;
			scratch_write(scratch_file(l.path, second), bytes, n);
			free(bytes);
		}
		CHECK_INT(log_open(&l, 1), ERR_CORRUPT);
		l.cut_damage = 1;
		CHECK_INT(log_open(&l, 1), 0);
		CHECK(!l.wrong);
		CHECK_INT(l.wal.last, hole - 1);
		CHECK_INT(l.wal.cut_record, hole);
		l.cut_damage = 0;
		log_add(&l, 1, BODY);
		CHECK_INT(wal_sync(&l.wal, &l.msg), 0);
		log_again(&l, 1, hole);
		log_done(&l);
	}
}

TEST(a_log_is_removed_as_a_whole)
{
	static struct log l;

	log_make(&l);
	for (int i = 0; i < 20; i++) {
		log_add(&l, 1, BIG);
		CHECK_INT(wal_sync(&l.wal, &l.msg), 0);
	}
	wal_close(&l.wal);
	scratch_write(scratch_file(l.path, "wal-0000000000000009.new"), "x", 1);
	scratch_write(scratch_file(l.path, "other"), "x", 1);
	CHECK_INT(wal_remove_all(&l.folder, &l.msg), 0);
	CHECK_INT(scratch_count(l.path, "", NULL), 3);	/* with . and .. */
	CHECK_INT(log_open(&l, 1), 0);
	CHECK_INT(l.wal.last, 0);
	log_done(&l);
}

TEST(a_missing_or_foreign_segment_is_refused)
{
	static struct log l;
	char name[SCRATCH_PATH];
	char *bytes;
	size_t n;

	log_make(&l);
	for (int i = 0; i < 20; i++) {
		log_add(&l, 1, BIG);
		CHECK_INT(wal_sync(&l.wal, &l.msg), 0);
	}
	wal_close(&l.wal);
	CHECK(scratch_count(l.path, "wal-", name) >= 3);
	CHECK_INT(log_open_as(&l, 1, &other_key), ERR_CORRUPT);
	/* The second one goes. */
	bytes = scratch_read(scratch_file(l.path, "wal-0000000000000002"), &n);
	CHECK(bytes != NULL);
	unlink(scratch_file(l.path, "wal-0000000000000002"));
	CHECK_INT(log_open(&l, 1), ERR_CORRUPT);
	scratch_write(scratch_file(l.path, "wal-0000000000000002"), bytes, n);
	CHECK_INT(log_open(&l, 1), 0);
	CHECK_INT(l.wal.last, 20);
	free(bytes);
	log_done(&l);
}

/* The disk wrote a segment's first sector to the place of the next one's. */
TEST(a_segment_in_the_place_of_another_is_refused)
{
	static struct log l;
	char *second, *third;
	size_t n, m;

	log_make(&l);
	for (int i = 0; i < 20; i++) {
		log_add(&l, 1, BIG);
		CHECK_INT(wal_sync(&l.wal, &l.msg), 0);
	}
	wal_close(&l.wal);
	second = scratch_read(scratch_file(l.path, "wal-0000000000000002"), &n);
	third = scratch_read(scratch_file(l.path, "wal-0000000000000003"), &m);
	CHECK(second && third && n > 512 && m > 512);
	memcpy(third, second, 512);
	memset(second, 0, 512);
	scratch_write(scratch_file(l.path, "wal-0000000000000002"), second, n);
	scratch_write(scratch_file(l.path, "wal-0000000000000003"), third, m);
	CHECK_INT(log_open(&l, 1), ERR_CORRUPT);
	free(second);
	free(third);
	log_done(&l);
}

/* The process ended between the new segment and the removal of those taken over. */
TEST(segments_that_were_taken_over_do_not_count_again)
{
	static struct log l;
	char path[2 * SCRATCH_PATH];
	char *bytes;
	size_t n;

	log_make(&l);
	log_add(&l, 3, BODY);
	CHECK_INT(wal_sync(&l.wal, &l.msg), 0);
	snprintf(path, sizeof(path), "%s", log_file(&l));
	bytes = scratch_read(path, &n);
	log_again(&l, 1, 3);
	log_add(&l, 2, BODY);
	CHECK_INT(wal_sync(&l.wal, &l.msg), 0);
	scratch_write(path, bytes, n);
	free(bytes);
	log_again(&l, 1, 5);
	CHECK_INT(scratch_count(l.path, "wal-", NULL), 1);
	log_done(&l);
}

/* Puts another file in the place of the one the log writes to. */
static void log_divert(struct log *l, const char *path)
{
	int fd = open(path, O_RDWR);

	CHECK(fd >= 0 && dup2(fd, l->wal.fd) >= 0);
	close(fd);
}

static void check_stuck(struct log *l, int err, const char *why)
{
	log_add(l, 1, BODY);
	CHECK_INT(wal_sync(&l->wal, &l->msg), err);
	CHECK(strstr(l->msg.text, why) != NULL);
	CHECK_INT(l->wal.durable, 3);
	CHECK_INT(wal_append(&l->wal, l->wal.last + 1, body(1, 1)), err);
	l->msg.text[0] = '\0';
	CHECK_INT(wal_sync(&l->wal, &l->msg), err);
	CHECK(strstr(l->msg.text, why) != NULL);
	log_again(l, 1, 3);
}

TEST(after_a_full_disk_or_a_failed_sync_everything_is_refused)
{
	static struct log l;

	log_make(&l);
	log_add(&l, 3, BODY);
	CHECK_INT(wal_sync(&l.wal, &l.msg), 0);
	log_divert(&l, "/dev/full");
	check_stuck(&l, ERR_FULL, "No space left");
	log_divert(&l, "/dev/null");	/* takes every write, and cannot be synced */
	check_stuck(&l, ERR_IO, "Invalid argument");
	log_done(&l);
}

/* A limit on file sizes is a disk that is full at a chosen place: while the file grows, in
 * the middle of a write, and when a segment is begun. */
TEST(a_disk_that_fills_up_anywhere_loses_nothing_that_was_synced)
{
	static struct log l;
	struct rlimit old, now;

	signal(SIGXFSZ, SIG_IGN);
	CHECK_INT(getrlimit(RLIMIT_FSIZE, &old), 0);
	for (rlim_t limit = 1000; limit < 12 << 20 && !unit_failed(); limit += 2718281) {
		uint64_t synced = 0;
		int err;

		scratch_make(l.path);
		CHECK_INT(folder_open(&l.folder, l.path, &l.msg), 0);
		now = (struct rlimit){ limit, old.rlim_max };
		setrlimit(RLIMIT_FSIZE, &now);
		err = log_open(&l, 1);
		for (int i = 0; i < 30 && err == 0; i++) {
			err = wal_append(&l.wal, l.wal.last + 1, body(l.wal.last + 1, BIG / 2));
			err = err ? err : wal_sync(&l.wal, &l.msg);
			synced = l.wal.durable;
		}
		setrlimit(RLIMIT_FSIZE, &old);
		CHECK(err == ERR_FULL || limit > WAL_SEGMENT_BYTES);
		CHECK(err == 0 || strstr(l.msg.text, "make room") != NULL);
		wal_close(&l.wal);
		CHECK_INT(log_open(&l, 1), 0);
		CHECK(!l.wrong && l.wal.last >= synced);
		log_done(&l);
	}
}

TEST(gathering_has_a_maximum)
{
	static struct log l;
	static char huge[WAL_RECORD_MAX + 1];
	int n = 0;

	log_make(&l);
	CHECK_INT(wal_append(&l.wal, 1, (struct slice){ huge, sizeof(huge) }), ERR_LIMIT);
	while (n < 100 && wal_append(&l.wal, l.wal.last + 1, body(l.wal.last + 1, BIG)) == 0)
		n++;
	CHECK_INT(n, 7);
	CHECK_INT(l.wal.last, 7);
	CHECK_INT(wal_sync(&l.wal, &l.msg), 0);
	log_add(&l, 1, BIG);
	CHECK_INT(wal_sync(&l.wal, &l.msg), 0);
	log_again(&l, 1, 8);
	log_done(&l);
}

static int refuse_third(void *arg, uint64_t number, struct slice bytes, struct errmsg *msg)
{
	(void)arg;
	(void)bytes;
	return number == 3 ? errmsg_set(msg, ERR_INVALID, "third") : 0;
}

TEST(the_reader_of_records_may_refuse)
{
	static struct log l;
	struct wal_config c = { .folder = &l.folder, .key = &key, .on_record = refuse_third };

	log_make(&l);
	log_add(&l, 4, BODY);
	CHECK_INT(wal_sync(&l.wal, &l.msg), 0);
	wal_close(&l.wal);
	CHECK_INT(wal_open(&l.wal, &c, &l.msg), ERR_INVALID);
	CHECK_STR(l.msg.text, "third");
	CHECK_INT(log_open(&l, 1), 0);
	CHECK_INT(l.wal.last, 4);
	log_done(&l);
}
