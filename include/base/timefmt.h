/* timefmt.h - times and durations as text. Pure.
 *
 * Times are Unix nanoseconds (int64_t, years 1678-2262), written as RFC 3339 with
 * nanoseconds in UTC. Durations are nanoseconds.
 */
#ifndef SB_BASE_TIMEFMT_H
#define SB_BASE_TIMEFMT_H
#include <stdint.h>
#include "base/slice.h"

#define MS_NS INT64_C(1000000)
#define SECOND_NS INT64_C(1000000000)

enum { TIME_TEXT_MAX = 40 };

/* "2026-11-24T00:22:22.123456789Z"; trailing zeros of the fraction are dropped. 0 gives
 * "0001-01-01T00:00:00Z" as Go's zero time does. */
void time_format(int64_t unix_ns, char out[TIME_TEXT_MAX]);
/* RFC 3339 with optional fraction and any offset; year 1 gives 0. 0 or ERR_INVALID. */
int time_parse(struct slice text, int64_t *unix_ns);
/* "1h30m", "10s", "1.5s", "300ms", "5us", "7ns", "0", as Go's ParseDuration, not negative.
 * 0 or ERR_INVALID. */
int duration_parse(struct slice text, int64_t *ns);
/* "1h30m0s", "10s", "300ms" as Go's Duration.String. */
void duration_format(int64_t ns, char out[TIME_TEXT_MAX]);
/* How long ago, as docker prints: "Less than a second", "5 seconds", "About a minute",
 * "3 minutes", "About an hour", "2 hours", "3 days", "2 weeks", "5 months", "2 years". */
void duration_words(int64_t ns, char out[TIME_TEXT_MAX]);
/* "64m", "1.5g", "512k", "10b", "1024" -> bytes (powers of 1024), as docker's units.RAMInBytes.
 * 0 or ERR_INVALID. */
int size_parse(struct slice text, int64_t *bytes);
#endif
