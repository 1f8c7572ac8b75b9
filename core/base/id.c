/* Contracts are in id.h. */
#include "base/id.h"

void id_new(struct rng *r, char out[ID_LEN + 1])
{
	static const char digits[] = "0123456789abcdefghijklmnopqrstuvwxyz";

	for (int i = 0; i < ID_LEN; i++)
		out[i] = digits[rng_below(r, 36)];
	out[ID_LEN] = '\0';
}

static int is_alnum(char c)
{
	return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
}

int name_is_valid(struct slice name)
{
	if (name.len == 0 || name.len > NAME_MAX_LEN)
		return 0;
	if (!is_alnum(name.data[0]) || !is_alnum(name.data[name.len - 1]))
		return 0;
	for (size_t i = 0; i < name.len; i++) {
		if (!is_alnum(name.data[i]) && name.data[i] != '-' && name.data[i] != '_')
			return 0;
	}
	return 1;
}
