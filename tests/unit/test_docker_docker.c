/* /info, errors, events, images, bridges, templates, and streams cut at every byte. */
#include <string.h>
#include "base/buf.h"
#include "docker/bridge.h"
#include "docker/image.h"
#include "docker/logmux.h"
#include "docker/template.h"
#include "quotes.h"
#include "unit.h"

static struct arena a;

#define Q(text) slice_of(quotes(&a, (text)))

TEST(errors_are_one_line)
{
	arena_init(&a);
	CHECK_STR(docker_error(&a, 500, Q("{'message':'bad\\nthing\\n'}")), "bad thing");
	CHECK_STR(docker_error(&a, 500, SLICE("plain text\n")), "plain text");
	CHECK_STR(docker_error(&a, 503, SLICE("")), "the engine answered with status 503");
	CHECK_STR(docker_error(&a, 500, Q("{'m':7}")), quotes(&a, "{'m':7}"));
	arena_done(&a);
}

TEST(info)
{
	struct node_description d;
	struct errmsg msg = { { 0 } };
	static const char text[] = "{'ServerVersion':'20.10.24','NCPU':2,'MemTotal':1024,"
		"'Architecture':'x86_64','OSType':'linux','Name':'h','Labels':['b=2','a=1=x'],"
		"'Plugins':{'Volume':['local'],'Network':['host','bridge'],'Authorization':null}}";

	arena_init(&a);
	CHECK_INT(docker_info_parse(&a, Q(text), NULL, &d, &msg), 0);
	CHECK_STR(d.hostname, "h");
	CHECK_STR(d.platform.architecture, "x86_64");
	CHECK_INT(d.resources.nano_cpus, 2000000000);
	CHECK_INT(d.resources.memory_bytes, 1024);
	CHECK_STR(d.engine.engine_version, "20.10.24");
	CHECK_STR(labels_get(&d.engine.labels, "a"), "1=x");
	CHECK_STR(arena_str(&a, d.engine.plugins), quotes(&a, "[{'Type':'Network','Name':'bridge'},"
		  "{'Type':'Network','Name':'host'},{'Type':'Volume','Name':'local'}]"));
	CHECK_INT(docker_info_parse(&a, Q(text), "mine", &d, &msg), 0);
	CHECK_STR(d.hostname, "mine");
	CHECK(docker_info_parse(&a, SLICE("{}"), NULL, &d, &msg) < 0);
	CHECK_STR(msg.text, "the engine's /info has no ServerVersion");
	arena_done(&a);
}

TEST(events)
{
	struct docker_event e;

	arena_init(&a);
	CHECK_INT(docker_event_parse(&a, Q("{'status':'die','Type':'container','Action':'die',"
		"'Actor':{'ID':'c1','Attributes':{'com.docker.swarm.task.id':'t1',"
		"'exitCode':'3'}}}"), &e), 0);
	CHECK(slice_is(e.container, "c1"));
	CHECK(slice_is(e.task, "t1"));
	CHECK(slice_is(e.action, "die"));
	CHECK(docker_event_parse(&a, SLICE("{}"), &e) < 0);
	CHECK(docker_event_parse(&a, SLICE("[]"), &e) < 0);
	CHECK(docker_event_parse(&a, SLICE("x"), &e) < 0);
	arena_done(&a);
}

/* Feeds text in two pieces cut at n and joins the lines with '|'. */
static void check_lines(const char *text, size_t n, const char *expected)
{
	struct lines l;
	struct slice line, rest = slice_of(text);
	struct buf out;

	lines_init(&l);
	buf_init(&out, 1000);
	for (int half = 0; half < 3; half++) {
		struct slice piece = half == 0 ? (struct slice){ rest.data, n }
			: half == 1 ? (struct slice){ rest.data + n, rest.len - n } : SLICE("\n");
		struct slice guarded = { unit_guard(piece.data, piece.len), piece.len };

		lines_feed(&l, guarded);
		while (lines_next(&l, &line)) {
			buf_add_slice(&out, line);
			buf_add_char(&out, '|');
		}
	}
	CHECK_STR(buf_str(&out), expected);
	buf_done(&out);
	lines_done(&l);
}

TEST(lines_at_every_split)
{
	static const char text[] = "one\r\n\n two\nthree";

	for (size_t n = 0; n < sizeof(text); n++)
		check_lines(text, n, "one|two|three|");
}

TEST(a_line_that_is_too_long_is_dropped)
{
	static char many[LINES_LINE_MAX];
	struct lines l;
	struct slice line;

	memset(many, 'x', sizeof(many));
	lines_init(&l);
	for (int i = 0; i < 20; i++) {
		lines_feed(&l, (struct slice){ many, sizeof(many) });
		CHECK_INT(lines_next(&l, &line), 0);
	}
	lines_feed(&l, SLICE("end\nnext\n"));
	CHECK_INT(lines_next(&l, &line), 1);
	CHECK(slice_is(line, "next"));
	CHECK_INT(lines_next(&l, &line), 0);
	lines_done(&l);
}

TEST(image_references)
{
	static const struct {
		const char *image, *target;
	} cases[] = {
		{ "app", "fromImage=app&tag=latest" }, { "a/b:1", "fromImage=a%2Fb&tag=1" },
		{ "h:5000/a", "fromImage=h%3A5000%2Fa&tag=latest" },
		{ "h:5000/a:2", "fromImage=h%3A5000%2Fa&tag=2" },
		{ "a@sha256:0f", "fromImage=a&tag=sha256%3A0f" },
		{ "a:1@sha256:0f", "fromImage=a%3A1&tag=sha256%3A0f" },
	};

	arena_init(&a);
	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		struct docker_request r = image_pull_request(&a, cases[i].image);

		CHECK_STR(strchr(r.target, '?') + 1, cases[i].target);
	}
	CHECK_STR(image_inspect_request(&a, "h:5/a b:1").target, "/images/h%3A5/a%20b%3A1/json");
	CHECK_STR(image_pull_error(&a, Q("{'error':'x'}")), "x");
	CHECK_STR(image_pull_error(&a, Q("{'message':'y'}")), "y");
	CHECK(!image_pull_error(&a, Q("{'status':'Pulling'}")));
	CHECK(!image_pull_error(&a, SLICE("garbage")));
	arena_done(&a);
}

TEST(bridges)
{
	struct ipam_config config = { .subnet = "10.0.1.0/24", .gateway = "10.0.1.1" };
	struct network n = { .meta.id = "n9", .spec = { .name = "s_web", .internal = 1 } };
	struct list found;
	struct bridge b;

	arena_init(&a);
	n.spec.ipam.config = (struct list){ &config, 1 };
	CHECK_STR(arena_str(&a, bridge_create_request(&a, &n, "me").body), quotes(&a,
		  "{'Name':'s_web','CheckDuplicate':true,'Driver':'bridge','Internal':true,"
		  "'IPAM':{'Config':[{"
		  "'Subnet':'10.0.1.0/24','Gateway':'10.0.1.1'}]},'Labels':{"
		  "'com.docker.swarm.network.id':'n9','com.docker.swarm.node.id':'me'}}"));
	CHECK_INT(bridge_list_parse(&a, Q("[{'Name':'x','Labels':{'com.docker.swarm.network."
		"id':'n9'}},{'Name':'y','Labels':null}]"), &found, NULL), 0);
	CHECK_INT(found.count, 2);
	CHECK_STR(LIST_AT(&found, struct bridge, 0)->network_id, "n9");
	CHECK(!LIST_AT(&found, struct bridge, 1)->network_id);
	CHECK(bridge_list_parse(&a, SLICE("{}"), &found, NULL) < 0);
	CHECK_INT(bridge_parse(&a, Q("{'Name':'x'}"), &b, NULL), 0);
	CHECK(bridge_parse(&a, SLICE("{}"), &b, NULL) < 0);
	arena_done(&a);
}

TEST(templates)
{
	static const struct template_node node = { "n1", "h\"o", "linux", "arm64" };
	struct task t = { .meta.id = "t1", .service_id = "s1", .service_name = "web", .slot = 3 };
	struct template_values v = { &t, "web.3.t1", &node, 0 };
	struct errmsg msg = { { 0 } };
	static const struct {
		const char *in, *out;
	} cases[] = {
		{ "plain", "plain" }, { "", "" }, { "{ {", "{ {" }, { "}}", "}}" },
		{ "{{.Service.ID}}/{{.Service.Name}}", "s1/web" }, { "{{  .Task.ID\t}}x", "t1x" },
		{ "{{.Task.Name}}.{{.Task.Slot}}", "web.3.t1.3" },
		{ "{{.Node.ID}} {{.Node.Hostname}}", "n1 h\"o" },
		{ "{{.Node.Platform.OS}}/{{.Node.Platform.Architecture}}", "linux/arm64" },
		{ "{{.Service.Labels}}", NULL }, { "{{}}", NULL }, { "{{.Task.ID", NULL },
		{ "{{{{", NULL },
	};

	arena_init(&a);
	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++)
		CHECK_STR(template_expand(&a, &v, cases[i].in, &msg), cases[i].out);
	v.json = 1;
	CHECK_STR(template_expand(&a, &v, "'{{.Node.Hostname}}'", &msg), "'h\\\"o'");
	t.slot = 0;
	CHECK_STR(template_expand(&a, &v, "{{.Task.Slot}}", &msg), "n1");
	arena_done(&a);
}

/* stdout in lower case, stderr in upper case braces. */
static int demux(struct logmux *m, struct slice input, struct buf *out)
{
	enum logmux_stream stream;
	struct slice piece;
	int got;

	while ((got = logmux_next(m, &input, &stream, &piece)) > 0) {
		for (size_t i = 0; i < piece.len; i++) {
			buf_add_char(out, stream == LOGMUX_STDERR ? '2' : '1');
			buf_add_char(out, piece.data[i]);
		}
	}
	return got;
}

TEST(log_frames_at_every_split)
{
	static const char frames[] = "\1\0\0\0\0\0\0\2ab"
		"\2\0\0\0\0\0\0\0\2\0\0\0\0\0\0\1X\0\0\0\0\0\0\0\1c";
	size_t len = sizeof(frames) - 1;

	for (size_t n = 0; n <= len; n++) {
		struct slice first = { unit_guard(frames, n), n };
		struct slice rest = { unit_guard(frames + n, len - n), len - n };
		struct logmux m;
		struct buf out;

		buf_init(&out, 100);
		logmux_init(&m, 0);
		CHECK_INT(demux(&m, first, &out), 0);
		CHECK_INT(demux(&m, rest, &out), 0);
		CHECK_STR(buf_str(&out), "1a1b2X1c");
		buf_done(&out);
	}
}

TEST(log_of_a_tty_and_damage)
{
	struct logmux m;
	struct buf out;

	buf_init(&out, 100);
	logmux_init(&m, 1);
	CHECK_INT(demux(&m, SLICE("\1\0x"), &out), 0);
	CHECK_INT(out.len, 6);
	logmux_init(&m, 0);
	CHECK(demux(&m, SLICE("plain text"), &out) < 0);
	buf_done(&out);
}
