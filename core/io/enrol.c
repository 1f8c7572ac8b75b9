/* Contracts are in enrol.h. A loop of its own, for one channel. */
#include "io/enrol.h"
#include <string.h>
#include "base/mem.h"
#include "io/channel.h"
#include "io/loop.h"

enum { ANSWER_MAX = 64 << 10 };	/* some certificates, and the managers' addresses */

struct asking {
	struct enrol *e;
	struct loop loop;
	struct channel channel;
	struct channel_config config;
	struct tls_pin pin;
	struct errmsg why;
	int answered;
	int err;
};

static void on_ready(struct channel *c)
{
	struct asking *a = c->context;
	struct buf body;

	buf_init(&body, GREETING_MAX);
	enrol_build(&body, a->e->request);
	channel_send(c, buf_slice(&body));
	if (body.data)
		mem_wipe(body.data, body.len);
	buf_done(&body);
}

/* The first frame is the manager's hello, the second one the answer. */
static int on_frame(struct channel *c, struct slice body)
{
	struct asking *a = c->context;
	struct hello hello;
	struct slice text;
	int err;

	err = hello_parse(body, &hello);
	if (err == ERR_UNSUPPORTED)
		return errmsg_set(&c->why, err, "it speaks another version of the protocol");
	if (err == 0)
		return 0;
	err = enrol_answer_parse(body, &a->e->status, &text);
	if (err < 0)
		return errmsg_set(&c->why, err, "it is no manager");
	buf_add_slice(a->e->answer, text);
	a->answered = 1;
	return ERR_EXISTS;	/* that was all */
}

static void on_ended(struct channel *c, int err, const struct errmsg *why)
{
	struct asking *a = c->context;

	a->err = a->answered ? 0 : err;
	a->why = *why;
	loop_stop(&a->loop);
}

int enrol_ask(struct enrol *e, struct errmsg *msg)
{
	struct asking *a = mem_new(sizeof(*a));
	int err = loop_init(&a->loop, msg);

	if (err == 0) {
		a->e = e;
		memcpy(a->pin.digest, e->digest, TLS_PIN_LEN);
		a->config.pin = &a->pin;
		a->channel.context = a;
		a->channel.ready = on_ready;
		a->channel.frame = on_frame;
		a->channel.ended = on_ended;
		channel_init(&a->channel, &a->loop, &a->config, ANSWER_MAX);
		channel_dial(&a->channel, e->address, e->port);
		err = loop_run(&a->loop, msg);
		loop_done(&a->loop);
	}
	if (err == 0 && a->err < 0)
		err = errmsg_set(msg, a->err, "%s", a->why.text[0] ? a->why.text :
				 err_text(a->err));
	mem_free(a);
	return err;
}
