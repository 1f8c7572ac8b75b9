/* main_lb.h - the lb process of this node: started, watched, adopted. I/O.
 *
 * lb outlives a daemon that dies, so that ports are served meanwhile. The next daemon goes on
 * with it if it is of the same program, and else starts the new one, which takes over.
 */
#ifndef SB_APPLETS_MANAGER_MAIN_LB_H
#define SB_APPLETS_MANAGER_MAIN_LB_H
#include "base/slice.h"
#include "io/file.h"
#include "io/loop.h"

struct lb_process {
	/* Which published ports are served here: lb's status file, each time it changes. */
	void (*status)(void *context, struct slice text);
	void *context;		/* the caller's */
	struct loop *loop;	/* private, as all below */
	char netmap[FILE_PATH_MAX + 16];
	struct file_watch status_watch;
	struct loop_child child;
	struct loop_watch adopted;	/* a pidfd */
	struct loop_timer restart;
	pid_t pid;		/* 0: none runs */
};

/* status and context are set before. 0, or an error of file_watch_start. Starts nothing yet. */
int lb_process_init(struct lb_process *p, struct loop *l, const char *run_dir,
		    struct errmsg *msg);
/* Adopts or starts it; the status that is there is told at once. */
void lb_process_start(struct lb_process *p);
/* Ends it in good order, also one that was not adopted: its connections may finish. Nothing is
 * waited for. */
void lb_process_stop(struct lb_process *p);
#endif
