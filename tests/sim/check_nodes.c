/* What must hold of who is in the swarm, and as what. Contracts are in sim.h. */
#include <string.h>
#include "applets/manager/ca.h"
#include "sim.h"

/* What was reported before, and waits at a leader that is stopped, comes until then. */
enum { LATE_US = 10 * SECOND };
/* One session for each leader that there may be is enough to be told. */
enum { BEGUN_MOST = 20 };

static int has(const struct raft_config *c, uint64_t raft_id)
{
	for (uint32_t i = 0; i < c->count; i++) {
		if (c->members[i].id == raft_id)
			return 1;
	}
	return 0;
}

int check_nodes_member(const struct sim *sim, uint64_t raft_id)
{
	return has(&sim->checks.config, raft_id);
}

void check_nodes_commit(struct sim *sim, const struct entry_seen *e)
{
	struct checks *c = &sim->checks;
	struct raft_config next;
	char key[8];

	if (e->kind != RAFT_CONFIG || raft_config_parse(e->data, &next) < 0)
		return;
	for (uint32_t i = 0; i < c->config.count; i++) {
		if (!has(&next, c->config.members[i].id))
			map_set(&c->out, sim_key(c->config.members[i].id, key), sim);
	}
	/* One that was away for too long may come in again. */
	for (uint32_t i = 0; i < next.count; i++)
		(void)map_remove(&c->out, sim_key(next.members[i].id, key));
	c->config = next;
}

/* Requests for certificates are made with a key each: one that comes again is no other node. */
static void check_joined(struct sim *sim, const struct node *n)
{
	for (struct map_entry *e = state_first(&sim->checks.shadow, OBJECT_NODE); e;
	     e = map_next(e)) {
		const struct node *o = state_entry(e);

		if (o != n && o->join_key && n->join_key && strcmp(o->join_key, n->join_key) == 0)
			sim_fail(sim, "nodes %s and %s have joined with one request", o->meta.id,
				 n->meta.id);
	}
}

static const struct host *removed_host(struct sim *sim, const char *node_id)
{
	for (int i = 0; i < HOSTS && node_id; i++) {
		if (sim->hosts[i].removed_index && strcmp(sim->hosts[i].node_id, node_id) == 0)
			return &sim->hosts[i];
	}
	return NULL;
}

void check_nodes_note(struct sim *sim, const struct change *change)
{
	const struct task *t = change->kind == OBJECT_TASK ?
		state_task(&sim->checks.shadow, change->id) : NULL;
	const struct host *removed = t ? removed_host(sim, t->node_id) : NULL;

	if (change->kind == OBJECT_NODE && change->action == CHANGE_CREATE)
		check_joined(sim, state_node(&sim->checks.shadow, change->id));
	if (!removed || sim->now_us < removed->removed_us + LATE_US)
		return;
	if (t->status.state <= TASK_RUNNING && t->status.state > TASK_ASSIGNED)
		sim_fail(sim, "task %s is %s, says %s, which was removed %llu ms before",
			 t->meta.id, task_state_names[t->status.state], removed->name,
			 (unsigned long long)((sim->now_us - removed->removed_us) / MS));
}

void check_nodes_life(struct sim *sim, const struct x509_cert *cert)
{
	int64_t life = cert->not_after_s - cert->not_before_s - CA_BEFORE_S;

	if (life != (admins_lives_set(sim) ? CA_NODE_MIN_S : CA_NODE_S))
		sim_fail(sim, "a certificate is given for %lld s", (long long)life);
}

void check_nodes_begins(struct host *host)
{
	if (host->removed_index && ++host->begun > BEGUN_MOST)
		sim_fail(host->sim, "%s was removed, is not told, and begins %u sessions anew",
			 host->name, host->begun);
}

/* A manager that knows that a node was removed hears nothing from it any more. */
void check_nodes_heard(struct host *host, const struct event *ev)
{
	const struct host *from = seen_host(host->sim, ev->id);

	if (from && from->removed_index && host->applied >= from->removed_index)
		sim_fail(host->sim, "%s listens to %s, which was removed by entry %llu", host->name,
			 from->name, (unsigned long long)from->removed_index);
}

static int check_worker(const struct host *host, const struct raft *leader, char why[256])
{
	check_explain(why, "%s is a worker, and a member of Raft", host->name);
	if (raft_member(leader, host->store.raft_id))
		return 0;
	check_explain(why, "%s has no session", host->name);
	return host->agent.epoch && host->session;
}

int check_nodes_agreed(const struct host *host, const struct raft *leader, char why[256])
{
	const struct node *n = state_node(&host->sim->checks.shadow, host->node_id);

	check_explain(why, "%s has not joined", host->name);
	if (!host->identity.enrolled)
		return 0;
	check_explain(why, "%s is not up", host->name);
	if (!host_runs(host) || !host->manager)
		return 0;
	check_explain(why, "%s (%s) is of the swarm no more and does not leave", host->name,
		      host->node_id);
	if (!n)
		return 0;
	check_explain(why, "%s is a %s and is to be a %s", host->name,
		      host->config.worker ? "worker" : "manager",
		      n->spec.role == ROLE_MANAGER ? "manager" : "worker");
	if ((n->spec.role == ROLE_MANAGER) != !host->config.worker)
		return 0;
	check_explain(why, "%s is not ready in the state, but %d", host->name, n->status.state);
	if (n->status.state != NODE_READY)
		return 0;
	return !host->config.worker || check_worker(host, leader, why);
}
