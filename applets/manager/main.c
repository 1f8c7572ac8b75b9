/*
 * swarmbox init, join, manager and worker: what is asked for, then the daemon in the background or
 * here.
 * Contracts are in main.h.
 *
 * A new node is written by the daemon itself, under the data folder's lock (create); here is only
 * what it shall be.
 */
#include "applets/manager/main.h"
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/utsname.h>
#include <unistd.h>
#include <netinet/in.h>
#include "applets/applet.h"
#include "applets/manager/main_address.h"
#include "applets/manager/main_commands.h"
#include "applets/manager/main_node.h"
#include "applets/swarm/swarm.h"
#include "base/mem.h"
#include "codec/netmap.h"
#include "http/fetch.h"
#include "http/url.h"
#include "io/clock.h"
#include "io/datadir.h"
#include "io/entropy.h"
#include "io/sock.h"
#include "model/node.h"

enum {
	READY_MS = 60000,	/* recovery of the largest log, by far */
	PING_MS = 5000,
	ANSWER_MS = 20000,	/* for a manager to answer, as docker's join waits */
	ANSWER_AGAIN_MS = 250,
	STOPPING_MS = 2000,	/* for a daemon to let go of the data folder */
	ROLE_LEN = 7,		/* "manager" */
};

struct start_options {
	const char *data_dir, *run_dir, *engine;
	const char *listen_addr, *advertise_addr, *default_addr_pool, *token, *availability;
	int foreground, force_new_cluster, autolock;
};

#define OPTION(member, name_, kind_, placeholder_, default_, help_) \
	{ .name = (name_), .kind = (kind_), .placeholder = (placeholder_), \
	  .default_text = (default_), .help = (help_), \
	  .offset = offsetof(struct start_options, member) }
#define WHERE \
	OPTION(data_dir, "data-dir", OPTION_STRING, "DIR", "/var/lib/swarmbox", \
	       "Where the node's state is kept"), \
	OPTION(run_dir, "run-dir", OPTION_STRING, "DIR", "/run/swarmbox", \
	       "Where its sockets and run files are"), \
	OPTION(engine, "engine", OPTION_STRING, "ADDRESS", "unix:///var/run/docker.sock", \
	       "The container engine's socket")

#define ADDRESSES \
	OPTION(advertise_addr, "advertise-addr", OPTION_STRING, "HOST[:PORT]", NULL, \
	       "Address that other nodes reach this one at"), \
	OPTION(listen_addr, "listen-addr", OPTION_STRING, "HOST[:PORT]", "0.0.0.0:2377", \
	       "Address to listen at for other nodes")
#define AVAILABILITY \
	OPTION(availability, "availability", OPTION_STRING, "active|pause|drain", "active", \
	       "Whether this node may get tasks")
#define FOREGROUND \
	OPTION(foreground, "foreground", OPTION_FLAG, NULL, NULL, "Do not go to the background")

static const struct option init_options[] = {
	ADDRESSES,
	AVAILABILITY,
	OPTION(default_addr_pool, "default-addr-pool", OPTION_STRING, "SUBNET", "10.0.0.0/8",
	       "Pool that networks get their subnets from"),
	OPTION(autolock, "autolock", OPTION_FLAG, NULL, NULL,
	       "Managers wait for an unlock key when they start again"),
	OPTION(force_new_cluster, "force-new-cluster", OPTION_FLAG, NULL, NULL,
	       "Make this node the swarm's only manager; all it has recorded is kept"),
	FOREGROUND,
	WHERE,
	{ 0 },
};
static const struct option join_options[] = {
	ADDRESSES,
	AVAILABILITY,
	OPTION(token, "token", OPTION_STRING, "TOKEN", NULL,
	       "What lets this node in: see 'swarmbox swarm join-token'"),
	FOREGROUND,
	WHERE,
	{ 0 },
};
static const struct option manager_options[] = {
	OPTION(foreground, "foreground", OPTION_FLAG, NULL, "true",
	       "Stay; =false goes to the background once ready"),
	WHERE,
	{ 0 },
};

const struct command init_commands[] = {
	{ .name = "", .summary = "Make a swarm with this node as its manager", .arguments = "",
	  .options = init_options, .size = sizeof(struct start_options) },
	{ 0 },
};
const struct command join_commands[] = {
	{ .name = "", .summary = "Join a swarm: the token says whether as worker or manager",
	  .arguments = "HOST[:PORT]",
	  .options = join_options, .size = sizeof(struct start_options), .args_min = 1,
	  .args_max = 1 },
	{ 0 },
};
const struct command manager_commands[] = {
	{ .name = "", .summary = "Run this node, which init or join has set up", .arguments = "",
	  .options = manager_options, .size = sizeof(struct start_options) },
	{ 0 },
};

/* One daemon: the node's certificate says what it is, and that may change. */
const struct command worker_commands[] = {
	{ .name = "", .summary = "Run this node, whatever its role: as 'swarmbox manager'",
	  .arguments = "", .options = manager_options, .size = sizeof(struct start_options) },
	{ 0 },
};

static int fail(const char *what, const struct errmsg *msg)
{
	fprintf(stderr, "swarmbox: %s: %s\n", what, msg->text);
	return 1;
}

int daemon_node_exists(const char *data_dir)
{
	struct manager_config node;
	struct errmsg msg;
	struct arena a;
	int err, founder;

	arena_init(&a);
	err = node_load(&a, data_dir, &node, &founder, &msg);
	arena_done(&a);
	return err != ERR_NOT_FOUND;
}

/* The path of a unix:// address. */
static int socket_path(const char *text, const char *option, char out[FILE_PATH_MAX],
		       struct errmsg *msg)
{
	struct slice s = slice_of(text);

	if (!slice_has_prefix(s, "unix://") || s.len - 7 >= FILE_PATH_MAX || s.len == 7)
		return errmsg_set(msg, ERR_INVALID, "%s %s: must be unix:///PATH", option, text);
	snprintf(out, FILE_PATH_MAX, "%s", text + 7);
	return 0;
}

/* Where our API is answered. A unix:// address replaces the socket in the run folder; a tcp:// one
 * is served beside it. Without TLS it must not leave this host. */
static int take_host(const char *host, struct daemon_config *c, struct errmsg *msg)
{
	struct http_address to;
	uint32_t address = 0x7f000001;
	char text[16];
	int err;

	if (slice_has_prefix(slice_of(host), "unix://"))
		return socket_path(host, "--host", c->api_path, msg);
	err = http_address_parse(slice_of(host), &to, msg);
	if (err < 0)
		return errmsg_prefix(msg, err, "--host");
	if (!slice_is(to.host, "localhost") &&
	    (ipv4_parse(to.host, &address) < 0 || address >> 24 != 127))
		return errmsg_set(msg, ERR_INVALID, "--host %s: TCP is without TLS, so it must be "
				  "a loopback address such as tcp://127.0.0.1:2375", host);
	ipv4_format(address, text);
	snprintf(c->api_tcp, sizeof(c->api_tcp), "%s:%u", text, to.port);
	return 0;
}

static int copy_path(const char *given, const char *fallback, char out[FILE_PATH_MAX],
		     struct errmsg *msg)
{
	int n = snprintf(out, FILE_PATH_MAX, "%s", given ? given : fallback);

	return n < FILE_PATH_MAX ? 0 : errmsg_set(msg, ERR_INVALID, "path too long");
}

static int take_options(const struct option_result *r, struct daemon_config *c, struct errmsg *msg)
{
	const struct start_options *o = r->values;
	const char *host = r->host ? r->host : getenv("SWARMBOX_HOST");
	int err = copy_path(o->data_dir, "/var/lib/swarmbox", c->data_dir, msg);

	if (err == 0)
		err = copy_path(o->run_dir, "/run/swarmbox", c->run_dir, msg);
	if (err == 0)
		err = socket_path(o->engine ? o->engine : "unix:///var/run/docker.sock",
				  "--engine", c->engine_path, msg);
	if (err == 0 && snprintf(c->api_path, FILE_PATH_MAX, "%s/docker.sock", c->run_dir) >=
	    FILE_PATH_MAX)
		err = errmsg_set(msg, ERR_INVALID, "path too long");
	return err == 0 && host && *host ? take_host(host, c, msg) : err;
}

/* Sends GET /_ping and waits for the answer. */
static int ping(int fd, struct errmsg *msg)
{
	static char bytes[HTTP_FETCH_READ_MAX];
	struct http_request request = { .method = SLICE("GET"), .target = SLICE("/_ping") };
	struct http_fetch_event ev = { .kind = HTTP_FETCH_NONE };
	uint64_t end = clock_now_ms() + PING_MS;
	struct http_fetch f;
	int status = 0;

	http_fetch_init(&f, 4096);
	http_fetch_start(&f, &request, HTTP_FETCH_WHOLE);
	(void)send(fd, http_fetch_out(&f).data, http_fetch_out(&f).len, MSG_NOSIGNAL);
	while (ev.kind != HTTP_FETCH_DONE && ev.kind != HTTP_FETCH_ERROR && clock_now_ms() < end) {
		struct pollfd p = { .fd = fd, .events = POLLIN };
		ssize_t n;

		if (poll(&p, 1, (int)(end - clock_now_ms())) <= 0)
			continue;
		n = recv(fd, bytes, sizeof(bytes), 0);
		if (n > 0)
			http_fetch_feed(&f, (struct slice){ bytes, (size_t)n });
		else
			http_fetch_eof(&f);
		while (http_fetch_next(&f, &ev)) {
			if (ev.kind == HTTP_FETCH_DONE || ev.kind == HTTP_FETCH_ERROR)
				break;
		}
	}
	if (ev.kind == HTTP_FETCH_DONE)
		status = ev.head.status;
	http_fetch_done(&f);
	if (status == 200)
		return 0;
	return errmsg_set(msg, ERR_UNAVAILABLE, status ? "it answers /_ping with status %d" :
			  "no answer to /_ping", status);
}

static int check_engine(const char *path, struct errmsg *msg)
{
	int fd = sock_connect_unix(path, msg);
	int err = fd < 0 ? fd : ping(fd, msg);

	if (fd >= 0)
		close(fd);
	if (err < 0)
		errmsg_prefix(msg, err, "no container engine at unix://%s", path);
	if (err < 0 && strlen(msg->text) < ERRMSG_MAX - 64) {
		struct errmsg why = *msg;

		errmsg_set(msg, err, "%.440s: start one, or name its socket with --engine",
			   why.text);
	}
	return err;
}

static uint64_t new_raft_id(void)
{
	uint64_t id = 0;

	while (id == 0)
		entropy_fill(&id, sizeof(id));
	return id;
}

/* manager: the one to join at, NULL for a new swarm. */
static int new_node(struct arena *a, const struct start_options *o, const char *manager,
		    struct manager_config *node, struct errmsg *msg)
{
	char address[16], *id = arena_new(a, ID_LEN + 1);
	uint32_t to = ADDRESS_ANYWHERE, own;
	uint16_t port;
	struct rng rng;
	uint64_t seed;
	int err;

	entropy_fill(&seed, sizeof(seed));
	rng_init(&rng, seed);
	id_new(&rng, id);
	node->node_id = id;
	if (!manager) {
		char *swarm_id = arena_new(a, ID_LEN + 1);

		id_new(&rng, swarm_id);
		node->swarm_id = swarm_id;
	}
	node->raft_id = new_raft_id();
	node->begin = manager ? RAFT_JOIN : RAFT_FOUND;
	node->contacts = manager ? manager : "";
	node->default_addr_pool = o->default_addr_pool ? o->default_addr_pool : "10.0.0.0/8";
	if (manager)
		address_split(manager, &to, &port);
	own = sock_own_address(to);
	ipv4_format(own ? own : INADDR_LOOPBACK, address);
	err = address_full(a, "--listen-addr", o->listen_addr, "0.0.0.0", &node->listen_addr, msg);
	if (err == 0)
		err = address_full(a, "--advertise-addr", o->advertise_addr, address,
				   &node->advertise_addr, msg);
	if (err == 0)
		node->advertise_fixed = !address_is_local(node->advertise_addr);
	return err;
}

/* 0 when somebody takes a connection there. */
static int try_manager(uint32_t address, uint16_t port, uint64_t end, struct errmsg *msg)
{
	int fd = sock_connect_tcp(address, port, msg);
	struct pollfd p = { .fd = fd, .events = POLLOUT };
	uint64_t now = clock_now_ms();
	int err;

	if (fd < 0)
		return fd;
	if (poll(&p, 1, end > now ? (int)(end - now) : 0) > 0)
		err = sock_connected(fd, msg);
	else
		err = errmsg_set(msg, ERR_TIMEOUT, "no answer");
	close(fd);
	return err;
}

/* Before anything is made: a wrong address is the likeliest mistake. The manager may be starting
 * at this moment, too, so a refusal is not the last word. */
static int wait_manager(const char *manager, struct errmsg *msg)
{
	uint64_t end = clock_now_ms() + ANSWER_MS;
	struct errmsg why;
	uint32_t address;
	uint16_t port;
	int err;

	address_split(manager, &address, &port);
	for (;;) {
		why = (struct errmsg){ { 0 } };
		err = try_manager(address, port, end, &why);
		if (err == 0 || clock_now_ms() >= end)
			break;
		(void)poll(NULL, 0, ANSWER_AGAIN_MS);
	}
	if (err < 0)
		errmsg_set(msg, err, "nobody answers at %s after %d s (%.100s): check the address, "
			   "that a manager runs there, and that TCP port %u is open between the "
			   "hosts", manager, ANSWER_MS / 1000, why.text, port);
	return err;
}

/* The daemon's own process: a session of its own, no terminal; what it and lb write to stderr
 * goes to the log file, a failed assertion too. */
static int run_detached(struct daemon_config *c)
{
	char path[FILE_PATH_MAX + 32];
	struct errmsg msg = { { 0 } };
	int null, log;

	(void)setsid();		/* fails only for a leader, which a forked child is not */
	snprintf(path, sizeof(path), "%s/swarmbox.log", c->run_dir);
	if (file_mkdirs(c->run_dir, 0755, &msg) < 0) {
		(void)!write(c->ready_fd, msg.text, strlen(msg.text));
		return 1;
	}
	log = open(path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0640);
	null = open("/dev/null", O_RDWR | O_CLOEXEC);
	if (log < 0 || null < 0 || dup2(null, 0) < 0 || dup2(log, 1) < 0 || dup2(log, 2) < 0) {
		errmsg_set(&msg, ERR_IO, "%s: %s", path, strerror(errno));
		(void)!write(c->ready_fd, msg.text, strlen(msg.text));
		return 1;
	}
	close(null);
	close(log);
	return daemon_run(c);
}

/* Waits for what the daemon says: 0 when it is ready, and the role that it has; 1 when it is
 * locked. */
static int wait_ready(int fd, const struct daemon_config *c, char role[ROLE_LEN + 1],
		      struct errmsg *msg)
{
	struct pollfd p = { .fd = fd, .events = POLLIN };
	char text[ERRMSG_MAX] = "";
	ssize_t n;

	if (poll(&p, 1, READY_MS) <= 0 && c->create && c->node.begin == RAFT_JOIN)
		return errmsg_set(msg, ERR_TIMEOUT, "not a member after %d s, but the attempt goes "
				  "on in the background: see 'swarmbox info' and %s/swarmbox.log",
				  READY_MS / 1000, c->run_dir);
	if (p.revents == 0)
		return errmsg_set(msg, ERR_TIMEOUT, "not ready after %d s: see %s/swarmbox.log",
				  READY_MS / 1000, c->run_dir);
	n = read(fd, text, sizeof(text) - 1);
	if (n > 0 && slice_has_prefix(slice_of(text), "ready ")) {
		snprintf(role, ROLE_LEN + 1, "%.*s", (int)strcspn(text + 6, "\n"), text + 6);
		return 0;
	}
	if (n > 0 && slice_has_prefix(slice_of(text), "locked"))
		return 1;
	return errmsg_set(msg, ERR_IO, "%s", n > 0 ? text : "the daemon ended: see its log");
}

/* The exit status, or < 0: it runs, but waits for its unlock key, and that was said. */
static int start_detached(struct daemon_config *c, const char *what, char role[ROLE_LEN + 1])
{
	struct errmsg msg = { { 0 } };
	int fds[2], said;
	pid_t pid;

	if (pipe2(fds, O_CLOEXEC) < 0 || (pid = fork()) < 0) {
		errmsg_set(&msg, ERR_IO, "%s", strerror(errno));
		return fail(what, &msg);
	}
	if (pid == 0) {
		close(fds[0]);
		c->ready_fd = fds[1];
		_exit(run_detached(c));
	}
	close(fds[1]);
	said = wait_ready(fds[0], c, role, &msg);
	close(fds[0]);
	if (said < 0)
		return fail(what, &msg);
	if (said == 0)
		return 0;
	fprintf(stderr, "swarmbox: %s: this node is locked: it waits for the swarm's unlock key, "
		"which 'swarmbox swarm unlock' gives it\n", what);
	return -1;
}

static int parse(const struct command *command, const char *path, struct arena *a, int argc,
		 char **argv, struct option_result *r)
{
	struct errmsg msg = { { 0 } };
	struct buf help;

	if (option_parse(command, a, argc, argv, r, &msg) < 0) {
		fprintf(stderr, "swarmbox: %s: %s: see '%s --help'\n", argv[0], msg.text, path);
		return 125;
	}
	if (!r->help)
		return 0;
	buf_init(&help, 65536);
	option_help(command, path, &help);
	fputs(buf_str(&help), stdout);
	return -1;
}

static void say_welcome(const struct daemon_config *c)
{
	printf("Swarm initialized: current node (%s) is now a manager.\n\n"
	       "To run something on it:\n\n"
	       "    swarmbox service create --name web --replicas 2 --publish 8080:80 IMAGE\n"
	       "    swarmbox stack deploy -c FILE NAME\n\n"
	       "To add a worker, or a manager, run on this node, and what it prints on the "
	       "other:\n\n"
	       "    swarmbox swarm join-token worker\n"
	       "    swarmbox swarm join-token manager\n\n"
	       "The docker command talks to it with DOCKER_HOST=unix://%s\n",
	       c->node.node_id, c->api_path);
	if (c->unlock_key[0])
		printf("\n" SWARM_UNLOCK_HELP, (int)strlen(c->unlock_key), c->unlock_key);
}

static void draw_unlock_key(struct daemon_config *c)
{
	struct seal_key key;

	entropy_fill(key.bytes, sizeof(key.bytes));
	unlock_build(&key, c->unlock_key);
	mem_wipe(&key, sizeof(key));
}

static void host_name(struct manager_config *node)
{
	static struct utsname name;

	node->hostname = uname(&name) == 0 ? name.nodename : "localhost";
}

/* A process' arguments are everybody's to read, and the daemon, its child, has the same ones. */
static void take_token(struct daemon_config *c, const char *given)
{
	snprintf(c->token, sizeof(c->token), "%s", given);
	mem_wipe((char *)(uintptr_t)given, strlen(given));
}

/* A new node. manager: the one to join at, NULL for a new swarm. */
static int start_new(struct daemon_config *c, const struct start_options *o, const char *manager,
		     struct arena *a)
{
	/* A container's process stays, and a restarted one goes on with what it has. */
	int stay = o->foreground == OPTION_YES || getenv("SWARMBOX_FOREGROUND");
	const char *name = manager ? "join" : "init";
	struct errmsg msg = { { 0 } };
	char role[ROLE_LEN + 1] = "";
	int status;

	if (daemon_node_exists(c->data_dir)) {
		if (getenv("SWARMBOX_FOREGROUND"))
			return daemon_run(c);
		errmsg_set(&msg, ERR_EXISTS, "this node is already part of a swarm: run it with "
			   "'swarmbox manager', or end it with 'swarmbox leave --force'");
		return fail(name, &msg);
	}
	if (manager && !o->token) {
		errmsg_set(&msg, ERR_INVALID, "a token is needed: 'swarmbox swarm join-token "
			   "worker' on a manager prints the whole command");
		return fail(name, &msg);
	}
	if (o->availability && availability_parse(slice_of(o->availability),
						  &c->node.availability) < 0) {
		errmsg_set(&msg, ERR_INVALID, "--availability %s: must be active, pause or drain",
			   o->availability);
		return fail(name, &msg);
	}
	if (new_node(a, o, manager, &c->node, &msg) < 0 || check_engine(c->engine_path, &msg) < 0 ||
	    (manager && wait_manager(manager, &msg) < 0))
		return fail(name, &msg);
	c->create = 1;
	if (o->token)
		take_token(c, o->token);
	if (o->autolock == OPTION_YES)
		draw_unlock_key(c);
	c->availability = o->availability;
	if (stay)
		return daemon_run(c);
	status = start_detached(c, name, role);
	if (status == 0 && manager)
		printf("This node joined a swarm as a %s.\n", role);
	else if (status == 0)
		say_welcome(c);
	return status;
}

/* Puts the addresses that were given into an existing node's file: a host that was moved is what
 * --force-new-cluster is often for. Fails when the node runs. */
static int move_node(const struct daemon_config *c, const struct start_options *o, struct arena *a,
		     struct errmsg *msg)
{
	struct manager_config node = { 0 };
	struct datadir dir;
	int founder, err = datadir_open(&dir, c->data_dir, msg);

	/* A daemon that was stopped just now may not be quite gone. */
	for (int i = 0; err == ERR_LOCKED && i < STOPPING_MS / 10; i++) {
		(void)poll(NULL, 0, 10);
		err = datadir_open(&dir, c->data_dir, msg);
	}
	if (err == ERR_LOCKED)
		return errmsg_set(msg, err, "--force-new-cluster: the daemon of this node runs: "
				  "stop it first (its containers run on)");
	if (err < 0)
		return err;
	err = node_load(a, c->data_dir, &node, &founder, msg);
	if (node.raft_id == 0)	/* restored from a backup */
		node.raft_id = new_raft_id();
	if (err == 0)
		err = address_full(a, "--listen-addr", o->listen_addr, node.listen_addr,
				   &node.listen_addr, msg);
	if (err == 0)
		err = address_full(a, "--advertise-addr", o->advertise_addr, node.advertise_addr,
				   &node.advertise_addr, msg);
	node.advertise_fixed = err == 0 && !address_is_local(node.advertise_addr);
	if (err == 0)
		err = node_save(c->data_dir, &node, founder, msg);
	datadir_close(&dir);
	return err;
}

/* init --force-new-cluster, on a node that exists. */
static int start_forced(struct daemon_config *c, const struct start_options *o, struct arena *a)
{
	struct errmsg msg = { { 0 } };
	char role[ROLE_LEN + 1];
	int founder, status;

	if (node_load(a, c->data_dir, &c->node, &founder, &msg) == ERR_NOT_FOUND)
		errmsg_set(&msg, ERR_NOT_FOUND, "--force-new-cluster: %s holds no node of a swarm",
			   c->data_dir);
	else if (o->default_addr_pool)
		errmsg_set(&msg, ERR_INVALID, "--force-new-cluster: the address pool stays as it "
			   "was: leave --default-addr-pool out");
	else if (o->autolock != 0)
		errmsg_set(&msg, ERR_INVALID, "--force-new-cluster: managers lock as before: leave "
			   "--autolock out, and see 'swarmbox swarm update' for after it");
	else if (!msg.text[0] && move_node(c, o, a, &msg) == 0)
		msg.text[0] = '\0';	/* it may tell of a daemon that has gone by now */
	if (msg.text[0])
		return fail("init", &msg);
	c->node.begin = RAFT_FORCE;
	if (o->foreground == OPTION_YES || getenv("SWARMBOX_FOREGROUND"))
		return daemon_run(c);
	status = start_detached(c, "init", role);
	if (status == 0)
		printf("Swarm recovered: this node (%s) is now its only manager; all that it had "
		       "recorded is kept.\n\n"
		       "Former managers must not run on as they are. On each, if it is still there:"
		       "\n\n    swarmbox leave --force\n\nand then what "
		       "'swarmbox swarm join-token manager' prints on this one.\n",
		       c->node.node_id);
	return status;
}

static int start_with(const struct command *command, const struct option_result *r,
		      const char *name, struct daemon_config *c, struct arena *a)
{
	const struct start_options *o = r->values;
	struct errmsg msg = { { 0 } };
	const char *manager = NULL;
	char role[ROLE_LEN + 1];

	if (take_options(r, c, &msg) < 0)
		return fail(name, &msg);
	host_name(&c->node);
	c->node.engine_socket = c->engine_path;
	c->node.data_dir = c->data_dir;
	if (command == init_commands && o->force_new_cluster == OPTION_YES)
		return start_forced(c, o, a);
	if (command == join_commands &&
	    address_full(a, "HOST", r->args[0], NULL, &manager, &msg) < 0)
		return fail(name, &msg);
	if (command != manager_commands && command != worker_commands)
		return start_new(c, o, manager, a);
	if (!daemon_node_exists(c->data_dir)) {
		errmsg_set(&msg, ERR_NOT_FOUND, "%s holds no node of a swarm: make one with "
			   "'swarmbox init' or 'swarmbox join'", c->data_dir);
		return fail(name, &msg);
	}
	return o->foreground == OPTION_NO ? start_detached(c, name, role) : daemon_run(c);
}

static int start(const struct command *command, const char *path, int argc, char **argv)
{
	static struct daemon_config c = { .ready_fd = -1 };
	struct option_result r;
	struct arena a;
	int status;

	daemon_hide();
	arena_init(&a);
	status = parse(command, path, &a, argc, argv, &r);
	if (status == 0)
		status = start_with(command, &r, argv[0], &c, &a);
	mem_wipe(c.unlock_key, sizeof(c.unlock_key));
	arena_done(&a);
	return status < 0 ? 0 : status;	/* < 0: only help was asked for, or the node is locked */
}

int init_main(int argc, char **argv)
{
	return start(init_commands, "swarmbox init", argc, argv);
}

int join_main(int argc, char **argv)
{
	return start(join_commands, "swarmbox join", argc, argv);
}

int manager_main(int argc, char **argv)
{
	return start(manager_commands, "swarmbox manager", argc, argv);
}

int worker_main(int argc, char **argv)
{
	return start(worker_commands, "swarmbox worker", argc, argv);
}
