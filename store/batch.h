#ifndef STORE_BATCH_H
#define STORE_BATCH_H
/*
 * batch - group commit: what was queued during one turn of the event loop is written in one transaction and reaches the disk
 * with one sync; only then is anybody told. The commit runs as work of priority 1, so all that can be read is read before
 * it; while it waits for the disk, the next requests gather in the sockets, so the batches grow with the load.
 */

#include "store/tx.h"

#include <event2/event.h>

struct batch;

/*
 * One queued change; the first member of a struct of the request's own. All three are called by the batch.
 */
struct batch_op {
    /*
     * Checks, then writes. An error that is the request's own fault is returned before anything was written, and concerns
     * this request alone. A write that fails is the transaction's fault (tx_fault) and concerns all of it. May be called
     * again after such a failure.
     */
    int  (*run)(struct batch_op *op, struct tx *tx);
    /* Told once: rc is MT_OK when the change is on disk, else why not; nothing was changed then. Frees the op. */
    void (*done)(struct batch_op *op, int rc);
    size_t           bytes;     /* payload, for the limit of one transaction */
    bool             grows;     /* takes room: refused with MT_EFULL while there is none. Deletions go on */
    int              rc;        /* the batch's own */
    struct batch_op *next;      /* the batch's own */
};

/* What the batch needs from the rest of store. */
struct batch_hooks {
    /* The database to write to; NULL: it has failed and is not there at the moment. */
    struct db *(*db)(void *arg);
    bool       (*has_room)(void *arg);                          /* whether changes that grow may be tried */
    void       (*piggyback)(void *arg, struct tx *tx);          /* more work for the same commit, such as expiry */
    void       (*committed)(void *arg, struct tx *tx);          /* on disk; called before the ops are told */
    /*
     * Nothing was changed; file_failed: open the environment anew. Called before the ops are told. Returns what they are to
     * be told, for LMDB calls it an input/output error when a disk takes only part of what is written.
     */
    int        (*failed)(void *arg, int rc, bool file_failed);
    uint64_t   (*now_us)(void *arg);                            /* microseconds since 1970 */
    void        *arg;
};

struct batch_limits {
    unsigned wait_us;           /* how long the first op waits for company; 0: until the turn of the loop ends */
    unsigned messages_max;      /* ops in one transaction */
    uint64_t bytes_max;         /* of payload in one transaction */
};

/* Borrows base; copies the rest. NULL: out of memory. */
struct batch *batch_new(struct event_base *base, const struct batch_hooks *hooks, const struct batch_limits *limits);
void          batch_free(struct batch *b);                      /* NULL is fine; who still waits is told MT_ESHUTDOWN */
void          batch_set_limits(struct batch *b, const struct batch_limits *limits);

/* Takes over the op. done() never runs from inside this call. */
void batch_add(struct batch *b, struct batch_op *op);

/*
 * A limit is reached, or the first op has waited BATCH_WAIT_MAX_US longer than it should, because the loop had input all the time: the
 * caller should call batch_commit before it reads more.
 */
#define BATCH_WAIT_MAX_US 2000u
bool batch_is_full(const struct batch *b);
bool batch_is_empty(const struct batch *b);

struct batch_stats {
    uint64_t commits, failures;     /* transactions */
    uint64_t last_us;               /* how long the last one took, with its sync */
    uint64_t last_ops;              /* in it */
};
const struct batch_stats *batch_stats(const struct batch *b);

/* Commits what waits, and at most what the limits allow in one transaction; the rest follows in the next turn. */
void batch_commit(struct batch *b);

#endif
