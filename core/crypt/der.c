/* Contracts are in der.h. */
#include "der.h"
#include <string.h>
#include "base/err.h"

enum { LONG_LENGTH = 0x80, LENGTH_BYTES_MAX = 2 };	/* nothing here is longer than 64 KB */

void der_init(struct der *d, void *memory, size_t size)
{
	*d = (struct der){ .begin = memory, .at = (uint8_t *)memory + size };
	d->end = d->at;
}

struct slice der_out(const struct der *d)
{
	return (struct slice){ (const char *)d->at, (size_t)(d->end - d->at) };
}

void der_bytes(struct der *d, const void *bytes, size_t n)
{
	d->failed |= n > (size_t)(d->at - d->begin);
	if (d->failed || n == 0)
		return;
	d->at -= n;
	memcpy(d->at, bytes, n);
}

static void byte(struct der *d, uint8_t value)
{
	der_bytes(d, &value, 1);
}

void der_wrap(struct der *d, uint8_t tag, size_t inside)
{
	size_t n = der_out(d).len - inside;

	if (n < LONG_LENGTH) {
		byte(d, (uint8_t)n);
	} else if (n < 256) {
		byte(d, (uint8_t)n);
		byte(d, LONG_LENGTH | 1);
	} else {
		byte(d, (uint8_t)n);
		byte(d, (uint8_t)(n >> 8));
		byte(d, LONG_LENGTH | 2);
		d->failed |= n > UINT16_MAX;
	}
	byte(d, tag);
}

void der_put(struct der *d, uint8_t tag, const void *bytes, size_t n)
{
	size_t inside = der_out(d).len;

	der_bytes(d, bytes, n);
	der_wrap(d, tag, inside);
}

void der_integer(struct der *d, const uint8_t *bytes, size_t n)
{
	size_t inside = der_out(d).len;

	while (n > 1 && bytes[0] == 0) {
		bytes++;
		n--;
	}
	der_bytes(d, bytes, n);
	if (bytes[0] & 0x80)	/* it is not negative */
		byte(d, 0);
	der_wrap(d, DER_INTEGER, inside);
}

int der_is(struct slice in, uint8_t tag)
{
	return in.len > 0 && (uint8_t)in.data[0] == tag;
}

/* How long the head is, and the content. 0 or ERR_INVALID. */
static int head(struct slice in, uint8_t tag, size_t *head_len, size_t *len)
{
	const uint8_t *p = (const uint8_t *)in.data;
	size_t n, value = 0;

	if (in.len < 2 || p[0] != tag)
		return ERR_INVALID;
	n = p[1] & LONG_LENGTH ? p[1] & 0x7fu : 0;
	if ((p[1] & LONG_LENGTH && n == 0) || n > LENGTH_BYTES_MAX || in.len < 2 + n)
		return ERR_INVALID;
	for (size_t i = 0; i < n; i++)
		value = value << 8 | p[2 + i];
	if (n == 0)
		value = p[1];
	else if (value < LONG_LENGTH || (n == 2 && value < 256))
		return ERR_INVALID;	/* a shorter form would do */
	if (value > in.len - 2 - n)
		return ERR_INVALID;
	*head_len = 2 + n;
	*len = value;
	return 0;
}

int der_next_whole(struct slice *in, uint8_t tag, struct slice *whole)
{
	size_t first, n;

	if (head(*in, tag, &first, &n) < 0)
		return ERR_INVALID;
	*whole = (struct slice){ in->data, first + n };
	in->data += first + n;
	in->len -= first + n;
	return 0;
}

int der_next(struct slice *in, uint8_t tag, struct slice *content)
{
	size_t first, n;

	if (head(*in, tag, &first, &n) < 0)
		return ERR_INVALID;
	*content = (struct slice){ in->data + first, n };
	in->data += first + n;
	in->len -= first + n;
	return 0;
}
