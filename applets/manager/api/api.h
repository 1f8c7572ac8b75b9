/* api.h - Docker's Engine API on the manager: the swarm endpoints. Pure.
 *
 * A handler reads the state and either replies at once or fills a transaction whose reply
 * waits for it to be applied. Texts and status codes are Docker's (docker-swarm.md 1.2, 1.3).
 *
 *	api.c       routes, versions, replies, errors       filters.c   ?filters=
 *	services.c tasks.c nodes.c networks.c system.c      one noun each
 *	logs.c      log streams                             service_spec.c  reading, defaults
 *	validate.c  what a spec may hold
 */
#ifndef SB_APPLETS_MANAGER_API_H
#define SB_APPLETS_MANAGER_API_H
#include "applets/manager/control/control.h"
#include "applets/manager/manager.h"
#include "applets/manager/state/state.h"
#include "model/session.h"

enum {
	API_VERSION_MAJOR = 1,
	API_VERSION_MINOR = 41,		/* what we speak */
	API_VERSION_MINOR_MIN = 24,	/* the oldest we take */
};

struct api {
	const struct manager_config *config;	/* private */
	struct map log_streams;	/* private: request -> the stream that answers it */
	struct map log_parts;	/* private: id -> one task's share of a stream */
	uint64_t log_last;	/* private: id of the newest part */
};

void api_init(struct api *api, const struct manager_config *config);
void api_done(struct api *api);

enum api_outcome {
	API_REPLIED,	/* the reply (or the start of a stream) is among the effects */
	API_PROPOSED,	/* turn->txn is filled; turn->reply_* is what to answer when applied */
	API_LEAVE,	/* this node shall leave: the manager does it, then answers 200 */
};

struct api_turn {
	const struct state *state;
	struct dispatch *dispatch;
	struct rng *rng;
	struct arena *arena;	/* lives until the reply is sent: the step's arena */
	struct effects *fx;
	int64_t wall_ns;
	int ready;		/* 0: recovering; most requests get 503 */
	struct txn *txn;	/* ready for changes */
	int reply_status;	/* with API_PROPOSED; body in the arena, copied by the manager */
	struct slice reply_body;
};

/* EVENT_REQUEST that manager_serves() said yes to. */
enum api_outcome api_request(struct api *api, struct api_turn *turn, const struct event *ev);
/* The client of a stream left. */
void api_gone(struct api *api, struct api_turn *turn, uint64_t request);
/* A piece of a task's log came from session. */
void api_log(struct api *api, struct api_turn *turn, const struct session_log *log);
/* After a step: new tasks of services whose logs are followed join their streams. */
void api_follow(struct api *api, struct api_turn *turn);
/* The session that logs came from ended. */
void api_session_down(struct api *api, struct api_turn *turn, uint64_t session);
/* Replies with Docker's error for a transaction that was refused when it was applied. */
void api_refused(struct effects *fx, uint64_t request, int err, const struct errmsg *msg);
/* Replies {"message": ...}. */
void api_error(struct effects *fx, uint64_t request, int status, const char *format, ...)
	__attribute__((format(printf, 4, 5)));
/* See manager_serves. */
int api_serves(struct slice method, struct slice target);
#endif
