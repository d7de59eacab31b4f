#ifndef CHECKER_NOTICE_H
#define CHECKER_NOTICE_H
/* notice - what people are told: that checks fail, still fail, work again. Plain data, made by incidents, carried by alerts. */

#include "checker/outcome.h"

enum notice_kind { NOTICE_PROBLEM, NOTICE_REMINDER, NOTICE_ESCALATION, NOTICE_RECOVERY, NOTICE_TEST };

/* "problem", "reminder", "escalation", "recovery", "test". */
const char *notice_kind_name(enum notice_kind kind);

/* Why one check is in the notice: of its last run. */
struct notice_check {
    const char *name;
    enum state  state;
    uint64_t    since_us;       /* wall clock: when the first of the failed runs began */
    const char *verdict, *step, *host, *reply, *reason;
    unsigned    code;
};

#define NOTICE_CHECKS_MAX 50u   /* that are told of by name; the rest is counted */

struct notice {
    enum notice_kind           kind;
    uint64_t                   incident;        /* the same for all notices about one incident; grows */
    uint64_t                   id;              /* of this notice; never used twice */
    const char                *cause;           /* struct outcome.cause */
    enum state                 state;           /* the worst of them; STATE_OK for a recovery */
    uint64_t                   now_us, since_us;    /* wall clock, microseconds since 1970 */
    const struct notice_check *checks;
    unsigned                   checks_told;     /* of checks */
    unsigned                   checks_count;    /* in all */
};

#endif
