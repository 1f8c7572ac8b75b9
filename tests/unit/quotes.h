/* quotes.h - JSON in C sources without a backslash before each quote: 'a' stands for "a". Pure. */
#ifndef SB_UNIT_QUOTES_H
#define SB_UNIT_QUOTES_H
#include "base/arena.h"

/* text with every ' as ", in a. */
static inline char *quotes(struct arena *a, const char *text)
{
	char *out = arena_str(a, slice_of(text));

	for (char *p = out; *p; p++) {
		if (*p == '\'')
			*p = '"';
	}
	return out;
}
#endif
