#ifndef LIB_PATTERN_H
#define LIB_PATTERN_H
/*
 * pattern - how the mail of a mailbox usually comes, and how far its forward is set up: the record of table pattern. store keeps
 * it at each arrival; what differs from it is news (EVENT_CHANGED), and what stays away for longer than usual, too (EVENT_SILENT).
 */

#include "lib/buf.h"
#include "lib/parsed.h"

#define PATTERN_CLAIMS_BYTES 512u
#define PATTERN_WAY_BYTES    32u
#define PATTERN_RECENT       8u     /* arrivals of which the shape is kept */

enum setup_state {
    SETUP_WAITING,          /* nothing came yet */
    SETUP_CONFIRMATION,     /* a provider that is recognised asked to confirm the forward, and nothing got through yet */
    SETUP_REFUSED,          /* a known refusal came back and nothing got through since: a hint says what to do */
    SETUP_FIRST_PROBE,      /* the first probe came through */
    SETUP_HEALTHY,          /* two and more did */
    SETUP_SILENT,           /* nothing for longer than usual: four usual gaps, 15 minutes at least; told from the fourth arrival on */
    SETUP_STATE_LIMIT
};

/* "waiting", "confirmation", "refused", "first-probe", "healthy", "silent". */
const char *setup_state_name(enum setup_state state);

struct pattern_record {
    uint64_t     arrivals;              /* in all */
    uint64_t     last_us;               /* the last arrival; 0: none yet */
    uint64_t     usual_gap_us;          /* between arrivals, smoothed; 0: not known */
    bool         silent;                /* told already, until something comes */
    uint64_t     confirmation_id;       /* message id of the last request to confirm by a provider that is recognised; 0: none */
    uint64_t     confirmation_us;
    uint64_t     pretence_id;           /* of the last mail that only pretends to be one; 0: none */
    uint64_t     pretence_us;
    uint64_t     refusal_us;            /* of the last bounce; 0: none */
    struct slice refusal_status;        /* its status code and its words */
    struct slice refusal_diagnostic;
    /* Of the last arrival: */
    uint32_t     found_in;              /* enum place bits */
    uint32_t     received_count;
    bool         tls;                   /* it came to us by TLS */
    /* The same, but of the last one that told; an arrival that says nothing of it changes nothing: */
    struct slice way;                   /* as FACT_FORWARD_WAY */
    struct slice claims;                /* "spf=pass dkim=pass dmarc=pass": of the topmost Authentication-Results; at most PATTERN_CLAIMS_BYTES */
    /* Of the last arrivals, the oldest first: a checksum over what is compared. */
    uint32_t     recent_count;
    uint64_t     recent[PATTERN_RECENT];
};

void pattern_record_write(struct buf *b, const struct pattern_record *p);
int  pattern_record_read(struct slice bytes, struct pattern_record *out);

/*
 * What the record says at now_us. A refusal that is newer than the last arrival comes first; then silence. A request to confirm counts
 * before the first arrival alone, then the newer of it and the refusal: once mail gets through there is nothing to confirm.
 */
enum setup_state pattern_state(const struct pattern_record *p, uint64_t now_us);

/* The request to confirm that is shown: the last by a provider that is recognised, else the last that pretends to be one. */
struct pattern_request {
    uint64_t message_id;    /* 0: there is none */
    uint64_t at_us;
    bool     recognised;
};
struct pattern_request pattern_request(const struct pattern_record *p);

/* Since when the mailbox counts as silent, if nothing comes; 0: it is not known yet what is usual. */
uint64_t pattern_silent_from_us(const struct pattern_record *p);

/* What is compared of one arrival. */
struct pattern_arrival {
    uint64_t     received_us;
    uint32_t     found_in;              /* of all its genuine tokens */
    uint32_t     received_count;
    bool         tls;
    struct slice facts;                 /* of the message: FACT_FORWARD_WAY, FACT_AUTHENTICATION */
};

/*
 * Takes the arrival into the record: counts it, smooths the gap, remembers its shape. Before that appends to changes, one sentence a
 * line, what differs from the last arrival (of the way and the claims: from the last arrival that told); nothing for the first one. *is_news: the differences are worth an event, which
 * those are not that came and went within the last PATTERN_RECENT arrivals already, as where a mail takes one of two ways
 * by turns. scratch takes the texts that the record then borrows, besides those of facts; the record's old texts are not in it.
 */
void pattern_add(struct pattern_record *p, const struct pattern_arrival *a, struct buf *scratch, struct buf *changes, bool *is_news);

#endif
