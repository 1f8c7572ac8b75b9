/* devcert.h - the development certificate that managers show each other until a swarm has an
 * authority of its own. Pure.
 *
 * IT GIVES NO PROTECTION: its private key is in every binary and in this source, so whoever
 * reaches the cluster port can join, read and change everything. It is here so that TLS is in
 * its place and measured before the swarm's own authority exists, and goes when that does.
 */
#ifndef SB_CRYPT_DEVCERT_H
#define SB_CRYPT_DEVCERT_H
#include "crypt/tls.h"

void devcert_identity(struct tls_identity *who);
/* The certificate for tls_anchor_init; constant. */
struct slice devcert_authority(void);
#endif
