/* sink.h - where a long text goes, piece by piece, so that it need not be in memory whole. Pure. */
#ifndef SB_BASE_SINK_H
#define SB_BASE_SINK_H
#include "base/buf.h"
#include "base/slice.h"

struct sink {
	/* Takes the next piece, borrowed for the call. 0, or a negative code: the writer stops and
	 * passes it on. */
	int (*put)(void *context, struct slice piece);
	void *context;
};

enum { SINK_PIECE = 64 << 10 };		/* writers gather about so much */

/* A sink that adds all to b; ERR_LIMIT where it is full. */
struct sink sink_to_buf(struct buf *b);
#endif
