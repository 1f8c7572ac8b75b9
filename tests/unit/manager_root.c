/* Contracts are in manager_root.h. */
#include "manager_root.h"
#include <stdlib.h>
#include <string.h>

void manager_root_key(uint8_t start, uint8_t key[X509_KEY_LEN])
{
	uint8_t seed[X509_SEED_LEN];

	memset(seed, start, sizeof(seed));
	x509_key(seed, key);
}

void manager_root(struct cluster *c, const struct manager_config *config, struct rng *rng,
		  struct arena *a)
{
	struct x509_issue what = { .subject.common_name = CA_ROOT_NAME, .is_authority = 1,
				   .not_after_s = MANAGER_ROOT_END_S };
	char *worker = arena_new(a, TOKEN_TEXT_LEN + 1);
	char *manager = arena_new(a, TOKEN_TEXT_LEN + 1);
	struct buf der, cert, key;

	buf_init(&der, X509_DER_MAX);
	buf_init(&cert, X509_PEM_MAX);
	buf_init(&key, X509_PEM_MAX);
	manager_root_key(1, what.issuer_key);
	if (x509_point(what.issuer_key, what.point) < 0 || x509_issue(&what, &der, NULL) < 0)
		abort();
	pem_write(&cert, "CERTIFICATE", buf_slice(&der));
	pem_write_key(&key, what.issuer_key);
	c->root_cert = arena_str(a, buf_slice(&cert));
	c->root_key = arena_str(a, buf_slice(&key));
	if (ca_token(config, rng, c->root_cert, worker) < 0 ||
	    ca_token(config, rng, c->root_cert, manager) < 0)
		abort();
	c->worker_token = worker;
	c->manager_token = manager;
	buf_done(&der);
	buf_done(&cert);
	buf_done(&key);
}

const char *manager_root_request(uint8_t start, const char *name, struct arena *a)
{
	struct x509_name subject = { .common_name = "" };
	uint8_t key[X509_KEY_LEN];
	struct buf der, pem;
	const char *text;

	memcpy(subject.common_name, name, strlen(name));
	manager_root_key(start, key);
	buf_init(&der, X509_DER_MAX);
	buf_init(&pem, X509_PEM_MAX);
	if (x509_request(key, &subject, &der) < 0)
		abort();
	pem_write(&pem, "CERTIFICATE REQUEST", buf_slice(&der));
	text = arena_str(a, buf_slice(&pem));
	buf_done(&der);
	buf_done(&pem);
	return text;
}
