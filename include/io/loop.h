/* loop.h - one single-threaded event loop: descriptors, timers, signals, children. I/O.
 *
 * Every struct below lies in the caller's memory and must stay where it is while it is
 * registered; a zeroed one is not registered. Callbacks may register and unregister
 * anything, their own struct and those with an event pending in the same turn included:
 * what was unregistered is not called any more, so its memory may be freed at once.
 *
 * One turn: due timers, the before-sleep hook, epoll_wait (until an event or the next timer;
 * for ever when there is none), the callbacks.
 */
#ifndef SB_IO_LOOP_H
#define SB_IO_LOOP_H
#include <signal.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/epoll.h>
#include <sys/types.h>
#include "base/err.h"

enum { LOOP_BATCH = 128 };	/* events taken by one epoll_wait: 1.5 KiB */

struct loop_watch {
	/* events: EPOLLIN, EPOLLOUT, EPOLLRDHUP, EPOLLHUP, EPOLLERR as epoll(7) reports them */
	void (*call)(struct loop_watch *w, uint32_t events);
	void *context;		/* the caller's */
	int fd;			/* read: valid while registered */
	uint32_t events;	/* read: what it waits for; 0 = not registered */
};

struct loop_timer {
	void (*call)(struct loop_timer *t);
	void *context;		/* the caller's */
	uint64_t deadline_ms;	/* read */
	uint64_t order;		/* private */
	uint32_t place;		/* private: place in the heap + 1; 0 = not set */
};

struct loop_child {
	/* status as waitpid gives it; the struct is unregistered before the call */
	void (*call)(struct loop_child *c, int status);
	void *context;		/* the caller's */
	pid_t pid;		/* read */
	struct loop_child *next;	/* private */
};

/* All private; use the functions. */
struct loop {
	int epoll_fd;
	int signal_fd;
	int stopped;
	int copied;
	uint64_t now_ms;
	struct epoll_event batch[LOOP_BATCH];
	int batch_at;		/* the event being dispatched */
	int batch_count;
	struct loop_timer **heap;
	uint32_t timer_count;
	uint32_t timer_capacity;
	uint64_t timer_order;
	struct loop_child *children;
	struct loop_watch signal_watch;
	void (*on_signal)(void *context, int signal);
	void *signal_context;
	void (*before_sleep)(void *context);
	void *before_sleep_context;
	sigset_t old_mask;
};

/* 0, or ERR_IO with msg. */
int loop_init(struct loop *l, struct errmsg *msg);
/* Closes its own descriptors; those of watches are the caller's. */
void loop_done(struct loop *l);
/* Runs turns until loop_stop. 0, or ERR_IO when epoll fails (msg). */
int loop_run(struct loop *l, struct errmsg *msg);
/* One turn that waits at most timeout_ms (-1 = as long as loop_run would). 0 or ERR_IO. */
int loop_turn(struct loop *l, int timeout_ms, struct errmsg *msg);
/* loop_run returns at the end of this turn's callbacks. */
void loop_stop(struct loop *l);
/* The monotonic time at which this turn began (io/clock.h). */
uint64_t loop_now_ms(const struct loop *l);

/*
 * Registers fd; w->call and w->context are set before. events may hold EPOLLET (then it is
 * level- or edge-triggered as epoll(7) says). 0, or ERR_LIMIT / ERR_IO: nothing registered.
 */
int loop_watch(struct loop *l, struct loop_watch *w, int fd, uint32_t events);
/* Changes what w waits for; nothing happens when it is the same. Same errors. */
int loop_rewatch(struct loop *l, struct loop_watch *w, uint32_t events);
/* Unregisters; the fd stays open. Does nothing when w is not registered. */
void loop_unwatch(struct loop *l, struct loop_watch *w);
/* Unregisters w and closes its fd: one system call less than loop_unwatch and close. Only
 * for an fd of which there is no duplicate (dup; fork: see loop_copied). */
void loop_close(struct loop *l, struct loop_watch *w);
/* While a forked copy of the process may hold our descriptors (1), loop_close takes the system
 * call more: an fd that somebody else holds open would be reported on. */
void loop_copied(struct loop *l, int copied);

/* Sets or moves t to a deadline on the clock of loop_now_ms; one in the past fires in the
 * next turn. Timers fire in order of deadline, equal ones in the order they were set. It is
 * unset before its call. Any number of timers: 8 bytes each beside the caller's struct. */
void loop_timer_set(struct loop *l, struct loop_timer *t, uint64_t deadline_ms);
/* Does nothing when t is not set. */
void loop_timer_clear(struct loop *l, struct loop_timer *t);

/* The one hook that runs once per turn before sleeping (group commit). What it makes due at
 * once it sets a timer for. */
void loop_before_sleep(struct loop *l, void (*call)(void *context), void *context);

/*
 * From now on SIGTERM, SIGINT, SIGHUP and SIGCHLD are blocked and delivered by the loop: the
 * first three to call, SIGCHLD to the children below. SIGPIPE is ignored. 0 or ERR_IO (msg).
 */
int loop_signals(struct loop *l, void (*call)(void *context, int signal), void *context,
	struct errmsg *msg);
/* In a child, between fork and exec: the signal mask and SIGPIPE as before loop_signals. */
void loop_signals_restore(const struct loop *l);
/* Watches one child process for its exit; needs loop_signals, before the fork. */
void loop_child(struct loop *l, struct loop_child *c, pid_t pid);
/* Forgets c (the process is not touched and not waited for). */
void loop_child_forget(struct loop *l, struct loop_child *c);
#endif
