#ifndef CHECKER_HOSTED_H
#define CHECKER_HOSTED_H
/*
 * hosted - hears of what comes to the service's mailboxes, for any number of round trips at once, by one long-lived connection with the stream
 * of events (GET /v1/events). Nobody polls. When the connection breaks it is made again after growing gaps, behind the last event that was
 * heard. Where something may have been missed all the same (the service says `reset`, or the first connection comes after the tokens), each
 * waiting token is asked for once, many in one request (POST /v1/lookup).
 */

#include "checker/api.h"
#include "lib/token.h"

#include <event2/event.h>

struct hosted;

/* last_event_id: where an earlier run had got to; "": from now on. Borrows base and api. Connects at once. NULL: out of memory. */
struct hosted *hosted_new(struct event_base *base, struct api *api, const char *last_event_id);
void           hosted_free(struct hosted *h);      /* NULL is fine; everybody who waits was ended before */

/* How it stands, for metrics. */
struct hosted_state {
    bool     connected;         /* the stream is open */
    uint64_t connections;       /* that were made, or tried */
    uint64_t events;            /* heard */
    uint64_t resets;
    unsigned waiting;           /* tokens and mailboxes */
    char     reason[API_REASON_BYTES];      /* why the last connection ended; empty while connected */
};
void        hosted_state(const struct hosted *h, struct hosted_state *out);
const char *hosted_last_event_id(const struct hosted *h);

/* Something about a token. Texts are valid during the call. */
struct hosted_event {
    const char *name;           /* "arrived", "late", "missed", "bounced", "autoreply"; "ask": nothing was heard, but may have been missed */
    const char *token;
    const char *verdict;        /* of the token; "" where it is not told */
    uint64_t    heard_us;       /* monotonic */
    uint64_t    ago_us;         /* so long before that it happened, at least, by the service's stamp and its clock's bounds; 0: not known */
};

typedef void hosted_event_fn(void *arg, const struct hosted_event *event);

struct hosted_wait;

/*
 * Tells of each event of one token, or of all genuine tokens that come to one mailbox. fn is called from the loop, never from inside; hosted_wait_end is
 * allowed from it. The texts are copied. NULL: out of memory. Who waits for a mailbox is never asked for: it gets "ask" and looks for itself.
 */
struct hosted_wait *hosted_wait_token(struct hosted *h, const char *token, hosted_event_fn *fn, void *arg);
struct hosted_wait *hosted_wait_mailbox(struct hosted *h, const char *mailbox, hosted_event_fn *fn, void *arg);
void                hosted_wait_end(struct hosted_wait *w);     /* NULL is fine */

/* Asks for its token once, as soon as the service can be asked: what happened before it waited is told, too. */
void hosted_wait_ask(struct hosted_wait *w);

#endif
