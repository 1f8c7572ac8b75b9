/*
 * What managers' Rafts say to each other, against what they have on disk and have heard. Contracts
 * are in sim.h.
 */
#include "applets/manager/peer.h"
#include "base/mem.h"
#include "sim.h"

static struct slice two_key(uint64_t a, uint64_t b, char key[16])
{
	(void)sim_key(a, key);
	(void)sim_key(b, key + 8);
	return (struct slice){ key, 16 };
}

/* ---- promises -------------------------------------------------------------------- */

static void check_vote(struct host *host, const struct raft_message *m, uint64_t to)
{
	const struct raft_hard *hard = &host->log.hard;
	uint64_t id = host->store.raft_id, other;
	char key[16];

	if (hard->term < m->term || (hard->term == m->term && hard->vote != to))
		sim_fail(host->sim, "%s: votes for %llx in term %llu, and that is not durable",
			 host->name, (unsigned long long)to, (unsigned long long)m->term);
	if (!seen_note(&host->sim->checks.votes, two_key(id, m->term, key), to, &other))
		sim_fail(host->sim, "%s: votes for %llx and for %llx in term %llu", host->name,
			 (unsigned long long)to, (unsigned long long)other,
			 (unsigned long long)m->term);
}

/* A term is begun only by one that most would vote for (9.6). */
static void check_candidate(struct host *host, const struct raft_message *m)
{
	const struct raft *r = manager_raft(host->manager);
	const struct prevotes_seen *p = &host->prevotes;
	const struct raft_member *self = raft_member(r, r->id);
	uint32_t voters = 0, yes = 0;

	/* One that is taken out leads until that is committed (4.2.2). */
	if (r->config_index <= r->commit && !(self && self->votes))
		sim_fail(host->sim, "%s: wants to lead and does not vote", host->name);
	if (m->pre || m->transfer)
		return;
	for (uint32_t i = 0; i < r->config.count; i++) {
		uint64_t id = r->config.members[i].id;

		if (!r->config.members[i].votes)
			continue;
		voters++;
		yes += id == r->id;
		for (int k = 0; k < p->count && p->term == m->term && id != r->id; k++)
			yes += p->from[k] == id;
	}
	if (yes <= voters / 2)
		sim_fail(host->sim, "%s: begins term %llu, and %u of %u would vote for it",
			 host->name, (unsigned long long)m->term, yes, voters);
}

static void note_prevote(struct host *host, uint64_t from, uint64_t term)
{
	struct prevotes_seen *p = &host->prevotes;
	int i = 0;

	if (p->term < term)
		*p = (struct prevotes_seen){ .term = term };
	while (i < p->count && p->from[i] != from)
		i++;
	if (term == p->term && i == p->count && i < HOSTS)
		p->from[p->count++] = from;
}

/* Who leads, or hears a leader, helps nobody to disturb it (4.2.3, 6.2). */
static void note_asked(struct host *host, uint64_t from, const struct raft_message *m)
{
	const struct raft *r = manager_raft(host->manager);
	int has_leader = r->role == RAFT_LEADER ||
		(r->leader && r->leader != from &&
		 host_now_ms(host) - r->heard_ms < RAFT_ELECTION_MS);

	host->refused = 0;
	if (has_leader && !m->transfer && m->term > r->hard.term) {
		host->refused = from;
		host->refused_term = m->term;
	}
}

void seen_receive(struct host *host, const struct event *ev)
{
	struct raft_message m;
	struct arena a;

	if (ev->body.len < 2 || ev->body.data[0] != PEER_RAFT ||
	    (ev->body.data[1] != RAFT_VOTE_REPLY && ev->body.data[1] != RAFT_VOTE))
		return;
	arena_init(&a);
	if (raft_message_parse(&a, (struct slice){ ev->body.data + 1, ev->body.len - 1 },
			       &m) < 0) {
		sim_fail(host->sim, "%s: a message does not parse", host->name);
	} else if (m.type == RAFT_VOTE) {
		note_asked(host, ev->id, &m);
	} else if (m.pre && m.granted) {
		note_prevote(host, ev->id, m.term);
	}
	arena_done(&a);
}

/* Whom leadership is given to has all that we have (3.10). */
static void check_transfer(const struct host *host, uint64_t to)
{
	const struct host *other = seen_host(host->sim, to);
	const struct entry_seen *e = seen_entry(&host->log, seen_end(&host->log));

	if (manager_raft(host->manager)->transfer_to == to && other && e &&
	    !seen_has(other, e))
		sim_fail(host->sim, "%s: %s is to lead, and lacks entry %llu", host->name,
			 other->name, (unsigned long long)e->index);
}

/* ---- rounds of reads ---------------------------------------------------------------- */

static struct slice round_key(uint64_t voter, uint64_t term, uint64_t leader, char key[24])
{
	(void)sim_key(voter, key);
	(void)sim_key(term, key + 8);
	(void)sim_key(leader, key + 16);
	return (struct slice){ key, 24 };
}

static void note_round(struct host *host, const struct raft_message *m, uint64_t leader)
{
	struct map *rounds = &host->sim->checks.rounds;
	char key[24];
	struct slice name = round_key(host->store.raft_id, m->term, leader, key);
	uint64_t *round = map_get(rounds, name);

	if (!round) {
		round = mem_new(sizeof(*round));
		map_set(rounds, name, round);
	}
	if (*round < m->round)
		*round = m->round;
}

/* A read is good when most have answered its round, or a later one (6.4). While a change of the
 * voters is under way it is not known whose answers counted. */
void promises_rounds(struct host *host)
{
	const struct raft *r = manager_raft(host->manager);
	uint64_t before = host->confirmed;
	uint32_t voters = 0, have = 0;
	char key[24];

	host->confirmed = r->read_confirmed;
	if (r->role != RAFT_LEADER || r->read_confirmed <= before || r->config_index > r->commit)
		return;
	for (uint32_t i = 0; i < r->config.count; i++) {
		const struct raft_member *m = &r->config.members[i];
		const uint64_t *round = map_get(&host->sim->checks.rounds,
						round_key(m->id, r->hard.term, r->id, key));

		if (!m->votes)
			continue;
		voters++;
		have += m->id == r->id || (round && *round >= r->read_confirmed);
	}
	if (have <= voters / 2)
		sim_fail(host->sim, "%s: round %llu of reads counts as answered, by %u of %u",
			 host->name, (unsigned long long)r->read_confirmed, have, voters);
}

/* What leaves as an answer rests on what is durable (3.8). */
void seen_send(struct host *host, const struct effect *x)
{
	struct log_seen *l = &host->log;
	struct raft_message m;
	struct arena a;

	if (x->body.len < 2 || x->body.data[0] != PEER_RAFT)
		return;
	if (host->config.worker)
		sim_fail(host->sim, "%s is a worker, and Raft speaks in it", host->name);
	if (x->body.data[1] != RAFT_VOTE_REPLY && x->body.data[1] != RAFT_APPEND_REPLY &&
	    x->body.data[1] != RAFT_VOTE && x->body.data[1] != RAFT_LEAD_NOW)
		return;
	arena_init(&a);
	if (raft_message_parse(&a, (struct slice){ x->body.data + 1, x->body.len - 1 }, &m) < 0) {
		sim_fail(host->sim, "%s: a message does not parse", host->name);
	} else if (m.type == RAFT_VOTE_REPLY && m.granted && x->id == host->refused &&
		   m.term == host->refused_term) {
		sim_fail(host->sim, "%s: helps %llx into term %llu, and has a leader", host->name,
			 (unsigned long long)x->id, (unsigned long long)m.term);
	} else if (m.type == RAFT_VOTE_REPLY && m.granted && !m.pre) {
		check_vote(host, &m, x->id);
	} else if (m.type == RAFT_VOTE_REPLY && !m.granted && l->hard.term < m.term) {
		sim_fail(host->sim, "%s: refuses in term %llu, which is not durable", host->name,
			 (unsigned long long)m.term);
	} else if (m.type == RAFT_VOTE) {
		check_candidate(host, &m);
	} else if (m.type == RAFT_LEAD_NOW) {
		check_transfer(host, x->id);
	} else if (m.type == RAFT_APPEND_REPLY) {
		note_round(host, &m, x->id);
		if (m.granted && m.index > l->durable_entries && m.index > l->snapshot_index)
			sim_fail(host->sim, "%s: says that it has entry %llu, durable are %llu",
				 host->name, (unsigned long long)m.index,
				 (unsigned long long)l->durable_entries);
		if (l->hard.term < m.term && l->durable_entries)
			sim_fail(host->sim, "%s: answers in term %llu, which is not durable",
				 host->name, (unsigned long long)m.term);
	}
	arena_done(&a);
}
