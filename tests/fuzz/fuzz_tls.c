/* An end of TLS that is fed anything, in any cuts: it says no more than its flights, opens for
 * nobody without a certificate, and takes nothing after an error. Its seed is the one that the
 * seeds of this fuzzer were recorded with, so they are whole handshakes that open. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include "crypt/devcert.h"
#include "crypt/tls.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { NOW_S = 1800000000, SAYS_MAX = 4096 };

static void must(int ok)
{
	if (!ok)
		abort();
}

static void feed(struct tls *t, struct slice in, size_t step)
{
	size_t said = 0;

	while (in.len) {
		size_t n = tls_feed(t, (struct slice){ in.data, in.len < step ? in.len : step });
		struct slice out = tls_out(t);

		said += out.len;
		tls_sent(t, out.len);
		tls_taken(t, tls_read(t).len);
		must(said <= SAYS_MAX);
		if (tls_is_open(t))
			must(strcmp(tls_peer_name(t), "development node") == 0);
		else
			must(tls_write(t, SLICE("x")) == 0 && tls_read(t).len == 0);
		if (n == 0 && out.len == 0)
			break;
		in.data += n;
		in.len -= n;
	}
	if (tls_error(t, NULL) < 0)
		must(tls_feed(t, SLICE("x")) == 0 && tls_out(t).len == 0);
	else
		must(in.len == 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct tls_identity who;
	static struct tls_anchor anchor;
	static char buffer[TLS_BUFFER_FULL];
	static struct tls t;
	struct tls_config c = { .identity = &who, .anchors = &anchor, .anchor_count = 1,
				.now_s = NOW_S, .seed = { 1 } };
	struct slice in = { (const char *)data + 1, size - 1 };

	if (size < 2)
		return 0;
	devcert_identity(&who);
	if (tls_anchor_init(&anchor, devcert_authority(), NULL) < 0)
		abort();
	if (data[0] & 1)
		tls_init_server(&t, &c, buffer, data[0] & 2 ? TLS_BUFFER_FULL : TLS_BUFFER_SMALL);
	else
		tls_init_client(&t, &c, buffer, data[0] & 2 ? TLS_BUFFER_FULL : TLS_BUFFER_SMALL);
	if (!(data[0] & 1))
		tls_sent(&t, tls_out(&t).len);
	feed(&t, in, 1 + data[0] / 4);
	tls_done(&t);
	(void)tls_anchor_init(&anchor, in, NULL);	/* refused or not: it stays in bounds */
	return 0;
}
