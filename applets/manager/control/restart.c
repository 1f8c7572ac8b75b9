/*
 * When a task that ended is followed by another, as swarmkit's restart supervisor has it.
 * Contracts are in loop.h.
 *
 * Nothing is counted but what is stored: the tasks of a slot with one spec version are its first
 * one and its restarts. The reaper keeps MaxAttempts + 1 of them, so these answers stay right.
 */
#include "applets/manager/control/loop.h"

/* A task that is told to stop and does not is waited for no longer than this. */
#define STOP_WAIT_MAX_NS (60 * SECOND_NS)

/* Not because its node was drained or lost. */
static int ended_by_itself(const struct task *t)
{
	return t->status.state == TASK_COMPLETE || t->status.state == TASK_FAILED ||
	       t->status.state == TASK_REJECTED;
}

/* Restarts of this version in the slot up to t, within the window before t ended. A task of a
 * global service that follows on one that did not end by itself is no restart. */
static uint64_t restarts_until(const struct slot *slot, const struct task *t, int64_t window)
{
	uint64_t n = 0, in_window = 0;
	int seen = 0;

	for (uint32_t i = 0; i < slot->count; i++) {
		const struct task *other = slot->tasks[i];

		seen |= other == t;
		if (!seen || other->spec_version != t->spec_version ||
		    (slot->node_id && !ended_by_itself(other)))
			continue;
		n++;
		if (window == 0 || other->meta.created_at > t->status.timestamp - window)
			in_window++;
	}
	/* The oldest is no restart; being the oldest, it is in the window only if all are. */
	return n > 0 && in_window == n ? n - 1 : in_window;
}

int restart_wanted(const struct slot *slot, const struct task *t)
{
	const struct restart_policy *p = t->spec.restart_policy;

	if (!p)
		return 1;
	if (p->condition == RESTART_NONE)
		return 0;
	if (p->condition == RESTART_ON_FAILURE && t->status.state == TASK_COMPLETE)
		return 0;
	return p->max_attempts == 0 || restarts_until(slot, t, p->window) < p->max_attempts;
}

static int64_t restart_delay(const struct task *t)
{
	const struct restart_policy *p = t->spec.restart_policy;

	return p && p->delay ? *p->delay : RESTART_DELAY_DEFAULT;
}

/* Another task of the slot runs as the service wants it now: after an update that was rolled
 * back, the old one that had not been stopped yet. */
static int has_better(const struct scene *sc, const struct slot *slot, const struct task *t)
{
	for (uint32_t i = 0; i < slot->count; i++) {
		const struct task *other = slot->tasks[i];

		if (other != t && other->desired_state <= TASK_RUNNING &&
		    !task_has_ended(sc->turn, other) && !task_is_dirty(sc, other))
			return 1;
	}
	return 0;
}

/* It was the replacement of a task that is wanted again. */
static int is_overtaken(const struct scene *sc, const struct slot *slot, const struct task *t)
{
	return task_is_dirty(sc, t) && has_better(sc, slot, t);
}

static void replace(struct scene *sc, struct slot *slot, const struct task *t)
{
	enum node_fitness fitness = t->node_id ? node_fitness(sc->turn, t->node_id) : NODE_FITS;
	int64_t now = sc->turn->wall_ns;

	/* A task that fails while it waits for its start must not shorten the delay. */
	if (t->desired_state == TASK_READY && fitness == NODE_FITS && now < t->start_after) {
		scene_wake(sc, t->start_after);
		return;
	}
	if (!scene_room(sc, 2))
		return;
	slot_desire(sc, slot, t, TASK_SHUTDOWN);
	if (t != slot_active(slot) || has_better(sc, slot, t) || !restart_wanted(slot, t))
		return;
	if (slot->node_id && fitness != NODE_FITS)
		return;		/* a global task has no other node to go to */
	slot_add(sc, slot, TASK_READY,
		 time_after(now, fitness == NODE_DRAINED ? 0 : restart_delay(t)));
}

/* A predecessor that was told to stop has not stopped yet. */
static int must_wait(const struct scene *sc, const struct slot *slot)
{
	for (uint32_t i = 0; i < slot->count; i++) {
		const struct task *other = slot->tasks[i];

		if (other->desired_state > TASK_RUNNING && !task_has_ended(sc->turn, other))
			return 1;
	}
	return 0;
}

static void promote(struct scene *sc, struct slot *slot, const struct task *t)
{
	int64_t now = sc->turn->wall_ns;
	int64_t at_last = time_after(t->start_after, STOP_WAIT_MAX_NS);

	if (now < t->start_after)
		scene_wake(sc, t->start_after);
	else if (must_wait(sc, slot) && now < at_last)
		scene_wake(sc, at_last);
	else if (scene_room(sc, 1))
		slot_desire(sc, slot, t, TASK_RUNNING);
}

/* A task that is meant to stop, on a node that is no more or has been lost for long. */
static void bury(struct scene *sc, struct slot *slot, const struct task *t)
{
	if (!t->node_id || task_is_dead(t))
		return;
	if (node_fitness(sc->turn, t->node_id) != NODE_GONE)
		scene_wake_when_gone(sc, t->node_id);
	else if (scene_room(sc, 1))
		slot_desire(sc, slot, t, t->desired_state);
}

/*
 * May it not stay where it is? A node's labels may have changed; then it is told to stop as on a
 * drained node, where docker rejects it. That its service has other constraints by now is the
 * updater's business, and that of a global one its own.
 */
static int is_misplaced(const struct scene *sc, const struct slot *slot, const struct task *t)
{
	const struct node *n = t->node_id ? state_node(sc->turn->state, t->node_id) : NULL;

	if (!t->node_id)
		return 0;
	if (node_fitness(sc->turn, t->node_id) != NODE_FITS)
		return 1;
	return !slot->node_id && n->spec.availability == AVAILABILITY_ACTIVE &&
	       t->status.state >= TASK_ASSIGNED && !constraints_match(t->spec.placement, n) &&
	       !constraints_match(sc->service->spec.task_template.placement, n);
}

static void stop(struct scene *sc, struct slot *slot, const struct task *t)
{
	if (scene_room(sc, 1))
		slot_desire(sc, slot, t, TASK_SHUTDOWN);
}

void restart_slot(struct scene *sc, struct slot *slot)
{
	const struct task *newest = slot_active(slot);
	int newest_runs = newest && newest->status.state == TASK_RUNNING &&
			  newest->desired_state == TASK_RUNNING;

	if (slot->busy)
		return;
	for (uint32_t i = 0; i < slot->count; i++) {
		const struct task *t = slot->tasks[i];

		if (t->desired_state > TASK_RUNNING)
			bury(sc, slot, t);
		else if (task_is_dead(t) || is_misplaced(sc, slot, t))
			replace(sc, slot, t);
		else if (t != newest ? newest_runs : is_overtaken(sc, slot, t))
			stop(sc, slot, t);
		else if (t->desired_state == TASK_READY)
			promote(sc, slot, t);
	}
}
