#include "lib/transfer.h"

#include <assert.h>

/* ---- base64 ----------------------------------------------------------------------------------------------------- */

enum { NO_DIGIT = 0x80, BLANK = 0x81, PADDING = 0x82 };

#define FOUR(first, value)  [first] = (value), [(first) + 1] = (value) + 1, [(first) + 2] = (value) + 2, [(first) + 3] = (value) + 3
#define EIGHT(first, value) FOUR(first, value), FOUR((first) + 4, (value) + 4)
#define REST(from, to)      [from ... to] = NO_DIGIT

static const uint8_t base64_values[256] = {
    EIGHT('A', 0), EIGHT('I', 8), EIGHT('Q', 16), ['Y'] = 24, ['Z'] = 25,
    EIGHT('a', 26), EIGHT('i', 34), EIGHT('q', 42), ['y'] = 50, ['z'] = 51,
    EIGHT('0', 52), ['8'] = 60, ['9'] = 61, ['+'] = 62, ['/'] = 63,
    ['='] = PADDING, [' '] = BLANK, ['\t'] = BLANK, ['\r'] = BLANK, ['\n'] = BLANK,
    REST(0, 8), REST(11, 12), REST(14, 31), REST(33, 42), REST(44, 46), REST(58, 60), REST(62, 64), REST(91, 96),
    REST(123, 255),
};

void
base64_init(struct base64 *b)
{
    *b = (struct base64){ .digits = 0 };
}

/* What a group of two or three digits carries; a single digit carries no whole octet. */
static char *
end_group(struct base64 *b, char *to)
{
    if (b->digits >= 2)
        *to++ = (char)(b->bits >> (b->digits == 2 ? 4 : 10));
    if (b->digits == 3)
        *to++ = (char)(b->bits >> 2);
    b->digits = 0;
    b->bits = 0;
    return to;
}

/* One octet outside of the fast path. */
static char *
take_digit(struct base64 *b, uint8_t value, char *to)
{
    if (value == PADDING)
        return end_group(b, to);
    if (value == NO_DIGIT)
        b->broken = true;
    if (value & NO_DIGIT)
        return to;
    b->bits = b->bits << 6 | value;
    if (++b->digits == 4) {
        *to++ = (char)(b->bits >> 16);
        *to++ = (char)(b->bits >> 8);
        *to++ = (char)b->bits;
        b->digits = 0;
        b->bits = 0;
    }
    return to;
}

size_t
base64_decode(struct base64 *b, struct slice in, char *out)
{
    const unsigned char *from = (const unsigned char *)in.data;
    size_t               left = in.len;
    char                *to = out;

    while (left > 0) {
        while (left >= 4 && b->digits == 0) {
            unsigned v0 = base64_values[from[0]], v1 = base64_values[from[1]];
            unsigned v2 = base64_values[from[2]], v3 = base64_values[from[3]];
            uint32_t bits = v0 << 18 | v1 << 12 | v2 << 6 | v3;

            if ((v0 | v1 | v2 | v3) & NO_DIGIT)
                break;
            to[0] = (char)(bits >> 16);
            to[1] = (char)(bits >> 8);
            to[2] = (char)bits;
            to += 3;
            from += 4;
            left -= 4;
        }
        if (left > 0) {
            to = take_digit(b, base64_values[*from++], to);
            left--;
        }
    }
    return (size_t)(to - out);
}

size_t
base64_finish(struct base64 *b, char out[2])
{
    return (size_t)(end_group(b, out) - out);
}

/* ---- quoted-printable ------------------------------------------------------------------------------------------- */

/*
 *   TEXT --"="--> EQUALS --digit--> DIGIT --digit--> TEXT, one octet
 *                    \---blank---> PADDED --LF--> TEXT, nothing: a soft line break, with padding before its end
 *                     \----CR----> PADDED          (anything else: it was no encoding, and is passed as it stands)
 */
enum { TEXT, EQUALS, DIGIT, PADDED };

void
quoted_printable_init(struct quoted_printable *q)
{
    *q = (struct quoted_printable){ .state = TEXT };
}

int
hex_value(char c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    c = ascii_lower(c);
    return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

/* The octet c behind "=" and what followed it. False: c is still to be taken, as text. */
static bool
take_encoded(struct quoted_printable *q, char c, char **to)
{
    if (q->state == EQUALS && hex_value(c) >= 0) {
        q->state = DIGIT;
        q->first = c;
        return true;
    }
    if (q->state == DIGIT && hex_value(c) >= 0) {
        *(*to)++ = (char)(hex_value(q->first) * 16 + hex_value(c));
        q->state = TEXT;
        return true;
    }
    if (q->state != DIGIT && (c == ' ' || c == '\t' || c == '\r')) {
        q->state = PADDED;
        return true;
    }
    if (q->state != DIGIT && c == '\n') {
        q->state = TEXT;
        return true;
    }
    *(*to)++ = '=';
    if (q->state != EQUALS)
        *(*to)++ = q->state == DIGIT ? q->first : ' ';
    q->broken = true;
    q->state = TEXT;
    return false;
}

size_t
quoted_printable_decode(struct quoted_printable *q, struct slice in, char *out)
{
    const char *from = in.data, *end = from + in.len;
    char       *to = out;

    while (from < end) {
        if (q->state != TEXT) {
            if (take_encoded(q, *from, &to))
                from++;
        } else {
            const char *at = memchr(from, '=', (size_t)(end - from));
            size_t      len = (size_t)((at == NULL ? end : at) - from);

            memcpy(to, from, len);
            to += len;
            from += len;
            if (at != NULL) {
                q->state = EQUALS;
                from++;
            }
        }
    }
    return (size_t)(to - out);
}

/* ---- Any encoding ----------------------------------------------------------------------------------------------- */

void
transfer_init(struct transfer *t, enum part_encoding encoding)
{
    t->encoding = encoding;
    base64_init(&t->base64);
    quoted_printable_init(&t->quoted_printable);
}

bool
transfer_is_identity(enum part_encoding encoding)
{
    return encoding != ENCODING_BASE64 && encoding != ENCODING_QUOTED_PRINTABLE;
}

size_t
transfer_decode(struct transfer *t, struct slice in, char *out, size_t room, size_t *read)
{
    /* No encoding gives more octets than it takes, but for what was held of an earlier piece. */
    static_assert(BASE64_ROOM(TRANSFER_ROOM_MIN - 3) <= TRANSFER_ROOM_MIN, "room");
    static_assert(QUOTED_PRINTABLE_ROOM(TRANSFER_ROOM_MIN - 3) <= TRANSFER_ROOM_MIN, "room");
    assert(room >= TRANSFER_ROOM_MIN);
    in = slice_sub(in, 0, room - 3);
    *read = in.len;
    if (t->encoding == ENCODING_BASE64)
        return base64_decode(&t->base64, in, out);
    if (t->encoding == ENCODING_QUOTED_PRINTABLE)
        return quoted_printable_decode(&t->quoted_printable, in, out);
    memcpy(out, in.data, in.len);
    return in.len;
}

size_t
transfer_finish(struct transfer *t, char out[2], bool *broken)
{
    *broken = t->base64.broken || t->quoted_printable.broken;
    return base64_finish(&t->base64, out);
}
