/* A task: its record, its run queue, and what the manager and the engine's events do to it.
 * The phases are in wphase.c. Contracts are in state.h. */
#include "applets/worker/wphase.h"
#include <assert.h>
#include <stdio.h>
#include <string.h>
#include <stdarg.h>
#include "base/mem.h"

/* By enum task_state: docker-swarm.md 2.3. FAILED and REJECTED keep the last one. */
static const char *const messages[] = {
	[TASK_ACCEPTED] = "accepted", [TASK_PREPARING] = "preparing", [TASK_READY] = "prepared",
	[TASK_STARTING] = "starting", [TASK_RUNNING] = "started", [TASK_COMPLETE] = "finished",
	[TASK_SHUTDOWN] = "shutdown", [TASK_FAILED] = NULL, [TASK_REJECTED] = NULL,
	[TASK_REMOVE] = NULL, [TASK_ORPHANED] = NULL,
};

struct wtask *wtask_get(struct worker *w, struct slice id)
{
	return map_get(&w->tasks, id);
}

struct wtask *wtask_add(struct worker *w, struct slice id)
{
	struct wtask *t = wtask_get(w, id);

	if (t)
		return t;
	if (w->tasks.count >= WORKER_TASKS_MAX || id.len > WORKER_ID_MAX)
		return NULL;
	t = mem_new(sizeof(*t));
	memcpy(t->id, id.data, id.len);
	arena_init(&t->arena);
	arena_init(&t->seen);
	t->phase = PHASE_HELD;
	t->removed = w->leaving;
	t->message = "";
	map_set(&w->tasks, id, t);
	return t;
}

void wtask_pull_done(struct wtask *t)
{
	if (!t->pull)
		return;
	lines_done(t->pull);
	mem_free(t->pull);
	t->pull = NULL;
}

void wtask_free(struct wtask *t)
{
	wtask_pull_done(t);
	arena_done(&t->arena);
	arena_done(&t->seen);
	mem_free(t);
}

static void unqueue(struct run_queue *q, const struct wtask *t)
{
	struct wtask **link = &q->first, *before = NULL;

	while (*link && *link != t) {
		before = *link;
		link = &(*link)->next_run;
	}
	if (!*link)
		return;
	*link = t->next_run;
	if (q->last == t)
		q->last = before;
}

void wtask_forget(struct worker *w, struct wtask *t)
{
	assert(!t->call);
	if (t->queued) {
		unqueue(&w->quick_run, t);
		unqueue(&w->slow_run, t);
	}
	if (t->dirty)
		w->dirty--;
	map_remove(&w->tasks, slice_of(t->id));
	w->net_check = 1;
	wtask_free(t);
}

void wtask_changed(struct worker *w, struct wtask *t)
{
	if (t->dirty || !t->spec || t->removed || t->end_known || t->state < TASK_ACCEPTED)
		return;
	t->dirty = 1;
	w->dirty++;
}

void wtask_observe(struct worker *w, struct wtask *t, int state)
{
	if (state <= t->state || wtask_is_dead(t))
		return;
	t->state = state;
	if (messages[state])
		t->message = messages[state];
	t->timestamp = w->wall_ns;
	wtask_changed(w, t);
}

int wtask_is_dead(const struct wtask *t)
{
	return t->state >= TASK_COMPLETE;
}

int wtask_is_slow(const struct wtask *t)
{
	return t->phase == PHASE_STOP || t->phase == PHASE_PULL;
}

int wtask_desired(const struct wtask *t)
{
	return t->removed ? TASK_REMOVE : t->spec ? t->spec->desired_state : TASK_READY;
}

int wtask_must_stop(const struct wtask *t)
{
	return t->unhealthy || wtask_is_dead(t) || wtask_desired(t) >= TASK_SHUTDOWN;
}

void wtask_to(struct worker *w, struct wtask *t, enum phase phase)
{
	t->phase = phase;
	wtask_run(w, t);
}

void wtask_fail(struct worker *w, struct wtask *t, const char *format, ...)
{
	char text[ERRMSG_MAX];
	va_list args;

	if (!wtask_is_dead(t)) {
		va_start(args, format);
		vsnprintf(text, sizeof(text), format, args);
		va_end(args);
		errmsg_set(&t->err, 0, "%s", text);
		wtask_observe(w, t, t->state < TASK_STARTING ? TASK_REJECTED : TASK_FAILED);
		if (t->spec && !t->removed && effects_room(w->fx) > EFFECTS_MAX / 2)
			effects_log(w->fx, LOG_INFO, "task %s: %s", t->id, t->err.text);
	}
	wtask_to(w, t, PHASE_DEAD);
}

static struct run_queue *queue_of(struct worker *w, const struct wtask *t)
{
	return wtask_is_slow(t) ? &w->slow_run : &w->quick_run;
}

void wtask_run(struct worker *w, struct wtask *t)
{
	struct run_queue *q = queue_of(w, t);

	if (t->queued || t->call)
		return;
	t->queued = 1;
	t->next_run = NULL;
	if (q->last)
		q->last->next_run = t;
	else
		q->first = t;
	q->last = t;
}

static void pump(struct worker *w, struct run_queue *q, const unsigned *busy, unsigned max)
{
	while (q->first && *busy < max) {
		struct wtask *t = q->first;

		if (effects_room(w->fx) < EFFECTS_MAX / 4) {
			worker_retry_at(w, w->now_ms);
			return;
		}
		q->first = t->next_run;
		if (!q->first)
			q->last = NULL;
		t->queued = 0;
		t->next_run = NULL;
		if (t->call)
			continue;
		if (queue_of(w, t) != q)	/* it moved on while it stood here */
			wtask_run(w, t);
		else if (t->retry_ms > w->now_ms)
			worker_retry_at(w, t->retry_ms);
		else
			wphase_table[t->phase].go(w, t);
	}
}

void wtask_pump(struct worker *w)
{
	if (w->engine != ENGINE_UP)
		return;
	/* A stop makes room for what follows it, a quick call may lead to a stop. */
	do {
		pump(w, &w->slow_run, &w->slow, WORKER_SLOW_MAX);
		pump(w, &w->quick_run, &w->quick, WORKER_CALLS_MAX);
	} while (w->slow_run.first && w->slow < WORKER_SLOW_MAX &&
		 effects_room(w->fx) >= EFFECTS_MAX / 4);
}

void wtask_retry(struct worker *w)
{
	for (struct map_entry *e = map_first(&w->tasks); e; e = map_next(e)) {
		struct wtask *t = e->value;

		if (!t->retry_ms)
			continue;
		if (t->retry_ms > w->now_ms) {
			worker_retry_at(w, t->retry_ms);
			continue;
		}
		t->retry_ms = 0;
		wtask_run(w, t);
	}
}

/* A change of mind while a call is under way: only a pull is worth breaking off. */
static void reconsider(struct worker *w, struct wtask *t)
{
	if (t->call && t->phase == PHASE_PULL && wtask_must_stop(t)) {
		wcall_cancel(w, t->call);
		t->call = 0;
		wtask_pull_done(t);
	}
	wtask_run(w, t);
}

/* What the manager knows of a task that this process has not seen before. */
static void take_over_status(struct wtask *t, const struct task_status *status)
{
	t->state = status->state;
	t->timestamp = status->timestamp;
	if (messages[status->state])
		t->message = messages[status->state];
	if (status->container_status) {
		t->pid = status->container_status->pid;
		t->exit_code = status->container_status->exit_code;
	}
}

void wtask_assign(struct worker *w, struct wtask *t, const struct task *spec)
{
	int is_new = !t->spec;

	t->generation = w->generation;
	t->removed = w->leaving;
	arena_reset(&t->arena);
	t->spec = model_copy(&t->arena, &task_table, spec);
	if (is_new) {
		take_over_status(t, &t->spec->status);
	} else if (task_is_dead(t->spec) && !wtask_is_dead(t)) {
		/* The manager gave it up, as it does with those of a node that is down. */
		t->state = t->spec->status.state;
	}
	t->end_known = task_is_dead(t->spec);
	if (t->phase == PHASE_DEAD && !wtask_is_dead(t))
		t->phase = PHASE_HELD;	/* it was taken for a stray */
	wtask_observe(w, t, TASK_ACCEPTED);
	if (is_new)	/* what it last heard may be old: an error of an engine that is back */
		wtask_changed(w, t);
	if (!t->spec->spec.container_spec && !wtask_is_dead(t))
		wtask_fail(w, t, "the task has no container specification");
	reconsider(w, t);
}

void wtask_remove(struct worker *w, struct wtask *t)
{
	if (t->removed)
		return;
	t->removed = 1;
	if (t->dirty)
		w->dirty--;
	t->dirty = 0;
	reconsider(w, t);
}

void wtask_reply(struct worker *w, struct wtask *t, const struct event *ev)
{
	t->call = 0;
	wphase_table[t->phase].reply(w, t, ev);
}

void wtask_data(struct worker *w, struct wtask *t, struct slice piece)
{
	struct slice line;

	if (!t->pull)
		return;
	lines_feed(t->pull, piece);
	while (lines_next(t->pull, &line)) {
		const char *err = image_pull_error(&w->fx->arena, line);

		if (err)
			errmsg_set(&t->why, 0, "%s", err);
	}
}

void wtask_hold(struct worker *w, struct wtask *t)
{
	t->call = 0;
	t->again = 0;
	t->retry_ms = 0;
	t->tries = 0;
	wtask_pull_done(t);
	wtask_to(w, t, PHASE_HELD);
}

/* A create that nobody waits for any more: the engine carried it out after this daemon had died,
 * or had given up on it. Without its task it is a stray. */
static void created_late(struct worker *w, const struct docker_event *event)
{
	struct wtask *t = wtask_get(w, event->task);
	int is_new = !t;

	if (is_new)
		t = wtask_add(w, event->task);
	/* A task that is alive creates once more, and then finds it. */
	if (!t || (!is_new && t->phase != PHASE_DEAD) || t->call || t->container[0] ||
	    event->container.len > WORKER_ID_MAX)
		return;
	memcpy(t->container, event->container.data, event->container.len);
	t->container[event->container.len] = '\0';
	if (is_new) {
		t->removed = w->settled;
		wtask_hold(w, t);
	}
}

/* In the same way a start: of a task that has ended already. It is stopped again. */
static void started_late(struct worker *w, struct wtask *t)
{
	if (t->phase != PHASE_DEAD || t->call)
		return;
	t->running = 1;
	t->ran = 1;
	wtask_hold(w, t);
}

void wtask_event(struct worker *w, const struct docker_event *event)
{
	struct wtask *t = wtask_get(w, event->task);

	if (slice_is(event->action, "create")) {
		created_late(w, event);
		return;
	}
	if (!t || !slice_is(event->container, t->container))
		return;
	if (slice_is(event->action, "start")) {
		started_late(w, t);
		return;
	}
	if (slice_is(event->action, "destroy") && t->phase == PHASE_DEAD && !t->call) {
		t->container[0] = '\0';
		wtask_run(w, t);
		return;
	}
	if (t->call) {
		t->again = t->phase == PHASE_INSPECT;
		return;
	}
	if (t->phase == PHASE_READY || t->phase == PHASE_RUNNING || t->phase == PHASE_CONNECT)
		wtask_to(w, t, PHASE_INSPECT);
}
