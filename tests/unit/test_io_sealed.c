/* Sealed files: of one kind and one key, and what is said of any other. (Lengths, cuts and changed
 * bytes: test_io_snapshot.c and test_manager_backup.c.) */
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>
#include "io/sealed.h"
#include "scratch.h"
#include "unit.h"

static const struct sealed_kind kind = {
	.magic = "TESTTEST", .version = 3, .purpose = "test", .length_max = 1 << 20,
	.what = "text", .remedy = "; so what",
};
static const struct seal_key key = { { 1 } }, other_key = { { 2 } };

struct file {
	char path[SCRATCH_PATH];
	struct folder folder;
	struct sealed_place place;
	struct errmsg msg;
};

static void file_make(struct file *f)
{
	static struct sealed_writer w;
	static char text[SEALED_PIECE + 10];

	memset(f, 0, sizeof(*f));
	memset(text, 'x', sizeof(text));
	scratch_make(f->path);
	CHECK_INT(folder_open(&f->folder, f->path, NULL), 0);
	f->place = (struct sealed_place){ .folder = &f->folder, .name = "it" };
	f->place.fd = memfd_create("it", 0);
	CHECK(f->place.fd >= 0);
	sealed_begin(&w, &kind, &f->place, &key, 42);
	CHECK_INT(sealed_put(&w, (struct slice){ text, sizeof(text) }), 0);
	CHECK_INT(sealed_finish(&w, &f->msg), 0);
}

static void file_done(struct file *f)
{
	close(f->place.fd);
	folder_close(&f->folder);
	scratch_remove(f->path);
}

static int open_as(struct file *f, const struct sealed_kind *k, const struct seal_key *with)
{
	static struct sealed_reader r;
	int err = sealed_open(&r, k, &f->place, with, &f->msg);

	if (err == 0)
		sealed_close(&r);
	return err;
}

TEST(another_key_kind_or_version_is_told)
{
	struct sealed_kind changed = kind;
	struct file f;

	file_make(&f);
	CHECK_INT(open_as(&f, &kind, &key), 0);
	CHECK_INT(open_as(&f, &kind, &other_key), ERR_CORRUPT);
	CHECK(strstr(f.msg.text, "/it: offset 0: damaged, or not made with this key; so what"));
	changed.purpose = "another";
	CHECK_INT(open_as(&f, &changed, &key), ERR_CORRUPT);
	changed = kind;
	changed.magic[7] = 'X';
	CHECK_INT(open_as(&f, &changed, &key), ERR_CORRUPT);
	changed = kind;
	changed.version = 4;
	CHECK_INT(open_as(&f, &changed, &key), ERR_UNSUPPORTED);
	CHECK(strstr(f.msg.text, "newer") != NULL);
	changed = kind;
	changed.length_max = SEALED_PIECE;
	CHECK_INT(open_as(&f, &changed, &key), ERR_CORRUPT);
	file_done(&f);
}

TEST(a_text_is_read_anywhere_and_its_file_has_a_size)
{
	static struct sealed_reader r;
	struct slice bytes;
	struct file f;

	file_make(&f);
	CHECK_INT(sealed_open(&r, &kind, &f.place, &key, &f.msg), 0);
	CHECK_INT(r.number, 42);
	CHECK_INT(r.length, SEALED_PIECE + 10);
	CHECK_INT(sealed_size(&r), lseek(f.place.fd, 0, SEEK_END));
	CHECK_INT(sealed_read(&r, SEALED_PIECE - 3, 100, &bytes, &f.msg), 0);
	CHECK_MEM(bytes.data, bytes.len, "xxx");
	CHECK_INT(sealed_read(&r, SEALED_PIECE + 8, 100, &bytes, &f.msg), 0);
	CHECK_MEM(bytes.data, bytes.len, "xx");
	CHECK_INT(sealed_read(&r, SEALED_PIECE + 10, 100, &bytes, &f.msg), 0);
	CHECK_INT(bytes.len, 0);
	/* A piece that is damaged says where; the others can be read. */
	CHECK_INT(pwrite(f.place.fd, "!", 1, SEALED_HEADER + 5), 1);
	CHECK_INT(sealed_read(&r, 5, 1, &bytes, &f.msg), ERR_CORRUPT);
	CHECK(strstr(f.msg.text, "/it: offset 80: damaged; so what") != NULL);
	CHECK_INT(sealed_read(&r, SEALED_PIECE, 1, &bytes, &f.msg), 0);
	sealed_close(&r);
	file_done(&f);
}
