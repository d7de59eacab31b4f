#ifndef CHECKER_OUTCOME_H
#define CHECKER_OUTCOME_H
/*
 * outcome - what one run of a check came to, whatever its kind: what is stored, shown, counted and alerted. Plain data.
 */

#include "checker/range.h"

#include <jansson.h>
#include <stdint.h>

/* The time of one step, such as "connect", "tls", "end", "transit", "total". */
struct outcome_time {
    char     name[16];
    uint64_t us;
};

#define OUTCOME_TIMES_MAX 24u

struct outcome {
    uint64_t started_us;            /* wall clock, microseconds since 1970 */
    uint64_t took_us;
    enum state state;
    bool     own_trouble;           /* the service, our resolver, our memory: tells nothing of what is checked */
    bool     deferred;              /* it failed, or was slow, because of 4yz replies alone (greylisting) */
    char     verdict[24];           /* "arrived", "late", "not-sent", "not-arrived", "bounced", "autoreply", "junk", "listed", "ok", "failed", "unknown" */
    char     cause[200];            /* the same for all checks that one and the same thing stops (outcome_story.h), such as "service"; empty when OK */
    char     step[16];              /* at which it failed: "lookup", "connect", …, "arrival"; empty when it did not */
    char     host[256];             /* who said so: "mx1.example[192.0.2.1]:25"; or empty */
    unsigned code;                  /* of its reply; 0: none */
    char     reply[300];            /* its words, fit to be shown (lib/display.h) */
    char     reason[512];           /* one sentence */
    struct outcome_time times[OUTCOME_TIMES_MAX];
    unsigned times_count;
    char     client[46];            /* address of the client that delivered to the hosted mailbox; or empty */
    json_t  *document;              /* all of it: docs/checker.md lists the members. Owned */
};

void outcome_init(struct outcome *o);
void outcome_clear(struct outcome *o);      /* frees the document */

/* Adds a time; those beyond OUTCOME_TIMES_MAX are dropped. */
void outcome_add_time(struct outcome *o, const char *name, uint64_t us);

#endif
