#ifndef LIB_DISPLAY_H
#define LIB_DISPLAY_H
/*
 * display - text from outside (mail, names, replies of servers) made fit to be shown. A mail must not be able to move the
 * cursor, rename the window or turn the line around of whoever looks at it.
 */

#include "lib/buf.h"

/*
 * Appends s for a terminal: printable UTF-8 as it is; control characters (C0, DEL, C1), line and paragraph separators,
 * characters that change the direction of writing or are invisible format controls, and octets that are not UTF-8, as \xNN for
 * each octet. A tab becomes a blank, a backslash stays. At most max characters, then "…". Returns the number of characters
 * appended (columns, for most writings). Faults are kept by out.
 */
size_t display_text(struct buf *out, struct slice s, size_t max);

/* Appends s as valid UTF-8, for JSON: what is none becomes U+FFFD. NUL stays. */
void display_utf8(struct buf *out, struct slice s);

/* Length in octets of the well-formed UTF-8 character (RFC 3629) that s begins with, and its code point; 0: there is none. */
size_t display_utf8_char(struct slice s, uint32_t *code);

#endif
