/* wire.h - a blocking HTTP client: one connection, one exchange at a time. I/O. */
#ifndef SB_TESTS_LAB_WIRE_H
#define SB_TESTS_LAB_WIRE_H
#include <stdint.h>
#include "base/buf.h"

struct wire {
	int fd;			/* -1: not connected */
	struct buf in;
	int status;		/* of the last answer */
	struct slice body;	/* of the last answer, until the next exchange */
};

enum wire_result {
	WIRE_ANSWERED,
	WIRE_NOT_SENT,	/* no connection: the server has seen nothing of it */
	WIRE_LOST,	/* sent, in part at least, and no answer within the time */
};

void wire_init(struct wire *w);
void wire_done(struct wire *w);
/*
 * Sends request to endpoint (a socket's path, or IPV4:PORT) and waits for the answer, on the
 * connection there is if there is one. After another result than WIRE_ANSWERED, and when the
 * server wants it, the connection is closed; so it is to be closed by the caller when the next
 * endpoint is another one.
 */
enum wire_result wire_exchange(struct wire *w, const char *endpoint, struct slice request,
	int timeout_ms);
void wire_close(struct wire *w);
uint64_t wire_now_ns(void);
#endif
