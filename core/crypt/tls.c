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
#include "crypt/token.h"

enum { COMMON_NAME, UNIT, ORGANISATION, NAMES };

enum {
	/* Days from the first of January of the year 0 to 1970, as BearSSL counts. */
	DAYS_TO_1970 = 719528,
	DAY_S = 86400,
	/* Kinds of a record (RFC 5246, 6.2.1). */
	RECORD_HANDSHAKE = 22, RECORD_TEXT = 23,
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
	br_name_element names[NAMES];
	char texts[NAMES][TLS_NAME_MAX + 1];
	const br_x509_class *class;	/* what the engine calls: one of those below */
	struct tls_pin *pin;
	unsigned refused;		/* what is wrong with the chain that a client showed, or
					 * with what came after the handshake */
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

/* Pins: the chain is kept until all of it is there, then the authority in it that has the digest is
 * the anchor with which it is checked. */

static struct state *state_of_class(const br_x509_class **class)
{
	return (struct state *)(void *)((char *)(uintptr_t)class -
					offsetof(struct state, class));
}

static void pin_start_chain(const br_x509_class **class, const char *server_name)
{
	struct tls_pin *pin = state_of_class(class)->pin;

	(void)server_name;
	pin->count = 0;
	pin->failed = 0;
	pin->authority = (struct slice){ NULL, 0 };
}

static void pin_start_cert(const br_x509_class **class, uint32_t length)
{
	struct tls_pin *pin = state_of_class(class)->pin;

	pin->failed |= pin->count == TLS_CHAIN_MAX || length > TLS_CERT_MAX;
	if (!pin->failed)
		pin->len[pin->count] = 0;
}

static void pin_append(const br_x509_class **class, const unsigned char *bytes, size_t n)
{
	struct tls_pin *pin = state_of_class(class)->pin;

	pin->failed |= !pin->failed && n > TLS_CERT_MAX - pin->len[pin->count];
	if (pin->failed)
		return;
	memcpy(pin->der[pin->count] + pin->len[pin->count], bytes, n);
	pin->len[pin->count] += n;
}

static void pin_end_cert(const br_x509_class **class)
{
	struct tls_pin *pin = state_of_class(class)->pin;

	pin->count += !pin->failed;
}

static struct slice pin_cert(const struct tls_pin *pin, uint32_t i)
{
	return (struct slice){ (const char *)pin->der[i], pin->len[i] };
}

/* 1 when the authority is in the chain. */
static int pin_find(struct tls_pin *pin)
{
	uint8_t digest[TLS_PIN_LEN];

	for (uint32_t i = 0; i < pin->count; i++) {
		token_digest(pin_cert(pin, i), digest);
		if (!mem_equal_secret(digest, pin->digest, sizeof(digest)) ||
		    tls_anchor_init(&pin->anchor, pin_cert(pin, i), NULL) < 0)
			continue;
		pin->authority = pin_cert(pin, i);
		return 1;
	}
	return 0;
}

static void set_anchor(struct state *s, uint32_t i, const struct tls_anchor *anchor);

static unsigned pin_end_chain(const br_x509_class **class)
{
	struct state *s = state_of_class(class);
	const br_x509_class **inner = &s->x509.vtable;
	struct tls_pin *pin = s->pin;
	unsigned err;

	if (pin->failed || !pin_find(pin))
		return BR_ERR_X509_NOT_TRUSTED;
	set_anchor(s, 0, &pin->anchor);
	(*inner)->start_chain(inner, NULL);
	for (uint32_t i = 0; i < pin->count; i++) {
		(*inner)->start_cert(inner, (uint32_t)pin->len[i]);
		(*inner)->append(inner, pin->der[i], pin->len[i]);
		(*inner)->end_cert(inner);
	}
	err = (*inner)->end_chain(inner);
	if (err)
		pin->authority = (struct slice){ NULL, 0 };
	return err;
}

static const br_x509_pkey *inner_get_pkey(const br_x509_class *const *class, unsigned *usages)
{
	const br_x509_minimal_context *x =
		&state_of_class((const br_x509_class **)(uintptr_t)class)->x509;

	return x->vtable->get_pkey(&x->vtable, usages);
}

static const br_x509_class pin_class = {
	sizeof(struct state), pin_start_chain, pin_start_cert, pin_append, pin_end_cert,
	pin_end_chain, inner_get_pkey,
};

/* Guests: the library lets them in without a certificate, and with a bad one just the same. That
 * one is noted, and ends the connection as it opens. */

static const br_x509_class **inner_of(const br_x509_class **class)
{
	return &state_of_class(class)->x509.vtable;
}

static void guest_start_chain(const br_x509_class **class, const char *server_name)
{
	(*inner_of(class))->start_chain(inner_of(class), server_name);
}

static void guest_start_cert(const br_x509_class **class, uint32_t length)
{
	state_of_class(class)->refused = BR_ERR_X509_NOT_TRUSTED;	/* until it is looked at */
	(*inner_of(class))->start_cert(inner_of(class), length);
}

static void guest_append(const br_x509_class **class, const unsigned char *bytes, size_t n)
{
	(*inner_of(class))->append(inner_of(class), bytes, n);
}

static void guest_end_cert(const br_x509_class **class)
{
	(*inner_of(class))->end_cert(inner_of(class));
}

static unsigned guest_end_chain(const br_x509_class **class)
{
	struct state *s = state_of_class(class);
	unsigned err = (*inner_of(class))->end_chain(inner_of(class));

	if (s->refused)
		s->refused = err;
	return err;
}

static const br_x509_class guest_class = {
	sizeof(struct state), guest_start_chain, guest_start_cert, guest_append, guest_end_cert,
	guest_end_chain, inner_get_pkey,
};

struct slice tls_pin_authority(const struct tls_pin *pin)
{
	return pin->authority;
}

/* The library's pointers are not const, but it only reads. */
static void set_anchor(struct state *s, uint32_t i, const struct tls_anchor *anchor)
{
	struct tls_anchor *from = (struct tls_anchor *)(uintptr_t)anchor;

	s->anchors[i] = (br_x509_trust_anchor){
		.dn = { from->dn, from->dn_len },
		.flags = BR_X509_TA_CA,
		.pkey = { .key_type = BR_KEYTYPE_EC,
			  .key.ec = { BR_EC_secp256r1, from->point, TLS_POINT_LEN } },
	};
}

static void set_checks(struct state *s, const struct tls_config *c)
{
	/* 2.5.4.3, .11, .10: each with its length before it. */
	static const unsigned char oids[NAMES][4] = {
		{ 3, 0x55, 0x04, 0x03 }, { 3, 0x55, 0x04, 0x0b }, { 3, 0x55, 0x04, 0x0a },
	};
	int64_t now_s = c->now_s > 0 ? c->now_s : 0;
	br_x509_minimal_context *x = &s->x509;

	for (uint32_t i = 0; i < c->anchor_count; i++)
		set_anchor(s, i, &c->anchors[i]);
	br_x509_minimal_init(x, &br_sha256_vtable, s->anchors, c->pin ? 1 : c->anchor_count);
	br_x509_minimal_set_hash(x, br_sha256_ID, &br_sha256_vtable);
	br_x509_minimal_set_ecdsa(x, &br_ec_p256_m31, br_ecdsa_i31_vrfy_asn1);
	br_x509_minimal_set_time(x, (uint32_t)(now_s / DAY_S) + DAYS_TO_1970,
				 (uint32_t)(now_s % DAY_S));
	for (int i = 0; i < NAMES; i++)
		s->names[i] = (br_name_element){ oids[i], s->texts[i], sizeof(s->texts[i]), 0 };
	br_x509_minimal_set_name_elements(x, s->names, NAMES);
	s->class = c->pin ? &pin_class : &guest_class;
	s->pin = c->pin;
	br_ssl_engine_set_x509(&s->u.engine, c->pin || c->strangers ? &s->class : &x->vtable);
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
	assert(c->pin || (c->anchor_count > 0 && c->anchor_count <= TLS_ANCHORS_MAX));
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
	if (c->identity)
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
	if (c->identity)
		br_ssl_client_set_single_ec(&s->u.client, s->chain, c->identity->chain_count,
					    &s->key, BR_KEYTYPE_SIGN, BR_KEYTYPE_EC,
					    &br_ec_p256_m31, br_ecdsa_i31_sign_asn1);
	/* No name of the server: any certificate of the swarm's authority will do here. */
	br_ssl_client_reset(&s->u.client, NULL, 0);
}

void tls_init_server(struct tls *t, const struct tls_config *c, void *buffer, size_t size)
{
	struct state *s;

	memset(t, 0, sizeof(*t));
	br_ssl_server_zero(&state_of(t)->u.server);
	assert(c->identity && !c->pin);
	s = set_up(t, c, buffer, size);
	br_ssl_server_set_single_ec(&s->u.server, s->chain, c->identity->chain_count, &s->key,
				    BR_KEYTYPE_SIGN, BR_KEYTYPE_EC, &br_ec_p256_m31,
				    br_ecdsa_i31_sign_asn1);
	/* This makes it ask for a certificate. */
	br_ssl_server_set_trust_anchor_names_alt(&s->u.server, s->anchors, c->anchor_count);
	if (c->strangers)
		br_ssl_engine_add_flags(&s->u.engine, BR_OPT_TOLERATE_NO_CLIENT_AUTH);
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
	case BR_ERR_UNEXPECTED:
		return errmsg_set(msg, ERR_CORRUPT, "it wants another handshake, or speaks out of "
				  "turn");
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

static int is_refused(const struct state *s)
{
	return s->opened && s->refused;
}

static int is_closed(const struct state *s)
{
	return is_refused(s) || br_ssl_engine_current_state(&s->u.engine) == BR_SSL_CLOSED;
}

int tls_error(const struct tls *t, struct errmsg *msg)
{
	const struct state *s = state_in(t);

	if (is_refused(s))
		return error_of((int)s->refused, msg);
	return is_closed(s) ? error_of(br_ssl_engine_last_error(&s->u.engine), msg) : 0;
}

int tls_is_open(const struct tls *t)
{
	return state_in(t)->opened && !is_closed(state_in(t));
}

static const char *peer_text(const struct tls *t, int which)
{
	const struct state *s = state_in(t);

	return s->opened && !s->refused && s->names[which].status == 1 ? s->texts[which] : "";
}

const char *tls_peer_name(const struct tls *t)
{
	return peer_text(t, COMMON_NAME);
}

const char *tls_peer_unit(const struct tls *t)
{
	return peer_text(t, UNIT);
}

const char *tls_peer_organisation(const struct tls *t)
{
	return peer_text(t, ORGANISATION);
}

/* Bytes. */

/* The handshake is over when text may be said, or has come. The engine answers one who wants
 * another by a warning, and goes on for as often as it is asked: here it ends. */
static void look_if_open(struct state *s)
{
	br_ssl_engine_context *e = &s->u.engine;

	if (s->opened) {
		if (e->record_type_in == RECORD_HANDSHAKE)
			s->refused = BR_ERR_UNEXPECTED;
		return;
	}
	s->opened = (br_ssl_engine_current_state(e) & (BR_SSL_SENDAPP | BR_SSL_RECVAPP)) != 0;
	if (s->opened)
		e->record_type_in = RECORD_TEXT;
}

size_t tls_feed(struct tls *t, struct slice bytes)
{
	struct state *s = state_of(t);
	size_t taken = 0;

	while (taken < bytes.len && !is_refused(s)) {
		size_t n;
		unsigned char *to = br_ssl_engine_recvrec_buf(&s->u.engine, &n);

		if (!to)
			break;
		if (n > bytes.len - taken)
			n = bytes.len - taken;
		memcpy(to, bytes.data + taken, n);
		taken += n;
		br_ssl_engine_recvrec_ack(&s->u.engine, n);
		look_if_open(s);
	}
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

	if (!is_refused(state_in(t)))
		text.data = (const char *)br_ssl_engine_recvapp_buf(&state_in(t)->u.engine,
								    &text.len);
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

	if (!to || text.len == 0 || is_refused(s))
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
