/* The loop with real descriptors (socket pairs): order, removal inside callbacks, timers. */
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/mem.h"
#include "base/rng.h"
#include "io/clock.h"
#include "io/loop.h"
#include "unit.h"

struct end {
	struct loop *loop;
	struct loop_watch watch;
	struct end *victim;	/* freed when this one fires */
	int other;
	int fired;
};

static struct end *new_end(struct loop *l, void (*call)(struct loop_watch *, uint32_t))
{
	struct end *e = mem_new(sizeof(*e));
	int fds[2];

	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, fds) < 0)
		abort();
	e->loop = l;
	e->other = fds[1];
	e->watch.call = call;
	e->watch.context = e;
	if (loop_watch(l, &e->watch, fds[0], EPOLLIN) < 0)
		abort();
	return e;
}

static void free_end(struct end *e)
{
	loop_close(e->loop, &e->watch);
	close(e->other);
	mem_free(e);
}

static void count_event(struct loop_watch *w, uint32_t events)
{
	struct end *e = w->context;

	(void)events;
	e->fired++;
}

static int fired_total;

static void kill_victim(struct loop_watch *w, uint32_t events)
{
	struct end *e = w->context;
	char c;

	(void)events;
	fired_total++;
	if (read(w->fd, &c, 1) == 1 && e->victim) {
		struct end *victim = e->victim;

		if (victim->victim == e)
			victim->victim = NULL;
		e->victim = NULL;
		free_end(victim);
	}
}

TEST(a_watch_fires_and_can_be_changed)
{
	struct loop l;
	struct end *e;

	CHECK_INT(loop_init(&l, NULL), 0);
	e = new_end(&l, count_event);
	CHECK_INT(loop_turn(&l, 0, NULL), 0);
	CHECK_INT(e->fired, 0);
	CHECK_INT(write(e->other, "x", 1), 1);
	loop_turn(&l, -1, NULL);
	CHECK_INT(e->fired, 1);
	loop_turn(&l, -1, NULL);
	CHECK_INT(e->fired, 2);
	CHECK_INT(loop_rewatch(&l, &e->watch, EPOLLOUT), 0);
	loop_turn(&l, -1, NULL);
	CHECK_INT(e->fired, 3);
	loop_unwatch(&l, &e->watch);
	loop_unwatch(&l, &e->watch);
	loop_turn(&l, 0, NULL);
	CHECK_INT(e->fired, 3);
	CHECK_INT(loop_watch(&l, &e->watch, e->watch.fd, EPOLLIN), 0);
	CHECK_INT(loop_watch(&l, &(struct loop_watch){ .call = count_event }, -1, EPOLLIN), ERR_IO);
	free_end(e);
	loop_done(&l);
}

/* Both have an event in the same batch; whichever comes first frees the other. */
TEST(a_watch_freed_in_the_same_batch_does_not_fire)
{
	struct loop l;
	struct end *a, *b;

	CHECK_INT(loop_init(&l, NULL), 0);
	a = new_end(&l, kill_victim);
	b = new_end(&l, kill_victim);
	a->victim = b;
	b->victim = a;
	fired_total = 0;
	CHECK_INT(write(a->other, "x", 1), 1);
	CHECK_INT(write(b->other, "x", 1), 1);
	loop_turn(&l, -1, NULL);
	CHECK_INT(fired_total, 1);
	loop_turn(&l, 0, NULL);
	CHECK_INT(fired_total, 1);
	free_end(a->watch.events ? a : b);
	loop_done(&l);
}

static void free_self(struct loop_watch *w, uint32_t events)
{
	(void)events;
	fired_total++;
	free_end(w->context);
}

TEST(a_watch_may_free_itself)
{
	struct loop l;

	CHECK_INT(loop_init(&l, NULL), 0);
	fired_total = 0;
	for (int i = 0; i < 200; i++) {
		struct end *e = new_end(&l, free_self);

		CHECK_INT(write(e->other, "x", 1), 1);
	}
	loop_turn(&l, -1, NULL);
	CHECK_INT(fired_total, LOOP_BATCH);
	loop_turn(&l, -1, NULL);
	CHECK_INT(fired_total, 200);
	loop_done(&l);
}

struct alarm {
	struct loop_timer timer;
	struct loop *loop;
	uint64_t *last;		/* deadline of the one before */
	int fired;
	int again;
};

static void check_order(struct loop_timer *t)
{
	struct alarm *a = t->context;

	if (*a->last <= t->deadline_ms)
		*a->last = t->deadline_ms;
	else
		*a->last = UINT64_MAX;
	a->fired++;
}

/* Random sets, moves and clears; then all are due at once and must come in order. */
TEST(timers_fire_in_order)
{
	enum { N = 2000 };
	struct alarm *alarms = mem_new(N * sizeof(*alarms));
	struct loop l;
	struct rng r;
	uint64_t last = 0;
	int set = 0, fired = 0;

	CHECK_INT(loop_init(&l, NULL), 0);
	rng_init(&r, 7);
	for (int i = 0; i < N * 5; i++) {
		struct alarm *a = &alarms[rng_below(&r, N)];

		a->timer.call = check_order;
		a->timer.context = a;
		a->last = &last;
		if (rng_chance(&r, 1, 4))
			loop_timer_clear(&l, &a->timer);
		else
			loop_timer_set(&l, &a->timer, rng_below(&r, 500));
	}
	for (int i = 0; i < N; i++)
		set += alarms[i].timer.place != 0;
	CHECK_INT(l.timer_count, set);
	loop_turn(&l, 0, NULL);
	for (int i = 0; i < N; i++)
		fired += alarms[i].fired;
	CHECK_INT(fired, set);
	CHECK(last != UINT64_MAX && last > 400);
	CHECK_INT(l.timer_count, 0);
	loop_done(&l);
	mem_free(alarms);
}

static void fire_again(struct loop_timer *t)
{
	struct alarm *a = t->context;

	a->fired++;
	if (a->again-- > 0)
		loop_timer_set(a->loop, t, 0);
	else
		loop_stop(a->loop);
}

TEST(a_timer_set_by_itself_waits_for_the_next_turn)
{
	struct loop l;
	struct alarm a = { .timer.call = fire_again, .loop = &l, .again = 5 };

	a.timer.context = &a;
	CHECK_INT(loop_init(&l, NULL), 0);
	loop_timer_set(&l, &a.timer, 0);
	loop_turn(&l, 0, NULL);
	CHECK_INT(a.fired, 1);
	CHECK_INT(loop_run(&l, NULL), 0);
	CHECK_INT(a.fired, 6);
	loop_done(&l);
}

TEST(a_timer_ends_the_sleep_and_not_before_its_time)
{
	struct loop l;
	struct alarm a = { .timer.call = fire_again, .loop = &l };
	uint64_t begin;

	a.timer.context = &a;
	CHECK_INT(loop_init(&l, NULL), 0);
	begin = loop_now_ms(&l);
	loop_timer_set(&l, &a.timer, begin + 20);
	CHECK_INT(loop_run(&l, NULL), 0);
	CHECK_INT(a.fired, 1);
	CHECK(clock_now_ms() - begin >= 20);
	loop_done(&l);
}

static void count_hook(void *context)
{
	++*(int *)context;
}

TEST(the_hook_runs_once_per_turn)
{
	struct loop l;
	int hooks = 0;

	CHECK_INT(loop_init(&l, NULL), 0);
	loop_before_sleep(&l, count_hook, &hooks);
	for (int i = 0; i < 3; i++)
		loop_turn(&l, 0, NULL);
	CHECK_INT(hooks, 3);
	loop_done(&l);
}

struct family {
	struct loop *loop;
	int signals;
	int exits;
	int status[3];
	struct loop_child child[3];
};

static void got_signal(void *context, int signal)
{
	struct family *f = context;

	f->signals += signal == SIGHUP;
}

static void child_gone(struct loop_child *c, int status)
{
	struct family *f = c->context;

	f->status[c - f->child] = status;
	if (++f->exits == 3)
		loop_stop(f->loop);
}

TEST(signals_and_children)
{
	struct loop l;
	struct family f = { .loop = &l };
	int other;
	pid_t stranger;

	CHECK_INT(loop_init(&l, NULL), 0);
	CHECK_INT(loop_signals(&l, got_signal, &f, NULL), 0);
	stranger = fork();
	if (stranger == 0)
		_exit(9);
	for (int i = 0; i < 3; i++) {
		pid_t pid = fork();

		if (pid == 0)
			_exit(i + 1);
		f.child[i].call = child_gone;
		f.child[i].context = &f;
		loop_child(&l, &f.child[i], pid);
	}
	kill(getpid(), SIGHUP);
	CHECK_INT(loop_run(&l, NULL), 0);
	CHECK_INT(f.signals, 1);
	for (int i = 0; i < 3; i++)
		CHECK_INT(WEXITSTATUS(f.status[i]), i + 1);
	CHECK_INT(waitpid(stranger, &other, 0), stranger);
	CHECK_INT(WEXITSTATUS(other), 9);
	loop_signals_restore(&l);
	loop_done(&l);
}
