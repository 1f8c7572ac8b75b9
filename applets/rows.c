#include <string.h>

#include "applets/rows.h"
#include "codec/json.h"

enum {
	CELL_MIN = 10,		/* with its blanks, as docker's tables */
	CELL_GAP = 3,
	ID_SHOWN = 12,
};

void rows_init(struct rows *r, struct arena *a, const struct column *columns, unsigned width)
{
	*r = (struct rows){ .arena = a, .columns = columns, .width = width };
}

const char **rows_add(struct rows *r)
{
	const char **row;

	if (r->count == r->capacity) {
		uint32_t capacity = r->capacity ? r->capacity * 2 : 16;
		const char **cells = arena_array(r->arena, (size_t)capacity * r->width,
			sizeof(*cells));

		if (r->count)
			memcpy(cells, r->cells, (size_t)r->count * r->width * sizeof(*cells));
		r->cells = cells;
		r->capacity = capacity;
	}
	row = r->cells + (size_t)r->count++ * r->width;
	for (unsigned i = 0; i < r->width; i++)
		row[i] = "";
	return row;
}

/* Characters, not bytes: those of UTF-8 that begin one. */
static size_t characters(const char *text)
{
	size_t n = 0;

	for (; *text; text++)
		n += ((unsigned char)*text & 0xc0) != 0x80;
	return n;
}

static size_t column_width(const struct rows *r, unsigned column)
{
	size_t width = characters(r->columns[column].title);

	for (uint32_t i = 0; i < r->count; i++) {
		size_t n = characters(r->cells[(size_t)i * r->width + column]);

		if (n > width)
			width = n;
	}
	width += CELL_GAP;
	return width < CELL_MIN ? CELL_MIN : width;
}

/* Nodes and engines say much of what is shown, and it is not theirs to move the cursor. */
static void add_harmless(struct buf *out, const char *text)
{
	for (; *text; text++) {
		unsigned char c = (unsigned char)*text, next = (unsigned char)text[1];
		int is_c1 = c == 0xc2 && next >= 0x80 && next < 0xa0;	/* U+0080 to U+009F */

		text += is_c1;
		buf_add_char(out, is_c1 || c < 0x20 || c == 0x7f ? '?' : *text);
	}
}

static void add_cell(const struct rows *r, unsigned column, const char *text, size_t width,
		     struct buf *out)
{
	add_harmless(out, text);
	if (column + 1 == r->width) {
		buf_add_char(out, '\n');
		return;
	}
	for (size_t n = characters(text); n < width; n++)
		buf_add_char(out, ' ');
}

static void write_table(const struct rows *r, struct buf *out)
{
	size_t *widths = arena_array(r->arena, r->width, sizeof(*widths));

	for (unsigned k = 0; k < r->width; k++)
		widths[k] = column_width(r, k);
	for (unsigned k = 0; k < r->width; k++)
		add_cell(r, k, r->columns[k].title, widths[k], out);
	for (uint32_t i = 0; i < r->count; i++)
		for (unsigned k = 0; k < r->width; k++)
			add_cell(r, k, r->cells[(size_t)i * r->width + k], widths[k], out);
}

/* The column whose field comes next in the alphabet after `last`, or width. */
static unsigned next_field(const struct rows *r, const char *last)
{
	unsigned best = r->width;

	for (unsigned k = 0; k < r->width; k++) {
		const char *field = r->columns[k].field;

		if (last && strcmp(field, last) <= 0)
			continue;
		if (best == r->width || strcmp(field, r->columns[best].field) < 0)
			best = k;
	}
	return best;
}

/* Docker's JSON comes out of a map of Go: sorted by name. */
static void write_json(const struct rows *r, struct buf *out)
{
	for (uint32_t i = 0; i < r->count; i++) {
		const char *last = NULL;
		struct json_writer w;

		json_begin(&w, out);
		json_open_object(&w);
		for (unsigned k = next_field(r, last); k < r->width; k = next_field(r, last)) {
			last = r->columns[k].field;
			json_put_str(&w, last, r->cells[(size_t)i * r->width + k]);
		}
		json_close_object(&w);
		buf_add_char(out, '\n');
	}
}

void rows_write(const struct rows *r, enum rows_form form, struct buf *out)
{
	switch (form) {
	case ROWS_TABLE:
		write_table(r, out);
		break;
	case ROWS_JSON:
		write_json(r, out);
		break;
	case ROWS_QUIET:
		for (uint32_t i = 0; i < r->count; i++)
			buf_printf(out, "%s\n", r->cells[(size_t)i * r->width]);
		break;
	}
}

int rows_form(const struct rows_options *o, enum rows_form *form, struct errmsg *msg)
{
	if (o->quiet > 0)
		*form = ROWS_QUIET;
	else if (!o->format || strcmp(o->format, "table") == 0)
		*form = ROWS_TABLE;
	else if (strcmp(o->format, "json") == 0)
		*form = ROWS_JSON;
	else
		return errmsg_set(msg, ERR_INVALID, "--format: \"%s\" is not table or json",
			o->format);
	return 0;
}

const char *rows_id(struct arena *a, const char *id, int no_trunc)
{
	struct slice s = slice_of(id);

	if (!id)
		return "";
	if (no_trunc > 0 || s.len <= ID_SHOWN)
		return id;
	return arena_str(a, (struct slice){ s.data, ID_SHOWN });
}

static int is_digit(char c)
{
	return c >= '0' && c <= '9';
}

/* Compares the numbers at both places and passes over them. */
static int compare_numbers(const char **a, const char **b)
{
	size_t na, nb;
	int order;

	for (; **a == '0' && is_digit((*a)[1]);)
		(*a)++;
	for (; **b == '0' && is_digit((*b)[1]);)
		(*b)++;
	for (na = 0; is_digit((*a)[na]);)
		na++;
	for (nb = 0; is_digit((*b)[nb]);)
		nb++;
	order = na != nb ? (na < nb ? -1 : 1) : memcmp(*a, *b, na);
	*a += na;
	*b += nb;
	return order;
}

int rows_compare_names(const char *a, const char *b)
{
	const char *whole_a = a, *whole_b = b;

	while (*a && *b) {
		if (is_digit(*a) && is_digit(*b)) {
			int order = compare_numbers(&a, &b);

			if (order)
				return order;
		} else if (*a != *b) {
			return (unsigned char)*a < (unsigned char)*b ? -1 : 1;
		} else {
			a++;
			b++;
		}
	}
	if (*a || *b)
		return *a ? 1 : -1;
	return strcmp(whole_a, whole_b);
}
