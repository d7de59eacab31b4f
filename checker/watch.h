#ifndef CHECKER_WATCH_H
#define CHECKER_WATCH_H
/*
 * watch - looks for the arrival of one token in an account of another server (IMAP, POP3; watch_account), again and again with growing
 * gaps, until it is found or the watch is given up. What is found is deleted there (unless kept), and so are older mails of the same check.
 */

#include "checker/credential.h"
#include "lib/curl_loop.h"
#include "lib/resolver.h"

#include <jansson.h>

struct watch;

/* Shared by all; borrowed. */
struct watch_tools {
    struct event_base  *base;
    struct curl_loop   *loop;
    struct resolver    *resolver;
    struct credentials *credentials;
};

#define WATCH_REASON_BYTES 300u

/* One look into the account, or its end. */
struct watch_result {
    bool     found;
    unsigned copies;                        /* of the mail itself: more than 1 when it was delivered twice */
    bool     junk;                          /* found in the Junk folder alone */
    char     folder[64];                    /* where */
    bool     bounced, autoreply;            /* what was found is a report of a failure (or an automatic reply) about the mail, not the mail itself */
    uint64_t found_us;                      /* monotonic: when we saw it */
    uint64_t seen_before_us;                /* monotonic: the last look that did not see it began then; 0: the first look saw it */
    json_t  *answer;                        /* "arrivals", "hops", "report" as in a token document of docs/openapi.yaml, as far as a mail tells; owned by the watch */
    unsigned deleted, leftovers_deleted;
    bool     hopeless;                      /* the last look failed in a way that time does not heal: wrong password, no such folder */
    char     step[16];                      /* at which the last look failed: "lookup", "connect", "tls", "login", "select", "search", "fetch"; empty: it did not */
    char     host[ROUTE_HOST_BYTES];
    char     reason[WATCH_REASON_BYTES];    /* why, in words, with what the server said; fit to be shown */
    unsigned looks;                         /* so far */
};

/* After each look; result belongs to the watch. Called from the loop, never from inside; watch_free is allowed. */
typedef void watch_changed_fn(void *arg, const struct watch_result *result);

/* plan and token are borrowed. The first look begins at once. NULL: out of memory. */
struct watch *watch_start(const struct watch_tools *tools, const struct plan *plan, const char *token, watch_changed_fn *changed, void *arg);

/* One more look right now, and the last one (the window has ended). */
void watch_last_look(struct watch *w);

void watch_free(struct watch *w);           /* NULL is fine */

/* How many accounts are looked into at once; the others wait their turn. Several checks on one account look one after the other. */
#define WATCH_LOOKS_MAX 200u

#endif
