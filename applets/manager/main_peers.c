/* Connections with other managers. Contracts are in main_private.h, io/peers.h, base/step.h. */
#include <string.h>
#include "applets/manager/main_private.h"
#include "base/mem.h"
#include "crypt/devcert.h"
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

static void on_hello(void *context, struct hello *h)
{
	peers_hello(&((struct daemon *)context)->peers, h);
}

static int on_manager(void *context, struct channel *c, const struct hello *h)
{
	return peers_take(&((struct daemon *)context)->peers, c, h);
}

int links_start(struct daemon *d, struct errmsg *msg)
{
	int err;

	devcert_identity(&d->identity);
	err = tls_anchor_init(&d->anchor, devcert_authority(), msg);
	if (err < 0)
		return err;
	d->channels = (struct channel_config){ .identity = &d->identity, .anchors = &d->anchor,
					       .anchor_count = 1 };
	d->peers_handler = (struct peers_handler){ d, on_up, on_down, on_message };
	peers_init(&d->peers, &d->loop, &d->peers_handler, &d->channels, NULL,
		   d->config->node.raft_id);
	d->port_handler = (struct port_handler){ .context = d, .hello = on_hello,
						 .manager = on_manager };
	port_init(&d->port, &d->loop, &d->port_handler, &d->channels, NULL);
	return port_listen(&d->port, slice_of(d->config->node.listen_addr), msg);
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
