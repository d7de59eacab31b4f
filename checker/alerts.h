#ifndef CHECKER_ALERTS_H
#define CHECKER_ALERTS_H
/*
 * alerts - the durable queue of what people are to be told: each notice once for each way (and recipient of a mail), from the moment that it is put in
 * until the way took it, or it is dead. It lies in STATE_TABLE_ALERT, committed together with what else was written in that turn; so a notice that incidents
 * remember as told is in it, and after a crash it may be told twice, with the same id, but never not at all.
 *
 * Notices of one incident go by one way in their order. An attempt that failed is made again after growing gaps, ALERT_GAP_FIRST_MS to ALERT_GAP_MAX_MS, until
 * the way's give_up is over.
 */

#include "checker/alert_post.h"
#include "checker/state.h"

struct alerts;

#define ALERT_GAP_FIRST_MS     10000u
#define ALERT_GAP_MAX_MS       600000u
#define ALERTS_WAITING_MAX     2000u    /* beyond that nothing more is put in */
#define ALERTS_DEAD_MAX        200u     /* newest that are kept, to be looked at */
#define ALERTS_UNDER_WAY_MAX   20u
#define ALERTS_UNDER_WAY_WAY   4u       /* of them by one way */

/* Borrows all of it; takes up what waited when the state was last closed. MT_ENOMEM, MT_EIO. */
int  alerts_open(const struct alert_tools *tools, struct state_file *state, const struct checks *checks, struct alerts **out);
void alerts_close(struct alerts *a);    /* NULL is fine; attempts under way are given up and made again after the next start */

/* Another configuration, borrowed from now on: what waits goes by the way of the same name; where there is none any more it is dead. */
void alerts_configure(struct alerts *a, const struct checks *checks);

/* ways: indexes of checks->ways. MT_EFULL: too many wait already, or the state takes no more; logged. MT_ENOMEM. */
int  alerts_put(struct alerts *a, const struct notice *notice, const unsigned *ways, unsigned count);

struct alerts_stats {
    unsigned waiting, under_way, dead;
    uint64_t taken_total, failures_total, dead_total;
};
void alerts_stats(const struct alerts *a, struct alerts_stats *out);

#endif
