/* io_nodes.h - managers' cluster ports and nodes' ends, in one loop over the loopback, with
 * certificates of an authority made for the test. I/O. */
#ifndef SB_UNIT_IO_NODES_H
#define SB_UNIT_IO_NODES_H
#include "base/buf.h"
#include "crypt/x509.h"
#include "io/agent.h"
#include "io/agents.h"
#include "io/clock.h"
#include "io/loop.h"
#include "io/port.h"

enum { NODES_MANAGERS = 2, NODES_WAIT_MS = 8000, NODES_PERIOD_MS = 100, NODES_OWN_ID = 100 };

struct nodes_who {
	uint8_t key[X509_KEY_LEN];
	struct buf cert;
	struct tls_identity identity;
	struct channel_config config;
};

struct nodes;

struct manager_end {
	struct nodes *swarm;
	struct port port;
	struct port_handler port_handler;
	struct agents agents;
	struct agents_handler agents_handler;
	struct buf story;	/* "+1:worker1 1:text -1 manager:7 enrol:NAME:text " */
	uint64_t drawn, turn;
	uint64_t enrol;		/* the id of the last one */
	char address[32];
	uint16_t number;	/* of its port */
};

struct nodes {
	struct loop loop;
	struct nodes_who root, manager, worker, nobody;	/* nobody: no certificate */
	struct tls_anchor anchor;
	struct tls_pin pin;
	struct manager_end managers[NODES_MANAGERS];
	struct agent agent;
	struct agent_handler agent_handler;
	struct buf heard;	/* by the agent: "+ text|- removed " */
	struct channel *held;	/* a manager's channel that came */
};

/* Managers listen; agent has no managers yet. */
struct nodes *nodes_open(void);
void nodes_close(struct nodes *s);
uint32_t nodes_address(void);
void nodes_manager_start(struct nodes *s, int i);
void nodes_manager_end(struct nodes *s, int i);
void nodes_turn(struct nodes *s);

/* Turns until the condition holds; a test that waits in vain fails by the check that follows. */
#define NODES_WAIT(s, condition)                                                           \
	for (uint64_t end_ms = clock_now_ms() + NODES_WAIT_MS;                             \
	     !(condition) && clock_now_ms() < end_ms;)                                     \
		nodes_turn(s)
#endif
