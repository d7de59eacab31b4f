#ifndef IMAPD_SASL_H
#define IMAPD_SASL_H
/*
 * sasl - the server's side of SASL (RFC 4422) for IMAP and POP3: PLAIN (RFC 4616), SCRAM-SHA-256 (RFC 5802, 7677) and
 * SCRAM-SHA-256-PLUS with the channel bindings tls-exporter (RFC 9266) and tls-server-end-point (RFC 5929). Knows nothing of how the protocol frames the
 * messages; these are octets here, without base64.
 *
 * An authorization identity other than the user's own is that of the mailbox that an agent reads (imapd/login.h).
 */

#include "imapd/login.h"

#include <openssl/ssl.h>

#define SASL_MESSAGE_BYTES 2048u    /* of one message of either side: two names and the longest secret */
#define SASL_USER_BYTES    LOGIN_NAME_BYTES

enum sasl_mechanism { SASL_NONE, SASL_PLAIN, SASL_SCRAM, SASL_SCRAM_PLUS };

/* The mechanism of that name without case; SASL_NONE for others. */
enum sasl_mechanism sasl_mechanism_of(struct slice name);

enum sasl_result {
    SASL_MORE,          /* out is to be sent as a challenge; the client's answer comes next */
    SASL_CHECK,         /* secret is to be checked against login.credentials, which takes long: then sasl_checked */
    SASL_PASSED,        /* login tells who it is */
    SASL_REFUSED,       /* wrong secret, no such user, an agent who may not read that */
    SASL_DISABLED,      /* the secret is right, and the mailbox is disabled */
    SASL_MALFORMED,     /* the message breaks the mechanism's syntax, or the mechanism is not for this connection */
    SASL_UNREADABLE,    /* the database cannot be read at the moment */
    SASL_BUSY,          /* not of sasl: too many checks are under way */
    SASL_PUT_OFF,       /* not of sasl: too many tries */
};

struct sasl {
    enum sasl_mechanism  mechanism;
    unsigned             step;
    struct db           *db;
    const struct config *config;
    SSL                 *ssl;                   /* NULL: no TLS */
    struct login         login;                 /* wiped by sasl_end */
    struct buf           first_bare;            /* the client's first message without its header */
    struct buf           server_first;
    char                 header[512];           /* "n,,", "p=tls-exporter,a=acme," */
    char                 nonce[128];            /* the client's and ours */
    char                 user[SASL_USER_BYTES + 1];     /* as given, for the log */
    char                 identity[SASL_USER_BYTES + 1]; /* to act as; "": none was given */
    struct slice         secret;                /* of SASL_CHECK; borrowed from the message */
};

/* Borrows all; ssl is NULL without TLS. */
void sasl_begin(struct sasl *s, enum sasl_mechanism mechanism, struct db *db, const struct config *config, SSL *ssl);

/*
 * Whether that message, the next one, begins a try on a name (login_name): the first of each mechanism. False: it does not, or it is
 * malformed, which sasl_step tells.
 */
bool sasl_begins_try(struct sasl *s, struct slice message, char name[LOGIN_NAME_BYTES + 1]);

/* The client's next message; appends the challenge to out (limit SASL_MESSAGE_BYTES). */
enum sasl_result sasl_step(struct sasl *s, struct slice message, struct buf *out);

/* Behind SASL_CHECK: SASL_PASSED, SASL_REFUSED or SASL_DISABLED. */
enum sasl_result sasl_checked(const struct sasl *s, bool right);

/* Wipes what is secret and frees. All zero is fine. */
void sasl_end(struct sasl *s);

#endif
