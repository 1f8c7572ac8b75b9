/* Clusters under random faults: messages lost, doubled, late and out of order, cuts, crashes that
 * lose what was not synced, stuck disks, snapshots, changes of the members, transfers and reads.
 * The cluster checks safety after every call; in the end all faults stop, and it must go on. */
#include <stdio.h>
#include <stdlib.h>
#include "base/err.h"
#include "raft_cluster.h"
#include "unit.h"

/* Seeds of one run; others with RAFT_SEEDS=7 or RAFT_SEEDS=1-1000 in the environment. */
enum { SEEDS = 200, ACTIONS = 400 };

static struct cluster c;
static uint64_t reads, installs, transfers, changes;

/* How likely each action is, drawn for each seed: some seeds have only few kinds. */
enum action { CRASH, START, CUT, ISOLATE, RECONNECT, CONFIG, READ, TRANSFER, SNAPSHOT, STUCK, WRITE,
	      ACTION_KINDS };

static uint64_t weights[ACTION_KINDS];

static struct cluster_node *any(void)
{
	return &c.nodes[rng_below(&c.rng, c.node_count)];
}

static struct cluster_node *any_running(void)
{
	struct cluster_node *n = any();

	return n->running ? n : NULL;
}

/* One that takes itself for the leader, be it an old one. */
static struct cluster_node *any_leader(void)
{
	uint64_t skip = rng_below(&c.rng, c.node_count);

	for (uint32_t i = 0; i < c.node_count; i++) {
		struct cluster_node *n = &c.nodes[(i + skip) % c.node_count];

		if (n->running && n->raft.role == RAFT_LEADER)
			return n;
	}
	return NULL;
}

/* Often the leader, and often it is back at once. */
static void act_crash(void)
{
	struct cluster_node *n = rng_chance(&c.rng, 1, 2) ? any_leader() : any();

	if (!n || !n->running)
		return;
	cluster_crash(&c, n->id, rng_below(&c.rng, 20), rng_chance(&c.rng, 2, 3));
	if (rng_chance(&c.rng, 1, 2))
		cluster_start(&c, n->id);
}

static void act_start(void)
{
	struct cluster_node *n = any();

	if (!n->running)
		cluster_start(&c, n->id);
}

/* All of one node's links, in both ways or one. */
static void act_isolate(void)
{
	struct cluster_node *n = rng_chance(&c.rng, 1, 2) ? any_leader() : any();
	int out = rng_chance(&c.rng, 3, 4), in = rng_chance(&c.rng, 3, 4);

	for (uint32_t i = 0; n && i < c.node_count; i++) {
		c.cut[n - c.nodes][i] = out;
		c.cut[i][n - c.nodes] = in;
	}
}

static void heal(void)
{
	for (uint32_t i = 0; i < c.node_count; i++) {
		for (uint32_t j = 0; j < c.node_count; j++)
			c.cut[i][j] = 0;
	}
}

/* Cuts or heals one way of a link; the ends need not notice. */
static void act_cut(void)
{
	uint64_t a = rng_below(&c.rng, c.node_count), b = rng_below(&c.rng, c.node_count);

	if (a != b)
		c.cut[a][b] = rng_chance(&c.rng, 1, 3);
}

static void act_reconnect(void)
{
	struct cluster_node *a = any_running(), *b = any_running();

	if (!a || !b || a == b)
		return;
	raft_peer_down(&a->raft, b->id, &a->u);
	cluster_take(&c, a);
	if (rng_chance(&c.rng, 1, 3))
		return;
	raft_peer_up(&a->raft, b->id, &a->u);
	cluster_take(&c, a);
}

/* One member comes, goes, or changes its vote. */
static void act_config(void)
{
	struct cluster_node *leader = cluster_leader(&c), *n = any();
	struct raft_config config;
	uint32_t i = 0;

	if (!leader)
		return;
	config = leader->raft.config;
	while (i < config.count && config.members[i].id < n->id)
		i++;
	if (i < config.count && config.members[i].id == n->id) {
		if (rng_chance(&c.rng, 1, 2)) {
			config.members[i].votes = !config.members[i].votes;
		} else {
			config.count--;
			for (; i < config.count; i++)
				config.members[i] = config.members[i + 1];
		}
	} else {
		for (uint32_t j = config.count; j > i; j--)
			config.members[j] = config.members[j - 1];
		config.members[i] = (struct raft_member){ .id = n->id, .about = "again" };
		config.count++;
	}
	if (cluster_reconfigure(&c, &config) == 0)
		changes++;
}

static void act_read(void)
{
	struct cluster_node *n = any_leader();

	if (!n || n->ticket)
		return;
	if (raft_read(&n->raft, &n->ticket, &n->u) < 0)
		n->ticket = 0;
	n->ticket_floor = c.committed;
	cluster_take(&c, n);
}

static void act_transfer(void)
{
	struct cluster_node *leader = cluster_leader(&c);
	uint64_t to = rng_chance(&c.rng, 1, 2) ? any()->id : 0;

	if (leader && raft_transfer(&leader->raft, to, &leader->u) == 0) {
		cluster_take(&c, leader);
		transfers++;
	}
}

static void act_write(uint64_t i)
{
	char text[32];

	for (uint64_t k = rng_below(&c.rng, 4); k < 4; k++) {
		snprintf(text, sizeof(text), "%llu.%llu", (unsigned long long)i,
			 (unsigned long long)k);
		(void)cluster_propose(&c, text);	/* maybe there is no leader */
	}
}

static enum action choose(void)
{
	uint64_t total = 0, at;

	for (int i = 0; i < ACTION_KINDS; i++)
		total += weights[i];
	at = rng_below(&c.rng, total);
	for (int i = 0; i < ACTION_KINDS; i++) {
		if (at < weights[i])
			return (enum action)i;
		at -= weights[i];
	}
	return WRITE;
}

static void act(uint64_t i)
{
	struct cluster_node *n = any_running();

	switch (choose()) {
	case CRASH:
		act_crash();
		break;
	case START:
		act_start();
		break;
	case CUT:
		act_cut();
		break;
	case ISOLATE:
		if (rng_chance(&c.rng, 1, 3))
			act_isolate();
		else
			heal();
		break;
	case RECONNECT:
		act_reconnect();
		break;
	case CONFIG:
		act_config();
		break;
	case READ:
		act_read();
		break;
	case TRANSFER:
		act_transfer();
		break;
	case SNAPSHOT:
		if (n)
			cluster_snapshot(&c, n);
		break;
	case STUCK:
		any()->disk_stuck = rng_chance(&c.rng, 1, 4);
		break;
	case WRITE: case ACTION_KINDS:
		act_write(i);
		break;
	}
}

static void faults_end(void)
{
	c.lose = c.twice = 0;
	c.delay_max = c.delay_min = c.disk_ms = 1;
	for (uint32_t i = 0; i < c.node_count; i++)
		c.nodes[i].disk_stuck = 0;
	heal();
	cluster_start_all(&c);
	for (uint32_t i = 0; i < c.node_count; i++) {
		for (uint32_t j = 0; j < c.node_count; j++) {
			if (i == j)
				continue;
			c.nodes[i].u.now_ms = c.now;
			raft_peer_up(&c.nodes[i].raft, c.nodes[j].id, &c.nodes[i].u);
			cluster_take(&c, &c.nodes[i]);
		}
	}
}

static void weights_draw(struct rng *rng)
{
	static const uint64_t most[ACTION_KINDS] = {
		[CRASH] = 4, [START] = 6, [CUT] = 4, [ISOLATE] = 4, [RECONNECT] = 4, [CONFIG] = 4,
		[READ] = 8, [TRANSFER] = 2, [SNAPSHOT] = 4, [STUCK] = 4, [WRITE] = 12,
	};

	for (int i = 0; i < ACTION_KINDS; i++)
		weights[i] = rng_below(rng, most[i] + 1);
	weights[START] += weights[CRASH] > 0;
	weights[WRITE] += 1;
}

static void one_seed(uint64_t seed)
{
	uint64_t pause;
	struct rng rng;

	rng_init(&rng, seed);
	weights_draw(&rng);
	pause = 1 + rng_below(&rng, 60);
	cluster_init(&c, seed, 1 + (uint32_t)rng_below(&rng, 5), (uint32_t)rng_below(&rng, 2));
	(void)cluster_add(&c, 100);
	(void)cluster_add(&c, 101);
	c.delay_max = 1 + (uint32_t)rng_below(&rng, 30);
	c.lose = rng_chance(&rng, 1, 2) ? (uint32_t)rng_below(&rng, 150) : 0;
	c.twice = rng_chance(&rng, 1, 2) ? (uint32_t)rng_below(&rng, 100) : 0;
	c.disk_ms = (uint32_t)rng_below(&rng, 20);
	c.disk_parts = rng_chance(&rng, 1, 2);
	for (uint32_t i = 0; i < c.node_count; i++)
		c.nodes[i].keeps_wal = rng_chance(&rng, 1, 2);
	for (uint32_t i = 0; i < c.node_count; i++)
		c.nodes[i].keep_bytes_max = 1 + rng_below(&rng, 1000);
	cluster_start_all(&c);
	for (uint64_t i = 0; i < ACTIONS && !unit_failed(); i++) {
		act(i);
		cluster_run(&c, rng_below(&c.rng, rng_chance(&c.rng, 1, 10) ? 900 : pause));
	}
	if (unit_failed())
		return;
	faults_end();
	cluster_run(&c, RAFT_ELECTION_MS);	/* a transfer ends */
	(void)cluster_lead(&c);
	CHECK_INT(cluster_propose(&c, "the end"), 0);
	cluster_run(&c, 3000);
	cluster_check_equal(&c);
	for (uint32_t i = 0; i < c.node_count; i++) {
		reads += c.nodes[i].reads;
		installs += c.nodes[i].installs;
	}
}

TEST(nothing_committed_is_lost_or_changed_under_random_faults)
{
	struct slice rest = slice_of(getenv("RAFT_SEEDS"));
	uint64_t first = 1, last = SEEDS, committed = 0;

	if (rest.len > 0) {
		CHECK_INT(slice_to_u64(slice_cut(&rest, '-'), UINT64_MAX / 2, &first), 0);
		last = first;
		if (rest.len > 0)
			CHECK_INT(slice_to_u64(rest, UINT64_MAX / 2, &last), 0);
	}
	reads = installs = transfers = changes = 0;
	for (uint64_t seed = first; seed <= last && !unit_failed(); seed++) {
		one_seed(seed);
		committed += c.committed;
		if (unit_failed())
			printf("seed %llu\n", (unsigned long long)seed);
		cluster_done(&c);
	}
	if (last - first + 1 < SEEDS)
		return;
	if (getenv("UNIT_VERBOSE"))
		printf("%llu committed, %llu reads, %llu installs, %llu transfers, %llu changes\n",
		       (unsigned long long)committed, (unsigned long long)reads,
		       (unsigned long long)installs, (unsigned long long)transfers,
		       (unsigned long long)changes);
	/* Faults that make everything stand still would find nothing. */
	CHECK(committed > 50 * (last - first));
	CHECK(reads > 5 * (last - first) && 2 * installs > last - first);
	CHECK(transfers > last - first && changes > last - first);
}
