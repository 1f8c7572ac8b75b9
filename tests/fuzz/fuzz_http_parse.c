/* Heads of requests and responses: what is found lies within the input, and the result does
 * not depend on how the bytes came. */
#include <stdint.h>
#include <stdlib.h>
#include "base/err.h"
#include "http/parse.h"
#include "http/url.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

typedef int parser(struct slice in, size_t seen, struct http_head *head);

static void must(int ok)
{
	if (!ok)
		abort();
}

static void check_within(struct slice s, struct slice in)
{
	must(s.len == 0 || (s.data >= in.data && s.data + s.len <= in.data + in.len));
}

static void check_head(const struct http_head *head, struct slice in)
{
	must(!(head->chunked && head->has_length));
	must(head->header_count <= HTTP_HEADERS_MAX);
	check_within(head->method, in);
	check_within(head->target, in);
	check_within(head->reason, in);
	check_within(head->upgrade, in);
	for (unsigned i = 0; i < head->header_count; i++) {
		must(http_is_token(head->headers[i].name));
		check_within(head->headers[i].name, in);
		check_within(head->headers[i].value, in);
	}
}

static void check_target(struct slice target)
{
	struct slice name, value, parts[4];
	struct http_url url;
	struct arena a;

	arena_init(&a);
	if (http_url_split(target, &url) == 0) {
		(void)http_path_version(&url.path);
		(void)http_path_match(url.path, "/{}/{}/a/...", parts);
		(void)http_url_decode(&a, url.path, &value);
		while (http_query_next(&url.query, &a, &name, &value) == 1)
			;
	}
	arena_done(&a);
}

static void check(parser *parse, struct slice in)
{
	struct http_head head;
	int whole = parse(in, 0, &head);
	int got = ERR_MORE;
	size_t n = 0;

	must(whole != 0 && whole <= HTTP_HEAD_MAX && whole <= (int)in.len);
	if (whole > 0)
		check_head(&head, (struct slice){ in.data, (size_t)whole });
	if (whole > 0 && head.target.len)
		check_target(head.target);
	while (got == ERR_MORE && n < in.len) {
		size_t seen = n;

		n += 1 + in.len / 64;
		n = n < in.len ? n : in.len;
		got = parse((struct slice){ in.data, n }, seen, &head);
	}
	must(got == whole);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct slice in = { (const char *)data, size };
	struct http_address address;

	check(http_parse_request, in);
	check(http_parse_response, in);
	(void)http_address_parse(in, &address, NULL);
	return 0;
}
