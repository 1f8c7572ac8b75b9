/* entropy.h - random bytes for keys, salts and seeds, from the kernel. I/O. */
#ifndef SB_IO_ENTROPY_H
#define SB_IO_ENTROPY_H
#include <stddef.h>

/* Fills n bytes by getrandom(2), which waits until the kernel's pool is ready once after
 * boot. There is no second source: should the call fail, the process ends (abort). */
void entropy_fill(void *out, size_t n);
#endif
