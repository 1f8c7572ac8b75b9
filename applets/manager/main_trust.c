/* Contracts are in main_trust.h. The file: magic, salt, then sealed: certificate, key, roots and
 * root key as PEM, each with its length u32 (little endian) before it. */
#include "applets/manager/main_trust.h"
#include <stdio.h>
#include <string.h>
#include "applets/manager/ca.h"
#include "base/bytes.h"
#include "base/mem.h"
#include "codec/json.h"
#include "crypt/seal.h"
#include "io/entropy.h"
#include "io/file.h"

#define MAGIC "SWBXIDN1"
#define PURPOSE "swarmbox identity"

enum {
	MAGIC_LEN = 8,
	HEAD_LEN = MAGIC_LEN + SEAL_SALT_LEN,
	FILE_MAX = TRUST_TEXT_MAX + 1024,
};

void trust_done(struct trust *t)
{
	mem_wipe(&t->identity, sizeof(t->identity));
	if (t->root_key.len)
		mem_wipe((void *)(uintptr_t)t->root_key.data, t->root_key.len);
	arena_done(&t->arena);
	*t = (struct trust){ .anchor_count = 0 };
}

/* ---- from texts ------------------------------------------------------------------- */

/* The certificates of a text, each in the arena. Their number, or ERR_INVALID. */
static int read_certs(struct arena *a, struct slice text, struct slice *out, int max)
{
	int n = 0, err = 0;

	while (err == 0 && n < max) {
		struct buf der;

		buf_init(&der, X509_DER_MAX);
		err = pem_next(&text, "CERTIFICATE", &der);
		if (err == 0)
			out[n++] = arena_copy(a, buf_slice(&der));
		buf_done(&der);
	}
	return err == 0 || err == ERR_NOT_FOUND ? n : err;
}

/* Who issued its certificate is the next in the chain. */
static int set_tls_info(struct trust *t, struct slice root, struct errmsg *msg)
{
	struct slice issuer = t->identity.chain_count > 1 ? t->identity.chain[1] : root;

	t->tls_info.trust_root = arena_str(&t->arena, t->roots);
	if (ca_tell_issuer(issuer, &t->arena, &t->tls_info) < 0)
		return errmsg_set(msg, ERR_INVALID, "the issuer's certificate cannot be read");
	return 0;
}

static int take_roots(struct trust *t, struct errmsg *msg)
{
	struct slice ders[TLS_ANCHORS_MAX];
	int n = read_certs(&t->arena, t->roots, ders, TLS_ANCHORS_MAX);

	if (n <= 0)
		return errmsg_set(msg, ERR_INVALID, "no root certificate can be read");
	for (int i = 0; i < n; i++) {
		if (tls_anchor_init(&t->anchors[i], ders[i], msg) < 0)
			return ERR_INVALID;
	}
	t->anchor_count = (uint32_t)n;
	return set_tls_info(t, ders[0], msg);
}

static int take_own(struct trust *t, struct slice key, struct errmsg *msg)
{
	uint8_t point[X509_POINT_LEN];
	int n = read_certs(&t->arena, t->chain, t->identity.chain, TLS_CHAIN_MAX);

	if (n <= 0)
		return errmsg_set(msg, ERR_INVALID, "no certificate can be read");
	t->identity.chain_count = (uint32_t)n;
	if (x509_read(t->identity.chain[0], &t->cert, msg) < 0)
		return ERR_INVALID;
	t->issuer = t->cert.issuer;
	if (pem_read_key(key, t->identity.key) < 0 || x509_point(t->identity.key, point) < 0 ||
	    memcmp(point, t->cert.point, sizeof(point)) != 0)
		return errmsg_set(msg, ERR_INVALID, "the key is not the certificate's");
	return 0;
}

int trust_take(struct trust *t, struct slice chain, struct slice key, struct slice roots,
	       struct slice root_key, struct errmsg *msg)
{
	int err;

	*t = (struct trust){ .anchor_count = 0 };
	arena_init(&t->arena);
	t->chain = arena_copy(&t->arena, chain);
	t->roots = arena_copy(&t->arena, roots);
	t->root_key = arena_copy(&t->arena, root_key);
	err = take_own(t, key, msg);
	if (err == 0)
		err = take_roots(t, msg);
	if (err < 0)
		trust_done(t);
	return err;
}

/* ---- new ones ---------------------------------------------------------------------- */

static void new_key(uint8_t key[X509_KEY_LEN])
{
	uint8_t seed[X509_SEED_LEN];

	entropy_fill(seed, sizeof(seed));
	x509_key(seed, key);
	mem_wipe(seed, sizeof(seed));
}

void trust_request(struct buf *key, const struct trust_joiner *joiner, struct buf *request)
{
	static const struct x509_name nobody;	/* who it is, is the swarm's to say */
	uint8_t secret[X509_KEY_LEN];
	struct json_writer w;
	struct buf der, csr;

	new_key(secret);
	buf_init(&der, X509_DER_MAX);
	buf_init(&csr, X509_PEM_MAX);
	(void)x509_request(secret, &nobody, &der);	/* the key is good */
	pem_write(&csr, "CERTIFICATE REQUEST", buf_slice(&der));
	pem_write_key(key, secret);
	mem_wipe(secret, sizeof(secret));
	json_begin(&w, request);
	json_open_object(&w);
	json_put_slice(&w, "CSR", buf_slice(&csr));
	if (joiner) {
		json_put_str(&w, "Token", joiner->token);
		json_put_str(&w, "Hostname", joiner->hostname);
	}
	if (joiner && joiner->availability)
		json_put_str(&w, "Availability", joiner->availability);
	json_close_object(&w);
	buf_done(&der);
	buf_done(&csr);
}

static int issue(struct x509_issue *what, const uint8_t key[X509_KEY_LEN], int64_t now_s,
		 int64_t life_s, struct buf *der, struct errmsg *msg)
{
	entropy_fill(what->serial, sizeof(what->serial));
	what->not_before_s = now_s - CA_BEFORE_S;
	what->not_after_s = now_s + life_s;
	if (x509_point(key, what->point) < 0)
		return ERR_INVALID;
	return x509_issue(what, der, msg);
}

enum { ROOT, OWN, BOTH };

static int issue_both(uint8_t keys[BOTH][X509_KEY_LEN], const struct x509_name *node,
		      int64_t now_s, struct buf der[BOTH], struct errmsg *msg)
{
	struct x509_issue what = { .subject.common_name = CA_ROOT_NAME, .is_authority = 1 };
	int err;

	memcpy(what.issuer_key, keys[ROOT], X509_KEY_LEN);
	err = issue(&what, keys[ROOT], now_s, CA_ROOT_S, &der[ROOT], msg);
	what.issuer = buf_slice(&der[ROOT]);
	what.subject = *node;
	what.is_authority = 0;
	if (err == 0)
		err = issue(&what, keys[OWN], now_s, CA_NODE_S, &der[OWN], msg);
	mem_wipe(&what, sizeof(what));
	return err;
}

static void wipe_buf(struct buf *b)
{
	if (b->data)
		mem_wipe(b->data, b->len);
	buf_done(b);
}

int trust_found(struct trust *t, const char *node_id, const char *swarm_id, int64_t now_s,
		struct errmsg *msg)
{
	enum { CHAIN, KEY, ROOTS, ROOT_KEY, TEXTS };
	uint8_t keys[BOTH][X509_KEY_LEN];
	struct x509_name node = { .common_name = "" };
	struct buf der[BOTH], pem[TEXTS];
	int err;

	snprintf(node.common_name, sizeof(node.common_name), "%s", node_id);
	snprintf(node.organisation, sizeof(node.organisation), "%s", swarm_id);
	snprintf(node.unit, sizeof(node.unit), "%s", ca_manager_unit);
	for (int i = 0; i < BOTH; i++) {
		new_key(keys[i]);
		buf_init(&der[i], X509_DER_MAX);
	}
	for (int i = 0; i < TEXTS; i++)
		buf_init(&pem[i], 2 * X509_PEM_MAX);
	err = issue_both(keys, &node, now_s, der, msg);
	if (err == 0) {
		/* The root goes along, for those who know only its digest. */
		pem_write(&pem[CHAIN], "CERTIFICATE", buf_slice(&der[OWN]));
		pem_write(&pem[CHAIN], "CERTIFICATE", buf_slice(&der[ROOT]));
		pem_write_key(&pem[KEY], keys[OWN]);
		pem_write(&pem[ROOTS], "CERTIFICATE", buf_slice(&der[ROOT]));
		pem_write_key(&pem[ROOT_KEY], keys[ROOT]);
		err = trust_take(t, buf_slice(&pem[CHAIN]), buf_slice(&pem[KEY]),
				 buf_slice(&pem[ROOTS]), buf_slice(&pem[ROOT_KEY]), msg);
	}
	for (int i = 0; i < BOTH; i++)
		buf_done(&der[i]);
	for (int i = 0; i < TEXTS; i++)
		wipe_buf(&pem[i]);
	mem_wipe(keys, sizeof(keys));
	return err;
}

int trust_with_roots(struct trust *t, const struct trust *from, struct slice roots,
		     struct errmsg *msg)
{
	struct buf key;
	int err;

	buf_init(&key, X509_PEM_MAX);
	pem_write_key(&key, from->identity.key);
	err = trust_take(t, from->chain, buf_slice(&key), roots, from->root_key, msg);
	wipe_buf(&key);
	return err;
}

/* ---- the file ---------------------------------------------------------------------- */

static int identity_path(const struct datadir *dir, char path[FILE_PATH_MAX], struct errmsg *msg)
{
	int n = snprintf(path, FILE_PATH_MAX, "%s/identity", dir->folder.path);

	return n < FILE_PATH_MAX ? 0 : errmsg_set(msg, ERR_INVALID, "path too long");
}

static void put_text(struct buf *out, struct slice text)
{
	uint8_t length[4];

	bytes_put(length, sizeof(length), text.len);
	buf_add(out, length, sizeof(length));
	buf_add_slice(out, text);
}

static void write_text(const struct trust *t, struct buf *text)
{
	struct buf key;

	buf_init(&key, X509_PEM_MAX);
	pem_write_key(&key, t->identity.key);
	put_text(text, t->chain);
	put_text(text, buf_slice(&key));
	put_text(text, t->roots);
	put_text(text, t->root_key);
	wipe_buf(&key);
}

int trust_save(const struct trust *t, const struct datadir *dir, struct errmsg *msg)
{
	static const uint8_t nonce[SEAL_NONCE_LEN];	/* the salt makes the key one of its own */
	char path[FILE_PATH_MAX];
	uint8_t salt[SEAL_SALT_LEN];
	struct seal_key key;
	struct buf text, file;
	int err = identity_path(dir, path, msg);

	if (err < 0)
		return err;
	buf_init(&text, FILE_MAX);
	buf_init(&file, FILE_MAX + HEAD_LEN + SEAL_TAG_LEN);
	write_text(t, &text);
	entropy_fill(salt, sizeof(salt));
	seal_derive(&dir->key, salt, PURPOSE, &key);
	buf_add_str(&file, MAGIC);
	buf_add(&file, salt, sizeof(salt));
	seal_close(&key, nonce, SLICE(MAGIC), buf_slice(&text),
		   (uint8_t *)buf_reserve(&file, text.len + SEAL_TAG_LEN));
	file.len += text.len + SEAL_TAG_LEN;
	err = file_write(path, buf_slice(&file), 0600, FILE_DURABLE, msg);
	mem_wipe(&key, sizeof(key));
	wipe_buf(&text);
	buf_done(&file);
	return err;
}

/* file's text, opened in place. 0 or ERR_CORRUPT. */
static int unseal(const struct seal_key *master, struct buf *file, struct slice *text)
{
	static const uint8_t nonce[SEAL_NONCE_LEN];
	struct slice sealed = { file->data + HEAD_LEN, file->len - HEAD_LEN };
	struct seal_key key;
	int err;

	if (file->len < HEAD_LEN + SEAL_TAG_LEN || memcmp(file->data, MAGIC, MAGIC_LEN) != 0)
		return ERR_CORRUPT;
	seal_derive(master, (const uint8_t *)file->data + MAGIC_LEN, PURPOSE, &key);
	err = seal_open(&key, nonce, SLICE(MAGIC), sealed, (uint8_t *)file->data + HEAD_LEN);
	mem_wipe(&key, sizeof(key));
	*text = (struct slice){ sealed.data, sealed.len - SEAL_TAG_LEN };
	return err;
}

static int parse(struct trust *t, struct slice text)
{
	struct slice parts[4];

	for (int i = 0; i < 4; i++) {
		uint64_t n = text.len < 4 ? UINT64_MAX : bytes_get(text.data, 4);

		if (n > text.len - 4)
			return ERR_CORRUPT;
		parts[i] = (struct slice){ text.data + 4, n };
		text.data += 4 + n;
		text.len -= 4 + n;
	}
	return trust_take(t, parts[0], parts[1], parts[2], parts[3], NULL);
}

int trust_read(struct trust *t, const struct seal_key *key, struct buf *file)
{
	struct slice text;

	return unseal(key, file, &text) < 0 || parse(t, text) < 0 ? ERR_CORRUPT : 0;
}

int trust_load(struct trust *t, const struct datadir *dir, struct errmsg *msg)
{
	char path[FILE_PATH_MAX];
	struct buf file;
	int err = identity_path(dir, path, msg);

	if (err < 0)
		return err;
	buf_init(&file, FILE_MAX + HEAD_LEN + SEAL_TAG_LEN);
	err = file_read(path, FILE_MAX, &file, msg);
	if (err == 0 && trust_read(t, &dir->key, &file) < 0)
		err = errmsg_set(msg, ERR_CORRUPT, "%s: damaged, or from another data folder: "
				 "restore it from a backup, or leave the swarm and join again",
				 path);
	wipe_buf(&file);
	return err;
}
