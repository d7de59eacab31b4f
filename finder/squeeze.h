#ifndef FINDER_SQUEEZE_H
#define FINDER_SQUEEZE_H
/*
 * squeeze - passes on text without what mail systems put into a word: a token that was wrapped, quoted, hyphenated, widened
 * to UTF-16 or sprinkled with invisible characters comes out in one piece. It needs no charset: it takes out
 *
 *   - white space and line ends of any kind, all control characters, and with them NUL: UTF-16 and UTF-32 in either order
 *     become ASCII (RFC 3676 lines join, with DelSp or without);
 *   - quote marks ('>', '|', ':', '*', '#', '}') where a line starts, also behind white space and one another;
 *   - "=" at the end of a line: a soft line break of quoted-printable (RFC 2045 section 6.7) that was encoded twice;
 *   - spaces and invisible characters of Unicode, in UTF-8, UTF-16, UTF-32 (but those whose last octet is 0, such as U+3000)
 *     and GB18030 (there every character of four octets), and U+FFFD;
 *   - lone octets A0 and AD (no-break space and soft hyphen of ISO-8859 and the Windows code pages), FE and FF (of byte
 *     order marks);
 *   - escape sequences of ISO 2022 and of terminals (ESC [ … m).
 *
 * Full-width letters and digits become ASCII: in UTF-8, UTF-16, EUC (GB, JP, KR), Shift_JIS, Big5 and ISO-2022.
 * Everything else is passed on as it stands; squeeze_init_bare drops it, too, but for the ASCII letters and digits.
 *
 * Units of UTF-16 are told at even offsets from the start of the text only, behind a byte order mark or an ASCII character.
 *
 * Time: linear, one table look-up an octet in ASCII, a few steps in others. Memory: the struct alone. Octets held back
 * between two pieces: at most SQUEEZE_HELD_MAX.
 */

#include "finder/outlet.h"

#define SQUEEZE_HELD_MAX 4u

struct squeeze {
    const uint8_t *classes;         /* private, all of it */
    bool           odd;             /* the next octet stands at an odd offset */
    bool           line_start;      /* no octet of the line was passed on yet */
    bool           equals;          /* "=" is held back: a line end may follow */
    bool           double_octets;   /* ISO 2022: a set of two octets a character is in use */
    bool           folded;          /* the character before was full-width in Shift_JIS or Big5 */
    bool           wide;            /* the last unit of two octets had a NUL */
    bool           little, big;     /* where it stood: last, first */
    bool           marked;          /* wide: a byte order mark said so, and it stays so */
    bool           has_first;       /* wide: the first octet of a unit was read */
    uint8_t        first;
    uint8_t        escape;          /* octets of an escape sequence, 0: in none */
    bool           terminal;        /* it began with ESC [ */
    uint8_t        held_len;
    uint8_t        held[SQUEEZE_HELD_MAX];
    struct outlet  outlet;
};

/* For a decoder that needs the punctuation (percent, base64_runs) or a token_scan behind it. */
void squeeze_init(struct squeeze *s, octets_fn *out, void *arg);

/* Passes on nothing but ASCII letters and digits: for a token_scan behind it. Finds more: any punctuation within a token. */
void squeeze_init_bare(struct squeeze *s, octets_fn *out, void *arg);

void squeeze_feed(struct squeeze *s, struct slice text);

/* The text ended: passes on what was held back. Then it is ready for another. */
void squeeze_finish(struct squeeze *s);

#endif
