#ifndef IMAPD_CONNECTION_H
#define IMAPD_CONNECTION_H
/*
 * connection - one client of IMAP or POP3: its socket, TLS, what it sent and what it is to be sent, its time limits. What is said on
 * it is its protocol's (struct protocol), which never touches the socket.
 *
 * Each callback of the loop is a turn: it lets the protocol take steps, and ends with connection_settle, which sends what was
 * said and frees the connection when it is over. Nothing else frees one, except connection_free at the end of the process.
 *
 * A turn takes CONNECTION_TURN_US, and at most the one step longer that it had begun: who sends many commands at once has them done in
 * as many turns as they need, and others have theirs in between.
 *
 * A long answer is made piece by piece as the client reads it (produce): neither memory nor a snapshot of the database waits
 * for a slow client.
 */

#include "imapd/session.h"

#include "lib/buf.h"
#include "lib/deadline.h"
#include "lib/limits.h"
#include "lib/metrics.h"
#include "lib/stream.h"

#include <event2/event_struct.h>

#define CONNECTION_IN_BYTES_MAX  (64u * 1024)   /* of what was read and could not be used yet */
#define CONNECTION_OUT_BYTES_MAX (4096u * 1024) /* of what was said and has not left: a SEARCH that finds 300,000 messages, all in one */
#define CONNECTION_OUT_ENOUGH    (64u * 1024)   /* nothing more is said before the client has read this much */
#define CONNECTION_CLOSING_MS    2000u
#define CONNECTION_TURN_US       2000u          /* steps are taken, and a long answer is made, for so long; then the others have their turns */

struct compression;
struct imapd;
struct connection;

struct protocol {
    const char *name;                                       /* for the log, and in TLS: "pop3" */
    enum metric logins, login_failures;                     /* what counts them */
    int  (*open)(struct connection *c);                     /* makes c->own; 0 or MT_ENOMEM */
    void (*greet)(struct connection *c);                    /* the connection is there, with TLS where it begins with that */
    /* Takes one step with what was read, and removes what it used from *in. False: it needs more octets, or waits. */
    bool (*step)(struct connection *c, struct slice *in);
    /* Says more of a long answer. False: that was all; then steps go on. */
    bool (*produce)(struct connection *c);
    void (*secured)(struct connection *c);                  /* the handshake behind a STARTTLS or STLS is done */
    void (*expired)(struct connection *c, enum deadline_kind kind);     /* last words */
    void (*stop)(struct connection *c);                     /* the process ends, or the login was revoked (c->revoked): last words */
    void (*free)(struct connection *c);                     /* frees c->own, wipes what is secret */
};

struct connection {
    TAILQ_ENTRY(connection) link;       /* in imapd->connections */
    struct imapd          *imapd;
    const struct protocol *protocol;
    void                  *own;         /* the protocol's */
    struct stream          stream;
    struct event           ev_read;
    struct event           ev_write;
    struct buf             in;
    struct buf             out;
    struct compression    *compression; /* between stream and in, out; NULL: none */
    struct deadline        deadline;
    struct limit_client    limit;
    uint32_t               number;      /* the log's s= */
    struct session         session;
    bool                   starts_tls;  /* the handshake is to begin, or under way */
    bool                   begins_compression;  /* behind the step under way */
    bool                   greeted;
    bool                   producing;   /* produce is to be called until it says that that was all */
    bool                   rests;       /* it has had its turn; goes on in the next one */
    uint64_t               turn_began_us;
    bool                   waiting;     /* for store, or for a login (login_try.h): no steps */
    bool                   ending;      /* what was said is the last */
    bool                   stopping;    /* the process ends: so does this, as soon as its answer is out */
    bool                   revoked;     /* its login no longer holds: it ends, in the middle of an answer, too */
    bool                   broken;      /* nothing can be sent any more */
    bool                   lingering;   /* all is said; what the client still sends is thrown away until it ends */
    bool                   reading;     /* ev_read is active */
    bool                   plain_login; /* passwords may be sent without TLS: the client is on this machine */
    char                   client[46];  /* address in text; "unix" */
};

TAILQ_HEAD(connection_list, connection);

/* One client that was accepted. */
struct accepted {
    int                    fd;
    const char            *client;      /* address in text; "unix" */
    struct limit_client    limit;
    const struct protocol *protocol;
    bool                   tls;         /* it begins with a handshake */
    bool                   proxied;     /* its address is what a load balancer says: it is not on this machine */
};

/* Takes over the socket and what the client counts as. Where that fails, the socket is closed. */
void connection_open(struct imapd *imapd, struct accepted *accepted);

/* For protocols: */
void connection_say(struct connection *c, const char *line);                /* and CRLF */
void connection_sayf(struct connection *c, const char *format, ...) __attribute__((format(printf, 2, 3)));
void connection_begin_tls(struct connection *c);        /* behind what was said; what the client sent meanwhile is thrown away */
bool connection_compress(struct connection *c);         /* both sides compress behind the step under way; false: too many do, or out of memory */
void connection_produce(struct connection *c);          /* a long answer begins */
void connection_end(struct connection *c);              /* what was said is the last */
void connection_break(struct connection *c);            /* at once, so that the client sees that something is missing */
void connection_limit(struct connection *c, enum deadline_kind kind);       /* starts that time limit anew, instead of the last */
bool connection_is_secure(const struct connection *c);  /* TLS is spoken */

/* Something happened from outside, such as store's answer: ends a turn of its own, which may free the connection. */
void connection_turn(struct connection *c);

/* It has not logged in, and its place is needed: a last line, if that fits, and the end at once. Frees it. */
void connection_shed(struct connection *c, const char *line);

/* The process stops: the protocol's last words, behind the answer that is under way. */
void connection_stop(struct connection *c);

/*
 * The login no longer holds: takes no further command, and ends with the protocol's last words; a long answer is cut. Only what store does at
 * the moment is waited for. May free it.
 */
void connection_revoke(struct connection *c);

/* Callback of the deadlines; owner: the connection. */
void connection_expired(void *owner, enum deadline_kind kind);

/* Frees it without a word: for the end of the process. */
void connection_free(struct connection *c);

#endif
