/* bytes.h - fixed-width numbers in little-endian bytes. Pure. */
#ifndef SB_BASE_BYTES_H
#define SB_BASE_BYTES_H
#include <endian.h>
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
#endif
