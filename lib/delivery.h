#ifndef LIB_DELIVERY_H
#define LIB_DELIVERY_H
/*
 * delivery - a received message on its way from smtpd to store: the fields of MSG_DELIVER.
 * The same struct is written by smtpd and read by store; what is read borrows from the message.
 */

#include "lib/parsed.h"

#define DELIVERY_RECIPIENTS_MAX 1000u   /* more than any configured limit */

/* Facts about how it came; bits of struct session_facts.flags. */
enum delivery_flag {
    DELIVERY_BARE_LF   = 1u << 0,   /* a bare LF was received and stored as CRLF */
    DELIVERY_BARE_CR   = 1u << 1,   /* a bare CR was received and kept */
    DELIVERY_8BITMIME  = 1u << 2,   /* BODY=8BITMIME was stated */
    DELIVERY_SMTPUTF8  = 1u << 3,
    DELIVERY_CHUNKED   = 1u << 4,   /* came by BDAT */
    DELIVERY_LMTP      = 1u << 5,
    DELIVERY_8BIT_DATA = 1u << 6,   /* octets over 127 are in it */
    DELIVERY_NUL       = 1u << 7,   /* NUL octets are in it */
};

/* The session that a message came by. Texts are empty where unknown. */
struct session_facts {
    struct slice client_address;    /* "192.0.2.1", "2001:db8::1", "unix" */
    struct slice client_name;       /* by reverse look-up */
    struct slice helo;              /* as the client said it */
    struct slice protocol;          /* RFC 3848: "ESMTPS"; RFC 6531: "UTF8SMTPS" */
    struct slice tls_version;       /* "TLSv1.3" */
    struct slice tls_cipher;
    struct slice id;                /* of the transaction; the log and our Received field show it */
    uint32_t     flags;             /* enum delivery_flag */
};

struct recipient {
    struct slice mailbox;           /* name, in lower case: the key of the mailbox */
    struct slice address;           /* as given in RCPT, without angle brackets */
};

struct delivery {
    struct session_facts session;
    struct slice         reverse_path;      /* without angle brackets; empty: the null reverse-path */
    struct slice         trace;             /* the Received field that we add, with its CRLF; store puts Return-Path and Delivered-To before it */
    uint64_t             received_us;       /* end of data, microseconds since 1970 */
    struct recipient    *recipients;
    uint32_t             recipient_count;   /* 1 and more; each mailbox once */
    struct parsed        parsed;
    uint64_t             size_bytes;        /* of the message's octets */
    struct slice         body;              /* all of them when size_bytes <= MSG_INLINE_BODY_BYTES; else empty, and a sealed memfd goes along */
};

void delivery_write(struct buf *b, const struct delivery *d);

/*
 * Reads the fields. recipients and candidates are allocated together in one block, freed by delivery_fini.
 * MT_EPROTO  a fault, a count of no or too many recipients, or a body that does not fit size_bytes
 * MT_ENOMEM
 */
int  delivery_read(struct reader *r, struct delivery *out);
void delivery_fini(struct delivery *d);

/* session_facts are part of the message record, too. */
void session_facts_write(struct buf *b, const struct session_facts *s);
void session_facts_read(struct reader *r, struct session_facts *out);

#endif
