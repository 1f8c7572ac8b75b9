/* A node's certificate ends, or says what the node is not to be any more, and its next one is asked
 * for in time. Contracts are in main_private.h and io/agent.h. Any manager can be asked, this very
 * one, too: it is asked last, as one that is none any more has no leader to ask. */
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

static void wipe_buf(struct buf *b)
{
	if (b->data)
		mem_wipe(b->data, b->len);
	buf_done(b);
}

/* This node's own port, as it can be dialed from here. */
static const char *own_address(struct arena *a, const char *listen_addr)
{
	struct slice port = slice_of(listen_addr), host = slice_cut(&port, ':');

	if (slice_is(host, "0.0.0.0"))
		host = SLICE("127.0.0.1");
	return arena_printf(a, "%.*s:%.*s", SLICE_ARGS(host), SLICE_ARGS(port));
}

static void on_answer(void *context, int status, struct slice body);

static void ask(struct daemon *d)
{
	struct renewal *r = &d->renewal;
	struct errmsg msg = { { 0 } };
	const char *managers = d->config->node.contacts;
	struct arena a;

	arena_init(&a);
	buf_init(&r->key, X509_PEM_MAX);
	buf_init(&r->request, GREETING_MAX);
	trust_request(&r->key, NULL, &r->request);
	r->enrol = (struct enrol){ .context = d, .loop = &d->loop, .channels = &d->channels,
				   .manager_unit = ca_manager_unit, .done = on_answer,
				   .request = buf_slice(&r->request) };
	if (d->is_manager)
		managers = arena_printf(&a, "%s %s", managers,
					own_address(&a, d->config->node.listen_addr));
	r->asking = enrol_start(&r->enrol, slice_of(managers), &msg) == 0;
	if (!r->asking)
		log_printf(LOG_ERROR, "this node's certificate cannot be renewed: %s", msg.text);
	/* What it is to be may change before the answer comes, and after it was made. */
	r->asked_now = r->now;
	r->now &= !r->asking;
	arena_done(&a);
}

static void forget_request(struct daemon *d)
{
	d->renewal.asking = 0;
	wipe_buf(&d->renewal.key);
	wipe_buf(&d->renewal.request);
}

static void on_timer(struct loop_timer *t)
{
	struct daemon *d = t->context;
	int64_t left = seconds_left(d);

	if (d->renewal.asking)
		return;
	if (left > 0 && !d->renewal.now)
		look_after(d, left);
	else
		ask(d);
	if (!d->renewal.asking && (left <= 0 || d->renewal.now))
		look_after(d, AGAIN_S);
}

void renewal_now(struct daemon *d)
{
	d->renewal.now = 1;
	if (!d->renewal.asking)
		look_after(d, 0);
}

void renewal_start(struct daemon *d)
{
	d->renewal.timer.call = on_timer;
	d->renewal.timer.context = d;
	look_after(d, seconds_left(d));
}

/* It becomes what is shown. */
static int take(struct daemon *d, struct slice body, struct errmsg *msg)
{
	struct trust *next = mem_new(sizeof(*next));
	const struct json *root;
	struct arena arena;
	int err;

	arena_init(&arena);
	err = json_parse(&arena, body, &root, msg);
	if (err == 0)
		err = trust_take(next, json_string(json_get(root, "Certificate")),
				 buf_slice(&d->renewal.key), json_string(json_get(root, "Trust")),
				 (struct slice){ NULL, 0 }, msg);
	if (err == 0)
		err = links_trust(d, next, msg);
	else
		mem_free(next);
	arena_done(&arena);
	return err;
}

static void log_refusal(int status, struct slice body)
{
	const struct json *root = NULL;
	struct arena arena;

	arena_init(&arena);
	if (status > 0) {
		(void)json_parse(&arena, body, &root, NULL);
		body = json_string(json_get(root, "message"));
	}
	log_printf(LOG_WARNING, "this node's certificate is not renewed yet: %.*s",
		   SLICE_ARGS(body));
	arena_done(&arena);
}

/* Another role begins with another process. */
static void check_role(struct daemon *d)
{
	int is_manager = strcmp(d->trust->cert.subject.unit, ca_manager_unit) == 0;

	if (is_manager == d->is_manager)
		return;
	log_printf(LOG_INFO, "this node is a %s from now on", is_manager ? "manager" : "worker");
	daemon_restart(d);
}

static void on_answer(void *context, int status, struct slice body)
{
	struct daemon *d = context;
	struct errmsg msg = { { 0 } };
	int err = 0;

	if (status == 403)
		agent_removed(d);
	else if (status != 200)
		log_refusal(status, body);
	else
		err = take(d, body, &msg);
	if (err < 0)
		log_printf(LOG_ERROR, "this node's certificate cannot be renewed: %s", msg.text);
	else if (status == 200)
		log_printf(LOG_INFO, "this node has its next certificate");
	if (status != 200 || err < 0)
		d->renewal.now |= d->renewal.asked_now;
	forget_request(d);
	if (status == 403)
		return;		/* for good */
	look_after(d, !d->renewal.now && seconds_left(d) > AGAIN_S ? seconds_left(d) : AGAIN_S);
	if (status == 200 && err == 0)
		check_role(d);
}

void renewal_done(struct daemon *d)
{
	if (d->renewal.asking)
		enrol_done(&d->renewal.enrol);
	forget_request(d);
	loop_timer_clear(&d->loop, &d->renewal.timer);
}
