/*
 * From a log entry to the state: what kind it is, and whether its request was carried out before.
 * Contracts are in state.h. A refused entry records nothing: its request had no effect and may be
 * tried again, when the state is another.
 */
#include <assert.h>
#include "applets/manager/state/object.h"

const struct outcome *state_recent(const struct state *s, struct request_id id)
{
	return request_id_is_none(id) ? NULL : recent_find(&s->recent, id);
}

int state_apply(struct state *s, uint64_t index, struct slice entry, state_watch *watch,
		void *context, struct errmsg *msg)
{
	const struct outcome *known;
	struct entry e;
	int err = 0;

	assert(index > s->applied);
	s->applied = index;
	s->outcome = (struct outcome){ 0 };
	s->repeated = 0;
	if (entry_parse(entry, &e) < 0)
		return errmsg_set(msg, ERR_INVALID, "a log entry of an unknown form");
	known = state_recent(s, e.id);
	if (known) {
		s->outcome = *known;
		s->repeated = 1;
		return 0;
	}
	s->outcome = e.outcome;
	switch (e.type) {
	case ENTRY_TXN:
		err = txn_apply(s, index, e.payload, watch, context, msg);
		break;
	case ENTRY_KV:
		err = kv_apply(&s->kv, index, e.payload, &s->outcome, msg);
		break;
	}
	if (err == 0 && !request_id_is_none(e.id))
		recent_add(&s->recent, e.id, &s->outcome);
	return err;
}
