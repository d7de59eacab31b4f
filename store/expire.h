#ifndef STORE_EXPIRE_H
#define STORE_EXPIRE_H
/*
 * expire - retention: removes what is too old, and the oldest where a folder holds too much, in small steps. A folder that
 * grows is kept within its limits in the very transaction that makes it grow; the rest goes along with commits that happen
 * anyway, and in transactions of its own only while nothing else waits.
 */

#include "store/store.h"

struct expire;

/* Borrows s. Looks at every folder once, since the limits may have been changed. NULL: out of memory. */
struct expire *expire_new(struct store *s);
void           expire_free(struct expire *e);       /* NULL is fine */

/* The limits have changed, or a mailbox was removed: looks at everything again. */
void expire_look_again(struct expire *e);

/* After a message was written into the folder: removes at most a few of its oldest, and remembers when that was not enough. */
void expire_trim(struct expire *e, struct tx *tx, struct tx_mailbox *m, struct tx_folder *f);

/* Does a step of what is known to be due; at most what the transaction's own work justifies. */
void expire_piggyback(struct expire *e, struct tx *tx);

/*
 * After the transaction ended. A failed one in which this did something makes it pause: no damage that it meets may stop
 * deliveries.
 */
void expire_committed(struct expire *e);
void expire_failed(struct expire *e, int rc);

/* Looks whether something has become due, and begins with it. Called by a timer each second; here for tests. */
void expire_look(struct expire *e);

/*
 * Removes at most max messages of one mailbox, oldest first and from all its folders; returns how many. For mailboxes that
 * were deleted.
 */
unsigned expire_mailbox(struct tx *tx, uint32_t mailbox_id, unsigned max);

#endif
