/*
 * Contracts are in port.h. A channel that is given away leaves from inside its own frame
 * callback: its next frames, and its end, are told to whoever has it then.
 */
#include "io/port.h"
#include <assert.h>
#include <inttypes.h>
#include <string.h>
#include <unistd.h>
#include "base/buf.h"
#include "base/mem.h"
#include "io/log.h"
#include "io/sock.h"

struct port_guest {
	struct port *port;
	struct port_guest *next, *previous;
	struct channel *channel;
	uint64_t id;		/* of what it asks; 0: it has not said what it is */
	uint64_t since_ms;
	int answered;
};

static int on_frame(struct channel *c, struct slice body);
static void on_open(struct channel *c);
static void on_end(struct channel *c, int err, const struct errmsg *why);

static struct port_guest *guest_new(struct port *p)
{
	struct port_guest *g = mem_new(sizeof(*g));

	g->port = p;
	g->channel = mem_new(sizeof(*g->channel));
	g->channel->context = g;
	g->channel->ready = on_open;
	g->channel->frame = on_frame;
	g->channel->ended = on_end;
	channel_init(g->channel, p->loop, p->channels, GREETING_MAX);
	g->previous = p->last_guest;
	if (g->previous)
		g->previous->next = g;
	else
		p->guests = g;
	p->last_guest = g;
	p->stranger_count++;
	g->since_ms = loop_now_ms(p->loop);
	return g;
}

/* There is room for the next one. */
static void stranger_goes(struct port *p)
{
	p->stranger_count--;
	if (!p->accept_timer.place)
		return;
	loop_timer_clear(p->loop, &p->accept_timer);
	(void)loop_rewatch(p->loop, &p->listener, EPOLLIN);
}

/* Forgets it; the channel is another's, or closed. */
static void guest_free(struct port_guest *g)
{
	struct port *p = g->port;

	if (g->previous)
		g->previous->next = g->next;
	else
		p->guests = g->next;
	if (g->next)
		g->next->previous = g->previous;
	else
		p->last_guest = g->previous;
	if (g->id)
		p->enrol_count--;
	else
		stranger_goes(p);
	mem_free(g);
}

static void guest_close(struct port_guest *g)
{
	channel_close(g->channel);
	mem_free(g->channel);
	guest_free(g);
}

/* Anybody can connect: a line a second tells enough. */
static void log_stranger(struct port *p, const char *why)
{
	uint64_t now_ms = loop_now_ms(p->loop);

	if (now_ms < p->log_again_ms)
		return;
	p->log_again_ms = now_ms + PORT_LOG_EVERY_MS;
	log_printf(LOG_WARNING, "cluster port: a connection was refused: %s", why);
}

/* Whoever can connect can ask for a certificate, too. */
static void log_no_certificate(struct port *p, struct slice answer)
{
	struct errmsg why;

	errmsg_set(&why, 0, "no certificate is given: %.*s",
		   SLICE_ARGS(slice_trim(answer)));
	log_stranger(p, why.text);
}

/* The first frame. */

static int take_manager(struct port_guest *g, const struct hello *h)
{
	struct port *p = g->port;
	struct channel *c = g->channel;
	int err;

	if (channel_peer_name(c)[0] == '\0' ||
	    (p->manager_unit && strcmp(channel_peer_unit(c), p->manager_unit) != 0))
		return errmsg_set(&c->why, ERR_DENIED, "it says that it is a manager, but has no "
				  "manager's certificate");
	err = p->handler->manager(p->handler->context, c, h);
	if (err == 0)
		guest_free(g);
	return err;
}

static int take_agent(struct port_guest *g)
{
	struct port *p = g->port;
	struct channel *c = g->channel;
	int err;

	if (!p->handler->agent)
		return errmsg_set(&c->why, ERR_UNSUPPORTED, "agents are not served here");
	if (channel_peer_name(c)[0] == '\0')
		return errmsg_set(&c->why, ERR_DENIED, "it says that it is a node's agent, but "
				  "has no certificate");
	err = p->handler->agent(p->handler->context, c);
	if (err == 0)
		guest_free(g);
	return err;
}

/* Of those who have their answer and stay, the first goes. 0 when there is none. */
static int end_an_answered(struct port *p)
{
	struct port_guest *g = p->guests;

	while (g && !g->answered)
		g = g->next;
	if (g)
		guest_close(g);
	return g != NULL;
}

static int take_enrol(struct port_guest *g, struct slice request)
{
	struct port *p = g->port;
	struct channel *c = g->channel;

	if (!p->handler->enrol)
		return errmsg_set(&c->why, ERR_UNSUPPORTED, "certificates are not given here");
	if (p->enrol_count == PORT_ENROLS_MAX && !end_an_answered(p))
		return errmsg_set(&c->why, ERR_LIMIT, "too many wait for a certificate");
	g->id = ++p->last_id;
	stranger_goes(p);
	p->enrol_count++;
	channel_limit(c, PORT_ENROL_MS);
	p->handler->enrol(p->handler->context, g->id, channel_peer_name(c), request);
	return 0;
}

static int on_frame(struct channel *c, struct slice body)
{
	struct port_guest *g = c->context;
	struct slice request;
	struct hello h;
	uint32_t version;
	int err;

	if (g->id)
		return errmsg_set(&c->why, ERR_CORRUPT, "it asks for a certificate and says more");
	if (enrol_parse(body, &request))
		return take_enrol(g, request);
	err = agent_hello_parse(body, &version);
	if (err == 0)
		return take_agent(g);
	if (err == ERR_UNSUPPORTED)
		return errmsg_set(&c->why, err, "it speaks version %" PRIu32 " of the agents' "
				  "protocol, this one version %d", version, AGENT_VERSION);
	err = hello_parse(body, &h);
	if (err == 0)
		return take_manager(g, &h);
	if (err == ERR_UNSUPPORTED)
		return errmsg_set(&c->why, err, "it speaks version %" PRIu32 " of the managers' "
				  "protocol, this one version %d", h.version, HELLO_VERSION);
	return errmsg_set(&c->why, err, "it is neither a manager nor a node");
}

static void on_open(struct channel *c)
{
	struct port_guest *g = c->context;
	uint8_t bytes[HELLO_LEN];
	struct hello h;

	g->port->handler->hello(g->port->handler->context, &h);
	hello_build(bytes, &h);
	channel_send(c, (struct slice){ (char *)bytes, HELLO_LEN });
}

static void on_end(struct channel *c, int err, const struct errmsg *why)
{
	struct port_guest *g = c->context;

	/* Two managers dialed each other at once, one who came went without a word, or it has
	 * its answer. */
	if (err != ERR_EXISTS && err != ERR_UNAVAILABLE && !g->answered)
		log_stranger(g->port, why->text[0] ? why->text : err_text(err));
	guest_free(g);
	mem_free(c);
}

void port_enrolled(struct port *p, uint64_t id, int status, struct slice answer)
{
	struct port_guest *g = p->guests;
	struct buf body;

	while (g && g->id != id)
		g = g->next;
	if (id == 0 || !g || g->answered)
		return;
	g->answered = 1;
	if (status >= 400)
		log_no_certificate(p, answer);
	buf_init(&body, ENROL_ANSWER_HEAD + answer.len);
	enrol_answer_build(&body, status, answer);
	channel_send(g->channel, buf_slice(&body));
	channel_flush(g->channel);
	channel_limit(g->channel, PORT_LINGER_MS);
	buf_done(&body);
}

/* Listening. */

static void on_accept_time(struct loop_timer *t)
{
	struct port *p = t->context;

	(void)loop_rewatch(p->loop, &p->listener, EPOLLIN);
}

/* EPOLLPRI never comes: without it the listener would be reported for ever. */
static void accept_at(struct port *p, uint64_t when_ms)
{
	(void)loop_rewatch(p->loop, &p->listener, EPOLLPRI);
	loop_timer_set(p->loop, &p->accept_timer, when_ms);
}

/* 1 when there is: the oldest stranger has gone, or there were not too many. */
static int make_room(struct port *p)
{
	struct port_guest *g = p->guests;

	if (p->stranger_count < PORT_STRANGERS_MAX)
		return 1;
	while (g->id)
		g = g->next;
	if (loop_now_ms(p->loop) < g->since_ms + PORT_STRANGER_MS) {
		accept_at(p, g->since_ms + PORT_STRANGER_MS);
		return 0;
	}
	log_stranger(p, "too many have not said who they are");
	guest_close(g);
	return 1;
}

static void on_accept(struct loop_watch *w, uint32_t events)
{
	struct port *p = w->context;

	(void)events;
	for (int i = 0; i < PORT_ACCEPT_TURN && make_room(p); i++) {
		int fd = sock_accept(w->fd);

		if (fd == ERR_LIMIT || fd == ERR_IO)
			accept_at(p, loop_now_ms(p->loop) + PORT_ACCEPT_AGAIN_MS);
		if (fd < 0)
			return;
		channel_take(guest_new(p)->channel, fd);
	}
}

int port_listen(struct port *p, struct slice address, struct errmsg *msg)
{
	uint32_t host;
	uint16_t port;
	int fd;

	if (sock_parse_address(address, &host, &port) < 0)
		return errmsg_set(msg, ERR_INVALID, "%.*s: the form is ADDRESS:PORT, with an IPv4 "
				  "address", SLICE_ARGS(address));
	fd = sock_listen_tcp(host, port, msg);
	if (fd < 0)
		return errmsg_prefix(msg, fd, "%.*s", SLICE_ARGS(address));
	if (loop_watch(p->loop, &p->listener, fd, EPOLLIN) == 0)
		return 0;
	close(fd);
	return errmsg_set(msg, ERR_IO, "%.*s: cannot be watched", SLICE_ARGS(address));
}

void port_init(struct port *p, struct loop *l, const struct port_handler *handler,
	       const struct channel_config *channels, const char *manager_unit)
{
	*p = (struct port){ .loop = l, .handler = handler, .channels = channels,
			    .manager_unit = manager_unit };
	p->listener = (struct loop_watch){ .call = on_accept, .context = p, .fd = -1 };
	p->accept_timer = (struct loop_timer){ .call = on_accept_time, .context = p };
}

void port_done(struct port *p)
{
	while (p->guests)
		guest_close(p->guests);
	loop_timer_clear(p->loop, &p->accept_timer);
	if (!p->listener.events)
		return;
	loop_unwatch(p->loop, &p->listener);
	close(p->listener.fd);
}
