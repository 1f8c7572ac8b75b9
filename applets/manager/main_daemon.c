/*
 * The driver of manager and worker in one process. Contracts are in main.h and base/step.h.
 *
 * Events that come up while effects are being carried out (the other machine's messages, a
 * pipelined request) wait in a queue, so a step never runs inside another. Records are written
 * and synced once per turn of the loop, before it sleeps: that is the group commit.
 */
#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>
#include "applets/manager/main.h"
#include "applets/manager/main_lb.h"
#include "applets/manager/main_node.h"
#include "applets/worker/worker.h"
#include "base/mem.h"
#include "io/clock.h"
#include "io/datadir.h"
#include "io/engine.h"
#include "io/entropy.h"
#include "io/log.h"
#include "io/server.h"
#include "io/snapshot.h"
#include "io/wal.h"

enum {
	SESSION = 1,		/* the one between our own manager and worker */
	FDS_WANTED = 2 * SERVER_CONNECTIONS_MAX + SERVER_SPARE_FDS,
	SYNCS_PER_TURN = 8,	/* then the sockets get their turn */
	FLUSH_MS = 1000,	/* for the last replies, when the process ends */
	LOCK_MS = 1000,		/* for the daemon before us to let go of the data folder */
};

enum who { MANAGER, WORKER };

/* An event that waits, with its bytes behind it. */
struct queued {
	struct queued *next;
	enum who who;
	struct event ev;
};

struct machine {
	struct daemon *daemon;
	enum who who;
	struct effects fx;
	struct loop_timer timer;
};

struct daemon {
	struct daemon_config *config;
	struct arena arena;
	struct loop loop;
	struct datadir dir;
	struct wal wal;
	struct server server;
	struct engine engine;
	struct manager *manager;
	struct worker *worker;
	struct machine machines[2];
	struct queued *first, **last;
	int stepping;
	int log_failed;
	int announced;
	int ended;
	int status;
	struct loop_timer sync_timer;	/* more to sync than one turn may */
	struct lb_process lb;
	struct server_handler server_handler;
	struct engine_handler engine_handler;
};

/* ---- events ------------------------------------------------------------------- */

static void carry_out(struct daemon *d, enum who who, const struct effect *x);

static void tell_ready(struct daemon *d, const char *text)
{
	if (d->config->ready_fd < 0)
		return;
	if (write(d->config->ready_fd, text, strlen(text)) < 0)
		log_printf(LOG_WARNING, "nobody waits for this node to be ready");
	close(d->config->ready_fd);
	d->config->ready_fd = -1;
}

static void step(struct daemon *d, enum who who, struct event *ev)
{
	struct effects *fx = &d->machines[who].fx;

	ev->now_ms = clock_now_ms();
	ev->wall_ns = clock_wall_ns();
	effects_reset(fx);
	d->stepping = 1;
	if (who == MANAGER)
		manager_step(d->manager, ev, fx);
	else
		worker_step(d->worker, ev, fx);
	for (uint32_t i = 0; i < fx->count; i++)
		carry_out(d, who, &fx->items[i]);
	d->stepping = 0;
	if (!d->announced && manager_is_ready(d->manager)) {
		d->announced = 1;
		log_printf(LOG_INFO, "node %s is ready", d->config->node.node_id);
		tell_ready(d, "ready\n");
	}
}

static struct slice put(char **at, struct slice s)
{
	struct slice copy = { *at, s.len };

	if (s.len)
		memcpy(*at, s.data, s.len);
	*at += s.len;
	return copy;
}

static void enqueue(struct daemon *d, enum who who, const struct event *ev)
{
	size_t n = ev->method.len + ev->target.len + ev->body.len + ev->text.len;
	struct queued *q = mem_new(sizeof(*q) + n);
	char *at = (char *)(q + 1);

	q->who = who;
	q->ev = *ev;
	q->ev.method = put(&at, ev->method);
	q->ev.target = put(&at, ev->target);
	q->ev.body = put(&at, ev->body);
	q->ev.text = put(&at, ev->text);
	*d->last = q;
	d->last = &q->next;
}

static void drain(struct daemon *d)
{
	while (d->first && !d->ended) {
		struct queued *q = d->first;

		d->first = q->next;
		if (!d->first)
			d->last = &d->first;
		step(d, q->who, &q->ev);
		mem_free(q);
	}
}

/* Gives a machine its event: at once, or after the step that is under way. */
static void deliver(struct daemon *d, enum who who, struct event *ev)
{
	if (d->ended)
		return;
	if (d->stepping) {
		enqueue(d, who, ev);
		return;
	}
	step(d, who, ev);
	drain(d);
}

static void on_timer(struct loop_timer *t)
{
	struct machine *m = t->context;
	struct event ev = { .kind = EVENT_TIMER };

	deliver(m->daemon, m->who, &ev);
}

static void on_signal(void *context, int signal)
{
	struct event ev = { .kind = EVENT_STOP };

	if (signal == SIGHUP)
		return;
	log_printf(LOG_INFO, "stopping: containers keep running");
	deliver(context, WORKER, &ev);
	deliver(context, MANAGER, &ev);
}

static void on_request(void *context, uint64_t id, const struct http_head *head, struct slice body)
{
	struct event ev = {
		.kind = EVENT_REQUEST, .id = id, .method = head->method, .target = head->target,
		.body = body, .text = http_head_find(head, "Content-Type"),
	};

	deliver(context, MANAGER, &ev);
}

static void on_gone(void *context, uint64_t id)
{
	struct event ev = { .kind = EVENT_REQUEST_GONE, .id = id };

	deliver(context, MANAGER, &ev);
}

static void on_engine_reply(void *context, uint64_t id, int status, struct slice body,
			    const char *why)
{
	struct event ev = {
		.kind = EVENT_ENGINE_REPLY, .id = id, .status = status, .body = body,
		.text = slice_of(why),
	};

	deliver(context, WORKER, &ev);
}

static void on_engine_data(void *context, uint64_t id, struct slice piece)
{
	struct event ev = { .kind = EVENT_ENGINE_DATA, .id = id, .body = piece };

	deliver(context, WORKER, &ev);
}

static void on_ports_status(void *context, struct slice text)
{
	struct event ev = { .kind = EVENT_PORTS_STATUS, .body = text };

	deliver(context, WORKER, &ev);
}

/* ---- effects ------------------------------------------------------------------ */

static void log_failed(struct daemon *d, const struct errmsg *msg)
{
	struct event ev = { .kind = EVENT_WAL_FAILED, .text = slice_of(msg->text) };

	d->log_failed = 1;
	deliver(d, MANAGER, &ev);
}

static void append(struct daemon *d, const struct effect *x)
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
		log_failed(d, &msg);
	}
}

/* Runs before the loop sleeps. */
static void sync_log(void *context)
{
	struct daemon *d = context;
	struct errmsg msg = { { 0 } };

	for (int i = 0; !d->log_failed && !d->ended && d->wal.last > d->wal.durable; i++) {
		struct event ev = { .kind = EVENT_WAL_DONE };

		if (i == SYNCS_PER_TURN) {
			loop_timer_set(&d->loop, &d->sync_timer, loop_now_ms(&d->loop));
			return;
		}
		if (wal_sync(&d->wal, &msg) < 0) {
			log_failed(d, &msg);
			return;
		}
		ev.id = d->wal.durable;
		deliver(d, MANAGER, &ev);
	}
}

static void on_sync_timer(struct loop_timer *t)
{
	(void)t;	/* the turn it made is enough: sync_log runs at its end */
}

static void save_snapshot(struct daemon *d, const struct effect *x)
{
	struct event ev = { .kind = EVENT_SNAPSHOT_SAVED, .id = x->id };
	struct errmsg msg = { { 0 } };
	int err = snapshot_save(&d->dir.raft, &d->dir.key, x->id, x->body, &msg);

	if (err == 0)
		err = wal_drop_before(&d->wal, x->wal_keep, &msg);
	if (err < 0) {
		ev.kind = EVENT_SNAPSHOT_FAILED;
		ev.text = slice_of(msg.text);
	}
	deliver(d, MANAGER, &ev);
}

static void send_message(struct daemon *d, enum who from, const struct effect *x)
{
	struct event ev = { .kind = EVENT_SESSION_MESSAGE, .id = x->id, .body = x->body };

	deliver(d, from == MANAGER ? WORKER : MANAGER, &ev);
}

static void publish(struct daemon *d, const struct effect *x)
{
	char path[FILE_PATH_MAX + 64];
	struct errmsg msg = { { 0 } };

	snprintf(path, sizeof(path), "%s/%.*s", d->config->run_dir, SLICE_ARGS(x->target));
	if (file_write(path, x->body, 0600, FILE_VOLATILE, &msg) < 0)
		log_printf(LOG_ERROR, "%s", msg.text);
}

static void wipe(struct daemon *d)
{
	static const char *const files[] = { "netmap.json", "netmap.json.status" };
	char path[FILE_PATH_MAX + 64];
	struct errmsg msg = { { 0 } };

	d->log_failed = 1;	/* there is no log any more */
	wal_close(&d->wal);
	if (datadir_wipe(&d->dir, &msg) < 0)
		log_printf(LOG_ERROR, "%s", msg.text);
	for (size_t i = 0; i < sizeof(files) / sizeof(files[0]); i++) {
		snprintf(path, sizeof(path), "%s/%s", d->config->run_dir, files[i]);
		(void)unlink(path);	/* it may never have been there */
	}
}

static void call_engine(struct daemon *d, const struct effect *x)
{
	struct engine_request request = {
		.id = x->id, .method = x->method, .target = x->target, .body = x->body,
		.timeout_ms = x->timeout_ms, .pieces = x->more,
	};

	engine_call(&d->engine, &request);
}

static void answer(struct daemon *d, const struct effect *x)
{
	struct http_reply reply = {
		.status = x->status, .content_type = x->text, .body = x->body, .more = x->more,
	};

	server_reply(&d->server, x->id, &reply);
}

static void set_timer(struct daemon *d, enum who who, uint64_t deadline_ms)
{
	if (deadline_ms)
		loop_timer_set(&d->loop, &d->machines[who].timer, deadline_ms);
	else
		loop_timer_clear(&d->loop, &d->machines[who].timer);
}

static void carry_out(struct daemon *d, enum who who, const struct effect *x)
{
	switch (x->kind) {
	case EFFECT_TIMER: set_timer(d, who, x->deadline_ms); break;
	case EFFECT_LOG: log_write(x->level, x->text); break;
	case EFFECT_EXIT:
		if (who == WORKER)
			break;	/* the manager has the last word */
		d->ended = 1;
		d->status = x->status;
		loop_stop(&d->loop);
		break;
	case EFFECT_WAL_APPEND: append(d, x); break;
	case EFFECT_SNAPSHOT_SAVE: save_snapshot(d, x); break;
	case EFFECT_REPLY: answer(d, x); break;
	case EFFECT_REPLY_CHUNK: server_piece(&d->server, x->id, x->body, x->more); break;
	case EFFECT_SESSION_SEND: send_message(d, who, x); break;
	case EFFECT_ENGINE_CALL: call_engine(d, x); break;
	case EFFECT_ENGINE_CANCEL: engine_cancel(&d->engine, x->id); break;
	case EFFECT_PUBLISH: publish(d, x); break;
	case EFFECT_WIPE: wipe(d); break;
	}
}

/* ---- start and end ------------------------------------------------------------ */

static int on_record(void *arg, uint64_t number, struct slice body, struct errmsg *msg)
{
	return manager_recover_record(arg, number, body, msg);
}

static int recover(struct daemon *d, struct errmsg *msg)
{
	struct wal_config wal = {
		.folder = &d->dir.raft, .key = &d->dir.key, .on_record = on_record,
		.arg = d->manager,
	};
	struct buf snapshot;
	uint64_t index;
	int err;

	buf_init(&snapshot, SNAPSHOT_BODY_MAX);
	err = snapshot_load(&d->dir.raft, &d->dir.key, &snapshot, &index, msg);
	if (err == 0)
		err = manager_recover_snapshot(d->manager, buf_slice(&snapshot), msg);
	else if (err == ERR_NOT_FOUND)
		err = 0;
	buf_done(&snapshot);
	if (err == 0)
		err = wal_open(&d->wal, &wal, msg);
	if (err == 0 && d->wal.torn_offset)
		log_printf(LOG_WARNING, "%s: a torn end was cut at byte %llu: it was never "
			   "acknowledged", d->wal.torn_name,
			   (unsigned long long)d->wal.torn_offset);
	return err;
}

static int open_node(struct daemon *d, struct errmsg *msg)
{
	struct daemon_config *c = d->config;
	int err = datadir_open(&d->dir, c->data_dir, msg);

	/* A daemon that was killed just now may not be quite gone. */
	for (int i = 0; err == ERR_LOCKED && i < LOCK_MS / 10; i++) {
		(void)poll(NULL, 0, 10);
		err = datadir_open(&d->dir, c->data_dir, msg);
	}
	if (err < 0)
		return err;
	if (c->create && daemon_node_exists(c->data_dir))
		return errmsg_set(msg, ERR_EXISTS, "This node is already part of a swarm. Use "
				  "\"swarmbox leave\" to leave this swarm first.");
	if (c->create)
		err = node_save(c->data_dir, &c->node, msg);
	else
		err = node_load(&d->arena, c->data_dir, &c->node, msg);
	return err;
}

static void make_machines(struct daemon *d)
{
	uint64_t seeds[2];

	entropy_fill(seeds, sizeof(seeds));
	d->manager = manager_new(&d->config->node, seeds[0]);
	d->worker = worker_new(&(struct worker_config){
		d->config->node.node_id, d->config->node.hostname }, seeds[1]);
	for (int i = MANAGER; i <= WORKER; i++) {
		d->machines[i].daemon = d;
		d->machines[i].who = (enum who)i;
		d->machines[i].timer.call = on_timer;
		d->machines[i].timer.context = &d->machines[i];
		effects_init(&d->machines[i].fx);
	}
}

static int open_sockets(struct daemon *d, struct errmsg *msg)
{
	static const char headers[] =
		"Api-Version: 1.41\r\nDocker-Experimental: false\r\nOstype: linux\r\n"
		"Server: Docker/swarmbox-" SB_VERSION " (linux)\r\n";

	d->server_handler = (struct server_handler){ d, manager_serves, on_request, on_gone };
	d->engine_handler = (struct engine_handler){ d, on_engine_reply, on_engine_data };
	server_init(&d->server, &d->loop, &d->server_handler, slice_of(headers),
		    d->config->engine_path);
	engine_init(&d->engine, &d->loop, &d->engine_handler, d->config->engine_path);
	return server_listen(&d->server, d->config->api_path, 0660, msg);
}

static void begin(struct daemon *d)
{
	struct slice node = slice_of(d->config->node.node_id);
	struct event start = { .kind = EVENT_START, .id = d->wal.last, .text = node };
	struct event up = { .kind = EVENT_SESSION_UP, .id = SESSION, .text = node };

	/* All four before anything they lead to: each end must know of the session before the
	 * other's first message comes. */
	enqueue(d, MANAGER, &start);
	enqueue(d, WORKER, &start);
	enqueue(d, MANAGER, &up);
	enqueue(d, WORKER, &up);
	drain(d);
	lb_process_start(&d->lb);
}

static void end(struct daemon *d)
{
	server_flush(&d->server, FLUSH_MS);
	lb_process_stop(&d->lb);
	(void)unlink(d->config->api_path);
	server_done(&d->server);
	engine_done(&d->engine);
}

/* As many descriptors as there may be: a shell's 1,024 are soon used by clients. Root may have
 * more than its own limit says. */
static void raise_limit(void)
{
	struct rlimit wanted = { FDS_WANTED, FDS_WANTED }, r;

	if (getrlimit(RLIMIT_NOFILE, &r) < 0)
		return;
	if (r.rlim_max < FDS_WANTED && setrlimit(RLIMIT_NOFILE, &wanted) == 0)
		return;
	r.rlim_cur = r.rlim_max;
	(void)setrlimit(RLIMIT_NOFILE, &r);	/* else it stays as it is */
}

static int prepare(struct daemon *d, struct errmsg *msg)
{
	int err = file_mkdirs(d->config->run_dir, 0755, msg);

	if (err == 0)
		err = open_node(d, msg);
	if (err < 0)
		return err;
	make_machines(d);
	raise_limit();
	err = recover(d, msg);
	if (err == 0)
		err = loop_init(&d->loop, msg);
	if (err == 0)
		err = loop_signals(&d->loop, on_signal, d, msg);
	if (err == 0)
		err = lb_process_init(&d->lb, &d->loop, d->config->run_dir, msg);
	if (err == 0)
		err = open_sockets(d, msg);
	return err;
}

int daemon_run(struct daemon_config *config)
{
	static struct daemon d;
	struct errmsg msg = { { 0 } };
	int err;

	d.config = config;
	d.last = &d.first;
	d.sync_timer.call = on_sync_timer;
	d.lb.status = on_ports_status;
	d.lb.context = &d;
	arena_init(&d.arena);
	err = prepare(&d, &msg);
	if (err < 0) {
		log_printf(LOG_ERROR, "%s", msg.text);
		if (config->create && err != ERR_EXISTS && d.dir.folder.path[0])
			(void)datadir_wipe(&d.dir, NULL);	/* as if nothing had been tried */
		tell_ready(&d, msg.text);
		return 1;
	}
	loop_before_sleep(&d.loop, sync_log, &d);
	begin(&d);
	if (!d.ended && loop_run(&d.loop, &msg) < 0) {
		log_printf(LOG_ERROR, "%s", msg.text);
		d.status = 1;
	}
	end(&d);
	datadir_close(&d.dir);
	return d.status;
}
