#ifndef SMTPD_FLIGHT_H
#define SMTPD_FLIGHT_H
/*
 * flight - the bound on octets of messages that one process holds at a time (smtp.in_flight_max_bytes).
 *
 * At the bound nothing more is read from sessions within a message, except from one: the holder of the pass. It goes over the
 * bound by one message at most, ends, and frees its memory; so there is always progress. A holder that does not end in
 * FLIGHT_PASS_MS while others wait is told to give up.
 */

#include "lib/deadline.h"

#define FLIGHT_PASS_MS 10000u

/* Lives inside of a session. */
struct flight_entry {
    TAILQ_ENTRY(flight_entry) link;
    void                     *owner;
    uint64_t                  bytes;    /* it holds so many */
    bool                      blocked;  /* it waits to be allowed to read */
};

TAILQ_HEAD(flight_queue, flight_entry);

/* It may read again. May free the owner. */
typedef void flight_resume_fn(void *owner);

/* It holds the pass for too long: end it. The owner calls flight_release, now or later. */
typedef void flight_evict_fn(void *owner);

struct flight {
    uint64_t             bytes;
    uint64_t             max_bytes;
    struct flight_queue  blocked;
    struct flight_entry *pass;          /* who goes on at the bound; NULL: nobody yet */
    struct deadlines    *deadlines;
    struct deadline      pass_deadline;
    struct event        *wake;
    flight_resume_fn    *resume;
    flight_evict_fn     *evict;
};

/* 0 or MT_ENOMEM. The owner of deadlines passes the end of DEADLINE_PASS on to flight_pass_expired. */
int  flight_init(struct flight *f, struct event_base *base, uint64_t max_bytes, struct deadlines *deadlines,
                 flight_resume_fn *resume, flight_evict_fn *evict);
void flight_fini(struct flight *f);

void flight_entry_init(struct flight_entry *e, void *owner);

/* Whether it may read more of its message now. False: it is resumed when it may. */
bool flight_may_read(struct flight *f, struct flight_entry *e);

/* It holds bytes more. */
void flight_add(struct flight *f, struct flight_entry *e, size_t bytes);

/* It holds nothing any more and waits for nothing: its message is stored, refused or given up. */
void flight_release(struct flight *f, struct flight_entry *e);

void flight_pass_expired(struct flight *f);

#endif
