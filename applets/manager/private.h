/* private.h - the manager's struct and what its files call of each other. Pure.
 *
 *	manager.c   the step: events in, log and state, the control loops' turn, timer
 *	serve.c     API requests: here, for the leader, for other managers
 *	relay.c     agents' sessions, of our own agent and through other managers
 *	members.c   who is a manager: joining, leaving, promoting
 *	install.c   snapshots: our own, from the leader, for followers
 *	autolock.c  what the data folder's key is sealed with
 */
#ifndef SB_APPLETS_MANAGER_PRIVATE_H
#define SB_APPLETS_MANAGER_PRIVATE_H
#include "applets/manager/api/api.h"
#include "applets/manager/manager.h"
#include "applets/manager/peer.h"
#include "applets/manager/request.h"
#include "applets/manager/turn.h"
#include "crypt/token.h"

enum {
	/* Numbers of requests and sessions that come from other managers have this bit, so that
	 * effects for them are seen. */
	REMOTE_SHIFT = 63,
	LEAVE_MS = 60000,
	PEERS_MAX = 2 * RAFT_MEMBERS_MAX,	/* connections, those who want to join among them */
};
#define REMOTE_BIT (UINT64_C(1) << REMOTE_SHIFT)

/* A session that ends here: of an agent that is connected to us, our own among them, or (leader) to
 * another manager. */
struct relayed {
	struct relayed *next, *previous;	/* those that are connected to us */
	uint64_t id;		/* our number of it */
	uint64_t peer;		/* manager it came through; 0 = connected to us */
	uint64_t peer_id;	/* its number there */
	char node_id[ID_LEN + 1];
	uint64_t leadership;	/* connected to us: which it was announced to last */
	int announced;
	int told_leave;		/* own agent: this node leaves the swarm */
};

struct relay {
	struct map by_id, by_peer;
	struct relayed *first, *last;	/* connected to us; those of an older leadership first */
	uint64_t leadership;		/* counts them: agents begin anew with each */
	uint64_t next_ms;		/* no more of them before then */
};

/* Somebody who wants to be a manager, or none any more. */
struct wish {
	uint64_t raft_id;
	int leaves;
	char about[RAFT_ABOUT_MAX];
};

enum { WISHES_MAX = RAFT_MEMBERS_MAX };

/* Another manager there is a connection with. */
struct peer_up {
	uint64_t id;
	char node_id[ID_LEN + 1];	/* says its certificate */
};

struct members {
	struct wish wishes[WISHES_MAX];
	uint32_t wish_count;
	struct peer_up up[PEERS_MAX];
	uint32_t up_count;
	uint64_t cluster_version;	/* for which those were looked through */
	int admitted;			/* we are, or were, in the configuration */
	char about[RAFT_ABOUT_MAX];	/* what it should say of us */
	int unsettled;			/* the configuration has learners, or a node twice */
	uint64_t away_id, away_ms;	/* leader: a learner that is away, and when it goes */
	int out;			/* the leader has told us that we are no member */
	uint64_t alone_ms;		/* no leader: when to look why; 0 = there is one */
	uint64_t ask_ms;		/* not yet let in: when to ask again; 0 = no need */
	/* The managers as the API shows them, from Raft's configuration. */
	struct api_manager list[RAFT_MEMBERS_MAX];
	char text[RAFT_MEMBERS_MAX][RAFT_ABOUT_MAX];
	uint32_t count;
};

/* Snapshots under way. */
struct install {
	uint64_t saving_index;		/* our own, being saved; 0 = none */
	uint64_t retry_ms;		/* the last one failed: not before then */
	int unreadable;			/* our newest: another one is due */
	uint64_t saved_bytes;		/* of the newest: how much log is worth another */
	/* One that comes from the leader. */
	struct raft_snapshot meta;	/* ours, for it; index 0 = none */
	struct state state;		/* what it holds so far */
	struct state_loader loader;
	int loading;
	/* Recovery at the start. */
	struct buf head;		/* the first bytes, until the meta is whole */
};

/* What the data folder's key is sealed with, and from which entry on the state can tell. */
struct autolock {
	char key[UNLOCK_TEXT_LEN + 1];	/* "" = nothing */
	uint64_t after;
};

struct manager {
	const struct manager_config *config;
	struct rng rng;
	struct raft raft;
	struct state state;
	struct state_loader loader;	/* of recovery */
	int loading;
	struct control control;
	struct dispatch dispatch;
	struct api api;
	struct turn turn;
	struct requests requests;
	struct relay relay;
	struct members members;
	struct install install;
	struct autolock autolock;
	struct arena scratch;		/* of one step */
	struct buf out;			/* the message being built */
	uint64_t last_remote;		/* newest number with REMOTE_BIT */
	uint64_t txn_index;		/* of a user's transaction under way; 0 = none */
	uint64_t turn_index;		/* of our own transaction under way; 0 = none */
	int users_first;		/* the last one was our own: now it is a request's turn */
	int turn_due;			/* something changed since the last turn */
	uint64_t turn_deadline_ms;	/* the control loops asked for it; 0 = none */
	int leading;			/* was ready to lead after the last raft call */
	uint64_t leader, leader_term;	/* whom sessions and requests go to */
	uint64_t forward_ms;		/* try again to forward; 0 = nothing waits */
	int flushing;			/* EFFECT_FLUSH is out */
	int64_t time_ns;		/* the swarm's, in the last step */
	int64_t ahead_ns;		/* of this host's clock */
	int knew_all;			/* led when the disk failed: all that was acknowledged is in
					 * the state */
	char *disk_error;		/* heap: why nothing can be written any more */
	uint64_t stop_ms;		/* stopping: at the latest then; 0 = not */
	uint64_t stop_after_ms;		/* and not before then */
	int stop_led;			/* and was leading others */
	uint64_t leave_request;
	uint64_t leave_deadline_ms;	/* 0 = not leaving */
	int leave_asked;		/* our agent was told */
	int left;
};

/* What one step works with. */
struct step {
	struct manager *m;
	const struct event *ev;
	struct effects *fx;
	struct raft_update update;
};

/* ---- manager.c ---- */

/* The update for the next raft call. */
struct raft_update *step_update(struct step *s);
/* Carries out what the last raft call decided. */
void step_take(struct step *s);
/* Proposes the entry of a transaction. 0 and *index, or as raft_propose. */
int step_propose(struct step *s, struct slice entry, uint64_t *index);
void step_api_turn(struct step *s, struct api_turn *turn, struct txn *txn);
/* May we answer for the swarm? Leading, nothing of it given away. */
int step_is_leader(const struct step *s);
/* One of the users' or our own transactions is in the log and not yet applied. */
int step_txn_under_way(const struct manager *m);
/* A user asked this node to leave the swarm. */
void step_leave(struct step *s);
/* The earlier of two deadlines; 0 = none. */
uint64_t step_sooner(uint64_t a, uint64_t b);
void step_send(struct step *s, uint64_t peer, const struct peer_message *message);
/* The same, in the place of an effect that was there for it. */
void step_send_as(struct step *s, uint64_t peer, const struct peer_message *message,
		  struct effect *x);
/* An agent's session at the leader. */
void step_session_up(struct step *s, uint64_t session, const char *node_id);
void step_session_down(struct step *s, uint64_t session);
void step_session_message(struct step *s, uint64_t session, struct slice body);

/* ---- serve.c ---- */

void serve_request(struct step *s);
void serve_gone(struct step *s, uint64_t id);
void serve_peer(struct step *s, uint64_t peer, const struct peer_message *message);
void serve_peer_down(struct step *s, uint64_t peer);
/* The entry at index was applied: err < 0, it was refused. */
void serve_applied(struct step *s, uint64_t index, int err, const struct errmsg *msg);
/* Reads whose ticket is confirmed, and whether there are any. */
void serve_reads(struct step *s);
int serve_may_read(const struct manager *m);
/* Reads that the leader has confirmed for us. */
void serve_local(struct step *s);
/* Changes that waited for the transaction under way, until one of them has made the next; commands
 * that waited for room. And whether one of them can go. */
void serve_held(struct step *s);
int serve_may_go(const struct step *s);
/* We lead no more: what waits here goes to the next leader. */
void serve_lost(struct step *s);
/* Sends what waits for a leader, and refuses what has waited for too long. */
void serve_forward(struct step *s);
/* The last effects of a step: answers to other managers' clients go there. */
void serve_outgoing(struct step *s);

/* ---- relay.c ---- */

void relay_begin(struct manager *m);
void relay_up(struct step *s);
void relay_down(struct step *s);
void relay_message(struct step *s);
void relay_peer(struct step *s, uint64_t peer, const struct peer_message *message);
void relay_peer_down(struct step *s, uint64_t peer);
/* Another leader, or the same in another term: agents begin anew with it, as relay_run has them
 * do, some at a time. */
void relay_leader(struct step *s);
/* When it has something to do; 0 = it has not. */
uint64_t relay_deadline_ms(const struct manager *m);
void relay_run(struct step *s);
/* Is it the session of the agent of this very node? */
int relay_is_own(const struct manager *m, uint64_t session);
/* We lead no more: sessions of other managers' agents are forgotten. */
void relay_lost(struct step *s);
/* EFFECT_SESSION_SEND and _DROP of other managers' agents go there. */
void relay_outgoing(struct step *s, struct effect *x);
void relay_done(struct manager *m);

/* ---- members.c ---- */

void members_init(struct manager *m);
void members_up(struct step *s, uint64_t peer);
void members_down(struct step *s, uint64_t peer);
int members_is_up(const struct manager *m, uint64_t peer);
/* PEER_JOIN, PEER_LEAVE. */
void members_wish(struct step *s, const struct peer_message *message);
/* PEER_LEFT: we are no manager any more, because we asked or because a user said so. */
void members_left(struct step *s, uint64_t raft_id);
/* Raft's configuration, role or a connection changed. */
void members_view(struct step *s);
/* After each step: who was removed is not listened to any more. */
void members_purge(struct step *s);
/* Tells the driver whom to be connected with. */
void members_connect(struct step *s);
/* As leader: the next change of the configuration. Not a member: asks to be let in. */
void members_run(struct step *s);
/* Asks the leader to take us out. 1 when we are out. */
int members_leave(struct step *s);

/* ---- install.c ---- */

void install_init(struct manager *m);
void install_done(struct manager *m);
/* Our own snapshot, when enough log has come. */
void install_save(struct step *s);
void install_saved(struct step *s);
void install_failed(struct step *s);
/* What a follower needs of it. */
void install_want(struct step *s, const struct raft_want *want);
void install_read(struct step *s);
/* One that comes from the leader. */
void install_piece(struct step *s, const struct raft_message *piece);
void install_drop(struct step *s);
void install_stored(struct step *s);

/* ---- autolock.c ---- */

void autolock_init(struct manager *m);
void autolock_done(struct manager *m);
/* Before Raft starts: the log is as it was loaded. */
void autolock_start(struct manager *m);
/* Tells the driver when the swarm has another unlock key, or none, than our folder. */
void autolock_run(struct step *s);
#endif
