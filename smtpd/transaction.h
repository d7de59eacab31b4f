#ifndef SMTPD_TRANSACTION_H
#define SMTPD_TRANSACTION_H
/*
 * transaction - one mail from MAIL to the reply to its data: sender, recipients, and the message while it comes in. A session has
 * at most one; RSET frees it (RFC 5321 section 4.1.1.5).
 */

#include "finder/finder.h"
#include "lib/session_id.h"
#include "lib/body.h"
#include "smtpd/command.h"
#include "lib/data.h"
#include "smtpd/trace.h"

/* Octets of all addresses of one transaction, so that a delivery fits into a message to store. */
#define TRANSACTION_TEXT_BYTES_MAX (128u * 1024)

struct transaction_limits {
    uint64_t message_max_bytes;
    uint64_t line_max_bytes;
    uint32_t received_max;
    uint32_t recipients_max;
    bool     refuse_bare_newline;
};

struct transaction {
    char                id[SESSION_ID_CHARS + 1];
    uint32_t            flags;              /* DELIVERY_8BITMIME and so on, as stated by the client */
    uint32_t            recipient_count;    /* mailboxes, each counted once */
    uint32_t            accepted;           /* RCPT commands that got a 250: LMTP wants a reply for each */
    struct data_reader  reader;
    struct body         body;
    struct finder      *finder;             /* NULL until the message has come in, or is too large for memory */
    enum reply          refusal;            /* why the message will be refused, though it is still being read; REPLY_NONE */
    uint64_t            received_us;        /* end of data, microseconds since 1970 */
    struct parsed       parsed;             /* what the finder learned; borrowed from it */
    /* The rest is the transaction's own. */
    struct buf                    text;
    struct transaction_recipient *recipients;
    uint32_t                      recipient_room;
    uint32_t                      reverse_len;
    struct transaction           *next_free;
    struct transaction_pool      *pool;     /* NULL before the first message */
};

/* Keeps transactions, finders and buffers for the next use, so that a mail costs no allocation in the steady state. One per process. */
struct transaction_pool {
    struct transaction *free;
    unsigned            free_count;
    struct finder      *finders[16];
    unsigned            finder_count;
    struct buf          spares[16];
    unsigned            spare_count;
};

void transaction_pool_fini(struct transaction_pool *pool);

/* NULL: out of memory. */
struct transaction *transaction_begin(struct transaction_pool *pool, const struct mail_args *args);
void                transaction_end(struct transaction_pool *pool, struct transaction *t);     /* NULL is fine */

/*
 * One more recipient. One whose mailbox is there already is delivered once, but tokens are looked for in both addresses.
 * REPLY_RECIPIENT_OK, REPLY_TOO_MANY_RCPTS, REPLY_NO_MEMORY.
 */
enum reply transaction_recipient(struct transaction *t, const struct transaction_limits *limits, const char *mailbox,
                                 const struct path *path);

/* The message begins. */
void transaction_begin_message(struct transaction_pool *pool, struct transaction *t, enum data_mode mode);

/*
 * Reads octets of the message; returns how many were used. A message that breaks a limit is read on to its end, but no longer
 * kept: t->refusal says why.
 */
size_t transaction_feed(struct transaction *t, const struct transaction_limits *limits, struct slice in);

/* So many octets more were announced: a message that will be too large is refused before it is read. */
void transaction_announce(struct transaction *t, const struct transaction_limits *limits, uint64_t bytes);

/* The message is complete: t->refusal is final; where it is REPLY_NONE, t->parsed is filled in. */
void transaction_finish_message(struct transaction *t, const struct transaction_limits *limits, uint64_t received_us);

/* Message and finder are no longer needed; the envelope stays. */
void transaction_drop_message(struct transaction_pool *pool, struct transaction *t);

/* What the message takes of the memory: its octets with their buffer, and what reads it. */
size_t transaction_held_bytes(const struct transaction *t);

struct slice transaction_reverse_path(const struct transaction *t);
struct slice transaction_first_mailbox(const struct transaction *t);    /* of the first recipient; empty: none */

/* to has room for recipient_count of them; they borrow from t until the next recipient. */
void transaction_recipients(const struct transaction *t, struct recipient *to);

#endif
