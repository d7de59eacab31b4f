#ifndef STORE_SUBSCRIPTION_H
#define STORE_SUBSCRIPTION_H
/*
 * subscription - names of folders that a mailbox is subscribed to though there is no such folder: a subscription does not end with its
 * folder (RFC 9051 section 6.3.7). That of a folder that is there stands in its record. At most DB_SUBSCRIPTIONS_MAX of a mailbox.
 */

#include "store/tx.h"

bool subscription_is_kept(struct tx *tx, uint32_t mailbox_id, struct slice name);

/* Keeps it. Where there are DB_SUBSCRIPTIONS_MAX already, it ends with its folder after all. */
void subscription_keep(struct tx *tx, uint32_t mailbox_id, struct slice name);

/* Forgets it: it was ended, or there is such a folder now. None is fine. */
void subscription_drop(struct tx *tx, uint32_t mailbox_id, struct slice name);

/* The mailbox goes. */
void subscription_drop_all(struct tx *tx, uint32_t mailbox_id);

#endif
