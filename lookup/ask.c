#include "lookup/ask.h"

#include "lib/error.h"
#include "lib/log.h"

#include <assert.h>
#include <stdlib.h>
#include <sys/queue.h>

enum { RETRY_S = 2, BUCKETS = 256, PENDING_MAX = 10000 };

struct ask {
    LIST_ENTRY(ask)  same_bucket;
    TAILQ_ENTRY(ask) by_age;
    uint64_t         req;
    struct exchange *exchange;      /* NULL: the client has gone */
    uint64_t         asked_us;
    ask_answer_fn   *on_answer;
    struct ask_note  note;
};

struct asks {
    struct lookup          *lookup;
    struct event           *tick;
    struct ask             *begun;  /* between ask_begin and ask_end */
    uint64_t                last_req;
    unsigned                count;
    LIST_HEAD(ask_bucket, ask) buckets[BUCKETS];
    TAILQ_HEAD(ask_queue, ask) by_age;
};

static void
ask_free(struct asks *a, struct ask *k)
{
    LIST_REMOVE(k, same_bucket);
    TAILQ_REMOVE(&a->by_age, k, by_age);
    assert(TAILQ_FIRST(&a->by_age) != k);
    a->count--;
    free(k->note.state);
    free(k);
}

/* The oldest come first. */
static void
on_tick(evutil_socket_t fd, short what, void *arg)
{
    struct asks *a = arg;
    struct ask  *k;
    uint64_t     now = lookup_now_us();

    (void)fd, (void)what;
    while ((k = TAILQ_FIRST(&a->by_age)) != NULL && now > k->asked_us + (uint64_t)ASK_TIMEOUT_MS * 1000) {
        struct exchange *x = k->exchange;

        log_warning("event=store-slow waited_ms=%u", ASK_TIMEOUT_MS);
        ask_free(a, k);
        if (x != NULL)
            reply_problem(x, 504, "the store did not answer in %u ms; whether it did what was asked is unknown: look before asking again",
                          ASK_TIMEOUT_MS);
    }
}

struct asks *
asks_new(struct lookup *l)
{
    const struct timeval second = { 1, 0 };
    struct asks         *a = calloc(1, sizeof(*a));

    if (a == NULL)
        return NULL;
    a->lookup = l;
    TAILQ_INIT(&a->by_age);
    a->tick = event_new(l->role->base, -1, EV_PERSIST, on_tick, a);
    if (a->tick == NULL || event_add(a->tick, &second) != 0) {
        asks_free(a);
        return NULL;
    }
    return a;
}

void
asks_free(struct asks *a)
{
    if (a == NULL)
        return;
    while (!TAILQ_EMPTY(&a->by_age))
        ask_free(a, TAILQ_FIRST(&a->by_age));
    if (a->tick != NULL)
        event_free(a->tick);
    free(a);
}

unsigned
asks_pending(const struct asks *a)
{
    return a->count;
}

static void
on_gone(void *owner)
{
    struct ask *k = owner;

    k->exchange = NULL;
}

struct buf *
ask_begin(struct lookup *l, struct exchange *x, enum msg_type type, const struct ask_note *note, ask_answer_fn *on_answer)
{
    struct asks *a = l->asks;
    struct buf  *out = NULL;
    struct ask  *k;

    assert(a->begun == NULL);
    if (!l->connected || l->role->store == NULL) {
        reply_busy(x, RETRY_S, "the store is being restarted: nothing can be changed for a moment");
        return NULL;
    }
    k = a->count < PENDING_MAX ? calloc(1, sizeof(*k)) : NULL;
    if (k != NULL)
        out = channel_begin(l->role->store, type, a->last_req + 1);
    if (out == NULL) {
        free(k);
        reply_busy(x, RETRY_S, "too many requests wait for the store");
        return NULL;
    }
    *k = (struct ask){ .req = ++a->last_req, .exchange = x, .asked_us = lookup_now_us(), .on_answer = on_answer, .note = *note };
    LIST_INSERT_HEAD(&a->buckets[k->req % BUCKETS], k, same_bucket);
    TAILQ_INSERT_TAIL(&a->by_age, k, by_age);
    a->count++;
    a->begun = k;
    return out;
}

void
ask_end(struct lookup *l)
{
    ask_end_with(l, -1);
}

void
ask_end_with(struct lookup *l, int fd)
{
    struct asks *a = l->asks;
    struct ask  *k = a->begun;
    int          rc;

    assert(k != NULL);
    a->begun = NULL;
    rc = channel_end(l->role->store, fd);
    if (rc == MT_OK) {
        exchange_hold(k->exchange, on_gone, k);
        return;
    }
    reply_busy(k->exchange, RETRY_S, "the store cannot take this now: %s", mt_strerror(rc));
    ask_free(a, k);
}

int
asks_answered(struct asks *a, const struct msg_head *head, struct reader *r)
{
    struct ask *k;
    uint32_t    code;
    int         rc;

    read_u32(r, &code);
    if (!read_ok(r) || code >= MT_ERROR_COUNT || (code != MT_OK && !read_end(r)))
        return MT_EPROTO;
    k = LIST_FIRST(&a->buckets[head->req % BUCKETS]);
    while (k != NULL && k->req != head->req)
        k = LIST_NEXT(k, same_bucket);
    if (k == NULL)                  /* answered 504 before */
        return head->req <= a->last_req ? MT_OK : MT_EPROTO;
    rc = MT_OK;
    if (k->exchange != NULL)
        rc = k->on_answer(a->lookup, k->exchange, &k->note, (int)code, r);
    ask_free(a, k);
    return rc;
}

void
asks_lost(struct asks *a)
{
    struct ask *k;

    while ((k = TAILQ_FIRST(&a->by_age)) != NULL) {
        struct exchange *x = k->exchange;

        ask_free(a, k);
        if (x != NULL)
            reply_busy(x, RETRY_S, "the store was restarted; whether it did what was asked is unknown: look before asking again");
    }
}
