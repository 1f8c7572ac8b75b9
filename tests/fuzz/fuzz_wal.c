/*
 * A log segment on a bad disk. The first byte tells what the file held before (odd: another
 * segment). The next write records (length, then whether a sync follows, until a byte 0); the
 * rest is damage: operation, place u16, value. Whatever happens to the file, what is read is a
 * prefix of what was written; and if only what was not synced is damaged, all that was synced
 * is there.
 */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include "base/err.h"
#include "crypt/walrecord.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { RECORDS_MAX = 16, ZEROS = 100 };

struct script {
	const uint8_t *at, *end;
	struct buf file;
	uint32_t written;	/* records */
	uint32_t synced;	/* records */
	uint32_t synced_offset;
	uint8_t length[RECORDS_MAX + 1];
	uint32_t damage_from;	/* lowest offset that was changed */
};

static const struct seal_key key = { { 1 } };
static const uint8_t salt[SEAL_SALT_LEN] = { 2 }, salt_before[SEAL_SALT_LEN] = { 3 };

static void must(int ok)
{
	if (!ok)
		abort();
}

static uint8_t next(struct script *s)
{
	return s->at < s->end ? *s->at++ : 0;
}

/* What the file held before, behind what was written over it: records of the same lengths. */
static void write_before(struct script *s)
{
	struct walsegment w = { .first = 1 };
	struct buf before;
	char text[256] = { 0 };

	buf_init(&before, 1 << 20);
	walsegment_begin(&w, &key, salt_before, &before);
	for (uint32_t i = 1; i <= RECORDS_MAX + 2; i++) {
		uint8_t length = i <= s->written ? s->length[i] : 40;

		walrecord_build(&w, w.offset, (struct slice){ text, length }, &before);
	}
	if (before.len > s->file.len)
		buf_add(&s->file, before.data + s->file.len, before.len - s->file.len);
	buf_done(&before);
}

static void write_records(struct script *s)
{
	struct walsegment w = { .first = 1 };
	int used = next(s) & 1;
	char text[256];
	uint8_t length;

	walsegment_begin(&w, &key, salt, &s->file);
	s->synced_offset = w.offset;
	while (s->written < RECORDS_MAX && (length = next(s)) != 0) {
		memset(text, (int)(s->written + 1), sizeof(text));
		walrecord_build(&w, s->synced_offset, (struct slice){ text, length }, &s->file);
		s->length[++s->written] = length;
		if (next(s) & 1) {
			s->synced = s->written;
			s->synced_offset = w.offset;
		}
	}
	if (s->synced == s->written)
		walrecord_mark(&w, &s->file);
	if (used)
		write_before(s);
	for (int i = 0; i < ZEROS; i++)
		buf_add_char(&s->file, 0);
}

static void damage(struct script *s)
{
	uint8_t operation = next(s);
	uint32_t at = next(s) | (uint32_t)next(s) << 8;
	uint8_t value = next(s);
	uint32_t from;

	if (s->file.len == 0)
		return;
	at %= (uint32_t)s->file.len;
	from = value % (uint32_t)s->file.len;
	switch (operation % 4) {
	case 0:
		s->file.data[at] = (char)((uint8_t)s->file.data[at] ^ value);
		break;
	case 1:
		s->file.len = at;
		break;
	case 2:
		memset(s->file.data + at, value, s->file.len - at);
		break;
	default:	/* a piece written to the wrong place */
		memmove(s->file.data + at, s->file.data + from,
			s->file.len - (at > from ? at : from));
		break;
	}
	if (at < s->damage_from)
		s->damage_from = at;
}

static void read_back(const struct script *s)
{
	struct slice file = { s->file.data, s->file.len };
	struct walsegment r;
	struct buf payload;
	uint32_t n = 0;
	int err = walsegment_parse(&r, &key, file);

	if (err < 0) {
		must(s->damage_from < WALSEGMENT_HEADER);
		return;
	}
	buf_init(&payload, WALRECORD_PAYLOAD_MAX + 1);
	while ((err = walrecord_next(&r, file, &payload)) == 0) {
		must(++n <= s->written && payload.len == s->length[n]);
		for (size_t i = 0; i < payload.len; i++)
			must(payload.data[i] == (char)n);
	}
	buf_done(&payload);
	must(err == ERR_NOT_FOUND || err == ERR_TORN || err == ERR_CORRUPT);
	if (s->damage_from >= s->synced_offset)
		must(n >= s->synced && err != ERR_CORRUPT);
	if (s->damage_from == UINT32_MAX)
		must(n == s->written && err == ERR_NOT_FOUND);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct script s = { .at = data, .end = data + size, .damage_from = UINT32_MAX };

	buf_init(&s.file, 1 << 20);
	write_records(&s);
	for (int i = 0; i < 8 && s.at < s.end; i++)
		damage(&s);
	read_back(&s);
	buf_done(&s.file);
	return 0;
}
