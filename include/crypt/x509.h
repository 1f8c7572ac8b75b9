/* x509.h - the certificates of a swarm: written, asked for, read. Pure.
 *
 * X.509 v3 (RFC 5280) and PKCS #10 requests (RFC 2986) with P-256 keys and ecdsa-with-SHA256
 * (RFC 5758) alone, as Docker's swarm has them: a node's common name is its id, its unit
 * "swarm-manager" or "swarm-worker", its organisation the swarm's id. Signatures are
 * deterministic (RFC 6979): nothing here needs randomness but keys and serial numbers, which the
 * caller draws.
 */
#ifndef SB_CRYPT_X509_H
#define SB_CRYPT_X509_H
#include <stdint.h>
#include "base/buf.h"
#include "base/err.h"
#include "base/slice.h"
#include "crypt/tls.h"

enum {
	X509_KEY_LEN = TLS_KEY_LEN,
	X509_POINT_LEN = TLS_POINT_LEN,
	X509_SEED_LEN = 40,	/* random bytes for a key: 64 bits more than the curve's order, so
				 * that the remainder is even (FIPS 186-4, B.4.1) */
	X509_SERIAL_LEN = 16,
	X509_NAME_MAX = TLS_NAME_MAX,
	X509_DER_MAX = TLS_CERT_MAX,	/* a certificate or request with three names has 600 */
	X509_PEM_MAX = 1600,	/* of one of those */
};

/* "" = has none. */
struct x509_name {
	char common_name[X509_NAME_MAX + 1];
	char unit[X509_NAME_MAX + 1];
	char organisation[X509_NAME_MAX + 1];
};

struct x509_cert {
	struct x509_name subject, issuer;
	uint8_t point[X509_POINT_LEN];
	int64_t not_before_s, not_after_s;	/* Unix time */
	int is_authority;
};

/* A key from X509_SEED_LEN random bytes; wipe both after use. */
void x509_key(const uint8_t seed[X509_SEED_LEN], uint8_t key[X509_KEY_LEN]);
/* Its public point, uncompressed. ERR_INVALID: it is no key of the curve. */
int x509_point(const uint8_t key[X509_KEY_LEN], uint8_t point[X509_POINT_LEN]);

/* What is to be certified, and by whom. */
struct x509_issue {
	struct slice issuer;			/* DER of the authority's certificate; empty: its
						 * subject and key are this one's own (a root) */
	uint8_t issuer_key[X509_KEY_LEN];
	struct x509_name subject;
	uint8_t point[X509_POINT_LEN];
	uint8_t serial[X509_SERIAL_LEN];	/* random; its top bit is ignored */
	int64_t not_before_s, not_after_s;
	int is_authority;			/* may sign others; else for TLS, both ends of it */
};

/* Appends the certificate in DER. ERR_INVALID with msg: the issuer's certificate or key cannot be
 * read, or does not belong to the other. */
int x509_issue(const struct x509_issue *what, struct buf *out, struct errmsg *msg);
/* ERR_INVALID with msg: no certificate of this kind, over X509_DER_MAX, or damaged. The signature
 * is not looked at. */
int x509_read(struct slice der, struct x509_cert *cert, struct errmsg *msg);
/* Is cert signed by the key of authority? Names and the time are not looked at. */
int x509_is_signed_by(struct slice cert, struct slice authority);

/* Appends a request in DER. ERR_INVALID: no key. */
int x509_request(const uint8_t key[X509_KEY_LEN], const struct x509_name *subject,
		 struct buf *out);
/* What a request asks for. ERR_INVALID with msg: no request of this kind, over X509_DER_MAX, or
 * not signed by the key that it names. */
int x509_request_read(struct slice der, struct x509_name *subject,
		      uint8_t point[X509_POINT_LEN], struct errmsg *msg);

/* ---- PEM (RFC 7468) ---- */

/* Appends a block; label: "CERTIFICATE", "CERTIFICATE REQUEST", "EC PRIVATE KEY". */
void pem_write(struct buf *out, const char *label, struct slice der);
/* The next block of that label in *text, its DER appended to out; *text is what follows. Others
 * are skipped. ERR_NOT_FOUND: there is none any more. ERR_INVALID: a block is damaged. */
int pem_next(struct slice *text, const char *label, struct buf *out);
/* A private key as Docker writes it (RFC 5915), and back. ERR_INVALID: it is none on P-256. */
void pem_write_key(struct buf *out, const uint8_t key[X509_KEY_LEN]);
int pem_read_key(struct slice text, uint8_t key[X509_KEY_LEN]);
#endif
