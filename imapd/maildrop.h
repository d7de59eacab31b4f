#ifndef IMAPD_MAILDROP_H
#define IMAPD_MAILDROP_H
/*
 * maildrop - a folder as a POP3 session sees it (RFC 1939): the list of its messages as it was at the login. It is a snapshot and
 * no lock: other sessions may see the same folder at the same time, and delete from it.
 */

#include "lib/db.h"

#define MAILDROP_MESSAGES_MAX 1000000u  /* of a larger folder the oldest are shown; the rest comes at the next login */

struct maildrop_message {
    uint64_t id;
    uint32_t uid;
    bool     deleted;       /* marked by DELE */
};

struct maildrop {
    uint32_t                 mailbox_id;
    uint32_t                 folder_id;
    uint32_t                 uidvalidity;
    uint32_t                 count;
    uint32_t                 deleted_count;
    uint64_t                 bytes;         /* of all messages, and of those that are marked */
    uint64_t                 deleted_bytes;
    struct maildrop_message *messages;      /* owned; message number 1 is the first */
};

/* The folder of that name (without case; "": INBOX). 0, MT_ENOTFOUND (no such folder), or MT_E… from the database. */
int  maildrop_open(struct db *db, uint32_t mailbox_id, struct slice folder, struct maildrop *out);
void maildrop_free(struct maildrop *m);

/*
 * Size in octets of message number n (from 1), as RETR sends it without its dots. MT_ENOTFOUND: it has gone since the login, or
 * is marked as deleted; MT_ESIZE: there is no such number.
 */
int maildrop_size(const struct maildrop *m, struct db *db, uint32_t n, uint64_t *bytes);

#endif
