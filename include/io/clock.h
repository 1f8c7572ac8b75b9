/* clock.h - the two clocks. I/O. */
#ifndef SB_IO_CLOCK_H
#define SB_IO_CLOCK_H
#include <stdint.h>

/* Milliseconds since some moment before this process; never goes back (CLOCK_MONOTONIC). */
uint64_t clock_now_ms(void);
/* Unix time in nanoseconds: only for stamps that people read. */
int64_t clock_wall_ns(void);
#endif
