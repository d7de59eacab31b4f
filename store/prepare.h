#ifndef STORE_PREPARE_H
#define STORE_PREPARE_H
/*
 * prepare - changes that are made while the store opens, before anybody can ask for anything: each in a transaction of its
 * own.
 */

#include "store/store.h"

/*
 * Sees to it that the next ids are above all that are in use, and does what a restore asks for (lib/db.h, DB_RESTORED_FILE).
 * MT_EDAMAGED, MT_EFULL, MT_EIO (logged).
 */
int prepare_database(struct store *s);

/* Seals the secrets of webhooks that an older version made. MT_EFULL, MT_EIO (logged). */
int prepare_webhooks(struct store *s);

/* A mailbox with a secret that nobody knows, until the operator asks for a new one. */
int prepare_mailbox(struct store *s, const char *name, const char *domain);

#endif
