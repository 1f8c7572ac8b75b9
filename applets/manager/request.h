/* request.h - API requests that are not answered yet, and where each of them stands. Pure. */
#ifndef SB_APPLETS_MANAGER_REQUEST_H
#define SB_APPLETS_MANAGER_REQUEST_H
#include "applets/manager/state/entry.h"
#include "base/step.h"

/* Each request is in the list of one stage, in the order in which it came there. */
enum request_stage {
	REQUEST_HELD,		/* a change waits for the transaction under way */
	REQUEST_READING,	/* a read waits until its ticket is confirmed */
	REQUEST_PROPOSED,	/* its entry is in the log */
	REQUEST_STREAMING,	/* the API answers it, now or piece by piece (of other managers'
				 * clients only: our own are the API's and the driver's alone) */
	REQUEST_FORWARDED,	/* for the leader, sent or not yet */
	REQUEST_RECEIVING,	/* the leader's answer comes in pieces */
	REQUEST_LOCAL,		/* a read that the leader has confirmed, answered here when we have
				 * applied what it had */
	REQUEST_STAGES,
};

struct request {
	struct request *next, *previous;	/* private */
	enum request_stage stage;		/* read */
	struct event ev;	/* with its own bytes; the times are those of its arrival */
	int kind;		/* the caller's: what it asks for */
	struct request_id uid;	/* the same in every try */
	uint64_t peer;		/* manager whose client asks; 0 = a client of our own */
	uint64_t peer_id;	/* its number there */
	/* READING: ticket. PROPOSED: index. FORWARDED: leader it was sent to, 0 = not sent. LOCAL:
	 * index that must be applied. STREAMING: 1 when its answer has begun. */
	uint64_t place;
	uint64_t floor;		/* READING, STREAMING: its answer holds all up to this index, 0: it
				 * is none to a read; UINT64_MAX: a watch, whose answer holds all */
	int is_small;		/* private: has room for REQUEST_SMALL bytes */
};

struct request_list {
	struct request *first, *last;	/* read */
	uint32_t count;			/* read */
};

enum {
	REQUEST_SMALL = 640,	/* bytes of its own: all that most requests have */
	/* Ended ones that are kept for the next. The allocator would give their pages back to the
	 * kernel after each burst, to get them again for the next. */
	REQUEST_SPARES = 256,
};

struct requests {
	struct request_list stages[REQUEST_STAGES];	/* read */
	uint32_t count;		/* read: of all stages; the caller bounds it */
	struct request *spare;	/* private */
	uint32_t spare_count;	/* private */
};

void requests_done(struct requests *q);
/* Copies the event and adds it, to the stage HELD. */
struct request *request_add(struct requests *q, const struct event *ev, int kind);
/* To the end of another stage's list, or of its own. */
void request_move(struct requests *q, struct request *r, enum request_stage stage);
void request_end(struct requests *q, struct request *r);
/* By our own number (ev.id), or NULL. */
struct request *request_find(const struct requests *q, enum request_stage stage, uint64_t id);
#endif
