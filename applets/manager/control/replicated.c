/* Services with numbered slots: as many as replicas are wanted. Contracts are in loop.h. */
#include "applets/manager/control/loop.h"
#include <stdlib.h>

/* A slot that may have to go. */
struct candidate {
	struct slot *slot;
	int running;
	const char *node_id;	/* NULL: none, or more than one task */
	uint32_t copy;		/* this is the n-th copy on its node; without a node: the last */
};

static int compare_candidates(const void *left, const void *right)
{
	const struct candidate *a = left, *b = right;

	if (a->copy != b->copy)
		return a->copy < b->copy ? -1 : 1;
	if (a->running != b->running)
		return a->running ? -1 : 1;
	return a->slot->number < b->slot->number ? -1 : 1;
}

static void describe(struct candidate *c, struct slot *slot)
{
	uint32_t active = 0;

	c->slot = slot;
	for (uint32_t i = 0; i < slot->count; i++) {
		const struct task *t = slot->tasks[i];

		if (t->desired_state > TASK_RUNNING)
			continue;
		active++;
		c->running |= t->status.state == TASK_RUNNING;
		c->node_id = t->node_id;
	}
	if (active != 1)
		c->node_id = NULL;
}

/* Numbers the copies on each node: running ones first, then by slot. */
static void number_copies(struct candidate *list, uint32_t count)
{
	struct map copies;

	map_init(&copies);
	for (int running = 1; running >= 0; running--) {
		for (uint32_t i = 0; i < count; i++) {
			struct slice key = slice_of(list[i].node_id);
			uintptr_t n = (uintptr_t)map_get(&copies, key);

			if (list[i].running != running)
				continue;
			list[i].copy = key.len ? (uint32_t)n : UINT32_MAX;
			if (key.len)
				map_set(&copies, key, (void *)(n + 1));
		}
	}
	map_done(&copies);
}

/* The nodes with most copies lose first, then what does not run, then high numbers. */
static void scale_down(struct scene *sc, uint32_t occupied, uint32_t wanted)
{
	struct candidate *list = arena_array(sc->turn->arena, occupied, sizeof(*list));
	uint32_t n = 0;

	for (uint32_t i = 0; i < sc->slot_count; i++) {
		if (slot_is_occupied(&sc->slots[i]))
			describe(&list[n++], &sc->slots[i]);
	}
	number_copies(list, occupied);
	qsort(list, occupied, sizeof(*list), compare_candidates);
	for (uint32_t i = wanted; i < occupied; i++) {
		if (!list[i].slot->busy)
			slot_drop(sc, list[i].slot);
	}
}

/* The lowest free numbers. */
static void scale_up(struct scene *sc, uint64_t missing)
{
	uint32_t next = 0;

	for (uint64_t number = 1; missing > 0; number++) {
		const struct slot fresh = { .number = number };

		while (next < sc->slot_count && sc->slots[next].number < number)
			next++;
		if (next < sc->slot_count && sc->slots[next].number == number)
			continue;
		if (!scene_room(sc, 1))
			return;
		slot_add(sc, &fresh, TASK_RUNNING, 0);
		missing--;
	}
}

void replicated_scale(struct scene *sc)
{
	uint64_t wanted = *sc->service->spec.mode.replicated->replicas;
	uint32_t occupied = 0, left = 0;

	for (uint32_t i = 0; i < sc->slot_count; i++) {
		if (slot_is_occupied(&sc->slots[i])) {
			occupied++;
			sc->slots[left++] = sc->slots[i];
		} else {
			slot_drop(sc, &sc->slots[i]);
		}
	}
	sc->slot_count = left;
	if (occupied > wanted)
		scale_down(sc, occupied, (uint32_t)wanted);
	else
		scale_up(sc, wanted - occupied);
}
