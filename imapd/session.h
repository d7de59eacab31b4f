#ifndef IMAPD_SESSION_H
#define IMAPD_SESSION_H
/*
 * session - what a connection is logged in to, from the login to its end: for the log, which tells who read and who removed mail, and
 * to end it when its login no longer holds: the mailbox or the agent was disabled or removed, its secret was replaced, the right was taken away.
 */

#include "lib/mailbox.h"

struct connection;
struct login;

struct session {
    bool     logged_in;
    uint32_t mailbox_id;
    uint64_t began_ms;          /* monotonic_ms() */
    uint64_t fetched;           /* messages whose octets were asked for, each time */
    uint64_t removed;           /* messages */
    uint8_t  salt[16];          /* of the secret that it logged in with: each secret has another */
    char     mailbox[MAILBOX_NAME_MAX + 1];
    char     agent[MAILBOX_NAME_MAX + 1];       /* "": the mailbox itself */
};

/* "mailbox=acme agent=checker" for the log; "" before the login. */
struct session_names {
    char chars[2 * MAILBOX_NAME_MAX + sizeof("mailbox= agent=")];
};
const char *session_names(struct session_names *names, const struct session *s);
#define SESSION_NAMES(s) session_names(&(struct session_names){ .chars = "" }, (s))

/* The login was right: from now on the connection is logged in. Told to the log. */
void session_begin(struct connection *c, const struct login *login);

/* access.errors_max is reached: counted, and told to the log. */
void session_too_many_errors(struct connection *c);

/* The connection is over. */
void session_end(struct connection *c);

/* Messages were removed: event "expunged", "moved", "folder-deleted". folder: its name. Told to the log; counted by the caller. */
void session_removed(const struct connection *c, const char *event, struct slice folder, uint64_t messages);

/* As session_removed, where the folder's id is known; one that has gone is told as "". */
void session_removed_from(const struct connection *c, const char *event, uint32_t folder_id, uint64_t messages);

/*
 * Whether that login would be right now. Reads the database, in a snapshot of its own; true where it cannot be read, since nothing else can
 * then be read by that session, either.
 */
bool session_login_holds(const struct connection *c, const struct login *login);
bool session_holds(const struct connection *c);

#endif
