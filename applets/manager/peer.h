/* peer.h - what managers say to each other beside Raft's messages, as bytes. Pure.
 *
 * Raft's may be lost; all others rely on the connection: whole and in order until it is down.
 *
 * Little endian: kind u8; PEER_RAFT: the message (raft/message.h). All others: id u64, status
 * u16, more u8, uid 16, then method, target, type, headers and body, each with its length u32.
 */
#ifndef SB_APPLETS_MANAGER_PEER_H
#define SB_APPLETS_MANAGER_PEER_H
#include "applets/manager/state/entry.h"
#include "base/buf.h"

enum peer_kind {
	PEER_RAFT = 1,
	/* to the leader, by way of any manager */
	PEER_JOIN,		/* id = raft id that wants to be a member; body = its about text */
	PEER_LEAVE,		/* id = raft id that wants to be none */
	/* a user's request from the manager that it came to, to the leader */
	PEER_REQUEST,		/* id; uid; method, target, type, body */
	PEER_GONE,		/* id: nobody waits for its answer any more */
	/* and back */
	PEER_REPLY,		/* id; status, 0: we do not lead, ask again; more; type,
				 * headers, body */
	PEER_CHUNK,		/* id; more; body */
	/* an agent's session: from the manager that it is connected to, to the leader */
	PEER_SESSION_UP,	/* id; body = node id */
	PEER_SESSION_DOWN,	/* id; 0: all there are */
	PEER_REPORT,		/* id; body */
	/* and back */
	PEER_ORDER,		/* id; body */
	PEER_SESSION_DROP,	/* id; status, as of EFFECT_SESSION_DROP */
	/* from one that leads from now on, to all */
	PEER_LEADING,		/* -: requests are answered, sessions begin anew */
	/* the leader's answer to PEER_LEAVE, or to PEER_JOIN of a worker: it is no member, and what
	 * took it out cannot be lost any more */
	PEER_LEFT,		/* id = raft id that is none */
	/* to a manager that sent a request, instead of PEER_REPLY */
	PEER_READ,		/* id; body = index u64: the read is good, and its answer large:
				 * make it from a state in which that index is applied */
	PEER_KIND_LAST = PEER_READ,
};

enum {
	PEER_MESSAGE_MAX = 8 << 20,	/* io/peers.h: no connection takes more at once */
	/* A longer answer to a read is made by the manager that asks: as many as may wait fit
	 * into what a connection takes before it is given up (32 MB), and Raft's heartbeats wait
	 * behind them. */
	PEER_ANSWER_MAX = 4 << 10,
};

struct peer_message {
	enum peer_kind kind;
	uint64_t id;
	int status, more;
	struct request_id uid;
	struct slice method, target, type, headers;
	struct slice body;	/* of PEER_RAFT: all there is */
};

void peer_build(struct buf *out, const struct peer_message *m);
/* 0; the slices are borrowed from bytes. ERR_CORRUPT. */
int peer_parse(struct slice bytes, struct peer_message *m);
#endif
