#include "imapd/imap_preview.h"

#include "imapd/imap.h"
#include "imapd/imap_header.h"

#include "finder/html_entity.h"
#include "lib/charset.h"
#include "lib/content_type.h"
#include "lib/error.h"
#include "lib/transfer.h"
#include "lib/utf8.h"
#include "meaning/html_text.h"

enum { HEADER_BYTES = 16 * 1024, CHARSET_CHARS = 64, UTF8_BYTES_MAX = 4, REFERENCE_CHARS_MAX = 12 };

/* ---- Characters ---------------------------------------------------------------------------------------------------------------------- */

/* U+00A0 to U+00FF by their names in HTML, and others that mails are full of. */
static const char latin1_names[][7] = {
    "nbsp", "iexcl", "cent", "pound", "curren", "yen", "brvbar", "sect", "uml", "copy", "ordf", "laquo", "not", "shy", "reg", "macr",
    "deg", "plusmn", "sup2", "sup3", "acute", "micro", "para", "middot", "cedil", "sup1", "ordm", "raquo", "frac14", "frac12", "frac34",
    "iquest", "Agrave", "Aacute", "Acirc", "Atilde", "Auml", "Aring", "AElig", "Ccedil", "Egrave", "Eacute", "Ecirc", "Euml", "Igrave",
    "Iacute", "Icirc", "Iuml", "ETH", "Ntilde", "Ograve", "Oacute", "Ocirc", "Otilde", "Ouml", "times", "Oslash", "Ugrave", "Uacute",
    "Ucirc", "Uuml", "Yacute", "THORN", "szlig", "agrave", "aacute", "acirc", "atilde", "auml", "aring", "aelig", "ccedil", "egrave",
    "eacute", "ecirc", "euml", "igrave", "iacute", "icirc", "iuml", "eth", "ntilde", "ograve", "oacute", "ocirc", "otilde", "ouml",
    "divide", "oslash", "ugrave", "uacute", "ucirc", "uuml", "yacute", "thorn", "yuml",
};

static const struct {
    const char *name;
    uint32_t    character;
} other_names[] = {
    { "bdquo", 0x201E }, { "bull", 0x2022 }, { "euro", 0x20AC }, { "hellip", 0x2026 }, { "ldquo", 0x201C }, { "lsaquo", 0x2039 },
    { "lsquo", 0x2018 }, { "mdash", 0x2014 }, { "ndash", 0x2013 }, { "rdquo", 0x201D }, { "rsaquo", 0x203A }, { "rsquo", 0x2019 },
    { "sbquo", 0x201A }, { "trade", 0x2122 },
};

static uint32_t
named_character(struct slice name)
{
    for (size_t i = 0; i < COUNT(latin1_names); i++)
        if (slice_equal(name, slice_of(latin1_names[i])))
            return 0xA0 + (uint32_t)i;
    for (size_t i = 0; i < COUNT(other_names); i++)
        if (slice_equal(name, slice_of(other_names[i].name)))
            return other_names[i].character;
    return html_entity_find(name);
}

/* Digits of "#228" or "#xE4", behind "#". 0: none. */
static uint32_t
numbered_character(struct slice digits)
{
    bool     hexadecimal = digits.len > 0 && ascii_lower(digits.data[0]) == 'x';
    uint32_t value = 0;

    for (size_t i = hexadecimal; i < digits.len; i++) {
        int digit = hex_value(digits.data[i]);

        if (digit < 0 || (!hexadecimal && digit > 9) || value > 0x10FFFF)
            return 0;
        value = value * (hexadecimal ? 16 : 10) + (uint32_t)digit;
    }
    return value > 0x10FFFF || (value >= 0xD800 && value < 0xE000) ? 0 : value;
}

/* "&uuml;" at the start of the text; 0: there is none that is known. */
static uint32_t
reference(struct slice text, size_t *len)
{
    struct slice name = slice_sub(text, 1, REFERENCE_CHARS_MAX);
    size_t       end = slice_find(name, ';');

    if (end == name.len || end == 0)
        return 0;
    *len = end + 2;
    name = slice_sub(name, 0, end);
    return name.data[0] == '#' ? numbered_character(slice_sub(name, 1, name.len)) : named_character(name);
}

/* The first character of a text that is not empty; *len: its octets. What is none comes out as U+FFFD. */
static uint32_t
first_character(struct slice text, bool html, size_t *len)
{
    static const unsigned char first_bits[UTF8_BYTES_MAX + 1] = { 0, 0x7F, 0x1F, 0x0F, 0x07 };
    uint32_t                   c;

    if (html && text.data[0] == '&' && (c = reference(text, len)) != 0)
        return c;
    *len = utf8_char_len(text);
    if (*len == 0) {
        *len = 1;
        return 0xFFFD;
    }
    c = (unsigned char)text.data[0] & first_bits[*len];
    for (size_t i = 1; i < *len; i++)
        c = c << 6 | ((unsigned char)text.data[i] & 0x3F);
    return c;
}

static bool
is_blank(uint32_t c)
{
    return c <= ' ' || (c >= 0x7F && c <= 0xA0) || (c >= 0x2000 && c <= 0x200A) || c == 0x2028 || c == 0x2029 || c == 0x202F || c == 0x205F ||
           c == 0x3000 || c == 0x2800;
}

/* Soft hyphens, joiners, marks of direction: mails fill the place of their preview with them, or turn its text around. */
static bool
is_invisible(uint32_t c)
{
    return c == 0xAD || c == 0x34F || c == 0x61C || (c >= 0x200B && c <= 0x200F) || (c >= 0x202A && c <= 0x202E) || (c >= 0x2060 && c <= 0x2069) ||
           c == 0xFEFF;
}

/* ---- Text --------------------------------------------------------------------------------------------------------------------------- */

struct preview {
    struct outlet out;
    unsigned      characters;
    bool          blank;            /* white space stands behind what was put last */
};

static void
append(void *arg, struct slice octets)
{
    buf_append_slice(arg, octets);
}

static bool
is_full(const struct preview *p)
{
    return p->characters >= IMAP_PREVIEW_CHARACTERS;
}

static void
put(struct preview *p, uint32_t c)
{
    if (is_blank(c)) {
        p->blank = p->characters > 0;
        return;
    }
    if (is_invisible(c))
        return;
    if (p->blank) {
        outlet_put(&p->out, ' ');
        p->characters++;
    }
    p->blank = false;
    if (is_full(p))
        return;
    outlet_put_character(&p->out, c);
    p->characters++;
}

static void
put_lines(struct preview *p, struct slice text, bool html, bool quoted)
{
    while (text.len > 0 && !is_full(p)) {
        size_t       end = slice_find(text, '\n');
        struct slice line = slice_sub(text, 0, end);
        bool         passed = !html && !quoted && line.len > 0 && line.data[0] == '>';

        while (!passed && line.len > 0 && !is_full(p)) {
            size_t len = 0;

            put(p, first_character(line, html, &len));
            line = slice_sub(line, len, line.len);
        }
        put(p, '\n');
        text = slice_sub(text, end + 1, text.len);
    }
}

void
imap_preview_text(struct buf *b, struct slice text, bool html)
{
    struct preview p = { .characters = 0 };

    outlet_init(&p.out, append, b);
    put_lines(&p, text, html, false);
    if (p.characters == 0)
        put_lines(&p, text, html, true);
    outlet_flush(&p.out);
}

/* ---- The part ------------------------------------------------------------------------------------------------------------------------ */

static bool
is_text(const struct imap_message *m, uint32_t at)
{
    return m->child[at] == PARSED_NO_PARENT && (slice_equal(m->parts[at].type, slice_of("text/plain")) || slice_equal(m->parts[at].type, slice_of("text/html")));
}

/* The first text; of alternatives the plain one. PARSED_NO_PARENT: there is none. */
static uint32_t
find_text(const struct imap_message *m)
{
    uint32_t at = 0;

    while (at < m->part_count && !is_text(m, at))
        at++;
    if (at == m->part_count)
        return PARSED_NO_PARENT;
    if (at > 0 && slice_equal(m->parts[m->parts[at].parent].type, slice_of("multipart/alternative")))
        for (uint32_t i = at; i != PARSED_NO_PARENT; i = m->sibling[i])
            if (is_text(m, i) && slice_equal(m->parts[i].type, slice_of("text/plain")))
                return i;
    return at;
}

/* NULL: none is named that is known. */
static const struct charset *
charset_of(const struct imap_message *m, uint32_t at, int *rc)
{
    const struct part    *p = &m->parts[at];
    struct imap_range64   range = { m->record.head.len + p->header_at, m->record.head.len + p->body_at };
    const struct charset *charset = NULL;
    char                  name[CHARSET_CHARS] = "";
    struct imap_field     field;
    struct buf            header;

    if (range.to - range.from > HEADER_BYTES)
        range.to = range.from + HEADER_BYTES;
    buf_init(&header, HEADER_BYTES);
    *rc = imap_message_read(m, range, &header);
    if (*rc == MT_OK && imap_find_field(buf_slice(&header), "Content-Type", &field) &&
        content_type_parameter(field.value, "charset", name, sizeof(name)))
        charset = charset_find(slice_of(name));
    buf_fini(&header);
    return charset == NULL ? charset_find(slice_of("UTF-8")) : charset;
}

/* The first octets of the part, decoded. */
static int
read_body(const struct imap_message *m, uint32_t at, struct buf *out)
{
    const struct part  *p = &m->parts[at];
    struct imap_range64 range = { m->record.head.len + p->body_at, m->record.head.len + p->end_at };
    struct transfer     transfer;
    struct buf          stored;
    struct slice        rest;
    int                 rc;

    if (range.to - range.from > IMAP_PREVIEW_OCTETS)
        range.to = range.from + IMAP_PREVIEW_OCTETS;
    buf_init(&stored, IMAP_PREVIEW_OCTETS);
    transfer_init(&transfer, (enum part_encoding)p->encoding);
    rc = imap_message_read(m, range, &stored);
    for (rest = buf_slice(&stored); rc == MT_OK && rest.len > 0;) {
        char   room[4096];
        size_t read = 0, len = transfer_decode(&transfer, rest, room, sizeof(room), &read);

        rc = buf_append(out, room, len);
        rest = slice_sub(rest, read, rest.len);
    }
    buf_fini(&stored);
    return rc;
}

static int
put_part(struct buf *b, const struct imap_message *m, uint32_t at)
{
    bool                  html = slice_equal(m->parts[at].type, slice_of("text/html"));
    struct buf            body, text, plain;
    int                   rc;
    const struct charset *charset = charset_of(m, at, &rc);

    buf_init(&body, IMAP_PREVIEW_OCTETS + UTF8_BYTES_MAX);
    buf_init(&text, 3 * (IMAP_PREVIEW_OCTETS + UTF8_BYTES_MAX));
    buf_init(&plain, 3 * (IMAP_PREVIEW_OCTETS + UTF8_BYTES_MAX));
    if (rc == MT_OK)
        rc = read_body(m, at, &body);
    if (rc == MT_OK) {
        charset_convert(charset, buf_slice(&body), &text);
        if (html) {
            struct html_text tags;

            html_text_init_plain(&tags, append, &plain);
            html_text_feed(&tags, buf_slice(&text));
        }
        imap_preview_text(b, buf_slice(html ? &plain : &text), html);
    }
    buf_fini(&body);
    buf_fini(&text);
    buf_fini(&plain);
    return rc;
}

int
imap_put_preview(struct buf *b, struct imap_message *m)
{
    struct buf preview;
    uint32_t   at;
    int        rc = imap_message_parts(m);

    if (rc != MT_OK)
        return rc;
    buf_init(&preview, IMAP_PREVIEW_CHARACTERS * UTF8_BYTES_MAX);
    at = find_text(m);
    if (at != PARSED_NO_PARENT)
        rc = put_part(&preview, m, at);
    if (rc == MT_OK)
        imap_put_string(b, buf_slice(&preview));
    buf_fini(&preview);
    return rc;
}
