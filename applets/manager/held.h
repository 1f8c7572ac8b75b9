/* held.h - requests that wait until it is their turn to be looked at. Pure. */
#ifndef SB_APPLETS_MANAGER_HELD_H
#define SB_APPLETS_MANAGER_HELD_H
#include "base/step.h"

struct held {
	struct held *next;	/* private */
	struct event ev;	/* with its own bytes; the times are those of its arrival */
};

struct held_queue {		/* first come, first served */
	struct held *first;	/* read: NULL when empty */
	struct held **last;	/* private */
	uint32_t count;		/* read; the caller bounds it */
};

void held_init(struct held_queue *q);
void held_done(struct held_queue *q);
/* Copies the event. */
void held_add(struct held_queue *q, const struct event *ev);
/* The first one, or NULL. The caller frees it with mem_free. */
struct held *held_take(struct held_queue *q);
/* Its client is gone: 1 if it was there. */
int held_drop(struct held_queue *q, uint64_t request);
#endif
