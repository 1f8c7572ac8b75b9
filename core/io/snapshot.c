/* Contracts and layout are in snapshot.h. The header tells the length, so it is written last;
 * until then there are zeros in its place. */
#include "io/snapshot.h"
#include <assert.h>
#include <stdio.h>
#include <string.h>
#include "base/bytes.h"
#include "base/mem.h"
#include "io/entropy.h"

/* Nonce sequences under one file's key. */
enum { NONCE_HEADER = 0, NONCE_PIECE = 1 };

enum { SALT_AT = 32, TAG_AT = 64, NAME_SIZE = 32, SEALED_PIECE = SNAPSHOT_PIECE + SEAL_TAG_LEN };

static const char magic[8] = { 'S', 'W', 'B', 'X', 'S', 'N', 'P', '\n' };
static const char purpose[] = "swarmbox snapshot 1";

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

static uint64_t piece_offset(uint64_t number)
{
	return SNAPSHOT_HEADER + (number - 1) * SEALED_PIECE;
}

/* ---- writing ------------------------------------------------------------------------ */

static int put_any(void *context, struct slice piece)
{
	return snapshot_put(context, piece);
}

int snapshot_begin(struct snapshot_writer *w, const struct folder *folder,
		   const struct seal_key *key, uint64_t index, struct errmsg *msg)
{
	char name[NAME_SIZE];

	*w = (struct snapshot_writer){ .sink = { put_any, w }, .folder = folder, .index = index };
	name_of(name, index);
	w->fd = folder_create(folder, name, msg);
	if (w->fd < 0)
		return w->fd;
	entropy_fill(w->salt, sizeof(w->salt));
	seal_derive(key, w->salt, purpose, &w->key);
	return 0;
}

static int put_at(struct snapshot_writer *w, const void *bytes, size_t n, uint64_t offset)
{
	char name[NAME_SIZE];

	if (folder_write_at(w->folder, w->fd, bytes, n, offset) == 0)
		return 0;
	name_of(name, w->index);
	w->failed = folder_error(w->folder, name, &w->why);
	return w->failed;
}

/* Seals and writes what is in w->piece. */
static int piece_write(struct snapshot_writer *w)
{
	struct slice plain = { (char *)w->piece, w->filled };
	uint8_t nonce[SEAL_NONCE_LEN];

	seal_nonce(NONCE_PIECE, ++w->number, nonce);
	seal_close(&w->key, nonce, (struct slice){ 0 }, plain, w->piece);
	w->filled = 0;
	return put_at(w, w->piece, plain.len + SEAL_TAG_LEN, piece_offset(w->number));
}

int snapshot_put(struct snapshot_writer *w, struct slice bytes)
{
	assert(w->fd >= 0);
	if (w->failed)
		return w->failed;
	if (bytes.len > SNAPSHOT_BODY_MAX - w->length) {
		w->failed = errmsg_set(&w->why, ERR_LIMIT, "a snapshot of more than %d bytes",
				       SNAPSHOT_BODY_MAX);
		return w->failed;
	}
	w->length += bytes.len;
	while (bytes.len > 0) {
		size_t room = SNAPSHOT_PIECE - w->filled;
		size_t n = bytes.len < room ? bytes.len : room;

		memcpy(w->piece + w->filled, bytes.data, n);
		w->filled += (uint32_t)n;
		bytes.data += n;
		bytes.len -= n;
		if (w->filled == SNAPSHOT_PIECE && piece_write(w) < 0)
			return w->failed;
	}
	return 0;
}

static int header_write(struct snapshot_writer *w)
{
	uint8_t header[SNAPSHOT_HEADER] = { 0 }, nonce[SEAL_NONCE_LEN];

	memcpy(header, magic, sizeof(magic));
	bytes_put(header + 8, 4, SNAPSHOT_VERSION);
	bytes_put(header + 16, 8, w->index);
	bytes_put(header + 24, 8, w->length);
	memcpy(header + SALT_AT, w->salt, SEAL_SALT_LEN);
	seal_nonce(NONCE_HEADER, 0, nonce);
	seal_close(&w->key, nonce, (struct slice){ (char *)header, TAG_AT }, (struct slice){ 0 },
		   header + TAG_AT);
	return put_at(w, header, sizeof(header), 0);
}

static void writer_close(struct snapshot_writer *w)
{
	folder_file_close(w->folder, w->fd);
	w->fd = -1;
	mem_wipe(&w->key, sizeof(w->key));
	mem_wipe(w->piece, sizeof(w->piece));
}

void snapshot_abandon(struct snapshot_writer *w)
{
	char name[NAME_SIZE];

	if (w->fd < 0)
		return;
	name_of(name, w->index);
	folder_abandon(w->folder, name);
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
	if (!w->failed && w->filled > 0)
		(void)piece_write(w);	/* sets w->failed */
	if (!w->failed)
		(void)header_write(w);	/* likewise */
	if (w->failed) {
		err = errmsg_set(msg, w->failed, "%s", w->why.text);
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

static int damaged(const struct snapshot_reader *r, uint64_t offset, struct errmsg *msg)
{
	char name[NAME_SIZE];

	name_of(name, r->index);
	return errmsg_set(msg, ERR_CORRUPT,
			  "%.200s/%s: offset %llu: damaged, or not made with this key; put the "
			  "data folder back from a copy, or remove it and run 'swarmbox init' to "
			  "begin anew",
			  r->folder->path, name, (unsigned long long)offset);
}

/* Reads exactly n bytes at offset into r->piece. */
static int take(struct snapshot_reader *r, uint64_t offset, size_t n, struct errmsg *msg)
{
	ssize_t got = folder_read_at(r->folder, r->fd, r->piece, n, offset);
	char name[NAME_SIZE];

	if (got < 0) {
		name_of(name, r->index);
		return folder_error(r->folder, name, msg);
	}
	return (size_t)got == n ? 0 : damaged(r, offset, msg);
}

static int header_read(struct snapshot_reader *r, const struct seal_key *master,
		       struct errmsg *msg)
{
	uint8_t nonce[SEAL_NONCE_LEN], none[1], *h = r->piece;
	struct slice head = { (const char *)h, TAG_AT };
	struct slice tag = { (const char *)h + TAG_AT, SEAL_TAG_LEN };
	int err = take(r, 0, SNAPSHOT_HEADER, msg), sealed;
	uint32_t version;

	if (err < 0)
		return err;
	if (memcmp(h, magic, sizeof(magic)) != 0)
		return damaged(r, 0, msg);
	version = bytes_get_u32(h + 8);
	/* A version that is only damaged is told from another one: with ours the tag fits. */
	bytes_put(h + 8, 4, SNAPSHOT_VERSION);
	seal_derive(master, h + SALT_AT, purpose, &r->key);
	seal_nonce(NONCE_HEADER, 0, nonce);
	sealed = seal_open(&r->key, nonce, head, tag, none) == 0;
	if (version != SNAPSHOT_VERSION && !sealed)
		return errmsg_set(msg, ERR_UNSUPPORTED, "%s/snapshot-%016llx: made by a newer "
				  "swarmbox; use that one", r->folder->path,
				  (unsigned long long)r->index);
	if (version != SNAPSHOT_VERSION || !sealed || bytes_get_u64(h + 16) != r->index)
		return damaged(r, 0, msg);
	r->length = bytes_get_u64(h + 24);
	return r->length <= SNAPSHOT_BODY_MAX ? 0 : damaged(r, 0, msg);
}

int snapshot_open(struct snapshot_reader *r, const struct folder *folder,
		  const struct seal_key *key, uint64_t index, struct errmsg *msg)
{
	struct newest newest = { index, index != 0 };
	char name[NAME_SIZE];
	int err = 0;

	*r = (struct snapshot_reader){ .folder = folder, .fd = -1 };
	if (index == 0)
		err = folder_each(folder, newest_note, &newest, msg);
	if (err < 0)
		return err;
	if (!newest.found)
		return errmsg_set(msg, ERR_NOT_FOUND, "%s: no snapshot", folder->path);
	r->index = newest.index;
	name_of(name, r->index);
	r->fd = folder_file_open(folder, name);
	if (r->fd < 0)
		return folder_error(folder, name, msg);
	err = header_read(r, key, msg);
	if (err < 0)
		snapshot_close(r);
	return err;
}

/* Brings the piece that holds offset, which is below the length, into memory; *plain is what
 * it holds from there on. */
static int piece_read(struct snapshot_reader *r, uint64_t offset, struct slice *plain,
		      struct errmsg *msg)
{
	uint64_t number = offset / SNAPSHOT_PIECE + 1, start = (number - 1) * SNAPSHOT_PIECE;
	uint64_t rest = r->length - start;
	size_t n = rest < SNAPSHOT_PIECE ? (size_t)rest : SNAPSHOT_PIECE;
	struct slice sealed = { (const char *)r->piece, n + SEAL_TAG_LEN };
	uint8_t nonce[SEAL_NONCE_LEN];
	int err = 0;

	if (r->number != number) {
		r->number = 0;
		err = take(r, piece_offset(number), sealed.len, msg);
		if (err < 0)
			return err;
		seal_nonce(NONCE_PIECE, number, nonce);
		if (seal_open(&r->key, nonce, (struct slice){ 0 }, sealed, r->piece) < 0)
			return damaged(r, piece_offset(number), msg);
		r->number = number;
	}
	*plain = (struct slice){ sealed.data + (offset - start), n - (size_t)(offset - start) };
	return 0;
}

int snapshot_next(struct snapshot_reader *r, struct slice *piece, struct errmsg *msg)
{
	struct slice plain = { 0 };
	int err = 0;

	assert(r->fd >= 0);
	if (r->at < r->length)
		err = piece_read(r, r->at, &plain, msg);
	if (err < 0)
		return err;
	r->at += plain.len;
	*piece = plain;
	return 0;
}

int snapshot_read_at(struct snapshot_reader *r, uint64_t offset, size_t n, struct buf *out,
		     struct errmsg *msg)
{
	assert(r->fd >= 0);
	while (n > 0 && offset < r->length) {
		struct slice plain;
		int err = piece_read(r, offset, &plain, msg);

		if (err < 0)
			return err;
		if (plain.len > n)
			plain.len = n;
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
	mem_wipe(&r->key, sizeof(r->key));
	mem_wipe(r->piece, sizeof(r->piece));
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
