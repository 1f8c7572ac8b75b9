/*
 * What a node's agent is told of the node itself, and how it is connected. Contracts are in
 * main_private.h, io/agent.h, model/session.h.
 *
 * Between this node's own manager and worker machines there is always a session, by which the
 * node leaves the swarm; the one with the swarm's leader goes through it on a manager, and by the
 * cluster port on a worker.
 */
#include <stdio.h>
#include <string.h>
#include "applets/manager/ca.h"
#include "applets/manager/main_private.h"
#include "base/mem.h"
#include "codec/json.h"
#include "io/log.h"
#include "model/session.h"

/* ---- the worker machine's session ------------------------------------------------- */

static void worker_down(struct daemon *d)
{
	struct event down = { .kind = EVENT_SESSION_DOWN, .id = d->session };

	if (!d->session)
		return;
	d->session = 0;
	daemon_deliver(d, WORKER, &down);
}

static void worker_up(struct daemon *d)
{
	struct event up = { .kind = EVENT_SESSION_UP,
			    .text = slice_of(d->config->node.node_id) };

	worker_down(d);
	up.id = d->session = ++d->last_session;
	daemon_deliver(d, WORKER, &up);
}

static void worker_hears(struct daemon *d, struct slice body)
{
	struct event ev = { .kind = EVENT_SESSION_MESSAGE, .id = d->session, .body = body };

	daemon_deliver(d, WORKER, &ev);
}

static void manager_hears(struct daemon *d, struct slice body)
{
	struct event ev = { .kind = EVENT_SESSION_MESSAGE, .id = d->own, .body = body };

	daemon_deliver(d, MANAGER, &ev);
}

/* ---- with a manager elsewhere -------------------------------------------------------- */

static void on_up(void *context)
{
	worker_up(context);
}

static void on_down(void *context)
{
	worker_down(context);
}

static void on_message(void *context, struct slice body)
{
	struct daemon *d = context;

	d->welcome = 1;
	worker_hears(d, body);
}

void agent_removed(struct daemon *d)
{
	if (d->config->node.error)
		return;
	d->config->node.error = "this node was removed from the swarm: what runs here runs on, but "
		"nobody watches over it: end that with 'swarmbox leave --force', then it can join "
		"again";
	log_printf(LOG_ERROR, "%s", d->config->node.error);
	daemon_tell(d, d->config->node.error);
}

static void on_removed(void *context)
{
	agent_removed(context);
}

/* ---- the face -------------------------------------------------------------------------- */

void agent_begin(struct daemon *d)
{
	struct event up = { .kind = EVENT_SESSION_UP, .id = ++d->last_session,
			    .text = slice_of(d->config->node.node_id) };

	d->own = up.id;
	daemon_deliver(d, MANAGER, &up);
	if (d->is_manager) {
		worker_up(d);
		return;
	}
	d->agent_handler = (struct agent_handler){ d, on_up, on_down, on_message, on_removed };
	agent_init(&d->agent, &d->loop, &d->agent_handler, &d->channels, ca_manager_unit);
	agent_managers(&d->agent, slice_of(d->config->node.contacts));
}

void agent_send_up(struct daemon *d, const struct effect *x)
{
	if (x->id != d->session)
		return;
	if (!d->is_manager)
		agent_send(&d->agent, x->body);
	manager_hears(d, x->body);
}

void agent_send_down(struct daemon *d, const struct effect *x)
{
	if (!d->session)
		worker_up(d);	/* no manager is there: it leaves all the same */
	worker_hears(d, x->body);
}

void agent_restart_own(struct daemon *d)
{
	struct event down = { .kind = EVENT_SESSION_DOWN, .id = d->own };
	struct event up = { .kind = EVENT_SESSION_UP, .id = ++d->last_session,
			    .text = slice_of(d->config->node.node_id) };

	daemon_deliver(d, MANAGER, &down);
	d->own = up.id;
	worker_down(d);
	daemon_deliver(d, MANAGER, &up);
	worker_up(d);
}

void agent_end(struct daemon *d)
{
	if (!d->is_manager && d->agent.loop)
		agent_done(&d->agent);
}

/* ---- what the node is to be ------------------------------------------------------------- */

/* The managers, for the next start, and for this one's connections. */
static void take_managers(struct daemon *d, const struct strings *managers)
{
	struct daemon_config *c = d->config;
	const char *text = "";
	struct errmsg msg = { { 0 } };

	for (uint32_t i = 0; i < managers->count; i++) {
		if (strcmp(managers->items[i], c->node.advertise_addr) != 0)
			text = arena_printf(&d->arena, "%s%s%s", text, *text ? " " : "",
					    managers->items[i]);
	}
	if (!*text || strcmp(text, c->node.contacts) == 0)
		return;
	c->node.contacts = text;
	if (node_save(c->data_dir, &c->node, d->founder, &msg) < 0)
		log_printf(LOG_ERROR, "%s", msg.text);
	if (!d->is_manager)
		agent_managers(&d->agent, slice_of(text));
}

/* Whom to believe from now on. */
static void take_roots(struct daemon *d, const char *roots)
{
	struct errmsg msg = { { 0 } };
	struct trust *next;
	int err;

	if (!roots || slice_is(d->trust->roots, roots))
		return;
	next = mem_new(sizeof(*next));
	err = trust_with_roots(next, d->trust, slice_of(roots), &msg);
	if (err == 0)
		err = links_trust(d, next, &msg);
	else
		mem_free(next);
	if (err < 0) {
		log_printf(LOG_ERROR, "the swarm's authority cannot be replaced here: %s",
			   msg.text);
		return;
	}
	log_printf(LOG_INFO, "this node believes the swarm's new authority");
}

void agent_node(struct daemon *d, const struct effect *x)
{
	struct session_node node;
	struct errmsg msg = { { 0 } };
	struct arena a;

	arena_init(&a);
	if (model_parse(&a, &session_node_table, MODEL_STORE, x->body, &node, &msg) < 0) {
		log_printf(LOG_ERROR, "what this node is to be does not parse: %s", msg.text);
	} else {
		/* A manager of Raft's configuration knows the others from there. */
		if (!d->is_manager || node.role == ROLE_WORKER)
			take_managers(d, &node.managers);
		take_roots(d, node.trust);
		if (node.renew || (node.role == ROLE_MANAGER) != d->is_manager)
			renewal_now(d);
	}
	arena_done(&a);
}
