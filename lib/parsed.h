#ifndef LIB_PARSED_H
#define LIB_PARSED_H
/*
 * parsed - what was learned from a message while it came in: token candidates with the places where they stood, hops, the
 * excerpts that a list shows, traits that decide what kind of mail it is, and its shape (the MIME parts with their offsets).
 * smtpd fills it in once, in the sandbox; store checks it and keeps it with the message; imapd and lookup serve from it.
 *
 * All offsets and sizes are octets of the message as received (CRLF line ends), without the trace fields that we put in front.
 */

#include "lib/fact.h"
#include "lib/token.h"
#include "lib/wire.h"

/* Where a candidate stood; bits of found_in. place_name gives the word that the API uses. */
enum place {
    PLACE_RECIPIENT   = 1u << 0,    /* detail part of an envelope recipient */
    PLACE_SUBJECT     = 1u << 1,
    PLACE_MESSAGE_ID  = 1u << 2,
    PLACE_IN_REPLY_TO = 1u << 3,
    PLACE_REFERENCES  = 1u << 4,
    PLACE_OWN_HEADER  = 1u << 5,    /* X-Mailtest-Token */
    PLACE_HEADER      = 1u << 6,    /* any other header field */
    PLACE_TEXT        = 1u << 7,    /* a text part other than HTML */
    PLACE_HTML        = 1u << 8,
    PLACE_ATTACHED    = 1u << 9,    /* inside an attached message, its headers or parts; set besides the bit of the place there */
    PLACE_REPORT      = 1u << 10,   /* inside a delivery status part */
    PLACE_LINK        = 1u << 11,   /* a link target */
    PLACE_PARAMETER   = 1u << 12,   /* a MIME parameter, such as a file name */
    PLACE_OTHER       = 1u << 13,   /* a part of another type */
};
#define PLACE_COUNT 14u

/* "recipient", "subject", "message-id", …; i is the bit's number below PLACE_COUNT. */
const char *place_name(unsigned i);

/* Bits of traits: what the message says of itself. */
enum trait {
    TRAIT_DELIVERY_REPORT  = 1u << 0,   /* multipart/report; report-type=delivery-status (RFC 3464), Action: failed or none */
    TRAIT_AUTO_REPLIED     = 1u << 1,   /* Auto-Submitted: auto-replied (RFC 3834), or X-Autoreply */
    TRAIT_READ_RECEIPT     = 1u << 2,   /* report-type=disposition-notification (RFC 8098) */
    TRAIT_BROKEN_MIME      = 1u << 3,   /* a boundary, an encoding or a header did not fit its standard */
    TRAIT_CUT_SHORT        = 1u << 4,   /* a bound of the parse was reached: parts, depth, candidates */
    TRAIT_DELAY_REPORT     = 1u << 5,   /* as the first, but Action: delayed */
    TRAIT_SUCCESS_REPORT   = 1u << 6,   /* as the first, but Action: delivered, relayed or expanded */
    TRAIT_REPLY            = 1u << 7,   /* a person's reply that quotes the token */
    TRAIT_CONFIRMATION     = 1u << 8,   /* a provider asks to confirm a forwarding */
};

#define TRAIT_COUNT 9u

/* "delivery-report", "auto-replied", …, by the bit's number. */
extern const char *const trait_names[TRAIT_COUNT];

#define PARSED_CANDIDATES_MAX 1024u     /* distinct look-alikes kept of one message; first come */
#define PARSED_HOPS_MAX       64u       /* Received fields kept, from the top; all are counted */
#define PARSED_PARTS_MAX      1000u     /* MIME parts kept in the shape; deeper or further ones are walked but not kept */
#define PARSED_EXCERPT_BYTES  256u      /* of Subject, From, Message-ID: decoded to UTF-8, cut at a character */
#define PARSED_HOP_TEXT_BYTES 128u      /* of each text of a hop */
#define PARSED_PART_TYPE_BYTES 127u     /* of the content type of a part */

/* Upper bounds of the encoded hops and parts: all of them with every text at its limit. */
#define PARSED_HOPS_BYTES     (PARSED_HOPS_MAX * (6u * (4u + PARSED_HOP_TEXT_BYTES) + 8u))
#define PARSED_PARTS_BYTES    (PARSED_PARTS_MAX * (37u + PARSED_PART_TYPE_BYTES))

/* Octets of one encoded candidate. */
#define PARSED_CANDIDATE_BYTES (TOKEN_RAW_BYTES + 4u)

struct candidate {
    struct token token;
    uint32_t     found_in;      /* enum place bits */
};

/* One Received field (RFC 5321 section 4.4), newest first. Texts may be empty. */
struct hop {
    struct slice from;          /* name that the client gave, and address where stated: "mx1.example (192.0.2.1)" */
    struct slice by;
    struct slice with;          /* "ESMTPS" */
    struct slice tls;           /* version and cipher where stated */
    struct slice id;
    struct slice for_;          /* recipient, without angle brackets */
    int64_t      time_unix;     /* seconds; 0 where unreadable */
};

/* One MIME part of the shape, in the order of the walk; the root is part 0. */
struct part {
    uint32_t     parent;        /* index of the multipart or message/rfc822 part around it; PARSED_NO_PARENT for the root */
    uint64_t     header_at;     /* offset of its header */
    uint64_t     body_at;       /* offset of its body, behind the empty line */
    uint64_t     end_at;        /* behind its last octet, without the CRLF that belongs to the boundary */
    uint32_t     lines;         /* of its body */
    uint8_t      encoding;      /* enum part_encoding */
    struct slice type;          /* "text/plain" in lower case, at most 127 octets */
};
#define PARSED_NO_PARENT UINT32_MAX

enum part_encoding { ENCODING_7BIT, ENCODING_8BIT, ENCODING_BINARY, ENCODING_QUOTED_PRINTABLE, ENCODING_BASE64, ENCODING_UNKNOWN };

struct parsed {
    struct slice      subject;          /* excerpts: UTF-8 without control characters */
    struct slice      from;
    struct slice      message_id;       /* with its angle brackets */
    int64_t           date_unix;        /* of the Date field, seconds; 0 where missing or unreadable */
    uint32_t          traits;           /* enum trait bits */
    uint32_t          received_count;   /* Received fields in all */
    struct candidate *candidates;
    uint32_t          candidate_count;
    struct slice      hops;             /* hop_write() each, one behind the other */
    struct slice      parts;            /* part_write() each */
    struct slice      facts;            /* fact_add() each; at most FACTS_BYTES */
};

void hop_write(struct buf *b, const struct hop *h);
bool hop_next(struct reader *r, struct hop *out);       /* false at the end or at a fault (then read_ok is false) */
void part_write(struct buf *b, const struct part *p);
bool part_next(struct reader *r, struct part *out);

/* All of it, as part of MSG_DELIVER and of the message record. */
void parsed_write(struct buf *b, const struct parsed *p);

/*
 * Reads it back; slices borrow from the reader's bytes. The caller gives room for candidates_max candidates at out->candidates;
 * more of them, or hops and parts that do not fit their bounds, are a fault of the reader.
 */
void parsed_read(struct reader *r, struct parsed *out, struct candidate *candidates, uint32_t candidates_max);

#endif
