/* ca.h - the swarm's authority: who may join, and what a node is certified as, by which root. Pure.
 *
 * The root's certificate and key are in the cluster object; names and lives as Docker has them
 * (docker-swarm.md 5.11): a node's common name is its id, its unit its role, its organisation the
 * swarm's id.
 *
 * While a root is replaced (cluster.rotation), the next one issues. A node that has changed over
 * believes both, and shows the next one as signed by the old one, too: so it is believed by those
 * that have not. When all have, the next one is the swarm's: whoever is away just then believes it
 * already, and comes back. (Docker's nodes believe the old one alone until the end.)
 */
#ifndef SB_APPLETS_MANAGER_CA_H
#define SB_APPLETS_MANAGER_CA_H
#include "applets/manager/manager.h"
#include "base/rng.h"
#include "crypt/token.h"
#include "crypt/x509.h"
#include "model/node.h"

struct state;

enum {
	CA_NODE_S = 90 * 24 * 3600,	/* docker's default */
	CA_NODE_MIN_S = 60,		/* docker's is an hour */
	CA_ROOT_S = 20 * 365 * 24 * 3600,	/* of the root: the most for a node's, too */
	CA_BEFORE_S = 3600,		/* clocks of nodes may differ by so much */
	CA_REMOVED_MAX = 4096,
};

#define CA_ROOT_NAME "swarm-ca"	/* docker's */

/* "swarm-manager": the unit of managers' certificates; workers have "swarm-worker". */
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

/* What a node is to be certified as: a manager also for as long as it is a member of Raft. */
enum node_role ca_role(const struct node *node, int is_member);
/* The unit of such a certificate. */
const char *ca_unit(enum node_role role);
/* Is it a node that was removed, and may still have a certificate? */
int ca_is_removed(const struct cluster *c, const char *node_id);
/* Notes that the node is removed: its certificates are not believed any more. The list is made in
 * a, without those whose certificates have ended; over CA_REMOVED_MAX the one that ends first
 * goes. */
void ca_remove(struct cluster *c, struct arena *a, const char *node_id, int64_t now_ns);

/* A new root for the swarm, drawn from config: from now on it issues. c->rotation is set, in a; one
 * that is under way is replaced. ERR_INVALID: the old root cannot be used. */
int ca_rotate(struct cluster *c, const struct manager_config *config, struct rng *rng,
	      int64_t now_s, struct arena *a);
/* The rotation that is under way ends: its root is the swarm's, and both join tokens are new (in
 * a), as a token is of one root alone. ERR_INVALID: it cannot be read. */
int ca_rotation_end(struct cluster *c, const struct manager_config *config, struct rng *rng,
		    struct arena *a);

/* The roots that a node should believe now, as PEM, in a or the cluster; NULL: there is none. */
const char *ca_trust(const struct cluster *c, struct arena *a);
/* What a node should tell of its certificate now; as ca_trust. ERR_INVALID: there is no authority
 * that can be read. */
int ca_wanted(const struct cluster *c, struct arena *a, struct tls_info *wanted);
/* Does the node tell of just that? */
int ca_has_changed(const struct tls_info *wanted, const struct node *n);
/* Does it tell of another issuer? The roots that it believes are told it without a new certificate;
 * one that has told nothing yet need not renew. */
int ca_must_renew(const struct tls_info *wanted, const struct node *n);
/* A node that has not changed over, for which a rotation waits; also one that is down, as with
 * docker: it could not come back. NULL: there is none, and the rotation may end. */
const struct node *ca_waits_for(const struct tls_info *wanted, const struct state *s);
/* The name and the public key of a certificate as Docker shows an issuer: DER in base64, in a.
 * ERR_INVALID: it cannot be read. */
int ca_tell_issuer(struct slice der, struct arena *a, struct tls_info *info);

/* When a node's certificate is to be renewed, in Unix seconds: at half to four fifths of its life,
 * spread by its key, so that those who joined together do not come together again. */
int64_t ca_renew_at(const struct x509_cert *cert);

/* The key of a request (PEM), which must have signed it and name nobody: appended, in base64.
 * ERR_INVALID with msg. */
int ca_request_key(struct slice csr, struct buf *key, struct errmsg *msg);

/* What a node asks for. */
struct ca_request {
	struct slice csr;		/* PEM; it must name nobody */
	const char *node_id, *unit;
	int64_t now_s;
};

/* Appends the node's certificate and those that link it to a root, then the roots, as PEM; its life
 * is what CAConfig says.
 * ERR_INVALID with msg: the request is none, or names somebody. ERR_CORRUPT: the authority cannot
 * be used. */
int ca_certify(const struct cluster *c, const struct ca_request *what, struct rng *rng,
	       struct buf *pem, struct errmsg *msg);
#endif
