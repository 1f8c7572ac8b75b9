/* servicelist.h - lists of services: service ls, stack services. Pure. */
#ifndef SB_SERVICELIST_H
#define SB_SERVICELIST_H
#include "applets/cli.h"
#include "applets/rows.h"

/* Writes the API's array of services (asked for with status=true), sorted by name. 0, or an
 * error of model_decode or rows_form with msg. */
int servicelist_write(struct arena *a, const struct json *services, const struct rows_options *o,
		      struct buf *out, struct errmsg *msg);
/* Asks the API for path ("/services?status=true...") and prints it. empty: as in
 * tasklist_print. Returns the exit status. */
int servicelist_print(struct cli *cli, const char *path, const struct rows_options *o,
		      const char *empty);
#endif
