#ifndef IMAPD_LOGIN_H
#define IMAPD_LOGIN_H
/*
 * login - who may log in: a mailbox by its name, with or without one of our domains, and the mailbox's secret. POP3 users may name a
 * folder behind a '/' ("acme/Unmatched"), since POP3 knows no folders.
 *
 * A user that does not exist costs the same work as one that does, and SCRAM gives him a salt that looks like any other, so that nobody
 * learns which mailboxes there are.
 */

#include "lib/config.h"
#include "lib/db.h"

#define LOGIN_FOLDER_BYTES 255u

struct login {
    bool     known;                 /* false: a decoy; nothing matches it */
    bool     enabled;
    uint32_t mailbox_id;
    char     mailbox[MAILBOX_NAME_MAX + 1];
    char     folder[LOGIN_FOLDER_BYTES + 1];    /* as the user named it; "": none */
    struct credentials credentials;
};

/*
 * Looks the user up. decoy_key: of this process. 0, with out->known false where there is no such user, or MT_E… when the database
 * cannot be read. The caller wipes *out.
 */
int login_find(struct db *db, const struct config *config, const uint8_t decoy_key[32], struct slice user, struct login *out);

/* Whether it is that mailbox's secret; in constant time, false for a decoy. */
bool login_matches(const struct login *l, struct slice secret);

#endif
