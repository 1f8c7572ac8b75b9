/*
 * Contracts are in x509.h. Certificates and requests are written backwards (der.h). Reading is
 * strict: what is not of the one kind that this module writes, or that Docker does, is refused.
 */
#include "crypt/x509.h"
#include <bearssl.h>
#include <string.h>
#include "base/mem.h"
#include "base/timefmt.h"
#include "der.h"

enum {
	SIGNATURE_MAX = 72,		/* two integers of 33 bytes at most, and heads */
	HASH_LEN = 32,
	TIME_TEXT_LEN = 15,		/* YYYYMMDDHHMMSSZ */
	KEY_ID_LEN = 20,
	ATTRIBUTES_MAX = 16,		/* of a name that is read */
	EXTENSIONS_MAX = 32,
};

static const uint8_t oid_p256[] = { 0x2a, 0x86, 0x48, 0xce, 0x3d, 0x03, 0x01, 0x07 };
static const uint8_t oid_public_key[] = { 0x2a, 0x86, 0x48, 0xce, 0x3d, 0x02, 0x01 };
static const uint8_t oid_signature[] = { 0x2a, 0x86, 0x48, 0xce, 0x3d, 0x04, 0x03, 0x02 };
static const uint8_t oid_constraints[] = { 0x55, 0x1d, 0x13 };
static const uint8_t oid_usage[] = { 0x55, 0x1d, 0x0f };
static const uint8_t oid_extended[] = { 0x55, 0x1d, 0x25 };
static const uint8_t oid_key_id[] = { 0x55, 0x1d, 0x0e };
static const uint8_t oid_authority_id[] = { 0x55, 0x1d, 0x23 };
static const uint8_t oid_server[] = { 0x2b, 0x06, 0x01, 0x05, 0x05, 0x07, 0x03, 0x01 };
static const uint8_t oid_client[] = { 0x2b, 0x06, 0x01, 0x05, 0x05, 0x07, 0x03, 0x02 };

static const uint8_t oid_common_name[] = { 0x55, 0x04, 0x03 };
static const uint8_t oid_organisation[] = { 0x55, 0x04, 0x0a };
static const uint8_t oid_unit[] = { 0x55, 0x04, 0x0b };

/* ---- keys -------------------------------------------------------------------------- */

/* The curve's order less one, big endian. */
static const uint8_t order_less_one[X509_KEY_LEN] = {
	0xff, 0xff, 0xff, 0xff, 0x00, 0x00, 0x00, 0x00, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff,
	0xff, 0xbc, 0xe6, 0xfa, 0xad, 0xa7, 0x17, 0x9e, 0x84, 0xf3, 0xb9, 0xca, 0xc2, 0xfc, 0x63,
	0x25, 0x50,
};

/* The seed modulo the order less one, plus one: bit by bit, without a branch on it. */
void x509_key(const uint8_t seed[X509_SEED_LEN], uint8_t key[X509_KEY_LEN])
{
	uint8_t rest[X509_KEY_LEN] = { 0 }, less[X509_KEY_LEN];
	unsigned carry = 1;

	for (int bit = 0; bit < 8 * X509_SEED_LEN; bit++) {
		unsigned in = (unsigned)seed[bit / 8] >> (7 - bit % 8) & 1u, borrow = 0;
		uint8_t keep;

		for (int i = X509_KEY_LEN - 1; i >= 0; i--) {
			unsigned v = (unsigned)rest[i] << 1 | in;

			rest[i] = (uint8_t)v;
			in = v >> 8;
		}
		for (int i = X509_KEY_LEN - 1; i >= 0; i--) {
			unsigned v = 0x100u + rest[i] - order_less_one[i] - borrow;

			less[i] = (uint8_t)v;
			borrow = 1 - (v >> 8);
		}
		/* What was shifted out makes it larger for sure. */
		keep = (uint8_t)(0u - (borrow & (1u - in)));
		for (int i = 0; i < X509_KEY_LEN; i++)
			rest[i] = (uint8_t)((rest[i] & keep) | (less[i] & (uint8_t)~keep));
	}
	for (int i = X509_KEY_LEN - 1; i >= 0; i--) {
		carry += rest[i];
		key[i] = (uint8_t)carry;
		carry >>= 8;
	}
	mem_wipe(rest, sizeof(rest));
	mem_wipe(less, sizeof(less));
}

/* Between 1 and the order less one? */
static int is_key(const uint8_t key[X509_KEY_LEN])
{
	unsigned borrow = 0, any = 0;

	for (int i = X509_KEY_LEN - 1; i >= 0; i--) {
		unsigned v = 0x100u + order_less_one[i] - key[i] - borrow;

		borrow = 1 - (v >> 8);
		any |= key[i];
	}
	return any != 0 && !borrow;
}

static br_ec_private_key private_key(const uint8_t key[X509_KEY_LEN])
{
	/* The library's pointers are not const, but it only reads. */
	return (br_ec_private_key){ BR_EC_secp256r1, (unsigned char *)(uintptr_t)key,
				    X509_KEY_LEN };
}

int x509_point(const uint8_t key[X509_KEY_LEN], uint8_t point[X509_POINT_LEN])
{
	br_ec_private_key k = private_key(key);

	if (!is_key(key))
		return ERR_INVALID;
	return br_ec_compute_pub(&br_ec_p256_m31, NULL, point, &k) == X509_POINT_LEN ? 0 :
		ERR_INVALID;
}

static void hash(struct slice bytes, uint8_t out[HASH_LEN])
{
	br_sha256_context c;

	br_sha256_init(&c);
	br_sha256_update(&c, bytes.data, bytes.len);
	br_sha256_out(&c, out);
}

static int verify(struct slice bytes, struct slice signature, const uint8_t point[X509_POINT_LEN])
{
	br_ec_public_key k = { BR_EC_secp256r1, (unsigned char *)(uintptr_t)point,
			       X509_POINT_LEN };
	uint8_t digest[HASH_LEN];

	hash(bytes, digest);
	return br_ecdsa_i31_vrfy_asn1(&br_ec_p256_m31, digest, sizeof(digest), &k, signature.data,
				      signature.len) == 1;
}

/* ---- writing ----------------------------------------------------------------------- */

static void put_algorithm(struct der *d)
{
	size_t inside = der_out(d).len;

	der_put(d, DER_OID, oid_signature, sizeof(oid_signature));
	der_wrap(d, DER_SEQUENCE, inside);
}

static void put_attribute(struct der *d, const uint8_t oid[3], const char *text)
{
	size_t inside = der_out(d).len;

	if (!*text)
		return;
	der_put(d, DER_UTF8, text, strlen(text));
	der_put(d, DER_OID, oid, 3);
	der_wrap(d, DER_SEQUENCE, inside);
	der_wrap(d, DER_SET, inside);
}

static void put_name(struct der *d, const struct x509_name *name)
{
	size_t inside = der_out(d).len;

	put_attribute(d, oid_common_name, name->common_name);
	put_attribute(d, oid_unit, name->unit);
	put_attribute(d, oid_organisation, name->organisation);
	der_wrap(d, DER_SEQUENCE, inside);
}

static void put_public_key(struct der *d, const uint8_t point[X509_POINT_LEN])
{
	uint8_t bits[1 + X509_POINT_LEN] = { 0 };	/* no unused bits */
	size_t inside = der_out(d).len, algorithm;

	memcpy(bits + 1, point, X509_POINT_LEN);
	der_put(d, DER_BIT_STRING, bits, sizeof(bits));
	algorithm = der_out(d).len;
	der_put(d, DER_OID, oid_p256, sizeof(oid_p256));
	der_put(d, DER_OID, oid_public_key, sizeof(oid_public_key));
	der_wrap(d, DER_SEQUENCE, algorithm);
	der_wrap(d, DER_SEQUENCE, inside);
}

/* Two digits a field; UTC until 2049, then the other form (RFC 5280, 4.1.2.5). */
static void put_time(struct der *d, int64_t unix_s)
{
	char text[TIME_TEXT_MAX], out[TIME_TEXT_LEN];
	int n = 0;

	time_format(unix_s * SECOND_NS, text);	/* YYYY-MM-DDTHH:MM:SS... */
	for (int i = 0; i < 19; i++) {
		if (text[i] >= '0' && text[i] <= '9')
			out[n++] = text[i];
	}
	out[n++] = 'Z';
	if (memcmp(out, "2050", 4) < 0 && memcmp(out, "1950", 4) >= 0)
		der_put(d, DER_UTC_TIME, out + 2, (size_t)n - 2);
	else
		der_put(d, DER_TIME, out, (size_t)n);
}

static void put_extension(struct der *d, const uint8_t *oid, size_t oid_len, int critical,
			  struct slice value)
{
	static const uint8_t yes = 0xff;
	size_t inside = der_out(d).len;

	der_put(d, DER_OCTET_STRING, value.data, value.len);
	if (critical)
		der_put(d, DER_BOOLEAN, &yes, 1);
	der_put(d, DER_OID, oid, oid_len);
	der_wrap(d, DER_SEQUENCE, inside);
}

/* What tells keys apart (RFC 5280, 4.2.1.2): of the certificate's own, and of its authority's. */
static void put_key_ids(struct der *d, const struct x509_issue *what,
			const uint8_t issuer[X509_POINT_LEN])
{
	uint8_t memory[64], id[HASH_LEN];
	struct der value;

	hash((struct slice){ (const char *)issuer, X509_POINT_LEN }, id);
	der_init(&value, memory, sizeof(memory));
	der_put(&value, DER_KEY_ID, id, KEY_ID_LEN);
	der_wrap(&value, DER_SEQUENCE, 0);
	put_extension(d, oid_authority_id, sizeof(oid_authority_id), 0, der_out(&value));
	hash((struct slice){ (const char *)what->point, X509_POINT_LEN }, id);
	der_init(&value, memory, sizeof(memory));
	der_put(&value, DER_OCTET_STRING, id, KEY_ID_LEN);
	put_extension(d, oid_key_id, sizeof(oid_key_id), 0, der_out(&value));
}

static void put_extensions(struct der *d, const struct x509_issue *what,
			   const uint8_t issuer[X509_POINT_LEN])
{
	static const uint8_t authority[] = { 0x30, 0x03, 0x01, 0x01, 0xff }, none[] = { 0x30, 0 };
	static const uint8_t sign[] = { 0x03, 0x02, 0x01, 0x06 };	/* certificates, lists */
	static const uint8_t use[] = { 0x03, 0x02, 0x07, 0x80 };	/* digital signatures */
	uint8_t memory[64];
	size_t inside = der_out(d).len;
	struct der value;

	put_key_ids(d, what, issuer);
	if (what->is_authority) {
		put_extension(d, oid_constraints, sizeof(oid_constraints), 1,
			      (struct slice){ (const char *)authority, sizeof(authority) });
		put_extension(d, oid_usage, sizeof(oid_usage), 1,
			      (struct slice){ (const char *)sign, sizeof(sign) });
	} else {
		der_init(&value, memory, sizeof(memory));
		der_put(&value, DER_OID, oid_client, sizeof(oid_client));
		der_put(&value, DER_OID, oid_server, sizeof(oid_server));
		der_wrap(&value, DER_SEQUENCE, 0);
		put_extension(d, oid_constraints, sizeof(oid_constraints), 1,
			      (struct slice){ (const char *)none, sizeof(none) });
		put_extension(d, oid_extended, sizeof(oid_extended), 0, der_out(&value));
		put_extension(d, oid_usage, sizeof(oid_usage), 1,
			      (struct slice){ (const char *)use, sizeof(use) });
	}
	der_wrap(d, DER_SEQUENCE, inside);
	der_wrap(d, DER_CONTEXT | 3, inside);
}

/* Wraps what is to be signed with its signature. 0, or ERR_LIMIT: no room. */
static int sign(struct slice body, const uint8_t key[X509_KEY_LEN], struct buf *out)
{
	br_ec_private_key k = private_key(key);
	uint8_t memory[X509_DER_MAX], digest[HASH_LEN], bits[1 + SIGNATURE_MAX] = { 0 };
	struct der d;
	size_t n;

	hash(body, digest);
	n = br_ecdsa_i31_sign_asn1(&br_ec_p256_m31, &br_sha256_vtable, digest, &k, bits + 1);
	der_init(&d, memory, sizeof(memory));
	der_put(&d, DER_BIT_STRING, bits, 1 + n);
	put_algorithm(&d);
	der_bytes(&d, body.data, body.len);
	der_wrap(&d, DER_SEQUENCE, 0);
	if (n == 0 || d.failed)
		return ERR_LIMIT;
	buf_add_slice(out, der_out(&d));
	return 0;
}

/* Who signs: the name, and the public point. */
static int find_issuer(const struct x509_issue *what, struct x509_name *name,
		       uint8_t point[X509_POINT_LEN], struct errmsg *msg)
{
	struct x509_cert cert;

	if (x509_point(what->issuer_key, point) < 0)
		return errmsg_set(msg, ERR_INVALID, "the authority's key is none of P-256");
	if (what->issuer.len == 0) {
		*name = what->subject;
		memcpy(cert.point, what->point, X509_POINT_LEN);
	} else if (x509_read(what->issuer, &cert, msg) < 0) {
		return errmsg_prefix(msg, ERR_INVALID, "the authority's certificate");
	} else {
		*name = cert.subject;
	}
	if (memcmp(point, cert.point, X509_POINT_LEN) != 0)
		return errmsg_set(msg, ERR_INVALID, "the authority's key is not its "
				  "certificate's");
	return 0;
}

int x509_issue(const struct x509_issue *what, struct buf *out, struct errmsg *msg)
{
	static const uint8_t version = 2;	/* v3 */
	uint8_t memory[X509_DER_MAX], serial[X509_SERIAL_LEN], point[X509_POINT_LEN];
	struct x509_name issuer;
	struct der d;
	size_t inside;
	int err = find_issuer(what, &issuer, point, msg);

	if (err < 0)
		return err;
	memcpy(serial, what->serial, sizeof(serial));
	serial[0] &= 0x7f;
	der_init(&d, memory, sizeof(memory));
	put_extensions(&d, what, point);
	put_public_key(&d, what->point);
	put_name(&d, &what->subject);
	inside = der_out(&d).len;
	put_time(&d, what->not_after_s);
	put_time(&d, what->not_before_s);
	der_wrap(&d, DER_SEQUENCE, inside);
	put_name(&d, &issuer);
	put_algorithm(&d);
	der_integer(&d, serial, sizeof(serial));
	inside = der_out(&d).len;
	der_put(&d, DER_INTEGER, &version, 1);
	der_wrap(&d, DER_CONTEXT, inside);
	der_wrap(&d, DER_SEQUENCE, 0);
	if (d.failed || sign(der_out(&d), what->issuer_key, out) < 0)
		return errmsg_set(msg, ERR_INVALID, "the certificate would be too long");
	return 0;
}

int x509_request(const uint8_t key[X509_KEY_LEN], const struct x509_name *subject,
		 struct buf *out)
{
	uint8_t memory[X509_DER_MAX], point[X509_POINT_LEN], zero = 0;
	struct der d;

	if (x509_point(key, point) < 0)
		return ERR_INVALID;
	der_init(&d, memory, sizeof(memory));
	der_put(&d, DER_CONTEXT, NULL, 0);	/* no attributes */
	put_public_key(&d, point);
	put_name(&d, subject);
	der_put(&d, DER_INTEGER, &zero, 1);	/* version 1 (RFC 2986, 4.1) */
	der_wrap(&d, DER_SEQUENCE, 0);
	return d.failed || sign(der_out(&d), key, out) < 0 ? ERR_INVALID : 0;
}

/* ---- reading ----------------------------------------------------------------------- */

static int is_oid(struct slice oid, const uint8_t *value, size_t n)
{
	return oid.len == n && memcmp(oid.data, value, n) == 0;
}

/* The next element is a sequence that names ecdsa-with-SHA256 alone. */
static int read_algorithm(struct slice *in)
{
	struct slice sequence, oid;

	return der_next(in, DER_SEQUENCE, &sequence) == 0 &&
	       der_next(&sequence, DER_OID, &oid) == 0 && sequence.len == 0 &&
	       is_oid(oid, oid_signature, sizeof(oid_signature)) ? 0 : ERR_INVALID;
}

/* What is signed (with its head), and the signature. */
static int read_signed(struct slice der, struct slice *body, struct slice *signature)
{
	struct slice all;

	if (der.len > X509_DER_MAX || der_next(&der, DER_SEQUENCE, &all) < 0 || der.len ||
	    der_next_whole(&all, DER_SEQUENCE, body) < 0 || read_algorithm(&all) < 0 ||
	    der_next(&all, DER_BIT_STRING, signature) < 0 || all.len ||
	    signature->len < 1 || signature->data[0] != 0)
		return ERR_INVALID;
	signature->data++;
	signature->len--;
	return 0;
}

static int take_text(char out[X509_NAME_MAX + 1], struct slice text)
{
	if (text.len == 0 || text.len > X509_NAME_MAX || *out)
		return ERR_INVALID;
	for (size_t i = 0; i < text.len; i++) {
		if (text.data[i] < ' ' || text.data[i] > '~')
			return ERR_INVALID;
	}
	memcpy(out, text.data, text.len);
	return 0;
}

static int read_attribute(struct slice set, struct x509_name *name)
{
	struct slice pair, oid, text;
	uint8_t tag;

	if (der_next(&set, DER_SEQUENCE, &pair) < 0 || set.len ||
	    der_next(&pair, DER_OID, &oid) < 0 || pair.len == 0)
		return ERR_INVALID;
	tag = (uint8_t)pair.data[0];
	if ((tag != DER_UTF8 && tag != DER_PRINTABLE) || der_next(&pair, tag, &text) < 0 ||
	    pair.len)
		return ERR_INVALID;
	if (is_oid(oid, oid_common_name, 3))
		return take_text(name->common_name, text);
	if (is_oid(oid, oid_unit, 3))
		return take_text(name->unit, text);
	if (is_oid(oid, oid_organisation, 3))
		return take_text(name->organisation, text);
	return ERR_INVALID;
}

static int read_name(struct slice *in, struct x509_name *name)
{
	struct slice sets, set;
	int err = der_next(in, DER_SEQUENCE, &sets);

	memset(name, 0, sizeof(*name));
	for (int i = 0; err == 0 && sets.len; i++) {
		if (i == ATTRIBUTES_MAX)
			return ERR_INVALID;
		err = der_next(&sets, DER_SET, &set);
		if (err == 0)
			err = read_attribute(set, name);
	}
	return err;
}

static int read_public_key(struct slice *in, uint8_t point[X509_POINT_LEN])
{
	struct slice all, algorithm, oid, curve, bits;

	if (der_next(in, DER_SEQUENCE, &all) < 0 || der_next(&all, DER_SEQUENCE, &algorithm) < 0 ||
	    der_next(&algorithm, DER_OID, &oid) < 0 || der_next(&algorithm, DER_OID, &curve) < 0 ||
	    algorithm.len || !is_oid(oid, oid_public_key, sizeof(oid_public_key)) ||
	    !is_oid(curve, oid_p256, sizeof(oid_p256)) ||
	    der_next(&all, DER_BIT_STRING, &bits) < 0 || all.len ||
	    bits.len != 1 + X509_POINT_LEN || bits.data[0] != 0 || bits.data[1] != 4)
		return ERR_INVALID;
	memcpy(point, bits.data + 1, X509_POINT_LEN);
	return 0;
}

static int read_time(struct slice *in, int64_t *unix_s)
{
	static const char form[] = "YYYY-MM-DDTHH:MM:SSZ";
	char text[sizeof(form)] = { 0 };
	uint8_t tag = in->len ? (uint8_t)in->data[0] : 0;
	size_t century = tag == DER_UTC_TIME ? 2 : 0, k = century;
	struct slice digits;
	int64_t ns;

	if ((tag != DER_UTC_TIME && tag != DER_TIME) || der_next(in, tag, &digits) < 0 ||
	    digits.len != TIME_TEXT_LEN - century || digits.data[digits.len - 1] != 'Z')
		return ERR_INVALID;
	if (century)	/* RFC 5280, 4.1.2.5.1 */
		memcpy(text, digits.data[0] >= '5' ? "19" : "20", 2);
	for (size_t i = century; i + 1 < sizeof(form); i++) {
		if (form[i] >= 'A' && form[i] <= 'Z' && form[i] != 'T' && form[i] != 'Z')
			text[i] = digits.data[k++ - century];
		else
			text[i] = form[i];
	}
	if (time_parse(slice_of(text), &ns) < 0)
		return ERR_INVALID;
	*unix_s = ns / SECOND_NS;
	return 0;
}

static int read_extensions(struct slice in, struct x509_cert *cert)
{
	static const uint8_t authority[] = { 0x30, 0x03, 0x01, 0x01, 0xff };
	struct slice outer, list, one, oid, value, flag;

	if (in.len == 0)
		return 0;
	if (der_next(&in, DER_CONTEXT | 3, &outer) < 0 || in.len ||
	    der_next(&outer, DER_SEQUENCE, &list) < 0 || outer.len)
		return ERR_INVALID;
	for (int i = 0; list.len; i++) {
		if (i == EXTENSIONS_MAX || der_next(&list, DER_SEQUENCE, &one) < 0 ||
		    der_next(&one, DER_OID, &oid) < 0 ||
		    (der_is(one, DER_BOOLEAN) && der_next(&one, DER_BOOLEAN, &flag) < 0) ||
		    der_next(&one, DER_OCTET_STRING, &value) < 0 || one.len)
			return ERR_INVALID;
		if (is_oid(oid, oid_constraints, sizeof(oid_constraints)))
			cert->is_authority = value.len >= sizeof(authority) &&
				memcmp(value.data + 2, authority + 2, 3) == 0;
	}
	return 0;
}

static int read_body(struct slice body, struct x509_cert *cert)
{
	struct slice all, version, serial, validity;

	if (der_next(&body, DER_SEQUENCE, &all) < 0 || der_next(&all, DER_CONTEXT, &version) < 0 ||
	    der_next(&all, DER_INTEGER, &serial) < 0 || read_algorithm(&all) < 0 ||
	    read_name(&all, &cert->issuer) < 0 || der_next(&all, DER_SEQUENCE, &validity) < 0 ||
	    read_time(&validity, &cert->not_before_s) < 0 ||
	    read_time(&validity, &cert->not_after_s) < 0 || validity.len ||
	    read_name(&all, &cert->subject) < 0 || read_public_key(&all, cert->point) < 0)
		return ERR_INVALID;
	return read_extensions(all, cert);
}

int x509_read(struct slice der, struct x509_cert *cert, struct errmsg *msg)
{
	struct slice body, signature;

	memset(cert, 0, sizeof(*cert));
	if (read_signed(der, &body, &signature) < 0 || read_body(body, cert) < 0)
		return errmsg_set(msg, ERR_INVALID, "it is no certificate of a swarm (version 3, "
				  "P-256, SHA-256), or damaged");
	return 0;
}

int x509_is_signed_by(struct slice der, struct slice authority)
{
	struct slice body, signature;
	struct x509_cert cert;
	struct errmsg msg;

	return x509_read(authority, &cert, &msg) == 0 && read_signed(der, &body, &signature) == 0 &&
	       verify(body, signature, cert.point);
}

int x509_request_read(struct slice der, struct x509_name *subject,
		      uint8_t point[X509_POINT_LEN], struct errmsg *msg)
{
	struct slice body, rest, all, version, signature;

	if (read_signed(der, &body, &signature) < 0)
		return errmsg_set(msg, ERR_INVALID, "it is no certificate request");
	rest = body;
	if (der_next(&rest, DER_SEQUENCE, &all) < 0 || der_next(&all, DER_INTEGER, &version) < 0 ||
	    version.len != 1 || version.data[0] != 0 || read_name(&all, subject) < 0 ||
	    read_public_key(&all, point) < 0)
		return errmsg_set(msg, ERR_INVALID, "it is no certificate request for a P-256 key");
	if (!verify(body, signature, point))
		return errmsg_set(msg, ERR_INVALID, "the certificate request is not signed by the "
				  "key that it names");
	return 0;
}
