/*
 * Contracts are in agents.h. A connection is never closed from inside a function, as that may be
 * called from its own callback: its time is set to end now, and the loop closes it.
 */
#include "io/agents.h"
#include <assert.h>
#include "base/bytes.h"
#include "base/mem.h"
#include "io/log.h"

struct agent_end {
	struct agents *agents;
	struct channel *channel;	/* ours */
	uint64_t id;
	int closing;			/* by us: nothing it says is heard any more */
	int restarting;			/* nor what it says before it has begun anew */
	int is_full;			/* it is in the list of those */
	struct agent_end *next_full, **at_full;
};

static struct slice key_of(const uint64_t *id)
{
	return (struct slice){ (const char *)id, sizeof(*id) };
}

static struct agent_end *find(const struct agents *a, uint64_t id)
{
	return map_get(&a->ends, key_of(&id));
}

static void leave_full(struct agent_end *e)
{
	if (!e->is_full)
		return;
	*e->at_full = e->next_full;
	if (e->next_full)
		e->next_full->at_full = e->at_full;
	e->is_full = 0;
}

static void say(struct agent_end *e, char kind, struct slice body)
{
	struct agents *a = e->agents;

	channel_send_kind(e->channel, kind, body);
	if (e->is_full)
		return;
	e->is_full = 1;
	e->next_full = a->full;
	e->at_full = &a->full;
	if (a->full)
		a->full->at_full = &e->next_full;
	a->full = e;
}

/* Its channel is closed. */
static void end_free(struct agent_end *e)
{
	leave_full(e);
	(void)map_remove(&e->agents->ends, key_of(&e->id));
	mem_free(e->channel);
	mem_free(e);
}

static void close_soon(struct agent_end *e, uint64_t limit_ms)
{
	e->closing = 1;
	channel_limit(e->channel, limit_ms);
}

static void on_open(struct channel *c)
{
	(void)c;
}

/* It says so: all that it said before is here, too. */
static void begin_anew(struct agent_end *e)
{
	struct agents *a = e->agents;
	uint64_t old = e->id;

	(void)map_remove(&a->ends, key_of(&old));
	e->id = a->handler->draw(a->handler->context);
	(void)map_set(&a->ends, key_of(&e->id), e);
	e->restarting = 0;
	a->handler->down(a->handler->context, old);
	a->handler->up(a->handler->context, e->id, channel_peer_name(e->channel));
}

static int on_frame(struct channel *c, struct slice body)
{
	struct agent_end *e = c->context;
	struct agents *a = e->agents;
	char kind = body.len ? body.data[0] : '\0';

	if (e->closing)
		return 0;
	if (kind != 'M' && (body.len > 1 || (kind != 'B' && !(kind == 'R' && e->restarting))))
		return errmsg_set(&c->why, ERR_CORRUPT, "it says what no agent says");
	channel_limit(c, (uint64_t)AGENTS_PERIODS * a->period_ms);
	if (kind == 'R')
		begin_anew(e);
	else if (kind == 'M' && !e->restarting)
		a->handler->message(a->handler->context, e->id,
				    (struct slice){ body.data + 1, body.len - 1 });
	return 0;
}

static void on_end(struct channel *c, int err, const struct errmsg *why)
{
	struct agent_end *e = c->context;
	struct agents *a = e->agents;
	uint64_t id = e->id;

	/* Who it was cannot be asked of a channel that is closed: `up` told it. */
	if (!e->closing && err != ERR_UNAVAILABLE)
		log_printf(LOG_WARNING, "agents: connection %llu ended: %s", (unsigned long long)id,
			   why->text[0] ? why->text : err_text(err));
	end_free(e);
	a->handler->down(a->handler->context, id);
}

int agents_take(struct agents *a, struct channel *c)
{
	char parameters[AGENTS_PARAMETERS];
	struct agent_end *e;

	if (a->ends.count == AGENTS_MAX)
		return errmsg_set(&c->why, ERR_LIMIT, "too many agents");
	e = mem_new(sizeof(*e));
	e->agents = a;
	e->channel = c;
	e->id = a->handler->draw(a->handler->context);
	assert(!find(a, e->id));
	(void)map_set(&a->ends, key_of(&e->id), e);
	c->context = e;
	c->ready = on_open;
	c->frame = on_frame;
	c->ended = on_end;
	channel_keep(c, AGENTS_MESSAGE_MAX);
	channel_limit(c, (uint64_t)AGENTS_PERIODS * a->period_ms);
	bytes_put(parameters, 4, a->period_ms);
	bytes_put(parameters + 4, 4, a->window_ms + a->ends.count * AGENTS_SHAKE_MS);
	say(e, 'P', (struct slice){ parameters, sizeof(parameters) });
	log_printf(LOG_INFO, "agents: connection %llu is with node %s",
		   (unsigned long long)e->id, channel_peer_name(c));
	a->handler->up(a->handler->context, e->id, channel_peer_name(c));
	return 0;
}

void agents_send(struct agents *a, uint64_t id, struct slice body)
{
	struct agent_end *e = find(a, id);

	assert(body.len < AGENTS_MESSAGE_MAX);
	if (e && !e->closing && !e->restarting)
		say(e, 'M', body);
}

void agents_restart(struct agents *a, uint64_t id)
{
	struct agent_end *e = find(a, id);

	if (!e || e->closing || e->restarting)
		return;
	e->restarting = 1;
	say(e, 'R', (struct slice){ NULL, 0 });
}

void agents_refuse(struct agents *a, uint64_t id)
{
	struct agent_end *e = find(a, id);

	if (!e || e->closing)
		return;
	log_printf(LOG_WARNING, "agents: connection %llu is refused: node %s is not of this swarm "
		   "any more", (unsigned long long)id, channel_peer_name(e->channel));
	say(e, 'X', (struct slice){ NULL, 0 });
	close_soon(e, AGENTS_LINGER_MS);
}

void agents_close(struct agents *a, uint64_t id)
{
	struct agent_end *e = find(a, id);

	if (e)
		close_soon(e, 0);
}

void agents_flush(struct agents *a)
{
	while (a->full) {
		struct agent_end *e = a->full;

		leave_full(e);
		channel_flush(e->channel);
	}
}

void agents_init(struct agents *a, struct loop *l, const struct agents_handler *handler,
		 uint32_t period_ms, uint32_t window_ms)
{
	assert(period_ms > 0);
	*a = (struct agents){ .loop = l, .handler = handler, .period_ms = period_ms,
			      .window_ms = window_ms };
	map_init(&a->ends);
}

void agents_done(struct agents *a)
{
	agents_flush(a);
	while (a->ends.count) {
		struct agent_end *e = map_first(&a->ends)->value;

		channel_close(e->channel);
		end_free(e);
	}
	map_done(&a->ends);
}
