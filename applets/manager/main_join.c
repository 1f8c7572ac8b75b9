/*
 * A node that joins: a key, a request, and a manager that certifies it. Contracts are in
 * main_private.h and io/enrol.h.
 */
#include <poll.h>
#include <string.h>
#include "applets/manager/main_private.h"
#include "base/mem.h"
#include "codec/json.h"
#include "codec/netmap.h"
#include "crypt/token.h"
#include "io/clock.h"
#include "io/enrol.h"

enum {
	JOIN_MS = 20000,	/* as docker's join waits */
	AGAIN_MS = 250,
	ANSWER_MAX = 64 << 10,
};

/* Until a manager answers, be it no: one that starts, or looks for a leader, is asked again. */
static int ask(struct daemon *d, struct enrol *e, struct errmsg *msg)
{
	struct slice port = slice_of(d->config->node.contacts), host = slice_cut(&port, ':');
	uint64_t end = clock_now_ms() + JOIN_MS, number = 0;
	int err = ipv4_parse(host, &e->address);

	if (err == 0)
		err = slice_to_u64(port, UINT16_MAX, &number);
	e->port = (uint16_t)number;
	while (err == 0) {
		buf_reset(e->answer);
		err = enrol_ask(e, msg);
		if (err == ERR_DENIED)
			return errmsg_prefix(msg, err, "the manager at %s is not of the swarm that "
					     "the token is for, or the token is old",
					     d->config->node.contacts);
		if ((err == 0 && e->status != 503) || clock_now_ms() >= end)
			break;
		err = 0;
		(void)poll(NULL, 0, AGAIN_MS);
	}
	return err < 0 ? errmsg_prefix(msg, err, "%s", d->config->node.contacts) : 0;
}

/* It becomes the node that the answer says. */
static int take(struct daemon *d, const struct enrol *e, struct slice key, struct errmsg *msg)
{
	struct manager_config *node = &d->config->node;
	const struct json *root;
	int err = json_parse(&d->arena, buf_slice(e->answer), &root, msg);

	if (err == 0 && e->status != 200)
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
	node->node_id = d->trust->cert.subject.common_name;
	for (const struct json *m = json_first(json_get(root, "Managers")); m; m = json_next(m))
		node->contacts = arena_printf(&d->arena, "%s %.*s", node->contacts,
					      SLICE_ARGS(json_string(m)));
	return 0;
}

int join_swarm(struct daemon *d, struct errmsg *msg)
{
	struct buf request, answer, key;
	struct enrol e = { .answer = &answer };
	struct token token;
	int err = token_parse(slice_of(d->config->token), &token);

	if (err < 0)
		return errmsg_set(msg, err, "--token: it is no join token: see 'swarmbox swarm "
				  "join-token manager' on a manager");
	buf_init(&request, GREETING_MAX);
	buf_init(&answer, ANSWER_MAX);
	buf_init(&key, X509_PEM_MAX);
	trust_request(&key, d->config->token, &request);
	e.digest = token.digest;
	e.request = buf_slice(&request);
	err = ask(d, &e, msg);
	if (err == 0)
		err = take(d, &e, buf_slice(&key), msg);
	mem_wipe(key.data, key.len);
	mem_wipe(request.data, request.len);
	buf_done(&request);
	buf_done(&answer);
	buf_done(&key);
	return err;
}
