/* message.h - what managers' Rafts say to each other, as bytes. Pure.
 *
 * Little endian, every length checked, as record.h. Layout: type u8, term u64, then the
 * fields of the type in the order in which they stand in struct raft_message; flags are u8.
 *
 * A message is a hint that may be lost, doubled, late or out of order: Raft copes (thesis 3).
 */
#ifndef SB_RAFT_MESSAGE_H
#define SB_RAFT_MESSAGE_H
#include "base/arena.h"
#include "raft/record.h"

enum raft_message_type {
	RAFT_VOTE = 1,		/* index, log_term: of the sender's last entry; pre; transfer */
	RAFT_VOTE_REPLY,	/* pre; granted */
	RAFT_APPEND,		/* index, log_term: of the entry before; commit; round; entries */
	RAFT_APPEND_REPLY,	/* granted; index: highest one on disk that is the leader's too, or
				 * if refused the highest that may be; log_term: its term; round */
	RAFT_SNAPSHOT,		/* index, log_term: what it covers; offset; more; config; data */
	RAFT_SNAPSHOT_REPLY,	/* index; offset: of the next piece wanted; granted: installed */
	RAFT_LEAD_NOW,		/* become candidate at once (thesis 3.10) */
};

enum {
	RAFT_PIECE_MAX = 512 << 10,		/* of a snapshot in one message */
	/* Entries in one message, unless the first alone is larger. */
	RAFT_APPEND_BYTES_MAX = 512 << 10,
	RAFT_APPEND_ENTRIES_MAX = 1024,	/* each is an effect of the step that takes it */
	RAFT_MESSAGE_MAX = 2 * RAFT_RECORD_MAX,
};

struct raft_message {
	enum raft_message_type type;
	uint64_t to;		/* not in the bytes: the connection tells both ends */
	uint64_t term;
	uint64_t index, log_term;
	uint64_t commit;
	uint64_t round;		/* of heartbeats: the reply tells the newest one seen */
	uint64_t offset;
	int pre, transfer, granted, more;
	/* RAFT_APPEND: entries index + 1 and on. From raft_message_parse they and their data are
	 * in the arena or borrowed from the bytes. */
	const struct raft_entry *entries;
	uint32_t entry_count;
	struct raft_config config;
	struct slice data;
};

void raft_message_build(struct buf *out, const struct raft_message *m);
/* All of bytes is one message; `to` is left 0. ERR_CORRUPT as in record.h: the output is
 * untouched then. */
int raft_message_parse(struct arena *a, struct slice bytes, struct raft_message *m);
#endif
