/*
 * Sockets here are non-blocking as all of ours; waiting is one poll with a deadline. A kept
 * connection that the server has closed in between is found out only by using it: then a GET
 * is sent once more on a fresh one. Anything else may have been done already, and is not.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <poll.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "http/url.h"
#include "io/client.h"
#include "io/clock.h"
#include "io/sock.h"

void client_init(struct client *c, const char *host)
{
	c->host = host;
	c->fd = -1;
}

static void hang_up(struct client *c)
{
	if (c->fd < 0)
		return;
	http_fetch_done(&c->fetch);
	close(c->fd);
	c->fd = -1;
}

void client_done(struct client *c)
{
	hang_up(c);
}

/* 0 when the socket is ready for events, ERR_TIMEOUT, ERR_IO. */
static int wait_for(int fd, short events, uint64_t deadline_ms)
{
	for (;;) {
		struct pollfd p = { .fd = fd, .events = events };
		uint64_t now = clock_now_ms();
		int left = -1, n;

		if (deadline_ms) {
			if (now >= deadline_ms)
				return ERR_TIMEOUT;
			left = (int)(deadline_ms - now > 60000 ? 60000 : deadline_ms - now);
		}
		n = poll(&p, 1, left);
		if (n > 0)
			return 0;
		if (n < 0 && errno != EINTR)
			return ERR_IO;
	}
}

static int connect_tcp(const struct http_address *to, struct errmsg *msg)
{
	char text[INET_ADDRSTRLEN] = { 0 };
	struct in_addr address;
	int fd, err;

	if (to->host.len >= sizeof(text))
		return errmsg_set(msg, ERR_UNSUPPORTED, "the host must be an IPv4 address");
	memcpy(text, to->host.data, to->host.len);
	if (inet_pton(AF_INET, strcmp(text, "localhost") ? text : "127.0.0.1", &address) != 1)
		return errmsg_set(msg, ERR_UNSUPPORTED, "the host must be an IPv4 address");
	fd = sock_connect_tcp(ntohl(address.s_addr), to->port, msg);
	if (fd < 0)
		return fd;
	err = wait_for(fd, POLLOUT, clock_now_ms() + CLIENT_CONNECT_MS);
	if (err == 0)
		err = sock_connected(fd, msg);
	else
		errmsg_set(msg, err, "%s", err_text(err));
	if (err == 0)
		return fd;
	close(fd);
	return err;
}

static int connect_unix(const struct http_address *to, struct errmsg *msg)
{
	char path[SOCK_PATH_MAX + 1];
	int fd;

	if (to->path.len > SOCK_PATH_MAX)
		return errmsg_set(msg, ERR_LIMIT, "a socket's path has at most %d bytes",
			SOCK_PATH_MAX);
	memcpy(path, to->path.data, to->path.len);
	path[to->path.len] = '\0';
	fd = sock_connect_unix(path, msg);
	/* The address names the path already. */
	if (fd == ERR_NOT_FOUND)
		errmsg_set(msg, fd, "no such file");
	else if (fd == ERR_DENIED)
		errmsg_set(msg, fd, "permission denied");
	else if (fd == ERR_UNAVAILABLE)
		errmsg_set(msg, fd, "nobody answers");
	return fd;
}

static int dial(struct client *c, struct errmsg *msg)
{
	struct http_address to;
	int fd = http_address_parse(slice_of(c->host), &to, msg);

	if (fd < 0)
		return fd;
	fd = to.kind == HTTP_ADDRESS_UNIX ? connect_unix(&to, msg) : connect_tcp(&to, msg);
	if (fd < 0)
		return errmsg_prefix(msg, fd, "%s", c->host);
	c->fd = fd;
	http_fetch_init(&c->fetch, CLIENT_BODY_MAX);
	return 0;
}

static int broken(struct client *c, struct errmsg *msg, int err)
{
	return errmsg_set(msg, err, "%s: %s", c->host,
		err == ERR_TIMEOUT ? "no answer in time" : "the connection broke off");
}

static int send_all(struct client *c, uint64_t deadline_ms, struct errmsg *msg)
{
	for (;;) {
		struct slice out = http_fetch_out(&c->fetch);
		ssize_t n;

		if (out.len == 0)
			return 0;
		n = send(c->fd, out.data, out.len, MSG_NOSIGNAL);
		if (n > 0) {
			http_fetch_sent(&c->fetch, (size_t)n);
		} else if (n < 0 && errno == EAGAIN) {
			int err = wait_for(c->fd, POLLOUT, deadline_ms);

			if (err < 0)
				return broken(c, msg, err);
		} else if (n < 0 && errno != EINTR) {
			return broken(c, msg, ERR_IO);
		}
	}
}

/* 1 at the end, 0 to go on, or an error. */
static int take_event(struct client *c, struct client_exchange *x,
		      const struct http_fetch_event *ev, struct errmsg *msg)
{
	switch (ev->kind) {
	case HTTP_FETCH_HEAD:
		x->status = ev->head.status;
		return 0;
	case HTTP_FETCH_PIECE:
		if (x->piece && x->status / 100 == 2)
			return x->piece(x->context, ev->body) ? 1 : 0;
		if (x->body->len + ev->body.len > CLIENT_BODY_MAX)
			return errmsg_set(msg, ERR_LIMIT, "%s: the answer is too long", c->host);
		buf_add_slice(x->body, ev->body);
		return 0;
	case HTTP_FETCH_DONE:
		if (x->piece)
			return 1;
		x->status = ev->head.status;
		buf_add_slice(x->body, ev->body);
		return 1;
	case HTTP_FETCH_ERROR:
		if (ev->err == ERR_IO)
			return broken(c, msg, ERR_IO);
		return errmsg_set(msg, ev->err == ERR_LIMIT ? ERR_LIMIT : ERR_CORRUPT, "%s: %s",
			c->host, ev->why);
	case HTTP_FETCH_RAW:
	case HTTP_FETCH_NONE:
		break;
	}
	return 0;
}

static int receive(struct client *c, struct client_exchange *x, uint64_t deadline_ms,
		   struct errmsg *msg)
{
	char bytes[HTTP_FETCH_READ_MAX];

	for (;;) {
		struct http_fetch_event ev;
		ssize_t n = read(c->fd, bytes, sizeof(bytes));
		int r = 0;

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0 && errno == EAGAIN) {
			r = wait_for(c->fd, POLLIN, deadline_ms);
			if (r < 0)
				return broken(c, msg, r);
			continue;
		}
		if (n < 0)
			return broken(c, msg, ERR_IO);
		if (n == 0)
			http_fetch_eof(&c->fetch);
		else
			http_fetch_feed(&c->fetch, (struct slice){ bytes, (size_t)n });
		while (r == 0 && http_fetch_next(&c->fetch, &ev) != HTTP_FETCH_NONE)
			r = take_event(c, x, &ev, msg);
		if (r != 0)
			return r < 0 ? r : 0;
		if (n == 0)
			return broken(c, msg, ERR_IO);
	}
}

int client_exchange(struct client *c, struct client_exchange *x, struct errmsg *msg)
{
	uint64_t deadline_ms = x->timeout_ms ? clock_now_ms() + x->timeout_ms : 0;
	int err;

	for (;;) {
		int again = c->fd >= 0;

		err = again ? 0 : dial(c, msg);
		if (err < 0)
			return err;
		x->status = 0;
		http_fetch_start(&c->fetch, x->request,
			x->piece ? HTTP_FETCH_PIECES : HTTP_FETCH_WHOLE);
		err = send_all(c, deadline_ms, msg);
		if (err == 0)
			err = receive(c, x, deadline_ms, msg);
		if (err < 0 || !http_fetch_reusable(&c->fetch))
			hang_up(c);
		if (err != ERR_IO || !again || x->status || !slice_is(x->request->method, "GET"))
			break;
	}
	if (err == 0 && x->body && x->body->failed)
		return errmsg_set(msg, ERR_LIMIT, "%s: the answer is too long", c->host);
	return err;
}
