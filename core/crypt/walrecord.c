/*
 * Contracts and layouts are in walrecord.h. What a reader would get wrong: a frame is not
 * trusted before the payload's tag has been checked, its length least of all, so behind a
 * damaged record the next one can only be found by trying every offset.
 */
#include "crypt/walrecord.h"
#include <assert.h>
#include <string.h>
#include "base/bytes.h"
#include "base/err.h"
#include "base/mem.h"

/* Nonce sequences under one segment key. */
enum { NONCE_HEADER = 0, NONCE_DATA = WALRECORD_DATA, NONCE_MARK = WALRECORD_MARK };

enum { PREVIOUS_LEN = 32, SALT_AT = 24, PREVIOUS_AT = 56, TAG_AT = 88 };

enum { TYPE_AT = 3, CHAIN_AT = 12 };	/* in a frame */

static const char magic[8] = { 'S', 'W', 'B', 'X', 'W', 'A', 'L', '\n' };
static const char purpose[] = "swarmbox log segment 1";

/* What may be decrypted in search of a later record: many times what a file can hold that a
 * disk damaged, and an end of the work if someone made it up. */
enum { SEARCH_BYTES_MAX = 64 << 20 };

/* ---- segments --------------------------------------------------------------------- */

static void segment_stand(struct walsegment *s, const uint8_t *header)
{
	memcpy(s->chain, header + TAG_AT, WALRECORD_CHAIN_LEN);
	s->count = 0;
	s->offset = WALSEGMENT_HEADER;
}

void walsegment_begin(struct walsegment *s, const struct seal_key *master,
		      const uint8_t salt[SEAL_SALT_LEN], struct buf *out)
{
	uint8_t header[WALSEGMENT_HEADER] = { 0 };
	uint8_t nonce[SEAL_NONCE_LEN];

	assert(s->first > 0);
	memcpy(header, magic, sizeof(magic));
	bytes_put(header + 8, 4, WALSEGMENT_VERSION);
	bytes_put(header + 12, 4, s->sequence);
	bytes_put(header + 16, 8, s->first);
	memcpy(header + SALT_AT, salt, SEAL_SALT_LEN);
	memcpy(header + PREVIOUS_AT, s->previous, WALRECORD_CHAIN_LEN);
	seal_derive(master, salt, purpose, &s->key);
	seal_nonce(NONCE_HEADER, 0, nonce);
	seal_close(&s->key, nonce, (struct slice){ (char *)header, TAG_AT }, (struct slice){ 0 },
		   header + TAG_AT);
	buf_add(out, header, sizeof(header));
	segment_stand(s, header);
}

int walsegment_parse(struct walsegment *s, const struct seal_key *master, struct slice file)
{
	const uint8_t *header = (const uint8_t *)file.data;
	uint8_t nonce[SEAL_NONCE_LEN], none[1], head[TAG_AT];
	struct slice tag;
	uint32_t version;

	if (file.len < WALSEGMENT_HEADER || memcmp(header, magic, sizeof(magic)) != 0)
		return ERR_CORRUPT;
	version = bytes_get_u32(header + 8);
	*s = (struct walsegment){ .first = bytes_get_u64(header + 16),
				  .sequence = bytes_get_u32(header + 12) };
	seal_derive(master, header + SALT_AT, purpose, &s->key);
	seal_nonce(NONCE_HEADER, 0, nonce);
	tag = (struct slice){ file.data + TAG_AT, SEAL_TAG_LEN };
	/* A version that is only damaged is told from another one: with ours the tag fits. */
	memcpy(head, header, TAG_AT);
	bytes_put(head + 8, 4, WALSEGMENT_VERSION);
	if (seal_open(&s->key, nonce, (struct slice){ (char *)head, TAG_AT }, tag, none) < 0)
		return version == WALSEGMENT_VERSION ? ERR_CORRUPT : ERR_UNSUPPORTED;
	if (version != WALSEGMENT_VERSION)
		return ERR_CORRUPT;
	if (s->first == 0)
		return ERR_CORRUPT;
	memcpy(s->previous, header + PREVIOUS_AT, WALRECORD_CHAIN_LEN);
	segment_stand(s, header);
	return 0;
}

void walsegment_done(struct walsegment *s)
{
	mem_wipe(s, sizeof(*s));
}

/* ---- writing ----------------------------------------------------------------------- */

struct frame {
	uint32_t length;
	enum walrecord_type type;
	uint32_t number, durable;
	uint8_t chain[WALRECORD_CHAIN_LEN];
};

static void frame_build(const struct frame *f, uint8_t out[WALRECORD_FRAME])
{
	bytes_put(out, 3, f->length);
	bytes_put(out + TYPE_AT, 1, f->type);
	bytes_put(out + 4, 4, f->number);
	bytes_put(out + 8, 4, f->durable);
	memcpy(out + CHAIN_AT, f->chain, WALRECORD_CHAIN_LEN);
}

/* Appends frame and sealed payload; returns where its tag is. */
static const uint8_t *record_seal(const struct walsegment *s, const struct frame *f,
				  struct slice payload, struct buf *out)
{
	uint8_t nonce[SEAL_NONCE_LEN];
	uint8_t *p = (uint8_t *)buf_reserve(out, WALRECORD_OVERHEAD + payload.len);

	assert(p && payload.len == f->length);
	frame_build(f, p);
	seal_nonce(f->type, f->number, nonce);
	seal_close(&s->key, nonce, (struct slice){ (char *)p, WALRECORD_FRAME }, payload,
		   p + WALRECORD_FRAME);
	out->len += WALRECORD_OVERHEAD + payload.len;
	return p + WALRECORD_FRAME + payload.len;
}

void walrecord_build(struct walsegment *s, uint32_t durable, struct slice payload,
		     struct buf *out)
{
	struct frame f = { .length = (uint32_t)payload.len, .type = WALRECORD_DATA,
			   .number = s->count + 1, .durable = durable };

	assert(payload.len <= WALRECORD_PAYLOAD_MAX);
	assert(durable <= s->offset && s->offset < UINT32_MAX / 2);
	memcpy(f.chain, s->chain, sizeof(f.chain));
	memcpy(s->chain, record_seal(s, &f, payload, out), WALRECORD_CHAIN_LEN);
	s->count++;
	s->offset += WALRECORD_OVERHEAD + f.length;
}

void walrecord_mark(const struct walsegment *s, struct buf *out)
{
	struct frame f = { .type = WALRECORD_MARK, .number = s->count, .durable = s->offset };

	memcpy(f.chain, s->chain, sizeof(f.chain));
	(void)record_seal(s, &f, (struct slice){ 0 }, out);
}

/* ---- reading ----------------------------------------------------------------------- */

static inline int is_type(char c)
{
	return c == WALRECORD_DATA || c == WALRECORD_MARK;
}

/* The frame at offset, if a record of that form could stand there. */
static int frame_parse(struct slice file, uint32_t offset, struct frame *f)
{
	const char *p = file.data + offset;

	if (file.len - offset < WALRECORD_OVERHEAD)
		return ERR_CORRUPT;
	if (!is_type(p[TYPE_AT]))
		return ERR_CORRUPT;
	f->length = (uint32_t)bytes_get(p, 3);
	f->number = bytes_get_u32(p + 4);
	f->durable = bytes_get_u32(p + 8);
	memcpy(f->chain, p + CHAIN_AT, WALRECORD_CHAIN_LEN);
	f->type = (enum walrecord_type)p[TYPE_AT];
	if (f->length > WALRECORD_PAYLOAD_MAX || (f->type == WALRECORD_MARK && f->length > 0))
		return ERR_CORRUPT;
	if (file.len - offset - WALRECORD_OVERHEAD < f->length)
		return ERR_CORRUPT;
	return f->durable <= offset ? 0 : ERR_CORRUPT;
}

/* Decrypts the record at offset into payload. */
static int record_open(const struct walsegment *s, struct slice file, uint32_t offset,
		       const struct frame *f, struct buf *payload)
{
	const char *p = file.data + offset;
	uint8_t nonce[SEAL_NONCE_LEN];
	char *out;

	buf_reset(payload);
	out = buf_reserve(payload, f->length);
	assert(out);
	seal_nonce(f->type, f->number, nonce);
	if (seal_open(&s->key, nonce, (struct slice){ p, WALRECORD_FRAME },
		      (struct slice){ p + WALRECORD_FRAME, f->length + SEAL_TAG_LEN },
		      (uint8_t *)out) < 0)
		return ERR_CORRUPT;
	payload->len = f->length;
	return 0;
}

/* 1 if that frame could be of a record that comes later. */
static int is_later(const struct walsegment *s, struct slice file, const struct frame *f)
{
	return f->number > s->count && f->number <= file.len / WALRECORD_OVERHEAD;
}

/*
 * Why there is no valid record at s->offset. ERR_CORRUPT: a record behind it tells that it was
 * durable. ERR_TORN: there is one that does not tell so, or what is here began as the next
 * record. ERR_NOT_FOUND: nothing of this segment follows.
 */
static int end_reason(const struct walsegment *s, struct slice file, struct buf *payload)
{
	uint32_t left = SEARCH_BYTES_MAX;
	int reason = ERR_NOT_FOUND;
	struct frame f;

	if (file.len - s->offset >= WALRECORD_FRAME &&
	    memcmp(file.data + s->offset + CHAIN_AT, s->chain, WALRECORD_CHAIN_LEN) == 0)
		reason = ERR_TORN;
	for (uint32_t at = s->offset; at + WALRECORD_OVERHEAD <= file.len; at++) {
		/* Nearly all end here: there may be megabytes of a former segment. */
		if (!is_type(file.data[at + TYPE_AT]))
			continue;
		if (frame_parse(file, at, &f) < 0 || !is_later(s, file, &f))
			continue;
		if (f.length > left)
			return ERR_CORRUPT;
		left -= f.length;
		if (record_open(s, file, at, &f, payload) < 0)
			continue;
		if (f.durable > s->offset)
			return ERR_CORRUPT;
		reason = ERR_TORN;
		at += WALRECORD_OVERHEAD - 1 + f.length;
	}
	return reason;
}

/* A mark at s->offset, left there when the log was last idle: all before it was durable. */
static int is_mark(const struct walsegment *s, const struct frame *f)
{
	return f->type == WALRECORD_MARK && f->number == s->count && f->durable == s->offset;
}

int walrecord_next(struct walsegment *s, struct slice file, struct buf *payload)
{
	struct frame f;
	int valid, end;

	assert(s->offset <= file.len && file.len < UINT32_MAX / 2);
	valid = frame_parse(file, s->offset, &f) == 0 &&
		memcmp(f.chain, s->chain, WALRECORD_CHAIN_LEN) == 0 &&
		record_open(s, file, s->offset, &f, payload) == 0;
	if (valid && f.type == WALRECORD_DATA && f.number == s->count + 1) {
		memcpy(s->chain, file.data + s->offset + WALRECORD_FRAME + f.length,
		       WALRECORD_CHAIN_LEN);
		s->count++;
		s->offset += WALRECORD_OVERHEAD + f.length;
		return 0;
	}
	end = valid && is_mark(s, &f) ? ERR_NOT_FOUND : end_reason(s, file, payload);
	buf_reset(payload);
	return end;
}
