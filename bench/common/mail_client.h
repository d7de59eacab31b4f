#ifndef BENCH_COMMON_MAIL_CLIENT_H
#define BENCH_COMMON_MAIL_CLIENT_H
/*
 * mail_client - the client's side of one IMAP or POP3 session, without waiting: sends a command, reads until its answer is whole, and
 * keeps of it the last line and the numbers that the next command needs. What to say is its owner's business.
 */

#include "bench/common/loop.h"

#include <openssl/ssl.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/socket.h>

struct mail_client;

/* What ends an answer. */
enum mail_answer {
    MAIL_LINE,      /* the next line: a greeting, "+ idling", most of POP3 */
    MAIL_TAGGED,    /* IMAP: the line that begins with the tag; literals are passed over */
    MAIL_DOT,       /* POP3: a line of one dot, behind a +OK */
    MAIL_EVERY,     /* each line by itself, for ever: IDLE */
};

enum mail_event {
    MAIL_CONNECTED, /* the TLS handshake is done, or there is none: ask for the greeting with mail_client_await */
    MAIL_ANSWERED,  /* see mail_client_line */
    MAIL_FAILED,    /* the connection broke; it is closed, see mail_client_failure */
    MAIL_CLOSED,    /* the server closed it */
};

typedef void mail_client_fn(struct mail_client *c, enum mail_event event, void *owner);

/* What all clients of a run share; stays with the caller and outlives them. */
struct mail_setting {
    struct loop            *loop;
    struct sockaddr_storage server;
    socklen_t               server_len;
    unsigned                sources;    /* spread over so many loopback addresses from 127.0.0.1 on; 0: the kernel chooses */
    SSL_CTX                *tls;        /* from the first octet on; NULL: plain text */
    mail_client_fn         *on_event;
};

struct mail_client *mail_client_new(const struct mail_setting *setting, void *owner);   /* exits when out of memory */
void                mail_client_free(struct mail_client *c);    /* drops the connection; NULL is fine */

void mail_client_open(struct mail_client *c, unsigned source);
bool mail_client_is_open(const struct mail_client *c);
void mail_client_drop(struct mail_client *c);           /* closes it; no event */

void mail_client_await(struct mail_client *c, enum mail_answer answer);
/* The command with its line end. MAIL_TAGGED: it begins with "a ". */
void mail_client_send(struct mail_client *c, const char *command, size_t len, enum mail_answer answer);

const char *mail_client_line(const struct mail_client *c);      /* the line that ended the answer, without its line end */
const char *mail_client_first(const struct mail_client *c);     /* its first line */
uint64_t    mail_client_octets(const struct mail_client *c);    /* of the answer, all told */
const char *mail_client_failure(const struct mail_client *c);

/* Fills server and server_len from HOST and PORT; false where the name is unknown. */
bool mail_setting_resolve(struct mail_setting *setting, const char *host, const char *port);

#endif
