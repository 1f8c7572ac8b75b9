/*
 * Contracts are in peers.h.
 *
 * Two structs: a peer is a raft id that somebody cares for (it is in the set, or there is a
 * connection), a link is one channel on its way from stranger to connection. A peer has at
 * most one link that is up and one that it dials.
 *
 * Who decides: the end that dialed says hello only if it has no connection at that time, and
 * the end that was dialed answers unless it knows better. It knows better in two cases: it has
 * said hello itself on a link that it dialed and has the higher id (then that one is answered
 * by the other end, whose dial is the lower one's); or the hello is older than the other end's
 * word on the connection that is up (its turn is lower, in the same boot).
 */
#include "io/peers.h"
#include <assert.h>
#include <inttypes.h>
#include <string.h>
#include "base/mem.h"
#include "codec/netmap.h"
#include "io/entropy.h"
#include "io/log.h"
#include "io/sock.h"

enum link_stage {
	LINK_STRANGER,	/* the other end has not said who it is */
	LINK_OFFERED,	/* we dialed and said hello, after the other end did */
	LINK_UP,
};

struct peer_link {
	struct peers *peers;
	struct peer_link *next, *previous;
	struct channel *channel;	/* ours */
	enum link_stage stage;
	int dialed;
	struct peer *peer;	/* whose `dial` or `link` this is */
	uint32_t address;	/* where it was dialed */
	uint16_t port;
	uint64_t boot, turn;	/* the other end's newest hello, once it is up */
};

enum told { TOLD_NOTHING, TOLD_UP, TOLD_DOWN };

struct peer {
	struct peers *peers;
	struct peer *next;
	uint64_t id;
	int in_set;
	uint32_t address;
	uint16_t port;
	enum told told;
	int logged;			/* the error in the log, of dials since it was up */
	struct peer_link *link;		/* up */
	struct peer_link *dial;		/* under way, dialed by us */
	uint32_t wait_ms;		/* after the next failure */
	struct loop_timer retry;
};

static void on_retry(struct loop_timer *t);

/* Peers. */

static struct peer *find(const struct peers *p, uint64_t id)
{
	struct peer *peer = p->peers;

	while (peer && peer->id != id)
		peer = peer->next;
	return peer;
}

/* NULL: there are PEERS_MAX others. */
static struct peer *find_or_make(struct peers *p, uint64_t id)
{
	struct peer *peer = find(p, id);

	if (peer || p->peer_count == PEERS_MAX)
		return peer;
	peer = mem_new(sizeof(*peer));
	peer->peers = p;
	peer->id = id;
	peer->wait_ms = PEERS_RETRY_MIN_MS;
	peer->retry.call = on_retry;
	peer->retry.context = peer;
	peer->next = p->peers;
	p->peers = peer;
	p->peer_count++;
	return peer;
}

/* Forgets one for whom nobody cares. */
static void let_go(struct peer *peer)
{
	struct peers *p = peer->peers;
	struct peer **at = &p->peers;

	if (peer->in_set || peer->link || peer->dial)
		return;
	while (*at != peer)
		at = &(*at)->next;
	*at = peer->next;
	p->peer_count--;
	loop_timer_clear(p->loop, &peer->retry);
	mem_free(peer);
}

/* Links. */

static void on_open(struct channel *c);
static int on_frame(struct channel *c, struct slice body);
static void on_end(struct channel *c, int err, const struct errmsg *why);

/* The channel is the link's from now on. */
static struct peer_link *link_new(struct peers *p, struct channel *c, int dialed)
{
	struct peer_link *link = mem_new(sizeof(*link));

	link->peers = p;
	link->dialed = dialed;
	link->channel = c;
	c->context = link;
	c->ready = on_open;
	c->frame = on_frame;
	c->ended = on_end;
	link->previous = p->last_link;
	if (link->previous)
		link->previous->next = link;
	else
		p->links = link;
	p->last_link = link;
	return link;
}

/* Takes it out of all lists and frees it and its channel, which is closed. */
static void link_free(struct peer_link *link)
{
	struct peers *p = link->peers;

	if (link->previous)
		link->previous->next = link->next;
	else
		p->links = link->next;
	if (link->next)
		link->next->previous = link->previous;
	else
		p->last_link = link->previous;
	if (link->dialed && !link->peer)
		p->dial_count--;
	if (link->peer && link->peer->link == link)
		link->peer->link = NULL;
	if (link->peer && link->peer->dial == link)
		link->peer->dial = NULL;
	mem_free(link->channel);
	mem_free(link);
}

static void link_close(struct peer_link *link)
{
	channel_close(link->channel);
	link_free(link);
}

void peers_hello(struct peers *p, struct hello *h)
{
	*h = (struct hello){ .version = HELLO_VERSION, .id = p->id, .boot = p->boot,
			     .turn = ++p->turn };
}

static void say_hello(struct peer_link *link)
{
	uint8_t bytes[HELLO_LEN];
	struct hello h;

	peers_hello(link->peers, &h);
	hello_build(bytes, &h);
	channel_send(link->channel, (struct slice){ (char *)bytes, HELLO_LEN });
}

/* Dialing. */

static void retry_later(struct peer *peer)
{
	struct peers *p = peer->peers;
	uint64_t half = peer->wait_ms / 2;

	if (!peer->in_set || peer->link || peer->dial)
		return;
	loop_timer_set(p->loop, &peer->retry,
		       loop_now_ms(p->loop) + half + rng_below(&p->rng, half + 1));
	peer->wait_ms = peer->wait_ms < PEERS_RETRY_MAX_MS / 2 ? 2 * peer->wait_ms :
								 PEERS_RETRY_MAX_MS;
}

static void dial(struct peers *p, uint32_t address, uint16_t port, struct peer *peer)
{
	struct channel *c = mem_new(sizeof(*c));
	struct peer_link *link = link_new(p, c, 1);

	channel_init(c, p->loop, p->channels, HELLO_MAX);
	link->address = address;
	link->port = port;
	link->peer = peer;
	if (peer)
		peer->dial = link;
	else
		p->dial_count++;
	channel_dial(link->channel, address, port);
}

static void on_retry(struct loop_timer *t)
{
	struct peer *peer = t->context;

	if (peer->in_set && !peer->link && !peer->dial)
		dial(peer->peers, peer->address, peer->port, peer);
}

/* Hello. */

/* The link is the connection with its peer from now on. */
static void go_up(struct peer_link *link, const struct hello *h)
{
	struct peer *peer = link->peer;
	struct peers *p = link->peers;
	struct peer_link *old = peer->link;
	uint64_t id = peer->id;

	assert(old != link && link->stage != LINK_UP);
	link->stage = LINK_UP;
	link->boot = h->boot;
	link->turn = h->turn;
	peer->link = link;
	if (peer->dial && peer->dial != link)
		link_close(peer->dial);
	peer->dial = NULL;
	if (old)
		link_close(old);
	peer->told = TOLD_UP;
	peer->logged = 0;
	peer->wait_ms = PEERS_RETRY_MIN_MS;
	loop_timer_clear(p->loop, &peer->retry);
	channel_keep(link->channel, PEERS_MESSAGE_MAX);
	if (old)
		p->handler->down(p->handler->context, id);
	p->handler->up(p->handler->context, id, channel_peer_name(link->channel));
}

static int check_welcome(const struct peers *p, struct channel *c, uint64_t id)
{
	const struct peers_handler *h = p->handler;

	if (!h->welcome || h->welcome(h->context, id, channel_peer_name(c)))
		return 0;
	return errmsg_set(&c->why, ERR_DENIED, "manager %016" PRIx64 " with the certificate of "
			  "node %s is not of this swarm", id, channel_peer_name(c));
}

int peers_take(struct peers *p, struct channel *c, const struct hello *h)
{
	struct peer_link *link;
	struct peer *peer;

	if (h->id == p->id)
		return errmsg_set(&c->why, ERR_INVALID, "it is this manager itself, or has its id");
	if (check_welcome(p, c, h->id) < 0)
		return ERR_DENIED;
	peer = find_or_make(p, h->id);
	if (!peer)
		return errmsg_set(&c->why, ERR_LIMIT, "too many managers");
	if ((peer->dial && peer->dial->stage == LINK_OFFERED && p->id > h->id) ||
	    (peer->link && peer->link->boot == h->boot && peer->link->turn > h->turn))
		return ERR_EXISTS;
	link = link_new(p, c, 0);
	link->peer = peer;
	say_hello(link);
	channel_flush(c);
	go_up(link, h);
	return 0;
}

/* We dialed, and the other end tells who it is. */
static int offer(struct peer_link *link, const struct hello *h)
{
	struct peers *p = link->peers;
	struct peer *peer = link->peer ? link->peer : find_or_make(p, h->id);

	if (!peer)
		return errmsg_set(&link->channel->why, ERR_LIMIT, "too many managers");
	if (peer->id != h->id)
		return errmsg_set(&link->channel->why, ERR_NOT_FOUND,
				  "manager %016" PRIx64 " answers there", h->id);
	if (peer->link || (peer->dial && peer->dial != link)) {
		let_go(peer);
		return ERR_EXISTS;
	}
	if (!link->peer)
		p->dial_count--;
	link->peer = peer;
	peer->dial = link;
	link->stage = LINK_OFFERED;
	say_hello(link);
	return 0;
}

static int greet(struct peer_link *link, struct slice body)
{
	struct peers *p = link->peers;
	struct errmsg *why = &link->channel->why;
	struct hello h;
	int err = hello_parse(body, &h);

	if (err == ERR_UNSUPPORTED)
		return errmsg_set(why, err, "it speaks version %" PRIu32 " of the managers' "
				  "protocol, this one version %d", h.version, HELLO_VERSION);
	if (err < 0)
		return errmsg_set(why, err, "it is no manager");
	if (p->unit && strcmp(channel_peer_unit(link->channel), p->unit) != 0)
		return errmsg_set(why, ERR_DENIED, "it has no manager's certificate");
	if (h.id == p->id)
		return errmsg_set(why, ERR_INVALID, "it is this manager itself, or has its id");
	if (check_welcome(p, link->channel, h.id) < 0)
		return ERR_DENIED;
	if (link->stage == LINK_STRANGER)
		return offer(link, &h);
	if (h.id != link->peer->id)
		return errmsg_set(why, ERR_CORRUPT, "it changes its id");
	go_up(link, &h);
	return 0;
}

/* What channels tell. */

/* The end that was dialed speaks first. */
static void on_open(struct channel *c)
{
	(void)c;
}

static int on_frame(struct channel *c, struct slice body)
{
	struct peer_link *link = c->context;
	struct peers *p = link->peers;

	if (link->stage != LINK_UP)
		return greet(link, body);
	p->handler->message(p->handler->context, link->peer->id, body);
	return 0;
}

static void log_end(const struct peer_link *link, int err, const char *why)
{
	struct peer *peer = link->peer;
	char at[16];

	ipv4_format(link->address, at);
	if (link->stage == LINK_UP)
		log_printf(LOG_INFO, "managers: connection with %016" PRIx64 " ended: %s",
			   peer->id, why);
	else if (err == ERR_EXISTS)
		return;		/* two dialed at once */
	else if (!peer)
		log_printf(LOG_WARNING, "managers: %s:%u: %s", at, link->port, why);
	else if (peer->logged != err)
		log_printf(LOG_INFO, "managers: no connection with %016" PRIx64 " at %s:%u: %s",
			   peer->id, at, link->port, why);
	if (peer && link->stage != LINK_UP)
		peer->logged = err;
}

static void on_end(struct channel *c, int err, const struct errmsg *why)
{
	struct peer_link *link = c->context;
	struct peers *p = link->peers;
	struct peer *peer = link->peer;
	enum link_stage stage = link->stage;
	uint64_t id = peer ? peer->id : 0;
	int unanswered = err == ERR_TIMEOUT && c->stage == CHANNEL_CONNECTING;
	int tell;

	log_end(link, err, why->text[0] ? why->text : err_text(err));
	link_free(link);
	if (!peer)
		return;
	/* An offer that is turned down loses to another connection, which comes up. */
	/* That took a second already. */
	if (unanswered)
		peer->wait_ms = PEERS_RETRY_MIN_MS;
	tell = stage == LINK_UP || (stage == LINK_STRANGER && !peer->link && err != ERR_EXISTS &&
				    peer->told != TOLD_DOWN);
	if (tell)
		peer->told = TOLD_DOWN;
	retry_later(peer);
	let_go(peer);
	if (tell)
		p->handler->down(p->handler->context, id);
}

/* The face. */

void peers_init(struct peers *p, struct loop *l, const struct peers_handler *handler,
		const struct channel_config *channels, const char *unit, uint64_t id)
{
	uint64_t seed;

	assert(id != 0);
	*p = (struct peers){ .loop = l, .handler = handler, .channels = channels, .unit = unit,
			     .id = id };
	entropy_fill(&p->boot, sizeof(p->boot));
	entropy_fill(&seed, sizeof(seed));
	rng_init(&p->rng, seed);
}

void peers_done(struct peers *p)
{
	peers_flush(p);
	while (p->links)
		link_close(p->links);
	while (p->peers) {
		p->peers->in_set = 0;
		let_go(p->peers);
	}
}

static void add_member(struct peers *p, const struct peers_member *m)
{
	uint32_t address;
	uint16_t port;
	struct peer *peer;

	if (m->id == p->id)
		return;
	if (sock_parse_address(m->address, &address, &port) < 0) {
		log_printf(LOG_ERROR, "managers: %016" PRIx64 " has no address that can be dialed: "
			   "%.*s", m->id, SLICE_ARGS(m->address));
		return;
	}
	peer = find_or_make(p, m->id);
	if (!peer) {
		log_printf(LOG_ERROR, "managers: too many to be connected with");
		return;
	}
	peer->address = address;
	peer->port = port;
	peer->in_set = 1;
	/* From the loop, as it may fail at once. */
	if (!peer->link && !peer->dial && !peer->retry.place)
		loop_timer_set(p->loop, &peer->retry, 0);
}

void peers_set(struct peers *p, const struct peers_member *members, uint32_t count)
{
	struct peer *next;

	if (count > PEERS_SET_MAX) {
		log_printf(LOG_ERROR, "managers: too many to be connected with");
		count = PEERS_SET_MAX;
	}
	for (struct peer *peer = p->peers; peer; peer = peer->next)
		peer->in_set = 0;
	for (uint32_t i = 0; i < count; i++)
		add_member(p, &members[i]);
	for (struct peer *peer = p->peers; peer; peer = next) {
		next = peer->next;
		if (peer->in_set)
			continue;
		loop_timer_clear(p->loop, &peer->retry);
		let_go(peer);
	}
}

void peers_dial(struct peers *p, struct slice text)
{
	uint32_t address;
	uint16_t port;

	if (sock_parse_address(text, &address, &port) < 0) {
		log_printf(LOG_ERROR, "managers: no address that can be dialed: %.*s",
			   SLICE_ARGS(text));
		return;
	}
	for (struct peer_link *link = p->links; link; link = link->next) {
		if (link->dialed && link->stage != LINK_UP && link->address == address &&
		    link->port == port)
			return;
	}
	if (p->dial_count < PEERS_DIALS_MAX)
		dial(p, address, port, NULL);
}

void peers_send(struct peers *p, uint64_t id, struct slice body)
{
	struct peer *peer = find(p, id);

	assert(body.len <= PEERS_MESSAGE_MAX);
	if (peer && peer->link)
		channel_send(peer->link->channel, body);
}

void peers_drop(struct peers *p, uint64_t id)
{
	struct peer *peer = find(p, id);

	if (peer && peer->link)
		channel_limit(peer->link->channel, 0);
}

void peers_flush(struct peers *p)
{
	for (struct peer_link *link = p->links; link; link = link->next)
		channel_flush(link->channel);
}

int peers_is_up(const struct peers *p, uint64_t id)
{
	const struct peer *peer = find(p, id);

	return peer && peer->link;
}
