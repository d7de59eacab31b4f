#ifndef CHECKER_ROUND_TRIP_PARTS_H
#define CHECKER_ROUND_TRIP_PARTS_H
/* round_trip_parts - what round_trip.c and round_trip_resume.c share. Nobody else includes it. */

#include "checker/await.h"
#include "checker/conclusion.h"
#include "checker/dispatch.h"
#include "checker/round_trip.h"

/*
 *   BEGINNING --token--> UNDER_WAY --settle--> CLEANING --on_forgotten, on_limit--> ENDED
 *                            +-----------------settle, interrupt----------------------^
 *
 * Under way up to three lanes run side by side: the dispatch sends, the await hears what comes to the service's mailbox, the watch looks into the
 * customer's account. settle() alone looks at all of them and decides.
 */
enum trip_phase { TRIP_BEGINNING, TRIP_UNDER_WAY, TRIP_CLEANING, TRIP_ENDED };

struct round_trip {
    struct round_trip_tools tools;
    const struct plan      *plan;
    round_trip_done_fn     *done;
    void                   *arg;
    struct story           *story;
    uint64_t                start_us;       /* monotonic: the zero of the story's times */
    struct buf              letter;
    enum trip_phase         phase;

    struct dispatch        *dispatch;       /* NULL: nothing is sent, or not yet, or no more */
    struct await           *await;          /* NULL: no mailbox */
    struct watch           *watch;          /* NULL: no account, or nothing can be in it yet */
    struct api_call        *call;           /* mint or forget */
    bool                    bounced;
    bool                    hopeless;       /* the account will never be looked into */
    bool                    account_over;   /* its last look has been taken; without an account: the window has ended */

    bool                    saved_maybe_taken;      /* before it was taken up again */
    char                    saved_fault[400];

    struct event           *begin;          /* the first turn, where no token is minted; after it was taken up again: sending goes on */
    struct event           *window;         /* the end of it, where the service does not tell it */
    struct event           *grace;
    struct event           *limit;          /* of the last look and of the delete */
    struct event           *finished;
};

/* NULL: out of memory. */
struct round_trip *trip_new(const struct round_trip_tools *tools, const struct plan *plan, round_trip_done_fn *done, void *arg);

uint64_t trip_now_us(const struct round_trip *t);      /* on the story's clock */

/* What is known of sending, now and from before. */
struct conclusion_sending trip_sending(const struct round_trip *t);

/* MT_ENOMEM. trip_compose: the letter, from the story's token and sender; before trip_start_sending. */
int trip_compose(struct round_trip *t);
int trip_start_sending(struct round_trip *t);
int trip_start_waiting(struct round_trip *t);

#endif
