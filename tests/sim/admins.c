/*
 * Users of the membership: who is to be a manager, who is removed, whose machine is lost for good,
 * which tokens there are; and those who try what they may not. Contracts are in sim.h. They never
 * ask for more at a time than the managers that are left can bear.
 */
#include <stdio.h>
#include <string.h>
#include "applets/manager/ca.h"
#include "base/timefmt.h"
#include "sim.h"

enum {
	UNSURE_US = 20 * SECOND,	/* from then on a lost request will not be carried out */
	CLEAN_US = 2 * SECOND,		/* between two looks at what is dead */
	AWAY_US = 70 * SECOND,		/* longer than a certificate lives */
	BACK_US = 5 * SECOND,		/* until its user sees that it is shut out */
};

enum attack {
	ATTACK_TOKEN, ATTACK_OLD, ATTACK_REPLAY, ATTACK_NAMED, ATTACK_REMOVED,	/* enrolling */
	ATTACK_MEMBER, ATTACK_LAST,
	ATTACKS
};

static const struct slice nothing = { NULL, 0 };

int nodes_new_request(struct sim *sim)
{
	int n = AUTHORITY_FIRST + sim->admins.requests++;

	/* More than a run has machines, and each may try it a few times. */
	return n < AUTHORITY_REQUESTS ? n : AUTHORITY_REQUESTS - 1;
}

int admins_was_removed(const struct sim *sim, const char *node_id)
{
	return map_find(&sim->checks.removed, slice_of(node_id)) != NULL;
}

static const struct node *node_of(const struct host *host)
{
	return state_node(&host->sim->checks.shadow, host->node_id);
}

static int is_live(const struct host *host)
{
	return host->used && !host->exited && host->identity.enrolled && !host->to_leave &&
	       !host->dead && !host->away && !host->removed_index;
}

/* One that is, and is to be, in that role. */
static struct host *any_live(struct sim *sim, enum node_role role)
{
	uint64_t first = rng_below(&sim->rng, (uint64_t)sim->host_count);

	for (int i = 0; i < sim->host_count; i++) {
		struct host *host = &sim->hosts[(first + (uint64_t)i) % (uint64_t)sim->host_count];
		const struct node *n = is_live(host) ? node_of(host) : NULL;

		if (n && host->identity.role == role && n->spec.role == (int)role)
			return host;
	}
	return NULL;
}

/* Would a host know no manager that stays, if that one were none? */
static int strands(const struct host *gone)
{
	struct sim *sim = gone->sim;
	struct host *list[HOSTS];

	for (int i = 0; i < sim->host_count; i++) {
		const struct host *host = &sim->hosts[i];
		int n = nodes_contacts(host, list), stay = 0;

		if (host == gone || host->exited || !host->identity.enrolled)
			continue;
		for (int k = 0; k < n; k++)
			stay += list[k] != gone && nodes_is_manager(list[k]) && is_live(list[k]) &&
				!list[k]->demoting_us;
		if (stay == 0 && !check_nodes_member(sim, host->store.raft_id))
			return 1;
	}
	return 0;
}

int admins_may_go(const struct host *host)
{
	return !nodes_is_manager(host) || !strands(host);
}

/* ---- roles ---------------------------------------------------------------------------- */

static int send_role(struct host *host, enum node_role role)
{
	const struct node *n = node_of(host);
	struct client_request *r;
	char target[96], body[96];

	if (!n)
		return 0;
	snprintf(target, sizeof(target), "/nodes/%s/update?version=%llu", host->node_id,
		 (unsigned long long)n->meta.version);
	snprintf(body, sizeof(body), "{\"Role\":\"%s\",\"Availability\":\"%s\"}",
		 role == ROLE_MANAGER ? "manager" : "worker",
		 n->spec.availability == AVAILABILITY_ACTIVE ? "active" :
		 n->spec.availability == AVAILABILITY_PAUSE ? "pause" : "drain");
	r = clients_send(host->sim, NULL, REQUEST_ROLE, "POST", target, slice_of(body));
	if (r)
		r->slot = host->number;
	return r != NULL;
}

/* What was asked for has come to pass, or will not. */
static void look_at_demotion(struct host *host)
{
	const struct node *n = node_of(host);
	int asked_late = host->sim->now_us > host->demoting_us + UNSURE_US;

	if (!n || (n->spec.role == ROLE_MANAGER && asked_late) ||
	    (n->spec.role == ROLE_WORKER && host->identity.role == ROLE_WORKER &&
	     !check_nodes_member(host->sim, host->store.raft_id)))
		host->demoting_us = 0;
}

static void send_remove(struct host *host, int force);

static void remove_due(struct sim *sim, struct happening *h)
{
	const struct node *n = node_of(h->host);

	if (sim->faults && is_live(h->host) && n && n->spec.role == ROLE_WORKER)
		send_remove(h->host, 1);
}

/* It is removed on its way from one role to the other. */
static void remove_soon(struct host *host)
{
	struct sim *sim = host->sim;

	if (!sim->faults || !sim->options[OPT_REMOVE] || rng_chance(&sim->rng, 2, 3))
		return;
	for (int i = 0; i < 8; i++)
		sim_at_host(host, 1, sim_between(sim, 0, 30 * MS), remove_due, NULL);
}

static void demote_due(struct sim *sim, struct happening *h)
{
	if (sim->faults && is_live(h->host) && !h->host->demoting_us &&
	    send_role(h->host, ROLE_WORKER))
		h->host->demoting_us = sim->now_us;
}

/* One that is no member of Raft yet is not missed there. */
void admins_joined(struct host *host)
{
	struct sim *sim = host->sim;

	if (sim->faults && sim->options[OPT_ROLES] && rng_chance(&sim->rng, 1, 12))
		sim_at_host(host, 1, sim_between(sim, 0, 10 * MS), demote_due, NULL);
}

static void demote(struct sim *sim)
{
	struct host *leader = seen_leader(sim);
	struct host *host = leader && rng_chance(&sim->rng, 1, 3) ? leader :
		any_live(sim, ROLE_MANAGER);
	const struct node *n = host && is_live(host) ? node_of(host) : NULL;

	if (!n || n->spec.role != ROLE_MANAGER || !faults_may_damage(sim, host) ||
	    !admins_may_go(host))
		return;
	if (!send_role(host, ROLE_WORKER))
		return;
	host->demoting_us = sim->now_us;
	sim->marks[MARK_DEMOTE_LEADER] += host == leader;
	sim->marks[MARK_MEMBER_FAULT] += (uint64_t)faults_is_broken(sim);
	remove_soon(host);
}

static void promote(struct sim *sim)
{
	struct host *host = any_live(sim, ROLE_WORKER);

	if (!host || host->demoting_us || !send_role(host, ROLE_MANAGER))
		return;
	sim->marks[MARK_MEMBER_FAULT] += (uint64_t)faults_is_broken(sim);
	remove_soon(host);
}

void admins_roles(struct sim *sim)
{
	if (rng_chance(&sim->rng, 1, 2) && any_live(sim, ROLE_WORKER))
		promote(sim);
	else
		demote(sim);
}

void admins_change_all(struct sim *sim)
{
	promote(sim);
	demote(sim);
}

/* ---- removal --------------------------------------------------------------------------- */

static void send_remove(struct host *host, int force)
{
	char target[96];

	snprintf(target, sizeof(target), "/nodes/%s%s", host->node_id, force ? "?force=1" : "");
	(void)clients_send(host->sim, NULL, REQUEST_REMOVE_NODE, "DELETE", target, nothing);
}

void admins_remove(struct sim *sim)
{
	struct host *host = any_live(sim, ROLE_WORKER);

	if (host)
		send_remove(host, 1);
}

/* It is gone, with all that is on it. */
static void lose(struct host *host)
{
	struct sim *sim = host->sim;

	sim->marks[nodes_is_manager(host) ? MARK_LOST_MANAGER : MARK_LOST_WORKER]++;
	host_crash(host, 1, "for ever");
	host->exited = host->dead = 1;
}

void admins_lose(struct sim *sim)
{
	struct host *host = &sim->hosts[rng_below(&sim->rng, (uint64_t)sim->host_count)];

	if (!is_live(host) || sim->host_count == 1 || !host->up)
		return;
	if (nodes_is_manager(host)) {
		if (!faults_may_damage(sim, host) || !admins_may_go(host))
			return;
		faults_damage(host, DEAD);
	}
	lose(host);
}

/* First it is no manager any more, then no node. */
static void clean(struct host *host)
{
	struct sim *sim = host->sim;
	const struct node *n = node_of(host);
	const struct host *leader = seen_leader(sim);
	int member = leader && raft_member(manager_raft(leader->manager), host->store.raft_id);

	if (!leader || (!n && member))
		return;
	if (!n) {
		sim->marks[MARK_CLEANED]++;
		host->dead = 0;
		if (host->damaged == DEAD)
			host->damaged = WHOLE;
	} else if (n->spec.role == ROLE_MANAGER) {
		(void)send_role(host, ROLE_WORKER);
	} else if (!member && (host->number % 2 || n->status.state == NODE_DOWN)) {
		send_remove(host, host->number % 2);
	}
}

/* ---- certificates that end -------------------------------------------------------------- */

int admins_lives_set(const struct sim *sim)
{
	const struct cluster *c = state_cluster(&sim->checks.shadow);

	return c && c->spec.ca.node_cert_expiry == CA_NODE_MIN_S * (int64_t)SECOND_NS;
}

static int send_swarm(struct sim *sim, const char *query, const char *body)
{
	const struct cluster *c = state_cluster(&sim->checks.shadow);
	char target[96];

	if (!c || sim->admins.busy)
		return 0;
	snprintf(target, sizeof(target), "/swarm/update?version=%llu%s",
		 (unsigned long long)c->meta.version, query);
	sim->admins.is_rotating = 0;
	sim->admins.busy = clients_send(sim, NULL, REQUEST_SETTINGS, "POST", target,
					slice_of(body)) != NULL;
	return sim->admins.busy;
}

static void set_lives(struct sim *sim, struct happening *h)
{
	(void)h;
	if (admins_lives_set(sim))
		return;
	(void)send_swarm(sim, "", "{\"Name\":\"default\",\"CAConfig\":{\"NodeCertExpiry\":"
			 "60000000000}}");
	sim_at(sim, 50 * MS, set_lives, NULL);
}

void admins_start(struct sim *sim)
{
	if (sim->plan.short_lives)
		sim_at(sim, 10 * MS, set_lives, NULL);
}

static void back_due(struct sim *sim, struct happening *h)
{
	struct host *host = h->host;

	(void)sim;
	/* Nobody hears it any more: its user has it leave, and makes a new node of it. */
	if (!host->exited)
		host->to_leave = 1;
}

void admins_away(struct sim *sim)
{
	struct host *host = &sim->hosts[rng_below(&sim->rng, (uint64_t)sim->host_count)];

	if (!sim->plan.short_lives || !is_live(host) || !host->up)
		return;
	if (nodes_is_manager(host)) {
		if (!faults_may_damage(sim, host) || !admins_may_go(host))
			return;
		faults_damage(host, DEAD);
	}
	sim->marks[MARK_AWAY_LONG]++;
	host->away = 1;
	host_crash_for(host, AWAY_US);
	sim_at_host(host, 1, AWAY_US + BACK_US, back_due, NULL);
}

/* ---- tokens, and those who have none ------------------------------------------------------- */

void admins_rotate(struct sim *sim, enum node_role role)
{
	static const char *const queries[] = { "&rotateWorkerToken=true",
					       "&rotateManagerToken=true" };
	struct admins *a = &sim->admins;

	if (!send_swarm(sim, queries[role], "{\"Name\":\"default\"}"))
		return;
	a->rotating = role;
	a->is_rotating = 1;
	memcpy(a->before, a->tokens[role], sizeof(a->before));
}

/* One that has joined: what it asked with is known to whoever was between. */
static const struct host *joined_host(struct sim *sim)
{
	for (int i = 1; i < sim->host_count; i++) {
		const struct host *host = &sim->hosts[i];
		const struct node *n = is_live(host) && host->identity.request ? node_of(host) :
			NULL;

		if (n && n->status.state == NODE_READY)
			return host;
	}
	return NULL;
}

static const struct host *removed_host(struct sim *sim)
{
	for (int i = 1; i < sim->host_count; i++) {
		if (sim->hosts[i].removed_index)
			return &sim->hosts[i];
	}
	return NULL;
}

/* What the members of Raft would suffer from. */
static int attack_members(struct sim *sim, enum attack how)
{
	const struct host *host = any_live(sim, ROLE_MANAGER);
	struct client_request *r;
	char target[96];

	if (!host || (how == ATTACK_LAST && sim->host_count > 1))
		return 0;
	if (how == ATTACK_LAST) {
		if (!send_role(&sim->hosts[0], ROLE_WORKER))
			return 1;
		sim->admins.is_last = 1;
		return 1;
	}
	snprintf(target, sizeof(target), "/nodes/%s?force=1", host->node_id);
	r = clients_send(sim, NULL, REQUEST_ATTACK, "DELETE", target, nothing);
	if (r)
		r->mark = how;
	return 1;
}

/* 0: there is nothing to try it with. */
static int attack(struct sim *sim, enum attack how)
{
	enum node_role role = rng_chance(&sim->rng, 1, 2) ? ROLE_MANAGER : ROLE_WORKER;
	const struct host *host = how == ATTACK_REPLAY ? joined_host(sim) :
		how == ATTACK_REMOVED ? removed_host(sim) : NULL;
	const char *token = sim->admins.tokens[how == ATTACK_REPLAY && host ?
					       host->identity.wanted : role];
	int request = how == ATTACK_NAMED ? AUTHORITY_NAMED : AUTHORITY_RENEWAL;
	struct client_request *r;
	char target[96] = "/swarm/enrol", wrong[TOKEN_TEXT_LEN + 1];
	struct buf body;

	if (how >= ATTACK_MEMBER)
		return attack_members(sim, how);
	snprintf(wrong, sizeof(wrong), "%s", token);	/* its last digit is another */
	wrong[TOKEN_TEXT_LEN - 1] ^= 1;
	if (how == ATTACK_TOKEN)
		token = wrong;
	if (how == ATTACK_OLD)
		token = sim->admins.old_tokens[role];
	if (!*token || ((how == ATTACK_REPLAY || how == ATTACK_REMOVED) && !host))
		return 0;
	if (how == ATTACK_REPLAY)
		request = host->identity.request;
	if (how == ATTACK_REMOVED)
		snprintf(target, sizeof(target), "/swarm/enrol/%s", host->node_id);
	r = clients_send(sim, NULL, REQUEST_ATTACK, "POST", target,
			 nodes_request(request, token, &body));
	buf_done(&body);
	if (!r)
		return 1;
	r->mark = how;
	r->slot = host ? host->number : 0;
	return 1;
}

/* A manager's certificate, and the raft id of another one. */
static void impersonate(struct sim *sim)
{
	const struct host *a = seen_leader(sim), *b = any_live(sim, ROLE_MANAGER);

	if (!a || !b || a == b || !host_runs(a) ||
	    !raft_member(manager_raft(a->manager), b->store.raft_id))
		return;
	for (int i = 0; i < sim->host_count; i++) {
		const struct host *c = &sim->hosts[i];

		if (c == b || !c->identity.enrolled)
			continue;
		sim->marks[MARK_IMPOSTOR]++;
		if (manager_welcomes(a->manager, b->store.raft_id, c->node_id))
			sim_fail(sim, "%s would take %s for %s", a->name, c->name, b->name);
	}
}

void admins_tokens(struct sim *sim)
{
	uint64_t how = rng_below(&sim->rng, ATTACKS);

	if (rng_chance(&sim->rng, 1, 3)) {
		admins_rotate(sim, rng_chance(&sim->rng, 1, 2) ? ROLE_WORKER : ROLE_MANAGER);
	} else if (sim->host_count == 1 && rng_chance(&sim->rng, 1, 3)) {
		(void)attack(sim, ATTACK_LAST);
	} else if (rng_chance(&sim->rng, 1, 4)) {
		impersonate(sim);
	} else {
		for (int i = 0; i < ATTACKS && !attack(sim, (enum attack)how); i++)
			how = (how + 1) % ATTACKS;
	}
}

static void attacked(struct sim *sim, struct client_request *r, const struct effect *x)
{
	static const struct {
		enum mark mark;
		int status;
	} right[ATTACKS] = {
		[ATTACK_TOKEN] = { MARK_ATTACK_TOKEN, 400 },
		[ATTACK_OLD] = { MARK_ATTACK_OLD, 400 },
		[ATTACK_REPLAY] = { MARK_ATTACK_REPLAY, 403 },
		[ATTACK_NAMED] = { MARK_ATTACK_NAMED, 400 },
		[ATTACK_REMOVED] = { MARK_ATTACK_REMOVED, 403 },
		[ATTACK_MEMBER] = { MARK_ATTACK_MEMBER, 400 },
	};
	static const char *const names[ATTACKS] = {
		"a wrong token", "an old token", "a repeated request", "a request with a name",
		"a removed node's certificate", "", "",
	};

	if (x->status == right[r->mark].status)
		sim->marks[right[r->mark].mark]++;
	/* When its node is gone, or the token, the answer is another. */
	else if (x->status == 200 && r->mark != ATTACK_MEMBER &&
		 !(r->mark == ATTACK_REPLAY && !node_of(&sim->hosts[r->slot])))
		sim_fail(sim, "%s is answered with a certificate", names[r->mark]);
}

static void rotated(struct sim *sim, const struct effect *x)
{
	struct admins *a = &sim->admins;

	a->busy = 0;
	if (a->is_rotating && x->status == 200 && strcmp(a->before, a->tokens[a->rotating]) == 0)
		sim_fail(sim, "the rotation of a token is acknowledged, and it is the old one");
	a->is_rotating = 0;
}

void admins_answered(struct sim *sim, struct client_request *r, const struct effect *x)
{
	struct host *host = &sim->hosts[r->slot < 0 ? 0 : r->slot];

	if (r->kind == REQUEST_ATTACK)
		attacked(sim, r, x);
	else if (r->kind == REQUEST_SETTINGS)
		rotated(sim, x);
	else if (r->kind == REQUEST_ROLE && x->status >= 400 && x->status < 500)
		host->demoting_us = 0;
	if (r->kind == REQUEST_ROLE && sim->admins.is_last) {
		sim->admins.is_last = 0;
		sim->marks[MARK_ATTACK_LAST] += x->status == 400;
		if (x->status == 200)
			sim_fail(sim, "the last manager is demoted");
	}
}

/* ---- what comes to pass --------------------------------------------------------------------- */

static void attack_due(struct sim *sim, struct happening *h)
{
	if (sim->faults)
		(void)attack(sim, (enum attack)h->id);
}

static void attack_soon(struct sim *sim, enum attack how)
{
	for (int i = 0; i < 3 && sim->options[OPT_TOKENS]; i++)
		sim_at(sim, sim_between(sim, 1, 300) * MS, attack_due, NULL)->id = how;
}

static void note_removal(struct sim *sim, const struct change *change)
{
	map_set(&sim->checks.removed, slice_of(change->id), sim);
	for (int i = 0; i < sim->host_count; i++) {
		struct host *host = &sim->hosts[i];

		if (!host->identity.enrolled || strcmp(host->node_id, change->id) != 0)
			continue;
		if (check_nodes_member(sim, host->store.raft_id))
			sim_fail(sim, "%s is removed, and is a member of Raft", host->name);
		host->removed_index = sim->checks.committed_count;
		host->removed_us = sim->now_us;
		attack_soon(sim, ATTACK_REMOVED);
		sim->marks[host->dead ? MARK_REMOVE_DOWN : MARK_REMOVE_NODE]++;
	}
}

static void note_tokens(struct sim *sim)
{
	const struct cluster *c = state_cluster(&sim->checks.shadow);
	struct admins *a = &sim->admins;

	for (int role = ROLE_WORKER; c && role <= ROLE_MANAGER; role++) {
		const char *token = role == ROLE_MANAGER ? c->manager_token : c->worker_token;

		if (!token || strcmp(token, a->tokens[role]) == 0)
			continue;
		memcpy(a->old_tokens[role], a->tokens[role], sizeof(a->tokens[role]));
		if (*a->tokens[role]) {
			sim->marks[MARK_TOKEN_ROTATED]++;
			attack_soon(sim, ATTACK_OLD);
		}
		snprintf(a->tokens[role], sizeof(a->tokens[role]), "%s", token);
	}
}

void admins_note(struct sim *sim, const struct change *change)
{
	if (change->kind == OBJECT_CLUSTER)
		note_tokens(sim);
	if (change->kind != OBJECT_NODE)
		return;
	if (change->action == CHANGE_REMOVE)
		note_removal(sim, change);
	else if (admins_was_removed(sim, change->id))
		sim_fail(sim, "node %s was removed and comes back", change->id);
}

void admins_look(struct host *host)
{
	struct sim *sim = host->sim;

	if (!host->used)
		return;
	if (host->demoting_us)
		look_at_demotion(host);
	if (host->identity.removed && !host->exited)
		faults_tell_to_leave(host);
	/* It could not say so itself. */
	if (host->to_leave && host->exited &&
	    (host->away || check_nodes_member(sim, host->store.raft_id))) {
		host->away = 0;
		host->dead = 1;
	}
	if (host->dead && sim->now_us >= sim->admins.clean_us) {
		sim->admins.clean_us = sim->now_us + CLEAN_US;
		clean(host);
	}
}
