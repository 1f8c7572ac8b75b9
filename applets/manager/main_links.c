/* The cluster port: other managers, and nodes that want a certificate. Contracts are in
 * main_private.h, io/port.h, io/peers.h, base/step.h. */
#include <string.h>
#include "applets/manager/main_private.h"
#include "applets/manager/ca.h"
#include "base/mem.h"
#include "io/log.h"

static void on_up(void *context, uint64_t id)
{
	struct event ev = { .kind = EVENT_PEER_UP, .id = id };

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

/* Numbers of requests that come by the cluster port have this bit. */
#define ENROL_BIT (UINT64_C(1) << 62)

void links_ask(struct daemon *d, uint64_t id, const char *target, struct slice body)
{
	struct event ev = { .kind = EVENT_REQUEST, .id = id | ENROL_BIT, .method = SLICE("POST"),
			    .target = slice_of(target), .text = SLICE("application/json"),
			    .body = body };

	daemon_deliver(d, MANAGER, &ev);
}

static void on_enrol(void *context, uint64_t id, const char *name, struct slice body)
{
	(void)name;
	links_ask(context, id, "/swarm/enrol", body);
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

void links_show(struct daemon *d)
{
	d->channels.identity = &d->trust->identity;
	d->channels.anchors = d->trust->anchors;
	d->channels.anchor_count = d->trust->anchor_count;
}

int links_start(struct daemon *d, struct errmsg *msg)
{
	d->channels = (struct channel_config){ .strangers = 1 };
	links_show(d);
	d->peers_handler = (struct peers_handler){ d, on_up, on_down, on_message };
	d->port_handler = (struct port_handler){
		.context = d, .hello = on_hello, .manager = on_manager, .enrol = on_enrol,
	};
	peers_init(&d->peers, &d->loop, &d->peers_handler, &d->channels, ca_manager_unit,
		   d->config->node.raft_id);
	port_init(&d->port, &d->loop, &d->port_handler, &d->channels, ca_manager_unit);
	return port_listen(&d->port, slice_of(d->config->node.listen_addr), msg);
}

void links_done(struct daemon *d)
{
	port_done(&d->port);
	peers_done(&d->peers);
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
	else if (x->kind == EFFECT_PEER_DIAL)
		peers_dial(&d->peers, x->target);
	else
		set_members(d, x);
}
