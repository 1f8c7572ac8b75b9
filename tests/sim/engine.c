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
	struct call_seen request;	/* heap */
};

static struct slice copy_of(struct slice s)
{
	char *p = mem_new(s.len);

	if (s.len)
		memcpy(p, s.data, s.len);
	return (struct slice){ p, s.len };
}

static void call_free(struct host *host, struct ecall *c)
{
	char key[8];

	map_remove(&host->engine.calls, sim_key(c->key, key));
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

void engine_init_sim(struct host *host)
{
	map_init(&host->engine.calls);
	host->engine.images[0] = host->engine.images[1] = 1;
}

void engine_done_sim(struct host *host)
{
	struct engine *e = &host->engine;

	while (map_first(&e->calls))
		call_free(host, map_first(&e->calls)->value);
	while (e->containers)
		engine_free(host, e->containers);
	while (e->networks) {
		struct bridge_net *n = e->networks;

		e->networks = n->next;
		mem_free(n);
	}
	forget_past(e);
	mem_free(e->past);
}

/* ---- answers ------------------------------------------------------------------- */

static uint64_t in_order(struct host *host, struct ecall *c, uint64_t delay_us)
{
	struct sim *sim = host->sim;

	if (sim->now_us + delay_us < c->last_us)
		delay_us = c->last_us - sim->now_us;
	c->last_us = sim->now_us + delay_us;
	return delay_us;
}

static void say(struct host *host, struct ecall *c, const struct event *ev, uint64_t delay_us)
{
	if (!c->cancelled && c->life == host->life && host->up)
		host_deliver(host, in_order(host, c, delay_us), WORKER, ev);
}

/* Cut anywhere, as the socket cuts it. */
static void say_pieces(struct host *host, struct ecall *c, struct slice text)
{
	struct sim *sim = host->sim;

	while (text.len) {
		struct event ev = { .kind = EVENT_ENGINE_DATA, .id = c->id };
		size_t n = rng_chance(&sim->rng, 1, 3) ? sim_between(sim, 1, text.len) : text.len;

		ev.body = (struct slice){ text.data, n };
		say(host, c, &ev, sim_between(sim, 50, 3 * MS));
		text.data += n;
		text.len -= n;
	}
}

static void say_end(struct host *host, struct ecall *c, int status, struct slice body,
		    const char *why)
{
	struct sim *sim = host->sim;
	struct event ev = {
		.kind = EVENT_ENGINE_REPLY, .id = c->id, .status = status, .body = body,
		.text = slice_of(why),
	};

	say(host, c, &ev, sim_between(sim, 50, 3 * MS));
}

static void broken(struct host *host, struct ecall *c, const char *why)
{
	say_end(host, c, 0, (struct slice){ NULL, 0 }, why);
	call_free(host, c);
}

/* ---- events -------------------------------------------------------------------- */

static struct ecall *events_call(struct host *host)
{
	char key[8];

	return map_get(&host->engine.calls, sim_key(host->engine.events_call, key));
}

void engine_event(struct host *host, const struct container *c, const char *action)
{
	struct sim *sim = host->sim;
	struct engine *e = &host->engine;
	char text[512];
	int n = snprintf(text, sizeof(text), "{\"Type\":\"container\",\"Action\":\"%s\",\"Actor\":{"
			 "\"ID\":\"%s\",\"Attributes\":{\"com.docker.swarm.task.id\":\"%s\"}}}\n",
			 action, c->id, c->task);
	struct ecall *call = events_call(host);

	sim_trace(sim, "engine: %s %s %d", action, c->name, c->exit_code);
	if (e->away)
		return;
	if (e->past_count == e->past_capacity) {
		e->past_capacity = e->past_capacity ? 2 * e->past_capacity : 64;
		e->past = mem_resize(e->past, e->past_capacity * sizeof(*e->past));
	}
	e->past[e->past_count++] = (struct past_event){
		host_wall_ns(host), copy_of((struct slice){ text, (size_t)n }),
	};
	if (call)
		say_pieces(host, call, (struct slice){ text, (size_t)n });
}

static void open_events(struct host *host, struct ecall *c)
{
	struct engine *e = &host->engine;
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
			say_pieces(host, c, e->past[i].text);
	}
}

/* ---- calls --------------------------------------------------------------------- */

static uint64_t latency(struct host *host, const struct call_seen *r)
{
	struct sim *sim = host->sim;

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
	struct host *host = h->host;
	char key[8];
	struct ecall *c = map_get(&host->engine.calls, sim_key(h->id, key));

	(void)sim;
	if (!c)
		return;
	say_end(host, c, 200, (struct slice){ NULL, 0 }, NULL);
	call_free(host, c);
}

static void carry_out_alone(struct host *host, const struct ecall *c, struct buf *nobody)
{
	host->engine.alone = 1;
	(void)engine_carry_out(host, &c->request, nobody);
	host->engine.alone = 0;
}

static void answer(struct host *host, struct ecall *c)
{
	struct sim *sim = host->sim;
	struct buf out;
	int status;

	buf_init(&out, (size_t)4 << 20);
	host->engine.alone = c->cancelled;
	status = engine_carry_out(host, &c->request, &out);
	host->engine.alone = 0;
	if (c->pieces && status < 300) {
		say_pieces(host, c, buf_slice(&out));
		buf_reset(&out);
	}
	if (is_log(c) && status == 200) {
		sim_at_host(host, 1, sim_between(sim, 1 * MS, 20 * SECOND), log_end,
			    NULL)->id = c->key;
		c->streaming = 1;
	} else {
		say_end(host, c, status, buf_slice(&out), NULL);
		call_free(host, c);
	}
	buf_done(&out);
}

static void call_due(struct sim *sim, struct happening *h)
{
	struct host *host = h->host;
	char key[8];
	struct ecall *c = map_get(&host->engine.calls, sim_key(h->id, key));

	if (!c)
		return;
	if (c->life != host->life && sim_fault(sim, OPT_CRASH, 100)) {
		struct happening *again = sim_at_host(host, 1, sim_between(sim, 1 * MS, 2 * SECOND),
						 call_due, NULL);

		again->id = c->key;
		sim_at_host(host, 1, sim_between(sim, 1 * MS, 2 * SECOND), call_due,
			    NULL)->id = c->key;
		return;
	}
	sim->marks[MARK_LATE] += c->life != host->life;
	if (c->cancelled && rng_chance(&sim->rng, 1, 2)) {
		call_free(host, c);
	} else if (is_events(c)) {
		open_events(host, c);
	} else if (sim_fault(sim, OPT_ERROR, 10000)) {
		sim->marks[MARK_ERROR]++;
		say_end(host, c, 500, SLICE("{\"message\":\"the engine stumbled\"}"), NULL);
		call_free(host, c);
	} else {
		answer(host, c);
	}
}

static void call_timed_out(struct sim *sim, struct happening *h)
{
	struct host *host = h->host;
	char key[8];
	struct ecall *c = map_get(&host->engine.calls, sim_key(h->id, key));

	(void)sim;
	if (c)
		broken(host, c, "timed out");
}

void engine_call_sim(struct host *host, const struct effect *x)
{
	struct sim *sim = host->sim;
	struct engine *e = &host->engine;
	struct ecall *c = mem_new(sizeof(*c));
	char key[8];

	c->id = x->id;
	c->life = host->life;
	c->key = (uint64_t)host->life << 32 | x->id;
	c->pieces = x->more;
	c->request = (struct call_seen){
		copy_of(x->method), copy_of(x->target), copy_of(x->body),
	};
	map_set(&e->calls, sim_key(c->key, key), c);
	if (e->away) {
		broken(host, c, "connection refused");
	} else if (x->timeout_ms && x->timeout_ms < 300000 && sim_fault(sim, OPT_HANG, 10000)) {
		struct buf nobody;

		sim->marks[MARK_HANG]++;
		c->hangs = 1;
		buf_init(&nobody, (size_t)4 << 20);
		if (rng_chance(&sim->rng, 1, 2))
			carry_out_alone(host, c, &nobody);
		buf_done(&nobody);
		sim_at_host(host, 1, x->timeout_ms * MS, call_timed_out, NULL)->id = c->key;
	} else {
		sim_at_host(host, 1, latency(host, &c->request), call_due, NULL)->id = c->key;
	}
}

void engine_cancel_sim(struct host *host, uint64_t id)
{
	char key[8];
	uint64_t number = (uint64_t)host->life << 32 | id;
	struct ecall *c = map_get(&host->engine.calls, sim_key(number, key));

	if (!c)
		return;
	if (host->engine.events_call == number)
		host->engine.events_call = 0;
	c->cancelled = 1;
	if (c->streaming)
		call_free(host, c);
}

static int changes_something(const struct ecall *c)
{
	return !c->hangs && !slice_is(c->request.method, "GET");
}

/* Nobody waits for the answers any more. Some calls are carried out, some are not. */
static void abandon(struct host *host, uint64_t late)
{
	struct sim *sim = host->sim;
	struct map_entry *next;
	struct buf nobody;

	buf_init(&nobody, (size_t)4 << 20);
	for (struct map_entry *m = map_first(&host->engine.calls); m; m = next) {
		struct ecall *c = m->value;

		next = map_next(m);
		if (c->cancelled)
			continue;
		c->cancelled = 1;
		if (changes_something(c) && rng_chance(&sim->rng, late, 3))
			continue;
		if (changes_something(c) && rng_chance(&sim->rng, 1, 2))
			carry_out_alone(host, c, &nobody);
		call_free(host, c);
	}
	buf_done(&nobody);
}

void engine_crash(struct host *host)
{
	host->engine.events_call = 0;
	abandon(host, 1);
}

/* ---- comings and goings -------------------------------------------------------- */

void engine_return(struct host *host)
{
	struct sim *sim = host->sim;

	if (host->engine.away)
		sim_trace(sim, "engine: is back");
	host->engine.away = 0;
}

static void back(struct sim *sim, struct happening *h)
{
	struct host *host = h->host;

	(void)sim;
	engine_return(host);
}

void engine_leave(struct host *host, uint64_t for_us, int cold)
{
	struct sim *sim = host->sim;
	struct engine *e = &host->engine;

	sim_trace(sim, "engine: goes away, %s", cold ? "cold" : "containers live");
	sim->marks[MARK_AWAY]++;
	sim->marks[cold ? MARK_COLD : MARK_LIVE]++;
	e->away = 1;
	e->events_call = 0;
	forget_past(e);
	for (struct map_entry *m = map_first(&e->calls); m; m = map_next(m)) {
		struct ecall *c = m->value;

		say_end(host, c, 0, (struct slice){ NULL, 0 }, "connection reset by peer");
	}
	abandon(host, 0);
	while (map_first(&e->calls))	/* those that nobody waited for */
		call_free(host, map_first(&e->calls)->value);
	for (struct container *c = e->containers; c && cold; c = c->next) {
		if (c->state == RUNNING)
			engine_ended(host, c, 137);
	}
	sim_at_host(host, 1, for_us, back, NULL);
}

int engine_quiet(const struct host *host)
{
	for (struct map_entry *m = map_first(&host->engine.calls); m; m = map_next(m)) {
		const struct ecall *c = m->value;

		if (!c->streaming)
			return 0;
	}
	return 1;
}

/* ---- containers ---------------------------------------------------------------- */

static struct container *by_serial(struct host *host, uint64_t serial)
{
	struct container *c = host->engine.containers;

	while (c && c->serial != serial)
		c = c->next;
	return c;
}

static void dies(struct sim *sim, struct happening *h)
{
	struct host *host = h->host;
	static const int codes[] = { 0, 1, 1, 137 };
	struct container *c = by_serial(host, h->id);

	if (!c || c->state != RUNNING || !sim->faults)
		return;
	sim->marks[MARK_DEATH]++;
	engine_ended(host, c, codes[rng_below(&sim->rng, 4)]);
}

static void gets_well(struct sim *sim, struct happening *h)
{
	struct host *host = h->host;
	struct container *c = by_serial(host, h->id);

	(void)sim;
	if (!c || c->state != RUNNING || c->health == UNHEALTHY)
		return;
	c->health = HEALTHY;
	engine_event(host, c, "health_status: healthy");
}

static void gets_ill(struct sim *sim, struct happening *h)
{
	struct host *host = h->host;
	struct container *c = by_serial(host, h->id);

	if (!c || c->state != RUNNING || !sim->faults)
		return;
	sim->marks[MARK_UNHEALTHY]++;
	c->health = UNHEALTHY;
	engine_event(host, c, "health_status: unhealthy");
}

static uint64_t some_time(struct host *host)
{
	struct sim *sim = host->sim;

	return rng_chance(&sim->rng, 1, 3) ? sim_between(sim, 1 * MS, 500 * MS)
					   : sim_between(sim, 100 * MS, 90 * SECOND);
}

void engine_started(struct host *host, struct container *c)
{
	struct sim *sim = host->sim;

	c->state = RUNNING;
	c->starts++;
	if (sim_fault(sim, OPT_DEATH, 10000))
		sim_at_host(host, 1, some_time(host), dies, NULL)->id = c->serial;
	if (c->health == NO_CHECK)
		return;
	c->health = STARTING;
	sim_at_host(host, 1, sim_between(sim, 50 * MS, 4 * SECOND), gets_well,
		    NULL)->id = c->serial;
	if (sim_fault(sim, OPT_UNHEALTHY, 10000))
		sim_at_host(host, 1, some_time(host), gets_ill, NULL)->id = c->serial;
}

void engine_ended(struct host *host, struct container *c, int code)
{
	c->state = EXITED;
	c->exit_code = code;
	engine_event(host, c, "die");
}

void engine_free(struct host *host, struct container *c)
{
	struct container **link = &host->engine.containers;

	while (*link != c)
		link = &(*link)->next;
	*link = c->next;
	mem_free(c);
}

void engine_remove_by_hand(struct host *host)
{
	struct sim *sim = host->sim;
	struct container *c = host->engine.containers;
	uint64_t n = 0;

	for (; c; c = c->next)
		n++;
	if (n == 0 || host->engine.away)
		return;
	n = rng_below(&sim->rng, n);
	for (c = host->engine.containers; n > 0; n--)
		c = c->next;
	sim->marks[MARK_BY_HAND]++;
	if (c->state == RUNNING)
		engine_ended(host, c, 137);
	engine_event(host, c, "destroy");
	engine_free(host, c);
}

struct container *engine_find(struct host *host, struct slice key)
{
	struct container *c = host->engine.containers;

	while (c && !slice_is(key, c->id) && !slice_is(key, c->name))
		c = c->next;
	return c;
}

struct bridge_net *engine_network(struct host *host, const char *name)
{
	struct bridge_net *n = host->engine.networks;

	while (n && strcmp(n->name, name) != 0)
		n = n->next;
	return n;
}
