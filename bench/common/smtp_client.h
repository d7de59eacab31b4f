#ifndef BENCH_COMMON_SMTP_CLIENT_H
#define BENCH_COMMON_SMTP_CLIENT_H
/*
 * smtp_client - the sending side of one SMTP session, without waiting and without an allocation for each message. It measures
 * its own steps. What to send, and when, is its owner's business: it is told of events and answers by asking for the next step.
 */

#include "bench/common/letter.h"
#include "bench/common/loop.h"

#include <openssl/ssl.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/socket.h>

struct smtp_client;

enum smtp_event {
    SMTP_READY,     /* greeted, EHLO and TLS done: send, stay idle, or quit */
    SMTP_ACCEPTED,  /* the 250 after the final dot: send the next, or quit */
    SMTP_FAILED,    /* refused, or the connection broke; it is closed, see smtp_client_failure */
    SMTP_CLOSED,    /* after smtp_client_quit, or the server ended an idle session: open again, or leave it */
};

typedef void smtp_client_fn(struct smtp_client *c, enum smtp_event event, void *owner);

/* What all clients of a run share; stays with the caller and outlives them. */
struct smtp_setting {
    struct loop            *loop;
    struct sockaddr_storage server;
    socklen_t               server_len;
    unsigned                sources;    /* spread over so many loopback addresses from 127.0.0.1 on; 0: the kernel chooses */
    const char             *sender;
    struct letter          *letter;
    SSL_CTX                *tls;        /* STARTTLS in each session; NULL: plain text */
    bool                    pipeline;   /* MAIL, RCPT and DATA in one write (RFC 2920) */
    smtp_client_fn         *on_event;
};

/* Monotonic, 0 where it has not come to that. */
struct smtp_times {
    uint64_t opened;        /* connect() */
    uint64_t banner;        /* the 220 */
    uint64_t tls_started;   /* the 220 to STARTTLS */
    uint64_t tls_done;      /* EHLO may be said again */
    uint64_t sent;          /* the last octet of the message was handed to the kernel */
    uint64_t accepted;      /* the 250 for it was read */
};

/* What went wrong: the reply code, or 0 and what broke. The text is the reply's line as far as it was seen. */
struct smtp_failure {
    int         code;
    const char *what;       /* "banner", "ehlo", "rcpt", "closed", "tls", … */
    const char *text;
};

struct smtp_client *smtp_client_new(const struct smtp_setting *setting, void *owner);   /* exits when out of memory */
void                smtp_client_free(struct smtp_client *c);    /* drops the connection; NULL is fine */

void smtp_client_open(struct smtp_client *c);   /* when not open; the answer is an event */
bool smtp_client_is_open(const struct smtp_client *c);

/* In answer to SMTP_READY or SMTP_ACCEPTED, or later. recipient and token (NULL: none) are borrowed until the next event. */
void smtp_client_send(struct smtp_client *c, const char *recipient, const char *token, uint64_t serial);
void smtp_client_quit(struct smtp_client *c);

/* Drops the connection as failed, with an event. */
void smtp_client_abandon(struct smtp_client *c, const char *what);

const struct smtp_times   *smtp_client_times(const struct smtp_client *c);
const struct smtp_failure *smtp_client_failure(const struct smtp_client *c);
/* When it was last heard of. */
uint64_t                   smtp_client_heard(const struct smtp_client *c);

/* Fills server and server_len from HOST and PORT; false where the name is unknown. */
bool smtp_setting_resolve(struct smtp_setting *setting, const char *host, const char *port);

#endif
