/* handshake [PIECE]: what a TLS handshake between two nodes costs each end, and the longest step of
 * it, when bytes come in pieces as io/channel.h reads them. Medians and 95th percentiles. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include "io/channel.h"
#include "tests/unit/devcert.h"

enum { CLIENT, SERVER, ENDS, ROUNDS = 300, TURNS_MAX = 200 };

struct end {
	struct tls tls;
	char buffer[TLS_BUFFER_FULL];
	double took_ms, longest_ms;		/* of this handshake */
	double sums[ROUNDS], longest[ROUNDS];
};

static struct end ends[ENDS];

static double now_ms(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (double)t.tv_sec * 1e3 + (double)t.tv_nsec / 1e6;
}

/* All that from has to say, in pieces. */
static void pass(struct end *from, struct end *to, size_t piece)
{
	struct slice out;

	while ((out = tls_out(&from->tls)).len) {
		double begun = now_ms(), took;
		size_t n;

		out.len = out.len < piece ? out.len : piece;
		n = tls_feed(&to->tls, out);
		took = now_ms() - begun;
		to->took_ms += took;
		to->longest_ms = took > to->longest_ms ? took : to->longest_ms;
		tls_sent(&from->tls, n);
		if (n == 0)
			return;
	}
}

/* 0, or -1: it does not come to an end. */
static int shake(struct tls_config *config, int round, size_t piece)
{
	struct end *c = &ends[CLIENT], *s = &ends[SERVER];

	for (int i = CLIENT; i < ENDS; i++)
		ends[i].took_ms = ends[i].longest_ms = 0;
	memset(config->seed, round, sizeof(config->seed));
	tls_init_client(&c->tls, config, c->buffer, sizeof(c->buffer));
	config->seed[0] ^= 1;
	tls_init_server(&s->tls, config, s->buffer, sizeof(s->buffer));
	for (int i = 0; i < TURNS_MAX && !(tls_is_open(&c->tls) && tls_is_open(&s->tls)); i++) {
		pass(c, s, piece);
		pass(s, c, piece);
	}
	for (int i = CLIENT; i < ENDS; i++) {
		ends[i].sums[round] = ends[i].took_ms;
		ends[i].longest[round] = ends[i].longest_ms;
	}
	return tls_is_open(&c->tls) && tls_is_open(&s->tls) ? 0 : -1;
}

static int compare(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;

	return x < y ? -1 : x > y;
}

static void print(const char *name, double *values, const char *goal)
{
	qsort(values, ROUNDS, sizeof(*values), compare);
	printf("%-34s %10.2f %10s  %6s  p95 %.2f%s\n", name, values[ROUNDS / 2], "", "",
	       values[ROUNDS * 95 / 100], goal);
}

int main(int argc, char **argv)
{
	uint64_t piece = CHANNEL_SHAKE_BYTES;
	struct tls_identity identity;
	struct tls_anchor anchor;
	struct tls_config config = { .identity = &identity, .anchors = &anchor,
				     .anchor_count = 1, .now_s = time(NULL) };

	if (argc > 1 && (slice_to_u64(slice_of(argv[1]), 1 << 20, &piece) < 0 || piece == 0))
		return 2;
	devcert_identity(&identity);
	if (tls_anchor_init(&anchor, devcert_authority(), NULL) < 0)
		return 1;
	for (int i = 0; i < ROUNDS; i++) {
		if (shake(&config, i, piece) < 0) {
			fprintf(stderr, "handshake: no end\n");
			return 1;
		}
		tls_done(&ends[CLIENT].tls);
		tls_done(&ends[SERVER].tls);
	}
	print("TLS handshake, client (ms)", ends[CLIENT].sums, "");
	print("TLS handshake, server (ms)", ends[SERVER].sums, "");
	print("its longest step, client (ms)", ends[CLIENT].longest, "; goal 2");
	print("its longest step, server (ms)", ends[SERVER].longest, "; goal 2");
	return 0;
}
