/* relay.h - bytes between two connected sockets, both ways, until both ends are done. I/O.
 *
 * Small messages are copied through one buffer that all relays share; after a read of
 * RELAY_STREAM bytes a direction goes on with splice(2) through a pipe from a small pool,
 * until the stream dries up. (Measured over the loopback: answers of 2 to 16 KB cost 3 to
 * 8 % less copied, from 16 to 130 KB it hardly matters, 4 MB cost 0.36 times as much
 * spliced.) Descriptors are registered once,
 * edge-triggered; a short read is taken as "drained", so there is no probing for EAGAIN.
 *
 * A side that does not take its bytes stops the reading of the other one. At most
 * RELAY_BUFFER bytes per direction wait here meanwhile, in a kernel pipe or on the heap.
 * A half-close is passed on. A reset, or any error, resets both sides, so that a cut
 * answer is not taken for a whole one; what a side sent before it refused to take more is
 * delivered first.
 */
#ifndef SB_IO_RELAY_H
#define SB_IO_RELAY_H
#include <stdint.h>
#include "base/err.h"
#include "base/slice.h"
#include "io/loop.h"

enum {
	RELAY_BUFFER = 65536,	/* the shared buffer, and what one direction holds at most */
	RELAY_STREAM = 16384,	/* read at once: from here on splicing is cheaper */
	RELAY_TURN = 16,	/* reads of one direction in a turn of the loop, then the others */
	RELAY_PIPES = 256,	/* in use at once, 2 descriptors each; more streams are copied */
	RELAY_PIPES_IDLE = 16,	/* kept open for the next stream */
	RELAY_HELD_MAX = 64 << 20,	/* heap bytes of a pool: 1,024 sides that do not read */
};

/* What a descriptor is registered for when its watch is given to relay_start registered. */
#define RELAY_EVENTS (EPOLLIN | EPOLLOUT | EPOLLRDHUP | (uint32_t)EPOLLET)

/* The shared part: one per loop. Caller's memory, all private. */
struct relay_pool {
	struct loop *loop;
	char *buffer;
	int idle[RELAY_PIPES_IDLE][2];
	uint32_t idle_count;
	uint32_t pipe_count;	/* idle and in use */
	uint32_t held;
};

/* One socket, and the bytes that came from it and are not yet delivered to the other. */
struct relay_side {
	struct loop_watch watch;
	uint64_t bytes;		/* read: received from this side */
	char *held;		/* private, as all below */
	uint32_t held_at, held_len;
	int pipe[2];		/* -1: none */
	uint32_t piped;		/* bytes in the pipe */
	uint32_t burst;		/* bytes spliced since it was last drained */
	uint8_t readable;	/* may hold bytes that no event will tell of */
	uint8_t hangup;		/* its end has come: read until 0 */
	uint8_t streaming;
	uint8_t ended;		/* read to its end */
	uint8_t passed;		/* the other side was told, or takes no more */
};

struct relay {
	struct relay_side side[2];
	/* Called once: both descriptors are closed, the struct may be freed. err: 0, or
	 * ERR_IO (a side was reset), ERR_LIMIT (RELAY_HELD_MAX). */
	void (*done)(struct relay *r, int err);
	void *context;			/* the caller's */
	struct relay_pool *pool;	/* private, as all below */
	struct loop_timer again;
	int err;
};

void relay_pool_init(struct relay_pool *p, struct loop *l);
/* All relays must be done. */
void relay_pool_done(struct relay_pool *p);

/* r is zeroed, but for `done`, `context` and the watches that are registered already. */
void relay_init(struct relay *r, struct relay_pool *p);
/*
 * Before relay_start: bytes (copied) that were read from side `from` already and go to the
 * other side first. Once per side. 0, or ERR_LIMIT (over RELAY_BUFFER or RELAY_HELD_MAX).
 */
int relay_give(struct relay *r, int from, struct slice bytes);
/*
 * Takes both sockets over. A side whose watch is registered (with RELAY_EVENTS) keeps its
 * registration and its fd is ignored; pending events of it are the caller's to pass on with
 * r->side[i].watch.call. 0, or ERR_LIMIT / ERR_IO: then relay_stop frees the rest, and an
 * fd whose side is not registered is still the caller's.
 * done is never called from inside relay_start.
 */
int relay_start(struct relay *r, int fd0, int fd1);
/* Ends it at once without calling done: closes what is registered, frees. */
void relay_stop(struct relay *r);
#endif
