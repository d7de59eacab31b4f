#ifndef CHECKER_CONCLUSION_H
#define CHECKER_CONCLUSION_H
/*
 * conclusion - what is made of a story in the end: its verdict, its state, and one sentence that says why. Only the first conclusion counts. No
 * sockets, no clock.
 */

#include "checker/plan.h"
#include "checker/story.h"

/* What the story does not tell of sending. */
struct conclusion_sending {
    const char *fault;          /* of the last attempt that failed; "" */
    bool        maybe_taken;    /* the mail may be on its way although nobody said so */
    uint64_t    now_us;         /* on the story's clock */
};

/* It arrived: in time, slow, late, in the folder for junk, more than once. */
void conclude_arrived(struct story *s, const struct plan *plan);

/* A server took it, and that was all that was wanted. */
void conclude_taken(struct story *s, const struct plan *plan);

/* It came back as undeliverable. */
void conclude_bounced(struct story *s, const struct plan *plan);

/* No server took it, before the window ended. */
void conclude_not_sent(struct story *s, const struct conclusion_sending *sending);

/* The window has ended. ask_fault: why the service could not be asked the last time; "". */
void conclude_window_ended(struct story *s, const struct plan *plan, const struct conclusion_sending *sending, const char *ask_fault);

/* The customer's account cannot be looked into, and time will not heal that: story->fetch_… say why. */
void conclude_not_fetched(struct story *s, const struct plan *plan);

/* Nothing is known of the customer's mail. */
void conclude_own_trouble(struct story *s, enum own_trouble own, const char *format, ...) __attribute__((format(printf, 3, 4)));

/* When the window ends, on the story's clock. */
uint64_t conclusion_window_end_us(const struct story *s, const struct plan *plan);

#endif
