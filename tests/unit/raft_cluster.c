/* The cluster behind raft_cluster.h. Time goes in steps of 1 ms; in each, every node ticks, gets
 * its messages, ends its syncs, and flushes. */
#include "raft_cluster.h"
#include <stdio.h>
#include <string.h>
#include "base/buf.h"
#include "base/bytes.h"
#include "base/err.h"
#include "base/mem.h"
#include "unit.h"

static uint64_t hash_add(uint64_t hash, const void *data, size_t len)
{
	const uint8_t *p = data;

	for (size_t i = 0; i < len; i++)
		hash = (hash ^ p[i]) * UINT64_C(0x100000001b3);
	return hash;
}

static uint64_t entry_hash(uint64_t hash, const struct raft_entry *e)
{
	uint64_t fields[3] = { e->index, e->term, (uint64_t)e->kind };

	hash = hash_add(hash, fields, sizeof(fields));
	return hash_add(hash, e->data.data, e->data.len);
}

static char *heap_copy(struct slice s)
{
	char *p = mem_new(s.len);

	if (s.len)
		memcpy(p, s.data, s.len);
	return p;
}

struct cluster_node *cluster_node(struct cluster *c, uint64_t id)
{
	for (uint32_t i = 0; i < c->node_count; i++) {
		if (c->nodes[i].id == id)
			return &c->nodes[i];
	}
	return NULL;
}

static uint32_t place(const struct cluster *c, const struct cluster_node *n)
{
	return (uint32_t)(n - c->nodes);
}

/* ---- checks -------------------------------------------------------------------------- */

static void check_leader(struct cluster *c, const struct cluster_node *n)
{
	uint64_t term = n->raft.hard.term;

	if (n->raft.role != RAFT_LEADER)
		return;
	CHECK(term < CLUSTER_TERMS);
	if (c->leader_of[term] == n->id)
		return;
	CHECK_INT(c->leader_of[term], 0);
	c->leader_of[term] = n->id;
	/* Leader completeness (thesis 3.6.3). */
	for (uint64_t i = n->raft.base_index + 1; i <= c->committed; i++) {
		uint64_t at = i - n->raft.base_index - 1;

		if (c->committed_in[i] >= term)
			continue;
		CHECK(at < n->raft.count);
		CHECK_INT(n->raft.entries[at].term, c->committed_term[i]);
	}
}

static void check_applied(struct cluster *c, struct cluster_node *n, const struct raft_entry *e)
{
	CHECK(e->index < CLUSTER_INDEXES);
	CHECK_INT(e->index, n->applied + 1);
	n->hash = entry_hash(n->hash, e);
	n->applied = e->index;
	if (c->committed_term[e->index] == 0) {
		CHECK_INT(e->index, c->committed + 1);
		/* One that is left out by what it commits leads no more after it. */
		CHECK(n->raft.role == RAFT_LEADER || n->u.role_changed);
		c->committed_term[e->index] = e->term;
		c->committed_in[e->index] = n->raft.hard.term;
		c->state[e->index] = n->hash;
		c->committed = e->index;
	}
	CHECK_INT(c->committed_term[e->index], e->term);
	CHECK(c->state[e->index] == n->hash);
}

/* Log matching (thesis 3.5): same index and term, same entry, and so for all before it. */
static void check_logs(const struct cluster_node *a, const struct cluster_node *b)
{
	uint64_t last = a->raft.base_index + a->raft.count;
	uint64_t first = a->raft.base_index > b->raft.base_index ? a->raft.base_index :
		b->raft.base_index;
	int same = 0;

	if (b->raft.base_index + b->raft.count < last)
		last = b->raft.base_index + b->raft.count;
	for (uint64_t i = last; i > first; i--) {
		const struct raft_entry *x = &a->raft.entries[i - a->raft.base_index - 1];
		const struct raft_entry *y = &b->raft.entries[i - b->raft.base_index - 1];

		if (x->term == y->term)
			same = 1;
		if (same)
			CHECK(x->term == y->term && x->kind == y->kind &&
			      slice_equal(x->data, y->data));
	}
}

static void check_read(struct cluster_node *n)
{
	if (n->raft.role != RAFT_LEADER)
		n->ticket = 0;
	if (n->ticket == 0 || n->raft.read_confirmed < n->ticket)
		return;
	CHECK(n->raft.commit >= n->ticket_floor && n->applied == n->raft.commit);
	n->ticket = 0;
	n->reads++;
}

/* ---- an update is carried out --------------------------------------------------------- */

static void record_keep(struct cluster_node *n, const struct raft_append *a)
{
	CHECK_INT(a->number, n->written + 1);
	if (n->written == n->capacity) {
		n->capacity = n->capacity ? n->capacity * 2 : 64;
		n->records = mem_resize(n->records, n->capacity * sizeof(*n->records));
		memset(n->records + n->written, 0,
		       (n->capacity - n->written) * sizeof(*n->records));
	}
	mem_free((void *)(uintptr_t)n->records[n->written].data);
	n->records[n->written++] = (struct slice){ heap_copy(a->body), a->body.len };
}

static void message_add(struct cluster *c, uint64_t from, uint64_t to, struct slice bytes)
{
	uint64_t delay = c->delay_min + rng_below(&c->rng, c->delay_max - c->delay_min + 1);

	if (c->message_count == c->message_capacity) {
		c->message_capacity = c->message_capacity ? c->message_capacity * 2 : 64;
		c->messages = mem_resize(c->messages, c->message_capacity *
					 sizeof(*c->messages));
	}
	c->messages[c->message_count++] = (struct cluster_message){
		.from = from, .to = to, .due = c->now + delay,
		.bytes = { heap_copy(bytes), bytes.len },
	};
}

static void message_send(struct cluster *c, struct cluster_node *n, const struct raft_message *m)
{
	struct buf b;

	CHECK(m->to != n->id && m->to != 0);
	n->sent++;
	buf_init(&b, RAFT_MESSAGE_MAX);
	raft_message_build(&b, m);
	CHECK_INT(b.failed, 0);
	if (!rng_chance(&c->rng, c->lose, 1000))
		message_add(c, n->id, m->to, buf_slice(&b));
	if (rng_chance(&c->rng, c->twice, 1000))
		message_add(c, n->id, m->to, buf_slice(&b));
	buf_done(&b);
}

static void piece_take(struct cluster *c, struct cluster_node *n, const struct raft_message *m)
{
	if (m->offset == 0) {
		raft_install_meta(&n->raft, m, &n->in);
		n->in_len = 0;
	}
	CHECK_INT(n->in.index, m->index);
	CHECK_INT(n->in_len, m->offset);
	CHECK(m->data.len <= CLUSTER_SNAPSHOT - n->in_len);
	memcpy(n->in_data + n->in_len, m->data.data, m->data.len);
	n->in_len += m->data.len;
	n->store_next = n->in_len;
	n->store_last = !m->more;
	if (n->store_due == 0)
		n->store_due = c->now + 1 + rng_below(&c->rng, c->disk_ms + 1);
}

void cluster_take(struct cluster *c, struct cluster_node *n)
{
	uint64_t commit = n->applied + n->u.committed_count;

	for (struct raft_append *a = n->u.append; a; a = a->next)
		record_keep(n, a);
	for (struct raft_send *s = n->u.send; s; s = s->next)
		message_send(c, n, &s->message);
	for (struct raft_want *w = n->u.want; w; w = w->next) {
		CHECK(c->want_count < 64);
		c->wants[c->want_count++] = (struct cluster_want){ n->id, c->now + 1, *w };
	}
	for (uint32_t i = 0; i < n->u.committed_count; i++)
		check_applied(c, n, &n->u.committed[i]);
	CHECK(n->raft.commit == commit || n->raft.snapshot_index == n->raft.commit);
	if (n->u.piece_drop)
		n->store_due = n->in.index = 0;
	if (n->u.piece)
		piece_take(c, n, n->u.piece);
	check_leader(c, n);
	check_read(n);
	n->u.append = NULL;
	n->u.send = NULL;
	n->u.want = NULL;
	n->u.piece = NULL;
	n->u.committed_count = 0;
	n->u.now_ms = c->now;
	arena_reset(&n->arena);
}

/* ---- snapshots -------------------------------------------------------------------------- */

static void state_build(char out[CLUSTER_SNAPSHOT], uint64_t index, uint64_t hash)
{
	memset(out, 0x55, CLUSTER_SNAPSHOT);
	bytes_put(out, 8, index);
	bytes_put(out + 8, 8, hash);
}

static void store_end(struct cluster *c, struct cluster_node *n)
{
	char whole[CLUSTER_SNAPSHOT];

	n->store_due = 0;
	if (!n->store_last) {
		raft_stored(&n->raft, n->in.index, n->store_next, &n->u);
		cluster_take(c, n);
		return;
	}
	CHECK(n->in.index <= c->committed);
	state_build(whole, n->in.index, c->state[n->in.index]);
	CHECK(n->in_len == sizeof(whole) && memcmp(whole, n->in_data, sizeof(whole)) == 0);
	n->meta = n->in;
	n->meta_hash = c->state[n->in.index];
	n->applied = n->in.index;
	n->hash = n->meta_hash;
	n->installs++;
	raft_installed(&n->raft, &n->in, &n->u);
	CHECK_INT(n->raft.commit, n->applied);
	cluster_take(c, n);
}

static void want_answer(struct cluster *c, const struct cluster_want *w)
{
	struct cluster_node *n = cluster_node(c, w->node);
	char whole[CLUSTER_SNAPSHOT];
	struct slice piece = { 0 };
	int more = 1;

	if (!n->running)
		return;
	if (w->want.index == n->meta.index)
		state_build(whole, n->meta.index, n->meta_hash);
	else if (w->want.index == n->meta_before.index)
		state_build(whole, n->meta_before.index, n->meta_before_hash);
	if ((w->want.index == n->meta.index || w->want.index == n->meta_before.index) &&
	    w->want.offset < CLUSTER_SNAPSHOT) {
		piece = (struct slice){ whole + w->want.offset, CLUSTER_PIECE };
		if (w->want.offset + CLUSTER_PIECE >= CLUSTER_SNAPSHOT) {
			piece.len = CLUSTER_SNAPSHOT - (size_t)w->want.offset;
			more = 0;
		}
	}
	raft_piece(&n->raft, &w->want, piece, more, &n->u);
	cluster_take(c, n);
}

void cluster_snapshot(struct cluster *c, struct cluster_node *n)
{
	struct raft_snapshot meta;

	if (n->raft.commit <= n->meta.index)
		return;
	raft_snapshot_meta(&n->raft, &meta);
	CHECK(meta.wal_keep >= n->meta.wal_keep && meta.wal_keep <= n->synced + 1);
	n->meta_before = n->meta;
	n->meta_before_hash = n->meta_hash;
	n->meta = meta;
	n->meta_hash = n->hash;
	if (!n->keeps_wal)
		n->first = meta.wal_keep;
	raft_compact(&n->raft, meta.index);
	CHECK_INT(n->raft.snapshot_index, meta.index);
	(void)c;	/* as the other calls */
}

/* ---- life -------------------------------------------------------------------------- */

struct cluster_node *cluster_add(struct cluster *c, uint64_t id)
{
	struct cluster_node *n = &c->nodes[c->node_count++];

	memset(n, 0, sizeof(*n));
	n->id = id;
	n->first = 1;
	arena_init(&n->arena);
	n->u.arena = &n->arena;
	return n;
}

void cluster_init(struct cluster *c, uint64_t seed, uint32_t voters, uint32_t learners)
{
	struct raft_config config = { .count = voters + learners };
	struct raft_entry e = { .index = 1, .term = 1, .kind = RAFT_CONFIG };
	struct buf data, record;

	memset(c, 0, sizeof(*c));
	rng_init(&c->rng, seed);
	c->now = 1000;
	c->delay_min = c->delay_max = 1;
	c->disk_ms = 1;
	for (uint32_t i = 0; i < config.count; i++) {
		config.members[i] = (struct raft_member){ .id = i + 1, .votes = i < voters };
		snprintf(config.members[i].about, RAFT_ABOUT_MAX, "n%u", i + 1);
	}
	buf_init(&data, RAFT_RECORD_MAX);
	buf_init(&record, RAFT_RECORD_MAX);
	raft_config_build(&data, &config);
	e.data = buf_slice(&data);
	raft_entry_build(&record, &e);
	/* Entry 1 is there without a leader that committed it. */
	c->committed = c->committed_term[1] = c->committed_in[1] = 1;
	c->state[1] = entry_hash(0, &e);
	for (uint32_t i = 0; i < config.count; i++) {
		struct cluster_node *n = cluster_add(c, i + 1);
		struct raft_append a = { .number = 1, .body = buf_slice(&record) };

		record_keep(n, &a);
		n->synced = 1;
	}
	buf_done(&data);
	buf_done(&record);
}

static void node_off(struct cluster_node *n)
{
	if (n->running)
		raft_done(&n->raft);
	n->running = 0;
	arena_reset(&n->arena);
}

void cluster_done(struct cluster *c)
{
	for (uint32_t i = 0; i < c->node_count; i++) {
		struct cluster_node *n = &c->nodes[i];

		node_off(n);
		for (uint64_t k = 0; k < n->capacity; k++)
			mem_free((void *)(uintptr_t)n->records[k].data);
		mem_free(n->records);
		arena_done(&n->arena);
	}
	for (uint32_t i = 0; i < c->message_count; i++)
		mem_free((void *)(uintptr_t)c->messages[i].bytes.data);
	mem_free(c->messages);
}

static void connect(struct cluster *c, struct cluster_node *a, struct cluster_node *b)
{
	a->u.now_ms = b->u.now_ms = c->now;
	raft_peer_up(&a->raft, b->id, &a->u);
	cluster_take(c, a);
	raft_peer_up(&b->raft, a->id, &b->u);
	cluster_take(c, b);
}

void cluster_start(struct cluster *c, uint64_t id)
{
	struct cluster_node *n = cluster_node(c, id);

	CHECK(n && !n->running);
	n->running = 1;
	n->u.now_ms = c->now;
	raft_init(&n->raft, id, rng_next(&c->rng));
	if (n->keep_bytes_max)
		n->raft.keep_bytes_max = n->keep_bytes_max;
	n->applied = n->meta.index;
	n->hash = n->meta_hash;
	n->in.index = n->store_due = n->ticket = 0;
	n->syncing = n->sync_due = 0;
	if (n->meta.index)
		raft_load_snapshot(&n->raft, &n->meta);
	for (uint64_t i = n->first; i <= n->written; i++)
		CHECK_INT(raft_load_record(&n->raft, i, n->records[i - 1]), 0);
	CHECK_INT(raft_start(&n->raft, n->written, RAFT_JOIN, "", &n->u), 0);
	cluster_take(c, n);
	for (uint32_t i = 0; i < c->node_count; i++) {
		if (c->nodes[i].running && &c->nodes[i] != n)
			connect(c, n, &c->nodes[i]);
	}
}

void cluster_start_all(struct cluster *c)
{
	for (uint32_t i = 0; i < c->node_count; i++) {
		if (!c->nodes[i].running)
			cluster_start(c, c->nodes[i].id);
	}
}

void cluster_crash(struct cluster *c, uint64_t id, uint64_t lose, int seen)
{
	struct cluster_node *n = cluster_node(c, id);
	uint64_t unsynced = n->written - n->synced;

	CHECK(n->running);
	node_off(n);
	n->written -= lose < unsynced ? lose : unsynced;
	n->synced = n->written;
	/* The last piece may have been stored, and nobody was told. */
	if (n->store_due && n->store_last && rng_chance(&c->rng, 1, 2)) {
		n->meta = n->in;
		n->meta_hash = c->state[n->in.index];
	}
	n->store_due = 0;
	for (uint32_t i = 0; i < c->message_count; i++) {
		if (seen && c->messages[i].to == id)
			c->messages[i].due = 0;		/* to nobody */
	}
	for (uint32_t i = 0; seen && i < c->node_count; i++) {
		struct cluster_node *other = &c->nodes[i];

		if (!other->running)
			continue;
		other->u.now_ms = c->now;
		raft_peer_down(&other->raft, id, &other->u);
		cluster_take(c, other);
	}
}

void cluster_cut(struct cluster *c, uint64_t a, uint64_t b, int on)
{
	uint32_t x = place(c, cluster_node(c, a)), y = place(c, cluster_node(c, b));

	c->cut[x][y] = c->cut[y][x] = on;
}

/* ---- time -------------------------------------------------------------------------- */

static void deliver(struct cluster *c, const struct cluster_message *m)
{
	struct cluster_node *from = cluster_node(c, m->from), *to = cluster_node(c, m->to);
	struct raft_message message = { 0 };
	struct arena arena;

	if (!to || !to->running || m->due == 0 || c->cut[place(c, from)][place(c, to)])
		return;
	arena_init(&arena);
	CHECK_INT(raft_message_parse(&arena, m->bytes, &message), 0);
	raft_receive(&to->raft, m->from, &message, &to->u);
	cluster_take(c, to);
	arena_done(&arena);
}

static void deliver_due(struct cluster *c)
{
	uint32_t count = c->message_count, kept = 0;

	for (uint32_t i = 0; i < count; i++) {
		struct cluster_message m = c->messages[i];

		if (m.due > c->now) {
			c->messages[kept++] = m;
			continue;
		}
		deliver(c, &m);
		mem_free((void *)(uintptr_t)m.bytes.data);
	}
	/* What was sent meanwhile stands after the old ones. */
	if (c->message_count > count)
		memmove(c->messages + kept, c->messages + count,
			(c->message_count - count) * sizeof(*c->messages));
	c->message_count = kept + c->message_count - count;
}

static void node_disk(struct cluster *c, struct cluster_node *n)
{
	if (n->syncing && n->sync_due <= c->now && !n->disk_stuck) {
		n->synced = n->syncing;
		n->syncing = 0;
		raft_persisted(&n->raft, n->synced, &n->u);
		cluster_take(c, n);
	}
	if (!n->syncing && n->written > n->synced) {
		n->syncing = n->written;
		if (c->disk_parts)
			n->syncing -= rng_below(&c->rng, n->written - n->synced);
		n->sync_due = c->now + c->disk_ms;
	}
	if (n->store_due && n->store_due <= c->now && !n->disk_stuck)
		store_end(c, n);
}

static void step(struct cluster *c)
{
	struct cluster_want wants[64];
	uint32_t count = c->want_count;

	c->now++;
	for (uint32_t i = 0; i < c->node_count; i++)
		c->nodes[i].u.now_ms = c->now;
	deliver_due(c);
	memcpy(wants, c->wants, sizeof(wants));
	c->want_count = 0;
	for (uint32_t i = 0; i < count; i++)
		want_answer(c, &wants[i]);
	for (uint32_t i = 0; i < c->node_count; i++) {
		struct cluster_node *n = &c->nodes[i];

		if (!n->running)
			continue;
		if (n->raft.deadline_ms && n->raft.deadline_ms <= c->now) {
			raft_tick(&n->raft, &n->u);
			cluster_take(c, n);
			CHECK(n->raft.deadline_ms == 0 || n->raft.deadline_ms > c->now);
		}
		if (n->raft.flush_due) {
			raft_flush(&n->raft, &n->u);
			cluster_take(c, n);
			CHECK(!n->raft.flush_due);
		}
		node_disk(c, n);
	}
}

static void check_all_logs(const struct cluster *c)
{
	for (uint32_t i = 0; i < c->node_count; i++) {
		for (uint32_t j = i + 1; j < c->node_count; j++) {
			if (c->nodes[i].running && c->nodes[j].running)
				check_logs(&c->nodes[i], &c->nodes[j]);
		}
	}
}

void cluster_run(struct cluster *c, uint64_t ms)
{
	for (uint64_t i = 0; i < ms && !unit_failed(); i++)
		step(c);
	if (!unit_failed())
		check_all_logs(c);
}

struct cluster_node *cluster_leader(struct cluster *c)
{
	struct cluster_node *best = NULL;

	for (uint32_t i = 0; i < c->node_count; i++) {
		struct cluster_node *n = &c->nodes[i];

		if (n->running && raft_is_ready(&n->raft) &&
		    (!best || n->raft.hard.term > best->raft.hard.term))
			best = n;
	}
	return best;
}

/* Those that it takes for members do: one that was removed may never hear of it. */
static int all_know(struct cluster *c, const struct cluster_node *leader)
{
	for (uint32_t i = 0; i < c->node_count; i++) {
		struct cluster_node *n = &c->nodes[i];

		if (n->running && raft_member(&leader->raft, n->id) &&
		    n->raft.leader != leader->id)
			return 0;
	}
	return 1;
}

static void show(const struct cluster *c)
{
	for (uint32_t i = 0; i < c->node_count; i++) {
		const struct cluster_node *n = &c->nodes[i];
		const struct raft *r = &n->raft;

		if (!n->running)
			continue;
		printf("  %llu: role %d term %llu vote %llu leader %llu commit %llu last %llu/%llu "
		       "snapshot %llu members", (unsigned long long)n->id, (int)r->role,
		       (unsigned long long)r->hard.term, (unsigned long long)r->hard.vote,
		       (unsigned long long)r->leader, (unsigned long long)r->commit,
		       (unsigned long long)(r->base_index + r->count),
		       (unsigned long long)(r->count ? r->entries[r->count - 1].term : 0),
		       (unsigned long long)r->snapshot_index);
		for (uint32_t j = 0; j < r->config.count; j++)
			printf(" %llu%s", (unsigned long long)r->config.members[j].id,
			       r->config.members[j].votes ? "" : "-");
		printf("\n");
	}
}

struct cluster_node *cluster_lead(struct cluster *c)
{
	for (int i = 0; i < 60000 && !unit_failed(); i++) {
		struct cluster_node *leader = cluster_leader(c);

		if (leader && all_know(c, leader))
			return leader;
		cluster_run(c, 1);
	}
	show(c);
	(void)unit_check(false, "a leader within a minute", __FILE__, __LINE__);
	return &c->nodes[0];
}

int cluster_propose(struct cluster *c, const char *text)
{
	struct cluster_node *n = cluster_leader(c);
	uint64_t index;
	int err;

	if (!n)
		return ERR_UNAVAILABLE;
	n->u.now_ms = c->now;
	err = raft_propose(&n->raft, slice_of(text), &index, &n->u);
	if (err == 0)
		cluster_take(c, n);
	return err;
}

int cluster_reconfigure(struct cluster *c, const struct raft_config *config)
{
	struct cluster_node *n = cluster_leader(c);
	uint64_t index;
	int err;

	if (!n)
		return ERR_UNAVAILABLE;
	n->u.now_ms = c->now;
	err = raft_propose_config(&n->raft, config, &index, &n->u);
	if (err == 0)
		cluster_take(c, n);
	return err;
}

void cluster_check_equal(struct cluster *c)
{
	struct cluster_node *leader = cluster_leader(c);

	CHECK(leader != NULL);
	CHECK_INT(leader->raft.commit, leader->raft.base_index + leader->raft.count);
	for (uint32_t i = 0; i < c->node_count; i++) {
		struct cluster_node *n = &c->nodes[i];

		if (!n->running || !raft_member(&leader->raft, n->id))
			continue;
		CHECK_INT(n->applied, leader->applied);
		CHECK(n->hash == leader->hash);
	}
}
