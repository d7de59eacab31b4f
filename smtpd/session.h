#ifndef SMTPD_SESSION_H
#define SMTPD_SESSION_H
/*
 * session - one connection of a client: its socket, its place in the dialogue, its counters. What a session does with a command
 * is in dispatch.c and the cmd_*.c; this part brings octets in and out and is the only one that frees a session.
 *
 * Each callback of the loop is a turn: it changes the session, and ends with session_settle, which sends the replies of the turn
 * in one write and frees the session when it is over. Nothing else frees one, except session_free_all at the end of the process.
 */

#include "lib/deadline.h"
#include "smtpd/flight.h"
#include "smtpd/line.h"
#include "lib/limits.h"
#include "lib/stream.h"
#include "smtpd/transaction.h"

#include <event2/event_struct.h>

/* How long the last reply has to leave, and the client to hang up behind it. */
#define SESSION_CLOSING_MS 2000u

struct smtpd;

/*
 *                  EHLO, HELO, LHLO              MAIL                 RCPT
 *   (accept) ──▶ GREETED ──────────▶ READY ──────────────▶ MAIL ──────────────▶ RCPT ◀┐ RCPT
 *                   ▲                 ▲ ▲                   │                   │ │ └─┘
 *                   │ handshake       │ └──── RSET, EHLO ───┴───────────────────┤ │
 *   STARTTLS ──▶   TLS                │                                    DATA │ │ BDAT
 *                                     │        end of data, answer of store     ▼ │
 *                                     ├─────────────────────────────────────  BODY│
 *                                     │        the same, behind BDAT … LAST       ▼
 *                                     └─────────────────────────────────────  CHUNK ◀──▶ BDAT
 *                                                                   (the octets)   (between two chunks)
 *   CLOSING from everywhere: QUIT, a time limit, an error that nothing can follow, the client's end.
 *   A BDAT that is refused goes through CHUNK, too, to get rid of its octets, and back to where it came from.
 */
enum session_state {
    ST_GREETED = 1u << 0,
    ST_READY   = 1u << 1,
    ST_MAIL    = 1u << 2,
    ST_RCPT    = 1u << 3,
    ST_BDAT    = 1u << 4,
    ST_BODY    = 1u << 5,
    ST_CHUNK   = 1u << 6,
    ST_TLS     = 1u << 7,
    ST_CLOSING = 1u << 8,
};
#define ST_COMMAND (ST_GREETED | ST_READY | ST_MAIL | ST_RCPT | ST_BDAT)    /* a command line comes next */

/* The octets of a BDAT. */
struct chunk {
    uint64_t           left_bytes;
    uint64_t           size_bytes;
    bool               last;
    enum reply         refusal;     /* its octets are thrown away, and this is the reply; REPLY_NONE: they are taken */
    enum session_state back;        /* where a refused one came from */
};

struct session {
    TAILQ_ENTRY(session) link;          /* in smtpd->sessions */
    TAILQ_ENTRY(session) room_link;     /* in smtpd->deliver.no_room, while wants_room */
    struct smtpd        *smtpd;
    struct stream        stream;
    struct event         ev_read;
    struct event         ev_write;
    struct buf           in;            /* what was read and could not be used yet; mostly empty */
    struct buf           out;           /* replies that have not left; mostly empty */
    struct line          line;
    struct deadline      deadline;
    struct flight_entry  flight;
    struct chunk         chunk;
    struct transaction  *tx;            /* NULL: none */
    char                *helo;          /* as the client said it; NULL: not yet */
    enum session_state   state;
    uint32_t             number;        /* the log's s= */
    uint32_t             errors;        /* 5yz replies */
    uint32_t             transactions;  /* MAIL commands */
    uint32_t             idle_commands; /* since a mailbox was named that takes mail */
    uint64_t             began_ms;
    uint64_t             message_began_ms;
    uint64_t             period_bytes;  /* of the message when its time limit was last started */
    struct limit_client  limit;
    bool                 named_mailbox; /* one that takes mail: no longer early */
    bool                 lmtp;
    bool                 extended;      /* said EHLO or LHLO */
    bool                 waiting;       /* for store's answer: nothing is read from the client */
    bool                 wants_room;    /* of these: the delivery could not be handed over yet */
    bool                 reading;       /* ev_read is active */
    bool                 broken;        /* nothing can be sent any more */
    bool                 lingering;     /* all is said; what the client still sends is thrown away until it ends */
    bool                 linger;        /* it closes while the client may be sending, which shall read the last reply */
    char                 client[46];    /* INET6_ADDRSTRLEN: address in text; "unix" */
};

TAILQ_HEAD(session_list, session);

/* A client was accepted: takes over the socket and what it counts as, and greets. Where that fails, the socket is closed. */
void session_open(struct smtpd *smtpd, int fd, const char *client, struct limit_client *limit, bool lmtp);

/* Appends a reply; 5yz replies count as errors. */
void session_reply(struct session *s, enum reply reply);
void session_reply_with(struct session *s, enum reply reply, struct slice detail);
void session_reply_two(struct session *s, enum reply reply, struct slice detail, struct slice second);
void session_reply_number(struct session *s, enum reply reply, uint64_t number);

/* A last reply, then the end. */
void session_close_with(struct session *s, enum reply reply, struct slice detail);

/* The same with 421 4.4.2; what: of what the time limit was, for the reply and the log. */
void session_time_out(struct session *s, const char *what);

/* Ends the transaction, if there is one, and frees what it holds. */
void session_end_transaction(struct session *s);

/* Stored, or not (rc): the answer to a delivery. A turn of its own. */
void session_delivered(struct session *s, int rc);

/* What became of the message is not known, so nothing is said: the connection ends. May free s. */
void session_abandon(struct session *s);

/* Goes on with what the client has sent meanwhile, and ends the turn. */
void session_resume(struct session *s);

/* The process stops: a session without a transaction gets a 421 at once. force: the others, too, unless they wait for store. */
void session_stop(struct session *s, bool force);

/* Starts the time limit for the next command. */
void session_await_command(struct session *s);

/* Starts the one for the next part of the message. */
void session_await_message(struct session *s);

/* Whether nothing, or next to nothing, of its message has come since its time limit was last started. */
bool session_is_stalled(const struct session *s);

/* It was idle or slow for longest, and its place is needed: a last reply, if that fits, and the end at once. Frees s. */
void session_shed(struct session *s);

/* Callbacks of deadlines and flight. */
void session_expired(struct session *s, enum deadline_kind kind);
void session_evict(struct session *s);

/* Frees it without a word: for the end of the process. */
void session_free(struct session *s);

/* From dispatch.c. Takes the next step with what was read: a command line, or octets of a message. False: no more steps now. */
bool dispatch_step(struct session *s, struct slice *in);

#endif
