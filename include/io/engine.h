/* engine.h - calls to the container engine on its unix socket. I/O.
 *
 * Each call is one HTTP exchange; connections are kept for the next one, and one that the
 * engine has closed meanwhile is passed over. How many calls are under way at once is the
 * caller's business (the worker bounds it).
 */
#ifndef SB_IO_ENGINE_H
#define SB_IO_ENGINE_H
#include "base/err.h"
#include "base/map.h"
#include "base/slice.h"
#include "io/loop.h"

enum {
	ENGINE_BODY_MAX = 16 * 1024 * 1024,	/* a list of some thousand containers */
	ENGINE_ERROR_MAX = 64 * 1024,		/* of a stream's body when it is an error */
	ENGINE_IDLE_MAX = 8,			/* connections kept */
};

struct engine_handler {
	void *context;
	/* The end of a call. status 0: the engine could not be reached or broke off (why). body:
	 * of a call in pieces only when status >= 300. Borrowed for the call. */
	void (*reply)(void *context, uint64_t id, int status, struct slice body, const char *why);
	/* A piece of a streaming call's body. */
	void (*data)(void *context, uint64_t id, struct slice piece);
};

struct engine {		/* all private */
	struct loop *loop;
	const struct engine_handler *handler;
	const char *path;
	struct map calls;
	struct engine_connection *idle;
	uint32_t idle_count;
};

struct engine_request {
	uint64_t id;				/* of no other call under way */
	struct slice method, target, body;	/* copied; body is JSON or empty */
	uint64_t timeout_ms;			/* for the whole exchange; 0 = none */
	int pieces;				/* deliver the body as it comes */
};

void engine_init(struct engine *e, struct loop *l, const struct engine_handler *handler,
		 const char *path);
/* Drops every call without telling the handler. */
void engine_done(struct engine *e);
/* Begins a call; its end is always told by handler->reply, never from inside this function. */
void engine_call(struct engine *e, const struct engine_request *request);
/* Forgets a call; nothing more is told of it. Unknown ids are ignored. */
void engine_cancel(struct engine *e, uint64_t id);
#endif
