/*
 * Backups. First the table from any bytes, in a text of any length (the first two bytes): it is
 * refused, or each file lies where it should, and what is written from it is the same. Then all
 * of the input as the file itself, with the key that the seeds were made with: it is refused, or
 * read whole.
 */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include "applets/manager/main_backup.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static const struct seal_key key = { { 1 } };

static void require(int ok)
{
	if (!ok)
		abort();
}

static void try_table(struct slice end, uint64_t length)
{
	static struct backup_table t, again;
	uint64_t offset = 0;
	struct buf out;

	if (length < end.len || backup_table_parse(end, length, &t) < 0)
		return;
	for (uint32_t i = 0; i < t.count; i++) {
		require(t.files[i].offset == offset);
		require(strchr(t.files[i].name, '/') == NULL && t.files[i].name[0] != '.');
		offset += t.files[i].size;
	}
	require(offset < length);
	buf_init(&out, BACKUP_TABLE_MAX);
	backup_table_build(&t, &out);
	require(offset + out.len == length);
	require(out.len <= end.len && memcmp(end.data + end.len - out.len, out.data, out.len) == 0);
	require(backup_table_parse(buf_slice(&out), length, &again) == 0);
	require(again.count == t.count);
	buf_done(&out);
}

/* ---- the input as a file ------------------------------------------------------------ */

static ssize_t read_input(void *context, int fd, void *bytes, size_t n, uint64_t offset)
{
	const struct slice *file = context;
	size_t left = offset < file->len ? file->len - (size_t)offset : 0;

	(void)fd;
	if (n > left)
		n = left;
	if (n)
		memcpy(bytes, file->data + offset, n);
	return (ssize_t)n;
}

static const struct folder_ops ops = { .read = read_input };

static void try_file(struct slice file)
{
	static struct sealed_reader r;
	struct sealed_place place = { .name = "input" };
	struct folder folder;
	struct slice piece;
	uint64_t n = 0;
	int err;

	folder_open_with(&folder, &ops, &file, "folder");
	place.folder = &folder;
	if (sealed_open(&r, &backup_kind, &place, &key, NULL) < 0)
		return;
	do {
		err = sealed_next(&r, &piece, NULL);
		n += err == 0 ? piece.len : 0;
	} while (err == 0 && piece.len > 0);
	require(err < 0 || (n == r.length && sealed_size(&r) <= file.len));
	if (err == 0 && sealed_read(&r, 0, SEALED_PIECE, &piece, NULL) == 0 &&
	    piece.len == r.length)
		try_table(piece, r.length);
	sealed_close(&r);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct slice bytes = { (const char *)data, size };

	if (size >= 2)
		try_table((struct slice){ bytes.data + 2, size - 2 },
			  (uint64_t)data[0] << 8 | data[1]);
	try_file(bytes);
	return 0;
}
