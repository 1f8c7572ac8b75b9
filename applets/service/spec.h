/* spec.h - what flags make of a service's spec. Pure. */
#ifndef SB_APPLETS_SERVICE_SPEC_H
#define SB_APPLETS_SERVICE_SPEC_H
#include "applets/service/flags.h"
#include "model/service.h"

/*
 * Applies the flags to a spec: a zeroed one for create, the present one for update (what was
 * decoded is not touched, only what *spec points to is replaced). --env-file, --rollback and
 * variables of --env without a value are the caller's to resolve before. New parts live in
 * the arena and point to the flags' values. 0, or ERR_INVALID with msg that names the option.
 */
int service_spec_apply(struct arena *a, const struct service_flags *f, struct service_spec *spec,
		       struct errmsg *msg);

/* Of lists.c, for spec.c: part of service_spec_apply. */
int service_lists_apply(struct arena *a, const struct service_flags *f, struct service_spec *spec,
			struct errmsg *msg);
#endif
