/* kv.h - the key-value store in the replicated state, in the shape of Consul's. Pure.
 *
 * A command is the payload of an ENTRY_KV:
 *
 *	verb u8, flags, index, length of key (varints, base/bytes.h), key, value (the rest)
 *
 * Indexes are those of the log. What a reader waits on never goes back and moves with every
 * change, removals too: for those the store keeps a grave of each removed key, with the index
 * of the removal. When there are KV_GRAVES_MAX they are all forgotten, and `forgotten` stands in
 * for them: some wait then ends early, but none misses a change.
 */
#ifndef SB_APPLETS_MANAGER_STATE_KV_H
#define SB_APPLETS_MANAGER_STATE_KV_H
#include "applets/manager/state/entry.h"
#include "applets/manager/state/pairs.h"
#include "base/err.h"

enum {
	KV_KEY_MAX = 512,		/* bytes, any but none */
	KV_VALUE_MAX = 512 * 1024,	/* Consul's limit */
	KV_PAIR_COST = 64,		/* a pair's memory beside its bytes */
	KV_BYTES_MAX = 256 << 20,	/* of keys, values and costs: managers have 512 MB */
	KV_GRAVES_MAX = 10000,		/* 6 MB of the longest keys */
};

enum kv_verb {
	KV_PUT = 1,		/* true */
	KV_PUT_CAS,		/* index = the pair's modify, 0 = there is none; else false */
	KV_DELETE,		/* true, whether there is one or not */
	KV_DELETE_CAS,		/* index = the pair's modify, else false; true if there is none */
	KV_DELETE_TREE,		/* key = prefix, may be empty: all of it. true */
};

struct kv_command {
	enum kv_verb verb;
	uint64_t flags;		/* of a put */
	uint64_t index;		/* of a _CAS */
	struct slice key;
	struct slice value;	/* of a put */
};

struct kv {
	struct pairs pairs;	/* read */
	struct pairs graves;	/* read: modify = when the key was last removed */
	uint64_t forgotten;	/* read: no grave that is gone was newer */
	uint64_t bytes;		/* read: what KV_BYTES_MAX bounds */
	/* Set by who wants to know: called with each key that a command changed or removed, while
	 * it is applied, and the index. NULL: nobody. */
	void (*note)(void *context, struct slice key, uint64_t index);
	void *note_context;
};

void kv_init(struct kv *kv);
void kv_done(struct kv *kv);

/* The command's bytes, in a. Asserts the lengths above. */
struct slice kv_command_build(struct arena *a, const struct kv_command *c);
/* Slices are borrowed. 0, or ERR_INVALID: an unknown verb or a length that cannot be; the output
 * is untouched then. */
int kv_command_parse(struct slice bytes, struct kv_command *c);

/*
 * Applies a command with the number of its entry. 0: *outcome is 200 and "true" or "false", and
 * the latter had no effect. ERR_INVALID: not a command; ERR_LIMIT: the store would be too large;
 * both with msg and without effect.
 */
int kv_apply(struct kv *kv, uint64_t index, struct slice payload, struct outcome *outcome,
	     struct errmsg *msg);

/* What changed last, at least 1: of one key, and of all that begin with prefix. The second looks
 * at every pair below it. */
uint64_t kv_index(const struct kv *kv, struct slice key);
uint64_t kv_index_below(const struct kv *kv, struct slice prefix);
#endif
