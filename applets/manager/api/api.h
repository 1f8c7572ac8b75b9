/* api.h - Docker's Engine API on the manager: the swarm endpoints. Pure.
 *
 * A handler reads the state and either replies at once or fills a transaction whose reply
 * waits for it to be applied. Texts and status codes are Docker's (docker-swarm.md 1.2, 1.3).
 *
 *	api.c       routes, versions, replies, errors       filters.c   ?filters=
 *	services.c tasks.c nodes.c networks.c system.c      one noun each
 *	logs.c      log streams                             service_spec.c  reading, defaults
 *	enrol.c     nodes that want to join
 *	kv.c        /v1/kv/, as Consul's                    kv_watch.c      reads that wait
 *	validate.c  what a spec may hold
 */
#ifndef SB_APPLETS_MANAGER_API_H
#define SB_APPLETS_MANAGER_API_H
#include "applets/manager/api/kv_watch.h"
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
	struct kv_watch watch;	/* private: reads of the key-value store that wait */
	struct node self;	/* private: a worker's own description and message */
	struct arena self_arena;
};

void api_init(struct api *api, const struct manager_config *config);
void api_done(struct api *api);

/* On a worker: what its agent reports is what the API tells of it. */
void api_self(struct api *api, const struct session_report *report);

enum api_outcome {
	API_REPLIED,	/* the reply (or the start of a stream) is among the effects */
	API_PROPOSED,	/* turn->txn is filled; turn->reply_* is what to answer when applied */
	API_KV,		/* turn->entry is a log entry. It depends on no other: any number of them
			 * may be under way. When it is applied, api_applied answers */
	API_WAITS,	/* a read that waits for a change: api_due will answer it */
	API_LEAVE,	/* this node shall leave: the manager does it, then answers 200 */
	API_UNLOCK,	/* of a locked node: turn->unlock_key was given for it */
};

/* A manager of Raft's configuration; strings borrowed for the turn. */
struct api_manager {
	const char *node_id, *addr;	/* addr: "HOST:PORT" */
	int leader;
	int reachable;	/* as this manager sees it */
	int votes;	/* 0: it still catches up */
};

struct api_turn {
	const struct state *state;
	const struct api_manager *managers;
	uint32_t manager_count;
	struct dispatch *dispatch;
	struct rng *rng;
	struct arena *arena;	/* lives until the reply is sent: the step's arena */
	struct effects *fx;
	int64_t wall_ns;	/* the swarm's time, which never goes back */
	int64_t clock_ns;	/* this host's clock, which may: for what other hosts hold against
				 * theirs */
	int ready;		/* 0: recovering; most requests get 503 */
	int locked;		/* the data folder is: there is no state, and little is answered */
	int no_wait;		/* the request has waited elsewhere: a watch is answered at once */
	struct txn *txn;	/* ready for changes */
	struct request_id request_id;	/* for the entry of API_KV; all zero: none */
	int reply_status;	/* with API_PROPOSED; body in the arena, copied by the manager */
	struct slice reply_body;
	struct slice entry;	/* with API_KV; in the arena */
	struct seal_key unlock_key;	/* with API_UNLOCK: wipe it */
};

/* Who answers a request, and how. */
enum api_place {
	API_HERE,	/* any manager, from what it has: it may be old */
	API_READ,	/* the leader, from a state that holds all that was acknowledged before */
	API_CHANGE,	/* the leader: fills a transaction, one at a time */
	API_COMMAND,	/* the leader: API_KV, or a refusal at once */
};

enum api_place api_place(const struct event *ev);

/*
 * The node's entry among the managers, or NULL. A node that lost its log is there twice for a
 * while, and the one that votes is meant.
 */
const struct api_manager *api_manager_find(const struct api_turn *turn, const char *node_id);
/* EVENT_REQUEST that manager_serves() said yes to. */
enum api_outcome api_request(struct api *api, struct api_turn *turn, const struct event *ev);
/* Replies what the state says about an entry that was applied (state.outcome, state_recent). */
void api_applied(struct effects *fx, uint64_t request, const struct outcome *outcome);
/* The client of a stream, or of a request that waits, left. */
void api_gone(struct api *api, struct api_turn *turn, uint64_t request);
/* A piece of a task's log came from session. */
void api_log(struct api *api, struct api_turn *turn, uint64_t session,
	     const struct session_log *log);
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

/* ---- the key-value store ---- */

/* Changes of this state wake those that wait. To be called when the state is made, and when another
 * has taken its place (a snapshot): then all that wait are answered, changed or not. */
void api_watch(struct api *api, struct state *state);
/* Leadership is lost: streams of logs end, and who waits here is answered 503 by api_due, unless
 * any manager may answer. */
void api_lost(struct api *api, struct api_turn *turn);
/* Has api_due or api_follow anything to do? After most steps they have not. */
int api_is_due(const struct api *api, uint64_t now_ms);
/* After each step: answers those whose change has come or whose time is up, as many as fit. */
void api_due(struct api *api, struct api_turn *turn, uint64_t now_ms);
/* When api_due has something to do, for the step's timer: 0 = never, 1 = now. */
uint64_t api_deadline(const struct api *api);
#endif
