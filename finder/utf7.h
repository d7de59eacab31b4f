#ifndef FINDER_UTF7_H
#define FINDER_UTF7_H
/*
 * utf7 - UTF-7 (RFC 2152) to UTF-8: "mt1+AK0-d5av" has a soft hyphen in its middle. Lenient: any octet may stand for itself, a
 * "+" without base64 behind it stays, an unfinished character at the end of a base64 section is dropped.
 *
 * In text that is not UTF-7, what follows a "+" comes out as something else: search such text as it stands, too.
 *
 * Time: linear. Memory: the struct alone.
 */

#include "finder/outlet.h"

struct utf7 {
    bool          shifted;          /* private, all of it: behind "+" */
    bool          empty;            /* no base64 digit since "+" */
    uint32_t      bits;
    unsigned      bit_count;
    struct outlet outlet;
};

void utf7_init(struct utf7 *u, octets_fn *out, void *arg);
void utf7_feed(struct utf7 *u, struct slice text);

/* The text ended: passes on what was held back. Then it is ready for another. */
void utf7_finish(struct utf7 *u);

#endif
