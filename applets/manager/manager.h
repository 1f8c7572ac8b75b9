/* manager.h - the manager of a swarm: log, state, control loops, API. Pure.
 *
 * A step machine (base/step.h). It joins raft, the state, the control loops, the sessions and
 * the API; each of these is its own file. Order within a step: take the event; apply what is
 * committed; answer who waited for it; let the control loops write the next transaction; tell
 * the sessions.
 */
#ifndef SB_APPLETS_MANAGER_H
#define SB_APPLETS_MANAGER_H
#include "base/err.h"
#include "base/rng.h"
#include "base/sink.h"
#include "base/step.h"
#include "crypt/seal.h"
#include "raft/raft.h"

enum {
	/* A snapshot is taken when this much log has come since the last one: replaying it takes
	 * well under 0.1 s. */
	MANAGER_LOG_BYTES_MAX = 8 * 1024 * 1024,
	MANAGER_LOG_ENTRIES_MAX = 20000,
	/* That wait for the log, a read or the leader (watches there, too); then 503. */
	MANAGER_REQUESTS_MAX = 4096,
};

struct manager_config {		/* all borrowed for the manager's life */
	int worker;		/* this node is no manager: the API tells of itself alone, and can
				 * have it leave; nothing is replicated */
	const char *node_id;
	uint64_t raft_id;		/* raft/raft.h: never that of an earlier life */
	enum raft_begin begin;		/* raft/raft.h: what to do at EVENT_START */
	/* "ADDRESS:PORT" of managers, separated by blanks: asked to be let in when the log does not
	 * name us as a member. "" = none. */
	const char *contacts;
	const char *hostname;
	const char *listen_addr;	/* "0.0.0.0:2377" */
	const char *advertise_addr;	/* "192.0.2.2:2377", "" when none could be found */
	int advertise_fixed;		/* it was never an address of this host: the driver does
					 * not look for another when it is none */
	const char *default_addr_pool;	/* "10.0.0.0/8": for a new swarm only */
	int availability;		/* enum node_availability; likewise: of this node */
	/* Likewise: its id (NULL: drawn), its authority as PEM (NULL: nobody can join it). */
	const char *swarm_id, *root_cert, *root_key;
	/* What the data folder's key is sealed with, as text (crypt/token.h); NULL: with nothing.
	 * A new swarm's managers lock with it. Copied. */
	const char *unlock_key;
	const char *error;		/* for /info: why this node can do nothing; NULL: it can */
	struct seal_key secrets;	/* random: what the swarm's secrets are drawn from */
	const char *engine_socket;	/* for /info: where the local engine is */
	const char *data_dir;		/* for /info */
	uint32_t snapshot_entries;	/* a snapshot after so many; 0: MANAGER_LOG_ENTRIES_MAX */
};

struct manager;

struct manager *manager_new(const struct manager_config *config, uint64_t seed);
void manager_free(struct manager *m);

/*
 * Recovery, before EVENT_START: the newest snapshot (if any) in pieces, cut anywhere, then every
 * WAL record in order of numbers. 0, or ERR_CORRUPT / ERR_INVALID with msg: the node must not
 * start.
 */
int manager_recover_snapshot(struct manager *m, struct slice piece, struct errmsg *msg);
/* The snapshot was all: before the records, also when there is none. */
int manager_recovered(struct manager *m, struct errmsg *msg);
int manager_recover_record(struct manager *m, uint64_t number, struct slice record,
			   struct errmsg *msg);

/* Events: START, TIMER, STOP, FLUSH, WAL_DONE, WAL_FAILED, SNAPSHOT_*, PEER_*, REQUEST,
 * REQUEST_GONE, SESSION_UP/DOWN/MESSAGE. Effects: TIMER, LOG, EXIT, FLUSH, WAL_APPEND, SNAPSHOT_*,
 * PEERS, PEER_*, REPLY, REPLY_CHUNK, SESSION_SEND, SESSION_DROP, LOCK, RESTART, NODE, WIPE. */
void manager_step(struct manager *m, const struct event *ev, struct effects *fx);
/* After EFFECT_SNAPSHOT_SAVE, before the next step: the snapshot's bytes. 0, or what the sink
 * said. */
int manager_snapshot(const struct manager *m, struct sink *sink);

/* May a manager of that raft id, whose certificate names that node, be listened to? Not when the id
 * is another node's, or when the node was removed. */
int manager_welcomes(const struct manager *m, uint64_t raft_id, const char *node_id);
/* 1 when API requests are answered from a recovered, leading state. */
int manager_is_ready(const struct manager *m);
/* What is applied; for tests/sim, which compares it. Borrowed until the next step. */
const struct state *manager_state(const struct manager *m);
/* Where consensus stands; for the driver and tests/sim. Borrowed until the next step. */
const struct raft *manager_raft(const struct manager *m);
/*
 * 1 when the API answers this request itself, so its body must be collected; 0 when it goes to
 * the engine unread, without a step.
 */
int manager_serves(struct slice method, struct slice target);
#endif
