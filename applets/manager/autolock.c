/*
 * Contracts are in private.h and base/step.h.
 *
 * What a reader would get wrong: after a start the state is at first older than the folder. It may
 * hold a key that was replaced since, or none, and to go back to that one, if only until the rest
 * of the log is applied, would open what is locked. So nothing is told before all that was in the
 * log at the start is applied; and nothing that is not durable here, as a log that lost it would
 * again be older than the folder.
 */
#include <string.h>
#include "applets/manager/private.h"
#include "base/mem.h"

static uint64_t last_index(const struct raft *r)
{
	return r->snapshot_index + raft_tail_count(r);
}

static void keep(struct autolock *a, const char *key)
{
	mem_wipe(a->key, sizeof(a->key));
	memcpy(a->key, key, strlen(key));
}

void autolock_init(struct manager *m)
{
	if (m->config->unlock_key)
		keep(&m->autolock, m->config->unlock_key);
}

void autolock_done(struct manager *m)
{
	mem_wipe(&m->autolock, sizeof(m->autolock));
}

void autolock_start(struct manager *m)
{
	m->autolock.after = last_index(&m->raft);
}

/* Is the state newer than what the folder was sealed by? One that lost a part of its log is no
 * member before it is let in again, by an entry after all that it has lost. */
static int can_tell(const struct manager *m, const struct cluster *c)
{
	const struct raft *r = &m->raft;
	uint64_t last = last_index(r), after = m->autolock.after;

	return raft_member(r, r->id) && m->state.applied >= r->config_index &&
	       m->state.applied >= (after < last ? after : last) &&
	       c->meta.version <= r->durable_index;
}

void autolock_run(struct step *s)
{
	struct manager *m = s->m;
	const struct cluster *c = state_cluster(&m->state);
	const char *key = c && c->unlock_key ? c->unlock_key : "";

	if (!c || strcmp(key, m->autolock.key) == 0 || !can_tell(m, c) ||
	    strlen(key) > UNLOCK_TEXT_LEN)
		return;
	keep(&m->autolock, key);
	effects_add(s->fx, EFFECT_LOCK, 0)->body = arena_copy(&s->fx->arena, slice_of(key));
}
