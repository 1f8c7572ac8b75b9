/* Contracts are in engine.h and http/fetch.h. */
#include "io/engine.h"
#include <assert.h>
#include <errno.h>
#include <sys/socket.h>
#include <unistd.h>
#include "base/mem.h"
#include "http/fetch.h"
#include "io/sock.h"

struct engine_connection {
	struct engine *engine;
	struct engine_connection *next;	/* while idle */
	struct loop_watch watch;
	struct loop_timer timer;
	struct http_fetch http;
	uint64_t id;
	int busy;
	int used;		/* it has served a call before this one */
	int pieces;
	int status;
	struct buf error;	/* the body of a stream that is an error */
	struct errmsg failed;	/* the connect failed: told by the timer */
};

static struct slice id_key(const uint64_t *id)
{
	return (struct slice){ (const char *)id, sizeof(*id) };
}

static void free_connection(struct engine_connection *c)
{
	struct engine *e = c->engine;

	if (c->watch.events)
		loop_close(e->loop, &c->watch);
	loop_timer_clear(e->loop, &c->timer);
	http_fetch_done(&c->http);
	buf_done(&c->error);
	mem_free(c);
}

static void leave_idle(struct engine_connection *c)
{
	struct engine_connection **at = &c->engine->idle;

	while (*at != c)
		at = &(*at)->next;
	*at = c->next;
	c->engine->idle_count--;
}

/* Keeps the connection for the next call, without the memory of this one. */
static void keep_idle(struct engine_connection *c)
{
	struct engine *e = c->engine;
	struct http_fetch_event ev;

	loop_timer_clear(e->loop, &c->timer);
	(void)http_fetch_next(&c->http, &ev);	/* there is none: it lets go of the answer */
	buf_done(&c->error);
	c->busy = 0;
	c->used = 1;
	c->next = e->idle;
	e->idle = c;
	e->idle_count++;
}

/* The call is over: tells it, after the connection is put away, so that the handler may begin
 * the next call on it. */
static void finish(struct engine_connection *c, int status, struct slice body, const char *why)
{
	struct engine *e = c->engine;
	uint64_t id = c->id;
	struct buf copy;
	struct errmsg text = { { 0 } };

	errmsg_set(&text, 0, "%s", why);
	buf_init(&copy, ENGINE_BODY_MAX);
	buf_add_slice(&copy, body);
	(void)map_remove(&e->calls, id_key(&id));
	if (status && http_fetch_reusable(&c->http) && e->idle_count < ENGINE_IDLE_MAX &&
	    loop_rewatch(e->loop, &c->watch, EPOLLIN) == 0)
		keep_idle(c);
	else
		free_connection(c);
	e->handler->reply(e->handler->context, id, status, buf_slice(&copy), text.text);
	buf_done(&copy);
}

static int write_out(struct engine_connection *c)
{
	struct slice out;

	while ((out = http_fetch_out(&c->http)).len) {
		ssize_t n = send(c->watch.fd, out.data, out.len, MSG_NOSIGNAL | MSG_DONTWAIT);

		if (n < 0)
			return errno == EAGAIN || errno == EINTR ? 0 : ERR_IO;
		http_fetch_sent(&c->http, (size_t)n);
	}
	return 0;
}

/* 1 when the call is over (and c may be gone). */
static int take_event(struct engine_connection *c, const struct http_fetch_event *ev)
{
	struct engine *e = c->engine;
	uint64_t id = c->id;

	switch (ev->kind) {
	case HTTP_FETCH_HEAD:
		c->status = ev->head.status;
		return 0;
	case HTTP_FETCH_PIECE:
		if (c->status >= 300) {
			buf_add_slice(&c->error, ev->body);
			return 0;
		}
		e->handler->data(e->handler->context, id, ev->body);
		return map_get(&e->calls, id_key(&id)) != c;	/* it may have cancelled */
	case HTTP_FETCH_DONE:
		if (!c->pieces)
			finish(c, ev->head.status, ev->body, "");
		else
			finish(c, c->status, buf_slice(&c->error), "");
		return 1;
	case HTTP_FETCH_RAW:
	case HTTP_FETCH_ERROR:
		finish(c, 0, (struct slice){ NULL, 0 }, ev->kind == HTTP_FETCH_RAW ?
		       "it changed the protocol" : ev->why);
		return 1;
	case HTTP_FETCH_NONE:
		break;
	}
	return 0;
}

static void read_in(struct engine_connection *c)
{
	static char bytes[HTTP_FETCH_READ_MAX];
	struct http_fetch_event ev;
	ssize_t n = recv(c->watch.fd, bytes, sizeof(bytes), MSG_DONTWAIT);

	if (n < 0 && (errno == EAGAIN || errno == EINTR))
		return;
	if (n > 0)
		http_fetch_feed(&c->http, (struct slice){ bytes, (size_t)n });
	else
		http_fetch_eof(&c->http);
	while (http_fetch_next(&c->http, &ev)) {
		if (take_event(c, &ev))
			return;
	}
}

static void on_ready(struct loop_watch *w, uint32_t events)
{
	struct engine_connection *c = w->context;

	if (!c->busy) {		/* an idle one speaks: it is closing */
		leave_idle(c);
		free_connection(c);
		return;
	}
	/* An engine that takes no more may still have answered: what it sent is read either way. */
	if ((events & EPOLLOUT) && (write_out(c) < 0 || http_fetch_out(&c->http).len == 0))
		(void)loop_rewatch(c->engine->loop, w, EPOLLIN);
	if (events & (EPOLLIN | EPOLLHUP | EPOLLERR))
		read_in(c);
}

static void on_time(struct loop_timer *t)
{
	struct engine_connection *c = t->context;

	finish(c, 0, (struct slice){ NULL, 0 }, c->failed.text[0] ? c->failed.text :
	       "no answer in time");
}

void engine_init(struct engine *e, struct loop *l, const struct engine_handler *handler,
		 const char *path)
{
	*e = (struct engine){ .loop = l, .handler = handler, .path = path };
	map_init(&e->calls);
}

void engine_done(struct engine *e)
{
	for (struct map_entry *m = map_first(&e->calls); m; m = map_next(m))
		free_connection(m->value);
	map_done(&e->calls);
	while (e->idle) {
		struct engine_connection *c = e->idle;

		leave_idle(c);
		free_connection(c);
	}
}

static struct engine_connection *new_connection(struct engine *e)
{
	struct engine_connection *c = mem_new(sizeof(*c));
	int fd;

	c->engine = e;
	c->watch.call = on_ready;
	c->watch.context = c;
	c->timer.call = on_time;
	c->timer.context = c;
	http_fetch_init(&c->http, ENGINE_BODY_MAX);
	buf_init(&c->error, ENGINE_ERROR_MAX);
	fd = sock_connect_unix(e->path, &c->failed);
	if (fd >= 0 && loop_watch(e->loop, &c->watch, fd, EPOLLIN) < 0) {
		errmsg_set(&c->failed, ERR_LIMIT, "too many descriptors");
		close(fd);
	}
	return c;
}

/* A connection on which the request is under way, or one that failed. An engine that closed an
 * idle connection refuses the first byte on it: then the next one is taken, as nothing of the
 * request has reached it. */
static struct engine_connection *send_request(struct engine *e, const struct http_request *http,
					      enum http_fetch_mode mode)
{
	struct engine_connection *c;

	for (;;) {
		c = e->idle;
		if (c)
			leave_idle(c);
		else
			c = new_connection(e);
		if (c->failed.text[0])
			return c;
		http_fetch_start(&c->http, http, mode);
		/* On a new one the end of the connection will tell, maybe behind an answer. */
		if (write_out(c) == 0 || !c->used)
			break;
		free_connection(c);
	}
	if (http_fetch_out(&c->http).len &&
	    loop_rewatch(e->loop, &c->watch, EPOLLIN | EPOLLOUT) < 0)
		errmsg_set(&c->failed, ERR_IO, "the connection cannot be watched");
	return c;
}

void engine_call(struct engine *e, const struct engine_request *request)
{
	struct http_request http = {
		.method = request->method, .target = request->target, .body = request->body,
	};
	struct engine_connection *c;

	if (request->body.len)
		http.content_type = SLICE("application/json");
	c = send_request(e, &http, request->pieces ? HTTP_FETCH_PIECES : HTTP_FETCH_WHOLE);
	c->id = request->id;
	c->busy = 1;
	c->pieces = request->pieces;
	c->status = 0;
	assert(!map_get(&e->calls, id_key(&c->id)));
	map_set(&e->calls, id_key(&c->id), c);
	if (c->failed.text[0])		/* told by the timer, not from in here */
		loop_timer_set(e->loop, &c->timer, loop_now_ms(e->loop));
	else if (request->timeout_ms)
		loop_timer_set(e->loop, &c->timer, loop_now_ms(e->loop) + request->timeout_ms);
}

void engine_cancel(struct engine *e, uint64_t id)
{
	struct engine_connection *c = map_remove(&e->calls, id_key(&id));

	if (c)
		free_connection(c);
}
