/* values.h - the values of single options as parts of a service's spec. Pure.
 *
 * Every function: 0, or ERR_INVALID (ERR_LIMIT) with msg saying what is wrong, without the
 * option's name. Results live in the arena or are part of the text.
 */
#ifndef SB_APPLETS_SERVICE_VALUES_H
#define SB_APPLETS_SERVICE_VALUES_H
#include "base/arena.h"
#include "base/err.h"
#include "model/service.h"

enum { VALUES_PORTS_MAX = 1000 };	/* in one range, "8000-8999" */

/* --publish: "[published[-end]:]target[-end][/protocol]" or "published=,target=,protocol=,
 * mode=": one or, for ranges, more struct port_config. */
int values_ports(struct arena *a, const char *text, struct list *out, struct errmsg *msg);
/* --mount: "type=,source=,target=,readonly,...". */
int values_mount(struct arena *a, const char *text, struct mount *out, struct errmsg *msg);
/* --network: "name", or "name=,alias=,driver-opt=". */
int values_network(struct arena *a, const char *text, struct network_target *out,
		   struct errmsg *msg);
/* --ulimit: "name=soft[:hard]". */
int values_ulimit(struct arena *a, const char *text, struct ulimit *out, struct errmsg *msg);
/* --host: "name:ip" as "ip name". */
int values_host(struct arena *a, const char *text, const char **out, struct errmsg *msg);
/* --cap-add, --cap-drop: "net_admin" as "CAP_NET_ADMIN". */
const char *values_capability(struct arena *a, const char *text);
#endif
