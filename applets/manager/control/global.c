/* Services with one task on every node that is fit for it. Contracts are in loop.h. */
#include "applets/manager/control/loop.h"

static int is_eligible(const struct scene *sc, const struct node *n)
{
	const struct placement *placement = sc->service->spec.task_template.placement;

	return node_fitness(sc->turn, n->meta.id) == NODE_FITS &&
	       constraints_match(placement, n) && platforms_match(placement, n);
}

static struct slot *find_slot(const struct scene *sc, const char *node_id)
{
	uint32_t low = 0, high = sc->slot_count;

	while (low < high) {
		uint32_t middle = low + (high - low) / 2;
		int order = slice_compare(slice_of(sc->slots[middle].node_id), slice_of(node_id));

		if (order == 0)
			return &sc->slots[middle];
		if (order < 0)
			low = middle + 1;
		else
			high = middle;
	}
	return NULL;
}

/* On a node that is not fit any more nothing stays. On one that is drained or down the records
 * do: they show what became of its tasks. */
static void settle_slot(struct scene *sc, struct slot *slot)
{
	const struct node *n = state_node(sc->turn->state, slot->node_id);

	if (slot->busy)
		return;
	if (!n || (slot_active(slot) && node_fitness(sc->turn, slot->node_id) == NODE_FITS &&
		   !is_eligible(sc, n)))
		slot_drop(sc, slot);
}

void global_scale(struct scene *sc)
{
	for (uint32_t i = 0; i < sc->slot_count; i++)
		settle_slot(sc, &sc->slots[i]);
	for (struct map_entry *e = state_first(sc->turn->state, OBJECT_NODE); e; e = map_next(e)) {
		const struct node *n = state_entry(e);
		struct slot *slot = find_slot(sc, n->meta.id);
		const struct slot fresh = { .node_id = n->meta.id };

		if (n->spec.availability != AVAILABILITY_ACTIVE || !is_eligible(sc, n) ||
		    (slot && slot_is_occupied(slot)))
			continue;
		if (!scene_room(sc, 1))
			return;
		slot_add(sc, &fresh, TASK_RUNNING, 0);
		if (slot)
			slot->busy = 1;		/* the updater need not see to it, too */
	}
}
