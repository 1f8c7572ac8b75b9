/* enrol.h - asking a manager for a certificate, as one that has none. I/O.
 *
 * Used before a node is one: it waits. The manager is believed when its authority's certificate
 * has the digest that the join token names.
 */
#ifndef SB_IO_ENROL_H
#define SB_IO_ENROL_H
#include "base/buf.h"
#include "base/err.h"
#include "crypt/tls.h"

struct enrol {
	uint32_t address;	/* of the manager */
	uint16_t port;
	const uint8_t *digest;	/* TLS_PIN_LEN bytes; borrowed for the call */
	struct slice request;	/* likewise */
	struct buf *answer;	/* out: what it says, added */
	int status;		/* out: an HTTP status */
};

/* Asks once. 0: there is an answer. Else as channel.h's `ended`: ERR_UNAVAILABLE, ERR_TIMEOUT,
 * ERR_DENIED (also: another authority), ERR_CORRUPT, ERR_UNSUPPORTED, ERR_LIMIT; with msg. */
int enrol_ask(struct enrol *e, struct errmsg *msg);
#endif
