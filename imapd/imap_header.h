#ifndef IMAPD_IMAP_HEADER_H
#define IMAPD_IMAP_HEADER_H
/*
 * imap_header - goes through the fields of a header that lies in memory, and writes what ENVELOPE shows of it (RFC 9051 section
 * 7.5.2). Pure; linear in the header's length but where stated; no recursion.
 */

#include "lib/buf.h"

#define IMAP_HEADER_BYTES_MAX  (256u * 1024)    /* of a header that is read into memory; the rest is passed over in ENVELOPE and BODYSTRUCTURE */
#define IMAP_HEADER_BYTES_LESS 1024u            /* of each header, where all of them together were too much */
#define IMAP_ADDRESSES_MAX     1000u            /* of one field that are shown */

struct imap_field {
    struct slice name;          /* empty: a line that is no field */
    struct slice value;         /* with its folds, without the last line end */
    struct slice whole;         /* with the last line end */
};

/* The next field; *header then begins behind it. False at the empty line, or at the end. */
bool imap_next_field(struct slice *header, struct imap_field *out);

/* The first field of that name without case. False: there is none. */
bool imap_find_field(struct slice header, const char *name, struct imap_field *out);

/* The value as one line: without line ends, trimmed. Appended to b. */
void imap_put_unfolded(struct buf *b, struct slice value);

/* The value as one line in a string; NULL data: NIL. */
void imap_put_line(struct buf *b, struct slice value);

/* Appends the ENVELOPE of the header: "(date subject …)". */
void imap_put_envelope(struct buf *b, struct slice header);

/* Appends "(("name" NIL "mailbox" "host") …)" or NIL for an address field. */
void imap_put_addresses(struct buf *b, struct slice value);

/* Appends what ENVELOPE shows of the first of them: of a group its name, as local. Nothing where there is none. */
void imap_put_first_address(struct slice value, struct buf *name, struct buf *local, struct buf *host);

#endif
