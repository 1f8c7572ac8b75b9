/*
 * A node that joins: a key, a request, and a manager that certifies it. Contracts are in
 * main_private.h and io/agent.h.
 */
#include <string.h>
#include "applets/manager/ca.h"
#include "applets/manager/main_private.h"
#include "base/mem.h"
#include "codec/json.h"
#include "crypt/token.h"
#include "io/clock.h"

enum {
	JOIN_MS = 20000,	/* as docker's join waits */
	AGAIN_MS = 250,
};

struct joining {
	struct daemon *d;
	struct enrol enrol;
	struct channel_config channels;
	struct tls_pin pin;	/* the authority that the token names */
	struct loop_timer again;
	uint64_t end_ms;
	int status;		/* as enrol's `done` */
	struct buf answer;
};

/* Until a manager answers, be it no: one that starts, has too many guests, or looks for a leader is
 * asked again. */
static void on_answer(void *context, int status, struct slice body)
{
	struct joining *j = context;
	uint64_t now_ms = loop_now_ms(&j->d->loop);

	if ((status == 503 || status == ERR_UNAVAILABLE) && now_ms < j->end_ms) {
		loop_timer_set(&j->d->loop, &j->again, now_ms + AGAIN_MS);
		return;
	}
	j->status = status;
	buf_add_slice(&j->answer, body);
	loop_stop(&j->d->loop);
}

static void on_again(struct loop_timer *t)
{
	struct joining *j = t->context;

	(void)enrol_start(&j->enrol, slice_of(j->d->config->node.contacts), NULL);
}

static int ask(struct joining *j, struct errmsg *msg)
{
	struct daemon *d = j->d;
	int err;

	j->channels = (struct channel_config){ .pin = &j->pin, .small = 1 };
	j->again = (struct loop_timer){ .call = on_again, .context = j };
	j->end_ms = clock_now_ms() + JOIN_MS;
	j->enrol.context = j;
	j->enrol.loop = &d->loop;
	j->enrol.channels = &j->channels;
	j->enrol.manager_unit = ca_manager_unit;
	j->enrol.done = on_answer;
	err = enrol_start(&j->enrol, slice_of(d->config->node.contacts), msg);
	if (err == 0)
		err = loop_run(&d->loop, msg);
	loop_timer_clear(&d->loop, &j->again);
	enrol_done(&j->enrol);
	if (err < 0 || j->status >= 0)
		return err;
	errmsg_set(msg, j->status, "%s", buf_str(&j->answer));
	return j->status == ERR_DENIED ?
		errmsg_prefix(msg, j->status, "the manager is not of the swarm that the token is "
			      "for, or the token is old") : j->status;
}

/* It becomes the node that the answer says. */
static int take(struct joining *j, struct slice key, struct errmsg *msg)
{
	struct daemon *d = j->d;
	struct manager_config *node = &d->config->node;
	const struct json *root;
	int err = json_parse(&d->arena, buf_slice(&j->answer), &root, msg);

	if (err == 0 && j->status != 200)
		return errmsg_set(msg, ERR_DENIED, "the manager at %s refuses: %.*s",
				  node->contacts,
				  SLICE_ARGS(json_string(json_get(root, "message"))));
	if (err == 0)
		err = trust_take(d->trust, json_string(json_get(root, "Certificate")), key,
				 json_string(json_get(root, "Trust")), (struct slice){ NULL, 0 },
				 msg);
	if (err < 0)
		return errmsg_prefix(msg, err, "the manager at %s answers what cannot be used",
				     node->contacts);
	/* The trust goes when its certificate is renewed. */
	node->node_id = arena_str(&d->arena, slice_of(d->trust->cert.subject.common_name));
	for (const struct json *m = json_first(json_get(root, "Managers")); m; m = json_next(m))
		node->contacts = arena_printf(&d->arena, "%s %.*s", node->contacts,
					      SLICE_ARGS(json_string(m)));
	return 0;
}

int join_swarm(struct daemon *d, struct errmsg *msg)
{
	static struct joining j;
	struct buf request, key;
	struct token token;
	int err = token_parse(slice_of(d->config->token), &token);

	if (err < 0)
		return errmsg_set(msg, err, "--token: it is no join token: see 'swarmbox swarm "
				  "join-token manager' on a manager");
	j.d = d;
	memcpy(j.pin.digest, token.digest, sizeof(j.pin.digest));
	buf_init(&request, GREETING_MAX);
	buf_init(&j.answer, ENROL_ANSWER_MAX);
	buf_init(&key, X509_PEM_MAX);
	trust_request(&key, &(struct trust_joiner){ d->config->token, d->config->availability,
						    d->config->node.hostname }, &request);
	mem_wipe(d->config->token, sizeof(d->config->token));
	j.enrol.request = buf_slice(&request);
	err = ask(&j, msg);
	if (err == 0)
		err = take(&j, buf_slice(&key), msg);
	mem_wipe(key.data, key.len);
	mem_wipe(request.data, request.len);
	buf_done(&request);
	buf_done(&j.answer);
	buf_done(&key);
	return err;
}
