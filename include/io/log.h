/* log.h - one line per event, to stderr. I/O.
 *
 *	2026-11-24T00:22:22.123Z info  text
 *
 * Callers keep secrets out: this module knows none. Control characters become '?', so that
 * no text from outside can forge a line. A line that cannot be written is dropped.
 */
#ifndef SB_IO_LOG_H
#define SB_IO_LOG_H
#include "base/slice.h"
#include "base/step.h"

enum { LOG_LINE_MAX = 2048 };	/* one line, longer ones are cut: an errmsg and its surroundings */

void log_write(enum log_level level, struct slice text);
/* printf rules. */
void log_printf(enum log_level level, const char *format, ...)
	__attribute__((format(printf, 2, 3)));
#endif
