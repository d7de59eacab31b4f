#ifndef FINDER_BASE64_RUNS_H
#define FINDER_BASE64_RUNS_H
/*
 * base64_runs - finds tokens that stand within base64 or base64url text (RFC 4648 sections 4 and 5), such as links that a
 * gateway wrapped, or a body whose encoding was not declared. "mt1" in any letter case has its own look at each of the three
 * alignments, so neither the start of the encoded text nor its alignment has to be known: it may begin behind "=", "/", "?",
 * "&", ".", "~", an escape, or in the middle of a word. The encoded text may be UTF-16 in either order, too.
 *
 * Passes on the tokens that it finds, in lower case, each followed by a space: nothing else. A run of digits ends at any other
 * octet, so what may be wrapped or percent-encoded goes through squeeze (not the bare one) or percent first.
 *
 * Time: linear, two table look-ups an octet where there is nothing. Decoding starts at a look of "mt1" and goes on for
 * BASE64_RUNS_DIGITS; at most four such streams, one an alignment, run side by side. Each passes on at most 11 octets for an
 * octet: a token for each "mt1" in it. Memory: the struct alone.
 */

#include "finder/octets.h"
#include "lib/token.h"

#define BASE64_RUNS_DIGITS 120u     /* a token in UTF-16 is 86 octets: 115 digits, and some of it is read before it is known */
#define BASE64_RUNS_ROOM   48u

struct base64_runs {
    octets_fn *out;                 /* private, all of it */
    void      *arg;
    uint64_t   matched;             /* looks that were begun: see base64_runs.c */
    unsigned   offset;              /* octets fed, modulo 4 */
    unsigned   active;              /* bit n: stream n decodes */
    struct base64_stream {
        unsigned          left;     /* digits to be decoded yet */
        uint32_t          bits;
        unsigned          bit_count;
        size_t            len;
        char              room[BASE64_RUNS_ROOM];
        struct token_scan scan;
    } streams[4];                   /* by the offset, modulo 4, at which groups of four digits begin */
};

/* Keeps a pointer to itself: must not be moved. */
void base64_runs_init(struct base64_runs *b, octets_fn *out, void *arg);
void base64_runs_feed(struct base64_runs *b, struct slice text);

/* The text ended. Then it is ready for another. */
void base64_runs_finish(struct base64_runs *b);

/* The value of a digit of base64 or base64url, or -1. */
int base64_digit_value(char c);

#endif
