/* The cluster port: other managers, and nodes that want a certificate. Contracts are in
 * main_private.h, io/port.h, io/peers.h, base/step.h. */
#include <stdio.h>
#include <string.h>
#include "applets/manager/main_private.h"
#include "applets/manager/ca.h"
#include "base/mem.h"
#include "io/log.h"

enum {
	BEAT_MS = 5000,		/* docker's heartbeat */
	/* After a manager has gone its agents come to the others within that time. */
	WINDOW_MS = 1000,
};

static int is_welcome(void *context, uint64_t id, const char *name)
{
	const struct daemon *d = context;

	return manager_welcomes(d->manager, id, name);
}

static void on_up(void *context, uint64_t id, const char *name)
{
	struct event ev = { .kind = EVENT_PEER_UP, .id = id, .text = slice_of(name) };

	daemon_deliver(context, MANAGER, &ev);
}

static void on_down(void *context, uint64_t id)
{
	struct event ev = { .kind = EVENT_PEER_DOWN, .id = id };

	daemon_deliver(context, MANAGER, &ev);
}

static void on_message(void *context, uint64_t id, struct slice body)
{
	struct event ev = { .kind = EVENT_PEER_MESSAGE, .id = id, .body = body };

	daemon_deliver(context, MANAGER, &ev);
}

/* Numbers of requests for certificates have this bit. The number itself is 0: our own. */
#define ENROL_BIT (UINT64_C(1) << 62)

static void ask_manager(struct daemon *d, uint64_t id, const char *name, struct slice body)
{
	char target[TLS_NAME_MAX + 32];
	struct event ev = { .kind = EVENT_REQUEST, .id = id | ENROL_BIT, .method = SLICE("POST"),
			    .text = SLICE("application/json"), .body = body };

	snprintf(target, sizeof(target), "/swarm/enrol%s%s", *name ? "/" : "", name);
	ev.target = slice_of(target);
	daemon_deliver(d, MANAGER, &ev);
}

void links_ask(struct daemon *d, struct slice request)
{
	ask_manager(d, 0, d->config->node.node_id, request);
}

/* One that has a certificate wants its next one, any other wants to join. */
static void on_enrol(void *context, uint64_t id, const char *name, struct slice body)
{
	ask_manager(context, id, name, body);
}

int links_answer(struct daemon *d, const struct effect *x)
{
	if (!(x->id & ENROL_BIT))
		return 0;
	if (x->id == ENROL_BIT)
		renewal_answer(d, x->status, x->body);
	else
		port_enrolled(&d->port, x->id & ~ENROL_BIT, x->status, x->body);
	return 1;
}

static void on_hello(void *context, struct hello *h)
{
	struct daemon *d = context;

	peers_hello(&d->peers, h);
}

static int on_manager(void *context, struct channel *c, const struct hello *h)
{
	struct daemon *d = context;

	return peers_take(&d->peers, c, h);
}

/* ---- agents of other nodes ---- */

static int on_agent(void *context, struct channel *c)
{
	struct daemon *d = context;

	return agents_take(&d->agents, c);
}

static uint64_t draw(void *context)
{
	struct daemon *d = context;

	return ++d->last_session;
}

static void on_agent_up(void *context, uint64_t id, const char *node_id)
{
	struct event ev = { .kind = EVENT_SESSION_UP, .id = id, .text = slice_of(node_id) };

	daemon_deliver(context, MANAGER, &ev);
}

static void on_agent_down(void *context, uint64_t id)
{
	struct event ev = { .kind = EVENT_SESSION_DOWN, .id = id };

	daemon_deliver(context, MANAGER, &ev);
}

static void on_agent_message(void *context, uint64_t id, struct slice body)
{
	struct event ev = { .kind = EVENT_SESSION_MESSAGE, .id = id, .body = body };

	daemon_deliver(context, MANAGER, &ev);
}

void links_agent(struct daemon *d, const struct effect *x)
{
	if (x->kind == EFFECT_SESSION_SEND)
		agents_send(&d->agents, x->id, x->body);
	else if (x->status == 1)
		agents_refuse(&d->agents, x->id);
	else if (x->status == 2)
		agents_close(&d->agents, x->id);
	else
		agents_restart(&d->agents, x->id);
}

/* ---- what this node shows ---- */

static void show(struct daemon *d)
{
	d->channels.identity = &d->trust->identity;
	d->channels.anchors = d->trust->anchors;
	d->channels.anchor_count = d->trust->anchor_count;
}

/* Handshakes under way still use the last ones. */
static void free_older(struct trust *t, uint64_t now_ms)
{
	struct trust **at = &t->older;

	while (*at && (*at)->until_ms > now_ms)
		at = &(*at)->older;
	for (struct trust *old = *at; old;) {
		struct trust *next = old->older;

		trust_done(old);
		mem_free(old);
		old = next;
	}
	*at = NULL;
}

int links_trust(struct daemon *d, struct trust *next, struct errmsg *msg)
{
	struct event look = { .kind = EVENT_TIMER };
	int err = trust_save(next, &d->dir, msg);

	if (err < 0) {
		trust_done(next);
		mem_free(next);
		return err;
	}
	d->trust->until_ms = loop_now_ms(&d->loop) + 2 * CHANNEL_SHAKE_MS;
	next->older = d->trust;
	d->trust = next;
	d->tls_info = next->tls_info;
	free_older(next, loop_now_ms(&d->loop));
	show(d);
	daemon_deliver(d, WORKER, &look);	/* it tells of it */
	return 0;
}

/* ---- the face ---- */

int links_start(struct daemon *d, struct errmsg *msg)
{
	d->channels = (struct channel_config){ .strangers = 1, .small = !d->is_manager };
	show(d);
	if (!d->is_manager)
		return 0;	/* it only dials */
	d->peers_handler = (struct peers_handler){ d, is_welcome, on_up, on_down, on_message };
	d->port_handler = (struct port_handler){
		.context = d, .hello = on_hello, .manager = on_manager, .agent = on_agent,
		.enrol = on_enrol,
	};
	peers_init(&d->peers, &d->loop, &d->peers_handler, &d->channels, ca_manager_unit,
		   d->config->node.raft_id);
	d->agents_handler = (struct agents_handler){ d, draw, on_agent_up, on_agent_down,
						     on_agent_message };
	agents_init(&d->agents, &d->loop, &d->agents_handler, BEAT_MS, WINDOW_MS);
	port_init(&d->port, &d->loop, &d->port_handler, &d->channels, ca_manager_unit);
	return port_listen(&d->port, slice_of(d->config->node.listen_addr), msg);
}

void links_done(struct daemon *d)
{
	if (d->is_manager) {
		port_done(&d->port);
		agents_done(&d->agents);
		peers_done(&d->peers);
	}
	if (d->trust)
		free_older(&(struct trust){ .older = d->trust }, UINT64_MAX);
	d->trust = NULL;
}

void links_flush(struct daemon *d)
{
	if (d->is_manager) {
		peers_flush(&d->peers);
		agents_flush(&d->agents);
	} else {
		agent_flush(&d->agent);
	}
}

/* What node.json knows of the others: for a start without a log. */
static void remember(struct daemon *d, const struct peers_member *members, uint32_t count)
{
	struct daemon_config *c = d->config;
	struct errmsg msg = { { 0 } };
	struct buf text;

	buf_init(&text, 64 * PEERS_SET_MAX);
	for (uint32_t i = 0; i < count; i++)
		buf_printf(&text, "%s%.*s", i ? " " : "", SLICE_ARGS(members[i].address));
	if (strcmp(buf_str(&text), c->node.contacts) != 0) {
		c->node.contacts = arena_str(&d->arena, buf_slice(&text));
		if (node_save(c->data_dir, &c->node, d->founder, &msg) < 0)
			log_printf(LOG_ERROR, "%s", msg.text);
	}
	buf_done(&text);
}

static void set_members(struct daemon *d, const struct effect *x)
{
	struct slice lines = x->body;
	struct peers_member members[PEERS_SET_MAX] = { { 0 } };
	uint32_t count = 0;

	while (lines.len && count < PEERS_SET_MAX) {
		struct slice address = slice_cut(&lines, '\n'), id = slice_cut(&address, ' ');

		members[count].address = address;
		if (slice_to_u64(id, UINT64_MAX, &members[count].id) == 0)
			count++;
	}
	peers_set(&d->peers, members, count);
	if (x->id > 0)	/* else the log tells nothing yet: those that were named count */
		remember(d, members, count);
}

void links_effect(struct daemon *d, const struct effect *x)
{
	if (x->kind == EFFECT_PEER_SEND)
		peers_send(&d->peers, x->id, x->body);
	else if (x->kind == EFFECT_PEER_DROP)
		peers_drop(&d->peers, x->id);
	else if (x->kind == EFFECT_PEER_DIAL)
		peers_dial(&d->peers, x->target);
	else
		set_members(d, x);
}
