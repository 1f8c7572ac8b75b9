/* Contracts are in slice.h. */
#include "base/slice.h"
#include <string.h>
#include "base/err.h"

/* How many bytes are the same in both, word by word: the C library's memcmp takes several
 * instructions a byte, and every lookup in a map is a dozen of these. */
static size_t same_bytes(const char *a, const char *b, size_t n)
{
	size_t i = 0;
	uint64_t x, y;

	for (; i + sizeof(x) <= n; i += sizeof(x)) {
		memcpy(&x, a + i, sizeof(x));
		memcpy(&y, b + i, sizeof(y));
		if (x != y)
			break;
	}
	while (i < n && a[i] == b[i])
		i++;
	return i;
}

int slice_same(const char *a, const char *b, size_t n)
{
	return same_bytes(a, b, n) == n;
}

static char lower(char c)
{
	return c >= 'A' && c <= 'Z' ? (char)(c - 'A' + 'a') : c;
}

int slice_same_nocase(const char *a, const char *b, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		if (lower(a[i]) != lower(b[i]))
			return 0;
	}
	return 1;
}

int slice_compare(struct slice a, struct slice b)
{
	size_t n = a.len < b.len ? a.len : b.len;
	size_t i = same_bytes(a.data, b.data, n);

	if (i < n)
		return (unsigned char)a.data[i] < (unsigned char)b.data[i] ? -1 : 1;
	return (a.len > b.len) - (a.len < b.len);
}

size_t slice_find(struct slice s, char c)
{
	const char *p = s.len ? memchr(s.data, c, s.len) : NULL;

	return p ? (size_t)(p - s.data) : s.len;
}

static int is_blank(char c)
{
	return c == ' ' || c == '\t' || c == '\r' || c == '\n';
}

struct slice slice_trim(struct slice s)
{
	while (s.len && is_blank(s.data[0])) {
		s.data++;
		s.len--;
	}
	while (s.len && is_blank(s.data[s.len - 1]))
		s.len--;
	return s;
}

struct slice slice_cut(struct slice *rest, char c)
{
	struct slice head = *rest;
	size_t at = slice_find(*rest, c);

	if (at == rest->len) {
		*rest = (struct slice){ NULL, 0 };
		return head;
	}
	head.len = at;
	rest->data += at + 1;
	rest->len -= at + 1;
	return head;
}

int slice_to_u64(struct slice s, uint64_t max, uint64_t *value)
{
	uint64_t n = 0;

	if (s.len == 0)
		return ERR_INVALID;
	for (size_t i = 0; i < s.len; i++) {
		unsigned digit = (unsigned)(unsigned char)s.data[i] - '0';

		if (digit > 9 || n > (UINT64_MAX - digit) / 10)
			return ERR_INVALID;
		n = n * 10 + digit;
	}
	if (n > max)
		return ERR_INVALID;
	*value = n;
	return 0;
}

int slice_to_i64(struct slice s, int64_t *value)
{
	int negative = s.len > 0 && s.data[0] == '-';
	uint64_t n;

	if (negative) {
		s.data++;
		s.len--;
	}
	if (slice_to_u64(s, (uint64_t)INT64_MAX + (uint64_t)negative, &n) < 0)
		return ERR_INVALID;
	*value = negative ? (int64_t)(0 - n) : (int64_t)n;
	return 0;
}

int slice_to_fixed(struct slice s, unsigned places, int64_t *value)
{
	struct slice fraction = s;
	struct slice whole = slice_cut(&fraction, '.');
	uint64_t n = 0, part = 0, scale = 1;

	for (unsigned i = 0; i < places; i++)
		scale *= 10;
	if (whole.len == 0 && fraction.len == 0)
		return ERR_INVALID;
	if (whole.len && slice_to_u64(whole, INT64_MAX / scale, &n) < 0)
		return ERR_INVALID;
	if (fraction.len > places || (fraction.len && slice_to_u64(fraction, scale, &part) < 0))
		return ERR_INVALID;
	for (size_t i = fraction.len; i < places; i++)
		part *= 10;
	if (n * scale > (uint64_t)INT64_MAX - part)
		return ERR_INVALID;
	*value = (int64_t)(n * scale + part);
	return 0;
}
