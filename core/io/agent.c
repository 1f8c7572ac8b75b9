/*
 * Contracts are in agent.h. A channel that is done with is not closed from its own callback: it
 * ends by the error that the callback returns.
 */
#include "io/agent.h"
#include <assert.h>
#include <string.h>
#include "base/bytes.h"
#include "base/mem.h"
#include "codec/netmap.h"
#include "io/agents.h"
#include "io/entropy.h"
#include "io/log.h"
#include "io/sock.h"

static const struct slice nothing = { NULL, 0 };

/* The next of a list in which blanks stand between addresses; an empty one at its end. */
static struct slice next_address(struct slice *rest)
{
	struct slice address = nothing;

	while (rest->len && address.len == 0)
		address = slice_cut(rest, ' ');
	return address;
}

/* The first frame of a manager is its hello. */
static int check_manager(struct channel *c, const char *unit, struct slice body)
{
	struct hello h;
	int err = hello_parse(body, &h);

	if (err < 0)
		return errmsg_set(&c->why, err, err == ERR_UNSUPPORTED ?
				  "it speaks another version of the managers' protocol" :
				  "it is no manager");
	if (unit && strcmp(channel_peer_unit(c), unit) != 0)
		return errmsg_set(&c->why, ERR_DENIED, "it has no manager's certificate");
	return 0;
}

static struct channel *channel_new(struct loop *l, const struct channel_config *config,
				   void *context)
{
	struct channel *c = mem_new(sizeof(*c));

	c->context = context;
	channel_init(c, l, config, HELLO_MAX);
	return c;
}

/* Dialing. */

static void dial_later(struct agent *a, uint64_t wait_ms)
{
	if (!a->removed)
		loop_timer_set(a->loop, &a->timer, loop_now_ms(a->loop) + wait_ms);
}

static void retry_later(struct agent *a)
{
	uint64_t half = a->wait_ms / 2;

	dial_later(a, half + rng_below(&a->rng, half + 1));
	a->wait_ms = a->wait_ms < AGENT_RETRY_MAX_MS / 2 ? 2 * a->wait_ms : AGENT_RETRY_MAX_MS;
}

/* Another than the last one, if there is any. */
static struct agent_manager draw(struct agent *a)
{
	uint32_t i = (uint32_t)rng_below(&a->rng, a->manager_count);
	struct agent_manager *m = &a->managers[i];

	if (m->address == a->last.address && m->port == a->last.port && a->manager_count > 1)
		m = &a->managers[(i + 1 + rng_below(&a->rng, a->manager_count - 1)) %
				 a->manager_count];
	return *m;
}

static void on_open(struct channel *c);
static int on_frame(struct channel *c, struct slice body);
static void on_end(struct channel *c, int err, const struct errmsg *why);

static void dial(struct agent *a)
{
	if (a->manager_count == 0)
		return;
	a->last = draw(a);
	a->frames = 0;
	a->channel = channel_new(a->loop, a->channels, a);
	a->channel->ready = on_open;
	a->channel->frame = on_frame;
	a->channel->ended = on_end;
	channel_dial(a->channel, a->last.address, a->last.port);
}

static void on_timer(struct loop_timer *t)
{
	struct agent *a = t->context;

	if (!a->channel) {
		dial(a);
		return;
	}
	channel_send_kind(a->channel, 'B', nothing);
	channel_flush(a->channel);
	loop_timer_set(a->loop, &a->timer, loop_now_ms(a->loop) + a->period_ms);
}

/* What the channel tells. */

static void on_open(struct channel *c)
{
	(void)c;
}

static uint32_t within(uint32_t value, uint32_t low, uint32_t high)
{
	return value < low ? low : value > high ? high : value;
}

/* The second frame: we are welcome. */
static int begin(struct agent *a, struct slice body)
{
	if (body.len != 1 + AGENTS_PARAMETERS || body.data[0] != 'P')
		return errmsg_set(&a->channel->why, ERR_CORRUPT, "it does not serve agents");
	a->period_ms = within(bytes_get_u32(body.data + 1), AGENT_PERIOD_MIN_MS,
			      AGENT_PERIOD_MAX_MS);
	a->window_ms = within(bytes_get_u32(body.data + 5), 0, AGENT_WINDOW_MAX_MS);
	a->wait_ms = AGENT_RETRY_MIN_MS;
	a->is_up = 1;
	a->logged = 0;
	channel_keep(a->channel, AGENTS_MESSAGE_MAX);
	loop_timer_set(a->loop, &a->timer, loop_now_ms(a->loop) + a->period_ms);
	a->handler->up(a->handler->context);
	return 0;
}

static int greet(struct agent *a, struct slice body)
{
	uint8_t hello[AGENT_LEN];
	int err = check_manager(a->channel, a->manager_unit, body);

	if (err < 0)
		return err;
	agent_hello_build(hello);
	channel_send(a->channel, (struct slice){ (char *)hello, AGENT_LEN });
	return 0;
}

static int on_frame(struct channel *c, struct slice body)
{
	struct agent *a = c->context;
	char kind = body.len ? body.data[0] : '\0';

	a->frames += a->frames < 2;
	if (!a->is_up)
		return a->frames == 1 ? greet(a, body) : begin(a, body);
	if (kind == 'M') {
		a->handler->message(a->handler->context,
				    (struct slice){ body.data + 1, body.len - 1 });
		return 0;
	}
	if (kind == 'R' && body.len == 1) {
		channel_send_kind(c, 'R', nothing);
		a->handler->down(a->handler->context);
		a->handler->up(a->handler->context);
		return 0;
	}
	a->removed = kind == 'X' && body.len == 1;
	return errmsg_set(&c->why, ERR_CORRUPT, "it says what no manager says");
}

static void on_end(struct channel *c, int err, const struct errmsg *why)
{
	struct agent *a = c->context;
	int was_up = a->is_up;
	char at[16];

	ipv4_format(a->last.address, at);
	if (a->removed)
		log_printf(LOG_WARNING, "agent: the swarm has removed this node");
	else if (was_up || a->logged != err)
		log_printf(LOG_INFO, "agent: %s manager %s:%u: %s",
			   was_up ? "connection ended with" : "no connection with", at,
			   a->last.port, why->text[0] ? why->text : err_text(err));
	if (!was_up)
		a->logged = err;
	mem_free(c);
	a->channel = NULL;
	a->is_up = 0;
	loop_timer_clear(a->loop, &a->timer);
	if (was_up)
		dial_later(a, rng_below(&a->rng, (uint64_t)a->window_ms + 1));
	else
		retry_later(a);
	if (was_up)
		a->handler->down(a->handler->context);
	if (a->removed)
		a->handler->removed(a->handler->context);
}

/* The face. */

void agent_init(struct agent *a, struct loop *l, const struct agent_handler *handler,
		const struct channel_config *channels, const char *manager_unit)
{
	uint64_t seed;

	*a = (struct agent){ .loop = l, .handler = handler, .channels = channels,
			     .manager_unit = manager_unit, .wait_ms = AGENT_RETRY_MIN_MS };
	a->timer = (struct loop_timer){ .call = on_timer, .context = a };
	entropy_fill(&seed, sizeof(seed));
	rng_init(&a->rng, seed);
}

void agent_done(struct agent *a)
{
	agent_flush(a);
	loop_timer_clear(a->loop, &a->timer);
	if (a->channel)
		channel_close(a->channel);
	mem_free(a->channel);
	a->channel = NULL;
	a->is_up = 0;
}

void agent_managers(struct agent *a, struct slice addresses)
{
	struct slice text;

	a->manager_count = 0;
	while ((text = next_address(&addresses)).len) {
		struct agent_manager *m = &a->managers[a->manager_count];

		if (a->manager_count == AGENT_MANAGERS_MAX)
			log_printf(LOG_ERROR, "agent: too many managers: %.*s is left out",
				   SLICE_ARGS(text));
		else if (sock_parse_address(text, &m->address, &m->port) < 0)
			log_printf(LOG_ERROR, "agent: no address that can be dialed: %.*s",
				   SLICE_ARGS(text));
		else
			a->manager_count++;
	}
	/* From the loop, as it may fail at once. */
	if (a->manager_count > 0 && !a->channel && !a->timer.place)
		dial_later(a, 0);
}

void agent_send(struct agent *a, struct slice body)
{
	assert(body.len < AGENTS_MESSAGE_MAX);
	if (a->is_up)
		channel_send_kind(a->channel, 'M', body);
}

void agent_flush(struct agent *a)
{
	if (a->channel)
		channel_flush(a->channel);
}

/* Asking for a certificate. */

static void enrol_end(struct enrol *e, int status, struct slice body)
{
	struct buf answer = e->answer;
	void *context = e->context;

	/* It may free the struct, and what body lies in must stay until then. */
	e->answer.data = NULL;
	loop_timer_clear(e->loop, &e->timer);
	e->done(context, status, body);
	buf_done(&answer);
}

static void enrol_open(struct channel *c)
{
	(void)c;
}

static int enrol_frame(struct channel *c, struct slice body)
{
	struct enrol *e = c->context;
	struct slice answer;
	struct buf out;
	int err;

	if (e->greeted) {
		err = enrol_answer_parse(body, &e->status, &answer);
		if (err < 0 || e->status < 100)
			return errmsg_set(&c->why, ERR_CORRUPT, "it gives no answer");
		buf_add_slice(&e->answer, answer);
		return ERR_EXISTS;	/* that is all: it ends */
	}
	err = check_manager(c, e->manager_unit, body);
	if (err < 0)
		return err;
	e->greeted = 1;
	buf_init(&out, GREETING_MAX);
	enrol_build(&out, e->request);
	channel_send(c, buf_slice(&out));
	mem_wipe(out.data, out.len);	/* a token may be in it */
	buf_done(&out);
	channel_keep(c, ENROL_ANSWER_MAX);
	channel_limit(c, ENROL_WAIT_MS);
	channel_flush(c);
	return 0;
}

static void enrol_ended(struct channel *c, int err, const struct errmsg *why)
{
	struct enrol *e = c->context;
	struct agent_manager *m = &e->managers[e->next - 1];
	char at[16];

	mem_free(c);
	e->channel = NULL;
	if (e->status && (e->status < 500 || e->next == e->manager_count)) {
		enrol_end(e, e->status, buf_slice(&e->answer));
		return;
	}
	buf_reset(&e->answer);
	if (e->next < e->manager_count) {
		loop_timer_set(e->loop, &e->timer, 0);
		return;
	}
	ipv4_format(m->address, at);
	buf_printf(&e->answer, "%s:%u: %s", at, m->port, why->text[0] ? why->text : err_text(err));
	enrol_end(e, err, buf_slice(&e->answer));
}

static void enrol_ask_next(struct loop_timer *t)
{
	struct enrol *e = t->context;
	struct agent_manager *m = &e->managers[e->next++];

	e->greeted = 0;
	e->status = 0;
	e->channel = channel_new(e->loop, e->channels, e);
	e->channel->ready = enrol_open;
	e->channel->frame = enrol_frame;
	e->channel->ended = enrol_ended;
	channel_dial(e->channel, m->address, m->port);
}

int enrol_start(struct enrol *e, struct slice addresses, struct errmsg *msg)
{
	struct slice text;

	e->manager_count = 0;
	e->next = 0;
	e->channel = NULL;
	if (e->request.len > GREETING_MAX - ENROL_HEAD)
		return errmsg_set(msg, ERR_LIMIT, "the request for a certificate is too long");
	while ((text = next_address(&addresses)).len) {
		struct agent_manager *m = &e->managers[e->manager_count];

		if (e->manager_count == AGENT_MANAGERS_MAX)
			return errmsg_set(msg, ERR_LIMIT, "too many managers");
		if (sock_parse_address(text, &m->address, &m->port) < 0)
			return errmsg_set(msg, ERR_INVALID, "%.*s: the form is ADDRESS:PORT, with "
					  "an IPv4 address", SLICE_ARGS(text));
		e->manager_count++;
	}
	if (e->manager_count == 0)
		return errmsg_set(msg, ERR_INVALID, "there is no manager to ask");
	buf_init(&e->answer, ENROL_ANSWER_MAX);
	e->timer = (struct loop_timer){ .call = enrol_ask_next, .context = e };
	loop_timer_set(e->loop, &e->timer, 0);	/* from the loop, as it may fail at once */
	return 0;
}

void enrol_done(struct enrol *e)
{
	loop_timer_clear(e->loop, &e->timer);
	if (e->channel)
		channel_close(e->channel);
	mem_free(e->channel);
	e->channel = NULL;
	buf_done(&e->answer);
}
