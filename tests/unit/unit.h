/*
 * unit.h - the whole test harness. I/O (prints, maps guard pages).
 *
 * A test file holds TEST(name) { ... } blocks and nothing registers them by
 * hand. All test files, all of core and the applets are linked into one binary:
 *
 *	build/unit		runs every test, in order of file and name
 *	build/unit http chunk	runs those whose "file:name" holds one of the words
 *
 * The last line is "N passed, N failed"; the exit status is 1 if any failed.
 *
 * A failed check prints file:line, marks the test failed and returns from the
 * function it stands in, so checks belong into TEST bodies and into helpers that
 * return void. After a helper that may fail, go on only if !unit_failed().
 */
#ifndef SB_UNIT_UNIT_H
#define SB_UNIT_UNIT_H
#include <stdbool.h>
#include <stddef.h>

struct unit_test {
	const char *file;
	const char *name;
	void (*run)(void);
	struct unit_test *next;
};

/* Called by the constructors that TEST writes; t must live as long as the program. */
void unit_register(struct unit_test *t);

/* True once a check of the running test has failed. */
bool unit_failed(void);

/*
 * A copy of n bytes whose end lies flush against a page that may not be touched:
 * reading or writing byte n is a fault. A second one stands below the pages of
 * the copy. data may be NULL if n is 0; the result is never NULL and has at
 * least n readable bytes. Writable. Freed by the harness when the test ends.
 */
void *unit_guard(const void *data, size_t n);

/* The work behind the macros: each prints on failure and returns whether it held. */
bool unit_check(bool ok, const char *expr, const char *file, int line);
bool unit_check_int(long long actual, long long expected, const char *expr, const char *file,
		    int line);
bool unit_check_str(const char *actual, const char *expected, const char *expr, const char *file,
		    int line);
bool unit_check_mem(const void *actual, size_t n, const char *expected, const char *expr,
		    const char *file, int line);

#define TEST(test_name)                                                                    \
	static void t_##test_name(void);                                                   \
	static struct unit_test unit_##test_name = { __FILE__, #test_name, t_##test_name,  \
						     NULL };                               \
	__attribute__((constructor)) static void unit_add_##test_name(void)                \
	{                                                                                  \
		unit_register(&unit_##test_name);                                          \
	}                                                                                  \
	static void t_##test_name(void)

/* The expression is true. */
#define CHECK(expr)                                                                        \
	do {                                                                               \
		if (!unit_check((expr) ? true : false, #expr, __FILE__, __LINE__))         \
			return;                                                            \
	} while (0)

/* Two integers are equal. Unsigned values above LLONG_MAX compare by their bits. */
#define CHECK_INT(actual, expected)                                                        \
	do {                                                                               \
		if (!unit_check_int((long long)(actual), (long long)(expected), #actual,   \
				    __FILE__, __LINE__))                                   \
			return;                                                            \
	} while (0)

/* Two C strings are equal; NULL equals only NULL. */
#define CHECK_STR(actual, expected)                                                        \
	do {                                                                               \
		if (!unit_check_str((actual), (expected), #actual, __FILE__, __LINE__))    \
			return;                                                            \
	} while (0)

/* n bytes at ptr are exactly the C string expected (its NUL not counted). */
#define CHECK_MEM(ptr, n, expected)                                                        \
	do {                                                                               \
		if (!unit_check_mem((ptr), (n), (expected), #ptr, __FILE__, __LINE__))     \
			return;                                                            \
	} while (0)

#endif
