/* recent.h - the requests that were carried out last, with their answers. Pure.
 *
 * Part of the replicated state: all managers hold the same ones in the same order. The oldest
 * goes first, when there are too many or their answers are too long together. A client may
 * repeat a request for as long as its id is here; RECENT_MAX is some seconds of the highest load.
 */
#ifndef SB_APPLETS_MANAGER_STATE_RECENT_H
#define SB_APPLETS_MANAGER_STATE_RECENT_H
#include "applets/manager/state/entry.h"

enum {
	RECENT_MAX = 8192,
	RECENT_BYTES_MAX = 1 << 20,	/* of bodies; one is at most ENTRY_BODY_MAX */
};

struct recent {
	struct recent_slot *slots;	/* private: a ring of RECENT_MAX, made at first use */
	uint16_t *heads;		/* private: hash -> 1 + slot, 0 = none */
	uint32_t first;			/* private: the oldest one's slot */
	uint32_t count;			/* read */
	size_t bytes;			/* read: of bodies */
};

void recent_init(struct recent *r);
void recent_done(struct recent *r);
/* Borrowed until the next recent_add; NULL if there is none. */
const struct outcome *recent_find(const struct recent *r, struct request_id id);
/* Copies the outcome. Asserts that id is not none and not there yet. */
void recent_add(struct recent *r, struct request_id id, const struct outcome *outcome);
/* The i-th from the oldest, i < count. Borrowed as above. */
const struct outcome *recent_at(const struct recent *r, uint32_t i, struct request_id *id);
#endif
