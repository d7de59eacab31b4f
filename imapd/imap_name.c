#include "imapd/imap_name.h"

#include "lib/utf8.h"

#include "imapd/imap.h"

static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+,";

/* ---- To modified UTF-7 ------------------------------------------------------------------------------------------------------ */

struct encoder {
    struct buf *to;
    uint32_t    bits;
    unsigned    count;
    bool        shifted;
};

static void
put_unit(struct encoder *e, uint16_t unit)
{
    if (!e->shifted)
        buf_append_byte(e->to, '&');
    e->shifted = true;
    e->bits = e->bits << 16 | unit;
    e->count += 16;
    while (e->count >= 6) {
        e->count -= 6;
        buf_append_byte(e->to, digits[e->bits >> e->count & 63]);
    }
    e->bits &= (1u << e->count) - 1;
}

static void
end_shift(struct encoder *e)
{
    if (!e->shifted)
        return;
    if (e->count > 0)
        buf_append_byte(e->to, digits[e->bits << (6 - e->count) & 63]);
    buf_append_byte(e->to, '-');
    *e = (struct encoder){ .to = e->to };
}

static void
put_character(struct encoder *e, uint32_t character)
{
    if (character >= ' ' && character < 0x7f) {
        end_shift(e);
        buf_append_string(e->to, character == '&' ? "&-" : (char[]){ (char)character, '\0' });
    } else if (character < 0x10000) {
        put_unit(e, (uint16_t)character);
    } else {
        character -= 0x10000;
        put_unit(e, (uint16_t)(0xD800 | character >> 10));
        put_unit(e, (uint16_t)(0xDC00 | (character & 0x3FF)));
    }
}

static uint32_t
character_at(struct slice s, size_t len)
{
    static const uint8_t lead_bits[] = { 0, 0x7F, 0x1F, 0x0F, 0x07 };
    uint32_t             character = (uint8_t)s.data[0] & lead_bits[len];

    for (size_t i = 1; i < len; i++)
        character = character << 6 | ((uint8_t)s.data[i] & 0x3F);
    return character;
}

void
imap_put_name(struct buf *b, struct slice name)
{
    enum { ENCODED_BYTES_MAX = 4 * IMAP_NAME_BYTES };
    struct buf     text;
    struct encoder e = { .to = &text };

    buf_init(&text, ENCODED_BYTES_MAX);
    while (name.len > 0) {
        size_t len = utf8_char_len(name);

        put_character(&e, len == 0 ? 0xFFFD : character_at(name, len));
        name = slice_sub(name, len == 0 ? 1 : len, name.len);
    }
    end_shift(&e);
    imap_put_string(b, buf_slice(&text));
    buf_fini(&text);
}

/* ---- From modified UTF-7 ------------------------------------------------------------------------------------------------------ */

static bool
put_utf8(char *out, size_t *len, uint32_t c)
{
    char   bytes[4];
    size_t n = c < 0x80 ? 1 : c < 0x800 ? 2 : c < 0x10000 ? 3 : 4;

    if (c >= 0xD800 && c < 0xE000)
        return false;
    if (n == 1) {
        bytes[0] = (char)c;
    } else {
        for (size_t i = n; i-- > 1; c >>= 6)
            bytes[i] = (char)(0x80 | (c & 0x3F));
        bytes[0] = (char)(c | (0xF0u << (4 - n) & 0xFF));
    }
    if (*len + n > IMAP_NAME_BYTES)
        return false;
    memcpy(out + *len, bytes, n);
    *len += n;
    return true;
}

/* What stands between "&" and "-"; *from begins behind the "-" then. */
static bool
decode_shift(struct slice *from, char *out, size_t *len)
{
    uint32_t bits = 0, high = 0;
    unsigned count = 0;
    size_t   end = slice_find(*from, '-');

    if (end == from->len)
        return false;
    if (end == 0) {
        *from = slice_sub(*from, 1, from->len);
        return put_utf8(out, len, '&');
    }
    for (size_t i = 0; i < end; i++) {
        const char *digit = from->data[i] == '\0' ? NULL : strchr(digits, from->data[i]);
        uint32_t    unit;

        if (digit == NULL)
            return false;
        bits = bits << 6 | (uint32_t)(digit - digits);
        count += 6;
        if (count < 16)
            continue;
        count -= 16;
        unit = bits >> count & 0xFFFF;
        bits &= (1u << count) - 1;
        if (high == 0 && unit >= 0xD800 && unit < 0xDC00) {
            high = unit;
            continue;
        }
        if (high != 0 && (unit < 0xDC00 || unit > 0xDFFF))
            return false;
        if (unit <= 0x7f)       /* what is ASCII stands for itself (RFC 3501 section 5.1.3); a NUL would end the name */
            return false;
        if (!put_utf8(out, len, high != 0 ? 0x10000 + ((high & 0x3FF) << 10 | (unit & 0x3FF)) : unit))
            return false;
        high = 0;
    }
    *from = slice_sub(*from, end + 1, from->len);
    return high == 0 && count < 6 && bits == 0;
}

bool
imap_name_decode(struct slice from, char out[IMAP_NAME_BYTES + 1])
{
    size_t len = 0;

    while (from.len > 0) {
        char   c = from.data[0];
        size_t n = utf8_char_len(from);

        if (n == 0 || (unsigned char)c < ' ' || c == 0x7f)
            return false;
        if (c == '&') {
            from = slice_sub(from, 1, from.len);
            if (!decode_shift(&from, out, &len))
                return false;
            continue;
        }
        if (len + n > IMAP_NAME_BYTES)
            return false;
        memcpy(out + len, from.data, n);
        len += n;
        from = slice_sub(from, n, from.len);
    }
    out[len] = '\0';
    return utf8_is_valid(slice_make(out, len));
}

/* ---- Wildcards ------------------------------------------------------------------------------------------------------------------ */

static bool
is_wildcard(char c)
{
    return c == '*' || c == '%';
}

/*
 * Which beginnings of the name the pattern so far can have taken: each of its characters takes one pass. A run of wildcards takes two
 * at most, and more characters than the name has end it, so that there are at most three passes for each octet of the name.
 */
static bool
fits(struct slice name, struct slice pattern, bool nocase)
{
    bool   taken[IMAP_NAME_BYTES + 2] = { true };
    char   wildcard = '\0';     /* of the run under way, the one that takes more */
    size_t characters = 0;

    if (name.len > IMAP_NAME_BYTES)
        return false;
    for (size_t p = 0; p < pattern.len; p++) {
        char c = pattern.data[p];

        if (is_wildcard(c) && (wildcard == '*' || wildcard == c))
            continue;
        wildcard = is_wildcard(c) ? c : '\0';
        if (!is_wildcard(c) && ++characters > name.len)
            return false;
        if (is_wildcard(c)) {
            for (size_t n = 0; n < name.len; n++)
                taken[n + 1] = taken[n + 1] || (taken[n] && (c == '*' || name.data[n] != '/'));
            continue;
        }
        for (size_t n = name.len; n-- > 0;)
            taken[n + 1] = taken[n] && (c == name.data[n] || (nocase && ascii_lower(c) == ascii_lower(name.data[n])));
        taken[0] = false;
    }
    return taken[name.len];
}

bool
imap_name_matches(struct slice name, struct slice reference, struct slice pattern)
{
    struct buf whole;
    bool       matches;

    buf_init(&whole, reference.len + pattern.len + 1);
    buf_append_slice(&whole, reference);
    buf_append_slice(&whole, pattern);
    matches = whole.fault == 0 && fits(name, buf_slice(&whole), slice_equal_nocase(name, slice_of("INBOX")));
    buf_fini(&whole);
    return matches;
}
