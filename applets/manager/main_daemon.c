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
#include "applets/manager/ca.h"
#include "applets/manager/main_address.h"
#include "applets/manager/main_private.h"
#include "base/mem.h"
#include "base/timefmt.h"
#include "io/clock.h"
#include "io/entropy.h"
#include "io/log.h"
#include "io/sock.h"

enum {
	FDS_WANTED = 2 * SERVER_CONNECTIONS_MAX + SERVER_SPARE_FDS,
	ROUNDS_PER_TURN = 8,	/* then the sockets get their turn */
	FLUSH_MS = 1000,	/* for the last replies, when the process ends */
	/* For the daemon before us to let go of the data folder: one that was killed in the midst
	 * of a sync holds it until a slow disk is done. */
	LOCK_MS = 5000,
	SETTLE_MS = 300,	/* from a change of addresses until they are looked at */
};

struct queued {
	struct queued *next;
	enum who who;
	struct event ev;
};

/* ---- events ------------------------------------------------------------------- */

static void carry_out(struct daemon *d, enum who who, const struct effect *x);

void daemon_tell(struct daemon *d, const char *text)
{
	if (d->config->ready_fd < 0)
		return;
	if (write(d->config->ready_fd, text, strlen(text)) < 0)
		log_printf(LOG_WARNING, "nobody waits for this node to be ready");
	close(d->config->ready_fd);
	d->config->ready_fd = -1;
}

/* Founded once, it is not founded again, whatever becomes of its log. */
static void announce(struct daemon *d)
{
	struct daemon_config *c = d->config;
	struct errmsg msg = { { 0 } };

	d->announced = 1;
	log_printf(LOG_INFO, "node %s is ready", c->node.node_id);
	if (d->founder && node_save(c->data_dir, &c->node, 0, &msg) < 0)
		log_printf(LOG_ERROR, "%s", msg.text);
	d->founder = 0;
	/* The log has it now. */
	if (d->trust->root_key.len) {
		d->trust->root_key.len = 0;
		if (trust_save(d->trust, &d->dir, &msg) < 0)
			log_printf(LOG_ERROR, "%s", msg.text);
	}
	daemon_tell(d, d->is_manager ? "ready manager\n" : "ready worker\n");
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
	if (!d->announced && (d->is_manager ? manager_is_ready(d->manager) : d->welcome))
		announce(d);
}

static void enqueue(struct daemon *d, enum who who, const struct event *ev)
{
	struct queued *q = mem_new(sizeof(*q) + event_bytes(ev));

	q->who = who;
	event_copy(&q->ev, ev, q + 1);
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

void daemon_deliver(struct daemon *d, enum who who, struct event *ev)
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

	daemon_deliver(m->daemon, m->who, &ev);
}

static void on_signal(void *context, int signal)
{
	struct daemon *d = context;
	struct event ev = { .kind = EVENT_STOP };

	if (signal == SIGHUP)
		return;
	if (!d->manager) {	/* locked */
		d->ended = 1;
		loop_stop(&d->loop);
		return;
	}
	log_printf(LOG_INFO, "stopping: containers keep running");
	server_stop(&d->server);
	daemon_deliver(d, WORKER, &ev);
	daemon_deliver(d, MANAGER, &ev);
}

static void on_request(void *context, uint64_t id, const struct http_head *head, struct slice body)
{
	struct daemon *d = context;
	struct event ev = {
		.kind = EVENT_REQUEST, .id = id, .method = head->method, .target = head->target,
		.body = body, .text = http_head_find(head, "Content-Type"),
	};

	if (d->manager)
		daemon_deliver(d, MANAGER, &ev);
	else
		lock_request(d, &ev);
}

static void on_gone(void *context, uint64_t id)
{
	struct event ev = { .kind = EVENT_REQUEST_GONE, .id = id };
	struct daemon *d = context;

	if (d->manager)
		daemon_deliver(d, MANAGER, &ev);
}

static void on_engine_reply(void *context, uint64_t id, int status, struct slice body,
			    const char *why)
{
	struct event ev = {
		.kind = EVENT_ENGINE_REPLY, .id = id, .status = status, .body = body,
		.text = slice_of(why),
	};

	daemon_deliver(context, WORKER, &ev);
}

static void on_engine_data(void *context, uint64_t id, struct slice piece)
{
	struct event ev = { .kind = EVENT_ENGINE_DATA, .id = id, .body = piece };

	daemon_deliver(context, WORKER, &ev);
}

static void on_ports_status(void *context, struct slice text)
{
	struct event ev = { .kind = EVENT_PORTS_STATUS, .body = text };

	daemon_deliver(context, WORKER, &ev);
}

/* ---- effects ------------------------------------------------------------------ */

/* The end of a turn, before the loop sleeps: what gathered goes to the followers, then to our own
 * disk, which works while they do; what that makes due comes at once. */
static void end_turn(void *context)
{
	struct daemon *d = context;

	for (int i = 0; !d->ended; i++) {
		struct event flush = { .kind = EVENT_FLUSH };
		int more = d->flush_due;

		d->flush_due = 0;
		if (more)
			daemon_deliver(d, MANAGER, &flush);
		links_flush(d);
		more |= disk_sync(d);
		if (!more)
			return;
		if (i == ROUNDS_PER_TURN) {
			loop_timer_set(&d->loop, &d->turn_timer, loop_now_ms(&d->loop));
			return;
		}
	}
}

static void on_turn_timer(struct loop_timer *t)
{
	(void)t;	/* the turn it made is enough: end_turn runs at its end */
}

static void session_effect(struct daemon *d, enum who from, const struct effect *x)
{
	if (from == WORKER)
		agent_send_up(d, x);
	else if (x->id != d->own)
		links_agent(d, x);
	else if (x->kind == EFFECT_SESSION_SEND)
		agent_send_down(d, x);
	else
		agent_restart_own(d);
}

void daemon_restart(struct daemon *d)
{
	d->ended = 1;
	d->restart = 1;
	loop_stop(&d->loop);
}

static void publish(struct daemon *d, const struct effect *x)
{
	char path[FILE_PATH_MAX + 64];
	struct errmsg msg = { { 0 } };

	snprintf(path, sizeof(path), "%s/%.*s", d->config->run_dir, SLICE_ARGS(x->target));
	if (file_write(path, x->body, 0600, FILE_VOLATILE, &msg) < 0)
		log_printf(LOG_ERROR, "%s", msg.text);
}

static void call_engine(struct daemon *d, const struct effect *x)
{
	struct engine_request request = {
		.id = x->id, .method = x->method, .target = x->target, .body = x->body,
		.timeout_ms = x->timeout_ms, .pieces = x->more,
	};

	engine_call(&d->engine, &request);
}

void daemon_answer(struct daemon *d, const struct effect *x)
{
	struct http_reply reply = {
		.status = x->status, .content_type = x->text, .headers = x->target,
		.body = x->body, .more = x->more,
	};

	if (!links_answer(d, x))
		server_reply(&d->server, x->id, &reply);
}

static void set_timer(struct daemon *d, enum who who, uint64_t deadline_ms)
{
	struct loop_timer *timer = &d->machines[who].timer;

	if (deadline_ms == 0)
		loop_timer_clear(&d->loop, timer);
	else if (!timer->place || timer->deadline_ms != deadline_ms)
		loop_timer_set(&d->loop, timer, deadline_ms);
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
	case EFFECT_WAL_APPEND: disk_append(d, x); break;
	case EFFECT_FLUSH: d->flush_due = 1; break;
	case EFFECT_SNAPSHOT_SAVE: disk_save(d, x); break;
	case EFFECT_SNAPSHOT_READ: disk_read(d, x); break;
	case EFFECT_SNAPSHOT_STORE: disk_store(d, x); break;
	case EFFECT_LOCK: lock_seal(d, x); break;
	case EFFECT_RESTART: disk_restart(d, x); break;
	case EFFECT_PEERS:
	case EFFECT_PEER_DIAL:
	case EFFECT_PEER_DROP:
	case EFFECT_PEER_SEND: links_effect(d, x); break;
	case EFFECT_REPLY: daemon_answer(d, x); break;
	case EFFECT_REPLY_CHUNK: server_piece(&d->server, x->id, x->body, x->more); break;
	case EFFECT_SESSION_SEND:
	case EFFECT_SESSION_DROP: session_effect(d, who, x); break;
	case EFFECT_ENGINE_CALL: call_engine(d, x); break;
	case EFFECT_ENGINE_CANCEL: engine_cancel(&d->engine, x->id); break;
	case EFFECT_PUBLISH: publish(d, x); break;
	case EFFECT_NODE: agent_node(d, x); break;
	case EFFECT_WIPE: disk_wipe(d); break;
	}
}

/* ---- start and end ------------------------------------------------------------ */

/* A new one: its certificate first, then what it is. */
static int create_node(struct daemon *d, struct errmsg *msg)
{
	struct daemon_config *c = d->config;
	int err = lock_create(d, msg);

	d->founder = c->node.begin == RAFT_FOUND;
	if (err < 0)
		return err;
	if (d->founder)
		err = trust_found(d->trust, c->node.node_id, c->node.swarm_id,
				  clock_wall_ns() / SECOND_NS, msg);
	else
		err = join_swarm(d, msg);
	if (err == 0)
		err = trust_save(d->trust, &d->dir, msg);
	return err < 0 ? err : node_save(c->data_dir, &c->node, d->founder, msg);
}

static int load_node(struct daemon *d, struct errmsg *msg)
{
	struct daemon_config *c = d->config;
	int err = node_load(&d->arena, c->data_dir, &c->node, &d->founder, msg);

	if (err < 0)
		return err;
	if (c->node.raft_id == 0)
		return errmsg_set(msg, ERR_INVALID, "%s: restored from a backup: run 'swarmbox "
				  "init --force-new-cluster' to make it the swarm's only manager; "
				  "if others still run, remove the folder and join them instead",
				  c->data_dir);
	if (d->founder && c->node.begin == RAFT_JOIN)
		c->node.begin = RAFT_FOUND;
	err = lock_wait(d, msg);
	if (err < 0 || d->ended)
		return err;
	err = trust_load(d->trust, &d->dir, msg);
	if (err == ERR_NOT_FOUND)
		return errmsg_set(msg, ERR_CORRUPT, "%s/identity: missing, so this node has no "
				  "certificate: put the folder back from a copy, or leave the "
				  "swarm with 'swarmbox leave --force' and join again",
				  c->data_dir);
	if (err == 0 && strcmp(c->node.node_id, d->trust->cert.subject.common_name) != 0)
		return errmsg_set(msg, ERR_CORRUPT, "%s/identity: it is another node's",
				  c->data_dir);
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
	err = c->create ? create_node(d, msg) : load_node(d, msg);
	if (err == 0 && !d->ended && d->trust->root_key.len) {
		c->node.swarm_id = arena_str(&d->arena,
					     slice_of(d->trust->cert.subject.organisation));
		c->node.root_cert = arena_str(&d->arena, d->trust->roots);
		c->node.root_key = arena_str(&d->arena, d->trust->root_key);
	}
	entropy_fill(c->node.secrets.bytes, sizeof(c->node.secrets.bytes));
	return err;
}

static void make_machines(struct daemon *d)
{
	uint64_t seed;

	entropy_fill(&seed, sizeof(seed));
	d->tls_info = d->trust->tls_info;
	d->worker = worker_new(&(struct worker_config){
		d->config->node.node_id, d->config->node.hostname,
		d->config->node.advertise_addr, &d->tls_info }, seed);
	for (int i = MANAGER; i <= WORKER; i++) {
		d->machines[i].daemon = d;
		d->machines[i].who = (enum who)i;
		d->machines[i].timer.call = on_timer;
		d->machines[i].timer.context = &d->machines[i];
		effects_init(&d->machines[i].fx);
	}
}

int daemon_listen(struct daemon *d, int (*serves)(struct slice method, struct slice target),
		  struct errmsg *msg)
{
	static const char headers[] =
		"Api-Version: 1.41\r\nDocker-Experimental: false\r\nOstype: linux\r\n"
		"Server: Docker/swarmbox-" SB_VERSION " (linux)\r\n";
	int err = loop_signals(&d->loop, on_signal, d, msg);

	if (err < 0)
		return err;
	d->server_handler = (struct server_handler){ d, serves, on_request, on_gone };
	server_init(&d->server, &d->loop, &d->server_handler, slice_of(headers),
		    d->config->engine_path);
	err = server_listen(&d->server, d->config->api_path, 0660, msg);
	if (err == 0 && d->config->api_tcp[0])
		err = server_listen_tcp(&d->server, d->config->api_tcp, msg);
	return err;
}

static int open_ends(struct daemon *d, struct errmsg *msg)
{
	int err = lb_process_init(&d->lb, &d->loop, d->config->run_dir, msg);

	d->engine_handler = (struct engine_handler){ d, on_engine_reply, on_engine_data };
	engine_init(&d->engine, &d->loop, &d->engine_handler, d->config->engine_path);
	return err < 0 ? err : links_start(d, msg);
}

/* ---- addresses ---------------------------------------------------------------- */

/* 1 if this node is reached elsewhere from now on. */
static int follow_address(struct daemon *d)
{
	struct daemon_config *c = d->config;
	struct errmsg msg = { { 0 } };

	if (!address_follow(&d->arena, &c->node))
		return 0;
	log_printf(LOG_INFO, "this node is reached at %s from now on", c->node.advertise_addr);
	if (node_save(c->data_dir, &c->node, d->founder, &msg) < 0)
		log_printf(LOG_ERROR, "%s", msg.text);
	return 1;
}

/* All that knows the old one begins anew. */
static void on_addresses_timer(struct loop_timer *t)
{
	struct daemon *d = t->context;

	if (follow_address(d))
		daemon_restart(d);
}

/* One goes before the next comes. */
static void on_addresses(struct loop_watch *w, uint32_t events)
{
	struct daemon *d = w->context;

	(void)events;
	sock_drain(w->fd);
	loop_timer_set(&d->loop, &d->addresses_timer, loop_now_ms(&d->loop) + SETTLE_MS);
}

static void watch_addresses(struct daemon *d)
{
	int fd = sock_address_changes();

	d->addresses = (struct loop_watch){ .call = on_addresses, .context = d };
	d->addresses_timer = (struct loop_timer){ .call = on_addresses_timer, .context = d };
	if (fd >= 0 && loop_watch(&d->loop, &d->addresses, fd, EPOLLIN) == 0)
		return;
	log_printf(LOG_WARNING, "changes of this host's addresses will be seen at the next start "
		   "only");
	if (fd >= 0)
		close(fd);
}

static void begin(struct daemon *d)
{
	struct slice node = slice_of(d->config->node.node_id);
	struct event start = { .kind = EVENT_START, .id = d->wal.last, .text = node };

	/* All four before anything they lead to: each end must know of the session before the
	 * other's first message comes. */
	d->stepping = 1;
	daemon_deliver(d, MANAGER, &start);
	daemon_deliver(d, WORKER, &start);
	agent_begin(d);
	d->stepping = 0;
	drain(d);
	renewal_start(d);
	watch_addresses(d);
	lb_process_start(&d->lb);
}

static void end(struct daemon *d)
{
	server_flush(&d->server, FLUSH_MS);
	if (!d->restart)
		lb_process_stop(&d->lb);
	(void)unlink(d->config->api_path);
	server_done(&d->server);
	engine_done(&d->engine);
	agent_end(d);
	renewal_done(d);
	if (d->addresses.events)
		loop_close(&d->loop, &d->addresses);
	loop_timer_clear(&d->loop, &d->addresses_timer);
	links_done(d);
	disk_done(d);
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

	raise_limit();
	if (err == 0)
		err = loop_init(&d->loop, msg);
	if (err == 0)
		err = open_node(d, msg);
	if (err < 0 || d->ended)
		return err;
	if (!d->config->create)
		(void)follow_address(d);
	d->is_manager = strcmp(d->trust->cert.subject.unit, ca_manager_unit) == 0;
	d->config->node.worker = !d->is_manager;
	if (d->config->node.worker && d->config->node.begin == RAFT_FORCE)
		return errmsg_set(msg, ERR_INVALID, "--force-new-cluster: this node is a worker: "
				  "only a manager has recorded the swarm");
	if (!d->is_manager && d->config->node.unlock_key)
		lock_open(d);
	make_machines(d);
	err = disk_recover(d, msg);
	if (err == 0 && !d->server.loop)	/* else it was locked */
		err = daemon_listen(d, manager_serves, msg);
	return err < 0 ? err : open_ends(d, msg);
}

/* The same program, from the start, with what the disk holds. */
static void start_anew(struct daemon *d)
{
	struct daemon_config *c = d->config;
	char engine[FILE_PATH_MAX + 8], host[FILE_PATH_MAX + 8];
	char *argv[] = { "swarmbox", "manager", "--data-dir", c->data_dir, "--run-dir", c->run_dir,
			 "--engine", engine, "--host", host, NULL };

	snprintf(engine, sizeof(engine), "unix://%s", c->engine_path);
	snprintf(host, sizeof(host), c->api_tcp[0] ? "tcp://%s" : "unix://%s",
		 c->api_tcp[0] ? c->api_tcp : c->api_path);
	loop_signals_restore(&d->loop);
	lock_bequeath(d);
	execv("/proc/self/exe", argv);
	log_printf(LOG_ERROR, "cannot start anew: %s", strerror(errno));
	d->status = 1;
}

/* It ended before it was a manager: refused, or never unlocked. */
static int end_early(struct daemon *d)
{
	if (d->server.loop) {
		server_flush(&d->server, FLUSH_MS);
		(void)unlink(d->config->api_path);
	}
	datadir_close(&d->dir);
	return d->status;
}

int daemon_run(struct daemon_config *config)
{
	static struct daemon d;
	struct errmsg msg = { { 0 } };
	int err;

	d.config = config;
	d.last = &d.first;
	d.trust = mem_new(sizeof(*d.trust));
	d.turn_timer.call = on_turn_timer;
	d.lb.status = on_ports_status;
	d.lb.context = &d;
	arena_init(&d.arena);
	err = prepare(&d, &msg);
	if (err < 0) {
		log_printf(LOG_ERROR, "%s", msg.text);
		if (config->create && err != ERR_EXISTS && d.dir.folder.path[0])
			(void)datadir_wipe(&d.dir, NULL);	/* as if nothing had been tried */
		daemon_tell(&d, msg.text);
		d.status = 1;
	}
	if (err < 0 || d.ended)
		return end_early(&d);
	loop_before_sleep(&d.loop, end_turn, &d);
	begin(&d);
	if (!d.ended && loop_run(&d.loop, &msg) < 0) {
		log_printf(LOG_ERROR, "%s", msg.text);
		d.status = 1;
	}
	end(&d);
	datadir_close(&d.dir);
	if (d.restart)
		start_anew(&d);
	return d.status;
}
