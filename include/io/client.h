/* client.h - HTTP exchanges of a program that waits for them: the CLI's way to the API. I/O.
 *
 * One connection, used again while the server allows it and opened again when it does not.
 */
#ifndef SB_IO_CLIENT_H
#define SB_IO_CLIENT_H
#include <stdint.h>
#include "base/buf.h"
#include "base/err.h"
#include "http/fetch.h"

enum {
	CLIENT_CONNECT_MS = 5000,	/* a manager of the same host or network answers in less */
	CLIENT_BODY_MAX = 16 << 20,	/* as JSON_TEXT_MAX: what can be parsed */
};

struct client {
	const char *host;	/* read */
	int fd;			/* private, as the rest */
	struct http_fetch fetch;
};

struct client_exchange {
	const struct http_request *request;
	uint64_t timeout_ms;	/* for the whole of it; 0: no limit */
	/* When set, the body of a 2xx answer goes here piece by piece; non-zero ends the
	 * exchange. Then the body below stays empty. */
	int (*piece)(void *context, struct slice bytes);
	void *context;
	int status;		/* out */
	struct buf *body;	/* out: added here, at most CLIENT_BODY_MAX and its own maximum */
};

/* host: "unix:///path" or "tcp://1.2.3.4:port"; borrowed. Nothing is opened yet. */
void client_init(struct client *c, const char *host);
void client_done(struct client *c);

/*
 * Sends and waits. 0 with any status; ERR_INVALID, ERR_UNSUPPORTED (the address),
 * ERR_NOT_FOUND, ERR_DENIED, ERR_UNAVAILABLE (nobody listens), ERR_LIMIT (body), ERR_TIMEOUT,
 * ERR_IO (broken off), ERR_CORRUPT (no HTTP). msg: one line that names the address; what to do
 * about it is the caller's to say.
 */
int client_exchange(struct client *c, struct client_exchange *x, struct errmsg *msg);
#endif
