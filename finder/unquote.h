#ifndef FINDER_UNQUOTE_H
#define FINDER_UNQUOTE_H
/*
 * unquote - takes out of a text the initials that some programs put in front of each line that they quote ("AB> "), and undoes the
 * escapes of JSON and JavaScript ("\u0064", "\x64"). What is left of the quote marks, squeeze takes out. A line that begins with
 * what only looks like initials loses it: search such text as it stands, too.
 *
 * Time: linear. Memory: the struct alone. Held back between two pieces: at most UNQUOTE_HELD octets.
 */

#include "finder/outlet.h"

#define UNQUOTE_INITIALS 4u
#define UNQUOTE_HELD     6u     /* "\u0064" */

struct unquote {
    bool          line_start;   /* private, all of it: nothing but initials and quote marks came in this line */
    uint8_t       len;
    char          held[UNQUOTE_HELD];   /* initials, or an escape */
    struct outlet outlet;
};

void unquote_init(struct unquote *u, octets_fn *out, void *arg);
void unquote_feed(struct unquote *u, struct slice text);

/* The text ended: passes on what was held back. Then it is ready for another. */
void unquote_finish(struct unquote *u);

#endif
