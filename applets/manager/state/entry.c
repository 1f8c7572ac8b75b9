/* Contracts are in entry.h. */
#include "applets/manager/state/entry.h"
#include <assert.h>
#include <string.h>
#include "base/bytes.h"
#include "base/err.h"

enum { STATUS_MAX = 999, AT_ID = 1, AT_STATUS = AT_ID + REQUEST_ID_LEN, AT_LENGTH = AT_STATUS + 2 };

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
	size_t n = ENTRY_HEAD_LEN + e->outcome.body.len + e->payload.len;
	char *p = arena_new(a, n);

	assert(e->outcome.body.len <= ENTRY_BODY_MAX);
	assert(e->outcome.status >= 0 && e->outcome.status <= STATUS_MAX);
	p[0] = (char)e->type;
	memcpy(p + AT_ID, e->id.bytes, REQUEST_ID_LEN);
	bytes_put(p + AT_STATUS, 2, (uint64_t)e->outcome.status);
	bytes_put(p + AT_LENGTH, 4, e->outcome.body.len);
	copy(p + ENTRY_HEAD_LEN, e->outcome.body);
	copy(p + ENTRY_HEAD_LEN + e->outcome.body.len, e->payload);
	return (struct slice){ p, n };
}

int entry_parse(struct slice bytes, struct entry *e)
{
	uint32_t length;
	int status;

	if (bytes.len < ENTRY_HEAD_LEN)
		return ERR_INVALID;
	status = (int)bytes_get(bytes.data + AT_STATUS, 2);
	length = bytes_get_u32(bytes.data + AT_LENGTH);
	if (bytes.data[0] != ENTRY_TXN && bytes.data[0] != ENTRY_KV)
		return ERR_INVALID;
	if (status > STATUS_MAX || length > ENTRY_BODY_MAX || length > bytes.len - ENTRY_HEAD_LEN)
		return ERR_INVALID;
	e->type = (enum entry_type)bytes.data[0];
	memcpy(e->id.bytes, bytes.data + AT_ID, REQUEST_ID_LEN);
	e->outcome.status = status;
	e->outcome.body = (struct slice){ bytes.data + ENTRY_HEAD_LEN, length };
	e->payload = (struct slice){ e->outcome.body.data + length,
				     bytes.len - ENTRY_HEAD_LEN - length };
	return 0;
}
