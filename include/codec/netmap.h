/* netmap.h - what a node's data plane serves: published ports and who answers them. Pure.
 *
 * The manager derives it, the worker publishes it as one atomically replaced file (JSON),
 * lb (and later dns) follow it. Only tasks that may get new connections are in it.
 */
#ifndef SB_CODEC_NETMAP_H
#define SB_CODEC_NETMAP_H
#include <stdint.h>
#include "base/arena.h"
#include "base/buf.h"
#include "base/err.h"
#include "base/slice.h"

enum {
	NETMAP_PORTS_MAX = 4096,	/* published ports on one swarm */
	NETMAP_BACKENDS_MAX = 4096,	/* tasks behind one port */
};

enum netmap_protocol { NETMAP_TCP, NETMAP_UDP };

struct netmap_backend {
	const char *task;	/* task id */
	uint32_t address;	/* IPv4, host byte order */
	uint16_t port;
};

struct netmap_port {
	enum netmap_protocol protocol;
	uint16_t published;
	const char *service;	/* service name */
	struct netmap_backend *backends;
	uint32_t backend_count;
};

struct netmap {
	struct netmap_port *ports;	/* ordered by protocol, published; no duplicates */
	uint32_t port_count;
};

/* {"ports":[{"protocol":"tcp","published":4000,"service":"s_web","backends":
 *   [{"task":"ID","address":"10.0.1.3","port":80}]}]} */
void netmap_build(const struct netmap *map, struct buf *out);
/* All in the arena. 0, ERR_INVALID or ERR_LIMIT with msg. Order and uniqueness are checked. */
int netmap_parse(struct arena *a, struct slice text, struct netmap *map, struct errmsg *msg);
/* "10.0.1.3" <-> host byte order. 0 or ERR_INVALID. */
int ipv4_parse(struct slice text, uint32_t *address);
void ipv4_format(uint32_t address, char out[16]);
#endif
