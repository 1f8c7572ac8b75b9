/* Time and the process. Contracts are in sim.h. */
#include <assert.h>
#include <string.h>
#include "base/mem.h"
#include "raft/record.h"
#include "sim.h"

enum {
	STEPS_MAX = 20000,	/* of one run: more is a machine that never rests */
	STEPS_NOW_MAX = 20000,	/* at one and the same time */
	SNAPSHOT_EVERY = 40,	/* entries: real ones come after thousands */
};

#define WALL_BASE (INT64_C(1767225600) * 1000000000)	/* 2026-01-01 */

const struct manager_config sim_config = {
	.node_id = SIM_NODE, .hostname = "host1", .listen_addr = "0.0.0.0:2377",
	.advertise_addr = "192.0.2.1:2377", .default_addr_pool = "10.0.0.0/8",
	.engine_socket = "/run/engine.sock", .data_dir = "/var/lib/swarmbox",
	.snapshot_entries = SNAPSHOT_EVERY,
};

/* ---- time ---------------------------------------------------------------------- */

static int before(const struct happening *a, const struct happening *b)
{
	return a->at_us != b->at_us ? a->at_us < b->at_us : a->sequence < b->sequence;
}

static void heap_push(struct sim *sim, struct happening *h)
{
	size_t i = sim->heap_count++;

	if (i == sim->heap_capacity) {
		sim->heap_capacity = i ? 2 * i : 256;
		sim->heap = mem_resize(sim->heap, sim->heap_capacity * sizeof(struct happening *));
	}
	for (; i > 0 && before(h, sim->heap[(i - 1) / 2]); i = (i - 1) / 2)
		sim->heap[i] = sim->heap[(i - 1) / 2];
	sim->heap[i] = h;
}

static struct happening *heap_pop(struct sim *sim)
{
	struct happening *top = sim->heap[0], *last = sim->heap[--sim->heap_count];
	size_t i = 0;

	for (;;) {
		size_t child = 2 * i + 1;

		if (child >= sim->heap_count)
			break;
		if (child + 1 < sim->heap_count && before(sim->heap[child + 1], sim->heap[child]))
			child++;
		if (before(last, sim->heap[child]))
			break;
		sim->heap[i] = sim->heap[child];
		i = child;
	}
	sim->heap[i] = last;
	return top;
}

static struct slice put(char **at, struct slice s)
{
	struct slice copy = { *at, s.len };

	if (s.len)
		memcpy(*at, s.data, s.len);
	*at += s.len;
	return copy;
}

struct happening *sim_at(struct sim *sim, uint64_t delay_us,
			 void (*run)(struct sim *, struct happening *), const struct event *ev)
{
	const struct event none = { .kind = EVENT_TIMER };
	const struct event *e = ev ? ev : &none;
	struct happening *h = mem_new(sizeof(*h) + e->method.len + e->target.len + e->body.len +
				      e->text.len);
	char *at = (char *)(h + 1);

	h->at_us = sim->now_us + delay_us;
	h->sequence = ++sim->sequence;
	h->run = run;
	h->ev = *e;
	h->ev.method = put(&at, e->method);
	h->ev.target = put(&at, e->target);
	h->ev.body = put(&at, e->body);
	h->ev.text = put(&at, e->text);
	heap_push(sim, h);
	return h;
}

int sim_fault(struct sim *sim, enum option option, uint64_t of)
{
	return sim->faults && sim->options[option] &&
	       rng_chance(&sim->rng, sim->options[option], of);
}

uint64_t sim_between(struct sim *sim, uint64_t low, uint64_t high)
{
	return low + rng_below(&sim->rng, high - low + 1);
}

int64_t sim_wall_ns(const struct sim *sim)
{
	return WALL_BASE + (int64_t)sim->now_us * 1000 + sim->clock_ns;
}

struct slice sim_key(uint64_t id, char key[8])
{
	for (int i = 7; i >= 0; i--, id >>= 8)
		key[i] = (char)(id & 0xff);
	return (struct slice){ key, 8 };
}

/* ---- steps --------------------------------------------------------------------- */

static const char *const event_names[] = {
	[EVENT_START] = "START", [EVENT_TIMER] = "TIMER", [EVENT_STOP] = "STOP",
	[EVENT_WAL_DONE] = "WAL_DONE", [EVENT_WAL_FAILED] = "WAL_FAILED",
	[EVENT_SNAPSHOT_SAVED] = "SNAPSHOT_SAVED", [EVENT_SNAPSHOT_FAILED] = "SNAPSHOT_FAILED",
	[EVENT_REQUEST] = "REQUEST", [EVENT_REQUEST_GONE] = "REQUEST_GONE",
	[EVENT_SESSION_UP] = "SESSION_UP", [EVENT_SESSION_DOWN] = "SESSION_DOWN",
	[EVENT_SESSION_MESSAGE] = "SESSION_MESSAGE", [EVENT_ENGINE_REPLY] = "ENGINE_REPLY",
	[EVENT_ENGINE_DATA] = "ENGINE_DATA", [EVENT_PORTS_STATUS] = "PORTS_STATUS",
};

static void carry_out(struct sim *sim, enum who who, const struct effect *x);
static void restart(struct sim *sim, struct happening *h);

static void end_process(struct sim *sim)
{
	if (sim->manager)
		manager_free(sim->manager);
	if (sim->worker)
		worker_free(sim->worker);
	sim->manager = NULL;
	sim->worker = NULL;
	sim->up = 0;
	sim->stopping = 0;
	disk_crash(sim);
	engine_crash(sim);
	clients_crash(sim);
	check_crashed(sim);
	sim->life++;		/* what was to happen in the old one does not */
}

void sim_crash(struct sim *sim, const char *why)
{
	uint64_t for_us = rng_chance(&sim->rng, 1, 3) ? 20 * SECOND : 200 * MS;

	if (!sim->up)
		return;
	sim_trace(sim, "---- the process dies: %s", why);
	end_process(sim);
	sim_at(sim, sim_between(sim, 1 * MS, for_us), restart, NULL);
}

static void step(struct sim *sim, enum who who, struct event *ev)
{
	struct effects *fx = &sim->fx[who];

	ev->now_ms = sim->now_us / MS + 1;
	ev->wall_ns = sim_wall_ns(sim);
	if (ev->kind != EVENT_TIMER)
		sim_trace(sim, "%s <- %s %llu %.*s %.*s %d %.*s",
			  who == MANAGER ? "manager" : "worker", event_names[ev->kind],
			  (unsigned long long)ev->id, SLICE_ARGS(ev->method),
			  SLICE_ARGS(ev->target), ev->status, SLICE_ARGS(ev->text));
	effects_reset(fx);
	if (who == MANAGER)
		manager_step(sim->manager, ev, fx);
	else
		worker_step(sim->worker, ev, fx);
	for (uint32_t i = 0; i < fx->count && !sim->failed && sim->up; i++) {
		if (sim_fault(sim, OPT_CRASH, 10000)) {
			sim->marks[MARK_CRASH]++;
			sim->marks[MARK_MID_STEP] += i > 0;
			sim_crash(sim, "killed");
			return;
		}
		carry_out(sim, who, &fx->items[i]);
	}
	if (sim->up && !sim->failed)
		check_step(sim, who);
}

static void deliver(struct sim *sim, struct happening *h)
{
	if (sim->up && !sim->exited)
		step(sim, h->who, &h->ev);
}

void sim_deliver(struct sim *sim, uint64_t delay_us, enum who who, const struct event *ev)
{
	struct happening *h = sim_at(sim, delay_us, deliver, ev);

	h->life = sim->life;
	h->who = who;
}

/* ---- effects ------------------------------------------------------------------- */

static void timer_due(struct sim *sim, struct happening *h)
{
	struct event ev = { .kind = EVENT_TIMER };

	if (sim->up && !sim->exited && sim->timer[h->who] == h->id)
		step(sim, h->who, &ev);
}

static void set_timer(struct sim *sim, enum who who, uint64_t deadline_ms)
{
	uint64_t now_ms = sim->now_us / MS + 1;
	struct happening *h;

	sim->timer[who]++;
	if (!deadline_ms)
		return;
	/* A timer comes at the beginning of its millisecond: never before its time. */
	h = sim_at(sim, deadline_ms <= now_ms ? 0 : (deadline_ms - 1) * MS - sim->now_us,
		   timer_due, NULL);
	h->life = sim->life;
	h->who = who;
	h->id = sim->timer[who];
}

static void send_message(struct sim *sim, enum who to, const struct effect *x)
{
	struct event ev = { .kind = EVENT_SESSION_MESSAGE, .id = x->id, .body = x->body };
	uint64_t at = sim->now_us + sim_between(sim, 0, sim->options[OPT_DELAY]) * MS;

	if (at < sim->channel_us[to])
		at = sim->channel_us[to];
	sim->channel_us[to] = at;
	sim_deliver(sim, at - sim->now_us, to, &ev);
}

static void process_exit(struct sim *sim, int status)
{
	if (sim->clients.leaving) {
		sim->exited = 1;
		return;
	}
	if (status != 0 || !sim->stopping) {
		sim_fail(sim, "the process ended with status %d", status);
		return;
	}
	sim->marks[MARK_STOP]++;
	end_process(sim);
	sim_at(sim, sim_between(sim, 1 * MS, 5 * SECOND), restart, NULL);
}

static void publish(struct sim *sim, const struct effect *x)
{
	buf_reset(&sim->netmap);
	buf_add_slice(&sim->netmap, x->body);
}

/* All of it only where all is printed. */
static struct slice shown(const struct sim *sim, struct slice s)
{
	if (!sim->trace && s.len > SIM_TRACE_WIDTH)
		s.len = SIM_TRACE_WIDTH;
	return s;
}

static void trace_effect(struct sim *sim, const struct effect *x)
{
	static const char *const names[] = {
		[EFFECT_WAL_APPEND] = "append", [EFFECT_SNAPSHOT_SAVE] = "snapshot",
		[EFFECT_REPLY] = "reply", [EFFECT_SESSION_SEND] = "send",
		[EFFECT_ENGINE_CALL] = "call", [EFFECT_ENGINE_CANCEL] = "cancel",
		[EFFECT_PUBLISH] = "publish", [EFFECT_EXIT] = "exit", [EFFECT_LOG] = "log",
		[EFFECT_WIPE] = "wipe", [EFFECT_REPLY_CHUNK] = "chunk",
	};
	struct slice body = x->body;

	if (x->kind == EFFECT_TIMER)
		return;
	if (x->kind == EFFECT_WAL_APPEND && body.len > RAFT_ENTRY_HEADER)
		body = (struct slice){ body.data + RAFT_ENTRY_HEADER,
				       body.len - RAFT_ENTRY_HEADER };
	else if (x->kind != EFFECT_REPLY && x->kind != EFFECT_SESSION_SEND)
		body.len = 0;
	body = shown(sim, body);
	sim_trace(sim, "  %s %llu %d %.*s %.*s %.*s%.*s", names[x->kind],
		  (unsigned long long)x->id, x->status, SLICE_ARGS(x->method),
		  SLICE_ARGS(x->target), SLICE_ARGS(x->text), SLICE_ARGS(body));
}

static void carry_out(struct sim *sim, enum who who, const struct effect *x)
{
	trace_effect(sim, x);
	switch (x->kind) {
	case EFFECT_TIMER: set_timer(sim, who, x->deadline_ms); break;
	case EFFECT_LOG: break;
	case EFFECT_EXIT:
		if (who == MANAGER)
			process_exit(sim, x->status);
		break;
	case EFFECT_WAL_APPEND: disk_append(sim, x); break;
	case EFFECT_SNAPSHOT_SAVE: disk_snapshot(sim, x); break;
	case EFFECT_REPLY:
	case EFFECT_REPLY_CHUNK: clients_reply(sim, x); break;
	case EFFECT_SESSION_SEND:
		if (x->id == sim->session)
			send_message(sim, who == MANAGER ? WORKER : MANAGER, x);
		break;
	case EFFECT_ENGINE_CALL: engine_call_sim(sim, x); break;
	case EFFECT_ENGINE_CANCEL: engine_cancel_sim(sim, x->id); break;
	case EFFECT_PUBLISH: publish(sim, x); break;
	case EFFECT_WIPE: sim->disk.failed = 1; break;
	}
}

/* ---- the process --------------------------------------------------------------- */

static void session_up(struct sim *sim)
{
	struct event up = { .kind = EVENT_SESSION_UP, .id = sim->session, .text = SLICE(SIM_NODE) };

	sim_deliver(sim, 0, MANAGER, &up);
	sim_deliver(sim, 0, WORKER, &up);
}

static void restart(struct sim *sim, struct happening *h)
{
	const struct worker_config worker = { sim_config.node_id, sim_config.hostname };
	struct event start = { .kind = EVENT_START, .text = SLICE(SIM_NODE) };

	(void)h;
	sim_trace(sim, "---- the process starts, %u", sim->life);
	sim->manager = manager_new(&sim_config, rng_next(&sim->rng));
	sim->worker = worker_new(&worker, rng_next(&sim->rng));
	if (disk_recover(sim) < 0)
		return;
	sim->up = 1;
	sim->session++;
	start.id = sim->disk.last;
	sim_deliver(sim, 0, MANAGER, &start);
	sim_deliver(sim, 0, WORKER, &start);
	session_up(sim);
}

static void cut_session(struct sim *sim)
{
	struct event down = { .kind = EVENT_SESSION_DOWN, .id = sim->session };

	sim->marks[MARK_SESSION]++;
	sim_deliver(sim, 0, MANAGER, &down);
	sim_deliver(sim, 0, WORKER, &down);
	sim->session++;
	session_up(sim);
}

static void stop_process(struct sim *sim)
{
	struct event stop = { .kind = EVENT_STOP };

	sim->stopping = 1;
	sim_deliver(sim, 0, WORKER, &stop);
	sim_deliver(sim, 0, MANAGER, &stop);
}

/* Everything goes at once: nothing runs after it, and /run is empty. */
static void reboot(struct sim *sim)
{
	sim->marks[MARK_REBOOT]++;
	sim_crash(sim, "reboot");
	buf_reset(&sim->netmap);
	engine_leave(sim, sim_between(sim, 100 * MS, 10 * SECOND), 1);
}

/* A board without a battery gets its time from the network, some time after its start. */
static void step_clock(struct sim *sim)
{
	int back = rng_chance(&sim->rng, 1, 2);
	int64_t ns = (int64_t)sim_between(sim, 1, rng_chance(&sim->rng, 1, 2) ? 100 : 1000000);

	sim->clock_ns += (back ? -ns : ns) * 100000000;
	sim->marks[back ? MARK_CLOCK_BACK : MARK_CLOCK_ON]++;
	sim_trace(sim, "the clock is set %s by %.1f s", back ? "back" : "forward", (double)ns / 10);
}

/* Once a second: what comes by the clock rather than by a step. */
static void second(struct sim *sim, struct happening *h)
{
	(void)h;
	if (!sim->faults)
		return;
	if (!sim->engine.away && sim_fault(sim, OPT_AWAY, 600)) {
		uint64_t most = rng_chance(&sim->rng, 1, 4) ? 90 * SECOND : 5 * SECOND;
		int cold = sim_fault(sim, OPT_COLD, 10);

		engine_leave(sim, sim_between(sim, 50 * MS, most), cold);
	}
	if (sim_fault(sim, OPT_CLOCK, 600))
		step_clock(sim);
	if (sim_fault(sim, OPT_BY_HAND, 600))
		engine_remove_by_hand(sim);
	if (sim->up && !sim->stopping && sim_fault(sim, OPT_SESSION, 600))
		cut_session(sim);
	if (sim->up && !sim->stopping && sim_fault(sim, OPT_STOP, 600))
		stop_process(sim);
	if (sim->up && sim->options[OPT_CRASH] && rng_chance(&sim->rng, 1, 900))
		reboot(sim);
	/* What an operator does about a node that cannot write. */
	if (sim->up && sim->disk.failed && rng_chance(&sim->rng, 1, 40))
		sim_crash(sim, "restarted for its disk");
	sim_at(sim, SECOND, second, NULL);
}

/* ---- a run --------------------------------------------------------------------- */

static void draw_options(struct sim *sim)
{
	static const uint64_t most[OPTIONS] = {
#define X(name, text, max) [name] = (max),
		SIM_OPTIONS(X)
#undef X
	};

	for (int i = 0; i < OPTIONS; i++) {
		uint64_t value = sim_between(sim, 1, most[i]);

		sim->options[i] = rng_chance(&sim->rng, 1, 3) ? 0 : value;
	}
}

static void run_one(struct sim *sim)
{
	struct happening *h = heap_pop(sim);

	if (h->at_us > sim->now_us)
		sim->steps_now = 0;
	sim->now_us = h->at_us;
	if (!h->life || h->life == sim->life)
		h->run(sim, h);
	mem_free(h);
	if (++sim->steps_now > STEPS_NOW_MAX)
		sim_fail(sim, "no end of steps at one and the same time");
	if (++sim->steps > STEPS_MAX)
		sim_fail(sim, "more than %d steps", STEPS_MAX);
}

static void run_until(struct sim *sim, uint64_t at_us)
{
	while (!sim->failed && sim->heap_count && sim->heap[0]->at_us <= at_us)
		run_one(sim);
	if (!sim->failed)
		sim->now_us = at_us;
}

/* Until it has converged, and has stayed so for a while. */
static void converge(struct sim *sim, uint64_t within_us,
		     int (*done)(struct sim *, char why[256]))
{
	uint64_t end = sim->now_us + within_us, since = 0;
	char why[256] = "";

	while (!sim->failed) {
		run_until(sim, sim->now_us + SECOND);
		if (sim->failed)
			return;
		if (!done(sim, why))
			since = 0;
		else if (!since)
			since = sim->now_us;
		else if (sim->now_us - since >= 8 * SECOND)
			return;
		if (sim->now_us >= end)
			sim_fail(sim, "not converged %llu s after the last fault: %s",
				 (unsigned long long)(within_us / SECOND), why);
	}
}

static int resting(struct sim *sim, char why[256])
{
	return check_converged(sim, 0, why);
}

static int pushed(struct sim *sim, char why[256])
{
	if (clients_quiet(sim))
		clients_push(sim);
	return check_converged(sim, 1, why);
}

static int left(struct sim *sim, char why[256])
{
	return check_left(sim, why);
}

static void phase_two(struct sim *sim)
{
	sim->faults = 0;
	sim_trace(sim, "==== no more faults");
	if (sim->engine.away)
		engine_return(sim);
	if (sim->up && sim->disk.failed)
		sim_crash(sim, "restarted for its disk");
	converge(sim, 4 * (uint64_t)MINUTE, resting);
	if (sim->failed)
		return;
	sim_trace(sim, "==== what rests is pushed");
	converge(sim, 4 * (uint64_t)MINUTE, pushed);
	if (sim->failed || sim->seed % 4 != 0)
		return;
	clients_leave(sim);
	converge(sim, 2 * (uint64_t)MINUTE, left);
}

void sim_run(struct sim *sim)
{
	rng_init(&sim->rng, sim->seed);
	draw_options(sim);
	effects_init(&sim->fx[MANAGER]);
	effects_init(&sim->fx[WORKER]);
	buf_init(&sim->netmap, 1 << 20);
	check_init(sim);
	engine_init_sim(sim);
	sim->faults = 1;
	sim->life = 1;
	sim_at(sim, 0, restart, NULL);
	sim_at(sim, SECOND, second, NULL);
	clients_start(sim);
	run_until(sim, sim_between(sim, 20, 120) * SECOND);
	if (!sim->failed)
		phase_two(sim);
}

void sim_done(struct sim *sim)
{
	if (sim->manager)
		manager_free(sim->manager);
	if (sim->worker)
		worker_free(sim->worker);
	for (size_t i = 0; i < sim->heap_count; i++)
		mem_free(sim->heap[i]);
	mem_free(sim->heap);
	effects_done(&sim->fx[MANAGER]);
	effects_done(&sim->fx[WORKER]);
	buf_done(&sim->netmap);
	check_done(sim);
	engine_done_sim(sim);
	disk_done(&sim->disk);
}
