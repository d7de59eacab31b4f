#ifndef LOOKUP_WAITER_H
#define LOOKUP_WAITER_H
/*
 * waiter - requests that wait for tokens: registers them (wait.h), decides when there is something to tell, and has it told.
 *
 * Each wait ends exactly once: when enough of its tokens are decided, at the end of its time, when a deadline decides it, when
 * its key is revoked, when the role drains, or when the client leaves.
 */

#include "lookup/call.h"
#include "lookup/wait.h"

/* So many tokens of one request take one of the http.waiting_max places. */
#define WAITER_TOKENS_PER_PLACE 50u

struct wait_item {
    struct wait_entry entry;        /* token and mailbox_id are the caller's to set */
    uint64_t          deadline_unix;/* 0: none */
    uint16_t          problem;      /* an HTTP status: this item cannot be looked up; nothing is waited for */
    bool              decided;
};

struct waiter;

struct wait_request {
    struct caller caller;
    uint64_t      wait_us;
    uint32_t      after;            /* arrivals that are known already: only more of them count */
    bool          has_after;
    bool          any;              /* one decided token is enough; else all are wanted */
    bool          single;           /* the answer is the one token's own, not a list */
    unsigned      count;
};

struct waiters *waiters_new(struct lookup *l);
void            waiters_free(struct waiters *w);        /* NULL is fine */

/*
 * The items of a new request, to be filled in; NULL: out of memory. waiter_start takes it over: it answers at once when there is
 * nothing to wait for, or holds the exchange. view: as of the call.
 */
struct waiter    *waiter_new(struct lookup *l, const struct wait_request *r);
struct wait_item *waiter_item(struct waiter *w, unsigned i);
void              waiter_free(struct waiters *all, struct waiter *w);    /* one that was not started */
void              waiter_start(struct waiter *w, struct exchange *x, const struct db_view *view);

/* Something changed with this token of this mailbox, or with the API keys, or may have changed with all (after store was away). */
void waiters_token_changed(struct waiters *w, const struct token *t, uint32_t mailbox_id);
void waiters_keys_changed(struct waiters *w);
void waiters_recheck(struct waiters *w);

/* Everybody gets an answer now. */
void waiters_drain(struct waiters *w);

unsigned waiters_count(const struct waiters *w);

#endif
