#ifndef STORE_ROOM_H
#define STORE_ROOM_H
/*
 * room - whether there is room for more, and what to do when the file fails. Some of the map is kept free, since deleting
 * takes pages, too. When disk or map is full, changes that grow are refused and smtpd is told; a look four times a second finds out
 * by itself that there is room again. When writing or syncing the file has failed, the environment is closed and opened anew
 * and checked, for the kernel forgets what it could not write: trying the same again would look like success.
 */

#include "store/store.h"

struct room;

struct room *room_new(struct store *s);     /* NULL: out of memory */
void         room_free(struct room *r);     /* NULL is fine */

bool room_is_full(const struct room *r);

/* A transaction was committed: looks how much is used. */
void room_committed(struct room *r);

/* A transaction failed. file_failed: see tx_commit. Returns rc, or MT_EFULL where the disk turned out to be full. */
int room_failed(struct room *r, int rc, bool file_failed);

struct room_usage {
    uint64_t map_bytes;             /* upper limit of the file */
    uint64_t used_bytes;            /* pages in use */
    uint64_t file_bytes;            /* what the file has grown to */
    uint64_t oldest_reader_txns;    /* transactions that the oldest reader lags behind */
    uint64_t readers;               /* reader slots in use */
};

/* MT_EIO while the database has failed. */
int room_usage(struct room *r, struct room_usage *out);

/* Opens the database anew if it has failed and nothing uses the old environment. Called by a timer; here for tests. */
void room_look(struct room *r);

#endif
