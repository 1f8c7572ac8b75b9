#include <assert.h>
#include <errno.h>
#include <limits.h>
#include <string.h>
#include <sys/signalfd.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/mem.h"
#include "io/clock.h"
#include "io/loop.h"

int loop_init(struct loop *l, struct errmsg *msg)
{
	memset(l, 0, sizeof(*l));
	l->signal_fd = -1;
	l->now_ms = clock_now_ms();
	l->epoll_fd = epoll_create1(EPOLL_CLOEXEC);
	if (l->epoll_fd < 0)
		return errmsg_set(msg, ERR_IO, "epoll: %s", strerror(errno));
	return 0;
}

void loop_done(struct loop *l)
{
	if (l->signal_fd >= 0)
		close(l->signal_fd);
	if (l->epoll_fd >= 0)
		close(l->epoll_fd);
	for (uint32_t i = 0; i < l->timer_count; i++)
		l->heap[i]->place = 0;
	mem_free(l->heap);
	memset(l, 0, sizeof(*l));
	l->signal_fd = -1;
	l->epoll_fd = -1;
}

void loop_stop(struct loop *l)
{
	l->stopped = 1;
}

uint64_t loop_now_ms(const struct loop *l)
{
	return l->now_ms;
}

void loop_before_sleep(struct loop *l, void (*call)(void *context), void *context)
{
	l->before_sleep = call;
	l->before_sleep_context = context;
}

/* Watches. */

static int control(struct loop *l, int operation, struct loop_watch *w, uint32_t events)
{
	struct epoll_event e = { .events = events, .data.ptr = w };

	if (epoll_ctl(l->epoll_fd, operation, w->fd, &e) == 0)
		return 0;
	return errno == ENOSPC || errno == ENOMEM ? ERR_LIMIT : ERR_IO;
}

int loop_watch(struct loop *l, struct loop_watch *w, int fd, uint32_t events)
{
	int err;

	assert(w->events == 0 && events != 0 && w->call);
	w->fd = fd;
	err = control(l, EPOLL_CTL_ADD, w, events);
	if (err == 0)
		w->events = events;
	return err;
}

int loop_rewatch(struct loop *l, struct loop_watch *w, uint32_t events)
{
	int err;

	assert(w->events != 0 && events != 0);
	if (events == w->events)
		return 0;
	err = control(l, EPOLL_CTL_MOD, w, events);
	if (err == 0)
		w->events = events;
	return err;
}

/* Its event may wait in the rest of this turn's batch: it must not find freed memory. */
static void forget(struct loop *l, struct loop_watch *w)
{
	for (int i = l->batch_at; i < l->batch_count; i++)
		if (l->batch[i].data.ptr == w)
			l->batch[i].data.ptr = NULL;
	w->events = 0;
}

void loop_unwatch(struct loop *l, struct loop_watch *w)
{
	if (w->events == 0)
		return;
	control(l, EPOLL_CTL_DEL, w, 0);
	forget(l, w);
}

void loop_close(struct loop *l, struct loop_watch *w)
{
	int fd = w->fd;

	if (w->events == 0)
		return;
	if (l->copied)
		loop_unwatch(l, w);
	close(fd);
	forget(l, w);
}

void loop_copied(struct loop *l, int copied)
{
	l->copied = copied;
}

static void dispatch(struct loop *l)
{
	for (l->batch_at = 0; l->batch_at < l->batch_count; l->batch_at++) {
		struct epoll_event *e = &l->batch[l->batch_at];
		struct loop_watch *w = e->data.ptr;

		if (w)
			w->call(w, e->events);
	}
	l->batch_count = 0;
}

/* Timers: a binary heap of pointers; place lets one be taken out of the middle. */

static int earlier(const struct loop_timer *a, const struct loop_timer *b)
{
	if (a->deadline_ms != b->deadline_ms)
		return a->deadline_ms < b->deadline_ms;
	return a->order < b->order;
}

static void put(struct loop *l, uint32_t i, struct loop_timer *t)
{
	l->heap[i] = t;
	t->place = i + 1;
}

static void sift_up(struct loop *l, uint32_t i, struct loop_timer *t)
{
	while (i > 0 && earlier(t, l->heap[(i - 1) / 2])) {
		put(l, i, l->heap[(i - 1) / 2]);
		i = (i - 1) / 2;
	}
	put(l, i, t);
}

static void sift_down(struct loop *l, uint32_t i, struct loop_timer *t)
{
	for (;;) {
		uint32_t child = 2 * i + 1;

		if (child + 1 < l->timer_count && earlier(l->heap[child + 1], l->heap[child]))
			child++;
		if (child >= l->timer_count || !earlier(l->heap[child], t))
			break;
		put(l, i, l->heap[child]);
		i = child;
	}
	put(l, i, t);
}

void loop_timer_clear(struct loop *l, struct loop_timer *t)
{
	uint32_t i = t->place - 1;
	struct loop_timer *last;

	if (t->place == 0)
		return;
	t->place = 0;
	last = l->heap[--l->timer_count];
	if (last == t)
		return;
	if (i > 0 && earlier(last, l->heap[(i - 1) / 2]))
		sift_up(l, i, last);
	else
		sift_down(l, i, last);
}

void loop_timer_set(struct loop *l, struct loop_timer *t, uint64_t deadline_ms)
{
	loop_timer_clear(l, t);
	assert(t->call);
	if (l->timer_count == l->timer_capacity) {
		l->timer_capacity = l->timer_capacity ? l->timer_capacity * 2 : 16;
		l->heap = mem_resize(l->heap, l->timer_capacity * sizeof(*l->heap));
	}
	t->deadline_ms = deadline_ms;
	t->order = l->timer_order++;
	sift_up(l, l->timer_count++, t);
}

/* Those set meanwhile wait for the next turn, so that a timer for "at once" starves nobody. */
static void run_timers(struct loop *l)
{
	uint64_t end = l->timer_order;

	while (l->timer_count > 0) {
		struct loop_timer *t = l->heap[0];

		if (t->deadline_ms > l->now_ms || t->order >= end)
			break;
		loop_timer_clear(l, t);
		t->call(t);
	}
}

/* The time a turn took counts: the clock is read again when there is a timer to wait for. */
static int sleep_ms(struct loop *l, int timeout_ms)
{
	uint64_t wait_ms;

	if (l->stopped)
		return 0;
	if (l->timer_count == 0)
		return timeout_ms;
	l->now_ms = clock_now_ms();
	if (l->heap[0]->deadline_ms <= l->now_ms)
		return 0;
	wait_ms = l->heap[0]->deadline_ms - l->now_ms;
	if (timeout_ms >= 0 && (uint64_t)timeout_ms < wait_ms)
		return timeout_ms;
	return wait_ms > INT_MAX ? INT_MAX : (int)wait_ms;
}

int loop_turn(struct loop *l, int timeout_ms, struct errmsg *msg)
{
	int n;

	run_timers(l);
	if (l->before_sleep)
		l->before_sleep(l->before_sleep_context);
	n = epoll_wait(l->epoll_fd, l->batch, LOOP_BATCH, sleep_ms(l, timeout_ms));
	if (n < 0 && errno != EINTR)
		return errmsg_set(msg, ERR_IO, "epoll: %s", strerror(errno));
	l->now_ms = clock_now_ms();
	l->batch_count = n > 0 ? n : 0;
	dispatch(l);
	return 0;
}

int loop_run(struct loop *l, struct errmsg *msg)
{
	int err = 0;

	l->stopped = 0;
	while (!l->stopped && err == 0)
		err = loop_turn(l, -1, msg);
	return err;
}

/* Signals and children. */

void loop_child(struct loop *l, struct loop_child *c, pid_t pid)
{
	assert(l->signal_fd >= 0 && c->call && pid > 0);
	c->pid = pid;
	c->next = l->children;
	l->children = c;
}

void loop_child_forget(struct loop *l, struct loop_child *c)
{
	struct loop_child **at = &l->children;

	while (*at && *at != c)
		at = &(*at)->next;
	if (*at)
		*at = c->next;
}

/* One signal may stand for several children, and only ours may be waited for. A callback can
 * change the list, so the walk begins again after each. */
static void reap(struct loop *l)
{
	struct loop_child *c = l->children;

	while (c) {
		int status;
		pid_t pid = waitpid(c->pid, &status, WNOHANG);

		if (pid != c->pid) {
			c = c->next;
			continue;
		}
		loop_child_forget(l, c);
		c->call(c, status);
		c = l->children;
	}
}

static void signal_ready(struct loop_watch *w, uint32_t events)
{
	struct loop *l = w->context;
	struct signalfd_siginfo info;

	(void)events;
	while (read(w->fd, &info, sizeof(info)) == (ssize_t)sizeof(info)) {
		if (info.ssi_signo == SIGCHLD)
			reap(l);
		else if (l->on_signal)
			l->on_signal(l->signal_context, (int)info.ssi_signo);
	}
}

int loop_signals(struct loop *l, void (*call)(void *context, int signal), void *context,
	struct errmsg *msg)
{
	sigset_t set;

	assert(l->signal_fd < 0);
	sigemptyset(&set);
	sigaddset(&set, SIGTERM);
	sigaddset(&set, SIGINT);
	sigaddset(&set, SIGHUP);
	sigaddset(&set, SIGCHLD);
	sigprocmask(SIG_BLOCK, &set, &l->old_mask);
	signal(SIGPIPE, SIG_IGN);
	l->signal_fd = signalfd(-1, &set, SFD_NONBLOCK | SFD_CLOEXEC);
	if (l->signal_fd < 0)
		return errmsg_set(msg, ERR_IO, "signalfd: %s", strerror(errno));
	l->on_signal = call;
	l->signal_context = context;
	l->signal_watch.call = signal_ready;
	l->signal_watch.context = l;
	if (loop_watch(l, &l->signal_watch, l->signal_fd, EPOLLIN) < 0)
		return errmsg_set(msg, ERR_IO, "signalfd: epoll refused it");
	return 0;
}

void loop_signals_restore(const struct loop *l)
{
	sigprocmask(SIG_SETMASK, &l->old_mask, NULL);
	signal(SIGPIPE, SIG_DFL);
}
