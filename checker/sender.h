#ifndef CHECKER_SENDER_H
#define CHECKER_SENDER_H
/*
 * sender - one attempt to hand one mail to one server address by SMTP, with the time of each step; or to ask that server how far it
 * would go, without a mail.
 *
 * libcurl connects, greets and starts TLS, and carries the octets (smtp_link). AUTH to QUIT are spoken here: libcurl's own SMTP upload waits
 * for the answer to the end of the data, and for that to QUIT, in a blocking call, which would stop every other check on the loop; and it
 * ends a mail that is given up half way with the dot that makes it count.
 */

#include "checker/certificate.h"
#include "checker/plan.h"
#include "checker/steps.h"

#include <event2/event.h>

/* How far it goes; QUIT ends each of them. */
enum sender_purpose {
    SENDER_MAIL,        /* the whole mail */
    SENDER_GREET,       /* EHLO, TLS, AUTH */
    SENDER_ASK,         /* and MAIL, RCPT, RSET */
};

/* What to send where; all borrowed until the end of the attempt, but for the secret, which is copied. */
struct sender_task {
    enum sender_purpose purpose;
    const char   *host;             /* name of the server, for messages, SNI and the certificate */
    const char   *address;          /* "192.0.2.1", "2001:db8::1" */
    uint16_t      port;
    const char   *helo;             /* name for EHLO; empty or NULL: this machine's */
    const char   *from, *to;        /* envelope, without angle brackets */
    struct slice  message;          /* whole, CRLF line ends */
    bool          implicit_tls;     /* TLS from the first octet on */
    enum tls_mode tls;
    const char   *ca_file;          /* NULL: the system's */
    const struct auth *auth;        /* NULL, or AUTH_NONE: no login */
    const char   *secret;           /* for it (credential.h) */
    uint32_t      timeout_ms;       /* for everything before AUTH or MAIL, and for each reply (10 minutes for that to the end of the data) */
    uint32_t      limit_ms;         /* for the whole attempt */
};

#define SENDER_REASON_BYTES 400u

/* What came of it. */
struct sender_result {
    struct steps steps;
    bool         accepted;                      /* the end of the data was answered with 2yz; without a mail: all that was asked went well */
    bool         data_sent;                     /* the whole mail has left: it may have been taken even without a reply */
    bool         hopeless;                      /* the TLS, or the login, that was demanded cannot be had: trying again soon is no use */
    bool         deferred;                      /* refused for now: 4yz */
    bool         own_trouble;                   /* this machine has no descriptor or memory for a connection: nothing is known of the server */
    bool         token_refused;                 /* the access token: another one may be good */
    unsigned     code;                          /* of the reply that refused it; 0: none did */
    char         reason[SENDER_REASON_BYTES];   /* why it failed, in words; empty when accepted */
    char         tls_version[16];               /* "TLSv1.3"; empty: in the clear */
    char         tls_cipher[64];
    char         tls_verify[128];               /* "ok", or why the certificate is not valid; empty without TLS */
    struct certificate certificate;
    char         auth[16];                      /* the mechanism of the login: "SCRAM-SHA-256"; empty: none was tried */
};

struct sender;

/* result is valid during the call; the sender is freed after it. */
typedef void sender_done_fn(void *arg, const struct sender_result *result);

/* Starts the attempt. done is called from the loop. NULL: out of memory. */
struct sender *sender_start(struct event_base *base, const struct sender_task *task, sender_done_fn *done, void *arg);

/* Gives it up and frees it, without a call of done. NULL is fine. */
void sender_cancel(struct sender *s);

/* What is known so far. */
void sender_peek(struct sender *s, struct sender_result *out);

#endif
