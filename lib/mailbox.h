#ifndef LIB_MAILBOX_H
#define LIB_MAILBOX_H
/*
 * mailbox - names of mailboxes and what smtpd knows of them (MSG_MAILBOX).
 *
 * A mailbox has one name, unique in the service, that is also its login: 1 to MAILBOX_NAME_MAX of the letters a to z, digits,
 * '.', '-' and '_', beginning and ending with a letter or digit, in lower case, without "..". It receives at that name in every configured
 * domain; its address, which its tokens are bound to, is the name at the domain that it was created for.
 */

#include "lib/wire.h"

#define MAILBOX_NAME_MAX    64u     /* octets */
#define MAILBOX_ADDRESS_MAX 320u    /* octets: name, "@", domain of at most 255 */

/* Copies the name in lower case with a NUL. MT_ESYNTAX where it is none. */
int mailbox_name_parse(struct slice text, char out[MAILBOX_NAME_MAX + 1]);

struct mailbox_state {
    char name[MAILBOX_NAME_MAX + 1];
    bool enabled;
    bool over_quota;
    bool damaged;       /* nothing can be kept in it now */
};

void mailbox_state_write(struct buf *b, const struct mailbox_state *m);
void mailbox_state_read(struct reader *r, struct mailbox_state *out);

#endif
