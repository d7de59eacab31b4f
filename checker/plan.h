#ifndef CHECKER_PLAN_H
#define CHECKER_PLAN_H
/*
 * plan - what one round trip is to be: how it sends, how it receives, and what counts as late. Plain data, read from the command line
 * (settings) or from checks.yaml (checks), carried out by round_trip. All texts are borrowed from there; NULL: not given.
 */

#include "checker/range.h"
#include "lib/slice.h"

/* How the sender and the fetcher protect a connection. */
enum tls_mode {
    TLS_AUTO,       /* STARTTLS when offered; the certificate is looked at and reported, not demanded */
    TLS_NONE,       /* never */
    TLS_REQUIRE,    /* STARTTLS must be offered; the certificate is reported */
    TLS_VERIFY,     /* and its certificate must be valid for the host's name */
};

/* How a client proves who it is. AUTO: the best that the server offers and the secret allows; nothing in the clear but on loopback. */
enum auth_mechanism {
    AUTH_NONE,
    AUTH_AUTO,
    AUTH_PLAIN,             /* RFC 4616 */
    AUTH_LOGIN,
    AUTH_CRAM_MD5,          /* RFC 2195 */
    AUTH_SCRAM_SHA_1,       /* RFC 5802 */
    AUTH_SCRAM_SHA_256,     /* RFC 7677 */
    AUTH_XOAUTH2,
    AUTH_OAUTHBEARER,       /* RFC 7628 */
};

#define TOKEN_COMMAND_WORDS_MAX 16u

/* Who logs in with what. The secret is read when it is needed (credential.h), never kept here. */
struct auth {
    enum auth_mechanism mechanism;
    const char         *user;
    const char         *password_file;                              /* one line */
    const char         *token_command[TOKEN_COMMAND_WORDS_MAX + 1]; /* prints an OAuth access token; [0] NULL: none */
};

/* A server to speak to, and how. */
struct server {
    const char   *name;             /* of its entry in checks.yaml; NULL: it has none */
    const char   *host;             /* NULL: the MX of the recipient's domain */
    uint16_t      port;
    bool          implicit_tls;     /* TLS from the first octet on; then tls is TLS_REQUIRE or TLS_VERIFY */
    enum tls_mode tls;
    const char   *ca_file;          /* NULL: the system's */
    struct auth   auth;
};

enum send_way {
    SEND_MX,            /* the MX hosts of the recipient's domain, in their order */
    SEND_HOST,          /* a server that is given: the customer's, or one that wants a login */
    SEND_RELAY,         /* the provider's own outgoing server */
    SEND_SENDMAIL,      /* the local program */
    SEND_NONE,          /* somebody else sends */
};

enum receive_way {
    RECEIVE_HOSTED,     /* in this service's mailbox */
    RECEIVE_IMAP,       /* in an account of the customer's server */
    RECEIVE_POP3,
    RECEIVE_NONE,       /* the server's 250 is all that is wanted */
};

/* The settings of one round trip. */
struct plan {
    unsigned         scenario;          /* 1 to 5, as the field numbers them; 0: none of these */
    enum send_way    send;
    bool             each_mx;           /* SEND_MX: each host gets a mail of its own, and all must arrive (runner makes a plan for each) */
    struct server    server;            /* SEND_MX: its port and tls alone count */
    const char      *sendmail;          /* SEND_SENDMAIL: path of the program */
    enum receive_way receive;
    struct server    account;           /* RECEIVE_IMAP, RECEIVE_POP3 */
    const char      *folder;            /* IMAP: "INBOX" */
    const char      *junk_folder;       /* IMAP; "": none is looked into; NULL: the one that the server marks as \Junk (RFC 6154), or is called so */
    const char      *mailbox;           /* of this service; NULL: the service is not asked, the token is drawn here */
    const char      *expect;            /* SEND_NONE: the text that is looked for; NULL: any genuine token that comes to the mailbox */
    const char      *label;             /* the check's name: marks its mails, so that left-overs of this check alone are removed; NULL: "once" */
    const char      *to;
    const char      *from;              /* NULL: check@ the mailbox's own address, or the recipient where there is none */
    const char      *helo;
    uint32_t         window_ms;
    uint32_t         timeout_ms;        /* of each step of sending and fetching */
    uint32_t         retry_gap_ms;      /* before the second attempt, then twice as long each time, up to RETRY_GAP_MAX_MS; 0: only one */
    uint32_t         poll_gap_ms;       /* before the second look into an account, then half as long again each time, up to POLL_GAP_MAX_MS */
    struct range     warning, critical; /* seconds from the beginning of sending to the arrival */
    bool             keep;              /* the message is not deleted after success */
    bool             auto_submitted;
};

#define RETRY_GAP_MAX_MS 120000u
#define POLL_GAP_MAX_MS  30000u

#endif
