/* A root is replaced: whom nodes believe on the way, what they are to have, and when it is over.
 * The certificates are what ca.c made, and those who show them to each other are ends of TLS. */
#include <stdlib.h>
#include <string.h>
#include "applets/manager/state/state.h"
#include "base/mem.h"
#include "crypt/tls.h"
#include "manager_root.h"
#include "unit.h"

enum { NOW_S = 1800000000 };

static const struct manager_config config = { .secrets = { { 1, 2, 3 } } };

/* A node: what it shows, and whom it believes. */
struct one {
	struct tls_identity who;
	struct tls_anchor anchors[TLS_ANCHORS_MAX];
	uint32_t anchor_count;
};

struct bench {
	struct arena arena;
	struct rng rng;
	struct cluster cluster;
	struct tls_pin pin;
	struct tls client, server;
	char client_buffer[TLS_BUFFER_FULL], server_buffer[TLS_BUFFER_FULL];
};

static struct bench *open_bench(void)
{
	struct bench *b = mem_new(sizeof(*b));

	arena_init(&b->arena);
	rng_init(&b->rng, 1);
	b->cluster.meta.id = "swarm1";
	manager_root(&b->cluster, &config, &b->rng, &b->arena);
	return b;
}

static void close_bench(struct bench *b)
{
	arena_done(&b->arena);
	mem_free(b);
}

static void rotate(struct bench *b)
{
	if (ca_rotate(&b->cluster, &config, &b->rng, NOW_S, &b->arena) < 0)
		abort();
}

static void end_rotation(struct bench *b)
{
	if (ca_rotation_end(&b->cluster, &config, &b->rng, &b->arena) < 0)
		abort();
}

/* Certificate number i of a text, in the arena; empty: it has not so many. */
static struct slice nth(struct bench *b, const char *pem, int i)
{
	struct slice text = slice_of(pem), der = { NULL, 0 };
	struct buf one;

	for (int k = 0; k <= i; k++) {
		buf_init(&one, X509_DER_MAX);
		der = pem_next(&text, "CERTIFICATE", &one) == 0 ?
			arena_copy(&b->arena, buf_slice(&one)) : (struct slice){ NULL, 0 };
		buf_done(&one);
	}
	return der;
}

static const char *certify(struct bench *b, uint8_t start)
{
	struct ca_request what = {
		.csr = slice_of(manager_root_request(start, "", &b->arena)),
		.node_id = "node1", .unit = ca_manager_unit, .now_s = NOW_S,
	};
	const char *text;
	struct buf pem;

	buf_init(&pem, 1 << 14);
	if (ca_certify(&b->cluster, &what, &b->rng, &pem, NULL) < 0)
		abort();
	text = arena_str(&b->arena, buf_slice(&pem));
	buf_done(&pem);
	return text;
}

static void believe(struct bench *b, struct one *o, const char *roots)
{
	struct slice der;

	o->anchor_count = 0;
	while ((der = nth(b, roots, (int)o->anchor_count)).len) {
		if (tls_anchor_init(&o->anchors[o->anchor_count++], der, NULL) < 0)
			abort();
	}
}

/* One that gets its certificate now. */
static struct one *enrol(struct bench *b)
{
	struct one *o = arena_new(&b->arena, sizeof(*o));
	const char *chain = certify(b, 7);
	struct slice der;

	manager_root_key(7, o->who.key);
	while ((der = nth(b, chain, (int)o->who.chain_count)).len) {
		if (o->who.chain_count == TLS_CHAIN_MAX)
			abort();
		o->who.chain[o->who.chain_count++] = der;
	}
	believe(b, o, ca_trust(&b->cluster, &b->arena));
	return o;
}

static struct tls_config config_of(const struct one *o, uint8_t seed)
{
	return (struct tls_config){
		.identity = &o->who, .anchors = o->anchors, .anchor_count = o->anchor_count,
		.now_s = NOW_S, .seed = { seed },
	};
}

/* 1 if something moved. */
static int carry(struct tls *from, struct tls *to)
{
	size_t n = tls_feed(to, tls_out(from));

	tls_sent(from, n);
	return n > 0;
}

/* Do they open a connection? */
static int meet_as(struct bench *b, const struct tls_config *client,
		   const struct tls_config *server)
{
	int moved, opened;

	tls_init_client(&b->client, client, b->client_buffer, TLS_BUFFER_FULL);
	tls_init_server(&b->server, server, b->server_buffer, TLS_BUFFER_FULL);
	do {
		moved = carry(&b->client, &b->server);
		moved |= carry(&b->server, &b->client);
	} while (moved);
	opened = tls_is_open(&b->client) && tls_is_open(&b->server);
	tls_done(&b->client);
	tls_done(&b->server);
	return opened;
}

static int meet(struct bench *b, const struct one *client, const struct one *server)
{
	struct tls_config c = config_of(client, 1), s = config_of(server, 2);

	return meet_as(b, &c, &s);
}

/* Either of them dials. */
#define CHECK_MEET(b, one, other, opens) do { \
	CHECK_INT(meet(b, one, other), opens); \
	CHECK_INT(meet(b, other, one), opens); \
} while (0)

TEST(a_next_root_is_one_and_the_old_one_signed_it_too)
{
	struct bench *b = open_bench();
	struct x509_cert old, next, cross;
	struct slice old_der, next_der, cross_der;
	uint8_t key[X509_KEY_LEN], point[X509_POINT_LEN];

	rotate(b);
	old_der = nth(b, b->cluster.root_cert, 0);
	next_der = nth(b, b->cluster.rotation->next_cert, 0);
	cross_der = nth(b, b->cluster.rotation->cross_signed, 0);
	CHECK_INT(x509_read(old_der, &old, NULL), 0);
	CHECK_INT(x509_read(next_der, &next, NULL), 0);
	CHECK_INT(x509_read(cross_der, &cross, NULL), 0);
	CHECK(next.is_authority && cross.is_authority);
	CHECK_STR(next.subject.common_name, "swarm-ca");
	CHECK_STR(cross.subject.common_name, "swarm-ca");
	CHECK(x509_is_signed_by(next_der, next_der) && !x509_is_signed_by(next_der, old_der));
	CHECK(x509_is_signed_by(cross_der, old_der) && !x509_is_signed_by(cross_der, next_der));
	CHECK(memcmp(next.point, old.point, sizeof(point)) != 0);
	CHECK(memcmp(next.point, cross.point, sizeof(point)) == 0);
	CHECK_INT(next.not_before_s, NOW_S - CA_BEFORE_S);
	CHECK_INT(next.not_after_s, (int64_t)NOW_S + CA_ROOT_S);
	CHECK_INT(cross.not_after_s, next.not_after_s);
	CHECK_INT(pem_read_key(slice_of(b->cluster.rotation->next_key), key), 0);
	CHECK_INT(x509_point(key, point), 0);
	CHECK(memcmp(point, next.point, sizeof(point)) == 0);
	close_bench(b);
}

TEST(no_two_roots_are_the_same)
{
	static const struct manager_config other = { .secrets = { { 1, 2, 4 } } };
	struct bench *b = open_bench();
	const char *first, *second;
	struct rng rng;

	rng = b->rng;
	rotate(b);
	first = b->cluster.rotation->next_key;
	rotate(b);
	second = b->cluster.rotation->next_key;
	CHECK(strcmp(first, second) != 0);
	/* What chance drew can be guessed, the secret cannot. */
	b->rng = rng;
	CHECK_INT(ca_rotate(&b->cluster, &other, &b->rng, NOW_S, &b->arena), 0);
	CHECK(strcmp(b->cluster.rotation->next_key, first) != 0);
	close_bench(b);
}

TEST(a_node_of_the_next_root_is_believed_by_those_of_the_old_one_and_of_the_next)
{
	struct bench *b = open_bench();
	struct one *before = enrol(b), *during, *after, dockers;

	rotate(b);
	during = enrol(b);
	CHECK_INT(during->who.chain_count, TLS_CHAIN_MAX);
	CHECK_INT(during->anchor_count, 2);
	/* One that believes the next one alone, with a certificate of the time of both. */
	dockers = *during;
	believe(b, &dockers, b->cluster.rotation->next_cert);
	end_rotation(b);
	after = enrol(b);
	CHECK_INT(after->anchor_count, 1);
	CHECK_INT(after->who.chain_count, 2);
	CHECK_MEET(b, before, before, 1);
	CHECK_MEET(b, before, during, 1);
	CHECK_MEET(b, during, during, 1);
	CHECK_MEET(b, during, after, 1);
	CHECK_MEET(b, after, after, 1);
	CHECK_MEET(b, &dockers, during, 1);
	CHECK_MEET(b, &dockers, after, 1);
	/* The old root is good for nothing then. */
	CHECK_MEET(b, before, after, 0);
	CHECK_MEET(b, before, &dockers, 0);
	close_bench(b);
}

/* As its node was away while the first next root was given up for another one. */
TEST(a_root_that_was_replaced_on_its_way_is_still_linked_to_the_old_one)
{
	struct bench *b = open_bench();
	struct one *before = enrol(b), *first, *second, *after;

	rotate(b);
	first = enrol(b);
	rotate(b);
	second = enrol(b);
	CHECK_INT(second->who.chain_count, TLS_CHAIN_MAX);
	CHECK(x509_is_signed_by(nth(b, b->cluster.rotation->cross_signed, 0),
				nth(b, b->cluster.root_cert, 0)));
	CHECK_MEET(b, before, first, 1);
	CHECK_MEET(b, before, second, 1);
	CHECK_MEET(b, first, second, 1);
	end_rotation(b);
	after = enrol(b);
	CHECK_MEET(b, second, after, 1);
	CHECK_MEET(b, first, after, 0);
	close_bench(b);
}

/* One that joins knows the digest of a root; while there are two, managers have both with them. */
TEST(the_roots_of_all_tokens_that_count_are_in_the_chain)
{
	struct bench *b = open_bench();
	struct slice old = nth(b, b->cluster.root_cert, 0), next;
	struct one *managers[3];

	managers[0] = enrol(b);
	rotate(b);
	next = nth(b, b->cluster.rotation->next_cert, 0);
	managers[1] = enrol(b);
	end_rotation(b);
	managers[2] = enrol(b);
	for (int i = 0; i < 6; i++) {
		static const int opens[6] = { 1, 1, 0, 0, 1, 1 };
		struct tls_config c = { .now_s = NOW_S, .pin = &b->pin };
		struct tls_config s = config_of(managers[i % 3], 2);

		s.strangers = 1;
		token_digest(i < 3 ? old : next, b->pin.digest);
		CHECK_INT(meet_as(b, &c, &s), opens[i]);
	}
	close_bench(b);
}

TEST(the_end_of_a_rotation_makes_its_root_the_swarms_and_new_tokens)
{
	struct bench *b = open_bench();
	const struct cluster old = b->cluster;
	struct root_rotation *rotation;
	struct token worker, manager, other;
	uint8_t digest[TOKEN_DIGEST_LEN];

	rotate(b);
	rotation = b->cluster.rotation;
	CHECK_STR(b->cluster.root_cert, old.root_cert);
	CHECK_STR(b->cluster.worker_token, old.worker_token);
	end_rotation(b);
	CHECK(!b->cluster.rotation);
	CHECK_STR(b->cluster.root_cert, rotation->next_cert);
	CHECK_STR(b->cluster.root_key, rotation->next_key);
	CHECK_INT(token_parse(slice_of(b->cluster.worker_token), &worker), 0);
	CHECK_INT(token_parse(slice_of(b->cluster.manager_token), &manager), 0);
	CHECK_INT(token_parse(slice_of(old.worker_token), &other), 0);
	token_digest(nth(b, rotation->next_cert, 0), digest);
	CHECK(memcmp(worker.digest, digest, sizeof(digest)) == 0);
	CHECK(memcmp(manager.digest, digest, sizeof(digest)) == 0);
	CHECK(memcmp(worker.secret, manager.secret, sizeof(worker.secret)) != 0);
	CHECK(memcmp(worker.secret, other.secret, sizeof(worker.secret)) != 0);
	CHECK(!ca_token_fits(b->cluster.worker_token, slice_of(old.worker_token)));
	close_bench(b);
}

TEST(an_authority_that_cannot_be_used_is_not_replaced)
{
	struct bench *b = open_bench();
	const struct cluster good = b->cluster;
	struct tls_info wanted;
	struct cluster none = { .meta.id = "swarm1" };

	CHECK_INT(ca_rotate(&none, &config, &b->rng, NOW_S, &b->arena), ERR_INVALID);
	CHECK(!none.rotation && !none.root_cert);
	CHECK_INT(ca_wanted(&none, &b->arena, &wanted), ERR_INVALID);
	CHECK(!ca_trust(&none, &b->arena));
	/* Another root's key. */
	rotate(b);
	b->cluster.root_key = b->cluster.rotation->next_key;
	b->cluster.rotation = NULL;
	CHECK_INT(ca_rotate(&b->cluster, &config, &b->rng, NOW_S, &b->arena), ERR_INVALID);
	CHECK(!b->cluster.rotation);
	b->cluster = good;
	b->cluster.root_key = "x";
	CHECK_INT(ca_rotate(&b->cluster, &config, &b->rng, NOW_S, &b->arena), ERR_INVALID);
	close_bench(b);
}

TEST(a_node_must_renew_while_it_tells_of_another_issuer_than_is_wanted)
{
	struct bench *b = open_bench();
	struct tls_info old, during, after;
	struct node n = { .meta.id = "node1" };

	CHECK_INT(ca_wanted(&b->cluster, &b->arena, &old), 0);
	CHECK_STR(old.trust_root, b->cluster.root_cert);
	rotate(b);
	CHECK_INT(ca_wanted(&b->cluster, &b->arena, &during), 0);
	CHECK(slice_has_prefix(slice_of(during.trust_root), b->cluster.root_cert));
	CHECK_STR(during.trust_root + strlen(b->cluster.root_cert),
		  b->cluster.rotation->next_cert);
	CHECK_STR(during.cert_issuer_subject, old.cert_issuer_subject);
	CHECK(strcmp(during.cert_issuer_public_key, old.cert_issuer_public_key) != 0);
	end_rotation(b);
	CHECK_INT(ca_wanted(&b->cluster, &b->arena, &after), 0);
	CHECK_STR(after.cert_issuer_public_key, during.cert_issuer_public_key);
	CHECK_STR(after.trust_root, b->cluster.root_cert);

	/* Nothing is known of it yet. */
	CHECK(!ca_must_renew(&old, &n) && !ca_has_changed(&old, &n));
	n.description.tls_info = old;
	CHECK(!ca_must_renew(&old, &n) && ca_has_changed(&old, &n));
	CHECK(ca_must_renew(&during, &n) && !ca_has_changed(&during, &n));
	n.description.tls_info = during;
	CHECK(!ca_must_renew(&during, &n) && ca_has_changed(&during, &n));
	/* The end is a matter of roots alone. */
	CHECK(!ca_must_renew(&after, &n) && !ca_has_changed(&after, &n));
	n.description.tls_info = after;
	CHECK(!ca_must_renew(&after, &n) && ca_has_changed(&after, &n));
	/* The right roots and the wrong issuer, be it in one part; and the other way round. */
	n.description.tls_info = old;
	n.description.tls_info.trust_root = during.trust_root;
	CHECK(ca_must_renew(&during, &n) && !ca_has_changed(&during, &n));
	n.description.tls_info = during;
	n.description.tls_info.cert_issuer_subject = "b3RoZXI=";
	CHECK(ca_must_renew(&during, &n) && !ca_has_changed(&during, &n));
	n.description.tls_info = during;
	n.description.tls_info.trust_root = old.trust_root;
	CHECK(!ca_must_renew(&during, &n) && !ca_has_changed(&during, &n));
	close_bench(b);
}

/* What ca_certify's chain says of its issuer is what is wanted of a node. */
TEST(a_chains_second_certificate_tells_the_issuer)
{
	struct bench *b = open_bench();
	struct tls_info wanted, told = { NULL, NULL, NULL };

	for (int i = 0; i < 3; i++) {
		if (i == 1)
			rotate(b);
		if (i == 2)
			end_rotation(b);
		CHECK_INT(ca_wanted(&b->cluster, &b->arena, &wanted), 0);
		CHECK_INT(ca_tell_issuer(nth(b, certify(b, 7), 1), &b->arena, &told), 0);
		CHECK_STR(told.cert_issuer_subject, wanted.cert_issuer_subject);
		CHECK_STR(told.cert_issuer_public_key, wanted.cert_issuer_public_key);
	}
	CHECK_INT(ca_tell_issuer(SLICE("no certificate"), &b->arena, &told), ERR_INVALID);
	close_bench(b);
}
