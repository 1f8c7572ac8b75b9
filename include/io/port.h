/* port.h - the cluster port: who comes, what they want, and whose they are from then on. I/O.
 *
 * Whoever connects is a stranger: it shakes hands, is told this manager's hello (codec/frames.h),
 * and says in its first frame what it is. A manager's or an agent's channel is given away as it
 * is; one that asks for a certificate stays here until it is answered. All else is closed, with
 * a line in the log, and so is a manager without a manager's certificate, and an agent without
 * any.
 *
 * Strangers are bounded in number and time, and so are those who wait for a certificate; neither
 * kind takes the other's places.
 */
#ifndef SB_IO_PORT_H
#define SB_IO_PORT_H
#include "base/err.h"
#include "base/slice.h"
#include "io/channel.h"
#include "io/loop.h"

enum {
	PORT_STRANGERS_MAX = 64,	/* CHANNEL_MEMORY each. One more waits until another one is
					 * through, or the oldest has had its time and is closed */
	PORT_STRANGER_MS = 100,		/* 64 handshakes take as long: a thousand nodes that come at
					 * once all get in, and so does one among a thousand that
					 * say nothing */
	PORT_ENROLS_MAX = 32,		/* not answered, or not gone since. One more, and the oldest
					 * that is answered is closed; if none is, it is refused */
	PORT_ENROL_MS = 10000,		/* an election, and the request in the log */
	PORT_LINGER_MS = 1000,		/* from the answer on: who asked closes when it has it */
	PORT_ACCEPT_TURN = 8,		/* accepted in one turn of the loop: a stranger's handshake
					 * costs 1 to 3 ms */
	PORT_ACCEPT_AGAIN_MS = 100,	/* when there was no descriptor for one */
	PORT_LOG_EVERY_MS = 1000,	/* strangers cannot fill the log */
};

/* Callbacks come only from the loop, never from inside a function of this module; inside one
 * every function but port_done may be used. */
struct port_handler {
	void *context;
	/* What is said to whoever came. */
	void (*hello)(void *context, struct hello *h);
	/*
	 * One that came is a manager, or a node's agent. 0: c is the callee's from now on, who
	 * has set its four pointers anew, and ends with mem_free. An error, with c->why: it is
	 * closed; ERR_EXISTS: without a line in the log.
	 */
	int (*manager)(void *context, struct channel *c, const struct hello *h);
	int (*agent)(void *context, struct channel *c);
	/* It asks for a certificate, and has one of that common name, or none (""): to be
	 * answered by port_enrolled. All is borrowed for the call. */
	void (*enrol)(void *context, uint64_t id, const char *name, struct slice request);
};

struct port_guest;

struct port {		/* all private */
	struct loop *loop;
	const struct port_handler *handler;
	const struct channel_config *channels;
	const char *manager_unit;
	struct loop_watch listener;
	struct loop_timer accept_timer;
	struct port_guest *guests, *last_guest;	/* oldest first */
	uint32_t stranger_count, enrol_count;
	uint64_t last_id;
	uint64_t log_again_ms;
};

/*
 * All is borrowed, and what a channel_config points to must outlive the channels given away.
 * manager_unit: what a manager's certificate names as its unit; NULL: every certificate is a
 * manager's. handler->agent and ->enrol may be NULL: none is welcome.
 */
void port_init(struct port *p, struct loop *l, const struct port_handler *handler,
	       const struct channel_config *channels, const char *manager_unit);
/* Closes the listener and all that is still here; no callback. */
void port_done(struct port *p);
/* address: "0.0.0.0:2377". 0, ERR_INVALID (no such form), or an error of sock_listen_tcp. */
int port_listen(struct port *p, struct slice address, struct errmsg *msg);
/* Answers who asked as id, with an HTTP status and text; nothing happens if it has gone or is
 * answered already. */
void port_enrolled(struct port *p, uint64_t id, int status, struct slice answer);
#endif
