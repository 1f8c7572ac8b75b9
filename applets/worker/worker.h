/* worker.h - the agent of one node: makes the engine run what the manager assigned. Pure.
 *
 * A step machine (base/step.h): assignments and engine answers in, engine calls and status
 * reports out. It keeps no file: what it needs after a restart stands in the containers'
 * labels, and the manager sends the assignments again.
 */
#ifndef SB_APPLETS_WORKER_H
#define SB_APPLETS_WORKER_H
#include "base/rng.h"
#include "base/step.h"
#include "model/node.h"

struct worker_config {
	const char *node_id;	/* borrowed for the worker's life */
	const char *hostname;
	const char *addr;	/* where the node is reached, "HOST:PORT"; NULL: not known */
	/* Of the node's certificate: told with the rest of its description. It may change between
	 * two steps; the next one (a TIMER will do) tells of it. NULL: not told. */
	const struct tls_info *tls;
};

struct worker;

/* seed: for jitter. The caller frees it with worker_free. */
struct worker *worker_new(const struct worker_config *config, uint64_t seed);
void worker_free(struct worker *w);

/*
 * One event in, effects out (added to fx, which the caller has reset). Events it takes:
 * START, TIMER, STOP, SESSION_UP/DOWN/MESSAGE (one session: the current one),
 * ENGINE_REPLY/DATA, PORTS_STATUS. Effects it gives: TIMER, LOG, SESSION_SEND, ENGINE_CALL/CANCEL,
 * PUBLISH ("netmap.json"), NODE, EXIT after STOP. A message that does not parse is logged and the
 * session is asked to start over (report `resync`).
 */
void worker_step(struct worker *w, const struct event *ev, struct effects *fx);
#endif
