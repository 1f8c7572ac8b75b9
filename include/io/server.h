/* server.h - the HTTP API on its sockets: connections, requests, replies, pass-through. I/O.
 *
 * A request that the owner serves is collected whole and handed over with an id; the reply
 * comes later by that id. Any other is passed through to the local engine, byte for byte,
 * so that hijacked connections (attach, exec) and uploads of any size work.
 */
#ifndef SB_IO_SERVER_H
#define SB_IO_SERVER_H
#include <sys/types.h>
#include "base/err.h"
#include "base/map.h"
#include "http/serve.h"
#include "io/loop.h"
#include "io/relay.h"

enum {
	/* Connections at once: 1,000 idle ones must not keep anybody out. An idle one costs
	 * under 1 KiB here. Beyond it the one that was idle for longest is closed; when none is
	 * idle, new ones wait in the listener's backlog. Fewer where the process may not have
	 * the descriptors: see server_init. */
	SERVER_CONNECTIONS_MAX = 4096,
	/* Descriptors left to others: the log, the engine's calls, the relays' pipes. */
	SERVER_SPARE_FDS = 128 + 2 * RELAY_PIPES,
	SERVER_ACCEPT_AGAIN_MS = 100,	/* when there was no room or no descriptor for one */
	/* How long a TCP client that says no more still gets its answer: it may be gone, which
	 * looks the same. Those that shut their writing side down are scripts (nc -N) that ask
	 * short questions. */
	SERVER_HALF_MS = 5000,
	SERVER_BODY_MAX = 2 * 1024 * 1024,	/* a spec, or a secret in base64 */
	SERVER_OUT_MAX = 64 * 1024 * 1024,	/* a list of every task of a large swarm; of a
					 * reply that is longer not one byte is sent */
};

struct server_handler {
	void *context;
	/* 1: collect and call request; 0: pass through to the engine */
	int (*serves)(struct slice method, struct slice target);
	/* Slices are borrowed for the call. */
	void (*request)(void *context, uint64_t id, const struct http_head *head,
			struct slice body);
	/* The client left, or reads nothing, before its reply was complete; id is not to be used
	 * any more. May be called from inside server_reply and server_piece. */
	void (*gone)(void *context, uint64_t id);
};

enum { SERVER_UNIX, SERVER_TCP, SERVER_LISTENERS };

struct server {		/* all private */
	struct loop *loop;
	const struct server_handler *handler;
	const char *engine_path;
	struct http_serve_config config;
	struct relay_pool relays;
	struct loop_watch listeners[SERVER_LISTENERS];
	struct server_connection *connections;
	struct map requests;
	struct loop_timer accept_timer;
	uint64_t last_id;
	uint32_t connections_max;
	uint32_t half_ms;
	uint32_t count;
	int paused;
};

/* headers: lines every reply carries. engine_path: the engine's socket file. Both borrowed. How
 * many connections there may be follows from RLIMIT_NOFILE as it is now: two descriptors each. */
void server_init(struct server *s, struct loop *l, const struct server_handler *handler,
		 struct slice headers, const char *engine_path);
/* Closes everything. */
void server_done(struct server *s);
/* 0, or an error of sock_listen_unix. */
int server_listen(struct server *s, const char *path, mode_t mode, struct errmsg *msg);
/* Listens at "ADDRESS:PORT" as well; there is no TLS and no check of who comes, so the caller sees
 * to it that it is a loopback address. 0, or an error of sock_listen_tcp, or ERR_INVALID. */
int server_listen_tcp(struct server *s, const char *address, struct errmsg *msg);
/* Answers request id; more = 1 when pieces follow. An id whose client is gone is ignored. */
void server_reply(struct server *s, uint64_t id, const struct http_reply *reply);
void server_piece(struct server *s, uint64_t id, struct slice piece, int more);
/* Before the process ends: takes no new connections, and closes each after its next reply, which
 * says so. One that is idle may have a request on its way: the process should live for some tens
 * of ms more, so that nobody is left without an answer on a connection that seemed good. */
void server_stop(struct server *s);
/* Waits for at most timeout_ms for replies to be sent: before the process ends. */
void server_flush(struct server *s, int timeout_ms);
#endif
