#ifndef SMTPD_MAILBOXES_H
#define SMTPD_MAILBOXES_H
/*
 * mailboxes - what smtpd knows of the mailboxes, as store tells it: at the start of each channel to store all of them, then what
 * changes. A recipient is judged by this, without a question to store.
 */

#include "lib/mailbox.h"

struct mailboxes;

struct mailboxes *mailboxes_new(void);              /* NULL: out of memory */
void              mailboxes_free(struct mailboxes *m);

/* A new channel to store was made: it tells all again; what was known holds until mailboxes_complete. */
void mailboxes_begin(struct mailboxes *m);

/* Adds one or changes what is known of it. 0 or MT_ENOMEM. */
int mailboxes_set(struct mailboxes *m, const struct mailbox_state *state);

void mailboxes_remove(struct mailboxes *m, struct slice name);

/* All were told since mailboxes_begin: those that were not are gone. */
void mailboxes_complete(struct mailboxes *m);

/* Whether all are known, so that an unknown name is none. */
bool mailboxes_are_complete(const struct mailboxes *m);

size_t mailboxes_count(const struct mailboxes *m);

/* NULL: not known. Valid until the next change. */
const struct mailbox_state *mailboxes_find(const struct mailboxes *m, struct slice name);

#endif
