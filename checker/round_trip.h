#ifndef CHECKER_ROUND_TRIP_H
#define CHECKER_ROUND_TRIP_H
/*
 * round_trip - one round trip from the token to the verdict, as an object on the loop: any number may run at once. It sends
 * and waits side by side, since the mail may arrive before the server has said that it took it.
 *
 * With plan->mailbox the service mints the token, and bounces and automatic replies to the mailbox are heard of wherever the mail is received;
 * without, a token of the same form is drawn here.
 */

#include "checker/api.h"
#include "checker/checks.h"
#include "checker/credential.h"
#include "checker/hosted.h"
#include "checker/story.h"
#include "checker/watch.h"

struct round_trip;

/* Once, from the loop. The story belongs to the round trip. */
typedef void round_trip_done_fn(void *arg, const struct story *story);

/* What round_trip_save would write is another now: the token is there, sending began or ended. From the loop; round_trip_free is not allowed. */
typedef void round_trip_changed_fn(void *arg);

/* What it works with; shared among round trips, borrowed until round_trip_free. */
struct round_trip_tools {
    struct event_base     *base;
    struct resolver       *resolver;
    struct credentials    *credentials;
    struct api            *api;             /* NULL: there is no service, and no plan names a mailbox */
    struct hosted         *hosted;          /* NULL: each waits at the service for itself */
    struct watch_queue    *queue;           /* NULL: looks into one account do not wait for each other */
    round_trip_changed_fn *changed;         /* with the same arg as done; NULL: nobody wants to know */
};

/* Begins with the token. plan is borrowed. NULL: out of memory. */
struct round_trip *round_trip_start(const struct round_trip_tools *tools, const struct plan *plan, round_trip_done_fn *done,
                                    void *arg);

/* Ends it where it is; done is not called. NULL is fine. */
void round_trip_free(struct round_trip *t);

/* Ends it as UNKNOWN with a reason, without deleting anything; done is called. */
void round_trip_interrupt(struct round_trip *t, const char *reason);

/* ---- Over a restart of the checker ------------------------------------------------------------------------------------ */

/* Appends what is needed to take it up again; at most ROUND_TRIP_SAVED_MAX octets. Nothing once it is done. */
#define ROUND_TRIP_SAVED_MAX 4096u
void round_trip_save(const struct round_trip *t, struct buf *out);

/* The name (plan->label) of the check that it was a run of, "" where it had none; *started_us: its beginning, wall clock. MT_EDAMAGED. */
int round_trip_saved_name(struct slice saved, char name[CHECK_NAME_MAX + 1], uint64_t *started_us);

/*
 * Takes it up again. What was sent is waited for; what was not is sent on with the same token as long as the window lasts, after a pause where an
 * attempt was under way, since that mail may arrive yet. A window that has ended meanwhile gets its last look. MT_EDAMAGED, MT_ENOMEM.
 */
int round_trip_resume(const struct round_trip_tools *tools, const struct plan *plan, struct slice saved, round_trip_done_fn *done, void *arg,
                      struct round_trip **out);

#endif
