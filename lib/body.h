#ifndef LIB_BODY_H
#define LIB_BODY_H
/*
 * body - the octets of one message while it comes in: in memory up to MSG_INLINE_BODY_BYTES, over that in a memfd, which goes to
 * store sealed. The caller bounds the size.
 */

#include "lib/buf.h"

struct body {
    struct buf pending;     /* all of a small body; of a large one what was not written to fd yet */
    uint64_t   size_bytes;
    int        fd;          /* owned; -1: a small body */
    int        fault;       /* the first error, kept until body_clear */
};

void body_init(struct body *b);

/* Frees everything; it can be used again. */
void body_fini(struct body *b);

/* Empties it; keeps the memory. */
void body_clear(struct body *b);

/* 0, or MT_ENOMEM, MT_EFULL, MT_EIO: from then on it only fails. */
int body_append(struct body *b, struct slice bytes);

/*
 * All octets are there. A small body: *inline_bytes is all of it. A large one: *inline_bytes is empty and *fd is its memfd,
 * sealed against any change; it stays the body's. As body_append.
 */
int body_finish(struct body *b, struct slice *inline_bytes, int *fd);

#endif
