/* Time, and the phases of a run. Contracts are in sim.h. */
#include <string.h>
#include "base/mem.h"
#include "sim.h"

enum {
	STEPS_MAX = 200000,	/* of one run: more is a machine that never rests */
	STEPS_NOW_MAX = 20000,	/* at one and the same time */
	/* Who leaves waits a minute for an engine that does not answer. */
	LEAVE_US = 70 * SECOND,
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

struct happening *sim_at(struct sim *sim, uint64_t delay_us,
			 void (*run)(struct sim *, struct happening *), const struct event *ev)
{
	const struct event none = { .kind = EVENT_TIMER };
	const struct event *e = ev ? ev : &none;
	struct happening *h = mem_new(sizeof(*h) + event_bytes(e));

	h->at_us = sim->now_us + delay_us;
	h->sequence = ++sim->sequence;
	h->run = run;
	event_copy(&h->ev, e, h + 1);
	heap_push(sim, h);
	return h;
}

struct happening *sim_at_host(struct host *host, int any, uint64_t delay_us,
			      void (*run)(struct sim *, struct happening *),
			      const struct event *ev)
{
	struct happening *h = sim_at(host->sim, delay_us, run, ev);

	h->host = host;
	h->life = any ? 0 : host->life;
	return h;
}

void sim_again(struct sim *sim, struct happening *h)
{
	h->kept = 0;
	h->at_us = sim->now_us;
	h->sequence = ++sim->sequence;
	heap_push(sim, h);
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

struct slice sim_key(uint64_t id, char key[8])
{
	for (int i = 7; i >= 0; i--, id >>= 8)
		key[i] = (char)(id & 0xff);
	return (struct slice){ key, 8 };
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

/* Most runs are short, with users of the store alone: that is where Raft is tried most often. */
static void draw_plan(struct sim *sim)
{
	struct plan *p = &sim->plan;
	uint64_t kind = rng_below(&sim->rng, 100);

	p->hosts = 3;
	p->spare = sim->options[OPT_MEMBERS] ? 2 : 0;
	p->workers = (int)rng_below(&sim->rng, 2);
	p->faults_us = sim_between(sim, 1500, 5000) * MS;
	p->kv_us = sim_between(sim, 4, 60) * MS;
	p->nemesis_us = sim_between(sim, 60, 800) * MS;
	p->blocking = rng_chance(&sim->rng, 1, 2);
	p->snapshot_entries = (uint32_t)sim_between(sim, 10, 60);
	p->piece_bytes = (size_t)sim_between(sim, 200, 4000);
	p->segment_bytes = UINT32_C(16384) << rng_below(&sim->rng, 5);
	if (kind < 7) {			/* one node and its services */
		p->hosts = 1;
		p->spare = p->workers = 0;
		p->services = 1;
		p->kv_us = 0;
		p->faults_us = sim_between(sim, 15, 60) * SECOND;
		p->nemesis_us = sim_between(sim, 1, 5) * SECOND;
		p->snapshot_entries = 40;
	} else if (kind < 13) {		/* a swarm and its services */
		p->services = 1;
		p->kv_us *= 20;
		p->faults_us = sim_between(sim, 10, 25) * SECOND;
		p->nemesis_us = sim_between(sim, 1, 4) * SECOND;
	} else if (kind < 17) {
		p->hosts = 1;
		p->spare = p->workers = 0;
	} else if (kind < 19) {		/* certificates end */
		p->short_lives = 1;
		p->kv_us *= 20;
		p->spare = 2;
		p->faults_us = sim_between(sim, 80, 120) * SECOND;
		p->nemesis_us = sim_between(sim, 2, 8) * SECOND;
		sim->options[OPT_CLOCK] = 0;
		sim->options[OPT_AWAY_LONG] = 6;
	} else if (kind < 31) {
		p->hosts = 5;
		p->faults_us *= 2;
	}
	if (!p->short_lives)
		sim->options[OPT_AWAY_LONG] = 0;
	p->force = p->hosts > 1 && !p->services && rng_chance(&sim->rng, 1, 12);
	if (p->hosts > 1 && !p->services && rng_chance(&sim->rng, 1, 3))
		sim->options[OPT_ERROR] = sim->options[OPT_HANG] = 0;
}

static void run_one(struct sim *sim)
{
	struct happening *h = heap_pop(sim);

	if (h->at_us > sim->now_us)
		sim->steps_now = 0;
	sim->now_us = h->at_us;
	if (!h->life || h->life == h->host->life)
		h->run(sim, h);
	if (!h->kept)
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

static int one_leaves(const struct sim *sim)
{
	for (int i = 0; i < HOSTS; i++) {
		const struct host *host = &sim->hosts[i];

		if ((host->to_leave || host->away || host->removed_index) && !host->exited)
			return 1;
	}
	return 0;
}

/* Until it has converged, and has stayed so for a while; looked at every so often. */
struct goal {
	int (*done)(struct sim *, char why[256]);
	uint64_t within_us, every_us, stays_us;
};

static void converge(struct sim *sim, const struct goal *goal)
{
	uint64_t begin = sim->now_us, since = 0, within = goal->within_us;
	char why[256] = "";

	while (!sim->failed) {
		if (one_leaves(sim))
			within = goal->within_us + LEAVE_US;
		run_until(sim, sim->now_us + goal->every_us);
		if (sim->failed)
			return;
		if (!goal->done(sim, why))
			since = 0;
		else if (!since)
			since = sim->now_us;
		if (since && sim->now_us - since >= goal->stays_us)
			return;
		if (sim->now_us >= begin + within)
			sim_fail(sim, "not so %llu s after the last fault: %s",
				 (unsigned long long)(within / SECOND), why);
	}
}

static int agreed(struct sim *sim, char why[256])
{
	return kv_users_served(sim, why) && check_agreed(sim, why);
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

static uint64_t containers_made(const struct sim *sim)
{
	uint64_t made = 0;

	for (int i = 0; i < HOSTS; i++)
		made += sim->hosts[i].engine.serial;
	return made;
}

/* Nodes change their roles, and no container is touched by it. */
static void change_roles(struct sim *sim)
{
	static const struct goal agree = { agreed, 60 * (uint64_t)SECOND, 100 * MS, SECOND };
	static const struct goal all = { pushed, 4 * (uint64_t)MINUTE, SECOND, 8 * SECOND };
	uint64_t made = containers_made(sim);

	sim_trace(sim, "==== roles change");
	admins_change_all(sim);
	converge(sim, &agree);
	if (sim->failed || !sim->plan.services)
		return;
	converge(sim, &all);
	if (containers_made(sim) != made)
		sim_fail(sim, "roles have changed, and %llu containers were made anew",
			 (unsigned long long)(containers_made(sim) - made));
}

/* Nothing breaks any more. */
static void phase_two(struct sim *sim)
{
	static const struct goal agree = { agreed, 30 * (uint64_t)SECOND, 100 * MS, 200 * MS };
	static const struct goal rest = { resting, 4 * (uint64_t)MINUTE, SECOND, 8 * SECOND };
	static const struct goal all = { pushed, 4 * (uint64_t)MINUTE, SECOND, 8 * SECOND };
	static const struct goal gone = { left, 2 * (uint64_t)MINUTE, SECOND, 8 * SECOND };

	sim->faults = 0;
	sim_trace(sim, "==== no more faults");
	if (sim->plan.force)
		(void)faults_force(sim);
	faults_end(sim);
	converge(sim, &agree);
	if (!sim->failed && !sim->plan.services && sim->plan.hosts > 1 && sim->seed % 4 == 0)
		change_roles(sim);
	if (sim->failed || !sim->plan.services)
		return;
	converge(sim, &rest);
	if (sim->failed)
		return;
	sim_trace(sim, "==== what rests is pushed");
	converge(sim, &all);
	if (!sim->failed && sim->plan.hosts > 1)
		change_roles(sim);
	if (sim->failed || sim->plan.hosts > 1 || sim->seed % 4 == 0)
		return;
	clients_leave(sim);
	converge(sim, &gone);
}

void sim_run(struct sim *sim)
{
	rng_init(&sim->rng, sim->seed);
	draw_options(sim);
	draw_plan(sim);
	entropy_seed(rng_next(&sim->rng));
	check_init(sim);
	seen_init(sim);
	sim->faults = 1;
	sim->host_count = sim->plan.hosts + sim->plan.workers;
	for (int i = 0; i < HOSTS; i++) {
		sim->hosts[i].sim = sim;
		sim->hosts[i].used = i < sim->host_count;
		host_init(&sim->hosts[i], i);
		sim->hosts[i].identity.wanted = i < sim->plan.hosts ? ROLE_MANAGER : ROLE_WORKER;
		if (i > 0)
			memcpy(sim->hosts[i].store.contacts, sim->hosts[0].address,
			       sizeof(sim->hosts[0].address));
		host_start(&sim->hosts[i], i ? sim_between(sim, 0, 200 * MS) : 0);
	}
	clients_start(sim);
	kv_users_start(sim);
	admins_start(sim);
	faults_start(sim);
	run_until(sim, sim->plan.faults_us);
	if (!sim->failed)
		phase_two(sim);
}

void sim_done(struct sim *sim)
{
	for (int i = 0; i < HOSTS; i++)
		host_done(&sim->hosts[i]);
	for (size_t i = 0; i < sim->heap_count; i++)
		mem_free(sim->heap[i]);
	mem_free(sim->heap);
	kv_users_done(sim);
	check_done(sim);
	seen_done(sim);
}
