/* Snapshots: whole or not there, and no byte of them may differ. */
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <signal.h>
#include <unistd.h>
#include "io/snapshot.h"
#include "scratch.h"
#include "unit.h"

static const struct seal_key key = { { 3, 1, 4 } };

struct place {
	char path[SCRATCH_PATH];
	struct folder folder;
	struct errmsg msg;
	struct buf out;
	uint64_t index;
};

static void place_make(struct place *p)
{
	memset(p, 0, sizeof(*p));
	scratch_make(p->path);
	CHECK_INT(folder_open(&p->folder, p->path, &p->msg), 0);
	buf_init(&p->out, SNAPSHOT_BODY_MAX);
}

static void place_done(struct place *p)
{
	buf_done(&p->out);
	folder_close(&p->folder);
	scratch_remove(p->path);
}

static int load(struct place *p)
{
	buf_reset(&p->out);
	p->msg.text[0] = '\0';
	return snapshot_load(&p->folder, &key, &p->out, &p->index, &p->msg);
}

TEST(a_snapshot_of_any_length_is_loaded_again)
{
	static const size_t lengths[] = { 0, 1, SNAPSHOT_PIECE - 1, SNAPSHOT_PIECE,
					  SNAPSHOT_PIECE + 1, 5 * SNAPSHOT_PIECE + 77 };
	static char body[6 * SNAPSHOT_PIECE];
	static struct place p;

	for (size_t i = 0; i < sizeof(body); i++)
		body[i] = (char)(i * 31 + i / 256);
	place_make(&p);
	CHECK_INT(load(&p), ERR_NOT_FOUND);
	for (size_t i = 0; i < sizeof(lengths) / sizeof(lengths[0]); i++) {
		struct slice s = { body, lengths[i] };

		CHECK_INT(snapshot_save(&p.folder, &key, 10 + i, s, &p.msg), 0);
		CHECK_INT(load(&p), 0);
		CHECK_INT(p.index, 10 + i);
		CHECK(slice_equal(buf_slice(&p.out), s));
		CHECK_INT(scratch_count(p.path, "snapshot-", NULL), 1);
	}
	place_done(&p);
}

TEST(every_flipped_byte_and_every_cut_is_refused)
{
	static char body[SNAPSHOT_PIECE + 300];
	static struct place p;
	const char *path;
	char *bytes;
	size_t n;

	place_make(&p);
	memset(body, 'x', sizeof(body));
	CHECK_INT(snapshot_save(&p.folder, &key, 255, (struct slice){ body, sizeof(body) }, &p.msg),
		  0);
	path = scratch_file(p.path, "snapshot-00000000000000ff");
	bytes = scratch_read(path, &n);
	CHECK(bytes != NULL);
	CHECK_INT(n, SNAPSHOT_HEADER + sizeof(body) + 2 * SEAL_TAG_LEN);
	CHECK(memmem(bytes, n, "xxxxxxxx", 8) == NULL);
	for (size_t at = 0; at < n; at += at < 200 || at > n - 400 ? 1 : 1999) {
		int err;

		bytes[at] ^= 32;
		scratch_write(path, bytes, n);
		err = load(&p);
		CHECK(err == ERR_CORRUPT || (err == ERR_UNSUPPORTED && at >= 8 && at < 12));
		CHECK(strstr(p.msg.text, "snapshot-00000000000000ff") != NULL);
		bytes[at] ^= 32;
		scratch_write(path, bytes, at);
		CHECK_INT(load(&p), ERR_CORRUPT);
	}
	/* Under another index it is not what it says. */
	scratch_write(scratch_file(p.path, "snapshot-0000000000000100"), bytes, n);
	CHECK_INT(load(&p), ERR_CORRUPT);
	free(bytes);
	place_done(&p);
}

TEST(a_full_disk_leaves_the_snapshot_before)
{
	static char body[3 * SNAPSHOT_PIECE];
	static struct place p;
	struct rlimit old, now;

	signal(SIGXFSZ, SIG_IGN);
	CHECK_INT(getrlimit(RLIMIT_FSIZE, &old), 0);
	place_make(&p);
	CHECK_INT(snapshot_save(&p.folder, &key, 1, SLICE("one"), &p.msg), 0);
	now = (struct rlimit){ 100000, old.rlim_max };
	setrlimit(RLIMIT_FSIZE, &now);
	int err = snapshot_save(&p.folder, &key, 2, (struct slice){ body, sizeof(body) }, &p.msg);

	setrlimit(RLIMIT_FSIZE, &old);
	CHECK_INT(err, ERR_FULL);
	CHECK_INT(scratch_count(p.path, "snapshot-", NULL), 1);
	CHECK_INT(load(&p), 0);
	CHECK(slice_is(buf_slice(&p.out), "one"));
	/* What a crash left half written does not count. */
	scratch_write(scratch_file(p.path, "snapshot-0000000000000005.new"), "half", 4);
	CHECK_INT(load(&p), 0);
	CHECK_INT(p.index, 1);
	place_done(&p);
}
