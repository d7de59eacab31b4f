#ifndef CTL_MAILBOX_NAMES_H
#define CTL_MAILBOX_NAMES_H
/* mailbox_names - the names of all mailboxes by their ids, for records that know ids alone. */

#include "ctl/ctl.h"

/* Asks store. names: an object, to which each mailbox is added: its id in decimal -> its name. 0 or MT_E… as of client_call. */
int mailbox_names(struct ctl *ctl, json_t *names);

#endif
