#ifndef MEANING_SEEN_H
#define MEANING_SEEN_H
/*
 * seen - what was gathered of a message when it is complete: what each kind of mail is told by.
 */

#include "lib/parsed.h"
#include "meaning/claims.h"
#include "meaning/kept.h"
#include "meaning/own_text.h"
#include "meaning/report_fields.h"

#define SEEN_REVERSE_PATH_BYTES 1024u
#define SEEN_RECIPIENT_BYTES    320u     /* RFC 5321 section 4.5.3.1: 64, an "@", 255 */

/* What the message's own Content-Type says: multipart/report with this report-type. */
enum stated_report { STATED_NONE, STATED_UNTYPED, STATED_DELIVERY, STATED_DISPOSITION, STATED_OTHER };

struct seen {
    struct kept          header;
    struct own_text      text;
    struct report_fields report;
    struct claims        claims;
    enum stated_report   stated;
    bool                 has_status_part;       /* message/delivery-status, not in an attached message */
    bool                 has_disposition_part;
    bool                 has_attached;          /* an attached message, or a returned header */
    bool                 has_reverse_path;      /* it is known; it may be empty */
    struct buf           reverse_path;
    struct buf           recipient;             /* the first; empty: not known */
    uint32_t             places;    /* of all candidates together; of those in attached messages only PLACE_ATTACHED */
};

/*
 * Whether a mail system sent it rather than a person: the reverse-path is null (RFC 5321 section 4.5.5), or the From address has
 * a local part that only mail systems use, such as MAILER-DAEMON or postmaster.
 */
bool seen_from_mail_system(const struct seen *s);

/* Both: nothing but a mail system sends so. */
bool seen_from_mail_system_surely(const struct seen *s);

#endif
