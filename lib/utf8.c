#include "lib/utf8.h"

#include "lib/error.h"

#define REPLACEMENT "\xef\xbf\xbd"      /* U+FFFD */

enum utf8_charset
utf8_charset_of(const char *name)
{
    static const struct {
        const char       *name;
        enum utf8_charset charset;
    } names[] = {
        { "",           CHARSET_UTF8   },
        { "utf-8",      CHARSET_UTF8   },
        { "us-ascii",   CHARSET_UTF8   },
        { "utf8",       CHARSET_UTF8   },
        { "ascii",      CHARSET_UTF8   },
        { "iso-8859-1", CHARSET_LATIN1 },
        { "latin1",     CHARSET_LATIN1 },
    };

    for (size_t i = 0; i < COUNT(names); i++)
        if (slice_equal_nocase(slice_of(name), slice_of(names[i].name)))
            return names[i].charset;
    return CHARSET_UNKNOWN;
}

/* The length that the first octet states, and the range of the second (RFC 3629 section 4); 0: no first octet. */
static size_t
stated_len(unsigned char first, unsigned char *low, unsigned char *high)
{
    *low = 0x80;
    *high = 0xbf;
    if (first < 0x80)
        return 1;
    if (first >= 0xc2 && first <= 0xdf)
        return 2;
    if (first >= 0xe0 && first <= 0xef) {
        if (first == 0xe0)
            *low = 0xa0;
        if (first == 0xed)
            *high = 0x9f;
        return 3;
    }
    if (first >= 0xf0 && first <= 0xf4) {
        if (first == 0xf0)
            *low = 0x90;
        if (first == 0xf4)
            *high = 0x8f;
        return 4;
    }
    return 0;
}

/* As utf8_char_len; *good: how many octets may begin a character, fewer than it needs where there is none. */
static size_t
char_len(struct slice s, size_t *good)
{
    unsigned char low, high;
    size_t        len = s.len == 0 ? 0 : stated_len((unsigned char)s.data[0], &low, &high);

    *good = len > 0;
    for (size_t i = 1; i < len; i++, low = 0x80, high = 0xbf) {
        if (i == s.len || (unsigned char)s.data[i] < low || (unsigned char)s.data[i] > high)
            return 0;
        *good = i + 1;
    }
    return len;
}

size_t
utf8_char_len(struct slice s)
{
    size_t good;

    return char_len(s, &good);
}

bool
utf8_is_valid(struct slice s)
{
    while (s.len > 0) {
        size_t len = utf8_char_len(s);

        if (len == 0)
            return false;
        s = slice_sub(s, len, s.len);
    }
    return true;
}

void
utf8_text_init(struct utf8_text *t, struct buf *to)
{
    *t = (struct utf8_text){ .to = to, .charset = CHARSET_UTF8 };
}

/* One whole character. */
static void
add(struct utf8_text *t, struct slice c)
{
    if (t->full || slice_equal(c, slice_of("\r")) || slice_equal(c, slice_of("\n")))
        return;
    /* C0 and DEL are one octet, C1 is U+0080 to U+009F. */
    if ((c.len == 1 && ((unsigned char)c.data[0] < ' ' || c.data[0] == 127)) ||
        (c.len == 2 && (unsigned char)c.data[0] == 0xc2 && (unsigned char)c.data[1] < 0xa0))
        c = slice_of(" ");
    if (c.len > t->to->limit - t->to->len || buf_append_slice(t->to, c) != MT_OK)
        t->full = true;
}

/* Adds what octets begin with of printable ASCII, in one go since nearly all text is; returns how many octets. */
static size_t
add_ascii(struct utf8_text *t, struct slice octets)
{
    size_t len = 0, room = t->to->limit - t->to->len;

    while (len < octets.len && octets.data[len] >= ' ' && octets.data[len] < 127)
        len++;
    if (buf_append(t->to, octets.data, len < room ? len : room) != MT_OK || len > room)
        t->full = true;
    return len;
}

/* What begins like a character but does not end as one is replaced as a whole, so that cuts between pieces do not matter. */
static void
feed_utf8(struct utf8_text *t, struct slice octets)
{
    while (octets.len > 0 && !t->full) {
        size_t good, len = add_ascii(t, octets);

        octets = slice_sub(octets, len, octets.len);
        if (octets.len == 0 || t->full)
            return;
        len = char_len(octets, &good);
        if (len == 0 && good == octets.len) {
            memcpy(t->begun, octets.data, octets.len);
            t->begun_len = (uint8_t)octets.len;
            return;
        }
        add(t, len > 0 ? slice_sub(octets, 0, len) : slice_of(REPLACEMENT));
        octets = slice_sub(octets, good > 0 ? good : 1, octets.len);
    }
}

/* Ends the character that was begun with octets of the new piece; returns how many it took. */
static size_t
feed_begun(struct utf8_text *t, struct slice octets)
{
    for (size_t i = 0; i < octets.len; i++) {
        size_t good, len;

        t->begun[t->begun_len++] = octets.data[i];
        len = char_len(slice_make(t->begun, t->begun_len), &good);
        if (len == 0 && good == t->begun_len)
            continue;
        t->begun_len = 0;
        add(t, len > 0 ? slice_make(t->begun, len) : slice_of(REPLACEMENT));
        return len > 0 ? i + 1 : i;
    }
    return octets.len;
}

void
utf8_text_feed(struct utf8_text *t, enum utf8_charset charset, struct slice octets)
{
    if (charset != t->charset)
        utf8_text_finish(t);
    t->charset = charset;
    if (charset == CHARSET_UTF8) {
        if (t->begun_len > 0)
            octets = slice_sub(octets, feed_begun(t, octets), octets.len);
        feed_utf8(t, octets);
        return;
    }
    for (size_t i = 0; i < octets.len && !t->full; i++) {
        unsigned char c = (unsigned char)octets.data[i];
        char          two[2] = { (char)(0xc0 | c >> 6), (char)(0x80 | (c & 0x3f)) };

        if (c < 0x80)
            add(t, slice_sub(octets, i, 1));
        else
            add(t, charset == CHARSET_LATIN1 ? slice_make(two, 2) : slice_of(REPLACEMENT));
    }
}

void
utf8_text_finish(struct utf8_text *t)
{
    if (t->begun_len > 0)
        add(t, slice_of(REPLACEMENT));
    t->begun_len = 0;
}

void
utf8_clean(struct buf *to, struct slice octets)
{
    struct utf8_text t;

    utf8_text_init(&t, to);
    utf8_text_feed(&t, CHARSET_UTF8, octets);
    utf8_text_finish(&t);
}
