/* sealed.h - one text in a sealed file: written from front to end, read anywhere. I/O.
 *
 * A header of 80 bytes (magic 8, version u32, zero u32, number u64, length u64, salt 32, tag 16;
 * little endian), then the text in pieces of SEALED_PIECE, each sealed with its place among them as
 * nonce and a tag of 16 bytes behind it. The file's key comes from the master key and the salt. The
 * header tells the length, so it is written last; until then there are zeros in its place.
 */
#ifndef SB_IO_SEALED_H
#define SB_IO_SEALED_H
#include <stdint.h>
#include "base/buf.h"
#include "base/err.h"
#include "base/sink.h"
#include "base/slice.h"
#include "crypt/seal.h"
#include "io/folder.h"

enum { SEALED_HEADER = 80, SEALED_PIECE = 64 << 10, SEALED_NAME_MAX = 256 };

/* What a file is. */
struct sealed_kind {
	char magic[8];
	uint32_t version;
	const char *purpose;	/* of the key (crypt/seal.h) */
	uint64_t length_max;	/* of the text */
	const char *what;	/* "snapshot", for messages */
	const char *remedy;	/* "; ...", what to do about one that is damaged */
};

/* An open file. folder, which stays the owner's, tells how it is read and written. */
struct sealed_place {
	const struct folder *folder;
	int fd;
	char name[SEALED_NAME_MAX];	/* for messages, with the folder's path before it */
};

/* Caller's memory, not to be moved. */
struct sealed_writer {
	struct sink sink;		/* read: what is put there is sealed_put here */
	uint64_t length;		/* read: of the text so far */
	/* the rest is private */
	const struct sealed_kind *kind;
	struct sealed_place place;
	uint64_t number;
	int failed;			/* 0, or why nothing more is taken */
	struct errmsg why;
	uint64_t pieces;		/* written */
	uint32_t filled;		/* bytes in piece */
	struct seal_key key;
	uint8_t salt[SEAL_SALT_LEN];
	uint8_t piece[SEALED_PIECE + SEAL_TAG_LEN];
};

/* Begins the text of an empty file. kind is borrowed until sealed_finish, one of which must follow;
 * key is not. number: the owner's. */
void sealed_begin(struct sealed_writer *w, const struct sealed_kind *kind,
		  const struct sealed_place *place, const struct seal_key *key, uint64_t number);
/* Adds to the text. 0, or the code that sealed_finish will return, with its reason. ERR_LIMIT:
 * more than kind->length_max. */
int sealed_put(struct sealed_writer *w, struct slice bytes);
/* Writes what is left, and the header; nothing is synced. Wipes w: on failure, too. */
int sealed_finish(struct sealed_writer *w, struct errmsg *msg);
/* Wipes w instead: the text is of no use. */
void sealed_abandon(struct sealed_writer *w);

/* Caller's memory. */
struct sealed_reader {
	uint64_t number, length;	/* read */
	/* the rest is private */
	const struct sealed_kind *kind;
	struct sealed_place place;
	uint64_t at;			/* of sealed_next */
	uint64_t loaded;		/* the piece in memory; 0 = none */
	struct seal_key key;
	uint8_t piece[SEALED_PIECE + SEAL_TAG_LEN];
};

/*
 * Reads the header. kind is borrowed until sealed_close, key is not. ERR_CORRUPT: damaged, cut, or
 * sealed with another key; the message names file, offset and remedy. ERR_UNSUPPORTED: made by a
 * newer version. On failure r is wiped.
 */
int sealed_open(struct sealed_reader *r, const struct sealed_kind *kind,
		const struct sealed_place *place, const struct seal_key *key, struct errmsg *msg);
/* How long the file is, if it is whole. */
uint64_t sealed_size(const struct sealed_reader *r);
/* The next piece of the text, valid until the next call; empty at the end. Every byte of it
 * has been checked. ERR_CORRUPT as above. */
int sealed_next(struct sealed_reader *r, struct slice *piece, struct errmsg *msg);
/* Up to n bytes of the text from offset, as far as one piece has them: valid until the next call,
 * empty at the end. sealed_next goes on where it was. ERR_CORRUPT as above. */
int sealed_read(struct sealed_reader *r, uint64_t offset, size_t n, struct slice *bytes,
		struct errmsg *msg);
/* Wipes r; the file stays open. */
void sealed_close(struct sealed_reader *r);
#endif
