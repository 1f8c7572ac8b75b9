/* Contracts are in logmux.h. */
#include "docker/logmux.h"
#include <string.h>
#include "base/err.h"

void logmux_init(struct logmux *m, int raw)
{
	*m = (struct logmux){ .raw = raw };
}

/* Gathers the 8 bytes of a frame's head. 1 when they are all there, 0, or ERR_INVALID. */
static int take_head(struct logmux *m, struct slice *input)
{
	size_t n = sizeof(m->head) - m->have;

	if (n > input->len)
		n = input->len;
	if (n)
		memcpy(m->head + m->have, input->data, n);
	m->have += n;
	input->data += n;
	input->len -= n;
	if (m->have < sizeof(m->head))
		return 0;
	if (m->head[0] > 2 || m->head[1] || m->head[2] || m->head[3])
		return ERR_INVALID;
	m->left = (uint32_t)m->head[4] << 24 | (uint32_t)m->head[5] << 16 |
		  (uint32_t)m->head[6] << 8 | m->head[7];
	return 1;
}

int logmux_next(struct logmux *m, struct slice *input, enum logmux_stream *stream,
		struct slice *piece)
{
	if (m->raw) {
		*stream = LOGMUX_STDOUT;
		*piece = *input;
		*input = (struct slice){ 0 };
		return piece->len > 0;
	}
	while (input->len) {
		if (m->left == 0) {
			int got = take_head(m, input);

			if (got <= 0)
				return got;
			m->have = 0;
			continue;
		}
		*stream = m->head[0] == 2 ? LOGMUX_STDERR : LOGMUX_STDOUT;
		*piece = *input;
		if (piece->len > m->left)
			piece->len = m->left;
		m->left -= (uint32_t)piece->len;
		input->data += piece->len;
		input->len -= piece->len;
		return 1;
	}
	return 0;
}
