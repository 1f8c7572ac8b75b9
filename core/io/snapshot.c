/* Contracts are in snapshot.h. */
#include "io/snapshot.h"
#include <assert.h>
#include <stdio.h>
#include <string.h>

enum { NAME_SIZE = 32 };

static const struct sealed_kind kind = {
	.magic = { 'S', 'W', 'B', 'X', 'S', 'N', 'P', '\n' }, .version = SNAPSHOT_VERSION,
	.purpose = "swarmbox snapshot 1", .length_max = SNAPSHOT_BODY_MAX, .what = "snapshot",
	.remedy = "; put the data folder back from a copy, or remove it and run 'swarmbox init' to "
		  "begin anew",
};

static void name_of(char out[NAME_SIZE], uint64_t index)
{
	snprintf(out, NAME_SIZE, "snapshot-%016llx", (unsigned long long)index);
}

/* 1 and the index if name is one of ours. */
static int index_of(const char *name, uint64_t *index)
{
	uint64_t value = 0;

	if (strncmp(name, "snapshot-", 9) != 0 || strlen(name) != 25)
		return 0;
	for (const char *p = name + 9; *p; p++) {
		const char *digits = "0123456789abcdef", *at = strchr(digits, *p);

		if (!at)
			return 0;
		value = value << 4 | (uint64_t)(at - digits);
	}
	*index = value;
	return 1;
}

static struct sealed_place place_of(const struct folder *folder, int fd, uint64_t index)
{
	struct sealed_place place = { .folder = folder, .fd = fd };

	name_of(place.name, index);
	return place;
}

/* ---- writing ------------------------------------------------------------------------ */

int snapshot_begin(struct snapshot_writer *w, const struct folder *folder,
		   const struct seal_key *key, uint64_t index, struct errmsg *msg)
{
	char name[NAME_SIZE];
	struct sealed_place place;

	*w = (struct snapshot_writer){ .folder = folder, .index = index };
	name_of(name, index);
	w->fd = folder_create(folder, name, msg);
	if (w->fd < 0)
		return w->fd;
	place = place_of(folder, w->fd, index);
	sealed_begin(&w->file, &kind, &place, key, index);
	return 0;
}

int snapshot_put(struct snapshot_writer *w, struct slice bytes)
{
	assert(w->fd >= 0);
	return sealed_put(&w->file, bytes);
}

static void writer_close(struct snapshot_writer *w)
{
	folder_file_close(w->folder, w->fd);
	w->fd = -1;
}

void snapshot_abandon(struct snapshot_writer *w)
{
	char name[NAME_SIZE];

	if (w->fd < 0)
		return;
	name_of(name, w->index);
	folder_abandon(w->folder, name);
	sealed_abandon(&w->file);
	writer_close(w);
}

struct older {
	const struct folder *folder;
	uint64_t index;
};

static int older_remove(void *arg, const char *name)
{
	const struct older *o = arg;
	uint64_t index;

	if (!index_of(name, &index) || index >= o->index)
		return 0;
	return folder_remove(o->folder, name, NULL);
}

int snapshot_finish(struct snapshot_writer *w, struct errmsg *msg)
{
	struct older older = { w->folder, w->index };
	char name[NAME_SIZE];
	int err;

	assert(w->fd >= 0);
	err = sealed_finish(&w->file, msg);
	if (err < 0) {
		snapshot_abandon(w);
		return err;
	}
	name_of(name, w->index);
	err = folder_publish(w->folder, w->fd, name, msg);
	writer_close(w);
	/* It counts from here on. What cannot be removed is in nobody's way. */
	if (err == 0)
		(void)folder_each(older.folder, older_remove, &older, NULL);
	return err;
}

/* ---- reading ------------------------------------------------------------------------ */

struct newest {
	uint64_t index;
	int found;
};

static int newest_note(void *arg, const char *name)
{
	struct newest *n = arg;
	uint64_t index;

	if (index_of(name, &index) && (!n->found || index > n->index))
		*n = (struct newest){ index, 1 };
	return 0;
}

int snapshot_open(struct snapshot_reader *r, const struct folder *folder,
		  const struct seal_key *key, uint64_t index, struct errmsg *msg)
{
	struct newest newest = { index, index != 0 };
	struct sealed_place place;
	int err = 0;

	r->fd = -1;
	r->folder = folder;
	if (index == 0)
		err = folder_each(folder, newest_note, &newest, msg);
	if (err < 0)
		return err;
	if (!newest.found)
		return errmsg_set(msg, ERR_NOT_FOUND, "%s: no snapshot", folder->path);
	r->index = newest.index;
	place = place_of(folder, -1, r->index);
	place.fd = r->fd = folder_file_open(folder, place.name);
	if (r->fd < 0)
		return folder_error(folder, place.name, msg);
	err = sealed_open(&r->file, &kind, &place, key, msg);
	if (err == 0 && r->file.number != r->index)
		err = errmsg_set(msg, ERR_CORRUPT, "%.200s/%s: it is another snapshot%s",
				 folder->path, place.name, kind.remedy);
	if (err < 0)
		snapshot_close(r);
	return err;
}

int snapshot_next(struct snapshot_reader *r, struct slice *piece, struct errmsg *msg)
{
	assert(r->fd >= 0);
	return sealed_next(&r->file, piece, msg);
}

int snapshot_read_at(struct snapshot_reader *r, uint64_t offset, size_t n, struct buf *out,
		     struct errmsg *msg)
{
	assert(r->fd >= 0);
	while (n > 0 && offset < r->file.length) {
		struct slice plain;
		int err = sealed_read(&r->file, offset, n, &plain, msg);

		if (err < 0)
			return err;
		buf_add_slice(out, plain);
		if (out->failed)
			return errmsg_set(msg, ERR_LIMIT, "a piece of a snapshot of more than %zu "
					  "bytes", out->len);
		offset += plain.len;
		n -= plain.len;
	}
	return 0;
}

void snapshot_close(struct snapshot_reader *r)
{
	if (r->fd < 0)
		return;
	folder_file_close(r->folder, r->fd);
	r->fd = -1;
	sealed_close(&r->file);
}

/* ---- removal ------------------------------------------------------------------------ */

struct removal {
	const struct folder *folder;
	struct errmsg *msg;
};

static int unfinished_remove(void *arg, const char *name)
{
	const struct removal *r = arg;
	size_t n = strlen(name);

	if (strncmp(name, "snapshot-", 9) != 0 || n < 4 || strcmp(name + n - 4, ".new") != 0)
		return 0;
	return folder_remove(r->folder, name, r->msg);
}

int snapshot_clean(const struct folder *folder, struct errmsg *msg)
{
	struct removal r = { folder, msg };

	return folder_each(folder, unfinished_remove, &r, msg);
}

static int any_remove(void *arg, const char *name)
{
	const struct removal *r = arg;

	return strncmp(name, "snapshot-", 9) == 0 ? folder_remove(r->folder, name, r->msg) : 0;
}

int snapshot_remove_all(const struct folder *folder, struct errmsg *msg)
{
	struct removal r = { folder, msg };
	int err = folder_each(folder, any_remove, &r, msg);

	return err < 0 ? err : folder_sync(folder, msg);
}
