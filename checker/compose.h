#ifndef CHECKER_COMPOSE_H
#define CHECKER_COMPOSE_H
/*
 * compose - writes the test mail: the token stands in Subject, Message-ID, X-Mailtest-Token and the text, since every forwarder
 * loses some of these.
 */

#include "lib/buf.h"

struct letter {
    const char *token;
    const char *mailbox;        /* of the service; NULL: none */
    const char *label;          /* of the check */
    bool        is_labelled;    /* the label stands in a field (X-Mailtest-Check), by which left-overs of the check are told from others' mails */
    const char *from;           /* address of the From field */
    const char *to;
    uint64_t    now_unix;       /* for Date */
    bool        auto_submitted; /* RFC 3834: Auto-Submitted: auto-generated */
};

/*
 * Appends the whole message, with CRLF line ends, 7 bit, lines of at most 78 characters but for long addresses. Addresses have
 * passed compose_address_is_fit.
 */
void compose_letter(struct buf *out, const struct letter *letter);

/*
 * Whether an address may stand in the envelope and the header as it is: "local@domain" in printable ASCII without blanks, quotes,
 * brackets (but for a domain literal) and control characters, of at most 320 octets.
 */
bool compose_address_is_fit(struct slice address);

/* Appends "Date: Sat, 21 Nov 2026 13:05:02 +0000" (RFC 5322 section 3.6.1), in UTC, with CRLF. */
void compose_date(struct buf *out, uint64_t now_unix);

/* What stands behind the last "@". */
struct slice compose_domain(struct slice address);

#endif
