#ifndef LIB_UTF8_H
#define LIB_UTF8_H
/*
 * utf8 - makes text from elsewhere fit to be shown and stored: valid UTF-8 (RFC 3629) without control characters.
 */

#include "lib/buf.h"

enum utf8_charset { CHARSET_UTF8, CHARSET_LATIN1, CHARSET_UNKNOWN };

/* By its MIME name, without case: US-ASCII and "" count as UTF-8; of CHARSET_UNKNOWN only ASCII is converted. */
enum utf8_charset utf8_charset_of(const char *name);

/* Length of the valid UTF-8 character that s begins with: 1 to 4; 0 where there is none, and when s is empty. */
size_t utf8_char_len(struct slice s);

bool utf8_is_valid(struct slice s);

/*
 * utf8_text - a stream of octets in some charset, to UTF-8 in a buf: CR and LF are dropped, other control characters become
 * a space, octets that make no character become U+FFFD. It stops for good before the buf's limit, at a character's end.
 */
struct utf8_text {
    struct buf       *to;           /* borrowed */
    enum utf8_charset charset;
    char              begun[4];     /* a character that the last piece cut */
    uint8_t           begun_len;
    bool              full;
};

void utf8_text_init(struct utf8_text *t, struct buf *to);
void utf8_text_feed(struct utf8_text *t, enum utf8_charset charset, struct slice octets);
void utf8_text_finish(struct utf8_text *t);

/* The three in one, from UTF-8. */
void utf8_clean(struct buf *to, struct slice octets);

#endif
