/* Compose files: golden pairs, every error with its place, and what is too much. */
#include <stdio.h>
#include <string.h>

#include "applets/stack/load.h"
#include "base/mem.h"
#include "codec/yaml.h"
#include "stack_render.h"
#include "unit.h"

/* ---- golden pairs: tests/golden/stack/NAME.yml and NAME.out -------------------- */

static bool read_whole(const char *name, const char *end, struct buf *out)
{
	char path[256], piece[4096];
	size_t n;
	FILE *f;

	snprintf(path, sizeof(path), "tests/golden/stack/%s.%s", name, end);
	f = fopen(path, "r");
	if (!f)
		return false;
	while ((n = fread(piece, 1, sizeof(piece), f)) > 0)
		buf_add(out, piece, n);
	fclose(f);
	return true;
}

static void check_golden(const char *name)
{
	struct buf file, expected, actual;
	bool found;

	buf_init(&file, 1 << 20);
	buf_init(&expected, 1 << 20);
	buf_init(&actual, 1 << 20);
	found = read_whole(name, "yml", &file) && read_whole(name, "out", &expected);
	if (found)
		stack_render(buf_slice(&file), &actual);
	if (found && strcmp(buf_str(&actual), buf_str(&expected)) != 0)
		printf("%s:\n%s", name, buf_str(&actual));
	found = found && strcmp(buf_str(&actual), buf_str(&expected)) == 0;
	buf_done(&file);
	buf_done(&expected);
	buf_done(&actual);
	CHECK(found);
}

TEST(golden_first) { check_golden("first"); }
TEST(golden_poll) { check_golden("poll"); }
TEST(golden_full) { check_golden("full"); }
TEST(golden_ports) { check_golden("ports"); }
TEST(golden_volumes) { check_golden("volumes"); }
TEST(golden_networks) { check_golden("networks"); }
TEST(golden_ignored) { check_golden("ignored"); }
TEST(golden_variables) { check_golden("variables"); }
TEST(golden_anchors) { check_golden("anchors"); }
TEST(golden_lenient) { check_golden("lenient"); }

/* ---- errors -------------------------------------------------------------------- */

#define WEB "services:\n  web:\n    image: i\n"

static const char *const errors[][2] = {
	/* the file */
	{ "", "F:1:1: a compose file is a mapping with \"services\"" },
	{ "- a", "F:1:1: a compose file is a mapping with \"services\"" },
	{ "version: \"3\"\n", "F:1:1: there are no services" },
	{ "services:\n", "F:1:1: there are no services" },
	{ "services: {}\n", "F:1:1: services: there are no services" },
	{ "services: [a]\n", "F:1:1: services: must be a mapping" },
	{ "version: \"2.1\"\n" WEB,
	  "F:1:1: unsupported Compose file version \"2.1\": 3 to 3.13 are supported" },
	{ "version: \"3.14\"\n" WEB,
	  "F:1:1: unsupported Compose file version \"3.14\": 3 to 3.13 are supported" },
	{ "version: [3]\n" WEB,
	  "F:1:1: unsupported Compose file version \"\": 3 to 3.13 are supported" },
	{ "name: x\n" WEB, "F:1:1: unknown key \"name\"" },
	{ WEB "secrets:\n  a:\n", "F:4:1: \"secrets\" are not supported yet" },
	{ WEB "configs:\n  a:\n", "F:4:1: \"configs\" are not supported yet" },
	/* services */
	{ "services:\n  web:\n", "F:2:3: services.web: must be a mapping" },
	{ "services:\n  web: text\n", "F:2:3: services.web: must be a mapping" },
	{ "services:\n  web: {}\n",
	  "F:2:3: services.web: no image is given (stacks build none)" },
	{ "services:\n  web:\n    build: .\n",
	  "F:2:3: services.web: no image is given (stacks build none)" },
	{ "services:\n  web:\n    image:\n", "F:3:5: services.web.image: must be a text" },
	{ "services:\n  web:\n    image: [a]\n", "F:3:5: services.web.image: must be a text" },
	{ "services:\n  web:\n    image: \"a b\"\n",
	  "F:3:5: services.web: image \"a b\" is not a valid name" },
	{ "services:\n  a/b:\n    image: i\n",
	  "F:2:3: services.a/b: \"a/b\" is not a name: letters, digits, '.', '_' and '-'" },
	{ "services:\n  a.b:\n    image: i\n",
	  "F:2:3: services.a.b: \"a.b\" is not a service name: letters and digits, with - and "
	    "_ between them" },
	{ "services:\n  a123456789b123456789c123456789d123456789e123456789f123456789gh:\n    "
	    "image: i\n",
	  "F:2:3: services.a123456789b123456789c123456789d123456789e123456789f123456789gh: the "
	    "service would be called "
	    "\"S_a123456789b123456789c123456789d123456789e123456789f123456789gh\": names "
	    "have at most 63 characters" },
	{ WEB "    foo: 1\n", "F:4:5: services.web: unknown key \"foo\"" },
	{ WEB "    mem_limit: 1g\n",
	  "F:4:5: services.web: \"mem_limit\" is not allowed: use deploy.resources.limits.memory" },
	{ WEB "    extends: a\n",
	  "F:4:5: services.web: \"extends\" is not allowed in format 3: repeat what it would "
	    "bring" },
	{ WEB "    secrets: [a]\n", "F:4:5: services.web: \"secrets\" are not supported yet" },
	{ WEB "    command: \"a 'b\"\n", "F:4:5: services.web.command: a ' is not closed" },
	{ WEB "    command: a \\\n", "F:4:5: services.web.command: nothing follows the last \\" },
	{ WEB "    command: {a: b}\n", "F:4:5: services.web.command: must be a text" },
	{ WEB "    command: [a, [b]]\n", "F:4:18: services.web.command: must be a text" },
	{ WEB "    tty: perhaps\n", "F:4:5: services.web.tty: \"perhaps\" is not true or false" },
	{ WEB "    stop_grace_period: 10\n",
	  "F:4:5: services.web.stop_grace_period: \"10\" is not a duration such as 1m30s" },
	{ WEB "    restart: sometimes\n",
	  "F:4:5: services.web.restart: \"sometimes\" is not no, always, unless-stopped, "
	    "on-failure or on-failure:N" },
	{ WEB "    restart: on-failure:x\n",
	  "F:4:5: services.web.restart: \"x\" is not a number of attempts" },
	{ WEB "    labels: 1\n",
	  "F:4:5: services.web.labels: must be a mapping, or a list of key=value" },
	{ WEB "    labels: [[a]]\n",
	  "F:4:14: services.web.labels: must be a list of texts key=value, or a mapping" },
	{ WEB "    labels: [\"=a\"]\n", "F:4:14: services.web.labels: has an empty name" },
	{ WEB "    labels:\n      a: [b]\n",
	  "F:5:7: services.web.labels: \"a\" must be a text, a number or nothing" },
	{ WEB "    environment:\n      DEBUG: true\n",
	  "F:5:7: services.web.environment: \"DEBUG\": true is not a text: write it in quotes" },
	{ WEB "    env_file: nowhere.env\n",
	  "F:4:5: services.web.env_file: /dir/nowhere.env: no such file" },
	{ WEB "    extra_hosts: [a]\n",
	  "F:4:19: services.web.extra_hosts: must be NAME:ADDRESS" },
	{ WEB "    ulimits:\n      nofile: many\n",
	  "F:5:7: services.web.ulimits.nofile: \"many\" is not a number" },
	{ WEB "    ulimits:\n      nofile: {soft: 1}\n",
	  "F:5:7: services.web.ulimits.nofile: needs \"soft\" and \"hard\"" },
	{ WEB "    healthcheck:\n      test: a\n      disable: true\n",
	  "F:4:5: services.web.healthcheck: test and disable can't be set at the same time" },
	{ WEB "    healthcheck:\n      retries: -1\n",
	  "F:5:7: services.web.healthcheck.retries: \"-1\" is not a number, 0 or more" },
	{ WEB "    logging:\n      foo: 1\n",
	  "F:5:7: services.web.logging: unknown key \"foo\"" },
	/* ports */
	{ WEB "    ports: 80\n", "F:4:5: services.web.ports: must be a list" },
	{ WEB "    ports: [\"80:65536\"]\n",
	  "F:4:13: services.web.ports: \"65536\" is not a port or a range of ports (1 to 65535)" },
	{ WEB "    ports: [\"70000:80\"]\n",
	  "F:4:13: services.web.ports: \"70000\" is not a port or a range of ports (1 to 65535)" },
	{ WEB "    ports: [\"80:0\"]\n",
	  "F:4:13: services.web.ports: \"0\" is not a port or a range of ports (1 to 65535)" },
	{ WEB "    ports: [\"80:\"]\n",
	  "F:4:13: services.web.ports: \"\" is not a port or a range of ports (1 to 65535)" },
	{ WEB "    ports: [\"8-7:80\"]\n",
	  "F:4:13: services.web.ports: \"8-7\" is not a port or a range of ports (1 to 65535)" },
	{ WEB "    ports: [\"80-82:80-81\"]\n",
	  "F:4:13: services.web.ports: \"80-82:80-81\": the two ranges differ in length" },
	{ WEB "    ports: [\"80:80-81\"]\n",
	  "F:4:13: services.web.ports: \"80:80-81\": a range of targets needs as many "
	    "published ports" },
	{ WEB "    ports: [\"80/icmp\"]\n",
	  "F:4:13: services.web.ports: \"icmp\" is not a protocol: tcp, udp or sctp" },
	{ WEB "    ports: [\"80/sctp\"]\n",
	  "F:4:13: services.web.ports: sctp ports can only be published in host mode" },
	{ WEB "    ports: [\"host:80:80\"]\n",
	  "F:4:13: services.web.ports: \"host\" is not an IP address" },
	{ WEB "    ports: [[80]]\n",
	  "F:4:13: services.web.ports: must be a text such as \"8080:80\", or a mapping" },
	{ WEB "    ports:\n      - published: 80\n",
	  "F:5:9: services.web.ports: a port needs \"target\"" },
	{ WEB "    ports:\n      - target: 65536\n",
	  "F:5:9: services.web.ports.target: \"65536\" is not a port (1 to 65535)" },
	{ WEB "    ports:\n      - target: 1\n        mode: open\n",
	  "F:6:9: services.web.ports.mode: \"open\" is not ingress or host" },
	{ WEB "    ports: [\"80:80\", \"80:81\"]\n",
	  "F:4:22: services.web.ports: port 80/tcp is already published by service \"web\"" },
	{ WEB "    ports: [\"80:80\"]\n  b:\n    image: i\n    ports: [\"80:80\"]\n",
	  "F:7:13: services.b.ports: port 80/tcp is already published by service \"web\"" },
	{ WEB "    ports: [80]\n    deploy: {endpoint_mode: dnsrr}\n",
	  "F:2:3: services.web: port published with ingress mode can't be used with dnsrr mode" },
	{ WEB "    ports: [\"1-20000:1\"]\n",
	  "F:4:13: services.web.ports: more than 10000 ports" },
	/* networks */
	{ WEB "    networks: [gone]\n",
	  "F:4:16: services.web.networks: undefined network \"gone\"" },
	{ WEB "    networks: gone\n",
	  "F:4:5: services.web.networks: must be a list or a mapping of networks" },
	{ WEB "    networks: [a, a]\nnetworks: {a: {}}\n",
	  "F:4:5: services.web.networks: network \"S_a\" is named twice" },
	{ WEB "    networks:\n      a: {foo: 1}\nnetworks: {a: {}}\n",
	  "F:5:11: services.web.networks.a: unknown key \"foo\"" },
	{ WEB "networks:\n  a:\n    external: true\n    driver: overlay\n",
	  "F:7:5: networks.a: conflicting parameters \"external\" and \"driver\"" },
	{ WEB "networks:\n  a:\n    external: {name: b}\n    name: c\n",
	  "F:5:3: networks.a: \"external.name\" and \"name\" are both given" },
	{ WEB "networks:\n  a:\n    enable_ipv6: true\n",
	  "F:6:5: networks.a: unknown key \"enable_ipv6\"" },
	{ WEB "networks:\n  a:\n    driver: bridge\n",
	  "F:6:5: networks.a.driver: \"bridge\" is not supported: a stack's networks are "
	    "overlay networks" },
	{ WEB "networks:\n  host:\n    external: true\n",
	  "F:5:3: networks.host: the engine's network \"host\" is not supported yet" },
	{ WEB "networks: [a]\n", "F:4:1: networks: must be a mapping" },
	/* volumes */
	{ WEB "    volumes: [\"gone:/x\"]\n",
	  "F:4:15: services.web.volumes: undefined volume \"gone\"" },
	{ WEB "    volumes: [\"\"]\n",
	  "F:4:15: services.web.volumes: invalid volume \"\": empty section between colons" },
	{ WEB "    volumes: [\"a:\"]\n",
	  "F:4:15: services.web.volumes: invalid volume \"a:\": empty section between colons" },
	{ WEB "    volumes: [\"/a:/b:ro:x\"]\n",
	  "F:4:15: services.web.volumes: invalid volume \"/a:/b:ro:x\": too many colons" },
	{ WEB "    volumes: [\"~you:/b\"]\n",
	  "F:4:15: services.web.volumes: \"~you\": whose home that is is not known" },
	{ WEB "    volumes:\n      - target: /a\n",
	  "F:5:9: services.web.volumes: a volume needs \"type\"" },
	{ WEB "    volumes:\n      - type: npipe\n",
	  "F:5:9: services.web.volumes.type: \"npipe\" is not volume, bind or tmpfs" },
	{ WEB "    volumes:\n      - type: bind\n        target: /a\n",
	  "F:5:9: services.web.volumes: a bind mount needs a source" },
	{ WEB "    volumes:\n      - type: tmpfs\n        source: /a\n        target: /a\n",
	  "F:5:9: services.web.volumes: invalid tmpfs source: it must be empty" },
	{ WEB "    volumes:\n      - type: volume\n        target: /a\n        tmpfs: {size: 1}\n",
	  "F:7:9: services.web.volumes: tmpfs options are incompatible with type volume" },
	{ WEB "    volumes:\n      - type: volume\n        source: a\n",
	  "F:5:9: services.web.volumes: a volume needs \"target\"" },
	/* deploy */
	{ WEB "    deploy: many\n", "F:4:5: services.web.deploy: must be a mapping" },
	{ WEB "    deploy:\n      replicas: many\n",
	  "F:5:7: services.web.deploy.replicas: \"many\" is not a number, 0 or more" },
	{ WEB "    deploy:\n      replicas: -1\n",
	  "F:5:7: services.web.deploy.replicas: \"-1\" is not a number, 0 or more" },
	{ WEB "    deploy:\n      mode: some\n",
	  "F:5:7: services.web.deploy.mode: \"some\" is not replicated, global, replicated-job "
	    "or global-job" },
	{ WEB "    deploy:\n      mode: global-job\n",
	  "F:5:7: services.web.deploy.mode: \"global-job\" is not supported yet" },
	{ WEB "    deploy:\n      mode: global\n      replicas: 1\n",
	  "F:5:7: services.web.deploy.mode: replicas can only be used with replicated mode" },
	{ WEB "    deploy:\n      resources:\n        limits:\n          cpus: lots\n",
	  "F:7:11: services.web.deploy.resources.limits.cpus: \"lots\" is not a number such as "
	    "0.5, with at most 9 digits after the point" },
	{ WEB "    deploy:\n      resources:\n        limits:\n          memory: lots\n",
	  "F:7:11: services.web.deploy.resources.limits.memory: \"lots\" is not a size such as "
	    "64M" },
	{ WEB "    deploy:\n      resources:\n        limits:\n          disk: 1\n",
	  "F:7:11: services.web.deploy.resources.limits: unknown key \"disk\"" },
	{ WEB "    deploy:\n      restart_policy:\n        condition: maybe\n",
	  "F:6:9: services.web.deploy.restart_policy.condition: \"maybe\" is not any, "
	    "on-failure or none" },
	{ WEB "    deploy:\n      restart_policy:\n        delay: soon\n",
	  "F:6:9: services.web.deploy.restart_policy.delay: \"soon\" is not a duration such as "
	    "1m30s" },
	{ WEB "    deploy:\n      update_config:\n        max_failure_ratio: 1.5\n",
	  "F:6:9: services.web.deploy.update_config.max_failure_ratio: \"1.5\" is not between "
	    "0 and 1" },
	{ WEB "    deploy:\n      update_config:\n        order: any\n",
	  "F:6:9: services.web.deploy.update_config.order: \"any\" is not stop-first or "
	    "start-first" },
	{ WEB "    deploy:\n      placement:\n        preferences: [{}]\n",
	  "F:6:23: services.web.deploy.placement.preferences: a preference needs \"spread\"" },
	{ WEB "    deploy: {resources: {limits: {cpus: 0.0001}}}\n",
	  "F:4:35: services.web.deploy.resources.limits.cpus: 0.0001 is too little: at least "
	    "0.001" },
	{ WEB "    deploy: {resources: {limits: {memory: 4000}}}\n",
	  "F:4:35: services.web.deploy.resources.limits.memory: 4000 is too little: at least "
	    "4M" },
	{ WEB "    deploy:\n      endpoint_mode: any\n",
	  "F:5:7: services.web.deploy.endpoint_mode: \"any\" is not vip or dnsrr" },
	/* variables */
	{ WEB "    hostname: ${A\n",
	  "F:4:5: services.web.hostname: invalid variable at \"${A\": a plain $ is written $$" },
	{ WEB "    hostname: ${GONE:?no host}\n",
	  "F:4:5: services.web.hostname: required variable GONE is missing a value: no host" },
	{ WEB "    deploy:\n      replicas: ${TAG}\n",
	  "F:5:7: services.web.deploy.replicas: \"1.2\" is not a number, 0 or more" },
	/* syntax is yaml.h's; here only that its place comes through */
	{ "services:\n  web: [\n",
	  "F:3:1: did not find expected node content (while parsing a flow node)" },
};

TEST(errors_have_places)
{
	for (size_t i = 0; i < sizeof(errors) / sizeof(*errors); i++)
		CHECK_STR(stack_error(errors[i][0]), errors[i][1]);
}

/* ---- too much ------------------------------------------------------------------ */

static void check_one_line(struct buf *text)
{
	const char *error = stack_error(buf_str(text));

	CHECK(strncmp(error, "F:", 2) == 0);
	CHECK(strchr(error, '\n') == NULL);
}

TEST(ten_thousand_deep)
{
	struct buf text;

	buf_init(&text, 1 << 20);
	buf_add_str(&text, "services: ");
	for (int i = 0; i < 10000; i++)
		buf_add_char(&text, '[');
	check_one_line(&text);
	buf_done(&text);
}

TEST(alias_bomb)
{
	struct buf text;

	buf_init(&text, 1 << 20);
	buf_add_str(&text, "x-0: &a0 [lol, lol]\n");
	for (int i = 1; i < 30; i++)
		buf_printf(&text, "x-%d: &a%d [*a%d, *a%d]\n", i, i, i - 1, i - 1);
	buf_add_str(&text, WEB "    command: *a29\n");
	check_one_line(&text);
	buf_done(&text);
}

/* Few nodes, but each of them a long text. */
TEST(alias_bomb_of_texts)
{
	struct buf text;

	buf_init(&text, 4 << 20);
	buf_add_str(&text, "x-a: &a \"");
	for (int i = 0; i < 1 << 20; i++)
		buf_add_char(&text, 'a');
	buf_add_str(&text, "\"\n" WEB "    labels:\n");
	for (int i = 0; i < 9000; i++)
		buf_printf(&text, "      l%d: *a\n", i);
	check_one_line(&text);
	buf_done(&text);
}

TEST(four_mebibytes_of_services)
{
	struct buf text;

	buf_init(&text, YAML_TEXT_MAX);
	buf_add_str(&text, "services:\n");
	for (int i = 0; text.len < YAML_TEXT_MAX - 100; i++)
		buf_printf(&text, "  s%d: {image: i}\n", i);
	check_one_line(&text);
	buf_done(&text);
}

TEST(ports_of_many_services)
{
	struct buf text;

	buf_init(&text, 1 << 20);
	buf_add_str(&text, "services:\n");
	for (int i = 0; i < 100; i++)
		buf_printf(&text, "  s%d: {image: i, ports: [1-9999]}\n", i);
	CHECK_STR(stack_error(buf_str(&text)),
		"F:4:26: services.s2.ports: the file has more than 20000 ports");
	buf_done(&text);
}

TEST(warnings_have_an_end)
{
	struct buf text, out;
	size_t lines = 0;

	buf_init(&text, 1 << 20);
	buf_init(&out, 4 << 20);
	buf_add_str(&text, "services:\n");
	for (int i = 0; i < 2000; i++)
		buf_printf(&text, "  s%d: {image: i, build: .}\n", i);
	stack_render(buf_slice(&text), &out);
	for (const char *at = buf_str(&out); (at = strstr(at, "warning ")) != NULL; at++)
		lines++;
	buf_done(&text);
	buf_done(&out);
	CHECK_INT(lines, STACK_WARNINGS_MAX + 1);
}

/* The text ends where it may not be read on; every shorter file ends in one line too. */
TEST(every_cut_is_an_error_or_a_stack)
{
	struct buf file, out;
	bool good = true;

	buf_init(&file, 1 << 20);
	buf_init(&out, 1 << 20);
	CHECK(read_whole("full", "yml", &file));
	for (size_t n = 0; n <= file.len; n++) {
		const char *copy = unit_guard(file.data, n);

		buf_reset(&out);
		stack_render((struct slice){ copy, n }, &out);
		good = good && out.len > 0;
	}
	buf_done(&file);
	buf_done(&out);
	CHECK(good);
}

TEST(names_of_stacks)
{
	struct errmsg msg = { { 0 } };

	CHECK_INT(stack_check_name("my-stack_1", &msg), 0);
	CHECK_INT(stack_check_name("", &msg), ERR_INVALID);
	CHECK_INT(stack_check_name("-a", &msg), ERR_INVALID);
	CHECK_INT(stack_check_name("a b", &msg), ERR_INVALID);
	CHECK_STR(msg.text, "invalid stack name \"a b\": letters and digits, with - and _ between "
		"them, at most 63");
}
