/* Contracts are in entry.h. */
#include "applets/manager/state/entry.h"
#include <assert.h>
#include <string.h>
#include "base/bytes.h"
#include "base/err.h"

enum { STATUS_MAX = 999, AT_ID = 1, AT_STATUS = AT_ID + REQUEST_ID_LEN };

int request_id_is_none(struct request_id id)
{
	static const struct request_id none;

	return memcmp(id.bytes, none.bytes, REQUEST_ID_LEN) == 0;
}

static void copy(char *to, struct slice s)
{
	if (s.len)
		memcpy(to, s.data, s.len);
}

struct slice entry_build(struct arena *a, const struct entry *e)
{
	char *p = arena_new(a, ENTRY_HEAD_MAX + e->outcome.body.len + e->payload.len);
	size_t n = AT_STATUS;

	assert(e->outcome.body.len <= ENTRY_BODY_MAX);
	assert(e->outcome.status >= 0 && e->outcome.status <= STATUS_MAX);
	p[0] = (char)e->type;
	memcpy(p + AT_ID, e->id.bytes, REQUEST_ID_LEN);
	n += bytes_put_varint(p + n, (uint64_t)e->outcome.status);
	n += bytes_put_varint(p + n, e->outcome.body.len);
	copy(p + n, e->outcome.body);
	copy(p + n + e->outcome.body.len, e->payload);
	return (struct slice){ p, n + e->outcome.body.len + e->payload.len };
}

int entry_parse(struct slice bytes, struct entry *e)
{
	uint64_t status, length;
	size_t at = AT_STATUS, n;

	if (bytes.len < AT_STATUS)
		return ERR_INVALID;
	n = bytes_get_varint(bytes.data + at, bytes.len - at, &status);
	if (n == 0)
		return ERR_INVALID;
	at += n;
	n = bytes_get_varint(bytes.data + at, bytes.len - at, &length);
	if (n == 0)
		return ERR_INVALID;
	at += n;
	if (bytes.data[0] != ENTRY_TXN && bytes.data[0] != ENTRY_KV)
		return ERR_INVALID;
	if (status > STATUS_MAX || length > ENTRY_BODY_MAX || length > bytes.len - at)
		return ERR_INVALID;
	e->type = (enum entry_type)bytes.data[0];
	memcpy(e->id.bytes, bytes.data + AT_ID, REQUEST_ID_LEN);
	e->outcome.status = (int)status;
	e->outcome.body = (struct slice){ bytes.data + at, (size_t)length };
	e->payload = (struct slice){ e->outcome.body.data + length,
				     bytes.len - at - (size_t)length };
	return 0;
}
