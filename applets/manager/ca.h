/* ca.h - the swarm's authority: who may join, and what a node is certified as. Pure.
 *
 * The root's certificate and key are in the cluster object; names and lives as Docker has them
 * (docker-swarm.md 5.11): a node's common name is its id, its unit its role, its organisation the
 * swarm's id.
 */
#ifndef SB_APPLETS_MANAGER_CA_H
#define SB_APPLETS_MANAGER_CA_H
#include "applets/manager/manager.h"
#include "base/rng.h"
#include "crypt/token.h"
#include "crypt/x509.h"
#include "model/node.h"

enum {
	CA_NODE_S = 90 * 24 * 3600,	/* docker's default */
	CA_NODE_MIN_S = 60,		/* docker's is an hour */
	CA_ROOT_S = 20 * 365 * 24 * 3600,	/* of the root: the most for a node's, too */
	CA_BEFORE_S = 3600,		/* clocks of nodes may differ by so much */
};

/* "swarm-manager": the unit of managers' certificates. */
extern const char ca_manager_unit[];

/* A new token for the swarm of that root. rng only tells tokens of one config apart. ERR_INVALID:
 * the root cannot be read. */
int ca_token(const struct manager_config *config, struct rng *rng, const char *root_cert,
	     char text[TOKEN_TEXT_LEN + 1]);
/* A new unlock key, drawn likewise. */
void ca_unlock_key(const struct manager_config *config, struct rng *rng,
		   char text[UNLOCK_TEXT_LEN + 1]);
/* Is it the one? In constant time. */
int ca_token_fits(const char *token, struct slice given);

/* When a node's certificate is to be renewed, in Unix seconds: at half to four fifths of its life,
 * spread by its key, so that those who joined together do not come together again. */
int64_t ca_renew_at(const struct x509_cert *cert);

/* The authority's name and public key as Docker shows them: DER in base64, appended. ERR_INVALID:
 * there is none that can be read. */
int ca_issuer(const struct cluster *c, struct buf *subject, struct buf *public_key);

/* What a node asks for. */
struct ca_request {
	struct slice csr;		/* PEM; it must name nobody */
	const char *node_id, *unit;
	int64_t now_s;
};

/* Appends the node's certificate and the root's, as PEM; its life is what CAConfig says.
 * ERR_INVALID with msg: the request is none, or names somebody. ERR_CORRUPT: the authority cannot
 * be used. */
int ca_certify(const struct cluster *c, const struct ca_request *what, struct rng *rng,
	       struct buf *pem, struct errmsg *msg);
#endif
