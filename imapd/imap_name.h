#ifndef IMAPD_IMAP_NAME_H
#define IMAPD_IMAP_NAME_H
/*
 * imap_name - names of folders on the wire: in UTF-8 for a client that enabled that (RFC 9051 section 5.1, RFC 6855 section 3), for others
 * in modified UTF-7 (RFC 9051 appendix A.1); and the wildcards of LIST. Pure.
 */

#include "lib/buf.h"

#define IMAP_NAME_BYTES 255u        /* of a name in UTF-8 */

/* Appends the name as a string. */
void imap_put_name(struct buf *b, struct slice name, bool utf8);

/*
 * A name as it came to UTF-8. utf8: it is that already; else it is in modified UTF-7, and characters that should be encoded and are
 * not are understood, too. False: it is neither, has control characters, or is too long.
 */
bool imap_name_decode(struct slice from, bool utf8, char out[IMAP_NAME_BYTES + 1]);

/* The same for a pattern of LIST, whatever its length. *len octets in out, which has room for IMAP_PATTERN_ROOM(from.len). */
#define IMAP_PATTERN_ROOM(len) (2 * (len))
bool imap_pattern_decode(struct slice from, bool utf8, char *out, size_t *len);

/*
 * Whether the name, of at most IMAP_NAME_BYTES, fits reference and pattern ("*": anything, "%": anything but the delimiter "/"). INBOX
 * fits in any letter case, also as the first of several levels. At most reference.len + pattern.len + 3 * name.len steps of a few
 * instructions each; no allocation.
 */
bool imap_name_matches(struct slice name, struct slice reference, struct slice pattern);

#endif
