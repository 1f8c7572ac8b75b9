#include <arpa/inet.h>
#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <linux/netlink.h>
#include <linux/rtnetlink.h>
#include <unistd.h>

#include "io/sock.h"
#include "codec/netmap.h"

static int code_of(int error)
{
	switch (error) {
	case EADDRINUSE:
		return ERR_IN_USE;
	case EACCES:
	case EPERM:
		return ERR_DENIED;
	case EADDRNOTAVAIL:
		return ERR_INVALID;
	case ENOENT:
	case ENOTDIR:
		return ERR_NOT_FOUND;
	case EMFILE:
	case ENFILE:
	case ENOBUFS:
	case ENOMEM:
		return ERR_LIMIT;
	case ECONNREFUSED:
	case EHOSTUNREACH:
	case ENETUNREACH:
	case ETIMEDOUT:
	case EAGAIN:
		return ERR_UNAVAILABLE;
	default:
		return ERR_IO;
	}
}

/* strerror says "Address already in use": our lines go on in lower case. */
static int refuse(struct errmsg *msg, int error)
{
	char text[64] = { 0 };

	strncpy(text, strerror(error), sizeof(text) - 1);
	if (text[0] >= 'A' && text[0] <= 'Z')
		text[0] = (char)(text[0] + 'a' - 'A');
	return errmsg_set(msg, code_of(error), "%s", text);
}

static int close_and_refuse(int fd, struct errmsg *msg, int error)
{
	close(fd);
	return refuse(msg, error);
}

static struct sockaddr_in inet_address(uint32_t address, uint16_t port)
{
	return (struct sockaddr_in){
		.sin_family = AF_INET,
		.sin_port = htons(port),
		.sin_addr.s_addr = htonl(address),
	};
}

static int bound(uint32_t address, uint16_t port, int type, struct errmsg *msg)
{
	struct sockaddr_in to = inet_address(address, port);
	int on = 1;
	int fd = socket(AF_INET, type | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);

	if (fd < 0)
		return refuse(msg, errno);
	/* For datagrams it would let a second process steal the port. */
	if (type == SOCK_STREAM)
		setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
	if (bind(fd, (struct sockaddr *)&to, sizeof(to)) < 0)
		return close_and_refuse(fd, msg, errno);
	return fd;
}

int sock_parse_address(struct slice text, uint32_t *address, uint16_t *port)
{
	struct slice host = slice_cut(&text, ':');
	uint32_t parsed;
	uint64_t number;

	if (ipv4_parse(host, &parsed) < 0 || slice_to_u64(text, UINT16_MAX, &number) < 0 ||
	    number == 0)
		return ERR_INVALID;
	*address = parsed;
	*port = (uint16_t)number;
	return 0;
}

int sock_listen_tcp(uint32_t address, uint16_t port, struct errmsg *msg)
{
	int fd = bound(address, port, SOCK_STREAM, msg);

	if (fd >= 0 && listen(fd, SOCK_BACKLOG) < 0)
		return close_and_refuse(fd, msg, errno);
	return fd;
}

int sock_bind_udp(uint32_t address, uint16_t port, struct errmsg *msg)
{
	return bound(address, port, SOCK_DGRAM, msg);
}

static int unix_address(const char *path, struct sockaddr_un *to, struct errmsg *msg)
{
	size_t n = strlen(path);

	if (n > SOCK_PATH_MAX)
		return errmsg_set(msg, ERR_LIMIT, "%s: a socket's path has at most %d bytes", path,
			SOCK_PATH_MAX);
	memset(to, 0, sizeof(*to));
	to->sun_family = AF_UNIX;
	memcpy(to->sun_path, path, n + 1);
	return 0;
}

/* Makes way for a new socket at path. */
static int remove_stale(const char *path, struct errmsg *msg)
{
	struct stat st;
	int fd;

	if (lstat(path, &st) < 0)
		return 0;
	if (!S_ISSOCK(st.st_mode))
		return errmsg_set(msg, ERR_EXISTS, "%s: exists and is not a socket", path);
	fd = sock_connect_unix(path, NULL);
	if (fd >= 0) {
		close(fd);
		return errmsg_set(msg, ERR_IN_USE, "%s: another process answers there", path);
	}
	/* Only a refusal says that its process is gone: a full backlog is one that lives. */
	if (errno == EAGAIN)
		return errmsg_set(msg, ERR_IN_USE, "%s: another process listens there", path);
	if (errno != ECONNREFUSED && errno != ENOENT)
		return errmsg_prefix(msg, refuse(msg, errno), "%s", path);
	if (unlink(path) < 0 && errno != ENOENT)
		return errmsg_prefix(msg, refuse(msg, errno), "%s", path);
	return 0;
}

int sock_listen_unix(const char *path, mode_t mode, struct errmsg *msg)
{
	struct sockaddr_un to;
	mode_t before;
	int fd, r, err = unix_address(path, &to, msg);

	if (err == 0)
		err = remove_stale(path, msg);
	if (err < 0)
		return err;
	fd = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	if (fd < 0)
		return errmsg_prefix(msg, refuse(msg, errno), "%s", path);
	/* The mode must hold from the first moment, not from a chmod on. */
	before = umask(~mode & 0777);
	r = bind(fd, (struct sockaddr *)&to, sizeof(to));
	umask(before);
	if (r < 0 || listen(fd, SOCK_BACKLOG) < 0)
		return errmsg_prefix(msg, close_and_refuse(fd, msg, errno), "%s", path);
	return fd;
}

int sock_accept(int listener)
{
	for (;;) {
		int fd = accept4(listener, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);

		if (fd >= 0)
			return fd;
		switch (errno) {
		case EAGAIN:
			return ERR_MORE;
		case EMFILE:
		case ENFILE:
		case ENOBUFS:
		case ENOMEM:
			return ERR_LIMIT;
		case EBADF:
		case EINVAL:
		case ENOTSOCK:
		case EOPNOTSUPP:
		case EFAULT:
			return ERR_IO;
		default:
			/* accept(2): errors of the connection itself are treated as "try again". */
			break;
		}
	}
}

static int connecting(int fd, const struct sockaddr *to, socklen_t size, struct errmsg *msg)
{
	int error;

	if (connect(fd, to, size) == 0 || errno == EINPROGRESS)
		return fd;
	error = errno;
	close(fd);
	refuse(msg, error);
	errno = error;
	return code_of(error);
}

int sock_connect_tcp(uint32_t address, uint16_t port, struct errmsg *msg)
{
	struct sockaddr_in to = inet_address(address, port);
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);

	if (fd < 0)
		return refuse(msg, errno);
	sock_nodelay(fd);
	return connecting(fd, (struct sockaddr *)&to, sizeof(to), msg);
}

int sock_connect_udp(uint32_t address, uint16_t port, struct errmsg *msg)
{
	struct sockaddr_in to = inet_address(address, port);
	int fd = socket(AF_INET, SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);

	if (fd < 0)
		return refuse(msg, errno);
	return connecting(fd, (struct sockaddr *)&to, sizeof(to), msg);
}

uint32_t sock_own_address(uint32_t to)
{
	struct sockaddr_in self = { 0 };
	socklen_t n = sizeof(self);
	int fd = sock_connect_udp(to, 9, NULL);

	if (fd >= 0 && getsockname(fd, (struct sockaddr *)&self, &n) < 0)
		self.sin_addr.s_addr = 0;
	if (fd >= 0)
		close(fd);
	return ntohl(self.sin_addr.s_addr);
}

int sock_is_local(uint32_t address)
{
	struct sockaddr_in at = inet_address(address, 0);
	int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0), err = -1;

	if (fd < 0)
		return 1;	/* for all that can be known */
	err = bind(fd, (struct sockaddr *)&at, sizeof(at));
	close(fd);
	return err == 0;
}

int sock_address_changes(void)
{
	struct sockaddr_nl group = { .nl_family = AF_NETLINK, .nl_groups = RTMGRP_IPV4_IFADDR };
	int fd = socket(AF_NETLINK, SOCK_RAW | SOCK_NONBLOCK | SOCK_CLOEXEC, NETLINK_ROUTE);

	if (fd < 0)
		return errno == EMFILE || errno == ENFILE ? ERR_LIMIT : ERR_IO;
	if (bind(fd, (struct sockaddr *)&group, sizeof(group)) == 0)
		return fd;
	close(fd);
	return ERR_IO;
}

void sock_drain(int fd)
{
	char bytes[4096];

	/* ENOBUFS: more changed than the kernel kept, which is all that must be known. */
	while (recv(fd, bytes, sizeof(bytes), 0) > 0 || errno == ENOBUFS || errno == EINTR)
		;
}

int sock_connect_unix(const char *path, struct errmsg *msg)
{
	struct sockaddr_un to;
	int fd, err = unix_address(path, &to, msg);

	if (err < 0)
		return err;
	fd = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	if (fd < 0)
		return errmsg_prefix(msg, refuse(msg, errno), "%s", path);
	fd = connecting(fd, (struct sockaddr *)&to, sizeof(to), msg);
	return fd < 0 ? errmsg_prefix(msg, fd, "%s", path) : fd;
}

int sock_connected(int fd, struct errmsg *msg)
{
	int error = 0;
	socklen_t size = sizeof(error);

	if (getsockopt(fd, SOL_SOCKET, SO_ERROR, &error, &size) < 0)
		error = errno;
	if (error == 0)
		return 0;
	refuse(msg, error);
	return ERR_UNAVAILABLE;
}

static void switch_on(int fd, int level, int option)
{
	int on = 1;

	setsockopt(fd, level, option, &on, sizeof(on));
}

void sock_nodelay(int fd)
{
	switch_on(fd, IPPROTO_TCP, TCP_NODELAY);
}

void sock_keepalive(int fd)
{
	switch_on(fd, SOL_SOCKET, SO_KEEPALIVE);
}

void sock_end_when_silent(int fd, unsigned limit_ms)
{
	int every_s = 1;

	sock_keepalive(fd);
	setsockopt(fd, IPPROTO_TCP, TCP_KEEPIDLE, &every_s, sizeof(every_s));
	setsockopt(fd, IPPROTO_TCP, TCP_KEEPINTVL, &every_s, sizeof(every_s));
	setsockopt(fd, IPPROTO_TCP, TCP_USER_TIMEOUT, &limit_ms, sizeof(limit_ms));
}

void sock_reset_on_close(int fd)
{
	struct linger now = { .l_onoff = 1, .l_linger = 0 };

	setsockopt(fd, SOL_SOCKET, SO_LINGER, &now, sizeof(now));
}
