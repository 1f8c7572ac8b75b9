/* main_recover.h - the manager as its disk has it. I/O.
 *
 * What the daemon does at its start, and tests/sim at each start of a simulated one. A log that is
 * damaged, or gone, on one of several managers is taken from the others: what is whole of it is
 * kept, and the node gets a new raft id, so that to them it is a new one, and nobody counts on what
 * it has promised and forgotten. On a manager alone it is refused.
 */
#ifndef SB_APPLETS_MANAGER_MAIN_RECOVER_H
#define SB_APPLETS_MANAGER_MAIN_RECOVER_H
#include "applets/manager/manager.h"
#include "io/wal.h"

struct recovery {
	const struct folder *folder;	/* borrowed as long as the wal is open, as is key */
	const struct seal_key *key;
	/* begin: FOUND becomes JOIN when there is a log. raft_id: see above. */
	struct manager_config *config;
	int create;			/* a new node: that its log is empty is no loss */
	uint32_t segment_bytes;		/* io/wal.h; 0 in the daemon */
	/* out: the caller's in any case; NULL before */
	struct manager *manager;
	struct wal *wal;		/* out: open on success */
	void *context;			/* of these */
	/* Makes config durable. 0, or a code with msg. */
	int (*save)(void *context, struct errmsg *msg);
	void (*log)(void *context, enum log_level level, const char *text);
	/* For tests/sim, else NULL: the disk is read from the start (maybe once more); a record. */
	void (*begin)(void *context);
	void (*record)(void *context, uint64_t number, struct slice body);
};

/*
 * 0: manager and wal are ready for EVENT_START. ERR_CORRUPT: damaged and nobody to take it from.
 * ERR_IO, ERR_FULL: the disk cannot be read or written; what is on it is as it was, or cut as
 * above. ERR_NOT_FOUND: RAFT_FORCE without a log. Else as wal_open, snapshot_open.
 */
int recover_manager(struct recovery *r, struct errmsg *msg);
#endif
