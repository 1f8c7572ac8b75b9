/* mem.h - the heap. The only callers of malloc are core/base and core/io. Pure.
 *
 * A daemon that cannot get memory cannot keep its promises: these end the process
 * (abort) when the system has none, so no caller checks. Input is bounded before it
 * gets here: a size is never taken from outside unchecked.
 */
#ifndef SB_BASE_MEM_H
#define SB_BASE_MEM_H
#include <stddef.h>

/* n zeroed bytes (n = 0 gives one). The caller frees with mem_free. */
void *mem_new(size_t n);
/* Resizes p (NULL allowed) to n bytes; new bytes are not zeroed. */
void *mem_resize(void *p, size_t n);
/* NULL allowed. */
void mem_free(void *p);
/* Overwrites n bytes in a way the compiler keeps: for keys and secrets. */
void mem_wipe(void *p, size_t n);
/* 1 if equal; the time does not depend on the contents. */
int mem_equal_secret(const void *a, const void *b, size_t n);
#endif
