#ifndef IMAPD_IMAP_MATCH_H
#define IMAPD_IMAP_MATCH_H
/*
 * imap_match - whether a text has a string in it, without regard to the case of ASCII letters; fed in pieces of any size. Linear
 * in the text (Knuth, Morris and Pratt), whatever it holds.
 */

#include "lib/slice.h"

#define IMAP_MATCH_BYTES 1024u      /* of the string; longer ones are refused by SEARCH */

struct imap_match {
    struct slice needle;                        /* borrowed */
    uint16_t     back[IMAP_MATCH_BYTES];        /* where to go on behind a mismatch */
    size_t       at;                            /* octets of the needle that fit so far */
    bool         found;
};

/* needle: at most IMAP_MATCH_BYTES; an empty one is in every text. */
void imap_match_init(struct imap_match *m, struct slice needle);
void imap_match_feed(struct imap_match *m, struct slice text);

/* What comes next does not continue the text; what was found stays. */
void imap_match_break(struct imap_match *m);

/* A new text. */
void imap_match_reset(struct imap_match *m);

#endif
