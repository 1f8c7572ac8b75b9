/* A node's certificate ends, or says what the node is not to be any more, and its next one is asked
 * for in time. Contracts are in main_private.h and io/agent.h. Any manager can be asked. A manager
 * asks itself last, as one that is none any more has no leader to ask; but that needs no
 * certificate, so one that is alone goes on however long it was away. */
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

static void on_answer(void *context, int status, struct slice body);

/* The other managers; this one itself when none of them will do. */
static void ask(struct daemon *d)
{
	struct renewal *r = &d->renewal;
	struct errmsg msg = { { 0 } };

	buf_init(&r->key, X509_PEM_MAX);
	buf_init(&r->request, GREETING_MAX);
	trust_request(&r->key, NULL, &r->request);
	r->enrol = (struct enrol){ .context = d, .loop = &d->loop, .channels = &d->channels,
				   .manager_unit = ca_manager_unit, .done = on_answer,
				   .request = buf_slice(&r->request) };
	r->asking = 1;
	r->own = 0;
	/* What it is to be may change before the answer comes, and after it was made. */
	r->asked_now = r->now;
	r->now = 0;
	if (enrol_start(&r->enrol, slice_of(d->config->node.contacts), &msg) < 0)
		on_answer(d, ERR_UNAVAILABLE, slice_of(msg.text));
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

/* Nobody lets it in any more. */
static void check_life(struct daemon *d)
{
	if (clock_wall_ns() / SECOND_NS <= d->trust->cert.not_after_s || d->config->node.error)
		return;
	d->config->node.error = "this node's certificate has ended, it was away for too long, or "
		"its clock is wrong: 'swarmbox leave --force', then join again";
	log_printf(LOG_ERROR, "%s", d->config->node.error);
	daemon_tell(d, d->config->node.error);
}

static void take_answer(struct daemon *d, struct slice body)
{
	struct errmsg msg = { { 0 } };
	int err = take(d, body, &msg);

	if (err < 0) {
		log_printf(LOG_ERROR, "this node's certificate cannot be renewed: %s", msg.text);
		d->renewal.now |= d->renewal.asked_now;
	} else {
		log_printf(LOG_INFO, "this node has its next certificate");
		d->config->node.error = NULL;
	}
}

void renewal_answer(struct daemon *d, int status, struct slice body)
{
	struct renewal *r = &d->renewal;

	if (!r->asking)
		return;
	if ((status < 0 || status >= 500) && d->is_manager && !r->own) {
		r->own = 1;
		links_ask(d, buf_slice(&r->request));
		return;
	}
	if (status == 200) {
		take_answer(d, body);
	} else if (status == 403) {
		agent_removed(d);
	} else {
		r->now |= r->asked_now;
		log_refusal(status, body);
		check_life(d);
	}
	forget_request(d);
	if (status == 403)
		return;		/* for good */
	look_after(d, !r->now && seconds_left(d) > AGAIN_S ? seconds_left(d) : AGAIN_S);
	if (status == 200)
		check_role(d);
}

static void on_answer(void *context, int status, struct slice body)
{
	renewal_answer(context, status, body);
}

void renewal_done(struct daemon *d)
{
	if (d->renewal.asking)
		enrol_done(&d->renewal.enrol);
	forget_request(d);
	loop_timer_clear(&d->loop, &d->renewal.timer);
}
