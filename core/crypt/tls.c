/*
 * BearSSL's two engines behind one face. Contracts are in tls.h.
 *
 * Only what the header promises is set up, so that the linker leaves the rest of the library
 * out: one curve, one hash, two ciphers. The library takes no time and no entropy by itself
 * (tools/deps builds it so): the seed of the config is all its randomness.
 *
 * The engine keeps pointers into this struct and into the identity: neither may move.
 */
#include "crypt/tls.h"
#include <assert.h>
#include <bearssl.h>
#include <string.h>
#include "base/mem.h"

enum {
	/* Days from the first of January of the year 0 to 1970, as BearSSL counts. */
	DAYS_TO_1970 = 719528,
	DAY_S = 86400,
};

struct state {
	union {
		br_ssl_engine_context engine;	/* the first member of both */
		br_ssl_client_context client;
		br_ssl_server_context server;
	} u;
	br_x509_minimal_context x509;
	br_ec_private_key key;
	br_x509_certificate chain[TLS_CHAIN_MAX];
	br_x509_trust_anchor anchors[TLS_ANCHORS_MAX];
	br_name_element name;
	char common_name[TLS_NAME_MAX + 1];
	void *buffer;
	size_t size;
	int opened;
};

_Static_assert(sizeof(struct state) <= sizeof(struct tls), "TLS_WORDS is too small");

static struct state *state_of(struct tls *t)
{
	return (struct state *)(void *)t;
}

static const struct state *state_in(const struct tls *t)
{
	return (const struct state *)(const void *)t;
}

/* Anchors. */

static void add_dn(void *context, const void *bytes, size_t n)
{
	struct tls_anchor *a = context;

	/* One that is too long stays so, and is refused at the end. */
	if (n <= sizeof(a->dn) && a->dn_len <= sizeof(a->dn) - n)
		memcpy(a->dn + a->dn_len, bytes, n);
	else
		n = sizeof(a->dn) + 1;
	a->dn_len = a->dn_len + n > sizeof(a->dn) ? sizeof(a->dn) + 1 :
						    a->dn_len + (uint32_t)n;
}

int tls_anchor_init(struct tls_anchor *a, struct slice der, struct errmsg *msg)
{
	struct tls_anchor made = { .dn_len = 0 };
	br_x509_decoder_context d;
	const br_x509_pkey *key;

	br_x509_decoder_init(&d, add_dn, &made);
	br_x509_decoder_push(&d, der.data, der.len);
	key = br_x509_decoder_get_pkey(&d);
	if (!key)
		return errmsg_set(msg, ERR_INVALID, "it is no certificate (BearSSL's error %d)",
			br_x509_decoder_last_error(&d));
	if (!br_x509_decoder_isCA(&d))
		return errmsg_set(msg, ERR_INVALID, "it is no authority's certificate");
	if (key->key_type != BR_KEYTYPE_EC || key->key.ec.curve != BR_EC_secp256r1 ||
	    key->key.ec.qlen != TLS_POINT_LEN)
		return errmsg_set(msg, ERR_INVALID, "its key is not of the curve P-256");
	if (made.dn_len > sizeof(made.dn))
		return errmsg_set(msg, ERR_INVALID, "its subject has over %d bytes", TLS_DN_MAX);
	memcpy(made.point, key->key.ec.q, TLS_POINT_LEN);
	*a = made;
	return 0;
}

/* Setting up. */

/* Each end asks for what it does fastest; the dialing end's order counts. */
static void set_ciphers(br_ssl_engine_context *e)
{
	static const uint16_t both[] = {
		BR_TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256,
		BR_TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305_SHA256,
	};
	const br_block_ctr_class *aes = br_aes_x86ni_ctr_get_vtable();
	br_ghash ghash = br_ghash_pclmul_get();

	br_ssl_engine_set_default_chapol(e);
	/* AES in software that does not leak its key is slower than ChaCha20. */
	if (!aes || !ghash) {
		br_ssl_engine_set_suites(e, both + 1, 1);
		return;
	}
	br_ssl_engine_set_suites(e, both, 2);
	br_ssl_engine_set_gcm(e, &br_sslrec_in_gcm_vtable, &br_sslrec_out_gcm_vtable);
	br_ssl_engine_set_aes_ctr(e, aes);
	br_ssl_engine_set_ghash(e, ghash);
}

static void set_checks(struct state *s, const struct tls_config *c)
{
	static const unsigned char common_name[] = { 3, 0x55, 0x04, 0x03 };	/* 2.5.4.3 */
	int64_t now_s = c->now_s > 0 ? c->now_s : 0;
	br_x509_minimal_context *x = &s->x509;

	for (uint32_t i = 0; i < c->anchor_count; i++) {
		/* The library's pointers are not const, but it only reads. */
		struct tls_anchor *from = (struct tls_anchor *)(uintptr_t)&c->anchors[i];

		s->anchors[i] = (br_x509_trust_anchor){
			.dn = { from->dn, from->dn_len },
			.flags = BR_X509_TA_CA,
			.pkey = { .key_type = BR_KEYTYPE_EC,
				  .key.ec = { BR_EC_secp256r1, from->point, TLS_POINT_LEN } },
		};
	}
	br_x509_minimal_init(x, &br_sha256_vtable, s->anchors, c->anchor_count);
	br_x509_minimal_set_hash(x, br_sha256_ID, &br_sha256_vtable);
	br_x509_minimal_set_ecdsa(x, &br_ec_p256_m31, br_ecdsa_i31_vrfy_asn1);
	br_x509_minimal_set_time(x, (uint32_t)(now_s / DAY_S) + DAYS_TO_1970,
				 (uint32_t)(now_s % DAY_S));
	s->name = (br_name_element){ common_name, s->common_name, sizeof(s->common_name), 0 };
	br_x509_minimal_set_name_elements(x, &s->name, 1);
	br_ssl_engine_set_x509(&s->u.engine, &x->vtable);
}

static void set_identity(struct state *s, const struct tls_identity *who)
{
	assert(who->chain_count > 0 && who->chain_count <= TLS_CHAIN_MAX);
	for (uint32_t i = 0; i < who->chain_count; i++)
		s->chain[i] = (br_x509_certificate){
			(unsigned char *)(uintptr_t)who->chain[i].data, who->chain[i].len,
		};
	s->key = (br_ec_private_key){
		BR_EC_secp256r1, (unsigned char *)(uintptr_t)who->key, TLS_KEY_LEN,
	};
}

/* What both ends have in common, after the engine was zeroed. */
static struct state *set_up(struct tls *t, const struct tls_config *c, void *buffer, size_t size)
{
	struct state *s = state_of(t);
	br_ssl_engine_context *e = &s->u.engine;
	size_t record = size == TLS_BUFFER_FULL ? 16384 : 4096;

	assert(size == TLS_BUFFER_FULL || size == TLS_BUFFER_SMALL);
	assert(c->anchor_count > 0 && c->anchor_count <= TLS_ANCHORS_MAX);
	s->buffer = buffer;
	s->size = size;
	br_ssl_engine_set_versions(e, BR_TLS12, BR_TLS12);
	br_ssl_engine_set_hash(e, br_sha256_ID, &br_sha256_vtable);
	br_ssl_engine_set_prf_sha256(e, &br_tls12_sha256_prf);
	br_ssl_engine_set_ec(e, &br_ec_p256_m31);
	br_ssl_engine_set_ecdsa(e, br_ecdsa_i31_vrfy_asn1);
	br_ssl_engine_add_flags(e, BR_OPT_NO_RENEGOTIATION);
	set_ciphers(e);
	set_checks(s, c);
	set_identity(s, c->identity);
	br_ssl_engine_set_buffers_bidi(e, buffer, record + 325, (char *)buffer + record + 325,
				       record + 85);
	br_ssl_engine_inject_entropy(e, c->seed, sizeof(c->seed));
	return s;
}

void tls_init_client(struct tls *t, const struct tls_config *c, void *buffer, size_t size)
{
	struct state *s;

	memset(t, 0, sizeof(*t));
	br_ssl_client_zero(&state_of(t)->u.client);
	s = set_up(t, c, buffer, size);
	br_ssl_client_set_single_ec(&s->u.client, s->chain, c->identity->chain_count, &s->key,
				    BR_KEYTYPE_SIGN, BR_KEYTYPE_EC, &br_ec_p256_m31,
				    br_ecdsa_i31_sign_asn1);
	/* No name of the server: any certificate of the swarm's authority will do here. */
	br_ssl_client_reset(&s->u.client, NULL, 0);
}

void tls_init_server(struct tls *t, const struct tls_config *c, void *buffer, size_t size)
{
	struct state *s;

	memset(t, 0, sizeof(*t));
	br_ssl_server_zero(&state_of(t)->u.server);
	s = set_up(t, c, buffer, size);
	br_ssl_server_set_single_ec(&s->u.server, s->chain, c->identity->chain_count, &s->key,
				    BR_KEYTYPE_SIGN, BR_KEYTYPE_EC, &br_ec_p256_m31,
				    br_ecdsa_i31_sign_asn1);
	/* This makes it ask for a certificate; without one there is no connection. */
	br_ssl_server_set_trust_anchor_names_alt(&s->u.server, s->anchors, c->anchor_count);
	br_ssl_server_reset(&s->u.server);
}

void tls_done(struct tls *t)
{
	struct state *s = state_of(t);

	if (s->buffer)
		mem_wipe(s->buffer, s->size);
	mem_wipe(t, sizeof(*t));
}

/* Queries. */

static int error_of_alert(int alert, struct errmsg *msg)
{
	/* RFC 5246, 7.2.2: 40 handshake_failure, 70 protocol_version, 71 insufficient_security,
	 * 80 internal_error. */
	if (alert == 40 || alert == 70 || alert == 71)
		return errmsg_set(msg, ERR_UNSUPPORTED, "no TLS version or cipher in common");
	return errmsg_set(msg, ERR_DENIED, "refused with TLS alert %d", alert);
}

static int error_of_x509(int err, struct errmsg *msg)
{
	if (err == BR_ERR_X509_EXPIRED)
		return errmsg_set(msg, ERR_DENIED, "the other end's certificate is not valid now "
				  "(or the clock of this host is wrong)");
	if (err == BR_ERR_X509_NOT_TRUSTED || err == BR_ERR_X509_BAD_SIGNATURE)
		return errmsg_set(msg, ERR_DENIED,
				  "the other end's certificate is not from this swarm's authority");
	if (err == BR_ERR_X509_EMPTY_CHAIN)
		return errmsg_set(msg, ERR_DENIED, "the other end shows no certificate");
	return errmsg_set(msg, ERR_DENIED,
			  "the other end's certificate cannot be used (BearSSL's error %d)", err);
}

static int error_of(int err, struct errmsg *msg)
{
	switch (err) {
	case BR_ERR_OK:
		return errmsg_set(msg, ERR_UNAVAILABLE, "the other end closed the connection");
	case BR_ERR_UNSUPPORTED_VERSION:
	case BR_ERR_BAD_VERSION:
	case BR_ERR_BAD_LENGTH:
	case BR_ERR_UNKNOWN_TYPE:
		return errmsg_set(msg, ERR_CORRUPT, "what comes is not TLS 1.2");
	case BR_ERR_BAD_MAC:
		return errmsg_set(msg, ERR_CORRUPT, "a record was changed on its way");
	case BR_ERR_TOO_LARGE:
		return errmsg_set(msg, ERR_LIMIT, "a record is larger than the buffer");
	case BR_ERR_BAD_CIPHER_SUITE:
	case BR_ERR_INVALID_ALGORITHM:
		return errmsg_set(msg, ERR_UNSUPPORTED, "no TLS version or cipher in common");
	case BR_ERR_BAD_SIGNATURE:
	case BR_ERR_WRONG_KEY_USAGE:
		return errmsg_set(msg, ERR_DENIED,
				  "the other end does not have its certificate's key");
	case BR_ERR_NO_CLIENT_AUTH:
		return errmsg_set(msg, ERR_DENIED, "the other end shows no certificate");
	default:
		break;
	}
	if (err >= BR_ERR_SEND_FATAL_ALERT)
		return error_of_alert(err - BR_ERR_SEND_FATAL_ALERT, msg);
	if (err >= BR_ERR_RECV_FATAL_ALERT)
		return error_of_alert(err - BR_ERR_RECV_FATAL_ALERT, msg);
	if (err >= BR_ERR_X509_OK)
		return error_of_x509(err, msg);
	return errmsg_set(msg, ERR_CORRUPT, "a broken TLS handshake (BearSSL's error %d)", err);
}

static int is_closed(const struct state *s)
{
	return br_ssl_engine_current_state(&s->u.engine) == BR_SSL_CLOSED;
}

int tls_error(const struct tls *t, struct errmsg *msg)
{
	const struct state *s = state_in(t);

	return is_closed(s) ? error_of(br_ssl_engine_last_error(&s->u.engine), msg) : 0;
}

int tls_is_open(const struct tls *t)
{
	return state_in(t)->opened && !is_closed(state_in(t));
}

const char *tls_peer_name(const struct tls *t)
{
	const struct state *s = state_in(t);

	return s->opened && s->name.status == 1 ? s->common_name : "";
}

/* Bytes. */

/* The handshake is over when text may be said, or has come. */
static void look_if_open(struct state *s)
{
	if (!s->opened)
		s->opened = (br_ssl_engine_current_state(&s->u.engine) &
			     (BR_SSL_SENDAPP | BR_SSL_RECVAPP)) != 0;
}

size_t tls_feed(struct tls *t, struct slice bytes)
{
	struct state *s = state_of(t);
	size_t taken = 0;

	while (taken < bytes.len) {
		size_t n;
		unsigned char *to = br_ssl_engine_recvrec_buf(&s->u.engine, &n);

		if (!to)
			break;
		if (n > bytes.len - taken)
			n = bytes.len - taken;
		memcpy(to, bytes.data + taken, n);
		taken += n;
		br_ssl_engine_recvrec_ack(&s->u.engine, n);
	}
	look_if_open(s);
	return taken;
}

struct slice tls_out(const struct tls *t)
{
	struct slice out = { NULL, 0 };

	out.data = (const char *)br_ssl_engine_sendrec_buf(&state_in(t)->u.engine, &out.len);
	return out;
}

void tls_sent(struct tls *t, size_t n)
{
	struct state *s = state_of(t);

	if (n > 0)
		br_ssl_engine_sendrec_ack(&s->u.engine, n);
	look_if_open(s);
}

struct slice tls_read(const struct tls *t)
{
	struct slice text = { NULL, 0 };

	text.data = (const char *)br_ssl_engine_recvapp_buf(&state_in(t)->u.engine, &text.len);
	return text;
}

void tls_taken(struct tls *t, size_t n)
{
	if (n > 0)
		br_ssl_engine_recvapp_ack(&state_of(t)->u.engine, n);
}

size_t tls_write(struct tls *t, struct slice text)
{
	struct state *s = state_of(t);
	size_t n;
	unsigned char *to = br_ssl_engine_sendapp_buf(&s->u.engine, &n);

	if (!to || text.len == 0)
		return 0;
	if (n > text.len)
		n = text.len;
	memcpy(to, text.data, n);
	br_ssl_engine_sendapp_ack(&s->u.engine, n);
	return n;
}

void tls_flush(struct tls *t)
{
	br_ssl_engine_flush(&state_of(t)->u.engine, 0);
}

void tls_close(struct tls *t)
{
	br_ssl_engine_flush(&state_of(t)->u.engine, 0);
	br_ssl_engine_close(&state_of(t)->u.engine);
}
