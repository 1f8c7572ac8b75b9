#include "http/url.h"
#include <stdio.h>
#include "unit.h"

static void check_split(const char *target, const char *path, const char *query)
{
	struct http_url url;
	struct slice t = slice_of(target);

	t.data = unit_guard(t.data, t.len);
	CHECK_INT(http_url_split(t, &url), 0);
	CHECK_MEM(url.path.data, url.path.len, path);
	CHECK_MEM(url.query.data, url.query.len, query);
}

TEST(targets_split)
{
	struct http_url url;

	check_split("/", "/", "");
	check_split("/a/b", "/a/b", "");
	check_split("/a?b=c?d", "/a", "b=c?d");
	check_split("/a?", "/a", "");
	check_split("*", "*", "");
	check_split("http://host/a?b", "/a", "b");
	check_split("http://host", "/", "");
	check_split("https://host?b=/c", "/", "b=/c");
	CHECK_INT(http_url_split(SLICE(""), &url), ERR_INVALID);
	CHECK_INT(http_url_split(SLICE("a"), &url), ERR_INVALID);
	CHECK_INT(http_url_split(SLICE("ftp://a/b"), &url), ERR_INVALID);
	CHECK_INT(http_url_split(SLICE("host:80"), &url), ERR_INVALID);
}

static int decode(const char *text, int is_query, struct arena *a, struct slice *out)
{
	struct slice t = slice_of(text);

	t.data = unit_guard(t.data, t.len);
	return is_query ? http_query_decode(a, t, out) : http_url_decode(a, t, out);
}

TEST(percent_decoding)
{
	static const char *const bad[] = { "%", "a%", "%4", "%4g", "%g4", "%%", "%00" };
	struct slice out;
	struct arena a;

	arena_init(&a);
	CHECK_INT(decode("a%2Fb+c%e2%82%AC", 0, &a, &out), 0);
	CHECK_MEM(out.data, out.len, "a/b+c\xe2\x82\xac");
	CHECK_STR(out.data, "a/b+c\xe2\x82\xac");
	CHECK_INT(decode("a+b%2B", 1, &a, &out), 0);
	CHECK_STR(out.data, "a b+");
	CHECK_INT(decode("", 0, &a, &out), 0);
	CHECK_STR(out.data, "");
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		CHECK_INT(decode(bad[i], 0, &a, &out), ERR_INVALID);
	arena_done(&a);
}

TEST(percent_encoding_and_back)
{
	char all[255];
	struct slice out;
	struct arena a;
	struct buf b;

	for (int i = 0; i < 255; i++)
		all[i] = (char)(i + 1);
	arena_init(&a);
	buf_init(&b, 1024);
	http_url_encode(&b, (struct slice){ all, sizeof(all) });
	CHECK_INT(http_url_decode(&a, buf_slice(&b), &out), 0);
	CHECK(slice_equal(out, (struct slice){ all, sizeof(all) }));
	CHECK_INT(http_query_decode(&a, buf_slice(&b), &out), 0);
	CHECK(slice_equal(out, (struct slice){ all, sizeof(all) }));
	buf_reset(&b);
	http_url_encode(&b, SLICE("{\"a b\":1}-._~/"));
	CHECK_STR(buf_str(&b), "%7B%22a%20b%22%3A1%7D-._~%2F");
	buf_done(&b);
	arena_done(&a);
}

TEST(query_parameters)
{
	struct slice query = SLICE("&a=1&&b=x%26y&c&=d&a=2");
	static const char *const want[][2] = {
		{ "a", "1" }, { "b", "x&y" }, { "c", "" }, { "", "d" }, { "a", "2" },
	};
	struct slice rest = query;
	struct slice name, value;
	struct arena a;

	arena_init(&a);
	for (size_t i = 0; i < 5; i++) {
		CHECK_INT(http_query_next(&rest, &a, &name, &value), 1);
		CHECK_STR(name.data, want[i][0]);
		CHECK_STR(value.data, want[i][1]);
	}
	CHECK_INT(http_query_next(&rest, &a, &name, &value), 0);
	CHECK_INT(http_query_find(query, "a", &a, &value), 0);
	CHECK_STR(value.data, "1");
	CHECK_INT(http_query_find(query, "z", &a, &value), ERR_NOT_FOUND);
	CHECK_INT(http_query_find(SLICE("a=%&b=1"), "b", &a, &value), ERR_INVALID);
	arena_done(&a);
}

TEST(query_truth)
{
	CHECK(http_query_bool(SLICE("all=1"), "all"));
	CHECK(http_query_bool(SLICE("all=true"), "all"));
	CHECK(http_query_bool(SLICE("all=yes"), "all"));
	CHECK(!http_query_bool(SLICE("all=0"), "all"));
	CHECK(!http_query_bool(SLICE("all=False"), "all"));
	CHECK(!http_query_bool(SLICE("all="), "all"));
	CHECK(!http_query_bool(SLICE("all"), "all"));
	CHECK(!http_query_bool(SLICE("all=none"), "all"));
	CHECK(!http_query_bool(SLICE("x=1"), "all"));
	CHECK(!http_query_bool(SLICE("all=%"), "all"));
}

static void check_version(const char *text, int version, const char *rest)
{
	struct slice path = slice_of(text);

	path.data = unit_guard(path.data, path.len);
	CHECK_INT(http_path_version(&path), version);
	CHECK_MEM(path.data, path.len, rest);
}

TEST(path_versions)
{
	check_version("/v1.41/nodes", 141, "/nodes");
	check_version("/v1.9/nodes/x", 109, "/nodes/x");
	check_version("/v1.41/", 141, "/");
	check_version("/nodes", 0, "/nodes");
	check_version("/v1.41", 0, "/v1.41");
	check_version("/volumes/x", 0, "/volumes/x");
	check_version("/v1/x", 0, "/v1/x");
	check_version("/v1./x", 0, "/v1./x");
	check_version("/v.1/x", 0, "/v.1/x");
	check_version("/v1.4.1/x", 0, "/v1.4.1/x");
	check_version("/v1.100/x", 0, "/v1.100/x");
	check_version("/v", 0, "/v");
	check_version("/v/", 0, "/v/");
	check_version("", 0, "");
}

static int path_match(const char *text, const char *pattern, struct slice *parts)
{
	struct slice path = slice_of(text);

	path.data = unit_guard(path.data, path.len);
	return http_path_match(path, pattern, parts);
}

TEST(path_patterns)
{
	struct slice parts[2];

	CHECK(path_match("/", "/", NULL));
	CHECK(path_match("/nodes", "/nodes", NULL));
	CHECK(!path_match("/nodes/", "/nodes", NULL));
	CHECK(!path_match("/node", "/nodes", NULL));
	CHECK(!path_match("/nodesx", "/nodes", NULL));
	CHECK(!path_match("//nodes", "/nodes", NULL));
	CHECK(!path_match("", "/nodes", NULL));
	CHECK(!path_match("nodes", "/nodes", NULL));
	CHECK(path_match("/services/abc/update", "/services/{}/update", parts));
	CHECK_MEM(parts[0].data, parts[0].len, "abc");
	CHECK(!path_match("/services/abc", "/services/{}/update", parts));
	CHECK(!path_match("/services//update", "/services/{}/update", parts));
	CHECK(!path_match("/services/", "/services/{}", parts));
	CHECK(path_match("/a/b", "/{}/{}", parts));
	CHECK_MEM(parts[1].data, parts[1].len, "b");
	CHECK(path_match("/images/a/b/c", "/images/...", parts));
	CHECK_MEM(parts[0].data, parts[0].len, "a/b/c");
	CHECK(!path_match("/images/", "/images/...", parts));
	CHECK(!path_match("/images", "/images/...", parts));
}

static void check_tcp(const char *text, const char *host, int port)
{
	struct http_address address;
	struct slice t = slice_of(text);

	t.data = unit_guard(t.data, t.len);
	CHECK_INT(http_address_parse(t, &address, NULL), 0);
	CHECK_INT(address.kind, HTTP_ADDRESS_TCP);
	CHECK_MEM(address.host.data, address.host.len, host);
	CHECK_INT(address.port, port);
}

TEST(host_addresses)
{
	static const struct {
		const char *text;
		int want;
	} bad[] = {
		{ "", ERR_UNSUPPORTED },	       { "/run/x", ERR_UNSUPPORTED },
		{ "npipe:////./pipe/x", ERR_UNSUPPORTED }, { "ssh://a", ERR_UNSUPPORTED },
		{ "https://a", ERR_UNSUPPORTED },      { "unix://", ERR_INVALID },
		{ "unix://run/x", ERR_INVALID },       { "tcp://", ERR_INVALID },
		{ "tcp://:2375", ERR_INVALID },	       { "tcp://a:", ERR_INVALID },
		{ "tcp://a:0", ERR_INVALID },	       { "tcp://a:65536", ERR_INVALID },
		{ "tcp://a:1x", ERR_INVALID },	       { "tcp://[::1", ERR_INVALID },
		{ "tcp://[::1]x", ERR_INVALID },       { "tcp://[]:1", ERR_INVALID },
		{ "tcp://::1:2375", ERR_INVALID },     { "tcp://a/b:1", ERR_INVALID },
		{ "tcp://a b:1", ERR_INVALID },
	};
	struct http_address address;
	struct errmsg msg;

	CHECK_INT(http_address_parse(SLICE("unix:///run/a.sock"), &address, NULL), 0);
	CHECK_INT(address.kind, HTTP_ADDRESS_UNIX);
	CHECK_MEM(address.path.data, address.path.len, "/run/a.sock");
	check_tcp("tcp://a.b:80", "a.b", 80);
	check_tcp("tcp://a.b", "a.b", 2375);
	check_tcp("tcp://a.b:65535/", "a.b", 65535);
	check_tcp("tcp://[::1]:80", "::1", 80);
	check_tcp("tcp://[::1]", "::1", 2375);
	check_tcp("http://a:1", "a", 1);
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		msg.text[0] = '\0';
		CHECK_INT(http_address_parse(slice_of(bad[i].text), &address, &msg), bad[i].want);
		CHECK(msg.text[0] != '\0');
	}
}
