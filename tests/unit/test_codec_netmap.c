/* The netmap's file, and IPv4 addresses. */
#include <string.h>
#include "base/mem.h"
#include "codec/netmap.h"
#include "unit.h"

#define COUNT(list) (sizeof(list) / sizeof((list)[0]))

static struct slice guarded(const char *text)
{
	return (struct slice){ unit_guard(text, strlen(text)), strlen(text) };
}

static const char golden[] =
	"{\"ports\":[{\"protocol\":\"tcp\",\"published\":4000,\"service\":\"s_web\",\"backends\":["
	"{\"task\":\"ID1\",\"address\":\"10.0.1.3\",\"port\":80},"
	"{\"task\":\"ID2\",\"address\":\"255.255.255.255\",\"port\":65535}]},"
	"{\"protocol\":\"tcp\",\"published\":4001,\"service\":\"idle\",\"backends\":[]},"
	"{\"protocol\":\"udp\",\"published\":53,\"service\":\"dns\",\"backends\":[]}]}";

TEST(netmap_golden)
{
	struct netmap_backend backends[] = {
		{ "ID1", 0x0a000103, 80 },
		{ "ID2", 0xffffffff, 65535 },
	};
	struct netmap_port ports[] = {
		{ NETMAP_TCP, 4000, "s_web", backends, 2 },
		{ NETMAP_TCP, 4001, "idle", NULL, 0 },
		{ NETMAP_UDP, 53, "dns", NULL, 0 },
	};
	struct netmap map = { ports, 3 };
	struct buf out;

	buf_init(&out, 4096);
	netmap_build(&map, &out);
	CHECK_STR(buf_str(&out), golden);
	buf_reset(&out);
	netmap_build(&(struct netmap){ NULL, 0 }, &out);
	CHECK_STR(buf_str(&out), "{\"ports\":[]}");
	buf_done(&out);
}

TEST(netmap_read_and_written_again)
{
	struct netmap map;
	struct arena a;
	struct buf out;

	arena_init(&a);
	buf_init(&out, 4096);
	CHECK_INT(netmap_parse(&a, guarded(golden), &map, NULL), 0);
	CHECK_INT(map.port_count, 3);
	CHECK_INT(map.ports[0].published, 4000);
	CHECK_INT(map.ports[0].backend_count, 2);
	CHECK_STR(map.ports[0].backends[1].task, "ID2");
	CHECK_INT(map.ports[0].backends[0].address, 0x0a000103);
	CHECK_INT(map.ports[2].protocol, NETMAP_UDP);
	netmap_build(&map, &out);
	CHECK_STR(buf_str(&out), golden);
	/* A file cut short is no netmap. */
	for (size_t n = 0; n + 1 < sizeof(golden); n++) {
		struct slice part = { unit_guard(golden, n), n };

		CHECK_INT(netmap_parse(&a, part, &map, NULL), ERR_INVALID);
	}
	CHECK_INT(map.port_count, 3);
	buf_done(&out);
	arena_done(&a);
}

#define PORT(protocol, published, backends)                                                \
	"{\"protocol\":\"" protocol "\",\"published\":" published ",\"service\":\"s\","         \
	"\"backends\":" backends "}"
#define BACKEND(task, address, port)                                                       \
	"[{\"task\":" task ",\"address\":" address ",\"port\":" port "}]"

static const struct {
	const char *text, *wanted;
} refused[] = {
	{ "[]", "netmap: no list of ports" },
	{ "{\"ports\":{}}", "netmap: no list of ports" },
	{ "{\"ports\":[1]}", "netmap: ports[0]: the protocol is neither tcp nor udp" },
	{ "{\"ports\":[" PORT("sctp", "1", "[]") "]}",
	  "netmap: ports[0]: the protocol is neither tcp nor udp" },
	{ "{\"ports\":[" PORT("tcp", "0", "[]") "]}",
	  "netmap: ports[0]: the published port is not in 1-65535" },
	{ "{\"ports\":[" PORT("tcp", "65536", "[]") "]}",
	  "netmap: ports[0]: the published port is not in 1-65535" },
	{ "{\"ports\":[{\"protocol\":\"tcp\",\"published\":1,\"service\":\"\",\"backends\":[]}]}",
	  "netmap: ports[0]: no service" },
	{ "{\"ports\":[" PORT("tcp", "1", "null") "]}", "netmap: ports[0]: no list of backends" },
	{ "{\"ports\":[" PORT("tcp", "1", BACKEND("7", "\"1.2.3.4\"", "80")) "]}",
	  "netmap: ports[0]: a backend without task" },
	{ "{\"ports\":[" PORT("tcp", "1", BACKEND("\"t\"", "\"1.2.3\"", "80")) "]}",
	  "netmap: ports[0]: a backend's address is no IPv4 address" },
	{ "{\"ports\":[" PORT("tcp", "1", BACKEND("\"t\"", "\"1.2.3.4\"", "\"80\"")) "]}",
	  "netmap: ports[0]: a backend's port is not in 1-65535" },
	{ "{\"ports\":[" PORT("tcp", "2", "[]") "," PORT("tcp", "2", "[]") "]}",
	  "netmap: ports[1]: not in order of protocol and port, or twice" },
	{ "{\"ports\":[" PORT("udp", "1", "[]") "," PORT("tcp", "2", "[]") "]}",
	  "netmap: ports[1]: not in order of protocol and port, or twice" },
	{ "{\"ports\":[" PORT("tcp", "3", "[]") "," PORT("tcp", "2", "[]") "]}",
	  "netmap: ports[1]: not in order of protocol and port, or twice" },
	{ "{", "netmap: invalid JSON at byte 1: a string is missing" },
};

TEST(what_is_no_netmap)
{
	struct netmap map;
	struct arena a;

	arena_init(&a);
	for (size_t i = 0; i < COUNT(refused); i++) {
		struct errmsg msg = { { 0 } };

		CHECK_INT(netmap_parse(&a, guarded(refused[i].text), &map, &msg), ERR_INVALID);
		CHECK_STR(msg.text, refused[i].wanted);
	}
	arena_done(&a);
}

static void check_count(uint32_t port_count, uint32_t backend_count, int wanted)
{
	struct netmap_backend *backends = mem_new(backend_count * sizeof(*backends));
	struct netmap_port *ports = mem_new(port_count * sizeof(*ports));
	struct netmap map = { ports, port_count }, again;
	struct errmsg msg = { { 0 } };
	struct arena a;
	struct buf out;

	for (uint32_t i = 0; i < backend_count; i++)
		backends[i] = (struct netmap_backend){ "t", i, 80 };
	for (uint32_t i = 0; i < port_count; i++)
		ports[i] = (struct netmap_port){ NETMAP_TCP, (uint16_t)(i + 1), "s", NULL, 0 };
	ports[0].backends = backends;
	ports[0].backend_count = backend_count;
	arena_init(&a);
	buf_init(&out, 4 << 20);
	netmap_build(&map, &out);
	unit_check_int(netmap_parse(&a, buf_slice(&out), &again, &msg), wanted, msg.text, __FILE__,
		       __LINE__);
	buf_done(&out);
	arena_done(&a);
	mem_free(ports);
	mem_free(backends);
}

TEST(netmap_counts_are_bounded)
{
	check_count(NETMAP_PORTS_MAX, NETMAP_BACKENDS_MAX, 0);
	check_count(NETMAP_PORTS_MAX + 1, 1, ERR_LIMIT);
	check_count(1, NETMAP_BACKENDS_MAX + 1, ERR_LIMIT);
}

TEST(ipv4_both_ways)
{
	static const char *const bad[] = {
		"", ".", "1", "1.2.3", "1.2.3.", ".1.2.3", "1.2.3.4.", "1.2.3.4.5", "256.1.1.1",
		"1.2.3.256", "1..2.3", "01.2.3.4", "1.2.3.00", "1.2.3.4 ", " 1.2.3.4", "1.2.3.-4",
		"1.2.3.x", "...", "1.2.3.0004", "99999999999999999999.1.1.1",
	};
	static const struct {
		const char *text;
		uint32_t value;
	} good[] = {
		{ "0.0.0.0", 0 }, { "10.0.1.3", 0x0a000103 }, { "255.255.255.255", 0xffffffff },
		{ "127.0.0.1", 0x7f000001 }, { "1.20.100.0", 0x01146400 },
	};
	uint32_t value;

	for (size_t i = 0; i < COUNT(bad); i++)
		CHECK_INT(ipv4_parse(guarded(bad[i]), &value), ERR_INVALID);
	CHECK_INT(ipv4_parse((struct slice){ NULL, 0 }, &value), ERR_INVALID);
	for (size_t i = 0; i < COUNT(good); i++) {
		char text[16];

		CHECK_INT(ipv4_parse(guarded(good[i].text), &value), 0);
		CHECK_INT(value, good[i].value);
		ipv4_format(value, text);
		CHECK_STR(text, good[i].text);
	}
}
