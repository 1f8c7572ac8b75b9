/*
 * Contracts are in channel.h.
 *
 * The first bytes decide whether a stranger is worth a TLS engine: before they have come, an
 * accepted connection costs its struct alone, and what does not begin as TLS is closed.
 *
 * A record is sealed in the engine's buffer and waits there until the socket has taken it, so
 * bytes are copied once, from `out` into the engine, where they are sealed in place. What was
 * read is fed whole: the engine refuses bytes only while text waits to be read (it is read at
 * once) or its own answer waits to be sent, which fits any socket during a handshake and
 * never happens after it.
 */
#include "io/channel.h"
#include <assert.h>
#include <errno.h>
#include <sys/socket.h>
#include <unistd.h>
#include "base/mem.h"
#include "io/clock.h"
#include "io/entropy.h"
#include "io/sock.h"

enum { TLS_HANDSHAKE_RECORD = 0x16 };	/* RFC 5246, 6.2.1: the first byte of a connection */

struct channel_secret {
	struct tls tls;
	char buffer[];
};

static void on_ready(struct loop_watch *w, uint32_t events);
static void on_time(struct loop_timer *t);

void channel_init(struct channel *c, struct loop *l, const struct channel_config *config,
		  uint32_t frame_max)
{
	c->stage = CHANNEL_CONNECTING;
	c->loop = l;
	c->config = config;
	c->watch = (struct loop_watch){ .call = on_ready, .context = c, .fd = -1 };
	c->timer = (struct loop_timer){ .call = on_time, .context = c };
	c->secret = NULL;
	frames_init(&c->frames, frame_max);
	buf_init(&c->out, CHANNEL_OUT_MAX);
	c->out_at = 0;
	c->kept = 0;
	c->failed = 0;
	c->why.text[0] = '\0';
}

static void release(struct channel *c)
{
	if (c->watch.events) {
		/* A child that saves a snapshot may have the socket, too: closing it here would
		 * neither tell the other end nor take it out of the loop. */
		loop_unwatch(c->loop, &c->watch);
		shutdown(c->watch.fd, SHUT_RDWR);
		close(c->watch.fd);
	}
	loop_timer_clear(c->loop, &c->timer);
	if (c->secret)
		tls_done(&c->secret->tls);
	mem_free(c->secret);
	c->secret = NULL;
	frames_done(&c->frames);
	buf_done(&c->out);
}

void channel_close(struct channel *c)
{
	release(c);
}

/* From now on it only waits for the loop to call `ended`. */
static void fail(struct channel *c, int err)
{
	if (c->failed)
		return;
	c->failed = err;
	loop_timer_set(c->loop, &c->timer, 0);
}

/* Calls `ended`, from the loop. Nothing of c may be touched after. */
static void finish(struct channel *c)
{
	struct errmsg why = c->why;
	int err = c->failed;

	release(c);
	c->ended(c, err, &why);
}

static void watch(struct channel *c, int fd, uint32_t events)
{
	if (loop_watch(c->loop, &c->watch, fd, events) == 0)
		return;
	close(fd);
	fail(c, errmsg_set(&c->why, ERR_LIMIT, "the socket cannot be watched"));
}

void channel_limit(struct channel *c, uint64_t limit_ms)
{
	if (!c->failed)
		loop_timer_set(c->loop, &c->timer, loop_now_ms(c->loop) + limit_ms);
}

void channel_dial(struct channel *c, uint32_t address, uint16_t port)
{
	int fd = sock_connect_tcp(address, port, &c->why);

	if (fd < 0) {
		fail(c, fd);
		return;
	}
	watch(c, fd, EPOLLOUT);
	channel_limit(c, CHANNEL_CONNECT_MS);
}

void channel_take(struct channel *c, int fd)
{
	sock_nodelay(fd);
	sock_end_when_silent(fd, CHANNEL_SILENT_MS);
	c->stage = CHANNEL_SILENT;
	watch(c, fd, EPOLLIN);
	channel_limit(c, CHANNEL_SHAKE_MS);
}

void channel_keep(struct channel *c, uint32_t frame_max)
{
	c->kept = 1;
	frames_set_max(&c->frames, frame_max);
	if (!c->failed)
		loop_timer_clear(c->loop, &c->timer);
}

const char *channel_peer_name(const struct channel *c)
{
	return tls_peer_name(&c->secret->tls);
}

const char *channel_peer_unit(const struct channel *c)
{
	return tls_peer_unit(&c->secret->tls);
}

static void shake(struct channel *c, int dialed)
{
	size_t size = dialed && c->config->small ? TLS_BUFFER_SMALL : TLS_BUFFER_FULL;
	struct tls_config config = {
		.identity = c->config->identity,
		.anchors = c->config->anchors,
		.anchor_count = c->config->anchor_count,
		.pin = c->config->pin,
		.strangers = c->config->strangers,
		.now_s = clock_wall_ns() / 1000000000,
	};

	entropy_fill(config.seed, sizeof(config.seed));
	c->stage = CHANNEL_SHAKING;
	c->secret = mem_new(sizeof(*c->secret) + size);
	if (dialed)
		tls_init_client(&c->secret->tls, &config, c->secret->buffer, size);
	else
		tls_init_server(&c->secret->tls, &config, c->secret->buffer, size);
	mem_wipe(config.seed, sizeof(config.seed));
}

/* Writing. */

static void drop_sent(struct channel *c)
{
	if (c->out_at < c->out.len)
		return;
	if (c->out.len > CHANNEL_OUT_KEEP)
		buf_done(&c->out);
	else
		buf_reset(&c->out);
	c->out_at = 0;
}

/* Moves text into the engine; 0 if it takes none or there is none. */
static size_t seal_some(struct channel *c)
{
	struct slice rest = { c->out.data + c->out_at, c->out.len - c->out_at };
	size_t n = rest.len ? tls_write(&c->secret->tls, rest) : 0;

	c->out_at += n;
	if (n > 0 && n == rest.len) {
		tls_flush(&c->secret->tls);
		drop_sent(c);
	}
	return n;
}

/* Until the socket takes no more, or there is no more. 0, or an error. */
static int write_out(struct channel *c)
{
	for (;;) {
		struct slice out = tls_out(&c->secret->tls);
		ssize_t n;

		if (out.len == 0 && seal_some(c) == 0)
			return 0;
		if (out.len == 0)
			continue;
		n = send(c->watch.fd, out.data, out.len, MSG_NOSIGNAL | MSG_DONTWAIT);
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0 && errno == EAGAIN)
			return 0;
		if (n < 0)
			return errmsg_set(&c->why, ERR_UNAVAILABLE, "the connection broke off");
		tls_sent(&c->secret->tls, (size_t)n);
	}
}

static void wait_for_more(struct channel *c)
{
	int waits = tls_out(&c->secret->tls).len > 0;

	if (loop_rewatch(c->loop, &c->watch, waits ? EPOLLIN | EPOLLOUT : EPOLLIN) < 0)
		fail(c, errmsg_set(&c->why, ERR_LIMIT, "the socket cannot be watched"));
}

static void gather(struct channel *c, struct slice head, struct slice body)
{
	if (c->failed)
		return;
	assert(c->stage == CHANNEL_OPEN);
	/* What is sent already does not count, but moving the rest down must stay rare. */
	if (c->out_at > CHANNEL_OUT_MAX / 2) {
		buf_consume(&c->out, c->out_at);
		c->out_at = 0;
	}
	frames_add_two(&c->out, head, body);
	if (c->out.failed)
		fail(c, errmsg_set(&c->why, ERR_LIMIT, "the other end takes too little: "
				   "%zu bytes wait", c->out.len - c->out_at));
}

void channel_send(struct channel *c, struct slice body)
{
	gather(c, (struct slice){ NULL, 0 }, body);
}

void channel_send_kind(struct channel *c, char kind, struct slice body)
{
	gather(c, (struct slice){ &kind, 1 }, body);
}

void channel_flush(struct channel *c)
{
	int err;

	if (c->failed || c->out.len == 0)
		return;
	/* The socket is full: it tells when it is not. */
	if (c->watch.events & EPOLLOUT)
		return;
	err = write_out(c);
	if (err < 0)
		fail(c, err);
	else
		wait_for_more(c);
}

/* Reading. */

/* 0, or an error. */
static int hand_over(struct channel *c, struct slice text)
{
	struct slice body;
	int err, got;

	while ((got = frames_next(&c->frames, &text, &body)) == 1) {
		err = c->frame(c, body);
		if (err == 0)
			err = c->failed;
		if (err < 0)
			return err;
	}
	return got < 0 ? errmsg_set(&c->why, got, "a message is too long") : 0;
}

static int look_if_open(struct channel *c)
{
	if (c->stage == CHANNEL_SHAKING && tls_is_open(&c->secret->tls)) {
		c->stage = CHANNEL_OPEN;
		c->ready(c);
	}
	return c->failed;
}

static int read_text(struct channel *c)
{
	struct slice text;

	while ((text = tls_read(&c->secret->tls)).len) {
		int err = hand_over(c, text);

		if (err < 0)
			return err;
		tls_taken(&c->secret->tls, text.len);
	}
	return 0;
}

/* 0, or an error. */
static int take(struct channel *c, struct slice in)
{
	while (in.len) {
		size_t n = tls_feed(&c->secret->tls, in);
		int err;

		in.data += n;
		in.len -= n;
		if (c->stage == CHANNEL_SHAKING) {
			err = write_out(c);
			if (err < 0)
				return err;
		}
		err = look_if_open(c);
		if (err == 0)
			err = read_text(c);
		if (err == 0)
			err = tls_error(&c->secret->tls, &c->why);
		if (err < 0)
			return err;
		if (n == 0)
			return errmsg_set(&c->why, ERR_LIMIT, "the handshake got stuck");
	}
	return 0;
}

static int gone(struct channel *c, int error)
{
	const char *what = "the other end closed the connection";

	if (error == ETIMEDOUT || error == EHOSTUNREACH || error == ENETUNREACH)
		what = "the other host does not answer any more";
	else if (c->stage != CHANNEL_OPEN)
		what = "the other end closed the connection during the handshake";
	return errmsg_set(&c->why, ERR_UNAVAILABLE, "%s", what);
}

/* 0, or an error. */
static int read_in(struct channel *c)
{
	static char bytes[CHANNEL_READ_BYTES];

	for (int i = 0; i < CHANNEL_READ_TURNS; i++) {
		size_t size = c->stage == CHANNEL_OPEN ? sizeof(bytes) : CHANNEL_SHAKE_BYTES;
		ssize_t n = recv(c->watch.fd, bytes, size, MSG_DONTWAIT);
		int err;

		if (n < 0 && (errno == EAGAIN || errno == EINTR))
			return 0;
		if (n <= 0)
			return gone(c, n < 0 ? errno : 0);
		if (c->stage == CHANNEL_SILENT) {
			if (bytes[0] != TLS_HANDSHAKE_RECORD)
				return errmsg_set(&c->why, ERR_CORRUPT, "what comes is not TLS");
			shake(c, 0);
		}
		err = take(c, (struct slice){ bytes, (size_t)n });
		if (err < 0 || n < (ssize_t)sizeof(bytes))
			return err;	/* what is left of a handshake: in the next turn */
	}
	return 0;
}

static int connected(struct channel *c)
{
	int err = sock_connected(c->watch.fd, &c->why);

	if (err < 0)
		return err;
	sock_end_when_silent(c->watch.fd, CHANNEL_SILENT_MS);
	channel_limit(c, CHANNEL_SHAKE_MS);
	shake(c, 1);
	return write_out(c);
}

static void on_ready(struct loop_watch *w, uint32_t events)
{
	struct channel *c = w->context;
	int err = c->failed;

	if (err == 0 && c->stage == CHANNEL_CONNECTING) {
		err = connected(c);
	} else if (err == 0) {
		/* What it said before it went is read first. */
		if (events & ~(uint32_t)EPOLLOUT)
			err = read_in(c);
		/* What a kept one says in answer waits for channel_flush. */
		if (err == 0 && c->secret && (!c->kept || (events & EPOLLOUT)))
			err = write_out(c);
	}
	if (err == 0 && c->secret)
		wait_for_more(c);
	if (err < 0 && !c->failed)
		c->failed = err;
	if (c->failed)
		finish(c);
}

static void on_time(struct loop_timer *t)
{
	struct channel *c = t->context;

	if (!c->failed)
		c->failed = errmsg_set(&c->why, ERR_TIMEOUT, "%s",
				       c->stage == CHANNEL_CONNECTING ? "no answer" :
				       c->stage == CHANNEL_OPEN ? "it said nothing in time" :
				       "no handshake in time");
	finish(c);
}
