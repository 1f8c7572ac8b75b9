/* Contracts and layout are in sealed.h. What a reader would get wrong: only the header's tag tells
 * if it is the right key, and a version that is damaged from another version. */
#include "io/sealed.h"
#include <string.h>
#include "base/bytes.h"
#include "base/mem.h"
#include "io/entropy.h"

/* Nonce sequences under one file's key. */
enum { NONCE_HEADER = 0, NONCE_PIECE = 1 };

enum { SALT_AT = 32, TAG_AT = 64, WHOLE_PIECE = SEALED_PIECE + SEAL_TAG_LEN };

static uint64_t piece_offset(uint64_t number)
{
	return SEALED_HEADER + (number - 1) * WHOLE_PIECE;
}

/* ---- writing ------------------------------------------------------------------------ */

static int put_any(void *context, struct slice piece)
{
	return sealed_put(context, piece);
}

void sealed_begin(struct sealed_writer *w, const struct sealed_kind *kind,
		  const struct sealed_place *place, const struct seal_key *key, uint64_t number)
{
	*w = (struct sealed_writer){ .sink = { put_any, w }, .kind = kind, .place = *place,
				     .number = number };
	entropy_fill(w->salt, sizeof(w->salt));
	seal_derive(key, w->salt, kind->purpose, &w->key);
}

static int put_at(struct sealed_writer *w, const void *bytes, size_t n, uint64_t offset)
{
	const struct sealed_place *p = &w->place;

	if (folder_write_at(p->folder, p->fd, bytes, n, offset) < 0)
		w->failed = folder_error(p->folder, p->name, &w->why);
	return w->failed;
}

/* Seals and writes what is in w->piece. */
static int piece_write(struct sealed_writer *w)
{
	struct slice plain = { (char *)w->piece, w->filled };
	uint8_t nonce[SEAL_NONCE_LEN];

	seal_nonce(NONCE_PIECE, ++w->pieces, nonce);
	seal_close(&w->key, nonce, (struct slice){ 0 }, plain, w->piece);
	w->filled = 0;
	return put_at(w, w->piece, plain.len + SEAL_TAG_LEN, piece_offset(w->pieces));
}

int sealed_put(struct sealed_writer *w, struct slice bytes)
{
	if (w->failed)
		return w->failed;
	if (bytes.len > w->kind->length_max - w->length) {
		w->failed = errmsg_set(&w->why, ERR_LIMIT, "a %s of more than %llu bytes",
				       w->kind->what, (unsigned long long)w->kind->length_max);
		return w->failed;
	}
	w->length += bytes.len;
	while (bytes.len > 0) {
		size_t room = SEALED_PIECE - w->filled;
		size_t n = bytes.len < room ? bytes.len : room;

		memcpy(w->piece + w->filled, bytes.data, n);
		w->filled += (uint32_t)n;
		bytes.data += n;
		bytes.len -= n;
		if (w->filled == SEALED_PIECE && piece_write(w) < 0)
			return w->failed;
	}
	return 0;
}

static int header_write(struct sealed_writer *w)
{
	uint8_t header[SEALED_HEADER] = { 0 }, nonce[SEAL_NONCE_LEN];

	memcpy(header, w->kind->magic, sizeof(w->kind->magic));
	bytes_put(header + 8, 4, w->kind->version);
	bytes_put(header + 16, 8, w->number);
	bytes_put(header + 24, 8, w->length);
	memcpy(header + SALT_AT, w->salt, SEAL_SALT_LEN);
	seal_nonce(NONCE_HEADER, 0, nonce);
	seal_close(&w->key, nonce, (struct slice){ (char *)header, TAG_AT }, (struct slice){ 0 },
		   header + TAG_AT);
	return put_at(w, header, sizeof(header), 0);
}

int sealed_finish(struct sealed_writer *w, struct errmsg *msg)
{
	int err;

	if (!w->failed && w->filled > 0)
		(void)piece_write(w);	/* sets w->failed */
	if (!w->failed)
		(void)header_write(w);	/* likewise */
	err = w->failed ? errmsg_set(msg, w->failed, "%s", w->why.text) : 0;
	sealed_abandon(w);
	return err;
}

void sealed_abandon(struct sealed_writer *w)
{
	mem_wipe(&w->key, sizeof(w->key));
	mem_wipe(w->piece, sizeof(w->piece));
}

/* ---- reading ------------------------------------------------------------------------ */

static int damaged(const struct sealed_reader *r, uint64_t offset, struct errmsg *msg)
{
	return errmsg_set(msg, ERR_CORRUPT, "%.200s/%s: offset %llu: damaged%s%s",
			  r->place.folder->path, r->place.name, (unsigned long long)offset,
			  offset ? "" : ", or not made with this key", r->kind->remedy);
}

/* Reads exactly n bytes at offset into r->piece. */
static int take(struct sealed_reader *r, uint64_t offset, size_t n, struct errmsg *msg)
{
	const struct sealed_place *p = &r->place;
	ssize_t got = folder_read_at(p->folder, p->fd, r->piece, n, offset);

	if (got < 0)
		return folder_error(p->folder, p->name, msg);
	return (size_t)got == n ? 0 : damaged(r, offset, msg);
}

static int header_read(struct sealed_reader *r, const struct seal_key *master, struct errmsg *msg)
{
	uint8_t nonce[SEAL_NONCE_LEN], none[1], *h = r->piece;
	struct slice head = { (const char *)h, TAG_AT };
	struct slice tag = { (const char *)h + TAG_AT, SEAL_TAG_LEN };
	const struct sealed_kind *kind = r->kind;
	int err = take(r, 0, SEALED_HEADER, msg), sealed;
	uint32_t version;

	if (err < 0)
		return err;
	if (memcmp(h, kind->magic, sizeof(kind->magic)) != 0)
		return damaged(r, 0, msg);
	version = bytes_get_u32(h + 8);
	/* A version that is only damaged is told from another one: with ours the tag fits. */
	bytes_put(h + 8, 4, kind->version);
	seal_derive(master, h + SALT_AT, kind->purpose, &r->key);
	seal_nonce(NONCE_HEADER, 0, nonce);
	sealed = seal_open(&r->key, nonce, head, tag, none) == 0;
	if (version != kind->version && !sealed)
		return errmsg_set(msg, ERR_UNSUPPORTED, "%.300s/%s: made by a newer swarmbox; use "
				  "that one", r->place.folder->path, r->place.name);
	if (version != kind->version || !sealed)
		return damaged(r, 0, msg);
	r->number = bytes_get_u64(h + 16);
	r->length = bytes_get_u64(h + 24);
	return r->length <= kind->length_max ? 0 : damaged(r, 0, msg);
}

int sealed_open(struct sealed_reader *r, const struct sealed_kind *kind,
		const struct sealed_place *place, const struct seal_key *key, struct errmsg *msg)
{
	int err;

	*r = (struct sealed_reader){ .kind = kind, .place = *place };
	err = header_read(r, key, msg);
	if (err < 0)
		sealed_close(r);
	return err;
}

uint64_t sealed_size(const struct sealed_reader *r)
{
	uint64_t pieces = (r->length + SEALED_PIECE - 1) / SEALED_PIECE;

	return SEALED_HEADER + r->length + pieces * SEAL_TAG_LEN;
}

/* Brings the piece that holds offset, which is below the length, into memory; *plain is what
 * it holds from there on. */
static int piece_read(struct sealed_reader *r, uint64_t offset, struct slice *plain,
		      struct errmsg *msg)
{
	uint64_t number = offset / SEALED_PIECE + 1, start = (number - 1) * SEALED_PIECE;
	uint64_t rest = r->length - start;
	size_t n = rest < SEALED_PIECE ? (size_t)rest : SEALED_PIECE;
	struct slice sealed = { (const char *)r->piece, n + SEAL_TAG_LEN };
	uint8_t nonce[SEAL_NONCE_LEN];
	int err = 0;

	if (r->loaded != number) {
		r->loaded = 0;
		err = take(r, piece_offset(number), sealed.len, msg);
		if (err < 0)
			return err;
		seal_nonce(NONCE_PIECE, number, nonce);
		if (seal_open(&r->key, nonce, (struct slice){ 0 }, sealed, r->piece) < 0)
			return damaged(r, piece_offset(number), msg);
		r->loaded = number;
	}
	*plain = (struct slice){ sealed.data + (offset - start), n - (size_t)(offset - start) };
	return 0;
}

int sealed_next(struct sealed_reader *r, struct slice *piece, struct errmsg *msg)
{
	int err = sealed_read(r, r->at, SEALED_PIECE, piece, msg);

	if (err == 0)
		r->at += piece->len;
	return err;
}

int sealed_read(struct sealed_reader *r, uint64_t offset, size_t n, struct slice *bytes,
		struct errmsg *msg)
{
	struct slice plain = { 0 };
	int err = offset < r->length ? piece_read(r, offset, &plain, msg) : 0;

	if (err < 0)
		return err;
	if (plain.len > n)
		plain.len = n;
	*bytes = plain;
	return 0;
}

void sealed_close(struct sealed_reader *r)
{
	mem_wipe(&r->key, sizeof(r->key));
	mem_wipe(r->piece, sizeof(r->piece));
}
