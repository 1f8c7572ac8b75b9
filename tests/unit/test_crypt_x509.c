/* Certificates, requests, PEM and tokens: written, read back, refused when they are not what they
 * say. */
#include <stdio.h>
#include <string.h>
#include "crypt/token.h"
#include "crypt/x509.h"
#include "unit.h"

enum { NOW_S = 1700000000, LATER_S = 2600000000 };	/* 2023, 2052 */

static void make_key(uint8_t start, uint8_t key[X509_KEY_LEN])
{
	uint8_t seed[X509_SEED_LEN];

	for (int i = 0; i < X509_SEED_LEN; i++)
		seed[i] = (uint8_t)(start + 7 * i);
	x509_key(seed, key);
}

static void make_root(struct buf *out, uint8_t key[X509_KEY_LEN])
{
	struct x509_issue what = { .subject.common_name = "swarm-ca", .is_authority = 1,
				   .serial = { 0xff, 1 }, .not_before_s = NOW_S,
				   .not_after_s = LATER_S };
	struct errmsg msg;

	make_key(1, key);
	memcpy(what.issuer_key, key, X509_KEY_LEN);
	CHECK_INT(x509_point(key, what.point), 0);
	buf_init(out, X509_DER_MAX);
	CHECK_INT(x509_issue(&what, out, &msg), 0);
}

static const struct x509_name node_name = { "node1", "swarm-worker", "swarm1" };

static void make_leaf(struct buf *out, struct slice root, const uint8_t root_key[])
{
	struct x509_issue what = { .issuer = root, .subject = node_name, .serial = { 0, 0, 5 },
				   .not_before_s = NOW_S - 3600, .not_after_s = NOW_S + 86400 };
	uint8_t key[X509_KEY_LEN];
	struct errmsg msg;

	make_key(2, key);
	memcpy(what.issuer_key, root_key, X509_KEY_LEN);
	CHECK_INT(x509_point(key, what.point), 0);
	buf_init(out, X509_DER_MAX);
	CHECK_INT(x509_issue(&what, out, &msg), 0);
}

static void make_both(struct buf *root_out, struct buf *leaf_out, uint8_t key[X509_KEY_LEN],
		      struct slice *root, struct slice *leaf)
{
	make_root(root_out, key);
	*root = buf_slice(root_out);
	make_leaf(leaf_out, *root, key);
	*leaf = buf_slice(leaf_out);
}

TEST(a_certificate_says_what_it_was_made_of)
{
	uint8_t key[X509_KEY_LEN], point[X509_POINT_LEN];
	struct buf root_out, leaf_out;
	struct slice root, leaf;
	struct x509_cert cert;
	struct errmsg msg;

	make_both(&root_out, &leaf_out, key, &root, &leaf);
	CHECK_INT(x509_read(root, &cert, &msg), 0);
	CHECK_STR(cert.subject.common_name, "swarm-ca");
	CHECK_STR(cert.subject.unit, "");
	CHECK_STR(cert.issuer.common_name, "swarm-ca");
	CHECK_INT(cert.is_authority, 1);
	CHECK_INT(cert.not_before_s, NOW_S);
	CHECK_INT(cert.not_after_s, LATER_S);
	CHECK_INT(x509_point(key, point), 0);
	CHECK(memcmp(point, cert.point, sizeof(point)) == 0);

	CHECK_INT(x509_read(leaf, &cert, &msg), 0);
	CHECK_STR(cert.subject.common_name, "node1");
	CHECK_STR(cert.subject.unit, "swarm-worker");
	CHECK_STR(cert.subject.organisation, "swarm1");
	CHECK_STR(cert.issuer.common_name, "swarm-ca");
	CHECK_INT(cert.is_authority, 0);
	CHECK_INT(cert.not_before_s, NOW_S - 3600);
	CHECK_INT(cert.not_after_s, NOW_S + 86400);

	CHECK(x509_is_signed_by(root, root));
	CHECK(x509_is_signed_by(leaf, root));
	CHECK(!x509_is_signed_by(root, leaf));
	buf_done(&root_out);
	buf_done(&leaf_out);
}

TEST(a_certificate_that_was_changed_is_not_the_authoritys)
{
	uint8_t key[X509_KEY_LEN];
	struct buf root_out, leaf_out;
	struct slice root, leaf;
	struct x509_cert cert;
	struct errmsg msg;

	make_both(&root_out, &leaf_out, key, &root, &leaf);
	for (size_t i = 0; i < leaf.len; i++) {
		leaf_out.data[i] ^= 1;
		CHECK(x509_read(leaf, &cert, &msg) < 0 || !x509_is_signed_by(leaf, root));
		leaf_out.data[i] ^= 1;
	}
	for (size_t i = 0; i < leaf.len; i++)
		CHECK_INT(x509_read((struct slice){ leaf.data, i }, &cert, &msg), ERR_INVALID);
	buf_done(&root_out);
	buf_done(&leaf_out);
}

TEST(nobody_signs_with_a_key_that_is_not_the_certificates)
{
	uint8_t key[X509_KEY_LEN], other[X509_KEY_LEN];
	struct x509_issue what = { .subject = node_name };
	struct buf root_out, out;
	struct errmsg msg = { { 0 } };

	make_root(&root_out, key);
	what.issuer = buf_slice(&root_out);
	make_key(9, other);
	memcpy(what.issuer_key, other, sizeof(other));
	CHECK_INT(x509_point(other, what.point), 0);
	buf_init(&out, X509_DER_MAX);
	CHECK_INT(x509_issue(&what, &out, &msg), ERR_INVALID);
	CHECK(strstr(msg.text, "key is not its certificate's"));
	memset(what.issuer_key, 0, X509_KEY_LEN);
	CHECK_INT(x509_issue(&what, &out, &msg), ERR_INVALID);
	memset(what.issuer_key, 0xff, X509_KEY_LEN);
	CHECK_INT(x509_issue(&what, &out, &msg), ERR_INVALID);
	CHECK_INT(out.len, 0);
	buf_done(&root_out);
	buf_done(&out);
}

/* The order's own multiples are where a remainder goes wrong. */
TEST(keys_are_the_seeds_remainder)
{
	static const uint8_t order_less_one[X509_SEED_LEN] = {
		0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff, 0xff, 0xff, 0, 0, 0, 0, 0xff, 0xff, 0xff, 0xff,
		0xff, 0xff, 0xff, 0xff, 0xbc, 0xe6, 0xfa, 0xad, 0xa7, 0x17, 0x9e, 0x84, 0xf3, 0xb9,
		0xca, 0xc2, 0xfc, 0x63, 0x25, 0x50,
	};
	/* (2^320 - 1) mod (n - 1) + 1 */
	static const uint8_t largest[X509_KEY_LEN] = {
		0xff, 0xff, 0xff, 0xfe, 0x00, 0x00, 0x00, 0x01, 0x43, 0x19, 0x05, 0x52,
		0x9c, 0x01, 0x66, 0xcd, 0x22, 0x15, 0x91, 0x65, 0xb6, 0xfa, 0xae, 0x71,
		0xf7, 0x56, 0xa5, 0x72, 0xfc, 0x63, 0x25, 0x50,
	};
	uint8_t seed[X509_SEED_LEN], key[X509_KEY_LEN], expected[X509_KEY_LEN] = { 0 };

	memcpy(seed, order_less_one, sizeof(seed));
	x509_key(seed, key);	/* remainder 0, and one */
	expected[X509_KEY_LEN - 1] = 1;
	CHECK(memcmp(key, expected, sizeof(key)) == 0);
	seed[X509_SEED_LEN - 1]--;
	x509_key(seed, key);	/* the largest remainder, and one */
	CHECK(memcmp(key, order_less_one + 8, sizeof(key)) == 0);
	memset(seed, 0, sizeof(seed));
	x509_key(seed, key);
	CHECK(memcmp(key, expected, sizeof(key)) == 0);
	memset(seed, 0xff, sizeof(seed));
	x509_key(seed, key);
	CHECK(memcmp(key, largest, sizeof(key)) == 0);
}

TEST(a_request_names_its_key_and_is_signed_by_it)
{
	uint8_t key[X509_KEY_LEN], point[X509_POINT_LEN], expected[X509_POINT_LEN];
	struct x509_name subject;
	struct errmsg msg = { { 0 } };
	struct buf out;

	make_key(3, key);
	CHECK_INT(x509_point(key, expected), 0);
	buf_init(&out, X509_DER_MAX);
	CHECK_INT(x509_request(key, &node_name, &out), 0);
	CHECK_INT(x509_request_read(buf_slice(&out), &subject, point, &msg), 0);
	CHECK(memcmp(point, expected, sizeof(point)) == 0);
	CHECK_STR(subject.common_name, "node1");
	CHECK_STR(subject.unit, "swarm-worker");
	for (size_t i = 0; i < out.len; i++) {
		out.data[i] ^= 4;
		CHECK_INT(x509_request_read(buf_slice(&out), &subject, point, &msg), ERR_INVALID);
		out.data[i] ^= 4;
	}
	buf_done(&out);
}

TEST(what_was_written_as_pem_is_read_again)
{
	uint8_t key[X509_KEY_LEN], again[X509_KEY_LEN];
	struct buf root_out, leaf_out, pem, der;
	struct slice root, leaf;
	struct slice text;

	make_both(&root_out, &leaf_out, key, &root, &leaf);
	buf_init(&pem, 3 * X509_PEM_MAX);
	buf_init(&der, X509_DER_MAX);
	pem_write(&pem, "CERTIFICATE", leaf);
	pem_write_key(&pem, key);
	pem_write(&pem, "CERTIFICATE", root);
	text = buf_slice(&pem);
	CHECK_INT(pem_next(&text, "CERTIFICATE", &der), 0);
	CHECK(slice_equal(buf_slice(&der), leaf));
	buf_reset(&der);
	CHECK_INT(pem_next(&text, "CERTIFICATE", &der), 0);
	CHECK(slice_equal(buf_slice(&der), root));
	CHECK_INT(pem_next(&text, "CERTIFICATE", &der), ERR_NOT_FOUND);
	CHECK_INT(pem_read_key(buf_slice(&pem), again), 0);
	CHECK(memcmp(key, again, sizeof(key)) == 0);
	text = SLICE("-----BEGIN CERTIFICATE-----\nAAAA\n");
	CHECK_INT(pem_next(&text, "CERTIFICATE", &der), ERR_INVALID);
	text = SLICE("-----BEGIN CERTIFICATE-----\n!\n-----END CERTIFICATE-----\n");
	CHECK_INT(pem_next(&text, "CERTIFICATE", &der), ERR_INVALID);
	CHECK_INT(pem_read_key(SLICE("-----BEGIN EC PRIVATE KEY-----\nAAAA\n"
				     "-----END EC PRIVATE KEY-----\n"), again), ERR_INVALID);
	buf_done(&root_out);
	buf_done(&leaf_out);
	buf_done(&pem);
	buf_done(&der);
}

TEST(tokens_have_dockers_form)
{
	struct token t = { { 0 }, { 0 } }, again;
	char text[TOKEN_TEXT_LEN + 1];

	token_build(&t, text);
	CHECK_STR(text, "SWMTKN-1-00000000000000000000000000000000000000000000000000-"
			"0000000000000000000000000");
	for (size_t i = 0; i < sizeof(t.digest); i++)
		t.digest[i] = 0xff;
	for (size_t i = 0; i < sizeof(t.secret); i++)
		t.secret[i] = 0xff;
	token_build(&t, text);
	/* 2^256 - 1 and 2^128 - 1 */
	CHECK_STR(text, "SWMTKN-1-6dp5qcb22im238nr3wvp0ic7q99w035jmy2iw7i6n43d37jtof-"
			"f5lxx1zz5pnorynqglhzmsp33");
	CHECK_INT(token_parse(slice_of(text), &again), 0);
	CHECK(token_equal(&t, &again));
	again.secret[3] ^= 1;
	CHECK(!token_equal(&t, &again));
}

TEST(what_is_no_token_is_refused)
{
	static const char *const texts[] = {
		"", "SWMTKN-1-",
		"SWMTKN-2-00000000000000000000000000000000000000000000000000-"
		"0000000000000000000000000",
		"SWMTKN-1-0000000000000000000000000000000000000000000000000000000000000000000000000"
		"000",
		"SWMTKN-1-0000000000000000000000000000000000000000000000000A-"
		"0000000000000000000000000",
		"SWMTKN-1-6dp5qcb22im238nr3wvp0ic7q99w035jmy2iw7i6n43d37jtog-"
		"0000000000000000000000000",
		"SWMTKN-1-00000000000000000000000000000000000000000000000000-"
		"f5lxx1zz5pnorynqglhzmsp34",
		"SWMTKN-1-00000000000000000000000000000000000000000000000000-"
		"00000000000000000000000000",
	};
	struct token t;

	for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++)
		CHECK_INT(token_parse(slice_of(texts[i]), &t), ERR_INVALID);
}

TEST(a_digest_is_of_the_pem_text)
{
	/* SHA-256 of "-----BEGIN CERTIFICATE-----\nYWJj\n-----END CERTIFICATE-----\n" */
	static const uint8_t expected[TOKEN_DIGEST_LEN] = {
		0x0b, 0x04, 0x2d, 0xc9, 0x9b, 0x87, 0xa9, 0x4d, 0x70, 0x44, 0x0c, 0x01,
		0xf1, 0xde, 0xf8, 0x0c, 0xcc, 0xbb, 0x2c, 0xf9, 0x9d, 0xde, 0xab, 0x0e,
		0x75, 0x33, 0xd4, 0x40, 0x62, 0xd6, 0xbd, 0xfe,
	};
	uint8_t digest[TOKEN_DIGEST_LEN];

	token_digest(SLICE("abc"), digest);
	CHECK(memcmp(digest, expected, sizeof(digest)) == 0);
}

TEST(unlock_keys_have_dockers_form)
{
	struct seal_key key = { { 0xff, 1, 2 } }, again;
	char text[UNLOCK_TEXT_LEN + 1];

	unlock_build(&key, text);
	CHECK_STR(text, "SWMKEY-1-/wECAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA");
	CHECK_INT(unlock_parse(slice_of(text), &again), 0);
	CHECK(memcmp(&key, &again, sizeof(key)) == 0);
	text[UNLOCK_TEXT_LEN - 1] = '!';
	CHECK_INT(unlock_parse(slice_of(text), &again), ERR_INVALID);
	CHECK_INT(unlock_parse(SLICE("SWMKEY-1-"), &again), ERR_INVALID);
	CHECK_INT(unlock_parse(SLICE("SWMKEY-2-/wECAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"),
			       &again), ERR_INVALID);
}
