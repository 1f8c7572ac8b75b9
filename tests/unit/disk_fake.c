/* Contracts are in disk_fake.h. A handle is an inode's number. */
#include "disk_fake.h"
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static void content_set(struct disk_content *c, const char *bytes, size_t size)
{
	char *copy = malloc(size + 1);

	if (size)
		memcpy(copy, bytes, size);
	free(c->bytes);
	*c = (struct disk_content){ copy, size };
}

static void content_done(struct disk_content *c)
{
	free(c->bytes);
	*c = (struct disk_content){ 0 };
}

static int name_find(const struct disk_names *n, const char *name)
{
	for (int i = 0; i < n->count; i++) {
		if (strcmp(n->name[i], name) == 0)
			return i;
	}
	return -1;
}

static void name_drop(struct disk_names *n, const char *name)
{
	int i = name_find(n, name);

	if (i < 0)
		return;
	n->count--;
	memmove(n->name[i], n->name[i + 1], (size_t)(n->count - i) * DISK_NAME);
	memmove(&n->inode[i], &n->inode[i + 1], (size_t)(n->count - i) * sizeof(n->inode[0]));
}

static void name_put(struct disk_names *n, const char *name, int inode)
{
	name_drop(n, name);
	if (n->count == DISK_NAMES)
		abort();
	snprintf(n->name[n->count], DISK_NAME, "%s", name);
	n->inode[n->count++] = inode;
}

/* What cannot be done to these names any more is left out. */
static void name_change(struct disk_names *n, const struct disk_change *c)
{
	if (!c->from[0]) {
		name_put(n, c->to, c->inode);
		return;
	}
	int i = name_find(n, c->from);

	if (i < 0 || n->inode[i] != c->inode)
		return;
	name_drop(n, c->from);
	if (c->to[0])
		name_put(n, c->to, c->inode);
}

static void changed(struct disk *d, const char *from, const char *to, int inode)
{
	struct disk_change c = { .inode = inode };

	snprintf(c.from, sizeof(c.from), "%s", from);
	snprintf(c.to, sizeof(c.to), "%s", to);
	if (d->change_count == DISK_NAMES)
		abort();
	d->changes[d->change_count++] = c;
	name_change(&d->now, &c);
}

/* ---- operations ----------------------------------------------------------------------- */

/* Counts an operation; -1 if it fails. */
static int fails(struct disk *d)
{
	int fail = d->calls == d->fail_at || (d->dead && d->fail_at >= 0 && d->calls > d->fail_at);

	d->calls++;
	if (fail)
		errno = d->fail_errno;
	return fail ? -1 : 0;
}

static int disk_create(void *context, const char *name)
{
	struct disk *d = context;
	int i = 0;

	if (fails(d) < 0)
		return -1;
	if (d->full) {
		errno = ENOSPC;
		return -1;
	}
	while (i < DISK_INODES && d->inodes[i].used)
		i++;
	if (i == DISK_INODES)
		abort();
	d->inodes[i].used = 1;
	content_set(&d->inodes[i].now, NULL, 0);
	content_set(&d->inodes[i].safe, NULL, 0);
	changed(d, "", name, i);
	return i;
}

static int disk_open(void *context, const char *name)
{
	struct disk *d = context;
	int i = name_find(&d->now, name);

	if (i >= 0)
		return d->now.inode[i];
	errno = ENOENT;
	return -1;
}

/* Calls come back short now and then. */
static size_t shortened(size_t n)
{
	return n > 1000 ? n - n / 3 : n;
}

static ssize_t disk_read(void *context, int fd, void *bytes, size_t n, uint64_t offset)
{
	struct disk *d = context;
	const struct disk_content *c = &d->inodes[fd].now;

	if (d->dead && d->fail_at >= 0 && d->calls > d->fail_at) {
		errno = d->fail_errno;
		return -1;
	}
	if (offset >= c->size)
		return 0;
	n = shortened(n < c->size - offset ? n : c->size - (size_t)offset);
	if (c == d->bad && offset + n > d->bad_offset) {
		n = offset < d->bad_offset ? (size_t)(d->bad_offset - offset) : 0;
		errno = EIO;
		if (n == 0)
			return -1;
	}
	memcpy(bytes, c->bytes + offset, n);
	return (ssize_t)n;
}

static ssize_t disk_write(void *context, int fd, const void *bytes, size_t n, uint64_t offset)
{
	struct disk *d = context;
	struct disk_content *c = &d->inodes[fd].now;
	int failed = fails(d);

	/* What fails has got half way. */
	n = failed < 0 ? n / 2 : shortened(n);
	if (d->full && offset + n > c->size) {
		errno = ENOSPC;
		return -1;
	}
	if (offset + n > c->size) {
		c->bytes = realloc(c->bytes, (size_t)offset + n + 1);
		memset(c->bytes + c->size, 0, (size_t)offset + n - c->size);
		c->size = (size_t)offset + n;
	}
	memcpy(c->bytes + offset, bytes, n);
	return failed < 0 ? -1 : (ssize_t)n;
}

static int disk_sync(void *context, int fd)
{
	struct disk *d = context;
	struct disk_inode *i = &d->inodes[fd];

	if (fails(d) < 0)
		return -1;
	content_set(&i->safe, i->now.bytes, i->now.size);
	return 0;
}

static void disk_close(void *context, int fd)
{
	(void)context;
	(void)fd;
}

static int disk_rename(void *context, const char *from, const char *to)
{
	struct disk *d = context;
	int i;

	if (fails(d) < 0)
		return -1;
	i = name_find(&d->now, from);
	if (i < 0) {
		errno = ENOENT;
		return -1;
	}
	changed(d, from, to, d->now.inode[i]);
	return 0;
}

static int disk_remove(void *context, const char *name)
{
	struct disk *d = context;
	int i;

	if (fails(d) < 0)
		return -1;
	i = name_find(&d->now, name);
	if (i < 0) {
		errno = ENOENT;
		return -1;
	}
	changed(d, name, "", d->now.inode[i]);
	return 0;
}

static int disk_sync_names(void *context)
{
	struct disk *d = context;

	if (fails(d) < 0)
		return -1;
	d->safe = d->now;
	d->change_count = 0;
	return 0;
}

static int disk_each(void *context, int (*each)(void *arg, const char *name), void *arg)
{
	struct disk *d = context;
	struct disk_names names = d->now;	/* each may remove */

	for (int i = 0; i < names.count; i++) {
		int err = each(arg, names.name[i]);

		if (err < 0)
			return err;
	}
	return 0;
}

static const struct folder_ops ops = {
	.create = disk_create, .open = disk_open, .read = disk_read, .write = disk_write,
	.sync = disk_sync, .close = disk_close, .rename = disk_rename, .remove = disk_remove,
	.sync_names = disk_sync_names, .each = disk_each,
};

/* ---- the disk -------------------------------------------------------------------------- */

void disk_init(struct disk *d)
{
	memset(d, 0, sizeof(*d));
	d->fail_at = -1;
	folder_open_with(&d->folder, &ops, d, "disk");
}

void disk_done(struct disk *d)
{
	for (int i = 0; i < DISK_INODES; i++) {
		content_done(&d->inodes[i].now);
		content_done(&d->inodes[i].safe);
	}
	disk_init(d);
}

/* Is this one kept? */
static int chance(struct disk *d, enum disk_crash how)
{
	d->random = d->random * 1664525 + 1013904223;
	return how == DISK_MIX ? (int)(d->random >> 20 & 1) : how == DISK_KEEP;
}

static void inode_crash(struct disk *d, struct disk_inode *i, enum disk_crash how)
{
	size_t size = chance(d, how) ? i->now.size : i->safe.size;
	char *bytes = calloc(1, size + 1);

	for (size_t at = 0; at < size; at += DISK_SECTOR) {
		const struct disk_content *from = chance(d, how) ? &i->now : &i->safe;
		size_t n = size - at < DISK_SECTOR ? size - at : DISK_SECTOR;

		if (at < from->size)
			memcpy(bytes + at, from->bytes + at,
			       n < from->size - at ? n : from->size - at);
	}
	content_set(&i->now, bytes, size);
	content_set(&i->safe, bytes, size);
	free(bytes);
}

void disk_crash(struct disk *d, enum disk_crash how, uint32_t seed)
{
	d->random = seed;
	d->fail_at = -1;
	d->calls = 0;
	if (how == DISK_KILL)
		return;
	for (int i = 0; i < d->change_count; i++) {
		if (chance(d, how))
			name_change(&d->safe, &d->changes[i]);
	}
	d->now = d->safe;
	d->change_count = 0;
	for (int i = 0; i < DISK_INODES; i++)
		d->inodes[i].used = 0;
	for (int i = 0; i < d->now.count; i++)
		d->inodes[d->now.inode[i]].used = 1;
	for (int i = 0; i < DISK_INODES; i++) {
		if (d->inodes[i].used)
			inode_crash(d, &d->inodes[i], how);
	}
}

struct disk_content *disk_file(struct disk *d, const char *name)
{
	int i = name_find(&d->now, name);

	return i < 0 ? NULL : &d->inodes[d->now.inode[i]].now;
}

int disk_count(const struct disk *d, const char *prefix, char name[DISK_NAME])
{
	const char *first = NULL;
	int count = 0;

	for (int i = 0; i < d->now.count; i++) {
		if (strncmp(d->now.name[i], prefix, strlen(prefix)) != 0)
			continue;
		count++;
		if (!first || strcmp(d->now.name[i], first) < 0)
			first = d->now.name[i];
	}
	if (name && first)
		snprintf(name, DISK_NAME, "%s", first);
	return count;
}

void disk_copy(struct disk *to, const struct disk *from)
{
	struct disk old = *to;

	*to = *from;
	to->folder.context = to;
	for (int i = 0; i < DISK_INODES; i++) {
		to->inodes[i] = old.inodes[i];
		to->inodes[i].used = from->inodes[i].used;
		if (!from->inodes[i].used)
			continue;
		content_set(&to->inodes[i].now, from->inodes[i].now.bytes,
			    from->inodes[i].now.size);
		content_set(&to->inodes[i].safe, from->inodes[i].safe.bytes,
			    from->inodes[i].safe.size);
	}
}
