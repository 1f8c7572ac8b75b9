/* reference.h - image references: what an image may be called. Pure.
 *
 * Docker's grammar (distribution/reference): [domain/]component(/component)*[:tag][@digest].
 */
#ifndef SB_DOCKER_REFERENCE_H
#define SB_DOCKER_REFERENCE_H
#include "base/arena.h"
#include "base/slice.h"

/* 1 if an engine would take text as an image's name. */
int reference_is_valid(struct slice text);
/* text, with ":latest" if it has neither tag nor digest. In a, or text itself. */
const char *reference_tagged(struct arena *a, const char *text);
#endif
