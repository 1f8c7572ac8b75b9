/* Contracts are in disk.h. A page that was never written is not there and reads as zeros: files are
 * grown by zeros ahead of what is written. */
#include "disk.h"
#include <assert.h>
#include <errno.h>
#include <string.h>
#include "base/mem.h"

enum { SECTORS = DISK_PAGE / DISK_SECTOR, LAST_BYTES = 200 };

struct page {
	uint8_t now[DISK_PAGE], durable[DISK_PAGE];
	uint8_t dirty;			/* one bit a sector: to be written by the next sync */
	uint8_t behind;			/* durable is not what now is */
};

struct disk_inode {
	struct disk_inode *next;
	struct page **pages;
	size_t page_count;
	uint64_t size, durable_size;
	int links;			/* names in now, durable and the changes between them */
	int opens;
};

static const uint8_t zeros[64 << 10];

void disk_init(struct disk *d, uint64_t seed)
{
	*d = (struct disk){ .dead = 0 };
	rng_init(&d->rng, seed);
}

static void drop(struct disk *d, struct disk_inode *inode)
{
	struct disk_inode **link = &d->inodes;

	if (!inode || inode->links > 0 || inode->opens > 0)
		return;
	while (*link != inode)
		link = &(*link)->next;
	*link = inode->next;
	for (size_t i = 0; i < inode->page_count; i++)
		mem_free(inode->pages[i]);
	mem_free(inode->pages);
	mem_free(inode);
}

static void undo_drop(struct disk *d)
{
	while (d->undo) {
		struct disk_undo *u = d->undo;

		d->undo = u->next;
		u->inode->opens--;
		drop(d, u->inode);
		mem_free(u);
	}
}

/* ---- names --------------------------------------------------------------------- */

static struct disk_entry *find(struct disk_names *names, const char *name)
{
	for (int i = 0; i < names->count; i++) {
		if (strcmp(names->entries[i].name, name) == 0)
			return &names->entries[i];
	}
	return NULL;
}

/* inode NULL: the name goes. */
static void set(struct disk *d, struct disk_names *names, const char *name,
		struct disk_inode *inode)
{
	struct disk_entry *e = find(names, name);
	struct disk_inode *old = e ? e->inode : NULL;

	if (inode)
		inode->links++;
	if (!e && inode) {
		assert(names->count < DISK_NAMES);
		e = &names->entries[names->count++];
		memcpy(e->name, name, strlen(name) + 1);
		e->inode = inode;
	} else if (e && inode) {
		e->inode = inode;
	} else if (e) {
		*e = names->entries[--names->count];
	}
	if (old)
		old->links--;
	drop(d, old);
}

static void changes_durable(struct disk *d, int count)
{
	for (int i = 0; i < count; i++) {
		struct disk_entry *c = &d->changes[i];

		set(d, &d->durable, c->name, c->inode);
		if (c->inode)
			c->inode->links--;
		drop(d, c->inode);
	}
	d->change_count -= count;
	memmove(d->changes, d->changes + count, (size_t)d->change_count * sizeof(d->changes[0]));
}

static void change(struct disk *d, const char *name, struct disk_inode *inode)
{
	struct disk_entry *c;

	if (d->syncing) {	/* what goes on in the folder comes after the sync */
		d->syncing = 0;
		undo_drop(d);
	}
	if (d->change_count == DISK_CHANGES)
		changes_durable(d, 1);	/* as time goes by it is written */
	c = &d->changes[d->change_count++];
	memcpy(c->name, name, strlen(name) + 1);
	c->inode = inode;
	if (inode)
		inode->links++;
	set(d, &d->now, name, inode);
}

/* ---- operations ---------------------------------------------------------------- */

/* 0, or what errno is set to. */
static int trouble(struct disk *d, int sync)
{
	enum disk_fault fault = d->dead ? DISK_DIES : d->fault ? d->fault(d->arg, sync) : DISK_OK;

	d->dead |= fault == DISK_DIES;
	errno = fault == DISK_OK ? 0 : fault == DISK_NO_SPACE ? ENOSPC : EIO;
	return errno;
}

static int handle(struct disk *d, struct disk_inode *inode)
{
	for (int i = 0; i < DISK_HANDLES; i++) {
		if (!d->handles[i]) {
			d->handles[i] = inode;
			inode->opens++;
			return i;
		}
	}
	errno = EMFILE;
	return -1;
}

static int op_create(void *context, const char *name)
{
	struct disk *d = context;
	struct disk_inode *inode;

	assert(strlen(name) < DISK_NAME_MAX);
	if (trouble(d, 0))
		return -1;
	if (d->full) {
		errno = ENOSPC;
		return -1;
	}
	inode = mem_new(sizeof(*inode));
	inode->next = d->inodes;
	d->inodes = inode;
	change(d, name, inode);
	return handle(d, inode);
}

static int op_open(void *context, const char *name)
{
	struct disk *d = context;
	struct disk_entry *e = find(&d->now, name);

	if (d->dead || !e) {
		errno = d->dead ? EIO : ENOENT;
		return -1;
	}
	return handle(d, e->inode);
}

static ssize_t op_read(void *context, int fd, void *bytes, size_t n, uint64_t offset)
{
	struct disk *d = context;
	const struct disk_inode *inode = d->handles[fd];
	uint8_t *to = bytes;

	if (offset >= inode->size)
		return 0;
	if (n > inode->size - offset)
		n = (size_t)(inode->size - offset);
	for (size_t done = 0; done < n;) {
		size_t page = (size_t)(offset + done) / DISK_PAGE, at = (offset + done) % DISK_PAGE;
		size_t part = n - done < DISK_PAGE - at ? n - done : DISK_PAGE - at;

		if (page < inode->page_count && inode->pages[page])
			memcpy(to + done, inode->pages[page]->now + at, part);
		else
			memset(to + done, 0, part);
		done += part;
	}
	return (ssize_t)n;
}

static struct page *page_for(struct disk_inode *inode, size_t number)
{
	if (number >= inode->page_count) {
		size_t count = number < 8 ? 8 : 2 * number;

		inode->pages = mem_resize(inode->pages, count * sizeof(struct page *));
		memset(inode->pages + inode->page_count, 0,
		       (count - inode->page_count) * sizeof(struct page *));
		inode->page_count = count;
	}
	if (!inode->pages[number])
		inode->pages[number] = mem_new(sizeof(struct page));
	return inode->pages[number];
}

/* bytes NULL: of the size. */
static void undo_add(struct disk *d, struct disk_inode *inode, int cached, uint64_t offset,
		     const uint8_t *bytes)
{
	struct disk_undo *u = mem_new(sizeof(*u));

	u->next = d->undo;
	u->inode = inode;
	u->cached = cached;
	u->offset = bytes ? offset : UINT64_MAX;
	u->size = cached ? inode->size : inode->durable_size;
	if (bytes)
		memcpy(u->bytes, bytes, DISK_SECTOR);
	inode->opens++;
	d->undo = u;
}

/* What is written over a damaged place is what is to be there when it is healed. */
static void scars_written(struct disk *d, const struct disk_inode *inode, const uint8_t *from,
			  size_t n, uint64_t offset)
{
	for (int i = 0; i < d->scar_count; i++) {
		struct disk_scar *s = &d->scars[i];
		uint64_t begin = s->offset > offset ? s->offset : offset;
		uint64_t end = s->offset + s->len < offset + n ? s->offset + s->len : offset + n;

		if (s->inode == inode && begin < end)
			memcpy(s->bytes + (begin - s->offset), from + (begin - offset),
			       (size_t)(end - begin));
	}
}

static void put(struct disk *d, struct disk_inode *inode, const uint8_t *from, size_t n,
		uint64_t offset)
{
	if (d->syncing == 2)
		undo_add(d, inode, 1, 0, NULL);
	scars_written(d, inode, from, n, offset);
	for (size_t done = 0; done < n;) {
		size_t number = (size_t)(offset + done) / DISK_PAGE;
		size_t at = (offset + done) % DISK_PAGE;
		size_t part = n - done < DISK_PAGE - at ? n - done : DISK_PAGE - at;
		int absent = number >= inode->page_count || !inode->pages[number];

		if (!absent || part > sizeof(zeros) || memcmp(from + done, zeros, part) != 0) {
			struct page *page = page_for(inode, number);

			for (size_t s = at / DISK_SECTOR; s <= (at + part - 1) / DISK_SECTOR; s++) {
				if (d->syncing == 2)
					undo_add(d, inode, 1, number * DISK_PAGE + s * DISK_SECTOR,
						 page->now + s * DISK_SECTOR);
				page->dirty |= (uint8_t)(1u << s);
			}
			memcpy(page->now + at, from + done, part);
			page->behind |= page->dirty;
		}
		done += part;
	}
	if (offset + n > inode->size)
		inode->size = offset + n;
}

static ssize_t op_write(void *context, int fd, const void *bytes, size_t n, uint64_t offset)
{
	struct disk *d = context;
	struct disk_inode *inode = d->handles[fd];

	if (n == 0)
		return 0;
	if (trouble(d, 0)) {
		/* Of what broke off a part may be there (but see disk_restart). */
		if (!d->scar_count)
			put(d, inode, bytes, (size_t)rng_below(&d->rng, n), offset);
		return -1;
	}
	if (d->full == DISK_FULLER && rng_chance(&d->rng, 1, 4)) {
		errno = ENOSPC;
		return -1;
	}
	if (d->full && offset + n > inode->size) {
		if (offset >= inode->size) {
			errno = ENOSPC;
			return -1;
		}
		n = (size_t)(inode->size - offset);
	}
	if (n > 1 && !d->scar_count && rng_chance(&d->rng, 1, 64))
		n = 1 + (size_t)rng_below(&d->rng, n - 1);
	put(d, inode, bytes, n, offset);
	return (ssize_t)n;
}

static void sector_durable(struct page *page, size_t s)
{
	memcpy(page->durable + s * DISK_SECTOR, page->now + s * DISK_SECTOR, DISK_SECTOR);
	page->behind &= (uint8_t)~(1u << s);
}

static int op_sync(void *context, int fd)
{
	struct disk *d = context;
	struct disk_inode *inode = d->handles[fd];
	int failed = trouble(d, 1);

	if (d->dead)
		return -1;
	for (size_t i = 0; i < inode->page_count; i++) {
		struct page *page = inode->pages[i];

		for (size_t s = 0; page && page->dirty && s < SECTORS; s++) {
			if (!(page->dirty & 1u << s) || (failed && rng_chance(&d->rng, 1, 2)))
				continue;
			if (d->syncing)
				undo_add(d, inode, 0, i * DISK_PAGE + s * DISK_SECTOR,
					 page->durable + s * DISK_SECTOR);
			sector_durable(page, s);
		}
		if (page)
			page->dirty = 0;
	}
	if (failed)
		return -1;
	if (d->syncing && inode->durable_size != inode->size)
		undo_add(d, inode, 0, 0, NULL);
	inode->durable_size = inode->size;
	if (d->syncing)
		d->syncing = 2;
	return 0;
}

static void op_close(void *context, int fd)
{
	struct disk *d = context;
	struct disk_inode *inode = d->handles[fd];

	d->handles[fd] = NULL;
	inode->opens--;
	drop(d, inode);
}

static int op_rename(void *context, const char *from, const char *to)
{
	struct disk *d = context;
	struct disk_entry *e = find(&d->now, from);
	struct disk_inode *inode = e ? e->inode : NULL;

	if (trouble(d, 0))
		return -1;
	if (!inode) {
		errno = ENOENT;
		return -1;
	}
	change(d, to, inode);
	change(d, from, NULL);
	return 0;
}

static int op_remove(void *context, const char *name)
{
	struct disk *d = context;

	if (trouble(d, 0))
		return -1;
	if (!find(&d->now, name)) {
		errno = ENOENT;
		return -1;
	}
	change(d, name, NULL);
	return 0;
}

static int op_sync_names(void *context)
{
	struct disk *d = context;

	if (trouble(d, 1))
		return -1;
	changes_durable(d, d->change_count);
	return 0;
}

static int op_each(void *context, int (*each)(void *arg, const char *name), void *arg)
{
	struct disk *d = context;
	struct disk_names names = d->now;
	int err = 0;

	if (d->dead) {
		errno = EIO;
		return -1;
	}
	for (int i = 0; i < names.count && err >= 0; i++)
		err = each(arg, names.entries[i].name);
	return err < 0 ? err : 0;
}

const struct folder_ops disk_ops = {
	.create = op_create, .open = op_open, .read = op_read, .write = op_write,
	.sync = op_sync, .close = op_close, .rename = op_rename, .remove = op_remove,
	.sync_names = op_sync_names, .each = op_each,
};

/* ---- power --------------------------------------------------------------------- */

void disk_settle(struct disk *d)
{
	d->syncing = 0;
	undo_drop(d);
}

/* The process ends before a sync is over: it wrote nothing after it. */
static void undo_cached(struct disk *d)
{
	for (struct disk_undo *u = d->undo; u; u = u->next) {
		if (u->cached && u->offset == UINT64_MAX)
			u->inode->size = u->size;
		else if (u->cached)
			memcpy(u->inode->pages[u->offset / DISK_PAGE]->now + u->offset % DISK_PAGE,
			       u->bytes, DISK_SECTOR);
	}
}

/* The power is cut before: some of it had come to the disk. */
static void undo_synced(struct disk *d, uint64_t kept)
{
	for (struct disk_undo *u = d->undo; u; u = u->next) {
		struct page *page;

		if (u->cached || rng_below(&d->rng, 4) < kept)
			continue;
		if (u->offset == UINT64_MAX) {
			u->inode->durable_size = u->size;
			continue;
		}
		page = u->inode->pages[u->offset / DISK_PAGE];
		memcpy(page->durable + u->offset % DISK_PAGE, u->bytes, DISK_SECTOR);
		page->behind |= (uint8_t)(1u << (u->offset % DISK_PAGE / DISK_SECTOR));
		d->lost++;
	}
}

/* What was written and not synced may have come to the disk all the same; kept: of 4 sectors. */
static void cut_inode(struct disk *d, struct disk_inode *inode, uint64_t kept)
{
	int some = 0, none = 0;

	for (size_t i = 0; i < inode->page_count; i++) {
		struct page *page = inode->pages[i];

		for (size_t s = 0; page && page->behind && s < SECTORS; s++) {
			if (!(page->behind & 1u << s))
				continue;
			/* What a failed sync left clean is never written. */
			if ((page->dirty & 1u << s) && rng_below(&d->rng, 4) < kept) {
				sector_durable(page, s);
				d->kept++;
				d->reordered += none > 0;
				some = 1;
				continue;
			}
			memcpy(page->now + s * DISK_SECTOR, page->durable + s * DISK_SECTOR,
			       DISK_SECTOR);
			d->lost++;
			none = 1;
		}
		if (page)
			page->dirty = page->behind = 0;
	}
	d->torn += some && none;
	if (inode->size != inode->durable_size && rng_below(&d->rng, 4) < kept)
		inode->durable_size = inode->size;
	inode->size = inode->durable_size;
	for (size_t i = 0; i < inode->page_count; i++) {
		uint64_t begin = i * DISK_PAGE;
		struct page *page = inode->pages[i];

		/* Behind the end of a file there are zeros, should it grow again. */
		if (page && begin + DISK_PAGE > inode->size) {
			size_t at = begin >= inode->size ? 0 : (size_t)(inode->size - begin);

			memset(page->now + at, 0, DISK_PAGE - at);
			memset(page->durable + at, 0, DISK_PAGE - at);
		}
	}
}

static void names_revert(struct disk *d)
{
	while (d->now.count > 0) {
		char name[DISK_NAME_MAX];

		memcpy(name, d->now.entries[0].name, sizeof(name));
		set(d, &d->now, name, NULL);
	}
	for (int i = 0; i < d->durable.count; i++)
		set(d, &d->now, d->durable.entries[i].name, d->durable.entries[i].inode);
}

void disk_restart(struct disk *d, int power)
{
	uint64_t kept = rng_below(&d->rng, 5);

	/* What is rotten is told from what was torn by what stands behind it: all of that, or what
	 * was there before, but no mixture. */
	if (d->scar_count && kept < 4)
		kept = 0;
	for (int i = 0; i < DISK_HANDLES; i++) {
		if (d->handles[i])
			op_close(d, i);
	}
	d->dead = 0;
	undo_cached(d);
	if (!power) {
		disk_settle(d);		/* the kernel goes on with it */
		return;
	}
	undo_synced(d, kept);
	disk_settle(d);
	changes_durable(d, (int)rng_below(&d->rng, (uint64_t)d->change_count + 1));
	while (d->change_count > 0) {
		struct disk_inode *inode = d->changes[--d->change_count].inode;

		if (inode)
			inode->links--;
		drop(d, inode);
	}
	for (struct disk_inode *inode = d->inodes; inode; inode = inode->next)
		cut_inode(d, inode, kept);
	names_revert(d);
}

static void scars_forget(struct disk *d)
{
	while (d->scar_count > 0) {
		struct disk_inode *inode = d->scars[--d->scar_count].inode;

		inode->opens--;
		drop(d, inode);
	}
	d->rot_last = 0;
}

void disk_wipe(struct disk *d)
{
	enum disk_fault (*fault)(void *, int) = d->fault;

	d->fault = NULL;
	scars_forget(d);
	disk_restart(d, 0);
	while (d->now.count > 0)
		op_remove(d, d->now.entries[0].name);
	changes_durable(d, d->change_count);
	d->fault = fault;
}

/* ---- rot ----------------------------------------------------------------------- */

/* Both what is durable and what is read. The range is within a sector. */
static void set_durable(struct disk_inode *inode, uint64_t offset, const uint8_t *bytes, size_t len)
{
	struct page *page = page_for(inode, (size_t)(offset / DISK_PAGE));

	memcpy(page->durable + offset % DISK_PAGE, bytes, len);
	memcpy(page->now + offset % DISK_PAGE, bytes, len);
}

static void scar(struct disk *d, struct disk_inode *inode, uint64_t offset, const uint8_t *bytes,
		 size_t len)
{
	struct disk_scar *s = &d->scars[d->scar_count++];
	const struct page *page = page_for(inode, (size_t)(offset / DISK_PAGE));

	s->inode = inode;
	s->offset = offset;
	s->len = len;
	memcpy(s->bytes, page->durable + offset % DISK_PAGE, len);
	inode->opens++;
	set_durable(inode, offset, bytes, len);
}

/* Time has passed since it was written: nothing of it is in the cache alone. */
static void settle_inode(struct disk_inode *inode)
{
	for (size_t i = 0; i < inode->page_count; i++) {
		struct page *page = inode->pages[i];

		for (size_t s = 0; page && page->dirty && s < SECTORS; s++)
			sector_durable(page, s);
		if (page)
			page->dirty = 0;
	}
	inode->durable_size = inode->size;
}

static struct disk_entry *any_file(struct disk *d)
{
	struct disk_entry *e;

	if (d->durable.count == 0 || d->undo)
		return NULL;
	e = &d->durable.entries[rng_below(&d->rng, (uint64_t)d->durable.count)];
	settle_inode(e->inode);
	return e;
}

static uint64_t content_end(const struct disk_inode *inode)
{
	for (size_t i = inode->page_count; i-- > 0;) {
		if (!inode->pages[i])
			continue;
		for (size_t at = DISK_PAGE; at-- > 0;) {
			if (inode->pages[i]->durable[at])
				return i * DISK_PAGE + at + 1;
		}
	}
	return 0;
}

const char *disk_rot(struct disk *d, uint64_t *offset)
{
	struct disk_entry *e = any_file(d);
	uint64_t end = e ? content_end(e->inode) : 0, at;
	uint8_t byte;

	if (end == 0)
		return NULL;
	at = rng_below(&d->rng, end);
	if (end > LAST_BYTES && rng_chance(&d->rng, 1, 4))
		at = end - 1 - rng_below(&d->rng, LAST_BYTES);
	byte = page_for(e->inode, (size_t)(at / DISK_PAGE))->durable[at % DISK_PAGE] ^
	       (uint8_t)(1u << rng_below(&d->rng, 8));
	scars_forget(d);
	scar(d, e->inode, at, &byte, 1);
	d->rot_last = end - at < LAST_BYTES;
	*offset = at;
	return e->name;
}

/* A sector before the last bytes of the file's content, or the first; UINT64_MAX: there is none. */
static uint64_t any_sector(struct disk *d, const struct disk_inode *inode, int first)
{
	uint64_t end = content_end(inode), count = end < LAST_BYTES ? 0 :
		(end - LAST_BYTES) / DISK_SECTOR;

	return count == 0 ? UINT64_MAX : first ? 0 : rng_below(&d->rng, count) * DISK_SECTOR;
}

const char *disk_misdirect(struct disk *d, uint64_t *offset)
{
	struct disk_entry *from = any_file(d), *to = from ? any_file(d) : NULL;
	/* Often that of another file's header, which is as good as its own. */
	int first = rng_chance(&d->rng, 1, 2);
	uint64_t at = from ? any_sector(d, from->inode, first) : UINT64_MAX;
	uint64_t target = to ? any_sector(d, to->inode, first) : UINT64_MAX;
	uint8_t bytes[DISK_SECTOR];

	if (at == UINT64_MAX || target == UINT64_MAX ||
	    (from->inode == to->inode && at == target))
		return NULL;
	memcpy(bytes, page_for(from->inode, (size_t)(at / DISK_PAGE))->durable + at % DISK_PAGE,
	       sizeof(bytes));
	scars_forget(d);
	scar(d, to->inode, target, bytes, sizeof(bytes));
	scar(d, from->inode, at, zeros, sizeof(bytes));
	*offset = at;
	return from->name;
}

void disk_heal(struct disk *d)
{
	for (int i = d->scar_count; i-- > 0;) {
		struct disk_scar *s = &d->scars[i];

		set_durable(s->inode, s->offset, s->bytes, s->len);
	}
	scars_forget(d);
}

void disk_done(struct disk *d)
{
	disk_wipe(d);
	assert(!d->inodes);
}
