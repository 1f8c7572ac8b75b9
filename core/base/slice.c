/* Contracts are in slice.h. */
#include "base/slice.h"
#include <string.h>
#include "base/err.h"

struct slice slice_of(const char *text)
{
	return (struct slice){ text, text ? strlen(text) : 0 };
}

int slice_equal(struct slice a, struct slice b)
{
	return a.len == b.len && (a.len == 0 || memcmp(a.data, b.data, a.len) == 0);
}

int slice_is(struct slice s, const char *text)
{
	return slice_equal(s, slice_of(text));
}

static char lower(char c)
{
	return c >= 'A' && c <= 'Z' ? (char)(c - 'A' + 'a') : c;
}

int slice_is_nocase(struct slice s, const char *text)
{
	size_t n = strlen(text);

	if (s.len != n)
		return 0;
	for (size_t i = 0; i < n; i++) {
		if (lower(s.data[i]) != lower(text[i]))
			return 0;
	}
	return 1;
}

int slice_compare(struct slice a, struct slice b)
{
	size_t n = a.len < b.len ? a.len : b.len;
	int order = n ? memcmp(a.data, b.data, n) : 0;

	if (order != 0)
		return order;
	return (a.len > b.len) - (a.len < b.len);
}

int slice_has_prefix(struct slice s, const char *prefix)
{
	size_t n = strlen(prefix);

	return s.len >= n && (n == 0 || memcmp(s.data, prefix, n) == 0);
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
