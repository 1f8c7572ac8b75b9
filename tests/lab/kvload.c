/*
 * kvload: clients that read and write registers in a swarm, and note what they saw.
 *
 *	kvload [--clients N] [--seconds N] ... ENDPOINT...
 *
 * An endpoint is an API socket's path or IPV4:PORT. Client n begins with the n-th; one that gets
 * no answer goes on to the next. It runs for so many seconds or until SIGTERM; then every key is
 * read once more, until it is answered: what was acknowledged must be there. The history
 * (--history) is one for lincheck.py, its times are CLOCK_MONOTONIC in ns. On stdout: counts, and
 * the longest time in which no write was acknowledged, each as "name value".
 *
 * The keys change with time (--turn-ms): operations of unknown outcome are open for ever, and each
 * one doubles what the checker has to think of.
 *
 * Exit 0; 1: a key could not be read in the end, or a value was not whole; 2: usage.
 */
#include <assert.h>
#include <getopt.h>
#include <inttypes.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include "base/mem.h"
#include "base/rng.h"
#include "dialect.h"
#include "wire.h"

enum { ENDPOINTS_MAX = 16, CLIENTS_MAX = 1024, VALUE_BYTES_MAX = 512 << 10, KEY_BYTES = 96 };

struct config {
	const struct dialect *dialect;
	uint64_t clients, keys, seconds, size, rate, fill, timeout_ms, turn_ms, settle_s, retry_ms;
	const char *prefix, *history, *read_query;
	bool write_only;
	const char *endpoints[ENDPOINTS_MAX];
	size_t endpoint_count;
};

static struct {
	struct config config;
	pthread_mutex_t lock;		/* of what follows */
	FILE *history;
	uint64_t processes, writes, reads, mismatches, unsent, refused, unknown, torn, unread;
	uint64_t last_write_ns, gap_ns, gap_from_ns;
	char complaint[256];
	/* Without the lock: */
	uint64_t start_ns, end_ns;
	atomic_ullong values, next_fill, next_read, turns;
} load;
static volatile sig_atomic_t stopped;

struct client {
	size_t number, endpoint;
	uint64_t process;		/* its name in the history; 0: it needs a new one */
	struct rng rng;
	struct wire wire;
	struct buf request, value;
	char key[KEY_BYTES];		/* what it read last, and its version */
	uint64_t version;
	bool has_read;
};

static void on_signal(int number)
{
	(void)number;
	stopped = 1;
}

static void pause_ms(uint64_t ms)
{
	struct timespec t = { (time_t)(ms / 1000), (long)(ms % 1000) * 1000000 };
	nanosleep(&t, NULL);
}

/* ---- the history ---- */

static const char *const names[] = { "read", "write", "write", "cas" };

/* type: its JSON, and what else there is to say. The caller has the lock, so lines are in order. */
static void note(struct client *c, const char *type, const struct request *r,
	const struct answer *a)
{
	uint64_t now = wire_now_ns();
	if (load.history == NULL)
		return;
	fprintf(load.history, "{\"process\":%" PRIu64 ",\"type\":%s,\"f\":\"%s\","
		"\"key\":\"%s\"", c->process, type, names[r->op], r->key);
	if (a != NULL && a->found)
		fprintf(load.history, ",\"value\":\"%s\",\"version\":%" PRIu64, a->value,
			a->version);
	if (r->op == OP_CAS)
		fprintf(load.history, ",\"version\":%" PRIu64, r->version);
	if (r->op == OP_WRITE || r->op == OP_CAS)
		fprintf(load.history, ",\"value\":\"%.*s\"", (int)slice_find(r->value, '.'),
			r->value.data);
	fprintf(load.history, ",\"time\":%" PRIu64 "}\n", now);
}

static void begin(struct client *c, const struct request *r)
{
	pthread_mutex_lock(&load.lock);
	if (c->process == 0)
		c->process = ++load.processes;
	note(c, "\"invoke\"", r, NULL);
	pthread_mutex_unlock(&load.lock);
}

static void count_write(void)
{
	uint64_t now = wire_now_ns();
	load.writes++;
	if (now - load.last_write_ns > load.gap_ns) {
		load.gap_ns = now - load.last_write_ns;
		load.gap_from_ns = load.last_write_ns;
	}
	load.last_write_ns = now;
}

static void end(struct client *c, const struct request *r, enum outcome outcome,
	const struct answer *a, bool sent)
{
	pthread_mutex_lock(&load.lock);
	switch (outcome) {
	case OUTCOME_OK:
		note(c, "\"ok\"", r, a);
		if (r->op == OP_READ)
			load.reads++;
		else
			count_write();
		break;
	case OUTCOME_MISMATCH:
		note(c, "\"fail\",\"error\":\"mismatch\"", r, NULL);
		load.mismatches++;
		break;
	case OUTCOME_NEVER:
		note(c, "\"fail\"", r, NULL);
		*(sent ? &load.refused : &load.unsent) += 1;
		break;
	case OUTCOME_UNKNOWN:
		note(c, "\"info\"", r, NULL);
		load.unknown++;
		break;
	}
	if (outcome == OUTCOME_UNKNOWN)
		c->process = 0;
	pthread_mutex_unlock(&load.lock);
}

/* ---- one operation ---- */

/* What was refused first, so that a load that does nothing says why. */
static void complain(const struct wire *w)
{
	pthread_mutex_lock(&load.lock);
	if (load.complaint[0] == '\0')
		snprintf(load.complaint, sizeof(load.complaint), "%d %.*s", w->status,
			(int)(w->body.len < 200 ? w->body.len : 200), w->body.data);
	pthread_mutex_unlock(&load.lock);
}

static enum outcome operate(struct client *c, const struct request *r, struct answer *a)
{
	const struct config *config = &load.config;
	const char *endpoint = config->endpoints[c->endpoint];
	enum outcome outcome = OUTCOME_UNKNOWN;
	memset(a, 0, sizeof(*a));
	buf_reset(&c->request);
	config->dialect->build(&c->request, r, config->read_query);
	assert(!c->request.failed);
	begin(c, r);
	enum wire_result result = wire_exchange(&c->wire, endpoint, buf_slice(&c->request),
		(int)config->timeout_ms);
	if (result == WIRE_ANSWERED)
		outcome = config->dialect->parse(r, c->wire.status, c->wire.body, a);
	else if (result == WIRE_NOT_SENT)
		outcome = OUTCOME_NEVER;
	if (outcome != OUTCOME_OK && outcome != OUTCOME_MISMATCH && result == WIRE_ANSWERED)
		complain(&c->wire);
	end(c, r, outcome, a, result != WIRE_NOT_SENT);
	if (outcome == OUTCOME_NEVER || outcome == OUTCOME_UNKNOWN) {
		wire_close(&c->wire);
		c->endpoint = (c->endpoint + 1) % config->endpoint_count;
		pause_ms(config->retry_ms);
	} else if (a->found && config->dialect->writes && a->size != config->size) {
		pthread_mutex_lock(&load.lock);
		load.torn++;
		pthread_mutex_unlock(&load.lock);
	}
	return outcome;
}

/* A value that there has never been. */
static struct slice new_value(struct client *c)
{
	buf_reset(&c->value);
	buf_printf(&c->value, "v%llu", (unsigned long long)atomic_fetch_add(&load.values, 1));
	while (c->value.len < load.config.size)
		buf_add_char(&c->value, '.');
	return buf_slice(&c->value);
}

static void make_key(char *key, uint64_t turn, uint64_t slot)
{
	snprintf(key, KEY_BYTES, "%s-%" PRIu64 "-%" PRIu64, load.config.prefix, turn, slot);
}

/* The next operation of the mix. A cas follows the read whose version it names. */
static struct request choose(struct client *c, char *key)
{
	const struct config *config = &load.config;
	struct request r = { OP_WRITE, key, { NULL, 0 }, 0 };
	if (c->has_read && (!config->dialect->writes || rng_chance(&c->rng, 1, 2))) {
		r.op = OP_CAS;
		r.version = c->version;
		memcpy(key, c->key, KEY_BYTES);
		c->has_read = false;
	} else {
		uint64_t turn = (wire_now_ns() - load.start_ns) / 1000000 / config->turn_ms;
		make_key(key, turn, rng_below(&c->rng, config->keys));
		if (turn >= atomic_load(&load.turns))
			atomic_store(&load.turns, turn + 1);
		if (!config->write_only && (!config->dialect->writes || rng_chance(&c->rng, 1, 2)))
			r.op = OP_READ;
		else if (!config->write_only && rng_chance(&c->rng, 1, 10))
			r.op = OP_DELETE;
	}
	if (r.op == OP_WRITE || r.op == OP_CAS)
		r.value = new_value(c);
	return r;
}

static void run_mix(struct client *c)
{
	const struct config *config = &load.config;
	char key[KEY_BYTES];
	struct answer a;
	while (!stopped && wire_now_ns() < load.end_ns) {
		uint64_t began = wire_now_ns();
		struct request r = choose(c, key);
		enum outcome outcome = operate(c, &r, &a);
		if (r.op == OP_READ && outcome == OUTCOME_OK) {
			memcpy(c->key, key, KEY_BYTES);
			c->version = a.version;
			c->has_read = true;
		}
		uint64_t ms = (wire_now_ns() - began) / 1000000;
		uint64_t share_ms = config->rate == 0 ? 0 : 1000 * config->clients / config->rate;
		if (ms < share_ms)
			pause_ms(share_ms - ms);
	}
}

static void run_fill(struct client *c)
{
	char key[KEY_BYTES];
	struct answer a;
	while (!stopped) {
		uint64_t n = atomic_fetch_add(&load.next_fill, 1);
		if (n >= load.config.fill)
			return;
		snprintf(key, sizeof(key), "%s-%07" PRIu64, load.config.prefix, n);
		struct request r = { OP_WRITE, key, new_value(c), 0 };
		while (!stopped && operate(c, &r, &a) != OUTCOME_OK)
			;
	}
}

/* Every key that was in use is read until it is answered. */
static void run_last(struct client *c)
{
	const struct config *config = &load.config;
	uint64_t end_ns = wire_now_ns() + config->settle_s * 1000000000;
	char key[KEY_BYTES];
	struct answer a;
	for (;;) {
		uint64_t n = atomic_fetch_add(&load.next_read, 1);
		if (n >= atomic_load(&load.turns) * config->keys)
			return;
		make_key(key, n / config->keys, n % config->keys);
		struct request r = { OP_READ, key, { NULL, 0 }, 0 };
		while (operate(c, &r, &a) != OUTCOME_OK && wire_now_ns() < end_ns)
			;
		if (wire_now_ns() >= end_ns) {
			pthread_mutex_lock(&load.lock);
			load.unread++;
			pthread_mutex_unlock(&load.lock);
			return;
		}
	}
}

/* ---- all of them ---- */

static void *run(void *argument)
{
	struct client *c = argument;
	if (load.config.fill > 0)
		run_fill(c);
	else
		run_mix(c);
	return NULL;
}

static void *run_end(void *argument)
{
	run_last(argument);
	return NULL;
}

static void run_all(struct client *clients, void *(*work)(void *))
{
	pthread_t threads[CLIENTS_MAX];
	for (size_t i = 0; i < load.config.clients; i++)
		if (pthread_create(&threads[i], NULL, work, &clients[i]) != 0)
			abort();
	for (size_t i = 0; i < load.config.clients; i++)
		pthread_join(threads[i], NULL);
}

static int report(void)
{
	double seconds = (double)(load.last_write_ns - load.start_ns) / 1e9;
	const struct {
		const char *name;
		uint64_t value;
	} counts[] = {
		{ "writes", load.writes }, { "reads", load.reads },
		{ "mismatches", load.mismatches }, { "unsent", load.unsent },
		{ "refused", load.refused }, { "unknown", load.unknown }, { "torn", load.torn },
		{ "unread", load.unread },
	};
	for (size_t i = 0; i < sizeof(counts) / sizeof(*counts); i++)
		printf("%s %" PRIu64 "\n", counts[i].name, counts[i].value);
	printf("seconds %.3f\ngap_ms %.1f\ngap_from_ns %" PRIu64 "\n", seconds,
		(double)load.gap_ns / 1e6, load.gap_from_ns);
	if (load.complaint[0] != '\0')
		printf("complaint %s\n", load.complaint);
	return load.torn > 0 || load.unread > 0;
}

static int number(const char *text, uint64_t min, uint64_t max, uint64_t *value)
{
	return slice_to_u64(slice_of(text), max, value) != 0 || *value < min ? -1 : 0;
}

static int set_option(struct config *c, const char *name, const char *value)
{
	const struct {
		const char *name;
		uint64_t min, max, *to;
	} numbers[] = {
		{ "clients", 1, CLIENTS_MAX, &c->clients }, { "keys", 1, 100000, &c->keys },
		{ "seconds", 0, 1000000, &c->seconds }, { "size", 32, VALUE_BYTES_MAX, &c->size },
		{ "rate", 0, 1000000, &c->rate }, { "fill", 0, 10000000, &c->fill },
		{ "timeout-ms", 1, 1000000, &c->timeout_ms },
		{ "turn-ms", 1, UINT32_MAX, &c->turn_ms }, { "settle", 0, 3600, &c->settle_s },
		{ "retry-ms", 0, 60000, &c->retry_ms },
	};
	for (size_t i = 0; i < sizeof(numbers) / sizeof(*numbers); i++)
		if (strcmp(name, numbers[i].name) == 0)
			return number(value, numbers[i].min, numbers[i].max, numbers[i].to);
	if (strcmp(name, "dialect") == 0)
		return (c->dialect = dialect_find(value)) == NULL ? -1 : 0;
	if (strcmp(name, "write-only") == 0)
		c->write_only = true;
	if (strcmp(name, "prefix") == 0 && strlen(value) <= 32)
		c->prefix = value;
	if (strcmp(name, "history") == 0)
		c->history = value;
	if (strcmp(name, "read-query") == 0)
		c->read_query = value;
	return 0;
}

static int parse_arguments(struct config *c, int argc, char **argv)
{
	static const struct option options[] = {
		{ "clients", 1, NULL, 0 }, { "keys", 1, NULL, 0 }, { "seconds", 1, NULL, 0 },
		{ "size", 1, NULL, 0 }, { "rate", 1, NULL, 0 }, { "fill", 1, NULL, 0 },
		{ "timeout-ms", 1, NULL, 0 }, { "turn-ms", 1, NULL, 0 }, { "settle", 1, NULL, 0 },
		{ "retry-ms", 1, NULL, 0 }, { "dialect", 1, NULL, 0 }, { "prefix", 1, NULL, 0 },
		{ "history", 1, NULL, 0 }, { "read-query", 1, NULL, 0 },
		{ "write-only", 0, NULL, 0 }, { NULL, 0, NULL, 0 },
	};
	int index;
	for (int got = getopt_long(argc, argv, "", options, &index); got != -1;
	     got = getopt_long(argc, argv, "", options, &index))
		if (got != 0 || set_option(c, options[index].name, optarg) != 0)
			return -1;
	for (; optind < argc && c->endpoint_count < ENDPOINTS_MAX; optind++)
		c->endpoints[c->endpoint_count++] = argv[optind];
	return c->endpoint_count == 0 || optind < argc ? -1 : 0;
}

static struct client *make_clients(void)
{
	struct client *clients = mem_new(load.config.clients * sizeof(*clients));
	for (size_t i = 0; i < load.config.clients; i++) {
		clients[i].number = i;
		clients[i].endpoint = i % load.config.endpoint_count;
		rng_init(&clients[i].rng, wire_now_ns() + i);
		wire_init(&clients[i].wire);
		buf_init(&clients[i].request, 2 * VALUE_BYTES_MAX);
		buf_init(&clients[i].value, VALUE_BYTES_MAX);
	}
	return clients;
}

int main(int argc, char **argv)
{
	load.config = (struct config){
		.dialect = dialect_find("kv"), .clients = 8, .keys = 8, .size = 256,
		.timeout_ms = 5000, .turn_ms = 1000, .settle_s = 30, .retry_ms = 20,
		.prefix = "k", .read_query = "",
	};
	if (parse_arguments(&load.config, argc, argv) != 0) {
		fprintf(stderr, "usage: kvload [OPTION...] ENDPOINT... (its source tells)\n");
		return 2;
	}
	if (load.config.history != NULL) {
		load.history = fopen(load.config.history, "w");
		if (load.history == NULL) {
			perror(load.config.history);
			return 2;
		}
	}
	pthread_mutex_init(&load.lock, NULL);
	signal(SIGTERM, on_signal);
	signal(SIGINT, on_signal);
	load.start_ns = load.last_write_ns = wire_now_ns();
	load.end_ns = load.config.seconds == 0 ? UINT64_MAX :
		load.start_ns + load.config.seconds * 1000000000;
	struct client *clients = make_clients();
	run_all(clients, run);
	/* The time without a write that went on to the end counts as well. */
	if (load.config.fill == 0) {
		count_write();
		load.writes--;
		run_all(clients, run_end);
	}
	for (size_t i = 0; i < load.config.clients; i++) {
		wire_done(&clients[i].wire);
		buf_done(&clients[i].request);
		buf_done(&clients[i].value);
	}
	mem_free(clients);
	if (load.history != NULL && fclose(load.history) != 0)
		return 2;
	return report();
}
