/* Contracts are in sink.h. */
#include "base/sink.h"

static int put_buf(void *context, struct slice piece)
{
	struct buf *b = context;

	buf_add_slice(b, piece);
	return b->failed;
}

struct sink sink_to_buf(struct buf *b)
{
	return (struct sink){ .put = put_buf, .context = b };
}
