#ifndef IMAPD_LOGIN_H
#define IMAPD_LOGIN_H
/*
 * login - who may log in, and as whom. A user is named as
 *
 *   acme, Acme@mailtest1.example.net       the mailbox, with or without one of our domains
 *   acme*checker                           an agent, who reads that mailbox with a secret of his own and changes nothing in it
 *   acme/Unmatched                         either, with the folder that a POP3 user wants, since POP3 knows no folders
 *
 * or, where SASL gives them apart, the agent as authentication identity and the mailbox as authorization identity.
 *
 * A user that does not exist costs the same work as one that does, and SCRAM gives him a salt that looks like any other, so that nobody
 * learns which mailboxes and agents there are, and which agent may read what.
 */

#include "lib/config.h"
#include "lib/db.h"

#define LOGIN_FOLDER_BYTES 255u
#define LOGIN_NAME_BYTES   320u         /* of a user as typed */

struct login {
    bool     known;                 /* false: a decoy, or an agent who may not read that mailbox; nothing matches it */
    bool     enabled;
    bool     has_credentials;       /* there is a mailbox or an agent of that name, whose credentials these are */
    bool     reads_only;            /* an agent */
    const char *unknown;            /* why it is not known, for the log; NULL: it is */
    uint32_t mailbox_id;
    char     mailbox[MAILBOX_NAME_MAX + 1];
    char     agent[MAILBOX_NAME_MAX + 1];       /* "": the mailbox itself */
    char     folder[LOGIN_FOLDER_BYTES + 1];    /* as the user named it; "": none */
    struct credentials credentials;
    uint8_t  scram_salt[16];        /* that SCRAM shows: the credentials', or a decoy where it cannot check them */
};

/*
 * Looks the user up. identity: the authorization identity, empty where none was given. 0, with out->known false where there is no
 * such user, or MT_E… when the database cannot be read. The caller wipes *out.
 */
int login_find(struct db *db, const struct config *config, struct slice user, struct slice identity, struct login *out);

/*
 * The one form of the name whose secret is tried, whatever form the user wrote: "acme", "*checker"; what can be no name stays as it is, in
 * lower case and cut. For counting tries on it.
 */
void login_name(const struct config *config, struct slice user, struct slice identity, char out[LOGIN_NAME_BYTES + 1]);

/* Whether it is that one's secret, which was made by us; in constant time, false for a decoy and for a chosen secret. */
bool login_matches(const struct login *l, struct slice secret);

#endif
