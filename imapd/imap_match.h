#ifndef IMAPD_IMAP_MATCH_H
#define IMAPD_IMAP_MATCH_H
/*
 * imap_match - whether a text has a string in it, without regard to case (lib/casemap.h); fed in pieces of any size. What is fed is
 * mapped into a window, which is searched when it is full: linear in the text, whatever it holds (memmem of the C library).
 */

#include "lib/slice.h"

#define IMAP_MATCH_BYTES  4096u             /* of a mapped string; longer ones are refused by SEARCH */
#define IMAP_MATCH_WINDOW (16u * 1024)

struct imap_match {
    struct slice needle;                        /* borrowed; mapped */
    bool         ascii;                         /* it is ASCII, so that nothing beyond ASCII need be mapped */
    bool         found;                         /* of what was searched so far */
    char         begun[4];                      /* a character that a piece cut */
    size_t       begun_len;
    size_t       len;                           /* of window */
    char         window[IMAP_MATCH_WINDOW];
};

/* needle: as casemap_put makes it, at most IMAP_MATCH_BYTES; an empty one is in every text. */
void imap_match_init(struct imap_match *m, struct slice needle);
void imap_match_feed(struct imap_match *m, struct slice text);

/* What comes next does not continue the text; what was found stays. */
void imap_match_break(struct imap_match *m);

/* Whether it was in what has been fed until now. */
bool imap_match_found(struct imap_match *m);

/* A new text. */
void imap_match_reset(struct imap_match *m);

#endif
