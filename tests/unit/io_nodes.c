/* Contracts are in io_nodes.h. */
#include "io_nodes.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include "base/mem.h"
#include "codec/netmap.h"
#include "crypt/token.h"
#include "io/sock.h"

/* One of the loopback's addresses for each process, as tests may run side by side. */
uint32_t nodes_address(void)
{
	return 0x7f000001 | ((uint32_t)getpid() & 0xffff) << 8;
}

static void on_hello(void *context, struct hello *h)
{
	struct manager_end *m = context;

	*h = (struct hello){ .id = NODES_OWN_ID, .boot = 1, .turn = ++m->turn };
}

static void held_ready(struct channel *c)
{
	(void)c;
}

static int held_frame(struct channel *c, struct slice body)
{
	struct manager_end *m = c->context;

	buf_printf(&m->story, "held:%.*s ", SLICE_ARGS(body));
	return 0;
}

static void held_ended(struct channel *c, int err, const struct errmsg *why)
{
	struct manager_end *m = c->context;

	(void)err;
	(void)why;
	m->swarm->held = NULL;
	mem_free(c);
}

/* 9 is turned down. */
static int on_manager(void *context, struct channel *c, const struct hello *h)
{
	struct manager_end *m = context;

	buf_printf(&m->story, "manager:%u ", (unsigned)h->id);
	if (h->id == 9 || m->swarm->held)
		return ERR_EXISTS;
	c->context = m;
	c->ready = held_ready;
	c->frame = held_frame;
	c->ended = held_ended;
	m->swarm->held = c;
	return 0;
}

static int on_agent(void *context, struct channel *c)
{
	return agents_take(&((struct manager_end *)context)->agents, c);
}

static void on_enrol(void *context, uint64_t id, const char *name, struct slice request)
{
	struct manager_end *m = context;

	m->enrol = id;
	buf_printf(&m->story, "enrol:%s:%.*s ", name, SLICE_ARGS(request));
}

static uint64_t on_draw(void *context)
{
	return ++((struct manager_end *)context)->drawn;
}

static void on_up(void *context, uint64_t id, const char *node_id)
{
	buf_printf(&((struct manager_end *)context)->story, "+%u:%s ", (unsigned)id, node_id);
}

static void on_down(void *context, uint64_t id)
{
	buf_printf(&((struct manager_end *)context)->story, "-%u ", (unsigned)id);
}

static void on_message(void *context, uint64_t id, struct slice body)
{
	buf_printf(&((struct manager_end *)context)->story, "%u:%.*s ", (unsigned)id,
		   body.len > 99 ? 4 : (int)body.len, body.len > 99 ? "long" : body.data);
}

static void agent_up(void *context)
{
	buf_add_str(&((struct nodes *)context)->heard, "+ ");
}

static void agent_down(void *context)
{
	buf_add_str(&((struct nodes *)context)->heard, "- ");
}

static void agent_message(void *context, struct slice body)
{
	buf_printf(&((struct nodes *)context)->heard, "%.*s|",
		   body.len > 99 ? 4 : (int)body.len, body.len > 99 ? "long" : body.data);
}

static void agent_removed(void *context)
{
	buf_add_str(&((struct nodes *)context)->heard, "removed ");
}

static void certify(struct nodes *s, struct nodes_who *who, const struct x509_name *name, int seed)
{
	uint8_t random[X509_SEED_LEN];
	struct x509_issue what = { .issuer = buf_slice(&s->root.cert), .subject = *name,
				   .is_authority = who == &s->root,
				   .not_before_s = clock_wall_ns() / 1000000000 - 3600,
				   .not_after_s = clock_wall_ns() / 1000000000 + 3600 };

	memset(random, seed, sizeof(random));
	memset(what.serial, seed, sizeof(what.serial));
	x509_key(random, who->key);
	memcpy(what.issuer_key, s->root.key, sizeof(s->root.key));
	buf_init(&who->cert, X509_DER_MAX);
	if (x509_point(who->key, what.point) < 0 || x509_issue(&what, &who->cert, NULL) < 0)
		abort();
	memcpy(who->identity.key, who->key, sizeof(who->key));
	who->identity.chain[0] = buf_slice(&who->cert);
	who->identity.chain[1] = buf_slice(&s->root.cert);
	who->identity.chain_count = 2;
	who->config = (struct channel_config){ .identity = &who->identity,
					       .anchors = &s->anchor, .anchor_count = 1 };
}

void nodes_manager_start(struct nodes *s, int i)
{
	struct manager_end *m = &s->managers[i];

	port_init(&m->port, &s->loop, &m->port_handler, &s->manager.config, "swarm-manager");
	agents_init(&m->agents, &s->loop, &m->agents_handler, NODES_PERIOD_MS, 20);
	if (port_listen(&m->port, slice_of(m->address), NULL) < 0)
		abort();
}

void nodes_manager_end(struct nodes *s, int i)
{
	port_done(&s->managers[i].port);
	agents_done(&s->managers[i].agents);
}

static void manager_open(struct nodes *s, int i)
{
	static uint16_t number = 34000;
	struct manager_end *m = &s->managers[i];
	char host[16];
	int fd;

	m->swarm = s;
	m->port_handler = (struct port_handler){ m, on_hello, on_manager, on_agent, on_enrol };
	m->agents_handler = (struct agents_handler){ m, on_draw, on_up, on_down, on_message };
	buf_init(&m->story, 1 << 16);
	do
		fd = sock_listen_tcp(nodes_address(), ++number, NULL);
	while (fd < 0 && number < 36000);
	close(fd);
	m->number = number;
	ipv4_format(nodes_address(), host);
	snprintf(m->address, sizeof(m->address), "%s:%u", host, number);
	nodes_manager_start(s, i);
}

struct nodes *nodes_open(void)
{
	static const struct x509_name root = { .common_name = "swarm-ca" };
	static const struct x509_name manager = { "manager1", "swarm-manager", "swarm1" };
	static const struct x509_name worker = { "worker1", "swarm-worker", "swarm1" };
	struct nodes *s = mem_new(sizeof(*s));

	if (loop_init(&s->loop, NULL) < 0)
		abort();
	certify(s, &s->root, &root, 1);
	if (tls_anchor_init(&s->anchor, buf_slice(&s->root.cert), NULL) < 0)
		abort();
	certify(s, &s->manager, &manager, 2);
	certify(s, &s->worker, &worker, 3);
	s->manager.config.strangers = 1;
	s->worker.config.small = 1;
	token_digest(buf_slice(&s->root.cert), s->pin.digest);
	s->nobody.config = (struct channel_config){ .pin = &s->pin, .small = 1 };
	for (int i = 0; i < NODES_MANAGERS; i++)
		manager_open(s, i);
	buf_init(&s->heard, 1 << 16);
	s->agent_handler = (struct agent_handler){ s, agent_up, agent_down, agent_message,
						   agent_removed };
	agent_init(&s->agent, &s->loop, &s->agent_handler, &s->worker.config, "swarm-manager");
	return s;
}

void nodes_close(struct nodes *s)
{
	agent_done(&s->agent);
	for (int i = 0; i < NODES_MANAGERS; i++) {
		nodes_manager_end(s, i);
		buf_done(&s->managers[i].story);
	}
	if (s->held)
		channel_close(s->held);
	mem_free(s->held);
	buf_done(&s->heard);
	buf_done(&s->root.cert);
	buf_done(&s->manager.cert);
	buf_done(&s->worker.cert);
	loop_done(&s->loop);
	mem_free(s);
}

void nodes_turn(struct nodes *s)
{
	for (int i = 0; i < NODES_MANAGERS; i++)
		agents_flush(&s->managers[i].agents);
	agent_flush(&s->agent);
	loop_turn(&s->loop, 10, NULL);
}
