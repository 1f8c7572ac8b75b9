/* image.h - engine requests about images. Pure. */
#ifndef SB_DOCKER_IMAGE_H
#define SB_DOCKER_IMAGE_H
#include "docker/docker.h"

/* 200 when the image is there, 404 when it must be pulled. */
struct docker_request image_inspect_request(struct arena *a, const char *image);
/*
 * POST /images/create. The tag is what follows the last ':' after the last '/'; a digest
 * counts as the tag; without either it is "latest". The answer is a stream of lines.
 */
struct docker_request image_pull_request(struct arena *a, const char *image);
/* Why the pull failed, if this line of its stream says so; else NULL. In a. */
const char *image_pull_error(struct arena *a, struct slice line);
#endif
