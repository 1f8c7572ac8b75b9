/* The client's socket: every wait ends with the exchange's time. */
#include "wire.h"
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

enum { ANSWER_BYTES = 8 << 20, READ_BYTES = 64 << 10 };

uint64_t wire_now_ns(void)
{
	struct timespec t;
	clock_gettime(CLOCK_MONOTONIC, &t);
	return (uint64_t)t.tv_sec * 1000000000 + (uint64_t)t.tv_nsec;
}

void wire_init(struct wire *w)
{
	memset(w, 0, sizeof(*w));
	w->fd = -1;
	buf_init(&w->in, ANSWER_BYTES);
}

void wire_close(struct wire *w)
{
	if (w->fd >= 0)
		close(w->fd);
	w->fd = -1;
}

void wire_done(struct wire *w)
{
	wire_close(w);
	buf_done(&w->in);
}

static int wait_for(int fd, short what, uint64_t end_ns)
{
	struct pollfd p = { fd, what, 0 };
	uint64_t now = wire_now_ns();
	if (now >= end_ns)
		return -1;
	return poll(&p, 1, (int)((end_ns - now) / 1000000) + 1) == 1 ? 0 : -1;
}

static int open_socket(const char *endpoint, struct sockaddr_storage *address, socklen_t *len)
{
	memset(address, 0, sizeof(*address));
	if (endpoint[0] == '/') {
		struct sockaddr_un *un = (struct sockaddr_un *)address;
		if (strlen(endpoint) >= sizeof(un->sun_path))
			return -1;
		un->sun_family = AF_UNIX;
		memcpy(un->sun_path, endpoint, strlen(endpoint) + 1);
		*len = sizeof(*un);
	} else {
		struct sockaddr_in *in = (struct sockaddr_in *)address;
		struct slice port = slice_of(endpoint), host = slice_cut(&port, ':');
		uint64_t number;
		char text[INET_ADDRSTRLEN];
		if (host.len >= sizeof(text) || slice_to_u64(port, UINT16_MAX, &number) != 0)
			return -1;
		memcpy(text, host.data, host.len);
		text[host.len] = '\0';
		in->sin_family = AF_INET;
		in->sin_port = htons((uint16_t)number);
		if (inet_pton(AF_INET, text, &in->sin_addr) != 1)
			return -1;
		*len = sizeof(*in);
	}
	return socket(address->ss_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
}

static int connect_to(struct wire *w, const char *endpoint, uint64_t end_ns)
{
	struct sockaddr_storage address;
	socklen_t len, size = sizeof(int);
	int error = 0, one = 1;
	w->fd = open_socket(endpoint, &address, &len);
	if (w->fd < 0)
		return -1;
	if (connect(w->fd, (struct sockaddr *)&address, len) != 0 &&
	    (errno != EINPROGRESS || wait_for(w->fd, POLLOUT, end_ns) != 0 ||
	    getsockopt(w->fd, SOL_SOCKET, SO_ERROR, &error, &size) != 0 || error != 0)) {
		wire_close(w);
		return -1;
	}
	if (address.ss_family == AF_INET)
		setsockopt(w->fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
	return 0;
}

/* The answer's head and body are in w->in: 1; not yet: 0; never will be: -1. */
static int parse(struct wire *w)
{
	struct slice in = buf_slice(&w->in), none = { NULL, 0 };
	const char *end = in.len == 0 ? NULL : memmem(in.data, in.len, "\r\n\r\n", 4);
	if (end == NULL)
		return 0;
	struct slice rest = { in.data, (size_t)(end - in.data) + 2 }, line = slice_cut(&rest, '\n');
	uint64_t number, length = UINT64_MAX;
	(void)slice_cut(&line, ' ');
	if (slice_to_u64(slice_cut(&line, ' '), 999, &number) != 0)
		return -1;
	w->status = (int)number;
	while (rest.len > 0) {
		line = slice_cut(&rest, '\n');
		struct slice name = slice_cut(&line, ':');
		if (slice_is_nocase(name, "content-length") &&
		    slice_to_u64(slice_trim(line), ANSWER_BYTES, &length) != 0)
			return -1;
		/* One that is chunked is longer than any answer a register gives. */
		if (slice_is_nocase(name, "transfer-encoding"))
			return -1;
	}
	size_t head = (size_t)(end - in.data) + 4;
	if (length == UINT64_MAX)
		length = 0;
	if (in.len < head + length)
		return 0;
	w->body = length == 0 ? none : (struct slice){ in.data + head, length };
	return 1;
}

static int send_all(struct wire *w, struct slice request, uint64_t end_ns, size_t *sent)
{
	while (*sent < request.len) {
		ssize_t n = send(w->fd, request.data + *sent, request.len - *sent, MSG_NOSIGNAL);
		if (n > 0)
			*sent += (size_t)n;
		else if (errno != EAGAIN || wait_for(w->fd, POLLOUT, end_ns) != 0)
			return -1;
	}
	return 0;
}

static int receive(struct wire *w, uint64_t end_ns)
{
	int got = 0;
	buf_reset(&w->in);
	while (got == 0) {
		char *at = buf_reserve(&w->in, READ_BYTES);
		if (at == NULL)
			return -1;
		ssize_t n = recv(w->fd, at, READ_BYTES, 0);
		if (n > 0) {
			w->in.len += (size_t)n;
			got = parse(w);
		} else if (n == 0 || errno != EAGAIN || wait_for(w->fd, POLLIN, end_ns) != 0) {
			return -1;
		}
	}
	return got > 0 ? 0 : -1;
}

/* The server has closed the connection that was kept: as any HTTP client, not to send on it. */
static int is_closed(const struct wire *w)
{
	char c;
	return w->fd >= 0 && recv(w->fd, &c, 1, MSG_PEEK | MSG_DONTWAIT) == 0;
}

enum wire_result wire_exchange(struct wire *w, const char *endpoint, struct slice request,
	int timeout_ms)
{
	uint64_t end_ns = wire_now_ns() + (uint64_t)timeout_ms * 1000000;
	size_t sent = 0;
	if (is_closed(w))
		wire_close(w);
	if (w->fd < 0 && connect_to(w, endpoint, end_ns) != 0)
		return WIRE_NOT_SENT;
	if (send_all(w, request, end_ns, &sent) != 0 || receive(w, end_ns) != 0) {
		wire_close(w);
		return sent == 0 ? WIRE_NOT_SENT : WIRE_LOST;
	}
	struct slice head = { w->in.data, w->in.len - w->body.len };
	if (memmem(head.data, head.len, "onnection: close", 16) != NULL)
		wire_close(w);
	return WIRE_ANSWERED;
}
