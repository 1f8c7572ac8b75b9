/* main_private.h - the daemon's struct, for its files. I/O.
 *
 *	main_daemon.c   events and effects, the turn of the loop, start and end
 *	main_disk.c     the log and the snapshots: recovery, effects, what to do when the disk fails
 *	main_links.c    the cluster port: other managers, nodes that want a certificate
 *	main_join.c     becoming a node of a swarm
 *	main_agent.c    the node's own agent: its sessions, what it is told of the node
 *	main_address.c  where the node is reached
 *	main_renew.c    its next certificate, in time, or because it is to be something else
 *	main_lock.c     what the unlock key opens
 */
#ifndef SB_APPLETS_MANAGER_MAIN_PRIVATE_H
#define SB_APPLETS_MANAGER_MAIN_PRIVATE_H
#include "applets/manager/main.h"
#include "applets/manager/main_lb.h"
#include "applets/manager/main_node.h"
#include "applets/manager/main_trust.h"
#include "applets/worker/worker.h"
#include "io/datadir.h"
#include "io/engine.h"
#include "io/agent.h"
#include "io/agents.h"
#include "io/peers.h"
#include "io/port.h"
#include "io/server.h"
#include "io/snapshot.h"
#include "io/wal.h"

enum who { MANAGER, WORKER };

/* An event that waits, with its bytes behind it. */
struct queued;

struct machine {
	struct daemon *daemon;
	enum who who;
	struct effects fx;
	struct loop_timer timer;
};

/* A snapshot that is written by a copy of this process. */
struct saving {
	struct loop_child child;
	uint64_t index, wal_keep;	/* index 0 = none */
	uint64_t length;
	int result_fd;			/* the copy tells here how it went */
};

/* Our snapshot on its way to another manager. */
struct reading {
	uint64_t peer;			/* 0 = free */
	struct snapshot_reader reader;
};

enum { READINGS_MAX = 4 };

/* The next certificate, which is asked for. */
struct renewal {
	struct loop_timer timer;
	struct enrol enrol;
	int asking;
	int own;			/* this node's own manager was asked */
	int now;			/* the one there is is not what it must be */
	int asked_now;			/* so it was when the next one was asked for */
	struct buf key, request;	/* of what is asked for; key: PEM */
};

struct daemon {
	struct daemon_config *config;
	struct arena arena;
	struct loop loop;
	struct datadir dir;
	struct wal wal;
	struct saving saving;
	struct reading readings[READINGS_MAX];
	struct snapshot_writer storing;	/* one that comes from the leader */
	uint64_t storing_index;		/* 0 = none */
	struct loop_timer probe_timer;	/* the disk failed: can it be written again? */
	struct server server;
	struct engine engine;
	struct peers peers;
	struct agents agents;
	struct agents_handler agents_handler;
	struct agent agent;		/* of a worker */
	struct agent_handler agent_handler;
	struct trust *trust;		/* what this node shows and believes */
	struct tls_info tls_info;	/* what the worker tells of it */
	int is_manager;			/* says its certificate */
	struct loop_watch addresses;	/* this host's have changed */
	struct loop_timer addresses_timer;
	struct renewal renewal;
	struct channel_config channels;
	struct port port;
	struct port_handler port_handler;
	struct peers_handler peers_handler;
	struct manager *manager;
	struct worker *worker;
	uint64_t own;			/* our own agent's session, as the manager knows it */
	uint64_t session;		/* as the worker knows it; 0: it has none */
	uint64_t last_session;
	int welcome;			/* a worker: a leader has told it something */
	struct machine machines[2];
	struct queued *first, **last;
	int stepping;
	int flush_due;
	int log_failed;
	int announced;
	int founder;			/* node.json says so until the swarm is founded */
	int ended;
	int restart;			/* begin anew from the disk when ended */
	int status;
	struct loop_timer turn_timer;	/* more to do than one turn may */
	struct lb_process lb;
	struct server_handler server_handler;
	struct engine_handler engine_handler;
};

/* ---- main_daemon.c ---- */

/* Gives a machine its event: at once, or after the step that is under way. */
void daemon_deliver(struct daemon *d, enum who who, struct event *ev);
/* What who started this daemon is told, once: "ready ROLE\n", "locked\n", or why it does not get
 * ready. */
void daemon_tell(struct daemon *d, const char *text);
/* Takes signals and answers the API; what serves says is ours comes to the manager, or to
 * lock_request before there is one. */
int daemon_listen(struct daemon *d, int (*serves)(struct slice method, struct slice target),
		  struct errmsg *msg);
/* EFFECT_REPLY. */
void daemon_answer(struct daemon *d, const struct effect *x);
/* Ends, and begins anew from what the disk holds. */
void daemon_restart(struct daemon *d);

/* ---- main_disk.c ---- */

/* Makes the manager from what the disk holds (main_recover.h). */
int disk_recover(struct daemon *d, struct errmsg *msg);
void disk_append(struct daemon *d, const struct effect *x);
/* Makes what was appended durable and tells the manager. 1 if there was something. */
int disk_sync(struct daemon *d);
void disk_save(struct daemon *d, const struct effect *x);
void disk_read(struct daemon *d, const struct effect *x);
void disk_store(struct daemon *d, const struct effect *x);
void disk_restart(struct daemon *d, const struct effect *x);
void disk_wipe(struct daemon *d);
/* The data folder cannot be written: the manager hears of it, once. */
void disk_failed(struct daemon *d, const struct errmsg *msg);
void disk_done(struct daemon *d);

/* ---- main_links.c ---- */

int links_start(struct daemon *d, struct errmsg *msg);
void links_done(struct daemon *d);
void links_effect(struct daemon *d, const struct effect *x);
/* EFFECT_SESSION_SEND and _DROP to an agent elsewhere. */
void links_agent(struct daemon *d, const struct effect *x);
/* Replies to a node that wants a certificate. 1 if the request was one of these. */
int links_answer(struct daemon *d, const struct effect *x);
/* Has this node's own manager, and so the leader, certify it: renewal_answer follows, later. */
void links_ask(struct daemon *d, struct slice request);
/* Makes next what this node shows and believes, durably. It is ours, whatever comes of it. */
int links_trust(struct daemon *d, struct trust *next, struct errmsg *msg);
void links_flush(struct daemon *d);

/* ---- main_agent.c ---- */

/* After EVENT_START of both machines. */
void agent_begin(struct daemon *d);
void agent_end(struct daemon *d);
/* EFFECT_SESSION_SEND of the worker; of the manager to d->own. EFFECT_SESSION_DROP of d->own. */
void agent_send_up(struct daemon *d, const struct effect *x);
void agent_send_down(struct daemon *d, const struct effect *x);
void agent_restart_own(struct daemon *d);
/* A manager has said that this node is not of the swarm any more. */
void agent_removed(struct daemon *d);
/* EFFECT_NODE. */
void agent_node(struct daemon *d, const struct effect *x);

/* ---- main_renew.c ---- */

/* Watches over the life of d->trust's certificate from now on. */
void renewal_start(struct daemon *d);
/* The certificate says what the node is not to be any more. */
void renewal_now(struct daemon *d);
/* What was said to the request: an HTTP status, or a code and why (io/agent.h). */
void renewal_answer(struct daemon *d, int status, struct slice body);
void renewal_done(struct daemon *d);

/* ---- main_lock.c ---- */

/* A new folder that is to be locked from the start, with config->unlock_key; else nothing. Before
 * anything is sealed in it. */
int lock_create(struct daemon *d, struct errmsg *msg);
/* Returns when the data folder is open: at once, or when somebody has given the key. Until then the
 * API is served as far as it goes without (daemon_listen). d->ended: not any more, this process was
 * stopped or the node has left. */
int lock_wait(struct daemon *d, struct errmsg *msg);
void lock_request(struct daemon *d, const struct event *ev);
/* EFFECT_LOCK. Wipes it. */
void lock_seal(struct daemon *d, const struct effect *x);
/* This node is no manager any more, and so does not lock. */
void lock_open(struct daemon *d);
/* Before the process begins anew as another program: that one need not be unlocked again. */
void lock_bequeath(struct daemon *d);

/* ---- main_join.c ---- */

/* Has the manager at config->node.contacts certify this node: sets d->trust and the node's id.
 * Waits for at most 20 s. 0, or a code with msg. */
int join_swarm(struct daemon *d, struct errmsg *msg);
#endif
