/* Certificates, requests, PEM texts and tokens: whatever comes is refused, or reads well and
 * is written again. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include "crypt/token.h"
#include "crypt/x509.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void require(int ok)
{
	if (!ok)
		abort();
}

static void try_der(struct slice der)
{
	uint8_t point[X509_POINT_LEN];
	struct x509_name subject;
	struct x509_cert cert;

	if (x509_read(der, &cert, NULL) == 0) {
		require(strlen(cert.subject.common_name) <= X509_NAME_MAX);
		require(cert.point[0] == 4);
		(void)x509_is_signed_by(der, der);
	}
	if (x509_request_read(der, &subject, point, NULL) == 0)
		require(x509_read(der, &cert, NULL) == ERR_INVALID);
}

static void try_pem(struct slice text)
{
	uint8_t key[X509_KEY_LEN], again[X509_KEY_LEN];
	struct buf der, pem;
	struct slice rest = text;

	buf_init(&der, 1 << 20);
	buf_init(&pem, 1 << 20);
	while (pem_next(&rest, "CERTIFICATE", &der) == 0 && der.len < 1 << 16)
		;
	try_der(buf_slice(&der));
	if (pem_read_key(text, key) == 0) {
		pem_write_key(&pem, key);
		require(pem_read_key(buf_slice(&pem), again) == 0);
		require(memcmp(key, again, sizeof(key)) == 0);
	}
	buf_done(&der);
	buf_done(&pem);
}

static void try_token(struct slice text)
{
	char out[TOKEN_TEXT_LEN + 1], unlock[UNLOCK_TEXT_LEN + 1];
	struct seal_key key;
	struct token t;

	if (token_parse(text, &t) == 0) {
		token_build(&t, out);
		require(slice_is(text, out));
	}
	if (unlock_parse(text, &key) == 0) {
		unlock_build(&key, unlock);
		require(slice_is(text, unlock));
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct slice bytes = { (const char *)data, size };

	try_der(bytes);
	try_pem(bytes);
	try_token(bytes);
	return 0;
}
