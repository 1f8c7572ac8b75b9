/* What managers say to each other. The input is taken as one message: what is accepted is written
 * back byte for byte. Then as a list of messages (length u16, bytes; 0xffff: time passes) from
 * another manager to one that leads alone, and to one that waits to be let in: both take
 * anything, without end of memory or of effects. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include "applets/manager/manager.h"
#include "applets/manager/peer.h"
#include "base/bytes.h"
#include "base/mem.h"

enum { STRANGER = 9, TIME_PASSES = 0xffff, PASS_MS = 150 };

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void must(int ok)
{
	if (!ok)
		abort();
}

static void raft_again(struct slice in)
{
	struct raft_message m;
	struct arena a;
	struct buf b;

	arena_init(&a);
	buf_init(&b, RAFT_MESSAGE_MAX);
	if (raft_message_parse(&a, in, &m) == 0) {
		raft_message_build(&b, &m);
		must(slice_equal(buf_slice(&b), in));
	}
	buf_done(&b);
	arena_done(&a);
}

static void message_again(struct slice in)
{
	struct peer_message m;
	struct buf b;

	if (peer_parse(in, &m) < 0)
		return;
	buf_init(&b, PEER_MESSAGE_MAX);
	peer_build(&b, &m);
	must(slice_equal(buf_slice(&b), in));
	buf_done(&b);
	if (m.kind == PEER_RAFT)
		raft_again(m.body);
}

struct bench {
	struct manager *manager;
	struct effects fx;
	uint64_t now_ms, last, durable;
	int flush;
};

static void step(struct bench *b, struct event ev)
{
	ev.now_ms = b->now_ms;
	ev.wall_ns = 1700000000000000000 + (int64_t)b->now_ms * 1000000;
	effects_reset(&b->fx);
	manager_step(b->manager, &ev, &b->fx);
	for (uint32_t i = 0; i < b->fx.count; i++) {
		const struct effect *x = &b->fx.items[i];

		if (x->kind == EFFECT_WAL_APPEND)
			must(x->id == ++b->last);
		b->flush |= x->kind == EFFECT_FLUSH;
	}
}

/* The end of a turn. A snapshot that comes is never stored: it waits. */
static void settle(struct bench *b)
{
	for (int i = 0; i < 10 && (b->flush || b->durable < b->last); i++) {
		if (b->flush) {
			b->flush = 0;
			step(b, (struct event){ .kind = EVENT_FLUSH });
		}
		if (b->durable < b->last) {
			b->durable = b->last;
			step(b, (struct event){ .kind = EVENT_WAL_DONE, .id = b->durable });
		}
	}
}

static void feed(struct bench *b, struct slice in)
{
	step(b, (struct event){ .kind = EVENT_START });
	settle(b);
	step(b, (struct event){ .kind = EVENT_PEER_UP, .id = STRANGER,
				.text = SLICE("stranger") });
	settle(b);
	while (in.len >= 2) {
		uint32_t n = (uint32_t)bytes_get(in.data, 2);

		in = (struct slice){ in.data + 2, in.len - 2 };
		if (n == TIME_PASSES) {
			b->now_ms += PASS_MS;
			step(b, (struct event){ .kind = EVENT_TIMER });
			settle(b);
			continue;
		}
		n = n < in.len ? n : (uint32_t)in.len;
		step(b, (struct event){ .kind = EVENT_PEER_MESSAGE, .id = STRANGER,
					.body = { in.data, n } });
		settle(b);
		in = (struct slice){ in.data + n, in.len - n };
	}
	step(b, (struct event){ .kind = EVENT_PEER_DOWN, .id = STRANGER });
	settle(b);
}

static void manager_again(struct slice in, enum raft_begin begin)
{
	const struct manager_config config = {
		.node_id = "aaaaaaaaaaaaaaaaaaaaaaaa1", .raft_id = 5, .begin = begin,
		.contacts = begin == RAFT_JOIN ? "192.0.2.9:2377" : "", .hostname = "host1",
		.listen_addr = "0.0.0.0:2377", .advertise_addr = "192.0.2.1:2377",
		.default_addr_pool = "10.0.0.0/8", .engine_socket = "/e", .data_dir = "/d",
	};
	struct bench b = { .manager = manager_new(&config, 1), .now_ms = 1000 };

	effects_init(&b.fx);
	feed(&b, in);
	effects_done(&b.fx);
	manager_free(b.manager);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct slice in = { (const char *)data, size };

	message_again(in);
	manager_again(in, RAFT_FOUND);
	manager_again(in, RAFT_JOIN);
	return 0;
}
