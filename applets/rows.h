/* rows.h - lists as docker prints them: aligned, as JSON lines, or ids alone. Pure. */
#ifndef SB_ROWS_H
#define SB_ROWS_H
#include "applets/option.h"
#include "base/arena.h"
#include "base/buf.h"
#include "base/err.h"

enum rows_form { ROWS_TABLE, ROWS_JSON, ROWS_QUIET };

struct column {
	const char *title;	/* of the table */
	const char *field;	/* of the JSON object: Docker's name for --format */
};

struct rows {
	struct arena *arena;		/* private, as the rest */
	const struct column *columns;
	unsigned width;
	const char **cells;
	uint32_t count, capacity;
};

/* columns: width of them; borrowed. The first is what ROWS_QUIET prints. */
void rows_init(struct rows *r, struct arena *a, const struct column *columns, unsigned width);
/* A new row: its cells, all "" at first; valid until the next row is added. */
const char **rows_add(struct rows *r);
void rows_write(const struct rows *r, enum rows_form form, struct buf *out);

/* The options that lists have in common, as a command's struct begins. */
struct rows_options {
	const char *format;
	int quiet, no_trunc, no_resolve;
	struct strings filter;
};

#define ROWS_OPTION(letter_, name_, kind_, member, placeholder_, help_) \
	{ name_, letter_, kind_, placeholder_, NULL, help_, \
	  offsetof(struct rows_options, member), NULL }
#define ROWS_FORMAT ROWS_OPTION(0, "format", OPTION_STRING, format, NULL, \
	"How to print: table, or json (one object a line)")
#define ROWS_QUIET_FLAG ROWS_OPTION('q', "quiet", OPTION_FLAG, quiet, NULL, "Only print IDs")
#define ROWS_NO_TRUNC ROWS_OPTION(0, "no-trunc", OPTION_FLAG, no_trunc, NULL, \
	"Do not cut what is long")
#define ROWS_NO_RESOLVE ROWS_OPTION(0, "no-resolve", OPTION_FLAG, no_resolve, NULL, \
	"Print IDs instead of names")
#define ROWS_FILTER ROWS_OPTION('f', "filter", OPTION_LIST, filter, "filter", \
	"Only what matches key=value")

/* 0 and *form, or ERR_INVALID with msg. */
int rows_form(const struct rows_options *o, enum rows_form *form, struct errmsg *msg);

/* The first 12 characters of an id, all of it with no_trunc; "" for NULL. */
const char *rows_id(struct arena *a, const char *id, int no_trunc);
/* Order in which "web10" stands after "web9", as docker sorts names: < 0, 0, > 0. */
int rows_compare_names(const char *a, const char *b);
#endif
