/* id.h - object ids and the names people may choose. Pure. */
#ifndef SB_BASE_ID_H
#define SB_BASE_ID_H
#include "base/rng.h"
#include "base/slice.h"

enum {
	ID_LEN = 25,		/* base36 digits: 128 bits fit; as Docker's swarm ids */
	NAME_MAX_LEN = 63,	/* one DNS label (RFC 1035 2.3.4) */
};

/* Writes ID_LEN characters of [0-9a-z] and a NUL. */
void id_new(struct rng *r, char out[ID_LEN + 1]);
/* Service and network names: [a-zA-Z0-9]([-_]*[A-Za-z0-9]+)*, at most NAME_MAX_LEN. */
int name_is_valid(struct slice name);
#endif
