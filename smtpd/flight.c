#include "smtpd/flight.h"

#include "lib/error.h"
#include "lib/metrics.h"

/* Among so many that wait the pass goes to the one that frees most. */
enum { PASS_CHOICE = 64 };

static void on_wake(evutil_socket_t fd, short what, void *arg);

int
flight_init(struct flight *f, struct event_base *base, uint64_t max_bytes, struct deadlines *deadlines,
            flight_resume_fn *resume, flight_evict_fn *evict)
{
    *f = (struct flight){ .max_bytes = max_bytes, .deadlines = deadlines, .resume = resume, .evict = evict };
    TAILQ_INIT(&f->blocked);
    deadline_init(&f->pass_deadline, f);
    f->wake = event_new(base, -1, 0, on_wake, f);
    return f->wake == NULL || event_priority_set(f->wake, 0) != 0 ? MT_ENOMEM : MT_OK;
}

void
flight_fini(struct flight *f)
{
    if (f->wake != NULL)
        event_free(f->wake);
    f->wake = NULL;
}

void
flight_entry_init(struct flight_entry *e, void *owner)
{
    *e = (struct flight_entry){ .owner = owner };
}

static bool
is_full(const struct flight *f)
{
    return f->bytes >= f->max_bytes;
}

static void
give_pass(struct flight *f, struct flight_entry *e)
{
    f->pass = e;
    deadline_start(f->deadlines, &f->pass_deadline, DEADLINE_PASS);
}

static void
take_pass(struct flight *f)
{
    f->pass = NULL;
    deadline_stop(f->deadlines, &f->pass_deadline);
}

bool
flight_may_read(struct flight *f, struct flight_entry *e)
{
    if (e->blocked)
        return false;
    if (!is_full(f) || f->pass == e)
        return true;
    if (f->pass == NULL && TAILQ_EMPTY(&f->blocked)) {
        give_pass(f, e);
        return true;
    }
    e->blocked = true;
    TAILQ_INSERT_TAIL(&f->blocked, e, link);
    return false;
}

void
flight_add(struct flight *f, struct flight_entry *e, size_t bytes)
{
    e->bytes += bytes;
    f->bytes += bytes;
    metric_add(METRIC_SMTP_BYTES_IN_FLIGHT, bytes);
}

static void
unblock(struct flight *f, struct flight_entry *e)
{
    e->blocked = false;
    TAILQ_REMOVE(&f->blocked, e, link);
}

void
flight_release(struct flight *f, struct flight_entry *e)
{
    f->bytes -= e->bytes;
    metric_sub(METRIC_SMTP_BYTES_IN_FLIGHT, e->bytes);
    e->bytes = 0;
    if (e->blocked)
        unblock(f, e);
    if (f->pass == e)
        take_pass(f);
    /* From the loop: who is resumed may release in turn. */
    if (!TAILQ_EMPTY(&f->blocked))
        event_active(f->wake, EV_TIMEOUT, 0);
}

static struct flight_entry *
choose(const struct flight *f)
{
    struct flight_entry *best = TAILQ_FIRST(&f->blocked);
    unsigned             seen = 0;

    for (struct flight_entry *e = best; e != NULL && seen < PASS_CHOICE; e = TAILQ_NEXT(e, link), seen++)
        if (e->bytes > best->bytes)
            best = e;
    return best;
}

static void
on_wake(evutil_socket_t fd, short what, void *arg)
{
    struct flight       *f = arg;
    struct flight_entry *e;

    (void)fd;
    (void)what;
    while (!is_full(f) && (e = TAILQ_FIRST(&f->blocked)) != NULL) {
        unblock(f, e);
        f->resume(e->owner);
    }
    if (f->pass == NULL && (e = choose(f)) != NULL) {
        unblock(f, e);
        give_pass(f, e);
        f->resume(e->owner);
    }
}

void
flight_pass_expired(struct flight *f)
{
    struct flight_entry *e = f->pass;

    if (e == NULL)
        return;
    if (!is_full(f)) {
        f->pass = NULL;
        event_active(f->wake, EV_TIMEOUT, 0);
    } else if (TAILQ_EMPTY(&f->blocked)) {
        give_pass(f, e);
    } else {
        f->evict(e->owner);
    }
}
