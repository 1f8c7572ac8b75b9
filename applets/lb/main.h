/* main.h - what the parts of lb's wiring share. I/O. */
#ifndef SB_APPLETS_LB_MAIN_H
#define SB_APPLETS_LB_MAIN_H
#include "applets/lb/lb.h"
#include "applets/option.h"
#include "io/file.h"
#include "io/loop.h"
#include "io/relay.h"

enum {
	LB_CONNECTIONS_MAX = 8192,	/* at most; fewer when the descriptors do not suffice */
	LB_SPARE_FDS = 128,		/* descriptors left for all but connections, if possible */
	LB_FLOWS_MAX = 4096,		/* UDP clients at a time: a descriptor each */
	LB_FLOW_IDLE_MS = 60000,	/* a request and its answer take seconds */
	LB_CONNECT_MS = 2000,		/* a SYN is sent again after 1 s; then the next backend */
	LB_DRAIN_MS = 10000,		/* as the worker gives a stopping task */
	LB_RETRY_MS = 1000,		/* between two tries to bind a port */
	LB_TAKE_OVER_MS = 1000,		/* for the lb before us to let its ports go */
	LB_PAUSE_MS = 100,		/* no accepting after the descriptors were used up */
	LB_NETMAP_MAX = 16 << 20,	/* bytes of the netmap file: some 150,000 backends */
};

struct lb_connection;
struct lb_flow;

struct lb_app {
	struct loop loop;
	struct relay_pool pool;
	struct lb lb;
	const char *path;		/* of the netmap */
	int lock_fd;			/* path.lock: one lb serves a netmap */
	struct file_watch file;
	struct buf status;		/* as written last */
	struct loop_timer retry;	/* ports that could not be bound */
	struct loop_timer resume;	/* set: no listener is watched */
	struct loop_timer drain;
	int draining;
	uint32_t connections;
	uint32_t connections_max;
	struct lb_connection *spare;	/* freed ones, for the next: a list */
	uint32_t spare_count;
	struct lb_flow *flows[1024];	/* by a hash of client and port: 4 a chain when full */
	uint32_t flow_count;
};

/* A port's socket; port->listener. */
struct lb_listener {
	struct loop_watch watch;
	struct lb_app *app;
	struct lb_port *port;
};

/* main_tcp.c: the event of a TCP listener. */
void lb_accept(struct loop_watch *w, uint32_t events);
/* main_udp.c: the event of a UDP listener; the end of a port's flows. */
void lb_datagram(struct loop_watch *w, uint32_t events);
void lb_udp_drop(struct lb_app *app, const struct lb_port *port);
/* main.c: descriptors or connections are used up: no new ones for LB_PAUSE_MS. */
void lb_pause(struct lb_app *app);
/* main.c: a connection has ended. */
void lb_ended(struct lb_app *app);

/* The applet: its one command is for its help and its options. */
extern const struct command lb_commands[];
int lb_main(int argc, char **argv);
#endif
