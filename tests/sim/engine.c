/* The engine's own life: calls under way, events, containers that end. Contracts are in sim.h. */
#include <assert.h>
#include <stdio.h>
#include <string.h>
#include "base/mem.h"
#include "sim.h"

/* A call under way. */
struct ecall {
	uint64_t key, id;
	unsigned life;		/* of the process that made it */
	int pieces;		/* wants its body as it comes */
	int cancelled;		/* nobody waits for it any more */
	int hangs;		/* it was carried out (or not) and is never answered */
	int streaming;		/* events, or a log that is followed */
	uint64_t last_us;	/* pieces keep their order */
	struct request request;	/* heap */
};

static struct slice copy_of(struct slice s)
{
	char *p = mem_new(s.len);

	if (s.len)
		memcpy(p, s.data, s.len);
	return (struct slice){ p, s.len };
}

static void call_free(struct sim *sim, struct ecall *c)
{
	char key[8];

	map_remove(&sim->engine.calls, sim_key(c->key, key));
	mem_free((void *)(uintptr_t)c->request.method.data);
	mem_free((void *)(uintptr_t)c->request.target.data);
	mem_free((void *)(uintptr_t)c->request.body.data);
	mem_free(c);
}

static void forget_past(struct engine *e)
{
	for (size_t i = 0; i < e->past_count; i++)
		mem_free((void *)(uintptr_t)e->past[i].text.data);
	e->past_count = 0;
}

void engine_init_sim(struct sim *sim)
{
	map_init(&sim->engine.calls);
	sim->engine.images[0] = sim->engine.images[1] = 1;
}

void engine_done_sim(struct sim *sim)
{
	struct engine *e = &sim->engine;

	while (map_first(&e->calls))
		call_free(sim, map_first(&e->calls)->value);
	while (e->containers)
		engine_free(sim, e->containers);
	while (e->networks) {
		struct bridge_net *n = e->networks;

		e->networks = n->next;
		mem_free(n);
	}
	forget_past(e);
	mem_free(e->past);
}

/* ---- answers ------------------------------------------------------------------- */

static uint64_t in_order(struct sim *sim, struct ecall *c, uint64_t delay_us)
{
	if (sim->now_us + delay_us < c->last_us)
		delay_us = c->last_us - sim->now_us;
	c->last_us = sim->now_us + delay_us;
	return delay_us;
}

static void say(struct sim *sim, struct ecall *c, const struct event *ev, uint64_t delay_us)
{
	if (!c->cancelled && c->life == sim->life && sim->up)
		sim_deliver(sim, in_order(sim, c, delay_us), WORKER, ev);
}

/* Cut anywhere, as the socket cuts it. */
static void say_pieces(struct sim *sim, struct ecall *c, struct slice text)
{
	while (text.len) {
		struct event ev = { .kind = EVENT_ENGINE_DATA, .id = c->id };
		size_t n = rng_chance(&sim->rng, 1, 3) ? sim_between(sim, 1, text.len) : text.len;

		ev.body = (struct slice){ text.data, n };
		say(sim, c, &ev, sim_between(sim, 50, 3 * MS));
		text.data += n;
		text.len -= n;
	}
}

static void say_end(struct sim *sim, struct ecall *c, int status, struct slice body,
		    const char *why)
{
	struct event ev = {
		.kind = EVENT_ENGINE_REPLY, .id = c->id, .status = status, .body = body,
		.text = slice_of(why),
	};

	say(sim, c, &ev, sim_between(sim, 50, 3 * MS));
}

static void broken(struct sim *sim, struct ecall *c, const char *why)
{
	say_end(sim, c, 0, (struct slice){ NULL, 0 }, why);
	call_free(sim, c);
}

/* ---- events -------------------------------------------------------------------- */

static struct ecall *events_call(struct sim *sim)
{
	char key[8];

	return map_get(&sim->engine.calls, sim_key(sim->engine.events_call, key));
}

void engine_event(struct sim *sim, const struct container *c, const char *action)
{
	struct engine *e = &sim->engine;
	char text[512];
	int n = snprintf(text, sizeof(text), "{\"Type\":\"container\",\"Action\":\"%s\",\"Actor\":{"
			 "\"ID\":\"%s\",\"Attributes\":{\"com.docker.swarm.task.id\":\"%s\"}}}\n",
			 action, c->id, c->task);
	struct ecall *call = events_call(sim);

	sim_trace(sim, "engine: %s %s %d", action, c->name, c->exit_code);
	if (e->away)
		return;
	if (e->past_count == e->past_capacity) {
		e->past_capacity = e->past_capacity ? 2 * e->past_capacity : 64;
		e->past = mem_resize(e->past, e->past_capacity * sizeof(*e->past));
	}
	e->past[e->past_count++] = (struct past_event){
		sim_wall_ns(sim), copy_of((struct slice){ text, (size_t)n }),
	};
	if (call)
		say_pieces(sim, call, (struct slice){ text, (size_t)n });
}

static void open_events(struct sim *sim, struct ecall *c)
{
	struct engine *e = &sim->engine;
	struct slice rest = c->request.target;
	uint64_t since = 0;

	while (rest.len && !slice_has_prefix(rest, "since="))
		rest.data++, rest.len--;
	if (rest.len) {
		rest = (struct slice){ rest.data + 6, rest.len - 6 };
		(void)slice_to_u64(slice_cut(&rest, '&'), INT64_MAX, &since);
	}
	c->streaming = 1;
	e->events_call = c->key;
	for (size_t i = 0; i < e->past_count; i++) {
		if (e->past[i].wall_ns / 1000000000 >= (int64_t)since)
			say_pieces(sim, c, e->past[i].text);
	}
}

/* ---- calls --------------------------------------------------------------------- */

static uint64_t latency(struct sim *sim, const struct request *r)
{
	if (slice_has_prefix(r->target, "/images/create"))
		return sim_between(sim, 100 * MS, 4 * SECOND);
	if (slice_find(r->target, '?') < r->target.len && slice_is(r->method, "POST") &&
	    !slice_has_prefix(r->target, "/containers/create"))
		return sim_between(sim, 1 * MS, 3 * SECOND);	/* a stop */
	if (slice_is(r->method, "GET"))
		return sim_between(sim, 200, 8 * MS);
	return sim_between(sim, 5 * MS, 250 * MS);
}

static int is_events(const struct ecall *c)
{
	return slice_has_prefix(c->request.target, "/events");
}

static int is_log(const struct ecall *c)
{
	struct slice rest = c->request.target, last = { NULL, 0 };

	while (rest.len)
		last = slice_cut(&rest, '/');
	return slice_has_prefix(last, "logs?");
}

static void log_end(struct sim *sim, struct happening *h)
{
	char key[8];
	struct ecall *c = map_get(&sim->engine.calls, sim_key(h->id, key));

	if (!c)
		return;
	say_end(sim, c, 200, (struct slice){ NULL, 0 }, NULL);
	call_free(sim, c);
}

static void carry_out_alone(struct sim *sim, const struct ecall *c, struct buf *nobody)
{
	sim->engine.alone = 1;
	(void)engine_carry_out(sim, &c->request, nobody);
	sim->engine.alone = 0;
}

static void answer(struct sim *sim, struct ecall *c)
{
	struct buf out;
	int status;

	buf_init(&out, (size_t)4 << 20);
	sim->engine.alone = c->cancelled;
	status = engine_carry_out(sim, &c->request, &out);
	sim->engine.alone = 0;
	if (c->pieces && status < 300) {
		say_pieces(sim, c, buf_slice(&out));
		buf_reset(&out);
	}
	if (is_log(c) && status == 200) {
		sim_at(sim, sim_between(sim, 1 * MS, 20 * SECOND), log_end, NULL)->id = c->key;
		c->streaming = 1;
	} else {
		say_end(sim, c, status, buf_slice(&out), NULL);
		call_free(sim, c);
	}
	buf_done(&out);
}

static void call_due(struct sim *sim, struct happening *h)
{
	char key[8];
	struct ecall *c = map_get(&sim->engine.calls, sim_key(h->id, key));

	if (!c)
		return;
	if (c->life != sim->life && sim_fault(sim, OPT_CRASH, 100)) {
		struct happening *again = sim_at(sim, sim_between(sim, 1 * MS, 2 * SECOND),
						 call_due, NULL);

		again->id = c->key;
		sim_at(sim, sim_between(sim, 1 * MS, 2 * SECOND), call_due, NULL)->id = c->key;
		return;
	}
	sim->marks[MARK_LATE] += c->life != sim->life;
	if (c->cancelled && rng_chance(&sim->rng, 1, 2)) {
		call_free(sim, c);
	} else if (is_events(c)) {
		open_events(sim, c);
	} else if (sim_fault(sim, OPT_ERROR, 10000)) {
		sim->marks[MARK_ERROR]++;
		say_end(sim, c, 500, SLICE("{\"message\":\"the engine stumbled\"}"), NULL);
		call_free(sim, c);
	} else {
		answer(sim, c);
	}
}

static void call_timed_out(struct sim *sim, struct happening *h)
{
	char key[8];
	struct ecall *c = map_get(&sim->engine.calls, sim_key(h->id, key));

	if (c)
		broken(sim, c, "timed out");
}

void engine_call_sim(struct sim *sim, const struct effect *x)
{
	struct engine *e = &sim->engine;
	struct ecall *c = mem_new(sizeof(*c));
	char key[8];

	c->id = x->id;
	c->life = sim->life;
	c->key = (uint64_t)sim->life << 32 | x->id;
	c->pieces = x->more;
	c->request = (struct request){
		copy_of(x->method), copy_of(x->target), copy_of(x->body),
	};
	map_set(&e->calls, sim_key(c->key, key), c);
	if (e->away) {
		broken(sim, c, "connection refused");
	} else if (x->timeout_ms && x->timeout_ms < 300000 && sim_fault(sim, OPT_HANG, 10000)) {
		struct buf nobody;

		sim->marks[MARK_HANG]++;
		c->hangs = 1;
		buf_init(&nobody, (size_t)4 << 20);
		if (rng_chance(&sim->rng, 1, 2))
			carry_out_alone(sim, c, &nobody);
		buf_done(&nobody);
		sim_at(sim, x->timeout_ms * MS, call_timed_out, NULL)->id = c->key;
	} else {
		sim_at(sim, latency(sim, &c->request), call_due, NULL)->id = c->key;
	}
}

void engine_cancel_sim(struct sim *sim, uint64_t id)
{
	char key[8];
	uint64_t number = (uint64_t)sim->life << 32 | id;
	struct ecall *c = map_get(&sim->engine.calls, sim_key(number, key));

	if (!c)
		return;
	if (sim->engine.events_call == number)
		sim->engine.events_call = 0;
	c->cancelled = 1;
	if (c->streaming)
		call_free(sim, c);
}

static int changes_something(const struct ecall *c)
{
	return !c->hangs && !slice_is(c->request.method, "GET");
}

/* Nobody waits for the answers any more. Some calls are carried out, some are not. */
static void abandon(struct sim *sim, uint64_t late)
{
	struct map_entry *next;
	struct buf nobody;

	buf_init(&nobody, (size_t)4 << 20);
	for (struct map_entry *m = map_first(&sim->engine.calls); m; m = next) {
		struct ecall *c = m->value;

		next = map_next(m);
		if (c->cancelled)
			continue;
		c->cancelled = 1;
		if (changes_something(c) && rng_chance(&sim->rng, late, 3))
			continue;
		if (changes_something(c) && rng_chance(&sim->rng, 1, 2))
			carry_out_alone(sim, c, &nobody);
		call_free(sim, c);
	}
	buf_done(&nobody);
}

void engine_crash(struct sim *sim)
{
	sim->engine.events_call = 0;
	abandon(sim, 1);
}

/* ---- comings and goings -------------------------------------------------------- */

void engine_return(struct sim *sim)
{
	if (sim->engine.away)
		sim_trace(sim, "engine: is back");
	sim->engine.away = 0;
}

static void back(struct sim *sim, struct happening *h)
{
	(void)h;
	engine_return(sim);
}

void engine_leave(struct sim *sim, uint64_t for_us, int cold)
{
	struct engine *e = &sim->engine;

	sim_trace(sim, "engine: goes away, %s", cold ? "cold" : "containers live");
	sim->marks[MARK_AWAY]++;
	sim->marks[cold ? MARK_COLD : MARK_LIVE]++;
	e->away = 1;
	e->events_call = 0;
	forget_past(e);
	for (struct map_entry *m = map_first(&e->calls); m; m = map_next(m)) {
		struct ecall *c = m->value;

		say_end(sim, c, 0, (struct slice){ NULL, 0 }, "connection reset by peer");
	}
	abandon(sim, 0);
	while (map_first(&e->calls))	/* those that nobody waited for */
		call_free(sim, map_first(&e->calls)->value);
	for (struct container *c = e->containers; c && cold; c = c->next) {
		if (c->state == RUNNING)
			engine_ended(sim, c, 137);
	}
	sim_at(sim, for_us, back, NULL);
}

int engine_quiet(const struct sim *sim)
{
	for (struct map_entry *m = map_first(&sim->engine.calls); m; m = map_next(m)) {
		const struct ecall *c = m->value;

		if (!c->streaming)
			return 0;
	}
	return 1;
}

/* ---- containers ---------------------------------------------------------------- */

static struct container *by_serial(struct sim *sim, uint64_t serial)
{
	struct container *c = sim->engine.containers;

	while (c && c->serial != serial)
		c = c->next;
	return c;
}

static void dies(struct sim *sim, struct happening *h)
{
	static const int codes[] = { 0, 1, 1, 137 };
	struct container *c = by_serial(sim, h->id);

	if (!c || c->state != RUNNING || !sim->faults)
		return;
	sim->marks[MARK_DEATH]++;
	engine_ended(sim, c, codes[rng_below(&sim->rng, 4)]);
}

static void gets_well(struct sim *sim, struct happening *h)
{
	struct container *c = by_serial(sim, h->id);

	if (!c || c->state != RUNNING || c->health == UNHEALTHY)
		return;
	c->health = HEALTHY;
	engine_event(sim, c, "health_status: healthy");
}

static void gets_ill(struct sim *sim, struct happening *h)
{
	struct container *c = by_serial(sim, h->id);

	if (!c || c->state != RUNNING || !sim->faults)
		return;
	sim->marks[MARK_UNHEALTHY]++;
	c->health = UNHEALTHY;
	engine_event(sim, c, "health_status: unhealthy");
}

static uint64_t some_time(struct sim *sim)
{
	return rng_chance(&sim->rng, 1, 3) ? sim_between(sim, 1 * MS, 500 * MS)
					   : sim_between(sim, 100 * MS, 90 * SECOND);
}

void engine_started(struct sim *sim, struct container *c)
{
	c->state = RUNNING;
	c->starts++;
	if (sim_fault(sim, OPT_DEATH, 10000))
		sim_at(sim, some_time(sim), dies, NULL)->id = c->serial;
	if (c->health == NO_CHECK)
		return;
	c->health = STARTING;
	sim_at(sim, sim_between(sim, 50 * MS, 4 * SECOND), gets_well, NULL)->id = c->serial;
	if (sim_fault(sim, OPT_UNHEALTHY, 10000))
		sim_at(sim, some_time(sim), gets_ill, NULL)->id = c->serial;
}

void engine_ended(struct sim *sim, struct container *c, int code)
{
	c->state = EXITED;
	c->exit_code = code;
	engine_event(sim, c, "die");
}

void engine_free(struct sim *sim, struct container *c)
{
	struct container **link = &sim->engine.containers;

	while (*link != c)
		link = &(*link)->next;
	*link = c->next;
	mem_free(c);
}

void engine_remove_by_hand(struct sim *sim)
{
	struct container *c = sim->engine.containers;
	uint64_t n = 0;

	for (; c; c = c->next)
		n++;
	if (n == 0 || sim->engine.away)
		return;
	n = rng_below(&sim->rng, n);
	for (c = sim->engine.containers; n > 0; n--)
		c = c->next;
	sim->marks[MARK_BY_HAND]++;
	if (c->state == RUNNING)
		engine_ended(sim, c, 137);
	engine_event(sim, c, "destroy");
	engine_free(sim, c);
}

struct container *engine_find(struct sim *sim, struct slice key)
{
	struct container *c = sim->engine.containers;

	while (c && !slice_is(key, c->id) && !slice_is(key, c->name))
		c = c->next;
	return c;
}

struct bridge_net *engine_network(struct sim *sim, const char *name)
{
	struct bridge_net *n = sim->engine.networks;

	while (n && strcmp(n->name, name) != 0)
		n = n->next;
	return n;
}
