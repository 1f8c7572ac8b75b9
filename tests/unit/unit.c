/*
 * The harness behind unit.h. Tests run in this process, one after the other: a
 * crash is a crash of the run, and stands in the output below the name of the
 * test that caused it (set UNIT_VERBOSE=1 to see the names of all).
 */
#include "unit.h"

#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

enum {
	SHOWN_BYTES = 400,	/* of a string in a failure message */
	GUARDS_MAX = 20000,	/* per test: three mappings each, the kernel allows 65530 */
};

struct guard {
	void *map;
	size_t size;
};

static struct unit_test *tests;
static struct unit_test *running;
static bool running_failed;
static struct guard *guards;
static size_t guard_count;

void unit_register(struct unit_test *t)
{
	t->next = tests;
	tests = t;
}

bool unit_failed(void)
{
	return running_failed;
}

static void die(const char *what)
{
	perror(what);
	exit(2);
}

void *unit_guard(const void *data, size_t n)
{
	size_t page = (size_t)sysconf(_SC_PAGESIZE);
	size_t body = (n + page - 1) / page * page;
	size_t size = body + 2 * page;

	if (guard_count == GUARDS_MAX)
		die("unit_guard: too many in one test");
	if (guards == NULL && (guards = calloc(GUARDS_MAX, sizeof(*guards))) == NULL)
		die("unit_guard");
	unsigned char *map = mmap(NULL, size, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (map == MAP_FAILED)
		die("unit_guard");
	if (body > 0 && mprotect(map + page, body, PROT_READ | PROT_WRITE) != 0)
		die("unit_guard");
	guards[guard_count++] = (struct guard){ map, size };
	unsigned char *end = map + page + body;
	if (n > 0)
		memcpy(end - n, data, n);
	return end - n;
}

static void guards_free(void)
{
	for (size_t i = 0; i < guard_count; i++)
		munmap(guards[i].map, guards[i].size);
	guard_count = 0;
}

static void fail_at(const char *file, int line)
{
	running_failed = true;
	printf("%s:%d: %s: ", file, line, running ? running->name : "?");
}

/* Prints bytes so that a difference in blanks or control bytes can be seen. */
static void show(const char *label, const void *data, size_t n)
{
	const unsigned char *p = data;

	printf("  %s \"", label);
	for (size_t i = 0; i < n && i < SHOWN_BYTES; i++) {
		if (p[i] == '\n')
			printf("\\n");
		else if (p[i] == '"' || p[i] == '\\')
			printf("\\%c", p[i]);
		else if (p[i] < 0x20 || p[i] >= 0x7f)
			printf("\\x%02x", p[i]);
		else
			putchar(p[i]);
	}
	printf("\"%s (%zu bytes)\n", n > SHOWN_BYTES ? "..." : "", n);
}

bool unit_check(bool ok, const char *expr, const char *file, int line)
{
	if (ok)
		return true;
	fail_at(file, line);
	printf("not so: %s\n", expr);
	return false;
}

bool unit_check_int(long long actual, long long expected, const char *expr, const char *file,
		    int line)
{
	if (actual == expected)
		return true;
	fail_at(file, line);
	printf("%s is %lld, expected %lld\n", expr, actual, expected);
	return false;
}

bool unit_check_str(const char *actual, const char *expected, const char *expr, const char *file,
		    int line)
{
	if (actual == expected || (actual && expected && strcmp(actual, expected) == 0))
		return true;
	fail_at(file, line);
	printf("%s differs\n", expr);
	if (actual == NULL || expected == NULL) {
		printf("  %s is NULL\n", actual ? "expected" : "actual");
		return false;
	}
	show("actual  ", actual, strlen(actual));
	show("expected", expected, strlen(expected));
	return false;
}

bool unit_check_mem(const void *actual, size_t n, const char *expected, const char *expr,
		    const char *file, int line)
{
	size_t want = strlen(expected);

	if (n == want && (n == 0 || memcmp(actual, expected, n) == 0))
		return true;
	fail_at(file, line);
	printf("%s differs\n", expr);
	show("actual  ", actual, n);
	show("expected", expected, want);
	return false;
}

static int by_file_and_name(const void *a, const void *b)
{
	const struct unit_test *x = *(struct unit_test *const *)a;
	const struct unit_test *y = *(struct unit_test *const *)b;
	int order = strcmp(x->file, y->file);

	return order ? order : strcmp(x->name, y->name);
}

static bool wanted(const struct unit_test *t, int argc, char **argv)
{
	char label[512];

	if (argc < 2)
		return true;
	snprintf(label, sizeof(label), "%s:%s", t->file, t->name);
	for (int i = 1; i < argc; i++) {
		if (strstr(label, argv[i]) != NULL)
			return true;
	}
	return false;
}

/* Only what a signal handler may call: the name tells which test crashed. */
static void on_crash(int sig)
{
	static const char note[] = "crashed in test ";

	if (running != NULL) {
		(void)!write(2, note, sizeof(note) - 1);
		(void)!write(2, running->file, strlen(running->file));
		(void)!write(2, ":", 1);
		(void)!write(2, running->name, strlen(running->name));
		(void)!write(2, "\n", 1);
	}
	signal(sig, SIG_DFL);
	raise(sig);
}

static bool run_one(struct unit_test *t)
{
	running = t;
	running_failed = false;
	if (getenv("UNIT_VERBOSE") != NULL)
		printf("%s:%s\n", t->file, t->name);
	t->run();
	guards_free();
	running = NULL;
	return !running_failed;
}

int main(int argc, char **argv)
{
	size_t count = 0;
	unsigned passed = 0;
	unsigned failed = 0;

	setvbuf(stdout, NULL, _IOLBF, 0);
	signal(SIGABRT, on_crash);
#ifndef __SANITIZE_ADDRESS__
	signal(SIGSEGV, on_crash);
	signal(SIGBUS, on_crash);
#endif
	for (struct unit_test *t = tests; t != NULL; t = t->next)
		count++;
	struct unit_test **sorted = calloc(count + 1, sizeof(struct unit_test *));
	if (sorted == NULL)
		die("unit");
	count = 0;
	for (struct unit_test *t = tests; t != NULL; t = t->next)
		sorted[count++] = t;
	qsort(sorted, count, sizeof(struct unit_test *), by_file_and_name);
	for (size_t i = 0; i < count; i++) {
		if (!wanted(sorted[i], argc, argv))
			continue;
		if (run_one(sorted[i]))
			passed++;
		else
			failed++;
	}
	free(sorted);
	free(guards);
	printf("%u passed, %u failed\n", passed, failed);
	return failed > 0;
}
