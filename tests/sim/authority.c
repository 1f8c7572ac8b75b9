/*
 * The swarm's authority, and what nodes ask for certificates with. Contracts are in sim.h. All of
 * it is the same in every run, and made once in a process: to sign takes as long as hundreds of
 * steps.
 */
#include <assert.h>
#include <stdio.h>
#include <string.h>
#include "crypt/x509.h"
#include "sim.h"

static char root_cert[X509_PEM_MAX], root_key[X509_PEM_MAX];
static char requests[AUTHORITY_REQUESTS][X509_PEM_MAX];

static void make_key(int number, uint8_t key[X509_KEY_LEN])
{
	uint8_t seed[X509_SEED_LEN] = { 1, 2, 3, (uint8_t)number };

	x509_key(seed, key);
}

static void keep(char to[X509_PEM_MAX], const char *label, struct buf *der)
{
	struct buf pem;

	buf_init(&pem, X509_PEM_MAX - 1);
	pem_write(&pem, label, buf_slice(der));
	snprintf(to, X509_PEM_MAX, "%s", buf_str(&pem));
	buf_done(&pem);
	buf_done(der);
}

static void make_root(void)
{
	struct x509_issue root = { .subject.common_name = "swarm-ca", .is_authority = 1,
				   .not_after_s = INT64_C(4000000000) };
	struct buf der, key;
	int err;

	make_key(255, root.issuer_key);
	buf_init(&der, X509_DER_MAX);
	buf_init(&key, X509_PEM_MAX - 1);
	pem_write_key(&key, root.issuer_key);
	snprintf(root_key, sizeof(root_key), "%s", buf_str(&key));
	buf_done(&key);
	err = x509_point(root.issuer_key, root.point);
	assert(err == 0);
	err = x509_issue(&root, &der, NULL);
	assert(err == 0);
	(void)err;
	keep(root_cert, "CERTIFICATE", &der);
}

const char *authority_cert(void)
{
	if (!*root_cert)
		make_root();
	return root_cert;
}

const char *authority_key(void)
{
	(void)authority_cert();
	return root_key;
}

const char *authority_request(int number)
{
	struct x509_name subject = { .common_name = "" };
	uint8_t key[X509_KEY_LEN];
	struct buf der;

	assert(number < AUTHORITY_REQUESTS);
	if (*requests[number])
		return requests[number];
	if (number == AUTHORITY_NAMED)
		snprintf(subject.common_name, sizeof(subject.common_name), "somebody");
	make_key(number, key);
	buf_init(&der, X509_DER_MAX);
	(void)x509_request(key, &subject, &der);	/* the key is good */
	keep(requests[number], "CERTIFICATE REQUEST", &der);
	return requests[number];
}

int authority_read(struct slice pem, struct x509_cert *cert)
{
	struct buf der;
	int err;

	buf_init(&der, X509_DER_MAX);
	err = pem_next(&pem, "CERTIFICATE", &der);
	if (err == 0)
		err = x509_read(buf_slice(&der), cert, NULL);
	buf_done(&der);
	return err;
}
