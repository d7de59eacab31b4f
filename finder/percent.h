#ifndef FINDER_PERCENT_H
#define FINDER_PERCENT_H
/*
 * percent - undoes the escapes that links collect when one gateway after another wraps them, however often each was applied:
 *
 *   %6D  %256D  %25256D    RFC 3986 section 2.1, encoded once or more (Safe Links, urldefense v1, click trackers)
 *   -6D  -256D             urldefense v2, which writes "-" for "%" (and "_" for "/", which is left alone)
 *   =6D  =3D6D             quoted-printable that was encoded once too often
 *
 * What follows a mark and is no escape is passed on as it stands, "+" too. A token has no mark in it, so a plain one passes
 * unharmed. Other text may not: base64url has "-" of its own, so before base64_runs use PERCENT_MARK_PERCENT alone.
 *
 * Time: linear. Memory: the struct alone. Held back between two pieces: a mark and one digit.
 */

#include "finder/outlet.h"

enum percent_mark {
    PERCENT_MARK_PERCENT = 1,       /* % */
    PERCENT_MARK_MINUS   = 2,       /* - */
    PERCENT_MARK_EQUALS  = 4,       /* = */
    PERCENT_MARK_ALL     = 7,
};

struct percent {
    unsigned      marks;            /* private, all of it */
    char          mark;             /* the mark that was read, 0: none */
    char          digit;            /* the first of two hexadecimal digits, 0: none yet */
    struct outlet outlet;
};

/* marks: enum percent_mark bits, those that are taken for marks. */
void percent_init(struct percent *p, unsigned marks, octets_fn *out, void *arg);

void percent_feed(struct percent *p, struct slice text);

/* The text ended: passes on what was held back. Then it is ready for another. */
void percent_finish(struct percent *p);

#endif
