/* Contracts and layout are in snapshot.h. */
#include "io/snapshot.h"
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>
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

/* ---- saving ------------------------------------------------------------------------- */

static void header_build(uint8_t header[SNAPSHOT_HEADER], const struct seal_key *master,
			 uint64_t index, uint64_t length, struct seal_key *key)
{
	uint8_t nonce[SEAL_NONCE_LEN];

	memset(header, 0, SNAPSHOT_HEADER);
	memcpy(header, magic, sizeof(magic));
	bytes_put(header + 8, 4, SNAPSHOT_VERSION);
	bytes_put(header + 16, 8, index);
	bytes_put(header + 24, 8, length);
	entropy_fill(header + SALT_AT, SEAL_SALT_LEN);
	seal_derive(master, header + SALT_AT, purpose, key);
	seal_nonce(NONCE_HEADER, 0, nonce);
	seal_close(key, nonce, (struct slice){ (char *)header, TAG_AT }, (struct slice){ 0 },
		   header + TAG_AT);
}

/* 0, or -1 with errno. */
static int pieces_write(int fd, const struct seal_key *key, struct slice body)
{
	uint8_t sealed[SEALED_PIECE], nonce[SEAL_NONCE_LEN];
	uint64_t at = SNAPSHOT_HEADER, number = 0;

	while (body.len > 0) {
		size_t n = body.len < SNAPSHOT_PIECE ? body.len : SNAPSHOT_PIECE;

		seal_nonce(NONCE_PIECE, ++number, nonce);
		seal_close(key, nonce, (struct slice){ 0 }, (struct slice){ body.data, n }, sealed);
		if (folder_pwrite(fd, sealed, n + SEAL_TAG_LEN, at) < 0)
			return -1;
		at += n + SEAL_TAG_LEN;
		body.data += n;
		body.len -= n;
	}
	return 0;
}

struct older {
	const struct folder *folder;
	uint64_t index;
	struct errmsg *msg;
};

static int older_remove(void *arg, const char *name)
{
	const struct older *o = arg;
	uint64_t index;

	if (!index_of(name, &index) || index >= o->index)
		return 0;
	return folder_remove(o->folder, name, o->msg);
}

int snapshot_save(const struct folder *f, const struct seal_key *key, uint64_t index,
		  struct slice body, struct errmsg *msg)
{
	struct older older = { f, index, msg };
	uint8_t header[SNAPSHOT_HEADER];
	struct seal_key own;
	char name[NAME_SIZE];
	int fd, err = 0;

	if (body.len > SNAPSHOT_BODY_MAX)
		return errmsg_set(msg, ERR_LIMIT, "a snapshot of more than %d bytes",
				  SNAPSHOT_BODY_MAX);
	name_of(name, index);
	fd = folder_create(f, name, msg);
	if (fd < 0)
		return fd;
	header_build(header, key, index, body.len, &own);
	if (folder_pwrite(fd, header, sizeof(header), 0) < 0 || pieces_write(fd, &own, body) < 0) {
		err = folder_error(f, name, msg);
		folder_abandon(f, name);
	}
	if (err == 0)
		err = folder_publish(f, fd, name, msg);
	close(fd);
	mem_wipe(&own, sizeof(own));
	return err < 0 ? err : folder_each(f, older_remove, &older, msg);
}

/* ---- loading ------------------------------------------------------------------------- */

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

/* What is being read; sealed bytes are read into piece. */
struct reader {
	const struct folder *folder;
	const char *name;
	struct errmsg *msg;
	int fd;
	uint64_t at;
	struct seal_key key;
	uint8_t piece[SEALED_PIECE];
};

static int damaged(const struct reader *r)
{
	return errmsg_set(r->msg, ERR_CORRUPT,
			  "%.200s/%s: offset %llu: damaged, or not made with this key; put the "
			  "data folder back from a copy, or remove it and run 'swarmbox init' to "
			  "begin anew",
			  r->folder->path, r->name, (unsigned long long)r->at);
}

/* Exactly n bytes (at most SEALED_PIECE) from r->at. */
static int take(struct reader *r, size_t n)
{
	size_t got = 0;

	while (got < n) {
		ssize_t part = pread(r->fd, r->piece + got, n - got, (off_t)(r->at + got));

		if (part < 0 && errno == EINTR)
			continue;
		if (part < 0)
			return folder_error(r->folder, r->name, r->msg);
		if (part == 0)
			return damaged(r);
		got += (size_t)part;
	}
	return 0;
}

static int header_read(struct reader *r, const struct seal_key *master, uint64_t index,
		       uint64_t *length)
{
	uint8_t nonce[SEAL_NONCE_LEN], none[1];
	const uint8_t *h = r->piece;
	struct slice head = { (const char *)h, TAG_AT };
	struct slice tag = { (const char *)h + TAG_AT, SEAL_TAG_LEN };
	int err = take(r, SNAPSHOT_HEADER);

	if (err < 0)
		return err;
	if (memcmp(h, magic, sizeof(magic)) != 0)
		return damaged(r);
	if (bytes_get_u32(h + 8) != SNAPSHOT_VERSION)
		return errmsg_set(r->msg, ERR_UNSUPPORTED, "%s/%s: made by a newer swarmbox; use "
				  "that one", r->folder->path, r->name);
	seal_derive(master, h + SALT_AT, purpose, &r->key);
	seal_nonce(NONCE_HEADER, 0, nonce);
	if (seal_open(&r->key, nonce, head, tag, none) < 0 || bytes_get_u64(h + 16) != index)
		return damaged(r);
	*length = bytes_get_u64(h + 24);
	if (*length > SNAPSHOT_BODY_MAX)
		return damaged(r);
	r->at = SNAPSHOT_HEADER;
	return 0;
}

static int pieces_read(struct reader *r, uint64_t length, struct buf *out)
{
	uint8_t nonce[SEAL_NONCE_LEN];
	uint64_t number = 0;

	while (length > 0) {
		size_t n = length < SNAPSHOT_PIECE ? (size_t)length : SNAPSHOT_PIECE;
		char *to = buf_reserve(out, n);
		struct slice sealed = { (const char *)r->piece, n + SEAL_TAG_LEN };
		int err = take(r, sealed.len);

		if (err < 0)
			return err;
		if (!to)
			return errmsg_set(r->msg, ERR_LIMIT, "%s/%s: too large", r->folder->path,
					  r->name);
		seal_nonce(NONCE_PIECE, ++number, nonce);
		if (seal_open(&r->key, nonce, (struct slice){ 0 }, sealed, (uint8_t *)to) < 0)
			return damaged(r);
		out->len += n;
		r->at += sealed.len;
		length -= n;
	}
	return 0;
}

int snapshot_load(const struct folder *f, const struct seal_key *key, struct buf *out,
		  uint64_t *index, struct errmsg *msg)
{
	struct newest newest = { 0 };
	struct reader r = { .folder = f, .msg = msg };
	char name[NAME_SIZE];
	uint64_t length = 0;
	int err = folder_each(f, newest_note, &newest, msg);

	if (err < 0)
		return err;
	if (!newest.found)
		return errmsg_set(msg, ERR_NOT_FOUND, "%s: no snapshot", f->path);
	name_of(name, newest.index);
	r.name = name;
	r.fd = openat(f->fd, name, O_RDONLY | O_CLOEXEC | O_NOCTTY);
	if (r.fd < 0)
		return folder_error(f, name, msg);
	err = header_read(&r, key, newest.index, &length);
	if (err == 0)
		err = pieces_read(&r, length, out);
	close(r.fd);
	mem_wipe(&r.key, sizeof(r.key));
	if (err == 0)
		*index = newest.index;
	return err;
}
