/* manager_root.h - an authority for a cluster object of a test. Pure. */
#ifndef SB_UNIT_MANAGER_ROOT_H
#define SB_UNIT_MANAGER_ROOT_H
#include "applets/manager/ca.h"

enum { MANAGER_ROOT_END_S = 4000000000 };	/* 2096 */

/* A root, with its key, and a token for each role, all in a. */
void manager_root(struct cluster *c, const struct manager_config *config, struct rng *rng,
		  struct arena *a);
/* A key that start alone decides, and a request for it as PEM, in a; name: "" = nobody. */
void manager_root_key(uint8_t start, uint8_t key[X509_KEY_LEN]);
const char *manager_root_request(uint8_t start, const char *name, struct arena *a);
#endif
