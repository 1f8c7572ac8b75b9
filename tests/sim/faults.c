/*
 * What goes wrong by the clock; who joins and leaves. Contracts are in sim.h. Disks are
 * damaged one at a time: the next only when the one before is a voter again, so that most voters
 * always have what is committed.
 */
#include <stdio.h>
#include <string.h>
#include "sim.h"

enum { VOTERS_MIN = 3 };	/* of which one may lose its disk, or leave a larger swarm */

static struct host *any_host(struct sim *sim)
{
	struct host *host = &sim->hosts[rng_below(&sim->rng, (uint64_t)sim->host_count)];

	return host->used && !host->exited ? host : NULL;
}

/* The leader, half the time. */
static struct host *some_host(struct sim *sim)
{
	struct host *leader = seen_leader(sim);

	return leader && rng_chance(&sim->rng, 1, 2) ? leader : any_host(sim);
}

/* ---- damaged disks ----------------------------------------------------------------- */

int faults_may_damage(struct sim *sim, const struct host *host)
{
	const struct host *leader = seen_leader(sim);
	const struct raft *r = leader ? manager_raft(leader->manager) : NULL;
	uint32_t voters = 0, found = 0;

	for (int i = 0; i < HOSTS; i++) {
		const struct host *other = &sim->hosts[i];

		if (other->damaged || other->dead || (other->to_leave && !other->exited) ||
		    other->demoting_us)
			return 0;
	}
	if (sim->plan.hosts == 1 && sim->host_count == 1)
		return 1;
	if (!r || !raft_is_ready(r) || r->config_index > r->commit ||
	    !raft_member(r, host->store.raft_id))
		return 0;
	for (uint32_t i = 0; i < r->config.count; i++) {
		voters += r->config.members[i].votes != 0;
		for (int k = 0; k < HOSTS; k++)
			found += r->config.members[i].votes && sim->hosts[k].used &&
				 sim->hosts[k].store.raft_id == r->config.members[i].id;
	}
	return voters >= VOTERS_MIN && found == voters;
}

void faults_damage(struct host *host, enum damage how)
{
	host->damaged = how;
	host->damaged_id = host->store.raft_id;
	host->damaged_entries = host->log.durable_entries;
}

static void killed_late(struct sim *sim, struct happening *h)
{
	host_crash(h->host, sim->faults && rng_chance(&sim->rng, 1, 3), "killed");
}

static void hurt_disk(struct sim *sim, const char *(*how)(struct disk *d, uint64_t *offset),
		      enum mark mark, const char *what)
{
	struct host *host = any_host(sim);
	const char *name;
	uint64_t offset;

	/* What tells that the last record was durable is not synced: it is there as long as no
	 * other fault has come since. */
	if (!host || !host->up || host->store.wal.failed || host->store.disk.full ||
	    !faults_may_damage(sim, host))
		return;
	name = how(&host->store.disk, &offset);
	if (!name)
		return;
	sim->marks[mark]++;
	sim_trace(sim, "%s: %s of %s at %llu %s", host->name, what, name,
		  (unsigned long long)offset, mark == MARK_ROT ? "flips" : "is elsewhere");
	faults_damage(host, ROTTEN);
	sim_at_host(host, 0, sim_between(sim, 0, 600 * MS), killed_late, NULL);
}

static void do_rot(struct sim *sim)
{
	hurt_disk(sim, disk_rot, MARK_ROT, "a bit");
}

static void do_misdirect(struct sim *sim)
{
	hurt_disk(sim, disk_misdirect, MARK_MISDIRECTED, "a sector");
}

static void lose_folder(struct sim *sim)
{
	struct host *host = any_host(sim);

	if (!host || sim->host_count == 1 || !faults_may_damage(sim, host))
		return;
	sim->marks[MARK_LOST_FOLDER]++;
	faults_damage(host, LOST);
	host_crash(host, 0, "its disk is lost");
	disk_wipe(&host->store.disk);
}

/* It votes again, and nobody counts on what it lost. */
static void look_at(struct host *host)
{
	struct host *leader = seen_leader(host->sim);
	const struct raft *r = leader ? manager_raft(leader->manager) : NULL;
	const struct raft_member *member = r ? raft_member(r, host->store.raft_id) : NULL;

	if (host->joining && host->config.worker && host->agent.epoch)
		host->joining = 0;
	/* One that is no manager any more has no vote that could be missed. */
	if (host->damaged != DEAD && host->damaged && host->config.worker && r &&
	    !raft_member(r, host->damaged_id))
		host->damaged = WHOLE;
	if (!host->up || !member || !member->votes || host->damaged == DEAD)
		return;
	if (host->joining) {
		host->joining = 0;
		host->sim->marks[MARK_JOIN]++;
	}
	if (!host->damaged || host->store.raft_id == host->damaged_id ||
	    raft_member(r, host->damaged_id))
		return;
	sim_trace(host->sim, "%s votes again", host->name);
	host->damaged = WHOLE;
	host->sim->marks[MARK_REPAIRED]++;
}

void faults_look(struct sim *sim)
{
	for (int i = 0; i < HOSTS; i++) {
		if (sim->hosts[i].used && (sim->hosts[i].damaged || sim->hosts[i].joining))
			look_at(&sim->hosts[i]);
	}
}

/* ---- membership -------------------------------------------------------------------- */

int faults_is_broken(const struct sim *sim)
{
	for (int a = 0; a < HOSTS; a++) {
		if (sim->hosts[a].used && !host_runs(&sim->hosts[a]) && !sim->hosts[a].exited)
			return 1;
		for (int b = 0; b < HOSTS; b++) {
			if (sim->cut[a][b])
				return 1;
		}
	}
	return 0;
}


static void do_join(struct sim *sim)
{
	struct host *host = &sim->hosts[sim->host_count];

	if (sim->host_count >= sim->plan.hosts + sim->plan.workers + sim->plan.spare)
		return;
	if (!nodes_look_up(host))
		return;
	sim->host_count++;
	host->used = host->joining = 1;
	host->identity.wanted = rng_chance(&sim->rng, 1, 2) ? ROLE_MANAGER : ROLE_WORKER;
	sim_trace(sim, "%s is to join", host->name);
	sim->marks[MARK_MEMBER_FAULT] += (uint64_t)faults_is_broken(sim);
	host_start(host, 0);
}

static int is_voter(const struct host *leader, const struct host *host)
{
	const struct raft_member *member = raft_member(manager_raft(leader->manager),
						       host->store.raft_id);

	return member && member->votes;
}

/* Whoever wants it tells it again, should it die on the way. */
void faults_tell_to_leave(struct host *host)
{
	if (host_runs(host) && !host->leaving && !host->stopping)
		host->leaving = clients_send(host->sim, host, REQUEST_MEMBER, "POST",
					     "/swarm/leave?force=1",
					     (struct slice){ NULL, 0 }) != NULL;
}

static void do_leave(struct sim *sim)
{
	struct host *host = any_host(sim);
	struct host *leader = seen_leader(sim);
	uint32_t voters = 0;

	if (!host || !leader || !host_runs(host) || host->to_leave || host->away ||
	    host->removed_index || sim->host_count <= VOTERS_MIN || !admins_may_go(host))
		return;
	for (int i = 0; i < HOSTS; i++) {
		const struct host *other = &sim->hosts[i];

		/* Who has not come in yet may know no other than the one that goes. */
		if (other->damaged || (other->to_leave && !other->exited) || other->demoting_us ||
		    (other->used && !other->exited && !other->config.worker &&
		     !is_voter(leader, other)))
			return;
		voters += other->used && !other->exited && !other->config.worker;
	}
	if (voters <= VOTERS_MIN && !host->config.worker)
		return;
	host->to_leave = 1;
	sim->marks[MARK_MEMBER_FAULT] += (uint64_t)faults_is_broken(sim);
	faults_tell_to_leave(host);
}

static void do_members(struct sim *sim)
{
	if (rng_chance(&sim->rng, 1, 2))
		do_join(sim);
	else
		do_leave(sim);
}

/* ---- the rest ---------------------------------------------------------------------- */

static void do_cut(struct sim *sim)
{
	net_partition(sim, sim_between(sim, 50 * MS, rng_chance(&sim->rng, 1, 4) ? 4 * SECOND
										 : SECOND));
}

static void do_reset(struct sim *sim)
{
	struct host *a = some_host(sim), *b = any_host(sim);

	if (a && b && a != b)
		net_reset(sim, a, b);
	if (b && b->agent.epoch)
		agents_reset(b);
}

static void do_pause(struct sim *sim)
{
	struct host *host = some_host(sim);

	if (host)
		host_pause(host, sim_between(sim, 5 * MS, rng_chance(&sim->rng, 1, 2) ?
					     3 * SECOND : 300 * MS));
}

static void do_kill(struct sim *sim)
{
	struct host *host = some_host(sim);
	int power = rng_chance(&sim->rng, 1, 2);

	if (!host || !host->up)
		return;
	sim->marks[MARK_CRASH]++;
	host_crash(host, power, "killed");
	if (!power || !rng_chance(&sim->rng, 1, 4))
		return;
	/* Everything on the host went: nothing runs after it, and /run is empty. */
	sim->marks[MARK_REBOOT]++;
	buf_reset(&host->netmap);
	engine_leave(host, sim_between(sim, 100 * MS, 10 * SECOND), 1);
}

static void all_down(struct sim *sim)
{
	sim->marks[MARK_ALL_DOWN]++;
	for (int i = 0; i < sim->host_count; i++)
		host_crash(&sim->hosts[i], 1, "no power anywhere");
}

static void room_again(struct sim *sim, struct happening *h)
{
	(void)sim;
	h->host->store.disk.full = 0;
}

static void do_fill(struct sim *sim)
{
	struct host *host = some_host(sim);

	if (!host || host->store.disk.full || host->damaged == ROTTEN)
		return;
	sim->marks[MARK_DISK_FULL]++;
	sim_trace(sim, "%s: its disk is full", host->name);
	host->store.disk.full = rng_chance(&sim->rng, 1, 2) ? DISK_FULL : DISK_FULLER;
	sim_at_host(host, 1, sim_between(sim, 100 * MS, 3 * SECOND), room_again, NULL);
}

static void do_stop(struct sim *sim)
{
	struct host *host = some_host(sim);

	if (host && host_runs(host) && !host->stopping && !host->to_leave)
		host_stop(host);
}

/* A board without a battery gets its time from the network, some time after its start. */
static void step_clock(struct sim *sim)
{
	struct host *host = any_host(sim);
	int back = rng_chance(&sim->rng, 1, 2);
	int64_t ns = (int64_t)sim_between(sim, 1, rng_chance(&sim->rng, 1, 2) ? 100 : 1000000);

	if (!host)
		return;
	host->wall_ns += (back ? -ns : ns) * 100000000;
	sim->marks[back ? MARK_CLOCK_BACK : MARK_CLOCK_ON]++;
	sim_trace(sim, "%s: the clock is set %s by %.1f s", host->name, back ? "back" : "forward",
		  (double)ns / 10);
}

static void strike(struct sim *sim)
{
	static const struct {
		enum option option;
		void (*run)(struct sim *sim);
	} kinds[] = {
		{ OPT_CUT, do_cut }, { OPT_RESET, do_reset }, { OPT_PAUSE, do_pause },
		{ OPT_KILL, do_kill }, { OPT_ALL_DOWN, all_down }, { OPT_FULL, do_fill },
		{ OPT_ROT, do_rot }, { OPT_MISDIRECT, do_misdirect }, { OPT_LOSE, lose_folder },
		{ OPT_MEMBERS, do_members }, { OPT_STOP, do_stop }, { OPT_CLOCK, step_clock },
		{ OPT_ROLES, admins_roles }, { OPT_REMOVE, admins_remove },
		{ OPT_LOSE_NODE, admins_lose }, { OPT_TOKENS, admins_tokens },
		{ OPT_AWAY_LONG, admins_away },
	};
	enum { KINDS = sizeof(kinds) / sizeof(kinds[0]) };
	uint64_t sum = 0, at;

	for (int i = 0; i < KINDS; i++)
		sum += sim->options[kinds[i].option];
	if (sum == 0)
		return;
	at = rng_below(&sim->rng, sum);
	for (int i = 0; i < KINDS; i++) {
		if (at < sim->options[kinds[i].option]) {
			kinds[i].run(sim);
			return;
		}
		at -= sim->options[kinds[i].option];
	}
}

static void nemesis(struct sim *sim, struct happening *h)
{
	(void)h;
	if (!sim->faults)
		return;
	faults_look(sim);
	strike(sim);
	sim_at(sim, sim_between(sim, 1 * MS, 2 * sim->plan.nemesis_us), nemesis, NULL);
}

/* Once a second and host: its engine. */
static void second(struct sim *sim, struct happening *h)
{
	struct host *host = h->host;

	sim_at_host(host, 1, SECOND, second, NULL);
	if (host->to_leave && !host->exited)
		faults_tell_to_leave(host);
	admins_look(host);
	if (!sim->faults)
		return;
	if (!host->engine.away && sim_fault(sim, OPT_AWAY, 600)) {
		uint64_t most = rng_chance(&sim->rng, 1, 4) ? 90 * SECOND : 5 * SECOND;
		int cold = sim_fault(sim, OPT_COLD, 10);

		engine_leave(host, sim_between(sim, 50 * MS, most), cold);
	}
	if (sim_fault(sim, OPT_BY_HAND, 600))
		engine_remove_by_hand(host);
	if (host_runs(host) && !host->stopping && sim_fault(sim, OPT_SESSION, 600))
		host_cut_session(host);
}

void faults_start(struct sim *sim)
{
	for (int i = 0; i < HOSTS; i++)
		sim_at_host(&sim->hosts[i], 1, SECOND, second, NULL);
	/* First a swarm must have come together, most of the time. */
	sim_at(sim, rng_chance(&sim->rng, 1, 4) ? 0 : sim_between(sim, 300, 900) * MS, nemesis,
	       NULL);
}

/* Is a's log newer than b's, as voters see it (thesis 3.6.1)? */
static int is_newer(const struct host *a, const struct host *b)
{
	uint64_t x = seen_term(a, a->log.durable_entries), y = seen_term(b, b->log.durable_entries);

	return x != y ? x > y : a->log.durable_entries > b->log.durable_entries;
}

int faults_force(struct sim *sim)
{
	struct host *best = NULL;

	for (int i = 0; i < HOSTS; i++) {
		struct host *host = &sim->hosts[i];

		if (!host->used || host->exited)
			continue;
		if (host->damaged || host->to_leave || host->joining || host->demoting_us)
			return 0;
		if (!host->config.worker && (!best || is_newer(host, best)))
			best = host;
	}
	if (!best || sim->host_count < VOTERS_MIN || best->log.durable_entries == 0)
		return 0;
	sim_trace(sim, "==== only %s is left", best->name);
	for (int i = 0; i < HOSTS; i++) {
		struct host *host = &sim->hosts[i];

		if (host == best || !host->used || host->exited)
			continue;
		host_crash(host, 1, "for ever");
		host->exited = 1;
	}
	best->store.forced = 1;
	host_crash(best, 0, "to begin anew by itself");
	sim->marks[MARK_FORCED]++;
	return 1;
}

void faults_end(struct sim *sim)
{
	seen_cut(sim);
	net_heal(sim);
	for (int i = 0; i < HOSTS; i++) {
		struct host *host = &sim->hosts[i];

		host->store.disk.full = 0;
		host_resume(host);
		if (host->engine.away)
			engine_return(host);
	}
	sim->kv.whole_us = sim->now_us;
}
