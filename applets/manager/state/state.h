/* state.h - the replicated state: every object of the swarm, changed by log entries only. Pure.
 *
 * A log entry (entry.h) is a command of the key-value store (kv.h) or a transaction: a list of
 * objects to put and ids to remove, decided by the leader, carried out whole or not at all by
 * every manager alike. Objects are never changed
 * in place: a put replaces one, and pointers into the old one end with it. So nobody keeps a
 * pointer across state_apply; keep ids.
 */
#ifndef SB_APPLETS_MANAGER_STATE_H
#define SB_APPLETS_MANAGER_STATE_H
#include "applets/manager/state/kv.h"
#include "applets/manager/state/recent.h"
#include "base/id.h"
#include "base/map.h"
#include "base/sink.h"
#include "base/step.h"
#include "model/node.h"
#include "model/task.h"

enum object_kind {
	OBJECT_CLUSTER,		/* struct cluster: one */
	OBJECT_NODE,
	OBJECT_SERVICE,
	OBJECT_TASK,
	OBJECT_NETWORK,
	OBJECT_KINDS,
};

/* "cluster", "node", ...: in log entries, messages and event types. */
extern const char *const object_kind_names[OBJECT_KINDS];
const struct table *object_table(enum object_kind kind);

/* The parts of a saved state, in this order. */
enum state_part {
	STATE_HEAD,
	STATE_OBJECTS,
	STATE_PAIRS,
	STATE_GRAVES,
	STATE_RECENT,
	STATE_PARTS,
};

struct state {
	struct map objects[OBJECT_KINDS];	/* read: id -> object, see state_find */
	struct map names[OBJECT_KINDS];		/* private: lower-case name -> id */
	struct map service_tasks;	/* private: "service id/task id" -> task object */
	struct map node_tasks;		/* private: "node id/task id" -> task object */
	struct kv kv;			/* read; note and note_context: set, see kv.h */
	struct recent recent;		/* private: see state_recent */
	uint64_t applied;		/* read: index of the last entry applied */
	int64_t time_ns;		/* read: the newest stamp of an object in it, ever */
	/* read, after a state_apply that returned 0: the answer to the entry's request, borrowed
	 * from the state and the entry's bytes until the next state_apply; and whether it was
	 * carried out before, so that this time nothing was done. */
	struct outcome outcome;
	int repeated;
};

void state_init(struct state *s);
void state_done(struct state *s);

/* The typed object (struct service * ...), or NULL. Borrowed until the next state_apply. */
const void *state_find(const struct state *s, enum object_kind kind, const char *id);
const struct service *state_service(const struct state *s, const char *id);
const struct task *state_task(const struct state *s, const char *id);
const struct node *state_node(const struct state *s, const char *id);
const struct network *state_network(const struct state *s, const char *id);
/* The one cluster object; NULL before the first entry. */
const struct cluster *state_cluster(const struct state *s);
/* By name, any case (services, networks); NULL if none. */
const void *state_find_name(const struct state *s, enum object_kind kind, const char *name);
/*
 * As the API looks things up: exact id, then exact name, then a prefix of an id.
 * 0 and *object; ERR_NOT_FOUND; ERR_AMBIGUOUS with *matches set.
 */
int state_lookup(const struct state *s, enum object_kind kind, const char *ref,
		 const void **object, size_t *matches);

/*
 * In order of ids:  for (e = state_first(s, OBJECT_NODE); e; e = map_next(e))
 *	const struct node *n = state_entry(e);
 */
struct map_entry *state_first(const struct state *s, enum object_kind kind);
const void *state_entry(const struct map_entry *e);

/* The tasks of one service (or node), in order of task ids. */
struct state_tasks {
	const struct map_entry *entry;	/* private */
	char prefix[ID_LEN + 2];	/* private: "id/" */
};
const struct task *state_service_tasks(const struct state *s, const char *service_id,
				       struct state_tasks *it);
const struct task *state_node_tasks(const struct state *s, const char *node_id,
				    struct state_tasks *it);
const struct task *state_tasks_next(struct state_tasks *it);

/* A transaction being written by the leader. */
struct txn {
	struct buf text;	/* private */
	struct json_writer writer;	/* private */
	struct arena arena;	/* private */
	struct entry entry;	/* private */
	struct map touched;	/* private: "kind id" of every object in it */
	uint32_t count;		/* read: changes in it */
};

enum {
	TXN_CHANGES_MAX = 1000,			/* keeps one entry's apply under some ms */
	/* One Raft entry (raft/record.h). */
	TXN_TEXT_MAX = 2 * 1024 * 1024 - ENTRY_OVERHEAD_MAX,
};

/* wall_ns: the leader's clock, the stamp of every change in it. */
void txn_init(struct txn *t, int64_t wall_ns);
void txn_done(struct txn *t);
/*
 * Puts an object. Its meta.version is the version it was made from: 0 = must be new, else it
 * must still be the stored one when the entry is applied, or the whole entry is refused.
 * Asserts that the object is not touched twice.
 */
void txn_put(struct txn *t, enum object_kind kind, const void *object);
/* Removes an object at that version. */
void txn_remove(struct txn *t, enum object_kind kind, const char *id, uint64_t version);
int txn_touches(const struct txn *t, enum object_kind kind, const char *id);
/* Room for n more changes? */
int txn_has_room(const struct txn *t, uint32_t n);
/*
 * The request that it carries out (none: not to be recorded) and what that is answered when it is
 * applied. The body is copied. ERR_LIMIT: it is longer than ENTRY_BODY_MAX. Without this call it
 * is nobody's: no id, status 0, no body.
 */
int txn_reply(struct txn *t, struct request_id id, const struct outcome *outcome);
/* Ends it and returns the whole entry's bytes, valid until txn_done. ERR_LIMIT when too large. */
int txn_finish(struct txn *t, struct slice *entry);

struct change {
	enum object_kind kind;
	enum change_action { CHANGE_CREATE, CHANGE_UPDATE, CHANGE_REMOVE } action;
	const char *id;
	const char *service_id;	/* of a task (also a removed one), else NULL */
	const char *node_id;	/* of a task, NULL if not assigned */
};

/* Called for each change of an applied entry, after all of them are in the state. */
typedef void state_watch(void *context, const struct change *change);

/*
 * Applies entry number index (applied + 1; gaps are for entries that are not commands).
 * Deterministic: the same entries give the same state on every manager.
 * 0: carried out, or it was before (its request id is among state_recent): s->repeated, and
 * s->outcome is the answer. Or the entry has no effect at all and nothing is recorded, so that
 * its request may be tried again: ERR_STALE (a version differs), ERR_EXISTS (id or name taken),
 * ERR_INVALID (does not parse), ERR_LIMIT (the key-value store is full), each with msg. `applied`
 * moves in every case.
 */
int state_apply(struct state *s, uint64_t index, struct slice entry, state_watch *watch,
		void *context, struct errmsg *msg);
/* The answer that a request was given, if it is among the last RECENT_MAX that were carried out;
 * else NULL. Who leads looks here before it proposes a request anew. Borrowed until the next
 * state_apply. */
const struct outcome *state_recent(const struct state *s, struct request_id id);

/* ---- snapshots: save.c, load.c, and the format there ---- */

/* Writes the whole state in pieces of about SINK_PIECE. 0, or what the sink returned. */
int state_save(const struct state *s, struct sink *out);

struct state_loader {
	struct state *state;	/* private, as all of it */
	struct pairs_end end;
	struct buf held;	/* the front of an item that was cut by the end of a piece */
	uint64_t left[STATE_PARTS];
	int part;
	uint64_t applied;
	int failed;
};

/* Into an empty state, from pieces cut anywhere:  begin, feed ..., end.  end is to be called in
 * any case. feed and end: 0, or ERR_INVALID or ERR_CORRUPT with msg: then the state is unusable
 * and only fit for state_done. end: also when the text is not complete. */
void state_load_begin(struct state_loader *l, struct state *s);
int state_load_feed(struct state_loader *l, struct slice piece, struct errmsg *msg);
int state_load_end(struct state_loader *l, struct errmsg *msg);
/* All of it at once. */
int state_load(struct state *s, struct slice text, struct errmsg *msg);
#endif
