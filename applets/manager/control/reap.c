/* How many ended tasks of a slot are kept (docker-swarm.md 5.7). Contracts are in loop.h. */
#include "applets/manager/control/loop.h"

static int64_t history_limit(const struct scene *sc)
{
	const struct restart_policy *p = sc->service->spec.task_template.restart_policy;

	/* restart.c counts the attempts in the history. */
	if (p && p->max_attempts > 0)
		return p->max_attempts < INT32_MAX ? (int64_t)p->max_attempts + 1 : -1;
	return state_cluster(sc->turn->state)->spec.orchestration.task_history_retention_limit;
}

void reap_slot(struct scene *sc, struct slot *slot)
{
	int64_t limit = history_limit(sc), count = slot->count;

	if (slot->busy || limit < 0)
		return;
	/* The newest stays: it says whether the slot is done for good. */
	for (uint32_t i = slot->count; i-- > 1 && count > limit;) {
		const struct task *t = slot->tasks[i];

		if (t->desired_state <= TASK_RUNNING ||
		    !(task_is_dead(t) || t->status.state < TASK_ASSIGNED))
			continue;
		if (!scene_room(sc, 1))
			return;
		txn_remove(sc->turn->txn, OBJECT_TASK, t->meta.id, t->meta.version);
		slot->busy = 1;
		count--;
	}
}
