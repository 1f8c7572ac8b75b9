/* lb.h - which task gets the next connection to a published port. Pure.
 *
 * Least connections: of the tasks with the fewest open connections the one whose turn it is.
 * A task that refused a connection is set aside for LB_ASIDE_MS, doubling up to
 * LB_ASIDE_MAX_MS; then one connection is its trial. A task set aside is still asked when
 * no other is left: trying costs less than refusing.
 */
#ifndef SB_APPLETS_LB_H
#define SB_APPLETS_LB_H
#include <stdint.h>
#include "base/buf.h"
#include "base/id.h"
#include "codec/netmap.h"

enum {
	LB_ASIDE_MS = 1000,
	LB_ASIDE_MAX_MS = 30000,
	LB_DOUBLINGS = 5,	/* of LB_ASIDE_MS, to pass the maximum */
	LB_TRIAL_MS = 2000,	/* how long a trial may take: the time limit of a connect */
	LB_ERROR_MAX = 64,	/* a reason such as "address already in use" */
	LB_TASK_MAX = 64,	/* a task id (ID_LEN) with room, and its NUL */
};

/* Lives while it is in the map or has a connection. */
struct lb_backend {
	char task[LB_TASK_MAX];		/* read, as all of these */
	uint32_t address;
	uint16_t port;
	uint16_t failures;		/* in a row, at most LB_DOUBLINGS */
	uint8_t trial;			/* one connection tries whether it is back */
	uint8_t gone;			/* not in the map: freed with its last connection */
	uint32_t open;			/* connections, those being made included */
	uint64_t aside_until_ms;
	uint64_t failed_at;		/* the port's count of failures at its last one */
};

struct lb_port {
	struct lb_port *next;
	enum netmap_protocol protocol;	/* read, as all of these */
	uint16_t published;
	char service[NAME_MAX_LEN + 1];
	int wanted;			/* in the map */
	struct lb_backend **backends;	/* in the map's order */
	uint32_t backend_count;
	uint32_t turn;			/* the backend whose turn it is */
	uint64_t failures;		/* of all its backends, ever */
	uint32_t users;			/* the caller's: holders of this pointer; see lb_sweep */
	void *listener;			/* the caller's, NULL when there is none */
	char error[LB_ERROR_MAX];	/* the caller's: why it is not served, "" when it is */
};

struct lb {
	struct lb_port *ports;		/* by protocol, then port */
};

void lb_init(struct lb *lb);
/* Frees the ports; backends with connections open are freed by lb_close. */
void lb_done(struct lb *lb);
/*
 * Takes a new map over. Ports and backends that stay (same task, address, port) keep their
 * state; ports that went have wanted = 0 and no backends until lb_sweep.
 */
void lb_update(struct lb *lb, const struct netmap *map);
/* Frees the ports that are not wanted, have no listener and no users. */
void lb_sweep(struct lb *lb);
/*
 * The backend for a connection, counted as open on it; NULL when none is left. since is the
 * port's count of failures when the connection came: what failed after that is not tried
 * again, so each backend is tried at most once.
 */
struct lb_backend *lb_pick(struct lb_port *port, uint64_t now_ms, uint64_t since);
/* The connect to b worked. */
void lb_connected(struct lb_backend *b);
/* It did not; b may be freed by this. */
void lb_failed(struct lb_port *port, struct lb_backend *b, uint64_t now_ms);
/* A connection picked for b has ended; b may be freed by this. */
void lb_close(struct lb_backend *b);
/* {"ports":[{"protocol":"tcp","published":4000,"error":"address already in use"}]}: all
 * ports in the map, error only where there is one. */
void lb_status(const struct lb *lb, struct buf *out);
#endif
