/* logmux.h - a container's log stream taken apart. Pure.
 *
 * Without a TTY the engine sends frames (ContainerAttach, "Stream format"): 1 byte stream
 * (1 stdout, 2 stderr), 3 zero bytes, big-endian length, payload. With one it sends bytes.
 */
#ifndef SB_DOCKER_LOGMUX_H
#define SB_DOCKER_LOGMUX_H
#include <stddef.h>
#include <stdint.h>
#include "base/slice.h"

enum logmux_stream { LOGMUX_STDOUT, LOGMUX_STDERR, LOGMUX_STREAMS };

struct logmux {
	int raw;			/* a TTY's stream */
	unsigned char head[8];		/* private */
	size_t have;			/* private: bytes of head */
	uint32_t left;			/* private: payload bytes to come */
};

void logmux_init(struct logmux *m, int raw);
/*
 * Takes the next run of one stream's bytes off *input. 1 with *stream and *piece (borrowed
 * from input), 0 when input is used up, ERR_INVALID when it is no log stream.
 */
int logmux_next(struct logmux *m, struct slice *input, enum logmux_stream *stream,
		struct slice *piece);
#endif
