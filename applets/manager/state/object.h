/* object.h - how the state holds one object. Pure. Only for applets/manager/state. */
#ifndef SB_APPLETS_MANAGER_STATE_OBJECT_H
#define SB_APPLETS_MANAGER_STATE_OBJECT_H
#include "applets/manager/state/state.h"

struct object {
	enum object_kind kind;
	struct arena arena;	/* everything the object points to */
	void *data;		/* struct service *, ...: all start with struct meta */
};

/* An object from its JSON (store form). NULL with err and msg when it does not decode. */
struct object *object_parse(enum object_kind kind, const struct json *node, int *err,
			    struct errmsg *msg);
/* NULL allowed. */
void object_free(struct object *o);
struct meta *object_meta(struct object *o);
/* The kind of that name, or -1. */
int object_kind_find(struct slice name);
/* Puts o into the state's maps; returns the object it replaces (still whole), or NULL. */
struct object *state_install(struct state *s, struct object *o);
/* Takes it out of the maps; the caller frees it. */
struct object *state_take(struct state *s, enum object_kind kind, const char *id);
/* The id that holds this object's name, or NULL: it has none, or it is free. */
const char *state_name_holder(const struct state *s, const struct object *o);
/* Applies the payload of an ENTRY_TXN, with the results of state_apply. */
int txn_apply(struct state *s, uint64_t index, struct slice payload, state_watch *watch,
	      void *context, struct errmsg *msg);
#endif
