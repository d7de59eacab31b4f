#ifndef STORE_USUAL_H
#define STORE_USUAL_H
/*
 * usual - keeps the pattern of each mailbox (lib/pattern.h) along with its arrivals, bounces and requests to confirm a forward, and tells
 * when one has become silent: a timer looks at some mailboxes each second, so that ten thousand take no noticeable time.
 */

#include "store/store.h"

struct usual;

#define USUAL_CONFIRMATION_US UINT64_C(60000000)

struct usual *usual_new(struct store *s);       /* NULL: out of memory */
void          usual_free(struct usual *u);      /* NULL is fine */

/*
 * Within a transaction, before the message's record is written: takes it into the pattern. Of an arrival appends to changes what differs
 * from the last one. *is_news: that is worth an event, and so is a request to confirm, which anybody can send, at most once in
 * USUAL_CONFIRMATION_US, those of recognised providers and others apart. found_in: of all its genuine tokens.
 */
void usual_take(struct tx *tx, const struct tx_mailbox *m, uint64_t id, const struct message_record *record, uint32_t found_in, struct buf *changes,
                bool *is_news);

/* Looks at the next mailboxes. Called by a timer each second; here for tests. */
void usual_look(struct usual *u);

#endif
