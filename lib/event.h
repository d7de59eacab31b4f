#ifndef LIB_EVENT_H
#define LIB_EVENT_H
/*
 * event - something that happened to a mailbox and that people or programs want to hear of: one record in table event, in the
 * order of its id. The event stream (GET /v1/events) and the webhooks tell of the same records.
 */

#include "lib/mailbox.h"
#include "lib/token.h"
#include "lib/wire.h"

enum event_kind {
    EVENT_ARRIVED = 1,      /* the token's mail came in time, or without a deadline */
    EVENT_LATE,             /* it came after the deadline, and amends the verdict */
    EVENT_MISSED,           /* the deadline passed without it */
    EVENT_BOUNCED,          /* a delivery status report with the token came */
    EVENT_AUTOREPLY,        /* an automatic reply with the token came */
    EVENT_CONFIRMATION,     /* a provider asks to confirm the forwarding */
    EVENT_SILENT,           /* nothing came for longer than usual; told once, until something comes */
    EVENT_CHANGED,          /* an arrival differs from the ones before: a hop more, TLS gone, a place lost */
    EVENT_TEST,             /* asked for by an operator, to try a webhook */
    EVENT_KIND_LIMIT
};

/* "arrived", "late", …: the event's name in the stream and in webhooks. */
const char *event_name(enum event_kind kind);

#define EVENT_DETAIL_BYTES 512u

/* Texts borrow from what was read. */
struct event_record {
    enum event_kind kind;
    uint64_t        at_us;          /* microseconds since 1970 */
    uint32_t        mailbox_id;     /* 0: of none (EVENT_TEST) */
    struct slice    mailbox;        /* its name */
    uint64_t        message_id;     /* 0: none */
    bool            has_token;
    struct token    token;
    uint8_t         verdict;        /* enum verdict (lib/answer.h) of the token at that moment; of events with a token */
    struct slice    detail;         /* a sentence for a person, at most EVENT_DETAIL_BYTES; may be empty */
};

/* As the records of lib/record.h: version octet, fields, checksum. MT_EDAMAGED, MT_EVERSION. */
void event_record_write(struct buf *b, const struct event_record *e);
int  event_record_read(struct slice bytes, struct event_record *out);

#endif
