/* See words.h. */
#include <string.h>

#include "applets/words.h"

struct splitter {
	struct arena *arena;
	struct slice text;
	size_t at;
	char *word;	/* room for all of the text that is left */
	struct errmsg *msg;
};

static int is_blank(char c)
{
	return c == ' ' || c == '\t' || c == '\n' || c == '\r';
}

static void skip_blanks(struct splitter *s)
{
	while (s->at < s->text.len) {
		char c = s->text.data[s->at];

		if (c == '#')
			while (s->at < s->text.len && s->text.data[s->at] != '\n')
				s->at++;
		else if (is_blank(c))
			s->at++;
		else
			return;
	}
}

/* One word, quotes taken off, to s->word; its length, or an error. */
static int take_word(struct splitter *s, size_t *len)
{
	char quote = 0;

	for (*len = 0; s->at < s->text.len; s->at++) {
		char c = s->text.data[s->at];

		if (quote ? c == quote : c == '"' || c == '\'') {
			quote = quote ? 0 : c;
		} else if (c == '\\' && quote != '\'') {
			if (++s->at == s->text.len)
				return errmsg_set(s->msg, ERR_INVALID,
					"nothing follows the last \\");
			s->word[(*len)++] = s->text.data[s->at];
		} else if (!quote && is_blank(c)) {
			break;
		} else {
			s->word[(*len)++] = c;
		}
	}
	return quote ? errmsg_set(s->msg, ERR_INVALID, "a %c is not closed", quote) : 0;
}

/* Words that are there to be counted or kept: the same walk twice. */
static int walk(struct splitter *s, struct strings *out, int keep)
{
	size_t len;
	int err;

	out->count = 0;
	s->at = 0;
	for (skip_blanks(s); s->at < s->text.len; skip_blanks(s)) {
		err = take_word(s, &len);
		if (err < 0)
			return err;
		if (out->count == MODEL_LIST_MAX)
			return errmsg_set(s->msg, ERR_LIMIT, "more than %d words", MODEL_LIST_MAX);
		if (keep)
			out->items[out->count] = arena_str(s->arena,
				(struct slice){ s->word, len });
		out->count++;
	}
	return 0;
}

int words_split(struct arena *a, struct slice text, struct strings *out, struct errmsg *msg)
{
	struct splitter s = { .arena = a, .text = text, .msg = msg };
	int err;

	*out = (struct strings){ NULL, 0 };
	s.word = arena_new(a, text.len + 1);
	err = walk(&s, out, 0);
	if (err < 0 || out->count == 0)
		return err;
	out->items = arena_array(a, out->count, sizeof(*out->items));
	return walk(&s, out, 1);
}

/* The length of the field that text begins with, without what divides it from the next; in
 * quotes or not. ERR_INVALID with msg. */
static int field_length(const char *text, size_t *len, struct errmsg *msg)
{
	size_t i = 1;

	if (*text != '"') {
		*len = strcspn(text, ",");
		return 0;
	}
	for (; text[i]; i++) {
		if (text[i] == '"' && text[i + 1] != '"')
			break;
		if (text[i] == '"')
			i++;
	}
	if (!text[i])
		return errmsg_set(msg, ERR_INVALID, "a \" is not closed");
	if (text[i + 1] && text[i + 1] != ',')
		return errmsg_set(msg, ERR_INVALID, "text follows a closing \"");
	*len = i + 1;
	return 0;
}

/* A field without its quotes. */
static const char *field_text(struct arena *a, struct slice field)
{
	char *text = arena_str(a, field);
	size_t len = 0;

	if (field.len == 0 || *text != '"')
		return text;
	for (size_t i = 1; i + 1 < field.len; i++) {
		if (text[i] == '"')
			i++;
		text[len++] = text[i];
	}
	text[len] = '\0';
	return text;
}

int words_csv(struct arena *a, const char *text, struct strings *out, struct errmsg *msg)
{
	size_t fields = 1, len = 0;

	/* At most: some of these commas may stand in quotes. */
	for (const char *c = text; *c; c++)
		fields += *c == ',';
	if (fields > MODEL_LIST_MAX)
		return errmsg_set(msg, ERR_LIMIT, "more than %d fields", MODEL_LIST_MAX);
	*out = (struct strings){ arena_array(a, fields, sizeof(*out->items)), 0 };
	for (;; text += len + 1) {
		int err = field_length(text, &len, msg);

		if (err < 0)
			return err;
		out->items[out->count++] = field_text(a, (struct slice){ text, len });
		if (!text[len])
			return 0;
	}
}

const char *words_key(struct arena *a, const char *text, const char **value)
{
	size_t n = strcspn(text, "=");

	*value = text[n] ? text + n + 1 : text + n;
	return arena_str(a, (struct slice){ text, n });
}
