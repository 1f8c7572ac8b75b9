/* private.h - what the commands of `swarmbox swarm` share. Pure. */
#ifndef SB_APPLETS_SWARM_PRIVATE_H
#define SB_APPLETS_SWARM_PRIVATE_H
#include "applets/cli.h"

enum swarm_rotation { ROTATE_NONE, ROTATE_WORKER, ROTATE_MANAGER, ROTATE_UNLOCK_KEY };

enum swarm_edit_kind { EDIT_SET, EDIT_BOOL, EDIT_ADD };

/* One member of the swarm's spec: Spec.<section>.<key>. */
struct swarm_edit {
	const char *section, *key;
	enum swarm_edit_kind kind;
	int64_t value;		/* EDIT_ADD: added to what is there */
};

/*
 * update.c: GET /swarm, then POST /swarm/update of the spec as it came with the edits in it
 * (ended by section = NULL), again where another update came between. *before (may be NULL): the
 * swarm as it was. As cli_call.
 */
int swarm_change(struct cli *cli, const struct swarm_edit *edits, enum swarm_rotation rotation,
		 const struct json **before, struct errmsg *msg);
/* keys.c: asks for the unlock key and prints it, alone or with what to do with it. */
int swarm_print_unlock_key(struct cli *cli, int quiet, struct errmsg *msg);

struct join_token_options {
	int quiet, rotate;
};

struct update_options {
	int autolock;
	struct option_number cert_expiry, dispatcher_heartbeat, max_snapshots, snapshot_interval,
		task_history_limit;
};

struct ca_options {
	int rotate, detach, quiet;
	struct option_number cert_expiry;
};

extern const struct option swarm_token_options[], swarm_update_options[], swarm_ca_options[];
int swarm_run_join_token(struct cli *cli);
int swarm_run_unlock_key(struct cli *cli);
int swarm_run_unlock(struct cli *cli);
int swarm_run_update(struct cli *cli);
int swarm_run_ca(struct cli *cli);
#endif
