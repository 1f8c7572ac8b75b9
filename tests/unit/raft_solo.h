/* raft_solo.h - one Raft, and what it says to a call, as text. Pure.
 *
 * An update is rendered in its order, parts joined by "; ":
 *	hard TERM/VOTE, entry INDEX/TERM		records to write
 *	2: vote TERM INDEX/TERM [pre] [transfer]	messages, after the receiver's id
 *	2: yes|no TERM [pre]
 *	2: append TERM INDEX/TERM +COUNT commit N [round N]
 *	2: has|refuses TERM INDEX/TERM [round N]
 *	2: snapshot TERM INDEX/TERM OFFSET+LENGTH [last]
 *	2: wants|installed TERM INDEX OFFSET
 *	2: lead TERM
 *	want PEER INDEX OFFSET, piece OFFSET, drop, commit INDEX, role, config
 */
#ifndef SB_UNIT_RAFT_SOLO_H
#define SB_UNIT_RAFT_SOLO_H
#include "base/buf.h"
#include "raft/raft.h"

struct solo {
	struct raft raft;
	struct raft_update u;
	struct arena arena;
	struct buf text;
	uint64_t now;
};

/* Node 1; members as text: "1 2 3-" with '-' for a learner; log: the terms of its entries from
 * index 1 on ("1 1 2"), entry 1 is the configuration; term and vote. All durable, started. */
void solo_init(struct solo *s, const char *members, const char *log, uint64_t term, uint64_t vote);
void solo_done(struct solo *s);
/* What the last call said. */
const char *solo_said(struct solo *s);
/* These call the raft at s->now and return what it said. */
const char *solo_receive(struct solo *s, uint64_t from, struct raft_message m);
const char *solo_persisted(struct solo *s);
const char *solo_tick(struct solo *s, uint64_t after_ms);
const char *solo_flush(struct solo *s);
const char *solo_up(struct solo *s, uint64_t peer);
const char *solo_down(struct solo *s, uint64_t peer);
/* Elects it, with the vote of peer 2, and commits its no-op with its acknowledgement. The others
 * are connected; flushed. */
void solo_lead(struct solo *s);
/* An APPEND of the leader in term m.term with entries of these terms ("3 3"), in s->arena. */
struct raft_message solo_append(struct solo *s, uint64_t term, uint64_t index, uint64_t log_term,
				const char *entries);
#endif
