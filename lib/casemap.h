#ifndef LIB_CASEMAP_H
#define LIB_CASEMAP_H
/*
 * casemap - text without regard to case, in whatever alphabet: the titlecase mapping of i;unicode-casemap (RFC 5051), whatever the
 * locale. Characters are not decomposed, so an accent that stands as a character of its own differs from one within a letter. Nothing
 * beyond ASCII becomes ASCII (the long s and the dotless i stay), so that what is ASCII can be compared octet by octet.
 */

#include "lib/buf.h"

#define CASEMAP_CHAR_BYTES 4u

uint32_t casemap_char(uint32_t c);

/* Maps the character that text (not empty) begins with; *text then begins behind it. An octet that is no UTF-8 stays. Returns how many octets. */
size_t casemap_next(struct slice *text, char out[CASEMAP_CHAR_BYTES]);

/* Appends all of text. */
void casemap_put(struct buf *out, struct slice text);

#endif
