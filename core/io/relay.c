#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/mem.h"
#include "io/relay.h"
#include "io/sock.h"

/* What a step of one direction came to. */
enum outcome {
	GO_ON,		/* bytes moved, there may be more */
	WAIT,		/* nothing more before the next event */
	OVER,		/* the relay is done and maybe freed: touch nothing */
};

void relay_pool_init(struct relay_pool *p, struct loop *l)
{
	memset(p, 0, sizeof(*p));
	p->loop = l;
	p->buffer = mem_resize(NULL, RELAY_BUFFER);
}

void relay_pool_done(struct relay_pool *p)
{
	assert(p->pipe_count == p->idle_count && p->held == 0);
	for (uint32_t i = 0; i < p->idle_count; i++) {
		close(p->idle[i][0]);
		close(p->idle[i][1]);
	}
	mem_free(p->buffer);
	memset(p, 0, sizeof(*p));
}

/* A pipe for a stream; 0 when there is none to be had. */
static int take_pipe(struct relay_pool *p, struct relay_side *s)
{
	if (s->pipe[0] >= 0)
		return 1;
	if (p->idle_count > 0) {
		p->idle_count--;
		memcpy(s->pipe, p->idle[p->idle_count], sizeof(s->pipe));
		return 1;
	}
	if (p->pipe_count == RELAY_PIPES || pipe2(s->pipe, O_NONBLOCK | O_CLOEXEC) < 0) {
		s->pipe[0] = -1;
		return 0;
	}
	p->pipe_count++;
	return 1;
}

/* Gives the pipe back; one that still holds bytes is of no more use. */
static void leave_pipe(struct relay_pool *p, struct relay_side *s)
{
	if (s->pipe[0] < 0)
		return;
	if (s->piped == 0 && p->idle_count < RELAY_PIPES_IDLE) {
		memcpy(p->idle[p->idle_count++], s->pipe, sizeof(s->pipe));
	} else {
		close(s->pipe[0]);
		close(s->pipe[1]);
		p->pipe_count--;
	}
	s->pipe[0] = -1;
	s->piped = 0;
}

static void drop_held(struct relay_pool *p, struct relay_side *s)
{
	if (!s->held)
		return;
	p->held -= s->held_len;
	mem_free(s->held);
	s->held = NULL;
	s->held_at = 0;
	s->held_len = 0;
}

void relay_stop(struct relay *r)
{
	loop_timer_clear(r->pool->loop, &r->again);
	for (int i = 0; i < 2; i++) {
		leave_pipe(r->pool, &r->side[i]);
		drop_held(r->pool, &r->side[i]);
		loop_close(r->pool->loop, &r->side[i].watch);
	}
}

static enum outcome finish(struct relay *r, int err)
{
	if (err < 0) {
		sock_reset_on_close(r->side[0].watch.fd);
		sock_reset_on_close(r->side[1].watch.fd);
	}
	relay_stop(r);
	r->done(r, err);
	return OVER;
}

/* The side `to` takes no more. What it sent before is still wanted; what is meant for it is
 * read and thrown away, so that a peer that only writes comes to read. */
static enum outcome give_up(struct relay *r, struct relay_side *from, struct relay_side *to)
{
	r->err = ERR_IO;
	from->passed = 1;
	from->streaming = 0;
	leave_pipe(r->pool, from);
	drop_held(r->pool, from);
	if (to->passed)
		return finish(r, ERR_IO);
	return GO_ON;
}

static int failed_for_good(void)
{
	return errno != EAGAIN && errno != EINTR;
}

/* The other side does not take more: its EPOLLOUT will tell. */
static enum outcome wait_for_room(struct relay *r, struct relay_side *to)
{
	if (loop_rewatch(r->pool->loop, &to->watch, RELAY_EVENTS) < 0)
		return finish(r, ERR_IO);
	return WAIT;
}

static int hold(struct relay_pool *p, struct relay_side *from, const char *data, uint32_t n)
{
	if (n > RELAY_HELD_MAX - p->held)
		return ERR_LIMIT;
	from->held = mem_resize(NULL, n);
	memcpy(from->held, data, n);
	from->held_at = 0;
	from->held_len = n;
	p->held += n;
	return 0;
}

/* Delivers what waits; GO_ON when nothing waits any more. */
static enum outcome flush(struct relay *r, struct relay_side *from, struct relay_side *to)
{
	while (from->held) {
		ssize_t n = send(to->watch.fd, from->held + from->held_at,
			from->held_len - from->held_at, MSG_NOSIGNAL);

		if (n < 0 && failed_for_good())
			return give_up(r, from, to);
		if (n < 0)
			return wait_for_room(r, to);
		from->held_at += (uint32_t)n;
		if (from->held_at == from->held_len)
			drop_held(r->pool, from);
	}
	while (from->piped > 0) {
		ssize_t n = splice(from->pipe[0], NULL, to->watch.fd, NULL, from->piped,
			SPLICE_F_MOVE | SPLICE_F_NONBLOCK);

		if (n < 0 && failed_for_good())
			return give_up(r, from, to);
		if (n <= 0)
			return wait_for_room(r, to);
		from->piped -= (uint32_t)n;
	}
	return GO_ON;
}

static enum outcome copy(struct relay *r, struct relay_side *from, struct relay_side *to)
{
	char *data = r->pool->buffer;
	ssize_t sent, n = recv(from->watch.fd, data, RELAY_BUFFER, 0);
	int err;

	if (n < 0 && failed_for_good())
		return finish(r, ERR_IO);
	if (n <= 0) {
		from->ended = n == 0;
		from->readable = 0;
		return WAIT;
	}
	from->bytes += (uint64_t)n;
	/* Less than asked for: drained, and what comes later makes an event. An end that was
	 * told of in the same event as the bytes makes none. */
	from->readable = n == RELAY_BUFFER || from->hangup;
	if (from->passed)
		return GO_ON;
	from->streaming = n >= RELAY_STREAM;
	sent = send(to->watch.fd, data, (size_t)n, MSG_NOSIGNAL);
	if (sent == n)
		return GO_ON;
	if (sent < 0 && failed_for_good())
		return give_up(r, from, to);
	if (sent < 0)
		sent = 0;
	err = hold(r->pool, from, data + sent, (uint32_t)(n - sent));
	if (err < 0)
		return finish(r, err);
	return wait_for_room(r, to);
}

static enum outcome stream(struct relay *r, struct relay_side *from, struct relay_side *to)
{
	ssize_t n;

	if (!take_pipe(r->pool, from)) {
		from->streaming = 0;
		return copy(r, from, to);
	}
	n = splice(from->watch.fd, NULL, from->pipe[1], NULL, RELAY_BUFFER,
		SPLICE_F_MOVE | SPLICE_F_NONBLOCK);
	if (n < 0 && failed_for_good())
		return finish(r, ERR_IO);
	if (n <= 0) {
		from->ended = n == 0;
		from->readable = 0;
		from->streaming = from->burst >= RELAY_STREAM;
		from->burst = 0;
		leave_pipe(r->pool, from);
		return WAIT;
	}
	from->bytes += (uint64_t)n;
	from->piped = (uint32_t)n;
	from->burst = from->burst < RELAY_STREAM ? from->burst + (uint32_t)n : RELAY_STREAM;
	return flush(r, from, to);
}

/* All that came is delivered and no more will come: tell the other side. */
static enum outcome pass_end(struct relay *r, struct relay_side *from, struct relay_side *to)
{
	from->passed = 1;
	if (to->passed)
		return finish(r, r->err);
	/* Fails when the connection is gone, which an event tells too. */
	shutdown(to->watch.fd, SHUT_WR);
	return WAIT;
}

/* Moves what can be moved from one side to the other. */
static enum outcome pump(struct relay *r, struct relay_side *from, struct relay_side *to)
{
	enum outcome o = flush(r, from, to);

	for (int turn = 0; o == GO_ON && from->readable; turn++) {
		if (turn == RELAY_TURN) {
			loop_timer_set(r->pool->loop, &r->again, loop_now_ms(r->pool->loop));
			return WAIT;
		}
		o = from->streaming ? stream(r, from, to) : copy(r, from, to);
	}
	if (o != OVER && from->ended && !from->passed && !from->held && !from->piped)
		return pass_end(r, from, to);
	return o;
}

static void ready(struct relay *r, struct relay_side *s, struct relay_side *other,
	uint32_t events)
{
	if (events & (EPOLLRDHUP | EPOLLHUP | EPOLLERR))
		s->hangup = 1;
	if (!s->ended && (events & (EPOLLIN | EPOLLRDHUP | EPOLLHUP | EPOLLERR))) {
		s->readable = 1;
		if (pump(r, s, other) == OVER)
			return;
	} else if ((events & EPOLLERR) && !other->passed) {
		/* Read to its end already, so nothing else would find the error. */
		if (give_up(r, other, s) != OVER)
			pump(r, other, s);
		return;
	}
	if ((events & EPOLLOUT) && (other->held || other->piped))
		pump(r, other, s);
}

static void ready0(struct loop_watch *w, uint32_t events)
{
	struct relay *r = w->context;

	ready(r, &r->side[0], &r->side[1], events);
}

static void ready1(struct loop_watch *w, uint32_t events)
{
	struct relay *r = w->context;

	ready(r, &r->side[1], &r->side[0], events);
}

static void go_on(struct loop_timer *t)
{
	struct relay *r = t->context;

	if (pump(r, &r->side[0], &r->side[1]) != OVER)
		pump(r, &r->side[1], &r->side[0]);
}

void relay_init(struct relay *r, struct relay_pool *p)
{
	r->pool = p;
	r->side[0].pipe[0] = -1;
	r->side[1].pipe[0] = -1;
	r->again.call = go_on;
	r->again.context = r;
}

int relay_give(struct relay *r, int from, struct slice bytes)
{
	struct relay_side *s = &r->side[from];

	assert(!s->held);
	if (bytes.len == 0)
		return 0;
	if (bytes.len > RELAY_BUFFER)
		return ERR_LIMIT;
	return hold(r->pool, s, bytes.data, (uint32_t)bytes.len);
}

int relay_start(struct relay *r, int fd0, int fd1)
{
	static void (*const calls[2])(struct loop_watch *, uint32_t) = { ready0, ready1 };
	int fds[2] = { fd0, fd1 };
	int err = 0;

	assert(r->done);
	for (int i = 0; i < 2; i++) {
		struct loop_watch *w = &r->side[i].watch;

		w->call = calls[i];
		w->context = r;
		/* Not for EPOLLOUT: it would be reported at once, and most sides never block. */
		if (w->events == 0 && err == 0)
			err = loop_watch(r->pool->loop, w, fds[i],
				RELAY_EVENTS & ~(uint32_t)EPOLLOUT);
	}
	if (err == 0 && (r->side[0].held || r->side[1].held))
		loop_timer_set(r->pool->loop, &r->again, loop_now_ms(r->pool->loop));
	return err;
}
