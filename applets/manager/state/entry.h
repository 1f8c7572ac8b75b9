/* entry.h - the envelope of a command in the log: what it is, who asked, what to answer. Pure.
 *
 * Every RAFT_COMMAND entry has it:
 *
 *	type u8, request id 16 bytes, status, length of body (varints, base/bytes.h), body,
 *	payload (the rest)
 *
 * The answer stands in the entry because whoever applies it may have to give it: a client that
 * repeats its request at another manager, after the first one died, gets the same answer.
 */
#ifndef SB_APPLETS_MANAGER_STATE_ENTRY_H
#define SB_APPLETS_MANAGER_STATE_ENTRY_H
#include <stdint.h>
#include "base/arena.h"
#include "base/slice.h"

enum entry_type {
	ENTRY_TXN = 1,		/* payload: a transaction as JSON (txn.c) */
	ENTRY_KV = 2,		/* payload: a command of the key-value store (kv.h) */
};

enum {
	REQUEST_ID_LEN = 16,	/* 128 random bits: no two requests get the same by chance */
	ENTRY_BODY_MAX = 8192,	/* a node's certificates and the managers' addresses */
	ENTRY_HEAD_MAX = 1 + REQUEST_ID_LEN + 2 + 2,
	ENTRY_OVERHEAD_MAX = ENTRY_HEAD_MAX + ENTRY_BODY_MAX,
};

/* Names one request of a client, however often it is sent. All zero: it has no name. */
struct request_id {
	uint8_t bytes[REQUEST_ID_LEN];
};

/* What a request is answered: an HTTP status and JSON text (may be empty). */
struct outcome {
	int status;
	struct slice body;
};

struct entry {
	enum entry_type type;
	struct request_id id;
	/* Of a transaction. What an ENTRY_KV is answered is known when it is applied: 0, empty. */
	struct outcome outcome;
	struct slice payload;
};

int request_id_is_none(struct request_id id);
/* The entry's bytes, in a. Asserts a body of at most ENTRY_BODY_MAX and a status below 1000. */
struct slice entry_build(struct arena *a, const struct entry *e);
/* Slices are borrowed from bytes. 0, or ERR_INVALID: an unknown type, or a length or status that
 * cannot be; the output is untouched then. */
int entry_parse(struct slice bytes, struct entry *e);
#endif
