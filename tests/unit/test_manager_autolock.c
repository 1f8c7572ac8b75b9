/* Managers that lock: every folder is sealed with the swarm's unlock key, and never, not for a
 * moment, with an older one or with none. */
#include <stdio.h>
#include <string.h>
#include "applets/manager/state/state.h"
#include "crypt/token.h"
#include "manager_cluster.h"
#include "unit.h"

#define LOCK "true"
#define OPEN "false"

/* Asks node for it; 1 when it was done, and all had time for it. */
static int update(struct swarm *w, uint32_t node, const char *locking, const char *rotate)
{
	const struct cluster *c = state_cluster(manager_state(w->nodes[node].manager));
	char target[128], body[128];
	uint64_t id;

	snprintf(target, sizeof(target), "/swarm/update?version=%llu&rotateManagerUnlockKey=%s",
		 (unsigned long long)c->meta.version, rotate);
	snprintf(body, sizeof(body), "{\"Name\":\"default\",\"EncryptionConfig\":{"
		 "\"AutoLockManagers\":%s}}", locking);
	id = swarm_ask(w, node, "POST", target, body);
	(void)swarm_wait(w, id);
	swarm_run(w, 300);
	return swarm_status(w, id) == 200;
}

static const char *swarm_key(struct swarm *w, uint32_t node)
{
	const char *key = state_cluster(manager_state(w->nodes[node].manager))->unlock_key;

	return key ? key : "";
}

/* All that run are sealed with the swarm's key, so often by now. */
static void check_all(struct swarm *w, int locks)
{
	const char *key = swarm_key(w, swarm_leader(w));

	for (uint32_t i = 0; i < w->count; i++) {
		if (!w->nodes[i].manager)
			continue;
		CHECK_STR(w->nodes[i].lock, key);
		CHECK_INT(w->nodes[i].locks, locks);
	}
}

/* Many entries, so that there is a snapshot of each manager's. */
static void grow(struct swarm *w)
{
	char name[32];

	for (int i = 0; i < 30; i++) {
		snprintf(name, sizeof(name), "s%llu", (unsigned long long)w->requests);
		(void)swarm_wait(w, swarm_create(w, swarm_leader(w), name));
	}
	swarm_run(w, 500);
}

TEST(every_manager_locks_with_the_swarms_key)
{
	struct swarm *w = swarm_ready(3);
	uint32_t other = swarm_follower(w, 0);
	char first[64];

	check_all(w, 0);
	CHECK(update(w, other, LOCK, "false"));
	CHECK_INT(strlen(w->nodes[other].lock), UNLOCK_TEXT_LEN);
	check_all(w, 1);
	snprintf(first, sizeof(first), "%s", w->nodes[other].lock);
	CHECK(update(w, other, LOCK, "true"));
	CHECK(strcmp(first, w->nodes[other].lock) != 0);
	check_all(w, 2);
	CHECK(update(w, other, OPEN, "false"));
	CHECK_STR(w->nodes[other].lock, "");
	check_all(w, 3);
	swarm_free(w);
}

TEST(the_folder_is_sealed_before_the_one_who_asked_is_told)
{
	struct swarm *w = swarm_ready(1);

	CHECK(update(w, 0, LOCK, "false"));
	check_all(w, 1);
	CHECK(w->nodes[0].unanswered);
	swarm_free(w);
}

TEST(a_new_swarm_locks_with_the_key_it_was_made_with)
{
	struct swarm *w = swarm_new(1);
	struct swarm_node *n = &w->nodes[0];

	snprintf(n->lock, sizeof(n->lock), "SWMKEY-1-%043d", 7);
	swarm_start(w, 0);
	swarm_run(w, 500);
	CHECK_STR(swarm_key(w, 0), n->lock);
	CHECK(state_cluster(manager_state(n->manager))->spec.encryption.auto_lock_managers);
	CHECK_INT(n->locks, 0);
	swarm_free(w);
}

/* Its state is older at first, as it reads its log again. */
TEST(a_restart_does_not_go_back_to_an_older_key)
{
	struct swarm *w = swarm_ready(3);

	CHECK(update(w, 0, LOCK, "false"));
	grow(w);
	CHECK(update(w, 0, OPEN, "false"));
	CHECK(update(w, 0, LOCK, "true"));
	check_all(w, 3);
	for (uint32_t i = 0; i < 3; i++) {
		swarm_kill(w, i);
		swarm_start(w, i);
		swarm_run(w, 3000);
		CHECK(manager_is_ready(w->nodes[i].manager));
		check_all(w, 3);
	}
	/* All at once: each has only its own log, until one of them leads. */
	for (uint32_t i = 0; i < 3; i++)
		swarm_kill(w, i);
	for (uint32_t i = 0; i < 3; i++)
		swarm_start(w, i);
	swarm_run(w, 3000);
	CHECK(manager_is_ready(w->nodes[0].manager));
	check_all(w, 3);
	swarm_free(w);
}

/* It died between the change and the sealing, or was away. */
TEST(what_was_missed_is_made_up_for)
{
	struct swarm *w = swarm_ready(3);
	uint32_t away = swarm_follower(w, 0);
	char first[64];

	CHECK(update(w, swarm_leader(w), LOCK, "false"));
	snprintf(first, sizeof(first), "%s", w->nodes[away].lock);
	swarm_kill(w, away);
	CHECK(update(w, swarm_leader(w), LOCK, "true"));
	CHECK_STR(w->nodes[away].lock, first);
	swarm_start(w, away);
	swarm_run(w, 3000);
	check_all(w, 2);
	swarm_kill(w, away);
	snprintf(w->nodes[away].lock, sizeof(first), "%s", first);
	swarm_start(w, away);
	swarm_run(w, 3000);
	CHECK_STR(w->nodes[away].lock, swarm_key(w, away));
	CHECK_INT(w->nodes[away].locks, 3);
	swarm_free(w);
}

TEST(one_that_joins_locks_when_it_has_the_state)
{
	struct swarm *w = swarm_new(3);

	swarm_start(w, 0);
	swarm_run(w, 500);
	CHECK(update(w, 0, LOCK, "false"));
	grow(w);
	CHECK(update(w, 0, LOCK, "true"));
	w->nodes[0].locks = 1;
	for (uint32_t i = 1; i < 3; i++) {
		swarm_start(w, i);
		swarm_run(w, 3000);
	}
	check_all(w, 1);
	swarm_free(w);
}

/* The same for one whose log is gone, which begins with the oldest there is. */
TEST(a_lost_log_opens_no_folder)
{
	struct swarm *w = swarm_ready(3);
	uint32_t lost = swarm_follower(w, 0);

	CHECK(update(w, 0, LOCK, "false"));
	CHECK(update(w, 0, OPEN, "false"));
	CHECK(update(w, 0, LOCK, "false"));
	check_all(w, 3);
	swarm_kill(w, lost);
	swarm_fresh(w, lost);
	swarm_start(w, lost);
	swarm_run(w, 5000);
	CHECK(manager_is_ready(w->nodes[lost].manager));
	check_all(w, 3);
	swarm_free(w);
}

/* One whose log is damaged goes on from its snapshot, which is older than the folder. */
TEST(an_old_snapshot_opens_no_folder)
{
	struct swarm *w = swarm_ready(3);
	uint32_t lost = swarm_follower(w, 0);
	struct swarm_node *n = &w->nodes[lost];
	struct swarm_snapshot old;

	n->config.snapshot_entries = 20;
	swarm_kill(w, lost);
	swarm_start(w, lost);
	grow(w);
	CHECK(n->snapshots > 0);
	old = n->snapshot;
	n->snapshot = (struct swarm_snapshot){ .index = 0 };
	CHECK(update(w, 0, LOCK, "false"));
	swarm_kill(w, lost);
	swarm_fresh(w, lost);
	n->snapshot = old;
	n->first = old.keep;
	n->last = n->durable = old.keep - 1;
	swarm_start(w, lost);
	swarm_run(w, 5000);
	CHECK(manager_is_ready(n->manager));
	check_all(w, 1);
	swarm_free(w);
}

/* The others have it committed, and the leader's own disk holds nothing of it yet. */
TEST(a_key_is_taken_when_the_change_is_durable_here)
{
	struct swarm *w = swarm_ready(3);
	uint32_t slow = swarm_leader(w);

	w->nodes[slow].disk_stuck = 1;
	CHECK(update(w, slow, LOCK, "false"));
	CHECK_INT(swarm_leader(w), slow);
	CHECK(swarm_key(w, slow)[0] != '\0');
	CHECK_INT(w->nodes[slow].locks, 0);
	CHECK_INT(w->nodes[swarm_follower(w, 0)].locks, 1);
	swarm_free(w);
}
