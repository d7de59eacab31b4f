#ifndef CHECKER_AWAIT_H
#define CHECKER_AWAIT_H
/*
 * await - hears at the service what becomes of one token until it has arrived, has bounced, or its window has ended: by the stream of events
 * that all share (hosted), or where there is none by a request of its own that waits there. One per round trip.
 */

#include "checker/hosted.h"

struct await;

struct await_task {
    struct event_base *base;
    struct api        *api;
    struct hosted     *hosted;          /* NULL: requests of its own */
    const char        *mailbox;
    const char        *token;           /* NULL: the first genuine one that comes to the mailbox; wants hosted */
    uint64_t           begun_us;        /* monotonic: what came before is not meant (without a token) */
    uint64_t           end_us;          /* monotonic: of the window */
    bool               ask_first;       /* something may have happened before: the service is asked at once */
};

struct await_result {
    json_t  *answer;                    /* the last token document; NULL: none. Owned by the await */
    char     token[TOKEN_CHARS + 1];    /* that it is about; empty as long as none came */
    bool     arrived;                   /* the answer has an arrival of the mail itself */
    bool     bounced;                   /* and no arrival */
    bool     autoreply;
    bool     over;                      /* nothing more will be told: it arrived, bounced, or the last look was taken */
    uint64_t heard_us;                  /* monotonic: when the arrival was heard of */
    bool     hopeless;                  /* the service refuses to answer: over, too */
    char     fault[API_REASON_BYTES];   /* why the service could not be asked, the last time; empty where it could */
};

/* Something in the result is another. Called from the loop, never from inside; await_free is allowed. */
typedef void await_changed_fn(void *arg);

/* Borrows the texts. NULL: out of memory. */
struct await              *await_start(const struct await_task *task, await_changed_fn *changed, void *arg);
const struct await_result *await_result(const struct await *a);
void                       await_free(struct await *a);     /* NULL is fine */

#endif
