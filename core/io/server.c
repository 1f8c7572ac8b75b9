/*
 * The HTTP server's connections. Contracts are in server.h and http/serve.h.
 *
 * A connection is in one of three states: its machine reads or answers (watch), it waits for
 * the owner's reply (id != 0), or it is relayed to the engine (relay), and then the relay owns
 * the descriptor.
 *
 * On a unix socket a client that is gone makes EPOLLHUP, which comes unasked; one that only shut
 * its writing side down waits for its answer. On TCP both look the same, EPOLLRDHUP, until
 * something is sent. So there a client that says no more has SERVER_HALF_MS to get its answer, and
 * is taken for gone after that; when bytes are sent to one that is gone, its reset comes at once.
 */
#include "io/server.h"
#include <assert.h>
#include <errno.h>
#include <poll.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>
#include "base/mem.h"
#include "codec/json.h"
#include "codec/netmap.h"
#include "io/clock.h"
#include "io/sock.h"

enum {
	/* What a head and one read can make together still fits a relay's buffer. */
	READ_BYTES = RELAY_BUFFER - HTTP_SERVE_HIJACK_MAX + HTTP_SERVE_READ_MAX,
	FLUSH_STEP_MS = 10,
};

struct server_connection {
	struct server *server;
	struct server_connection *next, *previous;
	struct loop_watch watch;
	struct loop_timer timer;
	struct http_serve http;
	struct relay *relay;	/* set when it is passed through */
	uint64_t id;		/* of the request that waits for its reply; 0 = none */
	uint64_t gone_ms;	/* when this half-closed one is taken for gone; 0 = it is not */
	int is_tcp;
	int ahead;		/* more came before the answer: it is not waited for */
	int settling;		/* settle is running: it goes on by itself */
};

static struct slice id_key(const uint64_t *id)
{
	return (struct slice){ (const char *)id, sizeof(*id) };
}

static void rewatch_listeners(struct server *s, uint32_t events)
{
	for (int i = 0; i < SERVER_LISTENERS; i++) {
		if (s->listeners[i].events)
			(void)loop_rewatch(s->loop, &s->listeners[i], events);
	}
}

/* A listener whose connections cannot be taken would be reported as readable for ever. */
static void pause_accepting(struct server *s)
{
	s->paused = 1;
	rewatch_listeners(s, EPOLLPRI);		/* which never comes */
	loop_timer_set(s->loop, &s->accept_timer, loop_now_ms(s->loop) + SERVER_ACCEPT_AGAIN_MS);
}

static void resume_accepting(struct server *s)
{
	if (!s->paused)
		return;
	s->paused = 0;
	loop_timer_clear(s->loop, &s->accept_timer);
	rewatch_listeners(s, EPOLLIN);
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
	resume_accepting(s);
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

static void refuse(struct server_connection *c, const struct errmsg *msg)
{
	struct http_reply reply = { .status = 502, .content_type = SLICE("application/json") };
	struct json_writer w;
	struct buf text;

	buf_init(&text, 8 * ERRMSG_MAX);
	json_begin(&w, &text);
	json_open_object(&w);
	json_write_key(&w, "message");
	json_write_str(&w, msg->text);
	json_close_object(&w);
	buf_add_char(&text, '\n');
	reply.body = buf_slice(&text);
	(void)http_serve_reply(&c->http, &reply, loop_now_ms(c->server->loop));
	buf_done(&text);
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
		errmsg_prefix(&msg, engine, "the container engine cannot be reached");
		refuse(c, &msg);
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
	assert(http_serve_out(&c->http).len == 0);
	err = relay_give(c->relay, 0, buf_slice(&out));
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

	if (c->gone_ms && (deadline == 0 || c->gone_ms < deadline))
		deadline = c->gone_ms;
	if (deadline == 0)
		loop_timer_clear(c->server->loop, &c->timer);
	else if (!c->timer.place || c->timer.deadline_ms != deadline)
		loop_timer_set(c->server->loop, &c->timer, deadline);
}

/* May the next request be looked at? Not before the answers to all before it are sent: a client
 * that sends requests and reads no answers gets no further. */
static int is_free(const struct server_connection *c)
{
	return !c->id && http_serve_out(&c->http).len == 0;
}

enum taken { NOTHING, SOMETHING, PASSED_ON };

/* PASSED_ON: the connection is not ours any more. */
static enum taken take_event(struct server_connection *c, struct http_serve_event *ev)
{
	struct server *s = c->server;

	if (!is_free(c) || !http_serve_next(&c->http, loop_now_ms(s->loop), ev))
		return NOTHING;
	if (ev->kind == HTTP_SERVE_HEAD && !s->handler->serves(ev->head.method, ev->head.target))
		return pass_through(c, &ev->head) ? PASSED_ON : SOMETHING;
	if (ev->kind == HTTP_SERVE_REQUEST)
		hand_over(c, ev);
	return SOMETHING;
}

/* A client that waits for its answer mostly sends nothing: what is waited for is changed only when
 * it does, which saves two system calls a request. */
static void wait_for_more(struct server_connection *c)
{
	uint32_t events = 0;

	if (is_free(c))
		c->ahead = 0;
	if (!c->ahead && (c->id || http_serve_wants(&c->http)))
		events |= EPOLLIN;
	if (http_serve_out(&c->http).len)
		events |= EPOLLOUT;
	/* Where nobody would act on it, it would be reported for ever. */
	if (c->is_tcp && !c->gone_ms && (c->id || is_free(c)))
		events |= EPOLLRDHUP;
	/* An empty mask would mean "not registered". */
	if (loop_rewatch(c->server->loop, &c->watch, events ? events : EPOLLPRI) < 0)
		close_connection(c);
	else
		set_timer(c);
}

/* Bytes of a request have come that the loop has not seen yet. */
static int has_input(const struct server_connection *c)
{
	char byte;

	return recv(c->watch.fd, &byte, 1, MSG_PEEK | MSG_DONTWAIT) > 0;
}

/* Makes room for a new one: closes the connection that has been idle for longest. 0: none is, or
 * that one has just sent something. */
static int close_idle(struct server *s)
{
	struct server_connection *oldest = NULL;

	/* The newest stand first. */
	for (struct server_connection *c = s->connections; c; c = c->next) {
		if (!c->relay && http_serve_idle(&c->http) &&
		    (!oldest || c->timer.deadline_ms <= oldest->timer.deadline_ms))
			oldest = c;
	}
	if (!oldest || has_input(oldest))
		return 0;
	close_connection(oldest);
	return 1;
}

/* Takes what there is, writes what there is, and waits for what comes next. The connection may
 * be gone after. */
static void settle(struct server_connection *c)
{
	struct http_serve_event ev;
	enum taken taken;

	c->settling = 1;
	do {
		if (write_out(c) < 0) {
			close_connection(c);
			return;
		}
		taken = take_event(c, &ev);
	} while (taken == SOMETHING);
	if (taken == PASSED_ON)
		return;
	c->settling = 0;
	if (http_serve_finished(&c->http)) {
		shutdown(c->watch.fd, SHUT_WR);
		close_connection(c);
		return;
	}
	if (http_serve_idle(&c->http))
		resume_accepting(c->server);
	wait_for_more(c);
}

/* 0, or ERR_IO. */
static int read_in(struct server_connection *c)
{
	static char bytes[READ_BYTES];
	ssize_t n = recv(c->watch.fd, bytes, sizeof(bytes), MSG_DONTWAIT);

	if (n < 0)
		return errno == EAGAIN || errno == EINTR ? 0 : ERR_IO;
	if (n == 0)
		http_serve_eof(&c->http);
	else
		http_serve_feed(&c->http, (struct slice){ bytes, (size_t)n },
				loop_now_ms(c->server->loop));
	return 0;
}

static void on_ready(struct loop_watch *w, uint32_t events)
{
	struct server_connection *c = w->context;

	c->ahead |= (events & EPOLLIN) && !is_free(c);
	if ((events & EPOLLRDHUP) && c->id && !c->gone_ms)
		c->gone_ms = loop_now_ms(c->server->loop) + c->server->half_ms;
	if ((events & (EPOLLHUP | EPOLLERR)) ||
	    ((events & EPOLLIN) && is_free(c) && http_serve_wants(&c->http) && read_in(c) < 0))
		close_connection(c);
	else
		settle(c);
}

static void on_time(struct loop_timer *t)
{
	struct server_connection *c = t->context;
	uint64_t now = loop_now_ms(c->server->loop);

	if (c->gone_ms && now >= c->gone_ms) {
		close_connection(c);
		return;
	}
	http_serve_expire(&c->http, now);
	settle(c);
}

static void accept_one(struct server *s, int fd, int is_tcp)
{
	struct server_connection *c = mem_new(sizeof(*c));

	if (is_tcp)
		sock_nodelay(fd);
	c->server = s;
	c->is_tcp = is_tcp;
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
	if (loop_watch(s->loop, &c->watch, fd, EPOLLIN) < 0) {
		close(fd);
		drop(c);
		return;
	}
	set_timer(c);
}

static void accept_some(struct loop_watch *w, uint32_t events)
{
	struct server *s = w->context;
	int fd = ERR_LIMIT;

	(void)events;
	if (s->count < s->connections_max || close_idle(s)) {
		do {
			fd = sock_accept(w->fd);
			if (fd >= 0)
				accept_one(s, fd, w == &s->listeners[SERVER_TCP]);
		} while (fd >= 0 && s->count < s->connections_max);
	}
	if (fd == ERR_LIMIT || fd == ERR_IO)
		pause_accepting(s);
}

static void on_accept_time(struct loop_timer *t)
{
	resume_accepting(t->context);
}

/* So many that files and the engine's end of those passed through find descriptors, too. */
static uint32_t count_connections(void)
{
	struct rlimit r;
	uint64_t n;

	if (getrlimit(RLIMIT_NOFILE, &r) < 0)
		return SERVER_CONNECTIONS_MAX;
	n = r.rlim_cur > 2 * SERVER_SPARE_FDS ? (r.rlim_cur - SERVER_SPARE_FDS) / 2 :
						r.rlim_cur / 4;
	return n < SERVER_CONNECTIONS_MAX ? (uint32_t)n : SERVER_CONNECTIONS_MAX;
}

void server_init(struct server *s, struct loop *l, const struct server_handler *handler,
		 struct slice headers, const char *engine_path)
{
	*s = (struct server){ .loop = l, .handler = handler, .engine_path = engine_path };
	s->config = (struct http_serve_config){
		.headers = headers, .body_max = SERVER_BODY_MAX, .out_max = SERVER_OUT_MAX,
	};
	s->connections_max = count_connections();
	s->half_ms = SERVER_HALF_MS;
	s->accept_timer.call = on_accept_time;
	s->accept_timer.context = s;
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
	for (int i = 0; i < SERVER_LISTENERS; i++) {
		if (s->listeners[i].events)
			loop_close(s->loop, &s->listeners[i]);
	}
	loop_timer_clear(s->loop, &s->accept_timer);
	relay_pool_done(&s->relays);
	map_done(&s->requests);
}

static int watch_listener(struct server *s, int which, int fd, struct errmsg *msg)
{
	struct loop_watch *w = &s->listeners[which];

	w->call = accept_some;
	w->context = s;
	if (loop_watch(s->loop, w, fd, EPOLLIN) == 0)
		return 0;
	close(fd);
	return errmsg_set(msg, ERR_IO, "the listener cannot be watched");
}

int server_listen(struct server *s, const char *path, mode_t mode, struct errmsg *msg)
{
	int fd = sock_listen_unix(path, mode, msg);

	return fd < 0 ? fd : watch_listener(s, SERVER_UNIX, fd, msg);
}

int server_listen_tcp(struct server *s, const char *address, struct errmsg *msg)
{
	struct slice rest = slice_of(address), host = slice_cut(&rest, ':');
	uint64_t port;
	uint32_t to;
	int fd;

	if (ipv4_parse(host, &to) < 0 || slice_to_u64(rest, 65535, &port) < 0)
		return errmsg_set(msg, ERR_INVALID, "%s: not an IPv4 address and a port", address);
	fd = sock_listen_tcp(to, (uint16_t)port, msg);
	return fd < 0 ? errmsg_prefix(msg, fd, "tcp://%s", address) :
			watch_listener(s, SERVER_TCP, fd, msg);
}

/* A reply, or a piece of one, is in the machine's output. err < 0: more output than a client may
 * leave waiting; the machine is finished and settle closes it. */
static void answered(struct server_connection *c, int err, int more)
{
	struct server *s = c->server;
	uint64_t id = c->id;

	if (err < 0 || !more) {
		(void)map_remove(&s->requests, id_key(&id));
		c->id = 0;
		c->gone_ms = 0;
	}
	if (!c->settling)
		settle(c);
	if (err < 0 && more)
		s->handler->gone(s->handler->context, id);
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

void server_stop(struct server *s)
{
	s->config.closing = 1;
	resume_accepting(s);
	for (int i = 0; i < SERVER_LISTENERS; i++)
		loop_close(s->loop, &s->listeners[i]);
}

void server_flush(struct server *s, int timeout_ms)
{
	uint64_t end = clock_now_ms() + (uint64_t)timeout_ms;

	for (;;) {
		struct pollfd waits = { .fd = -1, .events = POLLOUT };

		for (struct server_connection *c = s->connections; c; c = c->next) {
			if (!c->relay && write_out(c) == 0 && http_serve_out(&c->http).len)
				waits.fd = c->watch.fd;
		}
		if (waits.fd < 0 || clock_now_ms() >= end)
			return;
		/* Others may be ready before this one: so not for long. */
		(void)poll(&waits, 1, FLUSH_STEP_MS);
	}
}
