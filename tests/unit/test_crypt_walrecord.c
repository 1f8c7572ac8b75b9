/* A log segment in memory: cut at every byte, every bit flipped, taken apart and mixed. */
#include <string.h>
#include "base/err.h"
#include "base/mem.h"
#include "crypt/walrecord.h"
#include "unit.h"

static const struct seal_key master = { { 1, 2, 3, 4 } };
static const uint8_t salt[SEAL_SALT_LEN] = { 9, 8, 7 };

enum { RECORDS = 6, TAIL_ZEROS = 64 };

/* A segment of RECORDS records of i * 5 bytes 'a' + i, synced after every second one, with
 * a mark at the end and zeros behind it. */
struct sample {
	struct buf bytes;
	uint32_t end[RECORDS + 1];	/* offset behind record i; [0]: behind the header */
	uint32_t durable[RECORDS + 1];	/* what record i told */
};

static void sample_make(struct sample *m)
{
	struct walsegment s = { .first = 100 };
	char text[RECORDS * 5];

	buf_init(&m->bytes, 1 << 20);
	walsegment_begin(&s, &master, salt, &m->bytes);
	m->end[0] = m->durable[0] = WALSEGMENT_HEADER;
	for (int i = 1; i <= RECORDS; i++) {
		memset(text, 'a' + i, sizeof(text));
		m->durable[i] = m->end[(i - 1) / 2 * 2];
		walrecord_build(&s, m->durable[i], (struct slice){ text, (size_t)(i - 1) * 5 },
				&m->bytes);
		m->end[i] = s.offset;
	}
	walrecord_mark(&s, &m->bytes);
	for (int i = 0; i < TAIL_ZEROS; i++)
		buf_add_char(&m->bytes, 0);
}

/* Reads records until one is not there; each must be what was written. Returns how many,
 * and why it ended. */
static int sample_read(struct slice file, int *end)
{
	struct walsegment s;
	struct buf payload;
	int n = 0;

	*end = walsegment_parse(&s, &master, file);
	if (*end < 0)
		return -1;
	buf_init(&payload, WALRECORD_PAYLOAD_MAX + 1);
	for (;;) {
		*end = walrecord_next(&s, file, &payload);
		if (*end < 0)
			break;
		n++;
		if (payload.len != (size_t)(n - 1) * 5)
			unit_check(0, "the record's length", __FILE__, __LINE__);
		for (size_t i = 0; i < payload.len; i++)
			unit_check(payload.data[i] == 'a' + n, "a byte", __FILE__, __LINE__);
	}
	buf_done(&payload);
	return n;
}

TEST(a_segment_is_read_back)
{
	struct sample m;
	struct walsegment s;
	int end;

	sample_make(&m);
	CHECK_INT(sample_read(buf_slice(&m.bytes), &end), RECORDS);
	CHECK_INT(end, ERR_NOT_FOUND);
	CHECK_INT(walsegment_parse(&s, &master, buf_slice(&m.bytes)), 0);
	CHECK_INT(s.first, 100);
	CHECK_INT(s.offset, WALSEGMENT_HEADER);
	buf_done(&m.bytes);
}

/* Whatever of the end is missing, or was not yet written over zeros: what stands before is
 * read, and it is never called rot. */
TEST(a_segment_cut_anywhere_is_a_prefix)
{
	struct sample m;
	int end;

	sample_make(&m);
	for (size_t n = 0; n < m.bytes.len - TAIL_ZEROS; n++) {
		struct slice part = { unit_guard(m.bytes.data, n), n };
		int expected = 0, got = sample_read(part, &end);
		char *zeroed;

		if (n < WALSEGMENT_HEADER) {
			CHECK_INT(end, ERR_CORRUPT);
			continue;
		}
		while (expected < RECORDS && m.end[expected + 1] <= n)
			expected++;
		CHECK_INT(got, expected);
		CHECK(end == ERR_NOT_FOUND || end == ERR_TORN);
		zeroed = unit_guard(m.bytes.data, m.bytes.len);
		memset(zeroed + n, 0, m.bytes.len - n);
		got = sample_read((struct slice){ zeroed, m.bytes.len }, &end);
		CHECK(got >= expected && end != ERR_CORRUPT);
	}
	buf_done(&m.bytes);
}

/* Durable records are told from torn ones by what stands behind them: with the mark there,
 * no flipped bit in any record may pass as a torn tail. */
TEST(a_flipped_bit_is_rot_wherever_something_later_tells_so)
{
	struct sample m;
	int end;

	sample_make(&m);
	for (size_t bit = 0; bit < m.bytes.len * 8; bit++) {
		size_t byte = bit / 8;
		int got;

		m.bytes.data[byte] = (char)(m.bytes.data[byte] ^ 1 << bit % 8);
		got = sample_read(buf_slice(&m.bytes), &end);
		if (byte < WALSEGMENT_HEADER)
			CHECK(end == ERR_CORRUPT || end == ERR_UNSUPPORTED);
		if (byte >= WALSEGMENT_HEADER && byte < m.end[RECORDS])
			CHECK_INT(end, ERR_CORRUPT);
		if (byte >= m.end[RECORDS])
			CHECK(got == RECORDS && (end == ERR_TORN || end == ERR_NOT_FOUND));
		m.bytes.data[byte] = (char)(m.bytes.data[byte] ^ 1 << bit % 8);
	}
	buf_done(&m.bytes);
}

/* Without the mark the last batch may have been torn: it is cut, and never more than it. */
TEST(a_flipped_bit_in_the_last_unmarked_batch_is_a_cut)
{
	struct sample m;
	int end;

	sample_make(&m);
	memset(m.bytes.data + m.end[RECORDS], 0, m.bytes.len - m.end[RECORDS]);
	for (size_t byte = WALSEGMENT_HEADER; byte < m.end[RECORDS]; byte++) {
		int got;

		m.bytes.data[byte] ^= 0x10;
		got = sample_read(buf_slice(&m.bytes), &end);
		if (byte < m.durable[RECORDS])
			CHECK_INT(end, ERR_CORRUPT);
		else
			CHECK((end == ERR_TORN || end == ERR_NOT_FOUND) && got >= RECORDS - 2);
		m.bytes.data[byte] ^= 0x10;
	}
	buf_done(&m.bytes);
}

/* A batch of two of which the disk wrote only the second, as sectors may go in any order. */
TEST(a_batch_written_out_of_order_is_a_cut)
{
	struct sample m;
	int end;

	sample_make(&m);
	memset(m.bytes.data + m.end[4], 0, m.end[5] - m.end[4]);
	memset(m.bytes.data + m.end[6], 0, m.bytes.len - m.end[6]);
	CHECK_INT(sample_read(buf_slice(&m.bytes), &end), 4);
	CHECK_INT(end, ERR_TORN);
	buf_done(&m.bytes);
}

TEST(records_cannot_be_dropped_or_swapped)
{
	struct sample m;
	int end;

	sample_make(&m);
	/* Drop record 3. */
	memmove(m.bytes.data + m.end[2], m.bytes.data + m.end[3], m.bytes.len - m.end[3]);
	CHECK_INT(sample_read(buf_slice(&m.bytes), &end), 2);
	CHECK(end == ERR_CORRUPT || end == ERR_TORN);
	buf_done(&m.bytes);
	/* Record 3 twice. */
	sample_make(&m);
	memcpy(m.bytes.data + m.end[3], m.bytes.data + m.end[2], m.end[3] - m.end[2]);
	CHECK_INT(sample_read(buf_slice(&m.bytes), &end), 3);
	CHECK_INT(end, ERR_CORRUPT);
	buf_done(&m.bytes);
}

TEST(another_key_and_another_version_are_refused)
{
	struct seal_key other = { { 1, 2, 3, 5 } };
	struct walsegment s;
	struct sample m;

	sample_make(&m);
	CHECK_INT(walsegment_parse(&s, &other, buf_slice(&m.bytes)), ERR_CORRUPT);
	/* A version that is only damaged fits its tag no more, and the right one does. */
	m.bytes.data[8] = WALSEGMENT_VERSION + 1;
	CHECK_INT(walsegment_parse(&s, &master, buf_slice(&m.bytes)), ERR_CORRUPT);
	m.bytes.data[88] ^= 1;
	CHECK_INT(walsegment_parse(&s, &master, buf_slice(&m.bytes)), ERR_UNSUPPORTED);
	buf_done(&m.bytes);
}

TEST(the_largest_record_fits_and_plain_text_is_not_seen)
{
	struct walsegment s = { .first = 1 }, reader;
	char *big = mem_new(WALRECORD_PAYLOAD_MAX);
	struct buf file, payload;

	memset(big, 'P', WALRECORD_PAYLOAD_MAX);
	buf_init(&file, WALRECORD_PAYLOAD_MAX + 1000);
	buf_init(&payload, WALRECORD_PAYLOAD_MAX + 1);
	walsegment_begin(&s, &master, salt, &file);
	walrecord_build(&s, s.offset, (struct slice){ big, WALRECORD_PAYLOAD_MAX }, &file);
	CHECK(memmem(file.data, file.len, "PPPPPPPP", 8) == NULL);
	CHECK_INT(walsegment_parse(&reader, &master, buf_slice(&file)), 0);
	CHECK_INT(walrecord_next(&reader, buf_slice(&file), &payload), 0);
	CHECK_INT(payload.len, WALRECORD_PAYLOAD_MAX);
	CHECK(memcmp(payload.data, big, payload.len) == 0);
	CHECK_INT(walrecord_next(&reader, buf_slice(&file), &payload), ERR_NOT_FOUND);
	buf_done(&file);
	buf_done(&payload);
	mem_free(big);
}
