#include "lib/deadline.h"

#include "lib/error.h"

#include <time.h>

static void on_timer(evutil_socket_t fd, short what, void *arg);

uint64_t
monotonic_ms(void)
{
    struct timespec t;

    clock_gettime(CLOCK_MONOTONIC_COARSE, &t);
    return (uint64_t)t.tv_sec * 1000 + (uint64_t)t.tv_nsec / 1000000;
}

int
deadlines_init(struct deadlines *d, struct event_base *base, deadline_expired_fn *expired)
{
    *d = (struct deadlines){ .expired = expired, .armed_at_ms = UINT64_MAX };
    for (unsigned i = 0; i < DEADLINE_KINDS; i++)
        TAILQ_INIT(&d->queues[i]);
    d->timer = evtimer_new(base, on_timer, d);
    /* No later than what sessions send: a flood would keep a timer of lower priority from ever running. */
    return d->timer == NULL || event_priority_set(d->timer, 0) != 0 ? MT_ENOMEM : MT_OK;
}

void
deadlines_fini(struct deadlines *d)
{
    if (d->timer != NULL)
        event_free(d->timer);
    d->timer = NULL;
}

void
deadline_init(struct deadline *l, void *owner)
{
    *l = (struct deadline){ .owner = owner, .kind = DEADLINE_NONE };
}

/* The timer is only ever moved to an earlier time: one that fires too early finds that out and is set again. */
static void
arm(struct deadlines *d, uint64_t at_ms, uint64_t now_ms)
{
    uint64_t       wait_ms = at_ms > now_ms ? at_ms - now_ms : 0;
    struct timeval wait = { .tv_sec = (time_t)(wait_ms / 1000), .tv_usec = (suseconds_t)(wait_ms % 1000 * 1000) };

    if (at_ms >= d->armed_at_ms)
        return;
    d->armed_at_ms = at_ms;
    evtimer_add(d->timer, &wait);
}

void
deadline_stop(struct deadlines *d, struct deadline *l)
{
    if (l->kind != DEADLINE_NONE) {
        TAILQ_REMOVE(&d->queues[l->kind], l, link);
        d->count[l->kind]--;
    }
    l->kind = DEADLINE_NONE;
}

void
deadline_start(struct deadlines *d, struct deadline *l, enum deadline_kind kind)
{
    uint64_t now_ms = monotonic_ms();

    deadline_stop(d, l);
    l->kind = kind;
    l->began_ms = now_ms;
    TAILQ_INSERT_TAIL(&d->queues[kind], l, link);
    d->count[kind]++;
    arm(d, now_ms + d->limit_ms[kind], now_ms);
}

static void
expire_due(struct deadlines *d, struct deadline_queue *queue, uint64_t now_ms)
{
    struct deadline *l;

    while ((l = TAILQ_FIRST(queue)) != NULL && l->began_ms + d->limit_ms[l->kind] <= now_ms) {
        enum deadline_kind kind = l->kind;

        deadline_stop(d, l);
        d->expired(l->owner, kind);
    }
}

static void
on_timer(evutil_socket_t fd, short what, void *arg)
{
    struct deadlines *d = arg;
    uint64_t          now_ms = monotonic_ms();

    (void)fd;
    (void)what;
    d->armed_at_ms = UINT64_MAX;
    for (unsigned i = 0; i < DEADLINE_KINDS; i++)
        expire_due(d, &d->queues[i], now_ms);
    for (unsigned i = 0; i < DEADLINE_KINDS; i++)
        if (!TAILQ_EMPTY(&d->queues[i]))
            arm(d, TAILQ_FIRST(&d->queues[i])->began_ms + d->limit_ms[i], now_ms);
}

void
deadlines_change(struct deadlines *d, enum deadline_kind kind, uint32_t limit_ms)
{
    const struct deadline *first = TAILQ_FIRST(&d->queues[kind]);

    d->limit_ms[kind] = limit_ms;
    if (first != NULL)
        arm(d, first->began_ms + limit_ms, monotonic_ms());
}

void *
deadlines_oldest(const struct deadlines *d, enum deadline_kind kind, uint32_t idle_ms, deadline_fits_fn *fits)
{
    const struct deadline *l = TAILQ_FIRST(&d->queues[kind]);
    uint64_t               now_ms = monotonic_ms();

    for (unsigned n = 0; l != NULL && n < DEADLINE_LOOK && l->began_ms + idle_ms <= now_ms; n++, l = TAILQ_NEXT(l, link))
        if (fits == NULL || fits(l->owner))
            return l->owner;
    return NULL;
}
