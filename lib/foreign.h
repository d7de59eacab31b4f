#ifndef LIB_FOREIGN_H
#define LIB_FOREIGN_H
/*
 * foreign - lines of another protocol on a mail port. A browser can be made by a hostile page to send a request there: what follows may be lines
 * of the page's choice, so a session ends at the first line of HTTP, before any of them is run. Pure functions on bytes.
 */

#include "lib/slice.h"

/* A first word of HTTP: a method, "PRI" (RFC 9113 section 3.4) or the field "Host:". For a protocol that has no such word itself. */
bool foreign_word(struct slice word);

/*
 * A line of HTTP as a whole, without its line end: a method and a version at its end, or a field Host. For IMAP, where any word can be a
 * tag. Linear.
 */
bool foreign_line(struct slice line);

#endif
