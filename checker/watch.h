#ifndef CHECKER_WATCH_H
#define CHECKER_WATCH_H
/*
 * watch - looks for the arrival of one token in an account of another server (IMAP, POP3; watch_account), again and again with growing
 * gaps, until it is found or the watch is given up. What is found is deleted there in the same look (unless plan->keep), and so are left-overs:
 * mails of the same check (plan->label) whose window is over for long. What carries neither this token nor this check's label is never touched.
 *
 * Everything that a server sends is bounded: lines, literals, numbers, octets and time of a look (fetch.h).
 */

#include "checker/credential.h"
#include "lib/resolver.h"

#include <jansson.h>

struct watch;
struct watch_queue;

/* Shared by all; borrowed. */
struct watch_tools {
    struct event_base  *base;
    struct resolver    *resolver;
    struct credentials *credentials;
    struct watch_queue *queue;              /* NULL: nobody waits for another's look */
};

#define WATCH_REASON_BYTES 300u

/* What the looks into the account came to so far. Once the mail itself is found, or it is hopeless, no look follows but the last. */
struct watch_result {
    bool     found;                         /* the mail, or a report or an automatic reply about it */
    unsigned copies;                        /* of the mail itself: more than 1 when it was delivered twice; those that lay there when it was seen */
    bool     junk;                          /* found in the Junk folder alone */
    char     folder[64];                    /* where */
    bool     bounced, autoreply;            /* what was found is a report of a failure (or an automatic reply) about the mail, not the mail itself: it
                                               is looked for further */
    uint64_t found_us;                      /* monotonic: when we saw it */
    uint64_t seen_before_us;                /* monotonic: the last look that did not see it began then; 0: the first look saw it */
    json_t  *answer;                        /* "arrivals", "hops", "report" as in a token document of docs/openapi.yaml; owned by the watch */
    unsigned deleted, leftovers_deleted;
    bool     hopeless;                      /* the last look failed in a way that time does not heal: wrong password, no such folder */
    bool     own;                           /* the last look failed by trouble of ours: no name server, the secret cannot be had, no memory */
    char     step[16];                      /* at which the last look failed: "lookup", "connect", "banner", "tls", "login", "select", "search",
                                               "fetch", "delete"; empty: it did not */
    char     host[ROUTE_HOST_BYTES];        /* "imap.example[192.0.2.1]:993", or "imap.example:993" before a connection */
    char     reason[WATCH_REASON_BYTES];    /* why, in words, with what the server said; fit to be shown. With an empty step: what was odd about a look
                                               that went well, such as a left-over that cannot be deleted */
    unsigned looks;                         /* so far */
    bool     last;                          /* this was the look that watch_last_look asked for */
    char     tls_version[16];               /* "TLSv1.3"; empty: in the clear, or no connection yet */
    char     tls_verify[128];               /* "ok", or why the certificate is not valid; empty without TLS */
};

/* After each look; result belongs to the watch. Called from the loop, never from inside; watch_free is allowed. */
typedef void watch_changed_fn(void *arg, const struct watch_result *result);

/* plan and token are borrowed. The first look begins at once. NULL: out of memory. */
struct watch *watch_start(const struct watch_tools *tools, const struct plan *plan, const char *token, watch_changed_fn *changed, void *arg);

/* One more look right now, and the last one (the window has ended): one that is under way ends first. changed tells of it with result->last. */
void watch_last_look(struct watch *w);

void watch_free(struct watch *w);           /* NULL is fine */

/*
 * Who looks when: how many accounts are looked into at once; the others wait their turn. Several checks on one account look one after the
 * other. One queue a process. NULL: out of memory.
 */
#define WATCH_LOOKS_MAX 200u
struct watch_queue *watch_queue_new(void);
void                watch_queue_free(struct watch_queue *q);    /* NULL is fine; every watch was freed before */

#endif
