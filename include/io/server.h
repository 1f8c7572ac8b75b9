/* server.h - the HTTP API on its socket: connections, requests, replies, pass-through. I/O.
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
	 * under 1 KiB. Beyond it new ones wait in the listener's backlog. */
	SERVER_CONNECTIONS_MAX = 4096,
	SERVER_BODY_MAX = 2 * 1024 * 1024,	/* a spec, or a secret in base64 */
	SERVER_OUT_MAX = 64 * 1024 * 1024,	/* a list of every task of a large swarm */
};

struct server_handler {
	void *context;
	/* 1: collect and call request; 0: pass through to the engine */
	int (*serves)(struct slice method, struct slice target);
	/* Slices are borrowed for the call. */
	void (*request)(void *context, uint64_t id, const struct http_head *head,
			struct slice body);
	/* The client left before its reply was complete; id is not to be used any more. */
	void (*gone)(void *context, uint64_t id);
};

struct server {		/* all private */
	struct loop *loop;
	const struct server_handler *handler;
	const char *engine_path;
	struct http_serve_config config;
	struct relay_pool relays;
	struct loop_watch listener;
	struct server_connection *connections;
	struct map requests;
	uint64_t last_id;
	uint32_t count;
	int paused;
};

/* headers: lines every reply carries. engine_path: the engine's socket file. Both borrowed. */
void server_init(struct server *s, struct loop *l, const struct server_handler *handler,
		 struct slice headers, const char *engine_path);
/* Closes everything. */
void server_done(struct server *s);
/* 0, or an error of sock_listen_unix. */
int server_listen(struct server *s, const char *path, mode_t mode, struct errmsg *msg);
/* Answers request id; more = 1 when pieces follow. An id whose client is gone is ignored. */
void server_reply(struct server *s, uint64_t id, const struct http_reply *reply);
void server_piece(struct server *s, uint64_t id, struct slice piece, int more);
/* Tries for at most timeout_ms to send what is not sent yet: before the process ends. */
void server_flush(struct server *s, int timeout_ms);
#endif
