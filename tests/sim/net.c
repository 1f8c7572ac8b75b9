/*
 * Connections between managers. Contracts are in sim.h. What goes over one comes in order or not at
 * all, as over TCP; but Raft's own messages are hints by contract (raft/message.h), so these are
 * also lost, doubled and delayed one by one.
 */
#include <string.h>
#include "applets/manager/peer.h"
#include "sim.h"

enum {
	AGAIN_US = 100 * MS,	/* until the next try to connect */
	HELD_US = 40 * MS,	/* until what cannot get through is tried again */
	SILENT_US = 2 * SECOND,	/* until a host without power is given up */
};

static uint64_t travel(struct sim *sim)
{
	return sim_between(sim, 20, 200 + (sim->faults ? sim->options[OPT_NET_MS] * MS : 1 * MS));
}

static struct peer_end *end_of(struct host *host, const struct host *other)
{
	return &host->peers[other->number];
}

static int is_cut(const struct host *from, const struct host *to)
{
	return from->sim->cut[from->number][to->number];
}

static void dial_later(struct host *host, struct host *to, uint64_t delay_us);

/* ---- ends ---------------------------------------------------------------------- */

static void end_down(struct host *host, struct host *other)
{
	struct peer_end *end = end_of(host, other);
	struct event ev = { .kind = EVENT_PEER_DOWN, .id = end->raft_id };

	end->epoch = 0;
	host_deliver(host, 0, MANAGER, &ev);
	if (end->wanted)
		dial_later(host, other, sim_between(host->sim, 1 * MS, 20 * MS));
}

static void down_due(struct sim *sim, struct happening *h)
{
	struct host *other = &sim->hosts[h->more];

	if (end_of(h->host, other)->epoch == h->id)
		end_down(h->host, other);
}

/* The end at host hears of it after what is on its way. */
static void down_later(struct host *host, struct host *other, uint64_t delay_us)
{
	struct peer_end *end = end_of(host, other);
	struct happening *h;

	if (!end->epoch)
		return;
	if (host->sim->now_us + delay_us < end->last_us)
		delay_us = end->last_us - host->sim->now_us;
	h = sim_at_host(host, 0, delay_us, down_due, NULL);
	h->id = end->epoch;
	h->more = (uint64_t)other->number;
}

static void end_up(struct host *host, struct host *other, uint64_t epoch)
{
	struct peer_end *end = end_of(host, other);
	struct event ev = { .kind = EVENT_PEER_UP, .id = other->store.raft_id,
			    .text = slice_of(other->node_id) };
	uint64_t delay = sim_between(host->sim, 0, 3 * MS);

	if (end->epoch)
		end_down(host, other);
	end->epoch = epoch;
	end->raft_id = other->store.raft_id;
	end->up_us = end->last_us = host->sim->now_us + delay;
	end->held_us = 0;
	host_deliver(host, delay, MANAGER, &ev);
}

/* ---- connecting ---------------------------------------------------------------- */

static void join(struct host *a, struct host *b)
{
	uint64_t epoch = ++a->sim->epoch;

	sim_trace(a->sim, "net: %s and %s are connected", a->name, b->name);
	end_up(a, b, epoch);
	end_up(b, a, epoch);
}

/* 0: nobody answers. */
static int try_dial(struct host *host, struct host *to)
{
	if (is_cut(host, to) || is_cut(to, host) || to->stopped)
		return 0;
	if (!to->up || to->config.worker) {
		struct event ev = { .kind = EVENT_PEER_DOWN, .id = end_of(host, to)->wanted_id };

		if (end_of(host, to)->wanted)
			host_deliver(host, 0, MANAGER, &ev);
		return 0;
	}
	if (!nodes_trust(host, to) ||
	    !manager_welcomes(to->manager, host->store.raft_id, host->node_id) ||
	    !manager_welcomes(host->manager, to->store.raft_id, to->node_id)) {
		host->sim->marks[MARK_UNWELCOME]++;
		return 0;
	}
	join(host, to);
	return 1;
}

static void dial_due(struct sim *sim, struct happening *h)
{
	struct host *to = &sim->hosts[h->more];
	struct peer_end *end = end_of(h->host, to);

	if (h->id)
		end->dialing = 0;
	if (end->epoch || (h->id && !end->wanted) || !h->host->up)
		return;
	if ((h->host->stopped || !try_dial(h->host, to)) && end->wanted)
		dial_later(h->host, to, AGAIN_US);
}

static void dial_later(struct host *host, struct host *to, uint64_t delay_us)
{
	struct peer_end *end = end_of(host, to);
	struct happening *h;

	if (end->dialing)
		return;
	end->dialing = 1;
	h = sim_at_host(host, 0, delay_us, dial_due, NULL);
	h->id = 1;
	h->more = (uint64_t)to->number;
}

static struct host *at_address(struct sim *sim, struct slice address)
{
	for (int i = 0; i < HOSTS; i++) {
		if (slice_is(address, sim->hosts[i].address))
			return &sim->hosts[i];
	}
	return NULL;
}

void net_peers(struct host *host, struct slice lines)
{
	for (int i = 0; i < HOSTS; i++)
		host->peers[i].wanted = 0;
	while (lines.len) {
		struct slice line = slice_cut(&lines, '\n'), id = slice_cut(&line, ' ');
		struct host *to = at_address(host->sim, line);
		struct peer_end *end;

		if (!to || to == host)
			continue;
		end = end_of(host, to);
		/* Of two lives of one node the newer is the one that answers. */
		if (!end->wanted || !end->epoch)
			(void)slice_to_u64(id, UINT64_MAX, &end->wanted_id);
		end->wanted = 1;
		if (!end->epoch)
			dial_later(host, to, sim_between(host->sim, 100, 5 * MS));
	}
}

void net_dial(struct host *host, struct slice address)
{
	struct host *to = at_address(host->sim, address);

	if (!to || to == host || end_of(host, to)->epoch)
		return;
	sim_at_host(host, 0, sim_between(host->sim, 100, 5 * MS), dial_due,
		    NULL)->more = (uint64_t)to->number;
}

/* ---- messages ------------------------------------------------------------------ */

static void arrive(struct sim *sim, struct happening *h)
{
	struct host *from = &sim->hosts[h->more];
	struct peer_end *end = end_of(h->host, from);
	struct happening *again;

	if (end->epoch != h->id)
		return;
	if (!is_cut(from, h->host) && sim->now_us >= end->held_us) {
		host_deliver(h->host, 0, MANAGER, &h->ev);
		return;
	}
	/* All that waits has one time: it is to stay in order. */
	if (sim->now_us >= end->held_us)
		end->held_us = sim->now_us + HELD_US;
	again = sim_at_host(h->host, 0, end->held_us - sim->now_us, arrive, &h->ev);
	again->id = h->id;
	again->more = h->more;
	if (end->last_us < end->held_us)
		end->last_us = end->held_us;
}

static void carry(struct host *from, struct host *to, struct slice body, int late)
{
	struct sim *sim = from->sim;
	struct peer_end *end = end_of(to, from);
	struct event ev = { .kind = EVENT_PEER_MESSAGE, .id = end->raft_id, .body = body };
	uint64_t at = sim->now_us + travel(sim);
	struct happening *h;

	if (late)
		at += sim_between(sim, 1 * MS, rng_chance(&sim->rng, 1, 4) ? 1500 * MS : 100 * MS);
	if (at < end->up_us)
		at = end->up_us;
	if (!late && at < end->last_us)
		at = end->last_us;
	if (!late)
		end->last_us = at;
	h = sim_at_host(to, 0, at - sim->now_us, arrive, &ev);
	h->id = end->epoch;
	h->more = (uint64_t)from->number;
}

static void carry_raft(struct host *from, struct host *to, struct slice body)
{
	struct sim *sim = from->sim;
	int late = sim_fault(sim, OPT_LATE, 10000);

	if (is_cut(from, to) && rng_chance(&sim->rng, 1, 2))
		return;
	if (sim_fault(sim, OPT_LOSS, 10000)) {
		sim->marks[MARK_LOSS]++;
		return;
	}
	if (sim_fault(sim, OPT_DOUBLE, 10000)) {
		sim->marks[MARK_DOUBLED]++;
		carry(from, to, body, 1);
	}
	sim->marks[MARK_LATE_MESSAGE] += late != 0;
	carry(from, to, body, late);
}

void net_send(struct host *host, uint64_t raft_id, struct slice body)
{
	struct sim *sim = host->sim;

	for (int i = 0; i < HOSTS && body.len > 0; i++) {
		struct host *to = &sim->hosts[i];

		if (!host->peers[i].epoch || host->peers[i].raft_id != raft_id)
			continue;
		if (end_of(to, host)->epoch != host->peers[i].epoch)
			return;		/* the other end is closed, and ours will hear of it */
		if (body.data[0] == PEER_RAFT)
			carry_raft(host, to, body);
		else
			carry(host, to, body, 0);
		return;
	}
}

int net_hears(const struct host *host, uint64_t raft_id)
{
	for (int i = 0; i < HOSTS; i++) {
		if (host->peers[i].epoch && host->peers[i].raft_id == raft_id)
			return 1;
	}
	return 0;
}

void net_drop(struct host *host, uint64_t raft_id)
{
	for (int i = 0; i < HOSTS; i++) {
		struct host *other = &host->sim->hosts[i];

		if (!host->peers[i].epoch || host->peers[i].raft_id != raft_id)
			continue;
		host->sim->marks[MARK_DROPPED]++;
		if (end_of(other, host)->epoch == host->peers[i].epoch)
			down_later(other, host, sim_between(host->sim, 50, 2 * MS));
		end_down(host, other);
	}
}

/* ---- what goes wrong ------------------------------------------------------------ */

void net_crash(struct host *host, int silent)
{
	struct sim *sim = host->sim;

	for (int i = 0; i < HOSTS; i++) {
		struct host *other = &sim->hosts[i];
		struct peer_end *theirs = end_of(other, host);

		if (host->peers[i].epoch && theirs->epoch == host->peers[i].epoch)
			down_later(other, host, silent || is_cut(host, other) ?
				   sim_between(sim, SILENT_US / 2, SILENT_US) :
				   sim_between(sim, 50, 2 * MS));
		host->peers[i] = (struct peer_end){ 0 };
	}
}

void net_reset(struct sim *sim, struct host *a, struct host *b)
{
	if (!end_of(a, b)->epoch || end_of(a, b)->epoch != end_of(b, a)->epoch)
		return;
	sim->marks[MARK_RESET]++;
	sim_trace(sim, "net: %s and %s are cut off", a->name, b->name);
	/* What was on its way is lost. */
	end_of(a, b)->last_us = end_of(b, a)->last_us = 0;
	down_later(a, b, sim_between(sim, 0, 30 * MS));
	down_later(b, a, sim_between(sim, 0, 30 * MS));
}

void net_heal(struct sim *sim)
{
	memset(sim->cut, 0, sizeof(sim->cut));
	sim->cut_token++;
	sim_trace(sim, "net: whole");
}

static void heal_due(struct sim *sim, struct happening *h)
{
	if (h->id != sim->cut_token)
		return;
	seen_cut(sim);
	/* Who was cut off for long finds its connections closed. */
	for (int a = 0; a < HOSTS; a++) {
		for (int b = 0; b < a; b++) {
			if ((sim->cut[a][b] || sim->cut[b][a]) && rng_chance(&sim->rng, 1, 2))
				net_reset(sim, &sim->hosts[a], &sim->hosts[b]);
		}
		if (sim->hosts[a].agent.epoch && rng_chance(&sim->rng, 1, 4))
			agents_reset(&sim->hosts[a]);
	}
	net_heal(sim);
}

/* Everybody on one side, everybody else on the other; ways: 1 only from the side, 2 only to it,
 * 3 both. */
static void cut_side(struct sim *sim, uint64_t side, unsigned ways)
{
	for (int a = 0; a < HOSTS; a++) {
		for (int b = 0; b < HOSTS; b++) {
			int out = (side >> a & 1) && !(side >> b & 1);

			if (out && (ways & 1))
				sim->cut[a][b] = 1;
			if (out && (ways & 2))
				sim->cut[b][a] = 1;
		}
	}
}

void net_partition(struct sim *sim, uint64_t for_us)
{
	struct host *leader = seen_leader(sim);
	uint64_t one = rng_below(&sim->rng, (uint64_t)sim->host_count), other = one + 1;
	unsigned ways = rng_chance(&sim->rng, 1, 3) ? 1 + (unsigned)rng_below(&sim->rng, 2) : 3;

	if (sim->host_count < 2)
		return;
	seen_cut(sim);
	other %= (uint64_t)sim->host_count;
	memset(sim->cut, 0, sizeof(sim->cut));
	if (leader && rng_chance(&sim->rng, 1, 3)) {
		one = (uint64_t)leader->number;
		sim->marks[MARK_CUT_LEADER]++;
	}
	switch (rng_below(&sim->rng, 4)) {
	case 0:
		sim->marks[MARK_CUT_PARTIAL]++;
		sim->cut[one][other] = (ways & 1) != 0;
		sim->cut[other][one] = (ways & 2) != 0;
		break;
	case 1:
		sim->marks[MARK_CUT_HALF]++;
		cut_side(sim, rng_next(&sim->rng), ways);
		break;
	default:
		sim->marks[MARK_CUT_ONE]++;
		cut_side(sim, UINT64_C(1) << one, ways);
	}
	sim->marks[MARK_CUT_ONE_WAY] += ways != 3;
	sim_trace(sim, "net: cut, %llu %u", (unsigned long long)one, ways);
	sim->cut_us = sim->now_us;
	sim_at(sim, for_us, heal_due, NULL)->id = ++sim->cut_token;
}
