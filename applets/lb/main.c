/* swarmbox lb: follows the netmap file and serves each published port in it. */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/resource.h>
#include <unistd.h>

#include "applets/lb/main.h"
#include "base/mem.h"
#include "io/log.h"
#include "io/sock.h"

static void close_port(struct lb_app *app, struct lb_port *p)
{
	struct lb_listener *from = p->listener;

	if (!from)
		return;
	if (p->protocol == NETMAP_UDP)
		lb_udp_drop(app, p);
	/* While accepting pauses it is not registered. */
	if (from->watch.events)
		loop_close(&app->loop, &from->watch);
	else
		close(from->watch.fd);
	mem_free(from);
	p->listener = NULL;
}

static int bind_port(const struct lb_port *p, struct errmsg *msg)
{
	int fd;

	if (p->protocol == NETMAP_UDP)
		return sock_bind_udp(0, p->published, msg);
	fd = sock_listen_tcp(0, p->published, msg);
	/* Inherited by what it accepts: two system calls less per connection. */
	if (fd >= 0) {
		sock_nodelay(fd);
		sock_keepalive(fd);
	}
	return fd;
}

static void open_port(struct lb_app *app, struct lb_port *p)
{
	struct errmsg why = { { 0 } };
	struct lb_listener *from;
	const char *protocol = p->protocol == NETMAP_TCP ? "tcp" : "udp";
	int fd = bind_port(p, &why);

	if (fd < 0) {
		if (strncmp(p->error, why.text, sizeof(p->error) - 1) != 0)
			log_printf(LOG_ERROR, "lb: port %u/%s: %s", p->published, protocol,
				why.text);
		snprintf(p->error, sizeof(p->error), "%.*s", (int)sizeof(p->error) - 1, why.text);
		loop_timer_set(&app->loop, &app->retry, loop_now_ms(&app->loop) + LB_RETRY_MS);
		return;
	}
	from = mem_new(sizeof(*from));
	from->app = app;
	from->port = p;
	from->watch.call = p->protocol == NETMAP_TCP ? lb_accept : lb_datagram;
	from->watch.context = from;
	from->watch.fd = fd;
	if (app->resume.place == 0)
		loop_watch(&app->loop, &from->watch, fd, EPOLLIN);
	p->listener = from;
	p->error[0] = '\0';
	log_printf(LOG_INFO, "lb: port %u/%s: open", p->published, protocol);
}

/* Written only when it says something new. */
static void write_status(struct lb_app *app)
{
	char path[FILE_PATH_MAX];
	struct errmsg msg = { { 0 } };
	struct buf now;

	buf_init(&now, LB_NETMAP_MAX);
	lb_status(&app->lb, &now);
	snprintf(path, sizeof(path), "%s.status", app->path);
	if (slice_equal(buf_slice(&now), buf_slice(&app->status))) {
		buf_done(&now);
		return;
	}
	if (file_write(path, buf_slice(&now), 0644, FILE_VOLATILE, &msg) < 0)
		log_printf(LOG_WARNING, "lb: %s", msg.text);
	buf_done(&app->status);
	app->status = now;
}

/* Makes the listeners what the map wants. */
static void settle(struct lb_app *app)
{
	if (app->draining)
		return;
	for (struct lb_port *p = app->lb.ports; p; p = p->next)
		if (!p->wanted && p->listener) {
			close_port(app, p);
			log_printf(LOG_INFO, "lb: port %u/%s: closed", p->published,
				p->protocol == NETMAP_TCP ? "tcp" : "udp");
		}
	lb_sweep(&app->lb);
	for (struct lb_port *p = app->lb.ports; p; p = p->next)
		if (p->wanted && !p->listener)
			open_port(app, p);
	write_status(app);
}

static void retry_ports(struct loop_timer *t)
{
	settle(t->context);
}

/* A file that is missing or broken changes nothing: the last map goes on being served. */
static void load(struct lb_app *app)
{
	struct errmsg msg = { { 0 } };
	struct netmap map = { 0 };
	struct arena arena;
	struct buf text;
	int err;

	arena_init(&arena);
	buf_init(&text, LB_NETMAP_MAX);
	err = file_read(app->path, LB_NETMAP_MAX, &text, &msg);
	if (err == 0) {
		err = netmap_parse(&arena, buf_slice(&text), &map, &msg);
		errmsg_prefix(&msg, err, "%s", app->path);
	}
	if (err == 0)
		lb_update(&app->lb, &map);
	else if (err != ERR_NOT_FOUND)	/* the manager has not said anything yet */
		log_printf(LOG_WARNING, "lb: %s", msg.text);
	buf_done(&text);
	arena_done(&arena);
	settle(app);
}

static void file_changed(struct file_watch *w)
{
	load(w->context);
}

void lb_pause(struct lb_app *app)
{
	if (app->resume.place)
		return;
	for (struct lb_port *p = app->lb.ports; p; p = p->next)
		if (p->listener)
			loop_unwatch(&app->loop, &((struct lb_listener *)p->listener)->watch);
	loop_timer_set(&app->loop, &app->resume, loop_now_ms(&app->loop) + LB_PAUSE_MS);
}

static void resume(struct loop_timer *t)
{
	struct lb_app *app = t->context;

	for (struct lb_port *p = app->lb.ports; p; p = p->next) {
		struct lb_listener *from = p->listener;

		if (from && loop_watch(&app->loop, &from->watch, from->watch.fd, EPOLLIN) < 0)
			log_printf(LOG_ERROR, "lb: port %u: epoll refused it", p->published);
	}
}

void lb_ended(struct lb_app *app)
{
	if (app->draining && app->connections == 0)
		loop_stop(&app->loop);
}

static void drain_over(struct loop_timer *t)
{
	struct lb_app *app = t->context;

	log_printf(LOG_WARNING, "lb: %u connections cut", app->connections);
	loop_stop(&app->loop);
}

/* Lets the open connections finish. A second signal does not wait. */
static void on_signal(void *context, int signal)
{
	struct lb_app *app = context;

	if (signal == SIGHUP)
		return;
	if (app->draining || app->connections == 0)
		loop_stop(&app->loop);
	if (app->draining)
		return;
	app->draining = 1;
	for (struct lb_port *p = app->lb.ports; p; p = p->next)
		close_port(app, p);
	close(app->lock_fd);	/* the next one may bind the ports now */
	loop_timer_set(&app->loop, &app->drain, loop_now_ms(&app->loop) + LB_DRAIN_MS);
}

/* As many descriptors as there may be, and from them as many connections. */
static uint32_t count_connections(void)
{
	struct rlimit r;
	uint64_t n;

	if (getrlimit(RLIMIT_NOFILE, &r) < 0)
		return LB_CONNECTIONS_MAX;
	r.rlim_cur = r.rlim_max;
	setrlimit(RLIMIT_NOFILE, &r);
	n = r.rlim_cur > 4 * LB_SPARE_FDS ? (r.rlim_cur - LB_SPARE_FDS) / 2 : r.rlim_cur / 4;
	return n < LB_CONNECTIONS_MAX ? (uint32_t)n : LB_CONNECTIONS_MAX;
}

/* Who holds the lock, as it wrote there; 0 = it has not yet. */
static pid_t lock_holder(int fd)
{
	char text[24] = "";
	uint64_t pid;

	if (pread(fd, text, sizeof(text) - 1, 0) <= 0 ||
	    slice_to_u64(slice_trim(slice_of(text)), 1 << 30, &pid) < 0)
		return 0;
	return (pid_t)pid;
}

/*
 * lb outlives a daemon that dies, so that ports are served while there is none. The next
 * daemon's lb takes over: the old one closes its listeners, gives up the lock and lets its
 * connections end by themselves.
 */
static int take_over(struct lb_app *app, struct errmsg *msg)
{
	char path[FILE_PATH_MAX + 8], text[24];
	pid_t told = 0;
	int n;

	snprintf(path, sizeof(path), "%s.lock", app->path);
	app->lock_fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
	if (app->lock_fd < 0)
		return errmsg_set(msg, ERR_IO, "%s: %s", path, strerror(errno));
	for (int i = 0; flock(app->lock_fd, LOCK_EX | LOCK_NB) < 0; i++) {
		pid_t pid = lock_holder(app->lock_fd);

		if (pid > 0 && (pid != told || i == LB_TAKE_OVER_MS))
			(void)kill(pid, i == LB_TAKE_OVER_MS ? SIGKILL : SIGTERM);
		told = pid;
		if (i > 2 * LB_TAKE_OVER_MS)
			return errmsg_set(msg, ERR_LOCKED, "%s: held by process %d, which does not "
					  "end", path, (int)pid);
		(void)poll(NULL, 0, 1);
	}
	n = snprintf(text, sizeof(text), "%d\n", (int)getpid());
	if (ftruncate(app->lock_fd, 0) < 0 || pwrite(app->lock_fd, text, (size_t)n, 0) != n)
		return errmsg_set(msg, ERR_IO, "%s: %s", path, strerror(errno));
	return 0;
}

static int start(struct lb_app *app, struct errmsg *msg)
{
	int err = loop_init(&app->loop, msg);

	if (err == 0)
		err = take_over(app, msg);
	if (err < 0)
		return err;
	app->file.call = file_changed;
	app->file.context = app;
	app->retry.call = retry_ports;
	app->retry.context = app;
	app->resume.call = resume;
	app->resume.context = app;
	app->drain.call = drain_over;
	app->drain.context = app;
	app->connections_max = count_connections();
	buf_init(&app->status, LB_NETMAP_MAX);
	lb_init(&app->lb);
	relay_pool_init(&app->pool, &app->loop);
	err = loop_signals(&app->loop, on_signal, app, msg);
	if (err == 0)
		err = file_watch_start(&app->file, &app->loop, app->path, msg);
	return err;
}

struct lb_options {
	const char *netmap;
};

static const struct option options[] = {
	{ "netmap", 0, OPTION_STRING, "file", NULL, "The ports and their tasks; followed",
		offsetof(struct lb_options, netmap), NULL },
	{ .name = NULL },
};

const struct command lb_commands[] = {
	{ "", "Serve the published ports", "", options, sizeof(struct lb_options), NULL, 0, 0, 0 },
	{ .name = NULL },
};

/* The netmap's path; NULL and the exit status when there is nothing more to do. */
static const char *parse_arguments(int argc, char **argv, struct arena *a, int *status)
{
	struct option_result r = { 0 };
	struct errmsg msg = { { 0 } };
	const struct lb_options *given;
	struct buf help;
	int err = option_parse(lb_commands, a, argc, argv, &r, &msg);

	if (err == 0 && r.help) {
		buf_init(&help, 4096);
		option_help(lb_commands, "swarmbox lb", &help);
		*status = fputs(buf_str(&help), stdout) < 0;
		buf_done(&help);
		return NULL;
	}
	given = r.values;
	if (err == 0 && given->netmap)
		return given->netmap;
	fprintf(stderr, "swarmbox: lb: %s\n", err < 0 ? msg.text : "--netmap FILE is needed");
	*status = 125;
	return NULL;
}

int lb_main(int argc, char **argv)
{
	static struct lb_app app;
	struct errmsg msg = { { 0 } };
	struct arena arena;
	int err = 0;

	arena_init(&arena);
	app.path = parse_arguments(argc, argv, &arena, &err);
	if (!app.path) {
		arena_done(&arena);
		return err;
	}
	err = start(&app, &msg);
	if (err == 0) {
		load(&app);
		err = loop_run(&app.loop, &msg);
	}
	if (err < 0)
		fprintf(stderr, "swarmbox: lb: %s\n", msg.text);
	/* What is still open ends with the process. */
	arena_done(&arena);
	return err < 0;
}
