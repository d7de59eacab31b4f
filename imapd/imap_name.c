#include "imapd/imap_name.h"

#include "lib/utf8.h"

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

static void
put_quoted(struct buf *b, struct slice name)
{
    buf_append_byte(b, '"');
    for (size_t i = 0; i < name.len; i++) {
        if (name.data[i] == '"' || name.data[i] == '\\')
            buf_append_byte(b, '\\');
        buf_append_byte(b, name.data[i]);
    }
    buf_append_byte(b, '"');
}

void
imap_put_name(struct buf *b, struct slice name, bool utf8)
{
    enum { ENCODED_BYTES_MAX = 4 * IMAP_NAME_BYTES };
    struct buf     text;
    struct encoder e = { .to = &text };

    if (utf8) {
        put_quoted(b, name);
        return;
    }

    buf_init(&text, ENCODED_BYTES_MAX);
    while (name.len > 0) {
        size_t len = utf8_char_len(name);

        put_character(&e, len == 0 ? 0xFFFD : character_at(name, len));
        name = slice_sub(name, len == 0 ? 1 : len, name.len);
    }
    end_shift(&e);
    put_quoted(b, buf_slice(&text));
    buf_fini(&text);
}

/* ---- From modified UTF-7 ------------------------------------------------------------------------------------------------------ */

struct decoded {
    char  *data;
    size_t len, room;
};

static bool
add(struct decoded *d, const char *bytes, size_t len)
{
    if (len > d->room - d->len)
        return false;
    memcpy(d->data + d->len, bytes, len);
    d->len += len;
    return true;
}

static bool
add_character(struct decoded *d, uint32_t c)
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
    return add(d, bytes, n);
}

/* What stands between "&" and "-"; *from begins behind the "-" then. */
static bool
decode_shift(struct slice *from, struct decoded *out)
{
    uint32_t bits = 0, high = 0;
    unsigned count = 0;
    size_t   end = slice_find(*from, '-');

    if (end == from->len)
        return false;
    if (end == 0) {
        *from = slice_sub(*from, 1, from->len);
        return add(out, "&", 1);
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
        if (unit <= 0x7f)       /* what is ASCII stands for itself (RFC 9051 appendix A.1); a NUL would end the name */
            return false;
        if (!add_character(out, high != 0 ? 0x10000 + ((high & 0x3FF) << 10 | (unit & 0x3FF)) : unit))
            return false;
        high = 0;
    }
    *from = slice_sub(*from, end + 1, from->len);
    return high == 0 && count < 6 && bits == 0;
}

static bool
decode(struct slice from, bool utf8, struct decoded *out)
{
    while (from.len > 0) {
        char   c = from.data[0];
        size_t n = utf8_char_len(from);

        if (n == 0 || (unsigned char)c < ' ' || c == 0x7f)
            return false;
        if (c == '&' && !utf8) {
            from = slice_sub(from, 1, from.len);
            if (!decode_shift(&from, out))
                return false;
            continue;
        }
        if (!add(out, from.data, n))
            return false;
        from = slice_sub(from, n, from.len);
    }
    return true;
}

bool
imap_name_decode(struct slice from, bool utf8, char out[IMAP_NAME_BYTES + 1])
{
    struct decoded d = { .data = out, .room = IMAP_NAME_BYTES };

    if (!decode(from, utf8, &d))
        return false;
    out[d.len] = '\0';
    return true;
}

bool
imap_pattern_decode(struct slice from, bool utf8, char *out, size_t *len)
{
    struct decoded d = { .data = out, .room = IMAP_PATTERN_ROOM(from.len) };

    if (!decode(from, utf8, &d))
        return false;
    *len = d.len;
    return true;
}

/* ---- Wildcards ------------------------------------------------------------------------------------------------------------------ */

/* Bit n stands for the first n octets of the name, or for the octet n. */
enum { WORD_BITS = 64, WORDS = (IMAP_NAME_BYTES + WORD_BITS) / WORD_BITS, OCTETS = 256 };

struct bits {
    uint64_t words[WORDS];
};

static void
set_bit(struct bits *b, size_t n)
{
    b->words[n / WORD_BITS] |= (uint64_t)1 << n % WORD_BITS;
}

static bool
has_bit(const struct bits *b, size_t n)
{
    return (b->words[n / WORD_BITS] >> n % WORD_BITS & 1) != 0;
}

static struct bits
both(struct bits a, struct bits b)
{
    for (unsigned i = 0; i < WORDS; i++)
        a.words[i] &= b.words[i];
    return a;
}

static struct bits
moved_up(struct bits a)
{
    uint64_t over = 0;

    for (unsigned i = 0; i < WORDS; i++) {
        uint64_t word = a.words[i];

        a.words[i] = word << 1 | over;
        over = word >> (WORD_BITS - 1);
    }
    return a;
}

/*
 * From each beginning that was taken on, as far up as the steps are allowed without a gap. Adding a start to a run of ones carries
 * through it to its end: what the sum changed is what can be reached.
 */
static struct bits
flooded(struct bits taken, struct bits allowed)
{
    struct bits starts = both(moved_up(taken), allowed);
    uint64_t    carry = 0;

    for (unsigned i = 0; i < WORDS; i++) {
        uint64_t half = allowed.words[i] + starts.words[i];
        uint64_t sum = half + carry;

        carry = (half < starts.words[i]) | (sum < half);
        taken.words[i] |= starts.words[i] | ((sum ^ allowed.words[i]) & allowed.words[i]);
    }
    return taken;
}

struct fit {
    struct bits at[OCTETS];     /* where in the name each octet stands */
    struct bits any, level;     /* beginnings to which "*" and "%" may go on */
    struct bits taken;          /* beginnings of the name that the pattern so far can have taken */
    size_t      len;            /* of the name */
    size_t      characters;     /* of the pattern so far that are no wildcards */
    char        wildcard;       /* of the run under way, the one that takes more */
};

static bool
is_inbox(struct slice name)
{
    return slice_starts(name, "INBOX") && (name.len == 5 || name.data[5] == '/');
}

static void
begin_fit(struct fit *f, struct slice name)
{
    size_t nocase = is_inbox(name) ? 5 : 0;

    *f = (struct fit){ .len = name.len };
    set_bit(&f->taken, 0);
    for (size_t i = 0; i < name.len; i++) {
        set_bit(&f->at[(unsigned char)name.data[i]], i);
        if (i < nocase)
            set_bit(&f->at[(unsigned char)ascii_lower(name.data[i])], i);
        set_bit(&f->any, i + 1);
        if (name.data[i] != '/')
            set_bit(&f->level, i + 1);
    }
}

/* A run of wildcards takes two steps at most, and more characters than the name has end it. */
static bool
go_on(struct fit *f, struct slice pattern)
{
    for (size_t i = 0; i < pattern.len; i++) {
        char c = pattern.data[i];

        if (c == '*' || c == '%') {
            if (f->wildcard == '*' || f->wildcard == c)
                continue;
            f->wildcard = c;
            f->taken = flooded(f->taken, c == '*' ? f->any : f->level);
            continue;
        }
        f->wildcard = '\0';
        if (++f->characters > f->len)
            return false;
        f->taken = moved_up(both(f->taken, f->at[(unsigned char)c]));
    }
    return true;
}

bool
imap_name_matches(struct slice name, struct slice reference, struct slice pattern)
{
    struct fit f;

    if (name.len > IMAP_NAME_BYTES)
        return false;
    begin_fit(&f, name);
    return go_on(&f, reference) && go_on(&f, pattern) && has_bit(&f.taken, name.len);
}
