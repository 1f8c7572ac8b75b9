/* A process: its steps, their effects, its end and its next start. Contracts are in sim.h. */
#include <stdio.h>
#include <string.h>
#include "base/mem.h"
#include "raft/record.h"
#include "sim.h"

#define WALL_BASE (INT64_C(1767225600) * 1000000000)	/* 2026-01-01 */
enum { MILLION = 1000000, LONG_US = 100 * MS };

/* ---- clocks ---------------------------------------------------------------------- */

static uint64_t host_us(const struct host *host)
{
	int64_t now = (int64_t)host->sim->now_us;

	return (uint64_t)(now + now / MILLION * host->drift_ppm +
			  now % MILLION * host->drift_ppm / MILLION);
}

uint64_t host_now_ms(const struct host *host)
{
	return host_us(host) / MS + 1;
}

int64_t host_wall_ns(const struct host *host)
{
	return WALL_BASE + (int64_t)host_us(host) * 1000 + host->wall_ns;
}

/* From now until its own clock says so; never before. */
static uint64_t until(const struct host *host, uint64_t deadline_ms)
{
	uint64_t now = host_us(host), at = (deadline_ms - 1) * MS;

	if (deadline_ms <= host_now_ms(host))
		return 0;
	return (at - now) * MILLION / (uint64_t)(MILLION + host->drift_ppm) + 2;
}

/* ---- what waits for a process that does not run ------------------------------------ */

int host_runs(const struct host *host)
{
	return host->up && !host->stopped && !host->exited;
}

/* 1: not now. */
static int waits(struct happening *h)
{
	struct host *host = h->host;

	if (!host->stopped && !host->busy)
		return 0;
	h->kept = 1;
	h->next = NULL;
	*host->waiting_last = h;
	host->waiting_last = &h->next;
	return 1;
}

static void waiting_drop(struct host *host)
{
	while (host->waiting) {
		struct happening *h = host->waiting;

		host->waiting = h->next;
		mem_free(h);
	}
	host->waiting_last = &host->waiting;
}

static void wake(struct host *host)
{
	struct happening *h = host->waiting;

	if (host->stopped || host->busy)
		return;
	host->waiting = NULL;
	host->waiting_last = &host->waiting;
	while (h) {
		struct happening *next = h->next;

		sim_again(host->sim, h);
		h = next;
	}
}

void host_idle(struct host *host)
{
	host->busy = 0;
	if (host->busy_us + LONG_US < host->sim->now_us)
		host->resumed_us = host->sim->now_us;
	wake(host);
}

void host_resume(struct host *host)
{
	if (!host->stopped)
		return;
	sim_trace(host->sim, "%s goes on", host->name);
	host->stopped = 0;
	host->resumed_us = host->sim->now_us;
	wake(host);
}

static void resume_due(struct sim *sim, struct happening *h)
{
	(void)sim;
	host_resume(h->host);
}

void host_pause(struct host *host, uint64_t for_us)
{
	if (!host_runs(host))
		return;
	host->sim->marks[MARK_PAUSE]++;
	host->stopped = 1;
	sim_trace(host->sim, "%s is stopped", host->name);
	sim_at_host(host, 0, for_us, resume_due, NULL);
}

/* ---- the end of a process ----------------------------------------------------------- */

static void start_due(struct sim *sim, struct happening *h);

static void end_process(struct host *host, int power)
{
	if (host->manager)
		manager_free(host->manager);
	if (host->worker)
		worker_free(host->worker);
	host->manager = NULL;
	host->worker = NULL;
	host->up = host->stopping = host->stopped = host->busy = host->dying = 0;
	host->flush_due = host->turn_due = host->ready = host->leaving = 0;
	waiting_drop(host);
	host->led_term = host->config_changes = host->refused = 0;
	host->prevotes = (struct prevotes_seen){ 0 };
	seen_crash(host);
	store_crash(host, power);
	net_crash(host, power);
	engine_crash(host);
	clients_crash(host);
	host->life++;		/* what was to happen in the old one does not */
}

void host_start(struct host *host, uint64_t delay_us)
{
	if (!host->up && host->used)
		sim_at_host(host, 0, delay_us, start_due, NULL);
}

void host_crash(struct host *host, int power, const char *why)
{
	struct sim *sim = host->sim;
	uint64_t for_us = rng_chance(&sim->rng, 1, 6) ? 5 * SECOND : 300 * MS;

	if (!host->up)
		return;
	sim_trace(sim, "---- %s dies: %s%s", host->name, why, power ? ", power cut" : "");
	sim->marks[MARK_POWER] += power != 0;
	end_process(host, power);
	if (!host->exited)
		host_start(host, sim_between(sim, 1 * MS, sim->faults ? for_us : 100 * MS));
}

static int power(struct host *host)
{
	return sim_fault(host->sim, OPT_POWER, 10);
}

int host_died(struct host *host)
{
	if (!host->dying)
		return 0;
	host_crash(host, power(host), "between two operations of the disk");
	return 1;
}

void host_restart(struct host *host)
{
	sim_trace(host->sim, "---- %s starts anew by itself", host->name);
	end_process(host, 0);
	host_start(host, sim_between(host->sim, 1 * MS, 50 * MS));
}

static void process_exit(struct host *host, int status)
{
	struct sim *sim = host->sim;

	if (sim->clients.leaving || host->leaving) {
		sim_trace(sim, "---- %s has left", host->name);
		end_process(host, 0);
		host->exited = 1;
		return;
	}
	if (status != 0 || !host->stopping) {
		sim_fail(sim, "%s: the process ended with status %d", host->name, status);
		return;
	}
	sim->marks[MARK_STOP]++;
	sim_trace(sim, "---- %s has stopped", host->name);
	end_process(host, 0);
	host_start(host, sim_between(sim, 1 * MS, sim->faults ? 2 * SECOND : 100 * MS));
}

void host_stop(struct host *host)
{
	struct event stop = { .kind = EVENT_STOP };

	host->stopping = 1;
	host_deliver(host, 0, WORKER, &stop);
	host_deliver(host, 0, MANAGER, &stop);
}

/* ---- steps --------------------------------------------------------------------------- */

static const char *const event_names[] = {
	[EVENT_START] = "START", [EVENT_TIMER] = "TIMER", [EVENT_STOP] = "STOP",
	[EVENT_FLUSH] = "FLUSH", [EVENT_WAL_DONE] = "WAL_DONE", [EVENT_WAL_FAILED] = "WAL_FAILED",
	[EVENT_SNAPSHOT_SAVED] = "SNAPSHOT_SAVED", [EVENT_SNAPSHOT_FAILED] = "SNAPSHOT_FAILED",
	[EVENT_SNAPSHOT_PIECE] = "SNAPSHOT_PIECE", [EVENT_SNAPSHOT_STORED] = "SNAPSHOT_STORED",
	[EVENT_PEER_UP] = "PEER_UP", [EVENT_PEER_DOWN] = "PEER_DOWN",
	[EVENT_PEER_MESSAGE] = "PEER_MESSAGE",
	[EVENT_REQUEST] = "REQUEST", [EVENT_REQUEST_GONE] = "REQUEST_GONE",
	[EVENT_SESSION_UP] = "SESSION_UP", [EVENT_SESSION_DOWN] = "SESSION_DOWN",
	[EVENT_SESSION_MESSAGE] = "SESSION_MESSAGE", [EVENT_ENGINE_REPLY] = "ENGINE_REPLY",
	[EVENT_ENGINE_DATA] = "ENGINE_DATA", [EVENT_PORTS_STATUS] = "PORTS_STATUS",
};

static void carry_out(struct host *host, enum who who, const struct effect *x);

static void trace_event(struct host *host, enum who who, const struct event *ev)
{
	if (!host->sim->tracing || ev->kind == EVENT_TIMER || ev->kind == EVENT_FLUSH)
		return;
	sim_trace(host->sim, "%s.%s <- %s %llx %llu %.*s %.*s %d %.*s", host->name,
		  who == MANAGER ? "m" : "w", event_names[ev->kind], (unsigned long long)ev->id,
		  (unsigned long long)ev->offset, SLICE_ARGS(ev->method), SLICE_ARGS(ev->target),
		  ev->status, SLICE_ARGS(ev->text));
}

/* What the step wrote and applied, before anybody hears of it. */
static void look_at_step(struct host *host, const struct effects *fx)
{
	for (uint32_t i = 0; i < fx->count && !host->sim->failed; i++) {
		if (fx->items[i].kind == EFFECT_WAL_APPEND)
			seen_append(host, &fx->items[i]);
	}
	if (!host->sim->failed)
		check_step(host);
}

static void after_step(struct host *host, enum who who)
{
	if (host->up && who == MANAGER && !host->ready && manager_is_ready(host->manager)) {
		host->ready = 1;
		host->store.founder = host->store.forced = 0;
	}
	if (host->up && who == MANAGER && (host->flush_due || store_due(host)))
		host_turn(host);
}

static void step(struct host *host, enum who who, struct event *ev)
{
	struct effects *fx = &host->fx[who];
	struct sim *sim = host->sim;

	ev->now_ms = host_now_ms(host);
	ev->wall_ns = host_wall_ns(host);
	trace_event(host, who, ev);
	if (ev->kind == EVENT_WAL_DONE)
		host->store.syncing = 0;	/* the next one may begin */
	effects_reset(fx);
	if (ev->kind == EVENT_PEER_MESSAGE)
		seen_receive(host, ev);
	if (who == MANAGER) {
		manager_step(host->manager, ev, fx);
		look_at_step(host, fx);
	} else {
		worker_step(host->worker, ev, fx);
	}
	for (uint32_t i = 0; i < fx->count && !sim->failed && host->up; i++) {
		if (sim_fault(sim, OPT_CRASH, 10000)) {
			sim->marks[MARK_CRASH]++;
			sim->marks[MARK_MID_STEP] += i > 0;
			host_crash(host, power(host), "killed");
			return;
		}
		carry_out(host, who, &fx->items[i]);
		if (host_died(host))
			return;
	}
	after_step(host, who);
}

static void deliver(struct sim *sim, struct happening *h)
{
	(void)sim;
	if (!h->host->up || h->host->exited || waits(h))
		return;
	step(h->host, h->who, &h->ev);
}

void host_deliver(struct host *host, uint64_t delay_us, enum who who, const struct event *ev)
{
	sim_at_host(host, 0, delay_us, deliver, ev)->who = who;
}

/* What was gathered in a turn goes to the others, then to our own disk. */
static void turn_end(struct sim *sim, struct happening *h)
{
	struct host *host = h->host;
	struct event flush = { .kind = EVENT_FLUSH };

	if (!host->up || host->exited || waits(h))
		return;
	host->turn_due = 0;
	if (host->flush_due) {
		host->flush_due = 0;
		step(host, MANAGER, &flush);
	}
	if (h->life != host->life || sim->failed)
		return;
	store_sync(host);
	(void)host_died(host);
}

void host_turn(struct host *host)
{
	if (host->turn_due)
		return;
	host->turn_due = 1;
	sim_at_host(host, 0, sim_between(host->sim, 0, 60), turn_end, NULL);
}

/* ---- effects ------------------------------------------------------------------------- */

static void timer_due(struct sim *sim, struct happening *h)
{
	struct event ev = { .kind = EVENT_TIMER };

	(void)sim;
	if (!h->host->up || h->host->exited || h->host->timer[h->who] != h->id || waits(h))
		return;
	h->host->deadline[h->who] = 0;
	step(h->host, h->who, &ev);
}

static void set_timer(struct host *host, enum who who, uint64_t deadline_ms)
{
	struct happening *h;

	if (deadline_ms && host->deadline[who] == deadline_ms)
		return;		/* it is set so */
	host->deadline[who] = deadline_ms;
	host->timer[who]++;
	if (!deadline_ms)
		return;
	h = sim_at_host(host, 0, until(host, deadline_ms), timer_due, NULL);
	h->who = who;
	h->id = host->timer[who];
}

static void send_message(struct host *host, enum who to, const struct effect *x)
{
	struct event ev = { .kind = EVENT_SESSION_MESSAGE, .id = x->id, .body = x->body };
	struct sim *sim = host->sim;
	uint64_t at = sim->now_us + sim_between(sim, 0, sim->options[OPT_DELAY]) * MS;

	if (x->id != host->session)
		return;
	if (at < host->channel_us[to])
		at = host->channel_us[to];
	host->channel_us[to] = at;
	host_deliver(host, at - sim->now_us, to, &ev);
}

static void session_up(struct host *host)
{
	struct event up = { .kind = EVENT_SESSION_UP, .id = ++host->session,
			    .text = slice_of(host->node_id) };

	host_deliver(host, 0, MANAGER, &up);
	host_deliver(host, 0, WORKER, &up);
}

static void session_drop(struct host *host, uint64_t id)
{
	struct event down = { .kind = EVENT_SESSION_DOWN, .id = id };

	if (id != host->session)
		return;
	host_deliver(host, 0, MANAGER, &down);
	host_deliver(host, 0, WORKER, &down);
	session_up(host);
}

void host_cut_session(struct host *host)
{
	host->sim->marks[MARK_SESSION]++;
	session_drop(host, host->session);
}

/* node.json: where the other managers are. */
static void note_contacts(struct host *host, struct slice lines)
{
	char *to = host->store.contacts, *end = to + sizeof(host->store.contacts);

	*to = '\0';
	while (lines.len) {
		struct slice line = slice_cut(&lines, '\n');

		(void)slice_cut(&line, ' ');
		to += snprintf(to, (size_t)(end - to), "%s%.*s", to > host->store.contacts ?
			       " " : "", SLICE_ARGS(line));
		if (to >= end)
			return;
	}
}

static void trace_effect(struct host *host, enum who who, const struct effect *x)
{
	static const char *const names[] = {
		[EFFECT_WAL_APPEND] = "append", [EFFECT_SNAPSHOT_SAVE] = "snapshot",
		[EFFECT_SNAPSHOT_READ] = "read", [EFFECT_SNAPSHOT_STORE] = "store",
		[EFFECT_REPLY] = "reply", [EFFECT_SESSION_SEND] = "send",
		[EFFECT_SESSION_DROP] = "drop", [EFFECT_PEERS] = "peers",
		[EFFECT_PEER_DIAL] = "dial", [EFFECT_PEER_DROP] = "cut", [EFFECT_PEER_SEND] = "to",
		[EFFECT_RESTART] = "restart", [EFFECT_LOCK] = "lock",
		[EFFECT_ENGINE_CALL] = "call", [EFFECT_ENGINE_CANCEL] = "cancel",
		[EFFECT_PUBLISH] = "publish", [EFFECT_EXIT] = "exit", [EFFECT_LOG] = "log",
		[EFFECT_WIPE] = "wipe", [EFFECT_REPLY_CHUNK] = "chunk", [EFFECT_NODE] = "node",
	};
	struct slice body = x->body;

	if (!host->sim->tracing || x->kind == EFFECT_TIMER || x->kind == EFFECT_FLUSH)
		return;
	if (x->kind != EFFECT_REPLY && x->kind != EFFECT_SESSION_SEND && x->kind != EFFECT_PEERS)
		body.len = 0;
	if (body.len > 400)
		body.len = 400;
	sim_trace(host->sim, "  %s.%s %s %llx %llu %d %.*s %.*s %.*s%.*s (%zu)", host->name,
		  who == MANAGER ? "m" : "w", names[x->kind], (unsigned long long)x->id,
		  (unsigned long long)x->offset, x->status, SLICE_ARGS(x->method),
		  SLICE_ARGS(x->target), SLICE_ARGS(x->text), SLICE_ARGS(body), x->body.len);
}

static void carry_out_peer(struct host *host, const struct effect *x)
{
	if (x->kind == EFFECT_PEER_SEND) {
		seen_send(host, x);
		net_send(host, x->id, x->body);
	} else if (x->kind == EFFECT_PEER_DIAL) {
		net_dial(host, x->target);
	} else {
		if (x->id > 0)
			note_contacts(host, x->body);
		net_peers(host, x->body);
	}
}

static void carry_out(struct host *host, enum who who, const struct effect *x)
{
	trace_effect(host, who, x);
	switch (x->kind) {
	case EFFECT_TIMER: set_timer(host, who, x->deadline_ms); break;
	case EFFECT_LOG: break;
	case EFFECT_EXIT:
		if (who == MANAGER)
			process_exit(host, x->status);
		break;
	case EFFECT_WAL_APPEND: store_append(host, x); break;
	case EFFECT_FLUSH: host->flush_due = 1; break;
	case EFFECT_SNAPSHOT_SAVE: store_save(host, x); break;
	case EFFECT_SNAPSHOT_READ: store_read(host, x); break;
	case EFFECT_SNAPSHOT_STORE: store_piece(host, x); break;
	case EFFECT_LOCK: store_lock(host, x->body); break;
	case EFFECT_RESTART: store_restart(host); break;
	case EFFECT_PEERS:
	case EFFECT_PEER_DIAL:
	case EFFECT_PEER_SEND: carry_out_peer(host, x); break;
	case EFFECT_REPLY:
	case EFFECT_REPLY_CHUNK: clients_reply(host, x); break;
	case EFFECT_SESSION_SEND: send_message(host, who == MANAGER ? WORKER : MANAGER, x); break;
	case EFFECT_SESSION_DROP: session_drop(host, x->id); break;
	case EFFECT_ENGINE_CALL: engine_call_sim(host, x); break;
	case EFFECT_ENGINE_CANCEL: engine_cancel_sim(host, x->id); break;
	case EFFECT_PUBLISH:
		buf_reset(&host->netmap);
		buf_add_slice(&host->netmap, x->body);
		break;
	case EFFECT_NODE:	/* no role changes here, */
	case EFFECT_PEER_DROP: break;	/* nor is a node removed */
	case EFFECT_WIPE: host->store.failed = 1; break;
	}
}

/* ---- a host --------------------------------------------------------------------------- */

static void start_due(struct sim *sim, struct happening *h)
{
	struct host *host = h->host;
	const struct worker_config worker = { host->node_id, host->name, host->address, NULL };
	struct event start = { .kind = EVENT_START, .text = slice_of(host->node_id) };

	if (host->up || host->exited)
		return;
	sim_trace(sim, "---- %s starts, %u", host->name, host->life);
	host->up = 1;
	host->deadline[MANAGER] = host->deadline[WORKER] = 0;
	host->worker = worker_new(&worker, rng_next(&sim->rng));
	if (store_recover(host) < 0) {
		if (!sim->failed)
			host_crash(host, host->dying && power(host), "it cannot start");
		return;
	}
	start.id = host->store.wal.last;
	host_deliver(host, 0, MANAGER, &start);
	host_deliver(host, 0, WORKER, &start);
	session_up(host);
}

void host_init(struct host *host, int number)
{
	struct sim *sim = host->sim;

	host->number = number;
	snprintf(host->node_id, sizeof(host->node_id), "node%021d", number);
	snprintf(host->name, sizeof(host->name), "host%d", number + 1);
	snprintf(host->address, sizeof(host->address), "192.0.2.%d:2377", number + 1);
	host->config = (struct manager_config){
		.node_id = host->node_id, .hostname = host->name, .listen_addr = "0.0.0.0:2377",
		.advertise_addr = host->address, .default_addr_pool = "10.0.0.0/8",
		.engine_socket = "/run/engine.sock", .data_dir = "/var/lib/swarmbox",
		.snapshot_entries = sim->plan.snapshot_entries,
	};
	host->life = 1;
	host->waiting_last = &host->waiting;
	effects_init(&host->fx[MANAGER]);
	effects_init(&host->fx[WORKER]);
	buf_init(&host->netmap, 1 << 20);
	if (sim->options[OPT_DRIFT]) {
		sim->marks[MARK_DRIFT] += number > 0;
		host->drift_ppm = (int64_t)sim_between(sim, 0, 2 * sim->options[OPT_DRIFT]) -
				  (int64_t)sim->options[OPT_DRIFT];
	}
	store_init(host);
	engine_init_sim(host);
}

void host_done(struct host *host)
{
	if (host->manager)
		manager_free(host->manager);
	if (host->worker)
		worker_free(host->worker);
	waiting_drop(host);
	effects_done(&host->fx[MANAGER]);
	effects_done(&host->fx[WORKER]);
	buf_done(&host->netmap);
	store_done(host);
	engine_done_sim(host);
}
