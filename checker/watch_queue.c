#include "checker/watch_queue.h"

#include "lib/error.h"

#include <stdlib.h>
#include <xxhash.h>

#define BUCKETS 1024u       /* of the table of accounts; a power of two */

TAILQ_HEAD(turn_list, watch_turn);

/* An account that somebody looks into or waits for. */
struct watch_account {
    LIST_ENTRY(watch_account)  bucket;
    TAILQ_ENTRY(watch_account) ready;       /* in the queue's list, when is_ready */
    bool                       is_ready;    /* somebody waits, and nobody has the turn */
    struct watch_turn         *running;
    struct turn_list           waiting;
    size_t                     key_len;
    char                       key[];
};

struct watch_queue {
    LIST_HEAD(, watch_account)  buckets[BUCKETS];
    TAILQ_HEAD(, watch_account) ready;
    unsigned                    running, waiting;
};

struct watch_queue *
watch_queue_new(void)
{
    struct watch_queue *q = calloc(1, sizeof(*q));

    if (q == NULL)
        return NULL;
    TAILQ_INIT(&q->ready);
    return q;
}

void
watch_queue_free(struct watch_queue *q)
{
    free(q);        /* an account lives as long as somebody has or wants its turn */
}

unsigned
watch_queue_running(const struct watch_queue *q)
{
    return q->running;
}

unsigned
watch_queue_waiting(const struct watch_queue *q)
{
    return q->waiting;
}

static struct watch_account *
find_account(struct watch_queue *q, struct slice key)
{
    size_t                slot = XXH3_64bits(key.data, key.len) & (BUCKETS - 1);
    struct watch_account *a;

    LIST_FOREACH (a, &q->buckets[slot], bucket)
        if (slice_equal(slice_make(a->key, a->key_len), key))
            return a;
    a = calloc(1, sizeof(*a) + key.len);
    if (a == NULL)
        return NULL;
    TAILQ_INIT(&a->waiting);
    a->key_len = key.len;
    memcpy(a->key, key.data, key.len);
    LIST_INSERT_HEAD(&q->buckets[slot], a, bucket);
    return a;
}

/* Puts the account where it belongs after a change; frees it when nobody wants it any more. */
static void
place_account(struct watch_queue *q, struct watch_account *a)
{
    bool ready = a->running == NULL && !TAILQ_EMPTY(&a->waiting);

    if (ready && !a->is_ready)
        TAILQ_INSERT_TAIL(&q->ready, a, ready);
    if (!ready && a->is_ready)
        TAILQ_REMOVE(&q->ready, a, ready);
    a->is_ready = ready;
    if (a->running == NULL && TAILQ_EMPTY(&a->waiting)) {
        LIST_REMOVE(a, bucket);
        free(a);
    }
}

static void
grant(struct watch_queue *q)
{
    while (q->running < WATCH_LOOKS_MAX && !TAILQ_EMPTY(&q->ready)) {
        struct watch_account *a = TAILQ_FIRST(&q->ready);
        struct watch_turn    *turn = TAILQ_FIRST(&a->waiting);

        TAILQ_REMOVE(&a->waiting, turn, link);
        turn->granted = true;
        a->running = turn;
        q->waiting--;
        q->running++;
        place_account(q, a);
        event_active(turn->wake, EV_TIMEOUT, 0);
    }
}

int
watch_turn_ask(struct watch_queue *q, struct watch_turn *turn, struct slice key, bool first)
{
    struct watch_account *a = find_account(q, key);

    if (a == NULL)
        return MT_ENOMEM;
    turn->account = a;
    turn->granted = false;
    if (first)
        TAILQ_INSERT_HEAD(&a->waiting, turn, link);
    else
        TAILQ_INSERT_TAIL(&a->waiting, turn, link);
    q->waiting++;
    place_account(q, a);
    grant(q);
    return MT_OK;
}

void
watch_turn_end(struct watch_queue *q, struct watch_turn *turn)
{
    struct watch_account *a = turn->account;

    if (a == NULL)
        return;
    if (turn->granted) {
        a->running = NULL;
        q->running--;
    } else {
        TAILQ_REMOVE(&a->waiting, turn, link);
        q->waiting--;
    }
    turn->account = NULL;
    turn->granted = false;
    place_account(q, a);
    grant(q);
}
