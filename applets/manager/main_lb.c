/* Contracts are in main_lb.h. */
#include "applets/manager/main_lb.h"
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>
#include "io/log.h"

enum {
	RESTART_MS = 1000,
	STATUS_MAX = 1 << 20,	/* some thousand ports */
};

static void start(struct lb_process *p);

static void ended(struct lb_process *p, const char *how, int number)
{
	p->pid = 0;
	log_printf(LOG_ERROR, "lb ended (%s %d): started again in %d ms", how, number,
		   RESTART_MS);
	loop_timer_set(p->loop, &p->restart, loop_now_ms(p->loop) + RESTART_MS);
}

static void on_exit_of_child(struct loop_child *c, int status)
{
	ended(c->context, WIFSIGNALED(status) ? "signal" : "status",
	      WIFSIGNALED(status) ? WTERMSIG(status) : WEXITSTATUS(status));
}

static void on_exit_of_adopted(struct loop_watch *w, uint32_t events)
{
	struct lb_process *p = w->context;

	(void)events;
	loop_close(p->loop, w);
	ended(p, "process", (int)p->pid);
}

static void on_restart(struct loop_timer *t)
{
	start(t->context);
}

static void on_status(struct file_watch *w)
{
	struct lb_process *p = w->context;
	char path[sizeof(p->netmap) + 16];
	struct buf text;

	snprintf(path, sizeof(path), "%s.status", p->netmap);
	buf_init(&text, STATUS_MAX);
	if (file_read(path, STATUS_MAX, &text, NULL) == 0)
		p->status(p->context, buf_slice(&text));
	buf_done(&text);
}

/* Is it the program that we are? After an upgrade it is not. */
static int is_same_program(pid_t pid)
{
	struct stat its, ours;
	char path[64];

	snprintf(path, sizeof(path), "/proc/%d/exe", (int)pid);
	return stat(path, &its) == 0 && stat("/proc/self/exe", &ours) == 0 &&
	       its.st_dev == ours.st_dev && its.st_ino == ours.st_ino;
}

/* The pid of the lb that serves our netmap (applets/lb/main.c writes it), or 0. */
static pid_t find_running(const struct lb_process *p)
{
	char path[sizeof(p->netmap) + 16], text[24] = "";
	uint64_t pid = 0;
	int fd;

	snprintf(path, sizeof(path), "%s.lock", p->netmap);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return 0;
	if (flock(fd, LOCK_EX | LOCK_NB) == 0 || read(fd, text, sizeof(text) - 1) <= 0 ||
	    slice_to_u64(slice_trim(slice_of(text)), 1 << 30, &pid) < 0)
		pid = 0;
	close(fd);
	return (pid_t)pid;
}

static int adopt(struct lb_process *p)
{
	pid_t pid = find_running(p);
	int fd;

	if (pid <= 0 || !is_same_program(pid))
		return 0;
	fd = (int)syscall(SYS_pidfd_open, pid, 0);
	if (fd < 0)
		return 0;
	p->adopted.call = on_exit_of_adopted;
	p->adopted.context = p;
	if (loop_watch(p->loop, &p->adopted, fd, EPOLLIN) < 0) {
		close(fd);
		return 0;
	}
	p->pid = pid;
	return 1;
}

static void run(struct lb_process *p)
{
	char *argv[] = { "swarmbox", "lb", "--netmap", p->netmap, NULL };

	loop_signals_restore(p->loop);
	(void)syscall(SYS_close_range, 3, ~0U, 0);
	execv("/proc/self/exe", argv);
	_exit(127);
}

/* As long as the child holds copies of our connections, one that we close is still watched. So it
 * gives up all of them first, and vfork returns after that. */
static void start(struct lb_process *p)
{
	pid_t pid = vfork();

	if (pid == 0)
		run(p);
	if (pid < 0) {
		ended(p, "fork", -1);
		return;
	}
	p->pid = pid;
	loop_child(p->loop, &p->child, pid);
}

int lb_process_init(struct lb_process *p, struct loop *l, const char *run_dir,
		    struct errmsg *msg)
{
	char path[sizeof(p->netmap) + 16];

	p->loop = l;
	p->child.call = on_exit_of_child;
	p->child.context = p;
	p->restart.call = on_restart;
	p->restart.context = p;
	p->status_watch.call = on_status;
	p->status_watch.context = p;
	snprintf(p->netmap, sizeof(p->netmap), "%s/netmap.json", run_dir);
	snprintf(path, sizeof(path), "%s.status", p->netmap);
	return file_watch_start(&p->status_watch, l, path, msg);
}

void lb_process_start(struct lb_process *p)
{
	if (!adopt(p))
		start(p);
	on_status(&p->status_watch);
}

void lb_process_stop(struct lb_process *p)
{
	pid_t pid = p->pid > 0 ? p->pid : find_running(p);

	if (pid > 0)
		(void)kill(pid, SIGTERM);	/* it may have ended already */
}
