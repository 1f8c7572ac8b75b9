/*
 * The HTTP server's connections. Contracts are in server.h and http/serve.h.
 *
 * A connection is in one of three states: its machine reads or answers (watch), it waits for
 * the owner's reply (id != 0), or it is relayed to the engine (relay), and then the relay owns
 * the descriptor.
 */
#include "io/server.h"
#include <assert.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>
#include "base/mem.h"
#include "io/clock.h"
#include "io/sock.h"

/* What a head and one read can make together still fits a relay's buffer. */
enum { READ_BYTES = RELAY_BUFFER - HTTP_SERVE_HIJACK_MAX + HTTP_SERVE_READ_MAX };

struct server_connection {
	struct server *server;
	struct server_connection *next, *previous;
	struct loop_watch watch;
	struct loop_timer timer;
	struct http_serve http;
	struct relay *relay;	/* set when it is passed through */
	uint64_t id;		/* of the request that waits for its reply; 0 = none */
	int ended;		/* the client sends no more */
	int in_events;		/* take_events is running: it goes on by itself */
};

static struct slice id_key(const uint64_t *id)
{
	return (struct slice){ (const char *)id, sizeof(*id) };
}

static void accept_some(struct loop_watch *w, uint32_t events);

static void resume(struct server *s)
{
	if (s->paused && s->count < SERVER_CONNECTIONS_MAX) {
		s->paused = 0;
		(void)loop_rewatch(s->loop, &s->listener, EPOLLIN);
	}
}

/* Forgets the connection; its descriptor is closed already. */
static void drop(struct server_connection *c)
{
	struct server *s = c->server;

	if (c->previous)
		c->previous->next = c->next;
	else
		s->connections = c->next;
	if (c->next)
		c->next->previous = c->previous;
	loop_timer_clear(s->loop, &c->timer);
	http_serve_done(&c->http);
	mem_free(c->relay);
	mem_free(c);
	s->count--;
	resume(s);
}

static void close_connection(struct server_connection *c)
{
	struct server *s = c->server;
	uint64_t id = c->id;

	if (c->relay)
		relay_stop(c->relay);
	else
		loop_close(s->loop, &c->watch);
	if (id)
		(void)map_remove(&s->requests, id_key(&id));
	drop(c);
	if (id)
		s->handler->gone(s->handler->context, id);
}

static void relay_ended(struct relay *r, int err)
{
	(void)err;	/* both ends have seen it */
	drop(r->context);
}

static void refuse(struct server_connection *c, int status, const char *why)
{
	char text[ERRMSG_MAX + 64];
	struct http_reply reply = { .status = status, .content_type = SLICE("application/json") };
	int n = snprintf(text, sizeof(text), "{\"message\":\"%s\"}\n", why);

	reply.body = (struct slice){ text, n < (int)sizeof(text) ? (size_t)n : 0 };
	(void)http_serve_reply(&c->http, &reply, loop_now_ms(c->server->loop));
}

/* 1 if the relay has taken the connection over. */
static int pass_through(struct server_connection *c, const struct http_head *head)
{
	struct server *s = c->server;
	struct errmsg msg = { { 0 } };
	int engine = sock_connect_unix(s->engine_path, &msg);
	struct buf out;
	int err, fd = c->watch.fd;

	if (engine < 0) {
		refuse(c, 502, "the engine does not answer");
		return 0;
	}
	buf_init(&out, HTTP_SERVE_HIJACK_MAX);
	http_serve_hijack(&c->http, head, &out);
	c->relay = mem_new(sizeof(*c->relay));
	c->relay->done = relay_ended;
	c->relay->context = c;
	relay_init(c->relay, &s->relays);
	loop_unwatch(s->loop, &c->watch);
	loop_timer_clear(s->loop, &c->timer);
	err = relay_give(c->relay, 0, buf_slice(&out));
	if (err == 0)
		err = relay_give(c->relay, 1, http_serve_out(&c->http));
	buf_done(&out);
	if (err == 0)
		err = relay_start(c->relay, fd, engine);
	if (err == 0)
		return 1;
	if (!c->relay->side[0].watch.events)
		close(fd);
	if (!c->relay->side[1].watch.events)
		close(engine);
	relay_stop(c->relay);
	drop(c);
	return 1;
}

static void hand_over(struct server_connection *c, const struct http_serve_event *ev)
{
	struct server *s = c->server;

	c->id = ++s->last_id;
	map_set(&s->requests, id_key(&c->id), c);
	s->handler->request(s->handler->context, c->id, &ev->head, ev->body);
}

/* 1 if the connection is not ours any more. */
static int take_events(struct server_connection *c)
{
	struct server *s = c->server;
	struct http_serve_event ev;

	c->in_events = 1;
	while (!c->id && http_serve_next(&c->http, loop_now_ms(s->loop), &ev)) {
		if (ev.kind == HTTP_SERVE_HEAD &&
		    !s->handler->serves(ev.head.method, ev.head.target) &&
		    pass_through(c, &ev.head))
			return 1;
		if (ev.kind == HTTP_SERVE_REQUEST)
			hand_over(c, &ev);
	}
	c->in_events = 0;
	return 0;
}

static int write_out(struct server_connection *c)
{
	struct slice out;

	while ((out = http_serve_out(&c->http)).len) {
		ssize_t n = send(c->watch.fd, out.data, out.len, MSG_NOSIGNAL | MSG_DONTWAIT);

		if (n < 0)
			return errno == EAGAIN || errno == EINTR ? 0 : ERR_IO;
		http_serve_sent(&c->http, (size_t)n, loop_now_ms(c->server->loop));
	}
	return 0;
}

static void set_timer(struct server_connection *c)
{
	uint64_t deadline = http_serve_deadline(&c->http);

	if (deadline == 0)
		loop_timer_clear(c->server->loop, &c->timer);
	else if (!c->timer.place || c->timer.deadline_ms != deadline)
		loop_timer_set(c->server->loop, &c->timer, deadline);
}

/* Writes what there is and waits for what comes next. The connection may be gone after. */
static void settle(struct server_connection *c)
{
	uint32_t events = 0;

	if (write_out(c) < 0) {
		close_connection(c);
		return;
	}
	if (http_serve_finished(&c->http)) {
		shutdown(c->watch.fd, SHUT_WR);
		close_connection(c);
		return;
	}
	if (http_serve_wants(&c->http) && !c->ended)
		events |= EPOLLIN;
	if (!c->ended)
		events |= EPOLLRDHUP;
	if (http_serve_out(&c->http).len)
		events |= EPOLLOUT;
	/* EPOLLHUP and EPOLLERR come unasked; an empty mask would mean "not registered". */
	if (loop_rewatch(c->server->loop, &c->watch, events ? events : EPOLLPRI) < 0) {
		close_connection(c);
		return;
	}
	set_timer(c);
}

static void on_ready(struct loop_watch *w, uint32_t events)
{
	static char bytes[READ_BYTES];
	struct server_connection *c = w->context;
	ssize_t n;

	if (events & (EPOLLHUP | EPOLLERR)) {
		close_connection(c);
		return;
	}
	if (http_serve_wants(&c->http) && (events & (EPOLLIN | EPOLLRDHUP))) {
		n = recv(w->fd, bytes, sizeof(bytes), MSG_DONTWAIT);
		if (n > 0) {
			http_serve_feed(&c->http, (struct slice){ bytes, (size_t)n },
					loop_now_ms(c->server->loop));
		} else if (n == 0) {
			c->ended = 1;
			http_serve_eof(&c->http);
		} else if (errno != EAGAIN && errno != EINTR) {
			close_connection(c);
			return;
		}
		if (take_events(c))
			return;
	} else if (events & EPOLLRDHUP) {
		c->ended = 1;
		http_serve_eof(&c->http);
	}
	settle(c);
}

static void on_time(struct loop_timer *t)
{
	struct server_connection *c = t->context;

	http_serve_expire(&c->http, loop_now_ms(c->server->loop));
	settle(c);
}

static void accept_one(struct server *s, int fd)
{
	struct server_connection *c = mem_new(sizeof(*c));

	c->server = s;
	c->next = s->connections;
	if (c->next)
		c->next->previous = c;
	s->connections = c;
	s->count++;
	http_serve_init(&c->http, &s->config, loop_now_ms(s->loop));
	c->watch.call = on_ready;
	c->watch.context = c;
	c->timer.call = on_time;
	c->timer.context = c;
	if (loop_watch(s->loop, &c->watch, fd, EPOLLIN | EPOLLRDHUP) < 0) {
		close(fd);
		drop(c);
		return;
	}
	set_timer(c);
}

static void accept_some(struct loop_watch *w, uint32_t events)
{
	struct server *s = w->context;
	int fd;

	(void)events;
	while (s->count < SERVER_CONNECTIONS_MAX && (fd = sock_accept(w->fd)) >= 0)
		accept_one(s, fd);
	if (s->count >= SERVER_CONNECTIONS_MAX) {
		s->paused = 1;
		(void)loop_rewatch(s->loop, w, EPOLLPRI);
	}
}

void server_init(struct server *s, struct loop *l, const struct server_handler *handler,
		 struct slice headers, const char *engine_path)
{
	*s = (struct server){ .loop = l, .handler = handler, .engine_path = engine_path };
	s->config = (struct http_serve_config){
		.headers = headers, .body_max = SERVER_BODY_MAX, .out_max = SERVER_OUT_MAX,
	};
	map_init(&s->requests);
	relay_pool_init(&s->relays, l);
}

void server_done(struct server *s)
{
	while (s->connections) {
		struct server_connection *c = s->connections;

		if (c->relay)
			relay_stop(c->relay);
		else
			loop_close(s->loop, &c->watch);
		drop(c);
	}
	if (s->listener.events)
		loop_close(s->loop, &s->listener);
	relay_pool_done(&s->relays);
	map_done(&s->requests);
}

int server_listen(struct server *s, const char *path, mode_t mode, struct errmsg *msg)
{
	int fd = sock_listen_unix(path, mode, msg);

	if (fd < 0)
		return fd;
	s->listener.call = accept_some;
	s->listener.context = s;
	if (loop_watch(s->loop, &s->listener, fd, EPOLLIN) < 0) {
		close(fd);
		return errmsg_set(msg, ERR_IO, "%s: cannot be watched", path);
	}
	return 0;
}

/* The request is answered: the next one on the connection may follow. */
static void answered(struct server_connection *c, int err, int more)
{
	struct server *s = c->server;
	uint64_t id = c->id;

	/* Too much output that nobody takes: the machine is finished, settle closes it. */
	if (err < 0 && more)
		s->handler->gone(s->handler->context, id);
	if (err < 0 || !more) {
		(void)map_remove(&s->requests, id_key(&id));
		c->id = 0;
		if (c->in_events || take_events(c))
			return;
	}
	if (!c->in_events)
		settle(c);
}

void server_reply(struct server *s, uint64_t id, const struct http_reply *reply)
{
	struct server_connection *c = map_get(&s->requests, id_key(&id));

	if (c)
		answered(c, http_serve_reply(&c->http, reply, loop_now_ms(s->loop)), reply->more);
}

void server_piece(struct server *s, uint64_t id, struct slice piece, int more)
{
	struct server_connection *c = map_get(&s->requests, id_key(&id));

	if (c)
		answered(c, http_serve_chunk(&c->http, piece, more, loop_now_ms(s->loop)), more);
}

void server_flush(struct server *s, int timeout_ms)
{
	uint64_t end = clock_now_ms() + (uint64_t)timeout_ms;
	struct server_connection *c;

	do {
		for (c = s->connections; c; c = c->next) {
			if (!c->relay && write_out(c) == 0 && http_serve_out(&c->http).len)
				break;
		}
	} while (c && clock_now_ms() < end);
}
