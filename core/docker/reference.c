/* Image references as Docker reads them (distribution/reference, grammar in its reference.go):
 *
 *	reference := name [":" tag] ["@" digest]
 *	name      := [domain "/"] component *("/" component)
 *
 * Contract in reference.h.
 */
#include "docker/reference.h"
#include <string.h>

enum {
	NAME_BYTES_MAX = 255,
	TAG_BYTES_MAX = 128,
	HEX_DIGITS_MIN = 32,
	IMAGE_ID_DIGITS = 64,
};

static int is_digit(char c)
{
	return c >= '0' && c <= '9';
}

static int is_lower(char c)
{
	return c >= 'a' && c <= 'z';
}

static int is_upper(char c)
{
	return c >= 'A' && c <= 'Z';
}

static int is_letter(char c)
{
	return is_lower(c) || is_upper(c);
}

static int is_hex(char c)
{
	return is_digit(c) || (c >= 'a' && c <= 'f');
}

/* The separator at the front: one of . _ __ or a run of -; 0 bytes if there is none. */
static size_t separator_length(struct slice s)
{
	size_t n = 0;

	while (n < s.len && s.data[n] == '-')
		n++;
	if (n == 0 && s.len && (s.data[0] == '.' || s.data[0] == '_'))
		n = s.len > 1 && s.data[0] == '_' && s.data[1] == '_' ? 2 : 1;
	return n;
}

static int component_is_valid(struct slice s)
{
	for (;;) {
		size_t n = 0;

		while (n < s.len && (is_lower(s.data[n]) || is_digit(s.data[n])))
			n++;
		if (n == 0)
			return 0;
		if (n == s.len)
			return 1;
		s = (struct slice){ s.data + n, s.len - n };
		n = separator_length(s);
		if (n == 0)
			return 0;
		s = (struct slice){ s.data + n, s.len - n };
	}
}

static int host_label_is_valid(struct slice s)
{
	if (s.len == 0 || s.data[0] == '-' || s.data[s.len - 1] == '-')
		return 0;
	for (size_t i = 0; i < s.len; i++) {
		if (!is_letter(s.data[i]) && !is_digit(s.data[i]) && s.data[i] != '-')
			return 0;
	}
	return 1;
}

static int bracketed_is_valid(struct slice s)
{
	for (size_t i = 0; i < s.len; i++) {
		if (!is_hex(s.data[i]) && !(s.data[i] >= 'A' && s.data[i] <= 'F') &&
		    s.data[i] != ':')
			return 0;
	}
	return s.len > 0;
}

static int domain_is_valid(struct slice s)
{
	struct slice host;
	uint64_t port;

	if (s.len && s.data[0] == '[') {
		struct slice rest = { s.data + 1, s.len - 1 };

		if (!bracketed_is_valid(slice_cut(&rest, ']')) || !rest.data)
			return 0;
		return rest.len == 0 || (rest.data[0] == ':' && slice_to_u64(
			(struct slice){ rest.data + 1, rest.len - 1 }, 65535, &port) == 0);
	}
	host = slice_cut(&s, ':');
	if (s.data && slice_to_u64(s, 65535, &port) < 0)
		return 0;
	do {
		if (!host_label_is_valid(slice_cut(&host, '.')))
			return 0;
	} while (host.data);
	return 1;
}

/* The first component is a domain if it cannot be a part of a name on the default registry. */
static int is_domain(struct slice first)
{
	for (size_t i = 0; i < first.len; i++) {
		if (first.data[i] == '.' || first.data[i] == ':' || is_upper(first.data[i]))
			return 1;
	}
	return slice_is(first, "localhost");
}

static int is_image_id(struct slice s)
{
	if (s.len != IMAGE_ID_DIGITS)
		return 0;
	for (size_t i = 0; i < s.len; i++) {
		if (!is_hex(s.data[i]))
			return 0;
	}
	return 1;
}

static int path_is_valid(struct slice name)
{
	do {
		if (!component_is_valid(slice_cut(&name, '/')))
			return 0;
	} while (name.data);
	return 1;
}

static int name_part_is_valid(struct slice name)
{
	struct slice rest = name, first = slice_cut(&rest, '/');

	if (name.len > NAME_BYTES_MAX || is_image_id(name))
		return 0;
	if (rest.data && is_domain(first))
		return domain_is_valid(first) && path_is_valid(rest);
	return path_is_valid(name);
}

static int tag_is_valid(struct slice s)
{
	if (s.len == 0 || s.len > TAG_BYTES_MAX || s.data[0] == '.' || s.data[0] == '-')
		return 0;
	for (size_t i = 0; i < s.len; i++) {
		if (!is_letter(s.data[i]) && !is_digit(s.data[i]) && s.data[i] != '_' &&
		    s.data[i] != '.' && s.data[i] != '-')
			return 0;
	}
	return 1;
}

static int digest_is_valid(struct slice s)
{
	struct slice algorithm = slice_cut(&s, ':');
	int want_letter = 1;

	for (size_t i = 0; i < algorithm.len; i++) {
		char c = algorithm.data[i];
		int mark = c == '+' || c == '.' || c == '-' || c == '_';

		if (want_letter ? !is_letter(c) : !mark && !is_letter(c) && !is_digit(c))
			return 0;
		want_letter = mark;
	}
	if (want_letter || s.len < HEX_DIGITS_MIN)
		return 0;
	for (size_t i = 0; i < s.len; i++) {
		if (!is_hex(s.data[i]) && !(s.data[i] >= 'A' && s.data[i] <= 'F'))
			return 0;
	}
	return 1;
}

int reference_is_valid(struct slice text)
{
	struct slice digest = text, name = slice_cut(&digest, '@');
	size_t colon = name.len;

	if (digest.data && !digest_is_valid(digest))
		return 0;
	/* A colon after the last slash begins the tag; one before it is a port. */
	while (colon > 0 && name.data[colon - 1] != ':' && name.data[colon - 1] != '/')
		colon--;
	if (colon > 0 && name.data[colon - 1] == ':') {
		if (!tag_is_valid((struct slice){ name.data + colon, name.len - colon }))
			return 0;
		name.len = colon - 1;
	}
	return name_part_is_valid(name);
}

const char *reference_tagged(struct arena *a, const char *text)
{
	const char *slash = strrchr(text, '/');

	if (strchr(text, '@') || strchr(slash ? slash : text, ':') || !*text)
		return text;
	return arena_printf(a, "%s:latest", text);
}
