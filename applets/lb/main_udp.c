/* UDP: a client's datagrams go to one backend as long as they come; answers find back. */
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include "applets/lb/main.h"
#include "base/mem.h"
#include "io/sock.h"

enum { DATAGRAM_TURN = 64 };	/* datagrams of one socket in a turn of the loop */

struct lb_flow {
	struct loop_watch watch;	/* of the socket to the backend */
	struct loop_timer idle;
	struct lb_flow *next;		/* in its chain */
	struct lb_listener *from;
	struct lb_backend *backend;
	struct sockaddr_in client;
	uint64_t last_ms;
};

static struct lb_flow **chain_of(struct lb_app *app, const struct sockaddr_in *client)
{
	uint32_t h = client->sin_addr.s_addr * 2654435761u ^ client->sin_port * 2246822519u;

	return &app->flows[h >> 22];
}

static void forget_flow(struct lb_flow *f)
{
	struct lb_app *app = f->from->app;
	struct lb_flow **at = chain_of(app, &f->client);

	while (*at != f)
		at = &(*at)->next;
	*at = f->next;
	app->flow_count--;
	loop_timer_clear(&app->loop, &f->idle);
	loop_close(&app->loop, &f->watch);
	mem_free(f);
}

static void end_flow(struct lb_flow *f)
{
	lb_close(f->backend);
	forget_flow(f);
}

/* Nobody listens there: the client's next datagram goes elsewhere. */
static void flow_failed(struct lb_flow *f)
{
	lb_failed(f->from->port, f->backend, loop_now_ms(&f->from->app->loop));
	forget_flow(f);
}

/* One timer per flow is set once and looks after its time whether there was traffic. */
static void flow_idle(struct loop_timer *t)
{
	struct lb_flow *f = t->context;
	struct loop *l = &f->from->app->loop;

	if (f->last_ms + LB_FLOW_IDLE_MS > loop_now_ms(l))
		loop_timer_set(l, t, f->last_ms + LB_FLOW_IDLE_MS);
	else
		end_flow(f);
}

static void answer(struct loop_watch *w, uint32_t events)
{
	struct lb_flow *f = w->context;
	struct lb_app *app = f->from->app;

	(void)events;
	for (int i = 0; i < DATAGRAM_TURN; i++) {
		ssize_t n = recv(w->fd, app->pool.buffer, RELAY_BUFFER, 0);

		if (n < 0 && errno == EAGAIN)
			return;
		if (n < 0) {
			flow_failed(f);
			return;
		}
		if (f->backend->failures)
			lb_connected(f->backend);
		f->last_ms = loop_now_ms(&app->loop);
		/* What cannot be sent is lost, as datagrams may be. */
		sendto(f->from->watch.fd, app->pool.buffer, (size_t)n, MSG_NOSIGNAL,
			(struct sockaddr *)&f->client, sizeof(f->client));
	}
}

static struct lb_flow *new_flow(struct lb_listener *from, const struct sockaddr_in *client)
{
	struct lb_app *app = from->app;
	struct lb_flow **chain = chain_of(app, client);
	struct lb_backend *b;
	struct lb_flow *f;
	int fd;

	if (app->flow_count == LB_FLOWS_MAX)
		return NULL;
	b = lb_pick(from->port, loop_now_ms(&app->loop), from->port->failures);
	if (!b)
		return NULL;
	f = mem_new(sizeof(*f));
	f->watch.call = answer;
	f->watch.context = f;
	fd = sock_connect_udp(b->address, b->port, NULL);
	if (fd < 0 || loop_watch(&app->loop, &f->watch, fd, EPOLLIN) < 0) {
		if (fd >= 0)
			close(fd);
		lb_close(b);
		mem_free(f);
		return NULL;
	}
	f->from = from;
	f->backend = b;
	f->client = *client;
	f->idle.call = flow_idle;
	f->idle.context = f;
	loop_timer_set(&app->loop, &f->idle, loop_now_ms(&app->loop) + LB_FLOW_IDLE_MS);
	f->next = *chain;
	*chain = f;
	app->flow_count++;
	return f;
}

/* The client's flow; one to a task that went is not kept, so that no update leaves a client
 * talking to nobody. */
static struct lb_flow *flow_of(struct lb_listener *from, const struct sockaddr_in *client)
{
	struct lb_flow *f = *chain_of(from->app, client);

	while (f && (f->from != from || f->client.sin_port != client->sin_port ||
		     f->client.sin_addr.s_addr != client->sin_addr.s_addr))
		f = f->next;
	if (f && f->backend->gone) {
		end_flow(f);
		f = NULL;
	}
	return f ? f : new_flow(from, client);
}

void lb_datagram(struct loop_watch *w, uint32_t events)
{
	struct lb_listener *from = w->context;
	struct lb_app *app = from->app;

	(void)events;
	for (int i = 0; i < DATAGRAM_TURN; i++) {
		struct sockaddr_in client;
		socklen_t size = sizeof(client);
		ssize_t n = recvfrom(w->fd, app->pool.buffer, RELAY_BUFFER, 0,
			(struct sockaddr *)&client, &size);
		struct lb_flow *f;

		if (n < 0)
			return;
		f = flow_of(from, &client);
		if (!f)
			continue;
		f->last_ms = loop_now_ms(&app->loop);
		/* A refusal of the one before is reported here too. */
		if (send(f->watch.fd, app->pool.buffer, (size_t)n, MSG_NOSIGNAL) < 0 &&
		    errno == ECONNREFUSED)
			flow_failed(f);
	}
}

void lb_udp_drop(struct lb_app *app, const struct lb_port *port)
{
	for (size_t i = 0; i < sizeof(app->flows) / sizeof(app->flows[0]); i++) {
		struct lb_flow *f = app->flows[i];

		while (f) {
			struct lb_flow *next = f->next;

			if (f->from->port == port)
				end_flow(f);
			f = next;
		}
	}
}
