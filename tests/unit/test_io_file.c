/* Whole files on a real file system. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "io/file.h"
#include "io/loop.h"
#include "unit.h"

struct place {
	char folder[32];
	char path[64];
};

static void open_place(struct place *p)
{
	snprintf(p->folder, sizeof(p->folder), "/tmp/file-XXXXXX");
	if (!mkdtemp(p->folder))
		abort();
	snprintf(p->path, sizeof(p->path), "%s/a", p->folder);
}

static void close_place(struct place *p)
{
	unlink(p->path);
	rmdir(p->folder);
}

TEST(what_is_written_is_read)
{
	struct place p;
	struct buf b;
	struct stat st;
	struct errmsg msg = { { 0 } };

	open_place(&p);
	buf_init(&b, 100000);
	CHECK_INT(file_read(p.path, 10, &b, &msg), ERR_NOT_FOUND);
	CHECK(strstr(msg.text, p.path) == msg.text);
	for (enum file_durable d = FILE_VOLATILE; d <= FILE_DURABLE; d++) {
		CHECK_INT(file_write(p.path, SLICE("0123456789"), 0600, d, &msg), 0);
		CHECK_INT(stat(p.path, &st), 0);
		CHECK_INT(st.st_mode & 07777, 0600);
		buf_reset(&b);
		CHECK_INT(file_read(p.path, 10, &b, &msg), 0);
		CHECK_STR(buf_str(&b), "0123456789");
	}
	CHECK_INT(file_read(p.path, 9, &b, &msg), ERR_LIMIT);
	CHECK_INT(file_write("/nowhere/at/all", SLICE("x"), 0600, FILE_VOLATILE, &msg),
		ERR_NOT_FOUND);
	buf_done(&b);
	close_place(&p);
}

TEST(a_long_file_in_pieces)
{
	struct place p;
	struct buf b, out;

	open_place(&p);
	buf_init(&b, 300000);
	buf_init(&out, 200000);
	for (int i = 0; i < 40000; i++)
		buf_printf(&b, "%05d", i);
	CHECK_INT(file_write(p.path, buf_slice(&b), 0644, FILE_VOLATILE, NULL), 0);
	CHECK_INT(file_read(p.path, 200000, &out, NULL), 0);
	CHECK(slice_equal(buf_slice(&out), buf_slice(&b)));
	CHECK_INT(file_read(p.path, 200000, &out, NULL), ERR_LIMIT);
	buf_done(&b);
	buf_done(&out);
	close_place(&p);
}

TEST(folders_are_made_with_those_above)
{
	struct place p;
	char deep[96];
	struct stat st;

	open_place(&p);
	snprintf(deep, sizeof(deep), "%s/b/c/", p.folder);
	CHECK_INT(file_mkdirs(deep, 0700, NULL), 0);
	CHECK_INT(file_mkdirs(deep, 0700, NULL), 0);
	CHECK_INT(stat(deep, &st), 0);
	CHECK_INT(st.st_mode & 07777, 0700);
	CHECK_INT(file_write(p.path, SLICE("x"), 0644, FILE_VOLATILE, NULL), 0);
	CHECK_INT(file_mkdirs(p.path, 0700, NULL), ERR_EXISTS);
	rmdir(deep);
	snprintf(deep, sizeof(deep), "%s/b", p.folder);
	rmdir(deep);
	close_place(&p);
}

static void count_change(struct file_watch *w)
{
	++*(int *)w->context;
}

TEST(changes_of_one_file_are_told)
{
	struct place p;
	struct loop l;
	int changes = 0;
	struct file_watch w = { .call = count_change, .context = &changes };
	char other[96];

	open_place(&p);
	snprintf(other, sizeof(other), "%s/b", p.folder);
	CHECK_INT(loop_init(&l, NULL), 0);
	CHECK_INT(file_watch_start(&w, &l, p.path, NULL), 0);
	CHECK_INT(file_write(other, SLICE("x"), 0644, FILE_VOLATILE, NULL), 0);
	loop_turn(&l, 0, NULL);
	CHECK_INT(changes, 0);
	CHECK_INT(file_write(p.path, SLICE("x"), 0644, FILE_VOLATILE, NULL), 0);
	loop_turn(&l, 0, NULL);
	CHECK_INT(changes, 1);
	CHECK_INT(file_write(p.path, SLICE("y"), 0644, FILE_VOLATILE, NULL), 0);
	CHECK_INT(file_write(p.path, SLICE("z"), 0644, FILE_VOLATILE, NULL), 0);
	loop_turn(&l, 0, NULL);
	CHECK_INT(changes, 2);
	unlink(p.path);
	loop_turn(&l, 0, NULL);
	CHECK_INT(changes, 3);
	file_watch_stop(&w);
	loop_done(&l);
	unlink(other);
	close_place(&p);
}
