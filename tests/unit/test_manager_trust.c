/* What a node shows and believes: made, sealed in its folder, read again with its key alone. */
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include "applets/manager/main_trust.h"
#include "codec/frames.h"
#include "codec/json.h"
#include "scratch.h"
#include "unit.h"

enum { NOW_S = 1800000000 };

TEST(a_founders_identity_is_there_again)
{
	static struct trust t, again;
	static struct datadir dir;
	char path[SCRATCH_PATH];
	struct errmsg msg = { { 0 } };
	struct stat st;

	scratch_make(path);
	CHECK_INT(datadir_open(&dir, path, &msg), 0);
	CHECK_INT(trust_load(&again, &dir, &msg), ERR_NOT_FOUND);
	CHECK_INT(trust_found(&t, "node1", "swarm1", NOW_S, &msg), 0);
	CHECK_STR(t.cert.subject.unit, "swarm-manager");
	CHECK_STR(t.cert.subject.common_name, "node1");
	CHECK_STR(t.cert.subject.organisation, "swarm1");
	CHECK_STR(t.issuer.common_name, "swarm-ca");
	CHECK_INT(t.cert.not_before_s, NOW_S - 3600);
	CHECK_INT(t.cert.not_after_s, NOW_S + INT64_C(90) * 86400);
	CHECK_INT(t.anchor_count, 1);
	CHECK_INT(t.identity.chain_count, 2);
	CHECK(x509_is_signed_by(t.identity.chain[0], t.identity.chain[1]));
	CHECK(slice_is(t.roots, t.tls_info.trust_root));
	CHECK_STR(t.tls_info.cert_issuer_subject, "MBMxETAPBgNVBAMMCHN3YXJtLWNh"); /* swarm-ca */
	CHECK_INT(strlen(t.tls_info.cert_issuer_public_key), 124);
	CHECK_INT(trust_save(&t, &dir, &msg), 0);
	CHECK(stat(scratch_file(path, "identity"), &st) == 0 && (st.st_mode & 07777) == 0600);

	CHECK_INT(trust_load(&again, &dir, &msg), 0);
	CHECK(memcmp(t.identity.key, again.identity.key, sizeof(again.identity.key)) == 0);
	CHECK(slice_equal(t.chain, again.chain) && slice_equal(t.roots, again.roots));
	CHECK(slice_equal(t.root_key, again.root_key) && again.root_key.len > 0);
	trust_done(&t);
	trust_done(&again);
	datadir_close(&dir);
	scratch_remove(path);
}

TEST(an_identity_that_was_changed_or_of_another_folder_is_refused)
{
	static struct trust t, again;
	static struct datadir dir;
	char path[SCRATCH_PATH];
	struct errmsg msg = { { 0 } };
	char *bytes;
	size_t n;

	scratch_make(path);
	CHECK_INT(datadir_open(&dir, path, &msg), 0);
	CHECK_INT(trust_found(&t, "node1", "swarm1", NOW_S, &msg), 0);
	CHECK_INT(trust_save(&t, &dir, &msg), 0);
	bytes = scratch_read(scratch_file(path, "identity"), &n);
	CHECK(bytes && !memmem(bytes, n, "PRIVATE", 7));
	for (size_t i = 0; i < n; i += 97) {
		bytes[i] ^= 1;
		scratch_write(scratch_file(path, "identity"), bytes, n);
		CHECK_INT(trust_load(&again, &dir, &msg), ERR_CORRUPT);
		bytes[i] ^= 1;
	}
	scratch_write(scratch_file(path, "identity"), bytes, 30);
	CHECK_INT(trust_load(&again, &dir, &msg), ERR_CORRUPT);
	scratch_write(scratch_file(path, "identity"), bytes, n);
	dir.key.bytes[0] ^= 1;
	CHECK_INT(trust_load(&again, &dir, &msg), ERR_CORRUPT);
	free(bytes);
	trust_done(&t);
	datadir_close(&dir);
	scratch_remove(path);
}

/* The request of one that joins or renews: for the key that comes with it, naming nobody. */
static void check_request(const char *token)
{
	uint8_t key[X509_KEY_LEN], point[X509_POINT_LEN], own[X509_POINT_LEN];
	struct x509_name subject;
	struct buf pem, request, der;
	const struct json *root = NULL;
	struct arena arena;
	struct slice text;

	arena_init(&arena);
	buf_init(&pem, X509_PEM_MAX);
	buf_init(&request, GREETING_MAX);
	buf_init(&der, X509_DER_MAX);
	trust_request(&pem, token ? &(struct trust_joiner){ token, NULL, "host1" } : NULL,
		      &request);
	CHECK_INT(json_parse(&arena, buf_slice(&request), &root, NULL), 0);
	CHECK(slice_is(json_string(json_get(root, "Token")), token ? token : ""));
	CHECK_INT(json_get(root, "Token") != NULL, token != NULL);
	text = json_string(json_get(root, "CSR"));
	CHECK_INT(pem_next(&text, "CERTIFICATE REQUEST", &der), 0);
	CHECK_INT(x509_request_read(buf_slice(&der), &subject, point, NULL), 0);
	CHECK_STR(subject.common_name, "");
	CHECK_INT(pem_read_key(buf_slice(&pem), key), 0);
	CHECK_INT(x509_point(key, own), 0);
	CHECK(memcmp(own, point, sizeof(own)) == 0);
	buf_done(&pem);
	buf_done(&request);
	buf_done(&der);
	arena_done(&arena);
}

TEST(a_request_is_for_a_new_key)
{
	check_request(NULL);
	check_request("SWMTKN-1-x");
}
