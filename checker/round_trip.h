#ifndef CHECKER_ROUND_TRIP_H
#define CHECKER_ROUND_TRIP_H
/*
 * round_trip - one round trip from the mint to the verdict, as an object on the loop: any number may run at once. It sends
 * and waits side by side, since the mail may arrive before the server has said that it took it.
 */

#include "checker/api.h"
#include "checker/story.h"

struct round_trip;

/* Once, from the loop. The story belongs to the round trip. */
typedef void round_trip_done_fn(void *arg, const struct story *story);

/* What it works with; shared among round trips, borrowed until round_trip_free. */
struct round_trip_tools {
    struct event_base *base;
    struct api        *api;
    struct resolver   *resolver;
};

/* Begins with the mint. plan is borrowed. NULL: out of memory. */
struct round_trip *round_trip_start(const struct round_trip_tools *tools, const struct plan *plan, round_trip_done_fn *done,
                                    void *arg);

/* Ends it where it is; done is not called. NULL is fine. */
void round_trip_free(struct round_trip *t);

/* Ends it as UNKNOWN with a reason, without deleting anything; done is called. */
void round_trip_interrupt(struct round_trip *t, const char *reason);

#endif
