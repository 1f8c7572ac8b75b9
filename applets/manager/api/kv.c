/*
 * /v1/kv/KEY in the shape of Consul's HTTP API. Contracts are in private.h.
 *
 * What differs from Consul: there are no sessions (?acquire, ?release are refused) and no
 * datacenters; errors are {"message": ...} as everywhere here. A parameter counts when it is
 * there, whatever its value, as Consul has it.
 */
#include <stdio.h>
#include <string.h>
#include "applets/manager/api/private.h"
#include "base/timefmt.h"
#include "codec/base64.h"

#define SECOND_NS INT64_C(1000000000)

enum {
	/* Consul's: how long a read waits, if not asked otherwise, and at most. */
	WAIT_S = 300,
	WAIT_MAX_S = 600,
	HEADERS_MAX = 256,
};

struct query {
	int recurse, keys, raw, stale, consistent, has_cas;
	uint64_t index, flags, cas;
	int64_t wait_ns;
	struct slice separator;
	const char *refused;	/* a parameter that asks for what there is not */
};

/* 0, or -1: the error is replied. */
static int read_number(struct call *c, struct slice name, struct slice value, uint64_t *number)
{
	if (slice_to_u64(value, UINT64_MAX, number) == 0)
		return 0;
	fail(c, 400, "Invalid %.*s: it must be a number", SLICE_ARGS(name));
	return -1;
}

static int read_wait(struct call *c, struct slice value, int64_t *wait_ns)
{
	if (duration_parse(value, wait_ns) < 0) {
		fail(c, 400, "Invalid wait time: it must be as in 10s or 1m30s");
		return -1;
	}
	if (*wait_ns <= 0)
		*wait_ns = WAIT_S * SECOND_NS;
	if (*wait_ns > WAIT_MAX_S * SECOND_NS)
		*wait_ns = WAIT_MAX_S * SECOND_NS;
	return 0;
}

static int read_parameter(struct call *c, struct query *q, struct slice name, struct slice value)
{
	if (slice_is(name, "recurse"))
		q->recurse = 1;
	else if (slice_is(name, "keys"))
		q->keys = 1;
	else if (slice_is(name, "raw"))
		q->raw = 1;
	else if (slice_is(name, "stale"))
		q->stale = 1;
	else if (slice_is(name, "consistent"))
		q->consistent = 1;
	else if (slice_is(name, "separator"))
		q->separator = value;
	else if (slice_is(name, "index"))
		return read_number(c, name, value, &q->index);
	else if (slice_is(name, "flags"))
		return read_number(c, name, value, &q->flags);
	else if (slice_is(name, "wait"))
		return read_wait(c, value, &q->wait_ns);
	else if (slice_is(name, "acquire") || slice_is(name, "release"))
		q->refused = "there are no sessions here to lock with: use ?cas=";
	else if (slice_is(name, "dc"))
		q->refused = "there are no datacenters here: ask a manager of that swarm";
	if (!slice_is(name, "cas"))
		return 0;
	q->has_cas = 1;
	return read_number(c, name, value, &q->cas);
}

/* 0, or -1: the error is replied. */
static int read_query(struct call *c, struct query *q)
{
	struct slice rest = c->query, name, value;
	int got;

	*q = (struct query){ .wait_ns = WAIT_S * SECOND_NS };
	while ((got = http_query_next(&rest, c->turn->arena, &name, &value)) == 1) {
		if (read_parameter(c, q, name, value) < 0)
			return -1;
	}
	if (got < 0)
		fail(c, 400, "the query is not well encoded");
	else if (q->refused)
		fail(c, 400, "%s", q->refused);
	else if (q->stale && q->consistent)
		fail(c, 400, "Cannot specify ?stale with ?consistent, conflicting semantics.");
	else
		return 0;
	return -1;
}

/* The key, which may be empty where a prefix is meant. 0, or -1: the error is replied. */
static int read_key(struct call *c, int is_prefix, struct slice *key)
{
	*key = slice_of(c->ref);
	if (key->len == 0 && !is_prefix)
		fail(c, 400, "Missing key name");
	else if (key->len > KV_KEY_MAX)
		fail(c, 400, "the key is longer than %d bytes", KV_KEY_MAX);
	else
		return 0;
	return -1;
}

/* ---- reads ---- */

/* Consul's headers; Knownleader and LastContact tell what a reader of its API may look for. */
static void reply(struct call *c, int status, uint64_t index, struct slice type, struct slice body)
{
	struct effect *x = effects_add(c->turn->fx, EFFECT_REPLY, c->ev->id);
	const char *sandbox = slice_is(type, "text/plain") ?
		"X-Content-Type-Options: nosniff\r\nContent-Security-Policy: sandbox\r\n" : "";
	char headers[HEADERS_MAX];

	snprintf(headers, sizeof(headers), "X-Consul-Index: %llu\r\nX-Consul-Knownleader: %s\r\n"
		 "X-Consul-Lastcontact: 0\r\n%s", (unsigned long long)index,
		 c->turn->ready ? "true" : "false", sandbox);
	x->status = status;
	x->target = arena_copy(&c->turn->fx->arena, slice_of(headers));
	x->text = type;
	x->body = arena_copy(&c->turn->fx->arena, body);
}

static void reply_json(struct call *c, uint64_t index, struct body *b)
{
	if (b->text.failed)
		fail(c, 500, "the answer is larger than %d bytes: ask for less", API_BODY_MAX);
	else
		reply(c, 200, index, SLICE("application/json"), buf_slice(&b->text));
	buf_done(&b->text);
}

static void write_pair(struct body *b, const struct pair *p)
{
	struct json_writer *w = &b->w;

	json_open_object(w);
	json_put_u64(w, "LockIndex", 0);
	json_put_slice(w, "Key", pair_key(p));
	json_put_u64(w, "Flags", p->flags);
	json_write_key(w, "Value");
	if (pair_value(p).len == 0) {
		json_write_null(w);
	} else {
		json_write_raw(w, SLICE("\""));
		base64_encode(pair_value(p), &b->text);
		buf_add_char(&b->text, '"');
	}
	json_put_u64(w, "CreateIndex", p->create);
	json_put_u64(w, "ModifyIndex", p->modify);
	json_close_object(w);
}

static void reply_pairs(struct call *c, const struct query *q, struct slice key, uint64_t index)
{
	const struct kv *kv = &c->turn->state->kv;
	const struct pair *p = q->recurse ? pairs_from(&kv->pairs, key)
					  : pairs_find(&kv->pairs, key);
	struct body b;

	if (!pair_is_below(p, key)) {
		reply(c, 404, index, (struct slice){ NULL, 0 }, (struct slice){ NULL, 0 });
		return;
	}
	if (q->raw && !q->recurse) {
		reply(c, 200, index, SLICE("text/plain"), pair_value(p));
		return;
	}
	body_begin(&b);
	json_open_array(&b.w);
	write_pair(&b, p);
	for (p = pair_next(p); q->recurse && pair_is_below(p, key) && !b.text.failed;
	     p = pair_next(p))
		write_pair(&b, p);
	json_close_array(&b.w);
	reply_json(c, index, &b);
}

/* Up to and with the first separator behind the prefix. */
static struct slice cut_key(struct slice key, size_t prefix_len, struct slice separator)
{
	for (size_t i = prefix_len; separator.len && i + separator.len <= key.len; i++) {
		if (memcmp(key.data + i, separator.data, separator.len) == 0)
			return (struct slice){ key.data, i + separator.len };
	}
	return key;
}

static void reply_keys(struct call *c, const struct query *q, struct slice prefix, uint64_t index)
{
	const struct pair *p = pairs_from(&c->turn->state->kv.pairs, prefix);
	struct slice last = { NULL, 0 };
	struct body b;

	if (!pair_is_below(p, prefix)) {
		reply(c, 404, index, (struct slice){ NULL, 0 }, (struct slice){ NULL, 0 });
		return;
	}
	body_begin(&b);
	json_open_array(&b.w);
	for (; pair_is_below(p, prefix) && !b.text.failed; p = pair_next(p)) {
		struct slice key = cut_key(pair_key(p), prefix.len, q->separator);

		if (!last.data || !slice_equal(key, last))
			json_write_string(&b.w, key);
		last = key;
	}
	json_close_array(&b.w);
	reply_json(c, index, &b);
}

static enum api_outcome park(struct call *c, const struct query *q, struct slice key)
{
	struct kv_wait wait = {
		.request = c->ev->id, .index = q->index, .below = q->recurse || q->keys,
		.local = q->stale, .key = key, .target = c->ev->target,
		.deadline_ms = c->ev->now_ms + (uint64_t)(q->wait_ns / 1000000),
	};

	if (wait.target.len > KV_WATCH_TARGET_MAX)
		return fail(c, 414, "the path is longer than %d bytes", KV_WATCH_TARGET_MAX);
	if (kv_watch_add(&c->api->watch, &wait) < 0)
		return fail(c, 503, "too many requests wait for a change: try again");
	return API_WAITS;
}

enum api_outcome kv_read(struct call *c)
{
	const struct kv *kv = &c->turn->state->kv;
	struct query q;
	struct slice key;
	uint64_t index;

	if (read_query(c, &q) < 0)
		return API_REPLIED;
	if (!c->turn->ready && !q.stale)
		return fail_not_ready(c);
	if (read_key(c, q.recurse || q.keys, &key) < 0)
		return API_REPLIED;
	index = q.recurse || q.keys ? kv_index_below(kv, key) : kv_index(kv, key);
	if (q.index && index <= q.index && !c->resumed)
		return park(c, &q, key);
	if (q.keys)
		reply_keys(c, &q, key, index);
	else
		reply_pairs(c, &q, key, index);
	return API_REPLIED;
}

/* ---- writes ---- */

static enum api_outcome propose(struct call *c, const struct kv_command *command)
{
	struct arena *a = c->turn->arena;
	struct entry e = { .type = ENTRY_KV, .id = c->turn->request_id };

	e.payload = kv_command_build(a, command);
	c->turn->entry = entry_build(a, &e);
	return API_KV;
}

enum api_outcome kv_write(struct call *c)
{
	struct kv_command command = { .value = c->ev->body };
	struct query q;

	if (read_query(c, &q) < 0 || read_key(c, 0, &command.key) < 0)
		return API_REPLIED;
	if (c->ev->body.len > KV_VALUE_MAX)
		return fail(c, 413, "Request body(%zu bytes) too large, max size: %d bytes",
			    c->ev->body.len, KV_VALUE_MAX);
	command.verb = q.has_cas ? KV_PUT_CAS : KV_PUT;
	command.flags = q.flags;
	command.index = q.cas;
	return propose(c, &command);
}

enum api_outcome kv_delete(struct call *c)
{
	struct kv_command command = { 0 };
	struct query q;

	if (read_query(c, &q) < 0 || read_key(c, q.recurse, &command.key) < 0)
		return API_REPLIED;
	if (q.recurse && q.has_cas)
		return fail(c, 400, "Conflicting flags: recurse and cas");
	command.verb = q.recurse ? KV_DELETE_TREE : q.has_cas ? KV_DELETE_CAS : KV_DELETE;
	command.index = q.cas;
	return propose(c, &command);
}

enum api_outcome kv_method(struct call *c)
{
	return fail(c, 405, "method %.*s not allowed: GET, PUT and DELETE are",
		    SLICE_ARGS(c->ev->method));
}
