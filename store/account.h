#ifndef STORE_ACCOUNT_H
#define STORE_ACCOUNT_H
/* account - the rows that make up a mailbox: record, name, folders; made, changed and removed within a transaction. */

#include "store/tx.h"

/*
 * Makes a mailbox with its two folders. template: name, domain, and the secret's hashes (lib/secret.h); the rest is filled in.
 * MT_EEXIST: the name is taken.
 */
int account_create(struct tx *tx, const struct mailbox_record *template, struct tx_mailbox **out);

/*
 * Removes the mailbox, the API keys and webhooks for it, the agents' right to it, its pattern, and the deadlines of its tokens. Its name is free at once; its messages are removed bit by bit (expire), under
 * an id that is never used again. *messages: how many those are.
 */
void account_delete(struct tx *tx, struct tx_mailbox *m, uint64_t *messages);

/* Tells the readers that something about it changed. */
void account_changed(struct tx *tx, const struct tx_mailbox *m);

#endif
