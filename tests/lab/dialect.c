/*
 * The APIs. Answers are searched for their few fields, not parsed: what a test's client
 * sends is known, and a client with a parser of its own does not share the server's mistakes.
 *
 * An answer of 500 and above is never taken as proof that nothing happened: a follower may have
 * passed the request on before it lost its leader.
 */
#include "dialect.h"
#include <inttypes.h>
#include <string.h>
#include "codec/base64.h"

enum { ANSWER_BYTES = 1 << 20 };

static void request(struct buf *out, const char *method, const char *path, struct slice body)
{
	buf_printf(out, "%s %s HTTP/1.1\r\nHost: d\r\nContent-Type: application/json\r\n"
		"Content-Length: %zu\r\n\r\n", method, path, body.len);
	buf_add_slice(out, body);
}

/* What follows name in body, up to the first character of ends; {NULL, 0}: it is not there. */
static struct slice field(struct slice body, const char *name, const char *ends)
{
	struct slice none = { NULL, 0 };
	if (body.len == 0)
		return none;
	const char *at = memmem(body.data, body.len, name, strlen(name));
	if (at == NULL)
		return none;
	struct slice s = { at + strlen(name), 0 };
	const char *end = body.data + body.len;
	while (s.data + s.len < end && strchr(ends, s.data[s.len]) == NULL)
		s.len++;
	return s;
}

static void keep_value(struct answer *a, struct slice value)
{
	a->size = value.len;
	size_t len = slice_find(value, '.');
	if (len >= sizeof(a->value))
		len = sizeof(a->value) - 1;
	memcpy(a->value, value.data, len);
	a->value[len] = '\0';
}

/* The value in base64 and the version, as two of the APIs have them. */
static enum outcome encoded(struct answer *a, struct slice value, struct slice version)
{
	struct buf plain;
	buf_init(&plain, ANSWER_BYTES);
	enum outcome got = OUTCOME_UNKNOWN;
	if (value.data != NULL && base64_decode(value, &plain) == 0 &&
	    slice_to_u64(version, UINT64_MAX, &a->version) == 0) {
		a->found = true;
		keep_value(a, buf_slice(&plain));
		got = OUTCOME_OK;
	}
	buf_done(&plain);
	return got;
}

/* ---- kv ---- */

static void kv_build(struct buf *out, const struct request *r, const char *read_query)
{
	struct slice none = { NULL, 0 };
	char path[256];
	struct buf b;
	buf_init(&b, sizeof(path));
	buf_printf(&b, "/v1/kv/%s", r->key);
	if (r->op == OP_READ)
		buf_add_str(&b, read_query);
	if (r->op == OP_CAS)
		buf_printf(&b, "?cas=%" PRIu64, r->version);
	if (r->op == OP_READ)
		request(out, "GET", buf_str(&b), none);
	else if (r->op == OP_DELETE)
		request(out, "DELETE", buf_str(&b), none);
	else
		request(out, "PUT", buf_str(&b), r->value);
	buf_done(&b);
}

static enum outcome kv_parse(const struct request *r, int status, struct slice body,
	struct answer *a)
{
	if (r->op == OP_READ && status == 404)
		return OUTCOME_OK;
	if (status != 200)
		return status < 500 ? OUTCOME_NEVER : OUTCOME_UNKNOWN;
	if (r->op == OP_READ)
		return encoded(a, field(body, "\"Value\":\"", "\""),
			field(body, "\"ModifyIndex\":", ",}"));
	body = slice_trim(body);
	if (slice_is(body, "true"))
		return OUTCOME_OK;
	return slice_is(body, "false") && r->op == OP_CAS ? OUTCOME_MISMATCH : OUTCOME_UNKNOWN;
}

/* ---- service ---- */

static void service_build(struct buf *out, const struct request *r, const char *read_query)
{
	struct buf path, body;
	buf_init(&path, 256);
	buf_init(&body, ANSWER_BYTES);
	if (r->op == OP_READ) {
		buf_printf(&path, "/services/%s%s", r->key, read_query);
		request(out, "GET", buf_str(&path), buf_slice(&body));
	} else {
		buf_printf(&body, "{\"Name\":\"%s\",\"Labels\":{\"v\":\"%.*s\"},"
			"\"TaskTemplate\":{\"ContainerSpec\":{\"Image\":\"lab/box\"}},"
			"\"Mode\":{\"Replicated\":{\"Replicas\":0}}}", r->key,
			SLICE_ARGS(r->value));
		if (r->version == 0)
			buf_add_str(&path, "/services/create");
		else
			buf_printf(&path, "/services/%s/update?version=%" PRIu64, r->key,
				r->version);
		request(out, "POST", buf_str(&path), buf_slice(&body));
	}
	buf_done(&path);
	buf_done(&body);
}

static enum outcome service_parse(const struct request *r, int status, struct slice body,
	struct answer *a)
{
	if (r->op == OP_READ && status == 404)
		return OUTCOME_OK;
	if (r->op == OP_READ && status == 200) {
		struct slice value = field(body, "\"Labels\":{\"v\":\"", "\"");
		struct slice version = field(body, "\"Version\":{\"Index\":", ",}");
		if (value.data == NULL ||
		    slice_to_u64(version, UINT64_MAX, &a->version) != 0)
			return OUTCOME_UNKNOWN;
		a->found = true;
		keep_value(a, value);
		return OUTCOME_OK;
	}
	if (r->op == OP_READ)
		return OUTCOME_UNKNOWN;
	if (status == 200 || status == 201)
		return OUTCOME_OK;
	bool stale = field(body, "out of sequence", "").data != NULL;
	if (r->version == 0 ? status == 409 : stale || status == 404)
		return OUTCOME_MISMATCH;
	return status < 500 ? OUTCOME_NEVER : OUTCOME_UNKNOWN;
}

/* ---- etcd ---- */

static void add_encoded(struct buf *b, const char *before, struct slice s)
{
	buf_add_str(b, before);
	base64_encode(s, b);
	buf_add_char(b, '"');
}

static void etcd_build(struct buf *out, const struct request *r, const char *read_query)
{
	(void)read_query;		/* its reads are linearizable unless told otherwise */
	struct buf b;
	buf_init(&b, ANSWER_BYTES);
	const char *path = r->op == OP_READ ? "/v3/kv/range" :
		r->op == OP_WRITE ? "/v3/kv/put" :
		r->op == OP_DELETE ? "/v3/kv/deleterange" : "/v3/kv/txn";
	struct slice key = slice_of(r->key);
	if (r->op == OP_CAS) {
		add_encoded(&b, "{\"compare\":[{\"target\":\"MOD\",\"key\":\"", key);
		buf_printf(&b, ",\"mod_revision\":\"%" PRIu64 "\"}],\"success\":[{\"request_put\":",
			r->version);
	}
	add_encoded(&b, "{\"key\":\"", key);
	if (r->op == OP_WRITE || r->op == OP_CAS)
		add_encoded(&b, ",\"value\":\"", r->value);
	buf_add_str(&b, r->op == OP_CAS ? "}}]}" : "}");
	request(out, "POST", path, buf_slice(&b));
	buf_done(&b);
}

static enum outcome etcd_parse(const struct request *r, int status, struct slice body,
	struct answer *a)
{
	if (status != 200)
		return status < 500 ? OUTCOME_NEVER : OUTCOME_UNKNOWN;
	if (r->op == OP_READ && field(body, "\"kvs\":", "").data == NULL)
		return OUTCOME_OK;
	if (r->op == OP_READ)
		return encoded(a, field(body, "\"value\":\"", "\""),
			field(body, "\"mod_revision\":\"", "\""));
	if (r->op == OP_CAS && field(body, "\"succeeded\":true", "").data == NULL)
		return OUTCOME_MISMATCH;
	return OUTCOME_OK;
}

/* ---- config ---- */

static void config_build(struct buf *out, const struct request *r, const char *read_query)
{
	struct slice none = { NULL, 0 };
	struct buf body;
	(void)read_query;
	if (r->op != OP_WRITE) {
		request(out, "GET", "/configs/none", none);
		return;
	}
	buf_init(&body, ANSWER_BYTES);
	buf_printf(&body, "{\"Name\":\"%s-%.*s\"", r->key, (int)slice_find(r->value, '.'),
		r->value.data);
	add_encoded(&body, ",\"Data\":\"", r->value);
	buf_add_char(&body, '}');
	request(out, "POST", "/configs/create", buf_slice(&body));
	buf_done(&body);
}

static enum outcome config_parse(const struct request *r, int status, struct slice body,
	struct answer *a)
{
	(void)body;
	(void)a;
	if (r->op == OP_READ ? status == 404 : status == 200 || status == 201)
		return OUTCOME_OK;
	return status < 500 ? OUTCOME_NEVER : OUTCOME_UNKNOWN;
}

static const struct dialect dialects[] = {
	{ "kv", true, kv_build, kv_parse },
	{ "service", false, service_build, service_parse },
	{ "etcd", true, etcd_build, etcd_parse },
	{ "config", true, config_build, config_parse },
};

const struct dialect *dialect_find(const char *name)
{
	for (size_t i = 0; i < sizeof(dialects) / sizeof(*dialects); i++)
		if (strcmp(dialects[i].name, name) == 0)
			return &dialects[i];
	return NULL;
}
