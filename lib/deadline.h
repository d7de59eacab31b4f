#ifndef LIB_DEADLINE_H
#define LIB_DEADLINE_H
/*
 * deadline - time limits of many sessions on one timer. All limits of one kind are equal, so that the one that was started last
 * ends last: each kind is a queue, and starting a limit anew costs no system call. Its head is who has been without progress for longest.
 */

#include "lib/slice.h"

#include <event2/event.h>
#include <sys/queue.h>

enum deadline_kind {
    DEADLINE_NONE,
    DEADLINE_EARLY,     /* for a command of a client that has named no mailbox yet */
    DEADLINE_COMMAND,
    DEADLINE_MESSAGE,   /* for the next part of a message */
    DEADLINE_TLS,
    DEADLINE_CLOSING,   /* for the last reply to leave and the client to hang up */
    DEADLINE_PASS,      /* for one message to go on alone while memory is short (smtpd/flight.h) */
    DEADLINE_LOGIN,     /* from the client's connecting to its login */
    DEADLINE_IDLE,      /* for the next command of one who is logged in */
    DEADLINE_STALLED,   /* for a client to read more of what it asked for */
    DEADLINE_KINDS
};

/* Lives inside of what is limited. */
struct deadline {
    TAILQ_ENTRY(deadline) link;
    void                 *owner;
    uint64_t              began_ms;
    enum deadline_kind    kind;     /* DEADLINE_NONE: not running */
};

/* The limit is over and no longer runs. May start and stop limits, and free the owner. */
typedef void deadline_expired_fn(void *owner, enum deadline_kind kind);

TAILQ_HEAD(deadline_queue, deadline);

struct deadlines {
    struct deadline_queue queues[DEADLINE_KINDS];
    uint32_t              limit_ms[DEADLINE_KINDS];
    unsigned              count[DEADLINE_KINDS];    /* how many of a kind run */
    deadline_expired_fn  *expired;
    struct event         *timer;
    uint64_t              armed_at_ms;      /* when the timer fires; UINT64_MAX: it does not run */
};

/* 0 or MT_ENOMEM. The limits of each kind are set by the caller in limit_ms. */
int  deadlines_init(struct deadlines *d, struct event_base *base, deadline_expired_fn *expired);
void deadlines_fini(struct deadlines *d);

void deadline_init(struct deadline *l, void *owner);

/* Starts it, or starts it anew. */
void deadline_start(struct deadlines *d, struct deadline *l, enum deadline_kind kind);
void deadline_stop(struct deadlines *d, struct deadline *l);

/* Another limit for all of a kind, those that run already too: shorter under pressure, longer behind it. */
void deadlines_change(struct deadlines *d, enum deadline_kind kind, uint32_t limit_ms);

/*
 * Of those that run, the one of a kind that was started first and that fits; the first few of the queue are looked at. NULL: none of these, or none
 * that runs for at least idle_ms. fits NULL: all do.
 */
#define DEADLINE_LOOK 64u
typedef bool deadline_fits_fn(const void *owner);
void *deadlines_oldest(const struct deadlines *d, enum deadline_kind kind, uint32_t idle_ms, deadline_fits_fn *fits);

/* Milliseconds of a clock that only grows; as coarse as the kernel's tick. */
uint64_t monotonic_ms(void);

#endif
