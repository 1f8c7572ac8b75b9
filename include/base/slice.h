/* slice.h - a borrowed run of bytes. Pure.
 *
 * (NULL, 0) is the empty slice. A slice is not NUL-terminated and is valid as long as
 * what it points into. Passed by value.
 */
#ifndef SB_BASE_SLICE_H
#define SB_BASE_SLICE_H
#include <stddef.h>
#include <stdint.h>
#include <string.h>

struct slice {
	const char *data;
	size_t len;
};

/* printf("%.*s", SLICE_ARGS(s)) */
#define SLICE_ARGS(s) (int)(s).len, (s).data ? (s).data : ""
/* The slice of a string literal. */
#define SLICE(literal) ((struct slice){ (literal), sizeof(literal) - 1 })

/* Of one length: are they equal? With ASCII letters of either case taken for equal? */
int slice_same(const char *a, const char *b, size_t n);
int slice_same_nocase(const char *a, const char *b, size_t n);

/* Inline, as most texts that something is compared with are literals of another length. */

/* text may be NULL: the empty slice. */
static inline struct slice slice_of(const char *text)
{
	return (struct slice){ text, text ? strlen(text) : 0 };
}

static inline int slice_equal(struct slice a, struct slice b)
{
	return a.len == b.len && slice_same(a.data, b.data, a.len);
}

static inline int slice_is(struct slice s, const char *text)
{
	return slice_equal(s, slice_of(text));
}

/* ASCII letters of either case are equal. */
static inline int slice_is_nocase(struct slice s, const char *text)
{
	struct slice b = slice_of(text);

	return s.len == b.len && slice_same_nocase(s.data, b.data, s.len);
}

static inline int slice_has_prefix(struct slice s, const char *prefix)
{
	struct slice b = slice_of(prefix);

	return s.len >= b.len && slice_same(s.data, b.data, b.len);
}

/* memcmp order, shorter first on a tie: < 0, 0, > 0. */
int slice_compare(struct slice a, struct slice b);
/* Index of the first c, or s.len. */
size_t slice_find(struct slice s, char c);
/* Without leading and trailing blanks (space, tab, CR, LF). */
struct slice slice_trim(struct slice s);
/*
 * Takes what stands before the first c off *rest and returns it; *rest is then what
 * follows c. Without a c, all is returned and *rest becomes {NULL, 0}.
 */
struct slice slice_cut(struct slice *rest, char c);
/* Decimal digits only, all of s. 0, or ERR_INVALID (empty, another character, > max). */
int slice_to_u64(struct slice s, uint64_t max, uint64_t *value);
/* As slice_to_u64 with one optional leading '-'; range of int64_t. */
int slice_to_i64(struct slice s, int64_t *value);
/*
 * A decimal fraction such as "0.5" or "2" in units of 10^-places, digits beyond places
 * refused: ("0.1", 9) gives 100000000. 0, or ERR_INVALID (form, range of int64_t).
 */
int slice_to_fixed(struct slice s, unsigned places, int64_t *value);
#endif
