/* sock.h - sockets: made non-blocking and close-on-exec, with errors as text. I/O.
 *
 * Addresses are IPv4 in host byte order, as in codec/netmap.h. A function that makes a
 * socket returns its descriptor (>= 0), the caller's to close, or an error.
 */
#ifndef SB_IO_SOCK_H
#define SB_IO_SOCK_H
#include <stdint.h>
#include <sys/types.h>
#include "base/err.h"
#include "base/slice.h"

enum {
	SOCK_BACKLOG = 4096,	/* waiting to be accepted: net.core.somaxconn's default */
	SOCK_PATH_MAX = 107,	/* sun_path without its NUL, unix(7) */
};

/* "192.0.2.1:2377". 0 or ERR_INVALID: another form, or port 0. */
int sock_parse_address(struct slice text, uint32_t *address, uint16_t *port);

/* SO_REUSEADDR is set. ERR_IN_USE, ERR_DENIED, ERR_INVALID (not an address of this host) or
 * ERR_IO, with msg: the reason alone ("address already in use"). */
int sock_listen_tcp(uint32_t address, uint16_t port, struct errmsg *msg);
/* A bound datagram socket; same errors. */
int sock_bind_udp(uint32_t address, uint16_t port, struct errmsg *msg);
/*
 * Replaces a socket file that nobody answers any more; when somebody answers: ERR_IN_USE.
 * ERR_LIMIT (path over SOCK_PATH_MAX), ERR_EXISTS (path is something else than a socket),
 * ERR_NOT_FOUND (no such folder), ERR_DENIED, ERR_IO; msg names the path.
 */
int sock_listen_unix(const char *path, mode_t mode, struct errmsg *msg);

/* The next connection, or ERR_MORE (none waits), ERR_LIMIT (descriptors or memory: try again
 * later), ERR_IO (the listener is broken). */
int sock_accept(int listener);

/*
 * Begins to connect. The result is there when the socket is writable: sock_connected.
 * TCP_NODELAY is set. ERR_LIMIT, ERR_UNAVAILABLE (refused or unreachable at once).
 */
int sock_connect_tcp(uint32_t address, uint16_t port, struct errmsg *msg);
/* A datagram socket that talks with one peer. Same errors. */
int sock_connect_udp(uint32_t address, uint16_t port, struct errmsg *msg);
/* The address that this host has in packets to that one (none is sent), or 0: there is no route. */
uint32_t sock_own_address(uint32_t to);
/* Is it an address of this host now? */
int sock_is_local(uint32_t address);
/* A descriptor that can be read when this host's IPv4 addresses have changed: sock_drain, then
 * look. rtnetlink(7). ERR_LIMIT, ERR_IO. */
int sock_address_changes(void);
/* Reads and drops what waits. */
void sock_drain(int fd);
/* Connected at once, or ERR_NOT_FOUND, ERR_DENIED, ERR_UNAVAILABLE (refused, or its backlog is
 * full), ERR_LIMIT; msg names the path. */
int sock_connect_unix(const char *path, struct errmsg *msg);
/* 0, or ERR_UNAVAILABLE with msg when the connect failed. */
int sock_connected(int fd, struct errmsg *msg);

void sock_nodelay(int fd);
/* The kernel finds out when an idle peer is gone. On a listener: for all it accepts. */
void sock_keepalive(int fd);
/* As sock_keepalive, and any connection whose other end answers nothing for limit_ms ends with
 * an error: bytes that wait to be confirmed, or the kernel's own question every second. */
void sock_end_when_silent(int fd, unsigned limit_ms);
/* The next close throws away what is unsent and resets the connection. */
void sock_reset_on_close(int fd);
#endif
