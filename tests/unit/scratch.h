/* scratch.h - a folder of a test's own, and damage to files in it. I/O. */
#ifndef SB_UNIT_SCRATCH_H
#define SB_UNIT_SCRATCH_H
#include <stddef.h>

enum { SCRATCH_PATH = 256 };

/* An empty folder under $TMPDIR or /tmp. */
void scratch_make(char path[SCRATCH_PATH]);
/* Removes it with all that is in it. */
void scratch_remove(const char *path);
/* path of a file in it. Valid until the next call. */
const char *scratch_file(const char *folder, const char *name);
/* The whole file: *n bytes, to be freed by the caller; NULL if there is none. */
char *scratch_read(const char *path, size_t *n);
void scratch_write(const char *path, const void *bytes, size_t n);
/* How many names begin with prefix; the first of them in order, if name is not NULL. */
int scratch_count(const char *folder, const char *prefix, char name[SCRATCH_PATH]);
#endif
