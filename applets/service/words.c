#include <string.h>

#include "applets/service/words.h"

struct reader {
	struct arena *arena;
	const char *at;
	char *word;		/* as long as the text: what is written there */
	size_t len;
	struct strings *out;
	struct errmsg *msg;
};

static void begin(struct reader *r, struct arena *a, const char *text, struct strings *out,
		  struct errmsg *msg)
{
	size_t n = strlen(text);

	*r = (struct reader){ .arena = a, .at = text, .out = out, .msg = msg };
	r->word = arena_new(a, n + 1);
	out->count = 0;
	/* Every word but the last has a divider behind it. */
	out->items = arena_array(a, n + 1 < WORDS_MAX ? n + 1 : WORDS_MAX, sizeof(*out->items));
}

static int end_word(struct reader *r)
{
	if (r->out->count == WORDS_MAX)
		return errmsg_set(r->msg, ERR_LIMIT, "more than %d parts", WORDS_MAX);
	r->out->items[r->out->count++] = arena_str(r->arena, (struct slice){ r->word, r->len });
	r->len = 0;
	return 0;
}

/* A quoted field; at stands behind its first quote, then behind its last. */
static int csv_quoted(struct reader *r)
{
	for (; *r->at; r->at++) {
		if (*r->at == '"' && r->at[1] != '"') {
			r->at++;
			return 0;
		}
		if (*r->at == '"')
			r->at++;
		r->word[r->len++] = *r->at;
	}
	return errmsg_set(r->msg, ERR_INVALID, "a quote does not end");
}

int words_csv(struct arena *a, const char *text, struct strings *out, struct errmsg *msg)
{
	struct reader r;
	int err = 0;

	begin(&r, a, text, out, msg);
	for (;;) {
		if (*r.at == '"') {
			r.at++;
			err = csv_quoted(&r);
			if (err == 0 && *r.at && *r.at != ',')
				err = errmsg_set(msg, ERR_INVALID, "text behind a quoted part");
		}
		for (; err == 0 && *r.at && *r.at != ','; r.at++)
			r.word[r.len++] = *r.at;
		if (err == 0)
			err = end_word(&r);
		if (err < 0 || !*r.at)
			return err;
		r.at++;
	}
}

/* What stands in quotes of that kind; in double ones a backslash takes " and \ as they are. */
static int shell_quoted(struct reader *r, char quote)
{
	for (r->at++; *r->at && *r->at != quote; r->at++) {
		if (quote == '"' && *r->at == '\\' && (r->at[1] == '"' || r->at[1] == '\\'))
			r->at++;
		r->word[r->len++] = *r->at;
	}
	if (!*r->at)
		return errmsg_set(r->msg, ERR_INVALID, "a quote does not end");
	r->at++;
	return 0;
}

static int shell_word(struct reader *r)
{
	int err = 0;

	while (err == 0 && *r->at && !strchr(" \t\n", *r->at)) {
		if (*r->at == '\'' || *r->at == '"') {
			err = shell_quoted(r, *r->at);
			continue;
		}
		if (*r->at == '\\' && r->at[1])
			r->at++;
		r->word[r->len++] = *r->at++;
	}
	return err == 0 ? end_word(r) : err;
}

int words_shell(struct arena *a, const char *text, struct strings *out, struct errmsg *msg)
{
	struct reader r;

	begin(&r, a, text, out, msg);
	for (;;) {
		int err;

		r.at += strspn(r.at, " \t\n");
		if (!*r.at)
			return 0;
		err = shell_word(&r);
		if (err < 0)
			return err;
	}
}

const char *words_key(struct arena *a, const char *text, const char **value)
{
	size_t n = strcspn(text, "=");

	*value = text[n] ? text + n + 1 : text + n;
	return arena_str(a, (struct slice){ text, n });
}
