/* One connection: accepted, a backend picked and connected, then a relay until both end. */
#include <string.h>
#include <unistd.h>

#include "applets/lb/main.h"
#include "base/mem.h"
#include "io/sock.h"

enum {
	CLIENT = 0, BACKEND = 1,	/* sides of the relay */
	ACCEPT_TURN = 16,		/* connections of one port in a turn of the loop */
	SPARE_MAX = 64,			/* freed connections kept: 25 KiB */
};

/* Some 350 bytes; the sockets in the kernel cost 15 KiB. */
struct lb_connection {
	struct relay relay;
	struct loop_timer limit;	/* of the connect */
	struct lb_app *app;
	struct lb_port *port;		/* held while connecting */
	struct lb_backend *backend;
	struct lb_connection *next;	/* when spare */
	uint64_t since;
	int client;			/* while connecting */
};

static void try_backend(struct lb_connection *c);

static struct lb_connection *new_connection(struct lb_app *app)
{
	struct lb_connection *c = app->spare;

	if (!c)
		return mem_new(sizeof(*c));
	app->spare = c->next;
	app->spare_count--;
	memset(c, 0, sizeof(*c));
	return c;
}

static void free_connection(struct lb_connection *c)
{
	struct lb_app *app = c->app;

	if (app->spare_count < SPARE_MAX) {
		c->next = app->spare;
		app->spare = c;
		app->spare_count++;
	} else {
		mem_free(c);
	}
	app->connections--;
	lb_ended(app);
}

static void relay_ended(struct relay *r, int err)
{
	struct lb_connection *c = r->context;

	(void)err;
	lb_close(c->backend);
	free_connection(c);
}

/* Nobody to serve it: a reset says so at once. */
static void refuse(struct lb_connection *c)
{
	c->port->users--;
	sock_reset_on_close(c->client);
	close(c->client);
	free_connection(c);
}

static void backend_failed(struct lb_connection *c)
{
	struct loop *l = &c->app->loop;

	loop_timer_clear(l, &c->limit);
	loop_close(l, &c->relay.side[BACKEND].watch);
	lb_failed(c->port, c->backend, loop_now_ms(l));
	try_backend(c);
}

static void connect_limit(struct loop_timer *t)
{
	backend_failed(t->context);
}

/* The first event of the backend's socket. */
static void connected(struct loop_watch *w, uint32_t events)
{
	struct lb_connection *c = w->context;

	/* Only an error or a hangup needs a closer look. */
	if ((events & (EPOLLERR | EPOLLHUP)) && sock_connected(w->fd, NULL) < 0) {
		backend_failed(c);
		return;
	}
	loop_timer_clear(&c->app->loop, &c->limit);
	lb_connected(c->backend);
	c->relay.done = relay_ended;
	c->relay.context = c;
	relay_init(&c->relay, &c->app->pool);
	if (relay_start(&c->relay, c->client, w->fd) < 0) {
		relay_stop(&c->relay);
		lb_close(c->backend);
		refuse(c);
		return;
	}
	c->port->users--;
	c->port = NULL;
	/* A server that speaks first. */
	if (events & ~(uint32_t)EPOLLOUT)
		w->call(w, events);
}

/* Each backend at most once, until one connects: connected() goes on, or connect_limit(). */
static void try_backend(struct lb_connection *c)
{
	struct loop *l = &c->app->loop;
	struct loop_watch *w = &c->relay.side[BACKEND].watch;

	for (;;) {
		struct lb_backend *b = lb_pick(c->port, loop_now_ms(l), c->since);
		int fd;

		if (!b) {
			refuse(c);
			return;
		}
		fd = sock_connect_tcp(b->address, b->port, NULL);
		w->call = connected;
		w->context = c;
		if (fd >= 0 && loop_watch(l, w, fd, RELAY_EVENTS) == 0) {
			c->backend = b;
			loop_timer_set(l, &c->limit, loop_now_ms(l) + LB_CONNECT_MS);
			return;
		}
		if (fd >= 0)
			close(fd);
		if (fd == ERR_LIMIT) {
			/* Our want of descriptors is not the backend's failure. */
			lb_close(b);
			lb_pause(c->app);
			refuse(c);
			return;
		}
		lb_failed(c->port, b, loop_now_ms(l));
	}
}

static void serve(struct lb_listener *from, int fd)
{
	struct lb_connection *c = new_connection(from->app);

	c->app = from->app;
	c->app->connections++;
	c->port = from->port;
	c->port->users++;
	c->client = fd;
	c->since = c->port->failures;
	c->limit.call = connect_limit;
	c->limit.context = c;
	try_backend(c);
}

void lb_accept(struct loop_watch *w, uint32_t events)
{
	struct lb_listener *from = w->context;

	(void)events;
	for (int i = 0; i < ACCEPT_TURN; i++) {
		int fd;

		if (from->app->connections >= from->app->connections_max) {
			lb_pause(from->app);
			return;
		}
		fd = sock_accept(w->fd);
		if (fd == ERR_MORE)
			return;
		if (fd < 0) {
			lb_pause(from->app);
			return;
		}
		serve(from, fd);
		if (w->events == 0)
			return;
	}
}
