/* main_address.h - where a node is reached, also after its host's addresses have changed. I/O. */
#ifndef SB_APPLETS_MANAGER_MAIN_ADDRESS_H
#define SB_APPLETS_MANAGER_MAIN_ADDRESS_H
#include "applets/manager/manager.h"
#include "base/arena.h"
#include "base/err.h"

/* 192.0.2.1, RFC 5737: what the default route leads to. */
#define ADDRESS_ANYWHERE UINT32_C(0xc0000201)

enum { CLUSTER_PORT = 2377 };

/* "HOST", "HOST:PORT", or NULL: the fallback -> "ADDRESS:PORT" in a. ERR_INVALID with msg, which
 * names the option. */
int address_full(struct arena *a, const char *option, const char *given, const char *fallback,
		 const char **out, struct errmsg *msg);
/* "ADDRESS:PORT", as address_full makes it. */
void address_split(const char *text, uint32_t *address, uint16_t *port);
/* Is it this host's now, or one that leads to it from elsewhere? */
int address_is_local(const char *text);
/*
 * Where the node is reached was an address of this host and is none any more: the one that this
 * host has now in packets to the first other manager takes its place, in listen_addr, too, where it
 * was the same. 1 if so; 0: there is nothing to change, or no route. Strings in a.
 */
int address_follow(struct arena *a, struct manager_config *node);
#endif
