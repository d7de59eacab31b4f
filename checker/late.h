#ifndef CHECKER_LATE_H
#define CHECKER_LATE_H
/*
 * late - waits on for mails whose run ended without them: one that comes after its window is told of as late, and the run's result is amended. A
 * bounded number, for a bounded time; kept in STATE_TABLE_RUN, so that a restart forgets none.
 */

#include "checker/api.h"
#include "checker/checks.h"
#include "checker/hosted.h"
#include "checker/outcome.h"
#include "checker/state.h"

struct late;

#define LATE_WAITING_MAX 20000u     /* beyond that the oldest is given up */
#define LATE_KEPT_MS     86400000u
#define LATE_KEY_PREFIX  "late/"

/*
 * A mail came after all. result: the amended result, as outcome_json; outcome: check, beginning, verdict "late" and the sentence alone. Both are valid during
 * the call.
 */
typedef void late_fn(void *arg, const char *check, const json_t *result, const struct outcome *outcome);

/* Borrows all. hosted NULL: nothing is waited for. Takes up what waited before. MT_ENOMEM, MT_EIO. */
int  late_open(struct event_base *base, struct hosted *hosted, struct api *api, struct state_file *state, late_fn *fn, void *arg, struct late **out);
void late_close(struct late *l);    /* NULL is fine */

/* The run's result, whose mail has not come. keep: the mail stays in the mailbox when it comes. */
void late_wait(struct late *l, const char *token, const char *check, bool keep, json_t *result);

unsigned late_waiting(const struct late *l);

#endif
