#ifndef STORE_JOURNAL_H
#define STORE_JOURNAL_H
/*
 * journal - the table of events: each is written in the transaction of what it tells of, with a post for each webhook that wants it
 * (store/post.h), and told to the readers after the commit. Ids only grow.
 */

#include "store/tx.h"

/*
 * Writes one; its at_us is the transaction's time. The mailbox's name is taken from m, which is NULL for an event of none. Slices of e must
 * borrow neither from the database nor from tx_scratch. A detail that is too long is cut at a character.
 */
void journal_add(struct tx *tx, const struct tx_mailbox *m, const struct event_record *e);

/* As above, of kind test, to be posted to that webhook alone, whatever it wants. Returns the event's id. */
uint64_t journal_add_test(struct tx *tx, uint32_t webhook_id);

/* Whether the oldest event is from before then; removes at most max of those, with their posts. Returns how many were removed. */
bool     journal_is_due(const struct db_view *v, uint64_t before_us);
unsigned journal_expire(struct tx *tx, uint64_t before_us, unsigned max);

#endif
