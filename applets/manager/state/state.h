/* state.h - the replicated state: every object of the swarm, changed by log entries only. Pure.
 *
 * A log entry is a transaction: a list of objects to put and ids to remove, decided by the
 * leader, carried out whole or not at all by every manager alike. Objects are never changed
 * in place: a put replaces one, and pointers into the old one end with it. So nobody keeps a
 * pointer across state_apply; keep ids.
 */
#ifndef SB_APPLETS_MANAGER_STATE_H
#define SB_APPLETS_MANAGER_STATE_H
#include "base/id.h"
#include "base/map.h"
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

struct state {
	struct map objects[OBJECT_KINDS];	/* read: id -> object, see state_find */
	struct map names[OBJECT_KINDS];		/* private: lower-case name -> id */
	struct map service_tasks;	/* private: "service id/task id" -> task object */
	struct map node_tasks;		/* private: "node id/task id" -> task object */
	uint64_t applied;		/* read: index of the last entry applied */
	int64_t time_ns;		/* read: the newest stamp of an object in it, ever */
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
	struct map touched;	/* private: "kind id" of every object in it */
	uint32_t count;		/* read: changes in it */
};

enum {
	TXN_CHANGES_MAX = 1000,			/* keeps one entry's apply under some ms */
	TXN_TEXT_MAX = 2 * 1024 * 1024,		/* one Raft entry (raft/record.h) */
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
/* Ends it and returns the entry's bytes, valid until txn_done. ERR_LIMIT when too large. */
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
 * Applies entry number index (applied + 1; gaps are for entries that are not transactions).
 * Deterministic: the same entries give the same state on every manager.
 * 0; or the entry has no effect at all: ERR_STALE (a version differs), ERR_EXISTS (id or name
 * taken), ERR_INVALID (does not parse), each with msg. `applied` moves in every case.
 */
int state_apply(struct state *s, uint64_t index, struct slice entry, state_watch *watch,
		void *context, struct errmsg *msg);

/* The whole state as JSON lines, for a snapshot. */
void state_save(const struct state *s, struct buf *out);
/* Into an empty state. 0, ERR_INVALID or ERR_CORRUPT with msg; then the state is unusable. */
int state_load(struct state *s, struct slice text, struct errmsg *msg);
#endif
