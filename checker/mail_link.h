#ifndef CHECKER_MAIL_LINK_H
#define CHECKER_MAIL_LINK_H
/*
 * mail_link - a connection to an IMAP or POP3 server. libcurl connects, reads the greeting and starts TLS (CURLOPT_CONNECT_ONLY); it is
 * given no user, so that it does not log in. From there on octets go out and come in here, and the caller speaks the protocol.
 *
 * Bounded in time (each reply, and all of it) and in octets (MAIL_LINK_IN_BYTES not taken by the caller, MAIL_LINK_ALL_BYTES in all).
 */

#include "checker/plan.h"
#include "lib/buf.h"
#include "lib/resolver.h"

#include <event2/event.h>

#define MAIL_LINK_IN_BYTES     (512u * 1024)
#define MAIL_LINK_ALL_BYTES    (16u * 1024 * 1024)
#define MAIL_LINK_ADDRESSES    4u       /* of the host that are tried, one after the other */
#define MAIL_LINK_REASON_BYTES 300u

struct mail_link_task {
    struct event_base   *base;
    bool                 pop3;          /* else IMAP */
    const struct server *server;        /* borrowed */
    const struct route  *route;         /* its addresses; copied */
    uint32_t             timeout_ms;    /* for the connection up to TLS, and for each reply */
    uint32_t             limit_ms;      /* for all of it */
};

enum mail_link_event {
    MAIL_LINK_OPEN,         /* connected, greeted, TLS if wanted: the caller speaks */
    MAIL_LINK_OCTETS,       /* there is more in mail_link_in */
    MAIL_LINK_LOST,         /* mail_link_step and mail_link_reason say why; nothing comes after it */
};

/* Called from the loop, never from inside a call; mail_link_close is allowed. */
typedef void mail_link_event_fn(void *arg, enum mail_link_event event);

struct mail_link;

/* NULL: out of memory. */
struct mail_link *mail_link_open(const struct mail_link_task *task, mail_link_event_fn *event, void *arg);
void              mail_link_close(struct mail_link *l);     /* NULL is fine; at once, without a word to the server */

/* Sends octets; what is left in mail_link_in is the caller's to take. A reply is waited for until the next call, timeout_ms long. */
void mail_link_send(struct mail_link *l, struct slice octets);

/* What came in and is not taken yet: the caller consumes. */
struct buf *mail_link_in(struct mail_link *l);

/* Nothing can be read on the way: TLS, or the server is on this machine (loopback). */
bool mail_link_is_private(const struct mail_link *l);

/* "imap.example[192.0.2.1]:993": the address that is, or was last, spoken to. */
const char *mail_link_host(const struct mail_link *l);
const char *mail_link_tls_version(const struct mail_link *l);   /* empty: in the clear */
const char *mail_link_tls_verify(const struct mail_link *l);    /* "ok", or why the certificate is not valid */

/* After MAIL_LINK_LOST: "connect", "tls", "banner", or empty when the dialogue was under way; and why, in words fit to be shown. */
const char *mail_link_step(const struct mail_link *l);
const char *mail_link_reason(const struct mail_link *l);

/* It failed for want of trust: no TLS where it is demanded, or a certificate that is not valid. Time does not heal that. */
bool mail_link_no_trust(const struct mail_link *l);

/* It failed for want of a descriptor, or of memory, on this machine: nothing is known of the server. */
bool mail_link_own_trouble(const struct mail_link *l);

#endif
