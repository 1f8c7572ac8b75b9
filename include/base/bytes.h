/* bytes.h - numbers in little-endian bytes, of fixed width or as short as they are. Pure. */
#ifndef SB_BASE_BYTES_H
#define SB_BASE_BYTES_H
#include <endian.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

/* The caller has checked that the bytes are there. */
static inline uint64_t bytes_get(const void *p, unsigned n)
{
	uint64_t v = 0;

	memcpy(&v, p, n);
	return le64toh(v);
}

static inline uint32_t bytes_get_u32(const void *p) { return (uint32_t)bytes_get(p, 4); }
static inline uint64_t bytes_get_u64(const void *p) { return bytes_get(p, 8); }

/* The low n bytes of v. */
static inline void bytes_put(void *p, unsigned n, uint64_t v)
{
	v = htole64(v);
	memcpy(p, &v, n);
}

/* LEB128 (DWARF 5, 7.6): seven bits a byte, low ones first; the top bit says that more follow. */
enum { BYTES_VARINT_MAX = 10 };

/* At most BYTES_VARINT_MAX bytes to p; how many. */
static inline size_t bytes_put_varint(void *p, uint64_t v)
{
	uint8_t *to = p;
	size_t n = 0;

	for (; v >= 0x80; v >>= 7)
		to[n++] = (uint8_t)(v | 0x80);
	to[n++] = (uint8_t)v;
	return n;
}

/* How many of the len bytes at p are the number *v. 0, and *v as it was: it does not end within
 * them, has more than 64 bits, or could be shorter, so each number has one form alone. */
static inline size_t bytes_get_varint(const void *p, size_t len, uint64_t *v)
{
	const uint8_t *from = p;
	uint64_t value = 0;

	for (size_t n = 0; n < len && n < BYTES_VARINT_MAX; n++) {
		value |= (uint64_t)(from[n] & 0x7f) << 7 * n;
		if (from[n] & 0x80)
			continue;
		if ((n > 0 && from[n] == 0) || (n + 1 == BYTES_VARINT_MAX && from[n] > 1))
			return 0;
		*v = value;
		return n + 1;
	}
	return 0;
}
#endif
