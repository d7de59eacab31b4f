#ifndef CHECKER_RUNNER_H
#define CHECKER_RUNNER_H
/*
 * runner - one run of one check, whatever its kind: a round trip, one to each MX host (each_mx), a probe of an SMTP server, a look into block
 * lists. Ends with one outcome. Any number may run at once.
 */

#include "checker/probe.h"
#include "checker/round_trip.h"

struct runner;

/* Shared by all; borrowed. */
struct runner_tools {
    struct round_trip_tools trips;      /* changed is set by the runner */
    struct probe_tools      probes;     /* checks is set by the runner's */
};

struct runner_result {
    struct outcome outcome;
    char           token[TOKEN_CHARS + 1];      /* of a mail that has not arrived at the service's mailbox, though it may yet; else empty */
};

/* Once, from the loop, never from inside; the runner is freed by its owner, from inside this call if it likes. The result belongs to it. */
typedef void runner_done_fn(void *arg, const struct runner_result *result);

/* What runner_save would write is another now. The runner must not be freed from inside. */
typedef void runner_changed_fn(void *arg);

struct runner_task {
    const struct runner_tools *tools;
    const struct checks       *checks;      /* of the check; for the block lists */
    const struct check        *check;
    const char                *client;      /* CHECK_BLACKLIST: that delivered last (client_of); NULL: not known */
    struct slice               saved;       /* what runner_save wrote before a restart; empty: a new run */
    runner_done_fn            *done;
    runner_changed_fn         *changed;     /* NULL: nobody wants to know */
    void                      *arg;
};

/* All of it is borrowed until runner_free, but saved. Damaged octets count as a new run. NULL: out of memory. */
struct runner *runner_start(const struct runner_task *task);
void           runner_free(struct runner *r);       /* NULL is fine; gives up what is under way, without a call */

/* Appends what is needed to take it up again; nothing where there is nothing: probes, and what is done. */
#define RUNNER_SAVED_MAX (ROUTE_HOSTS_MAX * (ROUND_TRIP_SAVED_MAX + ROUTE_HOST_BYTES + 16u))
void runner_save(const struct runner *r, struct buf *out);

#endif
