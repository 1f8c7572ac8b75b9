/* tls.h - one end of a TLS connection as a machine: bytes in, bytes out. Pure.
 *
 * TLS 1.2 alone, ECDHE_ECDSA on P-256, AES-128-GCM where the processor has it and
 * ChaCha20-Poly1305 everywhere. Both ends show a certificate and check the other's against
 * the trust anchors and the time; a server may let clients in that have none. No renegotiation,
 * no host names: who the other end is, its certificate's subject tells.
 *
 * The time and all randomness come from the caller: an end is a function of its seed and of
 * the bytes it is fed. One turn of a user is: tls_feed what came, tls_read and tls_taken what
 * can be read, tls_write what is to be said, tls_flush, and send tls_out.
 *
 * Memory of one connection: struct tls (8 KB) and the caller's buffer (8.5 to 33 KB).
 */
#ifndef SB_CRYPT_TLS_H
#define SB_CRYPT_TLS_H
#include <stddef.h>
#include <stdint.h>
#include "base/err.h"
#include "base/slice.h"

enum {
	TLS_KEY_LEN = 32,	/* a P-256 private key, big endian (SEC 1, 2.3.7) */
	TLS_POINT_LEN = 65,	/* its public point, uncompressed (SEC 1, 2.3.3) */
	TLS_SEED_LEN = 32,
	TLS_CHAIN_MAX = 4,	/* certificates that an end shows: its own, intermediate ones */
	TLS_ANCHORS_MAX = 4,	/* while an authority is replaced there are two */
	TLS_DN_MAX = 256,	/* an anchor's subject, in DER */
	TLS_NAME_MAX = 64,	/* a name: ub-common-name and the like of RFC 5280 */
	TLS_PIN_LEN = 32,
	TLS_CERT_MAX = 1024,	/* of a chain that is looked through for a pin */
	TLS_OVERHEAD = 325 + 85,	/* BearSSL's headers, padding and tags, both directions */
	/* Sizes of a buffer. FULL: records of 16 KB both ways. SMALL: of 4 KB: a client
	 * asks for them (RFC 6066, 4); a server with SMALL serves only such clients. */
	TLS_BUFFER_FULL = 2 * 16384 + TLS_OVERHEAD,
	TLS_BUFFER_SMALL = 2 * 4096 + TLS_OVERHEAD,
	TLS_WORDS = 1024,	/* checked in tls.c when it is compiled */
};

/* Who one is. Borrowed by every struct tls made with it. */
struct tls_identity {
	struct slice chain[TLS_CHAIN_MAX];	/* DER, one's own first */
	uint32_t chain_count;
	uint8_t key[TLS_KEY_LEN];
};

/* An authority whose certificates are believed. */
struct tls_anchor {
	uint8_t dn[TLS_DN_MAX];		/* private, as the rest */
	uint32_t dn_len;
	uint8_t point[TLS_POINT_LEN];
};

/* One who knows only the digest of an authority's certificate (crypt/token.h): the one in the other
 * end's chain that has it is believed, and is here when the connection is open. */
struct tls_pin {
	uint8_t digest[TLS_PIN_LEN];	/* set by the caller */
	uint8_t der[TLS_CHAIN_MAX][TLS_CERT_MAX];	/* private, as all below */
	size_t len[TLS_CHAIN_MAX];
	uint32_t count;
	int failed;
	struct tls_anchor anchor;
	struct slice authority;
};

struct tls_config {
	/* Borrowed until the end of the connection. NULL: a client that shows no certificate. */
	const struct tls_identity *identity;
	const struct tls_anchor *anchors;	/* borrowed likewise */
	uint32_t anchor_count;
	struct tls_pin *pin;	/* a client that knows no anchor yet; borrowed likewise. NULL: the
				 * anchors count */
	int strangers;		/* a server: clients without a certificate may come in; one that
				 * is shown must be good */
	int64_t now_s;		/* Unix time at which the other's certificate must be valid */
	uint8_t seed[TLS_SEED_LEN];	/* fresh from io/entropy.h for each connection */
};

/* Private. Must not move; wiped by tls_done. */
struct tls {
	uint64_t words[TLS_WORDS];
};

/* The authority's own certificate. ERR_INVALID with msg: no certificate, not an authority's,
 * no P-256 key, or a subject over TLS_DN_MAX. */
int tls_anchor_init(struct tls_anchor *a, struct slice der, struct errmsg *msg);

/* The end that dialed. buffer is the caller's, size one of TLS_BUFFER_*; c itself is not
 * needed after. The first bytes to send are there at once. */
void tls_init_client(struct tls *t, const struct tls_config *c, void *buffer, size_t size);
/* The end that was dialed. */
void tls_init_server(struct tls *t, const struct tls_config *c, void *buffer, size_t size);
/* Wipes struct and buffer. */
void tls_done(struct tls *t);

/*
 * 0 as long as the connection works. ERR_DENIED: the other end shows no certificate or one
 * that is not believed, or said so of ours. ERR_CORRUPT: not TLS, or damaged. ERR_UNSUPPORTED:
 * no common version or cipher. ERR_LIMIT: a record over the buffer. ERR_UNAVAILABLE: closed in
 * good order. msg: the reason.
 */
int tls_error(const struct tls *t, struct errmsg *msg);
/* 1 from the end of the handshake on, until the connection fails or is closed. */
int tls_is_open(const struct tls *t);
/* Of the subject of the other end's certificate: common name, unit (OU), organisation (O). ""
 * before tls_is_open, if there is none, or if it is over TLS_NAME_MAX. */
const char *tls_peer_name(const struct tls *t);
const char *tls_peer_unit(const struct tls *t);
const char *tls_peer_organisation(const struct tls *t);
/* The authority's certificate in DER, once the connection is open; else empty. */
struct slice tls_pin_authority(const struct tls_pin *pin);

/* Takes bytes from the wire and returns how many. It takes no more while there is something
 * to read, or during the handshake to send; none at all after an error. */
size_t tls_feed(struct tls *t, struct slice bytes);
/* What is to be sent now; valid until the next call that is not a query. */
struct slice tls_out(const struct tls *t);
/* The first n bytes of tls_out are sent. */
void tls_sent(struct tls *t, size_t n);

/* What can be read; borrowed until tls_taken or tls_done: writing leaves it alone. */
struct slice tls_read(const struct tls *t);
/* The first n bytes of tls_read are done with. */
void tls_taken(struct tls *t, size_t n);
/* Takes text to say and returns how much: nothing while a record waits to be sent. A record is
 * sealed when it is full or by tls_flush. */
size_t tls_write(struct tls *t, struct slice text);
void tls_flush(struct tls *t);
/* Nothing more will be said: what was written goes out, then a close_notify (tls_out). */
void tls_close(struct tls *t);
#endif
