/* Contracts are in buf.h. */
#include "base/buf.h"
#include <assert.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include "base/err.h"
#include "base/mem.h"

enum { BUF_FIRST = 256, BUF_PRINTF_MAX = 4096 };

void buf_init(struct buf *b, size_t max)
{
	*b = (struct buf){ .max = max };
}

void buf_done(struct buf *b)
{
	mem_free(b->data);
	buf_init(b, b->max);
}

void buf_reset(struct buf *b)
{
	b->len = 0;
	b->failed = 0;
}

/* One byte more than asked for is kept, for the NUL of buf_str. */
static int grow(struct buf *b, size_t n)
{
	size_t need, capacity;

	if (b->failed)
		return b->failed;
	if (n > b->max || b->len > b->max - n) {
		b->failed = ERR_LIMIT;
		return b->failed;
	}
	need = b->len + n + 1;
	if (need <= b->capacity)
		return 0;
	capacity = b->capacity ? b->capacity : BUF_FIRST;
	while (capacity < need)
		capacity += capacity / 2;
	b->data = mem_resize(b->data, capacity);
	b->capacity = capacity;
	return 0;
}

void buf_add(struct buf *b, const void *data, size_t n)
{
	if (n == 0 || grow(b, n) < 0)
		return;
	memcpy(b->data + b->len, data, n);
	b->len += n;
}

void buf_add_slice(struct buf *b, struct slice s)
{
	buf_add(b, s.data, s.len);
}

void buf_add_str(struct buf *b, const char *text)
{
	buf_add(b, text, strlen(text));
}

void buf_add_char(struct buf *b, char c)
{
	buf_add(b, &c, 1);
}

void buf_add_u64(struct buf *b, uint64_t value)
{
	char digits[20];
	size_t n = sizeof(digits);

	do {
		digits[--n] = (char)('0' + value % 10);
		value /= 10;
	} while (value);
	buf_add(b, digits + n, sizeof(digits) - n);
}

void buf_add_i64(struct buf *b, int64_t value)
{
	if (value < 0)
		buf_add_char(b, '-');
	buf_add_u64(b, value < 0 ? 0 - (uint64_t)value : (uint64_t)value);
}

void buf_printf(struct buf *b, const char *format, ...)
{
	char text[BUF_PRINTF_MAX];
	va_list args;
	int n;

	va_start(args, format);
	n = vsnprintf(text, sizeof(text), format, args);
	va_end(args);
	assert(n >= 0);
	buf_add(b, text, (size_t)n < sizeof(text) ? (size_t)n : sizeof(text) - 1);
}

char *buf_reserve(struct buf *b, size_t n)
{
	return grow(b, n) < 0 ? NULL : b->data + b->len;
}

void buf_consume(struct buf *b, size_t n)
{
	assert(n <= b->len);
	if (n == 0)
		return;
	memmove(b->data, b->data + n, b->len - n);
	b->len -= n;
}

struct slice buf_slice(const struct buf *b)
{
	return (struct slice){ b->data, b->len };
}

const char *buf_str(struct buf *b)
{
	if (!b->data)
		return "";
	assert(b->len < b->capacity);
	b->data[b->len] = '\0';
	return b->data;
}
