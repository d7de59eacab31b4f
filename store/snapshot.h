#ifndef STORE_SNAPSHOT_H
#define STORE_SNAPSHOT_H
/*
 * snapshot - writes a consistent copy of the database into a descriptor, in a thread of its own, while the event loop goes
 * on. One at a time. The copy is compact: without free pages, in order, so a restored store is as small as its content.
 * Until it is done it pins the pages that it reads, so the file may grow meanwhile.
 */

#include "store/store.h"

struct snapshots;

/* Told once, from the loop. */
typedef void snapshot_done_fn(void *arg, int rc, uint64_t bytes);

struct snapshots *snapshot_new(struct store *s);            /* NULL: out of memory */
void              snapshot_free(struct snapshots *n);       /* waits for one that is running; its done is not called. NULL is fine */

/*
 * Takes over fd when it returns 0; done is called later: MT_OK when all is written and synced, MT_EFULL, MT_EIO, MT_EDAMAGED.
 * MT_EBUSY: one is running; MT_EIO: the database has failed; MT_ENOMEM.
 */
int  snapshot_start(struct snapshots *n, int fd, snapshot_done_fn *done, void *arg);

/* The one that is running fails at its next write, so that the database can be opened anew soon. None is fine. */
void snapshot_give_up(struct snapshots *n);

bool snapshot_is_running(const struct snapshots *n);        /* NULL: none */

#endif
