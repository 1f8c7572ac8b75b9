/* main_trust.h - what a node shows others and whom it believes, in its data folder. I/O.
 *
 * One file, `identity`: the node's certificate and those that link it to a root, its key, and the
 * roots it believes, sealed with the folder's master key, so that they are replaced together. What
 * a node is stands in its certificate: its id, its role, its swarm.
 */
#ifndef SB_APPLETS_MANAGER_MAIN_TRUST_H
#define SB_APPLETS_MANAGER_MAIN_TRUST_H
#include "applets/manager/manager.h"
#include "base/err.h"
#include "crypt/x509.h"
#include "io/datadir.h"
#include "model/node.h"

enum { TRUST_TEXT_MAX = (TLS_CHAIN_MAX + TLS_ANCHORS_MAX + 1) * X509_PEM_MAX };

struct trust {			/* all read */
	struct tls_identity identity;
	struct tls_anchor anchors[TLS_ANCHORS_MAX];
	uint32_t anchor_count;
	struct x509_cert cert;		/* its own */
	struct x509_name issuer;
	struct tls_info tls_info;	/* what the node tells of it */
	struct slice chain, roots;	/* PEM; in arena, as all that the others point to */
	struct slice root_key;		/* PEM, of a founder until its swarm is there; else empty */
	struct arena arena;
	struct trust *older;		/* the owner's */
	uint64_t until_ms;
};

/* Wipes the keys. One that is all zero, or done, may be done again. */
void trust_done(struct trust *t);
/* From texts in PEM: root_key may be empty. ERR_INVALID with msg: they do not parse, or the key is
 * not the certificate's. */
int trust_take(struct trust *t, struct slice chain, struct slice key, struct slice roots,
	       struct slice root_key, struct errmsg *msg);
/* The same certificate and key, but other roots, in PEM. Errors as trust_take. */
int trust_with_roots(struct trust *t, const struct trust *from, struct slice roots,
		     struct errmsg *msg);
/* A new swarm: its root, and a manager's certificate for this node. */
int trust_found(struct trust *t, const char *node_id, const char *swarm_id, int64_t now_s,
		struct errmsg *msg);
/* What one that joins says of itself; availability: NULL or a word. */
struct trust_joiner {
	const char *token, *availability, *hostname;
};

/* A new key of this node's, added to key in PEM (the caller wipes it), and what a manager is asked
 * to certify it with, added to request: {"CSR"}, and of one that joins (else NULL) {"Token",
 * "Availability", "Hostname"}. */
void trust_request(struct buf *key, const struct trust_joiner *joiner, struct buf *request);

/* Durable when it returns 0. */
int trust_save(const struct trust *t, const struct datadir *dir, struct errmsg *msg);
/* What the file holds, opened in place: the caller wipes it. ERR_CORRUPT: as below, without msg. */
int trust_read(struct trust *t, const struct seal_key *key, struct buf *file);
/* ERR_NOT_FOUND: there is none. ERR_CORRUPT: damaged, or sealed with another key. */
int trust_load(struct trust *t, const struct datadir *dir, struct errmsg *msg);
#endif
