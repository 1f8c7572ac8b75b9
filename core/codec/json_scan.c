/* The strict grammar of RFC 8259. Contracts are in json_private.h. */
#include "json_private.h"

struct scan {
	const char *start, *at, *end;
	struct buf *out;
	struct errmsg *msg;
	uint64_t objects;	/* bit per level: an object */
	unsigned depth;
	size_t nodes;
};

_Static_assert(JSON_DEPTH_MAX <= 64, "one bit of `objects` per level");

static int invalid(const struct scan *s, const char *what)
{
	return errmsg_set(s->msg, ERR_INVALID, "invalid JSON at byte %zu: %s",
			  (size_t)(s->at - s->start), what);
}

/* The next byte, or -1 at the end. */
static int peek(const struct scan *s)
{
	return s->at < s->end ? (unsigned char)*s->at : -1;
}

static int take(struct scan *s, int c)
{
	if (peek(s) != c)
		return 0;
	s->at++;
	return 1;
}

static void skip_blanks(struct scan *s)
{
	for (;;) {
		int c = peek(s);

		if (c != ' ' && c != '\t' && c != '\n' && c != '\r')
			return;
		s->at++;
	}
}

static int is_digit(int c)
{
	return c >= '0' && c <= '9';
}

static int skip_digits(struct scan *s)
{
	if (!is_digit(peek(s)))
		return invalid(s, "a digit is missing");
	while (is_digit(peek(s)))
		s->at++;
	return 0;
}

static int scan_number(struct scan *s)
{
	const char *start = s->at;

	take(s, '-');
	if (take(s, '0')) {
		if (is_digit(peek(s)))
			return invalid(s, "a number with a leading zero");
	} else if (skip_digits(s) < 0) {
		return ERR_INVALID;
	}
	if (take(s, '.') && skip_digits(s) < 0)
		return ERR_INVALID;
	if (take(s, 'e') || take(s, 'E')) {
		if (!take(s, '+'))
			take(s, '-');
		if (skip_digits(s) < 0)
			return ERR_INVALID;
	}
	buf_add_char(s->out, '"');
	buf_add_char(s->out, JSON_MARK_NUMBER);
	buf_add(s->out, start, (size_t)(s->at - start));
	buf_add_char(s->out, '"');
	return 0;
}

/* Four hexadecimal digits -> 0 .. 0xffff, or -1. */
static int take_hex4(struct scan *s)
{
	int value = 0;

	for (int i = 0; i < 4; i++) {
		int c = peek(s), lower = c | 0x20;

		if (is_digit(c))
			value = value * 16 + c - '0';
		else if (c >= 0 && lower >= 'a' && lower <= 'f')
			value = value * 16 + lower - 'a' + 10;
		else
			return -1;
		s->at++;
	}
	return value;
}

/* What follows "\u". Surrogates come in pairs only: half of one is no character. */
static int scan_unicode(struct scan *s)
{
	int value = take_hex4(s);

	if (value < 0)
		return invalid(s, "four hexadecimal digits must follow \\u");
	if (value == 0)
		return invalid(s, "a NUL in a string");
	if (value >= 0xdc00 && value <= 0xdfff)
		return invalid(s, "half of a surrogate pair");
	if (value < 0xd800 || value > 0xdbff)
		return 0;
	if (take(s, '\\') && take(s, 'u')) {
		value = take_hex4(s);
		if (value >= 0xdc00 && value <= 0xdfff)
			return 0;
	}
	return invalid(s, "half of a surrogate pair");
}

static int scan_escape(struct scan *s)
{
	int c = peek(s);

	switch (c) {
	case '"': case '\\': case '/': case 'b': case 'f': case 'n': case 'r': case 't':
		s->at++;
		return 0;
	case 'u':
		s->at++;
		return scan_unicode(s);
	default:
		return invalid(s, "an unknown escape in a string");
	}
}

static int is_continuation(char c)
{
	return ((unsigned char)c & 0xc0) == 0x80;
}

size_t json_utf8_length(struct slice s)
{
	unsigned char c = (unsigned char)s.data[0];
	unsigned char second = s.len > 1 ? (unsigned char)s.data[1] : 0;
	size_t n = c < 0x80 ? 1 : c < 0xc2 ? 0 : c < 0xe0 ? 2 : c < 0xf0 ? 3 : c < 0xf5 ? 4 : 0;

	if (n > s.len)
		return 0;
	for (size_t i = 1; i < n; i++) {
		if (!is_continuation(s.data[i]))
			return 0;
	}
	/* Longer forms than needed, surrogates, and what lies beyond U+10FFFF. */
	if ((c == 0xe0 && second < 0xa0) || (c == 0xed && second > 0x9f) ||
	    (c == 0xf0 && second < 0x90) || (c == 0xf4 && second > 0x8f))
		return 0;
	return n;
}

/* Writes the string as it stands, with mark (unless 0) before its first byte. */
static int scan_string(struct scan *s, char mark)
{
	const char *start = s->at + 1;

	if (!take(s, '"'))
		return invalid(s, "a string is missing");
	while (!take(s, '"')) {
		int c = peek(s);
		size_t n;

		if (c < 0)
			return invalid(s, "the text ends inside a string");
		if (c < 0x20)
			return invalid(s, "a control character in a string");
		if (c == '\\') {
			s->at++;
			if (scan_escape(s) < 0)
				return ERR_INVALID;
			continue;
		}
		n = json_utf8_length((struct slice){ s->at, (size_t)(s->end - s->at) });
		if (n == 0)
			return invalid(s, "invalid UTF-8");
		s->at += n;
	}
	buf_add_char(s->out, '"');
	if (mark)
		buf_add_char(s->out, mark);
	buf_add(s->out, start, (size_t)(s->at - start));
	return 0;
}

static int scan_word(struct scan *s)
{
	static const char *const words[] = { "true", "false", "null" };
	struct slice rest = { s->at, (size_t)(s->end - s->at) };

	for (size_t i = 0; i < sizeof(words) / sizeof(words[0]); i++) {
		if (slice_has_prefix(rest, words[i])) {
			s->at += slice_of(words[i]).len;
			buf_add_str(s->out, words[i]);
			return 0;
		}
	}
	return invalid(s, s->at == s->end ? "the text ends where a value should be"
					  : "a value is missing");
}

static int in_object(const struct scan *s)
{
	return s->depth && (s->objects >> (s->depth - 1) & 1);
}

/* The blanks, the key and the colon before a member's value. */
static int scan_key(struct scan *s)
{
	skip_blanks(s);
	if (scan_string(s, 0) < 0)
		return ERR_INVALID;
	skip_blanks(s);
	if (!take(s, ':'))
		return invalid(s, "a ':' is missing after a key");
	buf_add_char(s->out, ':');
	return 0;
}

/* After '[' or '{'. Sets *open unless the closing bracket follows: scan_after takes that. */
static int scan_open(struct scan *s, char bracket, int *open)
{
	uint64_t bit;

	if (s->depth == JSON_DEPTH_MAX)
		return errmsg_set(s->msg, ERR_LIMIT, "JSON nested deeper than %d levels",
				  JSON_DEPTH_MAX);
	bit = UINT64_C(1) << s->depth++;
	s->objects = bracket == '{' ? s->objects | bit : s->objects & ~bit;
	buf_add_char(s->out, bracket);
	skip_blanks(s);
	*open = peek(s) != (bracket == '{' ? '}' : ']');
	return *open && bracket == '{' ? scan_key(s) : 0;
}

/* One scalar, or an opening bracket: then *open is set if a value must follow at once. */
static int scan_value(struct scan *s, int *open)
{
	int c;

	*open = 0;
	if (++s->nodes > JSON_NODES_MAX)
		return errmsg_set(s->msg, ERR_LIMIT, "JSON with more than %d values",
				  JSON_NODES_MAX);
	skip_blanks(s);
	c = peek(s);
	if (take(s, '{') || take(s, '['))
		return scan_open(s, (char)c, open);
	if (c == '"')
		return scan_string(s, JSON_MARK_STRING);
	if (c == '-' || is_digit(c))
		return scan_number(s);
	return scan_word(s);
}

/* What follows a value: closing brackets, then a comma (1) or the end of the text (0). */
static int scan_after(struct scan *s)
{
	for (;;) {
		char close = in_object(s) ? '}' : ']';

		skip_blanks(s);
		if (s->depth == 0)
			return s->at == s->end ? 0 : invalid(s, "text after the value");
		if (take(s, ',')) {
			buf_add_char(s->out, ',');
			return in_object(s) && scan_key(s) < 0 ? ERR_INVALID : 1;
		}
		if (!take(s, close))
			return invalid(s, s->at == s->end ? "the text ends too early"
					  : in_object(s) ? "',' or '}' is missing"
							 : "',' or ']' is missing");
		buf_add_char(s->out, close);
		s->depth--;
	}
}

int json_scan(struct slice text, struct buf *out, struct errmsg *msg)
{
	/* The empty slice has no address to count from. */
	const char *start = text.data ? text.data : "";
	struct scan s = { .start = start, .at = start, .end = start + text.len,
			  .out = out, .msg = msg };
	int more, open;

	if (text.len > JSON_TEXT_MAX)
		return errmsg_set(msg, ERR_LIMIT, "JSON longer than %d bytes", JSON_TEXT_MAX);
	do {
		do {
			int err = scan_value(&s, &open);

			if (err < 0)
				return err;
		} while (open);
		more = scan_after(&s);
	} while (more > 0);
	return more < 0 ? more : out->failed;
}
