/*
 * squeeze - told by octets, not by charset: what is taken out in one charset means nothing that could stand in a token in any
 * other. Where ASCII might be the second octet of something in one charset, what stands around it decides, else it is ASCII.
 */
#include "finder/squeeze.h"

#include "lib/error.h"

/* Up to CLASS_MARK an octet is done with at once, in the middle of a line. */
enum octet_class {
    CLASS_DROP,
    CLASS_KEEP,
    CLASS_MARK,         /* a quote mark where a line starts */
    CLASS_EQUALS,
    CLASS_LINE_END,
    CLASS_ESCAPE,
    CLASS_NUL,
    CLASS_HIGH,         /* over 127 */
};

enum {
    FIRST_ASCII_LETTER_WIDE = 0xFF01,   /* full-width "!", then as ASCII */
    LAST_ASCII_LETTER_WIDE  = 0xFF5E,
    FIRST_MARK              = 0xFE,     /* from here on, an octet of a byte order mark */
    ESCAPE                  = 0x1B,
    ESCAPE_MAX              = 4,        /* octets behind ESC: ISO 2022 has up to three before the last */
    TERMINAL_ESCAPE_MAX     = 24,       /* octets behind ESC: colours and the like are shorter */
    ROOM_MIN                = 64,       /* less room in the outlet is not worth a run */
};

#define DROP4  CLASS_DROP, CLASS_DROP, CLASS_DROP, CLASS_DROP
#define KEEP4  CLASS_KEEP, CLASS_KEEP, CLASS_KEEP, CLASS_KEEP
#define HIGH4  CLASS_HIGH, CLASS_HIGH, CLASS_HIGH, CLASS_HIGH
#define HIGH16 HIGH4, HIGH4, HIGH4, HIGH4
#define HIGH128 HIGH16, HIGH16, HIGH16, HIGH16, HIGH16, HIGH16, HIGH16, HIGH16
#define CONTROLS \
    CLASS_NUL, CLASS_DROP, CLASS_DROP, CLASS_DROP, DROP4, \
    CLASS_DROP, CLASS_DROP, CLASS_LINE_END, CLASS_DROP, CLASS_DROP, CLASS_LINE_END, CLASS_DROP, CLASS_DROP, \
    DROP4, DROP4, CLASS_DROP, CLASS_DROP, CLASS_DROP, CLASS_ESCAPE, DROP4

static const uint8_t all_classes[256] = {
    CONTROLS,
    CLASS_DROP, CLASS_KEEP, CLASS_KEEP, CLASS_MARK, KEEP4,                          /* SP ! " # $ % & ' */
    CLASS_KEEP, CLASS_KEEP, CLASS_MARK, CLASS_KEEP, KEEP4,                          /* ( ) * + , - . / */
    KEEP4, KEEP4,
    CLASS_KEEP, CLASS_KEEP, CLASS_MARK, CLASS_KEEP,                                 /* 8 9 : ; */
    CLASS_KEEP, CLASS_EQUALS, CLASS_MARK, CLASS_KEEP,                               /* < = > ? */
    KEEP4, KEEP4, KEEP4, KEEP4, KEEP4, KEEP4, KEEP4, KEEP4,
    KEEP4, KEEP4, KEEP4, KEEP4, KEEP4, KEEP4,
    CLASS_KEEP, CLASS_KEEP, CLASS_KEEP, CLASS_KEEP,                                 /* x y z { */
    CLASS_MARK, CLASS_MARK, CLASS_KEEP, CLASS_DROP,                                 /* | } ~ DEL */
    HIGH128,
};

static const uint8_t bare_classes[256] = {
    CONTROLS,
    DROP4, DROP4, DROP4, DROP4,
    KEEP4, KEEP4, CLASS_KEEP, CLASS_KEEP, CLASS_DROP, CLASS_DROP, DROP4,            /* 0 to 9 */
    CLASS_DROP, CLASS_KEEP, CLASS_KEEP, CLASS_KEEP, KEEP4, KEEP4, KEEP4, KEEP4, KEEP4,
    CLASS_KEEP, CLASS_KEEP, CLASS_KEEP, CLASS_DROP, DROP4,                          /* X Y Z */
    CLASS_DROP, CLASS_KEEP, CLASS_KEEP, CLASS_KEEP, KEEP4, KEEP4, KEEP4, KEEP4, KEEP4,
    CLASS_KEEP, CLASS_KEEP, CLASS_KEEP, CLASS_DROP, DROP4,
    HIGH128,
};

/* Spaces, and characters that show nothing; with U+FFFD, which conversions put for what they cannot convert. */
static const struct {
    uint32_t first, last;
} invisible[] = {
    { 0x0080, 0x00A0 }, { 0x00AD, 0x00AD }, { 0x034F, 0x034F }, { 0x061C, 0x061C }, { 0x115F, 0x1160 }, { 0x1680, 0x1680 },
    { 0x17B4, 0x17B5 }, { 0x180B, 0x180F }, { 0x2000, 0x200F }, { 0x2028, 0x202F }, { 0x205F, 0x206F }, { 0x2800, 0x2800 },
    { 0x3000, 0x3000 }, { 0x3164, 0x3164 }, { 0xFE00, 0xFE0F }, { 0xFEFF, 0xFEFF }, { 0xFFA0, 0xFFA0 }, { 0xFFF9, 0xFFFD },
    { 0xE0000, 0xE0FFF },
};

static bool
is_invisible(uint32_t character)
{
    for (size_t i = 0; i < COUNT(invisible) && character >= invisible[i].first; i++)
        if (character <= invisible[i].last)
            return true;
    return false;
}

static inline bool
is_between(uint8_t c, uint8_t first, uint8_t last)
{
    return c >= first && c <= last;
}

static inline bool
is_letter_or_digit(uint8_t c)
{
    return is_between(c, '0', '9') || is_between(c | 0x20, 'a', 'z');
}

void
squeeze_init(struct squeeze *s, octets_fn *out, void *arg)
{
    *s = (struct squeeze){ .classes = all_classes, .line_start = true };
    outlet_init(&s->outlet, out, arg);
}

void
squeeze_init_bare(struct squeeze *s, octets_fn *out, void *arg)
{
    squeeze_init(s, out, arg);
    s->classes = bare_classes;
    s->line_start = false;
}

/* ---- What stays ------------------------------------------------------------------------------------------------- */

/* An octet that is passed on, unless only letters and digits are. */
static void
keep(struct squeeze *s, uint8_t c)
{
    if (s->classes == bare_classes && !is_letter_or_digit(c))
        return;
    if (s->equals)
        outlet_put(&s->outlet, '=');
    s->equals = false;
    s->line_start = false;
    s->folded = false;
    outlet_put(&s->outlet, (char)c);
}

/* A full-width letter or digit; remembered where the next one needs it to be told from ASCII. */
static void
keep_folded(struct squeeze *s, uint8_t c, bool remember)
{
    keep(s, c);
    s->folded = remember;
}

/* One octet of ASCII, but NUL. */
static void
take_ascii(struct squeeze *s, uint8_t c)
{
    switch (s->classes[c]) {
    case CLASS_MARK:
        if (!s->line_start && !(c == '#' && s->double_octets))      /* "#" there is the first octet of a full-width letter */
            keep(s, c);
        break;
    case CLASS_KEEP:
        keep(s, c);
        break;
    case CLASS_EQUALS:
        if (s->equals)
            outlet_put(&s->outlet, '=');
        s->equals = true;
        s->line_start = false;
        s->folded = false;
        break;
    case CLASS_LINE_END:
        s->equals = false;
        s->line_start = s->classes == all_classes;
        s->double_octets = false;
        break;
    case CLASS_ESCAPE:
        s->escape = 1;
        s->terminal = false;
        break;
    default:
        break;
    }
}

/* ---- Escape sequences ------------------------------------------------------------------------------------------- */

/* False: c does not belong to the sequence, which has ended. */
static bool
escape_takes(struct squeeze *s, uint8_t c)
{
    unsigned at = s->escape++;

    if (at == 1 && c == '[') {
        s->terminal = true;
        return true;
    }
    if (at == 1 && c == '$')
        s->double_octets = true;
    else if (at == 1 && c == '(')
        s->double_octets = false;
    if (s->terminal ? is_between(c, 0x20, 0x3F) && at < TERMINAL_ESCAPE_MAX : is_between(c, 0x20, 0x2F) && at < ESCAPE_MAX)
        return true;
    s->escape = 0;
    /* An escape of a single letter is no charset's, but of "$" sets without intermediate octets: ESC $ B. */
    return s->terminal ? is_between(c, 0x40, 0x7E) : at > 1 && is_between(c, 0x30, 0x7E);
}

/* ---- Octets over 127 -------------------------------------------------------------------------------------------- */

/* What was held is no character of several octets: it is passed on as it stands. */
static void
release_held(struct squeeze *s)
{
    unsigned len = s->held_len;

    s->held_len = 0;
    for (unsigned i = 0; i < len; i++)
        keep(s, s->held[i]);
}

static void
take_character(struct squeeze *s)
{
    static const uint8_t lead_bits[] = { 0, 0x7F, 0x1F, 0x0F, 0x07 };
    uint32_t             character = s->held[0] & lead_bits[s->held_len];

    for (unsigned i = 1; i < s->held_len; i++)
        character = character << 6 | (s->held[i] & 0x3F);
    if (is_invisible(character)) {
        s->held_len = 0;
    } else if (character >= FIRST_ASCII_LETTER_WIDE && character <= LAST_ASCII_LETTER_WIDE) {
        s->held_len = 0;
        keep(s, (uint8_t)(character - FIRST_ASCII_LETTER_WIDE + '!'));
    } else {
        release_held(s);
    }
}

static bool
utf8_takes(struct squeeze *s, uint8_t c)
{
    unsigned need = s->held[0] < 0xE0 ? 2 : s->held[0] < 0xF0 ? 3 : 4;

    if (!is_between(c, 0x80, 0xBF)) {
        release_held(s);
        return false;
    }
    s->held[s->held_len++] = c;
    if (s->held_len == need)
        take_character(s);
    return true;
}

/* The letter or digit that a pair of octets is in EUC (any) or Big5, or 0. The last four letters of Big5 need another before. */
static uint8_t
pair_fold(const struct squeeze *s, uint8_t first, uint8_t second)
{
    uint8_t euc = second & 0x7F;

    if (first == 0xA3 && second > 0x80)
        return is_letter_or_digit(euc) ? euc : 0;
    if (first == 0xA3)
        return s->folded && is_between(second, 0x40, 0x43) ? (uint8_t)(second - 0x40 + 'w') : 0;
    if (is_between(second, 0xAF, 0xB8))
        return (uint8_t)(second - 0xAF + '0');
    if (is_between(second, 0xCF, 0xE8))
        return (uint8_t)(second - 0xCF + 'A');
    return is_between(second, 0xE9, 0xFE) ? (uint8_t)(second - 0xE9 + 'a') : 0;
}

static bool
pair_takes(struct squeeze *s, uint8_t c)
{
    uint8_t letter = pair_fold(s, s->held[0], c);

    if (letter == 0) {
        release_held(s);
        return false;
    }
    s->held_len = 0;
    keep_folded(s, letter, s->held[0] == 0xA2 || c < 0x80);
    return true;
}

/* The letter or digit that 0x82 and c are in Shift_JIS, or 0. */
static uint8_t
shift_jis_fold(uint8_t c)
{
    if (is_between(c, 0x4F, 0x58))
        return (uint8_t)(c - 0x4F + '0');
    if (is_between(c, 0x60, 0x79))
        return (uint8_t)(c - 0x60 + 'A');
    return is_between(c, 0x81, 0x9A) ? (uint8_t)(c - 0x81 + 'a') : 0;
}

/*
 * 0x81 to 0x84: four octets of GB18030, of which the second and last are digits; or, from 0x82, Shift_JIS. There the second octet
 * of a digit or capital is ASCII, and 0x82 a quotation mark elsewhere: it counts only next to another such character.
 */
static bool
shift_takes(struct squeeze *s, uint8_t c)
{
    uint8_t first = s->held[0], letter = shift_jis_fold(s->held_len == 1 ? c : s->held[1]);

    if (s->held_len % 2 == 1 && is_between(c, '0', '9')) {
        s->held[s->held_len++] = c;
        if (s->held_len == 4)
            s->held_len = 0;
        return true;
    }
    if (s->held_len == 2 && is_between(s->held[1], '0', '9') && is_between(c, 0x81, 0xFE)) {
        s->held[s->held_len++] = c;
        return true;
    }
    if (first == 0x82 && letter != 0 && s->held_len == 1) {
        if (c < 0x80 && !s->folded) {
            s->held[s->held_len++] = c;
            return true;
        }
        s->held_len = 0;
        keep_folded(s, letter, true);
        return true;
    }
    if (first == 0x82 && letter != 0 && s->held_len == 2 && c == 0x82) {
        s->held_len = 1;
        keep_folded(s, letter, true);
        return true;
    }
    release_held(s);
    return false;
}

/* False: c does not belong to what is held, which is held no more. */
static bool
held_takes(struct squeeze *s, uint8_t c)
{
    uint8_t first = s->held[0];

    if (first >= 0xC2)
        return utf8_takes(s, c);
    return first >= 0xA0 ? pair_takes(s, c) : shift_takes(s, c);
}

static void
take_high(struct squeeze *s, uint8_t c)
{
    switch (c) {
    case 0xA0: case 0xAD:       /* no-break space, soft hyphen */
    case 0xFE: case 0xFF:       /* of byte order marks; never in UTF-8 */
        break;
    case 0x81: case 0x82: case 0x83: case 0x84:
    case 0xA2: case 0xA3:
        s->held[s->held_len++] = c;
        break;
    default:
        if (is_between(c, 0xC2, 0xF4))
            s->held[s->held_len++] = c;
        else
            keep(s, c);
        break;
    }
}

/* Any octet but NUL, outside of UTF-16. */
static void
take_octet(struct squeeze *s, uint8_t c)
{
    if (s->escape > 0 && escape_takes(s, c))
        return;
    if (s->held_len > 0 && held_takes(s, c))
        return;
    if (c < 0x80)
        take_ascii(s, c);
    else
        take_high(s, c);
}

/* ---- UTF-16 and UTF-32 ------------------------------------------------------------------------------------------ */

/* The first NUL: the unit that it ends or begins is one of UTF-16, or half of UTF-32. */
static void
begin_wide(struct squeeze *s, bool odd)
{
    s->escape = 0;
    release_held(s);
    s->wide = true;
    s->little = odd;
    s->big = false;
    s->has_first = !odd;
    s->first = 0;
}

/* An octet of a byte order mark, perhaps: it begins a unit. */
static void
begin_marked(struct squeeze *s, uint8_t c)
{
    begin_wide(s, false);
    s->first = c;
}

/* Whether a unit that tells nothing by a NUL is a byte order mark in front of all text. */
static bool
mark_taken(struct squeeze *s, uint8_t a, uint8_t b)
{
    if (s->little || s->big || (a ^ b) != 1)
        return false;
    s->little = a == 0xFF;
    s->big = b == 0xFF;
    s->marked = s->little || s->big;
    return s->marked;
}

static void
take_latin1(struct squeeze *s, uint8_t c)
{
    if (c < 0x80)
        take_ascii(s, c);
    else if (!is_invisible(c))
        keep(s, c);
}

/* Whether the unit is one to drop or to fold; then this is done. */
static bool
unit_taken(struct squeeze *s, uint32_t unit)
{
    if (unit >= FIRST_ASCII_LETTER_WIDE && unit <= LAST_ASCII_LETTER_WIDE) {
        keep(s, (uint8_t)(unit - FIRST_ASCII_LETTER_WIDE + '!'));
        return true;
    }
    return is_invisible(unit);
}

/*
 * In UTF-32 half of the units are 0, and tell of both orders. A unit with one NUL is then taken for ASCII; else, where it
 * cannot be ASCII in the order that the text has, for what it is.
 */
static void
take_unit(struct squeeze *s, uint8_t a, uint8_t b)
{
    bool little = s->little && b != 0 && !(s->big && a == 0), big = s->big && a != 0 && !(s->little && b == 0);

    if ((little && unit_taken(s, (uint32_t)b << 8 | a)) || (big && unit_taken(s, (uint32_t)a << 8 | b)))
        return;
    if (a == 0 || b == 0) {
        s->little = b == 0;
        s->big = a == 0;
        if (a != b)
            take_latin1(s, a | b);
        return;
    }
    if (s->marked) {
        keep(s, a);
        keep(s, b);
    } else if (!mark_taken(s, a, b)) {
        s->wide = false;
        take_octet(s, a);
        take_octet(s, b);
    }
}

static void
take_wide(struct squeeze *s, uint8_t c)
{
    if (!s->has_first)
        s->first = c;
    else
        take_unit(s, s->first, c);
    s->has_first = !s->has_first;
}

/* ---- Feeding ---------------------------------------------------------------------------------------------------- */

/* Ordinary text in the middle of a line, as far as it goes: nearly all time is spent here. */
static const uint8_t *
pass_run(struct squeeze *s, const uint8_t *p, const uint8_t *end)
{
    const uint8_t *classes = s->classes;
    struct outlet *o = &s->outlet;

    while (p < end) {
        size_t         len = o->len, room = OUTLET_BYTES - len;
        const uint8_t *stop = (size_t)(end - p) > room ? p + room : end;
        uint8_t        class;

        for (; p < stop && (class = classes[*p]) <= CLASS_MARK; p++) {
            o->room[len] = (char)*p;
            len += class != CLASS_DROP;
        }
        o->len = len;
        if (p < stop)
            break;
        if (OUTLET_BYTES - len < ROOM_MIN)
            outlet_flush(o);
    }
    return p;
}

static inline bool
is_odd(const struct squeeze *s, ptrdiff_t offset)
{
    return s->odd != (offset % 2 == 1);
}

void
squeeze_feed(struct squeeze *s, struct slice text)
{
    const uint8_t *start = (const uint8_t *)text.data, *p = start, *end;

    if (text.len == 0)
        return;
    end = start + text.len;
    while (p < end) {
        bool calm = !s->line_start && !s->equals && !s->double_octets && !s->folded && s->escape == 0 && s->held_len == 0;

        if (s->wide) {
            take_wide(s, *p++);
        } else if (*p == 0) {
            begin_wide(s, is_odd(s, p - start));
            p++;
        } else if (*p >= FIRST_MARK && s->held_len == 0 && !is_odd(s, p - start)) {
            begin_marked(s, *p++);
        } else if (calm && s->classes[*p] <= CLASS_MARK) {
            p = pass_run(s, p, end);
        } else {
            take_octet(s, *p++);
        }
    }
    s->odd = s->odd != (text.len % 2 == 1);
    outlet_flush(&s->outlet);
}

void
squeeze_finish(struct squeeze *s)
{
    const uint8_t *classes = s->classes;
    octets_fn     *out = s->outlet.out;
    void          *arg = s->outlet.arg;

    if (s->wide && s->has_first && s->first != 0) {
        s->wide = false;
        take_octet(s, s->first);
    }
    release_held(s);
    if (s->equals)
        outlet_put(&s->outlet, '=');
    outlet_flush(&s->outlet);
    if (classes == bare_classes)
        squeeze_init_bare(s, out, arg);
    else
        squeeze_init(s, out, arg);
}
