/* Nodes' agents and managers, both ends of it, and asking for a certificate. */
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>
#include "base/mem.h"
#include "io/sock.h"
#include "io_nodes.h"
#include "unit.h"

#define STORY(s, i) buf_str(&(s)->managers[i].story)
#define HEARD(s) buf_str(&(s)->heard)

/* The agent is up with manager 0. */
static struct nodes *nodes_with_agent(void)
{
	struct nodes *s = nodes_open();

	agent_managers(&s->agent, slice_of(s->managers[0].address));
	NODES_WAIT(s, s->heard.len);
	return s;
}

static void turns(struct nodes *s, uint64_t for_ms)
{
	uint64_t end_ms = clock_now_ms() + for_ms;

	while (clock_now_ms() < end_ms)
		nodes_turn(s);
}

TEST(an_agent_and_its_manager_speak_in_order)
{
	struct nodes *s = nodes_with_agent();

	CHECK_STR(HEARD(s), "+ ");
	CHECK_STR(STORY(s, 0), "+1:worker1 ");
	agent_send(&s->agent, SLICE("one"));
	agent_send(&s->agent, SLICE("two"));
	agents_send(&s->managers[0].agents, 1, SLICE("three"));
	agents_send(&s->managers[0].agents, 1, SLICE("four"));
	agents_send(&s->managers[0].agents, 2, SLICE("nobody"));
	NODES_WAIT(s, s->heard.len > 10 && s->managers[0].story.len > 20);
	CHECK_STR(HEARD(s), "+ three|four|");
	CHECK_STR(STORY(s, 0), "+1:worker1 1:one 1:two ");
	nodes_close(s);
}

TEST(large_messages_fit_through_small_buffers)
{
	struct nodes *s = nodes_with_agent();
	struct slice large = { mem_new(1 << 20), 1 << 20 };

	agent_send(&s->agent, large);
	agents_send(&s->managers[0].agents, 1, large);
	NODES_WAIT(s, s->heard.len > 2 && s->managers[0].story.len > 12);
	CHECK_STR(HEARD(s), "+ long|");
	CHECK_STR(STORY(s, 0), "+1:worker1 1:long ");
	mem_free((char *)(uintptr_t)large.data);
	nodes_close(s);
}

TEST(beats_keep_a_quiet_connection)
{
	struct nodes *s = nodes_with_agent();

	turns(s, 6 * NODES_PERIOD_MS);
	CHECK_STR(HEARD(s), "+ ");
	CHECK_STR(STORY(s, 0), "+1:worker1 ");
	nodes_close(s);
}

TEST(one_that_is_silent_for_three_periods_is_closed)
{
	struct nodes *s = nodes_with_agent();
	uint64_t since_ms = clock_now_ms(), took_ms;

	loop_timer_clear(&s->loop, &s->agent.timer);
	NODES_WAIT(s, s->managers[0].story.len > 12);
	took_ms = clock_now_ms() - since_ms;
	CHECK(took_ms > 2 * NODES_PERIOD_MS);
	CHECK(took_ms < 20 * NODES_PERIOD_MS);
	CHECK(strncmp(STORY(s, 0), "+1:worker1 -1 ", 14) == 0);
	/* And comes again, as another. */
	NODES_WAIT(s, s->heard.len >= 6);
	CHECK_STR(HEARD(s), "+ - + ");
	CHECK_STR(STORY(s, 0), "+1:worker1 -1 +2:worker1 ");
	nodes_close(s);
}

TEST(a_session_begins_anew_on_the_same_connection)
{
	struct nodes *s = nodes_with_agent();

	agents_send(&s->managers[0].agents, 1, SLICE("a"));
	agents_restart(&s->managers[0].agents, 1);
	agents_restart(&s->managers[0].agents, 99);
	/* Neither end hears what is of the session before. */
	agents_send(&s->managers[0].agents, 1, SLICE("b"));
	agent_send(&s->agent, SLICE("old"));
	NODES_WAIT(s, s->managers[0].story.len > 14);
	agents_send(&s->managers[0].agents, 1, SLICE("nobody's"));
	agents_send(&s->managers[0].agents, 2, SLICE("c"));
	agent_send(&s->agent, SLICE("new"));
	NODES_WAIT(s, s->heard.len >= 10 && s->managers[0].story.len >= 32);
	CHECK_STR(HEARD(s), "+ a|- + c|");
	CHECK_STR(STORY(s, 0), "+1:worker1 -1 +2:worker1 2:new ");
	nodes_close(s);
}

TEST(a_node_that_was_removed_does_not_come_again)
{
	struct nodes *s = nodes_with_agent();

	agents_refuse(&s->managers[0].agents, 1);
	agents_refuse(&s->managers[0].agents, 1);
	agents_send(&s->managers[0].agents, 1, SLICE("not any more"));
	agent_send(&s->agent, SLICE("nor this"));
	NODES_WAIT(s, s->heard.len > 4 && s->managers[0].story.len > 11);
	CHECK_STR(HEARD(s), "+ - removed ");
	CHECK_STR(STORY(s, 0), "+1:worker1 -1 ");
	agent_managers(&s->agent, slice_of(s->managers[1].address));
	turns(s, 300);
	CHECK_STR(HEARD(s), "+ - removed ");
	CHECK_STR(STORY(s, 1), "");
	nodes_close(s);
}

TEST(one_is_closed_without_a_word)
{
	struct nodes *s = nodes_with_agent();

	agents_close(&s->managers[0].agents, 2);
	turns(s, 50);
	CHECK_STR(STORY(s, 0), "+1:worker1 ");
	agents_close(&s->managers[0].agents, 1);
	CHECK_STR(STORY(s, 0), "+1:worker1 ");	/* not from inside the function */
	NODES_WAIT(s, s->managers[0].story.len > 11);
	CHECK(strncmp(STORY(s, 0), "+1:worker1 -1 ", 14) == 0);
	nodes_close(s);
}

TEST(when_its_manager_goes_the_agent_takes_another)
{
	struct nodes *s = nodes_with_agent();
	char both[80] = "";

	strncat(both, s->managers[0].address, 32);
	strncat(both, "  ", 3);
	strncat(both, s->managers[1].address, 32);
	agent_managers(&s->agent, slice_of(both));
	turns(s, 50);
	CHECK_STR(STORY(s, 1), "");	/* the connection stays */
	nodes_manager_end(s, 0);
	NODES_WAIT(s, s->managers[1].story.len);
	CHECK_STR(STORY(s, 1), "+1:worker1 ");
	NODES_WAIT(s, s->heard.len >= 6);
	CHECK_STR(HEARD(s), "+ - + ");
	nodes_manager_start(s, 0);
	nodes_close(s);
}

TEST(a_manager_that_is_away_is_dialed_less_and_less_often)
{
	struct nodes *s = nodes_open();

	nodes_manager_end(s, 0);
	agent_managers(&s->agent, slice_of(s->managers[0].address));
	CHECK_INT(s->agent.wait_ms, AGENT_RETRY_MIN_MS);
	NODES_WAIT(s, s->agent.wait_ms == 4 * AGENT_RETRY_MIN_MS);
	CHECK_INT(s->agent.wait_ms, 4 * AGENT_RETRY_MIN_MS);
	s->agent.wait_ms = AGENT_RETRY_MAX_MS - 1;
	loop_timer_set(&s->loop, &s->agent.timer, 1);
	NODES_WAIT(s, s->agent.wait_ms == AGENT_RETRY_MAX_MS);
	CHECK_INT(s->agent.wait_ms, AGENT_RETRY_MAX_MS);
	CHECK(s->agent.timer.deadline_ms > loop_now_ms(&s->loop) + AGENT_RETRY_MAX_MS / 2 - 100);
	nodes_manager_start(s, 0);
	loop_timer_set(&s->loop, &s->agent.timer, 1);
	NODES_WAIT(s, s->heard.len);
	CHECK_STR(HEARD(s), "+ ");
	CHECK_INT(s->agent.wait_ms, AGENT_RETRY_MIN_MS);
	nodes_close(s);
}

TEST(after_one_that_is_away_always_another_is_dialed)
{
	struct nodes *s = nodes_open();
	uint16_t last = 0;

	agent_managers(&s->agent, SLICE("127.0.0.1:1 127.0.0.1:2 127.0.0.1:3"));
	for (int i = 0; i < 20; i++) {
		NODES_WAIT(s, s->agent.wait_ms == 2 * AGENT_RETRY_MIN_MS);
		CHECK_INT(s->agent.wait_ms, 2 * AGENT_RETRY_MIN_MS);
		CHECK(s->agent.last.port != last);
		last = s->agent.last.port;
		s->agent.wait_ms = AGENT_RETRY_MIN_MS;
		loop_timer_set(&s->loop, &s->agent.timer, 1);
	}
	nodes_close(s);
}

TEST(one_that_is_no_manager_is_not_listened_to)
{
	struct nodes *s = nodes_open();

	s->manager.config.identity = &s->worker.identity;
	agent_managers(&s->agent, slice_of(s->managers[0].address));
	NODES_WAIT(s, s->agent.logged);
	CHECK_INT(s->agent.logged, ERR_DENIED);
	CHECK_STR(HEARD(s), "");
	CHECK_STR(STORY(s, 0), "");
	nodes_close(s);
}

/* Sends a frame as the agent's connection would, of a kind that is not its own. */
static void wrong_frame(const char *bytes, size_t n)
{
	struct nodes *s = nodes_with_agent();

	channel_send(s->agent.channel, (struct slice){ bytes, n });
	NODES_WAIT(s, s->managers[0].story.len > 12);
	CHECK(strncmp(STORY(s, 0), "+1:worker1 -1 ", 14) == 0);
	nodes_close(s);
}

TEST(what_no_agent_says_ends_its_connection)
{
	char *large = mem_new(AGENTS_MESSAGE_MAX + 1);

	large[0] = 'M';
	wrong_frame("", 0);
	wrong_frame("R", 1);
	wrong_frame("Bx", 2);
	wrong_frame("hello", 5);
	wrong_frame(large, AGENTS_MESSAGE_MAX + 1);
	mem_free(large);
}

TEST(managers_addresses_have_one_form)
{
	struct nodes *s = nodes_open();
	struct buf many;

	agent_managers(&s->agent, SLICE("host:1 1.2.3.4 1.2.3.4:0  127.0.0.1:9 "));
	CHECK_INT(s->agent.manager_count, 1);
	buf_init(&many, 4096);
	for (int i = 1; i <= AGENT_MANAGERS_MAX + 3; i++)
		buf_printf(&many, "127.0.0.1:%d ", i);
	agent_managers(&s->agent, buf_slice(&many));
	CHECK_INT(s->agent.manager_count, AGENT_MANAGERS_MAX);
	agent_managers(&s->agent, SLICE(""));
	CHECK_INT(s->agent.manager_count, 0);
	buf_done(&many);
	nodes_close(s);
}

/* Asking for a certificate. */

struct asking {
	struct enrol enrol;
	struct buf said;
	int status, done;
};

static void on_done(void *context, int status, struct slice body)
{
	struct asking *a = context;

	a->done++;
	a->status = status;
	buf_add_slice(&a->said, body);
}

static struct asking *ask(struct nodes *s, struct nodes_who *who, const char *addresses)
{
	struct asking *a = mem_new(sizeof(*a));
	struct errmsg msg = { { 0 } };

	a->enrol.context = a;
	a->enrol.loop = &s->loop;
	a->enrol.channels = &who->config;
	a->enrol.manager_unit = "swarm-manager";
	a->enrol.request = SLICE("{\"CSR\":1}");
	a->enrol.done = on_done;
	buf_init(&a->said, 1 << 16);
	if (enrol_start(&a->enrol, slice_of(addresses), &msg) < 0)
		abort();
	return a;
}

static void asking_free(struct asking *a)
{
	enrol_done(&a->enrol);
	buf_done(&a->said);
	mem_free(a);
}

TEST(one_without_a_certificate_asks_and_is_answered)
{
	struct nodes *s = nodes_open();
	struct asking *a = ask(s, &s->nobody, s->managers[0].address);
	char answer[40000];

	memset(answer, 'x', sizeof(answer));
	NODES_WAIT(s, s->managers[0].enrol);
	CHECK_STR(STORY(s, 0), "enrol::{\"CSR\":1} ");
	CHECK_INT(a->done, 0);
	port_enrolled(&s->managers[0].port, 1, 200, (struct slice){ answer, sizeof(answer) });
	NODES_WAIT(s, a->done);
	CHECK_INT(a->status, 200);
	CHECK_INT(a->said.len, sizeof(answer));
	CHECK(slice_equal(tls_pin_authority(&s->pin), buf_slice(&s->root.cert)));
	NODES_WAIT(s, !s->managers[0].port.guests);
	CHECK_INT(a->done, 1);
	asking_free(a);
	nodes_close(s);
}

TEST(a_refusal_is_the_answer)
{
	struct nodes *s = nodes_open();
	struct asking *a = ask(s, &s->worker, s->managers[0].address);

	NODES_WAIT(s, s->managers[0].enrol);
	CHECK_STR(STORY(s, 0), "enrol:worker1:{\"CSR\":1} ");
	port_enrolled(&s->managers[0].port, 1, 403, SLICE("no"));
	NODES_WAIT(s, a->done);
	CHECK_INT(a->status, 403);
	CHECK_STR(buf_str(&a->said), "no");
	asking_free(a);
	nodes_close(s);
}

TEST(the_next_manager_is_asked_when_one_cannot)
{
	struct nodes *s = nodes_open();
	struct asking *a;
	char both[80] = "127.0.0.1:1 ";

	strncat(both, s->managers[0].address, 30);
	strncat(both, " ", 2);
	strncat(both, s->managers[1].address, 30);
	a = ask(s, &s->nobody, both);
	NODES_WAIT(s, s->managers[0].enrol);
	CHECK_INT(s->managers[1].enrol, 0);
	port_enrolled(&s->managers[0].port, 1, 503, SLICE("no leader"));
	NODES_WAIT(s, s->managers[1].enrol);
	port_enrolled(&s->managers[1].port, 1, 503, SLICE("nor here"));
	NODES_WAIT(s, a->done);
	CHECK_INT(a->status, 503);
	CHECK_STR(buf_str(&a->said), "nor here");
	asking_free(a);
	nodes_close(s);
}

TEST(another_authority_than_the_pinned_one_gets_no_token)
{
	struct nodes *s = nodes_open();
	struct asking *a;

	s->pin.digest[5] ^= 1;
	a = ask(s, &s->nobody, s->managers[0].address);
	NODES_WAIT(s, a->done);
	CHECK(a->status < 0);
	CHECK(strstr(buf_str(&a->said), s->managers[0].address));
	CHECK_STR(STORY(s, 0), "");
	asking_free(a);
	nodes_close(s);
}

TEST(one_that_is_no_manager_gets_no_token)
{
	struct nodes *s = nodes_open();
	struct asking *a;

	s->manager.config.identity = &s->worker.identity;
	a = ask(s, &s->nobody, s->managers[0].address);
	NODES_WAIT(s, a->done);
	CHECK(a->status < 0);
	CHECK(strstr(buf_str(&a->said), "it has no manager's certificate"));
	CHECK_STR(STORY(s, 0), "");
	asking_free(a);
	nodes_close(s);
}

TEST(waiting_for_an_answer_has_an_end)
{
	struct nodes *s = nodes_open();
	struct asking *a = ask(s, &s->nobody, s->managers[0].address);

	NODES_WAIT(s, s->managers[0].enrol);
	/* The limit is there, and its end is not waited for here. */
	CHECK(a->enrol.channel->timer.place);
	CHECK(a->enrol.channel->timer.deadline_ms <= loop_now_ms(&s->loop) + ENROL_WAIT_MS);
	loop_timer_set(&s->loop, &a->enrol.channel->timer, 1);
	NODES_WAIT(s, a->done);
	CHECK(a->status < 0);
	CHECK(strstr(buf_str(&a->said), "it said nothing in time"));
	asking_free(a);
	/* One can also give up. */
	a = ask(s, &s->nobody, s->managers[0].address);
	NODES_WAIT(s, s->managers[0].enrol == 2);
	enrol_done(&a->enrol);
	NODES_WAIT(s, !s->managers[0].port.guests);
	CHECK_INT(a->done, 0);
	asking_free(a);
	nodes_close(s);
}

TEST(what_cannot_be_asked_is_told_at_once)
{
	static char large[GREETING_MAX];
	struct enrol e = { .request = { large, sizeof(large) } };
	struct errmsg msg = { { 0 } };

	CHECK_INT(enrol_start(&e, SLICE("127.0.0.1:1"), &msg), ERR_LIMIT);
	e.request.len = 1;
	CHECK_INT(enrol_start(&e, SLICE("host:1"), &msg), ERR_INVALID);
	CHECK_STR(msg.text, "host:1: the form is ADDRESS:PORT, with an IPv4 address");
	CHECK_INT(enrol_start(&e, SLICE(" "), &msg), ERR_INVALID);
}
