#ifndef LOOKUP_WAIT_H
#define LOOKUP_WAIT_H
/*
 * wait - who waits for which token: a hash table from token to the requests that want to hear of it. It knows no HTTP and no
 * database. Several may wait for one token, one may wait for many.
 *
 * A token may be registered before anything is known of it. Look into the database after registering, never before: then
 * an arrival is either found there or told here.
 */

#include "lib/token.h"

#include <sys/queue.h>

struct waits;

/* Part of the waiter's own memory. */
struct wait_entry {
    LIST_ENTRY(wait_entry) same_bucket;
    struct token           token;
    uint32_t               mailbox_id;      /* the only one whose arrivals count; 0: any */
    uint32_t               index;           /* the waiter's own */
    void                  *waiter;
};

/* room: entries for which the table is made; more make it slower, not wrong. NULL: out of memory. */
struct waits *waits_new(unsigned room);
void          waits_free(struct waits *w);      /* must be empty; NULL is fine */

void waits_add(struct waits *w, struct wait_entry *e);
void waits_remove(struct waits *w, struct wait_entry *e);   /* fine also when it is not in */

/* Whether anybody waits for the token, of whatever mailbox. */
bool waits_has(struct waits *w, const struct token *token);

/* Calls fn for each entry of the token that wants to hear of this mailbox. fn must add and remove nothing. */
typedef void wait_found_fn(void *arg, struct wait_entry *e);
void waits_find(struct waits *w, const struct token *token, uint32_t mailbox_id, wait_found_fn *fn, void *arg);

unsigned waits_count(const struct waits *w);    /* entries */

#endif
