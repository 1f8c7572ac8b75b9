/* cli_fake.h - runs a command against answers that a test wrote down. Pure. */
#ifndef SB_UNIT_CLI_FAKE_H
#define SB_UNIT_CLI_FAKE_H
#include "applets/cli.h"

struct fake_answer {
	const char *request;	/* "GET /services" or with what follows: the beginning suffices */
	int status;		/* a negative code: no answer at all */
	const char *body;
	int once;		/* used up by one request; the next row that fits is taken then */
	size_t size;		/* of a body with NULs in it; else 0 */
};

struct cli_fake {
	struct cli cli;
	struct arena arena;
	const struct fake_answer *answers;	/* ended by request = NULL */
	unsigned char used[64];
	struct buf out, err;
	struct buf log;		/* "GET /services\n", then the body's line if there is one */
	uint64_t now_ms;
	unsigned waits, interrupt_at;	/* Ctrl-C comes with that wait; 0: never */
	const char *file;		/* what read_file finds; NULL: nothing */
	const char *secret;		/* the line read_secret finds; NULL: Ctrl-C */
	int status;
};

void cli_fake_init(struct cli_fake *f, const struct fake_answer *answers);
void cli_fake_done(struct cli_fake *f);
/* words: the command's name and what follows, parted by single blanks. */
void cli_fake_run(struct cli_fake *f, const struct command *commands, const char *words);
#endif
