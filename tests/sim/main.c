/*
 * The simulator: clusters of the shipped manager and worker in simulated time, from one seed each.
 *
 *	sim --seeds 1-300	each of them; prints what fails, then the counts
 *	sim --seeds 7 --trace	one, with every line
 *
 * The run of a seed is the same for ever with the same code. Phase 1 breaks things (which ones
 * and how often is drawn from the seed) and checks after every step; in phase 2 nothing breaks
 * any more and all must come to what was asked for, within simulated seconds (minutes where
 * services run). A seed that fails is run a second time, to keep its last lines.
 */
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>
#include "base/mem.h"
#include "sim.h"

enum { COVERED_FROM = 1000 };	/* seeds in a run from which on every class must have come up */

static const char *const mark_names[MARKS] = {
#define X(name, text) text,
	SIM_MARKS(X)
#undef X
};

static const char *const option_names[OPTIONS] = {
#define X(name, text, max) text,
	SIM_OPTIONS(X)
#undef X
};

static struct sim *running;	/* for the signal of a failed assertion */

void sim_trace(struct sim *sim, const char *format, ...)
{
	char *line;
	va_list args;
	int n;

	if (!sim->tracing)
		return;
	line = sim->lines[sim->line_count++ % SIM_TRACE_LINES];
	n = snprintf(line, SIM_TRACE_WIDTH, "%10.3f ", (double)sim->now_us / 1e6);

	va_start(args, format);
	if (sim->trace) {
		printf("%.*s", n, line);
		vprintf(format, args);
		putchar('\n');
	} else {
		vsnprintf(line + n, (size_t)(SIM_TRACE_WIDTH - n), format, args);
	}
	va_end(args);
}

void sim_fail(struct sim *sim, const char *format, ...)
{
	va_list args;

	if (sim->failed)
		return;
	sim->failed = 1;
	va_start(args, format);
	vsnprintf(sim->why, sizeof(sim->why), format, args);
	va_end(args);
}

static void print_failure(const struct sim *sim, const char *why)
{
	uint64_t first = sim->line_count > SIM_TRACE_LINES ? sim->line_count - SIM_TRACE_LINES : 0;

	printf("seed %llu fails at %.3f s: %s\n  options:", (unsigned long long)sim->seed,
	       (double)sim->now_us / 1e6, why);
	for (int i = 0; i < OPTIONS; i++)
		printf(" %s=%llu", option_names[i], (unsigned long long)sim->options[i]);
	printf("\n");
	for (uint64_t i = first; i < sim->line_count && !sim->trace; i++)
		printf("  %s\n", sim->lines[i % SIM_TRACE_LINES]);
	printf("  again: make sim SEED=%llu (all lines: build/sim --seeds %llu --trace)\n",
	       (unsigned long long)sim->seed, (unsigned long long)sim->seed);
}

/* A step has broken a promise of its own. */
static void on_abort(int signal)
{
	char seed[24];

	(void)signal;
	if (!running->tracing) {
		snprintf(seed, sizeof(seed), "%llu", (unsigned long long)running->seed);
		execl("/proc/self/exe", "sim", "--seeds", seed, "--last", (char *)NULL);
	}
	print_failure(running, "the program aborts");
	printf("0 passed, 1 failed\n");
	fflush(stdout);
	_exit(1);
}

struct totals {
	uint64_t passed, failed, simulated_us, steps;
	uint64_t marks[MARKS];
};

enum lines { LINES_NONE, LINES_LAST, LINES_ALL };

static struct sim *run(uint64_t seed, enum lines lines)
{
	struct sim *sim = mem_new(sizeof(*sim));

	sim->seed = seed;
	sim->trace = lines == LINES_ALL;
	sim->tracing = lines != LINES_NONE;
	running = sim;
	sim_run(sim);
	return sim;
}

static void end(struct sim *sim)
{
	sim_done(sim);
	mem_free(sim);
}

static void show_failure(struct sim *sim)
{
	struct sim *again;

	if (sim->tracing) {
		print_failure(sim, sim->why);
		return;
	}
	again = run(sim->seed, LINES_LAST);
	print_failure(again, sim->why);
	if (!again->failed || strcmp(again->why, sim->why) != 0)
		printf("  THE SECOND RUN IS ANOTHER: %s\n",
		       again->failed ? again->why : "it passes");
	end(again);
}

static void run_seed(struct totals *t, uint64_t seed, enum lines lines)
{
	struct sim *sim = run(seed, lines);

	if (sim->failed)
		show_failure(sim);
	t->failed += sim->failed != 0;
	t->passed += !sim->failed;
	t->simulated_us += sim->now_us;
	t->steps += sim->steps;
	for (int i = 0; i < MARKS; i++)
		t->marks[i] += sim->marks[i];
	end(sim);
}

static void print_marks(struct totals *t, uint64_t count)
{
	for (int i = 0; i < MARKS; i++) {
		printf("  %10llu %s\n", (unsigned long long)t->marks[i], mark_names[i]);
		if (t->marks[i] == 0 && count >= COVERED_FROM) {
			printf("  \"%s\" never came up\n", mark_names[i]);
			t->failed++;
		}
	}
}

static double cpu_seconds(void)
{
	return (double)clock() / CLOCKS_PER_SEC;
}

static int read_range(const char *text, uint64_t *first, uint64_t *last)
{
	struct slice rest = slice_of(text), head = slice_cut(&rest, '-');

	if (slice_to_u64(head, INT64_MAX, first) < 0)
		return -1;
	*last = *first;
	return rest.len ? slice_to_u64(rest, INT64_MAX, last) : 0;
}

int main(int argc, char **argv)
{
	uint64_t first = 1, last = 100;
	struct totals t = { 0 };
	enum lines lines = LINES_NONE;
	int bad = 0;
	double cpu;

	for (int i = 1; i < argc; i++) {
		if (strcmp(argv[i], "--trace") == 0)
			lines = LINES_ALL;
		else if (strcmp(argv[i], "--last") == 0)
			lines = LINES_LAST;
		else if (strcmp(argv[i], "--seeds") == 0 && i + 1 < argc)
			bad |= read_range(argv[++i], &first, &last) < 0;
		else
			bad = 1;
	}
	if (bad || first > last) {
		fprintf(stderr, "usage: sim [--seeds FIRST[-LAST]] [--trace]\n");
		return 2;
	}
	setvbuf(stdout, NULL, _IOLBF, 0);
	signal(SIGABRT, on_abort);
	signal(SIGSEGV, on_abort);
	for (uint64_t seed = first; seed <= last && t.failed < 5; seed++)
		run_seed(&t, seed, lines);
	if (last > first)
		print_marks(&t, last - first + 1);
	cpu = cpu_seconds();
	printf("%.1f simulated hours, %llu steps, %.0f seeds a second\n",
	       (double)t.simulated_us / 3600e6, (unsigned long long)t.steps,
	       cpu > 0 ? (double)(t.passed + t.failed) / cpu : 0);
	printf("%llu passed, %llu failed\n", (unsigned long long)t.passed,
	       (unsigned long long)t.failed);
	return t.failed > 0;
}
