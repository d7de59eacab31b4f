#ifndef CHECKER_ALERT_LETTER_H
#define CHECKER_ALERT_LETTER_H
/* alert_letter - writes the mail of a notice (RFC 5322). Pure. */

#include "checker/notice.h"
#include "lib/buf.h"

struct alert_letter {
    const char          *from, *to;
    const char          *subject, *text;    /* templates (alert_text.h) */
    const struct notice *notice;
    uint64_t             now_unix;          /* for Date */
};

#define ALERT_LETTER_MAX_BYTES (4u * 65536)

/*
 * Appends the whole message, 7 bit, lines of at most 78 octets: a text that is not ASCII, or has long lines, goes in base64, a subject in encoded words
 * (RFC 2047). The Message-ID is made of notice and recipient, so that a second attempt is the same mail; all mails of one incident refer to one Message-ID, so
 * that mail programs show them as one thread.
 */
void alert_letter_write(struct buf *out, const struct alert_letter *letter);

#endif
