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

static int save(struct place *p, uint64_t index, struct slice body)
{
	static struct snapshot_writer w;
	int err = snapshot_begin(&w, &p->folder, &key, index, &p->msg);

	if (err < 0)
		return err;
	(void)snapshot_put(&w, body);	/* finish tells */
	return snapshot_finish(&w, &p->msg);
}

static int load(struct place *p)
{
	static struct snapshot_reader r;
	struct slice piece = { 0 };
	int err;

	buf_reset(&p->out);
	p->msg.text[0] = '\0';
	err = snapshot_open(&r, &p->folder, &key, 0, &p->msg);
	if (err < 0)
		return err;
	do {
		err = snapshot_next(&r, &piece, &p->msg);
		if (err == 0)
			buf_add_slice(&p->out, piece);
	} while (err == 0 && piece.len > 0);
	p->index = r.index;
	snapshot_close(&r);
	return err;
}

TEST(a_snapshot_of_any_length_is_loaded_again)
{
	static const size_t lengths[] = { 0, 1, SEALED_PIECE - 1, SEALED_PIECE,
					  SEALED_PIECE + 1, 5 * SEALED_PIECE + 77 };
	static char body[6 * SEALED_PIECE];
	static struct place p;

	for (size_t i = 0; i < sizeof(body); i++)
		body[i] = (char)(i * 31 + i / 256);
	place_make(&p);
	CHECK_INT(load(&p), ERR_NOT_FOUND);
	for (size_t i = 0; i < sizeof(lengths) / sizeof(lengths[0]); i++) {
		struct slice s = { body, lengths[i] };

		CHECK_INT(save(&p, 10 + i, s), 0);
		CHECK_INT(load(&p), 0);
		CHECK_INT(p.index, 10 + i);
		CHECK(slice_equal(buf_slice(&p.out), s));
		CHECK_INT(scratch_count(p.path, "snapshot-", NULL), 1);
	}
	place_done(&p);
}

TEST(every_flipped_byte_and_every_cut_is_refused)
{
	static char body[SEALED_PIECE + 300];
	static struct place p;
	const char *path;
	char *bytes;
	size_t n;

	place_make(&p);
	memset(body, 'x', sizeof(body));
	CHECK_INT(save(&p, 255, (struct slice){ body, sizeof(body) }), 0);
	path = scratch_file(p.path, "snapshot-00000000000000ff");
	bytes = scratch_read(path, &n);
	CHECK(bytes != NULL);
	CHECK_INT(n, SEALED_HEADER + sizeof(body) + 2 * SEAL_TAG_LEN);
	CHECK(memmem(bytes, n, "xxxxxxxx", 8) == NULL);
	for (size_t at = 0; at < n; at += at < 200 || at > n - 400 ? 1 : 1999) {
		int err;

		bytes[at] ^= 32;
		scratch_write(path, bytes, n);
		err = load(&p);
		CHECK_INT(err, ERR_CORRUPT);	/* a rotten version too */
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

/* A transfer reads on from the one it began with; pieces of any size, in any order. */
TEST(pieces_are_read_anywhere_though_a_newer_one_takes_its_place)
{
	static const size_t sizes[] = { 1, 4096, SEALED_PIECE, 200000 };
	static char body[3 * SEALED_PIECE + 99];
	static struct snapshot_reader r, missing;
	static struct place p;

	for (size_t i = 0; i < sizeof(body); i++)
		body[i] = (char)(i * 131 >> 3);
	place_make(&p);
	CHECK_INT(save(&p, 7, (struct slice){ body, sizeof(body) }), 0);
	CHECK_INT(snapshot_open(&r, &p.folder, &key, 7, &p.msg), 0);
	CHECK_INT(r.file.length, sizeof(body));
	CHECK_INT(save(&p, 8, SLICE("newer")), 0);
	CHECK_INT(snapshot_open(&missing, &p.folder, &key, 7, &p.msg), ERR_NOT_FOUND);
	for (size_t i = 0; i < 4; i++) {
		for (size_t at = sizeof(body) + 10; at > 0; at -= at < 40009 ? at : 40009) {
			size_t left = at < sizeof(body) ? sizeof(body) - at : 0;
			size_t n = sizes[i] < left ? sizes[i] : left;

			buf_reset(&p.out);
			CHECK_INT(snapshot_read_at(&r, at, sizes[i], &p.out, &p.msg), 0);
			CHECK_INT(p.out.len, n);
			CHECK(n == 0 || memcmp(p.out.data, body + at, n) == 0);
		}
	}
	snapshot_close(&r);
	snapshot_close(&r);
	place_done(&p);
}

TEST(a_snapshot_put_in_any_pieces_is_the_same_and_an_abandoned_one_is_gone)
{
	static char body[2 * SEALED_PIECE + 5];
	static struct snapshot_writer w;
	static struct place p;

	for (size_t i = 0; i < sizeof(body); i++)
		body[i] = (char)(i * 7);
	place_make(&p);
	CHECK_INT(snapshot_begin(&w, &p.folder, &key, 3, &p.msg), 0);
	for (size_t at = 0, n = 0; at < sizeof(body); at += n) {
		n = at * 5 % 9973 + 1;
		n = n < sizeof(body) - at ? n : sizeof(body) - at;
		CHECK_INT(w.file.sink.put(w.file.sink.context, (struct slice){ body + at, n }), 0);
	}
	CHECK_INT(load(&p), ERR_NOT_FOUND);
	CHECK_INT(w.file.length, sizeof(body));
	CHECK_INT(snapshot_finish(&w, &p.msg), 0);
	CHECK_INT(load(&p), 0);
	CHECK(slice_equal(buf_slice(&p.out), (struct slice){ body, sizeof(body) }));

	CHECK_INT(snapshot_begin(&w, &p.folder, &key, 4, &p.msg), 0);
	CHECK_INT(snapshot_put(&w, (struct slice){ body, sizeof(body) }), 0);
	snapshot_abandon(&w);
	CHECK_INT(scratch_count(p.path, "snapshot-", NULL), 1);
	/* One whose writer was killed. */
	CHECK_INT(snapshot_begin(&w, &p.folder, &key, 5, &p.msg), 0);
	folder_file_close(&p.folder, w.fd);
	CHECK_INT(scratch_count(p.path, "snapshot-", NULL), 2);
	CHECK_INT(snapshot_clean(&p.folder, &p.msg), 0);
	CHECK_INT(scratch_count(p.path, "snapshot-", NULL), 1);
	CHECK_INT(load(&p), 0);
	CHECK_INT(p.index, 3);
	CHECK_INT(snapshot_remove_all(&p.folder, &p.msg), 0);
	CHECK_INT(load(&p), ERR_NOT_FOUND);
	place_done(&p);
}

TEST(a_snapshot_has_a_maximum)
{
	static char piece[1 << 20];
	static struct snapshot_writer w;
	static struct place p;

	place_make(&p);
	CHECK_INT(snapshot_begin(&w, &p.folder, &key, 1, &p.msg), 0);
	w.file.length = SNAPSHOT_BODY_MAX - sizeof(piece);	/* as if so much had been put */
	CHECK_INT(snapshot_put(&w, (struct slice){ piece, sizeof(piece) }), 0);
	CHECK_INT(snapshot_put(&w, SLICE("x")), ERR_LIMIT);
	CHECK_INT(snapshot_finish(&w, &p.msg), ERR_LIMIT);
	CHECK(strstr(p.msg.text, "more than") != NULL);
	CHECK_INT(scratch_count(p.path, "snapshot-", NULL), 0);
	place_done(&p);
}

TEST(a_full_disk_leaves_the_snapshot_before)
{
	static char body[3 * SEALED_PIECE];
	static struct place p;
	struct rlimit old, now;

	signal(SIGXFSZ, SIG_IGN);
	CHECK_INT(getrlimit(RLIMIT_FSIZE, &old), 0);
	place_make(&p);
	CHECK_INT(save(&p, 1, SLICE("one")), 0);
	now = (struct rlimit){ 100000, old.rlim_max };
	setrlimit(RLIMIT_FSIZE, &now);
	int err = save(&p, 2, (struct slice){ body, sizeof(body) });

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
