/* wphase.h - a task's phases, and what they need of wtask.c. Pure. */
#ifndef SB_APPLETS_WORKER_WPHASE_H
#define SB_APPLETS_WORKER_WPHASE_H
#include "applets/worker/state.h"
#include "docker/image.h"

/*
 * The table's columns are the triggers. go: no call is in flight, there is room for one: it
 * makes the phase's call, or moves to another phase, or does nothing and so waits for the
 * manager or an engine event. reply: the call's answer (status > 0).
 */
struct wphase_row {
	void (*go)(struct worker *w, struct wtask *t);
	void (*reply)(struct worker *w, struct wtask *t, const struct event *ev);
};

extern const struct wphase_row wphase_table[PHASE_COUNT];

/* Moves the observed state forward; one that lies behind is passed over. */
void wtask_observe(struct worker *w, struct wtask *t, int state);
/* Moves to a phase, which is looked at when there is room. */
void wtask_to(struct worker *w, struct wtask *t, enum phase phase);
/* Frees t: it has no call in flight and no container. */
void wtask_forget(struct worker *w, struct wtask *t);
/* The pull is over: its stream is forgotten. */
void wtask_pull_done(struct wtask *t);
int wtask_is_dead(const struct wtask *t);
int wtask_desired(const struct wtask *t);
/* Nothing of it may run (any more). */
int wtask_must_stop(const struct wtask *t);
#endif
