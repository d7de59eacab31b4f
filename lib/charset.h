#ifndef LIB_CHARSET_H
#define LIB_CHARSET_H
/*
 * charset - text in the charsets that mail uses, to UTF-8. Those of the table in charset.c are known, by their MIME names and the
 * aliases that programs write; US-ASCII, UTF-8 and ISO-8859-1 are converted here, the others by iconv of the C library.
 *
 * Nothing fails: octets that make no character become U+FFFD. Linear in the octets. A text in a charset of iconv's takes about 40 KiB
 * while it is under way, others nothing.
 */

#include "lib/buf.h"

struct charset;

/* By its name, without case; "" is US-ASCII. NULL: not known. */
const struct charset *charset_find(struct slice name);

/* Its octets are UTF-8 as they stand (UTF-8, US-ASCII). */
bool charset_is_utf8(const struct charset *c);

/* Appends the names of all, separated by spaces: for BADCHARSET (RFC 9051 section 7.1). */
void charset_put_names(struct buf *out);

/*
 * iconv loads a module from the disk for each charset, which a process can no longer do once it has given up its rights: so a role that
 * converts opens them all at its start, and keeps them. MT_ENOMEM. What the C library lacks is left out, and then becomes U+FFFD.
 */
struct charset_modules;
int  charset_modules_open(struct charset_modules **out);
void charset_modules_close(struct charset_modules *m);      /* NULL is fine */

/* Some converted text: whole characters of valid UTF-8. */
typedef void charset_fn(void *arg, struct slice utf8);

/* A text in one charset that comes in pieces. */
struct charset_text {
    const struct charset *charset;
    charset_fn           *out;
    void                 *arg;
    void                 *iconv;        /* private, from here on; owned */
    char                  held[32];     /* the begin of a character that a piece cut */
    size_t                held_len;
};

/* charset NULL: not known, which counts as US-ASCII. */
void charset_text_begin(struct charset_text *t, const struct charset *charset, charset_fn *out, void *arg);
void charset_text_feed(struct charset_text *t, struct slice octets);
void charset_text_finish(struct charset_text *t);           /* frees it; all zero is fine */

/* The three in one: appended to out, up to its limit, at a character's end. */
void charset_convert(const struct charset *charset, struct slice octets, struct buf *out);

/* The same for the value of a header field with encoded-words (RFC 2047), which are decoded; what stands around them is UTF-8. */
void charset_convert_words(struct slice value, struct buf *out);

/* And in pieces. */
void charset_decode_words(struct slice value, charset_fn *out, void *arg);

#endif
