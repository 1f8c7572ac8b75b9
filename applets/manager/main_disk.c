/*
 * The log and the snapshots. Contracts are in main_private.h and base/step.h.
 *
 * A snapshot is written by a forked copy of the process: it has the state as it was at the effect,
 * and the loop goes on. The copy keeps no descriptor but those it needs, so that others see at once
 * when the daemon itself ends.
 */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>
#include "applets/manager/main_private.h"
#include "applets/manager/main_recover.h"
#include "base/mem.h"
#include "io/entropy.h"
#include "io/log.h"

enum { PROBE_MS = 1000 };

/* ---- recovery ------------------------------------------------------------------- */

static int save_node(void *context, struct errmsg *msg)
{
	struct daemon *d = context;

	return node_save(d->config->data_dir, &d->config->node, d->founder, msg);
}

static void log_text(void *context, enum log_level level, const char *text)
{
	(void)context;
	log_printf(level, "%s", text);
}

int disk_recover(struct daemon *d, struct errmsg *msg)
{
	struct recovery r = {
		.folder = &d->dir.raft, .key = &d->dir.key, .config = &d->config->node,
		.create = d->config->create, .wal = &d->wal, .context = d, .save = save_node,
		.log = log_text,
	};
	uint64_t seed;
	int err;

	if (!d->is_manager) {
		entropy_fill(&seed, sizeof(seed));
		d->manager = manager_new(&d->config->node, seed);
		d->log_failed = 1;	/* there is none */
		return datadir_wipe_log(&d->dir, msg);
	}
	err = recover_manager(&r, msg);
	d->manager = r.manager;
	return err;
}

/* ---- the log -------------------------------------------------------------------- */

void disk_failed(struct daemon *d, const struct errmsg *msg)
{
	struct event ev = { .kind = EVENT_WAL_FAILED, .text = slice_of(msg->text) };

	if (d->log_failed)
		return;
	d->log_failed = 1;
	daemon_deliver(d, MANAGER, &ev);
}

void disk_append(struct daemon *d, const struct effect *x)
{
	struct errmsg msg = { { 0 } };
	int err;

	if (d->log_failed)
		return;
	err = wal_append(&d->wal, x->id, x->body);
	if (err == ERR_LIMIT && wal_sync(&d->wal, &msg) == 0)	/* room for one more turn */
		err = wal_append(&d->wal, x->id, x->body);
	if (err < 0) {
		if (!msg.text[0])
			errmsg_set(&msg, err, "%s", err_text(err));
		disk_failed(d, &msg);
	}
}

int disk_sync(struct daemon *d)
{
	struct event ev = { .kind = EVENT_WAL_DONE };
	struct errmsg msg = { { 0 } };

	if (d->log_failed || d->wal.last == d->wal.durable)
		return 0;
	if (wal_sync(&d->wal, &msg) < 0) {
		disk_failed(d, &msg);
		return 1;
	}
	ev.id = d->wal.durable;
	daemon_deliver(d, MANAGER, &ev);
	return 1;
}

/* ---- snapshots ------------------------------------------------------------------ */

/* In the copy: closes all but three descriptors. */
static void close_others(int a, int b)
{
	int low = a < b ? a : b, high = a < b ? b : a;

	(void)syscall(SYS_close_range, 3, low - 1, 0);
	(void)syscall(SYS_close_range, low + 1, high - 1, 0);
	(void)syscall(SYS_close_range, high + 1, ~0U, 0);
}

static void copy_main(struct daemon *d, int fd)
{
	static struct snapshot_writer w;
	struct errmsg msg = { { 0 } };
	int err;

	(void)prctl(PR_SET_PDEATHSIG, SIGKILL);
	close_others(fd, d->dir.raft.fd);
	err = snapshot_begin(&w, &d->dir.raft, &d->dir.key, d->saving.index, &msg);
	if (err == 0) {
		/* The writer remembers why. */
		(void)manager_snapshot(d->manager, &w.file.sink);
		err = snapshot_finish(&w, &msg);
	}
	if (err < 0)
		(void)!write(fd, msg.text, strlen(msg.text));
	else
		(void)!write(fd, &w.file.length, sizeof(w.file.length));
	_exit(err < 0);
}

/* What stays though it could go is no harm: the next snapshot drops it. */
static void drop_log(struct daemon *d, uint64_t wal_keep)
{
	struct errmsg msg = { { 0 } };

	if (wal_drop_before(&d->wal, wal_keep, &msg) < 0)
		log_printf(LOG_WARNING, "a part of the log that is of no use any more stays: %s",
			   msg.text);
}

static void saved(struct daemon *d, int ok, struct errmsg *msg)
{
	struct event ev = { .kind = EVENT_SNAPSHOT_SAVED, .id = d->saving.index };

	ev.offset = d->saving.length;
	if (ok) {
		drop_log(d, d->saving.wal_keep);
	} else {
		ev.kind = EVENT_SNAPSHOT_FAILED;
		ev.text = slice_of(msg->text);
	}
	d->saving.index = 0;
	loop_copied(&d->loop, 0);
	daemon_deliver(d, MANAGER, &ev);
}

static void on_copy_ended(struct loop_child *child, int status)
{
	struct daemon *d = child->context;
	int ok = WIFEXITED(status) && WEXITSTATUS(status) == 0;
	struct errmsg msg = { { 0 } };
	ssize_t n = 0;

	if (ok)
		ok = read(d->saving.result_fd, &d->saving.length, sizeof(d->saving.length)) ==
		     sizeof(d->saving.length);
	else
		n = read(d->saving.result_fd, msg.text, sizeof(msg.text) - 1);
	close(d->saving.result_fd);
	msg.text[n > 0 ? n : 0] = '\0';
	if (!ok)
		(void)snapshot_clean(&d->dir.raft, NULL);	/* else the next one replaces it */
	if (!ok && !msg.text[0])
		errmsg_set(&msg, ERR_IO, "the process that wrote it was ended (status %d)", status);
	saved(d, ok, &msg);
}

void disk_save(struct daemon *d, const struct effect *x)
{
	struct errmsg msg = { { 0 } };
	int fds[2];
	pid_t pid;

	d->saving.index = x->id;
	d->saving.wal_keep = x->wal_keep;
	if (pipe2(fds, O_CLOEXEC) < 0) {
		errmsg_set(&msg, ERR_IO, "%s", strerror(errno));
		saved(d, 0, &msg);
		return;
	}
	loop_copied(&d->loop, 1);
	pid = fork();
	if (pid == 0)
		copy_main(d, fds[1]);
	close(fds[1]);
	if (pid < 0) {
		close(fds[0]);
		errmsg_set(&msg, ERR_IO, "%s", strerror(errno));
		saved(d, 0, &msg);
		return;
	}
	d->saving.result_fd = fds[0];
	d->saving.child.call = on_copy_ended;
	d->saving.child.context = d;
	loop_child(&d->loop, &d->saving.child, pid);
}

static void saving_end(struct daemon *d)
{
	if (!d->saving.index)
		return;
	loop_child_forget(&d->loop, &d->saving.child);
	(void)kill(d->saving.child.pid, SIGKILL);
	(void)waitpid(d->saving.child.pid, NULL, 0);
	loop_copied(&d->loop, 0);
	close(d->saving.result_fd);
	d->saving.index = 0;
}

static void reading_end(struct reading *r)
{
	if (r->peer)
		snapshot_close(&r->reader);
	r->peer = 0;
}

/* The open file for that peer and snapshot, opened if need be; NULL with msg. */
static struct reading *reading_for(struct daemon *d, uint64_t peer, uint64_t index,
				   struct errmsg *msg)
{
	struct reading *r = NULL;

	for (int i = 0; i < READINGS_MAX; i++) {
		if (d->readings[i].peer == peer)
			r = &d->readings[i];
	}
	if (r && r->reader.index == index)
		return r;
	for (int i = 0; i < READINGS_MAX && !r; i++) {
		if (!d->readings[i].peer)
			r = &d->readings[i];
	}
	if (!r)
		r = &d->readings[peer % READINGS_MAX];
	reading_end(r);
	if (snapshot_open(&r->reader, &d->dir.raft, &d->dir.key, index, msg) < 0)
		return NULL;
	r->peer = peer;
	return r;
}

void disk_read(struct daemon *d, const struct effect *x)
{
	struct event ev = { .kind = EVENT_SNAPSHOT_PIECE, .id = x->id, .index = x->index,
			    .offset = x->offset };
	struct errmsg msg = { { 0 } };
	struct reading *r = reading_for(d, x->id, x->index, &msg);
	struct buf piece;

	buf_init(&piece, RAFT_PIECE_MAX);
	ev.status = r ? snapshot_read_at(&r->reader, x->offset, RAFT_PIECE_MAX, &piece, &msg) :
			ERR_NOT_FOUND;
	if (ev.status < 0) {
		log_printf(LOG_WARNING, "a manager's snapshot: %s", msg.text);
	} else {
		ev.body = buf_slice(&piece);
		ev.more = x->offset + piece.len < r->reader.file.length;
	}
	if (r && (ev.status < 0 || !ev.more))
		reading_end(r);
	daemon_deliver(d, MANAGER, &ev);
	buf_done(&piece);
}

static int store(struct daemon *d, const struct effect *x, struct errmsg *msg)
{
	int err = 0;

	if (x->offset == 0 && d->storing_index)
		snapshot_abandon(&d->storing);
	if (x->offset == 0)
		err = snapshot_begin(&d->storing, &d->dir.raft, &d->dir.key, x->id, msg);
	else if (d->storing_index != x->id)
		err = errmsg_set(msg, ERR_INVALID, "a piece of another snapshot");
	if (err < 0) {
		d->storing_index = 0;
		return err;
	}
	d->storing_index = x->id;
	err = snapshot_put(&d->storing, x->body);
	if (err < 0 || !x->more)
		err = snapshot_finish(&d->storing, msg);
	if (err < 0 || !x->more)
		d->storing_index = 0;
	if (err == 0 && !x->more)
		drop_log(d, x->wal_keep);
	return err;
}

void disk_store(struct daemon *d, const struct effect *x)
{
	struct event ev = { .kind = EVENT_SNAPSHOT_STORED, .id = x->id, .index = x->index,
			    .more = x->more };
	struct errmsg msg = { { 0 } };

	ev.status = store(d, x, &msg);
	ev.text = slice_of(msg.text);
	daemon_deliver(d, MANAGER, &ev);
}

/* ---- the disk failed ---------------------------------------------------------------- */

static void on_probe(struct loop_timer *t)
{
	struct daemon *d = t->context;
	struct errmsg msg = { { 0 } };

	if (folder_probe(&d->dir.raft, &msg) < 0) {
		loop_timer_set(&d->loop, t, loop_now_ms(&d->loop) + PROBE_MS);
		return;
	}
	log_printf(LOG_WARNING, "the data folder can be written again: starting anew from it");
	d->restart = 1;
	d->ended = 1;
	loop_stop(&d->loop);
}

void disk_restart(struct daemon *d, const struct effect *x)
{
	(void)x;	/* the manager has logged why */
	d->probe_timer.call = on_probe;
	d->probe_timer.context = d;
	loop_timer_set(&d->loop, &d->probe_timer, loop_now_ms(&d->loop) + PROBE_MS);
}

/* ---- end ----------------------------------------------------------------------------- */

void disk_wipe(struct daemon *d)
{
	static const char *const files[] = { "netmap.json", "netmap.json.status" };
	char path[FILE_PATH_MAX + 64];
	struct errmsg msg = { { 0 } };

	d->log_failed = 1;	/* there is no log any more */
	saving_end(d);
	if (d->is_manager)
		wal_close(&d->wal);
	if (datadir_wipe(&d->dir, &msg) < 0)
		log_printf(LOG_ERROR, "%s", msg.text);
	for (size_t i = 0; i < sizeof(files) / sizeof(files[0]); i++) {
		snprintf(path, sizeof(path), "%s/%s", d->config->run_dir, files[i]);
		(void)unlink(path);	/* it may never have been there */
	}
}

void disk_done(struct daemon *d)
{
	saving_end(d);
	for (int i = 0; i < READINGS_MAX; i++)
		reading_end(&d->readings[i]);
	if (d->storing_index)
		snapshot_abandon(&d->storing);
}
