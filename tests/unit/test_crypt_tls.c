/* Two ends of TLS that talk in memory: what they say arrives whole however the bytes are cut,
 * and who shows no good certificate is refused by both. */
#include <bearssl.h>
#include <stdlib.h>
#include <string.h>
#include "base/buf.h"
#include "base/mem.h"
#include "base/rng.h"
#include "crypt/tls.h"
#include "crypt/token.h"
#include "crypt/x509.h"
#include "devcert.h"
#include "foreign_root.h"
#include "other_cert.h"
#include "unit.h"

enum { NOW_S = 1800000000, BEFORE_S = 1500000000 };	/* 2027, 2017 */
static const int64_t after_s = 4200000000;		/* 2103 */

struct end {
	struct tls tls;
	char buffer[TLS_BUFFER_FULL];
	struct buf heard;
};

struct pair {
	struct tls_identity own, other;
	struct tls_anchor anchor, other_anchor;
	struct end client, server;
};

static struct pair *pair_new(void)
{
	struct pair *p = mem_new(sizeof(*p));
	struct slice root = { (const char *)other_root, sizeof(other_root) };

	devcert_identity(&p->own);
	p->other.chain[0] = (struct slice){ (const char *)other_node, sizeof(other_node) };
	p->other.chain_count = 1;
	memcpy(p->other.key, other_key, sizeof(other_key));
	if (tls_anchor_init(&p->anchor, devcert_authority(), NULL) < 0 ||
	    tls_anchor_init(&p->other_anchor, root, NULL) < 0)
		abort();
	buf_init(&p->client.heard, 1 << 20);
	buf_init(&p->server.heard, 1 << 20);
	return p;
}

static void pair_free(struct pair *p)
{
	tls_done(&p->client.tls);
	tls_done(&p->server.tls);
	buf_done(&p->client.heard);
	buf_done(&p->server.heard);
	mem_free(p);
}

static struct tls_config config_of(const struct tls_identity *who, const struct tls_anchor *anchor,
				   int64_t now_s, char seed)
{
	struct tls_config c = { .identity = who, .anchors = anchor, .anchor_count = 1,
				.now_s = now_s };

	memset(c.seed, seed, sizeof(c.seed));
	return c;
}

static void start(struct pair *p)
{
	struct tls_config c = config_of(&p->own, &p->anchor, NOW_S, 1);

	tls_init_client(&p->client.tls, &c, p->client.buffer, TLS_BUFFER_FULL);
	c.seed[0] = 2;
	tls_init_server(&p->server.tls, &c, p->server.buffer, TLS_BUFFER_FULL);
}

/* Carries at most `most` bytes; 1 if something moved. */
static int carry(struct end *from, struct end *to, size_t most)
{
	struct slice out = tls_out(&from->tls);
	struct slice text;
	size_t n;

	out.len = out.len < most ? out.len : most;
	n = tls_feed(&to->tls, out);
	tls_sent(&from->tls, n);
	while ((text = tls_read(&to->tls)).len) {
		buf_add_slice(&to->heard, text);
		tls_taken(&to->tls, text.len);
	}
	return n > 0;
}

static void talk(struct pair *p, size_t most)
{
	int moved;

	do {
		moved = carry(&p->client, &p->server, most);
		moved |= carry(&p->server, &p->client, most);
	} while (moved);
}

/* All of text, in as many records as it takes. */
static void say(struct pair *p, struct end *from, struct slice text)
{
	while (text.len) {
		size_t n = tls_write(&from->tls, text);

		text.data += n;
		text.len -= n;
		tls_flush(&from->tls);
		talk(p, SIZE_MAX);
		if (n == 0)
			abort();
	}
}

TEST(both_ends_open_and_know_each_other)
{
	struct pair *p = pair_new();

	start(p);
	CHECK(!tls_is_open(&p->client.tls));
	CHECK_STR(tls_peer_name(&p->client.tls), "");
	talk(p, SIZE_MAX);
	CHECK(tls_is_open(&p->client.tls));
	CHECK(tls_is_open(&p->server.tls));
	CHECK_INT(tls_error(&p->client.tls, NULL), 0);
	CHECK_STR(tls_peer_name(&p->client.tls), "development node");
	CHECK_STR(tls_peer_name(&p->server.tls), "development node");
	say(p, &p->client, SLICE("hello server"));
	say(p, &p->server, SLICE("hello client"));
	CHECK_STR(buf_str(&p->server.heard), "hello server");
	CHECK_STR(buf_str(&p->client.heard), "hello client");
	pair_free(p);
}

TEST(the_stream_may_be_cut_anywhere)
{
	for (size_t most = 1; most < 40; most += most < 8 ? 1 : 7) {
		struct pair *p = pair_new();

		start(p);
		talk(p, most);
		CHECK(tls_is_open(&p->client.tls) && tls_is_open(&p->server.tls));
		CHECK_INT(tls_write(&p->client.tls, SLICE("abc")), 3);
		CHECK_INT(tls_write(&p->client.tls, SLICE("def")), 3);
		tls_flush(&p->client.tls);
		talk(p, most);
		CHECK_STR(buf_str(&p->server.heard), "abcdef");
		pair_free(p);
	}
}

TEST(same_seeds_say_the_same_bytes)
{
	struct pair *p = pair_new(), *q = pair_new();
	struct slice a, b;

	start(p);
	start(q);
	a = tls_out(&p->client.tls);
	b = tls_out(&q->client.tls);
	CHECK(a.len > 50 && slice_equal(a, b));
	pair_free(p);
	pair_free(q);
}

TEST(much_text_arrives_whole_both_ways)
{
	struct pair *p = pair_new();
	struct rng rng;
	char text[100000];

	rng_init(&rng, 1);
	for (size_t i = 0; i < sizeof(text); i++)
		text[i] = (char)rng_next(&rng);
	start(p);
	talk(p, SIZE_MAX);
	say(p, &p->client, (struct slice){ text, sizeof(text) });
	say(p, &p->server, (struct slice){ text, sizeof(text) });
	CHECK(slice_equal(buf_slice(&p->server.heard), (struct slice){ text, sizeof(text) }));
	CHECK(slice_equal(buf_slice(&p->client.heard), (struct slice){ text, sizeof(text) }));
	pair_free(p);
}

TEST(a_client_may_ask_for_small_records)
{
	struct pair *p = pair_new();
	struct tls_config c = config_of(&p->own, &p->anchor, NOW_S, 1);
	char text[20000];

	memset(text, 'x', sizeof(text));
	start(p);
	tls_init_client(&p->client.tls, &c, p->client.buffer, TLS_BUFFER_SMALL);
	talk(p, SIZE_MAX);
	CHECK(tls_is_open(&p->client.tls));
	CHECK_INT(tls_write(&p->server.tls, (struct slice){ text, sizeof(text) }), 4096);
	talk(p, SIZE_MAX);
	say(p, &p->server, (struct slice){ text, sizeof(text) });
	CHECK_INT(p->client.heard.len, 4096 + 20000);
	pair_free(p);
}

/* One end is not to be believed: then neither opens, and `judge` says why. */
static void refused(struct tls_config c, struct tls_config s, int server_judges, const char *why)
{
	struct pair *p = pair_new();
	struct errmsg msg = { { 0 } };

	tls_init_client(&p->client.tls, &c, p->client.buffer, TLS_BUFFER_FULL);
	tls_init_server(&p->server.tls, &s, p->server.buffer, TLS_BUFFER_FULL);
	talk(p, SIZE_MAX);
	CHECK(!tls_is_open(server_judges ? &p->server.tls : &p->client.tls));
	CHECK_INT(tls_error(server_judges ? &p->server.tls : &p->client.tls, &msg), ERR_DENIED);
	CHECK(strstr(msg.text, why));
	CHECK_INT(tls_write(&p->client.tls, SLICE("x")) && !server_judges, 0);
	CHECK_STR(buf_str(&p->server.heard), "");
	pair_free(p);
}

TEST(a_certificate_of_another_authority_is_refused)
{
	struct pair *p = pair_new();

	/* The client shows the other's: the server judges. Then the other way round. */
	refused(config_of(&p->other, &p->anchor, NOW_S, 1),
		config_of(&p->own, &p->anchor, NOW_S, 2),
		1, "not from this swarm's authority");
	refused(config_of(&p->own, &p->anchor, NOW_S, 1),
		config_of(&p->other, &p->anchor, NOW_S, 2),
		0, "not from this swarm's authority");
	pair_free(p);
}

TEST(a_certificate_without_its_key_is_refused)
{
	struct pair *p = pair_new();
	struct tls_identity thief = p->own;

	memcpy(thief.key, p->other.key, TLS_KEY_LEN);
	refused(config_of(&thief, &p->anchor, NOW_S, 1), config_of(&p->own, &p->anchor, NOW_S, 2),
		1, "does not have its certificate's key");
	refused(config_of(&p->own, &p->anchor, NOW_S, 1), config_of(&thief, &p->anchor, NOW_S, 2),
		0, "does not have its certificate's key");
	pair_free(p);
}

TEST(a_certificate_out_of_its_time_is_refused)
{
	struct pair *p = pair_new();
	const int64_t wrong[] = { 0, BEFORE_S, after_s, -1 };

	for (size_t i = 0; i < 4; i++) {
		refused(config_of(&p->own, &p->anchor, wrong[i], 1),
			config_of(&p->own, &p->anchor, NOW_S, 2), 0, "is not valid now");
		refused(config_of(&p->own, &p->anchor, NOW_S, 1),
			config_of(&p->own, &p->anchor, wrong[i], 2), 1, "is not valid now");
	}
	pair_free(p);
}

/* A client that keeps its certificate for itself is made of one that has an empty chain. */
TEST(a_client_without_a_certificate_is_refused)
{
	struct pair *p = pair_new();
	struct tls_identity nobody = p->own;

	nobody.chain[0].len = 0;
	refused(config_of(&nobody, &p->anchor, NOW_S, 1), config_of(&p->own, &p->anchor, NOW_S, 2),
		1, "certificate");
	pair_free(p);
}

TEST(what_is_not_tls_is_refused_at_once)
{
	static const char *const texts[] = {
		"GET / HTTP/1.1\r\n\r\n", "SSH-2.0-OpenSSH_9\r\n", "\x16\x09\x09\x01\x01\x01\x01",
	};

	for (size_t i = 0; i < 3; i++) {
		struct pair *p = pair_new();
		struct errmsg msg = { { 0 } };

		start(p);
		CHECK(tls_feed(&p->server.tls, slice_of(texts[i])) <= strlen(texts[i]));
		CHECK_INT(tls_error(&p->server.tls, &msg), ERR_CORRUPT);
		CHECK_STR(msg.text, "what comes is not TLS 1.2");
		CHECK_INT(tls_feed(&p->server.tls, SLICE("more")), 0);
		CHECK_INT(tls_out(&p->server.tls).len, 0);
		pair_free(p);
	}
}

TEST(a_changed_record_ends_the_connection)
{
	struct pair *p = pair_new();
	struct errmsg msg = { { 0 } };
	char record[100];
	struct slice out;

	start(p);
	talk(p, SIZE_MAX);
	CHECK_INT(tls_write(&p->client.tls, SLICE("attack at dawn")), 14);
	tls_flush(&p->client.tls);
	out = tls_out(&p->client.tls);
	CHECK(out.len > 14 && out.len < sizeof(record));
	memcpy(record, out.data, out.len);
	record[out.len - 20] ^= 1;
	tls_feed(&p->server.tls, (struct slice){ record, out.len });
	CHECK_INT(tls_read(&p->server.tls).len, 0);
	CHECK_INT(tls_error(&p->server.tls, &msg), ERR_CORRUPT);
	CHECK_STR(msg.text, "a record was changed on its way");
	pair_free(p);
}

/* Random changes anywhere in a handshake: it opens at neither end with a text of its own. */
TEST(a_damaged_handshake_never_opens_wrongly)
{
	for (uint64_t seed = 0; seed < 60; seed++) {
		struct pair *p = pair_new();
		struct rng rng;
		uint64_t at;

		rng_init(&rng, seed);
		at = rng_below(&rng, 1800);
		start(p);
		for (int turn = 0; turn < 12; turn++) {
			struct end *from = turn % 2 ? &p->server : &p->client;
			struct end *to = turn % 2 ? &p->client : &p->server;
			struct slice out = tls_out(&from->tls);
			char copy[TLS_BUFFER_FULL];
			size_t n;

			memcpy(copy, out.data ? out.data : "", out.len);
			if (at < out.len)
				copy[at] ^= (char)(1 << rng_below(&rng, 8));
			at -= at < out.len ? 0 : out.len;
			n = tls_feed(&to->tls, (struct slice){ copy, out.len });
			tls_sent(&from->tls, n);
		}
		/* A change that is let through (a reserved byte) may open; then both are true. */
		if (tls_is_open(&p->client.tls) && tls_is_open(&p->server.tls))
			say(p, &p->client, SLICE("x"));
		CHECK(p->server.heard.len <= 1);
		pair_free(p);
	}
}

/* No end of ours asks for it: the library's engine, which its struct begins with, is made to. */
static void renegotiate(struct end *e)
{
	br_ssl_engine_context *engine = (br_ssl_engine_context *)(void *)&e->tls;

	br_ssl_engine_remove_flags(engine, BR_OPT_NO_RENEGOTIATION);
	CHECK_INT(br_ssl_engine_renegotiate(engine), 1);
}

TEST(another_handshake_ends_the_connection)
{
	for (int i = 0; i < 4; i++) {
		struct pair *p = pair_new();
		struct end *asks = i & 1 ? &p->server : &p->client;
		struct end *asked = i & 1 ? &p->client : &p->server;
		struct errmsg msg = { { 0 } };

		start(p);
		talk(p, SIZE_MAX);
		if (i & 2)	/* else it is the first that comes after the handshake */
			say(p, asks, SLICE("text"));
		renegotiate(asks);
		talk(p, SIZE_MAX);
		CHECK(!tls_is_open(&asked->tls));
		CHECK_INT(tls_error(&asked->tls, &msg), ERR_CORRUPT);
		CHECK_STR(msg.text, "it wants another handshake, or speaks out of turn");
		pair_free(p);
	}
}

TEST(closing_is_told_to_the_other_end)
{
	struct pair *p = pair_new();
	struct errmsg msg = { { 0 } };

	start(p);
	talk(p, SIZE_MAX);
	CHECK_INT(tls_write(&p->client.tls, SLICE("bye")), 3);
	tls_close(&p->client.tls);
	talk(p, SIZE_MAX);
	CHECK_STR(buf_str(&p->server.heard), "bye");
	CHECK_INT(tls_error(&p->server.tls, &msg), ERR_UNAVAILABLE);
	CHECK_STR(msg.text, "the other end closed the connection");
	CHECK(!tls_is_open(&p->server.tls) && !tls_is_open(&p->client.tls));
	pair_free(p);
}

TEST(an_anchor_is_an_authority_of_the_right_kind)
{
	struct tls_anchor a;
	struct errmsg msg = { { 0 } };
	struct tls_identity who;
	struct slice der = devcert_authority();

	devcert_identity(&who);
	CHECK_INT(tls_anchor_init(&a, der, &msg), 0);
	CHECK_INT(tls_anchor_init(&a, who.chain[0], &msg), ERR_INVALID);
	CHECK_STR(msg.text, "it is no authority's certificate");
	CHECK_INT(tls_anchor_init(&a, SLICE("text"), &msg), ERR_INVALID);
	for (size_t n = 0; n < der.len; n++) {
		struct slice cut = { unit_guard(der.data, n), n };

		CHECK_INT(tls_anchor_init(&a, cut, &msg), ERR_INVALID);
	}
}

/* ---- a swarm's own authority --------------------------------------------------------- */

/* A root, and a node that it certified; another root that the first one signed (as an authority
 * is replaced), and a node of that one. */
struct swarm {
	struct buf root, node, cross, next_root, next_node;
	uint8_t root_key[X509_KEY_LEN], next_key[X509_KEY_LEN];
	struct tls_identity who, next;
	struct tls_anchor anchor, next_anchor;
	struct tls_pin pin;
};

static void make_key(uint8_t start, uint8_t key[X509_KEY_LEN])
{
	uint8_t seed[X509_SEED_LEN];

	memset(seed, start, sizeof(seed));
	x509_key(seed, key);
}

static void certify(struct buf *out, struct slice issuer, const uint8_t issuer_key[],
		    const uint8_t key[], const struct x509_name *name)
{
	struct x509_issue what = { .issuer = issuer, .subject = *name,
				   .not_before_s = NOW_S - 60, .not_after_s = NOW_S + 60,
				   .is_authority = !*name->unit };

	memcpy(what.issuer_key, issuer_key, X509_KEY_LEN);
	buf_init(out, X509_DER_MAX);
	if (x509_point(key, what.point) < 0 || x509_issue(&what, out, NULL) < 0)
		abort();
}

static void swarm_make(struct swarm *s)
{
	static const struct x509_name root = { .common_name = "swarm-ca" };
	static const struct x509_name node = { "node1", "swarm-worker", "swarm1" };

	memset(s, 0, sizeof(*s));
	make_key(1, s->root_key);
	make_key(2, s->next_key);
	make_key(3, s->who.key);
	make_key(4, s->next.key);
	certify(&s->root, (struct slice){ NULL, 0 }, s->root_key, s->root_key, &root);
	certify(&s->node, buf_slice(&s->root), s->root_key, s->who.key, &node);
	certify(&s->next_root, (struct slice){ NULL, 0 }, s->next_key, s->next_key, &root);
	certify(&s->cross, buf_slice(&s->root), s->root_key, s->next_key, &root);
	certify(&s->next_node, buf_slice(&s->next_root), s->next_key, s->next.key, &node);
	s->who.chain[0] = buf_slice(&s->node);
	s->who.chain[1] = buf_slice(&s->root);
	s->who.chain_count = 2;
	s->next.chain[0] = buf_slice(&s->next_node);
	s->next.chain[1] = buf_slice(&s->cross);
	s->next.chain[2] = buf_slice(&s->root);
	s->next.chain_count = 3;
	if (tls_anchor_init(&s->anchor, buf_slice(&s->root), NULL) < 0 ||
	    tls_anchor_init(&s->next_anchor, buf_slice(&s->next_root), NULL) < 0)
		abort();
	token_digest(buf_slice(&s->root), s->pin.digest);
}

static void swarm_free(struct swarm *s)
{
	buf_done(&s->root);
	buf_done(&s->node);
	buf_done(&s->cross);
	buf_done(&s->next_root);
	buf_done(&s->next_node);
}

static void start_as(struct pair *p, struct tls_config *client, struct tls_config *server)
{
	client->seed[0] = 1;
	server->seed[0] = 2;
	tls_init_client(&p->client.tls, client, p->client.buffer, TLS_BUFFER_FULL);
	tls_init_server(&p->server.tls, server, p->server.buffer, TLS_BUFFER_FULL);
	talk(p, SIZE_MAX);
}

TEST(a_subject_tells_who_it_is)
{
	static struct swarm s;
	struct tls_config c, d;
	struct pair *p = pair_new();

	swarm_make(&s);
	c = d = config_of(&s.who, &s.anchor, NOW_S, 0);
	start_as(p, &c, &d);
	CHECK(tls_is_open(&p->client.tls) && tls_is_open(&p->server.tls));
	CHECK_STR(tls_peer_name(&p->server.tls), "node1");
	CHECK_STR(tls_peer_unit(&p->server.tls), "swarm-worker");
	CHECK_STR(tls_peer_organisation(&p->client.tls), "swarm1");
	pair_free(p);
	swarm_free(&s);
}

TEST(one_without_a_certificate_comes_in_where_strangers_may)
{
	static struct swarm s;
	struct tls_config c, d;
	struct errmsg msg;

	swarm_make(&s);
	for (int may = 0; may < 2; may++) {
		struct pair *p = pair_new();

		c = d = config_of(&s.who, &s.anchor, NOW_S, 0);
		c.identity = NULL;
		d.strangers = may;
		start_as(p, &c, &d);
		CHECK_INT(tls_is_open(&p->server.tls), may);
		CHECK_INT(tls_error(&p->server.tls, &msg), may ? 0 : ERR_DENIED);
		CHECK_STR(tls_peer_name(&p->server.tls), "");
		pair_free(p);
	}
	swarm_free(&s);
}

/* Of another authority; out of date; somebody else's. */
TEST(a_bad_certificate_is_worse_than_none)
{
	static struct swarm s;
	struct tls_config c, d;

	swarm_make(&s);
	for (int wrong = 0; wrong < 6; wrong++) {
		struct pair *p = pair_new();
		struct tls_identity stolen = s.who;

		memcpy(stolen.key, s.next.key, sizeof(stolen.key));
		d = config_of(&s.who, &s.anchor, NOW_S, 0);
		d.strangers = wrong < 3;
		c = d;
		if (wrong % 3 == 0)
			c.identity = &p->other;
		if (wrong % 3 == 1)
			d.now_s = NOW_S + 3600;
		if (wrong % 3 == 2)
			c.identity = &stolen;
		start_as(p, &c, &d);
		CHECK(!tls_is_open(&p->server.tls));
		CHECK_INT(tls_error(&p->server.tls, NULL), ERR_DENIED);
		CHECK_STR(tls_peer_name(&p->server.tls), "");
		CHECK_INT(tls_write(&p->client.tls, SLICE("hello")), tls_is_open(&p->client.tls) ?
			  5 : 0);
		tls_flush(&p->client.tls);
		talk(p, SIZE_MAX);
		CHECK_INT(p->server.heard.len, 0);
		pair_free(p);
	}
	swarm_free(&s);
}

TEST(a_pin_finds_its_authority_in_the_chain)
{
	static struct swarm s;
	struct tls_config c, d;
	struct pair *p = pair_new();

	swarm_make(&s);
	c = d = config_of(&s.who, &s.anchor, NOW_S, 0);
	c.identity = NULL;
	c.anchor_count = 0;
	c.pin = &s.pin;
	d.strangers = 1;
	start_as(p, &c, &d);
	CHECK(tls_is_open(&p->client.tls) && tls_is_open(&p->server.tls));
	CHECK(slice_equal(tls_pin_authority(&s.pin), buf_slice(&s.root)));
	CHECK_STR(tls_peer_name(&p->client.tls), "node1");
	say(p, &p->client, SLICE("let me in"));
	CHECK_STR(buf_str(&p->server.heard), "let me in");
	pair_free(p);
	swarm_free(&s);
}

/* Another digest; an authority that did not sign; one that is out of date; one that is not in the
 * chain. */
TEST(a_pin_lets_nobody_else_be_believed)
{
	static struct swarm s;
	struct tls_config c, d;

	swarm_make(&s);
	for (int wrong = 0; wrong < 4; wrong++) {
		struct pair *p = pair_new();
		struct tls_identity mixed = p->other;

		c = d = config_of(&s.who, &s.anchor, NOW_S, 0);
		c.identity = NULL;
		c.pin = &s.pin;
		d.strangers = 1;
		token_digest(buf_slice(&s.root), s.pin.digest);
		s.pin.digest[31] ^= wrong == 0;
		mixed.chain[1] = buf_slice(&s.root);
		mixed.chain_count = 2;
		if (wrong == 1)
			d.identity = &mixed;
		if (wrong == 2)
			c.now_s = NOW_S + 3600;
		if (wrong == 3)
			s.who.chain_count = 1;
		start_as(p, &c, &d);
		CHECK(!tls_is_open(&p->client.tls));
		CHECK_INT(tls_error(&p->client.tls, NULL), ERR_DENIED);
		CHECK_INT(tls_pin_authority(&s.pin).len, 0);
		pair_free(p);
	}
	swarm_free(&s);
}

/* While an authority is replaced: who believes only the old one, or only the new one, believes a
 * node of the new one. */
TEST(a_signed_successor_is_believed_by_both_sides)
{
	static struct swarm s;
	struct tls_config c, d;

	swarm_make(&s);
	for (int new = 0; new < 2; new++) {
		struct pair *p = pair_new();

		c = config_of(&s.next, new ? &s.next_anchor : &s.anchor, NOW_S, 0);
		d = c;
		start_as(p, &c, &d);
		CHECK(tls_is_open(&p->client.tls) && tls_is_open(&p->server.tls));
		pair_free(p);
	}
	swarm_free(&s);
}

TEST(a_node_of_a_root_that_was_made_elsewhere_is_believed)
{
	static const struct x509_name name = { "node1", "swarm-manager", "swarm1" };
	const struct slice root = { (const char *)foreign_root, sizeof(foreign_root) };
	struct pair *p = pair_new();
	struct tls_identity who = { .chain_count = 1 };
	struct tls_config c, d;
	struct tls_anchor anchor;
	struct buf node;

	make_key(3, who.key);
	certify(&node, root, foreign_root_key, who.key, &name);
	who.chain[0] = buf_slice(&node);
	CHECK_INT(tls_anchor_init(&anchor, root, NULL), 0);
	c = d = config_of(&who, &anchor, NOW_S, 0);
	start_as(p, &c, &d);
	CHECK(tls_is_open(&p->client.tls) && tls_is_open(&p->server.tls));
	CHECK_STR(tls_peer_unit(&p->server.tls), "swarm-manager");
	pair_free(p);
	buf_done(&node);
}
