/*
 * The session of a node that is no manager: io/agent.h on its host, io/agents.h on a manager's, in
 * simulated time. Contracts are in sim.h. A frame has a kind, as there: M a message, R the session
 * begins anew, X the node is of the swarm no more.
 */
#include <string.h>
#include "sim.h"

enum {
	WINDOW_US = 1 * SECOND,		/* of those whose manager has gone */
	RETRY_LEAST_US = 100 * MS, RETRY_MOST_US = 8 * SECOND,
	HELD_US = 40 * MS,		/* until what cannot get through is tried again */
	SILENT_US = 15 * SECOND,	/* three beats without a word */
};

enum { TO_AGENT, TO_MANAGER };

static uint64_t travel(struct sim *sim)
{
	return sim_between(sim, 20, 200 + (sim->faults ? sim->options[OPT_NET_MS] * MS : 1 * MS));
}

/* ---- the worker machine's session ------------------------------------------------ */

static void worker_down(struct host *host)
{
	struct event down = { .kind = EVENT_SESSION_DOWN, .id = host->session };

	if (!host->session)
		return;
	host->session = 0;
	host_deliver(host, 0, WORKER, &down);
}

static void worker_up(struct host *host)
{
	struct event up = { .kind = EVENT_SESSION_UP, .text = slice_of(host->node_id) };

	worker_down(host);
	up.id = host->session = ++host->sim->last_session;
	host_deliver(host, 0, WORKER, &up);
}

static void worker_hears(struct host *host, struct slice body)
{
	struct event ev = { .kind = EVENT_SESSION_MESSAGE, .id = host->session, .body = body };

	host_deliver(host, 0, WORKER, &ev);
}

/* ---- frames ----------------------------------------------------------------------- */

static void arrive(struct sim *sim, struct happening *h);

static void carry(struct host *agent, int to, char kind, struct slice body)
{
	struct agent_link *l = &agent->agent;
	struct sim *sim = agent->sim;
	struct event ev = { .kind = EVENT_SESSION_MESSAGE, .status = kind, .body = body };
	uint64_t at = sim->now_us + travel(sim);
	struct happening *h;

	if (kind == 'M')
		at += sim_between(sim, 0, sim->options[OPT_DELAY]) * MS;
	if (at < l->last_us[to])
		at = l->last_us[to];
	l->last_us[to] = at;
	h = sim_at_host(to == TO_MANAGER ? l->at : agent, 0, at - sim->now_us, arrive, &ev);
	h->id = l->epoch;
	h->more = (uint64_t)agent->number;
	h->who = to == TO_MANAGER ? MANAGER : WORKER;
}

static void manager_hears(struct host *agent, int kind, struct slice body)
{
	struct agent_link *l = &agent->agent;
	struct event message = { .kind = EVENT_SESSION_MESSAGE, .id = l->id, .body = body };
	struct event down = { .kind = EVENT_SESSION_DOWN, .id = l->id };
	struct event up = { .kind = EVENT_SESSION_UP, .text = slice_of(agent->node_id) };

	if (kind == 'M' && !l->restarting)
		host_deliver(l->at, 0, MANAGER, &message);
	if (kind != 'R')
		return;
	l->restarting = 0;
	up.id = l->id = ++agent->sim->last_session;
	host_deliver(l->at, 0, MANAGER, &down);
	host_deliver(l->at, 0, MANAGER, &up);
}

static void agent_hears(struct host *agent, int kind, struct slice body)
{
	if (kind == 'M') {
		worker_hears(agent, body);
	} else if (kind == 'R') {
		carry(agent, TO_MANAGER, 'R', (struct slice){ NULL, 0 });
		worker_down(agent);
		worker_up(agent);
		check_nodes_begins(agent);
	} else {
		agent->agent = (struct agent_link){ .last = agent->agent.last };
		worker_down(agent);
		nodes_removed(agent);
	}
}

static void arrive(struct sim *sim, struct happening *h)
{
	struct host *agent = &sim->hosts[h->more];
	struct agent_link *l = &agent->agent;
	int to = h->who == MANAGER ? TO_MANAGER : TO_AGENT;
	struct host *from = to == TO_MANAGER ? agent : l->at;
	struct happening *again;

	if (l->epoch != h->id)
		return;
	if (sim->cut[from->number][h->host->number] || sim->now_us < l->held_us[to]) {
		/* All that waits has one time: it is to stay in order. */
		if (sim->now_us >= l->held_us[to])
			l->held_us[to] = sim->now_us + HELD_US;
		if (l->last_us[to] < l->held_us[to])
			l->last_us[to] = l->held_us[to];
		again = sim_at_host(h->host, 0, l->held_us[to] - sim->now_us, arrive, &h->ev);
		again->id = h->id;
		again->more = h->more;
		again->who = h->who;
	} else if (to == TO_MANAGER) {
		manager_hears(agent, h->ev.status, h->ev.body);
	} else {
		agent_hears(agent, h->ev.status, h->ev.body);
	}
}

/* ---- connecting -------------------------------------------------------------------- */

static void dial_later(struct host *host, uint64_t delay_us);

/* Another than the last one, if there is any. */
static struct host *draw(struct host *host)
{
	struct host *list[HOSTS];
	int n = nodes_contacts(host, list);
	struct host *found = NULL;

	for (int i = 0; i < n && !found; i++) {
		uint64_t k = rng_below(&host->sim->rng, (uint64_t)n);

		if (list[k] != host->agent.last || n == 1)
			found = list[k];
	}
	return found ? found : n ? list[0] : NULL;
}

static void dial_due(struct sim *sim, struct happening *h)
{
	struct host *host = h->host;
	struct agent_link *l = &host->agent;
	struct event up = { .kind = EVENT_SESSION_UP, .text = slice_of(host->node_id) };

	l->dialing = 0;
	if (!host->up || l->epoch || host->identity.removed)
		return;
	l->at = draw(host);
	if (!l->at || host->stopped || !nodes_reach(host, l->at)) {
		l->last = l->at;
		l->wait_us = l->wait_us < RETRY_MOST_US / 2 ? 2 * l->wait_us : RETRY_MOST_US;
		dial_later(host, sim_between(sim, l->wait_us / 4, l->wait_us / 2));
		return;
	}
	sim->marks[MARK_AGENT_MOVED] += l->last && l->last != l->at;
	sim_trace(sim, "%s: its agent is connected with %s", host->name, l->at->name);
	*l = (struct agent_link){ .epoch = ++sim->epoch, .at = l->at, .last = l->at,
				  .wait_us = RETRY_LEAST_US };
	up.id = l->id = ++sim->last_session;
	host_deliver(l->at, 0, MANAGER, &up);
	worker_up(host);
}

static void dial_later(struct host *host, uint64_t delay_us)
{
	if (host->agent.dialing)
		return;
	host->agent.dialing = 1;
	sim_at_host(host, 0, delay_us, dial_due, NULL);
}

/* ---- ends ---------------------------------------------------------------------------- */

static void gone_due(struct sim *sim, struct happening *h)
{
	struct event down = { .kind = EVENT_SESSION_DOWN, .id = h->id };

	(void)sim;
	host_deliver(h->host, 0, MANAGER, &down);
}

static void lost_due(struct sim *sim, struct happening *h)
{
	if (h->host->agent.epoch != h->id)
		return;
	h->host->agent = (struct agent_link){ .last = h->host->agent.last,
					      .wait_us = RETRY_LEAST_US };
	worker_down(h->host);
	dial_later(h->host, sim_between(sim, 0, WINDOW_US));
}

/* Each end hears of it, the agent's if it is there. */
static void end(struct host *agent, uint64_t agent_us, uint64_t manager_us)
{
	struct agent_link *l = &agent->agent;

	if (!l->epoch)
		return;
	sim_at_host(l->at, 0, manager_us, gone_due, NULL)->id = l->id;
	sim_at_host(agent, 0, agent_us, lost_due, NULL)->id = l->epoch;
}

void agents_begin(struct host *host)
{
	struct event up = { .kind = EVENT_SESSION_UP, .id = ++host->sim->last_session,
			    .text = slice_of(host->node_id) };

	host->own = up.id;
	host->session = 0;
	host->agent = (struct agent_link){ .wait_us = RETRY_LEAST_US };
	host_deliver(host, 0, MANAGER, &up);
	dial_later(host, sim_between(host->sim, 0, 1 * MS));
}

void agents_crash(struct host *host, int silent)
{
	struct sim *sim = host->sim;

	if (host->agent.epoch)
		sim_at_host(host->agent.at, 0, silent ? sim_between(sim, 5 * SECOND, SILENT_US) :
			    sim_between(sim, 50, 2 * MS), gone_due, NULL)->id = host->agent.id;
	host->agent = (struct agent_link){ 0 };
	for (int i = 0; i < HOSTS; i++) {
		struct host *agent = &sim->hosts[i];

		if (agent->agent.epoch && agent->agent.at == host)
			sim_at_host(agent, 0, silent ? sim_between(sim, 2 * SECOND, SILENT_US) :
				    sim_between(sim, 50, 2 * MS), lost_due,
				    NULL)->id = agent->agent.epoch;
	}
}

void agents_reset(struct host *agent)
{
	uint64_t at = sim_between(agent->sim, 0, 30 * MS);

	end(agent, sim_between(agent->sim, 0, 30 * MS), at);
}

/* ---- effects -------------------------------------------------------------------------- */

void agents_send_up(struct host *host, const struct effect *x)
{
	struct event own = { .kind = EVENT_SESSION_MESSAGE, .id = host->own, .body = x->body };

	if (x->id != host->session)
		return;
	if (host->agent.epoch)
		carry(host, TO_MANAGER, 'M', x->body);
	host_deliver(host, 0, MANAGER, &own);
}

void agents_send_down(struct host *host, const struct effect *x)
{
	if (!host->session)
		worker_up(host);	/* no manager is there: it leaves all the same */
	worker_hears(host, x->body);
}

void agents_effect(struct host *manager, const struct effect *x)
{
	struct host *agent = manager->sim->hosts;
	struct event down = { .kind = EVENT_SESSION_DOWN, .id = x->id };

	while (!agent->agent.epoch || agent->agent.at != manager || agent->agent.id != x->id) {
		if (++agent == manager->sim->hosts + HOSTS)
			return;
	}
	if (agent->agent.restarting || agent->agent.closing)
		return;
	if (x->kind == EFFECT_SESSION_SEND) {
		carry(agent, TO_AGENT, 'M', x->body);
		return;
	}
	agent->agent.restarting = 1;	/* nothing that it says is heard */
	agent->agent.closing = x->status != 0;
	if (x->status == 2)	/* the connection ends */
		sim_at_host(agent, 0, sim_between(manager->sim, 50, 2 * MS), lost_due,
			    NULL)->id = agent->agent.epoch;
	else
		carry(agent, TO_AGENT, x->status ? 'X' : 'R', (struct slice){ NULL, 0 });
	if (x->status)
		host_deliver(manager, 0, MANAGER, &down);
}
