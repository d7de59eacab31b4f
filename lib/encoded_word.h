#ifndef LIB_ENCODED_WORD_H
#define LIB_ENCODED_WORD_H
/*
 * encoded_word - decodes the encoded-words of a header field (RFC 2047) as a stream, in pieces of any size: B and Q, white
 * space between adjacent words removed, everything else passed as it stands, with its line ends. Lenient: words may stand
 * anywhere, touch other text and be longer than 75 characters, and Q text may hold spaces.
 */

#include "lib/transfer.h"

#define ENCODED_WORD_CHARSET_CHARS 40u

/* Some decoded octets; charset is "" for what was not encoded, else as the word named it, without a language (RFC 2231). */
typedef void encoded_word_fn(void *arg, const char *charset, struct slice octets);

struct encoded_word {
    encoded_word_fn *out;
    void            *arg;
    uint8_t          state;         /* private, from here on */
    uint8_t          held_len;
    bool             joins;         /* see encoded_word_init_joining */
    bool             blank;         /* white space stood behind a word, and is not passed on yet */
    char             held[ENCODED_WORD_CHARSET_CHARS + 8];  /* "=?charset?B" so far, in case it is no encoded-word */
    char             charset[ENCODED_WORD_CHARSET_CHARS + 1];
    char             encoding;      /* 'b', 'q' */
    struct base64    base64;
    char             digit;         /* the first of two hexadecimal digits of a Q octet */
};

void encoded_word_init(struct encoded_word *e, encoded_word_fn *out, void *arg);

/*
 * The same, but a B word goes on with the base64 group that the adjacent B word before it left unfinished: some programs cut the
 * encoded text without regard to its groups of four. Words that only lack their padding come out damaged this way.
 */
void encoded_word_init_joining(struct encoded_word *e, encoded_word_fn *out, void *arg);

void encoded_word_feed(struct encoded_word *e, struct slice text);

/* The field ended: passes on what was held back. Then it is ready for another. */
void encoded_word_finish(struct encoded_word *e);

#endif
