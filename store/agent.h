#ifndef STORE_AGENT_H
#define STORE_AGENT_H
/* agent - the rows of agents (lib/record.h), who read mailboxes of others; changed within a transaction. */

#include "store/tx.h"

/* The agent of that name in lower case; a->name borrows until the next write. MT_ENOTFOUND, MT_EDAMAGED. */
int agent_find(struct tx *tx, struct slice name, struct agent_record *out);

/* A new one, under a new id. MT_EEXIST: there is one of that name. */
int agent_add(struct tx *tx, struct agent_record *a);

/* As it is now; a failure is the transaction's. */
void agent_put(struct tx *tx, const struct agent_record *a);
void agent_remove(struct tx *tx, const struct agent_record *a);

/* Whether he may read that one from now on, or not any more. MT_ESIZE: AGENT_MAILBOXES_MAX. */
int  agent_grant(struct agent_record *a, uint32_t mailbox_id);
void agent_revoke(struct agent_record *a, uint32_t mailbox_id);

/* A mailbox is removed: no agent has its id any more. */
void agent_forget_mailbox(struct tx *tx, uint32_t mailbox_id);

#endif
