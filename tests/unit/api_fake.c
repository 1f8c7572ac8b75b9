/* Contracts are in api_fake.h. */
#include "api_fake.h"
#include <assert.h>
#include <string.h>
#include "base/timefmt.h"

static const struct manager_config config = {
	.node_id = "node1", .hostname = "host1", .listen_addr = "0.0.0.0:2377",
	.advertise_addr = "192.0.2.1:2377", .default_addr_pool = "10.0.0.0/8",
	.engine_socket = "/var/run/docker.sock", .data_dir = "/var/lib/swarmbox",
};

static void nobody(void *context, const struct change *change)
{
	(void)context;
	(void)change;
}

static int apply_entry(struct api_fake *f, struct slice entry, struct errmsg *msg)
{
	return state_apply(&f->state, f->state.applied + 1, entry, nobody, NULL, msg);
}

static int apply(struct api_fake *f, struct txn *txn, struct errmsg *msg)
{
	struct slice entry;
	int err = txn_finish(txn, &entry);

	assert(err == 0);
	return apply_entry(f, entry, msg);
}

void api_fake_put(struct api_fake *f, enum object_kind kind, const char *json)
{
	const struct table *table = object_table(kind);
	struct errmsg msg = { { 0 } };
	void *object = arena_new(&f->arena, table->size);
	struct txn txn;
	int err = model_parse(&f->arena, table, MODEL_STORE, slice_of(json), object, &msg);

	assert(err == 0);
	txn_init(&txn, 1000);
	txn_put(&txn, kind, object);
	err = apply(f, &txn, &msg);
	assert(err == 0);
	txn_done(&txn);
}

void api_fake_init(struct api_fake *f)
{
	*f = (struct api_fake){ .ready = 1 };
	state_init(&f->state);
	dispatch_init(&f->dispatch);
	rng_init(&f->rng, 7);
	arena_init(&f->arena);
	effects_init(&f->fx);
	api_init(&f->api, &config);
	api_watch(&f->api, &f->state);
	api_fake_put(f, OBJECT_CLUSTER,
		     "{\"ID\":\"cluster1\",\"Spec\":{\"Name\":\"default\",\"Orchestration\":{"
		     "\"TaskHistoryRetentionLimit\":5}},\"DefaultAddrPool\":[\"10.0.0.0/8\"],"
		     "\"SubnetSize\":24}");
	api_fake_put(f, OBJECT_NODE,
		     "{\"ID\":\"node1\",\"Spec\":{\"Role\":\"manager\",\"Availability\":"
		     "\"active\"},"
		     "\"Description\":{\"Hostname\":\"host1\",\"Platform\":{\"Architecture\":"
		     "\"x86_64\",\"OS\":\"linux\"},\"Resources\":{\"NanoCPUs\":2000000000,"
		     "\"MemoryBytes\":4096000000},\"Engine\":{\"EngineVersion\":\"20.10.24\"}},"
		     "\"Status\":{\"State\":\"ready\",\"Addr\":\"192.0.2.1\"}}");
	f->managers[0] = (struct api_manager){ "node1", "192.0.2.1:2377", 1, 1, 1 };
	f->manager_count = 1;
	api_fake_put(f, OBJECT_NETWORK,
		     "{\"ID\":\"ingress1\",\"Spec\":{\"Name\":\"ingress\",\"Driver\":\"overlay\","
		     "\"Ingress\":true,\"IPAM\":{\"Config\":[{\"Subnet\":\"10.0.0.0/24\","
		     "\"Gateway\":\"10.0.0.1\"}]}}}");
}

void api_fake_done(struct api_fake *f)
{
	api_done(&f->api);
	effects_done(&f->fx);
	arena_done(&f->arena);
	dispatch_done(&f->dispatch);
	state_done(&f->state);
}

struct api_turn api_fake_turn(struct api_fake *f)
{
	effects_reset(&f->fx);
	return (struct api_turn){
		.state = &f->state, .dispatch = &f->dispatch, .rng = &f->rng,
		.arena = &f->arena, .fx = &f->fx, .wall_ns = 2000,
		.clock_ns = API_FAKE_CLOCK_S * SECOND_NS, .ready = f->ready,
		.locked = f->locked,
		.managers = f->managers, .manager_count = f->manager_count,
	};
}

static void take_reply(struct api_fake *f, uint64_t request)
{
	for (uint32_t i = 0; i < f->fx.count; i++) {
		const struct effect *x = &f->fx.items[i];

		if (x->kind != EFFECT_REPLY || x->id != request)
			continue;
		assert(f->status == 0);		/* one answer to one request */
		f->status = x->status;
		f->body = arena_str(&f->arena, x->body);
		f->headers = arena_str(&f->arena, x->target);
		f->type = arena_str(&f->arena, x->text);
	}
}

int api_fake_call(struct api_fake *f, const char *method, const char *target, const char *body)
{
	struct api_turn turn = api_fake_turn(f);
	struct errmsg msg = { { 0 } };
	struct event ev = {
		.kind = EVENT_REQUEST, .id = ++f->request, .method = slice_of(method),
		.target = slice_of(target), .body = slice_of(body),
		.text = slice_of(body ? "application/json" : ""), .now_ms = f->now_ms,
	};
	struct txn txn;
	int err;

	f->status = 0;
	f->body = f->type = f->headers = "";
	txn_init(&txn, turn.wall_ns);
	turn.txn = &txn;
	f->outcome = api_request(&f->api, &turn, &ev);
	f->unlock_key = turn.unlock_key;
	if (f->outcome == API_PROPOSED) {
		err = apply(f, &txn, &msg);
		if (err < 0)
			api_refused(&f->fx, f->request, err, &msg);
		else
			f->status = turn.reply_status;
		if (err == 0)
			f->body = arena_str(&f->arena, turn.reply_body);
	}
	if (f->outcome == API_KV) {
		err = apply_entry(f, turn.entry, &msg);
		if (err < 0)
			api_refused(&f->fx, f->request, err, &msg);
		else
			api_applied(&f->fx, f->request, &f->state.outcome);
	}
	take_reply(f, f->request);
	txn_done(&txn);
	return f->status;
}

int api_fake_due(struct api_fake *f, uint64_t request)
{
	struct api_turn turn = api_fake_turn(f);

	f->status = 0;
	f->body = f->type = f->headers = "";
	api_due(&f->api, &turn, f->now_ms);
	take_reply(f, request);
	return f->status;
}

const struct json *api_fake_json(struct api_fake *f)
{
	const struct json *root = NULL;

	if (json_parse(&f->arena, slice_of(f->body), &root, NULL) < 0)
		return NULL;
	return root;
}

const char *api_fake_error(struct api_fake *f, const char *method, const char *target,
			   const char *body)
{
	api_fake_call(f, method, target, body);
	return arena_str(&f->arena, json_string(json_get(api_fake_json(f), "message")));
}
