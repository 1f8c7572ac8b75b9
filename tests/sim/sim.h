/* sim.h - a cluster in simulated time: the shipped manager, worker, log and snapshots of several
 * hosts, driven from one seed, with disks, a network, clocks, engines and clients that misbehave.
 * Pure.
 *
 *	main.c     seeds, options, counts, what is printed
 *	sim.c      time: the heap of happenings; the phases of a run
 *	host.c     a process: steps, effects, crash, pause, restart
 *	store.c    what a host's driver does with log and snapshots (main_daemon.c in the daemon)
 *	disk.c     the folder below them (disk.h)
 *	net.c      connections between managers
 *	faults.c   what goes wrong by the clock rather than by a step; changes of the membership
 *	seen.c     the log as it was seen to be written, and what must hold of it
 *	promises.c what is said, against what is on disk
 *	engine.c   containers and networks, and what goes wrong with them; engine_calls.c the API
 *	clients.c  users of services and networks
 *	kv_users.c     users of the key-value store, and what they may be told
 *	check.c    what must hold of the state, always and in the end
 */
#ifndef SB_SIM_H
#define SB_SIM_H
#include <stdint.h>
#include "applets/manager/main_recover.h"
#include "applets/manager/manager.h"
#include "applets/manager/state/state.h"
#include "applets/worker/worker.h"
#include "base/map.h"
#include "base/rng.h"
#include "base/step.h"
#include "codec/json.h"
#include "crypt/token.h"
#include "disk.h"
#include "io/snapshot.h"
#include "io/wal.h"
#include "marks.h"
#include "raft/raft.h"

/* Of a run; not all seeds do all. */
enum { HOSTS = 6, SIM_TRACE_LINES = 80, SIM_TRACE_WIDTH = 240 };

enum { US = 1, MS = 1000 * US, SECOND = 1000 * MS, MINUTE = 60 * SECOND };

enum who { MANAGER, WORKER };

struct sim;
struct host;

/* Something that will happen. */
struct happening {
	uint64_t at_us, sequence;
	void (*run)(struct sim *sim, struct happening *h);
	struct host *host;
	unsigned life;		/* only in this life of the host's process; 0 = in any */
	enum who who;
	uint64_t id, more;	/* what run makes of them */
	struct happening *next;	/* waits for a process that does not run now */
	int kept;		/* so it is not freed when its run is over */
	struct event ev;	/* its bytes stand behind the happening */
};

enum life { CREATED, RUNNING, EXITED };
enum health { NO_CHECK, STARTING, HEALTHY, UNHEALTHY };

enum { CONTAINER_NETWORKS = 4, TEXT = 64 };

struct attachment {
	char network[TEXT];	/* name */
	char address[24];
};

struct container {
	struct container *next;
	char id[65], name[160], task[32], service[32];
	char image[TEXT];
	uint64_t mark;		/* the client's, of the spec it was made from */
	enum life state;
	enum health health;
	int exit_code;
	unsigned starts;
	unsigned life;		/* of the process in which it was started */
	int unasked;		/* it was started for a process that was gone */
	int disowned;		/* its start was carried out, and the answer was an error */
	uint64_t serial;
	struct attachment networks[CONTAINER_NETWORKS];
	int network_count;
};

struct bridge_net {
	struct bridge_net *next;
	char name[TEXT], id[32];	/* id: the swarm's */
};

/* What the engine remembers for those who ask for events since a time. */
struct past_event {
	int64_t wall_ns;
	struct slice text;	/* heap */
};

struct engine {
	struct container *containers;
	struct bridge_net *networks;
	struct map calls;	/* life and id of the call, as a number -> struct ecall */
	int away;
	int alone;		/* what is carried out now has nobody that waits for it */
	uint64_t serial;
	int images[8];		/* which are there */
	uint64_t events_call;	/* 0 = none */
	struct past_event *past;	/* since the engine started */
	size_t past_count, past_capacity;
};

/* ---- the log as the simulator saw it --------------------------------------------- */

/* An entry that some host wrote: there is one for an index and a term. */
struct entry_seen {
	struct entry_seen *next;	/* of the same hash */
	uint64_t index, term, previous;	/* previous: term of the entry before, 0 = not known */
	enum raft_kind kind;
	struct slice data;
};

/* A record that a host wrote. */
struct record_seen {
	enum raft_record_type type;
	struct raft_hard hard;
	struct entry_seen *entry;
};

/* What a host's log should hold. */
struct log_seen {
	struct record_seen *records;	/* number first and on */
	uint64_t first, count, capacity;
	struct entry_seen **entries;	/* index base + 1 and on: what counts of them */
	uint64_t *numbers;		/* the same: number of the record */
	uint64_t base, entry_count, entry_capacity;
	uint64_t durable;		/* record number told to the manager */
	uint64_t durable_entries;	/* index up to which the same */
	struct raft_hard hard;		/* newest durable one */
	uint64_t snapshot_index;	/* of the newest snapshot that is durable */
	uint64_t installed;		/* of the last one that came whole from a leader */
};

/* Who would vote for a host in a term. */
struct prevotes_seen {
	uint64_t term;
	uint64_t from[HOSTS];	/* raft ids */
	int count;
};

struct store {
	struct folder folder;
	struct disk disk;
	struct seal_key key;
	struct wal wal;
	struct recovery recovery;
	int cut;		/* in it: some of the log may be missing */
	int open;		/* wal is */
	int failed;		/* the manager was told */
	int syncing;		/* a sync is under way, or its end not told */
	struct buf saving;	/* our own snapshot, on its way */
	uint64_t saving_index, saving_keep;	/* index 0 = none */
	struct snapshot_writer storing;	/* the leader's */
	uint64_t storing_index;
	/* node.json */
	uint64_t raft_id;
	int founder;		/* begins a swarm of its own */
	int created;		/* there is, or was, a log */
	int forced;		/* to be started as the only one that is left */
	char contacts[128];
	/* The key file: sealed with it ("" = with nothing), as the cluster's object of that version
	 * has it. */
	char lock[UNLOCK_TEXT_LEN + 1];
	uint64_t lock_version;
};

/* One end of a connection between managers. */
struct peer_end {
	uint64_t epoch;		/* of the connection that is up here; 0 = none */
	uint64_t raft_id;	/* of the other end */
	uint64_t up_us;		/* when the manager hears of it */
	uint64_t last_us;	/* what was sent before comes before */
	uint64_t held_us;	/* nothing gets through before */
	int wanted;		/* by EFFECT_PEERS */
	uint64_t wanted_id;
	int dialing;		/* a try is under way */
};

struct host {
	struct sim *sim;
	int number;		/* from 0 */
	char node_id[32], name[16], address[32];
	struct manager_config config;
	/* the process */
	unsigned life;		/* counts from 1 */
	int used;		/* it is part of this run */
	int up;
	int stopping;		/* was told to stop */
	int exited;		/* left the swarm */
	int restarting;		/* its end is followed by a start at once */
	int dying;		/* the disk said so: the process ends with this call */
	struct happening *waiting, **waiting_last;	/* until it is neither of these */
	int stopped;		/* until SIGCONT */
	int busy;		/* blocked in a sync */
	uint64_t busy_us;	/* since then */
	struct manager *manager;
	struct worker *worker;
	struct effects fx[2];
	uint64_t timer[2];	/* token of the timer that counts */
	uint64_t deadline[2];	/* for which it is set; 0 = not */
	uint64_t session;
	uint64_t channel_us[2];	/* to each machine: messages keep their order */
	struct buf netmap;	/* as published */
	int flush_due;		/* EVENT_FLUSH is wanted */
	int turn_due;		/* the end of a turn will come */
	/* its clocks */
	int64_t drift_ppm;
	int64_t wall_ns;	/* set forward by so much, all in all */
	/* the world */
	struct store store;
	struct engine engine;
	struct peer_end peers[HOSTS];
	struct log_seen log, log_before;	/* before: a recovery that is not over */
	int recovering;
	struct prevotes_seen prevotes;
	uint64_t confirmed;	/* round of reads, after its last step */
	/* Who asked for its vote while it knew a leader, and not on that one's behalf; in which
	 * term. 0 = whoever asked last may have it. */
	uint64_t refused, refused_term;
	struct raft_config voters;	/* after the step before */
	uint64_t config_changes;	/* raft's count of them then */
	uint64_t resumed_us;	/* when it last went on after it was stopped */
	int ready;		/* it was, in this life */
	uint64_t applied;	/* by the manager, as seen last */
	uint64_t compared;	/* index at which its state was last compared */
	uint64_t led_term;	/* newest term it was seen to lead in */
	/* Its disk lost something: no other's may before it is a voter again. */
	enum damage { WHOLE, ROTTEN, LOST, REBUILDING } damaged;
	uint64_t damaged_id;	/* raft id of the life that lost it */
	uint64_t damaged_entries;	/* that it had durable then */
	int joining;		/* is to become a voter for the first time */
	int to_leave;		/* its user wants it to leave */
	int leaving;		/* and has told it so, in this life */
};

enum { SERVICES = 6, NETWORKS = 3, REQUESTS = 64 };

/* A service as its user knows it. */
struct client_service {
	char id[32];		/* "" = none that is acknowledged */
	uint64_t acked;		/* mark of the last spec that was acknowledged */
	int removing;		/* its removal was asked for */
	int busy;		/* a request is under way */
	int rolls_back;		/* so that an older spec is no loss */
	uint64_t unsure_us;	/* an answer was lost: until then it may still come to pass */
};

struct client_network {
	char id[32];
	int removing, busy;
	uint64_t unsure_us;
};

enum request_kind {
	REQUEST_NONE, REQUEST_CREATE, REQUEST_UPDATE, REQUEST_REMOVE, REQUEST_NET_CREATE,
	REQUEST_NET_REMOVE, REQUEST_NODE, REQUEST_SWARM, REQUEST_READ, REQUEST_LOGS,
	REQUEST_LEAVE, REQUEST_MEMBER,
	/* of the store: from here on */
	REQUEST_PUT, REQUEST_CAS, REQUEST_DELETE, REQUEST_GET, REQUEST_STALE, REQUEST_WAIT,
};

struct client_request {
	uint64_t id;
	enum request_kind kind;
	struct host *host;	/* where it went */
	unsigned life;
	int slot;		/* of the service, network, or key */
	uint64_t mark;		/* of the spec; the value written */
	uint64_t index;		/* of cas, of a blocking read */
	uint64_t sent_us;
	uint64_t sent_applied;	/* what was committed then */
};

struct clients {
	struct client_service services[SERVICES];
	struct client_network networks[NETWORKS];
	struct client_request requests[REQUESTS];
	uint64_t last_request, last_mark;
	int node_busy;
	int leaving, left;
};

enum { KV_KEYS = 8 };

/* What a key held from an index on. */
struct kv_version {
	uint64_t index;		/* of the entry */
	uint64_t value;		/* 0 = nothing */
};

struct kv_history {
	struct kv_version *versions;
	size_t count, capacity;
};

struct kv_users {
	struct kv_history keys[KV_KEYS];
	struct kv_write *writes;	/* of value 1 and on */
	uint64_t last_value, write_capacity;
	uint64_t acked;			/* writes and reads */
	uint64_t whole_us;		/* when the last fault was over */
	unsigned served;		/* since then, one bit a host: something was answered */
	int over;			/* nothing is asked any more */
};

struct checks {
	struct state shadow;	/* every committed entry, applied once */
	struct entry_seen **committed;	/* index 1 and on */
	uint64_t *commit_terms;		/* the same: term in which that was seen first */
	uint64_t committed_count, committed_capacity;
	struct map hashes;	/* index -> of the state there */
	struct map tasks;	/* id -> struct seen_task */
	struct map services;	/* ids of those that ever started first and stopped then */
	struct map leaders;	/* term -> host and raft id that led in it */
	struct map votes;	/* raft id and term -> who got the vote */
	struct map rounds;	/* raft id, term and leader -> newest round of reads answered */
	struct entry_seen *entries[1024];	/* by index and term */
	struct arena arena;	/* of entries */
	uint64_t hashed;	/* index of the newest in hashes */
};

/* How a run is meant. */
struct plan {
	int hosts;		/* that begin */
	int spare;		/* that may join later */
	uint64_t faults_us;	/* how long phase 1 is */
	int services;		/* users of services, as in the runs of one node before */
	uint64_t kv_us;		/* between two commands; 0 = no users of the store */
	uint64_t nemesis_us;	/* between two faults by the clock */
	int blocking;		/* a sync blocks the process, as it does in the daemon */
	int force;		/* in the end only one is left */
	size_t piece_bytes;	/* of a snapshot read for a follower */
	uint32_t snapshot_entries;
	uint32_t segment_bytes;	/* of the log */
};

struct sim {
	uint64_t seed;
	struct rng rng;
	uint64_t options[OPTIONS];
	struct plan plan;
	int trace;		/* print every line at once */
	int tracing;		/* and, or keep the last ones */
	/* time */
	uint64_t now_us;
	uint64_t sequence;
	struct happening **heap;
	size_t heap_count, heap_capacity;
	uint64_t steps, steps_now;	/* steps_now: at this very time */
	int faults;		/* phase 1 */
	struct host hosts[HOSTS];
	int host_count;
	/* network */
	uint64_t epoch;		/* of connections */
	uint8_t cut[HOSTS][HOSTS];	/* from, to: nothing gets through */
	uint64_t cut_token;	/* of the partition there is */
	uint64_t cut_us;	/* when it began */
	struct clients clients;
	struct kv_users kv;
	struct checks checks;
	/* the outcome */
	int failed;
	char why[1024];
	uint64_t marks[MARKS];
	char lines[SIM_TRACE_LINES][SIM_TRACE_WIDTH];
	uint64_t line_count;
};

/* ---- main.c ---- */

void sim_trace(struct sim *sim, const char *format, ...) __attribute__((format(printf, 2, 3)));
/* The first one counts. */
void sim_fail(struct sim *sim, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* ---- sim.c ---- */

/* One run: phase 1, phase 2. sim->failed says how it went. */
void sim_run(struct sim *sim);
void sim_done(struct sim *sim);
/* Something to happen delay_us from now; ev (NULL allowed) is copied. */
struct happening *sim_at(struct sim *sim, uint64_t delay_us,
			 void (*run)(struct sim *, struct happening *), const struct event *ev);
/* The same for a host: any is 1 for one that happens in every life of its process. */
struct happening *sim_at_host(struct host *host, int any, uint64_t delay_us,
			      void (*run)(struct sim *, struct happening *),
			      const struct event *ev);
/* What was kept happens now. */
void sim_again(struct sim *sim, struct happening *h);
/* With a chance of an option's value in `of`; never when faults are over. */
int sim_fault(struct sim *sim, enum option option, uint64_t of);
/* Bytes of io/entropy.h come from this seed. */
void entropy_seed(uint64_t seed);
/* Even in low .. high. */
uint64_t sim_between(struct sim *sim, uint64_t low, uint64_t high);
struct slice sim_key(uint64_t id, char key[8]);

/* ---- host.c ---- */

void host_init(struct host *host, int number);
void host_done(struct host *host);
/* Its clocks. */
uint64_t host_now_ms(const struct host *host);
int64_t host_wall_ns(const struct host *host);
void host_start(struct host *host, uint64_t delay_us);
/* An event for a machine of this life of the process. */
void host_deliver(struct host *host, uint64_t delay_us, enum who who, const struct event *ev);
/* power: what was not durable is lost, and the network does not hear of it. */
void host_crash(struct host *host, int power, const char *why);
void host_stop(struct host *host);		/* SIGTERM */
void host_pause(struct host *host, uint64_t for_us);	/* SIGSTOP, SIGCONT */
void host_resume(struct host *host);
void host_cut_session(struct host *host);
/* It died in the call before, by its disk: then all that goes with that has been done. */
int host_died(struct host *host);
/* It ends and starts anew by itself. */
void host_restart(struct host *host);
/* The end of a turn of its loop is to come. */
void host_turn(struct host *host);
/* Is not busy any more: what waited happens. */
void host_idle(struct host *host);
/* Its process is there, and not stopped. */
int host_runs(const struct host *host);

/* ---- store.c ---- */

void store_init(struct host *host);
void store_done(struct host *host);
void store_append(struct host *host, const struct effect *x);
void store_save(struct host *host, const struct effect *x);
void store_read(struct host *host, const struct effect *x);
void store_piece(struct host *host, const struct effect *x);
void store_restart(struct host *host);
/* EFFECT_LOCK. */
void store_lock(struct host *host, struct slice key);
/* The end of a turn: what was appended is synced. */
void store_sync(struct host *host);
int store_due(const struct host *host);
/* The process is gone. */
void store_crash(struct host *host, int power);
/* Fills a new manager. 0; or it cannot start: host->dying, or the run has failed. */
int store_recover(struct host *host);

/* ---- net.c ---- */

void net_peers(struct host *host, struct slice lines);
void net_dial(struct host *host, struct slice address);
void net_send(struct host *host, uint64_t raft_id, struct slice body);
/* The process is gone. silent: nobody hears of it. */
void net_crash(struct host *host, int silent);
/* Ends the connection of two, if there is one. */
void net_reset(struct sim *sim, struct host *a, struct host *b);
void net_heal(struct sim *sim);
/* Cuts for_us long, in a way that is drawn. */
void net_partition(struct sim *sim, uint64_t for_us);

/* ---- faults.c ---- */

void faults_start(struct sim *sim);
/* Phase 2 begins: all that is broken for a time is whole again. */
void faults_end(struct sim *sim);
/* All but one die for ever, and that makes a swarm of itself (--force-new-cluster). 0: not in this
 * run. */
int faults_force(struct sim *sim);
/* A host that lost its disk is whole again. */
void faults_look(struct sim *sim);

/* ---- seen.c ---- */

void seen_append(struct host *host, const struct effect *x);
/* The manager is about to hear that all records up to number are durable. */
void seen_durable(struct host *host, uint64_t number);
/* A recovery begins; a record of it; it is over. damaged: some of it may be missing. */
void seen_recovery(struct host *host);
void seen_loaded(struct host *host, const struct raft *r, uint64_t number, struct slice record);
void seen_recovered(struct host *host, int damaged);
/* The process is gone: a recovery that was under way has changed nothing. */
void seen_crash(struct host *host);
/* A snapshot is durable, our own or (installed) the leader's. */
void seen_snapshot(struct host *host, uint64_t index, int installed);
/* A snapshot that is being written, from its first byte. */
void seen_snapshot_meta(struct host *host, struct slice bytes, int ours);
/* Before a partition ends: nobody leads who was cut off from most for so long. */
void seen_cut(struct sim *sim);
/* After each step of the manager. */
void seen_check(struct host *host);
void seen_init(struct sim *sim);
void seen_done(struct sim *sim);
/* The term of an entry in its log, 0 = not known. */
uint64_t seen_term(const struct host *host, uint64_t index);
/* The host that leads in the newest term and runs, or NULL. */
struct host *seen_leader(struct sim *sim);

/* For promises.c. By index, NULL = not there; the last index. */
struct entry_seen *seen_entry(const struct log_seen *l, uint64_t index);
uint64_t seen_end(const struct log_seen *l);
/* Is it on that host's disk? */
int seen_has(const struct host *host, const struct entry_seen *e);
/* The host that has that raft id now, or NULL. */
struct host *seen_host(struct sim *sim, uint64_t raft_id);
/* Notes that it is so; 0 if it was noted to be otherwise, and *other then is what. */
int seen_note(struct map *map, struct slice key, uint64_t id, uint64_t *other);

/* ---- promises.c ---- */

/* What leaves for another manager. */
void seen_send(struct host *host, const struct effect *x);
/* After each step of the manager: what its reads rest on. */
void promises_rounds(struct host *host);
/* What came from one. */
void seen_receive(struct host *host, const struct event *ev);

/* ---- engine.c ---- */

void engine_init_sim(struct host *host);
void engine_done_sim(struct host *host);
void engine_call_sim(struct host *host, const struct effect *x);
void engine_cancel_sim(struct host *host, uint64_t id);
/* The process is gone: what was under way is carried out, or late, or not at all. */
void engine_crash(struct host *host);
/* It goes away for a time; cold: its containers end. */
void engine_leave(struct host *host, uint64_t for_us, int cold);
void engine_return(struct host *host);
void engine_remove_by_hand(struct host *host);
/* Nothing is under way but streams. */
int engine_quiet(const struct host *host);

/* For engine_calls.c. */
void engine_event(struct host *host, const struct container *c, const char *action);
void engine_started(struct host *host, struct container *c);
void engine_ended(struct host *host, struct container *c, int code);
void engine_free(struct host *host, struct container *c);
struct container *engine_find(struct host *host, struct slice key);
struct bridge_net *engine_network(struct host *host, const char *name);

/* ---- engine_calls.c ---- */

struct call_seen {
	struct slice method, target, body;
};
/* Carries a call out. Returns the status; the answer is added to out. */
int engine_carry_out(struct host *host, const struct call_seen *r, struct buf *out);

/* ---- clients.c ---- */

void clients_start(struct sim *sim);
/* Sends a request to a host; NULL: to any that runs. NULL: there is none, or no room. */
struct client_request *clients_send(struct sim *sim, struct host *host, enum request_kind kind,
				    const char *method, const char *target, struct slice body);
/* Phase 2: sends an update to every service that is not as it should be because its
 * update stopped or its tasks are used up. In phase 2 clients do nothing else by themselves but
 * end a drain. */
void clients_push(struct sim *sim);
void clients_leave(struct sim *sim);
void clients_reply(struct host *host, const struct effect *x);
/* The process is gone: no answer will come. */
void clients_crash(struct host *host);
/* Nothing is under way. */
int clients_quiet(const struct sim *sim);

/* ---- kv.c ---- */

void kv_users_start(struct sim *sim);
void kv_users_done(struct sim *sim);
void kv_users_answered(struct sim *sim, struct client_request *r, const struct effect *x);
/* The entry was applied to the shadow. */
void kv_users_applied(struct sim *sim, const struct entry_seen *e);
/* Phase 2: 1 when every manager has answered something; then no more is asked. */
int kv_users_served(struct sim *sim, char why[256]);

/* ---- check.c ---- */

void check_init(struct sim *sim);
void check_done(struct sim *sim);
/* After a step of the manager, before its effects. */
void check_step(struct host *host);
/* Applies the next committed entry to the shadow. */
void check_commit(struct sim *sim, const struct entry_seen *e);
/* A client got its acknowledgement. */
void check_acked(struct sim *sim, const struct client_request *r, const char *id);
/* Before the engine does it. */
void check_create(struct host *host, const struct container *c);
void check_start(struct host *host, const struct container *c);
void check_stop(struct host *host, const struct container *c);
/* c is to start with an address that the other, which runs, has. */
void check_address(struct host *host, const struct container *c, const struct container *other);
/* 1 when all managers agree, one leads and every one that should votes. why: what is not, of
 * 256 bytes. */
int check_agreed(struct sim *sim, char why[256]);
/* 1 when all is as it was asked for. pushed: also services that may stand still for good. */
int check_converged(struct sim *sim, int pushed, char why[256]);
int check_left(struct sim *sim, char why[256]);
/* 1 when a service runs as its spec says. */
int check_service(struct sim *sim, const struct service *s, char why[256]);
/* The service may rightly not be as it was asked for: its update stopped, its tasks ended, or
 * a network of another service that rests has the name of its own. */
int check_may_rest(const struct sim *sim, const struct service *s);
/* The mark of a spec, from its environment; 0 if it has none. */
uint64_t check_mark(const struct task_spec *t);
void check_explain(char why[256], const char *format, ...) __attribute__((format(printf, 2, 3)));
#endif
