#ifndef IMAPD_IMAP_NAME_H
#define IMAPD_IMAP_NAME_H
/*
 * imap_name - names of folders on the wire: what is not ASCII goes in modified UTF-7 (RFC 3501 section 5.1.3); and the
 * wildcards of LIST.
 */

#include "lib/buf.h"

#define IMAP_NAME_BYTES 255u        /* of a name in UTF-8 */

/* Appends the name as an astring. */
void imap_put_name(struct buf *b, struct slice name);

/* A name as it came, in modified UTF-7 or in UTF-8, to UTF-8. False: it is neither, or too long. */
bool imap_name_decode(struct slice from, char out[IMAP_NAME_BYTES + 1]);

/*
 * Whether the name fits reference and pattern ("*": anything, "%": anything but the delimiter "/"). INBOX fits in any letter
 * case. At most pattern.len + 3 * name.len * name.len steps.
 */
bool imap_name_matches(struct slice name, struct slice reference, struct slice pattern);

#endif
