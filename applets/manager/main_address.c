/* Contracts are in main_address.h. */
#include "applets/manager/main_address.h"
#include "codec/netmap.h"
#include "io/sock.h"

int address_full(struct arena *a, const char *option, const char *given, const char *fallback,
		 const char **out, struct errmsg *msg)
{
	struct slice port = slice_of(given ? given : fallback), host = slice_cut(&port, ':');
	uint64_t number = CLUSTER_PORT;
	uint32_t address;
	char text[16];

	if (ipv4_parse(host, &address) < 0 ||
	    (port.data && (slice_to_u64(port, 65535, &number) < 0 || number == 0)))
		return errmsg_set(msg, ERR_INVALID, "%s %s: must be an IPv4 address with an "
				  "optional port", option, given);
	ipv4_format(address, text);
	*out = arena_printf(a, "%s:%llu", text, (unsigned long long)number);
	return 0;
}

void address_split(const char *text, uint32_t *address, uint16_t *port)
{
	struct slice rest = slice_of(text);
	uint64_t number = 0;

	(void)ipv4_parse(slice_cut(&rest, ':'), address);
	(void)slice_to_u64(rest, 65535, &number);
	*port = (uint16_t)number;
}

int address_is_local(const char *text)
{
	uint32_t address = 0;
	uint16_t port;

	address_split(text, &address, &port);
	return sock_is_local(address);
}

static const char *with_port(struct arena *a, uint32_t address, uint16_t port)
{
	char text[16];

	ipv4_format(address, text);
	return arena_printf(a, "%s:%u", text, port);
}

int address_follow(struct arena *a, struct manager_config *node)
{
	struct slice rest = slice_of(node->contacts), other;
	uint32_t old = 0, listen = 0, to = ADDRESS_ANYWHERE, own;
	uint16_t port, listen_port, any;

	if (node->advertise_fixed || !*node->advertise_addr ||
	    address_is_local(node->advertise_addr))
		return 0;
	address_split(node->advertise_addr, &old, &port);
	address_split(node->listen_addr, &listen, &listen_port);
	do {
		other = slice_cut(&rest, ' ');
	} while (rest.len && other.len == 0);
	if (other.len)
		address_split(arena_str(a, other), &to, &any);
	own = sock_own_address(to);
	if (own == 0 || own == old)
		return 0;
	node->advertise_addr = with_port(a, own, port);
	if (listen == old)
		node->listen_addr = with_port(a, own, listen_port);
	return 1;
}
