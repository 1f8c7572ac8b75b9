/* kv_watch.h - reads of the key-value store that wait for a change. Pure.
 *
 * A wait is due when its key (or one below its prefix) changed after its index, when its time is
 * up, or when whoever held it is not asked any more. Who waits for other keys is not looked at.
 */
#ifndef SB_APPLETS_MANAGER_API_KV_WATCH_H
#define SB_APPLETS_MANAGER_API_KV_WATCH_H
#include "applets/manager/state/kv.h"
#include "base/map.h"

enum {
	KV_WATCH_MAX = 4096,		/* as many connections as the API has */
	KV_WATCH_TARGET_MAX = 4096,	/* the longest key, all of it escaped, and parameters */
};

struct kv_wait {
	uint64_t request;
	uint64_t index;			/* what the client has seen */
	uint64_t deadline_ms;
	int below;			/* key is a prefix */
	int local;			/* any manager may answer it: ?stale */
	struct slice key;
	struct slice target;		/* of the request */
	int lost;			/* read when it is due: kv_watch_lost made it so */
	/* private */
	int due;
	struct kv_wait *next, *previous;	/* of the same key */
};

struct kv_watch {
	struct map keys;	/* private: key, then 'b' for a prefix -> first of the waits */
	struct map requests;	/* private: request -> wait */
	struct map order;	/* private: deadline (0: due), request -> wait */
	uint32_t lengths[KV_KEY_MAX + 1];	/* private: of prefixes, how many have it */
	uint32_t prefixes;	/* private: sum of lengths */
};

void kv_watch_init(struct kv_watch *w);
void kv_watch_done(struct kv_watch *w);
/* Copies what wait says, up to `target`. ERR_LIMIT: too many wait, or target is too long. */
int kv_watch_add(struct kv_watch *w, const struct kv_wait *wait);
/* The client of a request is gone. It need not wait here. */
void kv_watch_drop(struct kv_watch *w, uint64_t request);
/* struct kv's note; context is the struct kv_watch. */
void kv_watch_note(void *context, struct slice key, uint64_t index);
/* All are due: the state is another one. */
void kv_watch_all(struct kv_watch *w);
/* Leadership is lost: all but the local ones are due, as lost. */
void kv_watch_lost(struct kv_watch *w);
/* When kv_watch_take has something: 0 = nothing waits, 1 = now. */
uint64_t kv_watch_deadline(const struct kv_watch *w);
/* The next one that is due, or NULL. The caller's: kv_wait_free. */
struct kv_wait *kv_watch_take(struct kv_watch *w, uint64_t now_ms);
void kv_wait_free(struct kv_wait *wait);
#endif
