/* devcert.h - a fixed certificate of a fixed authority, for tests of connections. Pure. */
#ifndef SB_UNIT_DEVCERT_H
#define SB_UNIT_DEVCERT_H
#include "crypt/tls.h"

/* "development node", without unit or organisation, valid from 2020 to 2099. */
void devcert_identity(struct tls_identity *who);
/* The certificate for tls_anchor_init; constant. */
struct slice devcert_authority(void);
#endif
