/* Contracts are in ca.h. */
#include "applets/manager/ca.h"
#include <stdio.h>
#include <string.h>
#include "base/bytes.h"
#include "base/mem.h"
#include "base/timefmt.h"
#include "codec/base64.h"

const char ca_manager_unit[] = "swarm-manager";

/* The first certificate of a text. */
static int read_cert(const char *pem, struct buf *der)
{
	struct slice text = slice_of(pem);

	return pem_next(&text, "CERTIFICATE", der) < 0 ? ERR_INVALID : 0;
}

static void draw(const struct manager_config *config, struct rng *rng, const char *purpose,
		 struct seal_key *drawn)
{
	uint8_t salt[SEAL_SALT_LEN];

	for (size_t i = 0; i < sizeof(salt); i += 8)
		bytes_put(salt + i, 8, rng_next(rng));
	seal_derive(&config->secrets, salt, purpose, drawn);
}

int ca_token(const struct manager_config *config, struct rng *rng, const char *root_cert,
	     char text[TOKEN_TEXT_LEN + 1])
{
	struct seal_key drawn;
	struct token t;
	struct buf der;
	int err;

	buf_init(&der, X509_DER_MAX);
	err = read_cert(root_cert, &der);
	if (err == 0) {
		draw(config, rng, "swarmbox join token", &drawn);
		token_digest(buf_slice(&der), t.digest);
		memcpy(t.secret, drawn.bytes, sizeof(t.secret));
		token_build(&t, text);
		mem_wipe(&drawn, sizeof(drawn));
		mem_wipe(&t, sizeof(t));
	}
	buf_done(&der);
	return err;
}

void ca_unlock_key(const struct manager_config *config, struct rng *rng,
		   char text[UNLOCK_TEXT_LEN + 1])
{
	struct seal_key drawn;

	draw(config, rng, "swarmbox unlock key", &drawn);
	unlock_build(&drawn, text);
	mem_wipe(&drawn, sizeof(drawn));
}

int ca_issuer(const struct cluster *c, struct buf *subject, struct buf *public_key)
{
	struct slice name, key;
	struct buf der;
	int err;

	buf_init(&der, X509_DER_MAX);
	err = read_cert(c->root_cert, &der);
	if (err == 0)
		err = x509_own_der(buf_slice(&der), &name, &key);
	if (err == 0) {
		base64_encode(name, subject);
		base64_encode(key, public_key);
	}
	buf_done(&der);
	return err;
}

int ca_token_fits(const char *token, struct slice given)
{
	struct token own, other;

	return token && token_parse(slice_of(token), &own) == 0 &&
	       token_parse(given, &other) == 0 && token_equal(&own, &other);
}

static int is_nobody(const struct x509_name *n)
{
	return !n->common_name[0] && !n->unit[0] && !n->organisation[0];
}

/* What is asked for: the key in it, which must have signed it. */
static int read_request(struct slice pem, uint8_t point[X509_POINT_LEN], struct errmsg *msg)
{
	struct x509_name subject;
	struct buf der;
	int err;

	buf_init(&der, X509_DER_MAX);
	err = pem_next(&pem, "CERTIFICATE REQUEST", &der);
	if (err < 0)
		err = errmsg_set(msg, ERR_INVALID, "there is no certificate request");
	else
		err = x509_request_read(buf_slice(&der), &subject, point, msg);
	buf_done(&der);
	if (err == 0 && !is_nobody(&subject))
		return errmsg_set(msg, ERR_INVALID, "the certificate request names a node: that "
				  "is the swarm's to do");
	return err;
}

static int issue(const struct cluster *c, struct x509_issue *cert, struct buf *pem,
		 struct errmsg *msg)
{
	struct buf root, der;
	int err;

	buf_init(&root, X509_DER_MAX);
	buf_init(&der, X509_DER_MAX);
	err = read_cert(c->root_cert, &root);
	cert->issuer = buf_slice(&root);
	if (err == 0)
		err = pem_read_key(slice_of(c->root_key), cert->issuer_key);
	if (err == 0)
		err = x509_issue(cert, &der, msg);
	if (err == 0) {
		pem_write(pem, "CERTIFICATE", buf_slice(&der));
		pem_write(pem, "CERTIFICATE", buf_slice(&root));
	}
	buf_done(&root);
	buf_done(&der);
	return err < 0 ? errmsg_set(msg, ERR_CORRUPT, "the swarm's authority cannot be used") : 0;
}

int64_t ca_renew_at(const struct x509_cert *cert)
{
	int64_t life = cert->not_after_s - cert->not_before_s - CA_BEFORE_S;
	/* The point's first byte says how it is written: the next are as good as random. */
	int64_t permille = 500 + (int64_t)bytes_get(cert->point + 1, 2) % 301;

	return cert->not_before_s + CA_BEFORE_S + life / 1000 * permille +
	       life % 1000 * permille / 1000;
}

static int64_t life_s(const struct cluster *c)
{
	int64_t ns = c->spec.ca.node_cert_expiry;

	return ns > 0 ? ns / SECOND_NS : CA_NODE_S;
}

int ca_certify(const struct cluster *c, const struct ca_request *what, struct rng *rng,
	       struct buf *pem, struct errmsg *msg)
{
	struct x509_issue cert = { .not_before_s = what->now_s - CA_BEFORE_S,
				   .not_after_s = what->now_s + life_s(c) };
	int err;

	if (!c->root_cert || !c->root_key)
		return errmsg_set(msg, ERR_CORRUPT, "the swarm has no authority");
	err = read_request(what->csr, cert.point, msg);
	if (err < 0)
		return err;
	snprintf(cert.subject.common_name, sizeof(cert.subject.common_name), "%s",
		 what->node_id);
	snprintf(cert.subject.unit, sizeof(cert.subject.unit), "%s", what->unit);
	snprintf(cert.subject.organisation, sizeof(cert.subject.organisation), "%s", c->meta.id);
	bytes_put(cert.serial, 8, rng_next(rng));
	bytes_put(cert.serial + 8, 8, rng_next(rng));
	err = issue(c, &cert, pem, msg);
	mem_wipe(&cert, sizeof(cert));
	return err;
}
