/*
 * attack --to ADDRESS:PORT --ca FILE [OPTION...] MODE [ARGUMENT...]: does one harmful thing to a
 * manager's cluster port and prints, a line each, what came of it: "hello", "closed", "silent",
 * "answer STATUS TEXT", "certificate NODE UNIT", "told KIND TEXT". Judging is the test's business
 * (test_attacks.sh).
 *
 *	--ca FILE	the swarm's root, as `swarmbox swarm ca` prints it
 *	--as DIR	with the identity of this data folder, a copy of a node's
 *	--foreign NODE	with a manager's certificate by that name, of another authority
 *	--token TOKEN	for enrolments
 *	--for MS	listen for so long (1000)
 *
 *	connect			shake hands and listen
 *	manager			say that one is a manager
 *	agent [REPORT...]	come as a node's agent, send the reports, listen
 *	long N [TASK]		the same with a report of N bytes: of itself, or of the task
 *	enrol [CN UNIT]		ask for a certificate, in that name
 *	replay			join, be seen, and repeat the request that was joined with
 *	tokens N		N requests with a wrong token, at once, none leaves by itself
 *	renegotiate | record | frame | garbage | text
 *	slow N MS		N handshakes that stop in the middle, for so long; those who are
 *				closed come again, SLOW_RATE a second
 */
#include <bearssl.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>
#include "attack_end.h"
#include "base/bytes.h"
#include "base/mem.h"
#include "codec/json.h"
#include "io/clock.h"
#include "io/entropy.h"
#include "io/file.h"
#include "io/sock.h"

static struct attacker target;
static const char *token = "";
static int listen_ms = 1000;

static void die(const char *what)
{
	fprintf(stderr, "attack: %s\n", what);
	exit(2);
}

static const char *arg(char **argv)
{
	return argv[0] ? argv[0] : (die("an argument is missing"), "");
}

static size_t number(const char *text)
{
	uint64_t n = 0;

	if (slice_to_u64(slice_of(text), INT32_MAX, &n) < 0)
		die("what is to be a number is none");
	return n;
}

/* ---- who one is -------------------------------------------------------------------- */

static void use_ca(const char *path)
{
	struct errmsg msg;
	struct slice text;
	struct buf pem, der;

	buf_init(&pem, 1 << 16);
	buf_init(&der, X509_DER_MAX);
	if (file_read(path, 1 << 16, &pem, &msg) < 0)
		die(msg.text);
	text = buf_slice(&pem);
	if (pem_next(&text, "CERTIFICATE", &der) < 0 ||
	    tls_anchor_init(&target.anchor, buf_slice(&der), &msg) < 0)
		die("--ca: no certificate of an authority");
	buf_done(&pem);
	buf_done(&der);
}

static void use_folder(const char *path)
{
	static struct datadir dir;
	static struct trust t;
	struct errmsg msg;

	if (datadir_open(&dir, path, &msg) < 0 || trust_load(&t, &dir, &msg) < 0)
		die(msg.text);
	target.identity = &t.identity;
}

static void use_foreign(const char *node_id)
{
	static struct trust t;
	struct errmsg msg;

	if (trust_found(&t, node_id, "foreign", clock_wall_ns() / 1000000000, &msg) < 0)
		die(msg.text);
	target.identity = &t.identity;
}

/* ---- saying and hearing --------------------------------------------------------------- */

static void say_heard(enum heard heard, struct end *e)
{
	struct errmsg why = { { 0 } };

	if (heard == HEARD_CLOSED)
		(void)tls_error(&e->tls, &why);
	puts(heard == HEARD_NOTHING ? "silent" : "closed");
	if (why.text[0])
		printf("because %s\n", why.text);
}

/* Opens and hears the hello; on anything else it is printed, and 0. */
static int come_in(struct end *e)
{
	enum heard heard = end_open(e, &target);
	struct slice body;

	if (heard == HEARD_FRAME)
		heard = end_hear(e, END_WAIT_MS, &body);
	if (heard == HEARD_FRAME)
		puts("hello");
	else
		say_heard(heard, e);
	return heard == HEARD_FRAME;
}

static void listen_on(struct end *e)
{
	uint64_t end_ms = end_now_ms() + (uint64_t)listen_ms;
	enum heard heard = HEARD_FRAME;
	struct slice body;

	while (heard == HEARD_FRAME) {
		uint64_t now_ms = end_now_ms();

		heard = end_hear(e, now_ms < end_ms ? (int)(end_ms - now_ms) : 0, &body);
		if (heard == HEARD_FRAME && body.len && body.data[0] == 'P')
			puts("told P");
		else if (heard == HEARD_FRAME && body.len)
			printf("told %c %.*s\n", body.data[0], (int)body.len - 1, body.data + 1);
	}
	say_heard(heard, e);
}

static void say_agent(struct end *e)
{
	uint8_t bytes[AGENT_LEN];

	agent_hello_build(bytes);
	end_say(e, '\0', (struct slice){ (char *)bytes, AGENT_LEN });
}

/* ---- modes: who one says one is --------------------------------------------------------- */

static void do_connect(struct end *e, char **argv)
{
	(void)argv;
	if (come_in(e))
		listen_on(e);
}

static void do_manager(struct end *e, char **argv)
{
	struct hello h = { .id = 77, .boot = 77, .turn = 1 };
	uint8_t bytes[HELLO_LEN];

	(void)argv;
	if (!come_in(e))
		return;
	hello_build(bytes, &h);
	end_say(e, '\0', (struct slice){ (char *)bytes, HELLO_LEN });
	listen_on(e);
}

static void do_agent(struct end *e, char **argv)
{
	if (!come_in(e))
		return;
	say_agent(e);
	for (; *argv; argv++)
		end_say(e, 'M', slice_of(*argv));
	listen_on(e);
}

static void do_long(struct end *e, char **argv)
{
	size_t n = number(arg(argv));
	const char *task = argv[1];
	struct buf report;

	buf_init(&report, END_TEXT_MAX);
	if (!task)
		buf_add_str(&report, "{\"Description\":{\"Hostname\":\"");
	else
		buf_printf(&report, "{\"Statuses\":[{\"TaskID\":\"%s\",\"Status\":{\"State\":"
			   "\"failed\",\"Message\":\"", task);
	memset(buf_reserve(&report, n), 'a', n);
	report.len += n;
	buf_add_str(&report, task ? "\"}}]}" : "\"}}");
	if (come_in(e)) {
		say_agent(e);
		end_say(e, 'M', buf_slice(&report));
		listen_on(e);
	}
	buf_done(&report);
}

/* ---- modes: certificates --------------------------------------------------------------------- */

/* What is asked, in the name of who; key: the new one, in PEM. */
static void build_request(const struct x509_name *who, struct buf *key, struct buf *request)
{
	uint8_t seed[X509_SEED_LEN], secret[X509_KEY_LEN];
	struct json_writer w;
	struct buf der, csr;

	entropy_fill(seed, sizeof(seed));
	x509_key(seed, secret);
	buf_init(&der, X509_DER_MAX);
	buf_init(&csr, X509_PEM_MAX);
	if (x509_request(secret, who, &der) < 0)
		die("no request can be made");
	pem_write(&csr, "CERTIFICATE REQUEST", buf_slice(&der));
	pem_write_key(key, secret);
	json_begin(&w, request);
	json_open_object(&w);
	json_put_slice(&w, "CSR", buf_slice(&csr));
	json_put_str(&w, "Token", token);
	json_put_str(&w, "Role", "manager");	/* it has no say in it */
	json_put_str(&w, "NodeID", "another");
	json_close_object(&w);
	buf_done(&der);
	buf_done(&csr);
}

static void say_certificate(struct slice answer, struct slice key)
{
	struct errmsg msg = { { 0 } };
	const struct json *root;
	static struct trust t;
	struct arena a;

	arena_init(&a);
	if (json_parse(&a, answer, &root, &msg) < 0 ||
	    trust_take(&t, json_string(json_get(root, "Certificate")), key,
		       json_string(json_get(root, "Trust")), (struct slice){ NULL, 0 }, &msg) < 0)
		die(msg.text);
	printf("certificate %s %s\n", t.cert.subject.common_name, t.cert.subject.unit);
	target.identity = &t.identity;
	arena_done(&a);
}

/* The status, or 0. With 200 one is who the certificate says from then on. */
static int enrol(struct slice request, struct slice key)
{
	static struct end e;
	struct slice body, answer;
	int status = 0;
	struct buf out;

	buf_init(&out, END_TEXT_MAX);
	enrol_build(&out, request);
	if (come_in(&e)) {
		enum heard heard;

		end_say(&e, '\0', buf_slice(&out));
		heard = end_hear(&e, END_WAIT_MS, &body);
		if (heard != HEARD_FRAME)
			say_heard(heard, &e);
		else if (enrol_answer_parse(body, &status, &answer) < 0)
			die("the answer is none");
	}
	if (status)
		printf("answer %d %.*s\n", status, status == 200 ? 0 : (int)answer.len,
		       answer.data);
	if (status == 200)
		say_certificate(answer, key);
	end_close(&e);
	buf_done(&out);
	return status;
}

static void do_enrol(struct end *e, char **argv)
{
	struct x509_name who = { .common_name = "" };
	struct buf key, request;

	(void)e;
	if (argv[0]) {
		snprintf(who.common_name, sizeof(who.common_name), "%s", argv[0]);
		snprintf(who.unit, sizeof(who.unit), "%s", arg(argv + 1));
	}
	buf_init(&key, X509_PEM_MAX);
	buf_init(&request, GREETING_MAX);
	build_request(&who, &key, &request);
	(void)enrol(buf_slice(&request), buf_slice(&key));
	buf_done(&key);
	buf_done(&request);
}

static void do_replay(struct end *e, char **argv)
{
	static char *report[] = { "{\"Description\":{\"Hostname\":\"replay\"},"
				  "\"NodeMessage\":\"\"}", NULL };
	const struct tls_identity *before = target.identity;
	struct x509_name nobody = { .common_name = "" };
	struct buf key, request;

	(void)argv;
	buf_init(&key, X509_PEM_MAX);
	buf_init(&request, GREETING_MAX);
	build_request(&nobody, &key, &request);
	if (enrol(buf_slice(&request), buf_slice(&key)) == 200) {
		do_agent(e, report);
		target.identity = before;
		(void)enrol(buf_slice(&request), buf_slice(&key));
	}
	buf_done(&key);
	buf_done(&request);
}

/* It takes END_WAIT_MS at most: all come at once, and none goes. */
static void do_tokens(struct end *unused, char **argv)
{
	size_t n = number(arg(argv)), answered = 0;
	struct end *ends = mem_new(n * sizeof(*ends));
	struct x509_name nobody = { .common_name = "" };
	struct buf key, request, out;
	struct slice body;

	(void)unused;
	buf_init(&key, X509_PEM_MAX);
	buf_init(&request, GREETING_MAX);
	buf_init(&out, END_TEXT_MAX);
	build_request(&nobody, &key, &request);
	enrol_build(&out, buf_slice(&request));
	for (size_t i = 0; i < n; i++) {
		if (end_open(&ends[i], &target) == HEARD_FRAME &&
		    end_hear(&ends[i], END_WAIT_MS, &body) == HEARD_FRAME)
			end_say(&ends[i], '\0', buf_slice(&out));
	}
	for (size_t i = 0; i < n; i++) {
		answered += end_hear(&ends[i], listen_ms, &body) == HEARD_FRAME;
		end_close(&ends[i]);
	}
	printf("answered %zu\n", answered);
	buf_done(&out);
	buf_done(&request);
	buf_done(&key);
	mem_free(ends);
}

/* ---- modes: bytes --------------------------------------------------------------------------- */

/* tls.h has no such thing, and for good reason: the library's engine is what its struct begins
 * with. */
static void do_renegotiate(struct end *e, char **argv)
{
	br_ssl_engine_context *engine = (br_ssl_engine_context *)(void *)&e->tls;

	(void)argv;
	if (!come_in(e))
		return;
	say_agent(e);
	br_ssl_engine_remove_flags(engine, BR_OPT_NO_RENEGOTIATION);
	printf("asked %d\n", br_ssl_engine_renegotiate(engine));
	end_push(e);
	listen_on(e);
}

/* A record of more than TLS may have. */
static void do_record(struct end *e, char **argv)
{
	static char record[5 + 0x4801] = { 0x17, 3, 3, 0x48, 1 };

	(void)argv;
	if (!come_in(e))
		return;
	end_send_raw(e, (struct slice){ record, sizeof(record) });
	listen_on(e);
}

static void do_frame(struct end *e, char **argv)
{
	(void)argv;
	if (!come_in(e))
		return;
	if (target.identity)
		say_agent(e);
	end_send_text(e, (struct slice){ "\377\377\377\177Mmore", 9 });
	listen_on(e);
}

static void do_garbage(struct end *e, char **argv)
{
	static char bytes[20000];

	(void)argv;
	entropy_fill(bytes, sizeof(bytes));
	memcpy(bytes, "\26\3\1\40\0\377", 6);	/* a record of a handshake: whole, but of no kind */
	e->fd = end_socket(&target);
	if (e->fd < 0)
		die("nobody listens");
	tls_init_client(&e->tls, &(struct tls_config){ .anchors = &target.anchor,
						       .anchor_count = 1 },
			e->buffer, sizeof(e->buffer));
	end_send_raw(e, (struct slice){ bytes, sizeof(bytes) });
	listen_on(e);
}

static void do_text(struct end *e, char **argv)
{
	char bytes[1000];

	(void)argv;
	if (!come_in(e))
		return;
	entropy_fill(bytes, sizeof(bytes));
	end_say(e, '\0', (struct slice){ bytes, sizeof(bytes) });
	listen_on(e);
}

/* ---- modes: many --------------------------------------------------------------------------- */

static int open_half(void)
{
	static const char half[] = "\26\3\1\2\0\1\0\1\374\3\3half of a client's hello";
	int fd = end_socket(&target);

	if (fd >= 0 && send(fd, half, sizeof(half) - 1, MSG_NOSIGNAL) < 0) {
		close(fd);
		fd = -1;
	}
	return fd;
}

enum { SLOW_TURN_MS = 20, SLOW_RATE = 2000 };

static void do_slow(struct end *e, char **argv)
{
	size_t n = number(arg(argv)), opened = 0;
	uint64_t end_ms = end_now_ms() + number(arg(argv + 1));
	struct rlimit files = { n + 64, n + 64 };
	struct pollfd *fds = mem_new(n * sizeof(*fds));

	(void)e;
	if (setrlimit(RLIMIT_NOFILE, &files) < 0)
		die("so many files cannot be had");
	for (size_t i = 0; i < n; i++)
		fds[i] = (struct pollfd){ .fd = -1, .events = POLLIN };
	while (end_now_ms() < end_ms) {
		size_t most = opened < n ? n : opened + SLOW_RATE * SLOW_TURN_MS / 1000;

		for (size_t i = 0; i < n && opened < most && end_now_ms() < end_ms; i++) {
			if (fds[i].fd >= 0 && fds[i].revents)
				close(fds[i].fd);
			if (fds[i].fd < 0 || fds[i].revents) {
				fds[i].fd = open_half();
				opened += fds[i].fd >= 0;
			}
		}
		(void)poll(NULL, 0, SLOW_TURN_MS);
		(void)poll(fds, n, 0);
	}
	printf("opened %zu\n", opened);
	mem_free(fds);
}

static const struct mode {
	const char *name;
	void (*run)(struct end *e, char **argv);
} modes[] = {
	{ "agent", do_agent }, { "connect", do_connect }, { "enrol", do_enrol },
	{ "frame", do_frame }, { "garbage", do_garbage }, { "long", do_long },
	{ "manager", do_manager }, { "record", do_record }, { "renegotiate", do_renegotiate },
	{ "replay", do_replay }, { "slow", do_slow }, { "text", do_text },
	{ "tokens", do_tokens },
};

/* The words after the options. */
static char **take_options(char **argv)
{
	for (; argv[0] && argv[0][0] == '-'; argv += 2) {
		const char *value = arg(argv + 1);

		if (strcmp(argv[0], "--to") == 0 &&
		    sock_parse_address(slice_of(value), &target.address, &target.port) == 0)
			continue;
		if (strcmp(argv[0], "--ca") == 0)
			use_ca(value);
		else if (strcmp(argv[0], "--as") == 0)
			use_folder(value);
		else if (strcmp(argv[0], "--foreign") == 0)
			use_foreign(value);
		else if (strcmp(argv[0], "--token") == 0)
			token = value;
		else if (strcmp(argv[0], "--for") == 0)
			listen_ms = (int)number(value);
		else
			die(argv[0]);
	}
	return argv;
}

int main(int argc, char **argv)
{
	static struct end e = { .fd = -1 };
	char **words = take_options(argv + 1);

	(void)argc;
	setvbuf(stdout, NULL, _IOLBF, 0);
	for (size_t i = 0; i < sizeof(modes) / sizeof(modes[0]); i++) {
		if (strcmp(modes[i].name, arg(words)) != 0)
			continue;
		modes[i].run(&e, words + 1);
		return 0;
	}
	die("no such mode");
}
