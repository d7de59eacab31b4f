#ifndef FINDER_SIEVE_H
#define FINDER_SIEVE_H
/*
 * sieve - passes on of a text only what may hide a token, so that the costly views (views.h) are spared ordinary prose. It goes
 * by blocks of SIEVE_BLOCK octets, and passes on each one that has one of these, with the block before and the one behind it:
 *
 *   - SIEVE_GAP octets without any of the letters i, l, o and u, which no token has: what is put into a token to wrap or escape
 *     it has none of them either;
 *   - a word of SIEVE_WORD octets: base64 that is not cut into shorter lines than that, links;
 *   - "+", which begins an escape of UTF-7, a backslash, which begins one of JSON, or ">" behind initials: these have the letters, too;
 *   - NUL or ESC, which UTF-16 and ISO 2022 have: then all of the text from there on is passed on.
 *
 * English prose has the four letters every eight octets and its words are short. What is passed on depends on the text alone, not
 * on how it is cut. Linear: a third of a nanosecond an octet of prose. Memory: the struct.
 */

#include "finder/octets.h"

#define SIEVE_BLOCK 512u
#define SIEVE_GAP   43u     /* TOKEN_CHARS */
#define SIEVE_WORD  16u

struct sieve_events {
    octets_fn *pass;
    void     (*skip)(void *arg);        /* what was passed on does not go on in what is passed next */
};

struct sieve {
    const struct sieve_events *events;  /* private, all of it */
    void                      *arg;
    bool                       open;            /* something was passed on since the last skip */
    bool                       pass_all;
    bool                       pass_next;
    bool                       has_before;
    unsigned                   gap, word;       /* octets of each that the text ended with so far, at most as many as count */
    size_t                     len;
    char                       block[SIEVE_BLOCK];      /* begun */
    char                       before[SIEVE_BLOCK];     /* was held back */
};

/* Borrows events. */
void sieve_init(struct sieve *s, const struct sieve_events *events, void *arg);
void sieve_feed(struct sieve *s, struct slice text);

/* The text ended: passes on what is still to be passed, and tells a skip behind it. Then it is ready for another. */
void sieve_finish(struct sieve *s);

#endif
