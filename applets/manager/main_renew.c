/* A node's certificate ends, and its next one is asked for in time. Contracts are in
 * main_private.h. This node's own manager is asked, which asks the leader: no connection of its own
 * is needed. */
#include <stdio.h>
#include "applets/manager/ca.h"
#include "applets/manager/main_private.h"
#include "base/mem.h"
#include "base/timefmt.h"
#include "codec/frames.h"
#include "codec/json.h"
#include "io/clock.h"
#include "io/log.h"

enum {
	LOOK_S = 3600,		/* the clock may be set meanwhile */
	AGAIN_S = 5,		/* after a refusal: there may be no leader now */
};

static void look_after(struct daemon *d, int64_t s)
{
	s = s < 0 ? 0 : s > LOOK_S ? LOOK_S : s;
	loop_timer_set(&d->loop, &d->renewal.timer, loop_now_ms(&d->loop) + (uint64_t)s * 1000);
}

static int64_t seconds_left(const struct daemon *d)
{
	return ca_renew_at(&d->trust->cert) - clock_wall_ns() / SECOND_NS;
}

static void forget_key(struct daemon *d)
{
	struct buf *key = &d->renewal.key;

	if (key->data)
		mem_wipe(key->data, key->len);
	buf_done(key);
	buf_init(key, X509_PEM_MAX);
}

static void ask(struct daemon *d)
{
	char target[64];
	struct buf request;

	buf_init(&request, GREETING_MAX);
	trust_request(&d->renewal.key, NULL, &request);
	snprintf(target, sizeof(target), "/swarm/enrol/%s", d->config->node.node_id);
	links_ask(d, 0, target, buf_slice(&request));
	buf_done(&request);
}

static void on_timer(struct loop_timer *t)
{
	struct daemon *d = t->context;
	int64_t left = seconds_left(d);

	if (left > 0)
		look_after(d, left);
	else if (d->renewal.key.len == 0)
		ask(d);
}

void renewal_start(struct daemon *d)
{
	buf_init(&d->renewal.key, X509_PEM_MAX);
	d->renewal.timer.call = on_timer;
	d->renewal.timer.context = d;
	look_after(d, seconds_left(d));
}

/* The other of the two becomes what is shown. */
static int take(struct daemon *d, struct slice body, struct errmsg *msg)
{
	struct trust *next = &d->trusts[d->trust == &d->trusts[0]];
	const struct json *root;
	struct arena arena;
	int err;

	arena_init(&arena);
	err = json_parse(&arena, body, &root, msg);
	if (err == 0) {
		trust_done(next);
		err = trust_take(next, json_string(json_get(root, "Certificate")),
				 buf_slice(&d->renewal.key), json_string(json_get(root, "Trust")),
				 (struct slice){ NULL, 0 }, msg);
	}
	if (err == 0)
		err = trust_save(next, &d->dir, msg);
	if (err == 0) {
		d->trust = next;
		links_show(d);
	}
	arena_done(&arena);
	return err;
}

static void log_refusal(struct slice body)
{
	const struct json *root = NULL;
	struct arena arena;

	arena_init(&arena);
	(void)json_parse(&arena, body, &root, NULL);
	log_printf(LOG_WARNING, "this node's certificate is not renewed yet: %.*s",
		   SLICE_ARGS(json_string(json_get(root, "message"))));
	arena_done(&arena);
}

void renewal_answer(struct daemon *d, int status, struct slice body)
{
	struct errmsg msg = { { 0 } };

	if (status != 200)
		log_refusal(body);
	else if (take(d, body, &msg) < 0)
		log_printf(LOG_ERROR, "this node's certificate cannot be renewed: %s", msg.text);
	else
		log_printf(LOG_INFO, "this node has its next certificate");
	forget_key(d);
	look_after(d, seconds_left(d) > AGAIN_S ? seconds_left(d) : AGAIN_S);
}

void renewal_done(struct daemon *d)
{
	forget_key(d);
	trust_done(&d->trusts[0]);
	trust_done(&d->trusts[1]);
}
