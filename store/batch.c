/* batch - see batch.h. Knows nothing of what the ops do. */

#include "store/batch.h"

#include "lib/error.h"
#include "lib/metrics.h"

#include <assert.h>
#include <stdlib.h>
#include <time.h>

struct batch {
    struct batch_hooks  hooks;
    struct batch_limits limits;
    struct event       *commit;         /* priority 1; made active, or timed by wait_us */
    struct batch_op    *first, **last;
    unsigned            count;
    uint64_t            bytes;
    uint64_t            since_us;       /* when the first of them came; monotonic */
    bool                scheduled;
    bool                committing;
    struct batch_stats  stats;
};

static uint64_t
monotonic_us(void)
{
    struct timespec t;

    clock_gettime(CLOCK_MONOTONIC, &t);
    return (uint64_t)t.tv_sec * 1000000 + (uint64_t)t.tv_nsec / 1000;
}

static void
on_commit(evutil_socket_t fd, short what, void *arg)
{
    struct batch *b = arg;

    (void)fd;
    (void)what;
    b->scheduled = false;
    batch_commit(b);
}

struct batch *
batch_new(struct event_base *base, const struct batch_hooks *hooks, const struct batch_limits *limits)
{
    struct batch *b = calloc(1, sizeof(*b));

    if (b == NULL)
        return NULL;
    *b = (struct batch){ .hooks = *hooks, .limits = *limits };
    b->last = &b->first;
    b->commit = event_new(base, -1, 0, on_commit, b);
    if (b->commit == NULL || event_priority_set(b->commit, 1) != 0) {
        batch_free(b);
        return NULL;
    }
    return b;
}

void
batch_set_limits(struct batch *b, const struct batch_limits *limits)
{
    b->limits = *limits;
}

void
batch_free(struct batch *b)
{
    if (b == NULL)
        return;
    while (b->first != NULL) {
        struct batch_op *op = b->first;

        b->first = op->next;
        op->done(op, MT_ESHUTDOWN);
    }
    if (b->commit != NULL)
        event_free(b->commit);
    free(b);
}

static void
schedule(struct batch *b)
{
    struct timeval wait = { .tv_sec = b->limits.wait_us / 1000000, .tv_usec = b->limits.wait_us % 1000000 };

    if (b->scheduled)
        return;
    b->scheduled = true;
    if (b->limits.wait_us == 0 || event_add(b->commit, &wait) != 0)
        event_active(b->commit, EV_TIMEOUT, 0);
}

void
batch_add(struct batch *b, struct batch_op *op)
{
    op->next = NULL;
    op->rc = MT_OK;
    if (b->first == NULL)
        b->since_us = monotonic_us();
    *b->last = op;
    b->last = &op->next;
    b->count++;
    b->bytes += op->bytes;
    schedule(b);
}

bool
batch_is_full(const struct batch *b)
{
    return b->first != NULL && (b->count >= b->limits.messages_max || b->bytes >= b->limits.bytes_max ||
                                monotonic_us() - b->since_us > b->limits.wait_us + BATCH_WAIT_MAX_US);
}

bool
batch_is_empty(const struct batch *b)
{
    return b->first == NULL;
}

const struct batch_stats *
batch_stats(const struct batch *b)
{
    return &b->stats;
}

/* Cuts off what fits into one transaction; at least one op. */
static struct batch_op *
take(struct batch *b)
{
    struct batch_op *list = b->first, **end = &list;
    unsigned         count = 0;
    uint64_t         bytes = 0;

    while (*end != NULL && (count == 0 || (count < b->limits.messages_max && bytes + (*end)->bytes <= b->limits.bytes_max))) {
        count++;
        bytes += (*end)->bytes;
        end = &(*end)->next;
    }
    b->first = *end;
    *end = NULL;
    if (b->first == NULL)
        b->last = &b->first;
    b->count -= count;
    b->bytes -= bytes;
    return list;
}

static void
refuse(struct batch_op *list, bool only_growing, int rc)
{
    for (; list != NULL; list = list->next)
        if (list->rc == MT_OK && (list->grows || !only_growing))
            list->rc = rc;
}

static bool
any_left(const struct batch_op *list)
{
    for (; list != NULL; list = list->next)
        if (list->rc == MT_OK)
            return true;
    return false;
}

/* Runs all that were not refused in one transaction. Their own errors are set in the ops; the transaction's is returned. */
static int
write_list(struct batch *b, struct batch_op *list, bool *file_failed)
{
    struct db *db = b->hooks.db(b->hooks.arg);
    struct tx *tx;
    int        rc;

    if (db == NULL)
        return MT_EIO;
    rc = tx_begin(db, b->hooks.now_us(b->hooks.arg), &tx);
    if (rc != MT_OK) {
        *file_failed = rc == MT_EIO;
        return rc;
    }
    for (struct batch_op *op = list; op != NULL && tx_fault(tx) == MT_OK; op = op->next) {
        rc = op->rc == MT_OK ? op->run(op, tx) : op->rc;
        if (tx_fault(tx) == MT_OK)
            op->rc = rc;
    }
    if (tx_fault(tx) == MT_OK)
        b->hooks.piggyback(b->hooks.arg, tx);
    rc = tx_fault(tx) == MT_OK ? tx_commit(tx, file_failed) : tx_fault(tx);
    if (rc == MT_OK)
        b->hooks.committed(b->hooks.arg, tx);
    tx_free(tx);
    return rc;
}

/*
 * What failed for want of room is tried again without what needs room: so a full store can still be emptied. An op whose run
 * returned an error of its own keeps it: it wrote nothing, and would say the same again.
 */
static void
commit_list(struct batch *b, struct batch_op *list)
{
    uint64_t begun_us = monotonic_us();
    bool     file_failed = false;
    int      rc;

    if (!b->hooks.has_room(b->hooks.arg))
        refuse(list, true, MT_EFULL);
    rc = write_list(b, list, &file_failed);
    if (rc != MT_OK) {
        rc = b->hooks.failed(b->hooks.arg, rc, file_failed);
        refuse(list, rc == MT_EFULL, rc);
        if (rc == MT_EFULL && any_left(list)) {
            rc = write_list(b, list, &file_failed);
            if (rc != MT_OK)
                refuse(list, false, b->hooks.failed(b->hooks.arg, rc, file_failed));
        }
    }
    b->stats.last_us = monotonic_us() - begun_us;
    if (rc == MT_OK)
        b->stats.commits++;
    else
        b->stats.failures++;
    metric_add(rc == MT_OK ? METRIC_STORE_COMMITS_TOTAL : METRIC_STORE_COMMIT_FAILURES_TOTAL, 1);
    metric_add(METRIC_STORE_COMMIT_US_TOTAL, b->stats.last_us);
}

void
batch_commit(struct batch *b)
{
    struct batch_op *list;

    if (b->first == NULL || b->committing)
        return;
    b->committing = true;
    b->stats.last_ops = b->count;
    list = take(b);
    b->stats.last_ops -= b->count;
    commit_list(b, list);
    while (list != NULL) {
        struct batch_op *op = list;

        list = op->next;
        op->done(op, op->rc);
    }
    b->committing = false;
    if (b->first != NULL) {
        b->since_us = monotonic_us();
        schedule(b);
    }
}
