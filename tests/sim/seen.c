/*
 * The log as each host was seen to write it, and what Raft promises of it (thesis figure 3.2).
 * Contracts are in sim.h. What a reader would get wrong: all this is told by effects and events
 * only, and what the manager itself believes is compared with it; an entry is one object however
 * many hosts hold it, so "the same entry" is the same pointer.
 */
#include <string.h>
#include "applets/manager/peer.h"
#include "base/mem.h"
#include "raft/record.h"
#include "sim.h"

enum {
	/* A leader has looked in that time whether it heard from most voters in an election's time
	 * before, by the slowest clock. */
	ALONE_US = (2 * RAFT_ELECTION_MS + 200) * MS,
	BUCKETS = sizeof(((struct checks *)0)->entries) / sizeof(struct entry_seen *),
};

/* Who led in a term; who got a vote. */
struct fact {
	uint64_t id;
};

/* Notes that it is so; 0 if it was noted to be otherwise, and *other then is what. */
int seen_note(struct map *map, struct slice key, uint64_t id, uint64_t *other)
{
	struct fact *f = map_get(map, key);

	if (!f) {
		f = mem_new(sizeof(*f));
		f->id = id;
		map_set(map, key, f);
	}
	*other = f->id;
	return f->id == id;
}

/* ---- entries --------------------------------------------------------------------- */

uint64_t seen_end(const struct log_seen *l)
{
	return l->base + l->entry_count;
}

struct entry_seen *seen_entry(const struct log_seen *l, uint64_t index)
{
	if (index <= l->base || index > seen_end(l))
		return NULL;
	return l->entries[index - l->base - 1];
}

uint64_t seen_term(const struct host *host, uint64_t index)
{
	const struct entry_seen *e = seen_entry(&host->log, index);
	const struct checks *c = &host->sim->checks;

	if (e)
		return e->term;
	return index > 0 && index <= c->committed_count ? c->committed[index - 1]->term : 0;
}

/* The one of that index and term: two that differ break the log matching property (3.5). counts: it
 * follows the entry before it in the log, as that is now. */
static struct entry_seen *entry_for(struct host *host, const struct raft_entry *e, int counts)
{
	struct checks *c = &host->sim->checks;
	struct entry_seen **bucket = &c->entries[(e->index * 31 + e->term) % BUCKETS], *seen;
	uint64_t previous = counts ? seen_term(host, e->index - 1) : 0;

	for (seen = *bucket; seen; seen = seen->next) {
		if (seen->index != e->index || seen->term != e->term)
			continue;
		if (seen->kind != e->kind || !slice_equal(seen->data, e->data))
			sim_fail(host->sim, "%s: entry %llu of term %llu is not what it is "
				 "elsewhere", host->name, (unsigned long long)e->index,
				 (unsigned long long)e->term);
		if (!seen->previous)
			seen->previous = previous;
		if (previous && seen->previous != previous)
			sim_fail(host->sim, "%s: entry %llu of term %llu follows one of term %llu, "
				 "and of term %llu elsewhere", host->name,
				 (unsigned long long)e->index, (unsigned long long)e->term,
				 (unsigned long long)previous,
				 (unsigned long long)seen->previous);
		return seen;
	}
	seen = arena_new(&c->arena, sizeof(*seen));
	*seen = (struct entry_seen){ .next = *bucket, .index = e->index, .term = e->term,
				     .previous = previous, .kind = e->kind };
	seen->data = arena_copy(&c->arena, e->data);
	*bucket = seen;
	return seen;
}

/* What is overwritten must not be committed, as far as it is here and elsewhere. */
static void check_overwrite(struct host *host, const struct entry_seen *e)
{
	const struct log_seen *l = &host->log;
	const struct checks *c = &host->sim->checks;

	if (e->index > seen_end(l))
		return;
	host->sim->marks[MARK_TRUNCATED]++;
	if (e->index <= host->applied && seen_entry(l, e->index) != e)
		sim_fail(host->sim, "%s: entry %llu was applied and is overwritten", host->name,
			 (unsigned long long)e->index);
	for (uint64_t i = e->index; i <= seen_end(l) && i <= c->committed_count; i++) {
		const struct entry_seen *old = seen_entry(l, i);

		if (old == c->committed[i - 1] && !(i == e->index && old == e))
			sim_fail(host->sim, "%s: entry %llu is committed and is overwritten",
				 host->name, (unsigned long long)i);
	}
}

static void cut(struct log_seen *l, uint64_t last)
{
	if (last < l->base)
		l->base = last;
	l->entry_count = last - l->base;
	if (l->durable_entries > last)
		l->durable_entries = last;
}

/* A snapshot stands for what is up to that index. */
static void forget(struct log_seen *l, uint64_t index)
{
	uint64_t n = index - l->base;

	if (index <= l->base)
		return;
	if (n > l->entry_count)
		n = l->entry_count;
	l->entry_count -= n;
	for (uint64_t i = 0; i < l->entry_count; i++) {
		l->entries[i] = l->entries[i + n];
		l->numbers[i] = l->numbers[i + n];
	}
	l->base = index;
	if (l->durable_entries < index)
		l->durable_entries = index;
}

/* It is in the log now, and nothing after it. */
static void add_entry(struct host *host, struct entry_seen *e, uint64_t number)
{
	struct log_seen *l = &host->log;

	if (e->index > seen_end(l) + 1 || e->index <= l->base) {
		l->base = e->index - 1;
		l->entry_count = 0;
	}
	l->entry_count = e->index - l->base;
	if (l->entry_count > l->entry_capacity) {
		l->entry_capacity = l->entry_capacity ? 2 * l->entry_capacity : 64;
		if (l->entry_capacity < l->entry_count)
			l->entry_capacity = l->entry_count;
		l->entries = mem_resize(l->entries, l->entry_capacity * sizeof(l->entries[0]));
		l->numbers = mem_resize(l->numbers, l->entry_capacity * sizeof(l->numbers[0]));
	}
	l->entries[l->entry_count - 1] = e;
	l->numbers[l->entry_count - 1] = number;
	if (l->durable_entries >= e->index)
		l->durable_entries = e->index - 1;
}

/* ---- records --------------------------------------------------------------------- */

static void add_record(struct host *host, uint64_t number, const struct raft_record *r, int counts)
{
	struct log_seen *l = &host->log;
	struct record_seen *seen;

	if (l->count == l->capacity) {
		l->capacity = l->capacity ? 2 * l->capacity : 128;
		l->records = mem_resize(l->records, l->capacity * sizeof(l->records[0]));
	}
	if (l->count == 0)
		l->first = number;
	seen = &l->records[l->count++];
	*seen = (struct record_seen){ .type = r->type };
	if (r->type == RAFT_RECORD_HARD)
		seen->hard = r->hard;
	else
		seen->entry = entry_for(host, &r->entry, counts);
}

void seen_append(struct host *host, const struct effect *x)
{
	struct log_seen *l = &host->log;
	struct raft_record r;

	if (raft_record_parse(x->body, &r) < 0) {
		sim_fail(host->sim, "%s: record %llu does not parse", host->name,
			 (unsigned long long)x->id);
		return;
	}
	if (r.type == RAFT_RECORD_ENTRY && r.entry.index > seen_end(l) + 1 &&
	    r.entry.index > l->snapshot_index + 1)
		sim_fail(host->sim, "%s: entry %llu is written, the one before it is missing",
			 host->name, (unsigned long long)r.entry.index);
	add_record(host, x->id, &r, 1);
	if (r.type == RAFT_RECORD_ENTRY) {
		struct entry_seen *e = l->records[l->count - 1].entry;

		check_overwrite(host, e);
		add_entry(host, e, x->id);
	}
}

static void advance_durable(struct log_seen *l)
{
	if (l->durable_entries < l->base)
		l->durable_entries = l->base;
	while (l->durable_entries < seen_end(l) &&
	       l->numbers[l->durable_entries - l->base] <= l->durable)
		l->durable_entries++;
}

void seen_durable(struct host *host, uint64_t number)
{
	struct log_seen *l = &host->log;

	for (uint64_t n = l->durable + 1; n <= number; n++) {
		if (n >= l->first && n - l->first < l->count &&
		    l->records[n - l->first].type == RAFT_RECORD_HARD)
			l->hard = l->records[n - l->first].hard;
	}
	l->durable = number;
	advance_durable(l);
	if (host->damaged && host->store.raft_id == host->damaged_id)
		host->damaged_entries = l->durable_entries;	/* nobody has noticed it yet */
}

void seen_snapshot(struct host *host, uint64_t index, int installed)
{
	struct log_seen *l = &host->log;

	if (installed)
		l->installed = index;
	if (index > l->snapshot_index)
		l->snapshot_index = index;
}

/* ---- recovery -------------------------------------------------------------------- */

static void log_done(struct log_seen *l)
{
	mem_free(l->records);
	mem_free(l->entries);
	mem_free(l->numbers);
	*l = (struct log_seen){ 0 };
}

void seen_recovery(struct host *host)
{
	if (host->recovering) {
		log_done(&host->log);
		return;
	}
	host->log_before = host->log;
	host->log = (struct log_seen){ 0 };
	host->recovering = 1;
}

void seen_retire(struct host *host)
{
	struct checks *c = &host->sim->checks;

	if (host->log.count && check_nodes_member(host->sim, host->store.raft_id))
		sim_fail(host->sim, "%s gives up its log, and is a member", host->name);
	if (host->store.raft_id && host->log.count && c->retired_count < RETIRED) {
		c->retired[c->retired_count].raft_id = host->store.raft_id;
		c->retired[c->retired_count++].entries = host->log.durable_entries;
	}
	log_done(&host->log);
	host->applied = host->compared = 0;
}

void seen_crash(struct host *host)
{
	if (!host->recovering)
		return;
	log_done(&host->log);
	host->log = host->log_before;
	host->recovering = 0;
}

void seen_loaded(struct host *host, const struct raft *raft, uint64_t number, struct slice record)
{
	struct log_seen *l = &host->log, *before = &host->log_before;
	const struct record_seen *old = NULL, *now;
	struct raft_record r;
	int counts;

	if (raft_record_parse(record, &r) < 0) {
		sim_fail(host->sim, "%s: record %llu does not parse", host->name,
			 (unsigned long long)number);
		return;
	}
	if (before->count && number >= before->first && number - before->first < before->count)
		old = &before->records[number - before->first];
	/* What is below may be of a log that an installed snapshot has replaced. */
	counts = number >= raft->wal_keep;
	add_record(host, number, &r, counts);
	now = &l->records[l->count - 1];
	if (old && (old->type != now->type || old->entry != now->entry ||
		    old->hard.term != now->hard.term || old->hard.vote != now->hard.vote))
		sim_fail(host->sim, "%s: record %llu is not what was written", host->name,
			 (unsigned long long)number);
	if (!old)
		sim_fail(host->sim, "%s: nobody wrote record %llu", host->name,
			 (unsigned long long)number);
	if (now->entry && counts)
		add_entry(host, now->entry, number);
}

void seen_recovered(struct host *host, int damaged)
{
	const struct raft *r = manager_raft(host->manager);
	struct log_seen *l = &host->log, *before = &host->log_before;
	const struct raft_hard *hard = &before->hard;
	uint64_t last = l->count ? l->first + l->count - 1 : 0;

	if (last < host->store.wal.last) {	/* it goes on where the snapshot says */
		last = host->store.wal.last;
		l->count = 0;
	}
	if (!damaged && (r->hard.term < hard->term ||
			 (r->hard.term == hard->term && hard->vote && r->hard.vote != hard->vote)))
		sim_fail(host->sim, "%s: term %llu or its vote was durable and is forgotten",
			 host->name, (unsigned long long)hard->term);
	if (!damaged && last < before->durable)
		sim_fail(host->sim, "%s: record %llu was durable, and the log ends at %llu",
			 host->name, (unsigned long long)before->durable,
			 (unsigned long long)last);
	log_done(before);
	host->recovering = 0;
	l->hard = r->hard;
	l->durable = last;
	l->durable_entries = seen_end(l);
	if (l->durable_entries < l->snapshot_index)
		l->durable_entries = l->snapshot_index;
	host->applied = manager_state(host->manager)->applied;
	if (host->applied > host->sim->checks.committed_count)
		sim_fail(host->sim, "%s: its snapshot of entry %llu holds what is not committed",
			 host->name, (unsigned long long)host->applied);
}

struct host *seen_host(struct sim *sim, uint64_t raft_id)
{
	for (int i = 0; i < HOSTS; i++) {
		if (sim->hosts[i].used && sim->hosts[i].store.raft_id == raft_id)
			return &sim->hosts[i];
	}
	return NULL;
}

int seen_has(const struct host *host, const struct entry_seen *e)
{
	const struct log_seen *l = &host->log;

	if (l->snapshot_index >= e->index)
		return 1;
	return l->durable_entries >= e->index && seen_entry(l, e->index) == e;
}

/* ---- leaders --------------------------------------------------------------------- */

/* Every entry that was committed in an earlier term is in a leader's log (3.6.3). */
static void check_complete(struct host *host, uint64_t term)
{
	const struct checks *c = &host->sim->checks;
	const struct log_seen *l = &host->log;
	uint64_t last = c->committed_count;

	while (last > 0 && c->commit_terms[last - 1] >= term)
		last--;
	if (seen_end(l) < last && l->snapshot_index < last) {
		sim_fail(host->sim, "%s leads with entries up to %llu, %llu are committed",
			 host->name, (unsigned long long)seen_end(l), (unsigned long long)last);
		return;
	}
	for (uint64_t i = last; i > l->base && i > l->snapshot_index; i--) {
		if (seen_entry(l, i) != c->committed[i - 1])
			sim_fail(host->sim, "%s leads with another entry %llu than is committed",
				 host->name, (unsigned long long)i);
	}
}

/* A new leader does not know yet what the others have on disk (figure 3.1). */
static void check_matches(const struct host *host, const struct raft *r)
{
	for (uint32_t i = 0; i < r->config.count; i++) {
		if (r->config.members[i].id != r->id && r->peers[i].match > 0)
			sim_fail(host->sim, "%s: begins to lead, and thinks that %llx has entry "
				 "%llu", host->name, (unsigned long long)r->config.members[i].id,
				 (unsigned long long)r->peers[i].match);
	}
}

static void check_leader(struct host *host, const struct raft *r)
{
	uint64_t other;
	char key[8];

	host->led_term = r->hard.term;
	host->sim->marks[MARK_ELECTION]++;
	sim_trace(host->sim, "%s leads in term %llu", host->name,
		  (unsigned long long)r->hard.term);
	if (!seen_note(&host->sim->checks.leaders, sim_key(r->hard.term, key), r->id, &other))
		sim_fail(host->sim, "%s leads in term %llu, and so did %llx", host->name,
			 (unsigned long long)r->hard.term, (unsigned long long)other);
	if (host->log.hard.term != r->hard.term || host->log.hard.vote != r->id)
		sim_fail(host->sim, "%s leads by a vote of its own that is not durable",
			 host->name);
	/* Who knows that it goes leads until that is committed (4.2.2). */
	if (raft_member(r, r->id) && map_find(&host->sim->checks.out, sim_key(r->id, key)))
		sim_fail(host->sim, "%s leads, and it was taken out", host->name);
	check_complete(host, r->hard.term);
	check_matches(host, r);
}

struct host *seen_leader(struct sim *sim)
{
	struct host *found = NULL;

	for (int i = 0; i < HOSTS; i++) {
		struct host *host = &sim->hosts[i];

		if (host_runs(host) && manager_raft(host->manager)->role == RAFT_LEADER &&
		    (!found || host->led_term > found->led_term))
			found = host;
	}
	return found;
}

/* Hears nothing from most of its voters since then. */
static int is_alone(const struct host *host, const struct raft *r)
{
	const struct sim *sim = host->sim;
	uint32_t voters = 0, heard = 0;

	for (uint32_t i = 0; i < r->config.count; i++) {
		const struct host *other = seen_host(host->sim, r->config.members[i].id);

		if (!r->config.members[i].votes)
			continue;
		voters++;
		heard += !other || other == host || !sim->cut[other->number][host->number];
	}
	return heard <= voters / 2;
}

void seen_cut(struct sim *sim)
{
	for (int i = 0; i < HOSTS; i++) {
		const struct host *host = &sim->hosts[i];
		const struct raft *r = host->manager ? manager_raft(host->manager) : NULL;
		uint64_t since = host->resumed_us > sim->cut_us ? host->resumed_us :
			sim->cut_us;

		if (since < host->config_us)
			since = host->config_us;	/* by which it may be alone */
		if (!host_runs(host) || host->busy || r->role != RAFT_LEADER ||
		    since + ALONE_US > sim->now_us)
			continue;
		if (is_alone(host, r))
			sim_fail(sim, "%s leads, and heard nothing from most for %llu ms",
				 host->name, (unsigned long long)((sim->now_us - since) / MS));
	}
}

/* ---- what is committed ----------------------------------------------------------- */

/* It said so, and then its disk was damaged: that the entry is committed is true all the same, as
 * nobody else votes in its name. */
static int was_durable(struct sim *sim, uint64_t raft_id, const struct entry_seen *e)
{
	for (int i = 0; i < HOSTS; i++) {
		if (sim->hosts[i].damaged && sim->hosts[i].damaged_id == raft_id)
			return sim->hosts[i].damaged_entries >= e->index;
	}
	for (int i = 0; i < sim->checks.retired_count; i++) {
		if (sim->checks.retired[i].raft_id == raft_id)
			return sim->checks.retired[i].entries >= e->index;
	}
	return 0;
}

/* How many voters have it, of how many. */
static int count_voters(struct sim *sim, const struct raft_config *c, const struct entry_seen *e,
			int *voters)
{
	int have = 0;

	*voters = 0;
	for (uint32_t i = 0; i < c->count; i++) {
		const struct host *member = seen_host(sim, c->members[i].id);

		if (!c->members[i].votes)
			continue;
		++*voters;
		have += member ? seen_has(member, e) :
				 was_durable(sim, c->members[i].id, e);
	}
	return have;
}

/* A leader may say so only when most voters have it on disk. It may have changed who votes after
 * that in the same step. */
static void check_majority(struct host *host, const struct entry_seen *e)
{
	const struct raft *r = manager_raft(host->manager);
	int voters, have;

	if (r->role != RAFT_LEADER)
		return;		/* it was told by one */
	have = count_voters(host->sim, &r->config, e, &voters);
	if (2 * have <= voters)
		have = count_voters(host->sim, &host->voters, e, &voters);
	if (2 * have <= voters)
		sim_fail(host->sim, "%s: entry %llu counts as committed, %d of %d voters have it",
			 host->name, (unsigned long long)e->index, have, voters);
}

static void commit(struct host *host, uint64_t index)
{
	struct checks *c = &host->sim->checks;
	struct entry_seen *e = seen_entry(&host->log, index);

	if (!e) {
		sim_fail(host->sim, "%s: entry %llu was applied and is not in the log", host->name,
			 (unsigned long long)index);
		return;
	}
	if (index <= c->committed_count) {
		if (c->committed[index - 1] != e)
			sim_fail(host->sim, "%s: entry %llu of term %llu was applied, committed is "
				 "that of term %llu", host->name, (unsigned long long)index,
				 (unsigned long long)e->term,
				 (unsigned long long)c->committed[index - 1]->term);
		return;
	}
	check_majority(host, e);
	if (c->committed_count == c->committed_capacity) {
		c->committed_capacity = c->committed_capacity ? 2 * c->committed_capacity : 256;
		c->committed = mem_resize(c->committed,
					  c->committed_capacity * sizeof(c->committed[0]));
		c->commit_terms = mem_resize(c->commit_terms, c->committed_capacity *
					     sizeof(c->commit_terms[0]));
	}
	c->commit_terms[c->committed_count] = manager_raft(host->manager)->hard.term;
	c->committed[c->committed_count++] = e;
	check_commit(host->sim, e);
}

/* A leader commits entries of older terms only along with one of its own (3.6.2, figure 3.7). */
static void check_counted(struct host *host, const struct raft *r, uint64_t applied)
{
	const struct entry_seen *e = seen_entry(&host->log, applied);

	if (e && e->term != r->hard.term)
		sim_fail(host->sim, "%s: commits entry %llu of term %llu by counting, in term %llu",
			 host->name, (unsigned long long)applied, (unsigned long long)e->term,
			 (unsigned long long)r->hard.term);
}

/* The configuration in force is the newest in the log (4.1), and who is not in it leads only until
 * that is committed (4.2.2). */
static void check_config(struct host *host, const struct raft *r)
{
	const struct log_seen *l = &host->log;
	const struct entry_seen *e = seen_entry(l, r->config_index);
	const struct raft_member *self = raft_member(r, r->id);

	if (r->config_index > l->snapshot_index && !(e && e->kind == RAFT_CONFIG))
		sim_fail(host->sim, "%s: goes by a configuration that is not in its log",
			 host->name);
	if (r->role == RAFT_LEADER && r->config_index <= r->commit && !(self && self->votes))
		sim_fail(host->sim, "%s leads, and is no voter any more", host->name);
}

/* What stands before the state in a snapshot; ours: taken here, not from a leader. */
void seen_snapshot_meta(struct host *host, struct slice bytes, int ours)
{
	const struct checks *c = &host->sim->checks;
	struct raft_config config;
	struct raft_snapshot s;
	uint64_t i;

	if (raft_snapshot_parse(&bytes, &s) < 0 || s.index == 0 || s.index > c->committed_count) {
		sim_fail(host->sim, "%s: a snapshot of what is not committed", host->name);
		return;
	}
	if (c->committed[s.index - 1]->term != s.term)
		sim_fail(host->sim, "%s: a snapshot of entry %llu with another term", host->name,
			 (unsigned long long)s.index);
	if (ours && s.wal_keep > host->store.wal.durable + 1)
		sim_fail(host->sim, "%s: its snapshot wants record %llu, durable are %llu",
			 host->name, (unsigned long long)s.wal_keep,
			 (unsigned long long)host->store.wal.durable);
	for (i = s.index; i > 0 && c->committed[i - 1]->kind != RAFT_CONFIG;)
		i--;
	if (i == 0 || raft_config_parse(c->committed[i - 1]->data, &config) < 0)
		return;
	if (memcmp(&config, &s.config, sizeof(config)) != 0)
		sim_fail(host->sim, "%s: the snapshot of entry %llu has not the configuration of "
			 "entry %llu", host->name, (unsigned long long)s.index,
			 (unsigned long long)i);
}

void seen_check(struct host *host)
{
	const struct raft *r = manager_raft(host->manager);
	uint64_t applied = manager_state(host->manager)->applied;

	if (r->role == RAFT_LEADER && host->led_term != r->hard.term)
		check_leader(host, r);
	if (host->log.installed > host->applied && applied >= host->log.installed) {
		host->applied = host->log.installed;
		host->sim->marks[MARK_INSTALLED]++;
		/* Of what was there it keeps what follows the snapshot, or nothing. */
		if (seen_end(&host->log) > r->base_index + r->count)
			cut(&host->log, r->base_index + r->count);
		forget(&host->log, host->applied);
		if (host->applied > host->sim->checks.committed_count)
			sim_fail(host->sim, "%s: installed what is not committed", host->name);
	}
	if (applied < host->applied)
		sim_fail(host->sim, "%s: goes back from entry %llu to %llu", host->name,
			 (unsigned long long)host->applied, (unsigned long long)applied);
	if (host->applied < applied && r->role == RAFT_LEADER)
		check_counted(host, r, applied);
	while (host->applied < applied && !host->sim->failed)
		commit(host, ++host->applied);
	check_config(host, r);
	promises_rounds(host);
	if (host->config_changes != r->config_changes) {
		host->config_changes = r->config_changes;
		host->config_us = host->sim->now_us;
		host->voters = r->config;
	}
}

/* ---- begin and end --------------------------------------------------------------- */

void seen_init(struct sim *sim)
{
	map_init(&sim->checks.leaders);
	map_init(&sim->checks.votes);
	map_init(&sim->checks.rounds);
	map_init(&sim->checks.out);
	arena_init(&sim->checks.arena);
}

static void free_map(struct map *map)
{
	for (struct map_entry *e = map_first(map); e; e = map_next(e))
		mem_free(e->value);
	map_done(map);
}

void seen_done(struct sim *sim)
{
	for (int i = 0; i < HOSTS; i++) {
		seen_crash(&sim->hosts[i]);
		log_done(&sim->hosts[i].log);
	}
	free_map(&sim->checks.leaders);
	free_map(&sim->checks.votes);
	free_map(&sim->checks.rounds);
	map_done(&sim->checks.out);
	mem_free(sim->checks.committed);
	mem_free(sim->checks.commit_terms);
	arena_done(&sim->checks.arena);
}
