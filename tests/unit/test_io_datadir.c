/* The data folder: ours or refused, locked, and wiped by name. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include "io/datadir.h"
#include "io/entropy.h"
#include "io/file.h"
#include "scratch.h"
#include "unit.h"

/* The mode bits of a file. */
static unsigned mode_of(const char *path)
{
	struct stat st;

	return stat(path, &st) < 0 ? 0 : (unsigned)st.st_mode & 07777;
}

TEST(a_missing_folder_is_made_private_and_opens_again)
{
	static struct datadir d, again;
	char top[SCRATCH_PATH], path[2 * SCRATCH_PATH];
	struct errmsg msg = { { 0 } };
	struct seal_key key;

	scratch_make(top);
	snprintf(path, sizeof(path), "%s", scratch_file(top, "a/b"));
	CHECK_INT(datadir_open(&d, path, &msg), 0);
	CHECK_INT(mode_of(path), 0700);
	CHECK_INT(mode_of(scratch_file(path, "key")), 0600);
	CHECK_INT(mode_of(scratch_file(path, "raft")), 0700);
	key = d.key;
	datadir_close(&d);
	CHECK(memcmp(&d.key, &key, sizeof(key)) != 0);
	CHECK_INT(datadir_open(&again, path, &msg), 0);
	CHECK(memcmp(&again.key, &key, sizeof(key)) == 0);
	datadir_close(&again);
	scratch_remove(top);
}

TEST(a_second_daemon_is_told_who_holds_the_folder)
{
	static struct datadir d, second;
	char path[SCRATCH_PATH], pid[32];
	struct errmsg msg = { { 0 } };

	scratch_make(path);
	CHECK_INT(datadir_open(&d, path, &msg), 0);
	CHECK_INT(datadir_open(&second, path, &msg), ERR_LOCKED);
	snprintf(pid, sizeof(pid), "pid %ld", (long)getpid());
	CHECK(strstr(msg.text, path) && strstr(msg.text, pid));
	datadir_close(&d);
	CHECK_INT(datadir_open(&second, path, &msg), 0);
	datadir_close(&second);
	scratch_remove(path);
}

TEST(what_is_not_ours_is_refused_and_not_touched)
{
	static struct datadir d;
	char path[SCRATCH_PATH];
	struct errmsg msg = { { 0 } };

	scratch_make(path);
	scratch_write(scratch_file(path, "letters.txt"), "dear", 4);
	CHECK_INT(datadir_open(&d, path, &msg), ERR_INVALID);
	CHECK(strstr(msg.text, "letters.txt") && strstr(msg.text, "--data-dir"));
	CHECK_INT(scratch_count(path, "", NULL), 3);
	CHECK_INT(datadir_open(&d, scratch_file(path, "letters.txt"), &msg), ERR_INVALID);
	CHECK(strstr(msg.text, "not a folder") != NULL);
	scratch_remove(path);
}

/* The process ended while it made the folder: the next one begins again. */
TEST(a_making_that_broke_off_is_done_again)
{
	static struct datadir d;
	char path[SCRATCH_PATH];
	struct errmsg msg = { { 0 } };

	scratch_make(path);
	scratch_write(scratch_file(path, "key"), "short", 5);
	scratch_write(scratch_file(path, "lock"), "1", 1);
	scratch_write(scratch_file(path, "swarmbox.json.tmp"), "{", 1);
	CHECK_INT(datadir_open(&d, path, &msg), 0);
	datadir_close(&d);
	scratch_remove(path);
}

static void check_marker(const char *text, int expected)
{
	static struct datadir d;
	char path[SCRATCH_PATH];
	struct errmsg msg = { { 0 } };

	scratch_make(path);
	scratch_write(scratch_file(path, "key"), "12345678901234567890123456789012", 32);
	scratch_write(scratch_file(path, "swarmbox.json"), text, strlen(text));
	CHECK_INT(datadir_open(&d, path, &msg), expected);
	if (expected == 0)
		datadir_close(&d);
	else
		CHECK(strstr(msg.text, path) != NULL);
	scratch_remove(path);
}

TEST(marker_and_key_are_checked)
{
	static struct datadir d;
	char path[SCRATCH_PATH];
	struct errmsg msg = { { 0 } };

	check_marker("{\"DataFormat\":1}\n", 0);
	check_marker("{\"DataFormat\":1}", 0);
	check_marker("{\"DataFormat\":2}\n", ERR_UNSUPPORTED);
	check_marker("", ERR_CORRUPT);
	check_marker("{\"DataFormat\":}", ERR_CORRUPT);
	check_marker("{\"DataFormat\":1}}", ERR_CORRUPT);
	check_marker("nothing of ours", ERR_CORRUPT);
	scratch_make(path);
	scratch_write(scratch_file(path, "swarmbox.json"), "{\"DataFormat\":1}\n", 17);
	CHECK_INT(datadir_open(&d, path, &msg), ERR_CORRUPT);
	CHECK(strstr(msg.text, "key") && strstr(msg.text, "swarmbox init"));
	scratch_remove(path);
}

TEST(a_wipe_takes_our_files_and_leaves_others)
{
	static struct datadir d;
	char path[SCRATCH_PATH], raft[2 * SCRATCH_PATH];
	struct errmsg msg = { { 0 } };

	scratch_make(path);
	CHECK_INT(datadir_open(&d, path, &msg), 0);
	snprintf(raft, sizeof(raft), "%s", scratch_file(path, "raft"));
	scratch_write(scratch_file(raft, "wal-0000000000000001"), "x", 1);
	scratch_write(scratch_file(raft, "snapshot-0000000000000001.new"), "x", 1);
	scratch_write(scratch_file(path, "node.json"), "{}", 2);
	CHECK_INT(datadir_wipe(&d, &msg), 0);
	CHECK_INT(scratch_count(path, "", NULL), 2);
	datadir_close(&d);
	CHECK_INT(datadir_open(&d, path, &msg), 0);
	scratch_write(scratch_file(path, "mine"), "x", 1);
	scratch_write(scratch_file(raft, "mine"), "x", 1);
	CHECK_INT(datadir_wipe(&d, &msg), 0);
	datadir_close(&d);
	CHECK_INT(scratch_count(path, "", NULL), 4);
	CHECK_INT(scratch_count(raft, "", NULL), 3);
	scratch_remove(path);
}

TEST(a_locked_folder_opens_with_its_unlock_key_alone)
{
	static const struct seal_key none;
	struct seal_key unlock = { "one key" }, other = { "another key" }, key;
	static struct datadir d;
	char path[SCRATCH_PATH];
	struct errmsg msg = { { 0 } };

	scratch_make(path);
	CHECK_INT(datadir_open(&d, path, &msg), 0);
	CHECK_INT(d.locked, 0);
	key = d.key;
	CHECK_INT(datadir_lock(&d, &unlock, &msg), 0);
	datadir_close(&d);
	CHECK_INT(mode_of(scratch_file(path, "key")), 0600);

	CHECK_INT(datadir_open(&d, path, &msg), 0);
	CHECK_INT(d.locked, 1);
	CHECK(memcmp(&d.key, &none, sizeof(none)) == 0);
	CHECK_INT(datadir_unlock(&d, &other, &msg), ERR_DENIED);
	CHECK_STR(msg.text, "invalid key provided");
	CHECK_INT(d.locked, 1);
	CHECK_INT(datadir_unlock(&d, &unlock, &msg), 0);
	CHECK_INT(d.locked, 0);
	CHECK(memcmp(&d.key, &key, sizeof(key)) == 0);

	/* Another unlock key, then none. */
	CHECK_INT(datadir_lock(&d, &other, &msg), 0);
	datadir_close(&d);
	CHECK_INT(datadir_open(&d, path, &msg), 0);
	CHECK_INT(datadir_unlock(&d, &unlock, &msg), ERR_DENIED);
	CHECK_INT(datadir_unlock(&d, &other, &msg), 0);
	CHECK_INT(datadir_lock(&d, NULL, &msg), 0);
	datadir_close(&d);
	CHECK_INT(datadir_open(&d, path, &msg), 0);
	CHECK_INT(d.locked, 0);
	CHECK(memcmp(&d.key, &key, sizeof(key)) == 0);
	datadir_close(&d);
	scratch_remove(path);
}

TEST(what_the_key_file_held_is_written_over)
{
	struct seal_key unlock = { "one key" };
	static struct datadir d;
	char path[SCRATCH_PATH], key[SCRATCH_PATH];
	struct errmsg msg = { { 0 } };
	char *bytes;
	size_t n = 0;

	scratch_make(path);
	CHECK_INT(datadir_open(&d, path, &msg), 0);
	snprintf(key, sizeof(key), "%s", scratch_file(path, "key"));
	for (int i = 0; i < 3; i++) {		/* open, sealed, sealed anew */
		CHECK_INT(link(key, scratch_file(path, "old")), 0);
		CHECK_INT(datadir_lock(&d, i < 2 ? &unlock : NULL, &msg), 0);
		bytes = scratch_read(scratch_file(path, "old"), &n);
		CHECK(bytes != NULL && n >= SEAL_KEY_LEN);
		for (size_t k = 0; k < n; k++)
			CHECK_INT(bytes[k], 0);
		free(bytes);
		CHECK_INT(unlink(scratch_file(path, "old")), 0);
	}
	bytes = scratch_read(key, &n);
	CHECK(n == SEAL_KEY_LEN && memcmp(bytes, d.key.bytes, n) == 0);
	free(bytes);
	datadir_close(&d);
	scratch_remove(path);
}

TEST(a_log_can_be_wiped_alone)
{
	static struct datadir d;
	char path[SCRATCH_PATH];
	struct errmsg msg = { { 0 } };

	scratch_make(path);
	CHECK_INT(datadir_open(&d, path, &msg), 0);
	CHECK_INT(file_write(scratch_file(path, "raft/wal-1"), SLICE("x"), 0600, FILE_VOLATILE,
			     &msg), 0);
	CHECK_INT(datadir_wipe_log(&d, &msg), 0);
	CHECK_INT(mode_of(scratch_file(path, "raft/wal-1")), 0);
	CHECK_INT(mode_of(scratch_file(path, "key")), 0600);
	datadir_close(&d);
	scratch_remove(path);
}

TEST(entropy_differs)
{
	unsigned char a[300] = { 0 }, b[300] = { 0 };

	entropy_fill(a, sizeof(a));
	entropy_fill(b, sizeof(b));
	CHECK(memcmp(a, b, sizeof(a)) != 0);
	CHECK(memcmp(a + 268, b + 268, 32) != 0);
}

/* Filled with files of another folder, of which none counts before it is finished. */
TEST(a_folder_that_is_filled_counts_when_it_is_finished)
{
	static struct datadir d, other;
	char path[SCRATCH_PATH], bytes[SEAL_KEY_LEN];
	struct errmsg msg = { { 0 } };

	memset(bytes, 7, sizeof(bytes));
	scratch_make(path);
	CHECK_INT(datadir_begin(&d, path, &msg), 0);
	CHECK_INT(datadir_open(&other, path, &msg), ERR_INVALID);	/* there is raft/ */
	CHECK_INT(datadir_begin(&other, path, &msg), ERR_INVALID);
	CHECK_INT(mode_of(scratch_file(path, "raft")), 0700);
	scratch_write(scratch_file(path, "key"), bytes, sizeof(bytes));
	CHECK_INT(datadir_finish(&d, &msg), 0);
	datadir_close(&d);
	CHECK_INT(datadir_begin(&d, path, &msg), ERR_EXISTS);
	CHECK(strstr(msg.text, path) && strstr(msg.text, "--data-dir"));
	CHECK_INT(datadir_open(&d, path, &msg), 0);
	CHECK(memcmp(d.key.bytes, bytes, sizeof(bytes)) == 0);
	CHECK_INT(datadir_begin(&other, path, &msg), ERR_LOCKED);
	/* And is wiped like any other. */
	CHECK_INT(datadir_wipe(&d, &msg), 0);
	datadir_close(&d);
	CHECK_INT(scratch_count(path, "", NULL), 2);
	scratch_remove(path);
}

TEST(one_that_was_not_finished_is_wiped_whole)
{
	static struct datadir d;
	char path[SCRATCH_PATH];
	struct errmsg msg = { { 0 } };

	scratch_make(path);
	CHECK_INT(datadir_begin(&d, path, &msg), 0);
	scratch_write(scratch_file(path, "raft/wal-0000000000000001"), "x", 1);
	scratch_write(scratch_file(path, "identity"), "x", 1);
	CHECK_INT(datadir_wipe(&d, &msg), 0);
	datadir_close(&d);
	CHECK_INT(scratch_count(path, "", NULL), 2);
	CHECK_INT(datadir_begin(&d, path, &msg), 0);
	datadir_close(&d);
	scratch_remove(path);
}
