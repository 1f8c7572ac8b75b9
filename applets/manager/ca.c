/* Contracts are in ca.h. */
#include "applets/manager/ca.h"
#include <stdio.h>
#include <string.h>
#include "applets/manager/state/state.h"
#include "base/bytes.h"
#include "base/mem.h"
#include "base/timefmt.h"
#include "codec/base64.h"

const char ca_manager_unit[] = "swarm-manager";

enum node_role ca_role(const struct node *node, int is_member)
{
	return is_member || node->spec.role == ROLE_MANAGER ? ROLE_MANAGER : ROLE_WORKER;
}

const char *ca_unit(enum node_role role)
{
	return role == ROLE_MANAGER ? ca_manager_unit : "swarm-worker";
}

/* The first certificate of a text. */
static int read_cert(const char *pem, struct buf *der)
{
	struct slice text = slice_of(pem);

	return pem_next(&text, "CERTIFICATE", der) < 0 ? ERR_INVALID : 0;
}

/* ---- what is drawn ----------------------------------------------------------------- */

static void draw(const struct manager_config *config, struct rng *rng, const char *purpose,
		 struct seal_key *drawn)
{
	uint8_t salt[SEAL_SALT_LEN];

	for (size_t i = 0; i < sizeof(salt); i += 8)
		bytes_put(salt + i, 8, rng_next(rng));
	seal_derive(&config->secrets, salt, purpose, drawn);
}

static void draw_key(const struct manager_config *config, struct rng *rng,
		     uint8_t key[X509_KEY_LEN])
{
	struct seal_key drawn[2];
	uint8_t seed[X509_SEED_LEN];

	_Static_assert(sizeof(drawn) >= sizeof(seed), "one more is to be drawn");
	draw(config, rng, "swarmbox root key", &drawn[0]);
	draw(config, rng, "swarmbox root key", &drawn[1]);
	memcpy(seed, drawn, sizeof(seed));
	x509_key(seed, key);
	mem_wipe(drawn, sizeof(drawn));
	mem_wipe(seed, sizeof(seed));
}

static void draw_serial(struct rng *rng, uint8_t serial[X509_SERIAL_LEN])
{
	bytes_put(serial, 8, rng_next(rng));
	bytes_put(serial + 8, 8, rng_next(rng));
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

int ca_token_fits(const char *token, struct slice given)
{
	struct token own, other;

	return token && token_parse(slice_of(token), &own) == 0 &&
	       token_parse(given, &other) == 0 && token_equal(&own, &other);
}

/* ---- another root ------------------------------------------------------------------ */

enum { CERT, KEY, CROSS, TEXTS };

/* The next root's name and key, signed by what->issuer, as PEM. */
static int write_root(struct x509_issue *what, struct rng *rng, struct buf *pem)
{
	struct buf der;
	int err;

	buf_init(&der, X509_DER_MAX);
	draw_serial(rng, what->serial);
	err = x509_issue(what, &der, NULL);
	if (err == 0)
		pem_write(pem, "CERTIFICATE", buf_slice(&der));
	buf_done(&der);
	return err;
}

/* what->issuer_key is the next root's; it is the old one's then. */
static int make_root(const struct cluster *c, struct x509_issue *what, struct rng *rng,
		     struct buf texts[TEXTS])
{
	struct buf old;
	int err;

	buf_init(&old, X509_DER_MAX);
	pem_write_key(&texts[KEY], what->issuer_key);
	err = x509_point(what->issuer_key, what->point);
	if (err == 0)
		err = write_root(what, rng, &texts[CERT]);
	if (err == 0)
		err = read_cert(c->root_cert, &old);
	what->issuer = buf_slice(&old);
	if (err == 0)
		err = pem_read_key(slice_of(c->root_key), what->issuer_key);
	if (err == 0)
		err = write_root(what, rng, &texts[CROSS]);
	buf_done(&old);
	return err;
}

int ca_rotate(struct cluster *c, const struct manager_config *config, struct rng *rng,
	      int64_t now_s, struct arena *a)
{
	struct x509_issue what = { .subject.common_name = CA_ROOT_NAME, .is_authority = 1,
				   .not_before_s = now_s - CA_BEFORE_S,
				   .not_after_s = now_s + CA_ROOT_S };
	struct root_rotation *rotation = arena_new(a, sizeof(*rotation));
	struct buf texts[TEXTS];
	int err;

	for (int i = 0; i < TEXTS; i++)
		buf_init(&texts[i], X509_PEM_MAX);
	draw_key(config, rng, what.issuer_key);
	err = make_root(c, &what, rng, texts);
	if (err == 0) {
		rotation->next_cert = arena_str(a, buf_slice(&texts[CERT]));
		rotation->next_key = arena_str(a, buf_slice(&texts[KEY]));
		rotation->cross_signed = arena_str(a, buf_slice(&texts[CROSS]));
		c->rotation = rotation;
	}
	mem_wipe(&what, sizeof(what));
	mem_wipe(texts[KEY].data, texts[KEY].len);
	for (int i = 0; i < TEXTS; i++)
		buf_done(&texts[i]);
	return err < 0 ? ERR_INVALID : 0;
}

int ca_rotation_end(struct cluster *c, const struct manager_config *config, struct rng *rng,
		    struct arena *a)
{
	const struct root_rotation *rotation = c->rotation;
	char *worker = arena_new(a, TOKEN_TEXT_LEN + 1);
	char *manager = arena_new(a, TOKEN_TEXT_LEN + 1);

	if (ca_token(config, rng, rotation->next_cert, worker) < 0 ||
	    ca_token(config, rng, rotation->next_cert, manager) < 0)
		return ERR_INVALID;
	c->root_cert = rotation->next_cert;
	c->root_key = rotation->next_key;
	c->worker_token = worker;
	c->manager_token = manager;
	c->rotation = NULL;
	return 0;
}

/* ---- what nodes should have -------------------------------------------------------- */

static const char *issuing_cert(const struct cluster *c)
{
	return c->rotation ? c->rotation->next_cert : c->root_cert;
}

static const char *issuing_key(const struct cluster *c)
{
	return c->rotation ? c->rotation->next_key : c->root_key;
}

const char *ca_trust(const struct cluster *c, struct arena *a)
{
	return c->rotation ? arena_printf(a, "%s%s", c->root_cert, c->rotation->next_cert) :
		c->root_cert;
}

static const char *base64_text(struct slice bytes, struct arena *a)
{
	const char *text;
	struct buf b;

	buf_init(&b, 2 * X509_DER_MAX);
	base64_encode(bytes, &b);
	text = arena_str(a, buf_slice(&b));
	buf_done(&b);
	return text;
}

int ca_tell_issuer(struct slice der, struct arena *a, struct tls_info *info)
{
	struct slice name, key;

	if (x509_own_der(der, &name, &key) < 0)
		return ERR_INVALID;
	info->cert_issuer_subject = base64_text(name, a);
	info->cert_issuer_public_key = base64_text(key, a);
	return 0;
}

int ca_wanted(const struct cluster *c, struct arena *a, struct tls_info *wanted)
{
	struct buf der;
	int err;

	buf_init(&der, X509_DER_MAX);
	err = read_cert(issuing_cert(c), &der);
	if (err == 0)
		err = ca_tell_issuer(buf_slice(&der), a, wanted);
	if (err == 0)
		wanted->trust_root = ca_trust(c, a);
	buf_done(&der);
	return err;
}

int ca_has_changed(const struct tls_info *wanted, const struct node *n)
{
	return model_equal(&tls_info_table, wanted, &n->description.tls_info);
}

int ca_must_renew(const struct tls_info *wanted, const struct node *n)
{
	const struct tls_info *told = &n->description.tls_info;

	return told->cert_issuer_subject && told->cert_issuer_public_key &&
	       (strcmp(told->cert_issuer_subject, wanted->cert_issuer_subject) != 0 ||
		strcmp(told->cert_issuer_public_key, wanted->cert_issuer_public_key) != 0);
}

const struct node *ca_waits_for(const struct tls_info *wanted, const struct state *s)
{
	for (struct map_entry *e = state_first(s, OBJECT_NODE); e; e = map_next(e)) {
		const struct node *n = state_entry(e);

		if (!ca_has_changed(wanted, n))
			return n;
	}
	return NULL;
}

/* ---- certificates ------------------------------------------------------------------ */

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

int ca_request_key(struct slice csr, struct buf *key, struct errmsg *msg)
{
	uint8_t point[X509_POINT_LEN];
	int err = read_request(csr, point, msg);

	if (err == 0)
		base64_encode((struct slice){ (char *)point, sizeof(point) }, key);
	return err;
}

/* The roots go along, for those who know only the digest of one. */
static void write_links(const struct cluster *c, struct buf *pem)
{
	if (c->rotation)
		buf_add_slice(pem, slice_of(c->rotation->cross_signed));
	buf_add_slice(pem, slice_of(c->root_cert));
	if (c->rotation)
		buf_add_slice(pem, slice_of(c->rotation->next_cert));
}

static int issue(const struct cluster *c, struct x509_issue *cert, struct buf *pem,
		 struct errmsg *msg)
{
	struct buf root, der;
	int err;

	buf_init(&root, X509_DER_MAX);
	buf_init(&der, X509_DER_MAX);
	err = read_cert(issuing_cert(c), &root);
	cert->issuer = buf_slice(&root);
	if (err == 0)
		err = pem_read_key(slice_of(issuing_key(c)), cert->issuer_key);
	if (err == 0)
		err = x509_issue(cert, &der, msg);
	if (err == 0) {
		pem_write(pem, "CERTIFICATE", buf_slice(&der));
		write_links(c, pem);
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

int ca_is_removed(const struct cluster *c, const char *node_id)
{
	for (uint32_t i = 0; i < c->removed.count; i++) {
		if (strcmp(LIST_AT(&c->removed, struct removed_node, i)->id, node_id) == 0)
			return 1;
	}
	return 0;
}

void ca_remove(struct cluster *c, struct arena *a, const char *node_id, int64_t now_ns)
{
	struct removed_node *list = arena_array(a, c->removed.count + 1, sizeof(*list));
	/* Certificates of before may live for longer than those of now. */
	int64_t life = life_s(c) > CA_NODE_S ? life_s(c) : CA_NODE_S;
	uint32_t n = 0, first = 0;

	for (uint32_t i = 0; i < c->removed.count; i++) {
		const struct removed_node *r = LIST_AT(&c->removed, struct removed_node, i);

		if (r->until > now_ns)
			list[n++] = *r;
	}
	for (uint32_t i = 1; i < n; i++) {
		if (list[i].until < list[first].until)
			first = i;
	}
	if (n == CA_REMOVED_MAX)
		list[first] = list[--n];
	list[n++] = (struct removed_node){ node_id, now_ns + life * SECOND_NS };
	c->removed = (struct list){ list, n };
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
	draw_serial(rng, cert.serial);
	err = issue(c, &cert, pem, msg);
	mem_wipe(&cert, sizeof(cert));
	return err;
}
