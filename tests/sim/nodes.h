/* nodes.h - simulated nodes of a swarm: their certificates and roles, who changes these, and what
 * must hold of them. Part of sim.h. Pure. */
#ifndef SB_SIM_NODES_H
#define SB_SIM_NODES_H
#include "applets/manager/state/state.h"
#include "base/step.h"
#include "crypt/token.h"
#include "crypt/x509.h"

struct sim;
struct host;
struct client_request;
struct entry_seen;
struct raft;

enum { HOSTS = 9 };

/* What a host is in the swarm. */
struct identity {
	int enrolled;		/* it has a certificate */
	enum node_role role;	/* says that */
	int64_t not_after_s, renew_at_s;
	int due;		/* the next one is wanted at once */
	int removed;		/* it was told that it is no node any more */
	/* until it is enrolled */
	enum node_role wanted;	/* the role of the token */
	char token[TOKEN_TEXT_LEN + 1];
	int request;		/* number of what it asks with; 0 = none yet */
	/* while it asks */
	uint64_t asking;	/* counts the rounds */
	int under_way;
	int tried;		/* managers of the list that were asked */
	/* when it was sent */
	int token_fits, was_removed;
	uint64_t version;	/* of its node object */
};

/* The connection of a worker's agent with a manager. */
struct agent_link {
	uint64_t epoch;		/* 0 = none */
	struct host *at, *last;
	uint64_t id;		/* the manager's number of the session */
	uint64_t last_us[2], held_us[2];	/* as of peer_end; to the agent, to the manager */
	int restarting, closing;	/* the manager does not hear it */
	int dialing;
	uint64_t wait_us;
};

/* Users of the membership. */
struct admins {
	char tokens[2][TOKEN_TEXT_LEN + 1], old_tokens[2][TOKEN_TEXT_LEN + 1];	/* by role */
	int is_last;		/* the only manager was told to be a worker */
	int busy;		/* a change of the swarm's settings is under way */
	int is_rotating;	/* and it is of this token, which was: */
	enum node_role rotating;
	char before[TOKEN_TEXT_LEN + 1];
	int requests;		/* for certificates, used so far */
	uint64_t clean_us;	/* when what is dead was looked at last */
};

/* ---- authority.c ---- */

enum {
	AUTHORITY_REQUESTS = 96,
	AUTHORITY_RENEWAL = 0,	/* whose key does not matter */
	AUTHORITY_NAMED = 1,	/* that names somebody */
	AUTHORITY_FIRST = 2,	/* of those of one node each */
};

/* PEM. */
const char *authority_cert(void);
const char *authority_key(void);
const char *authority_request(int number);
/* The first certificate of a text. ERR_INVALID. */
int authority_read(struct slice pem, struct x509_cert *cert);

/* ---- nodes.c ---- */

/* Its certificate says so. */
int nodes_is_manager(const struct host *host);
/* The managers that it knows; how many. */
int nodes_contacts(const struct host *host, struct host *list[HOSTS]);
void nodes_set_contacts(struct host *host, struct host *const *list, int n);
/* It is told of some that are managers and stay; how many. */
int nodes_look_up(struct host *host);
/* Each believes the other's certificate. */
int nodes_trust(const struct host *a, const struct host *b);
/* to answers from's calls at its cluster port. */
int nodes_reach(const struct host *from, const struct host *to);
/* The body of a request for a certificate, in out; token: NULL or it. */
struct slice nodes_request(int request, const char *token, struct buf *out);
/* The next number of a request. */
int nodes_new_request(struct sim *sim);
/* It asks to be let in, until it has a certificate; then it starts. */
void nodes_join(struct host *host);
/* Its process has begun. */
void nodes_begin(struct host *host);
void nodes_answered(struct client_request *r, const struct effect *x);
/* No answer will come. */
void nodes_lost(struct client_request *r);
/* It was told that it is of the swarm no more. */
void nodes_removed(struct host *host);
/* EFFECT_NODE. */
void nodes_told(struct host *host, struct slice body);

/* ---- agents.c ---- */

/* The process of a worker begins. */
void agents_begin(struct host *host);
/* A process is gone, as net_crash. */
void agents_crash(struct host *host, int silent);
/* Its connection ends. */
void agents_reset(struct host *agent);
/* On a worker: from its worker machine; from its own manager machine. */
void agents_send_up(struct host *host, const struct effect *x);
void agents_send_down(struct host *host, const struct effect *x);
/* On a manager: EFFECT_SESSION_SEND and _DROP for the agent of another host. */
void agents_effect(struct host *manager, const struct effect *x);

/* ---- admins.c ---- */

void admins_start(struct sim *sim);
/* Faults by the clock. */
void admins_roles(struct sim *sim);
void admins_remove(struct sim *sim);
void admins_lose(struct sim *sim);
void admins_tokens(struct sim *sim);
/* The join token of that role is to be another. */
void admins_rotate(struct sim *sim, enum node_role role);
void admins_away(struct sim *sim);
/* Phase 2: a worker is to be a manager, and a manager a worker. */
void admins_change_all(struct sim *sim);
/* Once a second and host. */
void admins_look(struct host *host);
/* It has joined. */
void admins_joined(struct host *host);
/* A change of the state. */
void admins_note(struct sim *sim, const struct change *change);
int admins_was_removed(const struct sim *sim, const char *node_id);
/* Every host knows another manager than this one, if it is one. */
int admins_may_go(const struct host *host);
/* Certificates are given for a short time, as they are to be. */
int admins_lives_set(const struct sim *sim);
void admins_answered(struct sim *sim, struct client_request *r, const struct effect *x);

/* ---- check_nodes.c ---- */

/* By the newest configuration that is committed. */
int check_nodes_member(const struct sim *sim, uint64_t raft_id);
/* The next committed entry. */
void check_nodes_commit(struct sim *sim, const struct entry_seen *e);
/* A change of the state: whose reports change it, and who has joined. */
void check_nodes_note(struct sim *sim, const struct change *change);
/* A certificate's life is what the swarm's settings say. */
void check_nodes_life(struct sim *sim, const struct x509_cert *cert);
/* Its agent is told to begin its session anew. */
void check_nodes_begins(struct host *host);
/* Before the manager hears a message. */
void check_nodes_heard(struct host *host, const struct event *ev);
/* 1 when that host is in the swarm as it is to be. */
int check_nodes_agreed(const struct host *host, const struct raft *leader, char why[256]);
#endif
