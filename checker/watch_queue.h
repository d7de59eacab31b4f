#ifndef CHECKER_WATCH_QUEUE_H
#define CHECKER_WATCH_QUEUE_H
/*
 * watch_queue - turns for looks into accounts: one at a time for each account, WATCH_LOOKS_MAX in all, those who waited longest first.
 * Constant time for each turn, whatever the number of accounts and of those who wait.
 */

#include "checker/watch.h"

#include <sys/queue.h>

struct watch_account;

/* One who wants a turn: part of the caller's object, zero at first. */
struct watch_turn {
    TAILQ_ENTRY(watch_turn) link;
    struct watch_account   *account;    /* NULL: neither waits nor has its turn */
    bool                    granted;
    struct event           *wake;       /* the caller's: made active when the turn has come */
};

/* Waits for a turn; turn->wake is set. key names the account; copied. first: before the others of this account. MT_ENOMEM. */
int  watch_turn_ask(struct watch_queue *q, struct watch_turn *turn, struct slice key, bool first);

/* Ends the turn, or the wait for it. Nothing where there is neither. */
void watch_turn_end(struct watch_queue *q, struct watch_turn *turn);

/* How many have their turn, and how many wait. */
unsigned watch_queue_running(const struct watch_queue *q);
unsigned watch_queue_waiting(const struct watch_queue *q);

#endif
